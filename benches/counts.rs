//! Plays one scenario, for `benches/counts.py`, which has valgrind's tools count
//! what that takes. By itself it measures nothing.
//!
//!     counts                      prints the names of all scenarios
//!     counts SCENARIO WARM RUNS   makes the inputs of all runs, does WARM of them, then RUNS more
//!
//! The latter are done in [`counted`], by whose name callgrind tells them from all else.

mod stage;

use std::io::{self, Write};
use std::process::ExitCode;

use stage::Scenario;
use stage::scenarios::ALL;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let done = match words.as_slice() {
        [] => list().is_ok(),
        // `cargo bench` runs every bench with this word; this one is not for it.
        [word] if word == "--bench" => true,
        [name, warm, runs] => play(name, warm, runs).is_some(),
        _ => false,
    };
    ExitCode::from(u8::from(!done))
}

fn list() -> io::Result<()> {
    let mut out = io::stdout().lock();
    ALL.iter().try_for_each(|(name, _)| writeln!(out, "{name}"))
}

fn play(name: &str, warm: &str, runs: &str) -> Option<()> {
    let (_, make) = ALL.iter().find(|(known, _)| *known == name)?;
    let (warm, runs): (usize, usize) = (warm.parse().ok()?, runs.parse().ok()?);
    let mut scenario = make();
    for _ in 0..warm + runs {
        scenario.prepare();
    }
    for _ in 0..warm {
        scenario.run();
    }
    counted(scenario.as_mut(), runs);
    Some(())
}

/// What is counted.
#[inline(never)]
fn counted(scenario: &mut dyn Scenario, runs: usize) {
    for _ in 0..runs {
        scenario.run();
    }
}
