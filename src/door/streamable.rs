//! Streamable HTTP (2025-03-26 to 2026-07-28, basic/transports): POST, GET and
//! DELETE on one endpoint, POST alone in the stateless era.

use std::borrow::Cow;
use std::io;
use std::sync::Arc;

use memchr::memchr;

use crate::budget::Weight;
use crate::door::fresh_nonce;
use crate::door::http::Connection;
use crate::door::reading::{Posted, read_post};
use crate::door::{headers, pens, writing};
use crate::event::{Body, ClientMessage, FromClient, Load, Parcel, SessionKey, View};
use crate::http::head::Head;
use crate::http::{BodyError, Exchange};
use crate::limits;
use crate::mail::Found;
use crate::wire::envelope::Message;
use crate::wire::handshake::Revision;
use crate::wire::outgoing::Outgoing;
use crate::wire::pieces::Pieces;
use crate::wire::stateless;

const SESSION: &str = "Mcp-Session-Id";
const LAST_EVENT: &str = "Last-Event-ID";

/// What the head of a request names.
#[derive(Debug, Clone)]
pub struct Named {
    session: Option<SessionKey>,
    version: Option<Cow<'static, str>>,
}

impl Named {
    /// By this head.
    pub fn by(head: &Head) -> Named {
        Named {
            session: session_of(head),
            version: version_of(head),
        }
    }
}

fn session_of(head: &Head) -> Option<SessionKey> {
    head.get(SESSION).map(SessionKey::of_id)
}

/// The version that a header names; of those that are known no copy is made.
fn version_of(head: &Head) -> Option<Cow<'static, str>> {
    let name = head.get(headers::VERSION)?;
    Some(match Revision::from_name(name) {
        Some(revision) => revision.name().into(),
        None if name == stateless::VERSION => stateless::VERSION.into(),
        None => name.to_owned().into(),
    })
}

/// Whether the client takes this media type (RFC 9110, section 12.5.1).
fn accepts(head: &Head, kind: &[u8], subtype: &[u8]) -> bool {
    let takes = |range: &[u8]| {
        let range = without_parameters(range);
        memchr(b'/', range).is_some_and(|slash| {
            let (a, b) = (&range[..slash], &range[slash + 1..]);
            (a == b"*" && b == b"*")
                || (a.eq_ignore_ascii_case(kind) && (b == b"*" || b.eq_ignore_ascii_case(subtype)))
        })
    };
    let mut values = head.get_all("Accept");
    values.any(|value| value.as_bytes().split(|&b| b == b',').any(takes))
}

/// Whether the client takes both forms that the answer to a POST can have.
pub fn accepts_both(head: &Head) -> bool {
    accepts(head, b"application", b"json") && accepts(head, b"text", b"event-stream")
}

/// Whether the body is declared to be JSON.
pub fn is_json(head: &Head) -> bool {
    let media = head.get("Content-Type").map(str::as_bytes);
    media.is_some_and(|media| without_parameters(media).eq_ignore_ascii_case(b"application/json"))
}

/// A media type or range without what stands behind the first semicolon.
fn without_parameters(media: &[u8]) -> &[u8] {
    let end = memchr(b';', media).unwrap_or(media.len());
    media[..end].trim_ascii()
}

/// The body of a POST, which must be JSON, and what it counts while it is read;
/// none if the request was refused.
///
/// # Errors
/// The client is gone.
pub fn read_json(
    connection: &Connection,
    exchange: &mut dyn Exchange,
    extra: &[(&str, &str)],
) -> io::Result<Option<(Vec<u8>, Weight)>> {
    if !is_json(exchange.head()) {
        let sentence = "unsupported media type: the Content-Type must be application/json";
        return writing::answer_error(exchange, 415, extra, sentence).map(|()| None);
    }
    let mut weight = connection.door.inbox.budgets.clients.nothing();
    match exchange.read_body(connection.door.message_max, &mut weight) {
        Ok(bytes) => Ok(Some((bytes, weight))),
        Err(error) => {
            let sentence = error.to_string();
            let mut headers = extra.to_vec();
            headers.extend((error == BodyError::NoRoom).then_some(writing::RETRY_HEADER));
            writing::answer_error(exchange, error.status(), &headers, &sentence).map(|()| None)
        }
    }
}

