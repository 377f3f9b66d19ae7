//! From a command as typed to the program that will be started.

use crate::config::environment::Variables;
use crate::config::problem::Fault;
use crate::config::surroundings::Surroundings;
use std::path::{Path, PathBuf};

/// What to write as `command`.
pub const WANTED: &str = "the program that starts the server";

/// The absolute path of a program.
///
/// A command with a slash is relative to the child's folder; one without is searched in the
/// PATH of the child's own environment, as the child's shell would do it.
///
/// # Errors
/// `Fault::Empty`, `Fault::NotExecutable` or `Fault::NotOnPath`.
pub fn resolve(
    command: &str,
    variables: &Variables,
    cwd: Option<&Path>,
    surroundings: &Surroundings<'_>,
) -> Result<PathBuf, Fault> {
    let folder = cwd.unwrap_or(&surroundings.working_dir);
    if command.trim().is_empty() {
        return Err(Fault::Empty(WANTED));
    }
    if command.contains('/') {
        let program = tidy(&folder.join(command));
        return if surroundings.files.is_executable(&program) {
            Ok(program)
        } else {
            Err(Fault::NotExecutable(program.to_string_lossy().into_owned()))
        };
    }
    let path = variables.get("PATH");
    // An empty element of PATH is the current folder (POSIX.1-2024, 8.3), which `join` makes of it.
    let found = path
        .into_iter()
        .flat_map(|path| path.split(':'))
        .map(|element| tidy(&folder.join(element).join(command)))
        .find(|program| surroundings.files.is_executable(program));
    found.ok_or_else(|| Fault::NotOnPath {
        command: command.to_owned(),
        path: path.cloned(),
    })
}

/// The folder of a child, absolute.
///
/// # Errors
/// `Fault::NoDirectory`.
pub fn folder(cwd: &str, surroundings: &Surroundings<'_>) -> Result<PathBuf, Fault> {
    let folder = tidy(&surroundings.working_dir.join(cwd));
    if surroundings.files.is_directory(&folder) {
        Ok(folder)
    } else {
        Err(Fault::NoDirectory(folder.to_string_lossy().into_owned()))
    }
}

/// The same path without `.` and doubled slashes. `..` stays: behind a link it means something else.
fn tidy(path: &Path) -> PathBuf {
    path.components().collect()
}
