//! What the gateway tells of itself, as facts. The hub gathers them, the
//! dispatcher adds what lies with the processes' threads, and a door adds what
//! only the system knows and writes all of it as JSON.

use std::time::Duration;

use crate::event::{Life, ServerId};

/// The answer to a [`crate::event::Report`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    /// To `Report::Health`.
    Health(Health),
    /// To `Report::Ready`.
    Ready(Reasons),
    /// To `Report::Status`.
    Status(Status),
    /// To `Report::Inventory`.
    Inventory(Inventory),
}

/// How the gateway and each server do, in words that monitors know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    /// Of all together: `healthy`, `degraded` or `unhealthy`.
    pub status: &'static str,
    /// How many sessions there are.
    pub sessions: usize,
    /// Each server, in the order of the configuration.
    pub servers: Vec<ServerHealth>,
}

/// How a server does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerHealth {
    /// Its name.
    pub name: String,
    /// `healthy`, `degraded` or `unhealthy`.
    pub status: &'static str,
    /// Its state, a word.
    pub state: &'static str,
}

/// Why the gateway is not ready, in sentences; it is ready if there are none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reasons(pub Vec<String>);

/// Everything of interest to whoever runs the gateway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// Of all servers together: `healthy`, `degraded` or `unhealthy`.
    pub status: &'static str,
    /// How long the gateway has been running.
    pub uptime: Duration,
    /// How many sessions there are.
    pub sessions: usize,
    /// Each server, in the order of the configuration.
    pub servers: Vec<ServerStatus>,
}

/// How a server does, and what it has done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerStatus {
    /// Which server.
    pub server: ServerId,
    /// How it does.
    pub health: ServerHealth,
    /// Why, where there is something to say.
    pub reason: Option<String>,
    /// Since when it has been in this state, since 1970.
    pub since: Duration,
    /// How long that is.
    pub age: Duration,
    /// The revision it is spoken to in, once that is known.
    pub protocol: Option<&'static str>,
    /// The process that all clients share, or whose lists all see.
    pub process: Option<Process>,
    /// The processes of single sessions.
    pub others: Vec<Process>,
    /// What was counted.
    pub figures: Figures,
    /// What it offers.
    pub offers: Offers,
    /// What of that is offered to nobody, and why, in sentences.
    pub left_out: Vec<String>,
    /// The last lines that its process has written on stderr, oldest first:
    /// the dispatcher's to add.
    pub stderr: Vec<String>,
}

/// A process that runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Process {
    /// The life it is of.
    pub life: Life,
    /// Its process id.
    pub pid: u32,
    /// How long it has been running.
    pub uptime: Duration,
}

/// What was counted of a server, over all its processes and their lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Figures {
    /// Requests of clients that were for it.
    pub calls: u64,
    /// Those of them that ended in an error.
    pub errors: u64,
    /// How often it was started in place of a life that had failed.
    pub restarts: u64,
    /// Those that were sent and not yet answered.
    pub under_way: u64,
    /// Those that wait to be sent; the dispatcher adds the messages that wait to
    /// be written.
    pub queue: u64,
    /// Half of its answers, and 99 of 100, took no longer than this lately.
    pub times: Option<[Duration; 2]>,
}

/// How many of each kind a server offers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Offers {
    /// Tools.
    pub tools: usize,
    /// Prompts.
    pub prompts: usize,
    /// Resources.
    pub resources: usize,
    /// Templates of resources.
    pub templates: usize,
}

/// What each server offers, and under which names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inventory {
    /// Each server, in the order of the configuration.
    pub servers: Vec<Stock>,
}

/// What one server offers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stock {
    /// Its name.
    pub name: String,
    /// Its state, a word.
    pub state: &'static str,
    /// Why it is not up, where that is so and is known.
    pub trouble: Option<String>,
    /// What it offers.
    pub offers: Vec<Offered>,
    /// What of that is offered to nobody, and why, in sentences.
    pub left_out: Vec<String>,
}

/// A thing that a server offers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offered {
    /// What it is, such as `tool`.
    pub kind: &'static str,
    /// Its name at the server, or its URI.
    pub original: String,
    /// The one it is served under.
    pub served: String,
    /// What became of the name on the way, a word each.
    pub marks: Vec<&'static str>,
}
