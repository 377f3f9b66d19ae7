//! A message on its way out: the parts of it that are replaced or put in while
//! it is written. All other bytes travel as they came.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

use crate::wire::envelope::{Kind, Message, Span};

/// An object of a message into which members can be put.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Object {
    /// `params`; made if there is none.
    Params,
    /// `params._meta`; made if there is none.
    Meta,
    /// `result`; if that is no object, nothing is put in.
    Result,
}

/// What is changed in a message that crosses from one era into the other.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Change {
    /// Members put in before all others of an object: JSON text such as
    /// `"a":1,"b":2`.
    Front(Object, Cow<'static, str>),
    /// JSON text in place of a part.
    Replace(Span, Cow<'static, str>),
    /// Nothing in place of the member that a part is the value of. Its key must
    /// hold no quotes.
    Drop(Span),
}

/// What takes the place of a part.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Patch {
    /// A number of ours.
    Number(u64),
    /// JSON text, in one line.
    Json(Arc<str>),
}

/// A message on its way out, and the parts to replace while it is written. A
/// part that the message does not have is not put in.
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
    /// What else is changed, at most [`CHANGES_MAX`] places: none that lies in
    /// another, and no two that make the same object. An empty list, as within
    /// one era, costs nothing.
    pub changes: Vec<Change>,
}

/// How many changes a message can have beside its id, name and token.
pub const CHANGES_MAX: usize = 5;

/// What is written in place of a stretch of a message.
#[derive(Clone, Copy)]
struct Splice<'a> {
    start: usize,
    end: usize,
    piece: Piece<'a>,
}

