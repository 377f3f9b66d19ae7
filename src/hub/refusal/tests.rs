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
fn codes_are_those_of_the_specification() {
    assert_eq!(Refusal::UnknownTool("x".into()).code(), -32602);
    assert_eq!(Refusal::UnknownMethod("x".into()).code(), -32601);
    assert_eq!(Refusal::UnknownResource("x".into()).code(), -32002);
    assert_eq!(Refusal::NotInitialized("x".into()).code(), -32600);
}

#[test]
fn what_is_not_there_is_named_in_the_data_under_the_code_of_the_era() {
    let unknown = Refusal::UnknownResource("file:///x".into());
    let ambiguous = Refusal::AmbiguousResource {
        uri: "file:///x".into(),
        servers: vec!["a".into(), "b".into()],
    };
    let data = r#""data":{"uri":"file:///x"}"#;
    for (refusal, is_stateless, code) in [
        (&unknown, false, r#""code":-32002,"#),
        (&unknown, true, r#""code":-32602,"#),
        (&ambiguous, true, r#""code":-32602,"#),
    ] {
        let message = refusal.message_to(is_stateless);
        let mut bytes = Vec::new();
        crate::wire::outgoing::Outgoing::plain(message.into()).write_to(&mut bytes);
        let text = String::from_utf8(bytes).expect("messages are text");
        assert!(text.contains(data) && text.contains(code), "{text}");
    }
}
