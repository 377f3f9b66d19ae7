//! How a session begins: the stream, its first event, and who may open it at all.

use serde_json::json;

use super::{client, opened, plain};
use crate::e2e::talk::{fault, gateway, gateway_with_limits, refusal};
use crate::harness::gateway::{Gateway, Setup};
use crate::harness::honest_sse::{HonestSse, Plan, post};
use crate::harness::http::{Reply, Request};

fn of_all_views() -> Gateway {
    let servers = [fault("one"), fault("two")];
    let text = json!({"servers": servers, "groups": {"both": ["one", "two"]}}).to_string();
    Setup::with_config(text).start()
}

fn get(gateway: &Gateway, path: &str, header: (&str, &str)) -> Reply {
    let request = Request::new("GET", path).header(header.0, header.1);
    post(gateway.address, &request)
}

#[test]
fn every_view_has_a_stream_and_a_place_to_post_beside_it() {
    let gateway = of_all_views();
    for (path, endpoint, echo) in [
        ("/sse", "/messages?", "one__echo"),
        ("/servers/one/sse", "/servers/one/messages?", "echo"),
        ("/servers/%6fne/sse/", "/servers/one/messages?", "echo"),
        ("/groups/both/sse", "/groups/both/messages?", "two__echo"),
    ] {
        let mut client = opened(&gateway, path);
        let place = client.machine.endpoint();
        assert!(place.starts_with(endpoint), "{path}: {place}");
        assert_eq!(client.initialize()["protocolVersion"], "2024-11-05");
        let told = client.call_text(echo, json!({"text": path}));
        assert_eq!(told, path);
    }
}

#[test]
fn no_two_streams_share_a_session() {
    let gateway = of_all_views();
    let mut paths: Vec<String> = (0..10)
        .map(|_| {
            let client = opened(&gateway, "/sse");
            client.leave()
        })
        .collect();
    paths.sort_unstable();
    paths.dedup();
    assert_eq!(paths.len(), 10, "also after their streams are gone");
}

#[test]
fn what_does_not_exist_has_no_stream() {
    let gateway = of_all_views();
    for path in [
        "/servers/none/sse",
        "/groups/none/sse",
        "/servers/both/sse",
        "/groups/one/sse",
    ] {
        let (status, _, sentence) = refusal(&get(&gateway, path, ("Accept", "text/event-stream")));
        assert_eq!(status, 404, "{path}");
        assert!(!sentence.is_empty(), "{path}");
    }
}

/// Clients that know both transports first POST to the URL they were given, and fall back where
/// that is answered with 4xx (2025-03-26, basic/transports, "Backwards Compatibility").
#[test]
fn other_methods_are_refused_so_that_clients_fall_back() {
    let gateway = of_all_views();
    for (method, path, allowed) in [
        ("POST", "/sse", "GET"),
        ("DELETE", "/sse", "GET"),
        ("GET", "/messages", "POST"),
        ("PUT", "/servers/one/messages", "POST"),
    ] {
        let body = super::ping("p").to_string();
        let request = Request::new(method, path).header("Content-Type", "application/json");
        let reply = post(gateway.address, &request.body(body));
        assert_eq!(reply.head.status, 405, "{method} {path}");
        let allow = reply.head.header("allow").unwrap_or_default().to_owned();
        assert!(allow.contains(allowed), "{method} {path}: {allow}");
    }
}

/// basic/transports, "Security Warning".
#[test]
fn origin_and_host_are_looked_at_on_both_ways() {
    let gateway = gateway(&[fault("one")]);
    let client = client(&gateway, "/sse");
    for bad in [("Origin", "https://evil.example"), ("Host", "evil.example")] {
        assert_eq!(get(&gateway, "/sse", bad).head.status, 403, "{bad:?}");
        let path = client.machine.endpoint();
        let told = client.post_request(path).header(bad.0, bad.1);
        let reply = post(gateway.address, &told.body(super::ping("p").to_string()));
        assert_eq!(reply.head.status, 403, "{bad:?}");
    }
    let page = Plan {
        headers: vec![("Origin".to_owned(), "http://localhost:5173".to_owned())],
        ..plain()
    };
    let mut page = HonestSse::connected(gateway.address, "/sse", &page);
    page.settle();
    let told = page.post_request(page.machine.endpoint());
    let reply = post(gateway.address, &told.body(super::ping("p").to_string()));
    let shared = reply.head.header("access-control-allow-origin");
    assert_eq!(shared, Some("http://localhost:5173"));
}

#[test]
fn the_token_is_asked_for_on_both_ways() {
    let setup = Setup::with_config(json!({"servers": [fault("one")]}).to_string());
    let gateway = setup.env("API_ACCESS_TOKEN", "correct-horse").start();
    assert_eq!(
        get(&gateway, "/sse", ("Accept", "text/event-stream"))
            .head
            .status,
        401
    );
    let right = Plan {
        headers: vec![(
            "Authorization".to_owned(),
            "Bearer correct-horse".to_owned(),
        )],
        ..plain()
    };
    let mut client = HonestSse::connected(gateway.address, "/sse", &right);
    // Who has seen the endpoint alone cannot speak for the session.
    let reply = client.post_raw("application/json", &super::ping("p").to_string());
    assert_eq!(reply.head.status, 401);
    client.settle();
}

#[test]
fn comments_keep_it_alive_and_harm_nothing() {
    let limits = json!({"keepalive_interval": "20ms"});
    let gateway = gateway_with_limits(&[fault("one")], &limits);
    let mut client = opened(&gateway, "/sse");
    while client.comments < 2 {
        client.hear();
    }
    client.initialize();
    let slow = client.call("one__sleep", json!({"ms": 100}));
    let before = client.comments;
    assert_eq!(client.text(&slow), "slept 100 ms");
    assert!(
        client.comments > before,
        "while it waits for an answer, too"
    );
}
