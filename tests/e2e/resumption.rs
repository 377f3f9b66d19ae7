//! Streams of Streamable HTTP that broke: GET with Last-Event-ID brings what came after that
//! event, on that stream, once (basic/transports, "Resumability and Redelivery").

use serde_json::{Value, json};

use super::talk::{
    call, connected, connected_at, fault, gateway, gateway_with_limits, refusal, rest_of,
    sse_connected, told,
};
use crate::harness::client::{Client, Duplex};
use crate::harness::gateway::Gateway;
use crate::harness::http::{Event, Http};
use crate::harness::streamable::{EventStream, McpClient};

const HELD_BACK: &str = "one__slow_answer_out_of_order";

/// A gateway that turns the answer to a POST into a stream soon, so that there is an event to
/// resume from while the call is still under way.
fn impatient() -> Gateway {
    gateway_with_limits(&[fault("one")], &json!({"keepalive_interval": "50ms"}))
}

/// A call whose answer is held back until `let_go`, its stream, and the id of its first event.
fn held_back(client: &McpClient, text: &str) -> (EventStream, String) {
    let waiting = call(text, HELD_BACK, &json!({"batch": 2, "text": text}));
    let mut stream = client.post_stream(&waiting).unwrap();
    let prime = stream.next_event().unwrap().expect("a priming event");
    assert_eq!(prime.data, "");
    (stream, prime.id.expect("an id to resume from"))
}

/// Lets the child answer what was held back, and sees to it that the gateway has that answer.
fn let_go(client: &McpClient) {
    let mut sibling = client.sibling();
    let last = json!({"batch": 2, "text": "last"});
    sibling.call_tool(HELD_BACK, last).unwrap();
    // The child writes this answer after the one that was held back.
    sibling
        .call_text("one__echo", json!({"text": "x"}))
        .unwrap();
}

fn assert_is_the_answer(messages: &[Value], text: &str) {
    assert_eq!(messages.len(), 1, "{messages:?}");
    assert_eq!(messages[0]["id"], text);
    assert_eq!(messages[0]["result"]["content"][0]["text"], text);
}

#[test]
fn a_call_whose_connection_broke_is_resumed_in_its_midst() {
    let gateway = impatient();
    let client = connected(&gateway, "/mcp");
    let (broken, last) = held_back(&client, "held");
    drop(broken);
    let mut resumed = client.get_stream(Some(&last)).unwrap();
    assert!(resumed.head.is_event_stream());
    let mut sibling = client.sibling();
    let cancelled = sibling.call_text("one__cancellations", json!({}));
    assert_eq!(cancelled.unwrap(), "[]", "a disconnect is no cancellation");
    let_go(&client);
    assert_is_the_answer(&rest_of(&mut resumed), "held");
}

#[test]
fn a_call_that_ended_meanwhile_is_resumed_to_its_answer() {
    let gateway = impatient();
    let client = connected(&gateway, "/mcp");
    let (broken, last) = held_back(&client, "held");
    drop(broken);
    let_go(&client);
    let mut resumed = client.get_stream(Some(&last)).unwrap();
    assert_is_the_answer(&rest_of(&mut resumed), "held");
}

#[test]
fn a_stream_that_is_resumed_while_it_is_open_ends_where_it_was() {
    let gateway = impatient();
    let client = connected(&gateway, "/mcp");
    let (mut first, last) = held_back(&client, "held");
    let mut resumed = client.get_stream(Some(&last)).unwrap();
    assert_eq!(
        rest_of(&mut first),
        [json!(null); 0],
        "no message on two streams"
    );
    let_go(&client);
    assert_is_the_answer(&rest_of(&mut resumed), "held");
}

/// Reads events up to one that carries a message.
fn next_full_event(stream: &mut EventStream) -> Option<Event> {
    loop {
        let event = stream.next_event().unwrap()?;
        if !event.data.is_empty() {
            return Some(event);
        }
    }
}

