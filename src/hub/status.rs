//! What the gateway tells of itself: its health and its readiness. Names and
//! states only, for both are told to anyone.

use serde_json::{Map, Value, json};

use crate::event::{Effect, OutboxId, Parcel, Report, SessionKey};
use crate::hub::Hub;
use crate::hub::condition::Condition;
use crate::hub::sessions::Session;

impl Hub {
    /// Answers a question about the gateway itself.
    pub(super) fn report(&mut self, outbox: OutboxId, report: Report, at: &str) {
        self.observe_all();
        let (well, value) = match report {
            Report::Health => self.health(at),
            Report::Ready => self.readiness(at),
            Report::Status => self.status(at),
            Report::Inventory => self.inventory(),
        };
        let json = value.to_string();
        let parcel = Parcel::Report { well, json };
        self.effects.push(Effect::ToClient { outbox, parcel });
    }

    /// The gateway works, or it could not answer this: the code is 200
    /// whatever the servers do, and the words tell how they do.
    fn health(&self, at: &str) -> (bool, Value) {
        let conditions = self.conditions();
        let has_session = |(_, session): &(&SessionKey, &Session)| session.lone.is_none();
        let sessions = self.sessions.iter().filter(has_session).count();
        let mut components = Map::new();
        components.insert(
            "front".to_owned(),
            json!({ "status": "healthy", "sessions": sessions }),
        );
        for (_, server, condition) in &conditions {
            components.insert(
                format!("server:{}", server.name),
                json!({ "status": condition.health(), "state": condition.name() }),
            );
        }
        let enabled: Vec<&str> = conditions
            .iter()
            .filter(|(_, _, condition)| *condition != Condition::Disabled)
            .map(|(_, _, condition)| condition.health())
            .collect();
        let status = if self.stopping {
            "unhealthy"
        } else if enabled.iter().all(|&health| health == "healthy") {
            "healthy"
        } else if enabled.iter().all(|&health| health == "unhealthy") {
            "unhealthy"
        } else {
            "degraded"
        };
        let report = json!({ "status": status, "components": components, "timestamp": at });
        (true, report)
    }

    /// Ready once every enabled server is up, or has failed its first start
    /// for good.
    fn readiness(&self, at: &str) -> (bool, Value) {
        let mut reasons = Vec::new();
        for child in self.mains.values().filter_map(|&id| self.children.get(id)) {
            if !child.settled {
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
        let ready = reasons.is_empty();
        let report = json!({ "ready": ready, "reasons": reasons, "timestamp": at });
        (ready, report)
    }
}
