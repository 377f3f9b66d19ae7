//! What the headers of a POST say of its body in the stateless era (2026-07-28,
//! transports, "Request Metadata"): that they are there, that they can be read,
//! and that they agree. Pure: it judges text and touches nothing.
//!
//! What `Mcp-Param-…` headers should say only a tool's schema tells: they are
//! handed on, decoded, to the hub.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::http::head::Head;
use crate::limits;
use crate::wire::envelope::{INVALID_REQUEST, Kind, Malformed, Message, Span};
use crate::wire::method::Method;
use crate::wire::mirrored::{Mismatch, PREFIX, Sent};
use crate::wire::stateless::{self, HEADER_MISMATCH};

/// The header of the protocol version, in every revision that has one.
pub const VERSION: &str = "MCP-Protocol-Version";
/// The header that repeats the method.
const METHOD: &str = "Mcp-Method";
/// The header that repeats what a request is about.
const NAME: &str = "Mcp-Name";

/// Whether the headers name the stateless era.
pub fn name_stateless(head: &Head) -> bool {
    head.get_all(VERSION)
        .any(|version| version == stateless::VERSION)
}

/// Whether the header names the protocol version that the request does. One
/// that names none is refused by what it lacks.
///
/// # Errors
/// What is told of it (-32020).
pub fn check_version(head: &Head, request: &Message) -> Result<(), Malformed> {
    let sent = plain(head, VERSION).and_then(|sent| {
        let body = request.marks.version.and_then(|span| request.text(span));
        body.map_or(Ok(()), |body| agree(VERSION, sent, &body))
    });
    sent.map_err(|mismatch| refused(request, &mismatch))
}

/// Whether the headers repeat a request's method and what it is about.
///
/// # Errors
/// What is told of it (-32020).
pub fn check_names(head: &Head, request: &Message) -> Result<(), Malformed> {
    let Kind::Request(method) = &request.kind else {
        return Ok(());
    };
    plain(head, METHOD)
        .and_then(|sent| agree(METHOD, sent, method.name()))
        .and_then(|()| check_name(head, request, method))
        .map_err(|mismatch| refused(request, &mismatch))
}

fn check_name(head: &Head, request: &Message, method: &Method) -> Result<(), Mismatch> {
    let marks = &request.marks;
    let part = match method {
        Method::ToolsCall | Method::PromptsGet => marks.name,
        Method::ResourcesRead => marks.uri,
        // The extension `io.modelcontextprotocol/tasks`, "Routing Headers".
        Method::TasksGet | Method::TasksUpdate | Method::TasksCancel => marks.task_id,
        _ => return Ok(()),
    };
    let sent = decoded(head, NAME)?;
    let text = |span: Span| request.text(span);
    match (sent, part.and_then(text)) {
        (sent, Some(body)) => agree(NAME, sent, &body),
        (Some(sent), None) => Err(Mismatch::Unasked {
            header: NAME.to_owned(),
            sent: sent.into_owned(),
        }),
        // The method will be refused for what it lacks.
        (None, None) => Ok(()),
    }
}

/// What the headers repeat of a call's arguments. Nothing is refused for what
/// it says: that is for whoever knows which of these headers are asked for.
///
/// # Errors
/// There are too many (-32600).
pub fn mirrored(head: &Head, request: &Message) -> Result<Vec<Sent>, Malformed> {
    if request.kind != Kind::Request(Method::ToolsCall) {
        return Ok(Vec::new());
    }
    let mut all = Vec::new();
    let mut bytes = 0;
    for (name, value) in head.headers() {
        let Some(header) = behind_prefix(name) else {
            continue;
        };
        let value = value.and_then(decode);
        bytes += header.len() + value.as_ref().map_or(0, |value| value.len());
        if all.len() == limits::MIRRORED_PARAMS_MAX || bytes > limits::MIRRORED_BYTES_MAX {
            let sentence = format!(
                "at most {} headers Mcp-Param-… of {} bytes in all are taken",
                limits::MIRRORED_PARAMS_MAX,
                limits::MIRRORED_BYTES_MAX
            );
            return Err(stateless::refusal(request, INVALID_REQUEST, sentence, None));
        }
        all.push(Sent {
            header: header.into(),
            value: value.map(Into::into),
        });
    }
    Ok(all)
}

