//! From the words typed to [`Arguments`], over `lexopt`. What each flag does
//! is said in `flags`; here is only the grammar.

use std::ffi::{OsStr, OsString};

use lexopt::Arg;

use crate::cli::arguments::{Arguments, Check, Command};
use crate::cli::commands::{self, Verb};
use crate::cli::flags::{Draft, FLAGS, Flag, Spelling, Takes};
use crate::cli::usage::UsageError;
use crate::config::nearest::nearest;

/// Reads a command line, without the name of the program in front.
///
/// Flags and the sub-command may come in any order; of a flag that is given
/// twice the last one counts. The first of `--help`, `--version` and
/// `--generate` ends the reading: whatever follows it is not looked at.
///
/// # Errors
/// The first thing that is wrong.
pub fn parse<I>(words: I) -> Result<Arguments, UsageError>
where
    I: IntoIterator,
    I::Item: Into<OsString>,
{
    let mut typed = Typed::default();
    let mut parser = lexopt::Parser::from_args(words);
    while typed.draft.instead.is_none() {
        if let Some(rest) = after_dashes(&mut parser) {
            typed.after_dashes = Some(rest);
            break;
        }
        match parser.next().map_err(unwanted_value)? {
            None => break,
            Some(Arg::Value(word)) => typed.words.push(into_text(word)?),
            Some(Arg::Short(letter)) => {
                let flag = find_short(letter)?;
                typed.take(flag, Spelling::Short, &mut parser)?;
            }
            Some(Arg::Long(name)) => {
                let flag = find_long(name)?;
                typed.take(flag, Spelling::Long, &mut parser)?;
            }
        }
    }
    typed.understand()
}

/// What was typed, sorted but not yet understood.
#[derive(Default)]
struct Typed {
    draft: Draft,
    flags: Vec<&'static Flag>,
    words: Vec<String>,
    after_dashes: Option<Vec<OsString>>,
}

impl Typed {
    /// Lets `flag` take its value, if it has one, and do its work.
    fn take(
        &mut self,
        flag: &'static Flag,
        spelling: Spelling,
        parser: &mut lexopt::Parser,
    ) -> Result<(), UsageError> {
        self.flags.push(flag);
        match &flag.takes {
            Takes::Nothing(update) => {
                update(&mut self.draft, spelling);
                Ok(())
            }
            Takes::Value { name, update, .. } => {
                let value = value_of(flag, name, parser)?;
                update(&mut self.draft, &value).map_err(|reason| UsageError::BadValue {
                    flag: dashed(flag),
                    reason,
                })
            }
        }
    }

    fn understand(mut self) -> Result<Arguments, UsageError> {
        let command = match self.draft.instead.take() {
            Some(command) => command,
            None => self.command()?,
        };
        let draft = self.draft;
        Ok(Arguments {
            command,
            config: draft.config,
            host: draft.host,
            port: draft.port,
            log_to_stdout: draft.log_to_stdout,
            log_level: draft.log_level,
            log_format: draft.log_format,
            allow_anonymous: draft.allow_anonymous,
            http_engine: draft.http_engine,
        })
    }

    /// The sub-command with its words, held against the flags typed.
    fn command(&mut self) -> Result<Command, UsageError> {
        let mut words = std::mem::take(&mut self.words).into_iter();
        let verb = match (words.next(), &self.after_dashes) {
            (None, None) => Verb::Serve,
            (None, Some(_)) => Verb::ServeOne,
            (Some(word), _) => find_verb(&word)?,
        };
        self.check_flags(verb)?;
        let after_dashes = self.after_dashes.take().unwrap_or_default();
        let mut rest = words.collect::<Vec<String>>();
        for word in after_dashes {
            rest.push(into_text(word)?);
        }
        if verb == Verb::ServeOne {
            return match rest.first() {
                Some(command) if !command.is_empty() => Ok(Command::ServeOne(rest)),
                _ => Err(UsageError::MissingCommand),
            };
        }
        let mut rest = rest.into_iter();
        let command = match verb {
            Verb::Serve | Verb::ServeOne => Command::Serve,
            Verb::Stdio => Command::Stdio,
            Verb::Check => Command::Check(self.check()?),
            Verb::Tools => Command::Tools {
                json: self.draft.json,
            },
            Verb::Call => Command::Call {
                tool: rest.next().ok_or(UsageError::MissingTool)?,
                arguments: rest.next().map(json_object).transpose()?,
            },
            Verb::Status => Command::Status {
                json: self.draft.json,
                watch: self.draft.watch,
            },
            Verb::DemoServer => Command::DemoServer,
        };
        match rest.next() {
            Some(word) => Err(UsageError::UnwantedWord {
                synopsis: commands::sub_command(verb).synopsis,
                word,
            }),
            None => Ok(command),
        }
    }

    /// How `check` is to look at the config.
    fn check(&self) -> Result<Check, UsageError> {
        match (self.draft.schema, self.draft.live) {
            (false, false) => Ok(Check::File),
            (false, true) => Ok(Check::Live),
            (true, false) => Ok(Check::Schema),
            (true, true) => Err(UsageError::Together {
                one: "--schema",
                other: "--live",
            }),
        }
    }

