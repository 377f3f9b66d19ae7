//! How a session ends: the client leaves, stops reading, or takes a request back; the child
//! crashes; the gateway stops.

use serde_json::{Value, json};

use super::{attentive, client, ping};
use crate::e2e::talk::{fault, fault_with, refusal};
use crate::harness::client::text_of;
use crate::harness::engine::{Exemption, exempts};
use crate::harness::gateway::Gateway;
use crate::harness::honest_sse::{HonestSse, Plan, post};
use crate::harness::http::{Http, Request};
use crate::harness::{Deadline, PATIENCE};

/// A call that is certainly under way: its server has reported a first step, and reports no
/// second one in the time of a test.
fn call_under_way(client: &mut HonestSse, tool: &str) -> Value {
    let params = json!({
        "name": tool,
        "arguments": {"steps": 2, "ms": 3_600_000},
        "_meta": {"progressToken": "under way"},
    });
    let id = client.ask("tools/call", params);
    client.wait_for_notice("notifications/progress");
    id
}

fn status_of_ping(gateway: &Gateway, path: &str) -> u16 {
    let request = Request::new("POST", path).header("Content-Type", "application/json");
    let reply = post(gateway.address, &request.body(ping("p").to_string()));
    reply.head.status
}

/// Waits until nobody answers at this path any more.
#[track_caller]
fn assert_ends(gateway: &Gateway, path: &str) {
    let ended =
        Deadline::after(PATIENCE).poll(|| (status_of_ping(gateway, path) == 404).then_some(()));
    assert!(ended.is_some(), "the session outlives its stream");
}

/// Waits until the server has been told of so many cancellations.
#[track_caller]
fn assert_child_is_told(client: &mut HonestSse, count: usize) {
    let told = Deadline::after(PATIENCE).poll(|| {
        let ids = client.call_text("one__cancellations", json!({}));
        let ids: Vec<Value> = serde_json::from_str(&ids).expect("a list");
        (ids.len() == count).then_some(())
    });
    assert!(told.is_some(), "the child is not told");
}

#[test]
fn a_stream_that_drops_in_mid_call_ends_all_and_leaks_nothing() {
    let gateway = attentive(&[fault("one")]);
    let mut client = HonestSse::connected(gateway.address, "/sse", &super::plain());
    let id = client.ask("resources/subscribe", json!({"uri": "fault://static"}));
    client.result(&id);
    let id = client.ask("logging/setLevel", json!({"level": "debug"}));
    client.result(&id);
    call_under_way(&mut client, "one__progress");
    client.call("one__sleep", json!({"ms": 3_600_000}));
    // This one is answered by the child all the same, when another of its kind comes.
    let held = json!({"batch": 2, "text": "of the first session"});
    client.call("one__slow_answer_out_of_order", held);
    let path = client.leave();
    assert_ends(&gateway, &path);

    let mut next = super::client(&gateway, "/sse");
    assert_ne!(
        next.machine.endpoint(),
        path,
        "a new stream is a new session"
    );
    assert_child_is_told(&mut next, 3);
    // What the first session's calls and subscriptions still cause finds nobody: the machine of
    // the second would not let it pass.
    let own = json!({"batch": 2, "text": "of the second session"});
    let told = next.call_text("one__slow_answer_out_of_order", own);
    assert_eq!(told, "of the second session");
    let touched = next.call_text("one__touch", json!({"uri": "fault://static"}));
    assert_eq!(touched, "not subscribed", "nobody wants to know any more");
    next.settle();
    assert!(next.notices.is_empty(), "{:?}", next.notices);
    assert_eq!(status_of_ping(&gateway, &path), 404, "for good");
}

#[test]
fn a_post_to_a_session_that_has_ended_is_not_found() {
    let gateway = attentive(&[fault("one")]);
    for path in ["/sse", "/servers/one/sse"] {
        // Also one that never shook hands.
        let path = super::opened(&gateway, path).leave();
        assert_ends(&gateway, &path);
        let request = Request::new("POST", &path).header("Content-Type", "application/json");
        let reply = post(gateway.address, &request.body(ping("p").to_string()));
        let (status, _, sentence) = refusal(&reply);
        assert_eq!(status, 404);
        assert!(sentence.contains("session"), "{sentence}");
        assert_eq!(reply.json()["id"], "p", "it names the request");
    }
}

