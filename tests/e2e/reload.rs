//! Another configuration while the gateway runs: found by looking and at SIGHUP, in whatever
//! way it was written; what has not changed is not touched, and a file with errors changes
//! nothing. What clients are told of it is in `reload/told.rs`, that no call is lost over very
//! many in `reload/load.rs`.

mod load;
mod told;

use std::path::Path;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

use crate::e2e::scene::{
    assert_echo, client, fault, fault_with, gateway, pid_of, setup, state_of, wait_for_log,
    wait_for_state, whoami, with,
};
use crate::e2e::talk::rest_of;
use crate::harness::client::{Client, Duplex, text_of};
use crate::harness::gateway::{Gateway, Setup};
use crate::harness::{Deadline, PATIENCE};

/// The configuration file of each test's folder.
const FILE: &str = "mcp-servers.json";

/// The beginning of the line that tells of a reload.
const RELOADED: &str = "reloaded mcp-servers.json: ";

/// A config of these entries.
fn config(servers: &[Value]) -> String {
    json!({"limits": {"reconnect_delay": "20ms"}, "servers": servers}).to_string()
}

/// The fault server under this name, started with one more variable.
fn variant(name: &str, variable: &str) -> Value {
    fault_with(name, &[], "env", json!({variable: "1"}))
}

/// What the log tells of each reload so far.
fn reloads(gateway: &Gateway) -> Vec<String> {
    let log = gateway.stdout.text();
    let lines = log.lines().filter_map(|line| line.split_once(RELOADED));
    lines.map(|(_, told)| told.to_owned()).collect()
}

/// Waits for the reload of this number, counted from 1; what the log tells of it.
fn wait_for_reload(gateway: &Gateway, number: usize) -> String {
    let told = Deadline::after(PATIENCE).poll(|| reloads(gateway).into_iter().nth(number - 1));
    told.unwrap_or_else(|| panic!("no reload {number}; the log:\n{}", gateway.stdout.text()))
}

/// Has the file read at once.
fn nudge(gateway: &Gateway) {
    kill(Pid::from_raw(gateway.pid()), Signal::SIGHUP).expect("it runs");
}

/// Writes the file and has it read at once; waits for the reload of this number.
fn reload(gateway: &Gateway, number: usize, servers: &[Value]) -> String {
    gateway.rewrite_config(&config(servers));
    nudge(gateway);
    wait_for_reload(gateway, number)
}

/// Waits until the server of that name was started with this variable.
fn wait_for_variable(client: &mut impl Client, server: &str, variable: &str) {
    let found = Deadline::after(PATIENCE).poll(|| {
        let told = client
            .call_text(&format!("{server}__whoami"), json!({}))
            .ok()?;
        let me: Value = serde_json::from_str(&told).ok()?;
        let variables = me["environment"].as_array()?;
        variables.contains(&json!(variable)).then_some(())
    });
    assert!(found.is_some(), "{server} was not started with {variable}");
}

/// Ways to write a file.
type Write = fn(&Path, &str);

fn in_place(file: &Path, text: &str) {
    std::fs::write(file, text).unwrap();
}

fn by_rename(file: &Path, text: &str) {
    let beside = file.with_extension("new");
    std::fs::write(&beside, text).unwrap();
    std::fs::rename(beside, file).unwrap();
}

/// As Kubernetes mounts a ConfigMap: the file is a link through a link to a folder, and the
/// link in between is swapped.
fn by_swapped_link(file: &Path, text: &str) {
    let folder = file.parent().unwrap();
    let number = std::fs::read_dir(folder).unwrap().count();
    let fresh = folder.join(format!("..{number}"));
    std::fs::create_dir(&fresh).unwrap();
    std::fs::write(fresh.join(FILE), text).unwrap();
    let swapped = folder.join("..tmp");
    std::os::unix::fs::symlink(&fresh, &swapped).unwrap();
    std::fs::rename(swapped, folder.join("..data")).unwrap();
    if !file.is_symlink() {
        std::os::unix::fs::symlink(Path::new("..data").join(FILE), folder.join("..link")).unwrap();
        std::fs::rename(folder.join("..link"), file).unwrap();
    }
}

