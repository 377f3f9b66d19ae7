//! How a server does, as those see it who watch: the word, why, and since when.

use std::time::Duration;

use crate::event::{FromChild, Report, ServerId};
use crate::hub::condition::{Condition, State};
use crate::hub::stories::world::{World, plan};
use crate::plan::{Plan, Readiness};

/// The condition of the first server, why, and since which second.
fn state(w: &World) -> (Condition, String, f64) {
    let State {
        condition,
        reason,
        since,
    } = w.hub.state_of(ServerId(0));
    (condition, reason.unwrap_or_default(), since.0.as_secs_f64())
}

fn is(w: &mut World, condition: Condition, reason: &str, since: f64) {
    w.inquires("probe", Report::Health);
    assert_eq!(state(w), (condition, reason.to_owned(), since));
}

fn pinged() -> Plan {
    let mut plan = plan(&["git"]);
    plan.servers[0].is_pinged = true;
    plan
}

#[test]
fn a_server_that_starts_serves_fails_and_is_parked() {
    let mut w = World::of(&["git"]);
    is(
        &mut w,
        Condition::Starting,
        "has not answered its greeting yet",
        0.0,
    );
    w.pass(1.0);
    w.spawned("git.1");
    w.greets("git.1");
    is(&mut w, Condition::Starting, "its lists are being read", 0.0);
    w.pass(1.0);
    w.lists("git.1", 2);
    is(&mut w, Condition::Ready, "", 2.0);
    w.pass(8.0);
    w.dies("git.1");
    let again = "exited with code 1; it is tried again in 1 s";
    is(&mut w, Condition::Restarting, again, 10.0);
    w.pass(1.0);
    is(&mut w, Condition::Restarting, "exited with code 1", 10.0);
    w.dies("git.2");
    w.pass(2.0);
    w.dies("git.3");
    w.pass(18.0);
    let parked = "failed 3 times in a row; last: exited with code 1; it is tried again in 42 s";
    is(&mut w, Condition::Parked, parked, 13.0);
    w.pass(42.0);
    let trying = "failed 3 times in a row; last: exited with code 1; it is being tried again";
    is(&mut w, Condition::Parked, trying, 13.0);
    w.serve("git.4");
    is(&mut w, Condition::Ready, "", 73.0);
    w.stop();
    assert_eq!(state(&w).0, Condition::Stopped);
}

#[test]
fn a_server_that_a_reload_turned_off_is_off_since_then() {
    let mut w = World::of(&["git", "pad"]);
    w.serve("git.1");
    let turn = |w: &mut World, readiness: Readiness| {
        let mut plan = w.plan.clone();
        plan.servers[0].readiness = readiness;
        w.reload(plan);
    };
    let wrong = |why: &str| Readiness::Misconfigured(why.to_owned());
    let off = "the configuration turns it off";
    w.pass(5.0);
    turn(&mut w, Readiness::Disabled);
    // Its process is still there.
    is(&mut w, Condition::Disabled, off, 5.0);
    w.dies("git.1");
    w.pass(2.0);
    let other = w.plan.clone();
    w.reload(other);
    is(&mut w, Condition::Disabled, off, 5.0);
    turn(&mut w, wrong("it has no command"));
    is(&mut w, Condition::Misconfigured, "it has no command", 7.0);
    w.pass(1.0);
    turn(&mut w, wrong("it has no name"));
    is(&mut w, Condition::Misconfigured, "it has no name", 7.0);
    turn(&mut w, Readiness::Enabled);
    w.pass(1.0);
    turn(&mut w, Readiness::Disabled);
    is(&mut w, Condition::Disabled, off, 9.0);
}

#[test]
fn a_server_that_is_off_from_the_start_is_so_since_then_after_reloads_too() {
    let mut plan = plan(&["git"]);
    plan.servers[0].readiness = Readiness::Disabled;
    let mut w = World::new(plan.clone());
    w.pass(5.0);
    plan.servers[0].timeout *= 2;
    w.reload(plan);
    is(
        &mut w,
        Condition::Disabled,
        "the configuration turns it off",
        0.0,
    );
}

