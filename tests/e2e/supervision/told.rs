//! `/health` and `/ready`: what they say of servers in each state, and that they tell no
//! secret.

use serde_json::{Value, json};

use crate::e2e::scene::{fault, fault_with, gateway, get, health, setup, wait_for_state};
use crate::harness::gateway::{Gateway, Setup};
use crate::harness::http::{Http, Request};
use crate::harness::{Deadline, PATIENCE};

fn ready(gateway: &Gateway) -> (u16, Value) {
    let reply = get(gateway, "/ready");
    (reply.head.status, reply.json())
}

fn wait_until_ready(gateway: &Gateway) -> Value {
    let answer = Deadline::after(PATIENCE).poll(|| {
        let (status, answer) = ready(gateway);
        (status == 200).then_some(answer)
    });
    answer.expect("it gets ready")
}

/// Whether this is a time in UTC (RFC 3339): only its form, for the clock may be wrong.
fn is_timestamp(value: &Value) -> bool {
    let text = value.as_str().unwrap_or_default();
    let form: String = text
        .chars()
        .map(|char| if char.is_ascii_digit() { '0' } else { char })
        .collect();
    form == "0000-00-00T00:00:00.000Z" || form == "0000-00-00T00:00:00Z"
}

#[test]
fn ready_says_who_is_starting_until_all_are_up() {
    let slow = fault("slow", &["--slow-start", "700"]);
    let gateway = gateway(&json!({}), &[fault("good", &[]), slow]);
    wait_for_state(&gateway, "good", "ready");
    let (status, answer) = ready(&gateway);
    assert_eq!(status, 503, "{answer}");
    assert_eq!(answer["ready"], false);
    assert_eq!(answer["reasons"], json!(["server \"slow\" is starting"]));
    assert!(is_timestamp(&answer["timestamp"]), "{answer}");
    let health = health(&gateway);
    assert_eq!(health["status"], "degraded", "{health}");
    assert_eq!(health["components"]["server:slow"]["state"], "starting");
    let answer = wait_until_ready(&gateway);
    assert_eq!(answer["ready"], true);
    assert_eq!(answer["reasons"], json!([]));
}

#[test]
fn ready_does_not_wait_for_a_server_that_has_failed_for_good() {
    let limits = json!({"reconnect_delay": "300ms", "max_reconnect_attempts": 2});
    let bad = fault("bad", &["--exit-at-start", "1"]);
    let gateway = gateway(&limits, &[fault("good", &[]), bad]);
    let (status, answer) = ready(&gateway);
    assert_eq!(status, 503, "its second start is still to come: {answer}");
    wait_until_ready(&gateway);
    assert_eq!(
        health(&gateway)["components"]["server:bad"]["state"],
        "parked"
    );
}

#[test]
fn ready_does_not_change_when_a_server_is_restarted() {
    let gateway = gateway(&json!({"reconnect_delay": "10s"}), &[fault("bad", &[])]);
    wait_until_ready(&gateway);
    let mut client = crate::e2e::scene::client(&gateway, "/mcp");
    let crash = crate::harness::client::Client::call_tool(&mut client, "bad__crash", json!({}));
    crash.unwrap_err();
    wait_for_state(&gateway, "bad", "restarting");
    assert_eq!(ready(&gateway).0, 200);
    assert_eq!(health(&gateway)["status"], "unhealthy");
}

#[test]
fn health_has_a_component_for_the_front_and_one_for_each_server() {
    let limits = json!({"reconnect_delay": "20ms", "max_reconnect_attempts": 1});
    let servers = [
        fault("good", &[]),
        fault("bad", &["--exit-at-start", "1"]),
        fault_with("off", &[], "enabled", json!(false)),
        json!({"name": "typo", "command": "no-such-program-anywhere"}),
    ];
    let gateway = gateway(&limits, &servers);
    wait_for_state(&gateway, "bad", "parked");
    wait_for_state(&gateway, "good", "ready");
    let reply = get(&gateway, "/health");
    assert_eq!(reply.head.status, 200);
    assert_eq!(reply.head.header("content-type"), Some("application/json"));
    let health = reply.json();
    assert_eq!(health["status"], "degraded", "{health}");
    assert!(is_timestamp(&health["timestamp"]), "{health}");
    let component = |name: &str| {
        let component = &health["components"][name];
        let text = |key: &str| component[key].as_str().unwrap_or_default().to_owned();
        (text("status"), text("state"))
    };
    let expected = |status: &str, state: &str| (status.to_owned(), state.to_owned());
    assert_eq!(component("front"), expected("healthy", ""));
    assert_eq!(component("server:good"), expected("healthy", "ready"));
    assert_eq!(component("server:bad"), expected("unhealthy", "parked"));
    assert_eq!(component("server:off"), expected("healthy", "disabled"));
    assert_eq!(
        component("server:typo"),
        expected("unhealthy", "misconfigured")
    );
}

#[test]
fn health_is_healthy_where_all_is_well_and_unhealthy_where_nothing_is() {
    let well = gateway(&json!({}), &[fault("good", &[])]);
    wait_for_state(&well, "good", "ready");
    assert_eq!(health(&well)["status"], "healthy");
    let limits = json!({"reconnect_delay": "20ms", "max_reconnect_attempts": 1});
    let ill = gateway(&limits, &[fault("bad", &["--exit-at-start", "1"])]);
    wait_for_state(&ill, "bad", "parked");
    let reply = get(&ill, "/health");
    assert_eq!(reply.json()["status"], "unhealthy");
    assert_eq!(reply.head.status, 200, "the gateway itself works");
    assert_eq!(ready(&ill).0, 200);
}

#[test]
fn both_need_no_token_and_no_host_and_tell_no_secret() {
    let secret = "hunter2-hunter2-hunter2";
    let mut server = fault("good", &["--tool", secret]);
    server["env"] = json!({"KEY": secret});
    let setup: Setup = setup(
        &json!({}),
        &[server, json!({"name": "x", "command": secret})],
    );
    let gateway = setup.env("API_ACCESS_TOKEN", secret).start();
    wait_for_state(&gateway, "good", "ready");
    for path in ["/health", "/ready"] {
        let request = Request::new("GET", path).header("Host", "somewhere.example");
        let reply = Http::connect(gateway.address)
            .unwrap()
            .request(&request)
            .unwrap();
        assert_eq!(reply.head.status, 200, "{path}");
        assert!(!reply.text().contains(secret), "{}", reply.text());
        assert!(reply.json()["timestamp"].is_string(), "{}", reply.text());
    }
}
