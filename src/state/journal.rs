//! The journal of the sessions: a file of lines that is appended to, and now and
//! then written anew with what the lines come to. Only the thread `state` touches
//! it once it is open.
//!
//! A record is not synced to the disk by itself: the ends that are common, of the
//! process and of its container, lose nothing that was written, and a power cut
//! may cost the last words, which are convenience, while a sync for each would
//! wear out the cards that small servers run from. The end and a rewriting are
//! synced, for there everything is at stake.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Instant;

use crossbeam_channel::Receiver;
use nix::fcntl::OFlag;

use crate::limits;
use crate::record::{SessionName, SessionWord};
use crate::state::error::{Error, Fault};
use crate::state::files::{self, Draft};
use crate::state::line;
use crate::state::table::Table;
use crate::state::trouble::Trouble;

/// The file.
const FILE: &str = "sessions.journal";

/// The file whose lock says who writes the journal. Not the journal itself, which
/// is another file after each rewriting.
const LOCK: &str = "sessions.lock";

/// An open journal.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    table: Table,
    /// The file, if what it holds and what is appended comes to the table.
    file: Option<File>,
    /// How long it is.
    bytes: usize,
    /// Lines that are to be written.
    waiting: Vec<u8>,
    trouble: Trouble,
    /// Says when a disk that refused it is tried again.
    retry: Option<Receiver<Instant>>,
    /// Held for as long as the journal is open.
    _lock: File,
}

impl Journal {
    /// Reads the journal of a folder, which is made if it is not there, and what
    /// it comes to at `now`, in seconds since 1970. Nothing, and a warning, if another
    /// gateway writes it, also after [`limits::STATE_LOCK_WAIT`]; then there is still
    /// [`recall`].
    ///
    /// It is not written yet: the first [`Journal::write`] does it anew.
    pub fn open(folder: &Path, now: u64) -> Option<Journal> {
        let path = folder.join(LOCK);
        let made = files::make_folder(folder).map_err(Fault::from);
        let lock = match made.and_then(|()| lock(&path)) {
            Ok(lock) => lock,
            Err(fault) => {
                let error = Error::File { path, fault };
                log::warn!("{error}; what is new of sessions does not outlive this process");
                return None;
            }
        };
        Some(Journal {
            trouble: Trouble::of("what is new of sessions"),
            path: folder.join(FILE),
            table: recall(folder, now),
            file: None,
            bytes: 0,
            waiting: Vec::new(),
            retry: None,
            _lock: lock,
        })
    }

    /// What it comes to.
    pub fn table(&self) -> &Table {
        &self.table
    }

    /// Takes in that a word was lost, at a time in seconds since 1970, to be written
    /// with the next [`Journal::write`].
    pub fn lose(&mut self, at: u64) {
        self.table.lose(at);
        self.waiting.extend_from_slice(line::of_loss(at).as_bytes());
    }

    /// Takes a word in, to be written with the next [`Journal::write`].
    pub fn note(&mut self, session: SessionName, word: SessionWord) {
        if let Some(news) = self.table.apply(session, word) {
            let line = line::of_word(session, &news);
            self.waiting.extend_from_slice(line.as_bytes());
        }
    }

    /// Writes what waits, in one go. A disk that refuses is told of once, and
    /// tried again after [`limits::STATE_RETRY_WAIT`], then with everything.
    pub fn write(&mut self) {
        let is_left_alone = |retry: &Receiver<Instant>| retry.try_recv().is_err();
        if self.retry.as_ref().is_some_and(is_left_alone) {
            self.waiting.clear();
            return;
        }
        let is_there = self.file.as_ref().is_some_and(|file| !is_gone(file));
        let written = if is_there {
            self.append()
        } else {
            self.write_anew()
        };
        self.trouble.note(&self.path, &written);
        self.waiting.clear();
        self.retry = None;
        if written.is_err() {
            // There may be half a line in it.
            self.file = None;
            self.retry = Some(crossbeam_channel::after(limits::STATE_RETRY_WAIT));
        }
    }

    /// Says when to call [`Journal::try_again`].
    pub fn retry(&self) -> Receiver<Instant> {
        let retry = self.retry.clone();
        retry.unwrap_or_else(crossbeam_channel::never)
    }

