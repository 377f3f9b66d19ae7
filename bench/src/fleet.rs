//! The sessions of one program, and the one loop that all of them are waited for in. Here they are
//! opened and greeted, and asked what is not measured; what is measured is in `caller`.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::error::{Error, Result};
use crate::poller::{Poller, Reports, Token};
use crate::session::{Session, Target};

/// How long to wait for what is not measured: servers that are started with the first session may
/// have to load an interpreter first.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// How long one wait for events takes at most, in ms: how late a deadline is noticed.
const WAIT_MILLIS: u16 = 100;

/// Sessions, by the places they were opened in.
pub struct Fleet {
    /// What all of them are waited for with.
    pub poller: Poller,
    /// The sessions; `None` where one was closed.
    pub sessions: Vec<Option<Box<dyn Session>>>,
    reports: Reports,
}

impl Fleet {
    /// One without sessions.
    ///
    /// # Errors
    /// Where the system has no more descriptors.
    pub fn new() -> Result<Fleet> {
        Ok(Fleet {
            poller: Poller::new()?,
            sessions: Vec::new(),
            reports: Reports::default(),
        })
    }

    /// Opens a session and greets the server; returns its place.
    ///
    /// # Errors
    /// If the server cannot be reached, or does not answer as it must.
    pub fn open(&mut self, target: &Target) -> Result<usize> {
        let place = self.sessions.len();
        self.sessions.push(Some(target.open(place, &self.poller)?));
        self.settle(place, "a session that messages can be sent to", |session| {
            session.is_free()
        })?;
        let greeting = json!({
            "protocolVersion": target.revision(),
            "capabilities": {},
            "clientInfo": { "name": "bench-load", "version": env!("CARGO_PKG_VERSION") },
        });
        let result = self.ask(place, "initialize", &greeting)?;
        self.session(place).greeted(&result);
        self.send(
            place,
            &json!({"jsonrpc": "2.0", "method": "notifications/initialized"}),
        )?;
        self.settle(place, "the acceptance of a notification", |session| {
            session.is_free()
        })?;
        Ok(place)
    }

    /// The session of a place.
    ///
    /// # Panics
    /// If it was closed.
    pub fn session(&mut self, place: usize) -> &mut dyn Session {
        let session = self.sessions[place].as_deref_mut();
        session.expect("who names a session has not closed it")
    }

    /// Asks the server something over a session that is free, and returns the result.
    ///
    /// # Errors
    /// If no answer comes in time, or an error does.
    pub fn ask(&mut self, place: usize, method: &str, params: &Value) -> Result<Value> {
        // No number of a caller's is so small.
        const ID: u64 = 1;
        self.send(
            place,
            &json!({"jsonrpc": "2.0", "id": ID, "method": method, "params": params}),
        )?;
        let mut answer = None;
        let deadline = Instant::now() + PATIENCE;
        while answer.is_none() || !self.session(place).is_free() {
            if Instant::now() > deadline {
                return Err(Error::Wrong(format!(
                    "no answer to {method} in {PATIENCE:?}"
                )));
            }
            self.pump(|from, message| {
                let message: Value = parse(message)?;
                if let Some(reply) = reply(&message) {
                    return Ok(reply);
                }
                if from != place || message["id"] != ID || answer.is_some() {
                    return Err(Error::Wrong(format!("an answer to nothing: {message}")));
                }
                answer = Some(message);
                Ok(None)
            })?;
        }
        let mut answer = answer.expect("it was waited for");
        match answer.get_mut("result") {
            Some(result) => Ok(result.take()),
            None => Err(Error::Wrong(format!("{method} was refused: {answer}"))),
        }
    }

    fn send(&mut self, place: usize, message: &Value) -> Result<()> {
        let Fleet {
            poller, sessions, ..
        } = self;
        let session = sessions[place].as_mut().expect("it is open");
        session.send(message.to_string().as_bytes(), poller)?;
        session.flush(poller)
    }

