//! What lies in the queue of a child that does not read: how many bytes leave
//! room for one more call, and for one more word of the gateway's own. Stories
//! that lay there what it takes to reach a limit to the byte.

use std::time::Duration;

use crate::event::{FromChild, Load, ServerId};
use crate::hub::condition::Condition;
use crate::hub::stories::world::{World, plan};
use crate::limits;

/// Two ready servers, and a client with so many calls under way on the first.
fn calling(calls: usize) -> World {
    let mut w = World::ready(&["git", "time"]);
    w.connect(&["ann"]);
    for id in 0..calls {
        w.calls("ann", &id.to_string(), "git__x");
    }
    w.forget();
    w
}

/// Lays so much into the queue of a child, in place of what lies there.
fn lay(w: &mut World, life: &str, messages: usize, bytes: u64) {
    let messages = u32::try_from(messages).expect("a queue is shorter");
    let child = w.hub.children.of_life(w.life(life)).expect("it lives");
    let child = w.hub.children.get_mut(child).expect("it lives");
    child.load = Load { messages, bytes };
    child.is_flooded = false;
}

/// Whether a call to the first server is taken on while so many bytes lie in
/// its queue, and so many in the other's.
fn takes_call(bytes: u64, other: u64) -> bool {
    let mut w = calling(0);
    lay(&mut w, "git.1", 1, bytes);
    lay(&mut w, "time.1", 1, other);
    w.calls("ann", "1", "git__x");
    let trace = w.trace().concat();
    assert_eq!(trace.contains("is busy"), !trace.contains("tools/call"));
    !trace.contains("is busy")
}

/// Whether a cancellation reaches the first server while so much lies in its
/// queue, and so many bytes in the other's.
fn takes_word(messages: usize, bytes: u64, other: u64) -> bool {
    let mut w = calling(1);
    lay(&mut w, "git.1", messages, bytes);
    lay(&mut w, "time.1", 1, other);
    w.cancels("ann", "0");
    w.trace().concat().contains("to git.1")
}

#[test]
fn a_call_finds_room_below_the_limit_of_its_queue() {
    let max = limits::CHILD_QUEUE_BYTES_MAX;
    assert!(takes_call(max - 1, 0));
    assert!(!takes_call(max, 0));
}

#[test]
fn a_call_finds_room_while_its_queue_holds_less_than_is_left_for_all() {
    let all = limits::CHILD_QUEUES_BYTES_MAX;
    let own = 1 << 20;
    assert!(takes_call(own, all - 2 * own - 1));
    assert!(!takes_call(own, all - 2 * own));
    // Whoever has little always has room.
    let least = limits::CHILD_QUEUE_BYTES_LEAST;
    assert!(takes_call(least - 1, all));
    assert!(!takes_call(least, all));
}

