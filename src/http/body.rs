//! Takes the framing off a request body, piece by piece as it comes.
//!
//! Pure: it is fed what was read and says how much of it belongs to the body. No socket, no clock.

use crate::http::BodyError;
use crate::http::head::BodyFraming;
use crate::limits;

/// The state of one body.
#[derive(Debug)]
pub struct Decoder {
    state: State,
    /// Payload bytes seen so far.
    taken: u64,
    line_bytes: usize,
    extension_bytes: usize,
    trailer_bytes: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Length(u64),
    SizeStart,
    Size(u64),
    Extension(u64),
    SizeLineFeed(u64),
    Data(u64),
    DataReturn,
    DataLineFeed,
    TrailerStart,
    Trailer,
    TrailerLineFeed,
    LastLineFeed,
    Done,
}

impl Decoder {
    /// A decoder for a body framed so.
    pub fn new(framing: BodyFraming) -> Decoder {
        let state = match framing {
            BodyFraming::None | BodyFraming::Length(0) => State::Done,
            BodyFraming::Length(length) => State::Length(length),
            BodyFraming::Chunked => State::SizeStart,
        };
        Decoder {
            state,
            taken: 0,
            line_bytes: 0,
            extension_bytes: 0,
            trailer_bytes: 0,
        }
    }

    /// Whether the body has ended.
    pub fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// Payload bytes seen so far.
    pub fn taken(&self) -> u64 {
        self.taken
    }

    /// How many bytes are still to come, where that was declared; all of them are payload.
    pub fn length_left(&self) -> Option<u64> {
        match self.state {
            State::Length(left) => Some(left),
            State::Done => Some(0),
            _ => None,
        }
    }

    /// Notes `count` payload bytes that were read past this decoder; only where `length_left` says how many may come.
    pub fn skip(&mut self, count: u64) {
        if let State::Length(left) = self.state {
            self.advance(left, count);
        }
    }

    /// Takes what belongs to the body off the start of `input`, adds the payload to `out` (if there is one), and
    /// returns how many bytes were taken. It takes all of `input` unless the body ends in it.
    ///
    /// # Errors
    /// `TooLarge` as soon as it is certain that more than `max` payload bytes come; `Malformed` for bad chunks.
    pub fn decode(
        &mut self,
        input: &[u8],
        mut out: Option<&mut Vec<u8>>,
        max: usize,
    ) -> Result<usize, BodyError> {
        let mut used = 0;
        while used < input.len() && !self.is_done() {
            self.refuse_beyond(max)?;
            match self.state {
                State::Length(left) | State::Data(left) => {
                    used += self.payload(left, &input[used..], out.as_deref_mut());
                }
                _ => {
                    self.state = self.framing_byte(input[used])?;
                    used += 1;
                }
            }
        }
        self.refuse_beyond(max)?;
        Ok(used)
    }

    fn refuse_beyond(&self, max: usize) -> Result<(), BodyError> {
        let announced = match self.state {
            State::Length(left) | State::Data(left) | State::SizeLineFeed(left) => left,
            _ => 0,
        };
        if self.taken.saturating_add(announced) > max as u64 {
            Err(BodyError::TooLarge(max))
        } else {
            Ok(())
        }
    }

    /// Takes payload off `input`, of which `left` bytes are still to come, and returns how much.
    fn payload(&mut self, left: u64, input: &[u8], out: Option<&mut Vec<u8>>) -> usize {
        let count = usize::try_from(left).unwrap_or(usize::MAX).min(input.len());
        if let Some(out) = out {
            out.extend_from_slice(&input[..count]);
        }
        self.advance(left, count as u64);
        count
    }

    fn advance(&mut self, left: u64, count: u64) {
        self.taken += count;
        let rest = left.saturating_sub(count);
        self.state = match self.state {
            State::Length(_) if rest == 0 => State::Done,
            State::Length(_) => State::Length(rest),
            _ if rest == 0 => State::DataReturn,
            _ => State::Data(rest),
        };
    }

