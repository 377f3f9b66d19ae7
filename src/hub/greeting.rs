//! The first words to a process: `initialize` in the handshake era,
//! `server/discover` in the stateless one, and what its answer means. Where the
//! configuration does not say which it is, a throw-away process is asked first.

use crate::config::checked::{Protocol, Scope};
use crate::event::{Life, Reply};
use crate::hub::Hub;
use crate::hub::children::{Child, ChildId, Era, Running};
use crate::hub::lifecycle::{Happening, Phase};
use crate::hub::tasks::without_tasks;
use crate::limits;
use crate::wire::envelope::{Kind, Message};
use crate::wire::handshake::{self, Revision, ServerHello};
use crate::wire::method::Method;
use crate::wire::outgoing::{Change, Outgoing};
use crate::wire::own_id::Purpose;
use crate::wire::stateless;

/// What the gateway declares to a shared child: it can pass these questions on
/// to the one client they come from. Roots are never declared there: one
/// client's roots would become every client's.
const SHARED_CAPABILITIES: &str =
    r#"{"sampling":{"tools":{},"context":{}},"elicitation":{"form":{},"url":{}}}"#;

/// What it declares to the template child of a server whose sessions have
/// children of their own: everything, so that all it can offer is listed.
const TEMPLATE_CAPABILITIES: &str = r#"{"sampling":{"tools":{},"context":{}},"elicitation":{"form":{},"url":{}},"roots":{"listChanged":true}}"#;

/// What it declares in its own requests to a stateless child: everything, as
/// above. What a client can be asked is said with each request of a client.
const STATELESS_CAPABILITIES: &str =
    r#"{"sampling":{"tools":{},"context":{}},"elicitation":{"form":{},"url":{}},"roots":{}}"#;

/// Who the gateway says it is, to children and to clients.
pub(super) const OWN_INFO: &str = concat!(
    r#"{"name":"mcproxy","version":""#,
    env!("CARGO_PKG_VERSION"),
    r#""}"#
);

impl Hub {
    /// The process runs: it is greeted.
    pub(super) fn spawned(&mut self, id: ChildId, pid: u32) {
        log::debug!("{}: started, pid {pid}", self.label(id));
        let since = self.now;
        if let Some(child) = self.children.get_mut(id) {
            child.process = Some(Running { pid, since });
        }
        let Some(child) = self.children.get(id) else {
            return;
        };
        match child.era {
            Some(Era::Handshake) => {
                let (capabilities, info) = self.introduction(child);
                let params = handshake::initialize_params(Revision::LATEST, &capabilities, &info);
                self.send_own(id, Purpose::Initialize, Method::Initialize, Some(&params));
            }
            Some(Era::Stateless) | None => {
                self.send_own(id, Purpose::Discover, Method::Discover, None);
            }
        }
    }

    /// What the gateway says of itself, or of the client it stands for.
    fn introduction(&self, child: &Child) -> (String, String) {
        let hello = child
            .owner
            .as_ref()
            .and_then(|owner| self.sessions.get(owner))
            // It will work for other clients after this one.
            .filter(|session| session.lone.is_none())
            .and_then(|session| session.hello.as_ref());
        if let Some(hello) = hello {
            return (
                without_tasks(&hello.capabilities).into_owned(),
                hello.info.to_string(),
            );
        }
        let capabilities = match (child.era, self.server_of(child).scope) {
            (Some(Era::Stateless) | None, _) => STATELESS_CAPABILITIES,
            (Some(Era::Handshake), Scope::Shared) => SHARED_CAPABILITIES,
            (Some(Era::Handshake), Scope::Session) => TEMPLATE_CAPABILITIES,
        };
        (capabilities.to_owned(), OWN_INFO.to_owned())
    }

    /// What a request of the gateway's own must say of it to a child of the
    /// stateless era, or to one that is asked whether it is of that era.
    pub(super) fn own_introduction(&self, id: ChildId, message: &Message) -> Option<Change> {
        let child = self.children.get(id)?;
        if child.era == Some(Era::Handshake) {
            return None;
        }
        let (capabilities, info) = self.introduction(child);
        stateless::introduction(message, &capabilities, &info, None)
    }

    /// It has answered its greeting.
    pub(super) fn greeting_answered(&mut self, id: ChildId, reply: Reply) {
        match self.children.get(id).map(|child| child.phase) {
            Some(Phase::Probing) => self.era_told(id, &reply),
            Some(Phase::Starting) => match reply {
                Reply::Hello(hello) => self.greeted(id, hello),
                Reply::Refused { why, stateless } => self.refused(id, &why, stateless),
                Reply::Failed(why) => self.misunderstood(id, &why),
                Reply::Page(_) | Reply::Done => {}
            },
            // It was not waited for any more, or it answers twice.
            _ => {}
        }
    }

