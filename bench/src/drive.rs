//! Driving callers for a while, and what it came to: calls a second, how long they took, and what
//! they cost the gateway and this program.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::caller::{Caller, Tally, Work};
use crate::error::{Error, Result};
use crate::fleet::{self, Fleet};
use crate::process::{self, ByThread, Switches};

/// How long no answer at all may come before those that are awaited count as missing.
const STALL: Duration = Duration::from_secs(10);

/// How long after the last answer to listen for one too many.
const SURPLUS: Duration = Duration::from_millis(100);

/// How long to drive.
#[derive(Debug, Clone, Copy)]
pub struct Span {
    /// What comes first and does not count.
    pub warmup: Duration,
    /// What counts.
    pub counted: Duration,
}

/// A look at the clocks.
#[derive(Debug)]
struct Look {
    at: Instant,
    own: Duration,
    gateway: Duration,
    switches: ByThread,
}

impl Look {
    /// Looks, first at what takes long.
    fn first(gateway: Option<i32>) -> Result<Look> {
        let switches = gateway.map_or(Ok(ByThread::new()), process::switches)?;
        Look::clocks(gateway, switches)
    }

    /// Looks, last at what takes long.
    fn last(gateway: Option<i32>) -> Result<Look> {
        let mut look = Look::clocks(gateway, ByThread::new())?;
        look.switches = gateway.map_or(Ok(ByThread::new()), process::switches)?;
        Ok(look)
    }

    fn clocks(gateway: Option<i32>, switches: ByThread) -> Result<Look> {
        Ok(Look {
            own: process::own_cpu()?,
            gateway: gateway.map_or(Ok(Duration::ZERO), process::cpu)?,
            at: Instant::now(),
            switches,
        })
    }
}

/// What driving came to.
#[derive(Debug)]
pub struct Figures {
    /// How long each call took.
    pub tally: Tally,
    /// How long calls were counted.
    pub counted: Duration,
    own_cpu: Duration,
    gateway: Option<(Duration, Switches)>,
}

impl Figures {
    /// Calls that were counted.
    pub fn calls(&self) -> u64 {
        self.tally.times.total()
    }

    /// The time that so large a part of the calls did not exceed, in µs.
    pub fn quantile_us(&self, part: f64) -> f64 {
        tenths(self.tally.times.quantile(part) as f64 / 1000.0)
    }

    /// What a call cost the gateway, in µs, if it was looked at.
    pub fn cpu_us_per_call(&self) -> Option<f64> {
        let (cpu, _) = self.gateway.as_ref()?;
        Some(hundredths(
            cpu.as_secs_f64() * 1e6 / self.calls().max(1) as f64,
        ))
    }

    /// All of it, with the names that the reports use.
    pub fn told(&self) -> Value {
        let calls = self.calls().max(1) as f64;
        let seconds = self.counted.as_secs_f64();
        let per_call = |time: Duration| hundredths(time.as_secs_f64() * 1e6 / calls);
        let mut told = json!({
            "calls": self.calls(),
            "seconds": hundredths(seconds),
            "calls_per_second": tenths(self.calls() as f64 / seconds),
            "p50_us": self.quantile_us(0.5),
            "p90_us": self.quantile_us(0.9),
            "p99_us": self.quantile_us(0.99),
            "max_us": tenths(self.tally.times.longest() as f64 / 1000.0),
            "load_cpu_us_per_call": per_call(self.own_cpu),
        });
        if let Some((_, switches)) = &self.gateway {
            let all = switches.voluntary + switches.involuntary;
            told["gateway_cpu_us_per_call"] = json!(self.cpu_us_per_call());
            told["gateway_switches_per_call"] = json!(hundredths(all as f64 / calls));
            let involuntary = hundredths(switches.involuntary as f64 / calls);
            told["gateway_involuntary_switches_per_call"] = json!(involuntary);
        }
        told
    }
}

/// Rounded for people.
pub fn tenths(number: f64) -> f64 {
    (number * 10.0).round() / 10.0
}