    /// Waits until something is so, which the server brings about without a message.
    ///
    /// # Errors
    /// If it is not so in time.
    pub fn settle(
        &mut self,
        place: usize,
        what: &str,
        is_so: impl Fn(&dyn Session) -> bool,
    ) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        while !is_so(self.session(place)) {
            if Instant::now() > deadline {
                return Err(Error::Wrong(format!("{what} did not come in {PATIENCE:?}")));
            }
            self.attend()?;
        }
        Ok(())
    }

    /// Goes on with every session that can, once. `hear` is told whose message it is, and returns
    /// what is to be sent back, if anything.
    fn pump(
        &mut self,
        mut hear: impl FnMut(usize, &[u8]) -> Result<Option<Vec<u8>>>,
    ) -> Result<()> {
        let Fleet {
            poller,
            sessions,
            reports,
        } = self;
        poller.wait(reports, WAIT_MILLIS)?;
        for Token {
            session: place,
            part,
        } in reports.tokens()
        {
            // A report of a session that was closed a moment ago.
            let Some(session) = sessions[place].as_mut() else {
                continue;
            };
            let mut replies = Vec::new();
            session.ready(part, poller, &mut |message| {
                replies.extend(hear(place, message)?);
                Ok(())
            })?;
            for reply in replies {
                // Over HTTP it has to wait for its turn, and nothing here waits long for it.
                if session.is_free() {
                    session.send(&reply, poller)?;
                }
            }
            session.flush(poller)?;
        }
        Ok(())
    }

    /// Opens the stream of a session over which the server may speak unasked.
    ///
    /// # Errors
    /// If the server does not give it.
    pub fn listen(&mut self, place: usize) -> Result<()> {
        let Fleet {
            poller, sessions, ..
        } = self;
        let session = sessions[place].as_mut().expect("it is open");
        session.listen(poller)?;
        self.settle(place, "a stream to listen to", |session| {
            session.is_listening()
        })
    }

    /// Ends a session, and waits until the server has heard it.
    ///
    /// # Errors
    /// If it does not, in time.
    pub fn leave(&mut self, place: usize) -> Result<()> {
        let Fleet {
            poller, sessions, ..
        } = self;
        let session = sessions[place].as_mut().expect("it is open");
        session.leave(poller)?;
        self.settle(place, "the end of a session", |session| session.is_free())?;
        self.sessions[place] = None;
        Ok(())
    }

    /// Goes on with every session that can, while no answer is awaited.
    ///
    /// # Errors
    /// If an answer comes all the same, or the server is lost.
    pub fn attend(&mut self) -> Result<()> {
        self.pump(|_, message| {
            let message = parse(message)?;
            let unasked = || Error::Wrong(format!("an answer to nothing: {message}"));
            reply(&message).ok_or_else(unasked)
        })
    }

    /// Connections that were opened beyond those that sessions begin with.
    pub fn reconnects(&self) -> u64 {
        let sessions = self.sessions.iter().flatten();
        sessions.map(|session| session.reconnects()).sum()
    }

    /// Waits for events and has `step` go on with each session that can.
    ///
    /// # Errors
    /// What `step` returns.
    pub fn turn(
        &mut self,
        mut step: impl FnMut(Token, &mut dyn Session, &Poller) -> Result<()>,
    ) -> Result<()> {
        let Fleet {
            poller,
            sessions,
            reports,
        } = self;
        poller.wait(reports, WAIT_MILLIS)?;
        for token in reports.tokens() {
            if let Some(session) = sessions[token.session].as_deref_mut() {
                step(token, session, poller)?;
            }
        }
        Ok(())
    }
}

/// Reads a message.
///
/// # Errors
/// If it is no JSON.
pub fn parse(message: &[u8]) -> Result<Value> {
    serde_json::from_slice(message).map_err(|error| {
        let start = String::from_utf8_lossy(&message[..message.len().min(200)]);
        Error::Wrong(format!("a message that is no JSON ({error}): {start:?}"))
    })
}

/// Whether a message is the server's own, no answer; and what it is to be answered, if it asks.
pub fn reply(message: &Value) -> Option<Option<Vec<u8>>> {
    let method = message.get("method")?;
    let id = match message.get("id") {
        None => return Some(None),
        Some(id) => id,
    };
    let answer = if method == "ping" {
        json!({"jsonrpc": "2.0", "id": id, "result": {}})
    } else {
        let error = json!({"code": -32601, "message": "this client only calls"});
        json!({"jsonrpc": "2.0", "id": id, "error": error})
    };
    Some(Some(answer.to_string().into_bytes()))
}
