//! One entry: its settings, what can be wrong with them, and that nobody else is harmed.

use super::*;
use crate::config::checked::{Protocol, Scope, ToolRules};
use crate::config::glob::Glob;
use crate::config::keys;
use proptest::prelude::*;
use std::time::Duration;

#[test]
fn defaults() {
    let loaded = one(r#""args": []"#);
    let server = only(&loaded);
    assert_eq!((server.name.as_str(), server.prefix.as_str()), ("x", "x"));
    assert_eq!(server.scope, Scope::Shared);
    assert_eq!(server.protocol, Protocol::Legacy);
    assert_eq!(server.tools, ToolRules::default());
    assert_eq!(server.startup_timeout, Duration::from_secs(60));
    assert_eq!(server.timeout, Duration::from_secs(30));
    assert_eq!(server.max_concurrent, 1000);
    assert_eq!(command(server).cwd, None);
}

#[test]
fn every_setting_is_read() {
    let loaded = one(
        r#""prefix": "", "scope": "session", "protocol": "modern", "startup_timeout": "2m", "timeout": 0.25,
        "max_concurrent": 3, "cwd": "sub", "type": "stdio", "enabled": true, "disabled": false,
        "tools": {"allow": ["read_*"], "deny": ["*_all"], "rename": {"read_it": "look"}}"#,
    );
    let server = only(&loaded);
    assert_eq!(server.prefix, "");
    assert_eq!(server.scope, Scope::Session);
    assert_eq!(server.protocol, Protocol::Modern);
    assert_eq!(server.startup_timeout, Duration::from_secs(120));
    assert_eq!(server.timeout, Duration::from_millis(250));
    assert_eq!(server.max_concurrent, 3);
    assert_eq!(server.tools.allow, [Glob::new("read_*")]);
    assert_eq!(server.tools.deny, [Glob::new("*_all")]);
    assert_eq!(server.tools.rename["read_it"], "look");
    assert_eq!(
        command(server).cwd.as_deref(),
        Some(Path::new("/project/sub"))
    );
    assert!(loaded.warnings.is_empty());
}

#[test]
fn each_era_has_its_word() {
    for (word, protocol) in [
        ("legacy", Protocol::Legacy),
        ("modern", Protocol::Modern),
        ("auto", Protocol::Auto),
    ] {
        let loaded = one(&format!(r#""protocol": "{word}""#));
        assert_eq!(only(&loaded).protocol, protocol, "{word}");
    }
}

#[test]
fn tools_are_admitted_by_allow_and_refused_by_deny() {
    let rules = |allow: &[&str], deny: &[&str]| ToolRules {
        allow: allow.iter().map(|pattern| Glob::new(pattern)).collect(),
        deny: deny.iter().map(|pattern| Glob::new(pattern)).collect(),
        ..ToolRules::default()
    };
    assert!(rules(&[], &[]).admits("anything"));
    assert!(rules(&["read_*", "list"], &[]).admits("list"));
    assert!(!rules(&["read_*"], &[]).admits("write"));
    assert!(!rules(&["read_*"], &["*_all"]).admits("read_all"));
    assert!(!rules(&[], &["*"]).admits("anything"));
}

#[test]
fn an_error_in_one_entry_harms_no_other() {
    let text = r#"{"servers": [
        {"name": "bad", "command": "${NOWHERE}", "timeout": "soon", "env": {"K": "${ALSO_UNSET}"}},
        {"name": "good", "command": "node"},
        "not even an object"
    ]}"#;
    let loaded = loaded(text);
    assert!(
        matches!(&loaded.config.servers[0].state, Launch::Misconfigured(reasons) if reasons.len() == 3)
    );
    assert_eq!(
        command(&loaded.config.servers[1]).program,
        Path::new("/usr/bin/node")
    );
    assert_eq!(loaded.config.servers[2].name, "servers[2]");
    let expected = [
        "f.json: server \"bad\": timeout: is \"soon\", write seconds as a number, or a string like \
         \"500ms\", \"30s\", \"10m\" or \"2h\", from 1ms to 24h",
        "f.json: server \"bad\": env.K: ${ALSO_UNSET} is not set, set ALSO_UNSET in the environment of mcproxy or \
         write ${ALSO_UNSET:-default}",
        "f.json: server \"bad\": command: ${NOWHERE} is not set, set NOWHERE in the environment of mcproxy or \
         write ${NOWHERE:-default}",
        "f.json: server \"servers[2]\": is a string, write an object",
    ];
    assert_eq!(
        lines(&loaded.problems).lines().collect::<Vec<_>>(),
        expected
    );
}

/// Values that are right for some key and wrong for the others.
const VALUES: &[&str] = &[
    "null",
    "true",
    "false",
    "5",
    "-1",
    "1e300",
    "\"\"",
    "\"node\"",
    "\"stdio\"",
    "\"5s\"",
    "\"${HOME}/${\"",
    "[]",
    "[\"a\", 1]",
    "{}",
    "{\"allow\": {}, \"rename\": {\"a\": \"b\"}}",
];

/// Members of an entry, and how what is said about them begins.
const WRONG: &[(&str, &str)] = &[
    (
        r#""args": "x""#,
        "args: is a string, write an array of strings",
    ),
    (
        r#""args": ["a", 5]"#,
        "args[1]: is a number, write a string",
    ),
    (
        r#""env": []"#,
        "env: is an array, write an object of variables",
    ),
    (
        r#""env": {"A": {}}"#,
        "env.A: is an object, write a string, a number, a boolean or null",
    ),
    (
        r#""env": {"A": 1, "A": 2}"#,
        "env.A: is given twice, keep one",
    ),
    (
        r#""env": {"A=B": 1}"#,
        "env.A=B: is \"A=B\", write a name without = and NUL",
    ),
    (
        r#""args": ["a\u0000b"]"#,
        "args[0]: holds a NUL character, remove it",
    ),
    (
        r#""enabled": "no""#,
        "enabled: is a string, write true or false",
    ),
    (
        r#""enabled": true, "disabled": true"#,
        "enabled: contradicts \"disabled\", keep one of them",
    ),
    (
        r#""scope": "sesion""#,
        "scope: is \"sesion\", write \"session\"",
    ),
    (
        r#""scope": "zzz""#,
        "scope: is \"zzz\", write \"shared\" or \"session\"",
    ),
    (
        r#""protocol": "modren""#,
        "protocol: is \"modren\", write \"modern\"",
    ),
    (
        r#""protocol": "2026-07-28""#,
        "protocol: is \"2026-07-28\", write \"legacy\", \"modern\" or \"auto\"",
    ),
    (
        r#""protocol": true"#,
        "protocol: is a boolean, write a string",
    ),
    (r#""type": "local""#, "type: is \"local\", write \"stdio\""),
    (
        r#""url": "http://x""#,
        "url: contradicts \"command\", keep one of them",
    ),
    (
        r#""max_concurrent": 0"#,
        "max_concurrent: is 0, write a whole number from 1 to 100000",
    ),
    (
        r#""max_concurrent": 1.5"#,
        "max_concurrent: is 1.5, write a whole number",
    ),
    (
        r#""max_concurrent": -1"#,
        "max_concurrent: is -1, write a whole number from 1 to 100000",
    ),
    (
        r#""timeout": true"#,
        "timeout: is a boolean, write seconds as a number",
    ),
    (
        r#""timeout": 0"#,
        "timeout: is 0, write seconds as a number",
    ),
    (
        r#""timeout": -1"#,
        "timeout: is -1, write seconds as a number",
    ),
    (
        r#""timeout": 1e300"#,
        "timeout: is 1e300, write seconds as a number",
    ),
    (
        r#""prefix": "a__b""#,
        "prefix: is \"a__b\", write a name of letters",
    ),
    (
        r#""tools": {"rename": {"a": "b c"}}"#,
        "tools.rename.a: is \"b c\", write a name of letters",
    ),
    (
        r#""tools": {"rename": {"a*": "b"}}"#,
        "tools.rename.a*: is \"a*\", write the whole name of a tool",
    ),
    (
        r#""tools": {"rename": {"a": "c", "b": "c"}}"#,
        "tools.rename.b: is \"c\", write a name that no other tool is renamed to",
    ),
    (r#""tools": []"#, "tools: is an array, write an object"),
    (
        r#""envFile": "gone.env""#,
        "envFile: cannot be read (/project/gone.env: not there)",
    ),
    (
        r#""envFile": "broken.env""#,
        "envFile: line 2 of the file cannot be read, write NAME=value",
    ),
    (
        r#""envFile": "latin.env""#,
        "envFile: is not UTF-8 at line 2, save it as UTF-8",
    ),
    (
        r#""cwd": "gone""#,
        "cwd: \"/project/gone\" is no directory, create it or write another",
    ),
];

#[test]
fn wrong_types_and_values_are_named() {
    for (members, message) in WRONG {
        let printed = faults(members);
        let start = format!("f.json: server \"x\": {message}");
        assert!(
            printed.starts_with(&start),
            "{members}:\n{printed}instead of\n{start}"
        );
        assert_eq!(printed.lines().count(), 1, "{printed}");
        assert!(!printed.contains("hunter2"));
    }
}

#[test]
fn seconds_that_look_like_milliseconds_are_asked_about() {
    let loaded = one(r#""timeout": 60000"#);
    assert_eq!(only(&loaded).timeout, Duration::from_secs(60_000));
    assert_eq!(
        lines(&loaded.warnings),
        "f.json: server \"x\": timeout: is 60000 seconds, write \"60000ms\" if milliseconds were meant\n"
    );
}

#[test]
fn a_disabled_server_is_nobodys_concern() {
    let loaded =
        one(r#""enabled": false, "args": 5, "cwd": "gone", "timout": 1, "env": {"A": "${X}"}"#);
    assert_eq!(only(&loaded).state, Launch::Disabled);
    assert!(loaded.problems.is_empty() && loaded.warnings.is_empty());
}

#[test]
fn null_counts_as_not_written() {
    let loaded = one(r#""args": null, "cwd": null, "timeout": null, "tools": null, "url": null"#);
    assert_eq!(lines(&loaded.problems), "");
    assert_eq!(only(&loaded).timeout, Duration::from_secs(30));
}

#[test]
fn names_are_checked() {
    let long = "n".repeat(65);
    for bad in ["", "a__b", ".", "..", &long] {
        let text = format!(r#"{{"mcpServers": {{"{bad}": {{"command": "node"}}}}}}"#);
        let loaded = loaded(&text);
        let printed = lines(&loaded.problems);
        let start = format!("f.json: server {bad:?}: name: is {bad:?}, write a name of letters");
        assert!(printed.starts_with(&start), "{printed}");
        assert!(matches!(only(&loaded).state, Launch::Misconfigured(_)));
    }
    for good in ["a", "A-b_c.d", "...", &long[1..]] {
        let text = format!(r#"{{"mcpServers": {{"{good}": {{"command": "node"}}}}}}"#);
        assert!(loaded(&text).problems.is_empty(), "{good}");
    }
}

#[test]
fn names_of_other_clients_files_are_served_as_near_as_can_be() {
    let loaded = loaded(
        r#"{"mcpServers": {"time server": {"command": "node"}, "a/ü": {"command": "node"}}}"#,
    );
    assert!(loaded.problems.is_empty());
    let names: Vec<&str> = loaded
        .config
        .servers
        .iter()
        .map(|s| s.name.as_str())
        .collect();
    assert_eq!(names, ["time-server", "a--"]);
    assert_eq!(
        lines(&loaded.warnings),
        "f.json: server \"time server\": name: is served as \"time-server\"\n\
         f.json: server \"a/ü\": name: is served as \"a--\"\n"
    );
    let own = r#"{"servers": [{"name": "time server", "command": "node"}]}"#;
    assert!(
        lines(&crate::config::tests::loaded(own).problems).contains("name: is \"time server\"")
    );
}

#[test]
fn a_list_needs_names_and_a_map_has_them() {
    let loaded_list =
        loaded(r#"{"servers": [{"command": "node"}, {"name": 5, "command": "node"}]}"#);
    assert_eq!(
        lines(&loaded_list.problems),
        "f.json: server \"servers[0]\": name: is missing, write a name of your choice\n\
         f.json: server \"servers[1]\": name: is a number, write a string\n"
    );
    let text = r#"{"servers": {"a": {"name": "a", "command": "node"}, "b": {"name": "B!", "command": "node"}}}"#;
    let loaded_map = loaded(text);
    assert!(loaded_map.problems.is_empty());
    assert_eq!(
        lines(&loaded_map.warnings),
        "f.json: server \"b\": name: is ignored, the key names the server\n"
    );
}

#[test]
fn commands_are_found_before_they_are_tried() {
    let program = |members: &str| {
        let loaded = loaded(&format!(r#"{{"mcpServers": {{"x": {{{members}}}}}}}"#));
        assert_eq!(lines(&loaded.problems), "");
        command(only(&loaded))
            .program
            .to_str()
            .expect("they are ASCII")
            .to_owned()
    };
    assert_eq!(program(r#""command": "node""#), "/usr/bin/node");
    assert_eq!(program(r#""command": "./run.sh""#), "/project/run.sh");
    assert_eq!(
        program(r#""command": "./run.sh", "cwd": "./sub""#),
        "/project/sub/run.sh"
    );
    assert_eq!(
        program(r#""command": "/usr/bin/npx", "cwd": "sub""#),
        "/usr/bin/npx"
    );
    assert_eq!(program(r#""command": "${MCPROXY}""#), "/bin/mcproxy");
    assert_eq!(
        program(r#""command": "special", "env": {"PATH": "/opt/tools:${PATH}"}"#),
        "/opt/tools/special"
    );
    assert_eq!(
        program(r#""command": "special", "envFile": ".env""#),
        "/opt/tools/special"
    );
    assert_eq!(
        program(r#""command": "here", "cwd": "sub", "env": {"PATH": ":/usr/bin"}"#),
        "/project/sub/here"
    );
}

#[test]
fn commands_that_are_not_there_are_named_with_the_path_searched() {
    let said = |members: &str| {
        let text = format!(r#"{{"mcpServers": {{"x": {{{members}}}}}}}"#);
        let printed = lines(&loaded(&text).problems);
        printed
            .strip_prefix("f.json: server \"x\": ")
            .expect("it is x's")
            .to_owned()
    };
    assert_eq!(
        said(r#""args": []"#),
        "command: is missing, write the program that starts the server\n"
    );
    assert_eq!(
        said(r#""command": " ""#),
        "command: is empty, write the program that starts the server\n"
    );
    assert_eq!(
        said(r#""command": "uvx""#),
        "command: \"uvx\" is not on PATH (searched \"/usr/local/bin:/usr/bin\"), \
         install it or write its absolute path\n"
    );
    assert_eq!(
        said(r#""command": "npx -y foo""#),
        "command: \"npx -y foo\" is not on PATH (searched \"/usr/local/bin:/usr/bin\"), \
         write the program alone and its arguments in \"args\"\n"
    );
    assert_eq!(
        said(r#""command": "node", "env": {"PATH": null}"#),
        "command: \"node\" cannot be searched because PATH is not set, install it or write its absolute path\n"
    );
    assert_eq!(
        said(r#""command": "./gone.sh""#),
        "command: \"/project/gone.sh\" is no executable file, write the path of one or chmod +x it\n"
    );
    assert_eq!(
        said(r#""command": "./nowhere.sh", "cwd": "gone""#),
        "cwd: \"/project/gone\" is no directory, create it or write another\n"
    );
}

proptest! {
    #[test]
    fn any_entry_is_taken_or_misconfigured(
        entry in prop::collection::vec((prop::sample::select(keys::SERVER), prop::sample::select(VALUES)), 0..6),
    ) {
        let members: Vec<_> = entry.iter().map(|(key, value)| format!("{key:?}: {value}")).collect();
        let text = format!(r#"{{"servers": {{"x": {{{}}}, "good": {{"command": "node"}}}}}}"#, members.join(","));
        let loaded = loaded(&text);
        let [x, good] = &loaded.config.servers[..] else { panic!("two servers are typed") };
        prop_assert!(matches!(good.state, Launch::Run(_)));
        match &x.state {
            Launch::Misconfigured(reasons) => {
                prop_assert!(!reasons.is_empty());
                prop_assert_eq!(reasons, &loaded.problems);
            }
            _ => prop_assert!(loaded.problems.is_empty()),
        }
    }
}