    /// One byte of chunk framing (RFC 9112 section 7.1). No blanks around the size, and no bare line feed: what is
    /// read differently elsewhere is refused.
    fn framing_byte(&mut self, byte: u8) -> Result<State, BodyError> {
        let next = match (self.state, byte) {
            (State::SizeStart, _) if byte.is_ascii_hexdigit() => {
                self.line_bytes = 0;
                State::Size(hex_value(byte))
            }
            (State::Size(size), _) if byte.is_ascii_hexdigit() => {
                if size >> 60 != 0 {
                    return Err(BodyError::Malformed("a chunk size does not fit 64 bits"));
                }
                State::Size(size << 4 | hex_value(byte))
            }
            (State::Size(size), b';') => State::Extension(size),
            (State::Size(size) | State::Extension(size), b'\r') => State::SizeLineFeed(size),
            (State::Extension(size), b'\t' | b' '..=b'~' | 0x80..) => {
                self.extension_bytes += 1;
                State::Extension(size)
            }
            (State::SizeLineFeed(0), b'\n') => State::TrailerStart,
            (State::SizeLineFeed(size), b'\n') => State::Data(size),
            (State::DataReturn, b'\r') => State::DataLineFeed,
            (State::DataLineFeed, b'\n') => State::SizeStart,
            (State::TrailerStart, b'\r') => State::LastLineFeed,
            (State::Trailer, b'\r') => State::TrailerLineFeed,
            (State::TrailerStart | State::Trailer, b'\t' | b' '..=b'~' | 0x80..) => {
                self.trailer_bytes += 1;
                State::Trailer
            }
            (State::TrailerLineFeed, b'\n') => State::TrailerStart,
            (State::LastLineFeed, b'\n') => State::Done,
            _ => return Err(BodyError::Malformed("the framing of a chunk is wrong")),
        };
        self.refuse_long_framing(next)?;
        Ok(next)
    }

    fn refuse_long_framing(&mut self, next: State) -> Result<(), BodyError> {
        if matches!(next, State::Size(_) | State::Extension(_)) {
            self.line_bytes += 1;
        }
        if self.line_bytes > limits::HTTP_CHUNK_LINE_BYTES_MAX {
            return Err(BodyError::Malformed("the line before a chunk is too long"));
        }
        if self.extension_bytes > limits::HTTP_CHUNK_EXTENSIONS_BYTES_MAX {
            return Err(BodyError::Malformed("there are too many chunk extensions"));
        }
        if self.trailer_bytes > limits::HTTP_TRAILERS_BYTES_MAX {
            return Err(BodyError::Malformed("the trailers are too long"));
        }
        Ok(())
    }
}

