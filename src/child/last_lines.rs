//! The last lines that a child has written on stderr, and which of them says
//! best why it died. They are written by its `err:` thread and read by whoever
//! asks.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::limits;

/// A bounded number of lines, and of bytes. None of them is blank.
#[derive(Debug, Default)]
pub struct LastLines {
    // Held for no longer than a line takes to be copied.
    ring: Mutex<Ring>,
}

#[derive(Debug, Default)]
struct Ring {
    lines: VecDeque<Line>,
    bytes: usize,
}

#[derive(Debug)]
struct Line {
    /// When it came, since the thread's own beginning.
    at: Duration,
    text: String,
}

impl LastLines {
    /// Adds a line, and forgets the oldest where there is no room.
    pub fn push(&self, at: Duration, text: String) {
        let mut ring = self.lock();
        ring.bytes += text.len();
        ring.lines.push_back(Line { at, text });
        while ring.lines.len() > limits::CHILD_STDERR_RING_LINES
            || ring.bytes > limits::CHILD_STDERR_RING_BYTES
        {
            let oldest = ring.lines.pop_front();
            ring.bytes -= oldest.map_or(0, |line| line.text.len());
        }
    }

    /// The last of them, at most so many, the oldest first.
    pub fn last(&self, count: usize) -> Vec<String> {
        let ring = self.lock();
        let skipped = ring.lines.len().saturating_sub(count);
        let last = ring.lines.iter().skip(skipped);
        last.map(|line| line.text.clone()).collect()
    }

    /// The line that says best why the child exited at that time. What it said
    /// long before is not blamed.
    pub fn words_at_exit(&self, exit: Duration) -> Option<String> {
        let ring = self.lock();
        let is_recent = |line: &&Line| line.at + limits::CHILD_LAST_WORDS_AGE >= exit;
        let recent = ring.lines.iter().filter(is_recent);
        let recent: Vec<&str> = recent.map(|line| line.text.as_str()).collect();
        best(&recent).map(str::to_owned)
    }

    fn lock(&self) -> MutexGuard<'_, Ring> {
        // Were a line lost half-way, its bytes would only be counted too long.
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The last line, unless that is part of a stack trace (indented, or a closing
/// bracket) or a trailer below the error. Python's traces end with the error
/// itself; npm begins its report with it. Where lists or advice follow an error,
/// it is the last line that calls itself one.
fn best<'a>(lines: &[&'a str]) -> Option<&'a str> {
    let says_why = |line: &&&str| {
        !line.starts_with([' ', '\t', '}'])
            && !line.starts_with("Node.js v")
            && !is_of_rusts_trailer(line)
            && !NPM_ASIDES.iter().any(|aside| line.starts_with(aside))
    };
    let last = lines.iter().rfind(says_why).or(lines.last())?;
    if npm_error(last).is_some() {
        let reason = lines
            .iter()
            .copied()
            .find(|line| npm_error(line).is_some_and(is_npm_reason));
        return reason.or(Some(last));
    }
    if follows_an_error(last) {
        let error = lines.iter().rfind(|line| is_error(line));
        return Some(error.unwrap_or(last));
    }
    Some(last)
}

/// Whether a line only adds to an error above it: uv's advice, and the modules
/// through which Node came to one that is missing.
fn follows_an_error(line: &str) -> bool {
    let adds = ["hint:", "- ", "Require stack:", "code:"];
    adds.iter().any(|start| line.starts_with(start))
}

/// Whether a line calls itself an error: `error: …`, `fatal: …`, and what an
/// exception's class is called, such as `ModuleNotFoundError: …`.
fn is_error(line: &str) -> bool {
    let word = line.split_once(": ").map_or("", |(word, _)| word);
    // Node puts a code behind the class: `TypeError [ERR_X]`.
    let word = word.split(' ').next().unwrap_or_default();
    word == "fatal" || word.ends_with("Error") || word == "error"
}

/// What Rust says below a panic: how to get a trace, or that one follows, which is
/// indented.
fn is_of_rusts_trailer(line: &str) -> bool {
    let advice = line.strip_prefix("note: ");
    line == "stack backtrace:" || advice.is_some_and(|advice| advice.contains("RUST_BACKTRACE"))
}

/// What npm says beside its errors, and often after them.
const NPM_ASIDES: [&str; 4] = ["npm notice", "npm warn", "npm WARN", "npm http"];

/// What npm says in a line of an error report; before version 10 it shouted.
fn npm_error(line: &str) -> Option<&str> {
    let rest = line
        .strip_prefix("npm error")
        .or_else(|| line.strip_prefix("npm ERR!"))?;
    Some(rest.trim())
}

