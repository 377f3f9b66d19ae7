//! How serving begins, what it serves where there is no config, and where the log goes.

use serde_json::{Value, json};

use crate::e2e::scene::{assert_echo, client, fault, get, wait_for_state};
use crate::harness::PATIENCE;
use crate::harness::client::Client;
use crate::harness::engine::{Exemption, exempts};
use crate::harness::gateway::{Gateway, Setup};

/// The gateway could not start.
const CANNOT_START: Option<i32> = Some(3);

fn fault_program() -> String {
    let path = crate::harness::fixture("fault_server");
    path.to_str().expect("it is UTF-8").to_owned()
}

/// The first line that the gateway itself writes on stderr; its log may be there too.
fn first_line(gateway: &Gateway) -> String {
    let text = gateway.log.text();
    let own = text.lines().find(|line| line.starts_with("mcproxy: "));
    own.unwrap_or_default().to_owned()
}

#[test]
fn one_line_says_where_it_listens_and_with_how_many_servers() {
    let entries = |count: usize| -> Vec<Value> {
        let mut entries: Vec<_> = (0..count)
            .map(|number| fault(&format!("s{number}"), &[]))
            .collect();
        entries.push(json!({"name": "off", "command": "x", "enabled": false}));
        entries
    };
    for (count, words) in [(1, "1 server"), (3, "3 servers"), (0, "0 servers")] {
        let config = json!({"servers": entries(count)}).to_string();
        let gateway = Setup::with_config(config).arg("--log").start();
        let port = gateway.address.port();
        assert_ne!(port, 0);
        let expected = format!("mcproxy: listening on http://127.0.0.1:{port}/mcp ({words})");
        assert_eq!(gateway.log.text(), expected);
    }
}

