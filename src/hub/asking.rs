//! What children ask of clients: sampling, elicitation, roots. A child of a
//! session's own asks that session. On a shared child nothing ties a question
//! to a caller, so it goes to the one session with a call under way there; with
//! none or several it is refused (the one-origin rule). Whom it goes to is
//! decided here; how a stateless client is asked, in `leasing`.

use std::sync::Arc;

use crate::config::checked::Scope;
use crate::event::{Life, SessionKey};
use crate::hub::Hub;
use crate::hub::children::{Child, ChildId};
use crate::hub::leasing::may_ask;
use crate::hub::notices::taken_back;
use crate::hub::questions::{Question, QuestionId};
use crate::hub::refusal::Refusal;
use crate::hub::streams::Stream;
use crate::hub::timers::Timer;
use crate::limits;
use crate::wire::envelope::{Kind, Message};
use crate::wire::handshake::ClientCan;
use crate::wire::input::InputRequest;
use crate::wire::method::Method;
use crate::wire::outgoing::{Change, Outgoing, Patch};

/// A question that a child puts to a client.
pub(super) struct Put {
    pub(super) child: ChildId,
    pub(super) life: Life,
    pub(super) method: Method,
    pub(super) message: Arc<Message>,
    /// The id that the child gave it, as JSON text.
    pub(super) asked: Arc<str>,
}

/// What a client that has declared this lacks to be asked a question.
pub(super) fn lack(can: ClientCan, method: &Method, message: &Message) -> Option<Refusal> {
    let cannot = || Refusal::ClientCannot(method.name().to_owned());
    let cannot_so = |how| Refusal::ClientCannotSo {
        method: method.name().to_owned(),
        how,
    };
    let (can_at_all, can_so) = match method {
        Method::CreateMessage => {
            let has_tools = message.marks.tools.is_some();
            let lacks = (has_tools && !can.sampling_tools).then(|| cannot_so("with tools"));
            (can.sampling, lacks)
        }
        Method::Elicit => {
            let mode = message.marks.mode.map(|span| message.text(span));
            let lacks = match mode.as_ref().map(Option::as_deref) {
                None | Some(Some("form")) => (!can.elicitation).then(|| cannot_so("with a form")),
                Some(Some("url")) => (!can.elicitation_url).then(|| cannot_so("with a URL")),
                Some(_) => Some(cannot_so("in that mode")),
            };
            (can.elicitation || can.elicitation_url, lacks)
        }
        Method::RootsList => (can.roots, None),
        _ => (false, None),
    };
    if can_at_all { can_so } else { Some(cannot()) }
}

/// What a client has to declare to be asked a question, as JSON text.
fn required(method: &Method, message: &Message) -> &'static str {
    let mode = message.marks.mode.and_then(|span| message.text(span));
    match method {
        Method::CreateMessage if message.marks.tools.is_some() => r#"{"sampling":{"tools":{}}}"#,
        Method::CreateMessage => r#"{"sampling":{}}"#,
        Method::Elicit if mode.as_deref() == Some("url") => r#"{"elicitation":{"url":{}}}"#,
        Method::Elicit => r#"{"elicitation":{"form":{}}}"#,
        _ => r#"{"roots":{}}"#,
    }
}

fn answer_to(asked: &Arc<str>, message: Arc<Message>) -> Outgoing {
    let mut answer = Outgoing::plain(message);
    answer.id = Some(Patch::Json(asked.clone()));
    answer
}

impl Hub {
    /// A request of a child.
    pub(super) fn child_asks(&mut self, id: ChildId, method: &Method, message: Arc<Message>) {
        let asked: Arc<str> = match message.marks.id {
            Some(span) => message.json(span).into(),
            None => return,
        };
        if self.children.get(id).is_some_and(Child::is_stateless) {
            // In its era no server asks by a request of its own.
            let refusal = Refusal::UnknownMethod(method.name().to_owned());
            return self.turn_down(id, &asked, &refusal);
        }
        match method {
            Method::Ping => self.answer_at_once(id, &asked, Message::result("{}")),
            Method::CreateMessage | Method::Elicit | Method::RootsList => {
                let Some(life) = self.children.get(id).map(|child| child.life) else {
                    return;
                };
                let put = Put {
                    child: id,
                    life,
                    method: method.clone(),
                    message,
                    asked: asked.clone(),
                };
                if let Err(refusal) = self.ask_client(put) {
                    self.turn_down(id, &asked, &refusal);
                }
            }
            other => {
                let refusal = Refusal::UnknownMethod(other.name().to_owned());
                self.turn_down(id, &asked, &refusal);
            }
        }
    }

