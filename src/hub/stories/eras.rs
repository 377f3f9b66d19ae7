//! In which era a server is spoken to: as its entry says, or as a throw-away
//! process of it has told; and what is said of one that speaks the other.

use crate::config::checked::{Protocol, Scope};
use crate::event::{FromChild, Report, ServerId};
use crate::hub::stories::world::{World, plan};

/// A refusal of `initialize` by a server of the stateless era alone.
const STATELESS_ONLY: &str = r#"{"code":-32022,"message":"not in this era","data":{"supported":["2026-07-28"],"requested":"2025-11-25"}}"#;

/// A refusal of `server/discover` by a server that does not know it.
const UNKNOWN: &str = r#"{"code":-32601,"message":"Method not found"}"#;

/// A world with shared servers of this protocol, just started.
pub(super) fn speaking(names: &[&str], protocol: Protocol) -> World {
    let mut plan = plan(names);
    for server in plan.servers.iter_mut() {
        server.protocol = protocol;
    }
    World::new(plan)
}

/// A child answers its greeting with this error.
fn refuses(w: &mut World, name: &str, error: &str) {
    let id = w.wire_id(name, 1);
    w.says(
        name,
        &format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{error}}}"#),
    );
}

/// What a client is told that calls a tool of a server that is not up.
fn excuse(w: &mut World) -> String {
    w.connects_at("ann", "2025-11-25");
    w.pass(30.0);
    w.forget();
    w.calls("ann", "1", "git__x");
    w.pass(60.0);
    let messages = w.messages();
    let told = messages.iter().find(|message| message["id"] == 1);
    let told = told.expect("the call is answered");
    told["error"]["message"]
        .as_str()
        .unwrap_or_default()
        .to_owned()
}

#[test]
fn a_modern_server_is_discovered_and_not_initialized() {
    let mut w = speaking(&["git"], Protocol::Modern);
    w.forget();
    w.spawned("git.1");
    let greeting = w.messages().remove(0);
    assert_eq!(greeting["method"], "server/discover");
    let meta = &greeting["params"]["_meta"];
    let of = |key: &str| &meta[format!("io.modelcontextprotocol/{key}")];
    assert_eq!(*of("protocolVersion"), "2026-07-28");
    assert_eq!(of("clientInfo")["name"], "mcproxy");
    assert_eq!(
        *of("clientCapabilities"),
        serde_json::json!({
            "sampling": {"tools": {}, "context": {}},
            "elicitation": {"form": {}, "url": {}},
            "roots": {},
        })
    );
    assert!(of("logLevel").is_null());
    w.greets("git.1");
    w.expect(&["0.000s to git.1 #2 tools/list by mcproxy"]);
    w.lists("git.1", 2);
    w.pass(1_000.0);
    w.expect(&[]);
}

#[test]
fn what_a_modern_server_says_of_itself_is_what_its_view_says() {
    let mut w = speaking(&["git"], Protocol::Modern);
    w.offers.get_mut("git").expect("it is there").hello = r#","instructions":"Be kind.""#;
    w.serve("git.1");
    w.come("ann", crate::event::View::Server("git".into()));
    w.forget();
    w.posts(
        "ann",
        &crate::hub::stories::cast::initialize("0", "2025-11-25"),
    );
    let welcome = &w.messages().remove(0)["result"];
    assert_eq!(welcome["protocolVersion"], "2025-11-25");
    assert_eq!(welcome["serverInfo"]["name"], "s");
    assert_eq!(welcome["instructions"], "Be kind.");
}

#[test]
fn a_legacy_server_that_is_declared_modern_is_told_from_its_error() {
    let mut w = speaking(&["git"], Protocol::Modern);
    w.spawned("git.1");
    w.forget();
    refuses(&mut w, "git.1", UNKNOWN);
    w.expect(&["0.000s close git.1"]);
    w.dies("git.1");
    w.pass(1.0);
    w.spawned("git.2");
    w.forget();
    refuses(&mut w, "git.2", UNKNOWN);
    let told = excuse(&mut w);
    assert!(
        told.contains(
            r#"does not speak 2026-07-28, though its "protocol" is "modern" (answered with error -32601: "Method not found"); try "legacy" or "auto""#
        ),
        "{told}"
    );
}

