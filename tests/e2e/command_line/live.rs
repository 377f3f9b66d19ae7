//! `mcproxy check --live`: the servers started for once, and what of theirs clients would see.

use serde_json::{Value, json};

use crate::e2e::scene::{fault, fault_with};
use crate::harness::gateway::{Finished, Setup};

/// Runs `check --live` on these servers, of which a start that fails is given up at once.
fn live(servers: &[Value]) -> Finished {
    let limits = json!({"max_reconnect_attempts": 1, "reconnect_delay": "10ms"});
    let config = json!({"limits": limits, "servers": servers});
    Setup::with_config(config.to_string()).run(&["check", "--live"])
}

/// What is printed of a server: the lines from its own heading to the next empty one.
fn part<'a>(ended: &'a Finished, server: &str, state: &str) -> Vec<&'a str> {
    let heading = format!("{server}: {state}");
    let lines = ended.stdout.lines().skip_while(|line| *line != heading);
    let part: Vec<&str> = lines.take_while(|line| !line.is_empty()).collect();
    assert!(!part.is_empty(), "no {heading:?} in {}", ended.stdout);
    part
}

/// The cells of the row of that kind and original name; no cell of it holds two blanks.
fn row<'a>(part: &[&'a str], kind: &str, original: &str) -> Vec<&'a str> {
    let cells = |line: &&'a str| -> Vec<&'a str> {
        let cells = line.split("  ").map(str::trim);
        cells.filter(|cell| !cell.is_empty()).collect()
    };
    let row = part.iter().map(cells).find(|cells| {
        let head = [kind, original];
        cells.len() > head.len() && cells[..2] == head
    });
    row.unwrap_or_else(|| panic!("no row of {original:?}: {part:#?}"))
}

/// `stem`, `_` and eight hexadecimal digits.
fn assert_hashed(name: &str, stem: &str) {
    let digits = name.strip_prefix(stem).and_then(|it| it.strip_prefix('_'));
    let is_hash = |digits: &str| digits.len() == 8 && digits.bytes().all(|b| b.is_ascii_hexdigit());
    assert!(
        digits.is_some_and(is_hash),
        "{name} is not {stem}_ and a hash"
    );
}

#[test]
fn every_name_is_shown_with_its_length_and_what_became_of_it() {
    let (long, near) = ("l".repeat(64), "n".repeat(46));
    let tools = ["--tool", &long, "--tool", &near, "--tool", "read file"];
    let rename = json!({"rename": {"echo": "say"}});
    let ended = live(&[fault_with("a", &tools, "tools", rename)]);
    assert_eq!(ended.status.code(), Some(0), "{ended:?}");
    let part = part(&ended, "a", "ready");
    assert_eq!(
        row(&part, "tool", "whoami"),
        ["tool", "whoami", "a__whoami", "9"]
    );
    assert_eq!(
        row(&part, "tool", "echo"),
        ["tool", "echo", "a__say", "6", "renamed"]
    );
    let near_served = format!("a__{near}");
    assert_eq!(
        row(&part, "tool", &near),
        ["tool", &near, &near_served, "49", "over 48"]
    );
    let cut = row(&part, "tool", &long);
    assert_hashed(cut[2], &format!("a__{}", "l".repeat(52)));
    assert_eq!(cut[3..], ["64", "shortened, over 48"]);
    let spelt = row(&part, "tool", "read file");
    assert_hashed(spelt[2], "a__read_file");
    assert_eq!(spelt[3..], ["21", "hashed for its characters"]);
    assert_eq!(
        row(&part, "prompt", "greet"),
        ["prompt", "greet", "a__greet", "8"]
    );
    let resource = row(&part, "resource", "fault://static");
    assert_eq!(resource[2..], ["as it is", "-"]);
    assert!(
        ended.stdout.contains("http://127.0.0.1:12009/mcp"),
        "{ended:?}"
    );
    let warning = "warning: server \"a\": 2 names are longer than 48 characters";
    assert!(ended.stderr.starts_with(warning), "{}", ended.stderr);
    assert_eq!(ended.stderr.lines().count(), 1, "{}", ended.stderr);
}

#[test]
fn names_that_collide_are_the_same_whatever_the_order() {
    let bare = |name: &str| fault_with(name, &["--tool", name], "prefix", json!(""));
    let served = |servers: [Value; 2]| {
        let ended = live(&servers);
        assert_eq!(ended.status.code(), Some(0), "{ended:?}");
        ["a", "b"].map(|server| {
            let part = part(&ended, server, "ready");
            let own = row(&part, "tool", server);
            assert_eq!(own[2], server, "nobody else has it");
            let echo = row(&part, "tool", "echo");
            assert_hashed(echo[2], "echo");
            assert_eq!(echo[4], "hashed, for it is there twice");
            echo[2].to_owned()
        })
    };
    let names = served([bare("a"), bare("b")]);
    assert_ne!(names[0], names[1]);
    assert_eq!(served([bare("b"), bare("a")]), names);
}

