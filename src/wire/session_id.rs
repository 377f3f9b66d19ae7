//! What the id of a session carries, so that another process can go on with it
//! (a session ticket, as TLS has them): made into bytes, and read back. Bytes
//! alone; that nobody can write such a ticket himself is the business of `seal`.

use std::fmt;

use crate::limits;
use crate::wire::envelope::quoted;
use crate::wire::handshake::{ClientCan, ClientHello, Revision};
use crate::wire::scan;

/// The form of a ticket. Another form gets another number, so that none is ever
/// read as the other.
const FORMAT: u8 = 1;

/// What stands before the client's name and version: the form, the nonce, the
/// revision, what the client can be asked, and the start.
const FIXED_BYTES: usize = 1 + 16 + 1 + 1 + 8;

/// What is said of a client whose name, or version, was too long to be carried.
const UNKNOWN: &str = "unknown";

/// 128 random bits that tell a session from all others. No secret by itself. Its
/// text is hexadecimal.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Nonce(pub [u8; 16]);

impl fmt::Display for Nonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// What an id carries.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Ticket {
    /// What tells the session from all others.
    pub nonce: Nonce,
    /// The revision agreed on.
    pub revision: Revision,
    /// Which questions its client can be asked.
    pub can: ClientCan,
    /// When it began, in seconds since 1970.
    pub start: u64,
    /// The client's name, empty if it is not carried.
    pub name: String,
    /// The client's version, empty if it is not carried.
    pub version: String,
}

impl Ticket {
    /// The ticket of a session that begins. A name or a version that would make
    /// the id long is left out.
    pub fn new(nonce: Nonce, start: u64, hello: &ClientHello) -> Ticket {
        let [name, version] = names_in(&hello.info);
        let carried = |text: String, max: usize| match text.len() <= max {
            true => text,
            false => String::new(),
        };
        Ticket {
            nonce,
            revision: Revision::agreed(&hello.version),
            can: hello.can,
            start,
            name: carried(name, limits::TICKET_NAME_BYTES_MAX),
            version: carried(version, limits::TICKET_VERSION_BYTES_MAX),
        }
    }

    /// The ticket as bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(FIXED_BYTES + self.name.len() + self.version.len() + 2);
        bytes.push(FORMAT);
        bytes.extend_from_slice(&self.nonce.0);
        bytes.push(number_of(self.revision));
        bytes.push(bits_of(self.can));
        bytes.extend_from_slice(&self.start.to_be_bytes());
        for text in [&self.name, &self.version] {
            bytes.push(u8::try_from(text.len()).unwrap_or_default());
            bytes.extend_from_slice(text.as_bytes());
        }
        bytes
    }

    /// The ticket in these bytes, if they are one, and nothing else.
    pub fn decode(bytes: &[u8]) -> Option<Ticket> {
        let (fixed, rest) = bytes.split_at_checked(FIXED_BYTES)?;
        let (&form, fixed) = fixed.split_first()?;
        let (&nonce, fixed) = fixed.split_first_chunk::<16>()?;
        let (&[revision, can], start) = fixed.split_first_chunk::<2>()?;
        let (name, rest) = text_of(rest)?;
        let (version, rest) = text_of(rest)?;
        (form == FORMAT && rest.is_empty()).then_some(Ticket {
            nonce: Nonce(nonce),
            revision: *Revision::ALL.get(usize::from(revision))?,
            can: can_of(can)?,
            start: u64::from_be_bytes(start.try_into().ok()?),
            name,
            version,
        })
    }

    /// What the client said of itself, as far as its id carries it. What it said
    /// beyond that, such as its title, is lost.
    pub fn hello(&self) -> ClientHello {
        let or_unknown = |text: &str| match text {
            "" => quoted(UNKNOWN),
            text => quoted(text),
        };
        let (name, version) = (or_unknown(&self.name), or_unknown(&self.version));
        ClientHello {
            version: self.revision.name().into(),
            capabilities: capabilities_of(self.can).into(),
            info: format!(r#"{{"name":{name},"version":{version}}}"#).into(),
            can: self.can,
        }
    }
}

/// The name and the version in a `clientInfo`; empty where it has none.
fn names_in(info: &str) -> [String; 2] {
    let found = scan::members(info, ["name", "version"]).unwrap_or_default();
    found.map(|value| {
        let text = value.and_then(|value| scan::text(value.json(info)).map(|t| t.into_owned()));
        text.unwrap_or_default()
    })
}

/// One text behind its length, and what follows.
fn text_of(bytes: &[u8]) -> Option<(String, &[u8])> {
    let (&length, rest) = bytes.split_first()?;
    let (text, rest) = rest.split_at_checked(usize::from(length))?;
    Some((String::from_utf8(text.to_vec()).ok()?, rest))
}

/// Its place among the revisions, which only ever grow at the end.
fn number_of(revision: Revision) -> u8 {
    match revision {
        Revision::V2024_11_05 => 0,
        Revision::V2025_03_26 => 1,
        Revision::V2025_06_18 => 2,
        Revision::V2025_11_25 => 3,
    }
}

fn bits_of(can: ClientCan) -> u8 {
    u8::from(can.sampling)
        | u8::from(can.sampling_tools) << 1
        | u8::from(can.elicitation) << 2
        | u8::from(can.elicitation_url) << 3
        | u8::from(can.roots) << 4
}

