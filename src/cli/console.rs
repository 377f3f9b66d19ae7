//! What the sub-commands say to the person who typed them: results on stdout,
//! all else on stderr. A reader that has gone away is no fault.

use std::fmt::Display;
use std::io::{self, Write};

/// Writes a result to stdout, as it is.
pub fn out(text: &str) {
    let mut stdout = io::stdout().lock();
    let _ = stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush());
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