#[test]
fn calls_that_wait_for_a_start_count_by_their_bytes_as_well() {
    let mut w = calling(0);
    w.dies("git.1");
    let text = "b".repeat(limits::CHILD_QUEUE_BYTES_LEAST as usize);
    let params = format!(r#"{{"arguments":{{"text":"{text}"}},"name":"git__x"}}"#);
    lay(&mut w, "time.1", 1, 0);
    let before = w.hub.queued_bytes();
    w.forget();
    for id in ["1", "2"] {
        w.asks("ann", id, "tools/call", &params);
        w.expect_of("is busy", &[]);
    }
    let held = w.hub.queued_bytes() - before;
    assert!(held > 2 * limits::CHILD_QUEUE_BYTES_LEAST, "{held}");
    // They leave too little for a third beside what another child does not read.
    let rest = limits::CHILD_QUEUES_BYTES_MAX - held;
    lay(&mut w, "time.1", 1, rest);
    w.calls("ann", "3", "git__x");
    w.expect_of("is busy", &[
        "0.200s ann.4 error 3 -32000 server \"git\" is busy: 2 calls wait for it; try again later last",
    ]);
}

#[test]
fn a_word_of_the_gateways_own_has_places_beyond_those_of_calls() {
    let slots = 1_000 + limits::CHILD_QUEUE_RESERVE;
    assert!(takes_word(slots - 1, 0, 0));
    assert!(!takes_word(slots, 0, 0));
}

#[test]
fn a_word_of_the_gateways_own_may_have_as_many_bytes_again() {
    let max = 2 * limits::CHILD_QUEUE_BYTES_MAX;
    assert!(takes_word(1, max - 1, 0));
    assert!(!takes_word(1, max, 0));
    // Past twice what all may have, whoever has much is told nothing.
    let (all, least) = (
        2 * limits::CHILD_QUEUES_BYTES_MAX,
        limits::CHILD_QUEUE_BYTES_LEAST,
    );
    assert!(takes_word(1, least - 1, all));
    assert!(takes_word(1, least, all - least - 1));
    assert!(!takes_word(1, least, all - least));
}

/// When a call has had its time that is made now, while the process of its
/// server is on its way out and stays there.
fn given_up_after(w: &mut World) -> Duration {
    w.connect(&["ann"]);
    let began = w.now;
    w.calls("ann", "1", "git__x");
    w.forget();
    w.pass(300.0);
    let told = w.deeds.iter().find(|(at, effect)| {
        let line = w.line(*at, effect);
        line.contains(" ann.") && line.contains("has not answered this call within 30 s")
    });
    told.expect("it is given up").0.since(began)
}

#[test]
fn a_call_waits_for_the_end_of_the_process_before_the_next_as_well() {
    let start_and_call = Duration::from_secs(60 + 30);
    let mut plan = plan(&["git"]);
    plan.servers[0].idle_stop = Some(Duration::from_secs(5));
    let mut w = World::new(plan);
    w.serve("git.1");
    w.pass(6.0);
    assert_eq!(
        given_up_after(&mut w),
        start_and_call + limits::DISMISS_KILL_WAIT
    );
    // One that is out of date may finish its calls before.
    let mut w = World::ready(&["git"]);
    w.connect(&["bob"]);
    w.calls("bob", "1", "git__x");
    let mut plan = w.plan.clone();
    plan.servers[0].fingerprint += 1;
    w.reload(plan);
    assert_eq!(
        given_up_after(&mut w),
        start_and_call + limits::DRAIN_CALLS_WAIT + limits::DISMISS_KILL_WAIT
    );
}

#[test]
fn a_child_that_reads_again_is_told_again() {
    let mut w = calling(2);
    let slots = 1_000 + limits::CHILD_QUEUE_RESERVE;
    lay(&mut w, "git.1", slots, 0);
    w.cancels("ann", "0");
    w.expect_of("to git.1", &[]);
    let load = Load {
        messages: 1,
        bytes: 0,
    };
    w.child("git.1", FromChild::Taken(load));
    w.cancels("ann", "1");
    w.expect_of(
        "to git.1",
        &[r##"0.200s to git.1 notifications/cancelled {"requestId":"#4"}"##],
    );
}

#[test]
fn what_a_process_has_not_read_counts_no_more_when_it_is_gone() {
    let mut w = calling(1);
    let slots = 1_000 + limits::CHILD_QUEUE_RESERVE;
    lay(&mut w, "git.1", slots, limits::CHILD_QUEUE_BYTES_MAX);
    lay(&mut w, "time.1", 1, 0);
    // A word that finds no place any more.
    w.cancels("ann", "0");
    w.dies("git.1");
    assert_eq!(w.hub.queued_bytes(), 0);
    w.forget();
    w.calls("ann", "1", "git__x");
    w.expect(&[]);
    w.pass(1.0);
    w.serve("git.2");
    w.expect_of("call", &[r#"1.200s to git.2 #3 tools/call {"name":"x"}"#]);
    assert_eq!(w.hub.state_of(ServerId(0)).condition, Condition::Ready);
}
