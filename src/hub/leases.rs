//! The calls of stateless clients whose child asks something: each is kept open
//! while its client goes to find the answers and comes back with them in a new
//! request. A book only.

use std::sync::Arc;

use crate::event::{Moment, SessionKey};
use crate::hub::children::ChildId;
use crate::hub::questions::QuestionId;
use crate::hub::refusal::Refusal;
use crate::hub::timers::TimerKey;
use crate::sorted::SortedMap;
use crate::wire::envelope::Message;
use crate::wire::input::InputRequest;
use crate::wire::own_id::OwnId;

/// A call that is kept open; never reused in the life of the program.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct LeaseId(pub u64);

/// A call that is kept open.
#[derive(Debug)]
pub struct Lease {
    /// The call. It is in the book of calls until it is over.
    pub call: OwnId,
    /// The child that is at it.
    pub child: ChildId,
    /// The request, as the session it was entered as. It stays entered while
    /// nobody waits, so that the child has its origin.
    pub session: SessionKey,
    /// What a request must be to take it up: the digest of the view, the method
    /// and the parameters of the one that began it.
    pub digest: [u8; 32],
    /// The questions without an answer, in the order they were asked.
    pub open: Vec<(QuestionId, InputRequest)>,
    /// How many questions there were.
    pub asked: u64,
    /// How often it was taken up. A state that was given out before that is
    /// used.
    pub round: u64,
    /// Where it stands.
    pub stage: Stage,
    /// When that ends.
    pub timer: TimerKey,
}

/// Where a leased call stands.
#[derive(Debug)]
pub enum Stage {
    /// Its client waits for the answer; questions that come close to each other
    /// go out together.
    Gathering,
    /// Its client was told what is asked, at that moment, and nobody waits.
    Waiting(Moment),
    /// It has ended meanwhile: with this.
    Over(Outcome),
}

/// How a call ended for which nobody waited.
#[derive(Debug)]
pub enum Outcome {
    /// Its child has answered it.
    Answered(Arc<Message>),
    /// It has no answer.
    Refused(Refusal),
}

impl Lease {
    /// Whether its client was told to come back.
    pub fn awaits_return(&self) -> bool {
        !matches!(self.stage, Stage::Gathering)
    }

    /// Since when its client has been away, if its call still goes on.
    pub fn away_since(&self) -> Option<Moment> {
        match self.stage {
            Stage::Waiting(since) => Some(since),
            Stage::Gathering | Stage::Over(_) => None,
        }
    }

    /// How many bytes are kept for it.
    fn bytes(&self) -> usize {
        let asked = |(_, request): &(QuestionId, InputRequest)| {
            request.params.as_ref().map_or(0, |params| params.len())
        };
        let outcome = match &self.stage {
            Stage::Over(Outcome::Answered(message)) => message.len(),
            Stage::Over(Outcome::Refused(_)) | Stage::Gathering | Stage::Waiting(_) => 0,
        };
        self.open.iter().map(asked).sum::<usize>() + outcome
    }
}

/// All calls that are kept open.
#[derive(Debug, Default)]
pub struct Leases {
    book: SortedMap<LeaseId, Lease>,
    serial: u64,
}

impl Leases {
    /// Enters a call.
    pub fn insert(&mut self, lease: Lease) -> LeaseId {
        let id = self.next();
        self.serial += 1;
        self.book.insert(id, lease);
        id
    }

    /// The name that the next one gets.
    pub fn next(&self) -> LeaseId {
        LeaseId(self.serial)
    }

    /// The leased call of that id.
    pub fn get(&self, id: LeaseId) -> Option<&Lease> {
        self.book.get(&id)
    }

    /// The leased call of that id, to change it.
    pub fn get_mut(&mut self, id: LeaseId) -> Option<&mut Lease> {
        self.book.get_mut(&id)
    }

    /// Strikes a leased call out.
    pub fn remove(&mut self, id: LeaseId) -> Option<Lease> {
        self.book.remove(&id)
    }

    /// All of them, oldest first.
    pub fn iter(&self) -> impl Iterator<Item = (LeaseId, &Lease)> {
        self.book.iter().map(|(&id, lease)| (id, lease))
    }

    /// How many a child is at.
    pub fn count_of(&self, child: ChildId) -> usize {
        self.book
            .values()
            .filter(|lease| lease.child == child)
            .count()
    }

    /// How many bytes are kept for all of them. There are few, and it is asked
    /// when one more is to be kept.
    pub fn bytes(&self) -> usize {
        self.book.values().map(Lease::bytes).sum()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.book.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.book.is_empty()
    }
}
