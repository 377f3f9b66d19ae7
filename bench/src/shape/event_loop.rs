//! The design `loop`: one thread waits for all sockets and pipes at once, reads, writes, and does
//! whatever is between. Nobody is ever woken, and never does a second core help.

use std::io;
use std::net::{TcpListener, TcpStream};
use std::process::{ChildStdin, ChildStdout};

use crate::child::Child;
use crate::error::{Error, Result};
use crate::http_server;
use crate::io_buffers::{Filled, Inlet, Outlet};
use crate::poller::{Poller, Reports, Token};
use crate::shape::Lines;
use crate::shape::table::Table;
use crate::shape::talk::{self, Message, Wish};

const LISTENER: Token = token(0);
const STDOUT: Token = token(1);
const STDIN: Token = token(2);
/// The token of the first connection; the others follow.
const FIRST: usize = 3;

/// How long one wait lasts at most, in ms; nothing happens when it is over.
const WAIT: u16 = 60_000;

const fn token(session: usize) -> Token {
    Token { session, part: 0 }
}

/// A connection.
struct Connection {
    stream: TcpStream,
    inlet: Inlet,
    outlet: Outlet,
    awaits_room: bool,
    /// The session whose stream this is.
    session: Option<u64>,
}

/// The child's pipes.
struct Pipes {
    stdin: ChildStdin,
    stdout: ChildStdout,
    lines: Lines,
    outlet: Outlet,
    awaits_room: bool,
}

/// All that the one thread owns.
struct House {
    poller: Poller,
    listener: TcpListener,
    pipes: Pipes,
    /// By the order in which they came; those that ended stay as gaps.
    connections: Vec<Option<Box<Connection>>>,
    /// A client is reached by its place among the connections.
    table: Table<usize>,
    scratch: Vec<u8>,
}

/// Serves until the child ends.
///
/// # Errors
/// If the port or the child cannot be had, and when the child ends.
pub fn serve(port: u16, command: &[String]) -> Result<()> {
    let (_child, stdin, stdout) = Child::with_pipes(command)?;
    let listener = http_server::listen(port)?;
    let set = listener.set_nonblocking(true);
    set.map_err(Error::system("the listening socket"))?;
    let poller = Poller::new()?;
    poller.add(&listener, LISTENER)?;
    poller.add(&stdout, STDOUT)?;
    let pipes = Pipes {
        stdin,
        stdout,
        lines: Lines::default(),
        outlet: Outlet::default(),
        awaits_room: false,
    };
    let mut house = House {
        poller,
        listener,
        pipes,
        connections: Vec::new(),
        table: Table::default(),
        scratch: Vec::new(),
    };
    let mut reports = Reports::default();
    loop {
        house.poller.wait(&mut reports, WAIT)?;
        for token in reports.tokens() {
            match token {
                LISTENER => house.accept()?,
                STDOUT => house.hear_child()?,
                // What can be written, the end of this round writes.
                STDIN => {}
                Token { session, .. } => house.attend(session - FIRST),
            }
        }
        house.pipes.write(&house.poller)?;
    }
}

impl Pipes {
    fn write(&mut self, poller: &Poller) -> Result<()> {
        let written = self.outlet.flush(&mut self.stdin);
        written.map_err(Error::system("writing to the child"))?;
        let awaits_room = !self.outlet.is_done();
        if awaits_room && !self.awaits_room {
            poller.add_for_output(&self.stdin, STDIN)?;
        } else if self.awaits_room && !awaits_room {
            poller.remove(&self.stdin)?;
        }
        self.awaits_room = awaits_room;
        Ok(())
    }
}

impl Connection {
    /// Writes what can be written.
    fn write(&mut self, place: usize, poller: &Poller) -> io::Result<()> {
        self.outlet.flush(&mut self.stream)?;
        let awaits_room = !self.outlet.is_done();
        if awaits_room != self.awaits_room {
            let changed = poller.change(&self.stream, token(FIRST + place), awaits_room);
            changed.map_err(io::Error::other)?;
            self.awaits_room = awaits_room;
        }
        Ok(())
    }
}

impl House {
    fn accept(&mut self) -> Result<()> {
        while let Ok((stream, _)) = self.listener.accept() {
            let set = stream.set_nodelay(true);
            let set = set.and_then(|()| stream.set_nonblocking(true));
            set.map_err(Error::system("a connection"))?;
            let place = self.connections.len();
            self.poller.add(&stream, token(FIRST + place))?;
            self.connections.push(Some(Box::new(Connection {
                stream,
                inlet: Inlet::default(),
                outlet: Outlet::default(),
                awaits_room: false,
                session: None,
            })));
        }
        Ok(())
    }

    /// Tells what the child has answered.
    fn hear_child(&mut self) -> Result<()> {
        let read = self.pipes.lines.read(&mut self.pipes.stdout);
        let (answers, filled) = read.map_err(Error::system("reading from the child"))?;
        for answer in answers {
            let Some((place, answer)) = self.table.answered(answer) else {
                continue;
            };
            // Who has gone meanwhile misses nothing.
            if let Some(connection) = &mut self.connections[place] {
                self.scratch.clear();
                answer.write(&mut self.scratch);
                connection.outlet.queue(&self.scratch);
                // If it is broken, reading from it will say so too.
                drop(connection.write(place, &self.poller));
            }
        }
        match filled {
            Filled::End => Err(Error::wrong("the child closed its output")),
            Filled::More | Filled::Nothing => Ok(()),
        }
    }

    /// Goes on with a connection; one that breaks, or is no HTTP, costs itself alone.
    fn attend(&mut self, place: usize) {
        let Some(mut connection) = self.connections[place].take() else {
            return;
        };
        match self.go_on(place, &mut connection) {
            Ok(Filled::More | Filled::Nothing) => self.connections[place] = Some(connection),
            Ok(Filled::End) | Err(_) => {
                if let Some(session) = connection.session {
                    self.table.close(session);
                }
            }
        }
    }

    fn go_on(&mut self, place: usize, connection: &mut Connection) -> io::Result<Filled> {
        let filled = connection.inlet.fill(&mut connection.stream)?;
        while let Some(wish) = talk::wish(&mut connection.inlet)? {
            match wish {
                Wish::Ask(message) => {
                    let number = self.table.ask(&message, place);
                    self.pass_on(&message, number);
                    if number.is_none() {
                        connection.outlet.queue(talk::ACCEPTED);
                    }
                }
                Wish::Say(session, message) => {
                    let number = self.table.say(&message, session);
                    self.pass_on(&message, number);
                    connection.outlet.queue(talk::ACCEPTED);
                }
                Wish::Open => {
                    self.table.open(place as u64, place);
                    connection.session = Some(place as u64);
                    self.scratch.clear();
                    talk::greet(place as u64, &mut self.scratch);
                    connection.outlet.queue(&self.scratch);
                }
                Wish::Listen => connection.outlet.queue(talk::STREAM),
                Wish::Other => connection.outlet.queue(talk::AGREED),
            }
        }
        connection.write(place, &self.poller)?;
        Ok(filled)
    }

    /// Has a message written at the end of this round.
    fn pass_on(&mut self, message: &Message, number: Option<u64>) {
        self.scratch.clear();
        message.line(number, &mut self.scratch);
        self.pipes.outlet.queue(&self.scratch);
    }
}
