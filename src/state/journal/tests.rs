//! What the journal gives back: of any words, cut off anywhere, those that were
//! written whole. And the file: who may have it, when it is written anew, what a
//! disk that refuses it costs.

use std::collections::{BTreeSet, HashMap};
use std::fs;

use proptest::prelude::*;

use super::*;
use crate::record::Remembered;
use crate::state::tests::Scratch;
use crate::wire::log_level::LogLevel;

const NOW: u64 = 1_800_000_000;

fn name(name: &str) -> SessionName {
    SessionName::named(name)
}

/// Some word, of few sessions, times and resources, so that they meet.
fn word() -> impl Strategy<Value = (SessionName, SessionWord)> {
    let resource = || (prop::sample::select(vec!["git", "a\"b"]), "[rs\u{1}ä]{1,2}");
    let word = prop_oneof![
        4 => (1..100_u64).prop_map(SessionWord::Heard),
        1 => Just(SessionWord::Ended),
        1 => Just(SessionWord::Own),
        2 => prop::sample::select(vec![LogLevel::Debug, LogLevel::Alert])
            .prop_map(SessionWord::Level),
        4 => resource().prop_map(|(server, uri)| SessionWord::Subscribed {
            server: server.to_owned(),
            uri: uri.into(),
        }),
        3 => resource().prop_map(|(server, uri)| SessionWord::Unsubscribed {
            server: server.to_owned(),
            uri: uri.into(),
        }),
    ];
    (prop::sample::select(vec!["a", "b", "c"]), word)
        .prop_map(|(session, word)| (name(session), word))
}

/// What words come to, looked at as a whole and not one after the other.
fn model(start: u64, words: &[(SessionName, SessionWord)]) -> HashMap<SessionName, Remembered> {
    let is_ended = |session: &SessionName, before: usize| {
        let mut words = words[..before].iter();
        words.any(|(who, word)| who == session && *word == SessionWord::Ended)
    };
    // The words that count: all before a session's end, and that end.
    let counting = words.iter().enumerate();
    let counting = counting.filter(|(at, (session, _))| !is_ended(session, *at));
    let counting: Vec<_> = counting.map(|(_, word)| word).collect();
    let time = |word: &SessionWord| match word {
        SessionWord::Heard(at) => Some(*at),
        _ => None,
    };
    let sessions: BTreeSet<_> = words.iter().map(|(session, _)| *session).collect();
    let mut all = HashMap::new();
    for session in sessions {
        let says_something = |word: &SessionWord| !matches!(word, SessionWord::Unsubscribed { .. });
        let begin = counting
            .iter()
            .position(|(who, word)| *who == session && says_something(word));
        let Some(begin) = begin else { continue };
        let known = counting[..begin].iter().filter_map(|(_, word)| time(word));
        let own = counting[begin..].iter().filter(|(who, _)| *who == session);
        let own: Vec<&SessionWord> = own.map(|(_, word)| word).collect();
        let first = time(own[0]).unwrap_or(known.fold(start, u64::max));
        let heard = own
            .iter()
            .filter_map(|word| time(word))
            .fold(first, u64::max);
        let mut remembered = Remembered {
            heard,
            ended: own.contains(&&SessionWord::Ended),
            ..Remembered::default()
        };
        if !remembered.ended {
            remembered.own = own.contains(&&SessionWord::Own);
            for word in own {
                match word {
                    SessionWord::Level(level) => remembered.level = Some(*level),
                    SessionWord::Subscribed { server, uri } => {
                        let resource = (server.clone(), uri.clone());
                        remembered.subscriptions.insert(resource);
                    }
                    SessionWord::Unsubscribed { server, uri } => {
                        let resource = (server.clone(), uri.clone());
                        remembered.subscriptions.remove(&resource);
                    }
                    SessionWord::Heard(_) | SessionWord::Ended | SessionWord::Own => {}
                }
            }
        }
        all.insert(session, remembered);
    }
    all
}

proptest! {
    #[test]
    fn a_journal_cut_anywhere_gives_back_what_was_written_whole(
        start in 1..100_u64,
        words in prop::collection::vec(word(), 0..40),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut table = Table::new(start, None);
        let mut journal = table.lines();
        // How long it is after how many words.
        let mut lengths = vec![(journal.len(), 0)];
        for (at, (session, word)) in words.iter().enumerate() {
            if let Some(news) = table.apply(*session, word.clone()) {
                journal += &line::of_word(*session, &news);
            }
            lengths.push((journal.len(), at + 1));
        }
        let cut = cut.index(journal.len() + 1);
        let whole = lengths.iter().rev().find(|(length, _)| *length <= cut);
        match (whole, fold(&journal.as_bytes()[..cut])) {
            (Some((_, count)), Ok((read, broken))) => {
                prop_assert_eq!(read.sessions(), model(start, &words[..*count]));
                prop_assert_eq!(broken, 0);
            }
            (None, Err(_)) => {}
            (whole, read) => prop_assert!(false, "{whole:?} but {read:?}"),
        }
        // Written anew it says the same.
        let (anew, _) = fold(table.lines().as_bytes()).expect("a journal");
        prop_assert_eq!(anew.sessions(), model(start, &words));
    }

    #[test]
    fn any_bytes_are_read_without_harm(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = fold(&bytes);
        let _ = fold(&[line::first(1, None).as_bytes(), &bytes].concat());
    }
}