#[test]
fn what_is_left_out_is_said_of_its_server_alone() {
    let long = "k".repeat(9_000);
    let tools = ["--bad-tool", "--tool", "echo", "--tool", &long];
    let hidden = json!({"deny": ["whoami"]});
    let ended = live(&[
        fault_with("odd", &tools, "tools", hidden),
        fault("good", &[]),
    ]);
    assert_eq!(ended.status.code(), Some(0), "{ended:?}");
    let odd = part(&ended, "odd", "ready");
    let said: Vec<&str> = odd
        .iter()
        .copied()
        .filter(|line| line.starts_with("! "))
        .collect();
    assert_eq!(said.len(), 5, "{said:#?}");
    let sentences = [
        "! tool \"schema_is_a_number\": inputSchema is not an object; left out",
        "! tool number 3 of its page: it has no \"name\"; left out",
        "! tool number 4 of its page: it is not an object; left out",
        "! tool \"echo\" is listed twice; the second is left out",
    ];
    for sentence in sentences {
        assert!(said.contains(&sentence), "no {sentence}: {said:#?}");
    }
    assert!(
        said.iter().any(|line| line.contains("9000 bytes")),
        "{said:#?}"
    );
    let good = part(&ended, "good", "ready");
    // Both fault servers have this one; the list shows the first one's.
    let shared = "! resource \"fault://static\" is listed by server \"odd\" too; it is shown once, \
                  and read at the servers' own endpoints only";
    let said: Vec<&str> = good
        .iter()
        .copied()
        .filter(|line| line.starts_with("! "))
        .collect();
    assert!(said.contains(&shared), "{said:#?}");
    assert!(!said.iter().any(|line| line.contains("tool")), "{said:#?}");
    assert!(
        !odd.iter().any(|line| line.contains("whoami")),
        "what is denied is no news: {odd:#?}"
    );
}

#[test]
fn a_server_that_does_not_start_is_said_with_its_reason() {
    let ended = live(&[
        fault("good", &[]),
        fault("bad", &["--exit-at-start", "7"]),
        fault_with(
            "mute",
            &["--never-initialize"],
            "startup_timeout",
            json!("200ms"),
        ),
        fault("listless", &["--tools-list-error"]),
        fault_with("off", &[], "enabled", json!(false)),
        json!({"name": "typo", "command": "no-such-program-anywhere"}),
    ]);
    assert_eq!(ended.status.code(), Some(1), "{ended:?}");
    row(&part(&ended, "good", "ready"), "tool", "echo");
    part(&ended, "off", "disabled");
    part(&ended, "typo", "misconfigured");
    let listless = part(&ended, "listless", "degraded");
    assert!(
        listless
            .iter()
            .any(|line| line.starts_with("! tools/list failed: ")),
        "{listless:#?}"
    );
    for (server, why) in [
        ("bad", "exited with code 7"),
        ("mute", "has not answered \"initialize\" within 0.2 s"),
        (
            "typo",
            "command: \"no-such-program-anywhere\" is not on PATH",
        ),
    ] {
        let mut lines = ended.stderr.lines();
        let is_told = lines.any(|line| {
            line.starts_with("error: ")
                && line.contains(&format!("{server:?}"))
                && line.contains(why)
        });
        assert!(is_told, "{server}: {}", ended.stderr);
    }
    assert!(!ended.stderr.contains("\"listless\""), "{}", ended.stderr);
}

#[test]
fn one_that_takes_its_time_is_waited_for_but_not_for_ever() {
    let config = json!({
        "limits": {"connection_timeout": "2s"},
        "servers": [fault("never", &["--never-initialize"]), fault("late", &["--slow-start", "100"])],
    });
    let ended = Setup::with_config(config.to_string()).run(&["check", "--live"]);
    assert_eq!(ended.status.code(), Some(1), "{ended:?}");
    row(&part(&ended, "late", "ready"), "tool", "echo");
    part(&ended, "never", "starting");
    let why = "error: server \"never\" is not up: it has not started within 2 s \
               (\"connection_timeout\")";
    assert_eq!(ended.stderr, why);
}

#[test]
fn without_live_nothing_is_started() {
    let setup = Setup::with_config("");
    let starts = setup.folder().join("starts");
    let flags = ["--count-starts", starts.to_str().expect("it is UTF-8")];
    let config = json!({"servers": [fault("good", &flags)]});
    let setup = setup.config(config.to_string());
    let ended = setup.run(&["check"]);
    assert_eq!(ended.status.code(), Some(0), "{ended:?}");
    assert!(!starts.exists(), "check started a server");
    assert!(!ended.stdout.contains("echo"), "{}", ended.stdout);
    setup.run(&["check", "--live"]);
    assert!(starts.exists());
}

/// Gateways keep what servers offered, to show it before they are started; here that would be a
/// lie.
#[test]
fn what_servers_offered_before_is_not_taken_for_what_they_offer_now() {
    let setup = Setup::with_config("");
    let broken = setup.folder().join("broken");
    let entry = |name: &str, start: &str| {
        let mut entry = fault_with(name, &[], "start", json!(start));
        let script = "test -e \"$0\" && exit 7; exec \"$1\"";
        entry["args"] = json!(["-c", script, broken, entry["command"]]);
        entry["command"] = json!("sh");
        entry
    };
    let limits = json!({"max_reconnect_attempts": 1, "reconnect_delay": "10ms"});
    let servers = [entry("lazy", "lazy"), entry("eager", "eager")];
    let config = json!({"limits": limits, "servers": servers});
    let setup = setup.config(config.to_string());
    // The second time, both are remembered of the first.
    for _ in 0..2 {
        let ended = setup.run(&["check", "--live"]);
        assert_eq!(ended.status.code(), Some(0), "{ended:?}");
        for server in ["lazy", "eager"] {
            row(&part(&ended, server, "ready"), "tool", "echo");
        }
    }
    std::fs::write(&broken, "").expect("the folder can be written");
    let ended = setup.run(&["check", "--live"]);
    assert_eq!(ended.status.code(), Some(1), "{ended:?}");
    for server in ["lazy", "eager"] {
        let part = part(&ended, server, "parked");
        assert_eq!(part.len(), 1, "{part:#?}");
        let why = format!("error: server {server:?} is not up: exited with code 7");
        assert!(ended.stderr.contains(&why), "{}", ended.stderr);
    }
    let ended = setup.run(&["tools"]);
    assert!(!ended.stdout.contains("echo"), "{}", ended.stdout);
}
