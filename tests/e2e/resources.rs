//! Resources, whose URIs are never rewritten: reading by list, template, link, or by asking all;
//! ambiguity, which fails closed; completions; subscriptions, counted and told to the right
//! session.

use serde_json::{Value, json};

use super::talk::{assert_refused, connected, fault, gateway, sse_connected};
use crate::harness::client::{CallError, Client, Duplex};
use crate::harness::gateway::server;

const UPDATED: &str = "notifications/resources/updated";
const INVALID_PARAMS: i64 = -32602;
const RESOURCE_NOT_FOUND: i64 = -32002;

fn read(client: &mut impl Client, uri: &str) -> Result<String, CallError> {
    let result = client.request("resources/read", json!({"uri": uri}))?;
    assert_eq!(
        result["contents"][0]["uri"], uri,
        "URIs are never rewritten"
    );
    Ok(result["contents"][0]["text"]
        .as_str()
        .unwrap_or_default()
        .to_owned())
}

/// Sees that an error names both servers, so that the client can ask one.
#[track_caller]
fn assert_ambiguous<T: std::fmt::Debug>(outcome: Result<T, CallError>, uri: &str) {
    let error = outcome.expect_err("nobody can say which is meant");
    for part in [uri, "/servers/one/mcp", "/servers/two/mcp"] {
        assert!(error.message().contains(part), "{error:?} lacks {part}");
    }
    assert_eq!(error.code(), INVALID_PARAMS, "{error:?}");
}

#[test]
fn lists_of_resources_and_templates_are_merged() {
    let conformance = server("c", "conformance_server", &[]);
    let gateway = gateway(&[fault("one"), fault("two"), conformance]);
    let mut client = connected(&gateway, "/mcp");
    let resources = client.list("resources/list", "resources").unwrap();
    let uris: Vec<_> = resources
        .iter()
        .filter_map(|item| item["uri"].as_str())
        .collect();
    for uri in [
        "fault://one/own",
        "fault://two/own",
        "fault://static",
        "test://static-text",
    ] {
        let count = uris.iter().filter(|&&known| known == uri).count();
        assert_eq!(count, 1, "{uri} in {uris:?}");
    }
    let templates = client
        .list("resources/templates/list", "resourceTemplates")
        .unwrap();
    let texts: Vec<_> = templates
        .iter()
        .filter_map(|item| item["uriTemplate"].as_str())
        .collect();
    for text in ["fault://item/{id}", "test://template/{id}/data"] {
        assert!(texts.contains(&text), "{texts:?}");
    }
}

#[test]
fn a_listed_resource_is_read_from_its_server() {
    let gateway = gateway(&[fault("one"), fault("two")]);
    let mut client = connected(&gateway, "/mcp");
    for name in ["one", "two"] {
        let uri = format!("fault://{name}/own");
        let text = read(&mut client, &uri).unwrap();
        assert_eq!(text, format!("{name} reads {uri}"));
    }
}

#[test]
fn a_resource_of_two_servers_is_refused_and_both_are_named() {
    let gateway = gateway(&[fault("one"), fault("two")]);
    let mut client = connected(&gateway, "/mcp");
    // By the lists, by the templates, and by asking all.
    for uri in ["fault://static", "fault://item/7", "fault://unlisted/7"] {
        assert_ambiguous(read(&mut client, uri), uri);
        // The error leads to where it can be read.
        let mut one = connected(&gateway, "/servers/one/mcp");
        assert_eq!(read(&mut one, uri).unwrap(), format!("one reads {uri}"));
    }
    let params = json!({"uri": "fault://static"});
    assert_ambiguous(
        client.request("resources/subscribe", params),
        "fault://static",
    );
}

#[test]
fn a_resource_that_nobody_lists_is_asked_of_all() {
    let conformance = server("c", "conformance_server", &[]);
    let gateway = gateway(&[
        conformance,
        fault("one"),
        server("dumb", "fault_server", &["--no-tools", "--name", "x"]),
    ]);
    let mut client = connected(&gateway, "/mcp");
    // The two fault servers know it; the conformance server does not.
    let error = read(&mut client, "fault://unlisted/1").unwrap_err();
    assert!(error.message().contains("/servers/dumb/mcp"), "{error:?}");
    assert!(!error.message().contains("/servers/c/mcp"), "{error:?}");
    let missing = read(&mut client, "fault://nobody/1");
    assert_refused(missing, RESOURCE_NOT_FOUND, "fault://nobody/1");
}

#[test]
fn a_resource_that_one_of_all_knows_is_read_there() {
    let conformance = server("c", "conformance_server", &[]);
    let gateway = gateway(&[conformance, fault("one")]);
    let mut client = connected(&gateway, "/mcp");
    let text = read(&mut client, "fault://unlisted/1").unwrap();
    assert_eq!(text, "one reads fault://unlisted/1");
    let text = read(&mut client, "fault://item/1").unwrap();
    assert_eq!(text, "one reads fault://item/1", "by the template");
}

#[test]
fn a_link_that_a_tool_returned_leads_to_its_server() {
    let gateway = gateway(&[fault("one"), fault("two")]);
    let mut client = connected(&gateway, "/mcp");
    let uri = "fault://unlisted/from-a-link";
    let result = client
        .call_tool("two__resource_link", json!({"uri": uri}))
        .unwrap();
    assert_eq!(result["content"][0]["uri"], uri);
    assert_eq!(read(&mut client, uri).unwrap(), format!("two reads {uri}"));
}

#[test]
fn a_link_of_both_servers_is_ambiguous() {
    let gateway = gateway(&[fault("one"), fault("two")]);
    let mut client = connected(&gateway, "/mcp");
    let uri = "fault://unlisted/of-both";
    for tool in ["one__resource_link", "two__resource_link"] {
        client.call_tool(tool, json!({"uri": uri})).unwrap();
    }
    assert_ambiguous(read(&mut client, uri), uri);
}

