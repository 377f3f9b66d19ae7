//! HTTP/1.1 answers, read from a buffer that grows: the head, how the body ends, and the body piece
//! by piece. No socket, and nothing of what the body means.

use std::ops::Range;

use crate::error::{Error, Result};

/// Headers that an answer may have.
const HEADERS_MAX: usize = 64;

/// The longest line before a chunk, in bytes: a length of sixteen digits and some extensions.
const CHUNK_LINE_MAX: usize = 1024;

/// How a body ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// After so many bytes.
    Length(u64),
    /// With a chunk of length nothing.
    Chunked,
    /// With the connection.
    UntilClose,
}

/// What the head of an answer says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// The status.
    pub status: u16,
    /// Whether the body is a stream of events.
    pub is_events: bool,
    /// How the body ends.
    pub framing: Framing,
    /// Whether the connection can be used again.
    pub keeps_alive: bool,
    /// `Mcp-Session-Id`, if it names one.
    pub session: Option<String>,
}

/// Reads a head; `None` if its end has not come. Returns how many bytes it takes too.
///
/// # Errors
/// If it is no head of an answer of HTTP/1.
pub fn head(input: &[u8]) -> Result<Option<(Head, usize)>> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut response = httparse::Response::new(&mut headers);
    let length = match response.parse(input) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(error) => {
            let start = String::from_utf8_lossy(&input[..input.len().min(80)]);
            return Err(Error::Wrong(format!("no HTTP answer ({error}): {start:?}")));
        }
    };
    let status = response.code.unwrap_or_default();
    let mut head = Head {
        status,
        is_events: false,
        framing: Framing::UntilClose,
        keeps_alive: response.version == Some(1),
        session: None,
    };
    let mut length_told = None;
    for header in response.headers.iter() {
        take_header(&mut head, &mut length_told, header)?;
    }
    if head.framing != Framing::Chunked {
        head.framing = match length_told {
            Some(told) => Framing::Length(told),
            // By the standard a 202 that tells no length lasts until the connection ends; but some
            // servers mean that there is no body.
            None if status == 202 && head.keeps_alive => Framing::Length(0),
            None => Framing::UntilClose,
        };
    }
    if status < 200 || status == 204 || status == 304 {
        head.framing = Framing::Length(0);
    }
    head.keeps_alive &= head.framing != Framing::UntilClose;
    Ok(Some((head, length)))
}

fn take_header(
    head: &mut Head,
    length: &mut Option<u64>,
    header: &httparse::Header<'_>,
) -> Result<()> {
    let value = header.value.trim_ascii();
    let is = |name: &str| header.name.eq_ignore_ascii_case(name);
    if is("content-length") {
        let told = std::str::from_utf8(value)
            .ok()
            .and_then(|text| text.parse().ok());
        *length =
            Some(told.ok_or_else(|| Error::wrong("an HTTP answer whose length is no number"))?);
    } else if is("transfer-encoding") {
        head.framing = Framing::Chunked;
    } else if is("content-type") {
        let kind = value.split(|byte| *byte == b';').next().unwrap_or_default();
        head.is_events = kind.trim_ascii().eq_ignore_ascii_case(b"text/event-stream");
    } else if is("connection") {
        head.keeps_alive = !value.eq_ignore_ascii_case(b"close");
    } else if is("mcp-session-id") {
        head.session = Some(String::from_utf8_lossy(value).into_owned());
    }
    Ok(())
}

/// What of the buffer comes next.
#[derive(Debug, PartialEq, Eq)]
pub enum Piece {
    /// These bytes of the buffer belong to the body; then so many bytes of it are used.
    Data(Range<usize>, usize),
    /// The body is over, and so many bytes of the buffer are used.
    End(usize),
    /// More has to come.
    Wait,
}

