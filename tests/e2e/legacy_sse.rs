//! HTTP+SSE, 2024-11-05 (basic/transports, "HTTP with SSE"): the endpoint event, answers on the
//! stream, and what becomes of a session whose stream is gone.

use serde_json::{Value, json};

use super::talk::{call, fault, gateway, initialize_params, refusal, request, sse_connected};
use crate::harness::client::{Client, Duplex, text_of};
use crate::harness::engine::{Exemption, exempts};
use crate::harness::gateway::{Gateway, Setup};
use crate::harness::http::{Http, Reply, Request};
use crate::harness::legacy_sse::SseClient;
use crate::harness::{Deadline, PATIENCE};

/// POSTs a message to this path, whatever the answer.
fn post(gateway: &Gateway, path: &str, body: &Value) -> Reply {
    let request = Request::new("POST", path).header("Content-Type", "application/json");
    let mut http = Http::connect(gateway.address).unwrap();
    http.request(&request.body(body.to_string())).unwrap()
}

fn ping() -> Value {
    request("p", "ping", &json!({}))
}

#[test]
fn the_endpoint_is_a_path_beside_the_stream() {
    let servers = [fault("one"), fault("two")];
    let text = json!({"servers": servers, "groups": {"both": ["one", "two"]}}).to_string();
    let gateway = Setup::with_config(text).start();
    for (stream, messages) in [
        ("/sse", "/messages?"),
        ("/servers/one/sse", "/servers/one/messages?"),
        ("/groups/both/sse", "/groups/both/messages?"),
    ] {
        let mut http = Http::connect(gateway.address).unwrap();
        let get = Request::new("GET", stream).header("Accept", "text/event-stream");
        let head = http.begin(&get).unwrap();
        assert_eq!((head.status, head.is_event_stream()), (200, true));
        let event = http.next_event().unwrap().expect("the first event");
        assert_eq!(event.name, "endpoint");
        assert!(event.data.starts_with(messages), "{}", event.data);
        let mut client = gateway.sse_client(stream);
        let agreed = client.initialize().unwrap()["protocolVersion"].take();
        assert_eq!(agreed, "2024-11-05");
        client.request("ping", json!({})).unwrap();
    }
}

#[test]
fn answers_come_as_message_events_and_a_post_says_only_that_it_was_taken() {
    let gateway = gateway(&[fault("one")]);
    let mut client = sse_connected(&gateway, "/sse");
    let reply = post(&gateway, &client.poster.endpoint, &ping());
    assert_eq!(reply.head.status, 202);
    let event = client.listener.http.next_event().unwrap().unwrap();
    assert_eq!(event.name, "message");
    let answer: Value = serde_json::from_str(&event.data).unwrap();
    assert_eq!(answer, json!({"jsonrpc": "2.0", "id": "p", "result": {}}));
    let echoed = client.call_text("one__echo", json!({"text": "over the stream"}));
    assert_eq!(echoed.unwrap(), "over the stream");
}

#[test]
fn newer_revisions_can_be_agreed_on_over_it_too() {
    let gateway = gateway(&[fault("one")]);
    for (asked, agreed) in [
        ("2025-06-18", "2025-06-18"),
        ("2025-11-25", "2025-11-25"),
        ("2026-07-28", "2025-11-25"),
    ] {
        let mut client = gateway.sse_client("/sse");
        asked.clone_into(&mut client.book.protocol_version);
        assert_eq!(client.initialize().unwrap()["protocolVersion"], agreed);
        client.call_text("one__echo", json!({"text": "x"})).unwrap();
    }
}

#[test]
fn two_clients_with_equal_ids_get_their_own_answers() {
    let gateway = gateway(&[fault("one")]);
    let mut clients = [
        sse_connected(&gateway, "/sse"),
        sse_connected(&gateway, "/sse"),
    ];
    // Both calls of a round are under way at the same time, and the second is answered first.
    for round in 0..5 {
        for (index, client) in clients.iter_mut().enumerate() {
            let text = format!("{index} of {round}");
            let arguments = json!({"batch": 2, "text": text});
            let asked = call(round, "one__slow_answer_out_of_order", &arguments);
            client.send_message(&asked).unwrap();
        }
        for (index, client) in clients.iter_mut().enumerate() {
            let answer = client.receive_message().unwrap();
            assert_eq!(answer["id"], round);
            assert_eq!(text_of(&answer["result"]), format!("{index} of {round}"));
        }
    }
}

#[test]
fn the_session_may_be_spelled_in_two_ways() {
    let gateway = gateway(&[fault("one")]);
    let mut client = gateway.sse_client("/sse");
    let (_, session) = client.poster.endpoint.split_once('=').unwrap();
    client.poster.endpoint = format!("/messages?x=1&sessionId={session}");
    client.initialize().unwrap();
    client.poster.endpoint = client.poster.endpoint.replace("sessionId", "session_id");
    client.request("ping", json!({})).unwrap();
}

