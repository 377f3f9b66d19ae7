//! The `out:NAME` thread, once the process runs: reads its stdout, understands
//! each line, and reports it. What an answer to the gateway's own requests
//! says is read here too, so that the dispatcher never parses.

use std::borrow::Cow;
use std::process::ChildStdout;
use std::sync::Arc;

use crate::child::Report;
use crate::child::noise::{Quota, shown};
use crate::child::pipes::{Drawn, ExitWatch, Tap};
use crate::event::{FromChild, Reply};
use crate::limits;
use crate::wire::discover;
use crate::wire::envelope::{Kind, Message, split_batch};
use crate::wire::handshake;
use crate::wire::input;
use crate::wire::items::{self, ItemKind};
use crate::wire::lines::{Line, Lines};
use crate::wire::own_id::{OwnId, Purpose};
use crate::wire::shells::Shells;

/// Reads one child's stdout.
pub struct Reader {
    server: String,
    report: Report,
    quota: Quota,
    shells: Shells,
}

impl Reader {
    /// For the child of that server.
    pub fn new(server: &str, report: Report) -> Reader {
        Reader {
            server: server.to_owned(),
            report,
            quota: Quota::default(),
            shells: Shells::default(),
        }
    }

    /// Reads to the end, and reports that.
    pub fn run(mut self, pipe: ChildStdout, exit: &ExitWatch, line_max: usize) {
        // Reported even if a bug makes this thread panic: then the hub ends
        // the life, instead of waiting for answers that nobody reads.
        let _end = EndReport(self.report.clone());
        self.read(pipe, exit, line_max);
        self.settle();
    }

    fn read(&mut self, pipe: ChildStdout, exit: &ExitWatch, line_max: usize) {
        let mut tap = match Tap::new(pipe) {
            Ok(tap) => tap,
            Err(error) => return log::error!("{}: cannot read its stdout: {error}", self.server),
        };
        let mut lines = Lines::within(line_max, &self.report.budget);
        let mut buffer = vec![0; limits::CHILD_READ_BYTES];
        loop {
            // Lines that were dropped are told of when it falls quiet.
            let owes = self.quota.owes().then_some(limits::CHILD_LOG_INTERVAL);
            let keeps = (!self.shells.is_empty()).then_some(limits::SPARES_KEEP);
            let patience = owes.into_iter().chain(keeps).min();
            match tap.draw(&mut buffer, exit, patience) {
                Drawn::Bytes(count) => {
                    if count == buffer.len() {
                        tap.widen();
                    }
                    lines.feed(&buffer[..count], |line| self.take(line));
                }
                Drawn::Nothing => {
                    self.settle();
                    self.shells.clear();
                }
                Drawn::End => break,
            }
        }
        lines.finish(|line| self.take(line));
    }

    fn take(&mut self, line: Line<'_>) {
        match line {
            Line::Whole(line) => self.take_whole(line),
            Line::Oversized {
                length,
                crowded,
                id,
                head,
                ..
            } => {
                if self.quota.take() {
                    self.settle();
                    let head = shown(&head, limits::CHILD_JUNK_SHOWN_BYTES, length);
                    log::warn!("{}: line too large, skipped: {head}", self.server);
                }
                let id = id.and_then(OwnId::from_number);
                self.report.tell(match crowded {
                    true => FromChild::Unheld { id, length },
                    false => FromChild::Oversized { id, length },
                });
            }
        }
    }

    /// Takes one message, or a batch of them (2025-03-26, which asks everybody
    /// to receive batches).
    fn take_whole(&mut self, line: Cow<'_, [u8]>) {
        match split_batch(&line) {
            Ok(None) => self.take_message(line),
            Ok(Some(members)) => {
                for member in members {
                    self.take_message(Cow::Owned(member));
                }
            }
            Err(malformed) => self.skip(&line, line.len() as u64, &malformed.sentence),
        }
    }