/// Rounded for people.
pub fn hundredths(number: f64) -> f64 {
    (number * 100.0).round() / 100.0
}

/// Has the callers call for a while, and looks at what it costs the gateway of this process number.
/// Sessions without a caller are kept, and must not be answered anything.
///
/// # Errors
/// If an answer is wrong, missing or surplus, or the server is lost.
pub fn drive<W: Work>(
    fleet: &mut Fleet,
    callers: &mut [Caller<W>],
    span: Span,
    gateway: Option<i32>,
) -> Result<Figures> {
    let mut drive = Drive {
        caller_at: places(fleet, callers),
        callers,
        tally: Tally::default(),
        is_on: true,
        heard: Instant::now(),
    };
    drive.start(fleet)?;
    drive.until(fleet, Instant::now() + span.warmup)?;
    let before = Look::first(gateway)?;
    drive.tally.counts = true;
    drive.until(fleet, before.at + span.counted)?;
    drive.tally.counts = false;
    let after = Look::last(gateway)?;
    drive.is_on = false;
    while drive.under_way() > 0 {
        drive.turn(fleet)?;
    }
    drive.until(fleet, Instant::now() + SURPLUS)?;
    if drive.tally.times.total() == 0 {
        return Err(Error::wrong("no call was answered in the time that counts"));
    }
    let switches = process::switches_between(&before.switches, &after.switches);
    Ok(Figures {
        tally: drive.tally,
        counted: after.at - before.at,
        own_cpu: after.own - before.own,
        gateway: gateway.map(|_| (after.gateway - before.gateway, switches)),
    })
}

/// Which caller has the session of each place.
fn places<W>(fleet: &Fleet, callers: &[Caller<W>]) -> Vec<Option<usize>> {
    let mut caller_at = vec![None; fleet.sessions.len()];
    for (number, caller) in callers.iter().enumerate() {
        caller_at[caller.place] = Some(number);
    }
    caller_at
}

/// Callers at work.
struct Drive<'a, W> {
    callers: &'a mut [Caller<W>],
    caller_at: Vec<Option<usize>>,
    tally: Tally,
    /// Whether new calls are made.
    is_on: bool,
    /// When the last message came, looked at once in each turn.
    heard: Instant,
}

impl<W: Work> Drive<'_, W> {
    fn start(&mut self, fleet: &mut Fleet) -> Result<()> {
        for caller in self.callers.iter_mut() {
            let Fleet {
                poller, sessions, ..
            } = &mut *fleet;
            let session = sessions[caller.place].as_deref_mut();
            let session = session.expect("who calls has a session");
            caller.go_on(true, session, poller)?;
        }
        Ok(())
    }

    fn under_way(&self) -> usize {
        self.callers.iter().map(Caller::under_way).sum()
    }

    fn until(&mut self, fleet: &mut Fleet, deadline: Instant) -> Result<()> {
        while self.turn(fleet)? < deadline {}
        Ok(())
    }

    /// Goes on with every session that can, once; returns what time it is then.
    fn turn(&mut self, fleet: &mut Fleet) -> Result<Instant> {
        let mut is_heard = false;
        fleet.turn(|token, session, poller| {
            let Some(caller) = self.caller_at[token.session] else {
                return session.ready(token.part, poller, &mut |message| {
                    let message = fleet::parse(message)?;
                    let unasked = || Error::Wrong(format!("a surplus answer: {message}"));
                    fleet::reply(&message).map(drop).ok_or_else(unasked)
                });
            };
            let caller = &mut self.callers[caller];
            session.ready(token.part, poller, &mut |message| {
                is_heard = true;
                caller.hear(message, &mut self.tally)
            })?;
            caller.go_on(self.is_on, session, poller)
        })?;
        let now = Instant::now();
        if is_heard {
            self.heard = now;
        } else if now.duration_since(self.heard) > STALL {
            // Without any under way, the answers that came last never end.
            let missing = self.under_way();
            return Err(Error::Wrong(format!(
                "nothing came for {STALL:?}, and {missing} answers are missing"
            )));
        }
        Ok(now)
    }
}
