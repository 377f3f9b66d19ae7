//! The JSON Schema of the file, written by hand and held against `keys` by a test.

/// The schema, printed by `mcproxy check --schema`. Draft 2020-12.
pub const SCHEMA: &str = include_str!("schema.json");
