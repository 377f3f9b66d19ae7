//! The files that people have, taken as they are by the binary; what the children get of
//! them; and one bad entry that harms no other.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::{Value, json};

use crate::e2e::scene::{
    assert_echo, client, fault, fault_with, get, health, state_of, wait_for_log, wait_for_state,
    whoami,
};
use crate::harness::client::Client;
use crate::harness::gateway::{Gateway, Setup};

/// The fault server's path as a JSON string.
fn program() -> String {
    json!(crate::harness::fixture("fault_server")).to_string()
}

/// Starts a gateway that logs to stdout.
fn start(config: &str) -> Gateway {
    Setup::with_config(config).arg("--log").start()
}

/// The variables of a child's environment.
fn environment_of(me: &Value) -> BTreeSet<String> {
    let names = me["environment"].as_array().expect("an array").iter();
    names
        .map(|name| name.as_str().unwrap_or_default().to_owned())
        .collect()
}

fn names(list: &[&str]) -> BTreeSet<String> {
    list.iter().map(|&name| name.to_owned()).collect()
}

/// The folder as the system calls it: `/tmp` may be a link.
fn real(path: &Path) -> String {
    let path = path.canonicalize().expect("it is there");
    path.to_str().expect("it is UTF-8").to_owned()
}

#[test]
fn a_file_of_claude_desktop() {
    let program = program();
    let gateway = start(&format!(
        r#"{{
  "mcpServers": {{
    "files": {{ "command": {program}, "args": ["--name", "files"], "env": {{ "KEY": "v" }} }},
    "notes": {{ "type": "stdio", "command": {program}, "args": ["--name", "notes"] }},
    "asleep": {{ "command": {program}, "args": [], "disabled": true }}
  }},
  "globalShortcut": "Ctrl+Space"
}}"#
    ));
    let mut client = client(&gateway, "/mcp");
    assert_echo(&mut client, "files");
    assert_echo(&mut client, "notes");
    assert!(environment_of(&whoami(&mut client, "files")).contains("KEY"));
    assert!(!environment_of(&whoami(&mut client, "notes")).contains("KEY"));
    assert_eq!(state_of(&gateway, "asleep"), "disabled");
    wait_for_log(&gateway, "globalShortcut: is unknown and ignored");
}

#[test]
fn a_file_of_vs_code() {
    let program = program();
    let setup = Setup::with_config(format!(
        r#"{{
  // What VS Code asks its user for.
  "inputs": [{{ "type": "promptString", "id": "key", "password": true }}],
  "servers": {{
    "files": {{
      "type": "stdio",
      "command": {program}, /* a whole path */
      "args": ["--name", "files", "--tool", "in_${{env:PLACE}}", "--tool", "${{UNSET:-fallback}}",],
      "envFile": "${{workspaceFolder}}/.env",
      "env": {{ "PORT": 80, "ON": true, "HOME": null, "BOTH": "entry" }},
      "cwd": "${{workspaceFolder}}/sub",
    }},
    "asks": {{ "command": {program}, "env": {{ "KEY": "${{input:key}}" }} }},
    "far": {{ "type": "http", "url": "https://example.org/mcp" }},
  }},
}}"#
    ));
    let folder = setup.folder().to_owned();
    std::fs::create_dir(folder.join("sub")).unwrap();
    std::fs::write(
        folder.join(".env"),
        "# keys\nFROM_FILE='a b'\nexport BOTH=file\n",
    )
    .unwrap();
    let gateway = setup.env("PLACE", "here").arg("--log").start();
    let mut client = client(&gateway, "/mcp");
    let tools = client.tool_names().unwrap();
    for tool in ["files__in_here", "files__fallback"] {
        assert!(tools.contains(&tool.to_owned()), "{tools:?}");
    }
    let me = whoami(&mut client, "files");
    let expected = names(&[
        "PATH",
        "USER",
        "TMPDIR",
        "PORT",
        "ON",
        "BOTH",
        "FROM_FILE",
        MARK,
    ]);
    assert_eq!(environment_of(&me), expected);
    assert_eq!(me["cwd"], real(&folder.join("sub")));
    wait_for_log(
        &gateway,
        "server \"asks\": env.KEY: ${input:key} asks a person, which a gateway cannot, write \
         ${env:NAME}",
    );
    wait_for_log(
        &gateway,
        "server \"far\": type: remote servers are not supported yet: skipped",
    );
    assert_eq!(state_of(&gateway, "asks"), "misconfigured");
    assert!(gateway.log.text().contains("(1 server)"));
}

