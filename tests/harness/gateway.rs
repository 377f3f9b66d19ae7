//! The gateway under test: the real binary, started in a fresh folder on a free port, stopped
//! at the end of the test, and shown whole where the test fails.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use super::legacy_sse::SseClient;
use super::process::{Folder, Log, Running};
use super::stateless::StatelessClient;
use super::stdio::StdioClient;
use super::streamable::McpClient;
use super::{PATIENCE, engine, fixture};

/// The name of the config file in the folder of the test.
const CONFIG_NAME: &str = "mcp-servers.json";

/// How a gateway is to be started.
#[derive(Debug)]
pub struct Setup {
    folder: Folder,
    program: OsString,
    config: Option<String>,
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
    stdin: Option<OwnedFd>,
}

/// What a run to its end left.
#[derive(Debug)]
pub struct Finished {
    /// How it exited.
    pub status: ExitStatus,
    /// All of its stdout.
    pub stdout: String,
    /// All of its stderr.
    pub stderr: String,
}

/// How a gateway stopped.
#[derive(Debug)]
pub struct Stopped {
    /// How it exited.
    pub status: ExitStatus,
    /// The time from the signal to the exit.
    pub took: Duration,
    /// All of its stderr.
    pub log: String,
}

impl Setup {
    /// A gateway with this text as its `mcp-servers.json`.
    pub fn with_config(config: impl Into<String>) -> Setup {
        let mut setup = Setup::without_config();
        setup.config = Some(config.into());
        setup
    }

    /// A gateway in a folder without a config file.
    pub fn without_config() -> Setup {
        Setup {
            folder: Folder::new(),
            program: env!("CARGO_BIN_EXE_mcproxy").into(),
            config: None,
            arguments: Vec::new(),
            environment: Vec::new(),
            stdin: None,
        }
    }

    /// Another text of `mcp-servers.json`, for one that names the folder.
    #[must_use]
    pub fn config(mut self, config: impl Into<String>) -> Setup {
        self.config = Some(config.into());
        self
    }

    /// Another argument of the command line.
    #[must_use]
    pub fn arg(mut self, argument: impl Into<String>) -> Setup {
        self.arguments.push(argument.into());
        self
    }

    /// Another variable of the gateway's environment, which holds nothing else but PATH, HOME,
    /// USER and TMPDIR.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Setup {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Another program in the place of the gateway: for the tests of this harness.
    #[must_use]
    pub fn program(mut self, program: impl Into<OsString>) -> Setup {
        self.program = program.into();
        self
    }

    /// Something to read, or to listen on, in the place of an empty stdin.
    #[must_use]
    pub fn stdin(mut self, stdin: OwnedFd) -> Setup {
        self.stdin = Some(stdin);
        self
    }

    /// The folder it will run in, for further files.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    fn command(&self, before: &[&str], after: &[&str]) -> Command {
        if let Some(config) = &self.config {
            self.folder.write(CONFIG_NAME, config);
        }
        let mut command = Command::new(&self.program);
        command
            .args(before)
            .args(&self.arguments)
            .args(after)
            .current_dir(self.folder.path())
            .env_clear()
            .env("TMPDIR", self.folder.path())
            .env("HOME", self.folder.path())
            .envs(std::env::var_os("PATH").map(|path| ("PATH", path)))
            .env("USER", "tester")
            .envs(self.environment.iter().cloned())
            .stdin(self.stdin.as_ref().map_or_else(Stdio::null, |stdin| {
                stdin.try_clone().expect("a descriptor is free").into()
            }))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Starts it on a free port and waits for the line that names the port.
    ///
    /// # Panics
    /// Where the line does not come; with the log.
    pub fn start(self) -> Gateway {
        // A `--` among the arguments ends the options, so the port and the engine stand before them.
        let engine = engine::arguments();
        let mut options = vec!["--port", "0"];
        options.extend(engine.iter().map(String::as_str));
        let mut command = self.command(&options, &[]);
        let shown = format!("{command:?}");
        let mut child = command.spawn().expect("the program can be started");
        let log = Log::of(child.stderr.take().expect("stderr is piped"));
        let stdout = Log::of(child.stdout.take().expect("stdout is piped"));
        let mut gateway = Gateway {
            running: Running::new(child),
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            log,
            stdout,
            command: shown,
            stopped: false,
            setup: self,
        };
        match gateway.log.wait_for("listening on http://", PATIENCE) {
            Ok(line) => gateway.address = listening_address(&line),
            Err(sentence) => panic!("the gateway did not start: {sentence}"),
        }
        gateway
    }

    /// Runs a sub-command to its end: `run(&["check"])`. Whatever it started must be gone then.
    ///
    /// # Panics
    /// Where it does not end in time, or leaves a process behind.
    pub fn run(&self, words: &[&str]) -> Finished {
        let mut command = self.command(words, &[]);
        let mut child = command.spawn().expect("the program can be started");
        let stdout = Log::of(child.stdout.take().expect("stdout is piped"));
        let stderr = Log::of(child.stderr.take().expect("stderr is piped"));
        let mut running = Running::new(child);
        let status = running.wait(PATIENCE);
        running.signal(Signal::SIGKILL);
        let left = self.folder.kill_what_is_left();
        stdout.wait_for_end(PATIENCE);
        stderr.wait_for_end(PATIENCE);
        let (stdout, stderr) = (stdout.text(), stderr.text());
        assert!(left.is_empty(), "{command:?} left behind {left:?}");
        let status = status.unwrap_or_else(|| panic!("{command:?} did not end:\n{stderr}"));
        Finished {
            status,
            stdout,
            stderr,
        }
    }

