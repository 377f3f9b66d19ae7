//! How children start, fail, and are started again: the cells of the table in
//! `hub::lifecycle` as they are reached from outside, and the deadlines.

use std::time::Duration;

use crate::event::FromChild;
use crate::hub::stories::cast::result;
use crate::hub::stories::world::{World, plan};

#[test]
fn a_server_is_spawned_greeted_and_read() {
    let mut w = World::of(&["git"]);
    w.expect(&["0.000s spawn git.1"]);
    w.spawned("git.1");
    w.expect(&["0.000s to git.1 #1 initialize"]);
    w.greets("git.1");
    w.expect(&[
        "0.000s to git.1 notifications/initialized",
        "0.000s to git.1 #2 tools/list",
    ]);
    w.lists("git.1", 2);
    w.pass(1_000.0);
    w.expect(&[]);
}

#[test]
fn the_handshake_offers_the_latest_revision_and_no_roots() {
    let mut w = World::of(&["git"]);
    w.forget();
    w.spawned("git.1");
    let hello = w.messages().remove(0);
    assert_eq!(hello["params"]["protocolVersion"], "2025-11-25");
    assert_eq!(
        hello["params"]["capabilities"],
        serde_json::json!({
            "sampling": {"tools": {}, "context": {}},
            "elicitation": {"form": {}, "url": {}},
        })
    );
    assert_eq!(hello["params"]["clientInfo"]["name"], "mcproxy");
}

#[test]
fn a_start_that_fails_is_tried_again_after_1_2_4_up_to_60_seconds() {
    let mut plan = plan(&["git"]);
    plan.reconnect_attempts_max = 100;
    let mut w = World::new(plan);
    assert_eq!(
        waits_after_failures(&mut w, 9),
        [1, 2, 4, 8, 16, 32, 60, 60, 60]
    );
}

#[test]
fn a_server_that_fails_three_times_is_parked_and_tried_each_minute() {
    let mut w = World::of(&["git"]);
    assert_eq!(waits_after_failures(&mut w, 5), [1, 2, 60, 60, 60]);
}

/// How many seconds pass before each new start, if every start fails.
fn waits_after_failures(w: &mut World, lives: u32) -> Vec<u64> {
    w.forget();
    let mut waits = Vec::new();
    for life in 1..=lives {
        let died = w.now;
        w.dies(&format!("git.{life}"));
        w.pass(60.0);
        let (bury, spawn) = (w.deeds[0].0, w.deeds[1].0);
        w.expect(&[
            &format!("{bury} bury git.{life}"),
            &format!("{spawn} spawn git.{}", life + 1),
        ]);
        waits.push(spawn.since(died).as_secs());
    }
    waits
}

#[test]
fn a_minute_of_work_makes_the_failures_before_it_forgotten() {
    let mut w = World::of(&["git"]);
    w.dies("git.1");
    w.pass(1.0);
    w.dies("git.2");
    w.pass(2.0);
    w.serve("git.3");
    w.pass(59.0);
    w.forget();
    w.dies("git.3");
    w.pass(60.0);
    w.expect(&["62.000s bury git.3", "122.000s spawn git.4"]);
    w.serve("git.4");
    w.pass(60.0);
    w.forget();
    w.dies("git.4");
    w.pass(1.0);
    w.expect(&["182.000s bury git.4", "183.000s spawn git.5"]);
}

#[test]
fn a_minute_of_work_counts_too_when_the_child_is_ousted_after_it() {
    let mut w = World::of(&["git"]);
    w.dies("git.1");
    w.pass(1.0);
    w.dies("git.2");
    w.pass(2.0);
    w.serve("git.3");
    w.pass(60.0);
    w.child("git.3", FromChild::NotReading);
    w.forget();
    w.dies("git.3");
    w.pass(1.5);
    w.expect(&["63.000s bury git.3", "64.000s spawn git.4"]);
}

#[test]
fn a_spawn_that_fails_is_a_failed_start() {
    let mut w = World::of(&["git"]);
    w.forget();
    let why = "cannot run \"git\": no such file".to_owned();
    w.child("git.1", FromChild::SpawnFailed { why });
    w.pass(1.0);
    w.expect(&["0.000s bury git.1", "1.000s spawn git.2"]);
}

#[test]
fn a_child_that_does_not_greet_in_time_is_asked_to_go_then_told_then_killed() {
    let mut w = World::of(&["git"]);
    w.spawned("git.1");
    w.forget();
    w.pass(80.0);
    // What starts may be a package manager in the middle of its work.
    w.expect(&[
        "60.000s close git.1",
        "62.000s term git.1",
        "80.000s kill git.1",
    ]);
    w.dies("git.1");
    w.pass(1.0);
    w.expect(&["80.000s bury git.1", "81.000s spawn git.2"]);
}

#[test]
fn a_child_that_is_not_even_spawned_in_time_is_asked_to_go_as_well() {
    let mut w = World::of(&["git"]);
    w.forget();
    w.pass(60.0);
    w.expect(&["60.000s close git.1"]);
    w.dies("git.1");
    w.expect(&["60.000s bury git.1"]);
}

