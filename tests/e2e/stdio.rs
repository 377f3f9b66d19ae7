//! `mcproxy stdio`: the gateway on its own stdin and stdout, one JSON object a line
//! (basic/transports, "stdio"). What it does with the messages is tested over HTTP.

use serde_json::{Value, json};

use super::talk::{call, fault, notification, request, told};
use crate::harness::client::{CallError, Client, Duplex, text_of};
use crate::harness::gateway::{Setup, config};
use crate::harness::stdio::StdioClient;

fn setup() -> Setup {
    Setup::with_config(config(&[fault("one"), fault("two")]))
}

fn connected() -> StdioClient {
    let mut client = setup().start_stdio();
    client.initialize().expect("the handshake succeeds");
    client.tool_names().expect("a first list");
    client
}

/// All messages until stdout ends.
fn rest_of(client: &mut StdioClient) -> Vec<Value> {
    let mut messages = Vec::new();
    while let Some(line) = client.receive_line().expect("stdout goes on") {
        messages.push(serde_json::from_slice(&line).expect("each line is JSON"));
    }
    messages
}

#[test]
fn it_serves_all_servers_merged() {
    let mut client = setup().start_stdio();
    let welcome = client.initialize().unwrap();
    assert_eq!(welcome["protocolVersion"], "2025-11-25");
    assert_eq!(welcome["serverInfo"]["name"], "mcproxy");
    let names = client.tool_names().unwrap();
    for name in ["one__echo", "two__echo"] {
        assert!(names.iter().any(|known| known == name), "{names:?}");
    }
    let echoed = client.call_text("two__echo", json!({"text": "a\nb \u{1F980}"}));
    assert_eq!(echoed.unwrap(), "a\nb \u{1F980}");
}

#[test]
fn progress_and_questions_come_on_the_same_pipe() {
    let mut client = setup().start_stdio();
    client.book.capabilities = json!({"sampling": {}});
    client.book.react("sampling/createMessage", |_| {
        Ok(json!({"role": "assistant", "model": "m", "content": {"type": "text", "text": "!"}}))
    });
    client.initialize().unwrap();
    let mut params = json!({"name": "one__progress", "arguments": {"steps": 2}});
    params["_meta"] = json!({"progressToken": "p"});
    client.request("tools/call", params).unwrap();
    let steps = told(&client.book.notifications, "notifications/progress");
    assert_eq!(steps.len(), 2);
    assert!(steps.iter().all(|step| step["progressToken"] == "p"));
    let answer = client.call_text("one__ask_sampling", json!({})).unwrap();
    assert!(answer.contains("\"!\""), "{answer}");
}

#[test]
fn the_end_of_stdin_waits_for_the_answers_that_are_pending() {
    let mut client = connected();
    for id in 1..=20 {
        let tool = ["one__sleep", "two__sleep"][id % 2];
        let request = call(id, tool, &json!({"ms": 100}));
        client.send_message(&request).unwrap();
    }
    client.close_stdin();
    let mut ids: Vec<_> = rest_of(&mut client)
        .iter()
        .filter_map(|answer| answer["id"].as_u64())
        .collect();
    ids.sort_unstable();
    assert_eq!(ids, (1..=20).collect::<Vec<_>>());
    assert_eq!(client.wait().and_then(|status| status.code()), Some(0));
}

#[test]
fn the_end_of_stdin_ends_it_also_where_nothing_was_said() {
    let mut client = setup().start_stdio();
    client.close_stdin();
    assert_eq!(rest_of(&mut client), [json!(null); 0]);
    assert_eq!(client.wait().and_then(|status| status.code()), Some(0));
}

#[test]
fn a_call_that_was_taken_back_holds_up_no_end() {
    let mut client = connected();
    let waiting = call("w", "one__sleep", &json!({"ms": 3_600_000}));
    client.send_message(&waiting).unwrap();
    client.call_text("one__echo", json!({"text": "x"})).unwrap();
    client.send_message(&super::talk::cancelled("w")).unwrap();
    client.close_stdin();
    assert_eq!(rest_of(&mut client), [json!(null); 0]);
    assert_eq!(client.wait().and_then(|status| status.code()), Some(0));
}

#[test]
fn its_log_is_never_on_stdout() {
    let setup = setup().arg("--log").arg("--log-level").arg("trace");
    let mut client = setup.start_stdio();
    client.initialize().unwrap();
    client
        .call_text("one__garbage", json!({"lines": 3}))
        .unwrap();
    client.close_stdin();
    // Each line was parsed as JSON on the way here, and so are those that are left.
    rest_of(&mut client);
    assert!(client.wait().is_some());
    let log = &client.log;
    assert!(log.wait_for("one: ready", client.patience).is_ok());
}

