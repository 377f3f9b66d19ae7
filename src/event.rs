//! The closed lists of what can happen (`Event`) and what shall be done about
//! it (`Effect`), with the ids and the time they speak of.
//!
//! A low room: everyone may read it, and it knows only the shapes of `wire`.
//! Nothing here acts.

pub mod ids;
pub mod reading;
pub mod report;
pub mod session_id;

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::event::report::Told;
use crate::event::session_id::SessionId;
use crate::record::Record;
use crate::seats::Seat;
use crate::wire::envelope::{Malformed, Message};
use crate::wire::handshake::{ClientHello, ServerHello};
use crate::wire::input::InputRequired;
use crate::wire::items::Page;
use crate::wire::mirrored::Sent;
use crate::wire::outgoing::Outgoing;
use crate::wire::own_id::OwnId;
use crate::wire::session_id::Nonce;
use crate::wire::sse::EventId;
use crate::wire::stateless::RequestMeta;

/// A point in time, counted from the start of the program. The hub never reads
/// a clock; each event is handed in with the moment it was taken up.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct Moment(pub Duration);

impl Moment {
    /// The moment `wait` after this one; the end of time if that overflows.
    pub fn after(self, wait: Duration) -> Moment {
        Moment(self.0.saturating_add(wait))
    }

    /// How long ago `earlier` was; zero if it lies ahead.
    pub fn since(self, earlier: Moment) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

/// So that traces read `30.000s`.
impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.3}s", self.0.as_secs_f64())
    }
}

/// A server of the configuration. Never reused, so that a reload can tell an
/// old entry from a new one of the same name.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ServerId(pub u32);

/// One incarnation of a child. Never reused: a word that carries a life the
/// hub has buried is dropped.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Life(pub u64);

/// Where one waiting thread of a door is answered: the connection it serves,
/// and the number of the exchange (one request and all that answers it) on
/// that connection, so that a late parcel is never taken for the next answer.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct OutboxId {
    /// The connection; unique in the process.
    pub connection: u64,
    /// The exchange on it, counted from 1.
    pub exchange: u32,
}

/// What a session is entered under.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum SessionKey {
    /// The id that its client knows.
    Id(SessionId),
    /// Of a request of the stateless era, which is a session of its own, its
    /// number, and where it sits once it is entered. No client can ask for that.
    Lone(u64, Option<Seat>),
}

impl SessionKey {
    /// The key of the session whose id has this text.
    pub fn of_id(text: impl Into<Arc<str>>) -> SessionKey {
        SessionKey::Id(SessionId::new(text))
    }

    /// The key of the same session, in that seat. That of a lone one is another then:
    /// only with its seat is it handed around.
    #[must_use]
    pub fn at(self, seat: Seat) -> SessionKey {
        match self {
            SessionKey::Id(id) => SessionKey::Id(id.at(seat)),
            SessionKey::Lone(number, _) => SessionKey::Lone(number, Some(seat)),
        }
    }

    /// Where its session sits, if that is known; another may sit there by now.
    pub fn seat(&self) -> Option<Seat> {
        match self {
            SessionKey::Id(id) => id.seat(),
            SessionKey::Lone(_, seat) => *seat,
        }
    }

    /// Whether one of the two was cloned from the other, or from what that was: so
    /// much is seen without reading a text.
    pub fn is_clone_of(&self, other: &SessionKey) -> bool {
        match (self, other) {
            (SessionKey::Id(id), SessionKey::Id(other)) => id.shares_text_of(other),
            (SessionKey::Lone(number, _), SessionKey::Lone(other, _)) => number == other,
            (SessionKey::Id(_), SessionKey::Lone(..))
            | (SessionKey::Lone(..), SessionKey::Id(_)) => false,
        }
    }

    /// The id as clients write it; empty where there is none.
    pub fn id(&self) -> &str {
        match self {
            SessionKey::Id(id) => id.as_str(),
            SessionKey::Lone(..) => "",
        }
    }
}

/// What one endpoint shows.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum View {
    /// All servers, names prefixed.
    Merged,
    /// One server, names as it gave them.
    Server(String),
    /// A named selection of servers, names prefixed.
    Group(String),
}

/// Everything that can wake the hub.
#[derive(Debug)]
pub enum Event {
    /// A door passes on what a client did.
    Client {
        /// Where the answer is waited for.
        outbox: OutboxId,
        /// What the client did.
        word: FromClient,
    },
    /// A thread of a child reports.
    Child {
        /// The incarnation it belongs to.
        life: Life,
        /// What it reports.
        word: FromChild,
    },
    /// A deadline the hub had asked for has come.
    Tick,
    /// The program was asked to end.
    Stop,
    /// It was asked again: no more patience.
    Hurry,
    /// What was taken out of outboxes and not told of yet: what an [`Effect::Recount`] has found.
    Recounted(Vec<(OutboxId, Load)>),
}

