//! Bytes compared sixteen at a time. The C library's `memcmp`, which `==` asks, goes byte by byte where that is musl, and
//! what is compared for each request is some hundred bytes long.

/// Whether both are the same. Takes the shorter time the earlier they differ, so it is not for secrets that are guessed at.
pub fn are_same(a: &[u8], b: &[u8]) -> bool {
    let (a_chunks, a_rest) = a.as_chunks::<16>();
    let (b_chunks, b_rest) = b.as_chunks::<16>();
    // The rests are as long as each other only if the whole are, or differ by whole chunks.
    a.len() == b.len() && a_chunks.iter().zip(b_chunks).all(|(a, b)| a == b) && a_rest == b_rest
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::are_same;

    proptest! {
        #[test]
        fn each_byte_and_the_length_count(
            bytes in prop::collection::vec(any::<u8>(), 1..70),
            at in any::<prop::sample::Index>(),
            other in 1..=255u8,
        ) {
            prop_assert!(are_same(&bytes, &bytes.clone()));
            let mut changed = bytes.clone();
            changed[at.index(bytes.len())] ^= other;
            prop_assert!(!are_same(&bytes, &changed));
            let longer = [&bytes[..], &[other]].concat();
            prop_assert!(!are_same(&bytes, &longer) && !are_same(&longer, &bytes));
            let by_a_chunk = [&bytes[..], &[other; 16]].concat();
            prop_assert!(!are_same(&bytes, &by_a_chunk) && !are_same(&by_a_chunk, &bytes));
        }
    }
}
