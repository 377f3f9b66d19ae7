//! Children that do not read, while they write or are silent: the gateway does not wait for them,
//! neither with what it sends nor with what it hears.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};

use super::{alone, assert_peak_below, gateway};
use crate::e2e::scene::{Bystander, assert_echo, client, fault, pid_of, wait_for_log, with};
use crate::harness::client::{Client, Duplex, text_of};
use crate::harness::gateway::Gateway;
use crate::harness::legacy_sse::SseClient;
use crate::harness::{Deadline, PATIENCE};

/// The payload of one message.
const PAYLOAD: usize = 64 * 1024;

/// What a child writes while it does not read.
const WRITTEN: u64 = 32 << 20;

/// Clients that can each have many calls under way.
fn sse_clients(gateway: &Gateway, count: usize) -> Vec<SseClient> {
    (0..count)
        .map(|_| {
            let mut client = gateway.sse_client("/servers/bad/sse");
            client.initialize().expect("the session begins");
            client
        })
        .collect()
}

/// Makes "bad" deaf until the file is there, and has it fill its own stdout meanwhile.
fn deafen(gateway: &Gateway) -> PathBuf {
    deafen_with(gateway, &json!({"bytes": WRITTEN}))
}

fn deafen_with(gateway: &Gateway, what: &Value) -> PathBuf {
    let until = gateway.folder().join("hear");
    let mut client = client(gateway, "/mcp");
    let mut arguments = what.clone();
    arguments["until"] = json!(until);
    let told = client.call_text("bad__deaf", arguments);
    assert_eq!(told.unwrap(), "not reading");
    until
}

/// Each client has so many calls sent that bring 64 KiB and fetch them back; their ids.
fn send_calls(clients: &mut [SseClient], calls: usize) -> Vec<Vec<Value>> {
    let text = "p".repeat(PAYLOAD);
    let params = json!({"name": "echo", "arguments": {"text": text}});
    clients
        .iter_mut()
        .map(|client| {
            (0..calls)
                .map(|_| {
                    let request = client.book.request("tools/call", &params);
                    client.poster.post(&request).expect("it is taken");
                    request["id"].clone()
                })
                .collect()
        })
        .collect()
}

/// Reads an answer for each id, and sorts the right ones from the refusals.
fn answers(client: &mut SseClient, mut ids: Vec<Value>) -> (usize, Vec<String>) {
    let (mut right, mut refused) = (0, Vec::new());
    while !ids.is_empty() {
        let message = client.receive_message().expect("each call has its answer");
        if message.get("method").is_some() {
            continue;
        }
        let place = ids.iter().position(|id| *id == message["id"]);
        ids.remove(place.expect("each is answered once"));
        match message["error"]["message"].as_str() {
            Some(sentence) => refused.push(sentence.to_owned()),
            None => {
                assert_eq!(text_of(&message["result"]).len(), PAYLOAD);
                right += 1;
            }
        }
    }
    (right, refused)
}

fn patient() -> Gateway {
    let bad = with(fault("bad", &[]), "timeout", json!("5m"));
    let limits = json!({"message_timeout": "5m"});
    gateway(&limits, &[fault("good", &[]), bad])
}

/// Two clients with messages of 64 KiB are enough to wedge a gateway that reads and writes on one
/// thread.
#[test]
fn both_pipes_full_and_all_is_answered_when_the_child_reads_again() {
    let _alone = alone();
    let gateway = patient();
    let bystander = Bystander::of(&gateway);
    let mut clients = sse_clients(&gateway, 2);
    let until = deafen(&gateway);
    let ids = send_calls(&mut clients, 60);
    // Others are served while nothing moves there.
    assert_echo(&mut client(&gateway, "/mcp"), "good");
    std::fs::write(until, "").unwrap();
    for (client, ids) in clients.iter_mut().zip(ids) {
        assert_eq!(answers(client, ids), (60, Vec::new()));
    }
    bystander.assert_unharmed();
    assert_peak_below(&gateway, 48);
}

/// The answers to what it asks have places in its queue, but never those of all calls.
#[test]
fn a_child_that_asks_and_does_not_read_still_gets_calls() {
    let _alone = alone();
    let gateway = patient();
    let mut clients = sse_clients(&gateway, 1);
    let level = json!({"level": "debug"});
    clients[0].request("logging/setLevel", level).unwrap();
    let until = deafen_with(&gateway, &json!({"requests": 5_000, "bytes": 1}));
    // When what it said last was heard, all that it asked was.
    let last = clients[0].wait_for_notification("notifications/message");
    last.expect("it says something");
    let ids = send_calls(&mut clients, 100);
    std::fs::write(until, "").unwrap();
    for (client, ids) in clients.iter_mut().zip(ids) {
        assert_eq!(answers(client, ids), (100, Vec::new()));
    }
}

