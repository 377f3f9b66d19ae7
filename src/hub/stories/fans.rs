//! Resources and completions: which server is asked, and asking around where
//! no list, template or link names it.

use std::time::Duration;

use crate::event::FromChild;
use crate::hub::stories::cast::notice;
use crate::hub::stories::world::World;
use crate::plan::Readiness;

const READ: &str = r#"{"uri":"file:///hidden"}"#;

/// Three servers, of which two have resources, and one client.
fn world() -> World {
    let mut w = World::of(&["git", "time", "pad"]);
    for name in ["git", "pad"] {
        let offers = w.offers.get_mut(name).expect("it is there");
        offers.resources = vec![format!("file:///{name}"), "file:///both".into()];
        offers.templates = vec![format!("{name}:///{{path}}")];
        offers.prompts = vec!["p".into()];
    }
    for name in ["git.1", "time.1", "pad.1"] {
        w.serve(name);
    }
    w.pass(0.2);
    w.connect(&["ann"]);
    w
}

fn read(w: &mut World, uri: &str) {
    w.asks(
        "ann",
        "1",
        "resources/read",
        &format!(r#"{{"uri":"{uri}"}}"#),
    );
}

const NOT_FOUND: &str = "0.200s ann.2 error 1 -32002 resource \"file:///hidden\" not found last";

#[test]
fn a_listed_resource_leads_to_its_server() {
    let mut w = world();
    read(&mut w, "file:///pad");
    w.expect(&[r#"0.200s to pad.1 #6 resources/read {"uri":"file:///pad"}"#]);
}

#[test]
fn a_template_leads_to_its_server() {
    let mut w = world();
    read(&mut w, "pad:///some");
    w.expect(&[r#"0.200s to pad.1 #6 resources/read {"uri":"pad:///some"}"#]);
}

#[test]
fn a_resource_of_two_servers_is_refused_with_the_ways_to_each() {
    let mut w = world();
    read(&mut w, "file:///both");
    w.expect(&[
        "0.200s ann.2 error 1 -32602 resource \"file:///both\" is offered by several servers; ask one: /servers/git/mcp /servers/pad/mcp last",
    ]);
}

#[test]
fn a_link_in_a_tools_result_leads_to_its_server() {
    let mut w = world();
    w.calls("ann", "0", "time__x");
    w.answers(
        "time.1",
        3,
        r#"{"content":[{"type":"resource_link","uri":"file:///hidden","name":"h"}]}"#,
    );
    w.forget();
    read(&mut w, "file:///hidden");
    w.expect(&[r#"0.200s to time.1 #4 resources/read {"uri":"file:///hidden"}"#]);
}

#[test]
fn a_link_is_kept_when_its_servers_list_is_read_again_and_is_the_same() {
    let mut w = world();
    w.calls("ann", "0", "time__x");
    let link = r#"{"type":"resource_link","uri":"file:///hidden","name":"h"}"#;
    w.answers("time.1", 3, &format!(r#"{{"content":[{link}]}}"#));
    w.says("time.1", &notice("notifications/tools/list_changed", ""));
    w.pass(0.2);
    w.lists("time.1", 4);
    w.forget();
    read(&mut w, "file:///hidden");
    w.expect(&[r#"0.400s to time.1 #5 resources/read {"uri":"file:///hidden"}"#]);
}

#[test]
fn a_link_leads_to_no_server_that_the_view_does_not_show() {
    let mut w = world();
    w.calls("ann", "0", "time__x");
    let link = r#"{"type":"resource_link","uri":"file:///hidden","name":"h"}"#;
    w.answers("time.1", 3, &format!(r#"{{"content":[{link}]}}"#));
    w.come("bob", crate::event::View::Server("pad".into()));
    w.connect(&["bob"]);
    w.asks("bob", "1", "resources/read", READ);
    w.expect(&[&format!("0.200s to pad.1 #6 resources/read {READ}")]);
}

#[test]
fn every_server_with_resources_is_asked_for_one_that_none_lists() {
    let mut w = world();
    read(&mut w, "file:///hidden");
    w.expect(&[
        &format!("0.200s to git.1 #6 resources/read {READ}"),
        &format!("0.200s to pad.1 #6 resources/read {READ}"),
    ]);
    w.fails("git.1", 6, "no such file");
    w.expect(&[]);
    w.answers("pad.1", 6, r#"{"contents":[]}"#);
    w.expect(&[r#"0.200s ann.2 answer 1 {"contents":[]} last"#]);
}

#[test]
fn what_nobody_knows_is_not_found() {
    let mut w = world();
    read(&mut w, "file:///hidden");
    w.forget();
    w.fails("pad.1", 6, "no");
    w.fails("git.1", 6, "no");
    w.expect(&[NOT_FOUND]);
}

#[test]
fn what_two_know_is_refused_with_the_ways_to_each() {
    let mut w = world();
    read(&mut w, "file:///hidden");
    w.forget();
    w.answers("pad.1", 6, "{}");
    w.answers("git.1", 6, "{}");
    w.expect(&[
        "0.200s ann.2 error 1 -32602 resource \"file:///hidden\" is offered by several servers; ask one: /servers/pad/mcp /servers/git/mcp last",
    ]);
}

#[test]
fn one_that_dies_leaves_the_others_word() {
    let mut w = world();
    read(&mut w, "file:///hidden");
    w.forget();
    w.dies("git.1");
    w.expect_of("ann", &[]);
    w.answers("pad.1", 6, "{}");
    w.expect(&["0.200s ann.2 answer 1 {} last"]);
}

#[test]
fn one_that_dies_is_named_when_the_others_do_not_know_it() {
    let mut w = world();
    read(&mut w, "file:///hidden");
    w.forget();
    w.dies("git.1");
    w.fails("pad.1", 6, "no");
    w.expect_of("ann", &[
        "0.200s ann.2 error 1 -32000 server \"git\" exited with code 1 while this call was under way; it is being restarted last",
    ]);
}

/// The same three servers; git has gone to sleep.
fn drowsy() -> World {
    let mut w = world();
    let mut plan = w.plan.clone();
    plan.servers[0].idle_stop = Some(Duration::from_secs(60));
    w.reload(plan);
    w.pass(60.0);
    w.dies("git.1");
    w.forget();
    w
}

#[test]
fn one_that_sleeps_is_let_sleep_while_another_knows_it() {
    let mut w = drowsy();
    let now = w.now;
    read(&mut w, "file:///hidden");
    w.expect(&[&format!("{now} to pad.1 #6 resources/read {READ}")]);
    w.answers("pad.1", 6, "{}");
    w.expect(&[&format!("{now} ann.2 answer 1 {{}} last")]);
}

#[test]
fn one_that_sleeps_is_started_when_no_other_knows_it() {
    let mut w = drowsy();
    let now = w.now;
    read(&mut w, "file:///hidden");
    w.fails("pad.1", 6, "no");
    assert!(w.lives.values().any(|life| life.name == "git.2"));
    w.serve("git.2");
    w.forget();
    w.answers("git.2", 6, "{}");
    w.expect(&[&format!("{now} ann.2 answer 1 {{}} last")]);
    // Awake now, it is asked at once.
    read(&mut w, "file:///hidden");
    w.expect_of(
        "git.2",
        &[&format!("{now} to git.2 #7 resources/read {READ}")],
    );
}

#[test]
fn one_that_sleeps_and_is_taken_out_meanwhile_is_not_asked() {
    let mut w = drowsy();
    read(&mut w, "file:///hidden");
    let mut plan = w.plan.clone();
    plan.servers[0].readiness = Readiness::Disabled;
    w.reload(plan);
    w.forget();
    w.fails("pad.1", 6, "no");
    let told = w.trace();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains("error 1 -32002"), "{told:?}");
}

#[test]
fn where_all_sleep_all_are_asked() {
    let mut w = drowsy();
    let mut plan = w.plan.clone();
    plan.servers[2].idle_stop = Some(Duration::from_secs(60));
    w.reload(plan);
    w.pass(60.0);
    w.dies("pad.1");
    read(&mut w, "file:///hidden");
    for life in ["git.2", "pad.2"] {
        assert!(w.lives.values().any(|known| known.name == life), "{life}");
    }
}

#[test]
fn all_that_are_asked_are_told_when_their_client_takes_it_back() {
    let mut w = world();
    read(&mut w, "file:///hidden");
    w.forget();
    w.cancels("ann", "1");
    w.expect(&[
        r##"0.200s to git.1 notifications/cancelled {"requestId":"#6"}"##,
        r##"0.200s to pad.1 notifications/cancelled {"requestId":"#6"}"##,
        "0.200s ann.2 end",
        "0.200s ann.3 verdict Accepted",
    ]);
    w.answers("git.1", 6, "{}");
    w.answers("pad.1", 6, "{}");
    w.expect(&[]);
}

#[test]
fn a_stop_is_named_to_who_asks_around() {
    let mut w = world();
    read(&mut w, "file:///hidden");
    w.forget();
    w.stop();
    w.expect_of(
        "ann",
        &["0.200s ann.2 error 1 -32000 the gateway is stopping last"],
    );
}

#[test]
fn only_servers_of_the_view_are_asked() {
    let mut w = world();
    w.come("bob", crate::event::View::Server("pad".into()));
    w.connect(&["bob"]);
    w.asks("bob", "1", "resources/read", READ);
    w.expect(&[&format!("0.200s to pad.1 #6 resources/read {READ}")]);
    w.answers("pad.1", 6, "{}");
    w.expect(&["0.200s bob.2 answer 1 {} last"]);
}

#[test]
fn a_completion_follows_its_prompt_or_its_template() {
    let mut w = world();
    let prompt = r#"{"argument":{},"ref":{"name":"pad__p","type":"ref/prompt"}}"#;
    w.asks("ann", "1", "completion/complete", prompt);
    w.expect(&[
        r#"0.200s to pad.1 #6 completion/complete {"argument":{},"ref":{"name":"p","type":"ref/prompt"}}"#,
    ]);
    let template = r#"{"ref":{"type":"ref/resource","uri":"git:///{path}"}}"#;
    w.asks("ann", "2", "completion/complete", template);
    w.expect(&[&format!(
        "0.200s to git.1 #6 completion/complete {template}"
    )]);
    w.asks(
        "ann",
        "3",
        "completion/complete",
        r#"{"ref":{"type":"ref/prompt","name":"nope"}}"#,
    );
    w.asks(
        "ann",
        "4",
        "completion/complete",
        r#"{"ref":{"type":"ref/resource","uri":"nope"}}"#,
    );
    w.expect(&[
        "0.200s ann.4 error 3 -32602 unknown prompt \"nope\" last",
        "0.200s ann.5 error 4 -32002 resource \"nope\" not found last",
    ]);
}

#[test]
fn a_prompt_is_got_under_its_own_name() {
    let mut w = world();
    w.asks("ann", "1", "prompts/get", r#"{"name":"git__p"}"#);
    w.expect(&[r#"0.200s to git.1 #6 prompts/get {"name":"p"}"#]);
    w.child("git.1", FromChild::OutputEnded);
    w.answers("git.1", 6, r#"{"messages":[]}"#);
    w.expect(&[r#"0.200s ann.2 answer 1 {"messages":[]} last"#]);
}

#[test]
fn who_takes_back_a_question_takes_back_no_others_of_the_same_id() {
    let mut w = world();
    w.connect(&["bob"]);
    read(&mut w, "file:///hidden");
    w.asks("bob", "1", "resources/read", READ);
    w.asks("bob", "2", "resources/read", READ);
    w.forget();
    w.cancels("bob", "2");
    w.expect_of(
        "bob",
        &["0.200s bob.3 end", "0.200s bob.4 verdict Accepted"],
    );
    w.cancels("bob", "1");
    w.expect_of(
        "bob",
        &["0.200s bob.2 end", "0.200s bob.5 verdict Accepted"],
    );
    assert_eq!(w.hub.fans.len(), 1);
}

#[test]
fn a_link_of_several_servers_leads_to_the_one_that_the_view_shows() {
    let link = r#"{"type":"resource_link","uri":"file:///hidden","name":"h"}"#;
    for (view, shown) in [("time", "to time.1 #4"), ("pad", "to pad.1 #6")] {
        let mut w = world();
        for (name, number) in [("git", 6), ("time", 3)] {
            w.calls("ann", "0", &format!("{name}__x"));
            let result = format!(r#"{{"content":[{link}]}}"#);
            w.answers(&format!("{name}.1"), number, &result);
        }
        w.come("bob", crate::event::View::Server(view.into()));
        w.connect(&["bob"]);
        w.asks("bob", "1", "resources/read", READ);
        w.expect(&[&format!("0.200s {shown} resources/read {READ}")]);
    }
}

#[test]
fn what_a_server_has_answered_that_is_taken_out_counts_no_more() {
    let mut w = world();
    w.offers.get_mut("time").expect("it is there").resources = vec!["t".into()];
    w.dies("time.1");
    w.pass(1.0);
    w.serve("time.2");
    w.pass(0.2);
    read(&mut w, "file:///hidden");
    w.answers("git.1", 6, r#"{"of":"git"}"#);
    w.answers("time.2", 5, r#"{"of":"time"}"#);
    let mut plan = w.plan.clone();
    plan.servers[0].readiness = crate::plan::Readiness::Disabled;
    w.reload(plan);
    w.dies("git.1");
    w.forget();
    w.fails("pad.1", 6, "no");
    w.expect_of(
        "ann",
        &[&format!(r#"{} ann.2 answer 1 {{"of":"time"}} last"#, w.now)],
    );
}

#[test]
fn nobody_is_asked_around_for_a_subscription() {
    let mut w = world();
    w.asks("ann", "1", "resources/subscribe", READ);
    w.expect(&[NOT_FOUND]);
}

#[test]
fn who_ends_his_session_ends_what_he_asked_around_for() {
    let mut w = world();
    w.connect(&["bob"]);
    read(&mut w, "file:///hidden");
    w.asks("bob", "1", "resources/read", READ);
    w.deletes("ann");
    assert_eq!(w.hub.fans.len(), 1);
    w.deletes("bob");
    assert!(w.hub.fans.is_empty());
}
