//! Writes the head of an answer. Pure: bytes into a buffer.

use std::io;

use crate::limits;

/// How the body that follows is framed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AnswerFraming {
    /// This many bytes.
    Length(usize),
    /// Chunks.
    Chunked,
    /// Until the connection ends (HTTP/1.0).
    UntilClose,
}

/// What the connection does after this answer, and whether the peer must be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Persistence {
    /// HTTP/1.1 keeps a connection unsaid.
    Keep,
    /// HTTP/1.0 wants to hear it.
    KeepAloud,
    /// It ends.
    Close,
}

/// Adds the head of an answer to `out`.
///
/// # Errors
/// As [`Opening::of`]; nothing was added.
pub fn write_head(
    out: &mut Vec<u8>,
    status: u16,
    headers: &[(&str, &str)],
    framing: AnswerFraming,
    persistence: Persistence,
) -> io::Result<()> {
    check(status, headers)?;
    write_opening(out, status, headers);
    match framing {
        AnswerFraming::Length(_) if !has_body(status) => {}
        AnswerFraming::Length(length) => write_length(out, length),
        AnswerFraming::Chunked => add(out, &["Transfer-Encoding: chunked\r\n"]),
        AnswerFraming::UntilClose => {}
    }
    match persistence {
        Persistence::Keep => {}
        Persistence::KeepAloud => add(out, &["Connection: keep-alive\r\n"]),
        Persistence::Close => add(out, &["Connection: close\r\n"]),
    }
    add(out, &["\r\n"]);
    Ok(())
}

/// The head of an answer on a connection that goes on, but for the length of the body: it is the same for all answers of
/// one kind, and then need not be put together for each.
#[derive(Debug)]
pub struct Opening {
    status: u16,
    bytes: Box<[u8]>,
}

impl Opening {
    /// Of answers with this status and these headers.
    ///
    /// # Errors
    /// `InvalidInput`, for a status that is not final, a header that could be read as more than one header, or one about
    /// framing, which is the engine's own business.
    pub fn of(status: u16, headers: &[(&str, &str)]) -> io::Result<Opening> {
        check(status, headers)?;
        let mut bytes = Vec::new();
        write_opening(&mut bytes, status, headers);
        Ok(Opening {
            status,
            bytes: bytes.into(),
        })
    }

    /// Adds the whole head to `out`, for a body of `length` bytes.
    pub fn write_to(&self, out: &mut Vec<u8>, length: usize) {
        out.extend_from_slice(&self.bytes);
        if has_body(self.status) {
            write_length(out, length);
        }
        add(out, &["\r\n"]);
    }
}

fn check(status: u16, headers: &[(&str, &str)]) -> io::Result<()> {
    if !(200..=599).contains(&status) {
        return Err(refusal("an answer needs a status from 200 to 599"));
    }
    headers
        .iter()
        .try_for_each(|(name, value)| check_header(name, value))
}

fn write_opening(out: &mut Vec<u8>, status: u16, headers: &[(&str, &str)]) {
    // Nearly every head fits.
    out.reserve(limits::HTTP_ANSWER_HEAD_BYTES);
    let mut digits = itoa::Buffer::new();
    let status_line = [
        "HTTP/1.1 ",
        digits.format(status),
        " ",
        reason(status),
        "\r\n",
    ];
    add(out, &status_line);
    for (name, value) in headers {
        add(out, &[name, ": ", value, "\r\n"]);
    }
}

fn write_length(out: &mut Vec<u8>, length: usize) {
    let mut digits = itoa::Buffer::new();
    add(out, &["Content-Length: ", digits.format(length), "\r\n"]);
}

/// Piece by piece: every answer has a head, and `write!` takes ten times as long.
fn add(out: &mut Vec<u8>, pieces: &[&str]) {
    for piece in pieces {
        out.extend_from_slice(piece.as_bytes());
    }
}

/// Whether an answer with this status may have a body (RFC 9110 section 6.4.1).
pub fn has_body(status: u16) -> bool {
    !matches!(status, 204 | 304)
}

/// Adds the line that announces a chunk of `length` bytes to `out`.
pub fn write_chunk_size(out: &mut Vec<u8>, length: usize) {
    let mut shift = (usize::BITS - length.leading_zeros()).div_ceil(4).max(1);
    while shift > 0 {
        shift -= 1;
        out.push(b"0123456789abcdef"[(length >> (4 * shift)) & 0xf]);
    }
    out.extend_from_slice(b"\r\n");
}

