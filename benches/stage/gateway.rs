//! A hub with servers that have started and clients that are connected, driven
//! by events and effects alone, as the dispatcher drives it. Here is also what
//! the threads around it do to the bytes: those at the doors and at the pipes.
//! No thread, no socket, no clock: the moments follow each other in equal steps.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use mcproxy::budget::Budget;
use mcproxy::child::stdout::understand;
use mcproxy::config::checked::{Protocol, Scope, ToolRules};
use mcproxy::event::{
    Body, Effect, Event, FromChild, FromClient, Life, Load, Moment, OutboxId, Parcel, ServerId,
    SessionKey, View,
};
use mcproxy::hub::{Hub, Outset};
use mcproxy::limits;
use mcproxy::plan::{Plan, Readiness, ServerPlan, Servers};
use mcproxy::record::Recalled;
use mcproxy::seal::Seal;
use mcproxy::sorted::SortedMap;
use mcproxy::wire::envelope::{Kind, Message};
use mcproxy::wire::lines::{Line, Lines};
use mcproxy::wire::outgoing::{Outgoing, Patch};
use mcproxy::wire::pieces::Pieces;
use mcproxy::wire::session_id::Nonce;

use crate::stage::texts::{self, Era};

/// How far apart two events are.
const STEP: Duration = Duration::from_micros(10);

/// The wall clock at moment zero, since 1970.
const UNIX: Duration = Duration::from_secs(1_800_000_000);

/// What all messages count in: as much as they like.
const BUDGET_BYTES: usize = 1 << 40;

/// What a gateway of a scenario has around it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cast {
    pub(crate) servers: usize,
    /// How many tools each of them has.
    pub(crate) tools: usize,
    /// The era that they are of.
    pub(crate) server_era: Era,
    /// The era that clients are of.
    pub(crate) client_era: Era,
    /// How many sessions have begun; of the stateless era, how many connections
    /// clients have.
    pub(crate) clients: usize,
}

impl Cast {
    /// One client and one server with five tools, both of the handshake era.
    pub(crate) const SMALL: Cast = Cast {
        servers: 1,
        tools: 5,
        server_era: Era::Handshake,
        client_era: Era::Handshake,
        clients: 1,
    };
}

/// The gateway.
pub(crate) struct Gateway {
    pub(crate) cast: Cast,
    hub: Hub,
    now: Moment,
    effects: Vec<Effect>,
    /// What was written to each child and not reported yet.
    untold: BTreeMap<Life, Load>,
    /// What was written on the one stream and not reported yet.
    unread: Load,
    sessions: Vec<Option<SessionKey>>,
    /// How many exchanges have begun, on all connections together.
    exchanges: u32,
    budget: Arc<Budget>,
    lines: Lines,
}

/// What the hub has made of one message.
pub(crate) enum Outcome {
    /// It goes to a child.
    ToChild(Life, Outgoing),
    /// A client gets a message, and whether that is the last of its exchange.
    ToClient(OutboxId, Outgoing, bool),
    /// A client gets a verdict without a message.
    Verdict,
    /// Nothing that is of interest here.
    Nothing,
}

impl Gateway {
    /// All servers have started, all clients are connected.
    pub(crate) fn new(cast: Cast) -> Gateway {
        let outset = Outset {
            seal: Seal::new(b"bench", None),
            recalled: Recalled::default(),
            seed: 0,
            unix: UNIX,
        };
        let budget = Budget::new(BUDGET_BYTES);
        let mut gateway = Gateway {
            cast,
            hub: Hub::new(plan(cast), outset),
            now: Moment::default(),
            effects: Vec::new(),
            untold: BTreeMap::new(),
            unread: Load::default(),
            sessions: Vec::new(),
            exchanges: 0,
            lines: Lines::within(limits::MAX_CHILD_MESSAGE_SIZE.default as usize, &budget),
            budget,
        };
        gateway.hub.start(gateway.now, &mut gateway.effects);
        gateway.start_servers();
        gateway.connect_clients();
        gateway
    }

