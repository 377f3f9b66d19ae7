//! The eras that client and server may be of, and what the gateway may put into a message that
//! crosses from one to the other. Everything else arrives as it was sent.

use serde_json::{Value, json};

use super::template::{Content, Insertion, Place};

/// Names and values of headers.
pub type Headers = Vec<(&'static str, String)>;

/// The revision of the era without a handshake.
const VERSION: &str = "2026-07-28";

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
    /// What is put into a notification that belongs to no request.
    pub asides: &'static [Insertion],
}

/// `_meta` of 2026-07-28: what every request must carry.
pub const PROTOCOL_VERSION: &str = "io.modelcontextprotocol/protocolVersion";
/// The same.
pub const CLIENT_CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";
/// What it should carry.
pub const CLIENT_INFO: &str = "io.modelcontextprotocol/clientInfo";
/// What it carries if its client wants log messages.
pub const LOG_LEVEL: &str = "io.modelcontextprotocol/logLevel";

/// `_meta` of what is told of a subscription: the id of the request that began it.
pub const SUBSCRIPTION_ID: &str = "io.modelcontextprotocol/subscriptionId";

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

/// What a notification of the handshake era lacks.
const SUBSCRIPTION: &[Insertion] = &[
    Insertion {
        place: Place::Params,
        key: "_meta",
        content: Content::Members(&[SUBSCRIPTION_ID], &[]),
        must: true,
    },
    Insertion {
        place: Place::Meta,
        key: SUBSCRIPTION_ID,
        content: Content::Exactly(OWN_ID),
        must: true,
    },
];

/// The id of what a client asks beside its talks, a subscription among it.
const OWN_ID: &str = "\"beside\"";

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
        asides: &[],
    },
    Crossing {
        client: Era::Stateless,
        server: Era::Handshake,
        is_built: true,
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
        asides: SUBSCRIPTION,
    },
    Crossing {
        client: Era::Handshake,
        server: Era::Stateless,
        is_built: true,
        requests: ERA_OF_REQUESTS,
        results: &[],
        reads: &[],
        asides: &[],
    },
    Crossing {
        client: Era::Stateless,
        server: Era::Stateless,
        is_built: true,
        requests: &[],
        results: &[],
        reads: &[],
        asides: &[],
    },
];

impl Era {
    /// A request that is no part of a talk, and its headers.
    pub fn request(self, method: &str, mut params: Value) -> (String, Headers) {
        if self == Era::Stateless {
            params["_meta"] = json!({PROTOCOL_VERSION: VERSION, CLIENT_CAPABILITIES: {}});
        }
        let request =
            format!(r#"{{"jsonrpc":"2.0","id":{OWN_ID},"method":"{method}","params":{params}}}"#);
        (request, self.headers(method, None))
    }

    /// What the head of a request must say of it, its name or URI included (2026-07-28,
    /// transports, "Standard Headers").
    pub fn headers(self, method: &str, name: Option<&str>) -> Headers {
        if self == Era::Handshake {
            return Headers::new();
        }
        let mut headers = vec![
            ("MCP-Protocol-Version", VERSION.to_owned()),
            ("Mcp-Method", method.to_owned()),
        ];
        headers.extend(name.map(|name| ("Mcp-Name", header_value(name))));
        headers
    }
}

/// A text as the value of a header: as it is, or in base64 where a header cannot hold it
/// (2026-07-28, transports, "Value Encoding").
fn header_value(text: &str) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    if text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return text.to_owned();
    }
    let mut encoded = String::new();
    for chunk in text.as_bytes().chunks(3) {
        let byte = |at: usize| u32::from(chunk.get(at).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for digit in 0..4 {
            encoded.push(match digit > chunk.len() {
                true => '=',
                false => char::from(DIGITS[(bits >> (18 - 6 * digit)) as usize & 63]),
            });
        }
    }
    format!("=?base64?{encoded}?=")
}

impl std::fmt::Display for Crossing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?} client, {:?} server", self.client, self.server)
    }
}

impl Crossing {
    /// Whether client and server are of the era with a handshake, so that nothing at all is
    /// put in and servers may ask their clients.
    pub fn is_plain(&self) -> bool {
        self.client == Era::Handshake && self.server == Era::Handshake
    }
}
