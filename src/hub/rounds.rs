//! The book of rounds: calls of handshake clients that a stateless child has
//! answered with questions (2026-07-28, "Multi Round-Trip Requests"), from then
//! until the call is made once more with the answers. A book only.

use crate::event::{ServerId, SessionKey};
use crate::hub::calls::{Asker, Call};
use crate::hub::questions::QuestionId;
use crate::hub::streams::StreamId;
use crate::sorted::SortedMap;
use crate::wire::method::Method;
use crate::wire::outgoing::Outgoing;
use crate::wire::own_id::OwnId;

/// A call that waits for its client's answers.
#[derive(Debug)]
pub struct Round {
    /// The call that was answered, as it was.
    pub call: Call,
    /// The server that asks.
    pub server: ServerId,
    /// The session that is asked.
    pub session: SessionKey,
    /// The stream that its caller's answer is awaited on.
    pub stream: StreamId,
    /// The request to make once more.
    pub request: Box<Outgoing>,
    /// What the child wants back as it is, as JSON text.
    pub state: Option<Box<str>>,
    /// What is asked.
    pub parts: Vec<Part>,
}

/// One of the questions of a round.
#[derive(Debug)]
pub struct Part {
    /// The name the child gave it.
    pub key: Box<str>,
    /// What is asked.
    pub method: Method,
    /// The question to the client; none before it was put.
    pub question: Option<QuestionId>,
    /// The answer, as JSON text.
    pub answer: Option<Box<str>>,
}

/// All rounds, each under the id of the call that was answered.
#[derive(Debug, Default)]
pub struct Rounds {
    book: SortedMap<OwnId, Round>,
}

impl Round {
    /// How many bytes are kept for it beside its request.
    fn bytes(&self) -> usize {
        let length = |text: &Option<Box<str>>| text.as_ref().map_or(0, |text| text.len());
        let answers: usize = self.parts.iter().map(|part| length(&part.answer)).sum();
        length(&self.state) + answers
    }
}

impl Rounds {
    /// How many bytes are kept for all of them. It is asked when one more has
    /// something to keep, which is as often as people answer questions.
    pub fn bytes(&self) -> usize {
        self.book.values().map(Round::bytes).sum()
    }

    /// Enters a round.
    pub fn insert(&mut self, id: OwnId, round: Round) {
        self.book.insert(id, round);
    }

    /// The round of that call.
    pub fn get(&self, id: OwnId) -> Option<&Round> {
        self.book.get(&id)
    }

    /// The round of that call, to change it.
    pub fn get_mut(&mut self, id: OwnId) -> Option<&mut Round> {
        self.book.get_mut(&id)
    }

    /// Strikes a round out.
    pub fn remove(&mut self, id: OwnId) -> Option<Round> {
        self.book.remove(&id)
    }

    /// The round of the call that a client knows by this id of its own.
    pub fn of_client(&self, session: &SessionKey, id: &str) -> Option<OwnId> {
        self.book.iter().find_map(|(&key, round)| {
            let caller = match &round.call.asker {
                Asker::Client(caller) => caller,
                Asker::Fan(_) | Asker::Leased(_) | Asker::Nobody => return None,
            };
            (caller.session == *session && *caller.id == *id).then_some(key)
        })
    }

    /// The rounds in which a session is asked.
    pub fn of_session(&self, session: &SessionKey) -> Vec<OwnId> {
        let mine = |round: &Round| round.session == *session;
        let rounds = self.book.iter();
        rounds
            .filter_map(|(&id, round)| mine(round).then_some(id))
            .collect()
    }

    /// The rounds in which a server asks.
    pub fn of_server(&self, server: ServerId) -> Vec<OwnId> {
        let rounds = self.book.iter();
        rounds
            .filter_map(|(&id, round)| (round.server == server).then_some(id))
            .collect()
    }

    /// All of them, in the order of their calls.
    pub fn iter(&self) -> impl Iterator<Item = (OwnId, &Round)> {
        self.book.iter().map(|(&id, round)| (id, round))
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
