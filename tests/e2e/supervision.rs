//! Children that fail while they are in service: each failure costs its own calls, at once and
//! with a sentence that says what happened, and nobody else's. Children that fail at their
//! start are in `supervision/starts.rs`, those that fail again and again in `supervision/parked.rs`,
//! those that live and answer nothing in `supervision/stuck.rs`, those that nobody needs in
//! `supervision/resting.rs`, what the gateway tells of them in `supervision/told.rs`.

#![allow(
    clippy::disallowed_methods,
    reason = "tests read the clock: that rule of the house is for the gateway"
)]

mod parked;
mod resting;
mod starts;
mod stuck;
mod told;

use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

use crate::e2e::scene::{
    Bystander, assert_echo, call_under_way, client, fault, fault_with, gateway, pid_of, setup,
    wait_for_log, wait_for_state, whoami,
};
use crate::harness::Deadline;
use crate::harness::PATIENCE;
use crate::harness::client::{CallError, Client};
use crate::harness::gateway::Gateway;

/// Restarts soon, so that tests need not wait for them.
fn soon() -> Value {
    json!({"reconnect_delay": "20ms"})
}

fn kill_now(pid: i32) {
    kill(Pid::from_raw(pid), Signal::SIGKILL).expect("it was alive");
}

/// A gateway with a good server and a bad one.
fn good_and_bad() -> Gateway {
    gateway(&soon(), &[fault("good", &[]), fault("bad", &[])])
}

#[test]
fn a_killed_childs_calls_fail_at_once_and_the_session_goes_on() {
    let gateway = good_and_bad();
    let bystander = Bystander::of(&gateway);
    let mut client = client(&gateway, "/mcp");
    let first_pid = pid_of(&mut client, "bad");
    let mut calls = [(); 3].map(|()| call_under_way(&mut client, "bad"));
    let killed = Instant::now();
    kill_now(first_pid);
    for call in &mut calls {
        let answer = call.next_message().unwrap().unwrap();
        assert_eq!(
            answer["error"]["message"],
            "server \"bad\" was killed by signal 9 (SIGKILL) while this call was under way; \
             it is being restarted"
        );
        assert_eq!(answer["error"]["code"], -32000);
        assert_eq!(call.next_message().unwrap(), None, "the stream goes on");
    }
    let took = killed.elapsed();
    assert!(
        took < Duration::from_secs(1),
        "the calls failed after {took:?}"
    );
    assert_ne!(pid_of(&mut client, "bad"), first_pid);
    assert!(client.tool_names().unwrap().contains(&"bad__echo".into()));
    bystander.assert_unharmed();
    wait_for_log(&gateway, "bad: was killed by signal 9 (SIGKILL)");
}

#[test]
fn an_exit_in_mid_call_is_told_with_its_code() {
    let gateway = good_and_bad();
    let mut client = client(&gateway, "/mcp");
    for (when, code) in [("before", 3), ("half_line", 7)] {
        let arguments = json!({"when": when, "code": code});
        let error = client.call_tool("bad__crash", arguments).unwrap_err();
        let expected = format!(
            "server \"bad\" exited with code {code} while this call was under way; it is being \
             restarted"
        );
        assert_eq!(error.message(), expected);
        assert_echo(&mut client, "bad");
    }
}

/// A daemon that a server has started keeps the server's stdout open for as long as it lives.
#[test]
fn a_process_that_holds_the_pipe_does_not_delay_the_end_of_a_life() {
    let gateway = good_and_bad();
    let mut client = client(&gateway, "/mcp");
    let daemon = json!({"setsid": true, "hold_stdout": true});
    client.call_text("bad__spawn_grandchild", daemon).unwrap();
    let mut call = call_under_way(&mut client, "bad");
    let killed = Instant::now();
    kill_now(pid_of(&mut client, "bad"));
    let answer = call.next_message().unwrap().unwrap();
    assert!(answer["error"]["message"].is_string(), "{answer}");
    let took = killed.elapsed();
    assert!(
        took < Duration::from_secs(1),
        "the call failed after {took:?}"
    );
    assert_echo(&mut client, "bad");
}

