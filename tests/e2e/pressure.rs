//! Back-pressure: whoever reads, writes or sends in the worst way costs itself and nobody else,
//! and what the gateway holds because of it stays below a number that is known beforehand
//! (`docs/decisions/limits.md`).

// Crowds: connections, bodies and calls in greater number than there are places.
mod crowds;
// Children that write without end.
mod floods;
// Children that do not read, and pipes that are full in both directions.
mod pipes;
// Clients that do not read what they asked for.
mod readers;
// Messages of a gibibyte, from either side.
mod sizes;
// A byte a second, in every place.
mod slowness;

use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::Value;

use crate::e2e::scene::{self, client};
use crate::harness::gateway::{Gateway, Setup};
use crate::harness::process::peak_memory;
use crate::harness::streamable::McpClient;

/// A mebibyte.
const MIB: u64 = 1 << 20;

/// These tests fill memory and processors, so no two of them run at a time.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    // One that failed has left nothing behind.
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A running gateway that gives large blocks of memory back at once. The allocator of glibc
/// would keep some for each thread that ever had one, and what is asked here is how much the
/// gateway holds.
fn gateway(limits: &Value, servers: &[Value]) -> Gateway {
    frugal(scene::setup(limits, servers)).start()
}

fn frugal(setup: Setup) -> Setup {
    setup.env("MALLOC_MMAP_THRESHOLD_", "65536")
}

/// Asserts that the gateway has never had more memory than this.
fn assert_peak_below(gateway: &Gateway, mebibytes: u64) {
    assert_peak_of_below(gateway.pid(), mebibytes);
}

/// The same of any process.
fn assert_peak_of_below(pid: i32, mebibytes: u64) {
    let peak = peak_memory(pid) / MIB;
    assert!(
        peak < mebibytes,
        "it has taken {peak} MiB, more than {mebibytes}"
    );
}

/// An initialized client for each number.
fn clients(gateway: &Gateway, path: &str, count: usize) -> Vec<McpClient> {
    (0..count).map(|_| client(gateway, path)).collect()
}
