//! The lines of the journal: one JSON object each, what is new about a session
//! or all about it, and back. Pure; which lines are written is decided elsewhere.
//!
//! | member | meaning |
//! |---|---|
//! | `s` | the session |
//! | `h` | when it was heard of, in seconds since 1970 |
//! | `e` | 1: it has ended |
//! | `o` | 1: it has children of its own |
//! | `l` | its log level |
//! | `+`, `-` | a resource that it subscribed to, or not any more |
//! | `in` | the server of that |
//!
//! The first line tells what follows: `{"mcproxy":"sessions","format":1,"t":…}`,
//! with the time at which it was written, and `"f":…` if sessions that began up to
//! then may have been forgotten. A line `{"lost":…}` tells when a word was lost.

use std::fmt::Write;

use crate::limits;
use crate::record::{Remembered, SessionName, SessionWord};
use crate::wire::envelope::quoted;
use crate::wire::log_level::LogLevel;
use crate::wire::scan::{self, Value};

/// The form of the lines. Another one gets another number, so that none is read
/// as the other.
const FORMAT: &str = "1";

/// The first line, with its end.
pub fn first(now: u64, forgotten: Option<u64>) -> String {
    let forgotten = forgotten.map(|until| format!(",\"f\":{until}"));
    let forgotten = forgotten.unwrap_or_default();
    format!("{{\"mcproxy\":\"sessions\",\"format\":{FORMAT},\"t\":{now}{forgotten}}}\n")
}

/// The time that a first line tells, and up to when sessions may have been
/// forgotten, if it is one of this format.
pub fn read_first(line: &[u8]) -> Option<(u64, Option<u64>)> {
    let line = text(line)?;
    let keys = ["mcproxy", "format", "t", "f"];
    let [what, format, time, forgotten] = scan::members(line, keys).ok()?;
    let is_ours = what?.json(line) == "\"sessions\"" && format?.json(line) == FORMAT;
    let time = is_ours.then(|| number(time?, line)).flatten()?;
    match forgotten {
        Some(until) => Some((time, Some(number(until, line)?))),
        None => Some((time, None)),
    }
}

/// That a word was lost, at a time in seconds since 1970, as a line with its end.
pub fn of_loss(at: u64) -> String {
    format!("{{\"lost\":{at}}}\n")
}

/// When a word was lost, if that is what a line says, given without its end.
pub fn read_loss(line: &[u8]) -> Option<u64> {
    let line = text(line)?;
    let [lost] = scan::members(line, ["lost"]).ok()?;
    number(lost?, line)
}

/// A word on a session, as a line with its end.
pub fn of_word(session: SessionName, word: &SessionWord) -> String {
    let news = match word {
        SessionWord::Heard(at) => format!("\"h\":{at}"),
        SessionWord::Ended => "\"e\":1".to_owned(),
        SessionWord::Own => "\"o\":1".to_owned(),
        SessionWord::Level(level) => format!("\"l\":\"{}\"", level.name()),
        SessionWord::Subscribed { server, uri } => {
            format!("\"+\":{},\"in\":{}", quoted(uri), quoted(server))
        }
        SessionWord::Unsubscribed { server, uri } => {
            format!("\"-\":{},\"in\":{}", quoted(uri), quoted(server))
        }
    };
    format!("{{\"s\":\"{session}\",{news}}}\n")
}

/// All about a session, as lines with their ends.
pub fn of_session(session: SessionName, remembered: &Remembered) -> String {
    let mut lines = format!("{{\"s\":\"{session}\",\"h\":{}", remembered.heard);
    let flags = [("e", remembered.ended), ("o", remembered.own)];
    for (flag, _) in flags.into_iter().filter(|(_, is_set)| *is_set) {
        let _ = write!(lines, ",\"{flag}\":1");
    }
    if let Some(level) = remembered.level {
        let _ = write!(lines, ",\"l\":\"{}\"", level.name());
    }
    lines.push_str("}\n");
    for (server, uri) in &remembered.subscriptions {
        let (server, uri) = (server.clone(), uri.clone());
        lines += &of_word(session, &SessionWord::Subscribed { server, uri });
    }
    lines
}

/// What a line says, given without its end; `None` for one that is broken. What
/// only a later version knows is passed over.
pub fn read(line: &[u8]) -> Option<(SessionName, Vec<SessionWord>)> {
    let line = text(line)?;
    let keys = ["s", "h", "o", "l", "+", "-", "in", "e"];
    let [session, heard, own, level, plus, minus, server, ended] =
        scan::members(line, keys).ok()?;
    let session = SessionName::from_text(&string(session?, line)?)?;
    let is_set = |flag: Value| (flag.json(line) == "1").then_some(());
    let resource = |uri: Value| Some((string(server?, line)?, string(uri, line)?.into()));
    let mut words = Vec::new();
    if let Some(heard) = heard {
        words.push(SessionWord::Heard(number(heard, line)?));
    }
    if let Some(own) = own {
        is_set(own)?;
        words.push(SessionWord::Own);
    }
    if let Some(level) = level {
        let level = LogLevel::from_name(&string(level, line)?)?;
        words.push(SessionWord::Level(level));
    }
    if let Some(uri) = plus {
        let (server, uri) = resource(uri)?;
        words.push(SessionWord::Subscribed { server, uri });
    }
    if let Some(uri) = minus {
        let (server, uri) = resource(uri)?;
        words.push(SessionWord::Unsubscribed { server, uri });
    }
    if let Some(ended) = ended {
        is_set(ended)?;
        words.push(SessionWord::Ended);
    }
    Some((session, words))
}

