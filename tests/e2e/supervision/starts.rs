//! Servers that fail at their start, in all the ways they can: the others are served, the log
//! says what is wrong, and `/health` knows which one it is.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::e2e::scene::{
    Bystander, assert_echo, client, fault, fault_with, gateway, get, health, setup, state_of,
    wait_for_log, wait_for_state, with,
};
use crate::harness::client::Client;
use crate::harness::gateway::Gateway;

/// Waits little, and gives a server up at its first failure.
fn impatient() -> Value {
    json!({
        "reconnect_delay": "20ms",
        "connection_timeout": "10s",
        "max_reconnect_attempts": 1,
    })
}

/// Starts a good server beside a bad one, looks for the sentence about the bad one in the log
/// and for its state in `/health`, and sees that a client is served by the good one.
fn beside_a_good_one(bad: Value, sentence: &str, state: &str) -> Gateway {
    let gateway = gateway(&impatient(), &[bad, fault("good", &[])]);
    let bystander = Bystander::of(&gateway);
    let line = wait_for_log(&gateway, sentence);
    assert!(line.contains("bad"), "{line}");
    wait_for_state(&gateway, "bad", state);
    assert_eq!(state_of(&gateway, "good"), "ready");
    let mut client = client(&gateway, "/mcp");
    let names = client.tool_names().expect("the list comes");
    assert!(names.contains(&"good__echo".to_owned()), "{names:?}");
    assert_echo(&mut client, "good");
    bystander.assert_unharmed();
    gateway
}

/// What a call of a tool of the bad server is told.
fn told_of(gateway: &Gateway, path: &str, tool: &str) -> String {
    let error = client(gateway, path).call_tool(tool, json!({}));
    error.expect_err("the server cannot answer").message()
}

#[test]
fn one_that_is_no_program() {
    let setup = setup(&json!({}), &[]);
    let script = setup.folder().join("script");
    std::fs::write(&script, "#!/no/such/interpreter\n").unwrap();
    make_executable(&script);
    let bad = json!({"name": "bad", "command": script});
    drop(beside_a_good_one(
        bad,
        "the interpreter that its first line names, or its loader, is missing",
        "parked",
    ));
}

#[test]
fn one_that_exits() {
    let bad = fault("bad", &["--exit-at-start", "3"]);
    let gateway = beside_a_good_one(
        bad,
        "bad: exited with code 3 (last line on stderr: \"fault_server: exiting with code 3 as \
         asked\"); parked (failures in a row: 1), it is tried again in 60 s",
        "parked",
    );
    let told = told_of(&gateway, "/servers/bad/mcp", "echo");
    assert!(
        told.starts_with(
            "server \"bad\" is parked after 1 failure; last: exited with code 3 (last line on \
             stderr: \"fault_server: exiting with code 3 as asked\"); it is tried again in "
        ),
        "{told}"
    );
}

#[test]
fn one_that_never_answers_initialize() {
    let bad = fault_with(
        "bad",
        &["--never-initialize"],
        "startup_timeout",
        json!("300ms"),
    );
    beside_a_good_one(
        bad,
        "bad: has not answered \"initialize\" within 0.3 s (\"startup_timeout\")",
        "parked",
    );
}

#[test]
fn one_that_answers_initialize_with_an_error() {
    beside_a_good_one(
        fault("bad", &["--initialize-error"]),
        "initialize fails as asked",
        "parked",
    );
}

#[test]
fn one_of_a_version_nobody_knows() {
    beside_a_good_one(fault("bad", &["--wrong-version"]), "1999-01-01", "parked");
}

#[test]
fn one_without_tools() {
    let gateway = beside_a_good_one(
        fault("bad", &["--no-tools"]),
        "bad: ready, 0 tools",
        "ready",
    );
    let mut client = client(&gateway, "/servers/bad/mcp");
    assert!(client.tool_names().unwrap().is_empty());
    let prompts = client.list("prompts/list", "prompts").unwrap();
    assert_eq!(prompts[0]["name"], "greet");
}

#[test]
fn one_with_an_empty_list() {
    beside_a_good_one(
        fault("bad", &["--empty-tools"]),
        "bad: ready, 0 tools",
        "ready",
    );
}

#[test]
fn one_that_answers_tools_list_with_an_error() {
    let gateway = beside_a_good_one(
        fault("bad", &["--tools-list-error"]),
        "bad: tools/list failed: ",
        "degraded",
    );
    wait_for_log(&gateway, "tools/list fails as asked");
    let mut client = client(&gateway, "/mcp");
    let prompts = client.list("prompts/list", "prompts").unwrap();
    assert!(prompts.iter().any(|prompt| prompt["name"] == "bad__greet"));
}

