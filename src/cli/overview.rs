//! What `/status` tells, as a page for people: a line about the gateway, a row
//! for each server, and below the rows of those that are not well why, and what
//! they last wrote on stderr. Pure; [`crate::cli::status`] fetches and prints.

use serde_json::Value;

use crate::cli::console::printable;
use crate::cli::table::Table;
use crate::limits;

/// How text is painted (ECMA-48, "Select Graphic Rendition").
#[derive(Debug, Clone, Copy)]
pub struct Paint {
    /// Whether it is at all.
    pub colours: bool,
}

impl Paint {
    fn with(self, code: &str, text: &str) -> String {
        match self.colours {
            true => format!("\x1b[{code}m{text}\x1b[0m"),
            false => text.to_owned(),
        }
    }

    fn strong(self, text: &str) -> String {
        self.with("1", text)
    }

    fn faint(self, text: &str) -> String {
        self.with("2", text)
    }

    /// A state: green, yellow or red as the server does, faint if it is off.
    fn state(self, state: &str, health: &str) -> String {
        let code = match (state, health) {
            ("disabled" | "stopped", "healthy") => "2",
            (_, "healthy") => "32",
            (_, "degraded") => "33",
            _ => "31",
        };
        self.with(code, state)
    }
}

/// The columns that hold names; all others hold numbers, and align right.
const HEADINGS: [&str; 12] = [
    "SERVER", "STATE", "PID", "UPTIME", "RESTARTS", "CALLS", "ERRORS", "ACTIVE", "QUEUE", "P50",
    "P99", "MEMORY",
];

/// The page. `at` says whom was asked.
pub fn page(told: &Value, at: &str, paint: Paint) -> String {
    let servers = array(&told["servers"]);
    let mut table = Table::new(HEADINGS.map(|heading| paint.strong(heading)));
    for column in 2..HEADINGS.len() {
        table.align_right(column);
    }
    for server in servers {
        table.row(row(server, paint));
        for note in notes(server, paint) {
            table.note(note);
        }
    }
    if servers.len() > 1 {
        table.row(totals(&told["totals"]));
    }
    let mut page = format!("{}\n", heading(told, at, paint));
    if servers.is_empty() {
        page.push_str("\nno servers\n");
    } else {
        page.push_str(&format!("\n{table}"));
    }
    page
}

/// Whether each server does what the configuration wants of it.
pub fn is_well(told: &Value) -> bool {
    let is_well = |server: &Value| server["health"] == "healthy";
    told["status"] == "healthy" && array(&told["servers"]).iter().all(is_well)
}

fn heading(told: &Value, at: &str, paint: Paint) -> String {
    let mut parts = Vec::new();
    parts.extend(told["pid"].as_u64().map(|pid| format!("pid {pid}")));
    parts.extend(told["uptime"].as_u64().map(|up| format!("up {}", age(up))));
    for (key, one, many) in [
        ("sessions", "session", "sessions"),
        ("connections", "connection", "connections"),
    ] {
        parts.extend(told[key].as_u64().map(|count| match count {
            1 => format!("1 {one}"),
            count => format!("{count} {many}"),
        }));
    }
    parts.extend(told["memory_bytes"].as_u64().map(size));
    let name = format!("mcproxy {}", text(&told["version"]));
    format!(
        "{} at {at}: {}",
        paint.strong(name.trim_end()),
        parts.join(", ")
    )
}

fn row(server: &Value, paint: Paint) -> [String; 12] {
    let number = |key: &str| count(&server[key]);
    let pid = match (server["pid"].as_u64(), array(&server["pids"]).len()) {
        (None, 0) => "-".to_owned(),
        (Some(pid), 0) => pid.to_string(),
        (None, others) => format!("+{others}"),
        (Some(pid), others) => format!("{pid} +{others}"),
    };
    let or_none = |told: Option<String>| told.unwrap_or_else(|| "-".to_owned());
    [
        text(&server["name"]),
        paint.state(&text(&server["state"]), &text(&server["health"])),
        pid,
        or_none(server["uptime"].as_u64().map(age)),
        number("restarts"),
        number("calls"),
        number("errors"),
        number("under_way"),
        number("queue"),
        or_none(server["p50_ms"].as_f64().map(time)),
        or_none(server["p99_ms"].as_f64().map(time)),
        or_none(server["memory_bytes"].as_u64().map(size)),
    ]
}

fn totals(totals: &Value) -> [String; 12] {
    let none = String::new;
    [
        "all".to_owned(),
        none(),
        none(),
        none(),
        count(&totals["restarts"]),
        count(&totals["calls"]),
        count(&totals["errors"]),
        count(&totals["under_way"]),
        count(&totals["queue"]),
        none(),
        none(),
        totals["memory_bytes"].as_u64().map_or_else(none, size),
    ]
}

/// What stands below the row of a server: nothing if all is as it should be.
fn notes(server: &Value, paint: Paint) -> Vec<String> {
    if server["health"] == "healthy" {
        return Vec::new();
    }
    let mut line = format!("  {}", text(&server["state"]));
    if let Some(seconds) = server["age"].as_u64() {
        line.push_str(&format!(" for {}", age(seconds)));
    }
    if let Some(reason) = server["reason"].as_str() {
        line.push_str(&format!(": {}", printable(reason)));
    }
    let stderr = array(&server["stderr"]);
    let skipped = stderr.len().saturating_sub(limits::STATUS_STDERR_LINES);
    let last = stderr[skipped..].iter();
    let last = last.map(|line| paint.faint(&format!("  | {}", text(line))));
    std::iter::once(line).chain(last).collect()
}

/// Seconds, in the two largest units.
fn age(seconds: u64) -> String {
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds}s"),
        (0, 0, _) => format!("{minutes}m {}s", seconds % 60),
        (0, _, _) => format!("{hours}h {}m", minutes % 60),
        _ => format!("{days}d {}h", hours % 24),
    }
}

/// Milliseconds, in two or three digits.
fn time(ms: f64) -> String {
    match ms {
        ..9.95 => format!("{ms:.1}ms"),
        ..999.5 => format!("{ms:.0}ms"),
        ..9_950.0 => format!("{:.1}s", ms / 1e3),
        ..59_500.0 => format!("{:.0}s", ms / 1e3),
        _ => format!("{:.0}min", ms / 60e3),
    }
}

/// Bytes, in three digits or so.
fn size(bytes: u64) -> String {
    let mut scaled = bytes as f64;
    let mut unit = "B";
    for larger in ["KiB", "MiB", "GiB", "TiB"] {
        if scaled < 999.5 {
            break;
        }
        scaled /= 1024.0;
        unit = larger;
    }
    match scaled {
        ..9.95 if unit != "B" => format!("{scaled:.1} {unit}"),
        _ => format!("{scaled:.0} {unit}"),
    }
}

fn count(value: &Value) -> String {
    value.as_u64().unwrap_or_default().to_string()
}

fn text(value: &Value) -> String {
    printable(value.as_str().unwrap_or_default())
}

fn array(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

#[cfg(test)]
mod tests;
