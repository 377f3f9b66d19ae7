//! What a client may be told when it does not get what it asked for: code and
//! sentence side by side, so that no other place of the hub writes either.

use std::fmt;
use std::time::Duration;

use crate::hub::parked::Parked;
use crate::limits;
use crate::wire::envelope::{INVALID_PARAMS, INVALID_REQUEST, Message, shown};
use crate::wire::mirrored::Mismatch;
use crate::wire::stateless::{HEADER_MISMATCH, MISSING_CAPABILITY};

/// No such method (JSON-RPC 2.0, section 5.1).
const METHOD_NOT_FOUND: i32 = -32601;
/// No such resource (MCP 2025-11-25, resources, error handling).
const RESOURCE_NOT_FOUND: i32 = -32002;
/// The request, or the session it needs, has run out of time. The number that
/// the official client libraries use for both.
const TIMED_OUT: i32 = -32001;
/// A failure of the gateway or of a server (JSON-RPC 2.0, section 5.1).
const INTERNAL_ERROR: i32 = -32603;
/// Any other failure of the gateway or of a server.
const SERVER_ERROR: i32 = -32000;

/// Why a request is not answered with a result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// No tool of that name in this view.
    UnknownTool(String),
    /// No prompt of that name in this view.
    UnknownPrompt(String),
    /// No resource of that URI in this view.
    UnknownResource(String),
    /// Several servers have that URI, and nobody can say which is meant.
    AmbiguousResource {
        /// The URI.
        uri: String,
        /// Their names.
        servers: Vec<String>,
    },
    /// A task that no server of this view is known to have begun.
    UnknownTask(String),
    /// A cursor that this gateway, which serves lists in one page, never gave.
    UnknownCursor(String),
    /// A parameter is missing or has the wrong type.
    BadParameter {
        /// The method.
        method: &'static str,
        /// The parameter, with what it should be.
        needs: &'static str,
    },
    /// The headers of a call do not say what its arguments do.
    HeaderMismatch(Mismatch),
    /// A method that this gateway does not serve.
    UnknownMethod(String),
    /// A server of that name is not in the configuration.
    UnknownServer(String),
    /// A group of that name is not in the configuration.
    UnknownGroup(String),
    /// The session id is not known (any more).
    UnknownSession,
    /// A session id is needed.
    MissingSession,
    /// The first message of a session must be `initialize`.
    NotInitialized(String),
    /// A session is initialized once.
    InitializedTwice,
    /// A protocol version that this gateway does not speak.
    UnknownVersion(String),
    /// Batches were part of 2025-03-26 alone.
    BatchNotAllowed(&'static str),
    /// `initialize` may not be part of a batch.
    InitializeInBatch,
    /// A session's events are kept for a while only.
    UnknownEvent,
    /// The stream to be resumed has ended, and all of it was read.
    StreamEnded,
    /// The child ended with the call under way.
    ServerGone {
        /// The server's name.
        server: String,
        /// How it ended.
        how: String,
        /// What follows, in words.
        next: &'static str,
    },
    /// The process that had the call under way is gone, and this one is another.
    GatewayRestarted,
    /// The server does not run, and the call could not wait longer.
    ServerDown {
        /// The server's name.
        server: String,
        /// Why.
        why: String,
    },
    /// The server has failed so often that no call waits for it.
    ServerParked(Parked),
    /// The server has not answered in time.
    CallTimedOut {
        /// The server's name.
        server: String,
        /// The call's time.
        after: Duration,
    },
    /// The server's answer was over the limit.
    AnswerTooLong {
        /// The server's name.
        server: String,
        /// Its length in bytes.
        length: u64,
    },
    /// There was no room for the server's answer, beside what else children have
    /// said and nobody has read.
    AnswerUnheld {
        /// The server's name.
        server: String,
        /// Its length in bytes.
        length: u64,
    },
    /// Too many calls wait for the server.
    ServerBusy {
        /// The server's name.
        server: String,
        /// How many wait.
        waiting: usize,
    },
    /// The session has too many requests under way, or does not read its answers.
    SessionBusy(usize),
    /// The session, or the server, has too many subscriptions, or the URI is too
    /// long for one.
    TooManySubscriptions,
    /// There are too many sessions.
    TooManySessions(usize),
    /// No further process for a session may be started.
    TooManyProcesses(usize),
    /// The gateway is about to end.
    Stopping,
    /// The client has declared no support for what the server asks of it.
    ClientCannot(String),
    /// The client has declared support for such questions, but not of this kind.
    ClientCannotSo {
        /// The method of the question.
        method: String,
        /// What kind it is.
        how: &'static str,
    },
    /// A stateless client has not declared what its request needs: these
    /// capabilities, as JSON text.
    LacksCapability(&'static str),
    /// A child asks a stateless client that has no request under way whose answer
    /// could ask it.
    NoRequestToAsk(String),
    /// A server wants its client to open a URL first, and the client cannot be
    /// asked to; this is what the server said.
    NeedsUrl(String),
    /// The `requestState` was not made by this gateway, or was changed since.
    UnknownState,
    /// The `requestState` was given out for a request of another kind.
    StateOfAnother,
    /// The client has taken too long to come back.
    StateExpired(Duration),
    /// The client has come back with that `requestState` before.
    StateUsed,
    /// The `inputResponses` cannot be read; the sentence says why.
    BadInputResponses(String),
    /// An answer that came while its client was away had no place; its length.
    AnswerNotKept(usize),
    /// A shared child asks while no or several clients have calls under way.
    NoOrigin {
        /// The method of its question.
        method: String,
        /// How many clients it could have meant.
        origins: usize,
        /// Whether all clients share it, by configuration.
        is_shared: bool,
    },
    /// The server, or the client, has too many questions open.
    TooManyQuestions,
    /// The client to be asked has no open stream.
    NoStream,
    /// The client did not answer the question in time.
    QuestionTimedOut(Duration),
    /// The client left before it answered the question.
    ClientLeft,
    /// A server needs something of the client to go on with a call, and does not
    /// get it.
    CannotGoOn {
        /// The server's name.
        server: String,
        /// Why.
        why: Box<Refusal>,
    },
    /// What a server needs of the client to go on with a call cannot be read.
    BadQuestions {
        /// The server's name.
        server: String,
        /// What is wrong with it.
        why: String,
    },
    /// A server asks again and again before it answers a call.
    TooManyRounds {
        /// The server's name.
        server: String,
        /// How often it was given what it asked for.
        rounds: u32,
    },
}

impl Refusal {
    /// The JSON-RPC error code.
    pub fn code(&self) -> i32 {
        match self {
            Refusal::UnknownTool(_)
            | Refusal::UnknownPrompt(_)
            | Refusal::AmbiguousResource { .. }
            | Refusal::UnknownTask(_)
            | Refusal::UnknownCursor(_)
            | Refusal::BadParameter { .. }
            | Refusal::ClientCannotSo { .. }
            | Refusal::UnknownState
            | Refusal::StateOfAnother
            | Refusal::StateExpired(_)
            | Refusal::StateUsed
            | Refusal::BadInputResponses(_) => INVALID_PARAMS,
            Refusal::NeedsUrl(_) | Refusal::LacksCapability(_) => MISSING_CAPABILITY,
            Refusal::UnknownResource(_) => RESOURCE_NOT_FOUND,
            Refusal::HeaderMismatch(_) => HEADER_MISMATCH,
            Refusal::UnknownMethod(_) | Refusal::ClientCannot(_) => METHOD_NOT_FOUND,
            Refusal::NotInitialized(_)
            | Refusal::InitializedTwice
            | Refusal::BatchNotAllowed(_)
            | Refusal::InitializeInBatch => INVALID_REQUEST,
            Refusal::UnknownSession
            | Refusal::CallTimedOut { .. }
            | Refusal::QuestionTimedOut(_) => TIMED_OUT,
            Refusal::UnknownServer(_)
            | Refusal::UnknownGroup(_)
            | Refusal::MissingSession
            | Refusal::UnknownVersion(_)
            | Refusal::UnknownEvent
            | Refusal::StreamEnded
            | Refusal::ServerGone { .. }
            | Refusal::GatewayRestarted
            | Refusal::ServerDown { .. }
            | Refusal::ServerParked(_)
            | Refusal::AnswerTooLong { .. }
            | Refusal::AnswerUnheld { .. }
            | Refusal::ServerBusy { .. }
            | Refusal::SessionBusy(_)
            | Refusal::TooManySubscriptions
            | Refusal::TooManySessions(_)
            | Refusal::TooManyProcesses(_)
            | Refusal::Stopping
            | Refusal::NoOrigin { .. }
            | Refusal::NoRequestToAsk(_)
            | Refusal::AnswerNotKept(_)
            | Refusal::TooManyQuestions
            | Refusal::NoStream
            | Refusal::ClientLeft
            | Refusal::BadQuestions { .. }
            | Refusal::TooManyRounds { .. } => SERVER_ERROR,
            // The method of the call is there.
            Refusal::CannotGoOn { why, .. } => match why.code() {
                METHOD_NOT_FOUND | INVALID_PARAMS => SERVER_ERROR,
                code => code,
            },
        }
    }

    /// The `data` member of the error, as JSON text.
    fn data(&self) -> Option<String> {
        match self {
            Refusal::UnknownResource(uri) | Refusal::AmbiguousResource { uri, .. } => {
                Some(serde_json::json!({ "uri": uri }).to_string())
            }
            Refusal::UnknownVersion(version) => {
                let supported = crate::wire::handshake::Revision::ALL.map(|known| known.name());
                Some(
                    serde_json::json!({ "requested": version, "supported": supported }).to_string(),
                )
            }
            Refusal::ServerParked(parked) => Some(parked.data()),
            Refusal::LacksCapability(capabilities) => {
                Some(format!(r#"{{"requiredCapabilities":{capabilities}}}"#))
            }
            Refusal::NeedsUrl(_) => {
                Some(r#"{"requiredCapabilities":{"elicitation":{"url":{}}}}"#.to_owned())
            }
            _ => None,
        }
    }

    /// The error answer in the handshake era; its id is a placeholder.
    pub fn message(&self) -> Message {
        self.message_to(false)
    }

    /// The error answer to a client of either era. In the stateless one, codes
    /// that were given out before it are no longer used (2026-07-28, basic,
    /// "Error Codes").
    pub fn message_to(&self, is_stateless: bool) -> Message {
        #[cfg(test)]
        crate::hub::stories::simulation::counts::refusal(self);
        let code = match self.code() {
            RESOURCE_NOT_FOUND if is_stateless => INVALID_PARAMS,
            TIMED_OUT | SERVER_ERROR if is_stateless => INTERNAL_ERROR,
            code => code,
        };
        Message::error(code, &self.to_string(), self.data().as_deref())
    }
}

impl fmt::Display for Refusal {
    #[expect(
        clippy::too_many_lines,
        reason = "one sentence for each variant, no logic"
    )]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::UnknownTool(name) => write!(f, "unknown tool {name:?}"),
            Refusal::UnknownPrompt(name) => write!(f, "unknown prompt {name:?}"),
            Refusal::UnknownResource(uri) => write!(f, "resource {uri:?} not found"),
            Refusal::AmbiguousResource { uri, servers } => {
                write!(
                    f,
                    "resource {uri:?} is offered by several servers; ask one:"
                )?;
                servers
                    .iter()
                    .try_for_each(|name| write!(f, " /servers/{name}/mcp"))
            }
            Refusal::UnknownTask(id) => write!(f, "unknown task {}", shown(id)),
            Refusal::UnknownCursor(cursor) => write!(f, "unknown cursor {cursor}"),
            Refusal::BadParameter { method, needs } => write!(f, "{method} needs {needs}"),
            Refusal::HeaderMismatch(mismatch) => write!(f, "{mismatch}"),
            Refusal::UnknownMethod(name) => write!(f, "method {name:?} not found"),
            Refusal::UnknownServer(name) => write!(f, "no server {name:?} is configured"),
            Refusal::UnknownGroup(name) => write!(f, "no group {name:?} is configured"),
            Refusal::UnknownSession => {
                f.write_str("session not found: it ended or never was; initialize a new one")
            }
            Refusal::MissingSession => f.write_str(
                "bad request: the Mcp-Session-Id header is missing; begin with \"initialize\", or send \
                 the header MCP-Protocol-Version: 2026-07-28 and what belongs to it",
            ),
            Refusal::NotInitialized(method) => write!(
                f,
                "{method:?} came before \"initialize\", which must be the first request of a session"
            ),
            Refusal::InitializedTwice => f.write_str("this session is initialized already"),
            Refusal::UnknownVersion(version) => {
                write!(f, "unsupported protocol version {version:?}")
            }
            Refusal::BatchNotAllowed(revision) => {
                write!(f, "batches are not part of protocol version {revision}")
            }
            Refusal::InitializeInBatch => f.write_str("\"initialize\" must not be part of a batch"),
            Refusal::UnknownEvent => {
                f.write_str("the events after that Last-Event-ID are no longer kept")
            }
            Refusal::ServerGone { server, how, next } => write!(
                f,
                "server {server:?} {how} while this call was under way; {next}"
            ),
            Refusal::GatewayRestarted => f.write_str(
                "the gateway was started anew while this call was under way; whether it was \
                 carried out is not known",
            ),
            Refusal::ServerDown { server, why } => {
                write!(f, "server {server:?} is not available: {why}")
            }
            Refusal::ServerParked(parked) => write!(f, "{parked}"),
            Refusal::CallTimedOut { server, after } => write!(
                f,
                "server {server:?} has not answered this call within {} s",
                after.as_secs_f64()
            ),
            Refusal::AnswerTooLong { server, length } => write!(
                f,
                "the answer of server {server:?} is {length} bytes long, over the limit \
                 \"max_child_message_size\""
            ),
            Refusal::AnswerUnheld { server, length } => write!(
                f,
                "there is no room for the answer of server {server:?}, {length} bytes, beside \
                 others that nobody has read yet; try again later"
            ),
            Refusal::ServerBusy { server, waiting } => write!(
                f,
                "server {server:?} is busy: {waiting} calls wait for it; try again later"
            ),
            Refusal::SessionBusy(max) => write!(
                f,
                "this session has {max} answers under way or unread; read them first"
            ),
            Refusal::TooManySubscriptions => write!(
                f,
                "a session may have {} subscriptions, a server {} and all sessions together {}, to \
                 URIs of at most {} bytes",
                limits::SESSION_SUBSCRIPTIONS_MAX,
                limits::CHILD_SUBSCRIPTIONS_MAX,
                limits::SUBSCRIPTIONS_MAX,
                limits::SUBSCRIPTION_URI_BYTES_MAX
            ),
            Refusal::TooManySessions(max) => {
                write!(f, "the gateway has {max} sessions already; try again later")
            }
            Refusal::TooManyProcesses(max) => write!(
                f,
                "{max} processes for single sessions run already (\"max_processes\"); try again later"
            ),
            Refusal::StreamEnded => {
                f.write_str("that stream has ended, and there is nothing after that Last-Event-ID")
            }
            Refusal::Stopping => f.write_str("the gateway is stopping"),
            Refusal::ClientCannot(method) => {
                write!(f, "the client does not support {method:?}")
            }
            Refusal::ClientCannotSo { method, how } => {
                write!(f, "the client does not support {method:?} {how}")
            }
            Refusal::NoRequestToAsk(method) => write!(
                f,
                "{method:?} cannot be asked: a client without a session is asked in the answer \
                 to its tools/call, prompts/get or resources/read, and has none under way"
            ),
            Refusal::LacksCapability(capabilities) => write!(
                f,
                "the request needs what the client has not declared: {capabilities}"
            ),
            Refusal::NeedsUrl(sentence) => f.write_str(sentence),
            Refusal::UnknownState => {
                f.write_str("requestState was not given out by this gateway, or was changed")
            }
            Refusal::StateOfAnother => f.write_str(
                "requestState was given out for another request: method, endpoint and parameters \
                 must be the same",
            ),
            Refusal::StateExpired(after) => write!(
                f,
                "requestState has expired: it was good for {} s",
                after.as_secs()
            ),
            Refusal::StateUsed => f.write_str("requestState was used already"),
            Refusal::BadInputResponses(why) => f.write_str(why),
            Refusal::AnswerNotKept(length) => write!(
                f,
                "the answer came while nobody waited for it, and its {length} bytes could not be \
                 kept"
            ),
            Refusal::NoOrigin {
                method,
                origins,
                is_shared,
            } => match (origins, is_shared) {
                (0, _) => write!(
                    f,
                    "{method:?} cannot be asked: no client has a call under way"
                ),
                (_, true) => write!(
                    f,
                    "{method:?} cannot be asked: {origins} calls are under way, or wait for their \
                     clients' answers, on this shared server; give it \"scope\": \"session\""
                ),
                (_, false) => write!(
                    f,
                    "{method:?} cannot be asked: {origins} calls are under way, or wait for their \
                     clients' answers, in one process (\"max_processes\")"
                ),
            },
            Refusal::TooManyQuestions => {
                f.write_str("too many questions to the client are open; try again later")
            }
            Refusal::NoStream => f.write_str("the client has no open stream to be asked on"),
            Refusal::QuestionTimedOut(after) => {
                write!(
                    f,
                    "the client has not answered within {} s",
                    after.as_secs()
                )
            }
            Refusal::ClientLeft => f.write_str("the client has left"),
            Refusal::CannotGoOn { server, why } => {
                write!(f, "server {server:?} cannot go on with this call: {why}")
            }
            Refusal::BadQuestions { server, why } => write!(
                f,
                "server {server:?} needs an answer of the client, but its question cannot be \
                 read: {why}"
            ),
            Refusal::TooManyRounds { server, rounds } => write!(
                f,
                "server {server:?} was given what it asked for {rounds} times, and asks again"
            ),
        }
    }
}

#[cfg(test)]
mod tests;
