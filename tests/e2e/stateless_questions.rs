//! What servers of the handshake era ask of clients of 2026-07-28, which have no session: the
//! questions come as results, and the answers with a new request (basic/patterns/mrtr).

use serde_json::{Value, json};

use super::talk::fault;
use crate::harness::client::Duplex;
use crate::harness::gateway::{Gateway, Setup, config, server};
use crate::harness::http::{Http, Reply, Request};

const VERSION: &str = "2026-07-28";

/// A server that asks, in the handshake era alone.
fn asking(scope: &str) -> Value {
    let mut entry = server("c", "conformance_server", &["--handshake-only"]);
    entry["scope"] = scope.into();
    entry
}

/// A request of a client that can be asked everything.
fn request(id: u64, method: &str, params: &Value) -> Value {
    let all = json!({"sampling": {}, "elicitation": {}, "roots": {}});
    request_of(&all, id, method, params)
}

/// A request of a client with these capabilities.
fn request_of(capabilities: &Value, id: u64, method: &str, params: &Value) -> Value {
    let mut params = params.clone();
    params["_meta"] = json!({
        "io.modelcontextprotocol/protocolVersion": VERSION,
        "io.modelcontextprotocol/clientCapabilities": capabilities,
    });
    json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params})
}

/// The same request with answers to what a result asks: to each question the one for its method.
fn retry(request: &Value, asking: &Value) -> Value {
    let mut retry = request.clone();
    retry["id"] = json!(request["id"].as_u64().expect("a number") + 1);
    let params = &mut retry["params"];
    params["requestState"] = asking["requestState"].clone();
    let questions = asking["inputRequests"].as_object().expect("questions");
    params["inputResponses"] = questions
        .iter()
        .map(|(key, question)| (key.clone(), answer_to(question)))
        .collect();
    retry
}

fn answer_to(question: &Value) -> Value {
    match question["method"].as_str().expect("a method") {
        "sampling/createMessage" => {
            json!({"role": "assistant", "model": "m", "content": {"type": "text", "text": "Paris"}})
        }
        "elicitation/create" => json!({
            "action": "accept",
            "content": {"name": "Ada", "color": "red", "context": "much", "ok": true},
        }),
        _ => json!({"roots": [{"uri": "file:///home/ada"}]}),
    }
}

/// Sends a request with the headers that say the same.
fn post(gateway: &Gateway, path: &str, request: &Value) -> Reply {
    let params = &request["params"];
    let name = params["name"].as_str().or(params["uri"].as_str());
    let sent = Request::new("POST", path)
        .header("Content-Type", "application/json")
        .header("Accept", "application/json, text/event-stream")
        .header("MCP-Protocol-Version", VERSION)
        .header("Mcp-Method", request["method"].as_str().expect("a method"))
        .header("Mcp-Name", name.expect("a name"))
        .body(request.to_string());
    let http = Http::connect(gateway.address);
    let reply = http.and_then(|mut http| http.request(&sent));
    reply.expect("the gateway answers")
}

/// The result of a request.
fn result(gateway: &Gateway, path: &str, request: &Value) -> Value {
    let reply = post(gateway, path, request);
    assert_eq!(reply.head.status, 200, "{}", reply.text());
    let message = reply.json();
    assert_eq!(message["id"], request["id"], "{message}");
    assert!(message["result"].is_object(), "{message}");
    message["result"].clone()
}

/// A result that asks.
fn asked(gateway: &Gateway, path: &str, request: &Value) -> Value {
    let asking = result(gateway, path, request);
    assert_eq!(asking["resultType"], "input_required", "{asking}");
    asking
}

/// A complete result, after one round of questions for these methods.
fn after_questions(gateway: &Gateway, path: &str, request: &Value, methods: &[&str]) -> Value {
    let asking = asked(gateway, path, request);
    let questions = asking["inputRequests"].as_object().expect("questions");
    let mut found: Vec<&str> = questions
        .values()
        .filter_map(|q| q["method"].as_str())
        .collect();
    found.sort_unstable();
    assert_eq!(found, methods);
    let told = result(gateway, path, &retry(request, &asking));
    assert_eq!(told["resultType"], "complete", "{told}");
    told
}

