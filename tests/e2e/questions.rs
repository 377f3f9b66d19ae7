//! What servers ask of clients: sampling, elicitation and roots, of the client of a child of its
//! own, or on a shared child of the one client it can only be; and ping, both ways.

use serde_json::{Value, json};

use super::talk::{call, connected, fault, fault_with, gateway, request, sse_connected};
use crate::harness::client::{Client, Duplex};
use crate::harness::gateway::Gateway;
use crate::harness::http::Http;
use crate::harness::legacy_sse::SseClient;
use crate::harness::streamable::McpClient;

fn own_child(name: &str) -> Value {
    fault_with(name, json!({"scope": "session"}))
}

/// What a client answers to `sampling/createMessage`.
fn sampled(text: &str) -> Value {
    json!({"role": "assistant", "model": "m", "content": {"type": "text", "text": text}})
}

/// Lets a client answer every question of a server, each answer bearing this name.
fn answer_as(client: &mut impl Client, name: &'static str) {
    let book = client.book();
    book.capabilities = json!({"sampling": {}, "elicitation": {}, "roots": {"listChanged": true}});
    book.react("sampling/createMessage", move |_| Ok(sampled(name)));
    book.react("elicitation/create", move |_| {
        Ok(json!({"action": "accept", "content": {"answer": name}}))
    });
    book.react("roots/list", move |_| {
        Ok(json!({"roots": [{"uri": format!("file:///{name}")}]}))
    });
}

fn streamable(gateway: &Gateway, name: &'static str) -> McpClient {
    let mut client = gateway.client("/mcp");
    answer_as(&mut client, name);
    client.initialize().expect("the handshake succeeds");
    client.tool_names().expect("a first list");
    client
}

fn sse(gateway: &Gateway, name: &'static str) -> SseClient {
    let mut client = gateway.sse_client("/sse");
    answer_as(&mut client, name);
    client.initialize().expect("the handshake succeeds");
    client.tool_names().expect("a first list");
    client
}

const QUESTIONS: [&str; 3] = [
    "one__ask_sampling",
    "one__ask_elicitation",
    "one__ask_roots",
];

#[test]
fn a_child_of_a_session_asks_its_client() {
    let gateway = gateway(&[own_child("one")]);
    let mut ada = streamable(&gateway, "ada");
    let mut alan = sse(&gateway, "alan");
    for tool in QUESTIONS {
        let answer = ada.call_text(tool, json!({})).unwrap();
        assert!(answer.contains("ada"), "{tool}: {answer}");
        let answer = alan.call_text(tool, json!({})).unwrap();
        assert!(answer.contains("alan"), "{tool}: {answer}");
    }
    assert_eq!((ada.book.requests.len(), alan.book.requests.len()), (3, 3));
}

#[test]
fn children_of_two_sessions_ask_at_the_same_time() {
    let gateway = gateway(&[own_child("one")]);
    let mut clients = [sse(&gateway, "ada"), sse(&gateway, "alan")];
    for client in &mut clients {
        let asking = call("same", "one__ask_sampling", &json!({}));
        client.send_message(&asking).unwrap();
    }
    // Both questions are open before the first is answered.
    let questions = clients
        .each_mut()
        .map(|client| client.receive_message().unwrap());
    for ((client, question), name) in clients.iter_mut().zip(&questions).zip(["ada", "alan"]) {
        assert_eq!(question["method"], "sampling/createMessage");
        let answer = json!({"jsonrpc": "2.0", "id": question["id"], "result": sampled(name)});
        client.send_message(&answer).unwrap();
    }
    for (client, name) in clients.iter_mut().zip(["ada", "alan"]) {
        let answer = client.receive_message().unwrap();
        assert_eq!(answer["id"], "same");
        assert!(answer.to_string().contains(name), "{answer}");
    }
}

#[test]
fn a_child_of_a_session_hears_what_its_client_declares_and_a_shared_one_no_roots() {
    let gateway = gateway(&[own_child("one"), fault("two")]);
    let mut client = streamable(&gateway, "ada");
    let told = |client: &mut McpClient, tool: &str| {
        let me = client.call_text(tool, json!({})).unwrap();
        let me: Value = serde_json::from_str(&me).unwrap();
        me["initialize"]["capabilities"].clone()
    };
    let own = told(&mut client, "one__whoami");
    assert_eq!(own, client.book.capabilities);
    let shared = told(&mut client, "two__whoami");
    assert!(shared["sampling"].is_object() && shared["elicitation"].is_object());
    assert!(
        shared.get("roots").is_none() && shared.get("tasks").is_none(),
        "{shared}"
    );
}

