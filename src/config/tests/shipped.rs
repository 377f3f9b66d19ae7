//! The files that are shipped: `mcp-servers.json` runs anywhere, the reference knows every key.

use super::*;
use crate::config::environment::{INHERITED, PROTECTED};
use crate::config::keys;

/// What lies at the top of the project.
pub(super) const SHIPPED: &str = include_str!("../../../mcp-servers.json");

#[test]
fn the_shipped_file_runs_where_nothing_is_installed() {
    let mut surroundings = machine(&[]);
    surroundings.environment.clear();
    let loaded = check::parse(
        SHIPPED,
        "mcp-servers.json",
        &surroundings,
        &Overrides::default(),
    )
    .expect("it needs nothing");
    assert!(loaded.problems.is_empty() && loaded.warnings.is_empty());
    let states = loaded
        .config
        .servers
        .iter()
        .map(|server| (server.name.as_str(), matches!(server.state, Launch::Run(_))));
    let expected = [
        ("demo", true),
        ("everything", false),
        ("filesystem", false),
        ("time", false),
        ("playwright", false),
    ];
    assert_eq!(states.collect::<Vec<_>>(), expected);
}

#[test]
fn the_shipped_servers_are_one_word_away() {
    let enabled = SHIPPED
        .replace("\"enabled\": false", "\"enabled\": true")
        .replace("\"uvx\"", "\"npx\"");
    let loaded = loaded(&enabled);
    assert_eq!(lines(&loaded.problems), "");
    assert!(
        loaded
            .config
            .servers
            .iter()
            .all(|server| matches!(server.state, Launch::Run(_)))
    );
    // No comments and no trailing commas: other programs read this file, too.
    assert!(serde_json::from_str::<serde_json::Value>(SHIPPED).is_ok());
}

#[test]
fn the_reference_names_every_key_and_variable() {
    let reference = include_str!("../../../docs/configuration.md");
    let keys = [
        keys::TOP,
        keys::SERVER,
        keys::TOOLS,
        keys::LIMITS,
        keys::REMOTE_TYPES,
        keys::LOG_LEVELS,
    ];
    let variables = [
        "TRANSPORT_SSE_HOST",
        "TRANSPORT_SSE_PORT",
        "TRANSPORT_LOG_LEVEL",
        "TRANSPORT_ALLOW_ORIGINS",
        "TRANSPORT_PASS_ENV",
        "TRANSPORT_MAX_PROCESSES",
    ];
    for word in keys
        .concat()
        .iter()
        .chain(&variables)
        .chain(INHERITED)
        .chain(PROTECTED)
    {
        assert!(
            reference.contains(&format!("`{word}`")),
            "docs/configuration.md says nothing of `{word}`"
        );
    }
}
