//! Another plan takes the place of the one that runs: who keeps its process, who
//! gets another, who goes; and that clients are told of it once.

mod clients;
mod telling;

use std::time::Duration;

use crate::config::checked::Scope;
use crate::event::{FromChild, ServerId, View};
use crate::hub::lifecycle::Phase;
use crate::hub::stories::cast::{notice, request};
use crate::hub::stories::world::{World, plan};
use crate::plan::{Plan, Readiness, ServerPlan, Servers};

impl World {
    /// The plan that runs, for a story to change.
    fn draft(&self) -> Plan {
        self.plan.clone()
    }

    /// Reloads with another command for these servers.
    pub(super) fn renew(&mut self, names: &[&str]) {
        let mut plan = self.draft();
        for server in plan.servers.iter_mut() {
            if names.contains(&server.name.as_str()) {
                server.fingerprint += 1;
            }
        }
        self.reload(plan);
    }

    /// Reloads without these servers.
    fn take_out(&mut self, names: &[&str]) {
        let plan = self.draft();
        let stays = |server: &ServerPlan| !names.contains(&server.name.as_str());
        let servers = plan.servers.iter().filter(|(_, server)| stays(server));
        let servers: Vec<_> = servers.map(|(id, s)| (id, s.clone())).collect();
        self.reload(with_servers(&plan, servers));
    }

    /// Reloads with one more server of that name.
    pub(super) fn add(&mut self, name: &str) {
        let added = plan(&[name]).servers[0].clone();
        let plan = self.draft();
        let mut servers: Vec<_> = plan.servers.iter().map(|(id, s)| (id, s.clone())).collect();
        let known = self.plan.servers.iter().map(|(id, _)| id);
        let next = known.chain(self.plan.servers.gone()).max();
        servers.push((ServerId(next.map_or(0, |id| id.0 + 1)), added));
        self.reload(with_servers(&plan, servers));
    }

    /// Reloads with this server turned on or off.
    pub(super) fn turn(&mut self, name: &str, readiness: &Readiness) {
        let mut plan = self.draft();
        for server in plan.servers.iter_mut().filter(|s| s.name == name) {
            server.readiness = readiness.clone();
        }
        self.reload(plan);
    }

    /// A child takes all that lies in its queue, and tells of it.
    fn takes_all(&mut self, life: &str) {
        let child = self
            .hub
            .children
            .of_life(self.life(life))
            .expect("it lives");
        let load = self.hub.children.get(child).expect("it lives").load;
        self.child(life, FromChild::Taken(load));
    }

    /// The names that the merged view shows now.
    fn shown(&mut self) -> Vec<String> {
        let catalog = self.hub.catalog(&View::Merged);
        catalog.names().map(|name| name.served.to_owned()).collect()
    }
}

fn with_servers(plan: &Plan, servers: Vec<(ServerId, ServerPlan)>) -> Plan {
    let mut drawn = Servers::default();
    for (id, server) in servers {
        drawn.push(id, server);
    }
    Plan {
        servers: drawn,
        ..plan.clone()
    }
}

#[test]
fn what_has_not_changed_is_not_touched() {
    let mut w = World::ready(&["git", "time"]);
    w.connect(&["ann"]);
    w.calls("ann", "1", "git__x");
    w.forget();
    assert_eq!(w.reload(w.draft()).as_deref(), Some("2 unchanged"));
    w.pass(20.0);
    w.expect(&[]);
    w.answers("git.1", 3, "{}");
    w.calls("ann", "2", "git__x");
    w.expect(&[
        "20.200s ann.2 answer 1 {} last",
        r#"20.200s to git.1 #4 tools/call {"name":"x"}"#,
    ]);
}

#[test]
fn a_changed_server_without_calls_is_replaced_at_once_and_no_failure_is_counted() {
    let mut plan = plan(&["git"]);
    plan.reconnect_attempts_max = 1;
    let mut w = World::new(plan);
    w.serve("git.1");
    w.pass(0.2);
    w.forget();
    for life in 1..5 {
        w.renew(&["git"]);
        w.expect(&[&format!("0.200s close git.{life}")]);
        w.dies(&format!("git.{life}"));
        w.expect(&[
            &format!("0.200s bury git.{life}"),
            &format!("0.200s spawn git.{}", life + 1),
        ]);
        w.serve(&format!("git.{}", life + 1));
        w.forget();
    }
}

