//! Other plans in a simulation: servers that are changed, taken out, turned off
//! and put back, and limits that grow and shrink.

use crate::event::ServerId;
use crate::hub::stories::simulation::Simulation;
use crate::plan::{Plan, Readiness, ServerPlan, Servers};

impl Simulation {
    /// The configuration is another.
    pub(super) fn reloads(&mut self) {
        let plan = self.another_plan();
        self.tell(|| format!("a reload of {:?}", plan.servers));
        self.world.reload(plan);
        self.look();
    }

    fn another_plan(&mut self) -> Plan {
        let first = self.first_plan.clone();
        let before = self.world.plan.clone();
        let known = before.servers.iter().map(|(id, _)| id.0);
        let known = known.chain(before.servers.gone().map(|id| id.0));
        let mut next = known.max().map_or(0, |id| id + 1);
        let mut servers = Servers::default();
        for (_, original) in first.servers.iter() {
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
            queue_max: 1 + self.dice.below(12),
            processes_max: 1 + self.dice.below(4),
            ..first
        }
    }

    fn another_entry(&mut self, original: &ServerPlan, was: ServerPlan) -> ServerPlan {
        let fingerprint = was.fingerprint + u64::from(self.dice.percent(40));
        let readiness = match self.dice.below(8) {
            0 => Readiness::Disabled,
            _ => Readiness::Enabled,
        };
        let mut entry = ServerPlan {
            fingerprint,
            readiness,
            ..was
        };
        if self.dice.percent(20) {
            entry.concurrent_max = 1 + self.dice.below(original.concurrent_max.min(20));
        }
        if self.dice.percent(20) {
            entry.is_lazy = self.dice.percent(50);
        }
        if self.dice.percent(20) {
            entry.prefix = ["", "p", &original.prefix][self.dice.below(3)].to_owned();
        }
        entry
    }
}
