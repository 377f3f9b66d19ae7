//! What a long simulation must have come upon, and what it can never come upon.
//! Whoever adds a phase, an event or a refusal finds here that nothing leads to it
//! yet; whoever breaks the dice, that they no longer lead there.
//!
//! Only long runs are held against this: what happens once in a hundred thousand
//! events is not in every short one.

use std::collections::BTreeSet;

use crate::hub::lifecycle::{
    Happening,
    Happening::{
        Drained, HelloBad, HelloGood, LastStraw, LeaveAsked, LifeOver, ProbeDue, RenewAsked,
        StartDue, StopAsked, TooSlow, Unneeded, Useless,
    },
    Phase,
    Phase::{
        Asleep, Down, Dozing, Leaving, Ousted, Parked, Parting, Probing, Ready, Renewing, Retiring,
        Starting, Waiting, Yielding,
    },
};
use crate::hub::stories::simulation::counts::{Counts, REFUSALS};

/// From how many events on all of this must have happened.
pub(super) const EVENTS_LEAST: u64 = 10_000_000;

/// The phases in which each thing is never looked up in the lifecycle table, and
/// why. Everywhere else it must have happened.
const NEVER: [(&[Happening], &[Phase]); 6] = [
    // A greeting is only looked at while one is awaited, and its deadline is taken
    // back with it.
    (
        &[HelloGood, HelloBad, TooSlow],
        &[
            Parting, Ready, Yielding, Leaving, Ousted, Renewing, Dozing, Asleep, Waiting, Parked,
            Retiring, Down,
        ],
    ),
    // Only a process can be useless, or end.
    (
        &[Useless, LifeOver, LastStraw],
        &[Asleep, Waiting, Parked, Down],
    ),
    // A start is due where a timer was set for it or somebody is in need, and both
    // are only where there is no process that serves, or will.
    (
        &[StartDue, ProbeDue],
        &[
            Probing, Parting, Starting, Ready, Yielding, Leaving, Ousted, Renewing, Retiring, Down,
        ],
    ),
    // Its deadline is that of a life that was let finish its calls.
    (
        &[Drained],
        &[
            Probing, Parting, Starting, Ready, Ousted, Dozing, Asleep, Waiting, Parked, Down,
        ],
    ),
    // Idleness is only looked at where a child serves, or waits for its next start.
    (
        &[Unneeded],
        &[
            Probing, Parting, Starting, Yielding, Leaving, Ousted, Renewing, Dozing, Asleep,
            Retiring, Down,
        ],
    ),
    // A child that is down is forgotten with that; another is entered if need be.
    (&[RenewAsked, LeaveAsked, StopAsked], &[Down]),
];

/// What each event must have led to, and what it may have led to besides: that
/// comes together once in a million events. All else is impossible.
const LEADS_TO: [(&str, &[&str], &[&str]); 29] = [
    ("start", &["Spawn"], &[]),
    (
        "reload",
        &[
            "CloseInput",
            "Keep",
            "Message",
            "Opened",
            "Spawn",
            "ToChild",
            "Welcome",
        ],
        &["Cut", "End"],
    ),
    (
        "Post",
        &[
            "CloseInput",
            "End",
            "Keep",
            "Message",
            "Opened",
            "Spawn",
            "ToChild",
            "Verdict",
            "Welcome",
        ],
        &["Cut"],
    ),
    (
        "Tell",
        &[
            "CloseInput",
            "Cut",
            "Message",
            "Spawn",
            "ToChild",
            "Verdict",
        ],
        &["Keep"],
    ),
    ("Open", &["Opened", "Verdict"], &[]),
    (
        "Listen",
        &["End", "Keep", "Message", "Opened", "Verdict"],
        &["ToChild", "Cut", "Spawn"],
    ),
    (
        "Delete",
        &["CloseInput", "End", "Keep", "Message", "ToChild", "Verdict"],
        &["Cut"],
    ),
    ("Patience", &["Opened"], &[]),
    ("client Taken", &[], &[]),
    (
        "Finished",
        &["End", "Message", "ToChild"],
        &["CloseInput", "Spawn", "Cut"],
    ),
    ("Gone", &["CloseInput", "Keep", "ToChild"], &["Message"]),
    ("Ask", &["Report"], &[]),
    ("Spawned", &["ToChild"], &[]),
    (
        "SpawnFailed",
        &["Bury", "Message", "Spawn", "Welcome"],
        &[
            "End",
            "Finished",
            "Keep",
            "Opened",
            "ToChild",
            "Cut",
            "CloseInput",
        ],
    ),
    (
        "Hello",
        &["CloseInput", "Keep", "Message", "ToChild"],
        &["End", "Cut"],
    ),
    ("Refused", &["CloseInput"], &[]),
    (
        "Page",
        &["Keep", "Message", "Opened", "Spawn", "ToChild", "Welcome"],
        &["CloseInput", "Cut", "End"],
    ),
    ("Done", &[], &[]),
    (
        "Failed",
        &[
            "CloseInput",
            "Keep",
            "Message",
            "Opened",
            "ToChild",
            "Welcome",
        ],
        &["End", "Spawn", "Cut"],
    ),
    (
        "Message",
        &["CloseInput", "End", "Keep", "Message", "Opened", "ToChild"],
        &["Cut", "Spawn"],
    ),
    (
        "Oversized",
        &["CloseInput", "Keep", "Message", "ToChild"],
        &["End", "Opened", "Spawn", "Welcome", "Cut"],
    ),
    (
        "Unheld",
        &["CloseInput", "Keep", "Message", "ToChild"],
        &["End", "Opened", "Spawn", "Welcome", "Cut"],
    ),
    (
        "child Taken",
        &["Keep", "Message", "ToChild"],
        &["CloseInput", "End", "Cut"],
    ),
    ("NotReading", &["CloseInput"], &[]),
    (
        "OutputEnded",
        &[
            "Bury", "Finished", "Message", "Opened", "Spawn", "ToChild", "Welcome",
        ],
        &["CloseInput", "Cut", "End", "Keep"],
    ),
    (
        "Exited",
        &[
            "Bury", "Finished", "Message", "Opened", "Spawn", "ToChild", "Welcome",
        ],
        &["CloseInput", "Cut", "End", "Keep"],
    ),
    (
        "Tick",
        &[
            "Bury",
            "CloseInput",
            "End",
            "Keep",
            "Kill",
            "Message",
            "Opened",
            "Spawn",
            "Terminate",
            "ToChild",
            "Welcome",
        ],
        &["Cut"],
    ),
    (
        "Stop",
        &[
            "CloseInput",
            "End",
            "Finished",
            "Keep",
            "Message",
            "ToChild",
        ],
        &["Cut"],
    ),
    ("Hurry", &["Kill"], &[]),
];

