//! Mode `list`: clients that ask for the list of tools, as fast as they are answered.

use serde_json::{Value, json};

use crate::caller::Caller;
use crate::commands::options::Options;
use crate::drive;
use crate::error::Result;
use crate::fleet::Fleet;
use crate::lists::Lists;

/// Asks for a while, and tells what it came to. A list of several pages counts once.
///
/// # Errors
/// If a list has not the tools that are expected, or the server cannot be reached.
pub fn run(options: &Options) -> Result<Value> {
    let target = options.target()?;
    let mut fleet = Fleet::new()?;
    let mut callers = Vec::new();
    for _ in 0..options.clients {
        let place = fleet.open(&target)?;
        callers.push(Caller::new(place, Lists::new(options.expect), 1));
    }
    let pid = options
        .pid
        .or_else(|| fleet.session(callers[0].place).pid());
    let figures = drive::drive(&mut fleet, &mut callers, options.span, pid)?;
    let mut told = figures.told();
    told["mode"] = json!("list");
    told["transport"] = json!(options.transport);
    told["clients"] = json!(options.clients);
    told["tools"] = json!(callers[0].work.tools());
    told["reconnects"] = json!(fleet.reconnects());
    Ok(told)
}
