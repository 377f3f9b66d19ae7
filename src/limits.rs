//! Every number of the program, with its reason.

use std::time::Duration;

// ---- wire

/// How deep JSON may be nested, in levels. The scanner keeps one bit per level
/// in a `u128`; 128 is also where most parsers stop.
pub const JSON_DEPTH_MAX: u32 = 128;

/// The longest `id` or progress token that is taken, in bytes of JSON text.
/// The hub remembers each while its call is under way; real ones are numbers
/// or UUIDs of 38 bytes.
pub const ID_BYTES_MAX: usize = 256;

/// The longest method name that is taken, in bytes. It is copied, and quoted
/// in refusals; the longest of MCP has 38.
pub const METHOD_BYTES_MAX: usize = 256;

/// The longest `clientInfo` that is kept as it came, in bytes; of a longer one,
/// which holds pictures, the name and the version. Every session keeps one.
pub const CLIENT_INFO_BYTES_MAX: usize = 4 << 10;

/// The longest capabilities that a client may declare in `initialize`, in bytes of
/// JSON text. Every session keeps them; those of real clients have less than 500.
pub const CLIENT_CAPABILITIES_BYTES_MAX: usize = 8 << 10;

/// The longest answer of a server to its greeting, in bytes. It is kept for as
/// long as the server is, and its instructions go into those of merged views;
/// the longest known have 30 KiB.
pub const SERVER_HELLO_BYTES_MAX: usize = 256 << 10;

/// How many messages one batch (2025-03-26) may hold. Each takes a slot of
/// the hub's tables and its answer waits for all others.
pub const BATCH_MESSAGES_MAX: usize = 64;

/// At how many questions or answers one message of the stateless era ends: a
/// person has to look at each.
pub const INPUT_REQUESTS_MAX: usize = 32;

/// How many resource links are read out of one result. They fill a bounded
/// table of the hub; a result with more is a listing, not a handful of links.
pub const RESOURCE_LINKS_MAX: usize = 100;

/// How many bytes of servers' states and of clients' answers are kept for all
/// rounds of questions together: two of the largest, and more of those that
/// people write than anybody reads.
pub const ROUNDS_BYTES_MAX: usize = 32 << 20;

/// How many items of one page of a list are taken; the rest is left out with a
/// sentence. A hundred times what the largest servers known offer.
pub const PAGE_ITEMS_MAX: usize = 10_000;

/// How many parameters of one tool headers may repeat, and how many of one
/// call's headers are taken. Each is looked for in the arguments by itself; with
/// the others that clients send, a head has room for no more.
pub const MIRRORED_PARAMS_MAX: usize = 64;

/// How deep below the root of a schema such a parameter may stand, in levels of
/// `properties`. Each level is read once more for those below it.
pub const MIRRORED_DEPTH_MAX: usize = 16;

/// How many bytes of names and values those headers may have together. The hub
/// holds them until the call is checked; a head of twice the size is refused.
pub const MIRRORED_BYTES_MAX: usize = 8 << 10;

/// How many characters of a foreign name an error sentence quotes, so that a
/// log line stays a line.
pub const QUOTED_CHARS_MAX: usize = 80;

/// How many bytes of a line over the limit are kept for the log.
pub const OVERSIZED_HEAD_BYTES: usize = 200;

/// From how many bytes on a stretch of a message is written to a client from
/// where it lies. Below that a copy is cheaper than one more piece of a write.
pub const PIECE_KEPT_BYTES_LEAST: usize = 16 << 10;

/// How many bytes of a line are taken in without asking for room: the answer of
/// somebody who did nothing wrong may be so long.
pub const LINE_FREE_BYTES: usize = 64 * 1024;

const _: () = assert!(JSON_DEPTH_MAX <= u128::BITS);
const _: () = assert!(MIRRORED_PARAMS_MAX < HTTP_HEADERS_MAX);
const _: () = assert!(MIRRORED_BYTES_MAX < HTTP_HEAD_BYTES_MAX);
// ---- config

/// What a setting of the configuration may be: its default, its least and its most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds<T> {
    /// The value where the file and the environment are silent.
    pub default: T,
    /// The least value that is accepted.
    pub least: T,
    /// The greatest value that is accepted.
    pub most: T,
}

/// The shortest time a setting may name: below it a deadline is past before it is set.
const SHORTEST: Duration = Duration::from_millis(1);
/// The longest time a setting may name: every wait ends, at the latest after a day.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

const fn seconds(default: u64) -> Bounds<Duration> {
    Bounds {
        default: Duration::from_secs(default),
        least: SHORTEST,
        most: LONGEST,
    }
}

const fn whole(default: u64, least: u64, most: u64) -> Bounds<u64> {
    Bounds {
        default,
        least,
        most,
    }
}

/// Bytes of a configuration file: hundreds of servers take less than 100 KiB,
/// and a wrong path (a core dump, `/dev/zero`) must not fill the memory.
pub const CONFIG_FILE_SIZE_MAX: usize = 1024 * 1024;
/// Bytes of an `envFile`: these hold a few keys, certificates at the most.
pub const ENV_FILE_SIZE_MAX: usize = 256 * 1024;
/// Servers in one file: each costs a process and three threads.
pub const SERVERS_MAX: usize = 256;
/// Groups in one file: each is a view with merged lists of its own.
pub const GROUPS_MAX: usize = 256;
/// Characters of a server's, a group's or a prefix's name: it stands in every
/// log line, in paths and in front of tool names that clients cut at 64.
pub const SERVER_NAME_LENGTH_MAX: usize = 64;
/// Characters of a tool's new name: the 128 that MCP 2025-11-25 recommends (server/tools, "Tool Names").
pub const TOOL_NAME_LENGTH_MAX: usize = 128;
/// Characters of somebody's value that a message repeats: enough to find it again.
pub const SHOWN_VALUE_LENGTH_MAX: usize = 80;
/// Characters of a word that is compared with the known ones: longer ones are no misspelling,
/// and the comparison costs the product of both lengths.
pub const NEAREST_WORD_LENGTH_MAX: usize = 64;
/// A bare number of seconds from which a warning asks whether milliseconds were meant,
/// as other clients' files count them: nobody waits 2.8 hours for a call.
pub const SUSPICIOUS_SECONDS: f64 = 10_000.0;

/// The port where nothing else is said: 0 asks for any free one.
pub const PORT_DEFAULT: u16 = 12009;
/// The time a server may take from its start to its `initialize` answer: `npx` and `uvx` download first.
pub const STARTUP_TIMEOUT: Bounds<Duration> = seconds(60);
/// The time of one call, counted anew at each progress notification.
pub const CALL_TIMEOUT: Bounds<Duration> = seconds(30);
/// The time without a call after which a server is stopped, if its entry asks for that at all: who does not
/// keeps its process. The default is never taken.
pub const IDLE_STOP: Bounds<Duration> = seconds(600);
/// Calls under way on one server: as many as its queue takes, so that the queue, and not
/// this number, refuses first unless the user says otherwise.
pub const MAX_CONCURRENT: Bounds<u64> = whole(1000, 1, 100_000);

