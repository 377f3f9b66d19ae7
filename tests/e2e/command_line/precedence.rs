//! The command line beats the environment, which beats the file, which beats the default: for
//! each setting that can be made in more than one place, each step is seen once.

use serde_json::{Value, json};

use crate::e2e::scene::{client, fault, wait_for_state, whoami};
use crate::harness::gateway::{Gateway, Setup};
use crate::harness::http::{Http, Request};

/// What `check` says, which needs no free port.
fn checked(file: Value, variables: &[(&str, &str)], flags: &[&str]) -> String {
    let mut config = json!({"servers": [fault("good", &[])]});
    if let (Some(config), Value::Object(file)) = (config.as_object_mut(), file) {
        config.extend(file);
    }
    let mut setup = Setup::with_config(config.to_string());
    for (name, value) in variables {
        setup = setup.env(name, value);
    }
    let ended = setup.run(&[&["check"], flags].concat());
    assert_eq!(ended.status.code(), Some(0), "{ended:?}");
    ended.stdout
}

#[test]
fn of_host_and_port() {
    let all = json!({"host": "127.0.0.2", "port": 2});
    let environment = [
        ("TRANSPORT_SSE_HOST", "127.0.0.3"),
        ("TRANSPORT_SSE_PORT", "3"),
    ];
    let line = ["--host", "127.0.0.4", "--port", "4"];
    for (base, file, variables, flags) in [
        ("127.0.0.1:12009", json!({}), &[][..], &[][..]),
        ("127.0.0.2:2", all.clone(), &[], &[]),
        ("127.0.0.3:3", all.clone(), &environment, &[]),
        ("127.0.0.4:4", all, &environment, &line),
        ("127.0.0.3:4", json!({}), &environment, &line[2..]),
    ] {
        let text = checked(file, variables, flags);
        assert!(text.contains(&format!("http://{base}/mcp")), "{text}");
    }
}

#[test]
fn of_the_address_that_is_really_bound() {
    let config = json!({"servers": [], "host": "127.0.0.2"}).to_string();
    let gateway = Setup::with_config(config)
        .env("TRANSPORT_SSE_HOST", "127.0.0.3")
        .start();
    assert_eq!(gateway.address.ip().to_string(), "127.0.0.3");
    assert!(Http::connect(gateway.address).is_ok());
}

#[test]
fn of_the_log_level() {
    let chatty = |file: Option<&str>, variable: Option<&str>, flag: Option<&str>| {
        let mut config = json!({"servers": [fault("good", &[])]});
        if let Some(level) = file {
            config["log_level"] = json!(level);
        }
        let mut setup = Setup::with_config(config.to_string()).arg("--log");
        if let Some(level) = variable {
            setup = setup.env("TRANSPORT_LOG_LEVEL", level);
        }
        if let Some(level) = flag {
            setup = setup.arg("--log-level").arg(level);
        }
        let gateway = setup.start();
        wait_for_state(&gateway, "good", "ready");
        let log = gateway.stdout.clone();
        gateway.stop();
        let text = log.text();
        (text.contains(" DEBUG "), text.contains(" INFO "))
    };
    assert_eq!(chatty(None, None, None), (false, true));
    assert_eq!(chatty(Some("debug"), None, None), (true, true));
    assert_eq!(chatty(Some("debug"), Some("error"), None), (false, false));
    let all = chatty(Some("error"), Some("error"), Some("debug"));
    assert_eq!(all, (true, true));
}

fn origin_is_let_in(gateway: &Gateway, origin: &str) -> bool {
    let request = Request::new("GET", "/sse")
        .header("Accept", "text/event-stream")
        .header("Origin", origin);
    let mut http = Http::connect(gateway.address).unwrap();
    let status = http.begin(&request).unwrap().status;
    assert!(status == 200 || status == 403, "{status}");
    status == 200
}

#[test]
fn of_the_origins() {
    let (one, two) = ("https://one.example", "https://two.example");
    let config = json!({"servers": [], "allow_origins": [one]}).to_string();
    let by_file = Setup::with_config(config.clone()).start();
    assert!(origin_is_let_in(&by_file, one));
    assert!(!origin_is_let_in(&by_file, two));
    assert!(origin_is_let_in(&by_file, "http://localhost:6274"));
    let listed = format!("{two}, https://three.example");
    let by_environment = Setup::with_config(config)
        .env("TRANSPORT_ALLOW_ORIGINS", &listed)
        .start();
    assert!(origin_is_let_in(&by_environment, two));
    assert!(origin_is_let_in(&by_environment, "https://three.example"));
    assert!(!origin_is_let_in(&by_environment, one));
}

#[test]
fn of_the_environment_that_is_passed_on() {
    let sees = |file: Value, entry: Value, variable: Option<&str>| {
        let mut server = fault("good", &[]);
        if !entry.is_null() {
            server["pass_environment"] = entry;
        }
        let config = json!({"servers": [server], "pass_environment": file});
        let mut setup = Setup::with_config(config.to_string()).env("SOMETHING_ELSE", "1");
        if let Some(value) = variable {
            setup = setup.env("TRANSPORT_PASS_ENV", value);
        }
        let gateway = setup.start();
        let me = whoami(&mut client(&gateway, "/mcp"), "good");
        let names = me["environment"].as_array().expect("an array");
        names.contains(&json!("SOMETHING_ELSE"))
    };
    let nothing = Value::Null;
    assert!(!sees(nothing.clone(), nothing.clone(), None));
    assert!(sees(json!(true), nothing.clone(), None));
    assert!(!sees(json!(true), nothing.clone(), Some("false")));
    assert!(sees(json!(false), nothing, Some("true")));
    assert!(!sees(json!(true), json!(false), Some("true")));
}

#[test]
fn a_bad_value_is_an_error_of_the_environment_by_name() {
    for (name, value) in [
        ("TRANSPORT_SSE_PORT", "http"),
        ("TRANSPORT_SSE_HOST", "http://127.0.0.1"),
        ("TRANSPORT_LOG_LEVEL", "loud"),
        ("TRANSPORT_MAX_PROCESSES", "-1"),
        ("TRANSPORT_PASS_ENV", "perhaps"),
        ("TRANSPORT_ALLOW_ORIGINS", "one.example"),
    ] {
        let setup = Setup::with_config(r#"{"servers": []}"#).env(name, value);
        let ended = setup.run(&["check"]);
        assert_eq!(ended.status.code(), Some(1), "{name}: {ended:?}");
        let expected = format!("mcproxy: environment: {name}: ");
        assert!(ended.stderr.starts_with(&expected), "{name}: {ended:?}");
    }
}
