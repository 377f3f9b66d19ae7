//! The ways in for clients. Each door turns what it receives into a word for
//! the hub, waits on its outbox, and writes what it finds there.
//!
//! The doors read JSON (through `wire`), for they run in the threads of the
//! connections; they know no server, no child, and nothing of the hub.

pub mod guard;
pub mod headers;
pub mod hearing;
pub mod http;
pub mod legacy_sse;
pub mod local;
pub mod pens;
pub mod reading;
pub mod reports;
pub mod route;
pub mod stdio;
pub mod streamable;
pub mod writing;

#[cfg(test)]
mod tests;

use crate::event::SessionKey;
use crate::wire::session_id::Nonce;

/// The connection number of the one client that does not come by HTTP, whose
/// engine counts from the other end.
pub const LOCAL_CONNECTION: u64 = u64::MAX;

/// The connection number of that client's questions about the gateway itself:
/// its session's own carries the session alone.
pub const LOCAL_INQUIRY: u64 = LOCAL_CONNECTION - 1;

/// What tells a new session from all others: 128 bits of the system's randomness.
///
/// # Errors
/// The system has none to give.
pub fn fresh_nonce() -> Result<Nonce, getrandom::Error> {
    let mut dice = [0_u8; 16];
    getrandom::fill(&mut dice)?;
    Ok(Nonce(dice))
}

/// The name of a session that one stream carries.
///
/// # Errors
/// The system has no randomness to give.
pub fn fresh_session() -> Result<SessionKey, getrandom::Error> {
    Ok(SessionKey::of_id(fresh_nonce()?.to_string()))
}
