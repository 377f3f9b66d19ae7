//! HTTP+SSE of 2024-11-05 as a client: messages go by POST over one connection, and come as events
//! over another.

use serde_json::Value;

use crate::error::{Error, Result};
use crate::http_client::{HttpClient, Part};
use crate::poller::{Poller, Token};
use crate::session::{Hear, Session, request_line};
use crate::url::Url;

/// A session, from the opening of its stream on.
#[derive(Debug)]
pub struct LegacySse {
    url: Url,
    stream: HttpClient,
    posts: HttpClient,
    posts_token: Token,
    /// The head of a POST, up to the number of its length; empty until the server says where to.
    head: Vec<u8>,
    /// The status of the answer to a POST that is coming.
    status: u16,
}

impl LegacySse {
    /// Asks for the stream; the session is free once the server has named its endpoint. The second
    /// token is that of the stream.
    ///
    /// # Errors
    /// If the server cannot be reached.
    pub fn open(url: &Url, tokens: [Token; 2], poller: &Poller) -> Result<LegacySse> {
        let mut stream = HttpClient::new(url.address, tokens[1]);
        let line = request_line("GET", url, "text/event-stream");
        stream.send(&[line.as_bytes(), b"\r\n"], poller)?;
        Ok(LegacySse {
            url: url.clone(),
            stream,
            posts: HttpClient::new(url.address, tokens[0]),
            posts_token: tokens[0],
            head: Vec::new(),
            status: 0,
        })
    }

    fn hear_stream(&mut self, poller: &Poller, hear: Hear<'_>) -> Result<()> {
        let mut endpoint = None;
        self.stream.ready(poller, &mut |part| match part {
            Part::Head(head) if head.status == 200 && head.is_events => Ok(()),
            Part::Head(head) => Err(Error::Wrong(format!(
                "an answer of status {} where a stream was asked for",
                head.status
            ))),
            Part::Event(b"endpoint", data) => {
                endpoint = Some(String::from_utf8_lossy(data).into_owned());
                Ok(())
            }
            Part::Event(_, data) if !data.is_empty() => hear(data),
            Part::Event(..) | Part::Body(_) => Ok(()),
            Part::End => Err(Error::wrong("the server ended the session's stream")),
        })?;
        if let Some(endpoint) = endpoint {
            let url = self.url.join(endpoint.trim())?;
            let line = request_line("POST", &url, "application/json, text/event-stream");
            let kind = "Content-Type: application/json\r\nContent-Length: ";
            self.head = format!("{line}{kind}").into_bytes();
            self.posts = HttpClient::new(url.address, self.posts_token);
        }
        Ok(())
    }

    fn hear_post(&mut self, poller: &Poller) -> Result<()> {
        let status = &mut self.status;
        self.posts.ready(poller, &mut |part| match part {
            Part::Head(head) => {
                *status = head.status;
                Ok(())
            }
            Part::Body(body) if *status >= 300 => {
                let body = String::from_utf8_lossy(body);
                Err(Error::Wrong(format!(
                    "an answer of status {status}: {body:?}"
                )))
            }
            Part::End if *status >= 300 => {
                Err(Error::Wrong(format!("an answer of status {status}")))
            }
            // Some say "Accepted".
            Part::Body(_) | Part::Event(..) | Part::End => Ok(()),
        })
    }
}

impl Session for LegacySse {
    fn is_free(&self) -> bool {
        !self.head.is_empty() && self.posts.is_idle()
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
            0 => self.hear_post(poller),
            _ => self.hear_stream(poller, hear),
        }
    }

    fn greeted(&mut self, _: &Value) {}

    fn listen(&mut self, _: &Poller) -> Result<()> {
        Ok(())
    }

    fn is_listening(&self) -> bool {
        true
    }

    fn rest(&mut self) {
        self.posts.let_go();
    }

    fn leave(&mut self, _: &Poller) -> Result<()> {
        Ok(())
    }

    fn reconnects(&self) -> u64 {
        self.posts.opened().saturating_sub(1)
    }
}
