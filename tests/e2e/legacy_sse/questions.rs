//! What comes unasked: progress, logs, changes, and what servers ask, with the answers POSTed
//! back.

use serde_json::{Value, json};

use super::client;
use crate::e2e::talk::{fault, fault_with, gateway};
use crate::harness::gateway::Gateway;
use crate::harness::honest_sse::{HonestSse, Plan};

const QUESTIONS: [(&str, &str); 3] = [
    ("ask_sampling", "sampling/createMessage"),
    ("ask_elicitation", "elicitation/create"),
    ("ask_roots", "roots/list"),
];

fn own_child(name: &str) -> Value {
    fault_with(name, json!({"scope": "session"}))
}

fn talkative(gateway: &Gateway, path: &str) -> HonestSse {
    HonestSse::connected(gateway.address, path, &Plan::of_everything())
}

/// An answer to whichever question, bearing this name.
fn told_by(name: &str) -> Value {
    json!({
        "role": "assistant", "model": name, "content": {"type": "text", "text": name},
        "action": "accept", "roots": [{"uri": format!("file:///{name}")}],
    })
}

#[test]
fn a_server_asks_on_the_stream_and_is_answered_by_a_post() {
    let gateway = gateway(&[own_child("one")]);
    let mut client = talkative(&gateway, "/servers/one/sse");
    for (tool, method) in QUESTIONS {
        let call = client.call(tool, json!({}));
        let (id, _) = client.wait_for_question(method);
        // The stream is free meanwhile.
        client.settle();
        assert_eq!(client.machine.waiting(), std::slice::from_ref(&call));
        client.reply(&id, &told_by(tool));
        assert!(client.text(&call).contains(tool), "{tool}");
    }
    client.settle();
    assert!(client.questions.is_empty());
}

#[test]
fn each_session_is_asked_by_its_own_child() {
    let gateway = gateway(&[own_child("one")]);
    let mut clients: Vec<_> = (0..3).map(|_| talkative(&gateway, "/sse")).collect();
    for (tool, method) in QUESTIONS {
        let calls: Vec<_> = clients
            .iter_mut()
            .map(|client| client.call(&format!("one__{tool}"), json!({})))
            .collect();
        // All are open before the first is answered.
        let asked: Vec<_> = clients
            .iter_mut()
            .map(|client| client.wait_for_question(method).0)
            .collect();
        for (index, client) in clients.iter_mut().enumerate().rev() {
            client.reply(&asked[index], &told_by(&format!("client {index}")));
        }
        for (index, client) in clients.iter_mut().enumerate() {
            let text = client.text(&calls[index]);
            assert!(text.contains(&format!("client {index}")), "{text}");
        }
    }
}

#[test]
fn an_answer_of_another_session_counts_for_nothing() {
    let gateway = gateway(&[own_child("one")]);
    let mut owner = talkative(&gateway, "/sse");
    let thief = talkative(&gateway, "/sse");
    let call = owner.call("one__ask_sampling", json!({}));
    let (id, _) = owner.wait_for_question("sampling/createMessage");
    let stolen = json!({"jsonrpc": "2.0", "id": id, "result": told_by("the thief")});
    let reply = thief.post_raw("application/json", &stolen.to_string());
    assert_eq!(reply.head.status, 202, "it tells nothing about others");
    owner.reply(&id, &told_by("the owner"));
    // A second answer is one to nothing.
    let late = json!({"jsonrpc": "2.0", "id": id, "result": told_by("too late")});
    owner.post_raw("application/json", &late.to_string());
    assert!(owner.text(&call).contains("the owner"));
}

#[test]
fn a_shared_child_asks_the_one_client_that_calls() {
    let gateway = gateway(&[fault("one")]);
    let mut asked = talkative(&gateway, "/sse");
    let mut other = talkative(&gateway, "/sse");
    for (tool, _) in &QUESTIONS[..2] {
        asked.reaction = Some(told_by("the caller"));
        let told = asked.call_text(&format!("one__{tool}"), json!({}));
        assert!(told.contains("the caller"), "{told}");
    }
    other.settle();
    assert!(other.questions.is_empty());
}

