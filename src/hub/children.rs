//! The children: each is a place that one life after another fills. Here is
//! what is known of them; `upkeep` acts on it.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::catalog::left_out::Sentences;
use crate::catalog::offer::Offer;
use crate::event::ids::IdMap;
use crate::event::{Life, Load, Moment, ServerId, SessionKey};
use crate::hub::condition::{Condition, Seen};
use crate::hub::lifecycle::Phase;
use crate::hub::resting::Kept;
use crate::hub::timers::TimerKey;
use crate::limits;
use crate::seats::{Seat, Seats};
use crate::sorted::{SortedMap, SortedSet};
use crate::wire::handshake::ServerHello;
use crate::wire::items::{Item, ItemKind};
use crate::wire::log_level::LogLevel;
use crate::wire::outgoing::Outgoing;
use crate::wire::own_id::OwnId;
use crate::wire::stateless::Filter;

/// In which era a process is spoken to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Era {
    /// The handshake era: it was greeted with `initialize`.
    Handshake,
    /// The stateless era, 2026-07-28: whatever it is asked says who asks.
    Stateless,
}

impl Era {
    /// What the log calls it.
    pub fn name(self) -> &'static str {
        match self {
            Era::Handshake => "handshake",
            Era::Stateless => "stateless",
        }
    }
}

/// The name of a child's place; never reused, though its seat is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ChildId {
    serial: u32,
    /// Where it sits, as another may after it.
    seat: Seat,
}

impl ChildId {
    /// Its number: the first child that ever was has 1.
    pub fn serial(self) -> u32 {
        self.serial
    }
}

/// That a child is put by.
#[derive(Debug, Clone, Copy)]
pub struct Spare {
    /// Since when.
    pub since: Moment,
    /// When it has been for long enough.
    pub timer: TimerKey,
}

/// A process that runs.
#[derive(Debug, Clone, Copy)]
pub struct Running {
    /// Its process id.
    pub pid: u32,
    /// Since when.
    pub since: Moment,
}

/// A call that is held back.
#[derive(Debug)]
pub struct Held {
    /// Which.
    pub id: OwnId,
    /// The request.
    pub message: Outgoing,
}

impl Held {
    /// How many bytes it holds.
    pub fn len_max(&self) -> u64 {
        self.message.len_max() as u64
    }
}

/// One child.
#[derive(Debug)]
pub struct Child {
    /// The server it is a process of.
    pub server: ServerId,
    /// The session whose own it is; none for a shared child, and for the
    /// template of a server with `scope: session`.
    pub owner: Option<SessionKey>,
    /// If it was lent to a stateless request, and is put by for the next.
    pub spare: Option<Spare>,
    /// Where it stands.
    pub phase: Phase,
    /// Its life, or the last one it had.
    pub life: Life,
    /// The process of its life, as long as it runs.
    pub process: Option<Running>,
    /// When its phase began.
    pub since: Moment,
    /// How it was last seen to do, and since when.
    pub seen: Seen,
    /// In which era its life is spoken to; none while that is being found out.
    pub era: Option<Era>,
    /// What it said of itself, in its last life that said anything.
    pub hello: Option<Box<ServerHello>>,
    /// What it offers; kept over its lives, so that tools stay listed while it
    /// is being restarted.
    pub offer: Offer,
    /// What of each list, as it was last read, cannot be offered, in sentences.
    pub left_out: SortedMap<ItemKind, Vec<String>>,
    /// Why each list that was not told when last asked for is as it was before.
    pub unread: SortedMap<ItemKind, String>,
    /// The lists that are being read.
    pub reading: SortedMap<ItemKind, Reading>,
    /// The lists that have changed and will be read when the burst is over.
    pub stale: SortedSet<ItemKind>,
    /// Whether its first start is over, for good or ill.
    pub settled: bool,
    /// Whether its life has served.
    pub served: bool,
    /// Whether its first start was asked for while the gateway ran: no list waits
    /// for that, for clients are told when it is there.
    pub is_added: bool,
    /// Lives that have failed in a row, without a stable one between them.
    pub failures: u32,
    /// Whether it has failed so often that nothing waits for its starts.
    pub parked: bool,
    /// When it is started again, if it waits for that.
    pub retry: Option<TimerKey>,
    /// When a word of it was last heard.
    pub heard: Moment,
    /// When it was last pinged, if no word has come since.
    pub pinged: Option<Moment>,
    /// How many pings in a row its life has not answered.
    pub missed: u8,
    /// Whether a life of it has ever said a word after a ping.
    pub answers_pings: bool,
    /// How many lives were ended for pings, while none was ever answered.
    pub lost_to_pings: u32,
    /// Since when it owes the answer to a call whose time is over, if no word has
    /// come since.
    pub overdue: Option<Moment>,
    /// When a call of it last came or ended, or its lists were read.
    pub used: Moment,
    /// Whether it has had a call since it last slept.
    pub was_called: bool,
    /// With what the life was started whose lists these are, or those were
    /// remembered from.
    pub learned: Option<u64>,
    /// What is kept of its lists beyond the end of the gateway, in short.
    pub kept: Option<Kept>,
    /// Why it does not run, or last did not.
    pub trouble: Option<String>,
    /// Calls that wait for it to be ready, or to have fewer under way.
    pub held: VecDeque<Held>,
    /// How many bytes these calls hold.
    pub held_bytes: u64,
    /// Calls it was sent and has not answered, abandoned ones included.
    pub under_way: SortedSet<OwnId>,
    /// What lies in its queue, as far as is known here.
    pub load: Load,
    /// How many calls may lie there: what the plan said when its life began.
    pub queue_max: usize,
    /// Whether messages for it were dropped since it last took any.
    pub is_flooded: bool,
    /// Answers to what it asks, which wait until it has read.
    pub words: VecDeque<Outgoing>,
    /// Since when first requests have waited for its first start.
    pub awaited: Moment,
    /// The deadline of its start.
    pub startup: Option<TimerKey>,
    /// How its process ended, where that is known but its last word is not.
    pub ended: Option<String>,
    /// Whether its stdout has ended.
    pub silent: bool,
    /// The log level it was set to.
    pub level: Option<LogLevel>,
    /// Who has subscribed to which of its resources.
    pub subscribers: SortedMap<Arc<str>, SortedSet<SessionKey>>,
    /// Whom this life has lately asked to open a URL, by the name it gave each
    /// of these questions, oldest first.
    pub urls: VecDeque<(Box<str>, SessionKey)>,
    /// What it is asked to tell of, if it speaks the stateless era.
    pub hearing: Hearing,
}

