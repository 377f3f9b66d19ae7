//! What the lines of the journal come to: each session with what is remembered
//! of it. Pure, and bounded in sessions and in bytes; what does not fit is
//! forgotten in the order in which it is missed least.

use std::collections::{BTreeSet, HashMap};

use crate::limits;
use crate::record::ended::Ended;
use crate::record::{Remembered, SessionName, SessionWord};
use crate::state::line;

/// All sessions that something is remembered of.
#[derive(Debug, Default)]
pub struct Table {
    living: HashMap<SessionName, Entry>,
    /// The same by when they were heard of.
    order: BTreeSet<(u64, SessionName)>,
    ended: Ended,
    /// How many bytes the lines may have that say all this of the living.
    bytes: usize,
    /// The latest time that was told of any session.
    latest: u64,
    /// A session that began up to then and is not here may have ended, or may have
    /// to begin anew: that was forgotten for want of room.
    forgotten: Option<u64>,
    /// Of sessions that began up to then something was lost on its way here. It is
    /// known for ever: a session may last for months.
    lost: Option<u64>,
}

#[derive(Debug)]
struct Entry {
    remembered: Remembered,
    bytes: usize,
}

impl Table {
    /// An empty one, at a time in seconds since 1970; what of its sessions began up
    /// to a time may have been forgotten already.
    pub fn new(now: u64, forgotten: Option<u64>) -> Table {
        Table {
            latest: now,
            forgotten,
            ..Table::default()
        }
    }

    /// Takes a word in. Tells what must be written so that reading it back comes
    /// to the same: mostly that word, and nothing if it says nothing new.
    ///
    /// A session that is first named without a time counts as heard of at the
    /// latest time that is known. What has ended stays so, whatever is said.
    pub fn apply(&mut self, session: SessionName, word: SessionWord) -> Option<SessionWord> {
        if self.ended.heard(session).is_some() {
            return None;
        }
        let known = self.take(session);
        if word == SessionWord::Ended {
            let heard = known.map_or(0, |entry| entry.remembered.heard);
            self.ended.insert(session, self.time_of(heard));
            self.make_room();
            return Some(word);
        }
        let is_new = known.is_none();
        let mut entry = known.unwrap_or_default();
        let news = entry.learn(session, word);
        if let Some(SessionWord::Heard(at)) = news {
            self.latest = self.latest.max(at);
        }
        if is_new && news.is_none() {
            return None;
        }
        entry.remembered.heard = self.time_of(entry.remembered.heard);
        self.put(session, entry);
        self.make_room();
        news
    }

    /// A time, or the latest that is known in the place of none.
    fn time_of(&self, heard: u64) -> u64 {
        match heard {
            0 => self.latest,
            heard => heard,
        }
    }

    /// Sets the time, which only now is known for certain: what was heard of
    /// later than that was not, and what was not heard of for
    /// [`limits::SESSION_IDLE_MAX`] is forgotten, as its id is good for nothing.
    pub fn set_time(&mut self, now: u64) {
        self.latest = now;
        self.forgotten = self.forgotten.map(|until| until.min(now));
        self.lost = self.lost.map(|until| until.min(now));
        let living = self.living.iter();
        let ahead: Vec<SessionName> = living
            .filter(|(_, entry)| entry.remembered.heard > now)
            .map(|(session, _)| *session)
            .collect();
        for session in ahead {
            if let Some(mut entry) = self.take(session) {
                entry.remembered.heard = now;
                self.put(session, entry);
            }
        }
        self.ended.set_time(now);
        self.expire();
    }

    /// Forgets what was not heard of for [`limits::SESSION_IDLE_MAX`], by the
    /// latest time that is known.
    pub fn expire(&mut self) {
        let oldest = self
            .latest
            .saturating_sub(limits::SESSION_IDLE_MAX.as_secs());
        while let Some(session) = self.first().filter(|(heard, _)| *heard < oldest) {
            self.take(session.1);
        }
        self.ended.expire(oldest);
        // What began so early has expired as well.
        self.forgotten = self.forgotten.filter(|until| *until >= oldest);
    }

    /// Up to when sessions began that may have been forgotten: one that is not
    /// here may have ended all the same.
    pub fn forgotten(&self) -> Option<u64> {
        self.forgotten
    }

    /// A word was lost, at a time in seconds since 1970.
    pub fn lose(&mut self, at: u64) {
        self.lost = self.lost.max(Some(at));
    }

    /// When that last was: a session that began up to then may have ended, or have
    /// had what no other process has, whatever is remembered of it.
    pub fn lost(&self) -> Option<u64> {
        self.lost
    }

    /// All of it, for the hub.
    pub fn sessions(&self) -> HashMap<SessionName, Remembered> {
        let living = self.living.iter();
        living
            .map(|(session, entry)| (*session, entry.remembered.clone()))
            .chain(self.ended())
            .collect()
    }

