//! Who remembers what the clients of a simulation asked, and judges what they
//! got: the right answer, once, in the session that asked.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde_json::Value;

use crate::event::{Effect, Life, OutboxId, Parcel, SessionKey, Standing};
use crate::hub::Hub;
use crate::hub::stories::cast::{nonce, session_name};
use crate::hub::stories::reviving::remembered;
use crate::hub::stories::simulation::processes::{Processes, mark_in};
use crate::hub::stories::trace::text;
use crate::hub::stories::world::World;
use crate::limits;
use crate::record::SessionName;
use crate::wire::envelope::Kind;
use crate::wire::method::Method;
use crate::wire::outgoing::{Outgoing, Patch};
use crate::wire::sse::EventId;

/// What an answer says that was lost with its process.
const LOST: &str = "the gateway was started anew";

/// What is remembered.
#[derive(Debug, Default)]
pub(super) struct Judge {
    /// The session that each exchange belongs to.
    sessions: HashMap<OutboxId, SessionKey>,
    /// The requests without an answer, by session and id.
    open: BTreeMap<(SessionKey, String), Request>,
    /// The requests that were without an answer when their process ended, by
    /// session and id.
    lost: BTreeSet<(SessionKey, String)>,
    /// The exchanges in which clients go on with another's stream: they are told
    /// that what they never asked is lost.
    pub(super) astray: BTreeSet<OutboxId>,
    /// The session of each mark ever made.
    marks: BTreeMap<String, SessionKey>,
    /// How many requests each session has made.
    minted: HashMap<SessionKey, usize>,
    /// The events each session was sent.
    pub(super) seen: BTreeMap<SessionKey, BTreeSet<EventId>>,
    /// The questions each session was asked, by their numbers.
    pub(super) asked: BTreeMap<SessionKey, BTreeSet<u64>>,
    /// The sessions that their clients have begun.
    begun: BTreeSet<SessionKey>,
    /// The sessions whose clients say no more.
    pub(super) finished: BTreeSet<SessionKey>,
    /// The sessions that are known to be over.
    pub(super) over: BTreeSet<SessionKey>,
    /// Whom each question was put to, by the life that asks and its id for it.
    put_to: BTreeMap<(Life, String), SessionKey>,
    /// The calls of clients without a session, by their marks.
    pub(super) lone: BTreeMap<String, Lone>,
    /// Those of them that were answered with questions.
    pub(super) asking: Vec<Asking>,
    /// The sessions of another process that must go on in this one.
    pub(super) lasting: BTreeSet<SessionKey>,
    /// The sessions that were there when a day went by in silence: their ids may
    /// have expired.
    aged: BTreeSet<SessionKey>,
    /// What lies unread in each open exchange.
    pub(super) unread: BTreeMap<OutboxId, Unread>,
    serial: u64,
}

/// A request without an answer.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) mark: String,
    /// Where its answer was to come.
    exchange: OutboxId,
    cancelled: bool,
    /// Whether it is never taken back: that is an `initialize`.
    is_first: bool,
    /// Whether its answer is the end of it, as of a subscription.
    lasts: bool,
}

/// A call of a client without a session.
#[derive(Debug, Clone)]
pub(super) struct Lone {
    pub(super) method: &'static str,
    /// Its parameters but for `_meta`, as members.
    pub(super) members: String,
}

/// Such a call that was answered with questions.
#[derive(Debug, Clone)]
pub(super) struct Asking {
    pub(super) mark: String,
    pub(super) state: String,
    pub(super) keys: Vec<String>,
    /// The lives that ask.
    pub(super) lives: BTreeSet<Life>,
}

/// What lies in an outbox, and what was taken out and not told of.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Unread {
    pub(super) parcels: usize,
    pub(super) messages: u32,
    pub(super) bytes: u64,
    /// Its reader has stopped reading.
    pub(super) stalled: bool,
}

impl Judge {
    /// A new id, equal in type and value to those of other sessions, and its mark.
    pub(super) fn mint(&mut self, session: &SessionKey) -> (String, String) {
        self.serial += 1;
        let mark = format!("<{}>", self.serial);
        self.marks.insert(mark.clone(), session.clone());
        let minted = self.minted.entry(session.clone()).or_default();
        let of_session = *minted;
        *minted += 1;
        let id = match of_session % 2 {
            0 => (of_session / 2).to_string(),
            _ => format!("\"{}\"", of_session / 2),
        };
        (id, mark)
    }