/// What a child of the stateless era is asked to tell of: one request that
/// stays open, and, when something else is wanted, a second one beside it until
/// that is acknowledged.
#[derive(Debug, Default)]
pub struct Hearing {
    /// The request that was acknowledged and is open.
    pub open: Option<Listening>,
    /// The one that was sent to take its place.
    pub opening: Option<Listening>,
    /// When this is looked at again.
    pub timer: Option<TimerKey>,
    /// Whether the child does not serve such requests.
    pub refused: bool,
    /// What sessions have subscribed to and a refused request was the first to
    /// name; it is not asked for again while anybody wants it.
    pub unwelcome: SortedSet<String>,
    /// Whether changes may have gone untold since the lists were read.
    pub gap: bool,
    /// How often in a row one has ended soon after it began.
    pub failures: u32,
}

/// A `subscriptions/listen` of the gateway's own.
#[derive(Debug)]
pub struct Listening {
    /// The request.
    pub request: OwnId,
    /// What it asks to be told.
    pub filter: Filter,
    /// When it was sent, or, once it was acknowledged, when that was.
    pub since: Moment,
}

/// A list that is being read, page by page.
#[derive(Debug)]
pub struct Reading {
    /// The request for the page under way.
    pub request: OwnId,
    /// The items so far.
    pub items: Vec<Item>,
    /// What of them cannot be offered.
    pub left_out: Sentences,
    /// How many bytes they have.
    pub bytes: usize,
    /// How many pages so far.
    pub pages: u32,
    /// The deadline of the page under way.
    pub timer: Option<TimerKey>,
}

impl Child {
    /// A child that has yet to be started.
    pub fn new(server: ServerId, owner: Option<SessionKey>, now: Moment) -> Child {
        Child {
            server,
            owner,
            spare: None,
            phase: Phase::Waiting,
            life: Life(0),
            process: None,
            since: now,
            seen: Seen {
                condition: Condition::Starting,
                since: now,
            },
            era: None,
            hello: None,
            offer: Offer::default(),
            left_out: SortedMap::new(),
            unread: SortedMap::new(),
            reading: SortedMap::new(),
            stale: SortedSet::new(),
            settled: false,
            served: false,
            is_added: false,
            failures: 0,
            parked: false,
            retry: None,
            heard: now,
            pinged: None,
            missed: 0,
            answers_pings: false,
            lost_to_pings: 0,
            overdue: None,
            used: now,
            awaited: now,
            was_called: false,
            learned: None,
            kept: None,
            trouble: None,
            held: VecDeque::new(),
            held_bytes: 0,
            under_way: SortedSet::new(),
            load: Load::default(),
            queue_max: 0,
            is_flooded: false,
            words: VecDeque::new(),
            startup: None,
            ended: None,
            silent: false,
            level: None,
            subscribers: SortedMap::new(),
            urls: VecDeque::new(),
            hearing: Hearing::default(),
        }
    }

    /// Holds a call back, behind the others.
    pub fn hold(&mut self, held: Held) {
        self.held_bytes += held.len_max();
        self.held.push_back(held);
    }

