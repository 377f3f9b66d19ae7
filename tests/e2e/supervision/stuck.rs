//! Servers that live and answer nothing: found by pings while they are idle, and by their silence
//! when their calls' time is over while they are busy.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

use crate::e2e::scene::{
    Bystander, assert_echo, call_under_way, client, fault, fault_with, gateway, pid_of,
    wait_for_log,
};
use crate::harness::client::Client;
use crate::harness::streamable::McpClient;
use crate::harness::{Deadline, PATIENCE};

/// Pings often.
fn often() -> Value {
    json!({"reconnect_delay": "20ms", "keepalive_interval": "200ms"})
}

#[test]
fn a_stopped_process_is_found_by_pings_and_replaced() {
    let gateway = gateway(&often(), &[fault("good", &[]), fault("bad", &[])]);
    let bystander = Bystander::of(&gateway);
    let mut client = client(&gateway, "/mcp");
    let pid = pid_of(&mut client, "bad");
    kill(Pid::from_raw(pid), Signal::SIGSTOP).expect("it was alive");
    wait_for_log(&gateway, "bad: has not answered two pings, 0.2 s apart");
    wait_for_log(&gateway, "bad: has not ended when asked; killed");
    assert!(is_replaced(&mut client, pid));
    assert_echo(&mut client, "bad");
    bystander.assert_unharmed();
    let log = gateway.stdout.text();
    assert!(!log.contains("good: has not answered"), "{log}");
}

/// Its clients go on calling, so that it is never idle.
#[test]
fn a_stopped_process_is_found_and_replaced_though_calls_go_on() {
    let bad = fault_with("bad", &[], "timeout", json!("400ms"));
    let gateway = gateway(&often(), &[bad]);
    let mut client = client(&gateway, "/mcp");
    let pid = pid_of(&mut client, "bad");
    kill(Pid::from_raw(pid), Signal::SIGSTOP).expect("it was alive");
    let refused = client.call_text("bad__whoami", json!({}));
    assert!(refused.is_err(), "{refused:?}");
    assert!(is_replaced(&mut client, pid));
    let log = gateway.stdout.text();
    assert!(log.contains("bad: has answered no call in time"), "{log}");
    assert!(!log.contains("two pings"), "{log}");
}

#[test]
fn a_busy_server_is_not_pinged_and_an_idle_one_is() {
    let bad = fault_with("bad", &["--never-ping"], "timeout", json!("5s"));
    let gateway = gateway(&often(), &[bad]);
    let mut client = client(&gateway, "/mcp");
    let call = call_under_way(&mut client, "bad");
    let pid = pid_of(&mut client, "bad");
    // Ten intervals: each of this session's words is for another child's ears.
    let mut other = crate::e2e::scene::client(&gateway, "/mcp");
    let told = other.call_text("bad__progress", json!({"steps": 4, "ms": 500}));
    assert_eq!(told.expect("it is answered"), "done in 4 steps");
    assert_eq!(pid_of(&mut other, "bad"), pid, "it was replaced while busy");
    drop(call);
    // The session's end takes its call back, which keeps the server busy for its time once more.
    client.delete().expect("the session ends");
    wait_for_log(&gateway, "bad: has not answered two pings");
    assert!(is_replaced(&mut other, pid));
}

#[test]
fn who_shall_not_be_pinged_is_not() {
    let quiet = fault_with("quiet", &["--never-ping"], "ping", json!(false));
    let bad = fault("bad", &["--never-ping"]);
    let gateway = gateway(&often(), &[quiet, bad]);
    let mut client = client(&gateway, "/mcp");
    let pid = pid_of(&mut client, "quiet");
    // By the time that the one was replaced, the other would have been.
    let first = pid_of(&mut client, "bad");
    wait_for_log(&gateway, "bad: has not answered two pings");
    assert!(is_replaced(&mut client, first));
    assert_eq!(pid_of(&mut client, "quiet"), pid);
}

/// Waits until the server called `bad` answers from another process.
fn is_replaced(client: &mut McpClient, pid: i32) -> bool {
    let other = || {
        let told = client.call_text("bad__whoami", json!({})).ok()?;
        let told: Value = serde_json::from_str(&told).ok()?;
        (told["pid"] != pid).then_some(())
    };
    let poll = Deadline::after(PATIENCE).poll(other);
    poll.is_some()
}
