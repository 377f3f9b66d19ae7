//! The design `ears`: the dispatcher writes as in `pens`, but no connection has a thread. One
//! thread, the ear, waits for the sockets of all of them, reads and parses what each has, and hands
//! all that one wait brought to the dispatcher in one go. So one wake-up does for many requests, and
//! none is needed while the ear is busy.
//!
//! And the design `ears-lent`: the same, but the dispatcher's thread is the ear.
//!
//! What a socket does not take at once, the ear writes when there is room. A gateway would give
//! long messages to a thread of the connection, which sleeps else; here it has none.

use std::io;
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use nix::sys::eventfd::{EfdFlags, EventFd};

use crate::child::Child;
use crate::error::{Error, Result};
use crate::http_server;
use crate::io_buffers::{Filled, Inlet, Outlet};
use crate::poller::{Poller, Reports, Token};
use crate::shape::dispatcher::{Dispatcher, Letter, Reach};
use crate::shape::mailbox::Mailbox;
use crate::shape::talk::{self, Answer, Wish};
use crate::shape::{read_lines, start};

const LISTENER: Token = token(0);
/// The inbox's, where the dispatcher is the ear.
const BELL: Token = token(1);
/// The token of the first connection; the others follow.
const FIRST: usize = 2;

/// How long one wait lasts at most, in ms; nothing happens when it is over.
const WAIT: u16 = 60_000;

const fn token(session: usize) -> Token {
    Token { session, part: 0 }
}

/// How a client is reached.
type Client = Arc<Desk>;

/// Serves until the child ends.
///
/// # Errors
/// If the port or the child cannot be had, and when the child ends.
pub fn serve(port: u16, command: &[String]) -> Result<()> {
    let (_child, stdin, stdout) = Child::with_blocking_pipes(command)?;
    let mut ear = Ear::new(http_server::listen(port)?)?;
    let mut dispatcher = Dispatcher::new(stdin)?;
    let inbox = Arc::new(Mailbox::default());
    let dispatched = Arc::clone(&inbox);
    start("dispatcher", move || dispatcher.run(&dispatched))?;
    let heard = Arc::clone(&inbox);
    start("ear", move || drop(ear.run(&heard)))?;
    read_lines(stdout, |answers| {
        inbox.put(answers.into_iter().map(Letter::Answer));
    })
}

/// The same, with the dispatcher's thread being the ear.
///
/// # Errors
/// As those of `serve`.
pub fn serve_lent(port: u16, command: &[String]) -> Result<()> {
    let (_child, stdin, stdout) = Child::with_blocking_pipes(command)?;
    let mut ear = Ear::new(http_server::listen(port)?)?;
    let mut dispatcher = Dispatcher::new(stdin)?;
    let bell = EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK);
    let bell = bell.map_err(Error::system("a bell"))?;
    ear.poller.add(&bell, BELL)?;
    let inbox = Arc::new(Mailbox::with_bell(bell));
    let dispatched = Arc::clone(&inbox);
    start("dispatcher", move || {
        drop(ear.run_lent(&dispatched, &mut dispatcher));
    })?;
    read_lines(stdout, |answers| {
        inbox.put(answers.into_iter().map(Letter::Answer));
    })
}

/// Where the ear and the dispatcher meet: both write to the socket.
struct Desk {
    /// Non-blocking.
    socket: TcpStream,
    poller: Arc<Poller>,
    token: Token,
    outbox: Mutex<Outbox>,
}

/// What the socket has not taken.
#[derive(Default)]
struct Outbox {
    outlet: Outlet,
    /// The ear is reported when there is room.
    awaits_room: bool,
}

impl Desk {
    /// Writes behind what is not yet written, or leaves it to the ear. That the socket is broken
    /// shows when it is read.
    fn write(&self, bytes: &[u8]) {
        let mut outbox = self.lock();
        outbox.outlet.queue(bytes);
        drop(self.flush(&mut outbox));
    }

    /// Writes more, if it was left to the ear.
    fn go_on(&self) -> io::Result<()> {
        let mut outbox = self.lock();
        match outbox.awaits_room {
            true => self.flush(&mut outbox),
            false => Ok(()),
        }
    }

    fn flush(&self, outbox: &mut Outbox) -> io::Result<()> {
        outbox.outlet.flush(&mut &self.socket)?;
        let awaits_room = !outbox.outlet.is_done();
        if awaits_room != outbox.awaits_room {
            let changed = self.poller.change(&self.socket, self.token, awaits_room);
            changed.map_err(io::Error::other)?;
            outbox.awaits_room = awaits_room;
        }
        Ok(())
    }

