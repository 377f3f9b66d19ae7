//! The shapes of the stateless era (2026-07-28): what every request says of its
//! client, and what every result must hold. Nothing here knows of sessions.

use std::borrow::Cow;

use crate::wire::envelope::{INVALID_PARAMS, Kind, Malformed, Message, Span, quoted, shown};
use crate::wire::handshake::{self, ClientHello, Revision};
use crate::wire::log_level::LogLevel;
use crate::wire::method::Method;
use crate::wire::outgoing::{Change, Object};
use crate::wire::scan::{self, Scanner, Shape};

/// The revision, in `params._meta` and in the header `MCP-Protocol-Version`.
pub const VERSION: &str = "2026-07-28";

/// The key in `params._meta` of the protocol version: its presence is what
/// tells a request of this era.
pub const META_VERSION: &str = "io.modelcontextprotocol/protocolVersion";
/// The key of the client's name and version.
pub const META_INFO: &str = "io.modelcontextprotocol/clientInfo";
/// The key of the client's capabilities.
pub const META_CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";
/// The key of the least grave log message that the client wants of a request.
pub const META_LOG_LEVEL: &str = "io.modelcontextprotocol/logLevel";
/// The key of the request that opened a subscription.
pub const META_SUBSCRIPTION: &str = "io.modelcontextprotocol/subscriptionId";
/// The key, in a result's `_meta`, of the server's name and version.
pub const META_SERVER: &str = "io.modelcontextprotocol/serverInfo";

/// The extension that lets servers answer a call with a task. A client that
/// does not declare it with a request has nothing to do with tasks.
pub const TASKS: &str = "io.modelcontextprotocol/tasks";
/// The capabilities that declare it, as JSON text.
pub const TASKS_DECLARED: &str = r#"{"extensions":{"io.modelcontextprotocol/tasks":{}}}"#;

/// The headers of a request do not agree with its body (2026-07-28,
/// transports, "Server Validation").
pub const HEADER_MISMATCH: i32 = -32020;
/// The request needs a capability that its client has not declared (basic,
/// "`_meta`").
pub const MISSING_CAPABILITY: i32 = -32021;
/// The protocol version is not served (versioning).
pub const UNSUPPORTED_VERSION: i32 = -32022;

/// What a request says of its client.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RequestMeta {
    /// Who it is and what it can be asked.
    pub hello: Box<ClientHello>,
    /// The least grave log message it wants of this request; none at all if it
    /// names no level.
    pub level: Option<LogLevel>,
    /// What it wants to hear of, if the request is `subscriptions/listen`.
    pub filter: Option<Filter>,
}

/// What a client wants to hear of (2026-07-28, subscriptions, "Notification
/// Filter").
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Filter {
    /// `notifications/tools/list_changed`
    pub tools: bool,
    /// `notifications/prompts/list_changed`
    pub prompts: bool,
    /// `notifications/resources/list_changed`
    pub resources: bool,
    /// `notifications/resources/updated` of these URIs
    pub uris: Vec<String>,
}

impl Filter {
    /// Whether it lets nothing through.
    pub fn is_empty(&self) -> bool {
        !(self.tools || self.prompts || self.resources) && self.uris.is_empty()
    }
}