/// What stands behind `Mcp-Param-` in a header's name.
pub fn behind_prefix(name: &str) -> Option<&str> {
    let (prefix, rest) = name.split_at_checked(PREFIX.len())?;
    prefix.eq_ignore_ascii_case(PREFIX).then_some(rest)
}

/// Values are compared as they are: methods, names and versions have cases.
fn agree(header: &str, sent: Option<Cow<'_, str>>, body: &str) -> Result<(), Mismatch> {
    match sent {
        Some(sent) if sent == body => Ok(()),
        Some(sent) => Err(Mismatch::Different {
            header: header.to_owned(),
            sent: sent.into_owned(),
            body: body.to_owned(),
        }),
        None => Err(Mismatch::Missing {
            header: header.to_owned(),
            body: body.to_owned(),
        }),
    }
}

/// The value of a header that stands for itself.
fn plain<'a>(head: &'a Head, name: &str) -> Result<Option<Cow<'a, str>>, Mismatch> {
    Ok(only(head, name)?.map(Cow::Borrowed))
}

/// The value of a header that may be written in Base64.
fn decoded<'a>(head: &'a Head, name: &str) -> Result<Option<Cow<'a, str>>, Mismatch> {
    let unreadable = || Mismatch::Unreadable(name.to_owned());
    match only(head, name)? {
        None => Ok(None),
        Some(value) => decode(value).map(Some).ok_or_else(unreadable),
    }
}

/// The value of the only header of that name.
fn only<'a>(head: &'a Head, name: &str) -> Result<Option<&'a str>, Mismatch> {
    let mut values = head
        .headers()
        .filter(|(known, _)| known.eq_ignore_ascii_case(name));
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some((_, Some(value))), None) => Ok(Some(value)),
        (Some((_, None)), None) => Err(Mismatch::Unreadable(name.to_owned())),
        (Some(_), Some(_)) => Err(Mismatch::Several(name.to_owned())),
    }
}

/// The text that a header's value stands for ("Value Encoding"): itself, unless
/// it is marked as Base64. None if it is marked so and is none, strictly, or is
/// that of no text.
fn decode(value: &str) -> Option<Cow<'_, str>> {
    let marked = value
        .strip_prefix("=?base64?")
        .and_then(|rest| rest.strip_suffix("?="));
    match marked {
        None => Some(Cow::Borrowed(value)),
        Some(base64) => {
            let bytes = STANDARD.decode(base64).ok()?;
            String::from_utf8(bytes).ok().map(Cow::Owned)
        }
    }
}

