//! What each endpoint shows: names, capabilities and instructions of merged
//! views, groups, and single servers.

use crate::event::View;
use crate::hub::stories::world::{World, plan};
use crate::plan::Readiness;

/// The result of `initialize` at a view.
fn welcome(w: &mut World, view: View) -> serde_json::Value {
    w.come("ann", view);
    w.forget();
    w.connects_at("ann", "2025-11-25");
    w.messages().remove(0)["result"].clone()
}

fn world() -> World {
    let mut plan = plan(&["git", "time", "off", "bad"]);
    plan.servers[1].prefix = String::new();
    plan.servers[2].readiness = Readiness::Disabled;
    plan.servers[3].readiness = Readiness::Misconfigured("no".into());
    plan.groups.insert(
        "both".into(),
        vec!["time".into(), "off".into(), "git".into()],
    );
    plan.groups.insert("one".into(), vec!["time".into()]);
    let mut w = World::new(plan);
    w.offers.get_mut("git").expect("it is there").hello = r#","instructions":"Commit.""#;
    w.offers.get_mut("git").expect("it is there").capabilities = r#""tasks":{},"new":{}"#;
    w.offers.get_mut("time").expect("it is there").hello = r#","instructions":"Tick.""#;
    w.offers.get_mut("time").expect("it is there").tools = vec!["y".into()];
    w.serve("git.1");
    w.serve("time.1");
    w.pass(0.2);
    w.forget();
    w
}

#[test]
fn only_servers_that_can_run_are_started() {
    let mut plan = plan(&["off", "bad", "git"]);
    plan.servers[0].readiness = Readiness::Disabled;
    plan.servers[1].readiness = Readiness::Misconfigured("no".into());
    World::new(plan).expect(&["0.000s spawn git.1"]);
}

#[test]
fn a_merged_view_declares_all_that_may_ever_come_and_joins_instructions() {
    let mut w = world();
    let welcome = welcome(&mut w, View::Merged);
    assert_eq!(
        welcome["capabilities"],
        serde_json::json!({
            "completions": {}, "logging": {}, "prompts": {"listChanged": true},
            "resources": {"listChanged": true, "subscribe": true},
            "tools": {"listChanged": true},
        })
    );
    assert_eq!(welcome["serverInfo"]["name"], "mcproxy");
    assert_eq!(
        welcome["instructions"],
        "# git (tools named git__…)\n\nCommit.\n\n# time\n\nTick."
    );
}

#[test]
fn one_server_declares_its_own_and_that_lists_may_change() {
    let mut w = world();
    let welcome = welcome(&mut w, View::Server("git".into()));
    assert_eq!(
        welcome["capabilities"],
        serde_json::json!({"tools": {"listChanged": true}, "new": {}})
    );
    assert_eq!(welcome["serverInfo"]["name"], "s");
    assert_eq!(welcome["instructions"], "Commit.");
}

#[test]
fn an_only_server_without_a_prefix_speaks_for_itself_at_the_merged_view() {
    for (prefix, name) in [("", "s"), ("git", "mcproxy")] {
        let mut plan = plan(&["git"]);
        plan.servers[0].prefix = prefix.into();
        let mut w = World::new(plan);
        w.serve("git.1");
        assert_eq!(welcome(&mut w, View::Merged)["serverInfo"]["name"], name);
    }
}

#[test]
fn a_group_shows_its_own_servers_with_their_prefixes() {
    let mut w = world();
    let told = welcome(&mut w, View::Group("one".into()));
    assert_eq!(told["instructions"], "# time\n\nTick.");
    w.asks("ann", "1", "tools/list", "");
    w.expect(&[r#"0.200s ann.2 answer 1 {"tools":[{"inputSchema":{},"name":"y"}]} last"#]);
    w.calls("ann", "2", "git__x");
    w.expect(&["0.200s ann.3 error 2 -32602 unknown tool \"git__x\" last"]);
    w.come("bob", View::Group("both".into()));
    w.connect(&["bob"]);
    w.calls("bob", "1", "git__x");
    w.expect(&[r#"0.200s to git.1 #3 tools/call {"name":"x"}"#]);
}

#[test]
fn one_server_is_shown_without_its_prefix() {
    let mut w = world();
    welcome(&mut w, View::Server("git".into()));
    w.calls("ann", "1", "x");
    w.calls("ann", "2", "git__x");
    w.expect(&[
        r#"0.200s to git.1 #3 tools/call {"name":"x"}"#,
        "0.200s ann.3 error 2 -32602 unknown tool \"git__x\" last",
    ]);
}

#[test]
fn a_server_that_is_off_has_an_endpoint_that_shows_nothing() {
    let mut w = world();
    welcome(&mut w, View::Server("off".into()));
    w.asks("ann", "1", "tools/list", "");
    w.expect(&[r#"0.200s ann.2 answer 1 {"tools":[]} last"#]);
}

#[test]
fn the_clients_revision_is_echoed_and_an_unknown_one_answered_with_the_latest() {
    for (asked, given) in [
        ("2024-11-05", "2024-11-05"),
        ("2025-03-26", "2025-03-26"),
        ("2026-07-28", "2025-11-25"),
        ("1", "2025-11-25"),
    ] {
        let mut w = world();
        w.connects_at("ann", asked);
        assert_eq!(w.messages()[0]["result"]["protocolVersion"], given);
    }
}