#[test]
fn a_shared_child_asks_the_one_client_it_can_be() {
    let gateway = gateway(&[fault("one"), fault("two")]);
    let mut ada = streamable(&gateway, "ada");
    let mut alan = sse(&gateway, "alan");
    // A call on another server does not count.
    let elsewhere = call("e", "two__sleep", &json!({"ms": 3_600_000}));
    alan.send_message(&elsewhere).unwrap();
    alan.call_text("two__echo", json!({"text": "x"})).unwrap();
    for tool in &QUESTIONS[..2] {
        let answer = ada.call_text(tool, json!({})).unwrap();
        assert!(answer.contains("ada"), "{tool}: {answer}");
    }
    assert!(alan.book.requests.is_empty());
}

#[test]
fn a_shared_child_cannot_ask_while_two_clients_have_calls_there() {
    let gateway = gateway(&[fault("one")]);
    let mut ada = streamable(&gateway, "ada");
    let mut alan = sse(&gateway, "alan");
    let waiting = call("w", "one__sleep", &json!({"ms": 3_600_000}));
    alan.send_message(&waiting).unwrap();
    alan.call_text("one__echo", json!({"text": "x"})).unwrap();
    for tool in &QUESTIONS[..2] {
        let refused = ada.call_tool(tool, json!({})).unwrap();
        assert_eq!(refused["isError"], true, "{tool}");
        let text = refused["content"][0]["text"].as_str().unwrap();
        assert!(text.contains("2 calls") && text.contains("scope"), "{text}");
    }
    assert!(ada.book.requests.is_empty() && alan.book.requests.is_empty());
    // Cancelled and answered by nobody: what the child does may still be because of it.
    alan.send_message(&super::talk::cancelled("w")).unwrap();
    alan.call_text("one__echo", json!({"text": "x"})).unwrap();
    let refused = ada.call_tool("one__ask_sampling", json!({})).unwrap();
    assert_eq!(
        refused["isError"], true,
        "a call that was cancelled still counts"
    );
    drop(alan);
}

#[test]
fn a_shared_child_never_learns_of_roots() {
    let gateway = gateway(&[fault("one")]);
    let mut client = streamable(&gateway, "ada");
    let refused = client.call_tool("one__ask_roots", json!({})).unwrap();
    assert_eq!(refused["isError"], true);
    assert!(refused.to_string().contains("-32601"), "{refused}");
    assert!(client.book.requests.is_empty());
}

#[test]
fn a_client_is_not_asked_what_it_did_not_declare() {
    let gateway = gateway(&[own_child("one"), fault("two")]);
    let mut client = connected(&gateway, "/mcp");
    for tool in [
        QUESTIONS[0],
        QUESTIONS[1],
        QUESTIONS[2],
        "two__ask_sampling",
    ] {
        let refused = client.call_tool(tool, json!({})).unwrap();
        assert_eq!(refused["isError"], true, "{tool}");
        assert!(
            refused.to_string().contains("does not support"),
            "{refused}"
        );
    }
    assert!(client.book.requests.is_empty());
}

#[test]
fn the_error_of_a_client_reaches_the_server() {
    let gateway = gateway(&[own_child("one")]);
    let mut client = streamable(&gateway, "ada");
    client.book.react("sampling/createMessage", |_| {
        Err(json!({"code": -1, "message": "the user said no", "data": {"why": 1}}))
    });
    let refused = client.call_tool("one__ask_sampling", json!({})).unwrap();
    let error: Value =
        serde_json::from_str(refused["content"][0]["text"].as_str().unwrap()).unwrap();
    let whole = json!({"code": -1, "message": "the user said no", "data": {"why": 1}});
    assert_eq!(error, whole);
}