#[test]
fn a_file_is_found_changed_in_whatever_way_it_was_written() {
    let gateway = gateway(&json!({}), &[fault("good", &[]), fault("bad", &[])]);
    let file = gateway.folder().join(FILE);
    let mut client = client(&gateway, "/mcp");
    let good = pid_of(&mut client, "good");
    let mut listener = gateway.sse_client("/sse");
    listener.initialize().unwrap();
    // Not answered before the second of its kind comes.
    let waits = |text: &str| {
        let arguments = json!({"batch": 2, "text": text});
        json!({"name": "good__slow_answer_out_of_order", "arguments": arguments})
    };
    let first = Duplex::book(&mut listener).request("tools/call", &waits("first"));
    listener.send_message(&first).unwrap();
    let ways: [Write; 5] = [
        in_place,
        by_rename,
        by_swapped_link,
        by_swapped_link,
        by_rename,
    ];
    for (number, way) in (1..).zip(ways) {
        let variable = format!("VARIANT_{number}");
        way(
            &file,
            &config(&[fault("good", &[]), variant("bad", &variable)]),
        );
        assert_eq!(
            wait_for_reload(&gateway, number),
            "renewed bad; 1 unchanged"
        );
        wait_for_variable(&mut client, "bad", &variable);
    }
    assert_eq!(pid_of(&mut client, "good"), good);
    let second = listener.request("tools/call", waits("second")).unwrap();
    assert_eq!(text_of(&second), "second");
    let first = listener.receive_message().unwrap();
    assert_eq!(
        text_of(&first["result"]),
        "first",
        "its call was not touched"
    );
    assert_eq!(reloads(&gateway).len(), 5);
}

#[test]
fn a_changed_server_finishes_its_calls_and_the_next_are_for_the_new_process() {
    let gateway = gateway(&json!({}), &[fault("bad", &[])]);
    let mut client = client(&gateway, "/mcp");
    let arguments = json!({"steps": 2, "ms": 1000});
    let params = json!({
        "name": "bad__progress", "arguments": arguments, "_meta": {"progressToken": 1},
    });
    let request = client.book.request("tools/call", &params);
    let mut call = client.post_stream(&request).unwrap();
    let progress = call.next_message().unwrap().unwrap();
    assert_eq!(progress["method"], "notifications/progress");
    assert_eq!(
        reload(&gateway, 1, &[variant("bad", "VARIANT")]),
        "renewed bad; 0 unchanged"
    );
    // Asked while the old process works, answered by the new one.
    let me = whoami(&mut client, "bad");
    let variables = me["environment"].as_array().unwrap();
    assert!(variables.contains(&json!("VARIANT")));
    let rest = rest_of(&mut call);
    let answer = rest.last().expect("it is answered");
    assert_eq!(text_of(&answer["result"]), "done in 2 steps", "{answer}");
}

#[test]
fn a_file_with_errors_changes_nothing_and_says_why() {
    let gateway = gateway(&json!({}), &[fault("good", &[])]);
    let mut client = client(&gateway, "/mcp");
    let good = pid_of(&mut client, "good");
    for (text, why) in [
        ("{\"servers\": [", "line 1, column 13: "),
        ("{\"servers\": 7}", "servers: "),
        ("{\"servers\": [], \"port\": \"x\"}", "port: "),
    ] {
        gateway.rewrite_config(text);
        let told = format!("ERROR mcp-servers.json has errors; nothing was changed: {why}");
        wait_for_log(&gateway, &told);
    }
    assert_eq!(pid_of(&mut client, "good"), good);
    assert_eq!(reloads(&gateway), [""; 0]);
    let servers = [fault("good", &[]), fault("more", &[])];
    assert_eq!(reload(&gateway, 1, &servers), "started more; 1 unchanged");
    wait_for_state(&gateway, "more", "ready");
    assert_eq!(pid_of(&mut client, "good"), good);
}

#[test]
fn an_error_in_one_entry_leaves_that_server_as_it_was_and_takes_the_rest() {
    let gateway = gateway(&json!({}), &[fault("one", &[]), fault("two", &[])]);
    let mut client = client(&gateway, "/mcp");
    let one = pid_of(&mut client, "one");
    let broken = with(fault("one", &[]), "command", json!("no-such-program"));
    let never = json!({"name": "never", "command": "no-such-program"});
    let told = reload(&gateway, 1, &[broken, variant("two", "VARIANT"), never]);
    assert_eq!(
        told,
        "renewed two, kept one as it was, for its new entry has errors, noted never, which does \
         not run; 0 unchanged"
    );
    wait_for_log(&gateway, "server \"one\": command");
    wait_for_variable(&mut client, "two", "VARIANT");
    assert_eq!(pid_of(&mut client, "one"), one);
    assert_eq!(state_of(&gateway, "never"), "misconfigured");
}

#[test]
fn a_server_that_is_taken_out_ends_and_one_that_is_put_in_starts() {
    let gateway = gateway(&json!({}), &[fault("old", &[]), fault("good", &[])]);
    let mut client = client(&gateway, "/mcp");
    let old = pid_of(&mut client, "old");
    let told = reload(&gateway, 1, &[fault("new", &[]), fault("good", &[])]);
    assert_eq!(told, "started new, stopped old; 1 unchanged");
    let error = client.call_tool("old__echo", json!({})).unwrap_err();
    assert_eq!(error.message(), "unknown tool \"old__echo\"");
    wait_for_state(&gateway, "new", "ready");
    assert_echo(&mut client, "new");
    assert_eq!(state_of(&gateway, "old"), "", "nobody knows it any more");
    let gone = Deadline::after(PATIENCE).poll(|| {
        let processes = gateway.processes();
        processes.iter().all(|(pid, _)| *pid != old).then_some(())
    });
    assert!(gone.is_some(), "its process lives on");
}