/// Messages waiting in one queue: a burst of 64 busy clients fits many times.
pub const MAX_QUEUE_SIZE: Bounds<u64> = whole(1000, 1, 100_000);
/// Bytes of one message from a client: arguments are small, and clients are many.
pub const MAX_MESSAGE_SIZE: Bounds<u64> = whole(1 << 20, 64, 1 << 30);
/// Bytes of one message from a child: results carry images and files.
pub const MAX_CHILD_MESSAGE_SIZE: Bounds<u64> = whole(16 << 20, 64, 1 << 30);
/// Connections open at once. Where the user says nothing, the descriptors and threads found at the
/// start decide; the default here is the most that they can come to.
pub const MAX_CONNECTIONS: Bounds<u64> = whole(CONNECTIONS_DERIVED_MAX as u64, 1, 100_000);
/// The time between two comments on a silent stream: below the 30 to 60 s after which proxies close.
/// Also the time after which a silent, idle server is pinged.
pub const KEEPALIVE_INTERVAL: Bounds<Duration> = seconds(15);
/// The time the first list of a client waits for servers in their first start.
pub const CONNECTION_TIMEOUT: Bounds<Duration> = seconds(30);
/// The time in which a child must take a message from its queue, else it is stuck.
pub const MESSAGE_TIMEOUT: Bounds<Duration> = seconds(5);
/// Lives that may fail one after the other before a server is parked.
pub const MAX_RECONNECT_ATTEMPTS: Bounds<u64> = whole(3, 0, 1000);
/// The time before the first restart; it doubles from there.
pub const RECONNECT_DELAY: Bounds<Duration> = seconds(1);
/// Children of session-scoped servers, all sessions together: a Node process takes 50 MiB and more.
pub const MAX_PROCESSES: Bounds<u64> = whole(10, 1, 10_000);
/// Characters of prefix and tool name together: several model providers refuse longer ones;
/// the least leaves room for a hash, the most is what MCP 2025-11-25 recommends.
pub const MAX_TOOL_NAME: Bounds<u64> = whole(64, 24, 128);
// ---- logging

/// Messages that wait for the log's sink. A burst of this size is a restart of
/// a dozen servers at debug level; past it messages are dropped and counted.
pub const LOG_QUEUE_MESSAGES: usize = 512;

/// Bytes of one log message; the rest is cut off. The longest line a person
/// reads, and what syslog daemons take in one datagram.
pub const LOG_MESSAGE_BYTES_MAX: usize = 8 * 1024;

/// Bytes of stack of the thread `log`: it writes buffers that were filled
/// elsewhere.
pub const LOG_STACK_BYTES: usize = 64 * 1024;

/// How long one datagram to syslog may take. A daemon that does not read for
/// so long is gone, and the message goes to stderr.
pub const LOG_SYSLOG_WRITE_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(1);

// The messages in the log's queue hold 4 MiB at the very most.
const _: () = assert!(LOG_QUEUE_MESSAGES * LOG_MESSAGE_BYTES_MAX <= 4 << 20);

/// Places in the channel on which the log says that it has written all: it says so once.
pub const LOG_STOP_SLOTS: usize = 1;

/// How long the log may take at the exit to write what waits.
pub const LOG_STOP_WAIT: Duration = Duration::from_millis(200);

// ---- demo server

/// Bytes of one line to the demo server: what the gateway takes from a client,
/// and as much again for the envelope and for escapes.
pub const DEMO_LINE_BYTES_MAX: usize = 2 << 20;

/// Lines that wait while the demo server answers; it answers at once, so they
/// only smooth the hand-over. Past it, its stdin is not read.
pub const DEMO_QUEUE_LINES: usize = 16;

/// Calls of `sleep` under way in the demo server: more than a client would
/// ever start, few enough to look through at every line.
pub const DEMO_SLEEPS_MAX: usize = 1000;

/// Seconds that the demo server's `sleep` sleeps at most; an hour outlasts
/// every timeout one would want to try.
pub const DEMO_SLEEP_SECONDS_MAX: f64 = 3600.0;

/// Bytes of stack of the thread that reads the demo server's stdin.
pub const DEMO_STACK_BYTES: usize = 64 * 1024;

// ---- catalog

/// Items of one kind that one server may show, in number: past it the rest is left out, with a sentence.
/// Large document servers list a few thousand resources; no model reads ten thousand of anything.
pub const CATALOG_ITEMS_PER_SERVER_MAX: usize = 10_000;

/// Items of one kind in one view, in number: past it as above. A list is kept whole in memory, once per view.
pub const CATALOG_ITEMS_PER_VIEW_MAX: usize = 50_000;

/// JSON text of one server's items of one kind, in bytes: past it what does not fit is left out, with a
/// sentence. As large as the largest message taken from a child by default.
pub const CATALOG_BYTES_PER_SERVER_MAX: usize = 16 * 1024 * 1024;

/// JSON text of the items of one kind in one view, in bytes: past it as above. Four servers that do their
/// worst, and no client that is known reads a hundredth of it.
pub const CATALOG_BYTES_PER_VIEW_MAX: usize = 64 * 1024 * 1024;

/// Longest name, URI or URI template that is served, in bytes: a longer one is left out, with a sentence.
/// Every view keeps its keys beside its lists; real ones stay below 200 bytes.
pub const CATALOG_KEY_BYTES_MAX: usize = 8 * 1024;

/// Least length a view's names can be cut to, in characters: the 17 of the longest hash with its `_`, and a
/// few of the name, so that people can still tell one from another.
pub const CATALOG_NAME_LENGTH_LEAST: usize = 24;

/// Sentences about what a catalog left out of one server, and about what was left out of one list of a child,
/// in number; one more says how many others there were. They go into a log and onto a screen, where nobody
/// reads more.
pub const CATALOG_SENTENCES_MAX: usize = 100;

/// Steps of all URI templates of one server that URIs are matched against, in number: templates past it are
/// listed, but no URI is routed by them. A template has about as many steps as characters, so this is a
/// hundred ordinary ones; together with the next number it bounds the time that one look-up can take (about
/// 30 ms for a server that does its worst, in the microseconds for an honest one).
pub const CATALOG_TEMPLATE_STEPS_PER_SERVER_MAX: usize = 8 * 1024;

/// Longest URI that is matched against templates, in bytes, percent-encoded; a longer one matches none.
/// Browsers and servers stop at 2 to 8 KiB too.
pub const CATALOG_MATCHED_URI_BYTES_MAX: usize = 2 * 1024;

/// Resource links remembered per server, in number: past it the oldest of that server is forgotten, never
/// another's. A client reads a link soon after the call that returned it.
pub const CATALOG_LINKS_PER_SERVER_MAX: usize = 512;

/// Longest URI of a remembered link, in bytes; a longer one is not remembered, and the servers are asked.
/// With the number above, a server that does its worst costs 1 MiB.
pub const CATALOG_LINK_BYTES_MAX: usize = 2 * 1024;

const _: () = assert!(CATALOG_ITEMS_PER_SERVER_MAX <= CATALOG_ITEMS_PER_VIEW_MAX);
const _: () = assert!(CATALOG_BYTES_PER_SERVER_MAX <= CATALOG_BYTES_PER_VIEW_MAX);
// ---- http: the engine

/// Stack of a `conn-N`, `http-accept` or `watch` thread, in bytes: room for a handler that parses and formats,
/// and for a panic that prints its backtrace; only the pages that are touched cost memory.
pub const HTTP_STACK_BYTES: usize = 128 * 1024;

/// Longest request head (request line and headers), in bytes; past it 431. Browsers and SDKs stay below 4 KiB;
/// 16 KiB leaves room for cookies that other programs set for `localhost`.
pub const HTTP_HEAD_BYTES_MAX: usize = 16 * 1024;

/// Longest request line, in bytes with its line end; past it 414. Our longest path is a server name and a session id.
pub const HTTP_REQUEST_LINE_BYTES_MAX: usize = 8 * 1024;

/// Most header fields in a head; past it 431. Every lookup walks the fields, so they must stay few.
pub const HTTP_HEADERS_MAX: usize = 100;

/// Up to how many bytes a courier copies what it sends behind its head: below that a copy is cheaper than a second piece.
pub const HTTP_COURIER_COPY_BYTES: usize = 8 << 10;

/// Headers for which there is room on a connection's stack from the first; few clients send more. Heads of more are
/// parsed a second time.
pub const HTTP_HEADERS_MOSTLY: usize = 20;

/// Room that is made for the head of an answer before it is written, in bytes: nearly every one fits, and a buffer that
/// grows with each line of it is got five times.
pub const HTTP_ANSWER_HEAD_BYTES: usize = 256;

/// Longest line that announces a chunk, in bytes; past it 400. Sixteen digits and an extension that nobody sends.
pub const HTTP_CHUNK_LINE_BYTES_MAX: usize = 256;

/// Most bytes of chunk extensions in one body; past it 400. Else one-byte chunks could carry 256 times their payload.
pub const HTTP_CHUNK_EXTENSIONS_BYTES_MAX: usize = 16 * 1024;

