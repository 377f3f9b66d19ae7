//! The table of flags: each flag is one value, and everything that is said or
//! done about it is said here. Parsing, help, man page and completions are
//! derived from [`FLAGS`].

use std::ffi::OsStr;
use std::path::PathBuf;
use std::time::Duration;

use log::LevelFilter;

use crate::cli::arguments::{Command, Engine, Kind};
use crate::cli::commands::Verb;
use crate::config::nearest::nearest;
use crate::limits;
use crate::logging;

/// One flag.
#[derive(Debug)]
pub struct Flag {
    /// The long name, without dashes.
    pub long: &'static str,
    /// The short name.
    pub short: Option<char>,
    /// Whether a value follows, and what the flag does.
    pub takes: Takes,
    /// The heading it stands under.
    pub category: Category,
    /// The ways to run mcproxy it means something to.
    pub applies: &'static [Verb],
    /// A few words, lower case, no full stop.
    pub short_doc: &'static str,
    /// Sentences.
    pub long_doc: &'static str,
}

/// Whether a flag takes a value, and what it does to the draft.
#[derive(Debug)]
pub enum Takes {
    /// A switch. It may ask how it was spelt.
    Nothing(fn(&mut Draft, Spelling)),
    /// A flag with a value.
    Value {
        /// What the help calls the value, such as `FILE`.
        name: &'static str,
        /// What it can be, for completions.
        hint: Hint,
        /// Takes a value, never empty, or says what is wrong with it.
        update: fn(&mut Draft, &OsStr) -> Result<(), String>,
    },
}

/// Which name of a flag was typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spelling {
    /// The short one.
    Short,
    /// The long one.
    Long,
}

/// What a value can be.
#[derive(Debug, Clone, Copy)]
pub enum Hint {
    /// A path.
    File,
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// Nothing a shell could know.
    Free,
}

/// The headings of the help, in its order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Category {
    /// What is served, and where.
    Serving,
    /// What is logged, and where.
    Logging,
    /// What a sub-command prints.
    Output,
    /// What answers at once and does nothing else.
    Information,
}

impl Category {
    /// Every category, in the order of the help.
    pub const ALL: &[Category] = &[
        Category::Serving,
        Category::Logging,
        Category::Output,
        Category::Information,
    ];

    /// Its heading.
    pub const fn title(self) -> &'static str {
        match self {
            Category::Serving => "Serving",
            Category::Logging => "Logging",
            Category::Output => "Output",
            Category::Information => "Information",
        }
    }
}

/// What the flags typed so far say. `parse` makes the arguments out of it,
/// once it knows the sub-command.
#[derive(Debug, Default)]
pub struct Draft {
    /// `--config`
    pub config: Option<PathBuf>,
    /// `--host`
    pub host: Option<String>,
    /// `--port`
    pub port: Option<u16>,
    /// `--log`
    pub log_to_stdout: bool,
    /// `--log-level`
    pub log_level: Option<LevelFilter>,
    /// `--log-format`
    pub log_format: logging::Format,
    /// `--allow-anonymous`
    pub allow_anonymous: bool,
    /// `--http-engine`
    pub http_engine: Engine,
    /// `--live`
    pub live: bool,
    /// `--schema`
    pub schema: bool,
    /// `--json`
    pub json: bool,
    /// `--watch` and `--interval`: how long between two looks.
    pub watch: Option<Duration>,
    /// `--help`, `--version`, `--generate`: what to do instead of all else.
    pub instead: Option<Command>,
}

const EVERYTHING: &[Verb] = &[
    Verb::Serve,
    Verb::ServeOne,
    Verb::Stdio,
    Verb::Check,
    Verb::Tools,
    Verb::Call,
    Verb::Status,
    Verb::DemoServer,
];

// The sub-commands that build a gateway. The flags about listening are taken
// by those that do not listen too, so that one set of options fits them all.
const GATEWAY: &[Verb] = &[
    Verb::Serve,
    Verb::ServeOne,
    Verb::Stdio,
    Verb::Check,
    Verb::Tools,
    Verb::Call,
];

const WITH_CONFIG: &[Verb] = &[
    Verb::Serve,
    Verb::Stdio,
    Verb::Check,
    Verb::Tools,
    Verb::Call,
    Verb::Status,
];

// Those, and the one that asks another process where it listens.
const ADDRESSED: &[Verb] = &[
    Verb::Serve,
    Verb::ServeOne,
    Verb::Stdio,
    Verb::Check,
    Verb::Tools,
    Verb::Call,
    Verb::Status,
];

/// Every flag, in the order of the help.
pub const FLAGS: &[Flag] = &[
    CONFIG,
    HOST,
    PORT,
    ALLOW_ANONYMOUS,
    HTTP_ENGINE,
    LOG,
    LOG_LEVEL,
    LOG_FORMAT,
    LIVE,
    SCHEMA,
    JSON,
    WATCH,
    INTERVAL,
    GENERATE,
    HELP,
    VERSION,
];

