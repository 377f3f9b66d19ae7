//! What nobody answers: progress, cancellations, list changes and log messages, each to the
//! right session and to no other. Updates of resources are in `resources`.

use serde_json::{Value, json};

use super::talk::{
    call, cancelled, connected, fault, fault_with, gateway, rest_of, sse_connected, told,
};
use crate::harness::client::{Client, Duplex, text_of};
use crate::harness::legacy_sse::SseClient;

const PROGRESS: &str = "notifications/progress";
const LOG: &str = "notifications/message";
const TOOLS_CHANGED: &str = "notifications/tools/list_changed";

/// A call that reports each of these steps under this token.
fn talking(id: impl Into<Value>, tool: &str, arguments: &Value, token: &Value) -> Value {
    let mut call = call(id, tool, arguments);
    call["params"]["_meta"] = json!({"progressToken": token, "x": 1});
    call
}

#[test]
fn progress_goes_to_its_caller_under_the_token_it_gave() {
    let gateway = gateway(&[fault("one")]);
    let mut clients = [
        sse_connected(&gateway, "/sse"),
        sse_connected(&gateway, "/sse"),
    ];
    // Equal ids and equal tokens, both calls under way at once: only the steps differ.
    for token in [
        json!(7),
        json!("7"),
        json!(0),
        json!(""),
        json!("a\"\u{1F980}"),
    ] {
        for (client, steps) in clients.iter_mut().zip([2, 3]) {
            let arguments = json!({"steps": steps, "ms": 20});
            let request = talking("same", "one__progress", &arguments, &token);
            client.send_message(&request).unwrap();
        }
        for (client, steps) in clients.iter_mut().zip([2, 3]) {
            let messages: Vec<_> = (0..=steps)
                .map(|_| client.receive_message().unwrap())
                .collect();
            for (step, report) in told(&messages, PROGRESS).iter().enumerate() {
                assert_eq!(report["progressToken"], token, "of the same type");
                assert_eq!(report["progress"], step + 1);
                assert_eq!(report["total"], steps);
                let sentence = format!("step {} of {steps}", step + 1);
                assert_eq!(report["message"], sentence);
            }
            let answer = &messages[steps];
            assert_eq!(answer["id"], "same", "no progress after the answer");
            assert_eq!(text_of(&answer["result"]), format!("done in {steps} steps"));
        }
    }
}

#[test]
fn who_gave_no_token_hears_no_progress() {
    let gateway = gateway(&[fault("one")]);
    let mut client = sse_connected(&gateway, "/sse");
    client
        .call_text("one__progress", json!({"steps": 3}))
        .unwrap();
    assert!(client.book.heard(PROGRESS).is_empty());
}

#[test]
fn a_cancellation_reaches_the_child_and_brings_no_answer() {
    let gateway = gateway(&[fault("one")]);
    let mut client = connected(&gateway, "/mcp");
    let arguments = json!({"steps": 1, "ms": 3_600_000});
    let waiting = talking("long", "one__progress", &arguments, &json!("t"));
    let mut stream = client.post_stream(&waiting).unwrap();
    let report = stream.next_message().unwrap().unwrap();
    assert_eq!(report["method"], PROGRESS);
    client.tell(&cancelled("long")).unwrap();
    assert_eq!(
        rest_of(&mut stream),
        [json!(null); 0],
        "the stream ends without an answer"
    );
    let ids = client.call_text("one__cancellations", json!({})).unwrap();
    let ids: Vec<Value> = serde_json::from_str(&ids).unwrap();
    assert_eq!(ids.len(), 1, "under the id that the child knows: {ids:?}");
}

#[test]
fn an_answer_that_crosses_its_cancellation_is_dropped() {
    let gateway = gateway(&[fault("one")]);
    let mut client = sse_connected(&gateway, "/sse");
    let tool = "one__slow_answer_out_of_order";
    let first = call("first", tool, &json!({"batch": 2, "text": "first"}));
    client.send_message(&first).unwrap();
    client.send_message(&cancelled("first")).unwrap();
    // This child answers the call all the same, after this one.
    let second = json!({"batch": 2, "text": "second"});
    assert_eq!(client.call_text(tool, second).unwrap(), "second");
    client.call_text("one__echo", json!({"text": "x"})).unwrap();
    assert!(client.book.strays.is_empty(), "{:?}", client.book.strays);
}

#[test]
fn a_cancelled_call_is_not_answered_when_its_child_dies_either() {
    let gateway = gateway(&[fault("one")]);
    let mut client = sse_connected(&gateway, "/sse");
    let waiting = call("long", "one__sleep", &json!({"ms": 3_600_000}));
    client.send_message(&waiting).unwrap();
    client.call_text("one__echo", json!({"text": "x"})).unwrap();
    client.send_message(&cancelled("long")).unwrap();
    let crashed = client.call_tool("one__crash", json!({})).unwrap_err();
    assert!(crashed.message().contains("\"one\""), "{crashed:?}");
    client.request("ping", json!({})).unwrap();
    assert!(client.book.strays.is_empty(), "{:?}", client.book.strays);
}

