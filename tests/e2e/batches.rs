//! Batches: arrays of messages, which every receiver of 2025-03-26 must take, and which no other
//! revision has (2025-03-26, basic, "Batching"; 2025-06-18, changelog).

use serde_json::{Value, json};

use super::talk::{
    call, connected_at, fault, gateway, initialize_params, notification, refusal, request, rest_of,
    told,
};
use crate::harness::gateway::Gateway;
use crate::harness::http::Reply;
use crate::harness::streamable::McpClient;

fn client(gateway: &Gateway) -> McpClient {
    connected_at(gateway, "/mcp", "2025-03-26")
}

fn post(client: &McpClient, batch: &Value) -> Reply {
    client.post(batch.to_string()).expect("there is an answer")
}

/// The member of an array of answers that has this id.
fn answer<'a>(answers: &'a [Value], id: &Value) -> &'a Value {
    let mut found = answers.iter().filter(|answer| answer["id"] == *id);
    let answer = found.next().expect("there is an answer");
    assert!(found.next().is_none(), "{id} has two answers");
    answer
}

#[test]
fn the_answers_to_a_batch_come_as_an_array() {
    let gateway = gateway(&[fault("one")]);
    let client = client(&gateway);
    let batch = json!([
        request(1, "ping", &json!({})),
        call("1", "one__echo", &json!({"text": "a"})),
        request(2, "tools/list", &json!({})),
        request(3, "no/such", &json!({})),
    ]);
    let reply = post(&client, &batch);
    assert_eq!(reply.head.status, 200);
    assert_eq!(reply.head.header("content-type"), Some("application/json"));
    let body = reply.json();
    let answers = body.as_array().expect("an array");
    assert_eq!(answers.len(), 4);
    assert_eq!(answer(answers, &json!(1))["result"], json!({}));
    let echoed = &answer(answers, &json!("1"))["result"];
    assert_eq!(echoed["content"][0]["text"], "a");
    assert!(answer(answers, &json!(2))["result"]["tools"].is_array());
    assert_eq!(answer(answers, &json!(3))["error"]["code"], -32601);
}

#[test]
fn a_batch_of_one_is_answered_with_an_array_of_one() {
    let gateway = gateway(&[fault("one")]);
    let reply = post(&client(&gateway), &json!([request(1, "ping", &json!({}))]));
    let one = json!([{"jsonrpc": "2.0", "id": 1, "result": {}}]);
    assert_eq!(reply.json(), one);
}

#[test]
fn requests_and_notifications_may_be_mixed() {
    let gateway = gateway(&[fault("one")]);
    let batch = json!([
        notification("notifications/initialized", &json!({})),
        request(1, "ping", &json!({})),
        notification("notifications/of_tomorrow", &json!({})),
    ]);
    let reply = post(&client(&gateway), &batch);
    assert_eq!(reply.head.status, 200);
    assert_eq!(reply.json().as_array().map(Vec::len), Some(1));
}

#[test]
fn a_bad_member_is_answered_and_spoils_no_other() {
    let gateway = gateway(&[fault("one")]);
    let batch = json!([
        {"jsonrpc": "1.0", "id": 5, "method": "ping"},
        request(6, "ping", &json!({})),
        42,
    ]);
    let reply = post(&client(&gateway), &batch);
    let body = reply.json();
    let answers = body.as_array().expect("an array");
    assert_eq!(answers.len(), 3, "{body}");
    assert_eq!(answer(answers, &json!(5))["error"]["code"], -32600);
    assert_eq!(answer(answers, &json!(6))["result"], json!({}));
    assert_eq!(answer(answers, &Value::Null)["error"]["code"], -32600);
}

#[test]
fn a_batch_that_asks_nothing_is_accepted_without_a_body() {
    let gateway = gateway(&[fault("one")]);
    let client = client(&gateway);
    let told = notification("notifications/initialized", &json!({}));
    let answered = json!({"jsonrpc": "2.0", "id": 99, "result": {}});
    for batch in [
        json!([told, told]),
        json!([answered, answered]),
        json!([told, answered]),
    ] {
        let reply = post(&client, &batch);
        assert_eq!(
            (reply.head.status, reply.text().as_str()),
            (202, ""),
            "{batch}"
        );
    }
}

#[test]
fn a_batch_that_has_something_to_tell_is_answered_with_a_stream() {
    let gateway = gateway(&[fault("one")]);
    let client = client(&gateway);
    let mut talking = call(2, "one__progress", &json!({"steps": 2}));
    talking["params"]["_meta"] = json!({"progressToken": "two"});
    let batch = json!([request(1, "ping", &json!({})), talking]);
    let mut stream = client.post_stream(&batch).unwrap();
    assert!(stream.head.is_event_stream());
    let messages = rest_of(&mut stream);
    assert_eq!(told(&messages, "notifications/progress").len(), 2);
    assert_eq!(answer(&messages, &json!(1))["result"], json!({}));
    let done = &answer(&messages, &json!(2))["result"];
    assert_eq!(done["content"][0]["text"], "done in 2 steps");
    assert_eq!(messages.len(), 4, "{messages:?}");
}

#[test]
fn an_empty_batch_is_no_request() {
    let gateway = gateway(&[fault("one")]);
    let reply = client(&gateway).post("[]").unwrap();
    let (status, code, sentence) = refusal(&reply);
    assert_eq!((status, code), (400, -32600), "JSON-RPC 2.0, section 6");
    assert!(sentence.contains("empty"), "{sentence}");
}

#[test]
fn initialize_may_not_be_part_of_a_batch() {
    let gateway = gateway(&[fault("one")]);
    let initialize = request(1, "initialize", &initialize_params("2025-03-26"));
    let (status, _, _) = refusal(&post(&gateway.client("/mcp"), &json!([initialize])));
    assert_eq!(status, 400, "2025-03-26, lifecycle, \"Initialization\"");
    let batch = json!([initialize, request(2, "ping", &json!({}))]);
    let (status, code, sentence) = refusal(&post(&client(&gateway), &batch));
    assert_eq!((status, code), (400, -32600));
    assert!(sentence.contains("initialize"), "{sentence}");
}

#[test]
fn later_revisions_refuse_batches_and_say_which() {
    let gateway = gateway(&[fault("one")]);
    for revision in ["2025-06-18", "2025-11-25"] {
        let client = connected_at(&gateway, "/mcp", revision);
        let ping = request(1, "ping", &json!({}));
        for batch in [
            json!([ping]),
            json!([notification("notifications/initialized", &json!({}))]),
        ] {
            let (status, code, sentence) = refusal(&post(&client, &batch));
            assert_eq!((status, code), (400, -32600), "{revision}");
            assert!(sentence.contains(revision), "{sentence}");
        }
        assert_eq!(post(&client, &ping).head.status, 200, "the session goes on");
    }
}
