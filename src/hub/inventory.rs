//! What the gateway tells of its servers: how each does and what it has done;
//! what it offers, under which names that is served on the merged view, what was
//! left out and why.
//!
//! It says more than `health` tells anyone, and takes as long as there are
//! servers, or items to name: for whoever runs the gateway, and not for every
//! caller.

use crate::catalog::merge::{Catalog, Named};
use crate::catalog::name::Change;
use crate::event::report::{
    Figures, Inventory, Offered, Offers, Process, ServerHealth, ServerStatus, Status, Stock,
};
use crate::event::{ServerId, View};
use crate::hub::Hub;
use crate::hub::children::Child;
use crate::hub::condition::Condition;
use crate::plan::Readiness;
use crate::sorted::SortedMap;
use crate::wire::handshake::Revision;
use crate::wire::items::ItemKind;
use crate::wire::own_id::OwnId;
use crate::wire::stateless;

impl Hub {
    /// What each server offers.
    pub(super) fn inventory(&mut self) -> Inventory {
        let catalog = self.catalog(&View::Merged);
        let mut offers: SortedMap<ServerId, Vec<Offered>> = SortedMap::new();
        for named in catalog.names() {
            offers.entry(named.server).or_default().push(told(&named));
        }
        let mut servers = Vec::new();
        for (id, server, condition) in self.conditions() {
            let trouble = match condition {
                Condition::Ready => None,
                _ => self.trouble_of(id),
            };
            servers.push(Stock {
                name: server.name.clone(),
                state: condition.name(),
                trouble: trouble.map(str::to_owned),
                offers: offers.remove(&id).unwrap_or_default(),
                left_out: self.left_out_of(id, &catalog),
            });
        }
        Inventory { servers }
    }

    /// How each server does, and what it has done.
    pub(super) fn status(&mut self) -> Status {
        let catalog = self.catalog(&View::Merged);
        let ids = self.plan.servers.iter().map(|(id, _)| id);
        Status {
            status: self.overall(),
            uptime: self.now.0,
            sessions: self.session_count(),
            servers: ids.map(|id| self.status_of(id, &catalog)).collect(),
        }
    }

    fn status_of(&self, id: ServerId, catalog: &Catalog) -> ServerStatus {
        let state = self.state_of(id);
        let main = self.main_child(id);
        let hello = main.and_then(|child| child.hello.as_ref());
        let shown = main.filter(|child| !self.is_hidden(child));
        let own = self.children.iter().filter(|(_, child)| child.server == id);
        let others = own.filter(|(_, child)| child.is_extra());
        ServerStatus {
            server: id,
            health: ServerHealth {
                name: self.server(id).name.clone(),
                status: state.condition.health(),
                state: state.condition.name(),
            },
            reason: state.reason,
            since: self.unix.saturating_add(state.since.0),
            age: self.now.since(state.since),
            protocol: hello.map(|hello| hello.revision.map_or(stateless::VERSION, Revision::name)),
            process: main.and_then(|child| self.process_of(child)),
            others: others
                .filter_map(|(_, child)| self.process_of(child))
                .collect(),
            figures: self.figures_of(id),
            offers: shown.map(offers_of).unwrap_or_default(),
            left_out: self.left_out_of(id, catalog),
            stderr: Vec::new(),
        }
    }

    fn process_of(&self, child: &Child) -> Option<Process> {
        child.process.map(|process| Process {
            life: child.life,
            pid: process.pid,
            uptime: self.now.since(process.since),
        })
    }

    fn figures_of(&self, id: ServerId) -> Figures {
        let mut figures = Figures::default();
        if let Some(tally) = self.figures.get(id) {
            figures.calls = tally.calls;
            figures.errors = tally.errors;
            figures.restarts = tally.restarts;
            figures.times = tally.times.percentiles(self.now, [50, 99]);
        }
        let goes_on = |id: &&OwnId| self.calls.get(**id).is_some_and(|call| !call.abandoned);
        for (_, child) in self.children.iter().filter(|(_, child)| child.server == id) {
            figures.under_way += child.under_way.iter().filter(goes_on).count() as u64;
            figures.queue += child.held.len() as u64;
        }
        figures
    }

    /// What of a server is offered to nobody, and why.
    fn left_out_of(&self, id: ServerId, catalog: &Catalog) -> Vec<String> {
        let mut left_out = self.unoffered(id);
        left_out.extend(catalog.left_out().get(&id).into_iter().flatten().cloned());
        left_out
    }

    /// What a server's lists held that cannot be offered to anyone, and which
    /// of them could not be read.
    fn unoffered(&self, id: ServerId) -> Vec<String> {
        let child = self.main_child(id);
        let sentences = child.map(|child| {
            let left_out = child.left_out.values().flatten();
            left_out.chain(child.unread.values()).cloned().collect()
        });
        sentences.unwrap_or_default()
    }

    /// Why a server is not up, where that is known.
    fn trouble_of(&self, id: ServerId) -> Option<&str> {
        if let Readiness::Misconfigured(why) = &self.server(id).readiness {
            return Some(why);
        }
        let child = self.main_child(id)?;
        child.trouble.as_deref()
    }
}

fn offers_of(child: &Child) -> Offers {
    let count = |kind| child.offer.items(kind).len();
    Offers {
        tools: count(ItemKind::Tool),
        prompts: count(ItemKind::Prompt),
        resources: count(ItemKind::Resource),
        templates: count(ItemKind::Template),
    }
}

fn told(named: &Named<'_>) -> Offered {
    let renamed = named.renamed.then_some("renamed");
    let change = named.change.map(|change| match change {
        Change::Shortened => "shortened",
        Change::Respelt => "respelt",
        Change::Collided => "collided",
    });
    Offered {
        kind: named.kind.noun(),
        original: named.original.to_owned(),
        served: named.served.to_owned(),
        marks: renamed.into_iter().chain(change).collect(),
    }
}
