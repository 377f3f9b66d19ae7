//! The JSON-RPC envelope: where in a message's bytes the parts stand that a
//! gateway must read or replace, found in one pass, and the writing of the
//! message with those parts replaced. All other bytes travel as they came.

use std::borrow::Cow;
use std::num::NonZeroU32;
use std::ops::Range;
use std::sync::Arc;

use crate::budget::{Budget, Weight};
use crate::limits::{BATCH_MESSAGES_MAX, QUOTED_CHARS_MAX};
use crate::wire::method::Method;
use crate::wire::own_id::OwnId;
use crate::wire::scan::{self, Fault, Scanner};

mod read;

/// JSON-RPC's code for bytes that are no JSON.
pub const PARSE_ERROR: i32 = -32700;
/// JSON-RPC's code for JSON that is no message.
pub const INVALID_REQUEST: i32 = -32600;
/// JSON-RPC's code for a method that is not served.
pub const METHOD_NOT_FOUND: i32 = -32601;
/// JSON-RPC's code for parameters that the method does not take.
pub const INVALID_PARAMS: i32 = -32602;

/// Why bytes are no JSON-RPC message, and what is told of it.
#[derive(Debug, Clone)]
pub struct Malformed {
    /// The JSON-RPC error code: -32700, -32600 or -32602; in the stateless era
    /// -32020 and -32022 too.
    pub code: i32,
    /// The sentence, naming the thing.
    pub sentence: String,
    /// The id of the request, as its JSON text, where it could be read.
    pub id: Option<Box<str>>,
    /// The error's `data`, as JSON text, where it has some.
    pub data: Option<Box<str>>,
}

/// A stretch of a message's bytes. Never empty, for no JSON value is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Span {
    start: u32,
    end: NonZeroU32,
}

/// One JSON-RPC message: its bytes and what was understood of them. White
/// space behind the message is not kept.
#[derive(Debug)]
pub struct Message {
    text: String,
    /// Whether line breaks stand between its tokens, which must go before the
    /// message can be a line.
    newlines: bool,
    /// What kind of message it is.
    pub kind: Kind,
    /// Where the parts stand.
    pub marks: Marks,
    /// What it counts for as long as anybody has it.
    weight: Weight,
}

/// The three kinds of JSON-RPC messages.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Expects an answer; `marks.id` is set.
    Request(Method),
    /// Expects none.
    Notification(Method),
    /// Answers a request; `marks.id` is set, but for an error whose id is null
    /// or left out: its sender could not tell which request it refuses.
    Answer {
        /// Whether it is an error.
        failed: bool,
    },
}

/// Where the parts of a message stand that a gateway reads or replaces. Each
/// is the whole JSON value, quotes included. What may be left out counts as
/// left out when it is null. The types of `name`, `uri`, `request_id`, `cursor`
/// and `level` are not looked at.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Marks {
    /// `id`
    pub id: Option<Span>,
    /// `params`
    pub params: Option<Span>,
    /// `result`, or `error` of a failed answer
    pub outcome: Option<Span>,
    /// `params.name`; of a completion, `params.ref.name`, unless its
    /// `params.ref.type` is another than `ref/prompt`
    pub name: Option<Span>,
    /// `params.uri`; of a completion, `params.ref.uri`, unless its
    /// `params.ref.type` is another than `ref/resource`
    pub uri: Option<Span>,
    /// `params._meta.progressToken`, or the `params.progressToken` of a
    /// progress notification; a string or a number
    pub progress_token: Option<Span>,
    /// `params.requestId` of a cancellation
    pub request_id: Option<Span>,
    /// `params.cursor`
    pub cursor: Option<Span>,
    /// `params.level`
    pub level: Option<Span>,
    /// `params.arguments`
    pub arguments: Option<Span>,
    /// `params.notifications`, the filter of `subscriptions/listen`
    pub filter: Option<Span>,
    /// `params.taskId`, or `result.taskId`
    pub task_id: Option<Span>,
    /// `params.mode` of an elicitation
    pub mode: Option<Span>,
    /// `params.tools` of a sampling request
    pub tools: Option<Span>,
    /// `params.requestState`
    pub request_state: Option<Span>,
    /// `params.inputResponses`
    pub input_responses: Option<Span>,
    /// `params._meta`, null or not
    pub meta: Option<Span>,
    /// The protocol version in `params._meta`: the mark of the stateless era.
    pub version: Option<Span>,
    /// The client's name and version in `params._meta`
    pub client_info: Option<Span>,
    /// The client's capabilities in `params._meta`
    pub client_capabilities: Option<Span>,
    /// The log level in `params._meta`
    pub log_level: Option<Span>,
    /// The subscription's id in `params._meta`
    pub subscription: Option<Span>,
    /// `result.resultType`
    pub result_type: Option<Span>,
    /// `result.ttlMs`
    pub ttl: Option<Span>,
    /// `result.cacheScope`
    pub cache_scope: Option<Span>,
    /// `result.isError`
    pub is_error: Option<Span>,
    /// `error.code`
    pub error_code: Option<Span>,
}

