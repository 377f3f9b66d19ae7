//! That the help leaves nothing out and fits a terminal.

use crate::cli::commands::{SUB_COMMANDS, Verb, sub_command};
use crate::cli::exit::Exit;
use crate::cli::flags::FLAGS;
use crate::cli::help::{long, short};
use crate::cli::reference::ENVIRONMENT;

#[test]
fn both_mention_every_flag_and_command() {
    for help in [short(), long()] {
        for flag in FLAGS {
            let name = format!("--{}", flag.long);
            let found = help.split([' ', '\n']).any(|word| word == name);
            assert!(found, "{name} is missing in\n{help}");
            if let Some(letter) = flag.short {
                assert!(help.contains(&format!("-{letter}, {name}")), "-{letter}");
            }
        }
        for row in SUB_COMMANDS {
            assert!(help.contains(row.synopsis), "{} is missing", row.synopsis);
        }
    }
}

#[test]
fn the_long_one_tells_of_the_environment_and_the_exit_codes() {
    let help = long();
    for entry in ENVIRONMENT {
        assert!(help.contains(entry.name), "{}", entry.name);
    }
    for (exit, line) in Exit::ALL.iter().zip(["  0  ", "  1  ", "  2  ", "  3  "]) {
        assert!(help.contains(&format!("{line}{}", exit.doc())), "{exit:?}");
    }
}

#[test]
fn no_line_is_wider_than_a_terminal() {
    for help in [short(), long()] {
        for line in help.lines() {
            assert!(line.chars().count() <= 80, "{line}");
            assert!(!line.ends_with(' '), "{line:?}");
        }
        assert!(help.ends_with(".\n") && !help.ends_with("\n\n"));
    }
}

#[test]
fn every_verb_has_its_row() {
    for verb in [
        Verb::Serve,
        Verb::ServeOne,
        Verb::Stdio,
        Verb::Check,
        Verb::Tools,
        Verb::Call,
        Verb::DemoServer,
    ] {
        assert_eq!(sub_command(verb).verb, verb);
    }
}