fn refused(request: &Message, mismatch: &Mismatch) -> Malformed {
    stateless::refusal(request, HEADER_MISMATCH, mismatch.to_string(), None)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(headers: &str) -> Head {
        let mut head = Head::default();
        let text = format!("POST /mcp HTTP/1.1\r\nHost: x\r\n{headers}\r\n");
        let length = head.parse(text.as_bytes()).expect("a head");
        assert_eq!(length, Some(text.len()));
        head
    }

    fn request(method: &str, params: &str) -> Message {
        let text = format!(r#"{{"jsonrpc":"2.0","id":7,"method":"{method}","params":{params}}}"#);
        Message::parse(text.into()).expect("a request")
    }

    fn call(name: &str) -> Message {
        request("tools/call", &format!(r#"{{"name":{name}}}"#))
    }

    /// The sentence of a refusal, whose code and id are what they should be.
    fn sentence(refused: Result<(), Malformed>) -> String {
        let refused = refused.expect_err("it must be refused");
        assert_eq!(refused.code, -32020);
        assert_eq!(refused.id.as_deref(), Some("7"));
        let sentence = refused.sentence.strip_prefix("header mismatch: ");
        sentence.expect("it says what it is").to_owned()
    }

    #[test]
    fn values_are_read_as_the_specification_shows() {
        // 2026-07-28, transports, "Value Encoding", the table of examples.
        for (encoded, value) in [
            ("us-west1", "us-west1"),
            ("=?base64?SGVsbG8sIOS4lueVjA==?=", "Hello, 世界"),
            ("=?base64?IHBhZGRlZCA=?=", " padded "),
            ("=?base64?bGluZTEKbGluZTI=?=", "line1\nline2"),
            ("=?base64?PT9iYXNlNjQ/bGl0ZXJhbD89?=", "=?base64?literal?="),
        ] {
            assert_eq!(decode(encoded).as_deref(), Some(value));
        }
    }

    #[test]
    fn only_what_is_marked_whole_is_base64_and_then_strictly() {
        for literal in [
            "SGVsbG8=",
            "=?base64?SGVsbG8=",
            "SGVsbG8=?=",
            "=?BASE64?SGVsbG8=?=",
            "=?base64?=",
            "",
        ] {
            assert_eq!(decode(literal).as_deref(), Some(literal));
        }
        assert_eq!(decode("=?base64??=").as_deref(), Some(""));
        for broken in [
            "=?base64?SGVsbG8?=",
            "=?base64?SGVs!!!bG8=?=",
            "=?base64?SGVsbG9=?=",
            "=?base64?SGVs bG8=?=",
            "=?base64?SGVsbG8==?=",
            "=?base64?_-8=?=",
            "=?base64?/w==?=",
        ] {
            assert_eq!(decode(broken), None, "{broken}");
        }
    }

    #[test]
    fn the_era_is_named_by_the_version_alone() {
        assert!(name_stateless(&head(
            "mcp-protocol-version: \t2026-07-28 \r\n"
        )));
        assert!(!name_stateless(&head(
            "MCP-Protocol-Version: 2025-11-25\r\n"
        )));
        assert!(!name_stateless(&head("Mcp-Method: tools/list\r\n")));
    }

    #[test]
    fn the_version_is_that_of_the_request() {
        let asks = |version: &str| {
            let meta =
                format!(r#"{{"_meta":{{"io.modelcontextprotocol/protocolVersion":{version}}}}}"#);
            request("tools/list", &meta)
        };
        let check = |headers: &str, version: &str| check_version(&head(headers), &asks(version));
        let is = "MCP-Protocol-Version: 2026-07-28\r\n";
        assert!(check(is, r#""2026-07-28""#).is_ok());
        assert!(check("MCP-Protocol-Version: v9\r\n", r#""v9""#).is_ok());
        // What is none is refused by name, not by header.
        assert!(check_version(&head(is), &request("tools/list", "{}")).is_ok());
        assert_eq!(
            sentence(check("", r#""2026-07-28""#)),
            r#"MCP-Protocol-Version is missing, the body says "2026-07-28""#
        );
        assert_eq!(
            sentence(check(is, r#""v9""#)),
            r#"MCP-Protocol-Version says "2026-07-28", the body says "v9""#
        );
        assert_eq!(
            sentence(check(&is.repeat(2), r#""2026-07-28""#)),
            "there are several headers MCP-Protocol-Version"
        );
    }

    #[test]
    fn the_method_is_repeated_letter_for_letter() {
        let check = |headers: &str| check_names(&head(headers), &request("tools/list", "{}"));
        for good in [
            "Mcp-Method: tools/list\r\n",
            "mcp-method: tools/list\r\n",
            "MCP-METHOD:tools/list\t \r\n",
            "Mcp-Method: tools/list\r\nMcp-Name: nobody asks\r\n",
        ] {
            assert!(check(good).is_ok(), "{good}");
        }
        assert_eq!(
            sentence(check("")),
            r#"Mcp-Method is missing, the body says "tools/list""#
        );
        assert_eq!(
            sentence(check("Mcp-Method: TOOLS/LIST\r\n")),
            r#"Mcp-Method says "TOOLS/LIST", the body says "tools/list""#
        );
        let encoded = "Mcp-Method: =?base64?dG9vbHMvbGlzdA==?=\r\n";
        assert!(sentence(check(encoded)).contains("says"));
        let twice = "Mcp-Method: tools/list\r\nmcp-method: tools/list\r\n";
        assert_eq!(
            sentence(check(twice)),
            "there are several headers Mcp-Method"
        );
    }

    #[test]
    fn what_a_request_is_about_is_repeated_too() {
        let check = |request: &Message, name: &str| {
            let Kind::Request(method) = &request.kind else {
                panic!("it is a request");
            };
            let headers = format!("Mcp-Method: {}\r\n{name}", method.name());
            check_names(&head(&headers), request)
        };
        let a = "Mcp-Name: a\r\n";
        for (method, params) in [
            ("tools/call", r#"{"name":"a","uri":"b"}"#),
            ("prompts/get", r#"{"name":"a","uri":"b"}"#),
            ("resources/read", r#"{"uri":"a","name":"b"}"#),
            ("tasks/get", r#"{"taskId":"a"}"#),
            ("tasks/update", r#"{"taskId":"a"}"#),
            ("tasks/cancel", r#"{"taskId":"a"}"#),
        ] {
            let request = request(method, params);
            assert!(check(&request, a).is_ok(), "{method}");
            let missing = r#"Mcp-Name is missing, the body says "a""#;
            assert_eq!(sentence(check(&request, "")), missing, "{method}");
            let other = r#"Mcp-Name says "A", the body says "a""#;
            assert_eq!(sentence(check(&request, "Mcp-Name: A\r\n")), other);
        }
        let encoded = "Mcp-Name: =?base64?SGVsbG8sIOS4lueVjA==?=\r\n";
        assert!(check(&call(r#""Hello, \u4e16界""#), encoded).is_ok());
        let broken = "Mcp-Name: =?base64?SGVsbG8?=\r\n";
        let unreadable = "Mcp-Name holds characters that no header can, or what is no Base64";
        assert_eq!(sentence(check(&call(r#""Hello""#), broken)), unreadable);
        assert_eq!(
            sentence(check(&call(r#""é""#), "Mcp-Name: é\r\n")),
            unreadable
        );
        assert_eq!(
            sentence(check(&call("7"), a)),
            r#"Mcp-Name says "a", the body has no such value"#
        );
        // Refused for what it lacks, not for its headers.
        assert!(check(&request("tools/call", "{}"), "").is_ok());
    }

    #[test]
    fn parameters_are_handed_on_decoded_whatever_they_say() {
        let headers = "Mcp-Param-Region: us-west1\r\nMCP-PARAM-b:\t=?base64?IGEg?= \r\n\
                       Mcp-Param-: x\r\nMcp-Param-c: =?base64?!?=\r\nMcp-Parameter: y\r\n\
                       Mcp-Param-d: é\r\nmcp-param-region: again\r\n";
        let all = mirrored(&head(headers), &call(r#""a""#)).expect("they are few");
        let all: Vec<_> = all
            .iter()
            .map(|sent| (&*sent.header, sent.value.as_deref()))
            .collect();
        let expected = [
            ("Region", Some("us-west1")),
            ("b", Some(" a ")),
            ("", Some("x")),
            ("c", None),
            ("d", None),
            ("region", Some("again")),
        ];
        assert_eq!(all, expected);
        let other = mirrored(&head(headers), &request("prompts/get", r#"{"name":"a"}"#));
        assert_eq!(other.expect("none is asked for"), []);
    }

    #[test]
    fn parameters_are_bounded_in_number_and_length() {
        let headers = |number: usize, value: &str| {
            let all: Vec<_> = (0..number)
                .map(|n| format!("Mcp-Param-{n}: {value}\r\n"))
                .collect();
            mirrored(&head(&all.concat()), &call(r#""a""#))
        };
        let most = limits::MIRRORED_PARAMS_MAX;
        assert_eq!(headers(most, "x").expect("so many").len(), most);
        let refused = headers(most + 1, "x").expect_err("one more");
        assert_eq!((refused.code, refused.id.as_deref()), (-32600, Some("7")));
        let half = "x".repeat(limits::MIRRORED_BYTES_MAX / 2 - 1);
        assert_eq!(headers(2, &half).expect("just enough").len(), 2);
        assert!(headers(2, &format!("{half}x")).is_err());
    }
}
