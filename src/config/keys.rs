//! The keys of the file. `section` refuses to read any other, the schema and the
//! reference are held against these lists by tests.

/// At the top.
pub const TOP: &[&str] = &[
    "$schema",
    "servers",
    "mcpServers",
    "inputs",
    "host",
    "port",
    "allow_origins",
    "allow_hosts",
    "groups",
    "limits",
    "pass_environment",
    "log_level",
];

/// In a server's entry.
pub const SERVER: &[&str] = &[
    "name",
    "command",
    "args",
    "env",
    "envFile",
    "cwd",
    "type",
    "url",
    "headers",
    "timeout",
    "startup_timeout",
    "enabled",
    "disabled",
    "prefix",
    "scope",
    "protocol",
    "tools",
    "max_concurrent",
    "start",
    "idle_stop",
    "when_parked",
    "ping",
    "pass_environment",
];

/// In a server's `tools`.
pub const TOOLS: &[&str] = &["allow", "deny", "rename"];

/// In `limits`.
pub const LIMITS: &[&str] = &[
    "max_queue_size",
    "max_message_size",
    "max_child_message_size",
    "max_connections",
    "keepalive_interval",
    "connection_timeout",
    "message_timeout",
    "max_reconnect_attempts",
    "reconnect_delay",
    "max_processes",
    "max_tool_name",
];

/// What `scope` may be.
pub const SCOPES: &[&str] = &["shared", "session"];

/// What `protocol` may be.
pub const PROTOCOLS: &[&str] = &["legacy", "modern", "auto"];

/// What `start` may be.
pub const STARTS: &[&str] = &["eager", "lazy"];

/// What `when_parked` may be.
pub const WHEN_PARKED: &[&str] = &["listed", "hidden"];

/// What `type` may be for a server that is a process.
pub const LOCAL_TYPES: &[&str] = &["stdio"];

/// What `type` may be for a server that is reached by URL.
pub const REMOTE_TYPES: &[&str] = &["http", "sse", "streamable-http", "streamableHttp"];

/// What `log_level` may be.
pub const LOG_LEVELS: &[&str] = &["off", "error", "warn", "info", "debug", "trace"];
