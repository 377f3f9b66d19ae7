//! What is taken of the requests that are heard, and what is left for the thread of the connection.

use std::borrow::Cow;

use super::*;
use crate::budget::Budget;
use crate::config::checked::Secret;
use crate::door::guard::Guard;
use crate::event::{Body, ClientMessage, FromClient, OutboxId, Parcel, SessionKey, Standing, View};
use crate::http::ear;
use crate::limits;
use crate::mail::pen::{Hand, Page, Pen, Written};
use crate::mail::tests::Doing;
use crate::mail::{Budgets, Found, Inbox, Letter, Outbox};

const PING: &str = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
const INITIALIZE: &str = r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"x","version":"1"}}}"#;

const LINE: &str = "POST /mcp HTTP/1.1\r\n";
const HOST: &str = "Host: localhost\r\n";
const JSON: &str = "Content-Type: application/json\r\n";
const ACCEPT: &str = "Accept: application/json, text/event-stream\r\n";

/// Says of each parcel that it was the answer.
struct Answering;

impl Pen for Answering {
    fn write(&mut self, _: &Parcel, _: &mut Page) -> Written {
        Written::Last
    }
}

/// A connection whose thread sleeps.
struct Scene {
    /// Whether the pen has answered the exchange that the thread began, which is the first.
    is_over: bool,
    /// A head that was admitted before.
    before: Option<String>,
    token: Option<&'static str>,
    message_max: usize,
    budget: usize,
    route: Route,
    form: Form,
}

impl Default for Scene {
    fn default() -> Scene {
        Scene {
            is_over: true,
            before: None,
            token: None,
            message_max: 1 << 20,
            budget: 1 << 20,
            route: Route::Mcp(View::Merged),
            form: Form::Single,
        }
    }
}

impl Scene {
    /// What becomes of a request that is heard there.
    fn hear(self, head: &str, body: &str) -> Option<Event> {
        let budgets = Budgets {
            clients: Budget::new(self.budget),
            children: Budget::new(0),
        };
        let (inbox, letters) = Inbox::new(budgets);
        let mut outbox =
            Outbox::open(&inbox, 7, limits::OUTBOX_SLOTS, Box::new(|| {})).expect("an inbox");
        let Ok(Letter::Open { sender, .. }) = letters.try_recv() else {
            panic!("no outbox was opened");
        };
        outbox.begin(FromClient::Patience).expect("an inbox");
        let guard = Guard {
            allow_origins: Vec::new(),
            allow_hosts: Vec::new(),
            bound_host: "127.0.0.1".to_owned(),
            token: self.token.map(|token| Secret::new(token.to_owned())),
        };
        let door = Door {
            inbox,
            guard,
            message_max: self.message_max,
            keepalive: Duration::from_secs(1),
            ear: ear::open().expect("descriptors").0,
        };
        let mut hearer = PostHearer {
            shells: Shells::default(),
            door: Arc::new(door),
            deputy: outbox.deputy(),
            route: self.route,
            form: self.form,
            named: None,
        };
        if let Some(before) = self.before {
            assert!(hearer.admit(&parsed(&before)));
        }
        let parsed = parsed(head);
        let mut heard = None;
        let mut nap = Doing(Some(|| {
            let verdict = Parcel::Verdict {
                standing: Standing::Accepted,
                message: None,
            };
            if self.is_over {
                assert_eq!(sender.put(1, verdict, &mut Hand::default()), Ok(None));
            }
            heard = hearer
                .admit(&parsed)
                .then(|| hearer.hear(&parsed, body.as_bytes()))
                .flatten();
        }));
        let found = outbox.wait_lending(&mut Some(Box::new(Answering)), &mut nap);
        // Either the next exchange is under way, or nothing was done.
        let is_answered = matches!(found, Found::Answered);
        assert_eq!(is_answered, self.is_over && heard.is_none(), "{found:?}");
        let exchange = if heard.is_some() { 2 } else { 1 };
        assert_eq!(outbox.id().exchange, exchange);
        heard
    }

    /// The word that comes of it, which must be of the next exchange.
    fn word(self, head: &str, body: &str) -> FromClient {
        let next = OutboxId {
            connection: 7,
            exchange: 2,
        };
        match self.hear(head, body) {
            Some(Event::Client { outbox, word }) if outbox == next => word,
            other => panic!("{other:?}"),
        }
    }
}