    /// Refuses the first flag that means nothing to `verb`: a flag that is
    /// silently ignored is worse than one that is refused.
    fn check_flags(&self, verb: Verb) -> Result<(), UsageError> {
        match self.flags.iter().find(|flag| !flag.applies.contains(&verb)) {
            None => Ok(()),
            Some(flag) => Err(UsageError::NotForThis {
                flag: dashed(flag),
                title: commands::sub_command(verb).title(),
                belongs_to: flag
                    .applies
                    .iter()
                    .map(|verb| commands::sub_command(*verb).title())
                    .collect(),
            }),
        }
    }
}

/// Everything behind `--`, if `--` comes next. `lexopt` would skip it in
/// silence, but `mcproxy stdio` and `mcproxy -- stdio` are not the same.
fn after_dashes(parser: &mut lexopt::Parser) -> Option<Vec<OsString>> {
    let mut raw = parser.try_raw_args()?;
    raw.next_if(|word| word == "--")?;
    Some(raw.collect())
}

/// The value of a flag: the one attached to it, else the next word. A word
/// that is a flag itself is no value: in `--config --log` the file was
/// forgotten. (`--config=--log` says that it is meant.)
fn value_of(
    flag: &Flag,
    value_name: &'static str,
    parser: &mut lexopt::Parser,
) -> Result<OsString, UsageError> {
    let missing = |found: Option<&OsStr>| UsageError::MissingValue {
        flag: dashed(flag),
        value_name,
        found: found.map(|word| word.to_string_lossy().into_owned()),
    };
    let value = match parser.optional_value() {
        Some(value) => value,
        None => {
            let value = parser.value().map_err(|_| missing(None))?;
            if is_flag(&value) {
                return Err(missing(Some(&value)));
            }
            value
        }
    };
    if value.is_empty() {
        return Err(missing(Some(&value)));
    }
    Ok(value)
}

/// Whether `word` is `--` or names a flag of ours.
fn is_flag(word: &OsStr) -> bool {
    let Some(word) = word.to_str() else {
        return false;
    };
    if let Some(long) = word.strip_prefix("--") {
        let name = long.split_once('=').map_or(long, |(name, _)| name);
        return name.is_empty() || FLAGS.iter().any(|flag| flag.long == name);
    }
    let mut letters = word.chars();
    match (letters.next(), letters.next(), letters.next()) {
        (Some('-'), Some(letter), None) => FLAGS.iter().any(|flag| flag.short == Some(letter)),
        _ => false,
    }
}

fn find_long(name: &str) -> Result<&'static Flag, UsageError> {
    let found = FLAGS.iter().find(|flag| flag.long == name);
    found.ok_or_else(|| UsageError::UnknownFlag {
        typed: format!("--{name}"),
        nearest: nearest(name, FLAGS.iter().map(|flag| flag.long)).map(|name| format!("--{name}")),
    })
}

/// Of an unknown short flag the neighbour is the long one it abbreviates.
fn find_short(letter: char) -> Result<&'static Flag, UsageError> {
    let found = FLAGS.iter().find(|flag| flag.short == Some(letter));
    found.ok_or_else(|| UsageError::UnknownFlag {
        typed: format!("-{letter}"),
        nearest: FLAGS
            .iter()
            .find(|flag| flag.long.starts_with(letter.to_ascii_lowercase()))
            .map(dashed),
    })
}

fn find_verb(word: &str) -> Result<Verb, UsageError> {
    let found = commands::SUB_COMMANDS
        .iter()
        .find(|row| row.word == Some(word));
    found
        .map(|row| row.verb)
        .ok_or_else(|| UsageError::UnknownCommand {
            typed: word.to_owned(),
            nearest: nearest(word, commands::words()),
        })
}

fn dashed(flag: &Flag) -> String {
    format!("--{}", flag.long)
}

fn into_text(word: OsString) -> Result<String, UsageError> {
    word.into_string().map_err(|word| UsageError::NotText {
        word: word.to_string_lossy().into_owned(),
    })
}

/// `text` itself, if it is a JSON object.
fn json_object(text: String) -> Result<String, UsageError> {
    use serde_json::Value;
    let found = match serde_json::from_str(&text) {
        Ok(Value::Object(_)) => return Ok(text),
        Ok(Value::Array(_)) => "an array".to_owned(),
        Ok(Value::String(_)) => "a string".to_owned(),
        Ok(Value::Number(_)) => "a number".to_owned(),
        Ok(Value::Bool(_)) => "a boolean".to_owned(),
        Ok(Value::Null) => "null".to_owned(),
        Err(error) => format!("broken JSON: {error}"),
    };
    Err(UsageError::BadCallArguments {
        reason: format!("expected an object such as {{\"text\": \"hi\"}}, found {found}"),
    })
}

/// `lexopt` has but one complaint while it reads on: a switch with a value.
fn unwanted_value(error: lexopt::Error) -> UsageError {
    match error {
        lexopt::Error::UnexpectedValue { option, value } => UsageError::UnwantedValue {
            flag: option,
            value: value.to_string_lossy().into_owned(),
        },
        other => UsageError::Unreadable {
            reason: other.to_string(),
        },
    }
}

#[cfg(test)]
mod tests;
