//! The end: on SIGTERM and on SIGINT, in less than 3 s, with exit code 0, and whatever the
//! children and the clients are doing, nothing is left behind. (That nothing is left is seen
//! by the harness, at the end of every test.)

use std::fmt::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

use crate::e2e::scene::{
    assert_echo, call_under_way, client, fault, fault_with, gateway, get, pid_of, setup,
    wait_for_log, wait_for_state,
};
use crate::harness::client::Client;
use crate::harness::engine::{Exemption, exempts};
use crate::harness::gateway::{Gateway, Setup, Stopped};
use crate::harness::http::{Http, Request};
use crate::harness::process::is_alive;
use crate::harness::{Deadline, PATIENCE, spawn};

/// The longest that the end may take.
const END: Duration = Duration::from_secs(3);

fn assert_ended_well(stopped: &Stopped) {
    assert_eq!(stopped.status.code(), Some(0), "{:?}", stopped.status);
    assert!(stopped.took < END, "the end took {:?}", stopped.took);
}

fn assert_stops(gateway: Gateway, signal: Signal) {
    assert_ended_well(&gateway.stop_with(signal));
}

/// A server that neither the end of its stdin nor SIGTERM ends.
fn deaf(name: &str) -> Value {
    fault(name, &["--ignore-eof", "--ignore-term"])
}

/// Every process of the test but the gateway, as the test begins.
fn children_of(gateway: &Gateway) -> Vec<i32> {
    let all = gateway.processes().into_iter().map(|(pid, _)| pid);
    all.filter(|&pid| pid != gateway.pid()).collect()
}

#[test]
fn on_each_signal_it_ends_and_so_do_its_children() {
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let gateway = gateway(&json!({}), &[fault("one", &[]), fault("two", &[])]);
        wait_for_state(&gateway, "one", "ready");
        wait_for_state(&gateway, "two", "ready");
        let children = children_of(&gateway);
        assert_eq!(children.len(), 2);
        assert_stops(gateway, signal);
        assert!(children.iter().all(|&pid| !is_alive(pid)));
    }
}

#[test]
fn it_ends_with_children_that_do_not_listen() {
    let gateway = gateway(&json!({}), &[deaf("one"), deaf("two"), fault("good", &[])]);
    wait_for_state(&gateway, "one", "ready");
    wait_for_state(&gateway, "two", "ready");
    assert_stops(gateway, Signal::SIGTERM);
}

#[test]
fn a_second_signal_ends_its_patience() {
    let mut gateway = gateway(&json!({}), &[deaf("one")]);
    wait_for_state(&gateway, "one", "ready");
    let log = gateway.stdout.clone();
    gateway.signal(Signal::SIGTERM);
    let address = gateway.address;
    let stopping = Deadline::after(PATIENCE).poll(|| {
        let ask = Request::new("GET", "/ready");
        let reply = Http::connect(address).and_then(|mut http| http.request(&ask));
        // It says so, or it does not even listen any more.
        let stopping = reply.map_or(true, |reply| reply.text().contains("is stopping"));
        stopping.then_some(())
    });
    assert!(stopping.is_some(), "it goes on");
    assert_stops(gateway, Signal::SIGTERM);
    // It had not waited until it was time to kill.
    assert!(!log.text().contains("has not ended when asked"));
}

#[test]
fn it_takes_every_kind_of_grandchild_with_it() {
    let gateway = gateway(&json!({}), &[fault("bad", &[])]);
    let mut client = client(&gateway, "/mcp");
    let kinds = [
        json!({"count": 3}),
        json!({"ignore_term": true}),
        json!({"setsid": true, "count": 3}),
        json!({"setsid": true, "ignore_term": true, "hold_stdout": true}),
        json!({"ignore_term": true, "hold_stdout": true}),
    ];
    for kind in kinds {
        client.call_text("bad__spawn_grandchild", kind).unwrap();
    }
    let children = children_of(&gateway);
    assert!(children.len() >= 10, "{children:?}");
    assert_stops(gateway, Signal::SIGTERM);
}

#[test]
fn calls_under_way_and_open_streams_end_with_it() {
    let gateway = gateway(&json!({}), &[fault("good", &[]), deaf("deaf")]);
    wait_for_state(&gateway, "deaf", "ready");
    let mut client = client(&gateway, "/mcp");
    let mut listening = client.get_stream(None).unwrap();
    let mut sse = gateway.sse_client("/sse");
    sse.initialize().unwrap();
    let mut calls = [
        call_under_way(&mut client, "good"),
        call_under_way(&mut client, "deaf"),
    ];
    assert_stops(gateway, Signal::SIGTERM);
    for call in &mut calls {
        let answer = call.next_message().unwrap().expect("each has an answer");
        assert_eq!(answer["error"]["message"], "the gateway is stopping");
    }
    // Cut or ended; but over.
    assert!(!matches!(listening.next_message(), Ok(Some(_))));
    assert!(!matches!(sse.listener.http.next_event(), Ok(Some(_))));
}

