//! Bad input over Streamable HTTP: each has the code of JSON-RPC or MCP, the status of the
//! transport, and a sentence that names the thing. What no JSON-RPC message is gets 400; a
//! request that is one is answered with 200, also where the answer is an error.

use serde_json::json;

use super::talk::{assert_refused, connected, fault, gateway, initialize_params, refusal, request};
use crate::harness::client::{CallError, Client};
use crate::harness::gateway::Gateway;
use crate::harness::http::{Http, Reply, Request};

const PARSE_ERROR: i64 = -32700;
const INVALID_REQUEST: i64 = -32600;
const METHOD_NOT_FOUND: i64 = -32601;
const INVALID_PARAMS: i64 = -32602;
const RESOURCE_NOT_FOUND: i64 = -32002;

/// Bodies that are no JSON-RPC message: the code, the id of the answer, and a word of it.
#[rustfmt::skip]
const NO_MESSAGES: &[(&str, i64, &str, &str)] = &[
    ("", PARSE_ERROR, "null", "parse"),
    ("{", PARSE_ERROR, "null", "parse"),
    ("nonsense", PARSE_ERROR, "null", "parse"),
    (r#"{"jsonrpc":"2.0","id":1,"method":"ping"} x"#, PARSE_ERROR, "null", "parse"),
    (r#"{"jsonrpc":"2.0","id":1,"method":"ping",}"#, PARSE_ERROR, "null", "parse"),
    ("42", INVALID_REQUEST, "null", "number"),
    ("\"ping\"", INVALID_REQUEST, "null", "string"),
    ("null", INVALID_REQUEST, "null", "null"),
    ("{}", INVALID_REQUEST, "null", "jsonrpc"),
    (r#"{"id":1,"method":"ping"}"#, INVALID_REQUEST, "1", "jsonrpc"),
    (r#"{"jsonrpc":"1.0","id":1,"method":"ping"}"#, INVALID_REQUEST, "1", "jsonrpc"),
    (r#"{"jsonrpc":2.0,"id":"a","method":"ping"}"#, INVALID_REQUEST, "\"a\"", "jsonrpc"),
    (r#"{"jsonrpc":"2.0","id":1,"method":""}"#, INVALID_REQUEST, "1", "method"),
    (r#"{"jsonrpc":"2.0","id":1,"method":7}"#, INVALID_REQUEST, "1", "method"),
    (r#"{"jsonrpc":"2.0","id":1}"#, INVALID_REQUEST, "1", "method"),
    (r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#, INVALID_REQUEST, "null", "id"),
    (r#"{"jsonrpc":"2.0","id":1.5,"method":"ping"}"#, INVALID_REQUEST, "null", "id"),
    (r#"{"jsonrpc":"2.0","id":[1],"method":"ping"}"#, INVALID_REQUEST, "null", "id"),
    (r#"{"jsonrpc":"2.0","id":true,"method":"ping"}"#, INVALID_REQUEST, "null", "id"),
    (r#"{"jsonrpc":"2.0","id":1,"id":2,"method":"ping"}"#, INVALID_REQUEST, "null", "id"),
    (r#"{"jsonrpc":"2.0","id":1,"method":"ping","params":"x"}"#, INVALID_REQUEST, "1", "params"),
    (r#"{"jsonrpc":"2.0","id":1,"method":"ping","result":{}}"#, INVALID_REQUEST, "null", "result"),
];

#[test]
fn what_is_no_message_is_answered_with_400_and_its_code() {
    let gateway = gateway(&[fault("one")]);
    let mut client = connected(&gateway, "/mcp");
    for &(body, code, id, word) in NO_MESSAGES {
        let reply = client.post(body).unwrap();
        let (status, told, sentence) = refusal(&reply);
        assert_eq!((status, told), (400, code), "{body}: {sentence}");
        assert_eq!(reply.json()["id"].to_string(), id, "{body}");
        assert_eq!(reply.json()["jsonrpc"], "2.0", "{body}");
        assert!(
            sentence.contains(word),
            "{body}: {sentence:?} lacks {word:?}"
        );
    }
    client
        .request("ping", json!({}))
        .expect("the session goes on");
}

#[test]
fn bytes_that_are_no_text_and_depths_without_end_are_no_json() {
    let gateway = gateway(&[fault("one")]);
    let mut client = connected(&gateway, "/mcp");
    let deep = "[".repeat(100_000);
    let deep_inside = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"ping","params":{{"a":{deep}"#);
    let no_text = b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"\xff\"}".to_vec();
    for body in [no_text, deep.into_bytes(), deep_inside.into_bytes()] {
        let (status, code, _) = refusal(&client.post(body).unwrap());
        assert_eq!((status, code), (400, PARSE_ERROR));
    }
    client
        .request("ping", json!({}))
        .expect("the session goes on");
}

#[test]
fn ids_that_are_good_come_back_as_they_were() {
    let gateway = gateway(&[fault("one")]);
    let client = connected(&gateway, "/mcp");
    let long = "i".repeat(100);
    for id in [
        json!(0),
        json!(-1),
        json!(9_007_199_254_740_993_u64),
        json!("0"),
        json!(""),
        json!("a\"\\\u{1F980}\n"),
        json!(long),
    ] {
        let body = request(id.clone(), "tools/call", &json!({"name": "one__echo"}));
        let reply = client.post(body.to_string()).unwrap();
        assert_eq!(reply.json()["id"], id);
        assert!(reply.json()["result"].is_object());
    }
    let body = r#"{"jsonrpc":"2.0","id":1.0,"method":"ping"}"#;
    let reply = client.post(body).unwrap();
    assert_eq!(reply.text(), r#"{"jsonrpc":"2.0","id":1.0,"result":{}}"#);
}

#[test]
fn unknown_methods_are_named() {
    let gateway = gateway(&[fault("one")]);
    let mut client = connected(&gateway, "/mcp");
    for method in [
        "no/such",
        "Tools/List",
        "tools/list ",
        "tasks/list",
        "server/discover",
        // A server asks these of a client, never a client of a server.
        "sampling/createMessage",
        "roots/list",
        "elicitation/create",
    ] {
        assert_refused(client.request(method, json!({})), METHOD_NOT_FOUND, method);
    }
}

#[test]
fn unknown_tools_prompts_and_resources_are_named() {
    let gateway = gateway(&[fault("one"), fault("two")]);
    let mut client = connected(&gateway, "/mcp");
    for tool in [
        "no_such",
        "echo",
        "one__no_such",
        "three__echo",
        "one_echo",
        "One__echo",
        "",
    ] {
        let outcome = client.call_tool(tool, json!({}));
        assert_refused(outcome, INVALID_PARAMS, &format!("tool \"{tool}\""));
    }
    for prompt in ["greet", "one__no_such"] {
        let outcome = client.request("prompts/get", json!({"name": prompt}));
        assert_refused(outcome, INVALID_PARAMS, &format!("prompt \"{prompt}\""));
    }
    for method in ["resources/read", "resources/subscribe"] {
        let uri = "nowhere://at/all";
        let error = client.request(method, json!({"uri": uri})).unwrap_err();
        assert_eq!(error.code(), RESOURCE_NOT_FOUND, "{method}: {error:?}");
        assert!(error.message().contains(uri), "{method}: {error:?}");
        let CallError::Rpc(object) = error else {
            panic!("{error:?}");
        };
        assert_eq!(object["data"]["uri"], uri, "resources, \"Error Handling\"");
    }
}

#[test]
fn unknown_cursors_are_invalid_parameters() {
    let gateway = gateway(&[fault("one")]);
    let mut client = connected(&gateway, "/mcp");
    for method in [
        "tools/list",
        "prompts/list",
        "resources/list",
        "resources/templates/list",
    ] {
        for cursor in [json!("nobody-gave-this"), json!(""), json!(7)] {
            let outcome = client.request(method, json!({"cursor": cursor}));
            assert_refused(outcome, INVALID_PARAMS, "cursor");
        }
    }
    assert_refused(
        client.request("tools/list", json!({"cursor": "nobody-gave-this"})),
        INVALID_PARAMS,
        "nobody-gave-this",
    );
}

#[test]
fn parameters_that_are_missing_or_wrong_are_named() {
    let gateway = gateway(&[fault("one"), fault("two")]);
    let mut client = connected(&gateway, "/mcp");
    for (method, params, word) in [
        ("tools/call", json!({}), "name"),
        ("tools/call", json!({"name": 7}), "name"),
        ("prompts/get", json!({}), "name"),
        ("resources/read", json!({}), "uri"),
        ("resources/read", json!({"uri": null}), "uri"),
        ("resources/subscribe", json!({}), "uri"),
        ("resources/unsubscribe", json!({}), "uri"),
        ("completion/complete", json!({}), "ref"),
        ("logging/setLevel", json!({}), "level"),
        ("logging/setLevel", json!({"level": "loud"}), "level"),
        ("logging/setLevel", json!({"level": 3}), "level"),
    ] {
        assert_refused(client.request(method, params.clone()), INVALID_PARAMS, word);
    }
    let by_position = request(1, "tools/list", &json!([1]));
    let (_, code, _) = refusal(&client.post(by_position.to_string()).unwrap());
    assert_eq!(code, INVALID_PARAMS);
}

#[test]
fn initialize_needs_its_parameters() {
    let gateway = gateway(&[fault("one")]);
    for (params, word) in [
        (json!({}), "protocolVersion"),
        (json!({"protocolVersion": 1}), "protocolVersion"),
        (
            json!({"protocolVersion": "2025-11-25", "capabilities": []}),
            "capabilities",
        ),
    ] {
        let body = request("i", "initialize", &params).to_string();
        let reply = gateway.client("/mcp").post(body).unwrap();
        let (_, code, sentence) = refusal(&reply);
        assert_eq!(code, INVALID_PARAMS, "{params}");
        assert_eq!(reply.json()["id"], "i");
        assert!(sentence.contains(word), "{sentence}");
        assert_eq!(reply.head.header("mcp-session-id"), None);
    }
}

fn get(gateway: &Gateway, path: &str) -> Reply {
    let request = Request::new("GET", path).header("Accept", "text/event-stream");
    Http::connect(gateway.address)
        .unwrap()
        .request(&request)
        .unwrap()
}

#[test]
fn unknown_servers_groups_and_paths_are_not_found() {
    let gateway = gateway(&[fault("one")]);
    let body = request(1, "initialize", &initialize_params("2025-11-25")).to_string();
    for (path, word) in [
        ("/servers/no-such/mcp", "server \"no-such\""),
        ("/groups/no-such/mcp", "group \"no-such\""),
        ("/servers/ONE/mcp", "server \"ONE\""),
        ("/groups/one/mcp", "group \"one\""),
    ] {
        let reply = gateway.client(path).post(body.clone()).unwrap();
        let (status, _, sentence) = refusal(&reply);
        assert_eq!(status, 404, "{path}");
        assert!(sentence.contains(word), "{path}: {sentence}");
        assert_eq!(reply.json()["id"], 1, "{path}");
        let stream = path.replace("/mcp", "/sse");
        let (status, _, sentence) = refusal(&get(&gateway, &stream));
        assert_eq!(status, 404, "{stream}");
        assert!(sentence.contains(word), "{stream}: {sentence}");
    }
    for path in [
        "/",
        "/nothing",
        "/mcp/x",
        "/servers",
        "/servers/one",
        "/servers/%2e%2e/x/mcp",
    ] {
        let (status, _, sentence) = refusal(&get(&gateway, path));
        assert_eq!(status, 404, "{path}");
        assert!(sentence.contains("/mcp"), "{path}: {sentence}");
    }
}

#[test]
fn an_error_of_a_server_passes_as_it_is() {
    let gateway = gateway(&[fault("one")]);
    let client = connected(&gateway, "/mcp");
    let data = json!({"a": [1, {"b": null}], "c": 1.50});
    let arguments = json!({"code": -32042, "message": "see \"there\"", "data": data});
    let body = super::talk::call("e", "one__refuse", &arguments);
    let reply = client.post(body.to_string()).unwrap();
    assert_eq!(reply.head.status, 200);
    let error = json!({"code": -32042, "message": "see \"there\"", "data": data});
    let whole = json!({"jsonrpc": "2.0", "id": "e", "error": error});
    assert_eq!(reply.json(), whole);
}