#[test]
fn a_post_needs_a_session_that_is_there_and_of_this_endpoint() {
    let gateway = gateway(&[fault("one"), fault("two")]);
    let (status, _, sentence) = refusal(&post(&gateway, "/messages", &ping()));
    assert_eq!(status, 400);
    assert!(sentence.contains("session_id"), "{sentence}");
    let unknown = "/messages?session_id=0123456789abcdef";
    let (status, _, sentence) = refusal(&post(&gateway, unknown, &ping()));
    assert_eq!(status, 404);
    assert!(sentence.contains("session"), "{sentence}");

    let client = sse_connected(&gateway, "/servers/one/sse");
    let (_, query) = client.poster.endpoint.split_once('?').unwrap();
    for path in ["/messages", "/servers/two/messages"] {
        let reply = post(&gateway, &format!("{path}?{query}"), &ping());
        assert_eq!(reply.head.status, 404, "{path}");
    }
    // A session of one transport is none of the other.
    let mut streamable = gateway.client("/servers/one/mcp");
    let (_, key) = query.split_once('=').unwrap();
    streamable.session = Some(key.to_owned());
    assert_eq!(
        streamable.post(ping().to_string()).unwrap().head.status,
        404
    );
    streamable.initialize().unwrap();
    let key = streamable.session.unwrap();
    let path = format!("/servers/one/messages?session_id={key}");
    assert_eq!(post(&gateway, &path, &ping()).head.status, 404);
}

#[test]
fn the_end_of_the_stream_is_the_end_of_the_session() {
    let gateway = gateway(&[fault("one")]);
    let client = sse_connected(&gateway, "/sse");
    let endpoint = client.poster.endpoint.clone();
    drop(client);
    let gone = Deadline::after(PATIENCE)
        .poll(|| (post(&gateway, &endpoint, &ping()).head.status == 404).then_some(()));
    assert!(gone.is_some(), "the session outlives its stream");
}

#[test]
fn the_end_of_the_stream_cancels_what_was_under_way() {
    if exempts(Exemption::Disconnects) {
        return;
    }
    let gateway = gateway(&[fault("one")]);
    let mut client = sse_connected(&gateway, "/sse");
    let waiting = call(1, "one__sleep", &json!({"ms": 3_600_000}));
    client.send_message(&waiting).unwrap();
    // The answer to this one shows that the child has the other.
    client.call_text("one__echo", json!({"text": "x"})).unwrap();
    drop(client);
    let mut other = sse_connected(&gateway, "/sse");
    let cancelled = Deadline::after(PATIENCE).poll(|| {
        let told = other.call_text("one__cancellations", json!({})).unwrap();
        (told != "[]").then_some(())
    });
    assert!(cancelled.is_some(), "nobody waits for the answer any more");
}

#[test]
fn what_is_no_message_is_refused_by_the_post() {
    let gateway = gateway(&[fault("one")]);
    let mut client = sse_connected(&gateway, "/sse");
    let endpoint = client.poster.endpoint.clone();
    let raw = |kind: &str, body: &str| {
        let request = Request::new("POST", &endpoint).header("Content-Type", kind);
        let mut http = Http::connect(gateway.address).unwrap();
        http.request(&request.body(body)).unwrap()
    };
    let (status, code, _) = refusal(&raw("application/json", "{"));
    assert_eq!((status, code), (400, -32700));
    let reply = raw(
        "application/json",
        r#"{"jsonrpc":"1.0","id":1,"method":"ping"}"#,
    );
    let (status, code, _) = refusal(&reply);
    assert_eq!((status, code), (400, -32600));
    assert_eq!(raw("text/plain", &ping().to_string()).head.status, 415);
    let long = format!(r#"{{"pad":"{}"}}"#, "x".repeat(1 << 20));
    assert_eq!(raw("application/json", &long).head.status, 413);
    client
        .request("ping", json!({}))
        .expect("the session goes on");
}

#[test]
fn nothing_but_a_ping_comes_before_initialize() {
    let gateway = gateway(&[fault("one")]);
    let mut client: SseClient = gateway.sse_client("/sse");
    client
        .request("ping", json!({}))
        .expect("lifecycle, \"Initialization\"");
    let early = client.request("tools/list", json!({})).unwrap_err();
    assert_eq!(early.code(), -32600);
    assert!(early.message().contains("tools/list"), "{early:?}");
    client.initialize().unwrap();
    let params = initialize_params("2024-11-05");
    let twice = client.request("initialize", params).unwrap_err();
    assert_eq!(twice.code(), -32600);
    client.tool_names().unwrap();
}

#[test]
fn its_stream_is_kept_alive() {
    let limits = json!({"keepalive_interval": "50ms"});
    let gateway = super::talk::gateway_with_limits(&[fault("one")], &limits);
    let mut client = sse_connected(&gateway, "/sse");
    for _ in 0..2 {
        let frame = client.listener.http.next_frame().unwrap();
        let frame = frame.expect("the stream is open");
        let is_comment = matches!(frame, crate::harness::http::Frame::Comment(_));
        assert!(is_comment, "{frame:?}");
    }
}
