//! The design `pens`: threads and queues as in `queues`, but nobody is woken for what is short. The
//! dispatcher writes it itself, to the child's pipe and to the sockets of threads that sleep; what
//! is long, or not taken at once, goes to the thread whose work it is. Who waits sleeps at once.

use std::io::{self, Write};
use std::net::TcpStream;
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::eventfd::{EfdFlags, EventFd};

use crate::child::Child;
use crate::error::Result;
use crate::http_server;
use crate::io_buffers::{Filled, Inlet};
use crate::shape::dispatcher::{Dispatcher, Letter, Reach, SHORT};
use crate::shape::mailbox::Mailbox;
use crate::shape::talk::{self, Answer, Wish};
use crate::shape::{read_lines, start, write_waiting};

/// How a client is reached.
type Client = Arc<Desk>;

/// What all threads share.
#[derive(Default)]
struct House {
    inbox: Mailbox<Letter<Client>>,
    sessions: AtomicU64,
}

/// Serves until the child ends.
///
/// # Errors
/// If the port or the child cannot be had, and when the child ends.
pub fn serve(port: u16, command: &[String]) -> Result<()> {
    let (_child, stdin, stdout) = Child::with_blocking_pipes(command)?;
    let listener = http_server::listen(port)?;
    let house = Arc::new(House::default());
    let mut dispatcher = Dispatcher::new(stdin)?;
    let dispatched = Arc::clone(&house);
    start("dispatcher", move || dispatcher.run(&dispatched.inbox))?;
    let called = Arc::clone(&house);
    let converse = move |stream| converse(stream, &called);
    start("accept", move || {
        drop(http_server::each_connection(&listener, &Arc::new(converse)));
    })?;
    read_lines(stdout, |answers| {
        house.inbox.put(answers.into_iter().map(Letter::Answer));
    })
}

/// Where a connection's thread and the dispatcher meet.
struct Desk {
    /// Non-blocking.
    socket: TcpStream,
    /// Wakes the thread, which polls it beside the socket.
    bell: EventFd,
    outbox: Mutex<Outbox>,
}

/// What the thread is to write.
#[derive(Default)]
struct Outbox {
    parcels: Vec<Parcel>,
    /// The thread was woken to write, and has not said yet that all is written; until then nobody
    /// else may write.
    is_busy: bool,
}

enum Parcel {
    Answer(Answer),
    /// What the socket did not take of the dispatcher's.
    Rest(Vec<u8>),
}

impl Reach for Client {
    /// Wakes the thread only where it cannot be done without it.
    fn tell(&self, answer: Answer, scratch: &mut Vec<u8>) {
        let mut outbox = self.lock();
        let parcel = if outbox.is_busy || answer.message.text.len() > SHORT {
            Parcel::Answer(answer)
        } else {
            scratch.clear();
            answer.write(scratch);
            // Why it failed, the thread finds out.
            let written = (&self.socket).write(scratch).unwrap_or(0);
            if written == scratch.len() {
                return;
            }
            Parcel::Rest(scratch.split_off(written))
        };
        outbox.parcels.push(parcel);
        let was_busy = std::mem::replace(&mut outbox.is_busy, true);
        drop(outbox);
        if !was_busy {
            // It fails only if it has been rung 2^64 times and not been heard.
            let _ = self.bell.write(1);
        }
    }
}

impl Desk {
    /// Writes what lies in the outbox.
    fn write_parcels(&self) -> io::Result<()> {
        // Nobody but this thread hears it, so there is something to hear.
        self.bell.read()?;
        let (mut parcels, mut out) = (Vec::new(), Vec::new());
        loop {
            let mut outbox = self.lock();
            std::mem::swap(&mut outbox.parcels, &mut parcels);
            outbox.is_busy = !parcels.is_empty();
            drop(outbox);
            if parcels.is_empty() {
                return Ok(());
            }
            for parcel in parcels.drain(..) {
                match parcel {
                    Parcel::Answer(answer) => answer.write(&mut out),
                    Parcel::Rest(rest) => out.extend_from_slice(&rest),
                }
            }
            write_waiting(&self.socket, &out)?;
            out.clear();
        }
    }

    /// Waits until the client or the dispatcher has something; whether it is the dispatcher.
    fn sleep(&self) -> io::Result<bool> {
        let awaited = |fd| PollFd::new(fd, PollFlags::POLLIN);
        let mut awaited = [awaited(self.socket.as_fd()), awaited(self.bell.as_fd())];
        poll(&mut awaited, PollTimeout::NONE)?;
        Ok(awaited[1].any().unwrap_or_default())
    }

    /// Nothing panics while it is held.
    fn lock(&self) -> MutexGuard<'_, Outbox> {
        self.outbox.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Fulfils the wishes of one connection until it ends.
fn converse(stream: TcpStream, house: &House) -> io::Result<()> {
    stream.set_nodelay(true)?;
    stream.set_nonblocking(true)?;
    let desk = Arc::new(Desk {
        socket: stream,
        bell: EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)?,
        outbox: Mutex::default(),
    });
    let mut session = None;
    let ended = attend(&desk, house, &mut session);
    if let Some(session) = session {
        house.inbox.put([Letter::Close(session)]);
    }
    ended
}

fn attend(desk: &Client, house: &House, session: &mut Option<u64>) -> io::Result<()> {
    let mut inlet = Inlet::default();
    loop {
        while let Some(wish) = talk::wish(&mut inlet)? {
            fulfil(wish, desk, house, session)?;
        }
        if desk.sleep()? {
            desk.write_parcels()?;
        } else if inlet.fill(&mut &desk.socket)? == Filled::End {
            return Ok(());
        }
    }
}

fn fulfil(wish: Wish, desk: &Client, house: &House, session: &mut Option<u64>) -> io::Result<()> {
    match wish {
        Wish::Ask(message) => {
            let is_answered = message.id.is_some();
            house.inbox.put([Letter::Ask(message, Arc::clone(desk))]);
            if is_answered {
                return Ok(());
            }
            write_waiting(&desk.socket, talk::ACCEPTED)
        }
        Wish::Say(session, message) => {
            house.inbox.put([Letter::Say(session, message)]);
            write_waiting(&desk.socket, talk::ACCEPTED)
        }
        Wish::Open => {
            let number = house.sessions.fetch_add(1, Ordering::Relaxed);
            house.inbox.put([Letter::Open(number, Arc::clone(desk))]);
            *session = Some(number);
            let mut out = Vec::new();
            talk::greet(number, &mut out);
            write_waiting(&desk.socket, &out)
        }
        Wish::Listen => write_waiting(&desk.socket, talk::STREAM),
        Wish::Other => write_waiting(&desk.socket, talk::AGREED),
    }
}