#[test]
fn one_that_ends_at_the_greeting_or_never_answers_it_is_told_of_its_protocol() {
    let mut w = speaking(&["git"], Protocol::Modern);
    w.spawned("git.1");
    w.dies("git.1");
    let told = excuse(&mut w);
    assert!(
        told.contains(r#"exited with code 1; its "protocol" is "modern""#),
        "{told}"
    );
    let mut w = speaking(&["git"], Protocol::Modern);
    w.spawned("git.1");
    w.pass(60.0);
    let told = excuse(&mut w);
    assert!(
        told.contains(
            r#"has not answered "server/discover" within 60 s ("startup_timeout"); its "protocol" is "modern""#
        ),
        "{told}"
    );
}

#[test]
fn a_modern_server_that_is_declared_legacy_is_told_from_its_error() {
    let mut w = speaking(&["git"], Protocol::Legacy);
    w.spawned("git.1");
    refuses(&mut w, "git.1", STATELESS_ONLY);
    let told = excuse(&mut w);
    assert!(
        told.contains(
            r#"speaks 2026-07-28 only (answered with error -32022: "not in this era"); its "protocol" must be "modern" or "auto""#
        ),
        "{told}"
    );
}

#[test]
fn a_discovery_of_another_version_is_none() {
    let mut w = speaking(&["git"], Protocol::Modern);
    w.spawned("git.1");
    w.forget();
    w.answers("git.1", 1, r#"{"supportedVersions":["2027-01-01"]}"#);
    w.expect(&["0.000s close git.1"]);
    let told = excuse(&mut w);
    assert!(
        told.contains(
            r#"cannot be used: supportedVersions does not list 2026-07-28; its "protocol" is "modern""#
        ),
        "{told}"
    );
}

#[test]
fn a_throw_away_process_tells_that_a_server_is_stateless() {
    let mut w = speaking(&["git"], Protocol::Auto);
    w.expect(&["0.000s spawn git.1"]);
    w.spawned("git.1");
    w.expect(&["0.000s to git.1 #1 server/discover by mcproxy"]);
    w.greets("git.1");
    w.expect(&["0.000s close git.1"]);
    w.pass(0.1);
    w.dies("git.1");
    w.expect(&["0.100s bury git.1", "0.100s spawn git.2"]);
    w.spawned("git.2");
    w.expect(&["0.100s to git.2 #1 server/discover by mcproxy"]);
    w.greets("git.2");
    w.expect(&["0.100s to git.2 #2 tools/list by mcproxy"]);
    w.lists("git.2", 2);
    // It is known from now on.
    w.dies("git.2");
    w.pass(1.0);
    w.forget();
    w.serve("git.3");
    w.expect(&[
        "1.100s to git.3 #1 server/discover by mcproxy",
        "1.100s to git.3 #2 tools/list by mcproxy",
    ]);
}

#[test]
fn a_refusal_that_names_our_version_is_an_answer_of_the_stateless_era() {
    let mut w = speaking(&["git"], Protocol::Auto);
    w.spawned("git.1");
    refuses(&mut w, "git.1", STATELESS_ONLY);
    w.dies("git.1");
    w.spawned("git.2");
    w.expect_of(
        "#1",
        &[
            "0.000s to git.1 #1 server/discover by mcproxy",
            "0.000s to git.2 #1 server/discover by mcproxy",
        ],
    );
}

#[test]
fn any_other_error_an_end_or_five_seconds_of_silence_tell_of_the_handshake_era() {
    let other = r#"{"code":-32022,"message":"m","data":{"supported":["2025-11-25"]}}"#;
    let tellings: [&dyn Fn(&mut World); 5] = [
        &|w| refuses(w, "git.1", UNKNOWN),
        &|w| refuses(w, "git.1", other),
        &|w| w.answers("git.1", 1, "{}"),
        &|w| w.pass(5.0),
        &|_| (),
    ];
    for (place, tells) in tellings.iter().enumerate() {
        let mut w = speaking(&["git"], Protocol::Auto);
        w.spawned("git.1");
        tells(&mut w);
        w.dies("git.1");
        w.forget();
        w.spawned("git.2");
        let now = w.now;
        w.expect(&[&format!("{now} to git.2 #1 initialize")]);
        w.serve("git.2");
        // It is known from now on.
        w.dies("git.2");
        w.pass(1.0);
        w.forget();
        w.spawned("git.3");
        let trace = w.trace();
        assert!(trace[0].ends_with("#1 initialize"), "{place}: {trace:?}");
    }
}

#[test]
fn silence_is_broken_off_after_five_seconds_and_the_process_asked_to_go() {
    let mut w = speaking(&["git"], Protocol::Auto);
    w.spawned("git.1");
    w.forget();
    w.pass(25.0);
    w.expect(&[
        "5.000s close git.1",
        "7.000s term git.1",
        "25.000s kill git.1",
    ]);
    w.dies("git.1");
    w.expect(&["25.000s bury git.1", "25.000s spawn git.2"]);
}

#[test]
fn one_that_closes_its_output_or_does_not_read_has_told_as_much() {
    let words: [fn() -> FromChild; 2] = [|| FromChild::OutputEnded, || FromChild::NotReading];
    for (word, closed) in words.into_iter().zip([1, 0]) {
        let mut w = speaking(&["git"], Protocol::Auto);
        w.spawned("git.1");
        w.child("git.1", word());
        w.pass(1.0);
        w.expect_of("close", &[&format!("{closed}.000s close git.1")]);
        w.exits("git.1");
        w.pass(1.0);
        w.spawned("git.2");
        w.expect_of("git.2 #1", &[&format!("{} to git.2 #1 initialize", w.now)]);
    }
}

#[test]
fn a_start_that_fails_in_the_era_found_makes_it_be_asked_again() {
    let mut w = speaking(&["git"], Protocol::Auto);
    w.spawned("git.1");
    w.pass(5.0);
    w.dies("git.1");
    w.spawned("git.2");
    w.forget();
    refuses(&mut w, "git.2", UNKNOWN);
    w.dies("git.2");
    w.pass(1.0);
    w.spawned("git.3");
    w.expect(&[
        "5.000s close git.2",
        "5.000s bury git.2",
        "6.000s spawn git.3",
        "6.000s to git.3 #1 server/discover by mcproxy",
    ]);
    w.greets("git.3");
    w.dies("git.3");
    w.forget();
    w.serve("git.4");
    w.expect(&[
        "6.000s to git.4 #1 server/discover by mcproxy",
        "6.000s to git.4 #2 tools/list by mcproxy",
    ]);
}

#[test]
fn one_too_slow_for_the_probe_tells_its_era_when_it_is_greeted() {
    let mut w = speaking(&["git"], Protocol::Auto);
    w.spawned("git.1");
    w.pass(5.0);
    w.dies("git.1");
    w.spawned("git.2");
    w.pass(10.0);
    refuses(&mut w, "git.2", STATELESS_ONLY);
    w.dies("git.2");
    w.pass(1.0);
    w.forget();
    // Another probe would take as long, and tell as little.
    w.serve("git.3");
    w.expect(&[
        "16.000s to git.3 #1 server/discover by mcproxy",
        "16.000s to git.3 #2 tools/list by mcproxy",
    ]);
}

#[test]
fn calls_and_lists_wait_while_the_era_is_found_out() {
    let mut w = speaking(&["git"], Protocol::Auto);
    w.connects_at("ann", "2025-11-25");
    w.forget();
    w.calls("ann", "1", "git__x");
    w.spawned("git.1");
    w.greets("git.1");
    w.dies("git.1");
    w.inquires("eve", Report::Ready);
    w.expect_of(
        "told",
        &[r#"0.000s eve.1 told Ready(Reasons(["server \"git\" is starting"]))"#],
    );
    w.serve("git.2");
    w.expect_of(
        "tools/call",
        &[r#"0.000s to git.2 #3 tools/call {"name":"x"} by c at debug"#],
    );
    w.answers("git.2", 3, r#"{"resultType":"complete"}"#);
    w.expect(&[r#"0.000s ann.2 answer 1 {"resultType":"complete"} last"#]);
}

#[test]
fn a_throw_away_process_is_not_listened_to() {
    use crate::hub::stories::cast::{notice, request};
    let mut w = speaking(&["git"], Protocol::Auto);
    w.connect(&["ann"]);
    w.listens("ann", None);
    w.spawned("git.1");
    w.forget();
    w.says("git.1", &notice("notifications/tools/list_changed", ""));
    w.says(
        "git.1",
        &notice("notifications/message", r#"{"data":1,"level":"error"}"#),
    );
    w.says("git.1", &request("1", "ping", ""));
    w.greets("git.1");
    w.says("git.1", &notice("notifications/tools/list_changed", ""));
    w.says("git.1", &request("2", "ping", ""));
    w.pass(1.0);
    w.expect(&["0.000s close git.1"]);
}

#[test]
fn a_stop_ends_a_throw_away_process_and_starts_no_other() {
    for asked in [false, true] {
        let mut w = speaking(&["git"], Protocol::Auto);
        w.spawned("git.1");
        if asked {
            w.greets("git.1");
        }
        w.forget();
        w.stop();
        w.dies("git.1");
        w.expect_of("spawn", &[]);
        assert!(w.finished);
    }
}

#[test]
fn one_that_was_on_its_way_out_gets_no_more_time_than_others_at_the_stop() {
    let mut w = speaking(&["git"], Protocol::Auto);
    w.spawned("git.1");
    w.greets("git.1");
    w.forget();
    w.stop();
    w.pass(1.2);
    w.expect(&["0.500s term git.1", "1.200s kill git.1"]);
}

#[test]
fn what_one_process_of_a_server_has_told_holds_for_all_of_them() {
    let mut plan = plan(&["pad"]);
    plan.servers[0].protocol = Protocol::Auto;
    plan.servers[0].scope = Scope::Session;
    let mut w = World::new(plan);
    w.spawned("pad.1");
    w.greets("pad.1");
    w.dies("pad.1");
    w.serve("pad.2");
    w.pass(0.2);
    w.connect(&["ann"]);
    w.calls("ann", "1", "pad__x");
    w.expect(&["0.200s spawn pad.3"]);
    w.serve("pad.3");
    // It is introduced with the session's own client, in each request.
    w.expect_of(
        "to pad.3",
        &[
            "0.200s to pad.3 #1 server/discover by c",
            "0.200s to pad.3 #2 tools/list by c",
            r#"0.200s to pad.3 #3 tools/call {"name":"x"} by c at debug"#,
        ],
    );
}

#[test]
fn a_call_that_waits_is_given_the_time_that_finding_out_takes() {
    let mut plan = plan(&["git"]);
    plan.servers[0].protocol = Protocol::Auto;
    plan.servers[0].startup_timeout = std::time::Duration::from_secs(1);
    plan.servers[0].timeout = std::time::Duration::from_secs(1);
    let mut w = World::new(plan);
    w.offers.get_mut("git").expect("it is there").tools = vec!["x".into()];
    w.connects_at("ann", "2025-11-25");
    // Its tools are known from a life before.
    w.spawned("git.1");
    w.greets("git.1");
    w.dies("git.1");
    w.serve("git.2");
    w.dies("git.2");
    w.pass(1.0);
    w.dies("git.3");
    w.pass(2.0);
    w.spawned("git.4");
    w.calls("ann", "1", "git__x");
    w.forget();
    w.pass(5.0);
    w.expect(&["8.000s close git.4"]);
    w.dies("git.4");
    w.serve("git.5");
    w.expect_of("call", &[r#"8.000s to git.5 #3 tools/call {"name":"x"}"#]);
}

#[test]
fn what_a_throw_away_process_left_unsaid_is_no_fault_of_its_server() {
    let mut w = speaking(&["git"], Protocol::Auto);
    w.spawned("git.1");
    w.pass(5.0);
    w.dies("git.1");
    w.serve("git.2");
    w.stop();
    let state = w.hub.state_of(ServerId(0));
    assert_eq!(state.reason.as_deref(), Some("it was stopped"));
}
