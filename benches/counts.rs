//! Plays one scenario a given number of times, for `benches/counts.py`, which
//! has callgrind count what that takes. By itself it measures nothing.
//!
//!     counts                         prints the names of all scenarios
//!     counts SCENARIO RUNS PREPARED  makes the inputs of PREPARED runs and does RUNS of them
//!
//! So two counts with the same PREPARED differ by what RUNS more have taken.

mod stage;

use std::io::{self, Write};
use std::process::ExitCode;

use stage::scenarios::ALL;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let done = match words.as_slice() {
        [] => list().is_ok(),
        [name, runs, prepared] => play(name, runs, prepared).is_some(),
        _ => false,
    };
    // Without the end of main's caller: what was prepared and not used is not
    // taken apart, for that would be counted.
    match done {
        true => std::process::exit(0),
        false => ExitCode::FAILURE,
    }
}

fn list() -> io::Result<()> {
    let mut out = io::stdout().lock();
    ALL.iter().try_for_each(|(name, _)| writeln!(out, "{name}"))
}

fn play(name: &str, runs: &str, prepared: &str) -> Option<()> {
    let (_, scenario) = ALL.iter().find(|(known, _)| *known == name)?;
    let (runs, prepared): (usize, usize) = (runs.parse().ok()?, prepared.parse().ok()?);
    let mut scenario = scenario();
    for _ in 0..prepared {
        scenario.prepare();
    }
    for _ in 0..runs {
        scenario.run();
    }
    std::mem::forget(scenario);
    Some(())
}
