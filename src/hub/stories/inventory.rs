//! What the gateway tells of its lists: names, marks, what was left out and
//! why, and why a server is not up.

use serde_json::{Value, json};

use crate::event::{Effect, Parcel, Report};
use crate::hub::stories::cast::page;
use crate::hub::stories::world::{World, plan};
use crate::limits;
use crate::plan::Readiness;
use crate::wire::items::ItemKind;

/// Whether all is well, and what is told of each server.
fn inventory(w: &mut World) -> (bool, Vec<Value>) {
    w.forget();
    w.inquires("probe", Report::Inventory);
    let [(_, Effect::ToClient { parcel, .. })] = w.deeds.as_slice() else {
        panic!("no report, but {:?}", w.trace());
    };
    let Parcel::Report { well, json } = parcel else {
        panic!("no report, but {parcel:?}");
    };
    let mut told: Value = serde_json::from_str(json).expect("it is JSON");
    match told["servers"].take() {
        Value::Array(servers) => (*well, servers),
        other => panic!("{other} is no list"),
    }
}

fn left_out(w: &mut World) -> Value {
    inventory(w).1[0]["left_out"].clone()
}

fn tool(original: &str, served: &str, marks: &[&str]) -> Value {
    json!({"kind": "tool", "original": original, "served": served, "marks": marks})
}

#[test]
fn each_offer_stands_with_its_server_and_its_marks() {
    let mut plan = plan(&["git", "log"]);
    plan.servers[0].prefix = String::new();
    plan.servers[0]
        .tools
        .rename
        .insert("old".into(), "new".into());
    plan.servers[1].prefix = String::new();
    let long = "x".repeat(70);
    let mut w = World::new(plan);
    let git = w.offers.get_mut("git").expect("it is there");
    git.tools = ["old", "same", "a b", &long].map(str::to_owned).to_vec();
    git.resources = vec!["file:///r".into()];
    w.offers.get_mut("log").expect("it is there").tools = vec!["same".into()];
    w.serve("git.1");
    w.serve("log.1");
    let (well, servers) = inventory(&mut w);
    assert!(well);
    // The digits are those of FNV-1a, reckoned by another program.
    let short = format!("{}_a1e5ba79", "x".repeat(55));
    let git = json!({"name": "git", "state": "ready", "left_out": [], "offers": [
        tool("old", "new", &["renamed"]),
        tool("same", "same_c7e6361e", &["collided"]),
        tool("a b", "a_b_e876a7db", &["respelt"]),
        tool(&long, &short, &["shortened"]),
        {"kind": "resource", "original": "file:///r", "served": "file:///r", "marks": []},
    ]});
    let log = json!({"name": "log", "state": "ready", "left_out": [], "offers": [
        tool("same", "same_6c6469e4", &["collided"]),
    ]});
    assert_eq!(servers, [git, log]);
}

#[test]
fn what_is_left_out_is_told_by_page_and_by_catalog() {
    let mut w = World::of(&["git", "time"]);
    w.spawned("git.1");
    w.greets("git.1");
    let first = r#"{"tools":[{"name":"bad","inputSchema":42},{"name":"x","inputSchema":{}}],"nextCursor":"2"}"#;
    w.answers("git.1", 2, first);
    let second = r#"{"tools":["none",{"name":"x","inputSchema":{}}]}"#;
    w.answers("git.1", 3, second);
    w.serve("time.1");
    let (well, servers) = inventory(&mut w);
    assert!(well, "a tool that is left out harms nobody");
    assert_eq!(servers[0]["offers"], json!([tool("x", "git__x", &[])]));
    let sentences = [
        r#"tool "bad": inputSchema is not an object; left out"#,
        "tool number 1 of its page: it is not an object; left out",
        r#"tool "x" is listed twice; the second is left out"#,
    ];
    assert_eq!(servers[0]["left_out"], json!(sentences));
    assert_eq!(servers[1]["left_out"], json!([]), "it is another's fault");
}

