//! The pipes of a child as a client: a message is a line.

use std::process::{ChildStdin, ChildStdout};

use serde_json::Value;

use crate::child::Child;
use crate::error::{Error, Result};
use crate::io_buffers::{Filled, Inlet, Outlet};
use crate::poller::{Poller, Token};
use crate::session::{Hear, Session};

/// A child and its pipes. It ends with the session.
#[derive(Debug)]
pub struct Stdio {
    inlet: Inlet,
    outlet: Outlet,
    /// How much of what is in the inlet is known to hold no line's end.
    searched: usize,
    input: ChildStdout,
    output: ChildStdin,
    output_token: Token,
    awaits_room: bool,
    /// Last, so that it ends after its pipes.
    child: Child,
}

impl Stdio {
    /// Starts the command. The second token is that of the pipe that is written.
    ///
    /// # Errors
    /// If it cannot be started.
    pub fn spawn(command: &[String], tokens: [Token; 2], poller: &Poller) -> Result<Stdio> {
        let (child, output, input) = Child::with_pipes(command)?;
        poller.add(&input, tokens[0])?;
        Ok(Stdio {
            inlet: Inlet::default(),
            outlet: Outlet::default(),
            searched: 0,
            input,
            output,
            output_token: tokens[1],
            awaits_room: false,
            child,
        })
    }

    fn read(&mut self, hear: Hear<'_>) -> Result<()> {
        let filled = self.inlet.fill(&mut self.input);
        match filled.map_err(Error::system("reading from the child"))? {
            Filled::More => {}
            Filled::Nothing => return Ok(()),
            Filled::End => return Err(Error::wrong("the child closed its output")),
        }
        let bytes = self.inlet.bytes();
        let mut start = 0;
        for end in memchr::memchr_iter(b'\n', &bytes[self.searched..]) {
            let end = self.searched + end;
            hear(&bytes[start..end])?;
            start = end + 1;
        }
        self.searched = bytes.len() - start;
        self.inlet.used(start);
        Ok(())
    }
}

impl Session for Stdio {
    fn is_free(&self) -> bool {
        true
    }

    fn send(&mut self, message: &[u8], _: &Poller) -> Result<()> {
        self.outlet.queue(message);
        self.outlet.queue(b"\n");
        Ok(())
    }

    fn flush(&mut self, poller: &Poller) -> Result<()> {
        let flushed = self.outlet.flush(&mut self.output);
        flushed.map_err(Error::system("writing to the child"))?;
        let awaits_room = !self.outlet.is_done();
        if awaits_room && !self.awaits_room {
            poller.add_for_output(&self.output, self.output_token)?;
        } else if self.awaits_room && !awaits_room {
            poller.remove(&self.output)?;
        }
        self.awaits_room = awaits_room;
        Ok(())
    }

    fn ready(&mut self, part: u8, poller: &Poller, hear: Hear<'_>) -> Result<()> {
        match part {
            0 => self.read(hear),
            _ => self.flush(poller),
        }
    }

    fn greeted(&mut self, _: &Value) {}

    fn listen(&mut self, _: &Poller) -> Result<()> {
        Ok(())
    }

    fn is_listening(&self) -> bool {
        true
    }

    fn rest(&mut self) {}

    fn leave(&mut self, _: &Poller) -> Result<()> {
        Ok(())
    }

    fn pid(&self) -> Option<i32> {
        Some(self.child.pid())
    }

    fn reconnects(&self) -> u64 {
        0
    }
}