    /// A client asks, in an exchange that is about to begin.
    pub(super) fn asks(
        &mut self,
        (session, id): (&SessionKey, &str),
        mark: String,
        exchange: OutboxId,
    ) {
        let request = Request {
            mark,
            exchange,
            cancelled: false,
            is_first: false,
            lasts: false,
        };
        let before = self.open.insert((session.clone(), id.to_owned()), request);
        assert!(before.is_none(), "ids are minted once");
    }

    /// A client begins a session with this request.
    pub(super) fn initializes(&mut self, session: &SessionKey, id: &str) {
        self.begun.insert(session.clone());
        if let Some(request) = self.open.get_mut(&(session.clone(), id.to_owned())) {
            request.is_first = true;
        }
    }

    /// This request is answered when its stream ends, if at all.
    pub(super) fn listens(&mut self, session: &SessionKey, id: &str) {
        if let Some(request) = self.open.get_mut(&(session.clone(), id.to_owned())) {
            request.lasts = true;
        }
    }

    /// An exchange begins, in that session.
    pub(super) fn begins(&mut self, exchange: OutboxId, session: SessionKey) {
        self.sessions.insert(exchange, session);
        self.unread.insert(exchange, Unread::default());
    }

    /// The ids of a session's requests without an answer that may be taken back.
    pub(super) fn open_ids(&self, session: &SessionKey) -> Vec<String> {
        let mine = self.open.iter().filter(|((key, _), _)| key == session);
        let mine = mine.filter(|(_, request)| !request.is_first);
        mine.map(|((_, id), _)| id.clone()).collect()
    }

    /// Whether a session has been begun by its client.
    pub(super) fn has_begun(&self, session: &SessionKey) -> bool {
        self.begun.contains(session)
    }

    /// A client takes a request back. It may have its answer already, if that
    /// waits for the return of its reader.
    pub(super) fn cancels(&mut self, session: &SessionKey, id: &str, hub: &Hub) {
        if hub.is_awaited(session, id)
            && let Some(request) = self.open.get_mut(&(session.clone(), id.to_owned()))
        {
            request.cancelled = true;
        }
    }

    /// An exchange is over, or its client has left it.
    pub(super) fn closes(&mut self, exchange: OutboxId) {
        self.unread.remove(&exchange);
    }

    /// More than a day goes by, and nobody says a word.
    pub(super) fn a_day_goes_by(&mut self) {
        self.lasting.clear();
        self.aged.clone_from(&self.begun);
    }

    /// Another process has begun: what was under way is lost, but sessions go on,
    /// unless they have ended or had children of their own.
    pub(super) fn begin_anew(&mut self, world: &World) {
        let open = std::mem::take(&mut self.open);
        self.lost.extend(open.into_keys());
        self.unread.clear();
        self.asked.clear();
        self.put_to.clear();
        self.asking.clear();
        let remembered = remembered(&world.kept);
        let is_over = |key: &&SessionKey| {
            let name = SessionName(nonce(&session_name(key)).0);
            let known = remembered.get(&name);
            known.is_some_and(|known| known.ended || known.own)
        };
        let posters = world.clients.values().filter(|c| c.whole.is_none());
        let keys = posters.filter_map(|client| client.session.as_ref());
        let lasting = keys.filter(|key| !is_over(key) && !self.aged.contains(*key));
        self.lasting = lasting.cloned().collect();
    }

    /// Nobody who still listens waits for an answer.
    pub(super) fn nobody_waits(&self, world: &World) {
        for ((session, id), request) in &self.open {
            let exchange = &world.exchanges[&request.exchange];
            assert!(
                request.cancelled || request.lasts || exchange.over || exchange.left,
                "{} of {session:?} still waits for {id} {}",
                exchange.name,
                request.mark
            );
        }
    }

