//! The dispatcher's own way to a child's stdin: a short message to a child that
//! has nothing else to read is written by whoever has it, and no thread is woken
//! for that.
//!
//! One side at a time writes to the pipe. The dispatcher alone puts anything into
//! the queue, so while it knows that nothing is there, and nothing is being
//! written, the pipe is its own.

use std::io::{IoSlice, Write};
use std::process::ChildStdin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use crate::child::pipes::Widening;
use crate::event::Load;
use crate::limits;
use crate::wire::outgoing::Outgoing;
use crate::wire::pieces::Pieces;

/// What the dispatcher and the thread at the pipe share.
#[derive(Debug, Default)]
pub struct Way {
    /// The pipe, non-blocking, once there is one.
    pipe: OnceLock<ChildStdin>,
    /// Whether that is wide, once it was tried.
    wide: OnceLock<Option<Widening>>,
    /// How many items the thread at the pipe has been given and not written yet.
    ahead: AtomicUsize,
}

impl Way {
    /// Opens it: from now on both can write.
    pub fn open(&self, pipe: ChildStdin) -> &ChildStdin {
        self.pipe.get_or_init(|| pipe)
    }

    /// Large messages go this way.
    pub fn widen(&self) {
        if let Some(pipe) = self.pipe.get() {
            self.wide.get_or_init(|| Widening::of(pipe));
        }
    }

    fn is_wide(&self) -> bool {
        matches!(self.wide.get(), Some(Some(_)))
    }

    /// So many items have been written, or never will be.
    pub fn written(&self, items: usize) {
        // The dispatcher, which sees this, shall write behind them.
        self.ahead.fetch_sub(items, Ordering::Release);
    }
}

/// The dispatcher's side.
#[derive(Debug, Default)]
pub struct Shortcut {
    way: Arc<Way>,
    /// Lines to be written at the next flush, and what they weigh.
    lines: Pieces,
    load: Load,
    /// What was written and not told yet.
    untold: Load,
    /// After how many messages that is told.
    taken_messages: u32,
}

impl Shortcut {
    /// One to a child that is not there yet, of which is told after so many
    /// messages.
    pub fn new(taken_messages: u32) -> Shortcut {
        Shortcut {
            taken_messages,
            ..Shortcut::default()
        }
    }

    /// The way that it is on.
    pub fn way(&self) -> Arc<Way> {
        Arc::clone(&self.way)
    }

    /// Takes a message, if it is short and nothing is ahead of it.
    pub fn take(&mut self, message: &Outgoing) -> bool {
        let length = message.len_max();
        if length >= limits::PIECE_KEPT_BYTES_LEAST {
            self.way.widen();
        }
        // What a pipe does not take at once would go to the other thread after all.
        let (most, batch) = match self.way.is_wide() {
            true => (
                limits::SHORTCUT_WIDE_BYTES_MAX,
                limits::SHORTCUT_WIDE_BATCH_BYTES,
            ),
            false => (limits::SHORTCUT_BYTES_MAX, limits::SHORTCUT_BATCH_BYTES),
        };
        let is_short = length <= most && self.lines.len() < batch;
        let is_free = || self.way.ahead.load(Ordering::Acquire) == 0;
        if !is_short || !is_free() || self.way.pipe.get().is_none() {
            return false;
        }
        self.lines.message(message);
        self.lines.bytes(b"\n");
        self.load += Load {
            messages: 1,
            bytes: length as u64,
        };
        true
    }

    /// Writes what was taken; returns what the pipe did not take, and what all of
    /// it weighs, if it did not take everything.
    pub fn write(&mut self) -> Option<(Vec<u8>, Load)> {
        let mut pipe = self.way.pipe.get().filter(|_| !self.lines.is_empty())?;
        let load = std::mem::take(&mut self.load);
        // Why it failed, the thread at the pipe finds out.
        let written = self.lines.with_slices(|slices| match slices {
            [line] => pipe.write(line),
            slices => {
                let slices: Vec<_> = slices.iter().map(|slice| IoSlice::new(slice)).collect();
                pipe.write_vectored(&slices)
            }
        });
        let written = written.unwrap_or(0);
        let rest = (written < self.lines.len()).then(|| self.lines.bytes_from(written));
        self.lines.clear(limits::SHORTCUT_KEEP_BYTES);
        if rest.is_none() {
            self.untold += load;
        }
        rest.map(|rest| (rest, load))
    }

    /// What was written, if it is enough to tell the hub of it.
    pub fn taken(&mut self) -> Option<Load> {
        let is_enough = self.untold.messages >= self.taken_messages
            || self.untold.bytes >= limits::CHILD_TAKEN_BYTES;
        is_enough.then(|| std::mem::take(&mut self.untold))
    }

    /// An item goes to the thread at the pipe: until that is written, nothing may
    /// pass it.
    pub fn close(&self) {
        self.way.ahead.fetch_add(1, Ordering::Relaxed);
    }

