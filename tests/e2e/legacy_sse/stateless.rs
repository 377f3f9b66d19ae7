//! The stateless era (2026-07-28) on the stream of HTTP+SSE: some clients speak it there, without
//! a handshake, each request saying in `_meta` who asks. The stream is one channel for all
//! answers, as stdio is (basic/transports/stdio), so what that says of subscriptions and
//! cancellation holds here. A request that can be read is taken with 202 and answered on the
//! stream, also where the answer is an error.

use serde_json::{Value, json};

use super::{attentive, client};
use crate::e2e::talk::{fault, fault_with, gateway};
use crate::harness::gateway::Gateway;
use crate::harness::honest_sse::{HonestSse, Plan};
use crate::harness::sse_machine::State;
use crate::harness::{Deadline, PATIENCE};

const SUBSCRIPTION: &str = "io.modelcontextprotocol/subscriptionId";

fn stateless(gateway: &Gateway, path: &str) -> HonestSse {
    HonestSse::open(gateway.address, path, &Plan::stateless(json!({})))
}

fn of_everything(gateway: &Gateway) -> HonestSse {
    let capabilities = json!({"sampling": {}, "elicitation": {}, "roots": {}});
    HonestSse::open(gateway.address, "/sse", &Plan::stateless(capabilities))
}

#[test]
fn a_client_without_handshake_discovers_lists_and_calls() {
    let gateway = gateway(&[fault("one")]);
    for (path, tool) in [("/sse", "one__echo"), ("/servers/one/sse", "echo")] {
        let mut client = stateless(&gateway, path);
        let id = client.ask("server/discover", json!({}));
        let found = client.result(&id);
        let versions = found["supportedVersions"].as_array().expect("a list");
        assert!(versions.contains(&json!("2026-07-28")), "{found}");
        assert!(found["capabilities"]["tools"].is_object(), "{found}");
        let id = client.ask("tools/list", json!({}));
        let tools = client.result(&id)["tools"].take();
        let tools = tools.as_array().expect("a list");
        assert!(tools.iter().any(|known| known["name"] == tool), "{tools:?}");
        assert_eq!(client.call_text(tool, json!({"text": "x"})), "x");
        assert_eq!(client.machine.state(), State::EndpointKnown);
    }
}

#[test]
fn clients_of_both_eras_with_equal_ids_get_their_own_answers() {
    let gateway = gateway(&[fault("one")]);
    let mut clients = [
        stateless(&gateway, "/sse"),
        client(&gateway, "/sse"),
        stateless(&gateway, "/sse"),
        client(&gateway, "/sse"),
    ];
    // Those with a handshake have used two ids already.
    for client in [0, 2] {
        clients[client].settle();
        clients[client].settle();
    }
    let ids: Vec<_> = (0..4)
        .map(|index| {
            let arguments = json!({"batch": 4, "text": format!("client {index}")});
            clients[index].call("one__slow_answer_out_of_order", arguments)
        })
        .collect();
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    for (index, client) in clients.iter_mut().enumerate() {
        assert_eq!(client.text(&ids[index]), format!("client {index}"));
    }
}

/// basic, "`_meta`"; basic/versioning.
#[test]
fn what_a_request_must_say_of_itself_is_asked_for() {
    let gateway = gateway(&[fault("one")]);
    let mut client = stateless(&gateway, "/sse");
    let meta = json!({"io.modelcontextprotocol/protocolVersion": "1900-01-01"});
    let id = client.ask("tools/list", json!({"_meta": meta}));
    let answer = client.answer(&id);
    assert_eq!(answer["error"]["code"], -32022, "{answer}");
    assert_eq!(answer["error"]["data"]["requested"], "1900-01-01");
    let supported = answer["error"]["data"]["supported"].as_array();
    assert!(supported.is_some_and(|all| all.contains(&json!("2026-07-28"))));

    let meta = json!({"io.modelcontextprotocol/clientCapabilities": null});
    let id = client.ask("tools/list", json!({"_meta": meta}));
    assert_eq!(client.refusal(&id).0, -32602);
    client.settle();
}

#[test]
fn what_that_era_has_no_more_is_unknown() {
    let gateway = gateway(&[fault("one")]);
    let mut client = stateless(&gateway, "/sse");
    for method in [
        "logging/setLevel",
        "resources/subscribe",
        "resources/unsubscribe",
        "no/such",
    ] {
        let id = client.ask(method, json!({"level": "debug", "uri": "fault://static"}));
        assert_eq!(client.refusal(&id).0, -32601, "{method}");
    }
    client.settle();
}

/// Where an era begins is no state: the next request may be of the other.
#[test]
fn a_probe_before_the_handshake_leaves_no_trace() {
    let gateway = gateway(&[fault("one")]);
    let mut client = super::opened(&gateway, "/sse");
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    let probe = super::request("probe", "server/discover", &json!({"_meta": meta}));
    let reply = client.post_raw("application/json", &probe.to_string());
    assert_eq!(reply.head.status, 202);
    client.machine.expect("probe");
    assert_eq!(client.result(&json!("probe"))["resultType"], "complete");
    assert_eq!(client.initialize()["protocolVersion"], "2024-11-05");
    let told = client.call_text("one__echo", json!({"text": "x"}));
    assert_eq!(told, "x", "and no resultType is asked for");
}

