//! What all clients and all children together may make the gateway hold, and who
//! is parted with or refused past it.

use crate::config::checked::Protocol;
use crate::event::{Effect, FromChild, FromClient, Load, Parcel};
use crate::hub::stories::cast::{Offers, notice, request, result};
use crate::hub::stories::eras::speaking;
use crate::hub::stories::world::{World, plan};
use crate::limits;

/// A client asks for a list of some megabytes; how many bytes it is.
fn ask_for_list(w: &mut World, who: &str) -> u64 {
    w.forget();
    w.asks(who, "1", "tools/list", "");
    let Some((_, Effect::ToClient { parcel, .. })) = w.deeds.first() else {
        panic!("a list answers at once");
    };
    let Parcel::Message { message, .. } = parcel else {
        panic!("a list is a message");
    };
    message.len_max() as u64
}

/// The traces of who was cut off since the story last looked.
fn cut(w: &mut World) -> Vec<String> {
    let deeds = std::mem::take(&mut w.deeds);
    let lines = deeds.iter().filter_map(|(at, effect)| match effect {
        Effect::ToClient {
            parcel: Parcel::Cut,
            ..
        } => Some(w.line(*at, effect)),
        _ => None,
    });
    lines.collect()
}

/// Three clients have asked one second after the other, and others have filled
/// the outboxes but for one more list; its size.
fn filled() -> (World, u64) {
    let mut w = World::ready(&["git"]);
    let names = (0..8_000).map(|number| format!("{number:0500}"));
    let tools = Offers {
        tools: names.collect(),
        ..Offers::default()
    };
    w.offers.insert("git".to_owned(), tools);
    w.dies("git.1");
    w.pass(1.0);
    w.serve("git.2");
    w.pass(1.0);
    w.connect(&["ann", "bob", "cid"]);
    let mut filled = 0;
    for who in ["ann", "bob", "cid"] {
        w.pass(1.0);
        filled += ask_for_list(&mut w, who);
    }
    w.pass(1.0);
    let length = filled / 3;
    for number in 0.. {
        if filled + length > limits::OUTBOXES_BYTES_MAX {
            break;
        }
        let who: &'static str = format!("more{number}").leak();
        w.connect(&[who]);
        filled += ask_for_list(&mut w, who);
    }
    assert_eq!(cut(&mut w), [""; 0]);
    w.connect(&["eve"]);
    (w, length)
}

#[test]
fn past_the_sum_of_all_outboxes_the_client_that_has_waited_longest_is_cut_off() {
    let (mut w, _) = filled();
    w.asks("eve", "1", "tools/list", "");
    assert_eq!(cut(&mut w), ["6.200s ann.2 cut"]);
    w.asks("eve", "2", "tools/list", "");
    assert_eq!(cut(&mut w), ["6.200s bob.2 cut"]);
    w.asks("eve", "3", "ping", "");
    assert_eq!(cut(&mut w), [""; 0], "small answers cost nobody else");
}

#[test]
fn an_answer_that_was_written_counts_no_more() {
    let (mut w, length) = filled();
    w.takes("ann.2", 1, length);
    w.asks("eve", "1", "tools/list", "");
    assert_eq!(cut(&mut w), [""; 0]);
    // Of one that is written in part, the time begins anew.
    w.takes("bob.2", 0, 1);
    w.asks("eve", "2", "tools/list", "");
    assert_eq!(cut(&mut w), ["6.200s cid.2 cut"]);
}

#[test]
fn what_was_written_and_not_told_of_costs_nobody_its_connection() {
    let (mut w, bytes) = filled();
    let load = |bytes| Load { messages: 0, bytes };
    w.untold = vec![(w.outbox("ann.2"), load(bytes))];
    w.asks("eve", "1", "tools/list", "");
    assert_eq!(cut(&mut w), [""; 0]);
    // When it was written nobody knows, so that is no sign of a client who reads.
    w.untold = vec![(w.outbox("bob.2"), load(1))];
    w.asks("eve", "2", "tools/list", "");
    assert_eq!(cut(&mut w), ["6.200s bob.2 cut"]);
}

#[test]
fn who_has_left_counts_no_more() {
    let (mut w, _) = filled();
    w.leaves("ann.2");
    w.asks("eve", "1", "tools/list", "");
    assert_eq!(cut(&mut w), [""; 0]);
}

