//! HTTP+SSE and stdio, where one stream carries all requests (2026-07-28, transports, "stdio"):
//! no headers, errors on the stream, cancellation by notification, subscriptions side by side.

use serde_json::{Value, json};

use super::{gateway, ready};
use crate::e2e::scene;
use crate::e2e::talk::{cancelled, fault, told};
use crate::harness::client::{Client, Duplex, text_of};
use crate::harness::gateway::{Setup, config};
use crate::harness::stateless::{
    META_LEVEL, META_SUBSCRIPTION, META_VERSION, call, request, with_meta,
};
use crate::harness::stdio::StdioClient;

/// The gateway on a pipe, its servers ready.
fn stdio() -> StdioClient {
    let mut client = Setup::with_config(config(&[fault("one")])).start_stdio();
    let list = client.request("tools/list", with_meta(json!({})));
    list.expect("a first list");
    client
}

/// Runs one test over stdio, and over HTTP+SSE.
macro_rules! over_both {
    ($($test:ident,)*) => {
        mod over_stdio {
            $(
                #[test]
                fn $test() {
                    super::$test(&mut super::stdio());
                }
            )*
        }

        mod over_http_and_sse {
            $(
                #[test]
                fn $test() {
                    let gateway = super::gateway(&["one"]);
                    super::$test(&mut gateway.sse_client("/sse"));
                }
            )*
        }
    };
}

over_both! {
    requests_need_no_handshake,
    progress_and_logs_come_to_those_who_ask,
    errors_come_on_the_stream,
    a_request_is_taken_back_by_its_id,
    two_subscriptions_are_told_apart,
}

fn requests_need_no_handshake(client: &mut impl Duplex) {
    let discovered = client.request("server/discover", with_meta(json!({})));
    assert_eq!(discovered.unwrap()["supportedVersions"][0], "2026-07-28");
    let list = client.request("tools/list", with_meta(json!({}))).unwrap();
    assert_eq!(list["resultType"], "complete");
    assert!(list["ttlMs"].is_u64());
    let result = client.exchange(&call("a", "one__echo", &json!({"text": "x"})));
    let result = result.unwrap()["result"].take();
    assert_eq!(text_of(&result), "x");
    assert_eq!(result["resultType"], "complete");
    // A handshake can follow: the requests have left nothing behind.
    client.initialize().expect("a session");
    scene::assert_echo(client, "one");
}

fn progress_and_logs_come_to_those_who_ask(client: &mut impl Duplex) {
    let mut progress = call(1, "one__progress", &json!({"steps": 2}));
    client.exchange(&progress).expect("it is done");
    progress["params"]["_meta"]["progressToken"] = json!("p");
    client.exchange(&progress).expect("it is done");
    let steps = Duplex::book(client).heard("notifications/progress").len();
    assert_eq!(steps, 2);
    let mut log = call(2, "one__log", &json!({"level": "error"}));
    client.exchange(&log).expect("it is done");
    log["params"]["_meta"][META_LEVEL] = json!("warning");
    client.exchange(&log).expect("it is done");
    let logs = Duplex::book(client).heard("notifications/message").len();
    assert_eq!(logs, 1);
}

fn errors_come_on_the_stream(client: &mut impl Duplex) {
    let mut other = request(1, "tools/list", json!({}));
    other["params"]["_meta"][META_VERSION] = json!("v999");
    let mut lacking = request(2, "tools/list", json!({}));
    lacking["params"]["_meta"] = json!({META_VERSION: "2026-07-28"});
    for (request, code) in [
        (request(3, "unknown/method", json!({})), -32601),
        (request(4, "ping", json!({})), -32601),
        (call(5, "one__nothing", &json!({})), -32602),
        (other, -32022),
        (lacking, -32602),
    ] {
        let answer = client.exchange(&request).expect("an answer");
        assert_eq!(answer["error"]["code"], code, "{request}");
    }
}

