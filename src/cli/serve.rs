//! The sub-commands that serve.

use crate::cli::console;
use crate::cli::exit::Exit;
use crate::config::checked::{Config, Launch};
use crate::reload::Source;
use crate::run::{self, Engine, Error, Serving};

/// Serves over HTTP until a signal ends it.
///
/// # Errors
/// It cannot start.
pub fn over_http(
    config: &Config,
    source: Option<Source>,
    engine: Engine,
    allow_anonymous: bool,
) -> Result<Exit, Error> {
    let announce = |host: &str, port: u16| {
        console::say(format_args!(
            "listening on http://{}/mcp ({})",
            shown(host, port),
            servers(config)
        ));
    };
    run::serve(
        config,
        source,
        Serving {
            engine,
            allow_anonymous,
            announce: &announce,
        },
    )?;
    Ok(Exit::Ok)
}

/// Host and port as they stand in a URL (RFC 3986, section 3.2.2).
fn shown(host: &str, port: u16) -> String {
    if host.contains(':') {
        format!("[{host}]:{port}")
    } else {
        format!("{host}:{port}")
    }
}

/// How many servers are served, in words.
fn servers(config: &Config) -> String {
    let running = |launch: &Launch| matches!(launch, Launch::Run(_));
    match config.servers.iter().filter(|s| running(&s.state)).count() {
        1 => "1 server".to_owned(),
        count => format!("{count} servers"),
    }
}

/// Serves one client over stdin and stdout until its input ends.
///
/// # Errors
/// It cannot start.
pub fn over_stdio(config: &Config, source: Option<Source>) -> Result<Exit, Error> {
    run::serve_stdio(config, source).map(|()| Exit::Ok)
}
