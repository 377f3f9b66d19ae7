//! What headers repeat of a request's body (2026-07-28, transports, "Custom
//! Headers from Tool Parameters"): which parameters of a tool they do, and in
//! which ways a header and the body can disagree. How a header writes a value
//! is the doors' business.

use std::borrow::Cow;
use std::fmt;

use memchr::memmem;

use crate::limits::{MIRRORED_DEPTH_MAX, MIRRORED_PARAMS_MAX};
use crate::wire::envelope::shown;
use crate::wire::scan::{self, Scanner, Shape, Value};

/// What such headers' names begin with, in lower case.
pub const PREFIX: &str = "mcp-param-";

/// The keyword with which a schema asks for a header.
const KEYWORD: &str = "x-mcp-header";

/// A parameter that headers repeat.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Mirrored {
    /// What stands behind `Mcp-Param-` in the header's name, as the schema has it.
    pub header: Box<str>,
    /// The keys that lead from the arguments to the value.
    pub path: Box<[Box<str>]>,
}

/// What a client's header says of a parameter.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Sent {
    /// What stands behind `Mcp-Param-` in its name, in any case.
    pub header: Box<str>,
    /// Its value, decoded; none if it holds what no such header can.
    pub value: Option<Box<str>>,
}

/// How a header and the body disagree. Headers are named in full.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Mismatch {
    /// The body says this, and no header does.
    Missing {
        /// The header's name.
        header: String,
        /// What it should say.
        body: String,
    },
    /// The header says this, and the body nothing.
    Unasked {
        /// The header's name.
        header: String,
        /// What it says.
        sent: String,
    },
    /// They say different things.
    Different {
        /// The header's name.
        header: String,
        /// What it says.
        sent: String,
        /// What the body says.
        body: String,
    },
    /// There are several headers of that name.
    Several(String),
    /// The header of that name holds what no such header can.
    Unreadable(String),
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("header mismatch: ")?;
        match self {
            Mismatch::Missing { header, body } => {
                write!(f, "{header} is missing, the body says {}", shown(body))
            }
            Mismatch::Unasked { header, sent } => write!(
                f,
                "{header} says {}, the body has no such value",
                shown(sent)
            ),
            Mismatch::Different { header, sent, body } => write!(
                f,
                "{header} says {}, the body says {}",
                shown(sent),
                shown(body)
            ),
            Mismatch::Several(header) => write!(f, "there are several headers {header}"),
            Mismatch::Unreadable(header) => write!(
                f,
                "{header} holds characters that no header can, or what is no Base64"
            ),
        }
    }
}

/// The parameters that a tool's input schema has headers repeat. An annotation
/// that breaks the rules counts as none: the clients that obey these leave such
/// a tool out, and for the others nothing can be asked of a header.
pub fn read(schema: &str) -> Box<[Mirrored]> {
    // An escape could hide the keyword; those of ASCII characters begin so.
    let could = |part: &str| memmem::find(schema.as_bytes(), part.as_bytes()).is_some();
    if !could(KEYWORD) && !could("\\u00") {
        return Box::default();
    }
    let mut found = Vec::new();
    let mut open = vec![(schema, Vec::new())];
    while let Some((schema, path)) = open.pop() {
        for (key, property) in properties(schema) {
            let path: Vec<Box<str>> = path.iter().cloned().chain([key]).collect();
            let header = header_of(property).filter(|_| found.len() < MIRRORED_PARAMS_MAX);
            if let Some(header) = header {
                let (header, path) = (header.into(), path.clone().into());
                found.push(Mirrored { header, path });
            }
            if path.len() < MIRRORED_DEPTH_MAX {
                open.push((property, path));
            }
        }
    }
    let is_alone = |one: &Mirrored| {
        let of_that_name = |other: &&Mirrored| other.header.eq_ignore_ascii_case(&one.header);
        found.iter().filter(of_that_name).count() == 1
    };
    found.iter().filter(|one| is_alone(one)).cloned().collect()
}

