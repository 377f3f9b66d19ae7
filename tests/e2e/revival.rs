//! Sessions that outlive the process: a client takes the id that one gateway gave it to another
//! with the same key, as after a restart, or behind a balancer.

use serde_json::{Value, json};

use super::talk::{
    assert_refused, call, connected, connected_at, fault, fault_with, refusal, rest_of,
};
use crate::harness::client::Client;
use crate::harness::gateway::{Gateway, Setup, config};
use crate::harness::process::Folder;
use crate::harness::streamable::McpClient;
use crate::harness::{Deadline, PATIENCE};

const KEY: &str = "a key that both of these gateways have";

/// A gateway with this key, and this token if there is one.
fn keyed(key: &str, token: Option<&str>) -> Gateway {
    let setup = Setup::with_config(config(&[fault("one"), fault("two")]));
    let setup = setup.env("MCPROXY_SESSION_KEY", key);
    match token {
        Some(token) => setup.env("API_ACCESS_TOKEN", token).start(),
        None => setup.start(),
    }
}

/// The same client, which now comes to another gateway.
fn moved(client: &McpClient, to: &Gateway, path: &str) -> McpClient {
    let mut moved = to.client(path);
    moved.session.clone_from(&client.session);
    let version = &client.book.protocol_version;
    moved.book.protocol_version.clone_from(version);
    moved
}

#[test]
fn a_client_goes_on_at_the_next_gateway_in_every_revision_that_has_sessions() {
    let before = keyed(KEY, None);
    let clients: Vec<McpClient> = ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"]
        .iter()
        .map(|revision| connected_at(&before, "/mcp", revision))
        .collect();
    assert!(before.stop().status.success());
    let after = keyed(KEY, None);
    for client in &clients {
        let mut client = moved(client, &after, "/mcp");
        let echo = client.call_text("one__echo", json!({"text": "again"}));
        assert_eq!(echo.expect("it goes on"), "again");
    }
}

#[test]
fn an_id_is_a_header_like_any_other() {
    let gateway = keyed(KEY, None);
    let id = connected(&gateway, "/mcp").session.expect("it has one");
    assert!(id.len() < 200, "{} characters", id.len());
    assert!(id.bytes().all(|byte| byte.is_ascii_graphic()), "{id}");
}

#[test]
fn a_child_cannot_see_the_key() {
    let entry = json!({"servers": [{"name": "one", "command": "sh", "inherit_env": "all",
        "args": ["-c", "test -z \"$MCPROXY_SESSION_KEY\" || exit 7; exec \"$0\"", crate::harness::fixture("fault_server")]}]});
    let setup = Setup::with_config(entry.to_string());
    let gateway = setup.env("MCPROXY_SESSION_KEY", KEY).start();
    let mut client = connected(&gateway, "/mcp");
    assert_eq!(
        client
            .call_text("one__echo", json!({"text": "x"}))
            .expect("it runs"),
        "x"
    );
}

#[test]
fn another_key_another_token_and_another_endpoint_know_no_such_session() {
    let gateway = keyed(KEY, None);
    let client = connected(&gateway, "/mcp");
    let status_at = |gateway: &Gateway, path: &str, token: Option<&str>| {
        let mut client = moved(&client, gateway, path);
        if let Some(token) = token {
            let value = format!("Bearer {token}");
            client.headers.push(("Authorization".to_owned(), value));
        }
        let ping = json!({"jsonrpc": "2.0", "id": 1, "method": "ping"});
        let reply = client.post(ping.to_string()).expect("an answer");
        reply.head.status
    };
    assert_eq!(status_at(&keyed(KEY, None), "/mcp", None), 200);
    assert_eq!(status_at(&keyed(KEY, None), "/servers/one/mcp", None), 404);
    assert_eq!(
        status_at(&keyed("a key of one of them alone", None), "/mcp", None),
        404
    );
    let token = "a-token-of-some-length";
    assert_eq!(
        status_at(&keyed(KEY, Some(token)), "/mcp", Some(token)),
        404
    );
}

#[test]
fn a_session_that_was_ended_is_unknown_where_it_was_ended() {
    let gateway = keyed(KEY, None);
    let client = connected(&gateway, "/mcp");
    assert_eq!(client.delete().expect("an answer"), 200);
    let ping = json!({"jsonrpc": "2.0", "id": 1, "method": "ping"});
    let reply = client.post(ping.to_string()).expect("an answer");
    let (status, code, sentence) = refusal(&reply);
    assert_eq!((status, code), (404, -32001), "{sentence}");
    assert_eq!(client.delete().expect("an answer"), 404);
    // No gateway tells another.
    let replica = keyed(KEY, None);
    let mut client = moved(&client, &replica, "/mcp");
    assert_refused(client.call_text("nope", json!({})), -32602, "nope");
}

