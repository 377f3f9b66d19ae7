//! Which server a request concerns: by the name of a tool or prompt, by the URI
//! of a resource, by what a completion refers to.

use std::sync::Arc;

use crate::catalog::name::SEPARATOR;
use crate::catalog::route::Found;
use crate::event::{ServerId, SessionKey, View};
use crate::hub::Hub;
use crate::hub::passing::Passage;
use crate::hub::refusal::Refusal;
use crate::hub::requests::Need;
use crate::plan::Readiness;
use crate::wire::envelope::{Message, Span};
use crate::wire::method::Method;

impl Hub {
    /// A tool or a prompt: its name leads to its server.
    pub(super) fn by_name(&mut self, need: Need, method: Method) {
        let is_tool = method == Method::ToolsCall;
        let message = Arc::clone(&need.message);
        let Some(name) = message.marks.name.and_then(|span| message.text(span)) else {
            let refusal = Refusal::BadParameter {
                method: if is_tool { "tools/call" } else { "prompts/get" },
                needs: "\"name\", a string",
            };
            return self.refuse_caller(&need.caller, &refusal);
        };
        let catalog = self.catalog_of(&need.caller.session);
        let route = if is_tool {
            catalog.tool(&name)
        } else {
            catalog.prompt(&name)
        };
        if is_tool && let Err(mismatch) = self.headers_agree(&need, catalog.mirrored(&name)) {
            return self.refuse_caller(&need.caller, &Refusal::HeaderMismatch(mismatch));
        }
        let Some(need) = self.take_up(need) else {
            return;
        };
        match route {
            Some(route) => {
                let passage = Passage {
                    server: route.server,
                    method,
                    name: route.replacement,
                    uri: None,
                };
                self.pass(need, passage);
            }
            None => {
                let session = need.caller.session.clone();
                self.not_found(need, |hub| match hub.never_up(&session, &name) {
                    Some(refusal) => refusal,
                    None if is_tool => Refusal::UnknownTool(name.to_string()),
                    None => Refusal::UnknownPrompt(name.to_string()),
                });
            }
        }
    }

    /// A name may be unknown only because its server has never been up, or is
    /// hidden: then that is what its client should hear.
    fn never_up(&self, session: &SessionKey, name: &str) -> Option<Refusal> {
        let view = self.view_of(session)?;
        let is_own = |prefix: &str| match &view {
            View::Server(_) => true,
            View::Merged | View::Group(_) => name
                .strip_prefix(prefix)
                .is_some_and(|rest| !prefix.is_empty() && rest.starts_with(SEPARATOR)),
        };
        self.plan.servers.iter().find_map(|(id, server)| {
            if !self.shows(&view, id) || !is_own(&server.prefix) {
                return None;
            }
            let child = self.main_child(id);
            match (&server.readiness, child) {
                (Readiness::Misconfigured(why), _) => Some(Refusal::ServerDown {
                    server: server.name.clone(),
                    why: why.clone(),
                }),
                (_, Some(child)) if child.hello.is_none() || self.is_hidden(child) => {
                    Some(self.down(child))
                }
                _ => None,
            }
        })
    }

    /// Refuses what no server offers, unless one is still in its first start.
    fn not_found(&mut self, need: Need, refusal: impl FnOnce(&Hub) -> Refusal) {
        let waits = self
            .view_of(&need.caller.session)
            .is_some_and(|view| self.must_wait(&need, &view));
        if waits {
            self.wait(need, self.plan.connection_timeout);
        } else {
            let refusal = refusal(self);
            self.refuse_caller(&need.caller, &refusal);
        }
    }

