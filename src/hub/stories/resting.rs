//! Servers without a process because nobody needs one: how they fall asleep,
//! what is shown of them, and how they are woken.

use std::time::Duration;

use crate::config::checked::{Protocol, Scope};
use crate::event::report::Told;
use crate::event::{Effect, FromChild, Parcel, Report, Signal, View};
use crate::hub::Outset;
use crate::hub::lifecycle::Phase;
use crate::hub::stories::cast::{notice, request};
use crate::hub::stories::stateless::meta;
use crate::hub::stories::world::{World, outset, plan};
use crate::plan::Plan;
use crate::record::{Recalled, Record};
use crate::wire::items::ItemKind;

/// What happens in a story.
type Act = fn(&mut World);

const LISTED: &str = r#"{"tools":[{"inputSchema":{},"name":"git__x"}]}"#;

fn lazy() -> Plan {
    let mut plan = plan(&["git"]);
    plan.servers[0].is_lazy = true;
    plan
}

/// A server that is stopped after ten minutes without a call.
fn stopping() -> Plan {
    let mut plan = plan(&["git"]);
    plan.servers[0].idle_stop = Some(Duration::from_secs(600));
    plan
}

/// A gateway that comes after one to which all servers of that plan were known.
fn again(plan: Plan) -> World {
    let recalled = kept_by(plan.clone());
    let outset = Outset {
        recalled,
        ..outset()
    };
    World::after(plan, outset)
}

fn kept_by(plan: Plan) -> Recalled {
    let mut w = World::new(plan);
    w.offers.get_mut("git").expect("it is there").hello = r#","instructions":"as it was""#;
    w.serve("git.1");
    w.remembered()
}

fn phase(w: &World) -> Phase {
    let child = w.hub.children.iter().next().expect("there is one").1;
    child.phase
}

fn is_ready(w: &mut World) -> bool {
    w.forget();
    w.inquires("probe", Report::Ready);
    let ready = |(_, effect): &(_, Effect)| match effect {
        Effect::ToClient {
            parcel: Parcel::Report(told),
            ..
        } => matches!(&**told, Told::Ready(reasons) if reasons.0.is_empty()),
        _ => false,
    };
    let is_ready = w.deeds.iter().any(ready);
    w.forget();
    is_ready
}

#[test]
fn a_lazy_server_of_which_nothing_is_known_is_started_once_for_its_lists() {
    let mut w = World::new(lazy());
    w.expect(&["0.000s spawn git.1"]);
    assert!(!is_ready(&mut w));
    w.connect(&["ann"]);
    w.asks("ann", "1", "tools/list", "");
    w.serve("git.1");
    w.expect_of("ann", &[&format!("0.000s ann.2 answer 1 {LISTED} last")]);
    w.pass(9.0);
    w.expect(&[]);
    w.pass(2.0);
    w.expect(&["10.000s close git.1"]);
    w.dies("git.1");
    w.pass(1_000.0);
    w.expect(&["11.000s bury git.1"]);
    w.asks("ann", "2", "tools/list", "");
    w.expect(&[&format!("1011.000s ann.3 answer 2 {LISTED} last")]);
}

#[test]
fn a_server_that_offers_nothing_does_not_sleep_for_no_call_could_wake_it() {
    let mut stopping = lazy();
    stopping.servers[0].idle_stop = Some(Duration::from_secs(5));
    for plan in [lazy(), stopping] {
        let mut w = World::new(plan.clone());
        w.offers.get_mut("git").expect("it is there").tools.clear();
        w.serve("git.1");
        let recalled = w.remembered();
        w.forget();
        w.pass(12.0);
        w.expect(&[]);
        // Nor is it born asleep.
        let outset = Outset {
            recalled,
            ..outset()
        };
        World::after(plan, outset).expect(&["0.000s spawn git.1"]);
    }
}

