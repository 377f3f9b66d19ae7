//! Sessions that outlive the process. The id of one over Streamable HTTP is a
//! ticket, sealed: whoever brings it back to a process with the same key, a
//! restarted one or a replica, goes on without a new `initialize`. What a ticket
//! cannot carry is told for the journal, and taken from it.

use std::sync::Arc;
use std::time::Duration;

use crate::config::checked::Scope;
use crate::event::{Effect, Moment, ServerId, SessionKey, Standing, View};
use crate::hub::Hub;
use crate::hub::belonging::is_idle;
use crate::hub::refusal::Refusal;
use crate::hub::sessions::{Kept, Session};
use crate::hub::streams::StreamId;
use crate::limits;
use crate::record::{Record, Remembered, SessionName, SessionWord};
use crate::seal::Purpose;
use crate::wire::envelope::{Kind, Message};
use crate::wire::handshake::ClientHello;
use crate::wire::method::Method;
use crate::wire::outgoing::Outgoing;
use crate::wire::session_id::{Nonce, Ticket};

/// What an id opens at: the endpoint it was given at, and no other.
fn context_of(view: &View) -> [&[u8]; 2] {
    match view {
        View::Merged => [b"merged", b""],
        View::Server(name) => [b"server", name.as_bytes()],
        View::Group(name) => [b"group", name.as_bytes()],
    }
}

fn name_of(nonce: Nonce) -> SessionName {
    SessionName(nonce.0)
}

impl Hub {
    /// What time it is, since 1970: clocks are set and machines sleep, of which
    /// the moments know nothing.
    pub fn wall_clock(&mut self, now: Moment, unix: Duration) {
        self.unix = unix.saturating_sub(now.0);
    }

    /// A moment in seconds since 1970.
    fn unix_at(&self, moment: Moment) -> u64 {
        self.unix.saturating_add(moment.0).as_secs()
    }

    /// The id of a session that begins now, and what is known of it beyond the
    /// process.
    pub(super) fn sealed_id(
        &self,
        view: &View,
        fresh: Nonce,
        hello: &ClientHello,
    ) -> (SessionKey, Kept) {
        let start = self.unix_at(self.now);
        let ticket = Ticket::new(fresh, start, hello).encode();
        let id = self
            .seal
            .seal(Purpose::SessionId, &context_of(view), &ticket);
        let kept = Kept {
            name: name_of(fresh),
            told: start,
            is_known: false,
            own: false,
            gap: false,
        };
        (SessionKey::of_id(id), kept)
    }

    /// Enters a session again that is not in the book, if its id says that there
    /// was one and nothing says that it is over.
    pub(super) fn revive(
        &mut self,
        key: &SessionKey,
        view: &View,
    ) -> Result<(), (Standing, Refusal)> {
        let unknown = || (Standing::NotFound, Refusal::UnknownSession);
        let payload = self
            .seal
            .open(Purpose::SessionId, &context_of(view), key.id());
        let ticket = payload.ok().and_then(|bytes| Ticket::decode(&bytes));
        let ticket = ticket.ok_or_else(unknown)?;
        let name = name_of(ticket.nonce);
        if !self.goes_on(&ticket, self.absent.get(name).as_ref()) {
            return Err(unknown());
        }
        let key = &self
            .begin_session(key.clone(), view.clone())
            .map_err(|refusal| (Standing::Busy, refusal))?;
        let remembered = self.absent.take(name).unwrap_or_default();
        log::debug!("session {key:?}: {:?} goes on", ticket.name);
        if let Some(session) = self.sessions.get_mut(key) {
            session.revision = Some(ticket.revision);
            session.hello = Some(Box::new(ticket.hello()));
            session.kept = Some(Box::new(Kept {
                name,
                told: 0,
                is_known: false,
                own: false,
                gap: true,
            }));
        }
        self.look_for_idleness(key, self.now.after(limits::SESSION_IDLE_MAX));
        self.restore_session(key, view, remembered);
        Ok(())
    }

