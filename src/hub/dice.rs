//! The hub's dice: numbers that look thrown and follow from a seed alone, so
//! that whatever happens can be played again. Nothing secret is made of them.

use std::time::Duration;

use crate::limits;

/// Dice, by splitmix64 (Steele, Lea and Flood, 2014).
#[derive(Debug, Clone)]
pub struct Dice {
    last: u64,
    /// Whether they always show the middle.
    is_loaded: bool,
}

impl Dice {
    /// Dice of that seed. Those of seed 0 always show the middle, so that
    /// stories can be told to the millisecond.
    pub fn new(seed: u64) -> Dice {
        Dice {
            last: seed,
            is_loaded: seed == 0,
        }
    }

    fn throw(&mut self) -> u64 {
        self.last = self.last.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.last;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A wait that is up to [`limits::RECONNECT_SPREAD_PERCENT`] shorter or
    /// longer than this one, in whole milliseconds.
    pub fn spread(&mut self, wait: Duration) -> Duration {
        if self.is_loaded {
            return wait;
        }
        let spread = u64::from(limits::RECONNECT_SPREAD_PERCENT) * 10;
        let per_mille = 1_000 - spread + self.throw() % (2 * spread + 1);
        let spread = wait.as_micros() * u128::from(per_mille) / 1_000_000;
        // A wait of less than a millisecond is none.
        Duration::from_millis(u64::try_from(spread).unwrap_or(u64::MAX).max(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WAIT: Duration = Duration::from_secs(10);

    #[test]
    fn waits_are_spread_over_a_fifth_to_both_sides() {
        let mut dice = Dice::new(7);
        let waits: Vec<Duration> = (0..10_000).map(|_| dice.spread(WAIT)).collect();
        let (least, most) = (waits.iter().min(), waits.iter().max());
        // So many throws show every face.
        assert_eq!(least, Some(&Duration::from_secs(8)));
        assert_eq!(most, Some(&Duration::from_secs(12)));
        let mean = waits.iter().sum::<Duration>().as_secs_f64() / 10_000.0;
        assert!((9.9..10.1).contains(&mean), "{mean}");
    }

    #[test]
    fn dice_of_one_seed_fall_alike_and_of_two_seeds_do_not() {
        let throws = |seed| {
            let mut dice = Dice::new(seed);
            [(); 4].map(|()| dice.spread(WAIT))
        };
        assert_eq!(throws(7), throws(7));
        assert_ne!(throws(7), throws(8));
        assert_eq!(throws(0), [WAIT; 4]);
    }

    #[test]
    fn they_fall_as_splitmix64_says() {
        // The first numbers of the seed 1234567 that are published with the algorithm.
        let mut dice = Dice::new(1_234_567);
        let throws = [(); 5].map(|()| dice.throw());
        assert_eq!(
            throws,
            [
                6_457_827_717_110_365_317,
                3_203_168_211_198_807_973,
                9_817_491_932_198_370_423,
                4_593_380_528_125_082_431,
                16_408_922_859_458_223_821,
            ]
        );
    }

    #[test]
    fn the_shortest_wait_is_still_one() {
        let mut dice = Dice::new(7);
        let wait = Duration::from_millis(1);
        assert!((0..100).all(|_| dice.spread(wait) == wait));
    }
}
