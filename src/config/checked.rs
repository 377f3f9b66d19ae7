//! The configuration as checked: what the rest of the program works with.
//!
//! Everything here is resolved and within its limits. `Debug` shows no secret:
//! neither the token, nor a child's arguments, nor the values of its environment.

use crate::config::glob::Glob;
use crate::config::problem::Problem;
use crate::sorted::SortedMap;
use log::LevelFilter;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// A configuration that can be served, and what is to be said about it.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// Every error inside a server's entry, in the order of the file. Each also stands
    /// in its server's `Launch::Misconfigured`.
    pub problems: Vec<Problem>,
    /// What was taken though it is probably not meant: the top of the file first, then each server.
    pub warnings: Vec<Problem>,
}

/// The whole configuration: file, environment and command line together.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where it came from, as messages name it.
    pub source: String,
    /// The address or host name to listen on; an IPv6 address without its brackets.
    pub host: String,
    /// The port to listen on; 0 = any free one.
    pub port: u16,
    /// Origins besides loopback that may talk to the gateway: lower case, without a slash
    /// at the end, as in `https://app.example.org`; or `*` for any.
    pub allow_origins: Vec<String>,
    /// `Host` headers besides loopback and the bound address: lower case, a name with or without a port.
    pub allow_hosts: Vec<String>,
    /// What clients must present as `Authorization: Bearer` (RFC 6750), if anything.
    pub token: Option<Secret>,
    /// How much is logged, if anybody said so.
    pub log_level: Option<LevelFilter>,
    /// Named selections of servers. Every name in them is that of a server.
    pub groups: SortedMap<String, Vec<String>>,
    /// The numbers of the file.
    pub limits: Limits,
    /// The servers in the order of the file. Names are unique.
    pub servers: Vec<Server>,
}

/// The limits the user may set; defaults and bounds are in `crate::limits`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Messages in one queue.
    pub max_queue_size: usize,
    /// Bytes of one message from a client.
    pub max_message_size: usize,
    /// Bytes of one message from a child.
    pub max_child_message_size: usize,
    /// Connections open at once; `None` = as many as the system has room for.
    pub max_connections: Option<usize>,
    /// Time between two comments on a silent stream.
    pub keepalive_interval: Duration,
    /// Time a client's first list waits for servers in their first start.
    pub connection_timeout: Duration,
    /// Time to hand one message to a child.
    pub message_timeout: Duration,
    /// First starts that may fail in a row.
    pub max_reconnect_attempts: u32,
    /// Time before the first restart.
    pub reconnect_delay: Duration,
    /// Children of session-scoped servers, all together.
    pub max_processes: usize,
    /// Characters of prefix and tool name together.
    pub max_tool_name: usize,
}

/// One entry of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// Its name. Of the alphabet `[A-Za-z0-9_.-]`, without `__` and of limited length,
    /// unless `state` is `Misconfigured` or `Disabled`: then it is what was typed, shortened.
    pub name: String,
    /// What stands, with `__`, in front of its tools on merged views; empty = nothing does.
    pub prefix: String,
    /// Who shares its child.
    pub scope: Scope,
    /// In which era it is spoken to.
    pub protocol: Protocol,
    /// Which of its tools are shown, and as what.
    pub tools: ToolRules,
    /// Time from its start to its `initialize` answer.
    pub startup_timeout: Duration,
    /// Time of one call, counted anew at each progress notification.
    pub timeout: Duration,
    /// Calls under way at once.
    pub max_concurrent: usize,
    /// Whether it is started by the first call only, and not with the gateway.
    pub is_lazy: bool,
    /// Time without a call after which it is stopped, until the next; `None` = never.
    pub idle_stop: Option<Duration>,
    /// Whether what it offers stays listed while it is parked.
    pub listed_when_parked: bool,
    /// Whether it is pinged while it is idle.
    pub is_pinged: bool,
    /// Whether it can be started, and how.
    pub state: Launch,
}

/// Who shares a child.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scope {
    /// One child for all.
    #[default]
    Shared,
    /// One child for each session.
    Session,
}

/// In which era of the protocol a server is spoken to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Protocol {
    /// The handshake era: it is greeted with `initialize`, and offered 2025-11-25.
    #[default]
    Legacy,
    /// The stateless era, 2026-07-28: it is asked with `server/discover`, and every
    /// request carries its `_meta`.
    Modern,
    /// Whichever it speaks: a throw-away process of it is asked with `server/discover`
    /// first, and what it is stays known for as long as the gateway runs.
    Auto,
}

/// Which tools are shown, and under which names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ToolRules {
    /// Patterns of the server's own names that are shown; empty = all.
    pub allow: Vec<Glob>,
    /// Patterns that are not shown, whatever `allow` says.
    pub deny: Vec<Glob>,
    /// The server's own name → the name shown instead. No two have the same new name.
    pub rename: SortedMap<String, String>,
}

impl ToolRules {
    /// Whether the tool of this name, which is the server's own, is shown.
    pub fn admits(&self, name: &str) -> bool {
        let allowed = self.allow.is_empty() || self.allow.iter().any(|glob| glob.matches(name));
        allowed && !self.deny.iter().any(|glob| glob.matches(name))
    }
}

/// Whether a server can be started, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Launch {
    /// By this command.
    Run(Command),
    /// The file says not to.
    Disabled,
    /// For these reasons it cannot; at least one.
    Misconfigured(Vec<Problem>),
    /// It is reached by URL, which is not supported yet.
    Remote,
}

/// How a child is started. Nothing is left to be looked up or expanded.
#[derive(Clone, PartialEq, Eq)]
pub struct Command {
    /// The program, absolute.
    pub program: PathBuf,
    /// Its arguments, without its own name.
    pub args: Vec<String>,
    /// The whole of its environment, sorted by name: nothing is inherited besides.
    pub env: Vec<(String, String)>,
    /// Its folder, absolute; `None` = the gateway's own.
    pub cwd: Option<PathBuf>,
}

impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.env.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_struct("Command")
            .field("program", &self.program)
            .field("args", &format_args!("{} hidden", self.args.len()))
            .field("env", &names)
            .field("cwd", &self.cwd)
            .finish()
    }
}

/// A text that `Debug` does not show.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Hides a text.
    pub fn new(text: String) -> Self {
        Self(text)
    }

    /// The text. Compare it in constant time, and never write it anywhere.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(hidden)")
    }
}
