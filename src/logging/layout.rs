//! What a line of the log looks like. Pure.

use std::fmt::{self, Write};
use std::time::SystemTime;

use log::Level;

use crate::limits;
use crate::logging::Format;
use crate::logging::timestamp::rfc3339_millis;

/// One message.
#[derive(Clone, Copy)]
pub struct Entry<'a> {
    /// When it was logged.
    pub time: SystemTime,
    /// How severe it is.
    pub level: Level,
    /// The part of the program that logs it.
    pub target: &'a str,
    /// What it says; untrusted.
    pub message: &'a dyn fmt::Display,
}

/// What stands in front of a line, beside its text, for the reader at hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dress {
    /// Time and level.
    Plain,
    /// Time and level, the level coloured.
    Coloured,
    /// The priority as `<N>` (sd-daemon(3)); the journal knows the time.
    Journal,
    /// Priority and tag (RFC 3164); the daemon knows the time, and without
    /// one in the message it need not be told the time zone.
    Syslog {
        /// The process id in the tag.
        process: u32,
    },
}

/// How lines are laid out.
#[derive(Debug, Clone, Copy)]
pub struct Layout {
    /// Text or JSON.
    pub format: Format,
    /// What stands in front.
    pub dress: Dress,
    /// Whether text names the target.
    pub targets: bool,
}

impl Layout {
    /// `entry` as one line, newline included.
    pub fn line(&self, entry: &Entry<'_>) -> String {
        let mut line = String::with_capacity(128);
        match self.dress {
            Dress::Plain | Dress::Coloured => {}
            Dress::Journal => push(&mut line, format_args!("<{}>", severity(entry.level))),
            Dress::Syslog { process } => push(
                &mut line,
                format_args!(
                    "<{}>mcproxy[{process}]: ",
                    FACILITY_DAEMON * 8 + severity(entry.level)
                ),
            ),
        }
        match self.format {
            Format::Json => json(&mut line, entry),
            Format::Text => self.text(&mut line, entry),
        }
        line.push('\n');
        line
    }

    fn text(&self, line: &mut String, entry: &Entry<'_>) {
        let level = entry.level;
        match self.dress {
            Dress::Plain => push(
                line,
                format_args!("{} {level:<5} ", rfc3339_millis(entry.time)),
            ),
            Dress::Coloured => push(
                line,
                format_args!(
                    "{} \x1b[{}m{level:<5}\x1b[0m ",
                    rfc3339_millis(entry.time),
                    colour(level)
                ),
            ),
            Dress::Journal | Dress::Syslog { .. } => {}
        }
        if self.targets {
            push_escaped(line, text_escape, &format_args!("{}: ", entry.target));
        }
        push_escaped(line, text_escape, entry.message);
    }
}

/// The facility of daemons (RFC 3164, section 4.1.1).
const FACILITY_DAEMON: u8 = 3;

/// The severities of syslog (RFC 3164, section 4.1.1), which the journal uses
/// too. It knows nothing below debug.
const fn severity(level: Level) -> u8 {
    match level {
        Level::Error => 3,
        Level::Warn => 4,
        Level::Info => 6,
        Level::Debug | Level::Trace => 7,
    }
}

/// The SGR parameter of a level: red, yellow, green, blue, magenta.
const fn colour(level: Level) -> u8 {
    match level {
        Level::Error => 31,
        Level::Warn => 33,
        Level::Info => 32,
        Level::Debug => 34,
        Level::Trace => 35,
    }
}

fn json(line: &mut String, entry: &Entry<'_>) {
    let ts = rfc3339_millis(entry.time);
    let level = match entry.level {
        Level::Error => "error",
        Level::Warn => "warn",
        Level::Info => "info",
        Level::Debug => "debug",
        Level::Trace => "trace",
    };
    push(
        line,
        format_args!("{{\"ts\":\"{ts}\",\"level\":\"{level}\",\"target\":\""),
    );
    push_escaped(line, json_escape, &entry.target);
    line.push_str("\",\"message\":\"");
    push_escaped(line, json_escape, entry.message);
    line.push_str("\"}");
}

/// Whether a character can command a terminal or forge a line: the control
/// characters (C0, DEL, C1), the line separators, and those that turn the
/// direction of the text around.
fn is_dangerous(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

/// The escape of a character in text, if it needs one. A backslash stays as
/// it is: the lines are for people, not to be read back.
fn text_escape(c: char) -> Option<String> {
    match c {
        '\t' => None,
        '\n' => Some("\\n".to_owned()),
        '\r' => Some("\\r".to_owned()),
        c if is_dangerous(c) => Some(format!("\\u{{{:x}}}", u32::from(c))),
        _ => None,
    }
}

/// The escape of a character in a JSON string (RFC 8259, section 7), if it
/// needs one. All that is dangerous lies in the first plane, so four digits do.
fn json_escape(c: char) -> Option<String> {
    match c {
        '"' | '\\' => Some(format!("\\{c}")),
        c if is_dangerous(c) => Some(format!("\\u{:04x}", u32::from(c))),
        _ => None,
    }
}

fn push(line: &mut String, text: fmt::Arguments<'_>) {
    // Writing to a String fails only where a Display implementation does, and
    // then the line is shorter.
    let _ = line.write_fmt(text);
}

/// Appends what `text` displays, escaped, and cut off where it is too long.
fn push_escaped(line: &mut String, escape: fn(char) -> Option<String>, text: &dyn fmt::Display) {
    let mut escaper = Escaper {
        line,
        escape,
        left: limits::LOG_MESSAGE_BYTES_MAX,
        cut: 0,
    };
    let _ = write!(escaper, "{text}");
    if escaper.cut > 0 {
        let cut = escaper.cut;
        push(line, format_args!("… ({cut} more bytes)"));
    }
}

struct Escaper<'a> {
    line: &'a mut String,
    escape: fn(char) -> Option<String>,
    /// Bytes that may still be written.
    left: usize,
    /// Bytes, as they came, that found no room.
    cut: usize,
}

impl Write for Escaper<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for (place, c) in text.char_indices() {
            if self.cut > 0 {
                self.cut += text.len() - place;
                return Ok(());
            }
            let escaped = (self.escape)(c);
            let length = escaped.as_ref().map_or(c.len_utf8(), String::len);
            if length > self.left {
                self.cut = text.len() - place;
                return Ok(());
            }
            self.left -= length;
            match escaped {
                Some(escaped) => self.line.push_str(&escaped),
                None => self.line.push(c),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
