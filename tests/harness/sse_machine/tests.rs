//! The machine itself: each promise is broken once, and it says so.

use serde_json::{Value, json};

use super::{Heard, Judged, Machine, Mode, State};
use crate::harness::http::{Event, Frame, Head, Reply};

const AUTHORITY: &str = "127.0.0.1:12009";

fn event(name: &str, data: &str) -> Option<Frame> {
    Some(Frame::Event(Event {
        name: name.to_owned(),
        data: data.to_owned(),
        ..Event::default()
    }))
}

fn message(value: &Value) -> Option<Frame> {
    event("message", &value.to_string())
}

fn endpoint() -> Option<Frame> {
    event("endpoint", "/messages?session_id=0123456789abcdef")
}

fn machine(mode: Mode) -> Machine {
    let mut machine = Machine::new(mode, AUTHORITY, "/servers/one/sse", json!({"roots": {}}));
    assert_eq!(machine.hear(endpoint()), Ok(Heard::Endpoint));
    machine
}

fn initialized() -> Machine {
    let mut machine = machine(Mode::Handshake);
    machine.request("initialize", json!({}));
    let capabilities = json!({"tools": {"listChanged": true}, "prompts": {}});
    machine
        .hear(answer(
            1,
            &json!({"protocolVersion": "2024-11-05", "capabilities": capabilities, "serverInfo": {}}),
        ))
        .expect("a handshake");
    assert_eq!(machine.state(), State::Initialized);
    machine
}

fn answer(id: impl Into<Value>, result: &Value) -> Option<Frame> {
    message(&json!({"jsonrpc": "2.0", "id": id.into(), "result": result}))
}

fn notice(method: &str, params: &Value) -> Option<Frame> {
    message(&json!({"jsonrpc": "2.0", "method": method, "params": params}))
}

#[track_caller]
fn assert_broken<T: std::fmt::Debug>(judged: Judged<T>, part: &str) {
    let complaint = judged.expect_err("the promise is broken");
    assert!(complaint.contains(part), "{complaint:?} lacks {part:?}");
}

#[test]
fn the_first_event_is_an_endpoint_on_the_same_origin_that_names_a_session() {
    let hear = |frame| {
        let path = "/servers/one/sse";
        let mut machine = Machine::new(Mode::Handshake, AUTHORITY, path, json!({}));
        machine.hear(Some(Frame::Comment(String::new())))?;
        machine.hear(frame)?;
        Ok(machine.endpoint().to_owned())
    };
    let query = "session_id=0123456789abcdef";
    for (data, path) in [
        (format!("/messages?{query}"), format!("/messages?{query}")),
        (format!("m?{query}"), format!("/servers/one/m?{query}")),
        (
            format!("http://{AUTHORITY}/m?{query}"),
            format!("/m?{query}"),
        ),
    ] {
        assert_eq!(hear(event("endpoint", &data)), Ok(path));
    }
    assert_broken(
        hear(event("message", &format!("/m?{query}"))),
        "first event",
    );
    assert_broken(hear(event("endpoint", "")), "no URI");
    assert_broken(hear(event("endpoint", "/my messages?x=1")), "no URI");
    assert_broken(hear(event("endpoint", "/messages")), "names no session");
    assert_broken(
        hear(event("endpoint", "/messages?session_id=")),
        "names no session",
    );
    let foreign = format!("http://evil.example/m?{query}");
    assert_broken(hear(event("endpoint", &foreign)), "another origin");
    assert_broken(
        hear(event("endpoint", &format!("//evil/m?{query}"))),
        "another origin",
    );
}

