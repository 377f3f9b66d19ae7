//! Servers of the stateless era behind the gateway, for clients of the handshake era: their
//! answers, their questions, what they tell of; and servers whose era the gateway finds out.

use serde_json::{Value, json};

use super::scene::with;
use super::talk::{assert_refused, connected, fault, gateway};
use crate::harness::client::{Client, Duplex};
use crate::harness::gateway::{Gateway, Setup, config, server};
use crate::harness::legacy_sse::SseClient;
use crate::harness::streamable::McpClient;
use crate::harness::{Deadline, PATIENCE};

/// An entry of the config: the fixture that speaks both eras, unless a flag says otherwise.
fn entry(protocol: &str, flags: &[&str]) -> Value {
    with(
        server("conf", "conformance_server", flags),
        "protocol",
        json!(protocol),
    )
}

/// An entry of the config: a shell that does this.
fn shell(protocol: &str, script: &str) -> Value {
    json!({"name": "sh", "command": "sh", "args": ["-c", script], "protocol": protocol})
}

/// The entries that make the gateway speak the stateless era with the fixture.
fn stateless_entries() -> [Value; 3] {
    [
        entry("modern", &[]),
        entry("modern", &["--stateless-only"]),
        entry("auto", &["--stateless-only"]),
    ]
}

/// Lets a client answer every question of a server.
fn answer_all(client: &mut impl Client) {
    let book = client.book();
    book.capabilities = json!({"sampling": {}, "elicitation": {}, "roots": {}});
    book.react("sampling/createMessage", |_| {
        Ok(json!({"role": "assistant", "model": "m",
            "content": {"type": "text", "text": "Paris"}}))
    });
    book.react("elicitation/create", |params| {
        let fields = params["requestedSchema"]["properties"].as_object();
        let content: Value = fields
            .into_iter()
            .flatten()
            .map(|(name, field)| {
                let value = match field["type"].as_str() {
                    Some("boolean") => json!(true),
                    _ => json!("Ann"),
                };
                (name.clone(), value)
            })
            .collect();
        Ok(json!({"action": "accept", "content": content}))
    });
    book.react("roots/list", |_| {
        Ok(json!({"roots": [{"uri": "file:///home"}]}))
    });
}

fn streamable(gateway: &Gateway) -> McpClient {
    let mut client = gateway.client("/servers/conf/mcp");
    answer_all(&mut client);
    client.initialize().expect("the handshake succeeds");
    client.tool_names().expect("a first list");
    client
}

fn sse(gateway: &Gateway) -> SseClient {
    let mut client = gateway.sse_client("/servers/conf/sse");
    answer_all(&mut client);
    client.initialize().expect("the handshake succeeds");
    client.tool_names().expect("a first list");
    client
}

/// Everything that a client of the handshake era can want of a server.
fn assert_served(client: &mut impl Client) {
    let text = client.call_text("test_simple_text", json!({}));
    assert_eq!(
        text.expect("it answers"),
        "This is a simple text response for testing."
    );
    let read = client.request("resources/read", json!({"uri": "test://static-text"}));
    assert!(read.expect("it is read")["contents"][0]["text"].is_string());
    let prompt = client.request("prompts/get", json!({"name": "test_simple_prompt"}));
    assert!(prompt.expect("it is there")["messages"].is_array());
    let params = json!({"name": "test_tool_with_progress", "arguments": {}, "_meta": {"progressToken": "t"}});
    client.request("tools/call", params).expect("it answers");
    let progress = client.book().heard("notifications/progress");
    assert_eq!(progress.len(), 3, "{progress:?}");
    assert_eq!(progress[0]["params"]["progressToken"], "t");
    let logged = client.call_text("test_tool_with_logging", json!({}));
    logged.expect("it answers");
    assert_eq!(client.book().heard("notifications/message").len(), 3);
}

