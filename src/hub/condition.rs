//! How each server does, as those see it who watch the gateway: one word, a
//! sentence why, and since when. Told by `status` and `inventory`; what leads
//! from one condition to the next is in `lifecycle`.

use crate::event::{Moment, ServerId};
use crate::hub::Hub;
use crate::hub::children::{Child, ChildId};
use crate::hub::lifecycle::Phase;
use crate::plan::{Readiness, ServerPlan, Servers};

/// How a server does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Condition {
    /// It is being started, and has not failed before.
    Starting,
    /// It serves.
    Ready,
    /// It serves, but something is wrong.
    Degraded,
    /// It has failed, and is started again.
    Restarting,
    /// It has failed too often: its calls are refused, and it is tried now and
    /// then.
    Parked,
    /// It does not run because nobody needs it: the next call starts it.
    Asleep,
    /// It does not run, and will not.
    Stopped,
    /// The configuration turns it off.
    Disabled,
    /// Its entry has errors.
    Misconfigured,
}

impl Condition {
    /// The word for it. Who watches need not tell a server that sleeps from
    /// another one without a process; the reason says what will start it.
    pub fn name(self) -> &'static str {
        match self {
            Condition::Starting => "starting",
            Condition::Ready => "ready",
            Condition::Degraded => "degraded",
            Condition::Restarting => "restarting",
            Condition::Parked => "parked",
            Condition::Asleep | Condition::Stopped => "stopped",
            Condition::Disabled => "disabled",
            Condition::Misconfigured => "misconfigured",
        }
    }

    /// Its word in a health report, where monitors know three.
    pub fn health(self) -> &'static str {
        match self {
            Condition::Ready | Condition::Asleep | Condition::Disabled => "healthy",
            Condition::Starting | Condition::Degraded => "degraded",
            Condition::Restarting
            | Condition::Parked
            | Condition::Stopped
            | Condition::Misconfigured => "unhealthy",
        }
    }
}

/// A condition with what there is to say about it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct State {
    /// The condition.
    pub condition: Condition,
    /// Why, in words that follow the server's name; none where all is as it
    /// should be.
    pub reason: Option<String>,
    /// Since when, as far as the gateway has noticed.
    pub since: Moment,
}

/// The condition a child was last seen in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Seen {
    /// The condition.
    pub condition: Condition,
    /// Since when.
    pub since: Moment,
}

impl Hub {
    /// How each server does, in the order of the configuration.
    pub(super) fn conditions(&self) -> Vec<(ServerId, &ServerPlan, Condition)> {
        let servers = self.plan.servers.iter();
        servers
            .map(|(id, server)| (id, server, self.condition_of(id)))
            .collect()
    }

    /// How a server does, why, and since when.
    pub(super) fn state_of(&self, id: ServerId) -> State {
        let condition = self.condition_of(id);
        let child = self.main_child(id);
        State {
            condition,
            reason: self.reason_of(id, condition, child),
            since: match condition {
                // A process of it that is on its way out has a condition of its own.
                Condition::Disabled | Condition::Misconfigured => {
                    self.off_since.get(&id).copied().unwrap_or_default()
                }
                _ => child.map_or(Moment::default(), |child| child.seen.since),
            },
        }
    }

    /// Notes since when each server does as it does. A turn of its life is
    /// noted when it comes (`observe`); what nobody noted is noted here, so
    /// call it before `state_of`.
    pub(super) fn observe_all(&mut self) {
        for id in self.mains.values().copied().collect::<Vec<_>>() {
            self.observe(id);
        }
    }

    /// The same, of one child, when it may have changed.
    pub(super) fn observe(&mut self, id: ChildId) {
        let Some(child) = self.children.get(id) else {
            return;
        };
        let condition = self.condition_of_child(child);
        let now = self.now;
        if let Some(child) = self.children.get_mut(id)
            && child.seen.condition != condition
        {
            child.seen = Seen {
                condition,
                since: now,
            };
        }
    }

    /// Another plan has taken the place of this one: notes which servers are off
    /// since now.
    pub(super) fn note_what_is_off(&mut self, before: &Servers) {
        let before_off = std::mem::take(&mut self.off_since);
        let servers = self.plan.servers.iter();
        let off = servers.filter(|(_, server)| server.readiness != Readiness::Enabled);
        self.off_since = off
            .filter_map(|(id, server)| {
                let was = before.get(id).filter(|_| before.names(id));
                let kind = std::mem::discriminant(&server.readiness);
                let is_as_before =
                    was.is_some_and(|was| std::mem::discriminant(&was.readiness) == kind);
                let since = match is_as_before {
                    true => before_off.get(&id).copied(),
                    false => Some(self.now),
                };
                Some((id, since?))
            })
            .collect();
    }

