//! What some refusals say, and the codes that the specification gives them.

use super::*;

#[test]
fn a_refusal_names_the_thing_and_what_comes_next() {
    let gone = Refusal::ServerGone {
        server: "git".into(),
        how: "exited with code 1".into(),
        next: "it is being restarted",
    };
    assert_eq!(
        gone.to_string(),
        "server \"git\" exited with code 1 while this call was under way; it is being restarted"
    );
    let ambiguous = Refusal::AmbiguousResource {
        uri: "file:///x".into(),
        servers: vec!["a".into(), "b".into()],
    };
    assert!(
        ambiguous
            .to_string()
            .ends_with("/servers/a/mcp /servers/b/mcp")
    );
}

#[test]
fn a_parked_server_is_told_of_to_readers_and_to_programs() {
    let parked = |failures, retry| Refusal::ServerParked {
        server: "git".into(),
        failures,
        last: "exited with code 1".into(),
        retry,
    };
    assert_eq!(
        parked(3, Retry::In(42)).to_string(),
        "server \"git\" is parked after 3 failures in a row; last: exited with code 1; it is tried \
         again in 42 s"
    );
    assert_eq!(
        parked(1, Retry::Now).to_string(),
        "server \"git\" is parked after 1 failure; last: exited with code 1; it is being tried again"
    );
    let data = parked(3, Retry::ByCall(42)).data();
    let data: serde_json::Value = serde_json::from_str(&data.unwrap_or_default()).unwrap();
    assert_eq!(
        data,
        serde_json::json!({
            "server": "git",
            "state": "parked",
            "failures": 3,
            "last": "exited with code 1",
            "retryAfter": 42,
        })
    );
}

#[test]
fn codes_are_those_of_the_specification() {
    assert_eq!(Refusal::UnknownTool("x".into()).code(), -32602);
    assert_eq!(Refusal::UnknownMethod("x".into()).code(), -32601);
    assert_eq!(Refusal::UnknownResource("x".into()).code(), -32002);
    assert_eq!(Refusal::NotInitialized("x".into()).code(), -32600);
}
