//! The thinking core: `handle(now, event)` takes what happened and says what
//! shall be done. It owns every fact and touches nothing: no socket, no clock,
//! no lock, no thread, no dice.
//!
//! The books (`calls`, `streams`, `sessions`, `absent`, `children`, `questions`,
//! `leases`, `fans`, `figures`, `timers`) only remember. The policy is in the `impl Hub` blocks of
//! `clients` (what the doors pass on),
//! `belonging` (how sessions begin and end), `reviving` (how they outlive the
//! process), `requests` (what clients ask), `routing`
//! and `tasks` (which server that concerns), `passing` and `fanning` (handing it on),
//! `subscribing`, `answers` (what clients get), `failing` (calls that end without
//! one), `resuming` (after a broken
//! connection), `asking` (what children ask), `leasing` (of clients without a
//! session), `elicited` (by a URL), `notices` (what
//! nobody answers), `upkeep` (the lives of the children), `going`,
//! `retrying`, `resting` and `watching` (parts of that), `ending` (the end of
//! all), `reloading` (another configuration), `listing` (what they
//! offer), `views` (what is shown of it), `inventory` (what is told of that), `condition`
//! (how the servers do) and `status`.

pub mod absent;
pub mod answers;
pub mod asking;
pub mod belonging;
pub mod calls;
pub mod children;
pub mod clients;
pub mod condition;
pub mod counting;
pub mod crossing;
pub mod dice;
pub mod elicited;
pub mod ending;
pub mod failing;
pub mod fanning;
pub mod fans;
pub mod figures;
pub mod going;
pub mod greeting;
pub mod hearing;
pub mod inventory;
pub mod leases;
pub mod leasing;
pub mod lending;
pub mod lifecycle;
pub mod listening;
pub mod listing;
pub mod notices;
pub mod parked;
pub mod passing;
pub mod questions;
pub mod refusal;
pub mod reloading;
pub mod repeating;
pub mod requests;
pub mod resting;
pub mod resuming;
pub mod retrying;
pub mod reviving;
pub mod rounds;
pub mod routing;
pub mod sessions;
pub mod stateless;
pub mod status;
#[cfg(test)]
mod stories;
pub mod streams;
pub mod subscribing;
pub mod tasks;
pub mod timers;
pub mod upkeep;
pub mod views;
pub mod watching;

use std::sync::Arc;
use std::time::Duration;

use crate::catalog::links::Links;
use crate::catalog::merge::Catalog;
use crate::event::{
    Effect, Event, FromChild, FromClient, Life, Moment, OutboxId, ServerId, SessionKey, View,
};
use crate::hub::absent::Absent;
use crate::hub::calls::Calls;
use crate::hub::children::{ChildId, Children, Era};
use crate::hub::dice::Dice;
use crate::hub::fans::Fans;
use crate::hub::figures::Figures;
use crate::hub::leases::Leases;
use crate::hub::questions::Questions;
use crate::hub::reloading::Resettling;
use crate::hub::requests::Waiter;
use crate::hub::rounds::Rounds;
use crate::hub::sessions::Sessions;
use crate::hub::streams::Streams;
use crate::hub::timers::{Timer, Timers};
use crate::plan::Plan;
use crate::record::{Lists, Recalled};
use crate::seal::Seal;
use crate::sorted::{SortedMap, SortedSet};
use crate::wire::sse::Epoch;

/// What the hub is given at its start, for it cannot find it out itself.
pub struct Outset {
    /// What it seals with what clients carry.
    pub seal: Seal,
    /// What was kept of those before it.
    pub recalled: Recalled,
    /// Where its dice begin: no two processes roll alike.
    pub seed: u64,
    /// The wall-clock time at [`Moment`] zero, since 1970.
    pub unix: Duration,
}