#[test]
fn a_server_that_misses_a_ping_is_degraded_until_it_says_something() {
    let mut w = World::new(pinged());
    w.serve("git.1");
    w.pass(29.0);
    is(&mut w, Condition::Ready, "", 0.0);
    w.pass(2.0);
    is(&mut w, Condition::Degraded, "has not answered a ping", 30.0);
    w.pass(1.0);
    w.answers("git.1", 3, "{}");
    is(&mut w, Condition::Ready, "", 32.0);
    w.pass(45.0);
    let stuck = "has not answered two pings, 15 s apart (\"keepalive_interval\")";
    is(&mut w, Condition::Restarting, stuck, 77.0);
}

#[test]
fn a_server_whose_list_cannot_be_read_is_degraded() {
    let mut w = World::of(&["git"]);
    w.spawned("git.1");
    w.greets("git.1");
    w.fails("git.1", 2, "no");
    let why = "tools/list failed: answered with error -32000: \"no\"";
    is(&mut w, Condition::Degraded, why, 0.0);
}

#[test]
fn a_server_whose_queue_is_full_is_degraded() {
    let mut plan = plan(&["git"]);
    plan.queue_max = 2;
    let mut w = World::new(plan);
    w.serve("git.1");
    w.connect(&["ann"]);
    let load = |messages| FromChild::Taken(crate::event::Load { messages, bytes: 1 });
    w.child("git.1", load(3));
    for call in 1..=2 {
        w.calls("ann", &call.to_string(), "git__x");
    }
    assert_eq!(state(&w).0, Condition::Degraded);
    assert_eq!(state(&w).1, "its queue is full");
    w.child("git.1", load(1));
    assert_eq!(state(&w).0, Condition::Ready);
}

#[test]
fn a_server_that_goes_on_because_its_new_entry_has_errors_is_degraded() {
    let mut plan = plan(&["git"]);
    plan.servers[0].fault = Some("\"comand\" is no key".into());
    let mut w = World::new(plan);
    w.serve("git.1");
    let why = "its new entry has errors: \"comand\" is no key";
    is(&mut w, Condition::Degraded, why, 0.0);
}

#[test]
fn a_server_that_nobody_needs_is_stopped_and_well() {
    let mut plan = plan(&["git"]);
    plan.servers[0].idle_stop = Some(Duration::from_secs(5));
    let mut w = World::new(plan);
    w.serve("git.1");
    w.pass(6.0);
    is(&mut w, Condition::Asleep, "starts with the next call", 5.0);
    w.dies("git.1");
    w.pass(10.0);
    is(&mut w, Condition::Asleep, "starts with the next call", 5.0);
    assert_eq!(Condition::Asleep.name(), "stopped");
    assert_eq!(Condition::Asleep.health(), "healthy");
    w.connect(&["ann"]);
    w.calls("ann", "1", "git__x");
    is(
        &mut w,
        Condition::Starting,
        "has not answered its greeting yet",
        16.0,
    );
}

#[test]
fn a_server_that_does_not_run_says_why() {
    let mut plan = plan(&["git"]);
    plan.servers[0].readiness = Readiness::Disabled;
    let mut w = World::new(plan.clone());
    is(
        &mut w,
        Condition::Disabled,
        "the configuration turns it off",
        0.0,
    );
    plan.servers[0].readiness = Readiness::Misconfigured("it is wrong".into());
    let mut w = World::new(plan);
    is(&mut w, Condition::Misconfigured, "it is wrong", 0.0);
}

#[test]
fn a_server_that_owes_an_answer_and_is_silent_is_not_well() {
    let mut w = World::ready(&["git"]);
    w.connect(&["ann"]);
    w.calls("ann", "1", "git__x");
    w.pass(29.0);
    is(&mut w, Condition::Ready, "", 0.0);
    w.pass(31.0);
    let owes = "has not answered a call in time, and said nothing since";
    is(&mut w, Condition::Degraded, owes, 30.2);
    w.answers("git.1", 2, "{}");
    is(&mut w, Condition::Ready, "", 60.2);
}

