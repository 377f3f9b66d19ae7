//! What the gateway tells of its lists: what each server offers, under which
//! names that is served on the merged view, and what was left out and why.
//!
//! It says more than `status` tells anyone, and takes as long as it has items
//! to name: for whoever runs the gateway, and not for every caller.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::catalog::merge::Named;
use crate::catalog::name::Change;
use crate::event::{ServerId, View};
use crate::hub::Hub;
use crate::hub::plan::Readiness;
use crate::hub::status::Condition;

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
            well &= matches!(condition, Condition::Ready | Condition::Disabled);
            let mut left_out = self.unoffered(id);
            left_out.extend(catalog.left_out().get(&id).into_iter().flatten().cloned());
            let mut part = json!({
                "name": server.name,
                "state": condition.name(),
                "offers": offers.remove(&id).unwrap_or_default(),
                "left_out": left_out,
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

    /// What a server's lists held that cannot be offered to anyone, and which
    /// of them could not be read.
    fn unoffered(&self, id: ServerId) -> Vec<String> {
        let child = self.main_of(id).and_then(|child| self.children.get(child));
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
        let child = self.children.get(self.main_of(id)?)?;
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