    /// Whether a session that is not in the book can go on.
    fn goes_on(&self, ticket: &Ticket, remembered: Option<&Remembered>) -> bool {
        if self.absent.may_lack_words(ticket.start) {
            return false;
        }
        let heard = match remembered {
            Some(Remembered { ended, own, .. }) if *ended || *own => return false,
            Some(remembered) => remembered.heard.max(ticket.start),
            None if self.absent.may_have_been(ticket.start) => return false,
            None => ticket.start,
        };
        let idle_for = self.unix_at(self.now).saturating_sub(heard);
        idle_for < limits::SESSION_IDLE_MAX.as_secs()
    }

    /// Gives a session back what its id could not carry. Servers that are gone,
    /// or that it does not see any more, are passed over.
    fn restore_session(&mut self, key: &SessionKey, view: &View, remembered: Remembered) {
        let subscriptions = remembered.subscriptions.into_iter();
        for (server, uri) in subscriptions.take(limits::SESSION_SUBSCRIPTIONS_MAX) {
            let named = |id: &ServerId| self.server(*id).name == server;
            let server = self.servers_of_view(view).into_iter().find(named);
            let shared = server.filter(|id| self.server(*id).scope == Scope::Shared);
            if let Some(server) = shared {
                self.subscribe_again(key, server, uri);
            }
        }
        if let Some(level) = remembered.level {
            if let Some(session) = self.sessions.get_mut(key) {
                session.level = Some(level);
                self.listeners.insert(key.clone());
            }
            self.adjust_levels();
        }
    }

    fn subscribe_again(&mut self, key: &SessionKey, server: ServerId, uri: Arc<str>) {
        let Some(child) = self.main_of(server) else {
            return;
        };
        if uri.len() <= limits::SUBSCRIPTION_URI_BYTES_MAX && self.has_room(child, &uri) {
            self.listen_at(key, uri, server, child);
            self.wake(child);
        }
    }

    /// A session was heard of: that is told now and then, so that it does not
    /// expire for those who go on with it.
    pub(super) fn hear(&mut self, key: &SessionKey) {
        let name = self.note_heard(key);
        self.tell_heard(name.into_iter().collect());
    }

    /// A session was heard of. Its name, if it is time to tell that.
    fn note_heard(&mut self, key: &SessionKey) -> Option<SessionName> {
        let unix = self.unix_at(self.now);
        let session = self.sessions.get_mut(key)?;
        session.heard = self.now;
        let kept = session.kept.as_mut()?;
        let every = limits::SESSION_HEARD_EVERY.as_secs();
        let is_due = unix.saturating_sub(kept.told) >= every;
        is_due.then(|| {
            kept.told = unix;
            kept.name
        })
    }

    /// One record for them all, and none for nobody.
    fn tell_heard(&mut self, sessions: Vec<SessionName>) {
        if !sessions.is_empty() {
            let at = self.unix_at(self.now);
            let record = Record::Heard { sessions, at };
            self.effects.push(Effect::Keep(record));
        }
    }

    /// Tells something of a session that its id cannot carry.
    pub(super) fn tell_of(&mut self, key: &SessionKey, word: SessionWord) {
        let unix = self.unix_at(self.now);
        let kept = self.sessions.get_mut(key).and_then(|s| s.kept.as_mut());
        let Some(kept) = kept else {
            return;
        };
        let session = kept.name;
        let mut tell = |word| {
            let record = Record::Session { session, word };
            self.effects.push(Effect::Keep(record));
        };
        // Whatever is remembered of it is remembered for as long as its id is
        // good, which is counted from a time no earlier than its start. That it was
        // heard of may have been told before; but such a word may have been lost.
        if !std::mem::replace(&mut kept.is_known, true) {
            kept.told = unix;
            tell(SessionWord::Heard(unix));
        }
        tell(word);
    }