/// Reads what a request says of its client.
///
/// # Errors
/// What is missing or wrong there (-32602), or that the version is none of this
/// era (-32022).
pub fn read_request_meta(message: &Message) -> Result<RequestMeta, Malformed> {
    let marks = &message.marks;
    let refused = |sentence: String| refusal(message, INVALID_PARAMS, sentence, None);
    let lacks = |key: &str| refused(format!("params._meta lacks {key:?}"));
    let version = marks.version.ok_or_else(|| lacks(META_VERSION))?;
    let version = message
        .text(version)
        .ok_or_else(|| refused(format!("{META_VERSION:?} is not a string")))?;
    if version != VERSION {
        return Err(unsupported(message, &version));
    }
    let capabilities = object(message, marks.client_capabilities, META_CAPABILITIES)
        .map_err(refused)?
        .ok_or_else(|| lacks(META_CAPABILITIES))?;
    let info = object(message, marks.client_info, META_INFO).map_err(refused)?;
    let level = match marks.log_level {
        None => None,
        Some(span) => {
            let level = message
                .text(span)
                .and_then(|name| LogLevel::from_name(&name));
            Some(
                level
                    .ok_or_else(|| refused(format!("{META_LOG_LEVEL:?} is no log level of MCP")))?,
            )
        }
    };
    let filter = match &message.kind {
        Kind::Request(Method::Listen) => Some(read_filter(message).map_err(refused)?),
        _ => None,
    };
    if filter.is_some() && names_tasks(message) && !declares_tasks(capabilities) {
        let sentence = format!("\"taskIds\" needs a client that declares {TASKS:?}");
        let data = format!(r#"{{"requiredCapabilities":{TASKS_DECLARED}}}"#);
        return Err(refusal(message, MISSING_CAPABILITY, sentence, Some(data)));
    }
    Ok(RequestMeta {
        hello: Box::new(ClientHello {
            can: handshake::read_client_can(capabilities).map_err(refused)?,
            version: VERSION.into(),
            capabilities: capabilities.into(),
            info: info.unwrap_or("{}").into(),
        }),
        level,
        filter,
    })
}

/// All revisions that clients may speak, the newest first, as JSON strings with
/// commas between them.
fn spoken_versions() -> String {
    let known: Vec<String> = std::iter::once(VERSION)
        .chain(Revision::ALL.map(Revision::name).into_iter().rev())
        .map(quoted)
        .collect();
    known.join(",")
}

/// The refusal of a version that is none of this era.
pub fn unsupported(message: &Message, version: &str) -> Malformed {
    let data = format!(
        r#"{{"supported":[{}],"requested":{}}}"#,
        spoken_versions(),
        quoted(version)
    );
    let sentence = format!("unsupported protocol version {}", shown(version));
    refusal(message, UNSUPPORTED_VERSION, sentence, Some(data))
}

/// A refusal of a request by its form.
pub fn refusal(message: &Message, code: i32, sentence: String, data: Option<String>) -> Malformed {
    let is_request = matches!(message.kind, Kind::Request(_));
    let id = message.marks.id.filter(|_| is_request);
    Malformed {
        code,
        sentence,
        id: id.map(|span| message.json(span).into()),
        data: data.map(Into::into),
    }
}

/// The JSON text of a part that must be an object.
fn object<'a>(
    message: &'a Message,
    part: Option<Span>,
    name: &str,
) -> Result<Option<&'a str>, String> {
    match part.map(|span| message.json(span)) {
        None => Ok(None),
        Some(json) if json.starts_with('{') => Ok(Some(json)),
        Some(_) => Err(format!("{name:?} is not an object")),
    }
}

fn read_filter(message: &Message) -> Result<Filter, String> {
    let filter = object(message, message.marks.filter, "notifications")?
        .ok_or("subscriptions/listen needs \"notifications\", an object")?;
    let keys = [
        "toolsListChanged",
        "promptsListChanged",
        "resourcesListChanged",
        "resourceSubscriptions",
    ];
    let wrong = |_| "\"notifications\" is not an object".to_owned();
    let [tools, prompts, resources, uris] = scan::members(filter, keys).map_err(wrong)?;
    let is_true = |value: Option<scan::Value>| value.is_some_and(|v| v.json(filter) == "true");
    let mut read = Filter {
        tools: is_true(tools),
        prompts: is_true(prompts),
        resources: is_true(resources),
        uris: Vec::new(),
    };
    if let Some(list) = uris.filter(|value| value.shape != Shape::Null) {
        let json = list.json(filter);
        let mut all_text = true;
        let array = Scanner::new(json).array(|scanner| {
            let value = scanner.value()?;
            match scan::text(value.json(json)) {
                Some(uri) => read.uris.push(uri.into_owned()),
                None => all_text = false,
            }
            Ok(())
        });
        if array.is_err() || !all_text {
            return Err("\"resourceSubscriptions\" is not an array of strings".to_owned());
        }
    }
    Ok(read)
}

/// Whether the filter names tasks. They are read no further: nothing tells of
/// them, and so the acknowledgement leaves them out.
fn names_tasks(message: &Message) -> bool {
    let filter = message.marks.filter.map(|span| message.json(span));
    filter.is_some_and(|filter| member(filter, "taskIds").is_some())
}

