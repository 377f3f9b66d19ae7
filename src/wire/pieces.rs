//! What is to be written to a client, put together without a copy of what is
//! large: a slow client can draw a write out, and a list goes to many at once.

use std::ops::Range;
use std::sync::Arc;

use crate::limits::PIECE_KEPT_BYTES_LEAST;
use crate::wire::envelope::Message;
use crate::wire::outgoing::Outgoing;

/// Bytes in the order they are written: small ones copied, large stretches of
/// messages where they lie.
#[derive(Debug, Default)]
pub struct Pieces {
    bytes: Vec<u8>,
    kept: Vec<Kept>,
    kept_bytes: usize,
}

/// A stretch of a message, and how many of the copied bytes go before it.
#[derive(Debug)]
struct Kept {
    before: usize,
    message: Arc<Message>,
    range: Range<usize>,
}

impl Pieces {
    /// Appends what `write` appends, which may put messages in between.
    pub fn write(&mut self, write: impl FnOnce(&mut Vec<u8>, &mut Keeper<'_>)) {
        let mut keeper = Keeper {
            kept: &mut self.kept,
            kept_bytes: &mut self.kept_bytes,
        };
        write(&mut self.bytes, &mut keeper);
    }

    /// Appends bytes.
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Appends a message, in one line, the parts replaced.
    pub fn message(&mut self, message: &Outgoing) {
        self.write(|out, keeper| keeper.message(out, message));
    }

    /// How many bytes there are.
    pub fn len(&self) -> usize {
        self.bytes.len() + self.kept_bytes
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All of them, piece by piece; just one where nothing is large.
    pub fn slices(&self) -> Vec<&[u8]> {
        let mut slices = Vec::with_capacity(2 * self.kept.len() + 1);
        let mut written = 0;
        for kept in &self.kept {
            slices.push(&self.bytes[written..kept.before]);
            slices.push(&kept.message.as_str().as_bytes()[kept.range.clone()]);
            written = kept.before;
        }
        slices.push(&self.bytes[written..]);
        slices
    }

    /// Has them used, piece by piece, and asks for no memory where nothing is large.
    pub fn with_slices<T>(&self, user: impl FnOnce(&[&[u8]]) -> T) -> T {
        match self.kept.is_empty() {
            true => user(&[&self.bytes]),
            false => user(&self.slices()),
        }
    }

    /// A copy of what comes after so many bytes.
    pub fn bytes_from(&self, start: usize) -> Vec<u8> {
        let mut skipped = start;
        let mut bytes = Vec::with_capacity(self.len().saturating_sub(start));
        for slice in self.slices() {
            let from = skipped.min(slice.len());
            bytes.extend_from_slice(&slice[from..]);
            skipped -= from;
        }
        bytes
    }

    /// Forgets all, and keeps room for at most so many bytes.
    pub fn clear(&mut self, room: usize) {
        self.bytes.clear();
        self.bytes.shrink_to(room);
        self.kept.clear();
        self.kept_bytes = 0;
    }
}

/// Puts messages among bytes.
pub struct Keeper<'a> {
    kept: &'a mut Vec<Kept>,
    kept_bytes: &'a mut usize,
}

impl Keeper<'_> {
    /// Appends a message, in one line, the parts replaced: its small stretches
    /// to `out`, and for each large one a note that it belongs there.
    pub fn message(&mut self, out: &mut Vec<u8>, outgoing: &Outgoing) {
        let message = &outgoing.message;
        let length = outgoing.len_max();
        if length < PIECE_KEPT_BYTES_LEAST {
            out.reserve(length);
        }
        // Line breaks are replaced while they are copied.
        let is_keepable =
            |range: &Range<usize>| range.len() >= PIECE_KEPT_BYTES_LEAST && !message.has_newlines();
        outgoing.write_with(out, |out, range| {
            if is_keepable(&range) {
                *self.kept_bytes += range.len();
                self.kept.push(Kept {
                    before: out.len(),
                    message: message.clone(),
                    range,
                });
            } else {
                message.copy_to(out, range);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::outgoing::Patch;

    /// An answer with a text of so many bytes, and another id than it came with.
    fn answer(bytes: usize, white: &str) -> Outgoing {
        let text = "t".repeat(bytes);
        let text = format!(r#"{{"jsonrpc":"2.0",{white}"id":1,"result":{{"text":"{text}"}}}}"#);
        let mut outgoing = Outgoing::plain(Message::parse(text.into()).expect("a message").into());
        outgoing.id = Some(Patch::Json("\"mine\"".into()));
        outgoing
    }

    fn check(messages: &[Outgoing], copied_max: usize) {
        let mut pieces = Pieces::default();
        let mut whole = Vec::new();
        for message in messages {
            pieces.bytes(b"data: ");
            pieces.message(message);
            whole.extend_from_slice(b"data: ");
            message.write_to(&mut whole);
        }
        assert_eq!(pieces.len(), whole.len());
        assert!(pieces.slices().concat() == whole, "the same bytes");
        assert!(pieces.bytes.len() <= copied_max, "{}", pieces.bytes.len());
        for start in [0, 1, whole.len() / 2, whole.len()] {
            let start = start.min(whole.len());
            assert!(pieces.bytes_from(start) == whole[start..], "from {start}");
        }
        pieces.clear(0);
        assert!(pieces.is_empty() && pieces.slices().concat().is_empty());
    }

    #[test]
    fn the_bytes_are_the_same_and_large_ones_are_not_copied() {
        let large = PIECE_KEPT_BYTES_LEAST;
        check(&[answer(10, "")], 100);
        check(
            &[answer(large, ""), answer(10, ""), answer(2 * large, "")],
            300,
        );
        check(&[], 0);
    }

    #[test]
    fn line_breaks_are_spaces_all_the_same() {
        let large = PIECE_KEPT_BYTES_LEAST;
        check(&[answer(large, "\n"), answer(10, "\r\n")], large + 300);
    }
}
