//! Lines, to the letter; and that no message can be more than one of them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use log::Level;
use proptest::prelude::*;

use crate::limits;
use crate::logging::Format;
use crate::logging::layout::{Dress, Entry, Layout};

const PLAIN: Layout = Layout {
    format: Format::Text,
    dress: Dress::Plain,
    targets: false,
};

const JSON: Layout = Layout {
    format: Format::Json,
    ..PLAIN
};

fn time() -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(1_795_255_200_123)
}

fn line(layout: Layout, level: Level, message: &str) -> String {
    layout.line(&Entry {
        time: time(),
        level,
        target: "mcproxy::hub",
        message: &message,
    })
}

#[test]
fn text_is_quiet_and_aligned() {
    assert_eq!(
        line(PLAIN, Level::Info, "github: ready, 26 tools (1.2 s)"),
        "2026-11-21T10:00:00.123Z INFO  github: ready, 26 tools (1.2 s)\n"
    );
    assert_eq!(
        line(PLAIN, Level::Error, "x"),
        "2026-11-21T10:00:00.123Z ERROR x\n"
    );
}

#[test]
fn targets_are_named_on_demand() {
    let layout = Layout {
        targets: true,
        ..PLAIN
    };
    assert_eq!(
        line(layout, Level::Debug, "x"),
        "2026-11-21T10:00:00.123Z DEBUG mcproxy::hub: x\n"
    );
}

#[test]
fn a_terminal_gets_a_coloured_level() {
    let layout = Layout {
        dress: Dress::Coloured,
        ..PLAIN
    };
    assert_eq!(
        line(layout, Level::Warn, "x"),
        "2026-11-21T10:00:00.123Z \x1b[33mWARN \x1b[0m x\n"
    );
}

#[test]
fn the_journal_and_syslog_get_priorities_and_no_time() {
    let journal = Layout {
        dress: Dress::Journal,
        ..PLAIN
    };
    let syslog = Layout {
        dress: Dress::Syslog { process: 7 },
        ..PLAIN
    };
    for (level, severity) in [
        (Level::Error, 3),
        (Level::Warn, 4),
        (Level::Info, 6),
        (Level::Debug, 7),
        (Level::Trace, 7),
    ] {
        assert_eq!(line(journal, level, "x"), format!("<{severity}>x\n"));
        let priority = 24 + severity;
        assert_eq!(
            line(syslog, level, "x"),
            format!("<{priority}>mcproxy[7]: x\n")
        );
    }
    let both = Layout {
        format: Format::Json,
        ..journal
    };
    assert!(line(both, Level::Info, "x").starts_with("<6>{\"ts\":"));
}

#[test]
fn json_has_four_members() {
    assert_eq!(
        line(JSON, Level::Warn, "a \"b\" \\ é\u{1b}"),
        "{\"ts\":\"2026-11-21T10:00:00.123Z\",\"level\":\"warn\",\
         \"target\":\"mcproxy::hub\",\"message\":\"a \\\"b\\\" \\\\ é\\u001b\"}\n"
    );
}

#[test]
fn what_commands_a_terminal_or_forges_a_line_is_escaped() {
    for (bad, shown) in [
        ("\n", "\\n"),
        ("\r", "\\r"),
        ("\0", "\\u{0}"),
        ("\x1b[31m", "\\u{1b}[31m"),
        ("\x7f", "\\u{7f}"),
        ("\u{9b}", "\\u{9b}"),
        ("\u{2028}", "\\u{2028}"),
        ("\u{202e}", "\\u{202e}"),
        ("\u{2066}", "\\u{2066}"),
    ] {
        let text = line(PLAIN, Level::Info, &format!("a{bad}b"));
        assert_eq!(text, format!("2026-11-21T10:00:00.123Z INFO  a{shown}b\n"));
        let json = line(JSON, Level::Info, bad);
        assert!(!json.trim_end_matches('\n').contains(bad), "{json:?}");
    }
    // What harms nobody stays.
    assert!(line(PLAIN, Level::Info, "a\tb é ✓ \\n").ends_with("a\tb é ✓ \\n\n"));
}

#[test]
fn a_message_that_is_too_long_is_cut_between_characters() {
    let most = limits::LOG_MESSAGE_BYTES_MAX;
    let fits = "x".repeat(most);
    assert!(line(PLAIN, Level::Info, &fits).ends_with("xx\n"));
    let text = line(PLAIN, Level::Info, &format!("{fits}yz"));
    assert!(text.ends_with("xx… (2 more bytes)\n"));
    let text = line(PLAIN, Level::Info, &format!("{}é", "x".repeat(most - 1)));
    assert!(text.ends_with("xx… (2 more bytes)\n"));
    // Escapes count as what they become.
    let text = line(PLAIN, Level::Info, &"\n".repeat(most));
    assert!(text.len() < most + 64, "{}", text.len());
    assert!(text.ends_with(&format!("\\n… ({} more bytes)\n", most / 2)));
}

proptest! {
    #[test]
    fn no_message_makes_two_lines(message in any::<String>()) {
        for layout in [PLAIN, JSON] {
            let line = line(layout, Level::Info, &message);
            let body = line.strip_suffix('\n').expect("a line ends in a newline");
            prop_assert!(!body.chars().any(|c| c.is_control() && c != '\t'), "{body:?}");
        }
    }

    #[test]
    fn json_gives_every_message_back(message in any::<String>()) {
        let line = line(JSON, Level::Info, &message);
        let read: serde_json::Value = serde_json::from_str(&line).expect("it is JSON");
        prop_assert_eq!(read["message"].as_str(), Some(message.as_str()));
    }
}
