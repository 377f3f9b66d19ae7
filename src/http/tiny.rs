//! The second engine: `tiny_http` 0.12 behind the same seam, for `--http-engine tiny_http`.
//!
//! It is for trying and comparing, on loopback, with clients one trusts: `docs/decisions/http-engine.md` tells why.
//! What the seam promises and this engine does not keep, the whole list:
//! - **Deadlines.** None: not for heads, bodies, writes, idle connections. `Settings` is used for
//!   `max_connections` (requests at once, here), `stack_bytes` and `stop_wait` alone.
//! - **Attacks.** Heads have no limit of size or number of headers; framing that two programs read differently is
//!   refused only after `tiny_http` has read it its own way; a huge declared length that is not read aborts the process.
//! - **Bursts.** Connections opened at the same moment may wait for ever; a failed `accept` makes the engine deaf.
//! - **Disconnects.** `watch` never calls: a client that left is noticed at the next write, or not at all. Nor can a
//!   connection be cut: one that does not read keeps what it was sent.
//! - **Connections.** A handler serves one request, not all of a connection, and each request has its own
//!   `ConnectionId`; requests that a client pipelines are served at the same time.
//! - **System calls.** An answer takes several, and an answer above one segment waits for an acknowledgement.
//! - **Closing.** The engine cannot close a connection by itself: a `Connection: close` of ours is a request to the
//!   client, a stream that is broken off leaves the client waiting, and a stream to HTTP/1.0 with `keep-alive` has no end.
//! - **Addresses.** `local_addr` is the listener's.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;

use tiny_http::{Header, Request, Response, StatusCode};

use crate::budget::Weight;
use crate::http::answer::{self, AnswerFraming, Persistence};
use crate::http::head::{BodyFraming, Head};
use crate::http::pace::Pace;
use crate::http::peer::lock;
use crate::http::settings::Settings;
use crate::http::watch::Watching;
use crate::http::{BodyError, Exchange, Running, Service, accept};
use crate::{limits, threads};

/// Serves HTTP on `listener` until it is stopped.
///
/// # Errors
/// The system has no threads left, or the listener is none.
pub fn start(
    listener: TcpListener,
    service: Arc<dyn Service>,
    settings: Settings,
) -> io::Result<Box<dyn Running>> {
    let address = listener.local_addr()?;
    let server = tiny_http::Server::from_listener(listener, None).map_err(io::Error::other)?;
    let shared = Arc::new(Shared {
        server,
        service,
        settings,
        address,
        busy: Mutex::new(0),
        ended: Condvar::new(),
        stopping: AtomicBool::new(false),
    });
    let own = Arc::clone(&shared);
    let receiver = threads::spawn("http-tiny", limits::HTTP_STACK_BYTES, move || receive(&own))?;
    Ok(Box::new(Engine { shared, receiver }))
}

struct Shared {
    server: tiny_http::Server,
    service: Arc<dyn Service>,
    settings: Settings,
    address: SocketAddr,
    /// Requests under way.
    busy: Mutex<usize>,
    ended: Condvar,
    stopping: AtomicBool,
}

struct Engine {
    shared: Arc<Shared>,
    receiver: JoinHandle<()>,
}

impl Running for Engine {
    fn local_addr(&self) -> SocketAddr {
        self.shared.address
    }

    fn stop(self: Box<Self>) -> usize {
        self.shared.stopping.store(true, Ordering::SeqCst);
        self.shared.server.unblock();
        if self.receiver.join().is_err() {
            log::error!("http: the thread of tiny_http had panicked");
        }
        self.shared.wait_until_idle()
    }
}

