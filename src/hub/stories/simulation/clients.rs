//! The clients of a simulation, of all doors: they come, ask, answer, read
//! slowly, break off, come back, and leave.

use crate::event::{Body, ClientMessage, Event, FromClient, Load, OutboxId, SessionKey, View};
use crate::hub::stories::cast::{initialize, nonce, notice, request, result};
use crate::hub::stories::simulation::Simulation;
use crate::hub::stories::world::Client;
use crate::limits;

/// Those of Streamable HTTP.
const POSTERS: [&str; 5] = ["ann", "bob", "cid", "dan", "eve"];
/// Those of HTTP+SSE and of stdio.
const STREAMERS: [&str; 3] = ["sse", "sso", "stdio"];
const VERSIONS: [&str; 4] = ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"];

impl Simulation {
    /// Some client does something.
    pub(super) fn client_acts(&mut self) {
        if self.dice.percent(40) {
            return self.reader_acts();
        }
        let (who, is_poster) = match self.dice.percent(70) {
            true => (POSTERS[self.dice.below(POSTERS.len())], true),
            false => (STREAMERS[self.dice.below(STREAMERS.len())], false),
        };
        if !self.world.clients.contains_key(who) {
            let view = match self.dice.below(5) {
                0 => View::Server("git".into()),
                1 => View::Server("pad".into()),
                _ => View::Merged,
            };
            self.world.come(who, view);
        }
        let client = &self.world.clients[who];
        let whole = client.whole.is_some_and(|stream| {
            let exchange = &self.world.exchanges[&stream];
            !exchange.over && !exchange.left
        });
        match (is_poster, client.session.is_some(), whole) {
            (true, false, _) => self.initializes(who),
            (true, true, _) => self.poster_acts(who),
            (false, _, false) => self.opens(who),
            (false, _, true) => self.streamer_acts(who),
        }
    }

    /// The name of the exchange that a client would begin now.
    pub(super) fn next_exchange(&self, who: &str) -> OutboxId {
        let client = &self.world.clients[who];
        OutboxId {
            connection: client.connection,
            exchange: client.exchanges + 1,
        }
    }

    pub(super) fn fresh(&self, who: &str) -> SessionKey {
        SessionKey(format!("{who}-{}", self.world.clients[who].exchanges + 1).into())
    }

    /// The id that a session of Streamable HTTP gets which begins now.
    fn sealed(&mut self, who: &str, version: &str) -> SessionKey {
        let body = Body::read(initialize("0", version).into());
        let Body::Single(ClientMessage::Initialize(_, hello)) = body else {
            panic!("it is an initialize");
        };
        let hub = &mut self.world.hub;
        hub.now = self.world.now;
        let fresh = nonce(&format!("{who}-{}", self.world.clients[who].exchanges + 1));
        let (key, _) = hub.sealed_id(&self.world.clients[who].view, fresh, &hello);
        key
    }

    fn session(&self, who: &str) -> SessionKey {
        let client: &Client = &self.world.clients[who];
        client.session.clone().expect("it has one")
    }

    /// A client does something in an exchange of its own, in that session.
    fn begins(&mut self, who: &str, session: SessionKey, word: FromClient) {
        self.tell(|| format!("{who}: {word:?}").chars().take(300).collect());
        self.judge.begins(self.next_exchange(who), session);
        self.world.begin(who, word);
        self.look();
    }

    fn initializes(&mut self, who: &str) {
        let version = VERSIONS[self.dice.below(VERSIONS.len())];
        let session = self.sealed(who, version);
        let (id, mark) = self.judge.mint(&session);
        let exchange = self.next_exchange(who);
        self.judge.asks((&session, &id), mark, exchange);
        self.posts(who, session, &initialize(&id, version));
    }

    pub(super) fn posts(&mut self, who: &str, session: SessionKey, text: &str) {
        let client = &self.world.clients[who];
        let word = FromClient::Post {
            view: client.view.clone(),
            session: client.session.clone(),
            version: None,
            fresh: nonce(&self.fresh(who).0),
            mirrored: Vec::new(),
            body: Body::read(text.into()),
        };
        self.begins(who, session, word);
    }

