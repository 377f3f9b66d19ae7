//! From the bytes a client sent to what the hub is told of them. Pure.

use std::sync::Arc;

use crate::event::{Body, ClientMessage};
use crate::wire::envelope::Malformed;
use crate::wire::envelope::{self, Kind, Message};
use crate::wire::handshake;
use crate::wire::method::Method;
use crate::wire::stateless;

/// Reads the body of a POST, or a line of stdin: one message or a batch.
pub fn read_body(bytes: Vec<u8>) -> Body {
    match envelope::split_batch(&bytes) {
        Ok(Some(members)) => Body::Batch(members.into_iter().map(read_message).collect()),
        Ok(None) => Body::Single(read_message(bytes)),
        Err(malformed) => Body::Single(ClientMessage::Malformed(malformed)),
    }
}

/// Reads one message. Parameters are read of `initialize`, and of each request
/// of the stateless era what it says of its client.
fn read_message(bytes: Vec<u8>) -> ClientMessage {
    let message = match Message::parse(bytes) {
        Ok(message) => Arc::new(message),
        Err(malformed) => return ClientMessage::Malformed(malformed),
    };
    let is_request = matches!(message.kind, Kind::Request(_));
    if is_request && message.marks.version.is_some() {
        return match stateless::read_request_meta(&message) {
            Ok(meta) => ClientMessage::Stateless(message, Box::new(meta)),
            Err(malformed) => ClientMessage::Malformed(malformed),
        };
    }
    if message.kind != Kind::Request(Method::Initialize) {
        return ClientMessage::Message(message);
    }
    match handshake::read_client_hello(&message) {
        Ok(hello) => ClientMessage::Initialize(message, Box::new(hello)),
        Err(sentence) => ClientMessage::Malformed(Malformed {
            code: envelope::INVALID_PARAMS,
            sentence,
            id: message.marks.id.map(|span| message.json(span).into()),
            data: None,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn single(text: &str) -> ClientMessage {
        match read_body(text.as_bytes().to_vec()) {
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
            read_body(br#"[{"jsonrpc":"2.0","id":1,"method":"ping"},{"jsonrpc":"1.0"}]"#.to_vec());
        let Body::Batch(members) = body else {
            panic!("{body:?}");
        };
        assert!(matches!(members[0], ClientMessage::Message(_)));
        assert!(matches!(members[1], ClientMessage::Malformed(_)));
    }
}
