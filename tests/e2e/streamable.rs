//! Streamable HTTP (basic/transports): the negotiation of the version, sessions, the statuses of
//! HTTP, answers as JSON and as streams, and the GET stream. Batches, resumption and the guard
//! have modules of their own; what JSON-RPC refuses is in `bad_input`.

use serde_json::json;

use super::talk::{
    REVISIONS, call, connected, connected_at, fault, gateway, gateway_with_limits,
    initialize_params, notification, refusal, request, rest_of, sse_connected, told,
};
use crate::harness::client::{Client, Duplex};
use crate::harness::engine::{Exemption, exempts};
use crate::harness::gateway::Gateway;
use crate::harness::http::{Frame, Http, Reply, Request};
use crate::harness::streamable::{EventStream, McpClient};

/// An `initialize` that asks for this revision.
fn initialize(gateway: &Gateway, revision: &str) -> Reply {
    let body = request(1, "initialize", &initialize_params(revision));
    let client = gateway.client("/mcp");
    client.post(body.to_string()).expect("there is an answer")
}

/// Sends a request as it is, on a connection of its own.
fn send(gateway: &Gateway, request: &Request) -> Reply {
    let mut http = Http::connect(gateway.address).expect("the gateway listens");
    http.request(request).expect("there is an answer")
}

fn ping() -> String {
    request(7, "ping", &json!({})).to_string()
}

#[test]
fn a_known_revision_is_echoed_and_an_unknown_one_answered_with_the_newest() {
    let gateway = gateway(&[fault("one")]);
    for revision in REVISIONS {
        let reply = initialize(&gateway, revision);
        assert_eq!(reply.json()["result"]["protocolVersion"], revision);
    }
    // The stateless revision has no handshake, so it is never agreed on in one.
    for revision in ["2026-07-28", "1999-01-01", "2025-11-26", "latest", ""] {
        let reply = initialize(&gateway, revision);
        assert_eq!(reply.head.status, 200);
        let agreed = &reply.json()["result"]["protocolVersion"];
        assert_eq!(agreed, "2025-11-25", "asked for {revision:?}");
    }
}

#[test]
fn a_session_id_is_visible_ascii_and_never_the_same() {
    let gateway = gateway(&[fault("one")]);
    let ids: Vec<String> = (0..8)
        .map(|_| {
            let reply = initialize(&gateway, "2025-11-25");
            let id = reply.head.header("mcp-session-id").expect("a session");
            id.to_owned()
        })
        .collect();
    for (index, id) in ids.iter().enumerate() {
        assert!(id.bytes().all(|byte| byte.is_ascii_graphic()), "{id:?}");
        assert!(id.len() >= 22, "{id:?} has less than 128 bits");
        assert!(!ids[..index].contains(id), "{id:?} was given twice");
    }
}

#[test]
fn a_session_begins_is_needed_and_ends() {
    let gateway = gateway(&[fault("one")]);
    let mut client = connected(&gateway, "/mcp");
    client.request("ping", json!({})).expect("it is known");

    let stranger = gateway.client("/mcp");
    let reply = stranger.post(ping()).unwrap();
    let (status, _, sentence) = refusal(&reply);
    assert_eq!(status, 400, "without a session id");
    assert!(sentence.contains("Mcp-Session-Id"), "{sentence}");

    let mut unknown = gateway.client("/mcp");
    unknown.session = Some("0123456789abcdef0123456789abcdef".to_owned());
    let reply = unknown.post(ping()).unwrap();
    let (status, _, sentence) = refusal(&reply);
    assert_eq!(status, 404, "with an id nobody gave");
    assert!(sentence.contains("session"), "{sentence}");
    assert_eq!(unknown.get_stream(None).unwrap().head.status, 404);
    assert_eq!(unknown.delete().unwrap(), 404);
    let told = notification("notifications/initialized", &json!({}));
    assert_eq!(unknown.post(told.to_string()).unwrap().head.status, 404);

    let mut stream = client.get_stream(None).unwrap();
    assert!((200..300).contains(&client.delete().unwrap()));
    assert_eq!(rest_of(&mut stream), [json!(null); 0], "its stream ends");
    assert_eq!(
        client.post(ping()).unwrap().head.status,
        404,
        "it has ended"
    );
    assert_eq!(client.delete().unwrap(), 404, "it can end only once");
}

#[test]
fn initialize_with_a_stale_session_id_begins_a_new_session() {
    let gateway = gateway(&[fault("one")]);
    let mut client = connected(&gateway, "/mcp");
    client.delete().unwrap();
    let stale = client.session.clone();
    client.initialize().expect("the stale id does not matter");
    assert_ne!(client.session, stale);
    client
        .request("ping", json!({}))
        .expect("the new one works");
}

