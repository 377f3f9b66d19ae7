//! The JSON-RPC envelope: where in a message's bytes the parts stand that a
//! gateway must read or replace, found in one pass, and the writing of the
//! message with those parts replaced. All other bytes travel as they came.

use std::borrow::Cow;
use std::num::NonZeroU32;
use std::sync::Arc;

use crate::event::Malformed;
use crate::wire::method::Method;
use crate::wire::own_id::OwnId;

/// A stretch of a message's bytes. Never empty, for no JSON value is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Span {
    start: u32,
    end: NonZeroU32,
}

/// One JSON-RPC message: its bytes and what was understood of them.
#[derive(Debug)]
pub struct Message {
    bytes: Vec<u8>,
    /// What kind of message it is.
    pub kind: Kind,
    /// Where the parts stand.
    pub marks: Marks,
}

/// The three kinds of JSON-RPC messages.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Expects an answer; `marks.id` is set.
    Request(Method),
    /// Expects none.
    Notification(Method),
    /// Answers a request; `marks.id` is set.
    Answer {
        /// Whether it is an error.
        failed: bool,
    },
}

/// Where the parts of a message stand that a gateway reads or replaces. Each
/// is the whole JSON value, quotes included.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Marks {
    /// `id`
    pub id: Option<Span>,
    /// `params`
    pub params: Option<Span>,
    /// `result`, or `error` of a failed answer
    pub outcome: Option<Span>,
    /// `params.name`, or `params.ref.name`
    pub name: Option<Span>,
    /// `params.uri`, or `params.ref.uri`
    pub uri: Option<Span>,
    /// `params._meta.progressToken`, or the `params.progressToken` of a
    /// progress notification
    pub progress_token: Option<Span>,
    /// `params.requestId` of a cancellation
    pub request_id: Option<Span>,
    /// `params.cursor`
    pub cursor: Option<Span>,
    /// `params.level`
    pub level: Option<Span>,
}

/// What takes the place of a part.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Patch {
    /// A number of ours.
    Number(u64),
    /// JSON text.
    Json(Arc<str>),
}

/// A message on its way out, and the parts to replace while it is written.
#[derive(Clone, Debug)]
pub struct Outgoing {
    /// The message; shared, for a list or a log line may go to many.
    pub message: Arc<Message>,
    /// In place of its id.
    pub id: Option<Patch>,
    /// In place of its name.
    pub name: Option<Patch>,
    /// In place of its progress token.
    pub progress_token: Option<Patch>,
}

impl Span {
    /// The bytes `start..end`; `None` for an empty stretch or one past 4 GiB.
    pub fn new(start: usize, end: usize) -> Option<Span> {
        let span = Span {
            start: u32::try_from(start).ok()?,
            end: NonZeroU32::new(u32::try_from(end).ok()?)?,
        };
        (start < end).then_some(span)
    }
}

impl Message {
    /// Understands one message.
    ///
    /// # Errors
    /// Says why the bytes are no JSON-RPC message.
    pub fn parse(bytes: Vec<u8>) -> Result<Message, Malformed> {
        let _ = bytes;
        Err(Malformed {
            code: -32700,
            sentence: String::new(),
            id: None,
        })
    }

    /// An answer of the gateway's own. The id is a placeholder, to be replaced
    /// when it is sent. `result` is JSON text.
    pub fn result(result: &str) -> Message {
        let _ = result;
        unreachable!()
    }

    /// An error of the gateway's own; `data` is JSON text. The id as in [`Message::result`].
    pub fn error(code: i32, sentence: &str, data: Option<&str>) -> Message {
        let _ = (code, sentence, data);
        unreachable!()
    }

    /// A request or notification of the gateway's own. `params` is JSON text;
    /// a request's id is a placeholder, to be replaced when it is sent.
    pub fn build(kind: Kind, params: Option<&str>) -> Message {
        let _ = (kind, params);
        unreachable!()
    }

    /// The JSON text of a part.
    pub fn json(&self, span: Span) -> &str {
        let _ = span;
        ""
    }

    /// The text of a part that is a JSON string; `None` if it is another value.
    pub fn text(&self, span: Span) -> Option<Cow<'_, str>> {
        let _ = span;
        None
    }

    /// Its id, if that is one the gateway can have given out.
    pub fn own_id(&self) -> Option<OwnId> {
        None
    }

    /// Its length in bytes.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Never true; here because `len` is.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }
}

impl Outgoing {
    /// The message as it is.
    pub fn plain(message: Arc<Message>) -> Outgoing {
        Outgoing {
            message,
            id: None,
            name: None,
            progress_token: None,
        }
    }

    /// Appends the message to `out`, in one line, the parts replaced.
    pub fn write_to(&self, out: &mut Vec<u8>) {
        let _ = out;
    }

    /// At most how many bytes `write_to` appends.
    pub fn len_max(&self) -> usize {
        self.message.len()
    }
}
