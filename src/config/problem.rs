//! What can be wrong with a configuration, and how it is said.
//!
//! Every message has the form `FILE: server "x": field: what is wrong, what to write instead`.
//! No message ever repeats the value of an environment variable, a token or a line of an `envFile`.

use crate::limits;
use std::fmt::{self, Display, Formatter};

/// One thing that is wrong, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where it is.
    pub place: Place,
    /// What it is.
    pub fault: Fault,
}

impl Display for Problem {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.fault)
    }
}

impl std::error::Error for Problem {}

/// Where a value stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The file as it was named, or `environment`, or `command line`.
    pub source: String,
    /// The server whose entry it is, where it is one's.
    pub server: Option<String>,
    /// The path of keys, as in `env.TOKEN` or `args[1]`; empty for the whole.
    pub field: String,
}

impl Place {
    /// The whole of a source.
    pub fn of(source: &str) -> Self {
        Self {
            source: source.to_owned(),
            server: None,
            field: String::new(),
        }
    }

    /// The whole entry of a server of this source.
    pub fn server(&self, name: &str) -> Self {
        Self {
            source: self.source.clone(),
            server: Some(shortened(name)),
            field: String::new(),
        }
    }

    /// The member `key` of this place. Keys that are no plain words are escaped.
    pub fn key(&self, key: &str) -> Self {
        let plain = shortened(key).escape_debug().to_string();
        let dot = if self.field.is_empty() { "" } else { "." };
        Self {
            field: format!("{}{dot}{plain}", self.field),
            ..self.clone()
        }
    }

    /// The element `index` of this place, counted from 0.
    pub fn index(&self, index: usize) -> Self {
        Self {
            field: format!("{}[{index}]", self.field),
            ..self.clone()
        }
    }
}

impl Display for Place {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(&self.source)?;
        if let Some(server) = &self.server {
            write!(f, ": server {server:?}")?;
        }
        if !self.field.is_empty() {
            write!(f, ": {}", self.field)?;
        }
        Ok(())
    }
}