    /// The throw-away process has told in which era its server is spoken to:
    /// what it answers other than as the stateless era does is an answer of the
    /// handshake era (2026-07-28, transports, stdio, "Backward Compatibility").
    fn era_told(&mut self, id: ChildId, reply: &Reply) {
        let (era, happening) = match reply {
            Reply::Hello(_) => (Era::Stateless, Happening::HelloGood),
            Reply::Refused {
                stateless: true, ..
            } => (Era::Stateless, Happening::HelloBad),
            _ => (Era::Handshake, Happening::HelloBad),
        };
        let Some(child) = self.children.get(id) else {
            return;
        };
        self.eras.insert(child.server, era);
        log::debug!("{}: speaks the {} era", self.label(id), era.name());
        self.happen(id, happening);
    }

    fn greeted(&mut self, id: ChildId, hello: Box<ServerHello>) {
        if let Some(child) = self.children.get_mut(id) {
            child.hello = Some(hello);
        }
        self.happen(id, Happening::HelloGood);
    }

    /// It has answered with an error: perhaps it was spoken to in the wrong era.
    fn refused(&mut self, id: ChildId, why: &str, stateless: bool) {
        let Some(child) = self.children.get(id) else {
            return;
        };
        let (server, era) = (child.server, child.era);
        let trouble = match (child.era, self.server_of(child).protocol) {
            (Some(Era::Stateless), Protocol::Modern) => format!(
                "does not speak {}, though its \"protocol\" is \"modern\" ({why}); \
                 try \"legacy\" or \"auto\"",
                stateless::VERSION
            ),
            (Some(Era::Handshake), Protocol::Legacy) if stateless => format!(
                "speaks {} only ({why}); its \"protocol\" must be \"modern\" or \"auto\"",
                stateless::VERSION
            ),
            _ => format!("cannot be used: {why}"),
        };
        self.trouble(id, trouble);
        self.happen(id, Happening::HelloBad);
        // One too slow for the probe tells its era here; another probe would
        // be too short again.
        if stateless && era == Some(Era::Handshake) {
            self.eras.insert(server, Era::Stateless);
        }
    }

    fn misunderstood(&mut self, id: ChildId, why: &str) {
        let hint = self.hint(id);
        self.trouble(id, format!("cannot be used: {why}{hint}"));
        self.happen(id, Happening::HelloBad);
    }

    /// What else is said of one that did not start as its `protocol` promises.
    pub(super) fn hint(&self, id: ChildId) -> &'static str {
        let protocol = self.children.get(id).map(|c| self.server_of(c).protocol);
        match protocol {
            Some(Protocol::Modern) => "; its \"protocol\" is \"modern\"",
            Some(Protocol::Legacy | Protocol::Auto) | None => "",
        }
    }

    /// It serves from now on.
    pub(super) fn serve(&mut self, id: ChildId) {
        self.unpark(id);
        if let Some(child) = self.children.get_mut(id) {
            child.served = true;
        }
        if self.children.get(id).is_some_and(Child::is_stateless) {
            // Before the lists are read, so that no change is missed.
            self.review_hearing(id);
        } else {
            let message = Message::build(Kind::Notification(Method::Initialized), None);
            self.send_child(id, Outgoing::plain(message.into()));
        }
        self.read_lists(id);
        self.restore(id);
        self.send_held(id);
        self.watch(id);
    }

    /// Its start has taken too long; or, if it has greeted, its lists have.
    pub(super) fn startup_overdue(&mut self, life: Life) {
        let Some(id) = self.children.of_life(life) else {
            return;
        };
        let Some(child) = self.children.get_mut(id) else {
            return;
        };
        child.startup = None;
        let (phase, era) = (child.phase, child.era);
        let seconds = self.server_of_id(id).startup_timeout.as_secs_f64();
        match phase {
            Phase::Ready => self.give_up_lists(id, seconds),
            // It has greeted, and its lists are wanted no more.
            Phase::Yielding | Phase::Leaving => {}
            Phase::Probing => {
                let seconds = limits::PROBE_WAIT.as_secs();
                log::debug!(
                    "{}: has not answered \"server/discover\" within {seconds} s",
                    self.label(id)
                );
                self.happen(id, Happening::TooSlow);
            }
            _ => {
                let greeting = match era {
                    Some(Era::Stateless) => "server/discover",
                    Some(Era::Handshake) | None => "initialize",
                };
                let hint = self.hint(id);
                self.trouble(
                    id,
                    format!(
                        "has not answered {greeting:?} within {seconds} s (\"startup_timeout\"){hint}"
                    ),
                );
                self.happen(id, Happening::TooSlow);
            }
        }
    }
}
