//! The resource links that tools returned: URIs that no list names and no
//! template yields, but that a client may read next. Bounded per server, so
//! that a server that returns many forgets its own, never another's. The ids of
//! tasks that tools began are kept in the same way.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::catalog::route::Found;
use crate::event::ServerId;
use crate::limits;

/// Which server returned which link, lately.
#[derive(Debug, Default)]
pub struct Links {
    servers: BTreeMap<ServerId, Returned>,
}

/// The links of one server.
#[derive(Debug, Default)]
struct Returned {
    /// When each was last returned, counted in links.
    turns: HashMap<Arc<str>, u64>,
    /// The same, by turn: the first is the oldest.
    by_turn: BTreeMap<u64, Arc<str>>,
    /// The next turn.
    next: u64,
}

impl Links {
    /// Notes that a tool of the server returned a link. One that is noted
    /// already counts as new again. URIs longer than
    /// [`limits::CATALOG_LINK_BYTES_MAX`] are not noted.
    pub fn learn(&mut self, uri: &str, server: ServerId) {
        if uri.len() <= limits::CATALOG_LINK_BYTES_MAX {
            self.servers.entry(server).or_default().learn(uri);
        }
    }

    /// Which servers returned the link, in the order of their ids.
    pub fn find(&self, uri: &str) -> Found {
        let mut found = Found::None;
        for (server, returned) in &self.servers {
            if returned.turns.contains_key(uri) {
                found.add(*server);
            }
        }
        found
    }

    /// The servers that any link is known of.
    pub fn servers(&self) -> impl Iterator<Item = ServerId> {
        self.servers.keys().copied()
    }

    /// Forgets all links of a server, as when it has left the configuration.
    pub fn forget(&mut self, server: ServerId) {
        self.servers.remove(&server);
    }
}

impl Returned {
    fn learn(&mut self, uri: &str) {
        let uri: Arc<str> = uri.into();
        if let Some(turn) = self.turns.insert(Arc::clone(&uri), self.next) {
            self.by_turn.remove(&turn);
        }
        self.by_turn.insert(self.next, uri);
        self.next += 1;
        if self.by_turn.len() > limits::CATALOG_LINKS_PER_SERVER_MAX
            && let Some((_, oldest)) = self.by_turn.pop_first()
        {
            self.turns.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: ServerId = ServerId(1);
    const B: ServerId = ServerId(2);

    #[test]
    fn a_link_is_found_at_the_server_that_returned_it() {
        let mut links = Links::default();
        links.learn("file:///a", A);
        links.learn("file:///b", B);
        assert_eq!(links.find("file:///a"), Found::One(A));
        assert_eq!(links.find("file:///b"), Found::One(B));
        assert_eq!(links.find("file:///c"), Found::None);
    }

    #[test]
    fn a_link_of_two_servers_leads_to_neither_until_one_is_forgotten() {
        let mut links = Links::default();
        links.learn("file:///a", B);
        links.learn("file:///a", A);
        links.learn("file:///a", A);
        assert_eq!(links.find("file:///a"), Found::Several(vec![A, B]));
        links.forget(A);
        assert_eq!(links.find("file:///a"), Found::One(B));
        links.forget(A);
        links.forget(B);
        assert_eq!(links.find("file:///a"), Found::None);
    }

    #[test]
    fn a_full_table_forgets_the_oldest_of_the_same_server() {
        let mut links = Links::default();
        links.learn("old", B);
        links.learn("old", A);
        links.learn("again", A);
        for number in 2..limits::CATALOG_LINKS_PER_SERVER_MAX {
            links.learn(&number.to_string(), A);
        }
        assert_eq!(links.find("old"), Found::Several(vec![A, B]), "just full");
        links.learn("old", A);
        links.learn("new", A);
        assert_eq!(links.find("again"), Found::None, "the oldest by now");
        assert_eq!(
            links.find("old"),
            Found::Several(vec![A, B]),
            "returned again"
        );
        assert_eq!(links.find("new"), Found::One(A));
        for number in 0..limits::CATALOG_LINKS_PER_SERVER_MAX {
            links.learn(&format!("more {number}"), A);
        }
        assert_eq!(links.find("old"), Found::One(B), "the flood was not B's");
    }

    #[test]
    fn a_link_too_long_is_not_remembered() {
        let mut links = Links::default();
        let longest = "x".repeat(limits::CATALOG_LINK_BYTES_MAX);
        links.learn(&longest, A);
        assert_eq!(links.find(&longest), Found::One(A));
        let longer = format!("{longest}x");
        links.learn(&longer, A);
        assert_eq!(links.find(&longer), Found::None);
    }
}