fn hex_value(digit: u8) -> u64 {
    u64::from(char::from(digit).to_digit(16).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Decoder;
    use crate::http::BodyError;
    use crate::http::head::BodyFraming;

    /// Feeds `input` in pieces of `step` bytes; returns the payload, and what followed the body.
    fn decode(input: &[u8], step: usize, max: usize) -> Result<(Vec<u8>, Vec<u8>), BodyError> {
        let mut decoder = Decoder::new(BodyFraming::Chunked);
        let mut out = Vec::new();
        let mut at = 0;
        while at < input.len() && !decoder.is_done() {
            let piece = &input[at..input.len().min(at + step)];
            at += decoder.decode(piece, Some(&mut out), max)?;
        }
        if decoder.is_done() {
            Ok((out, input[at..].to_vec()))
        } else {
            Err(BodyError::Closed)
        }
    }

    #[test]
    fn chunks_extensions_and_trailers_are_taken_off() {
        let input = b"3\r\nabc\r\nA;x=\"y\"\r\n0123456789\r\n0\r\nX-Sum: 1\r\n\r\nGET /";
        for step in [1, 2, 7, 1000] {
            assert_eq!(
                decode(input, step, 13).unwrap(),
                (b"abc0123456789".to_vec(), b"GET /".to_vec())
            );
        }
    }

    #[test]
    fn bad_chunks_are_malformed() {
        for input in [
            &b"\r\n"[..],
            b"x\r\n",
            b"-1\r\n",
            b"+1\r\n",
            b"0x1\r\n",
            b" 1\r\n",
            b"1 \r\n",
            b"1\na\r\n0\r\n\r\n",
            b"1\r\nab\r\n",
            b"1\r\na\n0\r\n\r\n",
            b"1;a\nb\r\n",
            b"1\r\na\r\n0\r\n\n",
            b"0\r\nX: 1\n\r\n",
            b"10000000000000000\r\n",
        ] {
            let result = decode(input, 1, usize::MAX);
            assert!(
                matches!(result, Err(BodyError::Malformed(_))),
                "{:?}: {result:?}",
                input.escape_ascii().to_string()
            );
        }
    }

    #[test]
    fn a_chunk_that_would_exceed_the_limit_is_refused_at_its_announcement() {
        assert_eq!(decode(b"5\r\n", 9, 4), Err(BodyError::TooLarge(4)));
        assert_eq!(
            decode(b"3\r\nabc\r\nfffffffffffffffe\r\n", 99, 4),
            Err(BodyError::TooLarge(4))
        );
        assert_eq!(decode(b"4\r\nabcd\r\n0\r\n\r\n", 9, 4).unwrap().0, b"abcd");
    }

    #[test]
    fn framing_without_payload_is_limited() {
        let long_line = [b"1;".as_slice(), &[b'x'; 300]].concat();
        assert!(matches!(
            decode(&long_line, 64, 9),
            Err(BodyError::Malformed(_))
        ));
        let many_extensions = [b"1;".as_slice(), &[b'x'; 200], b"\r\na\r\n"]
            .concat()
            .repeat(90);
        assert!(matches!(
            decode(&many_extensions, 999, 999),
            Err(BodyError::Malformed(_))
        ));
        let trailers = [b"0\r\n".as_slice(), &b"X: 12345678\r\n".repeat(500)].concat();
        assert!(matches!(
            decode(&trailers, 64, 9),
            Err(BodyError::Malformed(_))
        ));
        let leading_zeros = [b'0'; 300];
        assert!(matches!(
            decode(&leading_zeros, 64, 9),
            Err(BodyError::Malformed(_))
        ));
    }

    #[test]
    fn a_length_ends_where_it_says() {
        let mut decoder = Decoder::new(BodyFraming::Length(5));
        let mut out = Vec::new();
        assert_eq!(decoder.decode(b"abc", Some(&mut out), 5), Ok(3));
        assert_eq!(decoder.length_left(), Some(2));
        assert_eq!(decoder.decode(b"deGET", Some(&mut out), 5), Ok(2));
        assert!(decoder.is_done());
        assert_eq!(out, b"abcde");
    }

    proptest! {
        #[test]
        fn any_chunking_in_any_pieces_gives_the_payload(
            chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..40), 0..8),
            step in 1usize..30,
        ) {
            let mut input = Vec::new();
            for chunk in &chunks {
                input.extend(format!("{:X}\r\n", chunk.len()).bytes());
                input.extend(chunk);
                input.extend(b"\r\n");
            }
            input.extend(b"0\r\n\r\nrest");
            prop_assert_eq!(decode(&input, step, 1000), Ok((chunks.concat(), b"rest".to_vec())));
        }

        #[test]
        fn no_bytes_panic_or_exceed_the_limit(
            input in prop::collection::vec(prop::sample::select(b"0123aF;\r\n x".to_vec()), 0..200),
            step in 1usize..30,
        ) {
            if let Ok((out, _)) = decode(&input, step, 50) {
                prop_assert!(out.len() <= 50);
            }
        }
    }
}
