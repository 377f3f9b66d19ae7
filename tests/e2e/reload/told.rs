//! What clients are told of a reload: once for each kind of list, when what it has started is
//! there, whatever stream they listen on.

use serde_json::{Value, json};

use super::{config, reload, wait_for_reload};
use crate::e2e::scene::{fault, gateway};
use crate::e2e::talk::{connected, sse_connected};
use crate::harness::client::{Client, Duplex};
use crate::harness::streamable::EventStream;

const TOOLS_CHANGED: &str = "notifications/tools/list_changed";

/// The list changes that a stream tells, up to and with the last of a kind that is awaited.
fn changes_until(stream: &mut EventStream, count: usize) -> Vec<Value> {
    let mut methods = Vec::new();
    while methods.len() < count {
        let message = stream.next_message().unwrap().expect("it stays open");
        methods.push(message["method"].clone());
    }
    methods
}

#[test]
fn each_client_is_told_once_of_all_that_one_reload_changes() {
    let old = [fault("one", &[]), fault("two", &[]), fault("three", &[])];
    let new = [
        fault("one", &["--tool", "extra"]),
        fault("two", &[]),
        fault("four", &["--slow-start", "700"]),
        fault("five", &[]),
    ];
    let gateway = gateway(&json!({}), &old);
    let mut client = connected(&gateway, "/mcp");
    let mut stream = client.get_stream(None).unwrap();
    let mut listener = sse_connected(&gateway, "/sse");
    let mut elsewhere = sse_connected(&gateway, "/servers/two/sse");
    let told = reload(&gateway, 1, &new);
    assert_eq!(
        told,
        "started four and five, renewed one, stopped three; 1 unchanged"
    );
    listener.wait_for_notification(TOOLS_CHANGED).unwrap();
    // Whoever asks now sees all of it.
    let names = listener.tool_names().unwrap();
    for name in ["one__extra", "two__echo", "four__echo", "five__echo"] {
        assert!(names.contains(&name.to_owned()), "{name}");
    }
    assert!(!names.contains(&"three__echo".to_owned()));
    // A second reload is told once more, and nothing was told between the two.
    let told = reload(&gateway, 2, &new[..3]);
    assert_eq!(told, "stopped five; 3 unchanged");
    listener.wait_for_notification(TOOLS_CHANGED).unwrap();
    listener.request("ping", json!({})).unwrap();
    let late = Duplex::book(&mut listener).heard(TOOLS_CHANGED).len();
    assert_eq!(late, 0, "told more than once");
    let of_both = changes_until(&mut stream, 6);
    for kind in ["tools", "prompts", "resources"] {
        let method = format!("notifications/{kind}/list_changed");
        let count = of_both.iter().filter(|m| **m == json!(method)).count();
        assert_eq!(count, 2, "{of_both:?}");
    }
    elsewhere.request("ping", json!({})).unwrap();
    let heard = &Duplex::book(&mut elsewhere).notifications;
    assert!(heard.is_empty(), "{heard:?}");
    client.tool_names().unwrap();
}

#[test]
fn sessions_live_on_but_at_an_endpoint_that_is_gone() {
    let gateway = gateway(&json!({}), &[fault("one", &[]), fault("two", &[])]);
    let mut at_one = connected(&gateway, "/servers/one/mcp");
    let mut merged = connected(&gateway, "/mcp");
    let begun = merged.session.clone();
    gateway.rewrite_config(&config(&[fault("two", &[])]));
    wait_for_reload(&gateway, 1);
    let error = at_one.call_tool("echo", json!({"text": "x"})).unwrap_err();
    let told = format!("{error:?}");
    assert!(
        told.contains("404") && told.contains("no server \\\\\\\"one\\\\\\\" is configured"),
        "{told}"
    );
    let echoed = merged.call_text("two__echo", json!({"text": "x"}));
    assert_eq!(echoed.unwrap(), "x");
    assert_eq!(merged.session, begun);
}
