//! One server's entry, from the tree as typed to the server as checked.
//!
//! What is wrong in it makes this server misconfigured and harms no other. What is wrong
//! in a disabled or a remote entry is nobody's concern and not reported.

use crate::config::checked::{Command, Launch, Protocol, Scope, Server, ToolRules};
use crate::config::command;
use crate::config::environment;
use crate::config::expand::expand;
use crate::config::front::{meant, size};
use crate::config::glob::Glob;
use crate::config::keys;
use crate::config::problem::{Fault, Findings, Place, shortened};
use crate::config::section::{self, Section};
use crate::config::surroundings::Surroundings;
use crate::config::typed::Json;
use crate::limits;
use crate::sorted::{SortedMap, SortedSet};
use std::path::PathBuf;

/// What all entries of a file share.
pub struct Context<'a> {
    /// The machine.
    pub surroundings: &'a Surroundings<'a>,
    /// Whether children get all of the gateway's environment unless their entry says otherwise.
    pub pass_environment: bool,
}

/// An entry as typed.
pub struct Entry<'a> {
    /// Its name: its key, or the value of its `name`, or its place where that is missing.
    pub name: String,
    /// Whether the name is the key of a map, as in the forms of other clients.
    pub named_by_key: bool,
    /// The source and the server.
    pub place: Place,
    /// Its value.
    pub json: &'a Json,
}

/// Checks one entry.
pub fn check(entry: &Entry<'_>, context: &Context<'_>) -> (Server, Findings) {
    let mut findings = Findings::default();
    let mut server = untouched(&entry.name);
    let opened = Section::open(entry.json, entry.place.clone(), keys::SERVER, &mut findings);
    if let Some(section) = opened {
        let enabled = enabled(&section, &mut findings);
        let known_to_be_off = !enabled && findings.problems.is_empty();
        check_name(entry, &section, &mut findings);
        server = settings(&entry.name, &section, &mut findings);
        if known_to_be_off {
            server.state = Launch::Disabled;
            return (server, Findings::default());
        }
        if let Some(place) = remote(&section, &mut findings) {
            server.state = Launch::Remote;
            let mut only = Findings::default();
            only.warn(&place, Fault::Remote);
            return (server, only);
        }
        if let Some(command) = launch(&section, context, &mut findings) {
            server.state = Launch::Run(command);
        }
    }
    if !findings.problems.is_empty() {
        server.state = Launch::Misconfigured(findings.problems.clone());
    }
    (server, findings)
}

/// A server about which nothing is said but its name.
pub fn untouched(name: &str) -> Server {
    Server {
        name: shortened(name),
        prefix: shortened(name),
        scope: Scope::default(),
        protocol: Protocol::default(),
        tools: ToolRules::default(),
        startup_timeout: limits::STARTUP_TIMEOUT.default,
        timeout: limits::CALL_TIMEOUT.default,
        max_concurrent: size(limits::MAX_CONCURRENT.default),
        is_lazy: false,
        idle_stop: None,
        listed_when_parked: true,
        is_pinged: true,
        state: Launch::Disabled,
    }
}

/// Why this cannot be the name of a server or a group: it stands in URL paths, where `.` and
/// `..` would be resolved away, and in front of `__` in tool names.
pub fn name_fault(name: &str) -> Option<Fault> {
    let wanted = format!(
        "a name of letters, digits, _, . and -, without __, at most {} characters",
        limits::SERVER_NAME_LENGTH_MAX
    );
    let valid = is_of_tool_alphabet(name)
        && !name.contains("__")
        && !matches!(name, "." | "..")
        && name.len() <= limits::SERVER_NAME_LENGTH_MAX;
    (!valid).then(|| Fault::invalid(name, wanted))
}

/// The name under which a server of another client's file is served: those
/// clients take any text, so what no name can hold becomes `-`.
pub fn servable_name(typed: &str) -> String {
    let letter = |letter: char| {
        let fits = letter.is_ascii_alphanumeric() || matches!(letter, '_' | '.' | '-');
        if fits { letter } else { '-' }
    };
    typed.chars().map(letter).collect()
}

fn is_of_tool_alphabet(name: &str) -> bool {
    let letters =
        |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '_' | '.' | '-');
    !name.is_empty() && name.chars().all(letters)
}

