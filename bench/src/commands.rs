//! The sub-commands of `bench-load`: what is asked of each, and how it is put together of the parts.

use std::time::Duration;

use lexopt::Arg::{Long, Value as Word};
use lexopt::ValueExt;
use serde_json::{Value, json};

use crate::caller::{Caller, Calls};
use crate::calls::{self, Span};
use crate::error::{Error, Result};
use crate::fleet::Fleet;
use crate::session::Target;
use crate::url::Url;

/// How `bench-load` is used.
pub const USAGE: &str = "usage: bench-load MODE [OPTION...] [-- COMMAND ARG...]
  calls  call a tool that gives back a text, each client over a connection and session of its own

  --transport http|sse|stdio  (default http)   --url URL (for http and sse)
  --clients N (1)             --seconds S (5)  --warmup S (1)
  --payload BYTES (100)       --tool NAME (the first that is listed)
  --in-flight K (1; stdio)    --pid PID (the gateway, to tell what it costs)
  -- COMMAND ARG... (for stdio)";

/// What the command line says.
#[derive(Debug)]
pub struct Options {
    /// The sub-command.
    pub mode: String,
    transport: String,
    url: Option<String>,
    clients: usize,
    span: Span,
    payload: usize,
    tool: Option<String>,
    in_flight: usize,
    pid: Option<i32>,
    command: Vec<String>,
}

impl Options {
    /// Reads the command line.
    ///
    /// # Errors
    /// If it has something unknown.
    pub fn read(arguments: &mut lexopt::Parser) -> Result<Options> {
        let mut options = Options {
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
            command: Vec::new(),
        };
        while let Some(argument) = arguments.next()? {
            match argument {
                Word(mode) if options.mode.is_empty() => options.mode = mode.string()?,
                Word(program) => {
                    options.command.push(program.string()?);
                    for argument in arguments.raw_args()? {
                        options.command.push(argument.string()?);
                    }
                }
                Long("transport") => options.transport = arguments.value()?.string()?,
                Long("url") => options.url = Some(arguments.value()?.string()?),
                Long("clients") => options.clients = arguments.value()?.parse()?,
                Long("seconds") => options.span.counted = seconds(arguments)?,
                Long("warmup") => options.span.warmup = seconds(arguments)?,
                Long("payload") => options.payload = arguments.value()?.parse()?,
                Long("tool") => options.tool = Some(arguments.value()?.string()?),
                Long("in-flight") => options.in_flight = arguments.value()?.parse()?,
                Long("pid") => options.pid = Some(arguments.value()?.parse()?),
                Long("help") => return Err(Error::Usage(USAGE.to_owned())),
                other => return Err(other.unexpected().into()),
            }
        }
        Ok(options)
    }

    fn target(&self) -> Result<Target> {
        let url = || {
            let named = self.url.as_deref();
            Url::parse(named.ok_or_else(|| Error::Usage("--url is missing".to_owned()))?)
        };
        match self.transport.as_str() {
            "http" => Ok(Target::Streamable(url()?)),
            "sse" => Ok(Target::LegacySse(url()?)),
            "stdio" => Ok(Target::Stdio(self.command.clone())),
            other => Err(Error::Usage(format!(
                "--transport {other}: http, sse or stdio"
            ))),
        }
    }
}

fn seconds(arguments: &mut lexopt::Parser) -> Result<Duration> {
    let seconds: f64 = arguments.value()?.parse()?;
    let unfit = || Error::Usage(format!("{seconds} is no number of seconds"));
    Duration::try_from_secs_f64(seconds).map_err(|_| unfit())
}

/// The tool to call: the one that was named, or else the first that is listed.
fn tool(options: &Options, fleet: &mut Fleet, place: usize) -> Result<String> {
    if let Some(tool) = &options.tool {
        return Ok(tool.clone());
    }
    let listed = fleet.ask(place, "tools/list", &json!({}))?;
    let name = listed["tools"][0]["name"].as_str();
    let name = name.ok_or_else(|| Error::wrong("the server lists no tool"))?;
    Ok(name.to_owned())
}

/// Mode `calls`.
///
/// # Errors
/// If an answer is wrong, missing or surplus, or the server cannot be reached.
pub fn calls(options: &Options) -> Result<Value> {
    let target = options.target()?;
    let in_flight = match target {
        Target::Stdio(_) => options.in_flight.max(1),
        _ => 1,
    };
    let mut fleet = Fleet::new()?;
    let mut callers = Vec::new();
    let mut name = None;
    for client in 0..options.clients {
        let place = fleet.open(&target)?;
        let name = match &mut name {
            Some(name) => name,
            none => none.insert(tool(options, &mut fleet, place)?),
        };
        let work = Calls::new(client, name, options.payload);
        callers.push(Caller::new(place, work, in_flight));
    }
    let pid = options.pid.or_else(|| fleet.session(0).pid());
    let figures = calls::drive(&mut fleet, &mut callers, options.span, pid)?;
    let reconnects: u64 = fleet
        .sessions
        .iter()
        .flatten()
        .map(|session| session.reconnects())
        .sum();
    let mut told = figures.told();
    told["transport"] = json!(options.transport);
    told["clients"] = json!(options.clients);
    told["in_flight"] = json!(in_flight);
    told["payload"] = json!(options.payload);
    told["reconnects"] = json!(reconnects);
    Ok(told)
}
