//! JSON texts for property tests, as ugly as the grammar allows: odd white
//! space, needless escapes, numbers that fit no machine type, repeated keys.

use proptest::collection::vec;
use proptest::prelude::*;

/// White space between tokens.
pub fn space() -> impl Strategy<Value = &'static str> {
    prop_oneof![
        6 => Just(""),
        2 => Just(" "),
        1 => Just("\t"),
        1 => Just("\n  "),
        1 => Just("\r\n"),
    ]
}

/// A string with its quotes. Surrogates come in pairs.
pub fn string() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => "[ -!#-\\[\\]-~]{0,12}",
        2 => "[a-zäß漢😀\u{7f}\u{2028}]{1,4}",
        1 => prop::sample::select(vec![
            "\\\"", "\\\\", "\\/", "\\b", "\\f", "\\n", "\\r", "\\t", "\\u0000", "\\u00E9",
            "\\ud83d\\ude00", "\\u0069",
        ]).prop_map(str::to_owned),
    ];
    vec(piece, 0..6).prop_map(|pieces| format!("\"{}\"", pieces.concat()))
}

/// Any value.
pub fn value() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        Just("true".to_owned()),
        Just("false".to_owned()),
        "-?(0|[1-9][0-9]{0,30})(\\.[0-9]{1,9})?([eE][+-]?[0-9]{1,3})?",
        string(),
        Just("\"\\ud800\"".to_owned()),
    ];
    leaf.prop_recursive(4, 40, 5, |inner| {
        prop_oneof![
            array(inner.clone()),
            vec((key(), inner), 0..5).prop_flat_map(object),
        ]
    })
}

/// A key of an unknown member, often twice in one object.
fn key() -> impl Strategy<Value = String> {
    prop_oneof![Just("\"k\"".to_owned()), string()]
}

/// An array of such elements, with odd white space.
pub fn array(element: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
    vec((space(), element, space()), 0..5).prop_map(|elements| {
        let elements: Vec<String> = elements
            .into_iter()
            .map(|(before, element, after)| format!("{before}{element}{after}"))
            .collect();
        format!("[{}]", elements.join(","))
    })
}

/// An object of these members (key with its quotes, value), in this order,
/// with odd white space.
pub fn object(members: Vec<(String, String)>) -> impl Strategy<Value = String> {
    vec([space(), space(), space(), space()], members.len()).prop_map(move |spaces| {
        let members: Vec<String> = members
            .iter()
            .zip(spaces)
            .map(|((key, value), [a, b, c, d])| format!("{a}{key}{b}:{c}{value}{d}"))
            .collect();
        format!("{{{}}}", members.join(","))
    })
}

/// What hurts a JSON text: a byte lost, put in, or replaced.
pub fn damaged(text: impl Strategy<Value = String>) -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![
        4 => prop::sample::select(b"{}[]\",:\\/ \n\t0123456789-+.eEtrufalsn".to_vec()),
        1 => any::<u8>(),
    ];
    let wound = (any::<prop::sample::Index>(), byte, 0..3_u8);
    (text, vec(wound, 1..4)).prop_map(|(text, wounds)| {
        let mut bytes = text.into_bytes();
        for (place, byte, how) in wounds {
            let at = place.index(bytes.len() + 1);
            match how {
                0 => bytes.insert(at, byte),
                _ if at == bytes.len() => bytes.push(byte),
                1 => bytes[at] = byte,
                _ => drop(bytes.remove(at)),
            }
        }
        bytes
    })
}
