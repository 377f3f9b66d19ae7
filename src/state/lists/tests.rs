//! What a server offered is read back as it was, and nothing else is read.

use proptest::prelude::*;

use super::*;
use crate::record::Lists;
use crate::state::tests::{self, Scratch};
use crate::wire::arbitrary;

const NOW: u64 = 1_800_000_000;

fn message(result: &str) -> Message {
    Message::result(result)
}

fn handshake_hello() -> crate::wire::handshake::ServerHello {
    let hello = r#"{"protocolVersion":"2025-03-26","capabilities":{"tools":{"listChanged":true},
        "x-new":[1,{"a":null}]},"serverInfo":{"name":"s","version":"1"},"instructions":"Say \"please\".\n"}"#;
    handshake::read_server_hello(&message(hello)).expect("a hello")
}

fn stateless_hello() -> crate::wire::handshake::ServerHello {
    let hello = r#"{"supportedVersions":["2026-07-28"],"capabilities":{"resources":{}},
        "_meta":{"io.modelcontextprotocol/serverInfo":{"name":"s"}}}"#;
    discover::read_discovery(&message(hello)).expect("a hello")
}

fn page(result: &str, kind: ItemKind) -> Vec<items::Item> {
    items::read_page(&message(result), kind)
        .expect("a page")
        .items
}

fn tools() -> Lists {
    let tools = r#"{"tools":[{"name":"a","inputSchema":{"properties":{"r":{"type":"string","x-mcp-header":"R"}}}},
        {"inputSchema":{ } , "n\u0061me":"b\n","new":1e400}]}"#;
    Lists {
        fingerprint: u64::MAX - 1,
        hello: handshake_hello(),
        items: [
            (ItemKind::Tool, page(tools, ItemKind::Tool)),
            (ItemKind::Prompt, Vec::new()),
        ]
        .into(),
    }
}

#[test]
fn lists_of_both_eras_are_read_back_as_they_were() {
    let of_stateless = Lists {
        fingerprint: 0,
        hello: stateless_hello(),
        items: [(
            ItemKind::Template,
            page(
                r#"{"resourceTemplates":[{"uriTemplate":"f:{+p}"}]}"#,
                ItemKind::Template,
            ),
        )]
        .into(),
    };
    assert!(!tools().items[&ItemKind::Tool][0].mirrored.is_empty());
    for lists in [tools(), of_stateless] {
        let text = write("git", &lists);
        assert_eq!(read(text.as_bytes(), "git"), Ok(Some(lists)));
    }
}

