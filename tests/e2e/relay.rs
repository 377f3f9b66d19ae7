//! Byte for byte: whatever JSON a message holds, it arrives as it was sent, but for its id, its
//! name, its progress token, and line breaks between its tokens, which become spaces. Shown over
//! every transport, in both directions, by a server that is nothing but an ear and a mouth of
//! the test (`recorder_server`).
//!
//! `RELAY_CASES=n` plays that many talks over each transport; a failure names the seed that
//! plays it again by `RELAY_SEED=n`.

#![allow(
    unreachable_pub,
    reason = "a test program exports nothing, and `pub` reads better"
)]

mod door;
mod eras;
mod json;
mod lists;
mod messages;
mod recorder;
mod template;

use std::cell::RefCell;
use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher};
use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed, TestError, TestRunner};
use serde_json::{Value, json};

use self::door::{Door, Streamable};
use self::eras::{CROSSINGS, Era};
use self::messages::{NAMES, Question, RESOURCE, Step, TEMPLATE, Talk, Target, Terms};
use self::recorder::{Offers, Recorder, Speaker};
use self::template::{Caught, Fill, Fills, Piece, Template};
use crate::harness::client::Client;
use crate::harness::gateway::{Gateway, Setup, server};
use crate::harness::http::Http;

/// The longest wait for one message. A machine that is busy with other tests takes a tenth.
const WAIT: Duration = Duration::from_secs(10);

/// Talks over one transport, unless `RELAY_CASES` says otherwise.
const CASES: u32 = 40;

/// How long a failure is made smaller: what does not arrive at all is waited for each time.
const SHRINK_MS: u32 = 30_000;

/// A transport.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Transport {
    Streamable,
    LegacySse,
    Stdio,
}

#[test]
fn streamable_http_relays_the_same_bytes() {
    talk_all(Transport::Streamable, "/mcp", "shared");
}

#[test]
fn http_with_sse_relays_the_same_bytes() {
    talk_all(Transport::LegacySse, "/servers/recorder/sse", "shared");
}

#[test]
fn stdio_relays_the_same_bytes() {
    talk_all(Transport::Stdio, "", "session");
}

/// Every combination of eras that the gateway can do, over every transport.
#[test]
fn eras_are_crossed_with_the_same_bytes() {
    for crossing in CROSSINGS.iter().filter(|it| it.is_built && !it.is_plain()) {
        for transport in [
            Transport::Streamable,
            Transport::LegacySse,
            Transport::Stdio,
        ] {
            let terms = Terms {
                crossing,
                own_child: false,
            };
            let path = match transport {
                Transport::Streamable => "/mcp",
                Transport::LegacySse => "/sse",
                Transport::Stdio => "",
            };
            talk_over(transport, path, terms);
        }
    }
}

fn talk_all(transport: Transport, path: &'static str, scope: &str) {
    let terms = Terms {
        crossing: &CROSSINGS[0],
        own_child: scope == "session",
    };
    talk_over(transport, path, terms);
}

fn talk_over(transport: Transport, path: &'static str, terms: Terms) {
    // One gateway for all talks, and a new one after a failure, which may have left anything.
    let bed: RefCell<Option<Bed>> = RefCell::new(None);
    check(
        &format!("{transport:?} {path}, {terms:?}"),
        cases(),
        messages::talk(terms),
        |talk| {
            let kept = bed.borrow_mut().take();
            let mut used = kept.unwrap_or_else(|| Bed::new(transport, path, terms));
            used.play(talk)?;
            *bed.borrow_mut() = Some(used);
            Ok(())
        },
    );
}

