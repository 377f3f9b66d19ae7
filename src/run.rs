//! Wires the channels, starts the threads, and stops them in order.

pub mod outset;
pub mod signals;
pub mod watched;

#[cfg(test)]
mod tests;

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener, ToSocketAddrs};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use crossbeam_channel::{Receiver, Sender, select};

use crate::capacity::{self, Found};
use crate::child::descriptors::{self, Descriptors};
use crate::child::reaper::{Orphans, Reaper};
use crate::config::checked::{Config, Launch, Scope, Server};
use crate::dispatcher::Dispatcher;
use crate::door::guard::Guard;
use crate::door::http::{Door, HttpDoor};
use crate::door::local::Inquiry;
use crate::door::stdio;
use crate::event::Event;
use crate::http::ear::{self, Ear};
use crate::http::settings::Settings;
use crate::http::{Running, Service};
use crate::hub::Hub;
use crate::limits;
use crate::mail::{self, Budgets, Inbox};
use crate::plan::Drawn;
use crate::plan::draft::{Draft, NESTING};
use crate::reload::{self, Reloader, Source, Watched};
use crate::run::outset::Sessions;
use crate::state::{self, State};
use crate::systemd::notify::Notifier;
use crate::systemd::socket::{self, SocketError};
use crate::systemd::watchdog;
use crate::threads;

/// Why the gateway does not start.
#[derive(Debug)]
pub enum Error {
    /// The host name has no address.
    UnknownHost {
        /// The name.
        host: String,
        /// What the system says.
        error: io::Error,
    },
    /// Anyone on the network could use it.
    Exposed(String),
    /// The engine is not fit for clients from other machines.
    Unhardened(String),
    /// The address cannot be listened on.
    Listen {
        /// The address.
        address: String,
        /// What the system says.
        error: io::Error,
    },
    /// It was started by itself too often, one inside the other.
    Nested(u32),
    /// The socket that was handed over cannot be served on.
    Socket(SocketError),
    /// The key of session ids cannot be had.
    State(state::error::Error),
    /// Threads, signals or descriptors cannot be had.
    System {
        /// For what.
        what: &'static str,
        /// What the system says.
        error: io::Error,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::UnknownHost { host, error } => {
                write!(f, "cannot listen on host {host:?}: {error}")
            }
            Error::Exposed(host) => write!(
                f,
                "will not listen on {host} without a token, for anyone who reaches it could use \
                 every server: set API_ACCESS_TOKEN, or give --allow-anonymous"
            ),
            Error::Unhardened(host) => write!(
                f,
                "will not listen on {host} with --http-engine tiny_http, which one request can \
                 bring down: it serves loopback addresses only"
            ),
            Error::Listen { address, error } if error.kind() == io::ErrorKind::AddrInUse => {
                write!(
                    f,
                    "cannot listen on {address}: the port is in use; choose another with --port, \
                     or 0 for any free one"
                )
            }
            Error::Listen { address, error } => {
                write!(f, "cannot listen on {address}: {error}")
            }
            Error::Nested(depth) => write!(
                f,
                "this is the {depth}th mcproxy inside another: an entry of the configuration \
                 starts mcproxy with the same file again"
            ),
            Error::Socket(error) => error.fmt(f),
            Error::State(error) => error.fmt(f),
            Error::System { what, error } => write!(f, "cannot start {what}: {error}"),
        }
    }
}

impl std::error::Error for Error {}

fn system(what: &'static str) -> impl FnOnce(io::Error) -> Error {
    move |error| Error::System { what, error }
}

/// A running gateway without any door.
pub struct Gateway {
    inbox: Inbox,
    dispatcher: JoinHandle<()>,
    /// Told when a signal asks for the end.
    stopping: Receiver<()>,
    /// Whether whoever is told so asks the dispatcher to end.
    defers: Arc<AtomicBool>,
    /// Closed when the dispatcher ends.
    ended: Receiver<()>,
    reaper: Reaper,
    state: State,
    /// The thread that watches the configuration ends when the last of these is
    /// gone.
    _nudge: Sender<()>,
}

