//! The loop: lines in, lines out, a clean end.

use std::io::{self, BufReader, Cursor, Read, Write};
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded};
use serde_json::{Value, json};

use crate::cli::demo_server::{Line, read_line, serve};
use crate::{limits, threads};

/// Longer than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// The reading end of a pipe made of a channel; it ends with its sender.
struct PipeReader(Receiver<Vec<u8>>, Cursor<Vec<u8>>);

impl Read for PipeReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.1.position() == self.1.get_ref().len() as u64 {
            self.1 = Cursor::new(self.0.recv().unwrap_or_default());
        }
        self.1.read(buffer)
    }
}

/// The writing end.
struct PipeWriter(Sender<Vec<u8>>);

impl Write for PipeWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let sent = self.0.send(bytes.to_vec());
        sent.map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A running server and the client's ends of its pipes.
struct Session {
    to_server: Sender<Vec<u8>>,
    from_server: Receiver<Vec<u8>>,
    pending: Vec<u8>,
    ended: Receiver<bool>,
}

impl Session {
    fn start() -> Session {
        let (to_server, input) = bounded(64);
        let (output, from_server) = bounded(65_536);
        let (end, ended) = bounded(1);
        threads::spawn("demo", limits::DEMO_STACK_BYTES, move || {
            let input = BufReader::new(PipeReader(input, Cursor::default()));
            let result = serve(input, PipeWriter(output));
            let _ = end.send(result.is_ok());
        })
        .expect("a thread");
        Session {
            to_server,
            from_server,
            pending: Vec::new(),
            ended,
        }
    }

    fn say(&self, message: &Value) {
        let line = format!("{message}\n").into_bytes();
        self.to_server.send(line).expect("the server reads");
    }

    fn hear(&mut self) -> Value {
        loop {
            if let Some(end) = self.pending.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.pending.drain(..=end).collect();
                return serde_json::from_slice(&line).expect("each line is JSON");
            }
            let more = self.from_server.recv_timeout(PATIENCE);
            self.pending.extend(more.expect("the server answers"));
        }
    }
}

fn sleep(id: u32, seconds: f64) -> Value {
    json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": {
        "name": "sleep", "arguments": {"seconds": seconds}, "_meta": {"progressToken": "t"},
    }})
}

#[test]
fn others_are_answered_while_one_sleeps_and_sleep_ends_by_itself() {
    let mut session = Session::start();
    session.say(&sleep(1, 0.7));
    session.say(&json!({"jsonrpc": "2.0", "id": 2, "method": "ping"}));
    assert_eq!(session.hear()["id"], 2);
    let progress = session.hear();
    assert_eq!(progress["params"]["progressToken"], "t");
    assert_eq!(progress["params"]["progress"], 0.5);
    assert_eq!(session.hear()["id"], 1);
}

#[test]
fn the_end_of_the_input_ends_the_server_whatever_sleeps() {
    let mut session = Session::start();
    session.say(&sleep(1, 1000.0));
    // The last line may lack its newline.
    let ping = br#"{"jsonrpc":"2.0","id":2,"method":"ping"}"#.to_vec();
    session.to_server.send(ping).expect("the server reads");
    session.to_server = bounded(0).0;
    assert_eq!(session.hear()["id"], 2);
    assert_eq!(session.ended.recv_timeout(PATIENCE), Ok(true));
}

#[test]
fn a_client_that_stops_reading_ends_the_server_without_an_error() {
    let mut session = Session::start();
    session.from_server = bounded(0).1;
    session.say(&json!({"jsonrpc": "2.0", "id": 2, "method": "ping"}));
    assert_eq!(session.ended.recv_timeout(PATIENCE), Ok(true));
}

#[test]
fn a_line_over_the_limit_is_refused_and_the_next_is_answered() {
    let mut session = Session::start();
    let mut long = vec![b' '; limits::DEMO_LINE_BYTES_MAX + 1];
    long.push(b'\n');
    session.to_server.send(long).expect("the server reads");
    session.say(&json!({"jsonrpc": "2.0", "id": 2, "method": "ping"}));
    let refusal = session.hear();
    assert_eq!(refusal["error"]["code"], -32600);
    assert_eq!(refusal["id"], Value::Null);
    assert_eq!(session.hear()["id"], 2);
}

#[test]
fn lines_are_told_apart_at_the_limit() {
    let text = |line: &str| Some(Line::Text(line.as_bytes().to_vec()));
    let mut input = Cursor::new("1234\n\n12345\n123456789\n12\n1234");
    let mut next = || read_line(&mut input, 4).expect("memory can be read");
    assert_eq!(next(), text("1234"));
    assert_eq!(next(), text(""));
    assert_eq!(next(), Some(Line::TooLong));
    assert_eq!(next(), Some(Line::TooLong));
    assert_eq!(next(), text("12"));
    assert_eq!(next(), text("1234"));
    assert_eq!(next(), None);
}
