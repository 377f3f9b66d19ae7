//! Many clients of both eras by dice: they come, call, take back, are asked, say nonsense, post
//! for each other and leave in the middle of it all, while each one's machine judges every event.
//! All count the same ids, so an answer that went astray would not be missed.
//!
//! A run that fails names its seed; `MCPROXY_SSE_SEED=n cargo test --test tests legacy_sse::walk`
//! plays that one again.

use serde_json::{Value, json};

use super::{opened, ping};
use crate::e2e::scene::health;
use crate::e2e::talk::{fault, fault_with};
use crate::harness::dice::Dice;
use crate::harness::gateway::{Gateway, Setup};
use crate::harness::honest_sse::{HonestSse, Plan, post};
use crate::harness::http::Request;
use crate::harness::sse_machine::{Mode, State};
use crate::harness::{Deadline, PATIENCE, engine};

/// Names a seed to be played instead of the usual ones.
const SEED: &str = "MCPROXY_SSE_SEED";

/// How many things are done in one run.
const STEPS: usize = 400;

/// How many clients there are at most at a time.
const PLACES: usize = 6;

/// How many calls of one client never end by themselves; all of them together must leave room
/// for others on the child.
const HUNG_MAX: usize = 2;

/// One client, and what it still waits for.
struct Walker {
    client: HonestSse,
    name: String,
    /// What stands before the names of tools at its view.
    prefix: &'static str,
    /// Calls that will be answered: the id, and what the text of the answer begins with.
    due: Vec<(Value, String)>,
    /// Calls that will not.
    hung: Vec<Value>,
}

struct Walk {
    dice: Dice,
    gateway: Gateway,
    places: Vec<Option<Walker>>,
    /// Where sessions that have ended were posted to.
    dead: Vec<String>,
    clients: usize,
}

fn gateway() -> Gateway {
    let servers = [fault("one"), fault_with("own", json!({"scope": "session"}))];
    let mut config = json!({"servers": servers, "groups": {"all": ["one", "own"]}});
    if engine::is_tiny() {
        config["limits"] = json!({"keepalive_interval": "50ms"});
    }
    Setup::with_config(config.to_string()).start()
}

impl Walk {
    fn pick<T>(&mut self, items: &[T]) -> usize {
        self.below(items.len())
    }

    fn below(&mut self, bound: usize) -> usize {
        let below = self.dice.below(bound as u64);
        usize::try_from(below).expect("it is below a usize")
    }

    fn step(&mut self) {
        let place = self.below(PLACES);
        match self.places[place].take() {
            None => {
                let walker = self.come();
                self.places[place] = Some(walker);
            }
            Some(walker) => self.places[place] = self.act(walker),
        }
    }

    fn come(&mut self) -> Walker {
        let views = [
            ("/sse", "one__"),
            ("/servers/one/sse", ""),
            ("/groups/all/sse", "one__"),
        ];
        let (path, prefix) = views[self.below(views.len())];
        self.clients += 1;
        let name = format!("client {}", self.clients);
        let plan = match self.below(4) {
            0 => Plan::stateless(json!({})),
            _ => Plan::of_everything(),
        };
        let mut client = HonestSse::open(self.gateway.address, path, &plan);
        client.reaction = Some(json!({
            "role": "assistant", "model": name, "content": {"type": "text", "text": name},
            "action": "accept", "roots": [{"uri": format!("file:///{}", self.clients)}],
        }));
        Walker {
            client,
            name,
            prefix,
            due: Vec::new(),
            hung: Vec::new(),
        }
    }

    /// Lets a client do something; none if it left.
    fn act(&mut self, mut walker: Walker) -> Option<Walker> {
        if !walker.has_begun() {
            match self.below(4) {
                0 => walker.client.settle(),
                1 => return self.leave(walker),
                _ => drop(walker.client.initialize()),
            }
            return Some(walker);
        }
        match self.below(20) {
            0..=5 => self.call(&mut walker),
            6..=10 => self.collect(&mut walker),
            11 => self.ask(&mut walker),
            12 => walker.hang(),
            13 | 14 => self.take_back(&mut walker),
            15 => walker.client.settle(),
            16 => self.be_rude(&walker),
            17 => self.post_for_another(&walker),
            18 => walker.list(),
            _ => return self.leave(walker),
        }
        Some(walker)
    }

    fn call(&mut self, walker: &mut Walker) {
        let text = format!("{} says {}", walker.name, self.dice.next());
        let pad = if self.below(8) == 0 {
            self.below(30_000)
        } else {
            0
        };
        let arguments = json!({"text": text, "pad": pad});
        let tool = format!("{}echo", walker.prefix);
        let id = walker.client.call(&tool, arguments);
        walker.due.push((id, text));
    }

    /// Calls a child of its own that asks back, where its view has one.
    fn ask(&mut self, walker: &mut Walker) {
        let is_stateless = walker.client.machine.mode == Mode::Stateless;
        if walker.prefix.is_empty() || is_stateless {
            return;
        }
        let tools = ["ask_sampling", "ask_elicitation", "ask_roots"];
        let tool = tools[self.pick(&tools)];
        let id = walker.client.call(&format!("own__{tool}"), json!({}));
        walker.due.push((id, "{".to_owned()));
    }

    fn collect(&mut self, walker: &mut Walker) {
        if !walker.due.is_empty() {
            let place = self.pick(&walker.due);
            walker.collect(place);
        }
    }

