//! What the demo server answers, and when.

use std::time::{Duration, UNIX_EPOCH};

use proptest::prelude::*;
use serde_json::{Value, json};

use crate::cli::demo_server::core::{DemoServer, Now};
use crate::limits;

fn at(millis: u64) -> Now {
    Now {
        elapsed: Duration::from_millis(millis),
        wall: UNIX_EPOCH + Duration::from_millis(1_795_255_200_123),
    }
}

fn say(server: &mut DemoServer, millis: u64, message: &Value) -> Vec<Value> {
    server.handle(at(millis), message.to_string().as_bytes())
}

/// The one answer to a request with the id 1.
fn ask(server: &mut DemoServer, method: &str, params: &Value) -> Value {
    let request = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
    let mut answers = say(server, 0, &request);
    assert_eq!(answers.len(), 1, "{method}: {answers:?}");
    let answer = answers.remove(0);
    assert_eq!(
        (&answer["jsonrpc"], &answer["id"]),
        (&json!("2.0"), &json!(1))
    );
    answer
}

fn result(method: &str, params: &Value) -> Value {
    let answer = ask(&mut DemoServer::default(), method, params);
    assert!(answer.get("error").is_none(), "{method}: {answer}");
    answer["result"].clone()
}

fn refusal(method: &str, params: &Value) -> (i64, String) {
    let answer = ask(&mut DemoServer::default(), method, params);
    assert!(answer.get("result").is_none(), "{method}: {answer}");
    let error = &answer["error"];
    let message = error["message"].as_str().expect("an error has a message");
    (
        error["code"].as_i64().expect("and a code"),
        message.to_owned(),
    )
}

fn call(name: &str, arguments: &Value) -> Value {
    result("tools/call", &json!({"name": name, "arguments": arguments}))
}

fn initialize(server: &mut DemoServer, version: &str) -> Value {
    let params = json!({"protocolVersion": version, "capabilities": {}, "clientInfo": {
        "name": "test", "version": "1",
    }});
    ask(server, "initialize", &params)["result"].clone()
}

#[test]
fn a_known_revision_is_taken_and_else_the_newest_offered() {
    for (asked, agreed) in [
        ("2024-11-05", "2024-11-05"),
        ("2025-03-26", "2025-03-26"),
        ("2025-06-18", "2025-06-18"),
        ("2025-11-25", "2025-11-25"),
        ("2026-07-28", "2025-11-25"),
        ("1.0", "2025-11-25"),
    ] {
        let result = initialize(&mut DemoServer::default(), asked);
        assert_eq!(result["protocolVersion"], agreed);
        for capability in ["tools", "prompts", "resources", "completions", "logging"] {
            assert!(result["capabilities"][capability].is_object());
        }
        assert_eq!(result["serverInfo"]["name"], "mcproxy-demo");
    }
    assert_eq!(refusal("initialize", &json!({})).0, -32602);
}

#[test]
fn ids_come_back_as_they_were() {
    for id in [json!(0), json!(-7), json!(""), json!("a"), json!(1.5)] {
        let ping = json!({"jsonrpc": "2.0", "id": id, "method": "ping"});
        let answers = say(&mut DemoServer::default(), 0, &ping);
        assert_eq!(answers, [json!({"jsonrpc": "2.0", "id": id, "result": {}})]);
    }
}

