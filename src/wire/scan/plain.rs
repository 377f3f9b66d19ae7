//! How far a string goes on without anything that a scanner must look at.

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

/// How many bytes at the beginning are plain, in whole blocks of 64. Without a
/// branch inside a block, the compiler makes vector instructions of it.
fn plain_blocks(bytes: &[u8]) -> usize {
    let is_plain = |block: &&[u8; 64]| {
        let special = block
            .iter()
            .fold(0, |seen, byte| seen | u8::from(is_special(*byte)));
        special == 0
    };
    let (blocks, _) = bytes.as_chunks::<64>();
    64 * blocks.iter().take_while(is_plain).count()
}

fn is_special(byte: u8) -> bool {
    byte == b'"' || byte == b'\\' || byte < b' '
}

/// Sets the top bit of each byte of `word` that ends a plain run. A borrow can
/// set too many, but only above the lowest one that is right, and only the
/// lowest is looked at.
fn special_bytes(word: u64) -> u64 {
    const ONES: u64 = u64::from_le_bytes([1; 8]);
    let below = |word: u64, limit: u8| word.wrapping_sub(ONES * u64::from(limit)) & !word;
    let quotes = below(word ^ (ONES * u64::from(b'"')), 1);
    let backslashes = below(word ^ (ONES * u64::from(b'\\')), 1);
    (below(word, 0x20) | quotes | backslashes) & (ONES * 0x80)
}
