//! How much every table of the hub may hold, looked up after every event; and
//! that nothing is left in any of them at the end.

use crate::event::Moment;
use crate::hub::Hub;
use crate::hub::lifecycle::Phase;
use crate::hub::stories::simulation::counts;
use crate::hub::stories::world::Ceilings;
use crate::hub::streams::StreamKind;
use crate::hub::timers::Timer;
use crate::limits;

impl Hub {
    /// No table holds more than its limit.
    pub(super) fn check_tables_are_bounded(&self, most: &Ceilings) {
        let servers = self.plan.servers.iter().count() + self.plan.servers.gone().count();
        let views = 1 + servers + self.plan.groups.len();
        let children = self.children.iter().count();
        let unanswered: usize = self.sessions.iter().map(|(_, s)| s.unanswered).sum();
        for (table, length, max) in [
            ("children", children, servers + 2 * most.processes),
            ("mains", self.mains.len(), servers),
            ("eras", self.eras.len(), servers),
            ("recalled", self.recalled.len(), most.servers),
            ("figures", self.figures.servers().count(), servers),
            ("links", self.links.servers().count(), servers),
            ("tasks", self.tasks.servers().count(), servers),
            ("sessions", self.sessions.len(), limits::SESSIONS_MAX),
            ("listeners", self.listeners.len(), self.sessions.len()),
            ("absent", self.absent.len(), limits::SESSIONS_ABSENT_MAX),
            ("fans", self.fans.len(), unanswered),
            ("rounds", self.rounds.len(), unanswered * servers),
            ("waiters", self.waiters.len(), unanswered),
            ("questions", self.questions.len(), limits::QUESTIONS_MAX),
            ("leases", self.leases.len(), limits::LEASES_MAX),
            ("shelf", self.shelf.len(), views),
            ("outdated", self.outdated.len(), most.views),
            ("complaints", self.complaints.len(), limits::COMPLAINTS_MAX),
            ("resettling", self.resettling.awaited().count(), children),
        ] {
            assert!(length <= max, "{table} holds {length}, over {max}");
        }
        assert!(self.leases.bytes() <= limits::LEASES_BYTES_MAX);
        self.check_sessions_are_bounded();
        self.check_children_are_bounded(most);
        self.check_deadlines_are_somebodys();
    }

    fn check_sessions_are_bounded(&self) {
        for (key, session) in self.sessions.iter() {
            assert!(session.unanswered <= session.unanswered_max);
            assert!(session.subscriptions.len() <= limits::SESSION_SUBSCRIPTIONS_MAX);
            assert!(session.replay.bytes() <= limits::REPLAY_BYTES_MAX);
            assert!(session.replay.len() <= limits::REPLAY_EVENTS_MAX);
            assert!(session.ended.len() <= limits::REPLAY_EVENTS_MAX);
            let streams = session.streams.iter();
            let streams = streams.filter_map(|&id| self.streams.get(id));
            let listening = streams
                .inspect(|stream| {
                    if !stream.has_room_for_notice() {
                        counts::mark("an outbox has no room for notifications");
                    }
                })
                .filter(|s| s.kind == StreamKind::Listen)
                .count();
            assert!(listening <= limits::SESSION_STREAMS_MAX, "{key:?}");
        }
        // What one message adds may lie above it until the next one.
        let surplus = limits::REPLAY_BYTES_MAX;
        assert!(self.replay_bytes <= limits::REPLAY_ALL_BYTES_MAX + surplus);
    }

    fn check_children_are_bounded(&self, most: &Ceilings) {
        for (id, child) in self.children.iter() {
            if child.is_flooded {
                counts::mark("a message to a child was dropped");
            }
            if !child.words.is_empty() {
                counts::mark("answers wait until a child has read");
            }
            // What a new life is told of subscriptions waits among the calls.
            let told_anew = limits::CHILD_SUBSCRIPTIONS_MAX;
            assert!(child.held.len() <= most.queue + told_anew);
            assert!(child.subscribers.len() <= limits::CHILD_SUBSCRIPTIONS_MAX);
            assert!(child.under_way.len() <= most.concurrent + most.queue);
            assert!(child.words.len() <= limits::CHILD_WORDS_MAX);
            assert!(child.urls.len() <= limits::CHILD_URLS_MAX);
            assert!(self.leases.count_of(id) <= limits::CHILD_LEASES_MAX);
            let slots = child.queue_max + limits::CHILD_QUEUE_RESERVE;
            assert!(child.load.messages as usize <= slots);
        }
    }

