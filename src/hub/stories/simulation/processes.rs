//! The children of a simulation: processes that do their work, or less, or
//! more, or die of it.

use std::collections::{BTreeMap, BTreeSet};

use crate::event::{Effect, Event, FromChild, Life, Load, Moment, ServerId};
use crate::hub::stories::cast::{notice, page, read_line, request, result};
use crate::hub::stories::simulation::Simulation;
use crate::hub::stories::simulation::tongues::Tongue;
use crate::hub::stories::trace::text;
use crate::hub::stories::world::World;
use crate::limits;
use crate::wire::envelope::Kind;
use crate::wire::items::ItemKind;
use crate::wire::method::Method;
use crate::wire::outgoing::{Outgoing, Patch};
use crate::wire::own_id::{OwnId, Purpose};

/// A URL is to be opened first.
const NEEDS_URL: &str = r#"{"code":-32042,"message":"open it","data":{"elicitations":[{"mode":"url","elicitationId":"e","url":"https://e","message":"m"}]}}"#;

/// All processes that are not buried.
#[derive(Debug, Default)]
pub(super) struct Processes {
    pub(super) alive: BTreeMap<Life, Process>,
    buried: Vec<Life>,
}

/// One process.
#[derive(Debug, Default)]
pub(super) struct Process {
    pub(super) server: Option<ServerId>,
    /// Whether it was started for one session.
    is_own: bool,
    spawned: bool,
    greeted: bool,
    /// Its stdout has ended: it says nothing more.
    silent: bool,
    exited: bool,
    /// It was asked to go.
    pub(super) closing: Option<Moment>,
    killed: bool,
    /// What it was asked and has not answered: number, method, mark.
    pub(super) pending: Vec<(u64, Method, Option<String>)>,
    /// The marks of all calls it was ever sent.
    pub(super) marks: BTreeSet<String>,
    /// Its own questions that are open.
    questions: BTreeSet<String>,
    pub(super) asked: u32,
    /// The numbers of all that it was ever asked.
    sent: BTreeSet<u64>,
    /// What lies in its queue, or was taken from there and not told of.
    untold: Load,
    /// How many calls its queue was made for.
    queue_max: usize,
    /// It reads nothing any more.
    pub(super) deaf: bool,
    /// What it speaks.
    pub(super) tongue: Tongue,
    /// The requests to be told of changes that it has acknowledged.
    pub(super) listening: BTreeSet<u64>,
}

/// The mark of a request in its text, such as `<12>`.
pub(super) fn mark_in(text: &str) -> Option<String> {
    let start = text.find('<')?;
    let end = text[start..].find('>')? + start;
    Some(text[start..=end].to_owned())
}

impl Processes {
    /// What an effect means to a process.
    pub(super) fn see(&mut self, effect: &Effect, world: &World) {
        match effect {
            Effect::Spawn { life, server } => {
                let plan = &world.plan.servers[server.0 as usize];
                let child = world.hub.children.living(*life);
                let process = Process {
                    server: Some(*server),
                    is_own: child.is_some_and(|child| child.owner.is_some()),
                    queue_max: world.plan.queue_max,
                    tongue: Tongue::of(*life, plan.protocol),
                    ..Process::default()
                };
                self.alive.insert(*life, process);
            }
            Effect::ToChild { life, message } => self.get(*life).take(message),
            Effect::CloseInput { life } => {
                self.get(*life).closing.get_or_insert(world.now);
            }
            Effect::Signal { life, signal } => {
                let process = self.get(*life);
                process.closing.get_or_insert(world.now);
                process.killed |= *signal == crate::event::Signal::Kill;
            }
            Effect::Bury { life } => {
                self.alive.remove(life);
                self.buried.push(*life);
            }
            Effect::ToClient { .. } | Effect::Keep(_) | Effect::Recount | Effect::Finished => {}
        }
    }

    /// Those that may say something, and have been heard.
    pub(super) fn talking(&self) -> Vec<Life> {
        let talks = |process: &Process| process.greeted && !process.silent && !process.exited;
        let alive = self.alive.iter();
        alive
            .filter_map(|(life, process)| talks(process).then_some(*life))
            .collect()
    }

    fn get(&mut self, life: Life) -> &mut Process {
        self.alive
            .get_mut(&life)
            .expect("effects are for the living")
    }

    /// The processes that serve one session each.
    pub(super) fn of_sessions(&self) -> impl Iterator<Item = &Process> {
        self.alive.values().filter(|process| process.is_own)
    }