impl Gateway {
    /// Starts the dispatcher, which starts the servers and `hears` clients, and what looks for changes
    /// of the configuration, if that is `watched`.
    ///
    /// # Errors
    /// A thread or randomness cannot be had, or the key of session ids is none.
    pub fn start(
        config: &Config,
        sessions: Sessions,
        watched: Option<Watched>,
        hears: Option<Box<dyn mail::hearing::Poller>>,
    ) -> Result<Gateway, Error> {
        if nesting() > limits::NESTING_MAX {
            return Err(Error::Nested(nesting()));
        }
        // Whoever serves on one has taken it by now.
        socket::decline();
        let complain = |error: &_| log::warn!("cannot raise the limit of descriptors: {error}");
        let raised = descriptors::raise().inspect_err(complain);
        let given_back = raised.ok().and_then(Descriptors::given_back);
        let reaper = Reaper::start(Orphans::Adopt, given_back).map_err(system("the reaper"))?;
        let most = &config.limits;
        let budgets = Budgets::new(most.max_message_size, most.max_child_message_size);
        let (inbox, letters) = Inbox::new(budgets);
        // Before any child: a signal that came earlier would leave them behind.
        let defers = Arc::<AtomicBool>::default();
        let (nudge, nudges) = mail::channel(limits::SIGNAL_SLOTS);
        let rereads = watched.is_some() && !signals::is_at_a_terminal();
        let stopping = signals::heed(&inbox, &defers, rereads.then(|| nudge.clone()))?;
        let draft = Draft::new(config, nesting());
        let Drawn { plan, recipes } = draft.last().clone();
        let (outset, state) = outset::outset(config, sessions)?;
        let hub = Hub::new(plan, outset);
        let post = (inbox.clone(), letters);
        let ends = (reaper.clone(), state.keeper());
        let dispatcher = Dispatcher::new(hub, post, recipes, ends).hearing(hears);
        let (ending, ended) = mail::channel(limits::SIGNAL_SLOTS);
        let dispatcher = threads::spawn("dispatcher", limits::DISPATCHER_STACK_BYTES, move || {
            let _ending: Sender<()> = ending;
            // A half-dead gateway is worse than a restarted one.
            if catch_unwind(AssertUnwindSafe(|| dispatcher.run())).is_err() {
                log::error!("the dispatcher has panicked; this is a bug of mcproxy");
                std::process::abort();
            }
        })
        .map_err(system("the dispatcher"))?;
        let gateway = Gateway {
            inbox,
            dispatcher,
            stopping,
            defers,
            ended,
            reaper,
            state,
            _nudge: nudge,
        };
        match watched.map(|watched| gateway.reload_from(config, draft, watched, nudges)) {
            None | Some(Ok(())) => Ok(gateway),
            Some(Err(error)) => {
                gateway.stop();
                gateway.finish();
                Err(system("the thread for the configuration")(error))
            }
        }
    }

    /// Has the configuration read anew when its file changes.
    fn reload_from(
        &self,
        config: &Config,
        draft: Draft,
        watched: Watched,
        nudges: Receiver<()>,
    ) -> io::Result<()> {
        let reloader = Reloader {
            watched,
            config: config.clone(),
            draft,
            inbox: self.inbox.clone(),
        };
        reload::start(reloader, nudges)
    }

    /// The way to the dispatcher.
    pub fn inbox(&self) -> &Inbox {
        &self.inbox
    }

    /// Asks the gateway to end.
    pub fn stop(&self) {
        let _ = self.inbox.post(Event::Stop);
    }

    /// From now on a first signal does not end the gateway; it is on whoever waits for it to do so.
    pub fn defer_stop(&self) {
        self.defers.store(true, Ordering::SeqCst);
    }