/// How many talks are played.
fn cases() -> u32 {
    number("RELAY_CASES").map_or(CASES, |cases| u32::try_from(cases).unwrap_or(u32::MAX))
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// Plays many cases; one that fails is made smaller, and told with its seed.
fn check<T: std::fmt::Debug>(
    what: &str,
    cases: u32,
    strategy: BoxedStrategy<T>,
    play: impl Fn(&T) -> Result<(), String>,
) {
    let any_seed = || std::hash::RandomState::new().build_hasher().finish();
    let seed = number("RELAY_SEED").unwrap_or_else(any_seed);
    let mut runner = TestRunner::new(Config {
        cases,
        rng_seed: RngSeed::Fixed(seed),
        max_shrink_time: SHRINK_MS,
        max_shrink_iters: 1_000,
        failure_persistence: None,
        ..Config::default()
    });
    let outcome = runner.run(&strategy, |case| play(&case).map_err(TestCaseError::fail));
    match outcome {
        Ok(()) => {}
        Err(TestError::Fail(why, case)) => {
            panic!("RELAY_SEED={seed} RELAY_CASES={cases} fails over {what}:\n{why}\nin {case:#?}")
        }
        Err(TestError::Abort(why)) => panic!("RELAY_SEED={seed} is given up over {what}: {why}"),
    }
}

/// A gateway with one recorder behind it, and a client before it.
struct Bed {
    terms: Terms,
    door: Box<dyn Door>,
    /// The served names of the tools, and of the prompts.
    served: [Vec<String>; 2],
    /// Stopped behind the client, and before the recorder.
    _gateway: Option<Gateway>,
    recorder: Recorder,
}

/// The client that the servers' lists are read with, before it is used as a door.
trait Lister: Client {
    /// The handshake, a subscription to the resource, and the served names of tools and prompts.
    fn begin(&mut self) -> [Vec<String>; 2] {
        self.book().capabilities =
            json!({"sampling": {}, "elicitation": {}, "roots": {"listChanged": true}});
        self.initialize().expect("the handshake succeeds");
        let names = |items: Vec<Value>| -> Vec<String> {
            let names = items.iter().map(|item| item["name"].as_str());
            names
                .map(|name| name.unwrap_or_default().to_owned())
                .collect()
        };
        let tools = names(self.list("tools/list", "tools").expect("a list"));
        let prompts = names(self.list("prompts/list", "prompts").expect("a list"));
        assert_eq!((tools.len(), prompts.len()), (NAMES.len(), NAMES.len()));
        let subscribed = self.request("resources/subscribe", json!({"uri": RESOURCE}));
        subscribed.expect("the server can be subscribed to");
        [tools, prompts]
    }
}

impl<T: Client> Lister for T {}

impl Bed {
    fn new(transport: Transport, path: &str, terms: Terms) -> Bed {
        let crossing = terms.crossing;
        let mut entry = json!({"scope": if terms.own_child { "session" } else { "shared" }});
        if crossing.server == Era::Stateless {
            entry["protocol"] = json!("modern");
        }
        if !crossing.is_plain() {
            entry["prefix"] = json!("");
        }
        let (setup, recorder) = set_up(entry, crossing.server, offers());
        let is_stateless = crossing.client == Era::Stateless;
        let own = NAMES.map(str::to_owned).to_vec();
        let mut served = [own.clone(), own];
        let (door, gateway): (Box<dyn Door>, _) = match transport {
            Transport::Stdio => {
                let mut client = setup.start_stdio();
                if !is_stateless {
                    served = client.begin();
                }
                (Box::new(client), None)
            }
            Transport::LegacySse => {
                let gateway = setup.start();
                let mut client = gateway.sse_client(path);
                if !is_stateless {
                    served = client.begin();
                }
                (Box::new(client), Some(gateway))
            }
            Transport::Streamable => {
                let gateway = setup.start();
                let mut client = gateway.client(path);
                if !is_stateless {
                    served = client.begin();
                }
                let address = gateway.address;
                let connect = || Http::connect(address).expect("the gateway listens");
                (Box::new(Streamable::new(client, connect)), Some(gateway))
            }
        };
        Bed {
            terms,
            door,
            served,
            _gateway: gateway,
            recorder,
        }
    }

    /// The name that the server knows, and the one that the client uses.
    fn names(&self, target: Target) -> (&'static str, &str) {
        match target {
            Target::Tool(number) => (NAMES[number], &self.served[0][number]),
            Target::Prompt(number) | Target::PromptArgument(number) => {
                (NAMES[number], &self.served[1][number])
            }
            Target::Resource => (RESOURCE, RESOURCE),
            Target::TemplateVariable => (TEMPLATE, TEMPLATE),
        }
    }

    /// Plays one talk.
    fn play(&mut self, talk: &Talk) -> Result<(), String> {
        let crossing = self.terms.crossing;
        let (original, served) = self.names(talk.target);
        let name = json::spell(served, &talk.spelling);
        // A name that need not be replaced arrives as it was written.
        let name_at_server = if original == served {
            Fill::Exactly(name.clone())
        } else {
            Fill::Meaning(original.to_owned())
        };
        let headers = self.headers(talk.target);
        let has_token = talk.request.has(&Piece::Token);
        let at_client = Fills {
            id: Fill::Exactly(talk.id.clone()),
            name: Fill::Exactly(name),
            token: Fill::Exactly(talk.token.clone()),
        };
        let at_server = Fills {
            id: Fill::Number,
            name: name_at_server,
            token: Fill::Number,
        };
        self.door.ask(&talk.request.write(&at_client), &headers)?;
        let heard = self.recorder.hear()?;
        let request = talk
            .request
            .read(&heard.line, &at_server, crossing.requests);
        let caught = request.map_err(|why| format!("the request at the server: {why}"))?;
        let at_server = known(&caught);
        for step in &talk.steps {
            let is_progress = |notice: &Template| notice.has(&Piece::Token);
            match step {
                // What asks for no progress gets none.
                Step::Notice(notice) if is_progress(notice) && !has_token => {}
                Step::Notice(notice) => {
                    heard.child.say(&notice.write(&at_server))?;
                    arrived("a notification", notice, &self.door.hear()?, &at_client)?;
                }
                Step::Aside(notice) => {
                    heard.child.say(&notice.write(&at_server))?;
                    let told = self.door.hear_aside()?;
                    arrived("a notification", notice, &told, &at_client)?;
                }
                Step::Told(notice) => {
                    self.door.tell(&notice.write(&at_client))?;
                    let told = self.recorder.hear()?.line;
                    arrived("a client's notification", notice, &told, &at_server)?;
                }
                Step::Question(question) => self.ask_client(&heard.child, question)?,
            }
        }
        heard.child.say(&talk.answer.write(&at_server))?;
        let insertions = match talk.target {
            Target::Resource => crossing.reads,
            _ => crossing.results,
        };
        let answer = self.door.hear()?;
        let answer = talk.answer.read(&answer, &at_client, insertions);
        answer.map_err(|why| format!("the answer at the client: {why}"))?;
        self.door.finish()
    }

    fn ask_client(&mut self, child: &Speaker, question: &Question) -> Result<(), String> {
        let at_server = Fills {
            id: Fill::Exactly(question.id.clone()),
            token: Fill::Exactly(question.token.clone()),
            ..Fills::default()
        };
        let at_client = Fills {
            id: Fill::Number,
            token: Fill::Number,
            ..Fills::default()
        };
        child.say(&question.request.write(&at_server))?;
        let asked = self.door.hear()?;
        let caught = arrived("a question", &question.request, &asked, &at_client)?;
        let at_client = known(&caught);
        if let (Some(progress), Some(_)) = (&question.progress, &caught.token) {
            self.door.tell(&progress.write(&at_client))?;
            let told = self.recorder.hear()?.line;
            arrived("a client's progress", progress, &told, &at_server)?;
        }
        self.door.tell(&question.answer.write(&at_client))?;
        let told = self.recorder.hear()?.line;
        arrived("a client's answer", &question.answer, &told, &at_server)?;
        Ok(())
    }

    /// What a request of 2026-07-28 says of itself in its head.
    fn headers(&self, target: Target) -> Vec<(&'static str, String)> {
        if self.terms.crossing.client == Era::Handshake {
            return Vec::new();
        }
        let mut headers = vec![
            ("MCP-Protocol-Version", "2026-07-28".to_owned()),
            ("Mcp-Method", target.method().to_owned()),
        ];
        if !matches!(target, Target::PromptArgument(_) | Target::TemplateVariable) {
            headers.push(("Mcp-Name", self.names(target).1.to_owned()));
        }
        headers
    }
}

/// The holes of a message whose sender has read them.
fn known(caught: &Caught) -> Fills {
    let fill = |json: &Option<String>| json.clone().map_or(Fill::Nothing, Fill::Exactly);
    Fills {
        id: fill(&caught.id),
        name: Fill::Nothing,
        token: fill(&caught.token),
    }
}

/// Sees that a message arrived as it was sent.
fn arrived(what: &str, sent: &Template, line: &str, fills: &Fills) -> Result<Caught, String> {
    let read = sent.read(line, fills, &[]);
    read.map_err(|why| format!("{what}: {why}"))
}

/// A gateway, not yet started, with a recorder of this era and these further members in its entry.
fn set_up(members: Value, era: Era, offers: Offers) -> (Setup, Recorder) {
    let setup = Setup::without_config();
    let path = setup.folder().join("recorder.sock");
    let recorder = Recorder::listen(&path, era, offers);
    let path = path
        .to_str()
        .expect("the folder for temporary files is text");
    let mut entry = server("recorder", "recorder_server", &[path]);
    for (key, value) in members.as_object().into_iter().flatten() {
        entry[key] = value.clone();
    }
    let config = json!({"servers": [entry]}).to_string();
    (setup.config(config), recorder)
}

/// What the recorder offers where lists are not the matter.
fn offers() -> Offers {
    let tools: Vec<Value> = NAMES
        .iter()
        .map(|name| json!({"name": name, "inputSchema": {"type": "object"}}))
        .collect();
    let prompts: Vec<Value> = NAMES.iter().map(|name| json!({"name": name})).collect();
    let list = |member: &str, items: Value| {
        let page =
            json!({member: items, "resultType": "complete", "ttlMs": 0, "cacheScope": "public"});
        vec![(page.to_string(), String::new())]
    };
    let templates = json!([{"uriTemplate": TEMPLATE, "name": "two"}]);
    Offers {
        pages: HashMap::from([
            ("tools/list", list("tools", json!(tools))),
            ("prompts/list", list("prompts", json!(prompts))),
            (
                "resources/list",
                list("resources", json!([{"uri": RESOURCE, "name": "one"}])),
            ),
            (
                "resources/templates/list",
                list("resourceTemplates", templates),
            ),
        ]),
    }
}

/// A message without line feeds, for transports that end messages with them. They stand between
/// tokens only, and would become spaces anyway.
fn one_line(message: &str) -> String {
    message.replace('\n', " ")
}