/// The properties that a schema declares by name.
fn properties(schema: &str) -> Vec<(Box<str>, &str)> {
    let mut all = Vec::new();
    let Ok([Some(properties)]) = scan::members(schema, ["properties"]) else {
        return all;
    };
    let properties = properties.json(schema);
    // What is no object has none.
    let _ = Scanner::new(properties).object(|scanner, key| {
        let value = scanner.value()?;
        if value.shape == Shape::Object {
            all.push((key.into(), value.json(properties)));
        }
        Ok(())
    });
    all
}

/// The header that a property's schema asks for, by the rules.
fn header_of(property: &str) -> Option<Cow<'_, str>> {
    let [header, kind] = scan::members(property, [KEYWORD, "type"]).ok()?;
    let text = |value: Value| scan::text(value.json(property));
    let kind = kind.and_then(text)?;
    let is_scalar = matches!(&*kind, "string" | "integer" | "boolean");
    header
        .and_then(text)
        .filter(|header| is_scalar && is_token(header))
}

/// Whether a text can be part of a header's name (RFC 9110, section 5.6.2).
pub fn is_token(text: &str) -> bool {
    let is_tchar = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.bytes().all(is_tchar)
}

/// Whether headers agree with the arguments of a call, given as JSON text.
///
/// # Errors
/// The first disagreement.
pub fn check(
    mirrored: &[Mirrored],
    sent: &[Sent],
    arguments: Option<&str>,
) -> Result<(), Mismatch> {
    for param in mirrored {
        let header = format!("Mcp-Param-{}", param.header);
        let is_its = |sent: &&Sent| sent.header.eq_ignore_ascii_case(&param.header);
        let mut sent = sent.iter().filter(is_its);
        let (first, second) = (sent.next(), sent.next());
        if second.is_some() {
            return Err(Mismatch::Several(header));
        }
        let argument = arguments.and_then(|arguments| argument(arguments, &param.path));
        let sent = match first.map(|sent| sent.value.as_deref()) {
            None => None,
            Some(Some(value)) => Some(value),
            Some(None) => return Err(Mismatch::Unreadable(header)),
        };
        match (sent, argument) {
            (None, None) => {}
            (Some(sent), Some(argument)) if argument.equals(sent) => {}
            (None, Some(argument)) => {
                let body = argument.shown().into_owned();
                return Err(Mismatch::Missing { header, body });
            }
            (Some(sent), None) => {
                let sent = sent.to_owned();
                return Err(Mismatch::Unasked { header, sent });
            }
            (Some(sent), Some(argument)) => {
                let (sent, body) = (sent.to_owned(), argument.shown().into_owned());
                return Err(Mismatch::Different { header, sent, body });
            }
        }
    }
    Ok(())
}

/// A value that a header can repeat.
struct Argument<'a> {
    shape: Shape,
    json: &'a str,
}

/// The value at a path; none where it is null, or nothing that a header can
/// repeat: then the tool's server has more to say of it than a header.
fn argument<'a>(arguments: &'a str, path: &[Box<str>]) -> Option<Argument<'a>> {
    let mut shape = Shape::Object;
    let mut json = arguments;
    for key in path {
        let [value] = scan::members(json, [&**key]).ok()?;
        let value = value?;
        shape = value.shape;
        json = value.json(json);
    }
    let is_scalar = matches!(shape, Shape::String | Shape::Number | Shape::Boolean);
    is_scalar.then_some(Argument { shape, json })
}

impl Argument<'_> {
    fn equals(&self, sent: &str) -> bool {
        match self.shape {
            Shape::String => scan::text(self.json).is_some_and(|text| text == sent),
            Shape::Number => self.json == sent || same_number(self.json, sent),
            _ => self.json == sent,
        }
    }

    fn shown(&self) -> Cow<'_, str> {
        scan::text(self.json).unwrap_or(Cow::Borrowed(self.json))
    }
}

/// Whether two texts are the same number, however it is written. Beyond the
/// integers that a double holds exactly, nobody can say so.
fn same_number(one: &str, other: &str) -> bool {
    const EXACT_MAX: f64 = 9_007_199_254_740_991.0;
    match (number(one), number(other)) {
        (Some(one), Some(other)) => one.abs() <= EXACT_MAX && one == other,
        _ => false,
    }
}