/// A body that is being read.
#[derive(Debug)]
pub enum Body {
    /// So many bytes are still to come.
    Length(u64),
    /// The line with a chunk's length comes next.
    ChunkLine,
    /// So many bytes of a chunk are still to come, then its line's end.
    Chunk(u64),
    /// The lines behind the last chunk.
    Trailer,
    /// What comes until the connection ends.
    UntilClose,
}

impl Body {
    /// A body that ends so.
    pub fn new(framing: Framing) -> Body {
        match framing {
            Framing::Length(length) => Body::Length(length),
            Framing::Chunked => Body::ChunkLine,
            Framing::UntilClose => Body::UntilClose,
        }
    }

    /// What comes next in the buffer, whose first bytes the caller then drops as it is told.
    ///
    /// # Errors
    /// If a chunk's length is no number, or its end is missing.
    pub fn next(&mut self, input: &[u8]) -> Result<Piece> {
        match self {
            Body::Length(0) => Ok(Piece::End(0)),
            _ if input.is_empty() => Ok(Piece::Wait),
            Body::UntilClose => Ok(Piece::Data(0..input.len(), input.len())),
            Body::Length(left) => {
                let length = input
                    .len()
                    .min(usize::try_from(*left).unwrap_or(usize::MAX));
                *left -= length as u64;
                Ok(Piece::Data(0..length, length))
            }
            Body::Chunk(left) => {
                let wanted = usize::try_from(*left).unwrap_or(usize::MAX);
                if input.len() < wanted.saturating_add(2) {
                    // A piece of a chunk, but never its end without the line's end behind it.
                    let length = input.len().min(wanted);
                    *left -= length as u64;
                    return Ok(match length {
                        0 => Piece::Wait,
                        _ => Piece::Data(0..length, length),
                    });
                }
                if &input[wanted..wanted + 2] != b"\r\n" {
                    return Err(Error::wrong("a chunk of HTTP that is longer than it says"));
                }
                *self = Body::ChunkLine;
                Ok(Piece::Data(0..wanted, wanted + 2))
            }
            Body::ChunkLine => self.chunk_line(input),
            Body::Trailer => Ok(match memchr::memchr(b'\n', input) {
                None => Piece::Wait,
                Some(end) if input[..end].trim_ascii().is_empty() => Piece::End(end + 1),
                Some(end) => Piece::Data(0..0, end + 1),
            }),
        }
    }