#[test]
fn calls_under_way_are_finished_by_the_old_life_and_later_ones_are_for_the_new() {
    let mut w = World::ready(&["git"]);
    w.connect(&["ann"]);
    w.calls("ann", "1", "git__x");
    w.forget();
    w.renew(&["git"]);
    w.calls("ann", "2", "git__x");
    w.pass(5.0);
    w.expect(&[]);
    w.answers("git.1", 3, "{}");
    w.expect(&["5.200s close git.1", "5.200s ann.2 answer 1 {} last"]);
    w.calls("ann", "3", "git__x");
    w.dies("git.1");
    w.serve("git.2");
    w.expect_of(
        "call",
        &[
            r#"5.200s to git.2 #3 tools/call {"name":"x"}"#,
            r#"5.200s to git.2 #4 tools/call {"name":"x"}"#,
        ],
    );
    w.answers("git.2", 3, "{}");
    w.expect(&["5.200s ann.3 answer 2 {} last"]);
}

#[test]
fn a_call_that_takes_too_long_is_cut_short_and_told_why() {
    let mut plan = plan(&["git"]);
    plan.servers[0].timeout = Duration::from_secs(600);
    let mut w = World::new(plan);
    w.serve("git.1");
    w.connect(&["ann"]);
    w.calls("ann", "1", "git__x");
    w.forget();
    w.renew(&["git"]);
    w.pass(29.9);
    w.expect(&[]);
    w.pass(4.5);
    w.expect(&[
        "30.000s close git.1",
        "32.000s term git.1",
        "34.000s kill git.1",
    ]);
    w.dies("git.1");
    w.expect(&[
        "34.400s ann.2 error 1 -32000 server \"git\" was given a new configuration while this \
         call was under way; it is being restarted last",
        "34.400s bury git.1",
        "34.400s spawn git.2",
    ]);
}