/// Whether a line of npm's report tells the reason. Above it stand the error's
/// facts, a word and a value each (`code E404`); below it general advice, lines
/// with nothing but the error's word, and where the log is kept.
fn is_npm_reason(said: &str) -> bool {
    const FACTS: [&str; 6] = ["code ", "syscall ", "path ", "dest ", "errno ", "command "];
    said.contains(' ')
        && !FACTS.iter().any(|fact| said.starts_with(fact))
        && !said.starts_with("A complete log of this run")
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::from_secs(1000);

    fn lines(text: &str) -> LastLines {
        let lines = LastLines::default();
        text.lines()
            .for_each(|line| lines.push(NOW, line.to_owned()));
        lines
    }

    #[test]
    fn last_words_say_why() {
        let words = |text: &str| lines(text).words_at_exit(NOW);
        assert_eq!(words(""), None);
        assert_eq!(words("one\ntwo").as_deref(), Some("two"));
        assert_eq!(
            words("Error: boom\n    at f (x.js:1)\n  code: 'E'\n}\nNode.js v22.1.0").as_deref(),
            Some("Error: boom")
        );
        assert_eq!(
            words("Traceback:\n  File \"x\"\nValueError: boom").as_deref(),
            Some("ValueError: boom")
        );
        let panic = "thread 'main' panicked at src/main.rs:1:2:\nboom\n";
        for trailer in [
            "note: run with `RUST_BACKTRACE=1` environment variable to display a backtrace",
            "stack backtrace:\n   0: std::panicking\nnote: Some details are omitted, run with \
             `RUST_BACKTRACE=full` for a verbose backtrace.",
        ] {
            assert_eq!(words(&format!("{panic}{trailer}")).as_deref(), Some("boom"));
        }
        assert_eq!(words("  a\n  b").as_deref(), Some("  b"));
    }

    #[test]
    fn what_only_adds_to_an_error_is_passed_over() {
        let words = |text: &str| lines(text).words_at_exit(NOW).unwrap();
        let node = "node:internal/modules/cjs/loader:1210\n  throw err;\n  ^\n\
            Error: Cannot find module 'ajv'\n\
            Require stack:\n\
            - /x/node_modules/server/index.js\n\
            \x20   at Module._resolveFilename (node:internal/modules/cjs/loader:1207:15)\n\
            \x20   at node:internal/main/run_main_module:28:49 {\n\
            \x20 code: 'MODULE_NOT_FOUND',\n\
            \x20 requireStack: [ '/x/node_modules/server/index.js' ]\n\
            }\nNode.js v20.20.2";
        assert_eq!(words(node), "Error: Cannot find module 'ajv'");
        let uv = "error: Failed to fetch: `https://example.org/simple/nope/`\n\
            \x20 Caused by: dns error\n\
            hint: Consider enabling a longer timeout";
        let told = "error: Failed to fetch: `https://example.org/simple/nope/`";
        assert_eq!(words(uv), told);
        let class = "TypeError [ERR_X]: boom\n- a\nhint: b";
        assert_eq!(words(class), "TypeError [ERR_X]: boom");
        // Without an error above it, it is the best there is; below one, what is no
        // addition stays right.
        assert_eq!(words("listening\nhint: a"), "hint: a");
        assert_eq!(words("error: tried\ngave up"), "gave up");
    }

    #[test]
    fn of_npms_report_the_reason_is_told() {
        let words = |text: &str| lines(text).words_at_exit(NOW).unwrap();
        let missing = "npm warn exec it was not there\n\
            npm error code E404\n\
            npm error 404 Not Found - GET https://example.org/nope - Not found\n\
            npm error 404\n\
            npm error 404  'nope@*' is not in this registry.\n\
            npm error 404\n\
            npm error 404 Note that you can also install from a\n\
            npm error 404 tarball, folder, http url, or git folder.\n\
            npm notice\n\
            npm notice New minor version of npm available!\n\
            npm error A complete log of this run can be found in: /x/.npm/_logs/0.log";
        let told = "npm error 404 Not Found - GET https://example.org/nope - Not found";
        assert_eq!(words(missing), told);
        assert_eq!(
            words(&missing.replace("npm error", "npm ERR!")),
            told.replace("error", "ERR!")
        );
        let unreadable = "npm ERR! code ENOENT\n\
            npm ERR! syscall open\n\
            npm ERR! path /x/package.json\n\
            npm ERR! errno -2\n\
            npm ERR! enoent Could not read package.json\n\
            npm ERR! enoent This is related to npm not being able to find a file.\n\
            npm ERR! enoent \n\
            \n\
            npm ERR! A complete log of this run can be found in:\n\
            npm ERR!     /x/.npm/_logs/0.log";
        assert_eq!(
            words(unreadable),
            "npm ERR! enoent Could not read package.json"
        );
        // Nothing better than what there is; and nothing of npm's hides a server's own end.
        assert_eq!(words("npm error code 1\nnpm error"), "npm error");
        assert_eq!(words("boom\nnpm notice upgrade"), "boom");
        assert_eq!(words("npm error code 1\nnpm error a b\nboom"), "boom");
    }

    #[test]
    fn what_was_said_long_before_the_exit_is_not_blamed() {
        let lines = LastLines::default();
        lines.push(NOW, "listening".to_owned());
        let later = |seconds| lines.words_at_exit(NOW + Duration::from_secs(seconds));
        assert_eq!(later(9).as_deref(), Some("listening"));
        assert_eq!(later(11), None);
        assert_eq!(lines.last(10), ["listening"]);
    }

    #[test]
    fn the_oldest_are_forgotten() {
        let all: Vec<String> = (0..30).map(|number| number.to_string()).collect();
        let short = lines(&all.join("\n"));
        assert_eq!(short.last(100).len(), 24);
        assert_eq!(short.last(100)[0], "6");
        assert_eq!(short.last(2), ["28", "29"]);
        let long = lines(
            &all.iter()
                .map(|word| word.repeat(10_000) + "\n")
                .collect::<String>(),
        );
        let kept: usize = long.last(100).iter().map(String::len).sum();
        assert_eq!(kept, 3 * 20_000, "of 64 KiB");
        assert_eq!(long.lock().bytes, kept);
    }
}
