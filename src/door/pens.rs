//! The pens that this door lends: with them the dispatcher answers a POST, or goes
//! on with a stream, while the thread of the connection sleeps.

#[cfg(test)]
mod tests;

use std::io;

use crate::door::writing;
use crate::event::{Parcel, Standing};
use crate::http::Exchange;
use crate::http::answer::Opening;
use crate::http::courier::{Courier, Sent};
use crate::limits;
use crate::mail::pen::{Page, Pen, Written};
use crate::wire::outgoing::Outgoing;
use crate::wire::sse;

/// Answers a POST, as [`crate::door::streamable`] and [`crate::door::legacy_sse`]
/// would themselves.
struct AnswerPen {
    courier: Courier,
    is_stateless: bool,
    /// Of the last answer.
    opening: Option<(Kind, Opening)>,
}

/// What sets the heads of answers by pen apart.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// A JSON-RPC message, with this status.
    Json(u16),
    /// That a message was taken.
    Accepted,
}

impl Kind {
    fn opening(self) -> io::Result<Opening> {
        match self {
            Kind::Json(status) => Opening::of(status, &[writing::JSON_HEADER]),
            Kind::Accepted => Opening::of(writing::status_of(Standing::Accepted), &[]),
        }
    }
}

impl Pen for AnswerPen {
    fn write(&mut self, parcel: &Parcel, page: &mut Page) -> Written {
        let sent = match parcel {
            Parcel::Message {
                message,
                event: None,
                last: true,
            } if is_short(message) => {
                let status = match self.is_stateless {
                    true => writing::status_of_stateless(message),
                    false => 200,
                };
                page.body.message(message);
                self.send(Kind::Json(status), page)
            }
            Parcel::Verdict {
                standing: Standing::Accepted,
                message: None,
            } => self.send(Kind::Accepted, page),
            _ => Sent::Nothing,
        };
        match sent {
            Sent::All => Written::Last,
            Sent::Part(rest) => Written::Part(rest),
            Sent::Nothing => Written::Nothing,
        }
    }
}

impl AnswerPen {
    /// Sends an answer whose body is on the page.
    fn send(&mut self, kind: Kind, page: &mut Page) -> Sent {
        let known = self.opening.take().filter(|(last, _)| *last == kind);
        let Some(opening) = known.or_else(|| Some((kind, kind.opening().ok()?))) else {
            return Sent::Nothing;
        };
        let (_, opening) = self.opening.insert(opening);
        let Page { head, body } = page;
        body.with_slices(|body| self.courier.answer(head, opening, body))
    }
}

/// A pen that answers the exchange under way, if it is one that a pen can answer.
/// The headers of an answer by pen are those that every answer has.
pub fn for_answer(
    exchange: &mut dyn Exchange,
    is_stateless: bool,
    extra: &[(&str, &str)],
) -> Option<Box<dyn Pen>> {
    let courier = exchange.courier().filter(|_| extra.is_empty())?;
    Some(Box::new(AnswerPen {
        courier,
        is_stateless,
        opening: None,
    }))
}

/// Goes on with a stream.
struct StreamPen {
    courier: Courier,
    /// The name of each message's event, where the transport gives one.
    event_name: Option<&'static str>,
}

impl Pen for StreamPen {
    fn write(&mut self, parcel: &Parcel, page: &mut Page) -> Written {
        // The last ends the stream, which is for its own thread to do.
        let Parcel::Message {
            message,
            event,
            last: false,
        } = parcel
        else {
            return Written::Nothing;
        };
        if !is_short(message) {
            return Written::Nothing;
        }
        let name = self.event_name;
        let Page { head, body } = page;
        body.write(|out, keeper| {
            sse::write_event(out, name, event.as_ref(), |out| {
                keeper.message(out, message);
            });
        });
        let sent = body.with_slices(|piece| self.courier.piece(head, piece));
        match sent {
            Sent::All => Written::All,
            Sent::Part(rest) => Written::Part(rest),
            Sent::Nothing => Written::Nothing,
        }
    }
}

/// A pen that goes on with a stream whose head is written.
pub fn for_stream(
    exchange: &mut dyn Exchange,
    event_name: Option<&'static str>,
) -> Option<Box<dyn Pen>> {
    let courier = exchange.courier()?;
    Some(Box::new(StreamPen {
        courier,
        event_name,
    }))
}

fn is_short(message: &Outgoing) -> bool {
    message.len_max() <= limits::PEN_BYTES_MAX
}
