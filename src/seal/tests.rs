//! What is sealed opens again, and nothing else does.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

const STATE: Purpose = Purpose::RequestState;

fn key() -> Seal {
    Seal::new(b"a secret of this run", Some("token"))
}

fn parts(texts: &[Vec<u8>]) -> Vec<&[u8]> {
    texts.iter().map(Vec::as_slice).collect()
}

#[test]
fn a_digest_is_sha_256_over_parts_that_are_told_apart() {
    // By hand: printf '\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0\3abc' | sha256sum
    let hex: String = digest(&[b"abc"])
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    assert_eq!(
        hex,
        "14e756fc6698a9725a288b34168626915e9bbd4800531d2f91d492d44220151b"
    );
    assert_ne!(digest(&[b"ab", b"c"]), digest(&[b"a", b"bc"]));
    assert_ne!(digest(&[b""]), digest(&[]));
}

#[test]
fn a_sealed_text_is_its_payload_and_the_code_of_rfc_2104() {
    let sealed = Seal::new(b"secret", None).seal(STATE, &[b"c"], b"payload");
    // By hand, with the hmac and base64 modules of Python:
    // key = HMAC(b"secret", b"\0"), then HMAC(key, b"\1\1" b"\0\0\0\0\0\0\0\1"
    // b"\0\0\0\0\0\0\0\1" b"c" b"payload").
    assert_eq!(
        sealed,
        "AXBheWxvYWRLNQLJLfBvnUoLy1rFXJexbMwVp4uruLWrf9rAGcIwMQ"
    );
}

#[test]
fn what_is_no_sealed_text_is_refused() {
    let key = key();
    let sealed = key.seal(STATE, &[], b"");
    assert_eq!(key.open(STATE, &[], &sealed), Ok(Vec::new()));
    for text in ["", "A", "?", "AQ", "ä", &format!("{sealed}="), " "] {
        assert_eq!(key.open(STATE, &[], text), Err(Broken), "{text:?}");
    }
    let long = key.seal(STATE, &[], &[7; limits::SEALED_BYTES_MAX]);
    assert_eq!(key.open(STATE, &[], &long), Err(Broken));
}

#[test]
fn another_secret_or_token_does_not_open_it() {
    let sealed = key().seal(STATE, &[], b"x");
    for other in [
        Seal::new(b"a secret of this run", Some("tokem")),
        Seal::new(b"a secret of this run", Some("")),
        Seal::new(b"a secret of this run", None),
        Seal::new(b"a secret of that run", Some("token")),
    ] {
        assert_eq!(other.open(STATE, &[], &sealed), Err(Broken));
    }
    let empty = Seal::new(b"s", Some("")).seal(STATE, &[], b"x");
    assert_eq!(Seal::new(b"s", None).open(STATE, &[], &empty), Err(Broken));
}

#[test]
fn a_key_is_not_shown() {
    assert_eq!(format!("{:?}", key()), "Seal(…)");
}

proptest! {
    #[test]
    fn what_is_sealed_opens_and_is_plain_text(
        context in vec(vec(any::<u8>(), 0..9), 0..4),
        payload in vec(any::<u8>(), 0..99),
    ) {
        let sealed = key().seal(STATE, &parts(&context), &payload);
        prop_assert!(sealed.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b)));
        prop_assert_eq!(key().open(STATE, &parts(&context), &sealed), Ok(payload));
    }

    #[test]
    fn one_flipped_bit_breaks_it(
        payload in vec(any::<u8>(), 0..40),
        place in any::<prop::sample::Index>(),
        bit in 0_u8..7,
    ) {
        let mut sealed = key().seal(STATE, &[b"c"], &payload).into_bytes();
        let place = place.index(sealed.len());
        sealed[place] ^= 1_u8 << bit;
        let text = String::from_utf8(sealed).expect("still ASCII");
        prop_assert_eq!(key().open(STATE, &[b"c"], &text), Err(Broken));
    }

    #[test]
    fn any_other_context_or_purpose_is_refused(
        context in vec(vec(any::<u8>(), 0..4), 0..4),
        other in vec(vec(any::<u8>(), 0..4), 0..4),
        payload in vec(any::<u8>(), 0..9),
    ) {
        let sealed = key().seal(STATE, &parts(&context), &payload);
        let opened = key().open(STATE, &parts(&other), &sealed);
        prop_assert_eq!(opened.is_ok(), context == other);
        let opened = key().open(Purpose::SessionId, &parts(&context), &sealed);
        prop_assert_eq!(opened, Err(Broken));
    }

    #[test]
    fn parts_moved_over_their_borders_are_another_context(
        text in vec(any::<u8>(), 2..12),
        cuts in (0_usize..12, 0_usize..12),
    ) {
        let (a, b) = (cuts.0.min(text.len()), cuts.1.min(text.len()));
        let sealed = key().seal(STATE, &[&text[..a], &text[a..]], b"p");
        let opened = key().open(STATE, &[&text[..b], &text[b..]], &sealed);
        prop_assert_eq!(opened.is_ok(), a == b);
        // Nor does the payload make up for the context.
        prop_assert!(key().open(STATE, &[&text[..a]], &sealed).is_err());
    }
}
