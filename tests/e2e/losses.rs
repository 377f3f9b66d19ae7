//! What a fault costs, and whom: the calls that the server had under way, told at once and in a
//! sentence that says what happened, and nothing else. (Each kind of fault by itself is in
//! `supervision`.)

#![allow(
    clippy::disallowed_methods,
    reason = "tests read the clock: that rule of the house is for the gateway"
)]

use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

use crate::e2e::scene::{
    Bystander, assert_echo, call_under_way, client, fault, fault_with, gateway, pid_of,
};
use crate::harness::client::{Client, Duplex};
use crate::harness::gateway::Gateway;
use crate::harness::legacy_sse::SseClient;
use crate::harness::stateless;
use crate::harness::streamable::{EventStream, McpClient};
use crate::harness::{PATIENCE, spawn};

/// How often a server is killed here, each time another one: those that failed before are
/// started again later and later.
const KILLS: usize = 11;

/// No error of a killed server comes later than this, however busy the machine is. On an idle
/// one it takes a few milliseconds.
const TOLD_WITHIN: Duration = Duration::from_secs(2);

fn killed_sentence(server: &str) -> String {
    format!(
        "server \"{server}\" was killed by signal 9 (SIGKILL) while this call was under way; it \
         is being restarted"
    )
}

/// Calls of one server, under way over every transport that HTTP has.
struct UnderWay {
    streamable: EventStream,
    stateless: EventStream,
    sse: SseClient,
    sse_call: Value,
}

impl UnderWay {
    fn begin(gateway: &Gateway, client: &mut McpClient, server: &str) -> UnderWay {
        let params = json!({
            "name": format!("{server}__progress"),
            "arguments": {"steps": 2, "ms": 3_600_000},
            "_meta": {"progressToken": "under-way"},
        });
        let request = stateless::request(1, "tools/call", params.clone());
        let mut stateless = gateway.stateless_client("/mcp").open(&request);
        let first = stateless.next_message().expect("the stream is open");
        assert_eq!(first.unwrap()["method"], "notifications/progress");

        let mut sse = gateway.sse_client("/sse");
        sse.initialize().expect("the session begins");
        let sse_call = Duplex::book(&mut sse).request("tools/call", &params);
        sse.send_message(&sse_call).expect("it is accepted");
        sse.wait_for_notification("notifications/progress")
            .expect("it is under way");
        UnderWay {
            streamable: call_under_way(client, server),
            stateless,
            sse,
            sse_call,
        }
    }

    /// Waits for all three to fail for this reason, and tells how long each took from `killed`
    /// on. Each has a thread, so that none waits for another's reader.
    fn assert_all_fail(self, sentence: &str, killed: Instant) -> [Duration; 3] {
        let UnderWay {
            streamable,
            stateless,
            mut sse,
            sse_call,
        } = self;
        let of_stream = |mut stream: EventStream| {
            spawn(move || {
                let answer = stream.next_message().expect("the stream is open");
                let took = killed.elapsed();
                assert_eq!(stream.next_message().unwrap(), None, "the stream goes on");
                (answer.expect("the stream goes on"), took)
            })
        };
        let told = [
            of_stream(streamable),
            of_stream(stateless),
            spawn(move || {
                let answer = sse.receive_message().expect("the stream goes on");
                assert_eq!(answer["id"], sse_call["id"]);
                (answer, killed.elapsed())
            }),
        ];
        let told = told.map(|told| {
            let (answer, took) = told.join().expect("it is answered");
            assert_eq!(answer["error"]["message"], sentence, "{answer}");
            (answer["error"]["code"].clone(), took)
        });
        // The stateless era has no code of its own for it.
        for ((code, _), wanted) in told.iter().zip([-32000, -32603, -32000]) {
            assert_eq!(*code, wanted);
        }
        told.map(|(_, took)| took)
    }
}

/// The middle of them, and the longest.
fn median_and_longest(mut times: Vec<Duration>) -> (Duration, Duration) {
    times.sort();
    (times[times.len() / 2], times[times.len() - 1])
}

