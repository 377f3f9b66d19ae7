//! Who may come in: Origin and Host against misled browsers (basic/transports, "Security
//! Warning"), the token (RFC 6750), what is open to all, and where the gateway may listen.

use serde_json::json;

use super::talk::{fault, initialize_params, refusal, request};
use crate::harness::client::Client;
use crate::harness::engine::{Exemption, exempts};
use crate::harness::gateway::{Gateway, Setup, config};
use crate::harness::http::{Http, Reply, Request};
use crate::harness::streamable::McpClient;

const TOKEN: &str = "correct-horse-battery-staple";

/// The exit code of a gateway that could not start, as its help says.
const CANNOT_START: i32 = 3;

fn setup() -> Setup {
    let config = json!({
        "servers": [fault("one")],
        "allow_origins": ["https://app.example.org"],
        "allow_hosts": ["gate.example.org"],
    });
    Setup::with_config(config.to_string())
}

fn locked() -> Gateway {
    setup().env("API_ACCESS_TOKEN", TOKEN).start()
}

fn send(gateway: &Gateway, request: &Request) -> Reply {
    let mut http = Http::connect(gateway.address).expect("the gateway listens");
    http.request(request).expect("there is an answer")
}

/// An `initialize` with these headers.
fn post(gateway: &Gateway, headers: &[(&str, &str)]) -> Reply {
    let body = request(1, "initialize", &initialize_params("2025-11-25"));
    let mut post = Request::new("POST", "/mcp")
        .header("Content-Type", "application/json")
        .header("Accept", "application/json, text/event-stream");
    for (name, value) in headers {
        post = post.header(name, value);
    }
    send(gateway, &post.body(body.to_string()))
}

/// A client that shows the token, after its handshake.
fn authorized(gateway: &Gateway) -> McpClient {
    let mut client = gateway.client("/mcp");
    client.headers = vec![("Authorization".to_owned(), format!("Bearer {TOKEN}"))];
    client.initialize().expect("the handshake succeeds");
    client
}

#[test]
fn an_origin_is_absent_or_loopback_or_listed() {
    let gateway = setup().start();
    assert_eq!(post(&gateway, &[]).head.status, 200);
    for good in [
        "http://localhost:5173",
        "http://127.0.0.1",
        "https://[::1]:8443",
        "https://app.example.org",
    ] {
        let reply = post(&gateway, &[("Origin", good)]);
        assert_eq!(reply.head.status, 200, "{good}");
        let allowed = reply.head.header("access-control-allow-origin");
        assert_eq!(allowed, Some(good));
    }
    for bad in [
        "https://evil.example",
        "http://localhost.evil.example",
        "http://app.example.org",
        "https://app.example.org:444",
        "null",
    ] {
        let reply = post(&gateway, &[("Origin", bad)]);
        let (status, _, sentence) = refusal(&reply);
        assert_eq!(status, 403, "{bad}");
        assert!(sentence.contains("Origin"), "{sentence}");
        assert_eq!(reply.head.header("access-control-allow-origin"), None);
        assert_eq!(reply.head.header("mcp-session-id"), None);
    }
}

#[test]
fn every_door_asks_for_the_origin() {
    let gateway = setup().start();
    for (method, path) in [
        ("GET", "/mcp"),
        ("DELETE", "/mcp"),
        ("OPTIONS", "/mcp"),
        ("GET", "/sse"),
        ("POST", "/messages"),
        ("POST", "/servers/one/mcp"),
        ("GET", "/servers/one/sse"),
    ] {
        let request = Request::new(method, path).header("Origin", "https://evil.example");
        assert_eq!(send(&gateway, &request).head.status, 403, "{method} {path}");
        let request = Request::new(method, path).header("Host", "evil.example");
        assert_eq!(send(&gateway, &request).head.status, 403, "{method} {path}");
    }
}

#[test]
fn without_a_token_the_host_must_be_ours() {
    let gateway = setup().start();
    for good in [
        "localhost",
        "127.0.0.1:1",
        "[::1]:12009",
        "gate.example.org:80",
    ] {
        assert_eq!(post(&gateway, &[("Host", good)]).head.status, 200, "{good}");
    }
    for bad in [
        "evil.example",
        "127.0.0.1.evil.example",
        "192.0.2.1",
        "localhost.evil.example",
    ] {
        let (status, _, sentence) = refusal(&post(&gateway, &[("Host", bad)]));
        assert_eq!(status, 403, "{bad}");
        assert!(sentence.contains("Host"), "{sentence}");
    }
}

