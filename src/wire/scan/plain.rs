//! How far a string goes on without anything that a scanner must look at.

/// How many bytes stand before the first quote, backslash or control character.
/// Most keys, and many values, end within the eight bytes that are looked at
/// without a call.
#[inline(always)]
pub(super) fn plain_length(bytes: &[u8]) -> usize {
    end_in_word(0, bytes).unwrap_or_else(|| plain_length_beyond_word(bytes))
}

const WORD: usize = 8;

/// From how many plain bytes on a string is taken to be long.
const LONG: usize = 4 * WORD;

/// The same, where the first word is plain.
#[inline(never)]
fn plain_length_beyond_word(bytes: &[u8]) -> usize {
    for at in [WORD, 2 * WORD, 3 * WORD] {
        if let Some(end) = end_in_word(at, bytes) {
            return end;
        }
    }
    plain_length_of_long(bytes)
}

/// The same, where [`LONG`] are plain. As many a step as there are vectors for: in
/// a message of any size nearly all bytes are string contents.
#[inline(never)]
fn plain_length_of_long(bytes: &[u8]) -> usize {
    let mut at = LONG + plain_blocks(&bytes[LONG..]);
    loop {
        if let Some(end) = end_in_word(at, bytes) {
            return end;
        }
        at += WORD;
    }
}

/// Where a plain run ends that holds all before `at`, if it does so within a word.
#[inline(always)]
fn end_in_word(at: usize, bytes: &[u8]) -> Option<usize> {
    match bytes[at..].first_chunk() {
        Some(word) => special_in(word).map(|place| at + place),
        None => Some(end_in_rest(at, bytes)),
    }
}

/// The same behind the last whole word.
#[inline(never)]
fn end_in_rest(at: usize, bytes: &[u8]) -> usize {
    let special = bytes[at..].iter().position(|byte| is_special(*byte));
    special.map_or(bytes.len(), |place| at + place)
}

const BLOCK: usize = 64;

/// How many bytes at the beginning are plain, in whole blocks. Without a branch
/// inside a block, the compiler makes vector instructions of it.
fn plain_blocks(bytes: &[u8]) -> usize {
    let is_plain = |block: &&[u8; BLOCK]| {
        let special = block
            .iter()
            .fold(0, |seen, byte| seen | u8::from(is_special(*byte)));
        special == 0
    };
    let (blocks, _) = bytes.as_chunks::<BLOCK>();
    BLOCK * blocks.iter().take_while(is_plain).count()
}

/// This bit turned, a quote is a space, and a control character still one: what
/// ends a plain run lies at or below the space then, but for the backslash.
const QUOTE_TO_SPACE: u8 = b'"' ^ b' ';

fn is_special(byte: u8) -> bool {
    byte ^ QUOTE_TO_SPACE <= b' ' || byte == b'\\'
}

/// Where in `word` a plain run ends, if it does.
#[inline]
fn special_in(word: &[u8; WORD]) -> Option<usize> {
    const ONES: u64 = u64::from_le_bytes([1; 8]);
    let each = |byte: u8| ONES * u64::from(byte);
    let word = u64::from_le_bytes(*word);
    // The top bit of each byte that is below the limit. A borrow can set too many,
    // but only above the lowest one that is right, and only the lowest is looked at.
    let below = |word: u64, limit: u8| word.wrapping_sub(each(limit)) & !word & each(0x80);
    let special = below(word ^ each(QUOTE_TO_SPACE), b' ' + 1) | below(word ^ each(b'\\'), 1);
    (special != 0).then(|| (special.trailing_zeros() / 8) as usize)
}
