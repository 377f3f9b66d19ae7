//! What a child gets from us, and what it must not get.

use std::process::{Command, Stdio};
use std::sync::Arc;

use crate::child::process::Process;
use crate::child::tests::{Subject, eventually, is_zombie, sh, shared_reaper};
use crate::event::{Life, Signal};

/// What a script says on stderr, in one line.
fn says(name: &str, script: &str) -> String {
    let story = Subject::start(sh(name, script)).story();
    story.last_words.unwrap_or_default()
}

#[test]
fn a_child_inherits_no_descriptor() {
    let list = "ls /proc/self/fd | tr '\\n' ' ' >&2";
    // While many pipes are open here.
    let others: Vec<Subject> = (0..20)
        .map(|_| Subject::start(sh("fdother", "exec cat")))
        .collect();
    for other in &others {
        other.spawned();
    }
    // Whoever runs the tests may leave descriptors to us that are inherited
    // by every process; only what `std` alone would not show is ours.
    let plain = Command::new("sh")
        .args(["-c", list])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .output()
        .unwrap();
    let expected = String::from_utf8(plain.stderr).unwrap();
    assert_eq!(says("fds", list), expected.trim_end());
}

#[test]
fn a_child_starts_with_clean_signals_in_a_group_of_its_own() {
    let mask = |status: &str, name: &str| {
        let (_, rest) = status.split_once(name).unwrap();
        u64::from_str_radix(rest.split_whitespace().next().unwrap(), 16).unwrap()
    };
    let told = says("mask", "grep ^Sig /proc/self/status | tr '\\n' ' ' >&2");
    assert_eq!(mask(&told, "SigBlk:"), 0);
    // What our own parent ignores stays ignored, but not the SIGPIPE (13) that
    // every Rust program ignores.
    let own = std::fs::read_to_string("/proc/self/status").unwrap();
    assert_eq!(mask(&told, "SigIgn:"), mask(&own, "SigIgn:") & !(1 << 12));
    // The fifth field is the process group.
    assert_eq!(
        says(
            "pgid",
            "test $(cut -d' ' -f5 /proc/$$/stat) = $$ && echo leader >&2"
        ),
        "leader"
    );
}

#[test]
fn the_environment_and_the_directory_are_those_of_the_recipe() {
    let script = r#"test "$HOME$USER$CARGO" = '' && echo "$ONLY in $(pwd)" >&2"#;
    let mut recipe = sh("env", script);
    recipe.env.push(("ONLY".to_owned(), "this one".to_owned()));
    recipe.cwd = Some("/usr".into());
    let story = Subject::start(recipe).story();
    assert_eq!(story.last_words.as_deref(), Some("this one in /usr"));
}

#[test]
fn a_signal_that_came_before_the_process_still_ends_it() {
    let process = Arc::new(Process::starting(Life(1), "early"));
    process.signal(Signal::Kill);
    let mut command = Command::new("sleep");
    command.arg("900");
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    let spawned = shared_reaper().spawn(&mut command, &process).unwrap();
    assert!(spawned.exit.wait(Some(crate::child::tests::DEADLINE)));
    assert_eq!(
        process.how().as_deref(),
        Some("was killed by signal 9 (SIGKILL)")
    );
}

#[test]
fn others_children_in_this_process_are_left_to_them() {
    let mut foreign = Command::new("sh").args(["-c", "exit 5"]).spawn().unwrap();
    eventually("the foreign child is a zombie", || is_zombie(foreign.id()));
    // Ours are seen although the kernel shows the foreign one first.
    for _ in 0..10 {
        let story = Subject::start(sh("beside", "exit 6")).story();
        assert_eq!(story.how(), "exited with code 6");
    }
    assert!(is_zombie(foreign.id()));
    assert_eq!(foreign.wait().unwrap().code(), Some(5));
}
