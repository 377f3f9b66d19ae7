//! What words come to, and what is forgotten first.

use super::*;
use crate::wire::log_level::LogLevel;

const NOW: u64 = 1_000_000;
const IDLE_MAX: u64 = limits::SESSION_IDLE_MAX.as_secs();

fn name(name: &str) -> SessionName {
    SessionName::named(name)
}

fn subscribed(uri: &str) -> SessionWord {
    SessionWord::Subscribed {
        server: "git".to_owned(),
        uri: uri.into(),
    }
}

fn unsubscribed(uri: &str) -> SessionWord {
    SessionWord::Unsubscribed {
        server: "git".to_owned(),
        uri: uri.into(),
    }
}

fn of(table: &Table, session: &str) -> Option<Remembered> {
    table.sessions().remove(&name(session))
}

#[test]
fn only_news_are_to_be_written() {
    let mut table = Table::new(NOW, None);
    let mut is_news = |word: SessionWord| table.apply(name("a"), word).is_some();
    assert!(!is_news(unsubscribed("r")), "it would be the first word");
    assert!(is_news(SessionWord::Heard(NOW)) && !is_news(SessionWord::Heard(NOW)));
    assert!(!is_news(SessionWord::Heard(NOW - 1)));
    assert!(is_news(SessionWord::Own) && !is_news(SessionWord::Own));
    let level = SessionWord::Level;
    assert!(is_news(level(LogLevel::Info)) && !is_news(level(LogLevel::Info)));
    assert!(is_news(level(LogLevel::Debug)));
    assert!(is_news(subscribed("r")) && !is_news(subscribed("r")));
    assert!(is_news(unsubscribed("r")) && !is_news(unsubscribed("r")));
    assert!(is_news(SessionWord::Ended) && !is_news(SessionWord::Ended));
    assert!(!is_news(SessionWord::Heard(NOW + 1)) && !is_news(subscribed("r")));
}

#[test]
fn what_has_ended_stays_so_and_nothing_else_of_it_is_kept() {
    let mut table = Table::new(NOW, None);
    let words = [
        SessionWord::Heard(NOW - 5),
        SessionWord::Own,
        subscribed("r"),
    ];
    for word in words
        .into_iter()
        .chain([SessionWord::Ended, SessionWord::Heard(NOW)])
    {
        table.apply(name("a"), word);
    }
    let ended = Remembered {
        heard: NOW - 5,
        ended: true,
        ..Remembered::default()
    };
    assert_eq!(of(&table, "a"), Some(ended));
}

#[test]
fn a_session_named_without_a_time_counts_from_the_latest_that_is_known() {
    let mut table = Table::new(NOW, None);
    table.apply(name("a"), SessionWord::Ended);
    table.apply(name("b"), SessionWord::Heard(NOW + 9));
    table.apply(name("c"), SessionWord::Own);
    let heard = |session| of(&table, session).map(|it| it.heard);
    assert_eq!([heard("a"), heard("c")], [Some(NOW), Some(NOW + 9)]);
}

#[test]
fn what_was_not_heard_of_for_long_is_forgotten() {
    let mut table = Table::new(NOW, None);
    table.apply(name("a"), SessionWord::Heard(NOW - IDLE_MAX));
    table.apply(name("b"), SessionWord::Heard(NOW - IDLE_MAX + 1));
    table.apply(name("c"), SessionWord::Heard(NOW - IDLE_MAX));
    table.apply(name("c"), SessionWord::Ended);
    table.apply(name("d"), SessionWord::Heard(NOW + 77));
    table.set_time(NOW + 1);
    assert_eq!([of(&table, "a"), of(&table, "c")], [None, None]);
    assert!(of(&table, "b").is_some());
    // The clock was ahead when this was told.
    assert_eq!(of(&table, "d").map(|it| it.heard), Some(NOW + 1));
    // While it runs, the words tell the time.
    table.apply(name("d"), SessionWord::Heard(NOW + 2));
    table.expire();
    assert_eq!(of(&table, "b"), None);
    assert!(of(&table, "d").is_some());
}

#[test]
fn of_too_many_the_living_go_that_were_not_heard_of_for_longest() {
    let mut table = Table::new(NOW, None);
    table.apply(name("ended"), SessionWord::Heard(1));
    table.apply(name("ended"), SessionWord::Ended);
    let count = limits::SESSIONS_MAX as u64;
    for number in 0..=count {
        // Heard of in the opposite order of their coming.
        table.apply(
            name(&format!("s{number}")),
            SessionWord::Heard(NOW - number),
        );
    }
    assert_eq!(table.sessions().len(), limits::SESSIONS_MAX + 1);
    assert_eq!(of(&table, &format!("s{count}")), None);
    assert!(of(&table, &format!("s{}", count - 1)).is_some());
    assert!(of(&table, "ended").is_some());
}

