//! The book of figures: what was asked of each server over all its lives, how
//! often that failed, how often it was started again, and how long its answers
//! took lately. A book only; what counts as what is said where it is counted.

use std::time::Duration;

use crate::event::ids::IdMap;
use crate::event::{Moment, ServerId};
use crate::limits;

/// The figures of all servers that were ever asked something.
#[derive(Debug, Default)]
pub struct Figures {
    // Boxed, for the room of a dozen is set aside where there is one.
    book: IdMap<ServerId, Box<Tally>>,
}

/// The figures of one server.
#[derive(Debug, Default, Clone)]
pub struct Tally {
    /// Requests of clients that were for it.
    pub calls: u64,
    /// Those of them that ended in an error.
    pub errors: u64,
    /// How often it was started in place of a life that had failed.
    pub restarts: u64,
    /// How long its answers took lately.
    pub times: Times,
}

impl Figures {
    /// The figures of a server, to add to them.
    pub fn of(&mut self, server: ServerId) -> &mut Tally {
        self.book.entry(server).or_default()
    }

    /// The figures of a server; none if there is nothing to tell.
    pub fn get(&self, server: ServerId) -> Option<&Tally> {
        self.book.get(&server).map(|tally| &**tally)
    }

    /// The servers that have figures.
    #[cfg(test)]
    pub fn servers(&self) -> impl Iterator<Item = ServerId> {
        self.book.keys().copied()
    }

    /// Strikes out a server that the configuration does not name any more.
    pub fn forget(&mut self, server: ServerId) {
        self.book.remove(&server);
    }
}

const BUCKETS: usize = limits::FIGURES_BUCKETS;

/// Where each bucket but the last ends, in microseconds; each is 9/7 of the one
/// before.
const ENDS: [u64; BUCKETS - 1] = ends();

const fn ends() -> [u64; BUCKETS - 1] {
    let mut ends = [limits::FIGURES_FIRST_MICROS; BUCKETS - 1];
    let mut at = 1;
    while at < ends.len() {
        ends[at] = ends[at - 1] * 9 / 7;
        at += 1;
    }
    ends
}

/// How often each bucket was hit.
type Hits = [u32; BUCKETS];

/// The times of the last [`limits::FIGURES_WINDOW`] at least, and of twice that
/// at most: two windows, of which the older one is thrown away when the newer
/// one is full.
#[derive(Debug, Clone)]
pub struct Times {
    older: Hits,
    newer: Hits,
    /// When the newer window began.
    began: Moment,
}

impl Default for Times {
    fn default() -> Times {
        Times {
            older: [0; BUCKETS],
            newer: [0; BUCKETS],
            began: Moment::default(),
        }
    }
}

impl Times {
    /// Adds one time.
    pub fn add(&mut self, now: Moment, took: Duration) {
        self.turn(now);
        let hits = &mut self.newer[bucket(took)];
        *hits = hits.saturating_add(1);
    }

    /// The times that so many of a hundred did not exceed (nearest rank), each
    /// by less than a sixth off and 50 µs; `None` if there were no calls lately.
    /// What took longer than [`longest`] counts as that.
    pub fn percentiles<const N: usize>(
        &self,
        now: Moment,
        percents: [u64; N],
    ) -> Option<[Duration; N]> {
        let mut lately = self.clone();
        lately.turn(now);
        let hits = |at: usize| u64::from(lately.older[at]) + u64::from(lately.newer[at]);
        let count: u64 = (0..BUCKETS).map(hits).sum();
        let at = |percent: u64| {
            let rank = (count * percent).div_ceil(100).max(1);
            let mut passed = 0;
            let reached = |&at: &usize| {
                passed += hits(at);
                passed >= rank
            };
            (0..BUCKETS).find(reached).map_or(Duration::ZERO, middle)
        };
        (count > 0).then(|| percents.map(at))
    }

    /// Begins a new window if the newer one is full.
    fn turn(&mut self, now: Moment) {
        let age = now.since(self.began);
        if age < limits::FIGURES_WINDOW {
            return;
        }
        let newer = std::mem::replace(&mut self.newer, [0; BUCKETS]);
        self.older = match age < 2 * limits::FIGURES_WINDOW {
            true => newer,
            false => [0; BUCKETS],
        };
        self.began = now;
    }
}

