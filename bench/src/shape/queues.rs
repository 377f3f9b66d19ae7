//! The design `queues`: each thread does one thing and hands on by a queue. A call passes the
//! thread of its connection, the dispatcher, `in`, the child, `out`, the dispatcher, and the thread
//! of its connection again; each of them sleeps and is woken as crossbeam has it.

use std::io::{self, Write};
use std::net::TcpStream;
use std::process::ChildStdin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crossbeam_channel::{Receiver, Sender, bounded};

use crate::child::Child;
use crate::error::Result;
use crate::http_server;
use crate::io_buffers::{Filled, Inlet};
use crate::shape::table::Table;
use crate::shape::talk::{self, Answer, Message, Wish};
use crate::shape::{SLOTS, await_end, read_lines, start};

/// Answers that wait for one client's thread: those that a session can have under way here.
const ANSWERS: usize = 64;

/// How a client is reached.
type Client = Sender<Answer>;

/// What the dispatcher is told.
enum Letter {
    Open(u64, Client),
    Ask(Message, Client),
    Say(u64, Message),
    Answers(Vec<Message>),
}

/// Serves until the child ends.
///
/// # Errors
/// If the port or the child cannot be had, and when the child ends.
pub fn serve(port: u16, command: &[String]) -> Result<()> {
    let (_child, stdin, stdout) = Child::with_blocking_pipes(command)?;
    let listener = http_server::listen(port)?;
    let (inbox, letters) = bounded(SLOTS);
    let (lines, to_write) = bounded(SLOTS);
    start("in", move || write_lines(stdin, &to_write))?;
    start("dispatcher", move || dispatch(&letters, &lines))?;
    let (posts, sessions) = (inbox.clone(), AtomicU64::new(0));
    let converse = move |stream| converse(stream, &posts, &sessions);
    start("accept", move || {
        drop(http_server::each_connection(&listener, &Arc::new(converse)));
    })?;
    read_lines(stdout, |answers| {
        // The dispatcher is there as long as the program.
        let _ = inbox.send(Letter::Answers(answers));
    })
}

fn dispatch(letters: &Receiver<Letter>, lines: &Sender<Vec<u8>>) {
    let mut table = Table::default();
    for letter in letters {
        let (message, number) = match letter {
            Letter::Open(session, client) => {
                table.open(session, client);
                continue;
            }
            Letter::Answers(answers) => {
                let told = |answer| table.answered(answer);
                for (client, answer) in answers.into_iter().filter_map(told) {
                    // Who has gone meanwhile misses nothing.
                    drop(client.send(answer));
                }
                continue;
            }
            Letter::Ask(message, client) => {
                let number = table.ask(&message, client);
                (message, number)
            }
            Letter::Say(session, message) => {
                let number = table.say(&message, session);
                (message, number)
            }
        };
        let mut line = Vec::with_capacity(message.text.len() + 24);
        message.line(number, &mut line);
        drop(lines.send(line));
    }
}

/// Writes what is there in one go, until the child does not read any more.
fn write_lines(mut stdin: ChildStdin, lines: &Receiver<Vec<u8>>) {
    let mut out = Vec::new();
    for line in lines {
        out.extend_from_slice(&line);
        for line in lines.try_iter() {
            out.extend_from_slice(&line);
        }
        if stdin.write_all(&out).is_err() {
            return;
        }
        out.clear();
    }
}

/// Fulfils the wishes of one connection until it ends.
fn converse(mut stream: TcpStream, inbox: &Sender<Letter>, sessions: &AtomicU64) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let (client, answers) = bounded(ANSWERS);
    let mut inlet = Inlet::default();
    let mut out = Vec::new();
    let post = |letter| inbox.send(letter).map_err(io::Error::other);
    loop {
        let Some(wish) = talk::wish(&mut inlet)? else {
            match inlet.fill(&mut stream)? {
                Filled::End => return Ok(()),
                Filled::More | Filled::Nothing => continue,
            }
        };
        out.clear();
        match wish {
            Wish::Ask(message) if message.id.is_some() => {
                post(Letter::Ask(message, client.clone()))?;
                let answer = answers.recv().map_err(io::Error::other)?;
                answer.write(&mut out);
            }
            Wish::Ask(message) => {
                post(Letter::Ask(message, client.clone()))?;
                out.extend_from_slice(talk::ACCEPTED);
            }
            Wish::Say(session, message) => {
                post(Letter::Say(session, message))?;
                out.extend_from_slice(talk::ACCEPTED);
            }
            Wish::Open => {
                let session = sessions.fetch_add(1, Ordering::Relaxed);
                post(Letter::Open(session, client))?;
                talk::greet(session, &mut out);
                return tell(stream, &answers, out);
            }
            Wish::Listen => {
                stream.write_all(talk::STREAM)?;
                return await_end(stream);
            }
            Wish::Other => out.extend_from_slice(talk::AGREED),
        }
        stream.write_all(&out)?;
    }
}

/// Writes a stream's events, those that are there in one go. That the client has gone shows when
/// the next is written.
fn tell(mut stream: TcpStream, answers: &Receiver<Answer>, mut out: Vec<u8>) -> io::Result<()> {
    loop {
        stream.write_all(&out)?;
        out.clear();
        let first = answers.recv().map_err(io::Error::other)?;
        first.write(&mut out);
        for answer in answers.try_iter() {
            answer.write(&mut out);
        }
    }
}