impl Shared {
    /// Waits until no request is under way, for `stop_wait` at most; returns how many are.
    fn wait_until_idle(&self) -> usize {
        let mut deadline = Pace::fixed(self.settings.stop_wait);
        let mut busy = lock(&self.busy);
        while let (1.., Some(left)) = (*busy, deadline.left(0)) {
            busy = self
                .ended
                .wait_timeout(busy, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        *busy
    }
}

fn receive(shared: &Arc<Shared>) {
    while !shared.stopping.load(Ordering::SeqCst) {
        match shared.server.recv() {
            Ok(request) => dispatch(shared, request),
            Err(_) if shared.stopping.load(Ordering::SeqCst) => {}
            Err(error) => log::error!(
                "http: tiny_http cannot accept a connection and will accept no other: {error}"
            ),
        }
    }
}

fn dispatch(shared: &Arc<Shared>, request: Request) {
    let place = Place::take(shared);
    if *lock(&shared.busy) > shared.settings.max_connections {
        // On its drop `tiny_http` answers 500 by itself; a better answer could block this thread.
        return;
    }
    let id = accept::next_id();
    let work = move || {
        let served = catch_unwind(AssertUnwindSafe(|| serve(&place.0, id, request)));
        if served.is_err() {
            log::error!("http: {id}: the handler panicked");
        }
    };
    if let Err(error) = threads::spawn(&id.to_string(), shared.settings.stack_bytes, work) {
        log::error!("http: {id}: refused, the system gives no thread: {error}");
    }
}

/// Counts a request as under way until it is dropped.
struct Place(Arc<Shared>);

impl Place {
    fn take(shared: &Arc<Shared>) -> Place {
        *lock(&shared.busy) += 1;
        Place(Arc::clone(shared))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        *lock(&self.0.busy) -= 1;
        self.0.ended.notify_all();
    }
}

fn serve(shared: &Shared, id: crate::http::ConnectionId, request: Request) {
    let mut turn = Turn {
        head: Head::default(),
        peer: request
            .remote_addr()
            .copied()
            .unwrap_or((Ipv4Addr::UNSPECIFIED, 0).into()),
        local: shared.address,
        request: Some(request),
        writer: None,
        framing: AnswerFraming::Length(0),
        body_read: false,
    };
    match turn.read_head() {
        Ok(()) => shared
            .service
            .connection(id, Box::new(|| ()))
            .serve(&mut turn),
        Err((status, text)) => {
            // The client may be gone; there is nobody else to tell.
            let _ = turn.answer(
                status,
                &[("Content-Type", "text/plain; charset=utf-8")],
                text.as_bytes(),
            );
        }
    }
}

struct Turn {
    head: Head,
    peer: SocketAddr,
    local: SocketAddr,
    /// Until the answer begins.
    request: Option<Request>,
    /// From the begin of a stream to its end.
    writer: Option<Box<dyn Write + Send>>,
    framing: AnswerFraming,
    body_read: bool,
}

impl Turn {
    /// Writes the head as `tiny_http` read it and reads it again, so that both engines refuse the same.
    fn read_head(&mut self) -> Result<(), (u16, String)> {
        let Some(request) = &self.request else {
            return Ok(());
        };
        let version = request.http_version();
        let mut text = format!(
            "{} {} HTTP/{}.{}\r\n",
            request.method(),
            request.url(),
            version.0,
            version.1
        );
        for header in request.headers() {
            text.extend([
                header.field.as_str().as_str(),
                ": ",
                header.value.as_str(),
                "\r\n",
            ]);
        }
        text.push_str("\r\n");
        match self.head.parse(text.as_bytes()) {
            Ok(Some(_)) => Ok(()),
            Ok(None) => Err((400, "malformed request".to_owned())),
            Err(error) => Err((error.status(), error.to_string())),
        }
    }

    /// Writes the head of the answer into a buffer, and takes the writer.
    fn begin(
        &mut self,
        status: u16,
        headers: &[(&str, &str)],
        framing: AnswerFraming,
    ) -> io::Result<(Vec<u8>, Box<dyn Write + Send>)> {
        let persistence = match (
            self.head.keep_alive() && framing != AnswerFraming::UntilClose,
            self.head.is_http_1_0(),
        ) {
            (false, _) => Persistence::Close,
            (true, true) => Persistence::KeepAloud,
            (true, false) => Persistence::Keep,
        };
        let mut out = Vec::new();
        answer::write_head(&mut out, status, headers, framing, persistence)?;
        let request = self
            .request
            .take()
            .ok_or_else(|| answer::refusal("this request was answered before"))?;
        self.framing = framing;
        Ok((out, request.into_writer()))
    }

    fn is_silent(&self) -> bool {
        self.head.method() == "HEAD"
    }
}

impl Exchange for Turn {
    fn head(&self) -> &Head {
        &self.head
    }

    fn read_body(&mut self, max: usize, weight: &mut Weight) -> Result<Vec<u8>, BodyError> {
        if matches!(self.head.body(), BodyFraming::Length(length) if length > max as u64) {
            return Err(BodyError::TooLarge(max));
        }
        let Some(request) = self
            .request
            .as_mut()
            .filter(|_| !std::mem::replace(&mut self.body_read, true))
        else {
            return Ok(Vec::new());
        };
        let mut body = Vec::new();
        match request
            .as_reader()
            .take(max as u64 + 1)
            .read_to_end(&mut body)
        {
            Ok(count) if count > max => Err(BodyError::TooLarge(max)),
            Ok(count) if matches!(self.head.body(), BodyFraming::Length(length) if length > count as u64) => {
                Err(BodyError::Closed)
            }
            // It is there already; all that can be done is not to keep it.
            Ok(_) if weight.grow_to(body.capacity()).is_err() => Err(BodyError::NoRoom),
            Ok(_) => Ok(body),
            Err(error) if error.kind() == ErrorKind::InvalidInput => {
                Err(BodyError::Malformed("the framing of a chunk is wrong"))
            }
            Err(_) => Err(BodyError::Closed),
        }
    }

    fn answer_pieces(
        &mut self,
        status: u16,
        headers: &[(&str, &str)],
        body: &[&[u8]],
    ) -> io::Result<()> {
        let body = body.concat();
        // Only to refuse what cannot be sent: `into_writer` would wait for an unread body before our first byte,
        // `respond` writes first.
        answer::write_head(
            &mut Vec::new(),
            status,
            headers,
            AnswerFraming::Length(0),
            Persistence::Keep,
        )?;
        let unsendable = |()| answer::refusal("a header of the answer is not ASCII");
        let headers = headers
            .iter()
            .map(|(name, value)| Header::from_bytes(*name, *value));
        let headers = headers
            .collect::<Result<Vec<_>, ()>>()
            .map_err(unsendable)?;
        let response = Response::new(StatusCode(status), headers, &*body, Some(body.len()), None);
        let request = self
            .request
            .take()
            .ok_or_else(|| answer::refusal("this request was answered before"))?;
        request.respond(response.with_chunked_threshold(usize::MAX))
    }

    fn begin_stream(&mut self, status: u16, headers: &[(&str, &str)]) -> io::Result<()> {
        if !answer::has_body(status) {
            return Err(answer::refusal(
                "an answer with this status has no body to stream",
            ));
        }
        let framing = if self.head.is_http_1_0() {
            AnswerFraming::UntilClose
        } else {
            AnswerFraming::Chunked
        };
        let (out, mut writer) = self.begin(status, headers, framing)?;
        writer.write_all(&out)?;
        writer.flush()?;
        self.writer = Some(writer);
        Ok(())
    }

    fn write_pieces(&mut self, pieces: &[&[u8]]) -> io::Result<()> {
        let bytes = pieces.concat();
        let (silent, framing) = (self.is_silent(), self.framing);
        let writer = self
            .writer
            .as_mut()
            .ok_or_else(|| answer::refusal("there is no stream to write to"))?;
        if silent || bytes.is_empty() {
            return Ok(());
        }
        let mut out = Vec::with_capacity(bytes.len() + 16);
        if framing == AnswerFraming::Chunked {
            answer::write_chunk_size(&mut out, bytes.len());
        }
        out.extend_from_slice(&bytes);
        if framing == AnswerFraming::Chunked {
            out.extend_from_slice(b"\r\n");
        }
        writer.write_all(&out)?;
        // `tiny_http` buffers; without this an event would wait for the next one.
        writer.flush()
    }

    fn end_stream(&mut self) -> io::Result<()> {
        let mut writer = self
            .writer
            .take()
            .ok_or_else(|| answer::refusal("there is no stream to write to"))?;
        if !self.is_silent() && self.framing == AnswerFraming::Chunked {
            writer.write_all(b"0\r\n\r\n")?;
        }
        writer.flush()
    }

    fn watch(&mut self, _hangup: Box<dyn FnOnce() + Send>) -> Watching {
        Watching::blind()
    }

    fn local_addr(&self) -> SocketAddr {
        self.local
    }

    fn peer_addr(&self) -> SocketAddr {
        self.peer
    }
}