/// The value of a JSON number and nothing else.
fn number(text: &str) -> Option<f64> {
    let value = Scanner::new(text).value().ok()?;
    let is_all = value.shape == Shape::Number && value.start == 0 && value.end == text.len();
    text.parse().ok().filter(|_| is_all)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(schema: &str) -> Vec<(String, String)> {
        let mut found: Vec<_> = read(schema)
            .iter()
            .map(|one| (one.header.to_string(), one.path.join("/")))
            .collect();
        found.sort();
        found
    }

    fn pair(header: &str, path: &str) -> (String, String) {
        (header.to_owned(), path.to_owned())
    }

    #[test]
    fn annotations_are_found_along_properties_alone() {
        let schema = r##"{"type":"object","x-mcp-header":"Root","properties":{
            "a":{"type":"string","x-mcp-header":"A"},
            "b":{"type":"object","properties":{"c":{"properties":{"d":{"x-mcp-header":"D","type":"integer"}}}}},
            "e":{"type":"array","items":{"type":"string","x-mcp-header":"E"}},
            "f":{"anyOf":[{"type":"string","x-mcp-header":"F"}]},
            "g":{"$ref":"#/$defs/g"},
            "h/i":{"x-mcp-header":"H","type":"boolean"}},
            "$defs":{"g":{"type":"string","x-mcp-header":"G"}},
            "if":{"properties":{"j":{"type":"string","x-mcp-header":"J"}}}}"##;
        let expected = [pair("A", "a"), pair("D", "b/c/d"), pair("H", "h/i")];
        assert_eq!(found(schema), expected);
    }

    #[test]
    fn annotations_that_break_the_rules_count_as_none() {
        let of = |property: &str| found(&format!(r#"{{"properties":{{"a":{property}}}}}"#));
        assert_eq!(
            of(r#"{"type":"string","x-mcp-header":"a!b"}"#),
            [pair("a!b", "a")]
        );
        for bad in [
            r#"{"type":"string","x-mcp-header":""}"#,
            r#"{"type":"string","x-mcp-header":"a b"}"#,
            r#"{"type":"string","x-mcp-header":"a:b"}"#,
            r#"{"type":"string","x-mcp-header":"a\r\nb"}"#,
            r#"{"type":"string","x-mcp-header":"é"}"#,
            r#"{"type":"string","x-mcp-header":7}"#,
            r#"{"type":"number","x-mcp-header":"a"}"#,
            r#"{"type":"object","x-mcp-header":"a"}"#,
            r#"{"type":["string","null"],"x-mcp-header":"a"}"#,
            r#"{"x-mcp-header":"a"}"#,
            r#""x-mcp-header""#,
        ] {
            assert_eq!(of(bad), [], "{bad}");
        }
        let twice = r#"{"properties":{"a":{"type":"string","x-mcp-header":"X"},
            "b":{"type":"string","x-mcp-header":"x"},"c":{"type":"string","x-mcp-header":"Y"}}}"#;
        assert_eq!(found(twice), [pair("Y", "c")]);
    }

    #[test]
    fn an_escaped_keyword_is_the_keyword() {
        let schema = r#"{"properties":{"a":{"type":"string","x\u002dmcp-header":"A"}}}"#;
        assert_eq!(found(schema), [pair("A", "a")]);
    }

    #[test]
    fn depth_and_number_are_bounded() {
        let nested = |depth: usize| {
            let leaf = r#"{"type":"string","x-mcp-header":"A"}"#.to_owned();
            (0..depth).fold(leaf, |inner, _| {
                format!(r#"{{"properties":{{"p":{inner}}}}}"#)
            })
        };
        assert_eq!(found(&nested(MIRRORED_DEPTH_MAX)).len(), 1);
        assert_eq!(found(&nested(MIRRORED_DEPTH_MAX + 1)), []);
        let many: Vec<String> = (0..=MIRRORED_PARAMS_MAX)
            .map(|n| format!(r#""p{n}":{{"type":"string","x-mcp-header":"h{n}"}}"#))
            .collect();
        let many = format!(r#"{{"properties":{{{}}}}}"#, many.join(","));
        assert_eq!(found(&many).len(), MIRRORED_PARAMS_MAX);
    }

    fn sent(pairs: &[(&str, Option<&str>)]) -> Vec<Sent> {
        let sent = |(header, value): &(&str, Option<&str>)| Sent {
            header: (*header).into(),
            value: value.map(Into::into),
        };
        pairs.iter().map(sent).collect()
    }

    /// What one header and one argument, as JSON text, make.
    fn held(header: Option<&str>, argument: &str) -> Result<(), Mismatch> {
        let region = Mirrored {
            header: "Region".into(),
            path: ["at".into(), "region".into()].into(),
        };
        let sent = header.map_or_else(Vec::new, |value| sent(&[("rEGION", Some(value))]));
        let arguments = format!(r#"{{"region":"no","at":{{"region":{argument}}}}}"#);
        check(&[region], &sent, Some(&arguments))
    }

    #[test]
    fn equal_values_agree_by_their_type() {
        for (header, argument) in [
            ("us-west1", r#""us-west1""#),
            ("Hello, 世界", r#""Hello, \u4e16界""#),
            (" padded ", r#"" padded ""#),
            ("", r#""""#),
            ("42", "42"),
            ("42.0", "42"),
            ("42", "42.0"),
            ("4.2e1", "42"),
            ("-7", "-7"),
            ("0", "-0"),
            ("9007199254740993", "9007199254740993"),
            ("true", "true"),
            ("false", "false"),
            ("42", r#""42""#),
        ] {
            assert_eq!(held(Some(header), argument), Ok(()), "{header} {argument}");
        }
        for (header, argument) in [
            ("us-west1", r#""us-west2""#),
            ("US-WEST1", r#""us-west1""#),
            ("42.0", r#""42""#),
            ("43", "42"),
            ("+42", "42"),
            (" 42", "42"),
            ("", "0"),
            ("inf", "1e999"),
            ("9007199254740993", "9007199254740992"),
            ("True", "true"),
            ("1", "true"),
        ] {
            let different = matches!(
                held(Some(header), argument),
                Err(Mismatch::Different { .. })
            );
            assert!(different, "{header} {argument}");
        }
    }

    #[test]
    fn a_header_is_there_if_and_only_if_the_value_is() {
        let missing = held(None, r#""x""#).expect_err("it is asked for");
        assert_eq!(
            missing.to_string(),
            r#"header mismatch: Mcp-Param-Region is missing, the body says "x""#
        );
        let unasked = held(Some("x"), "null").expect_err("there is nothing to repeat");
        assert_eq!(
            unasked.to_string(),
            r#"header mismatch: Mcp-Param-Region says "x", the body has no such value"#
        );
        assert_eq!(held(None, "null"), Ok(()));
        // What the tool's server will refuse by its schema.
        assert_eq!(held(None, "[1]"), Ok(()));
        assert!(held(Some("[1]"), "[1]").is_err());
    }

    #[test]
    fn headers_that_say_nothing_certain_are_refused_where_they_are_asked_for() {
        let param = |header: &str| Mirrored {
            header: header.into(),
            path: ["a".into()].into(),
        };
        let arguments = Some(r#"{"a":"x"}"#);
        let twice = sent(&[("A", Some("x")), ("a", Some("x"))]);
        let broken = sent(&[("A", None)]);
        let mismatch = |sent| check(&[param("A")], sent, arguments);
        assert_eq!(
            mismatch(&twice),
            Err(Mismatch::Several("Mcp-Param-A".into()))
        );
        assert_eq!(
            mismatch(&broken),
            Err(Mismatch::Unreadable("Mcp-Param-A".into()))
        );
        let other = sent(&[("B", None), ("B", None), ("a", Some("x"))]);
        assert_eq!(mismatch(&other), Ok(()));
        assert_eq!(check(&[param("A")], &[], None), Ok(()));
        assert_eq!(check(&[param("A")], &[], Some("[]")), Ok(()));
    }

    #[test]
    fn sentences_are_bounded() {
        let long = "x".repeat(1000);
        let mismatch = held(Some(&long), &format!("\"{long}y\"")).expect_err("they differ");
        assert!(mismatch.to_string().len() < 300, "{mismatch}");
    }
}
