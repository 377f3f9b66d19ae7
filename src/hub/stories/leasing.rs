//! Questions of a child to clients without a session: they go out in the answer
//! to the request, the call is kept open, and a new request with the answers
//! takes it up.

use serde_json::{Value, json};

use crate::event::{FromClient, View};
use crate::hub::stories::cast::{notice, request, result};
use crate::hub::stories::world::{World, plan};
use crate::limits;

/// What a client can be asked that can be asked everything.
pub(super) const ALL: &str =
    r#"{"sampling":{"tools":{}},"elicitation":{"form":{},"url":{}},"roots":{"listChanged":true}}"#;
pub(super) const ELICIT: &str = "elicitation/create";

/// A request of a client without a session, that can be asked so much.
pub(super) fn lone(id: &str, method: &str, params: &Value, can: &str) -> String {
    let mut params = params.clone();
    params["_meta"]["io.modelcontextprotocol/protocolVersion"] = "2026-07-28".into();
    let can: Value = serde_json::from_str(can).expect("capabilities are JSON");
    params["_meta"]["io.modelcontextprotocol/clientCapabilities"] = can;
    request(id, method, &params.to_string())
}

/// Ann calls the tool.
fn calls(w: &mut World, id: &str) {
    w.posts(
        "ann",
        &lone(id, "tools/call", &json!({"name": "git__x"}), ALL),
    );
}

/// She calls it again with these further members.
fn retries(w: &mut World, id: &str, more: &Value) {
    let mut params = json!({"name": "git__x"});
    let more = more.as_object().expect("members").clone();
    params.as_object_mut().expect("members").extend(more);
    w.posts("ann", &lone(id, "tools/call", &params, ALL));
}

/// She comes back with answers to these questions.
fn comes_back(w: &mut World, id: &str, state: &str, answered: &[&str]) {
    let answers: Value = answered
        .iter()
        .map(|key| (*key, json!({"a": key})))
        .collect();
    retries(
        w,
        id,
        &json!({"requestState": state, "inputResponses": answers}),
    );
}

/// One server, and a call of Ann's under way on it, its `#3`.
fn calling() -> World {
    let mut w = World::ready(&["git"]);
    w.come("ann", View::Merged);
    calls(&mut w, "1");
    w.forget();
    w
}

