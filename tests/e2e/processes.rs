//! Processes: what a server's process is given at its start, and that nothing of a server's life
//! outlives it, however it ends and whatever it has started, while the gateway goes on. (What is
//! left at the gateway's own end is in `shutdown`.)

#![allow(
    clippy::disallowed_methods,
    reason = "tests read the clock: that rule of the house is for the gateway"
)]

mod given;
mod stopping;

use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

use crate::e2e::scene::{
    assert_echo, call_under_way, client, fault, fault_with, gateway, pid_of, setup, wait_for_log,
    whoami,
};
use crate::harness::client::Client;
use crate::harness::gateway::Gateway;
use crate::harness::process::is_alive;
use crate::harness::streamable::McpClient;
use crate::harness::{Deadline, PATIENCE, fixture};

fn soon() -> Value {
    // Some servers here are killed many times.
    json!({"reconnect_delay": "20ms", "max_reconnect_attempts": 50})
}

/// Has a server start processes of every kind that leaves its group, and tells their ids.
fn daemons(client: &mut McpClient, server: &str) -> Vec<i32> {
    let kinds = [
        json!({"setsid": true, "count": 2}),
        json!({"setsid": true, "ignore_term": true}),
        json!({"setsid": true, "ignore_term": true, "hold_stdout": true}),
        json!({"ignore_term": true}),
    ];
    let mut pids = Vec::new();
    for kind in kinds {
        let told = client.call_text(&format!("{server}__spawn_grandchild"), kind);
        let told: Value = serde_json::from_str(&told.expect("it starts them")).unwrap();
        let told = told["pids"].as_array().expect("it tells them");
        pids.extend(
            told.iter()
                .map(|pid| i32::try_from(pid.as_i64().unwrap()).unwrap()),
        );
    }
    assert!(pids.iter().all(|&pid| is_alive(pid)));
    pids
}

fn assert_all_go(gateway: &Gateway, pids: &[i32]) {
    let gone =
        Deadline::after(PATIENCE).poll(|| (!pids.iter().any(|&pid| is_alive(pid))).then_some(()));
    let left: Vec<_> = gateway
        .processes()
        .into_iter()
        .filter(|(pid, _)| pids.contains(pid))
        .collect();
    assert!(gone.is_some(), "left behind: {left:?}");
}

/// Waits until a server answers whose end the gateway may not have noticed yet.
fn assert_revives(client: &mut McpClient, server: &str) {
    let echo = format!("{server}__echo");
    let told =
        Deadline::after(PATIENCE).poll(|| client.call_text(&echo, json!({"text": "again"})).ok());
    assert_eq!(
        told.as_deref(),
        Some("again"),
        "the next life does not serve"
    );
}

fn kill_now(pid: i32) {
    kill(Pid::from_raw(pid), Signal::SIGKILL).expect("it was alive");
}

#[test]
fn what_a_killed_server_leaves_is_killed_and_the_next_life_serves() {
    let gateway = gateway(&soon(), &[fault("good", &[]), fault("bad", &[])]);
    let mut client = client(&gateway, "/mcp");
    let others = daemons(&mut client, "good");
    for _ in 0..3 {
        let leader = pid_of(&mut client, "bad");
        let daemons = daemons(&mut client, "bad");
        kill_now(leader);
        assert_all_go(&gateway, &daemons);
        assert_ne!(pid_of(&mut client, "bad"), leader);
        assert_echo(&mut client, "bad");
    }
    wait_for_log(&gateway, "which had left its group and outlived it");
    assert!(others.iter().all(|&pid| is_alive(pid)), "another server's");
    assert_echo(&mut client, "good");
}

#[test]
fn what_a_server_leaves_at_its_own_exit_is_killed() {
    let gateway = gateway(&soon(), &[fault("bad", &[])]);
    let mut client = client(&gateway, "/mcp");
    let crashed = daemons(&mut client, "bad");
    client.call_tool("bad__crash", json!({})).unwrap_err();
    assert_all_go(&gateway, &crashed);
    let exited = daemons(&mut client, "bad");
    client
        .call_text("bad__exit_after_answer", json!({}))
        .unwrap();
    assert_all_go(&gateway, &exited);
    assert_echo(&mut client, "bad");
}