/// The refusals that no run meets.
const UNMET: [&str; 3] = [
    // What the clients of a simulation post has no headers that could say otherwise.
    "HeaderMismatch",
    // There are never ten thousand sessions in a run.
    "TooManySessions",
    // Answers of megabytes come from a server of the era that leases nothing.
    "AnswerNotKept",
];

/// What the dice and the limits must have done.
const MARKS: [&str; 10] = [
    "a message to a child was dropped",
    "a reload adjusts a server",
    "a reload keeps a server whose entry is wrong",
    "a reload leaves a server alone",
    "a reload renews a server",
    "a reload shows an idle server otherwise",
    "a reload starts a server",
    "a reload stops a server",
    "an outbox has no room for notifications",
    "answers wait until a child has read",
];

/// Holds what was come upon against what must be, and tells all that is amiss.
pub(super) fn check(counts: &Counts) {
    let mut amiss = Vec::new();
    check_cells(counts, &mut amiss);
    check_pairs(counts, &mut amiss);
    for name in REFUSALS {
        let is_met = counts.refusals.contains_key(name);
        if is_met == UNMET.contains(name) {
            amiss.push(format!("refusal {name}: {}", met(is_met)));
        }
    }
    for name in MARKS {
        if !counts.marks.contains_key(name) {
            amiss.push(format!("never: {name}"));
        }
    }
    assert!(amiss.is_empty(), "\n{}", amiss.join("\n"));
}

fn check_cells(counts: &Counts, amiss: &mut Vec<String>) {
    let never: BTreeSet<(Phase, Happening)> = NEVER
        .iter()
        .flat_map(|(happenings, phases)| {
            let pairs = |happening| phases.iter().map(move |phase| (*phase, happening));
            happenings.iter().copied().flat_map(pairs)
        })
        .collect();
    for phase in Phase::ALL {
        for happening in Happening::ALL {
            let is_met = counts.cells.contains_key(&(phase, happening));
            if is_met == never.contains(&(phase, happening)) {
                amiss.push(format!("{phase:?} × {happening:?}: {}", met(is_met)));
            }
        }
    }
}

fn check_pairs(counts: &Counts, amiss: &mut Vec<String>) {
    for (event, must, _) in LEADS_TO {
        let missing = must
            .iter()
            .filter(|effect| !counts.pairs.contains_key(&(event, effect)));
        amiss.extend(missing.map(|effect| format!("{event} → {effect}: {}", met(false))));
    }
    for (event, effect) in counts.pairs.keys() {
        let known = LEADS_TO.iter().find(|(name, ..)| name == event);
        if !known.is_some_and(|(_, must, may)| must.contains(effect) || may.contains(effect)) {
            amiss.push(format!("{event} → {effect}: {}", met(true)));
        }
    }
}

fn met(is_met: bool) -> &'static str {
    match is_met {
        true => "come upon, though that is impossible by what is written here",
        false => "never come upon",
    }
}
