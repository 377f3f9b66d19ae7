//! What the two sides tell each other in `initialize`, in the handshake era
//! (2024-11-05 to 2025-11-25).

use std::borrow::Cow;

use crate::limits::{CLIENT_CAPABILITIES_BYTES_MAX, CLIENT_INFO_BYTES_MAX};
use crate::wire::envelope::{Message, quoted, shown};
use crate::wire::items::ItemKind;
use crate::wire::scan::{self, Shape, Value};

/// The revisions with a handshake, oldest first. The order is that of time, so
/// `>=` asks whether a revision has what another brought.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Revision {
    /// 2024-11-05
    V2024_11_05,
    /// 2025-03-26
    V2025_03_26,
    /// 2025-06-18
    V2025_06_18,
    /// 2025-11-25
    V2025_11_25,
}

impl Revision {
    /// Every one, oldest first.
    pub const ALL: [Revision; 4] = [
        Revision::V2024_11_05,
        Revision::V2025_03_26,
        Revision::V2025_06_18,
        Revision::V2025_11_25,
    ];

    /// The newest, offered to children, and answered to clients that ask for
    /// one this gateway does not know.
    pub const LATEST: Revision = Revision::V2025_11_25;

    /// Its name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Revision::V2024_11_05 => "2024-11-05",
            Revision::V2025_03_26 => "2025-03-26",
            Revision::V2025_06_18 => "2025-06-18",
            Revision::V2025_11_25 => "2025-11-25",
        }
    }

    /// The revision of that name.
    pub fn from_name(name: &str) -> Option<Revision> {
        Revision::ALL
            .into_iter()
            .find(|revision| revision.name() == name)
    }

    /// The one agreed on with a client that asks for a version of that name: it,
    /// or the newest where it is not known (lifecycle, "Version Negotiation").
    pub fn agreed(asked: &str) -> Revision {
        Revision::from_name(asked).unwrap_or(Revision::LATEST)
    }
}

/// What a client says in the parameters of `initialize`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ClientHello {
    /// The revision it asks for, as it wrote it.
    pub version: Cow<'static, str>,
    /// Its capabilities, as JSON text; `{}` if it named none.
    pub capabilities: Box<str>,
    /// Its `clientInfo`, as JSON text; `{}` if it named none.
    pub info: Box<str>,
    /// Which of the questions of a server it can answer.
    pub can: ClientCan,
}

/// Which questions of a server a client has declared it can answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ClientCan {
    /// `sampling/createMessage`
    pub sampling: bool,
    /// `sampling/createMessage` with tools
    pub sampling_tools: bool,
    /// `elicitation/create` with a form; what a bare `elicitation` means
    pub elicitation: bool,
    /// `elicitation/create` with a URL
    pub elicitation_url: bool,
    /// `roots/list`
    pub roots: bool,
}

/// What a server says in the result of `initialize`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ServerHello {
    /// The revision that the child will speak; none if it speaks the stateless
    /// era.
    pub revision: Option<Revision>,
    /// Its capabilities, as JSON text.
    pub capabilities: Box<str>,
    /// Its `serverInfo`, as JSON text.
    pub info: Box<str>,
    /// Its `instructions`, decoded.
    pub instructions: Option<String>,
    /// Which of its parts it has declared.
    pub has: ServerHas,
}

/// Which parts a server has declared.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ServerHas {
    /// `tools`
    pub tools: bool,
    /// `prompts`
    pub prompts: bool,
    /// `resources`
    pub resources: bool,
    /// `resources.subscribe`
    pub subscribe: bool,
    /// `completions`
    pub completions: bool,
    /// `logging`
    pub logging: bool,
    /// `tools.listChanged`
    pub tools_changed: bool,
    /// `prompts.listChanged`
    pub prompts_changed: bool,
    /// `resources.listChanged`
    pub resources_changed: bool,
}

impl ServerHas {
    /// Whether it has declared the part that a list of this kind belongs to.
    pub fn declares(self, kind: ItemKind) -> bool {
        match kind {
            ItemKind::Tool => self.tools,
            ItemKind::Prompt => self.prompts,
            ItemKind::Resource | ItemKind::Template => self.resources,
        }
    }
}