#[test]
fn of_too_many_ended_ones_the_first_go_and_no_living_one() {
    let mut table = Table::new(NOW, None);
    table.apply(name("living"), SessionWord::Heard(1));
    for number in 0..=limits::SESSIONS_ENDED_MAX as u64 {
        let session = name(&format!("e{number}"));
        table.apply(session, SessionWord::Heard(NOW + number));
        table.apply(session, SessionWord::Ended);
    }
    let first_kept = limits::SESSIONS_ENDED_BATCH;
    assert_eq!(of(&table, &format!("e{}", first_kept - 1)), None);
    assert!(of(&table, &format!("e{first_kept}")).is_some());
    assert!(of(&table, "living").is_some());
    assert!(table.lines().len() - line::first(NOW, None).len() <= table.bytes());
}

#[test]
fn a_session_with_more_subscriptions_than_are_kept_must_begin_anew() {
    let mut table = Table::new(NOW, None);
    let long = "u".repeat(1_960);
    let mut kept = 0;
    loop {
        match table.apply(name("a"), subscribed(&format!("{long}{kept}"))) {
            Some(SessionWord::Subscribed { .. }) => kept += 1,
            Some(SessionWord::Own) => break,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(kept, 32, "of 2 KiB each");
    let remembered = of(&table, "a").expect("it is known");
    assert!(remembered.own);
    assert_eq!(remembered.subscriptions.len(), kept);
    // One less makes room for another.
    table.apply(name("a"), unsubscribed(&format!("{long}0")));
    assert!(
        table
            .apply(name("a"), subscribed(&format!("{long}x")))
            .is_some()
    );
    assert_eq!(
        table.apply(name("a"), subscribed(&format!("{long}y"))),
        None
    );
    // Others are not concerned.
    assert_eq!(
        table.apply(name("b"), subscribed("r")),
        Some(subscribed("r"))
    );
    let too_long = "u".repeat(limits::SUBSCRIPTION_URI_BYTES_MAX + 1);
    assert_eq!(
        table.apply(name("b"), subscribed(&too_long)),
        Some(SessionWord::Own)
    );
}

#[test]
fn all_together_are_bounded_in_bytes() {
    let mut table = Table::new(NOW, None);
    // Control characters take six bytes each as JSON.
    let long = "\u{1}".repeat(2_000);
    for number in 0..200_u64 {
        let session = name(&format!("s{number}"));
        table.apply(session, SessionWord::Heard(NOW + number));
        for uri in 0..4 {
            table.apply(session, subscribed(&format!("{long}{uri}")));
        }
    }
    let lines = table.lines().len();
    assert!(lines <= limits::STATE_LIVE_BYTES_MAX, "{lines}");
    assert!(
        lines > limits::STATE_LIVE_BYTES_MAX - (100 << 10),
        "{lines}"
    );
    assert_eq!(of(&table, "s0"), None);
    assert!(of(&table, "s199").is_some());
    assert!(table.bytes() >= lines - line::first(NOW, None).len());
}

#[test]
fn when_a_word_was_lost_is_known_for_ever() {
    let mut table = Table::new(NOW, None);
    table.lose(NOW + 9);
    table.lose(NOW + 3);
    assert_eq!(table.lost(), Some(NOW + 9));
    table.set_time(NOW + 5);
    assert_eq!(table.lost(), Some(NOW + 5), "the clock was ahead");
    table.set_time(NOW + 400 * IDLE_MAX);
    assert_eq!(table.lost(), Some(NOW + 5));
    assert!(table.lines().contains(&line::of_loss(NOW + 5)));
}

#[test]
fn up_to_when_something_was_forgotten_is_known_as_long_as_it_matters() {
    let mut table = Table::new(NOW, None);
    for number in 0..=limits::SESSIONS_MAX as u64 {
        let session = name(&format!("s{number}"));
        table.apply(session, SessionWord::Heard(NOW + number));
    }
    assert_eq!(of(&table, "s0"), None);
    assert_eq!(table.forgotten(), None, "nothing is lost with it");
    table.apply(name("s1"), subscribed("r"));
    table.apply(name("s2"), SessionWord::Own);
    let late = NOW + limits::SESSIONS_MAX as u64 + 1;
    for (session, forgotten) in [("t1", NOW + 1), ("t2", NOW + 2)] {
        table.apply(name(session), SessionWord::Heard(late));
        assert_eq!(table.forgotten(), Some(forgotten), "{session}");
    }
    table.set_time(NOW + 1);
    assert_eq!(table.forgotten(), Some(NOW + 1), "the clock was ahead");
    table.set_time(NOW + 1 + IDLE_MAX);
    assert!(table.forgotten().is_some());
    table.set_time(NOW + 2 + IDLE_MAX);
    assert_eq!(table.forgotten(), None);
}
