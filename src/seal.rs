//! Texts that clients carry for the gateway and cannot change: a payload, and
//! behind it a code that only the holder of the key can make (HMAC-SHA256,
//! RFC 2104). Readable by everyone: nothing secret belongs in a payload.
//!
//! Pure: the key is handed in. What is sealed, and what an opened seal means,
//! is decided elsewhere.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

use crate::limits;

/// The form of what is sealed. Another form gets another number, so that none
/// is ever read as the other.
const VERSION: u8 = 1;

/// The length of the code, in bytes.
const CODE_BYTES: usize = 32;

/// What a sealed text is for; one made for one thing opens for no other.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Purpose {
    /// The state that a stateless client brings back with its answers.
    RequestState,
    /// The name of a session.
    SessionId,
}

/// A key, with which texts are sealed and opened.
#[derive(Clone)]
pub struct Seal {
    keyed: Hmac<Sha256>,
}

/// The text was not sealed with this key, for this purpose, in this context; or
/// it was changed since.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Broken;

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the seal is broken")
    }
}

/// A key is shown to nobody.
impl fmt::Debug for Seal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seal(…)")
    }
}

impl Seal {
    /// A key made of a secret and of the token that lets clients in: where
    /// another token is asked for, nothing that was sealed before opens.
    pub fn new(secret: &[u8], token: Option<&str>) -> Seal {
        let mut mixed = keyed(secret);
        mixed.update(&[u8::from(token.is_some())]);
        mixed.update(token.unwrap_or_default().as_bytes());
        Seal {
            keyed: keyed(&mixed.finalize().into_bytes()),
        }
    }

    /// Seals a payload. The text opens only with the same purpose and context,
    /// which is not part of it. It is made of letters, digits, `-` and `_`
    /// (RFC 4648, section 5), without padding.
    pub fn seal(&self, purpose: Purpose, context: &[&[u8]], payload: &[u8]) -> String {
        let code = self.code(purpose, context, payload).finalize();
        let mut sealed = Vec::with_capacity(1 + CODE_BYTES + payload.len());
        sealed.push(VERSION);
        sealed.extend_from_slice(payload);
        sealed.extend_from_slice(&code.into_bytes());
        URL_SAFE_NO_PAD.encode(sealed)
    }

    /// The payload of a sealed text. The codes are compared in a time that does
    /// not depend on where they differ.
    ///
    /// # Errors
    /// It was not sealed so, it was changed, or it is longer than
    /// [`limits::SEALED_BYTES_MAX`].
    pub fn open(
        &self,
        purpose: Purpose,
        context: &[&[u8]],
        sealed: &str,
    ) -> Result<Vec<u8>, Broken> {
        if sealed.len() > limits::SEALED_BYTES_MAX {
            return Err(Broken);
        }
        let sealed = URL_SAFE_NO_PAD.decode(sealed).map_err(|_| Broken)?;
        let (&version, rest) = sealed.split_first().ok_or(Broken)?;
        let (payload, code) = rest.split_last_chunk::<CODE_BYTES>().ok_or(Broken)?;
        if version != VERSION {
            return Err(Broken);
        }
        let expected = self.code(purpose, context, payload);
        expected.verify_slice(code).map_err(|_| Broken)?;
        Ok(payload.to_vec())
    }

    /// The code over all that a seal binds.
    fn code(&self, purpose: Purpose, context: &[&[u8]], payload: &[u8]) -> Hmac<Sha256> {
        let mut code = self.keyed.clone();
        let purpose = match purpose {
            Purpose::RequestState => 1,
            Purpose::SessionId => 2,
        };
        code.update(&[VERSION, purpose]);
        apart(context, |bytes| code.update(bytes));
        code.update(payload);
        code
    }
}

/// The SHA-256 of several parts, which differs wherever one of them does, or
/// their number.
pub fn digest(parts: &[&[u8]]) -> [u8; 32] {
    let mut digest = Sha256::new();
    apart(parts, |bytes| digest.update(bytes));
    digest.finalize().into()
}

/// Feeds parts so that no other parts feed the same bytes: first how many there
/// are, then each behind its length.
fn apart(parts: &[&[u8]], mut feed: impl FnMut(&[u8])) {
    feed(&(parts.len() as u64).to_be_bytes());
    for part in parts {
        feed(&(part.len() as u64).to_be_bytes());
        feed(part);
    }
}

fn keyed(key: &[u8]) -> Hmac<Sha256> {
    Hmac::new_from_slice(key).expect("HMAC takes keys of any length")
}

#[cfg(test)]
mod tests;
