//! Sessions: which are known, how they end, and what makes room for a new one.

use crate::event::{FromClient, View};
use crate::hub::stories::cast::{initialize, notice, request};
use crate::hub::stories::world::World;
use crate::limits;

const UNKNOWN: &str =
    "error null -32001 session not found: it ended or never was; initialize a new one";

#[test]
fn a_post_without_a_session_or_with_an_unknown_one_is_refused() {
    let mut w = World::ready(&["git"]);
    w.come("ann", View::Merged);
    w.asks("ann", "1", "tools/list", "");
    w.expect(&[
        "0.200s ann.1 verdict BadRequest error 1 -32000 bad request: the Mcp-Session-Id header is missing; begin with \"initialize\", or send the header MCP-Protocol-Version: 2026-07-28 and what belongs to it",
    ]);
    w.connect(&["bob"]);
    w.deletes("bob");
    w.expect(&["0.200s bob.2 verdict Ended"]);
    w.asks("bob", "\"x\"", "ping", "");
    w.listens("bob", None);
    w.deletes("bob");
    w.posts("bob", &notice("notifications/initialized", ""));
    w.expect(&[
        "0.200s bob.3 verdict NotFound error \"x\" -32001 session not found: it ended or never was; initialize a new one",
        &format!("0.200s bob.4 verdict NotFound {UNKNOWN}"),
        &format!("0.200s bob.5 verdict NotFound {UNKNOWN}"),
        &format!("0.200s bob.6 verdict NotFound {UNKNOWN}"),
    ]);
}

#[test]
fn an_initialize_with_a_stale_session_opens_a_new_one() {
    let mut w = World::ready(&["git"]);
    w.connect(&["ann"]);
    w.deletes("ann");
    w.forget();
    w.connects_at("ann", "2025-11-25");
    w.expect(&["0.200s ann.3 welcome 0 session ann-3"]);
}

#[test]
fn a_session_is_known_at_its_own_endpoint_only() {
    let mut w = World::ready(&["git"]);
    w.connect(&["ann"]);
    w.clients.get_mut("ann").expect("she is there").view = View::Server("git".into());
    w.listens("ann", None);
    w.expect(&[&format!("0.200s ann.2 verdict NotFound {UNKNOWN}")]);
}

#[test]
fn a_session_that_a_stream_carries_is_none_of_streamable_http_nor_the_other_way() {
    let mut w = World::ready(&["git"]);
    w.open(&["bob"]);
    w.posts("bob", &request("1", "ping", ""));
    w.listens("bob", None);
    w.expect_of("verdict NotFound", &[
        "0.200s bob.2 verdict NotFound error 1 -32001 session not found: it ended or never was; initialize a new one",
        &format!("0.200s bob.3 verdict NotFound {UNKNOWN}"),
    ]);
    w.connect(&["ann"]);
    w.tells("ann", &request("1", "ping", ""));
    w.expect(&[
        "0.200s ann.2 verdict NotFound error 1 -32001 session not found: it ended or never was; initialize a new one",
    ]);
}

#[test]
fn endpoints_that_are_not_there_are_named() {
    let mut w = World::ready(&["git"]);
    w.come("ann", View::Server("nope".into()));
    w.come("bob", View::Group("nope".into()));
    w.connects_at("ann", "2025-11-25");
    w.opens("bob");
    w.listens("ann", None);
    w.expect(&[
        "0.200s ann.1 verdict NotFound error 0 -32000 no server \"nope\" is configured",
        "0.200s bob.1 verdict NotFound error null -32000 no group \"nope\" is configured",
        "0.200s ann.2 verdict NotFound error null -32000 no server \"nope\" is configured",
    ]);
}

#[test]
fn an_unknown_protocol_version_is_refused_inside_a_session() {
    let mut w = World::ready(&["git"]);
    w.connect(&["ann"]);
    w.clients.get_mut("ann").expect("she is there").version = Some("1999-01-01".into());
    w.asks("ann", "1", "ping", "");
    let refused = w.messages().remove(0);
    assert_eq!(
        refused["error"]["message"],
        "unsupported protocol version \"1999-01-01\""
    );
    assert_eq!(refused["error"]["data"]["requested"], "1999-01-01");
    w.clients.get_mut("ann").expect("she is there").version = Some("2025-06-18".into());
    w.asks("ann", "1", "ping", "");
    w.expect(&["0.200s ann.3 answer 1 {} last"]);
}