    /// Has the next [`Journal::write`] try, whatever was before.
    pub fn try_again(&mut self) {
        self.retry = None;
    }

    /// Waits until the disk has what was written.
    pub fn sync(&mut self) {
        if let Some(file) = &self.file {
            self.trouble.note(&self.path, &file.sync_data());
        }
    }

    /// Writes what waits behind the rest; then, where so much of the file is old
    /// that it pays, all of it anew. In this order, for the process may end while
    /// a slow disk is waited for.
    fn append(&mut self) -> io::Result<()> {
        if let Some(file) = &mut self.file {
            file.write_all(&self.waiting)?;
            self.bytes += self.waiting.len();
        }
        let is_long = self.bytes > limits::STATE_JOURNAL_BYTES_LEAST;
        if is_long && self.bytes > 2 * self.table.bytes() {
            self.write_anew()?;
        }
        Ok(())
    }

    /// Writes all that is known, what waits included, in place of the file.
    fn write_anew(&mut self) -> io::Result<()> {
        self.table.expire();
        let lines = self.table.lines();
        let draft = Draft::write(&self.path, lines.as_bytes())?;
        self.file = Some(draft.sync()?.put()?);
        self.bytes = lines.len();
        Ok(())
    }
}

/// Takes the lock, and waits for it as long as somebody who is about to end may
/// need.
fn lock(path: &Path) -> Result<File, Fault> {
    // A link would have a file made, or locked, somewhere else; a pipe would be
    // waited for until somebody reads it.
    let flags = OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK;
    let mut options = OpenOptions::new();
    let options = options.write(true).create(true).truncate(false).mode(0o600);
    let file = options.custom_flags(flags.bits()).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(Fault::NotAFile);
    }
    let tries = limits::STATE_LOCK_WAIT.as_millis() / limits::STATE_LOCK_PAUSE.as_millis();
    for _ in 0..tries {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::Error(error)) => return Err(error.into()),
            Err(TryLockError::WouldBlock) => std::thread::sleep(limits::STATE_LOCK_PAUSE),
        }
    }
    Err(Fault::Form("another mcproxy has it".to_owned()))
}

/// What the journal of a folder comes to at `now`, in seconds since 1970, whoever
/// writes it.
///
/// Of a file that cannot be used, and of lines that are broken, nobody knows which
/// sessions they said had ended, or had children of their own. So none that may be
/// meant goes on: rather a client too many begins anew. Where there is no file
/// there was nothing to say.
pub fn recall(folder: &Path, now: u64) -> Table {
    let path = folder.join(FILE);
    let bytes = files::read(&path, limits::STATE_JOURNAL_BYTES_MAX, files::OTHERS_WRITE);
    let file = path.display();
    let mut table = match bytes.and_then(|bytes| fold(&bytes)) {
        Ok((table, 0)) => table,
        Ok((mut table, broken)) => {
            log::warn!("{file}: {broken} broken lines; all sessions of before begin anew");
            table.lose(now);
            table
        }
        Err(fault) if fault.is_absence() => Table::default(),
        Err(fault) => {
            log::warn!("{file}: {fault}; all sessions of before begin anew");
            Table::new(now, Some(now))
        }
    };
    table.set_time(now);
    table
}

/// What the lines come to, and how many of them are broken. A last line without
/// an end was being written when somebody pulled the plug: it is no fault, and
/// not taken.
fn fold(bytes: &[u8]) -> Result<(Table, usize), Fault> {
    let mut lines = bytes.split(|&byte| byte == b'\n');
    let _torn = lines.next_back();
    let first = lines.next().and_then(line::read_first);
    let is_none = || Fault::Form("it is no journal of this version".to_owned());
    let (time, forgotten) = first.ok_or_else(is_none)?;
    let mut table = Table::new(time, forgotten);
    let mut broken = 0;
    for line in lines {
        if let Some((session, words)) = line::read(line) {
            for word in words {
                table.apply(session, word);
            }
        } else if let Some(at) = line::read_loss(line) {
            table.lose(at);
        } else {
            broken += 1;
        }
    }
    Ok((table, broken))
}

/// Whether somebody has removed the file.
fn is_gone(file: &File) -> bool {
    file.metadata().is_ok_and(|about| about.nlink() == 0)
}

#[cfg(test)]
mod tests;