    fn opens(&mut self, who: &str) {
        let fresh = self.fresh(who);
        let view = self.world.clients[who].view.clone();
        self.world
            .clients
            .get_mut(who)
            .expect("it has come")
            .session = None;
        let slots = match who {
            "stdio" => limits::STDIO_OUTBOX_SLOTS,
            _ => limits::OUTBOX_SLOTS,
        };
        let word = FromClient::Open {
            view,
            fresh: fresh.clone(),
            slots,
        };
        self.begins(who, fresh, word);
    }

    fn poster_acts(&mut self, who: &str) {
        let session = self.session(who);
        match self.dice.below(100) {
            0..55 => {
                let exchange = self.next_exchange(who);
                let text = self.something_to_ask(&session, exchange);
                self.posts(who, session, &text);
            }
            55..60 => {
                let exchange = self.next_exchange(who);
                let first = self.something_to_ask(&session, exchange);
                let second = self.something_to_ask(&session, exchange);
                self.posts(who, session, &format!("[{first},{second}]"));
            }
            60..82 => {
                let text = self.something_to_say(&session);
                self.posts(who, session, &text);
            }
            82..90 => self.listens(who, session),
            90..92 => {
                let client = &self.world.clients[who];
                let word = FromClient::Delete {
                    view: client.view.clone(),
                    session: client.session.clone(),
                };
                self.begins(who, session, word);
            }
            92..94 => self.initializes(who),
            94 => self.posts(who, session, "{\"jsonrpc\":"),
            _ => {}
        }
    }

    /// Listens, anew or where some stream broke; now and then it is another's.
    fn listens(&mut self, who: &str, session: SessionKey) {
        let from = match self.dice.percent(90) {
            true => self.judge.seen.get(&session),
            false => self.judge.seen.values().next(),
        };
        let events: Vec<_> = from.into_iter().flatten().copied().collect();
        let resume = match self.dice.percent(60) {
            true => self.dice.pick(&events),
            false => None,
        };
        let client = &self.world.clients[who];
        let word = FromClient::Listen {
            view: client.view.clone(),
            session: client.session.clone(),
            version: None,
            resume,
        };
        self.begins(who, session, word);
    }

    fn streamer_acts(&mut self, who: &str) {
        let session = self.session(who);
        let whole = self.world.clients[who].whole.expect("its stream is open");
        let begun = self.judge.has_begun(&session);
        if self.judge.finished.contains(&session) {
            return;
        }
        if begun && who == "stdio" && self.dice.percent(3) {
            self.judge.finished.insert(session);
            let word = FromClient::Finished;
            return self.handle(Event::Client {
                outbox: whole,
                word,
            });
        }
        let text = match self.dice.below(10) {
            _ if !begun => {
                let (id, mark) = self.judge.mint(&session);
                self.judge.asks((&session, &id), mark, whole);
                initialize(&id, VERSIONS[self.dice.below(VERSIONS.len())])
            }
            0..6 => self.something_to_ask(&session, whole),
            6 => self.something_lone_to_ask(&session, whole),
            _ => self.something_to_say(&session),
        };
        let word = FromClient::Tell {
            view: self.world.clients[who].view.clone(),
            session: session.clone(),
            body: Body::read(text.into()),
        };
        match who {
            "stdio" => self.handle(Event::Client {
                outbox: whole,
                word,
            }),
            _ => self.begins(who, session, word),
        }
    }

