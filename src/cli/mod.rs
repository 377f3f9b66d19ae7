//! The command line: what was typed becomes an `arguments::Arguments`.
//!
//! Everything a person can type is a row of two tables, `flags::FLAGS` and
//! `commands::SUB_COMMANDS`; parsing, help, the man page and the completions
//! only read them. Nothing here reads the environment or the config file:
//! `crate::config` lays those three over one another.

pub mod arguments;
pub mod ask;
pub mod check;
pub mod commands;
pub mod completions;
pub mod console;
pub mod demo_server;
pub mod exec;
pub mod exit;
pub mod flags;
pub mod get;
pub mod help;
pub mod live;
pub mod main;
pub mod man;
pub mod missing;
pub mod overview;
pub mod parse;
pub mod reference;
pub mod serve;
pub mod status;
pub mod table;
pub mod usage;
