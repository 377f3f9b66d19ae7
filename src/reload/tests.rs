//! When a file counts as changed, and what of a configuration cannot be taken on.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use super::{Look, Source, Stamp, Stamps, Watch, needs_restart};
use crate::config::check;
use crate::config::checked::Config;
use crate::config::load::Disk;
use crate::config::surroundings::{Overrides, Surroundings};
use crate::sorted::SortedMap;

const FILE: &str = "f.json";

/// The state of the files, by the sizes of `f.json` and of `.env`.
fn files(file: Option<u64>, env: Option<u64>) -> Stamps {
    let stamp = |size| Stamp {
        modified: (0, 0),
        size,
        identity: (0, 0),
    };
    let files = [(FILE, file), (".env", env)];
    let files = files.map(|(path, size)| (PathBuf::from(path), size.map(stamp)));
    files.into_iter().collect()
}

#[test]
fn a_file_counts_as_changed_when_two_looks_find_it_the_same() {
    let mut watch = Watch::default();
    let seen = files(Some(1), Some(1));
    let mut look = |file, env| watch.look(Path::new(FILE), &seen, files(file, env));
    assert_eq!(look(Some(1), Some(1)), Look::Same);
    assert_eq!(look(Some(2), Some(1)), Look::Moving);
    assert_eq!(look(Some(3), Some(1)), Look::Moving, "it is being written");
    assert_eq!(look(Some(3), Some(1)), Look::Changed);
    // That it was told is for the caller to remember.
    assert_eq!(look(Some(3), Some(1)), Look::Moving);
    assert_eq!(look(Some(1), Some(1)), Look::Same, "it was taken back");
    assert_eq!(look(Some(3), Some(1)), Look::Moving);
}

#[test]
fn a_file_that_is_gone_for_a_while_has_not_changed_for_that() {
    let mut watch = Watch::default();
    let seen = files(Some(1), Some(1));
    let mut look = |file, env| watch.look(Path::new(FILE), &seen, files(file, env));
    assert_eq!(look(None, Some(1)), Look::Gone);
    assert_eq!(look(None, None), Look::Gone);
    assert_eq!(look(Some(1), Some(1)), Look::Same);
    assert_eq!(look(None, Some(1)), Look::Gone);
    assert_eq!(look(Some(2), Some(1)), Look::Moving);
    assert_eq!(look(None, Some(1)), Look::Gone);
    assert_eq!(look(Some(2), Some(1)), Look::Moving, "it is new again");
    assert_eq!(look(Some(2), Some(1)), Look::Changed);
}

#[test]
fn an_env_file_that_changes_comes_or_goes_is_a_change() {
    for (before, after) in [(Some(1), Some(2)), (None, Some(1)), (Some(1), None)] {
        let mut watch = Watch::default();
        let mut look = || {
            let seen = files(Some(1), before);
            watch.look(Path::new(FILE), &seen, files(Some(1), after))
        };
        assert_eq!(look(), Look::Moving);
        assert_eq!(look(), Look::Changed);
    }
}

