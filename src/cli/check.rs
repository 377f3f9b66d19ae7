//! `mcproxy check`: what the configuration means, before anything is started.

use std::fmt::Write;

use crate::cli::console;
use crate::cli::exit::Exit;
use crate::cli::table::Table;
use crate::config::checked::{Config, Launch, Loaded, Scope, Server};

/// Prints what each client will see, and every error and warning found.
pub fn report(loaded: &Loaded) -> Exit {
    let written = console::out(&text(&loaded.config));
    findings(loaded).or(written)
}

/// Prints every error and warning found.
pub fn findings(loaded: &Loaded) -> Exit {
    for warning in &loaded.warnings {
        console::note(format_args!("warning: {warning}"));
    }
    for problem in &loaded.problems {
        console::note(format_args!("error: {problem}"));
    }
    if loaded.problems.is_empty() {
        Exit::Ok
    } else {
        Exit::Failure
    }
}

/// What each client will see, before anything is started.
pub fn text(config: &Config) -> String {
    let mut out = String::new();
    let token = match config.token {
        Some(_) => "clients must send the token of API_ACCESS_TOKEN",
        None => "no token is asked for",
    };
    let count = config.servers.len();
    let noun = if count == 1 { "server" } else { "servers" };
    // Writing to a `String` cannot fail.
    let _ = writeln!(out, "{}: {count} {noun}, {token}\n", config.source);
    out.push_str(&servers(config));
    out.push('\n');
    out.push_str(&endpoints(config));
    out
}

fn servers(config: &Config) -> String {
    let mut table = Table::new(["SERVER", "STATE", "NAMES", "SCOPE", "COMMAND"]);
    for server in &config.servers {
        table.row([
            server.name.clone(),
            state(server).to_owned(),
            names(server),
            scope(server).to_owned(),
            command(server),
        ]);
    }
    table.to_string()
}

/// What the file makes of a server, in a word or two.
pub fn state(server: &Server) -> &'static str {
    match server.state {
        Launch::Run(_) => "enabled",
        Launch::Disabled => "disabled",
        Launch::Misconfigured(_) => "misconfigured",
        Launch::Remote => "skipped (remote)",
    }
}

fn names(server: &Server) -> String {
    if server.prefix.is_empty() {
        "TOOL".to_owned()
    } else {
        format!("{}__TOOL", server.prefix)
    }
}

fn scope(server: &Server) -> &'static str {
    match server.scope {
        Scope::Shared => "shared",
        Scope::Session => "session",
    }
}

/// The program alone: arguments may hold secrets.
fn command(server: &Server) -> String {
    match &server.state {
        Launch::Run(command) => command.program.display().to_string(),
        Launch::Disabled | Launch::Misconfigured(_) | Launch::Remote => "-".to_owned(),
    }
}

fn endpoints(config: &Config) -> String {
    let running: Vec<&str> = config
        .servers
        .iter()
        .filter(|server| matches!(server.state, Launch::Run(_)))
        .map(|server| server.name.as_str())
        .collect();
    let base = if config.host.contains(':') {
        format!("http://[{}]:{}", config.host, config.port)
    } else {
        format!("http://{}:{}", config.host, config.port)
    };
    let mut table = Table::new(["ENDPOINT", "SHOWS"]);
    let mut add = |path: String, shows: String| {
        table.row([format!("{base}{path}/mcp  (and {path}/sse)"), shows]);
    };
    add(String::new(), list(&running));
    for (group, members) in &config.groups {
        let shown: Vec<&str> = members
            .iter()
            .map(String::as_str)
            .filter(|name| running.contains(name))
            .collect();
        add(format!("/groups/{group}"), list(&shown));
    }
    for server in &running {
        add(
            format!("/servers/{server}"),
            format!("{server}, names without prefix"),
        );
    }
    table.to_string()
}

fn list(names: &[&str]) -> String {
    if names.is_empty() {
        "nothing".to_owned()
    } else {
        names.join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::text;
    use crate::config::check::demo;
    use crate::config::load::this_process;
    use crate::config::surroundings::Overrides;

    #[test]
    fn one_server_is_counted_in_the_singular() {
        let around = this_process().expect("a test runs in a process");
        let overrides = Overrides {
            host: None,
            port: None,
            log_level: None,
        };
        let loaded = demo(&around, &overrides).expect("the demo server needs no configuration");
        assert!(text(&loaded.config).contains(": 1 server, "));
    }
}
