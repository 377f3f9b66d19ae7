//! The world played by dice: clients of all doors and both eras, shared servers
//! and one with a child for each session, crashes at every point, lost words,
//! floods, slow readers, broken streams, reloads, clocks that jump, restarts, and
//! a stop at the end.
//!
//! After every event the books are held against each other (`books`) and against
//! their limits (`tables`), and what the clients got against what they asked
//! (`judge`). At the end all is gone. What the runs came upon is counted
//! (`counts`), and what they must come upon asserted (`coverage`).
//!
//! A run is determined by its seed; how runs are played is in `playing`, and what
//! was found by them in `docs/simulation.md`.

mod clients;
pub(in crate::hub) mod counts;
mod coverage;
mod floods;
mod judge;
mod loners;
mod playing;
mod processes;
mod reloads;
mod tongues;

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use crate::config::checked::{Protocol, Scope};
use crate::event::{Effect, Event};
use crate::hub::Outset;
use crate::hub::stories::cast::Offers;
use crate::hub::stories::simulation::judge::Judge;
use crate::hub::stories::simulation::processes::Processes;
use crate::hub::stories::world::{World, outset, plan};
use crate::plan::Plan;
use crate::record::Recalled;
use crate::sorted::SortedMap;

/// How many steps a run has before the end begins. Each is an event, more or
/// less; floods are more.
const STEPS: usize = 2_000;
/// Longer than any wait of a call or a question, and than any two of them: who
/// has waited so long for an answer will never get one.
const LONG: f64 = 1_500.0;

/// Numbers from a seed (splitmix64), the same on every machine.
#[derive(Debug)]
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number below `n`, which is not 0.
    fn below(&mut self, n: usize) -> usize {
        usize::try_from(self.next() % n as u64).expect("it is below a usize")
    }

    /// True in so many of a hundred throws.
    fn percent(&mut self, chance: usize) -> bool {
        self.below(100) < chance
    }

    /// One of these, if there is any.
    fn pick<T: Clone>(&mut self, from: &[T]) -> Option<T> {
        match from {
            [] => None,
            some => Some(some[self.below(some.len())].clone()),
        }
    }
}

/// The lines of a run that is told.
type Told = Option<Rc<RefCell<Vec<String>>>>;

/// One run.
struct Simulation {
    world: World,
    dice: Dice,
    judge: Judge,
    processes: Processes,
    /// What the first plan said, which the others are made of.
    first_plan: Plan,
    told: Told,
}

/// Shared servers, one that takes few calls at a time, one with a short queue,
/// and one of the stateless era or of neither for sure, and one with a child for
/// each session; all are quick to lose patience.
fn stage(seed: u64) -> Plan {
    let mut plan = plan(&["git", "time", "pad", "new"]);
    for server in plan.servers.iter_mut() {
        server.startup_timeout = Duration::from_secs(10);
        server.timeout = Duration::from_secs(8);
    }
    plan.servers[0].concurrent_max = 3;
    plan.servers[1].concurrent_max = 20;
    plan.servers[2].scope = Scope::Session;
    plan.servers[2].protocol = match seed % 2 {
        0 => Protocol::Auto,
        _ => Protocol::Legacy,
    };
    plan.servers[3].protocol = match seed % 3 {
        0 => Protocol::Auto,
        _ => Protocol::Modern,
    };
    // Nobody needs some of them for long, and one is only started by need.
    plan.ping_interval = Duration::from_secs(5);
    for (place, server) in plan.servers.iter_mut().enumerate() {
        let dice = &mut Dice(seed ^ (place as u64) << 32);
        server.is_pinged = dice.percent(60);
        server.is_lazy = dice.percent(25);
        server.listed_when_parked = dice.percent(60);
        let is_stopped = dice.percent(40);
        server.idle_stop = is_stopped.then(|| Duration::from_secs(1 + dice.next() % 4));
    }
    let some = ["git", "pad"].map(str::to_owned);
    plan.groups = SortedMap::from([("some".to_owned(), some.to_vec())]);
    plan.queue_max = 8;
    plan.reconnect_attempts_max = 1 + u32::try_from(seed % 3).expect("it is below 3");
    plan.processes_max = 3;
    plan.connection_timeout = Duration::from_secs(3);
    plan.instructions_wait = Duration::from_secs(1);
    plan
}

/// What a gateway before this one kept of the servers that speak the handshake
/// era for sure.
fn remembered(plan: Plan) -> Recalled {
    let mut world = World::new(plan);
    for life in ["git.1", "time.1"] {
        world.serve(life);
    }
    world.remembered()
}

impl Simulation {
    fn new(seed: u64, told: Told) -> Simulation {
        let recalled = match seed % 3 {
            0 => remembered(stage(seed)),
            _ => Recalled::default(),
        };
        let outset = Outset {
            seed,
            recalled,
            ..outset()
        };
        let first_plan = stage(seed);
        let mut world = World::after(first_plan.clone(), outset);
        for (name, offers) in &mut world.offers {
            *offers = Offers {
                tools: vec!["x".into(), "y".into()],
                prompts: vec!["p".into()],
                resources: vec![format!("file:///{name}"), "file:///both".into()],
                templates: vec![format!("{name}:///{{path}}")],
                capabilities: r#""logging":{},"completions":{}"#,
                hello: "",
            };
        }
        let mut simulation = Simulation {
            world,
            dice: Dice(seed),
            judge: Judge::default(),
            processes: Processes::default(),
            first_plan,
            told,
        };
        simulation.look();
        simulation
    }

