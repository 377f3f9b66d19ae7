//! Elicitations by URL (2025-11-25, elicitation, "URL Mode Elicitation
//! Requests"): whom the word concerns that one is complete, and the error by
//! which a server asks for some before it does anything.

use std::sync::Arc;

use crate::event::SessionKey;
use crate::hub::Hub;
use crate::hub::calls::Caller;
use crate::hub::children::ChildId;
use crate::hub::leasing::may_ask;
use crate::hub::refusal::Refusal;
use crate::limits;
use crate::wire::envelope::Message;
use crate::wire::input;
use crate::wire::outgoing::Outgoing;

impl Hub {
    /// A child asks a client with a session; it may be to open a URL.
    pub(super) fn remember_url(&mut self, child: ChildId, session: &SessionKey, asked: &Message) {
        let mode = asked.marks.mode.and_then(|span| asked.text(span));
        if mode.as_deref() == Some("url")
            && let Some(params) = asked.marks.params
            && let Some(id) = input::elicitation_id(asked.json(params))
        {
            self.remember_url_id(child, session, id);
        }
    }

    fn remember_url_id(&mut self, child: ChildId, session: &SessionKey, id: Box<str>) {
        let Some(child) = self.children.get_mut(child) else {
            return;
        };
        child.urls.push_back((id, session.clone()));
        if child.urls.len() > limits::CHILD_URLS_MAX {
            child.urls.pop_front();
        }
    }

    /// What a URL was opened for is complete: the client that was asked to open
    /// it is told, and no other; of a session's own child that is its session. The stateless era has no such word, so its
    /// clients are not remembered.
    pub(super) fn elicitation_complete(&mut self, id: ChildId, message: &Arc<Message>) {
        let name = message.marks.params.map(|span| message.json(span));
        let name = name.and_then(input::elicitation_id);
        let Some(child) = self.children.get(id) else {
            return;
        };
        let asked = |(known, _): &&(Box<str>, SessionKey)| Some(known) == name.as_ref();
        let session = match &child.owner {
            Some(owner) => Some(owner),
            None => child.urls.iter().rev().find(asked).map(|(_, key)| key),
        };
        let Some(session) = session.cloned() else {
            log::debug!(
                "{}: an elicitation nobody knows is complete",
                self.label(id)
            );
            return;
        };
        if let Some(stream) = self.stream_towards(id, &session) {
            self.notify(stream, Outgoing::plain(message.clone()));
        }
    }

    /// Gives a client the answer to its call. One that says that URLs must be
    /// opened first is a question in the stateless era, and an error there only
    /// for a client that cannot be asked.
    pub(super) fn answer_call(&mut self, child: ChildId, caller: &Caller, message: Arc<Message>) {
        if let Some(refusal) = self.failed_for_want(&caller.session, &message) {
            return self.refuse_caller(caller, &refusal);
        }
        if message.error_code() != Some(input::URL_REQUIRED) {
            return self.answer(caller, message);
        }
        let wanted = input::read_url_elicitations(&message);
        let Some(lone) = self.sessions.lone(&caller.session) else {
            for request in wanted {
                self.remember_url_id(child, &caller.session, request.key);
            }
            return self.answer(caller, message);
        };
        if wanted.is_empty() || !may_ask(&lone.method) {
            return self.answer(caller, message);
        }
        let session = self.sessions.get(&caller.session);
        let hello = session.and_then(|session| session.hello.as_ref());
        if hello.is_some_and(|hello| hello.can.elicitation_url) {
            let result = input::input_required_result(&wanted, None);
            return self.answer_asking(caller, &result);
        }
        let refusal = Refusal::NeedsUrl(message.error_sentence());
        self.refuse_caller(caller, &refusal);
    }
}
