//! Which servers do not serve, and why, as `tools` and `check --live` say it of
//! an inventory. What they offer is none of its business.

use serde_json::Value;

use crate::cli::console::printable;
use crate::config::checked::{Config, Launch, Server};

/// What keeps each server that should serve from it: the errors of its entry, or
/// why it is not up.
pub fn lines(config: &Config, inventory: &Value) -> Vec<String> {
    let told = inventory["servers"].as_array();
    let told = told.map(Vec::as_slice).unwrap_or_default();
    let mut lines = Vec::new();
    // The gateway tells of all servers, in the order of the file.
    for (server, told) in config.servers.iter().zip(told) {
        match &server.state {
            Launch::Run(_) => lines.extend(not_up(config, server, told)),
            Launch::Misconfigured(problems) => {
                lines.extend(problems.iter().map(|problem| format!("error: {problem}")));
            }
            Launch::Disabled | Launch::Remote => {}
        }
    }
    lines
}

/// Why a server that was started is not up; none if it is. What is wrong with one
/// that serves all the same is another matter.
pub fn not_up(config: &Config, server: &Server, told: &Value) -> Option<String> {
    if matches!(told["state"].as_str(), Some("ready" | "degraded")) {
        return None;
    }
    let why = match told["trouble"].as_str() {
        Some(why) => printable(why),
        None => format!(
            "it has not started within {} s (\"connection_timeout\")",
            config.limits.connection_timeout.as_secs_f64()
        ),
    };
    Some(format!("error: server {:?} is not up: {why}", server.name))
}
