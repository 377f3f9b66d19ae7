//! What can go wrong with the state on disk, as sentences. What is done about
//! it is said where it is done: most of it is a warning, and none of it keeps
//! the gateway from serving, but for a key that was meant and is none.

use std::fmt;
use std::io;
use std::path::PathBuf;

/// Why there is no state, or not all of it.
#[derive(Debug)]
pub enum Error {
    /// `MCPROXY_SESSION_KEY` is empty.
    EmptyKey,
    /// `MCPROXY_SESSION_KEY` is no UTF-8.
    KeyNotText,
    /// The system has no randomness to make a key of.
    Randomness(String),
    /// A file cannot be used.
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        fault: Fault,
    },
}

/// Why a file cannot be used.
#[derive(Debug)]
pub enum Fault {
    /// The system says so.
    System(io::Error),
    /// It is a folder, a pipe or a device.
    NotAFile,
    /// It belongs to somebody else.
    Foreign,
    /// Others may do with it what they must not: its permission bits.
    Exposed(u32),
    /// It is longer than this many bytes.
    TooLong(usize),
    /// What is in it makes no sense.
    Form(String),
}

impl Fault {
    /// Whether it is merely not there.
    pub fn is_absence(&self) -> bool {
        matches!(self, Fault::System(error) if error.kind() == io::ErrorKind::NotFound)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::EmptyKey => f.write_str(
                "MCPROXY_SESSION_KEY: it is empty; take it out of the environment, or let \
                 `openssl rand -hex 32` make one",
            ),
            Error::KeyNotText => f.write_str("MCPROXY_SESSION_KEY: it is not UTF-8"),
            Error::Randomness(why) => write!(f, "cannot start without randomness: {why}"),
            Error::File { path, fault } => write!(f, "{}: {fault}", path.display()),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::System(error) => error.fmt(f),
            Fault::NotAFile => f.write_str("it is not a file"),
            Fault::Foreign => f.write_str("it belongs to another user"),
            Fault::Exposed(mode) => {
                write!(
                    f,
                    "its permissions are {mode:03o}, so that others get at it"
                )
            }
            Fault::TooLong(max) => write!(f, "it is longer than {max} bytes"),
            Fault::Form(why) => f.write_str(why),
        }
    }
}

impl std::error::Error for Error {}
impl std::error::Error for Fault {}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Fault {
        Fault::System(error)
    }
}