#[test]
fn a_stream_that_another_gateway_began_is_a_new_one_that_says_to_look_anew() {
    let before = keyed(KEY, None);
    let client = connected(&before, "/mcp");
    let mut stream = client.get_stream(None).expect("a stream");
    let prime = stream.next_event().expect("it goes on").expect("an event");
    let last = prime.id.expect("the priming event has one");
    assert_eq!(last.split('-').count(), 3, "{last}");
    drop(stream);
    let after = keyed(KEY, None);
    let client = moved(&client, &after, "/mcp");
    let mut stream = client.get_stream(Some(&last)).expect("an answer");
    assert_eq!(stream.head.status, 200);
    let prime = stream.next_event().expect("it goes on").expect("an event");
    let id = prime.id.expect("the priming event has one");
    let epoch = |id: &str| id.split('-').next().map(str::to_owned);
    assert_ne!(epoch(&id), epoch(&last));
    for list in ["tools", "prompts", "resources"] {
        let message = stream.next_message().expect("it goes on").expect("a word");
        assert_eq!(
            message["method"],
            format!("notifications/{list}/list_changed")
        );
    }
    // Its own events are taken up again as ever; of the old form there are none.
    drop(stream);
    let mut again = client.get_stream(Some(&id)).expect("an answer");
    let message = again.next_message().expect("it goes on").expect("a word");
    assert_eq!(message["method"], "notifications/tools/list_changed");
    let old = client.get_stream(Some("1-0")).expect("an answer");
    assert_eq!(old.head.status, 400);
}

/// A gateway that keeps its state in this folder, with a server for all and one for each session.
fn keeping(folder: &Folder) -> Gateway {
    let own = fault_with("own", json!({"scope": "session"}));
    let setup = Setup::with_config(config(&[fault("one"), own]));
    let state = folder.path().to_str().expect("a path that is text");
    setup.env("STATE_DIRECTORY", state).start()
}

/// The gateway crashes, and its servers end with their stdin.
fn kill(gateway: &mut Gateway) {
    gateway.signal(nix::sys::signal::Signal::SIGKILL);
    let gone = || gateway.processes().is_empty().then_some(());
    assert!(Deadline::after(PATIENCE).poll(gone).is_some());
}

/// The status of a ping in the session of a client.
fn status(client: &McpClient) -> u16 {
    let ping = json!({"jsonrpc": "2.0", "id": 1, "method": "ping"});
    let reply = client.post(ping.to_string()).expect("an answer");
    reply.head.status
}

#[test]
fn what_an_id_cannot_carry_is_kept_in_the_state_folder() {
    let folder = Folder::new();
    let before = keeping(&folder);
    let [plain, ended, owning] = [0; 3].map(|_| connected(&before, "/mcp"));
    assert_eq!(ended.delete().expect("an answer"), 200);
    let mut caller = owning.sibling();
    let echo = caller.call_text("own__echo", json!({"text": "x"}));
    assert_eq!(echo.expect("it runs"), "x");
    assert!(before.stop().status.success());
    let after = keeping(&folder);
    let statuses = [&plain, &ended, &owning].map(|client| status(&moved(client, &after, "/mcp")));
    assert_eq!(statuses, [200, 404, 404]);
}

#[test]
fn subscriptions_and_log_levels_come_back_after_a_crash() {
    let folder = Folder::new();
    let mut before = keeping(&folder);
    let mut client = connected(&before, "/servers/one/mcp");
    let uri = client.list("resources/list", "resources").expect("a list")[0]["uri"].clone();
    let wanted = json!({"uri": uri});
    client
        .request("resources/subscribe", wanted)
        .expect("granted");
    client
        .request("logging/setLevel", json!({"level": "warning"}))
        .expect("granted");
    let journal = folder.path().join("sessions.journal");
    let is_kept = || {
        let text = std::fs::read_to_string(&journal).unwrap_or_default();
        let both = text.contains(uri.as_str()?) && text.contains("\"warning\"");
        both.then_some(())
    };
    assert!(Deadline::after(PATIENCE).poll(is_kept).is_some());
    kill(&mut before);
    before.stop();
    let after = keeping(&folder);
    let mut client = moved(&client, &after, "/servers/one/mcp");
    let restored = Deadline::after(PATIENCE).poll(|| {
        let me = client.call_text("whoami", json!({})).ok()?;
        let me: Value = serde_json::from_str(&me).ok()?;
        (me["subscribed"] == json!([uri]) && me["log_level"] == "warning").then_some(())
    });
    assert!(
        restored.is_some(),
        "{:?}",
        client.call_text("whoami", json!({}))
    );
}

#[test]
fn a_call_that_a_crash_has_cut_off_ends_with_an_error_that_says_so() {
    let folder = Folder::new();
    let start = || {
        let limits = json!({"keepalive_interval": "50ms"});
        let config = json!({"servers": [fault("one")], "limits": limits});
        let state = folder.path().to_str().expect("a path that is text");
        let setup = Setup::with_config(config.to_string());
        setup.env("STATE_DIRECTORY", state).start()
    };
    let mut before = start();
    let client = connected(&before, "/mcp");
    // It is answered with the next one, which never comes.
    let arguments = json!({"batch": 2, "text": "x"});
    let held = call("held", "one__slow_answer_out_of_order", &arguments);
    let mut stream = client.post_stream(&held).expect("a stream");
    let prime = stream.next_event().expect("it goes on").expect("an event");
    let last = prime.id.expect("the priming event has one");
    kill(&mut before);
    before.stop();
    let after = start();
    let mut client = moved(&client, &after, "/mcp");
    let mut resumed = client.get_stream(Some(&last)).expect("an answer");
    assert_eq!(resumed.head.status, 200);
    let messages = rest_of(&mut resumed);
    assert_eq!(messages.len(), 1, "{messages:?}");
    assert_eq!(messages[0]["id"], "held");
    assert_eq!(messages[0]["error"]["code"], -32000);
    let sentence = messages[0]["error"]["message"].as_str().expect("a text");
    assert!(
        sentence.contains("the gateway was started anew"),
        "{sentence}"
    );
    let echo = client.call_text("one__echo", json!({"text": "again"}));
    assert_eq!(echo.expect("it goes on"), "again");
}
