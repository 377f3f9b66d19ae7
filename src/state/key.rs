//! The secret that the ids of sessions are sealed with, and where it comes
//! from. What is done with it is `seal`'s business; it is never logged.

use std::ffi::OsString;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use crate::limits;
use crate::state::error::{Error, Fault};
use crate::state::files::{self, Draft};

/// The variable that beats the file, for replicas that share their sessions.
const VARIABLE: &str = "MCPROXY_SESSION_KEY";

/// The file.
const FILE: &str = "session.key";

/// A secret, and where it comes from.
#[derive(Clone, PartialEq, Eq)]
pub struct Key {
    /// The secret, of any length but none.
    pub secret: Vec<u8>,
    /// Where it comes from.
    pub origin: Origin,
}

/// Where a key comes from, and so how long the sessions live that it seals.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Origin {
    /// The environment.
    Environment,
    /// A file, which was there.
    File(PathBuf),
    /// A file that was made just now.
    NewFile(PathBuf),
    /// Made for this run; nothing keeps it.
    Run,
}

/// A key is shown to nobody.
impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({:?})", self.origin)
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Environment => write!(f, "from {VARIABLE}"),
            Origin::File(path) => write!(f, "from {}", path.display()),
            Origin::NewFile(path) => write!(f, "new, kept in {}", path.display()),
            Origin::Run => f.write_str("of this run alone: sessions end with this process"),
        }
    }
}

/// Finds the key: in the environment that `variable` looks up, else in the
/// folder, where it is made if it is not there, else one for this run.
///
/// A file that others can read or change, that belongs to another user, or that
/// is no key is replaced, with a warning: what was sealed with it opens no more,
/// which is the point, and the next start is quiet again. A file that merely
/// cannot be read may be there again tomorrow, so it stays.
///
/// # Errors
/// The environment's is empty or no text: one was meant, and replicas without
/// it would end each other's sessions. Or the system has no randomness.
pub fn find(
    variable: impl Fn(&str) -> Option<OsString>,
    folder: Option<&Path>,
) -> Result<Key, Error> {
    if let Some(text) = variable(VARIABLE) {
        let text = text.into_string().map_err(|_| Error::KeyNotText)?;
        if text.is_empty() {
            return Err(Error::EmptyKey);
        }
        if text.chars().count() < limits::STATE_KEY_CHARS_ENOUGH {
            log::warn!(
                "MCPROXY_SESSION_KEY is short enough to be guessed; `openssl rand -hex 32` makes \
                 a good one"
            );
        }
        return Ok(Key {
            secret: text.into_bytes(),
            origin: Origin::Environment,
        });
    }
    let new: [u8; limits::SEAL_SECRET_BYTES] =
        files::random().map_err(|error| Error::Randomness(error.to_string()))?;
    let kept = folder.map(|folder| of_file(folder.join(FILE), &new));
    let (secret, origin) = kept.flatten().unwrap_or((new.to_vec(), Origin::Run));
    Ok(Key { secret, origin })
}

/// The key of the file, or the new one if that is now in the file; nothing, and
/// a warning, where neither can be had.
fn of_file(path: PathBuf, new: &[u8]) -> Option<(Vec<u8>, Origin)> {
    let made = match read(&path) {
        Ok(secret) => return Some((secret, Origin::File(path))),
        Err(fault) if fault.is_absence() => make_first(&path, new),
        Err(fault @ Fault::System(_)) => {
            let file = path.display();
            log::warn!("{file}: {fault}; sessions of before are unknown");
            return None;
        }
        Err(fault) => {
            let file = path.display();
            log::warn!("{file}: {fault}; it is replaced, and sessions of before are unknown");
            replace(&path, new)
        }
    };
    match made {
        Ok(true) => Some((new.to_vec(), Origin::NewFile(path))),
        // Somebody else was first just now.
        Ok(false) => match read(&path) {
            Ok(secret) => Some((secret, Origin::File(path))),
            Err(fault) => {
                let file = path.display();
                log::warn!("{file}: {fault}; sessions end with this process");
                None
            }
        },
        Err(error) => {
            let file = path.display();
            log::warn!("{file}: it cannot be written: {error}; sessions end with this process");
            None
        }
    }
}

fn read(path: &Path) -> Result<Vec<u8>, Fault> {
    let secret = files::read(path, limits::SEAL_SECRET_BYTES, files::OTHERS_ANY)?;
    if secret.len() != limits::SEAL_SECRET_BYTES {
        return Err(Fault::Form("it is no key".to_owned()));
    }
    Ok(secret)
}

