//! What is posted: in the right order, in the right shape, and everything else. Whatever is
//! refused, the stream beside it is unharmed.

use serde_json::{Value, json};

use super::{client, opened, ping};
use crate::e2e::talk::{
    call, fault, gateway, gateway_with_limits, initialize_params, refusal, request,
};
use crate::harness::honest_sse::{HonestSse, Plan};

/// Sees that the session goes on, and that nothing came on the stream meanwhile.
#[track_caller]
fn assert_unharmed(client: &mut HonestSse) {
    client.settle();
    assert!(client.notices.is_empty() && client.questions.is_empty());
}

/// How many answers a session may have under way or unread.
const UNANSWERED_MAX: usize = 128;

#[test]
fn who_reads_every_answer_is_never_told_to_read_them_first() {
    let gateway = gateway(&[fault("one")]);
    let mut client = client(&gateway, "/sse");
    for _ in 1..UNANSWERED_MAX {
        client.call("one__hang", json!({}));
    }
    // More than the gateway writes without looking at its counts.
    for number in 0..40 {
        let text = format!("answer {number}");
        assert_eq!(client.call_text("one__echo", json!({"text": text})), text);
    }
    // That is no leniency: one more is taken, and then none.
    client.call("one__hang", json!({}));
    let id = client.call("one__echo", json!({"text": "too many"}));
    let (_, sentence) = client.refusal(&id);
    assert!(sentence.contains("128 answers under way"), "{sentence}");
}

#[test]
fn nothing_but_a_ping_comes_before_initialize() {
    let gateway = gateway(&[fault("one")]);
    let mut client = opened(&gateway, "/sse");
    client.settle();
    for (id, method) in [(100, "tools/list"), (101, "tools/call"), (102, "no/such")] {
        // The client is not honest here, so its book is told afterwards.
        let early = request(id, method, &json!({"name": "one__echo"}));
        let reply = client.post_raw("application/json", &early.to_string());
        assert_eq!(reply.head.status, 202, "{method}");
        client.machine.expect(id);
        let (code, sentence) = client.refusal(&json!(id));
        assert_eq!(code, -32600, "lifecycle, \"Initialization\"");
        assert!(sentence.contains(method), "{sentence}");
    }
    client.initialize();
    let again = request(200, "initialize", &initialize_params("2024-11-05"));
    client.post_raw("application/json", &again.to_string());
    client.machine.expect(200);
    assert_eq!(client.refusal(&json!(200)).0, -32600);
    assert_unharmed(&mut client);
}

#[test]
fn what_is_sent_behind_initialize_waits_for_it() {
    let mut slow = fault("one");
    slow["args"] = json!(["--name", "one", "--slow-start", "300"]);
    let gateway = gateway(&[slow]);
    let mut client = opened(&gateway, "/servers/one/sse");
    let hello = client.ask_initialize();
    let list = request(50, "tools/list", &json!({}));
    let reply = client.post_raw("application/json", &list.to_string());
    assert_eq!(reply.head.status, 202);
    client.machine.expect(50);
    let welcome = client.result(&hello);
    assert_eq!(
        welcome["serverInfo"]["name"].as_str().map(str::is_empty),
        Some(false)
    );
    let tools = client.result(&json!(50));
    assert!(
        tools["tools"]
            .as_array()
            .is_some_and(|tools| !tools.is_empty())
    );
}

