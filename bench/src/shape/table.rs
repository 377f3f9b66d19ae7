//! Who awaits the answer to what, and where the streams are: all the state that the bare shape has.
//! Whoever owns the table alone may write it; `H` is how its design reaches a client.

use std::collections::HashMap;

use crate::shape::talk::{Answer, Message, Way};

/// A call that is under way.
#[derive(Debug)]
struct Call<H> {
    /// Who awaits the answer.
    client: H,
    /// How it is told.
    way: Way,
    /// The id that the client gave it.
    id: Vec<u8>,
}

/// Calls that are under way, by the number that is their id on the way to the child, and the
/// streams of sessions.
#[derive(Debug)]
pub struct Table<H> {
    calls: Vec<Option<Call<H>>>,
    free: Vec<usize>,
    streams: HashMap<u64, H>,
}

impl<H> Default for Table<H> {
    fn default() -> Table<H> {
        Table {
            calls: Vec::new(),
            free: Vec::new(),
            streams: HashMap::new(),
        }
    }
}

impl<H: Clone> Table<H> {
    /// A session has its stream.
    pub fn open(&mut self, session: u64, client: H) {
        self.streams.insert(session, client);
    }

    /// Its stream is gone.
    pub fn close(&mut self, session: u64) {
        self.streams.remove(&session);
    }

    /// Remembers who awaits an answer to this message; its number from here on. `None` if nobody
    /// does, since it has no id.
    pub fn ask(&mut self, message: &Message, client: H) -> Option<u64> {
        self.enter(message, client, Way::Answer)
    }

    /// The same of a message whose answer is for a session's stream.
    pub fn say(&mut self, message: &Message, session: u64) -> Option<u64> {
        let client = self.streams.get(&session)?.clone();
        self.enter(message, client, Way::Event)
    }

    fn enter(&mut self, message: &Message, client: H, way: Way) -> Option<u64> {
        let id = message.id()?.to_vec();
        let call = Some(Call { client, way, id });
        let place = match self.free.pop() {
            Some(place) => {
                self.calls[place] = call;
                place
            }
            None => {
                self.calls.push(call);
                self.calls.len() - 1
            }
        };
        Some(place as u64)
    }

    /// Whom to tell what, now that the child has said this; the call is over.
    pub fn answered(&mut self, message: Message) -> Option<(H, Answer)> {
        let place = std::str::from_utf8(message.id()?).ok()?;
        let place: usize = place.parse().ok()?;
        let call = self.calls.get_mut(place)?.take()?;
        self.free.push(place);
        let Call { client, way, id } = call;
        Some((client, Answer { way, id, message }))
    }
}
