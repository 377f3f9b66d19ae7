//! The central thread: takes letters from the inbox, lets the hub think, and
//! carries out what it says. It never blocks but where it waits for the inbox, and
//! for clients that it hears itself.

pub mod last_words;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::Sender;

use crate::channel::Receiver;
use crate::child::reaper::Reaper;
use crate::child::{self, Handle};
use crate::dispatcher::last_words::{Ending, LastWords};
use crate::event::ids::IdMap;
use crate::event::report::Told;
use crate::event::{
    Effect, Event, FromChild, FromClient, Life, Moment, OutboxId, Parcel, ServerId, Signal,
};
use crate::hub::Hub;
use crate::limits;
use crate::mail::hearing::Poller;
use crate::mail::pen::Hand;
use crate::mail::{Inbox, Letter, OutboxSender, Overflow};
use crate::plan::changes::Changes;
use crate::plan::{Drawn, Recipe};
use crate::sorted::SortedMap;
use crate::state::Keeper;

/// The dispatcher: the hub, and the ends of everything it speaks to.
pub struct Dispatcher {
    hub: Hub,
    letters: Receiver<Letter>,
    /// Where it sleeps, if clients are to be heard there.
    poller: Option<Box<dyn Poller>>,
    inbox: Inbox,
    outboxes: IdMap<u64, OutboxSender>,
    children: IdMap<Life, Held>,
    /// What the lives that are over had last written on stderr.
    last_words: LastWords,
    /// How to start the child of each server.
    recipes: SortedMap<ServerId, Recipe>,
    reaper: Reaper,
    keeper: Keeper,
    began: Instant,
    /// What time it was when the letter at hand was opened, or the last wait ended.
    moment: Moment,
    /// When an orderly end becomes a disorderly one.
    patience: Option<Instant>,
    /// When buffers that nobody needs are given back, if there are any.
    airing: Option<Instant>,
    finished: bool,
    hand: Hand,
    /// For whom messages are gathered.
    gathering: Vec<Life>,
    /// What the carrying out of effects has led to, for the hub to hear of next.
    aftermath: VecDeque<Event>,
}

/// What is held for a life.
struct Held {
    server: ServerId,
    handle: Handle,
    /// How it will have ended, as far as that is known by now.
    ending: Ending,
}

#[expect(
    clippy::disallowed_methods,
    reason = "the dispatcher is where time comes from"
)]
fn now() -> Instant {
    Instant::now()
}

/// What time it is on the wall; zero if the clock is before 1970.
#[expect(
    clippy::disallowed_methods,
    reason = "the dispatcher is where time comes from"
)]
pub fn since_1970() -> Duration {
    let now = std::time::SystemTime::now();
    now.duration_since(std::time::UNIX_EPOCH)
        .unwrap_or_default()
}

impl Dispatcher {
    /// A dispatcher that has not started.
    pub fn new(
        hub: Hub,
        (inbox, letters): (Inbox, Receiver<Letter>),
        recipes: SortedMap<ServerId, Recipe>,
        (reaper, keeper): (Reaper, Keeper),
    ) -> Dispatcher {
        Dispatcher {
            hub,
            letters,
            poller: None,
            inbox,
            outboxes: IdMap::default(),
            children: IdMap::default(),
            last_words: LastWords::default(),
            recipes,
            reaper,
            keeper,
            began: now(),
            moment: Moment::default(),
            patience: None,
            airing: None,
            finished: false,
            hand: Hand::default(),
            gathering: Vec::new(),
            aftermath: VecDeque::new(),
        }
    }

    /// Has it hear clients whose threads sleep.
    pub fn hearing(self, poller: Option<Box<dyn Poller>>) -> Dispatcher {
        Dispatcher { poller, ..self }
    }

    /// Runs until the gateway has stopped: every child is gone, or the time for
    /// that is over.
    pub fn run(mut self) {
        let mut effects = Vec::new();
        self.look_at_clock();
        self.hub.start(self.moment, &mut effects);
        self.carry_out(&mut effects);
        self.work_off(&mut effects);
        while !self.finished {
            self.hand.next_round();
            let letter = self.next_letter();
            self.look_at_clock();
            self.hub.wall_clock(self.moment, since_1970());
            let waiting = self.letters.len();
            if let Some(letter) = letter {
                self.open(letter, &mut effects);
                self.open_waiting(waiting, &mut effects);
            }
            self.hear(&mut effects);
            self.tick(&mut effects);
            self.write_out(&mut effects);
            self.air();
        }
        self.say_goodbye();
    }

    /// Whoever still waits for an answer is told that none will come.
    fn say_goodbye(&self) {
        let letters = std::iter::from_fn(|| self.letters.try_recv().ok());
        let late = letters.filter_map(|letter| match letter {
            Letter::Open { sender, .. } => Some(sender),
            Letter::Event(_) | Letter::Close(_) | Letter::Reload { .. } => None,
        });
        late.for_each(|sender| sender.end());
        self.outboxes.values().for_each(OutboxSender::end);
    }