#[test]
fn what_is_no_message_is_refused_by_the_post_and_the_stream_is_unharmed() {
    let gateway = gateway(&[fault("one")]);
    let mut client = client(&gateway, "/sse");
    for (body, code) in [
        ("", -32700),
        ("{", -32700),
        ("nonsense", -32700),
        (
            "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"} x",
            -32700,
        ),
        ("\"text\"", -32600),
        ("null", -32600),
        ("{}", -32600),
        ("[]", -32600),
        (r#"{"jsonrpc":"1.0","id":1,"method":"ping"}"#, -32600),
        (r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#, -32600),
        (r#"{"jsonrpc":"2.0","id":{},"method":"ping"}"#, -32600),
        (r#"{"jsonrpc":"2.0","id":1,"method":7}"#, -32600),
    ] {
        let reply = client.post_raw("application/json", body);
        let (status, told, sentence) = refusal(&reply);
        assert_eq!((status, told), (400, code), "{body:?}: {sentence}");
        assert_eq!(reply.json()["jsonrpc"], "2.0", "{body:?}");
        assert!(reply.json().get("id").is_some(), "{body:?}");
        client.settle();
    }
    assert_unharmed(&mut client);
}

/// A request that can be read has its answer on the stream, whatever is wrong with what it asks:
/// a client waits for it there, and some are deaf after a POST that was refused.
#[test]
fn a_request_with_bad_parameters_is_answered_on_the_stream() {
    let gateway = gateway(&[fault("one")]);
    let mut client = opened(&gateway, "/sse");
    let hello = client.ask("initialize", json!({"capabilities": {}}));
    let (code, sentence) = client.refusal(&hello);
    assert_eq!(code, -32602);
    assert!(sentence.contains("protocolVersion"), "{sentence}");
    client.initialize();
    for (method, params) in [
        ("tools/call", json!({})),
        ("tools/call", json!({"name": 5})),
        ("tools/call", json!({"name": "no__such"})),
        ("resources/read", json!({})),
        ("logging/setLevel", json!({"level": "loud"})),
        ("tools/list", json!({"cursor": "made up"})),
    ] {
        let id = client.ask(method, params.clone());
        assert_eq!(client.refusal(&id).0, -32602, "{method} {params}");
    }
    let id = client.ask("no/such", json!({}));
    assert_eq!(client.refusal(&id).0, -32601);
    assert_unharmed(&mut client);
}

#[test]
fn only_json_of_a_bounded_size_is_taken() {
    let limits = json!({"max_message_size": "64KiB"});
    let gateway = gateway_with_limits(&[fault("one")], &limits);
    let mut client = client(&gateway, "/sse");
    let body = ping("p").to_string();
    for kind in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "",
        "json",
    ] {
        assert_eq!(client.post_raw(kind, &body).head.status, 415, "{kind:?}");
    }
    let long = |bytes: usize| call("l", "one__echo", &json!({"text": "x".repeat(bytes)}));
    let reply = client.post_raw("application/json", &long(64 << 10).to_string());
    assert_eq!(refusal(&reply).0, 413);
    // What is just below the limit is taken, with a parameter of the media type, too.
    let fits = long(60 << 10).to_string();
    let reply = client.post_raw("Application/JSON; charset=utf-8", &fits);
    assert_eq!(reply.head.status, 202);
    client.machine.expect("l");
    assert_eq!(client.text(&json!("l")).len(), 60 << 10);
    assert_unharmed(&mut client);
}

#[test]
fn line_breaks_between_tokens_break_no_event() {
    let gateway = gateway(&[fault("one")]);
    let mut client = client(&gateway, "/sse");
    // On the way in: a message over many lines, of every kind of line end.
    let pretty = serde_json::to_string_pretty(&call(90, "one__echo", &json!({"text": "a\r\nb"})));
    for (id, end) in [(90, "\n"), (91, "\r\n"), (92, "\r")] {
        let body = pretty.as_ref().unwrap().replace('\n', end);
        let body = body.replace("90", &id.to_string());
        assert_eq!(client.post_raw("application/json", &body).head.status, 202);
        client.machine.expect(id);
        assert_eq!(client.text(&json!(id)), "a\r\nb");
    }
    // On the way back: a carriage return ends a line of the stream, but not one of stdio.
    let result = "{\"content\":[\r{\"type\":\"text\",\r\"text\":\"c\u{2028}d\"}\r]}";
    let told = client.call_text("one__raw", json!({"json": result}));
    assert_eq!(told, "c\u{2028}d");
    assert_unharmed(&mut client);
}

/// 2024-11-05 knows three kinds of messages, and an array is none of them (schema,
/// `JSONRPCMessage`); arrays came with 2025-03-26 (changelog) and went with 2025-06-18.
#[test]
fn a_batch_is_refused_but_at_the_one_revision_that_has_them() {
    let gateway = gateway(&[fault("one")]);
    for revision in ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"] {
        let plan = Plan {
            revision: revision.to_owned(),
            ..Plan::default()
        };
        let mut client = HonestSse::connected(gateway.address, "/sse", &plan);
        let batch = [
            ping("a"),
            json!({"jsonrpc": "2.0", "method": "notifications/of_tomorrow"}),
            call("b", "one__echo", &json!({"text": revision})),
        ];
        let reply = client.post_raw("application/json", &json!(batch).to_string());
        if revision == "2025-03-26" {
            assert_eq!(client.machine.accepted(&reply), Ok(()));
            for id in ["a", "b"] {
                client.machine.expect(id);
            }
            assert_eq!(client.result(&json!("a")), json!({}));
            assert_eq!(client.text(&json!("b")), revision);
        } else {
            let (status, code, sentence) = refusal(&reply);
            assert_eq!((status, code), (400, -32600), "{revision}");
            assert!(sentence.contains(revision), "{sentence}");
        }
        assert_unharmed(&mut client);
    }
}

#[test]
fn answers_to_nothing_and_unknown_notifications_are_taken_in_silence() {
    let gateway = gateway(&[fault("one")]);
    let mut client = client(&gateway, "/sse");
    for message in [
        json!({"jsonrpc": "2.0", "id": 7, "result": {}}),
        json!({"jsonrpc": "2.0", "id": "x", "error": {"code": 1, "message": "no"}}),
        json!({"jsonrpc": "2.0", "method": "notifications/of_tomorrow"}),
        json!({"jsonrpc": "2.0", "method": "notifications/cancelled"}),
        json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 7}}),
        json!({"jsonrpc": "2.0", "method": "notifications/progress", "params": {"progressToken": 1}}),
    ] {
        let reply = client.post_raw("application/json", &message.to_string());
        assert_eq!(client.machine.accepted(&reply), Ok(()), "{message}");
    }
    assert_unharmed(&mut client);
}

#[test]
fn what_a_child_says_out_of_turn_reaches_no_stream() {
    let gateway = gateway(&[fault("one")]);
    let mut client = client(&gateway, "/sse");
    // Each would be a broken promise, and the machine would say so.
    for tool in ["unknown_id", "duplicate_answer", "garbage"] {
        let arguments = json!({"text": tool, "lines": 5});
        client.call_text(&format!("one__{tool}"), arguments);
    }
    let stray = |params: &Value| {
        let method = "notifications/progress";
        json!({"jsonrpc": "2.0", "method": method, "params": params}).to_string()
    };
    for line in [
        stray(&json!({"progressToken": 1, "progress": 1})),
        stray(&json!({"progressToken": "made up", "progress": 1})),
        stray(&json!({})),
        json!({"jsonrpc": "2.0", "method": "notifications/of_tomorrow"}).to_string(),
        json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1}})
            .to_string(),
    ] {
        assert_eq!(client.call_text("one__send", json!({"line": line})), "sent");
    }
    assert_unharmed(&mut client);
}