#[test]
fn a_child_that_asks_and_does_not_read_leaves_half_of_its_queue_to_calls() {
    let mut plan = plan(&["git"]);
    plan.queue_max = 40;
    let mut w = World::new(plan);
    w.serve("git.1");
    w.pass(0.2);
    w.connect(&["ann"]);
    w.forget();
    for id in 0..100 {
        let method = ["ping", "no/such"][id % 2];
        w.says("git.1", &request(&id.to_string(), method, "{}"));
    }
    let answered = w.trace().len();
    // Three words of its greeting and its list lie there already.
    assert_eq!(answered, 20 - 3);
    for id in 0..20 {
        w.calls("ann", &id.to_string(), "git__x");
    }
    assert_eq!(w.trace().len(), 20, "each call is sent");
    w.calls("ann", "20", "git__x");
    let busy = "server \"git\" is busy: 40 calls wait for it; try again later";
    w.expect(&[&format!("0.200s ann.22 error 20 -32000 {busy} last")]);
}

#[test]
fn children_that_do_not_read_leave_some_of_all_queues_to_those_that_do() {
    let names: Vec<String> = (0..21).map(|number| format!("git{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut w = World::ready(&names);
    w.connect(&["ann"]);
    let params = |name: &str, bytes: usize| {
        let text = "b".repeat(bytes);
        format!(r#"{{"arguments":{{"text":"{text}"}},"name":"{name}__x"}}"#)
    };
    let mut id = 1;
    // How many calls of a mebibyte each takes, one after the other.
    let taken = names[..20].iter().map(|name| {
        for count in 0.. {
            w.forget();
            w.asks("ann", &id.to_string(), "tools/call", &params(name, 1 << 20));
            id += 1;
            if !matches!(w.deeds.first(), Some((_, Effect::ToChild { .. }))) {
                return count;
            }
        }
        unreachable!("it is refused")
    });
    let taken: Vec<usize> = taken.collect();
    assert_eq!(taken[..7], [8; 7], "a queue's own limit");
    assert!(taken[7..].is_sorted_by(|a, b| a >= b), "{taken:?}");
    assert!(taken.iter().all(|&count| count > 0), "{taken:?}");
    let total: usize = taken.iter().sum();
    assert!((60..=64 + 13).contains(&total), "{taken:?}");
    // One that has little is never refused.
    w.forget();
    let id = total + 100;
    w.asks("ann", &id.to_string(), "tools/call", &params("git20", 100));
    w.expect_of("is busy", &[]);
}

#[test]
fn what_rounds_of_questions_keep_is_bounded_together() {
    let mut w = speaking(&["git"], Protocol::Modern);
    w.serve("git.1");
    w.pass(0.2);
    w.connect(&["ann", "bob", "cid"]);
    let state = |bytes: usize| {
        let state = "s".repeat(bytes);
        let ask = r#"{"method":"elicitation/create","params":{"message":"who?"}}"#;
        format!(
            r#"{{"resultType":"input_required","inputRequests":{{"q":{ask}}},"requestState":"{state}"}}"#
        )
    };
    for who in ["ann", "bob", "cid"] {
        w.calls(who, "1", "git__x");
    }
    let half = limits::ROUNDS_BYTES_MAX / 2;
    w.answers("git.1", 3, &state(half - 100));
    w.forget();
    w.answers("git.1", 4, &state(half + 100));
    let too_many = "too many questions to the client are open; try again later";
    w.expect(&[&format!("0.200s bob.2 error 1 -32000 {too_many} last")]);
    w.answers("git.1", 5, &state(half - 100));
    w.forget();
    // Nor is there room for a large answer, and its client is told so.
    w.posts("cid", &result("2", &format!("\"{}\"", "a".repeat(1_000))));
    let lines = w.trace();
    let told = lines.iter().find(|line| line.contains("error 1"));
    assert!(
        told.is_some_and(|line| line.contains(too_many)),
        "{lines:?}"
    );
    // What is over is forgotten, and others have room again.
    w.posts("ann", &result("1", r#"{"action":"cancel"}"#));
    assert_eq!(w.hub.rounds.bytes(), 0);
}

#[test]
fn the_lists_of_all_servers_together_are_bounded_and_a_short_one_is_always_taken() {
    let names: Vec<String> = (0..4).map(|number| format!("git{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut w = World::of(&names);
    // About twenty mebibytes each, the names apart.
    let long = (0..2_000).map(|number| format!("{number:05000}")).collect();
    let long = Offers {
        tools: long,
        ..Offers::default()
    };
    for name in &names[..3] {
        w.offers.insert((*name).to_owned(), long.clone());
    }
    for name in &names {
        w.serve(&format!("{name}.1"));
    }
    let offered: Vec<usize> = w
        .hub
        .children
        .iter()
        .map(|(_, child)| child.offer.tools.len())
        .collect();
    let whole = offered.iter().filter(|&&count| count == 2_000).count();
    assert_eq!(whole, 2, "{offered:?}");
    assert_eq!(offered[3], 1);
    let told = w.hub.children.iter().filter(|(_, child)| {
        let mut sentences = child.left_out.values().flatten();
        sentences.any(|sentence| sentence.contains("beside the lists of all other servers"))
    });
    assert_eq!(told.count(), 1);
    // The first one's list can be read again.
    w.says("git0.1", &notice("notifications/tools/list_changed", "{}"));
    w.pass(1.0);
    w.lists("git0.1", 2);
    let again = w.hub.children.iter().next();
    assert_eq!(again.map(|(_, child)| child.offer.tools.len()), Some(2_000));
}

#[test]
fn what_a_child_asks_while_it_has_much_to_read_is_answered_when_it_has_read() {
    let mut plan = plan(&["git"]);
    plan.queue_max = 2;
    let mut w = World::new(plan);
    w.serve("git.1");
    w.pass(0.2);
    let take = |w: &mut World, messages| {
        let bytes = 0;
        w.child("git.1", FromChild::Taken(Load { messages, bytes }));
    };
    take(&mut w, 20);
    w.forget();
    let ask = |w: &mut World, id: usize| {
        w.says("git.1", &request(&id.to_string(), "ping", "{}"));
    };
    (0..limits::CHILD_WORDS_MAX + 2).for_each(|id| ask(&mut w, id));
    w.expect(&["0.200s to git.1 answer 0 {}"]);
    take(&mut w, 1);
    w.expect(&["0.200s to git.1 answer 1 {}"]);
    // There is one place again, and no more.
    ask(&mut w, 100);
    ask(&mut w, 101);
    let mut heard = String::new();
    for _ in 2..limits::CHILD_WORDS_MAX + 2 {
        w.forget();
        take(&mut w, 1);
        heard = w.trace().concat();
    }
    assert_eq!(heard, "0.200s to git.1 answer 100 {}");
}

#[test]
fn the_subscriptions_of_all_sessions_together_are_bounded_and_few_are_always_taken() {
    let mut w = World::of(&["git"]);
    w.offers.get_mut("git").expect("it is there").resources = vec!["file:///new".into()];
    w.serve("git.1");
    // So many that the books are not swept, for what follows stands in one of them alone.
    let many = limits::SUBSCRIPTIONS_MAX / limits::SESSION_SUBSCRIPTIONS_MAX + 2;
    let who: Vec<&str> = (0..many)
        .map(|number| &*format!("who{number}").leak())
        .collect();
    w.connect(&who);
    let child = w.hub.children.ids()[0];
    let uris: Vec<std::sync::Arc<str>> = (0..limits::SESSION_SUBSCRIPTIONS_MAX)
        .map(|number| format!("file:///{number}").into())
        .collect();
    let fill = |w: &mut World, who: &str, count: usize| {
        let key = w.clients[who].session.clone().expect("it has a session");
        let session = w.hub.sessions.get_mut(&key).expect("it is known");
        let some = uris.iter().take(count).map(|uri| (uri.clone(), child));
        session.subscriptions.extend(some);
    };
    for who in &who[2..] {
        fill(&mut w, who, limits::SESSION_SUBSCRIPTIONS_MAX);
    }
    fill(&mut w, who[0], limits::SESSION_SUBSCRIPTIONS_LEAST);
    fill(&mut w, who[1], limits::SESSION_SUBSCRIPTIONS_LEAST - 1);
    let told = |w: &mut World, who: &str| {
        w.forget();
        w.asks(who, "1", "resources/subscribe", r#"{"uri":"file:///new"}"#);
        w.trace().concat()
    };
    assert!(told(&mut w, who[0]).contains("error 1 -32000 a session may have 1000"));
    assert!(told(&mut w, who[1]).contains("to git.1"));
}

#[test]
fn the_sum_of_all_outboxes_may_be_reached() {
    let (mut w, length) = filled();
    let over = w.hub.streams.unread_bytes() + length - limits::OUTBOXES_BYTES_MAX;
    w.takes("ann.2", 0, over);
    assert_eq!(ask_for_list(&mut w, "eve"), length);
    assert_eq!(w.hub.streams.unread_bytes(), limits::OUTBOXES_BYTES_MAX);
    assert_eq!(cut(&mut w), [""; 0]);
}

/// A client calls, goes away, and gets an answer of about a mebibyte meanwhile,
/// which is kept for its return.
fn answered_meanwhile(w: &mut World, who: &'static str, number: usize) {
    w.connect(&[who]);
    let params = r#"{"_meta":{"progressToken":"t"},"name":"git__x"}"#;
    w.asks(who, "1", "tools/call", params);
    let token = w.wire_id("git.1", number);
    let progress = format!(r#"{{"progress":1,"progressToken":{token}}}"#);
    w.says("git.1", &notice("notifications/progress", &progress));
    w.leaves(&format!("{who}.2"));
    let text = "b".repeat(limits::REPLAY_BYTES_MAX - 1_000);
    w.answers("git.1", number, &format!(r#"{{"text":"{text}"}}"#));
    w.pass(1.0);
}

#[test]
fn past_the_sum_of_all_that_is_kept_who_was_not_heard_of_for_longest_loses_his() {
    let mut w = World::ready(&["git"]);
    // He has nothing to lose.
    w.connect(&["old"]);
    w.pass(1.0);
    let full = limits::REPLAY_ALL_BYTES_MAX / limits::REPLAY_BYTES_MAX + 1;
    let who: Vec<&'static str> = (0..full)
        .map(|number| &*format!("who{number}").leak())
        .collect();
    for (number, who) in who.iter().enumerate() {
        answered_meanwhile(&mut w, who, 3 + number);
    }
    let before = w.hub.replay_bytes;
    assert!(before > limits::REPLAY_ALL_BYTES_MAX);
    answered_meanwhile(&mut w, "new", 3 + full);
    assert!(w.hub.replay_bytes < before + 1_000);
    let mut resumes = |who: &str, stream: usize| {
        w.forget();
        w.listens(who, Some(&format!("{stream}-1")));
        w.trace().concat()
    };
    // The welcome of each was one stream, and his call another.
    let told = resumes(who[0], 3);
    assert!(told.contains("no longer kept"), "{told}");
    let told = resumes(who[1], 5);
    assert!(told.contains("opened"), "{told}");
}

#[test]
fn so_many_questions_are_open_in_all_and_a_server_that_asks_in_answers_has_to_wait() {
    let mut w = speaking(&["git"], Protocol::Modern);
    w.serve("git.1");
    w.pass(0.2);
    // So many that the books are not swept.
    let who: Vec<&'static str> = (0..110)
        .map(|number| &*format!("who{number}").leak())
        .collect();
    w.connect(&who);
    let ask = r#"{"method":"elicitation/create","params":{}}"#;
    let asks = |count: usize| {
        let questions: Vec<String> = (0..count).map(|n| format!(r#""q{n}":{ask}"#)).collect();
        let questions = questions.join(",");
        format!(r#"{{"resultType":"input_required","inputRequests":{{{questions}}}}}"#)
    };
    let mut number = 2;
    let mut is_asked = |who: &str, count: usize| {
        number += 1;
        w.calls(who, &number.to_string(), "git__x");
        w.forget();
        w.answers("git.1", number, &asks(count));
        !w.trace().concat().contains("too many questions")
    };
    let each = limits::INPUT_REQUESTS_MAX;
    for place in 0..limits::QUESTIONS_MAX / each {
        // Two calls of each may be asked about.
        assert!(is_asked(who[place / 2], each), "{place}");
    }
    assert!(!is_asked(who[100], 1));
}

#[test]
fn what_is_kept_for_those_who_may_come_back_may_reach_its_sum() {
    let mut w = World::ready(&["git"]);
    // So many that the books are not swept: the sum is as if others kept the rest.
    let who: Vec<&'static str> = (0..110)
        .map(|number| &*format!("who{number}").leak())
        .collect();
    w.connect(&who);
    answered_meanwhile(&mut w, "ann", 3);
    w.connect(&["bob"]);
    w.calls("bob", "1", "git__x");
    w.adds("bob.2", FromClient::Patience);
    for (bytes, is_kept) in [
        (limits::REPLAY_ALL_BYTES_MAX, true),
        (limits::REPLAY_ALL_BYTES_MAX + 1, false),
    ] {
        w.hub.replay_bytes = bytes;
        w.says("git.1", &request("1", "elicitation/create", "{}"));
        let key = w.clients["ann"].session.clone().expect("she has one");
        let ann = w.hub.sessions.get(&key).expect("it is known");
        assert_eq!(ann.replay.bytes() > 0, is_kept);
    }
}
