//! Requests and answers over Streamable HTTP: forms, statuses, what is refused.

use serde_json::{Value, json};

use super::{gateway, refused};
use crate::e2e::scene;
use crate::e2e::talk::{connected_at, notification, rest_of, told};
use crate::harness::client::{Client, text_of};
use crate::harness::gateway::{Gateway, Setup};
use crate::harness::http::{Frame, Http, Request};
use crate::harness::stateless::{
    META_CAPABILITIES, META_LEVEL, META_VERSION, VERSION, call, headers_of, request,
};

/// The one header that tells the era of what carries no `_meta`.
const ERA: (&str, &str) = ("MCP-Protocol-Version", VERSION);

#[test]
fn every_view_serves_requests_without_a_session() {
    let servers = [scene::fault("one", &[]), scene::fault("two", &[])];
    let config = json!({"servers": servers, "groups": {"some": ["two"]}});
    let gateway = Setup::with_config(config.to_string()).start();
    for (path, tool) in [
        ("/mcp", "one__echo"),
        ("/servers/one/mcp", "echo"),
        ("/groups/some/mcp", "two__echo"),
    ] {
        let mut client = gateway.stateless_client(path);
        let discovered = client.request("server/discover", json!({})).unwrap();
        assert_eq!(discovered["resultType"], "complete");
        assert_eq!(discovered["supportedVersions"][0], VERSION);
        assert!(discovered["capabilities"]["tools"].is_object());
        let names = client.tool_names().unwrap();
        assert!(names.iter().any(|name| name == tool), "{path}: {names:?}");
        let result = client.call_tool(tool, json!({"text": "a\nb"})).unwrap();
        assert_eq!(text_of(&result), "a\nb");
        assert_eq!(result["resultType"], "complete");
    }
    let reply = {
        let client = gateway.stateless_client("/servers/none/mcp");
        client.send(&client.post(&request(1, "tools/list", json!({}))))
    };
    assert_eq!(reply.head.status, 404);
}

#[test]
fn session_ids_and_last_event_ids_are_not_looked_at() {
    let gateway = gateway(&["one"]);
    let client = gateway.stateless_client("/mcp");
    for (name, value) in [("Mcp-Session-Id", "nobody's"), ("Last-Event-ID", "x")] {
        let post = client.post(&call(1, "one__echo", &json!({"text": "x"})));
        let reply = client.send(&post.header(name, value));
        assert_eq!(reply.head.status, 200, "{name}");
        assert_eq!(text_of(&reply.json()["result"]), "x");
        assert_eq!(reply.head.header("mcp-session-id"), None);
    }
}

#[test]
fn an_answer_is_plain_json_unless_something_comes_before_it() {
    let gateway = gateway(&["one"]);
    let client = gateway.stateless_client("/mcp");
    // Progress that nobody asked for is not told.
    let quiet = call(1, "one__progress", &json!({"steps": 2}));
    let reply = client.send(&client.post(&quiet));
    assert_eq!(reply.head.header("content-type"), Some("application/json"));
    let mut loud = quiet;
    loud["params"]["_meta"]["progressToken"] = json!("t");
    let mut stream = client.open(&loud);
    assert_eq!(stream.head.status, 200);
    assert!(stream.head.is_event_stream());
    assert_eq!(stream.head.header("x-accel-buffering"), Some("no"));
    assert_eq!(stream.head.header("mcp-session-id"), None);
    let mut messages = Vec::new();
    while let Some(frame) = stream.next_frame().unwrap() {
        let Frame::Event(event) = frame else { continue };
        // There is nothing to resume: no ids, no event that only primes.
        assert_eq!((event.id, event.retry), (None, None));
        messages.push(serde_json::from_str::<Value>(&event.data).unwrap());
    }
    let steps = told(&messages, "notifications/progress");
    assert_eq!(steps.len(), 2);
    assert!(steps.iter().all(|step| step["progressToken"] == "t"));
    assert_eq!(messages[2]["id"], 1);
    assert_eq!(messages[2]["result"]["resultType"], "complete");
}

