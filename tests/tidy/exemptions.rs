//! The tests that `tiny_http` is let off, as the decision on the HTTP engine lists them, against
//! the tests that let it off.

use std::collections::BTreeSet;
use std::fs;

use crate::none_of;
use crate::source::{files_below, top};

const DECISION: &str = "docs/decisions/http-engine.md";

/// What begins a row of the list; the test's name, in backquotes, is its first cell.
const ROW: &str = "| `e2e::";

/// What a test asks first.
const ASKED: &str = "exempts(Exemption::";

/// The rows of the decision: the name of a test and the kind of its exemption.
fn listed() -> BTreeSet<(String, String)> {
    let text = fs::read_to_string(top().join(DECISION)).expect("the decision is there");
    let rows = text.lines().filter(|line| line.starts_with(ROW));
    rows.map(|row| {
        let mut cells = row.trim_matches('|').split('|').map(str::trim);
        let test = cells.next().unwrap_or_default().trim_matches('`');
        let kind = cells.next().unwrap_or_default();
        (test.to_owned(), kind.to_owned())
    })
    .collect()
}

/// The same, as the tests have it: the function that asks, or calls itself so.
fn asked() -> BTreeSet<(String, String)> {
    let mut found = BTreeSet::new();
    for path in files_below("tests/e2e") {
        let module = path.trim_start_matches("tests/").trim_end_matches(".rs");
        let module = module.replace('/', "::");
        let text = fs::read_to_string(top().join(&path)).expect("the file was just listed");
        let mut function = "";
        for line in text.lines() {
            if let Some(rest) = line.strip_prefix("fn ") {
                function = rest.split('(').next().unwrap_or(rest);
            }
            if let Some((_, rest)) = line.split_once(ASKED) {
                let kind = rest.split(')').next().unwrap_or(rest).to_lowercase();
                found.insert((format!("{module}::{function}"), kind));
            }
        }
    }
    found
}

#[test]
fn the_exemptions_of_tiny_http_are_the_listed_ones() {
    let (listed, asked) = (listed(), asked());
    let unlisted = asked.difference(&listed).map(|(test, kind)| {
        format!("{DECISION}: {test} is let off because of {kind}: add a row that says why")
    });
    let unasked = listed.difference(&asked).map(|(test, kind)| {
        format!("{DECISION}: {test} is not let off because of {kind}: remove the row")
    });
    none_of(&unlisted.chain(unasked).collect::<Vec<_>>());
}
