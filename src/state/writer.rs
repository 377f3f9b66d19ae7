//! The thread `state`: takes records as they come, and writes what has gathered
//! in one go. It decides nothing about what is worth keeping.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use crossbeam_channel::{Receiver, never, select};

use crate::limits;
use crate::record::{Record, SessionWord};
use crate::state::journal::Journal;
use crate::state::lists::Keeping;

/// What is known on both sides of the queue.
#[derive(Debug, Default)]
pub struct Backlog {
    /// Bytes of lists that lie in it.
    pub bytes: AtomicUsize,
    /// Records that found no place and were not told of yet.
    pub dropped: AtomicUsize,
    /// When the last word on a session was dropped of which the journal does not
    /// know yet, in seconds since 1970; 0 for never.
    pub lost: AtomicU64,
}

/// How many bytes of lists a record holds. The rest of it is small.
pub fn weight(record: &Record) -> usize {
    match record {
        Record::Lists { lists, .. } => {
            let items = lists.items.values().flatten();
            items.map(|item| item.json.len()).sum()
        }
        Record::Session { .. } | Record::Heard { .. } => 0,
    }
}

/// What the thread owns.
#[derive(Debug)]
pub struct Writer {
    journal: Option<Journal>,
    lists: Keeping,
    backlog: Arc<Backlog>,
}

impl Writer {
    /// Writes into a folder; of sessions only with a journal.
    pub fn new(folder: &Path, journal: Option<Journal>, backlog: Arc<Backlog>) -> Writer {
        Writer {
            journal,
            lists: Keeping::new(folder),
            backlog,
        }
    }

    /// The work of the thread, until `ending` is closed; then what lies in the
    /// queue is still written.
    pub fn run(mut self, records: &Receiver<Record>, ending: &Receiver<()>) {
        // What was read is written anew at once, so that no broken line and no
        // session that has expired is read twice, and so that a disk which takes
        // nothing is known from the start.
        self.write();
        loop {
            let retry = self.journal.as_ref().map_or_else(never, Journal::retry);
            select! {
                recv(ending) -> _ => break,
                recv(retry) -> _ => {
                    if let Some(journal) = &mut self.journal {
                        journal.try_again();
                    }
                }
                recv(records) -> record => match record {
                    Ok(record) => self.take(record),
                    Err(_) => break,
                },
            }
            self.take_waiting(records);
            self.write();
            if records.is_empty() {
                self.tell_dropped();
            }
        }
        self.take_waiting(records);
        self.tell_dropped();
        if let Some(journal) = &mut self.journal {
            // The last chance, also for a disk that refused a moment ago.
            journal.try_again();
            journal.write();
            journal.sync();
        }
    }

    /// Takes what lies in the queue; not more than it holds, so that nobody puts
    /// off the writing by handing over more.
    fn take_waiting(&mut self, records: &Receiver<Record>) {
        for record in records.try_iter().take(limits::STATE_QUEUE_RECORDS) {
            self.take(record);
        }
        self.take_loss();
    }

    /// What found no place in the queue is told by its time alone.
    fn take_loss(&mut self) {
        let lost = self.backlog.lost.swap(0, Ordering::Relaxed);
        if let Some(journal) = &mut self.journal
            && lost > 0
        {
            journal.lose(lost);
            log::warn!(
                "state: words on sessions were lost; those open now begin anew after a restart"
            );
        }
    }

    fn take(&mut self, record: Record) {
        self.backlog
            .bytes
            .fetch_sub(weight(&record), Ordering::Relaxed);
        match record {
            Record::Lists { server, lists } => self.lists.keep(&server, &lists),
            Record::Session { session, word } => {
                if let Some(journal) = &mut self.journal {
                    journal.note(session, word);
                }
            }
            Record::Heard { sessions, at } => {
                if let Some(journal) = &mut self.journal {
                    for session in sessions {
                        journal.note(session, SessionWord::Heard(at));
                    }
                }
            }
        }
    }

    fn write(&mut self) {
        if let Some(journal) = &mut self.journal {
            journal.write();
        }
    }

    fn tell_dropped(&self) {
        let dropped = self.backlog.dropped.swap(0, Ordering::Relaxed);
        if dropped > 0 {
            log::warn!("state: {dropped} records dropped (they came faster than the disk is)");
        }
    }
}
