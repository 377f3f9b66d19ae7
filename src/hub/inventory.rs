//! What the gateway tells of its servers: what each offers, under which names
//! that is served on the merged view, what was left out and why, and why a
//! server is not up.
//!
//! It says more than `health` tells anyone, and takes as long as it has items
//! to name: for whoever runs the gateway, and not for every caller.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::catalog::merge::{Catalog, Named};
use crate::catalog::name::Change;
use crate::event::{ServerId, View};
use crate::hub::Hub;
use crate::hub::condition::Condition;
use crate::plan::Readiness;
use crate::wire::handshake::Revision;
use crate::wire::items::ItemKind;
use crate::wire::stateless;

impl Hub {
    /// The inventory, and whether each server that shall run is up.
    ///
    /// For each server, in the order of the configuration: its `name`; its
    /// `state`, as in a health report; its `trouble`, where it is not up and
    /// that is known; what it `offers`, each with its `kind`, its `original`
    /// name or URI, the one it is `served` under, and the `marks` that its name
    /// got; and the sentences of what was `left_out`.
    pub(super) fn inventory(&mut self) -> (bool, Value) {
        let catalog = self.catalog(&View::Merged);
        let mut offers: BTreeMap<ServerId, Vec<Value>> = BTreeMap::new();
        for named in catalog.names() {
            offers.entry(named.server).or_default().push(told(&named));
        }
        let mut well = true;
        let mut servers = Vec::new();
        for (id, server, condition) in self.conditions() {
            well &= condition.is_well();
            let mut part = json!({
                "name": server.name,
                "state": condition.name(),
                "offers": offers.remove(&id).unwrap_or_default(),
                "left_out": self.left_out_of(id, &catalog),
            });
            if condition != Condition::Ready
                && let Some(trouble) = self.trouble_of(id)
            {
                part["trouble"] = json!(trouble);
            }
            servers.push(part);
        }
        (well, json!({ "servers": servers }))
    }

    /// The status of each server, in the order of the configuration: its `name`,
    /// its `state`, as in a health report, and the `reason` for it, where it is
    /// not up and that is known; the revision of the `protocol` that it is spoken
    /// to in; how many of each kind it offers; and what was `left_out`, and why.
    pub(super) fn status(&mut self, at: &str) -> (bool, Value) {
        let catalog = self.catalog(&View::Merged);
        let mut servers = Vec::new();
        for (id, server, condition) in self.conditions() {
            let child = self.main_child(id);
            let count = |kind| child.map_or(0, |child| child.offer.items(kind).len());
            let mut part = json!({
                "name": server.name,
                "state": condition.name(),
                "tools": count(ItemKind::Tool),
                "prompts": count(ItemKind::Prompt),
                "resources": count(ItemKind::Resource),
                "resource_templates": count(ItemKind::Template),
                "left_out": self.left_out_of(id, &catalog),
            });
            if let Some(hello) = child.and_then(|child| child.hello.as_ref()) {
                let revision = hello.revision.map_or(stateless::VERSION, Revision::name);
                part["protocol"] = json!(revision);
            }
            if condition != Condition::Ready
                && let Some(reason) = self.trouble_of(id)
            {
                part["reason"] = json!(reason);
            }
            servers.push(part);
        }
        (true, json!({ "servers": servers, "timestamp": at }))
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

fn told(named: &Named<'_>) -> Value {
    let renamed = named.renamed.then_some("renamed");
    let change = named.change.map(|change| match change {
        Change::Shortened => "shortened",
        Change::Respelt => "respelt",
        Change::Collided => "collided",
    });
    let marks: Vec<&str> = renamed.into_iter().chain(change).collect();
    json!({
        "kind": named.kind.noun(),
        "original": named.original,
        "served": named.served,
        "marks": marks,
    })
}
