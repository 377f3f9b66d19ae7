//! What the gateway tells of itself: `/health` and `/ready`.

use crate::event::report::{Health, Reasons, ServerHealth, Told};
use crate::event::{Report, View};
use crate::hub::stories::stateless::meta;
use crate::hub::stories::world::{World, plan};
use crate::plan::Readiness;

fn health_of_all(w: &mut World) -> Health {
    match w.reported("probe", Report::Health) {
        Told::Health(health) => health,
        other => panic!("no health, but {other:?}"),
    }
}

fn reasons(w: &mut World) -> Vec<String> {
    match w.reported("probe", Report::Ready) {
        Told::Ready(Reasons(reasons)) => reasons,
        other => panic!("no readiness, but {other:?}"),
    }
}

/// The status of all, and of the server `git`.
fn health(w: &mut World) -> (String, String, String) {
    let told = health_of_all(w);
    let git = told.servers.iter().find(|server| server.name == "git");
    let git = git.expect("it is in the plan");
    words(told.status, git.status, git.state)
}

fn words(all: &str, git: &str, state: &str) -> (String, String, String) {
    (all.to_owned(), git.to_owned(), state.to_owned())
}

#[test]
fn health_follows_a_server_through_its_lives() {
    let mut w = World::of(&["git", "time"]);
    w.serve("time.1");
    assert_eq!(health(&mut w), words("degraded", "degraded", "starting"));
    w.spawned("git.1");
    w.greets("git.1");
    assert_eq!(health(&mut w), words("degraded", "degraded", "starting"));
    w.lists("git.1", 2);
    assert_eq!(health(&mut w), words("healthy", "healthy", "ready"));
    w.dies("git.1");
    assert_eq!(health(&mut w), words("degraded", "unhealthy", "restarting"));
    w.pass(1.0);
    assert_eq!(health(&mut w), words("degraded", "unhealthy", "restarting"));
    w.dies("git.2");
    w.pass(2.0);
    w.dies("git.3");
    assert_eq!(health(&mut w), words("degraded", "unhealthy", "parked"));
    w.pass(60.0);
    w.serve("git.4");
    assert_eq!(health(&mut w), words("healthy", "healthy", "ready"));
    w.stop();
    assert_eq!(health(&mut w), words("unhealthy", "unhealthy", "stopped"));
}

#[test]
fn a_gateway_whose_only_server_fails_is_unhealthy() {
    let mut w = World::ready(&["git"]);
    w.dies("git.1");
    assert_eq!(
        health(&mut w),
        words("unhealthy", "unhealthy", "restarting")
    );
}

#[test]
fn a_server_that_is_off_harms_no_health_and_a_misconfigured_one_does() {
    let mut plan = plan(&["git", "off"]);
    plan.servers[1].readiness = Readiness::Disabled;
    let mut w = World::new(plan.clone());
    w.serve("git.1");
    assert_eq!(health(&mut w), words("healthy", "healthy", "ready"));
    plan.servers[1].readiness = Readiness::Misconfigured("a secret sentence".into());
    let mut w = World::new(plan);
    w.serve("git.1");
    assert_eq!(health(&mut w), words("degraded", "healthy", "ready"));
    let off = ServerHealth {
        name: "off".to_owned(),
        status: "unhealthy",
        state: "misconfigured",
    };
    assert_eq!(health_of_all(&mut w).servers[1], off);
}

#[test]
fn ready_is_when_every_first_start_is_over() {
    let mut w = World::of(&["git", "time"]);
    w.serve("time.1");
    assert_eq!(reasons(&mut w), ["server \"git\" is starting"]);
    w.dies("git.1");
    assert_eq!(reasons(&mut w), ["server \"git\" is being started again"]);
    w.pass(1.0);
    w.dies("git.2");
    w.pass(2.0);
    w.dies("git.3");
    assert!(reasons(&mut w).is_empty());
    w.dies("time.1");
    assert!(reasons(&mut w).is_empty());
    w.stop();
    assert_eq!(reasons(&mut w), ["the gateway is stopping"]);
}

#[test]
fn health_counts_sessions_and_no_requests_without_one() {
    let mut w = World::ready(&["git"]);
    w.connect(&["ann"]);
    w.come("bob", View::Merged);
    let call = format!(r#"{{"name":"git__x",{}}}"#, meta("{}", ""));
    w.asks("bob", "1", "tools/call", &call);
    assert_eq!(health_of_all(&mut w).sessions, 1);
}

#[test]
fn a_tool_of_a_server_that_cannot_run_is_refused_with_the_reason() {
    let mut plan = plan(&["git", "typo"]);
    plan.servers[1].readiness = Readiness::Misconfigured("\"comand\" is no key".to_owned());
    let mut w = World::new(plan);
    w.serve("git.1");
    w.pass(0.2);
    w.connect(&["ann"]);
    w.calls("ann", "1", "typo__x");
    w.expect(&[
        r#"0.200s ann.2 error 1 -32000 server "typo" is not available: "comand" is no key last"#,
    ]);
}

#[test]
fn sessions_are_counted() {
    let mut w = World::ready(&["git"]);
    for (count, who) in [(1, "ann"), (2, "bob")] {
        w.connect(&[who]);
        let told = w.reported("probe", Report::Health);
        assert!(matches!(told, Told::Health(health) if health.sessions == count));
    }
}
