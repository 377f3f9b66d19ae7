//! From a POST of Streamable HTTP, its headers included, to what the hub is told
//! of it. Pure.

use std::sync::Arc;

use crate::door::headers;
use crate::event::{Body, ClientMessage};
use crate::http::head::Head;
use crate::wire::envelope::Malformed;
use crate::wire::envelope::{self, INVALID_REQUEST, Kind, Message};
use crate::wire::mirrored::Sent;
use crate::wire::stateless;

/// A POST to an endpoint of Streamable HTTP, as far as it is understood here.
#[derive(Debug)]
pub struct Posted {
    /// What it holds.
    pub body: Body,
    /// Whether it is of the stateless era.
    pub is_stateless: bool,
    /// What its headers repeat of a call's arguments.
    pub mirrored: Vec<Sent>,
}

/// Reads the body of a POST to an endpoint of Streamable HTTP. Its era shows in
/// the version that its header or the request itself names; in the stateless
/// one the headers must agree with the body.
/// `share` makes each message count as it shall, and one that many can have.
pub fn read_post(
    bytes: Vec<u8>,
    head: &Head,
    mut share: impl FnMut(Message) -> Arc<Message>,
) -> Posted {
    let is_named = headers::name_stateless(head);
    let is_stateless = |message: &Message| {
        let is_request = matches!(message.kind, Kind::Request(_));
        is_named || (is_request && message.marks.version.is_some())
    };
    let malformed =
        |malformed| Posted::handshake(Body::Single(ClientMessage::Malformed(malformed)));
    match envelope::split_batch(&bytes) {
        Ok(Some(_)) if is_named => Posted::stateless(Err(no_part_of_the_era("a batch"))),
        // One with members of that era is refused by the hub.
        Ok(Some(members)) => {
            let read = |bytes| ClientMessage::read_with(bytes, &mut share);
            Posted::handshake(Body::Batch(members.into_iter().map(read).collect()))
        }
        Ok(None) => match Message::parse(bytes).map(share) {
            Ok(message) if is_stateless(&message) => {
                Posted::stateless(read_stateless(message, head))
            }
            Ok(message) => Posted::handshake(Body::Single(ClientMessage::of(message))),
            Err(error) => malformed(error),
        },
        Err(error) => malformed(error),
    }
}

impl Posted {
    /// Nothing in it is of the stateless era.
    fn handshake(body: Body) -> Posted {
        Posted {
            body,
            is_stateless: false,
            mirrored: Vec::new(),
        }
    }

    fn stateless(read: Result<(ClientMessage, Vec<Sent>), Malformed>) -> Posted {
        let (message, mirrored) =
            read.unwrap_or_else(|malformed| (ClientMessage::Malformed(malformed), Vec::new()));
        Posted {
            body: Body::Single(message),
            is_stateless: true,
            mirrored,
        }
    }
}

/// Reads a message that came by a POST of the stateless era. The version comes
/// first, for another one may have other headers.
fn read_stateless(
    message: Arc<Message>,
    head: &Head,
) -> Result<(ClientMessage, Vec<Sent>), Malformed> {
    match message.kind {
        Kind::Request(_) => {
            headers::check_version(head, &message)?;
            let meta = stateless::read_request_meta(&message)?;
            headers::check_names(head, &message)?;
            let mirrored = headers::mirrored(head, &message)?;
            let message = ClientMessage::Stateless(message, meta);
            Ok((message, mirrored))
        }
        Kind::Notification(_) => Ok((ClientMessage::Message(message), Vec::new())),
        Kind::Answer { .. } => Err(no_part_of_the_era("an answer of a client")),
    }
}