#[test]
fn progress_and_logs_come_for_the_request_that_asked_for_them() {
    let gateway = gateway(&[fault("one")]);
    let mut client = stateless(&gateway, "/sse");
    let mut quiet = stateless(&gateway, "/sse");
    let params = json!({
        "name": "one__progress",
        "arguments": {"steps": 3},
        "_meta": {"progressToken": 7},
    });
    let id = client.ask("tools/call", params);
    client.result(&id);
    assert_eq!(client.notices.len(), 3);
    client.notices.clear();
    let log = |meta: Value| {
        json!({
            "name": "one__log",
            "arguments": {"level": "error", "text": "x"},
            "_meta": meta,
        })
    };
    let id = client.ask("tools/call", log(json!({})));
    client.result(&id);
    assert!(client.notices.is_empty(), "it asked for none");
    let level = json!({"io.modelcontextprotocol/logLevel": "warning"});
    let id = client.ask("tools/call", log(level));
    client.result(&id);
    assert_eq!(client.notices.len(), 1);
    quiet.settle();
    assert!(quiet.notices.is_empty());
}

/// basic/patterns/subscriptions.
#[test]
fn subscriptions_are_acknowledged_and_each_frame_names_its_own() {
    let gateway = gateway(&[fault("one")]);
    let mut client = stateless(&gateway, "/sse");
    let listen = |client: &mut HonestSse, filter: Value| {
        let id = client.ask("subscriptions/listen", json!({"notifications": filter}));
        let acknowledged = client.wait_for_notice("notifications/subscriptions/acknowledged");
        assert_eq!(acknowledged["_meta"][SUBSCRIPTION], id);
        id
    };
    let tools = listen(&mut client, json!({"toolsListChanged": true}));
    let uris = json!(["fault://static"]);
    let resources = listen(&mut client, json!({"resourceSubscriptions": uris}));
    client.call_text("one__change_tools", json!({"burst": 2}));
    let changed = client.wait_for_notice("notifications/tools/list_changed");
    assert_eq!(changed["_meta"][SUBSCRIPTION], tools);
    client.call_text("one__touch", json!({"uri": "fault://static"}));
    let updated = client.wait_for_notice("notifications/resources/updated");
    assert_eq!(updated["_meta"][SUBSCRIPTION], resources);
    // Taken back, it says no more; the machine knows from the next answer on.
    client.take_back(&resources);
    client.settle();
    client.call_text("one__touch", json!({"uri": "fault://static"}));
    client.settle();
    assert!(client.notices.is_empty(), "{:?}", client.notices);
    let stopped = gateway.stop();
    assert!(stopped.status.success());
    client.hear_end();
    let ended = client.result(&tools);
    assert_eq!(ended["_meta"][SUBSCRIPTION], tools, "a graceful end");
}

/// basic/patterns/mrtr: a question of a child with a handshake becomes a result that requires
/// input, and the retry brings it.
#[test]
fn a_question_becomes_a_result_and_the_retry_its_answer() {
    let gateway = gateway(&[fault_with("one", json!({"scope": "session"})), fault("two")]);
    let mut client = of_everything(&gateway);
    for tool in ["one__ask_sampling", "two__ask_elicitation"] {
        let first = client.call(tool, json!({}));
        let asking = client.result(&first);
        assert_eq!(asking["resultType"], "input_required", "{asking}");
        let inputs = asking["inputRequests"].as_object().expect("questions");
        let told = json!({
            "role": "assistant", "model": tool, "content": {"type": "text", "text": tool},
            "action": "accept",
        });
        let responses: Value = inputs
            .keys()
            .map(|key| (key.clone(), told.clone()))
            .collect();
        let params = json!({
            "name": tool,
            "arguments": {},
            "inputResponses": responses,
            "requestState": asking["requestState"],
        });
        let retry = client.ask("tools/call", params.clone());
        let result = client.result(&retry);
        assert_eq!(result["resultType"], "complete", "{result}");
        assert_ne!(result["isError"], true, "{result}");
        // The state is used once.
        let again = client.ask("tools/call", params);
        client.refusal(&again);
    }
}

#[test]
fn who_cannot_be_asked_is_told_what_is_missing() {
    let gateway = gateway(&[fault("one")]);
    let mut client = stateless(&gateway, "/sse");
    let id = client.call("one__ask_elicitation", json!({}));
    let answer = client.answer(&id);
    // The child is refused, and may make of it what it will; or the request is.
    let refused = answer["error"]["code"] == -32021 || answer["result"]["isError"] == true;
    assert!(refused, "{answer}");
}

#[test]
fn the_end_of_the_stream_cancels_and_leaks_nothing() {
    let gateway = attentive(&[fault("one")]);
    let mut leaving = stateless(&gateway, "/sse");
    leaving.settle();
    leaving.call("one__sleep", json!({"ms": 3_600_000}));
    let filter = json!({"toolsListChanged": true});
    leaving.ask("subscriptions/listen", json!({"notifications": filter}));
    leaving.call_text("one__echo", json!({"text": "x"}));
    drop(leaving);
    let mut next = stateless(&gateway, "/sse");
    let told = Deadline::after(PATIENCE)
        .poll(|| (next.call_text("one__cancellations", json!({})) != "[]").then_some(()));
    assert!(told.is_some(), "a disconnect must cancel");
    next.call_text("one__change_tools", json!({}));
    next.settle();
    assert!(next.notices.is_empty(), "{:?}", next.notices);
}

#[test]
fn what_is_taken_back_is_not_answered() {
    let gateway = gateway(&[fault("one")]);
    let mut client = stateless(&gateway, "/sse");
    let params = json!({
        "name": "one__progress",
        "arguments": {"steps": 2, "ms": 3_600_000},
        "_meta": {"progressToken": "t"},
    });
    let id = client.ask("tools/call", params);
    client.wait_for_notice("notifications/progress");
    client.take_back(&id);
    client.settle();
    let ids = client.call_text("one__cancellations", json!({}));
    assert_ne!(ids, "[]", "the child is told");
}