    /// Looks at the clock: once for each letter, for a call would else pay for a
    /// dozen looks.
    fn look_at_clock(&mut self) {
        self.moment = Moment(now().duration_since(self.began));
    }

    /// Waits for a letter, but not beyond the hub's next deadline (by a millisecond, where clients are heard), and not
    /// if one of these stirs.
    fn next_letter(&mut self) -> Option<Letter> {
        let hub = self.hub.next_deadline().map(|due| self.began + due.0);
        let own = self.patience.into_iter().chain(self.airing);
        let deadline = hub.into_iter().chain(own).min();
        let Some(poller) = &mut self.poller else {
            // The dispatcher holds a sender itself, so the inbox never closes: an
            // error is the deadline.
            return match deadline {
                Some(deadline) => self.letters.recv_deadline(deadline).ok(),
                None => self.letters.recv().ok(),
            };
        };
        let letter = self.letters.try_recv().ok();
        if letter.is_some() {
            poller.wait(Some(Duration::ZERO));
            return letter;
        }
        let time = deadline.map(|deadline| deadline.saturating_duration_since(now()));
        let alarm = poller.alarm();
        self.letters.sleep_by(alarm, || poller.wait(time));
        self.letters.try_recv().ok()
    }

    /// Opens what else was there already when the wait ended.
    fn open_waiting(&mut self, letters: usize, effects: &mut Vec<Effect>) {
        for _ in 0..letters {
            match self.letters.try_recv() {
                Ok(letter) if !self.finished => {
                    self.look_at_clock();
                    self.open(letter, effects);
                }
                _ => return,
            }
        }
    }

    /// Handles what clients have done whose threads sleep. It comes behind the letters that were there before the
    /// dispatcher looked, for a client may have acted upon what one of these is about; and before all that come later,
    /// for one of those may be of its own thread, which has got up since.
    fn hear(&mut self, effects: &mut Vec<Effect>) {
        while let Some(event) = self.poller.as_mut().and_then(|poller| poller.next_event()) {
            self.look_at_clock();
            self.handle(event, effects);
        }
    }

    /// Writes out what was gathered for children.
    fn write_out(&mut self, effects: &mut Vec<Effect>) {
        while let Some(life) = self.gathering.pop() {
            let Some(held) = self.children.get_mut(&life) else {
                continue;
            };
            held.handle.flush();
            if let Some(taken) = held.handle.taken() {
                let word = FromChild::Taken(taken);
                self.handle(Event::Child { life, word }, effects);
            }
        }
    }

    fn open(&mut self, letter: Letter, effects: &mut Vec<Effect>) {
        match letter {
            Letter::Event(event) => {
                if matches!(event, Event::Stop | Event::Hurry) && self.patience.is_none() {
                    self.patience = Some(now() + limits::STOP_MAX);
                }
                self.handle(event, effects);
            }
            Letter::Open { connection, sender } => {
                self.outboxes.insert(connection, sender);
            }
            Letter::Close(outbox) => {
                self.outboxes.remove(&outbox.connection);
                let word = FromClient::Gone;
                self.handle(Event::Client { outbox, word }, effects);
            }
            Letter::Reload { drawn, told } => self.reload(*drawn, &told, effects),
        }
    }

    /// Takes on another configuration. A life that starts from here on is of the
    /// new one; one that runs keeps what it was started with.
    fn reload(&mut self, drawn: Drawn, told: &Sender<Changes>, effects: &mut Vec<Effect>) {
        let changes = self.hub.reload(self.moment, drawn.plan, effects);
        if let Some(changes) = changes {
            self.recipes = drawn.recipes;
            self.carry_out(effects);
            self.work_off(effects);
            // Whoever does not wait for it has ended.
            let _ = told.try_send(changes);
        }
    }

    fn tick(&mut self, effects: &mut Vec<Effect>) {
        if self
            .hub
            .next_deadline()
            .is_some_and(|due| due <= self.moment)
        {
            self.handle(Event::Tick, effects);
        }
        if self.patience.is_some_and(|end| end <= now()) && !self.finished {
            log::warn!("the children have not ended in time; killed");
            for held in self.children.values() {
                held.handle.signal(Signal::Kill);
            }
            self.finished = true;
        }
    }

    /// Has large buffers given back that no message has needed for a while.
    fn air(&mut self) {
        let now = self.began + self.moment.0;
        match self.airing {
            Some(due) if due <= now => {
                self.inbox.budgets.air();
                self.airing = None;
            }
            None if self.inbox.budgets.have_spares() => {
                self.airing = Some(now + limits::SPARES_KEEP);
            }
            _ => {}
        }
    }

    fn handle(&mut self, event: Event, effects: &mut Vec<Effect>) {
        self.hub.handle(self.moment, event, effects);
        self.carry_out(effects);
        self.work_off(effects);
    }

    /// Has the hub handle what has come of what it has told.
    fn work_off(&mut self, effects: &mut Vec<Effect>) {
        while let Some(event) = self.aftermath.pop_front() {
            self.hub.handle(self.moment, event, effects);
            self.carry_out(effects);
        }
    }

