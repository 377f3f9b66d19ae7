//! The life of a child as a table: in which phase, what happens, leads where,
//! and what is to be done. Policy alone; the doing is in `children`.

/// Where a child stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
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
    /// It has answered its greeting.
    HelloGood,
    /// It has answered its greeting with an error or with nonsense.
    HelloBad,
    /// It has not answered its greeting in time.
    TooSlow,
    /// It does not read its stdin, or has closed its stdout.
    Useless,
    /// Its process is gone and its last word was heard, or there never was one.
    LifeOver,
    /// It is time for the next start.
    StartDue,
    /// The same, of one whose era has to be found out first.
    ProbeDue,
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
    /// Read its lists.
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
    use Happening::{
        HelloBad, HelloGood, LifeOver, ProbeDue, StartDue, StopAsked, TooSlow, Useless,
    };
    use Phase::{Down, Ousted, Parting, Probing, Ready, Retiring, Starting, Waiting};

    match (phase, happening) {
        // Whatever it says, and if it says nothing, it has told its era.
        (Probing, HelloGood | HelloBad | TooSlow | Useless) => (Parting, Step::Dismiss),
        (Probing | Parting, LifeOver) => (Starting, Step::Start),
        (Probing, StopAsked) => (Retiring, Step::Dismiss),
        (Parting, StopAsked) => (Retiring, Step::Nothing),
        (Parting, HelloGood | HelloBad | TooSlow | Useless) => (Parting, Step::Nothing),
        // The start that was due is the one under way.
        (Probing | Parting | Starting, StartDue | ProbeDue) => (phase, Step::Nothing),

        (Starting, HelloGood) => (Ready, Step::Serve),
        (Starting, HelloBad | TooSlow | Useless) => (Ousted, Step::Dismiss),
        (Starting | Ready | Ousted, LifeOver) => (Waiting, Step::Retry),
        (Starting | Ready, StopAsked) => (Retiring, Step::Dismiss),

        (Ready, Useless) => (Ousted, Step::Dismiss),
        // A second answer to a greeting, or a deadline that crossed the first.
        (Ready, HelloGood | HelloBad | TooSlow | StartDue | ProbeDue) => (Ready, Step::Nothing),

        // It is on its way out already; only what follows changes.
        (Ousted, StopAsked) => (Retiring, Step::Nothing),
        (Ousted, HelloGood | HelloBad | TooSlow | Useless | StartDue | ProbeDue) => {
            (Ousted, Step::Nothing)
        }

        (Waiting, StartDue) => (Starting, Step::Start),
        (Waiting, ProbeDue) => (Probing, Step::Start),
        (Waiting, StopAsked) => (Down, Step::Rest),
        // Words of the life that ended.
        (Waiting, HelloGood | HelloBad | TooSlow | Useless | LifeOver) => (Waiting, Step::Nothing),

        (Retiring, LifeOver) => (Down, Step::Rest),
        (Retiring, HelloGood | HelloBad | TooSlow | Useless | StartDue | ProbeDue | StopAsked) => {
            (Retiring, Step::Nothing)
        }

        (
            Down,
            HelloGood | HelloBad | TooSlow | Useless | LifeOver | StartDue | ProbeDue | StopAsked,
        ) => (Down, Step::Nothing),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PHASES: [Phase; 8] = [
        Phase::Probing,
        Phase::Parting,
        Phase::Starting,
        Phase::Ready,
        Phase::Ousted,
        Phase::Waiting,
        Phase::Retiring,
        Phase::Down,
    ];
    const HAPPENINGS: [Happening; 8] = [
        Happening::HelloGood,
        Happening::HelloBad,
        Happening::TooSlow,
        Happening::Useless,
        Happening::LifeOver,
        Happening::StartDue,
        Happening::ProbeDue,
        Happening::StopAsked,
    ];

    /// Whether a process of the child may be alive in this phase.
    fn has_process(phase: Phase) -> bool {
        !matches!(phase, Phase::Waiting | Phase::Down)
    }

    #[test]
    fn a_process_is_started_only_where_none_is_alive() {
        for phase in PHASES {
            for happening in HAPPENINGS {
                let (_, step) = next(phase, happening);
                // The end of one may be the start of the next.
                let is_free = !has_process(phase) || happening == Happening::LifeOver;
                assert!(step != Step::Start || is_free, "{phase:?} {happening:?}");
            }
        }
    }

    #[test]
    fn a_phase_without_process_is_entered_only_when_the_life_is_over() {
        for phase in PHASES.into_iter().filter(|&phase| has_process(phase)) {
            for happening in HAPPENINGS {
                let (to, step) = next(phase, happening);
                assert_eq!(
                    !has_process(to) || step == Step::Start,
                    happening == Happening::LifeOver,
                    "{phase:?} {happening:?}"
                );
            }
        }
    }

    #[test]
    fn a_process_that_was_to_tell_its_era_never_serves() {
        for happening in HAPPENINGS {
            let (mut phase, step) = next(Phase::Probing, happening);
            assert!(phase != Phase::Ready && step != Step::Serve);
            while phase == Phase::Parting {
                phase = next(phase, Happening::LifeOver).0;
            }
            assert!(matches!(
                phase,
                Phase::Probing | Phase::Starting | Phase::Retiring
            ));
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
