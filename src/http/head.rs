//! The head of a request: request line, headers, and what they say about the body and the connection.
//!
//! Pure. The grammar is `httparse`'s; the strictness is ours (RFC 9112; RFC 9110 where a comment says so): whatever
//! two programs could read differently is refused, for that is what request smuggling is made of.

pub mod error;
#[cfg(test)]
mod tests;

use std::mem::MaybeUninit;

use memchr::{memchr, memchr_iter};

use crate::bytes::are_same;
use crate::http::head::error::HeadError;
use crate::limits;

/// Where a piece of text lies in a head.
#[derive(Debug, Clone, Copy, Default)]
struct Span {
    start: u16,
    end: u16,
}

#[derive(Debug, Clone, Copy)]
struct Field {
    name: Span,
    /// See [`mark`].
    mark: u32,
    value: Span,
    /// Whether the value is kept as it was sent.
    is_ascii: bool,
}

/// How the body of a request is framed (RFC 9112 section 6.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum BodyFraming {
    /// There is none.
    #[default]
    None,
    /// This many bytes follow; a length beyond `u64` counts as `u64::MAX`.
    Length(u64),
    /// Chunks follow.
    Chunked,
}

/// The head of one request. The same value is filled again for each request of a connection, so that nothing is
/// allocated for one: the text is kept whole, and places in it are offsets.
#[derive(Debug, Default)]
pub struct Head {
    text: String,
    method: Span,
    path: Span,
    query: Option<Span>,
    http_1_0: bool,
    fields: Vec<Field>,
    body: BodyFraming,
    /// The digits of its length, if it has one and the text is what was sent, byte for byte.
    length: Span,
    keep_alive: bool,
    expects_continue: bool,
}

impl Head {
    /// The method as sent, such as `GET`; methods are case-sensitive.
    pub fn method(&self) -> &str {
        self.slice(self.method)
    }

    /// The path as sent, percent-encoding and all, without the query; it begins with `/`, or is `*`.
    pub fn path(&self) -> &str {
        self.slice(self.path)
    }

    /// What follows the first `?` of the target, as sent.
    pub fn query(&self) -> Option<&str> {
        self.query.map(|span| self.slice(span))
    }

