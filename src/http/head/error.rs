//! Why the head of a request is refused.

use std::fmt;

use crate::limits;

/// Why a head is refused. The connection ends after the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeadError {
    /// It breaks the grammar, or its headers contradict each other.
    Malformed(&'static str),
    /// The request line is longer than [`limits::HTTP_REQUEST_LINE_BYTES_MAX`].
    RequestLineTooLong,
    /// The head is longer than [`limits::HTTP_HEAD_BYTES_MAX`].
    TooLarge,
    /// There are more than [`limits::HTTP_HEADERS_MAX`] headers.
    TooManyHeaders,
    /// The version is neither HTTP/1.0 nor HTTP/1.1.
    VersionUnknown,
    /// An `Expect` other than `100-continue`.
    ExpectationUnknown,
}

impl HeadError {
    /// The HTTP status that says this to the peer.
    pub fn status(self) -> u16 {
        match self {
            HeadError::Malformed(_) => 400,
            HeadError::RequestLineTooLong => 414,
            HeadError::TooLarge | HeadError::TooManyHeaders => 431,
            HeadError::VersionUnknown => 505,
            HeadError::ExpectationUnknown => 417,
        }
    }
}

impl fmt::Display for HeadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            HeadError::Malformed(what) => write!(f, "malformed request: {what}"),
            HeadError::RequestLineTooLong => {
                write!(
                    f,
                    "the request line is longer than {} bytes",
                    limits::HTTP_REQUEST_LINE_BYTES_MAX
                )
            }
            HeadError::TooLarge => {
                write!(
                    f,
                    "the request head is larger than {} bytes",
                    limits::HTTP_HEAD_BYTES_MAX
                )
            }
            HeadError::TooManyHeaders => write!(
                f,
                "there are more than {} headers",
                limits::HTTP_HEADERS_MAX
            ),
            HeadError::VersionUnknown => write!(f, "only HTTP/1.0 and HTTP/1.1 are spoken here"),
            HeadError::ExpectationUnknown => write!(f, "Expect may only say 100-continue"),
        }
    }
}

impl std::error::Error for HeadError {}
