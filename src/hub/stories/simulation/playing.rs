//! How runs are played: seed after seed on all cores, until there were events
//! enough. A run that fails is played again, and its trace told.
//!
//! `HUB_EVENTS=n` plays so many events, `HUB_FROM=n` begins with that seed, and
//! `HUB_SEED=n` plays that seed alone.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Instant;

use crate::hub::stories::simulation::counts::{self, Counts};
use crate::hub::stories::simulation::{coverage, run};

/// How many events are played when nobody says otherwise: a few seconds' worth.
const EVENTS: u64 = 100_000;
/// How many of the last lines of a run that failed are told, unless `HUB_LINES`
/// says otherwise.
const LINES_TOLD: u64 = 120;

/// What the threads share that play runs.
struct Plays {
    /// How many events there are to be.
    events: u64,
    played: AtomicU64,
    next_seed: AtomicU64,
    has_failed: AtomicBool,
}

impl Plays {
    /// Plays runs until there were enough.
    fn play(&self) -> Result<Counts, String> {
        counts::take();
        let mut counted = 0;
        while self.played.load(Ordering::Relaxed) < self.events
            && !self.has_failed.load(Ordering::Relaxed)
        {
            let seed = self.next_seed.fetch_add(1, Ordering::Relaxed);
            if let Err(told) = play(seed) {
                self.has_failed.store(true, Ordering::Relaxed);
                return Err(told);
            }
            let before = std::mem::replace(&mut counted, counts::events());
            self.played.fetch_add(counted - before, Ordering::Relaxed);
        }
        Ok(counts::take())
    }

    /// The same on every core.
    fn play_on_all_cores(&self) -> Result<Counts, String> {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let mut sum = Counts::default();
        thread::scope(|scope| {
            let players: Vec<_> = (0..cores).map(|_| scope.spawn(|| self.play())).collect();
            for player in players {
                sum.add(&player.join().expect("what fails was caught")?);
            }
            Ok(sum)
        })
    }
}

/// Plays a seed; one that fails is played again, and its trace told.
fn play(seed: u64) -> Result<(), String> {
    let Err(cause) = catch_unwind(|| run(seed, None)) else {
        return Ok(());
    };
    let told = Rc::new(RefCell::new(Vec::new()));
    let heard = Some(Rc::clone(&told));
    let _ = catch_unwind(AssertUnwindSafe(|| run(seed, heard)));
    let lines = told.borrow();
    let told_max = number("HUB_LINES").unwrap_or(LINES_TOLD);
    let from = lines
        .len()
        .saturating_sub(usize::try_from(told_max).unwrap_or(usize::MAX));
    let cause = cause
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| cause.downcast_ref::<&str>().copied())
        .unwrap_or("it says nothing");
    let lines = lines[from..].join("\n    ");
    Err(format!(
        "HUB_SEED={seed} fails: {cause}\nafter\n    {lines}"
    ))
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[test]
#[expect(clippy::print_stdout, reason = "how much was played is asked for")]
#[expect(clippy::disallowed_methods, reason = "so is how long it took")]
fn whatever_happens_every_request_has_its_answer_and_nothing_is_left_behind() {
    if let Some(seed) = number("HUB_SEED") {
        return play(seed).unwrap_or_else(|told| panic!("{told}"));
    }
    let from = number("HUB_FROM").unwrap_or_default();
    let plays = Plays {
        events: number("HUB_EVENTS").unwrap_or(EVENTS),
        played: AtomicU64::new(0),
        next_seed: AtomicU64::new(from),
        has_failed: AtomicBool::new(false),
    };
    let began = Instant::now();
    let counts = plays
        .play_on_all_cores()
        .unwrap_or_else(|told| panic!("{told}"));
    println!(
        "simulation: {} events in {} runs, seeds {from} to {}, {:.1} s",
        counts.events,
        counts.runs,
        from + counts.runs - 1,
        began.elapsed().as_secs_f64()
    );
    if counts.events >= coverage::EVENTS_LEAST {
        coverage::check(&counts);
    }
}