#[test]
fn a_session_belongs_to_its_endpoint() {
    let gateway = gateway(&[fault("one"), fault("two")]);
    let client = connected(&gateway, "/servers/one/mcp");
    for path in ["/mcp", "/servers/two/mcp"] {
        let mut elsewhere = gateway.client(path);
        elsewhere.session.clone_from(&client.session);
        assert_eq!(elsewhere.post(ping()).unwrap().head.status, 404, "{path}");
        assert_eq!(elsewhere.get_stream(None).unwrap().head.status, 404);
        assert_eq!(elsewhere.delete().unwrap(), 404, "{path}");
    }
    assert_eq!(client.post(ping()).unwrap().head.status, 200);
}

#[test]
fn the_version_header_may_be_absent_but_not_unknown() {
    let gateway = gateway(&[fault("one")]);
    let client = connected_at(&gateway, "/mcp", "2025-06-18");
    let session = client.session.as_deref().unwrap();
    let plain = || {
        Request::new("POST", "/mcp")
            .header("Content-Type", "application/json")
            .header("Accept", "application/json, text/event-stream")
            .header("Mcp-Session-Id", session)
            .body(ping())
    };
    assert_eq!(send(&gateway, &plain()).head.status, 200);
    let known = plain().header("MCP-Protocol-Version", "2025-06-18");
    assert_eq!(send(&gateway, &known).head.status, 200);
    for version in ["1999-01-01", "2026-07-28x", "nonsense"] {
        let request = plain().header("MCP-Protocol-Version", version);
        let (status, _, sentence) = refusal(&send(&gateway, &request));
        assert_eq!(status, 400, "{version}");
        assert!(sentence.contains(version), "{sentence} lacks {version}");
    }
}

#[test]
fn an_answer_is_json_unless_something_comes_before_it() {
    let gateway = gateway(&[fault("one")]);
    let client = connected(&gateway, "/mcp");
    let quick = call(1, "one__echo", &json!({"text": "quick"}));
    let reply = client.post(quick.to_string()).unwrap();
    assert_eq!(reply.head.header("content-type"), Some("application/json"));
    assert_eq!(reply.json()["result"]["content"][0]["text"], "quick");

    let mut talking = call("two", "one__progress", &json!({"steps": 3}));
    talking["params"]["_meta"] = json!({"progressToken": "t"});
    let mut stream = client.post_stream(&talking).unwrap();
    assert!(stream.head.is_event_stream(), "{:?}", stream.head);
    assert_eq!(stream.head.header("x-accel-buffering"), Some("no"));
    let messages = rest_of(&mut stream);
    let steps = told(&messages, "notifications/progress");
    let steps: Vec<_> = steps.iter().map(|step| &step["progress"]).collect();
    assert_eq!(steps, [1, 2, 3]);
    assert_eq!(messages.len(), 4, "the answer is the last message");
    assert_eq!(messages[3]["id"], "two");
    assert_eq!(
        messages[3]["result"]["content"][0]["text"],
        "done in 3 steps"
    );
}

#[test]
fn events_of_a_session_have_ids_that_never_repeat() {
    let gateway = gateway(&[fault("one")]);
    let client = connected(&gateway, "/mcp");
    let mut ids = Vec::new();
    for id in 1..=2 {
        let mut talking = call(id, "one__progress", &json!({"steps": 2}));
        talking["params"]["_meta"] = json!({"progressToken": 1});
        let mut stream = client.post_stream(&talking).unwrap();
        while let Some(event) = stream.next_event().unwrap() {
            let id = event.id.expect("every event has an id");
            assert!(!ids.contains(&id), "{id} was given twice");
            ids.push(id);
        }
    }
    // A priming event, two steps and an answer, of each of the two streams.
    assert_eq!(ids.len(), 8);
}

#[test]
fn only_2025_11_25_has_priming_events() {
    let gateway = gateway(&[fault("one")]);
    for revision in REVISIONS {
        let client = connected_at(&gateway, "/mcp", revision);
        let mut talking = call(1, "one__progress", &json!({"steps": 1}));
        talking["params"]["_meta"] = json!({"progressToken": 1});
        let mut stream = client.post_stream(&talking).unwrap();
        let first = stream.next_event().unwrap().expect("an event");
        if revision == "2025-11-25" {
            assert_eq!(first.data, "");
            assert!(first.id.is_some() && first.retry.is_some(), "{first:?}");
            let mut listening = client.get_stream(None).unwrap();
            let first = listening.next_event().unwrap().expect("an event");
            assert_eq!(first.data, "");
            assert!(first.id.is_some() && first.retry.is_some(), "{first:?}");
        } else {
            // Older clients would take the empty data for a broken message.
            assert_ne!(first.data, "", "at {revision}");
        }
    }
}