/// Most bytes of trailers after a chunked body; past it 400. They are thrown away, so a few are plenty.
pub const HTTP_TRAILERS_BYTES_MAX: usize = 4 * 1024;

/// First size of a connection's read buffer, in bytes: an ordinary call, head and body, in one read.
pub const HTTP_READ_BUFFER_BYTES: usize = 4 * 1024;

/// A body is read in steps of at most this many bytes, so that a declared length alone costs no memory.
pub const HTTP_BODY_STEP_BYTES: usize = 64 * 1024;

/// Unread bytes of a body that are read and thrown away after the answer to keep the connection; past it the
/// connection is closed, for a new one is cheaper than the rest of the body.
pub const HTTP_DRAIN_BYTES_MAX: u64 = 64 * 1024;

/// Bytes thrown away while a closed connection lingers so that the peer can read our last answer; past it the
/// connection is cut. A client in the middle of a large upload looks at the answer only between its writes.
pub const HTTP_LINGER_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Most connections at once; past it 503. Each may hold a thread and a descriptor, and a common limit of
/// descriptors is 1024, of which the children's pipes need their share.
pub const HTTP_CONNECTIONS_MAX: usize = 512;

/// Most refused connections that linger at once so that the 503 is seen; past it the oldest is cut.
pub const HTTP_REFUSED_MAX: usize = 64;

/// Connections beyond the most that are there for monitors: a few, each for one short answer.
pub const HTTP_SPARE_MAX: usize = 8;

/// Time for the head on such a connection; past it 503. A monitor sends it at once, and who only
/// holds the connection shall not keep the place.
pub const HTTP_SPARE_DEADLINE: Duration = Duration::from_secs(1);

/// Connections that may wait to be accepted, as far as the system allows so many. Past it the first packet of the
/// next is dropped, and its client waits a second before it sends another; the 128 of the standard library are fewer
/// than come in at once when a crowd does.
pub const HTTP_BACKLOG: i32 = 1024;

/// Most connections accepted in a row before the accept thread looks at its other duties.
pub const HTTP_ACCEPT_BURST: usize = 64;

/// Time for a whole head, from its first byte (from the accept for the first one); past it 408. An honest head is one packet.
pub const HTTP_HEAD_DEADLINE: Duration = Duration::from_secs(10);

/// Time for a body or an answer to get going. The bytes that flow move the end of it, each by its time at
/// `HTTP_BYTES_PER_SECOND_MIN`, but never farther away than this again: half a minute is the longest pause of an
/// honest network. Past it 408 for a body, and the connection is cut for an answer.
pub const HTTP_TRANSFER_GRACE: Duration = Duration::from_secs(30);

/// Slowest transfer that is let go on, in bytes per second. The worst mobile link is ten times as fast.
pub const HTTP_BYTES_PER_SECOND_MIN: u32 = 4 * 1024;

/// How often in that time it is looked at how much a peer has read. A write that blocks shows nothing until it
/// returns; four looks tell a slow peer from a dead one, and cost nobody else anything.
pub const HTTP_WRITE_LOOKS: u32 = 4;

/// Time a connection may be idle between two requests; past it it is closed without a word. Clients
/// keep theirs for a minute or less.
pub const HTTP_IDLE_DEADLINE: Duration = Duration::from_secs(75);

/// How long an engine that hands its clients over waits for their next requests, which it answers with the
/// word to come by a new connection: a busy client has one on its way, and to close its connection then would be a
/// reset.
pub const HTTP_HANDOVER_WAIT: Duration = Duration::from_millis(100);

/// Idle time after which a connection gives its buffers back. Chatty clients come again sooner.
pub const HTTP_KEEP_BUFFERS: Duration = Duration::from_secs(5);

/// Time to drain an unread body or to linger at the end. A client that has not looked by then never will.
pub const HTTP_LINGER_DEADLINE: Duration = Duration::from_secs(2);

/// At stop: time in which requests under way may end by themselves. The whole gateway stops in 3 s.
pub const HTTP_STOP_GRACE: Duration = Duration::from_millis(300);

/// At stop: time in which the threads of connections that were cut must end; past it they are left to the exit.
pub const HTTP_STOP_WAIT: Duration = Duration::from_millis(500);

/// Pause after a failed accept. Out of descriptors, the error comes at once again; ten tries a second cost nothing.
pub const HTTP_ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Pause of the watch thread between two looks, so that a storm of closing connections costs at most 200 polls a
/// second; nobody minds if a client's leaving is seen 5 ms later.
pub const HTTP_WATCH_PAUSE: Duration = Duration::from_millis(5);

/// Silence after which the kernel starts to probe a peer, in seconds: a laptop that went to sleep says no goodbye.
pub const HTTP_KEEPALIVE_IDLE_S: u32 = 60;

/// Seconds between two such probes; the kernel gives up after `HTTP_KEEPALIVE_PROBES`.
pub const HTTP_KEEPALIVE_INTERVAL_S: u32 = 15;

/// Unanswered probes after which the peer counts as gone.
pub const HTTP_KEEPALIVE_PROBES: u32 = 4;

const _: () = assert!(HTTP_REQUEST_LINE_BYTES_MAX < HTTP_HEAD_BYTES_MAX);
// Places in a head are kept as 16-bit offsets.
const _: () = assert!(HTTP_HEAD_BYTES_MAX <= u16::MAX as usize);
const _: () = assert!(HTTP_READ_BUFFER_BYTES <= HTTP_HEAD_BYTES_MAX);

// ---- child: processes and the threads that pump their pipes

/// Stack of an `out:NAME` thread, in bytes. It parses, so it may stand as deep as JSON nests; only touched pages cost.
pub const CHILD_OUT_STACK_BYTES: usize = 128 * 1024;
/// Stack of an `in:NAME` thread, in bytes. It splices and writes; the log's formatting is the deepest it goes.
pub const CHILD_IN_STACK_BYTES: usize = 64 * 1024;
/// Stack of an `err:NAME` thread, in bytes. It cuts lines and logs them.
pub const CHILD_ERR_STACK_BYTES: usize = 64 * 1024;
/// Stack of the `reaper` thread, in bytes. It waits, and reads `/proc` at most.
pub const REAPER_STACK_BYTES: usize = 64 * 1024;
/// Bytes of a thread's name that the kernel keeps (`TASK_COMM_LEN` less its zero byte).
pub const THREAD_NAME_BYTES_MAX: usize = 15;
/// Places in the channel that hands a pump its pipe: it is handed one, once.
pub const CHILD_PIPE_GATE_SLOTS: usize = 1;

/// Bytes read from a child's stdout at once: a pipe's usual capacity, so that a full pipe is one read.
pub const CHILD_READ_BYTES: usize = 64 * 1024;
/// Bytes read from a child's stderr at once: mostly it says a line at a time.
pub const CHILD_STDERR_READ_BYTES: usize = 4 * 1024;
/// How long a message may be that the dispatcher writes into a child's stdin itself: an eighth of what a pipe holds.
pub const SHORTCUT_BYTES_MAX: usize = 8 << 10;
/// What it keeps of its buffer between two writes.
pub const SHORTCUT_KEEP_BYTES: usize = 4 << 10;
/// And how many bytes of them it gathers before it lets that thread do the rest: what a pipe takes at once.
pub const SHORTCUT_BATCH_BYTES: usize = 32 << 10;
/// The same where the pipe is wide: a write of so much takes as long as two threads that are woken.
pub const SHORTCUT_WIDE_BYTES_MAX: usize = 96 << 10;
/// And of these.
pub const SHORTCUT_WIDE_BATCH_BYTES: usize = 256 << 10;
/// Bytes that `F_GETPIPE_SZ` would have said where it fails: Linux's default since 2.6.11.
pub const PIPE_CAPACITY_BYTES: usize = 64 * 1024;
/// Bytes that a pipe is made to hold when large messages go through it: several of 64 KiB, and half of the largest that
/// clients may send, so that a child which does not read its stdin is still found out by one of these. The system lets
/// anybody ask for twice as much (`/proc/sys/fs/pipe-max-size`).
pub const PIPE_WIDE_BYTES: i32 = 512 << 10;
/// How many pipes may be that wide at a time: a quarter of what the system lets one user have (`pipe-user-pages-soft`).
pub const PIPES_WIDE_MAX: usize = 32;
/// Bytes of waiting messages that are gathered into one write: past a pipe's capacity a larger write saves no call.
/// A single message may be longer. What the buffer grew beyond this is given back after the write.
pub const CHILD_WRITE_BATCH_BYTES: usize = 64 * 1024;
/// What is kept of the buffer that they are gathered in, where each is copied that is not large.
pub const CHILD_WRITE_KEEP_BYTES: usize = 64 * 1024;

