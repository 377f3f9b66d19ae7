//! The settings of the gateway itself, and who beats whom.

use super::*;
use log::LevelFilter;
use std::time::Duration;

/// A file without servers and with these members.
fn file(members: &str) -> String {
    format!(r#"{{"servers": [], {members}}}"#)
}

#[test]
fn defaults() {
    let config = loaded(r#"{"servers": []}"#).config;
    assert_eq!((config.host.as_str(), config.port), ("127.0.0.1", 12009));
    assert!(config.allow_origins.is_empty() && config.allow_hosts.is_empty());
    assert!(config.token.is_none() && config.log_level.is_none() && config.groups.is_empty());
    let limits = config.limits;
    assert_eq!(limits.max_queue_size, 1000);
    assert_eq!(limits.max_message_size, 1_048_576);
    assert_eq!(limits.max_child_message_size, 16_777_216);
    assert_eq!(limits.max_connections, None);
    assert_eq!(limits.keepalive_interval, Duration::from_secs(15));
    assert_eq!(limits.connection_timeout, Duration::from_secs(30));
    assert_eq!(limits.message_timeout, Duration::from_secs(5));
    assert_eq!(limits.max_reconnect_attempts, 3);
    assert_eq!(limits.reconnect_delay, Duration::from_secs(1));
    assert_eq!(limits.max_processes, 10);
    assert_eq!(limits.max_tool_name, 64);
}

#[test]
fn every_setting_is_read() {
    let config = loaded(&file(
        r#""$schema": "x", "host": "::1", "port": 0, "allow_origins": ["HTTPS://App.example.org:443/"],
        "allow_hosts": ["Box.example.org:12009"], "log_level": "debug", "limits": {
            "max_queue_size": 10, "max_message_size": "2KiB", "max_child_message_size": 4096,
            "max_connections": 11, "keepalive_interval": 1.5, "connection_timeout": "2m",
            "message_timeout": "500ms", "max_reconnect_attempts": 0, "reconnect_delay": "2",
            "max_processes": 12, "max_tool_name": 100}"#,
    ))
    .config;
    assert_eq!((config.host.as_str(), config.port), ("::1", 0));
    assert_eq!(config.allow_origins, ["https://app.example.org"]);
    assert_eq!(config.allow_hosts, ["box.example.org:12009"]);
    assert_eq!(config.log_level, Some(LevelFilter::Debug));
    let limits = config.limits;
    assert_eq!(limits.max_queue_size, 10);
    assert_eq!(limits.max_message_size, 2048);
    assert_eq!(limits.max_child_message_size, 4096);
    assert_eq!(limits.max_connections, Some(11));
    assert_eq!(limits.keepalive_interval, Duration::from_millis(1500));
    assert_eq!(limits.connection_timeout, Duration::from_secs(120));
    assert_eq!(limits.message_timeout, Duration::from_millis(500));
    assert_eq!(limits.max_reconnect_attempts, 0);
    assert_eq!(limits.reconnect_delay, Duration::from_secs(2));
    assert_eq!(limits.max_processes, 12);
    assert_eq!(limits.max_tool_name, 100);
}

#[test]
fn command_line_beats_environment_beats_file() {
    let variables = [
        ("TRANSPORT_SSE_HOST", "[::1]"),
        ("TRANSPORT_SSE_PORT", "2"),
        ("TRANSPORT_LOG_LEVEL", "WARN"),
        ("TRANSPORT_ALLOW_ORIGINS", "http://a, http://b:8080"),
        ("TRANSPORT_MAX_PROCESSES", "22"),
        ("API_ACCESS_TOKEN", "t0ken"),
    ];
    let text = file(
        r#""host": "Example.org", "port": 1, "log_level": "error", "allow_origins": ["http://c"],
        "limits": {"max_processes": 11}"#,
    );
    let from_file = loaded(&text).config;
    assert_eq!(
        (from_file.host.as_str(), from_file.port),
        ("example.org", 1)
    );
    assert_eq!(from_file.limits.max_processes, 11);

    let config = parse_with(&variables, &text).expect("it is good").config;
    assert_eq!((config.host.as_str(), config.port), ("::1", 2));
    assert_eq!(config.log_level, Some(LevelFilter::Warn));
    assert_eq!(config.allow_origins, ["http://a", "http://b:8080"]);
    assert_eq!(config.limits.max_processes, 22);
    assert_eq!(
        config
            .token
            .map(|token| token.expose().to_owned())
            .as_deref(),
        Some("t0ken")
    );

    let flags = Overrides {
        host: Some("0.0.0.0".to_owned()),
        port: Some(3),
        log_level: Some(LevelFilter::Trace),
    };
    let config = check::parse(&text, "f.json", &machine(&variables), &flags)
        .expect("it is good")
        .config;
    assert_eq!((config.host.as_str(), config.port), ("0.0.0.0", 3));
    assert_eq!(config.log_level, Some(LevelFilter::Trace));
}

#[test]
fn bad_variables_and_flags_are_errors_that_name_them() {
    let variables = [
        ("TRANSPORT_SSE_HOST", "http://x"),
        ("TRANSPORT_SSE_PORT", "65536"),
        ("TRANSPORT_LOG_LEVEL", "loud"),
        ("TRANSPORT_ALLOW_ORIGINS", "http://a,b"),
        ("TRANSPORT_PASS_ENV", "maybe"),
        ("TRANSPORT_MAX_PROCESSES", "0"),
        ("API_ACCESS_TOKEN", ""),
    ];
    let flags = Overrides {
        host: Some("a b".to_owned()),
        ..Overrides::default()
    };
    let problems = check::parse(r#"{"servers": []}"#, "f.json", &machine(&variables), &flags)
        .expect_err("all is wrong");
    let wanted_host = "an IP address or a host name, without scheme and port";
    let expected = [
        &format!("command line: --host: is \"a b\", write {wanted_host}"),
        &format!("environment: TRANSPORT_SSE_HOST: is \"http://x\", write {wanted_host}"),
        "environment: TRANSPORT_SSE_PORT: is \"65536\", write a port number from 0 to 65535",
        "environment: TRANSPORT_ALLOW_ORIGINS: is \"b\", write an origin like \"https://app.example.org\"",
        "environment: API_ACCESS_TOKEN: is empty, write a token of visible ASCII characters, or unset it",
        "environment: TRANSPORT_LOG_LEVEL: is \"loud\", write one of off, error, warn, info, debug, trace",
        "environment: TRANSPORT_MAX_PROCESSES: is \"0\", write a whole number from 1 to 10000",
        "environment: TRANSPORT_PASS_ENV: is \"maybe\", write true or false",
    ];
    assert_eq!(lines(&problems).lines().collect::<Vec<_>>(), expected);
}

#[test]
fn a_token_that_no_header_carries_is_refused_and_not_shown() {
    for token in [" ", "hunter2 hunter2", "hünter2", "hunter2\n", "\u{fffd}"] {
        let problems = parse_with(&[("API_ACCESS_TOKEN", token)], r#"{"servers": []}"#)
            .expect_err("it is no token");
        let printed = lines(&problems);
        assert!(
            printed.starts_with("environment: API_ACCESS_TOKEN: is a text with blanks"),
            "{printed}"
        );
        assert!(!printed.contains("nter2"));
    }
}

#[test]
fn bad_settings_of_the_file_are_refused() {
    for (members, message) in [
        (r#""host": """#, "host: is \"\", write an IP address"),
        (
            r#""host": "[127.0.0.1]""#,
            "host: is \"[127.0.0.1]\", write an IP address",
        ),
        (
            r#""host": "x:80""#,
            "host: is \"x:80\", write an IP address",
        ),
        (r#""port": "80""#, "port: is a string, write a whole number"),
        (
            r#""port": -1"#,
            "port: is -1, write a whole number from 0 to 65535",
        ),
        (
            r#""allow_origins": "x""#,
            "allow_origins: is a string, write an array of strings",
        ),
        (
            r#""allow_origins": ["null"]"#,
            "allow_origins[0]: is \"null\", write an origin like",
        ),
        (
            r#""allow_origins": ["http://a/b"]"#,
            "allow_origins[0]: is \"http://a/b\", write an origin like",
        ),
        (
            r#""allow_hosts": ["http://a"]"#,
            "allow_hosts[0]: is \"http://a\", write a host name like",
        ),
        (
            r#""limits": {"max_message_size": "63 B"}"#,
            "limits.max_message_size: is \"63 B\", write bytes as a number",
        ),
        (
            r#""limits": {"max_message_size": "5 apples"}"#,
            "limits.max_message_size: is \"5 apples\", write bytes",
        ),
        (
            r#""limits": {"max_tool_name": 23}"#,
            "limits.max_tool_name: is 23, write a whole number from 24 to 128",
        ),
        (
            r#""limits": {"message_timeout": "25h"}"#,
            "limits.message_timeout: is \"25h\", write seconds as a number",
        ),
        (r#""limits": []"#, "limits: is an array, write an object"),
        (
            r#""pass_environment": 1"#,
            "pass_environment: is a number, write true or false",
        ),
    ] {
        let printed = refused(&file(members));
        assert!(
            printed.starts_with(&format!("f.json: {message}")),
            "{printed}instead of\n{message}"
        );
        assert_eq!(printed.lines().count(), 1, "{printed}");
    }
}

#[test]
fn any_origin_is_taken_with_a_warning() {
    let loaded = loaded(&file(r#""allow_origins": ["*"]"#));
    assert_eq!(loaded.config.allow_origins, ["*"]);
    assert_eq!(
        lines(&loaded.warnings),
        "f.json: allow_origins[0]: lets every web page in, name the origins instead\n"
    );
}

#[test]
fn a_single_command_is_one_server_without_a_prefix() {
    let single = |words: &[&str]| {
        let words = words.iter().map(|&word| word.to_owned()).collect();
        check::single(words, &machine(&[]), &Overrides::default()).expect("the rest is good")
    };
    let loaded = single(&["npx", "-y", "${not expanded}"]);
    let server = only(&loaded);
    assert_eq!((server.name.as_str(), server.prefix.as_str()), ("npx", ""));
    assert_eq!(command(server).program, Path::new("/usr/bin/npx"));
    assert_eq!(command(server).args, ["-y", "${not expanded}"]);
    for (program, name) in [
        ("./my server__é.py", "my-server_-"),
        ("/", "server"),
        ("..", "server"),
    ] {
        assert_eq!(only(&single(&[program])).name, name);
    }
    let gone = single(&["gone"]);
    assert!(matches!(only(&gone).state, Launch::Misconfigured(_)));
    assert!(
        lines(&gone.problems)
            .starts_with("command line: server \"gone\": command: \"gone\" is not on PATH")
    );
    assert!(lines(&single(&[]).problems).contains("command: is empty"));
    let bad = check::single(
        vec![],
        &machine(&[("TRANSPORT_SSE_PORT", "x")]),
        &Overrides::default(),
    );
    assert_eq!(bad.expect_err("the port is wrong").len(), 2);
}

#[test]
fn the_demo_server_is_this_executable() {
    let loaded = check::demo(&machine(&[]), &Overrides::default()).expect("all is good");
    let server = only(&loaded);
    assert_eq!(
        (server.name.as_str(), server.prefix.as_str()),
        ("demo", "demo")
    );
    assert_eq!(command(server).program, Path::new("/bin/mcproxy"));
    assert_eq!(command(server).args, ["demo-server"]);
}