fn parsed(head: &str) -> Head {
    let mut parsed = Head::default();
    let whole = parsed.parse(head.as_bytes()).expect("a head");
    assert_eq!(whole, Some(head.len()));
    parsed
}

fn head(lines: &[&str]) -> String {
    lines.concat() + "\r\n"
}

fn ordinary() -> String {
    head(&[LINE, HOST, JSON, ACCEPT])
}

#[test]
fn an_ordinary_post_is_what_its_thread_would_make_of_it() {
    let session = "Mcp-Session-Id: abc\r\nMCP-Protocol-Version: 2025-11-25\r\n";
    let FromClient::Post {
        view,
        session,
        version,
        fresh,
        mirrored,
        body: Body::Single(ClientMessage::Message(_)),
    } = Scene::default().word(&head(&[LINE, HOST, JSON, ACCEPT, session]), PING)
    else {
        panic!("another word");
    };
    assert_eq!(view, View::Merged);
    assert_eq!(session, Some(SessionKey::of_id("abc")));
    assert_eq!(version, Some(Cow::Borrowed("2025-11-25")));
    assert!(fresh.is_none() && mirrored.is_empty());
}

#[test]
fn the_session_is_that_of_the_last_head() {
    let of = |id: &str| {
        head(&[
            LINE,
            HOST,
            JSON,
            ACCEPT,
            &format!("Mcp-Session-Id: {id}\r\n"),
        ])
    };
    let scene = Scene {
        before: Some(of("abc")),
        ..Scene::default()
    };
    let FromClient::Post { session, .. } = scene.word(&of("xyz"), PING) else {
        panic!("another word");
    };
    assert_eq!(session, Some(SessionKey::of_id("xyz")));
}

#[test]
fn a_session_can_be_opened_so() {
    let word = Scene::default().word(&ordinary(), INITIALIZE);
    let FromClient::Post { fresh, body, .. } = word else {
        panic!("{word:?}");
    };
    assert!(fresh.is_some(), "it has a name of its own");
    let is_hello = matches!(body, Body::Single(ClientMessage::Initialize(..)));
    assert!(is_hello, "{body:?}");
}

#[test]
fn what_is_no_message_is_for_the_hub_to_refuse() {
    for broken in ["", "{", "nonsense", r#"{"jsonrpc":"1.0"}"#] {
        let word = Scene::default().word(&ordinary(), broken);
        let FromClient::Post { body, .. } = word else {
            panic!("{word:?}");
        };
        let is_malformed = matches!(body, Body::Single(ClientMessage::Malformed(_)));
        assert!(is_malformed, "{body:?}");
    }
}

#[test]
fn who_may_not_come_in_is_turned_away_by_the_thread() {
    let evil = "Host: evil.example\r\n";
    let page = "Origin: http://localhost:3000\r\n";
    for (why, head) in [
        ("host", head(&[LINE, evil, JSON, ACCEPT])),
        // That may come in, but its answer has headers that no pen writes.
        ("origin", head(&[LINE, HOST, page, JSON, ACCEPT])),
    ] {
        let heard = Scene::default().hear(&head, PING);
        assert!(heard.is_none(), "{why}: {heard:?}");
    }
}

#[test]
fn a_token_is_asked_of_each_new_head() {
    let with = |shown: &str| head(&[LINE, HOST, shown, JSON, ACCEPT]);
    let locked = || Scene {
        before: Some(with("Authorization: Bearer s3cret\r\n")),
        token: Some("s3cret"),
        ..Scene::default()
    };
    locked().word(&with("Authorization: Bearer s3cret\r\n"), PING);
    for shown in [
        "",
        "Authorization: Bearer s3cre\r\n",
        "Authorization: Bearer s3cret2\r\n",
        "Authorization: Basic s3cret\r\n",
    ] {
        let heard = locked().hear(&with(shown), PING);
        assert!(heard.is_none(), "{shown:?}: {heard:?}");
    }
}

