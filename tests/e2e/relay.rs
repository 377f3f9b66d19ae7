//! Byte for byte: whatever JSON a message holds, it arrives as it was sent, but for its id, its
//! name, its progress token, and line breaks between its tokens, which become spaces. Shown over
//! every transport, in both directions, by a server that is nothing but an ear and a mouth of
//! the test (`recorder_server`).
//!
//! `RELAY_CASES=n` plays that many talks over each transport; a failure names the seed that
//! plays it again by `RELAY_SEED=n`.

#![allow(
    unreachable_pub,
    reason = "a test program exports nothing, and `pub` reads better"
)]

mod bed;
mod door;
mod eras;
mod json;
mod lists;
mod messages;
mod recorder;
mod template;

use std::cell::RefCell;
use std::hash::{BuildHasher, Hasher};
use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed, TestError, TestRunner};

use self::bed::Bed;
use self::eras::CROSSINGS;
use self::messages::Terms;

/// The longest wait for one message. A machine that is busy with other tests takes a tenth.
const WAIT: Duration = Duration::from_secs(10);

/// Talks over one transport, unless `RELAY_CASES` says otherwise.
const CASES: u32 = 24;

/// How long a failure is made smaller: what does not arrive at all is waited for each time.
const SHRINK_MS: u32 = 30_000;

/// A transport.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Transport {
    Streamable,
    LegacySse,
    Stdio,
}

#[test]
fn streamable_http_relays_the_same_bytes() {
    talk_all(Transport::Streamable, "/mcp", "shared");
}

#[test]
fn http_with_sse_relays_the_same_bytes() {
    talk_all(Transport::LegacySse, "/servers/recorder/sse", "shared");
}

#[test]
fn stdio_relays_the_same_bytes() {
    talk_all(Transport::Stdio, "", "session");
}

/// Every combination of eras that the gateway can do, over every transport.
#[test]
fn eras_are_crossed_with_the_same_bytes() {
    for crossing in CROSSINGS.iter().filter(|it| it.is_built && !it.is_plain()) {
        for transport in [
            Transport::Streamable,
            Transport::LegacySse,
            Transport::Stdio,
        ] {
            let terms = Terms {
                crossing,
                own_child: false,
            };
            let path = match transport {
                Transport::Streamable => "/mcp",
                Transport::LegacySse => "/sse",
                Transport::Stdio => "",
            };
            // Half as many, for each of the combinations has all three transports.
            talk_over(transport, path, terms, cases().div_ceil(2));
        }
    }
}

fn talk_all(transport: Transport, path: &'static str, scope: &str) {
    let terms = Terms {
        crossing: &CROSSINGS[0],
        own_child: scope == "session",
    };
    talk_over(transport, path, terms, cases());
}

fn talk_over(transport: Transport, path: &'static str, terms: Terms, cases: u32) {
    // One gateway for all talks, and a new one after a failure, which may have left anything.
    let bed: RefCell<Option<Bed>> = RefCell::new(None);
    check(
        &format!("{transport:?} {path}, {}", terms.crossing),
        cases,
        &messages::talk(terms),
        |talk| {
            let kept = bed.borrow_mut().take();
            let mut used = kept.unwrap_or_else(|| Bed::new(transport, path, terms));
            used.play(talk)?;
            *bed.borrow_mut() = Some(used);
            Ok(())
        },
    );
}

/// How many talks are played.
fn cases() -> u32 {
    number("RELAY_CASES").map_or(CASES, |cases| u32::try_from(cases).unwrap_or(u32::MAX))
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// Plays many cases; one that fails is made smaller, and told with its seed.
fn check<T: std::fmt::Debug>(
    what: &str,
    cases: u32,
    strategy: &BoxedStrategy<T>,
    play: impl Fn(&T) -> Result<(), String>,
) {
    let any_seed = || std::hash::RandomState::new().build_hasher().finish();
    let seed = number("RELAY_SEED").unwrap_or_else(any_seed);
    let mut runner = TestRunner::new(Config {
        cases,
        rng_seed: RngSeed::Fixed(seed),
        max_shrink_time: SHRINK_MS,
        max_shrink_iters: 1_000,
        failure_persistence: None,
        ..Config::default()
    });
    let outcome = runner.run(strategy, |case| play(&case).map_err(TestCaseError::fail));
    match outcome {
        Ok(()) => {}
        Err(TestError::Fail(why, case)) => {
            panic!("RELAY_SEED={seed} RELAY_CASES={cases} fails over {what}:\n{why}\nin {case:#?}")
        }
        Err(TestError::Abort(why)) => panic!("RELAY_SEED={seed} is given up over {what}: {why}"),
    }
}

/// A message without line feeds, for transports that end messages with them. They stand between
/// tokens only, and would become spaces anyway.
fn one_line(message: &str) -> String {
    message.replace('\n', " ")
}
