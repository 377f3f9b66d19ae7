//! The one file of this room that touches the machine: reading files and asking for them.

use crate::config::check;
use crate::config::checked::Loaded;
use crate::config::environment::utf8;
use crate::config::problem::{Fault, Place, Problem};
use crate::config::surroundings::{Files, Overrides, Surroundings};
use crate::limits;
use nix::unistd::{AccessFlags, access};
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// Reads and checks a configuration file.
///
/// # Errors
/// Everything that is wrong, where the file as a whole cannot be used: it cannot be read, its
/// JSON is broken, its top level is wrong, or the environment or the command line is.
/// What is wrong inside one server's entry is no error here but stands in `Loaded::problems`.
pub fn load(
    path: &Path,
    surroundings: &Surroundings<'_>,
    overrides: &Overrides,
) -> Result<Loaded, Vec<Problem>> {
    let source = path.display().to_string();
    let read = surroundings.files.read(path, limits::CONFIG_FILE_SIZE_MAX);
    let text = read.and_then(utf8).map_err(|fault| {
        vec![Problem {
            place: Place::of(&source),
            fault,
        }]
    })?;
    check::parse(&text, &source, surroundings, overrides)
}

/// The file system of this machine.
pub struct Disk;

impl Files for Disk {
    fn is_executable(&self, path: &Path) -> bool {
        path.is_file() && access(path, AccessFlags::X_OK).is_ok()
    }

    fn is_directory(&self, path: &Path) -> bool {
        path.is_dir()
    }

    fn read(&self, path: &Path, limit: usize) -> Result<Vec<u8>, Fault> {
        // One byte more tells a file of exactly the limit from a larger one.
        let mut bytes = Vec::new();
        File::open(path)
            .and_then(|file| file.take(limit as u64 + 1).read_to_end(&mut bytes))
            .map_err(|error| Fault::Unreadable(reason(path, &error)))?;
        if bytes.len() > limit {
            Err(Fault::TooLarge(limit))
        } else {
            Ok(bytes)
        }
    }
}

fn reason(path: &Path, error: &io::Error) -> String {
    format!("{}: {error}", path.display())
}

/// This process and its machine. Names and values that are not UTF-8 keep what can be read of
/// them: a token must never look unset because of one wrong byte.
///
/// # Errors
/// The executable or the folder of this process is unknown.
pub fn this_process() -> io::Result<Surroundings<'static>> {
    let text = |text: std::ffi::OsString| text.to_string_lossy().into_owned();
    Ok(Surroundings {
        environment: std::env::vars_os()
            .map(|(name, value)| (text(name), text(value)))
            .collect(),
        executable: std::env::current_exe()?,
        working_dir: std::env::current_dir()?,
        files: &Disk,
    })
}