    fn carry_out(&mut self, effects: &mut Vec<Effect>) {
        for effect in effects.drain(..) {
            match effect {
                Effect::ToClient { outbox, parcel } => self.put_parcel(outbox, parcel),
                Effect::ToChild { life, message } => {
                    if let Some(held) = self.children.get_mut(&life) {
                        if let Err(why) = held.handle.send(message) {
                            log::debug!("a message for life {} was not sent: {why}", life.0);
                        }
                        if !self.gathering.contains(&life) {
                            self.gathering.push(life);
                        }
                    }
                }
                Effect::Spawn { life, server } => self.spawn(life, server),
                Effect::CloseInput { life } => {
                    if let Some(held) = self.children.get_mut(&life) {
                        held.handle.close_input();
                        held.ending.is_excused = self.hub.excuses(life);
                    }
                }
                Effect::Signal { life, signal } => {
                    if let Some(held) = self.children.get_mut(&life) {
                        held.handle.flush();
                        held.handle.signal(signal);
                    }
                }
                Effect::Bury { life } => self.bury(life),
                Effect::Keep(record) => self.keeper.keep(record, since_1970().as_secs()),
                Effect::Recount => self.recount(),
                Effect::Finished => self.finished = true,
            }
        }
    }

    /// Asks all outboxes what was taken out of them.
    fn recount(&mut self) {
        let untold = self.outboxes.iter().filter_map(|(&connection, sender)| {
            let (exchange, load) = sender.untold()?;
            let outbox = OutboxId {
                connection,
                exchange,
            };
            Some((outbox, load))
        });
        self.aftermath.push_back(Event::Recounted(untold.collect()));
    }

    fn put_parcel(&mut self, outbox: OutboxId, mut parcel: Parcel) {
        if let Parcel::Report(told) = &mut parcel {
            self.complete(told);
        }
        let Some(sender) = self.outboxes.get(&outbox.connection) else {
            return; // the client has left
        };
        if matches!(parcel, Parcel::Cut) {
            sender.cut();
            self.outboxes.remove(&outbox.connection);
            return;
        }
        let word = match sender.put(outbox.exchange, parcel, &mut self.hand) {
            Ok(None) => return,
            Ok(Some(taken)) => FromClient::Taken(taken),
            Err(Overflow) => {
                // Whoever waits there is cut off rather than left to wait for a
                // parcel that is lost.
                log::error!("an outbox has overflowed; its connection is cut");
                sender.cut();
                self.outboxes.remove(&outbox.connection);
                FromClient::Gone
            }
        };
        self.aftermath.push_back(Event::Client { outbox, word });
    }

    /// Adds to a status report what lies with the threads of the processes.
    fn complete(&self, told: &mut Told) {
        let Told::Status(status) = told else {
            return;
        };
        for server in &mut status.servers {
            let lives = server.process.iter().chain(&server.others);
            let held = lives.filter_map(|process| self.children.get(&process.life));
            server.figures.queue += held.map(|held| held.handle.waiting() as u64).sum::<u64>();
            let process = server.process.as_ref();
            let held = process.and_then(|process| self.children.get(&process.life));
            server.stderr = held.map_or_else(Vec::new, |held| held.handle.last_lines());
            if server.stderr.is_empty() {
                let left = self.last_words.of(server.server, held.is_some());
                server.stderr = left.to_vec();
            }
        }
    }

    /// Drops what is held for a life, but for the last lines that it wrote: they
    /// say best why it ended.
    fn bury(&mut self, life: Life) {
        let Some(held) = self.children.remove(&life) else {
            return;
        };
        // Of servers that are no more nobody asks.
        let recipes = &self.recipes;
        self.last_words.retain(|id| recipes.contains_key(&id));
        let lines = held.handle.last_lines();
        self.last_words.keep(held.server, held.ending, lines);
    }

    fn spawn(&mut self, life: Life, server: ServerId) {
        let recipe = self.recipes.get(&server).cloned();
        let started = match recipe {
            Some(recipe) => {
                let inbox = self.inbox.clone();
                let report = move |event| {
                    // Words to a dispatcher that has ended are lost with it.
                    let _ = inbox.post(event);
                };
                let budget = Arc::clone(&self.inbox.budgets.children);
                child::start(life, recipe, (Arc::new(report), budget), &self.reaper)
                    .map_err(|error| format!("cannot start a thread for it: {error}"))
            }
            None => Err("it has no command".to_owned()),
        };
        match started {
            Ok(handle) => {
                let ending = Ending {
                    is_main: self.hub.is_main(life),
                    is_excused: false,
                };
                let held = Held {
                    server,
                    handle,
                    ending,
                };
                self.children.insert(life, held);
            }
            Err(why) => {
                // Not handled at once, for the hub is still in the middle of
                // its effects; and not posted, for that could block.
                let word = FromChild::SpawnFailed { why };
                self.aftermath.push_back(Event::Child { life, word });
            }
        }
    }
}