    /// Plays the first words of all servers, until nothing is asked of them and
    /// no catalog waits to be built.
    fn start_servers(&mut self) {
        let mut words = VecDeque::new();
        loop {
            for effect in std::mem::take(&mut self.effects) {
                match effect {
                    Effect::Spawn { life, .. } => {
                        self.untold.insert(life, Load::default());
                        words.push_back((life, FromChild::Spawned { pid: 17 }));
                    }
                    Effect::ToChild { life, message } => {
                        let word = self
                            .own_answer(&message)
                            .map(|text| read_line(text, &self.budget));
                        words.extend(word.map(|word| (life, word)));
                    }
                    _ => {}
                }
            }
            let Some((life, word)) = words.pop_front() else {
                break;
            };
            self.hear(Event::Child { life, word });
        }
        // What has changed is gathered before it is told.
        self.now = self.now.after(limits::LIST_CHANGED_WAIT);
        self.hear(Event::Tick);
        self.effects.clear();
    }

    fn own_answer(&self, message: &Outgoing) -> Option<Vec<u8>> {
        match (&message.message.kind, &message.id) {
            (Kind::Request(method), Some(Patch::Number(id))) => {
                texts::own_answer(*id, method, self.cast.tools)
            }
            _ => None,
        }
    }

    fn connect_clients(&mut self) {
        for client in 0..self.cast.clients {
            self.sessions.push(None);
            if self.cast.client_era == Era::Handshake {
                let event = self.post(client, texts::initialize());
                self.hear(event);
                let welcomed = self.effects.drain(..).find_map(|effect| match effect {
                    Effect::ToClient {
                        parcel: Parcel::Welcome { session, .. },
                        ..
                    } => Some(session),
                    _ => None,
                });
                assert!(welcomed.is_some(), "client {client} is not welcome");
                self.sessions[client] = welcomed;
            }
        }
    }

    /// What the door tells of a POST of that client.
    pub(crate) fn post(&mut self, client: usize, bytes: Vec<u8>) -> Event {
        self.exchanges += 1;
        let mut nonce = [0; 16];
        nonce[..8].copy_from_slice(&u64::from(self.exchanges).to_le_bytes());
        // As the door takes both from the headers.
        let session = self.sessions[client].as_ref();
        let session = session.map(|key| SessionKey::of_id(key.id()));
        let version = match self.cast.client_era {
            Era::Handshake => session.as_ref().map(|_| "2025-11-25"),
            Era::Stateless => Some("2026-07-28"),
        };
        let budget = &self.budget;
        Event::Client {
            outbox: OutboxId {
                connection: client as u64,
                exchange: self.exchanges,
            },
            word: FromClient::Post {
                view: View::Merged,
                session,
                version: version.map(Into::into),
                fresh: Some(Nonce(nonce)),
                mirrored: Vec::new(),
                body: Body::read_with(bytes, |message| Arc::new(message.weighing(budget))),
            },
        }
    }

    /// What the thread at a child's stdout tells of what it has read, one line
    /// and its line break.
    pub(crate) fn read(&mut self, life: Life, line: &[u8]) -> Event {
        let (budget, mut word) = (&self.budget, None);
        for chunk in line.chunks(limits::CHILD_READ_BYTES) {
            self.lines.feed(chunk, |line| {
                if let Line::Whole(line) = line {
                    word = Some(read_line(line.into_owned(), budget));
                }
            });
        }
        let word = word.expect("a whole line");
        Event::Child { life, word }
    }

    /// The hub hears of something, and what it has made of that.
    pub(crate) fn play(&mut self, event: Event) -> Outcome {
        self.hear(event);
        let mut outcome = Outcome::Nothing;
        let mut effects = std::mem::take(&mut self.effects);
        for effect in effects.drain(..) {
            match effect {
                Effect::ToChild { life, message } => outcome = Outcome::ToChild(life, message),
                Effect::ToClient { outbox, parcel } => match parcel {
                    Parcel::Message { message, last, .. } => {
                        outcome = Outcome::ToClient(outbox, message, last);
                    }
                    Parcel::Verdict { .. } => outcome = Outcome::Verdict,
                    _ => {}
                },
                _ => {}
            }
        }
        self.effects = effects;
        match &outcome {
            Outcome::ToChild(life, message) => self.tell_taken(*life, message.len_max() as u64),
            Outcome::ToClient(outbox, message, last) => {
                self.tell_read(*outbox, message.len_max() as u64, *last);
            }
            Outcome::Verdict | Outcome::Nothing => {}
        }
        outcome
    }

