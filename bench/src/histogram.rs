//! Times by the million in little room: counts in steps that grow with the time, so that each
//! quantile is told to within half a per cent, and the longest time exactly.

/// Steps to each doubling, as a power of two: 128, so a step is at most 0.8 % of what it holds.
const STEP_BITS: u32 = 7;
const STEPS: u64 = 1 << STEP_BITS;

/// How often which time, in ns, was seen.
#[derive(Debug)]
pub struct Histogram {
    counts: Vec<u64>,
    total: u64,
    longest: u64,
}

impl Default for Histogram {
    fn default() -> Histogram {
        let counts = vec![0; 1 + step(u64::MAX)];
        Histogram {
            counts,
            total: 0,
            longest: 0,
        }
    }
}

impl Histogram {
    /// Counts a time, in ns.
    pub fn record(&mut self, time: u64) {
        self.counts[step(time)] += 1;
        self.total += 1;
        self.longest = self.longest.max(time);
    }

    /// How many times were counted.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// The longest time, in ns.
    pub fn longest(&self) -> u64 {
        self.longest
    }

    /// The time, in ns, that so large a part (0 to 1) of all times do not exceed; 0 without any.
    pub fn quantile(&self, part: f64) -> u64 {
        let rank = ((self.total as f64 * part).ceil() as u64).max(1);
        let mut seen = 0;
        for (step, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= rank {
                return middle(step as u64).min(self.longest);
            }
        }
        0
    }
}

/// Which step a time belongs to: one to a nanosecond at first, then `STEPS` to each doubling.
fn step(time: u64) -> usize {
    let shift = (63 - (time | STEPS).leading_zeros()) - STEP_BITS;
    let step = u64::from(shift) * STEPS + (time >> shift);
    usize::try_from(step).expect("there are some thousand steps")
}

/// The time in the middle of a step.
fn middle(step: u64) -> u64 {
    let shift = (step / STEPS).saturating_sub(1);
    let first = (step - shift * STEPS) << shift;
    first + (1_u64 << shift) / 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_tells_its_times_to_within_half_a_per_cent() {
        let mut time = 1_u64;
        while time < 1 << 50 {
            let told = middle(step(time) as u64);
            let off = told.abs_diff(time) as f64 / time as f64;
            assert!(off <= 0.005, "{time} is told as {told}");
            time += 1 + time / 37;
        }
    }

    #[test]
    fn steps_follow_each_other_without_a_gap() {
        let mut last = 0;
        for time in 0..100_000_u64 {
            let step = step(time);
            assert!(step == last || step == last + 1, "{time}");
            last = step;
        }
    }

    #[test]
    fn quantiles_are_those_of_the_sorted_times() {
        let mut histogram = Histogram::default();
        assert_eq!(histogram.quantile(0.5), 0);
        for time in (1..=1000_u64).rev() {
            histogram.record(time * 1000);
        }
        for (part, wanted) in [(0.5, 500_000.0), (0.9, 900_000.0), (0.99, 990_000.0)] {
            let off = (histogram.quantile(part) as f64 - wanted).abs() / wanted;
            assert!(off < 0.005, "{part}");
        }
        assert_eq!(histogram.quantile(1.0), 1_000_000);
        assert_eq!((histogram.longest(), histogram.total()), (1_000_000, 1000));
    }

    #[test]
    fn one_time_is_every_quantile() {
        let mut histogram = Histogram::default();
        histogram.record(70);
        histogram.record(u64::MAX);
        assert_eq!(histogram.quantile(0.0), 70);
        assert_eq!(histogram.quantile(0.5), 70);
        assert!(histogram.quantile(0.51) > u64::MAX / 2);
    }
}
