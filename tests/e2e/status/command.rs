//! `mcproxy status`: what it prints, and what its exit code says.

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::e2e::scene::{client, fault, gateway, setup, wait_for_state};
use crate::harness::PATIENCE;
use crate::harness::client::Client;
use crate::harness::gateway::{Finished, Gateway, Setup};
use crate::harness::process::{Log, Running};

const WELL: Option<i32> = Some(0);
const NO_ANSWER: Option<i32> = Some(1);
const NOT_WELL: Option<i32> = Some(4);
const TOKEN: &str = "hunter2-hunter2";

/// `mcproxy status` with the port of that gateway, in a folder without a configuration.
fn ask(gateway: &Gateway, setup: &Setup, more: &[&str]) -> Finished {
    let port = gateway.address.port().to_string();
    setup.run(&[&["status", "--port", &port], more].concat())
}

#[test]
fn a_table_says_how_each_server_does_and_the_exit_code_whether_all_are_well() {
    let limits = json!({"reconnect_delay": "60s"});
    let gateway = gateway(&limits, &[fault("good", &[]), fault("bad", &[])]);
    wait_for_state(&gateway, "good", "ready");
    wait_for_state(&gateway, "bad", "ready");
    let setup = Setup::without_config();
    let ended = ask(&gateway, &setup, &[]);
    assert_eq!(ended.status.code(), WELL, "{ended:?}");
    assert_eq!(ended.stderr, "");
    let lines: Vec<&str> = ended.stdout.lines().collect();
    let begin = |at: usize| lines[at].split_whitespace().take(2).collect::<Vec<_>>();
    let about = format!("at http://{}: pid {}, up ", gateway.address, gateway.pid());
    assert!(
        lines[0].starts_with("mcproxy ") && lines[0].contains(&about),
        "{ended:?}"
    );
    assert_eq!(begin(2), ["SERVER", "STATE"]);
    assert_eq!(
        (begin(3), begin(4)),
        (vec!["good", "ready"], vec!["bad", "ready"])
    );
    assert_eq!((lines.len(), begin(5)[0]), (6, "all"));
    assert!(!ended.stdout.contains('\x1b'), "this is no terminal");
    let mut client = client(&gateway, "/mcp");
    client
        .call_tool("bad__crash", json!({"code": 7}))
        .unwrap_err();
    let ended = ask(&gateway, &setup, &[]);
    assert_eq!(ended.status.code(), NOT_WELL, "{ended:?}");
    let why = ended
        .stdout
        .lines()
        .find(|line| line.starts_with("  restarting for "));
    let why = why.unwrap_or_else(|| panic!("{ended:?}"));
    assert!(why.contains("exited with code 7"), "{why}");
}

#[test]
fn json_is_what_the_gateway_answers() {
    let gateway = gateway(&json!({}), &[fault("good", &[])]);
    wait_for_state(&gateway, "good", "ready");
    let ended = ask(&gateway, &Setup::without_config(), &["--json"]);
    let told: Value = serde_json::from_str(&ended.stdout).expect("it is JSON");
    assert_eq!(told["servers"][0]["name"], "good");
    assert_eq!(told["pid"], gateway.pid());
}

#[test]
fn the_configuration_says_where_to_ask_and_its_errors_do_not_hinder() {
    let gateway = gateway(&json!({}), &[fault("good", &[])]);
    wait_for_state(&gateway, "good", "ready");
    let port = gateway.address.port();
    let named = Setup::with_config(json!({"port": port, "servers": []}).to_string());
    let ended = named.run(&["status"]);
    assert_eq!(ended.status.code(), WELL, "{ended:?}");
    let broken = Setup::with_config("{").env("TRANSPORT_SSE_PORT", &port.to_string());
    let ended = broken.run(&["status"]);
    assert_eq!(ended.status.code(), WELL, "{ended:?}");
    assert!(ended.stderr.contains("mcp-servers.json"), "{ended:?}");
}

#[test]
fn where_nothing_listens_a_sentence_says_so() {
    // A port that was free a moment ago, and that nobody takes who does not ask for it.
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let ended = Setup::without_config().run(&["status", "--port", &port.to_string()]);
    assert_eq!(ended.status.code(), NO_ANSWER, "{ended:?}");
    let expected = format!("mcproxy: no gateway listens at http://127.0.0.1:{port}: ");
    assert!(ended.stderr.starts_with(&expected), "{ended:?}");
    assert_eq!(
        (ended.stdout.as_str(), ended.stderr.lines().count()),
        ("", 1)
    );
}

#[test]
fn the_token_is_sent_and_asked_for() {
    let setup = setup(&json!({}), &[fault("good", &[])]);
    let gateway = setup.env("API_ACCESS_TOKEN", TOKEN).start();
    wait_for_state(&gateway, "good", "ready");
    let none = ask(&gateway, &Setup::without_config(), &[]);
    assert_eq!(none.status.code(), NO_ANSWER, "{none:?}");
    assert!(none.stderr.contains("set API_ACCESS_TOKEN"), "{none:?}");
    let with = |token| Setup::without_config().env("API_ACCESS_TOKEN", token);
    let other = ask(&gateway, &with("another-token"), &[]);
    assert_eq!(other.status.code(), NO_ANSWER, "{other:?}");
    assert!(other.stderr.contains("another token"), "{other:?}");
    let right = ask(&gateway, &with(TOKEN), &[]);
    assert_eq!(right.status.code(), WELL, "{right:?}");
}

/// `mcproxy status --watch --json` of a gateway, its stdout piped.
fn watch(gateway: &Gateway) -> Child {
    Command::new(env!("CARGO_BIN_EXE_mcproxy"))
        .args(["status", "--watch", "--json", "--port"])
        .arg(gateway.address.port().to_string())
        .current_dir(gateway.folder())
        .env_clear()
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the program can be started")
}

#[test]
fn watching_goes_on_until_ctrl_c_and_then_ends_well() {
    let gateway = gateway(&json!({}), &[fault("good", &[])]);
    wait_for_state(&gateway, "good", "ready");
    let mut child = watch(&gateway);
    let stdout = Log::of(child.stdout.take().expect("stdout is piped"));
    let mut running = Running::new(child);
    let second = |text: &str| text.lines().count() >= 2;
    let told = crate::harness::Deadline::after(PATIENCE)
        .poll(|| Some(stdout.text()).filter(|text| second(text)));
    let told = told.unwrap_or_else(|| panic!("it looked once: {}", stdout.text()));
    for line in told.lines() {
        let told: Value = serde_json::from_str(line).expect("a line is a whole answer");
        assert_eq!(told["pid"], gateway.pid());
    }
    running.signal(Signal::SIGINT);
    let status = running.wait(PATIENCE).expect("it ends");
    assert_eq!(status.code(), WELL);
}

#[test]
fn watching_ends_when_nobody_reads_it_any_more() {
    let gateway = gateway(&json!({}), &[fault("good", &[])]);
    wait_for_state(&gateway, "good", "ready");
    let mut child = watch(&gateway);
    drop(child.stdout.take());
    let mut running = Running::new(child);
    let status = running.wait(PATIENCE);
    running.signal(Signal::SIGKILL);
    assert_eq!(status.expect("it ends").code(), WELL);
}
