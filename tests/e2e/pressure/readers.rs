//! Clients that do not read what they asked for, over every transport. Their answers pile up to
//! a limit of their own and to one of all together; past it the slowest are parted with.

use std::time::Duration;

use serde_json::{Value, json};

use super::{alone, assert_peak_below, assert_peak_of_below, clients, frugal, gateway};
use crate::e2e::scene::{Bystander, assert_echo, client, fault, wait_for_log, wait_for_state};
use crate::harness::PATIENCE;
use crate::harness::client::Client;
use crate::harness::engine::{Exemption, exempts};
use crate::harness::gateway::{Gateway, Setup, config};
use crate::harness::http::Http;
use crate::harness::legacy_sse::SseClient;
use crate::harness::stdio::StdioClient;
use crate::harness::streamable::McpClient;

/// The bytes of the large answers: below "max_child_message_size", so that each is a good one.
const LARGE: usize = 15_000_000;

/// What all unread answers together may take: the 128 MiB of `OUTBOXES_BYTES_MAX`, the answer
/// that exceeded it, and those on their way in and out. What the tests ask for is far more.
const CEILING_MIB: u64 = 208;

/// A call for a large answer, which is not read.
fn ask_and_ignore(client: &mut McpClient, server: &str, bytes: usize) -> Http {
    let params = json!({"name": format!("{server}__long_line"), "arguments": {"bytes": bytes}});
    let request = client.book.request("tools/call", &params);
    ask_and_ignore_this(client, &request)
}

fn ask_and_ignore_this(client: &McpClient, request: &Value) -> Http {
    let mut http = client.connect();
    http.narrow().expect("its buffer can be made small");
    http.send(&client.http_post(request.to_string()))
        .expect("it is taken");
    http
}

/// Reads an answer to its end; the bytes of its body, or none where it was cut off.
fn read_out(http: &mut Http) -> Option<usize> {
    http.read_head(false).ok()?;
    Some(http.read_body().ok()?.len())
}

/// What a door has written without telling is little for each client, and for six hundred of
/// them more than all may leave unread.
#[test]
fn clients_who_have_read_everything_are_no_slow_ones_however_many() {
    let _alone = alone();
    let gateway = gateway(&json!({}), &[fault("good", &[])]);
    wait_for_state(&gateway, "good", "ready");
    let mut clients: Vec<SseClient> = Vec::new();
    for _ in 0..600 {
        let mut client = gateway.sse_client("/sse");
        client.initialize().expect("it is let in");
        let text = client.call_text("good__big", json!({"bytes": 250_000}));
        assert_eq!(text.expect("it is answered").len(), 250_000);
        clients.push(client);
    }
    for client in &mut clients {
        assert_echo(client, "good");
    }
}

fn three_servers() -> Gateway {
    let gateway = gateway(
        &json!({}),
        &[fault("good", &[]), fault("one", &[]), fault("two", &[])],
    );
    for server in ["good", "one", "two"] {
        wait_for_state(&gateway, server, "ready");
    }
    gateway
}

#[test]
fn large_answers_that_nobody_reads_end_with_the_slowest_clients() {
    let _alone = alone();
    if exempts(Exemption::Disconnects) {
        return;
    }
    let gateway = three_servers();
    let bystander = Bystander::of(&gateway);
    let mut clients = clients(&gateway, "/mcp", 24);
    let mut unread: Vec<Http> = Vec::new();
    for (client, server) in clients.iter_mut().zip(["one", "two"].iter().cycle()) {
        unread.push(ask_and_ignore(client, server, LARGE));
    }
    for http in &unread {
        // It has its answer's first bytes, or has been parted with.
        let _ = http.wait_for_bytes();
    }
    assert_peak_below(&gateway, CEILING_MIB);
    let read = unread.iter_mut().filter_map(read_out);
    let whole = read.filter(|&bytes| bytes > LARGE).count();
    assert!(
        (4..20).contains(&whole),
        "{whole} of the 24 answers were still to be had"
    );
    bystander.assert_unharmed();
    // Those who lost their connection go on with another one, at the same servers too.
    for client in &mut clients {
        assert_echo(client, "one");
    }
}

