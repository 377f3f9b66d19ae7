//! A stateless child that needs something of a handshake client to go on says
//! so in its answer (2026-07-28, "Multi Round-Trip Requests"). Each question in
//! it becomes a request to the client; when all have their answers, the call is
//! made once more and brings them.

use std::sync::Arc;

use crate::event::ServerId;
use crate::hub::Hub;
use crate::hub::asking::lack;
use crate::hub::calls::{Asker, Call};
use crate::hub::notices::taken_back;
use crate::hub::questions::{Question, QuestionId};
use crate::hub::refusal::Refusal;
use crate::hub::rounds::{Part, Round};
use crate::hub::streams::{Stream, StreamId};
use crate::hub::timers::Timer;
use crate::limits;
use crate::wire::envelope::{Kind, Message};
use crate::wire::input::{self, InputRequired};
use crate::wire::method::Method;
use crate::wire::outgoing::{Change, Object, Outgoing, Patch};
use crate::wire::own_id::OwnId;
use crate::wire::scan;

/// The answer to an elicitation that its client failed to show: the user has
/// made no choice (2025-11-25, elicitation, "Response Actions").
const NOT_ELICITED: &str = r#"{"action":"cancel"}"#;

impl Hub {
    /// A child has answered a call with questions.
    pub(super) fn input_required(
        &mut self,
        id: OwnId,
        call: Call,
        request: Box<Outgoing>,
        input: Result<InputRequired, String>,
    ) {
        let caller = match &call.asker {
            Asker::Client(caller) => Some(caller),
            Asker::Fan(fan) => self.fans.get(*fan).map(|fan| &fan.caller),
            Asker::Leased(_) | Asker::Nobody => None,
        };
        let server = self.children.get(call.child).map(|child| child.server);
        let (Some(caller), Some(server)) = (caller, server) else {
            return;
        };
        let (session, stream) = (caller.session.clone(), caller.stream);
        let input = match self.check_input(&call, server, input) {
            Ok(input) => input,
            Err(refusal) => {
                self.count_error(&call);
                return self.refuse_asker(&call.asker, id, &refusal);
            }
        };
        let part = |(key, method): (&str, &Method)| Part {
            key: key.into(),
            method: method.clone(),
            question: None,
            answer: None,
        };
        let asked = input.requests.iter();
        let round = Round {
            server,
            session,
            stream,
            request,
            state: input.state,
            parts: asked.map(|one| part((&one.key, &one.method))).collect(),
            call,
        };
        self.rounds.insert(id, round);
        let questions: Vec<Arc<Message>> = input
            .requests
            .iter()
            .map(|one| {
                let kind = Kind::Request(one.method.clone());
                Message::build(kind, one.params.as_deref()).into()
            })
            .collect();
        match self.put_all(id, &questions) {
            Ok(()) => self.repeat_if_answered(id),
            Err(refusal) => {
                let refusal = self.cannot_go_on(id, refusal);
                self.drop_round(id, Some(&refusal));
            }
        }
    }

    /// Whether a call may be answered with these questions.
    fn check_input(
        &self,
        call: &Call,
        server: ServerId,
        input: Result<InputRequired, String>,
    ) -> Result<InputRequired, Refusal> {
        let name = || self.server(server).name.clone();
        match input {
            Ok(_) if call.rounds >= limits::ROUNDS_MAX => Err(Refusal::TooManyRounds {
                server: name(),
                rounds: call.rounds,
            }),
            Ok(input) if !self.has_room_in_rounds(input.state.as_deref()) => {
                Err(Refusal::TooManyQuestions)
            }
            Ok(input) => Ok(input),
            Err(why) => Err(Refusal::BadQuestions {
                server: name(),
                why,
            }),
        }
    }

    /// Whether a state of a server, or an answer of a client, can be kept beside
    /// those of all other rounds.
    fn has_room_in_rounds(&self, text: Option<&str>) -> bool {
        let length = text.map_or(0, str::len);
        length == 0 || self.rounds.bytes() + length <= limits::ROUNDS_BYTES_MAX
    }

