//! Reading what children offer, and telling clients of it: pages, faults,
//! changes, and the first list that waits for first starts.

use std::time::Duration;

use crate::config::checked::Scope;
use crate::event::View;
use crate::hub::stories::cast::{initialize, notice, page};
use crate::hub::stories::world::{World, plan};
use crate::limits;
use crate::wire::items::ItemKind;

const CHANGED: &str = "notifications/tools/list_changed";

/// The names of the tools a client is shown.
fn tools(w: &mut World, who: &str) -> Vec<String> {
    w.forget();
    w.asks(who, "\"list\"", "tools/list", "");
    let answer = w.messages().remove(0);
    let tools = answer["result"]["tools"]
        .as_array()
        .expect("a list")
        .clone();
    tools
        .iter()
        .map(|tool| tool["name"].as_str().expect("a name").to_owned())
        .collect()
}

#[test]
fn every_declared_list_is_read_page_by_page() {
    let mut w = World::of(&["git"]);
    let offers = w.offers.get_mut("git").expect("it is there");
    offers.prompts = vec!["p".into()];
    offers.resources = vec!["file:///r".into()];
    w.spawned("git.1");
    w.forget();
    w.greets("git.1");
    w.expect(&[
        "0.000s to git.1 notifications/initialized",
        "0.000s to git.1 #2 tools/list",
        "0.000s to git.1 #3 prompts/list",
        "0.000s to git.1 #4 resources/list",
        "0.000s to git.1 #5 resources/templates/list",
    ]);
    w.answers("git.1", 2, &page(ItemKind::Tool, &["a"], Some("next")));
    w.expect(&[r#"0.000s to git.1 #6 tools/list {"cursor":"next"}"#]);
    w.answers("git.1", 6, &page(ItemKind::Tool, &["b"], None));
    w.expect(&[]);
    w.lists("git.1", 3);
    w.connect(&["ann"]);
    assert_eq!(tools(&mut w, "ann"), ["git__a", "git__b"]);
}

#[test]
fn a_list_without_end_is_given_up_with_what_it_gave() {
    let mut w = World::of(&["git"]);
    w.spawned("git.1");
    w.greets("git.1");
    for number in 2..2 + limits::LIST_PAGES_MAX as usize {
        let name = format!("t{number}");
        w.answers(
            "git.1",
            number,
            &page(ItemKind::Tool, &[&name], Some("round")),
        );
    }
    w.forget();
    w.pass(100.0);
    w.expect(&[]);
    w.connect(&["ann"]);
    assert_eq!(tools(&mut w, "ann").len(), limits::LIST_PAGES_MAX as usize);
}

#[test]
fn a_list_with_too_many_items_is_cut() {
    let mut w = World::of(&["git"]);
    w.spawned("git.1");
    w.greets("git.1");
    let names: Vec<String> = (0..8_000).map(|n| format!("t{n}")).collect();
    for number in 2..4 {
        w.forget();
        w.answers("git.1", number, &page(ItemKind::Tool, &names, Some("more")));
    }
    w.expect(&[]);
    let offer = &w.hub.children.iter().next().expect("there is one").1.offer;
    assert!(offer.tools.len() > limits::CATALOG_ITEMS_PER_SERVER_MAX);
}

#[test]
fn an_answer_to_a_page_that_is_not_awaited_is_dropped() {
    let mut w = World::of(&["git"]);
    w.spawned("git.1");
    w.greets("git.1");
    w.answers("git.1", 2, &page(ItemKind::Tool, &["a"], Some("next")));
    w.answers("git.1", 2, &page(ItemKind::Tool, &["again"], None));
    w.answers("git.1", 3, &page(ItemKind::Tool, &["b"], None));
    w.answers("git.1", 3, &page(ItemKind::Tool, &["again"], None));
    w.connect(&["ann"]);
    assert_eq!(tools(&mut w, "ann"), ["git__a", "git__b"]);
}

#[test]
fn a_list_that_fails_leaves_the_others_and_the_first_start_alone() {
    let mut w = World::of(&["git"]);
    w.offers.get_mut("git").expect("it is there").prompts = vec!["p".into()];
    w.spawned("git.1");
    w.greets("git.1");
    w.connect(&["ann"]);
    w.asks("ann", "1", "prompts/list", "");
    w.lists("git.1", 3);
    w.forget();
    w.fails("git.1", 2, "no tools today");
    w.expect(&[r#"0.000s ann.2 answer 1 {"prompts":[{"name":"git__p"}]} last"#]);
    assert!(tools(&mut w, "ann").is_empty());
}

#[test]
fn an_answer_over_the_limit_is_a_list_that_fails() {
    let mut w = World::of(&["git"]);
    w.spawned("git.1");
    w.greets("git.1");
    let id = crate::wire::own_id::OwnId::from_number(w.wire_id("git.1", 2));
    w.connect(&["ann"]);
    w.asks("ann", "1", "tools/list", "");
    w.forget();
    let word = crate::event::FromChild::Oversized {
        id,
        length: 1 << 30,
    };
    w.child("git.1", word);
    w.expect(&[r#"0.000s ann.2 answer 1 {"tools":[]} last"#]);
}

#[test]
fn a_burst_of_changes_is_read_once_and_told_once() {
    let mut w = World::ready(&["git"]);
    w.connect(&["ann"]);
    assert_eq!(tools(&mut w, "ann"), ["git__x"]);
    w.listens("ann", None);
    w.forget();
    let deadlines = w.hub.timers.len();
    for _ in 0..10 {
        w.says("git.1", &notice(CHANGED, ""));
        w.pass(0.01);
    }
    assert_eq!(w.hub.timers.len(), deadlines + 1);
    w.expect(&[]);
    w.pass(0.1);
    w.expect(&["0.400s to git.1 #3 tools/list"]);
    w.answers("git.1", 3, &page(ItemKind::Tool, &["y"], None));
    w.expect(&[]);
    w.pass(10.0);
    w.expect(&["0.600s ann.3 [3-1] notifications/tools/list_changed"]);
    assert_eq!(tools(&mut w, "ann"), ["git__y"]);
}

#[test]
fn a_change_that_changes_nothing_is_not_told() {
    let mut w = World::ready(&["git"]);
    w.connect(&["ann"]);
    tools(&mut w, "ann");
    w.listens("ann", None);
    w.forget();
    w.says("git.1", &notice(CHANGED, ""));
    w.pass(0.2);
    w.lists("git.1", 3);
    w.pass(10.0);
    w.expect(&["0.400s to git.1 #3 tools/list"]);
}

#[test]
fn a_change_while_the_list_is_read_is_read_after_it() {
    let mut w = World::ready(&["git"]);
    w.says("git.1", &notice(CHANGED, ""));
    w.pass(0.2);
    w.expect(&["0.400s to git.1 #3 tools/list"]);
    w.says("git.1", &notice(CHANGED, ""));
    w.pass(1.0);
    w.expect(&[]);
    w.answers("git.1", 3, &page(ItemKind::Tool, &["y"], None));
    w.pass(1.0);
    w.expect(&["1.600s to git.1 #4 tools/list"]);
}

#[test]
fn a_list_that_is_never_told_again_is_given_up_and_the_old_one_stays() {
    let mut w = World::ready(&["git"]);
    w.says("git.1", &notice(CHANGED, ""));
    w.pass(1.0);
    w.expect(&["0.400s to git.1 #3 tools/list"]);
    w.pass(100.0);
    w.says("git.1", &notice(CHANGED, ""));
    w.pass(1.0);
    w.expect(&["101.400s to git.1 #4 tools/list"]);
    w.connect(&["ann"]);
    assert_eq!(tools(&mut w, "ann"), ["git__x"]);
}

#[test]
fn tools_stay_listed_while_their_server_is_started_again() {
    let mut w = World::ready(&["git"]);
    w.connect(&["ann"]);
    w.dies("git.1");
    assert_eq!(tools(&mut w, "ann"), ["git__x"]);
    w.pass(1.0);
    w.spawned("git.2");
    w.greets("git.2");
    assert_eq!(tools(&mut w, "ann"), ["git__x"]);
}

#[test]
fn what_a_new_life_no_longer_declares_is_no_longer_listed() {
    let mut w = World::of(&["git"]);
    w.offers.get_mut("git").expect("it is there").prompts = vec!["p".into()];
    w.serve("git.1");
    w.dies("git.1");
    w.pass(1.0);
    w.offers
        .get_mut("git")
        .expect("it is there")
        .prompts
        .clear();
    w.serve("git.2");
    w.connect(&["ann"]);
    w.asks("ann", "1", "prompts/list", "");
    w.expect(&[r#"1.000s ann.2 answer 1 {"prompts":[]} last"#]);
}

#[test]
fn a_first_list_waits_for_first_starts() {
    let mut w = World::of(&["git", "time"]);
    w.connect(&["ann"]);
    w.asks("ann", "1", "tools/list", "");
    w.serve("git.1");
    w.forget();
    w.pass(5.0);
    w.spawned("time.1");
    w.greets("time.1");
    w.expect_of("ann", &[]);
    w.lists("time.1", 2);
    w.expect(&[
        r#"5.000s ann.2 answer 1 {"tools":[{"inputSchema":{},"name":"git__x"},{"inputSchema":{},"name":"time__x"}]} last"#,
    ]);
}

#[test]
fn a_first_start_is_waited_for_no_longer_than_the_connection_timeout_by_all_together() {
    let mut w = World::of(&["git", "time"]);
    w.serve("git.1");
    w.pass(1.0);
    w.connect(&["ann", "bob"]);
    w.asks("ann", "1", "tools/list", "");
    w.pass(10.0);
    w.asks("bob", "1", "tools/list", "");
    w.forget();
    w.pass(40.0);
    let only = r#"answer 1 {"tools":[{"inputSchema":{},"name":"git__x"}]} last"#;
    w.expect(&[
        &format!("30.000s ann.2 {only}"),
        &format!("30.000s bob.2 {only}"),
    ]);
    // Nobody who comes later waits for it again, not even for a name of its own.
    w.calls("bob", "2", "time__x");
    assert!(w.trace().concat().contains("bob.3 error 2"));
    w.asks("ann", "2", "tools/list", "");
    w.expect_of(
        "ann.3",
        &[&format!(
            "51.000s ann.3 {}",
            only.replace("answer 1", "answer 2")
        )],
    );
}

#[test]
fn a_first_start_that_fails_for_good_is_waited_for_no_longer() {
    let mut w = World::of(&["git"]);
    w.connect(&["ann"]);
    w.asks("ann", "1", "tools/list", "");
    for (life, wait) in [(1, 1.0), (2, 2.0), (3, 4.0)] {
        w.expect_of("ann", &[]);
        w.dies(&format!("git.{life}"));
        if life < 3 {
            w.pass(wait);
        }
    }
    w.expect_of("ann", &[r#"3.000s ann.2 answer 1 {"tools":[]} last"#]);
}

#[test]
fn a_first_start_whose_lists_do_not_come_ends_with_its_startup_timeout() {
    let mut plan = plan(&["git"]);
    plan.connection_timeout = Duration::from_secs(100);
    let mut w = World::new(plan);
    w.pass(50.0);
    w.spawned("git.1");
    w.greets("git.1");
    w.connect(&["ann"]);
    w.asks("ann", "1", "tools/list", "");
    w.forget();
    w.pass(20.0);
    w.expect(&[r#"60.000s ann.2 answer 1 {"tools":[]} last"#]);
}

#[test]
fn a_list_of_a_view_waits_for_its_own_servers_alone() {
    let mut w = World::of(&["git", "time"]);
    w.serve("git.1");
    w.come("ann", View::Server("git".into()));
    w.connect(&["ann"]);
    w.asks("ann", "1", "tools/list", "");
    w.expect(&[r#"0.000s ann.2 answer 1 {"tools":[{"inputSchema":{},"name":"x"}]} last"#]);
}

#[test]
fn initialize_at_one_server_waits_for_what_it_says_of_itself() {
    let mut w = World::of(&["git"]);
    w.come("ann", View::Server("git".into()));
    w.connects_at("ann", "2025-06-18");
    w.expect(&["0.000s spawn git.1"]);
    w.offers.get_mut("git").expect("it is there").hello = r#","instructions":"Be kind.""#;
    w.serve("git.1");
    let welcome = w.messages().pop().expect("it is the last word");
    assert_eq!(welcome["result"]["instructions"], "Be kind.");
    assert_eq!(welcome["result"]["serverInfo"]["name"], "s");
    assert_eq!(welcome["result"]["protocolVersion"], "2025-06-18");
}

#[test]
fn initialize_at_one_server_waits_no_longer_than_the_connection_timeout() {
    let mut w = World::of(&["git"]);
    w.come("ann", View::Server("git".into()));
    w.connects_at("ann", "2025-11-25");
    w.forget();
    w.pass(30.0);
    w.expect(&["30.000s ann.1 welcome 0 session ann-1"]);
    // That was its time, and what is asked next does not wait as long again.
    w.asks("ann", "1", "tools/list", "");
    w.expect(&[r#"30.000s ann.2 answer 1 {"tools":[]} last"#]);
}

#[test]
fn what_is_sent_behind_an_initialize_that_waits_waits_as_well() {
    let mut w = World::of(&["git"]);
    w.come("ann", View::Server("git".into()));
    w.opens("ann");
    w.forget();
    w.asks("ann", "\"early\"", "tools/list", "");
    w.writes("ann", &initialize("0", "2025-11-25"));
    w.asks("ann", "1", "tools/call", r#"{"name":"x"}"#);
    w.asks("ann", "2", "ping", "");
    w.writes("ann", &initialize("3", "2025-11-25"));
    w.expect(&[
        "0.000s ann.1 error \"early\" -32600 \"tools/list\" came before \"initialize\", which must be the first request of a session",
        "0.000s ann.1 answer 2 {}",
    ]);
    w.serve("git.1");
    let trace = w.trace().join("\n");
    assert!(
        trace.contains("error 3 -32600 this session is initialized already"),
        "{trace}"
    );
    assert!(
        trace.contains(r#"to git.1 #3 tools/call {"name":"x"}"#),
        "{trace}"
    );
}

#[test]
fn a_first_list_can_be_taken_back() {
    let mut w = World::of(&["git"]);
    w.connect(&["ann"]);
    w.asks("ann", "\"1\"", "tools/list", "");
    w.asks("ann", "1", "tools/list", "");
    w.cancels("ann", "1");
    w.expect(&["0.000s ann.3 end", "0.000s ann.4 verdict Accepted"]);
    w.serve("git.1");
    w.expect_of(
        "ann",
        &[r#"0.000s ann.2 answer "1" {"tools":[{"inputSchema":{},"name":"git__x"}]} last"#],
    );
}

#[test]
fn a_call_of_a_tool_nobody_offers_yet_waits_for_first_starts() {
    let mut w = World::of(&["git"]);
    w.connect(&["ann"]);
    w.calls("ann", "1", "git__x");
    w.calls("ann", "2", "git__y");
    w.expect(&[]);
    w.serve("git.1");
    w.expect_of(
        "ann",
        &["0.000s ann.3 error 2 -32602 unknown tool \"git__y\" last"],
    );
    w.answers("git.1", 3, "{}");
    w.expect(&["0.000s ann.2 answer 1 {} last"]);
}

#[test]
fn a_list_has_one_page_and_knows_no_cursor() {
    let mut w = World::ready(&["git"]);
    w.connect(&["ann"]);
    w.asks("ann", "1", "tools/list", r#"{"cursor":"abc"}"#);
    w.expect(&[r#"0.200s ann.2 error 1 -32602 unknown cursor "abc" last"#]);
    w.asks("ann", "1", "resources/list", r#"{"cursor":null}"#);
    w.expect(&[r#"0.200s ann.3 answer 1 {"resources":[]} last"#]);
}

#[test]
fn a_template_is_listed_before_any_session_has_a_child() {
    let mut plan = plan(&["pad"]);
    plan.servers[0].scope = Scope::Session;
    let mut w = World::new(plan);
    w.serve("pad.1");
    w.connect(&["ann"]);
    assert_eq!(tools(&mut w, "ann"), ["pad__x"]);
}

#[test]
fn a_list_may_have_as_many_items_and_bytes_as_the_limits_say() {
    let goes_on = |items: usize, bytes: usize| {
        let mut w = World::of(&["git"]);
        w.spawned("git.1");
        w.greets("git.1");
        let names: Vec<String> = (0..items - 1).map(|n| format!("t{n}")).collect();
        w.answers("git.1", 2, &page(ItemKind::Tool, &names, Some("more")));
        let id = w.hub.children.ids()[0];
        let child = w.hub.children.get_mut(id).expect("it is there");
        let reading = child.reading.get_mut(&ItemKind::Tool).expect("it is read");
        reading.bytes = bytes - one_item();
        w.forget();
        w.answers("git.1", 3, &page(ItemKind::Tool, &["x"], Some("more")));
        let trace = w.trace();
        trace.iter().any(|line| line.contains("tools/list"))
    };
    let (items, bytes) = (
        limits::CATALOG_ITEMS_PER_SERVER_MAX,
        limits::CATALOG_BYTES_PER_SERVER_MAX,
    );
    assert!(goes_on(items, bytes));
    assert!(!goes_on(items + 1, bytes));
    assert!(!goes_on(items, bytes + 1));
}

/// How many bytes the tool `x` counts for.
fn one_item() -> usize {
    let w = World::ready(&["git"]);
    let (_, child) = w.hub.children.iter().next().expect("it is there");
    child.offer.tools[0].bytes()
}

#[test]
fn what_is_being_read_of_other_lists_counts_beside_a_long_one() {
    let mut w = World::of(&["git", "time"]);
    for name in ["git.1", "time.1"] {
        w.spawned(name);
        w.greets(name);
    }
    let id = w.hub.children.ids()[0];
    let child = w.hub.children.get_mut(id).expect("it is there");
    let reading = child.reading.get_mut(&ItemKind::Tool).expect("it is read");
    // One long list is all there is room for beside it.
    reading.bytes = limits::LISTS_BYTES_MAX - 3 * limits::LIST_BYTES_LEAST;
    let name = "n".repeat(limits::LIST_BYTES_LEAST / 100);
    let long = |count: usize| {
        let names: Vec<String> = (0..count).map(|n| format!("{name}{n}")).collect();
        page(ItemKind::Tool, &names, Some("more"))
    };
    w.forget();
    w.answers("time.1", 2, &long(60));
    w.expect_of(
        "tools/list",
        &[r#"0.000s to time.1 #3 tools/list {"cursor":"more"}"#],
    );
    w.answers("time.1", 3, &long(60));
    w.expect(&[]);
}

#[test]
fn who_discovers_waits_for_what_one_server_says_and_not_for_all() {
    for (view, waits) in [(View::Server("git".into()), true), (View::Merged, false)] {
        let mut w = World::of(&["git"]);
        w.come("ann", view);
        w.forget();
        let meta = crate::hub::stories::stateless::meta("{}", "");
        w.asks("ann", "1", "server/discover", &format!("{{{meta}}}"));
        assert_eq!(w.trace().is_empty(), waits);
        w.serve("git.1");
        assert_eq!(w.trace().concat().contains("ann.1 answer 1"), waits);
        // What is there need not be waited for.
        w.asks("ann", "2", "server/discover", &format!("{{{meta}}}"));
        assert!(w.trace().concat().contains("ann.2 answer 2"));
    }
}

#[test]
fn what_comes_before_any_initialize_is_refused_though_that_of_another_waits() {
    let mut w = World::of(&["git"]);
    for who in ["ann", "bob"] {
        w.come(who, View::Server("git".into()));
        w.opens(who);
    }
    w.writes("ann", &initialize("0", "2025-11-25"));
    w.forget();
    w.asks("bob", "1", "tools/list", "");
    let told = w.trace().concat();
    assert!(told.contains("bob.1 error 1 -32600"), "{told}");
}

#[test]
fn what_was_complained_of_is_remembered_in_bounds() {
    let names: Vec<String> = (0..12).map(|number| format!("git{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut w = World::of(&names);
    let faults = (0..100).map(|n| format!(r#"{{"name":"t{n}","inputSchema":7}}"#));
    let faults = faults.collect::<Vec<_>>().join(",");
    for name in names {
        let life = format!("{name}.1");
        w.spawned(&life);
        w.greets(&life);
        w.answers(&life, 2, &format!(r#"{{"tools":[{faults}]}}"#));
    }
    assert_eq!(w.hub.complaints.len(), limits::COMPLAINTS_MAX);
}
