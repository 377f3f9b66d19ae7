//! Newline framing: from a byte stream to whole lines, none over the limit.
//!
//! A line over the limit is not kept. That its call can be failed all the same,
//! the id in it is found while its bytes pass by.

use std::borrow::Cow;
use std::sync::Arc;

use memchr::memchr;

use crate::budget::{Budget, Weight};
use crate::limits::{LINE_FREE_BYTES, OVERSIZED_HEAD_BYTES, SPARE_BYTES_LEAST, SPARE_BYTES_MOST};

/// Splits what is read from a pipe. How the stream is cut into chunks makes no
/// difference to the lines.
pub struct Lines {
    max: usize,
    /// The beginning of a line that has not ended yet.
    buffer: Vec<u8>,
    /// What it counts beyond [`LINE_FREE_BYTES`].
    weight: Weight,
    /// Set while such a line is over the limit.
    skipped: Option<Skipped>,
}

/// One line, without its line break. Empty lines are passed over.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Line<'a> {
    /// A line within the limit. It is owned where it was large: then
    /// `into_owned` copies nothing.
    Whole(Cow<'a, [u8]>),
    /// A line over the limit, or one that could not be kept.
    Oversized {
        /// Its length in bytes.
        length: u64,
        /// Whether it is within the limit all the same, but there was no room for
        /// it in the budget.
        crowded: bool,
        /// The number that is its `id`, if it looks like the answer to one
        /// request: an object, no `method` in it, one `id`.
        id: Option<u64>,
        /// The number that is its `id`, if it looks like a request: an object
        /// with a `method` and one `id`.
        request_id: Option<u64>,
        /// Its first bytes, for the log.
        head: Vec<u8>,
    },
}

impl Lines {
    /// A splitter for lines of at most `max` bytes, the line feed not counted.
    pub fn new(max: usize) -> Lines {
        Lines {
            max,
            buffer: Vec::new(),
            weight: Weight::default(),
            skipped: None,
        }
    }

    /// The same, where large lines count in a budget while they are gathered.
    pub fn within(max: usize, budget: &Arc<Budget>) -> Lines {
        Lines {
            weight: budget.nothing(),
            ..Lines::new(max)
        }
    }