/// How many requests the server was told to give up, of what was sent before.
fn given_up(client: &mut impl Duplex) -> usize {
    let answer = client.exchange(&call(9, "one__cancellations", &json!({})));
    let ids: Result<Vec<Value>, _> = serde_json::from_str(text_of(&answer.unwrap()["result"]));
    ids.expect("a list").len()
}

fn a_request_is_taken_back_by_its_id(client: &mut impl Duplex) {
    let sleep = |id: &str| call(id, "one__sleep", &json!({"ms": 3_600_000}));
    client.send_message(&sleep("a")).unwrap();
    client.send_message(&sleep("b")).unwrap();
    client.send_message(&cancelled("a")).unwrap();
    assert_eq!(given_up(client), 1);
    client.send_message(&cancelled("nobody's")).unwrap();
    client.send_message(&cancelled("b")).unwrap();
    assert_eq!(given_up(client), 2);
    let strays = &Duplex::book(client).strays;
    assert!(strays.is_empty(), "no answer comes any more: {strays:?}");
}

fn listen(id: Value, filter: &Value) -> Value {
    request(id, "subscriptions/listen", json!({"notifications": filter}))
}

/// The subscription of the next notification of that method.
fn told_to(client: &mut impl Duplex, method: &str) -> Value {
    let told = client.wait_for_notification(method).expect("it is told");
    told["params"]["_meta"][META_SUBSCRIPTION].clone()
}

fn two_subscriptions_are_told_apart(client: &mut impl Duplex) {
    let acknowledged = "notifications/subscriptions/acknowledged";
    let tools = json!({"toolsListChanged": true});
    let prompts = json!({"promptsListChanged": true});
    client.send_message(&listen(json!("t"), &tools)).unwrap();
    client.send_message(&listen(json!(7), &prompts)).unwrap();
    assert_eq!(told_to(client, acknowledged), "t");
    assert_eq!(told_to(client, acknowledged), 7);
    let mut change = |what: &str, method: &str| {
        let change = call("c", "one__change_tools", &json!({"what": what}));
        client.exchange(&change).expect("it changes");
        told_to(client, method)
    };
    assert_eq!(change("prompts", "notifications/prompts/list_changed"), 7);
    assert_eq!(change("tools", "notifications/tools/list_changed"), "t");
    client.send_message(&cancelled("t")).unwrap();
    let mut change = |what: &str| {
        let change = call("c", "one__change_tools", &json!({"what": what}));
        client.exchange(&change).expect("it changes");
    };
    // Of the first nobody hears any more; the second would come later.
    change("tools");
    change("prompts");
    assert_eq!(told_to(client, "notifications/prompts/list_changed"), 7);
    let notifications = &Duplex::book(client).notifications;
    let tools = told(notifications, "notifications/tools/list_changed");
    assert!(tools.is_empty(), "{tools:?}");
}

#[test]
fn the_end_of_stdin_ends_a_subscription_and_the_program() {
    let mut client = stdio();
    let filter = json!({"toolsListChanged": true});
    client.send_message(&listen(json!("l"), &filter)).unwrap();
    let acknowledged = "notifications/subscriptions/acknowledged";
    assert_eq!(told_to(&mut client, acknowledged), "l");
    client.close_stdin();
    let end = client.receive_message().expect("the subscription ends");
    assert_eq!(end["id"], "l");
    assert_eq!(end["result"]["_meta"][META_SUBSCRIPTION], "l");
    assert_eq!(client.receive_line().unwrap(), None);
    assert_eq!(client.wait().and_then(|status| status.code()), Some(0));
}

#[test]
fn one_server_alone_is_served_over_http_and_sse_too() {
    let gateway = ready(gateway(&["one", "two"]));
    let mut client = gateway.sse_client("/servers/two/sse");
    let answer = client.exchange(&call(1, "echo", &json!({"text": "x"})));
    assert_eq!(text_of(&answer.unwrap()["result"]), "x");
}
