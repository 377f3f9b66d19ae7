//! Command lines and what becomes of them.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use log::LevelFilter;
use proptest::prelude::*;

use crate::cli::arguments::{Arguments, Check, Command, Engine, Kind};
use crate::cli::parse::parse;
use crate::cli::usage::UsageError;
use crate::logging::{Format, Place};

fn good(line: &[&str]) -> Arguments {
    parse(line).unwrap_or_else(|error| panic!("{line:?}: {error}"))
}

fn sentence(line: &[&str]) -> String {
    match parse(line) {
        Ok(arguments) => panic!("{line:?} was understood as {arguments:?}"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn nothing_typed_serves_with_nothing_decided() {
    let nothing = Arguments {
        command: Command::Serve,
        config: None,
        host: None,
        port: None,
        log_to_stdout: false,
        log_level: None,
        log_format: Format::Text,
        allow_anonymous: false,
        http_engine: Engine::Own,
    };
    assert_eq!(good(&[]), nothing);
}

#[test]
fn the_line_of_old_works() {
    let arguments = good(&["--log", "--port", "12009"]);
    assert_eq!(arguments.command, Command::Serve);
    assert_eq!(arguments.port, Some(12009));
    assert_eq!(arguments.log_place(), Place::Stdout);
}

#[test]
fn config() {
    let file = Some(PathBuf::from("a b.json"));
    for line in [
        &["-c", "a b.json"][..],
        &["-ca b.json"],
        &["--config", "a b.json"],
        &["--config=a b.json"],
    ] {
        assert_eq!(good(line).config, file, "{line:?}");
    }
    assert_eq!(
        good(&["--config=--log"]).config,
        Some(PathBuf::from("--log"))
    );
}

#[test]
fn a_config_need_not_be_text() {
    let path = OsString::from_vec(vec![b'a', 0xff]);
    let arguments = parse([OsString::from("-c"), path.clone()]).expect("a path is bytes");
    assert_eq!(arguments.config, Some(PathBuf::from(path)));
}

#[test]
fn host() {
    assert_eq!(good(&["--host", "::1"]).host.as_deref(), Some("::1"));
    assert_eq!(
        sentence(&["--host="]),
        "--host needs a value: --host ADDR, but \"\" follows"
    );
}

#[test]
fn port() {
    assert_eq!(good(&["--port", "0"]).port, Some(0));
    assert_eq!(good(&["--port=65535"]).port, Some(65535));
    assert_eq!(good(&["--port", "1", "--port", "2"]).port, Some(2));
    for bad in ["65536", "-1", "http", "1.5", " 1"] {
        assert_eq!(
            sentence(&["--port", bad]),
            format!("--port: {bad:?} is no port: write a number from 0 to 65535")
        );
    }
}

#[test]
fn log_level() {
    for (word, level) in [
        ("off", LevelFilter::Off),
        ("error", LevelFilter::Error),
        ("warn", LevelFilter::Warn),
        ("info", LevelFilter::Info),
        ("debug", LevelFilter::Debug),
        ("trace", LevelFilter::Trace),
        ("DEBUG", LevelFilter::Debug),
    ] {
        assert_eq!(good(&["--log-level", word]).log_level, Some(level));
    }
    assert_eq!(
        sentence(&["--log-level", "debgu"]),
        "--log-level: \"debgu\" is none of off, error, warn, info, debug, trace; \
         did you mean debug?"
    );
}

#[test]
fn log_format() {
    assert_eq!(good(&["--log-format", "json"]).log_format, Format::Json);
    assert_eq!(good(&["--log-format", "text"]).log_format, Format::Text);
    assert!(sentence(&["--log-format", "xml"]).contains("none of text, json"));
}

#[test]
fn allow_anonymous() {
    assert!(good(&["--allow-anonymous"]).allow_anonymous);
}

#[test]
fn http_engine() {
    assert_eq!(good(&["--http-engine", "own"]).http_engine, Engine::Own);
    if cfg!(feature = "tiny_http") {
        let arguments = good(&["--http-engine", "tiny_http"]);
        assert_eq!(arguments.http_engine, Engine::TinyHttp);
    } else {
        let told = sentence(&["--http-engine", "tiny_http"]);
        assert!(
            told.contains("was not compiled into this mcproxy"),
            "{told}"
        );
    }
}

#[test]
fn log_means_stderr_where_stdout_is_the_protocol() {
    assert_eq!(good(&["stdio", "--log"]).log_place(), Place::Stderr);
    assert_eq!(good(&["tools", "--log"]).log_place(), Place::Stdout);
    assert_eq!(good(&["stdio"]).log_place(), Place::Automatic);
}

#[test]
fn live_schema_and_json_belong_to_one_sub_command_each() {
    assert_eq!(
        good(&["check", "--schema"]).command,
        Command::Check(Check::Schema)
    );
    assert_eq!(
        good(&["--live", "check"]).command,
        Command::Check(Check::Live)
    );
    assert_eq!(good(&["check"]).command, Command::Check(Check::File));
    assert_eq!(
        sentence(&["check", "--live", "--schema"]),
        "--schema and --live do not go together: give one of them"
    );
    assert_eq!(
        good(&["--json", "tools"]).command,
        Command::Tools { json: true }
    );
    assert_eq!(good(&["tools"]).command, Command::Tools { json: false });
    assert_eq!(
        sentence(&["--json"]),
        "--json means nothing to \"mcproxy\": it belongs to \"mcproxy tools\", \
         \"mcproxy status\""
    );
    assert!(sentence(&["tools", "--live"]).contains("\"mcproxy check\""));
    assert!(sentence(&["tools", "--schema"]).contains("\"mcproxy check\""));
    assert!(sentence(&["demo-server", "--port", "1"]).contains("\"mcproxy demo-server\""));
    assert!(sentence(&["-c", "x", "--", "cat"]).contains("\"mcproxy -- COMMAND\""));
}

#[test]
fn options_stand_before_or_behind_the_sub_command() {
    assert_eq!(
        good(&["--port", "1", "stdio"]),
        good(&["stdio", "--port", "1"])
    );
    assert_eq!(good(&["demo-server"]).command, Command::DemoServer);
}

#[test]
fn one_server_is_what_stands_behind_the_dashes() {
    let arguments = good(&["--port", "1", "--", "npx", "-y", "--log", "--", "stdio"]);
    let words = ["npx", "-y", "--log", "--", "stdio"];
    let command = words.map(str::to_owned).to_vec();
    assert_eq!(arguments.command, Command::ServeOne(command));
    assert!(!arguments.log_to_stdout);
    // A sub-command behind the dashes is none.
    let check = Command::ServeOne(vec!["check".to_owned()]);
    assert_eq!(good(&["--", "check"]).command, check);
    for line in [&["--"][..], &["--", ""]] {
        assert_eq!(parse(line), Err(UsageError::MissingCommand));
    }
    assert!(sentence(&["stdio", "--", "cat"]).starts_with("unexpected \"cat\""));
}

#[test]
fn call_takes_a_tool_and_an_object() {
    let call = |tool: &str, arguments: Option<&str>| Command::Call {
        tool: tool.to_owned(),
        arguments: arguments.map(str::to_owned),
    };
    assert_eq!(good(&["call", "a__b"]).command, call("a__b", None));
    let object = r#"{"a": {"b": [1]}}"#;
    assert_eq!(
        good(&["call", "x", object]).command,
        call("x", Some(object))
    );
    assert_eq!(
        good(&["call", "--", "-x", "{}"]).command,
        call("-x", Some("{}"))
    );
    assert_eq!(parse(["call"]), Err(UsageError::MissingTool));
    for (json, found) in [
        ("[1]", "found an array"),
        ("\"x\"", "found a string"),
        ("5", "found a number"),
        ("true", "found a boolean"),
        ("null", "found null"),
        ("{\"a\":}", "line 1 column 6"),
        ("{} {}", "trailing characters"),
        ("", "broken JSON"),
    ] {
        let told = sentence(&["call", "x", json]);
        assert!(told.contains(found), "{json}: {told}");
    }
    assert!(sentence(&["call", "x", "{}", "y"]).starts_with("unexpected \"y\""));
}

#[test]
fn help_and_version_win_over_what_follows_and_over_what_is_missing() {
    let short = Command::Help { long: false };
    let long = Command::Help { long: true };
    assert_eq!(good(&["-h"]).command, short);
    assert_eq!(good(&["--help"]).command, long);
    assert_eq!(good(&["call", "--help"]).command, long);
    assert_eq!(good(&["nonsense", "-h", "--nonsense"]).command, short);
    assert_eq!(good(&["-V"]).command, Command::Version);
    assert_eq!(good(&["--version"]).command, Command::Version);
    // Behind the dashes they belong to the server.
    assert!(matches!(
        good(&["--", "x", "--help"]).command,
        Command::ServeOne(_)
    ));
}

#[test]
fn generate() {
    for (word, kind) in [
        ("man", Kind::Man),
        ("bash", Kind::Bash),
        ("zsh", Kind::Zsh),
        ("fish", Kind::Fish),
    ] {
        assert_eq!(good(&["--generate", word]).command, Command::Generate(kind));
    }
    assert!(sentence(&["--generate"]).contains("--generate KIND"));
}

#[test]
fn the_unknown_suggests_its_neighbour() {
    assert_eq!(
        sentence(&["--prot", "1"]),
        "unknown option \"--prot\": did you mean --port?"
    );
    assert_eq!(
        sentence(&["-p", "1"]),
        "unknown option \"-p\": did you mean --port?"
    );
    assert_eq!(
        sentence(&["--xyzzyxyzzy"]),
        "unknown option \"--xyzzyxyzzy\""
    );
    assert_eq!(
        sentence(&["chek"]),
        "unknown sub-command \"chek\": did you mean \"check\"?"
    );
    assert!(sentence(&["npx", "thing"]).contains("write \"mcproxy -- npx …\""));
}

#[test]
fn a_value_is_where_it_must_be_and_nowhere_else() {
    assert_eq!(
        sentence(&["--config", "--log"]),
        "--config needs a value: --config FILE, but \"--log\" follows"
    );
    for next in ["-h", "--", "--port=1"] {
        assert!(sentence(&["--host", next]).contains("follows"), "{next}");
    }
    assert_eq!(
        sentence(&["--config"]),
        "--config needs a value: --config FILE"
    );
    assert_eq!(
        sentence(&["--log=yes", "stdio"]),
        "--log takes no value, found \"yes\""
    );
    assert_eq!(sentence(&["--log="]), "--log takes no value, found \"\"");
    assert!(sentence(&["check", "this"]).starts_with("unexpected \"this\""));
}

#[test]
fn what_is_no_text_is_named() {
    let word = || OsString::from_vec(vec![b'x', 0xff]);
    for line in [
        vec![word()],
        vec!["--host".into(), word()],
        vec!["--".into(), "cat".into(), word()],
    ] {
        let told = parse(line).expect_err("it is no text").to_string();
        assert!(told.contains("\"x\u{fffd}\" is not UTF-8"), "{told}");
    }
}

proptest! {
    #[test]
    fn no_command_line_panics(line in prop::collection::vec(any_word(), 0..6)) {
        if let Err(error) = parse(&line) {
            prop_assert!(!error.to_string().is_empty());
        }
    }
}

/// Words that mean something, and words that mean nothing.
fn any_word() -> impl Strategy<Value = String> {
    let ours = prop::sample::select(vec![
        "--", "call", "stdio", "--port", "-c", "-hV", "--log=x", "=", "-", "--=x", "", "-é", "{}",
    ]);
    prop_oneof![ours.prop_map(str::to_owned), ".*"]
}
