//! From a text, a command line or nothing at all to the configuration as checked. Pure.

use crate::config::checked::{Command, Config, Launch, Loaded};
use crate::config::command;
use crate::config::entry::{self, Context, Entry};
use crate::config::environment;
use crate::config::front;
use crate::config::keys;
use crate::config::nearest::nearest;
use crate::config::problem::{Fault, Findings, Place, Problem};
use crate::config::section::{self, Section};
use crate::config::surroundings::{Overrides, Surroundings};
use crate::config::typed::{self, Json};
use crate::limits;
use crate::sorted::SortedSet;
use std::path::Path;

/// The source that is named where no file was read.
const COMMAND_LINE: &str = "command line";

/// The name of the built-in server where it is all there is.
const DEMO: &str = "demo";

/// Checks the text of a file. `source` is how messages name it.
///
/// # Errors
/// Everything that is wrong, server entries included, where the file as a whole cannot be
/// used: broken JSON, a wrong top level, or a wrong environment or command line.
pub fn parse(
    text: &str,
    source: &str,
    surroundings: &Surroundings<'_>,
    overrides: &Overrides,
) -> Result<Loaded, Vec<Problem>> {
    let place = Place::of(source);
    let mut findings = Findings::default();
    let json = typed::read(text).map_err(|fault| {
        vec![Problem {
            place: place.clone(),
            fault,
        }]
    })?;
    let Some(top) = Section::open(&json, place, keys::TOP, &mut findings) else {
        return Err(findings.problems);
    };
    let (mut config, pass_environment) =
        front::settings(&top, surroundings, overrides, &mut findings);
    let entries = entries(&top, &mut findings);
    groups(&top, &entries, &mut config, &mut findings);

    let context = Context {
        surroundings,
        pass_environment,
    };
    for entry in &entries {
        let (server, found) = entry::check(entry, &context);
        config.servers.push(server);
        findings.problems.extend(found.problems);
        findings.warnings.extend(found.warnings);
    }
    finish(config, findings)
}

/// The configuration of `mcproxy -- COMMAND ARG…`: one server without a prefix, named after its
/// program. The words are taken as the shell left them.
///
/// # Errors
/// A wrong environment or command line. A program that is not there is no error here, but
/// makes the server misconfigured.
pub fn single(
    words: Vec<String>,
    surroundings: &Surroundings<'_>,
    overrides: &Overrides,
) -> Result<Loaded, Vec<Problem>> {
    let name = name_of_program(words.first().map_or("", String::as_str));
    let loaded = of_words(&name, words, surroundings, overrides)?;
    Ok(with_prefix(loaded, ""))
}

/// The configuration where there is no file: the built-in demo server.
///
/// # Errors
/// A wrong environment or command line.
pub fn demo(
    surroundings: &Surroundings<'_>,
    overrides: &Overrides,
) -> Result<Loaded, Vec<Problem>> {
    let executable = surroundings.executable.to_string_lossy().into_owned();
    of_words(
        DEMO,
        vec![executable, "demo-server".to_owned()],
        surroundings,
        overrides,
    )
}

fn of_words(
    name: &str,
    words: Vec<String>,
    surroundings: &Surroundings<'_>,
    overrides: &Overrides,
) -> Result<Loaded, Vec<Problem>> {
    let mut findings = Findings::default();
    let top = Section::empty(Place::of(COMMAND_LINE), keys::TOP);
    let (mut config, all) = front::settings(&top, surroundings, overrides, &mut findings);
    let place = top.place.server(name).key("command");
    let variables = environment::inherited(&surroundings.environment, all);
    let mut words = words.into_iter();
    let typed = words.next().unwrap_or_default();
    let mut server = entry::untouched(name);
    server.state = match command::resolve(&typed, &variables, None, surroundings) {
        Ok(program) => Launch::Run(Command {
            program,
            args: words.collect(),
            env: variables.into_iter().collect(),
            cwd: None,
        }),
        Err(fault) => {
            findings.error(&place, fault.clone());
            Launch::Misconfigured(vec![Problem { place, fault }])
        }
    };
    config.servers.push(server);
    finish(config, findings)
}

fn with_prefix(mut loaded: Loaded, prefix: &str) -> Loaded {
    for server in &mut loaded.config.servers {
        prefix.clone_into(&mut server.prefix);
    }
    loaded
}

