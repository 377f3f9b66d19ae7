//! The house rules, held by tests: which room may name which, what the pure rooms never touch, how
//! long things get, where numbers come from, what no committed file says. Each failure names file,
//! line and what to do.
//!
//! A rule that a compiler lint can hold is not here but in `Cargo.toml` and `clippy.toml`. How the
//! program behaves is tested elsewhere.

#[path = "tidy/exemptions.rs"]
mod exemptions;
#[path = "tidy/source.rs"]
mod source;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::LazyLock;

use source::{Source, files_below, functions, line_of, paths, tokens, top};

/// Which rooms the files of a room may name. Lowest rooms first: each names only rooms above it in
/// this table, so there is no circle. `docs/architecture.md` says why.
const ARROWS: &[(&str, &[&str])] = &[
    ("limits", &[]),
    ("budget", &["limits"]),
    ("threads", &[]),
    ("bytes", &[]),
    ("seats", &["limits"]),
    ("sorted", &[]),
    ("channel", &["threads"]),
    ("procfs", &["limits", "sorted"]),
    ("seal", &["limits"]),
    ("capacity", &["limits"]),
    ("wire", &["budget", "limits", "sorted"]),
    ("record", &["limits", "sorted", "wire"]),
    ("event", &["bytes", "record", "seats", "wire"]),
    ("config", &["limits", "sorted"]),
    ("logging", &["limits", "threads"]),
    ("plan", &["config", "event", "limits", "seal", "sorted"]),
    ("catalog", &["event", "limits", "sorted", "wire"]),
    (
        "mail",
        &[
            "budget", "channel", "event", "limits", "plan", "threads", "wire",
        ],
    ),
    (
        "state",
        &["limits", "mail", "record", "sorted", "threads", "wire"],
    ),
    ("systemd", &["limits", "mail", "procfs", "threads"]),
    (
        "hub",
        &[
            "catalog", "config", "event", "limits", "plan", "record", "seal", "seats", "sorted",
            "wire",
        ],
    ),
    ("http", &["budget", "bytes", "limits", "seats", "threads"]),
    (
        "child",
        &[
            "budget", "channel", "event", "limits", "plan", "procfs", "threads", "wire",
        ],
    ),
    (
        "door",
        &[
            "budget", "channel", "config", "event", "http", "limits", "logging", "mail", "procfs",
            "threads", "wire",
        ],
    ),
    (
        "dispatcher",
        &[
            "channel", "child", "event", "hub", "limits", "mail", "plan", "sorted", "state",
        ],
    ),
    (
        "reload",
        &[
            "config", "limits", "logging", "mail", "plan", "sorted", "threads",
        ],
    ),
    (
        "run",
        &[
            "capacity",
            "channel",
            "child",
            "config",
            "dispatcher",
            "door",
            "event",
            "http",
            "hub",
            "limits",
            "mail",
            "plan",
            "reload",
            "seal",
            "sorted",
            "state",
            "systemd",
            "threads",
        ],
    ),
    (
        "cli",
        &[
            "catalog", "child", "config", "door", "http", "limits", "logging", "reload", "run",
            "threads", "wire",
        ],
    ),
    ("main", &["cli"]),
    ("lib", &[]),
];

/// The rooms that think and touch nothing.
const PURE: [&str; 11] = [
    "bytes", "seats", "sorted", "seal", "wire", "record", "catalog", "hub", "event", "config",
    "plan",
];

/// What a pure room never names: the world, and whatever differs from run to run.
const WORLD: [&str; 11] = [
    "std::net",
    "std::process",
    "std::thread",
    "std::fs",
    "std::env",
    "std::sync::Mutex",
    "std::os",
    "Instant::now",
    "SystemTime",
    "crossbeam_channel",
    "getrandom",
];

/// What a pure room may name all the same: file, beginning of the path, reason.
const WORLDLY: &[(&str, &str, &str)] = &[
    (
        "src/config/load.rs",
        "std::fs",
        "the one file that reads the configuration's files",
    ),
    (
        "src/config/load.rs",
        "std::env",
        "the one file that looks at the process it runs in",
    ),
    (
        "src/config/front.rs",
        "std::net::IpAddr",
        "a type that parses text and opens nothing",
    ),
];

/// Lines of a function, from its `fn` to its last brace.
const FUNCTION_LINES_MAX: usize = 70;

