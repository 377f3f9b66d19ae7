//! Questions to stateless clients, which cannot be asked while they wait: the
//! answer to their request says what is asked and carries a sealed state, the
//! child's call is kept open, and the request that brings the state back with
//! the answers takes it up (2026-07-28, "Multi Round-Trip Requests").

use std::sync::Arc;

use crate::catalog::route::Found;
use crate::event::{Moment, SessionKey, View};
use crate::hub::Hub;
use crate::hub::asking::Put;
use crate::hub::calls::{Asker, Call, Caller};
use crate::hub::children::{Child, ChildId};
use crate::hub::leases::{Lease, LeaseId, Outcome, Stage};
use crate::hub::questions::{Question, QuestionId};
use crate::hub::refusal::Refusal;
use crate::hub::requests::Need;
use crate::hub::timers::Timer;
use crate::limits;
use crate::seal::{self, Purpose};
use crate::wire::envelope::Message;
use crate::wire::input::{self, InputRequest};
use crate::wire::method::Method;
use crate::wire::outgoing::{Outgoing, Patch};
use crate::wire::own_id::OwnId;

/// How each state of this gateway begins. Any other is a server's own.
pub(super) const STATE_PREFIX: &str = "mcproxy.";

/// Whether a request of this method may be answered with questions (2026-07-28,
/// "Supported Requests").
pub(super) fn may_ask(method: &Method) -> bool {
    matches!(
        method,
        Method::ToolsCall | Method::PromptsGet | Method::ResourcesRead
    )
}

/// What a state says, in a fixed form: it is made and read here alone.
#[derive(Debug, PartialEq, Eq)]
struct State {
    lease: LeaseId,
    round: u64,
    /// In milliseconds since the start of the program.
    expires: u64,
    digest: [u8; 32],
}

impl State {
    fn to_bytes(&self) -> Vec<u8> {
        let numbers = [self.lease.0, self.round, self.expires];
        let numbers = numbers.iter().flat_map(|number| number.to_be_bytes());
        numbers.chain(self.digest).collect()
    }

    fn from_bytes(bytes: &[u8]) -> Option<State> {
        let (lease, rest) = bytes.split_first_chunk()?;
        let (round, rest) = rest.split_first_chunk()?;
        let (expires, digest) = rest.split_first_chunk()?;
        Some(State {
            lease: LeaseId(u64::from_be_bytes(*lease)),
            round: u64::from_be_bytes(*round),
            expires: u64::from_be_bytes(*expires),
            digest: digest.try_into().ok()?,
        })
    }
}

/// The way out: a question becomes part of an answer.
impl Hub {
    /// Puts a question into the answer to the request that a child works for,
    /// or beside those that this client is to answer already.
    pub(super) fn ask_in_answer(&mut self, session: &SessionKey, put: Put) -> Result<(), Refusal> {
        let unasked = || Refusal::NoRequestToAsk(put.method.name().to_owned());
        let call = self.askable_call(put.child, session).ok_or_else(unasked)?;
        let known = self.lease_for(session);
        if !self.has_room_for_question(known, &put) {
            return Err(Refusal::TooManyQuestions);
        }
        let id = match known {
            Some(id) => id,
            None => self.gather(session, call, put.child).ok_or_else(unasked)?,
        };
        let question = self.questions.mint();
        let Some(lease) = self.leases.get_mut(id) else {
            return Err(unasked());
        };
        lease.asked += 1;
        let params = put.message.marks.params;
        let request = InputRequest {
            key: format!("q{}", lease.asked).into(),
            method: put.method.clone(),
            params: params.map(|span| put.message.json(span).into()),
        };
        lease.open.push((question, request));
        let entry = Question {
            child: put.child,
            life: put.life,
            id: put.asked,
            progress_token: None,
            method: put.method,
            session: session.clone(),
            round: None,
            timer: None,
        };
        self.questions.insert(question, entry);
        Ok(())
    }

    /// The newest call of that origin on that child that a client waits for, or
    /// will come back for. Whether its answer may ask is known where its request
    /// is kept.
    fn askable_call(&self, child: ChildId, session: &SessionKey) -> Option<OwnId> {
        let is_it = |call: &Call| {
            call.origin.as_ref() == Some(session)
                && !call.abandoned
                && matches!(call.asker, Asker::Client(_) | Asker::Leased(_))
        };
        let newest_first = self.children.get(child)?.under_way.iter().rev();
        newest_first
            .copied()
            .find(|&id| self.calls.get(id).is_some_and(is_it))
    }

