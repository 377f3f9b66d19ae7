//! The promises of the gateway, one module for each of its sides. No helper of general use
//! lives here: those are in `harness`.

// Bad input: each has its code, its status, and a sentence that names the thing.
mod bad_input;
// Arrays of messages, which are part of 2025-03-26 alone.
mod batches;
// What the command line says and does.
mod command_line;
// What the binary makes of the files that people have.
mod config_file;
// Who may come in: Origin, Host, token, and where the gateway may listen.
mod guard;
// Memory after very many calls and sessions.
mod leak;
// HTTP+SSE: one stream and POSTs beside it.
mod legacy_sse;
// Every limit a user can set, from both of its sides.
mod limits;
// What a fault costs, and whom.
mod losses;
// Merged lists, names and rules, and the way back from a name to its server.
mod merging;
// Progress, logs, changes, cancellations: to the right session and no other.
mod notices;
// Who reads, writes or sends in the worst way costs itself alone.
mod pressure;
// What servers are given when they are started, and what is left of them when they end.
mod processes;
// What servers ask of clients: sampling, elicitation, roots, ping.
mod questions;
// Another configuration while the gateway runs.
mod reload;
// Every message arrives byte for byte as it was sent, whatever JSON it holds.
mod relay;
// Resources: reading, ambiguity, links, templates, completions, subscriptions.
mod resources;
// Streams that broke and are taken up again by Last-Event-ID.
mod resumption;
// Sessions that go on in another process.
mod revival;
// What the modules on faults and limits need.
mod scene;
// As a service: notification, watchdog, a socket that was handed over.
mod service;
// The end, and that nothing outlives it.
mod shutdown;
// The stateless era, over every transport.
mod stateless;
// Children of the stateless era, and those whose era is found out.
mod stateless_children;
// What the gateway tells of itself to those who run it.
mod status;
// The gateway on its own stdin and stdout.
mod stdio;
// What servers of the handshake era ask of clients without a session.
mod stateless_questions;
// Streamable HTTP: versions, sessions, statuses, the two forms of an answer, GET streams.
mod streamable;
// Children that fail, in all the ways they can.
mod supervision;
// What the modules on the protocol need.
mod talk;
// Tasks of the stateless era, each at the server that began it.
mod tasks;
// Many clients at once.
mod torture;
