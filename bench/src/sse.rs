//! Server-sent events, read piece by piece as they come: the name and the data of each. What is in
//! the data is none of its business, and ids and times to retry are passed over: nothing that is
//! measured resumes.

use memchr::memchr2;

use crate::error::Result;

/// Who hears the name and the data of each event.
pub type Hear<'a> = &'a mut dyn FnMut(&[u8], &[u8]) -> Result<()>;

/// What has come of an event that is not whole yet.
#[derive(Debug, Default)]
pub struct Reader {
    /// The beginning of a line whose end has not come.
    line: Vec<u8>,
    /// The event's name; empty means `message`.
    name: Vec<u8>,
    /// Its data, each line with an LF.
    data: Vec<u8>,
    /// The last line ended with CR, so an LF that comes first belongs to it.
    after_cr: bool,
}

impl Reader {
    /// Takes a piece of a stream, and has `hear` hear the name and the data of each event that it
    /// makes whole. An event that has no line of data is none.
    ///
    /// # Errors
    /// What `hear` returns; the stream cannot be read on then.
    pub fn take(&mut self, mut piece: &[u8], hear: Hear<'_>) -> Result<()> {
        while !piece.is_empty() {
            if std::mem::take(&mut self.after_cr) && piece[0] == b'\n' {
                piece = &piece[1..];
                continue;
            }
            let Some(end) = memchr2(b'\n', b'\r', piece) else {
                self.line.extend_from_slice(piece);
                return Ok(());
            };
            self.after_cr = piece[end] == b'\r';
            if self.line.is_empty() {
                self.take_line(&piece[..end], hear)?;
            } else {
                self.line.extend_from_slice(&piece[..end]);
                let line = std::mem::take(&mut self.line);
                self.take_line(&line, hear)?;
                self.line = line;
                self.line.clear();
            }
            piece = &piece[end + 1..];
        }
        Ok(())
    }

    fn take_line(&mut self, line: &[u8], hear: Hear<'_>) -> Result<()> {
        if line.is_empty() {
            if let Some((_, data)) = self.data.split_last() {
                let name: &[u8] = if self.name.is_empty() {
                    b"message"
                } else {
                    &self.name
                };
                hear(name, data)?;
            }
            self.name.clear();
            self.data.clear();
            return Ok(());
        }
        let colon = memchr::memchr(b':', line);
        let (field, value) = line.split_at(colon.unwrap_or(line.len()));
        let value = value.strip_prefix(b":").unwrap_or(value);
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match field {
            b"data" => {
                self.data.extend_from_slice(value);
                self.data.push(b'\n');
            }
            b"event" => {
                self.name.clear();
                self.name.extend_from_slice(value);
            }
            // A comment, an id, a time to retry, or something new.
            _ => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The events of a stream that comes in pieces of this length.
    fn events(stream: &str, length: usize) -> Vec<(String, String)> {
        let mut reader = Reader::default();
        let mut events = Vec::new();
        let string = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        for piece in stream.as_bytes().chunks(length) {
            let mut hear = |name: &[u8], data: &[u8]| {
                events.push((string(name), string(data)));
                Ok(())
            };
            reader.take(piece, &mut hear).expect("nobody refuses");
        }
        events
    }

    fn event(name: &str, data: &str) -> (String, String) {
        (name.to_owned(), data.to_owned())
    }

    #[test]
    fn events_are_the_same_however_they_are_cut() {
        let stream = ": hello\n\nevent: endpoint\ndata: /messages?x=1\n\nid: 7\ndata:\n\n\
                      retry: 3\r\ndata: {\"a\":\r\ndata:  1}\r\n\r\nevent:message\rdata:x\r\r\
                      data\n\ndata: cut off";
        let wanted = [
            event("endpoint", "/messages?x=1"),
            event("message", ""),
            event("message", "{\"a\":\n 1}"),
            event("message", "x"),
            event("message", ""),
        ];
        for length in 1..=stream.len() {
            assert_eq!(events(stream, length), wanted, "in pieces of {length}");
        }
    }

    #[test]
    fn what_has_no_data_is_no_event() {
        assert_eq!(
            events("event: ping\n\n\n\ndata: y\n\n", 3),
            [event("message", "y")]
        );
    }
}
