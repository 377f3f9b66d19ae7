//! What is measured, told once for both programs that measure: `micro` in time,
//! `counts` in instructions. A scenario is something that the hub, the wire or
//! the catalog does again and again.

pub(crate) mod gateway;
pub(crate) mod scenarios;
pub(crate) mod texts;

use std::collections::VecDeque;

/// Something that is done again and again.
pub(crate) trait Scenario {
    /// Makes what the next run needs. Not measured.
    fn prepare(&mut self);
    /// Does it once, with what was prepared first.
    fn run(&mut self);
}

/// A scenario made of two functions: what makes an input, and what does
/// something with it.
pub(crate) struct Plain<I, M, R> {
    inputs: VecDeque<I>,
    make: M,
    run: R,
}

impl<I, M: FnMut() -> I, R: FnMut(I)> Plain<I, M, R> {
    pub(crate) fn new(make: M, run: R) -> Plain<I, M, R> {
        Plain {
            inputs: VecDeque::new(),
            make,
            run,
        }
    }
}

impl<I, M: FnMut() -> I, R: FnMut(I)> Scenario for Plain<I, M, R> {
    fn prepare(&mut self) {
        self.inputs.push_back((self.make)());
    }

    fn run(&mut self) {
        let input = self.inputs.pop_front().expect("it was prepared");
        (self.run)(input);
    }
}
