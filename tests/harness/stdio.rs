//! A client of the stdio transport: of `mcproxy stdio`, or of a fixture itself.

use std::io::{BufRead, BufReader, Write};
use std::process::{ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::Value;

use super::client::{Book, CallError, Duplex};
use super::process::{Folder, Log, Running};
use super::streamable::parse;
use super::{PATIENCE, spawn};

/// Lines read ahead of the test: a test reads its answers, so a few are enough.
const LINES_AHEAD: usize = 64;

/// A started program that speaks MCP on its stdin and stdout.
pub struct StdioClient {
    /// What it knows and has heard.
    pub book: Book,
    /// The longest wait for one line.
    pub patience: Duration,
    /// The program's stderr.
    pub log: Log,
    stdin: Option<ChildStdin>,
    /// Its stdout, where nobody reads it.
    unread: Option<ChildStdout>,
    lines: Receiver<Vec<u8>>,
    running: Running,
    folder: Folder,
}

impl StdioClient {
    /// Starts a program.
    pub fn spawn(command: Command) -> StdioClient {
        let folder = Folder::new();
        let mut command = command;
        command.env("TMPDIR", folder.path());
        StdioClient::spawn_in(command, folder)
    }

    /// Starts a program whose TMPDIR is this folder.
    pub fn spawn_in(command: Command, folder: Folder) -> StdioClient {
        let mut client = StdioClient::spawn_unread(command, folder);
        let (line_read, lines) = sync_channel(LINES_AHEAD);
        let stdout = client.unread.take().expect("nobody reads it yet");
        spawn(move || {
            for line in BufReader::new(stdout).split(b'\n').map_while(Result::ok) {
                if line_read.send(line).is_err() {
                    return;
                }
            }
        });
        client.lines = lines;
        client
    }

    /// The same, with nobody who reads its stdout.
    pub fn spawn_unread(mut command: Command, folder: Folder) -> StdioClient {
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().expect("the program can be started");
        StdioClient {
            book: Book::default(),
            patience: PATIENCE,
            log: Log::of(child.stderr.take().expect("stderr is piped")),
            stdin: child.stdin.take(),
            unread: child.stdout.take(),
            lines: sync_channel(0).1,
            running: Running::new(child),
            folder,
        }
    }

    /// Reads, and throws away, what nobody has read.
    pub fn drain(&mut self) {
        if let Some(mut stdout) = self.unread.take() {
            spawn(move || std::io::copy(&mut stdout, &mut std::io::sink()));
        }
    }

    /// Its process id.
    pub fn pid(&self) -> i32 {
        self.running.pid()
    }

    /// Sends a signal.
    pub fn signal(&mut self, signal: Signal) {
        self.running.signal(signal);
    }

    /// Writes one line as it is.
    pub fn send_line(&mut self, line: &str) -> std::io::Result<()> {
        let stdin = self.stdin.as_mut().ok_or(std::io::ErrorKind::BrokenPipe)?;
        stdin.write_all(format!("{line}\n").as_bytes())
    }

    /// Reads one line as it is; `None` at the end of stdout.
    pub fn receive_line(&mut self) -> Result<Option<Vec<u8>>, CallError> {
        match self.lines.recv_timeout(self.patience) {
            Ok(line) => Ok(Some(line)),
            Err(RecvTimeoutError::Disconnected) => Ok(None),
            Err(RecvTimeoutError::Timeout) => {
                let error = std::io::Error::from(std::io::ErrorKind::TimedOut);
                Err(CallError::Io(error))
            }
        }
    }

    /// Closes stdin, which is how a client of stdio says good-bye.
    pub fn close_stdin(&mut self) {
        self.stdin = None;
    }

    /// Waits for the end of the program; `None` where it does not come in time.
    pub fn wait(&mut self) -> Option<ExitStatus> {
        self.running.wait(self.patience)
    }

    /// The folder it runs in.
    pub fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    /// The processes that belong to this test: pid and command line.
    pub fn processes(&self) -> Vec<(i32, String)> {
        self.folder.processes()
    }
}

impl Duplex for StdioClient {
    fn book(&mut self) -> &mut Book {
        &mut self.book
    }

    fn send_message(&mut self, message: &Value) -> Result<(), CallError> {
        Ok(self.send_line(&message.to_string())?)
    }

    fn receive_message(&mut self) -> Result<Value, CallError> {
        match self.receive_line()? {
            Some(line) => parse(&line),
            None => Err(CallError::Protocol("stdout has ended".to_owned())),
        }
    }
}

impl Drop for StdioClient {
    fn drop(&mut self) {
        self.close_stdin();
        if self.running.wait(Duration::from_secs(5)).is_none() {
            self.running.signal(Signal::SIGKILL);
        }
        let left = self.folder.kill_what_is_left();
        if !std::thread::panicking() {
            assert!(left.is_empty(), "left behind: {left:?}");
        }
    }
}
