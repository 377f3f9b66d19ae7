//! A server that the gateway stops itself, for whatever reason, leaves nothing behind either:
//! neither what ignores SIGTERM nor what has left its group.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

use crate::e2e::processes::{assert_all_go, assert_revives, daemons};
use crate::e2e::scene::{
    assert_echo, client, fault, gateway, pid_of, setup, wait_for_log, wait_for_state, with,
};
use crate::harness::gateway::Gateway;
use crate::harness::process::is_alive;
use crate::harness::{Deadline, PATIENCE, fixture};

/// One that neither ends with its stdin nor on SIGTERM.
fn deaf(name: &str) -> Value {
    fault(name, &["--ignore-term", "--ignore-eof"])
}

#[test]
fn a_server_that_is_stopped_for_idleness_takes_all_of_its_own_with_it() {
    let bad = with(deaf("bad"), "idle_stop", json!("1s"));
    let gateway = gateway(&json!({}), &[fault("good", &[]), bad]);
    let mut client = client(&gateway, "/mcp");
    let others = daemons(&mut client, "good");
    for _ in 0..2 {
        let leader = pid_of(&mut client, "bad");
        let daemons = daemons(&mut client, "bad");
        wait_for_state(&gateway, "bad", "stopped");
        assert_all_go(&gateway, &[leader]);
        assert_all_go(&gateway, &daemons);
        // The next call starts it anew.
        assert_echo(&mut client, "bad");
    }
    assert!(others.iter().all(|&pid| is_alive(pid)), "another server's");
}

/// Taken out of the configuration, or changed in it: the old process goes either way.
#[test]
fn a_server_that_a_reload_stops_takes_all_of_its_own_with_it() {
    let gateway = gateway(&json!({}), &[fault("good", &[]), deaf("bad")]);
    let mut client = client(&gateway, "/mcp");
    let others = daemons(&mut client, "good");
    let changed = with(deaf("bad"), "env", json!({"CHANGED": "1"}));
    for (reload, servers) in [
        (1, vec![fault("good", &[]), changed]),
        (2, vec![fault("good", &[])]),
    ] {
        let leader = pid_of(&mut client, "bad");
        let daemons = daemons(&mut client, "bad");
        let config = json!({"limits": {}, "servers": servers});
        gateway.rewrite_config(&config.to_string());
        kill(Pid::from_raw(gateway.pid()), Signal::SIGHUP).expect("it runs");
        assert_all_go(&gateway, &[leader]);
        assert_all_go(&gateway, &daemons);
        if reload == 1 {
            assert_revives(&mut client, "bad");
        }
    }
    assert!(others.iter().all(|&pid| is_alive(pid)), "another server's");
    assert_echo(&mut client, "good");
}

/// Nobody is left to stop them then: they end because their stdin does. (One that ignores even
/// that stays; a service manager or a container takes it with the rest.)
#[test]
fn servers_end_by_themselves_when_the_gateway_is_killed() {
    let own = with(fault("own", &[]), "scope", json!("session"));
    let gateway = gateway(&json!({}), &[fault("good", &["--ignore-term"]), own]);
    let mut client = client(&gateway, "/mcp");
    assert_echo(&mut client, "good");
    assert_echo(&mut client, "own");
    assert!(gateway.processes().len() > 3, "{:?}", gateway.processes());
    // Asserts that nothing is left.
    gateway.stop_with(Signal::SIGKILL);
}

#[test]
fn a_server_that_hangs_and_is_replaced_takes_all_of_its_own_with_it() {
    let limits = json!({"reconnect_delay": "20ms", "keepalive_interval": "200ms"});
    let gateway = gateway(&limits, &[deaf("bad")]);
    let mut client = client(&gateway, "/mcp");
    let leader = pid_of(&mut client, "bad");
    let daemons = daemons(&mut client, "bad");
    kill(Pid::from_raw(leader), Signal::SIGSTOP).expect("it was alive");
    wait_for_log(&gateway, "bad: has not answered two pings");
    assert_all_go(&gateway, &[leader]);
    assert_all_go(&gateway, &daemons);
    assert_revives(&mut client, "bad");
}

/// A script that starts what a real server's launcher does before it ever answers.
#[test]
fn a_server_that_never_becomes_ready_takes_all_of_its_own_with_it() {
    let setup = setup(&json!({}), &[]);
    let script = setup.folder().join("script");
    let program = fixture("fault_server");
    let text = format!(
        "trap '' TERM\nsetsid sh -c 'trap \"\" TERM; sleep 1000; :' &\nsleep 1000 &\n\
         '{}' --name bad --never-initialize --ignore-eof --ignore-term\nsleep 1000\n",
        program.display()
    );
    std::fs::write(&script, text).unwrap();
    let bad = json!({
        "name": "bad", "command": "sh", "args": [script], "startup_timeout": "1500ms",
    });
    let limits = json!({"max_reconnect_attempts": 1});
    let config = json!({"limits": limits, "servers": [bad, fault("good", &[])]});
    let gateway = setup.config(config.to_string()).start();
    let all_run = Deadline::after(PATIENCE).poll(|| {
        let sleeping = of_bad(&gateway).into_iter();
        (sleeping.filter(|(_, it)| it.starts_with("sleep")).count() == 2).then_some(())
    });
    assert!(all_run.is_some(), "{:?}", of_bad(&gateway));
    // A start that took too long has 20 s to take back what it has done.
    let leader = |(_, command): &(i32, String)| command.contains("--never-initialize");
    let killed =
        Deadline::after(2 * PATIENCE).poll(|| (!of_bad(&gateway).iter().any(leader)).then_some(()));
    assert!(killed.is_some(), "{:?}", of_bad(&gateway));
    wait_for_state(&gateway, "bad", "parked");
    let gone = Deadline::after(PATIENCE).poll(|| of_bad(&gateway).is_empty().then_some(()));
    assert!(gone.is_some(), "left behind: {:?}", of_bad(&gateway));
    assert_echo(&mut client(&gateway, "/mcp"), "good");
}

/// All processes but the gateway's own and the good server's.
fn of_bad(gateway: &Gateway) -> Vec<(i32, String)> {
    let mut all = gateway.processes();
    all.retain(|(pid, command)| *pid != gateway.pid() && !command.contains("--name good"));
    all
}