    /// Tells what is about to happen.
    fn tell(&self, line: impl FnOnce() -> String) {
        if let Some(told) = &self.told {
            told.borrow_mut()
                .push(format!("{} > {}", self.world.now, line()));
        }
    }

    fn handle(&mut self, event: Event) {
        self.tell(|| format!("{event:?}").chars().take(300).collect());
        self.world.handle(event);
        self.look();
    }

    fn pass(&mut self, seconds: f64) {
        self.tell(|| format!("{seconds} s pass"));
        self.world.pass(seconds);
        self.look();
    }

    /// Everybody looks at what the hub has done.
    fn look(&mut self) {
        let mut was_called = false;
        for (moment, effect) in std::mem::take(&mut self.world.deeds) {
            if let Some(told) = &self.told {
                told.borrow_mut().push(self.world.line(moment, &effect));
            }
            was_called |= matches!(effect, Effect::ToChild { .. });
            self.processes.see(&effect, &self.world);
            self.judge.see(&effect, &self.world, &self.processes);
        }
        for client in self.world.clients.values_mut() {
            let session = client.session.as_ref();
            if session.is_some_and(|key| self.judge.over.contains(key)) {
                client.session = None;
            }
        }
        if was_called {
            self.check_own_children();
        }
        self.check_asked();
    }

    /// A session's own child serves no other.
    fn check_own_children(&self) {
        for process in self.processes.of_sessions() {
            let callers = self.judge.callers(&process.marks);
            assert!(
                callers.len() <= 1,
                "one session's own child serves {callers:?}"
            );
        }
    }

    /// One event, more or less.
    fn step(&mut self) {
        match self.dice.below(1_000) {
            0..580 => self.process_acts(),
            580..860 => self.client_acts(),
            860..940 => self.loner_acts(),
            940..970 => {
                let milliseconds = self.dice.below(900);
                self.pass(milliseconds as f64 / 1_000.0);
            }
            970..974 => self.reloads(),
            974..980 => {
                let seconds = self.dice.below(5);
                self.pass(seconds as f64);
            }
            980..990 => self.pass_to_next_deadline(),
            990 => self.floods(),
            991 if self.dice.percent(50) => self.machine_sleeps(),
            991 => self.clock_is_set(),
            992..994 => self.some_read_again(),
            994 => self.somebody_inquires(),
            _ => self.reader_acts(),
        }
    }

    fn pass_to_next_deadline(&mut self) {
        if let Some(due) = self.world.hub.next_deadline() {
            let wait = due.since(self.world.now).as_secs_f64();
            // A session's idle time would end every run's calls at once.
            self.pass(wait.min(70.0));
        }
    }

    /// After so long a silence nobody who still listens waits for an answer.
    fn rest(&mut self) {
        self.all_take();
        self.pass(LONG);
        self.judge.nobody_waits(&self.world);
        self.processes.nobody_waits(self.world.now);
    }

    /// The gateway stops, or just ends, and another begins. Clients of Streamable
    /// HTTP bring the ids of their sessions to it; the others see theirs end.
    fn restart(&mut self) {
        self.tell(|| "another gateway begins".to_owned());
        if self.dice.percent(50) {
            self.handle(Event::Stop);
            self.every_process_ends();
            self.judge.nobody_waits(&self.world);
        }
        self.processes = Processes::default();
        if self.dice.percent(20) {
            self.clock_is_set();
        }
        self.world.restart();
        self.judge.begin_anew(&self.world);
        self.look();
    }

    /// After all clients left and all children stopped, every table is empty.
    fn check_nothing_is_left(&self) {
        let left = self.world.hub.leftovers();
        assert!(left.is_empty(), "not empty at the end: {left:?}");
    }

    /// The end: some of the clients leave, all is stopped, and nothing is left.
    fn end(&mut self) {
        if self.dice.percent(50) {
            self.rest();
        }
        if self.dice.percent(50) {
            self.everybody_leaves();
        }
        self.handle(Event::Stop);
        if self.dice.percent(20) {
            self.handle(Event::Hurry);
        }
        // Some come too late.
        for _ in 0..20 {
            match self.dice.below(10) {
                0 => self.client_acts(),
                1 => self.loner_acts(),
                2 if self.dice.percent(20) => self.reloads(),
                _ => self.process_acts(),
            }
        }
        self.every_process_ends();
        assert!(
            self.world.finished,
            "all processes are gone, and it is not over"
        );
        self.judge.nobody_waits(&self.world);
        // Deadlines of what is gone may still come, and change nothing.
        self.pass(LONG);
        self.check_nothing_is_left();
    }
}

/// Plays a run, and counts it.
fn run(seed: u64, told: Told) {
    let mut simulation = Simulation::new(seed, told);
    let restart = simulation.dice.below(2 * STEPS);
    for step in 0..STEPS {
        if step == restart {
            simulation.restart();
        }
        simulation.step();
    }
    simulation.end();
    counts::run();
}
