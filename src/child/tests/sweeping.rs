//! What a life leaves behind, with a reaper that adopts: each of these tests
//! runs in a process of its own, as in `adopting`.

use std::time::Duration;

use crate::child::mark;
use crate::child::reaper::{Orphans, Reaper};
use crate::child::tests::adopting::alone;
use crate::child::tests::{DEADLINE, Story, Subject, eventually, lives, sh};
use crate::event::{FromChild, Signal};
use crate::procfs;

/// The process ids that a script has written to stderr, a line each.
fn pids(subject: &Subject, count: usize) -> Vec<u32> {
    eventually("it has said them all", || {
        subject.handle.last_lines().len() >= count
    });
    let lines = subject.handle.last_lines();
    lines.iter().map(|line| line.parse().unwrap()).collect()
}

/// Waits for the end of a life, and that of these processes.
fn all_go(subject: &Subject, pids: &[u32]) -> Story {
    let mut story = Story::default();
    while story.how.is_none() {
        if let FromChild::Exited { how, last_words } = subject.next() {
            story.how = Some(how);
            story.last_words = last_words;
        }
    }
    eventually("all of the life is dead", || {
        !pids.iter().any(|&pid| lives(pid))
    });
    story
}

#[test]
fn however_a_life_ends_nothing_of_it_is_left() {
    alone("sweeping::daemons_go_with_their_life", "exec");
}

/// Daemons of every kind: plain, deaf, one below another, one in a group of its
/// own within the session, one that a shell started and left at once.
const DAEMONS: &str = "\
    setsid sh -c 'echo $$ >&2; exec sleep 900' & \
    setsid sh -c 'trap \"\" TERM HUP; echo $$ >&2; sleep 901; :' & \
    setsid sh -c 'echo $$ >&2; setsid sh -c \"echo \\$\\$ >&2; setsid sleep 902; :\"; :' & \
    (setsid sh -c 'echo $$ >&2; exec sleep 903' &) ; ";

