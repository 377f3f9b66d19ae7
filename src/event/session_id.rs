//! The id of a session, as clients write it.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{BuildHasher, Hash, Hasher, RandomState};
use std::sync::{Arc, LazyLock};

use crate::bytes::are_same;
use crate::seats::Seat;

/// The id of a session, visible ASCII as Streamable HTTP asks. One that a stream
/// carries as a whole, and so ends with it, has 128 random bits as hexadecimal
/// text, minted by the doors, for the hub has no dice. That of a session over
/// Streamable HTTP is sealed by the hub, and outlives the process.
#[derive(Clone, Eq)]
pub struct SessionId {
    text: Arc<str>,
    hash: u32,
    /// Where the hub has entered its session, in an id that comes from there.
    seat: Option<Seat>,
}

impl SessionId {
    /// The id of that text.
    pub fn new(text: impl Into<Arc<str>>) -> SessionId {
        /// The same for all ids of the process, so that equal ones hash alike,
        /// and drawn anew for each process, so that nobody can choose texts
        /// whose hashes are alike.
        static KEYS: LazyLock<RandomState> = LazyLock::new(RandomState::new);
        let text = text.into();
        let hash = KEYS.hash_one(&*text) as u32;
        SessionId {
            text,
            hash,
            seat: None,
        }
    }

    /// The same id, of the session in that seat.
    #[must_use]
    pub fn at(self, seat: Seat) -> SessionId {
        let seat = Some(seat);
        SessionId { seat, ..self }
    }

    /// Where its session sits, if that is known; another may sit there by now.
    pub fn seat(&self) -> Option<Seat> {
        self.seat
    }

    /// Whether both have their text from the same id.
    pub fn shares_text_of(&self, other: &SessionId) -> bool {
        Arc::ptr_eq(&self.text, &other.text)
    }

    /// As clients write it.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

/// A session id is a secret: whoever knows it can speak in the session.
/// Traces and logs show its beginning only.
impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown: String = self.text.chars().take(6).collect();
        write!(f, "SessionId({shown}…)")
    }
}

/// Ids that share their text, as nearly all of one session do, are told to be
/// equal without reading it.
impl PartialEq for SessionId {
    fn eq(&self, other: &SessionId) -> bool {
        self.hash == other.hash
            && (self.shares_text_of(other) || are_same(self.text.as_bytes(), other.text.as_bytes()))
    }
}

/// By the text alone, as that they are equal.
impl Ord for SessionId {
    fn cmp(&self, other: &SessionId) -> Ordering {
        self.text.cmp(&other.text)
    }
}

impl PartialOrd for SessionId {
    fn partial_cmp(&self, other: &SessionId) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// It brings its hash, for the text is long.
impl Hash for SessionId {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u32(self.hash);
    }
}

#[cfg(test)]
mod tests {
    use super::SessionId;

    #[test]
    fn ids_are_the_same_by_their_texts_and_stand_in_the_order_of_these() {
        let [a, b] = ["a", "b"].map(SessionId::new);
        assert_eq!(a, SessionId::new("a".to_owned()));
        assert_ne!(a, b);
        assert!(a < b && b.as_str() == "b");
    }
}
