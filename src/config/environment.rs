//! The environment of a child: what it inherits, what its `envFile` and its `env` add.
//!
//! A child gets little by default, so that one server does not read the keys of another.

use crate::config::checked::Secret;
use crate::config::dotenv;
use crate::config::expand::expand;
use crate::config::problem::{Fault, Findings, Place};
use crate::config::section::{self, Section};
use crate::config::surroundings::Surroundings;
use crate::config::typed::Json;
use crate::limits;
use crate::sorted::SortedMap;
use std::path::Path;

/// Variables by name.
pub type Variables = SortedMap<String, String>;

/// What every child inherits, besides `LC_*`.
pub const INHERITED: &[&str] = &[
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "SHELL",
    "LANG",
    "TERM",
    "TMPDIR",
    "TZ",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "NO_PROXY",
    // curl and others read only the small ones.
    "http_proxy",
    "https_proxy",
    "all_proxy",
    "no_proxy",
    "SSL_CERT_FILE",
    "NODE_EXTRA_CA_CERTS",
];

/// What is the gateway's own and no child's: its secrets, and what systemd handed to this process
/// alone. Only an `env` that names one passes it on.
pub const PROTECTED: &[&str] = &[
    "API_ACCESS_TOKEN",
    "MCPROXY_SESSION_KEY",
    "NOTIFY_SOCKET",
    "LISTEN_FDS",
    "LISTEN_PID",
    "LISTEN_PIDFDID",
    "LISTEN_FDNAMES",
    "WATCHDOG_USEC",
    "WATCHDOG_PID",
];

/// What a child inherits: the list above, or `all` but what is protected.
pub fn inherited(environment: &Variables, all: bool) -> Variables {
    let passes = |name: &str| {
        let listed = all || INHERITED.contains(&name) || name.starts_with("LC_");
        // A name without a `=` sign and a value without NUL is all the system takes.
        listed && !PROTECTED.contains(&name) && !name.is_empty() && !name.contains(['=', '\0'])
    };
    environment
        .iter()
        .filter(|(name, value)| passes(name) && !value.contains('\0'))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

/// Adds what the `envFile` of an entry holds.
pub fn add_env_file(
    section: &Section<'_>,
    surroundings: &Surroundings<'_>,
    variables: &mut Variables,
    findings: &mut Findings,
) {
    let Some((_, place)) = section.get("envFile") else {
        return;
    };
    let path = section
        .text("envFile", findings)
        .and_then(|typed| expand(typed, surroundings, &place, findings));
    let Some(path) = path else { return };
    match env_file(&surroundings.working_dir.join(path), surroundings) {
        Ok(read) => {
            for (name, value) in read {
                if PROTECTED.contains(&name.as_str()) {
                    findings.warn(&place, Fault::Protected(name));
                } else {
                    variables.insert(name, value);
                }
            }
        }
        Err(fault) => findings.error(&place, fault),
    }
}

fn env_file(path: &Path, surroundings: &Surroundings<'_>) -> Result<Variables, Fault> {
    let bytes = surroundings.files.read(path, limits::ENV_FILE_SIZE_MAX)?;
    let text = utf8(bytes)?;
    dotenv::parse(&text).map_err(|bad| Fault::EnvFileLine {
        line: bad.line,
        wanted: bad.wanted,
    })
}

/// Bytes as text.
///
/// # Errors
/// `Fault::NotUtf8` with the line of the first wrong byte.
pub fn utf8(bytes: Vec<u8>) -> Result<String, Fault> {
    String::from_utf8(bytes).map_err(|error| {
        let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        Fault::NotUtf8(valid.iter().filter(|&&byte| byte == b'\n').count() + 1)
    })
}

/// Adds what the `env` of an entry names: texts, numbers and booleans are set, `null` unsets.
pub fn add_env(
    section: &Section<'_>,
    surroundings: &Surroundings<'_>,
    variables: &mut Variables,
    findings: &mut Findings,
) {
    let Some((env, place)) = section.get("env") else {
        return;
    };
    let Some(members) = section::members(env, &place, "an object of variables", findings) else {
        return;
    };
    for (name, value) in members {
        let place = place.key(name);
        if name.is_empty() || name.contains(['=', '\0']) {
            findings.error(&place, Fault::invalid(name, "a name without = and NUL"));
            continue;
        }
        let value = match value {
            Json::Null => {
                variables.remove(name);
                continue;
            }
            Json::Bool(value) => Some(value.to_string()),
            Json::Whole(value) => Some(value.to_string()),
            // As JavaScript writes it, since those clients do: 1.0 is "1".
            Json::Float(value) => Some(value.to_string()),
            Json::Text(value) => expand(value, surroundings, &place, findings),
            other => section::wrong_type(
                other,
                "a string, a number, a boolean or null",
                &place,
                findings,
            ),
        };
        variables.extend(value.map(|value| (name.clone(), value)));
    }
}

/// The gateway's own token, from `API_ACCESS_TOKEN`. Set but unusable is an error and never
/// "no token": whoever sets it wants the gateway closed.
pub fn token(environment: &Variables, findings: &mut Findings) -> Option<Secret> {
    const WANTED: &str = "a token of visible ASCII characters, or unset it";
    let token = environment.get("API_ACCESS_TOKEN")?;
    let place = Place::of("environment").key("API_ACCESS_TOKEN");
    if token.is_empty() {
        findings.error(&place, Fault::Empty(WANTED));
        return None;
    }
    if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        let found = "a text with blanks or characters that no Authorization header carries";
        findings.error(
            &place,
            Fault::WrongType {
                found,
                wanted: WANTED,
            },
        );
        return None;
    }
    Some(Secret::new(token.clone()))
}
