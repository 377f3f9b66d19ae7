//! A gateway with a recorder behind it and a client before it, and the playing of a talk between
//! the two: what each says, and what must arrive at the other.

use std::collections::HashMap;

use serde_json::{Value, json};

use super::door::{Door, Streamable};
use super::eras::{Era, Headers};
use super::messages::{NAMES, Question, RESOURCE, Step, TEMPLATE, Talk, Target, Terms};
use super::recorder::{Offers, Recorder, Speaker};
use super::template::{Caught, Fill, Fills, Piece, Template};
use super::{Transport, json};
use crate::harness::client::Client;
use crate::harness::gateway::{Gateway, Setup, server};

/// A gateway with one recorder behind it, and a client before it.
pub struct Bed {
    terms: Terms,
    door: Box<dyn Door>,
    /// The served names of the tools, and of the prompts.
    served: [Vec<String>; 2],
    /// Stopped behind the client, and before the recorder.
    _gateway: Option<Gateway>,
    recorder: Recorder,
}

impl Bed {
    /// Starts both, over this transport and at this path, and begins what is to be begun.
    pub fn new(transport: Transport, path: &str, terms: Terms) -> Bed {
        let crossing = terms.crossing;
        let entry = json!({"scope": if terms.own_child { "session" } else { "shared" }});
        let (setup, recorder) = set_up(entry, crossing.server, offers());
        let era = crossing.client;
        let (door, gateway): (Box<dyn Door>, _) = match transport {
            Transport::Stdio => {
                let mut client = setup.start_stdio();
                begin(&mut client, era);
                (Box::new(client), None)
            }
            Transport::LegacySse => {
                let gateway = setup.start();
                let mut client = gateway.sse_client(path);
                begin(&mut client, era);
                (Box::new(client), Some(gateway))
            }
            Transport::Streamable => {
                let gateway = setup.start();
                let mut client = gateway.client(path);
                begin(&mut client, era);
                (Box::new(Streamable::new(client)), Some(gateway))
            }
        };
        let mut bed = Bed {
            terms,
            door,
            served: [Vec::new(), Vec::new()],
            _gateway: gateway,
            recorder,
        };
        bed.served = [("tools/list", "tools"), ("prompts/list", "prompts")]
            .map(|(method, list)| bed.served_names(method, list));
        if era == Era::Stateless && crossing.server == Era::Handshake {
            bed.listen();
        }
        bed
    }

    fn served_names(&mut self, method: &str, list: &str) -> Vec<String> {
        let (request, headers) = self.terms.crossing.client.request(method, json!({}));
        let asked = self.door.ask(&request, &headers);
        let answer = asked.and_then(|()| self.door.hear()).expect("a list");
        let answer: Value = serde_json::from_str(&answer).expect("a list");
        let items = answer["result"][list].as_array().into_iter().flatten();
        let names = items.map(|item| item["name"].as_str().unwrap_or_default().to_owned());
        let names: Vec<String> = names.collect();
        assert_eq!(names.len(), NAMES.len(), "{answer}");
        names
    }

