//! The one kind of address that is measured: `http://HOST:PORT/PATH`.

use std::net::{SocketAddr, ToSocketAddrs};

use crate::error::{Error, Result};

/// An address, resolved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Url {
    /// Where to connect.
    pub address: SocketAddr,
    /// Host and port as they were written, for the header `Host`.
    pub authority: String,
    /// Path and query, with its first `/`.
    pub path: String,
}

impl Url {
    /// Reads an address.
    ///
    /// # Errors
    /// [`Error::Usage`] if it is of another kind, or names no host that is known.
    pub fn parse(text: &str) -> Result<Url> {
        let unfit = || Error::Usage(format!("{text:?} is no address like http://HOST:PORT/PATH"));
        let rest = text.strip_prefix("http://").ok_or_else(unfit)?;
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let with_port = match authority.rsplit_once(':') {
            Some((_, port)) if port.parse::<u16>().is_ok() => authority.to_owned(),
            _ => format!("{authority}:80"),
        };
        let found = with_port.to_socket_addrs().map_err(|_| unfit())?;
        // Servers that listen on one address listen on the IPv4 one.
        let mut found: Vec<SocketAddr> = found.collect();
        found.sort_by_key(SocketAddr::is_ipv6);
        Ok(Url {
            address: *found.first().ok_or_else(unfit)?,
            authority: authority.to_owned(),
            path: if path.is_empty() { "/" } else { path }.to_owned(),
        })
    }

    /// The address that a server names, whole or as a path of its own.
    ///
    /// # Errors
    /// As [`Url::parse`].
    pub fn join(&self, named: &str) -> Result<Url> {
        if named.starts_with("http://") {
            return Url::parse(named);
        }
        let path = match named.strip_prefix('/') {
            Some(_) => named.to_owned(),
            None => {
                let folder = self.path.rfind('/').map_or("/", |end| &self.path[..=end]);
                format!("{folder}{named}")
            }
        };
        Ok(Url {
            path,
            ..self.clone()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_a_host_and_a_path() {
        let url = Url::parse("http://127.0.0.1:8080/a/sse?x=1").expect("an address");
        assert_eq!(url.address, "127.0.0.1:8080".parse().expect("an address"));
        assert_eq!(
            (url.authority.as_str(), url.path.as_str()),
            ("127.0.0.1:8080", "/a/sse?x=1")
        );
        let bare = Url::parse("http://127.0.0.1").expect("an address");
        assert_eq!((bare.address.port(), bare.path.as_str()), (80, "/"));
        for text in ["", "https://127.0.0.1/", "127.0.0.1:80", "http://"] {
            assert!(Url::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn an_endpoint_may_be_named_in_three_ways() {
        let url = Url::parse("http://127.0.0.1:8080/a/sse").expect("an address");
        let path = |named: &str| url.join(named).expect("an address").path;
        assert_eq!(path("/m?s=1"), "/m?s=1");
        assert_eq!(path("m?s=1"), "/a/m?s=1");
        assert_eq!(path("http://127.0.0.1:8080/m"), "/m");
    }
}
