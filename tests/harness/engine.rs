//! Which HTTP engine the gateways of the tests serve with, and what a test cannot ask of
//! `tiny_http`.
//!
//! `MCPROXY_TEST_ENGINE=tiny_http cargo test --features tiny_http --test tests` runs all of them
//! with the second engine; without the variable they run with the project's own. What that one
//! cannot do is an [`Exemption`]; `docs/decisions/http-engine.md` lists the tests that have one,
//! and `tests/tidy.rs` holds the two lists against each other.

use std::io::Write;

/// Names the engine, as `--http-engine` does.
const ENGINE: &str = "MCPROXY_TEST_ENGINE";

/// What `tiny_http` cannot do, in the words of the list at the top of `src/http/tiny.rs`.
#[derive(Debug, Clone, Copy)]
pub enum Exemption {
    /// It reads, and waits for, what nobody who means well would send.
    Attacks,
    /// Of connections opened together it may never serve some.
    Bursts,
    /// It does not tell that a client has left.
    Disconnects,
    /// It does not tell connections from requests, so their number has no limit.
    Connections,
    /// It is served on loopback addresses only.
    Addresses,
}

/// The arguments that choose the engine.
pub fn arguments() -> Vec<String> {
    std::env::var(ENGINE).map_or_else(
        |_| Vec::new(),
        |engine| vec!["--http-engine".to_owned(), engine],
    )
}

/// Whether the gateways serve with `tiny_http`.
pub fn is_tiny() -> bool {
    std::env::var(ENGINE).is_ok_and(|engine| engine == "tiny_http")
}

/// Whether the test that asks is to return at once, because the engine is `tiny_http` and
/// cannot do this. It says so in a line that `make test` counts, lest a test that was left out
/// be taken for one that passed.
pub fn exempts(exemption: Exemption) -> bool {
    if is_tiny() {
        let thread = std::thread::current();
        let test = thread.name().unwrap_or("a test");
        // Not by a macro: the test runner would keep that to itself. In one piece, for tests
        // of other threads write too.
        let line = format!("exempt with tiny_http ({exemption:?}): {test}\n");
        let _ = std::io::stderr().write_all(line.as_bytes());
    }
    is_tiny()
}
