//! What the end-to-end tests stand on: the real binary in a fresh folder, clients of every
//! transport written for these tests alone, and a way to see what was left behind.
//! No test lives here but the harness's own (`selftest`), and nothing of the gateway's code is
//! used: a client that shared it would share its errors.
//!
//! Every wait has a deadline (`PATIENCE` unless a test says otherwise), and what a test waits
//! for is an event, never a time.

#![allow(dead_code, reason = "each test takes what it needs of the harness")]
#![allow(
    unreachable_pub,
    reason = "a test program exports nothing, and `pub` reads better"
)]
#![expect(
    clippy::disallowed_methods,
    reason = "tests read the clock and start threads: the house rules are for the gateway"
)]

pub mod client;
pub mod dice;
pub mod engine;
pub mod gateway;
pub mod honest_sse;
pub mod http;
pub mod legacy_sse;
pub mod load;
pub mod memory;
pub mod process;
mod selftest;
pub mod sse_machine;
pub mod stateless;
pub mod stdio;
pub mod streamable;
pub mod torture;

use std::path::PathBuf;
use std::time::{Duration, Instant};

/// How long a test waits for anything, unless it says otherwise: far longer than anything
/// takes on a busy machine, so that running out of it is a fault.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// A moment by which something must have happened.
#[derive(Debug, Clone, Copy)]
pub struct Deadline(Instant);

impl Deadline {
    /// This long from now.
    pub fn after(patience: Duration) -> Deadline {
        Deadline(Instant::now() + patience)
    }

    /// The time that is left, or an error of the kind `TimedOut` that names what did not come.
    pub fn remaining(self, awaited: &str) -> std::io::Result<Duration> {
        let left = self.0.saturating_duration_since(Instant::now());
        if left.is_zero() {
            let sentence = format!("{awaited} did not come in time");
            return Err(std::io::Error::new(std::io::ErrorKind::TimedOut, sentence));
        }
        Ok(left)
    }

    /// Asks again and again until the answer is `Some`, for what nothing can be waited on
    /// (the end of a process that is not our child, say). `None` once the time is over.
    pub fn poll<T>(self, mut ask: impl FnMut() -> Option<T>) -> Option<T> {
        loop {
            if let Some(answer) = ask() {
                return Some(answer);
            }
            self.remaining("").ok()?;
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

/// The path of a fixture program, as `cargo test` has built it.
///
/// # Panics
/// Where it is not there: `cargo test --test NAME` alone does not build examples.
pub fn fixture(name: &str) -> PathBuf {
    // Test programs lie in target/PROFILE/deps, examples in target/PROFILE/examples.
    let test_program = std::env::current_exe().expect("a running program has a path");
    let profile = test_program
        .ancestors()
        .nth(2)
        .expect("target/PROFILE/deps/PROGRAM");
    let path = profile.join("examples").join(name);
    assert!(
        path.exists(),
        "{} is not there: run `cargo build --examples` first",
        path.display()
    );
    path
}

/// Starts a thread of a test. A panic in it reaches whoever joins it.
pub fn spawn<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> std::thread::JoinHandle<T> {
    std::thread::spawn(work)
}