    /// A session is over for good: its id must not bring it back.
    pub(super) fn outlaw(&mut self, key: &SessionKey) {
        self.tell_of(key, SessionWord::Ended);
        let unix = self.unix_at(self.now);
        let session = self.sessions.get(key);
        if let Some(kept) = session.and_then(|session| session.kept.as_ref()) {
            self.absent.end(kept.name, unix);
        }
    }

    /// A session has been idle for too long. So says its id itself, but for what
    /// was told of it since.
    pub(super) fn let_expire(&mut self, key: &SessionKey) {
        let kept = self.sessions.get(key).and_then(|s| s.kept.as_ref());
        if kept.is_some_and(|kept| kept.is_known) {
            self.tell_of(key, SessionWord::Ended);
        }
    }

    /// A session has to make room for another, and may come back.
    pub(super) fn lay_by(&mut self, key: &SessionKey) {
        let Some(session) = self.sessions.get(key) else {
            return;
        };
        let Some(kept) = &session.kept else {
            return;
        };
        let subscriptions = session.subscriptions.iter();
        let named = |(uri, child): &(Arc<str>, _)| {
            let server = self.children.get(*child)?.server;
            Some((self.server(server).name.clone(), uri.clone()))
        };
        let remembered = Remembered {
            heard: self.unix_at(session.heard),
            ended: false,
            own: kept.own,
            level: session.level,
            subscriptions: subscriptions.filter_map(named).collect(),
        };
        let unix = self.unix_at(self.now);
        self.absent.put(kept.name, remembered, unix);
    }

    /// A session gets a child of its own, which no other process will have.
    pub(super) fn has_own(&mut self, key: &SessionKey) {
        let kept = self.sessions.get_mut(key).and_then(|s| s.kept.as_mut());
        if kept.is_some_and(|kept| !std::mem::replace(&mut kept.own, true)) {
            self.tell_of(key, SessionWord::Own);
        }
    }

    /// A session has begun, or ceased, to want word of a resource of a child.
    pub(super) fn subscription_word(
        &mut self,
        key: &SessionKey,
        server: ServerId,
        uri: &Arc<str>,
        wants: bool,
    ) {
        let (server, uri) = (self.server(server).name.clone(), uri.clone());
        self.tell_of(
            key,
            match wants {
                true => SessionWord::Subscribed { server, uri },
                false => SessionWord::Unsubscribed { server, uri },
            },
        );
    }

    /// Before the gateway stops: somebody who is connected is heard of, though
    /// he has long said nothing. In one record, for the queue to the disk is shorter
    /// than the list of those who may be connected.
    pub(super) fn hear_the_connected(&mut self) {
        let streams = &self.streams;
        let is_connected = |session: &Session| session.kept.is_some() && !is_idle(session, streams);
        let connected = self.sessions.keys_where(is_connected);
        let names = connected.iter().filter_map(|key| self.note_heard(key));
        let names = names.collect();
        self.tell_heard(names);
    }

    /// Whether a session was entered again, and its client has not been told so;
    /// from now on it has.
    pub(super) fn take_gap(&mut self, key: &SessionKey) -> bool {
        let kept = self.sessions.get_mut(key).and_then(|s| s.kept.as_mut());
        kept.is_some_and(|kept| std::mem::take(&mut kept.gap))
    }

    /// Has a client look anew at all lists that can change: what it missed cannot
    /// be told otherwise.
    pub(super) fn tell_gap(&mut self, key: &SessionKey, stream: StreamId) {
        let has = self.lists_of(key);
        for (changes, method) in [
            (has.tools, Method::ToolsChanged),
            (has.prompts, Method::PromptsChanged),
            (has.resources, Method::ResourcesChanged),
        ] {
            if changes {
                let message = Message::build(Kind::Notification(method), None);
                self.notify(stream, Outgoing::plain(message.into()));
            }
        }
    }
}
