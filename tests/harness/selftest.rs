//! The harness against itself: its clients speak to the fixtures through the bridge, and the
//! torture and the gateway's guard are shown faults that they must see. Without this a broken
//! harness would let every later test pass.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::{Command, Stdio};
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use super::client::{CallError, Client, Duplex, text_of};
use super::gateway::Setup;
use super::http::{Frame, Http, Pace, Request};
use super::legacy_sse::SseClient;
use super::process::{Log, Running, is_alive};
use super::stdio::StdioClient;
use super::streamable::McpClient;
use super::torture::{Door, Report, Torture, Victim};
use super::{Deadline, PATIENCE, fixture, spawn};

/// The bridge with a fixture behind it; one child per session.
struct Bridge {
    address: SocketAddr,
    running: Running,
}

impl Bridge {
    fn start(fixture_name: &str, arguments: &[&str]) -> Bridge {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/bridge.py");
        let mut child = Command::new("python3")
            .args([script, "0"])
            .arg(fixture(fixture_name))
            .args(arguments)
            .stderr(Stdio::piped())
            .spawn()
            .expect("python3 is installed");
        let log = Log::of(child.stderr.take().expect("stderr is piped"));
        let running = Running::new(child);
        let line = log.wait_for("listening on http://", PATIENCE).unwrap();
        let address = line.split("http://").nth(1).unwrap();
        let address = address.trim_end_matches("/mcp").parse().unwrap();
        Bridge { address, running }
    }
}

impl Drop for Bridge {
    fn drop(&mut self) {
        self.running.signal(Signal::SIGKILL);
    }
}

fn fault_stdio(arguments: &[&str]) -> StdioClient {
    let mut command = Command::new(fixture("fault_server"));
    command.args(arguments);
    StdioClient::spawn(command)
}

#[test]
fn a_streamable_client_lists_calls_is_asked_and_leaves() {
    let bridge = Bridge::start("conformance_server", &[]);
    let mut client = McpClient::new(bridge.address, "/mcp");
    client.book.capabilities = json!({"sampling": {}});
    client.book.react("sampling/createMessage", |params| {
        let asked = params["messages"][0]["content"]["text"].clone();
        Ok(json!({"role": "assistant", "model": "m", "content": {"type": "text", "text": asked}}))
    });
    let welcome = client.initialize().unwrap();
    assert_eq!(welcome["serverInfo"]["name"], "conformance-server");
    assert!(client.session.is_some());
    let names = client.tool_names().unwrap();
    assert!(
        names.contains(&"json_schema_2020_12_tool".to_owned()),
        "{names:?}"
    );
    let answer = client.call_text("test_sampling", json!({"prompt": "ping-pong"}));
    assert_eq!(answer.unwrap(), "LLM response: ping-pong");
    assert_eq!(client.book.requests.len(), 1);
    let params = json!({"name": "test_tool_with_progress", "_meta": {"progressToken": "p"}});
    client.request("tools/call", params).unwrap();
    let steps = client.book.heard("notifications/progress");
    let steps: Vec<_> = steps
        .iter()
        .map(|step| &step["params"]["progress"])
        .collect();
    assert_eq!(steps, [0, 50, 100]);
    // Not declared, so the server must not ask.
    let refused = client
        .call_tool("test_elicitation", json!({"message": "m"}))
        .unwrap();
    assert_eq!(refused["isError"], true);
    let unknown = client.request("no/such", json!({})).unwrap_err();
    assert_eq!(unknown.code(), -32601);
    assert_eq!(client.delete().unwrap(), 200);
    let gone = client.request("ping", json!({})).unwrap_err();
    assert!(
        matches!(gone, CallError::Http { status: 404, .. }),
        "{gone:?}"
    );
}

#[test]
fn a_get_stream_brings_what_belongs_to_no_request() {
    let bridge = Bridge::start("fault_server", &[]);
    let mut client = McpClient::new(bridge.address, "/mcp");
    client.initialize().unwrap();
    let mut stream = client.get_stream(None).unwrap();
    assert_eq!(stream.head.status, 200);
    client.call_text("later", json!({"ms": 50})).unwrap();
    let message = stream.next_message().unwrap().unwrap();
    assert_eq!(message["method"], "notifications/tools/list_changed");
}

#[test]
fn an_sse_client_calls_and_is_asked() {
    let bridge = Bridge::start("fault_server", &[]);
    let mut client = SseClient::open(bridge.address, "/sse", &[]).unwrap();
    client.initialize().unwrap();
    client
        .book
        .react("roots/list", |_| Ok(json!({"roots": []})));
    assert_eq!(
        client.call_text("ask_roots", json!({})).unwrap(),
        r#"{"roots":[]}"#
    );
    let refused = client.call_tool("ask_sampling", json!({})).unwrap();
    assert_eq!(refused["isError"], true);
    client
        .call_text("change_tools", json!({"burst": 2}))
        .unwrap();
    for _ in 0..2 {
        let method = "notifications/tools/list_changed";
        client.wait_for_notification(method).unwrap();
    }
    assert_eq!(
        client.call_text("added_2", json!({})).unwrap(),
        "called added_2"
    );
}

