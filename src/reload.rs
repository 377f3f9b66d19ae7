//! The file while the gateway runs: the thread `config` looks now and then
//! whether it has changed, reads it again, and hands on what is drawn from it. A
//! file with errors changes nothing.
//!
//! What a change means to each server is not decided here but in `plan` and
//! `hub`. The file is asked, and nobody is told by the system when it changes:
//! such a watch goes blind where a file is replaced, by a rename or behind a
//! symlink, which is how editors and orchestrators write.

pub mod pipe;

use std::cell::RefCell;
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use crossbeam_channel::{Receiver, RecvTimeoutError};

use crate::config::checked::{Config, Loaded};
use crate::config::load::{self, Disk};
use crate::config::problem::{Fault, Problem};
use crate::config::surroundings::{Files, Overrides, Surroundings};
use crate::limits;
use crate::logging;
use crate::mail::Inbox;
use crate::plan::draft::Draft;
use crate::sorted::{SortedMap, SortedSet};
use crate::threads;

/// What tells that a file is not the one it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    modified: (i64, i64),
    size: u64,
    /// Device and inode, of what a symlink leads to.
    identity: (u64, u64),
}

/// The stamps of files; none of one that is not there.
type Stamps = SortedMap<PathBuf, Option<Stamp>>;

impl Stamp {
    fn of(path: &Path) -> Option<Stamp> {
        let data = std::fs::metadata(path).ok()?;
        // A pipe is another one whenever somebody has read it; that is no news.
        let is_pipe = data.file_type().is_fifo();
        Some(Stamp {
            modified: match is_pipe {
                true => (0, 0),
                false => (data.mtime(), data.mtime_nsec()),
            },
            size: data.size(),
            identity: (data.dev(), data.ino()),
        })
    }
}

/// The file system, where it is noted what was read. A stamp is taken before
/// the file is read: what is written in between is found at the next look.
struct Noting {
    read: RefCell<Stamps>,
    /// Whether it is not the first time. Then a gateway serves, and must not wait
    /// for ever for whoever would write into a pipe that has come in the file's
    /// place; a first time it is for the user to wait or not.
    is_again: bool,
}

impl Files for Noting {
    fn is_executable(&self, path: &Path) -> bool {
        Disk.is_executable(path)
    }

    fn is_directory(&self, path: &Path) -> bool {
        Disk.is_directory(path)
    }

    fn read(&self, path: &Path, limit: usize) -> Result<Vec<u8>, Fault> {
        let stamp = Stamp::of(path);
        self.read.borrow_mut().insert(path.to_owned(), stamp);
        match self.is_again {
            true => pipe::read(path, limit),
            false => Disk.read(path, limit),
        }
    }
}

/// Where a configuration comes from: a file, and what else it depends on, as it
/// was when the gateway began. Has no `Debug`: the environment holds secrets.
pub struct Source {
    path: PathBuf,
    environment: SortedMap<String, String>,
    executable: PathBuf,
    working_dir: PathBuf,
    overrides: Overrides,
    /// What was read last, the file itself and each `envFile`.
    seen: Stamps,
}

impl Source {
    /// A file that has not been read yet.
    pub fn new(path: &Path, around: Surroundings<'_>, overrides: Overrides) -> Source {
        Source {
            path: path.to_owned(),
            environment: around.environment,
            executable: around.executable,
            working_dir: around.working_dir,
            overrides,
            seen: Stamps::new(),
        }
    }

    /// Reads and checks it.
    ///
    /// # Errors
    /// Those of `config::load::load`.
    pub fn read(&mut self) -> Result<Loaded, Vec<Problem>> {
        let files = Noting {
            read: RefCell::default(),
            is_again: !self.seen.is_empty(),
        };
        let around = Surroundings {
            environment: self.environment.clone(),
            executable: self.executable.clone(),
            working_dir: self.working_dir.clone(),
            files: &files,
        };
        let loaded = load::load(&self.path, &around, &self.overrides);
        self.seen = files.read.into_inner();
        loaded
    }

    /// How the files that were read last are now.
    fn look(&self) -> Stamps {
        let paths = self.seen.keys();
        paths.map(|path| (path.clone(), Stamp::of(path))).collect()
    }
}

/// What a look at the files has found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Look {
    /// They are as they were read.
    Same,
    /// They are others, and may still be written.
    Moving,
    /// They are others, and were so at the last look.
    Changed,
    /// The configuration file is not there.
    Gone,
}

/// Tells a file that is being written from one that has been.
#[derive(Debug, Default)]
struct Watch {
    last: Option<Stamps>,
}

impl Watch {
    fn look(&mut self, path: &Path, seen: &Stamps, now: Stamps) -> Look {
        let is_gone = now.get(path).is_none_or(Option::is_none);
        if is_gone {
            self.last = None;
            return Look::Gone;
        }
        if now == *seen {
            self.last = None;
            return Look::Same;
        }
        if self.last.as_ref() == Some(&now) {
            self.last = None;
            return Look::Changed;
        }
        self.last = Some(now);
        Look::Moving
    }
}

/// How far a reload is, for whoever is told (such as a service manager).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// The file is about to be read again.
    Begins,
    /// The gateway goes on, with another configuration or with the same.
    Over,
}

/// A configuration that is watched while the gateway runs.
pub struct Watched {
    /// Where it comes from.
    pub source: Source,
    /// Whether the gateway listens, so that the address in it counts.
    pub listens: bool,
    /// Told of each reload, from the thread that reads.
    pub tell: Box<dyn Fn(Stage) + Send>,
}

