//! Messages that were given away, and of which the next are made once nobody else has them.
//!
//! One thread makes messages and another lets them go. Where each asked the allocator for its part, they would wait for
//! each other: musl's has one lock for all threads. So who makes them keeps a share of the last, sees when it is the
//! only one, and writes the next message in its place.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::limits;
use crate::wire::envelope::Message;

/// The messages that one thread has given away last.
#[derive(Debug, Default)]
pub struct Shells {
    given: VecDeque<Arc<Message>>,
    /// One that is to become the next message.
    empty: Option<Arc<Message>>,
}

impl Shells {
    /// Whether nothing is kept.
    pub fn is_empty(&self) -> bool {
        self.given.is_empty() && self.empty.is_none()
    }

    /// Keeps nothing.
    pub fn clear(&mut self) {
        *self = Shells::default();
    }

    /// An empty buffer for the next message: of the oldest, if nobody else has that any more.
    pub fn buffer(&mut self) -> Vec<u8> {
        let oldest = self.given.front_mut().map(Arc::get_mut);
        if self.empty.is_none() && oldest.flatten().is_some() {
            self.empty = self.given.pop_front();
        }
        let message = self.empty.as_mut().and_then(Arc::get_mut);
        message.map(Message::take_buffer).unwrap_or_default()
    }

    /// Gives a message away.
    pub fn give(&mut self, message: Message) -> Arc<Message> {
        let is_short = message.len() <= limits::SHELL_BYTES_MAX;
        let given = match self.empty.take() {
            Some(mut shell) => {
                match Arc::get_mut(&mut shell) {
                    Some(place) => *place = message,
                    None => shell = Arc::new(message),
                }
                shell
            }
            None => Arc::new(message),
        };
        if is_short {
            if self.given.len() == limits::SHELLS_MAX {
                self.given.pop_front();
            }
            self.given.push_back(Arc::clone(&given));
        }
        given
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(shells: &mut Shells, text: &str) -> Arc<Message> {
        let mut buffer = shells.buffer();
        assert!(buffer.is_empty());
        buffer.extend_from_slice(text.as_bytes());
        let message = Message::parse(buffer).unwrap();
        shells.give(message)
    }

    fn id_of(message: &Message) -> &str {
        message.json(message.marks.id.unwrap())
    }

    fn numbered(id: usize) -> String {
        format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{}}}}"#)
    }

    #[test]
    fn the_next_is_made_of_one_that_nobody_has() {
        let mut shells = Shells::default();
        let first = message(&mut shells, &numbered(1));
        let place = Arc::as_ptr(&first);
        let second = message(&mut shells, &numbered(2));
        assert_ne!(Arc::as_ptr(&second), place, "somebody has the first");
        drop(first);
        let third = message(&mut shells, &numbered(3));
        assert_eq!(Arc::as_ptr(&third), place);
        assert_eq!(id_of(&third), "3");
        assert_eq!(id_of(&second), "2");
    }

    #[test]
    fn what_becomes_no_message_leaves_its_place_to_the_next() {
        let mut shells = Shells::default();
        let place = Arc::as_ptr(&message(&mut shells, &numbered(1)));
        let mut buffer = shells.buffer();
        buffer.extend_from_slice(b"no message");
        assert!(Message::parse(buffer).is_err());
        let next = message(&mut shells, &numbered(2));
        assert_eq!(Arc::as_ptr(&next), place);
        assert_eq!(id_of(&next), "2");
    }

    #[test]
    fn neither_many_nor_long_ones_are_kept() {
        let mut shells = Shells::default();
        let long = "x".repeat(limits::SHELL_BYTES_MAX);
        let long = format!(r#"{{"jsonrpc":"2.0","id":1,"result":"{long}"}}"#);
        drop(message(&mut shells, &long));
        assert!(shells.is_empty());
        let all: Vec<_> = (0..2 * limits::SHELLS_MAX)
            .map(|id| message(&mut shells, &numbered(id)))
            .collect();
        let kept = all.iter().filter(|message| Arc::strong_count(message) == 2);
        assert_eq!(kept.count(), limits::SHELLS_MAX);
        shells.clear();
        assert!(all.iter().all(|message| Arc::strong_count(message) == 1));
    }
}
