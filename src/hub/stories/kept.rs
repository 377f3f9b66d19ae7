//! What is kept for clients without a session that are asked something and are
//! away: how much of it there may be, in calls, in questions and in bytes.

use serde_json::json;

use crate::event::View;
use crate::hub::stories::cast::{request, result};
use crate::hub::stories::leasing::{ALL, ELICIT, lone};
use crate::hub::stories::world::World;
use crate::limits;

const TOO_MANY: &str = "too many questions to the client are open; try again later";

/// Servers of these names, and Ann, who has no session.
fn world(names: &[&str]) -> World {
    let mut w = World::ready(names);
    w.come("ann", View::Merged);
    w
}

/// Ann calls the tool of a server.
fn calls(w: &mut World, server: &str) {
    let params = json!({"name": format!("{server}__x")});
    w.posts("ann", &lone("1", "tools/call", &params, ALL));
}

/// A child asks with so many bytes of parameters; whether that is refused.
fn is_refused(w: &mut World, name: &str, bytes: usize) -> bool {
    let empty = r#"{"k":""}"#.len();
    let params = format!(r#"{{"k":"{}"}}"#, "x".repeat(bytes - empty));
    w.forget();
    w.says(name, &request("\"q\"", ELICIT, &params));
    w.trace().concat().contains(TOO_MANY)
}

/// A child answers its request `#number` with a line of so many bytes.
fn answers_in(w: &mut World, name: &str, number: usize, bytes: usize) {
    let json = |text: &str| format!(r#"{{"k":"{text}"}}"#);
    let id = w.wire_id(name, number).to_string();
    let text = "x".repeat(bytes - result(&id, &json("")).len());
    w.answers(name, number, &json(&text));
}

/// Ann is asked something by a child, and is away; then her call ends with an
/// answer of so many bytes.
fn ends_meanwhile(w: &mut World, name: &str, bytes: usize) {
    calls(w, name.trim_end_matches(".1"));
    assert!(!is_refused(w, name, 10));
    w.pass(0.02);
    answers_in(w, name, 3, bytes);
}

#[test]
fn so_many_calls_are_kept_open_for_all_servers_together() {
    let names: Vec<String> = (0..10).map(|number| format!("git{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut w = world(&names);
    for number in 0..limits::LEASES_MAX {
        let name = names[number / limits::CHILD_LEASES_MAX];
        let life = format!("{name}.1");
        calls(&mut w, name);
        assert!(!is_refused(&mut w, &life, 10), "{number}");
        w.pass(0.02);
        w.answers(&life, 3 + number % limits::CHILD_LEASES_MAX, "{}");
    }
    assert!(w.hub.leases.len() == limits::LEASES_MAX && !w.hub.leases.is_empty());
    calls(&mut w, "git9");
    assert!(is_refused(&mut w, "git9.1", 10));
}

#[test]
fn the_questions_of_all_kept_calls_are_bounded_in_bytes() {
    let mut w = world(&["git", "time", "web"]);
    for name in ["git", "time", "web"] {
        calls(&mut w, name);
    }
    let half = limits::LEASES_BYTES_MAX / 2;
    assert!(!is_refused(&mut w, "git.1", half));
    assert_eq!(w.hub.leases.bytes(), half);
    assert!(is_refused(&mut w, "time.1", half));
    assert!(!is_refused(&mut w, "web.1", half - 1_000));
}

#[test]
fn an_answer_is_kept_if_all_that_is_kept_stays_within_its_bytes() {
    let half = limits::LEASES_BYTES_MAX / 2;
    // The question it answers is still open when it comes.
    let exactly = limits::LEASES_BYTES_MAX - half - 10;
    for (bytes, is_kept) in [(exactly, true), (exactly + 1, false)] {
        let mut w = world(&["git", "time"]);
        ends_meanwhile(&mut w, "git.1", half);
        assert_eq!(w.hub.leases.bytes(), half);
        ends_meanwhile(&mut w, "time.1", bytes);
        let kept = if is_kept { half + bytes } else { half };
        assert_eq!(w.hub.leases.bytes(), kept);
    }
}

#[test]
fn an_answer_that_is_kept_leaves_no_room_for_a_large_question() {
    let mut w = world(&["git", "time", "web"]);
    let bytes = limits::LEASES_BYTES_MAX - 1_000;
    ends_meanwhile(&mut w, "git.1", bytes);
    for name in ["time", "web"] {
        calls(&mut w, name);
    }
    assert!(is_refused(&mut w, "time.1", 1_000));
    assert!(!is_refused(&mut w, "web.1", 100));
}

#[test]
fn a_child_that_waits_for_many_answers_asks_no_client_without_a_session_either() {
    let mut w = world(&["git"]);
    w.connect(&["bob"]);
    w.calls("bob", "1", "git__x");
    for number in 0..limits::CHILD_QUESTIONS_MAX {
        w.says("git.1", &request(&number.to_string(), ELICIT, "{}"));
        w.takes("bob.2", 1, 1_000);
    }
    assert_eq!(w.hub.questions.len(), limits::CHILD_QUESTIONS_MAX);
    w.answers("git.1", 3, "{}");
    calls(&mut w, "git");
    assert!(is_refused(&mut w, "git.1", 10));
    // One is answered, and there is room for one.
    w.posts("bob", &result("1", "{}"));
    assert!(!is_refused(&mut w, "git.1", 10));
    assert!(is_refused(&mut w, "git.1", 10));
}

#[test]
fn what_a_call_has_ended_with_is_kept_though_others_are_to_be_asked() {
    let mut w = world(&["git"]);
    w.pass(100.0);
    calls(&mut w, "git");
    assert!(!is_refused(&mut w, "git.1", 10));
    w.pass(0.02);
    let state = w.messages()[0]["result"]["requestState"].clone();
    w.answers("git.1", 3, r#"{"content":[]}"#);
    for _ in 0..2 {
        calls(&mut w, "git");
    }
    w.forget();
    w.says("git.1", &request("\"q\"", ELICIT, "{}"));
    assert!(w.trace().concat().contains("cannot be asked: 2 calls"));
    let params = json!({"name": "git__x", "requestState": state, "inputResponses": {}});
    w.posts("ann", &lone("9", "tools/call", &params, ALL));
    let told = w.trace().concat();
    assert!(told.contains(r#"answer 9 {"content":[],"#), "{told}");
}
