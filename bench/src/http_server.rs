//! The least that an MCP server over HTTP can be: a thread for each connection that reads, answers
//! by itself and writes, with no queue, no other thread and no child. Whatever a gateway does
//! beyond this it does for its features.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

use crate::echo::Echo;
use crate::error::{Error, Result};
use crate::io_buffers::{Filled, Inlet};

/// Headers that a request may have.
const HEADERS_MAX: usize = 64;

/// The stack of a connection's thread, in bytes: what is deep is reading JSON, and that is short.
const STACK: usize = 128 * 1024;

/// Serves this port of the loopback address until the program is ended.
///
/// # Errors
/// If the port cannot be listened on, or there can be no more threads.
pub fn serve(port: u16, tools: u64) -> Result<()> {
    let listener = TcpListener::bind(("127.0.0.1", port));
    let listener = listener.map_err(Error::system(format!("listening on port {port}")))?;
    let echo = Arc::new(Echo::new(0, tools));
    for stream in listener.incoming() {
        let stream = stream.map_err(Error::system("accepting a connection"))?;
        let echo = Arc::clone(&echo);
        let connection = thread::Builder::new().stack_size(STACK);
        // A connection that breaks, or is no HTTP, costs itself alone.
        let started = connection.spawn(move || drop(converse(stream, &echo)));
        started.map_err(Error::system("starting a thread"))?;
    }
    Ok(())
}

/// Answers the requests of one connection until it ends.
fn converse(mut stream: TcpStream, echo: &Echo) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut inlet = Inlet::default();
    let mut body = Vec::new();
    let mut out = Vec::new();
    loop {
        let Some(request) = request(inlet.bytes())? else {
            match inlet.fill(&mut stream)? {
                Filled::End => return Ok(()),
                Filled::More | Filled::Nothing => continue,
            }
        };
        let message = &inlet.bytes()[request.head..request.head + request.body];
        out.clear();
        match request.method {
            Method::Post => {
                body.clear();
                if echo.answer(message, &mut body) {
                    let length = body.len();
                    write!(
                        out,
                        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\
                         Mcp-Session-Id: only-one\r\nContent-Length: {length}\r\n\r\n"
                    )?;
                    out.extend_from_slice(&body);
                } else {
                    out.extend_from_slice(b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n");
                }
            }
            // A stream on which nothing is ever said.
            Method::Get => out.extend_from_slice(
                b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\
                  Transfer-Encoding: chunked\r\n\r\n",
            ),
            Method::Other => {
                out.extend_from_slice(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
            }
        }
        inlet.used(request.head + request.body);
        stream.write_all(&out)?;
        if request.method == Method::Get {
            // Until the client has had enough.
            let mut rest = [0; 64];
            while stream.read(&mut rest)? > 0 {}
            return Ok(());
        }
    }
}

/// What a request wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Method {
    Post,
    Get,
    Other,
}

/// A request that is whole.
#[derive(Debug)]
struct Request {
    method: Method,
    /// The length of its head.
    head: usize,
    /// The length of its body.
    body: usize,
}

/// The request that the buffer begins with; `None` if it is not whole.
fn request(input: &[u8]) -> std::io::Result<Option<Request>> {
    if input.is_empty() {
        return Ok(None);
    }
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut request = httparse::Request::new(&mut headers);
    let parsed = request.parse(input).map_err(std::io::Error::other)?;
    let httparse::Status::Complete(head) = parsed else {
        return Ok(None);
    };
    let named = |header: &&httparse::Header<'_>| header.name.eq_ignore_ascii_case("content-length");
    let length = match request.headers.iter().find(named) {
        None => 0,
        Some(header) => {
            let told = std::str::from_utf8(header.value).ok();
            let told = told.and_then(|text| text.trim().parse().ok());
            told.ok_or_else(|| std::io::Error::other("a length that is no number"))?
        }
    };
    let method = match request.method {
        Some("POST") => Method::Post,
        Some("GET") => Method::Get,
        _ => Method::Other,
    };
    let is_whole = input.len() - head >= length;
    Ok(is_whole.then_some(Request {
        method,
        head,
        body: length,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_there_when_its_body_is() {
        let text = b"POST /mcp HTTP/1.1\r\ncontent-LENGTH: 3\r\n\r\nabcGET";
        for end in 0..text.len() - 3 {
            assert!(request(&text[..end]).expect("HTTP").is_none(), "{end}");
        }
        let whole = request(text).expect("HTTP").expect("whole");
        assert_eq!((whole.method, whole.body), (Method::Post, 3));
        assert_eq!(&text[whole.head..whole.head + whole.body], b"abc");
        assert!(request(b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n").is_err());
    }
}