/// Bytes of a stderr line that are kept; the rest of the line is counted only. A stack frame with long paths fits.
pub const CHILD_STDERR_LINE_BYTES: usize = 2 * 1024;
/// Last lines of stderr that are kept for the last words: Node prints ten stack frames and more below the error.
pub const CHILD_STDERR_RING_LINES: usize = 24;
/// Bytes of these lines together: all of them whole, unless most of what they hold had to be escaped, which makes six
/// bytes of one.
pub const CHILD_STDERR_RING_BYTES: usize = 64 * 1024;
/// Last lines of stderr that are told to those who ask how a child does: what a person reads at a glance.
pub const CHILD_LAST_LINES: usize = 10;
/// How old the last words of a child may be at its exit. What was said longer ago was about something else; what made
/// it exit may have taken a few seconds to do so.
pub const CHILD_LAST_WORDS_AGE: std::time::Duration = std::time::Duration::from_secs(10);
/// Bytes of a stdout line that is no message that the log shows: enough to recognise whose greeting it is.
pub const CHILD_JUNK_SHOWN_BYTES: usize = 200;
/// Lines that one child's stdout or stderr may bring into the log per `CHILD_LOG_INTERVAL`: more than anybody
/// reads, and the stack trace of a crash fits.
pub const CHILD_LOG_LINES: u32 = 100;
/// The interval over which `CHILD_LOG_LINES` are counted.
pub const CHILD_LOG_INTERVAL: std::time::Duration = std::time::Duration::from_secs(1);

/// Pause of the reaper between two looks at its own children one by one, while the kernel shows it the exit of a
/// process that is not its own to take. Only a spawn under way or foreign code in the same process brings that about.
pub const REAPER_PAUSE: std::time::Duration = std::time::Duration::from_millis(10);
/// Pause of the reaper between two looks for adopted orphans while it has no child at all: as PID 1 it can be given
/// one by a process that somebody else put into the container. A zombie harms nobody for as long.
pub const REAPER_IDLE_PAUSE: std::time::Duration = std::time::Duration::from_secs(5);
/// Pause between two rounds of killing at the end, where no exit ends it sooner: each round reads all of `/proc`.
pub const FINISH_PAUSE: std::time::Duration = std::time::Duration::from_millis(20);
/// Pause between two rounds of killing what has outlived its life: long enough for the killed to go, and each round
/// reads all of `/proc`.
pub const SWEEP_PAUSE: std::time::Duration = std::time::Duration::from_millis(20);
/// Rounds after which that is given up until the next life ends: two seconds. A process that cannot die for so long
/// is held by the kernel; and one that starts others faster than they can be killed must not keep the thread busy.
pub const SWEEP_ROUNDS_MAX: u32 = 100;
/// Bytes of an outer gateway's mark that are handed on within the own one: a gateway in a gateway takes 40 for each,
/// and `NESTING_MAX` bounds these.
pub const MARK_BYTES_MAX: usize = 512;
/// Bytes of a program file in which a script's first line is looked for: as many as the kernel looks at (`BINPRM_BUF_SIZE`).
pub const INTERPRETER_LINE_BYTES: u64 = 256;

const _: () = assert!(CHILD_STDERR_READ_BYTES >= CHILD_STDERR_LINE_BYTES);
const _: () = assert!(CHILD_STDERR_RING_BYTES >= CHILD_STDERR_RING_LINES * CHILD_STDERR_LINE_BYTES);
const _: () = assert!(CHILD_LAST_LINES <= CHILD_STDERR_RING_LINES);

// ---- procfs: what `/proc` says of processes

/// Bytes of a short file of `/proc` that are read: `stat`, `status` and `smaps_rollup` have one or two thousand.
pub const PROC_FILE_BYTES_MAX: u64 = 16 << 10;

/// Bytes of a process's environment that are searched: as much as the kernel lets arguments and environment have
/// together under the usual limit of the stack (a quarter of 8 MiB).
pub const PROC_ENVIRON_BYTES_MAX: u64 = 2 << 20;

/// Processes of one tree whose memory is counted. No server has so many; looking into one takes 50 µs, so that one
/// which forks without end delays whoever asks by no more than 50 ms.
pub const PROC_TREE_MAX: usize = 1000;

// ---- hub: the lives of children

/// How long after the exit of a child its stdout is still read, and how long
/// after the end of its stdout its exit is awaited. What a dead process had
/// written is in the pipe already, so this is ample.
pub const CHILD_DRAIN_WAIT: Duration = Duration::from_secs(1);

/// How long a child that is replaced may take to end after its stdin was
/// closed, before SIGTERM. Well-behaved servers need a few milliseconds; ones
/// that save their state, a second.
pub const DISMISS_TERMINATE_WAIT: Duration = Duration::from_secs(2);

/// And before SIGKILL.
pub const DISMISS_KILL_WAIT: Duration = Duration::from_secs(4);

/// And before SIGKILL where a start has taken too long. It may be `npx` in the
/// middle of a download: asked to go it takes back what it has done, in some
/// seconds; killed it leaves a cache with which it never starts again.
pub const SLOW_KILL_WAIT: Duration = Duration::from_secs(20);

/// The same when the gateway itself ends, which must take less than 3 s.
pub const STOP_TERMINATE_WAIT: Duration = Duration::from_millis(500);

/// And before SIGKILL.
pub const STOP_KILL_WAIT: Duration = Duration::from_millis(1200);

/// A child that does not read its stdin gets SIGTERM at once, and SIGKILL after this.
pub const USELESS_KILL_WAIT: Duration = Duration::from_secs(2);

/// After how long a ready life the failures before it are forgotten.
pub const STABLE_LIFE: Duration = Duration::from_secs(60);

/// After how long a server that is parked is tried again: often enough that one
/// which was repaired is soon back, seldom enough that one which was not costs
/// nothing.
pub const PARKED_RETRY_WAIT: Duration = Duration::from_secs(60);

/// By how much of a hundred the wait before a new start is longer or shorter by
/// chance: enough that servers which failed together do not start together, and
/// little enough that the doubling is still seen.
pub const RECONNECT_SPREAD_PERCENT: u8 = 20;

/// How many pings in a row an idle child may leave unanswered: one may be lost to
/// a machine that was asleep, two are a fault.
pub const PINGS_MISSED_MAX: u8 = 2;

/// How many lives of a server are ended for pings, if none was ever answered:
/// one may have hung from its start, but more are a server that knows no pings.
pub const LIVES_LOST_TO_PINGS_MAX: u32 = 1;

/// How often a child that serves is looked at, at least. A look costs a
/// microsecond; it is how a changed configuration comes to be heeded.
pub const WATCH_WAIT_MAX: Duration = Duration::from_secs(60);

/// How long a lazy server that was started for its lists stays for a call: the
/// first clients, which waited for these lists, mostly call soon after.
pub const LEARNED_WAIT: Duration = Duration::from_secs(10);
/// How long clients are not told of a reload while what it has started or
/// renewed is not there yet: most servers take a second or two, and those of a
/// reload start together. Told before, each would change what they see once more.
pub const RELOAD_SETTLE_WAIT: Duration = Duration::from_secs(10);

/// How many servers of one fate the log names when the configuration was read
/// again: a line that can be read.
pub const RELOAD_NAMES_MAX: usize = 10;