#[test]
fn lists_are_complete_and_on_one_page() {
    let names = |list: &Value| -> Vec<String> {
        let items = list.as_array().expect("a list").iter();
        items.map(|item| item["name"].to_string()).collect()
    };
    let tools = result("tools/list", &json!({}));
    let tools = &tools["tools"];
    assert_eq!(
        names(tools),
        ["\"echo\"", "\"add\"", "\"time\"", "\"sleep\""]
    );
    for tool in tools.as_array().expect("a list") {
        assert_eq!(tool["inputSchema"]["type"], "object", "{tool}");
        assert!(tool["description"].is_string() && tool["title"].is_string());
        assert_eq!(tool["annotations"]["readOnlyHint"], true);
    }
    assert_eq!(tools[1]["outputSchema"]["required"], json!(["sum"]));
    let prompts = result("prompts/list", &json!({}));
    assert_eq!(names(&prompts["prompts"]), ["\"greet\""]);
    let resources = result("resources/list", &json!({}));
    assert_eq!(resources["resources"][0]["uri"], "demo://readme");
    let templates = result("resources/templates/list", &json!({}));
    let template = &templates["resourceTemplates"][0]["uriTemplate"];
    assert_eq!(template, "demo://greeting/{name}");
    for method in [
        "tools/list",
        "prompts/list",
        "resources/list",
        "resources/templates/list",
    ] {
        assert_eq!(
            refusal(method, &json!({"cursor": "x"})).0,
            -32602,
            "{method}"
        );
    }
}

#[test]
fn the_quick_tools_answer_at_once() {
    let text = |result: &Value| result["content"][0]["text"].clone();
    assert_eq!(text(&call("echo", &json!({"text": "hé\n"}))), "hé\n");
    assert_eq!(text(&call("time", &json!({}))), "2026-11-21T10:00:00.123Z");
    for (a, b, sum) in [
        (json!(1), json!(2), json!(3)),
        (json!(0.5), json!(1), json!(1.5)),
        (
            json!(-9_007_199_254_740_993_i64),
            json!(0),
            json!(-9_007_199_254_740_993_i64),
        ),
        (
            json!(i64::MAX),
            json!(1),
            json!(9_223_372_036_854_775_808.0),
        ),
    ] {
        let result = call("add", &json!({"a": a, "b": b}));
        assert_eq!(result["structuredContent"], json!({"sum": sum}));
        assert_eq!(text(&result), sum.to_string());
    }
}

#[test]
fn bad_arguments_are_told_in_the_result() {
    for (tool, arguments, told) in [
        ("echo", json!({}), "echo: \"text\" must be a string"),
        (
            "echo",
            json!({"text": 1}),
            "echo: \"text\" must be a string",
        ),
        ("add", json!({"a": 1}), "add: \"b\" must be a number"),
        (
            "add",
            json!({"a": "1", "b": 2}),
            "add: \"a\" must be a number",
        ),
        (
            "add",
            json!({"a": 1.7e308, "b": 1.7e308}),
            "add: the sum is too large",
        ),
        ("sleep", json!({}), "sleep: \"seconds\" must be a number"),
        (
            "sleep",
            json!({"seconds": -1}),
            "sleep: \"seconds\" must lie between 0 and 3600",
        ),
        (
            "sleep",
            json!({"seconds": 1e300}),
            "sleep: \"seconds\" must lie between 0 and 3600",
        ),
    ] {
        let result = call(tool, &arguments);
        assert_eq!(result["isError"], true, "{result}");
        assert_eq!(result["content"][0]["text"], told);
    }
}

