//! What each endpoint shows: the catalogs of the views, kept until a server
//! changes, and the telling of such a change.

use std::borrow::Cow;
use std::sync::Arc;

use serde_json::{Map, Value, json};

use crate::catalog::merge::Catalog;
use crate::catalog::offer::{Offer, Rules, Source};
use crate::event::{Moment, ServerId, SessionKey, View};
use crate::hub::Hub;
use crate::hub::children::{Child, ChildId, Era};
use crate::hub::greeting::OWN_INFO;
use crate::hub::refusal::Refusal;
use crate::hub::requests::Asks;
use crate::hub::tasks::take_extension;
use crate::hub::timers::Timer;
use crate::limits;
use crate::plan::Readiness;
use crate::sorted::SortedMap;
use crate::wire::envelope::{Kind, Message};
use crate::wire::handshake::{self, Revision};
use crate::wire::items::ItemKind;
use crate::wire::method::Method;
use crate::wire::outgoing::Outgoing;
use crate::wire::stateless;

/// What a merged view declares: all that any server may ever bring, since
/// capabilities are fixed while servers still start and come and go.
const MERGED_CAPABILITIES: &str = r#"{"completions":{},"logging":{},"prompts":{"listChanged":true},"resources":{"listChanged":true,"subscribe":true},"tools":{"listChanged":true}}"#;

impl Hub {
    /// Whether there is such a view.
    pub(super) fn check_view(&self, view: &View) -> Result<(), Refusal> {
        match view {
            View::Merged => Ok(()),
            View::Server(name) if self.plan.servers.by_name(name).is_some() => Ok(()),
            View::Server(name) => Err(Refusal::UnknownServer(name.clone())),
            View::Group(name) if self.plan.groups.contains_key(name) => Ok(()),
            View::Group(name) => Err(Refusal::UnknownGroup(name.clone())),
        }
    }

    /// The servers of a view that can run, in the order of the configuration.
    pub(super) fn servers_of_view(&self, view: &View) -> Vec<ServerId> {
        let servers = self.plan.servers.iter().map(|(id, _)| id);
        servers.filter(|id| self.is_in_view(view, *id)).collect()
    }

    /// Whether a server is one of these.
    fn is_in_view(&self, view: &View, id: ServerId) -> bool {
        let can_run = self.plan.servers.runs(id) && self.mains.contains_key(&id);
        can_run && self.shows(view, id)
    }

    /// Whether a view shows a server. None shows one that the configuration names
    /// no more.
    pub(super) fn shows(&self, view: &View, id: ServerId) -> bool {
        let named = self.plan.servers.names(id);
        let Some(server) = self.plan.servers.get(id).filter(|_| named) else {
            return false;
        };
        let name = &server.name;
        match view {
            View::Merged => true,
            View::Server(only) => only == name,
            View::Group(group) => self
                .plan
                .groups
                .get(group)
                .is_some_and(|names| names.contains(name)),
        }
    }

    /// The child that a server's lists come from: the one that all share, or
    /// the template.
    pub(super) fn main_of(&self, server: ServerId) -> Option<ChildId> {
        self.mains.get(&server).copied()
    }

    /// The same, as it stands in the book.
    pub(super) fn main_child(&self, server: ServerId) -> Option<&Child> {
        self.children.get(self.main_of(server)?)
    }

    /// What a session sees.
    pub(super) fn catalog_of(&mut self, session: &SessionKey) -> Arc<Catalog> {
        let (overlay, view) = match self.sessions.get(session) {
            Some(session) => (session.overlay.clone(), session.view.clone()),
            None => (None, View::Merged),
        };
        overlay.unwrap_or_else(|| self.catalog(&view))
    }

    /// What a view shows.
    pub(super) fn catalog(&mut self, view: &View) -> Arc<Catalog> {
        if let Some(catalog) = self.shelf.get(view) {
            return catalog.clone();
        }
        let catalog = Arc::new(self.build_catalog(view, None));
        for (&server, sentences) in catalog.left_out() {
            for sentence in sentences {
                let name = &self.server(server).name;
                self.complain(format!("server {name:?}: {sentence}"));
            }
        }
        // A view that a reload has taken away is not asked for again.
        if self.check_view(view).is_ok() {
            self.shelf.insert(view.clone(), catalog.clone());
        }
        catalog
    }

    /// Says once what was left out of the lists, and why.
    pub(super) fn complain(&mut self, sentence: String) {
        if self.complaints.len() < limits::COMPLAINTS_MAX && !self.complaints.contains(&sentence) {
            log::warn!("{sentence}");
            self.complaints.insert(sentence);
        }
    }