#[test]
fn notifications_and_answers_are_accepted_without_a_body() {
    let gateway = gateway(&[fault("one")]);
    let client = connected(&gateway, "/mcp");
    let messages = [
        notification("notifications/initialized", &json!({})),
        notification("notifications/of_tomorrow", &json!({"x": 1})),
        json!({"jsonrpc": "2.0", "method": "notifications/roots/list_changed"}),
        json!({"jsonrpc": "2.0", "id": 4711, "result": {}}),
        json!({"jsonrpc": "2.0", "id": "x", "error": {"code": 1, "message": "no"}}),
    ];
    for message in messages {
        let reply = client.post(message.to_string()).unwrap();
        assert_eq!(
            (reply.head.status, reply.text().as_str()),
            (202, ""),
            "{message}"
        );
    }
}

#[test]
fn other_methods_are_not_allowed_and_told_which_are() {
    let gateway = gateway(&[fault("one")]);
    for method in ["PUT", "PATCH", "HEAD"] {
        let reply = send(&gateway, &Request::new(method, "/mcp"));
        assert_eq!(reply.head.status, 405, "{method}");
        let allowed = reply.head.header("allow").expect("an Allow header");
        for word in ["GET", "POST", "DELETE"] {
            assert!(allowed.contains(word), "{allowed} lacks {word}");
        }
    }
    for (method, path, allowed) in [("POST", "/sse", "GET"), ("GET", "/messages", "POST")] {
        let reply = send(&gateway, &Request::new(method, path));
        assert_eq!(reply.head.status, 405, "{method} {path}");
        assert!(reply.head.header("allow").unwrap().contains(allowed));
    }
}

#[test]
fn both_forms_of_an_answer_must_be_accepted() {
    let gateway = gateway(&[fault("one")]);
    let body = request(1, "initialize", &initialize_params("2025-11-25")).to_string();
    let post = |accept: Option<&str>| {
        let mut request = Request::new("POST", "/mcp").header("Content-Type", "application/json");
        if let Some(accept) = accept {
            request = request.header("Accept", accept);
        }
        send(&gateway, &request.body(body.clone())).head.status
    };
    for bad in [
        None,
        Some("application/json"),
        Some("text/event-stream"),
        Some("text/html"),
    ] {
        assert_eq!(post(bad), 406, "{bad:?}");
    }
    for good in [
        "application/json, text/event-stream",
        "text/event-stream;q=0.9,APPLICATION/JSON; charset=utf-8",
        "*/*",
        "application/*, text/*",
    ] {
        assert_eq!(post(Some(good)), 200, "{good}");
    }
    let client = connected(&gateway, "/mcp");
    let get = client
        .http_request("GET")
        .header("Accept", "application/json");
    assert_eq!(send(&gateway, &get).head.status, 406);
}

#[test]
fn a_body_must_say_that_it_is_json() {
    let gateway = gateway(&[fault("one")]);
    let body = request(1, "initialize", &initialize_params("2025-11-25")).to_string();
    let post = |kind: Option<&str>| {
        let mut request =
            Request::new("POST", "/mcp").header("Accept", "application/json, text/event-stream");
        if let Some(kind) = kind {
            request = request.header("Content-Type", kind);
        }
        send(&gateway, &request.body(body.clone())).head.status
    };
    // A form or a text is what a page of another site may send without being asked first.
    for bad in [
        None,
        Some("text/plain"),
        Some("application/x-www-form-urlencoded"),
        Some("json"),
    ] {
        assert_eq!(post(bad), 415, "{bad:?}");
    }
    for good in ["application/json", "Application/JSON;charset=utf-8"] {
        assert_eq!(post(Some(good)), 200, "{good}");
    }
}

fn at_most_two_kib() -> (Gateway, McpClient) {
    let limits = json!({"max_message_size": "2KiB"});
    let gateway = gateway_with_limits(&[fault("one")], &limits);
    let client = connected(&gateway, "/mcp");
    (gateway, client)
}

/// The status of the answer to a POST of which nothing but this head and beginning is ever sent.
fn status_of_begun(gateway: &Gateway, client: &McpClient, framing: &str) -> u16 {
    let session = client.session.as_ref().unwrap();
    let head = format!(
        "POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
         Accept: application/json, text/event-stream\r\nMcp-Session-Id: {session}\r\n{framing}"
    );
    let mut http = Http::connect(gateway.address).unwrap();
    http.send_raw(head.as_bytes()).unwrap();
    http.read_head(false).unwrap().status
}

