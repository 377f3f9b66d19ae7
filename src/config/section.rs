//! Reading one JSON object of the file: known keys, right types, values within their bounds.
//!
//! Every reader takes the findings along, notes what is wrong there and answers `None`,
//! so that one pass over a file finds all its errors. `null` counts as not written.

use crate::config::nearest::nearest;
use crate::config::problem::{Fault, Findings, Place};
use crate::config::typed::Json;
use crate::config::units;
use crate::limits::{self, Bounds};
use std::collections::BTreeSet;
use std::time::Duration;

/// One object of the file.
pub struct Section<'a> {
    /// Where it is.
    pub place: Place,
    members: &'a [(String, Json)],
    known: &'static [&'static str],
}

impl<'a> Section<'a> {
    /// An object without members, for configurations without a file.
    pub fn empty(place: Place, known: &'static [&'static str]) -> Self {
        Self {
            place,
            members: &[],
            known,
        }
    }

    /// Takes an object, noting duplicate keys as errors and unknown ones as warnings.
    pub fn open(
        json: &'a Json,
        place: Place,
        known: &'static [&'static str],
        findings: &mut Findings,
    ) -> Option<Self> {
        let members = members(json, &place, "an object", findings)?;
        for (key, _) in members
            .iter()
            .filter(|(key, _)| !known.contains(&key.as_str()))
        {
            let nearest = nearest(key, known.iter().copied()).map(str::to_owned);
            findings.warn(&place.key(key), Fault::UnknownKey(nearest));
        }
        Some(Self {
            place,
            members,
            known,
        })
    }

    /// The member of this name and its place.
    pub fn get(&self, key: &str) -> Option<(&'a Json, Place)> {
        debug_assert!(
            self.known.contains(&key),
            "{key} is read, but not in keys.rs"
        );
        let (_, value) = self.members.iter().find(|(name, _)| name == key)?;
        (*value != Json::Null).then(|| (value, self.place.key(key)))
    }

    /// A string.
    pub fn text(&self, key: &str, findings: &mut Findings) -> Option<&'a str> {
        let (value, place) = self.get(key)?;
        text(value, &place, findings)
    }

    /// `true` or `false`.
    pub fn flag(&self, key: &str, findings: &mut Findings) -> Option<bool> {
        let (value, place) = self.get(key)?;
        match value {
            Json::Bool(flag) => Some(*flag),
            other => wrong_type(other, "true or false", &place, findings),
        }
    }

    /// An array of strings with their places; empty where it is not written.
    pub fn texts(&self, key: &str, findings: &mut Findings) -> Vec<(Place, &'a str)> {
        self.get(key)
            .map_or_else(Vec::new, |(value, place)| texts(value, &place, findings))
    }

    /// A whole number within its bounds; else the default.
    pub fn count(&self, key: &str, bounds: Bounds<u64>, findings: &mut Findings) -> u64 {
        let wanted = format!("a whole number from {} to {}", bounds.least, bounds.most);
        let Some((value, place)) = self.get(key) else {
            return bounds.default;
        };
        let number = match value {
            Json::Whole(number) => u64::try_from(*number).ok().filter(|n| within(n, &bounds)),
            Json::Float(_) => None,
            other => {
                return wrong_type(other, "a whole number", &place, findings)
                    .unwrap_or(bounds.default);
            }
        };
        number.unwrap_or_else(|| {
            findings.error(
                &place,
                Fault::Invalid {
                    found: shown(value),
                    wanted,
                },
            );
            bounds.default
        })
    }

    /// A number of bytes within its bounds, as a number or a string; else the default.
    pub fn size(&self, key: &str, bounds: Bounds<u64>, findings: &mut Findings) -> u64 {
        let Some((value, place)) = self.get(key) else {
            return bounds.default;
        };
        let size = match value {
            Json::Whole(number) => u64::try_from(*number).ok(),
            Json::Text(text) => units::size(text),
            Json::Float(_) => None,
            other => {
                return wrong_type(other, units::SIZE_EXAMPLES, &place, findings)
                    .unwrap_or(bounds.default);
            }
        };
        size.filter(|size| within(size, &bounds))
            .unwrap_or_else(|| {
                let wanted = format!(
                    "{}, from {} to {} bytes",
                    units::SIZE_EXAMPLES,
                    bounds.least,
                    bounds.most
                );
                findings.error(
                    &place,
                    Fault::Invalid {
                        found: shown(value),
                        wanted,
                    },
                );
                bounds.default
            })
    }

    /// A time within its bounds, as a number of seconds or a string; else the default.
    pub fn duration(
        &self,
        key: &str,
        bounds: Bounds<Duration>,
        findings: &mut Findings,
    ) -> Duration {
        let Some((value, place)) = self.get(key) else {
            return bounds.default;
        };
        let bare = match value {
            Json::Whole(seconds) => Some(*seconds as f64),
            Json::Float(seconds) => Some(*seconds),
            _ => None,
        };
        let duration = match (value, bare) {
            (_, Some(seconds)) => Duration::try_from_secs_f64(seconds).ok(),
            (Json::Text(text), _) => units::duration(text),
            (other, _) => {
                return wrong_type(other, units::DURATION_EXAMPLES, &place, findings)
                    .unwrap_or(bounds.default);
            }
        };
        let Some(duration) = duration.filter(|duration| within(duration, &bounds)) else {
            let (least, most) = (
                units::duration_text(bounds.least),
                units::duration_text(bounds.most),
            );
            let wanted = format!("{}, from {least} to {most}", units::DURATION_EXAMPLES);
            findings.error(
                &place,
                Fault::Invalid {
                    found: shown(value),
                    wanted,
                },
            );
            return bounds.default;
        };
        if bare.is_some_and(|seconds| seconds >= limits::SUSPICIOUS_SECONDS) {
            findings.warn(&place, Fault::MillisecondsMeant(shown(value)));
        }
        duration
    }
}

