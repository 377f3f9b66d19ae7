//! The scenarios by name. The first part of a name says which room is measured:
//! `wire`, `catalog`, `hub`, or `call` for the hub and the wire together.

use std::hint::black_box;

use mcproxy::catalog::merge::Catalog;
use mcproxy::catalog::offer::{Offer, Rules, Source};
use mcproxy::event::{Life, ServerId};
use mcproxy::sorted::SortedMap;
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
    ("call/handshake/100B", || whole_call(Cast::SMALL, SMALL)),
    ("call/handshake/64KiB", || whole_call(Cast::SMALL, LARGE)),
    ("call/list/2000-tools", || list(MANY, true)),
    ("call/stateless/100B", || whole_call(STATELESS, SMALL)),
    ("call/stateless/64KiB", || whole_call(STATELESS, LARGE)),
    ("catalog/lookup/2000-tools", || lookup(50, 40)),
    ("catalog/lookup/5-tools", || lookup(1, 5)),
    ("hub/call/1-session", || hub_call(Cast::SMALL)),
    ("hub/call/1000-sessions", || hub_call(CROWD)),
    ("hub/call/2000-tools", || hub_call(MANY)),
    ("hub/call/handshake-to-stateless", || hub_call(FORWARD)),
    ("hub/call/stateless", || hub_call(STATELESS)),
    ("hub/call/stateless-to-handshake", || hub_call(BACKWARD)),
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
    let rename = SortedMap::new();
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
    let (life, message) = passed(gateway.play(call));
    let id = own_id(&message);
    let params = format!(r#""progressToken":{id},"progress":1,"message":"half of it is done""#);
    let mut line = texts::notice("notifications/progress", &params);
    line.push(b'\n');
    let run = move |event| match gateway.play(event) {
        Outcome::ToClient(_, message, false) => drop(black_box(message)),
        _ => panic!("no progress"),
    };
    Box::new(Plain::new(move || reading.read(life, &line), run))
}

/// A tool is called, and its server answers: what the hub does about it.
fn hub_call(cast: Cast) -> Box<dyn Scenario> {
    let mut rehearsal = Rehearsal::new(cast, SMALL);
    let mut reading = Gateway::new(cast);
    let mut gateway = Gateway::new(cast);
    let make = move || {
        let call = rehearsal.next();
        let post = reading.post(call.client, call.request);
        (post, reading.read(call.life, &call.answer))
    };
    let run = move |(post, word)| {
        black_box(passed(gateway.play(post)));
        black_box(answered(gateway.play(word)));
    };
    Box::new(Plain::new(make, run))
}

/// The same with all that is done to the messages: they are read, understood,
/// and written with other ids.
fn whole_call(cast: Cast, payload: usize) -> Box<dyn Scenario> {
    let mut rehearsal = Rehearsal::new(cast, payload);
    let mut gateway = Gateway::new(cast);
    let mut batch = Vec::new();
    let run = move |call: Played| {
        let post = gateway.post(call.client, call.request);
        let (_, request) = passed(gateway.play(post));
        write_line(&request, &mut batch);
        drop(request);
        let word = gateway.read(call.life, &call.answer);
        black_box(write_body(answered(gateway.play(word))));
    };
    Box::new(Plain::new(move || rehearsal.next(), run))
}

/// Plays calls ahead. The id under which the hub will pass a call on must be
/// known beforehand, for the answer; and hubs that hear the same do the same.
struct Rehearsal {
    gateway: Gateway,
    payload: usize,
    /// How many it has played.
    count: usize,
}

/// A call as it was played.
struct Played {
    client: usize,
    /// What that client posted.
    request: Vec<u8>,
    /// The child that got it.
    life: Life,
    /// The line that the child wrote.
    answer: Vec<u8>,
}

impl Rehearsal {
    fn new(cast: Cast, payload: usize) -> Rehearsal {
        Rehearsal {
            gateway: Gateway::new(cast),
            payload,
            count: 0,
        }
    }

    /// The next call: of another client, tool and server each time.
    fn next(&mut self) -> Played {
        let Rehearsal { gateway, count, .. } = self;
        let cast = gateway.cast;
        let client = *count % cast.clients;
        let tool = texts::served(*count % cast.servers, *count % cast.tools);
        let request = texts::call(cast.client_era, *count as u64, &tool, self.payload);
        *count += 1;
        let post = gateway.post(client, request.clone());
        let (life, message) = passed(gateway.play(post));
        let mut answer = texts::answer(cast.server_era, own_id(&message), self.payload);
        answer.push(b'\n');
        let word = gateway.read(life, &answer);
        answered(gateway.play(word));
        Played {
            client,
            request,
            life,
            answer,
        }
    }
}

/// The request that a child got.
fn passed(outcome: Outcome) -> (Life, Outgoing) {
    match outcome {
        Outcome::ToChild(life, message) => (life, message),
        _ => panic!("no child got the call"),
    }
}

/// The answer that a client got.
fn answered(outcome: Outcome) -> Outgoing {
    match outcome {
        Outcome::ToClient(_, message, true) => message,
        _ => panic!("no client got an answer"),
    }
}

/// The id that the gateway has given a request.
fn own_id(message: &Outgoing) -> u64 {
    match message.id {
        Some(Patch::Number(id)) => id,
        _ => panic!("a request without an id of the gateway's own"),
    }
}