#[test]
fn its_last_answers_say_that_their_connections_end() {
    if exempts(Exemption::Connections) {
        return;
    }
    // Such a server makes the end take more than a second.
    let mut gateway = gateway(&json!({}), &[fault("good", &[]), deaf("deaf")]);
    wait_for_state(&gateway, "deaf", "ready");
    let mut client = client(&gateway, "/mcp");
    let mut idle = client.connect();
    let live = Request::new("GET", "/health");
    let reply = idle.request(&live).unwrap();
    assert_eq!(reply.head.header("connection"), None);
    let params = json!({"name": "good__hang"});
    let call = client.book.request("tools/call", &params).to_string();
    let mut calling = client.connect();
    calling.send(&client.http_post(call)).unwrap();
    let begun = Deadline::after(PATIENCE).poll(|| {
        let status = get(&gateway, "/status").json();
        let servers = status["servers"].as_array().cloned().unwrap_or_default();
        let is_busy = |server: &Value| server["under_way"] == 1;
        servers.iter().any(is_busy).then_some(())
    });
    assert!(begun.is_some(), "the call does not begin");
    gateway.signal(Signal::SIGTERM);
    let head = calling.read_head(false).unwrap();
    assert_eq!(head.header("connection"), Some("close"), "{head:?}");
    let body = calling.read_body().unwrap();
    assert!(String::from_utf8_lossy(&body).contains("the gateway is stopping"));
    let reply = idle.request(&live).unwrap();
    assert_eq!(reply.head.header("connection"), Some("close"));
    assert_stops(gateway, Signal::SIGTERM);
}

#[test]
fn it_ends_in_the_middle_of_floods() {
    let gateway = gateway(&json!({}), &[fault("good", &[]), fault("bad", &[])]);
    let over = Arc::new(AtomicBool::new(false));
    let (begun, begins) = mpsc::sync_channel(4);
    let callers: Vec<_> = (0..4)
        .map(|_| {
            let mut caller = client(&gateway, "/mcp");
            let (over, begun) = (Arc::clone(&over), begun.clone());
            spawn(move || {
                let mut first = Some(begun);
                while !over.load(Ordering::Relaxed) {
                    let arguments = json!({"text": "t", "pad": 100_000});
                    if caller.call_tool("good__echo", arguments).is_err() {
                        return;
                    }
                    first.take().map(|begun| begun.send(()));
                }
            })
        })
        .collect();
    let mut flooding = client(&gateway, "/mcp");
    for (tool, arguments) in [
        ("bad__garbage", json!({"lines": 1_000_000_000})),
        (
            "bad__stderr",
            json!({"lines": 1_000_000_000, "bytes": 1000}),
        ),
    ] {
        let params = json!({"name": tool, "arguments": arguments});
        let request = flooding.book.request("tools/call", &params);
        let mut sibling = flooding.sibling();
        spawn(move || sibling.exchange(&request));
    }
    for _ in &callers {
        begins.recv_timeout(PATIENCE).expect("the calls go on");
    }
    wait_for_log(&gateway, "bad: stderr: eeee");
    wait_for_log(&gateway, "bad: not JSON-RPC on stdout, skipped: ");
    let stopped = gateway.stop();
    over.store(true, Ordering::Relaxed);
    assert_ended_well(&stopped);
    for caller in callers {
        caller.join().unwrap();
    }
}

#[test]
fn it_ends_while_servers_are_starting() {
    let slow = fault("slow", &["--slow-start", "3600000"]);
    let silent = fault("silent", &["--never-initialize", "--ignore-eof"]);
    let mut failing = fault("failing", &["--exit-at-start", "1"]);
    failing["startup_timeout"] = json!("1s");
    let gateway = gateway(&json!({}), &[slow, silent, failing]);
    let waiting = {
        let mut waiting = client(&gateway, "/mcp");
        spawn(move || waiting.tool_names().is_err())
    };
    wait_for_log(&gateway, "failing: exited with code 1");
    assert_stops(gateway, Signal::SIGTERM);
    assert!(waiting.join().unwrap(), "a list came of nowhere");
}

#[test]
fn it_ends_at_once_after_its_start() {
    // The signal may come before anything else has happened, so many moments are tried.
    for _ in 0..5 {
        assert_stops(gateway(&json!({}), &[deaf("one")]), Signal::SIGTERM);
    }
}