/// The members of an object whose keys are the user's own; duplicates are errors.
pub fn members<'a>(
    json: &'a Json,
    place: &Place,
    wanted: &'static str,
    findings: &mut Findings,
) -> Option<&'a [(String, Json)]> {
    let Json::Object(members) = json else {
        return wrong_type(json, wanted, place, findings);
    };
    let mut seen = BTreeSet::new();
    for (key, _) in members {
        if !seen.insert(key) {
            findings.error(&place.key(key), Fault::Twice);
        }
    }
    Some(members)
}

/// An array of strings with their places.
pub fn texts<'a>(json: &'a Json, place: &Place, findings: &mut Findings) -> Vec<(Place, &'a str)> {
    let Json::Array(elements) = json else {
        return wrong_type(json, "an array of strings", place, findings).unwrap_or_default();
    };
    let mut texts = Vec::with_capacity(elements.len());
    for (index, element) in elements.iter().enumerate() {
        let place = place.index(index);
        texts.extend(text(element, &place, findings).map(|text| (place, text)));
    }
    texts
}

/// A string.
pub fn text<'a>(json: &'a Json, place: &Place, findings: &mut Findings) -> Option<&'a str> {
    match json {
        Json::Text(text) => Some(text),
        other => wrong_type(other, "a string", place, findings),
    }
}

/// Notes a value of the wrong type, and is nothing.
pub fn wrong_type<T>(
    found: &Json,
    wanted: &'static str,
    place: &Place,
    findings: &mut Findings,
) -> Option<T> {
    findings.error(
        place,
        Fault::WrongType {
            found: found.kind(),
            wanted,
        },
    );
    None
}

fn within<T: PartialOrd>(value: &T, bounds: &Bounds<T>) -> bool {
    (&bounds.least..=&bounds.most).contains(&value)
}

/// A number or a string as a message repeats it.
fn shown(json: &Json) -> String {
    match json {
        Json::Whole(number) => number.to_string(),
        Json::Float(number) => format!("{number:?}"),
        Json::Text(text) => format!("{:?}", crate::config::problem::shortened(text)),
        other => other.kind().to_owned(),
    }
}
