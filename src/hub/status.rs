//! What the gateway tells of itself: its health and its readiness. Names and
//! states only, for both are told to anyone.

use crate::event::report::{Health, Reasons, ServerHealth, Told};
use crate::event::{Effect, OutboxId, Parcel, Report, SessionKey};
use crate::hub::Hub;
use crate::hub::condition::Condition;
use crate::hub::sessions::Session;

impl Hub {
    /// Answers a question about the gateway itself.
    pub(super) fn report(&mut self, outbox: OutboxId, report: Report) {
        self.observe_all();
        let told = match report {
            Report::Health => Told::Health(self.health()),
            Report::Ready => Told::Ready(self.readiness()),
            Report::Status => Told::Status(self.status()),
            Report::Inventory => Told::Inventory(self.inventory()),
        };
        let parcel = Parcel::Report(Box::new(told));
        self.effects.push(Effect::ToClient { outbox, parcel });
    }

    /// How many sessions there are, requests without one left out.
    pub(super) fn session_count(&self) -> usize {
        let has_session = |(_, session): &(&SessionKey, &Session)| session.lone.is_none();
        self.sessions.iter().filter(has_session).count()
    }

    /// How all servers together do.
    pub(super) fn overall(&self) -> &'static str {
        let conditions = self.conditions();
        let enabled: Vec<&str> = conditions
            .iter()
            .filter(|(_, _, condition)| *condition != Condition::Disabled)
            .map(|(_, _, condition)| condition.health())
            .collect();
        if self.stopping {
            "unhealthy"
        } else if enabled.iter().all(|&health| health == "healthy") {
            "healthy"
        } else if enabled.iter().all(|&health| health == "unhealthy") {
            "unhealthy"
        } else {
            "degraded"
        }
    }

    /// The gateway works, or it could not answer this; the words tell how the
    /// servers do.
    fn health(&self) -> Health {
        let conditions = self.conditions();
        let servers = conditions
            .iter()
            .map(|(_, server, condition)| ServerHealth {
                name: server.name.clone(),
                status: condition.health(),
                state: condition.name(),
            });
        Health {
            status: self.overall(),
            sessions: self.session_count(),
            servers: servers.collect(),
        }
    }

    /// Ready once every enabled server is up, or has failed its first start
    /// for good.
    fn readiness(&self) -> Reasons {
        let mut reasons = Vec::new();
        for child in self.mains.values().filter_map(|&id| self.children.get(id)) {
            if !child.settled && !child.is_added {
                let name = &self.server_of(child).name;
                reasons.push(match &child.trouble {
                    Some(_) => format!("server {name:?} is being started again"),
                    None => format!("server {name:?} is starting"),
                });
            }
        }
        if self.stopping {
            reasons.push("the gateway is stopping".to_owned());
        }
        Reasons(reasons)
    }
}