#[test]
fn it_takes_the_children_of_sessions_with_it() {
    let own = fault_with("own", &["--ignore-term"], "scope", json!("session"));
    let gateway = gateway(&json!({}), &[own]);
    let mut clients = [(); 3].map(|()| client(&gateway, "/mcp"));
    for client in &mut clients {
        assert_echo(client, "own");
    }
    assert_eq!(children_of(&gateway).len(), 4, "one is the template");
    assert_stops(gateway, Signal::SIGTERM);
}

#[test]
fn a_stdio_gateway_ends_with_its_input_and_on_signals() {
    let config = json!({"servers": [fault("good", &[])]}).to_string();
    for signal in [None, Some(Signal::SIGTERM), Some(Signal::SIGINT)] {
        let mut client = Setup::with_config(config.clone()).start_stdio();
        client.initialize().unwrap();
        assert_echo(&mut client, "good");
        match signal {
            None => client.close_stdin(),
            Some(signal) => client.signal(signal),
        }
        let status = client.wait().expect("it ends");
        assert_eq!(status.code(), Some(0), "{signal:?}: {status:?}");
        assert!(client.processes().is_empty(), "{:?}", client.processes());
    }
}

/// An orphan is given to the gateway when its server is gone, is killed, and must not stay as a
/// zombie.
fn assert_orphans_are_reaped(gateway: &Gateway) {
    let mut client = client(gateway, "/mcp");
    client
        .call_text("bad__spawn_grandchild", json!({"setsid": true}))
        .unwrap();
    let sleeper = Deadline::after(PATIENCE)
        .poll(|| {
            let all = gateway.processes().into_iter();
            let mut sleeping = all.filter(|(_, command)| command.starts_with("sleep 1000"));
            sleeping.next()
        })
        .expect("the grandchild sleeps")
        .0;
    client.call_tool("bad__crash", json!({})).unwrap_err();
    assert_echo(&mut client, "bad");
    // A zombie still has its entry there.
    let entry = format!("/proc/{sleeper}");
    let reaped = Deadline::after(PATIENCE).poll(|| (!exists(&entry)).then_some(()));
    assert!(reaped.is_some(), "the orphan lives, or is a zombie");
}

fn exists(path: &str) -> bool {
    std::path::Path::new(path).exists()
}

#[test]
fn adopted_orphans_are_reaped() {
    let gateway = gateway(&json!({"reconnect_delay": "20ms"}), &[fault("bad", &[])]);
    assert_orphans_are_reaped(&gateway);
    assert_stops(gateway, Signal::SIGTERM);
}

/// The gateway under test as the first process of a namespace of its own, as in a container.
fn as_pid_1(setup: Setup) -> Setup {
    let mut script = "#!/bin/sh\n".to_owned();
    let binary = env!("CARGO_BIN_EXE_mcproxy");
    // Writing to a `String` cannot fail.
    let _ = writeln!(
        script,
        "exec unshare --pid --fork --mount-proc --kill-child -- {binary} \"$@\""
    );
    let path = setup.folder().join("as-pid-1");
    std::fs::write(&path, script).unwrap();
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    setup.program(path)
}

#[test]
#[expect(
    clippy::print_stderr,
    reason = "whoever reads the test's output shall know that it saw nothing"
)]
fn it_works_as_pid_1() {
    let tried = std::process::Command::new("unshare")
        .args(["--pid", "--fork", "--mount-proc", "true"])
        .output();
    if !tried.is_ok_and(|tried| tried.status.success()) {
        eprintln!("skipped: \"unshare --pid\" does not work here (it needs root)");
        return;
    }
    let limits = json!({"reconnect_delay": "20ms"});
    let setup = setup(&limits, &[fault("bad", &[]), deaf("deaf")]);
    let gateway = as_pid_1(setup).start();
    wait_for_state(&gateway, "deaf", "ready");
    assert_orphans_are_reaped(&gateway);
    let mut client = client(&gateway, "/mcp");
    client
        .call_text(
            "bad__spawn_grandchild",
            json!({"setsid": true, "ignore_term": true}),
        )
        .unwrap();
    assert!(pid_of(&mut client, "bad") < 1000, "pids begin at 1 there");
    let all = gateway.processes().into_iter();
    let inside = all
        .filter(|(_, command)| command.starts_with(env!("CARGO_BIN_EXE_mcproxy")))
        .map(|(pid, _)| pid);
    for pid in inside {
        kill(Pid::from_raw(pid), Signal::SIGTERM).unwrap();
    }
    // The process that the harness knows is `unshare`, which waits and passes the code on.
    assert_stops(gateway, Signal::SIGCONT);
}