#[test]
fn one_bad_entry_harms_no_other_and_all_are_reported() {
    let config = json!({"servers": [
        {"name": "unset", "command": "sh", "args": ["${NO_SUCH_VARIABLE}"]},
        fault("good", &[]),
        {"name": "nowhere", "command": "no-such-program-anywhere"},
        {"name": "empty", "command": ""},
        {"name": "silent"},
        {"name": "wrong", "command": "sh", "args": "not a list"},
        {"name": "homeless", "command": "sh", "cwd": "/no/such/folder"},
        fault("also", &[]),
    ]});
    let gateway = start(&config.to_string());
    let mut client = client(&gateway, "/mcp");
    assert_echo(&mut client, "good");
    assert_echo(&mut client, "also");
    for sentence in [
        "mcp-servers.json: server \"unset\": args[0]: ${NO_SUCH_VARIABLE} is not set, set \
         NO_SUCH_VARIABLE in the environment of mcproxy or write ${NO_SUCH_VARIABLE:-default}",
        "server \"nowhere\": command: \"no-such-program-anywhere\" is not on PATH (searched \"",
        "server \"empty\": command: is empty, write ",
        "server \"silent\": command: is missing, write ",
        "server \"wrong\": args: is a string, write ",
        "server \"homeless\": cwd: \"/no/such/folder\" is no directory",
    ] {
        wait_for_log(&gateway, sentence);
    }
    for name in ["unset", "nowhere", "empty", "silent", "wrong", "homeless"] {
        assert_eq!(state_of(&gateway, name), "misconfigured", "{name}");
    }
    assert_eq!(health(&gateway)["status"], "degraded");
    assert_eq!(get(&gateway, "/ready").head.status, 200);
}

#[test]
fn a_command_not_on_path_is_reported_with_the_path_searched() {
    let config = json!({"servers": [
        {"name": "x", "command": "no-such-program-anywhere", "env": {"PATH": "/first:/second"}},
        {"name": "y", "command": "npx -y something"},
    ]});
    let ended = Setup::with_config(config.to_string()).run(&["check"]);
    assert_eq!(ended.status.code(), Some(1));
    assert!(
        ended.stderr.contains(
            "server \"x\": command: \"no-such-program-anywhere\" is not on PATH (searched \
             \"/first:/second\"), install it or write its absolute path"
        ),
        "{ended:?}"
    );
    assert!(
        ended
            .stderr
            .contains("write the program alone and its arguments in \"args\""),
        "{ended:?}"
    );
}

/// What the gateway of the next two tests has, besides PATH, HOME, USER and TMPDIR.
const GATEWAY_HAS: &[(&str, &str)] = &[
    ("API_ACCESS_TOKEN", "hunter2-hunter2"),
    ("MCPROXY_SESSION_KEY", "hunter2-hunter2"),
    ("NOTIFY_SOCKET", "/hunter2"),
    ("LISTEN_FDS", "0"),
    ("LISTEN_PID", "1"),
    ("GITHUB_TOKEN", "hunter2"),
    ("TRANSPORT_LOG_LEVEL", "info"),
    ("LOGNAME", "tester"),
    ("SHELL", "/bin/sh"),
    ("LANG", "C.UTF-8"),
    ("LC_TIME", "C"),
    ("TERM", "dumb"),
    ("TZ", "UTC"),
    ("HTTP_PROXY", "http://proxy.example"),
    ("HTTPS_PROXY", "http://proxy.example"),
    ("NO_PROXY", "localhost"),
    ("SSL_CERT_FILE", "/certs"),
    ("NODE_EXTRA_CA_CERTS", "/certs"),
    ("LD_PRELOAD_NOT", "x"),
];

