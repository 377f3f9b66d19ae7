//! One call from its client to its child and back: ids, queues, deadlines,
//! cancellations, and every way in which it can end.

use std::time::Duration;

use crate::event::{FromChild, Load};
use crate::hub::stories::cast::{notice, request, result};
use crate::hub::stories::world::{World, plan};
use crate::wire::own_id::OwnId;

/// A world with one server whose plan is changed, and one client.
fn with(change: impl FnOnce(&mut crate::plan::Plan)) -> World {
    let mut plan = plan(&["git"]);
    change(&mut plan);
    let mut w = World::new(plan);
    w.serve("git.1");
    w.pass(0.2);
    w.connect(&["ann"]);
    w
}

#[test]
fn a_call_loses_its_prefix_and_gets_its_id_back() {
    let mut w = with(|_| ());
    w.asks(
        "ann",
        "\"a\"",
        "tools/call",
        r#"{"arguments":{"k":1},"name":"git__x"}"#,
    );
    w.expect(&[r#"0.200s to git.1 #3 tools/call {"arguments":{"k":1},"name":"x"}"#]);
    w.answers("git.1", 3, r#"{"content":[]}"#);
    w.expect(&[r#"0.200s ann.2 answer "a" {"content":[]} last"#]);
}

#[test]
fn equal_ids_of_two_sessions_and_of_two_types_are_kept_apart() {
    let mut w = with(|_| ());
    w.connect(&["bob"]);
    for (who, id) in [("ann", "1"), ("bob", "1"), ("bob", "\"1\"")] {
        w.calls(who, id, "git__x");
    }
    w.forget();
    w.answers("git.1", 5, "{\"n\":3}");
    w.answers("git.1", 3, "{\"n\":1}");
    w.answers("git.1", 4, "{\"n\":2}");
    w.expect(&[
        r#"0.200s bob.3 answer "1" {"n":3} last"#,
        r#"0.200s ann.2 answer 1 {"n":1} last"#,
        r#"0.200s bob.2 answer 1 {"n":2} last"#,
    ]);
}

#[test]
fn progress_goes_to_its_caller_under_the_token_it_gave() {
    let mut w = with(|_| ());
    w.connect(&["bob"]);
    let params = |token| format!(r#"{{"_meta":{{"progressToken":{token}}},"name":"git__x"}}"#);
    w.asks("ann", "1", "tools/call", &params("7"));
    w.asks("bob", "1", "tools/call", &params("\"7\""));
    w.expect(&[
        r##"0.200s to git.1 #3 tools/call {"_meta":{"progressToken":"#3"},"name":"x"}"##,
        r##"0.200s to git.1 #4 tools/call {"_meta":{"progressToken":"#4"},"name":"x"}"##,
    ]);
    let progress = |w: &mut World, number| {
        let token = w.wire_id("git.1", number);
        let params = format!(r#"{{"progress":1,"progressToken":{token}}}"#);
        w.says("git.1", &notice("notifications/progress", &params));
    };
    progress(&mut w, 4);
    progress(&mut w, 3);
    w.expect(&[
        "0.200s bob.2 opened prime 4-0",
        r#"0.200s bob.2 [4-1] notifications/progress {"progress":1,"progressToken":"7"}"#,
        "0.200s ann.2 opened prime 3-0",
        r#"0.200s ann.2 [3-1] notifications/progress {"progress":1,"progressToken":7}"#,
    ]);
    w.answers("git.1", 3, "{}");
    w.expect(&["0.200s ann.2 [3-2] answer 1 {} last"]);
    progress(&mut w, 3);
    w.expect(&[]);
}

#[test]
fn calls_are_held_while_their_server_starts() {
    let mut w = World::of(&["git"]);
    w.serve("git.1");
    w.connect(&["ann"]);
    w.dies("git.1");
    w.calls("ann", "1", "git__x");
    w.calls("ann", "2", "git__x");
    w.pass(1.0);
    w.spawned("git.2");
    w.expect_of("call", &[]);
    w.greets("git.2");
    w.expect_of(
        "call",
        &[
            r#"1.000s to git.2 #3 tools/call {"name":"x"}"#,
            r#"1.000s to git.2 #4 tools/call {"name":"x"}"#,
        ],
    );
}

#[test]
fn held_calls_fail_with_the_start_they_wait_for() {
    let mut w = World::ready(&["git"]);
    w.connect(&["ann"]);
    w.dies("git.1");
    w.calls("ann", "1", "git__x");
    w.pass(1.0);
    w.spawned("git.2");
    w.forget();
    w.dies("git.2");
    w.expect(&[
        "1.200s bury git.2",
        "1.200s ann.2 error 1 -32000 server \"git\" is not available: exited with code 1 last",
    ]);
}

#[test]
fn a_held_call_has_the_time_of_a_start_on_top_of_its_own() {
    let mut w = World::ready(&["git"]);
    w.connect(&["ann"]);
    w.dies("git.1");
    w.calls("ann", "1", "git__x");
    w.pass(89.9);
    w.expect_of("ann", &[]);
    w.pass(0.1);
    w.expect_of("ann", &[
        "90.200s ann.2 error 1 -32001 server \"git\" has not answered this call within 30 s last",
    ]);
}

#[test]
fn no_more_calls_are_sent_than_may_be_under_way_and_the_rest_keep_their_order() {
    let mut w = with(|plan| plan.servers[0].concurrent_max = 2);
    for id in ["1", "2", "3", "4"] {
        w.asks(
            "ann",
            id,
            "tools/call",
            &format!(r#"{{"k":{id},"name":"git__x"}}"#),
        );
    }
    w.expect(&[
        r#"0.200s to git.1 #3 tools/call {"k":1,"name":"x"}"#,
        r#"0.200s to git.1 #4 tools/call {"k":2,"name":"x"}"#,
    ]);
    w.answers("git.1", 4, "{}");
    w.expect(&[
        "0.200s ann.3 answer 2 {} last",
        r#"0.200s to git.1 #5 tools/call {"k":3,"name":"x"}"#,
    ]);
    w.fails("git.1", 3, "no");
    w.expect(&[
        "0.200s ann.2 error 1 -32000 no last",
        r#"0.200s to git.1 #6 tools/call {"k":4,"name":"x"}"#,
    ]);
}

#[test]
fn a_full_queue_is_busy() {
    let mut w = with(|plan| {
        plan.servers[0].concurrent_max = 1;
        plan.queue_max = 20;
    });
    for id in 0..22 {
        w.calls("ann", &id.to_string(), "git__x");
    }
    w.expect_of("ann", &[
        "0.200s ann.23 error 21 -32000 server \"git\" is busy: 20 calls wait for it; try again later last",
    ]);
}

#[test]
fn a_queue_that_lies_full_of_bytes_is_busy() {
    let mut w = with(|_| ());
    let big = "b".repeat(3 << 20);
    for id in ["1", "2", "3", "4"] {
        w.asks(
            "ann",
            id,
            "tools/call",
            &format!(r#"{{"big":"{big}","name":"git__x"}}"#),
        );
    }
    w.expect_of("ann", &[
        "0.200s ann.5 error 4 -32000 server \"git\" is busy: 6 calls wait for it; try again later last",
    ]);
    w.child(
        "git.1",
        FromChild::Taken(Load {
            messages: 3,
            bytes: 6 << 20,
        }),
    );
    w.calls("ann", "5", "git__x");
    w.expect(&[r#"0.200s to git.1 #6 tools/call {"name":"x"}"#]);
}

#[test]
fn what_a_child_took_without_a_report_makes_no_queue_full() {
    let mut w = with(|plan| plan.queue_max = 8);
    // The pump of so short a queue tells of two messages at once; the handshake
    // and the list were three.
    let told_at = 2;
    w.child(
        "git.1",
        FromChild::Taken(Load {
            messages: 2,
            bytes: 0,
        }),
    );
    let mut untold = 1;
    for number in 3..100 {
        w.calls("ann", &number.to_string(), "git__x");
        untold += 1;
        if untold == told_at {
            let load = Load {
                messages: untold,
                bytes: 0,
            };
            w.child("git.1", FromChild::Taken(load));
            untold = 0;
        }
        w.answers("git.1", number, "{}");
        w.expect_of("busy", &[]);
    }
}

#[test]
fn a_call_that_has_had_its_time_fails_and_its_child_is_told() {
    let mut w = with(|plan| plan.servers[0].timeout = Duration::from_secs(5));
    w.calls("ann", "1", "git__x");
    w.forget();
    w.pass(10.0);
    w.expect(&[
        r##"5.200s to git.1 notifications/cancelled {"requestId":"#3"}"##,
        "5.200s ann.2 error 1 -32001 server \"git\" has not answered this call within 5 s last",
    ]);
}

#[test]
fn progress_gives_a_call_its_time_anew() {
    let mut w = with(|plan| plan.servers[0].timeout = Duration::from_secs(5));
    w.calls("ann", "1", "git__x");
    for _ in 0..5 {
        w.pass(4.0);
        let token = w.wire_id("git.1", 3);
        let params = format!(r#"{{"progress":1,"progressToken":{token}}}"#);
        w.says("git.1", &notice("notifications/progress", &params));
    }
    w.forget();
    w.pass(4.9);
    w.expect(&[]);
    w.pass(0.1);
    w.expect_of(
        "ann",
        &["25.200s ann.2 error 1 -32001 server \"git\" has not answered this call within 5 s last"],
    );
}

#[test]
fn an_answer_that_comes_too_late_is_dropped() {
    let mut w = with(|_| ());
    w.calls("ann", "1", "git__x");
    w.pass(30.0);
    w.forget();
    w.answers("git.1", 3, "{}");
    w.answers("git.1", 3, "{}");
    w.says("git.1", &result("999", "{}"));
    w.says("git.1", &result("\"x\"", "{}"));
    w.expect(&[]);
    assert!(w.hub.calls.is_empty());
}

#[test]
fn a_child_answers_for_no_other() {
    let mut w = World::ready(&["git", "time"]);
    w.connect(&["ann"]);
    w.calls("ann", "1", "git__x");
    w.forget();
    let id = w.wire_id("git.1", 3).to_string();
    w.says("time.1", &result(&id, r#"{"forged":true}"#));
    let progress = format!(r#"{{"progress":1,"progressToken":{id}}}"#);
    w.says("time.1", &notice("notifications/progress", &progress));
    let oversized = OwnId::from_number(w.wire_id("git.1", 3));
    w.child(
        "time.1",
        FromChild::Oversized {
            id: oversized,
            length: 1 << 30,
        },
    );
    w.expect(&[]);
    w.answers("git.1", 3, "{}");
    w.expect(&["0.200s ann.2 answer 1 {} last"]);
}

#[test]
fn a_call_given_up_takes_no_place_and_is_forgotten_after_its_time_once_more() {
    let mut w = with(|plan| plan.servers[0].concurrent_max = 1);
    w.calls("ann", "1", "git__x");
    w.cancels("ann", "1");
    w.pass(1.0);
    w.calls("ann", "2", "git__x");
    w.expect(&[
        r#"0.200s to git.1 #3 tools/call {"name":"x"}"#,
        r##"0.200s to git.1 notifications/cancelled {"requestId":"#3"}"##,
        "0.200s ann.2 end",
        "0.200s ann.3 verdict Accepted",
        r#"1.200s to git.1 #4 tools/call {"name":"x"}"#,
    ]);
    w.answers("git.1", 4, "{}");
    assert_eq!(w.hub.calls.len(), 1);
    w.pass(28.9);
    assert_eq!(w.hub.calls.len(), 1);
    w.pass(0.1);
    assert!(w.hub.calls.is_empty());
}

#[test]
fn a_client_takes_back_what_was_sent_held_or_never_was() {
    let mut w = with(|plan| plan.servers[0].concurrent_max = 1);
    w.calls("ann", "1", "git__x");
    w.calls("ann", "2", "git__x");
    w.forget();
    w.cancels("ann", "2");
    w.expect(&["0.200s ann.3 end", "0.200s ann.4 verdict Accepted"]);
    for id in ["2", "\"1\"", "77", "null", "{}"] {
        w.cancels("ann", id);
    }
    w.expect_of("git.1", &[]);
    w.cancels("ann", "1");
    w.expect_of(
        "git.1",
        &[r##"0.200s to git.1 notifications/cancelled {"requestId":"#3"}"##],
    );
    w.answers("git.1", 3, "{}");
    w.expect(&[]);
}

#[test]
fn a_client_takes_back_nothing_of_another() {
    let mut w = with(|_| ());
    w.connect(&["bob"]);
    w.calls("ann", "1", "git__x");
    w.forget();
    w.cancels("bob", "1");
    w.expect(&["0.200s bob.2 verdict Accepted"]);
    w.answers("git.1", 3, "{}");
    w.expect(&["0.200s ann.2 answer 1 {} last"]);
}

#[test]
fn a_child_that_dies_fails_its_calls_at_once_and_only_once() {
    let mut w = with(|_| ());
    w.calls("ann", "1", "git__x");
    w.calls("ann", "2", "git__x");
    w.cancels("ann", "2");
    w.forget();
    w.child("git.1", FromChild::OutputEnded);
    let (how, last_words) = ("exited with code 3".into(), Some("panic: oh".into()));
    w.child("git.1", FromChild::Exited { how, last_words });
    w.expect(&[
        "0.200s ann.2 error 1 -32000 server \"git\" exited with code 3 (last line on stderr: \"panic: oh\") while this call was under way; it is being restarted last",
        "0.200s bury git.1",
    ]);
    w.answers("git.1", 3, "{}");
    w.pass(0.9);
    w.expect(&[]);
}

#[test]
fn calls_held_by_a_full_child_survive_its_death() {
    let mut w = with(|plan| plan.servers[0].concurrent_max = 1);
    w.calls("ann", "1", "git__x");
    w.calls("ann", "2", "git__x");
    w.dies("git.1");
    w.expect_of("ann.3", &[]);
    w.pass(1.0);
    w.serve("git.2");
    w.expect_of("call", &[r#"1.200s to git.2 #3 tools/call {"name":"x"}"#]);
}

#[test]
fn an_answer_over_the_limit_fails_that_call_alone() {
    let mut w = with(|_| ());
    w.calls("ann", "1", "git__x");
    w.calls("ann", "2", "git__x");
    w.forget();
    let id = OwnId::from_number(w.wire_id("git.1", 3));
    w.child(
        "git.1",
        FromChild::Oversized {
            id,
            length: 17_000_000,
        },
    );
    w.child(
        "git.1",
        FromChild::Oversized {
            id: None,
            length: 17_000_000,
        },
    );
    w.expect(&[
        "0.200s ann.2 error 1 -32000 the answer of server \"git\" is 17000000 bytes long, over the limit \"max_child_message_size\" last",
    ]);
    w.answers("git.1", 4, "{}");
    w.expect(&["0.200s ann.3 answer 2 {} last"]);
}

#[test]
fn an_answer_that_finds_no_room_fails_its_call_alone() {
    let mut w = with(|_| ());
    w.calls("ann", "1", "git__x");
    w.calls("ann", "2", "git__x");
    w.forget();
    let id = OwnId::from_number(w.wire_id("git.1", 3));
    let length = 9_000_000;
    w.child("git.1", FromChild::Unheld { id, length });
    w.child("git.1", FromChild::Unheld { id: None, length });
    w.expect(&[
        "0.200s ann.2 error 1 -32000 there is no room for the answer of server \"git\", 9000000 bytes, beside others that nobody has read yet; try again later last",
    ]);
    w.answers("git.1", 4, "{}");
    w.expect(&["0.200s ann.3 answer 2 {} last"]);
}

#[test]
fn what_is_not_there_is_named() {
    let mut w = with(|_| ());
    w.calls("ann", "1", "git__nope");
    w.asks("ann", "2", "prompts/get", r#"{"name":"nope"}"#);
    w.asks("ann", "3", "tools/call", r#"{"name":7}"#);
    w.asks("ann", "4", "tools/dance", "");
    w.asks("ann", "5", "sampling/createMessage", "{}");
    w.asks("ann", "6", "resources/read", "");
    w.asks("ann", "7", "resources/read", r#"{"uri":"a"}"#);
    w.asks("ann", "8", "completion/complete", "{}");
    w.asks("ann", "9", "logging/setLevel", r#"{"level":"loud"}"#);
    w.asks("ann", "10", "resources/subscribe", "");
    w.asks("ann", "11", "resources/unsubscribe", "");
    w.expect(&[
        "0.200s ann.2 error 1 -32602 unknown tool \"git__nope\" last",
        "0.200s ann.3 error 2 -32602 unknown prompt \"nope\" last",
        "0.200s ann.4 error 3 -32602 tools/call needs \"name\", a string last",
        "0.200s ann.5 error 4 -32601 method \"tools/dance\" not found last",
        "0.200s ann.6 error 5 -32601 method \"sampling/createMessage\" not found last",
        "0.200s ann.7 error 6 -32602 resources/read needs \"uri\", a string last",
        "0.200s ann.8 error 7 -32002 resource \"a\" not found last",
        "0.200s ann.9 error 8 -32602 completion/complete needs \"ref\", with the \"name\" of a prompt or the \"uri\" of a template last",
        "0.200s ann.10 error 9 -32602 logging/setLevel needs \"level\", one of debug, info, notice, warning, error, critical, alert, emergency last",
        "0.200s ann.11 error 10 -32602 resources/subscribe needs \"uri\", a string last",
        "0.200s ann.12 error 11 -32602 resources/unsubscribe needs \"uri\", a string last",
    ]);
}

#[test]
fn pings_are_answered_here_both_ways() {
    let mut w = with(|_| ());
    w.asks("ann", "\"p\"", "ping", "");
    w.says("git.1", &request("0", "ping", ""));
    w.says("git.1", &request("1", "tools/list", ""));
    w.expect(&[
        r#"0.200s ann.2 answer "p" {} last"#,
        "0.200s to git.1 answer 0 {}",
        "0.200s to git.1 error 1 -32601 method \"tools/list\" not found",
    ]);
}

#[test]
fn a_call_that_comes_when_a_process_has_ended_is_for_the_next_life() {
    for word in [
        FromChild::OutputEnded,
        FromChild::Exited {
            how: "exited with code 1".to_owned(),
            last_words: None,
        },
    ] {
        let mut w = World::ready(&["git"]);
        w.connect(&["ann"]);
        w.child("git.1", word);
        w.forget();
        w.calls("ann", "1", "git__x");
        w.expect(&[]);
        w.pass(6.0);
        w.dies("git.1");
        w.pass(2.0);
        w.serve("git.2");
        let told = w.trace().concat();
        assert!(told.contains("to git.2 #3 tools/call"), "{told}");
        assert!(!told.contains("ann.2"), "{told}");
    }
}
