//! `mcproxy demo-server`: a small, well-behaved MCP server over stdin and
//! stdout, to try the gateway with and to test it with. It is a process of
//! its own and shares nothing with the gateway.
//!
//! Here is the loop, the only part that reads, writes and waits; `core`
//! thinks, `answers` answers what needs no memory, `offers` lists.

pub mod answers;
pub mod core;
pub mod failure;
pub mod offers;

use std::io::{self, BufRead, Read, Write};
use std::time::{Instant, SystemTime};

use crossbeam_channel::{Receiver, RecvTimeoutError, bounded};

use crate::cli::demo_server::core::{DemoServer, Now};
use crate::{limits, threads};

/// Serves this process's stdin and stdout until stdin ends.
///
/// # Errors
/// If the reading thread cannot start or stdout cannot be written to; that its
/// reader went away is no error.
pub fn run() -> io::Result<()> {
    serve(io::BufReader::new(io::stdin()), io::stdout().lock())
}

/// Serves until `input` ends. Calls that still sleep then go unanswered: the
/// client has closed the door.
///
/// # Errors
/// As for [`run`].
pub fn serve(input: impl BufRead + Send + 'static, mut output: impl Write) -> io::Result<()> {
    let (sender, lines) = bounded(limits::DEMO_QUEUE_LINES);
    threads::spawn("demo-in", limits::DEMO_STACK_BYTES, move || {
        let mut input = input;
        // An input that cannot be read has ended.
        while let Ok(Some(line)) = read_line(&mut input, limits::DEMO_LINE_BYTES_MAX) {
            if sender.send(line).is_err() {
                return;
            }
        }
    })?;
    match answer_all(&lines, &mut output) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the demo server is a process of its own, and this is its loop"
)]
fn answer_all(lines: &Receiver<Line>, output: &mut impl Write) -> io::Result<()> {
    let mut server = DemoServer::default();
    let start = Instant::now();
    loop {
        let received = match server.next_wake() {
            Some(wake) => lines.recv_deadline(start + wake),
            None => lines.recv().map_err(|_| RecvTimeoutError::Disconnected),
        };
        let now = Now {
            elapsed: start.elapsed(),
            wall: SystemTime::now(),
        };
        let messages = match received {
            Ok(Line::Text(line)) => server.handle(now, &line),
            Ok(Line::TooLong) => vec![core::line_too_long()],
            Err(RecvTimeoutError::Timeout) => server.wake(now.elapsed),
            Err(RecvTimeoutError::Disconnected) => return Ok(()),
        };
        for message in messages {
            serde_json::to_writer(&mut *output, &message)?;
            output.write_all(b"\n")?;
        }
        output.flush()?;
    }
}

/// A line of the input, without its newline.
#[derive(Debug, PartialEq, Eq)]
enum Line {
    Text(Vec<u8>),
    /// Longer than the limit: read to its end and forgotten.
    TooLong,
}

/// The next line of at most `limit` bytes, newline not counted; `None` at the
/// end of the input.
fn read_line(input: &mut impl BufRead, limit: usize) -> io::Result<Option<Line>> {
    let mut line = Vec::new();
    let room = limit as u64 + 1;
    if input.by_ref().take(room).read_until(b'\n', &mut line)? == 0 {
        return Ok(None);
    }
    if line.last() == Some(&b'\n') {
        line.pop();
    } else if line.len() > limit {
        input.skip_until(b'\n')?;
        return Ok(Some(Line::TooLong));
    }
    Ok(Some(Line::Text(line)))
}

#[cfg(test)]
mod tests;
