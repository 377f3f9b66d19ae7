//! Who may come in: the origin a browser names, the host it was sent to, the
//! token it carries. Pure: it judges the headers' text and touches nothing.

use std::net::IpAddr;

use subtle::ConstantTimeEq;

use crate::config::checked::Secret;

/// What is asked of a request before anything of it is served.
#[derive(Debug, Clone)]
pub struct Guard {
    /// Origins besides loopback that may call; `*` for any.
    pub allow_origins: Vec<String>,
    /// Host names besides loopback and the bound address.
    pub allow_hosts: Vec<String>,
    /// The address the gateway listens on, as configured.
    pub bound_host: String,
    /// The token that every request must carry.
    pub token: Option<Secret>,
}

/// Why a request does not come in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turned {
    /// Its origin is not allowed: 403.
    Origin,
    /// Its host is not allowed: 403.
    Host,
    /// It has no token, or not the right one: 401.
    Token,
}

impl Turned {
    /// The sentence for the client.
    pub fn sentence(self) -> &'static str {
        match self {
            Turned::Origin => {
                "forbidden: this Origin is not allowed; list it in \"allow_origins\" if it should be"
            }
            Turned::Host => {
                "forbidden: this Host is not allowed; list it in \"allow_hosts\" if it should be, \
                 or protect the gateway with API_ACCESS_TOKEN"
            }
            Turned::Token => "unauthorized: send the header \"Authorization: Bearer TOKEN\"",
        }
    }
}

impl Guard {
    /// Judges by `Origin` (against DNS rebinding, as the transports of every
    /// revision ask) and, where no token protects, by `Host` too.
    ///
    /// # Errors
    /// What is wrong.
    pub fn check_source(&self, origin: Option<&str>, host: Option<&str>) -> Result<(), Turned> {
        if origin.is_some_and(|origin| !self.allows_origin(origin)) {
            return Err(Turned::Origin);
        }
        // A browser misled by DNS cannot know the token, so with one the host
        // tells nothing more; a reverse proxy may then use any name.
        if self.token.is_none() && !host.is_some_and(|host| self.allows_host(host)) {
            return Err(Turned::Host);
        }
        Ok(())
    }

    /// Judges by the `Authorization` header (RFC 6750, section 2.1), in a time
    /// that does not depend on how much of the token is right.
    ///
    /// # Errors
    /// What is wrong.
    pub fn check_token(&self, authorization: Option<&str>) -> Result<(), Turned> {
        let Some(token) = &self.token else {
            return Ok(());
        };
        let shown = authorization
            .and_then(|value| value.split_once(' '))
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
            .map(|(_, token)| token.trim());
        let right = shown
            .is_some_and(|shown| bool::from(shown.as_bytes().ct_eq(token.expose().as_bytes())));
        if right { Ok(()) } else { Err(Turned::Token) }
    }

    fn allows_origin(&self, origin: &str) -> bool {
        let origin = origin.to_ascii_lowercase();
        let listed = |allowed: &String| *allowed == "*" || *allowed == origin;
        if self.allow_origins.iter().any(listed) {
            return true;
        }
        let Some((scheme, authority)) = origin.split_once("://") else {
            return false; // `null`, for one: a page from a file or a sandbox
        };
        matches!(scheme, "http" | "https") && is_loopback(name_of(authority))
    }

    fn allows_host(&self, host: &str) -> bool {
        let name = name_of(host);
        let listed = |allowed: &String| {
            allowed.eq_ignore_ascii_case(host) || allowed.eq_ignore_ascii_case(name)
        };
        is_loopback(name)
            || (!name.is_empty() && name.eq_ignore_ascii_case(&self.bound_host))
            || self.allow_hosts.iter().any(listed)
    }
}