    /// Judges what a client gets.
    pub(super) fn see(&mut self, effect: &Effect, world: &World, processes: &Processes) {
        let (outbox, parcel) = match effect {
            Effect::ToClient { outbox, parcel } => (outbox, parcel),
            Effect::ToChild { life, message } => return self.reply(*life, message),
            _ => return,
        };
        let session = self.sessions[outbox].clone();
        self.count(*outbox, parcel, world);
        match parcel {
            Parcel::Welcome {
                session: key,
                message,
            } => {
                assert_eq!(*key, session, "a welcome to a session of another name");
                self.answered(&session, message);
            }
            Parcel::Message {
                message,
                event,
                last,
            } => {
                self.message(*outbox, message, event.as_ref(), processes);
                if *last {
                    self.all_answered(*outbox);
                }
            }
            Parcel::Verdict { standing, message } => {
                let says_which = message.as_ref().is_some_and(|m| id_of(m) != "null");
                if let (Some(message), true) = (message, says_which) {
                    self.answered(&session, message);
                }
                // Its endpoint may have been taken out of the configuration.
                let view = &world.clients[&world.exchanges[outbox].client].view;
                let is_there = world.hub.check_view(view).is_ok();
                let lasts = *standing == Standing::NotFound && self.lasting.contains(&session);
                assert!(!lasts || !is_there, "{session:?} is lost");
                if *standing == Standing::Ended {
                    self.lasting.remove(&session);
                }
                if matches!(standing, Standing::NotFound | Standing::Ended) {
                    self.over.insert(session);
                }
                if *standing != Standing::Accepted {
                    self.open.retain(|_, request| request.exchange != *outbox);
                }
            }
            Parcel::Opened {
                prime: Some(event), ..
            } => {
                self.seen.entry(session).or_default().insert(event.clone());
            }
            Parcel::Opened { .. } | Parcel::Report(_) | Parcel::End | Parcel::Cut => {}
        }
        if world.exchanges[outbox].over {
            self.closes(*outbox);
        }
    }

    /// An outbox never overflows.
    fn count(&mut self, outbox: OutboxId, parcel: &Parcel, world: &World) {
        if let Some(unread) = self.unread.get_mut(&outbox) {
            unread.parcels += 1;
            let slots = match world.exchanges[&outbox].client.as_str() {
                "stdio" => limits::STDIO_OUTBOX_SLOTS,
                _ => limits::OUTBOX_SLOTS,
            };
            assert!(unread.parcels <= slots, "an outbox overflows");
            if let Parcel::Message { message, .. } = parcel {
                unread.messages += 1;
                unread.bytes += message.len_max() as u64;
            }
        }
    }

    fn message(
        &mut self,
        outbox: OutboxId,
        message: &Outgoing,
        event: Option<&EventId>,
        processes: &Processes,
    ) {
        let session = &self.sessions[&outbox].clone();
        if let Some(event) = event {
            let seen = self.seen.entry(session.clone()).or_default();
            let is_new = seen.insert(event.clone());
            if !is_new {
                return; // told once more to a client that came back
            }
        }
        match &message.message.kind {
            Kind::Answer { .. } if id_of(message) == "null" => {}
            Kind::Answer { .. } if text(message).contains(LOST) => {
                let request = (session.clone(), id_of(message));
                assert!(
                    self.lost.contains(&request) || self.astray.contains(&outbox),
                    "{request:?} was not under way when the gateway was started anew"
                );
            }
            Kind::Answer { .. } => self.answered(session, message),
            Kind::Request(_) => self.question(session, message, processes),
            Kind::Notification(Method::Progress) => {
                let text = text(message);
                let mark = mark_in(&text).expect("progress carries its client's token");
                let mut mine = self.open.iter().filter(|((key, _), _)| key == session);
                // A client that comes back hears what came before it took the
                // request back.
                let expects = |request: &Request| {
                    request.mark == mark && !(request.cancelled && request.exchange == outbox)
                };
                assert!(
                    mine.any(|(_, request)| expects(request)),
                    "progress of nothing that {session:?} waits for: {text}"
                );
            }
            Kind::Notification(_) => {}
        }
    }

    /// An answer is the first one to an open request of this very session, and
    /// carries the mark of it.
    fn answered(&mut self, session: &SessionKey, message: &Outgoing) {
        let text = text(message);
        let id = id_of(message);
        let request = self
            .open
            .remove(&(session.clone(), id))
            .unwrap_or_else(|| panic!("{session:?} does not wait for {text}"));
        assert!(
            !request.cancelled,
            "{session:?} has taken this back: {text}"
        );
        if text.contains("\"input_required\"") {
            let is_lone = self.lone.contains_key(&request.mark);
            assert!(is_lone, "{session:?} is of the handshake era: {text}");
            self.asked_in_answer(request.mark, &text);
        } else if let Some(mark) = mark_in(&text) {
            assert_eq!(mark, request.mark, "{session:?} got another's answer");
        }
    }

