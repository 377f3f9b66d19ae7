//! The birth of a life: its threads, then its process. What the pumps do with
//! the pipes is theirs.

use std::ffi::OsStr;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use crossbeam_channel::{Sender, bounded};

use crate::channel::Receiver;
use crate::child::last_lines::LastLines;
use crate::child::pipes::ExitWatch;
use crate::child::process::Process;
use crate::child::reaper::Reaper;
use crate::child::shortcut::Way;
use crate::child::{Item, Report, descriptors, program, stderr, stdin, stdout};
use crate::event::FromChild;
use crate::limits;
use crate::plan::Recipe;
use crate::threads;

/// Everything a new life is made of.
pub struct Launch {
    /// What to run.
    pub recipe: Recipe,
    /// Where to report.
    pub report: Report,
    /// The process to be.
    pub process: Arc<Process>,
    /// Where its last lines on stderr are kept.
    pub last_lines: Arc<LastLines>,
    /// The messages for it, and the way that the dispatcher shares.
    pub waiting: (Receiver<Item>, Arc<Way>),
    /// Who spawns it.
    pub reaper: Reaper,
}

/// Starts the `out:` thread, which does all the rest.
///
/// # Errors
/// The system gives no thread.
pub fn start(launch: Launch) -> io::Result<()> {
    let name = thread_name("out", &launch.recipe.name);
    threads::spawn(&name, limits::CHILD_OUT_STACK_BYTES, move || launch.run())?;
    Ok(())
}

impl Launch {
    fn run(self) {
        let report = self.report.clone();
        if let Err(why) = self.live() {
            report.tell(FromChild::SpawnFailed { why });
        }
    }

    /// Makes the two other threads before the process, so that a process never
    /// runs that nobody can serve; each waits for its pipe, or, if there is
    /// none to come, ends. Then reads stdout to its end.
    fn live(self) -> Result<(), String> {
        let recipe = &self.recipe;
        // The queue goes to the one thread that empties it, so that it counts
        // as closed once that thread has ended.
        let writer = stdin::Writer::new(self.report.clone(), self.waiting, &self.process, recipe);
        let stdin_gate = start_pump(
            &thread_name("in", &recipe.name),
            limits::CHILD_IN_STACK_BYTES,
            move |pipe, exit| writer.run(pipe, exit),
        )?;
        let reader = stderr::Reader::new(self.report.clone(), &self.process, self.last_lines);
        let stderr_gate = start_pump(
            &thread_name("err", &recipe.name),
            limits::CHILD_ERR_STACK_BYTES,
            move |pipe, exit| reader.run(pipe, exit),
        )?;
        let spawned = command(recipe, self.reaper.descriptors())
            .and_then(|mut command| self.reaper.spawn(&mut command, &self.process))
            .map_err(|error| program::explain(&recipe.program, recipe.cwd.as_deref(), &error))?;
        let exit = Arc::new(spawned.exit);
        self.report.tell(FromChild::Spawned { pid: spawned.pid });
        // Neither gate can be full or closed: each thread takes just this one.
        let _ = stdin_gate.send((spawned.stdin, Arc::clone(&exit)));
        let _ = stderr_gate.send((spawned.stderr, Arc::clone(&exit)));
        stdout::Reader::new(&recipe.name, self.report).run(spawned.stdout, &exit, recipe.line_max);
        Ok(())
    }
}

/// The channel through which a pump is handed its pipe, once.
type Gate<P> = Sender<(P, Arc<ExitWatch>)>;

fn start_pump<P: Send + 'static>(
    name: &str,
    stack: usize,
    pump: impl FnOnce(P, &ExitWatch) + Send + 'static,
) -> Result<Gate<P>, String> {
    let (gate, pipe): (Gate<P>, _) = bounded(limits::CHILD_PIPE_GATE_SLOTS);
    threads::spawn(name, stack, move || {
        if let Ok((pipe, exit)) = pipe.recv() {
            pump(pipe, &exit);
        }
    })
    .map_err(|error| format!("cannot start the thread {name}: {error}"))?;
    Ok(gate)
}

/// What starts the process, with this soft limit of open descriptors if it is
/// not to have the gateway's.
///
/// # Errors
/// It is seen beforehand that the program cannot be run, for there the system
/// would say it too late.
fn command(recipe: &Recipe, descriptors: Option<u64>) -> io::Result<Command> {
    let mut command = match descriptors {
        Some(soft) => {
            let path = recipe.env.iter().rfind(|(name, _)| name == "PATH");
            let cwd = recipe.cwd.as_deref().unwrap_or(Path::new(""));
            program::look_for(&recipe.program, path.map(|(_, path)| OsStr::new(path)), cwd)?;
            descriptors::command_with(soft, &recipe.program)
        }
        None => Command::new(&recipe.program),
    };
    command
        .args(&recipe.args)
        .env_clear()
        .envs(recipe.env.iter().map(|(name, value)| (name, value)))
        .process_group(0);
    if let Some(cwd) = &recipe.cwd {
        command.current_dir(cwd);
    }
    Ok(command)
}

/// The name of a life's thread, in the bytes that the kernel shows. Of a long
/// server name the beginning and the end are kept, for names tell apart at either.
fn thread_name(role: &str, server: &str) -> String {
    let server: String = server.chars().filter(|char| !char.is_control()).collect();
    let room = limits::THREAD_NAME_BYTES_MAX - role.len() - 1;
    if server.len() <= room {
        return format!("{role}:{server}");
    }
    let tail_room = room / 3;
    let starts = || server.char_indices().map(|(at, _)| at);
    let head = starts().rfind(|&at| at < room - tail_room).unwrap_or(0);
    let tail = starts().find(|&at| at >= server.len() - tail_room);
    let tail = &server[tail.unwrap_or(server.len())..];
    format!("{role}:{}~{tail}", &server[..head])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_name_fits_and_keeps_both_ends() {
        assert_eq!(thread_name("out", "github"), "out:github");
        assert_eq!(thread_name("out", "elevenbytes"), "out:elevenbytes");
        assert_eq!(thread_name("out", "github-account-2"), "out:github-~t-2");
        assert_eq!(thread_name("in", "a\0b"), "in:ab");
        for server in ["ééééééééééééé", "aéééééééééééé", "服务器服务器服务器"]
        {
            for role in ["in", "out", "err"] {
                let name = thread_name(role, server);
                assert!(name.len() <= 15, "{name}");
            }
        }
    }
}
