//! What children ask of clients, and who is asked: the one-origin rule, and
//! every end a question can have.

use crate::hub::stories::cast::{notice, request, result};
use crate::hub::stories::world::World;
use crate::limits;

const SAMPLE: &str = "sampling/createMessage";

/// A child asks a question with the id `"q"`.
fn child_asks(w: &mut World, who: &str, method: &str) {
    w.says(who, &request("\"q\"", method, r#"{"k":1}"#));
}

/// One server, one client with a call under way, nothing written down.
fn calling() -> World {
    let mut w = World::ready(&["git"]);
    w.connect(&["ann"]);
    w.calls("ann", "1", "git__x");
    w.forget();
    w
}

#[test]
fn the_one_client_with_a_call_under_way_is_asked_on_its_stream() {
    let mut w = calling();
    w.connect(&["bob"]);
    child_asks(&mut w, "git.1", SAMPLE);
    w.expect(&[
        "0.200s ann.2 opened prime 2-0",
        r#"0.200s ann.2 [2-1] asks 1 sampling/createMessage {"k":1}"#,
    ]);
    w.posts("ann", &result("1", r#"{"a":1}"#));
    w.expect(&[
        r#"0.200s to git.1 answer "q" {"a":1}"#,
        "0.200s ann.3 verdict Accepted",
    ]);
    w.posts("ann", &result("1", r#"{"a":2}"#));
    w.expect(&["0.200s ann.4 verdict Accepted"]);
    w.answers("git.1", 3, "{}");
    w.expect(&["0.200s ann.2 [2-2] answer 1 {} last"]);
}

#[test]
fn a_client_may_answer_with_an_error() {
    let mut w = calling();
    child_asks(&mut w, "git.1", "elicitation/create");
    w.forget();
    w.posts(
        "ann",
        r#"{"jsonrpc":"2.0","id":1,"error":{"code":-1,"message":"declined"}}"#,
    );
    w.expect_of("git.1", &[r#"0.200s to git.1 error "q" -1 declined"#]);
}

#[test]
fn with_no_call_under_way_nobody_is_asked() {
    let mut w = World::ready(&["git"]);
    w.connect(&["ann"]);
    w.listens("ann", None);
    w.forget();
    child_asks(&mut w, "git.1", SAMPLE);
    w.expect(&[
        r#"0.200s to git.1 error "q" -32000 "sampling/createMessage" cannot be asked: no client has a call under way"#,
    ]);
}

#[test]
fn with_calls_of_several_clients_under_way_nobody_is_asked() {
    let mut w = calling();
    w.connect(&["bob"]);
    w.calls("bob", "1", "git__x");
    w.forget();
    child_asks(&mut w, "git.1", SAMPLE);
    w.expect(&[
        r#"0.200s to git.1 error "q" -32000 "sampling/createMessage" cannot be asked: 2 calls are under way, or wait for their clients' answers, on this shared server; give it "scope": "session""#,
    ]);
    w.answers("git.1", 4, "{}");
    w.forget();
    child_asks(&mut w, "git.1", SAMPLE);
    w.expect_of(
        "asks",
        &[r#"0.200s ann.2 [2-1] asks 1 sampling/createMessage {"k":1}"#],
    );
}

#[test]
fn a_call_given_up_counts_until_its_child_is_done_with_it() {
    let mut w = calling();
    w.connect(&["bob"]);
    w.calls("bob", "1", "git__x");
    w.cancels("ann", "1");
    w.forget();
    child_asks(&mut w, "git.1", SAMPLE);
    w.expect_of("2 calls", &[
        r#"0.200s to git.1 error "q" -32000 "sampling/createMessage" cannot be asked: 2 calls are under way, or wait for their clients' answers, on this shared server; give it "scope": "session""#,
    ]);
    w.answers("git.1", 3, "{}");
    child_asks(&mut w, "git.1", SAMPLE);
    w.expect_of(
        "asks",
        &[r#"0.200s bob.2 [4-1] asks 1 sampling/createMessage {"k":1}"#],
    );
}

#[test]
fn a_client_is_asked_only_what_it_has_declared() {
    let mut w = World::ready(&["git"]);
    w.come("ann", crate::event::View::Merged);
    let hello = r#"{"protocolVersion":"2025-11-25","capabilities":{"elicitation":{}}}"#;
    w.posts("ann", &request("0", "initialize", hello));
    w.calls("ann", "1", "git__x");
    w.forget();
    child_asks(&mut w, "git.1", SAMPLE);
    w.expect(&[
        r#"0.200s to git.1 error "q" -32601 the client does not support "sampling/createMessage""#,
    ]);
    child_asks(&mut w, "git.1", "elicitation/create");
    w.expect_of(
        "asks",
        &[r#"0.200s ann.2 [2-1] asks 1 elicitation/create {"k":1}"#],
    );
}

#[test]
fn roots_are_never_asked_for_a_shared_child() {
    let mut w = calling();
    child_asks(&mut w, "git.1", "roots/list");
    w.expect(&[r#"0.200s to git.1 error "q" -32601 the client does not support "roots/list""#]);
}

#[test]
fn a_child_of_a_sessions_own_asks_its_session_whatever_others_do() {
    let mut w = World::scoped(&["pad"], &["pad"]);
    w.connect(&["ann", "bob"]);
    w.listens("ann", None);
    for (who, life) in [("ann", "pad.2"), ("bob", "pad.3")] {
        w.calls(who, "1", "pad__x");
        w.serve(life);
    }
    w.answers("pad.2", 3, "{}");
    w.forget();
    child_asks(&mut w, "pad.2", "roots/list");
    child_asks(&mut w, "pad.3", "roots/list");
    w.expect(&[
        r#"0.200s ann.2 [3-1] asks 1 roots/list {"k":1}"#,
        "0.200s bob.2 opened prime 5-0",
        r#"0.200s bob.2 [5-1] asks 2 roots/list {"k":1}"#,
    ]);
    w.posts("bob", &result("1", "{}"));
    w.expect(&["0.200s bob.3 verdict Accepted"]);
    w.posts("ann", &result("1", "{}"));
    w.expect_of("pad", &[r#"0.200s to pad.2 answer "q" {}"#]);
}

#[test]
fn a_client_without_an_open_stream_cannot_be_asked() {
    let mut w = World::scoped(&["pad"], &["pad"]);
    w.connect(&["ann"]);
    w.calls("ann", "1", "pad__x");
    w.serve("pad.2");
    w.answers("pad.2", 3, "{}");
    w.forget();
    child_asks(&mut w, "pad.2", SAMPLE);
    w.expect(&[r#"0.200s to pad.2 error "q" -32000 the client has no open stream to be asked on"#]);
}

#[test]
fn a_child_of_its_own_asks_a_client_on_whatever_stream_is_open() {
    let mut w = World::scoped(&["pad", "web"], &["pad"]);
    w.connect(&["ann"]);
    w.calls("ann", "1", "pad__x");
    w.serve("pad.2");
    w.answers("pad.2", 3, "{}");
    w.calls("ann", "2", "web__x");
    w.forget();
    child_asks(&mut w, "pad.2", SAMPLE);
    let trace = w.trace();
    assert!(
        trace[1].contains("ann.3 [3-1] asks 1 sampling/createMessage"),
        "{trace:?}"
    );
}

#[test]
fn a_calls_time_stands_still_while_its_client_is_asked() {
    let mut w = calling();
    child_asks(&mut w, "git.1", SAMPLE);
    w.forget();
    w.pass(300.0);
    w.expect(&[]);
    w.posts("ann", &result("1", "{}"));
    w.forget();
    w.pass(29.9);
    w.expect(&[]);
    w.pass(0.1);
    w.expect_of("ann", &[
        "330.200s ann.2 [2-2] error 1 -32001 server \"git\" has not answered this call within 30 s last",
    ]);
}

#[test]
fn a_question_that_is_not_answered_in_ten_minutes_is_given_up_on_both_sides() {
    let mut w = calling();
    child_asks(&mut w, "git.1", SAMPLE);
    w.forget();
    w.pass(600.0);
    w.expect(&[
        r#"600.200s to git.1 error "q" -32001 the client has not answered within 600 s"#,
        r#"600.200s ann.2 [2-2] notifications/cancelled {"requestId":1}"#,
    ]);
    w.posts("ann", &result("1", "{}"));
    w.expect(&["600.200s ann.3 verdict Accepted"]);
}

#[test]
fn a_child_takes_its_question_back() {
    let mut w = calling();
    child_asks(&mut w, "git.1", SAMPLE);
    w.forget();
    w.says(
        "git.1",
        &notice("notifications/cancelled", r#"{"requestId":"other"}"#),
    );
    w.expect(&[]);
    w.says(
        "git.1",
        &notice("notifications/cancelled", r#"{"requestId":"q"}"#),
    );
    w.expect(&[r#"0.200s ann.2 [2-2] notifications/cancelled {"requestId":1}"#]);
    w.posts("ann", &result("1", "{}"));
    w.expect(&["0.200s ann.3 verdict Accepted"]);
}

#[test]
fn an_answer_of_another_session_is_dropped() {
    let mut w = calling();
    w.connect(&["eve"]);
    child_asks(&mut w, "git.1", SAMPLE);
    w.forget();
    w.posts("eve", &result("1", "{}"));
    for id in ["\"1\"", "2", "1.0"] {
        w.posts("ann", &result(id, "{}"));
    }
    w.expect_of("git.1", &[]);
    w.posts("ann", &result("1", "{}"));
    w.expect_of("git.1", &[r#"0.200s to git.1 answer "q" {}"#]);
}

#[test]
fn a_child_hears_that_the_client_it_asked_has_left() {
    let mut w = World::ready(&["git"]);
    w.open(&["bob"]);
    w.calls("bob", "1", "git__x");
    child_asks(&mut w, "git.1", SAMPLE);
    w.forget();
    w.leaves("bob.1");
    w.expect(&[
        r##"0.200s to git.1 notifications/cancelled {"requestId":"#3"}"##,
        r#"0.200s to git.1 error "q" -32000 the client has left"#,
    ]);
}

#[test]
fn a_client_hears_that_the_child_that_asked_it_died() {
    let mut w = World::ready(&["git"]);
    w.open(&["bob"]);
    w.calls("bob", "1", "git__x");
    child_asks(&mut w, "git.1", SAMPLE);
    w.forget();
    w.dies("git.1");
    w.expect(&[
        "0.200s bob.1 error 1 -32000 server \"git\" exited with code 1 while this call was under way; it is being restarted",
        r#"0.200s bob.1 notifications/cancelled {"requestId":1}"#,
        "0.200s bury git.1",
    ]);
    w.writes("bob", &result("1", "{}"));
    w.expect(&[]);
}

#[test]
fn a_question_waits_for_a_client_whose_stream_broke() {
    let mut w = calling();
    child_asks(&mut w, "git.1", SAMPLE);
    w.leaves("ann.2");
    w.forget();
    w.listens("ann", Some("2-0"));
    w.expect(&[
        "0.200s ann.3 opened",
        r#"0.200s ann.3 [2-1] asks 1 sampling/createMessage {"k":1}"#,
    ]);
}

#[test]
fn a_child_with_too_many_questions_is_refused() {
    let mut w = calling();
    w.takes("ann.2", 0, 0);
    for number in 0..limits::CHILD_QUESTIONS_MAX {
        w.says("git.1", &request(&number.to_string(), SAMPLE, ""));
        w.takes("ann.2", 2, 100);
    }
    w.expect_of("error", &[]);
    w.says("git.1", &request("\"more\"", SAMPLE, ""));
    w.expect(&[r#"0.200s to git.1 error "more" -32000 too many questions to the client are open; try again later"#]);
}

#[test]
fn progress_on_a_question_reaches_the_child_under_its_token() {
    let mut w = calling();
    w.connect(&["eve"]);
    let params = r#"{"_meta":{"progressToken":"mine"}}"#;
    w.says("git.1", &request("9", SAMPLE, params));
    w.expect_of(
        "asks",
        &[r#"0.200s ann.2 [2-1] asks 1 sampling/createMessage {"_meta":{"progressToken":1}}"#],
    );
    let progress = notice(
        "notifications/progress",
        r#"{"progress":1,"progressToken":1}"#,
    );
    w.posts("eve", &progress);
    w.expect_of("git.1", &[]);
    w.posts("ann", &progress);
    w.expect_of(
        "git.1",
        &[r#"0.200s to git.1 notifications/progress {"progress":1,"progressToken":"mine"}"#],
    );
}

#[test]
fn a_client_that_says_no_more_is_asked_no_more() {
    let mut w = World::ready(&["git"]);
    w.open(&["bob"]);
    w.calls("bob", "1", "git__x");
    w.says("git.1", &request("\"before\"", SAMPLE, ""));
    w.forget();
    w.adds("bob.1", crate::event::FromClient::Finished);
    w.expect(&[r#"0.200s to git.1 error "before" -32000 the client has left"#]);
    child_asks(&mut w, "git.1", SAMPLE);
    w.expect(&[r#"0.200s to git.1 error "q" -32000 the client has left"#]);
    w.answers("git.1", 3, "{}");
    w.expect(&["0.200s bob.1 answer 1 {}", "0.200s bob.1 end"]);
}

#[test]
fn the_time_of_other_clients_calls_runs_on_while_one_is_asked() {
    let mut w = calling();
    child_asks(&mut w, "git.1", SAMPLE);
    w.connect(&["bob"]);
    w.calls("bob", "1", "git__x");
    w.forget();
    w.pass(31.0);
    w.expect_of("error", &[
        "30.200s bob.2 error 1 -32001 server \"git\" has not answered this call within 30 s last",
    ]);
}

#[test]
fn where_nothing_else_is_there_a_client_is_asked_beside_another_answer_that_it_waits_for() {
    let mut w = World::ready(&["git", "time"]);
    w.connect(&["ann"]);
    w.calls("ann", "1", "time__x");
    w.calls("ann", "2", "git__x");
    w.leaves("ann.3");
    w.forget();
    child_asks(&mut w, "git.1", SAMPLE);
    w.expect(&[
        "0.200s ann.2 opened prime 2-0",
        r#"0.200s ann.2 [2-1] asks 1 sampling/createMessage {"k":1}"#,
    ]);
}