/// Longer functions: file, name, reason.
const LONG_FUNCTIONS: &[(&str, &str, &str)] = &[(
    "src/hub/refusal.rs",
    "fmt",
    "one match with a sentence for each refusal: a table, not a program",
)];

/// Lines of a file.
const FILE_LINES_MAX: usize = 500;

/// Longer files, with the reason.
const LONG_FILES: &[(&str, &str)] = &[(
    "src/limits.rs",
    "every number of the program with its reason: a table, not a program",
)];

/// Channels whose capacity is no constant itself: file, what stands there instead, reason.
const CAPACITIES: &[(&str, &str, &str)] = &[
    (
        "src/mail.rs",
        "slots",
        "the constructor, whose callers name the constant",
    ),
    (
        "src/mail.rs",
        "",
        "slots that are made as they are needed; who writes looks at limits::STATE_QUEUE_RECORDS first",
    ),
    (
        "src/channel.rs",
        "slots",
        "the constructor, whose callers name the constant",
    ),
    (
        "src/channel.rs",
        "",
        "slots that are made as they are needed, and counted before anything is put in",
    ),
    (
        "src/child/mod.rs",
        "recipe.queue_slots",
        "`max_queue_size`, bounded by limits::MAX_QUEUE_SIZE, and a reserve of limits.rs (run::recipe)",
    ),
];

/// The program's files, read once for all tests.
static PROGRAM: LazyLock<Vec<Source>> = LazyLock::new(|| sources("src"));

/// The files of the programs that measure it: a package of their own, but of the same house.
static BENCH: LazyLock<Vec<Source>> = LazyLock::new(|| sources("bench"));

/// All that is held to the rules of length and form, whichever package it belongs to.
fn house<'a>() -> impl Iterator<Item = &'a Source> {
    PROGRAM.iter().chain(BENCH.iter())
}

/// Every Rust file below a folder, read.
fn sources(folder: &str) -> Vec<Source> {
    let rust = |path: &String| Path::new(path).extension().is_some_and(|end| end == "rs");
    let found: Vec<Source> = files_below(folder)
        .iter()
        .filter(|path| rust(path))
        .map(|path| Source::read(path))
        .collect();
    assert!(!found.is_empty(), "no Rust file in {folder}");
    found
}

/// Fails with all complaints at once.
fn none_of(complaints: &[String]) {
    assert!(complaints.is_empty(), "\n{}\n", complaints.join("\n"));
}

/// Complains of exceptions that nobody needs any more.
fn all_needed(
    list: &str,
    entries: &[String],
    used: &BTreeSet<String>,
    complaints: &mut Vec<String>,
) {
    for entry in entries.iter().filter(|entry| !used.contains(*entry)) {
        complaints.push(format!(
            "tests/tidy.rs: {list}: {entry} needs no exception any more: take it off the list"
        ));
    }
}

/// The room that a path leads to, if it is a path within the program.
fn target(path: &str) -> Option<&str> {
    let mut parts = path.split("::");
    match parts.next()? {
        "crate" | "mcproxy" => parts.next(),
        _ => None,
    }
}

#[test]
fn arrows_only_go_down() {
    let table: BTreeMap<&str, &[&str]> = ARROWS.iter().copied().collect();
    let mut drawn = BTreeSet::new();
    let mut complaints = Vec::new();
    for source in PROGRAM.iter() {
        let room = source.room();
        let Some(allowed) = table.get(room) else {
            complaints.push(format!(
                "{}:1: the room \"{room}\" is new: give it a line in ARROWS of tests/tidy.rs and \
                 in docs/architecture.md",
                source.path
            ));
            continue;
        };
        // Comments name other rooms to explain; tests obey the table too.
        for (place, path) in paths(&source.without_strings()) {
            let Some(to) = target(&path).filter(|to| *to != room) else {
                continue;
            };
            drawn.insert((room.to_owned(), to.to_owned()));
            if !allowed.contains(&to) {
                complaints.push(format!(
                    "{}:{}: {room} must not name {to}: move what both need to a lower room, or \
                     hand it in from above",
                    source.path,
                    line_of(&source.text, place)
                ));
            }
        }
    }
    for (room, allowed) in ARROWS {
        for to in *allowed {
            if !drawn.contains(&((*room).to_owned(), (*to).to_owned())) {
                complaints.push(format!(
                    "tests/tidy.rs: ARROWS lets {room} name {to}, which it does not: take it off"
                ));
            }
        }
    }
    none_of(&complaints);
}