    /// The value of the first header `name` (in any case). If the head is not UTF-8, each byte above 127 is given
    /// as `?`: a header is never hidden by what it holds.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.get_all(name).next()
    }

    /// The values of all headers `name` (in any case), in order.
    pub fn get_all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.places(name).map(|place| self.slice(place))
    }

    /// Where these values lie.
    fn places(&self, name: &str) -> impl Iterator<Item = Span> {
        // By their marks nearly all names are told apart without a look at the text: each request is asked for a dozen.
        let wanted = mark(name.as_bytes());
        let is_called = move |field: &&Field| field.mark == wanted && self.is_called(field, name);
        self.fields
            .iter()
            .filter(is_called)
            .map(|field| field.value)
    }

    /// How many headers `name` (in any case) there are.
    pub fn count(&self, name: &str) -> usize {
        self.get_all(name).count()
    }

    /// All headers, names as sent, in order. One whose value is not ASCII comes without it, for whoever must know the
    /// value exactly: [`Head::get_all`] may give such bytes as `?`.
    pub fn headers(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        self.fields.iter().map(|field| {
            let value = field.is_ascii.then(|| self.slice(field.value));
            (self.slice(field.name), value)
        })
    }

    /// Whether the peer speaks HTTP/1.0.
    pub fn is_http_1_0(&self) -> bool {
        self.http_1_0
    }

    /// How the body is framed.
    pub fn body(&self) -> BodyFraming {
        self.body
    }

    /// Whether the peer wants to use the connection again (RFC 9112 section 9.3).
    pub fn keep_alive(&self) -> bool {
        self.keep_alive
    }

    /// Whether the peer sends its body only after `100 Continue` (RFC 9110 section 10.1.1).
    pub fn expects_continue(&self) -> bool {
        self.expects_continue
    }

    /// Gives back the memory of this head.
    pub fn release(&mut self) {
        *self = Head::default();
    }

    /// Reads the head at the start of `bytes` (no empty line before it) into this value, and returns its length,
    /// or `None` while more bytes are needed. After anything but a length this value is good for nothing but to be filled
    /// again, and for [`Head::take_again`], which takes what was parsed last, or nothing.
    ///
    /// # Errors
    /// See [`HeadError`]; the connection cannot be read any further.
    // Never inlined: the places of all the fields there may be are 3 KiB of stack, which would lie below all that
    // the connection does, also while it waits.
    #[inline(never)]
    pub fn parse(&mut self, bytes: &[u8]) -> Result<Option<usize>, HeadError> {
        let mut places = [const { MaybeUninit::uninit() }; limits::HTTP_HEADERS_MOSTLY];
        match self.parse_into(bytes, &mut places) {
            Err(HeadError::TooManyHeaders) => self.parse_many(bytes),
            parsed => parsed,
        }
    }

    /// The same for heads of many headers. Room for these on the stack of every connection would be a page of memory
    /// for each.
    #[inline(never)]
    fn parse_many(&mut self, bytes: &[u8]) -> Result<Option<usize>, HeadError> {
        let mut places = [const { MaybeUninit::uninit() }; limits::HTTP_HEADERS_MAX];
        self.parse_into(bytes, &mut places)
    }

    /// Whether `bytes` begin with this head again, but for a Content-Length of as many digits, which is taken over; the
    /// length of the head. Nearly all that a client sends has the head of what it has sent before, which need not be
    /// parsed then, nor judged, where the judgement does not depend on that length.
    pub fn take_again(&mut self, bytes: &[u8]) -> Option<usize> {
        let (start, end) = (self.length.start.into(), self.length.end.into());
        let again = bytes.get(..self.text.len()).filter(|_| start < end)?;
        let known = self.text.as_bytes();
        // Both, whatever the first says: a token may stand in either.
        let is_like =
            are_same(&again[..start], &known[..start]) & are_same(&again[end..], &known[end..]);
        let digits = std::str::from_utf8(&again[start..end]);
        let digits = digits.ok().filter(|_| is_like)?;
        self.body = BodyFraming::Length(length_of(digits)?);
        self.text.replace_range(start..end, digits);
        Some(self.text.len())
    }

    fn parse_into<'h>(
        &mut self,
        bytes: &'h [u8],
        places: &mut [MaybeUninit<httparse::Header<'h>>],
    ) -> Result<Option<usize>, HeadError> {
        let line = &bytes[..bytes.len().min(limits::HTTP_REQUEST_LINE_BYTES_MAX)];
        let line_end = memchr(b'\n', line);
        if line_end.is_none() && bytes.len() >= limits::HTTP_REQUEST_LINE_BYTES_MAX {
            return Err(HeadError::RequestLineTooLong);
        }
        let mut request = httparse::Request::new(&mut []);
        let length = match request.parse_with_uninit_headers(bytes, places) {
            Ok(httparse::Status::Complete(length)) if length <= limits::HTTP_HEAD_BYTES_MAX => {
                length
            }
            Ok(httparse::Status::Partial) if bytes.len() < limits::HTTP_HEAD_BYTES_MAX => {
                return Ok(None);
            }
            Ok(_) => return Err(HeadError::TooLarge),
            Err(httparse::Error::Version) => {
                // An unfinished word such as `HTTP/2` may yet become a version.
                return line_end.map_or(Ok(None), |end| Err(version_error(&bytes[..end])));
            }
            Err(httparse::Error::TooManyHeaders) => return Err(HeadError::TooManyHeaders),
            Err(error) => return Err(HeadError::Malformed(grammar_error(error))),
        };
        let head = &bytes[..length];
        refuse_bare_line_feeds(head)?;
        let is_exact = self.copy(head);
        self.fill(head, &request)?;
        self.decide()?;
        if let BodyFraming::Length(_) = self.body
            && is_exact
        {
            let place = self.places("content-length").next();
            self.length = place.unwrap_or_default();
        }
        Ok(Some(length))
    }

    /// Copies the text of a head; whether all of it is as it was sent.
    fn copy(&mut self, head: &[u8]) -> bool {
        self.text.clear();
        self.length = Span::default();
        match std::str::from_utf8(head) {
            Ok(text) => {
                self.text.push_str(text);
                true
            }
            Err(_) => {
                // Same length, so that the places stay right.
                let shown = |&b: &u8| if b.is_ascii() { char::from(b) } else { '?' };
                self.text.extend(head.iter().map(shown));
                false
            }
        }
    }

    /// Copies the places of a parsed request.
    fn fill(&mut self, head: &[u8], request: &httparse::Request<'_, '_>) -> Result<(), HeadError> {
        let span = |part: &[u8]| {
            // `part` lies within `head`, and a head is shorter than 2^16 (asserted in `limits`).
            let start = (part.as_ptr() as usize - head.as_ptr() as usize) as u16;
            Span {
                start,
                end: start + part.len() as u16,
            }
        };
        self.method = span(request.method.unwrap_or_default().as_bytes());
        self.http_1_0 = request.version == Some(0);
        self.fields.clear();
        let places = |h: &httparse::Header<'_>| Field {
            name: span(h.name.as_bytes()),
            mark: mark(h.name.as_bytes()),
            value: span(h.value),
            is_ascii: h.value.is_ascii(),
        };
        self.fields.extend(request.headers.iter().map(places));
        self.split_target(span(request.path.unwrap_or_default().as_bytes()))
    }

    /// Takes the target apart (RFC 9112 section 3.2): origin form, absolute form, or `*`.
    fn split_target(&mut self, target: Span) -> Result<(), HeadError> {
        let text = self.slice(target);
        if !text.bytes().all(|b| b.is_ascii_graphic() && b != b'#') {
            return Err(HeadError::Malformed(
                "the target holds a character that a target cannot hold",
            ));
        }
        let mut path_start = 0;
        let absolute = (!text.starts_with('/')).then(|| strip_scheme(text));
        if let Some(rest) = absolute.flatten() {
            let authority = &rest[..rest.find(['/', '?']).unwrap_or(rest.len())];
            // Otherwise a check of Host would be passed by one name while the request is meant for another.
            if !self
                .get("host")
                .is_some_and(|host| host.eq_ignore_ascii_case(authority))
            {
                return Err(HeadError::Malformed(
                    "the target and the Host header name different hosts",
                ));
            }
            path_start = text.len() - rest.len() + authority.len();
        }
        let path_and_query = &text[path_start..];
        if !path_and_query.starts_with('/') && (path_and_query != "*" || path_start > 0) {
            return Err(HeadError::Malformed("the target is neither a path nor *"));
        }
        let start = target.start + path_start as u16;
        let mark = memchr(b'?', path_and_query.as_bytes()).map(|at| start + at as u16);
        self.path = Span {
            start,
            end: mark.unwrap_or(target.end),
        };
        self.query = mark.map(|at| Span {
            start: at + 1,
            end: target.end,
        });
        Ok(())
    }

    /// Reads the headers that matter to the engine.
    fn decide(&mut self) -> Result<(), HeadError> {
        match self.count("host") {
            1 => {}
            0 if self.http_1_0 => {}
            0 => return Err(HeadError::Malformed("there is no Host header")),
            _ => return Err(HeadError::Malformed("there are several Host headers")),
        }
        self.body = self.framing()?;
        self.keep_alive = !self.has_connection_option("close")
            && (!self.http_1_0 || self.has_connection_option("keep-alive"));
        self.expects_continue = false;
        if let Some(expectation) = self.get("expect").filter(|_| !self.http_1_0) {
            if self.count("expect") > 1 || !expectation.eq_ignore_ascii_case("100-continue") {
                return Err(HeadError::ExpectationUnknown);
            }
            self.expects_continue = self.body != BodyFraming::None;
        }
        Ok(())
    }

    fn framing(&self) -> Result<BodyFraming, HeadError> {
        let lengths = self.count("content-length");
        let codings = self.count("transfer-encoding");
        match (lengths, codings) {
            (0, 0) => Ok(BodyFraming::None),
            (0, 1) if self.http_1_0 => {
                Err(HeadError::Malformed("HTTP/1.0 knows no Transfer-Encoding"))
            }
            (0, 1) => {
                let coding = self.get("transfer-encoding").unwrap_or_default();
                let chunked = coding.eq_ignore_ascii_case("chunked");
                chunked
                    .then_some(BodyFraming::Chunked)
                    .ok_or(HeadError::Malformed("Transfer-Encoding is not chunked"))
            }
            (1, 0) => {
                let digits = self.get("content-length").unwrap_or_default();
                let length = length_of(digits).map(BodyFraming::Length);
                length.ok_or(HeadError::Malformed("Content-Length is not a number"))
            }
            (0, _) => Err(HeadError::Malformed(
                "there are several Transfer-Encoding headers",
            )),
            (_, 0) => Err(HeadError::Malformed(
                "there are several Content-Length headers",
            )),
            _ => Err(HeadError::Malformed(
                "Content-Length and Transfer-Encoding exclude each other",
            )),
        }
    }

    fn has_connection_option(&self, option: &str) -> bool {
        self.get_all("connection").any(|value| {
            let mut options = value.as_bytes().split(|&b| b == b',');
            options.any(|found| found.trim_ascii().eq_ignore_ascii_case(option.as_bytes()))
        })
    }

    /// Out of line, so that what asks for it is small enough to stand where the fields are gone through.
    #[inline(never)]
    fn is_called(&self, field: &Field, name: &str) -> bool {
        self.slice(field.name).eq_ignore_ascii_case(name)
    }

    fn slice(&self, span: Span) -> &str {
        // Spans are made by `fill` over the text of the same head and lie on ASCII characters or whole values;
        // should that ever be wrong, a header is empty rather than a thread dead.
        self.text
            .get(usize::from(span.start)..usize::from(span.end))
            .unwrap_or_default()
    }
}

