//! Sessions that outlive the process: whose id opens, what it brings back, and
//! what is told of a session so that it can be.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use crate::config::checked::Scope;
use crate::event::{Effect, Event, FromClient, OutboxId, Parcel, SessionKey, View};
use crate::hub::absent::Absent;
use crate::hub::stories::cast::{notice, request, result};
use crate::hub::stories::world::{World, outset, plan};
use crate::hub::{Hub, Outset};
use crate::plan::Plan;
use crate::record::{Recalled, Record, Remembered, SessionName, SessionWord};
use crate::seal::Seal;

/// What a journal with these records comes to.
pub(super) fn remembered(kept: &[Record]) -> HashMap<SessionName, Remembered> {
    let mut sessions: HashMap<SessionName, Remembered> = HashMap::new();
    for record in kept {
        let (session, word) = match record {
            Record::Session { session, word } => (session, word),
            Record::Heard {
                sessions: names,
                at,
            } => {
                for name in names {
                    let known = sessions.entry(*name).or_default();
                    known.heard = known.heard.max(*at);
                }
                continue;
            }
            Record::Lists { .. } => continue,
        };
        let known = sessions.entry(*session).or_default();
        match word.clone() {
            SessionWord::Heard(at) => known.heard = known.heard.max(at),
            SessionWord::Ended => known.ended = true,
            SessionWord::Own => known.own = true,
            SessionWord::Level(level) => known.level = Some(level),
            SessionWord::Subscribed { server, uri } => {
                known.subscriptions.insert((server, uri));
            }
            SessionWord::Unsubscribed { server, uri } => {
                known.subscriptions.remove(&(server, uri));
            }
        }
    }
    // Of whatever is remembered, so is for how long.
    assert!(sessions.values().all(|known| known.heard > 0));
    sessions
}

const UNKNOWN: &str = "-32001 session not found: it ended or never was; initialize a new one";
const URI: &str = r#"{"uri":"file:///r"}"#;

/// What was told of sessions since the story last looked.
fn words(w: &mut World) -> Vec<SessionWord> {
    let kept = std::mem::take(&mut w.kept);
    let words = kept.into_iter().flat_map(|record| match record {
        Record::Session { word, .. } => vec![word],
        Record::Heard { sessions, at } => vec![SessionWord::Heard(at); sessions.len()],
        Record::Lists { .. } => Vec::new(),
    });
    words.collect()
}

/// The world's clock, as sessions are told of it.
fn unix(w: &World) -> u64 {
    (outset().unix + w.now.0).as_secs()
}

/// The gateway ends as it should, and begins again with its server ready.
fn restart(w: &mut World) {
    w.stop();
    for life in ["git.1", "pad.1"] {
        if w.lives.values().any(|l| l.name == life && !l.buried) {
            w.dies(life);
        }
    }
    w.restart();
    ready(w);
}

/// It crashes, and begins again.
fn crash(w: &mut World) {
    w.restart();
    ready(w);
}

fn ready(w: &mut World) {
    let names: Vec<String> = w.lives.values().map(|life| life.name.clone()).collect();
    for name in names {
        w.serve(&name);
    }
    w.pass(0.2);
    w.forget();
}

/// Whether a client's session is known: it is, if a ping is answered.
fn is_known(w: &mut World, who: &str) -> bool {
    w.forget();
    w.asks(who, "77", "ping", "");
    let trace = w.trace();
    let mut lines = trace.iter();
    let line = lines.find(|line| line.contains(" 77 "));
    let line = line.expect("there is an answer");
    assert!(
        line.contains("answer 77 {}") || line.contains(UNKNOWN),
        "{line}"
    );
    line.contains("answer 77 {}")
}

fn resourceful() -> World {
    let mut w = World::of(&["git"]);
    w.offers.get_mut("git").expect("it is there").resources = vec!["file:///r".into()];
    w.serve("git.1");
    w.pass(0.2);
    w.connect(&["ann"]);
    w
}

