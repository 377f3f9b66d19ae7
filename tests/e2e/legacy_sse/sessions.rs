//! Whose is whose: equal ids at the same time, and sessions that are mixed up.

use serde_json::{Value, json};

use super::{client, clients, opened, ping};
use crate::e2e::talk::{fault, gateway, refusal};
use crate::harness::client::Client;
use crate::harness::gateway::{Gateway, Setup};
use crate::harness::honest_sse::{HonestSse, post};
use crate::harness::http::{Reply, Request};

/// A ping to this path.
fn ping_to(gateway: &Gateway, path: &str) -> Reply {
    let request = Request::new("POST", path).header("Content-Type", "application/json");
    post(gateway.address, &request.body(ping("stray").to_string()))
}

#[track_caller]
fn assert_unknown(reply: &Reply) {
    let (status, _, sentence) = refusal(reply);
    assert_eq!(status, 404, "{sentence}");
    assert!(sentence.contains("session"), "{sentence}");
    assert!(!reply.text().contains("result"), "nobody is answered here");
}

fn query_of(client: &HonestSse) -> String {
    let (_, query) = client.machine.endpoint().split_once('?').expect("a query");
    query.to_owned()
}

/// So many clients, each with a call under way under the same id as all others, answered in the
/// opposite order, in several rounds.
fn assert_each_has_its_own(count: usize) {
    let gateway = gateway(&[fault("one")]);
    let mut clients = clients(&gateway, count);
    for round in 0..3 {
        let ids: Vec<Value> = clients
            .iter_mut()
            .enumerate()
            .map(|(index, client)| {
                let text = format!("client {index}, round {round}");
                let arguments = json!({"batch": count, "text": text});
                client.call("one__slow_answer_out_of_order", arguments)
            })
            .collect();
        assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
        for (index, client) in clients.iter_mut().enumerate() {
            let text = client.text(&ids[index]);
            assert_eq!(text, format!("client {index}, round {round}"));
        }
    }
    clients.iter_mut().for_each(HonestSse::settle);
}

#[test]
fn two_clients_with_equal_ids_get_their_own_answers() {
    assert_each_has_its_own(2);
}

#[test]
fn ten_clients_with_equal_ids_get_their_own_answers() {
    assert_each_has_its_own(10);
}

#[test]
fn ids_of_every_kind_come_back_as_they_were() {
    let gateway = gateway(&[fault("one")]);
    let mut client = client(&gateway, "/sse");
    let ids = [
        json!("5"),
        json!(5),
        json!(0),
        json!(-1),
        json!(i64::MAX),
        json!(""),
        json!("a \"quoted\" \u{1F980}\n"),
    ];
    for id in &ids {
        let params = json!({"name": "one__echo", "arguments": {"text": id.to_string()}});
        let request = client.machine.request_as(id, "tools/call", params);
        client.say(&request);
    }
    for id in &ids {
        assert_eq!(client.text(id), id.to_string());
    }
}

#[test]
fn who_posts_for_another_session_is_heard_there_and_only_there() {
    let gateway = gateway(&[fault("one")]);
    let mut owner = client(&gateway, "/sse");
    let mut other = client(&gateway, "/sse");
    // The owner's book expects the answer; another one posts the request.
    let params = json!({"name": "one__echo", "arguments": {"text": "for the owner"}});
    let request = owner.machine.request("tools/call", params);
    let told = other.post_request(owner.machine.endpoint());
    let reply = post(gateway.address, &told.body(request.to_string()));
    let taken = owner.machine.accepted(&reply);
    assert_eq!(taken, Ok(()));
    assert_eq!(owner.text(&request["id"]), "for the owner");
    // Its machine would not let an answer pass that it has not asked for.
    other.settle();
    owner.settle();
}