#[test]
fn a_call_that_waits_for_the_new_life_has_the_time_of_the_old_ones_calls_on_top() {
    let mut plan = plan(&["git"]);
    plan.servers[0].timeout = Duration::from_secs(8);
    plan.servers[0].startup_timeout = Duration::from_secs(5);
    plan.servers[0].concurrent_max = 1;
    let mut w = World::new(plan);
    w.serve("git.1");
    w.connect(&["ann"]);
    let params = r#"{"name":"git__x","_meta":{"progressToken":1}}"#;
    w.asks("ann", "1", "tools/call", params);
    // One waits for a place already, one comes later.
    w.calls("ann", "2", "git__x");
    w.renew(&["git"]);
    w.calls("ann", "3", "git__x");
    w.forget();
    let token = w.wire_id("git.1", 3);
    for _ in 0..4 {
        w.pass(7.0);
        let params = format!(r#"{{"progress":1,"progressToken":{token}}}"#);
        w.says("git.1", &notice("notifications/progress", &params));
    }
    w.expect_of("error", &[]);
    w.answers("git.1", 3, "{}");
    w.dies("git.1");
    w.serve("git.2");
    w.answers("git.2", 3, "{}");
    w.answers("git.2", 4, "{}");
    w.expect_of(
        " answer ",
        &[
            "28.000s ann.2 [2-5] answer 1 {} last",
            "28.000s ann.3 answer 2 {} last",
            "28.000s ann.4 answer 3 {} last",
        ],
    );
}

#[test]
fn a_server_that_is_still_starting_starts_anew_and_its_calls_wait_on() {
    let mut w = World::of(&["git"]);
    w.spawned("git.1");
    w.connect(&["ann"]);
    w.calls("ann", "1", "git__x");
    w.forget();
    w.renew(&["git"]);
    w.expect(&["0.000s close git.1"]);
    w.greets("git.1");
    w.dies("git.1");
    w.serve("git.2");
    w.expect_of("call", &[r#"0.000s to git.2 #3 tools/call {"name":"x"}"#]);
}

#[test]
fn a_parked_server_is_started_at_once_when_its_entry_is_mended() {
    let mut w = World::of(&["git"]);
    for (life, wait) in [(1, 1.0), (2, 2.0), (3, 0.0)] {
        w.dies(&format!("git.{life}"));
        w.pass(wait);
    }
    w.forget();
    w.connect(&["ann"]);
    w.renew(&["git"]);
    w.expect(&["3.000s spawn git.4"]);
    w.calls("ann", "1", "git__x");
    w.serve("git.4");
    w.expect_of("call", &[r#"3.000s to git.4 #3 tools/call {"name":"x"}"#]);
    // The failures of what it was before are not its own.
    w.dies("git.4");
    w.pass(1.0);
    w.expect_of("spawn", &["4.000s spawn git.5"]);
}

#[test]
fn a_server_that_is_taken_out_vanishes_at_once_and_finishes_its_calls() {
    let mut plan = plan(&["git", "time"]);
    plan.servers[0].concurrent_max = 1;
    let mut w = World::new(plan);
    w.serve("git.1");
    w.serve("time.1");
    w.connect(&["ann"]);
    w.calls("ann", "1", "git__x");
    w.calls("ann", "2", "git__x");
    w.forget();
    w.take_out(&["git"]);
    assert_eq!(w.shown(), ["time__x"]);
    w.expect(&[
        "0.000s ann.3 error 2 -32000 server \"git\" is not available: it was taken out of the \
         configuration last",
    ]);
    w.calls("ann", "3", "git__x");
    w.expect(&["0.000s ann.4 error 3 -32602 unknown tool \"git__x\" last"]);
    w.answers("git.1", 3, "{}");
    w.dies("git.1");
    w.pass(100.0);
    w.expect(&[
        "0.000s close git.1",
        "0.000s ann.2 answer 1 {} last",
        "0.000s bury git.1",
    ]);
    assert!(w.hub.plan.servers.get(ServerId(0)).is_none(), "forgotten");
}

#[test]
fn a_call_of_a_server_that_is_taken_out_is_cut_short_in_the_end() {
    let mut plan = plan(&["git"]);
    plan.servers[0].timeout = Duration::from_secs(600);
    let mut w = World::new(plan);
    w.serve("git.1");
    w.connect(&["ann"]);
    w.calls("ann", "1", "git__x");
    w.take_out(&["git"]);
    w.pass(30.0);
    w.forget();
    w.dies("git.1");
    w.expect(&[
        "30.000s ann.2 error 1 -32000 server \"git\" is not available: it was taken out of the \
         configuration last",
        "30.000s bury git.1",
    ]);
}

#[test]
fn a_server_that_is_taken_out_and_back_again_is_another() {
    let mut w = World::ready(&["git"]);
    w.connect(&["ann"]);
    w.calls("ann", "1", "git__x");
    w.take_out(&["git"]);
    w.forget();
    w.add("git");
    w.expect(&["0.200s spawn git.2"]);
    w.serve("git.2");
    w.calls("ann", "2", "git__x");
    w.expect_of("call", &[r#"0.200s to git.2 #3 tools/call {"name":"x"}"#]);
    w.answers("git.1", 3, "{}");
    w.dies("git.1");
    w.answers("git.2", 3, "{}");
    w.expect(&[
        "0.200s close git.1",
        "0.200s ann.2 answer 1 {} last",
        "0.200s bury git.1",
        "0.200s ann.3 answer 2 {} last",
    ]);
}

#[test]
fn a_server_that_is_turned_off_stays_known() {
    let mut w = World::ready(&["git"]);
    w.connect(&["ann"]);
    w.turn("git", &Readiness::Disabled);
    assert!(w.shown().is_empty());
    w.dies("git.1");
    w.pass(100.0);
    w.expect(&["0.200s close git.1", "0.200s bury git.1"]);
    assert!(w.hub.mains.is_empty() && w.hub.children.ids().is_empty());
    w.turn("git", &Readiness::Enabled);
    w.expect(&["100.200s spawn git.2"]);
}

#[test]
fn a_server_that_is_turned_off_and_on_while_it_works_never_has_two_processes() {
    let mut w = World::ready(&["git"]);
    w.connect(&["ann"]);
    w.calls("ann", "1", "git__x");
    w.forget();
    w.turn("git", &Readiness::Disabled);
    w.turn("git", &Readiness::Enabled);
    w.calls("ann", "2", "git__x");
    w.expect(&[]);
    w.answers("git.1", 3, "{}");
    w.dies("git.1");
    w.serve("git.2");
    w.expect_of("call", &[r#"0.200s to git.2 #3 tools/call {"name":"x"}"#]);
}

#[test]
fn a_server_with_errors_that_never_ran_is_shown_as_such() {
    let mut w = World::ready(&["git"]);
    w.add("bad");
    w.expect(&["0.200s spawn bad.1"]);
    let mut w = World::ready(&["git"]);
    let mut plan = w.draft();
    let mut bad = plan.servers[0].clone();
    bad.name = "bad".to_owned();
    bad.readiness = Readiness::Misconfigured("no".to_owned());
    plan.servers.push(ServerId(1), bad);
    let told = w.reload(plan);
    assert_eq!(
        told.as_deref(),
        Some("noted bad, which does not run; 1 unchanged")
    );
    w.expect(&[]);
}

#[test]
fn what_needs_no_new_process_holds_at_once() {
    let mut w = World::ready(&["git"]);
    w.connect(&["ann"]);
    let mut plan = w.draft();
    plan.servers[0].timeout = Duration::from_secs(1);
    plan.servers[0].prefix = "g".to_owned();
    let told = w.reload(plan);
    assert_eq!(told.as_deref(), Some("changed git in place; 0 unchanged"));
    assert_eq!(w.shown(), ["g__x"]);
    w.calls("ann", "1", "g__x");
    w.pass(1.0);
    w.expect_of(
        "ann.2",
        &["1.200s ann.2 error 1 -32001 server \"git\" has not answered this call within 1 s last"],
    );
    w.expect(&[]);
}

#[test]
fn a_server_that_sleeps_is_started_when_it_is_lazy_no_more_or_its_command_is_another() {
    let mut plan = plan(&["git", "time"]);
    for server in plan.servers.iter_mut() {
        server.is_lazy = true;
    }
    let mut w = World::new(plan);
    for name in ["git", "time"] {
        w.serve(&format!("{name}.1"));
    }
    w.pass(60.0);
    for name in ["git", "time"] {
        w.dies(&format!("{name}.1"));
    }
    w.forget();
    let mut plan = w.draft();
    plan.servers[0].is_lazy = false;
    plan.servers[1].timeout = Duration::from_secs(9);
    w.reload(plan);
    w.expect(&["60.000s spawn git.2"]);
    w.renew(&["time"]);
    w.expect(&["60.000s spawn time.2"]);
}

#[test]
fn more_calls_at_once_are_sent_as_soon_as_they_may_be() {
    let mut plan = plan(&["git"]);
    plan.servers[0].concurrent_max = 1;
    let mut w = World::new(plan);
    w.serve("git.1");
    w.connect(&["ann"]);
    w.calls("ann", "1", "git__x");
    w.calls("ann", "2", "git__x");
    w.forget();
    let mut plan = w.draft();
    plan.servers[0].concurrent_max = 2;
    w.reload(plan);
    w.expect(&[r#"0.000s to git.1 #4 tools/call {"name":"x"}"#]);
}

#[test]
fn a_shorter_queue_drops_nothing_and_a_longer_one_overfills_no_process() {
    let mut plan = plan(&["git"]);
    plan.servers[0].concurrent_max = 100;
    plan.queue_max = 4;
    let mut w = World::new(plan);
    w.serve("git.1");
    w.takes_all("git.1");
    w.connect(&["ann"]);
    let mut plan = w.draft();
    plan.queue_max = 20;
    w.reload(plan);
    for id in 1..=24 {
        w.calls("ann", &id.to_string(), "git__x");
    }
    // Four lie in the queue, which was made for four; twenty wait here.
    let sent = w.trace().iter().filter(|l| l.contains("to git.1")).count();
    assert_eq!(sent, 4);
    let mut plan = w.draft();
    plan.queue_max = 2;
    w.reload(plan);
    w.calls("ann", "25", "git__x");
    w.expect_of("busy", &[
        "0.000s ann.26 error 25 -32000 server \"git\" is busy: 20 calls wait for it; try again later last",
    ]);
    w.takes_all("git.1");
    let sent = w.trace().iter().filter(|l| l.contains("to git.1")).count();
    assert_eq!(sent, 4, "the rest follows");
}

#[test]
fn a_process_that_tells_seldom_what_it_took_is_not_busy_for_a_shorter_queue() {
    let mut w = World::ready(&["git"]);
    w.connect(&["ann"]);
    for id in 1..=10 {
        w.calls("ann", &id.to_string(), "git__x");
        w.answers("git.1", id + 2, "{}");
    }
    let mut plan = w.draft();
    plan.queue_max = 1;
    w.reload(plan);
    w.forget();
    w.says("git.1", &request("7", "ping", ""));
    w.calls("ann", "11", "git__x");
    w.expect(&[
        "0.200s to git.1 answer 7 {}",
        r#"0.200s to git.1 #13 tools/call {"name":"x"}"#,
    ]);
}

#[test]
fn while_the_gateway_stops_nothing_is_reloaded() {
    let mut w = World::ready(&["git"]);
    w.stop();
    w.forget();
    let mut plan = w.draft();
    plan.servers[0].fingerprint = 2;
    assert_eq!(w.reload(plan), None);
    w.expect(&[]);
}

#[test]
fn a_stop_while_servers_are_renewed_and_go_is_over_when_they_are() {
    let mut w = World::ready(&["git", "time", "pad"]);
    w.connect(&["ann"]);
    w.calls("ann", "1", "git__x");
    w.calls("ann", "2", "time__x");
    w.renew(&["git"]);
    w.take_out(&["time", "pad"]);
    w.stop();
    for life in ["git.1", "time.1", "pad.1"] {
        assert!(!w.finished);
        w.dies(life);
    }
    assert!(w.finished);
    w.pass(100.0);
    assert!(w.hub.is_empty_handed());
}

#[test]
fn a_scope_that_changes_gives_sessions_children_of_their_own_or_takes_them() {
    let mut w = World::ready(&["pad"]);
    w.connect(&["ann"]);
    let mut plan = w.draft();
    plan.servers[0].scope = Scope::Session;
    plan.servers[0].fingerprint = 2;
    w.reload(plan);
    w.calls("ann", "1", "pad__x");
    w.expect(&["0.200s close pad.1", "0.200s spawn pad.2"]);
    w.dies("pad.1");
    w.serve("pad.2");
    w.serve("pad.3");
    w.pass(0.5);
    w.forget();
    let mut plan = w.draft();
    plan.servers[0].scope = Scope::Shared;
    plan.servers[0].fingerprint = 3;
    w.reload(plan);
    w.expect(&["0.700s close pad.3"]);
    w.dies("pad.3");
    w.serve("pad.4");
    w.calls("ann", "2", "pad__x");
    // The one of her own has a call to finish; the new one is for that all share.
    w.expect_of("call", &[r#"0.700s to pad.4 #3 tools/call {"name":"x"}"#]);
    w.answers("pad.2", 3, "{}");
    w.dies("pad.2");
    let phases: Vec<Phase> = w.hub.children.iter().map(|(_, c)| c.phase).collect();
    assert_eq!(phases, [Phase::Ready]);
}

#[test]
fn one_that_is_out_of_date_is_not_asked_for_its_lists_again() {
    let mut w = World::ready(&["git"]);
    w.connect(&["ann"]);
    w.calls("ann", "1", "git__x");
    w.says("git.1", &notice("notifications/tools/list_changed", ""));
    w.renew(&["git"]);
    w.forget();
    w.pass(20.0);
    w.expect(&[]);
}
