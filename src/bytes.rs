//! Bytes compared sixteen at a time. The C library's `memcmp`, which `==` asks, goes byte by byte where that is musl, and
//! what is compared for each request is some hundred bytes long. So does `subtle`, with which `door/guard.rs` compares the
//! token by itself.

/// Whether both are the same. All of both is looked at wherever they differ, so that the time tells nobody how much of a
/// secret among them was right; it does tell whether they are as long as each other.
pub fn are_same(a: &[u8], b: &[u8]) -> bool {
    if a.len() != b.len() {
        return false;
    }
    let (a_chunks, a_rest) = a.as_chunks();
    let (b_chunks, b_rest) = b.as_chunks();
    let chunks = a_chunks.iter().zip(b_chunks).fold(0, |all, (a, b)| {
        all | (u128::from_ne_bytes(*a) ^ u128::from_ne_bytes(*b))
    });
    let rests = a_rest.iter().zip(b_rest);
    let rest = rests.fold(0, |all, (a, b)| all | (a ^ b));
    chunks == 0 && rest == 0
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