    /// Takes in the next chunk; `each` is called with every line that ends in it.
    pub fn feed(&mut self, chunk: &[u8], mut each: impl FnMut(Line<'_>)) {
        let mut rest = chunk;
        while let Some(end) = memchr(b'\n', rest) {
            self.end_line(&rest[..end], &mut each);
            rest = &rest[end + 1..];
        }
        // What begins long mostly goes on long.
        let more = match rest.len() {
            ..SPARE_BYTES_LEAST => rest.len(),
            long => 2 * long,
        };
        self.take_in(rest, more);
    }

    /// The stream has ended, perhaps in the middle of a line.
    pub fn finish(&mut self, mut each: impl FnMut(Line<'_>)) {
        self.end_line(&[], &mut each);
    }

    /// Takes in a part of a line, and makes room for so many bytes if it can.
    fn take_in(&mut self, part: &[u8], more: usize) {
        if let Some(skipped) = &mut self.skipped {
            return skipped.take_in(part);
        }
        let length = self.buffer.len();
        let is_within = length + part.len() <= self.max;
        let most = self.max;
        let mut has_room = |more: usize| {
            let buffer = &mut self.buffer;
            let room = self.weight.reserve(buffer, more, most, LINE_FREE_BYTES);
            room.is_ok()
        };
        let more = more.min(most.saturating_sub(length));
        if is_within && (has_room(more.max(part.len())) || has_room(part.len())) {
            self.buffer.extend_from_slice(part);
        } else {
            let mut skipped = Skipped {
                crowded: is_within,
                ..Skipped::default()
            };
            skipped.take_in(&std::mem::take(&mut self.buffer));
            skipped.take_in(part);
            self.weight.clear();
            self.skipped = Some(skipped);
        }
    }

    /// Takes in the last part of a line and passes the line on.
    fn end_line(&mut self, part: &[u8], each: &mut impl FnMut(Line<'_>)) {
        let is_short = part.len() < self.max.min(SPARE_BYTES_LEAST);
        if self.skipped.is_none() && self.buffer.is_empty() && is_short {
            // The usual case: the chunk holds all of it.
            return pass_on(Cow::Borrowed(part), each);
        }
        self.take_in(part, part.len());
        if let Some(skipped) = self.skipped.take() {
            each(skipped.into_line(self.max));
        } else if self.buffer.capacity() >= SPARE_BYTES_LEAST {
            let mut line = std::mem::take(&mut self.buffer);
            if line.capacity() > SPARE_BYTES_MOST {
                line.shrink_to_fit();
            }
            pass_on(Cow::Owned(line), each);
            // What becomes of it counts by itself.
            self.weight.clear();
        } else {
            pass_on(Cow::Borrowed(&self.buffer), each);
            self.buffer.clear();
        }
    }
}

/// Passes on a line within the limit, if anything is in it.
fn pass_on(mut line: Cow<'_, [u8]>, each: &mut impl FnMut(Line<'_>)) {
    if line.ends_with(b"\r") {
        match &mut line {
            Cow::Borrowed(line) => *line = &line[..line.len() - 1],
            Cow::Owned(line) => drop(line.pop()),
        }
    }
    if !line.is_empty() {
        each(Line::Whole(line));
    }
}

/// What is kept of a line over the limit.
#[derive(Default)]
struct Skipped {
    length: u64,
    /// It was not too long when there was no room for it.
    crowded: bool,
    head: Vec<u8>,
    id: IdFinder,
}

impl Skipped {
    fn take_in(&mut self, part: &[u8]) {
        self.length += part.len() as u64;
        let wanted = OVERSIZED_HEAD_BYTES - self.head.len();
        self.head.extend(part.iter().take(wanted));
        for byte in part {
            self.id.step(*byte);
        }
    }

    fn into_line(self, max: usize) -> Line<'static> {
        Line::Oversized {
            length: self.length,
            crowded: self.crowded && self.length <= max as u64,
            id: self.id.found(false),
            request_id: self.id.found(true),
            head: self.head,
        }
    }
}

/// Finds the number that is the `id` of a message whose bytes pass by one at a
/// time, wherever it stands: some write it last. It trusts the bytes to be
/// JSON; keys behind escapes it does not know, for nobody writes them so.
#[derive(Default)]
struct IdFinder {
    depth: u64,
    in_string: bool,
    escaped: bool,
    /// The string at the top level that was read last, or is being read.
    word: Word,
    /// The member of the top level that is being read.
    member: Member,
    /// The digits of the id so far; `None` once it is no number of ours.
    number: Option<u64>,
    ids: u32,
    /// There is a method: the message is no answer.
    has_method: bool,
    /// The message is no object.
    hopeless: bool,
}

#[derive(Default, PartialEq)]
enum Member {
    #[default]
    Other,
    Id,
}

/// The beginning of a string, long enough to tell `id` and `method` from others.
#[derive(Default)]
struct Word {
    bytes: [u8; 8],
    length: usize,
}

impl IdFinder {
    /// The id of a request, or of an answer.
    fn found(&self, of_request: bool) -> Option<u64> {
        // A line that breaks off may break off inside its id.
        let whole = self.depth == 0 && !self.in_string;
        let only = self.ids == 1 && !self.hopeless && self.has_method == of_request;
        self.number.filter(|_| whole && only)
    }

    fn step(&mut self, byte: u8) {
        if self.in_string {
            return self.step_in_string(byte);
        }
        match byte {
            b' ' | b'\t' | b'\r' => {}
            b'"' => {
                self.in_string = true;
                self.word.length = 0;
                self.spoil();
            }
            b'{' | b'[' => {
                self.hopeless |= self.depth == 0 && byte == b'[';
                self.spoil();
                self.depth += 1;
            }
            b'}' | b']' => {
                self.depth = self.depth.saturating_sub(1);
            }
            b',' if self.depth == 1 => self.member = Member::Other,
            b':' if self.depth == 1 => self.begin_member(),
            byte if self.depth == 1 && self.member == Member::Id => self.digit(byte),
            _ => self.hopeless |= self.depth == 0,
        }
    }

    fn step_in_string(&mut self, byte: u8) {
        if self.escaped {
            self.escaped = false;
        } else if byte == b'"' {
            self.in_string = false;
            return;
        } else if byte == b'\\' {
            self.escaped = true;
        }
        self.word.push(byte);
    }

    /// At the top level, behind a key.
    fn begin_member(&mut self) {
        match self.word.text() {
            b"id" => {
                self.member = Member::Id;
                self.ids += 1;
                self.number = Some(0);
            }
            b"method" => self.has_method = true,
            _ => {}
        }
    }

    fn digit(&mut self, byte: u8) {
        let digit = (byte as char).to_digit(10).map(u64::from);
        self.number = self
            .number
            .zip(digit)
            .and_then(|(number, digit)| number.checked_mul(10)?.checked_add(digit));
    }

    /// A value that is no number begins: if it is that of the id, all is lost.
    fn spoil(&mut self) {
        if self.depth == 1 && self.member == Member::Id {
            self.number = None;
        }
    }
}

impl Word {
    fn push(&mut self, byte: u8) {
        if let Some(place) = self.bytes.get_mut(self.length) {
            *place = byte;
            self.length += 1;
        }
    }

    fn text(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

#[cfg(test)]
mod tests;