#[test]
fn what_is_no_message_is_refused_with_what_is_wrong_with_it() {
    let mut w = World::ready(&["git"]);
    w.connect(&["ann"]);
    w.open(&["bob"]);
    w.posts("ann", "{");
    w.tells("bob", r#"{"jsonrpc":"2.0","id":7,"method":""}"#);
    w.writes(
        "bob",
        r#"{"jsonrpc":"2.0","id":8,"method":"initialize","params":{}}"#,
    );
    let trace = w.trace();
    assert!(
        trace[0].starts_with("0.200s ann.2 verdict BadRequest error null -32700 "),
        "{trace:?}"
    );
    assert!(
        trace[1].starts_with("0.200s bob.2 verdict BadRequest error 7 -32600 "),
        "{trace:?}"
    );
    assert_eq!(
        trace[2],
        "0.200s bob.1 error 8 -32602 protocolVersion is missing"
    );
    assert_eq!(trace.len(), 3);
}

#[test]
fn http_sse_answers_a_request_with_bad_parameters_on_the_stream() {
    let mut w = World::ready(&["git"]);
    w.opens("bob");
    w.forget();
    w.tells(
        "bob",
        r#"{"jsonrpc":"2.0","id":8,"method":"initialize","params":{}}"#,
    );
    w.tells(
        "bob",
        r#"{"jsonrpc":"2.0","id":9,"method":"ping","params":[]}"#,
    );
    w.expect(&[
        "0.200s bob.2 verdict Accepted",
        "0.200s bob.1 error 8 -32602 protocolVersion is missing",
        "0.200s bob.3 verdict Accepted",
        "0.200s bob.1 error 9 -32602 params is an array: MCP takes them by name, in an object",
    ]);
    // Nobody waits for the answer to what has no id.
    w.tells(
        "bob",
        r#"{"jsonrpc":"2.0","method":"notifications/x","params":[]}"#,
    );
    let refused = w.trace().remove(0);
    assert!(
        refused.contains("verdict BadRequest error null -32602"),
        "{refused}"
    );
}

#[test]
fn http_sse_answers_on_the_stream_and_accepts_at_the_post() {
    let mut w = World::ready(&["git"]);
    w.opens("bob");
    w.expect(&["0.200s bob.1 opened session bob-1"]);
    w.tells("bob", &initialize("0", "2024-11-05"));
    w.expect_of("bob.2", &["0.200s bob.2 verdict Accepted"]);
    w.tells("bob", &request("1", "tools/call", r#"{"name":"git__x"}"#));
    w.forget();
    w.answers("git.1", 3, "{}");
    w.expect(&["0.200s bob.1 answer 1 {}"]);
}

#[test]
fn a_session_ends_with_its_stream_and_its_calls_are_taken_back() {
    let mut w = World::ready(&["git"]);
    w.open(&["bob"]);
    w.calls("bob", "1", "git__x");
    w.forget();
    w.leaves("bob.1");
    w.expect(&[r##"0.200s to git.1 notifications/cancelled {"requestId":"#3"}"##]);
    w.answers("git.1", 3, "{}");
    w.expect(&[]);
    assert!(w.hub.sessions.is_empty());
}

#[test]
fn a_session_that_is_ended_ends_all_that_is_its_own() {
    let mut w = World::ready(&["git"]);
    w.connect(&["ann", "bob"]);
    w.listens("ann", None);
    w.calls("ann", "1", "git__x");
    w.calls("bob", "1", "git__x");
    w.forget();
    w.deletes("ann");
    w.expect(&[
        r##"0.200s to git.1 notifications/cancelled {"requestId":"#3"}"##,
        "0.200s ann.3 end",
        "0.200s ann.2 end",
        "0.200s ann.4 verdict Ended",
    ]);
    w.answers("git.1", 3, "{}");
    w.answers("git.1", 4, "{}");
    w.expect(&["0.200s bob.2 answer 1 {} last"]);
}

#[test]
fn a_session_nobody_is_connected_for_is_forgotten_after_a_day() {
    let mut w = World::ready(&["git"]);
    w.connect(&["ann", "bob", "eve"]);
    w.listens("eve", None);
    w.pass(20.0 * 3600.0);
    w.asks("bob", "1", "ping", "");
    w.forget();
    w.pass(5.0 * 3600.0);
    w.asks("ann", "1", "ping", "");
    w.asks("bob", "1", "ping", "");
    w.asks("eve", "1", "ping", "");
    w.expect_of("ping", &[]);
    assert_eq!(w.hub.sessions.len(), 2);
    // A stream that is open makes a session none the nobody is connected for.
    w.pass(70.0 * 3600.0);
    assert_eq!(w.hub.sessions.len(), 1);
    w.leaves("eve.2");
    w.pass(25.0 * 3600.0);
    assert!(w.hub.sessions.is_empty());
}

#[test]
fn sessions_that_come_and_go_leave_no_deadlines_behind() {
    let mut w = World::ready(&["git"]);
    let before = w.hub.timers.len();
    for _ in 0..10 {
        w.connects_at("ann", "2025-11-25");
        w.deletes("ann");
    }
    assert_eq!(w.hub.timers.len(), before);
}

#[test]
fn a_client_that_left_before_its_welcome_leaves_no_session_behind() {
    let mut w = World::of(&["git"]);
    w.come("ann", View::Server("git".into()));
    w.connects_at("ann", "2025-11-25");
    w.leaves("ann.1");
    w.serve("git.1");
    assert!(w.hub.sessions.is_empty());
}

#[test]
fn a_stream_whose_client_says_no_more_ends_with_the_last_answer() {
    let mut w = World::ready(&["git"]);
    w.open(&["bob"]);
    w.calls("bob", "1", "git__x");
    w.calls("bob", "2", "git__x");
    w.calls("bob", "3", "git__x");
    w.cancels("bob", "3");
    w.forget();
    w.adds("bob.1", FromClient::Finished);
    w.expect(&[]);
    w.answers("git.1", 4, "{}");
    w.expect(&["0.200s bob.1 answer 2 {}"]);
    w.dies("git.1");
    w.expect(&[
        "0.200s bob.1 error 1 -32000 server \"git\" exited with code 1 while this call was under way; it is being restarted",
        "0.200s bob.1 end",
        "0.200s bury git.1",
    ]);
}

#[test]
fn a_stream_whose_client_says_no_more_ends_at_once_when_nothing_is_owed() {
    let mut w = World::ready(&["git"]);
    w.open(&["bob"]);
    w.adds("bob.1", FromClient::Finished);
    w.expect(&["0.200s bob.1 end"]);
    assert!(w.hub.sessions.is_empty());
}

#[test]
fn a_welcome_that_became_a_stream_names_its_session_in_its_head() {
    let mut w = World::of(&["git"]);
    w.come("ann", View::Server("git".into()));
    w.connects_at("ann", "2025-11-25");
    w.forget();
    w.adds("ann.1", FromClient::Patience);
    w.expect(&["0.000s ann.1 opened session ann-1"]);
    w.serve("git.1");
    let last = w.trace().pop().expect("it is answered");
    assert!(
        last.starts_with("0.000s ann.1 answer 0 ") && last.ends_with(" last"),
        "{last}"
    );
    w.asks("ann", "1", "ping", "");
    w.expect(&["0.000s ann.2 answer 1 {} last"]);
}

#[test]
fn a_full_table_forgets_the_longest_idle_session() {
    let mut w = World::ready(&["git"]);
    w.connect(&["ann", "cid"]);
    w.listens("ann", None);
    // What was not waited for to its end is under way all the same.
    w.calls("cid", "1", "git__x");
    w.leaves("cid.2");
    w.pass(0.5);
    w.connect(&["bob"]);
    w.pass(0.5);
    for number in 3..limits::SESSIONS_MAX {
        w.come("crowd", View::Merged);
        w.clients.get_mut("crowd").expect("it is there").connection = 10 + number as u64;
        let client = w.clients.remove("crowd").expect("it is there");
        let name = format!("c{number}");
        w.clients.insert(name.clone(), client);
        w.connects_at(&name, "2025-11-25");
    }
    assert_eq!(w.hub.sessions.len(), limits::SESSIONS_MAX);
    w.forget();
    w.clients.insert("new".into(), w_client(20_000));
    w.connects_at("new", "2025-11-25");
    w.expect(&["1.200s new.1 welcome 0 session new-1"]);
    assert_eq!(w.hub.sessions.len(), limits::SESSIONS_MAX);
    w.asks("ann", "1", "ping", "");
    w.asks("cid", "2", "ping", "");
    w.asks("bob", "1", "ping", "");
    w.expect(&[
        "1.200s ann.3 answer 1 {} last",
        "1.200s cid.3 answer 2 {} last",
        // He had to make room, but his id is still good: another makes room for him.
        "1.200s bob.2 answer 1 {} last",
    ]);
    assert_eq!(w.hub.sessions.len(), limits::SESSIONS_MAX);
}

fn w_client(connection: u64) -> crate::hub::stories::world::Client {
    crate::hub::stories::world::Client {
        connection,
        exchanges: 0,
        view: View::Merged,
        version: None,
        session: None,
        whole: None,
    }
}

#[test]
fn an_answer_to_a_session_that_is_gone_is_refused_as_no_request() {
    let mut w = World::ready(&["git"]);
    w.connect(&["ann"]);
    w.deletes("ann");
    w.forget();
    w.posts("ann", &crate::hub::stories::cast::result("1", "{}"));
    w.expect(&[&format!("0.200s ann.3 verdict NotFound {UNKNOWN}")]);
}

#[test]
fn a_stream_that_cannot_be_resumed_is_gone_with_its_client() {
    let mut w = World::ready(&["git"]);
    w.connects_at("ann", "2024-11-05");
    w.listens("ann", None);
    w.leaves("ann.2");
    assert!(w.hub.streams.is_empty());
}
