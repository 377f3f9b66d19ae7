//! Tasks (extension `io.modelcontextprotocol/tasks`) of servers that are merged: each is asked of
//! the server whose tool began it, and only by clients that declare that they know tasks.

use serde_json::{Value, json};

use crate::e2e::scene::with;
use crate::e2e::talk::{assert_refused, gateway};
use crate::harness::client::{CallError, Client};
use crate::harness::gateway::{Gateway, server};
use crate::harness::stateless::{META_CAPABILITIES, StatelessClient, request};
use crate::harness::{Deadline, PATIENCE};

/// Two servers that begin tasks, and know none but their own.
fn two_servers() -> Gateway {
    let entry = |name: &str| {
        let entry = server(name, "conformance_server", &["--stateless-only"]);
        with(entry, "protocol", json!("modern"))
    };
    let gateway = gateway(&[entry("one"), entry("two")]);
    // The first list waits for both.
    let tools = gateway.stateless_client("/mcp").tool_names();
    assert!(!tools.expect("a list").is_empty());
    gateway
}

/// Parameters of a client that knows tasks and forms.
fn knowing(mut params: Value) -> Value {
    params["_meta"][META_CAPABILITIES] = json!({
        "elicitation": {}, "extensions": {"io.modelcontextprotocol/tasks": {}},
    });
    params
}

/// A request of such a client.
fn ask(client: &mut StatelessClient, method: &str, params: Value) -> Result<Value, CallError> {
    client.request(method, knowing(params))
}

/// Calls a tool that begins a task, and gives its id.
fn begin(client: &mut StatelessClient, tool: &str, arguments: &Value) -> String {
    let params = json!({"name": tool, "arguments": arguments});
    let begun = ask(client, "tools/call", params).expect("it is begun");
    assert_eq!(begun["resultType"], "task", "{begun}");
    begun["taskId"].as_str().expect("an id").to_owned()
}

fn get(client: &mut StatelessClient, id: &str) -> Value {
    let task = ask(client, "tasks/get", json!({"taskId": id})).expect("it is there");
    assert_eq!(task["taskId"], id);
    assert_eq!(task["resultType"], "complete");
    task
}

/// Asks for a task until it is in this state.
fn get_when(client: &mut StatelessClient, id: &str, status: &str) -> Value {
    let task = Deadline::after(PATIENCE).poll(|| {
        let task = get(client, id);
        (task["status"] == status).then_some(task)
    });
    task.unwrap_or_else(|| panic!("{id} never was {status}"))
}

#[test]
fn each_task_is_asked_of_its_own_server_on_the_merged_view() {
    let gateway = two_servers();
    let mut client = gateway.stateless_client("/mcp");
    let tasks = ["one", "two"].map(|name| {
        let tool = format!("{name}__slow_compute");
        let label = format!("the label of {name}");
        (begin(&mut client, &tool, &json!({"label": label})), label)
    });
    for (id, label) in &tasks {
        let text = &get_when(&mut client, id, "completed")["result"]["content"][0]["text"];
        assert!(text.as_str().expect("a text").contains(label), "{text}");
    }
    // Neither server knows the other's.
    for (path, other) in [("one", &tasks[1].0), ("two", &tasks[0].0)] {
        let mut alone = gateway.stateless_client(&format!("/servers/{path}/mcp"));
        let refused = ask(&mut alone, "tasks/get", json!({"taskId": other}));
        assert_refused(refused, -32602, other);
    }
}

#[test]
fn what_a_task_asks_is_answered_to_its_own_server_and_a_task_is_cancelled_there() {
    let gateway = two_servers();
    let mut client = gateway.stateless_client("/mcp");
    let file = json!({"filename": "a"});
    let [first, second] =
        ["one", "two"].map(|name| begin(&mut client, &format!("{name}__confirm_delete"), &file));
    for id in [&first, &second] {
        let asked = &get_when(&mut client, id, "input_required")["inputRequests"];
        assert_eq!(asked["confirm"]["method"], "elicitation/create");
    }
    let answers = json!({"confirm": {"action": "accept", "content": {"confirm": true}}});
    let update = json!({"taskId": second, "inputResponses": answers});
    let acknowledged = ask(&mut client, "tasks/update", update).expect("it is taken");
    assert_eq!(acknowledged["resultType"], "complete");
    get_when(&mut client, &second, "completed");
    assert_eq!(get(&mut client, &first)["status"], "input_required");
    let cancel = json!({"taskId": first});
    ask(&mut client, "tasks/cancel", cancel).expect("it is taken");
    get_when(&mut client, &first, "cancelled");
}

#[test]
fn a_client_that_declares_no_tasks_has_none_and_is_told_what_it_lacks() {
    let gateway = two_servers();
    let mut client = gateway.stateless_client("/mcp");
    let known = begin(&mut client, "two__slow_compute", &json!({"seconds": 60}));
    let listen = json!({"notifications": {"taskIds": [known]}});
    for (method, params) in [
        ("tasks/get", json!({"taskId": known})),
        ("tasks/get", json!({"taskId": "unknown"})),
        (
            "tools/call",
            json!({"name": "one__failing_job", "arguments": {}}),
        ),
        ("subscriptions/listen", listen),
    ] {
        let shown = params.to_string();
        let Err(CallError::Rpc(error)) = client.request(method, params) else {
            panic!("{method} {shown} is no refusal");
        };
        assert_eq!(error["code"], -32021, "{method} {shown}: {error}");
        assert_eq!(
            error["data"]["requiredCapabilities"]["extensions"],
            json!({"io.modelcontextprotocol/tasks": {}}),
            "{method} {shown}"
        );
    }
    let refused = ask(&mut client, "tasks/get", json!({"taskId": "unknown"}));
    assert_refused(refused, -32602, "unknown");
    // Without them the tool is called as ever.
    let text = client.call_text("one__slow_compute", json!({"label": "x"}));
    assert!(text.expect("it answers").contains('x'));
}

#[test]
fn nothing_is_told_of_tasks_and_the_acknowledgement_says_so() {
    let gateway = two_servers();
    let mut client = gateway.stateless_client("/mcp");
    let id = begin(&mut client, "one__slow_compute", &json!({"seconds": 60}));
    let wanted = json!({"notifications": {"toolsListChanged": true, "taskIds": [id]}});
    let mut stream = client.open(&request("l", "subscriptions/listen", knowing(wanted)));
    let first = stream.next_message().expect("a message");
    assert_eq!(
        first.expect("it is told")["params"]["notifications"],
        json!({"toolsListChanged": true})
    );
}

#[test]
fn a_client_of_the_handshake_era_begins_no_tasks_whatever_it_declares() {
    let gateway = two_servers();
    for path in ["/servers/one/mcp", "/mcp"] {
        let mut client = gateway.client(path);
        client.book.capabilities =
            json!({"roots": {}, "extensions": {"io.modelcontextprotocol/tasks": {}, "x/y": {}}});
        let welcome = client.initialize().expect("the session begins");
        let declared = &welcome["capabilities"]["extensions"];
        assert!(
            declared["io.modelcontextprotocol/tasks"].is_null(),
            "{welcome}"
        );
        let tool = if path == "/mcp" {
            "one__slow_compute"
        } else {
            "slow_compute"
        };
        let text = client.call_text(tool, json!({"label": "x"}));
        assert!(text.expect("a result").contains('x'), "at {path}");
    }
}
