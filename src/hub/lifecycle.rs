//! The life of a child as a table: in which phase, what happens, leads where,
//! and what is to be done. Policy alone; the doing is in `children`.

use Phase::{
    Asleep, Down, Dozing, Leaving, Ousted, Parked, Parting, Probing, Ready, Renewing, Retiring,
    Starting, Waiting, Yielding,
};

/// Where a child stands.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Phase {
    /// A throw-away process was asked for, which is to tell in which era the
    /// server is spoken to.
    Probing,
    /// That process was asked to go; the real one follows at once.
    Parting,
    /// A process was asked for, and has not yet answered its greeting.
    Starting,
    /// It takes calls.
    Ready,
    /// It is out of date: it finishes its calls, and another life follows.
    Yielding,
    /// It is no longer wanted: it finishes its calls, and none follows.
    Leaving,
    /// Its process was found useless and asked to go; another will follow.
    Ousted,
    /// Its process was asked to go for no fault of its own; another follows at
    /// once.
    Renewing,
    /// Its process was asked to go because nobody needs it at present.
    Dozing,
    /// No process, until somebody needs it.
    Asleep,
    /// No process; the next start has its time.
    Waiting,
    /// No process: it has failed too often. One start is tried now and then,
    /// and nothing waits for it.
    Parked,
    /// Its process was asked to go, for good.
    Retiring,
    /// No process, and none will be.
    Down,
}

impl Phase {
    /// Every phase.
    pub const ALL: [Phase; 14] = [
        Phase::Probing,
        Phase::Parting,
        Phase::Starting,
        Phase::Ready,
        Phase::Yielding,
        Phase::Leaving,
        Phase::Ousted,
        Phase::Renewing,
        Phase::Dozing,
        Phase::Asleep,
        Phase::Waiting,
        Phase::Parked,
        Phase::Retiring,
        Phase::Down,
    ];

    /// Whether a process of the child may be alive.
    pub fn has_process(self) -> bool {
        match self {
            Phase::Probing
            | Phase::Parting
            | Phase::Starting
            | Phase::Ready
            | Phase::Yielding
            | Phase::Leaving
            | Phase::Ousted
            | Phase::Renewing
            | Phase::Dozing
            | Phase::Retiring => true,
            Phase::Asleep | Phase::Waiting | Phase::Parked | Phase::Down => false,
        }
    }

    /// Whether its process was asked to go and hears nothing more.
    pub fn is_farewell(self) -> bool {
        match self {
            Phase::Parting | Phase::Ousted | Phase::Renewing | Phase::Dozing | Phase::Retiring => {
                true
            }
            Phase::Probing
            | Phase::Starting
            | Phase::Ready
            | Phase::Yielding
            | Phase::Leaving
            | Phase::Asleep
            | Phase::Waiting
            | Phase::Parked
            | Phase::Down => false,
        }
    }
}

/// What happens to a child.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Happening {
    /// It has answered its greeting.
    HelloGood,
    /// It has answered its greeting with an error or with nonsense.
    HelloBad,
    /// It has not answered its greeting in time.
    TooSlow,
    /// It does not read its stdin, has closed its stdout, or does not answer.
    Useless,
    /// Its process is gone and its last word was heard, or there never was one.
    LifeOver,
    /// The same, and it has now failed as often in a row as it may.
    LastStraw,
    /// It is time for the next start, or somebody needs it.
    StartDue,
    /// The same, of one whose era has to be found out first.
    ProbeDue,
    /// What it is started with has changed.
    RenewAsked,
    /// It is no longer wanted, but may finish its calls.
    LeaveAsked,
    /// Its calls are done, or have had their time.
    Drained,
    /// Nobody has needed it for a while, or waits for its next start.
    Unneeded,
    /// It is no longer wanted.
    StopAsked,
}

impl Happening {
    /// Everything that can happen.
    pub const ALL: [Happening; 13] = [
        Happening::HelloGood,
        Happening::HelloBad,
        Happening::TooSlow,
        Happening::Useless,
        Happening::LifeOver,
        Happening::LastStraw,
        Happening::StartDue,
        Happening::ProbeDue,
        Happening::RenewAsked,
        Happening::LeaveAsked,
        Happening::Drained,
        Happening::Unneeded,
        Happening::StopAsked,
    ];
}

