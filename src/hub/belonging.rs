//! Sessions: how they begin, which one a request belongs to, and how they end.

use crate::event::{Moment, SessionKey, Standing, View};
use crate::hub::Hub;
use crate::hub::clients::Address;
use crate::hub::lifecycle::Happening;
use crate::hub::refusal::Refusal;
use crate::hub::sessions::Session;
use crate::hub::streams::{StreamId, Streams};
use crate::hub::timers::Timer;
use crate::limits;
use crate::wire::handshake::Revision;

impl Hub {
    /// Enters a session, and says under which key; the longest idle one makes room
    /// for it if it must.
    pub(super) fn begin_session(
        &mut self,
        key: SessionKey,
        view: View,
    ) -> Result<SessionKey, Refusal> {
        if self.stopping {
            return Err(Refusal::Stopping);
        }
        if self.sessions.len() >= limits::SESSIONS_MAX {
            let streams = &self.streams;
            let idle = self
                .sessions
                .longest_unheard(|_, session| session.lone.is_none() && is_idle(session, streams));
            match idle {
                Some(idle) => {
                    self.lay_by(&idle);
                    self.end_session(&idle, None);
                }
                None => return Err(Refusal::TooManySessions(limits::SESSIONS_MAX)),
            }
        }
        Ok(self.sessions.insert(key, Session::new(view, self.now)))
    }

    /// The session an HTTP request belongs to.
    pub(super) fn known_session(
        &mut self,
        address: &Address,
    ) -> Result<SessionKey, (Standing, Refusal)> {
        let Some(key) = &address.session else {
            return Err((Standing::BadRequest, Refusal::MissingSession));
        };
        let mut entered = self.sessions.entry(key);
        if entered.is_none() {
            self.revive(key, &address.view)?;
            entered = self.sessions.entry(key);
        }
        let is_at = |s: &Session| s.view == address.view && s.whole.is_none() && s.lone.is_none();
        let Some((key, _)) = entered.filter(|(_, s)| is_at(s)) else {
            return Err((Standing::NotFound, Refusal::UnknownSession));
        };
        let key = key.clone();
        self.hear(&key);
        match &address.version {
            Some(version) if Revision::from_name(version).is_none() => Err((
                Standing::BadRequest,
                Refusal::UnknownVersion(version.to_string()),
            )),
            _ => Ok(key),
        }
    }

    /// Ends a session: its streams, its calls, its questions, its children.
    /// A client that ended it itself, or left, is told nothing more: some take
    /// a late answer for a fault.
    pub(super) fn end_session(&mut self, key: &SessionKey, why: Option<&Refusal>) {
        self.end_carried(key, why);
        if let Some(lease) = self.lease_for(key) {
            self.let_go(lease);
        }
        for fan in self.fans.of_session(key) {
            self.drop_fan(fan, why);
        }
        for call in self.calls.of_session(key) {
            self.abandon(call, why);
        }
        for round in self.rounds.of_session(key) {
            self.end_round(round, why);
        }
        self.drop_waiters_of(key, why);
        self.end_listening(key, why);
        self.drop_questions_to(key);
        let Some(session) = self.sessions.remove(key) else {
            return;
        };
        self.replay_bytes -= session.replay.bytes();
        self.listeners.remove(key);
        if let Some(timer) = session.idle {
            self.timers.cancel(timer);
        }
        for &stream in &session.streams {
            self.end_stream(stream);
        }
        for (uri, child) in &session.subscriptions {
            self.unsubscribe(key, uri, *child);
        }
        for &child in session.children.values() {
            match session.lone {
                Some(_) => self.put_by(child),
                None => self.happen(child, Happening::StopAsked),
            }
        }
        if session.level.is_some() && session.lone.is_none() {
            self.adjust_levels();
        }
    }

    /// Sets the time at which a session is looked at.
    pub(super) fn look_for_idleness(&mut self, key: &SessionKey, at: Moment) {
        let timer = self.timers.set(at, Timer::Idle(key.clone()));
        let session = self.sessions.get_mut(key);
        if let Some(before) = session.and_then(|session| session.idle.replace(timer)) {
            self.timers.cancel(before);
        }
    }

    /// Looks whether a session has been idle for too long.
    pub(super) fn idle_due(&mut self, key: &SessionKey) {
        let Some(session) = self.sessions.get(key) else {
            return;
        };
        let idle_for = self.now.since(session.heard);
        let has_own = !session.children.is_empty();
        if !is_idle(session, &self.streams) {
            // Twice as often as need be, so that it is never told too late for
            // those who may go on with it that somebody is connected.
            let wait = if has_own {
                limits::OWN_CHILD_IDLE_MAX
            } else {
                limits::SESSION_IDLE_MAX / 2
            };
            self.hear(key);
            return self.look_for_idleness(key, self.now.after(wait));
        }
        if idle_for >= limits::SESSION_IDLE_MAX {
            self.let_expire(key);
            return self.end_session(key, None);
        }
        let heard = session.heard;
        if has_own && idle_for < limits::OWN_CHILD_IDLE_MAX {
            return self.look_for_idleness(key, heard.after(limits::OWN_CHILD_IDLE_MAX));
        }
        self.look_for_idleness(key, heard.after(limits::SESSION_IDLE_MAX));
        if has_own {
            self.stop_own(key);
        }
    }
}

/// Whether nothing of a session is under way and nobody is connected for it,
/// so that only time tells whether it will be heard of again.
pub(super) fn is_idle(session: &Session, streams: &Streams) -> bool {
    let attached = |id: &StreamId| streams.get(*id).is_some_and(|s| s.outbox.is_some());
    session.unanswered == 0 && !session.streams.iter().any(attached)
}