#[test]
fn each_event_comes_once_however_often_the_stream_breaks() {
    let gateway = gateway(&[fault("one")]);
    for revision in ["2025-03-26", "2025-06-18", "2025-11-25"] {
        let client = connected_at(&gateway, "/mcp", revision);
        let mut talking = call(1, "one__progress", &json!({"steps": 5, "ms": 20}));
        talking["params"]["_meta"] = json!({"progressToken": "t"});
        let mut stream = client.post_stream(&talking).unwrap();
        let mut messages = Vec::new();
        // Each connection brings one event, then breaks.
        while let Some(event) = next_full_event(&mut stream) {
            messages.push(serde_json::from_str::<Value>(&event.data).unwrap());
            assert!(messages.len() <= 6, "an event came twice: {messages:?}");
            let last = event.id.expect("every event has an id");
            stream = client.get_stream(Some(&last)).unwrap();
        }
        let steps = told(&messages, "notifications/progress");
        let steps: Vec<_> = steps.iter().map(|step| &step["progress"]).collect();
        assert_eq!(steps, [1, 2, 3, 4, 5], "at {revision}");
        assert_eq!(messages.len(), 6, "{messages:?}");
        assert_eq!(messages[5]["id"], 1);
    }
}

#[test]
fn a_get_stream_is_resumed_with_what_came_meanwhile() {
    let gateway = gateway(&[fault("one")]);
    let mut client = connected(&gateway, "/mcp");
    let mut witness = sse_connected(&gateway, "/sse");
    let mut change = |client: &mut McpClient, what: &str| {
        let arguments = json!({"what": what});
        client.call_tool("one__change_tools", arguments).unwrap();
        let method = format!("notifications/{what}/list_changed");
        witness.wait_for_notification(&method).unwrap();
        method
    };
    let mut stream = client.get_stream(None).unwrap();
    stream.next_event().unwrap().expect("a priming event");
    let first = change(&mut client, "tools");
    let event = next_full_event(&mut stream).unwrap();
    assert!(event.data.contains(&first));
    drop(stream);
    let second = change(&mut client, "prompts");
    let mut resumed = client.get_stream(event.id.as_deref()).unwrap();
    let message = resumed.next_message().unwrap().unwrap();
    assert_eq!(message["method"], second);
    let third = change(&mut client, "resources");
    let message = resumed.next_message().unwrap().unwrap();
    assert_eq!(message["method"], third, "the stream goes on");
    client.delete().unwrap();
    assert_eq!(
        rest_of(&mut resumed),
        [json!(null); 0],
        "nothing came twice"
    );
}

#[test]
fn a_stream_brings_nothing_of_another_one() {
    let gateway = impatient();
    let client = connected(&gateway, "/mcp");
    let (broken, _) = held_back(&client, "held");
    drop(broken);
    let listening = client.get_stream(None).unwrap().next_event().unwrap();
    let listening = listening.expect("a priming event").id.unwrap();
    let_go(&client);
    // The answer that was held back belongs to the POST's stream, and to it alone.
    let mut resumed = client.get_stream(Some(&listening)).unwrap();
    let mut sibling = client.sibling();
    sibling.call_tool("one__change_tools", json!({})).unwrap();
    let message = resumed.next_message().unwrap().unwrap();
    assert_eq!(message["method"], "notifications/tools/list_changed");
}

#[test]
fn another_session_cannot_resume_a_stream() {
    let gateway = impatient();
    let client = connected(&gateway, "/mcp");
    let (broken, last) = held_back(&client, "secret");
    drop(broken);
    let_go(&client);
    let thief = connected(&gateway, "/mcp");
    let stolen = thief.get_stream(Some(&last)).unwrap();
    assert_eq!(stolen.head.status, 400);
    let mut resumed = client.get_stream(Some(&last)).unwrap();
    assert_is_the_answer(&rest_of(&mut resumed), "secret");
}

#[test]
fn an_event_nobody_gave_is_refused() {
    let gateway = gateway(&[fault("one")]);
    let client = connected(&gateway, "/mcp");
    for id in [
        "99999-1",
        "nonsense",
        "-1",
        "1-1-1",
        "18446744073709551616-0",
    ] {
        let request = client.http_request("GET");
        let request = request.header("Accept", "text/event-stream");
        let request = request.header("Last-Event-ID", id);
        let reply = Http::connect(gateway.address).unwrap().request(&request);
        let (status, _, sentence) = refusal(&reply.unwrap());
        assert_eq!(status, 400, "{id}");
        assert!(sentence.contains("Last-Event-ID"), "{sentence}");
    }
}
