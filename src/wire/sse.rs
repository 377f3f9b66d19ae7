//! Server-sent events, as the doors write them (WHATWG HTML, section 9.2).
//! Each function appends one whole block, blank line included, so that a door
//! can hand it to the socket in one write.

use std::fmt;
use std::io::Write;

use crate::wire::awaited::Awaited;

/// What tells the events of one process from those of another: six digits of
/// base 36.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Epoch(u32);

/// How many digits an epoch has, and of which base.
const EPOCH_DIGITS: usize = 6;
const EPOCH_BASE: u32 = 36;

impl Epoch {
    /// The epoch that belongs to a number no other process is likely to have.
    pub fn drawn(number: u64) -> Epoch {
        let all = u64::from(EPOCH_BASE).pow(EPOCH_DIGITS as u32);
        Epoch(u32::try_from(number % all).unwrap_or_default())
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digit = |place: usize| {
            let value = self.0 / EPOCH_BASE.pow(place as u32) % EPOCH_BASE;
            char::from_digit(value, EPOCH_BASE).unwrap_or('0')
        };
        (0..EPOCH_DIGITS)
            .rev()
            .try_for_each(|place| write!(f, "{}", digit(place)))
    }
}

impl std::str::FromStr for Epoch {
    type Err = ();

    fn from_str(text: &str) -> Result<Epoch, ()> {
        let is_digit = |b: u8| b.is_ascii_digit() || b.is_ascii_lowercase();
        if text.len() != EPOCH_DIGITS || !text.bytes().all(is_digit) {
            return Err(());
        }
        u32::from_str_radix(text, EPOCH_BASE)
            .map(Epoch)
            .map_err(|_| ())
    }
}

/// The place of one event in a resumable stream. On the wire it is the text
/// `epoch-stream-number`, the last two decimal, and where answers are awaited
/// `-requests` behind it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct EventId {
    /// The process it was sent by.
    pub epoch: Epoch,
    /// The stream, unique in the process.
    pub stream: u64,
    /// The place in it; 0 is the priming event.
    pub number: u32,
    /// The requests that the stream owed an answer after this event. Read by
    /// another process only: the one that sent it knows better.
    pub awaited: Option<Awaited>,
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}-{}", self.epoch, self.stream, self.number)?;
        match &self.awaited {
            Some(awaited) => write!(f, "-{awaited}"),
            None => Ok(()),
        }
    }
}

impl std::str::FromStr for EventId {
    type Err = ();

    fn from_str(text: &str) -> Result<EventId, ()> {
        let (epoch, place) = text.split_once('-').ok_or(())?;
        let (stream, rest) = place.split_once('-').ok_or(())?;
        let (number, awaited) = match rest.split_once('-') {
            Some((number, awaited)) => (number, Some(awaited.parse()?)),
            None => (rest, None),
        };
        Ok(EventId {
            epoch: epoch.parse()?,
            stream: stream.parse().map_err(|_| ())?,
            number: number.parse().map_err(|_| ())?,
            awaited,
        })
    }
}

/// Appends an event. `data` appends its data, which must be one line: a second
/// one would end up outside the event.
pub fn write_event(
    out: &mut Vec<u8>,
    name: Option<&str>,
    id: Option<&EventId>,
    data: impl FnOnce(&mut Vec<u8>),
) {
    if let Some(name) = name {
        line(out, "event", format_args!("{name}"));
    }
    if let Some(id) = id {
        line(out, "id", format_args!("{id}"));
    }
    out.extend_from_slice(b"data: ");
    let start = out.len();
    data(out);
    debug_assert!(!out[start..].contains(&b'\n') && !out[start..].contains(&b'\r'));
    out.extend_from_slice(b"\n\n");
}

/// Appends a comment, which clients ignore: it keeps a quiet stream open. The
/// text must be one line.
pub fn write_comment(out: &mut Vec<u8>, text: &str) {
    debug_assert!(!text.contains(['\n', '\r']));
    line(out, "", format_args!("{text}"));
    out.push(b'\n');
}

