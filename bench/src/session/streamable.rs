//! Streamable HTTP as a client: each message a POST, each answer its body, whole or as an event.

use serde_json::Value;

use crate::error::{Error, Result};
use crate::http_client::{HttpClient, Part};
use crate::poller::{Poller, Token};
use crate::session::{Hear, Session, request_line};
use crate::url::Url;

/// A session over one connection for its requests, and one for the stream if it listens.
#[derive(Debug)]
pub struct Streamable {
    url: Url,
    posts: HttpClient,
    stream: HttpClient,
    /// What an answer says of this session, to be said with each request from then on.
    marks: String,
    /// The head of a POST, up to the number of its length.
    head: Vec<u8>,
    /// The status of the answer that is coming.
    status: u16,
    /// Whether what is awaited is the answer to a DELETE, which servers may refuse.
    is_leaving: bool,
    is_listening: bool,
}

impl Streamable {
    /// A session that nobody knows of yet. The second token is that of its stream.
    pub fn new(url: &Url, tokens: [Token; 2]) -> Streamable {
        let mut session = Streamable {
            url: url.clone(),
            posts: HttpClient::new(url.address, tokens[0]),
            stream: HttpClient::new(url.address, tokens[1]),
            marks: String::new(),
            head: Vec::new(),
            status: 0,
            is_leaving: false,
            is_listening: false,
        };
        session.compose();
        session
    }

    /// Writes the head of its POSTs anew.
    fn compose(&mut self) {
        let line = request_line("POST", &self.url, "application/json, text/event-stream");
        let kind = "Content-Type: application/json\r\n";
        self.head = format!("{line}{kind}{}Content-Length: ", self.marks).into_bytes();
    }

    fn hear_post(&mut self, poller: &Poller, hear: Hear<'_>) -> Result<()> {
        let Streamable {
            posts,
            marks,
            status,
            is_leaving,
            ..
        } = self;
        let (is_leaving, before) = (*is_leaving, marks.len());
        posts.ready(poller, &mut |part| match part {
            Part::Head(head) => {
                *status = head.status;
                // Said in the answer to initialize; later answers may say it again.
                if let (Some(session), true) = (&head.session, marks.is_empty()) {
                    *marks = format!("Mcp-Session-Id: {session}\r\n");
                }
                Ok(())
            }
            Part::Body(_) if is_leaving => Ok(()),
            Part::Body(body) => match *status {
                200 => hear(body),
                202 => Ok(()),
                _ => Err(refused(*status, body)),
            },
            // It only says where to resume.
            Part::Event(_, []) => Ok(()),
            Part::Event(_, data) => hear(data),
            Part::End if *status >= 300 && !is_leaving => Err(refused(*status, b"")),
            Part::End => Ok(()),
        })?;
        if self.marks.len() != before {
            self.compose();
        }
        Ok(())
    }

    fn hear_stream(&mut self, poller: &Poller, hear: Hear<'_>) -> Result<()> {
        let is_listening = &mut self.is_listening;
        self.stream.ready(poller, &mut |part| match part {
            Part::Head(head) if head.status == 200 && head.is_events => {
                *is_listening = true;
                Ok(())
            }
            Part::Head(head) => Err(refused(head.status, b"the stream")),
            Part::Event(_, data) if !data.is_empty() => hear(data),
            Part::Event(..) | Part::Body(_) => Ok(()),
            Part::End => Err(Error::wrong("the server ended the stream it was asked for")),
        })
    }
}

fn refused(status: u16, body: &[u8]) -> Error {
    let body = String::from_utf8_lossy(&body[..body.len().min(300)]).into_owned();
    Error::Wrong(format!("an answer of status {status}: {body:?}"))
}

impl Session for Streamable {
    fn is_free(&self) -> bool {
        self.posts.is_idle()
    }

    fn send(&mut self, message: &[u8], poller: &Poller) -> Result<()> {
        let length = message.len().to_string();
        let pieces = [&self.head, length.as_bytes(), b"\r\n\r\n", message];
        self.posts.send(&pieces, poller)
    }

    fn flush(&mut self, _: &Poller) -> Result<()> {
        Ok(())
    }

    fn ready(&mut self, part: u8, poller: &Poller, hear: Hear<'_>) -> Result<()> {
        match part {
            0 => self.hear_post(poller, hear),
            _ => self.hear_stream(poller, hear),
        }
    }

    fn greeted(&mut self, result: &Value) {
        if let Some(revision) = result["protocolVersion"].as_str() {
            self.marks += &format!("MCP-Protocol-Version: {revision}\r\n");
        }
        self.compose();
    }

    fn listen(&mut self, poller: &Poller) -> Result<()> {
        let line = request_line("GET", &self.url, "text/event-stream");
        let pieces = [line.as_bytes(), self.marks.as_bytes(), b"\r\n"];
        self.stream.send(&pieces, poller)
    }

    fn is_listening(&self) -> bool {
        self.is_listening
    }

    fn rest(&mut self) {
        self.posts.let_go();
    }

    fn leave(&mut self, poller: &Poller) -> Result<()> {
        let line = request_line("DELETE", &self.url, "application/json, text/event-stream");
        let pieces = [line.as_bytes(), self.marks.as_bytes(), b"\r\n"];
        // Servers end the stream when the session ends; nobody listens any more.
        self.stream = HttpClient::new(self.url.address, self.stream.token());
        self.is_leaving = true;
        self.posts.send(&pieces, poller)
    }

    fn reconnects(&self) -> u64 {
        self.posts.opened().saturating_sub(1)
    }
}