    fn chunk_line(&mut self, input: &[u8]) -> Result<Piece> {
        let Some(end) = memchr::memchr(b'\n', input) else {
            if input.len() > CHUNK_LINE_MAX {
                return Err(Error::wrong("a chunk of HTTP that has no length"));
            }
            return Ok(Piece::Wait);
        };
        let line = &input[..end];
        let digits = line.split(|byte| *byte == b';').next().unwrap_or_default();
        let digits = std::str::from_utf8(digits.trim_ascii()).unwrap_or_default();
        let length = u64::from_str_radix(digits, 16)
            .map_err(|_| Error::wrong(format!("{digits:?} is no length of a chunk of HTTP")))?;
        *self = match length {
            0 => Body::Trailer,
            _ => Body::Chunk(length),
        };
        Ok(Piece::Data(0..0, end + 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_head(lines: &str) -> Head {
        let text = format!("{}\r\n\r\n", lines.replace('\n', "\r\n"));
        let (head, length) = head(text.as_bytes()).expect("HTTP").expect("whole");
        assert_eq!(length, text.len());
        head
    }

    #[test]
    fn a_head_tells_how_the_body_ends() {
        let framing = |lines: &str| read_head(lines).framing;
        assert_eq!(
            framing("HTTP/1.1 200 OK\ncontent-length:  12 "),
            Framing::Length(12)
        );
        let both = "HTTP/1.1 200 OK\nContent-Length: 12\nTransfer-Encoding: chunked";
        assert_eq!(framing(both), Framing::Chunked);
        assert_eq!(framing("HTTP/1.1 200 OK"), Framing::UntilClose);
        assert_eq!(framing("HTTP/1.1 202 Accepted"), Framing::Length(0));
        assert_eq!(framing("HTTP/1.1 204 No Content"), Framing::Length(0));
        assert_eq!(framing("HTTP/1.0 202 Accepted"), Framing::UntilClose);
    }

    #[test]
    fn a_head_tells_what_the_session_needs() {
        let lines = "HTTP/1.1 200 OK\nCONTENT-TYPE: Text/Event-Stream; charset=utf-8\n\
                     mcp-session-id: a-b\nTransfer-Encoding: chunked\nConnection: Close";
        let head = read_head(lines);
        assert!(head.is_events && !head.keeps_alive);
        assert_eq!(head.session.as_deref(), Some("a-b"));
        let plain = read_head("HTTP/1.1 200 OK\nContent-Type: application/json\nContent-Length: 2");
        assert!(!plain.is_events && plain.keeps_alive);
        assert!(!read_head("HTTP/1.0 200 OK\nContent-Length: 2").keeps_alive);
        assert!(
            read_head("HTTP/1.0 200 OK\nContent-Length: 2\nConnection: keep-alive").keeps_alive
        );
    }

    #[test]
    fn a_head_is_waited_for_and_what_is_none_is_refused() {
        let text = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}";
        for end in 0..text.len() - 2 {
            assert!(head(&text[..end]).expect("HTTP so far").is_none(), "{end}");
        }
        assert!(head(b"{\"jsonrpc\":\"2.0\"}").is_err());
        assert!(head(b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n").is_err());
    }

    /// Reads a body that comes in pieces of this length; what is behind it is returned too.
    fn read_body(framing: Framing, text: &[u8], step: usize) -> Result<(Vec<u8>, Vec<u8>)> {
        let mut body = Body::new(framing);
        let (mut input, mut data) = (Vec::new(), Vec::new());
        let mut pieces = text.chunks(step);
        loop {
            match body.next(&input)? {
                Piece::Data(range, used) => {
                    data.extend_from_slice(&input[range]);
                    input.drain(..used);
                }
                Piece::End(used) => {
                    input.drain(..used);
                    input.extend(pieces.flatten());
                    return Ok((data, input));
                }
                Piece::Wait => match pieces.next() {
                    Some(piece) => input.extend_from_slice(piece),
                    None => return Err(Error::wrong("cut off")),
                },
            }
        }
    }

    #[test]
    fn bodies_are_the_same_however_they_are_cut() {
        let chunked = b"4;x=y\r\nWiki\r\n00B\r\npedia\r\n\r\nab\r\n0\r\nTrailer: x\r\n\r\nHTTP";
        for step in 1..=chunked.len() {
            let (data, rest) = read_body(Framing::Chunked, chunked, step).expect("chunks");
            assert_eq!(
                (data.as_slice(), rest.as_slice()),
                (&b"Wikipedia\r\n\r\nab"[..], &b"HTTP"[..])
            );
            let (data, rest) = read_body(Framing::Length(7), chunked, step).expect("bytes");
            assert_eq!(
                (data.as_slice(), rest.len()),
                (&chunked[..7], chunked.len() - 7)
            );
        }
        assert_eq!(
            read_body(Framing::Length(0), b"x", 1).expect("nothing").0,
            b""
        );
    }

    #[test]
    fn chunks_that_lie_are_refused() {
        for text in [&b"x\r\n"[..], b"2\r\nabcd0\r\n\r\n", b"-1\r\n", b"\r\n"] {
            let told = read_body(Framing::Chunked, text, 1)
                .expect_err("no chunks")
                .to_string();
            assert_ne!(told, "cut off");
        }
        let endless = [b'0'; 2 * CHUNK_LINE_MAX];
        let told = read_body(Framing::Chunked, &endless, 64).expect_err("no chunks");
        assert_ne!(told.to_string(), "cut off");
    }
}