/// What a client did, as the doors tell it.
#[derive(Debug)]
pub enum FromClient {
    /// A Streamable HTTP POST.
    Post {
        /// The endpoint.
        view: View,
        /// The `Mcp-Session-Id` header, if there was one.
        session: Option<SessionKey>,
        /// The `MCP-Protocol-Version` header, if there was one.
        version: Option<Cow<'static, str>>,
        /// What tells a session from all others that this POST opens: an
        /// `initialize` has one.
        fresh: Option<Nonce>,
        /// What the headers repeat of a stateless call's arguments.
        mirrored: Vec<Sent>,
        /// One message, or the members of a batch.
        body: Body,
    },
    /// A Streamable HTTP GET: a stream for what no POST asked for, or, with
    /// `resume`, the rest of a stream that broke.
    Listen {
        /// The endpoint.
        view: View,
        /// The `Mcp-Session-Id` header, if there was one.
        session: Option<SessionKey>,
        /// The `MCP-Protocol-Version` header, if there was one.
        version: Option<Cow<'static, str>>,
        /// The `Last-Event-ID` header, if it was one of ours.
        resume: Option<EventId>,
    },
    /// A Streamable HTTP DELETE.
    Delete {
        /// The endpoint.
        view: View,
        /// The `Mcp-Session-Id` header, if there was one.
        session: Option<SessionKey>,
    },
    /// A stream that carries a whole session: HTTP+SSE's GET, the stdio door,
    /// a sub-command of our own.
    Open {
        /// The endpoint.
        view: View,
        /// The name of the session it opens.
        fresh: SessionKey,
        /// How many places its outbox has.
        slots: usize,
    },
    /// The client of such a stream will say no more: when its requests have
    /// their answers, the stream ends.
    Finished,
    /// A message for the session of such a stream. Its answers go to the
    /// stream; this outbox gets the verdict on the delivery alone.
    Tell {
        /// The endpoint.
        view: View,
        /// The session it is for.
        session: SessionKey,
        /// One message, or the members of a batch.
        body: Body,
    },
    /// The door has waited for a keep-alive interval on a POST and would turn
    /// its answer into a stream; it asks for the priming event.
    Patience,
    /// The door has written parcels to the client; their places in the outbox
    /// are free again.
    Taken(Load),
    /// The client has left, or the door has given the exchange up.
    Gone,
    /// A question about the gateway itself.
    Ask(Report),
}

/// The JSON-RPC content of a request to a door.
#[derive(Debug)]
pub enum Body {
    /// One message.
    Single(ClientMessage),
    /// A batch (2025-03-26), already bounded in number, never empty.
    Batch(Vec<ClientMessage>),
}

/// A client's message, understood as far as the doors understand.
#[derive(Debug)]
pub enum ClientMessage {
    /// A JSON-RPC message.
    Message(Arc<Message>),
    /// An `initialize` request, with its parameters read.
    Initialize(Arc<Message>, Box<ClientHello>),
    /// A request of the stateless era, with what it says of its client read.
    Stateless(Arc<Message>, RequestMeta),
    /// Something that is no JSON-RPC message, or that its era does not allow:
    /// the refusal is its answer.
    Malformed(Malformed),
}

/// What the gateway can be asked about itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Report {
    /// Does the gateway work, and each server?
    Health,
    /// Has every server finished its first start, for good or ill?
    Ready,
    /// How does each server do, and why; how much does it offer, and what was left
    /// out of it? Not for everyone either.
    Status,
    /// What does each server offer, under which names is it served on the merged
    /// view, and what was left out? Not for everyone: it tells why servers fail.
    Inventory,
}

/// What the threads of a child report.
#[derive(Debug)]
pub enum FromChild {
    /// The process runs.
    Spawned {
        /// Its process id, which is also its process group.
        pid: u32,
    },
    /// The process could not be started; no other word of this life follows.
    SpawnFailed {
        /// The sentence for log and clients, such as `cannot run "npx": …`.
        why: String,
    },
    /// A request, a notification, or the answer to a call.
    Message {
        /// The message.
        message: Arc<Message>,
        /// The resources that an answer links to.
        links: Vec<String>,
        /// What an answer of a stateless server asks its client for; the error
        /// is a sentence.
        input: Option<Box<Result<InputRequired, String>>>,
    },
    /// The answer to a request of the gateway's own, already read.
    Reply {
        /// Which request.
        id: OwnId,
        /// What it says.
        reply: Reply,
    },
    /// A line over the limit was skipped.
    Oversized {
        /// The call it answered, where its id could be found.
        id: Option<OwnId>,
        /// Its length in bytes.
        length: u64,
    },
    /// A line was skipped, for the gateway holds too much of what children have
    /// said already.
    Unheld {
        /// The call it answered, where its id could be found.
        id: Option<OwnId>,
        /// Its length in bytes.
        length: u64,
    },
    /// The child has taken messages from its queue.
    Taken(Load),
    /// The child has not read its stdin for `message_timeout`.
    NotReading,
    /// Its stdout has ended: all it ever said has been passed on.
    OutputEnded,
    /// The process has ended, and been reaped.
    Exited {
        /// How, such as `exited with code 1` or `was killed by signal 9`.
        how: String,
        /// The last line it wrote on stderr, if any.
        last_words: Option<String>,
    },
}