    /// A request, noted with the exchange where its answer is to come.
    fn something_to_ask(&mut self, session: &SessionKey, exchange: OutboxId) -> String {
        let (id, mark) = self.judge.mint(session);
        self.judge.asks((session, &id), mark.clone(), exchange);
        let (method, member) = match self.dice.below(26) {
            20..24 => ("tools/call", r#""name":"new__x""#),
            24 => ("resources/subscribe", r#""uri":"file:///new""#),
            25 => ("resources/unsubscribe", r#""uri":"file:///new""#),
            0..5 => ("tools/call", r#""name":"git__x""#),
            5..8 => ("tools/call", r#""name":"time__x""#),
            8..11 => ("tools/call", r#""name":"pad__x""#),
            11 => ("tools/call", r#""name":"x""#),
            12 => ("tools/list", r#""k":1"#),
            13 => ("resources/read", r#""uri":"file:///hidden""#),
            14 => ("resources/read", r#""uri":"file:///linked""#),
            15 => ("resources/subscribe", r#""uri":"file:///git""#),
            16 => ("resources/subscribe", r#""uri":"file:///pad""#),
            17 => ("resources/unsubscribe", r#""uri":"file:///git""#),
            18 => ("logging/setLevel", r#""level":"info""#),
            _ => ("ping", r#""k":1"#),
        };
        let meta = format!(r#""_meta":{{"progressToken":"{mark}"}}"#);
        let params = format!(r#"{{{meta},"mark":"{mark}",{member}}}"#);
        request(&id, method, &params)
    }

    /// A cancellation, an answer, or another word that wants no answer.
    fn something_to_say(&mut self, session: &SessionKey) -> String {
        match self.dice.below(10) {
            0..4 => {
                let open = self.judge.open_ids(session);
                match self.dice.pick(&open) {
                    // The first request is `initialize`, which is never taken back.
                    Some(id) if id != "0" => {
                        self.judge.cancels(session, &id, &self.world.hub);
                        notice(
                            "notifications/cancelled",
                            &format!(r#"{{"requestId":{id}}}"#),
                        )
                    }
                    _ => notice("notifications/cancelled", r#"{"requestId":"none"}"#),
                }
            }
            4..8 => {
                let everybodys = self.judge.asked.values().next();
                let from = match self.dice.percent(90) {
                    true => self.judge.asked.get(session),
                    false => everybodys,
                };
                let numbers: Vec<u64> = from.into_iter().flatten().copied().collect();
                // Mostly it is what was asked last that is still open.
                let newest = numbers.len().saturating_sub(3);
                let number = match self.dice.percent(70) {
                    true => self.dice.pick(&numbers[newest..]),
                    false => self.dice.pick(&numbers),
                };
                let number = number.unwrap_or(0);
                if self.dice.percent(10) {
                    let error = r#"{"code":-1,"message":"no"}"#;
                    return format!(r#"{{"jsonrpc":"2.0","id":{number},"error":{error}}}"#);
                }
                let from = format!(r#"{{"from":"{}"}}"#, session.0);
                result(&number.to_string(), &from)
            }
            8 => notice("notifications/roots/list_changed", ""),
            _ => {
                let token = self.dice.below(50);
                let params = format!(r#"{{"progress":1,"progressToken":{token}}}"#);
                notice("notifications/progress", &params)
            }
        }
    }

    /// Somebody reads what lies for it, or breaks off, or loses patience.
    pub(super) fn reader_acts(&mut self) {
        let open: Vec<OutboxId> = self.judge.unread.keys().copied().collect();
        let Some(outbox) = self.dice.pick(&open) else {
            return;
        };
        match self.dice.below(100) {
            0..8 => self.leaves(outbox),
            8..16 => self.handle(Event::Client {
                outbox,
                word: FromClient::Patience,
            }),
            _ => self.reads(outbox),
        }
    }

    fn reads(&mut self, outbox: OutboxId) {
        let Some(unread) = self.judge.unread.get_mut(&outbox) else {
            return;
        };
        unread.parcels = 0;
        if unread.messages < limits::TAKEN_MESSAGES && unread.bytes < limits::TAKEN_BYTES {
            return;
        }
        let load = Load {
            messages: std::mem::take(&mut unread.messages),
            bytes: std::mem::take(&mut unread.bytes),
        };
        let word = FromClient::Taken(load);
        self.handle(Event::Client { outbox, word });
    }

    fn leaves(&mut self, outbox: OutboxId) {
        let exchange = self.world.exchanges.get_mut(&outbox);
        exchange.expect("it was begun").left = true;
        self.judge.closes(outbox);
        let word = FromClient::Gone;
        self.handle(Event::Client { outbox, word });
    }

    /// Every client leaves; those of Streamable HTTP end their sessions.
    pub(super) fn everybody_leaves(&mut self) {
        for who in POSTERS {
            let session = self.world.clients.get(who).and_then(|c| c.session.clone());
            if let Some(session) = session {
                let word = FromClient::Delete {
                    view: self.world.clients[who].view.clone(),
                    session: Some(session.clone()),
                };
                self.begins(who, session, word);
            }
        }
        let open: Vec<OutboxId> = self.judge.unread.keys().copied().collect();
        for outbox in open {
            if self.judge.unread.contains_key(&outbox) {
                self.leaves(outbox);
            }
        }
    }
}
