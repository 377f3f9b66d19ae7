//! The file as typed: a JSON tree that keeps the order of members and every duplicate.
//!
//! `serde_json::Value` would sort members and keep only the last of two with one
//! name. The tree has no `Debug`, since it holds the secrets of the file.

use crate::config::jsonc;
use crate::config::problem::Fault;
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use std::fmt;

/// One JSON value.
#[derive(Clone, PartialEq)]
pub enum Json {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A whole number.
    Whole(i128),
    /// A number with a fraction or an exponent, or too large for 64 bits.
    Float(f64),
    /// A text.
    Text(String),
    /// The elements of an array.
    Array(Vec<Json>),
    /// The members of an object, in the order of the file, duplicates included.
    Object(Vec<(String, Json)>),
}

impl Json {
    /// What this is, with its article, for messages.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a boolean",
            Self::Whole(_) | Self::Float(_) => "a number",
            Self::Text(_) => "a string",
            Self::Array(_) => "an array",
            Self::Object(_) => "an object",
        }
    }
}

/// Reads JSON or JSONC, a byte order mark in front tolerated.
///
/// # Errors
/// `Fault::Syntax`, with line and column of the file.
pub fn read(text: &str) -> Result<Json, Fault> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let plain = jsonc::to_json(text).map_err(|jsonc::UnclosedComment(at)| {
        let before = &text[..at];
        let line_start = before.rfind('\n').map_or(0, |end| end + 1);
        Fault::Syntax {
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
            message: "this comment has no end, close it with */".to_owned(),
        }
    })?;
    serde_json::from_str(&plain).map_err(|error| {
        let full = error.to_string();
        let place = format!(" at line {} column {}", error.line(), error.column());
        Fault::Syntax {
            line: error.line(),
            column: column_in_characters(text, error.line(), error.column()),
            message: full.strip_suffix(&place).unwrap_or(&full).to_owned(),
        }
    })
}

/// serde_json counts columns in bytes, editors count characters.
fn column_in_characters(text: &str, line: usize, bytes: usize) -> usize {
    let line = text
        .split('\n')
        .nth(line.saturating_sub(1))
        .unwrap_or_default();
    line.char_indices()
        .take_while(|(start, _)| *start < bytes)
        .count()
        .max(1)
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(JsonVisitor)
    }
}

struct JsonVisitor;

impl<'de> Visitor<'de> for JsonVisitor {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Json, E> {
        Ok(Json::Bool(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Json, E> {
        Ok(Json::Whole(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Json, E> {
        Ok(Json::Whole(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Json, E> {
        Ok(Json::Float(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Json, E> {
        Ok(Json::Text(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Json, E> {
        Ok(Json::Text(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Json, A::Error> {
        let mut elements = Vec::new();
        while let Some(element) = sequence.next_element()? {
            elements.push(element);
        }
        Ok(Json::Array(elements))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Json, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = map.next_entry()? {
            members.push(member);
        }
        Ok(Json::Object(members))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place_of_error(text: &str) -> (usize, usize) {
        match read(text) {
            Err(Fault::Syntax { line, column, .. }) => (line, column),
            _ => panic!("{text:?} was taken"),
        }
    }

    #[test]
    fn order_and_duplicates_are_kept() {
        let Ok(Json::Object(members)) = read(r#"{"z": 1, "a": null, "z": 1.5}"#) else {
            panic!()
        };
        assert!(members[0] == ("z".to_owned(), Json::Whole(1)));
        assert!(members[1] == ("a".to_owned(), Json::Null));
        assert!(members[2] == ("z".to_owned(), Json::Float(1.5)));
    }

    #[test]
    fn an_error_is_placed_where_the_file_has_it() {
        assert_eq!(place_of_error("{\n  \"a\": 1\n  \"b\": 2\n}"), (3, 3));
        assert_eq!(place_of_error("{ /* ü */\n // x\n  \"a\": ?}"), (3, 8));
        assert_eq!(place_of_error("[\"üüü\" x]"), (1, 8));
        assert_eq!(place_of_error("\u{feff}[\"a\" x]"), (1, 6));
        assert_eq!(place_of_error("[1]\n ü /* open"), (2, 4));
        assert_eq!(place_of_error(""), (1, 1));
    }

    #[test]
    fn a_byte_order_mark_is_tolerated_and_depth_is_limited() {
        assert!(read("\u{feff}[]") == Ok(Json::Array(Vec::new())));
        assert!(read(&"[".repeat(100_000)).is_err());
    }
}