    pub(super) fn build_catalog(&self, view: &View, session: Option<&SessionKey>) -> Catalog {
        let nothing = Offer::default();
        let own = |server: ServerId| {
            let session = self.sessions.get(session?)?;
            let child = self.children.get(*session.children.get(&server)?)?;
            // Until all its lists are read, the template's stand for them.
            let is_known = child.settled && child.hello.is_some();
            is_known.then_some(&child.offer)
        };
        let servers = self.servers_of_view(view);
        let admits: Vec<_> = servers
            .iter()
            .map(|&id| {
                let rules = &self.server(id).tools;
                move |name: &str| rules.admits(name)
            })
            .collect();
        let sources: Vec<Source<'_>> = servers
            .iter()
            .zip(&admits)
            .map(|(&id, admits)| {
                let server = self.server(id);
                let main = self.main_child(id);
                Source {
                    server: id,
                    name: &server.name,
                    prefix: match view {
                        View::Server(_) => "",
                        View::Merged | View::Group(_) => &server.prefix,
                    },
                    rules: Rules {
                        admits,
                        rename: &server.tools.rename,
                    },
                    offer: own(id)
                        .or(main
                            .filter(|child| !self.is_hidden(child))
                            .map(|child| &child.offer))
                        .unwrap_or(&nothing),
                }
            })
            .collect();
        Catalog::build(&sources, self.plan.tool_name_max)
    }

    /// A child offers something else than before: catalogs are made anew when
    /// they are next needed, and clients are told when the burst is over, for
    /// servers start together and change in bursts.
    pub(super) fn offer_changed(&mut self, id: ChildId) {
        let Some(child) = self.children.get(id) else {
            return;
        };
        let server = child.server;
        if child.owner.is_none() {
            self.links.forget(server);
        }
        let views: Vec<View> = self.shelf.keys().cloned().collect();
        for view in views {
            if self.shows(&view, server)
                && let Some(catalog) = self.shelf.remove(&view)
            {
                self.outdated.entry(view).or_insert(catalog);
            }
        }
        self.tell_soon();
    }

    /// Has clients told of what has changed when the burst is over.
    pub(super) fn tell_soon(&mut self) {
        if !self.telling {
            self.telling = true;
            let due = self.now.after(limits::LIST_CHANGED_WAIT);
            self.timers.set(due, Timer::Tell);
        }
    }

    /// The burst is over; but while what a reload has started is not there yet,
    /// each of its servers would be another change.
    pub(super) fn tell_due(&mut self) {
        self.telling = false;
        if !self.resettling.is_awaiting() {
            self.tell_all();
        }
    }

    /// Who sees something else than when it was last told is told.
    pub(super) fn tell_all(&mut self) {
        for (view, before) in std::mem::take(&mut self.outdated) {
            let after = self.catalog(&view);
            let told = self
                .sessions
                .keys_where(|s| s.view == view && s.overlay.is_none());
            self.tell_changes(&before, &after, &told);
        }
        for owner in self
            .sessions
            .keys_where(|s| (!s.children.is_empty() || s.overlay.is_some()) && s.lone.is_none())
        {
            self.refresh_overlay(&owner);
        }
        self.resettling.all_told();
    }

    /// What a session with children of its own sees, where these differ from
    /// the template.
    fn refresh_overlay(&mut self, key: &SessionKey) {
        let told = self.resettling.take_overlay(key);
        let before = told.unwrap_or_else(|| self.catalog_of(key));
        let Some(view) = self.view_of(key) else {
            return;
        };
        let own = Arc::new(self.build_catalog(&view, Some(key)));
        if let Some(session) = self.sessions.get_mut(key) {
            session.overlay = Some(own.clone());
        }
        self.tell_changes(&before, &own, std::slice::from_ref(key));
    }

    fn tell_changes(&mut self, before: &Catalog, after: &Catalog, sessions: &[SessionKey]) {
        let changed: SortedMap<&str, ItemKind> = ItemKind::ALL
            .into_iter()
            .filter(|&kind| after.differs(before, kind))
            .map(|kind| (changed_method(kind), kind))
            .collect();
        for (name, kind) in changed {
            let method = Method::from_name(name);
            let message = Arc::new(Message::build(Kind::Notification(method), None));
            for session in sessions {
                if self.sessions.get(session).is_some_and(|s| s.hears_of(kind)) {
                    self.tell_session(session, Outgoing::plain(message.clone()));
                }
            }
        }
    }

    /// Until when a request waits for servers that are still in their first
    /// start, if its answer would miss something: each is waited for a while, and
    /// not for as long again by each who asks. What an answer would do without
    /// depends on what is asked for.
    pub(super) fn waits_until(&self, view: &View, asks: Asks) -> Option<Moment> {
        let is_missed = |child: &&Child| {
            let does_without = match asks {
                Asks::List => child.learned.is_some() || child.is_added,
                Asks::Greeting => child.learned.is_some(),
                Asks::Other => false,
            };
            !child.settled && !does_without
        };
        // Nearly always none is missed, so that is looked at first.
        let mains = self.mains.values().filter_map(|id| self.children.get(*id));
        let missed = mains.filter(is_missed);
        let shown = missed.filter(|child| self.is_in_view(view, child.server));
        let ends = shown.map(|child| child.awaited.after(self.plan.connection_timeout));
        ends.filter(|end| *end > self.now).max()
    }

