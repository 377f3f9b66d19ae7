//! Many clients that all count the same ids from 1, payloads of every size, one reader that is
//! slow, and a server that is killed in the middle: every call gets its answer, right and once,
//! and only the calls of the killed server may get an error.
//!
//! `cargo test` makes a small run over each transport. The full one is of 64 clients with
//! 10,000 calls each, and is ignored unless asked for:
//! `make torture` runs it with the release binary, which `MCPROXY_TORTURE_BINARY` names.

use std::time::Duration;

use serde_json::json;

use crate::e2e::scene::{assert_echo, client, fault, health, setup};
use crate::harness::engine::{self, Exemption, exempts};
use crate::harness::gateway::Gateway;
use crate::harness::http::Pace;
use crate::harness::torture::{Door, Report, Torture, Victim};
use crate::harness::{Deadline, PATIENCE};

/// Names the binary of the full runs; the one of this build where it is not set.
const BINARY: &str = "MCPROXY_TORTURE_BINARY";

fn gateway() -> Gateway {
    let servers = [fault("one", &[]), fault("two", &[]), fault("victim", &[])];
    let mut limits = json!({"reconnect_delay": "100ms"});
    if engine::is_tiny() {
        // A client that left is noticed by a comment that cannot be written.
        limits["keepalive_interval"] = json!("100ms");
    }
    let setup = setup(&limits, &servers);
    match std::env::var_os(BINARY) {
        Some(binary) => {
            let binary = std::path::Path::new(&binary).canonicalize();
            setup.program(binary.expect("the binary is there")).start()
        }
        None => setup.start(),
    }
}

/// The torture, as small as `cargo test` can afford; a full run changes its numbers.
fn torture(gateway: &Gateway, door: Door) -> Torture {
    let path = match door {
        Door::Streamable | Door::Stateless => "/mcp",
        Door::LegacySse => "/sse",
    };
    let mut torture = Torture::new(gateway.address, path, door, &["one__echo", "two__echo"]);
    // Those of `tiny_http` are a handful, for it does not serve bursts of connections.
    torture.clients = if engine::is_tiny() { 4 } else { 16 };
    torture.calls = 100;
    torture.slow_reader = Some(Pace {
        bytes: 16 * 1024,
        pause: Duration::from_millis(1),
    });
    torture.victim = Some(Victim {
        echo: "victim__echo".to_owned(),
        whoami: "victim__whoami".to_owned(),
    });
    torture
}

/// Runs it, and asserts that all is well afterwards too.
fn run(gateway: Gateway, torture: Torture) -> Report {
    let under_way_max = (torture.clients * torture.in_flight) as u64;
    let report = torture.run();
    report.assert_every_answer_right_and_once();
    assert!(report.killed, "{report:?}");
    // Calls that came after the kill waited for the new life, so only those under way failed.
    assert!(report.victim_errors <= under_way_max, "{report:#?}");
    let mut after = client(&gateway, "/mcp");
    for server in ["one", "two", "victim"] {
        assert_echo(&mut after, server);
    }
    after.delete().expect("it ends");
    let none_left = Deadline::after(PATIENCE).poll(|| {
        let sessions = &health(&gateway)["components"]["front"]["sessions"];
        (sessions == 0).then_some(())
    });
    assert!(none_left.is_some(), "sessions are left");
    let stopped = gateway.stop();
    assert!(stopped.status.success() && stopped.took < Duration::from_secs(3));
    report
}

#[test]
fn small_over_streamable_http() {
    let gateway = gateway();
    let torture = torture(&gateway, Door::Streamable);
    run(gateway, torture);
}

#[test]
fn small_over_http_and_sse() {
    let gateway = gateway();
    let torture = torture(&gateway, Door::LegacySse);
    run(gateway, torture);
}

#[test]
fn small_without_sessions() {
    let gateway = gateway();
    let torture = torture(&gateway, Door::Stateless);
    run(gateway, torture);
}

/// The numbers that `make torture` promises; told, because a run that takes minutes should leave some.
#[expect(clippy::print_stderr, reason = "the numbers are what it is run for")]
fn full(door: Door) {
    if exempts(Exemption::Bursts) {
        return;
    }
    let gateway = gateway();
    let mut torture = torture(&gateway, door);
    torture.clients = 64;
    torture.calls = 10_000;
    torture.patience = Duration::from_secs(60);
    let report = run(gateway, torture);
    let per_second = report.calls as f64 / report.took.as_secs_f64();
    eprintln!("{door:?}: {per_second:.0} calls a second; {report:#?}");
}

#[test]
#[ignore = "takes minutes: see the top of this file"]
fn full_over_streamable_http() {
    full(Door::Streamable);
}

#[test]
#[ignore = "takes minutes: see the top of this file"]
fn full_over_http_and_sse() {
    full(Door::LegacySse);
}

#[test]
#[ignore = "takes minutes: see the top of this file"]
fn full_without_sessions() {
    full(Door::Stateless);
}
