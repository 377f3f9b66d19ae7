//! What servers offered when they were last asked, one file for each: `lists/NAME.json`.
//!
//! Such a file has the form of a server's answers: it is the result of `initialize`
//! (or of `server/discover`) and of all list requests at once, in one object. So
//! it is read by what reads live answers, and nothing that is written into one by
//! hand or by chance can put in what a server could not.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::limits;
use crate::record::Lists;
use crate::sorted::SortedMap;
use crate::state::error::{Error, Fault};
use crate::state::files::{self, Draft};
use crate::state::trouble::Trouble;
use crate::wire::discover;
use crate::wire::envelope::{Message, quoted};
use crate::wire::handshake;
use crate::wire::items::{self, ItemKind};
use crate::wire::scan;
use crate::wire::stateless;

/// The folder of these files within that of the state.
const FOLDER: &str = "lists";

/// How the name of such a file ends.
const END: &str = ".json";

/// The form of the files. Another one gets another number, so that none is read
/// as the other.
const FORMAT: &str = "1";

/// Reads what is there of these servers, and removes files of others that were
/// not used for long. A broken file is ignored with a warning. `now` is in
/// seconds since 1970.
pub fn read_all(folder: &Path, servers: &[String], now: u64) -> SortedMap<String, Lists> {
    let folder = folder.join(FOLDER);
    let mut found = SortedMap::new();
    for server in servers {
        let Some(path) = place(&folder, server) else {
            continue;
        };
        match read_file(&path, server) {
            Ok(Some(lists)) => {
                files::touch(&path, now);
                found.insert(server.clone(), lists);
            }
            Ok(None) => {}
            Err(fault) if fault.is_absence() => {}
            Err(fault) => log::warn!("{}; it is ignored", Error::File { path, fault }),
        }
    }
    files::sweep(&folder, now, |file| {
        let server = file.strip_suffix(END);
        server.is_some_and(|server| servers.iter().any(|known| known == server))
    });
    found
}

/// Writes these files.
#[derive(Debug)]
pub struct Keeping {
    folder: PathBuf,
    trouble: Trouble,
}

impl Keeping {
    /// Within the folder of the state.
    pub fn new(folder: &Path) -> Keeping {
        Keeping {
            folder: folder.join(FOLDER),
            trouble: Trouble::of("what servers offer"),
        }
    }

    /// Writes the file of a server. What is longer than
    /// [`limits::STATE_LISTS_BYTES_MAX`] is not kept, and neither is what was
    /// kept before, for it is not true any more.
    pub fn keep(&mut self, server: &str, lists: &Lists) {
        let Some(path) = place(&self.folder, server) else {
            return;
        };
        let text = write(server, lists);
        let kept = if text.len() > limits::STATE_LISTS_BYTES_MAX {
            log::debug!("{server}: its lists are too long to be kept");
            remove(&path)
        } else if is_there(&path, text.as_bytes()) {
            // Servers mostly offer at each start what they always did.
            Ok(())
        } else {
            // Not synced: after a power cut the server is simply asked again.
            Draft::write(&path, text.as_bytes())
                .and_then(Draft::put)
                .map(drop)
        };
        self.trouble.note(&path, &kept);
    }
}

/// The file of a server, if it has a name that can be one of a file's. All
/// names that a configuration lets through do.
fn place(folder: &Path, server: &str) -> Option<PathBuf> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
    let fits = (1..=limits::SERVER_NAME_LENGTH_MAX).contains(&server.len());
    (fits && server.chars().all(is_plain)).then(|| folder.join(format!("{server}{END}")))
}

fn is_there(path: &Path, text: &[u8]) -> bool {
    files::read(path, text.len(), files::OTHERS_WRITE).is_ok_and(|there| there == text)
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

/// The file's text.
fn write(server: &str, lists: &Lists) -> String {
    let hello = &lists.hello;
    let instructions = hello.instructions.as_deref();
    let (capabilities, info) = (&hello.capabilities, &hello.info);
    let hello = match hello.revision {
        Some(revision) => handshake::initialize_result(revision, capabilities, info, instructions),
        None => stateless::discover_result(capabilities, info, instructions),
    };
    let mut text = format!(
        "{{\"mcproxy\":\"lists\",\"format\":{FORMAT},\"server\":{},\"fingerprint\":\"{:016x}\"",
        quoted(server),
        lists.fingerprint
    );
    let pages = lists.items.iter().map(|(kind, items)| {
        let items = items.iter().map(|item| (item, None));
        items::join_page(items, *kind, None)
    });
    for object in std::iter::once(hello).chain(pages) {
        text += ",\n";
        let members = object.strip_prefix('{').and_then(|it| it.strip_suffix('}'));
        text += members.unwrap_or_default();
    }
    text + "}\n"
}

/// What a file tells of a server; nothing if it is of another one, whose name
/// the file system takes for the same.
fn read_file(path: &Path, server: &str) -> Result<Option<Lists>, Fault> {
    let max = limits::STATE_LISTS_BYTES_MAX;
    let text = files::read(path, max, files::OTHERS_WRITE)?;
    read(&text, server).map_err(Fault::Form)
}

fn read(text: &[u8], server: &str) -> Result<Option<Lists>, String> {
    let answer = [br#"{"jsonrpc":"2.0","id":0,"result":"#, text, b"}"].concat();
    let answer = Message::parse(answer).map_err(|malformed| malformed.sentence)?;
    let result = answer.succeeded()?;
    let keys = [
        "mcproxy",
        "format",
        "server",
        "fingerprint",
        "protocolVersion",
    ];
    let found = scan::members(result, keys).map_err(|fault| fault.to_string())?;
    let [what, format, owner, fingerprint, revision] =
        found.map(|value| value.map(|value| value.json(result)));
    if what != Some("\"lists\"") || format != Some(FORMAT) {
        return Err("it is no file of this version".to_owned());
    }
    if owner.and_then(scan::text).as_deref() != Some(server) {
        return Ok(None);
    }
    let hello = match revision {
        Some(_) => handshake::read_server_hello(&answer)?,
        None => discover::read_discovery(&answer)?,
    };
    let fingerprint = fingerprint.and_then(scan::text);
    let fingerprint = fingerprint.and_then(|hex| u64::from_str_radix(&hex, 16).ok());
    let fingerprint = fingerprint.ok_or("its fingerprint is none")?;
    let mut items = SortedMap::new();
    for (kind, listed) in ItemKind::ALL.into_iter().zip(listed(result)?) {
        if listed {
            items.insert(kind, items::read_page(&answer, kind)?.items);
        }
    }
    Ok(Some(Lists {
        fingerprint,
        hello,
        items,
    }))
}

/// Which kinds are there.
fn listed(result: &str) -> Result<[bool; 4], String> {
    let lists = scan::members(result, ItemKind::ALL.map(ItemKind::list));
    let lists = lists.map_err(|fault| fault.to_string())?;
    Ok(lists.map(|list| list.is_some()))
}

#[cfg(test)]
mod tests;