    /// Waits until a signal asks for the end, or it has come.
    pub fn wait_for_stop(&self) {
        select! {
            recv(self.stopping) -> _ => {}
            recv(self.ended) -> _ => {}
        }
    }

    /// Waits until the dispatcher has ended.
    pub fn wait(&self) {
        // Nothing is ever sent: the wait ends when the other end is dropped.
        let _ = self.ended.recv();
    }

    /// Waits until the gateway has ended, and sees that no process is left.
    pub fn finish(self) {
        if self.dispatcher.join().is_err() {
            log::error!("the dispatcher has panicked; this is a bug of mcproxy");
        }
        let left = self.reaper.finish(limits::STOP_REAP_MAX);
        if left > 0 {
            log::warn!("{left} processes could not be ended");
        }
        self.state.finish();
    }
}

fn nesting() -> u32 {
    let told = std::env::var(NESTING).ok();
    told.and_then(|told| told.parse().ok()).unwrap_or_default()
}

/// Starts an HTTP engine on a listener.
pub type StartEngine = fn(TcpListener, Arc<dyn Service>, Settings) -> io::Result<Box<dyn Running>>;

/// An HTTP engine.
#[derive(Clone, Copy)]
pub struct Engine {
    /// What starts it.
    pub start: StartEngine,
    /// Whether it may face clients from other machines.
    pub is_hardened: bool,
}

/// What serving over HTTP needs besides the configuration.
#[derive(Clone, Copy)]
pub struct Serving<'a> {
    /// The engine.
    pub engine: Engine,
    /// Whether it may listen beyond loopback without a token.
    pub allow_anonymous: bool,
    /// Told once it listens, by which host and at which port.
    pub announce: &'a dyn Fn(&str, u16),
}

/// Serves over HTTP until a signal ends it.
///
/// # Errors
/// It cannot start.
pub fn serve(config: &Config, source: Option<Source>, serving: Serving<'_>) -> Result<(), Error> {
    let listening = listen(config, serving)?;
    let (host, is_handed) = (listening.host.clone(), listening.is_handed);
    let notifier = Notifier::of_environment();
    let watched = source.map(|source| watched::by_http(source, notifier.clone()));
    let (ear, hears) = ear::open().map_err(system("the dispatcher"))?;
    let gateway = Gateway::start(config, Sessions::Last, watched, Some(Box::new(hears)))?;
    let mut door = watch(&gateway, &notifier)
        .and_then(|()| open_door(config, (&gateway, ear), serving, listening));
    match &door {
        Ok(running) => {
            gateway.defer_stop();
            (serving.announce)(&host, running.local_addr().port());
            notifier.ready();
        }
        Err(_) => gateway.stop(),
    }
    gateway.wait_for_stop();
    if let Ok(running) = &mut door {
        match is_handed {
            // Who connects from now on waits for the next one that the socket is handed to. The servers answer
            // until everybody has gone there.
            true => running.hand_over(),
            // Before the last answers are written.
            false => running.part(),
        }
        gateway.stop();
    }
    notifier.stopping();
    gateway.wait();
    let result = door.map(|running| {
        let open = running.stop();
        if open > 0 {
            log::warn!("{open} connections had to be cut");
        }
    });
    gateway.finish();
    result
}

/// Has the service manager, if there is one, told how the gateway does for as long as it does
/// anything.
fn watch(gateway: &Gateway, notifier: &Notifier) -> Result<(), Error> {
    if !notifier.is_heard() {
        return Ok(());
    }
    let Ok(mut inquiry) = Inquiry::open(gateway.inbox()) else {
        return Ok(()); // it has ended already
    };
    let ask = move |patience| inquiry.health(patience).ok();
    let period = watchdog::period_of_environment();
    let ended = gateway.ended.clone();
    watchdog::start(notifier.clone(), period, ended, ask).map_err(system("the watchdog"))
}

