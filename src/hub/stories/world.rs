//! The world around the hub, for stories: a clock that is moved by hand, and a
//! witness that holds every effect against what dispatcher, doors and children
//! rely on. Who acts in it is in `cast`, what is written down in `trace`.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use crate::config::checked::{Protocol, Scope, ToolRules};
use crate::event::report::Told;
use crate::event::{
    Effect, Event, Life, Load, Moment, OutboxId, Parcel, Report, ServerId, SessionKey, View,
};
use crate::hub::stories::cast::Offers;
use crate::hub::stories::reviving::remembered;
use crate::hub::stories::simulation::counts;
use crate::hub::{Hub, Outset};
use crate::plan::{Plan, Readiness, ServerPlan, Servers};
use crate::record::{Recalled, Record};
use crate::seal::Seal;
use crate::sorted::SortedMap;
use crate::wire::envelope::Kind;
use crate::wire::outgoing::Patch;

/// How many ticks may follow each other in one wait. More means that the hub
/// asks for the same moment again and again.
const TICKS_MAX: u32 = 100_000;

/// Up to how many sessions the books are swept after each event.
const SESSIONS_SWEPT: usize = 100;

/// The hub, and all that it believes to be around it.
pub(super) struct World {
    pub(super) hub: Hub,
    pub(super) now: Moment,
    pub(super) plan: Plan,
    /// What each server offers when it is asked.
    pub(super) offers: BTreeMap<String, Offers>,
    /// What was done and not yet looked at.
    pub(super) deeds: Vec<(Moment, Effect)>,
    /// What was to be kept beyond the end of the process.
    pub(super) kept: Vec<Record>,
    /// What the doors have written and not told of.
    pub(super) untold: Vec<(OutboxId, Load)>,
    pub(super) lives: BTreeMap<Life, Incarnation>,
    pub(super) clients: BTreeMap<String, Client>,
    pub(super) exchanges: HashMap<OutboxId, Exchange>,
    pub(super) finished: bool,
    /// How many processes there were before this one.
    restarts: u64,
    /// The wall-clock time at moment zero, since 1970.
    pub(super) unix: Duration,
    /// The most that any plan so far has allowed.
    pub(super) ceilings: Ceilings,
    effects: Vec<Effect>,
}

/// A life as the world sees it.
#[derive(Debug)]
pub(super) struct Incarnation {
    /// Such as `git.1`.
    pub(super) name: String,
    pub(super) server: ServerId,
    /// Whether others shared it when it began.
    scope: Scope,
    /// The numbers of the requests it was sent, in order: its `#1`, `#2`, …
    pub(super) requests: Vec<(u64, String)>,
    pub(super) buried: bool,
}

/// A client as the world sees it.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) connection: u64,
    /// How many exchanges it has begun.
    pub(super) exchanges: u32,
    pub(super) view: View,
    /// What it sends as `MCP-Protocol-Version`.
    pub(super) version: Option<String>,
    pub(super) session: Option<SessionKey>,
    /// The stream that carries its whole session.
    pub(super) whole: Option<OutboxId>,
}

/// An exchange with a door.
#[derive(Debug)]
pub(super) struct Exchange {
    /// Such as `ann.2`.
    pub(super) name: String,
    pub(super) client: String,
    /// Whether the hub has ended it.
    pub(super) over: bool,
    /// Whether the client has left it.
    pub(super) left: bool,
}

/// A plan of shared servers with these names, and the defaults of a
/// configuration that says nothing.
pub(super) fn plan(names: &[&str]) -> Plan {
    let server = |name: &str| ServerPlan {
        name: name.to_owned(),
        prefix: name.to_owned(),
        scope: Scope::Shared,
        protocol: Protocol::Legacy,
        tools: ToolRules::default(),
        startup_timeout: Duration::from_secs(60),
        timeout: Duration::from_secs(30),
        concurrent_max: 1_000,
        is_lazy: false,
        idle_stop: None,
        listed_when_parked: true,
        is_pinged: false,
        readiness: Readiness::Enabled,
        fault: None,
        fingerprint: 1,
    };
    let mut servers = Servers::default();
    for (id, name) in (0..).map(ServerId).zip(names) {
        servers.push(id, server(name));
    }
    Plan {
        servers,
        groups: SortedMap::new(),
        tool_name_max: 64,
        queue_max: 1_000,
        processes_max: 10,
        connection_timeout: Duration::from_secs(30),
        instructions_wait: Duration::ZERO,
        reconnect_delay: Duration::from_secs(1),
        reconnect_attempts_max: 3,
        ping_interval: Duration::from_secs(15),
    }
}

