//! What can end a measurement: said once, in a sentence, by the program that meets it.

use std::fmt;
use std::io;

/// Why a measurement came to nothing.
#[derive(Debug)]
pub enum Error {
    /// The command line does not say what to do.
    Usage(String),
    /// The system refused something: what was tried, and its answer.
    System(String, io::Error),
    /// The other side broke the protocol, or its answer is wrong, missing or surplus.
    Wrong(String),
}

/// What the parts of this package return.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// Turns what the system answered into an error that says what was tried.
    pub fn system<E: Into<io::Error>>(tried: impl Into<String>) -> impl FnOnce(E) -> Error {
        let tried = tried.into();
        move |error| Error::System(tried, error.into())
    }

    /// An answer, or its absence, that must not be.
    pub fn wrong(what: impl Into<String>) -> Error {
        Error::Wrong(what.into())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Usage(what) => write!(f, "{what}"),
            Error::System(tried, error) => write!(f, "{tried}: {error}"),
            Error::Wrong(what) => write!(f, "{what}"),
        }
    }
}

impl std::error::Error for Error {}

impl From<lexopt::Error> for Error {
    fn from(error: lexopt::Error) -> Error {
        Error::Usage(error.to_string())
    }
}
