//! That the man page leaves nothing out and that groff has nothing to say.

use std::io::Write;
use std::process::{Command, Stdio};

use crate::cli::commands::SUB_COMMANDS;
use crate::cli::flags::FLAGS;
use crate::cli::man::{escape, page};
use crate::cli::reference::ENVIRONMENT;

#[test]
fn every_flag_command_and_variable_is_mentioned() {
    let page = page();
    for flag in FLAGS {
        let name = escape(&format!("--{}", flag.long));
        assert!(page.contains(&format!("\\fB{name}\\fR")), "{name}");
    }
    for row in SUB_COMMANDS {
        let name = escape(&format!("mcproxy {}", row.synopsis));
        assert!(page.contains(&name), "{name}");
    }
    for entry in ENVIRONMENT {
        assert!(page.contains(entry.name), "{}", entry.name);
    }
}

#[test]
fn no_text_is_taken_for_roff() {
    assert_eq!(escape(".so /etc/passwd"), "\\&.so /etc/passwd");
    assert_eq!(escape("'x"), "\\&\\(aqx");
    assert_eq!(escape("a\\b"), "a\\eb");
    assert_eq!(escape("--x …"), "\\-\\-x \\[u2026]");
    assert!(page().is_ascii());
}

/// Where groff is not installed, there is nothing to try.
#[test]
fn groff_renders_it_without_a_warning() {
    let groff = Command::new("groff")
        .args(["-man", "-ww", "-Tutf8"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let Ok(mut groff) = groff else {
        return;
    };
    let mut stdin = groff.stdin.take().expect("it is piped");
    stdin.write_all(page().as_bytes()).expect("groff reads");
    drop(stdin);
    let done = groff.wait_with_output().expect("groff ends");
    assert_eq!(String::from_utf8_lossy(&done.stderr), "");
    let shown = String::from_utf8_lossy(&done.stdout);
    assert!(shown.contains("[ARG…]"), "{shown}");
}
