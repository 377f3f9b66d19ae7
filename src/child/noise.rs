//! What a child says that is not protocol: made fit for the log, and kept from
//! flooding it.

use std::fmt::Write;
use std::time::Instant;

use crossbeam_channel::Receiver;

use crate::limits;

/// How many lines a child may still bring into the log in this interval.
#[derive(Debug)]
pub struct Quota {
    interval: Receiver<Instant>,
    left: u32,
    dropped: u64,
}

impl Default for Quota {
    /// A full one.
    fn default() -> Quota {
        Quota {
            interval: crossbeam_channel::tick(limits::CHILD_LOG_INTERVAL),
            left: limits::CHILD_LOG_LINES,
            dropped: 0,
        }
    }
}

impl Quota {
    /// Asks to log one more line; a refusal is counted.
    pub fn take(&mut self) -> bool {
        if self.interval.try_recv().is_ok() {
            self.left = limits::CHILD_LOG_LINES;
        }
        if let Some(left) = self.left.checked_sub(1) {
            self.left = left;
            true
        } else {
            self.dropped += 1;
            false
        }
    }

    /// Whether lines were dropped that nobody has been told of.
    pub fn owes(&self) -> bool {
        self.dropped > 0
    }

    /// How many lines were dropped since this was last asked.
    pub fn settle(&mut self) -> u64 {
        std::mem::take(&mut self.dropped)
    }
}

/// A line as the log may show it: at most `max` of its bytes, no control
/// character that could move the reader's cursor or forge a line, and
/// replacement characters for what is no UTF-8. `length` is the whole line's.
pub fn shown(line: &[u8], max: usize, length: u64) -> String {
    let kept = &line[..line.len().min(max)];
    let mut text = String::with_capacity(kept.len());
    for char in String::from_utf8_lossy(kept).chars() {
        if char.is_control() && char != '\t' {
            text.extend(char.escape_default());
        } else {
            text.push(char);
        }
    }
    if length > kept.len() as u64 {
        // Writing to a `String` cannot fail.
        let _ = write!(text, "… ({length} bytes)");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_made_harmless_and_short() {
        assert_eq!(shown(b"plain \xc3\xa9\ttext", 100, 13), "plain é\ttext");
        assert_eq!(
            shown(b"\x1b[31mred\r\x07", 100, 10),
            "\\u{1b}[31mred\\r\\u{7}"
        );
        assert_eq!(shown(b"\xff!", 100, 2), "\u{fffd}!");
        assert_eq!(shown(b"abcdef", 4, 6), "abcd… (6 bytes)");
        // Cut through a character, and counted beyond what was kept.
        assert_eq!(shown(b"a\xc3\xa9", 2, 9000), "a\u{fffd}… (9000 bytes)");
    }

    #[test]
    fn a_flood_is_cut_and_counted() {
        let mut quota = Quota::default();
        let passed = (0..150).filter(|_| quota.take()).count();
        // A slow machine may see the second interval begin.
        assert!((100..150).contains(&passed), "{passed}");
        assert!(quota.owes());
        assert_eq!(quota.settle(), 150 - passed as u64);
        assert!(!quota.owes());
    }
}
