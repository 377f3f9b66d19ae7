//! The design `locked`: there is no dispatcher. Whoever comes with something does all that it takes
//! under one lock: the thread of a connection writes to the child, `out` writes to the sockets.

use std::io::{self, Write};
use std::net::TcpStream;
use std::process::ChildStdin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::child::{self, Child};
use crate::error::Result;
use crate::http_server;
use crate::io_buffers::{Filled, Inlet, Outlet};
use crate::shape::table::Table;
use crate::shape::talk::{self, Answer, Message, Wish};
use crate::shape::{await_end, await_room, read_lines, start};

/// How a client is reached.
type Client = Arc<TcpStream>;

/// What all threads share.
struct House {
    state: Mutex<State>,
    stdin: ChildStdin,
    sessions: AtomicU64,
}

/// What the lock is for.
#[derive(Default)]
struct State {
    table: Table<Client>,
    /// What the pipe did not take at once.
    outlet: Outlet,
    /// Room for one line.
    line: Vec<u8>,
}

/// Serves until the child ends.
///
/// # Errors
/// If the port or the child cannot be had, and when the child ends.
pub fn serve(port: u16, command: &[String]) -> Result<()> {
    let (_child, stdin, stdout) = Child::with_blocking_pipes(command)?;
    child::never_block(&stdin)?;
    let listener = http_server::listen(port)?;
    let house = Arc::new(House {
        state: Mutex::default(),
        stdin,
        sessions: AtomicU64::new(0),
    });
    let converse = {
        let house = Arc::clone(&house);
        move |stream| house.converse(stream)
    };
    start("accept", move || {
        drop(http_server::each_connection(&listener, &Arc::new(converse)));
    })?;
    let (mut ended, mut out) = (Vec::new(), Vec::new());
    read_lines(stdout, |answers| house.tell(answers, &mut ended, &mut out))
}

impl House {
    /// Tells what the child has answered. The sockets are written without the lock, since nobody
    /// else writes anything there while an answer is awaited.
    fn tell(&self, answers: Vec<Message>, ended: &mut Vec<(Client, Answer)>, out: &mut Vec<u8>) {
        let mut state = self.lock();
        let told = |answer| state.table.answered(answer);
        ended.extend(answers.into_iter().filter_map(told));
        drop(state);
        for (client, answer) in ended.drain(..) {
            out.clear();
            answer.write(out);
            // Who has gone meanwhile misses nothing.
            drop((&*client).write_all(out));
        }
    }

    /// Passes a message on. What the pipe does not take at once is written by whoever left it there
    /// or comes next.
    fn pass_on(
        &self,
        message: &Message,
        enter: impl FnOnce(&mut Table<Client>) -> Option<u64>,
    ) -> io::Result<()> {
        let mut state = self.lock();
        let State {
            table,
            outlet,
            line,
        } = &mut *state;
        line.clear();
        message.line(enter(table), line);
        outlet.queue(line);
        loop {
            state.outlet.flush(&mut &self.stdin)?;
            if state.outlet.is_done() {
                return Ok(());
            }
            drop(state);
            await_room(&self.stdin)?;
            state = self.lock();
        }
    }

    /// Fulfils the wishes of one connection until it ends.
    fn converse(&self, stream: TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)?;
        let stream = Arc::new(stream);
        let mut inlet = Inlet::default();
        loop {
            let Some(wish) = talk::wish(&mut inlet)? else {
                match inlet.fill(&mut &*stream)? {
                    Filled::End => return Ok(()),
                    Filled::More | Filled::Nothing => continue,
                }
            };
            match wish {
                Wish::Ask(message) => {
                    let client = Arc::clone(&stream);
                    self.pass_on(&message, |table| table.ask(&message, client))?;
                    if message.id.is_none() {
                        (&*stream).write_all(talk::ACCEPTED)?;
                    }
                }
                Wish::Say(session, message) => {
                    self.pass_on(&message, |table| table.say(&message, session))?;
                    (&*stream).write_all(talk::ACCEPTED)?;
                }
                Wish::Open => return self.open(&stream),
                Wish::Listen => {
                    (&*stream).write_all(talk::STREAM)?;
                    return await_end(&*stream);
                }
                Wish::Other => (&*stream).write_all(talk::AGREED)?,
            }
        }
    }

    fn open(&self, stream: &Client) -> io::Result<()> {
        let session = self.sessions.fetch_add(1, Ordering::Relaxed);
        self.lock().table.open(session, Arc::clone(stream));
        let mut out = Vec::new();
        talk::greet(session, &mut out);
        (&**stream).write_all(&out)?;
        let ended = await_end(&**stream);
        self.lock().table.close(session);
        ended
    }

    /// Nothing panics while it is held.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