#[test]
fn a_stdio_client_sees_faults_as_they_are() {
    let mut client = fault_stdio(&["--name", "one", "--page", "7"]);
    client.initialize().unwrap();
    assert!(client.tool_names().unwrap().len() > 30, "pages are drained");
    client
        .call_text("duplicate_answer", json!({"text": "twice"}))
        .unwrap();
    client.call_text("unknown_id", json!({})).unwrap();
    assert_eq!(client.book.strays.len(), 4, "{:?}", client.book.strays);
    let garbage = client
        .call_text("garbage", json!({"lines": 1}))
        .unwrap_err();
    assert!(matches!(garbage, CallError::Protocol(_)), "{garbage:?}");
    let answer = client.receive_message().unwrap();
    assert_eq!(text_of(&answer["result"]), "printed 1 lines of garbage");
    let crash = client.call_tool("crash", json!({"when": "half_line", "code": 7}));
    assert!(matches!(crash, Err(CallError::Protocol(_))), "{crash:?}");
    assert_eq!(client.wait().unwrap().code(), Some(7));
}

#[test]
fn calls_of_the_fault_server_run_side_by_side_and_can_be_cancelled() {
    let mut client = fault_stdio(&[]);
    client.initialize().unwrap();
    let call = |client: &mut StdioClient, name: &str, arguments: Value| {
        let params = json!({"name": name, "arguments": arguments});
        let request = client.book.request("tools/call", &params);
        client.send_message(&request).unwrap();
        request["id"].clone()
    };
    let sleeping = call(&mut client, "sleep", json!({"ms": 3_600_000}));
    let last = json!({"text": "last", "batch": 2});
    let first = call(
        &mut client,
        "slow_answer_out_of_order",
        json!({"text": "first", "batch": 2}),
    );
    let second = call(&mut client, "slow_answer_out_of_order", last);
    let answers = [
        client.receive_message().unwrap(),
        client.receive_message().unwrap(),
    ];
    assert_eq!(answers[0]["id"], second);
    assert_eq!(answers[1]["id"], first);
    let params = json!({"requestId": sleeping});
    client.notify("notifications/cancelled", params).unwrap();
    let cancelled = client.call_text("cancellations", json!({})).unwrap();
    assert_eq!(cancelled, format!("[{sleeping}]"));
    client.close_stdin();
    assert!(
        client.wait().unwrap().success(),
        "the end of stdin ends the server"
    );
    assert_eq!(
        client.receive_line().unwrap(),
        None,
        "the cancelled call got an answer"
    );
}

#[test]
fn the_start_faults_of_the_fault_server_are_what_their_flags_say() {
    let mut exits = fault_stdio(&["--exit-at-start", "3"]);
    assert_eq!(exits.wait().unwrap().code(), Some(3));
    let mut noisy = fault_stdio(&["--noise"]);
    let banner = noisy.receive_line().unwrap().unwrap();
    assert!(banner.starts_with(b"==="));
    let mut deaf = fault_stdio(&["--ignore-term"]);
    deaf.initialize().unwrap();
    deaf.signal(Signal::SIGTERM);
    deaf.call_text("echo", json!({"text": "still here"}))
        .unwrap();
    let mut endless = fault_stdio(&["--endless-pages"]);
    endless.initialize().unwrap();
    assert!(endless.tool_names().is_err(), "the list has an end");
    let mut toolless = fault_stdio(&["--no-tools"]);
    toolless.initialize().unwrap();
    assert_eq!(toolless.tool_names().unwrap_err().code(), -32601);
    let mut wrong = fault_stdio(&["--wrong-version"]);
    assert_eq!(wrong.initialize().unwrap()["protocolVersion"], "1999-01-01");
    let mut silent = fault_stdio(&["--never-initialize"]);
    silent.patience = Duration::from_millis(200);
    assert!(matches!(silent.initialize(), Err(CallError::Io(_))));
    assert_eq!(fault_stdio(&["--no-such"]).wait().unwrap().code(), Some(2));
}

/// Serves these bytes, so cut, to whoever connects.
fn serve_once(pieces: &'static [&'static [u8]]) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.set_nodelay(true).unwrap();
        let _ = stream.read(&mut [0; 4096]);
        for piece in pieces {
            stream.write_all(piece).unwrap();
            std::thread::sleep(Duration::from_millis(5)); // So that the cuts are seen.
        }
        // The reader decides when it is over.
        let _ = stream.read(&mut [0; 4096]);
    });
    address
}

