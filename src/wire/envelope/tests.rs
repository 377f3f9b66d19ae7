//! Messages read and written, against generators that know what they wrote.

use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::wire::arbitrary;
use crate::wire::outgoing::{Outgoing, Patch};
use crate::wire::own_id::Purpose;

fn parse(text: &str) -> Message {
    Message::parse(text.into()).unwrap_or_else(|malformed| panic!("{malformed:?}: {text}"))
}

fn refused(text: &str) -> (i32, String, Option<String>) {
    let malformed = Message::parse(text.into()).expect_err(text);
    let id = malformed.id.map(String::from);
    (malformed.code, malformed.sentence, id)
}

/// The JSON text of a mark.
fn at(message: &Message, mark: Option<Span>) -> Option<&str> {
    mark.map(|span| message.json(span))
}

fn written(outgoing: &Outgoing) -> String {
    let mut out = b"before".to_vec();
    outgoing.write_to(&mut out);
    assert!(out.len() - 6 <= outgoing.len_max());
    String::from_utf8(out.split_off(6)).expect("a message is text")
}

fn json(text: &str) -> Option<Patch> {
    Some(Patch::Json(text.into()))
}

#[test]
fn the_parts_of_a_call_are_found_whatever_their_order() {
    let message = parse(
        r#" {"params": {"_meta":{"x":{"progressToken":0},"progressToken" : 7},"arguments":{"name":"no","uri":"no"},
             "name":"e\u0063ho"}, "id":"a","m\u0065thod":"tools/call","jsonrpc":"2.0"} "#,
    );
    assert_eq!(message.kind, Kind::Request(Method::ToolsCall));
    let marks = message.marks;
    assert_eq!(at(&message, marks.id), Some("\"a\""));
    assert_eq!(at(&message, marks.name), Some(r#""e\u0063ho""#));
    assert_eq!(
        message.text(marks.name.expect("a name")).as_deref(),
        Some("echo")
    );
    assert_eq!(at(&message, marks.progress_token), Some("7"));
    assert!(at(&message, marks.params).is_some_and(|params| params.starts_with("{\"_meta\"")));
    assert_eq!((marks.uri, marks.outcome), (None, None));
}

#[test]
fn each_mark_belongs_to_its_own_methods() {
    let complete = parse(
        r#"{"jsonrpc":"2.0","id":1,"method":"completion/complete","params":{"name":"no",
            "ref":{"type":"ref/prompt","name":"p","uri":"no"},"argument":{"name":"no"}}}"#,
    );
    assert_eq!(at(&complete, complete.marks.name), Some("\"p\""));
    assert_eq!(complete.marks.uri, None);
    let call = parse(
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"ref":{"name":"no"},"name":"t"}}"#,
    );
    assert_eq!(at(&call, call.marks.name), Some("\"t\""));
    let progress = parse(
        r#"{"jsonrpc":"2.0","method":"notifications/progress",
            "params":{"_meta":{"progressToken":1},"progressToken":"2"}}"#,
    );
    assert_eq!(at(&progress, progress.marks.progress_token), Some("\"2\""));
    let cancelled = parse(
        r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":0,"progressToken":1}}"#,
    );
    assert_eq!(at(&cancelled, cancelled.marks.request_id), Some("0"));
    assert_eq!(cancelled.marks.progress_token, None);
    let list = parse(
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"cursor":"c","requestId":3}}"#,
    );
    assert_eq!(at(&list, list.marks.cursor), Some("\"c\""));
    assert_eq!(list.marks.request_id, None);
    let level =
        parse(r#"{"jsonrpc":"2.0","id":1,"method":"logging/setLevel","params":{"level":"info"}}"#);
    assert_eq!(at(&level, level.marks.level), Some("\"info\""));
}

#[test]
fn null_counts_as_left_out_and_no_object_is_looked_into() {
    let message = parse(
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/list",
            "params":{"cursor":null,"_meta":null,"ref":[{"name":"a"}],"name":null}}"#,
    );
    let marks = Marks {
        id: message.marks.id,
        params: message.marks.params,
        // Known to be there all the same, so that no second one is put in.
        meta: message.marks.meta,
        ..Marks::default()
    };
    assert_eq!(message.marks, marks);
    let odd_token =
        r#"{"jsonrpc":"2.0","id":1,"method":"a","params":{"_meta":{"progressToken":[1]}}}"#;
    assert_eq!(parse(odd_token).marks.progress_token, None);
}

