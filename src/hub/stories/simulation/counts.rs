//! What the runs of a simulation have come upon: which cells of the lifecycle
//! table, which effects of which events, what was refused, which limits were
//! met. A simulation that does not reach a corner proves nothing about it, so
//! what it must reach is asserted (`coverage`).
//!
//! Each thread counts for itself. All stories count, and only the simulation
//! looks.

use std::cell::RefCell;
use std::collections::BTreeMap;

use crate::event::{Effect, Event, FromChild, FromClient, Parcel, Reply, Signal};
use crate::hub::lifecycle::{Happening, Phase};
use crate::hub::refusal::Refusal;

thread_local! {
    static COUNTS: RefCell<Counts> = RefCell::default();
}

/// How often what was come upon.
#[derive(Debug, Default, Clone)]
pub(super) struct Counts {
    /// Calls of `Hub::handle`: events and ticks.
    pub(super) events: u64,
    /// Runs that have come to their end.
    pub(super) runs: u64,
    /// Cells of the lifecycle table.
    pub(super) cells: BTreeMap<(Phase, Happening), u64>,
    /// Effects, by the event that led to them.
    pub(super) pairs: BTreeMap<(&'static str, &'static str), u64>,
    /// What was told instead of a result.
    pub(super) refusals: BTreeMap<&'static str, u64>,
    /// What was given up because a limit was reached, or was done by the dice
    /// alone and must be seen to be.
    pub(super) marks: BTreeMap<&'static str, u64>,
}

impl Counts {
    /// Adds what another thread has counted.
    pub(super) fn add(&mut self, other: &Counts) {
        fn sum<K: Copy + Ord>(into: &mut BTreeMap<K, u64>, from: &BTreeMap<K, u64>) {
            for (&key, count) in from {
                *into.entry(key).or_default() += count;
            }
        }
        self.events += other.events;
        self.runs += other.runs;
        sum(&mut self.cells, &other.cells);
        sum(&mut self.pairs, &other.pairs);
        sum(&mut self.refusals, &other.refusals);
        sum(&mut self.marks, &other.marks);
    }
}

/// Counts a cell of the lifecycle table.
pub(in crate::hub) fn cell(phase: Phase, happening: Happening) {
    COUNTS.with_borrow_mut(|counts| *counts.cells.entry((phase, happening)).or_default() += 1);
}

/// Counts a refusal that somebody is told.
pub(in crate::hub) fn refusal(refusal: &Refusal) {
    let name = name_of_refusal(refusal);
    COUNTS.with_borrow_mut(|counts| *counts.refusals.entry(name).or_default() += 1);
}

/// Counts that something has happened which no effect tells.
pub(in crate::hub) fn mark(what: &'static str) {
    COUNTS.with_borrow_mut(|counts| *counts.marks.entry(what).or_default() += 1);
}

/// Counts an event with what it led to.
pub(in crate::hub::stories) fn event(event: &'static str, effects: &[Effect]) {
    COUNTS.with_borrow_mut(|counts| {
        counts.events += 1;
        for effect in effects {
            let pair = (event, name_of_effect(effect));
            *counts.pairs.entry(pair).or_default() += 1;
        }
    });
}

/// Counts a run that has come to its end.
pub(super) fn run() {
    COUNTS.with_borrow_mut(|counts| counts.runs += 1);
}

/// How many events this thread has counted.
pub(super) fn events() -> u64 {
    COUNTS.with_borrow(|counts| counts.events)
}

/// What this thread has counted; it begins anew.
pub(super) fn take() -> Counts {
    COUNTS.take()
}

/// What an event is called in the counts.
pub(in crate::hub::stories) fn name_of(event: &Event) -> &'static str {
    match event {
        Event::Client { word, .. } => match word {
            FromClient::Post { .. } => "Post",
            FromClient::Listen { .. } => "Listen",
            FromClient::Delete { .. } => "Delete",
            FromClient::Open { .. } => "Open",
            FromClient::Finished => "Finished",
            FromClient::Tell { .. } => "Tell",
            FromClient::Patience => "Patience",
            FromClient::Taken(_) => "client Taken",
            FromClient::Gone => "Gone",
            FromClient::Ask(_) => "Ask",
        },
        Event::Child { word, .. } => match word {
            FromChild::Spawned { .. } => "Spawned",
            FromChild::SpawnFailed { .. } => "SpawnFailed",
            FromChild::Message { .. } => "Message",
            FromChild::Reply { reply, .. } => match reply {
                Reply::Hello(_) => "Hello",
                Reply::Refused { .. } => "Refused",
                Reply::Page(_) => "Page",
                Reply::Done => "Done",
                Reply::Failed(_) => "Failed",
            },
            FromChild::Oversized { .. } => "Oversized",
            FromChild::Unheld { .. } => "Unheld",
            FromChild::Taken(_) => "child Taken",
            FromChild::NotReading => "NotReading",
            FromChild::OutputEnded => "OutputEnded",
            FromChild::Exited { .. } => "Exited",
        },
        Event::Tick => "Tick",
        Event::Stop => "Stop",
        Event::Hurry => "Hurry",
        Event::Recounted(_) => "Recounted",
    }
}

fn name_of_effect(effect: &Effect) -> &'static str {
    match effect {
        Effect::ToClient { parcel, .. } => match parcel {
            Parcel::Welcome { .. } => "Welcome",
            Parcel::Opened { .. } => "Opened",
            Parcel::Message { .. } => "Message",
            Parcel::Verdict { .. } => "Verdict",
            Parcel::Report(_) => "Report",
            Parcel::Cut => "Cut",
            Parcel::End => "End",
        },
        Effect::ToChild { .. } => "ToChild",
        Effect::Spawn { .. } => "Spawn",
        Effect::CloseInput { .. } => "CloseInput",
        Effect::Signal { signal, .. } => match signal {
            Signal::Terminate => "Terminate",
            Signal::Kill => "Kill",
        },
        Effect::Bury { .. } => "Bury",
        Effect::Keep(_) => "Keep",
        Effect::Recount => "Recount",
        Effect::Finished => "Finished",
    }
}

/// Names every kind of refusal once, so that none is forgotten.
macro_rules! refusals {
    ($($name:ident)*) => {
        /// Every kind of refusal.
        pub(super) const REFUSALS: &[&str] = &[$(stringify!($name)),*];

        fn name_of_refusal(refusal: &Refusal) -> &'static str {
            match refusal {
                $(Refusal::$name { .. } => stringify!($name),)*
            }
        }
    };
}

refusals! {
    UnknownTool UnknownPrompt UnknownResource AmbiguousResource UnknownTask UnknownCursor
    BadParameter HeaderMismatch UnknownMethod UnknownServer UnknownGroup UnknownSession
    MissingSession NotInitialized InitializedTwice UnknownVersion BatchNotAllowed
    InitializeInBatch UnknownEvent StreamEnded ServerGone GatewayRestarted ServerDown ServerParked CallTimedOut
    AnswerTooLong AnswerUnheld ServerBusy SessionBusy TooManySubscriptions TooManySessions TooManyProcesses
    Stopping ClientCannot ClientCannotSo LacksCapability NoRequestToAsk NeedsUrl UnknownState
    StateOfAnother StateExpired StateUsed BadInputResponses AnswerNotKept NoOrigin
    TooManyQuestions NoStream QuestionTimedOut ClientLeft CannotGoOn BadQuestions TooManyRounds
}