#[derive(Clone, Copy)]
enum Piece<'a> {
    Patch(&'a Patch),
    Json(&'a str),
    /// Members for the front of an object: what stands before and behind them.
    Members(&'static str, &'a str, &'static str),
}

impl Outgoing {
    /// The message as it is.
    pub fn plain(message: Arc<Message>) -> Outgoing {
        Outgoing {
            message,
            id: None,
            name: None,
            progress_token: None,
            changes: Vec::new(),
        }
    }

    /// Adds a change.
    #[must_use]
    pub fn with(mut self, change: Change) -> Outgoing {
        debug_assert!(self.changes.len() < CHANGES_MAX);
        self.changes.push(change);
        self
    }

    /// Appends the message to `out`, in one line, the parts replaced.
    pub fn write_to(&self, out: &mut Vec<u8>) {
        out.reserve(self.len_max());
        self.write_with(out, |out, range| self.message.copy_to(out, range));
    }

    /// The same, but that `stretch` sees to those stretches of the message that
    /// travel as they came.
    pub fn write_with(
        &self,
        out: &mut Vec<u8>,
        mut stretch: impl FnMut(&mut Vec<u8>, Range<usize>),
    ) {
        let marks = &self.message.marks;
        let mut splices = [None; 3 + CHANGES_MAX];
        let splices = &mut splices[..3 + self.changes.len().min(CHANGES_MAX)];
        let patches = [
            (marks.id, &self.id),
            (marks.name, &self.name),
            (marks.progress_token, &self.progress_token),
        ];
        for (place, (span, patch)) in splices.iter_mut().zip(patches) {
            if let (Some(span), Some(patch)) = (span, patch) {
                *place = Some(Splice::over(span, Piece::Patch(patch)));
            }
        }
        for (place, change) in splices[3..].iter_mut().zip(&self.changes) {
            *place = self.message.splice(change);
        }
        splices.sort_unstable_by_key(|splice| splice.map(|splice| (splice.start, splice.end)));
        let mut written = 0;
        for splice in splices.iter().flatten() {
            stretch(out, written..splice.start);
            splice.piece.write_to(out);
            written = splice.end;
        }
        stretch(out, written..self.message.len());
    }

    /// At most how many bytes `write_to` appends.
    pub fn len_max(&self) -> usize {
        let patches = [&self.id, &self.name, &self.progress_token];
        let patched: usize = patches.into_iter().flatten().map(Patch::len_max).sum();
        let changed: usize = self.changes.iter().map(Change::len_max).sum();
        self.message.len() + patched + changed
    }
}

impl Change {
    fn len_max(&self) -> usize {
        // Beside the members: `"params":{"_meta":{`, `}},`.
        const AROUND: usize = 24;
        match self {
            Change::Front(_, json) => json.len() + AROUND,
            Change::Replace(_, json) => json.len(),
            Change::Drop(_) => 0,
        }
    }
}

impl<'a> Splice<'a> {
    fn over(span: Span, piece: Piece<'a>) -> Splice<'a> {
        let range = span.range();
        Splice {
            start: range.start,
            end: range.end,
            piece,
        }
    }
}

impl Piece<'_> {
    fn write_to(self, out: &mut Vec<u8>) {
        match self {
            Piece::Patch(patch) => patch.write_to(out),
            Piece::Json(json) => out.extend_from_slice(json.as_bytes()),
            Piece::Members(before, members, behind) => {
                out.extend_from_slice(before.as_bytes());
                out.extend_from_slice(members.as_bytes());
                out.extend_from_slice(behind.as_bytes());
            }
        }
    }
}

impl Message {
    /// Where a change is made, and what is written there.
    fn splice<'a>(&self, change: &'a Change) -> Option<Splice<'a>> {
        match change {
            Change::Replace(span, json) => Some(Splice::over(*span, Piece::Json(json))),
            Change::Drop(span) => Some(self.without(*span)),
            Change::Front(Object::Result, members) => {
                let outcome = self.marks.outcome;
                let is_result = self.kind == (Kind::Answer { failed: false });
                outcome
                    .filter(|_| is_result)
                    .and_then(|span| self.front(span, members))
            }
            Change::Front(Object::Params, members) => match self.marks.params {
                Some(params) => self.front(params, members),
                None => Some(self.before_all("\"params\":{", members, "},")),
            },
            Change::Front(Object::Meta, members) => match (self.marks.meta, self.marks.params) {
                (Some(meta), _) => self
                    .front(meta, members)
                    // Null, or nonsense: another value for the key.
                    .or(Some(Splice::over(meta, Piece::Members("{", members, "}")))),
                (None, Some(params)) if self.is_empty_object(params) => Some(Splice::over(
                    params,
                    Piece::Members("{\"_meta\":{", members, "}}"),
                )),
                (None, Some(params)) => {
                    let at = params.range().start + 1;
                    let piece = Piece::Members("\"_meta\":{", members, "},");
                    Some(Splice {
                        start: at,
                        end: at,
                        piece,
                    })
                }
                (None, None) => Some(self.before_all("\"params\":{\"_meta\":{", members, "}},")),
            },
        }
    }

    /// The stretch of a member, from its key to its value, and one of the commas
    /// around it.
    fn without<'a>(&self, value: Span) -> Splice<'a> {
        let (before, behind) = self.as_str().split_at(value.range().end);
        let before = &before[..value.range().start];
        let quoted = |text: &str| text.trim_end_matches([' ', '\t', '\n', '\r', ':']).len();
        let close = quoted(before).saturating_sub(1);
        let open = before[..close].rfind('"').unwrap_or(close);
        let tail = behind.trim_start_matches([' ', '\t', '\n', '\r']);
        let (start, end) = match tail.strip_prefix(',') {
            Some(rest) => (open, self.len() - rest.len()),
            None => {
                let head = before[..open].trim_end_matches([' ', '\t', '\n', '\r']);
                let start = head.strip_suffix(',').map_or(open, str::len);
                (start, value.range().end)
            }
        };
        Splice {
            start,
            end,
            piece: Piece::Json(""),
        }
    }

    /// The place before all members of an object; none if it is no object.
    fn front<'a>(&self, object: Span, members: &'a str) -> Option<Splice<'a>> {
        let range = object.range();
        if self.as_str().as_bytes().get(range.start) != Some(&b'{') {
            return None;
        }
        let behind = if self.is_empty_object(object) {
            ""
        } else {
            ","
        };
        Some(Splice {
            start: range.start + 1,
            end: range.start + 1,
            piece: Piece::Members("", members, behind),
        })
    }

    /// The place before all members of the message, of which there are some.
    fn before_all<'a>(
        &self,
        before: &'static str,
        members: &'a str,
        behind: &'static str,
    ) -> Splice<'a> {
        let brace = self.as_str().find('{').map_or(0, |at| at + 1);
        Splice {
            start: brace,
            end: brace,
            piece: Piece::Members(before, members, behind),
        }
    }

    fn is_empty_object(&self, object: Span) -> bool {
        let json = self.json(object);
        let inner = json
            .strip_prefix('{')
            .and_then(|json| json.strip_suffix('}'));
        inner.is_some_and(|inner| inner.bytes().all(|byte| byte.is_ascii_whitespace()))
    }

    /// Appends a stretch of the message, line breaks made spaces. All line
    /// breaks stand between tokens, for JSON allows none inside them.
    pub fn copy_to(&self, out: &mut Vec<u8>, range: Range<usize>) {
        let from = out.len();
        out.extend_from_slice(&self.as_str().as_bytes()[range]);
        if self.has_newlines() {
            for byte in &mut out[from..] {
                if matches!(byte, b'\n' | b'\r') {
                    *byte = b' ';
                }
            }
        }
    }
}

