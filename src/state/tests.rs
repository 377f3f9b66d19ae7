//! The state as the program uses it: what is kept is recalled, and nothing waits
//! for the disk. Also a folder for the tests of this room.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use super::*;
use crate::record::{Lists, Remembered, SessionName, SessionWord};
use crate::wire::envelope::Message;
use crate::wire::handshake;
use crate::wire::items::{self, ItemKind};

/// A fresh folder, which is removed when it is dropped.
pub(super) struct Scratch(PathBuf);

impl Scratch {
    /// A new one.
    pub(super) fn new() -> Scratch {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("mcproxy-state-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).expect("the folder for temporary files can be written");
        Scratch(path)
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    /// Writes a file in it, for nobody else's eyes.
    pub(super) fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.0.join(name);
        fs::create_dir_all(path.parent().expect("it is within")).expect("a folder");
        fs::write(&path, bytes).expect("a fresh folder can be written");
        Scratch::set_mode(&path, 0o600);
        path
    }

    /// The names in a folder of it, sorted.
    pub(super) fn names(&self, folder: &str) -> Vec<String> {
        let entries = fs::read_dir(self.0.join(folder)).expect("the folder is there");
        let name = |entry: std::io::Result<fs::DirEntry>| entry.expect("an entry").file_name();
        let names = entries.map(|entry| name(entry).into_string().expect("text"));
        let mut names: Vec<String> = names.collect();
        names.sort();
        names
    }

    /// The permission bits of a file.
    pub(super) fn mode(path: &Path) -> u32 {
        let about = fs::metadata(path).expect("the file is there");
        about.permissions().mode() & 0o777
    }

    /// Sets them.
    pub(super) fn set_mode(path: &Path, mode: u32) {
        fs::set_permissions(path, Permissions::from_mode(mode)).expect("the file is ours");
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// What a server with these prompts offers.
pub(super) fn lists(prompts: &[&str]) -> Lists {
    let hello = r#"{"protocolVersion":"2025-06-18","capabilities":{"prompts":{"listChanged":true}},
        "serverInfo":{"name":"s"}}"#;
    let prompts = prompts.iter().map(|name| format!(r#"{{"name":"{name}"}}"#));
    let page = format!(
        r#"{{"prompts":[{}]}}"#,
        prompts.collect::<Vec<_>>().join(",")
    );
    let page = items::read_page(&Message::result(&page), ItemKind::Prompt).expect("a page");
    Lists {
        fingerprint: 7,
        hello: handshake::read_server_hello(&Message::result(hello)).expect("a hello"),
        items: [(ItemKind::Prompt, page.items)].into(),
    }
}

const NOW: u64 = 1_800_000_000;

/// A record of a session that was heard of.
fn heard(session: &str) -> Record {
    Record::Session {
        session: SessionName::named(session),
        word: SessionWord::Heard(NOW),
    }
}

fn record(server: &str, lists: &Lists) -> Record {
    Record::Lists {
        server: server.to_owned(),
        lists: Box::new(lists.clone()),
    }
}

fn open(folder: &Path, journal: bool) -> (State, Recalled) {
    State::open(Opening {
        folder: Some(folder),
        now: NOW,
        journal,
        servers: &["git".to_owned(), "time".to_owned()],
    })
}

/// Finishes, and waits for the thread for as long as a busy machine may take.
fn finish(state: State) {
    let ended = state.ended.clone();
    state.finish();
    let waited = ended.recv_timeout(Duration::from_secs(60));
    assert!(waited.is_err_and(|error| error.is_disconnected()));
}

#[test]
fn what_is_kept_is_recalled() {
    let scratch = Scratch::new();
    let folder = scratch.path().join("state");
    let (state, recalled) = open(&folder, true);
    assert_eq!(recalled, Recalled::default());
    let keeper = state.keeper();
    keeper.keep(heard("a"), NOW);
    keeper.keep(record("git", &lists(&["p"])), NOW);
    state.keep(record("git", &lists(&["p", "q"])), NOW);
    state.keep(record("gone", &lists(&[])), NOW);
    finish(state);
    // Nobody keeps this any more, and nobody minds.
    keeper.keep(heard("b"), NOW);

    let names = ["lists", "sessions.journal", "sessions.lock"];
    assert_eq!(scratch.names("state"), names);
    assert_eq!(scratch.names("state/lists"), ["git.json", "gone.json"]);
    assert_eq!(Scratch::mode(&folder), 0o700);
    for file in ["sessions.journal", "sessions.lock", "lists/git.json"] {
        assert_eq!(Scratch::mode(&folder.join(file)), 0o600, "{file}");
    }
    let (state, recalled) = open(&folder, true);
    let sessions: Vec<_> = recalled.sessions.keys().map(|name| name.given()).collect();
    assert_eq!(sessions, ["a"]);
    assert_eq!(
        recalled.lists,
        [("git".to_owned(), lists(&["p", "q"]))].into()
    );
    state.finish();
}

#[test]
fn without_a_journal_only_lists_are_kept() {
    let scratch = Scratch::new();
    let folder = scratch.path().join("state");
    let (state, _) = open(&folder, false);
    assert!(!folder.exists(), "it is made when it is needed");
    state.keep(heard("a"), NOW);
    state.keep(record("git", &lists(&["p"])), NOW);
    finish(state);
    assert_eq!(scratch.names("state"), ["lists"]);
    // Beside one with a journal, too.
    let (with, _) = open(&folder, true);
    let (without, recalled) = open(&folder, false);
    assert_eq!(recalled.lists.len(), 1);
    without.finish();
    with.finish();
}

#[test]
fn beside_the_one_that_writes_the_journal_it_is_known_which_sessions_have_ended() {
    let scratch = Scratch::new();
    let (first, _) = open(scratch.path(), true);
    let session = SessionName::named("a");
    let word = SessionWord::Ended;
    first.keep(Record::Session { session, word }, NOW);
    finish(first);
    let (_writes, before) = open(scratch.path(), true);
    let (second, recalled) = open(scratch.path(), true);
    assert!(recalled.sessions[&session].ended);
    assert_eq!(recalled, before);
    finish(second);
}

#[test]
fn without_a_folder_nothing_is_kept() {
    let (state, recalled) = State::open(Opening {
        folder: None,
        now: NOW,
        journal: true,
        servers: &["git".to_owned()],
    });
    assert_eq!(recalled, Recalled::default());
    state.keep(heard("a"), NOW);
    state.finish();
}

#[test]
fn nobody_waits_for_a_disk_that_hangs() {
    // A queue that nobody takes from.
    let (queue, records) = mail::growing_channel();
    let backlog = Arc::new(Backlog::default());
    let (ending, _is_ending) = mail::channel(limits::SIGNAL_SLOTS);
    let (_has_ended, ended) = mail::channel(limits::SIGNAL_SLOTS);
    let state = State {
        keeper: Keeper(Some((queue, Arc::clone(&backlog)))),
        ending,
        ended,
    };
    for _ in 0..limits::STATE_QUEUE_RECORDS + 3 {
        state.keep(heard("a"), NOW);
    }
    assert_eq!(records.len(), limits::STATE_QUEUE_RECORDS);
    assert_eq!(backlog.dropped.load(Ordering::Relaxed), 3);
    state.finish();
}

/// What a gateway recalls of which one before it dropped a record, at a second
/// after [`NOW`], for a disk that hung.
fn recalled_after_dropping(record: Record) -> Recalled {
    let scratch = Scratch::new();
    let (queue, records) = mail::growing_channel();
    let backlog = Arc::new(Backlog::default());
    let keeper = Keeper(Some((queue, Arc::clone(&backlog))));
    for _ in 0..limits::STATE_QUEUE_RECORDS {
        keeper.keep(heard("a"), NOW);
    }
    keeper.keep(record, NOW + 1);
    let (ending, is_ending) = mail::channel::<()>(limits::SIGNAL_SLOTS);
    drop(ending);
    let journal = Journal::open(scratch.path(), NOW);
    Writer::new(scratch.path(), journal, backlog).run(&records, &is_ending);
    let journal = Journal::open(scratch.path(), NOW + 2).expect("nobody else has it");
    assert_eq!(journal.table().sessions().len(), 1);
    drop(journal);
    let (state, recalled) = State::open(Opening {
        folder: Some(scratch.path()),
        now: NOW + 3,
        journal: true,
        servers: &[],
    });
    state.finish();
    recalled
}

#[test]
fn where_a_word_on_a_session_was_dropped_none_of_then_is_trusted() {
    for word in [
        SessionWord::Ended,
        SessionWord::Own,
        SessionWord::Heard(NOW),
    ] {
        let session = SessionName::named("b");
        let recalled = recalled_after_dropping(Record::Session { session, word });
        assert_eq!(recalled.lost, Some(NOW + 1));
    }
}

#[test]
fn that_somebody_was_heard_of_may_be_dropped() {
    let heard = Record::Heard {
        sessions: vec![SessionName::named("b")],
        at: NOW + 1,
    };
    assert_eq!(recalled_after_dropping(heard).lost, None);
    let lists = record("git", &lists(&["p"]));
    assert_eq!(recalled_after_dropping(lists).lost, None);
}

#[test]
fn of_many_that_are_connected_one_record_tells() {
    let scratch = Scratch::new();
    let (state, _) = open(scratch.path(), true);
    let names = (0..limits::SESSIONS_MAX as u128).map(|n| SessionName(n.to_be_bytes()));
    let sessions: Vec<SessionName> = names.collect();
    state.keep(Record::Heard { sessions, at: NOW }, NOW);
    finish(state);
    let (state, recalled) = open(scratch.path(), true);
    assert_eq!(recalled.sessions.len(), limits::SESSIONS_MAX);
    let is_then = |remembered: &Remembered| remembered.heard == NOW;
    assert!(recalled.sessions.values().all(is_then));
    finish(state);
}

#[test]
fn lists_that_wait_are_bounded_in_bytes() {
    let (queue, records) = mail::growing_channel();
    let backlog = Arc::new(Backlog::default());
    let keeper = Keeper(Some((queue, Arc::clone(&backlog))));
    let long = "x".repeat(limits::STATE_QUEUE_BYTES_MAX / 3);
    let long = record("git", &lists(&[&long]));
    for _ in 0..4 {
        keeper.keep(long.clone(), NOW);
    }
    keeper.keep(heard("a"), NOW);
    assert_eq!(
        records.len(),
        3,
        "two lists, and a word that weighs nothing"
    );
    assert_eq!(backlog.dropped.load(Ordering::Relaxed), 2);
    // What was taken out makes room again, also where it is too long for a file.
    let scratch = Scratch::new();
    let (ending, is_ending) = mail::channel::<()>(limits::SIGNAL_SLOTS);
    drop(ending);
    Writer::new(scratch.path(), None, Arc::clone(&backlog)).run(&records, &is_ending);
    assert_eq!(backlog.bytes.load(Ordering::Relaxed), 0);
    assert_eq!(backlog.dropped.load(Ordering::Relaxed), 0, "it was told");
    keeper.keep(long, NOW);
    assert_eq!(records.len(), 1);
}
