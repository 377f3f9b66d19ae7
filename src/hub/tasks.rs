//! Tasks: who is told that there are any, and which server a request about one
//! concerns. Those of the stateless era (extension
//! `io.modelcontextprotocol/tasks`) are between a client and a server that are
//! both of it. Those of the handshake era are not routed, and so for nobody.

use std::borrow::Cow;

use serde_json::{Map, Value};

use crate::catalog::route::Found;
use crate::event::{ServerId, View};
use crate::hub::Hub;
use crate::hub::passing::Passage;
use crate::hub::refusal::Refusal;
use crate::hub::requests::Need;
use crate::hub::routing::text;
use crate::wire::method::Method;
use crate::wire::stateless::{TASKS, TASKS_DECLARED, declares_tasks};

impl Hub {
    /// A task's id leads to the server whose tool began it. Where a view shows
    /// one server alone, that one knows its tasks.
    pub(super) fn by_task(&mut self, need: Need, method: Method) {
        let Some(id) = text(&need.message, need.message.marks.task_id) else {
            let refusal = Refusal::BadParameter {
                method: "a request about a task",
                needs: "\"taskId\", a string",
            };
            return self.refuse_caller(&need.caller, &refusal);
        };
        let view = self.view_of(&need.caller.session);
        let is_shown = |server: &ServerId| view.as_ref().is_some_and(|v| self.shows(v, *server));
        let sole = view.as_ref().and_then(|view| self.sole_server(view));
        let known = match self.tasks.find(&id) {
            Found::One(server) => Some(server),
            // Ids that nobody can guess do not meet; made ones are nobody's.
            Found::Several(_) | Found::None => None,
        };
        match known.filter(is_shown).or(sole) {
            Some(server) => {
                let passage = Passage {
                    server,
                    method,
                    name: None,
                    uri: None,
                };
                self.pass(need, passage);
            }
            None => {
                let refusal = if self.lacks_tasks(&need, view.as_ref()) {
                    Refusal::LacksCapability(TASKS_DECLARED)
                } else {
                    Refusal::UnknownTask(id.to_string())
                };
                self.refuse_caller(&need.caller, &refusal);
            }
        }
    }

    /// Whether a client may not ask of tasks here though others may: what a
    /// server would say to it, where there is none to say so.
    fn lacks_tasks(&self, need: &Need, view: Option<&View>) -> bool {
        let session = self.sessions.get(&need.caller.session);
        let hello = session.and_then(|session| session.hello.as_ref());
        let declares = hello.is_some_and(|hello| declares_tasks(&hello.capabilities));
        !declares && view.is_some_and(|view| self.has_tasks(view))
    }

    /// Whether a server of the stateless era begins tasks.
    pub(super) fn has_tasks(&self, view: &View) -> bool {
        self.servers_of_view(view).into_iter().any(|id| {
            let child = self.main_child(id);
            let hello = child
                .filter(|child| child.is_stateless())
                .and_then(|child| child.hello.as_ref());
            hello.is_some_and(|hello| declares_tasks(&hello.capabilities))
        })
    }
}

/// The capabilities of a client of the handshake era without tasks: it could do
/// nothing with those of either era.
pub(super) fn without_tasks(capabilities: &str) -> Cow<'_, str> {
    // Seldom is there a word of them, or an escape behind which there could be.
    if !capabilities.contains("tasks") && !capabilities.contains('\\') {
        return Cow::Borrowed(capabilities);
    }
    match serde_json::from_str::<Value>(capabilities) {
        Ok(Value::Object(mut members)) => {
            let had_old = members.remove("tasks").is_some();
            if take_extension(&mut members) || had_old {
                return Value::Object(members).to_string().into();
            }
            capabilities.into()
        }
        _ => "{}".into(),
    }
}

/// Takes the extension out of capabilities; says whether it was there.
pub(super) fn take_extension(capabilities: &mut Map<String, Value>) -> bool {
    let Some(Value::Object(extensions)) = capabilities.get_mut("extensions") else {
        return false;
    };
    let was_there = extensions.remove(TASKS).is_some();
    if was_there && extensions.is_empty() {
        capabilities.remove("extensions");
    }
    was_there
}
