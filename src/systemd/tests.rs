//! The protocols, over real sockets where there is one.

use std::ffi::OsString;
use std::fs::File;
use std::os::fd::{AsRawFd, IntoRawFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::json;

use crate::limits;
use crate::mail;
use crate::systemd::notify::Notifier;
use crate::systemd::socket::{close_inherited, handed_over};
use crate::systemd::{summary, watchdog};

/// No test waits longer than this for anything.
const PATIENCE: Duration = Duration::from_secs(20);

/// A service manager that listens.
struct Manager {
    socket: UnixDatagram,
    path: Option<PathBuf>,
    address: OsString,
}

/// A name that no other test has.
fn fresh_name() -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    format!("mcproxy-notify-{}-{number}", std::process::id())
}

impl Manager {
    fn at_path() -> Manager {
        let path = std::env::temp_dir().join(fresh_name());
        let socket = UnixDatagram::bind(&path).unwrap();
        let address = path.clone().into_os_string();
        Manager::of(socket, Some(path), address)
    }

    fn abstract_one() -> Manager {
        let name = fresh_name();
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        let socket = UnixDatagram::bind_addr(&address).unwrap();
        Manager::of(socket, None, format!("@{name}").into())
    }

    fn of(socket: UnixDatagram, path: Option<PathBuf>, address: OsString) -> Manager {
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        Manager {
            socket,
            path,
            address,
        }
    }

    fn notifier(&self) -> Notifier {
        Notifier::to(&self.address)
    }

    /// The next datagram.
    fn hear(&self) -> String {
        let mut buffer = [0; 4096];
        let count = self.socket.recv(&mut buffer).expect("a word comes in time");
        String::from_utf8(buffer[..count].to_vec()).unwrap()
    }

    /// Everything that was said so far.
    fn heard(&self) -> Vec<String> {
        self.socket.set_nonblocking(true).unwrap();
        let mut buffer = [0; 4096];
        let mut words = Vec::new();
        while let Ok(count) = self.socket.recv(&mut buffer) {
            words.push(String::from_utf8(buffer[..count].to_vec()).unwrap());
        }
        words
    }
}

impl Drop for Manager {
    fn drop(&mut self) {
        if let Some(path) = &self.path {
            let _ = std::fs::remove_file(path);
        }
    }
}

#[test]
fn the_manager_hears_each_word_at_a_path_and_at_an_abstract_name() {
    for manager in [Manager::at_path(), Manager::abstract_one()] {
        let notifier = manager.notifier();
        assert!(notifier.is_heard());
        notifier.ready();
        assert_eq!(manager.hear(), "READY=1");
        notifier.status("serving 3 servers");
        assert_eq!(manager.hear(), "STATUS=serving 3 servers");
        notifier.watchdog();
        assert_eq!(manager.hear(), "WATCHDOG=1");
        notifier.stopping();
        assert_eq!(manager.hear(), "STOPPING=1");
    }
}

#[test]
fn a_reload_names_the_time_on_the_managers_clock() {
    let now = || {
        let text = std::fs::read_to_string("/proc/uptime").unwrap();
        let seconds: f64 = text.split(' ').next().unwrap().parse().unwrap();
        seconds
    };
    let manager = Manager::at_path();
    let before = now();
    manager.notifier().reloading();
    let heard = manager.hear();
    let at = heard.strip_prefix("RELOADING=1\nMONOTONIC_USEC=").unwrap();
    let at = at.parse::<f64>().unwrap() / 1e6;
    // The uptime also counts time asleep, and has two digits after the point.
    assert!(at > 0.0 && at <= now() + 0.02, "{at} after {before}");
}

#[test]
fn a_sentence_never_becomes_another_word() {
    let manager = Manager::at_path();
    manager.notifier().status("odd\nWATCHDOG=1\r\0");
    assert_eq!(manager.hear(), "STATUS=odd WATCHDOG=1  ");
}

#[test]
fn where_nobody_listens_nothing_happens() {
    let gone = Manager::at_path();
    let notifier = gone.notifier();
    drop(gone);
    notifier.ready();
    for odd in ["", "relative", "vsock:2:1", "/\0"] {
        let notifier = Notifier::to(odd.as_ref());
        assert!(!notifier.is_heard(), "{odd:?}");
        notifier.ready();
    }
    assert!(!Notifier::default().is_heard());
}

#[test]
fn the_watchdog_is_fed_at_half_of_its_time() {
    let half = |usec, pid| watchdog::period(usec, pid, 7);
    let seconds = Duration::from_secs;
    assert_eq!(half(Some("30000000"), None), Some(seconds(15)));
    assert_eq!(half(Some("30000000"), Some("7")), Some(seconds(15)));
    assert_eq!(half(Some("30000000"), Some("8")), None);
    assert_eq!(half(None, Some("7")), None);
    assert_eq!(half(Some("0"), None), None);
    assert_eq!(half(Some("soon"), None), None);
    assert_eq!(half(Some("1"), None), Some(Duration::from_millis(10)));
}

/// What a gateway with this one server in this state says of its health.
fn health(state: &str, status: &str) -> String {
    json!({"components": {"front": {"status": "healthy"},
        "server:git": {"status": status, "state": state}}})
    .to_string()
}

