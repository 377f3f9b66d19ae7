//! How far a string goes on without anything that a scanner must look at.

use memchr::memchr2;

/// The place of the first quote, backslash or control character at or behind
/// `from`, or the length of `bytes`. Eight bytes a step, and once the string
/// has proved to be long, many: in a message of any size nearly all bytes are
/// string contents.
pub(super) fn plain_end(bytes: &[u8], from: usize) -> usize {
    let mut at = from;
    while let Some(word) = bytes.get(at..).and_then(<[u8]>::first_chunk::<8>) {
        let found = special_bytes(u64::from_le_bytes(*word));
        if found != 0 {
            return at + (found.trailing_zeros() / 8) as usize;
        }
        at += 8;
        if at - from == LONG {
            at += plain_blocks(&bytes[at..]);
        }
    }
    let rest = bytes.get(at..).unwrap_or_default();
    at + rest
        .iter()
        .position(|byte| is_special(*byte))
        .unwrap_or(rest.len())
}

/// From how many plain bytes on a string is taken to be long.
const LONG: usize = 32;

/// How many bytes at the beginning are plain, in whole blocks of 64. Quotes and
/// backslashes are looked for with vector instructions, and control characters
/// eight bytes a step without a branch, so that nothing hangs on what a compiler
/// that is told to keep the program small makes of a loop over bytes.
fn plain_blocks(bytes: &[u8]) -> usize {
    let end = memchr2(b'"', b'\\', bytes).unwrap_or(bytes.len());
    let (blocks, _) = bytes[..end].as_chunks::<64>();
    let is_plain = |block: &&[u8; 64]| {
        let below = |at: usize| {
            let word = block[at..]
                .first_chunk()
                .map_or(0, |word| u64::from_le_bytes(*word));
            bytes_below(word, b' ')
        };
        let first = below(0) | below(8) | below(16) | below(24);
        let last = below(32) | below(40) | below(48) | below(56);
        (first | last) & TOPS == 0
    };
    64 * blocks.iter().take_while(is_plain).count()
}

fn is_special(byte: u8) -> bool {
    byte == b'"' || byte == b'\\' || byte < b' '
}

/// Sets the top bit of each byte of `word` that ends a plain run. A borrow can
/// set too many, but only above the lowest one that is right, and only the
/// lowest is looked at.
fn special_bytes(word: u64) -> u64 {
    let quotes = bytes_below(word ^ (ONES * u64::from(b'"')), 1);
    let backslashes = bytes_below(word ^ (ONES * u64::from(b'\\')), 1);
    (bytes_below(word, b' ') | quotes | backslashes) & TOPS
}

/// The top bit of each byte says whether that of `word` is below `limit`, with
/// the same reserve; the other bits mean nothing.
fn bytes_below(word: u64, limit: u8) -> u64 {
    word.wrapping_sub(ONES * u64::from(limit)) & !word
}

/// The lowest bit of each byte of a word, and the top one.
const ONES: u64 = u64::from_le_bytes([1; 8]);
const TOPS: u64 = ONES << 7;