    fn ended(&self) -> impl Iterator<Item = (SessionName, Remembered)> {
        self.ended.iter().map(|(session, heard)| {
            let ended = Remembered {
                heard,
                ended: true,
                ..Remembered::default()
            };
            (session, ended)
        })
    }

    /// All of it as a journal.
    pub fn lines(&self) -> String {
        let mut lines = String::with_capacity(self.bytes());
        lines += &line::first(self.latest, self.forgotten);
        lines += &self.lost.map(line::of_loss).unwrap_or_default();
        for (session, entry) in &self.living {
            lines += &line::of_session(*session, &entry.remembered);
        }
        for (session, ended) in self.ended() {
            lines += &line::of_session(session, &ended);
        }
        lines
    }

    /// How many bytes these lines may have.
    pub fn bytes(&self) -> usize {
        self.bytes + self.ended.len() * limits::STATE_HEAD_BYTES
    }

    /// Forgets what is too much: first the living, for an id that has ended must
    /// stay dead for as long as it could be used.
    fn make_room(&mut self) {
        while self.ended.len() > limits::SESSIONS_ENDED_MAX {
            let forgotten = self.ended.forget_first();
            self.forgotten = self.forgotten.max(forgotten);
        }
        while self.living.len() > limits::SESSIONS_MAX
            || self.bytes() > limits::STATE_LIVE_BYTES_MAX
        {
            let Some((_, session)) = self.first() else {
                return;
            };
            self.forget(session);
        }
    }

    /// Forgets a session for want of room. Had it merely been heard of, nothing is
    /// lost but that.
    fn forget(&mut self, session: SessionName) {
        let Some(Entry { remembered, .. }) = self.take(session) else {
            return;
        };
        if remembered.own || !remembered.subscriptions.is_empty() {
            // It began no later than it was heard of.
            self.forgotten = self.forgotten.max(Some(remembered.heard));
        }
    }

    /// The session not heard of for longest among the living, and when that was.
    fn first(&self) -> Option<(u64, SessionName)> {
        self.order.first().copied()
    }

    fn take(&mut self, session: SessionName) -> Option<Entry> {
        let entry = self.living.remove(&session)?;
        self.order.remove(&(entry.remembered.heard, session));
        self.bytes -= entry.bytes;
        Some(entry)
    }

    fn put(&mut self, session: SessionName, entry: Entry) {
        self.order.insert((entry.remembered.heard, session));
        self.bytes += entry.bytes;
        self.living.insert(session, entry);
    }
}

impl Default for Entry {
    fn default() -> Entry {
        Entry {
            remembered: Remembered::default(),
            bytes: limits::STATE_HEAD_BYTES,
        }
    }
}

impl Entry {
    /// Takes a word in; tells what is new. That it has ended is no word for one
    /// that lives.
    fn learn(&mut self, session: SessionName, word: SessionWord) -> Option<SessionWord> {
        let known = &mut self.remembered;
        let is_news = match &word {
            SessionWord::Heard(at) => {
                let is_later = *at > known.heard;
                known.heard = known.heard.max(*at);
                is_later
            }
            SessionWord::Ended => false,
            SessionWord::Own => !std::mem::replace(&mut known.own, true),
            SessionWord::Level(level) => known.level.replace(*level) != Some(*level),
            SessionWord::Subscribed { server, uri } => {
                let resource = (server.clone(), uri.clone());
                if known.subscriptions.contains(&resource) {
                    return None;
                }
                let bytes = line::of_word(session, &word).len();
                if !self.has_room(server, uri, bytes) {
                    // It would wait in vain for word of this one.
                    return self.learn(session, SessionWord::Own);
                }
                self.bytes += bytes;
                self.remembered.subscriptions.insert(resource)
            }
            SessionWord::Unsubscribed { server, uri } => {
                let resource = (server.clone(), uri.clone());
                let was_there = known.subscriptions.remove(&resource);
                if was_there {
                    let (server, uri) = resource;
                    let before = SessionWord::Subscribed { server, uri };
                    self.bytes -= line::of_word(session, &before).len();
                }
                was_there
            }
        };
        is_news.then_some(word)
    }

    /// Whether one more subscription is kept.
    fn has_room(&self, server: &str, uri: &str, bytes: usize) -> bool {
        self.remembered.subscriptions.len() < limits::SESSION_SUBSCRIPTIONS_MAX
            && server.len() <= limits::SERVER_NAME_LENGTH_MAX
            && uri.len() <= limits::SUBSCRIPTION_URI_BYTES_MAX
            && self.bytes + bytes <= limits::STATE_SESSION_BYTES_MAX
    }
}

#[cfg(test)]
mod tests;