impl Patch {
    fn write_to(&self, out: &mut Vec<u8>) {
        match self {
            Patch::Number(number) => {
                out.extend_from_slice(itoa::Buffer::new().format(*number).as_bytes());
            }
            Patch::Json(json) => out.extend_from_slice(json.as_bytes()),
        }
    }

    fn len_max(&self) -> usize {
        match self {
            Patch::Number(_) => 20, // digits of `u64::MAX`
            Patch::Json(json) => json.len(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is written of a message with these changes, which are made from it.
    fn written(text: &str, changes: impl Fn(&Message) -> Vec<Change>) -> String {
        let message = Message::parse(text.into()).expect("a message");
        let mut outgoing = Outgoing::plain(message.into());
        outgoing.changes = changes(&outgoing.message);
        let mut out = Vec::new();
        outgoing.write_to(&mut out);
        assert!(out.len() <= outgoing.len_max(), "{out:?}");
        String::from_utf8(out).expect("text")
    }

    fn front(object: Object) -> impl Fn(&Message) -> Vec<Change> {
        move |_| vec![Change::Front(object, r#""a":1"#.into())]
    }

    #[test]
    fn members_go_before_all_others_of_an_object() {
        let result = |result: &str| format!(r#"{{"jsonrpc":"2.0","id":1,"result":{result}}}"#);
        for (before, after) in [
            ("{}", r#"{"a":1}"#),
            ("{ }", r#"{"a":1 }"#),
            (r#"{ "b":2}"#, r#"{"a":1, "b":2}"#),
            ("[]", "[]"),
            ("null", "null"),
        ] {
            let written = written(&result(before), front(Object::Result));
            assert_eq!(written, result(after));
        }
        let error = r#"{"jsonrpc":"2.0","id":1,"error":{"code":1,"message":""}}"#;
        assert_eq!(written(error, front(Object::Result)), error);
    }

    #[test]
    fn a_meta_is_made_where_there_is_none() {
        let request = |rest: &str| format!(r#"{{"jsonrpc":"2.0","id":1,"method":"x"{rest}}}"#);
        for (before, after) in [
            (
                r#","params":{"_meta":{"b":2}}"#,
                r#","params":{"_meta":{"a":1,"b":2}}"#,
            ),
            (
                r#","params":{"_meta":{},"c":3}"#,
                r#","params":{"_meta":{"a":1},"c":3}"#,
            ),
            (
                r#","params":{"_meta":null}"#,
                r#","params":{"_meta":{"a":1}}"#,
            ),
            (
                r#","params":{"c":3}"#,
                r#","params":{"_meta":{"a":1},"c":3}"#,
            ),
            (r#","params":{ }"#, r#","params":{"_meta":{"a":1}}"#),
        ] {
            let written = written(&request(before), front(Object::Meta));
            assert_eq!(written, request(after));
        }
        assert_eq!(
            written(&request(""), front(Object::Meta)),
            r#"{"params":{"_meta":{"a":1}},"jsonrpc":"2.0","id":1,"method":"x"}"#
        );
        assert_eq!(
            written(&request(""), front(Object::Params)),
            r#"{"params":{"a":1},"jsonrpc":"2.0","id":1,"method":"x"}"#
        );
    }

    #[test]
    fn a_member_is_dropped_with_one_of_its_commas() {
        let request = |meta: &str| {
            format!(r#"{{"jsonrpc":"2.0","method":"x","params":{{"_meta":{{{meta}}}}},"id":1}}"#)
        };
        let key = r#""io.modelcontextprotocol/protocolVersion""#;
        let escaped = r#""io.modelcontextprotocol\/protocol\u0056ersion""#;
        for (before, after) in [
            (format!(r#"{key}:"v""#), r""),
            (format!(r#" {key} : "v" "#), r"  "),
            (format!(r#"{key}:"v","b":2"#), r#""b":2"#),
            (format!(r#""b":2 , {escaped}:"v""#), r#""b":2 "#),
            (
                format!(r#""b":2,{key}:"v" , "c":[","]"#),
                r#""b":2, "c":[","]"#,
            ),
        ] {
            let drop =
                |message: &Message| vec![Change::Drop(message.marks.version.expect("it is there"))];
            assert_eq!(written(&request(&before), drop), request(after));
        }
    }
}
