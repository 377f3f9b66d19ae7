//! The command line and the environment as the contract they are: scripts outside the project
//! rely on every flag, every sub-command, every exit code and the line that says where the
//! gateway listens. What beats what is in `command_line/precedence.rs`.

mod live;
mod precedence;
mod serving;

use serde_json::{Value, json};

use crate::e2e::scene::{fault, with};
use crate::harness::gateway::{Finished, Setup};

/// The command line made no sense.
const USAGE: Option<i32> = Some(2);

fn one_server() -> Setup {
    Setup::with_config(json!({"servers": [fault("good", &[])]}).to_string())
}

/// Asserts that this command line is refused with this sentence, and nothing else.
fn assert_refused(words: &[&str], sentence: &str) {
    let ended = Setup::without_config().run(words);
    assert_eq!(ended.status.code(), USAGE, "{words:?}: {ended:?}");
    assert_eq!(ended.stdout, "", "{words:?}");
    let expected = format!("mcproxy: {sentence}");
    assert_eq!(ended.stderr, expected, "{words:?}");
}

fn assert_success(ended: &Finished) {
    assert_eq!(ended.status.code(), Some(0), "{ended:?}");
    assert_eq!(ended.stderr, "", "{ended:?}");
}

fn json_of(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[test]
fn what_cannot_be_understood_is_refused_with_what_was_meant() {
    assert_refused(
        &["--prot", "80"],
        "unknown option \"--prot\": did you mean --port?",
    );
    assert_refused(&["--zzzzzzzz"], "unknown option \"--zzzzzzzz\"");
    assert_refused(
        &["chekc"],
        "unknown sub-command \"chekc\": did you mean \"check\"?",
    );
    assert_refused(
        &["npx"],
        "unknown sub-command \"npx\": to serve over HTTP, write no sub-command; to serve one \
         stdio server, write \"mcproxy -- npx …\"",
    );
    assert_refused(
        &["--port", "70000"],
        "--port: \"70000\" is no port: write a number from 0 to 65535",
    );
    assert_refused(&["--port"], "--port needs a value: --port N");
    assert_refused(&["--log=yes"], "--log takes no value, found \"yes\"");
    assert_refused(
        &["--log-level", "wran"],
        "--log-level: \"wran\" is none of off, error, warn, info, debug, trace; did you mean \
         warn?",
    );
    assert_refused(
        &["check", "--json"],
        "--json means nothing to \"mcproxy check\": it belongs to \"mcproxy tools\", \
         \"mcproxy status\"",
    );
    assert_refused(
        &["check", "this"],
        "unexpected \"this\": write \"mcproxy check [OPTIONS] [--live]\"",
    );
    assert_refused(
        &["--"],
        "\"--\" needs the command of a stdio server behind it: -- COMMAND",
    );
    assert_refused(&["call"], "call needs the name of a tool: call TOOL [JSON]");
    assert_refused(
        &["call", "good__echo", "[1]"],
        "call: JSON: expected an object such as {\"text\": \"hi\"}, found an array",
    );
}

#[test]
fn help_and_version_answer_and_do_nothing_else() {
    let setup = Setup::without_config();
    let short = setup.run(&["-h"]);
    let long = setup.run(&["--help"]);
    assert_success(&short);
    assert_success(&long);
    assert!(long.stdout.len() > short.stdout.len());
    let flags = [
        "--config",
        "--host",
        "--port",
        "--log",
        "--log-level",
        "--log-format",
        "--allow-anonymous",
        "--help",
        "--version",
    ];
    let words = ["stdio", "check", "tools", "call", "status", "demo-server"];
    for part in flags.iter().chain(&words) {
        assert!(short.stdout.contains(part), "-h knows no {part}");
        assert!(long.stdout.contains(part), "--help knows no {part}");
    }
    for variable in [
        "TRANSPORT_SSE_HOST",
        "TRANSPORT_SSE_PORT",
        "TRANSPORT_LOG_LEVEL",
        "TRANSPORT_ALLOW_ORIGINS",
        "TRANSPORT_PASS_ENV",
        "TRANSPORT_MAX_PROCESSES",
        "API_ACCESS_TOKEN",
    ] {
        assert!(long.stdout.contains(variable), "--help knows no {variable}");
    }
    for flag in ["-V", "--version"] {
        let version = setup.run(&[flag]);
        assert_success(&version);
        assert_eq!(
            version.stdout,
            concat!("mcproxy ", env!("CARGO_PKG_VERSION"))
        );
    }
}

#[test]
fn generate_writes_a_man_page_and_completions() {
    let setup = Setup::without_config();
    for (kind, sign) in [
        ("man", ".TH MCPROXY 1"),
        ("bash", "complete "),
        ("zsh", "#compdef mcproxy"),
        ("fish", "complete -c mcproxy"),
    ] {
        let ended = setup.run(&["--generate", kind]);
        assert_success(&ended);
        let text = ended.stdout.to_lowercase();
        assert!(text.contains(&sign.to_lowercase()), "{kind}: {text}");
        assert!(text.contains("allow") && text.contains("anonymous"));
        if kind != "man" {
            assert_shell_takes(kind, &ended.stdout);
        }
    }
    assert_refused(
        &["--generate", "fihs"],
        "--generate: \"fihs\" is none of man, bash, zsh, fish; did you mean fish?",
    );
}

/// Lets the shell itself read the script, where it is installed.
fn assert_shell_takes(shell: &str, script: &str) {
    let folder = crate::harness::process::Folder::new();
    let path = folder.write("script", script);
    let read = std::process::Command::new(shell)
        .arg("-n")
        .arg(path)
        .output();
    if let Ok(read) = read {
        assert!(read.status.success(), "{shell}: {read:?}");
    }
}

#[test]
fn a_result_that_cannot_be_written_is_a_failure_unless_nobody_reads_it() {
    let setup = one_server();
    let script = setup.folder().join("into");
    let text = format!(
        "#!/bin/sh\nto=$1; shift; exec '{}' \"$@\" > \"$to\"\n",
        env!("CARGO_BIN_EXE_mcproxy")
    );
    std::fs::write(&script, text).unwrap();
    let runs = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&script, runs).unwrap();
    let setup = setup.program(script);
    let all: [&[&str]; 5] = [
        &["--help"],
        &["--version"],
        &["--generate", "man"],
        &["check"],
        &["tools"],
    ];
    for words in all {
        let into = |place| setup.run(&[&[place], words].concat());
        let ended = into("/dev/full");
        assert_eq!(ended.status.code(), Some(1), "{words:?}: {ended:?}");
        let sentence = "mcproxy: cannot write to stdout: No space left on device";
        assert!(ended.stderr.contains(sentence), "{words:?}: {ended:?}");
        assert_eq!(into("/dev/null").status.code(), Some(0), "{words:?}");
    }
    let gone = std::process::Command::new("sh")
        .args(["-c", "{ \"$0\" --generate man; echo $? >&2; } | true"])
        .arg(env!("CARGO_BIN_EXE_mcproxy"))
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&gone.stderr), "0\n");
}

