//! What the scenarios take in time: `cargo bench`. For comparing two builds on
//! one machine in one sitting; what must not get slower is held in instructions
//! (`make counts`), which differ neither by machine nor by hour.

mod stage;

use std::cell::RefCell;

use stage::scenarios::{ALL, Named};

fn main() {
    divan::main();
}

fn names() -> impl Iterator<Item = &'static str> {
    ALL.iter().map(|(name, _)| *name)
}

#[divan::bench(args = names())]
fn scenario(bencher: divan::Bencher<'_, '_>, name: &str) {
    let known: Option<&Named> = ALL.iter().find(|(known, _)| *known == name);
    let (_, make) = known.expect("divan gives back the names it was given");
    let scenario = RefCell::new(make());
    bencher
        .with_inputs(|| scenario.borrow_mut().prepare())
        .bench_local_values(|()| scenario.borrow_mut().run());
}
