//! Much at once, and readers that do not read: clients that ask without end,
//! children that talk without end, both while nobody takes anything; words of
//! megabytes; a child that asks again and again. And clocks that jump.
//!
//! Whether the limits were really reached is not seen here: the hub says so to
//! `counts`.

use std::time::Duration;

use crate::event::{Life, SessionKey, View};
use crate::hub::stories::cast::{notice, request, result};
use crate::hub::stories::simulation::Simulation;
use crate::hub::stories::simulation::clients::{POSTERS, STREAMERS};
use crate::hub::stories::simulation::tongues::Tongue;
use crate::limits;

/// What counts as huge: a few of them fill a queue.
const HUGE_BYTES: usize = 3 << 20;

impl Simulation {
    /// Much of one thing at once.
    pub(super) fn floods(&mut self) {
        match self.dice.below(100) {
            0..30 => self.client_floods(),
            30..60 => self.child_floods(),
            60..75 => self.child_goes_deaf(),
            75..95 => self.child_insists(),
            95..98 => self.huge_words(),
            _ => self.huge_answers(),
        }
    }

    /// A client whose stream carries its session asks without end, and may have
    /// stopped reading.
    fn client_floods(&mut self) {
        let Some((who, session)) = self.streamer() else {
            return;
        };
        if self.dice.percent(60) {
            self.stops_reading(who);
        }
        for _ in 0..self.dice.below(400) {
            let whole = self.world.clients[who].whole.expect("it has one");
            if self.world.exchanges[&whole].over {
                return;
            }
            let text = match self.dice.percent(20) {
                true => self.something_lone_to_ask(&session, whole),
                false => self.something_to_ask(&session, whole),
            };
            self.tells(who, session.clone(), text);
        }
    }