#[test]
fn the_head_is_that_of_a_stream() {
    let good = [
        ("content-type", "text/event-stream; charset=utf-8"),
        ("cache-control", "no-cache"),
    ];
    let judge = |status, headers: &[(&str, &str)]| {
        let headers = headers.iter();
        let head = Head {
            status,
            headers: headers
                .map(|&(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
        };
        machine(Mode::Handshake).opened(&head)
    };
    assert_eq!(judge(200, &good), Ok(()));
    assert_broken(judge(404, &good), "404");
    assert_broken(
        judge(200, &[("content-type", "text/html"), good[1]]),
        "html",
    );
    assert_broken(judge(200, &good[..1]), "cache");
    let with = |header| judge(200, &[good[0], good[1], header]);
    assert_broken(with(("content-length", "10")), "length");
    assert_broken(with(("mcp-session-id", "x")), "two sessions");
}

#[test]
fn a_post_is_taken_with_202_and_its_answer_comes_on_the_stream_alone() {
    let judge = |status, body: &str| {
        let headers = Vec::new();
        let head = Head { status, headers };
        let body = body.as_bytes().to_vec();
        machine(Mode::Handshake).accepted(&Reply { head, body })
    };
    assert_eq!(judge(202, ""), Ok(()));
    assert_eq!(judge(202, "Accepted"), Ok(()));
    assert_broken(judge(200, ""), "200");
    let answer = r#"{"jsonrpc":"2.0","id":1,"result":{}}"#;
    assert_broken(judge(202, answer), "itself");
}

#[test]
fn every_event_is_one_well_formed_message() {
    let hear = |frame| initialized().hear(frame);
    assert_broken(hear(endpoint()), "called \"endpoint\"");
    assert_broken(hear(event("message", "{")), "no JSON");
    assert_broken(hear(message(&json!([1]))), "no object");
    for (bad, part) in [
        (json!({"id": 2, "result": {}}), "jsonrpc"),
        (json!({"jsonrpc": "2.0"}), "neither"),
        (
            json!({"jsonrpc": "2.0", "id": 2, "result": {}, "error": {}}),
            "either",
        ),
        (json!({"jsonrpc": "2.0", "id": 2}), "either"),
        (json!({"jsonrpc": "2.0", "id": 2, "result": 3}), "no object"),
        (
            json!({"jsonrpc": "2.0", "id": 2, "error": {"code": "x", "message": "y"}}),
            "code",
        ),
        (json!({"jsonrpc": "2.0", "id": null, "result": {}}), "an id"),
        (
            json!({"jsonrpc": "2.0", "id": 1.5, "method": "ping"}),
            "an id",
        ),
        (
            json!({"jsonrpc": "2.0", "method": "ping", "result": {}}),
            "at once",
        ),
        (
            json!({"jsonrpc": "2.0", "method": "x", "params": [1]}),
            "params",
        ),
    ] {
        assert_broken(hear(message(&bad)), part);
    }
    let named = Frame::Event(Event {
        id: Some("1-1".to_owned()),
        name: "message".to_owned(),
        data: r#"{"jsonrpc":"2.0","id":9,"method":"ping"}"#.to_owned(),
        retry: None,
    });
    assert_broken(hear(Some(named)), "has an id");
}

#[test]
fn each_request_has_one_answer_under_its_own_id() {
    let mut machine = initialized();
    machine.request("tools/list", json!({}));
    assert_broken(machine.hear(answer("2", &json!({}))), "not under way");
    assert_broken(machine.hear(answer(3, &json!({}))), "not under way");
    assert_eq!(machine.waiting(), [json!(2)]);
    assert!(machine.hear(answer(2, &json!({}))).is_ok());
    assert_broken(machine.hear(answer(2, &json!({}))), "twice");
    assert_broken(machine.hear(answer(1, &json!({}))), "twice");
}

#[test]
fn an_answer_may_cross_its_cancellation_once_and_not_what_came_after_it() {
    let mut machine = initialized();
    machine.request("tools/list", json!({}));
    machine.take_back(&json!(2));
    assert!(machine.waiting().is_empty());
    assert!(machine.hear(answer(2, &json!({}))).is_ok());
    assert_broken(machine.hear(answer(2, &json!({}))), "taken back");

    machine.request("tools/list", json!({}));
    machine.take_back(&json!(3));
    machine.request("ping", json!({}));
    assert!(machine.hear(answer(4, &json!({}))).is_ok());
    assert_broken(machine.hear(answer(3, &json!({}))), "taken back");
}

#[test]
fn nothing_comes_after_the_end() {
    let mut machine = initialized();
    machine.request("ping", json!({}));
    assert_eq!(machine.hear(None), Ok(Heard::End));
    assert_eq!(machine.state(), State::Closed);
    assert_broken(machine.hear(answer(2, &json!({}))), "after the end");
    assert_eq!(
        machine.waiting(),
        [json!(2)],
        "what was owed is still known"
    );
}

#[test]
fn before_the_handshake_nothing_but_a_ping_comes() {
    let mut machine = machine(Mode::Handshake);
    let changed = notice("notifications/tools/list_changed", &json!({}));
    assert_broken(machine.hear(changed), "before the handshake");
    let asked = json!({"jsonrpc": "2.0", "id": 1, "method": "roots/list"});
    assert_broken(machine.hear(message(&asked)), "before the handshake");
    let ping = json!({"jsonrpc": "2.0", "id": 2, "method": "ping"});
    assert!(matches!(
        machine.hear(message(&ping)),
        Ok(Heard::Question(..))
    ));
    machine.request("initialize", json!({}));
    let result = json!({"protocolVersion": "2026-07-28", "capabilities": {}, "serverInfo": {}});
    assert_broken(machine.hear(answer(1, &result)), "no initialize");
}

#[test]
fn a_question_is_one_the_client_declared_and_has_an_id_of_its_own() {
    let mut machine = initialized();
    let ask =
        |id: i64, method: &str| message(&json!({"jsonrpc": "2.0", "id": id, "method": method}));
    assert_broken(machine.hear(ask(1, "sampling/createMessage")), "declared");
    assert_broken(machine.hear(ask(1, "tools/call")), "declared");
    assert!(machine.hear(ask(1, "roots/list")).is_ok());
    assert_broken(machine.hear(ask(1, "roots/list")), "two questions");
    machine.reply(&json!(1), &json!({"roots": []}));
    let taken_back = |id: i64| notice("notifications/cancelled", &json!({"requestId": id}));
    assert!(machine.hear(taken_back(1)).is_ok(), "it crossed the answer");
    assert_broken(machine.hear(taken_back(7)), "without a reason");
}

#[test]
fn notifications_have_a_reason() {
    let mut machine = initialized();
    let changed = |list: &str| notice(&format!("notifications/{list}/list_changed"), &json!({}));
    assert!(machine.hear(changed("tools")).is_ok());
    assert_broken(machine.hear(changed("prompts")), "without a reason");
    assert_broken(
        machine.hear(notice("notifications/of_tomorrow", &json!({}))),
        "without",
    );
    let updated = || notice("notifications/resources/updated", &json!({"uri": "a:b"}));
    assert_broken(machine.hear(updated()), "without a reason");
    machine.request("resources/subscribe", json!({"uri": "a:b"}));
    assert!(machine.hear(updated()).is_ok());
    machine.request("resources/unsubscribe", json!({"uri": "a:b"}));
    assert!(machine.hear(updated()).is_ok(), "it is not yet answered");
    assert!(machine.hear(answer(3, &json!({}))).is_ok());
    assert_broken(machine.hear(updated()), "without a reason");

    let log = |level: &str| {
        notice(
            "notifications/message",
            &json!({"level": level, "data": "x"}),
        )
    };
    assert!(machine.hear(log("debug")).is_ok());
    machine.request("logging/setLevel", json!({"level": "error"}));
    assert!(machine.hear(answer(4, &json!({}))).is_ok());
    assert_broken(machine.hear(log("warning")), "asked for");
    assert!(machine.hear(log("error")).is_ok());
    assert_broken(machine.hear(log("loud")), "no level");
}

#[test]
fn progress_is_of_a_request_under_way_and_grows() {
    let mut machine = initialized();
    let step = |token: Value, progress: i64| {
        notice(
            "notifications/progress",
            &json!({"progressToken": token, "progress": progress}),
        )
    };
    machine.request("tools/call", json!({"_meta": {"progressToken": 7}}));
    assert!(machine.hear(step(json!(7), 1)).is_ok());
    assert_broken(machine.hear(step(json!("7"), 2)), "not under way");
    assert_broken(machine.hear(step(json!(7), 1)), "grow");
    assert!(machine.hear(answer(2, &json!({}))).is_ok());
    assert_broken(machine.hear(step(json!(7), 3)), "not under way");
}

#[test]
fn a_stateless_client_hears_no_question_and_only_what_its_requests_asked_for() {
    let mut machine = machine(Mode::Stateless);
    let request = machine.request("tools/list", json!({}));
    let meta = &request["params"]["_meta"];
    assert_eq!(
        meta["io.modelcontextprotocol/protocolVersion"],
        "2026-07-28"
    );
    assert!(meta["io.modelcontextprotocol/clientCapabilities"].is_object());
    assert_broken(machine.hear(answer(1, &json!({}))), "resultType");
    machine.request("tools/list", json!({}));
    let bare = json!({"resultType": "complete"});
    assert_broken(machine.hear(answer(2, &bare)), "ttlMs");
    let ping = json!({"jsonrpc": "2.0", "id": 1, "method": "ping"});
    assert_broken(machine.hear(message(&ping)), "ask nothing");
    let log = || {
        notice(
            "notifications/message",
            &json!({"level": "info", "data": 1}),
        )
    };
    assert_broken(machine.hear(log()), "asked for");
    let meta = json!({"io.modelcontextprotocol/logLevel": "info"});
    machine.request("tools/call", json!({"_meta": meta}));
    assert!(machine.hear(log()).is_ok());
    let empty = json!({"resultType": "input_required"});
    assert_broken(machine.hear(answer(3, &empty)), "requires none");
    machine.request("tools/call", json!({}));
    let input = json!({"a": {"method": "sampling/createMessage", "params": {}}});
    let asking = json!({"resultType": "input_required", "inputRequests": input});
    assert_broken(machine.hear(answer(4, &asking)), "never declared");
}

#[test]
fn a_subscription_is_acknowledged_first_and_tells_what_was_asked_for() {
    let mut machine = machine(Mode::Stateless);
    let filter = json!({"toolsListChanged": true, "resourceSubscriptions": ["a:b"]});
    machine.request("subscriptions/listen", json!({"notifications": filter}));
    let told = |id: i64, method: &str, uri: &str| {
        let meta = json!({"io.modelcontextprotocol/subscriptionId": id});
        notice(
            &format!("notifications/{method}"),
            &json!({"_meta": meta, "uri": uri}),
        )
    };
    let tools = "tools/list_changed";
    assert_broken(machine.hear(told(1, tools, "")), "acknowledgement");
    let acknowledged = "subscriptions/acknowledged";
    assert!(machine.hear(told(1, acknowledged, "")).is_ok());
    assert_broken(machine.hear(told(1, acknowledged, "")), "twice");
    assert!(machine.hear(told(1, tools, "")).is_ok());
    assert_broken(machine.hear(told(2, tools, "")), "no subscription");
    assert_broken(
        machine.hear(told(1, "prompts/list_changed", "")),
        "not asked for",
    );
    assert!(machine.hear(told(1, "resources/updated", "a:b")).is_ok());
    assert_broken(
        machine.hear(told(1, "resources/updated", "a:c")),
        "not asked for",
    );
    let ended = |id: i64| notice("notifications/cancelled", &json!({"requestId": id}));
    assert!(machine.hear(ended(1)).is_ok());
    assert_broken(machine.hear(ended(1)), "no subscription");
}

#[test]
#[should_panic(expected = "not honest")]
fn the_client_itself_asks_nothing_before_the_handshake() {
    machine(Mode::Handshake).request("tools/list", json!({}));
}

#[test]
#[should_panic(expected = "used already")]
fn the_client_itself_uses_no_id_twice() {
    let mut machine = initialized();
    machine.request_as(&json!(1), "ping", json!({}));
}
