//! What a view shows: lists merged under prefixes, the rules of the config, groups, the
//! unprefixed endpoint of one server, names that collide or are too long, and the way back from
//! each name to its server. Resources have a module of their own.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::talk::{assert_refused, connected, fault, fault_with, gateway, sse_connected};
use crate::harness::client::{Client, Duplex};
use crate::harness::gateway::{Setup, server};
use crate::harness::streamable::McpClient;

const TOOLS_CHANGED: &str = "notifications/tools/list_changed";

/// The names of a list, in their order.
fn names(client: &mut McpClient, method: &str, member: &str, key: &str) -> Vec<String> {
    let items = client.list(method, member).expect("a list");
    let name = |item: &Value| item[key].as_str().expect("a name").to_owned();
    items.iter().map(name).collect()
}

/// Who answers to a tool that tells it.
fn name_of(client: &mut McpClient, tool: &str) -> String {
    let text = client.call_text(tool, json!({})).expect("an answer");
    let me: Value = serde_json::from_str(&text).expect("JSON");
    me["name"].as_str().expect("a name").to_owned()
}

fn conformance(name: &str) -> Value {
    server(name, "conformance_server", &[])
}

#[test]
fn tools_and_prompts_are_merged_under_prefixes_in_the_order_of_the_config() {
    let gateway = gateway(&[fault("zeta"), conformance("mid"), fault("alpha")]);
    let mut client = connected(&gateway, "/mcp");
    let tools = client.tool_names().unwrap();
    let mut order: Vec<_> = tools.iter().map(|name| name.split("__").next()).collect();
    order.dedup();
    assert_eq!(order, [Some("zeta"), Some("mid"), Some("alpha")]);
    for name in ["zeta__echo", "mid__test_simple_text", "alpha__echo"] {
        assert!(tools.iter().any(|tool| tool == name), "{tools:?}");
    }
    assert_eq!(name_of(&mut client, "zeta__whoami"), "zeta");
    assert_eq!(name_of(&mut client, "alpha__whoami"), "alpha");
    let prompts = names(&mut client, "prompts/list", "prompts", "name");
    assert!(prompts.contains(&"zeta__greet".to_owned()), "{prompts:?}");
    assert!(prompts.contains(&"mid__test_simple_prompt".to_owned()));
    let params = json!({"name": "alpha__greet", "arguments": {"who": "Ada"}});
    let prompt = client.request("prompts/get", params).unwrap();
    let text = &prompt["messages"][0]["content"]["text"];
    assert_eq!(text, "Say hello to Ada.");
    assert_eq!(
        client.tool_names().unwrap(),
        tools,
        "the order never changes"
    );
}

#[test]
fn an_item_keeps_everything_but_its_name() {
    let gateway = gateway(&[conformance("c")]);
    let mut bare = connected(&gateway, "/servers/c/mcp");
    let mut merged = connected(&gateway, "/mcp");
    let mut tools = bare.list("tools/list", "tools").unwrap();
    for tool in &mut tools {
        tool["name"] = json!(format!("c__{}", tool["name"].as_str().unwrap()));
    }
    assert_eq!(merged.list("tools/list", "tools").unwrap(), tools);
    assert!(
        tools
            .iter()
            .any(|tool| tool["inputSchema"]["$schema"].is_string())
    );
}

#[test]
fn a_prefix_may_be_another_or_none() {
    let servers = [
        fault_with("one", json!({"prefix": ""})),
        fault_with("two", json!({"prefix": "zwei"})),
    ];
    let gateway = gateway(&servers);
    let mut client = connected(&gateway, "/mcp");
    assert_eq!(name_of(&mut client, "whoami"), "one");
    assert_eq!(name_of(&mut client, "zwei__whoami"), "two");
    let tools: BTreeSet<_> = client.tool_names().unwrap().into_iter().collect();
    assert!(!tools.contains("one__whoami") && !tools.contains("two__whoami"));
    let prompts = names(&mut client, "prompts/list", "prompts", "name");
    assert_eq!(prompts, ["greet", "zwei__greet"]);
}

