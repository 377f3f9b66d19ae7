//! JSON texts by dice, as ugly as RFC 8259 allows: white space and line breaks between tokens,
//! needless escapes, halves of surrogate pairs, numbers that fit no machine type, keys that
//! stand twice or that the gateway reads elsewhere, deep nesting, long strings.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::template::{Piece, Place, Template};

/// Brackets of a deep value. The gateway takes 128 in all, and a handful stand around it.
const DEEP_MAX: usize = 118;

/// Characters of a long string; a message may have a million bytes.
const LONG_MAX: usize = 60_000;

/// Keys that mean something somewhere in a message, and so may confuse who reads it elsewhere.
const TEMPTING: &[&str] = &[
    "_meta",
    "progressToken",
    "name",
    "id",
    "method",
    "params",
    "arguments",
    "result",
    "error",
    "jsonrpc",
    "uri",
    "cursor",
    "nextCursor",
    "level",
    "requestId",
    "ref",
    "type",
    "content",
    "resultType",
    "inputRequests",
    "inputResponses",
    "requestState",
    "ttlMs",
    "cacheScope",
    "taskId",
    "io.modelcontextprotocol/protocolVersion",
    "io.modelcontextprotocol/subscriptionId",
    "Name",
    "ID",
    "k",
    "",
];

/// A member of an object: its key, quotes included, and its value.
pub type Member = (String, Template);

/// A member that may be left out.
pub type Field = BoxedStrategy<Option<Member>>;

/// White space between two tokens.
pub fn space() -> BoxedStrategy<&'static str> {
    prop_oneof![
        8 => Just(""),
        2 => Just(" "),
        1 => Just("\t "),
        1 => Just("\n"),
        1 => Just("\r\n  "),
        1 => Just("\r"),
    ]
    .boxed()
}

/// A string with its quotes.
pub fn string() -> BoxedStrategy<String> {
    let piece = prop_oneof![
        4 => "[ !#-\\[\\]-~]{0,10}",
        2 => "[a-zäß漢😀\u{7f}\u{85}\u{a0}\u{2028}\u{2029}\u{feff}\u{fffd}]{1,4}",
        2 => select(vec![
            "\\\"", "\\\\", "\\/", "/", "\\b", "\\f", "\\n", "\\r", "\\t", "\\u0000", "\\u000A",
            "\\u00e9", "\\u00E9", "\\ud83d\\ude00", "\\uD83D\\uDE00", "\\u2028", "\\ud800",
            "\\udc00\\ud800", "data: ", "{\\\"id\\\":1}", "'", "<!--",
        ])
        .prop_map(str::to_owned),
    ];
    vec(piece, 0..5)
        .prop_map(|pieces| format!("\"{}\"", pieces.concat()))
        .boxed()
}

/// A number, machine types notwithstanding.
pub fn number() -> BoxedStrategy<String> {
    let known = select(vec![
        "0",
        "-0",
        "1.0",
        "-0.0",
        "1e400",
        "-1E-400",
        "1E+2",
        "0.10",
        "9007199254740993",
        "18446744073709551616",
        "123456789012345678901234567890",
        "1e1000000",
    ]);
    prop_oneof![
        known.prop_map(str::to_owned),
        "-?(0|[1-9][0-9]{0,30})(\\.[0-9]{1,9})?([eE][+-]?[0-9]{1,3})?",
    ]
    .boxed()
}

/// Any value.
pub fn value() -> BoxedStrategy<String> {
    let leaf = prop_oneof![
        2 => select(vec!["null", "true", "false", "{}", "[]", "{ }", "[\t]", "\"\""])
            .prop_map(str::to_owned),
        3 => number(),
        4 => string(),
    ];
    let tree = leaf.prop_recursive(4, 24, 4, |inner| {
        let members = vec((key(&[]), inner.clone().prop_map(Template::from)), 0..4);
        prop_oneof![
            array(inner),
            object(None, Vec::new(), members.boxed()).prop_map(|it| it.write(&Default::default())),
        ]
    });
    prop_oneof![40 => tree, 1 => deep(), 1 => long()].boxed()
}

/// The same as a template.
pub fn any() -> BoxedStrategy<Template> {
    value().prop_map(Template::from).boxed()
}

/// An array of such values.
pub fn array(element: impl Strategy<Value = String> + 'static) -> BoxedStrategy<String> {
    vec((space(), element, space()), 0..4)
        .prop_map(|elements| {
            let elements: Vec<String> = elements
                .into_iter()
                .map(|(before, element, after)| format!("{before}{element}{after}"))
                .collect();
            format!("[{}]", elements.join(","))
        })
        .boxed()
}

fn deep() -> BoxedStrategy<String> {
    let shells = select(vec![("[", "]"), ("{\"_meta\":", "}"), ("[ 1 , ", "\t]")]);
    vec(shells, 1..DEEP_MAX)
        .prop_map(|shells| {
            let opened: String = shells.iter().map(|(open, _)| *open).collect();
            let closed: String = shells.iter().rev().map(|(_, close)| *close).collect();
            format!("{opened}{{}}{closed}")
        })
        .boxed()
}