const CONFIG: Flag = Flag {
    long: "config",
    short: Some('c'),
    takes: Takes::Value {
        name: "FILE",
        hint: Hint::File,
        update: |draft, value| {
            draft.config = Some(PathBuf::from(value));
            Ok(())
        },
    },
    category: Category::Serving,
    applies: WITH_CONFIG,
    short_doc: "the config file (default: mcp-servers.json)",
    long_doc: "The config file. The project's own form is taken as well as those of Claude \
        Desktop, Claude Code and VS Code. By default it is mcp-servers.json in the current \
        directory; if there is none, the demo server is served.",
};

const HOST: Flag = Flag {
    long: "host",
    short: None,
    takes: Takes::Value {
        name: "ADDR",
        hint: Hint::Free,
        update: |draft, value| {
            draft.host = Some(text(value)?.to_owned());
            Ok(())
        },
    },
    category: Category::Serving,
    applies: ADDRESSED,
    short_doc: "the address to listen on (default: 127.0.0.1)",
    long_doc: "The address to listen on, 127.0.0.1 by default. Any address but a loopback one \
        is refused unless a token protects it (API_ACCESS_TOKEN) or --allow-anonymous is given. \
        With status: the address to ask.",
};

const PORT: Flag = Flag {
    long: "port",
    short: None,
    takes: Takes::Value {
        name: "N",
        hint: Hint::Free,
        update: |draft, value| {
            let port = text(value)?
                .parse()
                .map_err(|_| format!("{value:?} is no port: write a number from 0 to 65535"))?;
            draft.port = Some(port);
            Ok(())
        },
    },
    category: Category::Serving,
    applies: ADDRESSED,
    short_doc: "the port to listen on (default: 12009; 0: any free)",
    long_doc: "The TCP port to listen on, 12009 by default. 0 takes any free one, which is then \
        printed. With status: the port to ask.",
};

const ALLOW_ANONYMOUS: Flag = Flag {
    long: "allow-anonymous",
    short: None,
    takes: Takes::Nothing(|draft, _| draft.allow_anonymous = true),
    category: Category::Serving,
    applies: GATEWAY,
    short_doc: "listen beyond loopback without a token",
    long_doc: "Allows listening on an address that is not loopback although no token protects \
        it. Whoever can reach the port can then run every tool.",
};

const HTTP_ENGINE: Flag = Flag {
    long: "http-engine",
    short: None,
    takes: Takes::Value {
        name: "ENGINE",
        hint: Hint::OneOf(&["own", "tiny_http"]),
        update: |draft, value| {
            draft.http_engine = match text(value)? {
                "own" => Engine::Own,
                "tiny_http" if cfg!(feature = "tiny_http") => Engine::TinyHttp,
                "tiny_http" => {
                    return Err(
                        "\"tiny_http\" was not compiled into this mcproxy; build it \
                        with \"cargo build --release --features tiny_http\""
                            .to_owned(),
                    );
                }
                other => return Err(not_among(other, &["own", "tiny_http"])),
            };
            Ok(())
        },
    },
    category: Category::Serving,
    applies: GATEWAY,
    short_doc: "the HTTP engine: own or tiny_http (default: own)",
    long_doc: "The HTTP engine to serve with. tiny_http is there for comparison: it listens on \
        loopback only, and must have been compiled in.",
};

const LOG: Flag = Flag {
    long: "log",
    short: None,
    takes: Takes::Nothing(|draft, _| draft.log_to_stdout = true),
    category: Category::Logging,
    applies: GATEWAY,
    short_doc: "log to stdout (stdio: to stderr)",
    long_doc: "Logs to stdout; in stdio mode, where stdout is the protocol, to stderr. Without \
        it the log goes to stderr where that is a terminal or the journal, else to syslog where \
        there is /dev/log, else to stderr.",
};

const LOG_LEVEL: Flag = Flag {
    long: "log-level",
    short: None,
    takes: Takes::Value {
        name: "LEVEL",
        hint: Hint::OneOf(logging::LEVELS),
        update: |draft, value| {
            let word = text(value)?;
            let level = word.parse().map_err(|_| not_among(word, logging::LEVELS))?;
            draft.log_level = Some(level);
            Ok(())
        },
    },
    category: Category::Logging,
    applies: GATEWAY,
    short_doc: "off, error, warn, info, debug, trace (default: info)",
    long_doc: "How much is logged: off, error, warn, info (the default), debug or trace. From \
        debug on, each line names the part of the program it comes from.",
};

const LOG_FORMAT: Flag = Flag {
    long: "log-format",
    short: None,
    takes: Takes::Value {
        name: "FORMAT",
        hint: Hint::OneOf(logging::Format::NAMES),
        update: |draft, value| {
            let word = text(value)?;
            draft.log_format = logging::Format::from_name(word)
                .ok_or_else(|| not_among(word, logging::Format::NAMES))?;
            Ok(())
        },
    },
    category: Category::Logging,
    applies: GATEWAY,
    short_doc: "text or json (default: text)",
    long_doc: "How the log is written: text, for people, or json, one object a line with the \
        members ts, level, target and message.",
};

