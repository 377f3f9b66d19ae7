//! That the completions leave nothing out, that each shell can read its own,
//! and that bash completes what it should.

use std::io::Write;
use std::process::{Command, Stdio};

use crate::cli::commands::words;
use crate::cli::completions::{bash, fish, zsh};
use crate::cli::flags::FLAGS;

#[test]
fn every_flag_and_command_is_mentioned() {
    for (script, dashes) in [(bash(), "--"), (zsh(), "--"), (fish(), "-l ")] {
        let mut words_of_script = words();
        assert!(words_of_script.all(|word| script.contains(word)));
        for flag in FLAGS {
            let name = format!("{dashes}{}", flag.long);
            let ends = [" ", "=", "[", "|", ")"];
            let found = ends
                .iter()
                .any(|end| script.contains(&format!("{name}{end}")));
            assert!(found, "{name} is missing in\n{script}");
        }
        for mark in ["@VALUES@", "@FLAGS@", "@WORDS@", "@TAKERS@", "@COMMANDS@"] {
            assert!(!script.contains(mark), "{mark} was not filled in");
        }
    }
}

/// What `shell` says on reading `script`; `None` where it is not installed.
fn run(shell: &str, arguments: &[&str], script: &str) -> Option<(String, String)> {
    let mut child = Command::new(shell)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .ok()?;
    let mut stdin = child.stdin.take().expect("it is piped");
    stdin.write_all(script.as_bytes()).expect("the shell reads");
    drop(stdin);
    let done = child.wait_with_output().expect("the shell ends");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("it is text");
    Some((text(done.stdout), text(done.stderr)))
}

#[test]
fn each_shell_can_read_its_own() {
    for (shell, option, script) in [
        ("bash", "-n", bash()),
        ("zsh", "-n", zsh()),
        ("fish", "--no-execute", fish()),
    ] {
        if let Some((_, complaint)) = run(shell, &[option], &script) {
            assert_eq!(complaint, "", "{shell}");
        }
    }
}

/// What bash offers for the last of `words`; `None` without bash.
fn offered(words: &[&str]) -> Option<String> {
    let quoted: Vec<String> = words.iter().map(|word| format!("'{word}'")).collect();
    let script = format!(
        "{}\ncompopt() {{ :; }}\nCOMP_WORDS=({})\nCOMP_CWORD={}\n_mcproxy\necho \"${{COMPREPLY[*]}}\"\n",
        bash(),
        quoted.join(" "),
        words.len() - 1
    );
    let (offered, complaint) = run("bash", &["--norc"], &script)?;
    assert_eq!(complaint, "");
    Some(offered.trim_end().to_owned())
}

#[test]
fn bash_completes() {
    for (line, expected) in [
        (&["mcproxy", "che"][..], "check"),
        (&["mcproxy", "--log-l"], "--log-level"),
        (&["mcproxy", "--log-level", "de"], "debug"),
        (&["mcproxy", "--log-level", "=", "de"], "debug"),
        (&["mcproxy", "--generate", "="], "man bash zsh fish"),
        (&["mcproxy", "check", "--s"], "--schema"),
        (&["mcproxy", "tools", "--s"], ""),
        // The word behind --config is a file, whatever it is called.
        (&["mcproxy", "--config", "check", "--s"], ""),
        (&["mcproxy", "--host", "x"], ""),
        (&["mcproxy", "--config", "Cargo.t"], "Cargo.toml"),
        (&["mcproxy", "--", "cat", "Cargo.t"], "Cargo.toml"),
    ] {
        if let Some(offered) = offered(line) {
            assert_eq!(offered, expected, "{line:?}");
        }
    }
}
