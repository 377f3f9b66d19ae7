//! What can be wrong with a command line, in sentences.

use std::fmt;

/// A command line that makes no sense. Its exit code is
/// `crate::cli::exit::Exit::Usage`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UsageError {
    /// No flag is called this.
    UnknownFlag {
        /// As typed, dashes included.
        typed: String,
        /// The flag that was probably meant, dashes included.
        nearest: Option<String>,
    },
    /// The first word is no sub-command.
    UnknownCommand {
        /// As typed.
        typed: String,
        /// The sub-command that was probably meant.
        nearest: Option<&'static str>,
    },
    /// A flag that needs a value stands without one.
    MissingValue {
        /// The flag's long name, dashes included.
        flag: String,
        /// What the help calls its value.
        value_name: &'static str,
        /// What stood where the value was looked for: the next flag.
        found: Option<String>,
    },
    /// A switch was given a value, as in `--log=yes`.
    UnwantedValue {
        /// The flag as typed, dashes included.
        flag: String,
        /// The value.
        value: String,
    },
    /// The value of a flag is not among those it takes.
    BadValue {
        /// The flag's long name, dashes included.
        flag: String,
        /// What is wrong, naming the value.
        reason: String,
    },
    /// A flag that means nothing to this sub-command.
    NotForThis {
        /// The flag's long name, dashes included.
        flag: String,
        /// What was typed: `mcproxy check`.
        title: String,
        /// What the flag belongs to.
        belongs_to: Vec<String>,
    },
    /// Two flags of which only one can be meant.
    Together {
        /// The one's long name, dashes included.
        one: &'static str,
        /// The other's.
        other: &'static str,
    },
    /// One word too many.
    UnwantedWord {
        /// The synopsis of what was typed.
        synopsis: &'static str,
        /// The word.
        word: String,
    },
    /// `call` without a tool.
    MissingTool,
    /// The JSON of `call` is no JSON object.
    BadCallArguments {
        /// What is wrong with it.
        reason: String,
    },
    /// Nothing, or an empty word, after `--`.
    MissingCommand,
    /// What the parser below complains of and this list does not know.
    Unreadable {
        /// Its own words.
        reason: String,
    },
    /// A word that is not UTF-8.
    NotText {
        /// The word, with a replacement character for what is not UTF-8.
        word: String,
    },
}

impl fmt::Display for UsageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownFlag { typed, nearest } => {
                write!(f, "unknown option {typed:?}")?;
                match nearest {
                    Some(flag) => write!(f, ": did you mean {flag}?"),
                    None => Ok(()),
                }
            }
            Self::UnknownCommand { typed, nearest } => {
                write!(f, "unknown sub-command {typed:?}: ")?;
                match nearest {
                    Some(word) => write!(f, "did you mean \"{word}\"?"),
                    None => write!(
                        f,
                        "to serve over HTTP, write no sub-command; to serve one stdio server, \
                         write \"mcproxy -- {typed} …\""
                    ),
                }
            }
            Self::MissingValue {
                flag,
                value_name,
                found,
            } => {
                write!(f, "{flag} needs a value: {flag} {value_name}")?;
                match found {
                    Some(next) => write!(f, ", but {next:?} follows"),
                    None => Ok(()),
                }
            }
            Self::UnwantedValue { flag, value } => {
                write!(f, "{flag} takes no value, found {value:?}")
            }
            Self::BadValue { flag, reason } => write!(f, "{flag}: {reason}"),
            Self::NotForThis {
                flag,
                title,
                belongs_to,
            } => {
                write!(f, "{flag} means nothing to \"{title}\"")?;
                for (place, other) in belongs_to.iter().enumerate() {
                    let lead = if place == 0 { ": it belongs to" } else { "," };
                    write!(f, "{lead} \"{other}\"")?;
                }
                Ok(())
            }
            Self::Together { one, other } => {
                write!(f, "{one} and {other} do not go together: give one of them")
            }
            Self::UnwantedWord { synopsis, word } => {
                write!(f, "unexpected {word:?}: write \"mcproxy {synopsis}\"")
            }
            Self::MissingTool => f.write_str("call needs the name of a tool: call TOOL [JSON]"),
            Self::BadCallArguments { reason } => write!(f, "call: JSON: {reason}"),
            Self::MissingCommand => {
                f.write_str("\"--\" needs the command of a stdio server behind it: -- COMMAND")
            }
            Self::Unreadable { reason } => write!(f, "command line: {reason}"),
            Self::NotText { word } => write!(f, "{word:?} is not UTF-8"),
        }
    }
}

impl std::error::Error for UsageError {}