/// It neither ends with its stdin nor at SIGTERM, and nor do those it has started.
#[test]
fn a_deaf_server_is_killed_and_with_it_what_it_has_started() {
    let deaf = fault_with(
        "bad",
        &["--ignore-term", "--ignore-eof"],
        "scope",
        json!("session"),
    );
    let gateway = gateway(&soon(), &[deaf]);
    let mut client = client(&gateway, "/mcp");
    let leader = pid_of(&mut client, "bad");
    let daemons = daemons(&mut client, "bad");
    client.delete().unwrap();
    wait_for_log(&gateway, "has not ended when asked");
    assert_all_go(&gateway, &[leader]);
    assert_all_go(&gateway, &daemons);
}

#[test]
fn behind_a_shell_it_is_the_same() {
    let program = fixture("fault_server");
    // The shell is the leader, and the server a child of it.
    let script = format!("'{}' --name bad; exit $?", program.display());
    let entry = json!({"name": "bad", "command": "sh", "args": ["-c", script]});
    let gateway = gateway(&soon(), &[entry]);
    let mut client = client(&gateway, "/mcp");
    for victim in ["the shell", "the server"] {
        let server = pid_of(&mut client, "bad");
        let daemons = daemons(&mut client, "bad");
        kill_now(if victim == "the shell" {
            parent_of(server)
        } else {
            server
        });
        assert_all_go(&gateway, &[server]);
        assert_all_go(&gateway, &daemons);
        assert_ne!(pid_of(&mut client, "bad"), server);
    }
}

fn parent_of(pid: i32) -> i32 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let parent = status.lines().find_map(|line| line.strip_prefix("PPid:"));
    parent.unwrap().trim().parse().unwrap()
}

#[test]
fn a_sessions_own_child_takes_its_own_with_it() {
    let own = fault_with("bad", &[], "scope", json!("session"));
    let gateway = gateway(&soon(), &[own]);
    let (mut one, mut two) = (client(&gateway, "/mcp"), client(&gateway, "/mcp"));
    let (of_one, of_two) = (daemons(&mut one, "bad"), daemons(&mut two, "bad"));
    one.delete().unwrap();
    assert_all_go(&gateway, &of_one);
    assert!(of_two.iter().all(|&pid| is_alive(pid)));
    assert_echo(&mut two, "bad");
}

/// Both gateways mark, adopt and kill; neither takes the other's for its own.
#[test]
fn a_gateway_in_a_gateway_keeps_to_its_own() {
    let inner = json!({
        "limits": soon(),
        "servers": [fault("one", &[]), fault("two", &[])],
    });
    let setup = setup(&soon(), &[]);
    let file = setup.folder().join("inner.json");
    std::fs::write(&file, inner.to_string()).unwrap();
    let inner = json!({
        "name": "inner",
        "command": env!("CARGO_BIN_EXE_mcproxy"),
        "args": ["stdio", "--log", "--config", file],
    });
    let config = json!({"limits": soon(), "servers": [inner, fault("beside", &[])]});
    let gateway = setup.config(config.to_string()).start();
    let mut client = client(&gateway, "/mcp");
    let beside = daemons(&mut client, "beside");
    let of_one = daemons(&mut client, "inner__one");
    let of_two = daemons(&mut client, "inner__two");
    let inner_pid = parent_of(pid_of(&mut client, "inner__two"));

    // The inner gateway's own matter.
    kill_now(pid_of(&mut client, "inner__one"));
    assert_all_go(&gateway, &of_one);
    assert_echo(&mut client, "inner__one");
    assert!(beside.iter().chain(&of_two).all(|&pid| is_alive(pid)));
    // And when it is killed, the outer one's.
    let of_one = daemons(&mut client, "inner__one");
    kill_now(inner_pid);
    assert_all_go(&gateway, &of_one);
    assert_all_go(&gateway, &of_two);
    assert_revives(&mut client, "inner__one");
    assert!(beside.iter().all(|&pid| is_alive(pid)), "not of that life");
    assert_echo(&mut client, "beside");
}

/// The error of a call comes when the server is gone, not when all it left is.
#[test]
fn calls_do_not_wait_for_the_sweeping() {
    let gateway = gateway(&soon(), &[fault("bad", &[])]);
    let mut client = client(&gateway, "/mcp");
    let kind = json!({"setsid": true, "ignore_term": true, "count": 30});
    client.call_text("bad__spawn_grandchild", kind).unwrap();
    let leader = whoami(&mut client, "bad")["pid"].as_i64().unwrap();
    let mut call = call_under_way(&mut client, "bad");
    kill_now(i32::try_from(leader).unwrap());
    let asked = Instant::now();
    let answer = call.next_message().unwrap().unwrap();
    assert!(answer["error"]["message"].is_string(), "{answer}");
    let took = asked.elapsed();
    assert!(took < Duration::from_secs(1), "{took:?}");
    assert_echo(&mut client, "bad");
}