/// The name in `name:port`, an IPv6 address without its brackets; empty where
/// it is anything else.
fn name_of(authority: &str) -> &str {
    let (name, rest) = match authority.strip_prefix('[') {
        Some(rest) => rest.split_once(']').unwrap_or_default(),
        None => authority.split_at(authority.find(':').unwrap_or(authority.len())),
    };
    let is_port = |rest: &str| rest.bytes().all(|byte| byte.is_ascii_digit());
    if rest.is_empty() || rest.strip_prefix(':').is_some_and(is_port) {
        name
    } else {
        ""
    }
}

/// Whether a host name means this machine (RFC 6761, section 6.3; the whole of
/// 127.0.0.0/8, and `::1`).
pub fn is_loopback(name: &str) -> bool {
    let ends_so = |end: &[u8]| {
        let bytes = name.as_bytes();
        let start = bytes.len().checked_sub(end.len());
        start.is_some_and(|start| bytes[start..].eq_ignore_ascii_case(end))
    };
    name.eq_ignore_ascii_case("localhost")
        || ends_so(b".localhost")
        || name
            .parse()
            .is_ok_and(|address: IpAddr| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open() -> Guard {
        Guard {
            allow_origins: vec!["https://app.example.org".into()],
            allow_hosts: vec!["gate.lan".into(), "other.lan:8080".into()],
            bound_host: "192.0.2.7".into(),
            token: None,
        }
    }

    fn locked() -> Guard {
        Guard {
            token: Some(Secret::new("s3cret".into())),
            ..open()
        }
    }

    #[test]
    fn an_origin_is_absent_or_loopback_or_listed() {
        let judge = |origin| open().check_source(origin, Some("localhost"));
        assert_eq!(judge(None), Ok(()));
        assert_eq!(judge(Some("http://localhost:3000")), Ok(()));
        assert_eq!(judge(Some("https://127.0.0.1")), Ok(()));
        assert_eq!(judge(Some("http://[::1]:80")), Ok(()));
        assert_eq!(judge(Some("https://App.Example.org")), Ok(()));
        for bad in [
            "https://evil.example",
            "http://localhost.evil.example",
            "http://127.0.0.1.evil.example",
            "https://app.example.org.evil.example",
            "null",
            "",
            "file://localhost",
            "localhost",
        ] {
            assert_eq!(judge(Some(bad)), Err(Turned::Origin), "{bad}");
        }
    }

    #[test]
    fn without_a_token_the_host_is_judged_too() {
        let judge = |host| open().check_source(None, host);
        for good in [
            "localhost",
            "LOCALHOST:12009",
            "127.0.0.1:12009",
            "[::1]:12009",
            "192.0.2.7:12009",
            "gate.lan:1",
            "other.lan:8080",
        ] {
            assert_eq!(judge(Some(good)), Ok(()), "{good}");
        }
        for bad in [
            "evil.example",
            "other.lan:1",
            "127.0.0.1.evil.example",
            "",
            "127.0.0.1:80@evil.example",
            "localhost:abc",
            "[::1]evil.example",
            "[::1",
        ] {
            assert_eq!(judge(Some(bad)), Err(Turned::Host), "{bad}");
        }
        assert_eq!(judge(None), Err(Turned::Host));
    }

    #[test]
    fn with_a_token_any_host_will_do_but_an_origin_will_not() {
        assert_eq!(locked().check_source(None, Some("evil.example")), Ok(()));
        assert_eq!(
            locked().check_source(Some("https://evil.example"), None),
            Err(Turned::Origin)
        );
    }

    #[test]
    fn the_token_must_be_the_whole_of_it() {
        let judge = |value| locked().check_token(value);
        assert_eq!(judge(Some("Bearer s3cret")), Ok(()));
        assert_eq!(judge(Some("bearer s3cret")), Ok(()));
        for bad in [
            None,
            Some(""),
            Some("Bearer"),
            Some("Bearer "),
            Some("Bearer s3cre"),
            Some("Bearer s3cret2"),
            Some("Basic s3cret"),
            Some("s3cret"),
        ] {
            assert_eq!(judge(bad), Err(Turned::Token), "{bad:?}");
        }
        assert_eq!(open().check_token(None), Ok(()));
    }
}
