//! One request and its answer: what a handler knows as [`Exchange`].
//!
//! Here the promises of HTTP about one exchange are kept: framing, `100 Continue`, HEAD, what may be written when,
//! and whether the connection can be used again.

use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::sync::Arc;

use crate::budget::Weight;
use crate::http::answer::{self, AnswerFraming, Persistence};
use crate::http::body::Decoder;
use crate::http::connection::Connection;
use crate::http::courier::{Courier, Line};
use crate::http::head::Head;
use crate::http::pace::Pace;
use crate::http::socket::ReadError;
use crate::http::watch::Watching;
use crate::http::{BodyError, Exchange};
use crate::limits;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Unanswered,
    Streaming,
    Answered,
    /// A write failed: nothing more can be sent.
    Broken,
}

/// What becomes of the connection after an exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// It can take another request.
    Keep,
    /// Nothing more is expected from either side.
    Close,
    /// Close, but the peer may still be sending and must see our answer.
    Linger,
}

/// One exchange under way.
pub struct Turn<'a, 'b> {
    connection: &'a mut Connection<'b>,
    body: Decoder,
    stage: Stage,
    framing: AnswerFraming,
    /// The peer waits for `100 Continue` before it sends its body.
    owes_continue: bool,
    /// The rest of the body cannot be found any more.
    body_lost: bool,
    closing: bool,
}

impl<'a, 'b> Turn<'a, 'b> {
    /// The exchange whose head the connection holds; if `closing`, the connection ends with it.
    pub fn new(connection: &'a mut Connection<'b>, closing: bool) -> Turn<'a, 'b> {
        Turn {
            body: Decoder::new(connection.head.body()),
            stage: Stage::Unanswered,
            framing: AnswerFraming::Length(0),
            owes_continue: connection.head.expects_continue(),
            body_lost: false,
            closing: closing || !connection.head.keep_alive(),
            connection,
        }
    }

    /// Answers with a line of plain text.
    pub fn answer_text(&mut self, status: u16, text: &str) -> io::Result<()> {
        self.answer(
            status,
            &[("Content-Type", "text/plain; charset=utf-8")],
            format!("{text}\n").as_bytes(),
        )
    }

    /// Whether what is left of the body is little enough to read it for the sake of the next request.
    fn can_drain(&self) -> bool {
        let small = self
            .body
            .length_left()
            .is_none_or(|left| left <= limits::HTTP_DRAIN_BYTES_MAX);
        // Whether a peer that was not told to continue sends its body nevertheless is its secret.
        self.body.is_done() || (small && !self.body_lost && !self.owes_continue)
    }

    fn body_error(&mut self, error: BodyError) -> BodyError {
        self.body_lost |=
            !matches!(error, BodyError::TooLarge(_)) || self.body.length_left().is_none();
        error
    }

    fn read_rest(
        &mut self,
        out: &mut Vec<u8>,
        max: usize,
        weight: &mut Weight,
    ) -> Result<(), BodyError> {
        let settings = &self.connection.shared.settings;
        let mut pace = Pace::moving(settings.body_grace, settings.bytes_per_second_min);
        loop {
            let socket = &mut self.connection.socket;
            let unread = socket.unread();
            make_room(out, unread.len(), max, (&self.body, weight))?;
            let used = self.body.decode(unread, Some(out), max)?;
            socket.consume(used);
            if self.body.is_done() {
                return Ok(());
            }
            if std::mem::take(&mut self.owes_continue) {
                let line = b"HTTP/1.1 100 Continue\r\n\r\n";
                socket
                    .send(&mut [IoSlice::new(line)])
                    .map_err(|_| BodyError::Closed)?;
            }
            let moved = self.body.taken();
            let read = match self.body.length_left() {
                Some(left) => {
                    // Straight into the body, and never past its end: what follows is the next request's.
                    let most = left.min(limits::HTTP_BODY_STEP_BYTES as u64) as usize;
                    make_room(out, most, max, (&self.body, weight))?;
                    let read = socket.read_past_buffer(out, most, &mut pace, moved);
                    self.body.skip(read.unwrap_or(0) as u64);
                    read
                }
                None => socket.fill(&mut pace, moved),
            };
            read.map_err(|error| match error {
                ReadError::Timeout => BodyError::Timeout,
                ReadError::Closed => BodyError::Closed,
            })?;
        }
    }