/// A folder of a test, removed at its end.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Folder {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("mcproxy-reload-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).expect("it can be made");
        Folder(path)
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.0.join(name), text).expect("it can be written");
    }

    fn source(&self, name: &str) -> Source {
        let around = Surroundings {
            environment: SortedMap::new(),
            executable: PathBuf::from("/bin/true"),
            working_dir: self.0.clone(),
            files: &Disk,
        };
        Source::new(&self.0.join(name), around, Overrides::default())
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

const WITH_ENV: &str = r#"{"servers":[{"name":"a","command":"/bin/true","envFile":".env"}]}"#;

#[test]
fn what_an_entry_reads_besides_is_watched_also_where_it_is_not_there() {
    let folder = Folder::new();
    folder.write(FILE, WITH_ENV);
    let mut source = folder.source(FILE);
    assert_eq!(source.read().map(|l| l.problems.len()).ok(), Some(1));
    assert_eq!(source.look(), source.seen);
    folder.write(".env", "A=1");
    assert_ne!(source.look(), source.seen);
    assert_eq!(source.read().map(|l| l.problems.len()).ok(), Some(0));
    assert_eq!(source.look(), source.seen);
    folder.write(FILE, r#"{"servers":[]}"#);
    assert!(source.read().is_ok());
    folder.write(".env", "A=12");
    assert_eq!(source.look(), source.seen, "nobody names it any more");
}

#[test]
fn a_file_is_another_after_a_rename_and_behind_a_link_that_was_swapped() {
    let folder = Folder::new();
    let same = r#"{"servers":[]}"#;
    for version in ["one", "two"] {
        folder.write(version, same);
    }
    std::os::unix::fs::symlink("one", folder.0.join("data")).expect("a link");
    std::os::unix::fs::symlink("data", folder.0.join(FILE)).expect("a link");
    let mut source = folder.source(FILE);
    assert!(source.read().is_ok());
    assert_eq!(source.look(), source.seen);
    // As Kubernetes does it: a new link is put in the place of the old one.
    std::os::unix::fs::symlink("two", folder.0.join("fresh")).expect("a link");
    std::fs::rename(folder.0.join("fresh"), folder.0.join("data")).expect("it is renamed");
    assert_ne!(source.look(), source.seen);
    assert!(source.read().is_ok());
    folder.write("three", same);
    std::fs::rename(folder.0.join("three"), folder.0.join("two")).expect("it is renamed");
    assert_ne!(source.look(), source.seen);
}

#[test]
fn a_pipe_in_place_of_a_file_is_waited_for_but_not_for_ever() {
    let folder = Folder::new();
    folder.write(FILE, r#"{"servers":[]}"#);
    let mut source = folder.source(FILE);
    assert!(source.read().is_ok());
    let path = folder.0.join(FILE);
    std::fs::remove_file(&path).expect("it is there");
    nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).expect("a pipe");
    let problems = source.read().expect_err("nobody writes");
    assert!(
        problems[0].to_string().contains("a pipe"),
        "{}",
        problems[0]
    );
    let seen = source.seen.clone();
    std::thread::scope(|scope| {
        // Opening it waits for the reader.
        scope.spawn(|| std::fs::write(&path, r#"{"servers":[]}"#).expect("it is read"));
        assert!(source.read().is_ok());
    });
    assert_eq!(source.look(), seen, "that it was read is no change");
    std::fs::remove_file(&path).expect("it is there");
    folder.write(FILE, r#"{"servers":[]}"#);
    assert!(source.read().is_ok());
}

fn config(text: &str) -> Config {
    let around = Surroundings {
        environment: SortedMap::new(),
        executable: PathBuf::from("/bin/true"),
        working_dir: PathBuf::from("/"),
        files: &Disk,
    };
    let loaded = check::parse(text, FILE, &around, &Overrides::default());
    loaded.expect("it is right").config
}

#[test]
fn what_the_doors_hold_needs_a_restart_and_is_named() {
    let plain = config(r#"{"servers":[]}"#);
    for (member, expected, over_stdio) in [
        (r#""host":"127.0.0.2""#, vec!["\"host\""], vec![]),
        (r#""port":1"#, vec!["\"port\""], vec![]),
        (
            r#""allow_origins":["http://a.b"]"#,
            vec!["\"allow_origins\""],
            vec![],
        ),
        (r#""allow_hosts":["a.b"]"#, vec!["\"allow_hosts\""], vec![]),
        (
            r#""limits":{"max_connections":7}"#,
            vec!["\"max_connections\""],
            vec![],
        ),
        (
            r#""limits":{"keepalive_interval":7}"#,
            vec!["\"keepalive_interval\" of clients' streams"],
            vec![],
        ),
        (
            r#""limits":{"max_message_size":700}"#,
            vec!["\"max_message_size\""],
            vec!["\"max_message_size\""],
        ),
        (r#""limits":{"max_queue_size":7}"#, vec![], vec![]),
        (r#""groups":{"g":[]},"log_level":"debug""#, vec![], vec![]),
    ] {
        let other = config(&format!(r#"{{"servers":[],{member}}}"#));
        assert_eq!(needs_restart(&plain, &other, true), expected, "{member}");
        assert_eq!(needs_restart(&plain, &other, false), over_stdio, "{member}");
    }
}