fn enabled(section: &Section<'_>, findings: &mut Findings) -> bool {
    let enabled = section.flag("enabled", findings);
    let disabled = section.flag("disabled", findings);
    if enabled.is_some() && enabled == disabled {
        findings.error(
            &section.place.key("enabled"),
            Fault::Contradicts("disabled"),
        );
    }
    enabled.unwrap_or(true) && !disabled.unwrap_or(false)
}

fn check_name(entry: &Entry<'_>, section: &Section<'_>, findings: &mut Findings) {
    let place = section.place.key("name");
    match (section.get("name"), entry.named_by_key) {
        (None, false) => return findings.error(&place, Fault::Missing("a name of your choice")),
        (Some((Json::Text(_), _)), false) => {}
        (Some((other, _)), false) => {
            section::wrong_type::<()>(other, "a string", &place, findings);
            return;
        }
        (Some((Json::Text(name), _)), true) if *name == entry.name => {}
        (Some(_), true) => findings.warn(&place, Fault::Ignored("the key names the server")),
        (None, true) => {}
    }
    if let Some(fault) = name_fault(&entry.name) {
        findings.error(&place, fault);
    } else if entry.place.server.as_deref() != Some(entry.name.as_str()) {
        findings.warn(&place, Fault::ServedAs(entry.name.clone()));
    }
}

/// Everything but how it is started.
fn settings(name: &str, section: &Section<'_>, findings: &mut Findings) -> Server {
    let mut server = untouched(name);
    if let Some(prefix) = section.text("prefix", findings) {
        if let Some(fault) = name_fault(prefix).filter(|_| !prefix.is_empty()) {
            findings.error(&section.place.key("prefix"), fault);
        } else {
            prefix.clone_into(&mut server.prefix);
        }
    }
    server.scope = choice(section, "scope", keys::SCOPES, findings)
        .map_or(Scope::Shared, |at| [Scope::Shared, Scope::Session][at]);
    server.protocol = choice(section, "protocol", keys::PROTOCOLS, findings)
        .map_or(Protocol::Legacy, |at| {
            [Protocol::Legacy, Protocol::Modern, Protocol::Auto][at]
        });
    server.is_lazy = choice(section, "start", keys::STARTS, findings) == Some(1);
    server.listed_when_parked =
        choice(section, "when_parked", keys::WHEN_PARKED, findings) != Some(1);
    server.is_pinged = section.flag("ping", findings).unwrap_or(true);
    if section.get("idle_stop").is_some() {
        server.idle_stop = Some(section.duration("idle_stop", limits::IDLE_STOP, findings));
    }
    server.tools = tools(section, findings);
    server.startup_timeout = section.duration("startup_timeout", limits::STARTUP_TIMEOUT, findings);
    server.timeout = section.duration("timeout", limits::CALL_TIMEOUT, findings);
    server.max_concurrent = size(section.count("max_concurrent", limits::MAX_CONCURRENT, findings));
    server
}

/// Which of a key's words is written; the first of them is the default.
fn choice(
    section: &Section<'_>,
    key: &str,
    words: &'static [&'static str],
    findings: &mut Findings,
) -> Option<usize> {
    let typed = section.text(key, findings)?;
    let place = words.iter().position(|word| *word == typed);
    if place.is_none() {
        let quoted: Vec<String> = words.iter().map(|word| format!("{word:?}")).collect();
        let (last, others) = quoted.split_last().expect("a choice has words");
        let all = format!("{} or {last}", others.join(", "));
        let wanted = meant(typed, words).unwrap_or(all);
        findings.error(&section.place.key(key), Fault::invalid(typed, wanted));
    }
    place
}

fn tools(section: &Section<'_>, findings: &mut Findings) -> ToolRules {
    let opened = section
        .get("tools")
        .and_then(|(json, place)| Section::open(json, place, keys::TOOLS, findings));
    let Some(tools) = opened else {
        return ToolRules::default();
    };
    let globs = |key: &str, findings: &mut Findings| {
        tools
            .texts(key, findings)
            .into_iter()
            .map(|(_, pattern)| Glob::new(pattern))
            .collect()
    };
    ToolRules {
        allow: globs("allow", findings),
        deny: globs("deny", findings),
        rename: rename(&tools, findings),
    }
}