fn text(line: &[u8]) -> Option<&str> {
    if line.len() > limits::STATE_LINE_BYTES_MAX {
        return None;
    }
    std::str::from_utf8(line).ok()
}

fn string(value: Value, line: &str) -> Option<String> {
    scan::text(value.json(line)).map(std::borrow::Cow::into_owned)
}

fn number(value: Value, line: &str) -> Option<u64> {
    value.json(line).parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAME: SessionName = SessionName([0x0a; 16]);

    /// A line in which `a` stands for the name.
    fn named(line: &str) -> String {
        line.replace("\"s\":\"a\"", "\"s\":\"0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a\"")
    }

    fn words(line: &str) -> Option<Vec<SessionWord>> {
        let (session, words) = read(named(line).as_bytes())?;
        assert_eq!(session, NAME);
        Some(words)
    }

    #[test]
    fn each_word_has_its_line() {
        let resource = || ("git".to_owned(), "file:///\"a\"\n".into());
        let (server, uri) = resource();
        let subscribed = SessionWord::Subscribed { server, uri };
        let (server, uri) = resource();
        let unsubscribed = SessionWord::Unsubscribed { server, uri };
        let lines = [
            (SessionWord::Heard(17), r#"{"s":"a","h":17}"#),
            (SessionWord::Ended, r#"{"s":"a","e":1}"#),
            (SessionWord::Own, r#"{"s":"a","o":1}"#),
            (
                SessionWord::Level(LogLevel::Notice),
                r#"{"s":"a","l":"notice"}"#,
            ),
            (subscribed, r#"{"s":"a","+":"file:///\"a\"\n","in":"git"}"#),
            (
                unsubscribed,
                r#"{"s":"a","-":"file:///\"a\"\n","in":"git"}"#,
            ),
        ];
        for (word, line) in lines {
            assert_eq!(of_word(NAME, &word), named(line) + "\n");
            assert_eq!(words(line), Some(vec![word]));
        }
    }

    #[test]
    fn all_about_a_session_is_told_in_few_lines() {
        let remembered = Remembered {
            heard: 17,
            own: true,
            level: Some(LogLevel::Debug),
            subscriptions: [("git".to_owned(), "r".into())].into(),
            ..Remembered::default()
        };
        let lines = "{\"s\":\"a\",\"h\":17,\"o\":1,\"l\":\"debug\"}\n{\"s\":\"a\",\"+\":\"r\",\"in\":\"git\"}\n";
        assert_eq!(of_session(NAME, &remembered), named(lines));
        let ended = Remembered {
            heard: 1,
            ended: true,
            ..Remembered::default()
        };
        assert_eq!(
            of_session(NAME, &ended),
            named("{\"s\":\"a\",\"h\":1,\"e\":1}\n")
        );
        let level = SessionWord::Level(LogLevel::Debug);
        let several = words(r#"{"s":"a","h":17,"o":1,"l":"debug","new":[{}]}"#);
        assert_eq!(
            several,
            Some(vec![SessionWord::Heard(17), SessionWord::Own, level])
        );
    }

    #[test]
    fn a_broken_line_says_nothing() {
        let long = format!(r#"{{"s":"a","+":"{}","in":"x"}}"#, "u".repeat(20_000));
        let broken = [
            "",
            "{}",
            "[]",
            r#"{"s":1,"h":1}"#,
            r#"{"h":1}"#,
            r#"{"lost":1}"#,
            r#"{"s":"b","h":1}"#,
            r#"{"s":"0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a","h":1}"#,
            r#"{"s":"+a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a","h":1}"#,
            r#"{"s":"a","h":-1}"#,
            r#"{"s":"a","h":1.5}"#,
            r#"{"s":"a","h":"1"}"#,
            r#"{"s":"a","h":99999999999999999999}"#,
            r#"{"s":"a","e":true}"#,
            r#"{"s":"a","o":0}"#,
            r#"{"s":"a","l":"loud"}"#,
            r#"{"s":"a","+":"r"}"#,
            r#"{"s":"a","-":1,"in":"x"}"#,
            r#"{"s":"a","h":1"#,
            r#"{"s":"a","h":1}}"#,
            &long,
        ];
        for line in broken {
            assert_eq!(words(line), None, "{line}");
        }
        assert_eq!(read(b"{\"s\":\"\xff\",\"h\":1}"), None);
    }

    #[test]
    fn a_loss_has_its_line() {
        assert_eq!(of_loss(17), "{\"lost\":17}\n");
        assert_eq!(read_loss(b"{\"lost\":17}"), Some(17));
        for other in ["", "{}", "{\"lost\":-1}", "{\"lost\":17", "{\"s\":17}"] {
            assert_eq!(read_loss(other.as_bytes()), None, "{other}");
        }
    }

    #[test]
    fn the_first_line_is_known_by_its_form() {
        assert_eq!(
            first(17, None),
            "{\"mcproxy\":\"sessions\",\"format\":1,\"t\":17}\n"
        );
        for forgotten in [None, Some(9)] {
            let line = first(17, forgotten);
            assert_eq!(
                read_first(line.trim_end().as_bytes()),
                Some((17, forgotten))
            );
        }
        for other in [
            r#"{"mcproxy":"sessions","format":2,"t":17}"#,
            r#"{"mcproxy":"lists","format":1,"t":17}"#,
            r#"{"mcproxy":"sessions","format":1}"#,
            r#"{"mcproxy":"sessions","format":1,"t":17,"f":"x"}"#,
            r#"{"s":"a","h":1}"#,
            "",
        ] {
            assert_eq!(read_first(other.as_bytes()), None, "{other}");
        }
    }
}
