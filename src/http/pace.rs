//! The engine's clock: how long a wait may still take.

use std::time::{Duration, Instant};

/// The time now; the only reader of the clock in this room.
#[expect(
    clippy::disallowed_methods,
    reason = "deadlines of sockets are kept where the sockets are"
)]
pub fn now() -> Instant {
    Instant::now()
}

/// A deadline that moves away as long as bytes flow fast enough, but never farther than the grace.
///
/// Neither a fixed deadline (which cuts a large honest upload) nor one per read (which a peer that sends a byte now
/// and then never misses) will do. Nor one that saves up the time of bytes that flowed fast: of a large answer the
/// kernel takes some megabytes at once, and a peer that reads nothing would have the time of all these.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// When it was first asked for, for most waits end before they begin.
    started: Option<Instant>,
    grace: Duration,
    bytes_per_second: Option<u32>,
    /// When it is over, counted from the start.
    end: Duration,
    /// How many bytes that is for.
    moved: u64,
}

impl Pace {
    /// A deadline that no progress moves, `grace` from when the time left is first asked for.
    pub fn fixed(grace: Duration) -> Pace {
        Pace {
            started: None,
            grace,
            bytes_per_second: None,
            end: grace,
            moved: 0,
        }
    }

    /// The same, and later by the time that the bytes moved take at `bytes_per_second`.
    pub fn moving(grace: Duration, bytes_per_second: u32) -> Pace {
        Pace {
            bytes_per_second: Some(bytes_per_second.max(1)),
            ..Pace::fixed(grace)
        }
    }

    /// The time left when `moved` bytes have flowed in all; `None` when the deadline is past.
    pub fn left(&mut self, moved: u64) -> Option<Duration> {
        let now = now();
        let started = *self.started.get_or_insert(now);
        self.left_after(now.duration_since(started), moved)
    }

    fn left_after(&mut self, elapsed: Duration, moved: u64) -> Option<Duration> {
        let new = moved.saturating_sub(std::mem::replace(&mut self.moved, moved));
        if let Some(rate) = self.bytes_per_second
            && new > 0
        {
            let earned = new.saturating_mul(1_000_000_000) / u64::from(rate);
            let farthest = elapsed.saturating_add(self.grace);
            self.end = self
                .end
                .saturating_add(Duration::from_nanos(earned))
                .min(farthest);
        }
        self.end.checked_sub(elapsed).filter(|left| !left.is_zero())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Pace;

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn progress_moves_the_deadline_and_silence_does_not() {
        let mut pace = Pace::moving(seconds(30), 1000);
        assert_eq!(pace.left_after(seconds(1), 0), Some(seconds(29)));
        assert_eq!(pace.left_after(seconds(20), 0), Some(seconds(10)));
        assert_eq!(pace.left_after(seconds(20), 5_000), Some(seconds(15)));
        assert_eq!(pace.left_after(seconds(34), 5_000), Some(seconds(1)));
        assert_eq!(pace.left_after(seconds(35), 5_000), None);
    }

    #[test]
    fn what_flowed_fast_earns_no_more_than_the_grace() {
        let mut pace = Pace::moving(seconds(30), 1000);
        // Seventeen minutes' worth in one second.
        assert_eq!(pace.left_after(seconds(1), 1_000_000), Some(seconds(30)));
        assert_eq!(pace.left_after(seconds(32), 1_000_000), None);
    }

    #[test]
    fn a_byte_a_second_is_soon_too_slow_and_the_rate_itself_never() {
        let mut slow = Pace::moving(seconds(30), 1000);
        let mut is_over = |second| slow.left_after(seconds(second), second).is_none();
        assert_eq!((1..).find(|&second| is_over(second)), Some(31));
        let mut fast = Pace::moving(seconds(30), 1000);
        let mut is_over = |second| fast.left_after(seconds(second), second * 1000).is_none();
        assert_eq!((1..10_000).find(|&second| is_over(second)), None);
    }

    #[test]
    fn a_fixed_deadline_stays() {
        let mut pace = Pace::fixed(seconds(10));
        assert_eq!(pace.left_after(seconds(9), 1), Some(seconds(1)));
        assert_eq!(pace.left_after(seconds(10), u64::MAX), None);
    }

    #[test]
    fn no_number_of_bytes_overflows() {
        assert!(
            Pace::moving(Duration::MAX, 0)
                .left_after(seconds(1), u64::MAX)
                .is_some()
        );
    }
}
