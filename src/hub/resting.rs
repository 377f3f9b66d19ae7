//! Servers that nobody needs at present have no process: which those are, what
//! is shown of them meanwhile, and what of that outlives the gateway.
//!
//! A server is *lazy* if it is started by its first call only. Its lists are
//! remembered from an earlier life, in an earlier gateway if need be; one of
//! which nothing is remembered is started once for its lists. A server that has
//! an `idle_stop` goes to sleep when it has had no call for so long; the looking
//! is in `watching`. One that offers nothing does not sleep, for no call could
//! wake it: it alone can tell when that changes.
//!
//! Lists and greeting that are remembered from an earlier gateway stand for those
//! of a server that is still in its first start, too: capabilities and
//! instructions as well as tools. They come from a process that was started with
//! the very same command, and the sessions that outlived that gateway were told
//! the same. A server that has changed all the same tells so by its lists as soon
//! as they are read, and no request is refused for a capability that was not
//! declared. To hold back `initialize` for the sake of those would be to hold
//! back the lists, which come after it.

use crate::config::checked::Protocol;
use crate::event::Effect;
use crate::hub::Hub;
use crate::hub::children::{Child, ChildId, Era};
use crate::hub::lifecycle::Phase;
use crate::record::{Lists, Record};
use crate::seal;
use crate::sorted::SortedMap;
use crate::wire::handshake::ServerHello;
use crate::wire::items::{Item, ItemKind};

/// What was kept of a server's lists, in short: enough to see that it is still
/// the same.
pub type Kept = [u8; 32];

impl Hub {
    /// Whether a child is to have a process though nobody calls it just now.
    pub(super) fn is_needed(&self, child: &Child) -> bool {
        let server = self.server_of(child);
        let is_known = child.learned == Some(server.fingerprint);
        // Nobody can call what is hidden: only a start that succeeds brings it back.
        // Nor what offers nothing, as long as nobody has signed in to it, say.
        let cannot_be_called = self.is_hidden(child) || child.offer.is_empty();
        !server.is_lazy || !is_known || cannot_be_called || is_awaited(child)
    }

    /// The first start of a server, or none if it is lazy and known.
    pub(super) fn start_or_sleep(&mut self, id: ChildId) {
        if self
            .children
            .get(id)
            .is_some_and(|child| self.is_needed(child))
        {
            return self.start_due(id);
        }
        if let Some(child) = self.children.get_mut(id) {
            // Born asleep: nothing has happened to it yet.
            child.phase = Phase::Asleep;
            child.settled = true;
        }
        self.observe(id);
        log::info!(
            "{}: starts with its first call; {} remembered",
            self.label(id),
            self.offers(id)
        );
    }

    /// It has no process, and nobody needed one.
    pub(super) fn sleep(&mut self, id: ChildId) {
        let Some(child) = self.children.get_mut(id) else {
            return;
        };
        // The next call is its next trial.
        child.parked = false;
        child.was_called = !child.held.is_empty();
        if is_awaited(child) {
            self.start_due(id);
        } else {
            log::info!("{}: asleep until its next call", self.label(id));
        }
    }

    /// A child that sleeps is started by its first call.
    pub(super) fn wake(&mut self, id: ChildId) {
        let phase = self.children.get(id).map(|child| child.phase);
        if matches!(phase, Some(Phase::Asleep | Phase::Dozing)) {
            self.start_due(id);
        }
    }

    /// Gives a new child what an earlier gateway kept of a server that was
    /// started with the same.
    pub(super) fn recall(&mut self, child: &mut Child) {
        let server = self.server_of(child);
        let (name, protocol) = (server.name.clone(), server.protocol);
        let fingerprint = server.fingerprint;
        let Some(lists) = self.recalled.remove(&name) else {
            return;
        };
        if lists.fingerprint != fingerprint {
            return;
        }
        let kept = lists.items.iter();
        let kept = kept
            .map(|(kind, items)| (*kind, items.as_slice()))
            .collect();
        child.kept = Some(digest(fingerprint, &lists.hello, &kept));
        for (kind, items) in lists.items {
            child.offer.replace(kind, items);
        }
        let era = match lists.hello.revision {
            Some(_) => Era::Handshake,
            None => Era::Stateless,
        };
        child.era = Some(era);
        if protocol == Protocol::Auto {
            self.eras.insert(child.server, era);
        }
        child.hello = Some(Box::new(lists.hello));
        child.learned = Some(fingerprint);
    }

    /// All lists of a child were read: they are kept for the gateway after this
    /// one, if they are others than those that are.
    pub(super) fn keep_lists(&mut self, id: ChildId) {
        let Some(child) = self.children.get(id).filter(|child| !child.is_extra()) else {
            return;
        };
        let Some(hello) = child.hello.as_deref() else {
            return;
        };
        let server = self.server_of(child);
        let fingerprint = server.fingerprint;
        // What could not be read now may be known from before.
        let is_told = |kind: &ItemKind| {
            hello.has.declares(*kind)
                && !(child.unread.contains_key(kind) && child.offer.items(*kind).is_empty())
        };
        let kinds = ItemKind::ALL.into_iter().filter(is_told);
        let items: SortedMap<ItemKind, &[Item]> =
            kinds.map(|kind| (kind, child.offer.items(kind))).collect();
        let kept = digest(fingerprint, hello, &items);
        let record = (child.kept != Some(kept)).then(|| Record::Lists {
            server: server.name.clone(),
            lists: Box::new(Lists {
                fingerprint,
                hello: hello.clone(),
                items: items
                    .iter()
                    .map(|(kind, items)| (*kind, items.to_vec()))
                    .collect(),
            }),
        });
        self.effects.extend(record.map(Effect::Keep));
        if let Some(child) = self.children.get_mut(id) {
            child.learned = Some(fingerprint);
            child.kept = Some(kept);
        }
    }
}

/// Whether somebody waits for a child, or wants to be told of its resources.
fn is_awaited(child: &Child) -> bool {
    !child.held.is_empty() || !child.subscribers.is_empty()
}

fn digest(fingerprint: u64, hello: &ServerHello, items: &SortedMap<ItemKind, &[Item]>) -> Kept {
    let fingerprint = fingerprint.to_be_bytes();
    let hello = format!("{hello:?}");
    let mut parts: Vec<&[u8]> = vec![&fingerprint, hello.as_bytes()];
    for (kind, items) in items {
        parts.push(kind.noun().as_bytes());
        parts.extend(items.iter().map(|item| item.json.as_bytes()));
    }
    seal::digest(&parts)
}
