//! The `err:NAME` thread: a child's stderr, line by line into the log, and the
//! report of its exit with its last words.

use std::process::ChildStderr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::child::Report;
use crate::child::last_lines::LastLines;
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
    last_lines: Arc<LastLines>,
    began: Instant,
}

#[expect(
    clippy::disallowed_methods,
    reason = "how old a child's last line is at its exit concerns nobody but this thread"
)]
fn now() -> Instant {
    Instant::now()
}

impl Reader {
    /// For that process, whose last lines go there.
    pub fn new(report: Report, process: &Arc<Process>, last_lines: Arc<LastLines>) -> Reader {
        Reader {
            server: process.server().to_owned(),
            report,
            process: Arc::clone(process),
            quota: Quota::default(),
            line: Line::default(),
            last_lines,
            began: now(),
        }
    }

    /// The time since the beginning.
    fn age(&self) -> Duration {
        now().duration_since(self.began)
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
            last_words: self.last_lines.words_at_exit(self.age()),
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
        self.last_lines.push(self.age(), text);
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

#[cfg(test)]
mod tests {
    use super::*;

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