    /// No process waits for the answer to a question.
    pub(super) fn nobody_waits(&self, now: Moment) {
        for (life, process) in &self.alive {
            let has_questions = !process.questions.is_empty() && !process.deaf;
            assert!(
                !has_questions || process.closing.is_some() || process.exited,
                "{life:?} still waits for {:?}",
                process.questions
            );
            // Whoever was asked to go, and has not, was killed.
            let long_ago = now.since(Moment(limits::SLOW_KILL_WAIT + limits::DISMISS_KILL_WAIT));
            let had_its_time = process.closing.is_some_and(|since| since.0 < long_ago);
            let is_spared = had_its_time && !process.killed && !process.exited;
            assert!(!is_spared, "{life:?} may stay");
        }
    }
}

impl Process {
    fn take(&mut self, message: &Outgoing) {
        self.untold.messages += 1;
        self.untold.bytes += message.len_max() as u64;
        let slots = self.queue_max + limits::CHILD_QUEUE_RESERVE;
        assert!(self.untold.messages as usize <= slots, "a queue overflows");
        let text = text(message);
        match (&message.message.kind, &message.id) {
            (Kind::Request(method), Some(Patch::Number(number))) => {
                let mark = mark_in(&text);
                self.marks.extend(mark.clone());
                self.sent.insert(*number);
                self.pending.push((*number, method.clone(), mark));
            }
            (Kind::Answer { .. }, Some(Patch::Json(id))) => {
                let was_open = self.questions.remove(&**id);
                assert!(was_open, "an answer to no open question: {text}");
            }
            (Kind::Notification(_), _) => {}
            other => panic!("a child is sent {other:?}"),
        }
    }
}

impl Simulation {
    /// Some process does something.
    pub(super) fn process_acts(&mut self) {
        if self.dice.percent(2)
            && let Some(life) = self.dice.pick(&self.processes.buried)
        {
            return self.dead_speaks(life);
        }
        let lives: Vec<Life> = self.processes.alive.keys().copied().collect();
        let Some(life) = self.dice.pick(&lives) else {
            return;
        };
        let process = &self.processes.alive[&life];
        match (process.spawned, process.silent, process.exited) {
            (false, _, _) if self.dice.percent(3) => {
                let why = "cannot run it".to_owned();
                self.child(life, FromChild::SpawnFailed { why });
            }
            (false, _, _) => {
                self.process(life).spawned = true;
                self.child(life, FromChild::Spawned { pid: 7 });
            }
            (true, true, true) => panic!("{life:?} is over and was not buried"),
            (true, true, false) => self.exits(life),
            (true, false, true) if self.dice.percent(50) => self.falls_silent(life),
            (true, false, _) => self.living_acts(life),
        }
    }

    pub(super) fn process(&mut self, life: Life) -> &mut Process {
        self.processes.get(life)
    }

    fn child(&mut self, life: Life, word: FromChild) {
        self.handle(Event::Child { life, word });
    }

    pub(super) fn says(&mut self, life: Life, line: &str) {
        self.child(life, read_line(line));
    }

    fn exits(&mut self, life: Life) {
        self.process(life).exited = true;
        let how = "exited with code 1".to_owned();
        let last_words = None;
        self.child(life, FromChild::Exited { how, last_words });
    }

    fn falls_silent(&mut self, life: Life) {
        self.process(life).silent = true;
        self.child(life, FromChild::OutputEnded);
    }

    /// No word of a past life is accepted, not even the answer to what the life
    /// after it was asked: it changes nothing.
    fn dead_speaks(&mut self, life: Life) {
        self.pass(0.0);
        let alive = self.processes.alive.values();
        let asked: Vec<u64> = alive
            .flat_map(|process| process.pending.iter().map(|(number, ..)| *number))
            .collect();
        let number = self.dice.pick(&asked).unwrap_or(32);
        let word = match self.dice.below(10) {
            0 => FromChild::OutputEnded,
            1 => FromChild::Spawned { pid: 1 },
            2..5 => read_line(&result(&number.to_string(), "{}")),
            5 => FromChild::NotReading,
            6 => FromChild::Oversized {
                id: OwnId::from_number(number),
                length: 1 << 30,
            },
            7 => FromChild::Taken(Load {
                messages: 4,
                bytes: 400,
            }),
            8 => FromChild::Exited {
                how: "exited with code 2".to_owned(),
                last_words: None,
            },
            _ => read_line(&request("1", "sampling/createMessage", "")),
        };
        let before = self.world.hub.posture();
        self.world.handle(Event::Child { life, word });
        assert!(self.world.deeds.is_empty(), "a buried life was heard");
        let after = self.world.hub.posture();
        assert_eq!(before, after, "a word of a past life was accepted");
    }