/// Makes the file; tells whether it was this one that made it.
fn make_first(path: &Path, new: &[u8]) -> io::Result<bool> {
    match Draft::write(path, new)?.sync()?.put_first() {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        put => put.map(|()| true),
    }
}

fn replace(path: &Path, new: &[u8]) -> io::Result<bool> {
    Draft::write(path, new)?.sync()?.put()?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStringExt;

    use super::*;
    use crate::state::tests::Scratch;

    fn in_folder(folder: &Path) -> Key {
        find(|_| None, Some(folder)).expect("a key")
    }

    fn of_text(text: impl Into<OsString>) -> Result<Key, Error> {
        let text = text.into();
        find(
            |name| (name == "MCPROXY_SESSION_KEY").then(|| text.clone()),
            None,
        )
    }

    #[test]
    fn the_environment_beats_the_file() {
        let scratch = Scratch::new();
        in_folder(scratch.path());
        let text = || Some("correct horse battery".into());
        let key = find(|_| text(), Some(scratch.path())).expect("a key");
        assert_eq!(key.secret, b"correct horse battery");
        assert_eq!(key.origin, Origin::Environment);
    }

    #[test]
    fn a_key_of_the_environment_that_is_none_is_an_error() {
        assert!(of_text("0").is_ok());
        assert!(matches!(of_text(""), Err(Error::EmptyKey)));
        let bytes = OsString::from_vec(vec![0xff; 32]);
        let error = of_text(bytes).expect_err("no text");
        assert_eq!(error.to_string(), "MCPROXY_SESSION_KEY: it is not UTF-8");
    }

    #[test]
    fn the_file_is_made_once_and_found_again() {
        let scratch = Scratch::new();
        let folder = scratch.path().join("state");
        let first = in_folder(&folder);
        let path = folder.join("session.key");
        assert_eq!(first.origin, Origin::NewFile(path.clone()));
        assert_eq!(Scratch::mode(&folder), 0o700);
        assert_eq!(Scratch::mode(&path), 0o600);
        let second = in_folder(&folder);
        assert_eq!(second.origin, Origin::File(path));
        assert_eq!(first.secret, second.secret);
        assert_eq!(first.secret.len(), 32);
        assert_eq!(scratch.names("state"), ["session.key"]);
    }

    #[test]
    fn a_key_that_others_may_know_or_that_is_none_is_replaced() {
        let scratch = Scratch::new();
        let path = scratch.path().join("session.key");
        let mut last = in_folder(scratch.path()).secret;
        for mode in [0o640, 0o604, 0o620, 0o602] {
            Scratch::set_mode(&path, mode);
            let key = in_folder(scratch.path());
            assert_ne!(key.secret, last, "{mode:o}");
            assert_eq!(key.origin, Origin::NewFile(path.clone()));
            assert_eq!(Scratch::mode(&path), 0o600);
            assert_eq!(in_folder(scratch.path()).secret, key.secret);
            last = key.secret;
        }
        for odd in [&b""[..], b"short", &[7; 33]] {
            scratch.write("session.key", odd);
            let key = in_folder(scratch.path());
            assert_eq!(key.secret.len(), 32);
            assert_eq!(in_folder(scratch.path()).secret, key.secret);
        }
    }

    #[test]
    fn without_a_place_for_it_a_key_lives_as_long_as_the_run() {
        let one = find(|_| None, None).expect("a key");
        let other = find(|_| None, None).expect("a key");
        assert_eq!(one.origin, Origin::Run);
        assert_ne!(one.secret, other.secret);
        let scratch = Scratch::new();
        let below_file = scratch.write("file", b"").join("state");
        assert_eq!(in_folder(&below_file).origin, Origin::Run);
    }

    #[test]
    fn of_several_at_the_same_time_all_have_the_same_key() {
        let scratch = Scratch::new();
        let path = scratch.path();
        let keys: Vec<Key> = std::thread::scope(|scope| {
            let all: Vec<_> = (0..8).map(|_| scope.spawn(|| in_folder(path))).collect();
            all.into_iter()
                .map(|one| one.join().expect("a key"))
                .collect()
        });
        assert!(keys.iter().all(|key| key.secret == keys[0].secret));
        let new = |key: &&Key| matches!(key.origin, Origin::NewFile(_));
        assert_eq!(keys.iter().filter(new).count(), 1);
        assert_eq!(scratch.names(""), ["session.key"]);
    }

    #[test]
    fn a_key_is_never_shown() {
        let key = of_text("correct horse battery").expect("a key");
        let shown = format!("{key:?} {}", key.origin);
        assert!(!shown.contains("horse"), "{shown}");
    }
}