#[test]
fn a_get_cannot_take_up_the_session_of_another() {
    let gateway = attentive(&[fault("one")]);
    let mut first = client(&gateway, "/sse");
    let (_, query) = first.machine.endpoint().split_once('?').expect("a query");
    let stream = format!("/sse?{query}");
    let plan = Plan {
        headers: vec![("Last-Event-ID".to_owned(), "1-1".to_owned())],
        ..super::plain()
    };
    let mut second = HonestSse::connected(gateway.address, &stream, &plan);
    assert_ne!(second.machine.endpoint(), first.machine.endpoint());
    first.settle();
    second.settle();
}

#[test]
fn what_is_taken_back_is_not_answered() {
    let gateway = attentive(&[fault("one")]);
    let mut client = client(&gateway, "/sse");
    let id = call_under_way(&mut client, "one__progress");
    let held = json!({"batch": 2, "text": "first"});
    let crossing = client.call("one__slow_answer_out_of_order", held);
    client.take_back(&id);
    client.take_back(&crossing);
    // The child answers that one all the same; the machine allows it no more after this ping.
    client.settle();
    let held = json!({"batch": 2, "text": "second"});
    assert_eq!(
        client.call_text("one__slow_answer_out_of_order", held),
        "second"
    );
    assert_child_is_told(&mut client, 2);
    // Taken back once more, and under an id that is another's: nobody is harmed.
    let sleeping = client.call("one__sleep", json!({"ms": 50}));
    for stray in [id, json!("5"), json!(null), json!(1000)] {
        client.notify("notifications/cancelled", &json!({"requestId": stray}));
    }
    assert_eq!(client.text(&sleeping), "slept 50 ms");
}

#[test]
fn initialize_cannot_be_taken_back() {
    let mut slow = fault("one");
    slow["args"] = json!(["--name", "one", "--slow-start", "200"]);
    let gateway = attentive(&[slow]);
    let mut client = super::opened(&gateway, "/servers/one/sse");
    let hello = client.ask_initialize();
    client.notify("notifications/cancelled", &json!({"requestId": hello}));
    assert_eq!(client.result(&hello)["protocolVersion"], "2024-11-05");
}

#[test]
fn the_crash_of_a_child_ends_its_calls_and_no_stream() {
    let limits = json!({"reconnect_delay": "20ms"});
    let gateway = super::with_limits(&[fault("one"), fault("two")], limits);
    let mut clients = super::clients(&gateway, 3);
    let waiting: Vec<_> = clients
        .iter_mut()
        .map(|client| call_under_way(client, "one__progress"))
        .collect();
    let elsewhere = clients[1].call("two__sleep", json!({"ms": 200}));
    let crash = clients[0].call("one__crash", json!({"code": 3}));
    let (_, sentence) = clients[0].refusal(&crash);
    assert!(
        sentence.contains("\"one\"") && sentence.contains("code 3"),
        "{sentence}"
    );
    for (client, id) in clients.iter_mut().zip(&waiting) {
        let (_, sentence) = client.refusal(id);
        assert!(sentence.contains("\"one\""), "{sentence}");
    }
    assert_eq!(clients[1].text(&elsewhere), "slept 200 ms");
    for client in &mut clients {
        let told = client.call_text("one__echo", json!({"text": "again"}));
        assert_eq!(told, "again", "the session has outlived the child");
    }
}

#[test]
fn the_last_answer_before_a_crash_is_heard() {
    let limits = json!({"reconnect_delay": "20ms", "max_reconnect_attempts": 100});
    let gateway = super::with_limits(&[fault("one")], limits);
    let mut client = client(&gateway, "/sse");
    for _ in 0..5 {
        let before = pid_of(&mut client);
        let told = client.call_text("one__crash", json!({"when": "after_answer"}));
        assert_eq!(told, "exiting with code 1");
        // What reaches the one that is about to exit may be lost with it.
        let renewed = Deadline::after(PATIENCE).poll(|| {
            let pid = pid_of(&mut client);
            (pid.is_some() && pid != before).then_some(())
        });
        assert!(renewed.is_some(), "it is not started again");
    }
}

