//! Servers that fail again and again: how their calls are refused, what is shown
//! of them, and how they come back.

use std::time::Duration;

use crate::config::checked::Scope;
use crate::event::report::Told;
use crate::event::{FromChild, Report, View};
use crate::hub::Outset;
use crate::hub::lifecycle::Phase;
use crate::hub::stories::stateless::meta;
use crate::hub::stories::world::{World, outset, plan};
use crate::plan::Plan;

/// A child exits with a last line on stderr.
fn fails_to_start(w: &mut World, life: &str) {
    w.child(life, FromChild::OutputEnded);
    w.child(
        life,
        FromChild::Exited {
            how: "exited with code 1".to_owned(),
            last_words: Some("no such database".to_owned()),
        },
    );
}

/// The server `git` has served, and has then failed three times; at 3.2 s it is
/// parked.
fn parked(plan: Plan) -> World {
    let mut w = World::new(plan);
    w.serve("git.1");
    w.pass(0.2);
    w.connect(&["ann"]);
    w.asks("ann", "0", "tools/list", "");
    w.listens("ann", None);
    fails_to_start(&mut w, "git.1");
    w.pass(1.0);
    fails_to_start(&mut w, "git.2");
    w.pass(2.0);
    w.forget();
    fails_to_start(&mut w, "git.3");
    w.expect(&["3.200s bury git.3"]);
    w
}

const REFUSED: &str = r#"-32000 server "git" is parked after 3 failures in a row; last: exited with code 1 (last line on stderr: "no such database"); it is tried again in"#;

#[test]
fn calls_of_a_parked_server_are_refused_at_once_with_its_last_words() {
    let mut w = parked(plan(&["git"]));
    w.pass(18.0);
    w.calls("ann", "1", "git__x");
    w.expect(&[&format!("21.200s ann.4 error 1 {REFUSED} 42 s last")]);
}

#[test]
fn programs_are_told_too_that_it_is_parked() {
    let mut w = parked(plan(&["git"]));
    w.pass(18.0);
    w.calls("ann", "1", "git__x");
    let answer = w.messages().remove(0);
    assert_eq!(
        answer["error"]["data"],
        serde_json::json!({
            "server": "git",
            "state": "parked",
            "failures": 3,
            "last": "exited with code 1 (last line on stderr: \"no such database\")",
            "retryAfter": 42,
        })
    );
}

