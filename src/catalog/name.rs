//! The names under which tools and prompts are served. Nothing here knows
//! lists or JSON: claims go in, names come out.
//!
//! # The scheme
//! Each item wishes for `PREFIX__NAME`, or for `NAME` alone where the server
//! has no prefix. Its server's name and its own original name, hashed, lead to
//! two further forms, tried in this order:
//!
//! 1. plain: the wish itself;
//! 2. short: the wish, cut where needed, `_` and 8 hexadecimal digits;
//! 3. long: the wish, cut where needed, `_` and 16 hexadecimal digits.
//!
//! Characters outside `[A-Za-z0-9_.-]` become `_` in all three. A name that
//! had such characters, is empty or is too long may not stay plain. (A prefix
//! may have them: it is the user's own choice, and a hash on every tool of
//! `@scope/server` would help nobody.)
//!
//! A name that is claimed twice, by whichever forms, is burnt: *all* its
//! claimants go on to their next form, also those that come later, and also if
//! the other claimant has itself moved on meanwhile. So is the plain name of
//! an item that may not have it. Being burnt depends on the set of claims
//! alone, never on the order in which they are looked at; hence names depend
//! neither on the order of the servers nor on which of them was there first,
//! and a server that wishes for none of another's names changes none of them.
//!
//! An item whose long form is burnt too gets no name. By chance that does not
//! happen (it takes equal 64-bit hashes); by design of a hostile server it
//! costs those items that share a prefix with it, and never routes a name to
//! the wrong server.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use crate::limits;

/// What stands between a prefix and a name.
pub const SEPARATOR: &str = "__";

/// One item that wants a name. Within one list of claims the pair of `server`
/// and `original` occurs once.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Claim<'a> {
    /// The name of its server, unique in the configuration.
    pub server: &'a str,
    /// What is put in front of it; empty for nothing, not even the separator.
    pub prefix: &'a str,
    /// The name its server gave it.
    pub original: &'a str,
    /// The name it shall have behind the prefix: `original`, or what the user
    /// renamed it to.
    pub wished: &'a str,
}

/// Finds each claim's name, at the claim's place. Names are unique, consist of
/// `[A-Za-z0-9_.-]` and are at most `length_max` characters long
/// (but see [`limits::CATALOG_NAME_LENGTH_LEAST`]). `None` where every form of
/// a name met another.
pub fn assign(claims: &[Claim<'_>], length_max: usize) -> Vec<Option<String>> {
    assign_by(claims, length_max, hash)
}

/// Why a name is not the one that was wished for. Each of them has a hash.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Change {
    /// It was too long.
    Shortened,
    /// It was empty, or held characters outside of `[A-Za-z0-9_.-]`.
    Respelt,
    /// Another has, or could have had, the same.
    Collided,
}

/// Why a claim was given `served` by [`assign`], with the same `length_max`, and
/// not what it wished for; `None` where it was.
pub fn change(claim: &Claim<'_>, served: &str, length_max: usize) -> Option<Change> {
    let length_max = length_max.max(limits::CATALOG_NAME_LENGTH_LEAST);
    let plain = Form::Plain.write(claim, length_max, hash);
    if plain == served {
        None
    } else if plain.len() > length_max {
        Some(Change::Shortened)
    } else if may_stay_plain(claim, &plain, length_max) {
        Some(Change::Collided)
    } else {
        Some(Change::Respelt)
    }
}

/// [`assign`] with another hash, so that tests can make hashes meet.
fn assign_by(
    claims: &[Claim<'_>],
    length_max: usize,
    hash: fn(&Claim<'_>) -> u64,
) -> Vec<Option<String>> {
    let length_max = length_max.max(limits::CATALOG_NAME_LENGTH_LEAST);
    let mut names = vec![None; claims.len()];
    let mut holders: HashMap<String, Holder> = HashMap::new();
    let mut waiting: Vec<(usize, Form)> = (0..claims.len()).map(|at| (at, Form::Plain)).collect();
    // Each claim passes here at most once per form, whatever the others do.
    while let Some((at, form)) = waiting.pop() {
        let name = form.write(&claims[at], length_max, hash);
        let mut move_on = |at: usize, form: Form| {
            names[at] = None;
            waiting.extend(form.next().map(|next| (at, next)));
        };
        let may_hold = form != Form::Plain || may_stay_plain(&claims[at], &name, length_max);
        match holders.entry(name) {
            Entry::Vacant(free) if may_hold => {
                names[at] = Some(free.key().clone());
                free.insert(Holder::Claim(at, form));
            }
            Entry::Vacant(free) => {
                free.insert(Holder::Burnt);
                move_on(at, form);
            }
            Entry::Occupied(mut taken) => {
                if let Holder::Claim(other, its_form) = taken.insert(Holder::Burnt) {
                    move_on(other, its_form);
                }
                move_on(at, form);
            }
        }
    }
    names
}

/// Who has a name while names are being found.
enum Holder {
    /// This claim, in this form.
    Claim(usize, Form),
    /// Nobody, ever again.
    Burnt,
}

/// The forms of a name, in the order they are tried.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Form {
    Plain,
    Short,
    Long,
}

impl Form {
    fn next(self) -> Option<Form> {
        match self {
            Form::Plain => Some(Form::Short),
            Form::Short => Some(Form::Long),
            Form::Long => None,
        }
    }

    fn write(self, claim: &Claim<'_>, length_max: usize, hash: fn(&Claim<'_>) -> u64) -> String {
        let mut name = clean(claim.prefix);
        if !claim.prefix.is_empty() {
            name.push_str(SEPARATOR);
        }
        name.push_str(&clean(claim.wished));
        let tail = match self {
            Form::Plain => return name,
            Form::Short => format!("_{:08x}", fold(hash(claim))),
            Form::Long => format!("_{:016x}", hash(claim)),
        };
        // Only ASCII is left, so every byte is a character.
        name.truncate(length_max - tail.len());
        name + &tail
    }
}

/// Whether the claim's own wish, written as `plain`, is a name as it stands.
fn may_stay_plain(claim: &Claim<'_>, plain: &str, length_max: usize) -> bool {
    claim.wished.chars().all(is_name_char) && !plain.is_empty() && plain.len() <= length_max
}

/// The alphabet that MCP recommends for tool names (2025-11-25, server/tools,
/// "Tool Names"), and that several model providers insist on.
fn is_name_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-')
}

fn clean(text: &str) -> String {
    text.chars()
        .map(|c| if is_name_char(c) { c } else { '_' })
        .collect()
}

/// FNV-1a, 64 bits, over the server's name, the byte 0xFF (which UTF-8 never
/// holds) and the original name. Part of what users see: never to be changed,
/// for their settings and habits hold these names.
fn hash(claim: &Claim<'_>) -> u64 {
    let server = claim.server.bytes();
    let original = claim.original.bytes();
    server
        .chain([0xFF])
        .chain(original)
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        })
}

/// The 32-bit hash, made from the 64-bit one as FNV's authors advise.
fn fold(hash: u64) -> u64 {
    (hash >> 32) ^ (hash & 0xFFFF_FFFF)
}

#[cfg(test)]
mod tests;