#[test]
fn a_childs_last_line_on_stderr_is_told_with_its_end() {
    let gateway = good_and_bad();
    let mut client = client(&gateway, "/mcp");
    client
        .call_tool("bad__stderr", json!({"lines": 1, "bytes": 7}))
        .unwrap();
    let error = client
        .call_tool("bad__crash", json!({"code": 1}))
        .unwrap_err();
    assert!(
        error
            .message()
            .contains("exited with code 1 (last line on stderr: \"eeeeeee\")"),
        "{}",
        error.message()
    );
}

/// Ten servers exit five times each: a server that has failed often is started again later and
/// later, so no single one can do it fifty times in the time of a test. None is parked for that.
#[test]
fn the_last_answer_before_an_exit_is_never_lost() {
    let names: Vec<String> = (0..10).map(|number| format!("s{number}")).collect();
    let servers: Vec<Value> = names.iter().map(|name| fault(name, &[])).collect();
    let limits = json!({"reconnect_delay": "1ms", "max_reconnect_attempts": 100});
    let gateway = gateway(&limits, &servers);
    let mut client = client(&gateway, "/mcp");
    for round in 0..5 {
        for name in &names {
            let told = client.call_text(&format!("{name}__exit_after_answer"), json!({}));
            match told {
                Ok(text) => assert_eq!(text, "exiting with code 0"),
                Err(error) => panic!("round {round}, {name}: {}", error.message()),
            }
        }
    }
}

#[test]
fn a_call_without_an_answer_ends_at_its_timeout_and_the_child_lives_on() {
    let slow = fault_with("bad", &[], "timeout", json!("300ms"));
    let gateway = gateway(&soon(), &[fault("good", &[]), slow]);
    let bystander = Bystander::of(&gateway);
    let mut client = client(&gateway, "/mcp");
    let pid = pid_of(&mut client, "bad");
    let asked = Instant::now();
    let error = client.call_tool("bad__hang", json!({})).unwrap_err();
    let took = asked.elapsed();
    assert_eq!(error.code(), -32001);
    assert_eq!(
        error.message(),
        "server \"bad\" has not answered this call within 0.3 s"
    );
    assert!(took >= Duration::from_millis(300), "{took:?}");
    let cancelled = client
        .call_text("bad__cancellations", json!({}))
        .expect("it lives on");
    let cancelled: Vec<Value> = serde_json::from_str(&cancelled).unwrap();
    assert_eq!(cancelled.len(), 1, "the child was not told to stop");
    assert_eq!(pid_of(&mut client, "bad"), pid);
    bystander.assert_unharmed();
}

#[test]
fn progress_extends_the_timeout_and_nothing_else_does() {
    let slow = fault_with("bad", &[], "timeout", json!("700ms"));
    let gateway = gateway(&soon(), &[slow]);
    let mut client = client(&gateway, "/mcp");
    // Ten steps take more than the timeout, one far less.
    let arguments = json!({"steps": 10, "ms": 120});
    let mut params = json!({"name": "bad__progress", "arguments": arguments});
    let error = client.request("tools/call", params.clone()).unwrap_err();
    assert_eq!(error.code(), -32001, "{}", error.message());
    params["_meta"] = json!({"progressToken": 1});
    let result = client.request("tools/call", params).expect("it is in time");
    assert_eq!(result["content"][0]["text"], "done in 10 steps");
    assert_eq!(client.book.heard("notifications/progress").len(), 10);
}

#[test]
fn time_stands_still_while_the_client_is_being_asked() {
    let slow = fault_with("bad", &[], "timeout", json!("400ms"));
    let gateway = gateway(&soon(), &[slow]);
    let mut client = gateway.client("/mcp");
    client.book.capabilities = json!({"sampling": {}});
    client.book.react("sampling/createMessage", |_| {
        // A person thinks for longer than the server may take.
        std::thread::sleep(Duration::from_millis(1000));
        Ok(json!({"role": "assistant", "model": "m", "content": {"type": "text", "text": "yes"}}))
    });
    client.initialize().unwrap();
    let told = client
        .call_text("bad__ask_sampling", json!({}))
        .expect("the thinking costs the server no time");
    let told: Value = serde_json::from_str(&told).unwrap();
    assert_eq!(told["content"]["text"], "yes");
}