fn environment_with(config: &Value) -> BTreeSet<String> {
    let mut setup = Setup::with_config(config.to_string());
    for (name, value) in GATEWAY_HAS {
        setup = setup.env(name, value);
    }
    let gateway = setup.start();
    let mut client = gateway.client("/mcp");
    let bearer = "Bearer hunter2-hunter2".to_owned();
    client.headers.push(("Authorization".to_owned(), bearer));
    client.initialize().unwrap();
    environment_of(&whoami(&mut client, "x"))
}

/// What every child has, by which the gateway finds what it leaves behind.
const MARK: &str = "MCPROXY_LIFE";

const LISTED: &[&str] = &[
    MARK,
    "PATH",
    "HOME",
    "USER",
    "TMPDIR",
    "LOGNAME",
    "SHELL",
    "LANG",
    "LC_TIME",
    "TERM",
    "TZ",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "SSL_CERT_FILE",
    "NODE_EXTRA_CA_CERTS",
];

#[test]
fn a_child_gets_the_list_and_what_env_names() {
    let plain = json!({"servers": [fault("x", &[])]});
    assert_eq!(environment_with(&plain), names(LISTED));
    let env = json!({"OWN": "1", "TOKEN": "${GITHUB_TOKEN}", "TZ": null});
    let named = json!({"servers": [fault_with("x", &[], "env", env)]});
    let mut expected = names(LISTED);
    expected.remove("TZ");
    expected.extend(names(&["OWN", "TOKEN"]));
    assert_eq!(environment_with(&named), expected);
}

#[test]
fn a_child_never_gets_the_gateways_secrets() {
    let all = json!({"servers": [fault("x", &[])], "pass_environment": true});
    let mut expected = names(LISTED);
    expected.extend(names(&[
        "GITHUB_TOKEN",
        "TRANSPORT_LOG_LEVEL",
        "LD_PRELOAD_NOT",
    ]));
    assert_eq!(environment_with(&all), expected);
}

#[test]
fn the_gateways_own_executable_and_folder_can_be_named() {
    let config = json!({"servers": [
        {"name": "demo", "command": "${MCPROXY}", "args": ["demo-server"]},
        fault("here", &[]),
    ]});
    let gateway = start(&config.to_string());
    let mut client = client(&gateway, "/mcp");
    let told = client.call_text("demo__add", json!({"a": 1, "b": 2}));
    assert_eq!(told.unwrap(), "3");
    assert_eq!(whoami(&mut client, "here")["cwd"], real(gateway.folder()));
}

#[test]
fn a_relative_command_is_that_of_the_servers_folder() {
    let setup = Setup::without_config();
    let sub = setup.folder().join("sub");
    std::fs::create_dir(&sub).unwrap();
    std::os::unix::fs::symlink(crate::harness::fixture("fault_server"), sub.join("server"))
        .unwrap();
    let entry = json!({"name": "x", "command": "./server", "cwd": "sub"});
    let gateway = setup
        .config(json!({"servers": [entry]}).to_string())
        .start();
    let mut client = client(&gateway, "/mcp");
    assert_eq!(whoami(&mut client, "x")["cwd"], real(&sub));
}