#[test]
fn what_is_malformed_gets_its_code() {
    let null = Value::Null;
    let one = json!(1);
    for (line, code, id) in [
        ("{", -32700, &null),
        ("nonsense", -32700, &null),
        ("\u{fffd}", -32700, &null),
        ("5", -32600, &null),
        ("[]", -32600, &null),
        (r#"{"id":1,"method":"ping"}"#, -32600, &one),
        (r#"{"jsonrpc":"1.0","id":1,"method":"ping"}"#, -32600, &one),
        (r#"{"jsonrpc":"2.0","id":1}"#, -32600, &one),
        (r#"{"jsonrpc":"2.0","id":1,"method":""}"#, -32600, &one),
        (r#"{"jsonrpc":"2.0","id":1,"method":5}"#, -32600, &one),
        (
            r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#,
            -32600,
            &null,
        ),
        (
            r#"{"jsonrpc":"2.0","id":{},"method":"ping"}"#,
            -32600,
            &null,
        ),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"ping","params":[]}"#,
            -32602,
            &one,
        ),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"server/discover"}"#,
            -32601,
            &one,
        ),
    ] {
        let answers = DemoServer::default().handle(at(0), line.as_bytes());
        assert_eq!(answers.len(), 1, "{line}");
        assert_eq!(answers[0]["error"]["code"], code, "{line}");
        assert_eq!(&answers[0]["id"], id, "{line}");
    }
}

#[test]
fn what_wants_no_answer_gets_none() {
    for line in [
        "",
        "  \r",
        r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#,
        r#"{"jsonrpc":"2.0","method":"notifications/unknown","params":[]}"#,
        r#"{"jsonrpc":"2.0","method":"ping"}"#,
        r#"{"jsonrpc":"2.0","id":9,"result":{}}"#,
        r#"{"jsonrpc":"2.0","id":9,"error":{"code":1,"message":"x"}}"#,
    ] {
        let answers = DemoServer::default().handle(at(0), line.as_bytes());
        assert_eq!(answers, [] as [Value; 0], "{line}");
    }
}

#[test]
fn the_unknown_is_named() {
    let unknown = |what: &str| (-32602, what.to_owned());
    assert_eq!(
        refusal("tools/call", &json!({"name": "x"})),
        unknown("unknown tool \"x\"")
    );
    assert_eq!(
        refusal("tools/call", &json!({"name": "echo", "arguments": []})),
        unknown("\"arguments\" must be an object")
    );
    assert_eq!(
        refusal("prompts/get", &json!({"name": "x"})),
        unknown("unknown prompt \"x\"")
    );
    assert_eq!(
        refusal("no/such", &json!({})),
        (-32601, "unknown method \"no/such\"".to_owned())
    );
}

#[test]
fn the_prompt_greets() {
    let params = json!({"name": "greet", "arguments": {"name": "Ada"}});
    let message = &result("prompts/get", &params)["messages"][0];
    assert_eq!(message["role"], "user");
    let text = message["content"]["text"].as_str().expect("it is text");
    assert!(text.contains("Ada"));
    for params in [
        json!({"name": "greet"}),
        json!({"name": "greet", "arguments": {"name": 5}}),
    ] {
        let (code, told) = refusal("prompts/get", &params);
        assert_eq!((code, told.as_str()), (-32602, "\"name\" must be a string"));
    }
}

#[test]
fn resources_are_read() {
    let read = |uri: &str| result("resources/read", &json!({"uri": uri}))["contents"][0].clone();
    let readme = read("demo://readme");
    assert_eq!(readme["mimeType"], "text/markdown");
    assert!(
        readme["text"]
            .as_str()
            .is_some_and(|text| text.starts_with("# "))
    );
    assert_eq!(read("demo://greeting/Ada")["text"], "Hello, Ada!");
    assert_eq!(
        read("demo://greeting/J%C3%BCrgen%20X")["text"],
        "Hello, Jürgen X!"
    );
    for uri in [
        "demo://nothing",
        "demo://greeting/",
        "demo://greeting/a/b",
        "demo://greeting/%",
        "demo://greeting/%4",
        "demo://greeting/%ff",
        "demo://greeting/%zz",
    ] {
        let answer = ask(
            &mut DemoServer::default(),
            "resources/read",
            &json!({"uri": uri}),
        );
        assert_eq!(answer["error"]["code"], -32002, "{uri}");
        assert_eq!(answer["error"]["data"]["uri"], uri);
    }
}

#[test]
fn names_are_completed() {
    let complete = |reference: Value, value: &str| {
        let argument = json!({"name": "name", "value": value});
        let params = json!({"ref": reference, "argument": argument});
        result("completion/complete", &params)["completion"].clone()
    };
    let prompt = json!({"type": "ref/prompt", "name": "greet"});
    let expected = json!({"values": ["Ada", "Alan"], "total": 2, "hasMore": false});
    assert_eq!(complete(prompt.clone(), "a"), expected);
    assert_eq!(complete(prompt.clone(), "zz")["values"], json!([]));
    let template = json!({"type": "ref/resource", "uri": "demo://greeting/{name}"});
    assert_eq!(complete(template, "A"), expected);
    let name = json!({"name": "name", "value": ""});
    for params in [
        json!({}),
        json!({"ref": prompt}),
        json!({"ref": prompt, "argument": {"name": "other", "value": ""}}),
        json!({"ref": {"type": "ref/prompt", "name": "x"}, "argument": name}),
        json!({"ref": {"type": "ref/tool", "name": "x"}, "argument": name}),
    ] {
        assert_eq!(
            refusal("completion/complete", &params).0,
            -32602,
            "{params}"
        );
    }
}

fn sleep(id: &Value, seconds: f64, token: Option<Value>) -> Value {
    let mut params = json!({"name": "sleep", "arguments": {"seconds": seconds}});
    if let Some(token) = token {
        params["_meta"] = json!({"progressToken": token});
    }
    json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params})
}

