//! The log: `log` and `env_logger` in front, a sink of our own behind.
//!
//! A message is laid out by the thread that logs it (`layout`), and written by
//! the thread `log` (`sink`) to where `destination` decided. The words that a
//! child or a client chose go through here, so every control character is
//! escaped: no message can forge a line or command a terminal.

pub mod destination;
pub mod layout;
pub mod sink;
pub mod timestamp;

use std::fmt;
use std::io::Write;
use std::time::SystemTime;

use env_logger::{Builder, Target, WriteStyle};
use log::LevelFilter;

use crate::logging::destination::{Destination, Surroundings};
use crate::logging::layout::{Entry, Layout};
use crate::logging::sink::Sink;

/// The words for how much is logged, from nothing to everything.
pub const LEVELS: &[&str] = &["off", "error", "warn", "info", "debug", "trace"];

/// How the log is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Format {
    /// A line for people.
    #[default]
    Text,
    /// A JSON object a line: `ts`, `level`, `target`, `message`.
    Json,
}

impl Format {
    /// The words for the formats.
    pub const NAMES: &[&str] = &["text", "json"];

    /// The format called `name`.
    pub fn from_name(name: &str) -> Option<Format> {
        match name {
            "text" => Some(Format::Text),
            "json" => Some(Format::Json),
            _ => None,
        }
    }
}

/// Where the log was asked to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Place {
    /// To stderr where that is a terminal or the journal, else to syslog where
    /// there is `/dev/log`, else to stderr.
    #[default]
    Automatic,
    /// To stdout.
    Stdout,
    /// To stderr.
    Stderr,
}

/// What the log is to be like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// The least severe level that is logged.
    pub level: LevelFilter,
    /// How it is written.
    pub format: Format,
    /// Where it goes.
    pub place: Place,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            level: LevelFilter::Info,
            format: Format::Text,
            place: Place::Automatic,
        }
    }
}

/// What can be wrong at the start of the log.
#[derive(Debug)]
pub enum Error {
    /// The process has a logger already.
    AlreadyStarted,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::AlreadyStarted => f.write_str("log: it is started already"),
        }
    }
}

impl std::error::Error for Error {}

/// Starts the log of this process; from here on `log::info!` and its sisters
/// write. The sink is for [`Sink::flush`] and [`Sink::stop`] at the exit.
///
/// Without the thread `log`, should it not start, messages are written by
/// whoever logs them.
///
/// # Errors
/// [`Error::AlreadyStarted`] at the second call in a process.
pub fn start(settings: Settings) -> Result<Sink, Error> {
    let destination = Destination::choose(settings.place, &Surroundings::look());
    let layout = Layout {
        format: settings.format,
        dress: destination.dress(),
        targets: settings.level >= LevelFilter::Debug,
    };
    let sink = Sink::start(destination, layout);
    Builder::new()
        // `set_level` decides, for that can be changed; what it keeps back never
        // gets here.
        .filter_level(LevelFilter::Trace)
        .write_style(WriteStyle::Never)
        .target(Target::Pipe(Box::new(sink.clone())))
        .format(move |buffer, record| {
            let line = layout.line(&Entry {
                time: now(),
                level: record.level(),
                target: record.target(),
                message: record.args(),
            });
            buffer.write_all(line.as_bytes())
        })
        .try_init()
        .map_err(|_| Error::AlreadyStarted)?;
    set_level(settings.level);
    Ok(sink)
}

/// Logs from now on what is at least as severe as this.
pub fn set_level(level: LevelFilter) {
    log::set_max_level(level);
}

#[expect(
    clippy::disallowed_methods,
    reason = "a log line tells when it was written"
)]
fn now() -> SystemTime {
    SystemTime::now()
}

#[cfg(test)]
mod tests;