/// Whether capabilities, as JSON text, hold the extension [`TASKS`].
pub fn declares_tasks(capabilities: &str) -> bool {
    let extensions = member(capabilities, "extensions");
    extensions.is_some_and(|extensions| member(extensions, TASKS).is_some())
}

/// The JSON text of one member of an object, if it is there and not null.
fn member<'a>(object: &'a str, name: &str) -> Option<&'a str> {
    let [value] = scan::members(object, [name]).ok()?;
    let json = value?.json(object);
    (json != "null").then_some(json)
}

/// How long a list may be taken for fresh, in milliseconds: changes are told to
/// those who listen, and a second spares a client that asks in bursts.
const LIST_TTL_MS: u32 = 1_000;

/// The members that a result of this era must have and this one lacks:
/// `resultType` always, `ttlMs` and `cacheScope` where the method's results may
/// be kept (2026-07-28, caching). What a view shows may depend on the token, so
/// nothing is called public.
pub fn completion(message: &Message, method: &Method) -> Option<Change> {
    let marks = &message.marks;
    let ttl = match method {
        Method::ToolsList
        | Method::PromptsList
        | Method::ResourcesList
        | Method::TemplatesList
        | Method::Discover => Some(LIST_TTL_MS),
        Method::ResourcesRead => Some(0),
        _ => None,
    };
    let is_complete = |kind| message.json(kind) == r#""complete""#;
    // What asks for input, or begins a task, is nothing to keep.
    let ttl = ttl.filter(|_| marks.result_type.is_none_or(is_complete));
    let lacks = (
        marks.result_type.is_none(),
        ttl.filter(|_| marks.ttl.is_none()),
        ttl.is_some() && marks.cache_scope.is_none(),
    );
    let members: Cow<'static, str> = match lacks {
        (false, None, false) => return None,
        // The results of calls and of reading are many, and mostly lack all.
        (true, None, false) => r#""resultType":"complete""#.into(),
        (true, Some(0), true) => {
            r#""resultType":"complete","ttlMs":0,"cacheScope":"private""#.into()
        }
        (kind, ttl, scope) => {
            let kind = kind.then(|| r#""resultType":"complete""#.to_owned());
            let ttl = ttl.map(|ttl| format!("\"ttlMs\":{ttl}"));
            let scope = scope.then(|| r#""cacheScope":"private""#.to_owned());
            let members: Vec<String> = [kind, ttl, scope].into_iter().flatten().collect();
            members.join(",").into()
        }
    };
    Some(Change::Front(Object::Result, members))
}

/// The members of `params._meta` that a request to a stateless server must have
/// and this one lacks. Capabilities and client info are JSON text.
pub fn introduction(
    message: &Message,
    capabilities: &str,
    info: &str,
    level: Option<LogLevel>,
) -> Option<Change> {
    // Beside those two: four keys, the version and a level.
    const OTHERS: usize = 224;
    let marks = &message.marks;
    let mut members = String::with_capacity(capabilities.len() + info.len() + OTHERS);
    let mut add = |key, there: Option<Span>, json: [&str; 3]| {
        if there.is_none() {
            let comma = if members.is_empty() { "" } else { "," };
            members.extend([comma, "\"", key, "\":"]);
            members.extend(json);
        }
    };
    add(META_VERSION, marks.version, ["\"", VERSION, "\""]);
    add(META_INFO, marks.client_info, ["", info, ""]);
    let can = ["", capabilities, ""];
    add(META_CAPABILITIES, marks.client_capabilities, can);
    if let Some(level) = level {
        add(META_LOG_LEVEL, marks.log_level, ["\"", level.name(), "\""]);
    }
    (!members.is_empty()).then(|| Change::Front(Object::Meta, members.into()))
}

/// The result of `server/discover`. Capabilities and server info are JSON text.
pub fn discover_result(
    capabilities: &str,
    server_info: &str,
    instructions: Option<&str>,
) -> String {
    let instructions = instructions.map_or_else(String::new, |text| {
        format!(",\"instructions\":{}", quoted(text))
    });
    format!(
        r#"{{"supportedVersions":[{}],"capabilities":{capabilities}{instructions},"_meta":{{"{META_SERVER}":{server_info}}}}}"#,
        spoken_versions()
    )
}

/// The parameters of the acknowledgement of a subscription: its id as JSON
/// text, and what of the filter is honoured.
pub fn acknowledged_params(id: &str, filter: &Filter) -> String {
    let honoured = filter_json(filter);
    format!(r#"{{"_meta":{{"{META_SUBSCRIPTION}":{id}}},"notifications":{honoured}}}"#)
}

/// The parameters of `subscriptions/listen`, but for what introduces the client.
pub fn listen_params(filter: &Filter) -> String {
    format!(r#"{{"notifications":{}}}"#, filter_json(filter))
}

fn filter_json(filter: &Filter) -> String {
    let mut members = Vec::new();
    for (name, wanted) in [
        ("toolsListChanged", filter.tools),
        ("promptsListChanged", filter.prompts),
        ("resourcesListChanged", filter.resources),
    ] {
        if wanted {
            members.push(format!("\"{name}\":true"));
        }
    }
    if !filter.uris.is_empty() {
        let uris: Vec<String> = filter.uris.iter().map(|uri| quoted(uri)).collect();
        members.push(format!("\"resourceSubscriptions\":[{}]", uris.join(",")));
    }
    format!("{{{}}}", members.join(","))
}

/// The result with which a subscription ends by the gateway's own will.
pub fn listen_result(id: &str) -> String {
    format!(r#"{{"resultType":"complete","_meta":{{"{META_SUBSCRIPTION}":{id}}}}}"#)
}

impl Message {
    /// The id of the task that a result says was begun (extension
    /// `io.modelcontextprotocol/tasks`, "Task Creation").
    pub fn created_task(&self) -> Option<Cow<'_, str>> {
        let kind = self.json(self.marks.result_type?);
        (kind == r#""task""#).then(|| self.text(self.marks.task_id?))?
    }
}

/// The change that tells a notification's subscription, whose id is JSON text.
pub fn of_subscription(message: &Message, id: &str) -> Change {
    match message.marks.subscription {
        Some(span) => Change::Replace(span, id.to_owned().into()),
        None => Change::Front(Object::Meta, format!("\"{META_SUBSCRIPTION}\":{id}").into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a result to a request of that method becomes.
    fn completed(result: &str, method: &Method) -> String {
        let text = format!(r#"{{"jsonrpc":"2.0","id":1,"result":{result}}}"#);
        let message = std::sync::Arc::new(Message::parse(text.into()).expect("a message"));
        let mut outgoing = crate::wire::outgoing::Outgoing::plain(message.clone());
        outgoing.changes.extend(completion(&message, method));
        let mut out = Vec::new();
        outgoing.write_to(&mut out);
        let out = String::from_utf8(out).expect("text");
        out[r#"{"jsonrpc":"2.0","id":1,"result":"#.len()..out.len() - 1].to_owned()
    }

    #[test]
    fn a_result_gets_what_it_lacks_and_nothing_twice() {
        let read = Method::ResourcesRead;
        for (result, method, expected) in [
            ("{}", &Method::ToolsCall, r#"{"resultType":"complete"}"#),
            (
                r#"{"resultType":"task"}"#,
                &Method::ToolsCall,
                r#"{"resultType":"task"}"#,
            ),
            (
                "{}",
                &read,
                r#"{"resultType":"complete","ttlMs":0,"cacheScope":"private"}"#,
            ),
            (
                r#"{"ttlMs":7}"#,
                &read,
                r#"{"resultType":"complete","cacheScope":"private","ttlMs":7}"#,
            ),
            (
                r#"{"cacheScope":"public"}"#,
                &read,
                r#"{"resultType":"complete","ttlMs":0,"cacheScope":"public"}"#,
            ),
            (
                r#"{"resultType":"complete"}"#,
                &Method::ToolsList,
                r#"{"ttlMs":1000,"cacheScope":"private","resultType":"complete"}"#,
            ),
            (
                r#"{"resultType":"input_required"}"#,
                &read,
                r#"{"resultType":"input_required"}"#,
            ),
            (
                r#"{"ttlMs":7,"cacheScope":"public"}"#,
                &read,
                r#"{"resultType":"complete","ttlMs":7,"cacheScope":"public"}"#,
            ),
        ] {
            assert_eq!(completed(result, method), expected);
        }
    }
}