#[test]
fn what_a_server_could_not_offer_is_not_read() {
    let text = write("git", &tools());
    let changed = |from: &str, to: &str| {
        assert!(text.contains(from), "{from}");
        read(text.replace(from, to).as_bytes(), "git")
    };
    let left = changed(r#""inputSchema":{ }"#, r#""inputSchema":7"#);
    let left = left.expect("the rest is fine").expect("it is git's");
    assert_eq!(left.items[&ItemKind::Tool].len(), 1);
    let broken = [
        (
            r#""format":1"#,
            r#""format":2"#,
            "it is no file of this version",
        ),
        (
            r#""lists""#,
            r#""sessions""#,
            "it is no file of this version",
        ),
        ("fffffffffffffffe", "0x1", "its fingerprint is none"),
        (
            "2025-03-26",
            "2026-07-28",
            "protocolVersion \"2026-07-28\" is not known",
        ),
        ("protocolVersion", "version", "supportedVersions is missing"),
        (
            r#""tools":["#,
            r#""tools":{},"x":["#,
            "tools is an object: it must be an array",
        ),
    ];
    for (from, to, why) in broken {
        let error = changed(from, to).expect_err(to);
        assert!(error.starts_with(why), "{error}");
    }
    // On a file system that takes the two names for one.
    assert_eq!(read(text.as_bytes(), "Git"), Ok(None));
}

proptest! {
    #[test]
    fn whatever_a_server_lists_is_read_back(
        uris in prop::collection::vec(arbitrary::string(), 0..4),
        values in prop::collection::vec(arbitrary::value(), 0..4),
        instructions in prop::option::of(any::<String>()),
        fingerprint in any::<u64>(),
    ) {
        let items = uris.iter().zip(&values);
        let items = items.map(|(uri, value)| format!(r#"{{"x":{value},"uri":{uri}}}"#));
        let result = format!(r#"{{"resources":[{}]}}"#, items.collect::<Vec<_>>().join(","));
        // As it comes over the wire, where what is nested too deep is refused.
        let answer = format!(r#"{{"jsonrpc":"2.0","id":0,"result":{result}}}"#);
        let answer = Message::parse(answer.into_bytes()).expect("a message");
        let items = items::read_page(&answer, ItemKind::Resource).expect("a page").items;
        let hello = handshake::ServerHello { instructions, ..handshake_hello() };
        let lists = Lists { fingerprint, hello, items: [(ItemKind::Resource, items)].into() };
        let text = write("git", &lists);
        prop_assert_eq!(read(text.as_bytes(), "git"), Ok(Some(lists)));
    }

    #[test]
    fn half_a_file_is_none(cut in any::<prop::sample::Index>()) {
        let text = write("git", &tools());
        let cut = cut.index(text.trim_end().len());
        prop_assert!(read(&text.as_bytes()[..cut], "git").is_err());
    }
}

fn servers(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[test]
fn a_broken_file_costs_only_its_own_server() {
    let scratch = Scratch::new();
    let mut keeping = Keeping::new(scratch.path());
    for server in ["git", "time", "exposed"] {
        keeping.keep(server, &tools());
    }
    scratch.write("lists/time.json", b"{");
    Scratch::set_mode(&scratch.path().join("lists/exposed.json"), 0o666);
    let all = servers(&["git", "time", "exposed", "absent", "../git", ""]);
    let found = read_all(scratch.path(), &all, NOW);
    assert_eq!(found, [("git".to_owned(), tools())].into());
}

#[test]
fn a_name_that_could_lead_elsewhere_is_no_file() {
    let scratch = Scratch::new();
    let mut keeping = Keeping::new(&scratch.path().join("state"));
    let long = "x".repeat(65);
    for odd in ["", "../out", "a/b", "a\0b", &long] {
        keeping.keep(odd, &tools());
    }
    assert_eq!(scratch.names(""), [""; 0]);
}

#[test]
fn what_is_new_replaces_what_was_and_what_is_not_is_not_written() {
    use std::os::unix::fs::MetadataExt;
    let scratch = Scratch::new();
    let mut keeping = Keeping::new(scratch.path());
    let path = scratch.path().join("lists/git.json");
    let inode = || fs::metadata(&path).expect("the file").ino();
    keeping.keep("git", &tests::lists(&["p"]));
    let first = inode();
    keeping.keep("git", &tests::lists(&["p"]));
    assert_eq!(inode(), first);
    keeping.keep("git", &tests::lists(&["p", "q"]));
    let found = read_all(scratch.path(), &servers(&["git"]), NOW);
    assert_eq!(found["git"], tests::lists(&["p", "q"]));
    // A folder that was removed comes again.
    fs::remove_dir_all(scratch.path()).expect("it is ours");
    keeping.keep("git", &tests::lists(&["p", "q"]));
    assert!(path.exists());
}

#[test]
fn lists_that_are_too_long_are_not_kept_and_neither_is_what_was() {
    let scratch = Scratch::new();
    let mut keeping = Keeping::new(scratch.path());
    keeping.keep("git", &tests::lists(&["p"]));
    let long = tests::lists(&[&"x".repeat(limits::STATE_LISTS_BYTES_MAX)]);
    keeping.keep("git", &long);
    assert_eq!(scratch.names("lists"), [""; 0]);
    keeping.keep("git", &long);
}

#[test]
fn files_of_servers_that_are_gone_go_after_a_month() {
    let scratch = Scratch::new();
    let mut keeping = Keeping::new(scratch.path());
    for server in ["git", "gone"] {
        keeping.keep(server, &tools());
    }
    // The files are of today, whatever the tests call now.
    let today = fs::metadata(scratch.path()).expect("it is there");
    let today = u64::try_from(std::os::unix::fs::MetadataExt::mtime(&today)).expect("after 1970");
    const DAY: u64 = 24 * 60 * 60;
    let git = servers(&["git"]);
    assert_eq!(read_all(scratch.path(), &git, today + 29 * DAY).len(), 1);
    assert_eq!(scratch.names("lists"), ["git.json", "gone.json"]);
    // And then not even if somebody else, with other servers, comes by.
    read_all(scratch.path(), &servers(&["time"]), today + 31 * DAY);
    assert_eq!(scratch.names("lists"), ["git.json"]);
}
