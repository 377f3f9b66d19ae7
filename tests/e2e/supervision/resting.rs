//! Servers without a process because nobody needs one: lazy ones and ones with an `idle_stop`.
//! No call is lost to that.

use std::time::Duration;

use serde_json::{Value, json};

use crate::e2e::scene::{
    assert_echo, call_under_way, client, fault, gateway, get, health, pid_of, setup,
    wait_for_state, with,
};
use crate::harness::client::Client;
use crate::harness::gateway::Gateway;
use crate::harness::process::{Folder, is_alive};
use crate::harness::{Deadline, PATIENCE};

fn lazy(name: &str, idle_stop: &str) -> Value {
    let lazy = with(fault(name, &[]), "start", json!("lazy"));
    with(lazy, "idle_stop", json!(idle_stop))
}

fn has_ended(pid: i32) -> bool {
    Deadline::after(PATIENCE)
        .poll(|| (!is_alive(pid)).then_some(()))
        .is_some()
}

/// How many processes the gateway has started and not yet reaped.
fn children(gateway: &Gateway) -> usize {
    gateway.processes().len() - 1
}

#[test]
fn a_lazy_server_is_started_for_its_lists_then_sleeps_and_is_started_by_a_call() {
    let gateway = gateway(&json!({}), &[lazy("bad", "300ms")]);
    wait_for_state(&gateway, "bad", "stopped");
    let no_child = Deadline::after(PATIENCE).poll(|| (children(&gateway) == 0).then_some(()));
    assert!(no_child.is_some(), "{:?}", gateway.processes());
    assert_eq!(get(&gateway, "/ready").head.status, 200);
    assert_eq!(health(&gateway)["status"], "healthy", "it is well");
    let mut client = client(&gateway, "/mcp");
    assert!(client.tool_names().unwrap().contains(&"bad__echo".into()));
    assert_eq!(children(&gateway), 0, "its lists need no process");
    let first = pid_of(&mut client, "bad");
    assert!(has_ended(first), "it was not stopped");
    let second = pid_of(&mut client, "bad");
    assert_ne!(first, second);
    assert_echo(&mut client, "bad");
}

#[test]
fn a_server_with_a_call_under_way_is_not_idle() {
    let server = with(fault("bad", &[]), "idle_stop", json!("100ms"));
    // A call that was given up counts for its time once more.
    let server = with(server, "timeout", json!("5s"));
    let gateway = gateway(&json!({}), &[server]);
    let mut client = client(&gateway, "/mcp");
    let call = call_under_way(&mut client, "bad");
    let pid = pid_of(&mut client, "bad");
    // Ten times what would be enough.
    let mut other = crate::e2e::scene::client(&gateway, "/mcp");
    other
        .call_text("bad__progress", json!({"steps": 2, "ms": 500}))
        .expect("it is answered");
    assert!(is_alive(pid));
    drop(call);
    client.delete().expect("the session ends");
    assert!(has_ended(pid), "it was not stopped");
}

/// Calls come at every moment of the server's going, and each gets its own answer.
#[test]
fn no_call_is_lost_to_a_server_that_goes() {
    let gateway = gateway(&json!({}), &[lazy("bad", "2ms")]);
    let mut client = client(&gateway, "/mcp");
    let mut pids = std::collections::BTreeSet::new();
    for call in 0..150_u64 {
        let text = format!("call {call}");
        let told = client.call_text("bad__echo", json!({"text": text}));
        match told {
            Ok(told) => assert_eq!(told, text),
            Err(error) => panic!("call {call}: {}", error.message()),
        }
        if call % 10 == 0 {
            pids.insert(pid_of(&mut client, "bad"));
        }
        // From before the stop to after the exit, in steps of 97 µs.
        std::thread::sleep(Duration::from_micros(call * 97));
    }
    assert!(pids.len() > 5, "it was hardly ever stopped: {pids:?}");
}

#[test]
fn a_call_that_comes_while_a_server_takes_its_time_to_go_waits_for_its_next_life() {
    let server = with(fault("bad", &["--ignore-eof"]), "idle_stop", json!("200ms"));
    let gateway = gateway(&json!({}), &[server]);
    let mut client = client(&gateway, "/mcp");
    let pid = pid_of(&mut client, "bad");
    wait_for_state(&gateway, "bad", "stopped");
    assert!(is_alive(pid), "it goes on SIGTERM, after two seconds");
    assert_echo(&mut client, "bad");
    assert!(!is_alive(pid));
}

/// What a gateway has learnt of its servers the next one knows: it starts none for their lists.
#[test]
fn a_lazy_server_is_known_to_the_gateway_after_this_one() {
    let state = Folder::new();
    let state_folder = state.path().to_str().expect("a folder of ours is UTF-8");
    let start = || {
        // Each test's gateway has a folder of its own, which servers are told of:
        // they would not be the same ones.
        let env = json!({"HOME": state_folder, "TMPDIR": state_folder});
        let setup = setup(&json!({}), &[with(lazy("bad", "300ms"), "env", env)]);
        setup.env("XDG_STATE_HOME", state_folder).start()
    };
    let first = start();
    wait_for_state(&first, "bad", "stopped");
    first.stop();
    let second = start();
    assert_eq!(get(&second, "/ready").head.status, 200);
    let mut client = client(&second, "/mcp");
    assert!(client.tool_names().unwrap().contains(&"bad__echo".into()));
    let log = second.stdout.text();
    assert!(
        log.contains("bad: starts with its first call; ") && log.contains(" tools, 1 prompt"),
        "{log}"
    );
    assert!(!log.contains("bad: ready"), "it was started: {log}");
    assert_echo(&mut client, "bad");
}