    /// Takes out the call that was held back for longest, which is under way from now on.
    pub fn begin_next(&mut self) -> Option<Held> {
        let held = self.held.pop_front()?;
        self.held_bytes -= held.len_max();
        self.under_way.insert(held.id);
        Some(held)
    }

    /// Strikes out a call, if it is held back.
    pub fn drop_held(&mut self, id: OwnId) {
        let place = self.held.iter().position(|held| held.id == id);
        if let Some(held) = place.and_then(|place| self.held.remove(place)) {
            self.held_bytes -= held.len_max();
        }
    }

    /// Takes out all calls that are held back.
    pub fn take_held(&mut self) -> VecDeque<Held> {
        self.held_bytes = 0;
        std::mem::take(&mut self.held)
    }

    /// Whether it is one beside the child that all share, or that lists come from.
    pub fn is_extra(&self) -> bool {
        self.owner.is_some() || self.spare.is_some()
    }

    /// Whether its life is spoken to in the stateless era.
    pub fn is_stateless(&self) -> bool {
        self.era == Some(Era::Stateless)
    }

    /// Whether it has been ready for so long that its failures are forgotten.
    pub fn is_stable(&self, now: Moment) -> bool {
        self.phase == Phase::Ready && now.since(self.since) >= limits::STABLE_LIFE
    }

    /// Whether its queue has room for an answer to what it asks: calls have half
    /// of the places to themselves.
    pub fn has_room_for_words(&self) -> bool {
        (self.load.messages as usize) < (self.queue_max / 2).max(1)
    }

    /// Whether a process of it may be alive.
    pub fn has_process(&self) -> bool {
        self.phase.has_process()
    }
}

/// All children, and which of them the words of a life belong to.
#[derive(Debug, Default)]
pub struct Children {
    /// Boxed, for they are large.
    seats: Seats<(ChildId, Box<Child>)>,
    /// Those in the book, in the order they were made.
    order: Vec<ChildId>,
    lives: IdMap<Life, ChildId>,
    serial: u32,
    last_life: u64,
}

impl Children {
    /// Enters a child.
    pub fn insert(&mut self, child: Child) -> ChildId {
        self.serial += 1;
        let serial = self.serial;
        let entered = |seat| (ChildId { serial, seat }, Box::new(child));
        let seat = self.seats.insert_with(entered);
        let id = ChildId { serial, seat };
        self.order.push(id);
        id
    }

    /// Begins a new life of a child.
    pub fn begin_life(&mut self, id: ChildId) -> Option<Life> {
        let life = Life(self.last_life + 1);
        let child = self.get_mut(id)?;
        child.life = life;
        child.process = None;
        child.ended = None;
        child.silent = false;
        child.level = None;
        child.urls.clear();
        child.pinged = None;
        child.missed = 0;
        child.overdue = None;
        child.served = false;
        self.last_life = life.0;
        self.lives.insert(life, id);
        Some(life)
    }

    /// Ends a life: its words mean nothing from here on, and what it has not
    /// read will never be.
    pub fn end_life(&mut self, life: Life) {
        let id = self.lives.remove(&life);
        if let Some(child) = id.and_then(|id| self.get_mut(id)) {
            child.load = Load::default();
            child.words.clear();
            child.is_flooded = false;
        }
    }

    /// How many lives there are.
    #[cfg(test)]
    pub fn lives(&self) -> usize {
        self.lives.len()
    }

    /// The child whose present life this is.
    pub fn of_life(&self, life: Life) -> Option<ChildId> {
        self.lives.get(&life).copied()
    }

    /// The child whose present life this is, itself.
    pub fn living(&self, life: Life) -> Option<&Child> {
        self.get(self.of_life(life)?)
    }

    /// The child of that id.
    pub fn get(&self, id: ChildId) -> Option<&Child> {
        let (there, child) = self.seats.get(id.seat)?;
        (*there == id).then_some(child)
    }

    /// The child of that id, to change it.
    pub fn get_mut(&mut self, id: ChildId) -> Option<&mut Child> {
        let (there, child) = self.seats.get_mut(id.seat)?;
        (*there == id).then_some(child)
    }

    /// Strikes a child out.
    pub fn remove(&mut self, id: ChildId) -> Option<Box<Child>> {
        self.get(id)?;
        // Ids grow, so the order is sorted.
        if let Ok(place) = self.order.binary_search(&id) {
            self.order.remove(place);
        }
        self.seats.remove(id.seat).map(|(_, child)| child)
    }

    /// All of them, in the order they were made.
    pub fn iter(&self) -> impl Iterator<Item = (ChildId, &Child)> {
        let ids = self.order.iter().copied();
        ids.filter_map(|id| Some((id, self.get(id)?)))
    }

    /// The ids of all of them.
    pub fn ids(&self) -> Vec<ChildId> {
        self.order.clone()
    }
}