#[test]
fn rules_hide_and_rename_tools() {
    let rules = json!({
        "allow": ["ec*", "whoami", "s*"],
        "deny": ["s*"],
        "rename": {"whoami": "who"},
    });
    let gateway = gateway(&[fault_with("one", json!({"tools": rules})), fault("two")]);
    let mut client = connected(&gateway, "/mcp");
    let mut tools = client.tool_names().unwrap();
    tools.retain(|name| name.starts_with("one__"));
    tools.sort();
    assert_eq!(tools, ["one__echo", "one__who"]);
    assert_eq!(name_of(&mut client, "one__who"), "one");
    // What is hidden cannot be called either, nor by the name it had.
    for hidden in ["one__sleep", "one__whoami", "one__progress"] {
        assert_refused(client.call_tool(hidden, json!({})), -32602, hidden);
    }
    let mut bare = connected(&gateway, "/servers/one/mcp");
    let mut tools = bare.tool_names().unwrap();
    tools.sort();
    assert_eq!(tools, ["echo", "who"], "the rules hold at every endpoint");
    assert_refused(bare.call_tool("sleep", json!({})), -32602, "sleep");
}

#[test]
fn one_server_is_served_unprefixed_under_its_own_name() {
    let gateway = gateway(&[fault("one"), fault("two")]);
    let mut client = gateway.client("/servers/two/mcp");
    let welcome = client.initialize().unwrap();
    assert_eq!(welcome["serverInfo"]["name"], "two");
    assert_eq!(welcome["instructions"], "Instructions of two.");
    let capabilities = json!({
        "tools": {"listChanged": true},
        "prompts": {"listChanged": true},
        "resources": {"subscribe": true, "listChanged": true},
        "completions": {},
        "logging": {},
    });
    assert_eq!(welcome["capabilities"], capabilities);
    let tools = client.tool_names().unwrap();
    assert!(tools.contains(&"echo".to_owned()), "{tools:?}");
    assert!(!tools.iter().any(|name| name.contains("__")), "{tools:?}");
    assert_eq!(name_of(&mut client, "whoami"), "two");
    assert_refused(
        client.call_tool("two__whoami", json!({})),
        -32602,
        "two__whoami",
    );
    let prompts = names(&mut client, "prompts/list", "prompts", "name");
    assert_eq!(prompts, ["greet"]);
}

#[test]
fn the_endpoint_of_one_server_declares_what_the_server_has() {
    let entry = server("bare", "fault_server", &["--no-tools"]);
    let gateway = gateway(&[entry, fault("one")]);
    let welcome = gateway.client("/servers/bare/mcp").initialize().unwrap();
    assert!(welcome["capabilities"].get("tools").is_none(), "{welcome}");
    let welcome = gateway.client("/mcp").initialize().unwrap();
    for part in ["tools", "prompts", "resources", "completions", "logging"] {
        assert!(welcome["capabilities"][part].is_object(), "{welcome}");
    }
    assert_eq!(welcome["capabilities"]["resources"]["subscribe"], true);
}

#[test]
fn a_group_shows_its_servers_and_no_other() {
    let servers = [fault("one"), fault("two"), fault("three")];
    let groups = json!({"odd": ["three", "one"], "none": []});
    let text = json!({"servers": servers, "groups": groups}).to_string();
    let gateway = Setup::with_config(text).start();
    let mut client = connected(&gateway, "/groups/odd/mcp");
    let tools = client.tool_names().unwrap();
    let servers: BTreeSet<_> = tools
        .iter()
        .map(|name| &name[..name.find("__").unwrap()])
        .collect();
    assert_eq!(servers, BTreeSet::from(["one", "three"]));
    assert_eq!(name_of(&mut client, "three__whoami"), "three");
    let hidden = client.call_tool("two__whoami", json!({}));
    assert_refused(hidden, -32602, "two__whoami");
    let uri = "fault://two/own";
    let hidden = client.request("resources/read", json!({"uri": uri}));
    assert_refused(hidden, -32002, uri);
    let mut empty = connected(&gateway, "/groups/none/mcp");
    assert_eq!(empty.tool_names().unwrap(), [""; 0]);
}

