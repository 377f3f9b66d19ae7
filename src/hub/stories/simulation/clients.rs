//! The clients of a simulation, of all doors: they come, ask, answer, read
//! slowly, break off, come back, and leave.

use std::sync::LazyLock;

use crate::event::{Body, ClientMessage, Event, FromClient, Load, OutboxId, SessionKey, View};
use crate::hub::stories::cast::{initialize, nonce, notice, request, result};
use crate::hub::stories::simulation::Simulation;
use crate::hub::stories::world::Client;
use crate::limits;

/// Those of Streamable HTTP.
pub(super) const POSTERS: [&str; 5] = ["ann", "bob", "cid", "dan", "eve"];
/// Those of HTTP+SSE and of stdio.
pub(super) const STREAMERS: [&str; 3] = ["sse", "sso", "stdio"];
/// The parameters of a completion.
pub(super) const COMPLETE: &str =
    r#""ref":{"type":"ref/prompt","name":"git__p"},"argument":{"name":"a","value":"v"}"#;
/// A URI that is served, and too long for a subscription.
static LONG_URI: LazyLock<String> = LazyLock::new(|| {
    let rest = "x".repeat(limits::SUBSCRIPTION_URI_BYTES_MAX);
    format!(r#""uri":"git:///{rest}""#)
});
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
            let view = self.some_view();
            self.world.come(who, view);
        }
        self.may_look_elsewhere(who);
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

    fn some_view(&mut self) -> View {
        match self.dice.below(30) {
            0..5 => View::Server("git".into()),
            5..10 => View::Server("pad".into()),
            10..13 => View::Group("some".into()),
            13 => View::Group("none".into()),
            14 => View::Server("none".into()),
            _ => View::Merged,
        }
    }

    /// A client without a session may try another endpoint.
    fn may_look_elsewhere(&mut self, who: &str) {
        let client = &self.world.clients[who];
        let is_free = match client.whole {
            Some(stream) => {
                let exchange = &self.world.exchanges[&stream];
                exchange.over || exchange.left
            }
            None => client.session.is_none(),
        };
        // The answer to its `initialize` may be on its way.
        let connection = client.connection;
        let mut open = self.judge.unread.keys();
        let is_free = is_free && !open.any(|outbox| outbox.connection == connection);
        if is_free && self.dice.percent(30) {
            let view = self.some_view();
            let client = self.world.clients.get_mut(who);
            client.expect("it has come").view = view;
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
        SessionKey::of_id(format!("{who}-{}", self.world.clients[who].exchanges + 1))
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
        self.judge.initializes(&session, &id);
        self.posts(who, session, &initialize(&id, version));
    }

    pub(super) fn posts(&mut self, who: &str, session: SessionKey, text: &str) {
        self.posts_as(who, session, text, (true, None));
    }

    /// The same with other headers: with or without the id of its session, and
    /// with a protocol version.
    fn posts_as(
        &mut self,
        who: &str,
        session: SessionKey,
        text: &str,
        (knows_its_session, version): (bool, Option<String>),
    ) {
        let client = &self.world.clients[who];
        let word = FromClient::Post {
            view: client.view.clone(),
            session: client.session.clone().filter(|_| knows_its_session),
            version: version.map(Into::into),
            fresh: Some(nonce(self.fresh(who).id())),
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
                let headers = match self.dice.below(100) {
                    0 => (false, None),
                    1 => (true, Some("1999-01-01".to_owned())),
                    _ => (true, None),
                };
                self.posts_as(who, session, &text, headers);
            }
            55..60 => {
                let exchange = self.next_exchange(who);
                let first = self.something_to_ask(&session, exchange);
                let second = match self.dice.percent(5) {
                    true => initialize("\"late\"", VERSIONS[1]),
                    false => self.something_to_ask(&session, exchange),
                };
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
        let is_own = self.dice.percent(90);
        let from = match is_own {
            true => self.judge.seen.get(&session),
            false => self.judge.seen.values().next(),
        };
        let mut events: Vec<_> = from.into_iter().flatten().cloned().collect();
        // After a restart a stream is gone on with from the last that came of it.
        let epoch = self.world.hub.streams.epoch();
        let all = events.clone();
        events.retain(|event| {
            let of_same = all.iter().filter(|other| other.epoch == event.epoch);
            let mut of_same = of_same.filter(|other| other.stream == event.stream);
            event.epoch == epoch || of_same.all(|other| other.number <= event.number)
        });
        let resume = match self.dice.percent(60) {
            true => self.dice.pick(&events),
            false => None,
        };
        if !is_own {
            self.judge.astray.insert(self.next_exchange(who));
        }
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
        let begins = !begun && !self.dice.percent(5);
        let text = match self.dice.below(10) {
            place if begins || place == 0 && self.dice.percent(5) => {
                let (id, mark) = self.judge.mint(&session);
                self.judge.asks((&session, &id), mark, whole);
                self.judge.initializes(&session, &id);
                initialize(&id, VERSIONS[self.dice.below(VERSIONS.len())])
            }
            0..6 => self.something_to_ask(&session, whole),
            6 => self.something_lone_to_ask(&session, whole),
            _ => self.something_to_say(&session),
        };
        self.tells(who, session, text);
    }

    /// A client sends something that belongs to the stream of its session.
    pub(super) fn tells(&mut self, who: &str, session: SessionKey, text: String) {
        let client = &self.world.clients[who];
        let whole = client.whole.expect("its stream was open");
        let word = FromClient::Tell {
            view: client.view.clone(),
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
    pub(super) fn something_to_ask(&mut self, session: &SessionKey, exchange: OutboxId) -> String {
        let (id, mark) = self.judge.mint(session);
        self.judge.asks((session, &id), mark.clone(), exchange);
        if self.dice.percent(4) {
            let (method, member) = self.something_wrong_to_ask();
            return request(&id, method, &format!(r#"{{"mark":"{mark}",{member}}}"#));
        }
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
            19 => ("prompts/get", r#""name":"git__p""#),
            _ => ("ping", r#""k":1"#),
        };
        let meta = format!(r#""_meta":{{"progressToken":"{mark}"}}"#);
        let params = format!(r#"{{{meta},"mark":"{mark}",{member}}}"#);
        request(&id, method, &params)
    }

    /// What is not there, or cannot be understood, or is asked by few.
    fn something_wrong_to_ask(&mut self) -> (&'static str, &'static str) {
        let wrong = [
            ("tools/call", r#""name":"git__none""#),
            ("prompts/get", r#""name":"none""#),
            ("resources/read", r#""uri":"file:///both""#),
            ("resources/subscribe", r#""uri":"none:none""#),
            ("resources/subscribe", LONG_URI.as_str()),
            ("tools/list", r#""cursor":"none""#),
            ("tools/call", r#""name":7"#),
            ("none/such", r#""k":1"#),
            ("completion/complete", COMPLETE),
        ];
        self.dice.pick(&wrong).expect("there are some")
    }

    /// A cancellation, an answer, or another word that wants no answer.
    fn something_to_say(&mut self, session: &SessionKey) -> String {
        match self.dice.below(10) {
            0..4 => {
                let open = self.judge.open_ids(session);
                match self.dice.pick(&open) {
                    Some(id) => {
                        self.judge.cancels(session, &id, &self.world.hub);
                        notice(
                            "notifications/cancelled",
                            &format!(r#"{{"requestId":{id}}}"#),
                        )
                    }
                    None => notice("notifications/cancelled", r#"{"requestId":"none"}"#),
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
                let from = format!(r#"{{"from":"{}"}}"#, session.id());
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
        if unread.stalled {
            return;
        }
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