#[test]
fn lines_that_are_no_messages_are_answered_and_harm_nothing() {
    let mut client = connected();
    let bad = [
        ("{", -32700, json!(null)),
        ("nonsense", -32700, json!(null)),
        (
            r#"{"jsonrpc":"1.0","id":3,"method":"ping"}"#,
            -32600,
            json!(3),
        ),
        (
            r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#,
            -32600,
            json!(null),
        ),
        (
            r#"{"jsonrpc":"2.0","id":"e","method":""}"#,
            -32600,
            json!("e"),
        ),
        ("[]", -32600, json!(null)),
        ("42", -32600, json!(null)),
    ];
    for (line, code, id) in bad {
        client.send_line(line).unwrap();
        let answer = client.receive_message().unwrap();
        assert_eq!(answer["error"]["code"], code, "{line}");
        assert_eq!(answer["id"], id, "{line}");
    }
    client
        .send_line(&notification("no/such", &json!({})).to_string())
        .unwrap();
    client.send_line("\r").unwrap();
    let id_of_carriage_return = request("cr", "ping", &json!({})).to_string() + "\r";
    client.send_line(&id_of_carriage_return).unwrap();
    loop {
        let answer = client.receive_message().unwrap();
        if answer["id"] == "cr" {
            assert_eq!(answer["result"], json!({}));
            break;
        }
        // An empty line may be taken for a broken message.
        assert_eq!(answer["error"]["code"], -32700, "{answer}");
    }
}

#[test]
fn a_line_over_the_limit_is_answered_and_the_next_one_served() {
    let config = json!({
        "servers": [fault("one")],
        "limits": {"max_message_size": "4KiB"},
    });
    let mut client = Setup::with_config(config.to_string()).start_stdio();
    client.initialize().unwrap();
    client.tool_names().unwrap();
    let long = "x".repeat(1 << 20);
    client
        .send_message(&call(77, "one__echo", &json!({"text": long})))
        .unwrap();
    let answer = client.receive_message().unwrap();
    // The line is not kept, but its number is, so that the call need not wait for ever.
    assert_eq!(answer["id"], 77, "{answer}");
    assert_eq!(answer["error"]["code"], -32600, "{answer}");
    let sentence = answer["error"]["message"].as_str().unwrap();
    assert!(sentence.contains("max_message_size"), "{sentence}");
    let echoed = client.call_text("one__echo", json!({"text": "short"}));
    assert_eq!(echoed.unwrap(), "short");
}

#[test]
fn a_last_line_without_its_end_is_a_message() {
    // A shell closes the pipe without a line end.
    let script = r#"printf '{"jsonrpc":"2.0","id":1,"method":"ping"}' | "$0" stdio"#;
    let folder = crate::harness::process::Folder::new();
    folder.write("mcp-servers.json", &config(&[fault("one")]));
    let output = std::process::Command::new("sh")
        .args(["-c", script, env!("CARGO_BIN_EXE_mcproxy")])
        .current_dir(folder.path())
        .env("TMPDIR", folder.path())
        .output()
        .expect("sh is there");
    let answer: Value = serde_json::from_slice(&output.stdout).expect("an answer");
    assert_eq!(answer, json!({"jsonrpc": "2.0", "id": 1, "result": {}}));
}

#[test]
fn a_batch_is_a_line_too() {
    let mut client = setup().start_stdio();
    "2025-03-26".clone_into(&mut client.book.protocol_version);
    client.initialize().unwrap();
    // After the first list nothing comes unasked.
    client.tool_names().unwrap();
    let batch = json!([
        request("a", "ping", &json!({})),
        call("b", "one__echo", &json!({"text": "in a batch"})),
    ]);
    client.send_message(&batch).unwrap();
    let mut answers = Vec::new();
    while answers.len() < 2 {
        // The answers may come one by one or together.
        match client.receive_message().unwrap() {
            Value::Array(several) => answers.extend(several),
            one => answers.push(one),
        }
    }
    answers.sort_by_key(|answer| answer["id"].to_string());
    assert_eq!(answers[0]["result"], json!({}));
    assert_eq!(text_of(&answers[1]["result"]), "in a batch");
}

#[test]
fn a_server_that_dies_fails_its_calls_and_not_the_pipe() {
    let mut client = connected();
    let error = client
        .call_tool("one__crash", json!({"code": 3}))
        .unwrap_err();
    assert!(matches!(error, CallError::Rpc(_)), "{error:?}");
    assert!(error.message().contains("\"one\""), "{error:?}");
    let echoed = client.call_text("two__echo", json!({"text": "alive"}));
    assert_eq!(echoed.unwrap(), "alive");
}