fn scoped() -> Plan {
    let mut plan = plan(&["git", "pad"]);
    plan.servers[1].scope = Scope::Session;
    plan
}

#[test]
fn after_a_restart_a_client_goes_on_as_if_nothing_had_happened() {
    for end in [restart, crash] {
        let mut w = World::ready(&["git"]);
        w.connect(&["ann"]);
        w.pass(1.0);
        end(&mut w);
        w.calls("ann", "1", "git__x");
        w.expect_of(
            "call",
            &[&format!(
                r#"{} to git.1 #3 tools/call {{"name":"x"}}"#,
                w.now
            )],
        );
        w.answers("git.1", 3, "{}");
        w.expect(&[&format!("{} ann.2 answer 1 {{}} last", w.now)]);
    }
}

#[test]
fn everything_that_a_session_may_do_may_come_first() {
    let roots = notice("notifications/roots/list_changed", "");
    for (text, line) in [
        (roots, "ann.2 verdict Accepted"),
        (result("1", "{}"), "ann.2 verdict Accepted"),
        (request("1", "ping", ""), "ann.2 answer 1 {} last"),
        ("listen".to_owned(), "ann.2 opened prime 1-0"),
        ("delete".to_owned(), "ann.2 verdict Ended"),
    ] {
        let mut w = World::ready(&["git"]);
        w.connect(&["ann"]);
        restart(&mut w);
        match text.as_str() {
            "listen" => {
                w.listens("ann", None);
            }
            "delete" => w.deletes("ann"),
            text => {
                w.posts("ann", text);
            }
        }
        assert_eq!(w.trace()[0], format!("{} {line}", w.now));
    }
}

#[test]
fn the_id_says_who_the_client_is_and_what_it_can_be_asked() {
    let mut w = World::new(scoped());
    ready(&mut w);
    w.come("ann", View::Merged);
    let hello = r#"{"protocolVersion":"2025-06-18","capabilities":{"elicitation":{},"experimental":{"x":{}}},"clientInfo":{"name":"ann's","version":"7","title":"T"}}"#;
    w.posts("ann", &request("0", "initialize", hello));
    restart(&mut w);
    w.calls("ann", "1", "pad__x");
    w.forget();
    w.spawned("pad.2");
    let told = w.messages().remove(0);
    assert_eq!(
        told["params"]["capabilities"],
        serde_json::json!({"elicitation": {"form": {}}})
    );
    assert_eq!(
        told["params"]["clientInfo"],
        serde_json::json!({"name": "ann's", "version": "7"})
    );
    // Of 2025-06-18, which knows no arrays.
    w.posts("ann", "[]");
    w.posts("ann", &format!("[{}]", request("2", "ping", "")));
    let trace = w.trace();
    assert!(trace[1].contains("2025-06-18"), "{trace:?}");
}

