//! From a client's bytes to its messages, as far as the doors understand them.

use std::sync::Arc;

use crate::event::{Body, ClientMessage};
use crate::wire::envelope::{self, Kind, Message};
use crate::wire::handshake;
use crate::wire::method::Method;
use crate::wire::stateless;

impl Body {
    /// Understands what came without headers of its own: one message or a batch.
    pub fn read(bytes: Vec<u8>) -> Body {
        Body::read_with(bytes, Arc::new)
    }

    /// The same; `share` makes each message count as it shall, and one that many can have.
    pub fn read_with(bytes: Vec<u8>, mut share: impl FnMut(Message) -> Arc<Message>) -> Body {
        let mut read = |bytes| ClientMessage::read_with(bytes, &mut share);
        match envelope::split_batch(&bytes) {
            Ok(Some(members)) => Body::Batch(members.into_iter().map(read).collect()),
            Ok(None) => Body::Single(read(bytes)),
            Err(malformed) => Body::Single(ClientMessage::Malformed(malformed)),
        }
    }

    /// Hands out its messages, one after the other.
    pub fn each(self, take: impl FnMut(ClientMessage)) {
        match self {
            Body::Single(message) => std::iter::once(message).for_each(take),
            Body::Batch(messages) => messages.into_iter().for_each(take),
        }
    }
}

impl ClientMessage {
    /// Understands one message; `share` is as it is for a body.
    pub fn read_with(bytes: Vec<u8>, share: impl FnOnce(Message) -> Arc<Message>) -> ClientMessage {
        match Message::parse(bytes) {
            Ok(message) => ClientMessage::of(share(message)),
            Err(malformed) => ClientMessage::Malformed(malformed),
        }
    }

    /// Parameters are read of `initialize`, and of each request of the stateless
    /// era what it says of its client.
    pub fn of(message: Arc<Message>) -> ClientMessage {
        match message.kind {
            Kind::Request(_) if message.marks.version.is_some() => {
                match stateless::read_request_meta(&message) {
                    Ok(meta) => ClientMessage::Stateless(message, meta),
                    Err(malformed) => ClientMessage::Malformed(malformed),
                }
            }
            Kind::Request(Method::Initialize) => match handshake::read_client_hello(&message) {
                Ok(hello) => ClientMessage::Initialize(message, Box::new(hello)),
                Err(sentence) => ClientMessage::Malformed(stateless::refusal(
                    &message,
                    envelope::INVALID_PARAMS,
                    sentence,
                    None,
                )),
            },
            _ => ClientMessage::Message(message),
        }
    }
}
