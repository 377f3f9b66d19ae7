//! What a reload means to sessions: those with children of their own, those with
//! subscriptions, those at an endpoint that is gone.

use crate::config::checked::Scope;
use crate::event::{Report, View};
use crate::hub::stories::cast::{notice, request, result};
use crate::hub::stories::world::{World, plan};
use crate::plan::Readiness;

#[test]
fn a_child_of_a_sessions_own_is_renewed_in_its_place_while_it_is_in_use() {
    let mut w = World::scoped(&["pad"], &["pad"]);
    w.connect(&["ann", "bob"]);
    w.calls("ann", "1", "pad__x");
    w.calls("bob", "1", "pad__x");
    w.serve("pad.2");
    w.serve("pad.3");
    w.answers("pad.3", 3, "{}");
    w.pass(1.0);
    w.forget();
    w.renew(&["pad"]);
    // Bob's has nothing to do, and the template never has.
    w.expect(&["1.200s close pad.3", "1.200s close pad.1"]);
    w.calls("ann", "2", "pad__x");
    w.calls("bob", "2", "pad__x");
    w.expect(&["1.200s spawn pad.4"]);
    w.answers("pad.2", 3, "{}");
    w.dies("pad.2");
    w.serve("pad.5");
    w.expect_of("call", &[r#"1.200s to pad.5 #3 tools/call {"name":"x"}"#]);
    w.dies("pad.3");
    w.serve("pad.4");
    w.expect_of("call", &[r#"1.200s to pad.4 #3 tools/call {"name":"x"}"#]);
}

#[test]
fn a_child_of_a_sessions_own_goes_with_its_server_and_its_tools_at_once() {
    let mut w = World::scoped(&["git", "pad"], &["pad"]);
    w.connect(&["ann"]);
    w.listens("ann", None);
    w.calls("ann", "1", "pad__x");
    w.serve("pad.2");
    w.pass(1.0);
    w.forget();
    w.take_out(&["pad"]);
    w.asks("ann", "2", "tools/list", "");
    w.expect_of(
        "ann",
        &[r#"1.200s ann.4 answer 2 {"tools":[{"inputSchema":{},"name":"git__x"}]} last"#],
    );
    w.answers("pad.2", 3, "{}");
    w.dies("pad.1");
    w.dies("pad.2");
    w.pass(20.0);
    w.expect_of(
        "ann",
        &[
            "1.200s ann.3 answer 1 {} last",
            "1.400s ann.2 [2-1] notifications/tools/list_changed",
        ],
    );
    assert_eq!(w.hub.children.ids().len(), 1);
}

#[test]
fn subscriptions_are_told_to_the_new_life_and_forgotten_with_a_server_that_goes() {
    let mut plan = plan(&["git", "time"]);
    plan.servers[1].scope = Scope::Shared;
    let mut w = World::new(plan);
    for name in ["git", "time"] {
        w.offers.get_mut(name).expect("it is there").resources = vec![format!("a:{name}")];
        w.serve(&format!("{name}.1"));
    }
    w.connect(&["ann"]);
    w.listens("ann", None);
    w.asks("ann", "1", "resources/subscribe", r#"{"uri":"a:git"}"#);
    w.asks("ann", "2", "resources/subscribe", r#"{"uri":"a:time"}"#);
    w.answers("git.1", 5, "{}");
    w.answers("time.1", 5, "{}");
    w.forget();
    w.renew(&["git"]);
    w.take_out(&["time"]);
    w.dies("time.1");
    w.dies("git.1");
    w.serve("git.2");
    w.expect_of(
        "subscribe",
        &[r#"0.000s to git.2 #5 resources/subscribe {"uri":"a:git"}"#],
    );
    w.says(
        "git.2",
        &notice("notifications/resources/updated", r#"{"uri":"a:git"}"#),
    );
    w.expect_of(
        "updated",
        &[r#"0.000s ann.2 [2-1] notifications/resources/updated {"uri":"a:git"}"#],
    );
    let session = w.clients["ann"].session.clone().expect("she has one");
    let session = w.hub.sessions.get(&session).expect("it lives on");
    assert_eq!(session.subscriptions.len(), 1);
}

#[test]
fn an_endpoint_that_is_gone_is_unknown_and_sessions_elsewhere_live_on() {
    let mut plan = plan(&["git", "time"]);
    plan.groups
        .insert("both".into(), vec!["git".into(), "time".into()]);
    plan.groups.insert("work".into(), vec!["git".into()]);
    let mut w = World::new(plan);
    w.serve("git.1");
    w.serve("time.1");
    w.come("ann", View::Server("git".into()));
    w.come("bob", View::Group("work".into()));
    w.come("eve", View::Group("both".into()));
    w.connect(&["ann", "bob", "eve"]);
    for who in ["ann", "bob", "eve"] {
        w.asks(who, "1", "tools/list", "");
    }
    let mut plan = w.draft();
    plan.groups.remove("work");
    plan.groups.insert("both".into(), vec!["time".into()]);
    w.reload(plan);
    w.take_out(&["git"]);
    w.dies("git.1");
    w.pass(1.0);
    w.forget();
    for who in ["ann", "bob", "eve"] {
        w.asks(who, "2", "tools/list", "");
    }
    w.expect(&[
        "1.000s ann.3 verdict NotFound error 2 -32000 no server \"git\" is configured",
        "1.000s bob.3 verdict NotFound error 2 -32000 no group \"work\" is configured",
        r#"1.000s eve.3 answer 2 {"tools":[{"inputSchema":{},"name":"time__x"}]} last"#,
    ]);
    // Back again, it is the same endpoint as before.
    w.add("git");
    w.serve("git.2");
    w.forget();
    w.asks("ann", "3", "tools/list", "");
    w.expect(&[r#"1.000s ann.4 answer 3 {"tools":[{"inputSchema":{},"name":"x"}]} last"#]);
}

#[test]
fn what_is_under_way_at_an_endpoint_that_is_gone_can_be_answered_for_and_taken_back() {
    let mut w = World::ready(&["git"]);
    w.come("ann", View::Server("git".into()));
    w.come("bob", View::Server("git".into()));
    w.connect(&["ann"]);
    w.open(&["bob"]);
    w.calls("ann", "1", "x");
    w.calls("ann", "2", "x");
    let question = r#"{"messages":[],"maxTokens":1}"#;
    w.says("git.1", &request("7", "sampling/createMessage", question));
    w.take_out(&["git"]);
    w.forget();
    w.posts("ann", &result("1", "{}"));
    w.cancels("ann", "1");
    w.calls("ann", "3", "x");
    w.calls("bob", "1", "x");
    w.answers("git.1", 4, "{}");
    w.expect(&[
        r#"0.200s to git.1 answer 7 {}"#,
        "0.200s ann.4 verdict Accepted",
        r##"0.200s to git.1 notifications/cancelled {"requestId":"#3"}"##,
        "0.200s ann.2 end",
        "0.200s ann.5 verdict Accepted",
        "0.200s ann.6 verdict NotFound error 3 -32000 no server \"git\" is configured",
        "0.200s bob.1 error 1 -32000 no server \"git\" is configured",
        "0.200s close git.1",
        "0.200s ann.3 [4-2] answer 2 {} last",
    ]);
}

#[test]
fn a_link_of_a_server_that_is_gone_leads_nowhere() {
    let mut w = World::ready(&["git", "time"]);
    w.connect(&["ann"]);
    w.calls("ann", "1", "git__x");
    w.take_out(&["git"]);
    let link = r#"{"content":[{"type":"resource_link","uri":"b:1","name":"n"}]}"#;
    w.answers("git.1", 3, link);
    w.forget();
    w.asks("ann", "2", "resources/read", r#"{"uri":"b:1"}"#);
    w.dies("git.1");
    w.asks("ann", "3", "resources/read", r#"{"uri":"b:1"}"#);
    w.expect_of(
        "ann",
        &[
            "0.200s ann.3 error 2 -32002 resource \"b:1\" not found last",
            "0.200s ann.4 error 3 -32002 resource \"b:1\" not found last",
        ],
    );
}

#[test]
fn a_gateway_that_was_ready_stays_so_while_a_new_server_starts() {
    let mut w = World::ready(&["git"]);
    w.add("slow");
    w.forget();
    w.inquires("bob", Report::Ready);
    w.expect(&["0.200s bob.1 told Ready(Reasons([]))"]);
}

#[test]
fn what_waits_for_a_first_start_is_looked_at_when_all_of_the_new_plan_holds() {
    let mut plan = plan(&["git", "pad", "new"]);
    plan.servers[1].scope = Scope::Session;
    let mut w = World::new(plan);
    w.serve("git.1");
    w.serve("pad.1");
    w.connect(&["ann"]);
    w.pass(20.0);
    w.calls("ann", "1", "git__y");
    w.offers.get_mut("git").expect("it is there").tools = vec!["y".into()];
    w.says("git.1", &notice("notifications/tools/list_changed", "{}"));
    w.pass(1.0);
    w.lists("git.1", 3);
    // From here on ann has lists of her own, and git's tool is in them.
    w.calls("ann", "2", "pad__x");
    w.serve("pad.2");
    w.pass(1.0);
    w.dies("git.1");
    w.forget();
    w.take_out(&["git", "new"]);
    w.expect_of(
        "ann.2",
        &["22.000s ann.2 error 1 -32602 unknown tool \"git__y\" last"],
    );
}

#[test]
fn nobody_listens_anew_at_an_endpoint_that_is_gone() {
    let mut w = World::ready(&["git", "time"]);
    w.come("ann", View::Server("git".into()));
    w.connect(&["ann"]);
    w.take_out(&["git"]);
    w.forget();
    w.listens("ann", None);
    let told = w.trace().concat();
    assert!(told.contains("ann.2 verdict NotFound"), "{told}");
}

#[test]
fn a_call_that_is_finished_where_no_process_follows_is_told_so_if_it_fails() {
    let mut w = World::ready(&["git"]);
    w.connect(&["ann"]);
    w.calls("ann", "1", "git__x");
    w.take_out(&["git"]);
    w.forget();
    w.dies("git.1");
    let told = w.trace().concat();
    assert!(told.contains("it is not started again"), "{told}");
}

#[test]
fn a_link_of_a_server_that_was_turned_off_meanwhile_starts_nothing() {
    let mut w = World::scoped(&["git", "pad"], &["pad"]);
    w.connect(&["ann", "bob"]);
    w.calls("ann", "1", "pad__x");
    w.serve("pad.2");
    w.turn("pad", &Readiness::Disabled);
    let link = r#"{"type":"resource_link","uri":"file:///linked","name":"l"}"#;
    w.answers("pad.2", 3, &format!(r#"{{"content":[{link}]}}"#));
    w.dies("pad.2");
    w.forget();
    w.asks("bob", "1", "resources/read", r#"{"uri":"file:///linked"}"#);
    w.expect(&[r#"0.200s bob.2 error 1 -32002 resource "file:///linked" not found last"#]);
}
