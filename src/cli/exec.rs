//! `mcproxy __exec [--nofile N] -- PROGRAM ARGS…`: sets this process up as a
//! server's and becomes the server's program. The gateway starts its children
//! through it; it stands in no help, and nobody else needs it.

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, ExitCode};

use crate::child::{descriptors, program};
use crate::cli::console;

/// The exit code for a program that was not found, as in every shell.
const NOT_FOUND: u8 = 127;
/// The exit code for one that was found and cannot be run, as in every shell.
const NOT_RUN: u8 = 126;
/// The exit code for words that make no sense; only a person can have typed them.
const USAGE: u8 = 2;

/// Whether a command line, without the program's name, is meant for here.
pub fn is_meant(words: &[OsString]) -> bool {
    words.first().is_some_and(|word| word == descriptors::EXEC)
}

/// Does what the words behind the first say. Returns only where that fails.
pub fn run(words: &[OsString]) -> ExitCode {
    let Some((nofile, [program, arguments @ ..])) = understand(words.get(1..).unwrap_or_default())
    else {
        console::say(format_args!(
            "this is for the gateway itself: {} [{} N] -- PROGRAM [ARG…]",
            descriptors::EXEC,
            descriptors::NOFILE
        ));
        return USAGE.into();
    };
    if let Some(soft) = nofile
        && let Err(error) = descriptors::lower(soft)
    {
        // A server with a higher limit than it expects is better than none.
        console::say(format_args!(
            "cannot set the limit of open descriptors: {error}"
        ));
    }
    // `std` sets an empty signal mask and SIGPIPE's default here, as it does
    // where it starts a process.
    let error = Command::new(program).args(arguments).exec();
    let program = Path::new(program);
    console::say(program::explain(program, None, &error));
    match error.kind() {
        std::io::ErrorKind::NotFound => NOT_FOUND.into(),
        _ => NOT_RUN.into(),
    }
}

/// The limit, and the words behind `--`, of which there may be none.
fn understand(words: &[OsString]) -> Option<(Option<u64>, &[OsString])> {
    match words {
        [dashes, rest @ ..] if dashes == "--" => Some((None, rest)),
        [flag, soft, dashes, rest @ ..] if flag == descriptors::NOFILE && dashes == "--" => {
            Some((Some(soft.to_str()?.parse().ok()?), rest))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_are_understood_whole_or_not_at_all() {
        let words = |line: &str| line.split(' ').map(OsString::from).collect::<Vec<_>>();
        let full = words("--nofile 256 -- sh -c x -- --nofile");
        assert_eq!(understand(&full), Some((Some(256), &full[3..])));
        let short = words("-- sh");
        assert_eq!(understand(&short), Some((None, &short[1..])));
        for line in [
            "",
            "sh",
            "--nofile 256",
            "--nofile x -- sh",
            "--nofile -- sh",
            "--nofile 1 sh",
        ] {
            assert_eq!(understand(&words(line)), None, "{line}");
        }
        assert!(is_meant(&words("__exec --")));
        assert!(!is_meant(&words("check __exec")) && !is_meant(&[]));
    }
}
