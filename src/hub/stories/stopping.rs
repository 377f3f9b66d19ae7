//! The end of the gateway: who is told, asked and killed, and when it is over.

use crate::event::FromChild;
use crate::hub::stories::cast::initialize;
use crate::hub::stories::world::World;

#[test]
fn a_stop_closes_stdin_then_terminates_then_kills() {
    let mut w = World::ready(&["git"]);
    w.stop();
    w.pass(2.0);
    w.expect(&[
        "0.200s close git.1",
        "0.700s term git.1",
        "1.400s kill git.1",
    ]);
    w.dies("git.1");
    w.expect(&["2.200s bury git.1", "2.200s finished"]);
}

#[test]
fn a_stop_is_over_when_the_last_child_is() {
    let mut w = World::ready(&["git", "time"]);
    w.stop();
    w.dies("git.1");
    w.expect(&[
        "0.200s close git.1",
        "0.200s close time.1",
        "0.200s bury git.1",
    ]);
    w.dies("time.1");
    w.expect(&["0.200s bury time.1", "0.200s finished"]);
}

#[test]
fn a_second_stop_changes_nothing_and_a_hurry_kills_at_once() {
    let mut w = World::ready(&["git"]);
    w.stop();
    w.stop();
    w.expect(&["0.200s close git.1"]);
    w.handle(crate::event::Event::Hurry);
    w.expect(&["0.200s kill git.1"]);
}

#[test]
fn a_stop_before_the_process_runs_is_a_stop_all_the_same() {
    let mut w = World::of(&["git"]);
    w.stop();
    w.spawned("git.1");
    w.pass(0.5);
    w.expect(&[
        "0.000s spawn git.1",
        "0.000s close git.1",
        "0.500s term git.1",
    ]);
    w.dies("git.1");
    w.pass(100.0);
    w.expect(&["0.500s bury git.1", "0.500s finished"]);
}

#[test]
fn a_stop_while_waiting_for_the_next_start_is_over_at_once() {
    let mut w = World::ready(&["git", "time"]);
    w.dies("git.1");
    w.dies("time.1");
    w.forget();
    w.stop();
    w.pass(100.0);
    w.expect(&["0.200s finished"]);
}

#[test]
fn a_stop_of_nothing_is_over_at_once() {
    let mut w = World::of(&[]);
    w.stop();
    w.expect(&["0.000s finished"]);
}

#[test]
fn a_child_on_its_way_out_is_hurried_by_a_stop() {
    let mut w = World::of(&["git"]);
    w.spawned("git.1");
    w.fails("git.1", 1, "no");
    w.forget();
    w.stop();
    w.pass(1.5);
    w.expect(&["0.500s term git.1", "1.200s kill git.1"]);
}

#[test]
fn a_child_that_greets_while_it_retires_is_not_served() {
    let mut w = World::of(&["git"]);
    w.spawned("git.1");
    w.stop();
    w.forget();
    w.greets("git.1");
    w.child("git.1", FromChild::NotReading);
    w.pass(0.1);
    w.expect(&[]);
}

#[test]
fn clients_are_told_that_the_gateway_stops() {
    let mut w = World::ready(&["git"]);
    w.connect(&["ann"]);
    w.open(&["bob"]);
    w.listens("ann", None);
    w.calls("ann", "\"a\"", "git__x");
    w.calls("bob", "1", "git__x");
    w.forget();
    w.stop();
    w.expect_of(
        "n.",
        &[
            "0.200s ann.3 error \"a\" -32000 the gateway is stopping last",
            "0.200s ann.2 end",
        ],
    );
}

#[test]
fn nobody_is_let_in_once_the_gateway_stops() {
    let mut w = World::ready(&["git"]);
    w.connect(&["ann"]);
    w.stop();
    w.forget();
    w.connects_at("bob", "2025-11-25");
    w.opens("eve");
    w.calls("ann", "1", "git__x");
    w.expect(&[
        "0.200s bob.1 verdict Busy error 0 -32000 the gateway is stopping",
        "0.200s eve.1 verdict Busy error null -32000 the gateway is stopping",
        "0.200s ann.2 verdict Answered error 1 -32000 the gateway is stopping",
    ]);
}

#[test]
fn who_waits_for_a_first_start_is_told_as_well() {
    let mut w = World::of(&["git"]);
    w.connect(&["ann"]);
    w.asks("ann", "1", "tools/list", "");
    w.opens("bob");
    w.writes("bob", &initialize("0", "2025-11-25"));
    w.asks("bob", "2", "prompts/list", "");
    w.forget();
    w.stop();
    w.expect(&[
        "0.000s ann.2 error 1 -32000 the gateway is stopping last",
        "0.000s bob.1 error 2 -32000 the gateway is stopping",
        "0.000s bob.1 end",
        "0.000s close git.1",
    ]);
}

#[test]
fn a_hurry_kills_nobody_who_has_no_process() {
    let mut w = World::ready(&["git", "time"]);
    w.dies("git.1");
    w.forget();
    w.handle(crate::event::Event::Hurry);
    w.expect(&["0.200s close time.1", "0.200s kill time.1"]);
}