    /// Starts `mcproxy stdio` and speaks to it over its stdin and stdout.
    pub fn start_stdio(self) -> StdioClient {
        let command = self.command(&["stdio"], &[]);
        StdioClient::spawn_in(command, self.folder)
    }

    /// The same, with nobody who reads its stdout.
    pub fn start_stdio_unread(self) -> StdioClient {
        let command = self.command(&["stdio"], &[]);
        StdioClient::spawn_unread(command, self.folder)
    }
}

/// A running gateway. It is stopped when it goes out of scope, and the test fails where it
/// does not stop or leaves a process behind.
#[derive(Debug)]
pub struct Gateway {
    /// Where it listens.
    pub address: SocketAddr,
    /// Its stderr.
    pub log: Log,
    /// Its stdout.
    pub stdout: Log,
    running: Running,
    command: String,
    stopped: bool,
    setup: Setup,
}

impl Gateway {
    /// Starts a gateway with this `mcp-servers.json`.
    pub fn start(config: &str) -> Gateway {
        Setup::with_config(config).start()
    }

    /// A Streamable HTTP client at this path, `/mcp` say; not yet initialized.
    pub fn client(&self, path: &str) -> McpClient {
        McpClient::new(self.address, path)
    }

    /// A client of the stateless era at this path.
    pub fn stateless_client(&self, path: &str) -> StatelessClient {
        StatelessClient::new(self.address, path)
    }

    /// A client of HTTP+SSE at this path, `/sse` say, its stream open; not yet initialized.
    pub fn sse_client(&self, path: &str) -> SseClient {
        SseClient::open(self.address, path, &[]).expect("the stream opens")
    }

    /// The folder it runs in.
    pub fn folder(&self) -> &Path {
        self.setup.folder.path()
    }

    /// Its process id.
    pub fn pid(&self) -> i32 {
        self.running.pid()
    }

    /// All processes of this test, the gateway's own among them: pid and command line.
    pub fn processes(&self) -> Vec<(i32, String)> {
        self.setup.folder.processes()
    }

    /// Sends a signal to the gateway alone.
    pub fn signal(&mut self, signal: Signal) {
        self.running.signal(signal);
    }

    /// Writes the config file anew.
    pub fn rewrite_config(&self, config: &str) {
        self.setup.folder.write(CONFIG_NAME, config);
    }

    /// Ends it with this signal and tells how that went.
    ///
    /// # Panics
    /// Where it does not end within 10 s, or leaves a process behind.
    pub fn stop_with(mut self, signal: Signal) -> Stopped {
        self.end(signal)
    }

    /// Ends it with SIGTERM.
    pub fn stop(self) -> Stopped {
        self.stop_with(Signal::SIGTERM)
    }

    fn end(&mut self, signal: Signal) -> Stopped {
        self.stopped = true;
        let asked = Instant::now();
        self.running.signal(signal);
        let status = self.running.wait(Duration::from_secs(10));
        let took = asked.elapsed();
        self.running.signal(Signal::SIGKILL);
        let left = self.setup.folder.kill_what_is_left();
        self.log.wait_for_end(PATIENCE);
        let log = self.log.text();
        let Some(status) = status else {
            self.show();
            panic!("the gateway did not end on {signal}");
        };
        if !left.is_empty() {
            self.show();
            panic!("the gateway left behind {left:?}");
        }
        Stopped { status, took, log }
    }

    #[expect(
        clippy::print_stderr,
        reason = "the test runner shows it where the test fails"
    )]
    fn show(&self) {
        let config = self.setup.config.as_deref().unwrap_or("(none)");
        eprintln!("--- command\n{}\n--- config\n{config}", self.command);
        eprintln!("--- stderr\n{}", self.log.text());
        eprintln!("--- stdout\n{}\n---", self.stdout.text());
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        if self.stopped {
            return;
        }
        if std::thread::panicking() {
            // The test has failed: show what there is, clean up, and add no second panic.
            self.show();
            self.running.signal(Signal::SIGTERM);
            self.running.wait(Duration::from_secs(5));
            self.running.signal(Signal::SIGKILL);
            self.setup.folder.kill_what_is_left();
        } else {
            self.end(Signal::SIGTERM);
        }
    }
}

/// The address in `mcproxy: listening on http://127.0.0.1:12009/mcp (3 servers)`.
fn listening_address(line: &str) -> SocketAddr {
    let address = line
        .split_once("http://")
        .and_then(|(_, rest)| rest.split_once('/'))
        .map_or("", |(address, _)| address);
    address
        .parse()
        .unwrap_or_else(|_| panic!("no address in {line:?}"))
}

/// An entry of the config: a server of this name that is a fixture with these arguments.
pub fn server(name: &str, fixture_name: &str, arguments: &[&str]) -> Value {
    json!({"name": name, "command": fixture(fixture_name), "args": arguments})
}

/// A config of these entries.
pub fn config(servers: &[Value]) -> String {
    json!({"servers": servers}).to_string()
}