/// What the thread works with.
pub struct Reloader {
    /// What it looks at.
    pub watched: Watched,
    /// What the gateway runs with.
    pub config: Config,
    /// What was drawn from that.
    pub draft: Draft,
    /// The way to the dispatcher.
    pub inbox: Inbox,
}

/// Starts the thread `config`. It reads the file when it has changed, and at
/// once at each nudge.
///
/// # Errors
/// The thread cannot be had.
pub fn start(reloader: Reloader, nudges: Receiver<()>) -> io::Result<()> {
    let thread = Thread {
        level: reloader.config.log_level,
        reloader,
        watch: Watch::default(),
        is_gone: false,
        findings: SortedSet::new(),
        unserved: Vec::new(),
    };
    let run = move || thread.run(&nudges);
    threads::spawn("config", limits::CONFIG_STACK_BYTES, run).map(drop)
}

struct Thread {
    reloader: Reloader,
    watch: Watch,
    /// Whether the file was gone at the last look.
    is_gone: bool,
    /// The errors and warnings of the file as it was last taken.
    findings: SortedSet<String>,
    /// What needs a restart and was said to.
    unserved: Vec<&'static str>,
    /// How much is logged, as the configuration says.
    level: Option<log::LevelFilter>,
}

impl Thread {
    fn run(mut self, nudges: &Receiver<()>) {
        loop {
            match nudges.recv_timeout(limits::CONFIG_LOOK_INTERVAL) {
                Ok(()) => self.reload(),
                Err(RecvTimeoutError::Timeout) => self.look(),
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    fn look(&mut self) {
        let source = &self.reloader.watched.source;
        let look = self.watch.look(&source.path, &source.seen, source.look());
        let was_gone = std::mem::replace(&mut self.is_gone, look == Look::Gone);
        match look {
            Look::Gone if !was_gone => {
                log::warn!(
                    "{} is gone; nothing changes until it is there again",
                    self.name()
                );
            }
            Look::Changed => self.reload(),
            Look::Gone | Look::Same | Look::Moving => {}
        }
    }

    /// What messages call the file.
    fn name(&self) -> String {
        self.reloader.config.source.clone()
    }

    fn reload(&mut self) {
        log::debug!("reading {}", self.name());
        (self.reloader.watched.tell)(Stage::Begins);
        match self.reloader.watched.source.read() {
            Ok(loaded) => self.take(&loaded),
            Err(problems) => {
                let name = self.name();
                for problem in problems {
                    let problem = problem.to_string();
                    let shown = problem.strip_prefix(&format!("{name}: "));
                    let shown = shown.unwrap_or(&problem);
                    log::error!("{name} has errors; nothing was changed: {shown}");
                }
            }
        }
        (self.reloader.watched.tell)(Stage::Over);
    }

    fn take(&mut self, loaded: &Loaded) {
        self.say_what_is_new(loaded);
        let drawn = self.reloader.draft.redraw(&loaded.config).clone();
        // The gateway may be ending; then nobody cares.
        let Ok(changes) = self.reloader.inbox.reload(drawn) else {
            return;
        };
        self.set_level(loaded.config.log_level);
        log::info!("reloaded {}: {changes}", self.name());
        self.say_what_needs_a_restart(&loaded.config);
    }

    /// What was found in the file, as far as it was not found at the last time.
    fn say_what_is_new(&mut self, loaded: &Loaded) {
        let mut findings = SortedSet::new();
        let errors = loaded.problems.iter().map(|p| (log::Level::Error, p));
        let warnings = loaded.warnings.iter().map(|w| (log::Level::Warn, w));
        for (level, finding) in errors.chain(warnings) {
            let finding = finding.to_string();
            if !self.findings.contains(&finding) {
                log::log!(level, "{finding}");
            }
            findings.insert(finding);
        }
        self.findings = findings;
    }

    fn set_level(&mut self, level: Option<log::LevelFilter>) {
        if level != self.level {
            self.level = level;
            logging::set_level(level.unwrap_or(logging::Settings::default().level));
        }
    }

    fn say_what_needs_a_restart(&mut self, new: &Config) {
        let reloader = &self.reloader;
        let unserved = needs_restart(&reloader.config, new, reloader.watched.listens);
        if unserved != self.unserved && !unserved.is_empty() {
            log::warn!(
                "{}: {} changed; mcproxy must be restarted for that",
                self.name(),
                unserved.join(", ")
            );
        }
        self.unserved = unserved;
    }
}

/// The keys that the doors hold, and that differ from what the gateway was
/// started with.
fn needs_restart(old: &Config, new: &Config, listens: bool) -> Vec<&'static str> {
    let (old_limits, new_limits) = (&old.limits, &new.limits);
    let of_listener = [
        ("\"host\"", old.host != new.host),
        ("\"port\"", old.port != new.port),
        ("\"allow_origins\"", old.allow_origins != new.allow_origins),
        ("\"allow_hosts\"", old.allow_hosts != new.allow_hosts),
        (
            "\"max_connections\"",
            old_limits.max_connections != new_limits.max_connections,
        ),
        (
            "\"keepalive_interval\" of clients' streams",
            old_limits.keepalive_interval != new_limits.keepalive_interval,
        ),
    ];
    let of_all = [(
        "\"max_message_size\"",
        old_limits.max_message_size != new_limits.max_message_size,
    )];
    let of_listener = of_listener.into_iter().filter(|_| listens);
    let differing = of_listener.chain(of_all).filter(|(_, differs)| *differs);
    differing.map(|(key, _)| key).collect()
}

#[cfg(test)]
mod tests;
