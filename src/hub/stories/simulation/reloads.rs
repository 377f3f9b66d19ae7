//! Other plans in a simulation: servers that are changed, taken out, turned off
//! and put back, and limits that grow and shrink.

use std::collections::BTreeMap;

use crate::config::checked::{Protocol, Scope};
use crate::event::{Life, ServerId, SessionKey};
use crate::hub::Hub;
use crate::hub::calls::Call;
use crate::hub::children::ChildId;
use crate::hub::stories::simulation::Simulation;
use crate::hub::stories::simulation::counts;
use crate::plan::changes::{Changes, Fate};
use crate::plan::{Plan, Readiness, ServerPlan, Servers};
use crate::sorted::SortedMap;
use crate::wire::method::Method;
use crate::wire::own_id::OwnId;

impl Simulation {
    /// The configuration is another. A server that goes on keeps its process and
    /// its calls.
    pub(super) fn reloads(&mut self) {
        let plan = self.another_plan();
        self.tell(|| format!("a reload of {:?}", plan.servers));
        let changes = Changes::between(&self.world.plan, &plan);
        let goes_on: Vec<ServerId> = changes
            .fates()
            .filter(|(_, fate)| matches!(fate, Fate::Unchanged | Fate::Adjusted | Fate::Kept))
            .map(|(id, _)| id)
            .collect();
        changes
            .fates()
            .for_each(|(_, fate)| counts::mark(name_of(fate)));
        let before = self.world.hub.held_by(&goes_on);
        self.world.reload_alone(plan);
        let after = self.world.hub.held_by(&goes_on);
        for (id, held) in before {
            // A child that has nothing need not be remembered.
            let kept = after.get(&id);
            let is_same = held.life.is_none() || held.life == kept.and_then(|kept| kept.life);
            assert!(is_same, "{id:?} goes on, and has another process");
            let is_kept = |call: &_| kept.is_some_and(|kept| kept.calls.contains(call));
            // One more answer may be too much for a client that does not read.
            let has_left = |(_, _, session): &(_, _, Option<SessionKey>)| {
                let session = session.as_ref();
                session.is_some_and(|key| self.world.hub.sessions.get(key).is_none())
            };
            let mut calls = held.calls.iter();
            let lost = calls.find(|call| !is_kept(call) && !has_left(call));
            assert!(lost.is_none(), "{id:?} goes on, and has lost {lost:?}");
        }
        self.world.settle_after_reload();
        self.look();
    }

    fn another_plan(&mut self) -> Plan {
        let first = self.first_plan.clone();
        let before = self.world.plan.clone();
        let known = before.servers.iter().map(|(id, _)| id.0);
        let known = known.chain(before.servers.gone().map(|id| id.0));
        let mut next = known.max().map_or(0, |id| id + 1);
        let mut originals: Vec<&ServerPlan> = first.servers.iter().map(|(_, s)| s).collect();
        if self.dice.percent(30) {
            let turn = self.dice.below(originals.len());
            originals.rotate_left(turn);
        }
        let mut servers = Servers::default();
        for original in originals {
            let was = before.servers.by_name(&original.name);
            // Taken out in one of eight reloads, and back with the next or the next
            // but one, under another number.
            if self.dice.percent(12) {
                continue;
            }
            let id = was.map_or(ServerId(next), |(id, _)| id);
            next += u32::from(was.is_none());
            let was = was.map_or(original, |(_, server)| server).clone();
            servers.push(id, self.another_entry(original, was));
        }
        Plan {
            servers,
            groups: self.other_groups(),
            queue_max: 1 + self.dice.below(12),
            processes_max: 1 + self.dice.below(4),
            ..first.clone()
        }
    }

    fn other_groups(&mut self) -> SortedMap<String, Vec<String>> {
        let members = ["git", "time", "pad", "new"].into_iter();
        let members = members.filter(|_| self.dice.percent(60));
        let members = members.map(str::to_owned).collect();
        match self.dice.percent(80) {
            true => SortedMap::from([("some".to_owned(), members)]),
            false => SortedMap::new(),
        }
    }

    fn another_entry(&mut self, original: &ServerPlan, was: ServerPlan) -> ServerPlan {
        // An entry that is wrong leaves the one before it in its place.
        if was.readiness == Readiness::Enabled && self.dice.percent(5) {
            let fault = Some("its command is empty".to_owned());
            return ServerPlan { fault, ..was };
        }
        let fingerprint_before = was.fingerprint;
        let fingerprint = was.fingerprint + u64::from(self.dice.percent(40));
        let readiness = match self.dice.below(16) {
            0..2 => Readiness::Disabled,
            2 => Readiness::Misconfigured("its command is empty".to_owned()),
            _ => Readiness::Enabled,
        };
        let mut entry = ServerPlan {
            fingerprint,
            readiness,
            fault: None,
            ..was
        };
        if self.dice.percent(20) {
            entry.concurrent_max = 1 + self.dice.below(original.concurrent_max.min(20));
        }
        if self.dice.percent(20) {
            entry.is_lazy = self.dice.percent(50);
            entry.is_pinged = self.dice.percent(60);
            entry.listed_when_parked = self.dice.percent(60);
        }
        // These two are part of what a fingerprint says.
        if entry.fingerprint != fingerprint_before && self.dice.percent(20) {
            entry.scope = match entry.scope {
                Scope::Shared => Scope::Session,
                Scope::Session => Scope::Shared,
            };
        }
        if entry.fingerprint != fingerprint_before && self.dice.percent(20) {
            entry.protocol =
                [Protocol::Legacy, Protocol::Modern, Protocol::Auto][self.dice.below(3)];
        }
        if self.dice.percent(20) {
            entry.prefix = ["", "p", &original.prefix][self.dice.below(3)].to_owned();
        }
        entry
    }
}

fn name_of(fate: Fate) -> &'static str {
    match fate {
        Fate::Started => "a reload starts a server",
        Fate::Renewed => "a reload renews a server",
        Fate::Adjusted => "a reload adjusts a server",
        Fate::Kept => "a reload keeps a server whose entry is wrong",
        Fate::Stopped => "a reload stops a server",
        Fate::Idle => "a reload shows an idle server otherwise",
        Fate::Unchanged => "a reload leaves a server alone",
    }
}

/// What a child has that goes on.
struct Held {
    /// Its process.
    life: Option<Life>,
    /// The calls that wait for their answers, and whose they are.
    calls: Vec<(OwnId, Method, Option<SessionKey>)>,
}

impl Hub {
    fn held_by(&self, servers: &[ServerId]) -> BTreeMap<ChildId, Held> {
        let children = self.children.iter();
        let children = children.filter(|(_, child)| servers.contains(&child.server));
        let held = children.map(|(id, child)| {
            let held = child.held.iter().map(|held| &held.id);
            let ids = held.chain(&child.under_way);
            let calls = ids.filter_map(|id| Some((*id, self.calls.get(*id)?)));
            // A child of the stateless era is subscribed to by asking it for more.
            let is_call = |call: &Call| {
                let subscribes = call.method == Method::ResourcesSubscribe;
                !(call.abandoned || child.is_stateless() && subscribes)
            };
            let calls = calls.filter(|(_, call)| is_call(call));
            let held = Held {
                life: child.has_process().then_some(child.life),
                calls: calls
                    .map(|(id, call)| (id, call.method.clone(), call.origin.clone()))
                    .collect(),
            };
            (id, held)
        });
        held.collect()
    }
}
