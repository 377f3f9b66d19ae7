//! Merging what the servers offer under one roof: what each view shows, under
//! which names, and the way back from a name or a URI to its server.
//!
//! Pure: no socket, no clock, no log; what had to be left out is told in
//! sentences. Items stay the JSON text that their server wrote; at most the
//! value of a name is replaced. Knows neither sessions nor the configuration's
//! types: the rules of a server come in as plain arguments.

pub mod left_out;
pub mod links;
pub mod merge;
pub mod name;
pub mod offer;
pub mod route;
pub mod template;
