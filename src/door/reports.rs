//! What the gateway tells of itself, written as JSON: the facts of the hub, and
//! what only the system knows. The members of `/health` and `/ready` are those
//! that the README names, those of `/status` stand in `docs/status.md`.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Map, Value, json};

use crate::event::report::{
    Figures, Health, Inventory, Process, Reasons, ServerStatus, Status, Stock, Told,
};
use crate::logging::timestamp::rfc3339_millis;

/// What is told besides the facts of the hub.
pub struct Here<'a> {
    /// The wall-clock time.
    pub now: SystemTime,
    /// How many connections are open.
    pub connections: usize,
    /// Our own process id.
    pub pid: u32,
    /// Looks up how much memory we have ourselves, in bytes.
    pub memory: &'a dyn Fn() -> Option<u64>,
    /// Looks up how much memory these processes and all below them have, in
    /// bytes; `None` for one that is gone.
    pub memory_of_trees: &'a dyn Fn(&[u32]) -> Vec<Option<u64>>,
}

/// The HTTP status that goes with an answer.
pub fn status_code(told: &Told) -> u16 {
    match told {
        Told::Ready(Reasons(reasons)) if !reasons.is_empty() => 503,
        Told::Health(_) | Told::Ready(_) | Told::Status(_) | Told::Inventory(_) => 200,
    }
}

/// An answer as JSON.
pub fn json(told: &Told, here: &Here<'_>) -> Value {
    let at = rfc3339_millis(here.now);
    match told {
        Told::Health(health) => json_of_health(health, &at),
        Told::Ready(Reasons(reasons)) => {
            json!({ "ready": reasons.is_empty(), "reasons": reasons, "timestamp": at })
        }
        Told::Status(status) => json_of_status(status, here, &at),
        Told::Inventory(inventory) => json_of_inventory(inventory),
    }
}

/// A health report as JSON, with this as its time.
pub fn json_of_health(health: &Health, at: &str) -> Value {
    let mut components = Map::new();
    let front = json!({ "status": "healthy", "sessions": health.sessions });
    components.insert("front".to_owned(), front);
    for server in &health.servers {
        let component = json!({ "status": server.status, "state": server.state });
        components.insert(format!("server:{}", server.name), component);
    }
    json!({ "status": health.status, "components": components, "timestamp": at })
}

fn json_of_status(status: &Status, here: &Here<'_>, at: &str) -> Value {
    let mut memories = memories(&status.servers, here);
    let own = (here.memory)();
    let mut total = Figures::default();
    let mut total_memory = own.unwrap_or_default();
    let mut servers = Vec::new();
    for server in &status.servers {
        let memory = memories.remove(0);
        total_memory += memory.unwrap_or_default();
        total.calls += server.figures.calls;
        total.errors += server.figures.errors;
        total.restarts += server.figures.restarts;
        total.under_way += server.figures.under_way;
        total.queue += server.figures.queue;
        servers.push(json_of_server(server, memory));
    }
    let mut report = json!({
        "status": status.status,
        "version": env!("CARGO_PKG_VERSION"),
        "pid": here.pid,
        "uptime": status.uptime.as_secs(),
        "sessions": status.sessions,
        "connections": here.connections,
        "totals": {
            "calls": total.calls,
            "errors": total.errors,
            "restarts": total.restarts,
            "under_way": total.under_way,
            "queue": total.queue,
            "memory_bytes": total_memory,
        },
        "servers": servers,
        "timestamp": at,
    });
    put(&mut report, "memory_bytes", own);
    report
}

/// The memory of each server's processes, after one look at all of them; `None`
/// for a server that has none.
fn memories(servers: &[ServerStatus], here: &Here<'_>) -> Vec<Option<u64>> {
    let pids = |server: &ServerStatus| -> Vec<u32> { processes(server).map(|p| p.pid).collect() };
    let all: Vec<u32> = servers.iter().flat_map(pids).collect();
    let mut found = match all.is_empty() {
        true => Vec::new(),
        false => (here.memory_of_trees)(&all),
    }
    .into_iter();
    let sum = |server: &ServerStatus| {
        let of_server = found.by_ref().take(processes(server).count());
        of_server
            .flatten()
            .fold(None, |sum, bytes| Some(sum.unwrap_or(0) + bytes))
    };
    servers.iter().map(sum).collect()
}

fn processes(server: &ServerStatus) -> impl Iterator<Item = &Process> {
    server.process.iter().chain(&server.others)
}

fn json_of_server(server: &ServerStatus, memory: Option<u64>) -> Value {
    let since = UNIX_EPOCH + server.since;
    let (figures, offers) = (&server.figures, &server.offers);
    let mut part = json!({
        "name": server.health.name,
        "health": server.health.status,
        "state": server.health.state,
        "since": rfc3339_millis(since),
        "age": server.age.as_secs(),
        "pids": server.others.iter().map(|process| process.pid).collect::<Vec<u32>>(),
        "calls": figures.calls,
        "errors": figures.errors,
        "restarts": figures.restarts,
        "under_way": figures.under_way,
        "queue": figures.queue,
        "stderr": server.stderr,
        "tools": offers.tools,
        "prompts": offers.prompts,
        "resources": offers.resources,
        "resource_templates": offers.templates,
        "left_out": server.left_out,
    });
    put(&mut part, "reason", server.reason.as_deref());
    put(&mut part, "protocol", server.protocol);
    put(&mut part, "pid", server.process.map(|process| process.pid));
    let uptime = server.process.map(|process| process.uptime.as_secs());
    put(&mut part, "uptime", uptime);
    put(&mut part, "p50_ms", figures.times.map(|[half, _]| ms(half)));
    put(&mut part, "p99_ms", figures.times.map(|[_, most]| ms(most)));
    put(&mut part, "memory_bytes", memory);
    part
}

/// Milliseconds, to the microsecond.
fn ms(time: Duration) -> f64 {
    time.as_micros() as f64 / 1000.0
}

/// Adds a member, if there is anything to tell.
fn put(part: &mut Value, key: &str, value: Option<impl Into<Value>>) {
    if let Some(value) = value {
        part[key] = value.into();
    }
}

/// An inventory as JSON.
pub fn json_of_inventory(inventory: &Inventory) -> Value {
    let servers: Vec<Value> = inventory.servers.iter().map(json_of_stock).collect();
    json!({ "servers": servers })
}

fn json_of_stock(stock: &Stock) -> Value {
    let offers = stock.offers.iter().map(|offered| {
        json!({
            "kind": offered.kind,
            "original": offered.original,
            "served": offered.served,
            "marks": offered.marks,
        })
    });
    let mut part = json!({
        "name": stock.name,
        "state": stock.state,
        "offers": offers.collect::<Vec<Value>>(),
        "left_out": stock.left_out,
    });
    put(&mut part, "trouble", stock.trouble.as_deref());
    part
}

#[cfg(test)]
mod tests;
