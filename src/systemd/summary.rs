//! How the gateway does in one sentence, made of what it says at `/health`. Pure.

use serde_json::{Map, Value};

use crate::limits;

/// The sentence to a health report, such as `serving 3 of 4 servers; "git" is parked`.
///
/// A server is served if it is healthy or merely degraded; those that are disabled do not count.
/// What is no health report has no servers.
pub fn sentence(report: &str) -> String {
    let report: Value = serde_json::from_str(report).unwrap_or_default();
    let none = Map::new();
    let mut all = 0;
    let mut served = 0;
    let mut ailing = Vec::new();
    for (key, component) in report["components"].as_object().unwrap_or(&none) {
        let state = component["state"].as_str().unwrap_or_default();
        let Some(name) = key.strip_prefix("server:").filter(|_| state != "disabled") else {
            continue;
        };
        let is_well = component["status"] == "healthy";
        all += 1;
        served += usize::from(is_well || state == "degraded");
        if !is_well {
            ailing.push(format!("{name:?} is {state}"));
        }
    }
    let servers = if all == 1 { "server" } else { "servers" };
    if ailing.is_empty() {
        return format!("serving {all} {servers}");
    }
    let others = ailing.len().saturating_sub(limits::STATUS_SERVERS_MAX);
    ailing.truncate(limits::STATUS_SERVERS_MAX);
    if others > 0 {
        ailing.push(format!("{others} more are not well"));
    }
    format!("serving {served} of {all} {servers}; {}", ailing.join(", "))
}
