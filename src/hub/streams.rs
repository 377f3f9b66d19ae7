//! The ways back to the clients: each stream is one exchange with a door, on
//! which the answers to a POST, or all that a session has to say, travel.
//!
//! This room counts what lies in each outbox and numbers the events. Since
//! every admission is checked against these counts first, an outbox that a
//! door made with the slots it announced never overflows.

use std::sync::Arc;

use crate::event::ids::IdMap;
use crate::event::{Load, Moment, OutboxId, SessionKey};
use crate::limits;
use crate::wire::awaited::Awaited;
use crate::wire::sse::{Epoch, EventId};

/// A stream; unique in the process, and never reused.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct StreamId(pub u64);

/// What a stream is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StreamKind {
    /// It answers the requests of one POST, and ends with the last answer.
    Post {
        /// How many answers are still to come.
        owed: usize,
    },
    /// It carries what no POST asked for.
    Listen,
    /// It carries a whole session: HTTP+SSE, stdio.
    Whole,
}

/// One stream.
#[derive(Debug)]
pub struct Stream {
    /// The session it belongs to.
    pub session: SessionKey,
    /// The waiting thread; none when the client has left and may come back.
    pub outbox: Option<OutboxId>,
    /// What it is for.
    pub kind: StreamKind,
    /// What lies in the outbox, as far as is known here.
    pub load: Load,
    /// Since when nothing was taken of what lies there, if that is much.
    pub since: Moment,
    /// How many parcels the outbox has places for.
    pub slots: usize,
    /// Whether it is a stream on the wire: a POST is answered with plain JSON
    /// until something must be said before the answer.
    pub opened: bool,
    /// Whether its events are numbered and kept for a client that comes back.
    pub resumable: bool,
    /// The number of its last event.
    pub numbered: u32,
    /// What tells its events from those of another process.
    pub epoch: Epoch,
    /// The requests it owes an answer, if its events say so.
    asked: Asked,
    /// The same as its events say it.
    awaited: Option<Awaited>,
}

/// The requests that a stream owes an answer, by their ids as JSON text. Nearly
/// always that is one, which needs no place of its own.
#[derive(Debug, Default)]
struct Asked {
    first: Option<Arc<str>>,
    others: Vec<Arc<str>>,
}

impl Asked {
    fn add(&mut self, id: Arc<str>) {
        match self.first {
            None => self.first = Some(id),
            Some(_) => self.others.push(id),
        }
    }

    fn remove(&mut self, id: &str) {
        if self.first.as_deref() == Some(id) {
            self.first = self.others.pop();
        } else if let Some(place) = self.others.iter().position(|other| **other == *id) {
            self.others.remove(place);
        }
    }

    fn written(&self) -> Option<Awaited> {
        Awaited::of(self.first.iter().chain(&self.others).map(|id| &**id))
    }
}

impl Stream {
    /// How many parcels lie in the outbox, whatever the door has taken out and not
    /// told of yet: that is always less than is worth telling.
    pub fn surely_unread(&self) -> usize {
        let doubtful = limits::TAKEN_MESSAGES - 1;
        self.load.messages.saturating_sub(doubtful) as usize
    }

    /// Counts a parcel of so many bytes that is put into its outbox. Whether that is
    /// one of those that hold much.
    pub fn count(&mut self, bytes: u64, now: Moment) -> bool {
        if self.load.bytes < limits::TAKEN_BYTES {
            self.since = now;
        }
        self.load.messages += 1;
        self.load.bytes += bytes;
        self.outbox.is_some() && self.load.bytes >= limits::UNREAD_ANSWER_BYTES_LEAST
    }

    /// It becomes a stream on the wire. What its events say of the requests is
    /// written here, once, and again where one of several is answered.
    pub fn begin(&mut self) {
        self.opened = true;
        self.awaited = self.asked.written();
    }

    /// It owes an answer to the request of that id. A stream that nobody resumes
    /// need not know which.
    pub fn owes(&mut self, id: &Arc<str>) {
        if self.resumable && matches!(self.kind, StreamKind::Post { .. }) {
            self.asked.add(Arc::clone(id));
            self.awaited = self.opened.then(|| self.asked.written()).flatten();
        }
    }

    /// It no longer owes that answer: the event that brings it says so already.
    pub fn owes_no_more(&mut self, id: &str) {
        self.asked.remove(id);
        if self.opened {
            self.awaited = self.asked.written();
        }
    }

    /// The next event's place, if this stream numbers its events.
    pub fn next_event(&mut self, id: StreamId) -> Option<EventId> {
        (self.resumable && self.opened).then(|| {
            self.numbered += 1;
            self.last_event(id)
        })
    }

    /// The place of its last event, or the one before the first.
    pub fn last_event(&self, id: StreamId) -> EventId {
        EventId {
            epoch: self.epoch,
            stream: id.0,
            number: self.numbered,
            awaited: self.awaited.clone(),
        }
    }

    /// Whether a notification still has a place, beside those that are kept
    /// free for answers.
    pub fn has_room_for_notice(&self) -> bool {
        self.load.messages < limits::STREAM_NOTICES_MAX
            && self.load.bytes < limits::STREAM_NOTICE_BYTES_MAX
    }
}

/// All streams.
#[derive(Debug, Default)]
pub struct Streams {
    book: IdMap<StreamId, Stream>,
    by_outbox: IdMap<OutboxId, StreamId>,
    /// Large answers that ended their streams and are still being written.
    last: IdMap<OutboxId, Unread>,
    serial: u64,
    epoch: Epoch,
}

/// What a client has not read.
#[derive(Debug, Clone, Copy)]
struct Unread {
    bytes: u64,
    since: Moment,
}