#[test]
fn events_are_read_however_they_are_cut() {
    let address = serve_once(&[
        b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-En",
        b"coding: chunked\r\n\r\n3\r\n: k\r",
        b"\n4\r\na\n\nd\r\n1b;x=y\r\nata: {\"a\":1,\ndata: \"b\":2}\n\n\r\n",
        b"24\r\nid: 7\nevent: note\nretry: 30\ndata: \n\n\r\n0\r\n\r\n",
    ]);
    let mut http = Http::connect(address).unwrap();
    let head = http.begin(&Request::new("GET", "/")).unwrap();
    assert!(head.is_event_stream());
    assert_eq!(
        http.next_frame().unwrap(),
        Some(Frame::Comment("ka".to_owned()))
    );
    let event = http.next_event().unwrap().unwrap();
    assert_eq!(
        (event.name.as_str(), event.data.as_str()),
        ("message", "{\"a\":1,\n\"b\":2}")
    );
    let event = http.next_event().unwrap().unwrap();
    assert_eq!((event.name.as_str(), event.data.as_str()), ("note", ""));
    assert_eq!((event.id.as_deref(), event.retry), (Some("7"), Some(30)));
    assert_eq!(http.next_event().unwrap(), None);
    assert!(http.is_reusable());
}

#[test]
fn a_body_that_stops_is_an_error_and_not_an_end() {
    let address = serve_once(&[b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc"]);
    let mut http = Http::connect(address).unwrap();
    http.patience = Duration::from_millis(300);
    let error = http.request(&Request::new("GET", "/")).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::TimedOut);
}

fn torture(bridge: &Bridge, door: Door, tool: &str) -> Torture {
    let path = match door {
        Door::Streamable | Door::Stateless => "/mcp",
        Door::LegacySse => "/sse",
    };
    let mut torture = Torture::new(bridge.address, path, door, &[tool]);
    torture.patience = Duration::from_secs(5);
    torture
}

#[test]
fn torture_finds_nothing_where_all_is_well() {
    let bridge = Bridge::start("fault_server", &[]);
    for door in [Door::Streamable, Door::LegacySse] {
        let mut torture = torture(&bridge, door, "echo");
        torture.slow_reader = Some(Pace {
            bytes: 16 * 1024,
            pause: Duration::from_millis(1),
        });
        let report = torture.run();
        report.assert_every_answer_right_and_once();
        assert_eq!(report.right, 200);
    }
}

#[test]
fn torture_finds_wrong_surplus_and_missing_answers_and_errors() {
    let bridge = Bridge::start("fault_server", &[]);
    let run = |door, tool, calls| {
        let mut torture = torture(&bridge, door, tool);
        (torture.clients, torture.calls) = (2, calls);
        torture.patience = Duration::from_millis(500);
        torture.largest = 1000;
        let report = torture.run();
        let judged = AssertUnwindSafe(|| report.assert_every_answer_right_and_once());
        assert!(catch_unwind(judged).is_err(), "{report:?}");
        report
    };
    for door in [Door::Streamable, Door::LegacySse] {
        let wrong = run(door, "wrong_echo", 20);
        assert_eq!((wrong.wrong, wrong.right), (40, 0), "{wrong:?}");
        let errors = run(door, "refuse", 20);
        assert_eq!((errors.errors, errors.right), (40, 0), "{errors:?}");
        let missing = run(door, "hang", 2);
        assert_eq!((missing.missing, missing.right), (4, 0), "{missing:?}");
    }
    let surplus: Report = run(Door::LegacySse, "duplicate_answer", 20);
    assert!(surplus.surplus == 40 && surplus.right == 40, "{surplus:?}");
}

#[test]
fn torture_forgives_only_the_victim() {
    let bridge = Bridge::start("fault_server", &[]);
    let mut torture = torture(&bridge, Door::Streamable, "echo");
    torture.victim = Some(Victim {
        echo: "tool_error".to_owned(),
        whoami: "whoami".to_owned(),
    });
    let report = torture.run();
    report.assert_every_answer_right_and_once();
    assert_eq!(report.victim_errors, 4 * 6, "{report:?}");
    assert!(report.killed);
}

/// A program in the place of the gateway that leaves a sleeping process of another session.
const CARELESS: &str = "#!/bin/sh
setsid sleep 1000 </dev/null >/dev/null 2>&1 &
echo 'mcproxy: listening on http://127.0.0.1:9/mcp (1 server)' >&2
trap 'exit 0' TERM
while :; do read line; sleep 0.01; done
";

#[test]
fn a_gateway_that_leaves_a_process_behind_fails_its_test() {
    let setup = Setup::with_config("{}");
    let script = setup.folder().join("careless");
    std::fs::write(&script, CARELESS).unwrap();
    make_executable(&script);
    let gateway = setup.program(&script).start();
    assert_eq!(gateway.address.port(), 9);
    let sleeper = Deadline::after(PATIENCE)
        .poll(|| {
            let all = gateway.processes();
            all.into_iter()
                .find(|(_, command)| command.contains("sleep 1000"))
        })
        .expect("the sleeper starts")
        .0;
    let stopped = catch_unwind(AssertUnwindSafe(|| gateway.stop()));
    assert!(stopped.is_err(), "what was left behind was not seen");
    let gone = Deadline::after(PATIENCE).poll(|| (!is_alive(sleeper)).then_some(()));
    assert!(gone.is_some(), "what was left behind was not killed");
}

fn make_executable(path: &std::path::Path) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
}
