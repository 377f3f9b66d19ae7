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

/// A deadline that moves away as long as bytes flow fast enough.
///
/// Neither a fixed deadline (which cuts a large honest upload) nor one per read (which a peer that sends a byte now
/// and then never misses) will do.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    started: Instant,
    grace: Duration,
    bytes_per_second: Option<u32>,
}

impl Pace {
    /// A deadline `grace` from now that no progress moves.
    pub fn fixed(grace: Duration) -> Pace {
        Pace {
            started: now(),
            grace,
            bytes_per_second: None,
        }
    }

    /// A deadline `grace` from now, and later by the time that the bytes moved take at `bytes_per_second`.
    pub fn moving(grace: Duration, bytes_per_second: u32) -> Pace {
        Pace {
            started: now(),
            grace,
            bytes_per_second: Some(bytes_per_second.max(1)),
        }
    }

    /// The time left when `moved` bytes have flowed; `None` when the deadline is past.
    pub fn left(&self, moved: u64) -> Option<Duration> {
        self.left_after(self.started.elapsed(), moved)
    }

    fn left_after(&self, elapsed: Duration, moved: u64) -> Option<Duration> {
        let earned = self
            .bytes_per_second
            .map_or(0, |rate| moved.saturating_mul(1000) / u64::from(rate));
        self.grace
            .saturating_add(Duration::from_millis(earned))
            .checked_sub(elapsed)
            .filter(|left| !left.is_zero())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Pace;

    #[test]
    fn progress_moves_the_deadline_and_silence_does_not() {
        let pace = Pace::moving(Duration::from_secs(30), 1000);
        let minute = Duration::from_secs(60);
        assert_eq!(pace.left_after(minute, 0), None);
        assert_eq!(pace.left_after(minute, 30_000), None);
        assert_eq!(
            pace.left_after(minute, 31_000),
            Some(Duration::from_secs(1))
        );
        assert_eq!(
            pace.left_after(Duration::from_secs(1), 0),
            Some(Duration::from_secs(29))
        );
    }

    #[test]
    fn a_fixed_deadline_stays() {
        let pace = Pace::fixed(Duration::from_secs(10));
        assert_eq!(pace.left_after(Duration::from_secs(10), u64::MAX), None);
    }

    #[test]
    fn no_number_of_bytes_overflows() {
        assert!(
            Pace::moving(Duration::MAX, 0)
                .left_after(Duration::from_secs(1), u64::MAX)
                .is_some()
        );
    }
}
