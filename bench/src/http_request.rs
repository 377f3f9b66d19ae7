//! Requests as a server reads them: the little of HTTP/1.1 that the limits need, and none of its
//! checks.

use std::io;

/// Headers that a request may have.
const HEADERS_MAX: usize = 64;

/// What a request wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// To say something.
    Post,
    /// To listen.
    Get,
    /// Anything else, which is agreed to.
    Other,
}

/// A request that is whole.
#[derive(Debug)]
pub struct Request<'a> {
    /// What it wants.
    pub method: Method,
    /// Where it goes.
    pub target: &'a str,
    /// The length of its head.
    pub head: usize,
    /// The length of its body.
    pub body: usize,
}

/// The request that the buffer begins with; `None` if it is not whole.
///
/// # Errors
/// If it is no HTTP/1.
pub fn request(input: &[u8]) -> io::Result<Option<Request<'_>>> {
    if input.is_empty() {
        return Ok(None);
    }
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut request = httparse::Request::new(&mut headers);
    let parsed = request.parse(input).map_err(io::Error::other)?;
    let httparse::Status::Complete(head) = parsed else {
        return Ok(None);
    };
    let named = |header: &&httparse::Header<'_>| header.name.eq_ignore_ascii_case("content-length");
    let body = match request.headers.iter().find(named) {
        None => 0,
        Some(header) => {
            let told = std::str::from_utf8(header.value).ok();
            let told = told.and_then(|text| text.trim().parse().ok());
            told.ok_or_else(|| io::Error::other("a length that is no number"))?
        }
    };
    let method = match request.method {
        Some("POST") => Method::Post,
        Some("GET") => Method::Get,
        _ => Method::Other,
    };
    let is_whole = input.len() - head >= body;
    Ok(is_whole.then_some(Request {
        method,
        target: request.path.unwrap_or_default(),
        head,
        body,
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
        assert_eq!(whole.target, "/mcp");
        assert_eq!(&text[whole.head..whole.head + whole.body], b"abc");
        assert!(request(b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n").is_err());
    }
}
