//! What clients are told of a reload, and when: once, when what it has started is
//! there, and only if they see something else.

use crate::event::View;
use crate::hub::stories::world::{World, plan};

const TOLD: &str = "notifications/tools/list_changed";

/// Ann, who listens and knows what there is.
fn listening(names: &[&str]) -> World {
    let mut w = World::ready(names);
    w.connect(&["ann"]);
    w.listens("ann", None);
    w.asks("ann", "1", "tools/list", "");
    w.forget();
    w
}

impl World {
    /// When clients were told of their tools since the story last looked.
    fn told_at(&mut self) -> Vec<String> {
        let lines = self.trace().into_iter();
        let told = lines.filter(|line| line.contains(TOLD));
        told.map(|line| line.split(' ').next().unwrap_or_default().to_owned())
            .collect()
    }
}

#[test]
fn one_reload_of_many_servers_is_told_once_when_all_are_there() {
    let mut w = listening(&["git", "time", "pad"]);
    w.offers.get_mut("git").expect("it is there").tools = vec!["new".into()];
    w.renew(&["git"]);
    w.take_out(&["pad"]);
    w.add("more");
    w.pass(1.0);
    w.serve("more.1");
    w.pass(2.0);
    w.dies("pad.1");
    w.dies("git.1");
    w.pass(1.0);
    assert_eq!(w.told_at(), [""; 0]);
    w.serve("git.2");
    w.pass(60.0);
    assert_eq!(w.told_at(), ["4.400s"]);
    assert_eq!(w.shown(), ["git__new", "time__x", "more__x"]);
}

#[test]
fn a_renewed_server_that_offers_the_same_is_not_told_of() {
    let mut w = listening(&["git"]);
    w.renew(&["git"]);
    w.dies("git.1");
    w.serve("git.2");
    w.pass(60.0);
    assert_eq!(w.told_at(), [""; 0]);
}

#[test]
fn what_only_goes_or_is_called_otherwise_is_told_at_once() {
    let mut w = listening(&["git", "time"]);
    w.take_out(&["git"]);
    w.pass(1.0);
    assert_eq!(w.told_at(), ["0.400s"]);
    let mut plan = w.draft();
    for server in plan.servers.iter_mut() {
        server.prefix = "t".to_owned();
    }
    w.reload(plan);
    w.pass(1.0);
    assert_eq!(w.told_at(), ["1.400s"]);
}

#[test]
fn what_does_not_come_is_not_waited_for_longer_than_10_seconds() {
    let mut w = listening(&["git", "pad"]);
    w.take_out(&["pad"]);
    w.add("slow");
    w.pass(30.0);
    assert_eq!(w.told_at(), ["10.200s"]);
    w.serve("slow.1");
    w.pass(1.0);
    assert_eq!(w.told_at(), ["30.400s"]);
}

#[test]
fn two_reloads_are_told_when_each_has_had_its_time() {
    let mut w = listening(&["git"]);
    w.add("one");
    w.pass(6.0);
    w.add("two");
    w.serve("two.1");
    w.pass(60.0);
    // The first is never there; the second was, and no word more is to be said.
    assert_eq!(w.told_at(), ["10.200s"]);
    w.add("three");
    w.pass(6.0);
    w.take_out(&["git"]);
    w.add("four");
    w.pass(6.0);
    w.serve("four.1");
    w.pass(60.0);
    assert_eq!(w.told_at(), ["76.200s", "78.400s"]);
}

#[test]
fn the_time_of_one_reload_does_not_end_that_of_the_next() {
    let mut w = listening(&["git", "pad"]);
    w.take_out(&["pad"]);
    w.add("never");
    w.pass(6.0);
    w.add("late");
    w.pass(5.0);
    assert_eq!(w.told_at(), ["10.200s"]);
    // What goes now is told with what the second has started.
    w.take_out(&["git"]);
    w.pass(2.0);
    assert_eq!(w.told_at(), [""; 0]);
    w.serve("late.1");
    w.pass(60.0);
    assert_eq!(w.told_at(), ["13.400s"]);
}

#[test]
fn what_goes_again_before_it_was_there_is_not_waited_for() {
    let mut w = listening(&["git"]);
    w.add("slow");
    w.take_out(&["git"]);
    w.pass(1.0);
    assert_eq!(w.told_at(), [""; 0]);
    w.take_out(&["slow"]);
    w.pass(1.0);
    assert_eq!(w.told_at(), ["1.400s"]);
}