#[test]
fn sleep_tells_its_progress_and_then_answers() {
    let mut server = DemoServer::default();
    let millis = Duration::from_millis;
    assert_eq!(server.next_wake(), None);
    let answers = say(&mut server, 1000, &sleep(&json!("s"), 1.2, Some(json!(7))));
    assert_eq!(answers, [] as [Value; 0]);
    for (wake, progress) in [(1500, 0.5), (2000, 1.0)] {
        assert_eq!(server.next_wake(), Some(millis(wake)));
        assert_eq!(server.wake(millis(wake - 1)), [] as [Value; 0]);
        let told = server.wake(millis(wake));
        assert_eq!(told.len(), 1);
        assert_eq!(told[0]["method"], "notifications/progress");
        assert_eq!(told[0]["params"]["progressToken"], 7);
        assert_eq!(told[0]["params"]["progress"], progress);
        assert_eq!(told[0]["params"]["total"], 1.2);
    }
    assert_eq!(server.next_wake(), Some(millis(2200)));
    let answer = server.wake(millis(2200));
    assert_eq!(answer.len(), 1);
    assert_eq!(answer[0]["id"], "s");
    assert_eq!(answer[0]["result"]["content"][0]["text"], "slept 1.2 s");
    assert_eq!(server.next_wake(), None);
}

#[test]
fn a_late_wake_up_makes_up_for_what_it_missed() {
    let mut server = DemoServer::default();
    say(&mut server, 0, &sleep(&json!(1), 9.0, Some(json!("t"))));
    let told = server.wake(Duration::from_millis(1700));
    assert_eq!(told.len(), 1);
    assert_eq!(told[0]["params"]["progress"], 1.5);
    assert_eq!(server.next_wake(), Some(Duration::from_secs(2)));
    // And past the end there is the answer and nothing else.
    let told = server.wake(Duration::from_secs(60));
    assert_eq!(told.len(), 1);
    assert_eq!(told[0]["id"], 1);
}

#[test]
fn without_a_token_there_is_no_progress() {
    let mut server = DemoServer::default();
    say(&mut server, 0, &sleep(&json!(1), 2.0, None));
    assert_eq!(server.next_wake(), Some(Duration::from_secs(2)));
}

#[test]
fn a_cancelled_sleep_is_never_answered_and_no_other_is_touched() {
    let mut server = DemoServer::default();
    say(&mut server, 0, &sleep(&json!(1), 1.0, Some(json!(1))));
    say(&mut server, 0, &sleep(&json!("1"), 1.0, None));
    for params in [json!({"requestId": 1}), json!({"requestId": 99}), json!({})] {
        let cancel =
            json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": params});
        assert_eq!(say(&mut server, 10, &cancel), [] as [Value; 0]);
    }
    let answers = server.wake(Duration::from_secs(5));
    assert_eq!(answers.len(), 1);
    assert_eq!(answers[0]["id"], "1");
}

#[test]
fn sleeps_have_a_limit() {
    let mut server = DemoServer::default();
    for id in 0..limits::DEMO_SLEEPS_MAX {
        let answers = say(&mut server, 0, &sleep(&json!(id), 1.0, None));
        assert_eq!(answers, [] as [Value; 0]);
    }
    let answers = say(&mut server, 0, &sleep(&json!("one more"), 1.0, None));
    assert_eq!(answers[0]["result"]["isError"], true);
    assert_eq!(
        server.wake(Duration::from_secs(1)).len(),
        limits::DEMO_SLEEPS_MAX
    );
}