/// Everything that a server can ask of a client.
fn assert_asked(client: &mut impl Client) {
    let mut ask = |tool: &str| {
        let name = format!("test_input_required_result_{tool}");
        let asked = client.book().requests.len();
        let text = client.call_text(&name, json!({})).expect("it is answered");
        let requests = client.book().requests[asked..].iter();
        let methods: Vec<String> = requests
            .map(|request| request["method"].as_str().unwrap_or_default().to_owned())
            .collect();
        (text, methods)
    };
    assert_eq!(
        ask("elicitation"),
        (
            "Hello, Ann!".to_owned(),
            vec!["elicitation/create".to_owned()]
        )
    );
    let (text, methods) = ask("sampling");
    assert_eq!((&*text, &*methods[0]), ("Paris", "sampling/createMessage"));
    let (text, methods) = ask("list_roots");
    assert!(text.contains("file:///home"), "{text}");
    assert_eq!(methods, ["roots/list"]);
    let (text, _) = ask("request_state");
    assert!(text.contains("state-ok"), "{text}");
    let (text, methods) = ask("multiple_inputs");
    assert!(text.contains("Paris") && text.contains("Ann"), "{text}");
    assert_eq!(methods.len(), 3, "{methods:?}");
    let (text, methods) = ask("multi_round");
    assert!(text.contains("step1") && text.contains("step2"), "{text}");
    assert_eq!(methods, ["elicitation/create", "elicitation/create"]);
    let read = client.request("resources/read", json!({"uri": "test://input-required"}));
    let read = read.expect("it is read");
    assert_eq!(read["contents"][0]["text"], "Written for Ann");
    let params = json!({"name": "test_input_required_result_prompt"});
    let prompt = client.request("prompts/get", params).expect("it is there");
    assert!(prompt.to_string().contains("Ann"), "{prompt}");
}

#[test]
fn a_handshake_client_has_all_of_a_stateless_server() {
    for entry in stateless_entries() {
        let gateway = gateway(std::slice::from_ref(&entry));
        let mut client = streamable(&gateway);
        assert_served(&mut client);
        assert_asked(&mut client);
        // It is the stateless era that is spoken.
        let plain = client.call_tool("test_simple_text", json!({}));
        assert_eq!(plain.expect("it answers")["resultType"], "complete");
        let mut client = sse(&gateway);
        assert_served(&mut client);
        assert_asked(&mut client);
    }
}

#[test]
fn over_stdio_and_with_a_child_of_its_own_it_is_the_same() {
    for scope in ["shared", "session"] {
        let entry = with(entry("auto", &["--stateless-only"]), "scope", json!(scope));
        let entry = with(entry, "prefix", json!(""));
        let mut client = Setup::with_config(config(&[entry])).start_stdio();
        answer_all(&mut client);
        client.initialize().expect("the handshake succeeds");
        assert_served(&mut client);
        assert_asked(&mut client);
    }
}

#[test]
fn a_client_that_cannot_be_asked_is_told_what_it_lacks() {
    let gateway = gateway(&[entry("modern", &[])]);
    let mut client = connected(&gateway, "/servers/conf/mcp");
    // The server knows what the client can, for each request says so.
    let told = client.call_tool("test_input_required_result_elicitation", json!({}));
    assert_refused(told, -32021, "capabilities");
    let mut shy = gateway.client("/servers/conf/mcp");
    shy.book.capabilities = json!({"sampling": {}, "elicitation": {}});
    shy.initialize().expect("the handshake succeeds");
    // A client that fails to elicit leaves the choice open; one that fails to sample fails.
    let told = shy.call_text("test_input_required_result_elicitation", json!({}));
    assert_eq!(told.expect("it goes on"), "Hello!");
    let told = shy.call_tool("test_input_required_result_sampling", json!({}));
    assert_refused(told, -32601, "no method sampling/createMessage");
}

#[test]
fn changes_are_told_to_who_listens_and_subscribes() {
    for entry in stateless_entries() {
        let gateway = gateway(&[entry]);
        let mut client = sse(&gateway);
        client
            .call_text("test_trigger_tool_change", json!({}))
            .expect("it answers");
        let method = "notifications/tools/list_changed";
        client.wait_for_notification(method).expect("it is told");
        let tools = client.tool_names().expect("the list");
        assert!(tools.contains(&"test_dynamic_tool".to_owned()), "{tools:?}");

        let uri = json!({"uri": "test://watched-resource"});
        client
            .request("resources/subscribe", uri.clone())
            .expect("it is granted");
        let updated = "notifications/resources/updated";
        // The server is asked to tell of it in a moment.
        let told = Deadline::after(PATIENCE).poll(|| {
            client
                .call_text("test_trigger_resource_change", json!({}))
                .expect("it answers");
            let heard = Client::book(&mut client).heard(updated).len();
            (heard > 0).then_some(())
        });
        assert!(told.is_some(), "nothing is told of the resource");
        let told = client.wait_for_notification(updated).expect("it was told");
        assert_eq!(told["params"]["uri"], "test://watched-resource");
        let meta = told["params"]["_meta"].to_string();
        assert!(!meta.contains("subscriptionId"), "{told}");

        client
            .request("resources/unsubscribe", uri)
            .expect("it is granted");
        Client::book(&mut client).notifications.clear();
        client
            .call_text("test_trigger_resource_change", json!({}))
            .expect("it answers");
        client
            .call_text("test_simple_text", json!({}))
            .expect("it answers");
        assert!(Client::book(&mut client).heard(updated).is_empty());
    }
}

