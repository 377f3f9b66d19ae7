//! Many clients at once, all counting the same ids from 1, with payloads of every size: each
//! answer must come to the one who asked, right and once.

// HTTP+SSE.
mod listening;
// Streamable HTTP, with sessions and without.
mod posting;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

use super::client::{CallError, Client, text_of};
use super::dice::Dice;
use super::http::Pace;
use super::legacy_sse::SseClient;
use super::stateless::StatelessClient;
use super::streamable::McpClient;
use super::{PATIENCE, spawn};

/// How many faults are told in words; the others are only counted.
const TOLD_FAULTS_MAX: usize = 20;

/// The transport of the clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Door {
    /// Streamable HTTP; calls in flight are parallel POSTs of one session.
    Streamable,
    /// HTTP+SSE; calls in flight are POSTed one after the other while answers come.
    LegacySse,
    /// Streamable HTTP without sessions; calls in flight have a connection each.
    Stateless,
}

/// A server that is killed when half of all calls are answered. Only its tool may fail.
#[derive(Debug, Clone)]
pub struct Victim {
    /// The name of its echo tool. Every eighth call goes there.
    pub echo: String,
    /// The name of its tool that tells its pid.
    pub whoami: String,
}

/// What is to be done.
#[derive(Debug, Clone)]
pub struct Torture {
    /// The gateway.
    pub address: SocketAddr,
    /// `/mcp` or `/sse`, or those of a server or a group.
    pub path: String,
    /// The transport.
    pub door: Door,
    /// Clients, all at once.
    pub clients: usize,
    /// Calls of each client.
    pub calls: u64,
    /// Calls of one client under way at a time.
    pub in_flight: usize,
    /// Names of the echo tools, called in turn.
    pub tools: Vec<String>,
    /// The longest text of a call, in bytes.
    pub largest: usize,
    /// Makes the first client a slow reader.
    pub slow_reader: Option<Pace>,
    /// The server to be killed.
    pub victim: Option<Victim>,
    /// How long one answer may take.
    pub patience: Duration,
    /// Makes the payloads.
    pub seed: u64,
}

impl Torture {
    /// Few calls of mixed sizes; a test sets what it wants otherwise.
    pub fn new(address: SocketAddr, path: &str, door: Door, tools: &[&str]) -> Torture {
        Torture {
            address,
            path: path.to_owned(),
            door,
            clients: 4,
            calls: 50,
            in_flight: 4,
            tools: tools.iter().map(|&name| name.to_owned()).collect(),
            largest: 200 * 1024,
            slow_reader: None,
            victim: None,
            patience: PATIENCE,
            seed: 1,
        }
    }

    /// Does it all and tells what came of it. Never panics because of what the gateway does.
    pub fn run(self) -> Report {
        let began = Instant::now();
        let run = Arc::new(Run {
            half: self.calls * self.clients as u64 / 2,
            victim_pid: self.victim_pid(),
            plan: self,
            tally: Tally::default(),
        });
        let clients: Vec<_> = (0..run.plan.clients)
            .map(|client| {
                let run = Arc::clone(&run);
                spawn(move || {
                    if let Err(error) = one_client(&run, client) {
                        run.fault(&run.tally.lost_clients, || {
                            format!("client {client}: {error:?}")
                        });
                    }
                })
            })
            .collect();
        for client in clients {
            if client.join().is_err() {
                run.fault(&run.tally.lost_clients, || "a client panicked".to_owned());
            }
        }
        run.report(began.elapsed())
    }

    /// The tool and the text of a call: the number of a call decides the tool, so that each
    /// is called by every client.
    fn payload(&self, client: usize, call: u64) -> Payload<'_> {
        let victim = self.victim.as_ref().filter(|_| call % 8 == 7);
        let turn = usize::try_from(call).unwrap_or(0) % self.tools.len();
        let tool = victim.map_or(&self.tools[turn], |victim| &victim.echo);
        let mut dice = Dice(self.seed ^ ((client as u64) << 40) ^ call.wrapping_mul(0x9E37_79B9));
        // Mostly small, as real calls are; one in a hundred is large.
        let most = match dice.below(100) {
            0 => self.largest,
            1..=5 => 32 * 1024,
            6..=20 => 4 * 1024,
            _ => 200,
        };
        let bytes = dice.below(most.min(self.largest) as u64);
        let bytes = usize::try_from(bytes).unwrap_or(0);
        // Letters that JSON escapes, and some of two and four bytes, are among them.
        let block = format!("{:016x} \"\\/\n\té💡 ", dice.next());
        let mut text = format!("client {client} call {call} ");
        // Half of the large ones are large on the way back only.
        let pad = if dice.below(2) == 0 { bytes } else { 0 };
        if pad == 0 {
            text.push_str(&block.repeat(bytes / block.len()));
        }
        Payload {
            tool,
            of_victim: victim.is_some(),
            text,
            pad,
        }
    }

    fn victim_pid(&self) -> Option<Pid> {
        let whoami = &self.victim.as_ref()?.whoami;
        let me = match self.door {
            Door::Streamable => {
                let mut client = McpClient::new(self.address, &self.path);
                client.initialize().ok()?;
                let me = client.call_text(whoami, json!({}));
                let _ = client.delete();
                me
            }
            Door::LegacySse => {
                let mut client = SseClient::open(self.address, &self.path, &[]).ok()?;
                client.initialize().ok()?;
                client.call_text(whoami, json!({}))
            }
            Door::Stateless => {
                let mut client = StatelessClient::new(self.address, &self.path);
                client.call_text(whoami, json!({}))
            }
        };
        let me: Value = serde_json::from_str(&me.ok()?).ok()?;
        let pid = i32::try_from(me["pid"].as_i64()?).ok()?;
        Some(Pid::from_raw(pid))
    }
}