    pub(super) fn answer_child(&mut self, id: ChildId, asked: &Arc<str>, message: Arc<Message>) {
        self.send_child(id, answer_to(asked, message));
    }

    pub(super) fn refuse_child(&mut self, id: ChildId, asked: &Arc<str>, refusal: &Refusal) {
        log::debug!("{}: {refusal}", self.label(id));
        self.answer_child(id, asked, refusal.message().into());
    }

    /// Refuses at once what a child asks.
    fn turn_down(&mut self, id: ChildId, asked: &Arc<str>, refusal: &Refusal) {
        log::debug!("{}: {refusal}", self.label(id));
        self.answer_at_once(id, asked, refusal.message());
    }

    /// Answers at once what a child asks. One that asks and asks and does not
    /// read must leave half of the places to calls, so what has no room waits
    /// until the child has read; past its limit it is dropped.
    fn answer_at_once(&mut self, id: ChildId, asked: &Arc<str>, message: Message) {
        let Some(child) = self.children.get_mut(id) else {
            return;
        };
        let answer = answer_to(asked, message.into());
        if child.words.is_empty() && child.has_room_for_words() {
            self.send_child(id, answer);
        } else if child.words.len() < limits::CHILD_WORDS_MAX {
            child.words.push_back(answer);
        } else {
            log::debug!("{}: it asks and does not read", self.label(id));
        }
    }

    /// Sends a child what has waited until it has read.
    pub(super) fn send_words(&mut self, id: ChildId) {
        while let Some(child) = self.children.get_mut(id)
            && child.has_room_for_words()
            && let Some(word) = child.words.pop_front()
        {
            self.send_child(id, word);
        }
    }

    fn ask_client(&mut self, put: Put) -> Result<(), Refusal> {
        let session = self.whom_to_ask(&put)?;
        if self.is_lone(&session) {
            self.ask_in_answer(&session, put)
        } else {
            self.ask_on_stream(&session, put)
        }
    }

    /// The one client that a question can be for, if it can be asked it.
    fn whom_to_ask(&mut self, put: &Put) -> Result<SessionKey, Refusal> {
        let child = self.children.get(put.child).ok_or(Refusal::ClientLeft)?;
        // Roots were never declared to a shared child: one client's would
        // become every client's.
        let is_shared = self.server_of(child).scope == Scope::Shared;
        if is_shared && put.method == Method::RootsList {
            return Err(Refusal::ClientCannot(put.method.name().to_owned()));
        }
        // What cannot be asked about has no child to itself on a template.
        let origins = self.origins_of(put.child, |call| is_shared || may_ask(&call.method));
        let [key] = origins.as_slice() else {
            if !origins.is_empty() {
                self.expire_contested(put.child);
            }
            return Err(Refusal::NoOrigin {
                method: put.method.name().to_owned(),
                origins: origins.len(),
                is_shared,
            });
        };
        let session = self.sessions.get(key);
        if session.is_some_and(|session| session.finished) {
            return Err(Refusal::ClientLeft);
        }
        let hello = session.and_then(|session| session.hello.as_ref());
        let can = hello.map_or_else(ClientCan::default, |hello| hello.can);
        let key = key.clone();
        let Some(lack) = lack(can, &put.method, &put.message) else {
            return Ok(key);
        };
        let session = self.sessions.get_mut(&key);
        if let Some(lone) = session.and_then(|session| session.lone.as_mut()) {
            lone.lacks = Some(required(&put.method, &put.message));
        }
        Err(lack)
    }