    /// Whether one more question to a stateless client may be kept, for a call
    /// that is leased already or not.
    fn has_room_for_question(&self, known: Option<LeaseId>, put: &Put) -> bool {
        let is_within = match known.and_then(|id| self.leases.get(id)) {
            Some(lease) => lease.open.len() < limits::INPUT_REQUESTS_MAX,
            None => {
                self.leases.len() < limits::LEASES_MAX
                    && self.leases.count_of(put.child) < limits::CHILD_LEASES_MAX
            }
        };
        is_within
            && self.questions.count_of(put.child) < limits::CHILD_QUESTIONS_MAX
            && self.leases.bytes() + put.message.len() <= limits::LEASES_BYTES_MAX
    }

    /// Begins to gather what a child asks for a call.
    fn gather(&mut self, session: &SessionKey, call: OwnId, child: ChildId) -> Option<LeaseId> {
        let digest = self.digest_of(session)?;
        let due = self.now.after(limits::LEASE_GATHER_WAIT);
        let timer = self.timers.set(due, Timer::Lease(self.leases.next()));
        let id = self.leases.insert(Lease {
            call,
            child,
            session: session.clone(),
            digest,
            open: Vec::new(),
            asked: 0,
            round: 0,
            stage: Stage::Gathering,
            timer,
        });
        self.note_lease(session, Some(id));
        Some(id)
    }

    /// A leased call's time is over: to gather questions, or to wait for answers.
    pub(super) fn lease_due(&mut self, id: LeaseId) {
        match self.leases.get(id).map(Lease::awaits_return) {
            Some(false) => self.send_away(id),
            Some(true) => self.expire(id),
            None => {}
        }
    }

    /// Answers the waiting client with what is asked. Its call goes on without
    /// it.
    fn send_away(&mut self, id: LeaseId) {
        let expires = self.now.after(limits::LEASE_WAIT);
        let timer = self.timers.set(expires, Timer::Lease(id));
        let Some(lease) = self.leases.get_mut(id) else {
            return;
        };
        lease.stage = Stage::Waiting(self.now);
        lease.timer = timer;
        let state = State {
            lease: id,
            round: lease.round,
            expires: milliseconds(expires),
            digest: lease.digest,
        };
        let sealed = self
            .seal
            .seal(Purpose::RequestState, &[], &state.to_bytes());
        let state = format!("{STATE_PREFIX}{sealed}");
        let requests = lease.open.iter().map(|(_, request)| request);
        let result = input::input_required_result(requests, Some(&state));
        let Some(call) = self.calls.get_mut(lease.call) else {
            return;
        };
        if let Asker::Client(caller) = std::mem::replace(&mut call.asker, Asker::Leased(id)) {
            if let Some(session) = self.sessions.get_mut(&caller.session) {
                session.forget_what_a_retry_says();
            }
            self.answer_asking(&caller, &result);
        }
    }

    /// Answers a request with a result that asks.
    pub(super) fn answer_asking(&mut self, caller: &Caller, result: &str) {
        let mut message = Outgoing::plain(Message::result(result).into());
        message.id = Some(Patch::Json(caller.id.clone()));
        self.answer_as_is(&caller.session, caller.stream, message);
    }
}

/// The way back: a request brings answers.
impl Hub {
    /// Takes up the leased call whose state a request carries, whether its server
    /// still offers what is named or not. Gives the request back if it carries
    /// none.
    pub(super) fn take_up(&mut self, need: Need) -> Option<Need> {
        if !self.is_lone(&need.caller.session) {
            return Some(need);
        }
        let state = need.message.marks.request_state;
        let state = state.and_then(|span| need.message.text(span));
        let Some(sealed) = state.as_deref().and_then(|s| s.strip_prefix(STATE_PREFIX)) else {
            return Some(need);
        };
        // Nothing is taken up for a request that cannot be read: it may come
        // again, mended, with the same state.
        let found = self.lease_by(sealed, &need.caller.session).and_then(|id| {
            let answers = input::read_input_responses(&need.message);
            let answers = answers.map_err(Refusal::BadInputResponses)?;
            self.check_can_be_asked(id, &need.caller.session, &answers)?;
            Ok((id, answers))
        });
        match found {
            Ok((id, answers)) => self.reattach(id, &need.caller, answers),
            // Behind a server of that era may be a gateway like this one, whose
            // states look the same.
            Err(Refusal::UnknownState) if self.leads_to_stateless(&need) => return Some(need),
            Err(refusal) => self.refuse_caller(&need.caller, &refusal),
        }
        None
    }