    /// Has a client of 2026-07-28 told of the resource.
    fn listen(&mut self) {
        let filter = json!({"notifications": {"resourceSubscriptions": [RESOURCE]}});
        let (request, headers) = Era::Stateless.request("subscriptions/listen", filter);
        let first = self.door.listen(&request, &headers).expect("an answer");
        assert!(first.contains("acknowledged"), "{first}");
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
    pub fn play(&mut self, talk: &Talk) -> Result<(), String> {
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
        let heard = match self.recorder.hear() {
            Ok(heard) => heard,
            // Then the gateway has an answer of its own.
            Err(why) => return Err(format!("{why}; the client got {:?}", self.door.hear())),
        };
        let request = talk
            .request
            .read(&heard.line, &at_server, crossing.requests);
        let caught = request.map_err(|why| format!("the request at the server: {why}"))?;
        let at_server = known(&caught);
        for step in &talk.steps {
            self.step(&heard.child, step, &at_client, &at_server)?;
        }
        if let Some(notice) = &talk.taken_back {
            self.door.tell(&notice.write(&at_client))?;
            self.at_server("a client's cancellation", notice, &at_server)?;
            self.door.hear_nothing()?;
            // It was too late; and a server that says nothing more might still be asking.
            return heard.child.say(&talk.answer.write(&at_server));
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

    /// Plays what is said while a request is under way; the holes are those of the request.
    fn step(
        &mut self,
        child: &Speaker,
        step: &Step,
        at_client: &Fills,
        at_server: &Fills,
    ) -> Result<(), String> {
        match step {
            Step::Notice(notice) => {
                let is_progress = notice.has(&Piece::Token);
                if is_progress && matches!(at_server.token, Fill::Nothing) {
                    return Ok(()); // What asks for no progress gets none.
                }
                child.say(&notice.write(at_server))?;
                self.at_client("a notification", notice, at_client)?;
            }
            Step::Aside(notice) => {
                child.say(&notice.write(at_server))?;
                let told = self.door.hear_aside()?;
                let read = notice.read(&told, at_client, self.terms.crossing.asides);
                read.map_err(|why| format!("a notification beside: {why}"))?;
            }
            Step::Told(notice) => {
                self.door.tell(&notice.write(at_client))?;
                self.at_server("a client's notification", notice, at_server)?;
            }
            Step::Question(question) => self.ask_client(child, question)?,
        }
        Ok(())
    }

    /// Sees that the next message that the client hears is this one, as it was sent.
    fn at_client(&mut self, what: &str, sent: &Template, fills: &Fills) -> Result<Caught, String> {
        let heard = self.door.hear();
        let read = heard.and_then(|line| sent.read(&line, fills, &[]));
        read.map_err(|why| format!("{what} at the client: {why}"))
    }

    /// The same of the server.
    fn at_server(&mut self, what: &str, sent: &Template, fills: &Fills) -> Result<Caught, String> {
        let heard = self.recorder.hear();
        let read = heard.and_then(|heard| sent.read(&heard.line, fills, &[]));
        read.map_err(|why| format!("{what} at the server: {why}"))
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
        let caught = self.at_client("a question", &question.request, &at_client)?;
        let at_client = known(&caught);
        if let (Some(progress), Some(_)) = (&question.progress, &caught.token) {
            self.door.tell(&progress.write(&at_client))?;
            self.at_server("a client's progress", progress, &at_server)?;
        }
        if let Some(notice) = &question.taken_back {
            child.say(&notice.write(&at_server))?;
            self.at_client("a server's cancellation", notice, &at_client)?;
            // It was too late, and goes nowhere.
            self.door.tell(&question.answer.write(&at_client))?;
        } else {
            self.door.tell(&question.answer.write(&at_client))?;
            self.at_server("a client's answer", &question.answer, &at_server)?;
        }
        if let Some(notice) = &question.completed {
            child.say(&notice.write(&at_server))?;
            self.at_client("a completion", notice, &at_client)?;
        }
        Ok(())
    }

    /// What a request says of itself in its head.
    fn headers(&self, target: Target) -> Headers {
        let name = match target {
            Target::PromptArgument(_) | Target::TemplateVariable => None,
            _ => Some(self.names(target).1),
        };
        self.terms.crossing.client.headers(target.method(), name)
    }
}

/// The handshake where there is one, and a subscription to the resource.
fn begin(client: &mut impl Client, era: Era) {
    if era == Era::Stateless {
        return;
    }
    client.book().capabilities = json!({"sampling": {"tools": {}}, "elicitation": {"form": {}, "url": {}}, "roots": {"listChanged": true}});
    client.initialize().expect("the handshake succeeds");
    // The first list waits for the server; until then nobody knows whose the resource is.
    client.tool_names().expect("a first list");
    let subscribed = client.request("resources/subscribe", json!({"uri": RESOURCE}));
    subscribed.expect("the server can be subscribed to");
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

/// A gateway, not yet started, with a recorder of this era and these further members in its entry.
pub fn set_up(members: Value, era: Era, offers: Offers) -> (Setup, Recorder) {
    let setup = Setup::without_config();
    let path = setup.folder().join("recorder.sock");
    let recorder = Recorder::listen(&path, era, offers);
    let path = path
        .to_str()
        .expect("the folder for temporary files is text");
    let mut entry = server("recorder", "recorder_server", &[path]);
    if era == Era::Stateless {
        entry["protocol"] = json!("modern");
    }
    if let (Value::Object(entry), Value::Object(members)) = (&mut entry, members) {
        entry.extend(members);
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