/// The number that a Content-Length has.
fn length_of(digits: &str) -> Option<u64> {
    let is_number = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    // Only digits: what does not fit is too large for every limit.
    is_number.then(|| digits.parse().unwrap_or(u64::MAX))
}

/// The length of a name, its first letter and its last, in lower case: the same for names that differ in case alone, and
/// another for all those that a usual request has.
fn mark(name: &[u8]) -> u32 {
    let letter =
        |letter: Option<&u8>| letter.map_or(0, |letter| u32::from(letter.to_ascii_lowercase()));
    (name.len() as u32) << 16 | letter(name.first()) << 8 | letter(name.last())
}

/// Whether to parse the start of a head that has grown from `seen` bytes to all of `bytes`: at the first look, where
/// it may have ended, and where it has reached a limit. To parse it anew at each byte of a slow peer would be work of
/// the square of its size.
pub fn is_worth_parsing(bytes: &[u8], seen: usize) -> bool {
    let reaches = |limit: usize| seen < limit && bytes.len() >= limit;
    // The end is at most three bytes long, so it may have begun in the two seen last.
    let fresh = &bytes[seen.saturating_sub(2)..];
    let ends = |end: &[u8]| fresh.windows(end.len()).any(|window| window == end);
    !bytes.is_empty()
        && (seen == 0
            || reaches(limits::HTTP_REQUEST_LINE_BYTES_MAX)
            || reaches(limits::HTTP_HEAD_BYTES_MAX)
            || ends(b"\n\r\n")
            || ends(b"\n\n"))
}