/// The answer to a request of the gateway's own.
#[derive(Debug)]
pub enum Reply {
    /// To `initialize` or `server/discover`.
    Hello(Box<ServerHello>),
    /// To either, if it is an error.
    Refused {
        /// Which, as a sentence.
        why: String,
        /// Whether it says that the server speaks the stateless era.
        stateless: bool,
    },
    /// To one of the list requests; its [`OwnId`] tells which.
    Page(Page),
    /// To a request whose result says nothing (ping, subscribe, setLevel).
    Done,
    /// A JSON-RPC error, or a result that cannot be read; the sentence says which.
    Failed(String),
}

/// How much lies in a queue, or was taken from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Load {
    /// How many messages.
    pub messages: u32,
    /// How many bytes.
    pub bytes: u64,
}

impl std::ops::AddAssign for Load {
    fn add_assign(&mut self, other: Load) {
        self.messages += other.messages;
        self.bytes += other.bytes;
    }
}

/// Everything the hub can have done.
#[derive(Debug)]
pub enum Effect {
    /// Put a parcel into an outbox.
    ToClient {
        /// Whose.
        outbox: OutboxId,
        /// What.
        parcel: Parcel,
    },
    /// Put a message into a child's queue.
    ToChild {
        /// Whose.
        life: Life,
        /// What.
        message: Outgoing,
    },
    /// Start a process. [`FromChild::Spawned`] or [`FromChild::SpawnFailed`] follows.
    Spawn {
        /// The new incarnation.
        life: Life,
        /// Of which server.
        server: ServerId,
    },
    /// Close the child's stdin once its queue is written: the polite request to end.
    CloseInput {
        /// Whose.
        life: Life,
    },
    /// Send a signal to the child's process group.
    Signal {
        /// Whose.
        life: Life,
        /// Which.
        signal: Signal,
    },
    /// The life is over in the hub's books; drop what is held for it.
    Bury {
        /// Whose.
        life: Life,
    },
    /// Keep this beyond the end of the process.
    Keep(Record),
    /// Find out what was taken out of all outboxes and not told of yet. [`Event::Recounted`] follows.
    Recount,
    /// Every child is gone: the dispatcher may end.
    Finished,
}

/// The signals the gateway sends to its children.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// SIGTERM.
    Terminate,
    /// SIGKILL.
    Kill,
}

/// What a waiting thread of a door finds in its outbox.
#[derive(Debug)]
pub enum Parcel {
    /// `initialize` has succeeded and opened this session.
    Welcome {
        /// The new session.
        session: SessionKey,
        /// The answer.
        message: Outgoing,
    },
    /// The stream is open. On a POST this comes before the first message that
    /// is not the answer; on a GET, at once.
    Opened {
        /// The priming event, for clients that know it (2025-11-25).
        prime: Option<EventId>,
        /// The session of a stream that carries a whole session.
        session: Option<SessionKey>,
    },
    /// A JSON-RPC message for the client.
    Message {
        /// The message.
        message: Outgoing,
        /// Its place in the stream, where the stream can be resumed.
        event: Option<EventId>,
        /// Whether the exchange ends with it.
        last: bool,
    },
    /// The exchange ends with this verdict.
    Verdict {
        /// What kind of end it is; the door knows the status code for it.
        standing: Standing,
        /// What is told of it.
        message: Option<Outgoing>,
    },
    /// The gateway's report on itself.
    Report(Box<Told>),
    /// The stream ends without a further word.
    End,
    /// The client is parted with: its connection ends at once, whatever it has
    /// not read. No door ever finds this; its thread may be in the middle of a
    /// write that nobody reads.
    Cut,
}

/// How a request to a door ended, when not with an answer of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Taken; there is no answer to it.
    Accepted,
    /// The message is the answer.
    Answered,
    /// The session was ended as asked.
    Ended,
    /// The request itself is wrong.
    BadRequest,
    /// No such endpoint, session or stream.
    NotFound,
    /// The gateway takes no more of this for now.
    Busy,
}