#[test]
fn an_id_is_short_visible_ascii() {
    let mut w = World::ready(&["git"]);
    w.come("bob", View::Merged);
    let (name, version) = ("n".repeat(48), "v".repeat(24));
    let info = format!(r#"{{"name":"{name}","version":"{version}"}}"#);
    let hello = format!(r#"{{"protocolVersion":"2025-11-25","clientInfo":{info}}}"#);
    w.posts("bob", &request("0", "initialize", &hello));
    let key = w.clients["bob"].session.clone().expect("she has one");
    let id = key.id();
    assert!(id.len() < 200, "{} characters", id.len());
    assert!(id.bytes().all(|b| b.is_ascii_graphic()));
    assert!(!format!("{key:?}").contains(&id[..20]));
}

#[test]
fn a_forged_id_and_one_of_another_key_or_token_is_unknown() {
    let mut w = World::ready(&["git"]);
    w.connect(&["ann"]);
    let key = w.clients["ann"].session.clone().expect("she has one");
    let id = key.id();
    restart(&mut w);
    for place in 0..id.len() {
        let mut bytes = id.as_bytes().to_vec();
        bytes[place] = if bytes[place] == b'A' { b'B' } else { b'A' };
        let forged = String::from_utf8(bytes).expect("ASCII");
        w.clients.get_mut("ann").expect("she is there").session = Some(SessionKey::of_id(forged));
        assert!(!is_known(&mut w, "ann"), "{place}");
    }
    for seal in [
        Seal::new(b"a story", Some("t")),
        Seal::new(b"another", None),
    ] {
        let kept = outset();
        w.hub = Hub::new(w.plan.clone(), Outset { seal, ..kept });
        w.clients.get_mut("ann").expect("she is there").session = Some(key.clone());
        assert!(!is_known(&mut w, "ann"));
    }
    let is_session = |record: &Record| !matches!(record, Record::Lists { .. });
    assert!(w.hub.sessions.is_empty() && !w.kept.iter().any(is_session));
}

#[test]
fn an_id_opens_at_its_own_endpoint_only() {
    let mut w = World::ready(&["git", "merged"]);
    w.connect(&["ann"]);
    restart(&mut w);
    for view in ["git", "merged"] {
        let ann = w.clients.get_mut("ann").expect("she is there");
        ann.view = View::Server(view.into());
        assert!(!is_known(&mut w, "ann"));
    }
    w.clients.get_mut("ann").expect("she is there").view = View::Merged;
    assert!(is_known(&mut w, "ann"));
}

#[test]
fn the_id_of_a_session_that_a_stream_carries_opens_nothing() {
    let mut w = World::ready(&["git"]);
    w.open(&["bob"]);
    assert_eq!(
        w.clients["bob"].session.as_ref().expect("he has one").id(),
        "bob-1"
    );
    restart(&mut w);
    w.clients.get_mut("bob").expect("he is there").whole = None;
    assert!(!is_known(&mut w, "bob"));
    assert!(words(&mut w).is_empty());
}

#[test]
fn a_session_that_was_ended_stays_so_here_and_after_a_restart() {
    let mut w = World::ready(&["git"]);
    w.connect(&["ann", "bob"]);
    w.deletes("ann");
    assert!(!is_known(&mut w, "ann"));
    // Its journal is not read at a place where it is not.
    restart(&mut w);
    assert!(!is_known(&mut w, "ann"));
    assert!(is_known(&mut w, "bob"));
    w.deletes("bob");
    assert!(!is_known(&mut w, "bob"));
    crash(&mut w);
    assert!(!is_known(&mut w, "bob"));
}

#[test]
fn a_session_ends_for_another_process_that_reads_no_journal_of_ours_by_time_alone() {
    let mut w = World::ready(&["git"]);
    w.connect(&["ann"]);
    w.deletes("ann");
    w.kept.clear();
    restart(&mut w);
    assert!(is_known(&mut w, "ann"));
}

#[test]
fn an_id_expires_a_day_after_its_session_was_last_heard_of() {
    let hours = |hours: f64| hours * 3600.0;
    let mut w = World::ready(&["git"]);
    w.connect(&["ann", "bob"]);
    w.pass(hours(12.0));
    assert!(is_known(&mut w, "bob"));
    w.pass(hours(11.9));
    crash(&mut w);
    w.pass(hours(0.2));
    assert!(!is_known(&mut w, "ann"));
    w.pass(hours(11.0));
    assert!(is_known(&mut w, "bob"));
    // Which was told again: the time slides.
    w.pass(hours(20.0));
    crash(&mut w);
    assert!(is_known(&mut w, "bob"));
    w.pass(hours(24.1));
    assert!(!is_known(&mut w, "bob"));
    crash(&mut w);
    assert!(!is_known(&mut w, "bob"));
}

#[test]
fn whoever_is_connected_is_heard_of_though_he_says_nothing() {
    let hours = |hours: f64| hours * 3600.0;
    let mut w = World::ready(&["git"]);
    w.connect(&["ann", "bob"]);
    w.listens("ann", None);
    w.pass(hours(70.0));
    crash(&mut w);
    assert!(is_known(&mut w, "ann"));
    assert!(!is_known(&mut w, "bob"));
    w.listens("ann", None);
    w.pass(hours(23.9));
    restart(&mut w);
    w.pass(hours(23.9));
    assert!(is_known(&mut w, "ann"));
}

#[test]
fn a_stop_tells_of_all_who_are_connected_in_one_record() {
    let mut w = World::ready(&["git"]);
    let names: Vec<String> = (0..30).map(|number| format!("c{number}")).collect();
    for name in &names {
        w.connect(&[name]);
        w.listens(name, None);
    }
    w.pass(2.0 * 3600.0);
    w.kept.clear();
    w.stop();
    let at = unix(&w);
    let [Record::Heard { sessions, at: told }] = w.kept.as_slice() else {
        panic!("{:?}", w.kept);
    };
    assert_eq!((sessions.len(), *told), (30, at));
}

#[test]
fn where_a_word_was_lost_no_session_of_then_goes_on() {
    let mut w = World::ready(&["git"]);
    w.connect(&["ann"]);
    w.asks("ann", "1", "logging/setLevel", r#"{"level":"info"}"#);
    w.pass(1.0);
    let lost = unix(&w);
    w.pass(1.0);
    w.connect(&["bob"]);
    let recalled = Recalled {
        sessions: remembered(&w.kept),
        lost: Some(lost),
        ..Recalled::default()
    };
    assert_eq!(recalled.sessions.len(), 1, "something is known of ann");
    let outset = Outset {
        recalled,
        ..outset()
    };
    w.hub = Hub::new(w.plan.clone(), outset);
    assert!(!is_known(&mut w, "ann"));
    assert!(is_known(&mut w, "bob"));
}

#[test]
fn what_a_client_left_counts_from_then() {
    let hours = |hours: f64| hours * 3600.0;
    let mut w = World::ready(&["git"]);
    w.connect(&["ann"]);
    w.listens("ann", None);
    w.pass(hours(47.9));
    w.leaves("ann.2");
    w.pass(hours(23.0));
    assert!(is_known(&mut w, "ann"));
}

#[test]
fn a_session_is_told_of_seldom() {
    let mut w = World::ready(&["git"]);
    w.connect(&["ann"]);
    for _ in 0..10 {
        assert!(is_known(&mut w, "ann"));
        w.pass(300.0);
    }
    assert_eq!(words(&mut w), []);
    w.pass(600.0);
    let heard = unix(&w);
    for _ in 0..10 {
        assert!(is_known(&mut w, "ann"));
        w.pass(300.0);
    }
    assert_eq!(words(&mut w), [SessionWord::Heard(heard)]);
    // The word before may have been lost, and whatever is kept needs a time.
    w.deletes("ann");
    let heard = SessionWord::Heard(unix(&w));
    assert_eq!(words(&mut w), [heard, SessionWord::Ended]);
}

#[test]
fn a_machine_that_sleeps_makes_no_session_old() {
    let mut w = World::ready(&["git"]);
    w.connect(&["ann"]);
    // The machine sleeps for two days, of which the moments know nothing.
    let slept = Duration::from_hours(48);
    w.hub.wall_clock(w.now, outset().unix + w.now.0 + slept);
    assert!(is_known(&mut w, "ann"));
    let heard = unix(&w) + slept.as_secs();
    assert_eq!(words(&mut w), [SessionWord::Heard(heard)]);
}

#[test]
fn a_stop_ends_no_session_for_good() {
    let mut w = World::ready(&["git"]);
    w.connect(&["ann"]);
    w.listens("ann", None);
    w.calls("ann", "1", "git__x");
    w.forget();
    w.stop();
    w.expect_of(
        "ann",
        &[
            "0.200s ann.3 error 1 -32000 the gateway is stopping last",
            "0.200s ann.2 end",
        ],
    );
    assert_eq!(words(&mut w), []);
    // Whoever comes too late is told why, and not that its session was lost.
    w.asks("ann", "2", "ping", "");
    w.listens("ann", None);
    w.expect(&[
        "0.200s ann.4 verdict Answered error 2 -32000 the gateway is stopping",
        "0.200s ann.5 verdict Busy error null -32000 the gateway is stopping",
    ]);
}

#[test]
fn a_log_level_comes_back() {
    let mut w = World::new(plan(&["git"]));
    w.offers.get_mut("git").expect("it is there").capabilities = r#""logging":{}"#;
    w.serve("git.1");
    w.connect(&["ann"]);
    w.asks("ann", "1", "logging/setLevel", r#"{"level":"error"}"#);
    w.asks("ann", "2", "logging/setLevel", r#"{"level":"info"}"#);
    restart(&mut w);
    w.asks("ann", "3", "ping", "");
    w.expect(&[
        &format!(
            r#"{} to git.1 #3 logging/setLevel {{"level":"info"}}"#,
            w.now
        ),
        &format!("{} ann.4 answer 3 {{}} last", w.now),
    ]);
    // And is told to no other session, nor kept for longer than this one.
    w.deletes("ann");
    assert!(w.hub.listeners.is_empty());
}

#[test]
fn subscriptions_come_back() {
    let mut w = resourceful();
    w.asks("ann", "1", "resources/subscribe", URI);
    w.answers("git.1", 5, "{}");
    restart(&mut w);
    w.listens("ann", None);
    w.expect_of(
        "git",
        &[&format!(
            r#"{} to git.1 #5 resources/subscribe {URI}"#,
            w.now
        )],
    );
    w.answers("git.1", 5, "{}");
    w.says("git.1", &notice("notifications/resources/updated", URI));
    w.expect(&[&format!(
        r#"{} ann.3 [1-4] notifications/resources/updated {URI}"#,
        w.now
    )]);
    // Nor is it told anew what the journal knows.
    let subscribed = SessionWord::Subscribed {
        server: "git".into(),
        uri: Arc::from("file:///r"),
    };
    let told = words(&mut w).into_iter().filter(|word| *word == subscribed);
    assert_eq!(told.count(), 1);
}

#[test]
fn a_subscription_to_a_server_that_starts_is_told_it_when_it_is_ready() {
    let mut w = resourceful();
    w.asks("ann", "1", "resources/subscribe", URI);
    w.answers("git.1", 5, "{}");
    w.restart();
    w.asks("ann", "2", "ping", "");
    w.forget();
    w.serve("git.1");
    w.expect_of(
        "resources/subscribe",
        &[&format!(
            r#"{} to git.1 #5 resources/subscribe {URI}"#,
            w.now
        )],
    );
}

#[test]
fn what_was_given_up_or_belongs_to_nobody_does_not_come_back() {
    let mut w = resourceful();
    w.asks("ann", "1", "resources/subscribe", URI);
    w.answers("git.1", 5, "{}");
    w.asks("ann", "2", "resources/unsubscribe", URI);
    w.connect(&["bob"]);
    w.asks("bob", "1", "resources/subscribe", URI);
    w.answers("git.1", 7, "{}");
    for server in w.plan.servers.iter_mut() {
        server.name = "other".into();
    }
    let offers = w.offers["git"].clone();
    w.offers.insert("other".into(), offers);
    w.stop();
    w.dies("git.1");
    w.restart();
    ready(&mut w);
    assert!(is_known(&mut w, "ann") && is_known(&mut w, "bob"));
    let nobody = |s: &crate::hub::sessions::Session| s.subscriptions.is_empty();
    assert!(w.hub.sessions.iter().all(|(_, session)| nobody(session)));
}

#[test]
fn a_session_with_children_of_its_own_begins_anew_after_a_restart() {
    let mut w = World::new(scoped());
    ready(&mut w);
    w.connect(&["ann", "bob"]);
    w.calls("ann", "1", "pad__x");
    w.calls("ann", "2", "pad__x");
    let own = words(&mut w);
    assert_eq!(own, [SessionWord::Heard(unix(&w)), SessionWord::Own]);
    w.connect(&["cid"]);
    w.calls("cid", "1", "pad__x");
    crash(&mut w);
    assert!(!is_known(&mut w, "cid"));
    assert!(is_known(&mut w, "bob"));
}

#[test]
fn a_stream_of_another_process_is_a_new_one_that_tells_to_look_anew() {
    let mut w = World::ready(&["git"]);
    w.connect(&["ann"]);
    w.listens("ann", None);
    let epoch = w.hub.streams.epoch();
    restart(&mut w);
    assert_ne!(w.hub.streams.epoch(), epoch);
    let foreign = format!("{epoch}-2-0");
    let anew = |number: u32, stream: u32| {
        [
            format!("opened prime {stream}-0"),
            format!("[{stream}-1] notifications/tools/list_changed"),
            format!("[{stream}-2] notifications/prompts/list_changed"),
            format!("[{stream}-3] notifications/resources/list_changed"),
        ]
        .map(|line| format!("0.400s ann.{number} {line}"))
    };
    w.listens("ann", Some(&foreign));
    assert_eq!(w.trace(), anew(3, 1));
    // So it is though the session was entered again before.
    w.listens("ann", Some(&foreign));
    assert_eq!(w.trace(), anew(4, 2));
    // One of this process is taken up as ever, and one without a gap tells nothing.
    w.leaves("ann.4");
    w.listens("ann", Some("2-1"));
    w.expect(&[
        "0.400s ann.5 opened",
        "0.400s ann.5 [2-2] notifications/prompts/list_changed",
        "0.400s ann.5 [2-3] notifications/resources/list_changed",
    ]);
    w.listens("ann", None);
    w.expect(&["0.400s ann.6 opened prime 3-0"]);
    w.listens("ann", Some("9-1"));
    let refused = w.trace().remove(0);
    assert!(refused.contains("verdict BadRequest"), "{refused}");
}

const LOST: &str = "-32000 the gateway was started anew while this call was under way; whether it was carried out is not known";

/// The last event that a client has seen, as it would name it to another process.
fn last_seen(w: &World, who: &str) -> String {
    let to_her = |outbox: &OutboxId| w.exchanges[outbox].client == who;
    let mut events = w.deeds.iter().rev().filter_map(|(_, effect)| match effect {
        Effect::ToClient { outbox, parcel } if to_her(outbox) => match parcel {
            Parcel::Opened { prime, .. } => prime.as_ref(),
            Parcel::Message { event, .. } => event.as_ref(),
            _ => None,
        },
        _ => None,
    });
    let last = events.next();
    last.expect("she has seen some").to_string()
}

#[test]
fn a_call_that_a_crash_has_cut_off_ends_with_an_error_where_its_client_comes_back() {
    let mut w = World::ready(&["git"]);
    w.connect(&["ann", "bob"]);
    w.calls("ann", "\"a\"", "git__x");
    w.handle(Event::Client {
        outbox: w.outbox("ann.2"),
        word: FromClient::Patience,
    });
    let last = last_seen(&w, "ann");
    crash(&mut w);
    w.listens("ann", Some(&last));
    w.expect(&[
        "0.400s ann.3 opened prime 1-0",
        &format!("0.400s ann.3 [1-1] error \"a\" {LOST} last"),
    ]);
    // Who broke off again hears it from that stream as from the one before.
    w.listens("ann", Some("1-0"));
    w.expect(&[
        "0.400s ann.4 opened",
        &format!("0.400s ann.4 [1-1] error \"a\" {LOST}"),
        "0.400s ann.4 end",
    ]);
    w.listens("ann", Some(&last));
    assert_eq!(w.trace().len(), 2);
    // What she missed otherwise she is told where she listens.
    w.listens("ann", None);
    assert_eq!(w.trace().len(), 4);
    assert_eq!(
        w.hub
            .sessions
            .iter()
            .map(|(_, s)| s.unanswered)
            .sum::<usize>(),
        0
    );
    // Whoever has taken her event hears of no call but his own, and harms none.
    w.listens("bob", Some(&last));
    let trace = w.trace();
    assert!(
        trace.iter().all(|line| line.contains(" bob.2 ")),
        "{trace:?}"
    );
}

#[test]
fn of_a_batch_the_calls_are_lost_that_had_no_answer() {
    let mut w = World::ready(&["git"]);
    w.come("ann", View::Merged);
    w.connects_at("ann", "2025-03-26");
    let call = |id: &str| request(id, "tools/call", r#"{"name":"git__x"}"#);
    w.posts(
        "ann",
        &format!("[{},{},{}]", call("1"), call("2"), call("3")),
    );
    w.handle(Event::Client {
        outbox: w.outbox("ann.2"),
        word: FromClient::Patience,
    });
    w.answers("git.1", 4, "{}");
    let last = last_seen(&w, "ann");
    crash(&mut w);
    w.listens("ann", Some(&last));
    let mut trace = w.trace();
    assert_eq!(trace.remove(0), "0.400s ann.3 opened");
    trace.sort();
    let lost = |place: u32, id: u32| format!("0.400s ann.3 [1-{place}] error {id} {LOST}");
    let ids = |first, second| [lost(1, first), format!("{} last", lost(2, second))];
    assert!(trace == ids(1, 3) || trace == ids(3, 1), "{trace:?}");
}

#[test]
fn only_what_can_change_is_to_be_looked_at_anew() {
    let mut w = World::ready(&["git"]);
    w.come("ann", View::Server("git".into()));
    w.connects_at("ann", "2025-03-26");
    restart(&mut w);
    w.listens("ann", None);
    w.expect(&[
        "0.400s ann.2 opened",
        "0.400s ann.2 [1-1] notifications/tools/list_changed",
    ]);
}

#[test]
fn a_session_that_made_room_for_others_comes_back_with_all_that_it_had() {
    let mut w = resourceful();
    w.asks("ann", "1", "resources/subscribe", URI);
    w.answers("git.1", 5, "{}");
    w.asks("ann", "2", "logging/setLevel", r#"{"level":"info"}"#);
    let key = w.clients["ann"].session.clone().expect("she has one");
    let before = words(&mut w);
    w.hub.lay_by(&key);
    w.hub.end_session(&key, None);
    w.handle(Event::Tick);
    assert!(w.hub.sessions.is_empty());
    assert!(
        before.len() == 3 && words(&mut w).is_empty(),
        "it has not ended"
    );
    assert!(is_known(&mut w, "ann"));
    let session = w.hub.sessions.get(&key).expect("it is back");
    assert!(session.level.is_some());
    assert_eq!(session.subscriptions.len(), 1);
    // What it was told meanwhile is lost: it looks anew.
    w.listens("ann", Some("9-1"));
    assert_eq!(w.trace().len(), 4);
}

#[test]
fn a_flood_of_forged_ids_leaves_nothing_behind() {
    let mut w = World::ready(&["git"]);
    w.connect(&["ann"]);
    let timers = w.hub.timers.len();
    for number in 0..1_000 {
        let forged = format!("AQ{}", "x".repeat(number % 300));
        w.come("eve", View::Merged);
        w.clients.get_mut("eve").expect("she is there").session = Some(SessionKey::of_id(forged));
        w.posts("eve", &request("1", "ping", ""));
    }
    assert_eq!((w.hub.sessions.len(), w.hub.timers.len()), (1, timers));
    assert_eq!(words(&mut w), []);
}

#[test]
fn an_id_that_two_processes_know_is_good_in_both() {
    let mut w = World::ready(&["git"]);
    w.connect(&["ann"]);
    let there = w.hub.sessions.len();
    // The replica has the key and no journal.
    let mut replica = World::ready(&["git"]);
    replica.come("ann", View::Merged);
    let ann = replica.clients.get_mut("ann").expect("she is there");
    ann.session = w.clients["ann"].session.clone();
    assert!(is_known(&mut replica, "ann") && is_known(&mut w, "ann"));
    assert_eq!(there, replica.hub.sessions.len());
}

#[test]
fn one_that_cannot_be_entered_again_now_is_told_so_and_not_that_it_is_gone() {
    let mut w = World::ready(&["git"]);
    w.connect(&["ann"]);
    w.restart();
    w.stop();
    w.forget();
    w.asks("ann", "1", "ping", "");
    w.posts("ann", &notice("notifications/initialized", ""));
    let stopping = "-32000 the gateway is stopping";
    w.expect(&[
        &format!("0.200s ann.2 verdict Answered error 1 {stopping}"),
        &format!("0.200s ann.3 verdict Busy error null {stopping}"),
    ]);
}

#[test]
fn an_id_of_which_nothing_is_known_may_be_one_that_had_to_be_forgotten() {
    let mut w = World::ready(&["git"]);
    w.connect(&["ann"]);
    let began = unix(&w);
    w.restart();
    w.hub.absent = Absent::new(HashMap::new(), Some(began), None);
    assert!(!is_known(&mut w, "ann"));
    w.hub.absent = Absent::new(HashMap::new(), Some(began - 1), None);
    assert!(is_known(&mut w, "ann"));
}

#[test]
fn an_id_is_good_for_less_than_a_day() {
    for (seconds, is_good) in [(86_399.0, true), (86_400.0, false)] {
        let mut w = World::ready(&["git"]);
        w.connect(&["ann"]);
        w.restart();
        w.pass(seconds);
        assert_eq!(is_known(&mut w, "ann"), is_good);
    }
}

#[test]
fn a_subscription_that_is_too_long_is_not_taken_from_a_journal() {
    let mut w = resourceful();
    w.asks("ann", "1", "resources/subscribe", URI);
    w.answers("git.1", 5, "{}");
    let mut known = remembered(&w.kept);
    let long: Arc<str> = "u"
        .repeat(crate::limits::SUBSCRIPTION_URI_BYTES_MAX + 1)
        .into();
    for session in known.values_mut() {
        session
            .subscriptions
            .insert(("git".to_owned(), long.clone()));
    }
    w.restart();
    w.hub.absent = Absent::new(known, None, None);
    assert!(is_known(&mut w, "ann"));
    let (_, session) = w.hub.sessions.iter().next().expect("it goes on");
    let uris: Vec<&str> = session
        .subscriptions
        .iter()
        .map(|(uri, _)| &**uri)
        .collect();
    assert_eq!(uris, ["file:///r"]);
}

#[test]
fn the_end_by_time_is_told_of_a_session_of_which_something_was_told() {
    let mut w = World::ready(&["git"]);
    w.connect(&["ann", "bob"]);
    w.asks("ann", "1", "logging/setLevel", r#"{"level":"error"}"#);
    words(&mut w);
    w.pass(25.0 * 3600.0);
    assert!(w.hub.sessions.is_empty());
    assert_eq!(words(&mut w), [SessionWord::Ended]);
}

#[test]
fn a_stop_hears_of_nobody_who_is_not_connected() {
    let mut w = World::ready(&["git"]);
    w.connect(&["ann", "bob"]);
    w.listens("bob", None);
    w.pass(13.0 * 3600.0);
    words(&mut w);
    w.pass(3600.0);
    w.stop();
    assert_eq!(words(&mut w), [SessionWord::Heard(unix(&w))]);
}
