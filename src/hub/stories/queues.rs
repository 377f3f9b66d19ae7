//! What lies in the queue of a child that does not read: how many bytes leave
//! room for one more call, and for one more word of the gateway's own. Stories
//! that lay there what it takes to reach a limit to the byte.

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
