//! The reaper as the program starts it: adopting. Each of these tests runs in
//! a process of its own, for it would steal the children of all others.

use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use crate::child::process::Process;
use crate::child::reaper::{Orphans, Reaper};
use crate::child::tests;
use crate::child::tests::{DEADLINE, Subject, eventually, kill_stranger, lives, sh};
use crate::event::{FromChild, Life};
use crate::procfs;

/// Runs one of the ignored tests below in a process of its own, which a shell
/// starts with the words `exec`.
pub(super) fn alone(test: &str, exec: &str) {
    let output = Command::new("sh")
        .arg("-c")
        .arg(format!(
            "{exec} \"$0\" --exact --ignored --nocapture --test-threads=1 \"$1\""
        ))
        .arg(std::env::current_exe().unwrap())
        .arg(format!("child::tests::{test}"))
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && said.contains("1 passed"),
        "{said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn the_end_leaves_no_process_behind() {
    alone("adopting::finish_kills_what_left_the_group", "exec");
}

#[test]
#[ignore = "runs in a process of its own"]
fn finish_kills_what_left_the_group() {
    let reaper = Reaper::start(Orphans::Adopt, None).unwrap();
    // A daemon with a child of its own, orphaned, in whose environment nothing says whose it is;
    // and one whose parent lives.
    let script = "setsid env -i /bin/sh -c 'setsid sleep 900 & echo $! >&2; wait' & ";
    let orphaned = Subject::start_with(sh("orphan", &format!("{script} sleep 0.3")), &reaper);
    let story = orphaned.story();
    let deep: u32 = story.last_words.unwrap().parse().unwrap();
    let parented = Subject::start_with(sh("parent", "setsid sleep 900 & wait"), &reaper);
    let pid = parented.spawned();
    assert!(lives(deep) && lives(pid), "out of reach until the end");

    assert_eq!(reaper.finish(DEADLINE), 0);
    assert_eq!(procfs::own_children().unwrap(), []);
    assert!(!lives(deep) && !lives(pid));
    let late = Subject::start_with(sh("late", "exit 0"), &reaper);
    assert!(matches!(late.next(), FromChild::SpawnFailed { why } if why.contains("stopping")));
    eventually("the reaper's thread ends", || !has_thread("reaper"));
}

fn has_thread(name: &str) -> bool {
    std::fs::read_dir("/proc/self/task")
        .unwrap()
        .filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("comm")).ok())
        .any(|comm| comm.trim_end() == name)
}

#[test]
fn orphans_are_reaped() {
    alone("adopting::an_orphan_is_adopted_and_reaped", "exec");
}

#[test]
#[ignore = "runs in a process of its own"]
fn an_orphan_is_adopted_and_reaped() {
    let reaper = Reaper::start(Orphans::Adopt, None).unwrap();
    // It dies by a signal without a name, while the life that left it, and of which nothing in its
    // environment tells, is long over.
    let script = "setsid env -i /bin/sh -c 'sleep 0.5; kill -40 $$' & echo $! >&2; sleep 0.2";
    let subject = Subject::start_with(sh("leaver", script), &reaper);
    let story = subject.story();
    let orphan: i32 = story.last_words.unwrap().parse().unwrap();
    let adopted = || {
        procfs::own_children()
            .unwrap()
            .iter()
            .any(|kin| kin.pid == orphan)
    };
    assert!(adopted());
    eventually("the orphan is reaped", || !adopted());
}

#[test]
fn a_failed_exec_is_not_stolen_from_std() {
    alone("adopting::many_fail_and_many_live", "exec");
}

#[test]
#[ignore = "runs in a process of its own"]
fn many_fail_and_many_live() {
    let reaper = Reaper::start(Orphans::Adopt, None).unwrap();
    let subjects: Vec<Subject> = (0..200)
        .map(|number| {
            let mut recipe = sh("mixed", "exit 2");
            if number % 2 == 0 {
                recipe.program = "no-such-program".into();
            }
            Subject::start_with(recipe, &reaper)
        })
        .collect();
    for (number, subject) in subjects.iter().enumerate() {
        if number % 2 == 0 {
            let word = subject.next();
            assert!(
                matches!(&word, FromChild::SpawnFailed { why } if why.contains("No such file")),
                "{word:?}"
            );
        } else {
            assert_eq!(subject.story().how(), "exited with code 2");
        }
    }
    assert_eq!(procfs::own_children().unwrap(), []);
}

#[test]
fn an_ignored_sigchld_hides_no_exit() {
    let ignoring = "env --ignore-signal=CHLD";
    let shell = |script: &str| Command::new("sh").args(["-c", script]).output().unwrap();
    if !shell(&format!("{ignoring} true")).status.success() {
        // Only GNU's `env` can do that, and safe Rust cannot.
        return;
    }
    alone(
        "adopting::the_exit_code_is_known",
        &format!("exec {ignoring}"),
    );
}

#[test]
#[ignore = "runs in a process of its own"]
fn the_exit_code_is_known() {
    let ignores_sigchld = |status: &str| {
        let (_, rest) = status.split_once("SigIgn:").unwrap();
        let mask = rest.split_whitespace().next().unwrap();
        u64::from_str_radix(mask, 16).unwrap() & (1 << 16) != 0
    };
    let own = std::fs::read_to_string("/proc/self/status").unwrap();
    assert!(ignores_sigchld(&own), "else this test tests nothing");
    let reaper = Reaper::start(Orphans::Adopt, None).unwrap();
    let story = Subject::start_with(sh("chld", "exit 9"), &reaper).story();
    assert_eq!(story.how(), "exited with code 9");
    // Nor do our children inherit it.
    let script = "grep SigIgn /proc/self/status >&2";
    let story = Subject::start_with(sh("ign", script), &reaper).story();
    assert!(!ignores_sigchld(&story.last_words.unwrap()));
}

#[test]
fn a_process_from_before_us_is_not_ours_to_kill() {
    alone(
        "adopting::finish_spares_the_inherited",
        "sleep 900 & export HELPER=$!; exec",
    );
}

#[test]
#[ignore = "runs in a process of its own"]
fn finish_spares_the_inherited() {
    let told = std::env::var("HELPER").unwrap();
    let helper = told.parse().unwrap();
    let reaper = Reaper::start(Orphans::Adopt, None).unwrap();
    let subject = Subject::start_with(sh("ours", "exec sleep 900"), &reaper);
    subject.spawned();
    assert_eq!(reaper.finish(DEADLINE), 0);
    assert!(lives(helper));
    kill_stranger(&told);
    eventually("it is reaped all the same", || {
        procfs::own_children().unwrap().is_empty()
    });
}

#[test]
fn what_cannot_die_in_time_is_counted() {
    // Without a reaper thread's help a zombie stays: a book that nobody reaps.
    let reaper = Reaper::start(Orphans::Ignore, None).unwrap();
    let process = Arc::new(Process::starting(Life(1), "slow"));
    let mut command = Command::new("sleep");
    command.arg("900");
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    let spawned = reaper.spawn(&mut command, &process).unwrap();
    assert_eq!(reaper.finish(Duration::ZERO), 1);
    assert!(spawned.exit.wait(Some(tests::DEADLINE)));
    assert_eq!(reaper.finish(tests::DEADLINE), 0);
}