    /// Whether a request names what a server of the stateless era offers.
    fn leads_to_stateless(&mut self, need: &Need) -> bool {
        let text = |span| need.message.text(span);
        let (name, uri) = (need.message.marks.name, need.message.marks.uri);
        let catalog = self.catalog_of(&need.caller.session);
        let server = match (name.and_then(text), uri.and_then(text)) {
            (Some(name), _) => catalog
                .tool(&name)
                .or_else(|| catalog.prompt(&name))
                .map(|route| route.server),
            (None, Some(uri)) => match catalog.resource(&uri) {
                Found::One(server) => Some(server),
                Found::Several(_) | Found::None => None,
            },
            (None, None) => None,
        };
        let child = server.and_then(|server| self.main_child(server));
        child.is_some_and(Child::is_stateless)
    }

    /// The leased call that a sealed state is for, if this request may take it up.
    fn lease_by(&self, sealed: &str, session: &SessionKey) -> Result<LeaseId, Refusal> {
        let state = self.seal.open(Purpose::RequestState, &[], sealed);
        let state = state.ok().and_then(|bytes| State::from_bytes(&bytes));
        let state = state.ok_or(Refusal::UnknownState)?;
        if self.digest_of(session) != Some(state.digest) {
            return Err(Refusal::StateOfAnother);
        }
        if milliseconds(self.now) >= state.expires {
            return Err(Refusal::StateExpired(limits::LEASE_WAIT));
        }
        let is_newest = |lease: &&Lease| lease.awaits_return() && lease.round == state.round;
        let lease = self.leases.get(state.lease).filter(is_newest);
        lease.map(|_| state.lease).ok_or(Refusal::StateUsed)
    }

    /// Whether a client that takes up a call has declared that it can be asked
    /// what it leaves unanswered. The request before it may have declared more.
    fn check_can_be_asked(
        &self,
        id: LeaseId,
        session: &SessionKey,
        answers: &[(String, Box<str>)],
    ) -> Result<(), Refusal> {
        let open = self.leases.get(id).map_or(&[][..], |lease| &lease.open);
        let is_answered =
            |request: &InputRequest| answers.iter().any(|(key, _)| **key == *request.key);
        let left = open
            .iter()
            .map(|(_, request)| request)
            .filter(|r| !is_answered(r));
        match left
            .filter_map(|request| self.lacks_for(session, request))
            .next()
        {
            Some(capability) => Err(Refusal::LacksCapability(capability)),
            None => Ok(()),
        }
    }

    /// Gives a leased call a new client, and its child the answers.
    fn reattach(&mut self, id: LeaseId, caller: &Caller, answers: Vec<(String, Box<str>)>) {
        let due = self.now.after(limits::LEASE_GATHER_WAIT);
        let Some(lease) = self.leases.get_mut(id) else {
            return;
        };
        if matches!(lease.stage, Stage::Over(_)) {
            return self.deliver(id, caller);
        }
        self.timers.cancel(lease.timer);
        lease.timer = self.timers.set(due, Timer::Lease(id));
        lease.stage = Stage::Gathering;
        lease.round += 1;
        let before = std::mem::replace(&mut lease.session, caller.session.clone());
        let (call, child) = (lease.call, lease.child);
        let asked: Vec<(QuestionId, Box<str>)> = lease
            .open
            .iter()
            .map(|(question, request)| (*question, request.key.clone()))
            .collect();
        if let Some(call) = self.calls.get_mut(call) {
            call.asker = Asker::Client(caller.clone());
            call.origin = Some(caller.session.clone());
        }
        for (question, _) in &asked {
            if let Some(question) = self.questions.get_mut(*question) {
                question.session = caller.session.clone();
            }
        }
        self.hand_over(&before, &caller.session);
        self.note_lease(&before, None);
        self.note_lease(&caller.session, Some(id));
        self.end_lone_if_answered(&before);
        self.rearm(call);
        for (key, json) in answers {
            let question = asked.iter().find(|(_, known)| **known == *key);
            if let Some(question) = question.and_then(|(id, _)| self.close_question(*id)) {
                let answer = Message::result(&json);
                self.answer_child(child, &question.id, answer.into());
            }
        }
        self.let_go_if_all_is_answered(id);
    }

    /// Gives a client what its call ended with while nobody waited.
    fn deliver(&mut self, id: LeaseId, caller: &Caller) {
        let Some(lease) = self.let_go(id) else {
            return;
        };
        self.end_lone_if_answered(&lease.session);
        match lease.stage {
            Stage::Over(Outcome::Answered(message)) => {
                self.answer_call(lease.child, caller, message);
            }
            Stage::Over(Outcome::Refused(refusal)) => self.refuse_caller(caller, &refusal),
            Stage::Gathering | Stage::Waiting(_) => {}
        }
    }
}

