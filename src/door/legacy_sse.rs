//! HTTP+SSE, the transport of 2024-11-05: a GET opens the stream that carries
//! the whole session, and tells in its first event where to post messages.

use std::io;
use std::sync::Arc;

use crate::door::fresh_session;
use crate::door::http::Connection;
use crate::door::route::messages_path;
use crate::door::streamable::read_json;
use crate::door::writing;
use crate::event::{Body, FromClient, Parcel, SessionKey, View};
use crate::http::Exchange;
use crate::limits;
use crate::mail::Found;
use crate::wire::envelope::Message;
use crate::wire::sse;

/// The name of the session in the query of the endpoint, and the other spelling
/// that is in use, taken as well.
const SESSION: [&str; 2] = ["session_id", "sessionId"];

/// The GET that opens a session.
///
/// # Errors
/// The client is gone.
pub fn open(
    connection: &mut Connection,
    exchange: &mut dyn Exchange,
    view: View,
    extra: &[(&str, &str)],
) -> io::Result<()> {
    let Ok(fresh) = fresh_session() else {
        return writing::answer_error(exchange, 500, extra, "the system gives no random numbers");
    };
    let path = messages_path(&view);
    let open = FromClient::Open {
        view,
        fresh,
        slots: limits::OUTBOX_SLOTS,
    };
    if connection.begin(open).is_err() {
        return connection.answer_ended(exchange, extra);
    }
    match connection.wait() {
        Found::Parcel(Parcel::Opened {
            session: Some(key), ..
        }) => {
            let endpoint = format!("{path}?{}={}", SESSION[0], key.id());
            run(connection, exchange, &endpoint, extra)
        }
        found => connection.answer_found(exchange, &found, extra),
    }
}

fn run(
    connection: &mut Connection,
    exchange: &mut dyn Exchange,
    endpoint: &str,
    extra: &[(&str, &str)],
) -> io::Result<()> {
    connection.answer_stream(exchange, extra, |stream| {
        stream.write_first(|out| {
            sse::write_event(out, Some("endpoint"), None, |out| {
                out.extend_from_slice(endpoint.as_bytes());
            });
        });
    })
}

/// A POST with a message for such a session. Its answer comes on the stream;
/// this one says only whether the message was taken.
///
/// # Errors
/// The client is gone.
pub fn post(
    connection: &mut Connection,
    exchange: &mut dyn Exchange,
    view: View,
    extra: &[(&str, &str)],
) -> io::Result<()> {
    let Some(session) = session_in(exchange.head().query()) else {
        let sentence = "bad request: the query names no session_id; open the stream first, and \
                        post to where its \"endpoint\" event says";
        return writing::answer_error(exchange, 400, extra, sentence);
    };
    let Some((bytes, weight)) = read_json(connection, exchange, extra)? else {
        return Ok(());
    };
    let budget = &connection.door.inbox.budgets.clients;
    let share = |message: Message| Arc::new(message.weighing(budget));
    let word = word_of(bytes, session, view, share);
    drop(weight);
    connection.answer_at_once(exchange, word, extra)
}

/// What the hub is told of a POST with these bytes.
pub fn word_of(
    bytes: Vec<u8>,
    session: SessionKey,
    view: View,
    share: impl FnMut(Message) -> Arc<Message>,
) -> FromClient {
    let body = Body::read_with(bytes, share);
    FromClient::Tell {
        view,
        session,
        body,
    }
}

/// The session that a query names. Our keys need no percent-encoding.
pub fn session_in(query: Option<&str>) -> Option<SessionKey> {
    let key = |pair: &str| {
        let names = SESSION.iter();
        let mut values = names.filter_map(|name| pair.strip_prefix(name)?.strip_prefix('='));
        values.next().map(SessionKey::of_id)
    };
    query?.split('&').find_map(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_found_under_either_spelling() {
        let key = |query| session_in(Some(query)).map(|key| key.id().to_string());
        assert_eq!(key("session_id=ab"), Some("ab".into()));
        assert_eq!(key("x=1&sessionId=cd"), Some("cd".into()));
        assert_eq!(key("session=ab"), None);
        assert_eq!(session_in(None), None);
    }
}
