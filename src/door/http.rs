//! The HTTP door: who may come in, and to which endpoint. What an endpoint
//! then does is in `streamable` and `legacy_sse`.

#[cfg(test)]
mod tests;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime};

use crate::door::guard::{Guard, Turned};
use crate::door::hearing::{AtTheEar, PostHearer};
use crate::door::reports::{self, Here};
use crate::door::route::Route;
use crate::door::streamable::Form;
use crate::door::writing::Stream;
use crate::door::{headers, legacy_sse, pens, streamable, writing};
use crate::event::{Event, FromClient, Load, Parcel, Report};
use crate::http::ear::{Ear, Hearer};
use crate::http::head::BodyFraming;
use crate::http::{ConnectionId, Cut, Exchange, Handler, Service};
use crate::limits;
use crate::mail::pen::Pen;
use crate::mail::{Ended, Found, Inbox, Outbox};
use crate::procfs;
use crate::wire::mirrored::is_token;
use crate::wire::shells::Shells;

/// What all connections share.
#[derive(Debug)]
pub struct Door {
    /// The way to the dispatcher.
    pub inbox: Inbox,
    /// Who may come in.
    pub guard: Guard,
    /// How long a body may be, in bytes (`max_message_size`).
    pub message_max: usize,
    /// How often a silent stream shows that it is alive (`keepalive_interval`).
    pub keepalive: Duration,
    /// Where connections are heard whose threads sleep.
    pub ear: Arc<Ear<Event>>,
}

/// Makes the handlers of connections.
pub struct HttpDoor {
    door: Arc<Door>,
    open: Arc<AtomicUsize>,
}

/// That a connection is open: they are counted by these.
struct Place(Arc<AtomicUsize>);

impl Place {
    fn take(count: &Arc<AtomicUsize>) -> Place {
        count.fetch_add(1, Ordering::Relaxed);
        Place(count.clone())
    }

