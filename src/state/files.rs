//! How files of the state are read, written and cleaned up: only what is ours
//! is read, nothing is ever there in half, and nobody else gets at it. What is
//! in them is the business of others.

use std::fs::{self, DirBuilder, File, Metadata, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use nix::fcntl::OFlag;
use nix::unistd::geteuid;

use crate::limits;
use crate::state::error::Fault;

/// How the name of a file ends that is still being written.
const UNFINISHED: &str = ".new";

/// The bits by which others may change a file.
pub const OTHERS_WRITE: u32 = 0o022;

/// The bits by which others get at a file in any way.
pub const OTHERS_ANY: u32 = 0o077;

/// Makes a folder, and those it is in, for nobody else's eyes. One that is there
/// stays as it is.
///
/// # Errors
/// The system refuses it.
pub fn make_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Reads a file of at most `max` bytes which is ours (or root's), and with which
/// others may do none of `forbidden`, permission bits.
///
/// Whoever could put a file of his own in place of ours could put words into the
/// mouths of servers; a folder that many may write to, as containers often have,
/// must not give that away.
///
/// # Errors
/// Whatever is wrong with it, its absence included.
pub fn read(path: &Path, max: usize, forbidden: u32) -> Result<Vec<u8>, Fault> {
    // Opening a pipe would wait for somebody to write into it.
    let flags = OFlag::O_NONBLOCK.bits();
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(flags)
        .open(path)?;
    let about = file.metadata()?;
    if !about.is_file() {
        return Err(Fault::NotAFile);
    }
    if about.uid() != geteuid().as_raw() && about.uid() != 0 {
        return Err(Fault::Foreign);
    }
    if about.mode() & forbidden != 0 {
        return Err(Fault::Exposed(about.mode() & 0o777));
    }
    let mut bytes = Vec::new();
    file.take(max as u64 + 1).read_to_end(&mut bytes)?;
    if bytes.len() > max {
        return Err(Fault::TooLong(max));
    }
    Ok(bytes)
}

/// A file that is written beside the place it is meant for, so that nobody ever
/// finds it there in half. What is not put in place is removed again.
#[derive(Debug)]
pub struct Draft {
    beside: Beside,
    place: PathBuf,
    file: File,
}

/// Where a draft is until it is in place.
#[derive(Debug)]
struct Beside(PathBuf);

impl Drop for Beside {
    fn drop(&mut self) {
        // Mostly it is in place by now, and not here any more.
        let _ = fs::remove_file(&self.0);
    }
}

impl Draft {
    /// Writes all of a file for `place`, readable for us alone. The folder is
    /// made if it is not there.
    ///
    /// # Errors
    /// The system refuses it.
    pub fn write(place: &Path, bytes: &[u8]) -> io::Result<Draft> {
        if let Some(folder) = place.parent() {
            make_folder(folder)?;
        }
        // By chance and not by process id, for containers that share a folder
        // have the same ids.
        let chance = u64::from_ne_bytes(random()?);
        let mut name = place.file_name().unwrap_or_default().to_owned();
        name.push(format!(".{chance:016x}{UNFINISHED}"));
        let path = place.with_file_name(name);
        let mut options = OpenOptions::new();
        let options = options.append(true).create_new(true).mode(0o600);
        let mut file = options.open(&path)?;
        let beside = Beside(path);
        file.write_all(bytes)?;
        Ok(Draft {
            beside,
            place: place.to_owned(),
            file,
        })
    }

    /// Waits until the disk has it, for what must survive a power cut.
    ///
    /// # Errors
    /// The system refuses it.
    pub fn sync(self) -> io::Result<Draft> {
        self.file.sync_data()?;
        Ok(self)
    }

    /// Puts it in place, instead of what may be there. The file stays open, to
    /// be appended to.
    ///
    /// # Errors
    /// The system refuses it.
    pub fn put(self) -> io::Result<File> {
        fs::rename(&self.beside.0, &self.place)?;
        Ok(self.file)
    }

    /// Puts it in place unless something is there: of several that try this at
    /// the same time one succeeds.
    ///
    /// # Errors
    /// `AlreadyExists`, or the system refuses it.
    pub fn put_first(self) -> io::Result<()> {
        match fs::hard_link(&self.beside.0, &self.place) {
            // Not every file system has links. Two that come to such a one at
            // the very same time do not agree, until the next start.
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => self.put().map(drop),
            linked => linked,
        }
    }
}

/// Bytes that nobody can foretell.
///
/// # Errors
/// The system has none.
pub fn random<const N: usize>() -> io::Result<[u8; N]> {
    let mut bytes = [0_u8; N];
    getrandom::fill(&mut bytes).map_err(|error| io::Error::other(error.to_string()))?;
    Ok(bytes)
}

/// Notes that a file is in use, for [`sweep`]. `now` is in seconds since 1970.
pub fn touch(path: &Path, now: u64) {
    let touched = File::open(path).and_then(|file| {
        if age(&file.metadata()?, now) < limits::STATE_FILE_TOUCH_AFTER {
            return Ok(());
        }
        file.set_modified(UNIX_EPOCH + Duration::from_secs(now))
    });
    if let Err(error) = touched {
        log::debug!("{}: its time of use stays: {error}", path.display());
    }
}

/// Removes files of a folder that are not needed and were not used for
/// [`limits::STATE_FILE_UNUSED_MAX`]; drafts that a crash has left are never needed.
/// `now` is in seconds since 1970.
pub fn sweep(folder: &Path, now: u64, is_needed: impl Fn(&str) -> bool) {
    let Ok(entries) = fs::read_dir(folder) else {
        return; // it is not there yet, or nothing in it can be used anyway
    };
    for entry in entries.flatten().take(limits::STATE_FILES_SEEN_MAX) {
        let name = entry.file_name();
        let kept = name
            .to_str()
            .is_some_and(|name| !name.ends_with(UNFINISHED) && is_needed(name));
        let is_old = entry
            .metadata()
            .is_ok_and(|about| about.is_file() && age(&about, now) > limits::STATE_FILE_UNUSED_MAX);
        if is_old && !kept && fs::remove_file(entry.path()).is_ok() {
            log::info!("{}: removed, as nothing uses it", entry.path().display());
        }
    }
}

/// How long ago a file was last changed.
fn age(about: &Metadata, now: u64) -> Duration {
    let changed = u64::try_from(about.mtime()).unwrap_or_default();
    Duration::from_secs(now.saturating_sub(changed))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::tests::Scratch;

    #[test]
    fn only_what_is_ours_and_short_enough_is_read() {
        let scratch = Scratch::new();
        let path = scratch.write("file", b"four");
        assert_eq!(read(&path, 4, OTHERS_ANY).expect("it is ours"), b"four");
        assert!(matches!(read(&path, 3, 0), Err(Fault::TooLong(3))));
        Scratch::set_mode(&path, 0o640);
        let exposed = read(&path, 4, OTHERS_ANY);
        assert!(matches!(exposed, Err(Fault::Exposed(0o640))), "{exposed:?}");
        assert!(read(&path, 4, OTHERS_WRITE).is_ok());
        Scratch::set_mode(&path, 0o602);
        assert!(matches!(
            read(&path, 4, OTHERS_WRITE),
            Err(Fault::Exposed(0o602))
        ));
        assert!(matches!(read(scratch.path(), 4, 0), Err(Fault::NotAFile)));
        let absent = read(&scratch.path().join("absent"), 4, 0);
        assert!(absent.is_err_and(|fault| fault.is_absence()));
    }

    #[test]
    fn what_belongs_to_somebody_else_is_not_read() {
        let scratch = Scratch::new();
        let path = scratch.write("file", b"four");
        // Only root can give away what is his.
        if std::os::unix::fs::chown(&path, Some(12_345), None).is_ok() {
            assert!(matches!(read(&path, 4, 0), Err(Fault::Foreign)));
        }
    }

    #[test]
    fn a_pipe_in_place_of_a_file_is_refused_and_not_waited_for() {
        let scratch = Scratch::new();
        let path = scratch.path().join("pipe");
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).expect("a pipe");
        assert!(matches!(read(&path, 4, 0), Err(Fault::NotAFile)));
    }

    #[test]
    fn a_draft_is_seen_whole_or_not_at_all() {
        let scratch = Scratch::new();
        let place = scratch.path().join("folder/file");
        let draft = Draft::write(&place, b"new").expect("a draft");
        assert!(!place.exists());
        drop(draft);
        assert_eq!(scratch.names("folder"), [""; 0]);

        let draft = Draft::write(&place, b"new").expect("a draft");
        let mut file = draft.put().expect("it is put in place");
        file.write_all(b"er").expect("it is open still");
        assert_eq!(fs::read(&place).expect("the file"), b"newer");
        assert_eq!(Scratch::mode(&place), 0o600);
        assert_eq!(scratch.names("folder"), ["file"]);
    }

    #[test]
    fn the_first_of_several_stays() {
        let scratch = Scratch::new();
        let place = scratch.path().join("file");
        let put = |bytes| Draft::write(&place, bytes).expect("a draft").put_first();
        put(b"first").expect("nothing was there");
        let second = put(b"second").expect_err("something was there");
        assert_eq!(second.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read(&place).expect("the file"), b"first");
        assert_eq!(scratch.names(""), ["file"]);
    }

    #[test]
    fn what_nothing_needs_goes_when_it_is_old() {
        const DAY: u64 = 24 * 60 * 60;
        let scratch = Scratch::new();
        let names = ["needed", "old", "young", "needed.0.new"];
        let paths = names.map(|name| scratch.write(name, b""));
        let now = 100 * DAY;
        let set = |path: &Path, days| {
            let time = UNIX_EPOCH + Duration::from_secs(days * DAY);
            let file = File::open(path).expect("the file");
            file.set_modified(time).expect("a time");
        };
        paths.iter().for_each(|path| set(path, 69));
        set(&paths[2], 71);
        fs::create_dir(scratch.path().join("folder")).expect("a folder");
        let is_needed = |name: &str| name.starts_with("needed");
        sweep(scratch.path(), now, is_needed);
        assert_eq!(scratch.names(""), ["folder", "needed", "young"]);

        // A month later the one that was used is still there.
        touch(&paths[2], now);
        sweep(scratch.path(), now + 29 * DAY, is_needed);
        assert_eq!(scratch.names(""), ["folder", "needed", "young"]);
        sweep(scratch.path(), now + 31 * DAY, is_needed);
        assert_eq!(scratch.names(""), ["folder", "needed"]);
    }
}