#[test]
fn a_gateway_inside_a_gateway_does_not_go_on_for_ever() {
    let nested = |depth: &str| {
        let setup = Setup::with_config(r#"{"servers": []}"#).env("MCPROXY_NESTING", depth);
        setup.run(&["tools"])
    };
    assert!(nested("3").status.success());
    let ended = nested("4");
    assert_eq!(ended.status.code(), CANNOT_START, "{ended:?}");
    assert!(
        ended
            .stderr
            .contains("starts mcproxy with the same file again"),
        "{ended:?}"
    );
}

#[test]
fn one_command_that_cannot_run_is_not_served() {
    let ended = Setup::without_config().run(&["--port", "0", "--", "no-such-command-here"]);
    assert_eq!(ended.status.code(), CANNOT_START, "{ended:?}");
    assert!(ended.stderr.contains("no-such-command-here"), "{ended:?}");
}

#[test]
fn a_port_in_use_is_named_as_such() {
    let gateway = Gateway::start(r#"{"servers": []}"#);
    let port = gateway.address.port().to_string();
    let ended = Setup::with_config(r#"{"servers": []}"#).run(&["--port", &port]);
    assert_eq!(ended.status.code(), CANNOT_START, "{ended:?}");
    assert!(
        ended.stderr.contains(&format!(
            "mcproxy: cannot listen on 127.0.0.1:{port}: the port is in use; choose another \
             with --port, or 0 for any free one"
        )),
        "{ended:?}"
    );
}

#[test]
fn an_address_beyond_loopback_needs_a_token_or_consent() {
    if exempts(Exemption::Addresses) {
        return;
    }
    let setup = || Setup::with_config(r#"{"servers": []}"#);
    let ended = setup().run(&["--host", "0.0.0.0", "--port", "0"]);
    assert_eq!(ended.status.code(), CANNOT_START, "{ended:?}");
    assert!(
        ended
            .stderr
            .contains("set API_ACCESS_TOKEN, or give --allow-anonymous"),
        "{ended:?}"
    );
    let open = setup().arg("--host").arg("0.0.0.0");
    let anonymous = open.arg("--allow-anonymous").start();
    assert!(first_line(&anonymous).contains("http://0.0.0.0:"));
    let guarded = setup().arg("--host").arg("0.0.0.0");
    let guarded = guarded.env("API_ACCESS_TOKEN", "hunter2-hunter2").start();
    let mut client = guarded.client("/mcp");
    client.initialize().unwrap_err();
    let bearer = "Bearer hunter2-hunter2".to_owned();
    client.headers.push(("Authorization".to_owned(), bearer));
    client.initialize().expect("it has the token");
    assert!(!guarded.log.text().contains("hunter2"));
    assert!(!guarded.stdout.text().contains("hunter2"));
}

#[test]
fn an_unknown_host_is_named() {
    let ended = Setup::with_config(r#"{"servers": []}"#).run(&["--host", "no-such-host.invalid"]);
    assert_eq!(ended.status.code(), CANNOT_START, "{ended:?}");
    assert!(
        ended.stderr.contains("\"no-such-host.invalid\""),
        "{ended:?}"
    );
}

#[test]
fn a_broken_config_is_refused_and_a_named_one_must_be_there() {
    let broken = Setup::with_config("{").run(&["--port", "0"]);
    assert_eq!(broken.status.code(), CANNOT_START, "{broken:?}");
    assert!(
        broken.stderr.contains("mcp-servers.json: line 1"),
        "{broken:?}"
    );
    let gone = Setup::without_config().run(&["-c", "gone.json"]);
    assert_eq!(gone.status.code(), CANNOT_START, "{gone:?}");
    assert!(gone.stderr.contains("gone.json"), "{gone:?}");
}

#[test]
fn a_command_behind_two_dashes_is_served_without_prefix() {
    let mut setup = Setup::with_config("not even JSON, and not read");
    for argument in ["--", &fault_program(), "--name", "the only one"] {
        setup = setup.arg(argument);
    }
    let gateway = setup.start();
    assert!(first_line(&gateway).ends_with("/mcp (1 server)"));
    let mut over_mcp = client(&gateway, "/mcp");
    assert!(over_mcp.tool_names().unwrap().contains(&"echo".to_owned()));
    let me = over_mcp.call_text("whoami", json!({})).unwrap();
    assert!(me.contains("the only one"), "{me}");
    let mut over_sse = gateway.sse_client("/sse");
    over_sse.initialize().unwrap();
    let told = over_sse.call_text("echo", json!({"text": "hello"}));
    assert_eq!(told.unwrap(), "hello");
}

#[test]
fn without_a_config_the_demo_server_is_served_and_that_is_said() {
    let gateway = Setup::without_config().start();
    let said =
        "mcproxy: no mcp-servers.json here and no --config: serving the built-in demo server";
    assert_eq!(first_line(&gateway), said);
    let mut client = client(&gateway, "/mcp");
    let mut names = client.tool_names().unwrap();
    names.sort();
    assert_eq!(
        names,
        ["demo__add", "demo__echo", "demo__sleep", "demo__time"]
    );
    let told = client.call_text("demo__echo", json!({"text": "hello"}));
    assert_eq!(told.unwrap(), "hello");
    assert_eq!(client.list("prompts/list", "prompts").unwrap().len(), 1);
    let resources = client.list("resources/list", "resources").unwrap();
    assert_eq!(resources.len(), 1);
}

#[test]
fn the_demo_server_speaks_stdio_by_itself() {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_mcproxy"));
    command.arg("demo-server");
    let mut client = crate::harness::stdio::StdioClient::spawn(command);
    client.initialize().unwrap();
    let told = client.call_text("add", json!({"a": 2, "b": 40})).unwrap();
    assert_eq!(told, "42");
    client.close_stdin();
    assert_eq!(client.wait().unwrap().code(), Some(0));
}

#[test]
fn the_log_goes_to_stdout_only_when_asked() {
    let config = json!({"servers": [fault("good", &[])]}).to_string();
    let asked = Setup::with_config(config.clone()).arg("--log").start();
    wait_for_state(&asked, "good", "ready");
    asked
        .stdout
        .wait_for("good: ready, ", PATIENCE)
        .expect("it is logged");
    assert!(!asked.log.text().contains("good: ready"));
    let unasked = Setup::with_config(config).start();
    wait_for_state(&unasked, "good", "ready");
    if !std::path::Path::new("/dev/log").exists() {
        unasked
            .log
            .wait_for("good: ready, ", PATIENCE)
            .expect("it is logged");
    }
    let stopped = unasked.stop();
    assert!(stopped.status.success());
}

#[test]
fn json_logs_are_one_object_a_line() {
    let config = json!({"servers": [fault("good", &["--noise"])]}).to_string();
    let setup = Setup::with_config(config).arg("--log");
    let gateway = setup.arg("--log-format").arg("json").start();
    wait_for_state(&gateway, "good", "ready");
    gateway
        .stdout
        .wait_for("good: ready, ", PATIENCE)
        .expect("it is logged");
    let text = gateway.stdout.text();
    for line in text.lines() {
        let entry: Value = serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"));
        for member in ["ts", "level", "target", "message"] {
            assert!(entry[member].is_string(), "no {member}: {line}");
        }
    }
    assert!(text.contains("\"level\":\"WARN\"") || text.contains("\"level\":\"warn\""));
}

#[test]
fn stdio_mode_never_logs_to_stdout() {
    let config = json!({"servers": [fault("good", &["--noise"])]}).to_string();
    let setup = Setup::with_config(config);
    // Every line of stdout is a message, or the client would stumble over it.
    let setup = setup.arg("--log").arg("--log-level").arg("trace");
    let mut client = setup.start_stdio();
    client.initialize().unwrap();
    assert_echo(&mut client, "good");
    client
        .log
        .wait_for("good: not JSON-RPC on stdout, skipped: ", PATIENCE)
        .expect("the log is on stderr");
    client.close_stdin();
    assert_eq!(client.wait().unwrap().code(), Some(0));
    assert!(client.receive_line().unwrap().is_none(), "a stray line");
}

#[test]
fn the_token_opens_everything_but_health() {
    let setup = Setup::with_config(r#"{"servers": []}"#);
    let gateway = setup.env("API_ACCESS_TOKEN", "hunter2-hunter2").start();
    assert_eq!(get(&gateway, "/health").head.status, 200);
    assert_eq!(get(&gateway, "/ready").head.status, 200);
    for path in ["/sse", "/mcp"] {
        assert_eq!(get(&gateway, path).head.status, 401, "{path}");
    }
    let empty = Setup::with_config(r#"{"servers": []}"#).env("API_ACCESS_TOKEN", "");
    let ended = empty.run(&["--port", "0"]);
    assert_eq!(ended.status.code(), CANNOT_START, "{ended:?}");
    assert!(ended.stderr.contains("API_ACCESS_TOKEN"), "{ended:?}");
}
