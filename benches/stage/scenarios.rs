//! The scenarios by name. The first part of a name says which room is measured:
//! `wire`, `catalog`, `hub`, or `call` for the hub and the wire together.

use std::collections::{BTreeMap, VecDeque};
use std::hint::black_box;

use mcproxy::catalog::merge::Catalog;
use mcproxy::catalog::offer::{Offer, Rules, Source};
use mcproxy::event::{Event, Life, ServerId};
use mcproxy::wire::envelope::Message;
use mcproxy::wire::items::{self, ItemKind};
use mcproxy::wire::outgoing::{Outgoing, Patch};

use crate::stage::gateway::{Cast, Gateway, Outcome, write_body, write_line};
use crate::stage::texts::{self, Era};
use crate::stage::{Plain, Scenario};

/// The payload of most messages.
const SMALL: usize = 100;

/// The payload of a large one.
const LARGE: usize = 64 << 10;

/// An id as the gateway gives them out, after a day of calls.
const OWN_ID: u64 = 16_000_000_000;

/// Many servers with many tools.
const MANY: Cast = Cast {
    servers: 50,
    tools: 40,
    ..Cast::SMALL
};

/// Many sessions.
const CROWD: Cast = Cast {
    clients: 1_000,
    ..Cast::SMALL
};

/// Client and server of the stateless era.
const STATELESS: Cast = Cast {
    client_era: Era::Stateless,
    server_era: Era::Stateless,
    ..Cast::SMALL
};

/// A client of the stateless era at a server of the other.
const BACKWARD: Cast = Cast {
    client_era: Era::Stateless,
    ..Cast::SMALL
};

/// A client of the handshake era at a server of the other.
const FORWARD: Cast = Cast {
    server_era: Era::Stateless,
    ..Cast::SMALL
};

