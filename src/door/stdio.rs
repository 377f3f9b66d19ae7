//! The stdio door: one client, on the gateway's own stdin and stdout, one JSON
//! message a line (basic/transports, "stdio").

use std::io::{self, Read, Write};
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender};

use crate::door::reading::read_body;
use crate::door::writing::now;
use crate::door::{LOCAL_CONNECTION, fresh_session};
use crate::event::{Body, ClientMessage, Event, FromClient, OutboxId, Parcel, SessionKey, View};
use crate::limits;
use crate::mail::{self, Ended, Found, Inbox, Outbox};
use crate::threads;
use crate::wire::envelope::Malformed;
use crate::wire::envelope::{INVALID_REQUEST, Kind, Outgoing};
use crate::wire::lines::{Line, Lines};
use crate::wire::method::Method;

/// Serves the client until its input has ended and its requests are answered,
/// or until it no longer takes the answers, or the gateway has ended.
///
/// # Errors
/// The session cannot be opened.
pub fn run(
    input: impl Read + Send + 'static,
    output: impl Write,
    inbox: &Inbox,
    message_max: usize,
) -> io::Result<()> {
    let gone = |_: Ended| io::Error::other("the gateway has ended");
    let mut outbox = Outbox::open(inbox, LOCAL_CONNECTION).map_err(gone)?;
    let session = fresh_session().map_err(io::Error::other)?;
    let open = FromClient::Open {
        view: View::Merged,
        fresh: session.clone(),
    };
    outbox.begin(open).map_err(gone)?;
    // Each request read puts a token in, each answer written takes one out.
    let (asked, answered) = mail::channel(limits::STDIO_UNANSWERED_MAX);
    let reader = Reader {
        inbox: inbox.clone(),
        outbox: outbox.id(),
        session,
        asked,
        answered: answered.clone(),
        message_max,
    };
    let ended = outbox.hangup_bell();
    threads::spawn("stdio-in", limits::SMALL_STACK_BYTES, move || {
        reader.run(input);
        ended();
    })?;
    write_all(output, &mut outbox, &answered);
    let _ = outbox.say(FromClient::Gone);
    Ok(())
}

struct Reader {
    inbox: Inbox,
    outbox: OutboxId,
    session: SessionKey,
    asked: Sender<()>,
    answered: Receiver<()>,
    message_max: usize,
}

impl Reader {
    fn run(&self, mut input: impl Read) {
        let mut lines = Lines::new(self.message_max);
        let mut chunk = vec![0; limits::STDIO_READ_BYTES];
        let mut alive = true;
        while alive {
            match input.read(&mut chunk) {
                Ok(0) => break,
                Ok(length) => lines.feed(&chunk[..length], |line| alive &= self.tell(line)),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    log::warn!("stdin: {error}");
                    break;
                }
            }
        }
        lines.finish(|line| {
            self.tell(line);
        });
    }

    /// Passes a line on; says whether the gateway still takes any.
    fn tell(&self, line: Line<'_>) -> bool {
        let body = match line {
            Line::Whole(bytes) => read_body(bytes.into_owned()),
            Line::Oversized { length, id, .. } => {
                Body::Single(ClientMessage::Malformed(Malformed {
                    code: INVALID_REQUEST,
                    sentence: format!(
                        "the message is {length} bytes long, over the limit \"max_message_size\" \
                         of {}",
                        self.message_max
                    ),
                    id: id.map(|id| id.to_string().into()),
                }))
            }
        };
        for _ in 0..requests_in(&body) {
            let _ = self.asked.send_timeout((), limits::STDIO_FLOW_WAIT);
        }
        if takes_back(&body) {
            let _ = self.answered.try_recv();
        }
        let word = FromClient::Tell {
            view: View::Merged,
            session: self.session.clone(),
            body,
        };
        let outbox = self.outbox;
        self.inbox.post(Event::Client { outbox, word }).is_ok()
    }
}

fn messages_in(body: &Body) -> &[ClientMessage] {
    match body {
        Body::Single(message) => std::slice::from_ref(message),
        Body::Batch(messages) => messages,
    }
}

fn requests_in(body: &Body) -> usize {
    let is_request = |message: &&ClientMessage| match message {
        ClientMessage::Message(message) => matches!(message.kind, Kind::Request(_)),
        ClientMessage::Initialize(..) => true,
        ClientMessage::Malformed(_) => false,
    };
    messages_in(body).iter().filter(is_request).count()
}

/// Whether it takes a request back, which then has no answer.
fn takes_back(body: &Body) -> bool {
    let cancels = Kind::Notification(Method::Cancelled);
    messages_in(body)
        .iter()
        .any(|message| matches!(message, ClientMessage::Message(m) if m.kind == cancels))
}

/// Writes what comes, until there is nothing more to come.
fn write_all(mut output: impl Write, outbox: &mut Outbox, answered: &Receiver<()>) {
    let mut buffer = Vec::new();
    let mut patience: Duration = mail::FOREVER;
    let mut deadline = now() + patience;
    let mut input_ended = false;
    loop {
        match outbox.wait_until(deadline) {
            Found::Parcel(Parcel::Message { message, .. }) => {
                write_line(&mut buffer, &message, answered);
                let mut count = 1;
                while buffer.len() < limits::STREAM_WRITE_BYTES
                    && let Found::Parcel(Parcel::Message { message, .. }) = outbox.look()
                {
                    write_line(&mut buffer, &message, answered);
                    count += 1;
                }
                let written = output.write_all(&buffer).and_then(|()| output.flush());
                let length = buffer.len() as u64;
                buffer.clear();
                if written.is_err() || outbox.count_taken(count, length).is_err() {
                    return;
                }
            }
            Found::Parcel(Parcel::Verdict { .. } | Parcel::End) | Found::Ended => return,
            Found::Parcel(_) => {}
            Found::Hangup => {
                input_ended = true;
                patience = limits::STDIO_DRAIN_MAX;
                deadline = now() + patience;
            }
            Found::Nothing if input_ended => return,
            Found::Nothing => deadline = now() + patience,
        }
        if input_ended && answered.is_empty() {
            return;
        }
    }
}

fn write_line(buffer: &mut Vec<u8>, message: &Outgoing, answered: &Receiver<()>) {
    message.write_to(buffer);
    buffer.push(b'\n');
    if matches!(message.message.kind, Kind::Answer { .. }) {
        let _ = answered.try_recv();
    }
}
