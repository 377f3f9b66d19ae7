//! Every number of the program, with its reason.

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

/// How many messages one batch (2025-03-26) may hold. Each takes a slot of
/// the hub's tables and its answer waits for all others.
pub const BATCH_MESSAGES_MAX: usize = 64;

/// How many resource links are read out of one result. They fill a bounded
/// table of the hub; a result with more is a listing, not a handful of links.
pub const RESOURCE_LINKS_MAX: usize = 100;

/// How many items of one page of a list are taken; the rest is left out with a
/// sentence. A hundred times what the largest servers known offer.
pub const PAGE_ITEMS_MAX: usize = 10_000;

/// How many characters of a foreign name an error sentence quotes, so that a
/// log line stays a line.
pub const QUOTED_CHARS_MAX: usize = 80;

/// How many bytes of a line over the limit are kept for the log.
pub const OVERSIZED_HEAD_BYTES: usize = 200;

/// The line buffer of a pipe is reused up to this many bytes; a larger one
/// leaves with its line, so that one big answer does not cost memory for ever.
pub const LINE_BUFFER_KEEP_BYTES: usize = 64 * 1024;

const _: () = assert!(JSON_DEPTH_MAX <= u128::BITS);
