//! Children lent to stateless requests of servers with `scope: session`: what
//! is left of a loan when it is over.

use std::time::Duration;

use serde_json::{Value, json};

use crate::config::checked::{Protocol, Scope};
use crate::event::View;
use crate::hub::stories::cast::request;
use crate::hub::stories::leasing::{ALL, ELICIT, lone};
use crate::hub::stories::stateless::meta;
use crate::hub::stories::world::{World, plan};

fn call() -> String {
    format!(r#"{{"name":"git__x",{}}}"#, meta("{}", ""))
}

/// The template is at work for ann, and bob has a child of his own.
fn lent() -> World {
    let mut w = World::scoped(&["git"], &["git"]);
    for who in ["ann", "bob"] {
        w.come(who, View::Merged);
        w.asks(who, "1", "tools/call", &call());
    }
    w.serve("git.2");
    w
}

#[test]
fn a_loan_leaves_no_deadline_behind_but_the_last() {
    let mut w = lent();
    w.answers("git.2", 3, "{}");
    w.pass(1.0);
    let before = w.hub.timers.len();
    for round in 0..20 {
        w.asks("bob", "2", "tools/call", &call());
        w.answers("git.2", 4 + round, "{}");
        w.pass(0.1);
    }
    assert_eq!(w.hub.timers.len(), before);
}

#[test]
fn a_lent_child_stays_for_fifteen_minutes_after_its_last_request() {
    let mut w = lent();
    w.answers("git.2", 3, "{}");
    w.pass(800.0);
    w.asks("ann", "2", "tools/call", &call());
    w.asks("bob", "2", "tools/call", &call());
    w.answers("git.2", 4, "{}");
    w.forget();
    w.pass(899.0);
    w.expect_of("git.2", &[]);
    w.pass(1.0);
    w.expect_of("close", &[&format!("{} close git.2", w.now)]);
}

#[test]
fn a_lent_child_that_dies_fails_its_request_and_may_be_lent_again() {
    let mut w = lent();
    w.forget();
    w.dies("git.2");
    w.expect_of("bob", &[
        r#"0.200s bob.1 error 1 -32603 server "git" exited with code 1 while this call was under way; it is being restarted last"#,
    ]);
    w.pass(1.0);
    w.serve("git.3");
    w.forget();
    w.asks("bob", "2", "tools/call", &call());
    let trace = w.trace();
    assert!(trace[0].contains("to git.3 #3 tools/call"), "{trace:?}");
}

#[test]
fn the_end_of_the_gateway_ends_lent_children_too() {
    for is_over in [false, true] {
        let mut w = lent();
        if is_over {
            w.answers("git.2", 3, "{}");
        }
        w.forget();
        w.stop();
        let trace = w.trace();
        let closes = |line: &&String| line.contains(" close git.");
        assert_eq!(trace.iter().filter(closes).count(), 2, "{trace:?}");
        w.dies("git.1");
        w.dies("git.2");
        assert!(w.finished);
        w.pass(2_000.0);
        assert!(w.hub.is_empty_handed());
    }
}

#[test]
fn a_completion_on_the_template_makes_nobodys_question_fail() {
    let mut plan = plan(&["git"]);
    plan.servers[0].scope = Scope::Session;
    let mut w = World::new(plan);
    let offers = w.offers.get_mut("git").expect("it is there");
    offers.prompts = vec!["p".into()];
    offers.capabilities = r#""completions":{},"prompts":{}"#;
    w.serve("git.1");
    w.pass(0.2);
    w.come("ann", View::Merged);
    w.come("bob", View::Server("git".into()));
    let meta = meta(r#"{"elicitation":{}}"#, "");
    let call = format!(r#"{{"name":"git__x",{meta}}}"#);
    w.asks("ann", "1", "tools/call", &call);
    let completion = format!(
        r#"{{"ref":{{"type":"ref/prompt","name":"p"}},"argument":{{"name":"a","value":"b"}},{meta}}}"#
    );
    w.asks("bob", "1", "completion/complete", &completion);
    w.forget();
    let question = request("9", "elicitation/create", r#"{"message":"?"}"#);
    w.says("git.1", &question);
    w.pass(1.0);
    let asked = &w.messages().remove(0)["result"];
    assert_eq!(asked["resultType"], "input_required", "{asked}");
}

#[test]
fn a_template_that_starts_is_waited_for() {
    let mut plan = plan(&["git"]);
    plan.servers[0].scope = Scope::Session;
    let mut w = World::new(plan);
    w.serve("git.1");
    w.pass(0.2);
    w.dies("git.1");
    for who in ["ann", "bob"] {
        w.come(who, View::Merged);
        w.asks(who, "1", "tools/call", &call());
    }
    w.pass(1.0);
    w.forget();
    w.serve("git.2");
    w.expect_of("spawn", &[]);
}

#[test]
fn a_template_that_asks_in_its_answers_works_for_many() {
    let mut plan = plan(&["git"]);
    plan.servers[0].scope = Scope::Session;
    plan.servers[0].protocol = Protocol::Modern;
    let mut w = World::new(plan);
    w.serve("git.1");
    w.pass(0.2);
    w.forget();
    for who in ["ann", "bob"] {
        w.come(who, View::Merged);
        w.asks(who, "1", "tools/call", &call());
    }
    w.expect_of("spawn", &[]);
}

#[test]
fn one_that_is_still_at_a_call_that_was_taken_back_is_not_lent_again() {
    let mut w = lent();
    w.leaves("bob.1");
    w.come("cid", View::Merged);
    w.forget();
    w.asks("cid", "1", "tools/call", &call());
    w.expect(&["0.200s spawn git.3"]);
    w.answers("git.2", 3, "{}");
    w.come("dan", View::Merged);
    w.forget();
    w.asks("dan", "1", "tools/call", &call());
    w.expect_of("spawn", &[]);
}

#[test]
fn where_there_is_no_room_for_another_the_one_put_by_first_makes_some() {
    let mut plan = plan(&["git", "pad"]);
    for server in plan.servers.iter_mut() {
        server.scope = Scope::Session;
    }
    plan.processes_max = 2;
    let mut w = World::new(plan);
    w.serve("git.1");
    w.serve("pad.1");
    w.pass(0.2);
    for who in ["ann", "bob", "cid"] {
        w.come(who, View::Merged);
        w.asks(who, "1", "tools/call", &call());
    }
    w.serve("git.2");
    w.serve("git.3");
    w.answers("git.3", 3, "{}");
    w.pass(1.0);
    w.answers("git.2", 3, "{}");
    let pad = call().replace("git__x", "pad__x");
    let mut asks = |who: &str, lines: &[&str]| {
        w.come(who, View::Merged);
        w.forget();
        w.asks(who, "1", "tools/call", &pad);
        let trace = w.trace();
        assert_eq!(trace.len(), lines.len(), "{trace:?}");
        for (line, part) in trace.iter().zip(lines) {
            assert!(line.contains(part), "{trace:?}");
        }
    };
    asks("dan", &["to pad.1 #3 tools/call"]);
    asks("eve", &["close git.3", "spawn pad.2"]);
    asks("fay", &["close git.2", "spawn pad.3"]);
    // Nobody is left to make room: it is put to the template.
    asks("gus", &["to pad.1 #4 tools/call"]);
}

#[test]
fn a_lent_child_goes_with_its_call_to_the_request_that_takes_that_up() {
    let mut plan = plan(&["git"]);
    plan.servers[0].scope = Scope::Session;
    plan.servers[0].timeout = Duration::from_hours(1);
    let mut w = World::new(plan);
    w.serve("git.1");
    w.pass(0.2);
    let call = |id: &str, params: &Value| lone(id, "tools/call", params, ALL);
    for who in ["ann", "bob"] {
        w.come(who, View::Merged);
        w.posts(who, &call("1", &json!({"name": "git__x"})));
    }
    w.serve("git.2");
    w.says("git.2", &request("9", ELICIT, "{}"));
    w.forget();
    w.pass(0.02);
    let state = &w.messages()[0]["result"]["requestState"];
    let answers = json!({"q1": {"action": "decline"}});
    let params = json!({"name": "git__x", "requestState": state, "inputResponses": answers});
    w.posts("bob", &call("2", &params));
    w.pass(600.0);
    w.answers("git.2", 3, "{}");
    w.forget();
    w.pass(899.9);
    w.expect_of("close", &[]);
    w.pass(0.1);
    w.expect_of("close", &[&format!("{} close git.2", w.now)]);
}