/// A POST: messages in; their answers, as JSON or as a stream, out.
///
/// # Errors
/// The client is gone.
pub fn post(
    connection: &mut Connection,
    exchange: &mut dyn Exchange,
    view: View,
    extra: &[(&str, &str)],
) -> io::Result<()> {
    if !accepts_both(exchange.head()) {
        let sentence = "not acceptable: the client must accept both application/json and \
                        text/event-stream";
        return writing::answer_error(exchange, 406, extra, sentence);
    }
    let Some((bytes, weight)) = read_json(connection, exchange, extra)? else {
        return Ok(());
    };
    let budget = &connection.door.inbox.budgets.clients;
    let share = |message: Message| Arc::new(message.weighing(budget));
    let head = exchange.head();
    let read = word_of(bytes, head, Named::by(head), view, share);
    // Its messages count by themselves now.
    drop(weight);
    let Ok((word, form)) = read else {
        return writing::answer_error(exchange, 500, extra, "the system gives no random numbers");
    };
    if connection.begin(word).is_err() {
        return connection.answer_ended(exchange, extra);
    }
    answer_post(connection, exchange, form, extra)
}

/// What the hub is told of a POST with this head, which names that, and these bytes, and the form of its answer; `share`
/// is as [`read_post`] has it.
///
/// # Errors
/// The system gives no random numbers, which a new session needs.
pub fn word_of(
    bytes: Vec<u8>,
    head: &Head,
    named: Named,
    view: View,
    share: impl FnMut(Message) -> Arc<Message>,
) -> Result<(FromClient, Form), getrandom::Error> {
    let Posted {
        body,
        is_stateless,
        mirrored,
    } = read_post(bytes, head, share);
    let fresh = match body {
        Body::Single(ClientMessage::Initialize(..)) => Some(fresh_nonce()?),
        _ => None,
    };
    let form = match body {
        Body::Batch(_) => Form::Batch,
        Body::Single(_) if is_stateless => Form::Stateless,
        Body::Single(_) => Form::Single,
    };
    let word = FromClient::Post {
        view,
        session: named.session,
        version: named.version,
        fresh,
        mirrored,
        body,
    };
    Ok((word, form))
}

/// What a POST holds, as far as the form of its answer depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// A message of the handshake era.
    Single,
    /// Several of these.
    Batch,
    /// A message of the stateless era.
    Stateless,
}

/// Waits for what answers a POST. Plain JSON, unless something comes before
/// the answer, or the answer is long in coming: then a stream.
fn answer_post(
    connection: &mut Connection,
    exchange: &mut dyn Exchange,
    form: Form,
    extra: &[(&str, &str)],
) -> io::Result<()> {
    let keepalive = connection.door.keepalive;
    let mut answers: Vec<Outgoing> = Vec::new();
    let mut watching = None;
    let mut deadline = writing::now() + limits::POST_WATCH_AFTER.min(keepalive);
    // Lent once: who has been woken for something goes on by itself.
    let mut pen = match form {
        Form::Batch => None,
        Form::Single | Form::Stateless => {
            pens::for_answer(exchange, form == Form::Stateless, extra)
        }
    };
    loop {
        match connection.wait_lending(exchange, pen.take(), form, deadline) {
            Found::Parcel(Parcel::Message { message, last, .. }) => {
                answers.push(message);
                if last {
                    let load = load_of(&answers);
                    let answered = answer_json(exchange, answers, form, extra);
                    connection.count_answer(load);
                    return answered;
                }
            }
            Found::Parcel(Parcel::Welcome { session, message }) => {
                let mut headers = vec![(SESSION, session.id())];
                headers.extend_from_slice(extra);
                return answer_json(exchange, vec![message], form, &headers);
            }
            Found::Parcel(Parcel::Verdict { standing, message }) => {
                return writing::answer_verdict(exchange, standing, message.as_ref(), extra);
            }
            Found::Parcel(parcel @ Parcel::Opened { .. }) => {
                drop(watching);
                return answer_stream(connection, exchange, parcel, answers, extra);
            }
            Found::Parcel(Parcel::End | Parcel::Cut | Parcel::Report(_)) => {
                // The client took its request back: an end without an answer.
                connection.count_answer(load_of(&answers));
                exchange.begin_stream(200, &writing::stream_headers(extra))?;
                return exchange.end_stream();
            }
            Found::Answered => return exchange.complete(&[]),
            Found::Rest(rest, load) => return answer_rest(connection, exchange, &rest, load),
            Found::Hangup => {
                connection.say(FromClient::Gone);
                // Only one that has closed no more than its sending side reads this.
                let sentence = "bad request: the connection was closed before the answer came";
                return writing::answer_error(exchange, 400, extra, sentence);
            }
            Found::Nothing => {
                let Some(outbox) = connection.outbox() else {
                    return connection.answer_ended(exchange, extra);
                };
                if watching.is_none() {
                    watching = Some(exchange.watch(Box::new(outbox.hangup_bell())));
                } else if outbox.say(FromClient::Patience).is_err() {
                    return connection.answer_ended(exchange, extra);
                }
                deadline = writing::now() + keepalive;
            }
            Found::Ended => return connection.answer_ended(exchange, extra),
        }
    }
}