/// What follows `http://` or `https://`, in any case.
fn strip_scheme(target: &str) -> Option<&str> {
    let (scheme, rest) = target.split_once("://")?;
    (scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https")).then_some(rest)
}

/// `httparse` takes a bare line feed for a line end, as RFC 9112 section 2.2 allows; a proxy before us may not.
fn refuse_bare_line_feeds(head: &[u8]) -> Result<(), HeadError> {
    if memchr_iter(b'\n', head).any(|at| at == 0 || head[at - 1] != b'\r') {
        return Err(HeadError::Malformed(
            "a line ends without a carriage return",
        ));
    }
    Ok(())
}

/// What to say about a request line whose last word `httparse` refused as a version.
fn version_error(line: &[u8]) -> HeadError {
    let word = line
        .rsplit(|&b| b == b' ')
        .next()
        .unwrap_or_default()
        .trim_ascii_end();
    match word.strip_prefix(b"HTTP/") {
        Some([b'0'..=b'9', b'.', b'0'..=b'9'] | [b'0'..=b'9']) => HeadError::VersionUnknown,
        _ => HeadError::Malformed("the request line does not end in a version"),
    }
}

fn grammar_error(error: httparse::Error) -> &'static str {
    match error {
        httparse::Error::HeaderName => {
            "a header name holds a character that it cannot hold, or a line is folded"
        }
        httparse::Error::HeaderValue => "a header value holds a control character",
        httparse::Error::NewLine => "a line does not end in CR LF",
        httparse::Error::Token => "the request line is not METHOD TARGET VERSION",
        httparse::Error::Version | httparse::Error::Status | httparse::Error::TooManyHeaders => {
            "unexpected bytes"
        }
    }
}