#[test]
fn only_the_own_requests_can_be_cancelled() {
    let gateway = gateway(&[fault("one")]);
    let mut client = sse_connected(&gateway, "/sse");
    let mut other = sse_connected(&gateway, "/sse");
    let tool = "one__slow_answer_out_of_order";
    let waiting = call("mine", tool, &json!({"batch": 2, "text": "mine"}));
    client.send_message(&waiting).unwrap();
    for id in [
        json!("mine"),
        json!(1),
        json!("no-such"),
        json!(null),
        json!({}),
    ] {
        other.send_message(&cancelled(id)).unwrap();
    }
    let last = json!({"batch": 2, "text": "last"});
    assert_eq!(other.call_text(tool, last).unwrap(), "last");
    let answer = client.receive_message().unwrap();
    assert_eq!(
        (&answer["id"], text_of(&answer["result"])),
        (&json!("mine"), "mine")
    );
    let ids = client.call_text("one__cancellations", json!({})).unwrap();
    assert_eq!(ids, "[]");
}

#[test]
fn an_id_of_a_number_is_not_that_of_a_text() {
    let gateway = gateway(&[fault("one")]);
    let mut client = sse_connected(&gateway, "/sse");
    let tool = "one__slow_answer_out_of_order";
    client
        .send_message(&call(5, tool, &json!({"batch": 2, "text": "number"})))
        .unwrap();
    client.send_message(&cancelled("5")).unwrap();
    client
        .send_message(&call("5", tool, &json!({"batch": 2, "text": "text"})))
        .unwrap();
    let answers = [
        client.receive_message().unwrap(),
        client.receive_message().unwrap(),
    ];
    assert_eq!(
        (&answers[0]["id"], text_of(&answers[0]["result"])),
        (&json!("5"), "text")
    );
    assert_eq!(
        (&answers[1]["id"], text_of(&answers[1]["result"])),
        (&json!(5), "number")
    );
}

#[test]
fn a_burst_of_changes_is_told_once_and_the_lists_are_new() {
    let gateway = gateway(&[fault("one"), fault("two")]);
    let mut clients = [
        sse_connected(&gateway, "/sse"),
        sse_connected(&gateway, "/servers/one/sse"),
    ];
    let mut unconcerned = sse_connected(&gateway, "/servers/two/sse");
    for client in &mut clients {
        client.tool_names().unwrap();
    }
    unconcerned.tool_names().unwrap();
    clients[0]
        .call_text("one__change_tools", json!({"burst": 5}))
        .unwrap();
    for (client, prefix) in clients.iter_mut().zip(["one__", ""]) {
        client.wait_for_notification(TOOLS_CHANGED).unwrap();
        let names = client.tool_names().unwrap();
        assert!(names.contains(&format!("{prefix}added_5")), "{names:?}");
    }
    // Had the burst been told twice, it would have been before this.
    let arguments = json!({"what": "prompts", "burst": 2});
    clients[0]
        .call_text("one__change_tools", arguments)
        .unwrap();
    for (client, prefix) in clients.iter_mut().zip(["one__", ""]) {
        client
            .wait_for_notification("notifications/prompts/list_changed")
            .unwrap();
        let prompts = client.list("prompts/list", "prompts").unwrap();
        let added = format!("{prefix}added_7");
        assert!(
            prompts.iter().any(|prompt| prompt["name"] == added),
            "{prompts:?}"
        );
    }
    let arguments = json!({"what": "resources"});
    clients[0]
        .call_text("one__change_tools", arguments)
        .unwrap();
    for client in &mut clients {
        client
            .wait_for_notification("notifications/resources/list_changed")
            .unwrap();
        let resources = client.list("resources/list", "resources").unwrap();
        assert!(
            resources
                .iter()
                .any(|item| item["uri"] == "fault://added_8"),
            "{resources:?}"
        );
    }
    for client in &mut clients {
        client.request("ping", json!({})).unwrap();
        assert!(
            client.book.notifications.is_empty(),
            "{:?}",
            client.book.notifications
        );
    }
    unconcerned.request("ping", json!({})).unwrap();
    assert!(
        unconcerned.book.notifications.is_empty(),
        "it does not see that server"
    );
}

#[test]
fn a_change_that_changes_nothing_is_not_told() {
    let gateway = gateway(&[fault_with("one", json!({"tools": {"deny": ["added_*"]}}))]);
    let mut client = sse_connected(&gateway, "/sse");
    let before = client.tool_names().unwrap();
    client.call_text("one__change_tools", json!({})).unwrap();
    let arguments = json!({"what": "prompts"});
    client.call_text("one__change_tools", arguments).unwrap();
    client
        .wait_for_notification("notifications/prompts/list_changed")
        .unwrap();
    assert!(client.book.heard(TOOLS_CHANGED).is_empty());
    assert_eq!(client.tool_names().unwrap(), before);
}

