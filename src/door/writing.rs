//! From an outbox to an HTTP answer: the part that Streamable HTTP and
//! HTTP+SSE share. Each wait is broken by the keep-alive interval, so that a
//! stream that is silent is seen to be alive, and one that is dead, dead.

use std::io;
use std::time::{Duration, Instant};

use crate::door::pens;
use crate::event::{FromClient, Load, Parcel, Standing};
use crate::http::Exchange;
use crate::limits;
use crate::mail::pen::Pen;
use crate::mail::{Found, Outbox, Until};
use crate::wire::envelope::{METHOD_NOT_FOUND, Message};
use crate::wire::outgoing::{Outgoing, Patch};
use crate::wire::pieces::Pieces;
use crate::wire::sse;
use crate::wire::stateless::{HEADER_MISMATCH, MISSING_CAPABILITY, UNSUPPORTED_VERSION};

/// The headers of every stream: no cache may keep it and no proxy buffer it.
pub const STREAM_HEADERS: [(&str, &str); 3] = [
    ("Content-Type", "text/event-stream"),
    ("Cache-Control", "no-cache, no-transform"),
    ("X-Accel-Buffering", "no"),
];

/// The name of a message's event, as the transport's examples have it.
pub const EVENT_NAME: &str = "message";

/// Those headers, and others.
pub fn stream_headers<'a>(extra: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let mut headers = STREAM_HEADERS.to_vec();
    headers.extend_from_slice(extra);
    headers
}

/// The header of every JSON answer.
pub const JSON_HEADER: (&str, &str) = ("Content-Type", "application/json");

/// The header of every answer that asks its client to come again.
pub const RETRY_HEADER: (&str, &str) = ("Retry-After", "1");

/// The clock of the doors.
#[expect(
    clippy::disallowed_methods,
    reason = "the doors' waits are measured here"
)]
pub fn now() -> Instant {
    Instant::now()
}

/// The status that says how a request ended.
pub fn status_of(standing: Standing) -> u16 {
    match standing {
        Standing::Accepted => 202,
        Standing::Ended | Standing::Answered => 200,
        Standing::BadRequest => 400,
        Standing::NotFound => 404,
        Standing::Busy => 503,
    }
}

/// The status of an answer in the stateless era, where some errors have one of
/// their own (2026-07-28, transports; basic, "`_meta`"). A request that was
/// refused by its form never comes so far.
pub fn status_of_stateless(answer: &Outgoing) -> u16 {
    match answer.message.error_code() {
        Some(METHOD_NOT_FOUND) => 404,
        Some(HEADER_MISMATCH | MISSING_CAPABILITY | UNSUPPORTED_VERSION) => 400,
        _ => 200,
    }
}

/// A JSON-RPC error that answers no request in particular.
pub fn error_body(sentence: &str) -> Vec<u8> {
    let mut body = Vec::new();
    let mut message = Outgoing::plain(Message::error(-32000, sentence, None).into());
    message.id = Some(Patch::Json("null".into()));
    message.write_to(&mut body);
    body
}

/// Answers with an error of the door itself.
///
/// # Errors
/// The client is gone.
pub fn answer_error(
    exchange: &mut dyn Exchange,
    status: u16,
    extra: &[(&str, &str)],
    sentence: &str,
) -> io::Result<()> {
    let mut headers = vec![JSON_HEADER];
    headers.extend_from_slice(extra);
    exchange.answer(status, &headers, &error_body(sentence))
}

/// Answers with a verdict of the hub.
///
/// # Errors
/// The client is gone.
pub fn answer_verdict(
    exchange: &mut dyn Exchange,
    standing: Standing,
    message: Option<&Outgoing>,
    extra: &[(&str, &str)],
) -> io::Result<()> {
    let mut body = Vec::new();
    let mut headers = extra.to_vec();
    if let Some(message) = message {
        message.write_to(&mut body);
        headers.push(JSON_HEADER);
    }
    if standing == Standing::Busy {
        headers.push(RETRY_HEADER);
    }
    exchange.answer(status_of(standing), &headers, &body)
}

/// An open stream: writes what the outbox holds, event after event, many in
/// one write where many wait.
pub struct Stream<'a> {
    exchange: &'a mut dyn Exchange,
    outbox: &'a mut Outbox,
    keepalive: Duration,
    /// The name of each message's event, where the transport gives one.
    event_name: Option<&'static str>,
    /// What the dispatcher writes with while this thread waits.
    pen: Option<Box<dyn Pen>>,
    buffer: Pieces,
    /// What of the outbox is in the buffer, as the hub counts it.
    taken: Load,
}

