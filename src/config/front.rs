//! The settings of the gateway itself, from command line, environment, file and default,
//! in this order. A layer that is beaten is checked all the same.

use crate::config::checked::{Config, Limits};
use crate::config::environment;
use crate::config::keys;
use crate::config::nearest::nearest;
use crate::config::problem::{Fault, Findings, Place};
use crate::config::section::Section;
use crate::config::surroundings::{Overrides, Surroundings};
use crate::limits;
use crate::sorted::SortedMap;
use log::LevelFilter;
use std::net::IpAddr;

/// Where the gateway listens unless told otherwise: reachable from this machine only.
pub const HOST_DEFAULT: &str = "127.0.0.1";

/// The configuration without servers and groups, and whether children get all of the gateway's environment.
pub fn settings(
    top: &Section<'_>,
    surroundings: &Surroundings<'_>,
    overrides: &Overrides,
    findings: &mut Findings,
) -> (Config, bool) {
    let variables = Layer {
        variables: &surroundings.environment,
    };
    let config = Config {
        source: top.place.source.clone(),
        host: host(top, variables, overrides, findings),
        port: port(top, variables, overrides, findings),
        allow_origins: allow_origins(top, variables, findings),
        allow_hosts: allow_hosts(top, findings),
        token: environment::token(&surroundings.environment, findings),
        log_level: log_level(top, variables, overrides, findings),
        groups: SortedMap::new(),
        limits: limits(top, variables, findings),
        servers: Vec::new(),
    };
    (config, pass_environment(top, variables, findings))
}

/// The environment as a layer of settings.
#[derive(Clone, Copy)]
struct Layer<'a> {
    variables: &'a environment::Variables,
}

impl<'a> Layer<'a> {
    fn get(self, name: &str) -> Option<(&'a str, Place)> {
        let value = self.variables.get(name)?;
        Some((value, Place::of("environment").key(name)))
    }

    /// The variable as `read` understands it; what it does not is an error that says what is wanted.
    fn read<T>(
        self,
        name: &str,
        wanted: impl Into<String>,
        findings: &mut Findings,
        read: impl Fn(&str) -> Option<T>,
    ) -> Option<T> {
        let (text, place) = self.get(name)?;
        let value = read(text.trim());
        if value.is_none() {
            findings.error(&place, Fault::invalid(text, wanted));
        }
        value
    }
}

fn host(
    top: &Section<'_>,
    variables: Layer<'_>,
    overrides: &Overrides,
    findings: &mut Findings,
) -> String {
    let flag = overrides
        .host
        .as_deref()
        .map(|text| (text, Place::of("command line").key("--host")));
    let variable = variables.get("TRANSPORT_SSE_HOST");
    let file = top
        .text("host", findings)
        .map(|text| (text, top.place.key("host")));
    let mut host = None;
    for (text, place) in [flag, variable, file].into_iter().flatten() {
        let read = host_name(text);
        if read.is_none() {
            let wanted = "an IP address or a host name, without scheme and port";
            findings.error(&place, Fault::invalid(text, wanted));
        }
        host = host.or(read);
    }
    host.unwrap_or_else(|| HOST_DEFAULT.to_owned())
}

/// An address or a name in lower case, an IPv6 address without its brackets.
fn host_name(text: &str) -> Option<String> {
    let bare = text
        .strip_prefix('[')
        .and_then(|text| text.strip_suffix(']'));
    if let Ok(address) = bare.unwrap_or(text).parse::<IpAddr>() {
        return (bare.is_none() || address.is_ipv6()).then(|| address.to_string());
    }
    let letters =
        |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '.' | '-' | '_');
    let name = !text.is_empty() && text.chars().all(letters);
    name.then(|| text.to_ascii_lowercase())
}

fn port(
    top: &Section<'_>,
    variables: Layer<'_>,
    overrides: &Overrides,
    findings: &mut Findings,
) -> u16 {
    let bounds = limits::Bounds {
        default: limits::PORT_DEFAULT.into(),
        least: 0,
        most: u16::MAX.into(),
    };
    let file = top.count("port", bounds, findings);
    let wanted = "a port number from 0 to 65535";
    let variable = variables.read("TRANSPORT_SSE_PORT", wanted, findings, |text| {
        text.parse().ok()
    });
    let file = u16::try_from(file).expect("its bounds are those of a port");
    overrides.port.or(variable).unwrap_or(file)
}

fn log_level(
    top: &Section<'_>,
    variables: Layer<'_>,
    overrides: &Overrides,
    findings: &mut Findings,
) -> Option<LevelFilter> {
    let wanted = format!("one of {}", keys::LOG_LEVELS.join(", "));
    let file = top.text("log_level", findings).and_then(|text| {
        let level = text.parse().ok();
        if level.is_none() {
            let wanted = meant(text, keys::LOG_LEVELS).unwrap_or_else(|| wanted.clone());
            findings.error(&top.place.key("log_level"), Fault::invalid(text, wanted));
        }
        level
    });
    let variable = variables.read("TRANSPORT_LOG_LEVEL", wanted, findings, |text| {
        text.parse().ok()
    });
    overrides.log_level.or(variable).or(file)
}

