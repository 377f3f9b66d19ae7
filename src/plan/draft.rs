//! Draws plan and recipes from a configuration, and from one that takes its
//! place: which server is the same as before, and which is another.

use std::ffi::OsStr;

use crate::config::checked::{Command, Config, Launch, Server};
use crate::event::ServerId;
use crate::limits;
use crate::plan::{Drawn, Plan, Readiness, Recipe, ServerPlan, Servers};
use crate::seal;
use crate::sorted::SortedMap;

/// The variable that tells a gateway how many others it was started by, one
/// inside the other: an entry that starts mcproxy with its own file would
/// otherwise start processes without end.
pub const NESTING: &str = "MCPROXY_NESTING";

/// Draws, and remembers what was drawn last.
#[derive(Debug)]
pub struct Draft {
    /// How many gateways this one was started by, one inside the other.
    nesting: u32,
    /// The next number that no server has had yet.
    next: u32,
    last: Drawn,
}

impl Draft {
    /// Draws the first one.
    pub fn new(config: &Config, nesting: u32) -> Draft {
        let nothing = Drawn {
            plan: plan(config),
            recipes: SortedMap::new(),
        };
        let mut draft = Draft {
            nesting,
            next: 0,
            last: nothing,
        };
        draft.redraw(config);
        draft
    }

    /// What was drawn last.
    pub fn last(&self) -> &Drawn {
        &self.last
    }

    /// Draws from the configuration that takes the place of the last one. A
    /// server of a name that was there keeps its number. One whose new entry
    /// has errors goes on as it was, if it ran, and says so.
    pub fn redraw(&mut self, config: &Config) -> &Drawn {
        let mut plan = plan(config);
        let mut recipes = SortedMap::new();
        for server in &config.servers {
            let before = self.last.plan.servers.by_name(&server.name);
            // What is shown of two names that are too long may be the same.
            let before = before.filter(|(id, _)| !plan.servers.names(*id));
            let id = before.map_or(ServerId(self.next), |(id, _)| id);
            let mut drawn = server_plan(server);
            let mut recipe = self.recipe(server, config);
            if let (Some((_, before)), Readiness::Misconfigured(fault)) = (before, &drawn.readiness)
                && let Some(kept) = self.last.recipes.get(&id)
            {
                let fault = Some(fault.clone());
                drawn = ServerPlan {
                    fault,
                    ..before.clone()
                };
                recipe = Some(kept.clone());
            }
            if before.is_none() {
                self.next += 1;
            }
            plan.servers.push(id, drawn);
            recipes.extend(recipe.map(|recipe| (id, recipe)));
        }
        self.last = Drawn { plan, recipes };
        &self.last
    }

    /// How to start the child of a server.
    fn recipe(&self, server: &Server, config: &Config) -> Option<Recipe> {
        let Launch::Run(command) = &server.state else {
            return None;
        };
        let mut env = command.env.clone();
        if command.program.file_name() == Some(OsStr::new("mcproxy")) {
            env.push((NESTING.to_owned(), (self.nesting + 1).to_string()));
        }
        Some(Recipe {
            name: server.name.clone(),
            program: command.program.clone(),
            args: command.args.clone(),
            env,
            cwd: command.cwd.clone(),
            line_max: config.limits.max_child_message_size,
            message_timeout: config.limits.message_timeout,
            queue_slots: config.limits.max_queue_size + limits::CHILD_QUEUE_RESERVE,
            taken_messages: u32::try_from(config.limits.max_queue_size / limits::TAKEN_PART)
                .map_or(limits::TAKEN_MESSAGES, |part| {
                    part.clamp(1, limits::TAKEN_MESSAGES)
                }),
        })
    }
}

/// All but the servers.
fn plan(config: &Config) -> Plan {
    Plan {
        servers: Servers::default(),
        groups: config.groups.clone(),
        tool_name_max: config.limits.max_tool_name,
        queue_max: config.limits.max_queue_size,
        processes_max: config.limits.max_processes,
        connection_timeout: config.limits.connection_timeout,
        instructions_wait: limits::INSTRUCTIONS_WAIT.min(config.limits.connection_timeout),
        reconnect_delay: config.limits.reconnect_delay,
        reconnect_attempts_max: config.limits.max_reconnect_attempts,
        ping_interval: config.limits.keepalive_interval,
    }
}

fn server_plan(server: &Server) -> ServerPlan {
    let (readiness, fingerprint) = match &server.state {
        Launch::Run(command) => (Readiness::Enabled, fingerprint(server, command)),
        Launch::Disabled => (Readiness::Disabled, 0),
        Launch::Remote => {
            let why = "it is reached by URL, which is not supported yet".to_owned();
            (Readiness::Misconfigured(why), 0)
        }
        Launch::Misconfigured(problems) => {
            let faults: Vec<String> = problems.iter().map(|p| p.fault.to_string()).collect();
            (Readiness::Misconfigured(faults.join("; ")), 0)
        }
    };
    ServerPlan {
        name: server.name.clone(),
        prefix: server.prefix.clone(),
        scope: server.scope,
        protocol: server.protocol,
        tools: server.tools.clone(),
        startup_timeout: server.startup_timeout,
        timeout: server.timeout,
        concurrent_max: server.max_concurrent,
        is_lazy: server.is_lazy,
        idle_stop: server.idle_stop,
        listed_when_parked: server.listed_when_parked,
        is_pinged: server.is_pinged,
        readiness,
        fault: None,
        fingerprint,
    }
}

/// Tells what a server's processes are started with and spoken to as: where it
/// differs, they have to be started anew. Eight bytes of a SHA-256 are plenty, for
/// only entries of one name are told apart by it.
fn fingerprint(server: &Server, command: &Command) -> u64 {
    let mut parts: Vec<Vec<u8>> = vec![
        format!("{:?} {:?}", server.scope, server.protocol).into(),
        command.program.as_os_str().as_encoded_bytes().to_vec(),
        format!("{:?}", command.cwd).into(),
        command.args.len().to_string().into(),
    ];
    parts.extend(command.args.iter().map(|arg| arg.clone().into_bytes()));
    for (name, value) in &command.env {
        parts.push(format!("{name}={value}").into());
    }
    let parts: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
    let digest = seal::digest(&parts);
    u64::from_be_bytes(std::array::from_fn(|at| digest[at]))
}
