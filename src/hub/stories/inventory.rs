//! What the gateway tells of its lists: names, marks, what was left out and
//! why, and why a server is not up.

use crate::event::Report;
use crate::event::report::{Offered, Offers, ServerStatus, Status, Stock, Told};
use crate::hub::stories::cast::page;
use crate::hub::stories::world::{World, plan};
use crate::limits;
use crate::plan::Readiness;
use crate::wire::items::ItemKind;

/// What is told of each server.
fn inventory(w: &mut World) -> Vec<Stock> {
    match w.reported("probe", Report::Inventory) {
        Told::Inventory(inventory) => inventory.servers,
        other => panic!("no inventory, but {other:?}"),
    }
}

fn left_out(w: &mut World) -> Vec<String> {
    inventory(w).remove(0).left_out
}

fn tool(original: &str, served: &str, marks: &[&'static str]) -> Offered {
    Offered {
        kind: "tool",
        original: original.to_owned(),
        served: served.to_owned(),
        marks: marks.to_vec(),
    }
}

/// The status of each server.
fn servers<const N: usize>(w: &mut World) -> [ServerStatus; N] {
    match w.reported("probe", Report::Status) {
        Told::Status(Status { servers, .. }) => servers.try_into().expect("as many as planned"),
        other => panic!("no status, but {other:?}"),
    }
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
    let servers = inventory(&mut w);
    // The digits are those of FNV-1a, reckoned by another program.
    let short = format!("{}_a1e5ba79", "x".repeat(55));
    let resource = Offered {
        kind: "resource",
        ..tool("file:///r", "file:///r", &[])
    };
    let stock = |name: &str, offers: Vec<Offered>| Stock {
        name: name.to_owned(),
        state: "ready",
        trouble: None,
        offers,
        left_out: Vec::new(),
    };
    let git = stock(
        "git",
        vec![
            tool("old", "new", &["renamed"]),
            tool("same", "same_c7e6361e", &["collided"]),
            tool("a b", "a_b_e876a7db", &["respelt"]),
            tool(&long, &short, &["shortened"]),
            resource,
        ],
    );
    let log = stock("log", vec![tool("same", "same_6c6469e4", &["collided"])]);
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
    let servers = inventory(&mut w);
    assert_eq!(
        servers[0].state, "ready",
        "a tool that is left out harms nobody"
    );
    assert_eq!(servers[0].offers, [tool("x", "git__x", &[])]);
    let sentences = [
        r#"tool "bad": inputSchema is not an object; left out"#,
        "tool number 1 of its page: it is not an object; left out",
        r#"tool "x" is listed twice; the second is left out"#,
    ];
    assert_eq!(servers[0].left_out, sentences);
    assert!(servers[1].left_out.is_empty(), "it is another's fault");
}

#[test]
fn what_was_left_out_is_forgotten_when_the_list_is_read_anew() {
    let mut w = World::of(&["git"]);
    w.spawned("git.1");
    w.greets("git.1");
    w.answers("git.1", 2, r#"{"tools":[{"name":"bad"}]}"#);
    let bad = r#"tool "bad": inputSchema is missing; left out"#;
    assert_eq!(left_out(&mut w), [bad]);
    w.dies("git.1");
    assert_eq!(left_out(&mut w), [bad], "as long as the list stays");
    w.pass(1.0);
    w.serve("git.2");
    assert!(left_out(&mut w).is_empty());
}

#[test]
fn a_list_that_could_not_be_read_is_told_until_it_is() {
    let mut w = World::of(&["git"]);
    w.spawned("git.1");
    w.greets("git.1");
    w.fails("git.1", 2, "no tools today");
    let failed = r#"tools/list failed: answered with error -32000: "no tools today""#;
    assert_eq!(left_out(&mut w), [failed]);
    w.dies("git.1");
    w.pass(1.0);
    w.spawned("git.2");
    w.greets("git.2");
    w.pass(60.0);
    let late = "tools/list was not answered within 60 s";
    assert_eq!(left_out(&mut w), [late]);
    w.dies("git.2");
    w.pass(2.0);
    w.serve("git.3");
    assert!(left_out(&mut w).is_empty());
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
    let faults = 2 * pages + 1;
    let most = limits::CATALOG_SENTENCES_MAX;
    assert_eq!(told.len(), most.min(faults) + usize::from(faults > most));
    let last = told.last().expect("a sentence");
    assert_eq!(*last, format!("and {} more", faults - most));
}

#[test]
fn a_server_that_is_not_up_is_told_with_the_reason() {
    let mut plan = plan(&["bad", "off", "odd", "slow"]);
    plan.servers[1].readiness = Readiness::Disabled;
    plan.servers[2].readiness = Readiness::Misconfigured("no command".into());
    let mut w = World::new(plan);
    w.dies("bad.1");
    let servers = inventory(&mut w);
    let told = |stock: &Stock| (stock.name.clone(), stock.state, stock.trouble.clone());
    let expected = |name: &str, state, trouble: Option<&str>| {
        (name.to_owned(), state, trouble.map(str::to_owned))
    };
    assert_eq!(
        servers.iter().map(told).collect::<Vec<_>>(),
        [
            expected("bad", "restarting", Some("exited with code 1")),
            expected("off", "disabled", None),
            expected("odd", "misconfigured", Some("no command")),
            expected("slow", "starting", None),
        ]
    );
    let mut w = World::ready(&["git"]);
    w.dies("git.1");
    w.pass(1.0);
    w.serve("git.2");
    assert_eq!(inventory(&mut w)[0].trouble, None, "that is over");
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
    let [git, typo, late] = servers(&mut w);
    assert_eq!(git.health.name, "git");
    assert_eq!((git.health.state, git.health.status), ("ready", "healthy"));
    assert_eq!((git.protocol, git.reason), (Some("2025-11-25"), None));
    let one_tool = Offers {
        tools: 1,
        ..Offers::default()
    };
    assert_eq!(git.offers, one_tool);
    let sentence = "tool \"b\": inputSchema is not an object; left out";
    assert_eq!(git.left_out, [sentence]);
    assert_eq!(typo.health.state, "misconfigured");
    assert_eq!(typo.reason.as_deref(), Some("\"comand\" is no key"));
    assert_eq!((typo.protocol, typo.process), (None, None));
    assert_eq!(late.health.state, "starting");
    assert_eq!(late.offers, Offers::default());
}