    /// A child says the same thing again and again, and its clients do not read.
    fn child_floods(&mut self) {
        let Some(life) = self.talker() else {
            return;
        };
        if self.dice.percent(70) {
            self.all_stop_reading();
        }
        let huge = self.dice.percent(5);
        let method = self.dice.below(4);
        let count = if huge { 3 } else { self.dice.below(150) };
        for _ in 0..count {
            if !self.processes.alive.contains_key(&life) {
                return;
            }
            let data = "d".repeat(if huge { HUGE_BYTES / 5 } else { 1 });
            let log = format!(r#"{{"data":"{data}","level":"error"}}"#);
            match method {
                0 => self.says(life, &notice("notifications/tools/list_changed", "")),
                1 => self.progresses(life),
                _ => self.says(life, &notice("notifications/message", &log)),
            }
        }
    }

    /// A child asks without end, and reads no answer.
    fn child_goes_deaf(&mut self) {
        let Some(life) = self.talker() else {
            return;
        };
        self.process(life).deaf = true;
        for _ in 0..self.dice.below(200) {
            if !self.processes.alive.contains_key(&life) {
                return;
            }
            self.asks(life);
        }
        self.client_dithers();
    }

    /// A client sets its log level again and again, and each child is told.
    fn client_dithers(&mut self) {
        let Some((who, session)) = self.streamer() else {
            return;
        };
        let whole = self.world.clients[who].whole.expect("it has one");
        for turn in 0..self.dice.below(200) {
            if self.world.exchanges[&whole].over {
                return;
            }
            let (id, mark) = self.judge.mint(&session);
            self.judge.asks((&session, &id), mark.clone(), whole);
            let level = ["debug", "error"][turn % 2];
            let params = format!(r#"{{"mark":"{mark}","level":"{level}"}}"#);
            let text = request(&id, "logging/setLevel", &params);
            self.tells(who, session.clone(), text);
        }
    }

    /// A child of the stateless era has one question more whenever its client has
    /// answered all.
    fn child_insists(&mut self) {
        let sees_all = |who: &&str| {
            let client = self.world.clients.get(*who);
            client.is_some_and(|c| c.session.is_some() && c.view == View::Merged)
        };
        let posters: Vec<&str> = POSTERS.into_iter().filter(sees_all).collect();
        let Some(who) = self.dice.pick(&posters) else {
            return;
        };
        let session = self.world.clients[who].session.clone();
        let session = session.expect("it has one");
        let exchange = self.next_exchange(who);
        let (id, mark) = self.judge.mint(&session);
        self.judge.asks((&session, &id), mark.clone(), exchange);
        let params = format!(r#"{{"mark":"{mark}","name":"new__x"}}"#);
        self.posts(who, session.clone(), &request(&id, "tools/call", &params));
        for _ in 0..=limits::ROUNDS_MAX + 1 {
            let Some((life, number)) = self.takes_on(&mark) else {
                return;
            };
            self.tells_taken(life);
            if !self.processes.alive.contains_key(&life) {
                return;
            }
            if self.process(life).tongue != Tongue::Stateless {
                return;
            }
            let known = self.judge.asked.get(&session).cloned().unwrap_or_default();
            let question = self.one_question(life);
            self.says(life, &result(&number.to_string(), &question));
            let asked = self.judge.asked.get(&session).cloned().unwrap_or_default();
            for number in asked.difference(&known) {
                if self.world.clients[who].session.as_ref() != Some(&session) {
                    return;
                }
                let from = format!(r#"{{"from":"{}"}}"#, session.id());
                self.posts(who, session.clone(), &result(&number.to_string(), &from));
            }
        }
    }

    /// Which process was sent the call of that mark, and under which number; it
    /// is about to answer.
    fn takes_on(&mut self, mark: &str) -> Option<(Life, u64)> {
        self.processes.alive.iter_mut().find_map(|(life, process)| {
            let is_it = |(_, _, of): &(_, _, Option<String>)| of.as_deref() == Some(mark);
            let place = process.pending.iter().position(is_it)?;
            Some((*life, process.pending.remove(place).0))
        })
    }

    /// Calls of megabytes for a child.
    fn huge_words(&mut self) {
        let Some((who, session)) = self.streamer() else {
            return;
        };
        let whole = self.world.clients[who].whole.expect("it has one");
        for _ in 0..6 {
            let (id, mark) = self.judge.mint(&session);
            self.judge.asks((&session, &id), mark.clone(), whole);
            let data = "x".repeat(HUGE_BYTES);
            let params = format!(r#"{{"mark":"{mark}","name":"time__x","data":"{data}"}}"#);
            let text = request(&id, "tools/call", &params);
            self.tells(who, session.clone(), text);
        }
    }

    /// Answers of megabytes for a client that does not read.
    fn huge_answers(&mut self) {
        let Some((who, session)) = self.streamer() else {
            return;
        };
        self.stops_reading(who);
        let whole = self.world.clients[who].whole.expect("it has one");
        for _ in 0..=limits::STREAM_BYTES_MAX / HUGE_BYTES as u64 + 1 {
            if self.world.exchanges[&whole].over {
                return;
            }
            let (id, mark) = self.judge.mint(&session);
            self.judge.asks((&session, &id), mark.clone(), whole);
            let params = format!(r#"{{"mark":"{mark}","name":"time__x"}}"#);
            let text = request(&id, "tools/call", &params);
            self.tells(who, session.clone(), text);
            let Some((life, number)) = self.takes_on(&mark) else {
                return;
            };
            let data = "x".repeat(HUGE_BYTES);
            let answer = format!(r#"{{"content":[],"mark":"{mark}","data":"{data}"}}"#);
            self.says(life, &result(&number.to_string(), &answer));
        }
    }

    fn one_question(&mut self, life: Life) -> String {
        let process = self.process(life);
        process.asked += 1;
        let asked = process.asked;
        let params = format!(r#"{{"question":"r{asked}","life":{}}}"#, life.0);
        let question = format!(r#"{{"method":"sampling/createMessage","params":{params}}}"#);
        format!(r#"{{"resultType":"input_required","inputRequests":{{"k{asked}":{question}}}}}"#)
    }

    /// A client whose stream carries its session, and its session.
    fn streamer(&mut self) -> Option<(&'static str, SessionKey)> {
        let is_open = |who: &&str| {
            let client = self.world.clients.get(*who);
            client.is_some_and(|client| {
                let session = client.session.as_ref();
                let exchange = client.whole.map(|whole| &self.world.exchanges[&whole]);
                let is_begun =
                    |key| self.judge.has_begun(key) && !self.judge.finished.contains(key);
                exchange.is_some_and(|e| !e.over && !e.left) && session.is_some_and(is_begun)
            })
        };
        let open: Vec<&str> = STREAMERS.into_iter().filter(is_open).collect();
        let who = self.dice.pick(&open)?;
        Some((who, self.world.clients[who].session.clone()?))
    }

    /// A process that can talk.
    fn talker(&mut self) -> Option<Life> {
        let talks = self.processes.talking();
        self.dice.pick(&talks)
    }

    fn stops_reading(&mut self, who: &str) {
        let whole = self.world.clients[who].whole;
        let unread = whole.and_then(|whole| self.judge.unread.get_mut(&whole));
        if let Some(unread) = unread {
            unread.stalled = true;
        }
    }

    fn all_stop_reading(&mut self) {
        for unread in self.judge.unread.values_mut() {
            unread.stalled = true;
        }
    }

    /// Those that stopped reading go on, but for some.
    pub(super) fn some_read_again(&mut self) {
        let dice = &mut self.dice;
        for unread in self.judge.unread.values_mut() {
            unread.stalled &= dice.percent(30);
        }
    }

    /// The machine sleeps, and nothing is done meanwhile: what comes next finds
    /// deadlines that are long over.
    pub(super) fn machine_sleeps(&mut self) {
        let seconds = match self.dice.below(8) {
            0 => 90_000.0,
            1 => 700.0,
            2 => 70.0,
            tenths => tenths as f64 / 10.0,
        };
        self.tell(|| format!("the machine sleeps for {seconds} s"));
        self.world.oversleep(seconds);
        if seconds > 80_000.0 {
            // The ids of sessions are good for a day.
            self.judge.a_day_goes_by();
        }
    }

    /// Somebody sets the clock, by an hour at most.
    pub(super) fn clock_is_set(&mut self) {
        let hour = Duration::from_secs(3_600);
        let unix = match self.dice.below(3) {
            0 => self.world.unix + hour,
            1 => self.world.unix - hour,
            _ => self.world.unix + Duration::from_millis(self.dice.next() % 10_000),
        };
        self.tell(|| format!("the clock is set: zero was at {unix:?}"));
        self.world.set_wall_clock(unix);
    }
}
