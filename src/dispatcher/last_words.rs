//! What the processes of each server had last written on stderr before they
//! ended: what `/status` shows where the process that runs says nothing. Kept
//! are the lines that answer why a server does as it does, not the latest ones.

use crate::event::ServerId;
use crate::sorted::SortedMap;

/// How a process ended that wrote the lines.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ending {
    /// Whether it was the one that all share, or that the lists come from; else
    /// it was a single session's.
    pub is_main: bool,
    /// Whether it was asked to go, and not for a fault of its own.
    pub is_excused: bool,
}

/// The last lines of the processes that are gone.
#[derive(Debug, Default)]
pub struct LastWords(SortedMap<ServerId, Words>);

#[derive(Debug, Default)]
struct Words {
    /// Those of the last main process that wrote any, and whether it was excused.
    main: (Vec<String>, bool),
    /// Those of the last process of a single session that was not.
    own: Vec<String>,
}

impl LastWords {
    /// Keeps what a process had written. Sessions end all the time: a process of
    /// one that was asked to go has nothing to tell.
    pub fn keep(&mut self, server: ServerId, ending: Ending, lines: Vec<String>) {
        if lines.is_empty() || (!ending.is_main && ending.is_excused) {
            return;
        }
        let words = self.0.entry(server).or_default();
        match ending.is_main {
            true => words.main = (lines, ending.is_excused),
            false => words.own = lines,
        }
    }

    /// What is told of a server: of its main process if that runs, or has failed;
    /// where it does not run because nobody needs it, of those that serve instead.
    pub fn of(&self, server: ServerId, main_runs: bool) -> &[String] {
        let Some(Words { main, own }) = self.0.get(&server) else {
            return &[];
        };
        let (lines, is_excused) = main;
        let main_counts = main_runs || own.is_empty() || (!lines.is_empty() && !is_excused);
        if main_counts { lines } else { own }
    }

    /// Forgets those of servers that are no more.
    pub fn retain(&mut self, is_known: impl Fn(ServerId) -> bool) {
        self.0.retain(|server, _| is_known(*server));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIT: ServerId = ServerId(1);
    const MAIN: Ending = Ending {
        is_main: true,
        is_excused: false,
    };
    const OWN: Ending = Ending {
        is_main: false,
        is_excused: false,
    };

    fn excused(ending: Ending) -> Ending {
        Ending {
            is_excused: true,
            ..ending
        }
    }

    fn told(kept: &[(Ending, &str)]) -> [String; 2] {
        let mut words = LastWords::default();
        for (ending, line) in kept {
            let lines = line.split_whitespace().map(str::to_owned).collect();
            words.keep(GIT, *ending, lines);
        }
        assert!(words.of(ServerId(2), true).is_empty());
        [true, false].map(|main_runs| words.of(GIT, main_runs).join(" "))
    }

    #[test]
    fn a_sessions_process_does_not_speak_for_one_that_runs_or_has_failed() {
        assert_eq!(told(&[(MAIN, "m"), (OWN, "o")]), ["m", "m"]);
        assert_eq!(told(&[(OWN, "o")]), ["", "o"]);
    }

    #[test]
    fn where_the_main_one_is_not_needed_those_speak_that_failed() {
        assert_eq!(told(&[(excused(MAIN), "m"), (OWN, "o")]), ["m", "o"]);
        assert_eq!(told(&[(excused(MAIN), "m")]), ["m", "m"]);
        let all = [(OWN, "o"), (OWN, "p"), (excused(OWN), "q")];
        assert_eq!(told(&all), ["", "p"]);
    }

    #[test]
    fn who_has_written_nothing_leaves_the_words_of_the_one_before() {
        assert_eq!(told(&[(MAIN, "m n"), (MAIN, "")]), ["m n", "m n"]);
        assert_eq!(told(&[]), ["", ""]);
    }

    #[test]
    fn of_servers_that_are_no_more_nothing_is_kept() {
        let mut words = LastWords::default();
        words.keep(GIT, MAIN, vec!["m".to_owned()]);
        words.retain(|server| server != GIT);
        assert!(words.of(GIT, true).is_empty());
    }
}
