//! A machine of cardboard for the tests of the whole way from text to configuration.

mod child;
mod forms;
mod front;
mod schema;
mod servers;
mod shipped;

use crate::config::check;
use crate::config::checked::{Command, Launch, Loaded, Server};
use crate::config::problem::{Fault, Problem};
use crate::config::surroundings::{Files, Overrides, Surroundings};
use std::path::Path;

/// Directories, executables and files that are there.
struct Cardboard;

/// Files that can be read, by path.
const FILES: &[(&str, &[u8])] = &[
    (
        "/project/.env",
        b"FROM_FILE=file\nBOTH=file\nAPI_ACCESS_TOKEN=other\nPATH=/opt/tools\n",
    ),
    ("/project/plain.env", b"FROM_FILE=file\n"),
    ("/project/broken.env", b"A=1\nhunter2 is secret\n"),
    ("/project/latin.env", b"A=1\nB=\xe9\n"),
    (
        "/project/good.json",
        br#"{"servers": [{"name": "a", "command": "node"}]}"#,
    ),
    ("/project/latin.json", b"{\n\"servers\": \"\xe9\"}"),
];

impl Files for Cardboard {
    fn is_executable(&self, path: &Path) -> bool {
        const THERE: &[&str] = &[
            "/bin/mcproxy",
            "/usr/bin/node",
            "/usr/bin/npx",
            "/opt/tools/special",
            "/project/run.sh",
            "/project/sub/run.sh",
            "/project/sub/here",
        ];
        THERE.iter().any(|there| Path::new(there) == path)
    }

    fn is_directory(&self, path: &Path) -> bool {
        [Path::new("/project"), Path::new("/project/sub")].contains(&path)
    }

    fn read(&self, path: &Path, limit: usize) -> Result<Vec<u8>, Fault> {
        let found = FILES.iter().find(|(there, _)| Path::new(there) == path);
        let (_, bytes) =
            found.ok_or(Fault::Unreadable(format!("{}: not there", path.display())))?;
        if bytes.len() > limit {
            Err(Fault::TooLarge(limit))
        } else {
            Ok(bytes.to_vec())
        }
    }
}

/// The machine with these variables, besides PATH and HOME.
fn machine(variables: &[(&str, &str)]) -> Surroundings<'static> {
    let usual = [("PATH", "/usr/local/bin:/usr/bin"), ("HOME", "/home/ada")];
    let pair = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    Surroundings {
        environment: usual.iter().chain(variables).map(pair).collect(),
        executable: "/bin/mcproxy".into(),
        working_dir: "/project".into(),
        files: &Cardboard,
    }
}

/// Checks a text on the machine with these variables.
fn parse_with(variables: &[(&str, &str)], text: &str) -> Result<Loaded, Vec<Problem>> {
    check::parse(text, "f.json", &machine(variables), &Overrides::default())
}

/// Checks a text that can be served.
#[track_caller]
fn loaded(text: &str) -> Loaded {
    parse_with(&[], text).unwrap_or_else(|problems| panic!("refused: {}", lines(&problems)))
}

/// The one server whose entry is `{"name": "x", "command": "node", …}` with these members.
#[track_caller]
fn one(members: &str) -> Loaded {
    loaded(&format!(
        r#"{{"servers": [{{"name": "x", "command": "node", {members}}}]}}"#
    ))
}

/// The only server.
#[track_caller]
fn only(loaded: &Loaded) -> &Server {
    assert_eq!(loaded.config.servers.len(), 1);
    &loaded.config.servers[0]
}

/// How a server is started.
#[track_caller]
fn command(server: &Server) -> &Command {
    match &server.state {
        Launch::Run(command) => command,
        other => panic!("{} is not run: {other:?}", server.name),
    }
}

/// Problems as they are printed.
fn lines(problems: &[Problem]) -> String {
    problems
        .iter()
        .map(|problem| format!("{problem}\n"))
        .collect()
}

/// What is wrong with the one server of these members, as printed.
#[track_caller]
fn faults(members: &str) -> String {
    let loaded = one(members);
    let Launch::Misconfigured(reasons) = &only(&loaded).state else {
        panic!("{members} was taken");
    };
    assert_eq!(*reasons, loaded.problems);
    lines(reasons)
}

/// Why a whole file is refused, as printed.
#[track_caller]
fn refused(text: &str) -> String {
    match parse_with(&[], text) {
        Ok(_) => panic!("{text} was taken"),
        Err(problems) => lines(&problems),
    }
}
