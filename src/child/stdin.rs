//! The `in:NAME` thread: takes messages from a child's queue, splices them and
//! writes them to its stdin, many in one write.

use std::io::{ErrorKind, IoSlice, Write};
use std::os::fd::AsFd;
use std::process::ChildStdin;
use std::sync::Arc;
use std::time::Duration;

use nix::poll::PollFlags;

use crate::channel::Receiver;
use crate::child::pipes::{self, ExitWatch, Woken};
use crate::child::process::Process;
use crate::child::shortcut::Way;
use crate::child::{Item, Report};
use crate::event::{FromChild, Load};
use crate::limits;
use crate::plan::Recipe;
use crate::wire::pieces::Pieces;

/// What the thread needs before its pipe comes.
pub struct Writer {
    report: Report,
    waiting: Receiver<Item>,
    /// What the dispatcher writes by itself goes the same way.
    way: Arc<Way>,
    process: Arc<Process>,
    /// How long the child may leave its stdin unread.
    patience: Duration,
    /// After how many messages that is reported.
    taken_messages: u32,
    /// What was written and not reported yet.
    untold: Load,
}

/// Why nothing more can be written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Broken {
    /// The child has exited.
    Exited,
    /// Nobody holds the other end of the pipe.
    Closed,
}

impl Writer {
    /// For the child of that recipe.
    pub fn new(
        report: Report,
        (waiting, way): (Receiver<Item>, Arc<Way>),
        process: &Arc<Process>,
        recipe: &Recipe,
    ) -> Writer {
        Writer {
            report,
            waiting,
            way,
            process: Arc::clone(process),
            patience: recipe.message_timeout,
            taken_messages: recipe.taken_messages,
            untold: Load::default(),
        }
    }

    /// Writes until the queue is closed and empty, then closes the pipe; or
    /// until the child is gone.
    pub fn run(mut self, pipe: ChildStdin, exit: &ExitWatch) {
        if let Err(error) = pipes::set_nonblocking(&pipe) {
            return log::error!("cannot write to a child: {error}");
        }
        let way = Arc::clone(&self.way);
        let end = self.write_all(way.open(pipe), exit);
        if end.is_ok() {
            // It is about to be told to go: the last moment to see who is with it.
            self.process.note_kin();
        }
        // The dispatcher holds the other share for as long as it may still write.
        drop(way);
        self.way = Arc::default();
        if end == Err(Broken::Closed) {
            // Mostly this is the last breath of a child whose exit is about to
            // be seen. One that lives on without its stdin is past all use.
            if !exit.wait(Some(self.patience)) {
                self.report.tell(FromChild::NotReading);
            }
        }
    }

    fn write_all(&mut self, pipe: &ChildStdin, exit: &ExitWatch) -> Result<(), Broken> {
        let mut batch = Pieces::default();
        while let Ok(first) = self.waiting.recv() {
            let (items, load) = self.gather(first, &mut batch);
            if batch.len() >= limits::CHILD_WRITE_BATCH_BYTES {
                self.way.widen();
            }
            self.write(pipe, &batch.slices(), exit)?;
            self.way.written(items);
            batch.clear(limits::CHILD_WRITE_KEEP_BYTES);
            self.tell_taken(load);
        }
        Ok(())
    }

    /// Puts the first item and those that wait behind it into the batch, until it
    /// is large enough for one write. Returns how many these are, and their load.
    fn gather(&self, first: Item, batch: &mut Pieces) -> (usize, Load) {
        let (mut items, mut load) = (1, Load::default());
        add(first, batch, &mut load);
        while batch.len() < limits::CHILD_WRITE_BATCH_BYTES {
            let Ok(next) = self.waiting.try_recv() else {
                break;
            };
            items += 1;
            add(next, batch, &mut load);
        }
        (items, load)
    }

    /// Writes the whole batch. A child that does not read is reported once per
    /// stall; then only its reading, or its exit, ends the wait.
    fn write(
        &self,
        mut pipe: &ChildStdin,
        pieces: &[&[u8]],
        exit: &ExitWatch,
    ) -> Result<(), Broken> {
        let mut patience = Some(self.patience);
        let mut slices: Vec<_> = pieces.iter().map(|piece| IoSlice::new(piece)).collect();
        let mut rest = &mut slices[..];
        // Empty ones at the front would look like a write of nothing.
        IoSlice::advance_slices(&mut rest, 0);
        while !rest.is_empty() {
            match pipe.write_vectored(rest) {
                Ok(count) => {
                    IoSlice::advance_slices(&mut rest, count);
                    patience = Some(self.patience);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    match pipes::wait(pipe.as_fd(), PollFlags::POLLOUT, exit, patience) {
                        Woken::Ready => {}
                        Woken::Exited => return Err(Broken::Exited),
                        Woken::TimedOut => {
                            self.report.tell(FromChild::NotReading);
                            patience = None;
                        }
                    }
                }
                Err(_) => return Err(Broken::Closed),
            }
        }
        Ok(())
    }

    /// Reports what was written, a good many messages at a time. What stays
    /// below the threshold at the end is never reported.
    fn tell_taken(&mut self, load: Load) {
        self.untold.messages += load.messages;
        self.untold.bytes += load.bytes;
        if self.untold.messages >= self.taken_messages
            || self.untold.bytes >= limits::CHILD_TAKEN_BYTES
        {
            let taken = std::mem::take(&mut self.untold);
            self.report.tell(FromChild::Taken(taken));
        }
    }
}

/// Adds what is in the queue, each message with a line end. Its load is counted as
/// `len_max`, as it was when it was put into the queue, so that the two sums agree.
fn add(item: Item, batch: &mut Pieces, load: &mut Load) {
    match item {
        Item::Message(message) => {
            batch.message(&message);
            batch.bytes(b"\n");
            *load += Load {
                messages: 1,
                bytes: message.len_max() as u64,
            };
        }
        Item::Lines(lines, weight) => {
            batch.bytes(&lines);
            *load += weight;
        }
    }
}
