//! What help and man page tell besides flags, sub-commands and exit codes.
//! Texts only.

/// A name and what is said of it.
#[derive(Debug)]
pub struct Entry {
    /// As it is typed.
    pub name: &'static str,
    /// A sentence or two.
    pub doc: &'static str,
}

/// The program in one line.
pub const TAGLINE: &str = "one small binary in front of all your MCP servers";

/// How the sources of a setting rank.
pub const PRECEDENCE: &str =
    "The command line beats the environment, which beats the config file, which beats the default.";

/// The environment variables that are read.
pub const ENVIRONMENT: &[Entry] = &[
    Entry {
        name: "TRANSPORT_SSE_HOST",
        doc: "The address to listen on, like --host.",
    },
    Entry {
        name: "TRANSPORT_SSE_PORT",
        doc: "The port to listen on, like --port.",
    },
    Entry {
        name: "TRANSPORT_LOG_LEVEL",
        doc: "How much is logged, like --log-level.",
    },
    Entry {
        name: "TRANSPORT_ALLOW_ORIGINS",
        doc: "The browser origins that may connect besides loopback ones, separated by commas.",
    },
    Entry {
        name: "TRANSPORT_PASS_ENV",
        doc: "Whether servers inherit the whole environment of the gateway; its own secrets are \
            never among it.",
    },
    Entry {
        name: "TRANSPORT_MAX_PROCESSES",
        doc: "How many processes of session-scoped servers may run at once.",
    },
    Entry {
        name: "API_ACCESS_TOKEN",
        doc: "The token that clients must send as \"Authorization: Bearer TOKEN\"; status sends it.",
    },
    Entry {
        name: "NO_COLOR",
        doc: "If set and not empty, the log and status have no colours, on a terminal either.",
    },
];

/// The files that are read.
pub const FILES: &[Entry] = &[Entry {
    name: "mcp-servers.json",
    doc: "The config, sought in the current directory unless --config names another.",
}];

/// Command lines worth knowing.
pub const EXAMPLES: &[Entry] = &[
    Entry {
        name: "mcproxy --log --port 12009",
        doc: "Serve the servers of mcp-servers.json on port 12009 and log to stdout.",
    },
    Entry {
        name: "mcproxy -- uvx mcp-server-time",
        doc: "Serve one stdio server over HTTP.",
    },
    Entry {
        name: "mcproxy call demo__add '{\"a\": 1, \"b\": 2}'",
        doc: "Call one tool and print the answer.",
    },
    Entry {
        name: "mcproxy status --watch",
        doc: "See how the running gateway and its servers do, second by second.",
    },
    Entry {
        name: "mcproxy --generate bash > ~/.local/share/bash-completion/completions/mcproxy",
        doc: "Install the completions for bash.",
    },
];