fn tool(name: &str) -> Value {
    json!({"name": format!("test_{name}"), "arguments": {}})
}

const ELICIT: &str = "elicitation/create";

#[test]
fn what_a_tool_asks_comes_as_a_result_and_the_retry_brings_the_end() {
    let gateway = Gateway::start(&config(&[asking("shared")]));
    let path = "/servers/c/mcp";
    for (name, method, told) in [
        ("input_required_result_elicitation", ELICIT, "Hello, Ada!"),
        (
            "input_required_result_sampling",
            "sampling/createMessage",
            "Paris",
        ),
    ] {
        let request = request(1, "tools/call", &tool(name));
        let end = after_questions(&gateway, path, &request, &[method]);
        assert_eq!(end["content"][0]["text"], told);
    }
    // Merged, the name is another; the questions are the same.
    let name = "c__test_input_required_result_elicitation";
    let merged = request(7, "tools/call", &json!({"name": name}));
    let end = after_questions(&gateway, "/mcp", &merged, &[ELICIT]);
    assert_eq!(end["content"][0]["text"], "Hello, Ada!");
}

#[test]
fn prompts_and_resources_ask_as_well() {
    let gateway = Gateway::start(&config(&[asking("shared")]));
    let path = "/servers/c/mcp";
    let prompt = json!({"name": "test_input_required_result_prompt"});
    let prompt = request(1, "prompts/get", &prompt);
    let end = after_questions(&gateway, path, &prompt, &[ELICIT]);
    assert!(end.to_string().contains("Use this context: much"), "{end}");
    let resource = request(
        1,
        "resources/read",
        &json!({"uri": "test://input-required"}),
    );
    let end = after_questions(&gateway, path, &resource, &[ELICIT]);
    assert_eq!(end["contents"][0]["text"], "Written for Ada");
}

#[test]
fn questions_asked_at_once_come_at_once_roots_among_them_where_sessions_have_children() {
    let gateway = Gateway::start(&config(&[asking("session")]));
    let all = request(
        1,
        "tools/call",
        &tool("input_required_result_multiple_inputs"),
    );
    let methods = [ELICIT, "roots/list", "sampling/createMessage"];
    let end = after_questions(&gateway, "/servers/c/mcp", &all, &methods);
    for told in ["Ada", "Paris", "file:///home/ada"] {
        assert!(end.to_string().contains(told), "{end}");
    }
}

#[test]
fn one_question_after_the_other_needs_a_state_each() {
    let gateway = Gateway::start(&config(&[asking("shared")]));
    let path = "/servers/c/mcp";
    let first = request(1, "tools/call", &tool("input_required_result_multi_round"));
    let asking = asked(&gateway, path, &first);
    let second = retry(&first, &asking);
    let asking_again = asked(&gateway, path, &second);
    assert_ne!(asking["requestState"], asking_again["requestState"]);
    assert!(
        asking_again.to_string().contains("Step 2"),
        "{asking_again}"
    );
    // The first state was used.
    let (code, sentence) = refused(&post(&gateway, path, &second));
    assert_eq!(
        (code, sentence.as_str()),
        (-32602, "requestState was used already")
    );
    let end = result(&gateway, path, &retry(&second, &asking_again));
    assert_eq!(end["resultType"], "complete", "{end}");
}

fn refused(reply: &Reply) -> (i64, String) {
    let error = &reply.json()["error"];
    let sentence = error["message"].as_str().unwrap_or_default();
    (
        error["code"].as_i64().expect("an error"),
        sentence.to_owned(),
    )
}

