//! Reload upon reload, while clients call a server that none of them changes: no call of it is
//! lost, and it keeps its process. `RELOADS=n` makes so many.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;

use serde_json::{Value, json};

use super::{nudge, reloads, variant, wait_for_reload, wait_for_variable};
use crate::e2e::scene::{client, fault, gateway, pid_of};
use crate::harness::client::Client;
use crate::harness::gateway::Gateway;
use crate::harness::{Deadline, PATIENCE, spawn};

/// How many there are when nobody says otherwise.
const RELOADS: usize = 100;

/// How many clients call all the time, at `/mcp` and at `/servers/good/mcp`.
const CALLERS: usize = 4;

/// What the callers share.
#[derive(Default)]
struct Load {
    /// Whether they are to end.
    over: AtomicBool,
    /// How many calls were answered right.
    answered: AtomicU64,
}

/// Somebody who calls the good server without a pause, and holds every answer against what
/// was asked.
fn caller(gateway: &Gateway, number: usize, load: &Arc<Load>) -> JoinHandle<()> {
    let (path, tool) = match number % 2 {
        0 => ("/mcp", "good__echo"),
        _ => ("/servers/good/mcp", "echo"),
    };
    let mut client = client(gateway, path);
    let load = Arc::clone(load);
    spawn(move || {
        let mut calls = 0_u64;
        while !load.over.load(Ordering::Relaxed) {
            let text = format!("call {calls} of {number}");
            match client.call_text(tool, json!({"text": text})) {
                Ok(told) => assert_eq!(told, text),
                Err(error) => panic!("{text}: {}", error.message()),
            }
            calls += 1;
            load.answered.fetch_add(1, Ordering::Relaxed);
        }
    })
}

/// The servers of the reload of this number: the good one as ever, one that changes each time,
/// and one that is there every other time.
fn servers(number: usize) -> Vec<Value> {
    let mut servers = vec![
        fault("good", &[]),
        variant("bad", &format!("VARIANT_{number}")),
    ];
    if number.is_multiple_of(2) {
        servers.push(fault("more", &[]));
    }
    servers
}

#[test]
fn no_call_of_an_unchanged_server_is_lost() {
    let count = std::env::var("RELOADS").ok().and_then(|n| n.parse().ok());
    let count = count.unwrap_or(RELOADS);
    let gateway = gateway(&json!({}), &servers(0));
    let mut observer = client(&gateway, "/mcp");
    let good = pid_of(&mut observer, "good");
    let load = Arc::new(Load::default());
    let callers: Vec<_> = (0..CALLERS)
        .map(|number| caller(&gateway, number, &load))
        .collect();
    for number in 1..=count {
        gateway.rewrite_config(&super::config(&servers(number)));
        nudge(&gateway);
        let told = wait_for_reload(&gateway, number);
        let more = match number % 2 {
            0 => "started more, renewed bad; 1 unchanged",
            _ => "renewed bad, stopped more; 1 unchanged",
        };
        assert_eq!(told, more, "reload {number}");
        // Each reload has calls before, beside and behind it.
        let before = load.answered.load(Ordering::Relaxed);
        let is_called = || {
            let answered = load.answered.load(Ordering::Relaxed);
            let has_failed = callers.iter().any(JoinHandle::is_finished);
            (has_failed || answered >= before + CALLERS as u64).then_some(has_failed)
        };
        let has_failed = Deadline::after(PATIENCE).poll(is_called);
        if has_failed.expect("the callers go on") {
            break; // Joining them says why.
        }
    }
    load.over.store(true, Ordering::Relaxed);
    for caller in callers {
        caller.join().expect("no call is lost");
    }
    assert_eq!(reloads(&gateway).len(), count);
    assert_eq!(pid_of(&mut observer, "good"), good);
    wait_for_variable(&mut observer, "bad", &format!("VARIANT_{count}"));
}