#[test]
fn broken_lines_are_passed_over_and_counted() {
    let (a, b) = (name("a"), name("b"));
    let lines = [
        line::first(NOW, None),
        format!("{{\"s\":\"{a}\",\"h\":9}}\n"),
        format!("{{\"s\":\"{a}\",\"h\":1\u{0}\n\n"),
        format!("{{\"s\":\"{b}\",\"h\":5}}\n"),
        format!("{{\"s\":\"{a}\",\"o\":1"),
    ]
    .concat();
    let (table, broken) = fold(lines.as_bytes()).expect("a journal");
    assert_eq!(broken, 2);
    let sessions = table.sessions();
    assert_eq!(sessions[&name("a")].heard, 9);
    assert!(!sessions[&name("a")].own, "the last line has no end");
    assert_eq!(sessions[&name("b")].heard, 5);
}

#[test]
fn that_a_word_was_lost_is_read_back_from_a_line_and_from_a_file_written_anew() {
    let scratch = Scratch::new();
    let mut journal = open(&scratch);
    journal.write();
    journal.lose(NOW - 7);
    journal.write();
    drop(journal);
    for _ in 0..2 {
        // Whoever opens it writes it anew.
        let mut journal = open(&scratch);
        assert_eq!(journal.table().lost(), Some(NOW - 7));
        journal.write();
    }
}

fn open(scratch: &Scratch) -> Journal {
    Journal::open(scratch.path(), NOW).expect("nobody else has it")
}

/// What somebody finds who opens it now.
fn reopened(scratch: &Scratch) -> Vec<String> {
    let sessions = open(scratch).table().sessions();
    let mut names: Vec<_> = sessions.keys().map(|name| name.given()).collect();
    names.sort();
    names
}

fn text(scratch: &Scratch) -> String {
    let path = scratch.path().join("sessions.journal");
    fs::read_to_string(path).expect("the journal is there")
}

#[test]
fn what_is_written_is_there_when_it_is_opened_again() {
    let scratch = Scratch::new();
    let mut journal = open(&scratch);
    journal.note(name("a"), SessionWord::Heard(NOW));
    journal.write();
    journal.note(name("b"), SessionWord::Own);
    journal.note(name("old"), SessionWord::Heard(NOW - 100_000));
    journal.write();
    // This one is not written.
    journal.note(name("c"), SessionWord::Own);
    assert_eq!(text(&scratch).lines().count(), 4);
    drop(journal);
    assert_eq!(reopened(&scratch), ["a", "b"]);
}

#[test]
fn what_is_no_journal_is_replaced_and_no_session_of_then_is_trusted() {
    let scratch = Scratch::new();
    for odd in [
        &b"{}\n"[..],
        b"",
        b"{\"mcproxy\":\"sessions\",\"format\":2,\"t\":1}\n",
        &[0xff; 99],
    ] {
        scratch.write("sessions.journal", odd);
        let mut journal = open(&scratch);
        assert!(journal.table().sessions().is_empty());
        // Nobody knows what it said of sessions that began by now.
        assert_eq!(journal.table().forgotten(), Some(NOW));
        journal.note(name("a"), SessionWord::Own);
        journal.write();
        drop(journal);
        assert_eq!(reopened(&scratch), ["a"]);
    }
    // Another user could have written this.
    Scratch::set_mode(&scratch.path().join("sessions.journal"), 0o622);
    let others = open(&scratch);
    assert!(others.table().sessions().is_empty());
    assert_eq!(others.table().forgotten(), Some(NOW));
}

#[test]
fn where_lines_are_broken_no_session_of_then_is_trusted() {
    let scratch = Scratch::new();
    let known = line::of_word(name("a"), &SessionWord::Heard(NOW - 9));
    for (more, lost) in [("", None), ("{\"s\":", None), ("{\"s\":\0\n", Some(NOW))] {
        let lines = [line::first(NOW - 9, None), known.clone(), more.to_owned()];
        scratch.write("sessions.journal", lines.concat().as_bytes());
        let mut journal = open(&scratch);
        assert_eq!(journal.table().lost(), lost, "{more:?}");
        assert_eq!(journal.table().sessions().len(), 1);
        journal.write();
        drop(journal);
        assert_eq!(
            open(&scratch).table().lost(),
            lost,
            "{more:?}, written anew"
        );
    }
}