/// A call is under way over each transport when its server is killed: all are told at once, each
/// next call is answered by the next life, and another server's calls never notice.
#[test]
#[expect(clippy::print_stderr, reason = "how long it took is worth knowing")]
fn a_kill_in_mid_call_costs_that_call_alone() {
    let names: Vec<String> = (0..KILLS).map(|number| format!("bad{number}")).collect();
    let mut servers: Vec<Value> = names.iter().map(|name| fault(name, &[])).collect();
    servers.push(fault("good", &[]));
    let gateway = gateway(&json!({"reconnect_delay": "20ms"}), &servers);
    let bystander = Bystander::of(&gateway);
    let mut client = client(&gateway, "/mcp");
    let (mut told_after, mut served_after) = (Vec::new(), Vec::new());
    for server in &names {
        let pid = pid_of(&mut client, server);
        let under_way = UnderWay::begin(&gateway, &mut client, server);
        let killed = Instant::now();
        kill(Pid::from_raw(pid), Signal::SIGKILL).expect("it was alive");
        told_after.extend(under_way.assert_all_fail(&killed_sentence(server), killed));
        // The client knows nothing of restarts; it just calls, once.
        assert_echo(&mut client, server);
        served_after.push(killed.elapsed());
        assert_ne!(pid_of(&mut client, server), pid);
    }
    bystander.assert_unharmed();
    let calls = told_after.len();
    let (median, longest) = median_and_longest(told_after);
    let (served, served_longest) = median_and_longest(served_after);
    eprintln!(
        "{KILLS} kills, {calls} calls under way: told after {median:?} (median), {longest:?} at \
         most; the next call was answered after {served:?} (median), {served_longest:?} at most"
    );
    assert!(longest < TOLD_WITHIN, "told only after {longest:?}");
}

/// With no setting at all: the call that comes right after the error waits for the next life.
#[test]
fn the_next_call_is_answered_with_the_settings_that_nobody_has_changed() {
    let gateway = gateway(&json!({}), &[fault("bad", &[])]);
    let mut client = client(&gateway, "/mcp");
    let mut call = call_under_way(&mut client, "bad");
    let pid = pid_of(&mut client, "bad");
    kill(Pid::from_raw(pid), Signal::SIGKILL).expect("it was alive");
    let answer = call.next_message().unwrap().expect("the stream goes on");
    assert_eq!(answer["error"]["message"], killed_sentence("bad"));
    assert_echo(&mut client, "bad");
}

/// A tool hangs, in several calls at once: each ends at its own time, while the server's other
/// calls, and another server's, are answered all along.
#[test]
fn a_hung_tool_ends_at_its_time_while_all_else_goes_on() {
    let timeout = Duration::from_millis(1500);
    let bad = fault_with("bad", &[], "timeout", json!("1500ms"));
    let gateway = gateway(&json!({}), &[fault("good", &[]), bad]);
    let others = Bystander::of(&gateway);
    let hung = [(); 3].map(|()| {
        let mut client = client(&gateway, "/mcp");
        spawn(move || {
            let asked = Instant::now();
            let error = client.call_tool("bad__hang", json!({})).unwrap_err();
            (error.code(), error.message(), asked.elapsed())
        })
    });
    let mut caller = client(&gateway, "/mcp");
    let pid = pid_of(&mut caller, "bad");
    let mut answered_meanwhile = 0;
    while hung.iter().any(|call| !call.is_finished()) {
        assert_echo(&mut caller, "bad");
        answered_meanwhile += 1;
    }
    assert!(answered_meanwhile > 3, "{answered_meanwhile}");
    for call in hung {
        let (code, sentence, took) = call.join().unwrap();
        assert_eq!(code, -32001);
        assert_eq!(
            sentence,
            "server \"bad\" has not answered this call within 1.5 s"
        );
        assert!(took >= timeout && took < PATIENCE / 2, "{took:?}");
    }
    assert_eq!(pid_of(&mut caller, "bad"), pid, "it was restarted");
    assert_echo(&mut caller, "bad");
    others.assert_unharmed();
}
