//! What is heard of connections whose threads sleep: POSTs like the one that the thread has seen last, which the
//! dispatcher takes out of the socket itself and answers by pen.
//!
//! Nothing is refused here: whatever is not as it should be is for the thread, which says why.

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::channel::Alarm;
use crate::door::http::Door;
use crate::door::legacy_sse;
use crate::door::route::Route;
use crate::door::streamable::{self, Form};
use crate::event::{Event, SessionKey};
use crate::http::Exchange;
use crate::http::ear::{Ear, Hearer, Listener};
use crate::http::head::Head;
use crate::mail::hearing::{Deputy, Poller};
use crate::mail::{Nap, Slept};
use crate::wire::envelope::Message;
use crate::wire::shells::Shells;

/// Takes POSTs to one endpoint, whose answers have one form: those that a thread goes on with in the same way, should
/// it be woken for one.
pub struct PostHearer {
    /// What all connections share.
    pub door: Arc<Door>,
    /// Begins their exchanges.
    pub deputy: Deputy,
    /// The endpoint.
    pub route: Route,
    /// The form of their answers.
    pub form: Form,
    /// What the head names that was admitted last.
    pub named: Option<Named>,
    /// Of the last request the next is made.
    pub shells: Shells,
}

/// What the head of a request names beside its endpoint.
pub enum Named {
    /// Of a POST whose answer comes with it.
    Post(streamable::Named),
    /// The session on whose stream the answer comes.
    Session(SessionKey),
}

impl PostHearer {
    /// Whether the request comes to the same endpoint and may come in. That of a browser's page has headers in its
    /// answer that no pen writes.
    fn is_let_in(&self, head: &Head) -> bool {
        let guard = &self.door.guard;
        Route::of_path(head.path()).as_ref() == Some(&self.route)
            && head.get("Origin").is_none()
            && guard.check_source(None, head.get("Host")).is_ok()
            && guard.check_token(head.get("Authorization")).is_ok()
    }

    fn named_by(&self, head: &Head) -> Option<Named> {
        match &self.route {
            Route::Mcp(_) if streamable::accepts_both(head) => {
                Some(Named::Post(streamable::Named::by(head)))
            }
            Route::Messages(_) => legacy_sse::session_in(head.query()).map(Named::Session),
            _ => None,
        }
    }
}

impl Hearer<Event> for PostHearer {
    // While the same head comes again its token was the right one, and no time tells how much of another is.
    fn admit(&mut self, head: &Head) -> bool {
        let is_ours = self.is_let_in(head) && streamable::is_json(head);
        self.named = is_ours.then(|| self.named_by(head)).flatten();
        self.named.is_some()
    }

    fn hear(&mut self, head: &Head, body: &[u8]) -> Option<Event> {
        let named = self.named.as_ref()?;
        if !self.deputy.is_free() || body.len() > self.door.message_max {
            return None;
        }
        // A batch has another form of answer, and is read but once.
        if body.trim_ascii_start().starts_with(b"[") {
            return None;
        }
        let budget = &self.door.inbox.budgets.clients;
        let mut weight = budget.nothing();
        let mut bytes = self.shells.buffer();
        weight.reserve(&mut bytes, body.len(), body.len(), 0).ok()?;
        bytes.extend_from_slice(body);
        let shells = &mut self.shells;
        let share = |message: Message| shells.give(message.weighing(budget));
        let word = match (&self.route, named) {
            (Route::Mcp(view), Named::Post(named)) => {
                let (named, view) = (named.clone(), view.clone());
                let (word, form) = streamable::word_of(bytes, head, named, view, share).ok()?;
                (form == self.form).then_some(word)?
            }
            (Route::Messages(view), Named::Session(session)) => {
                legacy_sse::word_of(bytes, session.clone(), view.clone(), share)
            }
            _ => return None,
        };
        self.deputy.begin(word)
    }
}

/// Sleeps while the dispatcher listens to the connection.
pub struct AtTheEar<'a> {
    ear: &'a Ear<Event>,
    exchange: &'a mut dyn Exchange,
    hearer: Option<Box<dyn Hearer<Event>>>,
    deadline: Instant,
}

impl<'a> AtTheEar<'a> {
    /// Until the deadline, or the peer stirs in a way that is not for the hearer.
    pub fn until(
        deadline: Instant,
        ear: &'a Ear<Event>,
        exchange: &'a mut dyn Exchange,
        hearer: Option<Box<dyn Hearer<Event>>>,
    ) -> AtTheEar<'a> {
        AtTheEar {
            ear,
            exchange,
            hearer,
            deadline,
        }
    }
}

impl Nap for AtTheEar<'_> {
    fn sleep(&mut self, is_called: &dyn Fn() -> bool) -> Slept {
        let Some(line) = self.exchange.line() else {
            return Slept::ToTheEnd;
        };
        let woken = self
            .ear
            .sleep(line, self.hearer.take(), self.deadline, is_called);
        self.hearer = woken.hearer;
        self.exchange.take_in(&woken.unread);
        match woken.is_over {
            true => Slept::ToTheEnd,
            false => Slept::AWhile,
        }
    }
}

impl Poller for Listener<Event> {
    fn alarm(&self) -> Alarm {
        Alarm::Event(Arc::clone(Listener::alarm(self)))
    }

    fn wait(&mut self, time: Option<Duration>) {
        Listener::wait(self, time);
    }

    fn next_event(&mut self) -> Option<Event> {
        self.next_request()
    }
}