/// Appends the priming event (2025-11-25, Streamable HTTP): an id and no data,
/// so that a client can resume a stream on which nothing has come yet, and the
/// time in milliseconds to wait before it does.
pub fn write_prime(out: &mut Vec<u8>, id: &EventId, retry_ms: u64) {
    line(out, "id", format_args!("{id}"));
    line(out, "retry", format_args!("{retry_ms}"));
    out.extend_from_slice(b"data: \n\n");
}

fn line(out: &mut Vec<u8>, field: &str, value: std::fmt::Arguments<'_>) {
    // Writing to a `Vec` cannot fail.
    drop(writeln!(out, "{field}: {value}"));
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ID: EventId = EventId {
        epoch: Epoch(46_655),
        stream: 3,
        number: 14,
        awaited: None,
    };

    fn written(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = b"|".to_vec();
        write(&mut out);
        String::from_utf8(out).expect("text")
    }

    #[test]
    fn an_event_has_the_fields_it_is_given() {
        let data = |out: &mut Vec<u8>| out.extend_from_slice(b"{\"a\": 1}");
        assert_eq!(
            written(|out| write_event(out, Some("message"), Some(&ID), data)),
            "|event: message\nid: 000zzz-3-14\ndata: {\"a\": 1}\n\n"
        );
        assert_eq!(
            written(|out| write_event(out, None, None, data)),
            "|data: {\"a\": 1}\n\n"
        );
    }

    #[test]
    fn a_comment_and_a_priming_event_are_blocks_of_their_own() {
        assert_eq!(
            written(|out| write_comment(out, "keep-alive")),
            "|: keep-alive\n\n"
        );
        assert_eq!(
            written(|out| write_prime(out, &ID, 1500)),
            "|id: 000zzz-3-14\nretry: 1500\ndata: \n\n"
        );
    }

    #[test]
    fn an_event_id_is_read_as_it_is_written_and_nothing_else_is() {
        assert_eq!(ID.to_string().parse(), Ok(ID));
        for text in [
            "",
            "3-14",
            "000zzz-3",
            "00zzz-3-14",
            "000ZZZ-3-14",
            "0000zz-3--1",
            "+00zzz-3-14",
            "000zzz-3-14-",
            "000zzz-3-x",
            "000zzz--14",
            "ä0zzz-3-14",
            "000zzz-3-4294967296",
            "000zzz-3-14-x",
            "000zzz-3-14-MQ-",
            "000zzz-3--MQ",
        ] {
            assert_eq!(text.parse::<EventId>(), Err(()), "{text:?}");
        }
    }

    #[test]
    fn an_event_id_says_which_requests_wait() {
        let id = EventId {
            awaited: Awaited::of(["7", r#""~~~""#]),
            ..ID
        };
        let text = id.to_string();
        assert_eq!(text, "000zzz-3-14-Nw.In5-fiI");
        assert_eq!(text.parse(), Ok(id));
    }

    proptest! {
        #[test]
        fn whatever_is_read_as_an_event_id_is_written_as_one(
            text in "[0-9a-z]{6}-[0-9]{1,3}-[0-9]{1,3}(-[A-Za-z0-9_.-]{0,12})?|\\PC{0,30}",
        ) {
            if let Ok(id) = text.parse::<EventId>() {
                prop_assert_eq!(id.to_string().parse(), Ok(id));
            }
        }
    }

    #[test]
    fn an_epoch_has_six_digits_whatever_it_is_drawn_from() {
        let text = |number: u64| Epoch::drawn(number).to_string();
        assert_eq!(text(0), "000000");
        assert_eq!(text(36_u64.pow(6) - 1), "zzzzzz");
        assert_eq!(text(36_u64.pow(6) + 35), "00000z");
        assert_eq!(text(u64::MAX).len(), 6);
    }

    #[test]
    #[cfg(debug_assertions)]
    #[should_panic(expected = "assertion failed")]
    fn data_of_two_lines_is_a_bug() {
        written(|out| write_event(out, None, None, |out| out.extend_from_slice(b"a\nb")));
    }
}