#[test]
fn a_child_that_goes_when_asked_gets_no_signal() {
    let mut w = World::of(&["git"]);
    w.spawned("git.1");
    w.pass(60.0);
    w.forget();
    w.dies("git.1");
    w.pass(0.9);
    w.expect(&["60.000s bury git.1"]);
    w.pass(10.0);
    w.expect(&["61.000s spawn git.2"]);
}

#[test]
fn a_bad_greeting_ousts_the_child() {
    let mut w = World::of(&["git"]);
    w.spawned("git.1");
    w.forget();
    w.fails("git.1", 1, "no");
    w.expect(&["0.000s close git.1"]);
    w.greets("git.1");
    w.fails("git.1", 1, "no again");
    w.expect(&[]);
    w.dies("git.1");
    w.pass(1.0);
    w.expect(&["0.000s bury git.1", "1.000s spawn git.2"]);
}

#[test]
fn what_ousted_a_child_is_what_is_said_of_it_though_its_start_deadline_passes() {
    let mut plan = plan(&["git"]);
    plan.servers[0].startup_timeout = Duration::from_secs(1);
    let mut w = World::new(plan);
    w.spawned("git.1");
    w.fails("git.1", 1, "no");
    w.pass(1.5);
    w.connect(&["ann"]);
    w.asks("ann", "1", "resources/read", r#"{"uri":"a"}"#);
    w.dies("git.1");
    w.expect_of("ann", &[]);
    let child = w.hub.children.iter().next().expect("there is one").1;
    let trouble = child.trouble.as_deref();
    assert_eq!(
        trouble,
        Some("cannot be used: answered with error -32000: \"no\"")
    );
}

#[test]
fn a_second_greeting_changes_nothing() {
    let mut w = World::ready(&["git"]);
    w.greets("git.1");
    w.fails("git.1", 1, "changed my mind");
    w.pass(100.0);
    w.expect(&[]);
}

#[test]
fn a_child_that_exits_is_heard_to_its_last_word_before_it_is_over() {
    let mut w = World::ready(&["git"]);
    w.connect(&["ann"]);
    w.calls("ann", "1", "git__x");
    w.forget();
    w.exits("git.1");
    w.expect(&[]);
    w.answers("git.1", 3, "{}");
    w.expect(&["0.200s ann.2 answer 1 {} last"]);
    w.child("git.1", FromChild::OutputEnded);
    w.expect(&["0.200s bury git.1"]);
}

#[test]
fn an_exit_whose_stdout_does_not_end_is_over_after_a_second() {
    let mut w = World::ready(&["git"]);
    w.exits("git.1");
    w.pass(3.0);
    w.expect(&["1.200s bury git.1", "2.200s spawn git.2"]);
}

#[test]
fn a_stdout_that_ends_without_an_exit_ousts_the_child_after_a_second() {
    let mut w = World::ready(&["git"]);
    w.child("git.1", FromChild::OutputEnded);
    w.pass(0.9);
    w.expect(&[]);
    w.pass(3.0);
    w.expect(&[
        "1.200s close git.1",
        "1.200s term git.1",
        "3.200s kill git.1",
    ]);
    w.exits("git.1");
    w.expect(&["4.100s bury git.1"]);
}

#[test]
fn a_child_that_does_not_read_is_told_to_go_at_once_and_killed_after_2_seconds() {
    for greeted in [false, true] {
        let mut w = World::of(&["git"]);
        w.spawned("git.1");
        if greeted {
            w.greets("git.1");
        }
        w.forget();
        w.child("git.1", FromChild::NotReading);
        w.expect(&["0.000s close git.1", "0.000s term git.1"]);
        w.child("git.1", FromChild::NotReading);
        w.pass(3.0);
        w.expect(&["2.000s kill git.1"]);
        w.dies("git.1");
        w.pass(1.0);
        w.expect(&["3.000s bury git.1", "4.000s spawn git.2"]);
    }
}

#[test]
fn words_of_a_past_life_are_dropped() {
    let mut w = World::ready(&["git"]);
    w.dies("git.1");
    w.pass(1.0);
    w.spawned("git.2");
    w.forget();
    w.greets("git.1");
    w.lists("git.1", 2);
    w.says("git.1", &result("8", "{}"));
    w.child("git.1", FromChild::NotReading);
    w.child("git.1", FromChild::SpawnFailed { why: "x".into() });
    w.child("git.1", FromChild::Spawned { pid: 1 });
    w.dies("git.1");
    w.expect(&[]);
    w.greets("git.2");
    w.expect(&[
        "1.200s to git.2 notifications/initialized",
        "1.200s to git.2 #2 tools/list",
    ]);
}

#[test]
fn one_servers_troubles_are_no_others() {
    let mut w = World::of(&["git", "time"]);
    w.expect(&["0.000s spawn git.1", "0.000s spawn time.1"]);
    w.serve("time.1");
    w.dies("git.1");
    w.pass(1.0);
    w.expect_of(
        "time",
        &[
            "0.000s to time.1 #1 initialize",
            "0.000s to time.1 notifications/initialized",
            "0.000s to time.1 #2 tools/list",
        ],
    );
}