#[test]
fn zero_the_empty_string_and_whole_numbers_are_ids() {
    for id in [
        "0",
        "\"\"",
        "-3",
        "1.0",
        "123456789012345678901234567890",
        "\"é\\n\"",
    ] {
        let message = parse(&format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"ping"}}"#));
        assert_eq!(message.kind, Kind::Request(Method::Ping));
        assert_eq!(at(&message, message.marks.id), Some(id));
    }
}

#[test]
fn answers_are_told_apart_and_an_error_may_have_no_id() {
    let result = parse(r#"{"result":{"tools":[]},"jsonrpc":"2.0","id":16}"#);
    assert_eq!(result.kind, Kind::Answer { failed: false });
    assert_eq!(at(&result, result.marks.outcome), Some(r#"{"tools":[]}"#));
    assert_eq!(result.own_id(), Some(OwnId::new(1, Purpose::Call)));
    let null = parse(r#"{"jsonrpc":"2.0","id":8,"result":null}"#);
    assert_eq!(at(&null, null.marks.outcome), Some("null"));
    for id in ["", r#","id":null"#] {
        let error = parse(&format!(r#"{{"jsonrpc":"2.0"{id},"error":{{"code":1}}}}"#));
        assert_eq!(error.kind, Kind::Answer { failed: true });
        assert_eq!(error.marks.id, None);
        assert_eq!(at(&error, error.marks.outcome), Some("{\"code\":1}"));
    }
}

#[test]
fn success_is_a_result_and_failure_a_sentence() {
    let succeeded = |part: &str| {
        let message = parse(&format!(r#"{{"jsonrpc":"2.0","id":1,{part}}}"#));
        message.succeeded().map(str::to_owned)
    };
    assert_eq!(succeeded(r#""result":[1]"#), Ok("[1]".into()));
    assert_eq!(
        succeeded(r#""error":{"code":-32601,"message":"no\nsuch"}"#),
        Err(r#"answered with error -32601: "no\nsuch""#.into())
    );
    let long = succeeded(&format!(r#""error":{{"message":"{}"}}"#, "ä".repeat(500)));
    let expected = format!(
        "answered with error without a code: \"{}\"…",
        "ä".repeat(80)
    );
    assert_eq!(long, Err(expected));
    assert!(succeeded(r#""method":"ping""#).is_err());
}

#[test]
fn ids_that_are_not_ours_are_no_own_ids() {
    for id in ["\"16\"", "15", "-16", "16.0", "99999999999999999999"] {
        let message = parse(&format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{}}}}"#));
        assert_eq!(message.own_id(), None, "{id}");
    }
}

/// Each row: the message, the code, the sentence, the id to answer.
const REFUSALS: &str = r#"
{"jsonrpc":"2.0","id":1,                          | -32700 | parse error at byte 24: the text ends too early |
{"jsonrpc":"2.0"} x                               | -32700 | parse error at byte 18: expected nothing more |
[]                                                | -32600 | the message is an array: it must be an object |
"a"                                               | -32600 | the message is a string: it must be an object |
{"id":1,"method":"ping"}                          | -32600 | "jsonrpc" is missing: it must be "2.0" | 1
{"jsonrpc":2.0,"id":1,"method":"ping"}            | -32600 | "jsonrpc" is not "2.0" | 1
{"jsonrpc":"1.0","id":"","method":"ping"}         | -32600 | "jsonrpc" is not "2.0" | ""
{"jsonrpc":"2.0","id":0,"method":""}              | -32600 | method is empty | 0
{"jsonrpc":"2.0","id":1,"method":null}            | -32600 | method is null: it must be a string | 1
{"jsonrpc":"2.0","id":1,"method":"\udc00"}        | -32600 | method is no text: it holds half a surrogate pair | 1
{"jsonrpc":"2.0","id":null,"method":"ping"}       | -32600 | id is null: it must be a string or an integer |
{"jsonrpc":"2.0","id":{},"method":"ping"}         | -32600 | id is an object: it must be a string or an integer |
{"jsonrpc":"2.0","id":1.5,"method":"ping"}        | -32600 | id is a fraction: it must be a string or an integer |
{"jsonrpc":"2.0","id":1e3,"method":"ping"}        | -32600 | id is a fraction: it must be a string or an integer |
{"jsonrpc":"2.0","id":"@","method":"ping"}        | -32600 | id is longer than 256 bytes |
{"jsonrpc":"2.0","id":1,"method":"@"}             | -32600 | method is longer than 256 bytes | 1
{"jsonrpc":"2.0","id":1,"method":"a","params":{"_meta":{"progressToken":"@"}}} | -32602 | params._meta.progressToken is longer than 256 bytes | 1
{"jsonrpc":"2.0","id":1,"method":"a","params":null} | -32600 | params is null: it must be an object or left out | 1
{"jsonrpc":"2.0","id":1,"method":"a","params":[1]} | -32602 | params is an array: MCP takes them by name, in an object | 1
{"jsonrpc":"2.0","id":1}                          | -32600 | the message has no method, result or error | 1
{"jsonrpc":"2.0","id":1,"result":{},"error":{}}   | -32600 | the message has a result and an error |
{"jsonrpc":"2.0","id":1,"method":"a","result":{}} | -32600 | the message has a method and a result or error |
{"jsonrpc":"2.0","result":{}}                     | -32600 | the result has no id |
{"jsonrpc":"2.0","id":null,"result":{}}           | -32600 | id is null: it must be a string or an integer |
{"jsonrpc":"2.0","id":1,"error":"no"}             | -32600 | error is a string: it must be an object |
"#;

#[test]
fn what_is_no_message_is_refused_with_a_sentence() {
    for row in REFUSALS.trim().lines() {
        let columns: Vec<&str> = row.split('|').map(str::trim).collect();
        let [text, code, sentence, id] = columns[..] else {
            panic!("not a row: {row}");
        };
        let (code_told, sentence_told, id_told) = refused(&text.replace('@', &"x".repeat(300)));
        assert_eq!(code_told.to_string(), code, "{row}");
        assert_eq!(sentence_told, sentence, "{row}");
        assert_eq!(id_told.unwrap_or_default(), id, "{row}");
    }
}

#[test]
fn invalid_utf8_is_a_parse_error_with_its_place() {
    let malformed = Message::parse(b"{\"a\":\"\xff\"}".to_vec()).expect_err("no text");
    assert_eq!(malformed.code, PARSE_ERROR);
    assert_eq!(malformed.sentence, "parse error at byte 6: invalid UTF-8");
}

#[test]
fn a_key_that_is_read_must_not_stand_twice_even_if_escaped() {
    let good = r#"{"jsonrpc":"2.0","id":1,"method":"completion/complete","params":{"name":"a","uri":"b",
        "cursor":"c","level":"d","requestId":1,"progressToken":2,"_meta":{"progressToken":3},
        "ref":{"type":"t","name":"n","uri":"u"}}}"#;
    parse(good);
    for (key, again, path) in [
        (r#""jsonrpc":"#, r#""jsonrp\u0063":"2.0","#, "jsonrpc"),
        (r#""id":1"#, r#""i\u0064":1,"#, "id"),
        (r#""method":"#, r#""method":"x","#, "method"),
        (r#""params":"#, r#""params":{"name":"z"},"#, "params"),
        (r#""params":"#, r#""params":null,"#, "params"),
        (r#""name":"a"#, r#""n\u0061me":null,"#, "params.name"),
        (r#""uri":"b"#, r#""uri":1,"#, "params.uri"),
        (r#""cursor":"#, r#""cursor":"","#, "params.cursor"),
        (r#""level":"#, r#""level":"","#, "params.level"),
        (r#""requestId":"#, r#""requestId":"","#, "params.requestId"),
        (
            r#""progressToken":2"#,
            r#""progressToken":2,"#,
            "params.progressToken",
        ),
        (
            r#""progressToken":3"#,
            r#""progressToken":3,"#,
            "params._meta.progressToken",
        ),
        (r#""_meta":"#, r#""_meta":{},"#, "params._meta"),
        (r#""ref":"#, r#""ref":{},"#, "params.ref"),
        (r#""type":"#, r#""type":"","#, "params.ref.type"),
        (r#""name":"n"#, r#""name":"","#, "params.ref.name"),
        (r#""uri":"u"#, r#""uri":"","#, "params.ref.uri"),
    ] {
        let text = good.replacen(key, &format!("{again}{key}"), 1);
        let (code, sentence, id) = refused(&text);
        assert_eq!(
            (code, sentence),
            (-32600, format!("\"{path}\" stands twice")),
            "{text}"
        );
        assert_eq!(id.as_deref(), (path != "id").then_some("1"));
    }
    for outcome in ["result", "error"] {
        let text = format!(r#"{{"jsonrpc":"2.0","id":1,"{outcome}":{{}},"{outcome}":{{}}}}"#);
        assert_eq!(refused(&text).1, format!("\"{outcome}\" stands twice"));
    }
    // What is not read may stand twice: it travels as it came.
    parse(
        r#"{"jsonrpc":"2.0","method":"a","x":1,"x":2,"params":{"arguments":{"name":1,"name":2}}}"#,
    );
}

#[test]
fn a_message_is_written_in_one_line_with_its_parts_replaced() {
    let message = Arc::new(parse(
        "{\"params\":\r\n {\"name\" : \"a\",\"t\":\"\\n\",\"_meta\":{\"progressToken\":\"p\"}},\n\"id\":1,\"method\":\"tools/call\",\"jsonrpc\":\"2.0\"}\n\n",
    ));
    let outgoing = Outgoing {
        id: Some(Patch::Number(u64::MAX)),
        name: json("\"b\\nc\""),
        progress_token: Some(Patch::Number(0)),
        ..Outgoing::plain(message)
    };
    assert_eq!(
        written(&outgoing),
        "{\"params\":   {\"name\" : \"b\\nc\",\"t\":\"\\n\",\"_meta\":{\"progressToken\":0}}, \"id\":18446744073709551615,\"method\":\"tools/call\",\"jsonrpc\":\"2.0\"}"
    );
}

#[test]
fn a_part_that_is_not_there_is_not_put_in() {
    let text = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
    let outgoing = Outgoing {
        id: Some(Patch::Number(1)),
        name: json("\"a\""),
        progress_token: json("2"),
        ..Outgoing::plain(Arc::new(parse(text)))
    };
    assert_eq!(written(&outgoing), text);
}

#[test]
fn messages_of_our_own_read_back() {
    let sent = |message: Message, id: &str| {
        written(&Outgoing {
            id: json(id),
            ..Outgoing::plain(Arc::new(message))
        })
    };
    assert_eq!(
        sent(Message::result("{\"a\":\n1}"), "\"x\""),
        r#"{"jsonrpc":"2.0","id":"x","result":{"a": 1}}"#
    );
    assert_eq!(
        sent(
            Message::error(-32602, "no tool \"a\"", Some("{\"uri\":1}")),
            "null"
        ),
        r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32602,"message":"no tool \"a\"","data":{"uri":1}}}"#
    );
    let request = Message::build(Kind::Request(Method::ToolsCall), Some(r#"{"name":"a"}"#));
    assert_eq!(at(&request, request.marks.name), Some("\"a\""));
    assert_eq!(
        sent(request, "5"),
        r#"{"jsonrpc":"2.0","id":5,"method":"tools/call","params":{"name":"a"}}"#
    );
    let odd = Method::Other("a\"b".into());
    assert_eq!(
        sent(Message::build(Kind::Notification(odd), None), "5"),
        r#"{"jsonrpc":"2.0","method":"a\"b"}"#
    );
    let error = Message::error(1, "a", None);
    assert_eq!(error.kind, Kind::Answer { failed: true });
    assert_eq!(
        at(&error, error.marks.outcome),
        Some(r#"{"code":1,"message":"a"}"#)
    );
    assert_eq!(error.error_code(), Some(1));
}

#[test]
fn a_batch_is_split_and_bounded() {
    let split = |text: &str| {
        split_batch(text.as_bytes()).map(|members| {
            let members = members.into_iter().flatten();
            members
                .map(|member| String::from_utf8(member).expect("text"))
                .collect::<Vec<_>>()
        })
    };
    assert!(matches!(split_batch(b" {\"a\":[]}"), Ok(None)));
    assert!(matches!(split_batch(b""), Ok(None)));
    assert_eq!(
        split("\n[{\"a\":[1, 2]} ,7]\n").expect("a batch"),
        ["{\"a\":[1, 2]}", "7"]
    );
    let refused = |text: &str| {
        let malformed = split(text).expect_err("no batch");
        (malformed.code, malformed.sentence)
    };
    assert_eq!(refused("[ ]"), (-32600, "the batch is empty".into()));
    assert_eq!(refused("[1").0, -32700);
    assert_eq!(refused("[1]]").0, -32700);
    let many = |count: usize| format!("[{}]", vec!["1"; count].join(","));
    assert_eq!(split(&many(64)).expect("a batch").len(), 64);
    assert_eq!(
        refused(&many(65)),
        (
            -32600,
            "the batch holds 65 messages: at most 64 are taken".into()
        )
    );
}

/// A call in which `@ID@`, `@NAME@` and `@TOKEN@` stand for the parts, with
/// unknown members around them, in any order.
fn template() -> impl Strategy<Value = String> {
    let known = |key: &'static str, value: &'static str| {
        let escaped = format!("\"\\u{:04x}{}\"", key.as_bytes()[0], &key[1..]);
        prop_oneof![3 => Just(format!("\"{key}\"")), 1 => Just(escaped)]
            .prop_map(move |key| (key, value.to_owned()))
    };
    let others = || {
        let key = prop::sample::select(vec!["\"x\"", "\"arguments\"", "\"\"", "\"Id\""]);
        prop::collection::vec((key.prop_map(str::to_owned), arbitrary::value()), 0..4)
    };
    let with = |mut known: Vec<(String, String)>, others: Vec<(String, String)>| {
        known.extend(others);
        Just(known).prop_shuffle().prop_flat_map(arbitrary::object)
    };
    let meta = (known("progressToken", "@TOKEN@"), others())
        .prop_flat_map(move |(token, others)| with(vec![token], others));
    let params = (known("name", "@NAME@"), known("_meta", ""), meta, others()).prop_flat_map(
        move |(name, (meta_key, _), meta, others)| with(vec![name, (meta_key, meta)], others),
    );
    let head = (
        known("jsonrpc", "\"2.0\""),
        known("id", "@ID@"),
        known("method", "\"tools/call\""),
    );
    (
        head,
        known("params", ""),
        params,
        others(),
        arbitrary::space(),
    )
        .prop_flat_map(
            move |((version, id, method), (params_key, _), params, others, space)| {
                with(vec![version, id, method, (params_key, params)], others)
                    .prop_map(move |text| format!("{space}{text}"))
            },
        )
}

/// The template with these parts put in.
fn filled(template: &str, [id, name, token]: [&str; 3]) -> String {
    template
        .replace("@ID@", id)
        .replace("@NAME@", name)
        .replace("@TOKEN@", token)
}

proptest! {
    #[test]
    fn all_but_the_replaced_parts_travels_byte_for_byte(
        template in template(), space in arbitrary::space(),
        id in prop_oneof![Just("0".to_owned()), "-?[1-9][0-9]{0,20}", arbitrary::string()],
        name in arbitrary::string(),
        token in prop_oneof!["[1-9][0-9]{0,3}(\\.[0-9]e5)?", arbitrary::string()],
        replaced in any::<[bool; 3]>(),
        new_name in arbitrary::string(), number in any::<u64>(),
    ) {
        let parts = [id.as_str(), &name, &token];
        let message = Arc::new(parse(&(filled(&template, parts) + space)));
        prop_assert_eq!(&message.kind, &Kind::Request(Method::ToolsCall));
        let marks = message.marks;
        prop_assert_eq!(
            [marks.id, marks.name, marks.progress_token].map(|mark| at(&message, mark)),
            parts.map(Some)
        );
        let number = number.to_string();
        let new = [number.as_str(), &new_name, &number];
        let patch = |place: usize, patch: Patch| replaced[place].then_some(patch);
        let outgoing = Outgoing {
            id: patch(0, Patch::Number(number.parse().expect("a number"))),
            name: patch(1, Patch::Json(new_name.as_str().into())),
            progress_token: patch(2, Patch::Json(number.as_str().into())),
            message: Arc::clone(&message),
            changes: Vec::new(),
        };
        let chosen = [0, 1, 2].map(|place| if replaced[place] { new[place] } else { parts[place] });
        let expected = filled(&template.replace(['\n', '\r'], " "), chosen);
        prop_assert_eq!(written(&outgoing), expected);
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in arbitrary::damaged(template())) {
        if let Ok(message) = Message::parse(bytes) {
            let line = written(&Outgoing::plain(Arc::new(message)));
            prop_assert!(!line.contains(['\n', '\r']));
            prop_assert!(serde_json::from_str::<serde::de::IgnoredAny>(&line).is_ok());
        }
    }
}
