//! A client that has so many requests under way and sends the next when an answer is there. Each
//! answer is held against what it must be, id and content, before it counts.

use std::time::Instant;

use serde_json::Value;

use crate::error::{Error, Result};
use crate::fleet;
use crate::histogram::Histogram;
use crate::layout::FIRST;
use crate::poller::Poller;
use crate::session::Session;

/// What a caller asks, and what it must be answered.
pub trait Work {
    /// The request with this number.
    fn request(&mut self, number: u64) -> &[u8];

    /// The number of an answer that is known to be right at first sight.
    fn recognise(&mut self, message: &[u8]) -> Option<u64>;

    /// Looks closely at the result in the answer to this number, and may learn from the message to
    /// recognise the next.
    ///
    /// # Errors
    /// If it is not the right one, in words that say why.
    fn judge(&mut self, number: u64, result: &Value, message: &[u8]) -> Result<()>;

    /// Whether what was asked is now answered whole, or a further request belongs to it.
    fn is_whole(&mut self) -> bool;
}

/// What was counted while it was to be.
#[derive(Debug, Default)]
pub struct Tally {
    /// Whether what comes counts.
    pub counts: bool,
    /// From the first byte sent to the whole answer, in ns.
    pub times: Histogram,
}

/// A request that may be under way.
#[derive(Debug, Clone, Copy)]
struct Slot {
    /// Its number, or that of the last one.
    number: u64,
    /// When it was sent, if it is under way.
    since: Option<Instant>,
}

/// A client at work over its session.
#[derive(Debug)]
pub struct Caller<W> {
    /// The place of its session in the fleet.
    pub place: usize,
    /// What it asks.
    pub work: W,
    slots: Vec<Slot>,
    /// The slots whose next request can be sent, and since when what it belongs to is under way.
    open: Vec<(usize, Option<Instant>)>,
    /// What the server asked and is to be answered.
    replies: Vec<Vec<u8>>,
}

impl<W: Work> Caller<W> {
    /// A client that will have so many requests under way.
    pub fn new(place: usize, work: W, in_flight: usize) -> Caller<W> {
        let slot = |number| Slot {
            number: FIRST + number as u64,
            since: None,
        };
        Caller {
            place,
            work,
            slots: (0..in_flight).map(slot).collect(),
            open: (0..in_flight).rev().map(|slot| (slot, None)).collect(),
            replies: Vec::new(),
        }
    }

    /// How many requests are under way.
    pub fn under_way(&self) -> usize {
        self.slots
            .iter()
            .filter(|slot| slot.since.is_some())
            .count()
    }

    /// Takes a message that came.
    ///
    /// # Errors
    /// If it is no right answer to anything that is under way.
    pub fn hear(&mut self, message: &[u8], tally: &mut Tally) -> Result<()> {
        let now = Instant::now();
        if let Some(number) = self.work.recognise(message) {
            return self.answered(number, now, tally);
        }
        let value = fleet::parse(message)?;
        if let Some(reply) = fleet::reply(&value) {
            self.replies.extend(reply);
            return Ok(());
        }
        let number = value["id"]
            .as_u64()
            .filter(|number| self.slot_of(*number).is_some());
        let Some(number) = number else {
            return Err(Error::Wrong(format!(
                "a surplus answer: {}",
                brief(message)
            )));
        };
        let Some(result) = value.get("result") else {
            return Err(Error::Wrong(format!(
                "call {number} failed: {}",
                brief(message)
            )));
        };
        self.work.judge(number, result, message)?;
        self.answered(number, now, tally)
    }

    /// The slot in which this number is under way.
    fn slot_of(&self, number: u64) -> Option<usize> {
        let slot = usize::try_from(number.checked_sub(FIRST)?).ok()? % self.slots.len();
        let found = &self.slots[slot];
        (found.number == number && found.since.is_some()).then_some(slot)
    }

    fn answered(&mut self, number: u64, now: Instant, tally: &mut Tally) -> Result<()> {
        let Some(slot) = self.slot_of(number) else {
            return Err(Error::Wrong(format!("a surplus answer to call {number}")));
        };
        let next = number + self.slots.len() as u64;
        let since = self.slots[slot].since.take();
        self.slots[slot].number = next;
        if !self.work.is_whole() {
            self.open.push((slot, since));
            return Ok(());
        }
        self.open.push((slot, None));
        if let Some(since) = since.filter(|_| tally.counts) {
            let time = now.duration_since(since).as_nanos();
            tally.times.record(u64::try_from(time).unwrap_or(u64::MAX));
        }
        Ok(())
    }

    /// Sends what can be sent now: answers to the server, and where `is_on` the next requests.
    ///
    /// # Errors
    /// If the server cannot be reached.
    pub fn go_on(&mut self, is_on: bool, session: &mut dyn Session, poller: &Poller) -> Result<()> {
        while session.is_free() {
            if let Some(reply) = self.replies.pop() {
                session.send(&reply, poller)?;
                continue;
            }
            // What is begun is also ended.
            let begun = |open: &(usize, Option<Instant>)| is_on || open.1.is_some();
            let Some((slot, since)) = self.open.pop_if(|open| begun(open)) else {
                break;
            };
            let slot = &mut self.slots[slot];
            slot.since = Some(since.unwrap_or_else(Instant::now));
            session.send(self.work.request(slot.number), poller)?;
        }
        session.flush(poller)
    }
}

/// The beginning of a message, for people.
pub fn brief(message: &[u8]) -> String {
    String::from_utf8_lossy(&message[..message.len().min(300)]).into_owned()
}

#[cfg(test)]
mod tests;
