//! Servers that fail again and again: they are parked, their calls are refused at once, and they
//! are tried again each minute.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::e2e::scene::{Bystander, assert_echo, client, fault, pid_of, setup, wait_for_state};
use crate::e2e::supervision::kill_now;
use crate::harness::client::{CallError, Client};
use crate::harness::gateway::Gateway;

/// A good server beside one that fails at its second and third start, and then not any more.
fn fails_after_its_first_life() -> Gateway {
    let setup = setup(&json!({}), &[]);
    let starts = setup.folder().join("starts");
    let fails = format!(
        "echo $$ >> {starts}; n=$(wc -l < {starts}); \
         if [ $n -gt 1 ] && [ $n -lt 4 ]; then echo 'the disk is full' >&2; exit 7; fi; \
         exec \"$@\"",
        starts = starts.to_str().expect("a folder of ours is UTF-8"),
    );
    let mut bad = fault("bad", &[]);
    let mut args = vec![
        json!("-c"),
        json!(fails),
        json!("sh"),
        bad["command"].take(),
    ];
    args.extend(bad["args"].as_array().cloned().unwrap_or_default());
    bad["command"] = json!("/bin/sh");
    bad["args"] = Value::Array(args);
    let config = json!({
        "limits": {"reconnect_delay": "20ms"},
        "servers": [fault("good", &[]), bad],
    });
    setup.config(config.to_string()).start()
}

#[test]
fn calls_of_a_parked_server_fail_at_once_and_it_comes_back_within_a_minute() {
    let gateway = fails_after_its_first_life();
    let bystander = Bystander::of(&gateway);
    let mut client = client(&gateway, "/mcp");
    kill_now(pid_of(&mut client, "bad"));
    // The first life counts as a failure, for it was short; two more starts fail.
    wait_for_state(&gateway, "bad", "parked");
    let parked = Instant::now();
    let error = client.call_tool("bad__echo", json!({})).unwrap_err();
    let took = parked.elapsed();
    assert!(took < Duration::from_secs(1), "it took {took:?}");
    let told = error.message();
    let expected = "server \"bad\" is parked after 3 failures in a row; last: exited with code 7 \
                    (last line on stderr: \"the disk is full\"); it is tried again in ";
    assert!(told.starts_with(expected), "{told}");
    let CallError::Rpc(error) = error else {
        panic!("no JSON-RPC error: {error:?}");
    };
    assert_eq!(error["data"]["state"], "parked", "{error}");
    let seconds = error["data"]["retryAfter"].as_u64();
    assert!(seconds.is_some_and(|s| (50..=60).contains(&s)), "{error}");
    assert!(client.tool_names().unwrap().contains(&"bad__echo".into()));
    gateway
        .stdout
        .wait_for("bad: serves again", Duration::from_secs(70))
        .unwrap_or_else(|why| panic!("{why}"));
    assert!(parked.elapsed() > Duration::from_secs(55));
    assert_echo(&mut client, "bad");
    bystander.assert_unharmed();
}