#[test]
fn there_is_no_circle_between_rooms() {
    let mut below = BTreeSet::new();
    for (room, allowed) in ARROWS {
        for to in *allowed {
            assert!(
                below.contains(to),
                "tests/tidy.rs: ARROWS: {room} names {to}, which stands not before it: a circle, \
                 or a line in the wrong place"
            );
        }
        below.insert(room);
    }
}

#[test]
fn the_map_shows_the_same_arrows() {
    let text = std::fs::read_to_string(top().join("docs/architecture.md")).expect("the map");
    let names = |cell: &str| -> BTreeSet<String> {
        let quoted = cell.split('`').skip(1).step_by(2);
        quoted
            .map(|name| {
                name.trim_end_matches('/')
                    .trim_end_matches(".rs")
                    .to_owned()
            })
            .collect()
    };
    // The rooms in the first cell of a row, and what they name in the third and last.
    let rows: Vec<(BTreeSet<String>, BTreeSet<String>)> = text
        .lines()
        .map(|line| line.trim_matches('|').split(" | ").collect::<Vec<&str>>())
        .filter_map(|cells| match cells.as_slice() {
            [room, _, allowed] => Some((names(room), names(allowed))),
            _ => None,
        })
        .collect();
    let mut complaints = Vec::new();
    for (room, allowed) in ARROWS.iter().filter(|(room, _)| *room != "lib") {
        let allowed: BTreeSet<String> = allowed.iter().map(|to| (*to).to_owned()).collect();
        let row = rows.iter().find(|(rooms, _)| rooms.contains(*room));
        if row.is_none_or(|(_, shown)| *shown != allowed) {
            let wanted: Vec<String> = allowed.into_iter().collect();
            complaints.push(format!(
                "docs/architecture.md: the row of {room} in \"The rooms\" must name {}",
                wanted.join(", ")
            ));
        }
    }
    none_of(&complaints);
}

#[test]
fn nobody_leaves_a_room_upwards() {
    let mut complaints = Vec::new();
    for source in PROGRAM.iter() {
        // A file src/a/b.rs is the module a::b; `mod.rs` is its folder.
        let inner = source
            .path
            .trim_start_matches("src/")
            .trim_end_matches(".rs");
        let depth = inner.trim_end_matches("/mod").split('/').count();
        for (place, path) in paths(&source.code) {
            let ups = path.split("::").take_while(|part| *part == "super").count();
            if ups >= depth {
                complaints.push(format!(
                    "{}:{}: {path} leads out of the room: write it from `crate::` on",
                    source.path,
                    line_of(&source.text, place)
                ));
            }
        }
    }
    none_of(&complaints);
}

#[test]
fn pure_rooms_touch_nothing() {
    let mut used = BTreeSet::new();
    let mut complaints = Vec::new();
    let pure = |source: &Source| PURE.contains(&source.room()) && !source.is_test();
    for source in PROGRAM.iter().filter(|source| pure(source)) {
        for (place, path) in paths(&source.code) {
            let Some(word) = WORLD.iter().find(|word| names(&path, word)) else {
                continue;
            };
            let exception = WORLDLY
                .iter()
                .find(|(file, start, _)| *file == source.path && path.starts_with(start));
            if let Some((file, start, _)) = exception {
                used.insert(format!("{file} {start}"));
                continue;
            }
            complaints.push(format!(
                "{}:{}: the room \"{}\" is pure and must not name {word}: hand in what it needs",
                source.path,
                line_of(&source.text, place),
                source.room()
            ));
        }
    }
    let entries: Vec<String> = WORLDLY.iter().map(|(f, s, _)| format!("{f} {s}")).collect();
    all_needed("WORLDLY", &entries, &used, &mut complaints);
    none_of(&complaints);
}

/// Whether a path contains these parts one after the other.
fn names(path: &str, parts: &str) -> bool {
    let path: Vec<&str> = path.split("::").collect();
    let parts: Vec<&str> = parts.split("::").collect();
    path.windows(parts.len()).any(|window| window == parts)
}

