//! Children of the stateless era: what requests to them carry, what they tell,
//! and how they are asked to tell of changes.

use crate::config::checked::Protocol;
use crate::event::View;
use crate::hub::stories::cast::{notice, request};
use crate::hub::stories::eras::speaking;
use crate::hub::stories::stateless::meta;
use crate::hub::stories::world::World;

const URI: &str = r#"{"uri":"file:///r"}"#;

/// A server that has all, and two clients of the handshake era that listen; its
/// requests `#1` to `#6` are the greeting, the request to be told, four lists.
fn world() -> World {
    let mut w = speaking(&["git"], Protocol::Modern);
    let offers = w.offers.get_mut("git").expect("it is there");
    offers.prompts = vec!["p".into()];
    offers.resources = vec!["file:///r".into()];
    offers.capabilities = r#""logging":{},"completions":{},"tools":{"listChanged":true},"resources":{"listChanged":true,"subscribe":true}"#;
    w.serve("git.1");
    acknowledges(&mut w, "git.1", 2);
    w.pass(0.2);
    w.connect(&["ann", "bob"]);
    w.listens("ann", None);
    w.listens("bob", None);
    w.forget();
    w
}

/// A child acknowledges its request `#number` to be told of changes.
fn acknowledges(w: &mut World, name: &str, number: usize) {
    let params = format!(r#"{{{},"notifications":{{}}}}"#, label(w, name, number));
    w.says(
        name,
        &notice("notifications/subscriptions/acknowledged", &params),
    );
}

/// The `_meta` of what is told under a child's request `#number`.
fn label(w: &World, name: &str, number: usize) -> String {
    let id = w.wire_id(name, number);
    format!(r#""_meta":{{"io.modelcontextprotocol/subscriptionId":{id}}}"#)
}

fn update(w: &mut World, number: usize) {
    let params = format!(r#"{{"uri":"file:///r",{}}}"#, label(w, "git.1", number));
    w.says("git.1", &notice("notifications/resources/updated", &params));
}

fn subscribe(w: &mut World, who: &str) {
    w.asks(who, "\"s\"", "resources/subscribe", URI);
}

fn unsubscribe(w: &mut World, who: &str) {
    w.asks(who, "\"u\"", "resources/unsubscribe", URI);
}

/// The text of the last message to the child.
fn last_for_child(w: &mut World) -> serde_json::Value {
    w.messages().pop().expect("something was sent")
}

#[test]
fn a_handshake_clients_call_says_who_asks_and_what_it_can() {
    let mut w = world();
    w.asks(
        "ann",
        "7",
        "tools/call",
        r#"{"name":"git__x","_meta":{"progressToken":"t"},"k":[1]}"#,
    );
    let call = last_for_child(&mut w);
    let id = w.wire_id("git.1", 7);
    assert_eq!(
        call,
        serde_json::json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": {
            "name": "x", "k": [1],
            "_meta": {
                "io.modelcontextprotocol/protocolVersion": "2026-07-28",
                "io.modelcontextprotocol/clientInfo": {"name": "c"},
                "io.modelcontextprotocol/clientCapabilities":
                    {"sampling": {}, "elicitation": {}, "roots": {}},
                "io.modelcontextprotocol/logLevel": "debug",
                "progressToken": id,
            },
        }})
    );
}