fn asks(w: &mut World, id: &str, method: &str) {
    w.says("git.1", &request(id, method, r#"{"k":1}"#));
}

/// The results that the client got meanwhile.
fn results(w: &mut World) -> Vec<Value> {
    let messages = w.messages().into_iter();
    messages.filter_map(|m| m.get("result").cloned()).collect()
}

/// The one result that asks; its state.
fn state(w: &mut World) -> String {
    let results = results(w);
    let [asking] = results.as_slice() else {
        panic!("not one result, but {results:?}");
    };
    assert_eq!(asking["resultType"], "input_required", "{asking}");
    asking["requestState"].as_str().expect("a state").to_owned()
}

/// Ann's call is kept open, one question `q1` (the child's `"q"`) being put to
/// her; the state she has.
fn leased() -> (World, String) {
    let mut w = calling();
    asks(&mut w, "\"q\"", ELICIT);
    w.pass(0.02);
    let state = state(&mut w);
    (w, state)
}

/// The sentence of the one error that was told.
fn refused(w: &mut World) -> String {
    let messages = w.messages();
    let errors: Vec<&Value> = messages.iter().filter_map(|m| m.get("error")).collect();
    let [error] = errors.as_slice() else {
        panic!("not one error, but {messages:?}");
    };
    assert_eq!(error["code"], -32602);
    error["message"].as_str().expect("a sentence").to_owned()
}

#[test]
fn a_question_goes_out_in_the_answer_and_the_retry_gets_the_result() {
    let mut w = calling();
    w.says(
        "git.1",
        &request("7", ELICIT, r#"{"message" : "who?", "mode":"form"}"#),
    );
    w.expect(&[]);
    w.pass(0.02);
    let asking = results(&mut w).remove(0);
    let state = asking["requestState"].clone();
    assert_eq!(
        asking,
        json!({
            "resultType": "input_required",
            "inputRequests": {"q1": {"method": ELICIT, "params": {"message": "who?", "mode": "form"}}},
            "requestState": state,
        })
    );
    w.pass(100.0);
    retries(
        &mut w,
        "2",
        &json!({
            "requestState": state,
            "inputResponses": {"q1": {"action": "accept", "content": {"n": 1.50}}},
        }),
    );
    w.expect(&[r#"100.220s to git.1 answer 7 {"action":"accept","content":{"n":1.5}}"#]);
    w.answers("git.1", 3, r#"{"content":[]}"#);
    w.expect(&[r#"100.220s ann.2 answer 2 {"content":[],"resultType":"complete"} last"#]);
    assert!(w.hub.sessions.is_empty() && w.hub.leases.is_empty());
}

#[test]
fn questions_that_come_close_to_each_other_go_out_together() {
    let mut w = calling();
    asks(&mut w, "1", ELICIT);
    w.pass(0.015);
    asks(&mut w, "\"1\"", "sampling/createMessage");
    w.pass(0.004);
    w.expect(&[]);
    w.pass(0.001);
    let asking = results(&mut w).remove(0);
    assert_eq!(asking["inputRequests"]["q1"]["method"], ELICIT);
    assert_eq!(
        asking["inputRequests"]["q2"],
        json!({"method": "sampling/createMessage", "params": {"k": 1}})
    );
    let state = asking["requestState"].as_str().expect("a state").to_owned();
    comes_back(&mut w, "2", &state, &["q2", "q1"]);
    w.expect(&[
        r#"0.220s to git.1 answer 1 {"a":"q1"}"#,
        r#"0.220s to git.1 answer "1" {"a":"q2"}"#,
    ]);
}

#[test]
fn what_is_not_answered_is_asked_again_with_what_came_meanwhile() {
    let mut w = calling();
    asks(&mut w, "1", ELICIT);
    asks(&mut w, "2", ELICIT);
    w.pass(0.02);
    let first = state(&mut w);
    asks(&mut w, "3", ELICIT);
    w.pass(1.0);
    comes_back(&mut w, "2", &first, &["q2", "other"]);
    w.expect(&[r#"1.220s to git.1 answer 2 {"a":"q2"}"#]);
    w.pass(0.02);
    let asking = results(&mut w).remove(0);
    let keys: Vec<&String> = asking["inputRequests"]
        .as_object()
        .expect("a map")
        .keys()
        .collect();
    assert_eq!(keys, ["q1", "q3"]);
    let second = asking["requestState"].as_str().expect("a state").to_owned();
    assert_ne!(first, second);
    comes_back(&mut w, "3", &first, &["q1", "q3"]);
    assert_eq!(refused(&mut w), "requestState was used already");
    comes_back(&mut w, "4", &second, &["q1", "q3"]);
    w.expect_of(
        "answer",
        &[
            r#"1.240s to git.1 answer 1 {"a":"q1"}"#,
            r#"1.240s to git.1 answer 3 {"a":"q3"}"#,
        ],
    );
}

#[test]
fn a_call_that_was_taken_up_may_ask_again() {
    let (mut w, first) = leased();
    comes_back(&mut w, "2", &first, &["q1"]);
    w.forget();
    asks(&mut w, "\"q\"", ELICIT);
    w.pass(0.02);
    let second = state(&mut w);
    comes_back(&mut w, "3", &first, &["q1"]);
    assert_eq!(refused(&mut w), "requestState was used already");
    comes_back(&mut w, "4", &second, &["q1"]);
    w.answers("git.1", 3, "{}");
    w.expect_of(
        "ann",
        &[r#"0.240s ann.4 answer 4 {"resultType":"complete"} last"#],
    );
}

#[test]
fn a_state_is_good_for_its_request_alone() {
    let (mut w, state) = leased();
    let answers = json!({"q1": {}});
    let with = |mut params: Value| {
        params["requestState"] = state.clone().into();
        params["inputResponses"] = answers.clone();
        params
    };
    let another = "requestState was given out for another request: method, endpoint and parameters must be the same";
    for (method, params) in [
        ("tools/call", json!({"name": "git__y"})),
        ("tools/call", json!({"name": "git__x", "arguments": {}})),
        ("prompts/get", json!({"name": "git__x"})),
        ("resources/read", json!({"uri": "git__x"})),
    ] {
        w.posts("ann", &lone("2", method, &with(params), ALL));
        assert_eq!(refused(&mut w), another, "{method}");
    }
    w.come("bob", View::Server("git".to_owned()));
    let same = lone("2", "tools/call", &with(json!({"name": "git__x"})), ALL);
    w.posts("bob", &same);
    assert_eq!(refused(&mut w), another);
    // It was not used up by that; nor is it bound to a connection.
    w.come("cid", View::Merged);
    w.posts("cid", &same);
    w.expect_of("git.1", &[r#"0.220s to git.1 answer "q" {}"#]);
}

#[test]
fn a_state_that_was_changed_or_made_up_is_refused() {
    let (mut w, state) = leased();
    let sentence = "requestState was not given out by this gateway, or was changed";
    let flipped = match state.strip_suffix('A') {
        Some(start) => format!("{start}B"),
        None => format!("{}A", &state[..state.len() - 1]),
    };
    for bad in [format!("{state}-TAMPERED"), flipped, "mcproxy.".to_owned()] {
        comes_back(&mut w, "2", &bad, &["q1"]);
        assert_eq!(refused(&mut w), sentence, "{bad}");
    }
    comes_back(&mut w, "3", &state, &["q1"]);
    w.expect_of("git.1", &[r#"0.220s to git.1 answer "q" {"a":"q1"}"#]);
}

#[test]
fn a_state_that_is_not_ours_goes_on_to_the_server() {
    let mut w = World::ready(&["git"]);
    w.come("ann", View::Merged);
    comes_back(&mut w, "1", "theirs", &["q1"]);
    let sent = w.messages().remove(0);
    assert_eq!(sent["params"]["requestState"], "theirs");
    assert_eq!(sent["params"]["inputResponses"], json!({"q1": {"a": "q1"}}));
}

#[test]
fn the_parameters_of_a_session_are_the_servers_whatever_they_say() {
    let (mut w, state) = leased();
    w.connect(&["eve"]);
    let params = json!({"name": "git__x", "requestState": state}).to_string();
    w.asks("eve", "1", "tools/call", &params);
    assert_eq!(w.messages()[0]["params"]["requestState"], state);
}

#[test]
fn a_call_is_taken_up_though_its_tool_is_gone() {
    let (mut w, state) = leased();
    w.says("git.1", &notice("notifications/tools/list_changed", ""));
    w.pass(0.2);
    w.offers.get_mut("git").expect("it is there").tools.clear();
    w.lists("git.1", 4);
    w.pass(0.2);
    calls(&mut w, "2");
    assert_eq!(refused(&mut w), "unknown tool \"git__x\"");
    comes_back(&mut w, "3", &state, &["q1"]);
    w.expect_of("git.1", &[r#"0.620s to git.1 answer "q" {"a":"q1"}"#]);
}

#[test]
fn answers_that_cannot_be_read_use_nothing_up() {
    let (mut w, state) = leased();
    for (answers, sentence) in [
        (json!([]), "inputResponses is not an object"),
        (
            json!({"q1": 12345}),
            "the response \"q1\" is a number: it must be an object",
        ),
    ] {
        retries(
            &mut w,
            "2",
            &json!({"requestState": state, "inputResponses": answers}),
        );
        assert_eq!(refused(&mut w), sentence);
    }
    // Null is like none: it is asked again.
    retries(
        &mut w,
        "3",
        &json!({"requestState": state, "inputResponses": null}),
    );
    w.pass(0.02);
    let again = self::state(&mut w);
    comes_back(&mut w, "4", &again, &["q1"]);
    w.expect_of("git.1", &[r#"0.240s to git.1 answer "q" {"a":"q1"}"#]);
}

#[test]
fn an_answer_that_came_while_nobody_waited_is_kept() {
    let (mut w, state) = leased();
    w.answers("git.1", 3, r#"{"content":[]}"#);
    w.expect(&[r#"0.220s to git.1 error "q" -32000 the client has left"#]);
    comes_back(&mut w, "2", &state, &["q1"]);
    w.expect(&[r#"0.220s ann.2 answer 2 {"content":[],"resultType":"complete"} last"#]);
    comes_back(&mut w, "3", &state, &["q1"]);
    assert_eq!(refused(&mut w), "requestState was used already");
}

#[test]
fn an_answer_too_large_to_be_kept_is_told_of() {
    let (mut w, state) = leased();
    let large = format!(r#"{{"text":"{}"}}"#, "x".repeat(limits::LEASES_BYTES_MAX));
    w.answers("git.1", 3, &large);
    w.forget();
    comes_back(&mut w, "2", &state, &["q1"]);
    let told = w.trace().remove(0);
    assert!(
        told.contains("error 2 -32603 the answer came while nobody waited"),
        "{told}"
    );
}

#[test]
fn a_server_that_died_while_nobody_waited_is_told_of() {
    let (mut w, state) = leased();
    w.dies("git.1");
    w.forget();
    comes_back(&mut w, "2", &state, &["q1"]);
    w.expect(&["0.220s ann.2 error 2 -32603 server \"git\" exited with code 1 while this call was under way; it is being restarted last"]);
}

#[test]
fn a_question_taken_back_before_it_went_out_is_never_asked() {
    let mut w = calling();
    asks(&mut w, "\"q\"", ELICIT);
    w.says(
        "git.1",
        &notice("notifications/cancelled", r#"{"requestId":"q"}"#),
    );
    w.pass(1.0);
    w.expect(&[]);
    w.answers("git.1", 3, "{}");
    w.expect(&[r#"1.200s ann.1 answer 1 {"resultType":"complete"} last"#]);
}

#[test]
fn after_a_question_was_taken_back_the_retry_simply_goes_on() {
    let (mut w, state) = leased();
    w.says(
        "git.1",
        &notice("notifications/cancelled", r#"{"requestId":"q"}"#),
    );
    comes_back(&mut w, "2", &state, &["q1"]);
    w.pass(1.0);
    w.expect(&[]);
    w.answers("git.1", 3, "{}");
    w.expect(&[r#"1.220s ann.2 answer 2 {"resultType":"complete"} last"#]);
}

#[test]
fn a_calls_time_stands_still_while_its_client_is_away_and_begins_anew_after() {
    let (mut w, state) = leased();
    w.pass(300.0);
    w.expect(&[]);
    comes_back(&mut w, "2", &state, &["q1"]);
    w.forget();
    w.pass(29.9);
    w.expect(&[]);
    w.pass(0.1);
    w.expect_of("ann", &["330.220s ann.2 error 2 -32603 server \"git\" has not answered this call within 30 s last"]);
}

#[test]
fn a_call_that_took_too_long_without_anybody_is_told_of() {
    let (mut w, state) = leased();
    w.says(
        "git.1",
        &notice("notifications/cancelled", r#"{"requestId":"q"}"#),
    );
    w.pass(30.0);
    w.expect(&[r##"30.220s to git.1 notifications/cancelled {"requestId":"#3"}"##]);
    comes_back(&mut w, "2", &state, &["q1"]);
    w.expect(&[
        "30.220s ann.2 error 2 -32603 server \"git\" has not answered this call within 30 s last",
    ]);
}

#[test]
fn a_client_that_does_not_come_back_in_ten_minutes_is_given_up() {
    let (mut w, state) = leased();
    w.pass(600.0);
    w.expect(&[
        r#"600.220s to git.1 error "q" -32001 the client has not answered within 600 s"#,
        r##"600.220s to git.1 notifications/cancelled {"requestId":"#3"}"##,
    ]);
    comes_back(&mut w, "2", &state, &["q1"]);
    assert_eq!(
        refused(&mut w),
        "requestState has expired: it was good for 600 s"
    );
    assert!(w.hub.sessions.is_empty() && w.hub.questions.is_empty());
}

#[test]
fn a_client_that_leaves_before_it_is_asked_ends_its_call() {
    let mut w = calling();
    asks(&mut w, "\"q\"", ELICIT);
    w.leaves("ann.1");
    w.expect(&[
        r##"0.200s to git.1 notifications/cancelled {"requestId":"#3"}"##,
        r#"0.200s to git.1 error "q" -32000 the client has left"#,
    ]);
    w.pass(1.0);
    w.expect(&[]);
}

#[test]
fn a_client_that_leaves_its_retry_ends_its_call() {
    let (mut w, state) = leased();
    comes_back(&mut w, "2", &state, &["q1"]);
    w.forget();
    w.leaves("ann.2");
    w.expect(&[r##"0.220s to git.1 notifications/cancelled {"requestId":"#3"}"##]);
}

#[test]
fn a_call_answered_before_its_question_went_out_asks_nobody() {
    let mut w = calling();
    asks(&mut w, "\"q\"", ELICIT);
    w.answers("git.1", 3, "{}");
    w.expect(&[
        r#"0.200s ann.1 answer 1 {"resultType":"complete"} last"#,
        r#"0.200s to git.1 error "q" -32000 the client has left"#,
    ]);
    w.pass(1.0);
    w.expect(&[]);
}

#[test]
fn a_client_is_asked_only_what_its_request_declares() {
    let mut w = World::ready(&["git"]);
    w.come("ann", View::Merged);
    let forms = r#"{"elicitation":{},"sampling":{}}"#;
    w.posts(
        "ann",
        &lone("1", "tools/call", &json!({"name": "git__x"}), forms),
    );
    w.forget();
    for (method, params, told) in [
        (
            "roots/list",
            "{}",
            r#"-32601 the client does not support "roots/list""#,
        ),
        (
            ELICIT,
            r#"{"mode":"url"}"#,
            r#"-32602 the client does not support "elicitation/create" with a URL"#,
        ),
        (
            ELICIT,
            r#"{"mode":"other"}"#,
            r#"-32602 the client does not support "elicitation/create" in that mode"#,
        ),
        (
            "sampling/createMessage",
            r#"{"tools":[]}"#,
            r#"-32602 the client does not support "sampling/createMessage" with tools"#,
        ),
    ] {
        w.says("git.1", &request("\"q\"", method, params));
        w.expect(&[&format!("0.200s to git.1 error \"q\" {told}")]);
    }
    // What the retry declares counts from then on.
    w.says("git.1", &request("\"q\"", ELICIT, r#"{"mode":"form"}"#));
    w.pass(0.02);
    let state = state(&mut w);
    comes_back(&mut w, "2", &state, &["q1"]);
    w.forget();
    w.says("git.1", &request("\"r\"", ELICIT, r#"{"mode":"url"}"#));
    w.pass(0.02);
    assert_eq!(
        results(&mut w)[0]["inputRequests"]["q1"]["params"],
        json!({"mode": "url"})
    );
}

#[test]
fn roots_are_asked_for_a_template_and_never_for_a_shared_child() {
    let mut w = World::scoped(&["git", "pad"], &["pad"]);
    w.come("ann", View::Merged);
    w.posts(
        "ann",
        &lone("1", "tools/call", &json!({"name": "pad__x"}), ALL),
    );
    w.says("pad.1", &request("\"q\"", "roots/list", ""));
    w.forget();
    w.pass(0.02);
    let asking = results(&mut w).remove(0);
    assert_eq!(
        asking["inputRequests"],
        json!({"q1": {"method": "roots/list"}})
    );
    calls(&mut w, "2");
    w.forget();
    asks(&mut w, "\"q\"", "roots/list");
    w.expect(&[r#"0.220s to git.1 error "q" -32601 the client does not support "roots/list""#]);
}

/// Two servers that offer prompts and resources as well.
fn with_prompts() -> World {
    let mut w = World::of(&["git", "time"]);
    for name in ["git", "time"] {
        let offers = w.offers.get_mut(name).expect("it is there");
        offers.prompts = vec!["p".to_owned()];
        offers.resources = vec![format!("file:///{name}")];
        w.serve(&format!("{name}.1"));
    }
    w.pass(0.2);
    w.come("ann", View::Merged);
    w.forget();
    w
}

#[test]
fn requests_whose_answers_cannot_ask_ask_nothing() {
    let reference = json!({"ref": {"type": "ref/prompt", "name": "time__p"}});
    let hidden = json!({"uri": "file:///hidden"});
    for (method, params) in [
        ("completion/complete", reference),
        ("resources/read", hidden),
    ] {
        let mut w = with_prompts();
        w.posts("ann", &lone("1", method, &params, ALL));
        w.forget();
        w.says("time.1", &request("\"q\"", ELICIT, ""));
        w.expect(&["0.200s to time.1 error \"q\" -32000 \"elicitation/create\" cannot be asked: a client without a session is asked in the answer to its tools/call, prompts/get or resources/read, and has none under way"]);
    }
}

#[test]
fn prompts_and_resources_can_ask_as_well_as_tools() {
    let read = json!({"uri": "file:///time"});
    for (method, mut params) in [
        ("prompts/get", json!({"name": "time__p"})),
        ("resources/read", read),
    ] {
        let mut w = with_prompts();
        w.posts("ann", &lone("1", method, &params, ALL));
        w.forget();
        w.says("time.1", &request("\"q\"", ELICIT, ""));
        w.pass(0.02);
        params["requestState"] = state(&mut w).into();
        params["inputResponses"] = json!({"q1": {}});
        w.posts("ann", &lone("2", method, &params, ALL));
        w.expect(&[r#"0.220s to time.1 answer "q" {}"#]);
    }
}

#[test]
fn a_leased_call_counts_as_an_origin_and_as_under_way() {
    let mut plan = plan(&["git"]);
    plan.servers[0].concurrent_max = 2;
    let mut w = World::new(plan);
    w.serve("git.1");
    w.pass(0.2);
    w.come("ann", View::Merged);
    calls(&mut w, "1");
    asks(&mut w, "\"q\"", ELICIT);
    w.forget();
    w.pass(0.02);
    let state = state(&mut w);
    w.connect(&["bob"]);
    w.calls("bob", "1", "git__x");
    w.calls("bob", "2", "git__x");
    w.expect_of(
        "tools/call",
        &[r#"0.220s to git.1 #4 tools/call {"name":"x"}"#],
    );
    asks(&mut w, "\"r\"", ELICIT);
    w.expect_of("2 calls", &["0.220s to git.1 error \"r\" -32000 \"elicitation/create\" cannot be asked: 2 calls are under way, or wait for their clients' answers, on this shared server; give it \"scope\": \"session\""]);
    comes_back(&mut w, "2", &state, &["q1"]);
    w.answers("git.1", 3, "{}");
    w.expect_of(
        "tools/call",
        &[r#"0.220s to git.1 #5 tools/call {"name":"x"}"#],
    );
}

#[test]
fn progress_and_logs_of_a_call_that_was_taken_up_go_to_the_new_request() {
    let mut w = World::of(&["git"]);
    w.offers.get_mut("git").expect("it is there").capabilities = r#""logging":{}"#;
    w.serve("git.1");
    w.pass(0.2);
    w.come("ann", View::Merged);
    let with = |token: &str, level: &str| json!({"name": "git__x", "_meta": {"progressToken": token, "io.modelcontextprotocol/logLevel": level}});
    w.posts("ann", &lone("1", "tools/call", &with("old", "error"), ALL));
    w.says("git.1", &request("\"q\"", ELICIT, ""));
    w.forget();
    w.pass(0.02);
    let state = state(&mut w);
    let number = w.wire_id("git.1", 4);
    let progress = notice(
        "notifications/progress",
        &format!(r#"{{"progress":1,"progressToken":{number}}}"#),
    );
    let log = notice("notifications/message", r#"{"data":"d","level":"info"}"#);
    w.says("git.1", &progress);
    w.says("git.1", &log);
    w.expect(&[]);
    let mut params = with("new", "info");
    params["requestState"] = state.into();
    w.posts("ann", &lone("2", "tools/call", &params, ALL));
    w.forget();
    w.says("git.1", &progress);
    w.says("git.1", &log);
    w.expect_of(
        "ann",
        &[
            "0.220s ann.2 opened",
            r#"0.220s ann.2 notifications/progress {"progress":1,"progressToken":"new"}"#,
            r#"0.220s ann.2 notifications/message {"data":"d","level":"info"}"#,
        ],
    );
}

#[test]
fn a_client_of_a_stream_comes_back_on_it_or_on_another() {
    let mut w = World::ready(&["git"]);
    for who in ["bob", "cid"] {
        w.opens(who);
    }
    let call = lone("1", "tools/call", &json!({"name": "git__x"}), ALL);
    w.writes("bob", &call);
    asks(&mut w, "\"q\"", ELICIT);
    w.forget();
    w.pass(0.02);
    let state = state(&mut w);
    // The stream may end meanwhile.
    w.leaves("bob.1");
    w.expect(&[]);
    let params = json!({"name": "git__x", "requestState": state, "inputResponses": {"q1": {}}});
    w.writes("cid", &lone("9", "tools/call", &params, ALL));
    w.answers("git.1", 3, "{}");
    w.expect_of(
        "cid.1",
        &[r#"0.220s cid.1 answer 9 {"resultType":"complete"}"#],
    );
}

#[test]
fn a_stream_whose_client_says_no_more_is_asked_and_then_ends() {
    let mut w = World::ready(&["git"]);
    w.opens("bob");
    w.writes(
        "bob",
        &lone("1", "tools/call", &json!({"name": "git__x"}), ALL),
    );
    asks(&mut w, "\"q\"", ELICIT);
    w.forget();
    w.adds("bob.1", FromClient::Finished);
    w.expect(&[]);
    w.pass(0.02);
    let trace = w.trace();
    assert!(trace[0].contains("input_required"), "{trace:?}");
    assert_eq!(trace[1..], ["0.220s bob.1 end"]);
}

#[test]
fn a_taken_back_retry_gives_its_call_up() {
    let mut w = World::ready(&["git"]);
    w.opens("bob");
    let call = |id: &str, more: Value| {
        let mut params = json!({"name": "git__x"});
        if let (Some(params), Value::Object(more)) = (params.as_object_mut(), more) {
            params.extend(more);
        }
        lone(id, "tools/call", &params, ALL)
    };
    w.writes("bob", &call("1", json!({})));
    asks(&mut w, "\"q\"", ELICIT);
    w.forget();
    w.pass(0.02);
    let state = state(&mut w);
    // The request that was answered cannot be taken back any more.
    w.cancels("bob", "1");
    w.expect(&[]);
    w.writes(
        "bob",
        &call(
            "2",
            json!({"requestState": state, "inputResponses": {"q1": {}}}),
        ),
    );
    w.cancels("bob", "2");
    w.expect_of(
        "git.1",
        &[
            r#"0.220s to git.1 answer "q" {}"#,
            r##"0.220s to git.1 notifications/cancelled {"requestId":"#3"}"##,
        ],
    );
}

#[test]
fn one_call_asks_so_much_and_no_more() {
    let mut w = calling();
    for number in 0..=limits::INPUT_REQUESTS_MAX {
        asks(&mut w, &number.to_string(), ELICIT);
    }
    w.expect(&["0.200s to git.1 error 32 -32000 too many questions to the client are open; try again later"]);
    w.pass(0.02);
    let asking = results(&mut w).remove(0);
    let asked = asking["inputRequests"].as_object().expect("a map").len();
    assert_eq!(asked, limits::INPUT_REQUESTS_MAX);
}

#[test]
fn a_child_has_so_many_calls_leased_and_no_more() {
    let mut w = World::ready(&["git"]);
    w.come("ann", View::Merged);
    for number in 0..limits::CHILD_LEASES_MAX {
        calls(&mut w, "1");
        asks(&mut w, "\"q\"", ELICIT);
        w.pass(0.02);
        // It is over, but its client has not come back.
        w.answers("git.1", 3 + number, "{}");
    }
    calls(&mut w, "2");
    w.forget();
    asks(&mut w, "\"q\"", ELICIT);
    w.expect_of("error", &[&format!("{} to git.1 error \"q\" -32000 too many questions to the client are open; try again later", w.now)]);
    w.pass(600.0);
    calls(&mut w, "3");
    w.forget();
    asks(&mut w, "\"q\"", ELICIT);
    w.expect(&[]);
}

#[test]
fn questions_too_large_to_be_kept_are_refused() {
    let mut w = calling();
    let large = format!(r#"{{"k":"{}"}}"#, "x".repeat(limits::LEASES_BYTES_MAX));
    w.says("git.1", &request("\"q\"", ELICIT, &large));
    w.expect(&["0.200s to git.1 error \"q\" -32000 too many questions to the client are open; try again later"]);
}

#[test]
fn the_end_of_the_gateway_ends_what_is_leased() {
    for came_back in [false, true] {
        let (mut w, state) = leased();
        if came_back {
            comes_back(&mut w, "2", &state, &[]);
        }
        w.stop();
        w.dies("git.1");
        assert!(w.finished);
        w.pass(1_000.0);
        assert!(w.hub.is_empty_handed());
    }
}

#[test]
fn an_answer_of_a_session_is_none_for_a_client_without() {
    let (mut w, _) = leased();
    w.connect(&["eve"]);
    w.posts("eve", &result("1", r#"{"stolen":1}"#));
    w.expect(&["0.220s eve.2 verdict Accepted"]);
}

#[test]
fn who_comes_back_is_asked_again_only_what_that_request_declares() {
    let mut w = calling();
    asks(&mut w, "1", ELICIT);
    w.says(
        "git.1",
        &request("2", "sampling/createMessage", r#"{"tools":[]}"#),
    );
    w.pass(0.02);
    let state = state(&mut w);
    let mut comes_back_with = |can: &str, answered: &[&str]| {
        let answers: Value = answered.iter().map(|key| (*key, json!({}))).collect();
        let params = json!({"name": "git__x", "requestState": &state, "inputResponses": answers});
        w.posts("ann", &lone("2", "tools/call", &params, can));
        w.trace()
    };
    for (can, answered, lacked) in [
        (r#"{"sampling":{"tools":{}}}"#, &[][..], "elicitation"),
        (r#"{"elicitation":{},"sampling":{}}"#, &["q1"], "tools"),
        ("{}", &["q2"], "elicitation"),
    ] {
        let told = comes_back_with(can, answered);
        let is_refused = told.len() == 1 && told[0].contains("-32021") && told[0].contains(lacked);
        assert!(is_refused, "{told:?}");
    }
    // Nothing was used up, and answers need no capability.
    let told = comes_back_with("{}", &["q1", "q2"]);
    assert_eq!(
        told,
        ["0.220s to git.1 answer 1 {}", "0.220s to git.1 answer 2 {}",]
    );
}

#[test]
fn little_is_kept_of_a_client_that_is_asked() {
    let mut w = World::ready(&["git"]);
    w.come("ann", View::Merged);
    let padding = "x".repeat(10_000);
    let can = format!(r#"{{"elicitation":{{}},"experimental":{{"x":"{padding}"}}}}"#);
    let info = json!({"io.modelcontextprotocol/clientInfo": {"name": padding, "version": "1"}});
    let params = json!({"name": "git__x", "_meta": info});
    w.posts("ann", &lone("1", "tools/call", &params, &can));
    asks(&mut w, "1", ELICIT);
    w.pass(0.02);
    let sessions = &w.hub.sessions;
    let [key] = &sessions.keys_where(|_| true)[..] else {
        panic!("the held one alone");
    };
    let kept = format!("{:?}", sessions.get(key).expect("it is there"));
    assert!(!kept.contains(&padding), "{} bytes", kept.len());
    // What it can be asked is kept.
    asks(&mut w, "2", ELICIT);
    w.forget();
    asks(&mut w, "3", "sampling/createMessage");
    let told = w.trace();
    assert!(
        told.len() == 1 && told[0].contains("to git.1 error 3"),
        "{told:?}"
    );
}

#[test]
fn a_client_that_is_away_gives_way_to_others_after_a_while() {
    let (mut w, _) = leased();
    w.come("bob", View::Merged);
    let call = json!({"name": "git__x"});
    let asked = |w: &mut World, number: usize| {
        w.posts("bob", &lone(&number.to_string(), "tools/call", &call, ALL));
        asks(w, &format!("\"b{number}\""), ELICIT);
        w.pass(0.1);
        let trace = w.trace();
        w.answers("git.1", number, r#"{"content":[]}"#);
        w.forget();
        trace.iter().any(|line| line.contains("input_required"))
    };
    assert!(!asked(&mut w, 4), "ann may be meant");
    w.pass(60.0);
    // She has had her minute, and is given up; the child may be at it still.
    assert!(!asked(&mut w, 5));
    w.pass(31.0);
    assert!(asked(&mut w, 6));
}
