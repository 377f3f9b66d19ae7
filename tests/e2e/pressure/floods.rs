//! Children that write without end: each kind of line is dropped, answered or logged within
//! limits, and nobody else waits for it.

use serde_json::json;

use super::{alone, assert_peak_below, gateway};
use crate::e2e::scene::{Bystander, assert_echo, client, fault};
use crate::harness::client::Client;
use crate::harness::streamable::McpClient;

/// Has the server "bad" write so many lines of one kind while others go on, and asserts that
/// they did, at that server too.
fn flood(kind: &'static str, lines: u64, bytes: u64) {
    let _alone = alone();
    let gateway = gateway(&json!({}), &[fault("good", &[]), fault("bad", &[])]);
    let bystander = Bystander::of(&gateway);
    let mut flooded: McpClient = client(&gateway, "/mcp");
    // Who hears of everything that is told.
    let level = json!({"level": "debug"});
    flooded.request("logging/setLevel", level).unwrap();
    let mut other = client(&gateway, "/mcp");
    let flooding = crate::harness::spawn(move || {
        flooded.patience = crate::harness::PATIENCE * 3;
        let arguments = json!({"kind": kind, "lines": lines, "bytes": bytes});
        flooded.call_text("bad__flood", arguments)
    });
    // Answers of the same child come between its lines.
    for _ in 0..5 {
        assert_echo(&mut other, "bad");
    }
    let told = flooding.join().unwrap();
    assert_eq!(told.unwrap(), format!("wrote {lines} lines"));
    bystander.assert_unharmed();
    assert_echo(&mut other, "bad");
    assert_peak_below(&gateway, 32);
    let log = gateway.stdout.text();
    assert!(log.lines().count() < 3_000, "the log is flooded");
}

#[test]
fn of_notifications() {
    flood("notifications", 20_000, 200);
}

#[test]
fn of_large_notifications() {
    flood("notifications", 1_000, 100_000);
}

#[test]
fn of_changes() {
    flood("changes", 20_000, 0);
}

#[test]
fn of_answers_that_nobody_awaits() {
    flood("answers", 20_000, 200);
}

#[test]
fn of_requests() {
    flood("requests", 20_000, 0);
}

#[test]
fn of_junk() {
    flood("junk", 50_000, 200);
}

#[test]
fn of_stderr() {
    flood("stderr", 50_000, 200);
}
