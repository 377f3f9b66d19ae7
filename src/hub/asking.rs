//! What children ask of clients: sampling, elicitation, roots. A child of a
//! session's own asks that session. On a shared child nothing ties a question
//! to a caller, so it goes to the one session with a call under way there; with
//! none or several it is refused (the one-origin rule).

use std::sync::Arc;

use crate::event::{Life, SessionKey};
use crate::hub::Hub;
use crate::hub::children::ChildId;
use crate::hub::questions::{Question, QuestionId};
use crate::hub::refusal::Refusal;
use crate::hub::streams::Stream;
use crate::hub::timers::Timer;
use crate::limits;
use crate::wire::envelope::{Kind, Message};
use crate::wire::handshake::ClientCan;
use crate::wire::method::Method;
use crate::wire::outgoing::{Outgoing, Patch};

/// Whether a client can be asked this.
fn can_answer(can: ClientCan, method: &Method) -> bool {
    match method {
        Method::CreateMessage => can.sampling,
        Method::Elicit => can.elicitation,
        Method::RootsList => can.roots,
        _ => false,
    }
}

impl Hub {
    /// A request of a child.
    pub(super) fn child_asks(&mut self, id: ChildId, method: &Method, message: Arc<Message>) {
        let asked: Arc<str> = match message.marks.id {
            Some(span) => message.json(span).into(),
            None => return,
        };
        match method {
            Method::Ping => {
                let answer = Message::result("{}");
                self.answer_child(id, &asked, answer.into());
            }
            Method::CreateMessage | Method::Elicit | Method::RootsList => {
                if let Err(refusal) = self.ask_client(id, method, message, asked.clone()) {
                    self.refuse_child(id, &asked, &refusal);
                }
            }
            other => {
                let refusal = Refusal::UnknownMethod(other.name().to_owned());
                self.refuse_child(id, &asked, &refusal);
            }
        }
    }

    fn answer_child(&mut self, id: ChildId, asked: &Arc<str>, message: Arc<Message>) {
        let mut message = Outgoing::plain(message);
        message.id = Some(Patch::Json(asked.clone()));
        self.send_child(id, message);
    }

    fn refuse_child(&mut self, id: ChildId, asked: &Arc<str>, refusal: &Refusal) {
        log::debug!("{}: {refusal}", self.label(id));
        self.answer_child(id, asked, refusal.message().into());
    }

    fn ask_client(
        &mut self,
        id: ChildId,
        method: &Method,
        message: Arc<Message>,
        asked: Arc<str>,
    ) -> Result<(), Refusal> {
        let child = self.children.get(id).ok_or(Refusal::ClientLeft)?;
        let life = child.life;
        let is_shared = child.owner.is_none();
        // Roots were never declared to a shared child: one client's would
        // become every client's.
        if is_shared && *method == Method::RootsList {
            return Err(Refusal::ClientCannot(method.name().to_owned()));
        }
        let origins = self.origins(id);
        let [session] = origins.as_slice() else {
            return Err(Refusal::NoOrigin {
                method: method.name().to_owned(),
                origins: origins.len(),
            });
        };
        let asked_one = self.sessions.get(session);
        if asked_one.is_some_and(|session| session.finished) {
            return Err(Refusal::ClientLeft);
        }
        let can = asked_one
            .and_then(|session| session.hello.as_ref())
            .is_some_and(|hello| can_answer(hello.can, method));
        if !can {
            return Err(Refusal::ClientCannot(method.name().to_owned()));
        }
        let stream = self.stream_towards(id, session).ok_or(Refusal::NoStream)?;
        let reads = |stream: &Stream| stream.has_room_for_notice();
        if self.questions.count_of(life) >= limits::CHILD_QUESTIONS_MAX
            || !self.streams.get(stream).is_some_and(reads)
        {
            return Err(Refusal::TooManyQuestions);
        }
        let question = self.questions.mint();
        let token = message.marks.progress_token;
        let timer = self.timers.set(
            self.now.after(limits::QUESTION_WAIT),
            Timer::Question(question),
        );
        let entry = Question {
            child: id,
            life,
            id: asked,
            progress_token: token.map(|span| message.json(span).into()),
            method: method.clone(),
            session: session.clone(),
            timer,
        };
        let mut message = Outgoing::plain(message);
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
        self.answer_child(question.child, &question.id, message);
    }

    /// Strikes a question out. The calls of its session on its child, whose
    /// time stood still, have theirs counted anew.
    fn close_question(&mut self, id: QuestionId) -> Option<Question> {
        let question = self.questions.remove(id)?;
        self.timers.cancel(question.timer);
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
        self.refuse_child(question.child, &question.id, &refusal);
        self.tell_taken_back(id, &question);
    }

    /// A child takes a question back.
    pub(super) fn child_takes_back(&mut self, child: ChildId, message: &Message) {
        let Some(asked) = message.marks.request_id.map(|span| message.json(span)) else {
            return;
        };
        let Some(life) = self.children.get(child).map(|child| child.life) else {
            return;
        };
        if let Some(id) = self.questions.of_child(life, asked)
            && let Some(question) = self.close_question(id)
        {
            self.tell_taken_back(id, &question);
        }
    }

    fn tell_taken_back(&mut self, id: QuestionId, question: &Question) {
        let params = format!(r#"{{"requestId":{}}}"#, id.0);
        let message = Message::build(Kind::Notification(Method::Cancelled), Some(&params));
        let stream = self.stream_towards(question.child, &question.session);
        if let Some(stream) = stream {
            self.notify(stream, Outgoing::plain(message.into()));
        }
    }

    /// The life that asked is over: its clients need not answer.
    pub(super) fn drop_questions_of(&mut self, life: Life) {
        for id in self.questions.ids_where(|q| q.life == life) {
            if let Some(question) = self.close_question(id) {
                self.tell_taken_back(id, &question);
            }
        }
    }

    /// The session that was asked is over.
    pub(super) fn drop_questions_to(&mut self, key: &SessionKey) {
        for id in self.questions.ids_where(|q| q.session == *key) {
            if let Some(question) = self.close_question(id) {
                self.refuse_child(question.child, &question.id, &Refusal::ClientLeft);
            }
        }
    }
}