impl Span {
    /// The bytes `start..end`; `None` for an empty stretch or one past 4 GiB.
    pub fn new(start: usize, end: usize) -> Option<Span> {
        let behind = u32::try_from(end).ok()?;
        if start >= end {
            return None;
        }
        Some(Span {
            start: u32::try_from(start).ok()?,
            end: NonZeroU32::new(behind)?,
        })
    }

    /// The bytes it spans.
    pub fn range(self) -> Range<usize> {
        self.start as usize..self.end.get() as usize
    }
}

impl Message {
    /// Understands one message, in one pass over its bytes.
    ///
    /// # Errors
    /// Says why the bytes are no JSON-RPC message.
    pub fn parse(bytes: Vec<u8>) -> Result<Message, Malformed> {
        let mut text = utf8(bytes)?;
        let mut marks = Marks::default();
        let found = read::understand(&text, &mut marks)?;
        text.truncate(found.end);
        Ok(Message {
            text,
            newlines: found.newlines,
            kind: found.kind,
            marks,
            weight: Weight::default(),
        })
    }

    /// The same message, which counts in a budget for as long as anybody has it.
    /// One of the gateway's own counts nowhere.
    #[must_use]
    pub fn weighing(mut self, budget: &Arc<Budget>) -> Message {
        self.weight = budget.weigh(self.text.capacity() + size_of::<Message>());
        self
    }

    /// Takes its bytes out, of which nothing but the room is left, and what it weighs.
    /// What remains is none.
    pub fn take_buffer(&mut self) -> Vec<u8> {
        self.weight.clear();
        let mut bytes = std::mem::take(&mut self.text).into_bytes();
        bytes.clear();
        bytes
    }

    /// An answer of the gateway's own. The id is a placeholder, to be replaced
    /// when it is sent. `result` is JSON text.
    pub fn result(result: &str) -> Message {
        Message::assemble(Kind::Answer { failed: false }, Some(("result", result)))
    }

    /// An error of the gateway's own; `data` is JSON text. The id as in [`Message::result`].
    pub fn error(code: i32, sentence: &str, data: Option<&str>) -> Message {
        let mut error = format!("{{\"code\":{code},\"message\":{}", quoted(sentence));
        if let Some(data) = data {
            error.push_str(",\"data\":");
            error.push_str(data);
        }
        error.push('}');
        let kind = Kind::Answer { failed: true };
        Message::assemble(kind, Some(("error", &error))).marked()
    }

    /// A request or notification of the gateway's own, never an answer.
    /// `params` is JSON text; a request's id is a placeholder, to be replaced
    /// when it is sent.
    pub fn build(kind: Kind, params: Option<&str>) -> Message {
        debug_assert!(!matches!(kind, Kind::Answer { .. }));
        Message::assemble(kind, params.map(|params| ("params", params))).marked()
    }

    /// With all parts of a text of our own marked.
    fn marked(mut self) -> Message {
        let mut marks = Marks::default();
        if read::understand(&self.text, &mut marks).is_ok() {
            self.marks = marks;
        }
        self
    }

    /// Writes out a message whose last member is `part`, a key and JSON text.
    fn assemble(kind: Kind, part: Option<(&str, &str)>) -> Message {
        let mut text = String::with_capacity(64 + part.map_or(0, |(_, json)| json.len()));
        let mut marks = Marks::default();
        text.push_str(r#"{"jsonrpc":"2.0""#);
        if !matches!(kind, Kind::Notification(_)) {
            marks.id = append(&mut text, "id", "0");
        }
        if let Kind::Request(method) | Kind::Notification(method) = &kind {
            append(&mut text, "method", &quoted(method.name()));
        }
        if let Some((key, json)) = part {
            let span = append(&mut text, key, json);
            match kind {
                Kind::Answer { .. } => marks.outcome = span,
                _ => marks.params = span,
            }
        }
        text.push('}');
        debug_assert!(
            read::understand(&text, &mut Marks::default()).is_ok(),
            "our own text: {text}"
        );
        Message {
            newlines: memchr::memchr2(b'\n', b'\r', text.as_bytes()).is_some(),
            text,
            kind,
            marks,
            weight: Weight::default(),
        }
    }

    /// The JSON text of a part.
    pub fn json(&self, span: Span) -> &str {
        // A span of another message may not fit this one: then it has no part there.
        self.text.get(span.range()).unwrap_or_default()
    }

    /// The text of a part that is a JSON string; `None` if it is another value,
    /// or holds half a surrogate pair and so is no text.
    pub fn text(&self, span: Span) -> Option<Cow<'_, str>> {
        scan::text(self.json(span))
    }

    /// The result of an answer, as JSON text.
    ///
    /// # Errors
    /// For an answer that is an error, a sentence with its code and message;
    /// also for what is no answer.
    pub fn succeeded(&self) -> Result<&str, String> {
        let outcome = self.marks.outcome.map(|span| self.json(span));
        match (&self.kind, outcome) {
            (Kind::Answer { failed: false }, Some(result)) => Ok(result),
            (Kind::Answer { failed: true }, Some(error)) => Err(failure(error)),
            _ => Err("this is no answer".into()),
        }
    }

