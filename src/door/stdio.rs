//! The stdio door: one client, on the gateway's own stdin and stdout, one JSON
//! message a line (basic/transports, "stdio").

use std::io::{self, Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::door::writing::now;
use crate::door::{LOCAL_CONNECTION, fresh_session};
use crate::event::{
    Body, ClientMessage, Event, FromClient, Load, OutboxId, Parcel, SessionKey, View,
};
use crate::limits;
use crate::mail::{Ended, Found, Inbox, Outbox};
use crate::threads;
use crate::wire::envelope::{INVALID_REQUEST, Malformed, Message};
use crate::wire::lines::{Line, Lines};

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
    let slots = limits::STDIO_OUTBOX_SLOTS;
    let is_cut = Arc::new(AtomicBool::new(false));
    let cut = Arc::clone(&is_cut);
    let cut = Box::new(move || cut.store(true, Ordering::Relaxed));
    let mut outbox = Outbox::open(inbox, LOCAL_CONNECTION, slots, cut).map_err(gone)?;
    let session = fresh_session().map_err(io::Error::other)?;
    let open = FromClient::Open {
        view: View::Merged,
        fresh: session.clone(),
        slots,
    };
    outbox.begin(open).map_err(gone)?;
    let reader = Reader {
        inbox: inbox.clone(),
        outbox: outbox.id(),
        session,
        message_max,
        is_cut: Arc::clone(&is_cut),
    };
    threads::spawn("stdio-in", limits::SMALL_STACK_BYTES, move || {
        reader.run(input);
    })?;
    write_all(output, &mut outbox, &is_cut);
    let _ = outbox.say(FromClient::Gone);
    Ok(())
}

struct Reader {
    inbox: Inbox,
    outbox: OutboxId,
    session: SessionKey,
    message_max: usize,
    /// Whether the client was parted with, for it does not read. Nobody can take
    /// its pipes from it, and the thread that writes waits for it.
    is_cut: Arc<AtomicBool>,
}

impl Reader {
    fn run(&self, mut input: impl Read) {
        let mut lines = Lines::within(self.message_max, &self.inbox.budgets.clients);
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
        if self.is_cut.load(Ordering::Relaxed) {
            log::warn!("the client does not read its answers; the gateway ends");
            let _ = self.inbox.post(Event::Stop);
        } else {
            self.say(FromClient::Finished);
        }
    }

    /// Passes a line on; says whether the gateway still takes any.
    fn tell(&self, line: Line<'_>) -> bool {
        let budget = &self.inbox.budgets.clients;
        let share = |message: Message| Arc::new(message.weighing(budget));
        let body = match line {
            Line::Whole(bytes) => Body::read_with(bytes.into_owned(), share),
            Line::Oversized {
                length,
                request_id,
                crowded,
                ..
            } => Body::Single(ClientMessage::Malformed(Malformed {
                code: INVALID_REQUEST,
                sentence: match crowded {
                    true => format!(
                        "there is no room for this message of {length} bytes now; try again later"
                    ),
                    false => format!(
                        "the message is {length} bytes long, over the limit \"max_message_size\" of {}",
                        self.message_max
                    ),
                },
                id: request_id.map(|id| id.to_string().into()),
                data: None,
            })),
        };
        let is_taken = self.say(FromClient::Tell {
            view: View::Merged,
            session: self.session.clone(),
            body,
        });
        is_taken && !self.is_cut.load(Ordering::Relaxed)
    }

    fn say(&self, word: FromClient) -> bool {
        let outbox = self.outbox;
        self.inbox.post(Event::Client { outbox, word }).is_ok()
    }
}

/// Writes what comes, many messages in one write where many wait, until there
/// is nothing more to come.
pub(super) fn write_all(mut output: impl Write, outbox: &mut Outbox, is_cut: &AtomicBool) {
    let mut buffer = Vec::new();
    let mut found = Found::Nothing;
    loop {
        let mut taken = Load::default();
        while let Found::Parcel(Parcel::Message { message, .. }) = found {
            message.write_to(&mut buffer);
            buffer.push(b'\n');
            taken.messages += 1;
            taken.bytes += message.len_max() as u64;
            found = if buffer.len() < limits::STREAM_WRITE_BYTES {
                outbox.look()
            } else {
                Found::Nothing
            };
        }
        let taken = outbox.count_places(taken);
        let written = output.write_all(&buffer).and_then(|()| output.flush());
        buffer.clear();
        let is_over = written.is_err() || is_cut.load(Ordering::Relaxed);
        let told = taken.and_then(|taken| outbox.count_taken(taken));
        if is_over || told.is_err() {
            return;
        }
        found = match found {
            Found::Nothing | Found::Parcel(Parcel::Opened { .. }) => {
                outbox.wait_until(now() + limits::STDIO_WAIT)
            }
            // It lends no pen, so these are ends, all of them.
            _ => return,
        };
    }
}