/// Reads the parameters of a client's `initialize`. The error is a sentence
/// naming the field that is missing or wrong.
pub fn read_client_hello(message: &Message) -> Result<ClientHello, String> {
    let params = message.marks.params.ok_or("params is missing")?;
    let params = message.json(params);
    let [version, capabilities, info] =
        members(params, ["protocolVersion", "capabilities", "clientInfo"])?;
    let version = text("protocolVersion", version, params)?.ok_or("protocolVersion is missing")?;
    let capabilities = object("capabilities", capabilities, params)?;
    let info = object("clientInfo", info, params)?;
    if capabilities.len() > CLIENT_CAPABILITIES_BYTES_MAX {
        return Err(format!(
            "capabilities is {} bytes long: at most {CLIENT_CAPABILITIES_BYTES_MAX} are taken",
            capabilities.len()
        ));
    }
    Ok(ClientHello {
        version: version.into(),
        capabilities: capabilities.into(),
        info: shortened(info)?,
        can: read_client_can(capabilities)?,
    })
}

/// What is kept of a client's info: all of it, or where that is too much what
/// tells it from others.
fn shortened(info: &str) -> Result<Box<str>, String> {
    if info.len() <= CLIENT_INFO_BYTES_MAX {
        return Ok(info.into());
    }
    let kept = members(info, ["name", "version"])?.map(|value| {
        let json = value.map_or("\"\"", |value| value.json(info));
        match json.len() <= CLIENT_INFO_BYTES_MAX / 4 {
            true => json,
            false => "\"\"",
        }
    });
    let [name, version] = kept;
    Ok(format!(r#"{{"name":{name},"version":{version}}}"#).into())
}

/// Reads which questions a client's capabilities (JSON text) let it be asked.
pub fn read_client_can(capabilities: &str) -> Result<ClientCan, String> {
    let found = members(capabilities, ["sampling", "elicitation", "roots"])?;
    let sampling = object("sampling", found[0], capabilities)?;
    let elicitation = object("elicitation", found[1], capabilities)?;
    let [tools] = members(sampling, ["tools"])?.map(declared);
    let [form, url] = members(elicitation, ["form", "url"])?.map(declared);
    let [can_sample, can_elicit, roots] = found.map(declared);
    Ok(ClientCan {
        sampling: can_sample,
        sampling_tools: tools,
        elicitation: can_elicit && (form || !url),
        elicitation_url: url,
        roots,
    })
}

/// Reads the result of a child's `initialize`. The error is a sentence naming
/// the field that is missing or wrong, or the revision nobody knows, or is the
/// error that the child answered with.
pub fn read_server_hello(message: &Message) -> Result<ServerHello, String> {
    let result = message.succeeded()?;
    let keys = [
        "protocolVersion",
        "capabilities",
        "serverInfo",
        "instructions",
    ];
    let [version, capabilities, info, instructions] = members(result, keys)?;
    let version = text("protocolVersion", version, result)?.ok_or("protocolVersion is missing")?;
    let revision = Revision::from_name(&version).ok_or_else(|| unknown(&version))?;
    let revision = Some(revision);
    let capabilities = object("capabilities", capabilities, result)?;
    let info = object("serverInfo", info, result)?;
    Ok(ServerHello {
        revision,
        capabilities: capabilities.into(),
        info: info.into(),
        instructions: text("instructions", instructions, result)?,
        has: read_server_has(capabilities)?,
    })
}

/// The parameters of an `initialize` of the gateway's own. The capabilities
/// and `clientInfo` are JSON text.
pub fn initialize_params(revision: Revision, capabilities: &str, client_info: &str) -> String {
    let version = revision.name();
    format!(
        r#"{{"protocolVersion":"{version}","capabilities":{capabilities},"clientInfo":{client_info}}}"#
    )
}

/// The result of a client's `initialize`. The capabilities and `serverInfo` are
/// JSON text.
pub fn initialize_result(
    revision: Revision,
    capabilities: &str,
    server_info: &str,
    instructions: Option<&str>,
) -> String {
    let version = revision.name();
    let instructions = instructions.map_or_else(String::new, |instructions| {
        format!(",\"instructions\":{}", quoted(instructions))
    });
    format!(
        r#"{{"protocolVersion":"{version}","capabilities":{capabilities},"serverInfo":{server_info}{instructions}}}"#
    )
}

/// Reads which parts a server's capabilities (JSON text) declare.
pub fn read_server_has(capabilities: &str) -> Result<ServerHas, String> {
    let keys = ["tools", "prompts", "resources", "completions", "logging"];
    let found = members(capabilities, keys)?;
    let says = |place: usize, key: &str| {
        let part = object(keys[place], found[place], capabilities)?;
        let [value] = members(part, [key])?;
        Ok::<bool, String>(value.is_some_and(|value| value.json(part) == "true"))
    };
    let [tools, prompts, resources, completions, logging] = found.map(declared);
    Ok(ServerHas {
        tools,
        prompts,
        resources,
        subscribe: says(2, "subscribe")?,
        completions,
        logging,
        tools_changed: says(0, "listChanged")?,
        prompts_changed: says(1, "listChanged")?,
        resources_changed: says(2, "listChanged")?,
    })
}

fn unknown(version: &str) -> String {
    let known = Revision::ALL.map(Revision::name).join(", ");
    let version = shown(version);
    format!("protocolVersion {version} is not known: this gateway speaks {known}")
}

/// A capability is declared by an object, empty or not.
fn declared(value: Option<Value>) -> bool {
    value.is_some_and(|value| value.shape == Shape::Object)
}

pub(super) fn members<const N: usize>(
    json: &str,
    keys: [&str; N],
) -> Result<[Option<Value>; N], String> {
    scan::members(json, keys).map_err(|fault| format!("what should be an object is none: {fault}"))
}

/// The object of that key; an empty one if it is missing.
pub(super) fn object<'a>(
    key: &str,
    value: Option<Value>,
    json: &'a str,
) -> Result<&'a str, String> {
    match value.map(|value| (value.shape, value)) {
        None | Some((Shape::Null, _)) => Ok("{}"),
        Some((Shape::Object, value)) => Ok(value.json(json)),
        Some((shape, _)) => Err(format!("{key} is {shape}: it must be an object")),
    }
}