    /// Takes back what hangs, or what may be answered this very moment.
    fn take_back(&mut self, walker: &mut Walker) {
        let id = if let Some(id) = walker.hung.pop() {
            id
        } else if walker.due.is_empty() {
            return;
        } else {
            let place = self.pick(&walker.due);
            walker.due.swap_remove(place).0
        };
        // Its answer may lie here already, and then it is no longer under way.
        if walker.client.machine.waiting().contains(&id) {
            walker.client.take_back(&id);
        }
    }

    /// Says what no honest client would.
    fn be_rude(&mut self, walker: &Walker) {
        let own = walker.client.machine.endpoint();
        let (path, _) = own.split_once('?').expect("a query");
        let made_up = format!("{path}?session_id={:032x}", self.dice.next());
        let elsewhere = own.replacen('/', "/servers/own/", 1);
        let dead = match self.dead.len() {
            0 => made_up.clone(),
            count => {
                let place = self.below(count);
                self.dead[place].clone()
            }
        };
        let sound = ping("rude").to_string();
        let (path, body, status) = match self.below(6) {
            0 => (own.to_owned(), "{".to_owned(), 400),
            1 => (own.to_owned(), "[]".to_owned(), 400),
            2 => (path.to_owned(), sound, 400),
            3 => (made_up, sound, 404),
            4 => (elsewhere, sound, 404),
            _ => (dead, sound, 404),
        };
        let request = walker.client.post_request(&path).body(body);
        let reply = post(self.gateway.address, &request);
        assert_eq!(reply.head.status, status, "{path}");
    }

    /// Posts what another one's book expects: the answer comes there.
    fn post_for_another(&mut self, walker: &Walker) {
        let place = self.below(PLACES);
        let Some(other) = self.places[place].as_mut() else {
            return;
        };
        if !other.has_begun() {
            return;
        }
        let text = format!("{} through {}", other.name, walker.name);
        let params = json!({
            "name": format!("{}echo", other.prefix),
            "arguments": {"text": text},
        });
        let request = other.client.machine.request("tools/call", params);
        let told = walker.client.post_request(other.client.machine.endpoint());
        let reply = post(self.gateway.address, &told.body(request.to_string()));
        assert_eq!(other.client.machine.accepted(&reply), Ok(()));
        other.due.push((request["id"].clone(), text));
    }

    /// Leaves, with whatever is under way.
    fn leave(&mut self, walker: Walker) -> Option<Walker> {
        let path = walker.client.leave();
        let address = self.gateway.address;
        let ended = Deadline::after(PATIENCE).poll(|| {
            let request = Request::new("POST", &path).header("Content-Type", "application/json");
            let reply = post(address, &request.body(ping("late").to_string()));
            (reply.head.status == 404).then_some(())
        });
        assert!(ended.is_some(), "{path} outlives its stream");
        self.dead.push(path);
        None
    }

    /// Everybody gets what is due, hears nothing else, and leaves.
    fn end(mut self) {
        for place in 0..PLACES {
            let Some(mut walker) = self.places[place].take() else {
                continue;
            };
            while !walker.due.is_empty() {
                walker.collect(0);
            }
            walker.client.settle();
            let left = walker.client.machine.waiting();
            assert_eq!(left.len(), walker.hung.len(), "{left:?}");
            assert!(walker.client.notices.is_empty());
            self.leave(walker);
        }
        let none_left = Deadline::after(PATIENCE).poll(|| {
            let sessions = &health(&self.gateway)["components"]["front"]["sessions"];
            (sessions == 0).then_some(())
        });
        assert!(none_left.is_some(), "sessions are left");
        // The shared child has outlived them all.
        let mut last = opened(&self.gateway, "/servers/one/sse");
        last.initialize();
        assert_eq!(last.call_text("echo", json!({"text": "last"})), "last");
    }
}

impl Walker {
    /// Whether it may ask what it likes.
    fn has_begun(&self) -> bool {
        let machine = &self.client.machine;
        machine.mode == Mode::Stateless || machine.state() == State::Initialized
    }

    /// Waits for an answer and sees that it is the right one.
    fn collect(&mut self, place: usize) {
        let (id, text) = self.due.swap_remove(place);
        let told = self.client.text(&id);
        assert!(told.starts_with(&text), "{}: {told}", self.name);
        // What a child of one's own was told comes from nobody else.
        let foreign = told.contains("\"model\"") && !told.contains(&self.name);
        assert!(!foreign, "{}: {told}", self.name);
    }

    fn hang(&mut self) {
        if self.hung.len() < HUNG_MAX {
            let tool = format!("{}sleep", self.prefix);
            let id = self.client.call(&tool, json!({"ms": 3_600_000}));
            self.hung.push(id);
        }
    }

    fn list(&mut self) {
        let id = self.client.ask("tools/list", json!({}));
        let echo = format!("{}echo", self.prefix);
        let tools = self.client.result(&id)["tools"].take();
        let tools = tools.as_array().expect("a list");
        assert!(tools.iter().any(|tool| tool["name"] == echo));
    }
}

#[expect(
    clippy::print_stderr,
    reason = "the test runner shows it where the test fails"
)]
fn run(seed: u64) {
    eprintln!("to play this again: {SEED}={seed}");
    let mut walk = Walk {
        dice: Dice(seed),
        gateway: gateway(),
        places: (0..PLACES).map(|_| None).collect(),
        dead: Vec::new(),
        clients: 0,
    };
    for _ in 0..STEPS {
        walk.step();
    }
    walk.end();
}

#[test]
fn clients_that_do_as_they_please_get_their_own_and_nothing_else() {
    let wanted = std::env::var(SEED).ok();
    match wanted.map(|seed| seed.parse().expect("a number")) {
        Some(seed) => run(seed),
        None => [1, 2].into_iter().for_each(run),
    }
}