/// They count like answers of children, and take no memory: each is written from the one list.
#[test]
fn lists_that_nobody_reads_count_like_any_answer() {
    let _alone = alone();
    if exempts(Exemption::Disconnects) {
        return;
    }
    let fat = fault("fat", &["--fat-tool", "8000000"]);
    let gateway = gateway(&json!({}), &[fault("good", &[]), fat]);
    wait_for_state(&gateway, "fat", "ready");
    let bystander = Bystander::of(&gateway);
    let mut client = client(&gateway, "/servers/fat/mcp");
    let unread: Vec<Http> = (0..60)
        .map(|_| {
            let request = client.book.request("tools/list", &json!({}));
            ask_and_ignore_this(&client, &request)
        })
        .collect();
    for http in &unread {
        let _ = http.wait_for_bytes();
    }
    assert_peak_below(&gateway, 64);
    bystander.assert_unharmed();
    assert_eq!(
        client.call_text("echo", json!({"text": "on"})).unwrap(),
        "on"
    );
}

#[test]
fn a_stream_of_http_and_sse_that_is_not_read_ends_with_its_session() {
    let _alone = alone();
    if exempts(Exemption::Disconnects) {
        return;
    }
    let gateway = three_servers();
    let bystander = Bystander::of(&gateway);
    let mut unread = gateway.sse_client("/sse");
    unread.initialize().unwrap();
    unread.listener.http.narrow().unwrap();
    let params = json!({"name": "one__long_line", "arguments": {"bytes": LARGE}});
    for _ in 0..12 {
        let request = unread.book.request("tools/call", &params);
        // Once it is parted with, its session is gone.
        if unread.poster.post(&request).is_err() {
            break;
        }
    }
    wait_for_log(&gateway, "a client does not read its answers");
    assert_peak_below(&gateway, CEILING_MIB);
    // The connection ends at once, and not when somebody tries to write to it.
    let ended = loop {
        match unread.listener.receive() {
            Ok(_) => {}
            Err(error) => break error,
        }
    };
    assert!(!ended.message().contains("in time"), "{}", ended.message());
    bystander.assert_unharmed();
    assert_echo(&mut client(&gateway, "/mcp"), "one");
}

#[test]
fn a_listening_stream_that_is_not_read_loses_notifications_and_nothing_else() {
    let _alone = alone();
    let gateway = three_servers();
    let mut client = client(&gateway, "/mcp");
    let level = json!({"level": "debug"});
    client.request("logging/setLevel", level).unwrap();
    let listening = client.get_stream(None).unwrap();
    listening.http.narrow().unwrap();
    let bystander = Bystander::of(&gateway);
    // They belong to no call that this session has under way, so the stream gets them.
    let mut other = gateway.client("/servers/one/mcp");
    other.initialize().unwrap();
    let flood = json!({"kind": "notifications", "lines": 2_000, "bytes": 50_000});
    let told = other.call_text("flood", flood).unwrap();
    assert_eq!(told, "wrote 2000 lines");
    assert_peak_below(&gateway, 48);
    bystander.assert_unharmed();
    assert_echo(&mut client, "one");
}

/// A gateway on stdio whose client has said `initialize`, and reads nothing.
fn unread_stdio() -> StdioClient {
    let setup = Setup::with_config(config(&[fault("one", &[])]));
    let mut client = frugal(setup).start_stdio_unread();
    let initialize = json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {
        "protocolVersion": "2025-11-25", "capabilities": {},
        "clientInfo": {"name": "unread", "version": "1"},
    }});
    client.send_line(&initialize.to_string()).unwrap();
    client
}

fn send_call(client: &mut StdioClient, id: u64) -> std::io::Result<()> {
    let params = json!({"name": "one__long_line", "arguments": {"bytes": LARGE}});
    let call = json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params});
    client.send_line(&call.to_string())
}

#[test]
fn a_client_of_stdio_that_does_not_read_is_parted_with() {
    let _alone = alone();
    let mut client = unread_stdio();
    // Nothing comes back, so the end of the process is all there is to wait for.
    client.patience = Duration::from_millis(200);
    let asked = (1..200).find(|&id| send_call(&mut client, id).is_err() || client.wait().is_some());
    assert!(asked.is_some(), "it takes calls without end");
    client.patience = PATIENCE;
    let status = client.wait().expect("it ends");
    assert!(status.success(), "{status}");
}

#[test]
fn what_a_client_of_stdio_takes_and_leaves_is_bounded() {
    let _alone = alone();
    let mut client = unread_stdio();
    for id in 1..12 {
        send_call(&mut client, id).unwrap();
    }
    let told = client.log.wait_for("it is cut off", PATIENCE);
    told.expect("the log says so");
    assert_peak_of_below(client.pid(), CEILING_MIB);
    // It reads after all, too late: what it gets has an end, though it says nothing more.
    client.drain();
    let status = client.wait().expect("it ends");
    assert!(status.success(), "{status}");
}