    /// What the thread at a child's stdin tells now and then.
    fn tell_taken(&mut self, life: Life, bytes: u64) {
        let load = self.untold.entry(life).or_default();
        load.messages += 1;
        load.bytes += bytes;
        if load.messages >= limits::TAKEN_MESSAGES || load.bytes >= limits::TAKEN_BYTES {
            let word = FromChild::Taken(std::mem::take(load));
            self.hear(Event::Child { life, word });
        }
    }

    /// What a door tells of a large answer, and of a stream now and then.
    fn tell_read(&mut self, outbox: OutboxId, bytes: u64, last: bool) {
        self.unread.messages += 1;
        self.unread.bytes += bytes;
        let (messages, most) = match last {
            true => (u32::MAX, limits::UNREAD_ANSWER_BYTES_LEAST),
            false => (limits::TAKEN_MESSAGES, limits::TAKEN_BYTES),
        };
        let load = self.unread;
        let is_told = load.messages >= messages || load.bytes >= most;
        if is_told || last {
            self.unread = Load::default();
        }
        if is_told {
            let word = FromClient::Taken(load);
            self.hear(Event::Client { outbox, word });
        }
    }

    /// What the dispatcher does with an event.
    fn hear(&mut self, event: Event) {
        self.now = self.now.after(STEP);
        self.hub.wall_clock(self.now, UNIX + self.now.0);
        self.hub.handle(self.now, event, &mut self.effects);
        if self.hub.next_deadline().is_some_and(|due| due <= self.now) {
            self.hub.handle(self.now, Event::Tick, &mut self.effects);
        }
    }
}

/// What the thread at a child's stdout makes of one line.
fn read_line(line: Vec<u8>, budget: &Arc<Budget>) -> FromChild {
    let message = Message::parse(line).expect("servers of scenarios speak JSON-RPC");
    understand(message.weighing(budget), Arc::new)
}

/// What the thread at a child's stdin writes.
pub(crate) fn write_line(message: &Outgoing, batch: &mut Vec<u8>) {
    batch.clear();
    message.write_to(batch);
    batch.push(b'\n');
}

/// What a door writes as the body of an answer; its length.
pub(crate) fn write_body(message: Outgoing) -> usize {
    let mut body = Pieces::default();
    body.message(&message);
    drop(message);
    body.slices().iter().map(|slice| slice.len()).sum()
}

/// Shared servers, and the defaults of a configuration that says nothing.
fn plan(cast: Cast) -> Plan {
    let mut servers = Servers::default();
    for number in 0..cast.servers {
        let id = ServerId(u32::try_from(number).expect("few servers"));
        servers.push(id, server(number, cast.server_era));
    }
    Plan {
        servers,
        groups: SortedMap::new(),
        tool_name_max: 64,
        queue_max: 1_000,
        processes_max: 10,
        connection_timeout: Duration::from_secs(30),
        instructions_wait: Duration::ZERO,
        reconnect_delay: Duration::from_secs(1),
        reconnect_attempts_max: 3,
        ping_interval: Duration::from_secs(15),
    }
}

fn server(number: usize, era: Era) -> ServerPlan {
    ServerPlan {
        name: texts::server(number),
        prefix: texts::server(number),
        scope: Scope::Shared,
        protocol: match era {
            Era::Handshake => Protocol::Legacy,
            Era::Stateless => Protocol::Modern,
        },
        tools: ToolRules::default(),
        startup_timeout: Duration::from_secs(60),
        timeout: Duration::from_secs(60),
        concurrent_max: 1_000,
        is_lazy: false,
        idle_stop: None,
        listed_when_parked: true,
        // Pings come by the clock, not by the call.
        is_pinged: false,
        readiness: Readiness::Enabled,
        fault: None,
        fingerprint: 1,
    }
}