    /// Nothing panics while it is held.
    fn lock(&self) -> MutexGuard<'_, Outbox> {
        self.outbox.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Reach for Client {
    fn tell(&self, answer: Answer, scratch: &mut Vec<u8>) {
        scratch.clear();
        answer.write(scratch);
        self.write(scratch);
    }
}

/// A connection, as the ear knows it.
struct Connection {
    desk: Client,
    inlet: Inlet,
    /// The session whose stream this is.
    session: Option<u64>,
}

/// The one thread that reads sockets.
struct Ear {
    poller: Arc<Poller>,
    listener: TcpListener,
    /// By the order in which they came; those that ended stay as gaps.
    connections: Vec<Option<Box<Connection>>>,
    /// What this round brought for the dispatcher.
    letters: Vec<Letter<Client>>,
    scratch: Vec<u8>,
}

impl Ear {
    fn new(listener: TcpListener) -> Result<Ear> {
        let set = listener.set_nonblocking(true);
        set.map_err(Error::system("the listening socket"))?;
        let poller = Arc::new(Poller::new()?);
        poller.add(&listener, LISTENER)?;
        Ok(Ear {
            poller,
            listener,
            connections: Vec::new(),
            letters: Vec::new(),
            scratch: Vec::new(),
        })
    }

    /// What the ear does that has a thread of its own.
    fn run(&mut self, inbox: &Mailbox<Letter<Client>>) -> Result<()> {
        let mut reports = Reports::default();
        loop {
            self.poller.wait(&mut reports, WAIT)?;
            for token in reports.tokens() {
                self.attend(token)?;
            }
            if !self.letters.is_empty() {
                inbox.put(self.letters.drain(..));
            }
        }
    }

    /// What the dispatcher does that is the ear as well: it opens what is in the inbox, and then
    /// what the sockets bring, for which it waits only if the inbox was empty.
    fn run_lent(
        &mut self,
        inbox: &Mailbox<Letter<Client>>,
        dispatcher: &mut Dispatcher<Client>,
    ) -> Result<()> {
        let (mut reports, mut letters) = (Reports::default(), Vec::new());
        loop {
            inbox.take_or_sleep(&mut letters);
            let wait = if letters.is_empty() { WAIT } else { 0 };
            dispatcher.round(letters.drain(..));
            self.poller.wait(&mut reports, wait)?;
            for token in reports.tokens() {
                match token {
                    BELL => inbox.hear(),
                    token => self.attend(token)?,
                }
            }
            dispatcher.round(self.letters.drain(..));
        }
    }

    /// Goes on with whatever a report is about.
    fn attend(&mut self, token: Token) -> Result<()> {
        match token {
            LISTENER => self.accept(),
            Token { session, .. } => {
                self.attend_connection(session - FIRST);
                Ok(())
            }
        }
    }

    fn accept(&mut self) -> Result<()> {
        while let Ok((socket, _)) = self.listener.accept() {
            let set = socket.set_nodelay(true);
            let set = set.and_then(|()| socket.set_nonblocking(true));
            set.map_err(Error::system("a connection"))?;
            let token = token(FIRST + self.connections.len());
            self.poller.add(&socket, token)?;
            let desk = Desk {
                socket,
                poller: Arc::clone(&self.poller),
                token,
                outbox: Mutex::default(),
            };
            self.connections.push(Some(Box::new(Connection {
                desk: Arc::new(desk),
                inlet: Inlet::default(),
                session: None,
            })));
        }
        Ok(())
    }

    /// Goes on with a connection; one that breaks, or is no HTTP, costs itself alone.
    fn attend_connection(&mut self, place: usize) {
        let Some(mut connection) = self.connections[place].take() else {
            return;
        };
        match self.go_on(place, &mut connection) {
            Ok(Filled::More | Filled::Nothing) => self.connections[place] = Some(connection),
            Ok(Filled::End) | Err(_) => {
                // The dispatcher may hold the desk, and with it the socket, for some time yet.
                drop(self.poller.remove(&connection.desk.socket));
                let session = connection.session;
                self.letters.extend(session.map(Letter::Close));
            }
        }
    }

    fn go_on(&mut self, place: usize, connection: &mut Connection) -> io::Result<Filled> {
        let Connection {
            desk,
            inlet,
            session,
        } = connection;
        desk.go_on()?;
        let filled = inlet.fill(&mut &desk.socket)?;
        while let Some(wish) = talk::wish(inlet)? {
            match wish {
                Wish::Ask(message) => {
                    if message.id.is_none() {
                        desk.write(talk::ACCEPTED);
                    }
                    self.letters.push(Letter::Ask(message, Arc::clone(desk)));
                }
                Wish::Say(session, message) => {
                    self.letters.push(Letter::Say(session, message));
                    desk.write(talk::ACCEPTED);
                }
                Wish::Open => {
                    let number = place as u64;
                    *session = Some(number);
                    self.letters.push(Letter::Open(number, Arc::clone(desk)));
                    self.scratch.clear();
                    talk::greet(number, &mut self.scratch);
                    desk.write(&self.scratch);
                }
                Wish::Listen => desk.write(talk::STREAM),
                Wish::Other => desk.write(talk::AGREED),
            }
        }
        Ok(filled)
    }
}
