//! The way back: from a served name, or from a URI, to the server that is to
//! be asked. Nothing here decides what is served.

use std::collections::HashMap;
use std::sync::Arc;

use crate::catalog::template::{self, Template};
use crate::event::ServerId;
use crate::limits;

/// Where a served name leads.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Route {
    /// The server to ask.
    pub server: ServerId,
    /// The name the server gave it.
    pub original: Arc<str>,
    /// The same as JSON text, where it is served under another: what takes the
    /// place of that in each call.
    pub replacement: Option<Arc<str>>,
}

/// Who knows a URI. URIs are never rewritten, so several servers can claim
/// one; which of them is meant nobody can tell, and asking the wrong one can
/// hand data to the wrong place, so the caller refuses.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum Found {
    /// Nobody that is known of.
    #[default]
    None,
    /// This server.
    One(ServerId),
    /// These servers, two at least, none twice, in the order of the sources.
    Several(Vec<ServerId>),
}

impl Found {
    /// Counts a server in; one that is in already changes nothing.
    pub fn add(&mut self, server: ServerId) {
        match self {
            Found::None => *self = Found::One(server),
            Found::One(first) if *first == server => {}
            Found::One(first) => *self = Found::Several(vec![*first, server]),
            Found::Several(all) if all.contains(&server) => {}
            Found::Several(all) => all.push(server),
        }
    }

    /// The servers, in order.
    pub fn servers(&self) -> &[ServerId] {
        match self {
            Found::None => &[],
            Found::One(server) => std::slice::from_ref(server),
            Found::Several(all) => all,
        }
    }
}

/// The ways from URIs, known ones and such as templates could yield.
#[derive(Debug, Default)]
pub struct UriRoutes {
    exact: HashMap<Arc<str>, Found>,
    templates: HashMap<Arc<str>, Found>,
    /// The templates that can be matched, in the order of the sources.
    patterns: Vec<(Template, ServerId)>,
}

impl UriRoutes {
    /// Learns a listed resource. If its URI was known already, says from whom first.
    pub fn add_resource(&mut self, uri: Arc<str>, server: ServerId) -> Option<ServerId> {
        add(&mut self.exact, uri, server)
    }

    /// Learns a listed template by its text. If that was known already, says
    /// from whom first.
    pub fn add_template(&mut self, text: Arc<str>, server: ServerId) -> Option<ServerId> {
        add(&mut self.templates, text, server)
    }

    /// Lets URIs be matched against a template.
    pub fn add_pattern(&mut self, pattern: Template, server: ServerId) {
        self.patterns.push((pattern, server));
    }

    /// Who knows a resource: those that list it; if none does, those with a
    /// template that could yield it.
    pub fn resource(&self, uri: &str) -> Found {
        match self.exact.get(uri) {
            Some(found) => found.clone(),
            None => self.matching(uri),
        }
    }

    /// Who knows a template, or a resource, of that text.
    pub fn template(&self, text: &str) -> Found {
        match self.templates.get(text) {
            Some(found) => found.clone(),
            None => self.resource(text),
        }
    }

    fn matching(&self, uri: &str) -> Found {
        let mut found = Found::None;
        if uri.len() > limits::CATALOG_MATCHED_URI_BYTES_MAX {
            return found;
        }
        let uri = template::encode(uri);
        if uri.len() > limits::CATALOG_MATCHED_URI_BYTES_MAX {
            return found;
        }
        for (pattern, server) in &self.patterns {
            if !found.servers().contains(server) && pattern.could_yield(&uri) {
                found.add(*server);
            }
        }
        found
    }
}

fn add(known: &mut HashMap<Arc<str>, Found>, key: Arc<str>, server: ServerId) -> Option<ServerId> {
    let found = known.entry(key).or_default();
    let first = found.servers().first().copied();
    found.add(server);
    first
}