#[test]
fn one_whose_list_has_no_end() {
    let gateway = beside_a_good_one(
        fault("bad", &["--endless-pages"]),
        "bad: tools/list is too long, or has no end; the rest is not served",
        "ready",
    );
    let told = client(&gateway, "/mcp").call_text("bad__endless_7", json!({}));
    // The tool was listed; that the server does not know it is its own affair.
    assert!(told.unwrap_err().message().contains("endless_7"));
}

#[test]
fn one_with_tools_that_are_none() {
    let gateway = beside_a_good_one(fault("bad", &["--bad-tool"]), "bad: ready, ", "ready");
    wait_for_log(&gateway, "left out");
    let mut client = client(&gateway, "/servers/bad/mcp");
    let names = client.tool_names().unwrap();
    assert!(names.contains(&"echo".to_owned()) && names.contains(&"big".to_owned()));
    assert!(!names.contains(&"schema_is_a_number".to_owned()));
}

#[test]
fn one_that_greets_with_a_banner() {
    let gateway = beside_a_good_one(
        fault("bad", &["--noise"]),
        "bad: not JSON-RPC on stdout, skipped: === fault_server: this banner is not JSON ===",
        "ready",
    );
    assert_echo(&mut client(&gateway, "/mcp"), "bad");
}

#[test]
fn one_that_is_misconfigured() {
    let gateway = beside_a_good_one(
        json!({"name": "bad", "command": "no-such-program-anywhere"}),
        "server \"bad\": command: \"no-such-program-anywhere\" is not on PATH (searched ",
        "misconfigured",
    );
    assert_eq!(get(&gateway, "/ready").head.status, 200);
    assert_eq!(health(&gateway)["status"], "degraded");
}

#[test]
fn the_first_list_waits_for_a_slow_start() {
    let slow = fault("slow", &["--slow-start", "700"]);
    let gateway = gateway(&json!({}), &[fault("good", &[]), slow]);
    let mut client = client(&gateway, "/mcp");
    let names = client.tool_names().unwrap();
    assert!(names.contains(&"slow__echo".to_owned()), "{names:?}");
    assert!(names.contains(&"good__echo".to_owned()), "{names:?}");
}

#[test]
fn a_call_of_an_unlisted_tool_waits_for_a_slow_start_too() {
    let slow = fault("slow", &["--slow-start", "700"]);
    let gateway = gateway(&json!({}), &[slow]);
    assert_echo(&mut client(&gateway, "/mcp"), "slow");
}

#[test]
fn the_first_list_waits_no_longer_than_the_connection_timeout() {
    let slow = fault("slow", &["--slow-start", "2000"]);
    let limits = json!({"connection_timeout": "300ms"});
    let gateway = gateway(&limits, &[fault("good", &[]), slow]);
    let began = Instant::now();
    let mut client = client(&gateway, "/mcp");
    let mut stream = client.get_stream(None).unwrap();
    let names = client.tool_names().unwrap();
    assert!(names.contains(&"good__echo".to_owned()), "{names:?}");
    assert!(!names.contains(&"slow__echo".to_owned()), "it waited on");
    assert!(began.elapsed() >= Duration::from_millis(300));
    // Whoever listens hears of the rest when it comes.
    loop {
        let message = stream.next_message().unwrap().expect("it is told");
        if message["method"] == "notifications/tools/list_changed" {
            break;
        }
    }
    let names = client.tool_names().unwrap();
    assert!(names.contains(&"slow__echo".to_owned()), "{names:?}");
}

#[test]
fn calls_to_a_server_that_is_being_restarted_wait_for_it() {
    let setup = setup(&json!({}), &[]);
    let starts = setup.folder().join("starts");
    let starts = starts.to_str().expect("a folder of ours is UTF-8");
    let flags = ["--count-starts", starts, "--slow-start", "200"];
    let config = json!({
        "limits": {"reconnect_delay": "100ms"},
        "servers": [with(fault("bad", &flags), "timeout", json!("20s"))],
    });
    let gateway = setup.config(config.to_string()).start();
    let mut client = client(&gateway, "/mcp");
    client.call_tool("bad__crash", json!({})).unwrap_err();
    assert_ne!(state_of(&gateway, "bad"), "ready");
    assert_echo(&mut client, "bad");
}

fn make_executable(path: &std::path::Path) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
}
