//! What is counted of each server, and since when it does as it does.

use std::time::Duration;

use crate::event::Report;
use crate::event::report::{ServerStatus, Status, Told};
use crate::hub::stories::world::{World, plan};

fn status(w: &mut World) -> Status {
    match w.reported("probe", Report::Status) {
        Told::Status(status) => status,
        other => panic!("no status, but {other:?}"),
    }
}

/// The first server of the plan.
fn first(w: &mut World) -> ServerStatus {
    status(w).servers.remove(0)
}

fn seconds(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

#[test]
fn a_call_counts_once_and_errors_by_whoever_fails_it() {
    let mut w = World::ready(&["git"]);
    w.connect(&["ann"]);
    w.calls("ann", "1", "git__x");
    w.calls("ann", "2", "git__x");
    let figures = first(&mut w).figures;
    assert_eq!((figures.calls, figures.errors), (2, 0));
    assert_eq!((figures.under_way, figures.queue), (2, 0));
    w.answers("git.1", 3, r#"{"content":[],"isError":true}"#);
    w.fails("git.1", 4, "no");
    let figures = first(&mut w).figures;
    assert_eq!(
        (figures.calls, figures.errors),
        (2, 1),
        "an isError is a result"
    );
    assert_eq!((figures.under_way, figures.queue), (0, 0));
    // One fails with its child, one is taken back, one has no answer in its time.
    w.calls("ann", "3", "git__x");
    w.dies("git.1");
    assert_eq!(first(&mut w).figures.errors, 2);
    w.pass(1.0);
    w.serve("git.2");
    w.calls("ann", "4", "git__x");
    w.cancels("ann", "4");
    w.calls("ann", "5", "git__x");
    w.pass(31.0);
    let figures = first(&mut w).figures;
    assert_eq!((figures.calls, figures.errors), (5, 3));
    assert_eq!(figures.under_way, 0, "nobody waits for these");
    // What comes too late changes nothing.
    w.answers("git.2", 4, "{}");
    assert_eq!(first(&mut w).figures.errors, 3);
}

#[test]
fn a_call_that_is_refused_counts_and_is_an_error() {
    let mut plan = plan(&["git"]);
    plan.reconnect_attempts_max = 1;
    let mut w = World::new(plan);
    w.serve("git.1");
    w.pass(0.2);
    w.connect(&["ann"]);
    w.dies("git.1");
    w.calls("ann", "1", "git__x");
    let git = first(&mut w);
    assert_eq!(git.health.state, "parked");
    assert_eq!((git.figures.calls, git.figures.errors), (1, 1));
}

#[test]
fn what_the_gateway_asks_of_its_own_is_no_call() {
    let mut w = World::ready(&["git"]);
    w.connect(&["ann"]);
    assert_eq!(first(&mut w).figures, Default::default());
}

#[test]
fn calls_that_wait_are_the_queue() {
    let mut plan = plan(&["git"]);
    plan.servers[0].concurrent_max = 1;
    let mut w = World::new(plan);
    w.serve("git.1");
    w.pass(0.2);
    w.connect(&["ann"]);
    for id in ["1", "2", "3"] {
        w.calls("ann", id, "git__x");
    }
    let figures = first(&mut w).figures;
    assert_eq!((figures.under_way, figures.queue), (1, 2));
    w.answers("git.1", 3, "{}");
    let figures = first(&mut w).figures;
    assert_eq!((figures.under_way, figures.queue), (1, 1));
}

#[test]
fn times_include_the_waiting_and_those_that_had_no_answer() {
    let mut plan = plan(&["git"]);
    plan.servers[0].concurrent_max = 1;
    let mut w = World::new(plan);
    w.serve("git.1");
    w.pass(0.2);
    w.connect(&["ann"]);
    assert_eq!(first(&mut w).figures.times, None);
    w.calls("ann", "1", "git__x");
    w.calls("ann", "2", "git__x");
    w.pass(1.0);
    w.answers("git.1", 3, "{}");
    w.pass(1.0);
    w.answers("git.1", 4, "{}");
    // One took one second, and one two.
    let [half, most] = first(&mut w).figures.times.expect("there were calls");
    assert!(half.abs_diff(seconds(1.0)) < seconds(0.2), "{half:?}");
    assert!(most.abs_diff(seconds(2.0)) < seconds(0.4), "{most:?}");
    w.calls("ann", "3", "git__x");
    w.pass(30.0);
    let [_, most] = first(&mut w).figures.times.expect("there were calls");
    assert!(most.abs_diff(seconds(30.0)) < seconds(5.0), "{most:?}");
}

#[test]
fn a_restart_is_a_start_after_a_failure_and_changes_state_and_process() {
    let mut w = World::ready(&["git"]);
    let before = first(&mut w);
    let process = before.process.expect("it runs");
    assert_eq!((before.figures.restarts, before.health.state), (0, "ready"));
    w.pass(5.0);
    let later = first(&mut w);
    assert_eq!(later.since, before.since);
    assert_eq!(later.age, before.age + seconds(5.0));
    assert_eq!(
        later.process.expect("it runs").uptime,
        process.uptime + seconds(5.0)
    );
    w.dies("git.1");
    let down = first(&mut w);
    assert_eq!(
        (down.figures.restarts, down.health.state),
        (0, "restarting")
    );
    assert!(down.since > before.since);
    assert_eq!((down.process, down.age), (None, Duration::ZERO));
    w.pass(1.0);
    assert_eq!(first(&mut w).figures.restarts, 1);
    w.serve("git.2");
    let up = first(&mut w);
    assert_eq!((up.figures.restarts, up.health.state), (1, "ready"));
    assert_ne!(up.process.expect("it runs").life, process.life);
    assert!(up.since > down.since);
}

#[test]
fn since_is_on_the_wall_clock_and_uptime_is_the_gateways() {
    let mut w = World::ready(&["git"]);
    w.pass(7.0);
    let status = status(&mut w);
    assert_eq!(status.uptime, w.now.0);
    let git = &status.servers[0];
    assert_eq!(
        git.since + git.age,
        Duration::from_secs(1_800_000_000) + w.now.0
    );
}

#[test]
fn the_processes_of_sessions_are_told_beside_the_one_that_lists() {
    let mut w = World::scoped(&["git"], &["git"]);
    w.serve("git.1");
    w.pass(0.2);
    w.connect(&["ann"]);
    w.calls("ann", "1", "git__x");
    let git = first(&mut w);
    assert_eq!((git.others.len(), git.figures.queue), (0, 1));
    w.serve("git.2");
    let git = first(&mut w);
    assert_eq!(git.others.len(), 1);
    assert_ne!(git.others[0].life, git.process.expect("it runs").life);
    assert_eq!((git.figures.under_way, git.figures.queue), (1, 0));
    w.dies("git.2");
    w.pass(2.0);
    assert_eq!(first(&mut w).figures.restarts, 1);
}

#[test]
fn an_answer_is_an_error_or_it_is_none() {
    let mut w = World::ready(&["git"]);
    w.connect(&["ann"]);
    for (number, id) in ["1", "2"].into_iter().enumerate() {
        w.calls("ann", id, "git__x");
        w.answers("git.1", 3 + number, "{}");
    }
    assert_eq!(first(&mut w).figures.errors, 0);
    w.calls("ann", "3", "git__x");
    w.fails("git.1", 5, "no");
    assert_eq!(first(&mut w).figures.errors, 1);
}

#[test]
fn calls_for_which_there_may_be_no_process_count_and_are_errors() {
    let mut plan = plan(&["git"]);
    plan.servers[0].scope = crate::config::checked::Scope::Session;
    plan.processes_max = 1;
    let mut w = World::new(plan);
    w.serve("git.1");
    w.pass(0.2);
    w.connect(&["ann", "bob"]);
    w.calls("ann", "1", "git__x");
    for refused in 1..=2 {
        w.calls("bob", "1", "git__x");
        let figures = first(&mut w).figures;
        assert_eq!((figures.calls, figures.errors), (1 + refused, refused));
    }
}