    /// A resource: its URI leads to its server, by the lists, by the templates,
    /// by the links that tools have returned; else every server that has
    /// resources is asked, for not all are listed.
    pub(super) fn by_uri(&mut self, need: Need, method: &Method) {
        let Some(uri) = text(&need.message, need.message.marks.uri) else {
            let refusal = Refusal::BadParameter {
                method: match method {
                    Method::ResourcesRead => "resources/read",
                    Method::ResourcesSubscribe => "resources/subscribe",
                    _ => "resources/unsubscribe",
                },
                needs: "\"uri\", a string",
            };
            return self.refuse_caller(&need.caller, &refusal);
        };
        let Some(need) = self.take_up(need) else {
            return;
        };
        let session = need.caller.session.clone();
        if *method == Method::ResourcesUnsubscribe
            && let Some(child) = self.subscribed_at(&session, &uri)
        {
            // It need not be listed any more.
            self.unsubscribe(&session, &uri, child);
            if let Some(server) = self.children.get(child).map(|child| child.server) {
                self.subscription_word(&session, server, &uri, false);
            }
            return self.answer(&need.caller, Message::result("{}").into());
        }
        let found = match self.catalog_of(&session).resource(&uri) {
            Found::None => self.linked(&session, &uri),
            found => found,
        };
        let passage = |server| Passage {
            server,
            method: method.clone(),
            name: None,
            uri: Some(uri.clone()),
        };
        match found {
            Found::One(server) => self.pass_uri(need, passage(server)),
            Found::Several(servers) => {
                let refusal = self.ambiguous(&uri, &servers);
                self.refuse_caller(&need.caller, &refusal);
            }
            Found::None => match self.servers_with_resources(&session).as_slice() {
                [] => self.not_found(need, |_| Refusal::UnknownResource(uri.to_string())),
                [only] => self.pass_uri(need, passage(*only)),
                several if *method == Method::ResourcesRead => self.fan_out(&need, &uri, several),
                _ => self.not_found(need, |_| Refusal::UnknownResource(uri.to_string())),
            },
        }
    }

    /// The servers of the session's view that a link in a tool's result came
    /// from.
    pub(super) fn linked(&self, session: &SessionKey, uri: &str) -> Found {
        let Some(view) = self.view_of(session) else {
            return Found::None;
        };
        let shown = |server: &ServerId| self.shows(&view, *server);
        match self.links.find(uri) {
            Found::One(server) if shown(&server) => Found::One(server),
            Found::Several(servers) => {
                let servers: Vec<ServerId> = servers.into_iter().filter(shown).collect();
                match servers.as_slice() {
                    [] => Found::None,
                    [only] => Found::One(*only),
                    _ => Found::Several(servers),
                }
            }
            Found::One(_) | Found::None => Found::None,
        }
    }

    pub(super) fn ambiguous(&self, uri: &str, servers: &[ServerId]) -> Refusal {
        Refusal::AmbiguousResource {
            uri: uri.to_owned(),
            servers: servers
                .iter()
                .map(|&server| self.server(server).name.clone())
                .collect(),
        }
    }

    pub(super) fn servers_with_resources(&self, session: &SessionKey) -> Vec<ServerId> {
        let Some(view) = self.view_of(session) else {
            return Vec::new();
        };
        let has = |server: &ServerId| {
            self.main_child(*server)
                .and_then(|child| child.hello.as_ref())
                .is_some_and(|hello| hello.has.resources)
        };
        self.servers_of_view(&view)
            .into_iter()
            .filter(has)
            .collect()
    }

    fn pass_uri(&mut self, need: Need, passage: Passage) {
        match passage.method {
            Method::ResourcesSubscribe => self.subscribe(need, passage),
            // It was not subscribed: then it need not be taken back.
            Method::ResourcesUnsubscribe => {
                self.answer(&need.caller, Message::result("{}").into());
            }
            _ => self.pass(need, passage),
        }
    }

    /// A completion: of a prompt's argument by the prompt's name, of a
    /// template's variable by the template.
    pub(super) fn complete(&mut self, need: Need) {
        let catalog = self.catalog_of(&need.caller.session);
        let marks = need.message.marks;
        if let Some(name) = text(&need.message, marks.name) {
            return match catalog.prompt(&name) {
                Some(route) => {
                    let passage = Passage {
                        server: route.server,
                        method: Method::Complete,
                        name: route.replacement,
                        uri: None,
                    };
                    self.pass(need, passage);
                }
                None => self.not_found(need, |_| Refusal::UnknownPrompt(name.to_string())),
            };
        }
        let Some(uri) = text(&need.message, marks.uri) else {
            let refusal = Refusal::BadParameter {
                method: "completion/complete",
                needs: "\"ref\", with the \"name\" of a prompt or the \"uri\" of a template",
            };
            return self.refuse_caller(&need.caller, &refusal);
        };
        match catalog.template(&uri) {
            Found::One(server) => {
                let passage = Passage {
                    server,
                    method: Method::Complete,
                    name: None,
                    uri: Some(uri),
                };
                self.pass(need, passage);
            }
            Found::Several(servers) => {
                let refusal = self.ambiguous(&uri, &servers);
                self.refuse_caller(&need.caller, &refusal);
            }
            Found::None => self.not_found(need, |_| Refusal::UnknownResource(uri.to_string())),
        }
    }
}

/// The text of a part, if it is there and a string.
pub(super) fn text(message: &Message, part: Option<Span>) -> Option<Arc<str>> {
    message.text(part?).map(|text| Arc::from(&*text))
}