#[test]
fn check_says_what_clients_will_see_and_starts_nothing() {
    let mut servers = vec![
        fault("good", &[]),
        with(fault("bare", &[]), "prefix", json!("")),
        with(fault("off", &[]), "enabled", json!(false)),
        json!({"name": "far", "url": "https://example.org/mcp"}),
    ];
    servers[0]["env"] = json!({"KEY": "hunter2"});
    let config = json!({"servers": servers, "groups": {"work": ["good", "off"]}});
    let setup = Setup::with_config(config.to_string());
    let ended = setup.run(&["check"]);
    assert_eq!(ended.status.code(), Some(0), "{ended:?}");
    for part in [
        "good__TOOL",
        "http://127.0.0.1:12009/mcp",
        "http://127.0.0.1:12009/groups/work/mcp",
        "http://127.0.0.1:12009/servers/good/mcp",
        "disabled",
        "skipped (remote)",
    ] {
        assert!(ended.stdout.contains(part), "no {part}: {}", ended.stdout);
    }
    assert!(!ended.stdout.contains("/servers/off/"), "{}", ended.stdout);
    assert!(!ended.stdout.contains("hunter2"));
    assert!(
        ended
            .stderr
            .contains("server \"far\": url: remote servers are not supported yet: skipped"),
        "{}",
        ended.stderr
    );
}

#[test]
fn check_finds_all_errors_at_once() {
    let config = json!({"servers": [
        {"name": "one", "command": "no-such-program-anywhere"},
        {"name": "two", "command": "sh", "args": ["${NO_SUCH_VARIABLE}"]},
        {"name": "three", "command": "sh", "timeout": "soon"},
        fault("good", &[]),
    ]});
    let ended = Setup::with_config(config.to_string()).run(&["check"]);
    assert_eq!(ended.status.code(), Some(1), "{ended:?}");
    for part in [
        "mcp-servers.json: server \"one\": command: \"no-such-program-anywhere\" is not on PATH",
        "mcp-servers.json: server \"two\": args[0]: ${NO_SUCH_VARIABLE} is not set",
        "mcp-servers.json: server \"three\": timeout: is \"soon\"",
    ] {
        assert!(ended.stderr.contains(part), "no {part}: {}", ended.stderr);
    }
    assert_eq!(ended.stderr.lines().count(), 3, "{}", ended.stderr);
}

#[test]
fn check_names_line_and_column_of_broken_json() {
    let broken = "{\n  \"servers\": [\n    {\"name\": \"x\" \"command\": \"y\"}\n  ]\n}";
    let ended = Setup::with_config(broken).run(&["check"]);
    assert_eq!(ended.status.code(), Some(1), "{ended:?}");
    assert_eq!(
        ended.stderr,
        "mcproxy: mcp-servers.json: line 3, column 18: expected `,` or `}`"
    );
    let gone = Setup::without_config().run(&["check", "--config", "gone.json"]);
    assert_eq!(gone.status.code(), Some(1), "{gone:?}");
    assert!(gone.stderr.contains("gone.json"), "{gone:?}");
}

