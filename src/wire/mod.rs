//! JSON-RPC and MCP on the wire, both ways: bytes to meaning and back.
//!
//! Pure: no socket, no clock, no thread. Params and results stay raw bytes;
//! only the envelope and the few fields a gateway must know are read.

pub mod awaited;
pub mod discover;
pub mod envelope;
pub mod handshake;
pub mod input;
pub mod items;
pub mod lines;
pub mod links;
pub mod log_level;
pub mod method;
pub mod mirrored;
pub mod outgoing;
pub mod own_id;
pub mod pieces;
pub mod scan;
pub mod session_id;
pub mod shells;
pub mod sse;
pub mod stateless;

#[cfg(test)]
pub mod arbitrary;
