//! Random numbers for tests, the same again for the same seed.

/// A small random number generator (xorshift), so that a seed makes the same payloads again.
pub struct Dice(pub u64);

impl Dice {
    /// The next number.
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.max(1);
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// A number below this bound.
    pub fn below(&mut self, bound: u64) -> u64 {
        (self.next() >> 8) % bound.max(1)
    }
}
