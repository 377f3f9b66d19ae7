//! The ways back to clients: plain answers and streams, numbers and replay,
//! resumption, slow readers, and batches.

use std::time::Duration;

use crate::event::{FromClient, Load, Moment, OutboxId, SessionKey};
use crate::hub::sessions::Replay;
use crate::hub::stories::cast::{notice, request, result};
use crate::hub::stories::world::World;
use crate::hub::streams::{StreamKind, Streams};
use crate::limits;
use crate::wire::envelope::Message;
use crate::wire::outgoing::Outgoing;
use crate::wire::sse::EventId;

/// A child reports progress on its request `#number`.
fn progress(w: &mut World, number: usize) {
    let token = w.wire_id("git.1", number);
    let params = format!(r#"{{"progress":1,"progressToken":{token}}}"#);
    w.says("git.1", &notice("notifications/progress", &params));
}

/// A client calls a tool and wants to hear of its progress.
fn call(w: &mut World, who: &str, id: &str) {
    let params = r#"{"_meta":{"progressToken":"t"},"name":"git__x"}"#;
    w.asks(who, id, "tools/call", params);
}

fn connected() -> World {
    let mut w = World::ready(&["git"]);
    w.connect(&["ann"]);
    w
}

const PROGRESS: &str = r#"notifications/progress {"progress":1,"progressToken":"t"}"#;

#[test]
fn an_answer_that_comes_first_is_plain_json() {
    let mut w = connected();
    call(&mut w, "ann", "1");
    w.forget();
    w.answers("git.1", 3, "{}");
    w.expect(&["0.200s ann.2 answer 1 {} last"]);
}

#[test]
fn a_door_that_loses_patience_gets_a_stream_once() {
    let mut w = connected();
    call(&mut w, "ann", "1");
    w.forget();
    w.adds("ann.2", FromClient::Patience);
    w.adds("ann.2", FromClient::Patience);
    w.expect(&["0.200s ann.2 opened prime 2-0"]);
    w.answers("git.1", 3, "{}");
    w.expect(&["0.200s ann.2 [2-1] answer 1 {} last"]);
}

#[test]
fn only_clients_of_the_latest_revision_are_primed_and_only_2024_cannot_resume() {
    for (version, opened, numbered) in [
        ("2024-11-05", "opened", ""),
        ("2025-03-26", "opened", "[2-1] "),
        ("2025-06-18", "opened", "[2-1] "),
        ("2025-11-25", "opened prime 2-0", "[2-1] "),
        ("1999-01-01", "opened prime 2-0", "[2-1] "),
    ] {
        let mut w = World::ready(&["git"]);
        w.connects_at("ann", version);
        call(&mut w, "ann", "1");
        w.forget();
        progress(&mut w, 3);
        w.expect(&[
            &format!("0.200s ann.2 {opened}"),
            &format!("0.200s ann.2 {numbered}{PROGRESS}"),
        ]);
    }
}

#[test]
fn a_broken_post_is_resumed_where_it_broke() {
    let mut w = connected();
    call(&mut w, "ann", "1");
    progress(&mut w, 3);
    w.leaves("ann.2");
    progress(&mut w, 3);
    w.forget();
    w.listens("ann", Some("2-1"));
    w.expect(&[
        "0.200s ann.3 opened",
        &format!("0.200s ann.3 [2-2] {PROGRESS}"),
    ]);
    progress(&mut w, 3);
    w.answers("git.1", 3, "{}");
    w.expect(&[
        &format!("0.200s ann.3 [2-3] {PROGRESS}"),
        "0.200s ann.3 [2-4] answer 1 {} last",
    ]);
}

#[test]
fn a_stream_that_is_resumed_tells_nothing_of_another() {
    let mut w = connected();
    call(&mut w, "ann", "1");
    call(&mut w, "ann", "2");
    w.leaves("ann.2");
    w.leaves("ann.3");
    progress(&mut w, 3);
    progress(&mut w, 4);
    w.answers("git.1", 4, "{}");
    w.forget();
    w.listens("ann", Some("2-0"));
    w.expect(&[
        "0.200s ann.4 opened",
        &format!("0.200s ann.4 [2-1] {PROGRESS}"),
    ]);
    w.listens("ann", Some("3-1"));
    w.expect(&[
        "0.200s ann.5 opened",
        "0.200s ann.5 [3-2] answer 2 {}",
        "0.200s ann.5 end",
    ]);
}

#[test]
fn a_stream_of_which_something_is_lost_is_not_resumed_before_the_gap() {
    let mut w = connected();
    call(&mut w, "ann", "1");
    call(&mut w, "ann", "2");
    progress(&mut w, 3);
    w.leaves("ann.2");
    for _ in 0..limits::REPLAY_EVENTS_MAX {
        progress(&mut w, 4);
        w.takes("ann.3", 1, 1_000);
    }
    progress(&mut w, 3);
    w.forget();
    w.listens("ann", Some("2-0"));
    w.listens("ann", Some("2-1"));
    w.expect(&[
        "0.200s ann.4 verdict BadRequest error null -32000 the events after that Last-Event-ID are no longer kept",
        "0.200s ann.5 opened",
        &format!("0.200s ann.5 [2-2] {PROGRESS}"),
    ]);
}

#[test]
fn a_post_that_ended_while_nobody_read_is_resumed_to_its_end() {
    let mut w = connected();
    call(&mut w, "ann", "1");
    progress(&mut w, 3);
    w.leaves("ann.2");
    w.answers("git.1", 3, "{}");
    w.forget();
    w.listens("ann", Some("2-0"));
    w.expect(&[
        "0.200s ann.3 opened",
        &format!("0.200s ann.3 [2-1] {PROGRESS}"),
        "0.200s ann.3 [2-2] answer 1 {}",
        "0.200s ann.3 end",
    ]);
}

#[test]
fn a_stream_that_was_read_to_its_end_is_not_resumed() {
    let mut w = connected();
    call(&mut w, "ann", "1");
    progress(&mut w, 3);
    w.answers("git.1", 3, "{}");
    w.forget();
    w.listens("ann", Some("2-2"));
    w.listens("ann", Some("77-1"));
    w.expect(&[
        "0.200s ann.3 verdict BadRequest error null -32000 that stream has ended, and there is nothing after that Last-Event-ID",
        "0.200s ann.4 verdict BadRequest error null -32000 the events after that Last-Event-ID are no longer kept",
    ]);
}

#[test]
fn a_stream_of_another_session_is_not_resumed() {
    let mut w = connected();
    w.connect(&["eve"]);
    call(&mut w, "ann", "1");
    progress(&mut w, 3);
    w.forget();
    w.listens("eve", Some("3-0"));
    w.answers("git.1", 3, "{}");
    w.listens("eve", Some("3-0"));
    w.expect_of("eve", &[
        "0.200s eve.2 verdict BadRequest error null -32000 the events after that Last-Event-ID are no longer kept",
        "0.200s eve.3 verdict BadRequest error null -32000 the events after that Last-Event-ID are no longer kept",
    ]);
}

#[test]
fn a_listening_stream_is_taken_over_by_whoever_resumes_it() {
    let mut w = connected();
    w.listens("ann", None);
    w.expect(&["0.200s ann.2 opened prime 2-0"]);
    w.listens("ann", Some("2-0"));
    w.expect(&["0.200s ann.3 opened", "0.200s ann.2 end"]);
    w.leaves("ann.2");
    w.says("git.1", &notice("notifications/tools/list_changed", ""));
    w.asks("ann", "1", "tools/list", "");
    w.pass(0.2);
    w.offers.get_mut("git").expect("it is there").tools.clear();
    w.lists("git.1", 3);
    w.pass(0.2);
    w.expect_of(
        "ann.3",
        &["0.600s ann.3 [2-1] notifications/tools/list_changed"],
    );
}

#[test]
fn what_belongs_to_no_request_is_told_on_one_stream_only() {
    let mut w = connected();
    w.asks("ann", "1", "tools/list", "");
    w.listens("ann", None);
    w.listens("ann", None);
    w.dies("git.1");
    w.pass(1.0);
    w.offers.get_mut("git").expect("it is there").tools.clear();
    w.serve("git.2");
    w.forget();
    w.pass(0.2);
    w.expect(&["1.400s ann.4 [4-1] notifications/tools/list_changed"]);
}

#[test]
fn the_oldest_listening_stream_makes_room_for_one_too_many() {
    let mut w = connected();
    for _ in 0..limits::SESSION_STREAMS_MAX {
        w.listens("ann", None);
    }
    w.expect_of("end", &[]);
    w.listens("ann", None);
    w.expect(&["0.200s ann.2 end", "0.200s ann.10 opened prime 10-0"]);
}

#[test]
fn a_slow_reader_loses_notices_and_keeps_its_answer() {
    let mut w = connected();
    call(&mut w, "ann", "1");
    w.forget();
    for _ in 0..200 {
        progress(&mut w, 3);
    }
    let notices = w.trace().len() as u32;
    // The word that opens the stream takes a place as well.
    assert_eq!(notices, limits::STREAM_NOTICES_MAX);
    w.takes("ann.2", 16, 1_600);
    for _ in 0..200 {
        progress(&mut w, 3);
    }
    assert_eq!(w.trace().len(), 16);
    w.answers("git.1", 3, "{}");
    w.expect(&["0.200s ann.2 [2-80] answer 1 {} last"]);
}

#[test]
fn a_reader_slow_in_bytes_loses_notices_as_well() {
    let mut w = connected();
    call(&mut w, "ann", "1");
    w.forget();
    let token = w.wire_id("git.1", 3);
    let big = "b".repeat(600 << 10);
    for _ in 0..5 {
        let params = format!(r#"{{"message":"{big}","progressToken":{token}}}"#);
        w.says("git.1", &notice("notifications/progress", &params));
    }
    assert_eq!(w.deeds.len(), 3, "the opening word and two notices");
}

#[test]
fn a_client_that_takes_none_of_its_answers_is_parted_with() {
    let mut w = World::ready(&["git"]);
    w.open(&["bob"]);
    let big = format!("\"{}\"", "b".repeat(15 << 20));
    for id in 3..9 {
        w.calls("bob", &id.to_string(), "git__x");
    }
    w.forget();
    for number in 3..9 {
        w.answers("git.1", number, &big);
        if number < 8 {
            assert_eq!(w.deeds.len(), 1, "an answer");
            w.forget();
        }
    }
    w.expect(&["0.200s bob.1 cut"]);
    assert!(w.hub.sessions.is_empty() && w.hub.streams.is_empty());
}

#[test]
fn a_session_with_too_many_answers_unread_is_busy() {
    let mut w = World::ready(&["git"]);
    w.open(&["bob"]);
    // The answer to `initialize` lies there already, and as much may have been read without a word of it.
    for id in 2..limits::SESSION_UNANSWERED_MAX + limits::TAKEN_MESSAGES as usize - 1 {
        w.asks("bob", &id.to_string(), "ping", "");
    }
    w.expect_of("error", &[]);
    let busy = format!(
        "this session has {} answers under way or unread; read them first",
        limits::SESSION_UNANSWERED_MAX
    );
    w.asks("bob", "\"last\"", "ping", "");
    w.expect(&["0.200s bob.1 answer \"last\" {}"]);
    w.asks("bob", "\"more\"", "ping", "");
    w.expect(&[&format!("0.200s bob.1 error \"more\" -32000 {busy}")]);
    w.takes("bob.1", 16, 0);
    w.asks("bob", "\"then\"", "ping", "");
    w.expect(&["0.200s bob.1 answer \"then\" {}"]);
}

#[test]
fn who_has_read_everything_may_have_as_many_calls_under_way_as_ever_whatever_was_told_of_it() {
    let mut w = World::ready(&["git"]);
    w.open(&["bob"]);
    // The answer to `initialize`, and what the door said first.
    w.takes("bob.1", 2, 0);
    for id in 1..limits::SESSION_UNANSWERED_MAX {
        call(&mut w, "bob", &id.to_string());
    }
    // The door tells of sixteen at once.
    for id in 1..4 * limits::TAKEN_MESSAGES {
        w.expect_of("error", &[]);
        w.asks("bob", &format!("\"{id}\""), "ping", "");
        w.expect(&[&format!("0.200s bob.1 answer \"{id}\" {{}}")]);
        if id % limits::TAKEN_MESSAGES == 0 {
            w.takes("bob.1", limits::TAKEN_MESSAGES, 0);
        }
    }
    call(&mut w, "bob", "\"last\"");
    w.forget();
    w.asks("bob", "\"more\"", "ping", "");
    w.expect(&[
        "0.200s bob.1 error \"more\" -32000 this session has 128 answers under way or unread; read them first",
    ]);
}

#[test]
fn a_session_with_too_many_calls_under_way_is_busy_with_status_200() {
    let mut w = connected();
    for id in 0..limits::SESSION_UNANSWERED_MAX {
        call(&mut w, "ann", &id.to_string());
    }
    w.forget();
    w.calls("ann", "\"more\"", "git__x");
    w.expect(&[
        "0.200s ann.130 verdict Answered error \"more\" -32000 this session has 128 answers under way or unread; read them first",
    ]);
    w.answers("git.1", 3, "{}");
    w.forget();
    w.calls("ann", "\"more\"", "git__x");
    w.expect_of(
        "to git.1",
        &[r#"0.200s to git.1 #131 tools/call {"name":"x"}"#],
    );
}

#[test]
fn a_client_that_leaves_a_post_has_not_cancelled_it() {
    let mut w = connected();
    call(&mut w, "ann", "1");
    w.leaves("ann.2");
    w.forget();
    w.answers("git.1", 3, "{}");
    w.expect(&[]);
    assert!(w.hub.streams.is_empty());
}

#[test]
fn a_batch_is_answered_message_by_message() {
    let mut w = World::ready(&["git"]);
    w.connects_at("ann", "2025-03-26");
    w.forget();
    let call = request("\"c\"", "tools/call", r#"{"name":"git__x"}"#);
    let ping = request("2", "ping", "");
    let roots = notice("notifications/roots/list_changed", "");
    w.posts(
        "ann",
        &format!(r#"[{call},{ping},{roots},{{"jsonrpc":"1.0"}}]"#),
    );
    w.expect(&[
        r#"0.200s to git.1 #3 tools/call {"name":"x"}"#,
        "0.200s ann.2 answer 2 {}",
        "0.200s ann.2 error null -32600 \"jsonrpc\" is not \"2.0\"",
    ]);
    w.answers("git.1", 3, "{}");
    w.expect(&[r#"0.200s ann.2 answer "c" {} last"#]);
}

#[test]
fn a_batch_without_a_request_is_accepted() {
    let mut w = World::ready(&["git"]);
    w.connects_at("ann", "2025-03-26");
    w.forget();
    let roots = notice("notifications/roots/list_changed", "");
    w.posts("ann", &format!("[{roots},{roots}]"));
    w.expect(&["0.200s ann.2 verdict Accepted"]);
}

#[test]
fn a_batch_that_cancels_its_own_request_ends() {
    let mut w = World::ready(&["git"]);
    w.connects_at("ann", "2025-03-26");
    w.forget();
    let call = request("1", "tools/call", r#"{"name":"git__x"}"#);
    let cancel = notice("notifications/cancelled", r#"{"requestId":1}"#);
    w.posts("ann", &format!("[{call},{cancel}]"));
    w.expect(&[
        r#"0.200s to git.1 #3 tools/call {"name":"x"}"#,
        r##"0.200s to git.1 notifications/cancelled {"requestId":"#3"}"##,
        "0.200s ann.2 end",
    ]);
}

#[test]
fn batches_are_refused_where_they_are_no_part_of_the_protocol() {
    let mut w = connected();
    w.posts("ann", &format!("[{}]", request("1", "ping", "")));
    w.connects_at("bob", "2025-03-26");
    w.posts(
        "bob",
        &format!(
            "[{}]",
            crate::hub::stories::cast::initialize("1", "2025-03-26")
        ),
    );
    w.connects_at("eve", "2024-11-05");
    w.posts("eve", &format!("[{}]", request("1", "ping", "")));
    w.expect_of("verdict", &[
        "0.200s ann.2 verdict BadRequest error null -32600 batches are not part of protocol version 2025-11-25",
        "0.200s bob.2 verdict BadRequest error null -32600 \"initialize\" must not be part of a batch",
        "0.200s eve.2 verdict BadRequest error null -32600 batches are not part of protocol version 2024-11-05",
    ]);
}

#[test]
fn of_lines_that_are_no_messages_only_as_many_are_told_of_as_leave_room_for_answers() {
    let mut w = World::ready(&["git"]);
    w.open(&["bob"]);
    let garble = |w: &mut World, lines: usize| {
        for _ in 0..lines {
            w.writes("bob", "{");
        }
        w.trace().len()
    };
    // The answer to `initialize` lies there already.
    let room = limits::OUTBOX_SLOTS - limits::OUTBOX_RESERVE - 1;
    assert_eq!(garble(&mut w, room + 10), room);
    w.takes("bob.1", 10, 0);
    assert_eq!(garble(&mut w, 20), 10);
}

#[test]
fn a_stream_may_hold_as_many_bytes_as_the_limit_says_before_its_client_is_parted_with() {
    let mut w = World::ready(&["git"]);
    w.open(&["bob"]);
    let stream = w.hub.streams.of_outbox(w.outbox("bob.1"));
    let stream = stream.expect("it is open");
    let held = |w: &mut World, bytes: u64| {
        let stream = w.hub.streams.get_mut(stream).expect("it is open");
        stream.load.bytes = bytes;
    };
    held(&mut w, limits::STREAM_BYTES_MAX);
    w.asks("bob", "1", "ping", "");
    w.expect(&["0.200s bob.1 answer 1 {}"]);
    held(&mut w, limits::STREAM_BYTES_MAX + 1);
    w.asks("bob", "2", "ping", "");
    w.expect(&["0.200s bob.1 cut"]);
}

#[test]
fn what_belongs_to_no_request_is_told_where_somebody_listens() {
    let mut w = connected();
    w.asks("ann", "1", "tools/list", "");
    w.listens("ann", None);
    w.listens("ann", None);
    w.leaves("ann.4");
    w.says("git.1", &notice("notifications/tools/list_changed", ""));
    w.pass(0.2);
    w.offers.get_mut("git").expect("it is there").tools.clear();
    w.lists("git.1", 3);
    w.forget();
    w.pass(0.2);
    w.expect(&["0.600s ann.3 [3-1] notifications/tools/list_changed"]);
}

#[test]
fn that_a_stream_has_ended_is_known_of_so_many_and_of_none_that_told_nothing() {
    let mut w = connected();
    let has_ended = "that stream has ended, and there is nothing after that Last-Event-ID";
    let is_gone = "the events after that Last-Event-ID are no longer kept";
    let mut number = 2;
    let mut told = |w: &mut World| {
        number += 1;
        call(w, "ann", "1");
        progress(w, number);
        w.answers("git.1", number, "{}");
    };
    for _ in 0..limits::REPLAY_EVENTS_MAX {
        told(&mut w);
    }
    // Plain answers, of which there is nothing to resume.
    for _ in 0..limits::REPLAY_EVENTS_MAX {
        w.asks("ann", "1", "ping", "");
    }
    let resumes = |w: &mut World, sentence: &str| {
        w.forget();
        w.listens("ann", Some("2-2"));
        let line = w.trace().concat();
        assert!(line.ends_with(sentence), "{line}");
    };
    resumes(&mut w, has_ended);
    told(&mut w);
    resumes(&mut w, is_gone);
}

#[test]
fn what_wants_no_answer_is_taken_up_from_a_session_however_busy() {
    let mut w = World::ready(&["git"]);
    w.open(&["bob"]);
    for id in 0..100 {
        call(&mut w, "bob", &id.to_string());
    }
    for _ in 0..limits::STREAM_NOTICES_MAX {
        progress(&mut w, 3);
    }
    w.forget();
    w.asks("bob", "\"more\"", "ping", "");
    w.expect_of("128 answers under way or unread", &[
        "0.200s bob.1 error \"more\" -32000 this session has 128 answers under way or unread; read them first",
    ]);
    w.cancels("bob", "7");
    w.expect(&[r##"0.200s to git.1 notifications/cancelled {"requestId":"#10"}"##]);
}

#[test]
fn what_is_told_again_counts_for_the_sum_of_all_outboxes() {
    let mut w = connected();
    w.open(&["bob"]);
    call(&mut w, "ann", "1");
    progress(&mut w, 3);
    w.leaves("ann.2");
    let text = "b".repeat(limits::UNREAD_ANSWER_BYTES_LEAST as usize);
    let token = w.wire_id("git.1", 3);
    let params = format!(r#"{{"message":"{text}","progressToken":{token}}}"#);
    w.says("git.1", &notice("notifications/progress", &params));
    let stream = w.hub.streams.of_outbox(w.outbox("bob.1"));
    let stream = stream.and_then(|id| w.hub.streams.get_mut(id));
    stream.expect("it is open").load.bytes = limits::OUTBOXES_BYTES_MAX;
    w.forget();
    w.listens("ann", Some("3-1"));
    w.expect_of("bob", &["0.200s bob.1 cut"]);
}

/// An event of a stream, and a message of so many bytes.
fn event(number: u32, bytes: usize) -> (EventId, Outgoing) {
    let empty = result("1", "\"\"").len();
    let text = result("1", &format!("\"{}\"", "b".repeat(bytes - empty)));
    let message = Message::parse(text.into()).expect("it is an answer");
    let event = EventId {
        epoch: Default::default(),
        stream: 1,
        number,
        awaited: None,
    };
    (event, Outgoing::plain(message.into()))
}

/// What is kept of events of so many bytes each, by the first that is left.
fn first_kept(sizes: &[usize]) -> (Option<u32>, usize) {
    let mut replay = Replay::default();
    let mut number = 0;
    for &bytes in sizes {
        number += 1;
        let (event, message) = event(number, bytes);
        assert_eq!(message.len_max(), bytes);
        replay.keep(event, &message);
    }
    let from = |number: u32| EventId {
        number: number - 1,
        ..event(1, 100).0
    };
    let first = (1..=number).find(|&first| replay.after(&from(first), number).is_ok());
    (first, replay.bytes())
}

#[test]
fn so_many_events_and_so_many_bytes_are_kept_and_the_oldest_make_room() {
    let (events, bytes) = (limits::REPLAY_EVENTS_MAX, limits::REPLAY_BYTES_MAX);
    assert_eq!(first_kept(&vec![100; events]), (Some(1), 100 * events));
    assert_eq!(first_kept(&vec![100; events + 1]), (Some(2), 100 * events));
    assert_eq!(first_kept(&[bytes]), (Some(1), bytes));
    assert_eq!(first_kept(&[100, bytes + 1]), (None, 100));
    assert_eq!(first_kept(&[100, bytes - 100]), (Some(1), bytes));
    assert_eq!(first_kept(&[100, 100, bytes - 100]), (Some(2), bytes));
    assert_eq!(first_kept(&[100, 100, bytes]), (Some(3), bytes));
    let mut replay = Replay::default();
    let (event, message) = event(1, 200);
    replay.keep(event, &message);
    assert_eq!(
        (replay.clear(), replay.bytes(), replay.clear()),
        (200, 0, 0)
    );
}

#[test]
fn who_takes_nothing_of_much_is_slower_than_who_takes_little() {
    let at = |seconds| Moment(Duration::from_secs(seconds));
    let mut streams = Streams::new(Default::default());
    let mut open = |connection| {
        let outbox = OutboxId {
            connection,
            exchange: 1,
        };
        let key = SessionKey::of_id("who");
        let id = streams.open(key, outbox, StreamKind::Listen, true);
        (outbox, id)
    };
    let (ann, bob) = (open(1), open(2));
    let much = limits::TAKEN_BYTES;
    // Ann's time begins with what makes it much, and then no more.
    streams.count(ann.1, much - 1, at(1));
    streams.count(ann.1, 1, at(3));
    streams.count(ann.1, 1, at(5));
    streams.count(ann.1, 1, at(6));
    streams.count(bob.1, much, at(4));
    assert_eq!(streams.slowest(), Some(ann.0));
    streams.count(bob.1, 1, at(2));
    assert_eq!(streams.slowest(), Some(ann.0));
    streams.taken(ann.0, Load::default(), at(7));
    assert_eq!(streams.slowest(), Some(bob.0));
}

#[test]
fn a_large_answer_counts_until_all_but_little_of_it_is_written() {
    let least = limits::UNREAD_ANSWER_BYTES_LEAST;
    let mut streams = Streams::new(Default::default());
    let outbox = OutboxId {
        connection: 1,
        exchange: 1,
    };
    let key = SessionKey::of_id("who");
    let id = streams.open(key, outbox, StreamKind::Listen, true);
    let now = Moment::default();
    assert!(!streams.count(id, 1, now), "that is little");
    assert!(streams.count(id, least, now));
    streams.close(id);
    let take = |streams: &mut Streams, bytes| {
        let load = Load { messages: 0, bytes };
        streams.taken(outbox, load, now);
        streams.unread_bytes()
    };
    assert_eq!(take(&mut streams, 1), least);
    assert_eq!(take(&mut streams, 1), 0);
}

#[test]
fn what_lies_where_nobody_reads_crowds_nobody() {
    let mut streams = Streams::new(Default::default());
    let outbox = OutboxId {
        connection: 1,
        exchange: 1,
    };
    let key = SessionKey::of_id("who");
    let id = streams.open(key, outbox, StreamKind::Listen, true);
    streams.detach(outbox);
    let much = limits::UNREAD_ANSWER_BYTES_LEAST;
    assert!(!streams.count(id, much, Moment::default()));
}

#[test]
fn a_notice_finds_room_below_the_bytes_that_are_kept_free() {
    let mut w = connected();
    w.listens("ann", None);
    call(&mut w, "ann", "1");
    progress(&mut w, 3);
    let stream = w
        .hub
        .streams
        .of_outbox(w.outbox("ann.3"))
        .expect("it is open");
    for (bytes, is_told) in [
        (limits::STREAM_NOTICE_BYTES_MAX, false),
        (limits::STREAM_NOTICE_BYTES_MAX - 1, true),
    ] {
        w.hub
            .streams
            .get_mut(stream)
            .expect("it is open")
            .load
            .bytes = bytes;
        w.forget();
        progress(&mut w, 3);
        assert_eq!(w.trace().len(), usize::from(is_told));
    }
}
