//! What a plan that takes the place of another means for each server. Pure
//! comparison; who does what it says is the hub.

use std::fmt;

use crate::event::ServerId;
use crate::limits;
use crate::plan::{Plan, Readiness, ServerPlan};

/// What becomes of a server.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Fate {
    /// It was not to run, and is now.
    Started,
    /// Its processes are out of date: others take their place.
    Renewed,
    /// Its processes stay, but something else of its entry has changed.
    Adjusted,
    /// Its new entry has errors: it goes on as it was.
    Kept,
    /// It was to run, and is not any more: taken out, or turned off.
    Stopped,
    /// It does not run, neither before nor now, but is shown otherwise.
    Idle,
    /// Nothing has changed.
    Unchanged,
}

/// What becomes of every server that the one plan or the other names: in the
/// order of the new one, then those that are not in it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Changes {
    fates: Vec<(ServerId, String, Fate)>,
}

impl Changes {
    /// What it means that `new` takes the place of `old`.
    pub fn between(old: &Plan, new: &Plan) -> Changes {
        let known = new.servers.iter().map(|(id, server)| {
            let before = old.servers.get(id).filter(|_| old.servers.names(id));
            (id, server.name.clone(), fate(before, server))
        });
        let gone = old.servers.iter().filter(|(id, _)| !new.servers.names(*id));
        let gone = gone.map(|(id, server)| {
            let fate = match server.readiness {
                Readiness::Enabled => Fate::Stopped,
                Readiness::Disabled | Readiness::Misconfigured(_) => Fate::Idle,
            };
            (id, server.name.clone(), fate)
        });
        Changes {
            fates: known.chain(gone).collect(),
        }
    }

    /// What becomes of each.
    pub fn fates(&self) -> impl Iterator<Item = (ServerId, Fate)> {
        self.fates.iter().map(|(id, _, fate)| (*id, *fate))
    }

    /// What becomes of the server of that name; the one that is in the new plan,
    /// if there are two.
    pub fn of(&self, name: &str) -> Option<Fate> {
        let known = self.fates.iter().find(|(_, known, _)| known == name);
        known.map(|(_, _, fate)| *fate)
    }

    /// The names of those of one fate, the first of them in full.
    fn names(&self, wanted: Fate) -> Option<String> {
        let mut names = self.fates.iter().filter(|(_, _, fate)| *fate == wanted);
        let first: Vec<&str> = names
            .by_ref()
            .take(limits::RELOAD_NAMES_MAX)
            .map(|(_, name, _)| name.as_str())
            .collect();
        let more = names.count();
        let told = first.join(" and ");
        match (first.is_empty(), more) {
            (true, _) => None,
            (false, 0) => Some(told),
            (false, more) => Some(format!("{told} and {more} more")),
        }
    }
}

fn fate(before: Option<&ServerPlan>, after: &ServerPlan) -> Fate {
    let ran = before.is_some_and(|before| before.readiness == Readiness::Enabled);
    match (before, after.readiness == Readiness::Enabled) {
        (Some(before), true) if ran => {
            // That an entry was wrong in between has changed nothing.
            let before = ServerPlan {
                fault: None,
                ..before.clone()
            };
            match &after.fault {
                Some(_) => Fate::Kept,
                None if before.fingerprint != after.fingerprint => Fate::Renewed,
                None if before != *after => Fate::Adjusted,
                None => Fate::Unchanged,
            }
        }
        (_, true) => Fate::Started,
        (_, false) if ran => Fate::Stopped,
        (Some(before), false) if before == after => Fate::Unchanged,
        (_, false) => Fate::Idle,
    }
}

/// In words for the log: `started a, renewed b and c; 5 unchanged`.
impl fmt::Display for Changes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let told = [
            ("started ", Fate::Started, ""),
            ("renewed ", Fate::Renewed, ""),
            ("changed ", Fate::Adjusted, " in place"),
            (
                "kept ",
                Fate::Kept,
                " as it was, for its new entry has errors",
            ),
            ("stopped ", Fate::Stopped, ""),
            ("noted ", Fate::Idle, ", which does not run"),
        ];
        let told = told.into_iter().filter_map(|(before, fate, behind)| {
            let names = self.names(fate)?;
            Some(format!("{before}{names}{behind}"))
        });
        let told: Vec<String> = told.collect();
        let is_same = |(_, _, fate): &&(ServerId, String, Fate)| *fate == Fate::Unchanged;
        let unchanged = self.fates.iter().filter(is_same).count();
        match told.is_empty() {
            true => write!(f, "{unchanged} unchanged"),
            false => write!(f, "{}; {unchanged} unchanged", told.join(", ")),
        }
    }
}