/// None if it says something that is not known here.
fn can_of(bits: u8) -> Option<ClientCan> {
    let has = |place: u8| bits & (1 << place) != 0;
    (bits < 1 << 5).then(|| ClientCan {
        sampling: has(0),
        sampling_tools: has(1),
        elicitation: has(2),
        elicitation_url: has(3),
        roots: has(4),
    })
}

/// Capabilities (JSON text) that declare exactly this.
fn capabilities_of(can: ClientCan) -> String {
    let mut declared = Vec::new();
    if can.sampling {
        let tools = if can.sampling_tools {
            r#""tools":{}"#
        } else {
            ""
        };
        declared.push(format!(r#""sampling":{{{tools}}}"#));
    }
    let kinds = match (can.elicitation, can.elicitation_url) {
        (true, true) => Some(r#""form":{},"url":{}"#),
        (true, false) => Some(r#""form":{}"#),
        (false, true) => Some(r#""url":{}"#),
        (false, false) => None,
    };
    if let Some(kinds) = kinds {
        declared.push(format!(r#""elicitation":{{{kinds}}}"#));
    }
    if can.roots {
        declared.push(r#""roots":{}"#.to_owned());
    }
    format!("{{{}}}", declared.join(","))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::wire::handshake::read_client_can;

    fn ticket(can: ClientCan) -> Ticket {
        Ticket {
            nonce: Nonce(*b"0123456789abcdef"),
            revision: Revision::V2025_03_26,
            can,
            start: 1_800_000_000,
            name: "c".to_owned(),
            version: "1.0".to_owned(),
        }
    }

    fn hello(info: &str) -> ClientHello {
        ClientHello {
            version: "2025-06-18".into(),
            capabilities: r#"{"x":1}"#.into(),
            info: info.into(),
            can: ClientCan::default(),
        }
    }

    #[test]
    fn a_ticket_has_the_bytes_that_others_wrote_before() {
        let can = ClientCan {
            elicitation: true,
            roots: true,
            ..ClientCan::default()
        };
        // By hand: an id must open after an update as well.
        let bytes = b"\x010123456789abcdef\x01\x14\0\0\0\0\x6b\x49\xd2\0\x01c\x031.0";
        assert_eq!(ticket(can).encode(), bytes);
        assert_eq!(Ticket::decode(bytes), Some(ticket(can)));
    }

    #[test]
    fn what_is_no_ticket_is_none() {
        let bytes = ticket(ClientCan::default()).encode();
        for length in 0..bytes.len() {
            assert_eq!(Ticket::decode(&bytes[..length]), None, "{length}");
        }
        assert_eq!(Ticket::decode(&[&*bytes, b"x"].concat()), None);
        for (place, wrong) in [(0, 2), (17, 4), (18, 0x20), (27, 0x80), (28, 0xff)] {
            let mut bytes = bytes.clone();
            bytes[place] = wrong;
            assert_eq!(Ticket::decode(&bytes), None, "{place}");
        }
    }

    #[test]
    fn a_client_is_named_unless_that_is_long() {
        let named = |info: &str| {
            let ticket = Ticket::new(Nonce([0; 16]), 7, &hello(info));
            (
                ticket.name.clone(),
                ticket.version.clone(),
                ticket.hello().info,
            )
        };
        assert_eq!(
            named(r#"{"version":"2","title":"T","name":"a \"b\""}"#),
            (
                "a \"b\"".into(),
                "2".into(),
                r#"{"name":"a \"b\"","version":"2"}"#.into()
            )
        );
        let unknown = r#"{"name":"unknown","version":"unknown"}"#;
        assert_eq!(named("{}"), (String::new(), String::new(), unknown.into()));
        let long = "n".repeat(limits::TICKET_NAME_BYTES_MAX + 1);
        let (name, version, _) = named(&format!(r#"{{"name":"{long}","version":"1"}}"#));
        assert_eq!((&*name, &*version), ("", "1"));
        let just = &long[1..];
        assert_eq!(named(&format!(r#"{{"name":"{just}"}}"#)).0, just);
    }

    #[test]
    fn a_version_that_is_not_known_is_carried_as_the_one_agreed_on() {
        let mut hello = hello("{}");
        hello.version = "1999-01-01".into();
        let ticket = Ticket::new(Nonce([0; 16]), 7, &hello);
        assert_eq!(ticket.hello().version, "2025-11-25");
    }

    #[test]
    fn what_a_client_can_is_declared_so_that_it_is_read_back() {
        for bits in 0..1_u8 << 5 {
            let can = can_of(bits).expect("all of them are known");
            assert_eq!(bits_of(can), bits);
            // Nobody can be asked with tools who cannot be asked at all.
            if can.sampling || !can.sampling_tools {
                let declared = ticket(can).hello().capabilities;
                assert_eq!(read_client_can(&declared), Ok(can), "{declared}");
            }
        }
    }

    proptest! {
        #[test]
        fn any_ticket_is_read_back(
            nonce in any::<[u8; 16]>(),
            revision in 0_usize..4,
            bits in 0_u8..32,
            start in any::<u64>(),
            name in "\\PC{0,12}",
            version in "\\PC{0,8}",
        ) {
            let ticket = Ticket {
                nonce: Nonce(nonce),
                revision: Revision::ALL[revision],
                can: can_of(bits).expect("they are known"),
                start,
                name,
                version,
            };
            prop_assert_eq!(Ticket::decode(&ticket.encode()), Some(ticket));
        }

        #[test]
        fn any_bytes_are_read_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            if let Some(ticket) = Ticket::decode(&bytes) {
                prop_assert_eq!(ticket.encode(), bytes);
            }
        }
    }
}