fn rename(tools: &Section<'_>, findings: &mut Findings) -> SortedMap<String, String> {
    let mut renamed = SortedMap::new();
    let mut taken = SortedSet::new();
    let members = tools
        .get("rename")
        .and_then(|(json, place)| section::members(json, &place, "an object of names", findings));
    for (original, new) in members.unwrap_or_default() {
        let place = tools.place.key("rename").key(original);
        let Some(new) = section::text(new, &place, findings) else {
            continue;
        };
        if original.is_empty() || original.contains('*') {
            let wanted = "the whole name of a tool, since * counts in \"allow\" and \"deny\" only";
            findings.error(&place, Fault::invalid(original, wanted));
        } else if !is_of_tool_alphabet(new) || new.len() > limits::TOOL_NAME_LENGTH_MAX {
            let most = limits::TOOL_NAME_LENGTH_MAX;
            let wanted =
                format!("a name of letters, digits, _, . and -, at most {most} characters");
            findings.error(&place, Fault::invalid(new, wanted));
        } else if !taken.insert(new) {
            findings.error(
                &place,
                Fault::invalid(new, "a name that no other tool is renamed to"),
            );
        } else {
            renamed.insert(original.clone(), new.to_owned());
        }
    }
    renamed
}

/// The place that says that this server is reached by URL, if one does.
fn remote(section: &Section<'_>, findings: &mut Findings) -> Option<Place> {
    let place = section.place.key("type");
    match section.text("type", findings) {
        Some(kind) if keys::REMOTE_TYPES.contains(&kind) => Some(place),
        Some(kind) if keys::LOCAL_TYPES.contains(&kind) => None,
        Some(other) => {
            findings.error(&place, Fault::invalid(other, "\"stdio\""));
            None
        }
        None => {
            let by_url = section.get("url").is_some();
            let by_command = section.get("command").is_some();
            if by_url && by_command {
                findings.error(&section.place.key("url"), Fault::Contradicts("command"));
            }
            (by_url && !by_command).then(|| section.place.key("url"))
        }
    }
}

/// How it is started; `None` only with an error noted.
fn launch(
    section: &Section<'_>,
    context: &Context<'_>,
    findings: &mut Findings,
) -> Option<Command> {
    let surroundings = context.surroundings;
    let cwd = cwd(section, surroundings, findings);
    let all = section
        .flag("pass_environment", findings)
        .unwrap_or(context.pass_environment);
    let mut variables = environment::inherited(&surroundings.environment, all);
    environment::add_env_file(section, surroundings, &mut variables, findings);
    environment::add_env(section, surroundings, &mut variables, findings);

    let mut args = Vec::new();
    for (place, argument) in section.texts("args", findings) {
        args.extend(expand(argument, surroundings, &place, findings));
    }
    let place = section.place.key("command");
    if section.get("command").is_none() {
        findings.error(&place, Fault::Missing(command::WANTED));
    }
    let typed = section.text("command", findings)?;
    let typed = expand(typed, surroundings, &place, findings)?;
    // Without its folder nothing can be said about a command that is relative to it.
    let relative = typed.contains('/') && !typed.starts_with('/');
    let cwd = if relative {
        cwd.ok()?
    } else {
        cwd.unwrap_or_default()
    };
    match command::resolve(&typed, &variables, cwd.as_deref(), surroundings) {
        Ok(program) => Some(Command {
            program,
            args,
            env: variables.into_iter().collect(),
            cwd,
        }),
        Err(fault) => {
            findings.error(&place, fault);
            None
        }
    }
}

/// A folder that was asked for and is not there; its error is noted.
struct NoFolder;

fn cwd(
    section: &Section<'_>,
    surroundings: &Surroundings<'_>,
    findings: &mut Findings,
) -> Result<Option<PathBuf>, NoFolder> {
    let Some((_, place)) = section.get("cwd") else {
        return Ok(None);
    };
    let typed = section.text("cwd", findings).ok_or(NoFolder)?;
    let typed = expand(typed, surroundings, &place, findings).ok_or(NoFolder)?;
    let folder = command::folder(&typed, surroundings).map_err(|fault| {
        findings.error(&place, fault);
        NoFolder
    })?;
    Ok(Some(folder))
}
