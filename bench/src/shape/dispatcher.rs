//! The dispatcher that writes itself: the one owner of the table, which puts what is short into the
//! child's pipe and into sockets, and leaves the rest to others. Where letters come from, and how a
//! client is reached, is the business of the design that has it.

use std::io::{self, Write};
use std::process::ChildStdin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::child;
use crate::error::Result;
use crate::shape::mailbox::Mailbox;
use crate::shape::table::Table;
use crate::shape::talk::{Answer, Message};
use crate::shape::{start, write_waiting};

/// Longer messages are the business of the threads at sockets and pipes, in bytes.
pub const SHORT: usize = 8 * 1024;

/// How a client is reached.
pub trait Reach: Clone {
    /// Tells it an answer, without waiting for it; `scratch` is room for what is written.
    fn tell(&self, answer: Answer, scratch: &mut Vec<u8>);
}

/// What the dispatcher is told.
#[derive(Debug)]
pub enum Letter<C> {
    /// A session has its stream.
    Open(u64, C),
    /// Its stream is gone.
    Close(u64),
    /// A message whose answer is for this client.
    Ask(Message, C),
    /// A message of a session, whose stream gets the answer.
    Say(u64, Message),
    /// What the child has said.
    Answer(Message),
}

/// The child's stdin. The dispatcher writes to it while nothing is ahead, and `in` else.
#[derive(Debug)]
struct Pipe {
    stdin: ChildStdin,
    /// Items that `in` was given and has not written yet.
    ahead: AtomicUsize,
    items: Mailbox<Item>,
}

/// What `in` is to write.
#[derive(Debug)]
enum Item {
    Line(Message, Option<u64>),
    /// What the pipe did not take of the dispatcher's.
    Rest(Vec<u8>),
}

impl Pipe {
    fn hand_over(&self, item: Item) {
        self.ahead.fetch_add(1, Ordering::Relaxed);
        self.items.put([item]);
    }

    /// What `in` does.
    fn write_items(&self) -> io::Result<()> {
        let (mut items, mut out) = (Vec::new(), Vec::new());
        loop {
            self.items.take(&mut items);
            let count = items.len();
            for item in items.drain(..) {
                match item {
                    Item::Line(message, number) => message.line(number, &mut out),
                    Item::Rest(rest) => out.extend_from_slice(&rest),
                }
            }
            write_waiting(&self.stdin, &out)?;
            out.clear();
            // The dispatcher, which sees this, writes behind them.
            self.ahead.fetch_sub(count, Ordering::Release);
        }
    }
}

/// The one owner of the table.
#[derive(Debug)]
pub struct Dispatcher<C> {
    table: Table<C>,
    pipe: Arc<Pipe>,
    /// Lines of this round that are to be written in one go.
    lines: Vec<u8>,
    scratch: Vec<u8>,
}

impl<C: Reach> Dispatcher<C> {
    /// Has this be the child's stdin, and starts the thread `in` for what is slow there.
    ///
    /// # Errors
    /// If there can be no more threads.
    pub fn new(stdin: ChildStdin) -> Result<Dispatcher<C>> {
        child::never_block(&stdin)?;
        let pipe = Arc::new(Pipe {
            stdin,
            ahead: AtomicUsize::new(0),
            items: Mailbox::default(),
        });
        let writer = Arc::clone(&pipe);
        start("in", move || drop(writer.write_items()))?;
        Ok(Dispatcher {
            table: Table::default(),
            pipe,
            lines: Vec::new(),
            scratch: Vec::new(),
        })
    }

    /// Opens what comes, as long as the program is there.
    pub fn run(&mut self, inbox: &Mailbox<Letter<C>>) {
        let mut letters = Vec::new();
        loop {
            inbox.take(&mut letters);
            self.round(letters.drain(..));
        }
    }

    /// Opens these letters; what they have for the child is written in one go.
    pub fn round(&mut self, letters: impl Iterator<Item = Letter<C>>) {
        for letter in letters {
            self.open(letter);
        }
        self.write_lines();
    }

    fn open(&mut self, letter: Letter<C>) {
        match letter {
            Letter::Open(session, client) => self.table.open(session, client),
            Letter::Close(session) => self.table.close(session),
            Letter::Ask(message, client) => {
                let number = self.table.ask(&message, client);
                self.pass_on(message, number);
            }
            Letter::Say(session, message) => {
                let number = self.table.say(&message, session);
                self.pass_on(message, number);
            }
            Letter::Answer(answer) => {
                if let Some((client, answer)) = self.table.answered(answer) {
                    client.tell(answer, &mut self.scratch);
                }
            }
        }
    }

    fn pass_on(&mut self, message: Message, number: Option<u64>) {
        if message.text.len() <= SHORT && self.pipe.ahead.load(Ordering::Acquire) == 0 {
            message.line(number, &mut self.lines);
        } else {
            self.write_lines();
            self.pipe.hand_over(Item::Line(message, number));
        }
    }

    fn write_lines(&mut self) {
        if self.lines.is_empty() {
            return;
        }
        // Why it failed, `in` finds out.
        let written = (&self.pipe.stdin).write(&self.lines).unwrap_or(0);
        if written < self.lines.len() {
            let rest = self.lines.split_off(written);
            self.pipe.hand_over(Item::Rest(rest));
        }
        self.lines.clear();
    }
}
