//! The schema against the code: the same keys, the same words, the same numbers,
//! and nothing that the code takes in silence is refused by the schema.

use super::shipped::SHIPPED;
use super::*;
use crate::config::jsonc;
use crate::config::keys;
use crate::config::schema::SCHEMA;
use crate::limits::{self, Bounds};
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use std::time::Duration;

/// Files that the code takes without a word.
const GOOD: &[&str] = &[
    SHIPPED,
    r#"{"servers": []}"#,
    r#"{"mcpServers": {"a": {"type": "stdio", "command": "node", "args": ["x"], "env": {"A": "b"}}}}"#,
    r#"{"servers": {"a": {"command": "node", "disabled": true}}, "inputs": [], "groups": {"g": ["a"]}}"#,
    r#"{ // as VS Code writes it
        "servers": {"a": {"command": "node", "env": {"N": 1, "T": true, "F": 1.5, "U": null,},},}, }"#,
    r#"{"$schema": "x", "host": "::1", "port": 0, "allow_origins": ["http://a"], "allow_hosts": ["a:1"],
        "pass_environment": true, "log_level": "off", "limits": {"max_queue_size": 8, "max_message_size": "1 KiB",
        "max_child_message_size": 1024, "max_connections": 1, "keepalive_interval": 0.5, "connection_timeout": "2h",
        "message_timeout": "500ms", "max_reconnect_attempts": 0, "reconnect_delay": 1, "max_processes": 1,
        "max_tool_name": 128}, "servers": [{"name": "x", "command": "node", "args": [], "cwd": "sub",
        "type": "stdio", "timeout": 1, "startup_timeout": "1m", "enabled": true, "disabled": false,
        "prefix": "", "scope": "session", "protocol": "auto", "max_concurrent": 1, "pass_environment": false,
        "start": "lazy", "idle_stop": "10m", "when_parked": "hidden", "ping": false,
        "tools": {"allow": ["*"], "deny": [], "rename": {"a": "b"}}}]}"#,
];

/// Files that the code refuses, or takes with an error or a warning.
const BAD: &[&str] = &[
    "[]",
    "{}",
    r#"{"servers": 5}"#,
    r#"{"servers": [], "colour": 1}"#,
    r#"{"servers": [{"command": "node"}]}"#,
    r#"{"servers": [{"name": "x", "command": ""}]}"#,
    r#"{"servers": [{"name": "x", "command": "node", "args": [5]}]}"#,
    r#"{"servers": [{"name": "x", "command": "node", "env": {"A": []}}]}"#,
    r#"{"servers": [{"name": "x", "command": "node", "timout": 5}]}"#,
    r#"{"servers": [{"name": "x", "command": "node", "timeout": 0}]}"#,
    r#"{"servers": [{"name": "x", "command": "node", "scope": "all"}]}"#,
    r#"{"servers": [{"name": "x", "command": "node", "protocol": "new"}]}"#,
    r#"{"servers": [{"name": "x", "command": "node", "type": "local"}]}"#,
    r#"{"servers": [{"name": "x", "command": "node", "tools": {"rename": {"a": 1}}}]}"#,
    r#"{"servers": [], "port": 65536}"#,
    r#"{"servers": [], "limits": {"max_tool_name": 23}}"#,
    r#"{"servers": [], "limits": {"max_message_size": 63}}"#,
    r#"{"servers": [], "log_level": "loud"}"#,
    r#"{"servers": [], "groups": {"g": "a"}}"#,
];

fn schema() -> Value {
    serde_json::from_str(SCHEMA).expect("the schema is JSON")
}

fn set<'a>(words: impl IntoIterator<Item = &'a str>) -> BTreeSet<&'a str> {
    words.into_iter().collect()
}

#[test]
fn the_schema_knows_the_same_keys_as_the_code() {
    let schema = schema();
    for (pointer, known) in [
        ("", keys::TOP),
        ("/$defs/server", keys::SERVER),
        ("/$defs/tools", keys::TOOLS),
        ("/$defs/limits", keys::LIMITS),
    ] {
        let object = schema.pointer(pointer).expect("it describes this object");
        let properties = object["properties"]
            .as_object()
            .expect("it lists its properties");
        assert_eq!(
            set(properties.keys().map(String::as_str)),
            set(known.iter().copied()),
            "{pointer}"
        );
        assert_eq!(object["additionalProperties"], false, "{pointer}");
    }
}

