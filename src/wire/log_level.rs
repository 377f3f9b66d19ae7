//! The log levels of MCP, which are those of syslog (RFC 5424, section 6.2.1).

use crate::wire::envelope::Message;

/// How grave a log message is. The order is that of gravity, so `>=` asks
/// whether a message reaches the level that a client has set.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum LogLevel {
    /// `debug`
    Debug,
    /// `info`
    Info,
    /// `notice`
    Notice,
    /// `warning`
    Warning,
    /// `error`
    Error,
    /// `critical`
    Critical,
    /// `alert`
    Alert,
    /// `emergency`
    Emergency,
}

impl LogLevel {
    /// Every one, the least grave first.
    pub const ALL: [LogLevel; 8] = [
        LogLevel::Debug,
        LogLevel::Info,
        LogLevel::Notice,
        LogLevel::Warning,
        LogLevel::Error,
        LogLevel::Critical,
        LogLevel::Alert,
        LogLevel::Emergency,
    ];

    /// Its name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            LogLevel::Debug => "debug",
            LogLevel::Info => "info",
            LogLevel::Notice => "notice",
            LogLevel::Warning => "warning",
            LogLevel::Error => "error",
            LogLevel::Critical => "critical",
            LogLevel::Alert => "alert",
            LogLevel::Emergency => "emergency",
        }
    }

    /// The level of that name.
    pub fn from_name(name: &str) -> Option<LogLevel> {
        LogLevel::ALL.into_iter().find(|level| level.name() == name)
    }
}

/// The level of a log message, or the one that a `logging/setLevel` asks for;
/// `None` if it is missing or unknown.
pub fn read_log_level(message: &Message) -> Option<LogLevel> {
    LogLevel::from_name(&message.text(message.marks.level?)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_ordered_by_gravity_and_known_by_name() {
        assert!(LogLevel::ALL.is_sorted());
        assert!(LogLevel::Emergency > LogLevel::Error && LogLevel::Debug < LogLevel::Info);
        for level in LogLevel::ALL {
            assert_eq!(LogLevel::from_name(level.name()), Some(level));
        }
        assert_eq!(LogLevel::from_name("warn"), None);
    }

    #[test]
    fn a_message_tells_its_level() {
        let level = |params: &str| {
            let text = format!(
                r#"{{"jsonrpc":"2.0","method":"notifications/message","params":{params}}}"#
            );
            read_log_level(&Message::parse(text.into()).expect("a message"))
        };
        assert_eq!(
            level(r#"{"data":1,"level":"warning"}"#),
            Some(LogLevel::Warning)
        );
        assert_eq!(level(r#"{"level":"Warning"}"#), None);
        assert_eq!(level(r#"{"level":4}"#), None);
        assert_eq!(level("{}"), None);
    }
}
