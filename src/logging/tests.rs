//! The words of the log's settings. What starts a real log is tried from
//! outside, over the binary: a process has but one.

use log::LevelFilter;

use crate::logging::{Format, LEVELS};

#[test]
fn every_level_is_one_of_the_log_crate_and_the_other_way_round() {
    let known: Vec<String> = LevelFilter::iter()
        .map(|level| level.as_str().to_lowercase())
        .collect();
    assert_eq!(known, LEVELS);
}

#[test]
fn every_format_has_its_name() {
    let formats: Vec<Option<Format>> = Format::NAMES
        .iter()
        .map(|name| Format::from_name(name))
        .collect();
    assert_eq!(formats, [Some(Format::Text), Some(Format::Json)]);
    assert_eq!(Format::from_name("xml"), None);
}
