//! Messages of a gibibyte, from either side: none takes memory.

use serde_json::json;

use super::{alone, assert_peak_below, gateway};
use crate::e2e::scene::{Bystander, assert_echo, client, fault, fault_with, pid_of};
use crate::harness::client::Client;
use crate::harness::engine::{self, Exemption, exempts};
use crate::harness::http::Http;
use crate::harness::{Deadline, PATIENCE};

const GIB: u64 = 1 << 30;

#[test]
fn a_line_of_a_gibibyte_fails_its_call_and_is_skipped() {
    let _alone = alone();
    // On a busy machine such a line takes longer than a call may by itself.
    let bad = fault_with("bad", &[], "timeout", json!("10m"));
    let gateway = gateway(&json!({}), &[fault("good", &[]), bad]);
    let bystander = Bystander::of(&gateway);
    let mut client = client(&gateway, "/mcp");
    let pid = pid_of(&mut client, "bad");
    client.patience = crate::harness::PATIENCE * 20;
    let error = client
        .call_tool("bad__long_line", json!({"bytes": GIB}))
        .unwrap_err();
    assert!(
        error.message().contains("\"max_child_message_size\""),
        "{}",
        error.message()
    );
    // Its beginning was kept until it was too long: 16 MiB, in a buffer that had doubled.
    assert_peak_below(&gateway, 48);
    assert_eq!(pid_of(&mut client, "bad"), pid, "the child goes on");
    bystander.assert_unharmed();
}

/// Sends a body until an answer comes or the connection breaks; the status.
fn send_until_answered(mut http: Http, head: &str, piece: &[u8]) -> u16 {
    http.send_raw(head.as_bytes()).expect("the gateway listens");
    for _ in 0..GIB / (64 * 1024) {
        if http.send_raw(piece).is_err() {
            break;
        }
    }
    http.read_head(false).expect("the refusal is seen").status
}

#[test]
fn a_body_of_a_gibibyte_is_refused_declared_or_chunked() {
    let _alone = alone();
    if exempts(Exemption::Attacks) {
        return;
    }
    let gateway = gateway(&json!({}), &[fault("good", &[])]);
    let bystander = Bystander::of(&gateway);
    let mut client = client(&gateway, "/mcp");
    let head = |framing: &str| {
        format!(
            "POST /mcp HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\n\
             Accept: application/json, text/event-stream\r\n{framing}\r\n\r\n",
            gateway.address
        )
    };
    let declared = head(&format!("Content-Length: {GIB}"));
    let mut http = client.connect();
    http.send_raw(declared.as_bytes()).unwrap();
    let status = http.read_head(false).expect("it is refused unread").status;
    assert_eq!(status, 413);
    let piece = [b' '; 64 * 1024];
    let chunk = [b"10000\r\n", piece.as_slice(), b"\r\n"].concat();
    let chunked = head("Transfer-Encoding: chunked");
    let status = send_until_answered(client.connect(), &chunked, &chunk);
    assert_eq!(status, 413);
    assert_peak_below(&gateway, 24);
    bystander.assert_unharmed();
    assert_echo(&mut client, "good");
}

/// Each is within "max_child_message_size", and none is ever whole.
#[test]
fn lines_that_are_never_whole_are_bounded_together() {
    const CHILDREN: usize = 40;
    let _alone = alone();
    let names: Vec<String> = (0..CHILDREN).map(|number| format!("bad{number}")).collect();
    let mut servers = vec![fault("good", &[])];
    servers.extend(names.iter().map(|name| fault(name, &[])));
    let gateway = gateway(&json!({}), &servers);
    let bystander = Bystander::of(&gateway);
    let mut client = client(&gateway, "/mcp");
    let mut waiting: Vec<Http> = Vec::new();
    let halted = || gateway.stdout.text().matches("stderr: halted").count();
    for name in &names {
        // That of `tiny_http` does not serve bursts of connections.
        if engine::is_tiny() {
            let is_next =
                Deadline::after(PATIENCE).poll(|| (halted() == waiting.len()).then_some(()));
            assert!(
                is_next.is_some(),
                "{} have halted of {}",
                halted(),
                waiting.len()
            );
        }
        let arguments = json!({"bytes": 15_000_000, "halt": true});
        let params = json!({"name": format!("{name}__long_line"), "arguments": arguments});
        let request = client.book().request("tools/call", &params);
        let mut http = client.connect();
        http.send(&client.http_post(request.to_string())).unwrap();
        waiting.push(http);
    }
    let all = Deadline::after(PATIENCE).poll(|| (halted() == CHILDREN).then_some(()));
    assert!(all.is_some(), "{} have halted", halted());
    // The 288 MiB of `CHILDREN_BYTES_MAX`, and half as much again is asked for.
    assert_peak_below(&gateway, 352);
    bystander.assert_unharmed();
    assert_echo(&mut client, "good");
}