/// What is to be done.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Step {
    /// Nothing.
    Nothing,
    /// Start a process.
    Start,
    /// Read its lists.
    Serve,
    /// Let it finish its calls, but not for ever.
    Drain,
    /// Ask its process to go, and see that it does.
    Dismiss,
    /// Set the time of the next start.
    Retry,
    /// The same, and say that nothing waits for it.
    Park,
    /// Start anew, without delay.
    Again,
    /// It sleeps: start it if somebody waits for it after all.
    Sleep,
    /// It is down: tell who waits for that.
    Rest,
}

/// The table, a function for each happening. No default arm anywhere: a new
/// phase or happening must be placed by hand.
pub fn next(phase: Phase, happening: Happening) -> (Phase, Step) {
    match happening {
        Happening::HelloGood => greeted(phase, (Ready, Step::Serve)),
        Happening::HelloBad | Happening::TooSlow => greeted(phase, (Ousted, Step::Dismiss)),
        Happening::Useless => useless(phase),
        Happening::LifeOver => over(phase, (Waiting, Step::Retry)),
        Happening::LastStraw => over(phase, (Parked, Step::Park)),
        Happening::StartDue => due(phase, Starting),
        Happening::ProbeDue => due(phase, Probing),
        Happening::RenewAsked => renew(phase),
        Happening::LeaveAsked => leave(phase),
        Happening::Drained => drained(phase),
        Happening::Unneeded => unneeded(phase),
        Happening::StopAsked => stop(phase),
    }
}

/// It has answered its greeting, or failed to.
fn greeted(phase: Phase, starting: (Phase, Step)) -> (Phase, Step) {
    match phase {
        // Whatever it says, and if it says nothing, it has told its era.
        Probing => (Parting, Step::Dismiss),
        Starting => starting,
        // A second answer, or a deadline that crossed the first.
        Parting | Ready | Yielding | Leaving | Ousted | Renewing | Dozing | Asleep | Waiting
        | Parked | Retiring | Down => (phase, Step::Nothing),
    }
}

fn useless(phase: Phase) -> (Phase, Step) {
    match phase {
        Probing => (Parting, Step::Dismiss),
        Starting | Ready => (Ousted, Step::Dismiss),
        Yielding => (Renewing, Step::Dismiss),
        Leaving => (Retiring, Step::Dismiss),
        Parting | Ousted | Renewing | Dozing | Asleep | Waiting | Parked | Retiring | Down => {
            (phase, Step::Nothing)
        }
    }
}

fn over(phase: Phase, failed: (Phase, Step)) -> (Phase, Step) {
    match phase {
        Probing | Parting => (Starting, Step::Start),
        Starting | Ready | Ousted => failed,
        Yielding | Renewing => (Waiting, Step::Again),
        Dozing => (Asleep, Step::Sleep),
        Leaving | Retiring => (Down, Step::Rest),
        Asleep | Waiting | Parked | Down => (phase, Step::Nothing),
    }
}

/// It is to be started: first to be asked its era, or to serve.
fn due(phase: Phase, start: Phase) -> (Phase, Step) {
    match phase {
        Asleep | Waiting | Parked => (start, Step::Start),
        Dozing => (Renewing, Step::Nothing),
        // The start that was due is the one under way, or follows.
        Probing | Parting | Starting | Ready | Yielding | Leaving | Ousted | Renewing
        | Retiring | Down => (phase, Step::Nothing),
    }
}

fn renew(phase: Phase) -> (Phase, Step) {
    match phase {
        Probing | Starting => (Renewing, Step::Dismiss),
        Ready => (Yielding, Step::Drain),
        Yielding | Leaving => (Yielding, Step::Nothing),
        // On its way out already; only what follows changes.
        Parting | Ousted | Renewing | Dozing | Retiring => (Renewing, Step::Nothing),
        Asleep | Waiting | Parked | Down => (Waiting, Step::Again),
    }
}

