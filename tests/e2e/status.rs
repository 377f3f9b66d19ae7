//! `/status` and `mcproxy status`: figures that are true of real processes, told to those who
//! may know them. The sub-command is in `status/command.rs`.

mod command;

use serde_json::{Value, json};

use crate::e2e::scene::{
    call_under_way, client, fault, fault_with, gateway, get, pid_of, setup, wait_for_log,
    wait_for_state,
};
use crate::harness::client::Client;
use crate::harness::gateway::Gateway;
use crate::harness::{Deadline, PATIENCE, spawn};

fn status(gateway: &Gateway) -> Value {
    let reply = get(gateway, "/status");
    assert_eq!(reply.head.status, 200, "{}", reply.text());
    reply.json()
}

/// The status of one server.
fn of(gateway: &Gateway, name: &str) -> Value {
    let told = status(gateway);
    let servers = told["servers"].as_array().expect("a list").clone();
    let found = servers.into_iter().find(|server| server["name"] == name);
    found.unwrap_or_else(|| panic!("no {name} in {told}"))
}

/// Waits until a server's status is so.
fn wait_until(gateway: &Gateway, name: &str, is_so: impl Fn(&Value) -> bool) -> Value {
    let found = Deadline::after(PATIENCE).poll(|| Some(of(gateway, name)).filter(&is_so));
    found.unwrap_or_else(|| panic!("it never was so: {}", of(gateway, name)))
}

fn number(value: &Value) -> u64 {
    value
        .as_u64()
        .unwrap_or_else(|| panic!("{value} is no count"))
}