fn complete(
    client: &mut impl Client,
    reference: &Value,
    name: &str,
    value: &str,
) -> Result<Value, CallError> {
    let argument = json!({"name": name, "value": value});
    let params = json!({"ref": reference, "argument": argument});
    let mut result = client.request("completion/complete", params)?;
    Ok(result["completion"]["values"].take())
}

#[test]
fn completions_go_to_the_server_of_the_prompt_or_template() {
    let gateway = gateway(&[fault("one"), server("c", "conformance_server", &[])]);
    let mut client = connected(&gateway, "/mcp");
    let prompt = json!({"type": "ref/prompt", "name": "one__greet"});
    assert_eq!(
        complete(&mut client, &prompt, "who", "a").unwrap(),
        json!(["ada", "alan"])
    );
    let template = json!({"type": "ref/resource", "uri": "fault://item/{id}"});
    assert_eq!(
        complete(&mut client, &template, "id", "1").unwrap(),
        json!(["1", "12"])
    );
    let unknown = json!({"type": "ref/prompt", "name": "greet"});
    let outcome = complete(&mut client, &unknown, "who", "a");
    assert_refused(outcome, INVALID_PARAMS, "\"greet\"");
    let mut bare = connected(&gateway, "/servers/one/mcp");
    let prompt = json!({"type": "ref/prompt", "name": "greet"});
    assert_eq!(
        complete(&mut bare, &prompt, "who", "b").unwrap(),
        json!(["barbara"])
    );
}

#[test]
fn a_completion_of_a_template_of_two_servers_is_refused() {
    let gateway = gateway(&[fault("one"), fault("two")]);
    let mut client = connected(&gateway, "/mcp");
    let uri = "fault://item/{id}";
    let template = json!({"type": "ref/resource", "uri": uri});
    assert_ambiguous(complete(&mut client, &template, "id", "1"), uri);
}

fn subscribe(client: &mut impl Client, uri: &str) {
    let done = client.request("resources/subscribe", json!({"uri": uri}));
    assert_eq!(done.expect("a subscription"), json!({}));
}

fn unsubscribe(client: &mut impl Client, uri: &str) {
    let done = client.request("resources/unsubscribe", json!({"uri": uri}));
    assert_eq!(done.expect("its end"), json!({}));
}

/// What the child of a server believes to be subscribed to.
fn subscribed(client: &mut impl Client, server: &str) -> Value {
    let tool = format!("{server}__whoami");
    let text = client.call_text(&tool, json!({})).expect("an answer");
    let me: Value = serde_json::from_str(&text).expect("JSON");
    me["subscribed"].clone()
}

#[test]
fn an_update_is_told_to_those_who_subscribed() {
    let gateway = gateway(&[fault("one"), fault("two")]);
    let mut subscriber = sse_connected(&gateway, "/sse");
    let mut bystander = sse_connected(&gateway, "/sse");
    let mut streamable = connected(&gateway, "/servers/one/mcp");
    let mut stream = streamable.get_stream(None).unwrap();
    let uri = "fault://one/own";
    subscribe(&mut subscriber, uri);
    subscribe(&mut streamable, uri);
    subscribe(&mut bystander, "fault://two/own");
    let told = bystander
        .call_text("one__touch", json!({"uri": uri}))
        .unwrap();
    assert_eq!(told, "told");
    let update = subscriber.wait_for_notification(UPDATED).unwrap();
    assert_eq!(update["params"], json!({"uri": uri}));
    let message = stream.next_message().unwrap().unwrap();
    assert_eq!(message["params"], json!({"uri": uri}));
    // Had the bystander been told, it would have been before this.
    subscriber
        .call_text("two__touch", json!({"uri": "fault://two/own"}))
        .unwrap();
    let update = bystander.wait_for_notification(UPDATED).unwrap();
    assert_eq!(update["params"]["uri"], "fault://two/own");
    subscriber.request("ping", json!({})).unwrap();
    assert!(subscriber.book.heard(UPDATED).is_empty());
}

#[test]
fn subscriptions_are_counted() {
    let gateway = gateway(&[fault("one"), fault("two")]);
    let mut first = sse_connected(&gateway, "/sse");
    let mut second = connected(&gateway, "/mcp");
    let uri = "fault://one/own";
    for _ in 0..2 {
        subscribe(&mut first, uri); // Twice is once.
    }
    subscribe(&mut second, uri);
    assert_eq!(subscribed(&mut first, "one"), json!([uri]));
    unsubscribe(&mut first, uri);
    assert_eq!(
        subscribed(&mut first, "one"),
        json!([uri]),
        "the second is left"
    );
    second.call_text("one__touch", json!({"uri": uri})).unwrap();
    unsubscribe(&mut second, uri);
    assert_eq!(subscribed(&mut first, "one"), json!([]));
    assert!(first.book.heard(UPDATED).is_empty(), "it had unsubscribed");
    unsubscribe(&mut second, uri);
}

#[test]
fn the_end_of_a_session_ends_its_subscriptions() {
    let gateway = gateway(&[fault("one")]);
    let mut leaving = connected(&gateway, "/mcp");
    let mut staying = connected(&gateway, "/mcp");
    let uri = "fault://one/own";
    subscribe(&mut leaving, uri);
    subscribe(&mut staying, "fault://static");
    assert_eq!(
        subscribed(&mut staying, "one"),
        json!(["fault://one/own", "fault://static"])
    );
    leaving.delete().unwrap();
    assert_eq!(subscribed(&mut staying, "one"), json!(["fault://static"]));
}