#[test]
fn logs_come_with_the_level_that_the_request_names_and_never_without() {
    let gateway = gateway(&["one"]);
    let client = gateway.stateless_client("/mcp");
    let log = |level: &str, wanted: Option<&str>| {
        let mut log = call(1, "one__log", &json!({"level": level, "text": "hello"}));
        if let Some(wanted) = wanted {
            log["params"]["_meta"][META_LEVEL] = json!(wanted);
        }
        let mut stream = client.open(&log);
        match stream.head.is_event_stream() {
            true => told(&rest_of(&mut stream), "notifications/message").len(),
            false => 0,
        }
    };
    assert_eq!(log("error", None), 0);
    assert_eq!(log("error", Some("warning")), 1);
    assert_eq!(log("info", Some("warning")), 0);
    assert_eq!(log("emergency", None), 0);
}

#[test]
fn errors_have_the_status_that_belongs_to_their_code() {
    let gateway = gateway(&["one"]);
    let client = gateway.stateless_client("/mcp");
    let refuse = |code: i64| call("a", "one__refuse", &json!({"code": code}));
    let method = |method: &str| request("a", method, json!({}));
    for (request, status, code) in [
        (method("unknown/method"), 404, -32601),
        (method("initialize"), 404, -32601),
        (method("ping"), 404, -32601),
        (method("logging/setLevel"), 404, -32601),
        (method("resources/subscribe"), 404, -32601),
        (method("resources/unsubscribe"), 404, -32601),
        (refuse(-32601), 404, -32601),
        (refuse(-32020), 400, -32020),
        (refuse(-32021), 400, -32021),
        (refuse(-32022), 400, -32022),
        (refuse(-32602), 200, -32602),
        (refuse(-32603), 200, -32603),
        (refuse(7), 200, 7),
        (call("a", "one__nothing", &json!({})), 200, -32602),
        (
            request("a", "resources/read", json!({"uri": "no:where"})),
            200,
            -32602,
        ),
        (request("a", "tools/call", json!({})), 200, -32602),
        (
            request("a", "tools/list", json!({"cursor": "x"})),
            200,
            -32602,
        ),
    ] {
        let reply = client.send(&client.post(&request));
        assert_eq!(refused(&reply), (status, code, json!("a")), "{request}");
    }
}

#[test]
fn an_error_on_a_stream_finds_its_status_sent_already() {
    let limits = json!({"keepalive_interval": "50ms"});
    let flags = ["--slow-start", "1000"];
    let gateway = scene::gateway(&limits, &[scene::fault("slow", &flags)]);
    let client = gateway.stateless_client("/mcp");
    // It waits for the server's start, so that its answer becomes a stream.
    let mut stream = client.open(&call(1, "slow__nothing", &json!({})));
    assert!(stream.head.is_event_stream());
    assert_eq!(stream.head.status, 200);
    let messages = rest_of(&mut stream);
    assert_eq!(messages[0]["error"]["code"], -32602);
}

#[test]
fn what_a_request_must_say_of_itself_is_asked_for() {
    let gateway = gateway(&["one"]);
    let client = gateway.stateless_client("/mcp");
    let whole = request(101, "server/discover", json!({}));
    let without = |key: &str| {
        let mut request = whole.clone();
        let meta = request["params"]["_meta"].as_object_mut();
        meta.expect("it has one").remove(key);
        request
    };
    let mut bare = whole.clone();
    bare["params"] = json!({});
    let mut nothing = whole.clone();
    nothing.as_object_mut().unwrap().remove("params");
    for bad in [
        bare,
        nothing,
        without(META_VERSION),
        without(META_CAPABILITIES),
    ] {
        let reply = client.send(&client.post(&bad));
        assert_eq!(refused(&reply), (400, -32602, json!(101)), "{bad}");
    }
    let anonymous = without("io.modelcontextprotocol/clientInfo");
    assert_eq!(client.send(&client.post(&anonymous)).head.status, 200);
}

#[test]
fn another_version_is_refused_with_those_that_are_served() {
    let gateway = gateway(&["one"]);
    let client = gateway.stateless_client("/mcp");
    for version in ["v999.0.0", "2025-11-25", ""] {
        let mut discover = request(1, "server/discover", json!({}));
        discover["params"]["_meta"][META_VERSION] = json!(version);
        let reply = client.send(&client.post(&discover));
        assert_eq!(refused(&reply), (400, -32022, json!(1)), "{version:?}");
        let data = &reply.json()["error"]["data"];
        assert_eq!(data["requested"], version);
        assert_eq!(data["supported"][0], VERSION);
    }
}