#[test]
fn nobody_else_can_answer_a_question() {
    let gateway = gateway(&[own_child("one"), fault("two")]);
    let mut ada = sse(&gateway, "ada");
    let thief = connected(&gateway, "/mcp");
    let asking = call("q", "one__ask_sampling", &json!({}));
    ada.send_message(&asking).unwrap();
    let question = ada.receive_message().unwrap();
    let answer =
        |name: &str| json!({"jsonrpc": "2.0", "id": question["id"], "result": sampled(name)});
    let reply = thief.post(answer("thief").to_string()).unwrap();
    assert_eq!(
        reply.head.status, 202,
        "it tells nothing about other sessions"
    );
    ada.send_message(&answer("ada")).unwrap();
    ada.send_message(&answer("twice")).unwrap();
    let told = ada.receive_message().unwrap().to_string();
    assert!(told.contains("ada") && !told.contains("thief"), "{told}");
}

#[test]
fn a_question_of_a_post_comes_on_its_stream_and_not_on_the_get_stream() {
    let gateway = gateway(&[own_child("one")]);
    let mut client = streamable(&gateway, "ada");
    let mut listening = client.get_stream(None).unwrap();
    let answer = client.call_text("one__ask_elicitation", json!({})).unwrap();
    assert!(answer.contains("ada"), "{answer}");
    client.delete().unwrap();
    assert_eq!(super::talk::rest_of(&mut listening), [json!(null); 0]);
}

#[test]
fn a_call_may_take_longer_while_its_client_is_being_asked() {
    let gateway = gateway(&[fault_with("one", json!({"timeout": "500ms"}))]);
    let mut client = streamable(&gateway, "ada");
    client.book.react("elicitation/create", |_| {
        // A person thinks; the call's time stands still.
        std::thread::sleep(std::time::Duration::from_millis(1200));
        Ok(json!({"action": "decline"}))
    });
    let answer = client.call_text("one__ask_elicitation", json!({})).unwrap();
    assert!(answer.contains("decline"), "{answer}");
}

#[test]
fn a_question_is_taken_back_when_its_child_dies() {
    let gateway = gateway(&[own_child("one")]);
    let mut client = sse(&gateway, "ada");
    client
        .send_message(&call("q", "one__ask_sampling", &json!({})))
        .unwrap();
    let question = client.receive_message().unwrap();
    client
        .send_message(&call("c", "one__crash", &json!({})))
        .unwrap();
    let messages: Vec<_> = (0..3).map(|_| client.receive_message().unwrap()).collect();
    let taken_back = super::talk::told(&messages, "notifications/cancelled");
    assert_eq!(taken_back.len(), 1, "{messages:?}");
    assert_eq!(taken_back[0]["requestId"], question["id"]);
    for id in ["q", "c"] {
        let answer = messages.iter().find(|message| message["id"] == id);
        assert!(
            answer.is_some_and(|answer| answer["error"].is_object()),
            "{messages:?}"
        );
    }
}

#[test]
fn roots_that_changed_are_told_to_the_own_child() {
    let gateway = gateway(&[own_child("one")]);
    let mut client = streamable(&gateway, "ada");
    client.call_text("one__ask_roots", json!({})).unwrap();
    client.book.react("roots/list", |_| {
        Ok(json!({"roots": [{"uri": "file:///new"}]}))
    });
    client
        .notify("notifications/roots/list_changed", json!({}))
        .unwrap();
    let answer = client.call_text("one__ask_roots", json!({})).unwrap();
    assert!(
        answer.contains("file:///new"),
        "nothing is remembered: {answer}"
    );
}

#[test]
fn both_sides_are_answered_a_ping_by_the_gateway_itself() {
    let gateway = gateway(&[fault("one")]);
    let mut client = sse_connected(&gateway, "/sse");
    assert_eq!(client.request("ping", json!({})).unwrap(), json!({}));
    assert_eq!(
        client
            .call_text("one__ask", json!({"method": "ping"}))
            .unwrap(),
        "{}"
    );
    assert!(client.book.requests.is_empty(), "the client was not asked");
    let unknown = client
        .call_tool("one__ask", json!({"method": "no/such"}))
        .unwrap();
    assert!(unknown.to_string().contains("-32601"), "{unknown}");

    // The ping of a client needs no server, and not even a session that is initialized.
    let mut streamable = gateway.client("/mcp");
    streamable.initialize().unwrap();
    let mut http = Http::connect(gateway.address).unwrap();
    let ping = request("p", "ping", &json!({}));
    let reply = http
        .request(&streamable.http_post(ping.to_string()))
        .unwrap();
    assert_eq!(reply.text(), r#"{"jsonrpc":"2.0","id":"p","result":{}}"#);
}