/// The longest time that is told apart from longer ones.
pub fn longest() -> Duration {
    Duration::from_micros(ENDS[BUCKETS - 2])
}

fn bucket(took: Duration) -> usize {
    let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
    ENDS.partition_point(|&end| end <= micros)
}

fn middle(bucket: usize) -> Duration {
    let begin = bucket.checked_sub(1).map_or(0, |before| ENDS[before]);
    // The last has no end; its beginning is what is certain.
    let end = ENDS.get(bucket).copied().unwrap_or(begin);
    Duration::from_micros(u64::midpoint(begin, end))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(seconds: u64) -> Moment {
        Moment(Duration::from_secs(seconds))
    }

    fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    fn median(times: &Times, now: Moment) -> Option<Duration> {
        times.percentiles(now, [50]).map(|[median]| median)
    }

    /// Microseconds from one to half an hour, as many short ones as long ones.
    fn micros() -> impl Strategy<Value = u64> {
        (0_u32..31).prop_flat_map(|power| (1_u64 << power)..(2_u64 << power))
    }

    proptest! {
        #[test]
        fn percentiles_are_nearly_the_exact_ones(
            mut took in prop::collection::vec(micros(), 1..300),
            percent in 1_u64..=100,
        ) {
            let mut times = Times::default();
            for &micros in &took {
                times.add(at(1), Duration::from_micros(micros));
            }
            took.sort_unstable();
            // The least of them that so many of a hundred do not exceed.
            let exact = took.iter().enumerate().find(|(place, _)| {
                (place + 1) * 100 >= took.len() * usize::try_from(percent).unwrap()
            });
            let exact = Duration::from_micros(*exact.unwrap().1).min(longest());
            let [told] = times.percentiles(at(1), [percent]).unwrap();
            let off = told.abs_diff(exact);
            prop_assert!(off <= exact / 6 + Duration::from_micros(50), "{told:?} for {exact:?}");
        }
    }

    #[test]
    fn the_longest_time_is_longer_than_calls_mostly_may_take() {
        assert!(longest() > Duration::from_secs(500));
        let mut times = Times::default();
        times.add(at(0), Duration::from_hours(24));
        assert_eq!(median(&times, at(0)), Some(longest()));
    }

    #[test]
    fn few_calls_are_told_one_by_one() {
        let mut times = Times::default();
        assert_eq!(times.percentiles(at(0), [50, 99]), None);
        for millis in [10, 10, 1000] {
            times.add(at(0), ms(millis));
        }
        let [half, most] = times.percentiles(at(0), [50, 99]).unwrap();
        assert!(half < ms(12) && half > ms(8), "{half:?}");
        assert!(most < ms(1200) && most > ms(800), "{most:?}");
    }

    #[test]
    fn what_is_long_past_does_not_count() {
        let mut times = Times::default();
        times.add(at(1000), ms(10));
        for seconds in [1000, 1299, 1599] {
            assert!(median(&times, at(seconds)).is_some(), "{seconds}");
        }
        assert_eq!(median(&times, at(1600)), None);
        times.add(at(2000), ms(10));
        times.add(at(2300), ms(1000));
        times.add(at(2300), ms(1000));
        assert!(median(&times, at(2301)).unwrap() > ms(800));
        // What comes when a window is full begins the next one.
        let mut times = Times::default();
        times.add(at(1000), ms(10));
        times.add(at(1300), ms(10));
        assert!(median(&times, at(1899)).is_some());
        // Nobody asked for a long time, and nothing was called.
        assert_eq!(median(&times, at(9000)), None);
    }

    #[test]
    fn each_server_has_its_own_figures() {
        let mut figures = Figures::default();
        figures.of(ServerId(1)).calls += 2;
        assert_eq!(figures.get(ServerId(1)).unwrap().calls, 2);
        assert!(figures.get(ServerId(2)).is_none());
        figures.forget(ServerId(1));
        assert!(figures.get(ServerId(1)).is_none());
    }
}