/// The known word that was probably meant, in quotes.
pub fn meant(word: &str, known: &[&'static str]) -> Option<String> {
    nearest(word, known.iter().copied()).map(|word| format!("{word:?}"))
}

fn pass_environment(top: &Section<'_>, variables: Layer<'_>, findings: &mut Findings) -> bool {
    let file = top.flag("pass_environment", findings).unwrap_or(false);
    let variable = variables.read(
        "TRANSPORT_PASS_ENV",
        "true or false",
        findings,
        |text| match text.to_ascii_lowercase().as_str() {
            "true" | "1" | "yes" | "on" => Some(true),
            "false" | "0" | "no" | "off" => Some(false),
            _ => None,
        },
    );
    variable.unwrap_or(file)
}

fn allow_origins(top: &Section<'_>, variables: Layer<'_>, findings: &mut Findings) -> Vec<String> {
    let file = top.texts("allow_origins", findings);
    let file = origins(file, findings);
    let Some((text, place)) = variables.get("TRANSPORT_ALLOW_ORIGINS") else {
        return file;
    };
    let listed = text
        .split(',')
        .map(|origin| (place.clone(), origin.trim()))
        .collect();
    origins(listed, findings)
}

fn origins(typed: Vec<(Place, &str)>, findings: &mut Findings) -> Vec<String> {
    let mut origins = Vec::with_capacity(typed.len());
    for (place, text) in typed {
        if text == "*" {
            findings.warn(&place, Fault::AnyOrigin);
        }
        let origin = if text == "*" {
            Some(text.to_owned())
        } else {
            origin(text)
        };
        if origin.is_none() {
            findings.error(
                &place,
                Fault::invalid(text, "an origin like \"https://app.example.org\""),
            );
        }
        origins.extend(origin);
    }
    origins
}

/// An origin as browsers send it (RFC 6454, 6.2): lower case, without a path and the scheme's own port.
fn origin(text: &str) -> Option<String> {
    let lower = text.to_ascii_lowercase();
    let (scheme, authority) = lower.split_once("://")?;
    let authority = authority.strip_suffix('/').unwrap_or(authority);
    let authority = match scheme {
        "http" => authority.strip_suffix(":80").unwrap_or(authority),
        "https" => authority.strip_suffix(":443").unwrap_or(authority),
        _ => authority,
    };
    let scheme_letters =
        |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '+' | '-' | '.');
    let valid = !scheme.is_empty() && scheme.chars().all(scheme_letters) && is_authority(authority);
    valid.then(|| format!("{scheme}://{authority}"))
}

/// Whether this is a host with or without a port, as it stands in `Host` and in an origin.
fn is_authority(text: &str) -> bool {
    let letters = |letter: char| letter.is_ascii_alphanumeric() || ".-_:[]".contains(letter);
    !text.is_empty() && text.chars().all(letters)
}

fn allow_hosts(top: &Section<'_>, findings: &mut Findings) -> Vec<String> {
    let mut hosts = Vec::new();
    for (place, text) in top.texts("allow_hosts", findings) {
        if is_authority(text) {
            hosts.push(text.to_ascii_lowercase());
        } else {
            let wanted = "a host name like \"box.example.org\", with or without \":PORT\"";
            findings.error(&place, Fault::invalid(text, wanted));
        }
    }
    hosts
}

fn limits(top: &Section<'_>, variables: Layer<'_>, findings: &mut Findings) -> Limits {
    let section = top
        .get("limits")
        .and_then(|(json, place)| Section::open(json, place, keys::LIMITS, findings))
        .unwrap_or_else(|| Section::empty(top.place.key("limits"), keys::LIMITS));
    let processes = limits::MAX_PROCESSES;
    let wanted = format!(
        "a whole number from {} to {}",
        processes.least, processes.most
    );
    let max_processes = variables.read("TRANSPORT_MAX_PROCESSES", wanted, findings, |text| {
        text.parse()
            .ok()
            .filter(|count| (processes.least..=processes.most).contains(count))
    });
    let s = &section;
    let f = findings;
    let attempts = s.count("max_reconnect_attempts", limits::MAX_RECONNECT_ATTEMPTS, f);
    Limits {
        max_queue_size: size(s.count("max_queue_size", limits::MAX_QUEUE_SIZE, f)),
        max_message_size: size(s.size("max_message_size", limits::MAX_MESSAGE_SIZE, f)),
        max_child_message_size: size(s.size(
            "max_child_message_size",
            limits::MAX_CHILD_MESSAGE_SIZE,
            f,
        )),
        max_connections: s
            .get("max_connections")
            .map(|_| size(s.count("max_connections", limits::MAX_CONNECTIONS, f))),
        keepalive_interval: s.duration("keepalive_interval", limits::KEEPALIVE_INTERVAL, f),
        connection_timeout: s.duration("connection_timeout", limits::CONNECTION_TIMEOUT, f),
        message_timeout: s.duration("message_timeout", limits::MESSAGE_TIMEOUT, f),
        max_reconnect_attempts: u32::try_from(attempts).expect("its bounds are far below"),
        reconnect_delay: s.duration("reconnect_delay", limits::RECONNECT_DELAY, f),
        max_processes: size(max_processes.unwrap_or(s.count("max_processes", processes, f))),
        max_tool_name: size(s.count("max_tool_name", limits::MAX_TOOL_NAME, f)),
    }
}

/// A number within bounds that every machine's addresses hold.
pub fn size(number: u64) -> usize {
    usize::try_from(number).expect("no bound in limits.rs is above 1 GiB")
}