#[test]
fn a_list_does_not_wait_for_what_a_reload_has_added() {
    let mut w = listening(&["git"]);
    w.add("slow");
    w.forget();
    w.asks("ann", "2", "tools/list", "");
    w.pass(20.0);
    w.asks("ann", "3", "tools/list", "");
    let shown = r#"{"tools":[{"inputSchema":{},"name":"git__x"}]}"#;
    w.expect_of(
        "answer",
        &[
            &format!("0.200s ann.4 answer 2 {shown} last"),
            &format!("20.200s ann.5 answer 3 {shown} last"),
        ],
    );
    // A tool that nobody has yet may be one of its own.
    w.calls("ann", "4", "slow__x");
    w.serve("slow.1");
    w.expect_of("call", &[r#"20.200s to slow.1 #3 tools/call {"name":"x"}"#]);
}

#[test]
fn a_client_of_a_new_server_alone_is_welcomed_when_that_is_there() {
    let mut w = listening(&["git"]);
    w.add("slow");
    w.come("bob", View::Server("slow".to_owned()));
    w.forget();
    w.connects_at("bob", "2025-11-25");
    w.pass(2.0);
    w.expect_of("bob", &[]);
    w.serve("slow.1");
    w.expect_of("welcome", &["2.200s bob.1 welcome 0 session bob-1"]);
}

#[test]
fn who_waits_at_a_group_does_not_wait_for_what_left_it() {
    let mut plan = plan(&["git", "slow"]);
    let both = vec!["git".to_owned(), "slow".to_owned()];
    plan.groups.insert("work".to_owned(), both);
    let mut w = World::new(plan);
    w.serve("git.1");
    w.come("ann", View::Group("work".to_owned()));
    w.connect(&["ann"]);
    w.asks("ann", "1", "tools/list", "");
    w.pass(1.0);
    w.forget();
    let mut plan = w.draft();
    plan.groups
        .insert("work".to_owned(), vec!["git".to_owned()]);
    w.reload(plan);
    let shown = r#"{"tools":[{"inputSchema":{},"name":"git__x"}]}"#;
    w.expect_of("answer", &[&format!("1.000s ann.2 answer 1 {shown} last")]);
}

#[test]
fn who_waits_for_a_first_start_does_not_wait_for_one_that_was_taken_out() {
    let mut w = World::new(plan(&["git", "slow"]));
    w.serve("git.1");
    w.connect(&["ann"]);
    w.asks("ann", "1", "tools/list", "");
    w.pass(1.0);
    w.forget();
    w.take_out(&["slow"]);
    let shown = r#"{"tools":[{"inputSchema":{},"name":"git__x"}]}"#;
    w.expect_of("answer", &[&format!("1.000s ann.2 answer 1 {shown} last")]);
}

#[test]
fn what_goes_is_told_when_the_last_that_was_started_is_there_though_it_offers_the_same() {
    let mut w = listening(&["git", "time", "pad"]);
    w.renew(&["git", "time"]);
    w.take_out(&["pad"]);
    for name in ["git", "time"] {
        w.pass(1.0);
        assert_eq!(w.told_at(), [""; 0]);
        w.dies(&format!("{name}.1"));
        w.serve(&format!("{name}.2"));
    }
    w.pass(60.0);
    assert_eq!(w.told_at(), ["2.400s"]);
}

#[test]
fn what_was_said_of_a_servers_lists_is_said_again_of_those_of_its_next_entry() {
    let mut w = World::of(&["git", "time"]);
    for name in ["git", "time"] {
        let life = format!("{name}.1");
        w.spawned(&life);
        w.greets(&life);
        w.answers(&life, 2, r#"{"tools":[{"inputSchema":{},"name":""}]}"#);
    }
    assert_eq!(w.hub.complaints.len(), 2);
    w.renew(&["git"]);
    let left: Vec<&String> = w.hub.complaints.iter().collect();
    assert!(left.len() == 1 && left[0].starts_with("time: "), "{left:?}");
}

#[test]
fn the_time_of_what_was_there_at_once_ends_no_wait_for_another() {
    let mut w = listening(&["git"]);
    w.add("quick");
    w.serve("quick.1");
    w.pass(6.0);
    assert_eq!(w.told_at(), ["0.400s"]);
    w.add("late");
    w.take_out(&["git"]);
    w.pass(6.0);
    assert_eq!(w.told_at(), [""; 0]);
    w.serve("late.1");
    w.pass(60.0);
    assert_eq!(w.told_at(), ["12.400s"]);
}

#[test]
fn what_a_session_saw_that_has_ended_is_forgotten_when_all_are_told() {
    let mut w = World::scoped(&["git", "pad"], &["pad"]);
    w.connect(&["ann"]);
    w.calls("ann", "1", "pad__x");
    w.serve("pad.2");
    w.pass(1.0);
    w.take_out(&["git"]);
    w.deletes("ann");
    w.dies("git.1");
    w.pass(60.0);
    assert!(w.hub.resettling.is_empty());
}