#[test]
fn instructions_of_all_servers_are_told_each_under_its_name() {
    let gateway = gateway(&[fault("one"), fault("two")]);
    connected(&gateway, "/mcp")
        .tool_names()
        .expect("both are up");
    let welcome = gateway.client("/mcp").initialize().unwrap();
    let text = welcome["instructions"].as_str().expect("instructions");
    let place = |part: &str| {
        text.find(part)
            .unwrap_or_else(|| panic!("{text} lacks {part}"))
    };
    assert!(place("# one") < place("Instructions of one."));
    assert!(place("Instructions of one.") < place("# two"));
    assert!(place("# two") < place("Instructions of two."));
}

#[test]
fn all_pages_of_a_server_are_drained() {
    let arguments = ["--name", "one", "--many-tools", "500", "--page", "7"];
    let gateway = gateway(&[server("one", "fault_server", &arguments), fault("two")]);
    let mut client = connected(&gateway, "/mcp");
    let tools = client.tool_names().unwrap();
    let unique: BTreeSet<_> = tools.iter().collect();
    assert_eq!(unique.len(), tools.len(), "no tool comes twice");
    for number in 1..=500 {
        assert!(
            unique.contains(&format!("one__tool_{number:04}")),
            "{number}"
        );
    }
    let of_two = tools.iter().filter(|name| name.starts_with("two__"));
    let of_one = tools.iter().filter(|name| name.starts_with("one__"));
    assert_eq!(of_one.count(), of_two.count() + 500);
    assert_eq!(
        client.call_text("one__tool_0499", json!({})).unwrap(),
        "called tool_0499"
    );
}

/// The tools of a view whose names begin so.
fn beginning_with(client: &mut McpClient, start: &str) -> Vec<String> {
    let mut names = client.tool_names().expect("a list");
    names.retain(|name| name.starts_with(start));
    names
}

#[test]
fn names_that_collide_are_told_apart_whatever_the_order() {
    let one = fault_with("one", json!({"prefix": ""}));
    let two = fault_with("two", json!({"prefix": ""}));
    let mut seen = Vec::new();
    for servers in [[one.clone(), two.clone()], [two, one]] {
        let gateway = gateway(&servers);
        let mut client = connected(&gateway, "/mcp");
        let mut found = beginning_with(&mut client, "whoami");
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(
            !found.contains(&"whoami".to_owned()),
            "nobody keeps the plain name"
        );
        let mut owners: Vec<_> = found
            .iter()
            .map(|name| name_of(&mut client, name))
            .collect();
        // By owner, so that both orders can be compared.
        if owners[0] == "two" {
            owners.reverse();
            found.reverse();
        }
        assert_eq!(owners, ["one", "two"]);
        seen.push(found);
    }
    assert_eq!(seen[0], seen[1]);
}

#[test]
fn names_are_of_the_recommended_form_and_lead_back() {
    let long_a = format!("{}a", "long_".repeat(20));
    let long_b = format!("{}b", "long_".repeat(20));
    let odd = "read file/\u{00e4}";
    let arguments = ["--tool", &long_a, "--tool", &long_b, "--tool", odd];
    let gateway = gateway(&[server("one", "fault_server", &arguments)]);
    let mut client = connected(&gateway, "/mcp");
    let tools = client.tool_names().unwrap();
    let unique: BTreeSet<_> = tools.iter().collect();
    assert_eq!(unique.len(), tools.len());
    for name in &tools {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
        assert!(name.len() <= 64 && name.bytes().all(is_plain), "{name}");
    }
    let mut called: Vec<_> = beginning_with(&mut client, "one__long_long_")
        .iter()
        .chain(&beginning_with(&mut client, "one__read_file"))
        .map(|name| client.call_text(name, json!({})).unwrap())
        .collect();
    called.sort();
    let mut wanted = [&long_a, &long_b, odd].map(|name| format!("called {name}"));
    wanted.sort();
    assert_eq!(called, wanted);
}