#[test]
fn what_was_left_out_is_forgotten_when_the_list_is_read_anew() {
    let mut w = World::of(&["git"]);
    w.spawned("git.1");
    w.greets("git.1");
    w.answers("git.1", 2, r#"{"tools":[{"name":"bad"}]}"#);
    let bad = r#"tool "bad": inputSchema is missing; left out"#;
    assert_eq!(left_out(&mut w), json!([bad]));
    w.dies("git.1");
    assert_eq!(left_out(&mut w), json!([bad]), "as long as the list stays");
    w.pass(1.0);
    w.serve("git.2");
    assert_eq!(left_out(&mut w), json!([]));
}

#[test]
fn a_list_that_could_not_be_read_is_told_until_it_is() {
    let mut w = World::of(&["git"]);
    w.spawned("git.1");
    w.greets("git.1");
    w.fails("git.1", 2, "no tools today");
    let failed = r#"tools/list failed: answered with error -32000: "no tools today""#;
    assert_eq!(left_out(&mut w), json!([failed]));
    w.dies("git.1");
    w.pass(1.0);
    w.spawned("git.2");
    w.greets("git.2");
    w.pass(60.0);
    let late = "tools/list was not answered within 60 s";
    assert_eq!(left_out(&mut w), json!([late]));
    w.dies("git.2");
    w.pass(2.0);
    w.serve("git.3");
    assert_eq!(left_out(&mut w), json!([]));
}

#[test]
fn a_list_without_end_and_one_of_faults_are_told_in_bounds() {
    let mut w = World::of(&["git"]);
    w.spawned("git.1");
    w.greets("git.1");
    let pages = limits::LIST_PAGES_MAX as usize;
    for number in 2..2 + pages {
        let name = format!("t{number}");
        let page = page(ItemKind::Tool, &[&name], Some("round"));
        let page = page.replacen("[", r#"[5,{"name":7},"#, 1);
        w.answers("git.1", number, &page);
    }
    let told = left_out(&mut w);
    let told = told.as_array().expect("a list");
    let faults = 2 * pages + 1;
    let most = limits::CATALOG_SENTENCES_MAX;
    assert_eq!(told.len(), most.min(faults) + usize::from(faults > most));
    let last = told.last().and_then(Value::as_str).expect("a sentence");
    assert_eq!(last, format!("and {} more", faults - most));
}

#[test]
fn a_server_that_is_not_up_is_told_with_the_reason() {
    let mut plan = plan(&["bad", "off", "odd", "slow"]);
    plan.servers[1].readiness = Readiness::Disabled;
    plan.servers[2].readiness = Readiness::Misconfigured("no command".into());
    let mut w = World::new(plan);
    w.dies("bad.1");
    let (well, servers) = inventory(&mut w);
    assert!(!well);
    let told: Vec<Value> = servers
        .iter()
        .map(|server| json!([server["name"], server["state"], server["trouble"]]))
        .collect();
    let expected = [
        json!(["bad", "restarting", "exited with code 1"]),
        json!(["off", "disabled", null]),
        json!(["odd", "misconfigured", "no command"]),
        json!(["slow", "starting", null]),
    ];
    assert_eq!(told, expected);
    let mut w = World::ready(&["git"]);
    w.dies("git.1");
    w.pass(1.0);
    w.serve("git.2");
    let (well, servers) = inventory(&mut w);
    assert!(well);
    assert_eq!(servers[0].get("trouble"), None, "that is over");
}

#[test]
fn the_status_tells_of_each_server_how_it_does_and_what_was_left_out() {
    let mut plan = plan(&["git", "typo", "late"]);
    plan.servers[1].readiness = Readiness::Misconfigured("\"comand\" is no key".to_owned());
    let mut w = World::new(plan);
    w.spawned("git.1");
    w.greets("git.1");
    w.answers(
        "git.1",
        2,
        r#"{"tools":[{"name":"a","inputSchema":{}},{"name":"b","inputSchema":7}]}"#,
    );
    w.forget();
    w.inquires("probe", Report::Status);
    let [(_, Effect::ToClient { parcel, .. })] = w.deeds.as_slice() else {
        panic!("no report, but {:?}", w.trace());
    };
    let Parcel::Report { well: true, json } = parcel else {
        panic!("no report, but {parcel:?}");
    };
    let told: Value = serde_json::from_str(json).expect("it is JSON");
    assert_eq!(told["timestamp"], "then");
    let none =
        json!({"tools": 0, "prompts": 0, "resources": 0, "resource_templates": 0, "left_out": []});
    let with = |more: Value| {
        let mut part = none.clone();
        for (key, value) in more.as_object().expect("members") {
            part[key] = value.clone();
        }
        part
    };
    assert_eq!(
        told["servers"],
        json!([
            with(
                json!({"name": "git", "state": "ready", "protocol": "2025-11-25", "tools": 1,
                "left_out": ["tool \"b\": inputSchema is not an object; left out"]})
            ),
            with(
                json!({"name": "typo", "state": "misconfigured", "reason": "\"comand\" is no key"})
            ),
            with(json!({"name": "late", "state": "starting"})),
        ])
    );
}