#[test]
fn a_token_is_asked_for_at_every_door() {
    let gateway = locked();
    let right = format!("Bearer {TOKEN}");
    assert_eq!(
        post(&gateway, &[("Authorization", &right)]).head.status,
        200
    );
    let lower = format!("bearer {TOKEN}");
    assert_eq!(
        post(&gateway, &[("Authorization", &lower)]).head.status,
        200
    );
    let longer = format!("Bearer {TOKEN}x");
    let shorter = &right[..right.len() - 1];
    let basic = format!("Basic {TOKEN}");
    for bad in [
        longer.as_str(),
        shorter,
        &basic,
        TOKEN,
        "Bearer",
        "Bearer ",
        "",
    ] {
        let reply = post(&gateway, &[("Authorization", bad)]);
        assert_eq!(reply.head.status, 401, "{bad:?}");
        let challenge = reply.head.header("www-authenticate").expect("a challenge");
        assert!(challenge.starts_with("Bearer"), "{challenge}");
    }
    for (method, path) in [
        ("POST", "/mcp"),
        ("GET", "/mcp"),
        ("DELETE", "/mcp"),
        ("GET", "/sse"),
        ("POST", "/messages"),
        ("POST", "/servers/one/mcp"),
        ("POST", "/servers/no-such/mcp"),
    ] {
        let reply = send(&gateway, &Request::new(method, path));
        assert_eq!(reply.head.status, 401, "{method} {path}");
    }
    // The token in the query would end up in logs, so it does not count there.
    let query = format!("/sse?access_token={TOKEN}");
    assert_eq!(
        send(&gateway, &Request::new("GET", &query)).head.status,
        401
    );
}

#[test]
fn with_a_token_any_host_will_do_but_an_evil_origin_will_not() {
    let gateway = locked();
    let right = format!("Bearer {TOKEN}");
    let headers = [
        ("Authorization", right.as_str()),
        ("Host", "proxy.example.net"),
    ];
    assert_eq!(post(&gateway, &headers).head.status, 200);
    let headers = [
        ("Authorization", right.as_str()),
        ("Origin", "https://evil.example"),
    ];
    assert_eq!(post(&gateway, &headers).head.status, 403);
}

#[test]
fn health_and_readiness_are_open_to_all_and_tell_no_secret() {
    let gateway = locked();
    // The first list waits until the server is up, or has failed.
    authorized(&gateway).tool_names().unwrap();
    for path in ["/health", "/ready"] {
        let request = Request::new("GET", path).header("Host", "load-balancer.example");
        let reply = send(&gateway, &request);
        assert_eq!(reply.head.status, 200, "{path}: {}", reply.text());
        assert!(reply.json().is_object(), "{path}");
        assert!(!reply.text().contains(TOKEN));
        let not_allowed = send(&gateway, &Request::new("POST", path));
        assert_eq!(not_allowed.head.status, 405);
    }
    let health = send(&gateway, &Request::new("GET", "/health")).json();
    assert_eq!(health["status"], "healthy");
    assert!(
        health["components"]
            .as_object()
            .is_some_and(|all| all.len() == 2)
    );
    assert!(health["timestamp"].is_string());
}

#[test]
fn the_status_is_for_those_who_may_call() {
    let gateway = locked();
    authorized(&gateway).tool_names().unwrap();
    let ask = Request::new("GET", "/status");
    assert_eq!(send(&gateway, &ask).head.status, 401);
    let reply = send(
        &gateway,
        &ask.header("Authorization", &format!("Bearer {TOKEN}")),
    );
    assert_eq!(reply.head.status, 200, "{}", reply.text());
    let told = reply.json();
    assert_eq!(told["servers"][0]["state"], "ready", "{told}");
    assert!(
        told["servers"][0]["tools"]
            .as_u64()
            .is_some_and(|count| count > 0)
    );
    assert_eq!(
        send(&gateway, &Request::new("POST", "/status")).head.status,
        401
    );
}