#[test]
fn one_that_finishes_its_calls_is_not_said_to_be_slow_to_greet_for_its_lists_are_late() {
    let mut plan = plan(&["git"]);
    plan.servers[0].startup_timeout = Duration::from_secs(5);
    let mut w = World::new(plan);
    w.serve("git.1");
    w.connect(&["ann"]);
    w.dies("git.1");
    w.pass(1.0);
    w.spawned("git.2");
    w.greets("git.2");
    w.calls("ann", "1", "git__x");
    w.renew(&["git"]);
    w.pass(6.0);
    let child = w.hub.children.iter().next().expect("it is there").1;
    assert_eq!(child.trouble.as_deref(), Some("exited with code 1"));
}

#[test]
fn what_nobody_noted_when_it_came_is_since_it_was_asked_after() {
    let mut plan = plan(&["git"]);
    plan.queue_max = 2;
    let mut w = World::new(plan);
    w.serve("git.1");
    w.connect(&["ann"]);
    w.child(
        "git.1",
        FromChild::Taken(crate::event::Load {
            messages: 3,
            bytes: 1,
        }),
    );
    is(&mut w, Condition::Ready, "", 0.0);
    w.pass(3.0);
    for call in 1..=2 {
        w.calls("ann", &call.to_string(), "git__x");
    }
    w.pass(4.0);
    is(&mut w, Condition::Degraded, "its queue is full", 7.0);
    w.pass(4.0);
    is(&mut w, Condition::Degraded, "its queue is full", 7.0);
}

#[test]
fn a_server_whose_entry_has_changed_says_what_it_waits_for() {
    let mut w = World::ready(&["git"]);
    w.connect(&["ann"]);
    w.calls("ann", "1", "git__x");
    let mut plan = w.plan.clone();
    plan.servers[0].fingerprint += 1;
    w.reload(plan);
    let finishes = "finishes its calls; its entry has changed";
    is(&mut w, Condition::Restarting, finishes, 0.2);
    w.answers("git.1", 3, "{}");
    is(&mut w, Condition::Restarting, "its entry has changed", 0.2);
}

#[test]
fn a_server_that_nobody_needs_says_how_it_failed_last() {
    let mut plan = plan(&["git"]);
    plan.servers[0].is_lazy = true;
    let mut w = World::new(plan);
    w.serve("git.1");
    w.dies("git.1");
    w.pass(2.0);
    let failed = "starts with the next call; last: exited with code 1";
    is(&mut w, Condition::Asleep, failed, 1.0);
}

#[test]
fn what_is_left_of_a_wait_is_told_in_seconds_that_have_begun() {
    let mut w = World::ready(&["git"]);
    w.dies("git.1");
    w.pass(0.5);
    let begun = "exited with code 1; it is tried again in 1 s";
    is(&mut w, Condition::Restarting, begun, 0.2);
}

#[test]
fn a_ping_that_a_call_has_come_between_is_not_missed() {
    let mut plan = pinged();
    plan.servers[0].timeout = Duration::from_secs(5);
    let mut w = World::new(plan);
    w.serve("git.1");
    w.connect(&["ann"]);
    // Asked after 15 s; then there was something else to do, until it was given up.
    w.pass(16.0);
    w.calls("ann", "1", "git__x");
    w.pass(1.0);
    w.cancels("ann", "1");
    w.pass(20.0);
    is(&mut w, Condition::Ready, "", 0.0);
}

#[test]
fn a_server_that_has_missed_a_ping_and_is_called_is_judged_by_its_calls() {
    let mut w = World::new(pinged());
    w.serve("git.1");
    w.connect(&["ann"]);
    w.pass(31.0);
    is(&mut w, Condition::Degraded, "has not answered a ping", 30.0);
    w.calls("ann", "1", "git__x");
    w.pass(16.0);
    assert_eq!(state(&w).0, Condition::Ready);
}

#[test]
fn a_server_that_says_something_is_well_from_then_on() {
    let mut w = World::new(pinged());
    w.serve("git.1");
    w.pass(31.0);
    w.answers("git.1", 3, "{}");
    w.pass(3.0);
    is(&mut w, Condition::Ready, "", 31.0);
    // The same of one that was late with a call.
    let mut w = World::ready(&["git"]);
    w.connect(&["ann"]);
    w.calls("ann", "1", "git__x");
    w.pass(40.0);
    w.answers("git.1", 2, "{}");
    w.pass(3.0);
    is(&mut w, Condition::Ready, "", 40.2);
}
