//! Which requests still wait for their answers on a stream, as its event ids say
//! it: so that a process which knows nothing of that stream can tell the client
//! that comes back for it that they are lost.

use std::fmt;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::limits;
use crate::wire::scan::{Scanner, Shape};

/// What stands between two ids; no digit of base64url.
const BETWEEN: char = '.';

/// The JSON-RPC ids of the requests, at least one, as text that fits into a
/// header: each in base64url, with dots between them. Clones share it.
///
/// It is not sealed, though clients carry it. Whoever makes one up is told that
/// requests of his own are lost, in his own session, and nobody else anything.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Awaited(Arc<str>);

impl Awaited {
    /// These requests, by their ids as JSON text. None where there is none, or
    /// where they are too many to be carried with each event.
    pub fn of<'a>(ids: impl IntoIterator<Item = &'a str>) -> Option<Awaited> {
        let mut text = String::new();
        for id in ids {
            if !text.is_empty() {
                text.push(BETWEEN);
            }
            URL_SAFE_NO_PAD.encode_string(id, &mut text);
            if text.len() > limits::EVENT_AWAITED_BYTES_MAX {
                return None;
            }
        }
        (!text.is_empty()).then(|| Awaited(text.into()))
    }

    /// The ids, as JSON text.
    pub fn ids(&self) -> Vec<Arc<str>> {
        let ids = self.0.split(BETWEEN).filter_map(id_in);
        ids.map(Arc::from).collect()
    }
}

impl fmt::Display for Awaited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::str::FromStr for Awaited {
    type Err = ();

    fn from_str(text: &str) -> Result<Awaited, ()> {
        let is_short = text.len() <= limits::EVENT_AWAITED_BYTES_MAX
            && text.split(BETWEEN).count() <= limits::BATCH_MESSAGES_MAX;
        let is_read = is_short && text.split(BETWEEN).all(|part| id_in(part).is_some());
        is_read.then(|| Awaited(text.into())).ok_or(())
    }
}

/// The id that was written so: a string or a number, and nothing else. Strings
/// of JSON have no line breaks in them, so it may stand in an answer.
fn id_in(part: &str) -> Option<String> {
    let text = String::from_utf8(URL_SAFE_NO_PAD.decode(part).ok()?).ok()?;
    let mut scanner = Scanner::new(&text);
    let value = scanner.value().ok()?;
    scanner.finish().ok()?;
    let is_id = matches!(value.shape, Shape::String | Shape::Number)
        && value.json(&text) == text
        && text.len() <= limits::ID_BYTES_MAX;
    is_id.then_some(text)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::wire::arbitrary;

    fn texts(awaited: &Awaited) -> Vec<String> {
        awaited.ids().iter().map(|id| id.to_string()).collect()
    }

    #[test]
    fn ids_keep_their_type_and_fit_into_a_header() {
        let two = Awaited::of(["1", r#""1""#]).expect("they are few");
        assert_eq!(two.to_string(), "MQ.IjEi");
        assert_eq!(texts(&two), ["1", r#""1""#]);
        assert_eq!(Awaited::of([]), None);
    }

    #[test]
    fn the_longest_id_is_carried_and_what_would_be_longer_than_the_limit_is_not() {
        let longest = format!("\"{}\"", "x".repeat(limits::ID_BYTES_MAX - 2));
        let one = Awaited::of([longest.as_str()]).expect("it is one");
        assert_eq!(one.to_string().parse(), Ok(one));
        assert_eq!(Awaited::of([longest.as_str(); 2]), None);
    }

    #[test]
    fn nothing_but_ids_is_read() {
        for text in [
            "", ".", "MQ.", "MQ..MQ", "MQ==", "bnVsbA", // null
            "e30",    // {}
            "MSA",    // 1 and a space
            "IDE",    // a space and 1
            "MSwy",   // 1,2
            "Igoi",   // a string with a line break in it
            "_w",     // no UTF-8
            "MQ\n",
        ] {
            assert_eq!(text.parse::<Awaited>(), Err(()), "{text:?}");
        }
        let long = URL_SAFE_NO_PAD.encode("1".repeat(limits::ID_BYTES_MAX + 1));
        assert_eq!(long.parse::<Awaited>(), Err(()));
        let many = vec!["MQ"; limits::BATCH_MESSAGES_MAX + 1].join(".");
        assert_eq!(many.parse::<Awaited>(), Err(()));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(ids in prop::collection::vec(
            prop_oneof!["-?[1-9][0-9]{0,20}", arbitrary::string()], 1..6,
        )) {
            prop_assume!(ids.iter().all(|id| id.len() <= limits::ID_BYTES_MAX));
            if let Some(awaited) = Awaited::of(ids.iter().map(String::as_str)) {
                let text = awaited.to_string();
                prop_assert!(text.len() <= limits::EVENT_AWAITED_BYTES_MAX);
                prop_assert!(text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b)));
                prop_assert_eq!(texts(&text.parse().expect("it was written so")), ids);
            }
        }

        #[test]
        fn whatever_is_read_is_one_line_for_each_id(text in "[A-Za-z0-9_.-]{0,40}|\\PC{0,20}") {
            if let Ok(awaited) = text.parse::<Awaited>() {
                prop_assert_eq!(awaited.to_string(), text);
                prop_assert!(!awaited.ids().is_empty());
                prop_assert!(!texts(&awaited).concat().contains(['\n', '\r']));
            }
        }
    }
}