#[test]
fn only_requests_mean_something() {
    let gateway = gateway(&["one"]);
    let client = gateway.stateless_client("/mcp");
    let post = |message: &Value| client.send(&client.post_with(message, &[ERA]));
    let cancelled = notification("notifications/cancelled", &json!({"requestId": 1}));
    let reply = post(&cancelled);
    assert_eq!((reply.head.status, reply.body.len()), (202, 0));
    let answer = json!({"jsonrpc": "2.0", "id": 1, "result": {}});
    assert_eq!(refused(&post(&answer)), (400, -32600, Value::Null));
    let batch = json!([request(1, "tools/list", json!({}))]);
    assert_eq!(refused(&post(&batch)), (400, -32600, Value::Null));
}

#[test]
fn a_batch_of_the_handshake_holds_no_request_of_the_stateless_era() {
    let gateway = gateway(&["one"]);
    let client = connected_at(&gateway, "/mcp", "2025-03-26");
    let hidden = call(1, "one__echo", &json!({"text": "past all headers"}));
    let reply = client.post(json!([hidden]).to_string()).unwrap();
    assert_eq!(reply.head.status, 400);
    assert_eq!(reply.json()["error"]["code"], -32600);
}

#[test]
fn get_and_delete_are_no_methods_here() {
    let gateway = gateway(&["one"]);
    let client = gateway.stateless_client("/mcp");
    for method in ["GET", "DELETE"] {
        let request = client
            .http_request(method)
            .header(ERA.0, ERA.1)
            .header("Accept", "text/event-stream");
        let reply = client.send(&request);
        assert_eq!(reply.head.status, 405, "{method}");
        assert_eq!(reply.head.header("allow"), Some("POST"));
    }
}

#[test]
fn both_eras_share_an_endpoint() {
    let gateway = gateway(&["one"]);
    let mut new = gateway.stateless_client("/mcp");
    let mut old = scene::client(&gateway, "/mcp");
    scene::assert_echo(&mut new, "one");
    scene::assert_echo(&mut old, "one");
    // The suite sends this header with a handshake's `initialize`; it tells no era.
    let mut other = gateway.client("/mcp");
    other.headers = vec![("Mcp-Method".to_owned(), "initialize".to_owned())];
    other.initialize().expect("a session");
}

/// What a page is told that asks whether it may send these headers.
fn preflight(gateway: &Gateway, asked: &str) -> String {
    let request = Request::new("OPTIONS", "/mcp")
        .header("Origin", "http://localhost:3000")
        .header("Access-Control-Request-Method", "POST")
        .header("Access-Control-Request-Headers", asked);
    let mut http = Http::connect(gateway.address).unwrap();
    let reply = http.request(&request).unwrap();
    assert_eq!(reply.head.status, 204);
    let allowed = reply.head.header("access-control-allow-headers");
    allowed.expect("it is told").to_ascii_lowercase()
}

#[test]
fn a_page_may_send_the_headers_of_the_era() {
    let gateway = gateway(&["one"]);
    let asked =
        "content-type,mcp-method, mcp-param-region,Mcp-Param-b!, mcp-param-, mcp-param-a b,x-other";
    let allowed = preflight(&gateway, asked);
    let allowed: Vec<&str> = allowed.split(',').map(str::trim).collect();
    for name in [
        "mcp-protocol-version",
        "mcp-method",
        "mcp-name",
        "mcp-param-region",
        "mcp-param-b!",
    ] {
        assert!(allowed.contains(&name), "{name}: {allowed:?}");
    }
    assert!(!allowed.contains(&"x-other"), "{allowed:?}");
    assert!(!allowed.contains(&"mcp-param-"), "{allowed:?}");
    assert!(!allowed.iter().any(|name| name.contains(' ')));
}

#[test]
fn the_harness_says_what_the_specification_shows() {
    // 2026-07-28, transports, "Standard Request Headers", the first example.
    let call = call(1, "get_weather", &json!({"location": "Seattle, WA"}));
    let expected = [
        ("MCP-Protocol-Version", "2026-07-28"),
        ("Mcp-Method", "tools/call"),
        ("Mcp-Name", "get_weather"),
    ];
    let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(headers_of(&call), expected);
}
