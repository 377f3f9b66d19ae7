//! The table of sub-commands, and nothing but the table: `parse` gives the
//! words their meaning.

/// The ways to run mcproxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// No sub-command.
    Serve,
    /// No sub-command, and a command line after `--`.
    ServeOne,
    /// `stdio`
    Stdio,
    /// `check`
    Check,
    /// `tools`
    Tools,
    /// `call`
    Call,
    /// `status`
    Status,
    /// `demo-server`
    DemoServer,
}

/// A row of the table.
#[derive(Debug)]
pub struct SubCommand {
    /// What it stands for.
    pub verb: Verb,
    /// The word to type; `None` where there is none.
    pub word: Option<&'static str>,
    /// What follows `mcproxy`.
    pub synopsis: &'static str,
    /// A few words, lower case, no full stop.
    pub short_doc: &'static str,
    /// Sentences.
    pub long_doc: &'static str,
}

impl SubCommand {
    /// The way to run mcproxy, as short as can be: `mcproxy check`.
    pub fn title(&self) -> String {
        match (self.verb, self.word) {
            (Verb::ServeOne, _) => "mcproxy -- COMMAND".to_owned(),
            (_, Some(word)) => format!("mcproxy {word}"),
            (_, None) => "mcproxy".to_owned(),
        }
    }
}

/// Every way to run mcproxy, in the order of the help.
pub const SUB_COMMANDS: &[SubCommand] = &[
    SubCommand {
        verb: Verb::Serve,
        word: None,
        synopsis: "[OPTIONS]",
        short_doc: "serve over HTTP (the default)",
        long_doc: "Starts the servers of the config and serves them merged, over Streamable HTTP \
            at /mcp and over HTTP+SSE at /sse; each server alone at /servers/NAME/mcp, a group of \
            them at /groups/NAME/mcp. Without --config and without a file mcp-servers.json here, \
            it serves the demo server.",
    },
    SubCommand {
        verb: Verb::ServeOne,
        word: None,
        synopsis: "[OPTIONS] -- COMMAND [ARG…]",
        short_doc: "serve one stdio server, no config file",
        long_doc: "Starts COMMAND as a stdio server and serves it at /mcp and /sse, its names \
            unprefixed. No config file is read.",
    },
    SubCommand {
        verb: Verb::Stdio,
        word: Some("stdio"),
        synopsis: "stdio [OPTIONS]",
        short_doc: "serve over its own stdin and stdout",
        long_doc: "The same gateway for clients that only start commands: one client, over stdin \
            and stdout. It listens on no port.",
    },
    SubCommand {
        verb: Verb::Check,
        word: Some("check"),
        synopsis: "check [OPTIONS] [--live]",
        short_doc: "check the config, print what clients see",
        long_doc: "Reads the config and prints what each client will see. Starts nothing, unless \
            --live is given, which then prints the names of all that the servers offer. Exits \
            with 1 and every error found, if there is one.",
    },
    SubCommand {
        verb: Verb::Tools,
        word: Some("tools"),
        synopsis: "tools [OPTIONS] [--json]",
        short_doc: "start the servers, list their tools, stop",
        long_doc: "Starts the servers, lists their merged tools as a table, and stops.",
    },
    SubCommand {
        verb: Verb::Call,
        word: Some("call"),
        synopsis: "call [OPTIONS] TOOL [JSON]",
        short_doc: "call one tool, print what it answers",
        long_doc: "Starts what is needed, calls TOOL with the JSON object JSON as its arguments, \
            and prints the content of the answer. Exits with 1 if the tool says isError, or if \
            there is no result.",
    },
    SubCommand {
        verb: Verb::Status,
        word: Some("status"),
        synopsis: "status [OPTIONS] [--watch]",
        short_doc: "ask a running gateway how it does",
        long_doc: "Asks the gateway that serves the config, or that listens at --host and --port, \
            how each server does: its state and why, its process, restarts, calls, errors, calls \
            under way and waiting, how long answers took in the last minutes, and the memory of \
            the process and all below it. Starts nothing. Sends API_ACCESS_TOKEN, if it is set. \
            Exits with 4 if not every server is well, with 1 if there is no answer.",
    },
    SubCommand {
        verb: Verb::DemoServer,
        word: Some("demo-server"),
        synopsis: "demo-server",
        short_doc: "be the built-in stdio server",
        long_doc: "A small MCP server over stdin and stdout, to try things with: the tools echo, \
            add, time and sleep, a prompt and a resource.",
    },
];

/// The row of `verb`.
///
/// # Panics
/// Never: a test holds that every verb has its row.
pub fn sub_command(verb: Verb) -> &'static SubCommand {
    SUB_COMMANDS
        .iter()
        .find(|row| row.verb == verb)
        .expect("every verb has a row")
}

/// The words that can be typed as a sub-command.
pub fn words() -> impl Iterator<Item = &'static str> {
    SUB_COMMANDS.iter().filter_map(|row| row.word)
}
