//! What counts as a call, as an error, as a restart: what is told of in a
//! status report, and `figures` remembers.
//!
//! A call is a request of a client that was for the server, whether it could be
//! handed on or not; one that is made again with its client's answers counts
//! again. Its time runs until the server answers, waiting included, as for its
//! client. An error is a call that the server answered with one, that was
//! refused, or that had no answer in time; the last counts with its time, or the
//! slowest server would look quick. A result in which a tool says `isError` is
//! none: results are not read.

use crate::event::{Moment, ServerId};
use crate::hub::Hub;
use crate::hub::calls::{Asker, Call};
use crate::hub::children::ChildId;
use crate::hub::figures::Tally;
use crate::wire::envelope::{Kind, Message};
use crate::wire::own_id::OwnId;

impl Hub {
    /// A call was taken on, and may yet be refused.
    pub(super) fn count_call(&mut self, call: &Call) {
        if let Some(server) = counted_for(call) {
            self.figures.of(server).calls += 1;
        }
    }

    /// A call was refused before there was a child for it.
    pub(super) fn count_refused(&mut self, server: ServerId) {
        let tally = self.figures.of(server);
        tally.calls += 1;
        tally.errors += 1;
    }

    /// A call will have no answer.
    pub(super) fn count_error(&mut self, call: &Call) {
        if let Some(server) = counted_for(call) {
            self.figures.of(server).errors += 1;
        }
    }

    /// A call has its answer.
    pub(super) fn count_answer(&mut self, call: &Call, message: &Message) {
        if call.abandoned {
            return;
        }
        if let Some(server) = counted_for(call) {
            let failed = message.kind == Kind::Answer { failed: true };
            self.count_time(server, call.began).errors += u64::from(failed);
        }
    }

    /// A call has had no answer in its time.
    pub(super) fn count_overdue(&mut self, id: OwnId) {
        let call = self.calls.get(id);
        let counted = call.and_then(|call| Some((counted_for(call)?, call.began)));
        if let Some((server, began)) = counted {
            self.count_time(server, began).errors += 1;
        }
    }

    /// A process is started that shall serve.
    pub(super) fn count_start(&mut self, id: ChildId) {
        if let Some(child) = self.children.get(id).filter(|child| child.failures > 0) {
            self.figures.of(child.server).restarts += 1;
        }
    }

    /// A call has taken the time since it began. What else there is of its server.
    fn count_time(&mut self, server: ServerId, began: Moment) -> &mut Tally {
        let took = self.now.since(began);
        let tally = self.figures.of(server);
        tally.times.add(self.now, took);
        tally
    }
}

/// The server that a call counts for; none if it is the gateway's own.
fn counted_for(call: &Call) -> Option<ServerId> {
    match call.asker {
        Asker::Nobody => None,
        Asker::Client(_) | Asker::Fan(_) | Asker::Leased(_) => Some(call.server),
    }
}