#[test]
fn the_http_engine_knows_nothing_of_mcp() {
    let mut complaints = Vec::new();
    let engine = |source: &Source| source.room() == "http" && !source.is_test();
    for source in PROGRAM.iter().filter(|source| engine(source)) {
        let text = source.spoken.to_lowercase();
        for word in ["mcp", "jsonrpc", "json-rpc", "serde_json", "event-stream"] {
            if let Some(place) = text.find(word) {
                complaints.push(format!(
                    "{}:{}: {word:?} in the HTTP engine: what the bytes mean belongs into door/",
                    source.path,
                    line_of(&text, place)
                ));
            }
        }
    }
    none_of(&complaints);
}

#[test]
fn functions_stay_short() {
    let mut used = BTreeSet::new();
    let mut complaints = Vec::new();
    for source in house().filter(|source| !source.is_test()) {
        for function in functions(&source.code) {
            let name = format!("{} {}", source.path, function.name);
            if function.lines <= FUNCTION_LINES_MAX {
                continue;
            }
            if LONG_FUNCTIONS
                .iter()
                .any(|(f, n, _)| name == format!("{f} {n}"))
            {
                used.insert(name);
                continue;
            }
            complaints.push(format!(
                "{}:{}: {} has {} lines, over {FUNCTION_LINES_MAX}: split it by what it decides",
                source.path, function.line, function.name, function.lines
            ));
        }
    }
    let entries: Vec<String> = LONG_FUNCTIONS
        .iter()
        .map(|(f, n, _)| format!("{f} {n}"))
        .collect();
    all_needed("LONG_FUNCTIONS", &entries, &used, &mut complaints);
    none_of(&complaints);
}

#[test]
fn files_stay_short() {
    let mut used = BTreeSet::new();
    let mut complaints = Vec::new();
    for source in house().filter(|source| !source.is_test()) {
        let lines = source.text.lines().count();
        if lines <= FILE_LINES_MAX {
            continue;
        }
        if LONG_FILES.iter().any(|(file, _)| *file == source.path) {
            used.insert(source.path.clone());
            continue;
        }
        complaints.push(format!(
            "{}:{lines}: {lines} lines, over {FILE_LINES_MAX}: split it, or move its tests into a \
             file tests.rs of their own",
            source.path
        ));
    }
    let entries: Vec<String> = LONG_FILES.iter().map(|(f, _)| (*f).to_owned()).collect();
    all_needed("LONG_FILES", &entries, &used, &mut complaints);
    none_of(&complaints);
}

#[test]
fn every_file_says_what_lives_in_it() {
    let mut complaints = Vec::new();
    for source in house().chain(&sources("tests")) {
        if !source.text.starts_with("//! ") {
            complaints.push(format!(
                "{}:1: open it with `//!`: what lives here, and what never does",
                source.path
            ));
        }
    }
    none_of(&complaints);
}

#[test]
fn nothing_is_exported_twice() {
    let mut complaints = Vec::new();
    for source in house() {
        for pair in tokens(&source.code).windows(2) {
            if let [(place, "pub"), (_, "use")] = pair {
                complaints.push(format!(
                    "{}:{}: no `pub use`: whoever needs it writes its full path",
                    source.path,
                    line_of(&source.text, *place)
                ));
            }
        }
    }
    none_of(&complaints);
}

/// What a call is given: what stands in the brackets that follow a name, or `None` where none do.
fn argument(after_name: &[(usize, &str)]) -> Option<String> {
    let mut depth = 0_usize;
    let mut rest = after_name.iter().map(|(_, token)| *token).peekable();
    if rest.next_if_eq(&"::").is_some() {
        // The types between `::<` and `>`.
        for token in rest.by_ref() {
            match token {
                "<" => depth += 1,
                ">" => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                break;
            }
        }
    }
    rest.next_if_eq(&"(")?;
    let mut words = String::new();
    for token in rest {
        match token {
            "(" => depth += 1,
            ")" if depth == 0 => break,
            ")" => depth -= 1,
            _ => {}
        }
        words.push_str(token);
    }
    Some(words)
}

