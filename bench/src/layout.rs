//! Messages that differ only in a number, which always has ten digits: written, and recognised, by
//! setting the digits and nothing else. So each answer is compared to its last byte at the price of
//! comparing memory.

use memchr::memmem::{find, find_iter};

/// Digits of a number.
const DIGITS: usize = 10;

/// The first number: it has all its digits, and there is room for a thousand million more before
/// a server that keeps ids in 31 bits would stumble.
pub const FIRST: u64 = 1_000_000_000;

/// A message, and where in it the number stands.
#[derive(Debug)]
pub struct Layout {
    bytes: Vec<u8>,
    spots: Vec<usize>,
    /// The one of these that is the value of a member `id`.
    id: Option<usize>,
}

impl Layout {
    /// Finds the number in a message.
    pub fn new(message: &[u8], number: u64) -> Layout {
        let digits = digits(number);
        let spots: Vec<usize> = find_iter(message, &digits).collect();
        let is_id = |spot: &usize| {
            let before = message[..*spot].trim_ascii_end().strip_suffix(b":");
            before.is_some_and(|key| key.trim_ascii_end().ends_with(b"\"id\""))
        };
        Layout {
            bytes: message.to_vec(),
            id: spots.iter().copied().find(is_id),
            spots,
        }
    }

    /// The message with this number.
    pub fn with(&mut self, number: u64) -> &[u8] {
        let digits = digits(number);
        for spot in &self.spots {
            self.bytes[*spot..*spot + DIGITS].copy_from_slice(&digits);
        }
        &self.bytes
    }

    /// The number of a message that is this one to the last byte but for the number.
    pub fn number_of(&mut self, message: &[u8]) -> Option<u64> {
        let id = self.id.filter(|_| message.len() == self.bytes.len())?;
        let digits = std::str::from_utf8(&message[id..id + DIGITS]).ok()?;
        let number = digits.parse().ok()?;
        (self.with(number) == message).then_some(number)
    }

    /// Whether this part, which differs from client to client, is anywhere in it.
    pub fn has(&self, part: &[u8]) -> bool {
        find(&self.bytes, part).is_some()
    }
}

/// A number as text, with zeros before it where it is short.
fn digits(mut number: u64) -> [u8; DIGITS] {
    let mut digits = [b'0'; DIGITS];
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
    digits
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANSWER: &str = r#"{"id" : 1000000007,"result":"call 1000000007."}"#;

    #[test]
    fn a_message_is_written_with_any_number() {
        let mut layout = Layout::new(ANSWER.as_bytes(), FIRST + 7);
        let wanted = ANSWER.replace("1000000007", "1234567890");
        assert_eq!(layout.with(1_234_567_890), wanted.as_bytes());
    }

    #[test]
    fn a_message_is_recognised_only_if_every_byte_is_right() {
        let mut layout = Layout::new(ANSWER.as_bytes(), FIRST + 7);
        let next = ANSWER.replace("1000000007", "1000000019");
        assert_eq!(layout.number_of(next.as_bytes()), Some(FIRST + 19));
        for wrong in [
            next.replacen("1000000019", "1000000018", 1),
            next.replace("call 1000000019", "call 1000000018"),
            next.replace("call", "tall"),
            next.replace('.', ".."),
            next.replacen("1000000019", "+000000019", 1),
        ] {
            assert_eq!(layout.number_of(wrong.as_bytes()), None, "{wrong}");
        }
        assert_eq!(layout.number_of(ANSWER.as_bytes()), Some(FIRST + 7));
    }

    #[test]
    fn without_an_id_nothing_is_recognised() {
        let mut layout = Layout::new(b"[1000000007]", FIRST + 7);
        assert_eq!(layout.number_of(b"[1000000007]"), None);
    }
}