/// The error for a caller that asks for what HTTP cannot carry.
pub fn refusal(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, what)
}

fn check_header(name: &str, value: &str) -> io::Result<()> {
    let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    if name.is_empty() || !name.bytes().all(token) {
        return Err(refusal("a header name of the answer is not a token"));
    }
    if value.bytes().any(|b| b.is_ascii_control() && b != b'\t') {
        return Err(refusal(
            "a header value of the answer holds a control character",
        ));
    }
    let framing = ["content-length", "transfer-encoding", "connection"];
    if framing.iter().any(|own| name.eq_ignore_ascii_case(own)) {
        return Err(refusal("the framing headers of an answer are the engine's"));
    }
    Ok(())
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        204 => "No Content",
        304 => "Not Modified",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        406 => "Not Acceptable",
        408 => "Request Timeout",
        409 => "Conflict",
        410 => "Gone",
        413 => "Content Too Large",
        414 => "URI Too Long",
        415 => "Unsupported Media Type",
        417 => "Expectation Failed",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        505 => "HTTP Version Not Supported",
        // The phrase may be empty (RFC 9112 section 4); the blank before it may not.
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::{AnswerFraming, Opening, Persistence, write_chunk_size, write_head};

    #[test]
    fn the_size_of_a_chunk_is_told_in_hexadecimal_digits() {
        for (length, line) in [
            (0, "0\r\n"),
            (1, "1\r\n"),
            (15, "f\r\n"),
            (16, "10\r\n"),
            (0x00ab_cdef, "abcdef\r\n"),
            (usize::MAX, "ffffffffffffffff\r\n"),
        ] {
            let mut out = Vec::new();
            write_chunk_size(&mut out, length);
            assert_eq!(out, line.as_bytes(), "{length}");
        }
    }

    fn head(status: u16, headers: &[(&str, &str)]) -> Option<String> {
        let mut out = b"before ".to_vec();
        write_head(
            &mut out,
            status,
            headers,
            AnswerFraming::Length(3),
            Persistence::Close,
        )
        .ok()?;
        let text = String::from_utf8(out).unwrap();
        Some(text.strip_prefix("before ").unwrap().to_owned())
    }

    #[test]
    fn a_head_is_written_in_full() {
        assert_eq!(
            head(404, &[("Content-Type", "text/plain"), ("X-Tab", "a\tb")]).unwrap(),
            "HTTP/1.1 404 Not Found\r\nContent-Type: text/plain\r\nX-Tab: a\tb\r\nContent-Length: 3\r\nConnection: close\r\n\r\n"
        );
    }

    #[test]
    fn an_answer_without_a_body_declares_no_length() {
        assert_eq!(
            head(204, &[]).unwrap(),
            "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n"
        );
    }

    #[test]
    fn one_opening_serves_bodies_of_all_lengths() {
        let opened = |status, headers, length| {
            let mut out = b"before ".to_vec();
            Opening::of(status, headers)
                .unwrap()
                .write_to(&mut out, length);
            String::from_utf8(out).unwrap()
        };
        for (length, digits) in [(0, "0"), (12_345, "12345")] {
            let expected =
                format!("before HTTP/1.1 200 OK\r\nA: b\r\nContent-Length: {digits}\r\n\r\n");
            assert_eq!(opened(200, &[("A", "b")], length), expected);
        }
        assert_eq!(
            opened(304, &[], 7),
            "before HTTP/1.1 304 Not Modified\r\n\r\n"
        );
    }

    #[test]
    fn nothing_can_be_smuggled_through_a_header() {
        for bad in [
            ("X", "a\r\nSet-Cookie: b"),
            ("X", "a\nb"),
            ("X", "a\rb"),
            ("X", "a\0b"),
            ("X\r\nY", "a"),
            ("X:", "a"),
            ("X ", "a"),
            ("", "a"),
            ("content-LENGTH", "3"),
            ("Transfer-Encoding", "chunked"),
            ("Connection", "keep-alive"),
        ] {
            assert_eq!(head(200, &[("Fine", "a"), bad]), None, "{bad:?}");
            assert!(Opening::of(200, &[("Fine", "a"), bad]).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn an_interim_or_unknown_status_is_refused() {
        for status in [0, 99, 100, 101, 199, 600, 999] {
            assert_eq!(head(status, &[]), None);
            assert!(Opening::of(status, &[]).is_err());
        }
    }
}
