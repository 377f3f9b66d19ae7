//! What the sub-commands say to the person who typed them: results on stdout,
//! all else on stderr. A reader that has gone away is no fault.

use std::fmt::Display;
use std::io::{self, Write};

use crate::cli::exit::Exit;

/// What became of something that was written to stdout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Written {
    /// All of it is there.
    Whole,
    /// Whoever was to read it has gone away, and will read nothing more.
    Unread,
    /// It could not be written, which was said.
    Failed,
}

impl Written {
    /// What that makes of the run.
    pub fn exit(self) -> Exit {
        match self {
            Written::Whole | Written::Unread => Exit::Ok,
            Written::Failed => Exit::Failure,
        }
    }
}

/// Writes a result to stdout, as it is. Where that cannot be it says so: whoever
/// wrote into a file would take half a result for the whole.
#[must_use = "a result that could not be written is a failure"]
pub fn write(text: &str) -> Written {
    let mut stdout = io::stdout().lock();
    let written = stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush());
    match written {
        Ok(()) => Written::Whole,
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Written::Unread,
        Err(error) => {
            say(format_args!("cannot write to stdout: {error}"));
            Written::Failed
        }
    }
}

/// The same, where nothing more is to be written.
#[must_use = "a result that could not be written is a failure"]
pub fn out(text: &str) -> Exit {
    write(text).exit()
}

/// Writes a line to stderr, under the name of the program.
pub fn say(line: impl Display) {
    let _ = writeln!(io::stderr().lock(), "mcproxy: {line}");
}

/// Writes a line to stderr, as it is.
pub fn note(line: impl Display) {
    let _ = writeln!(io::stderr().lock(), "{line}");
}

/// A sentence in which a server may have had its word, without what would move
/// the cursor.
pub fn printable(sentence: &str) -> String {
    sentence.chars().filter(|c| !c.is_control()).collect()
}