impl Streams {
    /// None yet, of the process that has this epoch.
    pub fn new(epoch: Epoch) -> Streams {
        Streams {
            epoch,
            ..Streams::default()
        }
    }

    /// What tells the events of this process from those of another.
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// Opens a stream to an outbox.
    pub fn open(
        &mut self,
        session: SessionKey,
        outbox: OutboxId,
        kind: StreamKind,
        resumable: bool,
    ) -> StreamId {
        self.serial += 1;
        let id = StreamId(self.serial);
        let stream = Stream {
            session,
            outbox: Some(outbox),
            kind,
            load: Load::default(),
            since: Moment::default(),
            slots: limits::OUTBOX_SLOTS,
            opened: !matches!(kind, StreamKind::Post { .. }),
            resumable,
            numbered: 0,
            epoch: self.epoch,
            asked: Asked::default(),
            awaited: None,
        };
        self.book.insert(id, stream);
        self.by_outbox.insert(outbox, id);
        id
    }

    /// The stream of that id.
    pub fn get(&self, id: StreamId) -> Option<&Stream> {
        self.book.get(&id)
    }

    /// The stream of that id, to change it.
    pub fn get_mut(&mut self, id: StreamId) -> Option<&mut Stream> {
        self.book.get_mut(&id)
    }

    /// The stream that an outbox serves.
    pub fn of_outbox(&self, outbox: OutboxId) -> Option<StreamId> {
        self.by_outbox.get(&outbox).copied()
    }

    /// Gives a stream a new outbox, and returns the one it had.
    pub fn attach(&mut self, id: StreamId, outbox: OutboxId) -> Option<OutboxId> {
        let stream = self.book.get_mut(&id)?;
        let before = stream.outbox.replace(outbox);
        stream.load = Load::default();
        if let Some(before) = before {
            self.by_outbox.remove(&before);
        }
        self.by_outbox.insert(outbox, id);
        before
    }

    /// The same as [`Stream::count`], of the stream of that id.
    pub fn count(&mut self, id: StreamId, bytes: u64, now: Moment) -> bool {
        let stream = self.book.get_mut(&id);
        stream.is_some_and(|stream| stream.count(bytes, now))
    }

    /// A door has written what it took out of an outbox.
    pub fn taken(&mut self, outbox: OutboxId, load: Load, now: Moment) {
        self.take_off(outbox, load, Some(now));
    }

    /// A door had written that, nobody knows when: it makes nobody faster.
    pub fn recounted(&mut self, outbox: OutboxId, load: Load) {
        self.take_off(outbox, load, None);
    }

    fn take_off(&mut self, outbox: OutboxId, load: Load, when: Option<Moment>) {
        let stream = self.by_outbox.get(&outbox);
        if let Some(stream) = stream.and_then(|id| self.book.get_mut(id)) {
            stream.load.messages = stream.load.messages.saturating_sub(load.messages);
            stream.load.bytes = stream.load.bytes.saturating_sub(load.bytes);
            stream.since = when.unwrap_or(stream.since);
        } else if let Some(last) = self.last.get_mut(&outbox) {
            last.bytes = last.bytes.saturating_sub(load.bytes);
            last.since = when.unwrap_or(last.since);
            if last.bytes < limits::UNREAD_ANSWER_BYTES_LEAST {
                self.last.remove(&outbox);
            }
        }
    }

    /// How many bytes the clients have not read, all together.
    pub fn unread_bytes(&self) -> u64 {
        self.unread().map(|(_, unread)| unread.bytes).sum()
    }

    /// The outbox of which nothing was taken for longest, among those that hold
    /// more than a door may have written without telling; else the fullest.
    pub fn slowest(&self) -> Option<OutboxId> {
        let surely = |unread: &Unread| unread.bytes >= limits::TAKEN_BYTES;
        let waits = self.unread().filter(|(_, unread)| surely(unread));
        let slowest = waits.min_by_key(|&(outbox, unread)| (unread.since, outbox));
        let fullest = || {
            self.unread()
                .max_by_key(|&(outbox, unread)| (unread.bytes, outbox))
        };
        slowest.or_else(fullest).map(|(outbox, _)| outbox)
    }

    fn unread(&self) -> impl Iterator<Item = (OutboxId, Unread)> {
        let open = self.book.values().filter_map(|stream| {
            let unread = Unread {
                bytes: stream.load.bytes,
                since: stream.since,
            };
            Some((stream.outbox?, unread))
        });
        open.chain(self.last.iter().map(|(&outbox, &last)| (outbox, last)))
    }

    /// Takes the outbox from its stream: the client has left.
    pub fn detach(&mut self, outbox: OutboxId) -> Option<StreamId> {
        self.last.remove(&outbox);
        let id = self.by_outbox.remove(&outbox)?;
        if let Some(stream) = self.book.get_mut(&id) {
            stream.outbox = None;
            stream.load = Load::default();
        }
        Some(id)
    }

    /// Strikes a stream out.
    pub fn close(&mut self, id: StreamId) -> Option<Stream> {
        let stream = self.book.remove(&id)?;
        // The memory of a crowd that has left.
        if self.book.len() < self.book.capacity() / 8 {
            self.book
                .shrink_to((2 * self.book.len()).max(limits::STREAMS_ROOM_KEPT));
        }
        if let Some(outbox) = stream.outbox {
            self.by_outbox.remove(&outbox);
            if stream.load.bytes >= limits::UNREAD_ANSWER_BYTES_LEAST {
                let unread = Unread {
                    bytes: stream.load.bytes,
                    since: stream.since,
                };
                self.last.insert(outbox, unread);
            }
        }
        Some(stream)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.book.len()
    }

    /// How many outboxes serve one.
    #[cfg(test)]
    pub fn outboxes(&self) -> usize {
        self.by_outbox.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.book.is_empty()
    }
}