    /// Puts all questions of a round to its client, or none that it cannot be
    /// asked.
    fn put_all(&mut self, id: OwnId, questions: &[Arc<Message>]) -> Result<(), Refusal> {
        let round = self.rounds.get(id).ok_or(Refusal::ClientLeft)?;
        let session = self.sessions.get(&round.session);
        let session = session.ok_or(Refusal::ClientLeft)?;
        if session.finished {
            return Err(Refusal::ClientLeft);
        }
        let can = session.hello.as_ref().map(|hello| hello.can);
        let can = can.unwrap_or_default();
        for (part, question) in round.parts.iter().zip(questions) {
            if let Some(lack) = lack(can, &part.method, question) {
                return Err(lack);
            }
        }
        let child = round.call.child;
        // What is asked in answers is asked of this client alone: those that do
        // not answer take no places from it.
        let open = self.questions.count_to(child, &round.session) + questions.len();
        let all = self.questions.len() + questions.len();
        if open > limits::CHILD_QUESTIONS_MAX || all > limits::QUESTIONS_MAX {
            return Err(Refusal::TooManyQuestions);
        }
        for (place, question) in questions.iter().enumerate() {
            self.put_question(id, place, question)?;
        }
        Ok(())
    }

    fn put_question(
        &mut self,
        id: OwnId,
        place: usize,
        question: &Arc<Message>,
    ) -> Result<(), Refusal> {
        let round = self.rounds.get(id).ok_or(Refusal::ClientLeft)?;
        let child = round.call.child;
        let life = self.children.get(child).ok_or(Refusal::ClientLeft)?.life;
        let stream = self.stream_of_round(round).ok_or(Refusal::NoStream)?;
        let reads = |stream: &Stream| stream.has_room_for_notice();
        if !self.streams.get(stream).is_some_and(reads) {
            return Err(Refusal::TooManyQuestions);
        }
        let number = self.questions.mint();
        let due = self.now.after(limits::QUESTION_WAIT);
        let entry = Question {
            child,
            life,
            id: "".into(),
            progress_token: None,
            method: round.parts[place].method.clone(),
            session: round.session.clone(),
            round: Some((id, place)),
            timer: Some(self.timers.set(due, Timer::Question(number))),
        };
        self.questions.insert(number, entry);
        if let Some(round) = self.rounds.get_mut(id) {
            round.parts[place].question = Some(number);
        }
        let mut message = Outgoing::plain(question.clone());
        message.id = Some(Patch::Number(number.0));
        // One token is not told from another's otherwise; the child hears of no
        // progress.
        let token = question.marks.progress_token;
        message.progress_token = token.map(|_| Patch::Number(number.0));
        message.changes.extend(elicitation_id(question, number));
        self.open_post_stream(stream);
        self.put(stream, message, false);
        Ok(())
    }

    /// The stream on which the client of a round is asked: that of its call, or
    /// the one for what belongs to no request.
    pub(super) fn stream_of_round(&self, round: &Round) -> Option<StreamId> {
        let is_attached = self
            .streams
            .get(round.stream)
            .is_some_and(|s| s.outbox.is_some());
        match is_attached {
            true => Some(round.stream),
            false => self.standing_stream(&round.session),
        }
    }

    /// A client has answered one of the questions of a round.
    pub(super) fn part_answered(&mut self, (id, place): (OwnId, usize), message: Arc<Message>) {
        let has_room = self.has_room_in_rounds(message.succeeded().ok());
        let Some(round) = self.rounds.get_mut(id) else {
            return;
        };
        let Some(part) = round.parts.get_mut(place) else {
            return;
        };
        match message.succeeded() {
            Ok(_) if !has_room => {
                return self.part_failed((id, place), Refusal::TooManyQuestions);
            }
            Ok(result) => part.answer = Some(result.into()),
            Err(_) if part.method == Method::Elicit => part.answer = Some(NOT_ELICITED.into()),
            Err(_) => return self.fail_round(id, message),
        }
        self.repeat_if_answered(id);
    }

    /// A client cannot give what the child needs: its error is the outcome.
    fn fail_round(&mut self, id: OwnId, error: Arc<Message>) {
        let Some(round) = self.forget_round(id) else {
            return;
        };
        match &round.call.asker {
            Asker::Client(caller) => self.answer(caller, error),
            Asker::Fan(fan) => self.fan_answered(*fan, id, round.call.child, error),
            Asker::Leased(_) | Asker::Nobody => {}
        }
    }

    /// A question of a round has had its time, or its client is gone.
    pub(super) fn part_failed(&mut self, (id, _): (OwnId, usize), why: Refusal) {
        let refusal = self.cannot_go_on(id, why);
        self.drop_round(id, Some(&refusal));
    }

