//! The `err:NAME` thread: a child's stderr, line by line into the log, and the
//! report of its exit with its last words.

use std::collections::VecDeque;
use std::process::ChildStderr;
use std::sync::Arc;

use crate::child::Report;
use crate::child::noise::{Quota, shown};
use crate::child::pipes::{Drawn, ExitWatch, Tap};
use crate::child::process::Process;
use crate::event::FromChild;
use crate::limits;

/// What the thread needs before its pipe comes.
pub struct Reader {
    server: String,
    report: Report,
    process: Arc<Process>,
    quota: Quota,
    line: Line,
    ring: Ring,
}

impl Reader {
    /// For the child of that server.
    pub fn new(server: &str, report: Report, process: &Arc<Process>) -> Reader {
        Reader {
            server: server.to_owned(),
            report,
            process: Arc::clone(process),
            quota: Quota::default(),
            line: Line::default(),
            ring: Ring::default(),
        }
    }

    /// Reads until the child has exited, and reports that.
    pub fn run(mut self, pipe: ChildStderr, exit: &ExitWatch) {
        self.read(pipe, exit);
        self.end_line();
        self.settle();
        // A child may close its stderr and live on.
        exit.wait(None);
        let how = self.process.how();
        self.report.tell(FromChild::Exited {
            how: how.unwrap_or_else(|| "ended".to_owned()),
            last_words: self.ring.last_words(),
        });
    }

    fn read(&mut self, pipe: ChildStderr, exit: &ExitWatch) {
        let mut tap = match Tap::new(pipe) {
            Ok(tap) => tap,
            Err(error) => return log::error!("{}: cannot read its stderr: {error}", self.server),
        };
        let mut buffer = vec![0; limits::CHILD_STDERR_READ_BYTES];
        loop {
            // Lines that were dropped are told of when it falls quiet.
            let patience = self.quota.owes().then_some(limits::CHILD_LOG_INTERVAL);
            match tap.draw(&mut buffer, exit, patience) {
                Drawn::Bytes(count) => self.feed(&buffer[..count]),
                Drawn::Nothing => self.settle(),
                Drawn::End => return,
            }
        }
    }

    fn feed(&mut self, mut chunk: &[u8]) {
        while let Some(end) = chunk.iter().position(|&byte| byte == b'\n') {
            self.line.add(&chunk[..end]);
            self.end_line();
            chunk = &chunk[end + 1..];
        }
        self.line.add(chunk);
    }

    fn end_line(&mut self) {
        let Some(text) = self.line.take() else {
            return;
        };
        if self.quota.take() {
            self.settle();
            log::info!("{}: stderr: {text}", self.server);
        }
        self.ring.push(text);
    }

    /// Tells how many lines were dropped.
    fn settle(&mut self) {
        if self.quota.owes() {
            let dropped = self.quota.settle();
            log::info!("{}: stderr: ({dropped} lines not shown)", self.server);
        }
    }
}

/// The line that is being read: its beginning and its length.
#[derive(Debug, Default)]
struct Line {
    start: Vec<u8>,
    length: u64,
}

impl Line {
    fn add(&mut self, part: &[u8]) {
        let room = limits::CHILD_STDERR_LINE_BYTES - self.start.len();
        self.start.extend_from_slice(&part[..part.len().min(room)]);
        self.length += part.len() as u64;
    }

    /// The line as the log may show it, and a new one begun; `None` if blank.
    fn take(&mut self) -> Option<String> {
        let length = std::mem::take(&mut self.length);
        let mut start = std::mem::take(&mut self.start);
        if length == start.len() as u64 {
            start.truncate(start.trim_ascii_end().len());
            let length = start.len();
            return (length > 0).then(|| shown(&start, length, length as u64));
        }
        Some(shown(&start, limits::CHILD_STDERR_LINE_BYTES, length))
    }
}

/// The last lines, none of them blank.
#[derive(Debug, Default)]
struct Ring {
    lines: VecDeque<String>,
}

impl Ring {
    fn push(&mut self, line: String) {
        if self.lines.len() == limits::CHILD_STDERR_RING_LINES {
            self.lines.pop_front();
        }
        self.lines.push_back(line);
    }

    /// The line that says best why a child died: the last one, unless that is
    /// part of a stack trace (indented, or a closing bracket) or the trailer
    /// that Node prints below it. Python's traces end with the error itself.
    fn last_words(&self) -> Option<String> {
        let says_why =
            |line: &&String| !line.starts_with([' ', '\t', '}']) && !line.starts_with("Node.js v");
        let best = self.lines.iter().rev().find(says_why);
        best.or(self.lines.back()).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ring(text: &str) -> Ring {
        let mut ring = Ring::default();
        text.lines().for_each(|line| ring.push(line.to_owned()));
        ring
    }

    #[test]
    fn last_words_say_why() {
        let words = |text| ring(text).last_words();
        assert_eq!(words(""), None);
        assert_eq!(words("one\ntwo").as_deref(), Some("two"));
        assert_eq!(
            words("Error: boom\n    at f (x.js:1)\n  code: 'E'\n}\nNode.js v22.1.0").as_deref(),
            Some("Error: boom")
        );
        assert_eq!(
            words("Traceback:\n  File \"x\"\nValueError: boom").as_deref(),
            Some("ValueError: boom")
        );
        assert_eq!(words("  a\n  b").as_deref(), Some("  b"));
    }

    #[test]
    fn the_ring_forgets_the_oldest() {
        let all: Vec<String> = (0..30).map(|number| number.to_string()).collect();
        let ring = ring(&all.join("\n"));
        assert_eq!(ring.lines.len(), 24);
        assert_eq!(ring.lines.front().map(String::as_str), Some("6"));
    }

    #[test]
    fn a_line_is_bounded_and_a_blank_one_is_none() {
        let mut line = Line::default();
        line.add(b" \r");
        assert_eq!(line.take(), None);
        line.add(b"ends\r");
        assert_eq!(line.take().as_deref(), Some("ends"));
        for _ in 0..100 {
            line.add(&[b'x'; 1000]);
        }
        assert_eq!(line.start.len(), 2048);
        let text = line.take().unwrap();
        assert!(text.ends_with("x… (100000 bytes)"), "{text}");
        assert_eq!(line.take(), None);
    }
}