#[test]
fn every_channel_names_its_limit() {
    const MAKERS: [&str; 5] = ["bounded", "channel", "growing", "sync_channel", "unbounded"];
    let limits = Source::read("src/limits.rs");
    let known: BTreeSet<String> = constants(&limits)
        .into_iter()
        .map(|(_, name)| name)
        .collect();
    let mut used = BTreeSet::new();
    let mut complaints = Vec::new();
    for source in PROGRAM.iter().filter(|source| !source.is_test()) {
        let tokens = tokens(&source.code);
        for at in 1..tokens.len() {
            let (place, name) = tokens[at];
            if !MAKERS.contains(&name) || tokens[at - 1].1 == "fn" {
                continue;
            }
            let Some(capacity) = argument(&tokens[at + 1..]) else {
                continue;
            };
            let constant = capacity.strip_prefix("limits::");
            if constant.is_some_and(|constant| known.contains(constant)) {
                continue;
            }
            if CAPACITIES
                .iter()
                .any(|(f, c, _)| *f == source.path && *c == capacity)
            {
                used.insert(format!("{} {capacity}", source.path));
                continue;
            }
            complaints.push(format!(
                "{}:{}: a channel of capacity {capacity:?}: name a constant of limits.rs",
                source.path,
                line_of(&source.text, place)
            ));
        }
    }
    let entries: Vec<String> = CAPACITIES
        .iter()
        .map(|(f, c, _)| format!("{f} {c}"))
        .collect();
    all_needed("CAPACITIES", &entries, &used, &mut complaints);
    none_of(&complaints);
}

/// The constants of a file that have a name, with their places.
fn constants(source: &Source) -> Vec<(usize, String)> {
    let tokens = tokens(&source.code);
    let named = |pair: &[(usize, &str)]| match pair {
        [(place, "const"), (_, name)] if !["_", "fn"].contains(name) => {
            Some((*place, (*name).to_owned()))
        }
        _ => None,
    };
    tokens.windows(2).filter_map(named).collect()
}

#[test]
fn every_limit_has_its_reason() {
    let source = Source::read("src/limits.rs");
    let lines: Vec<&str> = source.text.lines().collect();
    let mut complaints = Vec::new();
    for (place, name) in constants(&source) {
        let line = line_of(&source.text, place);
        let is_attribute = |above: &&&str| above.starts_with("#[");
        let above = lines[..line - 1]
            .iter()
            .rev()
            .find(|above| !is_attribute(above));
        if !above.is_some_and(|above| above.trim_start().starts_with("///")) {
            complaints.push(format!(
                "src/limits.rs:{line}: {name}: say in a `///` comment its unit and its reason"
            ));
        }
    }
    none_of(&complaints);
}

/// What a committed file never says: names that hold on one machine alone. Put together here, so
/// that this file does not say them either.
fn foreign_words() -> Vec<(String, &'static str)> {
    let path =
        "a path of one machine: make it relative, or use one that is made up, like /home/ada";
    let host = "a package registry's host: the tools know theirs, and others use a mirror";
    let mut words = Vec::new();
    for folder in ["work", "root", "workspace"] {
        words.push((format!("/{folder}/"), path));
    }
    words.push((["/", "home", "/"].concat(), path));
    words.push((["/", "Users", "/"].concat(), path));
    for (front, back) in [
        ("registry", ".npmjs.org"),
        ("index", ".crates.io"),
        ("static", ".crates.io"),
        ("pypi", ".org"),
        ("files", ".pythonhosted.org"),
        ("proxy", ".golang.org"),
    ] {
        words.push(([front, back].concat(), host));
    }
    words
}

/// Whether this is the home folder of nobody.
fn is_made_up(word: &str, rest: &str) -> bool {
    let name: String = rest.chars().take_while(|c| c.is_alphanumeric()).collect();
    word == ["/", "home", "/"].concat() && ["ada", "adaü", "x"].contains(&name.as_str())
}

#[test]
fn no_file_knows_one_machine() {
    let words = foreign_words();
    let mut complaints = Vec::new();
    for path in files_below("") {
        let Ok(text) = std::fs::read_to_string(top().join(&path)) else {
            continue; // no text
        };
        for (line, words_of_line) in text.lines().enumerate() {
            for (word, what) in &words {
                for (place, _) in words_of_line.match_indices(word.as_str()) {
                    // A folder of that name within a relative path or an address is none.
                    let before = words_of_line[..place].chars().next_back();
                    let within = word.starts_with('/')
                        && before.is_some_and(|c| c.is_alphanumeric() || "._-}".contains(c));
                    if within || is_made_up(word, &words_of_line[place + word.len()..]) {
                        continue;
                    }
                    complaints.push(format!("{path}:{}: {word:?} is {what}", line + 1));
                }
            }
        }
    }
    none_of(&complaints);
}