/// How long a child that is out of date may take to finish its calls: as long
/// as one call has by default.
pub const DRAIN_CALLS_WAIT: Duration = CALL_TIMEOUT.default;

/// The longest wait before a new start.
pub const RECONNECT_DELAY_MAX: Duration = Duration::from_secs(60);

/// How often the wait doubles at most, so that the power cannot overflow: the
/// wait has long reached its maximum by then.
pub const RECONNECT_DOUBLINGS_MAX: u32 = 16;

/// Places in a child's queue beyond `max_queue_size`, for what is no call:
/// cancellations, answers to its questions, requests of the gateway's own.
pub const CHILD_QUEUE_RESERVE: usize = 128;

/// How many bytes may lie in a child's queue before further calls are refused.
/// Eight of the largest messages that clients may send by default.
pub const CHILD_QUEUE_BYTES_MAX: u64 = 8 << 20;

/// How many bytes may lie in the queues of all children together. Each child may
/// have no more than is left for the others, so that those that do not read leave
/// some to those that do: seven that do their worst leave an eighth.
pub const CHILD_QUEUES_BYTES_MAX: u64 = 8 * CHILD_QUEUE_BYTES_MAX;

/// Below how many bytes in its queue a child is never refused a call for what
/// the others have. Ordinary calls stay below it, and then nobody need add up.
pub const CHILD_QUEUE_BYTES_LEAST: u64 = 256 << 10;

/// How long a throw-away process may take to tell in which era its server is
/// spoken to. Those that do not know `server/discover` mostly say so at once;
/// some say nothing before they were greeted with `initialize`.
pub const PROBE_WAIT: Duration = Duration::from_secs(5);

/// How many questions one child may have open; of a stateless child, to one
/// session. A server asks one or two in a call; hundreds are a fault.
pub const CHILD_QUESTIONS_MAX: usize = 64;

/// How many answers wait for a child that asks and has not read, beyond the half
/// of its queue that is not kept for calls. Sixty-four questions may be open, and
/// as many that were refused are told so; one that asks more and does not read
/// hears no more.
pub const CHILD_WORDS_MAX: usize = 64;

/// How many questions may be open in all before stateless children have to wait
/// with theirs: each is a few hundred bytes and a client that thinks.
pub const QUESTIONS_MAX: usize = 4_096;

/// How often a server may ask for further input before it answers one call. An
/// honest one asks for what it needs in a few steps; the others have no end.
pub const ROUNDS_MAX: u32 = 16;

/// How long a server of the stateless era may take to acknowledge that it tells
/// of changes; honest ones do it at once.
pub const LISTEN_WAIT: Duration = Duration::from_secs(30);

/// How long a client may take to answer a question. It is a person who is
/// asked, so ten minutes.
pub const QUESTION_WAIT: Duration = Duration::from_mins(10);

/// After how long without a word, and nobody connected, the children of a
/// session's own are stopped; its next call starts them anew.
pub const OWN_CHILD_IDLE_MAX: Duration = Duration::from_mins(15);

/// An idle session of this age gives up its children when others need the
/// places of `max_processes`.
pub const OWN_CHILD_EVICT_AFTER: Duration = Duration::from_secs(10);

// ---- hub: lists

/// How many pages of one list are read. A list that has not ended by then has
/// a cursor that goes in circles.
pub const LIST_PAGES_MAX: u32 = 1_000;

/// How many bytes of items are kept of the lists of all children together, those
/// that are being read among them. A list may have as much as is left for all
/// others, so that one server's does not take the room of the next. The largest
/// known have a megabyte.
pub const LISTS_BYTES_MAX: usize = 64 << 20;

/// A list below this many bytes is taken whatever the others have.
pub const LIST_BYTES_LEAST: usize = 256 << 10;

/// How long a child's `list_changed` is gathered with those that follow, so
/// that a burst is read and told once.
pub const LIST_CHANGED_WAIT: Duration = Duration::from_millis(200);

/// How many different sentences on what was left out of lists the log gets. A
/// server that lists faults without end fills no log.
pub const COMPLAINTS_MAX: usize = 1_000;

/// How long `initialize` on a merged view waits for servers in their first
/// start, for their instructions. Most are up in a second or two; clients wait
/// at least ten, and the others have to do without.
pub const INSTRUCTIONS_WAIT: Duration = Duration::from_secs(3);

// ---- hub: sessions and streams

/// How many sessions there may be; an idle one costs about a kilobyte. Past
/// this the longest idle one ends, and if none is idle, the new one is refused.
pub const SESSIONS_MAX: usize = 10_000;

/// After how long without a word a session nobody is connected for is forgotten.
/// Desktop clients stay open over night, so a day.
pub const SESSION_IDLE_MAX: Duration = Duration::from_hours(24);

/// How many requests of one session may be without an answer, or with one that
/// was not yet read. Clients with more in flight than this have lost count.
pub const SESSION_UNANSWERED_MAX: usize = 128;

/// How many resources one session may have subscribed to.
pub const SESSION_SUBSCRIPTIONS_MAX: usize = 1_000;

/// How many subscriptions all sessions may have together, at about a hundred bytes
/// each beside the URIs, which they share.
pub const SUBSCRIPTIONS_MAX: usize = 100_000;

/// How many a session may have whatever the others do.
pub const SESSION_SUBSCRIPTIONS_LEAST: usize = 50;

/// How many resources of one child may be subscribed to, by all sessions.
pub const CHILD_SUBSCRIPTIONS_MAX: usize = 4_000;

/// The longest URI that can be subscribed to, in bytes: each is kept for as
/// long as the session lives.
pub const SUBSCRIPTION_URI_BYTES_MAX: usize = 2 << 10;

/// How many listening streams, and broken ones that may be resumed, one session
/// may have. Clients open one; a second comes when the first broke unnoticed.
pub const SESSION_STREAMS_MAX: usize = 8;

/// How many notifications may lie in an outbox. Past this they are dropped: the
/// places beyond are kept for answers.
pub const STREAM_NOTICES_MAX: u32 = 64;

/// How many bytes may lie in an outbox before notifications are dropped.
pub const STREAM_NOTICE_BYTES_MAX: u64 = 1 << 20;

/// How many bytes may lie in an outbox before its client is parted with. It
/// holds the largest answers of a few calls (16 MiB each by default), or all
/// that a session may have unanswered at half a megabyte each.
pub const STREAM_BYTES_MAX: u64 = 64 << 20;

/// How many bytes may lie in all outboxes together, and in the hands of doors
/// that write them, before the client is parted with that has left its own
/// unread for longest: two that do their worst. Nobody else's answers wait
/// there, but for the moment that a client who reads takes for one.
pub const OUTBOXES_BYTES_MAX: u64 = 2 * STREAM_BYTES_MAX;

/// From how many bytes on an outbox, or an answer that ends its exchange, is
/// looked at for that. The door says when such an answer is written; smaller
/// ones are as much as the buffers of their connections.
pub const UNREAD_ANSWER_BYTES_LEAST: u64 = 64 << 10;

/// How many events are kept for a client whose connection breaks.
pub const REPLAY_EVENTS_MAX: usize = 64;

/// And how many bytes.
pub const REPLAY_BYTES_MAX: usize = 1 << 20;

/// How many bytes are kept for all sessions together. Past this the session not
/// heard of for longest loses what it has.
pub const REPLAY_ALL_BYTES_MAX: usize = 64 << 20;

/// Places in an outbox for what is no answer: notifications, and the words that
/// open and end a stream.
pub const OUTBOX_RESERVE: usize = 128;

/// Places beside those that a session's answers may take: who has read as much as was taken out and not yet told of
/// must not be refused for it, so that counts as read.
pub const OUTBOX_DOUBT: usize = TAKEN_MESSAGES as usize;

/// How many parcels the outbox of a connection holds.
pub const OUTBOX_SLOTS: usize = SESSION_UNANSWERED_MAX + OUTBOX_DOUBT + OUTBOX_RESERVE;

