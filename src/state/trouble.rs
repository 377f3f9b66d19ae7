//! Telling that a disk does not take something: once, until it does again.

use std::io;
use std::path::{Path, PathBuf};

/// Whether there is trouble with one kind of thing, and was told.
#[derive(Debug)]
pub struct Trouble {
    /// The thing, as a sentence calls it.
    what: &'static str,
    /// The file that was told of. Another one that fails meanwhile is hardly
    /// news, and one that works is not the end of it.
    told: Option<PathBuf>,
}

/// What was said of an outcome.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Told {
    /// Nothing: it is as it was.
    Nothing,
    /// That it fails.
    Failure,
    /// That it works again.
    Recovery,
}

impl Trouble {
    /// None as yet.
    pub fn of(what: &'static str) -> Trouble {
        Trouble { what, told: None }
    }

    /// Takes note of how writing a file went, and says so in the log if that is
    /// new.
    pub fn note(&mut self, path: &Path, outcome: &io::Result<()>) -> Told {
        let (file, what) = (path.display(), self.what);
        match (outcome, &self.told) {
            (Err(error), None) => {
                log::warn!(
                    "{file}: it cannot be written: {error}; until it can, {what} does not outlive \
                     this process"
                );
                self.told = Some(path.to_owned());
                Told::Failure
            }
            (Ok(()), Some(told)) if told == path => {
                log::info!("{file}: it is written again");
                self.told = None;
                Told::Recovery
            }
            (Err(error), Some(_)) => {
                log::debug!("{file}: it cannot be written: {error}");
                Told::Nothing
            }
            (Ok(()), _) => Told::Nothing,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trouble_is_told_once_and_its_end_too() {
        let mut trouble = Trouble::of("it");
        let full = || Err(io::ErrorKind::StorageFull.into());
        let outcomes = [
            ("a", Ok(())),
            ("a", full()),
            ("a", full()),
            ("b", full()),
            ("b", Ok(())),
            ("a", Ok(())),
            ("a", Ok(())),
            ("b", full()),
        ];
        let told = outcomes.map(|(file, outcome)| trouble.note(Path::new(file), &outcome));
        let expected = [
            Told::Nothing,
            Told::Failure,
            Told::Nothing,
            Told::Nothing,
            Told::Nothing,
            Told::Recovery,
            Told::Nothing,
            Told::Failure,
        ];
        assert_eq!(told, expected);
    }
}