/// The core of the gateway.
pub struct Hub {
    plan: Plan,
    /// What servers offered when they were last asked.
    recalled: SortedMap<String, Lists>,
    /// Spreads new starts.
    dice: Dice,
    /// The wall-clock time at moment zero, since 1970.
    unix: Duration,
    /// The moment of the event being handled.
    now: Moment,
    /// What is to be done about the event being handled.
    effects: Vec<Effect>,
    children: Children,
    /// The child of each server that all share, or that its lists come from.
    mains: SortedMap<ServerId, ChildId>,
    /// In which era the servers are spoken to that had to be asked.
    eras: SortedMap<ServerId, Era>,
    /// Since when servers that are not to run are not: only those that a reload
    /// has turned off, or found wrong.
    off_since: SortedMap<ServerId, Moment>,
    calls: Calls,
    streams: Streams,
    sessions: Sessions,
    /// What is remembered of those that are not there.
    absent: Absent,
    /// The sessions that have asked for a log level.
    listeners: SortedSet<SessionKey>,
    questions: Questions,
    leases: Leases,
    /// What the states and session ids that clients carry are sealed with.
    seal: Seal,
    rounds: Rounds,
    fans: Fans,
    figures: Figures,
    timers: Timers,
    /// What each view that was asked for shows, until a server changes.
    shelf: SortedMap<View, Arc<Catalog>>,
    /// What those views showed that have changed since clients were last told.
    outdated: SortedMap<View, Arc<Catalog>>,
    /// Whether the time for telling them is set.
    telling: bool,
    /// What waits to be told until a reload has settled.
    resettling: Resettling,
    /// What was left out of catalogs, and is in the log already.
    complaints: SortedSet<String>,
    links: Links,
    /// The tasks that tools have begun, lately.
    tasks: Links,
    /// How many bytes all sessions keep for clients that may come back.
    replay_bytes: usize,
    /// Clients that wait for servers in their first start.
    waiters: Vec<Waiter>,
    /// How many requests of the stateless era have come.
    lone_serial: u64,
    /// Whether an outbox that holds much was given more.
    is_crowded: bool,
    stopping: bool,
}

impl Hub {
    /// A hub that has started nothing yet; [`Hub::start`] does.
    pub fn new(plan: Plan, outset: Outset) -> Hub {
        // Both change from one process to the next; the seed may be all the same.
        let drawn = outset.seed ^ outset.unix.as_nanos() as u64;
        Hub {
            plan,
            recalled: outset.recalled.lists,
            dice: Dice::new(outset.seed),
            unix: outset.unix,
            now: Moment::default(),
            effects: Vec::new(),
            children: Children::default(),
            mains: SortedMap::new(),
            eras: SortedMap::new(),
            off_since: SortedMap::new(),
            calls: Calls::default(),
            streams: Streams::new(Epoch::drawn(drawn)),
            sessions: Sessions::default(),
            absent: Absent::new(
                outset.recalled.sessions,
                outset.recalled.forgotten,
                outset.recalled.lost,
            ),
            listeners: SortedSet::new(),
            questions: Questions::default(),
            leases: Leases::default(),
            seal: outset.seal,
            rounds: Rounds::default(),
            fans: Fans::default(),
            figures: Figures::default(),
            timers: Timers::default(),
            shelf: SortedMap::new(),
            outdated: SortedMap::new(),
            telling: false,
            resettling: Resettling::default(),
            complaints: SortedSet::new(),
            links: Links::default(),
            tasks: Links::default(),
            replay_bytes: 0,
            waiters: Vec::new(),
            lone_serial: 0,
            is_crowded: false,
            stopping: false,
        }
    }

    /// Starts every enabled server. Call it once, before any event.
    pub fn start(&mut self, now: Moment, effects: &mut Vec<Effect>) {
        self.thinking(now, effects, Hub::start_servers);
    }

    /// Takes one event in and appends what shall be done about it.
    pub fn handle(&mut self, now: Moment, event: Event, effects: &mut Vec<Effect>) {
        self.thinking(now, effects, |hub| match event {
            Event::Client { outbox, word } => hub.client(outbox, word),
            Event::Child { life, word } => hub.child(life, word),
            Event::Tick => hub.tick(),
            Event::Stop => hub.stop(),
            Event::Hurry => hub.hurry(),
            Event::Recounted(untold) => hub.recounted(&untold),
        });
    }

    /// When the hub next wants an [`Event::Tick`], if nothing else happens.
    pub fn next_deadline(&self) -> Option<Moment> {
        self.timers.next()
    }