fn leave(phase: Phase) -> (Phase, Step) {
    match phase {
        Ready => (Leaving, Step::Drain),
        Yielding | Leaving => (Leaving, Step::Nothing),
        Probing | Parting | Starting | Ousted | Renewing | Dozing | Asleep | Waiting | Parked
        | Retiring | Down => stop(phase),
    }
}

fn drained(phase: Phase) -> (Phase, Step) {
    match phase {
        Yielding => (Renewing, Step::Dismiss),
        Leaving => (Retiring, Step::Dismiss),
        Probing | Parting | Starting | Ready | Ousted | Renewing | Dozing | Asleep | Waiting
        | Parked | Retiring | Down => (phase, Step::Nothing),
    }
}

fn unneeded(phase: Phase) -> (Phase, Step) {
    match phase {
        Ready => (Dozing, Step::Dismiss),
        // The start that was due is left to the call that needs it.
        Waiting | Parked => (Asleep, Step::Sleep),
        Probing | Parting | Starting | Yielding | Leaving | Ousted | Renewing | Dozing | Asleep
        | Retiring | Down => (phase, Step::Nothing),
    }
}

fn stop(phase: Phase) -> (Phase, Step) {
    match phase {
        Probing | Starting | Ready | Yielding | Leaving => (Retiring, Step::Dismiss),
        Parting | Ousted | Renewing | Dozing | Retiring => (Retiring, Step::Nothing),
        Asleep | Waiting | Parked => (Down, Step::Rest),
        Down => (Down, Step::Nothing),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_end(happening: Happening) -> bool {
        matches!(happening, Happening::LifeOver | Happening::LastStraw)
    }

    /// The columns of the table in the documentation.
    const COLUMNS: [(&str, &[Happening]); 12] = [
        ("hello good", &[Happening::HelloGood]),
        (
            "hello bad, too slow",
            &[Happening::HelloBad, Happening::TooSlow],
        ),
        ("useless", &[Happening::Useless]),
        ("life over", &[Happening::LifeOver]),
        ("last straw", &[Happening::LastStraw]),
        ("start due", &[Happening::StartDue]),
        ("probe due", &[Happening::ProbeDue]),
        ("renew asked", &[Happening::RenewAsked]),
        ("leave asked", &[Happening::LeaveAsked]),
        ("drained", &[Happening::Drained]),
        ("unneeded", &[Happening::Unneeded]),
        ("stop asked", &[Happening::StopAsked]),
    ];

    fn cell(phase: Phase, happenings: &[Happening]) -> String {
        let told = |happening: &Happening| match next(phase, *happening) {
            (to, Step::Nothing) if to == phase => "–".to_owned(),
            (to, Step::Nothing) => format!("{to:?}"),
            (to, step) => format!("{to:?}: *{}*", format!("{step:?}").to_lowercase()),
        };
        let cells: Vec<String> = happenings.iter().map(told).collect();
        assert!(cells.iter().all(|cell| *cell == cells[0]), "{phase:?}");
        cells[0].clone()
    }

    #[test]
    fn the_table_in_the_documentation_is_this_one() {
        let placed: usize = COLUMNS.iter().map(|(_, happenings)| happenings.len()).sum();
        assert_eq!(placed, Happening::ALL.len(), "a happening has no column");
        let heads = COLUMNS.map(|(head, _)| head).join(" | ");
        let mut table = format!("| phase | {heads} |\n|{}\n", "---|".repeat(13));
        for phase in Phase::ALL {
            let cells = COLUMNS.map(|(_, happenings)| cell(phase, happenings));
            table += &format!("| {phase:?} | {} |\n", cells.join(" | "));
        }
        let documentation = include_str!("../../docs/architecture.md");
        assert!(documentation.contains(&table), "it should be\n{table}");
    }

    #[test]
    fn a_process_is_started_only_where_none_is_alive() {
        for phase in Phase::ALL {
            for happening in Happening::ALL {
                let (_, step) = next(phase, happening);
                // The end of one may be the start of the next.
                let is_free = !phase.has_process() || is_end(happening);
                assert!(step != Step::Start || is_free, "{phase:?} {happening:?}");
            }
        }
    }

    #[test]
    fn a_phase_without_process_is_entered_only_when_the_life_is_over() {
        for phase in Phase::ALL.into_iter().filter(|&phase| phase.has_process()) {
            for happening in Happening::ALL {
                let (to, step) = next(phase, happening);
                assert_eq!(
                    !to.has_process() || step == Step::Start,
                    is_end(happening),
                    "{phase:?} {happening:?}"
                );
            }
        }
    }

    #[test]
    fn a_process_that_was_to_tell_its_era_never_serves() {
        for happening in Happening::ALL {
            let (mut phase, step) = next(Phase::Probing, happening);
            assert!(phase != Phase::Ready && step != Step::Serve);
            while phase == Phase::Parting {
                phase = next(phase, Happening::LifeOver).0;
            }
            assert!(matches!(
                phase,
                Phase::Probing | Phase::Starting | Phase::Renewing | Phase::Retiring
            ));
        }
    }

    #[test]
    fn who_is_no_longer_wanted_never_starts_again() {
        for phase in Phase::ALL {
            let (mut now, _) = next(phase, Happening::StopAsked);
            let others = Happening::ALL.into_iter();
            for happening in others.filter(|&other| other != Happening::RenewAsked) {
                let (to, step) = next(now, happening);
                assert!(matches!(to, Phase::Retiring | Phase::Down));
                assert!(matches!(step, Step::Nothing | Step::Rest));
                now = to;
            }
        }
    }

    #[test]
    fn who_may_finish_its_calls_is_dismissed_only_when_it_has_or_is_no_use() {
        for phase in [Phase::Yielding, Phase::Leaving] {
            for happening in Happening::ALL {
                let (to, step) = next(phase, happening);
                let may_go = matches!(
                    happening,
                    Happening::Drained | Happening::Useless | Happening::StopAsked
                );
                assert_eq!(step == Step::Dismiss, may_go, "{phase:?} {happening:?}");
                assert!(may_go || is_end(happening) || to.has_process());
            }
        }
    }

    #[test]
    fn whoever_is_needed_while_it_goes_for_lack_of_need_starts_again() {
        for needed in [Happening::StartDue, Happening::ProbeDue] {
            let (going, step) = next(Phase::Dozing, needed);
            assert_eq!(step, Step::Nothing);
            assert_eq!(next(going, Happening::LifeOver).1, Step::Again);
        }
        assert_eq!(next(Phase::Dozing, Happening::LifeOver).0, Phase::Asleep);
    }

    #[test]
    fn who_sleeps_is_started_by_need_alone() {
        for phase in [Phase::Waiting, Phase::Parked] {
            let (asleep, step) = next(phase, Happening::Unneeded);
            assert_eq!((asleep, step), (Phase::Asleep, Step::Sleep));
        }
        let starts = |happening: &Happening| {
            let (to, step) = next(Phase::Asleep, *happening);
            step == Step::Start || to != Phase::Asleep && to != Phase::Down
        };
        let starting: Vec<Happening> = Happening::ALL.into_iter().filter(starts).collect();
        assert_eq!(
            starting,
            [
                Happening::StartDue,
                Happening::ProbeDue,
                Happening::RenewAsked
            ]
        );
    }

    #[test]
    fn what_is_parked_is_tried_again_and_serves_if_that_succeeds() {
        let (parked, _) = next(Phase::Starting, Happening::LastStraw);
        let (trying, step) = next(parked, Happening::StartDue);
        assert_eq!(step, Step::Start);
        assert_eq!(next(trying, Happening::HelloGood).1, Step::Serve);
        assert_eq!(next(trying, Happening::LastStraw).0, Phase::Parked);
    }

    #[test]
    fn a_child_that_keeps_failing_is_started_again_each_time() {
        let mut phase = Phase::Starting;
        for happening in [
            Happening::LifeOver,
            Happening::StartDue,
            Happening::HelloBad,
            Happening::LifeOver,
            Happening::StartDue,
            Happening::HelloGood,
            Happening::LifeOver,
        ] {
            phase = next(phase, happening).0;
        }
        assert_eq!(phase, Phase::Waiting);
    }
}
