//! A client inside the process, for the sub-commands that ask the gateway
//! themselves.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use crate::door::writing::now;
use crate::door::{LOCAL_CONNECTION, LOCAL_INQUIRY, fresh_session, reports};
use crate::event::report::Told;
use crate::event::{Body, FromClient, Parcel, Report, View};
use crate::limits;
use crate::mail::{Cut, Found, Inbox, Outbox};
use crate::wire::envelope::{Kind, Message};
use crate::wire::handshake::{self, Revision};
use crate::wire::method::Method;
use crate::wire::outgoing::{Outgoing, Patch};

/// Why a request has no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LocalError {
    /// The gateway has ended.
    Ended,
    /// It has not answered within this time.
    TimedOut(Duration),
    /// The system gives no random numbers.
    NoRandomness,
}

impl fmt::Display for LocalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LocalError::Ended => f.write_str("the gateway has ended"),
            LocalError::TimedOut(after) => {
                write!(f, "no answer within {} s", after.as_secs())
            }
            LocalError::NoRandomness => f.write_str("the system gives no random numbers"),
        }
    }
}

impl std::error::Error for LocalError {}

/// The program's own client has no connection that could be cut, and reads.
fn uncut() -> Cut {
    Box::new(|| ())
}

/// A session of the process's own.
#[derive(Debug)]
pub struct LocalClient {
    inbox: Inbox,
    outbox: Outbox,
    session: crate::event::SessionKey,
    serial: u64,
}

impl LocalClient {
    /// Opens a session that sees everything, and initializes it.
    ///
    /// # Errors
    /// See [`LocalError`].
    pub fn open(inbox: &Inbox, info: &str, patience: Duration) -> Result<LocalClient, LocalError> {
        let slots = limits::OUTBOX_SLOTS;
        let mut outbox =
            Outbox::open(inbox, LOCAL_CONNECTION, slots, uncut()).map_err(|_| LocalError::Ended)?;
        let session = fresh_session().map_err(|_| LocalError::NoRandomness)?;
        let open = FromClient::Open {
            view: View::Merged,
            fresh: session.clone(),
            slots,
        };
        outbox.begin(open).map_err(|_| LocalError::Ended)?;
        let mut client = LocalClient {
            inbox: inbox.clone(),
            outbox,
            session,
            serial: 0,
        };
        let params = handshake::initialize_params(Revision::LATEST, "{}", info);
        client.request(Method::Initialize, Some(&params), patience)?;
        client.send(Kind::Notification(Method::Initialized), None)?;
        Ok(client)
    }

    /// Asks, and waits for the answer. `params` is JSON text.
    ///
    /// # Errors
    /// See [`LocalError`].
    pub fn request(
        &mut self,
        method: Method,
        params: Option<&str>,
        patience: Duration,
    ) -> Result<Arc<Message>, LocalError> {
        self.serial += 1;
        self.send(Kind::Request(method), params)?;
        let wanted = Patch::Json(self.serial.to_string().into());
        let deadline = now() + patience;
        loop {
            match self.outbox.wait_until(deadline) {
                Found::Parcel(Parcel::Message { message, .. }) => {
                    let is_answer = matches!(message.message.kind, Kind::Answer { .. });
                    if is_answer && message.id.as_ref() == Some(&wanted) {
                        return Ok(message.message);
                    }
                }
                Found::Parcel(Parcel::Verdict { .. } | Parcel::End | Parcel::Cut)
                | Found::Ended
                | Found::Hangup => return Err(LocalError::Ended),
                // It lends no pen.
                Found::Parcel(_) | Found::Rest(..) | Found::Answered => {}
                Found::Nothing => return Err(LocalError::TimedOut(patience)),
            }
        }
    }

    /// Asks the gateway what each server offers and what was left out, as JSON;
    /// `reports` says what is in it.
    ///
    /// # Errors
    /// See [`LocalError`].
    pub fn inventory(&self, patience: Duration) -> Result<Value, LocalError> {
        match Inquiry::open(&self.inbox)?.ask(Report::Inventory, patience)? {
            Told::Inventory(inventory) => Ok(reports::json_of_inventory(&inventory)),
            Told::Health(_) | Told::Ready(_) | Told::Status(_) => Err(LocalError::Ended),
        }
    }

    fn send(&self, kind: Kind, params: Option<&str>) -> Result<(), LocalError> {
        let mut message = Outgoing::plain(Message::build(kind, params).into());
        message.id = Some(Patch::Number(self.serial));
        let mut bytes = Vec::new();
        message.write_to(&mut bytes);
        let word = FromClient::Tell {
            view: View::Merged,
            session: self.session.clone(),
            body: Body::read(bytes),
        };
        self.outbox.say(word).map_err(|_| LocalError::Ended)
    }
}

/// Asks the gateway about itself, as often as one likes. There is one in a process at a time.
#[derive(Debug)]
pub struct Inquiry {
    outbox: Outbox,
}

impl Inquiry {
    /// Opens the way for the answers.
    ///
    /// # Errors
    /// The gateway has ended.
    pub fn open(inbox: &Inbox) -> Result<Inquiry, LocalError> {
        Outbox::open(inbox, LOCAL_INQUIRY, limits::OUTBOX_SLOTS, uncut())
            .map(|outbox| Inquiry { outbox })
            .map_err(|_| LocalError::Ended)
    }

    /// A health report, as JSON text and without the time.
    ///
    /// # Errors
    /// See [`LocalError`].
    pub fn health(&mut self, patience: Duration) -> Result<String, LocalError> {
        match self.ask(Report::Health, patience)? {
            Told::Health(health) => Ok(reports::json_of_health(&health, "").to_string()),
            Told::Ready(_) | Told::Status(_) | Told::Inventory(_) => Err(LocalError::Ended),
        }
    }

    /// Asks. An answer to an earlier question, which came too late, is not taken
    /// for the one to this.
    fn ask(&mut self, report: Report, patience: Duration) -> Result<Told, LocalError> {
        self.outbox
            .begin(FromClient::Ask(report))
            .map_err(|_| LocalError::Ended)?;
        match self.outbox.wait_until(now() + patience) {
            Found::Parcel(Parcel::Report(told)) => Ok(*told),
            Found::Nothing => Err(LocalError::TimedOut(patience)),
            _ => Err(LocalError::Ended),
        }
    }
}