/// How many parcels the outbox of the stdio door holds. Its one client cannot
/// open further connections, so it may have more under way on this one.
pub const STDIO_OUTBOX_SLOTS: usize = 1_024 + OUTBOX_DOUBT + OUTBOX_RESERVE;

// What a door has written and not yet told is no sign of a slow client.
const _: () = assert!(UNREAD_ANSWER_BYTES_LEAST <= TAKEN_BYTES);

// An outbox holds all the answers and notifications that are ever admitted at
// once, a batch's among them, and the words that open and end it.
const _: () = assert!(
    STREAM_NOTICES_MAX as usize + 4 <= OUTBOX_RESERVE
        && BATCH_MESSAGES_MAX <= SESSION_UNANSWERED_MAX
        && REPLAY_EVENTS_MAX + STREAM_NOTICES_MAX as usize + 4 <= OUTBOX_SLOTS
);

/// How many deadlines of calls that were taken back the row of them may hold before it is rid of them, which is done where
/// they are the most: so that a few are not moved each time.
pub const TIMERS_GONE_LEAST: usize = 16;

/// For how many deadlines of calls room is kept when they are fewer: 14 KiB, enough for callers who come back at once.
pub const TIMERS_KEPT: usize = 256;

/// Up to which room for so many values a table of seats keeps it when nobody sits there, so that who comes and goes alone
/// asks for no memory each time: some 3 KiB for the sessions. Of more all is given back.
pub const SEATS_KEPT: usize = 64;

// ---- mail

/// For how many streams the hub's table of them keeps room when they end: 100 KiB at the most, and enough for callers
/// that come and go, each with a stream for its answer.
pub const STREAMS_ROOM_KEPT: usize = 128;

/// How many letters the inbox of the dispatcher holds. A burst of that many is
/// worked off in about half a millisecond; whoever comes later waits that long.
/// Each is 224 bytes that are there from the start.
pub const INBOX_SLOTS: usize = 256;

/// How many bytes of clients' messages are held in all, from their first byte on:
/// what may wait for the children, and as much again for bodies that are being
/// read and for requests that wait for servers in their first start.
pub const CLIENTS_BYTES_MAX: usize = 2 * CHILD_QUEUES_BYTES_MAX as usize;

/// How many bytes of children's messages are held in all: what clients may leave
/// unread, what is kept for those that may come back, the outcomes of calls that
/// nobody waits for, and four of the largest that are being read.
pub const CHILDREN_BYTES_MAX: usize =
    OUTBOXES_BYTES_MAX as usize + REPLAY_ALL_BYTES_MAX + LEASES_BYTES_MAX + (64 << 20);

/// How many of the largest messages that are allowed either budget holds, where
/// that is more.
pub const BUDGET_MESSAGES_LEAST: usize = 4;

/// After how many messages taken out of a queue the hub is told. One event for
/// sixteen messages is cheap, and an eighth of what a session may have unread is
/// exact enough: what was taken and not yet told counts as lying there still, but
/// where a client would be refused for it.
pub const TAKEN_MESSAGES: u32 = 16;

/// And after how many bytes.
pub const TAKEN_BYTES: u64 = 256 << 10;

/// And after how many bytes of what a child was written: by the dispatcher and by the thread at its pipe, each of which
/// counts for itself.
pub const CHILD_TAKEN_BYTES: u64 = TAKEN_BYTES / 2;

/// A queue that the configuration made short is told of sooner, after this part
/// of it, so that the untold part never fills it.
pub const TAKEN_PART: usize = 4;

// ---- dispatcher

/// How long the children may take to end when the gateway does. After that
/// they are killed.
pub const STOP_MAX: Duration = Duration::from_millis(1500);

/// How long processes that had left their group may take to die once they were
/// killed.
pub const STOP_REAP_MAX: Duration = Duration::from_millis(300);

// The whole end must take less than 3 s.
const _: () = assert!(
    HTTP_HANDOVER_WAIT.as_millis()
        + STOP_MAX.as_millis()
        + HTTP_STOP_GRACE.as_millis()
        + HTTP_STOP_WAIT.as_millis()
        + STOP_REAP_MAX.as_millis()
        + STATE_STOP_WAIT.as_millis()
        + LOG_STOP_WAIT.as_millis()
        < 3_000
);

/// How often it is looked whether the configuration file has changed. A look is
/// a question to the file system for each file; one that is being written is
/// left alone until two looks have found it the same.
pub const CONFIG_LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// The stack of the thread that reads the configuration anew, in bytes: deep
/// JSON is parsed on it. What is not touched costs nothing.
pub const CONFIG_STACK_BYTES: usize = 1 << 20;

/// How long it is waited for whoever writes into a pipe that stands where a file
/// of the configuration is read anew. What makes a file when it is asked for, such
/// as a keeper of secrets, needs a moment; meanwhile no other change is seen.
pub const CONFIG_PIPE_WAIT: Duration = Duration::from_secs(2);

/// After how many milliseconds without a byte it is looked whether that is over.
pub const CONFIG_PIPE_POLL_MS: u8 = 50;

/// How much is read from such a pipe at once, in bytes: a page.
pub const CONFIG_PIPE_PART_BYTES: usize = 4096;

/// How many gateways may stand behind one another, each a server of the one
/// before. Two is unusual.
pub const NESTING_MAX: u32 = 3;

/// The slots of a channel that only ever says that its other end is gone.
pub const SIGNAL_SLOTS: usize = 1;

/// The stack of the dispatcher, in bytes. The hub calls itself at no depth that
/// grows with its input, but where it has serde_json read a client's capabilities
/// or the parameters of a leased call: [`JSON_DEPTH_MAX`] levels of that take 300 KiB
/// without optimisation. Only pages that were touched cost.
pub const DISPATCHER_STACK_BYTES: usize = 1 << 20;

// ---- doors

/// How many bytes of waiting events are gathered into one write. As much as
/// the socket's buffer takes at once.
pub const STREAM_WRITE_BYTES: usize = 64 << 10;

/// A stream's buffer is reused up to this many bytes; a larger one is given
/// back, so that one big answer does not cost memory for ever.
pub const STREAM_BUFFER_KEEP_BYTES: usize = 64 << 10;

/// How long a client shall wait before it takes up a broken stream again.
pub const STREAM_RETRY_MS: u64 = 1_000;

/// How long an answer may be that the dispatcher writes itself with a pen it was
/// lent: a write of so much takes as long as two threads that are woken.
pub const PEN_BYTES_MAX: usize = 96 << 10;

/// What the dispatcher keeps of the page on which it puts together what pens write, in bytes: all that is copied there
/// of most parcels.
pub const PEN_PAGE_BYTES: usize = 2 * PIECE_KEPT_BYTES_LEAST;

/// The longest head of a heard request that is kept until the next comes, in bytes: it is there for each connection that
/// calls, beside that of its thread. Clients of today send some 300 bytes, with a long token 2,000.
pub const EAR_HEAD_BYTES_KEPT: usize = 2 << 10;

/// Longest request, head and body, that the dispatcher takes out of a socket itself, in bytes: as long as what it writes
/// itself. It has one such buffer, of which it touches as much as it reads.
pub const EAR_REQUEST_BYTES_MAX: usize = PEN_BYTES_MAX;

/// Longest body after which the dispatcher is to take the next request of a connection, in bytes: the next is most often
/// about as long, and beside it a head has its place.
pub const EAR_BODY_BYTES_MAX: u64 = (EAR_REQUEST_BYTES_MAX - HTTP_HEAD_BYTES_MAX) as u64;

/// At how many connections the dispatcher looks before it opens letters again, and writes out what it has gathered for
/// children.
pub const EAR_EVENTS_AT_ONCE: usize = 64;

/// And how much it reads there, in bytes, beyond which it looks at no further one: with the longest requests, the work of
/// a millisecond.
pub const EAR_BYTES_AT_ONCE: usize = 1 << 20;

/// How long a POST waits for its answer before its socket is watched for the
/// client's leaving. Most answers come sooner, and watching costs a wake-up of
/// another thread.
pub const POST_WATCH_AFTER: Duration = Duration::from_millis(250);

