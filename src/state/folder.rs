//! Which folder the state is kept in. Nothing here reads or writes files in it.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::state::files;

/// What the folder is called where others keep theirs, too.
const OWN: &str = "mcproxy";

/// The folder, by the variables that `variable` looks up: the first of
/// `STATE_DIRECTORY` (systemd.exec(5), which hands over a list with colons), or
/// `mcproxy` below `XDG_STATE_HOME`, which is `~/.local/state` where it is not
/// set (XDG Base Directory Specification 0.8). Relative paths are ignored, as
/// that asks for.
pub fn folder(variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let absolute = |path: PathBuf| path.is_absolute().then_some(path);
    let of_systemd = || {
        let folders = variable("STATE_DIRECTORY")?;
        absolute(std::env::split_paths(&folders).next()?)
    };
    let of_xdg = || absolute(variable("XDG_STATE_HOME")?.into());
    let of_home = || Some(absolute(variable("HOME")?.into())?.join(".local/state"));
    let own = |parent: PathBuf| parent.join(OWN);
    of_systemd().or_else(|| of_xdg().or_else(of_home).map(own))
}

/// The folder of this process. Says so where there is none.
pub fn of_this_process() -> Option<PathBuf> {
    let found = folder(|name| std::env::var_os(name));
    if found.is_none() {
        log::info!(
            "no state folder: neither STATE_DIRECTORY, XDG_STATE_HOME nor HOME is an absolute \
             path, so no session and no list outlives this process"
        );
    }
    found
}

/// The same folder once it is there, for whoever is going to need it in any
/// case. One that cannot be made counts as none, with a single warning here
/// instead of one from everybody who would have used it.
pub fn made(folder: PathBuf) -> Option<PathBuf> {
    match files::make_folder(&folder) {
        Ok(()) => Some(folder),
        Err(error) => {
            log::warn!(
                "state folder {}: it cannot be made: {error}; no session and no list outlives \
                 this process",
                Path::display(&folder)
            );
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::tests::Scratch;

    fn of(variables: &[(&str, &str)]) -> Option<String> {
        let found = folder(|name| {
            let (_, value) = variables.iter().find(|(known, _)| *known == name)?;
            Some(OsString::from(value))
        });
        found.map(|path| path.to_str().expect("text").to_owned())
    }

    #[test]
    fn systemd_comes_before_xdg_and_that_before_home() {
        let [systemd, xdg, home] = [
            ("STATE_DIRECTORY", "/var/lib/a:/var/lib/b"),
            ("XDG_STATE_HOME", "/x"),
            ("HOME", "/home/ada"),
        ];
        assert_eq!(of(&[home, xdg, systemd]).as_deref(), Some("/var/lib/a"));
        assert_eq!(of(&[home, xdg]).as_deref(), Some("/x/mcproxy"));
        let below_home = Some("/home/ada/.local/state/mcproxy".to_owned());
        assert_eq!(of(&[home]), below_home);
        assert_eq!(of(&[]), None);
    }

    #[test]
    fn relative_and_empty_paths_are_passed_over() {
        let home = ("HOME", "/home/ada");
        let below_home = Some("/home/ada/.local/state/mcproxy".to_owned());
        for odd in ["", "state", "./state", ":/var/lib/b"] {
            assert_eq!(of(&[("STATE_DIRECTORY", odd), home]), below_home, "{odd}");
            assert_eq!(of(&[("XDG_STATE_HOME", odd), home]), below_home, "{odd}");
            assert_eq!(of(&[("HOME", odd)]), None, "{odd}");
        }
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_none() {
        let scratch = Scratch::new();
        let below_file = scratch.write("file", b"").join("state");
        assert_eq!(made(below_file), None);
        let fresh = scratch.path().join("a/b");
        assert_eq!(made(fresh.clone()), Some(fresh.clone()));
        assert_eq!(Scratch::mode(&fresh), 0o700);
    }
}
