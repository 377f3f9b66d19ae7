//! What the hub must know of the configuration, and nothing of how it was
//! written: no commands, no environment, no files.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::config::checked::{Protocol, Scope, ToolRules};

/// Everything the hub is told at its start.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The servers, in the order of the configuration; their places are their ids.
    pub servers: Vec<ServerPlan>,
    /// Named selections of servers, by the servers' names.
    pub groups: BTreeMap<String, Vec<String>>,
    /// How long a served name may be, in bytes.
    pub tool_name_max: usize,
    /// How many calls may wait for one child, in its queue and in the hub.
    pub queue_max: usize,
    /// How many children `scope: session` may have alive, all together.
    pub processes_max: usize,
    /// How long a client's first list waits for servers in their first start.
    pub connection_timeout: Duration,
    /// How long `initialize` on a merged view waits for them, for what they say
    /// of themselves.
    pub instructions_wait: Duration,
    /// The wait before the second start; it doubles from there.
    pub reconnect_delay: Duration,
    /// After how many failed starts in a row a first start counts as failed.
    pub reconnect_attempts_max: u32,
}

/// One server of the plan.
#[derive(Debug, Clone)]
pub struct ServerPlan {
    /// Its name in the configuration.
    pub name: String,
    /// What its names are prefixed with; empty for none.
    pub prefix: String,
    /// One child for all, or one a session.
    pub scope: Scope,
    /// In which era it is spoken to.
    pub protocol: Protocol,
    /// Which tools are shown, and under which names.
    pub tools: ToolRules,
    /// How long a start may take, from spawn to the answer to `initialize`.
    pub startup_timeout: Duration,
    /// How long a call may take, counted anew at each progress notification.
    pub timeout: Duration,
    /// How many calls are sent to one child at a time.
    pub concurrent_max: usize,
    /// Whether it can run.
    pub readiness: Readiness,
}

/// Whether a server can run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Readiness {
    /// It is to be kept running.
    Enabled,
    /// The configuration turns it off.
    Disabled,
    /// Its entry has errors; they are named here, in one sentence.
    Misconfigured(String),
}