const LIVE: Flag = Flag {
    long: "live",
    short: None,
    takes: Takes::Nothing(|draft, _| draft.live = true),
    category: Category::Output,
    applies: &[Verb::Check],
    short_doc: "check: start the servers, print what they offer",
    long_doc: "With check: starts the servers too, and prints for each what it offers, under \
        which name that is served and how long the name is, what was left out and why. Names \
        above 48 characters get a warning, since some clients put mcp__NAME__ in front of them. \
        Waits for the servers as long as limits.connection_timeout says; one that is not up then \
        makes the exit code 1.",
};

const SCHEMA: Flag = Flag {
    long: "schema",
    short: None,
    takes: Takes::Nothing(|draft, _| draft.schema = true),
    category: Category::Output,
    applies: &[Verb::Check],
    short_doc: "check: print the JSON Schema of the config",
    long_doc: "With check: prints the JSON Schema of the config and checks nothing. An editor \
        that knows it helps to write the file.",
};

const JSON: Flag = Flag {
    long: "json",
    short: None,
    takes: Takes::Nothing(|draft, _| draft.json = true),
    category: Category::Output,
    applies: &[Verb::Tools, Verb::Status],
    short_doc: "tools, status: print JSON",
    long_doc: "With tools: prints the merged tools as JSON, complete with their schemas. With \
        status: prints what the gateway answers, a line each time.",
};

const WATCH: Flag = Flag {
    long: "watch",
    short: None,
    takes: Takes::Nothing(|draft, _| {
        draft
            .watch
            .get_or_insert(Duration::from_secs(limits::STATUS_INTERVAL_SECONDS));
    }),
    category: Category::Output,
    applies: &[Verb::Status],
    short_doc: "status: look again each second, until Ctrl-C",
    long_doc: "With status: looks again each second until Ctrl-C. On a terminal the page is \
        drawn anew each time, elsewhere one follows the other.",
};

const INTERVAL: Flag = Flag {
    long: "interval",
    short: None,
    takes: Takes::Value {
        name: "SECONDS",
        hint: Hint::Free,
        update: |draft, value| {
            let most = limits::STATUS_INTERVAL_SECONDS_MAX;
            let seconds = text(value)?.parse().ok();
            let seconds = seconds.filter(|seconds| (1..=most).contains(seconds));
            let seconds = seconds.ok_or_else(|| {
                format!("{value:?} is no interval: write a number of seconds from 1 to {most}")
            })?;
            draft.watch = Some(Duration::from_secs(seconds));
            Ok(())
        },
    },
    category: Category::Output,
    applies: &[Verb::Status],
    short_doc: "status: look again after so many seconds",
    long_doc: "With status: like --watch, but each so many seconds.",
};

const GENERATE: Flag = Flag {
    long: "generate",
    short: None,
    takes: Takes::Value {
        name: "KIND",
        hint: Hint::OneOf(&["man", "bash", "zsh", "fish"]),
        update: |draft, value| {
            let kind = match text(value)? {
                "man" => Kind::Man,
                "bash" => Kind::Bash,
                "zsh" => Kind::Zsh,
                "fish" => Kind::Fish,
                other => return Err(not_among(other, &["man", "bash", "zsh", "fish"])),
            };
            draft.instead = Some(Command::Generate(kind));
            Ok(())
        },
    },
    category: Category::Information,
    applies: EVERYTHING,
    short_doc: "print man page or completions: man, bash, zsh, fish",
    long_doc: "Prints the man page as roff (man) or a completion script (bash, zsh, fish), and \
        does nothing else.",
};

const HELP: Flag = Flag {
    long: "help",
    short: Some('h'),
    takes: Takes::Nothing(|draft, spelling| {
        draft.instead = Some(Command::Help {
            long: spelling == Spelling::Long,
        });
    }),
    category: Category::Information,
    applies: EVERYTHING,
    short_doc: "print the help; -h is short, --help long",
    long_doc: "Prints the help: -h one line a flag, --help all of it.",
};

const VERSION: Flag = Flag {
    long: "version",
    short: Some('V'),
    takes: Takes::Nothing(|draft, _| draft.instead = Some(Command::Version)),
    category: Category::Information,
    applies: EVERYTHING,
    short_doc: "print the version",
    long_doc: "Prints the version.",
};

/// The value as text.
fn text(value: &OsStr) -> Result<&str, String> {
    value
        .to_str()
        .ok_or_else(|| format!("{:?} is not UTF-8", value.to_string_lossy()))
}

/// The reason why `word` is refused where only `choices` are taken.
fn not_among(word: &str, choices: &[&'static str]) -> String {
    let meant = match nearest(word, choices.iter().copied()) {
        Some(choice) => format!("; did you mean {choice}?"),
        None => String::new(),
    };
    format!("{word:?} is none of {}{meant}", choices.join(", "))
}

#[cfg(test)]
mod tests;