#[test]
fn calls_are_refused_at_once_while_it_is_tried_as_well() {
    let mut w = parked(plan(&["git"]));
    w.pass(60.0);
    w.expect(&["63.200s spawn git.4"]);
    w.spawned("git.4");
    w.forget();
    w.calls("ann", "1", "git__x");
    let trace = w.trace();
    assert!(
        trace[0].ends_with("it is being tried again last"),
        "{trace:?}"
    );
    w.greets("git.4");
    w.lists("git.4", 2);
    w.forget();
    w.calls("ann", "2", "git__x");
    w.expect(&[r#"63.200s to git.4 #3 tools/call {"name":"x"}"#]);
}

#[test]
fn one_that_dies_soon_after_it_was_tried_is_parked_at_once() {
    for (serves, waits) in [(59.0, "182.200s"), (60.0, "124.200s")] {
        let mut w = parked(plan(&["git"]));
        w.pass(60.0);
        w.serve("git.4");
        w.pass(serves);
        w.forget();
        w.dies("git.4");
        w.pass(60.0);
        let trace = w.trace();
        assert_eq!(trace[1], format!("{waits} spawn git.5"));
    }
}

#[test]
fn who_waits_for_a_start_that_is_the_last_straw_is_told_so() {
    let mut w = World::of(&["git"]);
    fails_to_start(&mut w, "git.1");
    w.pass(1.0);
    fails_to_start(&mut w, "git.2");
    w.connect(&["ann"]);
    w.asks("ann", "1", "tools/list", "");
    w.asks("ann", "2", "tools/call", r#"{"name":"git__x"}"#);
    w.pass(2.0);
    w.forget();
    fails_to_start(&mut w, "git.3");
    w.expect(&[
        "3.000s bury git.3",
        r#"3.000s ann.2 answer 1 {"tools":[]} last"#,
        &format!("3.000s ann.3 error 2 {REFUSED} 60 s last"),
    ]);
}

#[test]
fn a_call_that_the_last_straw_cuts_short_is_told_so() {
    let mut w = World::of(&["git"]);
    w.dies("git.1");
    w.pass(1.0);
    w.dies("git.2");
    w.pass(2.0);
    w.serve("git.3");
    w.connect(&["ann"]);
    w.calls("ann", "1", "git__x");
    w.forget();
    w.dies("git.3");
    w.expect(&[
        r#"3.000s ann.2 error 1 -32000 server "git" exited with code 1 while this call was under way; it has failed too often and is parked last"#,
        "3.000s bury git.3",
    ]);
}

#[test]
fn its_tools_stay_listed_unless_they_are_to_be_hidden() {
    let mut w = parked(plan(&["git"]));
    w.pass(1.0);
    w.expect(&[]);
    w.asks("ann", "1", "tools/list", "");
    w.expect(&[r#"4.200s ann.4 answer 1 {"tools":[{"inputSchema":{},"name":"git__x"}]} last"#]);
    let mut plan = plan(&["git"]);
    plan.servers[0].listed_when_parked = false;
    let mut w = parked(plan);
    w.pass(1.0);
    w.expect(&["3.400s ann.3 [3-1] notifications/tools/list_changed"]);
    w.asks("ann", "1", "tools/list", "");
    w.expect(&[r#"4.200s ann.4 answer 1 {"tools":[]} last"#]);
    // A client that has not looked yet is told why it is not there.
    w.calls("ann", "2", "git__x");
    w.expect(&[&format!("4.200s ann.5 error 2 {REFUSED} 59 s last")]);
    w.pass(59.0);
    w.serve("git.4");
    w.forget();
    w.pass(1.0);
    w.expect(&["63.400s ann.3 [3-2] notifications/tools/list_changed"]);
    w.asks("ann", "3", "tools/list", "");
    w.expect(&[r#"64.200s ann.6 answer 3 {"tools":[{"inputSchema":{},"name":"git__x"}]} last"#]);
}

/// A session's own child of the server `git` is parked; at 3.2 s.
fn own_parked() -> World {
    let mut plan = plan(&["git"]);
    plan.servers[0].scope = Scope::Session;
    let mut w = World::new(plan);
    w.offers.get_mut("git").expect("it is there").resources = vec!["file:///r".into()];
    w.serve("git.1");
    w.pass(0.2);
    w.connect(&["ann"]);
    w.calls("ann", "1", "git__x");
    w.serve("git.2");
    w.answers("git.2", 5, "{}");
    w
}

fn fail_thrice(w: &mut World) {
    w.dies("git.2");
    w.pass(1.0);
    w.dies("git.3");
    w.pass(2.0);
    w.dies("git.4");
    w.forget();
}

#[test]
fn a_sessions_own_child_that_is_parked_is_given_up_and_a_later_call_starts_another() {
    let mut w = own_parked();
    fail_thrice(&mut w);
    w.pass(18.0);
    w.calls("ann", "2", "git__x");
    w.expect(&[
        r#"21.200s ann.3 error 2 -32000 server "git" is parked after 3 failures in a row; last: exited with code 1; it is tried again by a call in 42 s or later last"#,
    ]);
    w.pass(100.0);
    w.expect_of("spawn", &[]);
    assert_eq!(w.hub.children.iter().count(), 1, "the template is left");
    w.calls("ann", "3", "git__x");
    w.expect_of("spawn", &["121.200s spawn git.5"]);
}

#[test]
fn a_sessions_own_child_that_is_parked_is_tried_while_its_session_wants_its_news() {
    let mut w = own_parked();
    w.asks("ann", "2", "resources/subscribe", r#"{"uri":"file:///r"}"#);
    w.answers("git.2", 6, "{}");
    fail_thrice(&mut w);
    w.pass(60.0);
    w.expect_of("spawn", &["63.200s spawn git.5"]);
}

#[test]
fn one_that_was_put_by_is_not_parked_but_gone() {
    let mut w = World::scoped(&["git"], &["git"]);
    for who in ["ann", "bob"] {
        w.come(who, View::Merged);
        let call = format!(r#"{{"name":"git__x",{}}}"#, meta("{}", ""));
        w.asks(who, "1", "tools/call", &call);
    }
    w.serve("git.2");
    w.answers("git.2", 3, "{}");
    fail_thrice(&mut w);
    assert_eq!(w.hub.children.iter().count(), 1, "the template is left");
    w.pass(1_000.0);
    w.expect_of("spawn", &[]);
}

#[test]
fn servers_that_fail_together_are_not_started_together() {
    let names = ["a", "b", "c", "d"];
    let outset = Outset {
        seed: 7,
        ..outset()
    };
    let mut w = World::after(plan(&names), outset);
    for name in names {
        w.dies(&format!("{name}.1"));
    }
    w.forget();
    w.pass(2.0);
    let starts: Vec<Duration> = w.deeds.iter().map(|(at, _)| at.0).collect();
    assert_eq!(starts.len(), names.len());
    for (place, start) in starts.iter().enumerate() {
        assert!((0.8..=1.2).contains(&start.as_secs_f64()), "{starts:?}");
        assert!(!starts[..place].contains(start), "{starts:?}");
    }
}

#[test]
fn the_wait_is_never_longer_than_a_minute_and_that_of_parked_ones_is_one() {
    let mut plan = plan(&["git"]);
    plan.reconnect_delay = Duration::from_secs(50);
    plan.reconnect_attempts_max = 20;
    for seed in 1..20 {
        let outset = Outset { seed, ..outset() };
        let mut w = World::after(plan.clone(), outset);
        w.dies("git.1");
        w.pass(60.0);
        w.dies("git.2");
        w.pass(60.0);
        assert!(w.lives.len() == 3, "a wait was longer than a minute");
    }
    plan.reconnect_attempts_max = 1;
    let outset = Outset {
        seed: 7,
        ..outset()
    };
    let mut w = World::after(plan, outset);
    w.dies("git.1");
    w.forget();
    w.pass(60.0);
    w.expect(&["60.000s spawn git.2"]);
    let child = w.hub.children.iter().next().expect("there is one").1;
    assert_eq!(child.phase, Phase::Starting);
}

#[test]
fn what_is_hidden_is_not_counted_among_what_is_offered() {
    for (is_listed, tools) in [(true, 1), (false, 0)] {
        let mut plan = plan(&["git"]);
        plan.servers[0].listed_when_parked = is_listed;
        let mut w = parked(plan);
        let Told::Status(status) = w.reported("probe", Report::Status) else {
            panic!("no status");
        };
        assert_eq!(status.servers[0].offers.tools, tools);
    }
}

#[test]
fn what_was_hidden_is_listed_again_when_a_reload_gives_it_another_start() {
    let mut plan = plan(&["git"]);
    plan.servers[0].listed_when_parked = false;
    let mut w = parked(plan);
    w.pass(1.0);
    w.asks("ann", "1", "tools/list", "");
    w.expect_of("answer 1", &[r#"4.200s ann.4 answer 1 {"tools":[]} last"#]);
    let mut plan = w.plan.clone();
    plan.servers[0].fingerprint += 1;
    w.reload(plan);
    w.forget();
    w.asks("ann", "2", "tools/list", "");
    w.expect(&[r#"4.200s ann.5 answer 2 {"tools":[{"inputSchema":{},"name":"git__x"}]} last"#]);
}

#[test]
fn a_tool_whose_name_only_begins_like_a_server_that_was_never_up_is_unknown() {
    let mut plan = plan(&["git"]);
    plan.reconnect_attempts_max = 1;
    let mut w = World::new(plan);
    w.dies("git.1");
    w.connect(&["ann"]);
    w.calls("ann", "1", "gitx__y");
    w.expect(&["0.000s ann.2 error 1 -32602 unknown tool \"gitx__y\" last"]);
    w.calls("ann", "2", "git__y");
    let told = w.trace().concat();
    assert!(told.contains("error 2 -32000 server \"git\""), "{told}");
}
