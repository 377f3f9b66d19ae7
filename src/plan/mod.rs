//! What the parts that run must know of the configuration, and nothing of how
//! it was written: the plan of the hub, which knows no command and no
//! environment, and the recipes by which children are started. `draft` draws
//! them from a configuration, and from the one that takes its place; `changes`
//! tells what the one means to what the other has running.

pub mod changes;
pub mod draft;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::time::Duration;

use crate::config::checked::{Protocol, Scope, ToolRules};
use crate::event::ServerId;
use crate::event::ids::IdMap;
use crate::sorted::SortedMap;

/// What is drawn from one configuration.
#[derive(Debug, Clone)]
pub struct Drawn {
    /// For the hub.
    pub plan: Plan,
    /// How to start the child of each server that can run.
    pub recipes: SortedMap<ServerId, Recipe>,
}

/// Everything the hub is told of the configuration.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The servers.
    pub servers: Servers,
    /// Named selections of servers, by the servers' names.
    pub groups: SortedMap<String, Vec<String>>,
    /// How long a served name may be, in bytes.
    pub tool_name_max: usize,
    /// How many calls may wait for one child, in its queue and in the hub.
    pub queue_max: usize,
    /// How many children `scope: session` may have alive, all together.
    pub processes_max: usize,
    /// How long a client's first list waits for servers in their first start.
    pub connection_timeout: Duration,
    /// How long `initialize` on a merged view waits for them, for what they say
    /// of themselves.
    pub instructions_wait: Duration,
    /// The wait before the second start; it doubles from there.
    pub reconnect_delay: Duration,
    /// After how many failed starts in a row a server is parked.
    pub reconnect_attempts_max: u32,
    /// How long an idle child may be silent before it is asked whether it lives.
    pub ping_interval: Duration,
}

/// One server of the plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerPlan {
    /// Its name in the configuration.
    pub name: String,
    /// What its names are prefixed with; empty for none.
    pub prefix: String,
    /// One child for all, or one a session.
    pub scope: Scope,
    /// In which era it is spoken to.
    pub protocol: Protocol,
    /// Which tools are shown, and under which names.
    pub tools: ToolRules,
    /// How long a start may take, from spawn to the answer to `initialize`.
    pub startup_timeout: Duration,
    /// How long a call may take, counted anew at each progress notification.
    pub timeout: Duration,
    /// How many calls are sent to one child at a time.
    pub concurrent_max: usize,
    /// Whether it is started by the first call only.
    pub is_lazy: bool,
    /// After how long without a call it is stopped, if ever.
    pub idle_stop: Option<Duration>,
    /// Whether what it offers stays listed while it is parked.
    pub listed_when_parked: bool,
    /// Whether it is asked now and then if it still lives.
    pub is_pinged: bool,
    /// Whether it can run.
    pub readiness: Readiness,
    /// What is wrong with the entry that would have taken this one's place, in
    /// one sentence, if this one goes on because of that.
    pub fault: Option<String>,
    /// Tells what its processes are started with. Another means that those
    /// that run are out of date.
    pub fingerprint: u64,
}

/// Whether a server can run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Readiness {
    /// It is to be kept running.
    Enabled,
    /// The configuration turns it off.
    Disabled,
    /// Its entry has errors; they are named here, in one sentence.
    Misconfigured(String),
}

/// The servers of a plan: found by their ids, told in the order of the
/// configuration.
#[derive(Debug, Clone, Default)]
pub struct Servers {
    book: IdMap<ServerId, ServerPlan>,
    order: Vec<ServerId>,
    /// What servers were that the configuration names no more.
    gone: SortedMap<ServerId, ServerPlan>,
}

impl Servers {
    /// Enters a server behind the others.
    pub fn push(&mut self, id: ServerId, server: ServerPlan) {
        if self.book.insert(id, server).is_none() {
            self.order.push(id);
        }
    }

    /// The server of that id, also if the configuration names it no more.
    pub fn get(&self, id: ServerId) -> Option<&ServerPlan> {
        self.book.get(&id).or_else(|| self.gone.get(&id))
    }

    /// The server of that id, to change it.
    pub fn get_mut(&mut self, id: ServerId) -> Option<&mut ServerPlan> {
        self.book.get_mut(&id)
    }

    /// All that the configuration names, in no order that means anything, to
    /// change them.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut ServerPlan> {
        self.book.values_mut()
    }

    /// Whether the configuration still names the server of that id.
    pub fn names(&self, id: ServerId) -> bool {
        self.book.contains_key(&id)
    }

    /// Whether the configuration names it and wants it to run.
    pub fn runs(&self, id: ServerId) -> bool {
        let server = self.book.get(&id);
        server.is_some_and(|server| server.readiness == Readiness::Enabled)
    }

    /// The server of that name.
    pub fn by_name(&self, name: &str) -> Option<(ServerId, &ServerPlan)> {
        self.iter().find(|(_, server)| server.name == name)
    }

    /// All that the configuration names, in its order.
    pub fn iter(&self) -> impl Iterator<Item = (ServerId, &ServerPlan)> {
        self.order.iter().map(|id| (*id, &self.book[id]))
    }

    /// How many it names.
    pub fn len(&self) -> usize {
        self.order.len()
    }

    /// Whether it names none.
    pub fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    /// Keeps of the servers before these what they were that are not among
    /// them, while processes of theirs are on their way out. They are found by
    /// their ids only. Returns all that are kept.
    pub fn succeed(&mut self, before: Servers) -> Vec<ServerId> {
        for (id, server) in before.gone.into_iter().chain(before.book) {
            if !self.book.contains_key(&id) {
                self.gone.insert(id, server);
            }
        }
        self.gone.keys().copied().collect()
    }

    /// Forgets what such a server was.
    pub fn forget(&mut self, id: ServerId) {
        self.gone.remove(&id);
    }

    /// Which are kept so.
    pub fn gone(&self) -> impl Iterator<Item = ServerId> {
        self.gone.keys().copied()
    }
}

/// How a child is started: everything that a life needs to know of the
/// configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recipe {
    /// The server's name, for the names of threads and the log.
    pub name: String,
    /// The program: a path, or a name that is looked up in the `PATH` of `env`.
    pub program: PathBuf,
    /// Its arguments, without the program itself.
    pub args: Vec<String>,
    /// Its whole environment; nothing is inherited.
    pub env: Vec<(String, String)>,
    /// Its working directory; the gateway's own if absent.
    pub cwd: Option<PathBuf>,
    /// The longest line taken from its stdout, in bytes (`max_child_message_size`).
    pub line_max: usize,
    /// How long it may leave its stdin unread before that is reported.
    pub message_timeout: Duration,
    /// How many messages may wait for it.
    pub queue_slots: usize,
    /// After how many messages taken from its queue that is reported. What is
    /// taken and not yet reported is always less.
    pub taken_messages: u32,
}