    fn condition_of(&self, id: ServerId) -> Condition {
        match (&self.server(id).readiness, self.main_child(id)) {
            (Readiness::Disabled, _) => Condition::Disabled,
            (Readiness::Misconfigured(_), _) => Condition::Misconfigured,
            (Readiness::Enabled, None) => Condition::Stopped,
            (Readiness::Enabled, Some(child)) => self.condition_of_child(child),
        }
    }

    fn condition_of_child(&self, child: &Child) -> Condition {
        match child.phase {
            // Greeted, and its lists still on their way, is not yet up.
            Phase::Ready if !child.settled => Condition::Starting,
            Phase::Ready if self.flaws(child).is_empty() => Condition::Ready,
            Phase::Ready => Condition::Degraded,
            Phase::Probing
            | Phase::Parting
            | Phase::Starting
            | Phase::Ousted
            | Phase::Waiting
            | Phase::Parked
                if child.parked =>
            {
                Condition::Parked
            }
            Phase::Probing | Phase::Parting | Phase::Starting if child.failures == 0 => {
                Condition::Starting
            }
            Phase::Probing
            | Phase::Parting
            | Phase::Starting
            | Phase::Waiting
            | Phase::Parked
            | Phase::Yielding
            | Phase::Renewing
            | Phase::Ousted => Condition::Restarting,
            Phase::Dozing | Phase::Asleep => Condition::Asleep,
            Phase::Leaving | Phase::Retiring | Phase::Down => Condition::Stopped,
        }
    }

    /// What is wrong with a child that serves all the same.
    fn flaws(&self, child: &Child) -> Vec<String> {
        let mut flaws = Vec::new();
        let fault = self.server_of(child).fault.as_ref();
        flaws.extend(fault.map(|fault| format!("its new entry has errors: {fault}")));
        if child.missed > 0 {
            flaws.push("has not answered a ping".to_owned());
        }
        if child.overdue.is_some() {
            flaws.push("has not answered a call in time, and said nothing since".to_owned());
        }
        if child.is_flooded || self.is_queue_full(child) {
            flaws.push("its queue is full".to_owned());
        }
        flaws.extend(child.unread.values().cloned());
        flaws
    }

    fn reason_of(
        &self,
        id: ServerId,
        condition: Condition,
        child: Option<&Child>,
    ) -> Option<String> {
        match (condition, child) {
            (Condition::Ready, _) => None,
            (Condition::Disabled, _) => Some("the configuration turns it off".to_owned()),
            (Condition::Asleep, child) => {
                let failed = child.filter(|child| child.failures > 0);
                let last = failed.map(|child| format!("; last: {}", self.why_down(child)));
                Some(format!(
                    "starts with the next call{}",
                    last.unwrap_or_default()
                ))
            }
            (Condition::Misconfigured, _) => match &self.server(id).readiness {
                Readiness::Misconfigured(why) => Some(why.clone()),
                Readiness::Enabled | Readiness::Disabled => None,
            },
            (_, None) => Some("it is not running".to_owned()),
            (Condition::Degraded, Some(child)) => Some(self.flaws(child).join("; ")),
            (Condition::Starting, Some(child)) => Some(match child.phase {
                Phase::Ready => "its lists are being read".to_owned(),
                _ => "has not answered its greeting yet".to_owned(),
            }),
            (Condition::Parked, Some(child)) => Some(self.why_parked(child)),
            (Condition::Restarting, Some(child)) => {
                let why = match child.phase {
                    Phase::Yielding => "finishes its calls; its entry has changed".to_owned(),
                    Phase::Renewing => "its entry has changed".to_owned(),
                    _ => self.why_down(child),
                };
                Some(match child.retry {
                    Some(_) => format!("{why}; it {}", self.retry_of(child)),
                    None => why,
                })
            }
            (Condition::Stopped, Some(child)) => Some(self.why_down(child)),
        }
    }

    /// Why a server is parked, and when it is tried again.
    fn why_parked(&self, child: &Child) -> String {
        let (times, last) = (times(child.failures), self.why_down(child));
        let retry = self.retry_of(child);
        format!("failed {times}; last: {last}; it {retry}")
    }
}

/// How often, in words.
fn times(count: u32) -> String {
    match count {
        1 => "once".to_owned(),
        count => format!("{count} times in a row"),
    }
}