    /// The one server whose own word counts in this view, if there is one: the
    /// server of `/servers/NAME`, or an only server without a prefix.
    pub(super) fn sole_server(&self, view: &View) -> Option<ServerId> {
        let servers = self.servers_of_view(view);
        let [only] = servers.as_slice() else {
            return None;
        };
        let enabled = |readiness: &Readiness| *readiness != Readiness::Disabled;
        let alone = self
            .plan
            .servers
            .iter()
            .filter(|(_, server)| enabled(&server.readiness))
            .count()
            == 1;
        let bare = alone && self.server(*only).prefix.is_empty();
        (matches!(view, View::Server(_)) || bare).then_some(*only)
    }

    /// The result of `initialize`, as JSON text.
    pub(super) fn welcome(&self, view: &View, revision: Revision) -> String {
        let own = self.introduction_of(view, Era::Handshake);
        handshake::initialize_result(
            revision,
            &own.capabilities,
            own.info,
            own.instructions.as_deref(),
        )
    }

    /// The result of `server/discover`, as JSON text.
    pub(super) fn discovery(&self, view: &View) -> String {
        let mut own = self.introduction_of(view, Era::Stateless);
        if self.sole_server(view).is_none() && self.has_tasks(view) {
            // The members of two objects in one.
            let tasks = stateless::TASKS_DECLARED;
            let others = own.capabilities.trim_start_matches('{');
            own.capabilities = format!("{},{others}", &tasks[..tasks.len() - 1]).into();
        }
        stateless::discover_result(&own.capabilities, own.info, own.instructions.as_deref())
    }

    /// What a view says of itself to clients of this era: what its one server
    /// says, or, where there are several, the same whatever they are.
    fn introduction_of(&self, view: &View, era: Era) -> Introduction<'_> {
        let sole = self
            .sole_server(view)
            .and_then(|server| self.main_child(server))
            .and_then(|child| Some((child, child.hello.as_ref()?)));
        match sole {
            Some((child, hello)) => Introduction {
                capabilities: {
                    let knows_tasks = era == Era::Stateless && child.is_stateless();
                    served_capabilities(&hello.capabilities, knows_tasks).into()
                },
                info: &hello.info,
                instructions: hello.instructions.as_deref().map(Cow::Borrowed),
            },
            None => Introduction {
                capabilities: MERGED_CAPABILITIES.into(),
                info: OWN_INFO,
                instructions: self.merged_instructions(view).map(Cow::Owned),
            },
        }
    }

    /// What the servers of a view say of themselves, each under its name.
    fn merged_instructions(&self, view: &View) -> Option<String> {
        let parts: Vec<String> = self
            .servers_of_view(view)
            .into_iter()
            .filter_map(|id| {
                let child = self.main_child(id)?;
                let text = child.hello.as_ref()?.instructions.as_ref()?;
                let server = self.server(id);
                Some(if server.prefix.is_empty() {
                    format!("# {}\n\n{text}", server.name)
                } else {
                    format!(
                        "# {} (tools named {}__…)\n\n{text}",
                        server.name, server.prefix
                    )
                })
            })
            .collect();
        (!parts.is_empty()).then(|| parts.join("\n\n"))
    }
}

/// What a view says of itself; capabilities and info are JSON text.
struct Introduction<'a> {
    capabilities: Cow<'a, str>,
    info: &'a str,
    instructions: Option<Cow<'a, str>>,
}

/// The notification that tells of a change.
fn changed_method(kind: ItemKind) -> &'static str {
    match kind {
        ItemKind::Tool => "notifications/tools/list_changed",
        ItemKind::Prompt => "notifications/prompts/list_changed",
        ItemKind::Resource | ItemKind::Template => "notifications/resources/list_changed",
    }
}

/// A server's own capabilities as the gateway serves them: with `listChanged`
/// wherever there is a list, for a restart may change any; without the tasks of
/// the handshake era, which are not routed, and with those of the stateless era
/// only where server and client are of it.
fn served_capabilities(own: &str, knows_tasks: bool) -> String {
    let mut members: Map<String, Value> = serde_json::from_str(own).unwrap_or_default();
    members.remove("tasks");
    if !knows_tasks {
        take_extension(&mut members);
    }
    for list in ["tools", "prompts", "resources"] {
        if let Some(Value::Object(part)) = members.get_mut(list) {
            part.insert("listChanged".to_owned(), json!(true));
        }
    }
    Value::Object(members).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_servers_capabilities_gain_list_changed_and_lose_tasks() {
        let own = r#"{"tools":{},"tasks":{"list":{}},"resources":{"subscribe":true},"x":{"y":1},
            "extensions":{"io.modelcontextprotocol/tasks":{}}}"#;
        let mut expected = json!({
            "tools": {"listChanged": true},
            "resources": {"subscribe": true, "listChanged": true},
            "x": {"y": 1},
        });
        let served = |knows_tasks: bool| -> Value {
            serde_json::from_str(&served_capabilities(own, knows_tasks)).expect("it is JSON")
        };
        assert_eq!(served(false), expected);
        expected["extensions"] = json!({"io.modelcontextprotocol/tasks": {}});
        assert_eq!(served(true), expected);
    }
}