#[test]
fn a_session_that_is_not_there_is_not_found_and_a_missing_one_is_missed() {
    let gateway = gateway(&[fault("one")]);
    let client = client(&gateway, "/sse");
    let query = query_of(&client);
    for made_up in ["0123456789abcdef0123456789abcdef", "x", "", "%00", "../sse"] {
        assert_unknown(&ping_to(
            &gateway,
            &format!("/messages?session_id={made_up}"),
        ));
    }
    // Nearly right is wrong.
    assert_unknown(&ping_to(&gateway, &format!("/messages?{query}0")));
    let shorter = &query[..query.len() - 1];
    assert_unknown(&ping_to(&gateway, &format!("/messages?{shorter}")));
    for missing in [
        "/messages",
        "/messages?",
        "/messages?session=x",
        "/messages?session_id",
    ] {
        let (status, _, sentence) = refusal(&ping_to(&gateway, missing));
        assert_eq!(status, 400, "{missing}");
        assert!(sentence.contains("session_id"), "{sentence}");
    }
}

#[test]
fn a_session_of_one_transport_is_none_of_the_other() {
    let gateway = gateway(&[fault("one")]);
    let mut sse = client(&gateway, "/servers/one/sse");
    let query = query_of(&sse);
    let (_, key) = query.split_once('=').expect("a name and a value");
    let mut streamable = gateway.client("/servers/one/mcp");
    streamable.session = Some(key.to_owned());
    assert_unknown(&streamable.post(ping("p").to_string()).expect("an answer"));
    let get = streamable.get_stream(None).expect("an answer");
    assert_eq!(get.head.status, 404);
    assert_eq!(streamable.delete().expect("an answer"), 404);
    sse.settle();

    streamable.initialize().expect("the handshake succeeds");
    let key = streamable.session.as_deref().expect("a session");
    let path = format!("/servers/one/messages?session_id={key}");
    assert_unknown(&ping_to(&gateway, &path));
    streamable.request("ping", json!({})).expect("it goes on");
}

#[test]
fn a_session_is_bound_to_its_view() {
    let servers = [fault("one"), fault("two")];
    let groups = json!({"both": ["one", "two"], "one": ["one"]});
    let text = json!({"servers": servers, "groups": groups}).to_string();
    let gateway = Setup::with_config(text).start();
    let views = [
        "",
        "/servers/one",
        "/servers/two",
        "/groups/both",
        "/groups/one",
    ];
    for own in views {
        let mut client = client(&gateway, &format!("{own}/sse"));
        let query = query_of(&client);
        for other in views.into_iter().filter(|view| *view != own) {
            assert_unknown(&ping_to(&gateway, &format!("{other}/messages?{query}")));
        }
        client.settle();
    }
}

#[test]
fn of_two_sessions_in_one_query_the_first_counts() {
    let gateway = gateway(&[fault("one")]);
    let mut first = client(&gateway, "/sse");
    let mut second = client(&gateway, "/sse");
    let both = format!("{}&{}", first.machine.endpoint(), query_of(&second));
    let request = first.machine.request("ping", json!({}));
    let told = second.post_request(&both).body(request.to_string());
    assert_eq!(post(gateway.address, &told).head.status, 202);
    first.result(&request["id"]);
    second.settle();
}

#[test]
fn what_one_session_sets_another_does_not_have() {
    let gateway = gateway(&[fault("one")]);
    let mut loud = client(&gateway, "/sse");
    let mut quiet = client(&gateway, "/sse");
    let id = loud.ask("logging/setLevel", json!({"level": "debug"}));
    loud.result(&id);
    let uri = json!({"uri": "fault://static"});
    let id = loud.ask("resources/subscribe", uri.clone());
    loud.result(&id);
    assert_eq!(quiet.call_text("one__touch", uri.clone()), "told");
    let updated = loud.wait_for_notice("notifications/resources/updated");
    assert_eq!(updated, uri);
    quiet.settle();
    assert!(quiet.notices.is_empty(), "{:?}", quiet.notices);
    // A session that has shaken no hands has set nothing either.
    let mut fresh = opened(&gateway, "/sse");
    fresh.settle();
}
