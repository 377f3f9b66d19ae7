//! What outlives the process, as types: what servers offered when they were
//! last asked, and what the id of a session cannot carry. The hub says what is
//! to be kept (`Effect::Keep`) and is handed what was kept at its start; the
//! files are the business of `state`.
//!
//! A low room: it knows only the shapes of `wire`. Nothing here acts.

pub mod ended;

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use crate::sorted::{SortedMap, SortedSet};
use crate::wire::handshake::ServerHello;
use crate::wire::items::{Item, ItemKind};
use crate::wire::log_level::LogLevel;

/// Something that is to be kept.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Record {
    /// What a server offers, in place of what was kept of it.
    Lists {
        /// The server's name.
        server: String,
        /// What it offers.
        lists: Box<Lists>,
    },
    /// A word on a session.
    Session {
        /// Which.
        session: SessionName,
        /// What is new about it.
        word: SessionWord,
    },
    /// Sessions were heard of. One record for many: at the gateway's stop all are
    /// told that are connected. Lost, it costs them a part of their time and no
    /// more, so nothing else is told this way.
    Heard {
        /// Which.
        sessions: Vec<SessionName>,
        /// When, in seconds since 1970.
        at: u64,
    },
}

/// What a server said of itself and all that it listed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Lists {
    /// Tells whether it is still the same server: what it is started with.
    pub fingerprint: u64,
    /// Its answer to the greeting.
    pub hello: ServerHello,
    /// Its lists, each whole. A kind that is absent was never told.
    pub items: SortedMap<ItemKind, Vec<Item>>,
}

/// What tells a session from all others: the random part of its id, which is
/// no secret by itself. Its text is hexadecimal.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct SessionName(pub [u8; 16]);

impl SessionName {
    /// The name of this text, if it is one.
    pub fn from_text(text: &str) -> Option<SessionName> {
        let is_name = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let number = u128::from_str_radix(text, 16).ok().filter(|_| is_name);
        number.map(|number| SessionName(number.to_be_bytes()))
    }
}

#[cfg(test)]
impl SessionName {
    /// A name that a test can tell from others: the text's first 16 bytes.
    pub fn named(text: &str) -> SessionName {
        let mut name = [0; 16];
        name.iter_mut()
            .zip(text.bytes())
            .for_each(|(place, byte)| *place = byte);
        SessionName(name)
    }

    /// What it was named.
    pub fn given(self) -> String {
        let text = self.0.into_iter().filter(|byte| *byte != 0).collect();
        String::from_utf8(text).expect("a test named it")
    }
}

impl fmt::Display for SessionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

/// What is new about a session.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum SessionWord {
    /// It was heard of, in seconds since 1970. Told seldom.
    Heard(u64),
    /// Its client has ended it, or it has expired: its id is good for nothing.
    Ended,
    /// It has had children of its own, whose state no other process has.
    Own,
    /// It wants to be told log messages from this level on.
    Level(LogLevel),
    /// It wants to be told of changes of a resource.
    Subscribed {
        /// The name of the server.
        server: String,
        /// The resource, as that server calls it.
        uri: Arc<str>,
    },
    /// Not any more.
    Unsubscribed {
        /// The name of the server.
        server: String,
        /// The resource, as that server calls it.
        uri: Arc<str>,
    },
}

/// What was kept of a session.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Remembered {
    /// When it was last heard of, in seconds since 1970, as far as that was told;
    /// else the latest time that was told of any, when it was first named.
    pub heard: u64,
    /// Whether it has ended.
    pub ended: bool,
    /// Whether it has had what no other process has: children of its own, or
    /// more subscriptions than are kept. So it must begin anew, knowingly.
    pub own: bool,
    /// The log level it asked for.
    pub level: Option<LogLevel>,
    /// What it has subscribed to: names of servers, and resources.
    pub subscriptions: SortedSet<(String, Arc<str>)>,
}

/// All that was kept.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Recalled {
    /// What was kept of sessions.
    pub sessions: HashMap<SessionName, Remembered>,
    /// Sessions that began up to then, in seconds since 1970, and of which nothing
    /// was kept may have ended: that was forgotten for want of room.
    pub forgotten: Option<u64>,
    /// Sessions that began up to then, in seconds since 1970, must begin anew,
    /// whatever was kept of them: a word on one of them was lost.
    pub lost: Option<u64>,
    /// What servers offered, by their names.
    pub lists: SortedMap<String, Lists>,
}
