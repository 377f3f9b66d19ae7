//! What outlives the process, on disk: the key that session ids are sealed with,
//! what a bare id cannot carry, and what servers offered when they were last
//! asked. Whoever loses the folder loses convenience, never correctness; so
//! nothing that goes wrong here is ever an error to a client.
//!
//! What is worth keeping is decided by the hub, as a [`Record`]. Here it is only
//! written and read, after the start by the thread `state` alone, which nobody
//! ever waits for but at the end, and then not for long.

pub mod error;
pub mod files;
pub mod folder;
pub mod journal;
pub mod key;
pub mod line;
pub mod lists;
pub mod table;
pub mod trouble;
pub mod writer;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use crossbeam_channel::{Receiver, Sender, TrySendError};

use crate::limits;
use crate::mail;
use crate::record::{Recalled, Record};
use crate::state::journal::Journal;
use crate::state::table::Table;
use crate::state::writer::{Backlog, Writer};
use crate::threads;

/// What is asked of the state.
#[derive(Clone, Copy, Debug)]
pub struct Opening<'a> {
    /// Where it is kept, of [`folder`]; without it nothing is.
    pub folder: Option<&'a Path>,
    /// The time, in seconds since 1970.
    pub now: u64,
    /// Whether sessions are kept, too: by the one gateway that serves over HTTP,
    /// not by short-lived ones beside it.
    pub journal: bool,
    /// The servers of the configuration.
    pub servers: &'a [String],
}

/// The state of a running gateway.
#[derive(Debug)]
pub struct State {
    keeper: Keeper,
    /// Dropped to have the thread end.
    ending: Sender<()>,
    /// Closed when the thread has ended.
    ended: Receiver<()>,
}

/// Hands over what is to be kept. Without a folder it keeps nothing.
#[derive(Clone, Debug)]
pub struct Keeper(Option<(Sender<Record>, Arc<Backlog>)>);

impl State {
    /// Reads what was kept, and starts the thread `state`, which keeps the rest.
    /// Waits for the journal's lock at most [`limits::STATE_LOCK_WAIT`]. What
    /// cannot be read or had is done without, with a warning.
    pub fn open(opening: Opening<'_>) -> (State, Recalled) {
        let (ending, is_ending) = mail::channel(limits::SIGNAL_SLOTS);
        let (has_ended, ended) = mail::channel::<()>(limits::SIGNAL_SLOTS);
        let with = |keeper| State {
            keeper,
            ending,
            ended,
        };
        let Some(folder) = opening.folder else {
            return (with(Keeper(None)), Recalled::default());
        };
        let journal = opening.journal.then(|| Journal::open(folder, opening.now));
        let journal = journal.flatten();
        // Who does not write it knows all the same which sessions have ended.
        let unwritten = opening.journal && journal.is_none();
        let unwritten = unwritten.then(|| journal::recall(folder, opening.now));
        let table = journal.as_ref().map(Journal::table).or(unwritten.as_ref());
        let recalled = Recalled {
            sessions: table.map(Table::sessions).unwrap_or_default(),
            forgotten: table.and_then(Table::forgotten),
            lost: table.and_then(Table::lost),
            lists: lists::read_all(folder, opening.servers, opening.now),
        };
        files::sweep(folder, opening.now, |_| true);
        let (queue, records) = mail::growing_channel();
        let backlog = Arc::new(Backlog::default());
        let writer = Writer::new(folder, journal, Arc::clone(&backlog));
        let started = threads::spawn("state", limits::STATE_STACK_BYTES, move || {
            let _has_ended: Sender<()> = has_ended;
            writer.run(&records, &is_ending);
        });
        let keeper = match started {
            Ok(_) => Keeper(Some((queue, backlog))),
            Err(error) => {
                log::warn!("state: no thread of its own ({error}), so nothing new is kept");
                Keeper(None)
            }
        };
        (with(keeper), recalled)
    }

    /// The way to hand over what is to be kept.
    pub fn keeper(&self) -> Keeper {
        self.keeper.clone()
    }

    /// As [`Keeper::keep`].
    pub fn keep(&self, record: Record, now: u64) {
        self.keeper.keep(record, now);
    }

    /// Has everything written that was handed over before, and waits for that no
    /// longer than [`limits::STATE_STOP_WAIT`]. What is handed over later is not
    /// kept.
    pub fn finish(self) {
        drop(self.ending);
        // Nothing is ever sent: the wait ends when the thread does.
        let waited = self.ended.recv_timeout(limits::STATE_STOP_WAIT);
        if waited.is_err_and(|error| error.is_timeout()) {
            log::warn!("state: the disk is too slow, so the last of it may not be kept");
        }
    }
}

impl Keeper {
    /// Hands over a record, at a time in seconds since 1970, and never waits: where
    /// too much waits already, it is dropped and counted. If that was a word on a
    /// session, no session that has begun by now outlives this process, for that
    /// word may have been that it ended.
    pub fn keep(&self, record: Record, now: u64) {
        let Some((queue, backlog)) = &self.0 else {
            return;
        };
        let bytes = writer::weight(&record);
        if backlog.bytes.load(Ordering::Relaxed) + bytes > limits::STATE_QUEUE_BYTES_MAX {
            backlog.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        // Before it is taken out, and counted off, on the other side.
        backlog.bytes.fetch_add(bytes, Ordering::Relaxed);
        let sent = match queue.len() < limits::STATE_QUEUE_RECORDS {
            true => queue.try_send(record),
            false => Err(TrySendError::Full(record)),
        };
        if let Err(TrySendError::Full(record)) = sent {
            backlog.bytes.fetch_sub(bytes, Ordering::Relaxed);
            if let Record::Session { .. } = record {
                backlog.lost.fetch_max(now, Ordering::Relaxed);
            }
            backlog.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests;