#[test]
fn a_status_is_true_of_the_gateway_and_its_processes() {
    let own = fault_with("own", &[], "scope", json!("session"));
    let gateway = gateway(&json!({}), &[fault("git", &[]), own]);
    let mut client = client(&gateway, "/mcp");
    let (git, own) = (pid_of(&mut client, "git"), pid_of(&mut client, "own"));
    let told = status(&gateway);
    assert_eq!(told["pid"], gateway.pid());
    assert_eq!(told["status"], "healthy");
    assert_eq!(told["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(
        (&told["sessions"], &told["uptime"].is_u64()),
        (&json!(1), &true)
    );
    assert!(number(&told["connections"]) >= 1, "{told}");
    // A binary and its stack are more than this, and all together less than that.
    let memory = 100_000..1_000_000_000;
    assert!(memory.contains(&number(&told["memory_bytes"])), "{told}");
    let servers = told["servers"].as_array().expect("a list");
    assert_eq!(servers[0]["pid"], git);
    assert_eq!(servers[0]["pids"], json!([]));
    assert_eq!(servers[1]["pids"], json!([own]));
    assert_ne!(servers[1]["pid"], own, "its lists come from another");
    for server in servers {
        assert_eq!(
            (&server["state"], &server["calls"]),
            (&json!("ready"), &json!(1))
        );
        assert!(
            memory.contains(&number(&server["memory_bytes"])),
            "{server}"
        );
        assert!(
            server["uptime"].is_u64() && server["age"].is_u64(),
            "{server}"
        );
        assert!(server.get("reason").is_none(), "{server}");
    }
    let all = number(&told["totals"]["memory_bytes"]);
    assert!(all > number(&servers[0]["memory_bytes"]) + number(&servers[1]["memory_bytes"]));
    assert_eq!(told["totals"]["calls"], 2);
}

#[test]
fn memory_is_that_of_all_below_the_process() {
    let gateway = gateway(&json!({}), &[fault("git", &[])]);
    let mut client = client(&gateway, "/mcp");
    wait_for_state(&gateway, "git", "ready");
    let alone = number(&of(&gateway, "git")["memory_bytes"]);
    let three = json!({"count": 3});
    client.call_text("git__spawn_grandchild", three).unwrap();
    let family = number(&of(&gateway, "git")["memory_bytes"]);
    assert!(family > alone + 100_000, "{alone}, then {family}");
}

#[test]
fn a_killed_server_is_told_with_its_restart() {
    let limits = json!({"reconnect_delay": "20ms"});
    let gateway = gateway(&limits, &[fault("bad", &[])]);
    let mut client = client(&gateway, "/mcp");
    let pid = pid_of(&mut client, "bad");
    let before = wait_until(&gateway, "bad", |bad| bad["state"] == "ready");
    assert_eq!(
        (&before["restarts"], &before["errors"]),
        (&json!(0), &json!(0))
    );
    client
        .call_tool("bad__crash", json!({"code": 3}))
        .unwrap_err();
    let after = wait_until(&gateway, "bad", |bad| {
        bad["state"] == "ready" && bad["pid"].is_u64() && bad["pid"] != pid
    });
    assert_eq!(
        (&after["restarts"], &after["errors"]),
        (&json!(1), &json!(1))
    );
    // Times of one form are ordered like their text.
    let since = |told: &Value| told["since"].as_str().expect("a time").to_owned();
    assert!(since(&after) > since(&before), "{after}");
    assert_eq!(after["pid"], pid_of(&mut client, "bad"));
}

#[test]
fn a_server_that_is_not_up_is_told_with_its_reason() {
    let limits = json!({"reconnect_delay": "20ms", "max_reconnect_attempts": 1});
    let bad = fault("bad", &["--exit-at-start", "1"]);
    let gateway = gateway(&limits, &[bad]);
    let bad = wait_until(&gateway, "bad", |bad| bad["state"] == "parked");
    let reason = bad["reason"].as_str().expect("a reason");
    assert!(reason.contains("exited with code 1"), "{reason}");
    assert_eq!(bad["health"], "unhealthy");
    for absent in ["pid", "uptime", "memory_bytes", "p50_ms", "protocol"] {
        assert!(bad.get(absent).is_none(), "{absent}: {bad}");
    }
}

#[test]
fn the_last_lines_on_stderr_outlive_their_process() {
    let gateway = gateway(&json!({"reconnect_delay": "20ms"}), &[fault("bad", &[])]);
    let mut client = client(&gateway, "/mcp");
    let pid = pid_of(&mut client, "bad");
    assert_eq!(of(&gateway, "bad")["stderr"], json!([]));
    let lines = json!({"lines": 12, "bytes": 3});
    client.call_text("bad__stderr", lines).unwrap();
    let ten = json!(vec!["eee"; 10]);
    wait_until(&gateway, "bad", |bad| bad["stderr"] == ten);
    client.call_tool("bad__crash", json!({})).unwrap_err();
    let other = |bad: &Value| bad["pid"].is_u64() && bad["pid"] != pid;
    let after = wait_until(&gateway, "bad", other);
    assert_eq!(after["stderr"], ten, "the new one has written nothing");
    client
        .call_text("bad__stderr", json!({"lines": 1, "bytes": 2}))
        .unwrap();
    wait_until(&gateway, "bad", |bad| bad["stderr"] == json!(["ee"]));
}

#[test]
fn what_a_sessions_own_process_wrote_does_not_stand_for_the_server() {
    let own = fault_with("own", &[], "scope", json!("session"));
    let gateway = gateway(&json!({"reconnect_delay": "20ms"}), &[own]);
    let mut client = client(&gateway, "/mcp");
    let pid = pid_of(&mut client, "own");
    let lines = json!({"lines": 1, "bytes": 3});
    client.call_text("own__stderr", lines).unwrap();
    wait_for_log(&gateway, "stderr: eee");
    client.call_tool("own__crash", json!({})).unwrap_err();
    let is_another = |own: &Value| {
        let pids = own["pids"].as_array().expect("a list");
        pids.len() == 1 && pids[0] != pid
    };
    let told = wait_until(&gateway, "own", is_another);
    assert_eq!(told["stderr"], json!([]), "{told}");
}

#[test]
fn calls_are_told_while_they_run_while_they_wait_and_by_their_time() {
    let slow = fault_with("slow", &[], "max_concurrent", json!(1));
    let gateway = gateway(&json!({}), &[slow]);
    let mut client = client(&gateway, "/mcp");
    for _ in 0..3 {
        client.call_text("slow__sleep", json!({"ms": 300})).unwrap();
    }
    let told = of(&gateway, "slow");
    let half = told["p50_ms"].as_f64().expect("there were calls");
    assert!((250.0..2_000.0).contains(&half), "{told}");
    assert!(told["p99_ms"].as_f64() >= Some(half), "{told}");
    assert_eq!((&told["under_way"], &told["queue"]), (&json!(0), &json!(0)));
    let running = call_under_way(&mut client, "slow");
    let mut other = crate::e2e::scene::client(&gateway, "/mcp");
    let waiting = spawn(move || other.call_text("slow__echo", json!({"text": "x"})));
    let told = wait_until(&gateway, "slow", |slow| slow["queue"] == 1);
    assert_eq!((&told["under_way"], &told["calls"]), (&json!(1), &json!(5)));
    // The gateway ends with both of them open.
    drop(gateway);
    assert!(waiting.join().expect("it ends").is_err());
    drop(running);
}

#[test]
fn a_status_is_for_those_who_have_the_token() {
    let setup = setup(&json!({}), &[fault("git", &[])]);
    let gateway = setup.env("API_ACCESS_TOKEN", "hunter2-hunter2").start();
    let reply = get(&gateway, "/status");
    assert_eq!(reply.head.status, 401);
    assert!(!reply.text().contains("git"), "{}", reply.text());
}