#[test]
fn a_file_that_is_gone_for_a_while_is_no_fault_and_is_told_once() {
    let gateway = gateway(&json!({}), &[fault("good", &[])]);
    let file = gateway.folder().join(FILE);
    let mut client = client(&gateway, "/mcp");
    let good = pid_of(&mut client, "good");
    std::fs::remove_file(&file).unwrap();
    wait_for_log(&gateway, "mcp-servers.json is gone; nothing changes until");
    gateway.rewrite_config(&config(&[fault("good", &[]), fault("more", &[])]));
    assert_eq!(wait_for_reload(&gateway, 1), "started more; 1 unchanged");
    assert_eq!(pid_of(&mut client, "good"), good);
    let told = gateway.stdout.text().matches(" is gone; ").count();
    assert_eq!(told, 1);
}

#[test]
fn an_env_file_that_changes_renews_the_server_that_names_it() {
    let setup = setup(&json!({}), &[]);
    let entry = fault_with("bad", &[], "envFile", json!(".env"));
    std::fs::write(setup.folder().join(".env"), "BEFORE=1\n").unwrap();
    let servers = [fault("good", &[]), entry];
    let gateway = setup.config(config(&servers)).start();
    let mut client = client(&gateway, "/mcp");
    wait_for_variable(&mut client, "bad", "BEFORE");
    std::fs::write(gateway.folder().join(".env"), "AFTERWARDS=1\n").unwrap();
    assert_eq!(wait_for_reload(&gateway, 1), "renewed bad; 1 unchanged");
    wait_for_variable(&mut client, "bad", "AFTERWARDS");
}

#[test]
fn what_needs_a_restart_is_named_and_the_rest_is_taken() {
    let gateway = gateway(&json!({}), &[fault("good", &[])]);
    let changed = json!({
        "host": "127.0.0.2",
        "limits": {"max_connections": 7},
        "servers": [fault("good", &[]), fault("more", &[])],
    });
    gateway.rewrite_config(&changed.to_string());
    nudge(&gateway);
    assert_eq!(wait_for_reload(&gateway, 1), "started more; 1 unchanged");
    wait_for_log(
        &gateway,
        "mcp-servers.json: \"host\", \"max_connections\" changed; mcproxy must be restarted for that",
    );
    assert_echo(&mut client(&gateway, "/mcp"), "good");
}

#[test]
fn how_much_is_logged_changes_at_once_unless_the_command_line_says_it() {
    let servers = [fault("good", &[])];
    let debug = json!({"log_level": "debug", "servers": servers}).to_string();
    let gateway = gateway(&json!({}), &servers);
    gateway.rewrite_config(&debug);
    nudge(&gateway);
    wait_for_reload(&gateway, 1);
    reload(&gateway, 2, &[variant("good", "VARIANT")]);
    nudge(&gateway);
    wait_for_reload(&gateway, 3);
    let log = gateway.stdout.text();
    // With the second the level went back; what it began was told while it held.
    assert_eq!(log.matches("reading mcp-servers.json").count(), 1, "{log}");

    let fixed = Setup::with_config(config(&servers))
        .arg("--log")
        .arg("--log-level")
        .arg("info")
        .start();
    fixed.rewrite_config(&debug);
    nudge(&fixed);
    wait_for_reload(&fixed, 1);
    nudge(&fixed);
    wait_for_reload(&fixed, 2);
    assert!(!fixed.stdout.text().contains("reading mcp-servers.json"));
}

#[test]
fn a_hangup_without_a_change_changes_nothing_and_without_a_file_is_the_end() {
    let gateway = gateway(&json!({}), &[fault("good", &[])]);
    nudge(&gateway);
    assert_eq!(wait_for_reload(&gateway, 1), "1 unchanged");
    let words = ["--log", "--", env!("CARGO_BIN_EXE_mcproxy"), "demo-server"];
    let setup = words.into_iter().fold(Setup::without_config(), Setup::arg);
    let stopped = setup.start().stop_with(Signal::SIGHUP);
    assert!(stopped.status.success(), "{:?}", stopped.status);
}

#[test]
fn over_stdio_it_is_the_same() {
    let before = config(&[fault("old", &[])]);
    let after = config(&[fault("old", &[]), fault("new", &[])]);
    let mut client = Setup::with_config(before).start_stdio();
    client.initialize().unwrap();
    client.tool_names().unwrap();
    std::fs::write(client.folder().join(FILE), after).unwrap();
    client.signal(Signal::SIGHUP);
    client
        .wait_for_notification("notifications/tools/list_changed")
        .unwrap();
    assert_echo(&mut client, "new");
    assert_echo(&mut client, "old");
}