    /// What the client of a session has to declare to be asked this, as JSON
    /// text, if it has not.
    pub(super) fn lacks_for(
        &self,
        key: &SessionKey,
        request: &InputRequest,
    ) -> Option<&'static str> {
        let hello = self.sessions.get(key)?.hello.as_ref()?;
        let kind = Kind::Request(request.method.clone());
        let message = Message::build(kind, request.params.as_deref());
        lack(hello.can, &request.method, &message).map(|_| required(&request.method, &message))
    }

    /// Asks a client with a session, where it listens.
    fn ask_on_stream(&mut self, session: &SessionKey, put: Put) -> Result<(), Refusal> {
        let stream = self
            .stream_towards(put.child, session)
            // Better beside an answer of another server's than not at all.
            .or_else(|| self.open_post_of(session))
            .ok_or(Refusal::NoStream)?;
        let reads = |stream: &Stream| stream.has_room_for_notice();
        if self.questions.count_of(put.child) >= limits::CHILD_QUESTIONS_MAX
            || !self.streams.get(stream).is_some_and(reads)
        {
            return Err(Refusal::TooManyQuestions);
        }
        self.remember_url(put.child, session, &put.message);
        let question = self.questions.mint();
        let token = put.message.marks.progress_token;
        let timer = self.timers.set(
            self.now.after(limits::QUESTION_WAIT),
            Timer::Question(question),
        );
        let entry = Question {
            child: put.child,
            life: put.life,
            id: put.asked,
            progress_token: token.map(|span| put.message.json(span).into()),
            method: put.method,
            session: session.clone(),
            round: None,
            timer: Some(timer),
        };
        let mut message = Outgoing::plain(put.message);
        message.id = Some(Patch::Number(question.0));
        message.progress_token = token.map(|_| Patch::Number(question.0));
        self.questions.insert(question, entry);
        self.open_post_stream(stream);
        self.put(stream, message, false);
        Ok(())
    }

    /// A client has answered a question. An answer that no open question of
    /// this very session waits for is dropped.
    pub(super) fn client_answer(&mut self, key: &SessionKey, message: Arc<Message>) {
        let question = message
            .marks
            .id
            .and_then(|span| message.json(span).parse().ok())
            .map(QuestionId)
            .filter(|&id| self.questions.get(id).is_some_and(|q| q.session == *key));
        let Some(question) = question.and_then(|id| self.close_question(id)) else {
            log::debug!("session {key:?}: an answer to no open question; dropped");
            return;
        };
        match question.round {
            Some(round) => self.part_answered(round, message),
            None => self.answer_child(question.child, &question.id, message),
        }
    }

    /// Strikes a question out. The calls of its session on its child, whose
    /// time stood still, have theirs counted anew.
    pub(super) fn close_question(&mut self, id: QuestionId) -> Option<Question> {
        let question = self.questions.remove(id)?;
        if let Some(timer) = question.timer {
            self.timers.cancel(timer);
        }
        self.strike_from_lease(&question.session, id);
        let calls: Vec<_> = self
            .children
            .get(question.child)
            .map(|child| child.under_way.iter().copied().collect())
            .unwrap_or_default();
        for call in calls {
            let of_session =
                |call: &crate::hub::calls::Call| call.origin.as_ref() == Some(&question.session);
            if self.calls.get(call).is_some_and(of_session) {
                self.rearm(call);
            }
        }
        Some(question)
    }

    /// A client has not answered in time: the child is told, and the client.
    pub(super) fn question_overdue(&mut self, id: QuestionId) {
        let Some(question) = self.close_question(id) else {
            return;
        };
        let refusal = Refusal::QuestionTimedOut(limits::QUESTION_WAIT);
        match question.round {
            // The answer to its call may end the stream.
            Some(round) => {
                self.tell_taken_back(&question, taken_back(id.0));
                self.part_failed(round, refusal);
            }
            None => {
                self.refuse_child(question.child, &question.id, &refusal);
                self.tell_taken_back(&question, taken_back(id.0));
            }
        }
    }

    /// A child takes a question back; its client is told in the child's words.
    pub(super) fn child_takes_back(&mut self, child: ChildId, message: &Arc<Message>) {
        let Some(span) = message.marks.request_id else {
            return;
        };
        let Some(life) = self.children.get(child).map(|child| child.life) else {
            return;
        };
        if let Some(id) = self.questions.of_child(life, message.json(span))
            && let Some(question) = self.close_question(id)
        {
            let known_id = Change::Replace(span, id.0.to_string().into());
            let notice = Outgoing::plain(message.clone()).with(known_id);
            self.tell_taken_back(&question, notice);
        }
    }

    /// A client that was asked on a stream hears that it need not answer. One
    /// that was asked in an answer hears it when it comes back.
    fn tell_taken_back(&mut self, question: &Question, notice: Outgoing) {
        if self.is_lone(&question.session) {
            return;
        }
        let stream = match question.round {
            Some((call, _)) => self.rounds.get(call).and_then(|r| self.stream_of_round(r)),
            None => self.stream_towards(question.child, &question.session),
        };
        if let Some(stream) = stream {
            self.notify(stream, notice);
        }
    }

    /// The life that asked is over: its clients need not answer.
    pub(super) fn drop_questions_of(&mut self, life: Life) {
        for id in self
            .questions
            .ids_where(|q| q.life == life && q.round.is_none())
        {
            if let Some(question) = self.close_question(id) {
                self.tell_taken_back(&question, taken_back(id.0));
            }
        }
    }

    /// The session that was asked is over.
    pub(super) fn drop_questions_to(&mut self, key: &SessionKey) {
        for id in self.questions.ids_where(|q| q.session == *key) {
            if let Some(question) = self.close_question(id) {
                match question.round {
                    Some(round) => self.part_failed(round, Refusal::ClientLeft),
                    None => self.refuse_child(question.child, &question.id, &Refusal::ClientLeft),
                }
            }
        }
    }
}
