//! Mode `idle`: what sessions cost that do nothing, in memory and in the time of the one that
//! does something, and whether it is all given back when they end.

use std::time::{Duration, Instant};

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use serde_json::{Value, json};

use crate::caller::Caller;
use crate::commands::calls;
use crate::commands::options::{Options, missing};
use crate::drive::{self, tenths};
use crate::error::{Error, Result};
use crate::fleet::Fleet;
use crate::process::{self, Held};
use crate::session::Target;
use crate::text_calls::TextCalls;

/// How long a gateway may take to end the threads of sessions that are over.
const SETTLE: Duration = Duration::from_secs(10);

/// How long to wait between two looks, and so how long nothing must change to be called settled.
const LOOK: Duration = Duration::from_millis(500);

/// Opens sessions and closes them again, and tells what they cost.
///
/// # Errors
/// If the server cannot be reached, loses a session, or gives a wrong answer beside them.
pub fn run(options: &Options) -> Result<Value> {
    let pid = options.pid.ok_or_else(|| missing("--pid"))?;
    let target = options.target()?;
    if matches!(target, Target::Stdio(_)) {
        return Err(Error::Usage(
            "over stdio a process has one session".to_owned(),
        ));
    }
    allow_descriptors()?;
    let mut fleet = Fleet::new()?;
    let caller = fleet.open(&target)?;
    let tool = calls::tool(options, &mut fleet, caller)?;
    let work = TextCalls::new(0, &tool, options.payload);
    let mut callers = [Caller::new(caller, work, 1)];
    let alone = drive::drive(&mut fleet, &mut callers, options.span, options.pid)?;
    let before = settled(&mut fleet, pid, |_| true)?;

    let idle = open(&mut fleet, &target, options.sessions)?;
    let with = settled(&mut fleet, pid, |_| true)?;
    let beside = drive::drive(&mut fleet, &mut callers, options.span, options.pid)?;

    close(&mut fleet, &idle)?;
    let after = settled(&mut fleet, pid, |threads| threads <= before.threads)?;
    let cost = |held: fn(&Held) -> u64| held(&with) as f64 - held(&before) as f64;
    let per_session = |held| tenths(cost(held) / options.sessions as f64);
    // A gateway that took nothing has nothing to give back.
    let given_back = |held: fn(&Held) -> u64| {
        let back = held(&with) as f64 - held(&after) as f64;
        (cost(held) > 0.0).then(|| drive::hundredths(back / cost(held)))
    };
    let group = |held: &Held| held.group.unwrap_or_default();
    let has_group = before.group.is_some() && with.group.is_some();
    Ok(json!({
        "mode": "idle",
        "transport": options.transport,
        "sessions": options.sessions,
        "kib_per_session": {
            "rss": per_session(|held| held.rss),
            "pss": per_session(|held| held.pss),
            "group": has_group.then(|| per_session(group)),
        },
        "given_back": { "rss": given_back(|held| held.rss), "pss": given_back(|held| held.pss) },
        "before": told(&before), "with": told(&with), "after": told(&after),
        "p50_us_before": alone.quantile_us(0.5),
        "p50_us_with": beside.quantile_us(0.5),
    }))
}

fn told(held: &Held) -> Value {
    json!({
        "rss_kib": held.rss, "pss_kib": held.pss, "threads": held.threads, "group_kib": held.group,
    })
}

/// Opens sessions that listen and do no more, as those of clients that have been idle for a
/// while: HTTP clients keep a connection for the next request for some seconds only.
fn open(fleet: &mut Fleet, target: &Target, sessions: usize) -> Result<Vec<usize>> {
    let mut opened = Vec::new();
    for _ in 0..sessions {
        let place = fleet.open(target)?;
        fleet.listen(place)?;
        fleet.session(place).rest();
        opened.push(place);
    }
    Ok(opened)
}

/// Ends sessions, in words where there are some.
fn close(fleet: &mut Fleet, places: &[usize]) -> Result<()> {
    for place in places {
        fleet.leave(*place)?;
    }
    Ok(())
}

/// What the gateway holds once its threads neither come nor go, and their number is as it is to be
/// or the time for it is over. Sessions are attended to meanwhile.
fn settled(fleet: &mut Fleet, pid: i32, is_enough: impl Fn(u64) -> bool) -> Result<Held> {
    let deadline = Instant::now() + SETTLE;
    let mut last = None;
    loop {
        let threads = process::threads(pid)?;
        let is_still = last == Some(threads);
        if (is_still && is_enough(threads)) || Instant::now() > deadline {
            return process::held(pid);
        }
        last = Some(threads);
        let next = Instant::now() + LOOK;
        while Instant::now() < next {
            fleet.attend()?;
        }
    }
}

/// Asks for as many descriptors as may be had.
fn allow_descriptors() -> Result<()> {
    let limits = getrlimit(Resource::RLIMIT_NOFILE);
    let raised = limits.and_then(|(_, hard)| setrlimit(Resource::RLIMIT_NOFILE, hard, hard));
    raised.map_err(Error::system("the limit of descriptors"))
}