fn no_part_of_the_era(what: &str) -> Malformed {
    Malformed {
        code: INVALID_REQUEST,
        sentence: format!(
            "{what} is not part of protocol version {}",
            stateless::VERSION
        ),
        id: None,
        data: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn single(text: &str) -> ClientMessage {
        match Body::read(text.as_bytes().to_vec()) {
            Body::Single(message) => message,
            Body::Batch(_) => panic!("no batch was sent"),
        }
    }

    #[test]
    fn initialize_comes_with_its_parameters_read() {
        let message = single(
            r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{"roots":{}},"clientInfo":{"name":"x","version":"1"}}}"#,
        );
        let ClientMessage::Initialize(_, hello) = message else {
            panic!("{message:?}");
        };
        assert_eq!(hello.version, "2025-06-18");
        assert!(hello.can.roots && !hello.can.sampling);
    }

    #[test]
    fn an_initialize_without_version_is_malformed_and_keeps_its_id() {
        let message = single(r#"{"jsonrpc":"2.0","id":"a","method":"initialize","params":{}}"#);
        let ClientMessage::Malformed(malformed) = message else {
            panic!("{message:?}");
        };
        assert_eq!(malformed.code, -32602);
        assert_eq!(malformed.id.as_deref(), Some("\"a\""));
    }

    #[test]
    fn one_bad_member_does_not_spoil_a_batch() {
        let body =
            Body::read(br#"[{"jsonrpc":"2.0","id":1,"method":"ping"},{"jsonrpc":"1.0"}]"#.to_vec());
        let Body::Batch(members) = body else {
            panic!("{body:?}");
        };
        assert!(matches!(members[0], ClientMessage::Message(_)));
        assert!(matches!(members[1], ClientMessage::Malformed(_)));
    }

    const META: &str = r#""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}"#;
    const ERA: &str = "MCP-Protocol-Version: 2026-07-28\r\n";

    fn posted(headers: &str, body: &str) -> Posted {
        let mut head = Head::default();
        let text = format!("POST /mcp HTTP/1.1\r\nHost: x\r\n{headers}\r\n");
        head.parse(text.as_bytes()).expect("a head");
        read_post(body.as_bytes().to_vec(), &head, Arc::new)
    }

    /// The code and the id of the refusal of a POST.
    fn refused(headers: &str, body: &str) -> (i32, Option<String>) {
        match posted(headers, body).body {
            Body::Single(ClientMessage::Malformed(malformed)) => {
                (malformed.code, malformed.id.map(String::from))
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_era_of_a_post_shows_in_the_version_of_header_or_body() {
        let list = |params: &str| {
            format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{{{params}}}}}"#)
        };
        let method = "Mcp-Method: tools/list\r\n";
        let both = posted(&format!("{ERA}{method}"), &list(META));
        let is_request = matches!(both.body, Body::Single(ClientMessage::Stateless(..)));
        assert!(both.is_stateless && is_request);
        // The suite sends this header with a handshake's `initialize`.
        let handshake = posted(method, &list(""));
        let is_message = matches!(handshake.body, Body::Single(ClientMessage::Message(_)));
        assert!(!handshake.is_stateless && is_message);
        assert_eq!(refused(ERA, &list("")), (-32602, Some("1".into())));
        assert_eq!(refused(method, &list(META)), (-32020, Some("1".into())));
        let initialize = r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{}}}"#;
        assert_eq!(refused(ERA, initialize), (-32602, Some("1".into())));
    }

    #[test]
    fn a_version_that_differs_is_told_before_one_that_is_unknown() {
        let other = META.replace("2026-07-28", "v9");
        let list =
            format!(r#"{{"jsonrpc":"2.0","id":"a","method":"tools/list","params":{{{other}}}}}"#);
        let id = || Some("\"a\"".to_owned());
        assert_eq!(refused(ERA, &list), (-32020, id()));
        assert_eq!(
            refused("MCP-Protocol-Version: v9\r\n", &list),
            (-32022, id())
        );
        assert_eq!(refused("", &list), (-32020, id()));
    }

    #[test]
    fn notifications_pass_and_answers_and_batches_do_not() {
        let notification = r#"{"jsonrpc":"2.0","method":"notifications/cancelled"}"#;
        let passed = posted(ERA, notification);
        assert!(matches!(
            passed.body,
            Body::Single(ClientMessage::Message(_))
        ));
        let answer = r#"{"jsonrpc":"2.0","id":1,"result":{}}"#;
        assert_eq!(refused(ERA, answer), (-32600, None));
        let batch = format!("[{notification}]");
        assert_eq!(refused(ERA, &batch), (-32600, None));
        assert!(!posted("", &batch).is_stateless);
        assert_eq!(refused(ERA, "[1,").0, -32700);
    }
}