#[test]
fn a_child_that_closes_stdout_is_replaced() {
    let gateway = good_and_bad();
    let bystander = Bystander::of(&gateway);
    let mut client = client(&gateway, "/mcp");
    let first_pid = pid_of(&mut client, "bad");
    let mut call = call_under_way(&mut client, "bad");
    let told = client.call_text("bad__close_stdout", json!({})).unwrap();
    assert_eq!(told, "closing stdout");
    let answer = call.next_message().unwrap().unwrap();
    let sentence = answer["error"]["message"].as_str().unwrap_or_default();
    assert!(
        sentence.contains("\"bad\" has closed its stdout"),
        "{sentence}"
    );
    assert_ne!(pid_of(&mut client, "bad"), first_pid);
    wait_for_log(&gateway, "bad: has closed its stdout but has not exited");
    bystander.assert_unharmed();
}

#[test]
fn a_child_that_stops_reading_is_replaced() {
    let limits = json!({"reconnect_delay": "20ms", "message_timeout": "300ms"});
    let gateway = gateway(&limits, &[fault("good", &[]), fault("bad", &[])]);
    let bystander = Bystander::of(&gateway);
    let mut client = client(&gateway, "/mcp");
    let first_pid = pid_of(&mut client, "bad");
    client
        .call_text("bad__stop_reading", json!({"ms": 3_600_000}))
        .unwrap();
    // More than fits into a pipe, be it wide.
    let text = "t".repeat(900_000);
    let error = client
        .call_text("bad__echo", json!({"text": text}))
        .unwrap_err();
    assert!(
        error
            .message()
            .contains("\"bad\" does not read its stdin (\"message_timeout\")"),
        "{}",
        error.message()
    );
    assert_ne!(pid_of(&mut client, "bad"), first_pid);
    wait_for_log(
        &gateway,
        "bad: does not read its stdin (\"message_timeout\")",
    );
    bystander.assert_unharmed();
}

#[test]
fn a_flood_of_garbage_on_stdout_costs_nothing_but_a_few_lines_of_the_log() {
    let gateway = good_and_bad();
    let bystander = Bystander::of(&gateway);
    let mut client = client(&gateway, "/mcp");
    let told = client.call_text("bad__garbage", json!({"lines": 20_000}));
    assert_eq!(told.unwrap(), "printed 20000 lines of garbage");
    wait_for_log(&gateway, "bad: not JSON-RPC on stdout, skipped: ");
    wait_for_log(&gateway, "more lines on stdout skipped");
    assert!(gateway.stdout.text().lines().count() < 5_000);
    assert_eq!(gateway.stdout.text().matches("bad: started").count(), 0);
    bystander.assert_unharmed();
}

#[test]
fn a_flood_on_stderr_costs_nothing_but_a_few_lines_of_the_log() {
    let gateway = good_and_bad();
    let bystander = Bystander::of(&gateway);
    let mut client = client(&gateway, "/mcp");
    let told = client.call_text("bad__stderr", json!({"lines": 20_000, "bytes": 200}));
    assert_eq!(told.unwrap(), "wrote 20000 lines of 200 bytes");
    let one_line = client.call_text("bad__stderr", json!({"lines": 1, "bytes": 1_000_000}));
    assert_eq!(one_line.unwrap(), "wrote 1 lines of 1000000 bytes");
    wait_for_log(&gateway, "bad: stderr: eeee");
    wait_for_log(&gateway, "lines not shown)");
    assert!(gateway.stdout.text().len() < 5_000_000);
    bystander.assert_unharmed();
}

#[test]
fn answers_to_nobody_and_second_answers_reach_nobody() {
    let gateway = good_and_bad();
    let mut client = client(&gateway, "/mcp");
    let mut stream = client.get_stream(None).unwrap();
    client.call_text("bad__unknown_id", json!({})).unwrap();
    let twice = client.call_text("bad__duplicate_answer", json!({"text": "twice"}));
    assert_eq!(twice.unwrap(), "twice");
    assert_echo(&mut client, "bad");
    assert!(client.book.strays.is_empty(), "{:?}", client.book.strays);
    // The next thing on the session's own stream is what really belongs there.
    client
        .call_text("bad__change_tools", json!({"burst": 1}))
        .unwrap();
    let message = stream.next_message().unwrap().unwrap();
    assert_eq!(message["method"], "notifications/tools/list_changed");
}

