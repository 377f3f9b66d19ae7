//! The life of a child as a table: in which phase, what happens, leads where,
//! and what is to be done. Policy alone; the doing is in `children`.

/// Where a child stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Phase {
    /// A process was asked for, and has not yet answered `initialize`.
    Starting,
    /// It takes calls.
    Ready,
    /// Its process was found useless and asked to go; another will follow.
    Ousted,
    /// No process; the next start has its time.
    Waiting,
    /// Its process was asked to go, for good.
    Retiring,
    /// No process, and none will be.
    Down,
}

/// What happens to a child.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Happening {
    /// It has answered `initialize`.
    HelloGood,
    /// It has answered `initialize` with an error or with nonsense.
    HelloBad,
    /// It has not answered `initialize` in time.
    TooSlow,
    /// It does not read its stdin, or has closed its stdout.
    Useless,
    /// Its process is gone and its last word was heard, or there never was one.
    LifeOver,
    /// The wait for the next start is over.
    RetryDue,
    /// It is no longer wanted.
    StopAsked,
}

/// What is to be done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// Nothing.
    Nothing,
    /// Start a process.
    Start,
    /// Greet it and read its lists.
    Serve,
    /// Ask its process to go, and see that it does.
    Dismiss,
    /// Set the time of the next start.
    Retry,
    /// It is down: tell who waits for that.
    Rest,
}

/// The table. No default arm: a new phase or happening must be placed by hand.
pub fn next(phase: Phase, happening: Happening) -> (Phase, Step) {
    use Happening::{HelloBad, HelloGood, LifeOver, RetryDue, StopAsked, TooSlow, Useless};
    use Phase::{Down, Ousted, Ready, Retiring, Starting, Waiting};

    match (phase, happening) {
        (Starting, HelloGood) => (Ready, Step::Serve),
        (Starting, HelloBad | TooSlow | Useless) => (Ousted, Step::Dismiss),
        (Starting | Ready | Ousted, LifeOver) => (Waiting, Step::Retry),
        (Starting | Ready, StopAsked) => (Retiring, Step::Dismiss),
        // The start it waits for is the one under way.
        (Starting, RetryDue) => (Starting, Step::Nothing),

        (Ready, Useless) => (Ousted, Step::Dismiss),
        // A second answer to `initialize`, or a deadline that crossed the first.
        (Ready, HelloGood | HelloBad | TooSlow | RetryDue) => (Ready, Step::Nothing),

        // It is on its way out already; only what follows changes.
        (Ousted, StopAsked) => (Retiring, Step::Nothing),
        (Ousted, HelloGood | HelloBad | TooSlow | Useless | RetryDue) => (Ousted, Step::Nothing),

        (Waiting, RetryDue) => (Starting, Step::Start),
        (Waiting, StopAsked) => (Down, Step::Rest),
        // Words of the life that ended.
        (Waiting, HelloGood | HelloBad | TooSlow | Useless | LifeOver) => (Waiting, Step::Nothing),

        (Retiring, LifeOver) => (Down, Step::Rest),
        (Retiring, HelloGood | HelloBad | TooSlow | Useless | RetryDue | StopAsked) => {
            (Retiring, Step::Nothing)
        }

        (Down, HelloGood | HelloBad | TooSlow | Useless | LifeOver | RetryDue | StopAsked) => {
            (Down, Step::Nothing)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PHASES: [Phase; 6] = [
        Phase::Starting,
        Phase::Ready,
        Phase::Ousted,
        Phase::Waiting,
        Phase::Retiring,
        Phase::Down,
    ];
    const HAPPENINGS: [Happening; 7] = [
        Happening::HelloGood,
        Happening::HelloBad,
        Happening::TooSlow,
        Happening::Useless,
        Happening::LifeOver,
        Happening::RetryDue,
        Happening::StopAsked,
    ];

    /// Whether a process of the child may be alive in this phase.
    fn has_process(phase: Phase) -> bool {
        matches!(
            phase,
            Phase::Starting | Phase::Ready | Phase::Ousted | Phase::Retiring
        )
    }

    #[test]
    fn a_process_is_started_only_where_none_is_alive() {
        for phase in PHASES {
            for happening in HAPPENINGS {
                let (_, step) = next(phase, happening);
                assert!(
                    step != Step::Start || !has_process(phase),
                    "{phase:?} {happening:?}"
                );
            }
        }
    }

    #[test]
    fn a_phase_without_process_is_entered_only_when_the_life_is_over() {
        for phase in PHASES.into_iter().filter(|&phase| has_process(phase)) {
            for happening in HAPPENINGS {
                let (to, _) = next(phase, happening);
                assert_eq!(
                    !has_process(to),
                    happening == Happening::LifeOver,
                    "{phase:?} {happening:?}"
                );
            }
        }
    }

    #[test]
    fn who_is_no_longer_wanted_never_starts_again() {
        for phase in PHASES {
            let (mut now, _) = next(phase, Happening::StopAsked);
            for happening in HAPPENINGS {
                let (to, step) = next(now, happening);
                assert!(matches!(to, Phase::Retiring | Phase::Down));
                assert!(!matches!(step, Step::Start | Step::Serve | Step::Retry));
                now = to;
            }
        }
    }

    #[test]
    fn a_child_that_keeps_failing_is_started_again_each_time() {
        let mut phase = Phase::Starting;
        for happening in [
            Happening::LifeOver,
            Happening::RetryDue,
            Happening::HelloBad,
            Happening::LifeOver,
            Happening::RetryDue,
            Happening::HelloGood,
            Happening::LifeOver,
        ] {
            phase = next(phase, happening).0;
        }
        assert_eq!(phase, Phase::Waiting);
    }
}