#[test]
fn a_body_over_the_limit_is_refused_before_it_is_read() {
    let (gateway, client) = at_most_two_kib();
    let announced = "Content-Length: 2049\r\n\r\n";
    assert_eq!(status_of_begun(&gateway, &client, announced), 413);
    let padded = |length: usize| {
        let mut body = ping();
        body.extend(std::iter::repeat_n(' ', length - body.len()));
        client.post(body).unwrap()
    };
    assert_eq!(padded(2048).head.status, 200, "just at the limit");
    let (status, _, sentence) = refusal(&padded(2049));
    assert_eq!(status, 413);
    assert!(sentence.contains("2048"), "{sentence}");
}

#[test]
fn an_absurd_body_is_refused_before_it_is_read() {
    if exempts(Exemption::Attacks) {
        return;
    }
    let (gateway, client) = at_most_two_kib();
    for framing in [
        "Transfer-Encoding: chunked\r\n\r\n801\r\n",
        "Content-Length: 50000000000\r\n\r\n",
    ] {
        let status = status_of_begun(&gateway, &client, framing);
        assert_eq!(status, 413, "{framing}");
    }
    assert_eq!(client.post(ping()).unwrap().head.status, 200);
}

#[test]
fn a_message_that_belongs_to_no_request_goes_to_one_get_stream() {
    let gateway = gateway(&[fault("one")]);
    let mut client = connected(&gateway, "/mcp");
    let mut streams = [
        client.get_stream(None).unwrap(),
        client.get_stream(None).unwrap(),
    ];
    let mut listener = sse_connected(&gateway, "/sse");
    for what in ["tools", "prompts"] {
        let arguments = json!({"what": what});
        client.call_tool("one__change_tools", arguments).unwrap();
        let method = format!("notifications/{what}/list_changed");
        listener.wait_for_notification(&method).unwrap();
    }
    client.delete().unwrap();
    let told: Vec<_> = streams.iter_mut().flat_map(rest_of).collect();
    let mut methods: Vec<_> = told
        .iter()
        .map(|message| message["method"].clone())
        .collect();
    methods.sort_by_key(ToString::to_string);
    let once = [
        "notifications/prompts/list_changed",
        "notifications/tools/list_changed",
    ];
    assert_eq!(methods, once);
}

#[test]
fn a_get_stream_never_brings_an_answer() {
    let gateway = gateway(&[fault("one")]);
    let mut client = connected(&gateway, "/mcp");
    let mut stream = client.get_stream(None).unwrap();
    let mut with_progress = json!({"name": "one__progress", "arguments": {"steps": 2}});
    with_progress["_meta"] = json!({"progressToken": 5});
    client.request("tools/call", with_progress).unwrap();
    client.call_text("one__echo", json!({"text": "x"})).unwrap();
    client.delete().unwrap();
    assert_eq!(rest_of(&mut stream), [json!(null); 0]);
}

/// The next comment of a stream; every event before it is handed to `event`.
fn next_comment(stream: &mut EventStream) -> String {
    loop {
        match stream.next_frame().unwrap().expect("the stream is open") {
            Frame::Comment(comment) => return comment,
            Frame::Event(event) => assert_eq!(event.data, "", "nothing was to come"),
        }
    }
}

#[test]
fn every_open_stream_is_kept_alive_answers_to_posts_included() {
    let limits = json!({"keepalive_interval": "50ms"});
    let gateway = gateway_with_limits(&[fault("one")], &limits);
    for revision in ["2025-03-26", "2025-11-25"] {
        let client = connected_at(&gateway, "/mcp", revision);
        let mut listening = client.get_stream(None).unwrap();
        let waiting = json!({"batch": 2, "text": "late"});
        let waiting = call(1, "one__slow_answer_out_of_order", &waiting);
        let mut answering = client.post_stream(&waiting).unwrap();
        assert!(answering.head.is_event_stream());
        for _ in 0..2 {
            next_comment(&mut listening);
            next_comment(&mut answering);
        }
        let mut sibling = client.sibling();
        let last = json!({"batch": 2, "text": "last"});
        sibling
            .call_tool("one__slow_answer_out_of_order", last)
            .unwrap();
        let answer = rest_of(&mut answering);
        assert_eq!(answer.len(), 1, "{answer:?}");
        assert_eq!(answer[0]["result"]["content"][0]["text"], "late");
    }
}