    /// Reads and throws away what is left of the body; whether that succeeded.
    fn drain(&mut self) -> bool {
        let mut pace = Pace::fixed(self.connection.shared.settings.linger_deadline);
        let socket = &mut self.connection.socket;
        let max = self.body.taken() + limits::HTTP_DRAIN_BYTES_MAX;
        loop {
            let Ok(used) = self.body.decode(socket.unread(), None, max as usize) else {
                return false;
            };
            socket.consume(used);
            if self.body.is_done() {
                return true;
            }
            if socket.fill(&mut pace, 0).is_err() {
                return false;
            }
        }
    }

    /// Completes what the handler left undone, after it returned or `panicked`.
    pub fn finish(mut self, panicked: bool) -> End {
        self.closing |= panicked;
        if self.stage == Stage::Unanswered {
            let text = if panicked {
                "the handler of this request failed"
            } else {
                "the handler gave no answer"
            };
            // If it cannot be sent, the stage says so.
            let _ = self.answer_text(500, text);
        }
        if self.stage != Stage::Answered {
            // Of a body cut short the end is missing, and that tells the peer.
            return End::Close;
        }
        let drained = self.can_drain() && self.drain();
        match (drained, self.closing, self.connection.head.keep_alive()) {
            (true, false, _) => End::Keep,
            (true, true, false) => End::Close,
            // The peer means to go on and may have sent the next request already.
            (true, true, true) | (false, ..) => End::Linger,
        }
    }

    /// Puts the head of the answer into the scratch buffer.
    fn prepare(
        &mut self,
        status: u16,
        headers: &[(&str, &str)],
        framing: AnswerFraming,
    ) -> io::Result<()> {
        match self.stage {
            Stage::Unanswered => {}
            Stage::Broken => return Err(io::ErrorKind::BrokenPipe.into()),
            Stage::Streaming | Stage::Answered => {
                return Err(answer::refusal("this request was answered before"));
            }
        }
        let closing = self.closing
            || framing == AnswerFraming::UntilClose
            || !self.can_drain()
            || self.connection.shared.is_parting();
        let persistence = match (closing, self.connection.head.is_http_1_0()) {
            (true, _) => Persistence::Close,
            (false, true) => Persistence::KeepAloud,
            (false, false) => Persistence::Keep,
        };
        self.connection.scratch.clear();
        answer::write_head(
            &mut self.connection.scratch,
            status,
            headers,
            framing,
            persistence,
        )?;
        self.closing = closing;
        self.framing = framing;
        Ok(())
    }

    /// Sends the scratch buffer, the pieces and the end in one system call.
    fn send(&mut self, stage: Stage, pieces: &[&[u8]], end: &[u8]) -> io::Result<()> {
        let Connection {
            socket, scratch, ..
        } = &mut *self.connection;
        let sent = match pieces {
            [piece] => socket.send(&mut [
                IoSlice::new(scratch),
                IoSlice::new(piece),
                IoSlice::new(end),
            ]),
            pieces => {
                let head = std::iter::once(IoSlice::new(scratch));
                let pieces = pieces.iter().map(|piece| IoSlice::new(piece));
                let end = std::iter::once(IoSlice::new(end));
                socket.send(&mut head.chain(pieces).chain(end).collect::<Vec<_>>())
            }
        };
        self.stage = if sent.is_ok() { stage } else { Stage::Broken };
        sent
    }

    fn refuse_unless_streaming(&self) -> io::Result<()> {
        match self.stage {
            Stage::Streaming => Ok(()),
            Stage::Broken => Err(io::ErrorKind::BrokenPipe.into()),
            Stage::Unanswered | Stage::Answered => {
                Err(answer::refusal("there is no stream to write to"))
            }
        }
    }
}

/// Makes room for at most `more` bytes of a body, and counts it.
fn make_room(
    out: &mut Vec<u8>,
    more: usize,
    max: usize,
    (body, weight): (&Decoder, &mut Weight),
) -> Result<(), BodyError> {
    let coming = body.length_left().unwrap_or(u64::MAX);
    let coming = usize::try_from(coming).unwrap_or(usize::MAX);
    let most = out.len().saturating_add(coming).min(max);
    weight
        .reserve(out, more.min(most - out.len()), most, 0)
        .map_err(|_| BodyError::NoRoom)
}

impl Exchange for Turn<'_, '_> {
    fn head(&self) -> &Head {
        &self.connection.head
    }

