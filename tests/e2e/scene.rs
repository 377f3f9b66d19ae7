//! What several modules need: gateways with misbehaving servers in them, what they tell of
//! themselves, and a bystander who notices when somebody else's server is harmed.

#![allow(
    unreachable_pub,
    reason = "a test program exports nothing, and `pub` reads better"
)]
#![allow(
    clippy::disallowed_methods,
    reason = "tests read the clock: that rule of the house is for the gateway"
)]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::harness::client::Client;
use crate::harness::gateway::{Gateway, Setup, server};
use crate::harness::http::{Http, Reply, Request};
use crate::harness::streamable::{EventStream, McpClient};
use crate::harness::{Deadline, PATIENCE, spawn};

/// The longest that an answer of a healthy server may take while others misbehave. On a busy
/// machine answers take a tenth of a second; a gateway that waits for the others takes theirs.
const UNHARMED: Duration = Duration::from_secs(3);

/// An entry of the config: the fault server under this name with these flags.
pub fn fault(name: &str, flags: &[&str]) -> Value {
    let flags = [&["--name", name], flags].concat();
    server(name, "fault_server", &flags)
}

/// The same with one more key.
pub fn fault_with(name: &str, flags: &[&str], key: &str, value: Value) -> Value {
    with(fault(name, flags), key, value)
}

/// An entry with one more key.
pub fn with(mut entry: Value, key: &str, value: Value) -> Value {
    entry[key] = value;
    entry
}

/// A gateway, not yet started, that logs to stdout, for a machine's own syslog must not take
/// the log away.
pub fn setup(limits: &Value, servers: &[Value]) -> Setup {
    let config = json!({"limits": limits, "servers": servers});
    Setup::with_config(config.to_string()).arg("--log")
}

/// A running one. Its log is its `stdout`.
pub fn gateway(limits: &Value, servers: &[Value]) -> Gateway {
    setup(limits, servers).start()
}

/// An initialized client at this path.
pub fn client(gateway: &Gateway, path: &str) -> McpClient {
    let mut client = gateway.client(path);
    client.initialize().expect("the session begins");
    client
}

/// A request without a body.
pub fn get(gateway: &Gateway, path: &str) -> Reply {
    let http = Http::connect(gateway.address);
    let reply = http.and_then(|mut http| http.request(&Request::new("GET", path)));
    reply.expect("the gateway answers")
}

/// What `/health` says.
pub fn health(gateway: &Gateway) -> Value {
    get(gateway, "/health").json()
}

/// The state of a server in `/health`.
pub fn state_of(gateway: &Gateway, server: &str) -> String {
    let component = &health(gateway)["components"][format!("server:{server}")];
    component["state"].as_str().unwrap_or_default().to_owned()
}

/// Waits until a server has this state.
pub fn wait_for_state(gateway: &Gateway, server: &str, state: &str) {
    let reached =
        Deadline::after(PATIENCE).poll(|| (state_of(gateway, server) == state).then_some(()));
    assert!(
        reached.is_some(),
        "{server} is {:?} and not {state:?}",
        state_of(gateway, server)
    );
}

/// Waits for a line of the log that holds this.
pub fn wait_for_log(gateway: &Gateway, part: &str) -> String {
    gateway
        .stdout
        .wait_for(part, PATIENCE)
        .unwrap_or_else(|why| panic!("{why}; the log:\n{}", gateway.stdout.text()))
}

/// What the fault server under this name says of itself.
pub fn whoami(client: &mut impl Client, server: &str) -> Value {
    let told = client.call_text(&format!("{server}__whoami"), json!({}));
    serde_json::from_str(&told.expect("it tells")).expect("it tells JSON")
}

/// The process id of the fault server under this name.
pub fn pid_of(client: &mut impl Client, server: &str) -> i32 {
    let pid = whoami(client, server)["pid"].as_i64();
    i32::try_from(pid.expect("it has one")).expect("a pid fits")
}

/// Asserts that the fault server under this name answers.
pub fn assert_echo(client: &mut impl Client, server: &str) {
    let told = client.call_text(&format!("{server}__echo"), json!({"text": "hello"}));
    match told {
        Ok(text) => assert_eq!(text, "hello"),
        Err(error) => panic!("{server} does not answer: {}", error.message()),
    }
}

/// A call that is certainly under way: its server has reported a first step, and will not
/// report a second one in the time of a test.
pub fn call_under_way(client: &mut McpClient, server: &str) -> EventStream {
    let params = json!({
        "name": format!("{server}__progress"),
        "arguments": {"steps": 2, "ms": 3_600_000},
        "_meta": {"progressToken": "under-way"},
    });
    let request = client.book.request("tools/call", &params);
    let mut stream = client.post_stream(&request).expect("the gateway answers");
    let first = stream.next_message().expect("the stream is open");
    let first = first.expect("the stream goes on");
    assert_eq!(first["method"], "notifications/progress", "{first}");
    stream
}

/// Somebody who calls `good__echo` all the time, in a session of their own.
pub struct Bystander {
    over: Arc<AtomicBool>,
    calls: std::thread::JoinHandle<Duration>,
}

impl Bystander {
    /// Begins to call.
    pub fn of(gateway: &Gateway) -> Bystander {
        let mut client = client(gateway, "/servers/good/mcp");
        let over = Arc::new(AtomicBool::new(false));
        let ends = Arc::clone(&over);
        let calls = spawn(move || {
            let (mut count, mut slowest) = (0_u64, Duration::ZERO);
            // At least one call is made, also where the test is soon over.
            loop {
                let asked = Instant::now();
                let text = format!("call {count}");
                let told = client.call_text("echo", json!({"text": text}));
                assert_eq!(told.expect("the good server answers"), text);
                slowest = slowest.max(asked.elapsed());
                count += 1;
                if ends.load(Ordering::Relaxed) {
                    break;
                }
                // It is there to notice, not to be the load.
                std::thread::sleep(Duration::from_millis(2));
            }
            slowest
        });
        Bystander { over, calls }
    }

    /// Ends, and asserts that every call was answered, right and soon.
    pub fn assert_unharmed(self) {
        self.over.store(true, Ordering::Relaxed);
        let slowest = self.calls.join().expect("every call was answered right");
        assert!(
            slowest < UNHARMED,
            "an answer of a good server took {slowest:?}"
        );
    }
}