/// The text of that key, if it is not missing.
pub(super) fn text(key: &str, value: Option<Value>, json: &str) -> Result<Option<String>, String> {
    match value.map(|value| (value.shape, value)) {
        None | Some((Shape::Null, _)) => Ok(None),
        Some((Shape::String, value)) => match scan::text(value.json(json)) {
            Some(text) => Ok(Some(text.into_owned())),
            None => Err(format!("{key} is no text: it holds half a surrogate pair")),
        },
        Some((shape, _)) => Err(format!("{key} is {shape}: it must be a string")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::envelope::Kind;
    use crate::wire::method::Method;

    fn client(params: &str) -> Result<ClientHello, String> {
        let text = format!(r#"{{"jsonrpc":"2.0","id":0,"method":"initialize","params":{params}}}"#);
        read_client_hello(&Message::parse(text.into()).expect("a message"))
    }

    fn server(result: &str) -> Result<ServerHello, String> {
        let text = format!(r#"{{"jsonrpc":"2.0","id":0,"result":{result}}}"#);
        read_server_hello(&Message::parse(text.into()).expect("a message"))
    }

    #[test]
    fn a_client_hello_is_read_with_what_the_client_can() {
        let hello = client(
            r#"{"protocolVersion":"2025-06-18","capabilities":{"roots":{"listChanged":true},
                "sampling":null, "elicitation": {}, "new":1},"clientInfo":{"name":"c"}}"#,
        )
        .expect("a hello");
        assert_eq!(hello.version, "2025-06-18");
        assert_eq!(&*hello.info, r#"{"name":"c"}"#);
        assert!(hello.capabilities.ends_with(r#""new":1}"#));
        let can = ClientCan {
            elicitation: true,
            roots: true,
            ..ClientCan::default()
        };
        assert_eq!(hello.can, can);
    }

    #[test]
    fn of_a_client_no_more_is_kept_than_what_tells_it_from_others() {
        let hello = |capabilities: &str, info: &str| {
            client(&format!(
                r#"{{"protocolVersion":"1.0","capabilities":{{"x":"{capabilities}"}},"clientInfo":{info}}}"#
            ))
        };
        let (fits, long) = ("f".repeat(3_000), "l".repeat(9_000));
        let info = |name: &str, icon: &str| {
            format!(r#"{{"name":"{name}","icons":["{icon}"],"version":"2"}}"#)
        };
        let kept = |info: &str| hello("", info).expect("a hello").info;
        assert_eq!(*kept(&info("n", &fits)), info("n", &fits));
        assert_eq!(&*kept(&info("n", &long)), r#"{"name":"n","version":"2"}"#);
        assert_eq!(&*kept(&info(&long, "")), r#"{"name":"","version":"2"}"#);
        assert_eq!(
            hello(&long, "{}"),
            Err("capabilities is 9008 bytes long: at most 8192 are taken".into())
        );
    }

    #[test]
    fn a_client_says_which_kinds_of_questions_it_takes() {
        let can = |capabilities: &str| read_client_can(capabilities).expect("capabilities");
        let only_urls = can(r#"{"elicitation":{"url":{}},"sampling":{"tools":{}}}"#);
        assert!(!only_urls.elicitation && only_urls.elicitation_url);
        assert!(only_urls.sampling && only_urls.sampling_tools);
        let both = can(r#"{"elicitation":{"form":{},"url":{}}}"#);
        assert!(both.elicitation && both.elicitation_url && !both.sampling);
        assert_eq!(
            read_client_can(r#"{"elicitation":1}"#),
            Err("elicitation is a number: it must be an object".into())
        );
    }

    #[test]
    fn a_client_hello_needs_a_version_and_no_more() {
        let hello = client(r#"{"protocolVersion":"1.0"}"#).expect("a hello");
        assert_eq!((&*hello.capabilities, &*hello.info), ("{}", "{}"));
        assert_eq!(client("{}"), Err("protocolVersion is missing".into()));
        assert_eq!(
            client(r#"{"protocolVersion":1}"#),
            Err("protocolVersion is a number: it must be a string".into())
        );
        assert_eq!(
            client(r#"{"protocolVersion":"a","capabilities":[]}"#),
            Err("capabilities is an array: it must be an object".into())
        );
        let bare = Message::build(Kind::Request(Method::Initialize), None);
        assert_eq!(read_client_hello(&bare), Err("params is missing".into()));
    }

    #[test]
    fn a_server_hello_is_read_with_what_the_server_has() {
        let hello = server(
            r#"{"serverInfo":{"name":"s"},"instructions":"Say \"please\".\n","protocolVersion":"2024-11-05",
                "capabilities":{"tools":{},"resources":{"subscribe":true},"logging":null,"completions":{}}}"#,
        )
        .expect("a hello");
        assert_eq!(hello.revision, Some(Revision::V2024_11_05));
        assert_eq!(&*hello.info, r#"{"name":"s"}"#);
        assert_eq!(hello.instructions.as_deref(), Some("Say \"please\".\n"));
        let has = ServerHas {
            tools: true,
            prompts: false,
            resources: true,
            subscribe: true,
            completions: true,
            ..ServerHas::default()
        };
        assert_eq!(hello.has, has);
    }

    #[test]
    fn a_server_hello_that_cannot_be_used_is_an_error() {
        let unknown = r#"protocolVersion "2026-07-28" is not known: this gateway speaks 2024-11-05, 2025-03-26, 2025-06-18, 2025-11-25"#;
        assert_eq!(
            server(r#"{"protocolVersion":"2026-07-28"}"#),
            Err(unknown.into())
        );
        assert_eq!(server("{}"), Err("protocolVersion is missing".into()));
        assert!(server("[]").is_err());
        let subscribe =
            r#"{"protocolVersion":"2025-11-25","capabilities":{"resources":{"subscribe":"true"}}}"#;
        assert!(!server(subscribe).expect("a hello").has.subscribe);
        let failed = Message::error(-32602, "no", None);
        assert_eq!(
            read_server_hello(&failed),
            Err(r#"answered with error -32602: "no""#.into())
        );
    }

    #[test]
    fn what_the_gateway_says_is_read_back() {
        let params = initialize_params(Revision::LATEST, r#"{"roots":{}}"#, r#"{"name":"m"}"#);
        let hello = client(&params).expect("a hello");
        assert_eq!(hello.version, "2025-11-25");
        assert!(hello.can.roots);
        assert_eq!(&*hello.info, r#"{"name":"m"}"#);
        for instructions in [None, Some("a \"b\"\n")] {
            let result = initialize_result(
                Revision::V2025_03_26,
                r#"{"tools":{}}"#,
                r#"{"name":"m"}"#,
                instructions,
            );
            let hello = server(&result).expect("a hello");
            assert_eq!(hello.revision, Some(Revision::V2025_03_26));
            assert_eq!(hello.instructions.as_deref(), instructions);
            assert!(hello.has.tools);
        }
    }
}