/// How long a door waits for a word that the hub gives at once. If it does not
/// come, the dispatcher is not working.
pub const VERDICT_WAIT: Duration = Duration::from_secs(10);

/// How long the stdio door waits at a time. What it waits for ends the wait; the
/// limit is here because every wait has one.
pub const STDIO_WAIT: Duration = Duration::from_hours(1);

/// How long the stdio door may take to write what is left once the gateway has
/// ended. A client that does not read does not keep the process alive.
pub const STDIO_LAST_WORDS_WAIT: Duration = Duration::from_millis(300);

/// The stack of the stdio door's writer, in bytes.
pub const STDIO_STACK_BYTES: usize = 256 << 10;

/// How many bytes are read from stdin at once.
pub const STDIO_READ_BYTES: usize = 64 << 10;

/// The stacks of the stdio door's reader and of the thread that waits for
/// signals, in bytes.
pub const SMALL_STACK_BYTES: usize = 128 << 10;

// ---- cli

/// Longest name of a tool that gets no warning, in characters. Model providers take 64; some clients put
/// `mcp__NAME__` in front, with the name that the gateway has in their own configuration, which leaves room
/// for one of 9 characters, such as `gateway`.
pub const TOOL_NAME_CAREFREE: usize = 48;

/// How long a name may be in the table of `check --live`: longer than any tool's
/// that can be of use, for what it shows is what `rename` must be given.
pub const TABLE_NAME_CHARS_MAX: usize = 200;

/// How long `tools` and `call` wait beyond the times of the servers themselves.
pub const ASK_MARGIN: Duration = Duration::from_secs(5);

// ---- seal

/// The longest sealed text that is looked at, in bytes. Ours have a few hundred;
/// it is a client that brings them back.
pub const SEALED_BYTES_MAX: usize = 1 << 10;

/// The longest name of a client that the id of its session carries, in bytes: a
/// longer one would make a long header of each of its requests.
pub const TICKET_NAME_BYTES_MAX: usize = 48;

/// The same of its version.
pub const TICKET_VERSION_BYTES_MAX: usize = 24;

/// The length of the secret that the key is made of, in bytes: as much as the
/// code of HMAC-SHA256 has (RFC 2104, section 3).
pub const SEAL_SECRET_BYTES: usize = 32;

// ---- hub: leases, the calls kept open for stateless clients

/// How long the questions of a child to a stateless client are gathered, so that
/// those of one tool go out in one answer. A server that asks several at once
/// writes them within a millisecond; nobody notices so short a wait.
pub const LEASE_GATHER_WAIT: Duration = Duration::from_millis(20);

/// How long a stateless client may take to come back with its answers. It is a
/// person who is asked, as with [`QUESTION_WAIT`].
pub const LEASE_WAIT: Duration = QUESTION_WAIT;

/// After how long away a client loses its lease to others whom the same shared
/// child cannot ask meanwhile: enough to read and answer, and little enough that
/// one who has left is no nuisance to the rest.
pub const LEASE_CONTESTED_WAIT: Duration = Duration::from_mins(1);

/// How many leases there may be at a time. Nobody is connected for them, so
/// only this and their time bounds clients that never come back.
pub const LEASES_MAX: usize = 256;

/// How many leases one child may have. Most ask one client at a time.
pub const CHILD_LEASES_MAX: usize = 32;

/// How many bytes of questions, and of answers that came while nobody waited,
/// are kept for all leases together: two of the largest answers.
pub const LEASES_BYTES_MAX: usize = 32 << 20;

/// How many elicitations by URL are remembered of a child, for the word that
/// they are complete. A child that asks more often tells of the oldest in vain.
pub const CHILD_URLS_MAX: usize = 64;

// ---- state: what outlives the process, on disk

/// The fewest characters of `MCPROXY_SESSION_KEY` without a warning: fewer can
/// be guessed, and whoever guesses it can write session ids of his own.
pub const STATE_KEY_CHARS_ENOUGH: usize = 16;

/// Stack of the thread `state`, in bytes. It formats lines and writes files.
pub const STATE_STACK_BYTES: usize = 128 << 10;

/// How many records may wait for the thread `state`. A restart of all servers
/// is some hundreds; past this the disk hangs, and records are dropped and
/// counted. Where one was a word on a session, those of then do not outlive the
/// process.
pub const STATE_QUEUE_RECORDS: usize = 1_024;

/// How many bytes of lists may wait for it: four servers that do their worst.
/// Past this they are dropped and counted; they come again with the next start.
pub const STATE_QUEUE_BYTES_MAX: usize = 64 << 20;

/// How long the thread `state` may take at the end to write what waits. A write
/// takes microseconds; what is written survives the process even where the disk
/// is too slow to confirm it in time.
pub const STATE_STOP_WAIT: Duration = Duration::from_millis(80);

/// How long a disk that refused the journal is left alone. People free a full
/// disk in minutes, and each try writes all of it.
pub const STATE_RETRY_WAIT: Duration = Duration::from_secs(30);

/// How long a start waits for the lock of the journal: a gateway that is being
/// replaced lets go of it when its children are down, mostly within a second.
pub const STATE_LOCK_WAIT: Duration = Duration::from_secs(1);

/// The pause between two tries to get it: nobody notices so late a start.
pub const STATE_LOCK_PAUSE: Duration = Duration::from_millis(20);

/// Up to which length the journal is only appended to, in bytes: rewriting
/// less than this saves nothing that anybody would notice.
pub const STATE_JOURNAL_BYTES_LEAST: usize = 256 << 10;

/// The longest journal that is read, in bytes. A longer one is none of ours.
pub const STATE_JOURNAL_BYTES_MAX: usize = 32 << 20;

/// How many bytes the lines may have to which the journal boils down. Past this
/// the living sessions not heard of for longest are forgotten. A session takes a
/// hundred bytes, and as much again for each resource that it subscribed to.
pub const STATE_LIVE_BYTES_MAX: usize = 4 << 20;

/// And those of one session, so that none pushes out others: about 600 ordinary
/// subscriptions. A session with more begins anew after a restart.
pub const STATE_SESSION_BYTES_MAX: usize = 64 << 10;

/// The longest line of the journal, in bytes: a subscription with the longest
/// URI, each byte of it escaped.
pub const STATE_LINE_BYTES_MAX: usize = 6 * SUBSCRIPTION_URI_BYTES_MAX + 1_024;

/// Bytes of a session's own line, at most: its name, two numbers, two flags and a
/// log level.
pub const STATE_HEAD_BYTES: usize = 98;

/// The longest file of what one server offers, in bytes: as much as one of its
/// lists may have. What is longer is not kept.
pub const STATE_LISTS_BYTES_MAX: usize = CATALOG_BYTES_PER_SERVER_MAX;

/// After how long without use a file that belongs to nothing is removed:
/// someone who took a server out for a month has taken it out.
pub const STATE_FILE_UNUSED_MAX: Duration = Duration::from_hours(30 * 24);

/// After how long a file's time of use is set anew. Once a day is far more often
/// than it is asked for, and spares the disk a write at each start.
pub const STATE_FILE_TOUCH_AFTER: Duration = Duration::from_hours(24);

/// How many files of one folder are looked at for that, so that somebody else's
/// thousands do not hold up the start.
pub const STATE_FILES_SEEN_MAX: usize = 4_096;

// All sessions without subscriptions have a place, and a journal that has just
// not been rewritten, with a whole queue behind it, the stop's record of all who
// are connected included, can be read.
const _: () = assert!(
    (SESSIONS_MAX + SESSIONS_ENDED_MAX) * STATE_HEAD_BYTES <= STATE_LIVE_BYTES_MAX
        && 2 * STATE_LIVE_BYTES_MAX
            + STATE_QUEUE_RECORDS * STATE_LINE_BYTES_MAX
            + SESSIONS_MAX * STATE_HEAD_BYTES
            <= STATE_JOURNAL_BYTES_MAX
        && STATE_LINE_BYTES_MAX <= STATE_SESSION_BYTES_MAX
);
// A list is one page of its file.
const _: () = assert!(CATALOG_ITEMS_PER_SERVER_MAX <= PAGE_ITEMS_MAX);
// ---- capacity: how many connections there is room for