#[test]
fn a_page_of_an_allowed_origin_may_ask_beforehand() {
    let gateway = locked();
    let preflight = |origin: &str| {
        let request = Request::new("OPTIONS", "/mcp")
            .header("Origin", origin)
            .header("Access-Control-Request-Method", "POST")
            .header(
                "Access-Control-Request-Headers",
                "authorization,mcp-session-id",
            );
        send(&gateway, &request)
    };
    // A browser shows no token yet when it asks (Fetch, "CORS-preflight fetch").
    let reply = preflight("https://app.example.org");
    assert!((200..300).contains(&reply.head.status), "{:?}", reply.head);
    let header = |name| reply.head.header(name).unwrap_or_default().to_lowercase();
    assert_eq!(
        header("access-control-allow-origin"),
        "https://app.example.org"
    );
    for method in ["get", "post", "delete"] {
        assert!(header("access-control-allow-methods").contains(method));
    }
    for name in [
        "authorization",
        "content-type",
        "mcp-session-id",
        "mcp-protocol-version",
        "last-event-id",
    ] {
        assert!(
            header("access-control-allow-headers").contains(name),
            "{name}"
        );
    }
    assert!(
        header("vary").contains("origin"),
        "caches must tell origins apart"
    );
    let evil = preflight("https://evil.example");
    assert_eq!(evil.head.status, 403);
    assert_eq!(evil.head.header("access-control-allow-origin"), None);

    // The page must be able to read the session id, and the reason of a refusal.
    let right = format!("Bearer {TOKEN}");
    let page = ("Origin", "https://app.example.org");
    let reply = post(&gateway, &[page, ("Authorization", &right)]);
    let exposed = reply.head.header("access-control-expose-headers");
    assert!(
        exposed
            .unwrap_or_default()
            .to_lowercase()
            .contains("mcp-session-id")
    );
    let reply = post(&gateway, &[page]);
    assert_eq!(reply.head.status, 401);
    assert!(reply.head.header("access-control-allow-origin").is_some());
}

#[test]
fn only_loopback_is_listened_on_without_a_token() {
    for host in ["0.0.0.0", "::"] {
        let setup = Setup::with_config(config(&[fault("one")]));
        let finished = setup.run(&["--host", host, "--port", "0"]);
        assert_eq!(finished.status.code(), Some(CANNOT_START), "{host}");
        for word in [host, "API_ACCESS_TOKEN", "--allow-anonymous"] {
            assert!(finished.stderr.contains(word), "{}", finished.stderr);
        }
        assert!(!finished.stderr.contains("listening on"));
    }
}

#[test]
fn other_addresses_are_listened_on_with_a_token_or_on_demand() {
    if exempts(Exemption::Addresses) {
        return;
    }
    let anonymous = setup()
        .arg("--host")
        .arg("0.0.0.0")
        .arg("--allow-anonymous");
    let gateway = anonymous.start();
    assert!(gateway.address.ip().is_unspecified());
    assert_eq!(post(&gateway, &[("Host", "localhost")]).head.status, 200);
    assert_eq!(post(&gateway, &[("Host", "evil.example")]).head.status, 403);

    let protected = setup().arg("--host").arg("0.0.0.0");
    let gateway = protected.env("API_ACCESS_TOKEN", TOKEN).start();
    assert_eq!(post(&gateway, &[]).head.status, 401);
    let right = format!("Bearer {TOKEN}");
    assert_eq!(
        post(&gateway, &[("Authorization", &right)]).head.status,
        200
    );
}

#[test]
fn an_empty_token_is_an_error_and_not_no_token() {
    let setup = Setup::with_config(config(&[fault("one")])).env("API_ACCESS_TOKEN", "");
    let finished = setup.run(&["--port", "0"]);
    assert_eq!(finished.status.code(), Some(CANNOT_START));
    assert!(
        finished.stderr.contains("API_ACCESS_TOKEN"),
        "{}",
        finished.stderr
    );
}

#[test]
fn the_token_is_never_in_the_log_and_never_in_a_child() {
    let setup = setup().env("API_ACCESS_TOKEN", TOKEN);
    let gateway = setup.arg("--log-level").arg("trace").start();
    let child = authorized(&gateway)
        .call_text("one__whoami", json!({}))
        .unwrap();
    assert!(!child.contains("API_ACCESS_TOKEN"), "{child}");
    let wrong = format!("Bearer {TOKEN}-but-wrong");
    assert_eq!(
        post(&gateway, &[("Authorization", &wrong)]).head.status,
        401
    );
    let stopped = gateway.stop();
    assert!(!stopped.log.contains(TOKEN), "{}", stopped.log);
}