#[test]
fn a_client_is_not_asked_what_it_did_not_declare() {
    let gateway = gateway(&[own_child("one")]);
    let mut client = client(&gateway, "/sse");
    for (tool, _) in QUESTIONS {
        // Its machine would not let the question pass.
        let call = client.call(&format!("one__{tool}"), json!({}));
        assert_eq!(client.result(&call)["isError"], true, "{tool}");
    }
}

#[test]
fn a_question_ends_with_the_session_and_the_child_is_told() {
    let gateway = super::attentive(&[fault("one")]);
    let mut leaving = talkative(&gateway, "/sse");
    leaving.call("one__ask_elicitation", json!({}));
    leaving.wait_for_question("elicitation/create");
    drop(leaving);
    // Its call counts until the child is done with it, which is when its question is refused.
    let mut next = talkative(&gateway, "/sse");
    next.reaction = Some(told_by("the next"));
    let asked = crate::harness::Deadline::after(crate::harness::PATIENCE).poll(|| {
        let call = next.call("one__ask_elicitation", json!({}));
        let result = next.result(&call);
        (result["isError"] != true).then(|| result.to_string())
    });
    let asked = asked.expect("the child is free again");
    assert!(asked.contains("the next"), "{asked}");
}

#[test]
fn a_question_is_taken_back_with_its_child() {
    let gateway = gateway(&[own_child("one")]);
    let mut client = talkative(&gateway, "/sse");
    let asking = client.call("one__ask_sampling", json!({}));
    client.wait_for_question("sampling/createMessage");
    let crash = client.call("one__crash", json!({}));
    client.refusal(&crash);
    client.refusal(&asking);
    // The machine knows the question by its id.
    client.wait_for_notice("notifications/cancelled");
}

#[test]
fn ping_goes_both_ways() {
    let gateway = gateway(&[own_child("one")]);
    let mut client = client(&gateway, "/sse");
    client.settle();
    // A child's ping is answered by the gateway; the client need not be asked.
    let told = client.call_text("one__ask", json!({"method": "ping"}));
    assert_eq!(told, "{}");
    assert!(client.questions.is_empty());
}

#[test]
fn progress_logs_and_changes_come_on_the_stream_of_who_asked() {
    let gateway = gateway(&[fault("one")]);
    let mut clients = super::clients(&gateway, 2);
    let calls: Vec<_> = clients
        .iter_mut()
        .zip([3, 5])
        .map(|(client, steps)| {
            let params = json!({
                "name": "one__progress",
                "arguments": {"steps": steps, "ms": 5},
                "_meta": {"progressToken": "the same"},
            });
            client.ask("tools/call", params)
        })
        .collect();
    for ((client, call), steps) in clients.iter_mut().zip(&calls).zip([3, 5]) {
        assert_eq!(client.text(call), format!("done in {steps} steps"));
        let reports = client.notices.drain(..);
        let totals: Vec<_> = reports.map(|(_, params)| params["total"].clone()).collect();
        assert_eq!(totals, vec![json!(steps); steps]);
    }
    let level = clients[0].ask("logging/setLevel", json!({"level": "warning"}));
    clients[0].result(&level);
    for (level, heard) in [("info", 0), ("error", 1)] {
        clients[0].call_text("one__log", json!({"level": level, "text": level}));
        assert_eq!(clients[0].notices.len(), heard, "{level}");
    }
    clients[0].notices.clear();
    clients[1].call_text("one__change_tools", json!({"burst": 3}));
    for client in &mut clients {
        client.wait_for_notice("notifications/tools/list_changed");
        client.settle();
        assert!(client.notices.is_empty(), "{:?}", client.notices);
    }
}
