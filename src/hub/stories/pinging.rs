//! Pings: who is asked whether it lives, what counts as an answer, and what
//! becomes of who gives none.

use crate::config::checked::Protocol;
use crate::event::FromChild;
use crate::hub::stories::cast::{notice, request};
use crate::hub::stories::world::{World, plan};

/// A server that is pinged each 15 s, ready at 0 s.
fn world() -> World {
    let mut plan = plan(&["git"]);
    plan.servers[0].is_pinged = true;
    let mut w = World::new(plan);
    w.serve("git.1");
    w.pass(0.2);
    w.forget();
    w
}

#[test]
fn who_is_idle_and_silent_is_pinged_each_interval_and_any_answer_will_do() {
    let mut w = world();
    w.pass(15.0);
    w.expect(&["15.000s to git.1 #3 ping"]);
    w.answers("git.1", 3, "{}");
    w.pass(15.0);
    w.expect(&["30.200s to git.1 #4 ping"]);
    w.fails("git.1", 4, "what is a ping?");
    w.pass(15.0);
    w.expect(&["45.200s to git.1 #5 ping"]);
}

#[test]
fn who_leaves_two_pings_unanswered_is_replaced() {
    let mut w = world();
    w.pass(50.0);
    w.expect(&[
        "15.000s to git.1 #3 ping",
        "30.000s to git.1 #4 ping",
        "45.000s close git.1",
        "45.000s term git.1",
        "47.000s kill git.1",
    ]);
    w.connect(&["ann"]);
    w.calls("ann", "1", "git__x");
    w.exits("git.1");
    w.child("git.1", FromChild::OutputEnded);
    w.pass(1.0);
    // A call that came meanwhile waits for the next life.
    w.expect(&["50.200s bury git.1", "51.200s spawn git.2"]);
    w.serve("git.2");
    w.expect_of("call", &[r#"51.200s to git.2 #3 tools/call {"name":"x"}"#]);
    let child = w.hub.children.iter().next().expect("there is one").1;
    assert_eq!(
        child.trouble.as_deref(),
        Some(r#"has not answered two pings, 15 s apart ("keepalive_interval")"#)
    );
}

#[test]
fn a_ping_that_is_answered_late_is_answered() {
    let mut w = world();
    w.pass(40.0);
    w.forget();
    w.answers("git.1", 3, "{}");
    w.pass(14.0);
    w.expect(&[]);
    w.pass(46.0);
    w.expect(&[
        "55.200s to git.1 #5 ping",
        "70.200s to git.1 #6 ping",
        "85.200s close git.1",
        "85.200s term git.1",
        "87.200s kill git.1",
    ]);
}

#[test]
fn any_word_is_a_sign_of_life() {
    let words = [
        read(&notice(
            "notifications/message",
            r#"{"data":1,"level":"info"}"#,
        )),
        read(&request("1", "ping", "")),
        FromChild::Oversized {
            id: None,
            length: 1 << 30,
        },
    ];
    for word in words {
        let mut w = world();
        w.pass(10.0);
        w.child("git.1", word);
        w.forget();
        w.pass(14.9);
        w.expect(&[]);
        w.pass(0.2);
        w.expect(&["25.200s to git.1 #3 ping"]);
    }
}

fn read(line: &str) -> FromChild {
    crate::hub::stories::cast::read_line(line)
}

#[test]
fn that_it_takes_messages_from_its_queue_is_none() {
    let mut w = world();
    for _ in 0..5 {
        w.pass(10.0);
        w.child("git.1", FromChild::Taken(crate::event::Load::default()));
    }
    w.expect_of("term", &["45.000s term git.1"]);
}

#[test]
fn who_is_busy_is_judged_by_its_calls_alone() {
    let mut w = world();
    w.connect(&["ann"]);
    w.pass(40.0);
    w.forget();
    // It has missed a ping, and has a second one to answer.
    for call in 1..=4 {
        w.calls("ann", &call.to_string(), "git__x");
        w.pass(25.0);
        w.cancels("ann", &call.to_string());
    }
    w.expect_of("ping", &[]);
    // Idle at 170.2 s, when the last call that was given up has had its time once
    // more: from here on all begins anew.
    w.pass(71.0);
    w.expect_of(
        "git.1",
        &[
            "180.000s to git.1 #9 ping",
            "195.000s to git.1 #10 ping",
            "210.000s close git.1",
            "210.000s term git.1",
        ],
    );
}

#[test]
fn what_was_not_answered_before_a_call_is_forgotten() {
    let mut w = world();
    w.connect(&["ann"]);
    w.pass(20.0);
    w.calls("ann", "1", "git__x");
    w.cancels("ann", "1");
    w.forget();
    w.pass(72.0);
    w.expect_of(
        "git.1",
        &[
            "60.000s to git.1 #5 ping",
            "75.000s to git.1 #6 ping",
            "90.000s close git.1",
            "90.000s term git.1",
            "92.000s kill git.1",
        ],
    );
}

#[test]
fn an_answer_to_a_question_that_is_awaited_keeps_it_busy() {
    let mut w = world();
    w.connect(&["ann"]);
    w.calls("ann", "1", "git__x");
    let question = r#"{"messages":[],"maxTokens":1}"#;
    w.says("git.1", &request("7", "sampling/createMessage", question));
    w.forget();
    w.pass(300.0);
    w.expect_of("ping", &[]);
}

#[test]
fn who_tells_its_lists_slowly_is_not_pinged_meanwhile() {
    let mut plan = plan(&["git"]);
    plan.servers[0].is_pinged = true;
    let mut w = World::new(plan);
    w.spawned("git.1");
    w.greets("git.1");
    w.forget();
    w.pass(59.0);
    w.expect(&[]);
    w.lists("git.1", 2);
    w.pass(20.0);
    w.expect(&["74.000s to git.1 #3 ping"]);
}

#[test]
fn a_new_life_begins_without_the_misses_of_the_last() {
    let mut w = world();
    w.pass(44.0);
    w.dies("git.1");
    w.pass(1.0);
    w.serve("git.2");
    w.forget();
    w.pass(31.0);
    w.expect(&["60.200s to git.2 #3 ping", "75.200s to git.2 #4 ping"]);
}

#[test]
fn who_shall_not_be_pinged_is_not() {
    let mut w = World::ready(&["git"]);
    w.pass(1_000.0);
    w.expect(&[]);
}

#[test]
fn a_stateless_child_is_asked_what_it_is() {
    let mut plan = plan(&["git"]);
    plan.servers[0].is_pinged = true;
    plan.servers[0].protocol = Protocol::Modern;
    let mut w = World::new(plan);
    w.serve("git.1");
    w.forget();
    w.pass(15.0);
    w.expect(&["15.000s to git.1 #3 server/discover by mcproxy"]);
    let discovery = w.offers["git"].discovery();
    w.answers("git.1", 3, &discovery);
    w.pass(14.0);
    w.expect(&[]);
}

#[test]
fn a_sessions_own_child_is_pinged_too() {
    let mut plan = plan(&["git"]);
    plan.servers[0].is_pinged = true;
    plan.servers[0].scope = crate::config::checked::Scope::Session;
    let mut w = World::new(plan);
    w.serve("git.1");
    w.connect(&["ann"]);
    w.calls("ann", "1", "git__x");
    w.serve("git.2");
    w.answers("git.2", 3, "{}");
    w.forget();
    w.pass(15.0);
    w.expect(&["15.000s to git.1 #3 ping", "15.000s to git.2 #4 ping"]);
}

#[test]
fn a_call_costs_no_deadline_but_its_own() {
    let mut w = world();
    w.connect(&["ann"]);
    let before = w.hub.timers.len();
    for call in 0..100 {
        w.calls("ann", &call.to_string(), "git__x");
        assert_eq!(w.hub.timers.len(), before + 1);
        w.answers("git.1", 3 + call, "{}");
        assert_eq!(w.hub.timers.len(), before);
    }
}

/// Calls each five seconds, so that it is never idle for long.
fn call_on(w: &mut World, calls: std::ops::RangeInclusive<u32>) {
    for call in calls {
        w.calls("ann", &call.to_string(), "git__x");
        w.pass(5.0);
    }
}

#[test]
fn who_answers_no_call_and_says_nothing_is_replaced_though_calls_go_on() {
    let mut w = world();
    w.connect(&["ann"]);
    w.forget();
    call_on(&mut w, 1..=22);
    // The first call's time was over at 30.2 s: 30 s more, and three pings.
    w.expect_of("close", &["105.200s close git.1"]);
    let child = w.hub.children.iter().next().expect("there is one").1;
    assert_eq!(
        child.trouble.as_deref(),
        Some("has answered no call in time, and said nothing since")
    );
}

#[test]
fn one_word_in_between_and_its_silence_counts_anew() {
    let mut w = world();
    w.connect(&["ann"]);
    w.forget();
    call_on(&mut w, 1..=20);
    w.says(
        "git.1",
        &notice("notifications/message", r#"{"level":"info","data":1}"#),
    );
    call_on(&mut w, 21..=35);
    // Since 105.2 s calls had their time again; 75 s later it will be enough.
    w.expect_of("close", &[]);
    call_on(&mut w, 36..=37);
    w.expect_of("close", &["180.200s close git.1"]);
}

#[test]
fn who_waits_for_a_client_may_be_silent_to_others() {
    let mut w = world();
    w.connect(&["ann", "bob"]);
    w.calls("bob", "1", "git__x");
    let question = r#"{"messages":[],"maxTokens":1}"#;
    w.says("git.1", &request("7", "sampling/createMessage", question));
    w.forget();
    call_on(&mut w, 1..=40);
    w.expect_of("close", &[]);
}

#[test]
fn a_server_that_never_answers_pings_is_ended_for_it_once_only() {
    let mut w = world();
    w.pass(46.0);
    w.dies("git.1");
    w.pass(1.0);
    w.serve("git.2");
    w.forget();
    w.pass(300.0);
    let trace = w.trace();
    let pings = trace.iter().filter(|l| l.ends_with(" ping")).count();
    assert_eq!(pings, 2, "{trace:?}");
    assert!(!trace.iter().any(|l| l.contains("close")), "{trace:?}");
}

#[test]
fn a_server_that_has_answered_pings_once_is_ended_each_time_it_does_not() {
    let mut w = world();
    w.pass(16.0);
    w.answers("git.1", 3, "{}");
    for life in 1..=3 {
        w.forget();
        w.pass(62.0);
        assert!(w.trace().iter().any(|l| l.contains("close git")), "{life}");
        w.dies(&format!("git.{life}"));
        w.pass(60.0);
        w.serve(&format!("git.{}", life + 1));
    }
}

#[test]
fn one_that_waits_for_a_clients_answer_is_not_pinged() {
    let mut w = world();
    w.connect(&["ann"]);
    w.listens("ann", None);
    w.calls("ann", "1", "git__x");
    w.says("git.1", &request("7", "elicitation/create", "{}"));
    w.answers("git.1", 3, "{}");
    w.forget();
    w.pass(60.0);
    w.expect_of(" ping", &[]);
}
