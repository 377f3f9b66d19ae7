//! Every limit that a user can set, from both of its sides: below it all goes well, past it
//! comes the answer that was promised.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use serde_json::{Value, json};

use crate::e2e::scene::{
    assert_echo, client, fault, fault_with, gateway, get, pid_of, setup, wait_for_log,
    wait_for_state,
};
use crate::harness::client::{CallError, Client, Duplex, text_of};
use crate::harness::engine::{Exemption, exempts};
use crate::harness::gateway::Gateway;
use crate::harness::http::{Frame, Http, Request};
use crate::harness::legacy_sse::SseClient;
use crate::harness::{Deadline, PATIENCE};

/// An initialized client of HTTP+SSE: it can have many calls under way on one thread.
fn sse_client(gateway: &Gateway) -> SseClient {
    let mut client = gateway.sse_client("/sse");
    client.initialize().expect("the session begins");
    client
}

/// POSTs a call and does not wait for its answer.
fn post_call(client: &mut SseClient, tool: &str, arguments: &Value) -> Value {
    let params = json!({"name": tool, "arguments": arguments, "_meta": {"progressToken": tool}});
    let request = client.book.request("tools/call", &params);
    client.poster.post(&request).expect("it is taken");
    request["id"].clone()
}

/// POSTs a call that is under way when this returns, and will not end by itself.
fn post_long_call(client: &mut SseClient, server: &str) -> Value {
    let tool = format!("{server}__progress");
    let id = post_call(client, &tool, &json!({"steps": 2, "ms": 3_600_000}));
    client
        .wait_for_notification("notifications/progress")
        .expect("it begins");
    id
}

fn cancel(client: &mut SseClient, id: &Value) {
    let params = json!({"requestId": id});
    client.notify("notifications/cancelled", params).unwrap();
}

/// Asserts that nothing comes for a while.
fn assert_silence(client: &mut SseClient) {
    client.listener.http.patience = Duration::from_millis(300);
    let nothing = client.receive_message();
    assert!(matches!(nothing, Err(CallError::Io(_))), "{nothing:?}");
    client.listener.http.patience = PATIENCE;
}

#[test]
fn an_answer_over_max_child_message_size_fails_its_call_alone() {
    let limits = json!({"max_child_message_size": "64KiB"});
    let gateway = gateway(&limits, &[fault("good", &[]), fault("bad", &[])]);
    let mut other = sse_client(&gateway);
    let long_call = post_long_call(&mut other, "bad");
    let mut client = client(&gateway, "/mcp");
    let pid = pid_of(&mut client, "bad");
    let below = client.call_text("bad__big", json!({"bytes": 60_000}));
    assert_eq!(below.unwrap().len(), 60_000);
    let error = client
        .call_tool("bad__big", json!({"bytes": 100_000}))
        .unwrap_err();
    let sentence = error.message();
    assert!(
        sentence.starts_with("the answer of server \"bad\" is 100")
            && sentence.ends_with(" bytes long, over the limit \"max_child_message_size\""),
        "{sentence}"
    );
    assert_eq!(pid_of(&mut client, "bad"), pid, "the child goes on");
    assert_echo(&mut client, "good");
    wait_for_log(&gateway, "bad: a line of 100");
    // The call of somebody else on the same child is still under way.
    cancel(&mut other, &long_call);
    assert_echo(&mut other, "bad");
}

/// Servers of the official TypeScript library write the id behind the result.
#[test]
fn an_answer_over_the_limit_fails_its_call_also_where_the_id_comes_last() {
    let limits = json!({"max_child_message_size": "64KiB"});
    let gateway = gateway(&limits, &[fault("bad", &[])]);
    let mut client = client(&gateway, "/servers/bad/mcp");
    let received = client.call_text("received", json!({})).unwrap();
    let received: Value = serde_json::from_str(&received).unwrap();
    // Numbers of calls grow by sixteen; nobody else makes any here.
    let next = received["id"].as_u64().expect("a number") + 16;
    let pad = "p".repeat(100_000);
    let line = format!(
        r#"{{"result":{{"content":[{{"type":"text","text":"{pad}"}}]}},"jsonrpc":"2.0","id":{next}}}"#
    );
    let error = client.call_tool("send", json!({"line": line})).unwrap_err();
    assert!(
        error.message().contains("\"max_child_message_size\""),
        "{}",
        error.message()
    );
}

#[test]
fn a_body_over_max_message_size_is_refused() {
    let limits = json!({"max_message_size": "4KiB"});
    let gateway = gateway(&limits, &[fault("good", &[])]);
    let mut client = client(&gateway, "/mcp");
    let text = |bytes| json!({"text": "t".repeat(bytes)});
    let told = client.call_text("good__echo", text(3_000));
    assert_eq!(told.unwrap().len(), 3_000);
    let error = client.call_tool("good__echo", text(5_000)).unwrap_err();
    assert!(
        matches!(error, CallError::Http { status: 413, .. }),
        "{error:?}"
    );
    assert_echo(&mut client, "good");
}

