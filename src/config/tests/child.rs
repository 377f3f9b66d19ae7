//! What a child gets: its environment, what is put in for `${…}`, and what is hidden.

use super::*;
use crate::config::environment::inherited;
use crate::config::expand::expand;
use crate::config::problem::{Findings, Place};
use proptest::prelude::*;

const GATEWAY: &[(&str, &str)] = &[
    ("API_ACCESS_TOKEN", "hunter2"),
    ("MCPROXY_SESSION_KEY", "hunter2"),
    ("NOTIFY_SOCKET", "/run/hunter2"),
    ("LISTEN_FDS", "1"),
    ("LISTEN_PID", "1"),
    ("LISTEN_FDNAMES", "a"),
    ("LC_ALL", "C"),
    ("HTTPS_PROXY", "http://proxy"),
    ("no_proxy", "localhost"),
    ("SSL_CERT_FILE", "/certs"),
    ("GITHUB_TOKEN", "hunter2"),
    ("EMPTY", ""),
];

fn environment_with(variables: &[(&str, &str)], members: &str) -> Vec<(String, String)> {
    let text =
        format!(r#"{{"servers": [{{"name": "x", "command": "/usr/bin/node", {members}}}]}}"#);
    let loaded = parse_with(variables, &text).expect("it is good");
    assert_eq!(lines(&loaded.problems), "");
    command(only(&loaded)).env.clone()
}

fn names(environment: &[(String, String)]) -> Vec<&str> {
    environment.iter().map(|(name, _)| name.as_str()).collect()
}

#[test]
fn a_child_inherits_the_list_and_nothing_else() {
    let environment = environment_with(GATEWAY, r#""args": []"#);
    let listed = [
        "HOME",
        "HTTPS_PROXY",
        "LC_ALL",
        "PATH",
        "SSL_CERT_FILE",
        "no_proxy",
    ];
    assert_eq!(names(&environment), listed);
}

#[test]
fn pass_environment_passes_all_but_the_gateways_own() {
    let expected = [
        "EMPTY",
        "GITHUB_TOKEN",
        "HOME",
        "HTTPS_PROXY",
        "LC_ALL",
        "PATH",
        "SSL_CERT_FILE",
        "no_proxy",
    ];
    let by_entry = environment_with(GATEWAY, r#""pass_environment": true"#);
    assert_eq!(names(&by_entry), expected);
    let by_variable = [GATEWAY, &[("TRANSPORT_PASS_ENV", "1")]].concat();
    let all = environment_with(&by_variable, r#""args": []"#);
    assert_eq!(names(&all).len(), expected.len() + 1);
    let refused_by_entry = environment_with(&by_variable, r#""pass_environment": false"#);
    assert!(!names(&refused_by_entry).contains(&"GITHUB_TOKEN"));
    let text = r#"{"pass_environment": true, "servers": [{"name": "x", "command": "node"}]}"#;
    let by_file = parse_with(GATEWAY, text).expect("it is good");
    assert_eq!(names(&command(only(&by_file)).env), expected);
}

#[test]
fn env_names_what_it_likes_and_beats_the_file() {
    let members = r#""envFile": ".env", "env": {"API_ACCESS_TOKEN": "${API_ACCESS_TOKEN}", "BOTH": "entry",
        "HOME": null, "N": 1.0}"#;
    let environment = environment_with(GATEWAY, members);
    let pairs: Vec<_> = environment
        .iter()
        .map(|(n, v)| (n.as_str(), v.as_str()))
        .collect();
    assert!(pairs.contains(&("API_ACCESS_TOKEN", "hunter2")));
    assert!(pairs.contains(&("BOTH", "entry")));
    assert!(pairs.contains(&("FROM_FILE", "file")));
    assert!(pairs.contains(&("N", "1")));
    assert!(!names(&environment).contains(&"HOME"));
}

#[test]
fn a_file_does_not_hand_on_what_is_the_gateways() {
    let loaded = one(r#""envFile": ".env""#);
    let x = loaded.config.servers.first().expect("there is one");
    assert!(
        matches!(&x.state, Launch::Misconfigured(_)),
        "node is not in the PATH of that file"
    );
    assert_eq!(
        lines(&loaded.warnings),
        "f.json: server \"x\": envFile: API_ACCESS_TOKEN belongs to the gateway and is not passed on from a file, \
         name it in \"env\" if the server needs it\n"
    );
    let environment = environment_with(GATEWAY, r#""envFile": ".env""#);
    assert!(!names(&environment).contains(&"API_ACCESS_TOKEN"));
}

#[test]
fn no_secret_is_shown_by_debug() {
    let text = r#"{"servers": [{"name": "x", "command": "node", "args": ["--key=${GITHUB_TOKEN}"],
        "env": {"KEY": "${GITHUB_TOKEN}", "OTHER": "hunter2"}}]}"#;
    let loaded = parse_with(GATEWAY, text).expect("it is good");
    assert_eq!(
        loaded.config.token.as_ref().map(|token| token.expose()),
        Some("hunter2")
    );
    assert_eq!(command(only(&loaded)).args, ["--key=hunter2"]);
    let shown = format!("{loaded:?} {loaded:#?}");
    assert!(!shown.contains("hunter2"), "{shown}");
    assert!(shown.contains("KEY"));
}

/// What a text becomes, or what is said about it.
fn expanded(text: &str) -> Result<String, String> {
    let mut findings = Findings::default();
    let surroundings = machine(GATEWAY);
    let place = Place::of("f");
    let expanded = expand(text, &surroundings, &place, &mut findings);
    expanded.ok_or_else(|| lines(&findings.problems))
}

#[test]
fn variables_are_put_in() {
    for (text, becomes) in [
        ("plain $HOME $", "plain $HOME $"),
        ("${HOME}/x/${LC_ALL}", "/home/ada/x/C"),
        ("${env:HOME}", "/home/ada"),
        (
            "${userHome} ${workspaceFolder} ${MCPROXY}",
            "/home/ada /project /bin/mcproxy",
        ),
        ("<${EMPTY}>", "<>"),
        ("${UNSET:-http://x:80/}", "http://x:80/"),
        ("${UNSET:-}", ""),
        ("${EMPTY:-default}", "default"),
        ("${HOME:-default}", "/home/ada"),
        ("${env:UNSET:-d}", "d"),
        ("$${HOME} $$", "${HOME} $$"),
        ("ü${HOME}ü", "ü/home/adaü"),
    ] {
        assert_eq!(expanded(text).as_deref(), Ok(becomes), "{text}");
    }
}

#[test]
fn what_cannot_be_put_in_is_named_and_all_of_it() {
    let printed = expanded("${A} ${B} ${input:key} ${config:x} ${} ${1A} ${A:-${B}}")
        .expect_err("none is set");
    let starts = [
        "f: ${A} is not set, set A in",
        "f: ${B} is not set, set B in",
        "f: ${input:key} asks a person",
        "f: ${config:x} is no variable",
        "f: ${} is no variable",
        "f: ${1A} is no variable",
        "f: ${A:-${B} is no variable",
    ];
    assert_eq!(printed.lines().count(), starts.len(), "{printed}");
    for (line, start) in printed.lines().zip(starts) {
        assert!(line.starts_with(start), "{line} instead of {start}");
    }
    assert!(
        expanded("a ${HOME")
            .expect_err("it is open")
            .contains("holds \"${\" without \"}\"")
    );
}

proptest! {
    #[test]
    fn texts_without_a_brace_stay_as_they_are(text in "[^{\0]{0,30}") {
        prop_assert_eq!(expanded(&text), Ok(text));
    }

    #[test]
    fn any_text_is_expanded_or_refused(text in "[${}:A-Bé-]{0,30}") {
        let _ = expanded(&text);
    }

    #[test]
    fn nothing_protected_is_ever_inherited(all: bool, which in 0..GATEWAY.len()) {
        let environment = machine(&GATEWAY[which..]).environment;
        let passed = inherited(&environment, all);
        for name in ["API_ACCESS_TOKEN", "MCPROXY_SESSION_KEY", "NOTIFY_SOCKET", "LISTEN_FDS", "LISTEN_PID"] {
            prop_assert!(!passed.contains_key(name));
        }
    }
}