    fn thinking(&mut self, now: Moment, effects: &mut Vec<Effect>, think: impl FnOnce(&mut Hub)) {
        debug_assert!(now >= self.now, "time does not run backwards");
        self.now = now;
        std::mem::swap(&mut self.effects, effects);
        think(self);
        // Not before: what is thought of may be the session that this ends.
        if std::mem::take(&mut self.is_crowded) {
            self.look_at_the_sum();
        }
        std::mem::swap(&mut self.effects, effects);
    }

    fn client(&mut self, outbox: OutboxId, word: FromClient) {
        match word {
            FromClient::Post {
                view,
                session,
                version,
                fresh,
                mirrored,
                body,
            } => {
                let address = clients::Address {
                    outbox,
                    view,
                    session,
                    version,
                    mirrored,
                };
                self.post(address, fresh, body);
            }
            FromClient::Listen {
                view,
                session,
                version,
                resume,
            } => {
                let address = clients::Address {
                    outbox,
                    view,
                    session,
                    version,
                    mirrored: Vec::new(),
                };
                self.listen(&address, resume);
            }
            FromClient::Delete { view, session } => self.delete(&clients::Address {
                outbox,
                view,
                session,
                version: None,
                mirrored: Vec::new(),
            }),
            FromClient::Open { view, fresh, slots } => self.open(outbox, view, fresh, slots),
            FromClient::Finished => self.input_finished(outbox),
            FromClient::Tell {
                view,
                session,
                body,
            } => self.tell(outbox, &view, &session, body),
            FromClient::Patience => self.patience(outbox),
            FromClient::Taken(load) => self.taken_by_client(outbox, load),
            FromClient::Gone => self.gone(outbox),
            FromClient::Ask(report) => self.report(outbox, report),
        }
    }

    fn child(&mut self, life: Life, word: FromChild) {
        let Some(id) = self.children.of_life(life) else {
            return; // a word of a past life
        };
        if matches!(
            word,
            FromChild::Message { .. } | FromChild::Reply { .. } | FromChild::Oversized { .. }
        ) {
            self.hear_child(id);
        }
        match word {
            FromChild::Spawned { pid } => self.spawned(id, pid),
            FromChild::SpawnFailed { why } => self.spawn_failed(id, why),
            FromChild::Message {
                message,
                links,
                input,
            } => self.child_message(id, message, &links, input.map(|input| *input)),
            FromChild::Reply { id: request, reply } => self.reply(id, request, reply),
            FromChild::Oversized {
                id: request,
                length,
            } => self.oversized(id, request, length),
            FromChild::Unheld {
                id: request,
                length,
            } => self.unheld(id, request, length),
            FromChild::Taken(load) => self.taken_by_child(id, load),
            FromChild::NotReading => self.not_reading(id),
            FromChild::OutputEnded => self.output_ended(id),
            FromChild::Exited { how, last_words } => self.exited(id, how, last_words),
        }
    }

    /// Everything whose time has come.
    fn tick(&mut self) {
        while let Some(timer) = self.timers.due(self.now) {
            match timer {
                Timer::Call(id) => self.call_overdue(id),
                Timer::Startup(life) => self.startup_overdue(life),
                Timer::Retry(child) => self.retry_due(child),
                Timer::Watch(life) => self.watch_due(life),
                Timer::Drain(life) => self.drain_overdue(life),
                Timer::Drained(life) => self.drain_over(life),
                Timer::Terminate(life) => self.terminate_due(life),
                Timer::Kill(life) => self.kill_due(life),
                Timer::Hearing(child) => self.hearing_due(child),
                Timer::Relist(child, kind) => self.relist_due(child, kind),
                Timer::List(child, kind, request) => self.list_overdue(child, kind, request),
                Timer::Tell => self.tell_due(),
                Timer::Resettle => self.resettle_due(),
                Timer::FirstStarts => self.first_starts_overdue(),
                Timer::Question(id) => self.question_overdue(id),
                Timer::Lease(id) => self.lease_due(id),
                Timer::Idle(session) => self.idle_due(&session),
                Timer::Spare(child) => self.spare_due(child),
            }
        }
    }
}