#[test]
fn subscriptions_and_log_levels_are_restored_after_a_restart() {
    let gateway = gateway(&soon(), &[fault("bad", &[])]);
    let mut client = client(&gateway, "/servers/bad/mcp");
    let uri = "fault://bad/own";
    client
        .request("resources/subscribe", json!({"uri": uri}))
        .unwrap();
    client
        .request("logging/setLevel", json!({"level": "error"}))
        .unwrap();
    client.call_tool("crash", json!({})).unwrap_err();
    let restored = Deadline::after(PATIENCE).poll(|| {
        let me = client.call_text("whoami", json!({})).ok()?;
        let me: Value = serde_json::from_str(&me).ok()?;
        (me["log_level"] == "error" && me["subscribed"] == json!([uri])).then_some(())
    });
    assert!(restored.is_some(), "the new life was not told");
}

#[test]
fn what_a_session_keeps_to_itself_survives_the_others() {
    let own = fault_with("bad", &[], "scope", json!("session"));
    let gateway = gateway(&soon(), &[fault("good", &[]), own]);
    let mut one = client(&gateway, "/mcp");
    let mut two = client(&gateway, "/mcp");
    let (pid_one, pid_two) = (pid_of(&mut one, "bad"), pid_of(&mut two, "bad"));
    assert_ne!(pid_one, pid_two);
    let mut call = call_under_way(&mut one, "bad");
    kill_now(pid_one);
    let answer = call.next_message().unwrap().unwrap();
    assert!(answer.get("error").is_some(), "{answer}");
    assert_ne!(pid_of(&mut one, "bad"), pid_one);
    assert_eq!(pid_of(&mut two, "bad"), pid_two);
    assert_eq!(one.delete().unwrap() / 100, 2);
    let error = one.call_tool("bad__echo", json!({})).unwrap_err();
    assert!(
        matches!(error, CallError::Http { status: 404, .. }),
        "{error:?}"
    );
    assert_eq!(whoami(&mut two, "bad")["pid"], pid_two);
}

#[test]
fn a_server_that_fails_again_and_again_is_started_later_and_later() {
    let setup = setup(&json!({}), &[]);
    let starts = setup.folder().join("starts");
    let starts = starts.to_str().expect("a folder of ours is UTF-8");
    let flags = ["--count-starts", starts, "--fail-starts", "3"];
    let servers = [fault("good", &[]), fault("bad", &flags)];
    let config = json!({
        "limits": {"reconnect_delay": "100ms", "max_reconnect_attempts": 10},
        "servers": servers,
    });
    let began = Instant::now();
    let gateway = setup.config(config.to_string()).start();
    for failures in 1..=3 {
        let line = wait_for_log(&gateway, &format!("fault_server: start {failures} fails"));
        assert!(line.contains("bad"), "{line}");
    }
    wait_for_state(&gateway, "bad", "ready");
    // Spread by chance: 0.1, 0.2 and 0.4 s, each by a fifth.
    let waits = waits_told(&gateway.stdout.text());
    for (wait, about) in waits.iter().zip([0.1, 0.2, 0.4]) {
        assert!((0.79 * about..=1.21 * about).contains(wait), "{waits:?}");
    }
    assert_eq!(waits.len(), 3, "{waits:?}");
    assert!(
        began.elapsed() >= Duration::from_millis(560),
        "it did not wait"
    );
    let counted = std::fs::read_to_string(starts).unwrap();
    assert_eq!(counted.lines().count(), 4);
    assert_echo(&mut client(&gateway, "/mcp"), "bad");
}

/// The waits before new starts that the log tells of, in seconds.
fn waits_told(log: &str) -> Vec<f64> {
    let told = log.lines().filter_map(|line| {
        assert!(!line.contains("parked"), "{line}");
        let (before, wait) = line.split_once("; starting again in ")?;
        let how = "bad: exited with code 1 (last line on stderr:";
        assert!(before.contains(how), "{line}");
        let wait = wait.strip_suffix(" s")?;
        let decimals = wait.split_once('.').map_or("", |(_, decimals)| decimals);
        assert!(decimals.len() <= 3 && !decimals.ends_with('0'), "{line}");
        wait.parse().ok()
    });
    told.collect()
}
