//! Mode `idle`: what sessions cost that do nothing, in memory and in the time of the one that
//! does something, and whether it is all given back when they end.

use std::time::{Duration, Instant};

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use serde_json::{Value, json};

use crate::caller::Caller;
use crate::commands::calls;
use crate::commands::options::{Options, missing};
use crate::drive::{self, Figures, Span, hundredths, tenths};
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
    let turns = u32::try_from(options.turns).unwrap_or(u32::MAX);
    let span = Span {
        warmup: options.span.warmup / turns,
        counted: options.span.counted / turns,
    };
    let mut call = |fleet: &mut Fleet| drive::drive(fleet, &mut callers, span, options.pid);
    let alone = call(&mut fleet)?;
    let before = settled(&mut fleet, pid, |_| true)?;

    let idle = open(&mut fleet, &target, options.sessions)?;
    let with = settled(&mut fleet, pid, |_| true)?;
    let beside = call(&mut fleet)?;

    close(&mut fleet, &idle)?;
    let after = settled(&mut fleet, pid, |threads| threads <= before.threads)?;
    let mut pairs = vec![(alone, beside)];
    for _ in 1..turns {
        let alone = call(&mut fleet)?;
        let idle = open(&mut fleet, &target, options.sessions)?;
        let beside = call(&mut fleet)?;
        close(&mut fleet, &idle)?;
        settled(&mut fleet, pid, |threads| threads <= before.threads)?;
        pairs.push((alone, beside));
    }
    let cost = |held: fn(&Held) -> u64| held(&with) as f64 - held(&before) as f64;
    let per_session = |held| tenths(cost(held) / options.sessions as f64);
    // A gateway that took nothing has nothing to give back.
    let given_back = |held: fn(&Held) -> u64| {
        let back = held(&with) as f64 - held(&after) as f64;
        (cost(held) > 0.0).then(|| hundredths(back / cost(held)))
    };
    let group = |held: &Held| held.group.unwrap_or_default();
    let has_group = before.group.is_some() && with.group.is_some();
    let mut told = json!({
        "mode": "idle",
        "transport": options.transport,
        "sessions": options.sessions,
        "turns": turns,
        "kib_per_session": {
            "rss": per_session(|held| held.rss),
            "pss": per_session(|held| held.pss),
            "group": has_group.then(|| per_session(group)),
        },
        "given_back": { "rss": given_back(|held| held.rss), "pss": given_back(|held| held.pss) },
        "before": told(&before), "with": told(&with), "after": told(&after),
    });
    compare(&mut told, "p50_us", &pairs, |figures| {
        Some(figures.quantile_us(0.5))
    });
    let cpu = Figures::cpu_us_per_call;
    compare(&mut told, "gateway_cpu_us_per_call", &pairs, cpu);
    Ok(told)
}

/// Tells a figure of the one who calls, without and beside the idle sessions, and the one by the
/// other. With one call under way it depends on whether the scheduler has those who take turns share
/// a core, and is then the half of what it is else; for either, over whole seconds. So each is the
/// median of the turns, and the ratio that of neighbours, which such a change meets seldom.
fn compare(
    told: &mut Value,
    name: &str,
    pairs: &[(Figures, Figures)],
    figure: impl Fn(&Figures) -> Option<f64>,
) {
    let both = |(alone, beside): &(Figures, Figures)| Some((figure(alone)?, figure(beside)?));
    let both: Vec<(f64, f64)> = pairs.iter().filter_map(both).collect();
    let median_of = |part: fn(&(f64, f64)) -> f64| median(both.iter().map(part).collect());
    told[format!("{name}_before")] = json!(median_of(|pair| pair.0).map(hundredths));
    told[format!("{name}_with")] = json!(median_of(|pair| pair.1).map(hundredths));
    told[format!("{name}_ratio")] = json!(median_of(|pair| pair.1 / pair.0));
}

/// The middle one, or what lies between the two in the middle; `None` of nothing.
fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    let upper = *values.get(middle)?;
    Some(match values.len() % 2 {
        0 => f64::midpoint(values[middle - 1], upper),
        _ => upper,
    })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(median(vec![]), None);
        assert_eq!(median(vec![9.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(vec![9.0, 1.0, 2.0, 4.0]), Some(3.0));
    }
}
