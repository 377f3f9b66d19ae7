//! Where the log goes, and the writing of one line there. It never decides
//! what a line looks like, and it keeps no state between lines.

use std::io::{self, IsTerminal, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};

use crate::limits;
use crate::logging::Place;
use crate::logging::layout::Dress;

/// Where syslog listens.
const SYSLOG_SOCKET: &str = "/dev/log";

/// What of the process's surroundings decides where the log goes.
#[derive(Debug, Clone, Copy, Default)]
pub struct Surroundings {
    /// What stdout is.
    pub stdout: Stream,
    /// What stderr is.
    pub stderr: Stream,
    /// Whether syslog's socket is there.
    pub syslog: bool,
    /// Whether `NO_COLOR` is set and not empty (<https://no-color.org>).
    pub no_color: bool,
}

/// What an output stream leads to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Stream {
    /// A file, a pipe, nothing.
    #[default]
    Plain,
    /// A terminal.
    Terminal,
    /// The journal of systemd.
    Journal,
}

impl Surroundings {
    /// Those of this process.
    pub fn look() -> Surroundings {
        let journal = std::env::var("JOURNAL_STREAM").ok();
        let journal = journal.as_deref().and_then(parse_journal_stream);
        Surroundings {
            stdout: Stream::of(&io::stdout(), journal),
            stderr: Stream::of(&io::stderr(), journal),
            syslog: std::fs::metadata(SYSLOG_SOCKET)
                .is_ok_and(|socket| socket.file_type().is_socket()),
            no_color: std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty()),
        }
    }
}

impl Stream {
    /// `journal` is the device and inode of `$JOURNAL_STREAM`. The variable
    /// alone is no sign: children inherit it, whatever their stderr is.
    fn of(stream: &(impl AsFd + IsTerminal), journal: Option<(u64, u64)>) -> Stream {
        if stream.is_terminal() {
            return Stream::Terminal;
        }
        let here = nix::sys::stat::fstat(stream).map(|file| (file.st_dev, file.st_ino));
        match (here, journal) {
            (Ok(here), Some(journal)) if here == journal => Stream::Journal,
            _ => Stream::Plain,
        }
    }
}

/// `DEVICE:INODE`, both decimal (systemd.exec(5), `$JOURNAL_STREAM`).
fn parse_journal_stream(text: &str) -> Option<(u64, u64)> {
    let (device, inode) = text.split_once(':')?;
    Some((device.parse().ok()?, inode.parse().ok()?))
}

/// Where the log goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Destination {
    /// To stdout, dressed so.
    Stdout(Dress),
    /// To stderr, dressed so.
    Stderr(Dress),
    /// To the syslog daemon at this socket.
    Syslog(PathBuf),
}

impl Destination {
    /// The choice; [`Place`] says the rule.
    pub fn choose(place: Place, around: &Surroundings) -> Destination {
        let dress = |stream| match stream {
            Stream::Terminal if !around.no_color => Dress::Coloured,
            Stream::Terminal | Stream::Plain => Dress::Plain,
            Stream::Journal => Dress::Journal,
        };
        match place {
            Place::Stdout => Destination::Stdout(dress(around.stdout)),
            Place::Automatic if around.stderr == Stream::Plain && around.syslog => {
                Destination::Syslog(PathBuf::from(SYSLOG_SOCKET))
            }
            Place::Automatic | Place::Stderr => Destination::Stderr(dress(around.stderr)),
        }
    }

    /// How a line must be dressed to go there.
    pub fn dress(&self) -> Dress {
        match self {
            Destination::Stdout(dress) | Destination::Stderr(dress) => *dress,
            Destination::Syslog(_) => Dress::Syslog {
                process: std::process::id(),
            },
        }
    }
}

/// Takes whole lines, one a call.
pub trait WriteLine: Send + Sync {
    /// Writes `line`, which ends in a newline. There is nobody to tell of a
    /// failure, so a line that cannot be written is lost.
    fn write_line(&self, line: &[u8]);
}

impl WriteLine for Destination {
    fn write_line(&self, line: &[u8]) {
        // A broken pipe is no reason to stop serving, nor one to say so on the
        // stream that is broken.
        let _ = match self {
            Destination::Stdout(_) => write_and_flush(&mut io::stdout().lock(), line),
            Destination::Stderr(_) => write_and_flush(&mut io::stderr().lock(), line),
            Destination::Syslog(socket) => send_to_syslog(socket, line)
                .or_else(|_| write_and_flush(&mut io::stderr().lock(), line)),
        };
    }
}

fn write_and_flush(stream: &mut impl Write, line: &[u8]) -> io::Result<()> {
    stream.write_all(line)?;
    stream.flush()
}

/// Sends a line as a datagram. The socket is opened anew for each, so that a
/// syslog daemon may be restarted; a log this quiet can afford it.
fn send_to_syslog(socket: &Path, line: &[u8]) -> io::Result<()> {
    let datagram = UnixDatagram::unbound()?;
    datagram.set_write_timeout(Some(limits::LOG_SYSLOG_WRITE_TIMEOUT))?;
    datagram.send_to(line.trim_ascii_end(), socket)?;
    Ok(())
}

#[cfg(test)]
mod tests;
