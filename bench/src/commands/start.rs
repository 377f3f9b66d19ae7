//! Mode `start`: how long a gateway takes from its start until it listens, and until it has tools.

use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::child::Child;
use crate::commands::options::{Options, missing};
use crate::drive::hundredths;
use crate::error::{Error, Result};
use crate::fleet::{Fleet, PATIENCE};
use crate::session::Target;
use crate::url::Url;

/// How long to wait before a list that lacked tools is asked for again: so often that it is precise
/// to a tenth of what a start takes, so seldom that it does not slow it.
const RETRY: Duration = Duration::from_micros(500);

/// How long one start took, from before the process was made.
#[derive(Debug)]
struct Times {
    /// Until the process was made and had become the command.
    made: Duration,
    /// Until a connection was taken.
    listens: Duration,
    /// Until a list had the tools.
    has_tools: Duration,
}

/// Starts the command again and again, and tells how long it took.
///
/// # Errors
/// If it does not start, or does not have the tools in time.
pub fn run(options: &Options) -> Result<Value> {
    let port = options.port.ok_or_else(|| missing("--port"))?;
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let path = if options.transport == "sse" {
        "sse"
    } else {
        "mcp"
    };
    let url = options
        .url
        .clone()
        .unwrap_or_else(|| format!("http://{address}/{path}"));
    let target = match options.transport.as_str() {
        "sse" => Target::LegacySse(Url::parse(&url)?),
        _ => Target::Streamable(Url::parse(&url)?),
    };
    let mut starts = Vec::new();
    for _ in 0..options.times {
        starts.push(start(options, address, &target)?);
    }
    Ok(json!({
        "mode": "start",
        "times": options.times,
        "tools": options.expect.unwrap_or(1),
        "made_ms": told(&starts, |times| times.made),
        "listening_ms": told(&starts, |times| times.listens),
        "tools_ms": told(&starts, |times| times.has_tools),
    }))
}

fn told(starts: &[Times], what: fn(&Times) -> Duration) -> Value {
    let mut times: Vec<f64> = starts
        .iter()
        .map(|times| what(times).as_secs_f64() * 1e3)
        .collect();
    times.sort_by(f64::total_cmp);
    let middle = times.len() / 2;
    let median = match times.len() % 2 {
        0 => (times[middle - 1] + times[middle]) / 2.0,
        _ => times[middle],
    };
    json!({
        "median": hundredths(median),
        "min": hundredths(times[0]),
        "max": hundredths(times[times.len() - 1]),
    })
}

/// Starts the command once, and ends it.
fn start(options: &Options, address: SocketAddr, target: &Target) -> Result<Times> {
    if TcpStream::connect(address).is_ok() {
        return Err(Error::Wrong(format!(
            "somebody listens on {address} already"
        )));
    }
    let begin = Instant::now();
    let mut child = Child::alone(&options.command)?;
    let made = begin.elapsed();
    while TcpStream::connect(address).is_err() {
        if begin.elapsed() > PATIENCE || !child.runs() {
            return Err(Error::wrong("the command ended, or did not listen in time"));
        }
        // Two cores, one of them for the command.
        thread::yield_now();
    }
    let listens = begin.elapsed();
    let expect = options.expect.unwrap_or(1);
    loop {
        match tools(target) {
            Ok(tools) if tools >= expect => break,
            // Not all are there yet, or some gateways refuse until they are.
            Ok(_) | Err(_) if begin.elapsed() < PATIENCE => thread::sleep(RETRY),
            Ok(tools) => {
                return Err(Error::Wrong(format!(
                    "{tools} tools where {expect} must be"
                )));
            }
            Err(error) => return Err(error),
        }
    }
    Ok(Times {
        made,
        listens,
        has_tools: begin.elapsed(),
    })
}

/// How many tools a new session sees.
fn tools(target: &Target) -> Result<usize> {
    let mut fleet = Fleet::new()?;
    let place = fleet.open(target)?;
    let mut tools = 0;
    let mut params = json!({});
    loop {
        let listed = fleet.ask(place, "tools/list", &params)?;
        tools += listed["tools"].as_array().map_or(0, Vec::len);
        match listed.get("nextCursor") {
            Some(cursor) if !cursor.is_null() => params = json!({ "cursor": cursor }),
            _ => break,
        }
    }
    // Who is asked again and again would otherwise remember all of them.
    fleet.leave(place)?;
    Ok(tools)
}