#[test]
fn a_call_and_its_result_pass_byte_by_byte() {
    let gateway = gateway(&[fault("one")]);
    let client = connected(&gateway, "/mcp");
    // Numbers no double holds, spaces, escapes and members of tomorrow.
    let odd = r#"{ "n" :0.1000, "i":123456789012345678901234567890,"f":1.0, "e":"\u00e4\/é", "dup":1,"dup":2 ,"tomorrow":{"x":[ ]}}"#;
    let body = format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"one__received","arguments":{odd},"later": [1 ,2]}}}}"#
    );
    let reply = client.post(body).unwrap();
    let received = reply.json()["result"]["content"][0]["text"].take();
    let received = received.as_str().expect("a line").to_owned();
    let wanted = format!(r#""params":{{"name":"received","arguments":{odd},"later": [1 ,2]}}}}"#);
    assert!(received.ends_with(&wanted), "{received}");

    let result = format!(r#"{{"content":[], "structuredContent":{odd}}}"#);
    let body = super::talk::call(2, "one__raw", &json!({"json": result}));
    let reply = client.post(body.to_string()).unwrap();
    let wanted = format!(r#"{{"jsonrpc":"2.0","id":2,"result":{result}}}"#);
    assert_eq!(reply.text(), wanted);
}

#[test]
fn a_pretty_printed_call_reaches_the_server_in_one_line() {
    let gateway = gateway(&[fault("one")]);
    let client = connected(&gateway, "/mcp");
    let body = super::talk::call("p", "one__echo", &json!({"text": "a\nb", "list": [1, 2]}));
    let reply = client
        .post(serde_json::to_string_pretty(&body).unwrap())
        .unwrap();
    assert_eq!(reply.json()["result"]["content"][0]["text"], "a\nb");
}

#[test]
fn a_first_list_waits_for_servers_in_their_first_start() {
    let slow = server("slow", "fault_server", &["--slow-start", "600"]);
    let gateway = gateway(&[fault("one"), slow]);
    let mut client = gateway.client("/mcp");
    client.initialize().unwrap();
    let tools = client.tool_names().unwrap();
    assert!(tools.contains(&"slow__echo".to_owned()), "{tools:?}");
}

#[test]
fn a_first_list_waits_no_longer_than_connection_timeout_and_is_corrected_later() {
    let slow = server("slow", "fault_server", &["--slow-start", "3000"]);
    let limits = json!({"connection_timeout": "100ms"});
    let gateway = super::talk::gateway_with_limits(&[fault("one"), slow], &limits);
    let mut client = sse_connected(&gateway, "/sse");
    let tools = client.tool_names().unwrap();
    assert!(tools.contains(&"one__echo".to_owned()), "{tools:?}");
    assert!(
        !tools.contains(&"slow__echo".to_owned()),
        "it cannot be up yet"
    );
    client.wait_for_notification(TOOLS_CHANGED).unwrap();
    let tools = client.tool_names().unwrap();
    assert!(tools.contains(&"slow__echo".to_owned()), "{tools:?}");
}

#[test]
fn the_tools_of_a_child_of_a_session_stay_listed_while_they_are_read() {
    let arguments = ["--name", "one", "--page", "20"];
    let mut entry = server("one", "fault_server", &arguments);
    entry["scope"] = json!("session");
    let gateway = gateway(&[entry]);
    let mut client = sse_connected(&gateway, "/sse");
    let before = client.tool_names().unwrap();
    assert!(before.len() > 20, "there is a second page");
    // The session's own child starts for this call, which it finds before the request for the
    // second page: so reading takes longer than changes are gathered.
    let pause = json!({"ms": 700});
    client.call_text("one__stop_reading", pause).unwrap();
    let arguments = json!({"what": "prompts"});
    client.call_text("one__change_tools", arguments).unwrap();
    let method = "notifications/prompts/list_changed";
    client.wait_for_notification(method).unwrap();
    assert_eq!(client.tool_names().unwrap(), before);
    assert!(client.book.heard(TOOLS_CHANGED).is_empty());
    let prompts = client.list("prompts/list", "prompts").unwrap();
    assert_eq!(prompts.len(), 2, "{prompts:?}");
}