fn long() -> BoxedStrategy<String> {
    (select(vec!["x", "ä😀", "\\n", "a\\\\\\\""]), 0..LONG_MAX)
        .prop_map(|(piece, length)| format!("\"{}\"", piece.repeat(length / piece.len())))
        .boxed()
}

/// A key that means none of these, quotes included.
pub fn key(forbidden: &'static [&'static str]) -> BoxedStrategy<String> {
    let tempting: Vec<&str> = TEMPTING
        .iter()
        .copied()
        .filter(|key| !forbidden.contains(key))
        .collect();
    let other = string().prop_filter("a key that is not for dice", move |key| {
        let meaning: Result<String, _> = serde_json::from_str(key);
        meaning.map_or(true, |meaning| !forbidden.contains(&&*meaning))
    });
    prop_oneof![2 => select(tempting).prop_flat_map(spelled), 1 => other].boxed()
}

/// Members with any keys but these, some of them twice.
pub fn extras(forbidden: &'static [&'static str]) -> BoxedStrategy<Vec<Member>> {
    vec((key(forbidden), any()), 0..4).boxed()
}

/// A text as a JSON string, mostly plain, else with escapes that are not needed.
pub fn spelled(text: &'static str) -> BoxedStrategy<String> {
    let flags = vec(prop::bool::weighted(0.2), text.chars().count());
    prop_oneof![
        4 => Just(spell(text, &[])),
        1 => flags.prop_map(move |flags| spell(text, &flags)),
    ]
    .boxed()
}

/// A text as a JSON string, the flagged characters escaped.
pub fn spell(text: &str, flags: &[bool]) -> String {
    let mut json = "\"".to_owned();
    let flags = flags.iter().copied().chain(std::iter::repeat(false));
    for (character, is_escaped) in text.chars().zip(flags) {
        match character {
            '"' | '\\' => json.extend(['\\', character]),
            '/' if is_escaped => json.push_str("\\/"),
            _ if is_escaped => {
                for unit in character.encode_utf16(&mut [0; 2]) {
                    json.push_str(&format!("\\u{unit:04x}"));
                }
            }
            _ => json.push(character),
        }
    }
    json.push('"');
    json
}

/// A member that is there.
pub fn member(key: &'static str, value: BoxedStrategy<Template>) -> Field {
    (spelled(key), value).prop_map(Some).boxed()
}

/// A member that may be there.
pub fn maybe(key: &'static str, value: BoxedStrategy<Template>) -> Field {
    prop::option::of((spelled(key), value)).boxed()
}

/// The JSON string of this meaning.
pub fn text(meaning: &'static str) -> BoxedStrategy<Template> {
    spelled(meaning).prop_map(Template::from).boxed()
}

/// This hole.
pub fn hole(piece: Piece) -> BoxedStrategy<Template> {
    Just(Template::from(piece)).boxed()
}

/// An object of these members in any order, with any white space.
pub fn object(
    opening: Option<Place>,
    fields: Vec<Field>,
    extras: BoxedStrategy<Vec<Member>>,
) -> BoxedStrategy<Template> {
    // Their order is a number each, so that an order shrinks like numbers do.
    let places = vec((any_order(), spaces()), fields.len() + 8);
    (fields, extras, places, space())
        .prop_map(move |(fields, extras, places, empty)| {
            let members = fields.into_iter().flatten().chain(extras);
            let mut members: Vec<_> = members.zip(places).collect();
            members.sort_by_key(|(_, (order, _))| *order);
            let mut object = Template::from("{".to_owned());
            if let Some(place) = opening {
                object.append(Piece::Opening(place).into());
            }
            if members.is_empty() {
                object.push(empty);
            }
            let last = members.len().saturating_sub(1);
            let mut comma = "";
            for (number, ((key, value), (_, [a, b, c, d]))) in members.into_iter().enumerate() {
                if let Some(value) = value.leaving() {
                    // It takes one comma with it: that behind it, else that before it.
                    let member = format!("{a}{key}{b}:{c}{value}{d}");
                    if number < last {
                        object.push(comma);
                        object.append(Piece::Leaving(member + ",").into());
                    } else {
                        object.append(Piece::Leaving(format!("{comma}{member}")).into());
                    }
                    comma = "";
                    continue;
                }
                object.push(&format!("{comma}{a}{key}{b}:{c}"));
                object.append(value);
                object.push(d);
                comma = ",";
            }
            object.push("}");
            object
        })
        .boxed()
}

fn any_order() -> BoxedStrategy<u8> {
    proptest::num::u8::ANY.boxed()
}

fn spaces() -> BoxedStrategy<[&'static str; 4]> {
    [space(), space(), space(), space()].boxed()
}
