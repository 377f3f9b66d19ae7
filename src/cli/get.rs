//! One GET of HTTP/1.1, for the sub-command that asks a running gateway. It
//! follows no redirection, keeps no connection, and knows no TLS.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Instant;

use crate::door::writing::now;
use crate::limits;

/// What is asked, and whom.
#[derive(Debug, Clone, Copy)]
pub struct Ask<'a> {
    /// A host name, or an address without brackets.
    pub host: &'a str,
    /// The port.
    pub port: u16,
    /// The path.
    pub path: &'a str,
    /// The token, if there is one.
    pub token: Option<&'a str>,
}

/// What was answered.
#[derive(Debug, PartialEq, Eq)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// The body, which may be no text at all.
    pub body: String,
}

/// Why there is no answer.
#[derive(Debug)]
pub enum Error {
    /// Nobody listens there.
    Unreachable(io::Error),
    /// Somebody does, and said nothing, or no more, in time or at all.
    Silent(io::Error),
    /// What came is no HTTP, or too much of it.
    Garbled(&'static str),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Unreachable(error) => write!(f, "{error}"),
            Error::Silent(error) if is_timeout(error) => {
                write!(f, "no answer within {} s", limits::STATUS_WAIT.as_secs())
            }
            Error::Silent(error) => write!(f, "no answer: {error}"),
            Error::Garbled(what) => write!(f, "the answer is garbled: {what}"),
        }
    }
}

impl std::error::Error for Error {}

fn is_timeout(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
    )
}

/// An authority as URLs and the header `Host` write it.
pub fn authority(host: &str, port: u16) -> String {
    match host.contains(':') {
        true => format!("[{host}]:{port}"),
        false => format!("{host}:{port}"),
    }
}

/// Asks, and waits for the whole answer, but not for ever.
///
/// # Errors
/// See [`Error`]. An answer of any status is none.
pub fn get(ask: Ask<'_>) -> Result<Reply, Error> {
    let deadline = now() + limits::STATUS_WAIT;
    let mut stream = connect(ask, deadline).map_err(Error::Unreachable)?;
    let mut head = format!(
        "GET {} HTTP/1.1\r\nHost: {}\r\nAccept: application/json\r\nConnection: close\r\n",
        ask.path,
        authority(ask.host, ask.port)
    );
    if let Some(token) = ask.token {
        head.push_str(&format!("Authorization: Bearer {token}\r\n"));
    }
    head.push_str("\r\n");
    stream.write_all(head.as_bytes()).map_err(Error::Silent)?;
    let mut bytes = Vec::new();
    let mut buffer = vec![0; limits::STATUS_READ_BYTES];
    loop {
        let left = deadline.saturating_duration_since(now());
        if left.is_zero() {
            return Err(Error::Silent(io::ErrorKind::TimedOut.into()));
        }
        let got = stream
            .set_read_timeout(Some(left))
            .and_then(|()| stream.read(&mut buffer))
            .map_err(Error::Silent)?;
        bytes.extend_from_slice(&buffer[..got]);
        match read(&bytes, got == 0)? {
            Some(reply) => return Ok(reply),
            None if got == 0 => return Err(Error::Garbled("it ends in the middle")),
            None if bytes.len() > limits::STATUS_BYTES_MAX => {
                return Err(Error::Garbled("it is too long"));
            }
            None => {}
        }
    }
}

fn connect(ask: Ask<'_>, deadline: Instant) -> io::Result<TcpStream> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the host name has no address");
    for address in (ask.host, ask.port).to_socket_addrs()? {
        let left = deadline.saturating_duration_since(now());
        let left = left.max(limits::STATUS_CONNECT_LEAST);
        match TcpStream::connect_timeout(&address, left) {
            Ok(stream) => {
                stream.set_write_timeout(Some(limits::STATUS_WAIT))?;
                return Ok(stream);
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// The answer in these bytes; none if it is not whole yet.
fn read(bytes: &[u8], ended: bool) -> Result<Option<Reply>, Error> {
    let mut headers = [httparse::EMPTY_HEADER; limits::STATUS_HEADERS_MAX];
    let mut head = httparse::Response::new(&mut headers);
    let Ok(parsed) = head.parse(bytes) else {
        return Err(Error::Garbled("it is no HTTP"));
    };
    let httparse::Status::Complete(length) = parsed else {
        return Ok(None);
    };
    let find = |name: &str| {
        let found = head
            .headers
            .iter()
            .find(|h| h.name.eq_ignore_ascii_case(name));
        found.map(|header| String::from_utf8_lossy(header.value).trim().to_owned())
    };
    let body = &bytes[length..];
    let whole = if find("Transfer-Encoding").is_some_and(|how| how.eq_ignore_ascii_case("chunked"))
    {
        unchunk(body)?
    } else if let Some(length) = find("Content-Length") {
        let Ok(length) = length.parse::<usize>() else {
            return Err(Error::Garbled("its Content-Length is no number"));
        };
        body.get(..length).map(<[u8]>::to_vec)
    } else {
        ended.then(|| body.to_vec())
    };
    Ok(whole.map(|body| Reply {
        status: head.code.unwrap_or_default(),
        body: String::from_utf8_lossy(&body).into_owned(),
    }))
}

/// The content of a chunked body (RFC 9112, section 7.1); none if its last
/// chunk has not come yet.
fn unchunk(mut rest: &[u8]) -> Result<Option<Vec<u8>>, Error> {
    let mut whole = Vec::new();
    loop {
        let Ok(size) = httparse::parse_chunk_size(rest) else {
            return Err(Error::Garbled("a chunk has no length"));
        };
        let httparse::Status::Complete((begin, length)) = size else {
            return Ok(None);
        };
        if length == 0 {
            return Ok(Some(whole));
        }
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        let end = begin.saturating_add(length);
        // A line break follows the chunk.
        let (Some(chunk), Some(next)) = (rest.get(begin..end), rest.get(end.saturating_add(2)..))
        else {
            return Ok(None);
        };
        whole.extend_from_slice(chunk);
        rest = next;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(text: &str, ended: bool) -> Option<Reply> {
        read(text.as_bytes(), ended).expect("it is HTTP")
    }

    fn reply(status: u16, body: &str) -> Option<Reply> {
        let body = body.to_owned();
        Some(Reply { status, body })
    }

    #[test]
    fn an_answer_is_whole_by_its_length_by_its_last_chunk_or_by_its_end() {
        let counted = "HTTP/1.1 401 Unauthorized\r\ncontent-length: 4\r\n\r\nbody";
        let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\
                       3;x=y\r\nbod\r\n1\r\ny\r\n0\r\n\r\n";
        for (text, status) in [(counted, 401), (chunked, 200)] {
            for end in 0..text.len() - 2 {
                assert_eq!(whole(&text[..end], false), None, "{end}");
            }
            assert_eq!(whole(text, false), reply(status, "body"));
        }
        let open = "HTTP/1.0 200 OK\r\n\r\nbody";
        assert_eq!(whole(open, false), None);
        assert_eq!(whole(open, true), reply(200, "body"));
    }

    #[test]
    fn what_is_no_http_is_refused() {
        for text in [
            "SSH-2.0-OpenSSH_9.6\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
        ] {
            assert!(read(text.as_bytes(), false).is_err(), "{text:?}");
        }
        let huge = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffe\r\nx";
        assert_eq!(read(huge.as_bytes(), false).expect("it may come yet"), None);
    }

    #[test]
    fn an_address_of_many_colons_gets_brackets() {
        assert_eq!(authority("::1", 80), "[::1]:80");
        assert_eq!(authority("localhost", 80), "localhost:80");
    }
}
