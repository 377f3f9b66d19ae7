//! What the two sides tell each other in `initialize`, in the handshake era
//! (2024-11-05 to 2025-11-25).

use crate::wire::envelope::Message;

/// The revisions with a handshake, oldest first. The order is that of time, so
/// `>=` asks whether a revision has what another brought.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Revision {
    /// 2024-11-05
    V2024_11_05,
    /// 2025-03-26
    V2025_03_26,
    /// 2025-06-18
    V2025_06_18,
    /// 2025-11-25
    V2025_11_25,
}

impl Revision {
    /// Every one, oldest first.
    pub const ALL: [Revision; 4] = [
        Revision::V2024_11_05,
        Revision::V2025_03_26,
        Revision::V2025_06_18,
        Revision::V2025_11_25,
    ];

    /// The newest, offered to children, and answered to clients that ask for
    /// one this gateway does not know.
    pub const LATEST: Revision = Revision::V2025_11_25;

    /// Its name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Revision::V2024_11_05 => "2024-11-05",
            Revision::V2025_03_26 => "2025-03-26",
            Revision::V2025_06_18 => "2025-06-18",
            Revision::V2025_11_25 => "2025-11-25",
        }
    }

    /// The revision of that name.
    pub fn from_name(name: &str) -> Option<Revision> {
        Revision::ALL
            .into_iter()
            .find(|revision| revision.name() == name)
    }
}

/// What a client says in the parameters of `initialize`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ClientHello {
    /// The revision it asks for, as it wrote it.
    pub version: String,
    /// Its capabilities, as JSON text; `{}` if it named none.
    pub capabilities: Box<str>,
    /// Its `clientInfo`, as JSON text; `{}` if it named none.
    pub info: Box<str>,
    /// Which of the questions of a server it can answer.
    pub can: ClientCan,
}

/// Which questions of a server a client has declared it can answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ClientCan {
    /// `sampling/createMessage`
    pub sampling: bool,
    /// `elicitation/create`
    pub elicitation: bool,
    /// `roots/list`
    pub roots: bool,
}

/// What a server says in the result of `initialize`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ServerHello {
    /// The revision that the child will speak.
    pub revision: Revision,
    /// Its capabilities, as JSON text.
    pub capabilities: Box<str>,
    /// Its `serverInfo`, as JSON text.
    pub info: Box<str>,
    /// Its `instructions`, decoded.
    pub instructions: Option<String>,
    /// Which of its parts it has declared.
    pub has: ServerHas,
}

/// Which parts a server has declared.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ServerHas {
    /// `tools`
    pub tools: bool,
    /// `prompts`
    pub prompts: bool,
    /// `resources`
    pub resources: bool,
    /// `resources.subscribe`
    pub subscribe: bool,
    /// `completions`
    pub completions: bool,
    /// `logging`
    pub logging: bool,
}

/// Reads the parameters of a client's `initialize`. The error is a sentence
/// naming the field that is missing or wrong.
pub fn read_client_hello(message: &Message) -> Result<ClientHello, String> {
    let _ = message;
    Err("not built".into())
}

/// Reads the result of a child's `initialize`. The error is a sentence naming
/// the field that is missing or wrong, or the revision nobody knows.
pub fn read_server_hello(message: &Message) -> Result<ServerHello, String> {
    let _ = message;
    Err("not built".into())
}
