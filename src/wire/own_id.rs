//! The ids of the requests that the gateway sends to its children: whole
//! numbers that say what the request was for, so that a reader thread can tell
//! the answer to a list from the answer to a call without asking the hub.

/// What a request to a child was for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Purpose {
    /// A client's own request, passed on.
    Call,
    /// The handshake.
    Initialize,
    /// The greeting of the stateless era, `server/discover`.
    Discover,
    /// What is told of changes in the stateless era, `subscriptions/listen`: it
    /// is answered when it ends.
    Listen,
    /// A page of `tools/list` for the catalog.
    Tools,
    /// A page of `prompts/list` for the catalog.
    Prompts,
    /// A page of `resources/list` for the catalog.
    Resources,
    /// A page of `resources/templates/list` for the catalog.
    Templates,
    /// Anything whose result says nothing: ping, subscriptions, log levels.
    Errand,
}

/// Every purpose, at the place that its code in an id names.
const PURPOSES: [Purpose; 9] = [
    Purpose::Call,
    Purpose::Initialize,
    Purpose::Discover,
    Purpose::Listen,
    Purpose::Tools,
    Purpose::Prompts,
    Purpose::Resources,
    Purpose::Templates,
    Purpose::Errand,
];

/// How many low bits of an id hold the purpose.
const PURPOSE_BITS: u32 = 4;

/// A request of ours to a child. On the wire it is the number
/// `serial * 16 + code of the purpose`, which stays below 2⁵³ (the largest
/// number that JavaScript children keep exact) for 5 · 10¹⁴ requests.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct OwnId(u64);

impl OwnId {
    /// The id of the `serial`-th request.
    pub fn new(serial: u64, purpose: Purpose) -> OwnId {
        OwnId(serial << PURPOSE_BITS | purpose as u64)
    }

    /// The id that this number on the wire names, if it can be one of ours.
    pub fn from_number(number: u64) -> Option<OwnId> {
        let id = OwnId(number);
        PURPOSES.get(id.code()).map(|_| id)
    }

    /// The number on the wire.
    pub fn number(self) -> u64 {
        self.0
    }

    /// What the request was for.
    pub fn purpose(self) -> Purpose {
        PURPOSES[self.code()]
    }

    fn code(self) -> usize {
        (self.0 & ((1 << PURPOSE_BITS) - 1)) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_keeps_its_purpose_over_the_wire() {
        for purpose in PURPOSES {
            let id = OwnId::new(41, purpose);
            assert_eq!(OwnId::from_number(id.number()), Some(id));
            assert_eq!(id.purpose(), purpose);
        }
    }

    #[test]
    fn ids_of_one_serial_differ_by_purpose_and_a_stranger_is_none() {
        assert_ne!(OwnId::new(1, Purpose::Call), OwnId::new(1, Purpose::Tools));
        assert_eq!(OwnId::from_number(15), None);
    }
}