#[test]
fn what_goes_elsewhere_is_left_to_the_thread() {
    for path in [
        "/",
        "/health",
        "/sse",
        "/messages?session_id=abc",
        "/servers/files/mcp",
        "/groups/files/mcp",
    ] {
        let line = format!("POST {path} HTTP/1.1\r\n");
        let heard = Scene::default().hear(&head(&[&line, HOST, JSON, ACCEPT]), PING);
        assert!(heard.is_none(), "{path}: {heard:?}");
    }
    let files = || Scene {
        route: Route::Mcp(View::Server("files".to_owned())),
        ..Scene::default()
    };
    let line = "POST /servers/files/mcp HTTP/1.1\r\n";
    let word = files().word(&head(&[line, HOST, JSON, ACCEPT]), PING);
    let FromClient::Post { view, .. } = word else {
        panic!("{word:?}");
    };
    assert_eq!(view, View::Server("files".to_owned()));
    assert!(files().hear(&ordinary(), PING).is_none());
}

#[test]
fn what_is_answered_in_another_form_is_left_to_the_thread() {
    let stateless = "MCP-Protocol-Version: 2026-07-28\r\n";
    let stateless = head(&[LINE, HOST, JSON, ACCEPT, stateless]);
    let notification = r#"{"jsonrpc":"2.0","method":"notifications/cancelled"}"#;
    let of = |form| Scene {
        form,
        ..Scene::default()
    };
    of(Form::Single).word(&ordinary(), notification);
    of(Form::Stateless).word(&stateless, notification);
    for (form, head, body) in [
        (Form::Single, &stateless, notification.to_owned()),
        (Form::Stateless, &ordinary(), notification.to_owned()),
        (Form::Single, &ordinary(), format!("[{PING}]")),
    ] {
        let heard = of(form).hear(head, &body);
        assert!(heard.is_none(), "{form:?}: {heard:?}");
    }
}

#[test]
fn what_is_not_declared_as_it_must_be_is_left_to_the_thread() {
    for (why, head) in [
        ("no media type", head(&[LINE, HOST, ACCEPT])),
        (
            "another media type",
            head(&[LINE, HOST, "Content-Type: text/plain\r\n", ACCEPT]),
        ),
        ("no Accept", head(&[LINE, HOST, JSON])),
        (
            "one of two forms",
            head(&[LINE, HOST, JSON, "Accept: application/json\r\n"]),
        ),
    ] {
        let heard = Scene::default().hear(&head, PING);
        assert!(heard.is_none(), "{why}: {heard:?}");
    }
}

#[test]
fn what_there_is_no_room_for_is_left_to_the_thread() {
    let of = |message_max, budget| Scene {
        message_max,
        budget,
        ..Scene::default()
    };
    of(PING.len(), 1 << 20).word(&ordinary(), PING);
    assert!(
        of(PING.len() - 1, 1 << 20)
            .hear(&ordinary(), PING)
            .is_none()
    );
    assert!(
        of(1 << 20, PING.len() - 1)
            .hear(&ordinary(), PING)
            .is_none()
    );
}

#[test]
fn nothing_is_taken_before_the_answer_to_what_was_taken_last() {
    let scene = Scene {
        is_over: false,
        ..Scene::default()
    };
    assert!(scene.hear(&ordinary(), PING).is_none());
}

#[test]
fn a_message_for_a_stream_is_taken_with_its_session() {
    let of = |view| Scene {
        route: Route::Messages(view),
        ..Scene::default()
    };
    let post = |path: &str| head(&[&format!("POST {path} HTTP/1.1\r\n"), HOST, JSON]);
    // Nobody asks what its client accepts, for the answer has no body.
    let word = of(View::Merged).word(&post("/messages?session_id=abc"), PING);
    let FromClient::Tell {
        view: View::Merged,
        session,
        body: Body::Single(ClientMessage::Message(_)),
    } = word
    else {
        panic!("{word:?}");
    };
    assert_eq!(session, SessionKey::of_id("abc"));
    for path in [
        "/messages",
        "/messages?session=abc",
        "/servers/files/messages?session_id=abc",
        "/mcp?session_id=abc",
    ] {
        let heard = of(View::Merged).hear(&post(path), PING);
        assert!(heard.is_none(), "{path}: {heard:?}");
    }
}