/// Stories speak of a server by its place in their plan, which is its number.
impl std::ops::Index<usize> for Servers {
    type Output = ServerPlan;

    fn index(&self, at: usize) -> &ServerPlan {
        let id = ServerId(u32::try_from(at).expect("few servers"));
        self.get(id).expect("the story's plan has it")
    }
}

impl std::ops::IndexMut<usize> for Servers {
    fn index_mut(&mut self, at: usize) -> &mut ServerPlan {
        let id = ServerId(u32::try_from(at).expect("few servers"));
        self.get_mut(id).expect("the story's plan has it")
    }
}

/// The most that the limits of several plans allow, for a smaller limit takes
/// nothing away that is there.
#[derive(Debug, Default)]
pub(super) struct Ceilings {
    pub(super) queue: usize,
    pub(super) processes: usize,
    pub(super) concurrent: usize,
    pub(super) servers: usize,
    pub(super) views: usize,
}

impl Ceilings {
    fn raise(&mut self, plan: &Plan) {
        let concurrent = plan.servers.iter().map(|(_, s)| s.concurrent_max);
        self.queue = self.queue.max(plan.queue_max);
        self.processes = self.processes.max(plan.processes_max);
        self.concurrent = concurrent.fold(self.concurrent, usize::max);
        let servers = plan.servers.len();
        self.servers = self.servers.max(servers);
        // Views that a reload has taken away may still have to be told of.
        self.views += 1 + servers + plan.groups.len();
    }
}

/// The beginning of a story: nothing is remembered.
pub(super) fn outset() -> Outset {
    Outset {
        seal: Seal::new(b"a story", None),
        recalled: Recalled::default(),
        seed: 0,
        unix: Duration::from_secs(1_800_000_000),
    }
}

impl World {
    /// A world in which the servers of that plan have just been started.
    pub(super) fn new(plan: Plan) -> World {
        World::after(plan, outset())
    }

    /// The same, after another gateway, or with other dice.
    pub(super) fn after(plan: Plan, outset: Outset) -> World {
        let offers = plan
            .servers
            .iter()
            .map(|(_, server)| (server.name.clone(), Offers::default()));
        let unix = outset.unix;
        let mut world = World {
            hub: Hub::new(plan.clone(), outset),
            now: Moment::default(),
            offers: offers.collect(),
            plan,
            deeds: Vec::new(),
            kept: Vec::new(),
            untold: Vec::new(),
            lives: BTreeMap::new(),
            clients: BTreeMap::new(),
            exchanges: HashMap::new(),
            finished: false,
            restarts: 0,
            unix,
            ceilings: Ceilings::default(),
            effects: Vec::new(),
        };
        world.ceilings.raise(&world.plan);
        world.hub.start(world.now, &mut world.effects);
        counts::event("start", &world.effects);
        world.settle();
        world
    }

    /// What the gateway after this one finds of it.
    pub(super) fn remembered(&self) -> Recalled {
        let mut recalled = Recalled::default();
        for record in &self.kept {
            if let Record::Lists { server, lists } = record {
                recalled.lists.insert(server.clone(), (**lists).clone());
            }
        }
        recalled
    }

    /// A world with shared servers of these names, just started.
    pub(super) fn of(names: &[&str]) -> World {
        World::new(plan(names))
    }

    /// A world with shared servers of these names that are all ready, of which
    /// nothing is written down.
    pub(super) fn ready(names: &[&str]) -> World {
        let mut world = World::of(names);
        for name in names {
            world.serve(&format!("{name}.1"));
        }
        world.pass(0.2);
        world.forget();
        world
    }

    /// Somebody asks after the gateway itself, and is told.
    pub(super) fn reported(&mut self, who: &str, report: Report) -> Told {
        self.forget();
        self.inquires(who, report);
        let [(_, effect)] = self.deeds.as_slice() else {
            panic!("no report, but {:?}", self.trace());
        };
        match effect {
            Effect::ToClient {
                parcel: Parcel::Report(told),
                ..
            } => Told::clone(told),
            other => panic!("no report, but {other:?}"),
        }
    }

