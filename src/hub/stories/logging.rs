//! Log messages and log levels: what each child is set to, and who hears what.

use crate::event::View;
use crate::hub::stories::cast::notice;
use crate::hub::stories::stateless::meta;
use crate::hub::stories::world::World;

fn log(w: &mut World, who: &str, level: &str) {
    let params = format!(r#"{{"data":"d","level":"{level}"}}"#);
    w.says(who, &notice("notifications/message", &params));
}

fn set(w: &mut World, who: &str, level: &str) {
    w.asks(
        who,
        "\"set\"",
        "logging/setLevel",
        &format!(r#"{{"level":"{level}"}}"#),
    );
}

/// Two servers, of which `git` alone has logging, and two clients that listen.
fn world() -> World {
    let mut w = World::of(&["git", "time"]);
    w.offers.get_mut("git").expect("it is there").capabilities = r#""logging":{}"#;
    w.serve("git.1");
    w.serve("time.1");
    w.pass(0.2);
    w.connect(&["ann", "bob"]);
    w.listens("ann", None);
    w.listens("bob", None);
    w.forget();
    w
}

#[test]
fn a_child_is_set_to_the_most_verbose_level_asked_for() {
    let mut w = world();
    set(&mut w, "ann", "warning");
    w.expect(&[
        r#"0.200s to git.1 #3 logging/setLevel {"level":"warning"}"#,
        r#"0.200s ann.3 answer "set" {} last"#,
    ]);
    set(&mut w, "bob", "error");
    w.expect_of("git", &[]);
    set(&mut w, "bob", "debug");
    w.expect_of(
        "git",
        &[r#"0.200s to git.1 #4 logging/setLevel {"level":"debug"}"#],
    );
    w.deletes("bob");
    w.expect_of(
        "git",
        &[r#"0.200s to git.1 #5 logging/setLevel {"level":"warning"}"#],
    );
}

#[test]
fn a_level_is_set_again_on_a_new_life() {
    let mut w = world();
    set(&mut w, "ann", "info");
    w.dies("git.1");
    w.pass(1.0);
    w.spawned("git.2");
    w.forget();
    w.greets("git.2");
    w.expect_of(
        "level",
        &[r#"1.200s to git.2 #3 logging/setLevel {"level":"info"}"#],
    );
}

#[test]
fn with_one_client_calling_the_log_is_its_alone_and_on_its_stream() {
    let mut w = world();
    set(&mut w, "bob", "debug");
    w.calls("ann", "1", "git__x");
    w.forget();
    log(&mut w, "git.1", "info");
    w.expect(&[
        "0.200s ann.3 opened prime 6-0",
        r#"0.200s ann.3 [6-1] notifications/message {"data":"d","level":"info"}"#,
    ]);
    set(&mut w, "ann", "error");
    w.forget();
    log(&mut w, "git.1", "warning");
    w.expect(&[]);
    log(&mut w, "git.1", "error");
    w.expect(&[r#"0.200s ann.3 [6-2] notifications/message {"data":"d","level":"error"}"#]);
}

#[test]
fn with_none_calling_or_several_the_log_goes_to_those_who_set_a_level() {
    let mut w = world();
    set(&mut w, "bob", "warning");
    w.forget();
    log(&mut w, "git.1", "info");
    w.expect(&[]);
    log(&mut w, "git.1", "alert");
    w.expect(&[r#"0.200s bob.2 [4-1] notifications/message {"data":"d","level":"alert"}"#]);
    w.calls("ann", "1", "git__x");
    w.calls("bob", "1", "git__x");
    w.forget();
    log(&mut w, "git.1", "alert");
    w.expect_of("ann", &[]);
}

#[test]
fn a_log_message_without_a_known_level_is_dropped() {
    let mut w = world();
    w.calls("ann", "1", "git__x");
    w.forget();
    log(&mut w, "git.1", "loud");
    w.says("git.1", &notice("notifications/message", "{}"));
    w.expect(&[]);
}

#[test]
fn a_log_of_a_server_that_a_view_does_not_show_is_not_told_there() {
    let mut w = world();
    w.come("eve", crate::event::View::Server("time".into()));
    w.connect(&["eve"]);
    w.listens("eve", None);
    set(&mut w, "eve", "debug");
    w.expect_of("git", &[]);
    log(&mut w, "git.1", "alert");
    w.expect(&[]);
}

#[test]
fn the_own_child_of_a_session_is_set_to_that_sessions_level() {
    let mut w = World::scoped(&["pad"], &["pad"]);
    w.offers.get_mut("pad").expect("it is there").capabilities = r#""logging":{}"#;
    w.connect(&["ann", "bob"]);
    set(&mut w, "bob", "debug");
    set(&mut w, "ann", "error");
    w.calls("ann", "1", "pad__x");
    w.forget();
    w.serve("pad.2");
    w.expect_of(
        "level",
        &[r#"0.200s to pad.2 #3 logging/setLevel {"level":"error"}"#],
    );
}

#[test]
fn a_stateless_request_makes_a_child_no_quieter_when_it_ends() {
    let mut w = world();
    set(&mut w, "ann", "error");
    w.come("eve", View::Merged);
    w.forget();
    let calls = |w: &mut World, id: &str, level: &str| {
        let more = format!(r#","io.modelcontextprotocol/logLevel":"{level}""#);
        let params = format!(r#"{{"name":"git__x",{}}}"#, meta("{}", &more));
        w.asks("eve", id, "tools/call", &params);
    };
    calls(&mut w, "1", "info");
    w.expect_of(
        "setLevel",
        &[r#"0.200s to git.1 #4 logging/setLevel {"level":"info"}"#],
    );
    w.answers("git.1", 5, "{}");
    w.forget();
    for (id, level) in [("2", "info"), ("3", "critical")] {
        calls(&mut w, id, level);
        w.expect_of("setLevel", &[]);
    }
    // Whoever has a session has the last word, while no such request is under way.
    w.answers("git.1", 6, "{}");
    w.answers("git.1", 7, "{}");
    w.forget();
    set(&mut w, "ann", "warning");
    w.expect_of(
        "setLevel",
        &[r#"0.200s to git.1 #8 logging/setLevel {"level":"warning"}"#],
    );
}

#[test]
fn a_session_that_set_no_level_makes_a_child_no_quieter_when_it_ends() {
    let mut w = world();
    set(&mut w, "ann", "error");
    w.come("eve", View::Merged);
    let more = r#","io.modelcontextprotocol/logLevel":"info""#;
    let params = format!(r#"{{"name":"git__x",{}}}"#, meta("{}", more));
    w.asks("eve", "1", "tools/call", &params);
    w.answers("git.1", 5, "{}");
    w.forget();
    w.deletes("bob");
    w.expect_of("setLevel", &[]);
    // That of one who set one ends with him.
    w.deletes("ann");
    w.expect_of("setLevel", &[]);
}
