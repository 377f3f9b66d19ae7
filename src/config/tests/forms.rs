//! The forms of a file, and files that are refused as a whole.

use super::*;
use crate::config::load;

#[test]
fn the_own_form_is_a_list_in_its_order() {
    let text = r#"{"servers": [
        {"name": "zed", "command": "node", "args": ["a"]},
        {"name": "alpha", "command": "npx", "enabled": false}
    ]}"#;
    let loaded = loaded(text);
    let names: Vec<_> = loaded
        .config
        .servers
        .iter()
        .map(|server| server.name.as_str())
        .collect();
    assert_eq!(names, ["zed", "alpha"]);
    assert_eq!(command(&loaded.config.servers[0]).args, ["a"]);
    assert_eq!(loaded.config.servers[1].state, Launch::Disabled);
    assert_eq!(loaded.config.source, "f.json");
    assert!(loaded.problems.is_empty() && loaded.warnings.is_empty());
}

#[test]
fn the_form_of_claude_is_taken_as_it_is() {
    let text = r#"{"mcpServers": {
        "zed": {"type": "stdio", "command": "node", "args": [], "env": {"KEY": "v"}},
        "off": {"command": "nowhere", "disabled": true}
    }}"#;
    let loaded = loaded(text);
    assert_eq!(
        command(&loaded.config.servers[0]).program,
        Path::new("/usr/bin/node")
    );
    assert_eq!(loaded.config.servers[1].state, Launch::Disabled);
    assert!(loaded.problems.is_empty() && loaded.warnings.is_empty());
}

#[test]
fn the_form_of_vs_code_is_taken_as_it_is() {
    let text = "\u{feff}{
        // what we ask for
        \"inputs\": [{\"type\": \"promptString\", \"id\": \"key\"}],
        \"servers\": {
            \"files\": {
                \"type\": \"stdio\",
                \"command\": \"node\", /* found on PATH */
                \"args\": [\"${workspaceFolder}/x\", \"${userHome}\",],
                \"envFile\": \"${workspaceFolder}/plain.env\",
                \"env\": {\"PORT\": 80, \"RATIO\": 0.5, \"ON\": true, \"HOME\": null},
            },
            \"asks\": {\"command\": \"node\", \"args\": [\"${input:key}\"]},
        },
    }";
    let loaded = loaded(text);
    let files = command(&loaded.config.servers[0]);
    assert_eq!(files.args, ["/project/x", "/home/ada"]);
    let value = |name: &str| {
        files
            .env
            .iter()
            .find(|(there, _)| there == name)
            .map(|(_, value)| value.as_str())
    };
    assert_eq!(value("PORT"), Some("80"));
    assert_eq!(value("RATIO"), Some("0.5"));
    assert_eq!(value("ON"), Some("true"));
    assert_eq!(value("HOME"), None);
    assert_eq!(value("FROM_FILE"), Some("file"));
    assert_eq!(
        lines(&loaded.problems),
        "f.json: server \"asks\": args[0]: ${input:key} asks a person, which a gateway cannot, \
         write ${env:NAME} and set NAME in the environment of mcproxy\n"
    );
}

#[test]
fn remote_servers_are_skipped_and_said_to_be() {
    let text = r#"{"mcpServers": {
        "a": {"url": "https://example.org/mcp", "headers": {"Authorization": "Bearer hunter2"}},
        "b": {"type": "http", "url": "${input:where}", "whatever": 1},
        "c": {"type": "streamable-http", "command": 7},
        "off": {"type": "sse", "disabled": true}
    }}"#;
    let loaded = loaded(text);
    let states: Vec<_> = loaded
        .config
        .servers
        .iter()
        .map(|server| &server.state)
        .collect();
    assert_eq!(
        states,
        [
            &Launch::Remote,
            &Launch::Remote,
            &Launch::Remote,
            &Launch::Disabled
        ]
    );
    assert!(loaded.problems.is_empty());
    assert_eq!(
        lines(&loaded.warnings),
        "f.json: server \"a\": url: remote servers are not supported yet: skipped\n\
         f.json: server \"b\": type: remote servers are not supported yet: skipped\n\
         f.json: server \"c\": type: remote servers are not supported yet: skipped\n"
    );
}

#[test]
fn broken_json_is_refused_with_line_and_column() {
    let text = "{\n  // ü\n  \"servers\": [\n    {\"name\": \"é\" \"command\": \"x\"}\n  ]\n}";
    assert_eq!(
        refused(text),
        "f.json: line 4, column 18: expected `,` or `}`\n"
    );
    assert_eq!(
        refused(""),
        "f.json: line 1, column 1: EOF while parsing a value\n"
    );
    assert_eq!(
        refused("{\"servers\": [] } }"),
        "f.json: line 1, column 18: trailing characters\n"
    );
}