fn open_door(
    config: &Config,
    (gateway, ear): (&Gateway, Arc<Ear<Event>>),
    serving: Serving<'_>,
    listening: Listening,
) -> Result<Box<dyn Running>, Error> {
    let Listening { listener, host, .. } = listening;
    let asked = config.limits.max_connections;
    let max_connections = capacity::settle(asked, Found::here(), children(config));
    let door = HttpDoor::new(Door {
        inbox: gateway.inbox().clone(),
        guard: Guard {
            allow_origins: config.allow_origins.clone(),
            allow_hosts: config.allow_hosts.clone(),
            bound_host: host,
            token: config.token.clone(),
        },
        message_max: config.limits.max_message_size,
        keepalive: config.limits.keepalive_interval,
        ear,
    });
    let settings = Settings {
        max_connections,
        ..Settings::default()
    };
    (serving.engine.start)(listener, Arc::new(door), settings).map_err(system("the HTTP engine"))
}

/// How many children there may be at once.
fn children(config: &Config) -> usize {
    let runs = |server: &&Server| matches!(server.state, Launch::Run(_));
    let running = config.servers.iter().filter(runs);
    let has_own = running.clone().any(|server| server.scope == Scope::Session);
    running.count() + usize::from(has_own) * config.limits.max_processes
}

/// Serves one client over stdin and stdout, until its input ends or a signal
/// comes.
///
/// # Errors
/// It cannot start.
pub fn serve_stdio(config: &Config, source: Option<Source>) -> Result<(), Error> {
    let watched = source.map(watched::by_stdio);
    let gateway = Gateway::start(config, Sessions::End, watched, None)?;
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
    served.map_err(system("the stdio door"))
}

/// A listener, and the host by which clients name it.
struct Listening {
    listener: TcpListener,
    host: String,
    /// The service manager opened it, and keeps it.
    is_handed: bool,
}

/// Listens, or takes the listener that was handed over, unless that would let in anyone from
/// anywhere.
fn listen(config: &Config, serving: Serving<'_>) -> Result<Listening, Error> {
    if let Some(listener) = socket::inherited().map_err(Error::Socket)? {
        let address = listener
            .local_addr()
            .map_err(|error| Error::Socket(SocketError::System(error)))?;
        let host = address.ip().to_string();
        refuse_exposure(&[address], &host, config, serving)?;
        log::info!(
            "serving on {address}, the socket that was handed over; the configuration's host and \
             port are not used"
        );
        return Ok(Listening {
            listener,
            host,
            is_handed: true,
        });
    }
    let host = config.host.clone();
    let addresses: Vec<SocketAddr> = (host.as_str(), config.port)
        .to_socket_addrs()
        .map_err(|error| Error::UnknownHost {
            host: host.clone(),
            error,
        })?
        .collect();
    refuse_exposure(&addresses, &host, config, serving)?;
    match TcpListener::bind(addresses.as_slice()) {
        Ok(listener) => Ok(Listening {
            listener,
            host,
            is_handed: false,
        }),
        Err(error) => Err(Error::Listen {
            address: if host.contains(':') {
                format!("[{host}]:{}", config.port)
            } else {
                format!("{host}:{}", config.port)
            },
            error,
        }),
    }
}

/// Refuses addresses that other machines reach, where nobody asks them for a token or the engine is
/// not fit for them. `host` names them in the error.
fn refuse_exposure(
    addresses: &[SocketAddr],
    host: &str,
    config: &Config,
    serving: Serving<'_>,
) -> Result<(), Error> {
    let is_private = |address: &SocketAddr| match address.ip() {
        IpAddr::V6(v6) => v6.to_canonical().is_loopback(),
        v4 @ IpAddr::V4(_) => v4.is_loopback(),
    };
    let is_exposed = !addresses.iter().all(is_private);
    if is_exposed && !serving.engine.is_hardened {
        return Err(Error::Unhardened(host.to_owned()));
    }
    if is_exposed && config.token.is_none() && !serving.allow_anonymous {
        return Err(Error::Exposed(host.to_owned()));
    }
    Ok(())
}