    /// No deadline outlives what it is for, where that can take it back; the
    /// others are few and come to nothing.
    fn check_deadlines_are_somebodys(&self) {
        let mut tells = 0;
        for (key, timer) in self.timers.iter() {
            let is_kept = match timer {
                Timer::Call(id) => self.calls.get(*id).and_then(|call| call.timer),
                Timer::Question(id) => self.questions.get(*id).and_then(|q| q.timer),
                Timer::Lease(id) => self.leases.get(*id).map(|lease| lease.timer),
                Timer::Idle(key) => self.sessions.get(key).and_then(|s| s.idle),
                Timer::Startup(life) => self.children.living(*life).and_then(|c| c.startup),
                Timer::Retry(id) => self.children.get(*id).and_then(|c| c.retry),
                Timer::Hearing(id) => self.children.get(*id).and_then(|c| c.hearing.timer),
                Timer::Spare(id) => {
                    let spare = self.children.get(*id).and_then(|c| c.spare);
                    spare.map(|spare| spare.timer)
                }
                Timer::Tell => {
                    tells += 1;
                    continue;
                }
                Timer::Watch(_)
                | Timer::Drain(_)
                | Timer::Drained(_)
                | Timer::Terminate(_)
                | Timer::Kill(_)
                | Timer::Relist(..)
                | Timer::List(..)
                | Timer::Resettle
                | Timer::FirstStarts => continue,
            };
            assert_eq!(is_kept, Some(key), "{timer:?} is nobody's");
        }
        assert_eq!(tells, usize::from(self.telling));
        for (_, child) in self.children.iter() {
            let is_its = |timer: &Timer| *timer == Timer::Watch(child.life);
            let watched = self.timers.iter().filter(|(_, timer)| is_its(timer));
            let is_ready = child.phase == Phase::Ready;
            assert!(!is_ready || watched.count() == 1, "{:?}", child.life);
        }
        for waiter in &self.waiters {
            let is_its = |(_, timer): &(_, &Timer)| **timer == Timer::FirstStarts;
            let mut all = self.timers.iter().filter(is_its);
            assert!(all.any(|(key, _)| key.at() <= waiter.deadline()));
        }
    }

    /// No deadline that was set since then is for a moment that was over already.
    pub(super) fn check_no_deadline_is_set_for_the_past(&self, since: u64) {
        let mut new = self.timers.iter().filter(|(key, _)| key.serial() > since);
        if self.timers.serial() > since {
            let late = new.find(|(key, _)| key.at() < self.now);
            assert_eq!(late, None, "{}: a deadline for the past", self.now);
        }
    }

    /// No deadline is left to a moment that is over.
    pub(super) fn check_no_deadline_is_past(&self, now: Moment) {
        let next = self.next_deadline();
        assert!(
            next.is_none_or(|due| due > now),
            "{now}: a deadline in the past outlives a tick"
        );
    }

    /// The tables that are not empty though nothing is under way, nobody is
    /// known, and nothing is awaited.
    pub(super) fn leftovers(&self) -> Vec<&'static str> {
        let is_busy = self.children.iter().any(|(_, child)| {
            child.phase != Phase::Down
                || child.is_extra()
                || !child.held.is_empty()
                || child.held_bytes > 0
                || !child.under_way.is_empty()
                || !child.words.is_empty()
                || !child.reading.is_empty()
                || !child.subscribers.is_empty()
        });
        let tables = [
            ("children", !is_busy),
            ("lives", self.children.lives() == 0),
            ("calls", self.calls.is_empty()),
            ("streams", self.streams.is_empty()),
            ("outboxes", self.streams.outboxes() == 0),
            ("sessions", self.sessions.is_empty()),
            ("questions", self.questions.is_empty()),
            ("leases", self.leases.is_empty()),
            ("rounds", self.rounds.is_empty()),
            ("fans", self.fans.is_empty()),
            ("waiters", self.waiters.is_empty()),
            ("outdated", self.outdated.is_empty()),
            ("resettling", self.resettling.is_empty()),
            ("listeners", self.listeners.is_empty()),
            ("servers gone", self.plan.servers.gone().count() == 0),
            ("bytes to replay", self.replay_bytes == 0),
            ("deadlines", self.timers.is_empty()),
        ];
        let left = tables.into_iter().filter(|(_, is_empty)| !is_empty);
        left.map(|(table, _)| table).collect()
    }

    /// Whether nothing is under way, nobody is known, and nothing is awaited.
    pub(super) fn is_empty_handed(&self) -> bool {
        self.leftovers().is_empty()
    }
}
