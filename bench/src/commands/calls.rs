//! Mode `calls`: clients that call a tool which gives back a text, as fast as they are answered.

use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::caller::Caller;
use crate::commands::options::Options;
use crate::drive;
use crate::error::{Error, Result};
use crate::fleet::{self, Fleet};
use crate::session::Target;
use crate::text_calls::TextCalls;

/// How long to wait before a list that was empty is asked for again.
const RETRY: Duration = Duration::from_millis(20);

/// Calls for a while, and tells what it came to.
///
/// # Errors
/// If an answer is wrong, missing or surplus, or the server cannot be reached.
pub fn run(options: &Options) -> Result<Value> {
    let target = options.target()?;
    // Over HTTP a client with many calls under way is as many clients.
    let in_flight = match target {
        Target::Stdio(_) => options.in_flight,
        Target::Streamable(_) | Target::LegacySse(_) => 1,
    };
    let mut fleet = Fleet::new()?;
    let first = fleet.open(&target)?;
    let tool = tool(options, &mut fleet, first)?;
    let mut callers = Vec::new();
    for client in 0..options.clients {
        let place = match client {
            0 => first,
            _ => fleet.open(&target)?,
        };
        let work = TextCalls::new(client, &tool, options.payload);
        callers.push(Caller::new(place, work, in_flight));
    }
    let pid = options.pid.or_else(|| fleet.session(first).pid());
    let figures = drive::drive(&mut fleet, &mut callers, options.span, pid)?;
    let mut told = figures.told();
    told["mode"] = json!("calls");
    told["transport"] = json!(options.transport);
    told["clients"] = json!(options.clients);
    told["in_flight"] = json!(in_flight);
    told["payload"] = json!(options.payload);
    told["reconnects"] = json!(fleet.reconnects());
    Ok(told)
}

/// The tool to call: the one that was named, or else the first that is listed, for which servers
/// that are still starting are waited for.
///
/// # Errors
/// If no tool is listed in time.
pub fn tool(options: &Options, fleet: &mut Fleet, place: usize) -> Result<String> {
    if let Some(tool) = &options.tool {
        return Ok(tool.clone());
    }
    let deadline = Instant::now() + fleet::PATIENCE;
    loop {
        let listed = fleet.ask(place, "tools/list", &json!({}))?;
        if let Some(name) = listed["tools"][0]["name"].as_str() {
            return Ok(name.to_owned());
        }
        if Instant::now() > deadline {
            return Err(Error::wrong("the server lists no tool"));
        }
        thread::sleep(RETRY);
    }
}