    /// That item did not go.
    pub fn open(&self) {
        self.way.written(1);
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Read};
    use std::process::{Child, ChildStdout, Command, Stdio};

    use super::*;
    use crate::child::pipes::set_nonblocking;
    use crate::wire::envelope::Message;

    fn message(text: &str) -> Outgoing {
        Outgoing::plain(Message::parse(text.into()).unwrap().into())
    }

    fn note(number: usize) -> Outgoing {
        message(&format!(r#"{{"jsonrpc":"2.0","method":"n{number}"}}"#))
    }

    /// A shortcut to a program, told of after three messages.
    fn to(program: &str, arguments: &[&str]) -> (Shortcut, Child, BufReader<ChildStdout>) {
        let mut command = Command::new(program);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.args(arguments).spawn().unwrap();
        let pipe = child.stdin.take().unwrap();
        set_nonblocking(&pipe).unwrap();
        let shortcut = Shortcut::new(3);
        shortcut.way().open(pipe);
        let output = BufReader::new(child.stdout.take().unwrap());
        (shortcut, child, output)
    }

    #[test]
    fn what_is_taken_is_written_in_one_go_and_told_of_now_and_then() {
        let (mut shortcut, mut child, output) = to("cat", &[]);
        for (number, told) in [(0, None), (1, None), (2, Some(3)), (3, None)] {
            assert!(shortcut.take(&note(number)));
            assert_eq!(shortcut.write(), None);
            assert_eq!(shortcut.taken().map(|load| load.messages), told);
        }
        assert!(shortcut.take(&note(4)) && shortcut.take(&note(5)));
        assert_eq!(shortcut.write(), None);
        assert_eq!(shortcut.write(), None, "nothing is written twice");
        drop(shortcut);
        let lines: Vec<_> = output.lines().map(Result::unwrap).collect();
        let expected: Vec<_> = (0..6)
            .map(|number| format!(r#"{{"jsonrpc":"2.0","method":"n{number}"}}"#))
            .collect();
        assert_eq!(lines, expected);
        child.wait().unwrap();
    }

    #[test]
    fn nothing_passes_what_is_ahead_of_it() {
        let (mut shortcut, mut child, _output) = to("cat", &[]);
        let way = shortcut.way();
        shortcut.close();
        shortcut.close();
        way.written(1);
        assert!(!shortcut.take(&note(0)));
        way.written(1);
        assert!(shortcut.take(&note(0)));
        drop((shortcut, way));
        child.wait().unwrap();
    }

    #[test]
    fn what_is_long_or_before_its_pipe_goes_the_other_way() {
        assert!(!Shortcut::new(3).take(&note(0)), "there is no pipe yet");
        let (mut shortcut, mut child, mut output) = to("cat", &[]);
        let reading = crate::threads::spawn("reading", 64 << 10, move || {
            std::io::copy(&mut output, &mut std::io::sink())
        });
        let long = |bytes: usize| {
            let padding = "x".repeat(bytes);
            message(&format!(
                r#"{{"jsonrpc":"2.0","method":"n","params":{{"p":"{padding}"}}}}"#
            ))
        };
        assert!(!shortcut.take(&long(limits::SHORTCUT_BYTES_MAX)));
        assert!(!shortcut.take(&long(limits::SHORTCUT_WIDE_BYTES_MAX)));
        // That has made the pipe wide.
        assert!(shortcut.take(&long(limits::SHORTCUT_BYTES_MAX)));
        assert!(shortcut.take(&long(limits::SHORTCUT_WIDE_BYTES_MAX - 100)));
        assert_eq!(shortcut.write(), None);
        drop(shortcut);
        child.wait().unwrap();
        let read = reading.unwrap().join().unwrap().unwrap();
        assert!(read as usize > limits::SHORTCUT_WIDE_BYTES_MAX, "{read}");
    }

    #[test]
    fn what_a_full_pipe_does_not_take_comes_back() {
        let (mut shortcut, mut child, mut output) = to("sh", &["-c", "read line; exec cat"]);
        let mut count = 0;
        let (rest, load) = loop {
            while shortcut.take(&note(count)) {
                count += 1;
            }
            if let Some(rest) = shortcut.write() {
                break rest;
            }
        };
        assert!(!rest.is_empty() && load.messages > 0);
        // Whoever is at the pipe writes the rest; here that waits until there is room.
        let way = shortcut.way();
        let reading = crate::threads::spawn("reading", 64 << 10, move || {
            let mut read = Vec::new();
            output.read_to_end(&mut read).map(|_| read)
        });
        let mut pipe = way.pipe.get().unwrap();
        let mut left = &rest[..];
        while !left.is_empty() {
            left = &left[pipe.write(left).unwrap_or(0)..];
        }
        drop((shortcut, way));
        let read = reading.unwrap().join().unwrap().unwrap();
        let expected: String = (1..count)
            .map(|number| format!("{{\"jsonrpc\":\"2.0\",\"method\":\"n{number}\"}}\n"))
            .collect();
        assert!(read == expected.as_bytes());
        child.wait().unwrap();
    }
}