#[test]
fn where_there_was_no_journal_there_was_nothing_to_say() {
    let scratch = Scratch::new();
    let journal = open(&scratch);
    assert_eq!(journal.table().forgotten().or(journal.table().lost()), None);
}

#[test]
fn only_one_has_the_journal_and_the_next_waits_a_while_for_it() {
    let scratch = Scratch::new();
    let first = open(&scratch);
    assert!(Journal::open(scratch.path(), NOW).is_none());
    std::thread::scope(|scope| {
        let second = scope.spawn(|| Journal::open(scratch.path(), NOW).is_some());
        // Wherever the second is by now, it gets it.
        drop(first);
        assert!(second.join().expect("it ends"));
    });
}

#[test]
fn a_journal_of_which_much_is_old_is_written_anew() {
    let scratch = Scratch::new();
    let mut journal = open(&scratch);
    journal.write();
    let mut longest = 0;
    for at in 0..20_000 {
        journal.note(name("a"), SessionWord::Heard(NOW + at));
        if at % 100 == 0 {
            journal.write();
            longest = longest.max(journal.bytes);
            assert_eq!(journal.bytes, text(&scratch).len());
        }
    }
    let bound = limits::STATE_JOURNAL_BYTES_LEAST;
    assert!((bound - 8 * 1024..=bound).contains(&longest), "{longest}");
    assert!(text(&scratch).len() < bound, "it was written anew");
    assert_eq!(scratch.names(""), ["sessions.journal", "sessions.lock"]);
    drop(journal);
    let latest = open(&scratch).table().sessions()[&name("a")].heard;
    assert_eq!(latest, NOW, "and the clock had been ahead");
}

#[test]
fn a_disk_that_refuses_is_left_alone_and_then_gets_everything() {
    let scratch = Scratch::new();
    let mut journal = open(&scratch);
    let path = scratch.path().join("sessions.journal");
    // Nothing can be put in its place.
    fs::create_dir_all(path.join("full")).expect("a folder");
    journal.note(name("a"), SessionWord::Own);
    journal.write();
    assert!(journal.file.is_none() && journal.retry.is_some());
    fs::remove_dir_all(&path).expect("the folder goes");
    journal.note(name("b"), SessionWord::Own);
    journal.write();
    assert!(!path.exists(), "it is not time yet");
    journal.try_again();
    journal.write();
    assert!(journal.retry.is_none());
    journal.note(name("c"), SessionWord::Own);
    journal.write();
    drop(journal);
    assert_eq!(reopened(&scratch), ["a", "b", "c"]);
}

#[test]
fn a_folder_that_is_removed_comes_again() {
    let scratch = Scratch::new();
    let folder = scratch.path().join("state");
    let mut journal = Journal::open(&folder, NOW).expect("nobody else has it");
    journal.note(name("a"), SessionWord::Own);
    journal.write();
    fs::remove_dir_all(&folder).expect("it is ours");
    journal.note(name("b"), SessionWord::Own);
    journal.write();
    journal.sync();
    drop(journal);
    let again = Journal::open(&folder, NOW).expect("nobody else has it");
    assert_eq!(again.table().sessions().len(), 2);
}

#[test]
fn nothing_but_a_file_in_the_folder_is_locked() {
    let scratch = Scratch::new();
    let lock = scratch.path().join("sessions.lock");
    nix::unistd::mkfifo(&lock, nix::sys::stat::Mode::S_IRWXU).expect("a pipe");
    assert!(Journal::open(scratch.path(), NOW).is_none());
    // Nor is one that somebody reads, and that could be opened therefore.
    let mut options = OpenOptions::new();
    let _reader = options.read(true).write(true).open(&lock).expect("a pipe");
    assert!(Journal::open(scratch.path(), NOW).is_none());

    fs::remove_file(&lock).expect("it is ours");
    let elsewhere = scratch.path().join("elsewhere");
    std::os::unix::fs::symlink(&elsewhere, &lock).expect("a link");
    assert!(Journal::open(scratch.path(), NOW).is_none());
    assert!(!elsewhere.exists());
}

#[test]
fn that_some_were_forgotten_is_known_to_the_next_one() {
    let scratch = Scratch::new();
    let mut journal = open(&scratch);
    for number in 0..=limits::SESSIONS_ENDED_MAX as u64 {
        let session = name(&format!("e{number}"));
        journal.note(session, SessionWord::Heard(NOW - 30_000 + number));
        journal.note(session, SessionWord::Ended);
    }
    journal.write();
    drop(journal);
    let forgotten = NOW - 30_000 + limits::SESSIONS_ENDED_BATCH as u64 - 1;
    // By the words of each, and then by the first line, after a rewriting.
    for _ in 0..2 {
        let mut journal = open(&scratch);
        assert_eq!(journal.table().forgotten(), Some(forgotten));
        journal.write();
    }
}