    /// The process has ended, in an orderly way or not, and another begins, with
    /// the same key and what was kept. Its life numbers begin anew.
    pub(super) fn restart(&mut self) {
        self.deeds.clear();
        self.lives.clear();
        self.finished = false;
        self.exchanges.values_mut().for_each(|e| e.over = true);
        let recalled = Recalled {
            sessions: remembered(&self.kept),
            ..Recalled::default()
        };
        self.restarts += 1;
        let outset = Outset {
            recalled,
            seed: self.restarts,
            unix: self.unix,
            ..outset()
        };
        // Of what its configuration names no more it never heard.
        let mut plan = self.plan.clone();
        for gone in self.plan.servers.gone() {
            plan.servers.forget(gone);
        }
        self.hub = Hub::new(plan, outset);
        self.hub.start(self.now, &mut self.effects);
        counts::event("start", &self.effects);
        self.settle();
    }

    /// A word to the hub, now.
    pub(super) fn handle(&mut self, event: Event) {
        self.hear(event);
        self.settle();
    }

    fn hear(&mut self, event: Event) {
        let name = counts::name_of(&event);
        let set = self.hub.timers.serial();
        self.hub.handle(self.now, event, &mut self.effects);
        counts::event(name, &self.effects);
        self.recount();
        self.hub.check_no_deadline_is_set_for_the_past(set);
        self.witness_all();
        // A sweep takes as long as there are sessions, and one story has thousands.
        if self.hub.sessions.len() <= SESSIONS_SWEPT {
            self.hub.check_books(&self.ceilings);
        }
    }

    /// What the dispatcher does if it is asked to count.
    fn recount(&mut self) {
        let asked = self
            .effects
            .extract_if(.., |e| matches!(e, Effect::Recount));
        if asked.count() > 0 {
            let event = Event::Recounted(std::mem::take(&mut self.untold));
            self.hub.handle(self.now, event, &mut self.effects);
            counts::event("Recounted", &self.effects);
        }
    }

    /// What the dispatcher does after each word: it looks whether a deadline has
    /// come already.
    fn settle(&mut self) {
        self.witness_all();
        if self.hub.next_deadline().is_some_and(|due| due <= self.now) {
            self.hear(Event::Tick);
        }
        self.hub.check_no_deadline_is_past(self.now);
    }

    /// The dispatcher had no turn for so long, for the machine slept: what comes
    /// next finds deadlines that are long over.
    pub(super) fn oversleep(&mut self, seconds: f64) {
        self.now = self.now.after(Duration::from_secs_f64(seconds));
    }

    /// The wall clock is set. Moments know nothing of that.
    pub(super) fn set_wall_clock(&mut self, unix: Duration) {
        self.unix = unix;
        self.hub.wall_clock(self.now, unix + self.now.0);
    }

    /// Lets time pass, deadline by deadline.
    pub(super) fn pass(&mut self, seconds: f64) {
        let end = self.now.after(Duration::from_secs_f64(seconds));
        for _ in 0..TICKS_MAX {
            match self.hub.next_deadline().filter(|&due| due <= end) {
                Some(due) => {
                    // One that is late already does not turn the clock back.
                    self.now = self.now.max(due);
                    self.settle();
                }
                None => {
                    self.now = end;
                    return;
                }
            }
        }
        panic!("{}: the hub ticks without end", self.now);
    }

    /// Another plan takes the place of the present one. What becomes of each
    /// server is told as the log tells it.
    pub(super) fn reload(&mut self, plan: Plan) -> Option<String> {
        let changes = self.reload_alone(plan);
        self.settle_after_reload();
        changes
    }

    /// The same, and no deadline comes yet.
    pub(super) fn reload_alone(&mut self, plan: Plan) -> Option<String> {
        for (_, server) in plan.servers.iter() {
            let offers = self.offers.entry(server.name.clone());
            offers.or_default();
        }
        let changes = self.hub.reload(self.now, plan.clone(), &mut self.effects);
        counts::event("reload", &self.effects);
        if changes.is_some() {
            self.ceilings.raise(&plan);
            let before = std::mem::replace(&mut self.plan, plan);
            self.plan.servers.succeed(before.servers);
        }
        self.witness_all();
        self.hub.check_books(&self.ceilings);
        changes.map(|changes| changes.to_string())
    }

