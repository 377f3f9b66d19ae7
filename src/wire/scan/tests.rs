//! The scanner against `serde_json`, which was written by others.

use std::fmt;

use proptest::prelude::*;
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::members as members_of;
use super::{Fault, Scanner, Value, plain_length, text};
use crate::wire::arbitrary;

/// Whether the scanner takes `bytes` as one JSON text.
fn taken(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_ok_and(|text| scan(text).is_ok())
}

fn scan(text: &str) -> Result<Value, Fault> {
    let mut scanner = Scanner::new(text);
    let value = scanner.value()?;
    scanner.finish()?;
    Ok(value)
}

/// Whether `serde_json` does. None of the generated texts is nested too deep.
fn taken_by_serde(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_ok() && serde_json::from_slice::<IgnoredAny>(bytes).is_ok()
}

/// The members of an object as `serde_json` tells them, repeated keys and all.
struct Members(Vec<(String, Box<RawValue>)>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Members, D::Error> {
        struct Collect;
        impl<'de> Visitor<'de> for Collect {
            type Value = Members;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Collect)
    }
}

/// The members of an object as the scanner tells them.
fn members(text: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut scanner = Scanner::new(text);
    scanner
        .object(|scanner, key| {
            let value = scanner.value()?;
            found.push((key.to_owned(), text[value.start..value.end].to_owned()));
            Ok(())
        })
        .expect("the text is an object");
    found
}

proptest! {
    #[test]
    fn json_is_taken(text in arbitrary::value()) {
        prop_assert!(taken_by_serde(text.as_bytes()));
        let value = scan(&text).expect("serde takes it");
        prop_assert_eq!(&text[value.start..value.end], &text);
    }

    #[test]
    fn hurt_json_is_taken_when_serde_takes_it(bytes in arbitrary::damaged(arbitrary::value())) {
        prop_assert_eq!(taken(&bytes), taken_by_serde(&bytes));
    }

    #[test]
    fn soup_is_taken_when_serde_takes_it(
        bytes in prop::collection::vec(
            prop::sample::select(b"{}[]\"\",:\\u0e1- \ntrue\x01\xc3\xa4".to_vec()), 0..24)
    ) {
        prop_assert_eq!(taken(&bytes), taken_by_serde(&bytes));
    }

    #[test]
    fn strings_end_where_serde_says(bytes in prop::collection::vec(
        prop_oneof![20 => Just(b'a'), 1 => any::<u8>(), 1 => 0x1e..0x24_u8], 0..40)
    ) {
        let bytes = [b"\"", bytes.as_slice(), b"\""].concat();
        prop_assert_eq!(taken(&bytes), taken_by_serde(&bytes));
    }

    #[test]
    fn members_stand_where_serde_finds_them(text in
        prop::collection::vec((arbitrary::string(), arbitrary::value()), 0..6)
            .prop_flat_map(arbitrary::object)
    ) {
        let expected: Members = serde_json::from_str(&text).expect("the text is an object");
        let expected: Vec<(String, String)> = expected.0.into_iter()
            .map(|(key, value)| (key, value.get().to_owned()))
            .collect();
        prop_assert_eq!(members(&text), expected);
    }

    #[test]
    fn a_plain_run_ends_at_the_first_special_byte(
        plain in 0..300_usize, bytes in prop::collection::vec(any::<u8>(), 0..40)
    ) {
        let bytes = [b"\x7f\xc3a".repeat(plain / 3), bytes].concat();
        let first = bytes.iter().position(|byte| *byte < b' ' || *byte == b'"' || *byte == b'\\');
        prop_assert_eq!(plain_length(&bytes), first.unwrap_or(bytes.len()));
    }
}

#[test]
fn nesting_is_taken_up_to_the_limit_and_no_deeper() {
    let arrays = |levels: usize| "[".repeat(levels) + &"]".repeat(levels);
    let objects = |levels: usize| "{\"a\":".repeat(levels) + "1" + &"}".repeat(levels);
    for nested in [&arrays as &dyn Fn(usize) -> String, &objects] {
        assert!(scan(&nested(128)).is_ok());
        let fault = scan(&nested(129)).expect_err("one level too many");
        assert_eq!(fault.what, "nested too deep");
    }
    let bottomless = "[".repeat(5_000_000);
    assert_eq!(scan(&bottomless).map_err(|fault| fault.at), Err(128));
}

#[test]
fn a_mix_of_brackets_must_close_in_its_own_order() {
    assert!(scan(r#"[{"a":[[],{}]},[{}]]"#).is_ok());
    assert!(scan(r#"[{"a":[[],{}]],[{}]]"#).is_err());
    assert!(scan(r#"{"a":[1}]"#).is_err());
    // Depth is given back: many small brackets side by side are not deep.
    assert!(scan(&format!("[{}{{}}]", "[[]],{\"a\":1},".repeat(300))).is_ok());
}

#[test]
fn objects_and_arrays_count_towards_the_depth_when_visited() {
    let deep = format!("{{\"a\":{}{}}}", "[".repeat(128), "]".repeat(128));
    let mut scanner = Scanner::new(&deep);
    let seen = scanner.object(|scanner, _| scanner.value().map(drop));
    assert_eq!(seen.map_err(|fault| fault.what), Err("nested too deep"));
}

#[test]
fn a_fault_names_its_byte() {
    let said = |text: &str| scan(text).expect_err("no JSON").to_string();
    assert_eq!(
        said(r#"{"a":1 "b":2}"#),
        "parse error at byte 7: expected `,` or `}`"
    );
    assert_eq!(
        said(r#"["a"#),
        "parse error at byte 3: the text ends too early"
    );
    assert_eq!(
        said("\"a\tb\""),
        "parse error at byte 2: raw control character in a string"
    );
    assert_eq!(said("1 2"), "parse error at byte 2: expected nothing more");
    assert_eq!(said("nul"), "parse error at byte 0: expected a value");
    assert_eq!(said("01"), "parse error at byte 1: expected nothing more");
    assert_eq!(said(""), "parse error at byte 0: the text ends too early");
}

#[test]
fn text_is_decoded_and_half_a_surrogate_pair_is_none() {
    assert_eq!(text(r#""plain""#).as_deref(), Some("plain"));
    assert_eq!(
        text(r#""m\u0065thod\n\ud83d\ude00""#).as_deref(),
        Some("method\n😀")
    );
    assert_eq!(text(r#""\ud800""#), None);
    assert_eq!(text("12"), None);
}

#[test]
fn line_breaks_between_tokens_are_noticed_and_escaped_ones_are_none() {
    for (text, expected) in [
        ("{\"a\":\n1}", true),
        ("[1,\r2]", true),
        ("[\"\\n\"]", false),
        ("[ 1 ,\t2 ]", false),
    ] {
        let mut scanner = Scanner::new(text);
        scanner.value().expect("good JSON");
        assert_eq!(scanner.newlines(), expected, "{text:?}");
    }
}

#[test]
fn a_key_that_is_no_text_comes_as_written() {
    assert_eq!(
        members(r#"{"\ud800":1}"#),
        [(r#""\ud800""#.to_owned(), "1".to_owned())]
    );
}

#[test]
fn of_a_key_that_stands_twice_the_last_value_counts() {
    let text = r#"{"a":1,"b":{"c":0},"a":[2]}"#;
    let found = members_of(text, ["c", "a", "b"]).expect("an object");
    assert_eq!(
        found.map(|value| value.map(|value| value.json(text))),
        [None, Some("[2]"), Some("{\"c\":0}")]
    );
    assert!(members_of("[]", ["a"]).is_err());
    assert!(members_of("{} {}", ["a"]).is_err());
}
