//! Which endpoint a path names. Pure.

use crate::event::View;

/// An endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Route {
    /// Streamable HTTP.
    Mcp(View),
    /// HTTP+SSE: the stream.
    Sse(View),
    /// HTTP+SSE: where the client posts to.
    Messages(View),
    /// `GET /health`
    Health,
    /// `GET /ready`
    Ready,
    /// `GET /status`
    Status,
}

impl Route {
    /// The endpoint of a path, as it stands in the request line. A slash at the
    /// end makes no difference.
    pub fn of_path(path: &str) -> Option<Route> {
        let path = path.strip_suffix('/').unwrap_or(path);
        let path = path.strip_prefix('/')?;
        // Nearly every request is for one of these.
        if let Some(route) = Route::of_view(path, View::Merged) {
            return Some(route);
        }
        let mut parts = path.split('/');
        let first = parts.next()?;
        let route = match first {
            "servers" | "groups" => {
                let name = decoded(parts.next()?)?;
                let view = match first {
                    "servers" => View::Server(name),
                    _ => View::Group(name),
                };
                Route::of_view(parts.next()?, view)?
            }
            "health" => Route::Health,
            "ready" => Route::Ready,
            "status" => Route::Status,
            _ => return None,
        };
        parts.next().is_none().then_some(route)
    }

    fn of_view(door: &str, view: View) -> Option<Route> {
        match door {
            "mcp" => Some(Route::Mcp(view)),
            "sse" => Some(Route::Sse(view)),
            "messages" => Some(Route::Messages(view)),
            _ => None,
        }
    }

    /// The methods it takes, for the `Allow` header (RFC 9110, section 10.2.1).
    pub fn methods(&self) -> &'static str {
        match self {
            Route::Mcp(_) => "GET, POST, DELETE, OPTIONS",
            Route::Messages(_) => "POST, OPTIONS",
            Route::Sse(_) => "GET, OPTIONS",
            Route::Health | Route::Ready | Route::Status => "GET, HEAD",
        }
    }
}

/// The path at which the messages of a view's HTTP+SSE clients are taken.
pub fn messages_path(view: &View) -> String {
    match view {
        View::Merged => "/messages".to_owned(),
        View::Server(name) => format!("/servers/{name}/messages"),
        View::Group(name) => format!("/groups/{name}/messages"),
    }
}

/// A path segment without its percent-encoding (RFC 3986, section 2.1).
fn decoded(segment: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(segment.len());
    let mut rest = segment.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let hex = |digit: u8| char::from(digit).to_digit(16);
            let (high, low) = (hex(rest.next()?)?, hex(rest.next()?)?);
            bytes.push(u8::try_from(high * 16 + low).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes)
        .ok()
        .filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_endpoint_has_its_path() {
        let server = || View::Server("git".into());
        assert_eq!(Route::of_path("/mcp"), Some(Route::Mcp(View::Merged)));
        assert_eq!(Route::of_path("/mcp/"), Some(Route::Mcp(View::Merged)));
        assert_eq!(Route::of_path("/sse"), Some(Route::Sse(View::Merged)));
        assert_eq!(
            Route::of_path("/messages"),
            Some(Route::Messages(View::Merged))
        );
        assert_eq!(
            Route::of_path("/servers/git/mcp"),
            Some(Route::Mcp(server()))
        );
        assert_eq!(
            Route::of_path("/servers/%67it/sse"),
            Some(Route::Sse(server()))
        );
        assert_eq!(
            Route::of_path("/groups/git/messages"),
            Some(Route::Messages(View::Group("git".into())))
        );
        assert_eq!(Route::of_path("/health"), Some(Route::Health));
        assert_eq!(Route::of_path("/ready"), Some(Route::Ready));
    }

    #[test]
    fn other_paths_have_none() {
        for path in [
            "",
            "*",
            "/",
            "/mcp/x",
            "/health/x",
            "/servers",
            "/servers/git",
            "/servers//mcp",
            "/servers/git/mcp/x",
            "/servers/%zz/mcp",
            "/servers/%4/mcp",
            "/servers/%ff/mcp",
            "/Mcp",
        ] {
            assert_eq!(Route::of_path(path), None, "{path}");
        }
    }
}