    /// What the dispatcher does after a reload.
    pub(super) fn settle_after_reload(&mut self) {
        self.settle();
    }

    /// The program is asked to end.
    pub(super) fn stop(&mut self) {
        self.handle(Event::Stop);
    }

    fn witness_all(&mut self) {
        for effect in std::mem::take(&mut self.effects) {
            self.witness(&effect);
            match effect {
                // Most stories do not ask.
                Effect::Keep(record) => self.kept.push(record),
                effect => self.deeds.push((self.now, effect)),
            }
        }
    }

    /// Holds an effect against what those who carry it out rely on.
    fn witness(&mut self, effect: &Effect) {
        match effect {
            Effect::Spawn { life, server } => self.witness_birth(*life, *server),
            Effect::ToChild { life, message } => {
                let incarnation = self.alive(*life);
                if let (Some(Patch::Number(number)), Kind::Request(method)) =
                    (&message.id, &message.message.kind)
                {
                    let method = method.name().to_owned();
                    incarnation.requests.push((*number, method));
                }
            }
            Effect::CloseInput { life } | Effect::Signal { life, .. } => {
                self.alive(*life);
            }
            Effect::Bury { life } => self.alive(*life).buried = true,
            Effect::Finished => {
                assert!(!self.finished, "finished twice");
                assert!(
                    self.lives.values().all(|life| life.buried),
                    "finished while a child lives"
                );
                self.finished = true;
            }
            Effect::ToClient { outbox, parcel } => self.witness_parcel(*outbox, parcel),
            Effect::Keep(_) | Effect::Recount => {}
        }
    }

    fn witness_birth(&mut self, life: Life, server: ServerId) {
        let plan = &self.plan.servers[server.0 as usize];
        let before = self.lives.values().filter(|l| l.server == server);
        let number = before.clone().count() + 1;
        // Those of sessions' own may end after a reload has made it a shared one.
        let alive = before.filter(|l| !l.buried && l.scope == Scope::Shared);
        if plan.scope == Scope::Shared {
            assert_eq!(alive.count(), 0, "{} has a second process", plan.name);
        }
        // One that is back under its old name is another server all the same.
        let others = self.lives.values().filter(|l| l.server != server);
        let namesakes = others.filter(|l| l.name.starts_with(&format!("{}.", plan.name)));
        let number = number + namesakes.count();
        let incarnation = Incarnation {
            name: format!("{}.{number}", plan.name),
            scope: plan.scope,
            server,
            requests: Vec::new(),
            buried: false,
        };
        let twice = self.lives.insert(life, incarnation);
        assert!(twice.is_none(), "a life was given out twice");
    }

    fn alive(&mut self, life: Life) -> &mut Incarnation {
        let incarnation = self.lives.get_mut(&life).expect("a life that began");
        assert!(!incarnation.buried, "{} is buried", incarnation.name);
        incarnation
    }

    fn witness_parcel(&mut self, outbox: OutboxId, parcel: &Parcel) {
        let exchange = self
            .exchanges
            .get_mut(&outbox)
            .expect("an exchange that a door began");
        // An answer may have to be cut off while it is being written.
        let is_cut = matches!(parcel, Parcel::Cut);
        assert!(is_cut || !exchange.over, "{} was over", exchange.name);
        assert!(!exchange.left, "{} was left", exchange.name);
        exchange.over = match parcel {
            Parcel::Opened { .. } => false,
            Parcel::Message { last, .. } => *last,
            Parcel::Welcome { .. }
            | Parcel::Verdict { .. }
            | Parcel::Report(_)
            | Parcel::End
            | Parcel::Cut => true,
        };
        let client = self
            .clients
            .get_mut(&exchange.client)
            .expect("its client is known");
        match parcel {
            Parcel::Welcome { session, .. } => client.session = Some(session.clone()),
            Parcel::Opened {
                session: Some(session),
                ..
            } => client.session = Some(session.clone()),
            _ => {}
        }
    }
}