/// The process id of the server; none where it ends before it has told.
fn pid_of(client: &mut HonestSse) -> Option<u64> {
    let id = client.call("one__whoami", json!({}));
    let answer = client.answer(&id);
    let me: Value = serde_json::from_str(text_of(&answer["result"])).ok()?;
    me["pid"].as_u64()
}

#[test]
fn the_end_of_the_gateway_answers_what_is_under_way_and_ends_the_streams() {
    let starting = fault_with("late", json!({"args": ["--slow-start", "3600000"]}));
    let gateway = attentive(&[fault("one"), starting]);
    let mut calling = super::opened(&gateway, "/servers/one/sse");
    calling.initialize();
    let long = call_under_way(&mut calling, "progress");
    let long = [long, calling.call("sleep", json!({"ms": 3_600_000}))];
    // One that waits for a first start, one that is silent, one that never shook hands.
    let mut waiting = super::opened(&gateway, "/servers/late/sse");
    let hello = waiting.ask_initialize();
    let mut idle = super::opened(&gateway, "/servers/one/sse");
    idle.initialize();
    idle.settle();
    let mut fresh = super::opened(&gateway, "/sse");
    let stopped = gateway.stop();
    assert!(stopped.status.success(), "{stopped:?}");
    for client in [&mut calling, &mut waiting, &mut idle, &mut fresh] {
        assert!(client.hear_end().is_empty(), "each has its answer first");
    }
    for id in &long {
        assert_eq!(calling.refusal(id).1, "the gateway is stopping");
    }
    assert_eq!(waiting.refusal(&hello).1, "the gateway is stopping");
}

/// Large answers fill the sockets, however much these take; then small ones pile up in the gateway,
/// which parts with the client before it harms others.
#[test]
fn a_client_that_stops_reading_loses_its_stream_and_delays_nobody() {
    if exempts(Exemption::Attacks) {
        return;
    }
    let gateway = attentive(&[fault("one")]);
    let mut deaf = client(&gateway, "/sse");
    deaf.may_be_cut = true;
    let mut other = client(&gateway, "/sse");
    let mut http = Http::connect(gateway.address).expect("it listens");
    let large = json!({"name": "one__echo", "arguments": {"pad": 128 << 10}});
    let deadline = Deadline::after(PATIENCE);
    for number in 0.. {
        let request = match number % 16 {
            0 => deaf.machine.request("tools/call", large.clone()),
            _ => deaf.machine.request("ping", json!({})),
        };
        let told = deaf.post_request(deaf.machine.endpoint());
        let reply = http.request(&told.body(request.to_string()));
        match reply.expect("an answer").head.status {
            202 => deadline.remaining("the end of its session").unwrap(),
            404 => break,
            status => panic!("a request is answered {status}"),
        };
        if number % 64 == 0 {
            assert_eq!(other.call_text("one__echo", json!({"text": "x"})), "x");
        }
    }
    other.settle();
    // What it reads at last is whole, and ends.
    let unanswered = deaf.hear_end();
    assert!(!unanswered.is_empty(), "the last was not even taken");
}

#[test]
fn a_slow_reader_gets_every_answer_once() {
    let gateway = attentive(&[fault("one")]);
    let mut slow = client(&gateway, "/sse");
    slow.http.pace = Some(crate::harness::http::Pace {
        bytes: 32 * 1024,
        pause: std::time::Duration::from_micros(200),
    });
    let ids: Vec<_> = (0..40)
        .map(|number| {
            let arguments = json!({"text": number.to_string(), "pad": 50_000});
            slow.call("one__echo", arguments)
        })
        .collect();
    for (number, id) in ids.iter().enumerate() {
        let text = slow.text(id);
        let number = number.to_string();
        assert!(text.starts_with(&number) && text.len() == number.len() + 50_000);
    }
    slow.settle();
}
