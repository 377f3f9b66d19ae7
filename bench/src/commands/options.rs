//! The command line of `bench-load`, which is one for all its sub-commands.

use std::time::Duration;

use lexopt::Arg::{Long, Value as Word};
use lexopt::{Parser, ValueExt};

use crate::drive::Span;
use crate::error::{Error, Result};
use crate::session::Target;
use crate::url::Url;

/// How `bench-load` is used.
pub const USAGE: &str = "usage: bench-load MODE [OPTION...] [-- COMMAND ARG...]
  calls  call a tool that gives back a text, each client over a connection and session of its own
         --clients N (1)  --payload BYTES (100)  --tool NAME (the first that is listed)
         --in-flight K (1; only with stdio)
  list   ask for the list of tools
         --clients N (1)  --expect N (tools the list must have)
  idle   open sessions that do nothing, and close them again
         --sessions N (100)  --turns N (1)  and --pid, which must be there
  start  start COMMAND and wait for its port and its tools, again and again
         --port P  --times N (10)  --expect N (1: tools the list must have at least)

  --transport http|sse|stdio (http)  --url URL (for http and sse)
  --seconds S (5)  --warmup S (1)    --pid PID (the gateway, to tell what it costs)
  -- COMMAND ARG... (what to start: for stdio, and for the mode start)";

/// What the command line says.
#[derive(Debug)]
pub struct Options {
    /// The sub-command.
    pub mode: String,
    /// `http`, `sse` or `stdio`.
    pub transport: String,
    /// Where the gateway is.
    pub url: Option<String>,
    /// How many clients call at once.
    pub clients: usize,
    /// How long.
    pub span: Span,
    /// Bytes of each text.
    pub payload: usize,
    /// The tool to call.
    pub tool: Option<String>,
    /// Calls of one client that are under way at once.
    pub in_flight: usize,
    /// The gateway's process.
    pub pid: Option<i32>,
    /// How many tools there must be.
    pub expect: Option<usize>,
    /// Idle sessions.
    pub sessions: usize,
    /// How often they are opened and closed.
    pub turns: usize,
    /// The port that a started gateway listens on.
    pub port: Option<u16>,
    /// How often it is started.
    pub times: usize,
    /// What to start.
    pub command: Vec<String>,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            mode: String::new(),
            transport: "http".to_owned(),
            url: None,
            clients: 1,
            span: Span {
                warmup: Duration::from_secs(1),
                counted: Duration::from_secs(5),
            },
            payload: 100,
            tool: None,
            in_flight: 1,
            pid: None,
            expect: None,
            sessions: 100,
            turns: 1,
            port: None,
            times: 10,
            command: Vec::new(),
        }
    }
}

impl Options {
    /// Reads the command line.
    ///
    /// # Errors
    /// If it has something unknown, or none where one at least must be.
    pub fn read(arguments: &mut Parser) -> Result<Options> {
        let mut options = Options::default();
        while let Some(argument) = arguments.next()? {
            match argument {
                Word(mode) if options.mode.is_empty() && options.command.is_empty() => {
                    options.mode = mode.string()?;
                }
                Word(program) => {
                    options.command.push(program.string()?);
                    for argument in arguments.raw_args()? {
                        options.command.push(argument.string()?);
                    }
                }
                Long("transport") => options.transport = arguments.value()?.string()?,
                Long("url") => options.url = Some(arguments.value()?.string()?),
                Long("clients") => options.clients = some(arguments)?,
                Long("seconds") => options.span.counted = seconds(arguments)?,
                Long("warmup") => options.span.warmup = seconds(arguments)?,
                Long("payload") => options.payload = arguments.value()?.parse()?,
                Long("tool") => options.tool = Some(arguments.value()?.string()?),
                Long("in-flight") => options.in_flight = some(arguments)?,
                Long("pid") => options.pid = Some(arguments.value()?.parse()?),
                Long("expect") => options.expect = Some(arguments.value()?.parse()?),
                Long("sessions") => options.sessions = some(arguments)?,
                Long("turns") => options.turns = some(arguments)?,
                Long("port") => options.port = Some(arguments.value()?.parse()?),
                Long("times") => options.times = some(arguments)?,
                Long("help") => return Err(Error::Usage(USAGE.to_owned())),
                other => return Err(other.unexpected().into()),
            }
        }
        Ok(options)
    }

    /// Has sessions be the pipes of this command.
    pub fn use_pipes_of(&mut self, command: Vec<String>) {
        self.transport = "stdio".to_owned();
        self.command = command;
    }

    /// Where and how sessions are to be opened.
    ///
    /// # Errors
    /// If the transport is unknown, or the address it needs is missing.
    pub fn target(&self) -> Result<Target> {
        let url = || {
            let named = self.url.as_deref();
            Url::parse(named.ok_or_else(|| missing("--url"))?)
        };
        match self.transport.as_str() {
            "http" => Ok(Target::Streamable(url()?)),
            "sse" => Ok(Target::LegacySse(url()?)),
            "stdio" => Ok(Target::Stdio(self.command.clone())),
            other => Err(Error::Usage(format!(
                "--transport {other}: it must be http, sse or stdio"
            ))),
        }
    }
}

/// An option that the mode cannot do without.
pub fn missing(option: &str) -> Error {
    Error::Usage(format!("{option} is missing"))
}

/// A number that is one at least.
fn some(arguments: &mut Parser) -> Result<usize> {
    let number = arguments.value()?.parse()?;
    let unfit = || Error::Usage("a number of clients, sessions, turns or times is 0".to_owned());
    (number > 0).then_some(number).ok_or_else(unfit)
}

fn seconds(arguments: &mut Parser) -> Result<Duration> {
    let seconds: f64 = arguments.value()?.parse()?;
    let unfit = || Error::Usage(format!("{seconds} is no number of seconds"));
    Duration::try_from_secs_f64(seconds).map_err(|_| unfit())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Options> {
        let words = std::iter::once("bench-load").chain(line.split_whitespace());
        Options::read(&mut Parser::from_iter(words))
    }

    #[test]
    fn what_follows_the_dashes_is_the_command_as_it_is() {
        let options =
            read("calls --clients 8 --warmup 0.5 -- server --clients 9 -- x").expect("fit");
        assert_eq!(options.command, ["server", "--clients", "9", "--", "x"]);
        assert_eq!((options.mode.as_str(), options.clients), ("calls", 8));
        assert_eq!(options.span.warmup, Duration::from_millis(500));
    }

    #[test]
    fn what_cannot_be_is_refused() {
        for line in [
            "calls --clients 0",
            "calls --seconds -1",
            "calls --sekonds 1",
            "calls --pid x",
        ] {
            assert!(read(line).is_err(), "{line}");
        }
        assert!(read("calls").expect("fit").target().is_err(), "no address");
        assert!(read("calls --transport x").expect("fit").target().is_err());
    }
}