    /// An answer that asks: each question is put to the call of that mark. What
    /// a stateless child asks, which is given no state here, nobody answers.
    fn asked_in_answer(&mut self, mark: String, text: &str) {
        let value: Value = serde_json::from_str(text).expect("messages are JSON");
        let result = &value["result"];
        let (Some(state), Some(questions)) = (
            result["requestState"].as_str(),
            result["inputRequests"].as_object(),
        ) else {
            return;
        };
        let mut asking = Asking {
            state: state.to_owned(),
            keys: Vec::new(),
            lives: BTreeSet::new(),
            mark,
        };
        for (key, question) in questions {
            let params = &question["params"];
            let life = Life(
                params["life"]
                    .as_u64()
                    .expect("a child says which life asks"),
            );
            asking.keys.push(key.clone());
            asking.lives.insert(life);
            let put_to = SessionKey::of_id(asking.mark.as_str());
            self.put_to
                .insert((life, params["question"].to_string()), put_to);
        }
        self.asking.push(asking);
    }

    /// The last message of a POST leaves none of its requests unanswered.
    fn all_answered(&self, exchange: OutboxId) {
        for (key, request) in &self.open {
            assert!(
                request.exchange != exchange || request.cancelled,
                "{key:?} was not answered before the end"
            );
        }
    }

    /// The sessions that have made calls of these marks.
    pub(super) fn callers(&self, marks: &BTreeSet<String>) -> BTreeSet<SessionKey> {
        let in_session = marks.iter().filter(|mark| !self.lone.contains_key(*mark));
        in_session.map(|mark| self.marks[mark].clone()).collect()
    }

    /// The answer to a child's question comes from whom it was put to.
    fn reply(&self, life: Life, message: &Outgoing) {
        if message.message.kind == Kind::Request(Method::ToolsCall) {
            return self.repeated(message);
        }
        if message.message.kind != (Kind::Answer { failed: false }) {
            return;
        }
        let text = text(message);
        if let Some(from) = after(&text, "\"from\":\"") {
            let put_to = &self.put_to[&(life, id_of(message))];
            assert_eq!(put_to.id(), from, "another answered for it: {text}");
        }
    }

    /// The answers that a call brings come from the session whose call it is.
    fn repeated(&self, message: &Outgoing) {
        let text = text(message);
        let Some(mark) = mark_in(&text).filter(|mark| !self.lone.contains_key(mark)) else {
            return;
        };
        for part in text.split("\"from\":\"").skip(1) {
            let from = part.split('"').next().unwrap_or_default();
            assert_eq!(
                self.marks[&mark].id(),
                from,
                "another answered for it: {text}"
            );
        }
    }

    /// A question comes from a child that this session has called.
    fn question(&mut self, session: &SessionKey, message: &Outgoing, processes: &Processes) {
        let Some(Patch::Number(number)) = message.id else {
            panic!("a question without a number of ours");
        };
        let text = text(message);
        let life = after(&text, "\"life\":").and_then(|life| life.parse().ok());
        let life = Life(life.expect("a child says which life asks"));
        let id = text.split("\"question\":").nth(1);
        let id = id.and_then(|rest| rest.split(',').next());
        let id = id.expect("a child says which question it is").to_owned();
        self.put_to.insert((life, id), session.clone());
        // One that died meanwhile has asked before its stream was resumed; and a
        // session's own child may ask before its present life was called.
        let callers = processes.alive.get(&life).map(|p| self.callers(&p.marks));
        assert!(
            callers.is_none_or(|callers| callers.is_empty() || callers.contains(session)),
            "{session:?} never called {life:?}"
        );
        assert!(
            !self.finished.contains(session),
            "{session:?} is asked though it says no more"
        );
        self.asked
            .entry(session.clone())
            .or_default()
            .insert(number);
    }
}

/// The id of an answer, as JSON text.
fn id_of(message: &Outgoing) -> String {
    match &message.id {
        Some(Patch::Json(id)) => id.to_string(),
        other => panic!("a client's answer has the id {other:?}"),
    }
}

/// What stands behind `key` in a text, up to the end of the value.
fn after<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(key)?;
    rest.split(['"', '}', ',']).next()
}