#[test]
fn a_state_is_sealed_to_request_and_gateway() {
    let started = || Gateway::start(&config(&[asking("shared")]));
    let (gateway, other) = (started(), started());
    let path = "/servers/c/mcp";
    let call = request(
        1,
        "tools/call",
        &tool("input_required_result_tampered_state"),
    );
    let good = retry(&call, &asked(&gateway, path, &call));
    let mut tampered = good.clone();
    let state = good["params"]["requestState"].as_str().expect("a state");
    tampered["params"]["requestState"] = format!("{state}-TAMPERED").into();
    let mut elsewhere = good.clone();
    elsewhere["params"]["name"] = "test_input_required_result_elicitation".into();
    for (gateway, bad, why) in [
        (&gateway, &tampered, "not given out by this gateway"),
        (&gateway, &elsewhere, "given out for another request"),
        (&other, &good, "not given out by this gateway"),
    ] {
        let (code, sentence) = refused(&post(gateway, path, bad));
        assert_eq!(code, -32602, "{sentence}");
        assert!(sentence.contains(why), "{sentence}");
    }
    let end = result(&gateway, path, &good);
    assert!(end.to_string().contains("state-ok"), "{end}");
}

#[test]
fn a_client_is_not_asked_what_its_request_does_not_declare() {
    let gateway = Gateway::start(&config(&[fault("one")]));
    let call = json!({"name": "one__ask_sampling", "arguments": {}});
    for can in [json!({}), json!({"elicitation": {}})] {
        let reply = post(&gateway, "/mcp", &request_of(&can, 1, "tools/call", &call));
        assert_eq!(reply.head.status, 400, "{}", reply.text());
        let error = &reply.json()["error"];
        assert_eq!(error["code"], -32021, "{error}");
        let wanted = json!({"requiredCapabilities": {"sampling": {}}});
        assert_eq!(error["data"], wanted, "{error}");
    }
}

#[test]
fn a_call_may_take_longer_while_its_client_is_away() {
    let mut entry = fault("one");
    entry["timeout"] = "500ms".into();
    let gateway = Gateway::start(&config(&[entry]));
    let call = json!({"name": "one__ask_elicitation", "arguments": {}});
    let call = request(1, "tools/call", &call);
    let asking = asked(&gateway, "/mcp", &call);
    // A person thinks; the call's time stands still.
    std::thread::sleep(std::time::Duration::from_millis(1200));
    let end = result(&gateway, "/mcp", &retry(&call, &asking));
    assert!(end.to_string().contains("Ada"), "{end}");
}

#[test]
fn the_deepest_arguments_are_leased_like_others() {
    let gateway = Gateway::start(&config(&[fault("one")]));
    // The message itself is four levels deep around it, and 128 are read.
    let deep = format!("{}1{}", "{\"k\":".repeat(124), "}".repeat(124));
    let deep: Value = serde_json::from_str(&deep).expect("JSON");
    let call = json!({"name": "one__ask_elicitation", "arguments": {"deep": deep}});
    let call = request(1, "tools/call", &call);
    let end = after_questions(&gateway, "/mcp", &call, &[ELICIT]);
    assert!(end.to_string().contains("Ada"), "{end}");
}

#[test]
fn a_client_on_stdio_is_asked_in_the_same_way() {
    let mut client = Setup::with_config(config(&[asking("shared")])).start_stdio();
    let call = json!({"name": "c__test_input_required_result_elicitation"});
    let call = request(1, "tools/call", &call);
    client.send_message(&call).unwrap();
    let asking = client.receive_message().unwrap();
    assert_eq!(asking["result"]["resultType"], "input_required", "{asking}");
    client
        .send_message(&retry(&call, &asking["result"]))
        .unwrap();
    let end = client.receive_message().unwrap();
    assert_eq!(end["id"], 2);
    assert_eq!(end["result"]["content"][0]["text"], "Hello, Ada!");
}

#[test]
fn the_gateway_ends_though_calls_are_leased() {
    let gateway = Gateway::start(&config(&[asking("shared")]));
    let call = request(1, "tools/call", &tool("input_required_result_elicitation"));
    asked(&gateway, "/servers/c/mcp", &call);
    let stopped = gateway.stop();
    assert_eq!(stopped.status.code(), Some(0), "{}", stopped.log);
}