/// Everything that can be wrong, one variant for each kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The file system refused, for this reason.
    Unreadable(String),
    /// A file is larger than this many bytes.
    TooLarge(usize),
    /// A file is not UTF-8; the line of the first wrong byte, counted from 1.
    NotUtf8(usize),
    /// The JSON is broken.
    Syntax {
        /// The line, counted from 1.
        line: usize,
        /// The character in the line, counted from 1.
        column: usize,
        /// What the parser expected.
        message: String,
    },
    /// A value of the wrong JSON type.
    WrongType {
        /// What stands there.
        found: &'static str,
        /// What belongs there.
        wanted: &'static str,
    },
    /// A key that must be there is not; what to write.
    Missing(&'static str),
    /// A text that must hold something is empty; what to write.
    Empty(&'static str),
    /// A value of the right type that means nothing here.
    Invalid {
        /// The value, shortened.
        found: String,
        /// What to write instead.
        wanted: String,
    },
    /// The same key or name stands twice.
    Twice,
    /// More entries than this.
    TooMany(usize),
    /// Two keys say opposite things; the other one.
    Contradicts(&'static str),
    /// A key nobody reads, and the known one it resembles.
    UnknownKey(Option<String>),
    /// A group names a server that is not there.
    UnknownServer {
        /// The name as written.
        name: String,
        /// The server whose name resembles it.
        nearest: Option<String>,
    },
    /// `${NAME}` without such a variable in the gateway's environment.
    UnsetVariable(String),
    /// `${input:ID}`, which wants somebody to ask.
    InputVariable(String),
    /// `${…}` that is none of the known forms.
    UnknownVariable(String),
    /// `${` without its `}`.
    UnclosedVariable,
    /// A NUL character, which no argument and no variable can hold.
    HoldsNul,
    /// The command is in none of the folders.
    NotOnPath {
        /// The command as written.
        command: String,
        /// The PATH that was searched; `None` where the child has none.
        path: Option<String>,
    },
    /// The file is not there or may not be executed.
    NotExecutable(String),
    /// The directory is not there.
    NoDirectory(String),
    /// A line of an `envFile` that cannot be read; counted from 1.
    EnvFileLine {
        /// The line, counted from 1.
        line: usize,
        /// What to write.
        wanted: &'static str,
    },
    /// A warning: one of the gateway's own secrets stands in an `envFile`.
    Protected(String),
    /// A warning: the server is reached by URL.
    Remote,
    /// A warning: this key says nothing here.
    Ignored(&'static str),
    /// A warning: the name holds what no name can, and is served as another.
    ServedAs(String),
    /// A warning: this many seconds look like milliseconds.
    MillisecondsMeant(String),
    /// A warning: `*` lets every web page in.
    AnyOrigin,
}

impl Fault {
    /// A value that means nothing here, and what to write instead.
    pub fn invalid(found: &str, wanted: impl Into<String>) -> Self {
        Self::Invalid {
            found: format!("{:?}", shortened(found)),
            wanted: wanted.into(),
        }
    }
}

impl Display for Fault {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(why) => write!(
                f,
                "cannot be read ({why}), check the path and its permissions"
            ),
            Self::TooLarge(limit) => write!(f, "is larger than {limit} bytes, name a smaller file"),
            Self::NotUtf8(line) => write!(f, "is not UTF-8 at line {line}, save it as UTF-8"),
            Self::Syntax {
                line,
                column,
                message,
            } => write!(f, "line {line}, column {column}: {message}"),
            Self::WrongType { found, wanted } => write!(f, "is {found}, write {wanted}"),
            Self::Missing(wanted) => write!(f, "is missing, write {wanted}"),
            Self::Empty(wanted) => write!(f, "is empty, write {wanted}"),
            Self::Invalid { found, wanted } => write!(f, "is {found}, write {wanted}"),
            Self::Twice => f.write_str("is given twice, keep one"),
            Self::TooMany(limit) => write!(f, "holds too many entries, write at most {limit}"),
            Self::Contradicts(other) => write!(f, "contradicts {other:?}, keep one of them"),
            Self::UnknownServer { name, nearest } => unknown_server(f, name, nearest.as_deref()),
            Self::UnsetVariable(_)
            | Self::InputVariable(_)
            | Self::UnknownVariable(_)
            | Self::UnclosedVariable => self.variable(f),
            Self::HoldsNul => f.write_str("holds a NUL character, remove it"),
            Self::NotOnPath { command, path } => not_on_path(f, command, path.as_deref()),
            Self::NotExecutable(path) => {
                write!(
                    f,
                    "{path:?} is no executable file, write the path of one or chmod +x it"
                )
            }
            Self::NoDirectory(path) => {
                write!(f, "{path:?} is no directory, create it or write another")
            }
            Self::EnvFileLine { line, wanted } => {
                write!(f, "line {line} of the file cannot be read, write {wanted}")
            }
            Self::UnknownKey(_)
            | Self::Protected(_)
            | Self::Remote
            | Self::Ignored(_)
            | Self::ServedAs(_)
            | Self::MillisecondsMeant(_)
            | Self::AnyOrigin => self.warning(f),
        }
    }
}

impl Fault {
    /// The sentences about `${…}`.
    fn variable(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnsetVariable(name) => {
                write!(f, "${{{name}}} is not set, set {name} in the environment of mcproxy or write ${{{name}:-default}}")
            }
            Self::InputVariable(id) => write!(
                f,
                "${{input:{id}}} asks a person, which a gateway cannot, write ${{env:NAME}} and set NAME in the environment of mcproxy"
            ),
            Self::UnknownVariable(inside) => write!(
                f,
                "${{{inside}}} is no variable, write ${{NAME}}, ${{NAME:-default}}, ${{env:NAME}}, ${{workspaceFolder}}, \
                 ${{userHome}} or ${{MCPROXY}}, or $${{ for the characters themselves"
            ),
            _ => f.write_str("holds \"${\" without \"}\", close it or write \"$${\" for the characters themselves"),
        }
    }

    /// The sentences of warnings.
    fn warning(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownKey(Some(nearest)) => {
                write!(f, "is unknown and ignored, did you mean {nearest:?}?")
            }
            Self::UnknownKey(None) => f.write_str("is unknown and ignored"),
            Self::Protected(name) => write!(
                f,
                "{name} belongs to the gateway and is not passed on from a file, name it in \"env\" if the server needs it"
            ),
            Self::Remote => f.write_str("remote servers are not supported yet: skipped"),
            Self::Ignored(why) => write!(f, "is ignored, {why}"),
            Self::ServedAs(name) => write!(f, "is served as {name:?}"),
            Self::MillisecondsMeant(number) => {
                write!(
                    f,
                    "is {number} seconds, write \"{number}ms\" if milliseconds were meant"
                )
            }
            _ => f.write_str("lets every web page in, name the origins instead"),
        }
    }
}

fn unknown_server(f: &mut Formatter<'_>, name: &str, nearest: Option<&str>) -> fmt::Result {
    write!(f, "names the server {name:?}, which is not in the file, ")?;
    match nearest {
        Some(nearest) => write!(f, "did you mean {nearest:?}?"),
        None => f.write_str("write the name of one that is"),
    }
}

fn not_on_path(f: &mut Formatter<'_>, command: &str, path: Option<&str>) -> fmt::Result {
    match path {
        Some(path) => write!(f, "{command:?} is not on PATH (searched {path:?})")?,
        None => write!(f, "{command:?} cannot be searched because PATH is not set")?,
    }
    if command.contains(char::is_whitespace) {
        f.write_str(", write the program alone and its arguments in \"args\"")
    } else {
        f.write_str(", install it or write its absolute path")
    }
}

/// The beginning of a text, as much as a message repeats.
pub fn shortened(text: &str) -> String {
    match text.char_indices().nth(limits::SHOWN_VALUE_LENGTH_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// What a check found, errors and warnings apart.
#[derive(Clone, Debug, Default)]
pub struct Findings {
    /// What must be put right.
    pub problems: Vec<Problem>,
    /// What is taken, though probably not meant.
    pub warnings: Vec<Problem>,
}

impl Findings {
    /// Notes an error.
    pub fn error(&mut self, place: &Place, fault: Fault) {
        self.problems.push(Problem {
            place: place.clone(),
            fault,
        });
    }

    /// Notes a warning.
    pub fn warn(&mut self, place: &Place, fault: Fault) {
        self.warnings.push(Problem {
            place: place.clone(),
            fault,
        });
    }
}
