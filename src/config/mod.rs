//! From the file as typed to the configuration as checked.
//!
//! Pure: the environment, the folder, the executable and the file system are
//! handed in as `surroundings::Surroundings`; only `load` touches the disk.
//! Nothing here starts, listens or logs, and nothing here knows MCP.
//!
//! The way of a file: `load` (bytes) → `jsonc` (comments to spaces) → `typed`
//! (a tree, in the order of the file) → `check` and `entry` (through `section`,
//! which finds wrong types and unknown keys) → `checked`.

pub mod check;
pub mod checked;
pub mod command;
pub mod dotenv;
pub mod entry;
pub mod environment;
pub mod expand;
pub mod front;
pub mod glob;
pub mod jsonc;
pub mod keys;
pub mod load;
pub mod nearest;
pub mod problem;
pub mod schema;
pub mod section;
pub mod surroundings;
pub mod typed;
pub mod units;

#[cfg(test)]
mod tests;