#[test]
fn what_is_too_much_for_a_deaf_child_is_refused_and_the_rest_answered() {
    let _alone = alone();
    let gateway = patient();
    let bystander = Bystander::of(&gateway);
    let mut clients = sse_clients(&gateway, 8);
    let until = deafen(&gateway);
    let ids = send_calls(&mut clients, 100);
    assert_echo(&mut client(&gateway, "/mcp"), "good");
    std::fs::write(until, "").unwrap();
    let (mut right, mut refused) = (0, Vec::new());
    for (client, ids) in clients.iter_mut().zip(ids) {
        let (more, sentences) = answers(client, ids);
        right += more;
        refused.extend(sentences);
    }
    // 8 MiB wait in the queue and in the hub, and a little in the pipe.
    assert!((100..200).contains(&right), "{right} were answered");
    assert_eq!(right + refused.len(), 800);
    for sentence in refused {
        assert!(
            sentence.starts_with("server \"bad\" is busy: "),
            "{sentence}"
        );
    }
    bystander.assert_unharmed();
    assert_peak_below(&gateway, 48);
}

#[test]
fn calls_of_a_child_that_stays_deaf_time_out_one_by_one_and_it_is_replaced() {
    let _alone = alone();
    let bad = with(fault("bad", &[]), "timeout", json!("300ms"));
    let limits = json!({"message_timeout": "4s", "reconnect_delay": "50ms"});
    let gateway = gateway(&limits, &[fault("good", &[]), bad]);
    let bystander = Bystander::of(&gateway);
    let mut own = client(&gateway, "/mcp");
    let pid = pid_of(&mut own, "bad");
    let mut clients = sse_clients(&gateway, 2);
    deafen(&gateway);
    let ids = send_calls(&mut clients, 40);
    for (client, ids) in clients.iter_mut().zip(ids) {
        let (right, refused) = answers(client, ids);
        assert_eq!((right, refused.len()), (0, 40));
        for sentence in refused {
            assert!(
                sentence == "server \"bad\" has not answered this call within 0.3 s"
                    || sentence.contains("does not read its stdin"),
                "{sentence}"
            );
        }
    }
    wait_for_log(
        &gateway,
        "bad: does not read its stdin (\"message_timeout\")",
    );
    let replaced = Deadline::after(PATIENCE).poll(|| {
        let told = own.call_text("bad__whoami", json!({})).ok()?;
        let told: Value = serde_json::from_str(&told).ok()?;
        (told["pid"] != json!(pid)).then_some(())
    });
    assert!(replaced.is_some(), "it is not replaced");
    bystander.assert_unharmed();
    assert_peak_below(&gateway, 48);
}

/// Many deaf children at once: what waits for all of them together has a limit, too, and one that
/// reads gets its calls all the same.
#[test]
fn what_waits_for_all_deaf_children_together_is_bounded() {
    let _alone = alone();
    let names: Vec<String> = (0..16).map(|number| format!("deaf{number}")).collect();
    let mut servers = vec![fault("good", &[])];
    servers.extend(
        names
            .iter()
            .map(|name| with(fault(name, &[]), "timeout", json!("5m"))),
    );
    let gateway = gateway(&json!({"message_timeout": "5m"}), &servers);
    let bystander = Bystander::of(&gateway);
    let mut own = client(&gateway, "/mcp");
    let text = "p".repeat(900_000);
    let mut posting = Vec::new();
    for name in &names {
        let told = own.call_text(&format!("{name}__deaf"), json!({}));
        assert_eq!(told.unwrap(), "not reading");
        let mut client = gateway.sse_client(&format!("/servers/{name}/sse"));
        client.initialize().unwrap();
        posting.push(client);
    }
    let params = json!({"name": "echo", "arguments": {"text": text}});
    let mut refused = 0;
    for client in &mut posting {
        for _ in 0..12 {
            let request = client.book.request("tools/call", &params);
            client
                .poster
                .post(&request)
                .expect("it is taken or refused");
        }
        // Those that were refused are told so at once; the others wait.
        client.listener.http.patience = Duration::from_millis(500);
        while let Ok(answer) = client.receive_message() {
            let sentence = answer["error"]["message"].as_str().unwrap_or_default();
            assert!(sentence.contains("is busy: "), "{answer}");
            refused += 1;
        }
    }
    assert!(refused >= 100, "{refused} of 192 were refused");
    // 64 MiB, and a message for each that has little.
    assert_peak_below(&gateway, 128);
    bystander.assert_unharmed();
    assert_echo(&mut own, "good");
}