#[test]
fn a_gateway_that_answers_feeds_the_watchdog() {
    let manager = Manager::at_path();
    let (ending, ended) = mail::channel(limits::SIGNAL_SLOTS);
    let asked = Arc::new(AtomicUsize::new(0));
    let counting = Arc::clone(&asked);
    let ask = move |_| {
        let before = counting.fetch_add(1, Ordering::SeqCst);
        Some(match before {
            0 => health("starting", "degraded"),
            _ => health("ready", "healthy"),
        })
    };
    let period = Some(Duration::from_millis(10));
    watchdog::start(manager.notifier(), period, ended, ask).unwrap();
    assert_eq!(
        manager.hear(),
        "STATUS=serving 0 of 1 server; \"git\" is starting"
    );
    let mut fed = 0;
    let mut told = Vec::new();
    while fed < 3 {
        match manager.hear().as_str() {
            "WATCHDOG=1" => fed += 1,
            word => told.push(word.to_owned()),
        }
    }
    // Said once, though it was asked many times.
    assert_eq!(told, ["STATUS=serving 1 server"]);
    assert!(asked.load(Ordering::SeqCst) > 3);
    drop(ending);
}

#[test]
fn a_gateway_that_hangs_starves_the_watchdog() {
    let manager = Manager::at_path();
    let (ending, ended) = mail::channel::<()>(limits::SIGNAL_SLOTS);
    let (tell, asks) = mail::channel(limits::SIGNAL_SLOTS);
    let period = Duration::from_millis(10);
    let ask = move |patience| {
        let _ = tell.send(patience);
        None
    };
    watchdog::start(manager.notifier(), Some(period), ended, ask).unwrap();
    for _ in 0..10 {
        // It goes on asking, in case the gateway comes round, and grants it the whole period.
        assert_eq!(asks.recv_timeout(PATIENCE), Ok(period));
    }
    assert_eq!(manager.heard(), Vec::<String>::new());
    drop(ending);
    // The thread ends, and lets go of what it asks with.
    while asks.recv_timeout(PATIENCE).is_ok() {}
}

#[test]
fn a_status_is_told_where_no_watchdog_waits() {
    let manager = Manager::at_path();
    let (ending, ended) = mail::channel(limits::SIGNAL_SLOTS);
    let (closed, closing) = mail::channel::<()>(limits::SIGNAL_SLOTS);
    let ask = move |_| {
        let _open = &closed;
        Some(health("ready", "healthy"))
    };
    watchdog::start(manager.notifier(), None, ended, ask).unwrap();
    assert_eq!(manager.hear(), "STATUS=serving 1 server");
    drop(ending);
    assert!(closing.recv_timeout(PATIENCE).is_err());
    assert_eq!(manager.heard(), Vec::<String>::new());
}

/// A health report of these servers: name, state, status.
fn summed(servers: &[(&str, &str, &str)]) -> String {
    let mut components = json!({"front": {"status": "healthy", "sessions": 2}});
    for (name, state, status) in servers {
        components[format!("server:{name}")] = json!({"state": state, "status": status});
    }
    summary::sentence(&json!({"components": components}).to_string())
}

#[test]
fn a_sentence_says_how_many_are_served_and_who_is_not_well() {
    let well = |name| (name, "ready", "healthy");
    assert_eq!(summed(&[]), "serving 0 servers");
    assert_eq!(summed(&[well("a")]), "serving 1 server");
    assert_eq!(
        summed(&[well("a"), well("b"), ("off", "disabled", "healthy")]),
        "serving 2 servers"
    );
    assert_eq!(
        summed(&[
            well("a"),
            well("b"),
            well("c"),
            ("git", "parked", "unhealthy")
        ]),
        "serving 3 of 4 servers; \"git\" is parked"
    );
    assert_eq!(
        summed(&[well("a"), ("b", "degraded", "degraded")]),
        "serving 2 of 2 servers; \"b\" is degraded"
    );
    let bad = |name| (name, "failed", "unhealthy");
    assert_eq!(
        summed(&[bad("a"), bad("b\n"), bad("c"), bad("d"), bad("e")]),
        "serving 0 of 5 servers; \"a\" is failed, \"b\\n\" is failed, \"c\" is failed, 2 more are \
         not well"
    );
    assert_eq!(summary::sentence("no JSON"), "serving 0 servers");
}

#[test]
fn only_sockets_that_are_meant_for_this_process_are_taken() {
    let count = |fds, pid| handed_over(fds, pid, 7).map_err(|error| error.to_string());
    assert_eq!(count(None, None), Ok(0));
    assert_eq!(count(Some("1"), Some("7")), Ok(1));
    assert_eq!(count(Some("3"), Some("7")), Ok(3));
    assert_eq!(count(Some("1"), Some("8")), Ok(0));
    assert_eq!(count(Some("1"), None), Ok(0));
    assert_eq!(count(Some("many"), Some("8")), Ok(0));
    let error = count(Some("many"), Some("7")).unwrap_err();
    assert!(error.starts_with("LISTEN_FDS is \"many\""), "{error}");
}

#[test]
fn a_count_that_lies_closes_nothing_that_was_opened_here() {
    let own = File::open("/dev/null").unwrap();
    assert_eq!(close_inherited(own.as_raw_fd(), 1), 0);
    own.metadata().unwrap();
    let handed = nix::unistd::dup(&own).unwrap().into_raw_fd();
    assert_eq!(close_inherited(handed, 0), 0);
    assert_eq!(close_inherited(handed, 1), 1);
}