#[test]
fn an_auto_server_of_the_handshake_era_is_greeted_as_such() {
    let gateway = gateway(&[entry("auto", &["--handshake-only"])]);
    let mut client = streamable(&gateway);
    let plain = client.call_tool("test_simple_text", json!({}));
    assert!(plain.expect("it answers").get("resultType").is_none());
    let text = client.call_text("test_elicitation", json!({"message": "who?"}));
    assert!(text.expect("it answers").contains("accept"));
}

#[test]
fn an_auto_server_of_both_eras_is_spoken_to_in_the_new_one() {
    let gateway = gateway(&[entry("auto", &[])]);
    let mut client = streamable(&gateway);
    let plain = client.call_tool("test_simple_text", json!({}));
    assert_eq!(plain.expect("it answers")["resultType"], "complete");
}

/// A shell that reads a line, does something if it is a probe, and is the fault server else.
fn picky(name: &str, at_a_probe: &str) -> Value {
    let fault = fault(name);
    let command = fault["command"].as_str().expect("a path");
    let script = format!(
        r#"IFS= read -r line; case "$line" in *server/discover*) {at_a_probe};; esac
           {{ printf '%s\n' "$line"; cat; }} | {command} --name {name}"#
    );
    shell("auto", &script)
}

#[test]
fn an_auto_server_that_ends_at_the_probe_or_is_silent_is_of_the_handshake_era() {
    for at_a_probe in ["exit 3", "cat >/dev/null; exit 0"] {
        let gateway = gateway(&[picky("sh", at_a_probe)]);
        let mut client = connected(&gateway, "/servers/sh/mcp");
        let text = client.call_text("echo", json!({"text": "hello"}));
        assert_eq!(text.expect("it answers"), "hello");
    }
}

#[test]
fn a_server_that_is_declared_of_the_wrong_era_is_told_so() {
    let gateway = gateway(&[
        entry("modern", &["--handshake-only"]),
        with(entry("legacy", &["--stateless-only"]), "name", json!("new")),
    ]);
    for (path, part) in [
        ("/servers/conf/mcp", r#"though its "protocol" is "modern""#),
        (
            "/servers/new/mcp",
            r#"its "protocol" must be "modern" or "auto""#,
        ),
    ] {
        let mut client = gateway.client(path);
        client.initialize().expect("the handshake succeeds");
        let told = client.call_tool("test_simple_text", json!({}));
        let error = told.expect_err("it is not up");
        assert!(error.message().contains(part), "{}", error.message());
    }
}

#[test]
fn a_cancelled_call_takes_its_question_along() {
    let gateway = gateway(&[entry("modern", &[])]);
    let mut client = sse(&gateway);
    let call = json!({"name": "test_input_required_result_elicitation", "arguments": {}});
    let call = Client::book(&mut client).request("tools/call", &call);
    client.send_message(&call).expect("it is sent");
    let question = client.receive_message().expect("it is asked");
    assert_eq!(question["method"], "elicitation/create");
    let cancel = json!({"requestId": call["id"]});
    client
        .notify("notifications/cancelled", cancel)
        .expect("it is sent");
    let void = client.receive_message().expect("it is told");
    assert_eq!(void["method"], "notifications/cancelled", "{void}");
    assert_eq!(void["params"]["requestId"], question["id"]);
    // An answer that comes too late changes nothing.
    let late = json!({"jsonrpc": "2.0", "id": question["id"], "result": {"action": "cancel"}});
    client.send_message(&late).expect("it is sent");
    let text = client.call_text("test_simple_text", json!({}));
    assert!(text.expect("it answers").starts_with("This is"));
}