/// Most connections that are taken where the user does not say how many. At 17 KiB each they cost
/// 170 MiB in the worst case, there are as many sessions ([`SESSIONS_MAX`]), and the two mappings
/// of each thread's stack fit thrice into the 65,530 that Linux gives a process.
pub const CONNECTIONS_DERIVED_MAX: usize = 10_000;

/// Connections that are taken however little the system gives: one user with two clients and their
/// streams. Where it cannot even give these, the accept thread says so and tries again.
pub const CONNECTIONS_LEAST: usize = 16;

/// Descriptors that are no connection's and no child's: those turned away or spare, and 64 for the
/// listener, the log, bells, the dispatcher's ear, signals, the reaper's looks at `/proc`, files of state.
pub const DESCRIPTORS_RESERVE: usize = HTTP_REFUSED_MAX + HTTP_SPARE_MAX + 64;

/// Descriptors that one place for a child takes at worst: three pipes of its life, three of one on
/// its way out, and at a start the child's three ends and the pipe by which a failed exec is told.
pub const CHILD_DESCRIPTORS: usize = 3 + 3 + 3 + 2;

/// Threads that are no connection's and no child's: a dozen of the gateway's own, those of spare
/// connections, and a few for whoever looks in with a shell.
pub const THREADS_RESERVE: usize = 32 + HTTP_SPARE_MAX;

/// Threads that one place for a child takes: three at its pipes, three of a life on its way out,
/// and 32 of its own processes, as `npx` has: npm's Node with 11, a shell, the server's Node with 15.
pub const CHILD_THREADS: usize = 3 + 3 + 32;

const _: () = assert!(CONNECTIONS_DERIVED_MAX <= 65_530 / 6);

// ---- systemd

/// How long a word to the service manager may take. One that does not read for so long is busy or
/// gone, and it is the manager's loss.
pub const NOTIFY_WRITE_TIMEOUT: Duration = Duration::from_secs(1);

/// The pause between two looks at how the gateway does, for whoever reads `systemctl status`. What
/// is looked at costs some microseconds, and is told only if it has changed.
pub const STATUS_PAUSE: Duration = Duration::from_secs(1);

/// How many servers that are not well the status names, so that it stays a line.
pub const STATUS_SERVERS_MAX: usize = 3;

/// The shortest time between two words that the gateway is alive. Nobody means a watchdog that waits
/// for less than twice this, and it would keep a processor busy.
pub const WATCHDOG_PERIOD_MIN: Duration = Duration::from_millis(10);

// ---- hub: figures

/// How many counters keep the times of a server's calls, in each of two windows.
/// With steps of 9/7 they reach from [`FIGURES_FIRST_MICROS`] to nine minutes, and
/// a percentile is off by a seventh at most; all of it is half a kilobyte.
pub const FIGURES_BUCKETS: usize = 64;

/// The shortest time that is told apart from shorter ones, in microseconds: no
/// call through two pipes takes less.
pub const FIGURES_FIRST_MICROS: u64 = 100;

/// How long a window of these times is: long enough that a server in use has
/// some, short enough that an hour ago is not blamed on now.
pub const FIGURES_WINDOW: Duration = Duration::from_mins(5);

// ---- cli: status

/// How long `mcproxy status` waits for the gateway: it answers in milliseconds, and
/// looking at the memory of a thousand processes takes it 50.
pub const STATUS_WAIT: Duration = Duration::from_secs(5);

/// What is left at least for another address of a host, if the first took all
/// the time.
pub const STATUS_CONNECT_LEAST: Duration = Duration::from_millis(100);

/// How long an answer may be, in bytes: a thousand servers with their last lines
/// have ten million.
pub const STATUS_BYTES_MAX: usize = 16 << 20;

/// How much of it is read at once, in bytes: the answer about ten servers.
pub const STATUS_READ_BYTES: usize = 64 << 10;

/// How many headers an answer may have: ours has five, a reverse proxy adds some.
pub const STATUS_HEADERS_MAX: usize = 64;

/// How often `mcproxy status --watch` asks where nothing else is said, in seconds.
pub const STATUS_INTERVAL_SECONDS: u64 = 1;

/// How seldom it can be told to, in seconds: a screen that changes once an hour is
/// still watched by somebody.
pub const STATUS_INTERVAL_SECONDS_MAX: u64 = 60 * 60;

/// How many lines of a server's stderr are shown below its row: enough for an
/// error, few enough for ten servers on a screen.
pub const STATUS_STDERR_LINES: usize = 5;
// ---- hub: sessions that outlive the process

/// How often it is told of a session that it was heard of, for a journal. The
/// day after which it is forgotten is an hour shorter for it at worst.
pub const SESSION_HEARD_EVERY: Duration = Duration::from_hours(1);

/// How many sessions are remembered that are not in the book and have not ended:
/// those that had to make room, and those of the processes before. Past this the
/// ones not heard of for longest are taken for ended, and with them all that are
/// as old and not in the book.
pub const SESSIONS_ABSENT_MAX: usize = 2 * SESSIONS_MAX;

/// How many ended sessions are remembered, in memory and in the journal, for
/// their ids must stay dead until they expire. At one each five seconds it is a
/// whole day of them; past this the first are forgotten, and what is as old and
/// was never told of is taken for ended, too, also after a restart.
pub const SESSIONS_ENDED_MAX: usize = 20_000;

/// How many of them lie together: 10 KB, which is quickly moved to put one more
/// in between, and little to be forgotten at once.
pub const SESSIONS_ENDED_BATCH: usize = 500;

/// How many bytes that may take. Only subscriptions take more than a hundred
/// each.
pub const SESSIONS_ABSENT_BYTES_MAX: usize = 16 << 20;

// An id is a header of each request: it must be short, and found to be one of
// ours. The longest has 1 + 29 + 48 + 24 + 32 bytes, in base 64.
const _: () =
    assert!((1 + 29 + TICKET_NAME_BYTES_MAX + TICKET_VERSION_BYTES_MAX + 32) * 4 / 3 < 200);

// ---- lost calls

/// Bytes of an event id that say which requests its stream still owes an answer;
/// without them where they would be more. The longest id has room, and a batch
/// of some dozen ids of the usual kind; each event carries it.
pub const EVENT_AWAITED_BYTES_MAX: usize = 512;

// One id fits, whatever it is, and all that can be read of a made-up one is
// answered in one go.
const _: () = assert!(
    ID_BYTES_MAX.div_ceil(3) * 4 <= EVENT_AWAITED_BYTES_MAX
        && BATCH_MESSAGES_MAX <= REPLAY_EVENTS_MAX
        && BATCH_MESSAGES_MAX + 4 <= OUTBOX_SLOTS
);

/// Longest message of a child that is made into another when nobody has it any more, in bytes.
pub const SHELL_BYTES_MAX: usize = 1 << 10;

/// How many of these are kept of one child, until it has been silent for `SPARES_KEEP`: as many as it is asked for in one
/// round of the dispatcher.
pub const SHELLS_MAX: usize = EAR_EVENTS_AT_ONCE;

// ---- budget: buffers between two messages

/// From how many bytes on a buffer is kept when its message is gone, and a line leaves the pipe with its buffer. Smaller
/// ones an allocator has at hand itself, and a copy of so little costs nothing.
pub const SPARE_BYTES_LEAST: usize = 16 << 10;

/// Up to how many bytes: past that, to get and to give back a block costs little beside what is done with its bytes.
pub const SPARE_BYTES_MOST: usize = 1 << 20;

/// How many bytes each budget keeps so in all. In a steady flow few buffers are free at a time, so this is plenty for
/// messages of 64 KiB; what is not needed goes at the next airing.
pub const SPARES_BYTES_MAX: usize = 2 << 20;

/// After how long buffers that nobody has needed are given back.
pub const SPARES_KEEP: Duration = Duration::from_secs(2);
