//! Clients of the stateless era: each request is a session of its own, which
//! begins with it and leaves nothing behind.

use crate::event::View;
use crate::hub::stories::cast::{notice, request};
use crate::hub::stories::world::{World, plan};
use crate::limits;

/// The `_meta` of a request, and members beside its own.
pub(super) fn meta(capabilities: &str, more: &str) -> String {
    format!(
        r#""_meta":{{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{capabilities}{more}}}"#
    )
}

/// A server with a tool, a resource and logs, and a client that has said nothing yet.
fn world() -> World {
    let mut w = World::new(plan(&["git"]));
    let offers = w.offers.get_mut("git").expect("it is there");
    offers.resources = vec!["file:///r".into()];
    offers.capabilities = r#""logging":{}"#;
    w.serve("git.1");
    w.pass(0.2);
    w.come("ann", View::Merged);
    w.forget();
    w
}

fn calls(w: &mut World, who: &str, id: &str, more: &str) {
    let params = format!(r#"{{"name":"git__x",{}}}"#, meta("{}", more));
    w.asks(who, id, "tools/call", &params);
}

#[test]
fn a_call_needs_no_session_and_its_result_says_that_it_is_complete() {
    let mut w = world();
    calls(&mut w, "ann", "1", "");
    w.expect(&[
        r#"0.200s to git.1 #5 tools/call {"_meta":{"io.modelcontextprotocol/clientCapabilities":{}},"name":"x"}"#,
    ]);
    w.answers("git.1", 5, r#"{"content":[]}"#);
    w.expect(&[r#"0.200s ann.1 answer 1 {"content":[],"resultType":"complete"} last"#]);
    assert!(w.hub.sessions.is_empty());
}

#[test]
fn a_client_that_leaves_takes_its_request_back() {
    let mut w = world();
    calls(&mut w, "ann", "1", "");
    w.forget();
    w.leaves("ann.1");
    w.expect(&[r##"0.200s to git.1 notifications/cancelled {"requestId":"#5"}"##]);
    assert!(w.hub.sessions.is_empty());
}

#[test]
fn what_needs_a_session_is_no_method_here() {
    let mut w = world();
    for method in [
        "ping",
        "initialize",
        "logging/setLevel",
        "resources/subscribe",
    ] {
        w.asks("ann", "1", method, &format!("{{{}}}", meta("{}", "")));
    }
    w.expect(&[
        r#"0.200s ann.1 error 1 -32601 method "ping" not found last"#,
        r#"0.200s ann.2 error 1 -32601 method "initialize" not found last"#,
        r#"0.200s ann.3 error 1 -32601 method "logging/setLevel" not found last"#,
        r#"0.200s ann.4 error 1 -32601 method "resources/subscribe" not found last"#,
    ]);
}

#[test]
fn lists_say_how_long_they_are_fresh_and_unknown_resources_have_the_new_code() {
    let mut w = world();
    let all = format!("{{{}}}", meta("{}", ""));
    w.asks("ann", "1", "tools/list", &all);
    let list = &w.messages()[0]["result"];
    assert_eq!(list["resultType"], "complete");
    assert_eq!(list["cacheScope"], "private");
    assert!(list["ttlMs"].is_u64() && list["tools"].is_array());
    let read = format!(r#"{{"uri":"file:///r",{}}}"#, meta("{}", ""));
    w.asks("ann", "2", "resources/read", &read);
    let id = w.wire_id("git.1", 5);
    w.forget();
    w.says(
        "git.1",
        &format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{{"code":-32002,"message":"no"}}}}"#),
    );
    w.expect(&["0.200s ann.2 error 2 -32602 no last"]);
}

#[test]
fn logs_come_only_with_a_level_and_only_from_that_level_on() {
    let mut w = world();
    let log = |w: &mut World, level| {
        let params = format!(r#"{{"data":1,"level":"{level}"}}"#);
        w.says("git.1", &notice("notifications/message", &params));
    };
    calls(&mut w, "ann", "1", "");
    log(&mut w, "error");
    w.answers("git.1", 5, "{}");
    w.forget();
    calls(
        &mut w,
        "ann",
        "2",
        r#","io.modelcontextprotocol/logLevel":"warning""#,
    );
    let trace = w.trace();
    assert!(
        trace[0].ends_with(r#"logging/setLevel {"level":"warning"}"#),
        "{trace:?}"
    );
    log(&mut w, "info");
    log(&mut w, "error");
    w.expect(&[
        "0.200s ann.2 opened",
        r#"0.200s ann.2 notifications/message {"data":1,"level":"error"}"#,
    ]);
}

#[test]
fn requests_on_one_stream_are_told_apart_and_taken_back_by_id() {
    let mut w = world();
    w.opens("ann");
    w.forget();
    calls(&mut w, "ann", "\"a\"", "");
    calls(&mut w, "ann", "7", "");
    w.forget();
    w.cancels("ann", "\"a\"");
    w.expect(&[r##"0.200s to git.1 notifications/cancelled {"requestId":"#5"}"##]);
    w.answers("git.1", 6, "{}");
    w.expect(&[r#"0.200s ann.1 answer 7 {"resultType":"complete"}"#]);
    assert_eq!(w.hub.sessions.len(), 1, "the stream's own");
    calls(&mut w, "ann", "8", "");
    w.forget();
    w.leaves("ann.1");
    w.expect(&[r##"0.200s to git.1 notifications/cancelled {"requestId":"#7"}"##]);
    assert!(w.hub.sessions.is_empty());
}

const LISTEN: &str = r#""notifications":{"toolsListChanged":true,"resourceSubscriptions":["file:///r","file:///r","no:where"]}"#;

fn listens(w: &mut World, who: &str, id: &str) {
    let params = format!("{{{LISTEN},{}}}", meta("{}", ""));
    w.asks(who, id, "subscriptions/listen", &params);
}

#[test]
fn a_subscription_is_acknowledged_first_and_hears_what_it_asked_for() {
    let mut w = World::new(plan(&["git", "web"]));
    for name in ["git", "web"] {
        let offers = w.offers.get_mut(name).expect("it is there");
        offers.resources = vec![if name == "git" { "file:///r" } else { "web:r" }.into()];
    }
    w.serve("git.1");
    w.serve("web.1");
    w.pass(0.2);
    w.come("ann", View::Merged);
    w.forget();
    listens(&mut w, "ann", "\"l\"");
    w.expect(&[
        "0.200s ann.1 opened",
        r#"0.200s ann.1 notifications/subscriptions/acknowledged {"_meta":{"io.modelcontextprotocol/subscriptionId":"l"},"notifications":{"resourceSubscriptions":["file:///r"],"toolsListChanged":true}}"#,
        r#"0.200s to git.1 #5 resources/subscribe {"uri":"file:///r"}"#,
    ]);
    w.answers("git.1", 5, "{}");
    let update = notice("notifications/resources/updated", r#"{"uri":"file:///r"}"#);
    w.says("git.1", &update);
    w.says("git.1", &notice("notifications/prompts/list_changed", ""));
    w.says("git.1", &notice("notifications/tools/list_changed", ""));
    w.expect(&[
        r#"0.200s ann.1 notifications/resources/updated {"_meta":{"io.modelcontextprotocol/subscriptionId":"l"},"uri":"file:///r"}"#,
    ]);
    w.offers.get_mut("git").expect("it is there").tools = vec!["y".into()];
    w.pass(0.2);
    w.lists("git.1", 6);
    w.pass(0.2);
    let told = w.trace();
    let about_ann: Vec<&String> = told.iter().filter(|line| line.contains("ann")).collect();
    assert_eq!(
        about_ann,
        [
            r#"0.600s ann.1 notifications/tools/list_changed {"_meta":{"io.modelcontextprotocol/subscriptionId":"l"}}"#
        ]
    );
    w.leaves("ann.1");
    w.expect(&[r#"0.600s to git.1 #8 resources/unsubscribe {"uri":"file:///r"}"#]);
    assert!(w.hub.sessions.is_empty());
}

#[test]
fn a_subscription_is_acknowledged_though_its_client_reads_slowly() {
    let mut w = world();
    w.opens("ann");
    let params = format!(
        r#"{{"name":"git__x",{}}}"#,
        meta("{}", r#","progressToken":"p""#)
    );
    w.asks("ann", "1", "tools/call", &params);
    let token = w.wire_id("git.1", 5);
    let progress = format!(r#"{{"progressToken":{token},"progress":1}}"#);
    for _ in 0..limits::STREAM_NOTICES_MAX + 1 {
        w.says("git.1", &notice("notifications/progress", &progress));
    }
    w.forget();
    w.says("git.1", &notice("notifications/progress", &progress));
    w.expect(&[]);
    listens(&mut w, "ann", "2");
    let trace = w.trace();
    assert!(
        trace[0].starts_with("0.200s ann.1 notifications/subscriptions/acknowledged"),
        "{trace:?}"
    );
}

#[test]
fn a_subscription_ends_with_a_result_when_the_gateway_ends_it() {
    let mut w = world();
    listens(&mut w, "ann", "3");
    w.opens("bob");
    listens(&mut w, "bob", "4");
    w.forget();
    w.adds("bob.1", crate::event::FromClient::Finished);
    w.expect(&[
        r#"0.200s bob.1 answer 4 {"_meta":{"io.modelcontextprotocol/subscriptionId":4},"resultType":"complete"}"#,
        "0.200s bob.1 end",
    ]);
    w.stop();
    let trace = w.trace();
    assert_eq!(
        trace[0],
        r#"0.200s ann.1 answer 3 {"_meta":{"io.modelcontextprotocol/subscriptionId":3},"resultType":"complete"} last"#
    );
}

#[test]
fn a_subscription_that_waited_beyond_its_client_s_last_word_ends_at_once() {
    let mut w = World::new(plan(&["git"]));
    w.opens("bob");
    listens(&mut w, "bob", "4");
    w.adds("bob.1", crate::event::FromClient::Finished);
    w.forget();
    w.serve("git.1");
    w.pass(0.2);
    let told = w.trace();
    let about_bob: Vec<&String> = told.iter().filter(|line| line.contains("bob")).collect();
    assert_eq!(about_bob.len(), 3, "{told:?}");
    assert!(about_bob[0].contains("acknowledged"), "{told:?}");
    assert!(about_bob[1].contains("bob.1 answer 4"), "{told:?}");
    assert!(about_bob[2].contains("bob.1 end"), "{told:?}");
    assert!(w.hub.sessions.is_empty());
}

#[test]
fn no_more_resources_are_looked_up_than_could_be_watched() {
    // Of two servers neither is guessed for a resource that nobody lists.
    let mut w = World::new(plan(&["git", "web"]));
    for (name, uri) in [("git", "file:///r"), ("web", "web:r")] {
        w.offers.get_mut(name).expect("it is there").resources = vec![uri.into()];
    }
    w.serve("git.1");
    w.serve("web.1");
    w.pass(0.2);
    w.come("ann", View::Merged);
    let uris: Vec<String> = (0..limits::SESSION_SUBSCRIPTIONS_MAX)
        .map(|number| format!("\"a:{number:04}\""))
        .collect();
    let listen = |w: &mut World, who: &str, uris: &[String]| {
        let filter = format!(
            r#""resourceSubscriptions":[{},"file:///r"]"#,
            uris.join(",")
        );
        let params = format!(r#"{{"notifications":{{{filter}}},{}}}"#, meta("{}", ""));
        w.asks(who, "1", "subscriptions/listen", &params);
        let told = w.trace();
        let is_honoured = told.iter().any(|line| line.contains(r#"["file:///r"]"#));
        w.leaves(&format!("{who}.1"));
        w.forget();
        is_honoured
    };
    // The resource comes last in the order of their texts.
    w.come("bob", View::Merged);
    assert!(listen(&mut w, "ann", &uris[1..]));
    assert!(!listen(&mut w, "bob", &uris));
}

#[test]
fn a_stream_of_stateless_requests_is_told_nothing_but_what_they_asked_for() {
    let mut w = world();
    w.opens("ann");
    listens(&mut w, "ann", "\"l\"");
    w.answers("git.1", 5, "{}");
    w.says("git.1", &notice("notifications/tools/list_changed", ""));
    w.offers.get_mut("git").expect("it is there").tools = vec!["y".into()];
    w.pass(0.2);
    w.forget();
    w.lists("git.1", 6);
    w.pass(0.2);
    let told = w.trace();
    let about_ann: Vec<&String> = told.iter().filter(|line| line.contains("ann")).collect();
    assert_eq!(
        about_ann,
        [
            r#"0.600s ann.1 notifications/tools/list_changed {"_meta":{"io.modelcontextprotocol/subscriptionId":"l"}}"#
        ]
    );
}

#[test]
fn a_gateway_that_stops_takes_no_more_requests() {
    let mut w = world();
    w.stop();
    w.forget();
    calls(&mut w, "ann", "1", "");
    let trace = w.trace();
    assert!(trace[0].contains("Busy"), "{trace:?}");
    assert!(w.hub.sessions.is_empty());
}

#[test]
fn a_notification_by_http_is_taken_and_a_batch_is_not() {
    let mut w = world();
    w.connects_at("bob", "2025-03-26");
    let call = request("1", "tools/list", &format!("{{{}}}", meta("{}", "")));
    w.forget();
    w.posts("bob", &format!("[{call}]"));
    let trace = w.trace();
    assert!(trace[0].contains("BadRequest"), "{trace:?}");
    w.forget();
    let cancelled = notice("notifications/cancelled", r#"{"requestId":1}"#);
    w.posts("ann", &cancelled);
    let trace = w.trace();
    assert!(trace[0].contains("BadRequest"), "{trace:?}");
    w.clients.get_mut("ann").expect("she has come").version = Some("2026-07-28".into());
    w.forget();
    w.posts("ann", &cancelled);
    let trace = w.trace();
    assert!(trace[0].contains("Accepted"), "{trace:?}");
}

#[test]
fn a_task_is_asked_of_the_server_whose_tool_began_it() {
    let mut w = World::new(plan(&["git", "web"]));
    w.serve("git.1");
    w.serve("web.1");
    w.pass(0.2);
    w.come("ann", View::Merged);
    calls(&mut w, "ann", "1", "");
    w.answers(
        "git.1",
        3,
        r#"{"resultType":"task","taskId":"t\u0031","status":"working"}"#,
    );
    w.forget();
    let about = |id: &str| format!(r#"{{"taskId":"{id}",{}}}"#, meta("{}", ""));
    w.asks("ann", "2", "tasks/get", &about("t1"));
    w.asks("ann", "3", "tasks/cancel", &about("t2"));
    let trace = w.trace();
    assert!(
        trace[0].starts_with("0.200s to git.1 #4 tasks/get"),
        "{trace:?}"
    );
    assert_eq!(
        trace[1],
        r#"0.200s ann.3 error 3 -32602 unknown task "t2" last"#
    );
}

#[test]
fn a_call_fails_for_want_of_a_capability_only_if_its_server_cannot_do_without() {
    let mut w = world();
    let elicit = request("9", "elicitation/create", r#"{"message":"?"}"#);
    for (number, id, result) in [
        (5, "1", r#"{"content":[],"isError":true}"#),
        (6, "2", r#"{"content":[],"isError":false}"#),
    ] {
        calls(&mut w, "ann", id, "");
        w.says("git.1", &elicit);
        w.forget();
        w.answers("git.1", number, result);
        let answer = &w.messages()[0];
        if id == "1" {
            assert_eq!(answer["error"]["code"], -32021);
            let data = serde_json::json!({"requiredCapabilities": {"elicitation": {"form": {}}}});
            assert_eq!(answer["error"]["data"], data);
        } else {
            assert_eq!(answer["result"]["resultType"], "complete");
        }
    }
}

#[test]
fn requests_to_a_server_with_a_child_for_each_session_are_asked_what_is_for_them() {
    let mut w = World::scoped(&["git"], &["git"]);
    w.come("ann", View::Merged);
    w.come("bob", View::Merged);
    let call = format!(
        r#"{{"name":"git__x",{}}}"#,
        meta(r#"{"elicitation":{}}"#, "")
    );
    w.asks("ann", "1", "tools/call", &call);
    let trace = w.trace();
    assert!(
        trace[0].starts_with("0.200s to git.1 #3 tools/call"),
        "{trace:?}"
    );
    // The template is at work for ann: bob gets a child of his own.
    w.asks("bob", "1", "tools/call", &call);
    w.expect(&["0.200s spawn git.2"]);
    w.serve("git.2");
    w.forget();
    w.says(
        "git.2",
        &request("9", "elicitation/create", r#"{"message":"?"}"#),
    );
    w.pass(1.0);
    let asked = &w.messages()[0]["result"];
    assert_eq!(asked["resultType"], "input_required");
    // He comes back, and goes; his child is kept for the next.
    let state = &asked["requestState"];
    let answers =
        format!(r#""requestState":{state},"inputResponses":{{"q1":{{"action":"accept"}}}},"#);
    let again = call.replacen('{', &format!("{{{answers}"), 1);
    w.asks("bob", "2", "tools/call", &again);
    let trace = w.trace();
    assert!(
        trace[0].contains(r#"to git.2 answer 9 {"action":"accept"}"#),
        "{trace:?}"
    );
    w.answers("git.2", 3, "{}");
    w.expect(&[r#"1.200s bob.2 answer 2 {"resultType":"complete"} last"#]);
    w.asks("bob", "3", "tools/call", &call);
    let trace = w.trace();
    assert!(
        trace[0].starts_with("1.200s to git.2 #4 tools/call"),
        "{trace:?}"
    );
    w.answers("git.2", 4, "{}");
    // However often it is lent, it waits for one end.
    let deadlines = w.hub.timers.len();
    for (id, number) in [("4", 5), ("5", 6)] {
        w.asks("bob", id, "tools/call", &call);
        w.answers("git.2", number, "{}");
    }
    assert_eq!(w.hub.timers.len(), deadlines);
    w.forget();
    // Nobody needs it any more.
    w.pass(15.0 * 60.0 + 1.0);
    let trace = w.trace();
    assert!(
        trace.iter().any(|line| line.contains("close git.2")),
        "{trace:?}"
    );
}

#[test]
fn no_session_can_be_found_under_the_name_of_a_request() {
    let mut w = world();
    calls(&mut w, "ann", "1", "");
    w.forget();
    w.clients.get_mut("ann").expect("she has come").session =
        Some(crate::event::SessionKey::of_id("ann-1"));
    w.posts("ann", &request("1", "ping", ""));
    let trace = w.trace();
    assert!(trace[0].contains("NotFound"), "{trace:?}");
}

#[test]
fn what_a_client_lacks_is_named_as_it_would_declare_it() {
    for (method, params, lack) in [
        ("sampling/createMessage", "{}", r#"{"sampling":{}}"#),
        (
            "sampling/createMessage",
            r#"{"tools":[]}"#,
            r#"{"sampling":{"tools":{}}}"#,
        ),
        ("elicitation/create", "{}", r#"{"elicitation":{"form":{}}}"#),
        (
            "elicitation/create",
            r#"{"mode":"url"}"#,
            r#"{"elicitation":{"url":{}}}"#,
        ),
    ] {
        let mut w = world();
        calls(&mut w, "ann", "1", "");
        w.says("git.1", &request("9", method, params));
        w.forget();
        w.answers("git.1", 5, r#"{"content":[],"isError":true}"#);
        let error = &w.messages()[0]["error"];
        assert_eq!(error["data"]["requiredCapabilities"].to_string(), lack);
    }
}

#[test]
fn a_resource_that_nobody_lists_is_watched_at_the_only_server_that_has_any() {
    let longest = "u".repeat(limits::SUBSCRIPTION_URI_BYTES_MAX);
    for (uri, is_watched) in [
        ("file:///hidden".to_owned(), true),
        (longest.clone(), true),
        (longest + "u", false),
    ] {
        let mut w = world();
        let filter = format!(r#""notifications":{{"resourceSubscriptions":["{uri}"]}}"#);
        let params = format!("{{{filter},{}}}", meta("{}", ""));
        w.asks("ann", "1", "subscriptions/listen", &params);
        let trace = w.trace().concat();
        assert_eq!(trace.contains("resources/subscribe"), is_watched, "{trace}");
    }
}

#[test]
fn a_resource_that_is_watched_already_is_not_subscribed_to_again() {
    let mut w = world();
    listens(&mut w, "ann", "1");
    w.answers("git.1", 5, "{}");
    w.come("bob", View::Merged);
    w.forget();
    listens(&mut w, "bob", "1");
    w.expect_of("to git.1", &[]);
}

#[test]
fn headers_are_held_against_what_they_repeat_where_there_are_headers() {
    let mut w = World::of(&["git"]);
    w.spawned("git.1");
    w.greets("git.1");
    let schema = r#"{"properties":{"r":{"type":"string","x-mcp-header":"Region"}}}"#;
    let tools = format!(r#"{{"tools":[{{"name":"x","inputSchema":{schema}}}]}}"#);
    w.answers("git.1", 2, &tools);
    w.pass(0.2);
    let params = format!(
        r#"{{"name":"git__x","arguments":{{"r":"eu"}},{}}}"#,
        meta("{}", "")
    );
    // A POST without the header that the tool asks for.
    w.come("ann", View::Merged);
    w.forget();
    w.asks("ann", "1", "tools/call", &params);
    let error = w.messages().remove(0)["error"].clone();
    assert_eq!(error["code"], -32020, "{error}");
    // On a stream there are none.
    w.opens("bob");
    w.forget();
    w.asks("bob", "1", "tools/call", &params);
    let trace = w.trace().concat();
    assert!(trace.contains("to git.1 #3 tools/call"), "{trace}");
}