#[test]
fn prefixes_rules_and_groups_shape_what_is_shown() {
    let mut ruled = fault_with(
        "ruled",
        &["--tool", "read_a", "--tool", "read_b"],
        "prefix",
        json!("r"),
    );
    ruled["tools"] = json!({
        "allow": ["read_*", "echo"],
        "deny": ["*_b"],
        "rename": {"echo": "say"},
    });
    let bare = fault_with("bare", &[], "prefix", json!(""));
    let config = json!({"servers": [ruled, bare], "groups": {"some": ["ruled"]}});
    let gateway = start(&config.to_string());
    let shown = |path: &str| client(&gateway, path).tool_names().unwrap();
    let mut some = shown("/groups/some/mcp");
    some.sort();
    assert_eq!(some, ["r__read_a", "r__say"]);
    let mut alone = shown("/servers/ruled/mcp");
    alone.sort();
    assert_eq!(alone, ["read_a", "say"]);
    let merged = shown("/mcp");
    assert!(merged.contains(&"echo".to_owned()) && merged.contains(&"r__say".to_owned()));
    let mut client = client(&gateway, "/mcp");
    let told = client.call_text("r__say", json!({"text": "renamed"}));
    assert_eq!(told.unwrap(), "renamed");
    let denied = client.call_tool("r__read_b", json!({})).unwrap_err();
    assert_eq!(denied.code(), -32602);
    client.call_tool("r__big", json!({})).unwrap_err();
}

#[test]
fn what_is_wrong_with_the_whole_file_keeps_the_gateway_from_starting() {
    let good = fault("good", &[]);
    for (config, sentence) in [
        ("[]".to_owned(), "is an array, write an object"),
        ("{}".to_owned(), "servers: is missing"),
        ("{\"servers\": [},".to_owned(), "line 1, column 14: "),
        (
            json!({"servers": [good, good]}).to_string(),
            "servers.good: is given twice",
        ),
        (
            json!({"servers": [good], "groups": {"g": ["goood"]}}).to_string(),
            "which is not in the file, did you mean \"good\"?",
        ),
        (
            json!({"servers": [good], "port": "x"}).to_string(),
            "port: is a string",
        ),
    ] {
        let ended = Setup::with_config(config.clone()).run(&["--port", "0"]);
        assert_eq!(ended.status.code(), Some(3), "{config}: {ended:?}");
        let all = ended.stderr.lines();
        let named = all.filter(|line| line.starts_with("mcproxy: mcp-servers.json: "));
        assert!(
            named.clone().any(|line| line.contains(sentence)),
            "{config}: {ended:?}"
        );
    }
}

#[test]
fn unknown_keys_are_warned_about_with_their_neighbour() {
    let config = json!({"servers": [fault_with("good", &[], "timout", json!(5))]});
    let gateway = start(&config.to_string());
    wait_for_log(
        &gateway,
        "mcp-servers.json: server \"good\": timout: is unknown and ignored, did you mean \
         \"timeout\"?",
    );
    wait_for_state(&gateway, "good", "ready");
}

#[test]
fn a_file_may_lie_anywhere() {
    let setup = Setup::without_config();
    let config = json!({"servers": [fault("elsewhere", &[])]}).to_string();
    std::fs::create_dir(setup.folder().join("sub")).unwrap();
    std::fs::write(setup.folder().join("sub/other.json"), config).unwrap();
    let gateway = setup.arg("-c").arg("sub/other.json").start();
    assert_echo(&mut client(&gateway, "/mcp"), "elsewhere");
}

#[test]
fn the_shipped_file_runs_anywhere() {
    let shipped = concat!(env!("CARGO_MANIFEST_DIR"), "/mcp-servers.json");
    let gateway = start(&std::fs::read_to_string(shipped).unwrap());
    let told = client(&gateway, "/mcp").call_text("demo__echo", json!({"text": "hi"}));
    assert_eq!(told.unwrap(), "hi");
    let components = &health(&gateway)["components"];
    for name in ["filesystem", "time", "playwright"] {
        let state = &components[format!("server:{name}")]["state"];
        assert_eq!(state, "disabled", "{name}");
    }
}
