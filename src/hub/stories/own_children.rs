//! Servers with `scope: session`: a child for each session, started at its
//! first need, ended with it, and its own list laid over the template's.

use crate::config::checked::Scope;
use crate::event::View;
use crate::hub::stories::cast::{notice, request};
use crate::hub::stories::world::{World, plan};

#[test]
fn a_child_is_started_by_the_first_need_of_its_session() {
    let mut w = World::scoped(&["pad"], &["pad"]);
    w.connect(&["ann", "bob"]);
    w.asks("ann", "1", "tools/list", "");
    w.expect(&[r#"0.200s ann.2 answer 1 {"tools":[{"inputSchema":{},"name":"pad__x"}]} last"#]);
    w.calls("ann", "2", "pad__x");
    w.expect(&["0.200s spawn pad.2"]);
    w.calls("ann", "3", "pad__x");
    w.calls("bob", "2", "pad__x");
    w.expect(&["0.200s spawn pad.3"]);
    w.serve("pad.2");
    w.expect_of(
        "call",
        &[
            r#"0.200s to pad.2 #3 tools/call {"name":"x"}"#,
            r#"0.200s to pad.2 #4 tools/call {"name":"x"}"#,
        ],
    );
}

#[test]
fn it_is_told_what_its_own_client_can_without_tasks() {
    let mut w = World::scoped(&["pad"], &["pad"]);
    w.come("ann", View::Merged);
    let hello = r#"{"protocolVersion":"2025-06-18","capabilities":{"roots":{},"tasks":{},"x":1},"clientInfo":{"name":"ann's"}}"#;
    w.posts("ann", &request("0", "initialize", hello));
    w.calls("ann", "1", "pad__x");
    w.forget();
    w.spawned("pad.2");
    let hello = w.messages().remove(0);
    assert_eq!(
        hello["params"]["capabilities"],
        serde_json::json!({"roots": {}, "x": 1})
    );
    assert_eq!(hello["params"]["clientInfo"]["name"], "ann's");
}

#[test]
fn the_template_is_told_of_everything() {
    let mut plan = plan(&["pad"]);
    plan.servers[0].scope = Scope::Session;
    let mut w = World::new(plan);
    w.forget();
    w.spawned("pad.1");
    let hello = w.messages().remove(0);
    assert_eq!(
        hello["params"]["capabilities"]["roots"],
        serde_json::json!({"listChanged": true})
    );
}

#[test]
fn it_ends_with_its_session() {
    let mut w = World::scoped(&["pad"], &["pad"]);
    w.connect(&["ann"]);
    w.calls("ann", "1", "pad__x");
    w.serve("pad.2");
    w.answers("pad.2", 3, "{}");
    w.forget();
    w.deletes("ann");
    w.pass(5.0);
    w.expect(&[
        "0.200s close pad.2",
        "0.200s ann.3 verdict Ended",
        "2.200s term pad.2",
        "4.200s kill pad.2",
    ]);
    w.dies("pad.2");
    w.pass(100.0);
    w.expect(&["5.200s bury pad.2"]);
    assert_eq!(w.hub.children.iter().count(), 1);
}

#[test]
fn it_ends_with_its_session_while_it_waits_for_a_new_start() {
    let mut w = World::scoped(&["pad"], &["pad"]);
    w.connect(&["ann"]);
    w.calls("ann", "1", "pad__x");
    w.dies("pad.2");
    w.forget();
    w.deletes("ann");
    w.pass(100.0);
    w.expect(&["0.200s ann.3 verdict Ended"]);
    assert_eq!(w.hub.children.iter().count(), 1);
}

#[test]
fn it_is_started_again_when_it_dies() {
    let mut w = World::scoped(&["pad"], &["pad"]);
    w.connect(&["ann"]);
    w.calls("ann", "1", "pad__x");
    w.serve("pad.2");
    w.forget();
    w.dies("pad.2");
    w.pass(1.0);
    w.expect(&[
        "0.200s ann.2 error 1 -32000 server \"pad\" exited with code 1 while this call was under way; it is being restarted last",
        "0.200s bury pad.2",
        "1.200s spawn pad.3",
    ]);
}

/// A server with a child for each session, of which there may be one.
fn with_room_for_one() -> World {
    let mut plan = plan(&["pad"]);
    plan.servers[0].scope = Scope::Session;
    plan.processes_max = 1;
    let mut w = World::new(plan);
    w.serve("pad.1");
    w.pass(0.2);
    w
}

#[test]
fn there_are_no_more_of_them_than_max_processes() {
    let mut w = with_room_for_one();
    w.connect(&["ann", "bob"]);
    w.calls("ann", "1", "pad__x");
    w.forget();
    w.calls("bob", "1", "pad__x");
    w.expect(&[
        "0.200s bob.2 error 1 -32000 1 processes for single sessions run already (\"max_processes\"); try again later last",
    ]);
    w.deletes("ann");
    w.dies("pad.2");
    w.forget();
    w.calls("bob", "2", "pad__x");
    w.expect(&["0.200s spawn pad.3"]);
}

#[test]
fn what_it_offers_is_laid_over_the_template_for_its_session_alone() {
    let mut w = World::scoped(&["pad"], &["pad"]);
    w.connect(&["ann", "bob"]);
    w.listens("ann", None);
    w.listens("bob", None);
    w.asks("ann", "1", "tools/list", "");
    w.asks("bob", "1", "tools/list", "");
    w.calls("ann", "2", "pad__x");
    w.offers.get_mut("pad").expect("it is there").tools = vec!["mine".into()];
    w.serve("pad.2");
    w.forget();
    w.pass(0.2);
    w.expect(&["0.400s ann.2 [3-1] notifications/tools/list_changed"]);
    w.asks("ann", "3", "tools/list", "");
    w.asks("bob", "3", "tools/list", "");
    w.expect(&[
        r#"0.400s ann.5 answer 3 {"tools":[{"inputSchema":{},"name":"pad__mine"}]} last"#,
        r#"0.400s bob.4 answer 3 {"tools":[{"inputSchema":{},"name":"pad__x"}]} last"#,
    ]);
}

#[test]
fn a_session_whose_own_child_starts_hears_of_other_servers_all_the_same() {
    let mut w = World::scoped(&["git", "pad"], &["pad"]);
    w.connect(&["ann"]);
    w.listens("ann", None);
    w.asks("ann", "1", "tools/list", "");
    w.calls("ann", "2", "pad__x");
    w.says("git.1", &notice("notifications/tools/list_changed", ""));
    w.pass(0.2);
    w.offers.get_mut("git").expect("it is there").tools = vec!["new".into()];
    w.lists("git.1", 3);
    w.forget();
    w.pass(0.2);
    w.expect(&["0.600s ann.2 [2-1] notifications/tools/list_changed"]);
}

#[test]
fn a_change_of_roots_is_told_to_own_children_only() {
    let mut w = World::scoped(&["git", "pad"], &["pad"]);
    w.connect(&["ann"]);
    w.calls("ann", "1", "pad__x");
    w.serve("pad.2");
    w.forget();
    w.posts("ann", &notice("notifications/roots/list_changed", ""));
    w.expect(&[
        "0.200s to pad.2 notifications/roots/list_changed",
        "0.200s ann.3 verdict Accepted",
    ]);
}

#[test]
fn giving_up_what_was_never_subscribed_starts_no_child() {
    let mut w = World::scoped(&["pad"], &["pad"]);
    w.offers.get_mut("pad").expect("it is there").resources = vec!["r".into()];
    w.dies("pad.1");
    w.pass(1.0);
    w.serve("pad.2");
    w.connect(&["ann"]);
    w.asks("ann", "1", "resources/unsubscribe", r#"{"uri":"r"}"#);
    w.expect(&["1.200s ann.2 answer 1 {} last"]);
}

#[test]
fn it_is_stopped_after_fifteen_minutes_without_a_word_of_its_session() {
    let mut w = World::scoped(&["pad"], &["pad"]);
    w.connect(&["ann"]);
    w.calls("ann", "1", "pad__x");
    w.serve("pad.2");
    w.answers("pad.2", 3, "{}");
    w.pass(600.0);
    w.asks("ann", "2", "ping", "");
    w.forget();
    w.pass(899.9);
    w.expect(&[]);
    w.pass(0.1);
    w.expect(&["1500.200s close pad.2"]);
    w.dies("pad.2");
    // Its session is none the worse, and its next call starts another.
    w.forget();
    w.calls("ann", "3", "pad__x");
    w.expect(&["1500.200s spawn pad.3"]);
}

#[test]
fn it_stays_while_somebody_is_connected_for_its_session() {
    let mut w = World::scoped(&["pad"], &["pad"]);
    w.connect(&["ann"]);
    w.listens("ann", None);
    w.calls("ann", "1", "pad__x");
    w.serve("pad.2");
    w.answers("pad.2", 3, "{}");
    w.forget();
    w.pass(2_000.0);
    w.expect(&[]);
    w.leaves("ann.2");
    w.pass(899.9);
    w.expect(&[]);
    w.pass(0.1);
    w.expect(&["2900.200s close pad.2"]);
}

#[test]
fn an_idle_session_gives_up_its_child_to_another_after_ten_seconds() {
    let mut w = with_room_for_one();
    // One that has nothing to give up is idle for longer.
    w.connect(&["old"]);
    w.pass(1.0);
    w.connect(&["ann", "bob"]);
    w.calls("ann", "1", "pad__x");
    w.serve("pad.2");
    w.answers("pad.2", 3, "{}");
    w.pass(9.9);
    w.forget();
    w.calls("bob", "1", "pad__x");
    w.expect_of("close", &[]);
    w.pass(0.1);
    w.calls("bob", "2", "pad__x");
    w.expect_of("pad.", &["11.200s close pad.2", "11.200s spawn pad.3"]);
}

#[test]
fn what_is_subscribed_to_at_a_shared_server_outlives_the_child_of_a_sessions_own() {
    let mut plan = plan(&["git", "pad"]);
    plan.servers[1].scope = Scope::Session;
    let mut w = World::new(plan);
    for name in ["git", "pad"] {
        let offers = w.offers.get_mut(name).expect("it is there");
        offers.resources = vec![format!("file:///{name}")];
        w.serve(&format!("{name}.1"));
    }
    w.pass(0.2);
    w.connect(&["ann"]);
    let subscribe = |w: &mut World, uri: &str| {
        let params = format!(r#"{{"uri":"{uri}"}}"#);
        w.asks("ann", "1", "resources/subscribe", &params);
    };
    subscribe(&mut w, "file:///git");
    w.answers("git.1", 5, "{}");
    subscribe(&mut w, "file:///pad");
    w.serve("pad.2");
    w.answers("pad.2", 5, "{}");
    let key = w.clients["ann"].session.clone().expect("she has one");
    let held = |w: &World| {
        let subscriptions = &w.hub.sessions.get(&key).expect("it is known").subscriptions;
        let uris = subscriptions.iter().map(|(uri, _)| uri.to_string());
        uris.collect::<Vec<_>>()
    };
    assert_eq!(held(&w), ["file:///git", "file:///pad"]);
    w.pass(900.0);
    assert_eq!(held(&w), ["file:///git"]);
}

#[test]
fn until_its_lists_are_read_those_of_the_template_stand_for_them() {
    let mut w = World::scoped(&["git", "pad"], &["pad"]);
    w.connect(&["ann"]);
    w.asks("ann", "1", "tools/list", "");
    w.calls("ann", "2", "pad__x");
    w.spawned("pad.2");
    w.greets("pad.2");
    w.says("git.1", &notice("notifications/tools/list_changed", ""));
    w.pass(0.2);
    w.offers.get_mut("git").expect("it is there").tools = vec!["new".into()];
    w.lists("git.1", 3);
    w.pass(0.2);
    w.forget();
    w.asks("ann", "3", "tools/list", "");
    let told = w.trace().concat();
    assert!(
        told.contains("git__new") && told.contains("pad__x"),
        "{told}"
    );
}

#[test]
fn what_a_process_writes_last_is_told_of_a_servers_own_and_excused_when_it_was_to_go() {
    let mut w = World::scoped(&["pad"], &["pad"]);
    w.connect(&["ann"]);
    w.calls("ann", "1", "pad__x");
    w.serve("pad.2");
    let (main, own) = (w.life("pad.1"), w.life("pad.2"));
    assert!(w.hub.is_main(main) && !w.hub.is_main(own));
    assert!(!w.hub.excuses(own));
    w.deletes("ann");
    assert!(w.hub.excuses(own) && !w.hub.excuses(main));
    // One that has closed its output is asked to go for a fault of its own.
    w.child("pad.1", crate::event::FromChild::OutputEnded);
    w.pass(1.0);
    assert!(!w.hub.excuses(main));
}