    fn living_acts(&mut self, life: Life) {
        let process = &self.processes.alive[&life];
        let going = process.killed || (process.closing.is_some() && self.dice.percent(30));
        if going && !process.exited {
            return match self.dice.percent(50) {
                true => self.exits(life),
                false => self.falls_silent(life),
            };
        }
        self.tells_taken(life);
        // Deadlines that were over already come with the first word.
        if !self.processes.alive.contains_key(&life) {
            return;
        }
        match self.dice.below(200) {
            0..100 => self.answers(life),
            100..110 => self.loses_a_word(life),
            110..130 => self.asks(life),
            130..136 => self.takes_back(life),
            136..150 => self.progresses(life),
            150..172 => self.notifies(life),
            179..183 => self.stops_telling(life),
            172..176 => self.babbles(life),
            176 => self.child(life, FromChild::NotReading),
            _ if self.processes.alive[&life].deaf && self.dice.percent(3) => {
                self.child(life, FromChild::NotReading);
            }
            177 => self.falls_silent(life),
            178 if !self.processes.alive[&life].exited => self.exits(life),
            _ => {}
        }
    }

    /// As the thread at its stdin does: not always, and not of little.
    pub(super) fn tells_taken(&mut self, life: Life) {
        let process = &self.processes.alive[&life];
        if process.deaf {
            return;
        }
        let untold = process.untold;
        let short = process.queue_max / limits::TAKEN_PART;
        if untold.messages as usize >= short {
            self.process(life).untold = Load::default();
            self.child(life, FromChild::Taken(untold));
        }
    }

    /// Those that read have read all, and what is sent to them for that.
    pub(super) fn all_take(&mut self) {
        let reads = |process: &Process| process.untold.messages > 0 && !process.deaf;
        for _ in 0..limits::CHILD_WORDS_MAX {
            let alive = self.processes.alive.iter();
            let reading = alive.filter(|(_, process)| reads(process) && process.spawned);
            let reading: Vec<Life> = reading.map(|(life, _)| *life).collect();
            for life in reading {
                if self.processes.alive.contains_key(&life) {
                    let untold = std::mem::take(&mut self.process(life).untold);
                    self.child(life, FromChild::Taken(untold));
                }
            }
        }
    }