#[test]
#[ignore = "runs in a process of its own"]
fn daemons_go_with_their_life() {
    let reaper = Reaper::start(Orphans::Adopt, None).unwrap();
    let start = |end: &str| Subject::start_with(sh("daemons", &format!("{DAEMONS}{end}")), &reaper);

    let mut crashing = start("read line; exit 7");
    let crashing_pids = pids(&crashing, 5);
    crashing
        .send(super::message(r#"{"jsonrpc":"2.0","method":"crash"}"#))
        .unwrap();
    assert_eq!(
        all_go(&crashing, &crashing_pids).how(),
        "exited with code 7"
    );

    let killed = start("exec sleep 904");
    let killed_pids = pids(&killed, 5);
    killed.handle.signal(Signal::Kill);
    assert!(all_go(&killed, &killed_pids).how().contains("SIGKILL"));

    let mut stopped = start("exec cat");
    let stopped_pids = pids(&stopped, 5);
    stopped.handle.close_input();
    assert_eq!(all_go(&stopped, &stopped_pids).how(), "exited with code 0");

    let terminated = start("trap 'exit 3' TERM; read line; :");
    let terminated_pids = pids(&terminated, 5);
    terminated.handle.signal(Signal::Terminate);
    all_go(&terminated, &terminated_pids);
    eventually("the last of them is reaped, too", || {
        procfs::own_children().unwrap().is_empty()
    });
}

#[test]
fn nobody_else_is_harmed() {
    alone("sweeping::the_daemons_of_another_life_live_on", "exec");
}

#[test]
#[ignore = "runs in a process of its own"]
fn the_daemons_of_another_life_live_on() {
    let reaper = Reaper::start(Orphans::Adopt, None).unwrap();
    // Adopted before the end of the other life: marked, clean, and marked by a gateway further in.
    let script = format!(
        "(setsid sh -c 'echo $$ >&2; exec sleep 900' &); \
         (setsid env -i /bin/sh -c 'echo $$ >&2; exec sleep 901' &); \
         ({0}=${0}/1-2-3 setsid sh -c 'echo $$ >&2; exec sleep 902' &); exec cat",
        mark::VARIABLE
    );
    let mut neighbour = Subject::start_with(sh("neighbour", &script), &reaper);
    let neighbours = pids(&neighbour, 3);
    let unmarked = |pid: u32| {
        let mark = procfs::variable(pid.cast_signed(), mark::VARIABLE);
        mark.unwrap().is_none()
    };
    // The others look so, too, at the moment at which they become `sleep`.
    eventually("but one of them has a mark", || {
        neighbours.iter().filter(|&&pid| unmarked(pid)).count() == 1
    });
    let clean = *neighbours.iter().find(|&&pid| unmarked(pid)).unwrap();
    // A mark of a gateway that is none of ours.
    let foreign = format!(
        "({}=1-2-3 setsid sh -c 'echo $$ >&2; exec sleep 903' &);",
        mark::VARIABLE
    );
    let mut ending = Subject::start_with(
        sh("ending", &format!("{foreign} {DAEMONS} exec cat")),
        &reaper,
    );
    let mut endings = pids(&ending, 6);
    endings.sort_unstable();
    let has_foreign = |pid: &&u32| {
        let mark = procfs::variable(pid.cast_signed(), mark::VARIABLE);
        mark.unwrap().as_deref() == Some(b"1-2-3")
    };
    eventually("one of them has the mark of another", || {
        endings.iter().any(|pid| has_foreign(&pid))
    });
    let foreign = *endings.iter().find(has_foreign).unwrap();
    // Killed, so that nothing is noted.
    ending.handle.signal(Signal::Kill);
    endings.retain(|&pid| pid != foreign);
    all_go(&ending, &endings);
    ending.handle.close_input();
    assert!(neighbours.iter().all(|&pid| lives(pid)));
    assert!(lives(foreign));
    neighbour.handle.close_input();
    let marked: Vec<u32> = neighbours.into_iter().filter(|&pid| pid != clean).collect();
    all_go(&neighbour, &marked);
    assert!(
        lives(foreign) && lives(clean),
        "nothing says whose they are"
    );
    assert_eq!(reaper.finish(DEADLINE), 0);
    assert!(!lives(foreign) && !lives(clean));
}

#[test]
fn a_clean_environment_hides_nobody_from_an_orderly_end() {
    alone(
        "sweeping::those_without_a_mark_go_if_they_were_noted",
        "exec",
    );
}

#[test]
#[ignore = "runs in a process of its own"]
fn those_without_a_mark_go_if_they_were_noted() {
    let reaper = Reaper::start(Orphans::Adopt, None).unwrap();
    let script = "setsid env -i /bin/sh -c 'echo $$ >&2; sleep 900; :' & exec cat";
    let mut subject = Subject::start_with(sh("clean", script), &reaper);
    let clean = pids(&subject, 1);
    eventually("its own child is there", || {
        !procfs::descendants(clean[0].cast_signed())
            .unwrap()
            .is_empty()
    });
    let below = procfs::descendants(clean[0].cast_signed()).unwrap();
    let mark = procfs::variable(clean[0].cast_signed(), mark::VARIABLE);
    assert_eq!(mark.unwrap(), None, "else this test tests nothing");
    subject.handle.close_input();
    all_go(&subject, &[clean[0], below[0].pid.cast_unsigned()]);
}

#[test]
fn many_lives_that_end_at_once_are_all_swept_up_after() {
    alone("sweeping::many_end_at_once", "exec");
}

#[test]
#[ignore = "runs in a process of its own"]
fn many_end_at_once() {
    let reaper = Reaper::start(Orphans::Adopt, None).unwrap();
    let subjects: Vec<Subject> = (0..30)
        .map(|_| Subject::start_with(sh("many", &format!("{DAEMONS} exec sleep 905")), &reaper))
        .collect();
    let pids: Vec<u32> = subjects
        .iter()
        .flat_map(|subject| pids(subject, 5))
        .collect();
    for subject in &subjects {
        subject.handle.signal(Signal::Kill);
    }
    for subject in &subjects {
        assert!(all_go(subject, &[]).how().contains("SIGKILL"));
    }
    eventually("all of all lives is dead", || {
        !pids.iter().any(|&pid| lives(pid))
    });
    // The reaper has had its hands free all the while.
    let next = Subject::start_with(sh("next", "exit 5"), &reaper);
    assert_eq!(next.story().how(), "exited with code 5");
    assert_eq!(reaper.finish(Duration::from_secs(5)), 0);
}
