//! The sub-commands that serve.

use std::io;
use std::net::SocketAddr;

use crossbeam_channel::Sender;

use crate::cli::console;
use crate::cli::exit::Exit;
use crate::config::checked::{Config, Launch};
use crate::door::stdio;
use crate::event::Event;
use crate::run::{self, Engine, Error, Gateway, Serving};
use crate::{limits, mail, threads};

/// Serves over HTTP until a signal ends it.
///
/// # Errors
/// It cannot start.
pub fn over_http(config: &Config, engine: Engine, allow_anonymous: bool) -> Result<Exit, Error> {
    let announce = |address: SocketAddr| {
        console::say(format_args!(
            "listening on http://{}/mcp ({})",
            shown(&config.host, address.port()),
            servers(config)
        ));
    };
    run::serve(
        config,
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
pub fn over_stdio(config: &Config) -> Result<Exit, Error> {
    let gateway = Gateway::start(config)?;
    let message_max = config.limits.max_message_size;
    let inbox = gateway.inbox().clone();
    let (ending, ended) = mail::channel(limits::SIGNAL_SLOTS);
    // On a thread of its own, for a client that does not read its answers must
    // not keep the gateway from ending.
    let door = threads::spawn("stdio-out", limits::STDIO_STACK_BYTES, move || {
        let _ending: Sender<()> = ending;
        let served = stdio::run(io::stdin(), io::stdout(), &inbox, message_max);
        let _ = inbox.post(Event::Stop);
        served
    });
    if door.is_err() {
        gateway.stop();
    }
    gateway.wait();
    let served = door.and_then(|door| {
        // Nothing is ever sent: this waits for the end, but not for ever.
        let _ = ended.recv_timeout(limits::STDIO_LAST_WORDS_WAIT);
        match door.is_finished() {
            true => door.join().unwrap_or(Ok(())),
            false => Ok(()),
        }
    });
    gateway.finish();
    served.map(|()| Exit::Ok).map_err(|error| Error::System {
        what: "the stdio door",
        error,
    })
}
