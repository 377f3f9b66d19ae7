//! `${…}` in commands, arguments, environment values and paths.
//!
//! Forms: `${NAME}` and `${env:NAME}` (the gateway's environment; unset is an error),
//! `${NAME:-default}` (the default where it is unset or empty), `${workspaceFolder}`,
//! `${userHome}`, `${MCPROXY}`, and `$${` for the characters `${` themselves.
//! A `$` without a brace stands for itself, and what was put in is not expanded again.

use crate::config::problem::{Fault, Findings, Place, shortened};
use crate::config::surroundings::Surroundings;
use std::path::Path;

/// The text with everything put in, or `None` with every reason noted.
pub fn expand(
    text: &str,
    surroundings: &Surroundings<'_>,
    place: &Place,
    findings: &mut Findings,
) -> Option<String> {
    let mut expanded = String::with_capacity(text.len());
    let mut whole = true;
    let mut rest = text;
    while let Some(start) = rest.find("${") {
        let (before, variable) = rest.split_at(start);
        if let Some(before) = before.strip_suffix('$') {
            expanded.push_str(before);
            expanded.push_str("${");
            rest = &variable[2..];
            continue;
        }
        expanded.push_str(before);
        let Some(end) = variable.find('}') else {
            findings.error(place, Fault::UnclosedVariable);
            return None;
        };
        match value(&variable[2..end], surroundings) {
            Ok(value) => expanded.push_str(&value),
            Err(fault) => {
                findings.error(place, fault);
                whole = false;
            }
        }
        rest = &variable[end + 1..];
    }
    expanded.push_str(rest);
    if expanded.contains('\0') {
        findings.error(place, Fault::HoldsNul);
        return None;
    }
    whole.then_some(expanded)
}

/// What the inside of one `${…}` stands for.
fn value(inside: &str, surroundings: &Surroundings<'_>) -> Result<String, Fault> {
    if let Some(id) = inside.strip_prefix("input:") {
        return Err(Fault::InputVariable(shortened(id)));
    }
    match inside {
        "workspaceFolder" => return path(&surroundings.working_dir),
        "MCPROXY" => return path(&surroundings.executable),
        "userHome" => return variable("HOME", surroundings),
        _ => {}
    }
    let inside = inside.strip_prefix("env:").unwrap_or(inside);
    match inside.split_once(":-") {
        Some((_, default)) if default.contains("${") => {
            Err(Fault::UnknownVariable(shortened(inside)))
        }
        Some((name, default)) => {
            let set = variable(name, surroundings);
            match set {
                Ok(value) if !value.is_empty() => Ok(value),
                Ok(_) | Err(Fault::UnsetVariable(_)) => Ok(default.to_owned()),
                Err(fault) => Err(fault),
            }
        }
        None => variable(inside, surroundings),
    }
}

fn variable(name: &str, surroundings: &Surroundings<'_>) -> Result<String, Fault> {
    let letters = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    if name.is_empty()
        || !name.chars().all(letters)
        || name.starts_with(|first: char| first.is_ascii_digit())
    {
        return Err(Fault::UnknownVariable(shortened(name)));
    }
    surroundings
        .environment
        .get(name)
        .cloned()
        .ok_or_else(|| Fault::UnsetVariable(shortened(name)))
}

fn path(path: &Path) -> Result<String, Fault> {
    let text = path.to_str();
    text.map(str::to_owned)
        .ok_or_else(|| Fault::Unreadable("its path is not UTF-8".to_owned()))
}
