//! The eras that client and server may be of, and what the gateway may put into a message that
//! crosses from one to the other. Everything else arrives as it was sent.

use super::template::{Content, Insertion, Place};

/// An era of the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Era {
    /// Up to 2025-11-25: with `initialize`.
    Handshake,
    /// 2026-07-28: every request says what it needs in `_meta`.
    Stateless,
}

/// A client of one era, and a server of one.
#[derive(Debug)]
pub struct Crossing {
    /// The era of the client.
    pub client: Era,
    /// The era of the server.
    pub server: Era,
    /// Whether the gateway can do it: the others are not tried.
    pub is_built: bool,
    /// What is put into a request on its way to the server.
    pub requests: &'static [Insertion],
    /// What is put into a result on its way to the client.
    pub results: &'static [Insertion],
    /// The same for a result of `resources/read`, which may be kept by who asked (2026-07-28,
    /// server/utilities/caching).
    pub reads: &'static [Insertion],
}

/// `_meta` of 2026-07-28: what every request must carry.
pub const PROTOCOL_VERSION: &str = "io.modelcontextprotocol/protocolVersion";
/// The same.
pub const CLIENT_CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";
/// What it should carry.
pub const CLIENT_INFO: &str = "io.modelcontextprotocol/clientInfo";
/// What it carries if its client wants log messages.
pub const LOG_LEVEL: &str = "io.modelcontextprotocol/logLevel";

/// What a request of the handshake era lacks.
const ERA_OF_REQUESTS: &[Insertion] = &[
    Insertion {
        place: Place::Params,
        key: "_meta",
        content: Content::Members(
            &[PROTOCOL_VERSION, CLIENT_CAPABILITIES],
            &[CLIENT_INFO, LOG_LEVEL],
        ),
        must: true,
    },
    Insertion {
        place: Place::Meta,
        key: PROTOCOL_VERSION,
        content: Content::Exactly("\"2026-07-28\""),
        must: true,
    },
    Insertion {
        place: Place::Meta,
        key: CLIENT_CAPABILITIES,
        content: Content::Any,
        must: true,
    },
    Insertion {
        place: Place::Meta,
        key: CLIENT_INFO,
        content: Content::Any,
        must: false,
    },
    Insertion {
        place: Place::Meta,
        key: LOG_LEVEL,
        content: Content::Any,
        must: false,
    },
];

/// What a result of the handshake era lacks.
const RESULT_TYPE: Insertion = Insertion {
    place: Place::Result,
    key: "resultType",
    content: Content::Exactly("\"complete\""),
    must: true,
};

/// Every client and every server.
pub const CROSSINGS: [Crossing; 4] = [
    Crossing {
        client: Era::Handshake,
        server: Era::Handshake,
        is_built: true,
        requests: &[],
        results: &[],
        reads: &[],
    },
    Crossing {
        client: Era::Stateless,
        server: Era::Handshake,
        is_built: false,
        requests: &[],
        results: &[RESULT_TYPE],
        reads: &[
            RESULT_TYPE,
            Insertion {
                place: Place::Result,
                key: "ttlMs",
                content: Content::Any,
                must: true,
            },
            Insertion {
                place: Place::Result,
                key: "cacheScope",
                content: Content::Any,
                must: true,
            },
        ],
    },
    Crossing {
        client: Era::Handshake,
        server: Era::Stateless,
        is_built: false,
        requests: ERA_OF_REQUESTS,
        results: &[],
        reads: &[],
    },
    Crossing {
        client: Era::Stateless,
        server: Era::Stateless,
        is_built: false,
        requests: &[],
        results: &[],
        reads: &[],
    },
];

impl Crossing {
    /// Whether client and server are of the era with a handshake, so that nothing at all is
    /// put in and servers may ask their clients.
    pub fn is_plain(&self) -> bool {
        self.client == Era::Handshake && self.server == Era::Handshake
    }
}