#[test]
fn a_wrong_top_level_is_refused() {
    assert_eq!(refused("[]"), "f.json: is an array, write an object\n");
    assert!(refused("{}").starts_with("f.json: servers: is missing, write \"servers\""));
    assert_eq!(
        refused(r#"{"servers": "x"}"#),
        "f.json: servers: is a string, write an array or an object of servers\n"
    );
}

#[test]
fn a_name_that_stands_twice_refuses_the_file_in_every_form() {
    for text in [
        r#"{"servers": {"git": {"command": "node"}, "git": {"command": "npx"}}}"#,
        r#"{"servers": [{"name": "git", "command": "node"}, {"name": "git", "enabled": false}]}"#,
    ] {
        assert_eq!(
            refused(text),
            "f.json: servers.git: is given twice, keep one\n"
        );
    }
    let text = r#"{"servers": [{"name": "git"}], "mcpServers": {"git": {}}}"#;
    assert!(refused(text).starts_with("f.json: mcpServers.git: is given twice, keep one\n"));
    let text = r#"{"port": 1, "port": 2, "servers": []}"#;
    assert_eq!(refused(text), "f.json: port: is given twice, keep one\n");
}

#[test]
fn a_refusal_names_the_errors_of_the_servers_too() {
    let text =
        r#"{"port": 70000, "log_level": "debgu", "servers": [{"name": "x", "command": ""}]}"#;
    assert_eq!(
        refused(text),
        "f.json: port: is 70000, write a whole number from 0 to 65535\n\
         f.json: log_level: is \"debgu\", write \"debug\"\n\
         f.json: server \"x\": command: is empty, write the program that starts the server\n"
    );
}

#[test]
fn too_many_servers_and_groups_are_refused() {
    let entries: Vec<_> = (0..257)
        .map(|n| format!(r#""s{n}": {{"command": "node"}}"#))
        .collect();
    let text = format!(r#"{{"servers": {{{}}}}}"#, entries.join(","));
    assert_eq!(
        refused(&text),
        "f.json: servers: holds too many entries, write at most 256\n"
    );
    let groups: Vec<_> = (0..257).map(|n| format!(r#""g{n}": []"#)).collect();
    let text = format!(r#"{{"servers": [], "groups": {{{}}}}}"#, groups.join(","));
    assert_eq!(
        refused(&text),
        "f.json: groups: holds too many entries, write at most 256\n"
    );
}

#[test]
fn unknown_keys_are_warned_about_with_their_path_and_neighbour() {
    let text = r#"{"servers": [{"name": "x", "command": "node", "timout": 5, "tools": {"alow": []},
        "zzz": 1, "a\nb": 2}], "limits": {"maxQueueSize": 9}, "colour": "red"}"#;
    let loaded = loaded(text);
    assert!(loaded.problems.is_empty());
    assert_eq!(
        lines(&loaded.warnings),
        "f.json: colour: is unknown and ignored\n\
         f.json: limits.maxQueueSize: is unknown and ignored, did you mean \"max_queue_size\"?\n\
         f.json: server \"x\": timout: is unknown and ignored, did you mean \"timeout\"?\n\
         f.json: server \"x\": zzz: is unknown and ignored\n\
         f.json: server \"x\": a\\nb: is unknown and ignored\n\
         f.json: server \"x\": tools.alow: is unknown and ignored, did you mean \"allow\"?\n"
    );
}

#[test]
fn groups_name_servers_of_the_file() {
    let text = r#"{"servers": {"git": {"command": "node"}, "off": {"disabled": true}},
        "groups": {"work": ["off", "git", "git"], "none": []}}"#;
    let taken = loaded(text);
    assert_eq!(taken.config.groups["work"], ["off", "git"]);
    assert_eq!(taken.config.groups["none"], Vec::<String>::new());
    assert_eq!(
        lines(&taken.warnings),
        "f.json: groups.work[2]: is ignored, the group holds this server already\n"
    );
    let text = r#"{"servers": {"github": {"command": "node"}},
        "groups": {"work": ["gihtub", 5, "zzz"], "a/b": [], "c": "github"}}"#;
    let refusal = refused(text);
    let expected = [
        "f.json: groups.work[1]: is a number, write a string",
        "f.json: groups.work[0]: names the server \"gihtub\", which is not in the file, did you mean \"github\"?",
        "f.json: groups.work[2]: names the server \"zzz\", which is not in the file, write the name of one that is",
        "f.json: groups.a/b: is \"a/b\", write a name of letters, digits, _, . and -, without __, at most 64 characters",
        "f.json: groups.c: is a string, write an array of strings",
    ];
    assert_eq!(refusal.lines().collect::<Vec<_>>(), expected);
}

#[test]
fn load_reads_a_file_and_names_it() {
    let load = |path: &str| load::load(Path::new(path), &machine(&[]), &Overrides::default());
    assert_eq!(
        load("/project/good.json")
            .expect("it is good")
            .config
            .source,
        "/project/good.json"
    );
    let refused = |path: &str| lines(&load(path).expect_err("it is not"));
    assert_eq!(
        refused("/project/gone.json"),
        "/project/gone.json: cannot be read (/project/gone.json: not there), check the path and its permissions\n"
    );
    assert_eq!(
        refused("/project/latin.json"),
        "/project/latin.json: is not UTF-8 at line 2, save it as UTF-8\n"
    );
}

#[test]
fn the_real_disk_is_read_within_its_limit() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let file = here.join("Cargo.toml");
    let size = load::Disk
        .read(&file, usize::MAX >> 1)
        .expect("this package has one")
        .len();
    assert!(load::Disk.read(&file, size).is_ok());
    assert_eq!(
        load::Disk.read(&file, size - 1),
        Err(Fault::TooLarge(size - 1))
    );
    assert!(matches!(
        load::Disk.read(here, 10),
        Err(Fault::Unreadable(_))
    ));
    assert!(matches!(
        load::Disk.read(&here.join("no such"), 10),
        Err(Fault::Unreadable(_))
    ));
    assert!(load::Disk.is_directory(here) && !load::Disk.is_directory(&file));
    assert!(load::Disk.is_executable(Path::new("/bin/sh")));
    assert!(!load::Disk.is_executable(here) && !load::Disk.is_executable(&file));
}
