//! What headers say must be what the body says (2026-07-28, transports, "Server Validation").

use serde_json::{Value, json};

use super::{gateway, ready, refused};
use crate::e2e::scene;
use crate::e2e::talk::{connected, fault};
use crate::harness::client::{CallError, Client};
use crate::harness::gateway::{Gateway, Setup, config, server};
use crate::harness::stateless::{META_VERSION, StatelessClient, VERSION, call, request, with_meta};

const ERA: (&str, &str) = ("MCP-Protocol-Version", VERSION);
const LIST: (&str, &str) = ("Mcp-Method", "tools/list");
const CALL: (&str, &str) = ("Mcp-Method", "tools/call");

/// Sees that a request with these headers is refused, for one header and with both values.
#[track_caller]
fn assert_mismatch(
    client: &StatelessClient,
    message: &Value,
    headers: &[(&str, &str)],
    parts: &[&str],
) {
    let reply = client.send(&client.post_with(message, headers));
    assert_eq!(refused(&reply), (400, -32020, message["id"].clone()));
    let sentence = reply.json()["error"]["message"].to_string();
    for part in parts {
        assert!(sentence.contains(part), "{sentence} lacks {part}");
    }
}

#[track_caller]
fn assert_taken(client: &StatelessClient, message: &Value, headers: &[(&str, &str)]) {
    let reply = client.send(&client.post_with(message, headers));
    let answer = reply.json();
    assert_eq!(reply.head.status, 200, "{answer}");
    assert!(answer["result"].is_object(), "{answer}");
}

#[test]
fn the_version_is_in_the_header_and_the_same() {
    let gateway = gateway(&["one"]);
    let client = gateway.stateless_client("/mcp");
    let list = request("v", "tools/list", json!({}));
    assert_taken(&client, &list, &[ERA, LIST]);
    let version = "MCP-Protocol-Version";
    assert_mismatch(&client, &list, &[LIST], &[version, VERSION]);
    let older = (version, "2025-11-25");
    assert_mismatch(
        &client,
        &list,
        &[older, LIST],
        &[version, "2025-11-25", VERSION],
    );
    assert_mismatch(&client, &list, &[ERA, ERA, LIST], &[version]);
    let mut unknown = list;
    unknown["params"]["_meta"][META_VERSION] = json!("v999");
    assert_mismatch(&client, &unknown, &[ERA, LIST], &[version, "v999", VERSION]);
}

#[test]
fn the_method_is_in_the_header_letter_for_letter() {
    let gateway = gateway(&["one"]);
    let client = gateway.stateless_client("/mcp");
    let list = request(1, "tools/list", json!({}));
    for good in ["mcp-method", "MCP-METHOD"] {
        assert_taken(&client, &list, &[ERA, (good, "  tools/list ")]);
    }
    assert_mismatch(&client, &list, &[ERA], &["Mcp-Method", "tools/list"]);
    let other = ("Mcp-Method", "prompts/list");
    let both = ["Mcp-Method", "prompts/list", "tools/list"];
    assert_mismatch(&client, &list, &[ERA, other], &both);
    let upper = ("Mcp-Method", "TOOLS/LIST");
    assert_mismatch(&client, &list, &[ERA, upper], &["TOOLS/LIST"]);
    assert_mismatch(&client, &list, &[ERA, LIST, LIST], &["Mcp-Method"]);
    // What is not served is refused by its headers first.
    let unknown = request(2, "unknown/method", json!({}));
    assert_mismatch(&client, &unknown, &[ERA, LIST], &["unknown/method"]);
}