fn set_level(client: &mut SseClient, level: &str) {
    let done = client.request("logging/setLevel", json!({"level": level}));
    assert_eq!(done.expect("a level"), json!({}));
}

/// What a client hears of one log message that its own call makes.
fn own_log(client: &mut SseClient, level: &str) -> Vec<Value> {
    let arguments = json!({"level": level, "text": format!("at {level}")});
    client.call_text("one__log", arguments).unwrap();
    let heard = client.book.heard(LOG).into_iter().cloned().collect();
    client.book.notifications.clear();
    heard
}

#[test]
fn each_session_hears_the_level_it_asked_for_of_its_own_calls() {
    let gateway = gateway(&[fault("one")]);
    let mut verbose = sse_connected(&gateway, "/sse");
    let mut terse = sse_connected(&gateway, "/sse");
    set_level(&mut verbose, "debug");
    set_level(&mut terse, "error");
    for (level, hears_verbose, hears_terse) in [
        ("debug", 1, 0),
        ("warning", 1, 0),
        ("error", 1, 1),
        ("emergency", 1, 1),
    ] {
        let heard = own_log(&mut verbose, level);
        assert_eq!(heard.len(), hears_verbose, "verbose at {level}");
        for message in heard {
            let params = json!({"level": level, "logger": "one", "data": format!("at {level}")});
            assert_eq!(message["params"], params);
        }
        assert_eq!(
            own_log(&mut terse, level).len(),
            hears_terse,
            "terse at {level}"
        );
        verbose.request("ping", json!({})).unwrap();
        assert!(
            verbose.book.heard(LOG).is_empty(),
            "it was not its own call"
        );
    }
    set_level(&mut verbose, "alert");
    assert_eq!(
        own_log(&mut verbose, "error").len(),
        0,
        "the level can be raised"
    );
}

/// The level that the child was told.
fn level_of_child(client: &mut SseClient) -> Value {
    let text = client.call_text("one__whoami", json!({})).unwrap();
    serde_json::from_str::<Value>(&text).unwrap()["log_level"].take()
}

#[test]
fn the_child_gets_the_most_verbose_level_that_is_asked_for() {
    let gateway = gateway(&[fault("one")]);
    let mut first = sse_connected(&gateway, "/sse");
    let mut second = connected(&gateway, "/mcp");
    set_level(&mut first, "error");
    assert_eq!(level_of_child(&mut first), "error");
    second
        .request("logging/setLevel", json!({"level": "info"}))
        .unwrap();
    assert_eq!(level_of_child(&mut first), "info");
    set_level(&mut first, "critical");
    assert_eq!(level_of_child(&mut first), "info");
    second.delete().unwrap();
    assert_eq!(
        level_of_child(&mut first),
        "critical",
        "who left counts no more"
    );
}

#[test]
fn a_log_of_no_call_goes_to_those_who_asked_for_its_level() {
    let gateway = gateway(&[fault("one")]);
    let mut caller = sse_connected(&gateway, "/sse");
    let mut verbose = sse_connected(&gateway, "/sse");
    let mut terse = sse_connected(&gateway, "/sse");
    set_level(&mut verbose, "debug");
    set_level(&mut terse, "error");
    for level in ["info", "critical"] {
        let params = json!({"level": level, "data": level});
        let arguments = json!({"ms": 50, "method": LOG, "params": params});
        caller.call_text("one__later", arguments).unwrap();
        let message = verbose.wait_for_notification(LOG).unwrap();
        assert_eq!(message["params"]["data"], level);
    }
    // The first that the terse one hears is the second.
    let message = terse.wait_for_notification(LOG).unwrap();
    assert_eq!(message["params"]["data"], "critical");
    caller.request("ping", json!({})).unwrap();
    assert!(caller.book.heard(LOG).is_empty(), "it asked for no level");
}

#[test]
fn progress_counts_the_time_of_a_call_anew() {
    let gateway = gateway(&[fault_with("one", json!({"timeout": "1s"}))]);
    let mut client = sse_connected(&gateway, "/sse");
    let arguments = json!({"steps": 6, "ms": 300});
    let request = talking(1, "one__progress", &arguments, &json!(1));
    let answer = client.exchange(&request).unwrap();
    assert_eq!(text_of(&answer["result"]), "done in 6 steps");
    let silent = client.call_tool("one__hang", json!({})).unwrap_err();
    assert!(silent.message().contains("\"one\""), "{silent:?}");
    let ids = client.call_text("one__cancellations", json!({})).unwrap();
    assert_ne!(ids, "[]", "the child is told that nobody waits any more");
}
