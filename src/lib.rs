//! The rooms of mcproxy; `docs/architecture.md` is the map.
//!
//! This library exists so that tests, benchmarks and fuzzers reach the rooms
//! one by one. It is no public interface: nothing here is kept stable.

pub mod budget;
pub mod bytes;
pub mod capacity;
pub mod catalog;
pub mod channel;
pub mod child;
pub mod cli;
pub mod config;
pub mod dispatcher;
pub mod door;
pub mod event;
pub mod http;
pub mod hub;
pub mod limits;
pub mod logging;
pub mod mail;
pub mod plan;
pub mod procfs;
pub mod record;
pub mod reload;
pub mod run;
pub mod seal;
pub mod seats;
pub mod sorted;
pub mod state;
pub mod systemd;
pub mod threads;
pub mod wire;
