//! Handshake clients in front of stateless children: what such a child asks in
//! its answer becomes requests to the client, and their answers go with the call
//! when it is made once more. Every end that this can have.

use crate::config::checked::Protocol;
use crate::event::{FromClient, View};
use crate::hub::stories::cast::{request, result};
use crate::hub::stories::eras::speaking;
use crate::hub::stories::stateless::meta;
use crate::hub::stories::world::{World, plan};
use crate::limits;
use crate::plan::Readiness;

const ELICIT: &str = r#"{"method":"elicitation/create","params":{"message":"who?"}}"#;
const SAMPLE: &str = r#"{"method":"sampling/createMessage","params":{"k":1}}"#;

/// A stateless server, and a client of the handshake era with a call under way:
/// its request `#3`.
fn calling() -> World {
    let mut w = speaking(&["git"], Protocol::Modern);
    w.serve("git.1");
    w.pass(0.2);
    w.connect(&["ann"]);
    w.calls("ann", "1", "git__x");
    w.forget();
    w
}

/// A child answers its request `#number` with these questions, and a state.
fn asks(w: &mut World, name: &str, number: usize, questions: &str, more: &str) {
    let answer =
        format!(r#"{{"resultType":"input_required","inputRequests":{{{questions}}}{more}}}"#);
    w.answers(name, number, &answer);
}

/// What is told of a call that could not go on.
fn refusal(w: &mut World) -> String {
    let trace = w.trace();
    let told: Vec<&String> = trace.iter().filter(|line| line.contains("error")).collect();
    assert_eq!(told.len(), 1, "{trace:?}");
    told[0].clone()
}

#[test]
fn a_question_becomes_a_request_and_its_answer_goes_with_the_call_once_more() {
    let mut w = calling();
    asks(
        &mut w,
        "git.1",
        3,
        &format!(r#""q":{ELICIT}"#),
        r#","requestState":"s t""#,
    );
    w.expect(&[
        "0.200s ann.2 opened prime 2-0",
        r#"0.200s ann.2 [2-1] asks 1 elicitation/create {"message":"who?"}"#,
    ]);
    w.posts(
        "ann",
        &result("1", r#"{"action":"accept","content":{"n":1.0}}"#),
    );
    w.expect(&[
        r#"0.200s to git.1 #4 tools/call {"inputResponses":{"q":{"action":"accept","content":{"n":1.0}}},"name":"x","requestState":"s t"} by c at debug"#,
        "0.200s ann.3 verdict Accepted",
    ]);
    w.answers("git.1", 4, r#"{"resultType":"complete","k":1}"#);
    w.expect(&[r#"0.200s ann.2 [2-2] answer 1 {"k":1,"resultType":"complete"} last"#]);
}

#[test]
fn the_call_is_the_same_to_the_byte_but_for_what_it_brings() {
    let mut w = speaking(&["git"], Protocol::Modern);
    w.serve("git.1");
    w.pass(0.2);
    w.connect(&["ann"]);
    let params = r#"{ "_meta":{"progressToken":"t"}, "name":"git__x","arguments":{"a":1.50} ,"requestState":"mine"}"#;
    w.asks("ann", "\"i\"", "tools/call", params);
    asks(
        &mut w,
        "git.1",
        3,
        &format!(r#""k \"1\"":{ELICIT}"#),
        r#","requestState":"\u0041""#,
    );
    w.posts("ann", &result("1", r#"{"a": [1.0,  2]}"#));
    let (_, effect) = w
        .deeds
        .iter()
        .rev()
        .find(|(_, effect)| matches!(effect, crate::event::Effect::ToChild { .. }))
        .expect("it is made once more");
    let crate::event::Effect::ToChild { message, .. } = effect else {
        panic!("it is for the child");
    };
    let id = w.wire_id("git.1", 4);
    let sent = crate::hub::stories::trace::text(message);
    let meta = r#""io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{"name":"c"},"io.modelcontextprotocol/clientCapabilities":{"sampling":{},"elicitation":{},"roots":{}},"io.modelcontextprotocol/logLevel":"debug""#;
    let params = format!(
        r#"{{"inputResponses":{{"k \"1\"":{{"a": [1.0,  2]}}}},"requestState":"\u0041", "_meta":{{{meta},"progressToken":{id}}}, "name":"x","arguments":{{"a":1.50}} }}"#
    );
    assert_eq!(sent, request(&id.to_string(), "tools/call", &params));
}

#[test]
fn several_questions_are_asked_at_once_and_all_must_be_answered() {
    let mut w = calling();
    let roots = r#""r":{"method":"roots/list"}"#;
    asks(
        &mut w,
        "git.1",
        3,
        &format!(r#""b":{ELICIT},"a":{SAMPLE},{roots}"#),
        "",
    );
    w.expect_of(
        "asks",
        &[
            r#"0.200s ann.2 [2-1] asks 1 elicitation/create {"message":"who?"}"#,
            r#"0.200s ann.2 [2-2] asks 2 sampling/createMessage {"k":1}"#,
            "0.200s ann.2 [2-3] asks 3 roots/list",
        ],
    );
    w.posts("ann", &result("2", r#"{"m":2}"#));
    w.posts("ann", &result("2", r#"{"m":9}"#));
    w.posts("ann", &result("3", r#"{"roots":[]}"#));
    w.expect_of("git", &[]);
    w.posts("ann", &result("1", r#"{"action":"decline"}"#));
    w.expect_of("git", &[
        r#"0.200s to git.1 #4 tools/call {"inputResponses":{"a":{"m":2},"b":{"action":"decline"},"r":{"roots":[]}},"name":"x"} by c at debug"#,
    ]);
}

#[test]
fn a_state_without_questions_is_brought_back_at_once() {
    let mut w = calling();
    w.answers(
        "git.1",
        3,
        r#"{"resultType":"input_required","requestState":"s"}"#,
    );
    w.expect(&[r#"0.200s to git.1 #4 tools/call {"name":"x","requestState":"s"} by c at debug"#]);
    // Of what was asked before, only what is asked now is answered.
    asks(&mut w, "git.1", 4, &format!(r#""q":{ELICIT}"#), "");
    w.posts("ann", &result("1", r#"{"action":"cancel"}"#));
    w.expect_of("git", &[
        r#"0.200s to git.1 #5 tools/call {"inputResponses":{"q":{"action":"cancel"}},"name":"x"} by c at debug"#,
    ]);
}

#[test]
fn a_server_that_asks_without_end_is_given_up() {
    let mut w = calling();
    for round in 0..limits::ROUNDS_MAX as usize {
        w.answers(
            "git.1",
            3 + round,
            r#"{"resultType":"input_required","requestState":"s"}"#,
        );
    }
    w.forget();
    w.answers(
        "git.1",
        19,
        r#"{"resultType":"input_required","requestState":"s"}"#,
    );
    w.expect(&[
        r#"0.200s ann.2 error 1 -32000 server "git" was given what it asked for 16 times, and asks again last"#,
    ]);
}

#[test]
fn an_elicitation_that_fails_is_one_without_a_choice_and_other_errors_are_the_callers() {
    let mut w = calling();
    asks(&mut w, "git.1", 3, &format!(r#""q":{ELICIT}"#), "");
    let error = |id: u32| {
        format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{{"code":-1,"message":"no user"}}}}"#)
    };
    w.posts("ann", &error(1));
    w.expect_of("git", &[
        r#"0.200s to git.1 #4 tools/call {"inputResponses":{"q":{"action":"cancel"}},"name":"x"} by c at debug"#,
    ]);
    asks(
        &mut w,
        "git.1",
        4,
        &format!(r#""q":{ELICIT},"s":{SAMPLE}"#),
        "",
    );
    w.forget();
    w.posts("ann", &error(3));
    w.expect(&[
        r#"0.200s ann.2 [2-4] notifications/cancelled {"requestId":2}"#,
        "0.200s ann.2 [2-5] error 1 -1 no user last",
        "0.200s ann.4 verdict Accepted",
    ]);
}

#[test]
fn a_client_is_asked_only_what_it_has_declared() {
    let url = r#"{"method":"elicitation/create","params":{"mode":"url","url":"http://x"}}"#;
    let tools = r#"{"method":"sampling/createMessage","params":{"tools":[]}}"#;
    let other = r#"{"method":"tools/list"}"#;
    for (question, named) in [
        (url, r#""elicitation/create" with a URL"#),
        (tools, r#""sampling/createMessage" with tools"#),
        (other, r#""tools/list""#),
    ] {
        let mut w = calling();
        // None is asked where one cannot be.
        asks(
            &mut w,
            "git.1",
            3,
            &format!(r#""a":{ELICIT},"q":{question}"#),
            "",
        );
        w.expect(&[&format!(
            r#"0.200s ann.2 error 1 -32000 server "git" cannot go on with this call: the client does not support {named} last"#
        )]);
    }
}

#[test]
fn a_url_gets_the_name_that_the_handshake_era_wants() {
    let mut w = speaking(&["git"], Protocol::Modern);
    w.serve("git.1");
    w.come("ann", View::Merged);
    let hello = r#"{"protocolVersion":"2025-11-25","capabilities":{"elicitation":{"url":{}}}}"#;
    w.posts("ann", &request("0", "initialize", hello));
    w.calls("ann", "1", "git__x");
    let url = |id: &str| {
        format!(
            r#"{{"method":"elicitation/create","params":{{"mode":"url","url":"http://x"{id}}}}}"#
        )
    };
    let named = url(r#","elicitationId":"own""#);
    w.forget();
    asks(
        &mut w,
        "git.1",
        3,
        &format!(r#""a":{},"b":{named}"#, url("")),
        "",
    );
    w.expect_of("asks", &[
        r#"0.000s ann.2 [2-1] asks 1 elicitation/create {"elicitationId":"mcproxy-1","mode":"url","url":"http://x"}"#,
        r#"0.000s ann.2 [2-2] asks 2 elicitation/create {"elicitationId":"own","mode":"url","url":"http://x"}"#,
    ]);
}

#[test]
fn questions_that_cannot_be_read_are_told_to_the_caller() {
    let mut w = calling();
    w.answers(
        "git.1",
        3,
        r#"{"resultType":"input_required","inputRequests":[]}"#,
    );
    w.expect(&[
        r#"0.200s ann.2 error 1 -32000 server "git" needs an answer of the client, but its question cannot be read: inputRequests is an array last"#,
    ]);
}

#[test]
fn a_client_that_is_not_connected_any_more_is_asked_where_it_listens() {
    let mut w = calling();
    w.leaves("ann.2");
    asks(&mut w, "git.1", 3, &format!(r#""q":{ELICIT}"#), "");
    w.expect(&[]);
    let mut w = calling();
    w.listens("ann", None);
    w.leaves("ann.2");
    w.forget();
    asks(&mut w, "git.1", 3, &format!(r#""q":{ELICIT}"#), "");
    w.expect(&[r#"0.200s ann.3 [3-1] asks 1 elicitation/create {"message":"who?"}"#]);
}

#[test]
fn a_call_that_is_taken_back_takes_its_questions_along() {
    let mut w = calling();
    asks(&mut w, "git.1", 3, &format!(r#""q":{ELICIT}"#), "");
    w.forget();
    w.cancels("ann", "1");
    w.expect(&[
        r#"0.200s ann.2 [2-2] notifications/cancelled {"requestId":1}"#,
        "0.200s ann.2 end",
        "0.200s ann.3 verdict Accepted",
    ]);
    w.posts("ann", &result("1", "{}"));
    w.expect(&["0.200s ann.4 verdict Accepted"]);
}

#[test]
fn a_session_that_ends_ends_its_rounds() {
    let mut w = calling();
    asks(&mut w, "git.1", 3, &format!(r#""q":{ELICIT}"#), "");
    w.forget();
    w.deletes("ann");
    w.expect(&["0.200s ann.2 end", "0.200s ann.3 verdict Ended"]);
    assert!(w.hub.rounds.is_empty() && w.hub.questions.is_empty());
}

#[test]
fn a_client_that_says_no_more_cannot_answer() {
    let mut w = speaking(&["git"], Protocol::Modern);
    w.serve("git.1");
    w.pass(0.2);
    w.open(&["std"]);
    w.calls("std", "1", "git__x");
    asks(&mut w, "git.1", 3, &format!(r#""q":{ELICIT}"#), "");
    w.forget();
    w.adds("std.1", FromClient::Finished);
    assert!(
        refusal(&mut w)
            .contains(r#"server "git" cannot go on with this call: the client has left"#)
    );
    let mut w = speaking(&["git"], Protocol::Modern);
    w.serve("git.1");
    w.pass(0.2);
    w.open(&["std"]);
    w.calls("std", "1", "git__x");
    w.adds("std.1", FromClient::Finished);
    w.forget();
    asks(&mut w, "git.1", 3, &format!(r#""q":{ELICIT}"#), "");
    assert!(refusal(&mut w).contains("the client has left"));
}

#[test]
fn the_calls_time_stands_still_while_its_client_is_asked_and_begins_anew() {
    let mut w = calling();
    w.pass(29.0);
    asks(&mut w, "git.1", 3, &format!(r#""q":{ELICIT}"#), "");
    w.pass(500.0);
    w.forget();
    w.posts("ann", &result("1", "{}"));
    w.pass(29.0);
    w.expect_of("error", &[]);
    w.pass(1.0);
    assert!(
        refusal(&mut w).contains("-32001 server \"git\" has not answered this call within 30 s")
    );
}

#[test]
fn the_time_of_the_clients_other_calls_runs_on() {
    let mut w = calling();
    w.calls("ann", "2", "git__x");
    asks(&mut w, "git.1", 3, &format!(r#""q":{ELICIT}"#), "");
    w.forget();
    w.pass(30.0);
    w.expect(&[
        r##"30.200s to git.1 notifications/cancelled {"requestId":"#4"}"##,
        r#"30.200s ann.3 error 2 -32001 server "git" has not answered this call within 30 s last"#,
    ]);
}

#[test]
fn a_question_that_is_not_answered_in_ten_minutes_is_given_up_with_its_call() {
    let mut w = calling();
    asks(
        &mut w,
        "git.1",
        3,
        &format!(r#""q":{ELICIT},"s":{SAMPLE}"#),
        "",
    );
    w.posts("ann", &result("1", "{}"));
    w.forget();
    w.pass(600.0);
    w.expect(&[
        r#"600.200s ann.2 [2-3] notifications/cancelled {"requestId":2}"#,
        r#"600.200s ann.2 [2-4] error 1 -32001 server "git" cannot go on with this call: the client has not answered within 600 s last"#,
    ]);
}

#[test]
fn the_childs_death_meanwhile_costs_nothing() {
    let mut w = calling();
    asks(
        &mut w,
        "git.1",
        3,
        &format!(r#""q":{ELICIT}"#),
        r#","requestState":"s""#,
    );
    w.forget();
    w.dies("git.1");
    w.posts("ann", &result("1", r#"{"action":"accept"}"#));
    w.expect(&["0.200s bury git.1", "0.200s ann.3 verdict Accepted"]);
    w.pass(1.0);
    w.forget();
    w.serve("git.2");
    w.expect_of("tools/call", &[
        r#"1.200s to git.2 #3 tools/call {"inputResponses":{"q":{"action":"accept"}},"name":"x","requestState":"s"} by c at debug"#,
    ]);
}

#[test]
fn its_place_is_free_while_the_client_is_asked() {
    let mut plan = crate::hub::stories::world::plan(&["git"]);
    plan.servers[0].protocol = Protocol::Modern;
    plan.servers[0].concurrent_max = 1;
    let mut w = World::new(plan);
    w.serve("git.1");
    w.pass(0.2);
    w.connect(&["ann", "bob"]);
    w.calls("ann", "1", "git__x");
    w.calls("bob", "1", "git__x");
    w.forget();
    asks(&mut w, "git.1", 3, &format!(r#""q":{ELICIT}"#), "");
    w.expect_of(
        "git",
        &[r#"0.200s to git.1 #4 tools/call {"name":"x"} by c at debug"#],
    );
    // And then the call waits for it like any other.
    w.posts("ann", &result("1", "{}"));
    w.expect_of("git", &[]);
    w.answers("git.1", 4, "{}");
    w.expect_of(
        "git",
        &[r#"0.200s to git.1 #5 tools/call {"inputResponses":{"q":{}},"name":"x"} by c at debug"#],
    );
}

#[test]
fn a_stateless_client_answers_for_itself() {
    let mut w = speaking(&["git"], Protocol::Modern);
    w.serve("git.1");
    w.pass(0.2);
    w.come("cid", View::Merged);
    let params = format!(
        r#"{{"name":"git__x",{}}}"#,
        meta(r#"{"elicitation":{}}"#, "")
    );
    w.asks("cid", "1", "tools/call", &params);
    w.forget();
    asks(&mut w, "git.1", 3, &format!(r#""q":{ELICIT}"#), "");
    w.expect(&[&format!(
        r#"0.200s cid.1 answer 1 {{"inputRequests":{{"q":{ELICIT}}},"resultType":"input_required"}} last"#
    )]);
}

#[test]
fn a_resource_that_nobody_lists_may_ask_as_well() {
    let mut w = speaking(&["git", "time"], Protocol::Modern);
    for name in ["git", "time"] {
        let offers = w.offers.get_mut(name).expect("it is there");
        offers.capabilities = r#""resources":{}"#;
    }
    w.serve("git.1");
    w.serve("time.1");
    w.pass(0.2);
    w.connect(&["ann"]);
    w.asks("ann", "1", "resources/read", r#"{"uri":"file:///hidden"}"#);
    w.expect_of(
        "read",
        &[
            r#"0.200s to git.1 #5 resources/read {"uri":"file:///hidden"} by c at debug"#,
            r#"0.200s to time.1 #5 resources/read {"uri":"file:///hidden"} by c at debug"#,
        ],
    );
    asks(&mut w, "git.1", 5, &format!(r#""q":{ELICIT}"#), "");
    w.fails("time.1", 5, "not here");
    w.expect_of(
        "ann.2",
        &[
            "0.200s ann.2 opened prime 2-0",
            r#"0.200s ann.2 [2-1] asks 1 elicitation/create {"message":"who?"}"#,
        ],
    );
    w.posts("ann", &result("1", r#"{"action":"accept"}"#));
    w.answers("git.1", 6, r#"{"contents":[]}"#);
    w.expect_of(
        "ann.2",
        &[r#"0.200s ann.2 [2-2] answer 1 {"contents":[]} last"#],
    );
    // It is given up as a whole.
    w.asks("ann", "2", "resources/read", r#"{"uri":"file:///hidden"}"#);
    asks(&mut w, "git.1", 7, &format!(r#""q":{ELICIT}"#), "");
    w.forget();
    w.cancels("ann", "2");
    w.expect_of(
        "cancelled",
        &[
            r#"0.200s ann.4 [3-2] notifications/cancelled {"requestId":2}"#,
            r##"0.200s to time.1 notifications/cancelled {"requestId":"#6"}"##,
        ],
    );
}

#[test]
fn a_stop_answers_who_still_waits() {
    let mut w = calling();
    asks(&mut w, "git.1", 3, &format!(r#""q":{ELICIT}"#), "");
    w.forget();
    w.stop();
    w.expect_of(
        "ann",
        &["0.200s ann.2 [2-2] error 1 -32000 the gateway is stopping last"],
    );
}

#[test]
fn a_client_that_does_not_answer_takes_no_places_from_another() {
    let mut w = calling();
    w.connect(&["bob"]);
    // Ann has three calls, and is asked more than she may be in all.
    for id in ["2", "3"] {
        w.calls("ann", id, "git__x");
    }
    w.calls("bob", "1", "git__x");
    w.forget();
    let many: Vec<String> = (0..32).map(|n| format!(r#""q{n}":{ELICIT}"#)).collect();
    for number in [3, 4] {
        asks(&mut w, "git.1", number, &many.join(","), "");
    }
    w.forget();
    asks(&mut w, "git.1", 5, &format!(r#""q":{ELICIT}"#), "");
    assert!(refusal(&mut w).contains("too many questions"));
    asks(&mut w, "git.1", 6, &format!(r#""q":{ELICIT}"#), "");
    let trace = w.trace();
    assert!(trace[1].contains("asks 65 elicitation/create"), "{trace:?}");
}

#[test]
fn a_server_whose_call_waits_for_its_clients_answers_is_needed_and_others_are_not() {
    let mut plan = plan(&["git", "time"]);
    for server in plan.servers.iter_mut() {
        server.protocol = Protocol::Modern;
        server.idle_stop = Some(std::time::Duration::from_secs(5));
    }
    let mut w = World::new(plan);
    for name in ["git.1", "time.1"] {
        w.serve(name);
    }
    w.connect(&["ann"]);
    w.calls("ann", "1", "git__x");
    asks(&mut w, "git.1", 3, &format!(r#""q":{ELICIT}"#), "");
    w.forget();
    w.pass(60.0);
    w.expect_of("close", &["5.000s close time.1"]);
}

#[test]
fn a_server_that_is_taken_out_ends_its_own_rounds_alone() {
    let mut w = speaking(&["git", "time"], Protocol::Modern);
    w.connect(&["ann"]);
    for (id, name) in ["git", "time"].into_iter().enumerate() {
        w.serve(&format!("{name}.1"));
        w.calls("ann", &(id + 1).to_string(), &format!("{name}__x"));
        asks(
            &mut w,
            &format!("{name}.1"),
            3,
            &format!(r#""q":{ELICIT}"#),
            "",
        );
    }
    let mut plan = w.plan.clone();
    plan.servers[0].readiness = Readiness::Disabled;
    w.forget();
    w.reload(plan);
    let told = refusal(&mut w);
    assert!(
        told.contains("error 1 ") && told.contains("disabled"),
        "{told}"
    );
    w.posts("ann", &result("2", r#"{"action":"accept","content":{}}"#));
    let trace = w.trace().concat();
    assert!(trace.contains("to time.1 #4 tools/call"), "{trace}");
}

#[test]
fn who_takes_back_a_call_takes_back_no_others_of_the_same_id() {
    let mut w = calling();
    w.connect(&["bob"]);
    for id in ["1", "2"] {
        w.calls("bob", id, "git__x");
    }
    for number in 3..6 {
        asks(&mut w, "git.1", number, &format!(r#""q":{ELICIT}"#), "");
    }
    for id in ["2", "1"] {
        w.forget();
        w.cancels("bob", id);
        w.expect_of("ann", &[]);
    }
    assert_eq!(w.hub.rounds.len(), 1);
}
