//! The world played by dice: clients of all doors and both eras, shared servers and one with
//! a child for each session, crashes at every point, lost words, slow readers,
//! broken streams, reloads, and a stop at the end.
//!
//! After every event the books are held against each other (`books`), and what
//! the clients got against what they asked (`judge`). At the end all is gone.
//!
//! A run is determined by its seed. One that fails is played again with its
//! trace told. `HUB_SEED=n` plays that seed alone; `HUB_SEEDS=n` plays that many.

mod clients;
mod judge;
mod loners;
mod processes;
mod reloads;
mod tongues;

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
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

/// How many seeds are played when nobody says otherwise: a few seconds' worth.
const SEEDS: u64 = 80;
/// How many events each has before the end begins.
const EVENTS: usize = 2_000;
/// How many of the last lines of a run that failed are told.
const LINES_TOLD: usize = 120;
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
    plan.queue_max = 8;
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
                resources: vec![format!("file:///{name}")],
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
        for process in self.processes.of_sessions(&self.world) {
            let callers = self.judge.callers(&process.marks);
            assert!(
                callers.len() <= 1,
                "one session's own child serves {callers:?}"
            );
        }
    }

    /// One event, more or less.
    fn step(&mut self) {
        match self.dice.below(100) {
            0..58 => self.process_acts(),
            58..86 => self.client_acts(),
            86..94 => self.loner_acts(),
            94..97 => {
                let milliseconds = self.dice.below(900);
                self.pass(milliseconds as f64 / 1_000.0);
            }
            97 if self.dice.percent(25) => self.reloads(),
            97 => {
                let seconds = self.dice.below(5);
                self.pass(seconds as f64);
            }
            98 => self.pass_to_next_deadline(),
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
        self.pass(LONG);
        self.judge.nobody_waits(&self.world);
        self.processes.nobody_waits();
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
        self.world.restart();
        self.judge.begin_anew(&self.world);
        self.look();
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
        for _ in 0..20 {
            self.process_acts();
        }
        self.every_process_ends();
        assert!(
            self.world.finished,
            "all processes are gone, and it is not over"
        );
        self.judge.nobody_waits(&self.world);
        // Deadlines of what is gone may still come, and change nothing.
        self.pass(LONG);
        assert!(
            self.world.hub.is_empty_handed(),
            "something is left in the books"
        );
    }
}

fn run(seed: u64, told: Told) {
    let mut simulation = Simulation::new(seed, told);
    let restart = simulation.dice.below(2 * EVENTS);
    for step in 0..EVENTS {
        if step == restart {
            simulation.restart();
        }
        simulation.step();
    }
    simulation.end();
}

/// Plays a seed; one that fails is played again, and its trace told.
fn play(seed: u64) {
    let Err(cause) = catch_unwind(|| run(seed, None)) else {
        return;
    };
    let told = Rc::new(RefCell::new(Vec::new()));
    let heard = Some(Rc::clone(&told));
    let _ = catch_unwind(AssertUnwindSafe(|| run(seed, heard)));
    let lines = told.borrow();
    let from = lines.len().saturating_sub(LINES_TOLD);
    let cause = cause
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| cause.downcast_ref::<&str>().copied())
        .unwrap_or("it says nothing");
    panic!(
        "HUB_SEED={seed} fails: {cause}\nafter\n    {}",
        lines[from..].join("\n    ")
    );
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[test]
fn whatever_happens_every_request_has_its_answer_and_nothing_is_left_behind() {
    match number("HUB_SEED") {
        Some(seed) => play(seed),
        None => (0..number("HUB_SEEDS").unwrap_or(SEEDS)).for_each(play),
    }
}
