//! The id of a session, as clients write it.

use std::fmt;
use std::hash::{BuildHasher, Hash, Hasher, RandomState};
use std::sync::{Arc, LazyLock};

/// The id of a session, visible ASCII as Streamable HTTP asks. One that a stream
/// carries as a whole, and so ends with it, has 128 random bits as hexadecimal
/// text, minted by the doors, for the hub has no dice. That of a session over
/// Streamable HTTP is sealed by the hub, and outlives the process.
#[derive(Clone, Eq, PartialOrd, Ord)]
pub struct SessionId {
    text: Arc<str>,
    hash: u64,
}

impl SessionId {
    /// The id of that text.
    pub fn new(text: impl Into<Arc<str>>) -> SessionId {
        /// The same for all ids of the process, so that equal ones hash alike,
        /// and drawn anew for each process, so that nobody can choose texts
        /// whose hashes are alike.
        static KEYS: LazyLock<RandomState> = LazyLock::new(RandomState::new);
        let text = text.into();
        let hash = KEYS.hash_one(&*text);
        SessionId { text, hash }
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
        self.hash == other.hash && (Arc::ptr_eq(&self.text, &other.text) || self.text == other.text)
    }
}

/// It brings its hash: many a table is asked for one session in the course of
/// one event, and the text is long.
impl Hash for SessionId {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
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