#[test]
fn max_concurrent_is_what_a_child_sees_at_once() {
    let two = fault_with("bad", &[], "max_concurrent", json!(2));
    let gateway = gateway(&json!({}), &[two, fault("good", &[])]);
    let mut client = sse_client(&gateway);
    let first = post_long_call(&mut client, "bad");
    post_long_call(&mut client, "bad");
    let third = post_call(&mut client, "bad__echo", &json!({"text": "third"}));
    assert_silence(&mut client);
    assert_echo(&mut client, "good");
    // A call that was taken back has no answer; its place must be free all the same.
    cancel(&mut client, &first);
    let answer = client.receive_message().unwrap();
    assert_eq!(answer["id"], third);
    assert_eq!(text_of(&answer["result"]), "third");
}

#[test]
fn calls_that_timed_out_take_no_places() {
    let mut one = fault_with("bad", &[], "max_concurrent", json!(1));
    one["timeout"] = json!("200ms");
    let gateway = gateway(&json!({}), &[one]);
    let mut client = client(&gateway, "/mcp");
    for _ in 0..3 {
        let error = client.call_tool("bad__hang", json!({})).unwrap_err();
        assert_eq!(error.code(), -32001, "{}", error.message());
    }
    assert_echo(&mut client, "bad");
}

#[test]
fn calls_past_max_queue_size_are_refused_at_once() {
    let one = fault_with("bad", &[], "max_concurrent", json!(1));
    let limits = json!({"max_queue_size": 8});
    let gateway = gateway(&limits, &[one, fault("good", &[])]);
    let mut client = sse_client(&gateway);
    let long_call = post_long_call(&mut client, "bad");
    let waiting: Vec<Value> = (0..8)
        .map(|_| post_call(&mut client, "bad__echo", &json!({"text": "w"})))
        .collect();
    let refused = post_call(&mut client, "bad__echo", &json!({}));
    let answer = client.receive_message().unwrap();
    assert_eq!(answer["id"], refused);
    assert_eq!(
        answer["error"]["message"],
        "server \"bad\" is busy: 8 calls wait for it; try again later"
    );
    assert_echo(&mut client, "good");
    cancel(&mut client, &long_call);
    for id in waiting {
        let answer = client.receive_message().unwrap();
        assert_eq!(answer["id"], id, "the queue keeps its order");
    }
}

#[test]
fn connections_past_max_connections_are_refused() {
    if exempts(Exemption::Connections) {
        return;
    }
    let limits = json!({"max_connections": 3});
    let gateway = gateway(&limits, &[fault("good", &[])]);
    let ask = Request::new("GET", "/health");
    let mut open: Vec<Http> = (0..3)
        .map(|_| Http::connect(gateway.address).unwrap())
        .collect();
    for http in &mut open {
        assert_eq!(http.request(&ask).unwrap().head.status, 200);
    }
    let mut fourth = Http::connect(gateway.address).unwrap();
    assert_eq!(fourth.read_head(false).unwrap().status, 503);
    drop(open);
    let again = Deadline::after(PATIENCE).poll(|| {
        let reply = Http::connect(gateway.address).ok()?.request(&ask).ok()?;
        (reply.head.status == 200).then_some(())
    });
    assert!(again.is_some(), "the places stay taken");
}

#[test]
fn monitors_are_answered_where_no_other_connection_is_taken() {
    if exempts(Exemption::Connections) {
        return;
    }
    let gateway = gateway(&json!({"max_connections": 3}), &[fault("good", &[])]);
    let mut held: Vec<Http> = (0..3)
        .map(|_| Http::connect(gateway.address).unwrap())
        .collect();
    let ready = Request::new("GET", "/ready");
    for http in &mut held {
        let mut status = || Some(http.request(&ready).unwrap().head.status);
        let reached = Deadline::after(PATIENCE).poll(|| status().filter(|status| *status == 200));
        assert!(reached.is_some(), "it becomes ready");
    }
    let ask = |request: &Request| {
        Http::connect(gateway.address)
            .unwrap()
            .request(request)
            .unwrap()
    };
    for path in ["/health", "/ready", "/health"] {
        let reply = ask(&Request::new("GET", path));
        assert_eq!(reply.head.status, 200, "{path}");
        // It is one request's place.
        assert_eq!(reply.head.header("connection"), Some("close"));
    }
    let reply = ask(&Request::new("POST", "/mcp").body("{}"));
    assert_eq!(reply.head.status, 503);
    assert_eq!(reply.head.header("retry-after"), Some("1"));
    assert!(
        reply.text().contains("too many connections now"),
        "{}",
        reply.text()
    );
    assert_eq!(held[0].request(&ready).unwrap().head.status, 200);
}