    /// How many are open.
    fn open(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl HttpDoor {
    /// A door that is open.
    pub fn new(door: Door) -> HttpDoor {
        HttpDoor {
            door: Arc::new(door),
            open: Arc::default(),
        }
    }
}

impl Service for HttpDoor {
    fn connection(&self, id: ConnectionId, cut: Cut) -> Box<dyn Handler> {
        Box::new(Connection {
            door: self.door.clone(),
            id,
            cut: Some(cut),
            outbox: None,
            place: Place::take(&self.open),
        })
    }
}

/// One connection. Its outbox is opened at its first request that needs one,
/// and then used for all of them.
pub struct Connection {
    /// What all connections share.
    pub door: Arc<Door>,
    id: ConnectionId,
    /// What ends it; given away with its outbox.
    cut: Option<Cut>,
    outbox: Option<Outbox>,
    place: Place,
}

impl Connection {
    /// Begins an exchange with the hub.
    ///
    /// # Errors
    /// The dispatcher has ended.
    pub fn begin(&mut self, word: FromClient) -> Result<(), Ended> {
        if let Some(cut) = self.cut.take() {
            let (inbox, slots) = (&self.door.inbox, limits::OUTBOX_SLOTS);
            self.outbox = Some(Outbox::open(inbox, self.id.0, slots, cut)?);
        }
        match &mut self.outbox {
            Some(outbox) => outbox.begin(word),
            None => Err(Ended),
        }
    }

    /// The outbox of the exchange that was begun.
    pub fn outbox(&mut self) -> Option<&mut Outbox> {
        self.outbox.as_mut()
    }

    /// Says something about the exchange; a dispatcher that has ended does not
    /// need to hear it.
    pub fn say(&self, word: FromClient) {
        if let Some(outbox) = &self.outbox {
            let _ = outbox.say(word);
        }
    }

    /// Counts the answer to the exchange as written, or never to be.
    pub fn count_answer(&mut self, load: Load) {
        if let Some(outbox) = &mut self.outbox {
            outbox.count_last(load);
        }
    }

    /// Waits for a parcel until the deadline. At first, until the peer stirs, the
    /// dispatcher may answer with the pen, which is used up by that, and then take
    /// further requests for which answers of the same form are found here: the
    /// exchange that this ends with is the last of these, and has as much time.
    pub fn wait_lending(
        &mut self,
        exchange: &mut dyn Exchange,
        mut pen: Option<Box<dyn Pen>>,
        form: Form,
        deadline: Instant,
    ) -> Found {
        let began = writing::now();
        let mut until = deadline;
        if pen.is_some() {
            let hearer = self.hearer(exchange, form);
            let Some(outbox) = &mut self.outbox else {
                return Found::Ended;
            };
            let first = outbox.id();
            let watch_after = deadline.min(began + limits::POST_WATCH_AFTER);
            let mut nap = AtTheEar::until(watch_after, &self.door.ear, exchange, hearer);
            match outbox.wait_lending(&mut pen, &mut nap) {
                Found::Nothing => {}
                found => return found,
            }
            if outbox.id() != first {
                // What was heard last has only just begun, however long ago the first has.
                until = writing::now() + deadline.saturating_duration_since(began);
            }
        }
        match &self.outbox {
            Some(outbox) => outbox.wait_until(until),
            None => Found::Ended,
        }
    }

    /// Who takes requests like this one while its thread sleeps; none where the next
    /// is likely to be as long as this is.
    fn hearer(&self, exchange: &dyn Exchange, form: Form) -> Option<Box<dyn Hearer<Event>>> {
        let head = exchange.head();
        let is_short = match head.body() {
            BodyFraming::Length(length) => length <= limits::EAR_BODY_BYTES_MAX,
            BodyFraming::None | BodyFraming::Chunked => false,
        };
        let is_post = head.method() == "POST";
        let route = Route::of_path(head.path()).filter(|_| is_post && is_short)?;
        let deputy = self.outbox.as_ref()?.deputy();
        let door = Arc::clone(&self.door);
        Some(Box::new(PostHearer {
            door,
            deputy,
            route,
            form,
            named: None,
            shells: Shells::default(),
        }))
    }

    /// Waits for the first parcel of an exchange that the hub answers at once.
    pub fn wait(&mut self) -> Found {
        let deadline = writing::now() + limits::VERDICT_WAIT;
        match &self.outbox {
            Some(outbox) => outbox.wait_until(deadline),
            None => Found::Ended,
        }
    }

    /// Answers with a stream, `first` before all that the hub sends, and runs it
    /// to its end.
    ///
    /// # Errors
    /// The client is gone.
    pub fn answer_stream(
        &mut self,
        exchange: &mut dyn Exchange,
        extra: &[(&str, &str)],
        first: impl FnOnce(&mut Stream<'_>),
    ) -> io::Result<()> {
        if let Err(error) = exchange.begin_stream(200, &writing::stream_headers(extra)) {
            self.say(FromClient::Gone);
            return Err(error);
        }
        let keepalive = self.door.keepalive;
        let Some(outbox) = self.outbox() else {
            return exchange.end_stream();
        };
        let mut stream = Stream::new(exchange, outbox, keepalive, Some(writing::EVENT_NAME));
        first(&mut stream);
        stream.run();
        Ok(())
    }

    /// Begins an exchange that the hub answers at once, and passes the answer on.
    ///
    /// # Errors
    /// The client is gone.
    pub fn answer_at_once(
        &mut self,
        exchange: &mut dyn Exchange,
        word: FromClient,
        extra: &[(&str, &str)],
    ) -> io::Result<()> {
        if self.begin(word).is_err() {
            return self.answer_ended(exchange, extra);
        }
        let pen = pens::for_answer(exchange, false, extra);
        let deadline = writing::now() + limits::VERDICT_WAIT;
        let found = self.wait_lending(exchange, pen, Form::Single, deadline);
        self.answer_found(exchange, &found, extra)
    }

    /// Answers with what the hub has found of a request, which is no stream: its
    /// verdict, or nothing at all.
    ///
    /// # Errors
    /// The client is gone.
    pub fn answer_found(
        &self,
        exchange: &mut dyn Exchange,
        found: &Found,
        extra: &[(&str, &str)],
    ) -> io::Result<()> {
        match found {
            Found::Parcel(Parcel::Verdict { standing, message }) => {
                writing::answer_verdict(exchange, *standing, message.as_ref(), extra)
            }
            Found::Answered => exchange.complete(&[]),
            Found::Rest(rest, _) => exchange.complete(rest),
            _ => self.answer_ended(exchange, extra),
        }
    }

    /// Answers for a dispatcher that is no longer there.
    ///
    /// # Errors
    /// The client is gone.
    pub fn answer_ended(
        &self,
        exchange: &mut dyn Exchange,
        extra: &[(&str, &str)],
    ) -> io::Result<()> {
        writing::answer_error(exchange, 503, extra, "the gateway is stopping")
    }

    fn answer(&mut self, exchange: &mut dyn Exchange) -> io::Result<()> {
        let Some(route) = Route::of_path(exchange.head().path()) else {
            let sentence = "not found: the endpoints are /mcp, /sse, /servers/NAME/mcp, \
                            /servers/NAME/sse, /groups/NAME/mcp, /groups/NAME/sse, /health, /ready, /status";
            return writing::answer_error(exchange, 404, &[], sentence);
        };
        // Asked by monitors that know no token; they tell no secret.
        match route {
            Route::Health => return self.report(exchange, &route, Report::Health),
            Route::Ready => return self.report(exchange, &route, Report::Ready),
            Route::Status | Route::Mcp(_) | Route::Sse(_) | Route::Messages(_) => {}
        }
        if exchange.is_spare() {
            let later = [("Retry-After", "1")];
            let sentence = "too many connections now: only /health and /ready are answered";
            return writing::answer_error(exchange, 503, &later, sentence);
        }
        if exchange.head().count("Origin") > 1 {
            return turn_away(exchange, Turned::Origin, &[]);
        }
        let origin = exchange.head().get("Origin").map(str::to_owned);
        if let Err(turned) = self
            .door
            .guard
            .check_source(origin.as_deref(), exchange.head().get("Host"))
        {
            return turn_away(exchange, turned, &[]);
        }
        let sharing = sharing_headers(origin.as_deref());
        if exchange.head().method() == "OPTIONS" {
            return preflight(exchange, &route, &sharing);
        }
        let authorization = exchange.head().get("Authorization");
        if let Err(turned) = self.door.guard.check_token(authorization) {
            return turn_away(exchange, turned, &sharing);
        }
        self.serve_route(exchange, route, &sharing)
    }

    fn serve_route(
        &mut self,
        exchange: &mut dyn Exchange,
        route: Route,
        extra: &[(&str, &str)],
    ) -> io::Result<()> {
        let asked = exchange.head().method();
        // One of those that are served by any endpoint, or none: then no text is copied for it.
        let mut known = ["GET", "HEAD", "POST", "DELETE"].into_iter();
        let method = known.find(|method| *method == asked).unwrap_or_default();
        match (route, method) {
            (Route::Mcp(view), "POST") => streamable::post(self, exchange, view, extra),
            (Route::Mcp(_), "GET" | "DELETE") if headers::name_stateless(exchange.head()) => {
                not_allowed(exchange, "POST", extra)
            }
            (Route::Mcp(view), "GET") => streamable::get(self, exchange, view, extra),
            (Route::Mcp(view), "DELETE") => streamable::delete(self, exchange, view, extra),
            (Route::Sse(view), "GET") => legacy_sse::open(self, exchange, view, extra),
            (Route::Status, "GET" | "HEAD") => {
                self.report(exchange, &Route::Status, Report::Status)
            }
            (Route::Messages(view), "POST") => legacy_sse::post(self, exchange, view, extra),
            (route, _) => not_allowed(exchange, route.methods(), extra),
        }
    }

    /// A report of the gateway on itself. That it is answered at all proves
    /// that the dispatcher works; what takes long of it is done here.
    fn report(
        &mut self,
        exchange: &mut dyn Exchange,
        route: &Route,
        report: Report,
    ) -> io::Result<()> {
        if !matches!(exchange.head().method(), "GET" | "HEAD") {
            return not_allowed(exchange, route.methods(), &[]);
        }
        if self.begin(FromClient::Ask(report)).is_err() {
            return self.answer_ended(exchange, &[]);
        }
        let headers = [writing::JSON_HEADER, ("Cache-Control", "no-store")];
        match self.wait() {
            Found::Parcel(Parcel::Report(told)) => {
                let here = Here {
                    now: wall_clock(),
                    connections: self.place.open(),
                    pid: std::process::id(),
                    memory: &procfs::own_memory,
                    memory_of_trees: &procfs::memory_of_trees,
                };
                let json = reports::json(&told, &here).to_string();
                exchange.answer(reports::status_code(&told), &headers, json.as_bytes())
            }
            _ => self.answer_ended(exchange, &[]),
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "reports carry the wall-clock time"
)]
fn wall_clock() -> SystemTime {
    SystemTime::now()
}

impl Handler for Connection {
    fn serve(&mut self, exchange: &mut dyn Exchange) {
        if let Err(error) = self.answer(exchange) {
            log::debug!("{}: {error}", self.id);
        }
    }
}

fn turn_away(
    exchange: &mut dyn Exchange,
    turned: Turned,
    extra: &[(&str, &str)],
) -> io::Result<()> {
    log::debug!(
        "{} turned away: {}",
        exchange.peer_addr(),
        turned.sentence()
    );
    let mut headers = extra.to_vec();
    let status = match turned {
        Turned::Origin | Turned::Host => 403,
        Turned::Token => {
            headers.push(("WWW-Authenticate", "Bearer"));
            401
        }
    };
    writing::answer_error(exchange, status, &headers, turned.sentence())
}

fn not_allowed(
    exchange: &mut dyn Exchange,
    methods: &str,
    extra: &[(&str, &str)],
) -> io::Result<()> {
    let mut headers = vec![("Allow", methods)];
    headers.extend_from_slice(extra);
    let sentence = format!("method not allowed: use {methods}");
    writing::answer_error(exchange, 405, &headers, &sentence)
}

/// What lets a page of an allowed origin read the answers (Fetch, "CORS
/// protocol").
fn sharing_headers(origin: Option<&str>) -> Vec<(&str, &str)> {
    match origin {
        Some(origin) => vec![
            ("Access-Control-Allow-Origin", origin),
            ("Access-Control-Expose-Headers", "Mcp-Session-Id"),
            ("Vary", "Origin"),
        ],
        None => Vec::new(),
    }
}

/// The headers that a page may send besides those that it always may.
const ALLOWED_HEADERS: &str = "Accept, Authorization, Content-Type, Last-Event-ID, \
                               Mcp-Session-Id, MCP-Protocol-Version, Mcp-Method, Mcp-Name";

/// A browser asks before it sends; it cannot show a token yet.
fn preflight(exchange: &mut dyn Exchange, route: &Route, extra: &[(&str, &str)]) -> io::Result<()> {
    // No wildcard stands for a part of a name: those that are asked for are named.
    let asked = exchange.head().get("Access-Control-Request-Headers");
    let params = asked.unwrap_or_default().split(',').map(str::trim);
    let is_param = |name: &&str| headers::behind_prefix(name).is_some_and(is_token);
    let allowed = params
        .filter(is_param)
        .fold(ALLOWED_HEADERS.to_owned(), |all, name| all + ", " + name);
    let mut headers = vec![
        ("Allow", route.methods()),
        ("Access-Control-Allow-Methods", route.methods()),
        ("Access-Control-Allow-Headers", &allowed),
        ("Access-Control-Max-Age", "600"),
    ];
    headers.extend_from_slice(extra);
    exchange.answer(204, &headers, b"")
}