#[test]
fn check_prints_the_schema() {
    let ended = Setup::without_config().run(&["check", "--schema"]);
    assert_success(&ended);
    let schema = json_of(&ended.stdout);
    assert!(schema["$schema"].is_string());
    assert!(schema["properties"]["servers"].is_object());
}

#[test]
fn tools_prints_a_table_or_json_and_stops() {
    let setup = one_server();
    let table = setup.run(&["tools"]);
    assert_success(&table);
    let heading = table.stdout.lines().next().unwrap_or_default();
    assert!(heading.starts_with("TOOL"), "{heading}");
    let row = table
        .stdout
        .lines()
        .find(|line| line.starts_with("good__echo "));
    let row = row.expect("the tool is listed");
    assert!(
        row.ends_with("Tells text, followed by pad times the letter x"),
        "{row}"
    );
    assert!(table.stdout.ends_with(" tools"), "{}", table.stdout);
    let json = setup.run(&["tools", "--json"]);
    assert_success(&json);
    let tools = json_of(&json.stdout);
    let tools = tools.as_array().expect("an array");
    let echo = tools.iter().find(|tool| tool["name"] == "good__echo");
    let echo = echo.expect("the tool is listed");
    assert_eq!(echo["inputSchema"]["properties"]["pad"]["type"], "integer");
}

#[test]
fn tools_lists_the_others_where_one_cannot_start() {
    let config = json!({
        "limits": {"max_reconnect_attempts": 1, "reconnect_delay": "10ms"},
        "servers": [
            fault("good", &[]),
            fault("bad", &["--exit-at-start", "1"]),
            {"name": "typo", "command": "no-such-program-anywhere"},
        ],
    });
    let ended = Setup::with_config(config.to_string()).run(&["tools", "--log"]);
    assert_eq!(ended.status.code(), Some(1), "{ended:?}");
    assert!(ended.stdout.contains("good__echo"));
    let missing: Vec<&str> = ended.stderr.lines().collect();
    assert_eq!(missing.len(), 2, "{missing:#?}");
    let told = [
        "error: server \"bad\" is not up: exited with code 1",
        "error: mcp-servers.json: server \"typo\": command: \"no-such-program-anywhere\" is not on PATH",
    ];
    for (line, told) in missing.iter().zip(told) {
        assert!(line.starts_with(told), "{line}");
    }
    assert!(
        ended.stdout.contains("bad: exited with code 1"),
        "{ended:?}"
    );
    assert!(ended.stdout.contains("server \"typo\": command: "));
}

#[test]
fn call_prints_the_content_and_its_exit_code_is_the_outcome() {
    let setup = one_server();
    let run = |words: &[&str]| setup.run(&[&["call"], words].concat());
    let echo = run(&["good__echo", r#"{"text": "a\nb"}"#]);
    assert_success(&echo);
    assert_eq!(echo.stdout, "a\nb");
    let none = run(&["good__echo"]);
    assert_success(&none);
    let link = run(&["good__resource_link", r#"{"uri": "x://y"}"#]);
    assert_success(&link);
    assert_eq!(json_of(&link.stdout)["uri"], "x://y");
    let failed = run(&["good__tool_error", r#"{"text": "no luck"}"#]);
    assert_eq!(failed.status.code(), Some(1));
    assert_eq!(failed.stdout, "no luck");
    let refused = run(&["good__refuse", r#"{"message": "not today"}"#]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(refused.stderr.contains("not today"), "{refused:?}");
    let unknown = run(&["good__nothing"]);
    assert_eq!(unknown.status.code(), Some(1));
    assert_eq!(unknown.stderr, "mcproxy: unknown tool \"good__nothing\"");
    let crash = run(&["good__crash", r#"{"code": 9}"#]);
    assert_eq!(crash.status.code(), Some(1));
    // The whole sentence, however long.
    let sentence = "mcproxy: server \"good\" exited with code 9 while this call was under way; it \
                    is being restarted";
    assert!(
        crash.stderr.lines().any(|line| line == sentence),
        "{crash:?}"
    );
}

#[test]
fn call_starts_only_what_is_needed() {
    let setup = Setup::with_config("");
    let starts = setup.folder().join("starts");
    let count = ["--count-starts", starts.to_str().expect("it is UTF-8")];
    let servers = [fault("good", &[]), fault("other", &count)];
    let setup = setup.config(json!({"servers": servers}).to_string());
    assert_success(&setup.run(&["call", "good__echo", "{}"]));
    assert!(!starts.exists(), "the other server was started too");
    assert_success(&setup.run(&["call", "other__echo", "{}"]));
    assert!(starts.exists());
}