/// A scenario, and what it is called.
pub(crate) type Named = (&'static str, fn() -> Box<dyn Scenario>);

/// All of them, sorted by their names.
pub(crate) const ALL: &[Named] = &[
    ("call/handshake/100B", || {
        Call::boxed(Cast::SMALL, SMALL, true)
    }),
    ("call/handshake/64KiB", || {
        Call::boxed(Cast::SMALL, LARGE, true)
    }),
    ("call/list/2000-tools", || list(MANY, true)),
    ("call/stateless/100B", || {
        Call::boxed(STATELESS, SMALL, true)
    }),
    ("call/stateless/64KiB", || {
        Call::boxed(STATELESS, LARGE, true)
    }),
    ("catalog/lookup/2000-tools", || lookup(50, 40)),
    ("catalog/lookup/5-tools", || lookup(1, 5)),
    ("hub/call/1-session", || {
        Call::boxed(Cast::SMALL, SMALL, false)
    }),
    ("hub/call/1000-sessions", || {
        Call::boxed(CROWD, SMALL, false)
    }),
    ("hub/call/2000-tools", || Call::boxed(MANY, SMALL, false)),
    ("hub/call/handshake-to-stateless", || {
        Call::boxed(FORWARD, SMALL, false)
    }),
    ("hub/call/stateless", || {
        Call::boxed(STATELESS, SMALL, false)
    }),
    ("hub/call/stateless-to-handshake", || {
        Call::boxed(BACKWARD, SMALL, false)
    }),
    ("hub/list/2000-tools", || list(MANY, false)),
    ("hub/list/5-tools", || list(Cast::SMALL, false)),
    ("hub/notice/of-client", notice),
    ("hub/notice/progress", progress),
    ("wire/parse/answer-100B", || {
        parse(texts::answer(Era::Handshake, OWN_ID, SMALL))
    }),
    ("wire/parse/answer-64KiB", || {
        parse(texts::answer(Era::Handshake, OWN_ID, LARGE))
    }),
    ("wire/parse/request-100B", || parse(request(SMALL))),
    ("wire/parse/request-64KiB", || parse(request(LARGE))),
    ("wire/splice/answer-100B", || splice_answer(SMALL)),
    ("wire/splice/answer-64KiB", || splice_answer(LARGE)),
    ("wire/splice/request-100B", || splice_request(SMALL)),
    ("wire/splice/request-64KiB", || splice_request(LARGE)),
];

fn request(payload: usize) -> Vec<u8> {
    texts::call(Era::Handshake, 7, &texts::served(0, 0), payload)
}

/// One message is understood.
fn parse(text: Vec<u8>) -> Box<dyn Scenario> {
    let run = |text| drop(black_box(Message::parse(text)));
    Box::new(Plain::new(move || text.clone(), run))
}

/// A call is written to a child: another id, another name.
fn splice_request(payload: usize) -> Box<dyn Scenario> {
    let message = Message::parse(request(payload)).expect("a message");
    let mut outgoing = Outgoing::plain(message.into());
    outgoing.id = Some(Patch::Number(OWN_ID));
    outgoing.name = Some(Patch::Json(format!("\"{}\"", texts::tool(0)).into()));
    splice(outgoing)
}

/// An answer is written to a client: another id.
fn splice_answer(payload: usize) -> Box<dyn Scenario> {
    let text = texts::answer(Era::Handshake, OWN_ID, payload);
    let message = Message::parse(text).expect("a message");
    let mut outgoing = Outgoing::plain(message.into());
    outgoing.id = Some(Patch::Json("7".into()));
    splice(outgoing)
}

fn splice(outgoing: Outgoing) -> Box<dyn Scenario> {
    let mut batch = Vec::new();
    let run = move |()| {
        write_line(&outgoing, &mut batch);
        black_box(&batch);
    };
    Box::new(Plain::new(|| (), run))
}

/// A tool's name is looked up on the merged view.
fn lookup(servers: usize, tools: usize) -> Box<dyn Scenario> {
    let result = texts::tool_list(tools);
    let page = items::read_page(&Message::result(&result), ItemKind::Tool).expect("a page");
    let mut offer = Offer::default();
    offer.replace(ItemKind::Tool, page.items);
    let names: Vec<String> = (0..servers).map(texts::server).collect();
    let rename = BTreeMap::new();
    let sources: Vec<Source<'_>> = (0..)
        .map(ServerId)
        .zip(&names)
        .map(|(server, name)| Source {
            server,
            name,
            prefix: name,
            rules: Rules {
                admits: &|_| true,
                rename: &rename,
            },
            offer: &offer,
        })
        .collect();
    let catalog = Catalog::build(&sources, 64);
    let all: Vec<String> = (0..servers * tools)
        .map(|number| texts::served(number % servers, number / servers))
        .collect();
    let mut asked = (0..all.len()).cycle();
    let run = move |number: usize| {
        let route = catalog.tool(black_box(&all[number]));
        assert!(black_box(route).is_some(), "no such tool");
    };
    let make = move || asked.next().unwrap_or_default();
    Box::new(Plain::new(make, run))
}

/// A client asks for the tools, which are kept as ready bytes.
fn list(cast: Cast, with_wire: bool) -> Box<dyn Scenario> {
    let mut gateway = Gateway::new(cast);
    let mut asking = Gateway::new(cast);
    let text = texts::request(cast.client_era, 7, "tools/list", "");
    let answered = |outcome| match outcome {
        Outcome::ToClient(_, message, true) => message,
        _ => panic!("no list"),
    };
    if with_wire {
        let run = move |text| {
            let event = gateway.post(0, text);
            black_box(write_body(answered(gateway.play(event))));
        };
        Box::new(Plain::new(move || text.clone(), run))
    } else {
        let make = move || asking.post(0, text.clone());
        let run = move |event| drop(black_box(answered(gateway.play(event))));
        Box::new(Plain::new(make, run))
    }
}

/// A client says something that nobody answers.
fn notice() -> Box<dyn Scenario> {
    let mut gateway = Gateway::new(Cast::SMALL);
    let mut asking = Gateway::new(Cast::SMALL);
    let text = texts::notice("notifications/initialized", "");
    let make = move || asking.post(0, text.clone());
    let run = move |event| {
        let outcome = gateway.play(event);
        assert!(matches!(outcome, Outcome::Verdict), "no verdict");
    };
    Box::new(Plain::new(make, run))
}

/// A server tells of the progress of a call, to a client that has asked for it.
fn progress() -> Box<dyn Scenario> {
    let mut gateway = Gateway::new(Cast::SMALL);
    let mut reading = Gateway::new(Cast::SMALL);
    let tool = texts::served(0, 0);
    let params = format!(r#""name":"{tool}","_meta":{{"progressToken":"p"}}"#);
    let call = gateway.post(0, texts::request(Era::Handshake, 7, "tools/call", &params));
    let (life, id) = sent(gateway.play(call));
    let params = format!(r#""progressToken":{id},"progress":1,"message":"half of it is done""#);
    let mut line = texts::notice("notifications/progress", &params);
    line.push(b'\n');
    let run = move |event| match gateway.play(event) {
        Outcome::ToClient(_, message, false) => drop(black_box(message)),
        _ => panic!("no progress"),
    };
    Box::new(Plain::new(move || reading.read(life, &line), run))
}

/// Which child has a call now, and under which id.
fn sent(outcome: Outcome) -> (Life, u64) {
    match outcome {
        Outcome::ToChild(life, message) => match message.id {
            Some(Patch::Number(id)) => (life, id),
            _ => panic!("a call without an id of the gateway's own"),
        },
        _ => panic!("no child got the call"),
    }
}

/// A tool is called, and its server answers.
///
/// The id under which the hub will pass a call on must be known before, for the
/// answer. Hubs that hear the same do the same: so another one plays each call
/// ahead.
struct Call {
    payload: usize,
    /// Whether reading and writing the messages is part of it.
    with_wire: bool,
    ahead: Gateway,
    gateway: Gateway,
    prepared: VecDeque<Prepared>,
    /// How many were prepared so far.
    count: usize,
    batch: Vec<u8>,
}

enum Prepared {
    /// A client's POST, and the line of the child that answers it.
    Bytes(usize, Vec<u8>, Life, Vec<u8>),
    /// What the hub is told of the same.
    Events(Event, Event),
}

impl Call {
    fn boxed(cast: Cast, payload: usize, with_wire: bool) -> Box<dyn Scenario> {
        Box::new(Call {
            payload,
            with_wire,
            ahead: Gateway::new(cast),
            gateway: Gateway::new(cast),
            prepared: VecDeque::new(),
            count: 0,
            batch: Vec::new(),
        })
    }
}

impl Scenario for Call {
    fn prepare(&mut self) {
        let cast = self.ahead.cast;
        let (number, client) = (self.count, self.count % cast.clients);
        self.count += 1;
        let tool = texts::served(number % cast.servers, number % cast.tools);
        let request = texts::call(cast.client_era, number as u64, &tool, self.payload);
        let post = self.ahead.post(client, request.clone());
        let (life, id) = sent(self.ahead.play(post));
        let mut answer = texts::answer(cast.server_era, id, self.payload);
        answer.push(b'\n');
        let word = self.ahead.read(life, &answer);
        self.ahead.play(word);
        self.prepared.push_back(match self.with_wire {
            true => Prepared::Bytes(client, request, life, answer),
            false => Prepared::Events(
                self.gateway.post(client, request),
                self.gateway.read(life, &answer),
            ),
        });
    }

    fn run(&mut self) {
        match self.prepared.pop_front().expect("it was prepared") {
            Prepared::Bytes(client, request, life, answer) => {
                let post = self.gateway.post(client, request);
                match self.gateway.play(post) {
                    Outcome::ToChild(_, message) => write_line(&message, &mut self.batch),
                    _ => panic!("no child got the call"),
                }
                let word = self.gateway.read(life, &answer);
                match self.gateway.play(word) {
                    Outcome::ToClient(_, message, true) => black_box(write_body(message)),
                    _ => panic!("no answer"),
                };
            }
            Prepared::Events(post, word) => {
                let passed = self.gateway.play(post);
                assert!(matches!(passed, Outcome::ToChild(..)), "no child got it");
                drop(passed);
                let answered = self.gateway.play(word);
                assert!(
                    matches!(answered, Outcome::ToClient(_, _, true)),
                    "no answer"
                );
            }
        }
    }
}