#[test]
fn its_first_call_starts_it_and_then_it_stays() {
    let mut w = again(lazy());
    w.pass(100.0);
    w.connect(&["ann"]);
    w.expect(&[]);
    w.calls("ann", "1", "git__x");
    w.expect(&["100.000s spawn git.1"]);
    w.serve("git.1");
    w.expect_of("call", &[r#"100.000s to git.1 #3 tools/call {"name":"x"}"#]);
    w.answers("git.1", 3, "{}");
    w.expect(&["100.000s ann.2 answer 1 {} last"]);
    w.pass(100_000.0);
    w.expect(&[]);
}

#[test]
fn one_that_is_called_while_it_is_up_for_its_lists_stays_too() {
    let mut w = World::new(lazy());
    w.serve("git.1");
    w.connect(&["ann"]);
    w.pass(9.0);
    w.calls("ann", "1", "git__x");
    w.answers("git.1", 3, "{}");
    w.forget();
    w.pass(10_000.0);
    w.expect(&[]);
}

#[test]
fn what_is_remembered_of_it_is_shown_and_waited_for_by_nobody() {
    let mut w = again(lazy());
    assert!(is_ready(&mut w));
    w.expect(&[]);
    w.come("ann", View::Server("git".into()));
    w.connects_at("ann", "2025-11-25");
    let welcome = w.messages().remove(0);
    assert_eq!(welcome["result"]["instructions"], "as it was");
    assert_eq!(welcome["result"]["serverInfo"]["name"], "s");
    w.asks("ann", "1", "tools/list", "");
    w.expect(&[r#"0.000s ann.2 answer 1 {"tools":[{"inputSchema":{},"name":"x"}]} last"#]);
}

#[test]
fn what_was_kept_of_a_server_that_was_started_otherwise_is_not_recalled() {
    let recalled = kept_by(lazy());
    let mut plan = lazy();
    plan.servers[0].fingerprint += 1;
    let mut w = World::after(
        plan,
        Outset {
            recalled,
            ..outset()
        },
    );
    w.expect(&["0.000s spawn git.1"]);
    w.connect(&["ann"]);
    w.asks("ann", "1", "tools/list", "");
    w.expect(&[]);
}

#[test]
fn every_request_that_needs_the_process_starts_it() {
    let requests = [
        ("tools/call", r#"{"name":"git__x"}"#),
        ("prompts/get", r#"{"name":"git__p"}"#),
        ("resources/read", r#"{"uri":"file:///r"}"#),
        ("resources/read", r#"{"uri":"file:///not/listed"}"#),
        ("resources/subscribe", r#"{"uri":"file:///r"}"#),
        (
            "completion/complete",
            r#"{"ref":{"type":"ref/prompt","name":"git__p"},"argument":{"name":"a","value":""}}"#,
        ),
    ];
    for (method, params) in requests {
        let mut w = World::new(lazy());
        let offers = w.offers.get_mut("git").expect("it is there");
        offers.prompts = vec!["p".into()];
        offers.resources = vec!["file:///r".into()];
        w.serve("git.1");
        w.pass(10.0);
        w.dies("git.1");
        assert_eq!(phase(&w), Phase::Asleep);
        w.connect(&["ann"]);
        w.asks("ann", "1", method, params);
        w.expect(&["10.000s spawn git.2"]);
        w.serve("git.2");
        w.expect_of(
            method,
            &[&format!("{} to git.2 #6 {method} {}", w.now, named(params))],
        );
        w.answers("git.2", 6, "{}");
        w.expect_of("ann", &["10.000s ann.2 answer 1 {} last"]);
    }
}

/// As the server knows it, in the order in which it is told.
fn named(params: &str) -> String {
    let params = params.replace("git__", "");
    let value: serde_json::Value = serde_json::from_str(&params).expect("it is JSON");
    value.to_string()
}

#[test]
fn a_stateless_client_that_wants_news_of_a_resource_starts_it() {
    let mut w = World::new(lazy());
    w.offers.get_mut("git").expect("it is there").resources = vec!["file:///r".into()];
    w.serve("git.1");
    w.pass(10.0);
    w.dies("git.1");
    w.come("lou", View::Merged);
    let wanted = r#""notifications":{"resourceSubscriptions":["file:///r"]}"#;
    let params = format!("{{{wanted},{}}}", meta("{}", ""));
    w.forget();
    w.asks("lou", "1", "subscriptions/listen", &params);
    w.expect_of("spawn", &["10.000s spawn git.2"]);
    w.serve("git.2");
    w.forget();
    w.pass(1_000.0);
    w.expect_of("close", &[]);
}

#[test]
fn an_eager_server_is_shown_as_remembered_until_it_has_told_its_lists() {
    let mut w = again(plan(&["git"]));
    w.expect(&["0.000s spawn git.1"]);
    assert!(!is_ready(&mut w));
    w.connect(&["ann"]);
    w.listens("ann", None);
    w.forget();
    w.asks("ann", "1", "tools/list", "");
    w.expect(&[&format!("0.000s ann.3 answer 1 {LISTED} last")]);
    // Its calls wait, and so does what may be new.
    w.calls("ann", "2", "git__x");
    w.calls("ann", "3", "git__y");
    w.expect(&[]);
    w.offers.get_mut("git").expect("it is there").tools = vec!["x".into(), "y".into()];
    w.serve("git.1");
    w.expect_of(
        "call",
        &[
            r#"0.000s to git.1 #3 tools/call {"name":"x"}"#,
            r#"0.000s to git.1 #4 tools/call {"name":"y"}"#,
        ],
    );
    w.pass(0.2);
    w.expect(&["0.200s ann.2 [2-1] notifications/tools/list_changed"]);
}

#[test]
fn a_server_whose_era_is_remembered_is_not_asked_for_it() {
    let mut plan = lazy();
    plan.servers[0].protocol = Protocol::Auto;
    let mut earlier = World::new(plan.clone());
    earlier.spawned("git.1");
    earlier.greets("git.1");
    earlier.dies("git.1");
    earlier.serve("git.2");
    let recalled = earlier.remembered();
    let mut w = World::after(
        plan,
        Outset {
            recalled,
            ..outset()
        },
    );
    w.connect(&["ann"]);
    w.calls("ann", "1", "git__x");
    w.serve("git.1");
    w.expect_of(
        "call",
        &[r#"0.000s to git.1 #3 tools/call {"name":"x"} by c at debug"#],
    );
}

#[test]
fn lists_are_kept_once_and_again_when_they_change() {
    let tools_kept = |w: &mut World| -> Vec<usize> {
        let kept = std::mem::take(&mut w.kept);
        let lists = kept.into_iter().map(|record| match record {
            Record::Lists { lists, .. } => lists.items.values().map(Vec::len).sum(),
            Record::Session { .. } | Record::Heard { .. } => 0,
        });
        lists.collect()
    };
    let mut w = again(plan(&["git"]));
    w.offers.get_mut("git").expect("it is there").hello = r#","instructions":"as it was""#;
    w.serve("git.1");
    assert!(w.kept.is_empty(), "it is as it was");
    w.offers.get_mut("git").expect("it is there").tools = vec!["x".into(), "y".into()];
    w.says("git.1", &notice("notifications/tools/list_changed", ""));
    w.pass(0.2);
    w.lists("git.1", 3);
    assert_eq!(tools_kept(&mut w), [2]);
    w.says("git.1", &notice("notifications/tools/list_changed", ""));
    w.pass(0.2);
    w.lists("git.1", 4);
    assert!(w.kept.is_empty(), "it has not changed");
    w.offers.get_mut("git").expect("it is there").hello = "";
    w.dies("git.1");
    w.pass(1.0);
    w.serve("git.2");
    assert_eq!(tools_kept(&mut w), [2], "it says something else of itself");
}

#[test]
fn lists_of_sessions_own_children_are_not_kept() {
    let mut w = World::scoped(&["git"], &["git"]);
    w.kept.clear();
    w.connect(&["ann"]);
    w.calls("ann", "1", "git__x");
    w.offers.get_mut("git").expect("it is there").tools = vec!["own".into()];
    w.serve("git.2");
    let is_list = |record: &Record| matches!(record, Record::Lists { .. });
    assert!(!w.kept.iter().any(is_list));
}

/// A server with an `idle_stop`, up since 0 s; ann is there.
fn idle() -> World {
    let mut w = World::new(stopping());
    w.offers.get_mut("git").expect("it is there").resources = vec!["file:///r".into()];
    w.serve("git.1");
    w.pass(0.2);
    w.connect(&["ann"]);
    w
}

#[test]
fn a_server_without_a_call_for_its_idle_stop_is_stopped_and_stays_listed() {
    let mut w = idle();
    w.pass(300.0);
    w.calls("ann", "1", "git__x");
    w.pass(20.0);
    w.answers("git.1", 5, "{}");
    w.forget();
    w.pass(599.9);
    w.expect(&[]);
    w.pass(0.1);
    w.expect(&["920.200s close git.1"]);
    w.dies("git.1");
    w.forget();
    w.pass(1_000.0);
    w.expect(&[]);
    w.asks("ann", "2", "tools/list", "");
    w.expect(&[&format!("1920.200s ann.3 answer 2 {LISTED} last")]);
}

#[test]
fn whoever_needs_it_keeps_it() {
    let needs: [(&str, Act); 4] = [
        ("a call under way", |w| {
            w.calls("ann", "1", "git__x");
            for _ in 0..100 {
                w.pass(20.0);
                let id = w.wire_id("git.1", 5);
                let params = format!(r#"{{"progress":1,"progressToken":{id}}}"#);
                w.says("git.1", &notice("notifications/progress", &params));
            }
        }),
        ("a subscription", |w| {
            w.asks("ann", "1", "resources/subscribe", r#"{"uri":"file:///r"}"#);
            w.answers("git.1", 5, "{}");
        }),
        ("a question", |w| {
            w.calls("ann", "1", "git__x");
            let question = r#"{"messages":[],"maxTokens":1}"#;
            w.says("git.1", &request("7", "sampling/createMessage", question));
            w.pass(620.0);
        }),
        ("calls that come again and again", |w| {
            for call in 5..9 {
                w.calls("ann", &call.to_string(), "git__x");
                w.answers("git.1", call, "{}");
                w.pass(598.0);
            }
        }),
    ];
    for (what, needs) in needs {
        let mut w = idle();
        w.forget();
        needs(&mut w);
        w.pass(1.0);
        let trace = w.trace();
        let closes = trace.iter().any(|line| line.contains("close"));
        assert!(!closes, "{what} does not keep it: {trace:?}");
    }
}

#[test]
fn a_subscription_that_ends_keeps_it_no_more() {
    let mut w = idle();
    w.asks("ann", "1", "resources/subscribe", r#"{"uri":"file:///r"}"#);
    w.answers("git.1", 5, "{}");
    w.pass(1_000.0);
    w.asks(
        "ann",
        "2",
        "resources/unsubscribe",
        r#"{"uri":"file:///r"}"#,
    );
    w.forget();
    w.pass(6.0);
    w.expect_of("git.1", &["1005.000s close git.1"]);
}

#[test]
fn a_call_that_comes_while_it_goes_is_served_by_its_next_life() {
    let exited = |w: &mut World| w.exits("git.1");
    let ended = |w: &mut World| w.child("git.1", FromChild::OutputEnded);
    let moments: [(&str, &[Act]); 7] = [
        ("its stdin was just closed", &[]),
        ("it was sent SIGTERM", &[|w| w.pass(2.0)]),
        ("it was killed", &[|w| w.pass(4.0)]),
        ("its stdout has ended", &[ended]),
        ("it has exited", &[exited]),
        (
            "it does not read",
            &[|w| w.child("git.1", FromChild::NotReading)],
        ),
        (
            "its stdout has ended too long ago",
            &[ended, |w| w.pass(1.0)],
        ),
    ];
    for (moment, steps) in moments {
        let mut w = idle();
        w.pass(600.0);
        for step in steps {
            step(&mut w);
        }
        assert_eq!(phase(&w), Phase::Dozing, "{moment}");
        w.forget();
        w.calls("ann", "1", "git__x");
        w.calls("ann", "2", "git__x");
        w.pass(0.5);
        assert!(
            w.trace().iter().all(|line| !line.contains("ann")),
            "{moment}"
        );
        w.dies("git.1");
        w.serve("git.2");
        w.answers("git.2", 5, r#"{"one":1}"#);
        w.answers("git.2", 6, r#"{"two":2}"#);
        let now = w.now;
        w.expect_of(
            "ann",
            &[
                &format!(r#"{now} ann.2 answer 1 {{"one":1}} last"#),
                &format!(r#"{now} ann.3 answer 2 {{"two":2}} last"#),
            ],
        );
    }
}

#[test]
fn a_call_that_comes_just_before_or_just_after_is_served_too() {
    let mut w = idle();
    w.pass(599.7);
    w.calls("ann", "1", "git__x");
    w.pass(1.0);
    w.answers("git.1", 5, "{}");
    w.expect_of("close", &[]);
    w.pass(600.1);
    w.dies("git.1");
    assert_eq!(phase(&w), Phase::Asleep);
    w.forget();
    w.calls("ann", "2", "git__x");
    let spawned = w.now;
    w.expect(&[&format!("{spawned} spawn git.2")]);
    w.serve("git.2");
    w.answers("git.2", 5, "{}");
    w.expect_of("ann", &[&format!("{spawned} ann.3 answer 2 {{}} last")]);
}

#[test]
fn a_call_that_came_while_it_went_and_was_taken_back_leaves_it_up_for_another() {
    let mut w = idle();
    w.pass(600.0);
    w.calls("ann", "1", "git__x");
    w.cancels("ann", "1");
    w.forget();
    w.dies("git.1");
    w.serve("git.2");
    w.expect_of("tools/call", &[]);
    w.pass(600.0);
    w.expect_of("close", &[&format!("{} close git.2", w.now)]);
}

#[test]
fn one_that_goes_when_the_gateway_ends_is_not_started_again() {
    let mut w = idle();
    w.pass(600.0);
    w.calls("ann", "1", "git__x");
    w.stop();
    w.forget();
    w.dies("git.1");
    w.expect_of("spawn", &[]);
    assert!(w.finished);
    let mut w = again(lazy());
    w.stop();
    assert!(w.finished);
}

#[test]
fn one_that_does_not_go_when_asked_is_killed_like_any() {
    let mut w = idle();
    w.pass(600.0);
    w.forget();
    w.pass(5.0);
    let signals = w.deeds.iter().filter_map(|(_, effect)| match effect {
        Effect::Signal { signal, .. } => Some(*signal),
        _ => None,
    });
    assert_eq!(
        signals.collect::<Vec<_>>(),
        [Signal::Terminate, Signal::Kill]
    );
}

#[test]
fn a_lazy_start_that_fails_is_tried_again_by_need_alone() {
    let mut w = again(lazy());
    w.connect(&["ann"]);
    w.calls("ann", "1", "git__x");
    w.forget();
    w.dies("git.1");
    w.expect_of(
        "ann",
        &[r#"0.000s ann.2 error 1 -32000 server "git" is not available: exited with code 1 last"#],
    );
    w.pass(100.0);
    w.expect(&[]);
    assert_eq!(phase(&w), Phase::Asleep);
    // A call that comes before the next start is due waits for it.
    w.calls("ann", "2", "git__x");
    w.dies("git.2");
    w.calls("ann", "3", "git__x");
    w.forget();
    w.pass(2.0);
    w.expect(&["102.000s spawn git.3"]);
    w.dies("git.3");
    w.expect_of(
        "ann",
        &[
            r#"102.000s ann.4 error 3 -32000 server "git" is parked after 3 failures in a row; last: exited with code 1; it is tried again by a call in 60 s or later last"#,
        ],
    );
    w.pass(30.0);
    w.calls("ann", "4", "git__x");
    w.expect(&[
        r#"132.000s ann.5 error 4 -32000 server "git" is parked after 3 failures in a row; last: exited with code 1; it is tried again by a call in 30 s or later last"#,
    ]);
    w.pass(100.0);
    w.expect(&[]);
    w.calls("ann", "5", "git__x");
    w.expect(&["232.000s spawn git.4"]);
    w.serve("git.4");
    w.expect_of("call", &[r#"232.000s to git.4 #3 tools/call {"name":"x"}"#]);
}

#[test]
fn one_of_which_nothing_is_known_is_tried_until_its_lists_are() {
    let mut w = World::new(lazy());
    for life in 1..=3 {
        w.dies(&format!("git.{life}"));
        w.pass(4.0);
    }
    w.forget();
    w.pass(60.0);
    w.expect_of("spawn", &["68.000s spawn git.4"]);
}

#[test]
fn what_is_hidden_is_tried_each_minute_though_lazy_for_nobody_can_call_it() {
    let mut plan = lazy();
    plan.servers[0].listed_when_parked = false;
    plan.reconnect_attempts_max = 1;
    let mut w = again(plan);
    w.connect(&["ann"]);
    w.calls("ann", "1", "git__x");
    w.dies("git.1");
    w.forget();
    w.pass(60.0);
    w.expect(&["60.000s spawn git.2"]);
}

#[test]
fn a_lazy_server_that_dies_of_a_call_sleeps_and_says_so() {
    let mut w = again(lazy());
    w.connect(&["ann"]);
    w.calls("ann", "1", "git__x");
    w.serve("git.1");
    w.forget();
    w.dies("git.1");
    w.pass(100.0);
    w.expect(&[
        r#"0.000s ann.2 error 1 -32000 server "git" exited with code 1 while this call was under way; the next call starts it again last"#,
        "0.000s bury git.1",
    ]);
}

#[test]
fn the_template_of_sessions_children_sleeps_and_they_do_not() {
    let mut plan = stopping();
    plan.servers[0].scope = Scope::Session;
    let mut w = World::new(plan);
    w.serve("git.1");
    w.connect(&["ann"]);
    w.listens("ann", None);
    w.calls("ann", "1", "git__x");
    w.serve("git.2");
    w.answers("git.2", 3, "{}");
    w.forget();
    w.pass(10_000.0);
    w.expect_of("close", &["600.000s close git.1"]);
}

#[test]
fn a_short_idle_stop_is_heeded_though_pings_are_rare() {
    let mut plan = stopping();
    plan.servers[0].idle_stop = Some(Duration::from_secs(2));
    plan.ping_interval = Duration::from_secs(86_400);
    let mut w = World::new(plan);
    w.serve("git.1");
    w.connect(&["ann"]);
    w.calls("ann", "1", "git__x");
    w.pass(20.0);
    w.answers("git.1", 3, "{}");
    w.forget();
    w.pass(2.0);
    w.expect_of("close", &["22.000s close git.1"]);
}

#[test]
fn one_that_was_called_and_fell_asleep_is_started_for_new_lists_only_for_as_long_as_those_take() {
    let mut plan = lazy();
    plan.servers[0].idle_stop = Some(Duration::from_secs(600));
    let mut w = again(plan);
    w.connect(&["ann"]);
    w.calls("ann", "1", "git__x");
    w.serve("git.1");
    w.answers("git.1", 3, "{}");
    w.pass(601.0);
    w.dies("git.1");
    let mut plan = w.plan.clone();
    plan.servers[0].fingerprint += 1;
    w.forget();
    w.reload(plan);
    w.serve("git.2");
    w.pass(11.0);
    w.expect_of(
        "git.2",
        &[
            "601.000s spawn git.2",
            "601.000s to git.2 #1 initialize",
            "601.000s to git.2 notifications/initialized",
            "601.000s to git.2 #2 tools/list",
            "611.000s close git.2",
        ],
    );
}

#[test]
fn what_a_server_said_of_itself_before_the_restart_is_said_while_it_starts() {
    let mut w = again(plan(&["git"]));
    w.come("ann", View::Server("git".into()));
    w.forget();
    w.connects_at("ann", "2025-11-25");
    let welcome = w.messages().remove(0);
    assert_eq!(welcome["result"]["instructions"], "as it was");
}

#[test]
fn each_list_that_is_declared_is_remembered_and_no_other() {
    let mut w = World::of(&["git"]);
    let offers = w.offers.get_mut("git").expect("it is there");
    offers.capabilities = r#""prompts":{}"#;
    w.serve("git.1");
    let kinds = |w: &World| {
        let lists = &w.remembered().lists["git"];
        lists.items.keys().copied().collect::<Vec<_>>()
    };
    let both = [ItemKind::Tool, ItemKind::Prompt];
    assert_eq!(kinds(&w), both);
    // What could not be read now is known from before.
    w.offers.get_mut("git").expect("it is there").tools = vec!["y".into()];
    w.dies("git.1");
    w.pass(1.0);
    w.spawned("git.2");
    w.greets("git.2");
    w.fails("git.2", 2, "no");
    w.answers("git.2", 3, r#"{"prompts":[{"name":"p"}]}"#);
    assert_eq!(kinds(&w), both);
    assert_eq!(
        w.remembered().lists["git"].items[&ItemKind::Prompt].len(),
        1
    );
}

/// A server that is stopped after five seconds without a call, at which
/// something is done; whether it is stopped within a minute.
fn is_stopped_after(act: Act) -> bool {
    let mut plan = plan(&["git"]);
    plan.servers[0].idle_stop = Some(Duration::from_secs(5));
    let mut w = World::new(plan);
    w.serve("git.1");
    w.pass(0.2);
    w.connect(&["ann"]);
    w.come("eve", View::Merged);
    act(&mut w);
    w.forget();
    w.pass(50.0);
    w.trace().iter().any(|line| line.contains("close git.1"))
}

#[test]
fn one_whose_list_or_whose_clients_answer_is_awaited_is_not_stopped() {
    assert!(is_stopped_after(|_| ()));
    assert!(!is_stopped_after(|w| {
        w.says("git.1", &notice("notifications/tools/list_changed", ""));
    }));
    assert!(!is_stopped_after(|w| {
        w.listens("ann", None);
        w.calls("ann", "1", "git__x");
        w.says("git.1", &request("1", "elicitation/create", "{}"));
        w.answers("git.1", 3, "{}");
    }));
    assert!(!is_stopped_after(|w| {
        let params = format!(
            r#"{{"name":"git__x",{}}}"#,
            meta(r#"{"elicitation":{}}"#, "")
        );
        w.asks("eve", "1", "tools/call", &params);
        w.says("git.1", &request("1", "elicitation/create", "{}"));
        w.pass(0.02);
        w.answers("git.1", 3, "{}");
    }));
}
