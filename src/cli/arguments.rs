//! What a command line means once it is understood. Pure data: nothing here
//! parses, and nothing here knows how a flag is spelt.

use std::path::PathBuf;
use std::time::Duration;

use log::LevelFilter;

use crate::logging;

/// A whole command line.
///
/// `None` means "not typed": the environment, the config file and the default
/// have their say then, in this order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arguments {
    /// What to do.
    pub command: Command,
    /// `--config`: the config file.
    pub config: Option<PathBuf>,
    /// `--host`: the address to listen on, as typed and never empty.
    pub host: Option<String>,
    /// `--port`: the TCP port to listen on; 0 asks for any free one.
    pub port: Option<u16>,
    /// `--log`: log to stdout. [`Arguments::log_place`] says what this means
    /// for the sub-command at hand.
    pub log_to_stdout: bool,
    /// `--log-level`.
    pub log_level: Option<LevelFilter>,
    /// `--log-format`.
    pub log_format: logging::Format,
    /// `--allow-anonymous`: serve beyond loopback without a token.
    pub allow_anonymous: bool,
    /// `--http-engine`.
    pub http_engine: Engine,
}

impl Arguments {
    /// Where the log is asked to go. In stdio mode stdout is the protocol, so
    /// `--log` means stderr there.
    pub fn log_place(&self) -> logging::Place {
        match (self.log_to_stdout, &self.command) {
            (false, _) => logging::Place::Automatic,
            (true, Command::Stdio | Command::DemoServer) => logging::Place::Stderr,
            (true, _) => logging::Place::Stdout,
        }
    }
}

/// What to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Serve the servers of the config over HTTP.
    Serve,
    /// Serve this one stdio server over HTTP: a command, never empty, and its
    /// arguments.
    ServeOne(Vec<String>),
    /// Serve the servers of the config over stdin and stdout.
    Stdio,
    /// Look at the config, one way or another.
    Check(Check),
    /// List the merged tools.
    Tools {
        /// As JSON, not as a table.
        json: bool,
    },
    /// Call one tool.
    Call {
        /// Its merged name.
        tool: String,
        /// The text of a JSON object, as typed.
        arguments: Option<String>,
    },
    /// Ask a running gateway how it does.
    Status {
        /// As JSON, not as a table.
        json: bool,
        /// Again and again, after so long each time.
        watch: Option<Duration>,
    },
    /// Be the built-in stdio server.
    DemoServer,
    /// Print a man page or a completion script.
    Generate(Kind),
    /// Print the help.
    Help {
        /// The whole help, not one line a flag.
        long: bool,
    },
    /// Print the version.
    Version,
}

/// How `check` looks at the config.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Check {
    /// Reads the file and starts nothing.
    File,
    /// Starts the servers as well, and looks at what they offer.
    Live,
    /// Prints the JSON Schema and reads nothing.
    Schema,
}

/// What `--generate` can write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The man page, as roff.
    Man,
    /// Completions for bash.
    Bash,
    /// Completions for zsh.
    Zsh,
    /// Completions for fish.
    Fish,
}

/// The HTTP engine to serve with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Engine {
    /// The engine of this project, `crate::http`.
    #[default]
    Own,
    /// The crate `tiny_http`; parsed only where it was compiled in.
    TinyHttp,
}