/// Why a stream is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The hub has ended it.
    Done,
    /// The client has left, or takes nothing.
    Gone,
}

impl<'a> Stream<'a> {
    /// A stream whose head has been written.
    pub fn new(
        exchange: &'a mut dyn Exchange,
        outbox: &'a mut Outbox,
        keepalive: Duration,
        event_name: Option<&'static str>,
    ) -> Stream<'a> {
        Stream {
            pen: pens::for_stream(exchange, event_name),
            exchange,
            outbox,
            keepalive,
            event_name,
            buffer: Pieces::default(),
            taken: Load::default(),
        }
    }

    /// Puts a first word of the door's own before all others.
    pub fn write_first(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        self.buffer.write(|out, _| write(out));
        self.taken.messages += 1;
    }

    /// Runs the stream to its end, and tells the hub if the client ended it.
    pub fn run(&mut self) {
        let bell = self.outbox.hangup_bell();
        let watching = self.exchange.watch(Box::new(bell));
        // What was said first goes out before anything is waited for.
        let end = self.flush().and_then(|()| self.pump()).unwrap_or(End::Gone);
        drop(watching);
        match end {
            End::Done => {
                let _ = self.exchange.end_stream();
                self.outbox.count_last(Load::default());
            }
            End::Gone => {
                let _ = self.outbox.say(FromClient::Gone);
            }
        }
    }

    fn pump(&mut self) -> io::Result<End> {
        loop {
            let mut nap = Until(now() + self.keepalive);
            match self.outbox.wait_lending(&mut self.pen, &mut nap) {
                Found::Rest(rest, load) => {
                    let load = self.outbox.count_places(load);
                    self.exchange.complete(&rest)?;
                    self.taken += load.unwrap_or_default();
                    self.flush()?;
                }
                Found::Parcel(parcel) => {
                    if let Some(end) = self.take(parcel).or_else(|| self.take_waiting()) {
                        self.flush()?;
                        return Ok(end);
                    }
                    self.flush()?;
                }
                Found::Hangup => return Ok(End::Gone),
                Found::Nothing => {
                    self.buffer
                        .write(|out, _| sse::write_comment(out, "keep-alive"));
                    self.flush()?;
                }
                Found::Ended | Found::Answered => return Ok(End::Done),
            }
        }
    }

    /// Takes what else waits already, up to a write's worth.
    fn take_waiting(&mut self) -> Option<End> {
        while self.buffer.len() < limits::STREAM_WRITE_BYTES {
            match self.outbox.look() {
                Found::Parcel(parcel) => {
                    if let Some(end) = self.take(parcel) {
                        return Some(end);
                    }
                }
                Found::Hangup => return Some(End::Gone),
                Found::Nothing => return None,
                // Nothing is lent here, so there is no rest of anything.
                Found::Ended | Found::Answered | Found::Rest(..) => return Some(End::Done),
            }
        }
        None
    }

    /// Puts a parcel into the buffer; says whether the stream ends with it.
    pub fn take(&mut self, parcel: Parcel) -> Option<End> {
        match parcel {
            Parcel::Message {
                message,
                event,
                last,
            } => {
                let name = self.event_name;
                self.buffer.write(|out, keeper| {
                    sse::write_event(out, name, event.as_ref(), |out| {
                        keeper.message(out, &message);
                    });
                });
                self.taken.messages += 1;
                self.taken.bytes += message.len_max() as u64;
                last.then_some(End::Done)
            }
            Parcel::Opened { prime, .. } => {
                if let Some(event) = prime {
                    self.buffer
                        .write(|out, _| sse::write_prime(out, &event, limits::STREAM_RETRY_MS));
                }
                self.taken.messages += 1;
                None
            }
            Parcel::End | Parcel::Cut => Some(End::Done),
            // These end exchanges that are no streams.
            Parcel::Welcome { .. } | Parcel::Verdict { .. } | Parcel::Report(_) => None,
        }
    }

    /// Writes the buffer out in one write, and tells the hub what is free again.
    fn flush(&mut self) -> io::Result<()> {
        // If the dispatcher has ended, the next wait finds that out.
        let taken = self.outbox.count_places(std::mem::take(&mut self.taken));
        self.exchange.write_pieces(&self.buffer.slices())?;
        self.buffer.clear(limits::STREAM_BUFFER_KEEP_BYTES);
        let _ = taken.and_then(|taken| self.outbox.count_taken(taken));
        Ok(())
    }
}