    fn read_body(&mut self, max: usize, weight: &mut Weight) -> Result<Vec<u8>, BodyError> {
        if self.body_lost {
            return Err(BodyError::Closed);
        }
        let mut out = Vec::new();
        match self.read_rest(&mut out, max, weight) {
            Ok(()) => Ok(out),
            Err(error) => Err(self.body_error(error)),
        }
    }

    fn answer_pieces(
        &mut self,
        status: u16,
        headers: &[(&str, &str)],
        body: &[&[u8]],
    ) -> io::Result<()> {
        let length = body.iter().map(|piece| piece.len()).sum();
        self.prepare(status, headers, AnswerFraming::Length(length))?;
        let silent = self.connection.head.method() == "HEAD" || !answer::has_body(status);
        self.send(Stage::Answered, if silent { &[] } else { body }, &[])
    }

    fn begin_stream(&mut self, status: u16, headers: &[(&str, &str)]) -> io::Result<()> {
        if !answer::has_body(status) {
            return Err(answer::refusal(
                "an answer with this status has no body to stream",
            ));
        }
        // A stream may last for days, and reads nothing.
        self.connection.socket.release();
        let old = self.connection.head.is_http_1_0();
        self.prepare(
            status,
            headers,
            if old {
                AnswerFraming::UntilClose
            } else {
                AnswerFraming::Chunked
            },
        )?;
        self.send(Stage::Streaming, &[], &[])
    }

    fn write_pieces(&mut self, pieces: &[&[u8]]) -> io::Result<()> {
        self.refuse_unless_streaming()?;
        let length = pieces.iter().map(|piece| piece.len()).sum();
        // An empty chunk would be the end of the body.
        if length == 0 || self.connection.head.method() == "HEAD" {
            return Ok(());
        }
        if self.framing == AnswerFraming::UntilClose {
            self.connection.scratch.clear();
            return self.send(Stage::Streaming, pieces, &[]);
        }
        self.connection.scratch.clear();
        answer::write_chunk_size(&mut self.connection.scratch, length);
        self.send(Stage::Streaming, pieces, b"\r\n")
    }

    fn end_stream(&mut self) -> io::Result<()> {
        self.refuse_unless_streaming()?;
        self.connection.scratch.clear();
        let silent =
            self.framing == AnswerFraming::UntilClose || self.connection.head.method() == "HEAD";
        self.send(
            Stage::Answered,
            &[],
            if silent { &[] } else { b"0\r\n\r\n" },
        )
    }

    fn watch(&mut self, hangup: Box<dyn FnOnce() + Send>) -> Watching {
        // What is watched waits long, a stream for hours, and nothing is read meanwhile.
        self.connection.socket.release();
        self.connection
            .shared
            .watch
            .arm(self.connection.socket.peer(), hangup)
    }

    fn courier(&mut self) -> Option<Courier> {
        let head = &self.connection.head;
        let is_plain = !head.is_http_1_0() && head.method() != "HEAD";
        let goes_on = !self.closing && !self.connection.shared.is_parting();
        let framing = match self.stage {
            // Who has the next request at hand already need not wait for it at the socket.
            Stage::Unanswered
                if is_plain
                    && goes_on
                    && self.body.is_done()
                    && self.connection.socket.unread().is_empty() =>
            {
                AnswerFraming::Length(0)
            }
            Stage::Streaming if is_plain => self.framing,
            _ => return None,
        };
        self.line().map(|line| Courier::new(line, framing))
    }

    fn complete(&mut self, rest: &[u8]) -> io::Result<()> {
        let stage = match self.stage {
            Stage::Unanswered => Stage::Answered,
            stage => stage,
        };
        // A courier that has sent a whole answer said otherwise.
        self.connection.socket.peer().set_idle(false);
        if rest.is_empty() {
            self.stage = stage;
            return Ok(());
        }
        self.connection.scratch.clear();
        self.send(stage, &[rest], &[])
    }

    fn line(&self) -> Option<Line> {
        Some(Line {
            peer: Arc::clone(self.connection.socket.peer()),
            parting: Arc::clone(&self.connection.shared.parting),
        })
    }

    fn take_in(&mut self, unread: &[u8]) {
        self.connection.socket.take_in(unread);
    }

    fn is_spare(&self) -> bool {
        self.connection.is_spare
    }

    fn local_addr(&self) -> SocketAddr {
        self.connection.local
    }

    fn peer_addr(&self) -> SocketAddr {
        self.connection.socket.peer().address
    }
}
