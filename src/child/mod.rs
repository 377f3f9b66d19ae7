//! Processes and the threads that pump their pipes.
//!
//! A life has three threads. `out:NAME` spawns the process, so that a slow
//! `exec` holds nobody else, and reads its stdout; `in:NAME` writes its stdin;
//! `err:NAME` reads its stderr and reports its exit. The one `reaper` thread of
//! the program waits for all processes, and the one `sweeper` kills what
//! outlives its life. What a message means, when a life ends, and whether
//! another follows: that is not decided here.
//!
//! The words of a life, in order: `Spawned` comes first, or `SpawnFailed`
//! comes alone. `OutputEnded` comes after all that was read from stdout, and
//! `Exited` after all that was read from stderr; of these two either may be
//! first. Both always come, however long a grandchild keeps the pipes open.

pub mod descriptors;
pub mod last_lines;
pub mod launch;
pub mod mark;
pub mod noise;
pub mod pipes;
pub mod process;
pub mod program;
pub mod reaper;
pub mod shortcut;
pub mod stderr;
pub mod stdin;
pub mod stdout;
#[cfg(test)]
mod tests;

use std::fmt;
use std::io;
use std::sync::Arc;

use crossbeam_channel::TrySendError;

use crate::budget::Budget;
use crate::channel::{Sender, growing};
use crate::child::last_lines::LastLines;
use crate::child::process::Process;
use crate::child::reaper::Reaper;
use crate::child::shortcut::Shortcut;
use crate::event::{Event, FromChild, Life, Load, Signal};
use crate::limits;
use crate::plan::Recipe;
use crate::wire::outgoing::Outgoing;

/// Puts an event into the inbox. It may block, for the dispatcher always
/// drains; once the dispatcher has ended it drops the event.
pub type Inbox = Arc<dyn Fn(Event) + Send + Sync>;

/// One life's way to report.
#[derive(Clone)]
pub struct Report {
    life: Life,
    inbox: Inbox,
    /// What the messages of children count in.
    budget: Arc<Budget>,
}

impl Report {
    /// Reports one word. May block.
    pub fn tell(&self, word: FromChild) {
        (self.inbox)(Event::Child {
            life: self.life,
            word,
        });
    }
}

/// The dispatcher's end of a life. No method blocks.
///
/// Dropping it closes the input, as [`Handle::close_input`] does, and sends no
/// signal: to end a process is the hub's decision.
pub struct Handle {
    queue: Option<Sender<Item>>,
    shortcut: Shortcut,
    process: Arc<Process>,
    last_lines: Arc<LastLines>,
}

/// Why a message was not put into a child's queue. It is dropped.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unsent {
    /// The queue is full.
    Full,
    /// The input was closed by us or by the child, or the life is over.
    Closed,
}

impl fmt::Display for Unsent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Unsent::Full => "the child's queue is full",
            Unsent::Closed => "the child's input is closed",
        })
    }
}

impl std::error::Error for Unsent {}

/// What lies in a child's queue.
pub enum Item {
    /// A message that nobody has written yet.
    Message(Outgoing),
    /// Lines that the shortcut could not write, and what they weigh. They go out
    /// before anything else.
    Lines(Vec<u8>, Load),
}

impl Handle {
    /// Takes a message for the child. What is short is written by [`Handle::flush`]
    /// at once if nothing waits in the queue; all else is put there.
    ///
    /// # Errors
    /// There is no place, or nobody to write it any more.
    pub fn send(&mut self, message: Outgoing) -> Result<(), Unsent> {
        if self.queue.is_none() {
            return Err(Unsent::Closed);
        }
        if self.shortcut.take(&message) {
            return Ok(());
        }
        self.flush();
        self.put(Item::Message(message))
    }

    /// Writes what was taken and not put into the queue, as far as the pipe takes
    /// it at once; the rest goes there.
    pub fn flush(&mut self) {
        if let Some((rest, load)) = self.shortcut.write() {
            // Nothing is in the queue, so there is a place, unless the life is over.
            let _ = self.put(Item::Lines(rest, load));
        }
    }

    /// How much has been flushed that the hub shall be told of, as
    /// [`FromChild::Taken`] tells it; none while that is little.
    pub fn taken(&mut self) -> Option<Load> {
        self.shortcut.taken()
    }

    fn put(&self, item: Item) -> Result<(), Unsent> {
        let queue = self.queue.as_ref().ok_or(Unsent::Closed)?;
        self.shortcut.close();
        queue.try_send(item).map_err(|refused| {
            self.shortcut.open();
            match refused {
                TrySendError::Full(_) => Unsent::Full,
                TrySendError::Disconnected(_) => Unsent::Closed,
            }
        })
    }

    /// How many messages wait in the child's queue.
    pub fn waiting(&self) -> usize {
        self.queue.as_ref().map_or(0, Sender::len)
    }

    /// Closes the child's stdin once what waits in the queue is written.
    pub fn close_input(&mut self) {
        self.flush();
        self.shortcut = Shortcut::default();
        self.queue = None;
    }

    /// Sends a signal to the child's process group; to one not yet spawned,
    /// as soon as it is; to one that has exited, never.
    pub fn signal(&self, signal: Signal) {
        self.process.signal(signal);
    }

    /// The last lines that the child has written on stderr, the oldest first:
    /// at most [`limits::CHILD_LAST_LINES`], as the log shows them, none blank.
    /// Once the child has exited they stay what they are.
    pub fn last_lines(&self) -> Vec<String> {
        self.last_lines.last(limits::CHILD_LAST_LINES)
    }
}

/// Starts a life. [`FromChild::Spawned`] or [`FromChild::SpawnFailed`] follows
/// through the inbox, never from within this call. What it says counts in the
/// budget.
///
/// # Errors
/// The system gives no thread. Then nothing follows.
pub fn start(
    life: Life,
    recipe: Recipe,
    (inbox, budget): (Inbox, Arc<Budget>),
    reaper: &Reaper,
) -> io::Result<Handle> {
    let (queue, waiting) = growing(recipe.queue_slots);
    let shortcut = Shortcut::new(recipe.taken_messages);
    let process = Arc::new(Process::starting(life, &recipe.name));
    let last_lines = Arc::default();
    launch::start(launch::Launch {
        recipe,
        report: Report {
            life,
            inbox,
            budget,
        },
        process: Arc::clone(&process),
        last_lines: Arc::clone(&last_lines),
        waiting: (waiting, shortcut.way()),
        reaper: reaper.clone(),
    })?;
    Ok(Handle {
        queue: Some(queue),
        shortcut,
        process,
        last_lines,
    })
}
