//! What is said of a server that has failed too often: to a reader, and to a
//! program that would like to know when to come again.

use std::fmt;

use serde_json::json;

/// A server that is parked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parked {
    /// Its name.
    pub server: String,
    /// How often it has failed in a row.
    pub failures: u32,
    /// How it failed last.
    pub last: String,
    /// When it is tried again.
    pub retry: Retry,
}

/// When a server that is parked is tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// In so many seconds.
    In(u64),
    /// By the first call after so many seconds.
    ByCall(u64),
    /// Just now.
    Now,
}

impl Parked {
    /// The `data` of the error, as JSON text. `retryAfter` counts seconds, as the
    /// HTTP header of that name does.
    pub fn data(&self) -> String {
        let seconds = match self.retry {
            Retry::In(seconds) | Retry::ByCall(seconds) => seconds,
            Retry::Now => 0,
        };
        json!({
            "server": self.server,
            "state": "parked",
            "failures": self.failures,
            "last": self.last,
            "retryAfter": seconds,
        })
        .to_string()
    }
}

impl fmt::Display for Parked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Parked {
            server,
            failures,
            last,
            retry,
        } = self;
        let plural = if *failures == 1 { "" } else { "s in a row" };
        write!(
            f,
            "server {server:?} is parked after {failures} failure{plural}; last: {last}; it {retry}"
        )
    }
}

/// In words that follow "it".
impl fmt::Display for Retry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Retry::In(seconds) => write!(f, "is tried again in {seconds} s"),
            Retry::ByCall(seconds) => {
                write!(f, "is tried again by a call in {seconds} s or later")
            }
            Retry::Now => f.write_str("is being tried again"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parked(failures: u32, retry: Retry) -> Parked {
        Parked {
            server: "git".into(),
            failures,
            last: "exited with code 1".into(),
            retry,
        }
    }

    #[test]
    fn a_reader_is_told_how_often_why_and_when() {
        assert_eq!(
            parked(3, Retry::In(42)).to_string(),
            "server \"git\" is parked after 3 failures in a row; last: exited with code 1; it is \
             tried again in 42 s"
        );
        assert_eq!(
            parked(1, Retry::Now).to_string(),
            "server \"git\" is parked after 1 failure; last: exited with code 1; it is being tried \
             again"
        );
    }

    #[test]
    fn a_program_is_told_the_same() {
        let data: serde_json::Value =
            serde_json::from_str(&parked(3, Retry::ByCall(42)).data()).expect("it is JSON");
        assert_eq!(
            data,
            json!({
                "server": "git",
                "state": "parked",
                "failures": 3,
                "last": "exited with code 1",
                "retryAfter": 42,
            })
        );
    }
}