#[test]
fn log_messages_come_once_they_are_asked_for_and_no_more_than_that() {
    let mut server = DemoServer::default();
    let echo = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {
        "name": "echo", "arguments": {"text": "x"},
    }});
    for (level, messages) in [
        (None, 0),
        (Some("debug"), 1),
        (Some("info"), 1),
        (Some("error"), 0),
    ] {
        if let Some(level) = level {
            ask(&mut server, "logging/setLevel", &json!({"level": level}));
        }
        let out = say(&mut server, 0, &echo);
        assert_eq!(out.len(), messages + 1, "{level:?}");
        if messages == 1 {
            assert_eq!(out[0]["method"], "notifications/message");
            assert_eq!(out[0]["params"]["level"], "info");
            assert_eq!(out[0]["params"]["data"], "echo called");
        }
    }
    let (code, told) = refusal("logging/setLevel", &json!({"level": "loud"}));
    assert_eq!(code, -32602);
    assert!(told.contains("debug, info, notice"), "{told}");
}

#[test]
fn batches_are_taken_in_their_revision_and_in_no_other() {
    let ping = |id: u32| json!({"jsonrpc": "2.0", "id": id, "method": "ping"});
    let note = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
    let mut server = DemoServer::default();
    initialize(&mut server, "2025-03-26");
    let batch = json!([ping(1), note, sleep(&json!(2), 1.0, None), 5, ping(3)]);
    let answers = say(&mut server, 0, &batch);
    assert_eq!(answers.len(), 1);
    let answers = answers[0].as_array().expect("answers to a batch are one");
    let ids: Vec<&Value> = answers.iter().map(|answer| &answer["id"]).collect();
    assert_eq!(ids, [&json!(1), &Value::Null, &json!(3)]);
    assert_eq!(server.wake(Duration::from_secs(1))[0]["id"], 2);
    assert_eq!(say(&mut server, 0, &json!([note])), [] as [Value; 0]);
    initialize(&mut server, "2025-06-18");
    let refused = say(&mut server, 0, &json!([ping(1)]));
    assert_eq!(refused[0]["error"]["code"], -32600);
}

proptest! {
    #[test]
    fn no_line_panics(lines in prop::collection::vec(any_line(), 1..8)) {
        let mut server = DemoServer::default();
        for (place, line) in lines.iter().enumerate() {
            server.handle(at(place as u64 * 300), line);
            let wake = server.next_wake().unwrap_or_default();
            server.wake(wake);
            prop_assert!(server.next_wake().is_none_or(|next| next > wake), "a busy loop");
        }
    }
}

/// Noise, and requests with noise in them.
fn any_line() -> impl Strategy<Value = Vec<u8>> {
    let method = prop::sample::select(vec![
        "tools/call",
        "prompts/get",
        "resources/read",
        "completion/complete",
        "initialize",
        "logging/setLevel",
        "notifications/cancelled",
    ]);
    let value = prop_oneof![
        Just(json!("sleep")),
        Just(json!({"seconds": 0.3})),
        Just(json!(null)),
        any::<f64>().prop_map(|number| json!(number)),
        ".{0,4}".prop_map(|text| json!(text)),
        Just(json!({"type": "ref/prompt", "name": "greet", "value": "", "progressToken": 1})),
    ];
    let key = prop::sample::select(vec![
        "name",
        "arguments",
        "uri",
        "ref",
        "argument",
        "_meta",
        "level",
        "requestId",
        "protocolVersion",
    ]);
    let params = prop::collection::btree_map(key, value, 0..5);
    let request = (method, params, any::<Option<u8>>()).prop_map(|(method, params, id)| {
        let mut message = json!({"jsonrpc": "2.0", "method": method, "params": params});
        if let Some(id) = id {
            message["id"] = json!(id);
        }
        message.to_string().into_bytes()
    });
    prop_oneof![1 => prop::collection::vec(any::<u8>(), 0..32), 4 => request]
}
