//! Crowds: connections, bodies and calls in greater number than there are places. Who is too many
//! is told so at once, and who is in goes on.

use serde_json::json;

use super::{alone, assert_peak_below, gateway};
use crate::e2e::scene::{Bystander, assert_echo, client, fault, get};
use crate::harness::engine::{Exemption, exempts};
use crate::harness::http::{Http, Request};
use crate::harness::{Deadline, PATIENCE};

/// Names another number of connections to try: the full number is 10,000.
const CONNECTIONS: &str = "MCPROXY_PRESSURE_CONNECTIONS";

#[test]
fn connections_past_the_limit_are_told_so_and_those_within_go_on() {
    let _alone = alone();
    if exempts(Exemption::Connections) {
        return;
    }
    let asked = std::env::var(CONNECTIONS).ok();
    let tried: usize = asked.map_or(2_000, |text| text.parse().expect("a number"));
    let gateway = gateway(&json!({"max_connections": 200}), &[fault("good", &[])]);
    let bystander = Bystander::of(&gateway);
    let mut member = client(&gateway, "/mcp");
    assert_echo(&mut member, "good");
    let mut open: Vec<Http> = Vec::new();
    let mut refused = 0;
    for _ in 0..tried {
        let mut http = Http::connect(gateway.address).expect("it listens");
        // A refusal comes unasked; who is in is told nothing before it asks.
        http.send(&Request::new("GET", "/nowhere")).ok();
        let head = http.read_head(false).expect("an answer, or a refusal");
        http.read_body().expect("the whole of it");
        // A few places more are there for monitors, for one answer each.
        match (head.status, http.is_reusable()) {
            (404, true) => open.push(http),
            (404, false) | (503, _) => refused += 1,
            other => panic!("{other:?}"),
        }
    }
    assert!(open.len() <= 200, "{} are open", open.len());
    assert_eq!(open.len() + refused, tried);
    // Its own connections were there before.
    assert_echo(&mut member, "good");
    bystander.assert_unharmed();
    assert_peak_below(&gateway, 48);
    drop(open);
    let served = Deadline::after(PATIENCE).poll(|| {
        let mut http = Http::connect(gateway.address).ok()?;
        let reply = http.request(&Request::new("GET", "/nowhere")).ok()?;
        (reply.head.status == 404).then_some(())
    });
    assert!(served.is_some(), "their places stay taken");
}

/// Each body is within "max_message_size", and none is ever whole.
#[test]
fn bodies_that_are_never_whole_are_bounded_together() {
    let _alone = alone();
    if exempts(Exemption::Attacks) {
        return;
    }
    let gateway = gateway(&json!({}), &[fault("good", &[])]);
    let bystander = Bystander::of(&gateway);
    let client = client(&gateway, "/mcp");
    let body = " ".repeat(1 << 20);
    let begun = client
        .http_post(body.clone())
        .header("Content-Length", &body.len().to_string());
    let (mut waiting, mut refused) = (Vec::new(), 0);
    for _ in 0..400 {
        let mut http = client.connect();
        http.send_all_but_the_last_byte(&begun).expect("it is read");
        http.patience = std::time::Duration::from_millis(50);
        match http.read_head(false) {
            Ok(head) => {
                assert_eq!(head.status, 503);
                refused += 1;
            }
            Err(_) => waiting.push(http),
        }
    }
    assert!(refused > 200, "{refused} of 400 were refused");
    // The 128 MiB of `CLIENTS_BYTES_MAX`.
    assert_peak_below(&gateway, 176);
    // Ordinary messages come through all the same.
    bystander.assert_unharmed();
    drop(waiting);
    assert_eq!(get(&gateway, "/health").head.status, 200);
}