#[test]
fn the_name_is_in_the_header_as_the_client_knows_it() {
    let gateway = gateway(&["one"]);
    let client = gateway.stateless_client("/mcp");
    let echo = call(1, "one__echo", &json!({"text": "x"}));
    for good in [
        "one__echo",
        "\t one__echo  ",
        // The same in Base64.
        "=?base64?b25lX19lY2hv?=",
    ] {
        assert_taken(&client, &echo, &[ERA, CALL, ("Mcp-Name", good)]);
    }
    assert_mismatch(&client, &echo, &[ERA, CALL], &["Mcp-Name", "one__echo"]);
    for bad in [
        // The server's own name for it.
        "echo",
        "ONE__ECHO",
        "=?base64?b25lX19lY2hv",
        // Without its padding, and what it stands for with another letter.
        "=?base64?b25lX19lY2g?=",
        "=?base64?b25l!19lY2hv?=",
    ] {
        let name = ("Mcp-Name", bad);
        assert_mismatch(&client, &echo, &[ERA, CALL, name], &["Mcp-Name"]);
    }
    let name = ("Mcp-Name", "one__echo");
    assert_mismatch(&client, &echo, &[ERA, CALL, name, name], &["Mcp-Name"]);
}

#[test]
fn prompts_and_resources_are_named_too() {
    let gateway = gateway(&["one"]);
    let client = gateway.stateless_client("/mcp");
    let arguments = json!({"name": "one__greet", "arguments": {"who": "me"}});
    let get = request(1, "prompts/get", arguments);
    let read = request(2, "resources/read", json!({"uri": "fault://static"}));
    for (message, method, name) in [
        (get, "prompts/get", "one__greet"),
        (read, "resources/read", "fault://static"),
    ] {
        let method = ("Mcp-Method", method);
        assert_taken(&client, &message, &[ERA, method, ("Mcp-Name", name)]);
        assert_mismatch(&client, &message, &[ERA, method], &["Mcp-Name", name]);
        let other = [ERA, method, ("Mcp-Name", "other")];
        assert_mismatch(&client, &message, &other, &["Mcp-Name", "other", name]);
    }
}

#[test]
fn sentences_about_long_values_are_short() {
    let gateway = gateway(&["one"]);
    let client = gateway.stateless_client("/mcp");
    let long = "x".repeat(4000);
    let list = request(1, "tools/list", json!({}));
    let reply = client.send(&client.post_with(&list, &[ERA, ("Mcp-Method", &long)]));
    assert_eq!(refused(&reply).0, 400);
    assert!(reply.body.len() < 500, "{}", reply.text());
}

/// A gateway before the server whose tool has arguments that headers repeat.
fn with_mirrors() -> Gateway {
    ready(Gateway::start(&config(&[server(
        "suite",
        "conformance_server",
        &[],
    )])))
}

/// A call with these arguments and these headers for them.
fn custom(
    client: &StatelessClient,
    tool: &str,
    arguments: &Value,
    params: &[(&str, &str)],
) -> (u16, i64, String) {
    let call = call(1, tool, arguments);
    let names: Vec<String> = params
        .iter()
        .map(|(name, _)| format!("Mcp-Param-{name}"))
        .collect();
    let mut headers = vec![ERA, CALL, ("Mcp-Name", tool)];
    let params = names.iter().zip(params);
    headers.extend(params.map(|(name, (_, value))| (name.as_str(), *value)));
    let reply = client.send(&client.post_with(&call, &headers));
    let (status, code, _) = refused(&reply);
    (status, code, reply.text())
}

/// What the header `Region` and the argument of that name make.
fn region(client: &StatelessClient, tool: &str, value: &str, header: &str) -> (u16, i64, String) {
    let arguments = json!({"region": value});
    custom(client, tool, &arguments, &[("Region", header)])
}

#[test]
fn arguments_are_in_the_headers_that_the_tool_asks_for() {
    let gateway = with_mirrors();
    for (path, tool) in [
        ("/mcp", "suite__test_custom_headers"),
        ("/servers/suite/mcp", "test_custom_headers"),
    ] {
        let client = gateway.stateless_client(path);
        for (value, header) in [
            ("Hello", "=?base64?SGVsbG8=?="),
            ("SGVsbG8=", "SGVsbG8="),
            ("=?base64?SGVsbG8=", "=?base64?SGVsbG8="),
            ("Hello, \u{4e16}\u{754c}", "=?base64?SGVsbG8sIOS4lueVjA==?="),
            (" padded ", "=?base64?IHBhZGRlZCA=?="),
            ("us-west1", " us-west1\t"),
        ] {
            let told = region(&client, tool, value, header);
            assert_eq!((told.0, told.1), (200, 0), "{header}: {}", told.2);
        }
        for (value, header) in [
            ("Hello", "=?base64?SGVsbG8?="),
            ("Hello", "=?base64?SGVs!!!bG8=?="),
            ("Hello", "hello"),
        ] {
            let told = region(&client, tool, value, header);
            assert_eq!((told.0, told.1), (400, -32020), "{header}: {}", told.2);
            assert!(told.2.contains("Mcp-Param-Region"), "{}", told.2);
        }
    }
}

