//! The questions of children to clients (sampling, elicitation, roots), open
//! until the client answers, leaves, or takes too long. A book only.

use std::sync::Arc;

use crate::event::{Life, SessionKey};
use crate::hub::children::ChildId;
use crate::hub::timers::TimerKey;
use crate::sorted::SortedMap;
use crate::wire::method::Method;
use crate::wire::own_id::OwnId;

/// A question; on the wire to the client, its id is this number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct QuestionId(pub u64);

/// A question that is open.
#[derive(Debug)]
pub struct Question {
    /// The child that asks.
    pub child: ChildId,
    /// The life of it that asks.
    pub life: Life,
    /// The id it gave the question, as JSON text.
    pub id: Arc<str>,
    /// The progress token it gave, as JSON text.
    pub progress_token: Option<Arc<str>>,
    /// What it asks.
    pub method: Method,
    /// The client that is asked.
    pub session: SessionKey,
    /// The round that it is part of, by its call and its place there, if it
    /// came in the answer to a call and not as a request.
    pub round: Option<(OwnId, usize)>,
    /// When the client has had its time; none where that of the lease is
    /// what counts.
    pub timer: Option<TimerKey>,
}

/// All open questions.
#[derive(Debug, Default)]
pub struct Questions {
    book: SortedMap<QuestionId, Question>,
    serial: u64,
}

impl Questions {
    /// The id of the next question.
    pub fn mint(&mut self) -> QuestionId {
        self.serial += 1;
        QuestionId(self.serial)
    }

    /// Enters a question.
    pub fn insert(&mut self, id: QuestionId, question: Question) {
        self.book.insert(id, question);
    }

    /// The question of that id.
    pub fn get(&self, id: QuestionId) -> Option<&Question> {
        self.book.get(&id)
    }

    /// The question of that id, to change it.
    pub fn get_mut(&mut self, id: QuestionId) -> Option<&mut Question> {
        self.book.get_mut(&id)
    }

    /// Strikes a question out.
    pub fn remove(&mut self, id: QuestionId) -> Option<Question> {
        self.book.remove(&id)
    }

    /// The question that a child knows by this id of its own.
    pub fn of_child(&self, life: Life, id: &str) -> Option<QuestionId> {
        self.book
            .iter()
            .find_map(|(&key, q)| (q.life == life && *q.id == *id).then_some(key))
    }

    /// The questions that pass a test.
    pub fn ids_where(&self, mut test: impl FnMut(&Question) -> bool) -> Vec<QuestionId> {
        self.book
            .iter()
            .filter_map(|(&id, question)| test(question).then_some(id))
            .collect()
    }

    /// Whether a child waits for an answer of that session, with a call under
    /// way.
    pub fn is_open(&self, child: ChildId, session: &SessionKey) -> bool {
        self.book
            .values()
            .any(|q| q.child == child && q.session == *session && q.round.is_none())
    }

    /// How many a child has open.
    pub fn count_of(&self, child: ChildId) -> usize {
        self.book.values().filter(|q| q.child == child).count()
    }

    /// How many a child has open to one session.
    pub fn count_to(&self, child: ChildId, session: &SessionKey) -> usize {
        let is_theirs = |q: &&Question| q.child == child && q.session == *session;
        self.book.values().filter(is_theirs).count()
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
