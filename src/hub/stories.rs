//! Stories of the hub: events in, a trace of effects out. Nothing here starts a
//! process, opens a socket or reads a clock.
//!
//! A story plays in a [`world::World`], which stands in for the dispatcher, the
//! doors and the children (`cast`), and writes down what the hub has done
//! (`trace`), such as
//! `0.000s to git.1 #1 initialize` or `1.500s ann.2 answer "a" {} last`.
//! `git.1` is the first life of a child of the server `git`, `#1` the first
//! request that life was sent, `ann.2` the second exchange of the client `ann`
//! with a door. Each story states, of one behaviour, the exact trace or the
//! part of it that matters.
//!
//! `simulation` plays the same world by dice instead of by a plot, and holds
//! every step against what must always be true.

mod books;
mod bounds;
mod calls;
mod cast;
mod conditions;
mod crowds;
mod elicited;
mod eras;
mod fans;
mod figures;
mod inventory;
mod kept;
mod leasing;
mod lending;
mod lifecycle;
mod lists;
mod logging;
mod own_children;
mod parking;
mod pinging;
mod questions;
mod queues;
mod reloading;
mod reports;
mod resting;
mod reviving;
mod rounds;
mod sessions;
pub(in crate::hub) mod simulation;
mod stateless;
mod stateless_children;
mod stopping;
mod streams;
mod subscriptions;
mod tables;
mod trace;
mod views;
mod world;