#[test]
fn the_schema_knows_the_same_words_as_the_code() {
    let schema = schema();
    let types = [keys::LOCAL_TYPES, keys::REMOTE_TYPES].concat();
    for (pointer, known) in [
        ("/properties/log_level/enum", keys::LOG_LEVELS),
        ("/$defs/server/properties/scope/enum", keys::SCOPES),
        ("/$defs/server/properties/protocol/enum", keys::PROTOCOLS),
        ("/$defs/server/properties/start/enum", keys::STARTS),
        (
            "/$defs/server/properties/when_parked/enum",
            keys::WHEN_PARKED,
        ),
        ("/$defs/server/properties/type/enum", &types),
    ] {
        let words = schema
            .pointer(pointer)
            .and_then(Value::as_array)
            .expect("it lists the words");
        let words = words
            .iter()
            .map(|word| word.as_str().expect("words are strings"));
        assert_eq!(set(words), set(known.iter().copied()), "{pointer}");
    }
    for word in keys::LOG_LEVELS {
        assert!(
            loaded(&format!(r#"{{"servers": [], "log_level": "{word}"}}"#))
                .config
                .log_level
                .is_some()
        );
    }
    for word in keys::SCOPES {
        assert!(one(&format!(r#""scope": "{word}""#)).problems.is_empty());
    }
    for word in keys::PROTOCOLS {
        assert!(one(&format!(r#""protocol": "{word}""#)).problems.is_empty());
    }
    for word in keys::STARTS {
        assert!(one(&format!(r#""start": "{word}""#)).problems.is_empty());
    }
    for word in keys::WHEN_PARKED {
        assert!(
            one(&format!(r#""when_parked": "{word}""#))
                .problems
                .is_empty()
        );
    }
}

/// Counts by the path of the properties they are among.
const COUNTS: &[(&str, &str, Bounds<u64>)] = &[
    (SERVER, "max_concurrent", limits::MAX_CONCURRENT),
    (LIMITS, "max_queue_size", limits::MAX_QUEUE_SIZE),
    (
        LIMITS,
        "max_reconnect_attempts",
        limits::MAX_RECONNECT_ATTEMPTS,
    ),
    (LIMITS, "max_processes", limits::MAX_PROCESSES),
    (LIMITS, "max_tool_name", limits::MAX_TOOL_NAME),
];

const SIZES: &[(&str, Bounds<u64>)] = &[
    ("max_message_size", limits::MAX_MESSAGE_SIZE),
    ("max_child_message_size", limits::MAX_CHILD_MESSAGE_SIZE),
];

const DURATIONS: &[(&str, &str, Bounds<Duration>)] = &[
    (SERVER, "timeout", limits::CALL_TIMEOUT),
    (SERVER, "startup_timeout", limits::STARTUP_TIMEOUT),
    (LIMITS, "keepalive_interval", limits::KEEPALIVE_INTERVAL),
    (LIMITS, "connection_timeout", limits::CONNECTION_TIMEOUT),
    (LIMITS, "message_timeout", limits::MESSAGE_TIMEOUT),
    (LIMITS, "reconnect_delay", limits::RECONNECT_DELAY),
];

const SERVER: &str = "/$defs/server/properties";
const LIMITS: &str = "/$defs/limits/properties";

#[test]
fn the_schema_knows_the_same_numbers_as_the_code() {
    let schema = schema();
    let number = |path: &str, word: &str| {
        schema
            .pointer(&format!("{path}/{word}"))
            .and_then(Value::as_u64)
    };
    for (place, key, bounds) in COUNTS {
        let path = format!("{place}/{key}");
        assert_eq!(number(&path, "minimum"), Some(bounds.least), "{path}");
        assert_eq!(number(&path, "maximum"), Some(bounds.most), "{path}");
        assert_eq!(number(&path, "default"), Some(bounds.default), "{path}");
    }
    // Its default depends on the system.
    let connections = format!("{LIMITS}/max_connections");
    let bounds = limits::MAX_CONNECTIONS;
    assert_eq!(number(&connections, "minimum"), Some(bounds.least));
    assert_eq!(number(&connections, "maximum"), Some(bounds.most));
    assert_eq!(number(&connections, "default"), None);
    for (key, bounds) in SIZES {
        assert_eq!(
            number(&format!("{LIMITS}/{key}"), "default"),
            Some(bounds.default),
            "{key}"
        );
        assert_eq!(
            number("/$defs/size/anyOf/0", "minimum"),
            Some(bounds.least),
            "{key}"
        );
        assert_eq!(
            number("/$defs/size/anyOf/0", "maximum"),
            Some(bounds.most),
            "{key}"
        );
    }
    for (place, key, bounds) in DURATIONS {
        let path = format!("{place}/{key}");
        assert_eq!(
            number(&path, "default"),
            Some(bounds.default.as_secs()),
            "{path}"
        );
        assert_eq!(
            number("/$defs/duration/anyOf/0", "maximum"),
            Some(bounds.most.as_secs()),
            "{path}"
        );
    }
    assert_eq!(
        number("/properties/port", "default"),
        Some(limits::PORT_DEFAULT.into())
    );
    let longest_name =
        number("/$defs/name", "maxLength").and_then(|most| usize::try_from(most).ok());
    assert_eq!(longest_name, Some(limits::SERVER_NAME_LENGTH_MAX));
}

#[test]
fn what_the_code_takes_in_silence_fits_the_schema() {
    let schema = schema();
    for text in GOOD {
        let loaded = loaded(text);
        assert_eq!(
            lines(&loaded.problems) + &lines(&loaded.warnings),
            "",
            "{text}"
        );
        let plain = jsonc::to_json(text).expect("its comments end");
        let value: Value = serde_json::from_str(&plain).expect("it is JSON");
        assert!(fits(&value, &schema, &schema), "{text}");
    }
}

#[test]
fn what_the_schema_refuses_the_code_does_not_take_in_silence() {
    let schema = schema();
    for text in BAD {
        let value: Value = serde_json::from_str(text).expect("it is JSON");
        assert!(!fits(&value, &schema, &schema), "{text}");
        let silent = |loaded: Loaded| loaded.problems.is_empty() && loaded.warnings.is_empty();
        assert!(!parse_with(&[], text).is_ok_and(silent), "{text}");
    }
}

/// Whether a value fits a schema, for the words of JSON Schema that ours uses, but for `pattern`.
/// A word this function does not know is a bug of the test.
fn fits(value: &Value, schema: &Value, root: &Value) -> bool {
    let Some(words) = schema.as_object() else {
        return schema != &Value::Bool(false);
    };
    words.iter().all(|(word, argument)| match word.as_str() {
        "$schema" | "title" | "description" | "default" | "$defs" | "pattern" => true,
        "$ref" => {
            let pointer = argument
                .as_str()
                .and_then(|to| to.strip_prefix('#'))
                .expect("refs are local");
            fits(
                value,
                root.pointer(pointer).expect("refs lead somewhere"),
                root,
            )
        }
        "type" => match argument {
            Value::Array(kinds) => kinds.iter().any(|kind| is_a(value, kind)),
            kind => is_a(value, kind),
        },
        "enum" => argument
            .as_array()
            .is_some_and(|words| words.contains(value)),
        "anyOf" => argument
            .as_array()
            .is_some_and(|all| all.iter().any(|one| fits(value, one, root))),
        "allOf" => argument
            .as_array()
            .is_some_and(|all| all.iter().all(|one| fits(value, one, root))),
        "minimum" => value
            .as_f64()
            .is_none_or(|number| number >= argument.as_f64().expect("a number")),
        "maximum" => value
            .as_f64()
            .is_none_or(|number| number <= argument.as_f64().expect("a number")),
        "exclusiveMinimum" => value
            .as_f64()
            .is_none_or(|n| n > argument.as_f64().expect("a number")),
        "minLength" => value
            .as_str()
            .is_none_or(|text| text.chars().count() >= length(argument)),
        "maxLength" => value
            .as_str()
            .is_none_or(|text| text.chars().count() <= length(argument)),
        "maxItems" => value
            .as_array()
            .is_none_or(|items| items.len() <= length(argument)),
        "items" => value
            .as_array()
            .is_none_or(|items| items.iter().all(|item| fits(item, argument, root))),
        _ => value
            .as_object()
            .is_none_or(|members| object_fits(members, word, words, root)),
    })
}

/// The words that speak of objects.
fn object_fits(
    members: &Map<String, Value>,
    word: &str,
    words: &Map<String, Value>,
    root: &Value,
) -> bool {
    let argument = &words[word];
    let named = |key: &str| {
        words
            .get("properties")
            .and_then(|properties| properties.get(key))
    };
    match word {
        "required" => argument.as_array().is_some_and(|keys| {
            keys.iter()
                .all(|key| members.contains_key(key.as_str().expect("keys are strings")))
        }),
        "properties" => members
            .iter()
            .all(|(key, value)| named(key).is_none_or(|one| fits(value, one, root))),
        "additionalProperties" => members
            .iter()
            .all(|(key, value)| named(key).is_some() || fits(value, argument, root)),
        "propertyNames" => members
            .keys()
            .all(|key| fits(&Value::from(key.as_str()), argument, root)),
        "maxProperties" => members.len() <= length(argument),
        unknown => panic!("teach this test the word {unknown}"),
    }
}

fn is_a(value: &Value, kind: &Value) -> bool {
    match kind.as_str().expect("types are strings") {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "number" => value.is_number(),
        "integer" => value.is_i64() || value.is_u64(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        other => panic!("teach this test the type {other}"),
    }
}

fn length(argument: &Value) -> usize {
    argument
        .as_u64()
        .and_then(|length| usize::try_from(length).ok())
        .expect("a length")
}