    /// Its id, if that is one the gateway can have given out.
    pub fn own_id(&self) -> Option<OwnId> {
        let number = self.json(self.marks.id?).parse().ok()?;
        OwnId::from_number(number)
    }

    /// Whether an answer says that what was asked for has failed: an error, or
    /// a tool's result that calls itself one.
    pub fn tells_of_failure(&self) -> bool {
        let is_error = self.marks.is_error.map(|span| self.json(span));
        match self.kind {
            Kind::Answer { failed } => failed || is_error == Some("true"),
            _ => false,
        }
    }

    /// The code of an answer that is an error, if it is a number that codes are.
    pub fn error_code(&self) -> Option<i32> {
        self.json(self.marks.error_code?).parse().ok()
    }

    /// What an answer that is an error says; nothing if that is no text.
    pub fn error_sentence(&self) -> String {
        let error = self.marks.outcome.map_or("{}", |span| self.json(span));
        let [sentence] = scan::members(error, ["message"]).unwrap_or_default();
        let sentence = sentence.and_then(|value| scan::text(value.json(error)));
        sentence.unwrap_or_default().into_owned()
    }

    /// Its bytes, as they came.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether line breaks stand between its tokens.
    pub fn has_newlines(&self) -> bool {
        self.newlines
    }

    /// Its length in bytes.
    pub fn len(&self) -> usize {
        self.text.len()
    }

    /// Never true; here because `len` is.
    pub fn is_empty(&self) -> bool {
        self.text.is_empty()
    }
}

impl Drop for Message {
    fn drop(&mut self) {
        // Its buffer may be of use to another.
        self.weight
            .keep(std::mem::take(&mut self.text).into_bytes());
    }
}

/// The members of a batch (2025-03-26), in order, each as it came; `None` if
/// `bytes` is no array, and so a message of its own or nothing at all.
///
/// # Errors
/// When the array is no JSON, is empty, or holds too many messages.
pub fn split_batch(bytes: &[u8]) -> Result<Option<Vec<Vec<u8>>>, Malformed> {
    if bytes.trim_ascii_start().first() != Some(&b'[') {
        return Ok(None);
    }
    let text = std::str::from_utf8(bytes).map_err(|error| not_utf8(error.valid_up_to()))?;
    let mut members = Vec::new();
    let mut count = 0_usize;
    let mut scanner = Scanner::new(text);
    scanner
        .array(|scanner| {
            let value = scanner.value()?;
            count += 1;
            if count <= BATCH_MESSAGES_MAX {
                members.push(text[value.start..value.end].into());
            }
            Ok(())
        })
        .and_then(|_| scanner.finish())
        .map_err(broken)?;
    let refused = |sentence: String| Malformed {
        code: INVALID_REQUEST,
        sentence,
        id: None,
        data: None,
    };
    match count {
        0 => Err(refused("the batch is empty".into())),
        1..=BATCH_MESSAGES_MAX => Ok(Some(members)),
        _ => Err(refused(format!(
            "the batch holds {count} messages: at most {BATCH_MESSAGES_MAX} are taken"
        ))),
    }
}

/// `text` as a JSON string, quotes included.
pub fn quoted(text: &str) -> String {
    // The number of ways in which a string cannot be written is nil.
    serde_json::to_string(text).unwrap_or_default()
}

/// `text` in quotes for a sentence: one line, and cut where it gets too long.
pub fn shown(text: &str) -> String {
    match text.char_indices().nth(QUOTED_CHARS_MAX) {
        None => format!("{text:?}"),
        Some((cut, _)) => format!("{:?}…", &text[..cut]),
    }
}

/// The sentence for a JSON-RPC error object.
fn failure(error: &str) -> String {
    let [code, message] = scan::members(error, ["code", "message"]).unwrap_or_default();
    let code = code.map_or("without a code", |value| value.json(error));
    let message = message.and_then(|value| scan::text(value.json(error)));
    format!(
        "answered with error {code}: {}",
        shown(&message.unwrap_or_default())
    )
}

/// Appends a member behind others; gives the place of its value.
fn append(text: &mut String, key: &str, json: &str) -> Option<Span> {
    text.extend([",\"", key, "\":"]);
    let start = text.len();
    text.push_str(json);
    Span::new(start, text.len())
}

fn utf8(bytes: Vec<u8>) -> Result<String, Malformed> {
    String::from_utf8(bytes).map_err(|error| not_utf8(error.utf8_error().valid_up_to()))
}

fn not_utf8(at: usize) -> Malformed {
    broken(Fault {
        at,
        what: "invalid UTF-8",
    })
}

fn broken(fault: Fault) -> Malformed {
    Malformed {
        code: PARSE_ERROR,
        sentence: fault.to_string(),
        id: None,
        data: None,
    }
}

#[cfg(test)]
mod tests;