    fn take_message(&mut self, line: Cow<'_, [u8]>) {
        // Parsing takes the line; should it be garbage, the log wants its start.
        let mut start = [0; limits::CHILD_JUNK_SHOWN_BYTES];
        let kept = line.len().min(start.len());
        start[..kept].copy_from_slice(&line[..kept]);
        let length = line.len() as u64;
        let bytes = match line {
            Cow::Owned(line) => line,
            Cow::Borrowed(line) => {
                let mut buffer = self.shells.buffer();
                buffer.extend_from_slice(line);
                buffer
            }
        };
        match Message::parse(bytes) {
            Ok(message) => {
                let message = message.weighing(&self.report.budget);
                let word = understand(message, |message| self.shells.give(message));
                self.report.tell(word);
            }
            Err(malformed) => self.skip(&start[..kept], length, &malformed.sentence),
        }
    }

    fn skip(&mut self, start: &[u8], length: u64, why: &str) {
        if start.trim_ascii().is_empty() || !self.quota.take() {
            return;
        }
        self.settle();
        let start = shown(start, limits::CHILD_JUNK_SHOWN_BYTES, length);
        log::warn!("{}: not JSON-RPC on stdout, skipped: {start}", self.server);
        log::debug!("{}: {why}", self.server);
    }

    /// Tells how many lines were dropped from the log.
    fn settle(&mut self) {
        if self.quota.owes() {
            let dropped = self.quota.settle();
            log::warn!("{}: {dropped} more lines on stdout skipped", self.server);
        }
    }
}

struct EndReport(Report);

impl Drop for EndReport {
    fn drop(&mut self) {
        self.0.tell(FromChild::OutputEnded);
    }
}

/// What a message means to the hub: an answer to one of the gateway's own
/// requests is read, all else is shared and passed on as it is.
pub fn understand(message: Message, share: impl FnOnce(Message) -> Arc<Message>) -> FromChild {
    let answers = matches!(message.kind, Kind::Answer { .. });
    match message.own_id().filter(|_| answers) {
        Some(id) if id.purpose() != Purpose::Call => FromChild::Reply {
            id,
            reply: read_reply(id.purpose(), &message).unwrap_or_else(Reply::Failed),
        },
        // The answer to a call, or to nothing we asked: the hub knows.
        _ => FromChild::Message {
            links: message.resource_links(),
            input: input::read_input_required(&message)
                .transpose()
                .map(Box::new),
            message: share(message),
        },
    }
}

fn read_reply(purpose: Purpose, message: &Message) -> Result<Reply, String> {
    let page = |kind| items::read_page(message, kind).map(Reply::Page);
    match purpose {
        Purpose::Initialize | Purpose::Discover
            if message.len() > limits::SERVER_HELLO_BYTES_MAX =>
        {
            let (length, most) = (message.len(), limits::SERVER_HELLO_BYTES_MAX);
            Err(format!(
                "its answer to the greeting is {length} bytes long: at most {most} are taken"
            ))
        }
        Purpose::Initialize | Purpose::Discover
            if message.kind == (Kind::Answer { failed: true }) =>
        {
            Ok(Reply::Refused {
                why: message.succeeded().err().unwrap_or_default(),
                stateless: discover::refuses_for_ours(message),
            })
        }
        Purpose::Initialize => {
            handshake::read_server_hello(message).map(|hello| Reply::Hello(Box::new(hello)))
        }
        Purpose::Discover => {
            discover::read_discovery(message).map(|hello| Reply::Hello(Box::new(hello)))
        }
        Purpose::Tools => page(ItemKind::Tool),
        Purpose::Prompts => page(ItemKind::Prompt),
        Purpose::Resources => page(ItemKind::Resource),
        Purpose::Templates => page(ItemKind::Template),
        Purpose::Errand | Purpose::Listen | Purpose::Call => {
            message.succeeded().map(|_| Reply::Done)
        }
    }
}