#[test]
fn a_header_is_there_when_its_argument_is_and_only_then() {
    let gateway = with_mirrors();
    let client = gateway.stateless_client("/servers/suite/mcp");
    let tool = "test_custom_headers";
    let taken = |arguments: Value, params: &[(&str, &str)]| {
        let told = custom(&client, tool, &arguments, params);
        assert_eq!((told.0, told.1), (200, 0), "{arguments}: {}", told.2);
    };
    let refused = |arguments: Value, params: &[(&str, &str)], part: &str| {
        let told = custom(&client, tool, &arguments, params);
        assert_eq!((told.0, told.1), (400, -32020), "{arguments}: {}", told.2);
        assert!(told.2.contains(part), "{}", told.2);
    };
    let at = ("region", "x");
    taken(
        json!({"region": "x", "priority": 42, "urgent": true}),
        &[at, ("PRIORITY", "42.0"), ("urgent", "true")],
    );
    taken(json!({"region": "x", "priority": null}), &[at]);
    // Nobody asks for these.
    taken(
        json!({"region": "x", "query": "y"}),
        &[at, ("Query", "other"), ("Z", "=?base64?!?=")],
    );
    refused(json!({"region": "x"}), &[], "is missing");
    refused(json!({"region": "x", "priority": 42}), &[at], "42");
    refused(
        json!({"region": "x", "priority": 42}),
        &[at, ("Priority", "43")],
        "43",
    );
    refused(
        json!({"region": "x", "urgent": true}),
        &[at, ("Urgent", "True")],
        "True",
    );
    refused(
        json!({"region": "x"}),
        &[at, ("Priority", "1")],
        "no such value",
    );
    refused(json!({"region": "x"}), &[at, at], "several");
}

#[test]
fn too_many_headers_for_arguments_are_refused() {
    let gateway = with_mirrors();
    let client = gateway.stateless_client("/servers/suite/mcp");
    let names: Vec<String> = (0..65).map(|number| format!("h{number}")).collect();
    let headers: Vec<_> = names.iter().map(|name| (name.as_str(), "x")).collect();
    let few = custom(&client, "test_custom_headers", &json!({}), &headers[..64]);
    assert_eq!((few.0, few.1), (200, 0), "{}", few.2);
    let many = custom(&client, "test_custom_headers", &json!({}), &headers);
    assert_eq!((many.0, many.1), (400, -32600), "{}", many.2);
}

#[test]
fn where_there_are_no_headers_none_are_asked_for() {
    let servers = [server("suite", "conformance_server", &[]), fault("one")];
    let gateway = ready(Gateway::start(&config(&servers)));
    let params = || {
        let arguments = json!({"region": "x"});
        json!({"name": "suite__test_custom_headers", "arguments": arguments})
    };
    let mut sse = gateway.sse_client("/sse");
    let mut stdio = Setup::with_config(config(&servers)).start_stdio();
    let taken = |outcome: Result<Value, CallError>| {
        let result = outcome.expect("it is taken");
        assert!(result["content"].is_array(), "{result}");
    };
    taken(sse.request("tools/call", with_meta(params())));
    taken(stdio.request("tools/call", with_meta(params())));
    // The handshake era has none either.
    taken(connected(&gateway, "/mcp").request("tools/call", params()));
    scene::assert_echo(&mut gateway.stateless_client("/mcp"), "one");
}