/// What came of it.
#[derive(Debug, Clone)]
pub struct Report {
    /// Calls that were to be made.
    pub calls: u64,
    /// Answers that were as they had to be.
    pub right: u64,
    /// Answers with another text than asked for.
    pub wrong: u64,
    /// Errors of the server that was killed.
    pub victim_errors: u64,
    /// Errors of any other server, of the connection or of HTTP.
    pub errors: u64,
    /// Answers that came once more, or that nobody had asked for.
    pub surplus: u64,
    /// Calls that got no answer at all, or whose connection failed.
    pub missing: u64,
    /// Clients that could not begin or go on.
    pub lost_clients: u64,
    /// Whether there was a server to kill, and it was killed.
    pub killed: bool,
    /// The longest time from a call to its answer.
    pub slowest: Duration,
    /// The time of it all.
    pub took: Duration,
    /// The first faults in words.
    pub faults: Vec<String>,
}

impl Report {
    /// Fails the test unless every call was answered right and once, but for errors of the
    /// server that was killed.
    ///
    /// # Panics
    /// Where anything went wrong; with the whole report.
    pub fn assert_every_answer_right_and_once(&self) {
        let answered = self.right + self.victim_errors;
        let faults = self.wrong + self.errors + self.surplus + self.missing + self.lost_clients;
        assert!(answered == self.calls && faults == 0, "{self:#?}");
    }
}

struct Payload<'a> {
    tool: &'a str,
    of_victim: bool,
    text: String,
    pad: usize,
}

impl Payload<'_> {
    fn request(&self, id: u64) -> Value {
        let arguments = json!({"text": self.text, "pad": self.pad});
        let params = json!({"name": self.tool, "arguments": arguments});
        json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params})
    }

    fn is_told_by(&self, result: &Value) -> bool {
        let told = text_of(result).strip_prefix(&self.text);
        told.is_some_and(|rest| rest.len() == self.pad && rest.bytes().all(|byte| byte == b'x'))
    }
}

#[derive(Debug, Default)]
struct Tally {
    right: AtomicU64,
    wrong: AtomicU64,
    victim_errors: AtomicU64,
    errors: AtomicU64,
    surplus: AtomicU64,
    missing: AtomicU64,
    lost_clients: AtomicU64,
    answered: AtomicU64,
    slowest_us: AtomicU64,
    told: AtomicUsize,
    faults: Mutex<Vec<String>>,
}

struct Run {
    plan: Torture,
    half: u64,
    victim_pid: Option<Pid>,
    tally: Tally,
}

impl Run {
    /// How slowly a client reads, if it is the slow one.
    fn pace_of(&self, client: usize) -> Option<Pace> {
        self.plan.slow_reader.filter(|_| client == 0)
    }

    fn fault(&self, counter: &AtomicU64, words: impl FnOnce() -> String) {
        counter.fetch_add(1, Ordering::Relaxed);
        if self.tally.told.fetch_add(1, Ordering::Relaxed) < TOLD_FAULTS_MAX {
            let faults = &self.tally.faults;
            let mut faults = faults.lock().unwrap_or_else(PoisonError::into_inner);
            faults.push(words());
        }
    }

    /// Looks at an answer of one call.
    fn judge(&self, client: usize, call: u64, answer: &Value, took: Duration) {
        let payload = self.plan.payload(client, call);
        let tally = &self.tally;
        let microseconds = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        tally.slowest_us.fetch_max(microseconds, Ordering::Relaxed);
        let failed = answer.get("error").is_some() || answer["result"]["isError"] == true;
        let words = |what: &str| {
            let beginning: String = answer.to_string().chars().take(300).collect();
            format!(
                "client {client} call {call} of {}: {what}: {beginning}",
                payload.tool
            )
        };
        if failed && payload.of_victim {
            tally.victim_errors.fetch_add(1, Ordering::Relaxed);
        } else if failed {
            self.fault(&tally.errors, || words("an error"));
        } else if payload.is_told_by(&answer["result"]) {
            tally.right.fetch_add(1, Ordering::Relaxed);
        } else {
            self.fault(&tally.wrong, || words("another text"));
        }
        if tally.answered.fetch_add(1, Ordering::Relaxed) + 1 == self.half
            && let Some(pid) = self.victim_pid
        {
            let _ = kill(pid, Signal::SIGKILL);
        }
    }

    fn report(&self, took: Duration) -> Report {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let tally = &self.tally;
        let faults = tally.faults.lock();
        Report {
            calls: self.plan.calls * self.plan.clients as u64,
            right: count(&tally.right),
            wrong: count(&tally.wrong),
            victim_errors: count(&tally.victim_errors),
            errors: count(&tally.errors),
            surplus: count(&tally.surplus),
            missing: count(&tally.missing),
            lost_clients: count(&tally.lost_clients),
            killed: self.victim_pid.is_some() && count(&tally.answered) >= self.half,
            slowest: Duration::from_micros(count(&tally.slowest_us)),
            took,
            faults: faults.unwrap_or_else(PoisonError::into_inner).clone(),
        }
    }
}

fn one_client(run: &Arc<Run>, client: usize) -> Result<(), CallError> {
    match run.plan.door {
        Door::Streamable => posting::streamable_client(run, client),
        Door::LegacySse => listening::legacy_client(run, client),
        Door::Stateless => {
            posting::stateless_client(run, client);
            Ok(())
        }
    }
}