/// What answers weigh, as the hub counts it.
fn load_of(answers: &[Outgoing]) -> Load {
    Load {
        messages: answers.len() as u32,
        bytes: answers.iter().map(|answer| answer.len_max() as u64).sum(),
    }
}

/// Goes on with an answer that a pen has begun.
fn answer_rest(
    connection: &mut Connection,
    exchange: &mut dyn Exchange,
    rest: &[u8],
    load: Load,
) -> io::Result<()> {
    let answered = exchange.complete(rest);
    connection.count_answer(load);
    answered
}

fn answer_json(
    exchange: &mut dyn Exchange,
    answers: Vec<Outgoing>,
    form: Form,
    extra: &[(&str, &str)],
) -> io::Result<()> {
    let mut body = Pieces::default();
    let mut before = if form == Form::Batch { "[" } else { "" };
    let status = match (form, answers.as_slice()) {
        (Form::Stateless, [answer]) => writing::status_of_stateless(answer),
        _ => 200,
    };
    // Each is given back before the write, which a slow client can draw out, but
    // for those large stretches that are written from where they lie.
    for answer in answers {
        body.bytes(before.as_bytes());
        body.message(&answer);
        before = ",";
    }
    if form == Form::Batch {
        body.bytes(b"]");
    }
    let mut headers = vec![writing::JSON_HEADER];
    headers.extend_from_slice(extra);
    exchange.answer_pieces(status, &headers, &body.slices())
}

fn answer_stream(
    connection: &mut Connection,
    exchange: &mut dyn Exchange,
    opened: Parcel,
    answers: Vec<Outgoing>,
    extra: &[(&str, &str)],
) -> io::Result<()> {
    let session = match &opened {
        Parcel::Opened { session, .. } => session.clone(),
        _ => None,
    };
    let mut headers = extra.to_vec();
    if let Some(key) = &session {
        headers.push((SESSION, key.id()));
    }
    connection.answer_stream(exchange, &headers, |stream| {
        stream.take(opened);
        for message in answers {
            stream.take(Parcel::Message {
                message,
                event: None,
                last: false,
            });
        }
    })
}

/// A GET: a stream for what belongs to no POST, or the rest of one that broke.
///
/// # Errors
/// The client is gone.
pub fn get(
    connection: &mut Connection,
    exchange: &mut dyn Exchange,
    view: View,
    extra: &[(&str, &str)],
) -> io::Result<()> {
    if !accepts(exchange.head(), b"text", b"event-stream") {
        let sentence = "not acceptable: the client must accept text/event-stream";
        return writing::answer_error(exchange, 406, extra, sentence);
    }
    let resume = match exchange.head().get(LAST_EVENT).map(str::parse) {
        Some(Err(())) => {
            let sentence = "bad request: this Last-Event-ID was not given by this gateway";
            return writing::answer_error(exchange, 400, extra, sentence);
        }
        Some(Ok(event)) => Some(event),
        None => None,
    };
    let Named { session, version } = Named::by(exchange.head());
    let word = FromClient::Listen {
        view,
        session,
        version,
        resume,
    };
    if connection.begin(word).is_err() {
        return connection.answer_ended(exchange, extra);
    }
    match connection.wait() {
        Found::Parcel(parcel @ Parcel::Opened { .. }) => {
            answer_stream(connection, exchange, parcel, Vec::new(), extra)
        }
        found => connection.answer_found(exchange, &found, extra),
    }
}

/// A DELETE: the client ends its session.
///
/// # Errors
/// The client is gone.
pub fn delete(
    connection: &mut Connection,
    exchange: &mut dyn Exchange,
    view: View,
    extra: &[(&str, &str)],
) -> io::Result<()> {
    let word = FromClient::Delete {
        view,
        session: session_of(exchange.head()),
    };
    connection.answer_at_once(exchange, word, extra)
}
