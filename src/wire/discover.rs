//! What a server of the stateless era (2026-07-28) says of itself in the result
//! of `server/discover`, and how a server of either era says that it was asked
//! in the wrong one.

use crate::wire::envelope::{Kind, Message};
use crate::wire::handshake::{self, ServerHello};
use crate::wire::scan::{self, Scanner, Shape};
use crate::wire::stateless::{META_SERVER, VERSION};

/// Reads the result of `server/discover`.
///
/// # Errors
/// A sentence naming the field that is missing or wrong, or the error that the
/// server answered with, or that it does not speak 2026-07-28.
pub fn read_discovery(message: &Message) -> Result<ServerHello, String> {
    let result = message.succeeded()?;
    let keys = ["supportedVersions", "capabilities", "instructions", "_meta"];
    let [versions, capabilities, instructions, meta] = handshake::members(result, keys)?;
    let versions = versions.ok_or("supportedVersions is missing")?.json(result);
    if !lists_ours(versions) {
        return Err(format!("supportedVersions does not list {VERSION}"));
    }
    let capabilities = handshake::object("capabilities", capabilities, result)?;
    let meta = handshake::object("_meta", meta, result)?;
    let [info] = handshake::members(meta, [META_SERVER])?;
    Ok(ServerHello {
        revision: None,
        capabilities: capabilities.into(),
        info: handshake::object(META_SERVER, info, meta)?.into(),
        instructions: handshake::text("instructions", instructions, result)?,
        has: handshake::read_server_has(capabilities)?,
    })
}

/// Whether an error names 2026-07-28 among the versions that its server speaks:
/// the refusal of another version (-32022), or of a request that names none,
/// which is no more than one with wrong parameters.
pub fn refuses_for_ours(message: &Message) -> bool {
    let supported = || {
        let error = message.json(message.marks.outcome?);
        let [data] = scan::members(error, ["data"]).ok()?;
        let data = data?.json(error);
        let [supported] = scan::members(data, ["supported"]).ok()?;
        Some(lists_ours(supported?.json(data)))
    };
    message.kind == (Kind::Answer { failed: true }) && supported() == Some(true)
}

/// Whether a list of versions (JSON text) names 2026-07-28.
fn lists_ours(versions: &str) -> bool {
    let mut found = false;
    let read = Scanner::new(versions).array(|scanner| {
        let value = scanner.value()?;
        let text = (value.shape == Shape::String).then(|| scan::text(value.json(versions)));
        found |= text.flatten().as_deref() == Some(VERSION);
        Ok(())
    });
    read.is_ok() && found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(result: &str) -> Result<ServerHello, String> {
        let text = format!(r#"{{"jsonrpc":"2.0","id":0,"result":{result}}}"#);
        read_discovery(&Message::parse(text.into()).expect("a message"))
    }

    fn refuses(error: &str) -> bool {
        let text = format!(r#"{{"jsonrpc":"2.0","id":0,"error":{error}}}"#);
        refuses_for_ours(&Message::parse(text.into()).expect("a message"))
    }

    #[test]
    fn a_discovery_is_read_as_a_hello() {
        // As the Python SDK 2.3.0 writes it.
        let hello = read(
            r#"{"cacheScope":"private","capabilities":{"prompts":{"listChanged":true},
                "resources":{"listChanged":true,"subscribe":true},"tools":{"listChanged":false}},
                "instructions":"hello","resultType":"complete","supportedVersions":["2026-07-28"],
                "ttlMs":0,"_meta":{"io.modelcontextprotocol/serverInfo":{"name":"py2","version":""}}}"#,
        )
        .expect("a hello");
        assert_eq!(hello.revision, None);
        assert_eq!(&*hello.info, r#"{"name":"py2","version":""}"#);
        assert_eq!(hello.instructions.as_deref(), Some("hello"));
        let has = hello.has;
        assert!(has.tools && has.prompts && has.resources && has.subscribe);
        assert!(!has.tools_changed && has.prompts_changed && has.resources_changed);
        assert!(!has.completions && !has.logging);
    }

    #[test]
    fn a_discovery_needs_our_version_and_no_more() {
        let bare = read(r#"{"supportedVersions":["2027-01-01","2026-07-28"]}"#).expect("a hello");
        assert_eq!((&*bare.capabilities, &*bare.info), ("{}", "{}"));
        assert_eq!(read("{}"), Err("supportedVersions is missing".into()));
        for versions in ["[]", r#"["2025-11-25"]"#, r#""2026-07-28""#, "[20260728]"] {
            assert_eq!(
                read(&format!(r#"{{"supportedVersions":{versions}}}"#)),
                Err("supportedVersions does not list 2026-07-28".into())
            );
        }
        assert_eq!(
            read(r#"{"supportedVersions":["2026-07-28"],"capabilities":[]}"#),
            Err("capabilities is an array: it must be an object".into())
        );
    }

    #[test]
    fn a_server_of_this_era_alone_is_known_by_its_refusal() {
        // As the TypeScript SDK 2.4.0 writes it.
        assert!(refuses(
            r#"{"code":-32022,"message":"Unsupported protocol version: 2025-11-25","data":{"supported":["2026-07-28"],"requested":"2025-11-25"}}"#
        ));
        assert!(refuses(
            r#"{"code":-32602,"message":"no version","data":{"supported":["2026-07-28"]}}"#
        ));
        for other in [
            r#"{"code":-32022,"message":"","data":{"supported":["2027-01-01"]}}"#,
            r#"{"code":-32022,"message":"","data":{}}"#,
            r#"{"code":-32022,"message":"","data":"2026-07-28"}"#,
            r#"{"code":-32022,"message":""}"#,
            r#"{"code":-32601,"message":"Method not found"}"#,
        ] {
            assert!(!refuses(other), "{other}");
        }
    }
}