#[test]
fn more_connections_than_there_are_descriptors_for_are_warned_of() {
    let limits = json!({"max_connections": 5000});
    let setup = setup(&limits, &[fault("good", &[])]);
    let script = setup.folder().join("few-descriptors");
    let program = env!("CARGO_BIN_EXE_mcproxy");
    let text = format!("#!/bin/sh\nulimit -n 256\nexec '{program}' \"$@\"\n");
    std::fs::write(&script, text).unwrap();
    std::fs::set_permissions(&script, Permissions::from_mode(0o755)).unwrap();
    let gateway = setup.program(script).start();
    let line = wait_for_log(&gateway, "max_connections");
    assert!(
        line.contains("\"max_connections\" is 5000, but there is room for 109 connections only"),
        "{line}"
    );
    assert!(line.contains("of 256 descriptors"), "{line}");
}

#[test]
fn sessions_past_max_processes_get_no_child_of_their_own() {
    let own = fault_with("own", &[], "scope", json!("session"));
    let limits = json!({"max_processes": 1});
    let gateway = gateway(&limits, &[own, fault("good", &[])]);
    let mut first = client(&gateway, "/mcp");
    let mut second = client(&gateway, "/mcp");
    assert_echo(&mut first, "own");
    let error = second.call_tool("own__echo", json!({})).unwrap_err();
    assert!(
        error.message().contains("(\"max_processes\")"),
        "{}",
        error.message()
    );
    assert_echo(&mut second, "good");
    first.delete().unwrap();
    let free = Deadline::after(PATIENCE)
        .poll(|| second.call_text("own__echo", json!({"text": "free"})).ok());
    assert_eq!(free.as_deref(), Some("free"));
}

#[test]
fn open_streams_carry_a_comment_each_keepalive_interval() {
    let limits = json!({"keepalive_interval": "50ms"});
    let gateway = gateway(&limits, &[fault("good", &[])]);
    let mut client = client(&gateway, "/mcp");
    let mut listening = client.get_stream(None).unwrap();
    let mut sse = sse_client(&gateway);
    // Many intervals long, for on a busy machine a comment may be late.
    let params = json!({"name": "good__sleep", "arguments": {"ms": 2000}});
    let request = client.book.request("tools/call", &params);
    let mut answering = client.post_stream(&request).unwrap();
    assert!(
        answering.head.is_event_stream(),
        "the answer became a stream"
    );
    for http in [
        &mut listening.http,
        &mut sse.listener.http,
        &mut answering.http,
    ] {
        let comment = loop {
            match http.next_frame().unwrap().expect("it is open") {
                Frame::Comment(comment) => break comment,
                Frame::Event(event) => assert!(event.data.is_empty(), "{event:?}"),
            }
        };
        assert!(!comment.contains('\n'));
    }
    let answer = answering.next_message().unwrap().unwrap();
    assert_eq!(text_of(&answer["result"]), "slept 2000 ms");
}

#[test]
fn names_longer_than_max_tool_name_are_shortened_and_still_called() {
    let long = "a_name_that_goes_on_and_on_and_on";
    let longer = "a_name_that_goes_on_and_on_and_on_and_on";
    let flags = ["--tool", long, "--tool", longer];
    let limits = json!({"max_tool_name": 24});
    let gateway = gateway(&limits, &[fault("good", &flags)]);
    let mut client = client(&gateway, "/mcp");
    let names = client.tool_names().unwrap();
    assert!(names.iter().all(|name| name.len() <= 24), "{names:?}");
    let mut called: Vec<String> = names
        .iter()
        .filter(|name| name.starts_with("good__a_n"))
        .map(|name| client.call_text(name, json!({})).unwrap())
        .collect();
    called.sort();
    assert_eq!(
        called,
        [format!("called {long}"), format!("called {longer}")]
    );
}

#[test]
fn the_environment_sets_max_processes_over_the_file() {
    let own = fault_with("own", &[], "scope", json!("session"));
    let setup = setup(&json!({"max_processes": 5}), &[own]);
    let gateway = setup.env("TRANSPORT_MAX_PROCESSES", "1").start();
    assert_echo(&mut client(&gateway, "/mcp"), "own");
    let mut second = client(&gateway, "/mcp");
    second.call_tool("own__echo", json!({})).unwrap_err();
}

#[test]
fn answers_of_megabytes_come_through_whole() {
    let gateway = gateway(&json!({}), &[fault("good", &[])]);
    wait_for_state(&gateway, "good", "ready");
    let bytes = 8_000_000;
    let told = client(&gateway, "/mcp").call_text("good__big", json!({"bytes": bytes}));
    assert_eq!(told.unwrap().len(), bytes);
    let told = sse_client(&gateway).call_text("good__big", json!({"bytes": bytes}));
    assert_eq!(told.unwrap().len(), bytes);
    assert_eq!(get(&gateway, "/health").head.status, 200);
}