#[test]
fn what_its_meta_says_already_is_not_said_twice() {
    let mut w = world();
    let params = r#"{"name":"git__x","_meta":{"io.modelcontextprotocol/clientInfo":{"name":"own"},"io.modelcontextprotocol/logLevel":"alert"}}"#;
    w.asks("ann", "7", "tools/call", params);
    let deed = w.deeds.last().map(|(_, effect)| w.line(w.now, effect));
    assert_eq!(
        deed.as_deref(),
        Some(r#"0.200s to git.1 #7 tools/call {"name":"x"} by own at alert"#)
    );
    let crate::event::Effect::ToChild { message, .. } = &w.deeds.last().expect("sent").1 else {
        panic!("it is for the child");
    };
    let text = crate::hub::stories::trace::text(message);
    assert_eq!(text.matches("clientInfo").count(), 1, "{text}");
    assert_eq!(text.matches("logLevel").count(), 1, "{text}");
}

#[test]
fn its_level_is_the_sessions_and_no_level_is_set() {
    let mut w = world();
    w.asks("ann", "1", "logging/setLevel", r#"{"level":"warning"}"#);
    w.expect(&["0.200s ann.3 answer 1 {} last"]);
    w.calls("ann", "2", "git__x");
    w.calls("bob", "2", "git__x");
    w.expect(&[
        r#"0.200s to git.1 #7 tools/call {"name":"x"} by c at warning"#,
        r#"0.200s to git.1 #8 tools/call {"name":"x"} by c at debug"#,
    ]);
}

#[test]
fn tasks_are_not_declared_for_a_client() {
    let mut w = world();
    w.come("cid", View::Merged);
    let extensions = r#"{"io.modelcontextprotocol/tasks":{},"x/y":{}}"#;
    let hello = format!(
        r#"{{"protocolVersion":"2025-11-25","capabilities":{{"tasks":{{}},"roots":{{}},"extensions":{extensions}}}}}"#
    );
    w.posts("cid", &request("0", "initialize", &hello));
    w.calls("cid", "1", "git__x");
    let call = last_for_child(&mut w);
    let meta = &call["params"]["_meta"];
    assert_eq!(
        meta["io.modelcontextprotocol/clientCapabilities"],
        serde_json::json!({"roots": {}, "extensions": {"x/y": {}}})
    );
}

#[test]
fn a_stateless_clients_call_goes_as_it_is_but_for_id_name_and_token() {
    let mut w = world();
    w.come("cid", View::Merged);
    let more = r#","progressToken":"t","x.y/z":[ 1.0 ]"#;
    let params = format!(
        r#"{{"name":"git__x","requestState":"s", "inputResponses" : {{}},{}}}"#,
        meta(r#"{ "elicitation":{} }"#, more)
    );
    w.asks("cid", "9", "tools/call", &params);
    let id = w.wire_id("git.1", 7);
    let crate::event::Effect::ToChild { message, .. } = &w.deeds.last().expect("sent").1 else {
        panic!("it is for the child");
    };
    let sent = crate::hub::stories::trace::text(message);
    let expected = request(&id.to_string(), "tools/call", &params)
        .replace("git__x", "x")
        .replace(
            r#""progressToken":"t""#,
            &format!(r#""progressToken":{id}"#),
        );
    assert_eq!(sent, expected);
    w.forget();
    // What it answers comes as it is, also if it asks.
    let answer = r#"{"resultType":"input_required","inputRequests":{"q":{"method":"roots/list"}},"requestState":"v1.x"}"#;
    w.answers("git.1", 7, answer);
    let value: serde_json::Value = serde_json::from_str(answer).expect("JSON");
    w.expect(&[&format!("0.200s cid.1 answer 9 {value} last")]);
}

#[test]
fn the_version_is_taken_from_calls_of_stateless_clients_to_a_handshake_child_alone() {
    let mut w = speaking(&["git"], Protocol::Auto);
    w.come("ann", View::Merged);
    // It waits while nobody knows yet.
    w.posts(
        "ann",
        &request(
            "1",
            "tools/call",
            &format!(r#"{{"name":"git__x",{}}}"#, meta("{}", "")),
        ),
    );
    w.spawned("git.1");
    w.dies("git.1");
    w.serve("git.2");
    w.expect_of("tools/call", &[
        r#"0.000s to git.2 #3 tools/call {"_meta":{"io.modelcontextprotocol/clientCapabilities":{}},"name":"x"}"#,
    ]);
}

#[test]
fn progress_and_logs_find_their_client() {
    let mut w = world();
    let params = r#"{"name":"git__x","_meta":{"progressToken":"t"}}"#;
    w.asks("ann", "1", "tools/call", params);
    w.forget();
    let token = w.wire_id("git.1", 7);
    w.says(
        "git.1",
        &notice(
            "notifications/progress",
            &format!(r#"{{"progress":1,"progressToken":{token}}}"#),
        ),
    );
    w.says(
        "git.1",
        &notice("notifications/message", r#"{"data":1,"level":"info"}"#),
    );
    w.expect(&[
        "0.200s ann.3 opened prime 5-0",
        r#"0.200s ann.3 [5-1] notifications/progress {"progress":1,"progressToken":"t"}"#,
        r#"0.200s ann.3 [5-2] notifications/message {"data":1,"level":"info"}"#,
    ]);
}

#[test]
fn what_it_asks_all_the_same_is_refused() {
    let mut w = world();
    w.calls("ann", "1", "git__x");
    w.forget();
    for method in ["elicitation/create", "roots/list", "ping"] {
        w.says("git.1", &request("\"q\"", method, ""));
    }
    w.expect(&[
        r#"0.200s to git.1 error "q" -32601 method "elicitation/create" not found"#,
        r#"0.200s to git.1 error "q" -32601 method "roots/list" not found"#,
        r#"0.200s to git.1 error "q" -32601 method "ping" not found"#,
    ]);
}

#[test]
fn it_is_asked_to_tell_of_the_lists_that_it_says_change() {
    let mut w = speaking(&["git"], Protocol::Modern);
    w.offers.get_mut("git").expect("it is there").capabilities =
        r#""prompts":{"listChanged":true}"#;
    w.spawned("git.1");
    w.forget();
    w.greets("git.1");
    w.expect(&[
        r#"0.000s to git.1 #2 subscriptions/listen {"notifications":{"promptsListChanged":true}} by mcproxy"#,
        "0.000s to git.1 #3 tools/list by mcproxy",
        "0.000s to git.1 #4 prompts/list by mcproxy",
    ]);
    w.lists("git.1", 3);
    acknowledges(&mut w, "git.1", 2);
    let params = format!("{{{}}}", label(&w, "git.1", 2));
    w.says(
        "git.1",
        &notice("notifications/prompts/list_changed", &params),
    );
    w.pass(1.0);
    w.expect(&["0.200s to git.1 #5 prompts/list by mcproxy"]);
}

#[test]
fn subscriptions_of_clients_change_what_it_is_asked_to_tell() {
    let mut w = world();
    subscribe(&mut w, "ann");
    subscribe(&mut w, "bob");
    w.expect(&[
        r#"0.200s ann.3 answer "s" {} last"#,
        r#"0.200s bob.3 answer "s" {} last"#,
    ]);
    w.pass(0.2);
    w.expect(&[
        r#"0.400s to git.1 #7 subscriptions/listen {"notifications":{"resourceSubscriptions":["file:///r"],"resourcesListChanged":true,"toolsListChanged":true}} by mcproxy"#,
    ]);
    acknowledges(&mut w, "git.1", 7);
    w.expect(&[r##"0.400s to git.1 notifications/cancelled {"requestId":"#2"}"##]);
    update(&mut w, 7);
    w.expect(&[
        r#"0.400s ann.2 [3-1] notifications/resources/updated {"_meta":{},"uri":"file:///r"}"#,
        r#"0.400s bob.2 [4-1] notifications/resources/updated {"_meta":{},"uri":"file:///r"}"#,
    ]);
    unsubscribe(&mut w, "ann");
    w.pass(1.0);
    w.expect(&[r#"0.400s ann.4 answer "u" {} last"#]);
    unsubscribe(&mut w, "bob");
    w.pass(1.0);
    w.expect(&[
        r#"1.400s bob.4 answer "u" {} last"#,
        r#"1.600s to git.1 #8 subscriptions/listen {"notifications":{"resourcesListChanged":true,"toolsListChanged":true}} by mcproxy"#,
    ]);
}

#[test]
fn a_burst_of_subscriptions_is_told_once_and_a_change_meanwhile_after_it() {
    let mut w = world();
    for number in 0..5 {
        let uri = format!(r#"{{"uri":"file:///r{number}"}}"#);
        w.asks("ann", &number.to_string(), "resources/subscribe", &uri);
    }
    w.pass(0.2);
    let trace = w.trace();
    let listens = |trace: &[String]| trace.iter().filter(|l| l.contains("listen")).count();
    assert_eq!(listens(&trace), 1, "{trace:?}");
    // It is not acknowledged yet: no third one beside the two.
    subscribe(&mut w, "bob");
    w.pass(1.0);
    w.expect(&[r#"0.400s bob.3 answer "s" {} last"#]);
    acknowledges(&mut w, "git.1", 7);
    let trace = w.trace();
    assert_eq!(listens(&trace), 1, "{trace:?}");
    assert!(trace[1].contains(r##"#8 subscriptions/listen"##) || trace[0].contains("cancelled"));
    assert!(
        trace[1].contains(r#""file:///r","file:///r0""#),
        "{trace:?}"
    );
}

#[test]
fn what_is_told_under_the_old_request_as_well_is_told_once() {
    let mut w = world();
    subscribe(&mut w, "ann");
    w.pass(0.2);
    acknowledges(&mut w, "git.1", 7);
    w.forget();
    update(&mut w, 2);
    w.expect(&[]);
    update(&mut w, 7);
    w.expect_of(
        "updated",
        &[r#"0.400s ann.2 [3-1] notifications/resources/updated {"_meta":{},"uri":"file:///r"}"#],
    );
    // One that labels nothing is heard, too.
    w.says("git.1", &notice("notifications/resources/updated", URI));
    w.expect_of(
        "updated",
        &[r#"0.400s ann.2 [3-2] notifications/resources/updated {"uri":"file:///r"}"#],
    );
}

#[test]
fn a_stateless_client_hears_of_it_under_its_own_subscription() {
    let mut w = world();
    w.come("cid", View::Merged);
    let filter = r#""notifications":{"resourceSubscriptions":["file:///r"]}"#;
    let params = format!(r#"{{{filter},{}}}"#, meta("{}", ""));
    w.asks("cid", "\"l\"", "subscriptions/listen", &params);
    w.pass(0.2);
    acknowledges(&mut w, "git.1", 7);
    w.forget();
    update(&mut w, 7);
    w.expect(&[
        r#"0.400s cid.1 notifications/resources/updated {"_meta":{"io.modelcontextprotocol/subscriptionId":"l"},"uri":"file:///r"}"#,
    ]);
    w.leaves("cid.1");
    w.pass(0.2);
    w.expect_of("listen", &[
        r#"0.600s to git.1 #8 subscriptions/listen {"notifications":{"resourcesListChanged":true,"toolsListChanged":true}} by mcproxy"#,
    ]);
}

#[test]
fn a_new_life_is_asked_for_all_that_is_wanted() {
    let mut w = world();
    subscribe(&mut w, "ann");
    w.pass(0.2);
    w.dies("git.1");
    w.pass(1.0);
    w.forget();
    w.serve("git.2");
    w.expect_of("listen", &[
        r#"1.400s to git.2 #2 subscriptions/listen {"notifications":{"resourceSubscriptions":["file:///r"],"resourcesListChanged":true,"toolsListChanged":true}} by mcproxy"#,
    ]);
}

#[test]
fn one_that_does_not_know_such_requests_is_served_without() {
    let mut w = speaking(&["git"], Protocol::Modern);
    let offers = w.offers.get_mut("git").expect("it is there");
    offers.resources = vec!["file:///r".into()];
    offers.capabilities = r#""tools":{"listChanged":true}"#;
    w.serve("git.1");
    w.fails("git.1", 2, "no such method");
    w.pass(0.2);
    w.connect(&["ann"]);
    w.forget();
    subscribe(&mut w, "ann");
    w.pass(100.0);
    w.expect(&[r#"0.200s ann.2 error "s" -32601 method "resources/subscribe" not found last"#]);
    w.calls("ann", "1", "git__x");
    w.expect_of(
        "call",
        &[r#"100.200s to git.1 #6 tools/call {"name":"x"} by c at debug"#],
    );
}

#[test]
fn nor_is_a_stateless_client_promised_what_such_a_one_does_not_tell() {
    let mut w = world();
    w.dies("git.1");
    w.pass(1.0);
    w.serve("git.2");
    w.fails("git.2", 2, "not any more");
    w.come("cid", View::Merged);
    w.forget();
    let filter = r#""notifications":{"resourceSubscriptions":["file:///r"]}"#;
    let params = format!(r#"{{{filter},{}}}"#, meta("{}", ""));
    w.asks("cid", "1", "subscriptions/listen", &params);
    w.expect_of("cid", &[
        "1.200s cid.1 opened",
        r#"1.200s cid.1 notifications/subscriptions/acknowledged {"_meta":{"io.modelcontextprotocol/subscriptionId":1},"notifications":{}}"#,
    ]);
}

#[test]
fn a_minute_of_telling_makes_the_ends_before_it_forgotten() {
    let mut w = world();
    w.answers("git.1", 2, "{}");
    w.pass(1.0);
    acknowledges(&mut w, "git.1", 7);
    w.answers("git.1", 7, "{}");
    w.pass(2.0);
    let listens = |w: &World| {
        let requests = &w.lives[&w.life("git.1")].requests;
        requests
            .iter()
            .rposition(|(_, method)| method == "subscriptions/listen")
    };
    let third = listens(&w).expect("it was asked") + 1;
    acknowledges(&mut w, "git.1", third);
    w.pass(60.0);
    w.answers("git.1", third, "{}");
    w.pass(0.9);
    assert_eq!(listens(&w), Some(third - 1));
    w.pass(0.1);
    assert_ne!(listens(&w), Some(third - 1));
}

#[test]
fn roots_are_said_in_each_request_and_their_change_is_not_told() {
    let mut plan = crate::hub::stories::world::plan(&["pad"]);
    plan.servers[0].protocol = Protocol::Modern;
    plan.servers[0].scope = crate::config::checked::Scope::Session;
    let mut w = World::new(plan);
    w.serve("pad.1");
    w.pass(0.2);
    w.connect(&["ann"]);
    w.calls("ann", "1", "pad__x");
    w.serve("pad.2");
    w.forget();
    w.posts("ann", &notice("notifications/roots/list_changed", ""));
    w.expect(&["0.200s ann.3 verdict Accepted"]);
}

#[test]
fn its_contents_are_not_given_what_their_server_has_left_out() {
    let mut w = world();
    w.come("cid", View::Merged);
    let params = format!(r#"{{"uri":"file:///r",{}}}"#, meta("{}", ""));
    w.asks("cid", "1", "resources/read", &params);
    w.forget();
    w.answers("git.1", 7, r#"{"resultType":"complete","contents":[]}"#);
    w.expect(&[r#"0.200s cid.1 answer 1 {"contents":[],"resultType":"complete"} last"#]);
}

#[test]
fn a_request_that_ends_is_made_again_after_1_2_4_up_to_60_seconds() {
    let mut w = world();
    let mut waits = Vec::new();
    let mut number = 2;
    for _ in 0..8 {
        let ended = w.now;
        let id = w.wire_id("git.1", number);
        let params = format!(r#"{{"requestId":{id}}}"#);
        w.says("git.1", &notice("notifications/cancelled", &params));
        let newest = |w: &World| {
            let requests = &w.lives[&w.life("git.1")].requests;
            let listens = |(_, method): &(u64, String)| method == "subscriptions/listen";
            requests.iter().rposition(listens).expect("it was asked") + 1
        };
        while newest(&w) == number {
            w.pass(1.0);
        }
        number = newest(&w);
        waits.push(w.now.since(ended).as_secs());
        acknowledges(&mut w, "git.1", number);
    }
    assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60]);
}

#[test]
fn after_a_gap_the_lists_are_read_again() {
    let mut w = world();
    w.answers("git.1", 2, r#"{"resultType":"complete"}"#);
    w.pass(1.0);
    w.forget();
    acknowledges(&mut w, "git.1", 7);
    w.pass(0.2);
    w.expect(&[
        "1.400s to git.1 #8 tools/list by mcproxy",
        "1.400s to git.1 #9 resources/list by mcproxy",
        "1.400s to git.1 #10 resources/templates/list by mcproxy",
    ]);
}

#[test]
fn what_changes_before_the_first_request_is_acknowledged_is_a_gap_as_well() {
    let mut w = speaking(&["git"], Protocol::Modern);
    w.offers.get_mut("git").expect("it is there").capabilities = r#""tools":{"listChanged":true}"#;
    w.spawned("git.1");
    w.greets("git.1");
    w.lists("git.1", 3);
    w.pass(31.0);
    w.forget();
    acknowledges(&mut w, "git.1", 4);
    w.pass(0.2);
    w.expect(&["31.200s to git.1 #5 tools/list by mcproxy"]);
}

#[test]
fn a_resource_that_it_refuses_to_tell_of_costs_nobody_the_others() {
    let mut w = world();
    subscribe(&mut w, "bob");
    w.pass(0.2);
    acknowledges(&mut w, "git.1", 7);
    w.asks(
        "ann",
        "1",
        "resources/subscribe",
        r#"{"uri":"file:///bad"}"#,
    );
    w.pass(0.2);
    w.fails("git.1", 8, "no such resource");
    w.forget();
    // The request that it has acknowledged stands, and is all that is wanted.
    w.pass(10.0);
    w.expect(&[]);
    update(&mut w, 7);
    assert_eq!(w.trace().len(), 1);
    w.asks(
        "ann",
        "2",
        "resources/subscribe",
        r#"{"uri":"file:///good"}"#,
    );
    w.pass(0.2);
    w.expect_of("listen", &[
        r#"10.800s to git.1 #9 subscriptions/listen {"notifications":{"resourceSubscriptions":["file:///good","file:///r"],"resourcesListChanged":true,"toolsListChanged":true}} by mcproxy"#,
    ]);
    // Nobody wants it any more; who wants it later may find it there.
    acknowledges(&mut w, "git.1", 9);
    w.asks(
        "ann",
        "3",
        "resources/unsubscribe",
        r#"{"uri":"file:///bad"}"#,
    );
    w.pass(0.2);
    w.asks(
        "ann",
        "4",
        "resources/subscribe",
        r#"{"uri":"file:///bad"}"#,
    );
    w.forget();
    w.pass(0.2);
    let trace = w.trace();
    assert!(
        trace[0].contains(r#"["file:///bad","file:///good","file:///r"]"#),
        "{trace:?}"
    );
}

#[test]
fn a_new_life_that_refuses_a_resource_still_tells_of_its_lists() {
    let mut w = world();
    subscribe(&mut w, "ann");
    w.pass(0.2);
    w.dies("git.1");
    w.pass(1.0);
    w.serve("git.2");
    w.forget();
    w.fails("git.2", 2, "no such resource");
    w.expect_of("listen", &[
        r#"1.400s to git.2 #7 subscriptions/listen {"notifications":{"resourcesListChanged":true,"toolsListChanged":true}} by mcproxy"#,
    ]);
}

#[test]
fn one_that_never_acknowledges_is_asked_again() {
    let mut w = world();
    subscribe(&mut w, "ann");
    w.pass(0.2);
    w.forget();
    w.pass(31.0);
    w.expect(&[
        r##"30.400s to git.1 notifications/cancelled {"requestId":"#7"}"##,
        r#"31.400s to git.1 #8 subscriptions/listen {"notifications":{"resourceSubscriptions":["file:///r"],"resourcesListChanged":true,"toolsListChanged":true}} by mcproxy"#,
    ]);
}

#[test]
fn a_subscription_that_waited_for_the_start_is_the_gateways_to_answer_as_well() {
    let mut w = world();
    w.dies("git.1");
    subscribe(&mut w, "ann");
    w.pass(1.0);
    w.forget();
    w.serve("git.2");
    w.pass(0.2);
    w.expect_of("subscri", &[
        r#"1.200s to git.2 #2 subscriptions/listen {"notifications":{"resourcesListChanged":true,"toolsListChanged":true}} by mcproxy"#,
    ]);
}

#[test]
fn tasks_are_declared_where_a_server_of_this_era_begins_them() {
    let tasks = r#""extensions":{"io.modelcontextprotocol/tasks":{}}"#;
    for (protocol, is_declared) in [(Protocol::Modern, true), (Protocol::Legacy, false)] {
        let mut w = speaking(&["git", "web"], protocol);
        w.offers.get_mut("git").expect("it is there").capabilities = tasks;
        w.serve("git.1");
        w.serve("web.1");
        w.pass(0.2);
        w.come("ann", View::Merged);
        w.forget();
        w.asks(
            "ann",
            "1",
            "server/discover",
            &format!("{{{}}}", meta("{}", "")),
        );
        let capabilities = &w.messages()[0]["result"]["capabilities"];
        let declared = &capabilities["extensions"]["io.modelcontextprotocol/tasks"];
        assert_eq!(declared.is_object(), is_declared, "{capabilities}");
        assert!(capabilities["tools"].is_object());
    }
}

#[test]
fn a_task_that_nobody_began_is_refused_by_what_its_client_declares() {
    let mut w = speaking(&["git", "web"], Protocol::Modern);
    w.offers.get_mut("git").expect("it is there").capabilities =
        r#""extensions":{"io.modelcontextprotocol/tasks":{}}"#;
    w.serve("git.1");
    w.serve("web.1");
    w.pass(0.2);
    w.come("ann", View::Merged);
    w.forget();
    let knowing = r#"{"extensions":{"io.modelcontextprotocol/tasks":{}}}"#;
    for (id, capabilities) in [("1", "{}"), ("2", knowing)] {
        let params = format!(r#"{{"taskId":"t",{}}}"#, meta(capabilities, ""));
        w.asks("ann", id, "tasks/get", &params);
    }
    let errors: Vec<_> = w.messages().iter().map(|m| m["error"].clone()).collect();
    assert_eq!(errors[0]["code"], -32021);
    assert_eq!(
        errors[0]["data"]["requiredCapabilities"].to_string(),
        knowing
    );
    assert_eq!(errors[1]["code"], -32602);
}

#[test]
fn the_state_of_a_gateway_behind_this_one_is_not_taken_for_its_own() {
    let mut w = world();
    w.come("cid", View::Merged);
    let retry = |state: &str| {
        format!(
            r#"{{"name":"git__x","requestState":"{state}",{}}}"#,
            meta("{}", "")
        )
    };
    w.asks("cid", "1", "tools/call", &retry("mcproxy.AAAA"));
    let trace = w.trace();
    assert!(
        trace[0].contains(r#""requestState":"mcproxy.AAAA""#),
        "{trace:?}"
    );
}

#[test]
fn one_that_is_out_of_date_is_asked_to_tell_nothing_more() {
    let mut w = world();
    w.calls("ann", "1", "git__x");
    let mut plan = w.plan.clone();
    plan.servers[0].fingerprint += 1;
    w.reload(plan);
    w.answers("git.1", 2, r#"{"resultType":"complete"}"#);
    w.forget();
    w.pass(20.0);
    w.expect(&[]);
}

#[test]
fn one_server_declares_tasks_to_clients_of_its_own_era_alone() {
    let tasks = r#""extensions":{"io.modelcontextprotocol/tasks":{}}"#;
    for (protocol, is_declared) in [(Protocol::Modern, true), (Protocol::Legacy, false)] {
        let mut w = speaking(&["git"], protocol);
        w.offers.get_mut("git").expect("it is there").capabilities = tasks;
        w.serve("git.1");
        w.pass(0.2);
        w.come("ann", View::Server("git".into()));
        w.come("bob", View::Server("git".into()));
        let declares = |w: &mut World| {
            let capabilities = w.messages()[0]["result"]["capabilities"].clone();
            capabilities["extensions"]["io.modelcontextprotocol/tasks"].is_object()
        };
        let discover = format!("{{{}}}", meta("{}", ""));
        w.forget();
        w.asks("ann", "1", "server/discover", &discover);
        assert_eq!(declares(&mut w), is_declared);
        w.connects_at("bob", "2025-11-25");
        assert!(!declares(&mut w));
    }
}