/// The ends.
impl Hub {
    /// A call has ended for which nobody waits: what it ended with is kept for
    /// the client's return. Its questions need no answer any more.
    pub(super) fn keep_outcome(&mut self, id: LeaseId, outcome: Outcome) {
        let kept = self.leases.bytes();
        let Some(lease) = self.leases.get_mut(id) else {
            return;
        };
        let outcome = match outcome {
            Outcome::Answered(message) if kept + message.len() > limits::LEASES_BYTES_MAX => {
                Outcome::Refused(Refusal::AnswerNotKept(message.len()))
            }
            outcome => outcome,
        };
        lease.stage = Stage::Over(outcome);
        for (question, _) in std::mem::take(&mut lease.open) {
            if let Some(question) = self.close_question(question) {
                self.refuse_child(question.child, &question.id, &Refusal::ClientLeft);
            }
        }
    }

    /// A client has not come back.
    fn expire(&mut self, id: LeaseId) {
        let Some(lease) = self.let_go(id) else {
            return;
        };
        for (question, _) in lease.open {
            if let Some(question) = self.close_question(question) {
                let refusal = Refusal::QuestionTimedOut(limits::LEASE_WAIT);
                self.refuse_child(question.child, &question.id, &refusal);
            }
        }
        self.end_session(&lease.session, None);
    }

    /// Others are kept from being asked by the calls of clients that are away:
    /// those that have been for long enough are given up.
    pub(super) fn expire_contested(&mut self, child: ChildId) {
        let is_long_away = |lease: &Lease| {
            let away = lease.away_since().map(|since| self.now.since(since));
            lease.child == child && away.is_some_and(|away| away >= limits::LEASE_CONTESTED_WAIT)
        };
        let long_away: Vec<LeaseId> = self
            .leases
            .iter()
            .filter_map(|(id, lease)| is_long_away(lease).then_some(id))
            .collect();
        for id in long_away {
            self.expire(id);
        }
    }

    /// Strikes a leased call out; the call itself is its caller's affair.
    pub(super) fn let_go(&mut self, id: LeaseId) -> Option<Lease> {
        let lease = self.leases.remove(id)?;
        self.timers.cancel(lease.timer);
        self.note_lease(&lease.session, None);
        Some(lease)
    }

    /// A question to a session is closed, which may be one of a leased call.
    pub(super) fn strike_from_lease(&mut self, session: &SessionKey, question: QuestionId) {
        let Some(id) = self.lease_for(session) else {
            return;
        };
        if let Some(lease) = self.leases.get_mut(id) {
            lease.open.retain(|(other, _)| *other != question);
        }
        self.let_go_if_all_is_answered(id);
    }

    /// While its client waits, a call without open questions is like any other.
    fn let_go_if_all_is_answered(&mut self, id: LeaseId) {
        let lease = self.leases.get(id);
        if lease.is_some_and(|lease| lease.open.is_empty() && !lease.awaits_return()) {
            self.let_go(id);
        }
    }

    /// The leased call that a session is entered for.
    pub(super) fn lease_for(&self, session: &SessionKey) -> Option<LeaseId> {
        self.sessions.get(session)?.lone.as_ref()?.lease
    }

    /// Whether a request was answered with questions, and its call goes on.
    pub(super) fn awaits_return(&self, session: &SessionKey) -> bool {
        let lease = self.lease_for(session).and_then(|id| self.leases.get(id));
        lease.is_some_and(Lease::awaits_return)
    }

    fn note_lease(&mut self, session: &SessionKey, lease: Option<LeaseId>) {
        let session = self.sessions.get_mut(session);
        if let Some(lone) = session.and_then(|session| session.lone.as_mut()) {
            lone.lease = lease;
        }
    }

    /// What a request must share with another to be the same asked again.
    fn digest_of(&self, session: &SessionKey) -> Option<[u8; 32]> {
        let session = self.sessions.get(session)?;
        let lone = session.lone.as_ref()?;
        let request: &Arc<Message> = lone.request.as_ref()?;
        let params = request.marks.params;
        let params = input::canonical_params(params.map_or("{}", |span| request.json(span)));
        let (kind, name) = match &session.view {
            View::Merged => ("merged", ""),
            View::Server(name) => ("server", name.as_str()),
            View::Group(name) => ("group", name.as_str()),
        };
        let parts = [kind, name, lone.method.name(), &params];
        Some(seal::digest(&parts.map(str::as_bytes)))
    }
}

fn milliseconds(moment: Moment) -> u64 {
    u64::try_from(moment.0.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_state_says_is_read_back() {
        let state = State {
            lease: LeaseId(1),
            round: 2,
            expires: u64::MAX,
            digest: [7; 32],
        };
        let bytes = state.to_bytes();
        assert_eq!(State::from_bytes(&bytes), Some(state));
        assert_eq!(State::from_bytes(&bytes[1..]), None);
        assert_eq!(State::from_bytes(&[&bytes[..], &[0]].concat()), None);
    }
}
