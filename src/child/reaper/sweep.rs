//! The `sweeper` thread: when a life is over, it kills what is left of it.
//!
//! The life's process group is dead by then (`Process::reap`). What had left
//! the group, as a daemon does, has lost its parent and become our child; that
//! it belonged to the life is told by its mark, or, where it has cleaned its
//! environment, by having been noted before the life was told to go. Of what is
//! neither marked nor noted nothing is known: it may be anybody's, where we are
//! PID 1. It is left until the end.
//!
//! Killing one makes orphans of its own children, so there are rounds.
//! Everything slow is done without the book's lock; only to kill it is taken,
//! and the process looked at again, for only then its id is certainly its own.

use std::sync::{Arc, PoisonError};

use crate::child::process::Process;
use crate::child::reaper::{Shared, kill_stranger, own_children};
use crate::event::Life;
use crate::limits;
use crate::procfs::{self, Kin};

/// After how many rounds in a row without a find there is certainly nothing
/// left. One does not do: a process whose parent died while `/proc` was read may
/// have been seen with its old parent, and that one not at all.
const QUIET_ROUNDS: u32 = 2;

/// An adopted process that may have to go.
struct Suspect {
    kin: Kin,
    /// The life it is marked with.
    life: Option<Life>,
}

impl Shared {
    /// The thread: until the end of all, which is `Reaper::finish`'s.
    pub(super) fn sweep(&self) {
        // Those whose remains are looked for.
        let mut ended: Vec<Arc<Process>> = Vec::new();
        let (mut rounds, mut quiet) = (0, 0);
        while let Some(more) = self.await_ended(ended.is_empty()) {
            if !more.is_empty() {
                ended.extend(more);
                (rounds, quiet) = (0, 0);
            }
            let is_quiet = self.round(&ended);
            rounds += 1;
            quiet = if is_quiet { quiet + 1 } else { 0 };
            if quiet == QUIET_ROUNDS {
                ended.clear();
            } else if rounds == limits::SWEEP_ROUNDS_MAX {
                log::warn!("processes that outlived their servers cannot be killed");
                ended.clear();
            }
        }
    }

    /// Waits until a life has ended, or, amid a sweep, for the time between two
    /// rounds. `None` when the end of all has begun.
    fn await_ended(&self, at_rest: bool) -> Option<Vec<Arc<Process>>> {
        let book = self.lock();
        let is_still = |book: &mut super::Book| !book.closing && book.ended.is_empty();
        let mut book = if at_rest {
            self.changed
                .wait_while(book, is_still)
                .unwrap_or_else(PoisonError::into_inner)
        } else {
            self.changed
                .wait_timeout_while(book, limits::SWEEP_PAUSE, is_still)
                .unwrap_or_else(PoisonError::into_inner)
                .0
        };
        (!book.closing).then(|| std::mem::take(&mut book.ended))
    }

    /// Kills what there is to be found. True if there was nothing, and nothing
    /// that may hide something.
    fn round(&self, ended: &[Arc<Process>]) -> bool {
        let noted: Vec<Kin> = ended.iter().flat_map(|process| process.kin()).collect();
        let mut is_quiet = true;
        for kin in self.adopted() {
            let suspect = Suspect {
                kin,
                life: self.marker.on(kin.pid),
            };
            // By then it may show no environment any more.
            is_quiet &= !kin.dying;
            let is_noted = || noted.iter().any(|noted| is_same(noted, &kin));
            if (suspect.life.is_some() || is_noted()) && self.kill_remains(&suspect) {
                is_quiet = false;
                tell(ended, &suspect);
            }
        }
        is_quiet
    }

    /// The strangers among our children, but for those that have exited.
    fn adopted(&self) -> Vec<Kin> {
        let mut children = own_children();
        let book = self.lock();
        children.retain(|kin| !kin.zombie && book.is_stranger(kin.pid));
        children
    }

    /// Kills a process, unless its life goes on, or it is gone. True if it was killed.
    fn kill_remains(&self, suspect: &Suspect) -> bool {
        let book = self.lock();
        if suspect.life.is_some_and(|life| book.lives(life)) || !book.is_stranger(suspect.kin.pid) {
            return false;
        }
        // From here on nobody is reaped, so what is our child now stays it.
        let is_it = |now: Kin| is_same(&now, &suspect.kin) && now.parent == suspect.kin.parent;
        if !procfs::one(suspect.kin.pid).is_some_and(|now| is_it(now) && !now.zombie) {
            return false;
        }
        kill_stranger(suspect.kin.pid);
        true
    }
}

fn is_same(one: &Kin, other: &Kin) -> bool {
    (one.pid, one.began) == (other.pid, other.began)
}

/// Says whom that was.
fn tell(ended: &[Arc<Process>], suspect: &Suspect) {
    let is_its = |process: &&Arc<Process>| match suspect.life {
        Some(life) => process.life() == life,
        None => process.kin().iter().any(|kin| is_same(kin, &suspect.kin)),
    };
    let process = ended.iter().find(is_its);
    // One of the group was killed with it and is on its way.
    let group = process.and_then(|process| process.group());
    if group.is_none_or(|group| group.as_raw() != suspect.kin.group) {
        log::info!(
            "{}: killed process {}, which had left its group and outlived it",
            process.map_or("a server", |process| process.server()),
            suspect.kin.pid
        );
    }
}