    fn cannot_go_on(&self, id: OwnId, why: Refusal) -> Refusal {
        let server = self.rounds.get(id).map(|round| self.server(round.server));
        Refusal::CannotGoOn {
            server: server.map(|server| server.name.clone()).unwrap_or_default(),
            why: Box::new(why),
        }
    }

    /// Gives a round up: its caller is refused, or told nothing.
    pub(super) fn drop_round(&mut self, id: OwnId, why: Option<&Refusal>) {
        let Some(round) = self.forget_round(id) else {
            return;
        };
        match (&round.call.asker, why) {
            (asker, Some(why)) => self.refuse_asker(asker, id, why),
            (Asker::Client(caller), None) => self.answer_nothing(caller),
            (Asker::Fan(_) | Asker::Leased(_) | Asker::Nobody, None) => {}
        }
    }

    /// The same for a client that has left, or is told in its answers that all
    /// is over: of the questions it hears nothing more.
    pub(super) fn end_round(&mut self, id: OwnId, why: Option<&Refusal>) {
        let parts = self.rounds.get(id).map(|round| &round.parts);
        let open: Vec<QuestionId> = parts
            .into_iter()
            .flatten()
            .filter_map(|p| p.question)
            .collect();
        for number in open {
            self.close_question(number);
        }
        self.drop_round(id, why);
    }

    /// Strikes a round out; its client need not answer what is still open.
    pub(super) fn forget_round(&mut self, id: OwnId) -> Option<Round> {
        let round = self.rounds.remove(id)?;
        let stream = self.stream_of_round(&round);
        let open: Vec<QuestionId> = round.parts.iter().filter_map(|p| p.question).collect();
        for number in open {
            if self.close_question(number).is_some()
                && let Some(stream) = stream
            {
                self.notify(stream, taken_back(number.0));
            }
        }
        Some(round)
    }

    /// If all questions have their answers, the call is made once more, and
    /// brings them.
    fn repeat_if_answered(&mut self, id: OwnId) {
        let is_answered = |round: &Round| round.parts.iter().all(|part| part.answer.is_some());
        if !self.rounds.get(id).is_some_and(is_answered) {
            return;
        }
        let Some(round) = self.rounds.remove(id) else {
            return;
        };
        // The child may have been given up meanwhile, and another be there.
        let child = match self.child_for(&round.session, round.server) {
            Ok(child) => child,
            Err(refusal) => return self.refuse_asker(&round.call.asker, id, &refusal),
        };
        let answers: Vec<(Box<str>, Box<str>)> = round
            .parts
            .into_iter()
            .filter_map(|part| Some((part.key, part.answer?)))
            .collect();
        let request = answered(*round.request, &answers, round.state.as_deref());
        let call = Call {
            child,
            life: None,
            timer: None,
            began: self.now,
            rounds: round.call.rounds + 1,
            ..round.call
        };
        let fan = match &call.asker {
            Asker::Fan(fan) => Some(*fan),
            Asker::Client(_) | Asker::Leased(_) | Asker::Nobody => None,
        };
        match fan {
            Some(fan) => self.repeat_in_fan(fan, id, call, request),
            None => drop(self.place_outgoing(call, request)),
        }
    }
}

/// A request with the answers that it brings, and without those it brought last.
fn answered(
    mut request: Outgoing,
    answers: &[(Box<str>, Box<str>)],
    state: Option<&str>,
) -> Outgoing {
    let marks = &request.message.marks;
    let brought = [marks.input_responses, marks.request_state];
    request.changes = brought.into_iter().flatten().map(Change::Drop).collect();
    let members = input::retry_members(answers, state);
    request.with(Change::Front(Object::Params, members.into()))
}

/// What the elicitation of a URL lacks in the handshake era, which gives each a
/// name (2025-11-25, elicitation, "URL Mode Elicitation Requests").
fn elicitation_id(question: &Message, number: QuestionId) -> Option<Change> {
    let mode = question.marks.mode.and_then(|span| question.text(span));
    let params = question.marks.params?;
    let [named] = scan::members(question.json(params), ["elicitationId"]).ok()?;
    let lacks = mode.as_deref() == Some("url") && named.is_none();
    lacks.then(|| {
        let member = format!("\"elicitationId\":\"mcproxy-{}\"", number.0);
        Change::Front(Object::Params, member.into())
    })
}