    pub(super) fn answers(&mut self, life: Life) {
        let count = self.processes.alive[&life].pending.len();
        if count == 0 {
            return;
        }
        let place = self.dice.below(count);
        let (number, method, mark) = self.process(life).pending.remove(place);
        if method == Method::Listen {
            return self.listens_to_gateway(life, number);
        }
        if let Some(error) = self.processes.alive[&life].tongue.refuses(&method) {
            let line = format!(r#"{{"jsonrpc":"2.0","id":{number},"error":{error}}}"#);
            return self.says(life, &line);
        }
        if self.dice.percent(4) {
            let error = match self.dice.percent(80) {
                true => r#"{"code":-32000,"message":"no"}"#,
                false => NEEDS_URL,
            };
            let line = format!(r#"{{"jsonrpc":"2.0","id":{number},"error":{error}}}"#);
            return self.says(life, &line);
        }
        if self.dice.percent(2) {
            let (id, length) = (OwnId::from_number(number), 1 << 30);
            let word = match self.dice.percent(50) {
                true => FromChild::Oversized { id, length },
                false => FromChild::Unheld { id, length },
            };
            return self.child(life, word);
        }
        let answer = self.answer_to(life, number, mark);
        if matches!(method, Method::Initialize | Method::Discover) {
            self.process(life).greeted = true;
        }
        self.says(life, &result(&number.to_string(), &answer));
    }

    fn answer_to(&mut self, life: Life, number: u64, mark: Option<String>) -> String {
        let server = self.processes.alive[&life].server.expect("it was spawned");
        let name = &self.world.plan.servers[server.0 as usize].name;
        let mut offers = self.world.offers[name].clone();
        // Some lists change from time to time.
        if self.dice.percent(30) {
            offers.tools.push(format!("z{}", self.dice.below(3)));
        }
        let kind = match OwnId::from_number(number).map(OwnId::purpose) {
            Some(Purpose::Initialize) => return offers.hello(),
            Some(Purpose::Discover) => {
                self.process(life).tongue = Tongue::Stateless;
                return offers.discovery();
            }
            Some(Purpose::Tools) => ItemKind::Tool,
            Some(Purpose::Prompts) => ItemKind::Prompt,
            Some(Purpose::Resources) => ItemKind::Resource,
            Some(Purpose::Templates) => ItemKind::Template,
            Some(Purpose::Call) => {
                let mark = mark.unwrap_or_default();
                let is_stateless = self.processes.alive[&life].tongue == Tongue::Stateless;
                if is_stateless && self.dice.percent(40) {
                    return self.input_required(life);
                }
                let link = r#"{"type":"resource_link","uri":"file:///linked","name":"l"}"#;
                return match self.dice.percent(10) {
                    true => format!(r#"{{"content":[{link}],"mark":"{mark}"}}"#),
                    false => format!(r#"{{"content":[],"mark":"{mark}"}}"#),
                };
            }
            Some(Purpose::Errand | Purpose::Listen) | None => return "{}".to_owned(),
        };
        match self.dice.percent(10) {
            true => page(kind, &["more"], Some("next")),
            false => offers.list(kind),
        }
    }

    /// It forgets what it was asked.
    fn loses_a_word(&mut self, life: Life) {
        let count = self.processes.alive[&life].pending.len();
        if count > 0 {
            let place = self.dice.below(count);
            self.process(life).pending.remove(place);
        }
    }

    pub(super) fn asks(&mut self, life: Life) {
        let process = self.process(life);
        process.asked += 1;
        let id = match process.asked % 2 {
            0 => process.asked.to_string(),
            _ => format!("\"{}\"", process.asked),
        };
        process.questions.insert(id.clone());
        let (method, more) = match self.dice.below(10) {
            0..2 => ("roots/list", ""),
            2 => ("elicitation/create", ""),
            3 => ("elicitation/create", r#","mode":"url","elicitationId":"e""#),
            4..6 => ("ping", ""),
            _ => ("sampling/createMessage", ""),
        };
        let meta = format!(r#""_meta":{{"progressToken":{id}}}"#);
        let params = format!(r#"{{{meta},"question":{id},"life":{}{more}}}"#, life.0);
        self.says(life, &request(&id, method, &params));
    }

    fn takes_back(&mut self, life: Life) {
        let open: Vec<String> = self.process(life).questions.iter().cloned().collect();
        if let Some(id) = self.dice.pick(&open) {
            self.process(life).questions.remove(&id);
            let params = format!(r#"{{"requestId":{id}}}"#);
            self.says(life, &notice("notifications/cancelled", &params));
        }
    }

    pub(super) fn progresses(&mut self, life: Life) {
        let pending = &self.processes.alive[&life].pending;
        let numbers: Vec<u64> = pending.iter().map(|(number, ..)| *number).collect();
        let number = match self.dice.percent(90) {
            true => self.dice.pick(&numbers),
            false => Some(16 * self.dice.below(500) as u64),
        };
        if let Some(number) = number {
            let params = format!(r#"{{"progress":1,"progressToken":{number}}}"#);
            self.says(life, &notice("notifications/progress", &params));
        }
    }

    fn notifies(&mut self, life: Life) {
        let (method, params) = match self.dice.below(7) {
            0 => ("notifications/tools/list_changed", ""),
            1 => ("notifications/resources/list_changed", ""),
            2 => (
                "notifications/resources/updated",
                r#"{"uri":"file:///git"}"#,
            ),
            3 => {
                let uri = ["pad", "new"][self.dice.below(2)];
                let listening = &self.processes.alive[&life].listening;
                let meta = listening.last().map_or(String::new(), |id| {
                    format!(r#","_meta":{{"io.modelcontextprotocol/subscriptionId":{id}}}"#)
                });
                let params = format!(r#"{{"uri":"file:///{uri}"{meta}}}"#);
                return self.says(life, &notice("notifications/resources/updated", &params));
            }
            4 => (
                "notifications/elicitation/complete",
                r#"{"elicitationId":"e"}"#,
            ),
            _ => ("notifications/message", r#"{"data":"d","level":"error"}"#),
        };
        self.says(life, &notice(method, params));
    }

    /// It answers what it was not asked, which another may have been.
    fn babbles(&mut self, life: Life) {
        let newest = self.processes.alive.values().filter_map(|p| p.sent.last());
        let newest = newest.max().copied().unwrap_or_default();
        let number = newest.saturating_sub(self.dice.next() % 400);
        if !self.processes.alive[&life].sent.contains(&number) {
            self.says(life, &result(&number.to_string(), r#"{"mark":"<0>"}"#));
        }
    }

    /// Every process ends at last.
    pub(super) fn every_process_ends(&mut self) {
        while let Some(&life) = self.processes.alive.keys().next() {
            let process = self.process(life);
            let (silent, exited) = (process.silent, process.exited);
            if !silent {
                self.falls_silent(life);
            }
            if !exited && self.processes.alive.contains_key(&life) {
                self.exits(life);
            }
        }
    }
}
