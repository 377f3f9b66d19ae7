//! Subscriptions (2026-07-28, subscriptions).

use serde_json::{Value, json};

use super::{gateway, ready};
use crate::e2e::scene;
use crate::e2e::talk::{fault, gateway_with_limits, rest_of};
use crate::harness::client::Client;
use crate::harness::http::Frame;
use crate::harness::stateless::{META_SUBSCRIPTION, StatelessClient, request};
use crate::harness::streamable::EventStream;

/// A resource of the fault server.
const RESOURCE: &str = "fault://static";

/// Subscribes to what the filter names; what is acknowledged, and the stream behind it.
fn listen(client: &StatelessClient, id: &Value, filter: &Value) -> (Value, EventStream) {
    let params = json!({"notifications": filter});
    let mut stream = client.open(&request(id.clone(), "subscriptions/listen", params));
    assert_eq!(stream.head.status, 200);
    assert!(stream.head.is_event_stream());
    let first = next(&mut stream);
    assert_eq!(first["method"], "notifications/subscriptions/acknowledged");
    assert_eq!(&first["params"]["_meta"][META_SUBSCRIPTION], id);
    (first["params"]["notifications"].clone(), stream)
}

fn next(stream: &mut EventStream) -> Value {
    let message = stream.next_message().expect("the stream goes on");
    message.expect("the stream is open")
}

/// Makes the server add to one of its lists.
fn change(client: &mut StatelessClient, what: &str) {
    let told = client.call_text("one__change_tools", json!({"what": what}));
    told.expect("it changes");
}

#[test]
fn the_acknowledgement_says_what_can_be_told() {
    let gateway = gateway(&["one"]);
    let client = gateway.stateless_client("/mcp");
    let all = json!({"toolsListChanged": true, "promptsListChanged": true,
        "resourcesListChanged": true, "resourceSubscriptions": [RESOURCE]});
    assert_eq!(listen(&client, &json!("all"), &all).0, all);
    assert_eq!(listen(&client, &json!(1), &json!({})).0, json!({}));
    let some = json!({"toolsListChanged": false, "resourceSubscriptions": [RESOURCE]});
    let (honoured, _stream) = listen(&client, &json!(2), &some);
    assert_eq!(honoured, json!({"resourceSubscriptions": [RESOURCE]}));
    let nonsense = request(3, "subscriptions/listen", json!({}));
    let reply = client.send(&client.post(&nonsense));
    assert_eq!(super::refused(&reply), (400, -32602, json!(3)));
}

#[test]
fn each_stream_tells_what_was_asked_of_it_and_under_its_own_id() {
    let gateway = gateway(&["one"]);
    let mut client = gateway.stateless_client("/mcp");
    let (_, mut tools) = listen(&client, &json!("t"), &json!({"toolsListChanged": true}));
    let (_, mut prompts) = listen(&client, &json!(7), &json!({"promptsListChanged": true}));
    change(&mut client, "tools");
    let told = next(&mut tools);
    assert_eq!(told["method"], "notifications/tools/list_changed");
    assert_eq!(told["params"]["_meta"][META_SUBSCRIPTION], "t");
    // The first that the other stream tells is of the other list.
    change(&mut client, "prompts");
    let told = next(&mut prompts);
    assert_eq!(told["method"], "notifications/prompts/list_changed");
    assert_eq!(told["params"]["_meta"][META_SUBSCRIPTION], 7);
}

#[test]
fn updates_of_resources_are_told_to_those_who_asked() {
    let gateway = gateway(&["one"]);
    let mut client = gateway.stateless_client("/mcp");
    let filter = json!({"resourceSubscriptions": [RESOURCE]});
    let (_, mut first) = listen(&client, &json!(1), &filter);
    let (_, mut second) = listen(&client, &json!(2), &filter);
    let touched = client.call_text("one__touch", json!({"uri": RESOURCE}));
    assert_eq!(touched.unwrap(), "told");
    for (id, stream) in [(1, &mut first), (2, &mut second)] {
        let told = next(stream);
        assert_eq!(told["method"], "notifications/resources/updated");
        assert_eq!(told["params"]["uri"], RESOURCE);
        assert_eq!(told["params"]["_meta"][META_SUBSCRIPTION], id);
    }
}

#[test]
fn a_silent_stream_shows_that_it_is_alive() {
    let limits = json!({"keepalive_interval": "50ms"});
    let gateway = ready(gateway_with_limits(&[fault("one")], &limits));
    let client = gateway.stateless_client("/mcp");
    let (_, mut stream) = listen(&client, &json!(1), &json!({"toolsListChanged": true}));
    for _comment in 0..2 {
        let frame = stream.next_frame().expect("the stream goes on");
        assert!(matches!(frame, Some(Frame::Comment(_))), "{frame:?}");
    }
}

#[test]
fn the_end_of_the_gateway_is_an_answer_and_then_the_end_of_the_stream() {
    let gateway = gateway(&["one"]);
    let client = gateway.stateless_client("/mcp");
    let (_, mut stream) = listen(&client, &json!("l"), &json!({"toolsListChanged": true}));
    gateway.stop();
    let rest = rest_of(&mut stream);
    assert_eq!(rest.len(), 1, "{rest:?}");
    assert_eq!(rest[0]["id"], "l");
    assert_eq!(rest[0]["result"]["resultType"], "complete");
    assert_eq!(rest[0]["result"]["_meta"][META_SUBSCRIPTION], "l");
}

#[test]
fn a_subscription_is_no_matter_of_the_calls_beside_it() {
    let gateway = gateway(&["one"]);
    let mut client = gateway.stateless_client("/mcp");
    let (_, mut stream) = listen(&client, &json!(1), &json!({"toolsListChanged": true}));
    let mut noisy = json!({"name": "one__progress", "arguments": {"steps": 2}});
    noisy["_meta"] = json!({"progressToken": "p"});
    client.request("tools/call", noisy).expect("it is done");
    scene::assert_echo(&mut client, "one");
    change(&mut client, "tools");
    let told = next(&mut stream);
    assert_eq!(told["method"], "notifications/tools/list_changed");
}