/// A valid name for a server that is only known by its program.
fn name_of_program(program: &str) -> String {
    let stem = Path::new(program)
        .file_stem()
        .unwrap_or_default()
        .to_string_lossy();
    let mut name = String::new();
    for letter in stem.chars().take(limits::SERVER_NAME_LENGTH_MAX) {
        let letter = if letter.is_ascii_alphanumeric() || "_.-".contains(letter) {
            letter
        } else {
            '-'
        };
        // Two underscores separate the prefix from the tool.
        if letter != '_' || !name.ends_with('_') {
            name.push(letter);
        }
    }
    if entry::name_fault(&name).is_some() {
        "server".to_owned()
    } else {
        name
    }
}

/// An error outside of every server refuses the whole; the others stay with their servers.
fn finish(config: Config, findings: Findings) -> Result<Loaded, Vec<Problem>> {
    let Findings { problems, warnings } = findings;
    if problems
        .iter()
        .any(|problem| problem.place.server.is_none())
    {
        return Err(problems);
    }
    Ok(Loaded {
        config,
        problems,
        warnings,
    })
}

/// The entries of `servers` and of `mcpServers`, each of them a list or a map, in the order of the file.
fn entries<'a>(top: &Section<'a>, findings: &mut Findings) -> Vec<Entry<'a>> {
    let mut entries = Vec::new();
    let mut taken = SortedSet::new();
    let mut found = false;
    for key in ["servers", "mcpServers"] {
        let Some((json, place)) = top.get(key) else {
            continue;
        };
        found = true;
        let new = match json {
            Json::Array(elements) => listed(elements, &place),
            Json::Object(members) => mapped(members, &place),
            other => {
                section::wrong_type(other, "an array or an object of servers", &place, findings)
                    .unwrap_or_default()
            }
        };
        for entry in new {
            if taken.insert(entry.name.clone()) {
                entries.push(entry);
            } else {
                findings.error(&place.key(&entry.name), Fault::Twice);
            }
        }
        if entries.len() > limits::SERVERS_MAX {
            findings.error(&place, Fault::TooMany(limits::SERVERS_MAX));
            entries.truncate(limits::SERVERS_MAX);
        }
    }
    if !found {
        let wanted =
            "\"servers\" (or \"mcpServers\") with the servers to start, at the top of the file";
        findings.error(&top.place.key("servers"), Fault::Missing(wanted));
    }
    entries
}

/// The project's own form: a list of objects with a `name`.
fn listed<'a>(elements: &'a [Json], place: &Place) -> Vec<Entry<'a>> {
    let name = |json: &Json| match json {
        Json::Object(members) => members.iter().find_map(|(key, value)| match value {
            Json::Text(name) if key == "name" => Some(name.clone()),
            _ => None,
        }),
        _ => None,
    };
    let entry = |(index, json)| {
        let name = name(json).unwrap_or_else(|| place.index(index).field);
        Entry {
            place: Place::of(&place.source).server(&name),
            name,
            named_by_key: false,
            json,
        }
    };
    elements.iter().enumerate().map(entry).collect()
}

/// The form of other clients: a map by name.
fn mapped<'a>(members: &'a [(String, Json)], place: &Place) -> Vec<Entry<'a>> {
    let entry = |(name, json): &'a (String, Json)| Entry {
        name: entry::servable_name(name),
        named_by_key: true,
        place: Place::of(&place.source).server(name),
        json,
    };
    members.iter().map(entry).collect()
}

fn groups(top: &Section<'_>, entries: &[Entry<'_>], config: &mut Config, findings: &mut Findings) {
    let Some((json, place)) = top.get("groups") else {
        return;
    };
    let groups =
        section::members(json, &place, "an object of groups", findings).unwrap_or_default();
    if groups.len() > limits::GROUPS_MAX {
        return findings.error(&place, Fault::TooMany(limits::GROUPS_MAX));
    }
    for (group, members) in groups {
        let place = place.key(group);
        if let Some(fault) = entry::name_fault(group) {
            findings.error(&place, fault);
        }
        let mut names: Vec<String> = Vec::new();
        for (place, name) in section::texts(members, &place, findings) {
            let known = entries.iter().map(|entry| entry.name.as_str());
            if names.iter().any(|there| there == name) {
                findings.warn(
                    &place,
                    Fault::Ignored("the group holds this server already"),
                );
            } else if known.clone().any(|known| known == name) {
                names.push(name.to_owned());
            } else {
                let nearest = nearest(name, known).map(str::to_owned);
                let name = crate::config::problem::shortened(name);
                findings.error(&place, Fault::UnknownServer { name, nearest });
            }
        }
        config.groups.insert(group.clone(), names);
    }
}
