//! Elicitations by URL: who hears that one is complete, and what becomes of the
//! error that asks for some.

use serde_json::json;

use crate::event::View;
use crate::hub::stories::cast::{notice, request, result};
use crate::hub::stories::world::World;
use crate::limits;

const ELICIT: &str = "elicitation/create";

/// A session of a client that can be asked so.
fn connects(w: &mut World, who: &str, elicitation: &str) {
    w.come(who, View::Merged);
    let params = format!(
        r#"{{"protocolVersion":"2025-11-25","capabilities":{{"elicitation":{elicitation}}}}}"#
    );
    w.posts(who, &request("0", "initialize", &params));
    w.listens(who, None);
    w.calls(who, "1", "git__x");
    w.forget();
}

/// The child asks to open a URL, by this name.
fn url(id: &str) -> String {
    request(
        "\"q\"",
        ELICIT,
        &format!(r#"{{"mode":"url","elicitationId":"{id}"}}"#),
    )
}

fn complete(id: &str) -> String {
    notice(
        "notifications/elicitation/complete",
        &format!(r#"{{"elicitationId":"{id}"}}"#),
    )
}

#[test]
fn the_client_that_was_asked_hears_of_the_end_whoever_calls_then() {
    let mut w = World::ready(&["git"]);
    connects(&mut w, "ann", r#"{"url":{}}"#);
    w.says("git.1", &url("e1"));
    w.posts("ann", &result("1", r#"{"action":"accept"}"#));
    w.answers("git.1", 3, "{}");
    connects(&mut w, "bob", r#"{"url":{}}"#);
    w.says("git.1", &complete("e1"));
    w.expect(&[r#"0.200s ann.2 [2-1] notifications/elicitation/complete {"elicitationId":"e1"}"#]);
    w.says("git.1", &complete("e2"));
    w.says("git.1", &notice("notifications/elicitation/complete", "{}"));
    w.expect(&[]);
}

#[test]
fn a_child_of_a_sessions_own_tells_its_session() {
    let mut w = World::scoped(&["git"], &["git"]);
    connects(&mut w, "ann", r#"{"url":{}}"#);
    w.serve("git.2");
    w.forget();
    w.says("git.2", &complete("e1"));
    w.expect(&[
        "0.200s ann.3 opened prime 3-0",
        r#"0.200s ann.3 [3-1] notifications/elicitation/complete {"elicitationId":"e1"}"#,
    ]);
}

#[test]
fn names_of_a_past_life_or_long_ago_are_forgotten() {
    let mut w = World::ready(&["git"]);
    connects(&mut w, "ann", r#"{"url":{}}"#);
    for number in 0..=limits::CHILD_URLS_MAX {
        w.says("git.1", &url(&format!("e{number}")));
        w.posts("ann", &result(&(number + 1).to_string(), "{}"));
        w.takes("ann.3", 2, 1_000);
    }
    w.forget();
    w.says("git.1", &complete("e0"));
    w.expect(&[]);
    w.says("git.1", &complete("e1"));
    w.expect_of(
        "complete",
        &[r#"0.200s ann.3 [3-66] notifications/elicitation/complete {"elicitationId":"e1"}"#],
    );
    w.dies("git.1");
    w.pass(1.0);
    w.serve("git.2");
    w.forget();
    w.says("git.2", &complete("e1"));
    w.expect(&[]);
}

#[test]
fn a_client_is_asked_in_the_modes_it_has_declared() {
    let form = request("\"q\"", ELICIT, r#"{"mode":"form"}"#);
    let bare = request("\"q\"", ELICIT, "{}");
    for (can, says, told) in [
        ("{}", &bare, None),
        ("{}", &form, None),
        ("{}", &url("e"), Some("with a URL")),
        (r#"{"url":{}}"#, &url("e"), None),
        (r#"{"url":{}}"#, &form, Some("with a form")),
        (r#"{"url":{}}"#, &bare, Some("with a form")),
        (r#"{"url":{},"form":{}}"#, &form, None),
    ] {
        let mut w = World::ready(&["git"]);
        connects(&mut w, "ann", can);
        w.says("git.1", says);
        let lines = w.trace();
        match told {
            None => assert!(
                lines.last().is_some_and(|l| l.contains(" asks 1 ")),
                "{lines:?}"
            ),
            Some(how) => assert_eq!(
                lines,
                [format!(
                    "0.200s to git.1 error \"q\" -32602 the client does not support \"elicitation/create\" {how}"
                )]
            ),
        }
    }
}

/// The error by which the call `#3` asks for a URL.
fn needs_url(w: &World, number: usize) -> String {
    let id = w.wire_id("git.1", number);
    let one = json!({"mode": "url", "elicitationId": "e1", "url": "https://x.y/", "message": "m"});
    json!({"jsonrpc": "2.0", "id": id, "error": {
        "code": -32042, "message": "sign in first", "data": {"elicitations": [one]},
    }})
    .to_string()
}

#[test]
fn a_client_with_a_session_gets_the_error_and_hears_of_the_end() {
    let mut w = World::ready(&["git"]);
    connects(&mut w, "ann", r#"{"url":{}}"#);
    let error = needs_url(&w, 3);
    w.says("git.1", &error);
    let told = w.messages().remove(0);
    assert_eq!(told["error"]["code"], -32042);
    assert_eq!(
        told["error"]["data"]["elicitations"][0]["elicitationId"],
        "e1"
    );
    connects(&mut w, "bob", r#"{"url":{}}"#);
    w.says("git.1", &complete("e1"));
    w.expect_of(
        "complete",
        &[r#"0.200s ann.2 [2-1] notifications/elicitation/complete {"elicitationId":"e1"}"#],
    );
}

/// A call of a client without a session that can be asked so.
fn calls(w: &mut World, elicitation: &str) {
    let params = format!(
        r#"{{"name":"git__x","_meta":{{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{{{elicitation}}}}}}}"#
    );
    w.posts("ann", &request("1", "tools/call", &params));
    w.forget();
}

#[test]
fn a_client_without_a_session_is_asked_instead() {
    let mut w = World::ready(&["git"]);
    w.come("ann", View::Merged);
    calls(&mut w, r#""elicitation":{"url":{}}"#);
    let error = needs_url(&w, 3);
    w.says("git.1", &error);
    let told = w.messages().remove(0);
    assert_eq!(
        told["result"],
        json!({
            "resultType": "input_required",
            "inputRequests": {"e1": {"method": ELICIT, "params": {
                "mode": "url", "elicitationId": "e1", "url": "https://x.y/", "message": "m",
            }}},
        })
    );
    // That era has no word for the end.
    w.says("git.1", &complete("e1"));
    w.expect(&[]);
    assert!(w.hub.sessions.is_empty());
}

#[test]
fn a_client_that_cannot_be_asked_hears_what_it_lacks_and_never_the_forbidden_code() {
    let mut w = World::ready(&["git"]);
    w.come("ann", View::Merged);
    calls(&mut w, r#""elicitation":{}"#);
    let error = needs_url(&w, 3);
    w.says("git.1", &error);
    let told = w.messages().remove(0);
    assert_eq!(
        told["error"],
        json!({
            "code": -32021, "message": "sign in first",
            "data": {"requiredCapabilities": {"elicitation": {"url": {}}}},
        })
    );
    calls(&mut w, r#""elicitation":{"url":{}}"#);
    let id = w.wire_id("git.1", 4);
    w.says(
        "git.1",
        &format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{{"code":-32042,"message":"m"}}}}"#),
    );
    w.expect(&["0.200s ann.2 error 1 -32603 m last"]);
}
