//! As a service: what the service manager hears, and the socket it may hand over. The manager here
//! is the test itself, by the protocols of sd_notify(3) and sd_listen_fds(3).

use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::path::Path;

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::e2e::scene::{assert_echo, client, fault, fault_with, get, setup, wait_for_state};
use crate::harness::engine::{Exemption, exempts};
use crate::harness::gateway::{Finished, Gateway, Setup};
use crate::harness::http::{Http, Request};
use crate::harness::{PATIENCE, fixture};

/// The gateway could not start.
const CANNOT_START: Option<i32> = Some(3);

/// A service manager that listens in a gateway's folder.
struct Manager(UnixDatagram);

impl Manager {
    /// It, and a gateway that is to tell it things.
    fn of(setup: Setup) -> (Manager, Setup) {
        let path = setup.folder().join("notify");
        let socket = UnixDatagram::bind(&path).expect("the folder can be written");
        let timeout = socket.set_read_timeout(Some(PATIENCE));
        timeout.expect("a socket takes a timeout");
        let setup = setup.env("NOTIFY_SOCKET", path.to_str().expect("it is UTF-8"));
        (Manager(socket), setup)
    }

    /// What is said, up to the first word that `ends` it.
    fn hear_until(&self, ends: impl Fn(&str) -> bool) -> Vec<String> {
        let mut heard = Vec::new();
        loop {
            let mut buffer = [0; 4096];
            let count = self.0.recv(&mut buffer);
            let count = count.unwrap_or_else(|error| panic!("{error} after {heard:?}"));
            heard.push(String::from_utf8_lossy(&buffer[..count]).into_owned());
            if heard.last().is_some_and(|word| ends(word)) {
                return heard;
            }
        }
    }

    fn hear(&self, word: &str) -> Vec<String> {
        self.hear_until(|heard| heard == word)
    }
}

#[test]
fn the_manager_is_told_when_it_listens_how_it_does_and_that_it_ends() {
    let (manager, setup) = Manager::of(setup(
        &json!({"reconnect_delay": "10ms"}),
        &[fault("good", &[]), fault("bad", &["--exit-at-start", "7"])],
    ));
    let gateway = setup.start();
    let heard = manager.hear("READY=1");
    assert!(heard.iter().all(|word| word != "STOPPING=1"), "{heard:?}");
    manager.hear("STATUS=serving 1 of 2 servers; \"bad\" is parked");
    gateway.stop();
    let last = manager.hear("STOPPING=1");
    assert!(
        !last.contains(&"WATCHDOG=1".to_owned()),
        "nobody asked for it"
    );
}

#[test]
fn the_manager_is_told_when_the_configuration_is_read_and_that_it_is_over_whatever_came_of_it() {
    let (manager, setup) = Manager::of(setup(&json!({}), &[fault("good", &[])]));
    let mut gateway = setup.start();
    manager.hear("READY=1");
    for text in ["{\"servers\": []}", "{"] {
        gateway.rewrite_config(text);
        gateway.signal(Signal::SIGHUP);
        manager.hear_until(|word| word.starts_with("RELOADING=1\nMONOTONIC_USEC="));
        manager.hear("READY=1");
    }
    gateway.stop();
    manager.hear("STOPPING=1");
}

#[test]
fn a_gateway_that_works_feeds_its_watchdog() {
    let (manager, setup) = Manager::of(setup(&json!({}), &[fault("good", &[])]));
    let gateway = setup.env("WATCHDOG_USEC", "200000").start();
    for _ in 0..3 {
        manager.hear("WATCHDOG=1");
    }
    gateway.stop();
    manager.hear("STOPPING=1");
}

/// A gateway that finds this socket as its third descriptor, as if a service manager had opened it:
/// a shell puts it there, and tells the number of the process that it becomes.
fn handed(setup: Setup, socket: impl Into<OwnedFd>, count: usize) -> Setup {
    let script = setup.folder().join("hand-over");
    let more = if count > 1 { "4<&0" } else { "" };
    let text = format!(
        "#!/bin/sh\nexec 3<&0 {more} </dev/null\n\
         LISTEN_PID=$$ LISTEN_FDS={count} LISTEN_FDNAMES=mcproxy.socket exec '{}' \"$@\"\n",
        env!("CARGO_BIN_EXE_mcproxy")
    );
    fs::write(&script, text).expect("the folder can be written");
    let runs = fs::Permissions::from_mode(0o755);
    fs::set_permissions(&script, runs).expect("the file is ours");
    setup.program(script).stdin(socket.into())
}

/// A listener as a service manager opens it.
fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = listener.local_addr().expect("it is bound");
    (listener, address)
}

fn another(listener: &TcpListener) -> TcpListener {
    listener.try_clone().expect("a descriptor is free")
}

/// What the descriptors of a process lead to.
fn descriptors_of(pid: i32) -> Vec<String> {
    let folder = fs::read_dir(format!("/proc/{pid}/fd")).expect("the process lives");
    let links = folder.filter_map(|entry| fs::read_link(entry.ok()?.path()).ok());
    links.map(|link| link.display().to_string()).collect()
}

#[test]
fn it_serves_on_the_socket_it_was_handed_and_no_child_has_it() {
    let (listener, address) = listener();
    let own = fs::read_link(format!("/proc/self/fd/{}", listener.as_raw_fd()));
    let socket = own.expect("it is open").display().to_string();
    let all = fault_with("good", &[], "pass_environment", json!(true));
    let gateway = handed(setup(&json!({}), &[all]), listener, 1).start();
    // The port of the command line is not used.
    assert_eq!(gateway.address, address);
    assert_echo(&mut client(&gateway, "/mcp"), "good");
    let log = gateway.stdout.text();
    let sentence = format!("serving on {address}, the socket that was handed over");
    assert!(log.contains(&sentence), "{log}");
    assert!(descriptors_of(gateway.pid()).contains(&socket));
    let children = gateway.processes();
    let mut children = children.iter().filter(|(pid, _)| *pid != gateway.pid());
    let (child, _) = children.next().expect("the server runs");
    assert!(!descriptors_of(*child).contains(&socket));
    let environment = fs::read(Path::new("/proc").join(child.to_string()).join("environ"));
    let environment = String::from_utf8_lossy(&environment.expect("it is ours")).into_owned();
    assert!(environment.contains("PATH="));
    assert!(!environment.contains("LISTEN_"), "{environment}");
}

#[test]
fn who_connects_during_a_restart_waits_and_is_served() {
    let (listener, address) = listener();
    let start = || -> Gateway {
        let setup = setup(&json!({}), &[fault("good", &[])]);
        handed(setup, another(&listener), 1).start()
    };
    let gateway = start();
    wait_for_state(&gateway, "good", "ready");
    gateway.stop();
    // Nobody accepts now, and it is not refused.
    let mut waiting = Http::connect(address).expect("the socket still listens");
    waiting
        .send(&Request::new("GET", "/health"))
        .expect("it is sent");
    let gateway = start();
    let head = waiting.read_head(false).expect("it is answered");
    assert_eq!(head.status, 200);
    assert_eq!(get(&gateway, "/health").head.status, 200);
}

#[test]
fn who_connects_while_it_ends_waits_for_the_next_one() {
    if exempts(Exemption::Connections) {
        return;
    }
    let (listener, address) = listener();
    // Such a server makes the end take more than a second.
    let deaf = fault("deaf", &["--ignore-eof", "--ignore-term"]);
    let (manager, setup) = Manager::of(setup(&json!({}), &[deaf]));
    let mut gateway = handed(setup, another(&listener), 1).start();
    wait_for_state(&gateway, "deaf", "ready");
    gateway.signal(Signal::SIGTERM);
    manager.hear("STOPPING=1");
    let mut waiting = Http::connect(address).expect("the socket still listens");
    waiting
        .send(&Request::new("GET", "/health"))
        .expect("it is sent");
    assert!(gateway.stop().status.success());
    let setup = crate::e2e::scene::setup(&json!({}), &[fault("good", &[])]);
    let _gateway = handed(setup, listener, 1).start();
    let head = waiting.read_head(false).expect("it is answered");
    assert_eq!(head.status, 200);
    let body = waiting.read_body().expect("it is whole");
    let body = String::from_utf8_lossy(&body).into_owned();
    assert!(
        body.contains("server:good"),
        "the wrong one answered: {body}"
    );
}

/// What comes of starting with this socket, `count` times.
fn refused(socket: impl Into<OwnedFd>, count: usize) -> Finished {
    let setup = setup(&json!({}), &[fault("good", &[])]);
    let finished = handed(setup, socket, count).run(&[]);
    assert_eq!(finished.status.code(), CANNOT_START, "{finished:?}");
    assert!(!finished.stderr.contains("listening on"), "{finished:?}");
    finished
}

#[test]
fn a_socket_that_cannot_be_served_on_is_a_clear_error() {
    let (listener, address) = listener();
    let unix = UnixListener::bind_addr(&abstract_address()).expect("the name is free");
    let udp = UdpSocket::bind("127.0.0.1:0").expect("a port is free");
    let connected = TcpStream::connect(address).expect("it listens");
    for (finished, sentence) in [
        (
            refused(another(&listener), 2),
            "2 sockets were handed over (\"mcproxy.socket\")",
        ),
        (refused(unix, 1), "is no TCP listener"),
        (refused(udp, 1), "is no TCP listener"),
        (refused(connected, 1), "does not listen"),
    ] {
        assert!(finished.stderr.contains(sentence), "{finished:?}");
        assert!(!finished.stderr.contains("panicked"), "{finished:?}");
    }
}

fn abstract_address() -> unix::net::SocketAddr {
    let name = format!("mcproxy-test-{}", std::process::id());
    unix::net::SocketAddr::from_abstract_name(name).expect("it is short")
}

#[test]
fn a_socket_that_others_reach_needs_a_token_like_any_address() {
    let exposed = TcpListener::bind("0.0.0.0:0").expect("a port is free");
    let finished = refused(another(&exposed), 1);
    for word in ["0.0.0.0", "API_ACCESS_TOKEN", "--allow-anonymous"] {
        assert!(finished.stderr.contains(word), "{finished:?}");
    }
    if exempts(Exemption::Addresses) {
        return;
    }
    let setup = setup(&json!({}), &[fault("good", &[])]);
    let gateway = handed(setup.env("API_ACCESS_TOKEN", "s3cret"), exposed, 1).start();
    assert_eq!(get(&gateway, "/status").head.status, 401);
}

#[test]
fn a_socket_that_is_meant_for_another_process_is_left_alone() {
    let servers: [Value; 1] = [fault("good", &[])];
    let gateway = setup(&json!({}), &servers)
        .env("LISTEN_FDS", "1")
        .env("LISTEN_PID", "1")
        .start();
    assert!(
        gateway
            .log
            .text()
            .contains("listening on http://127.0.0.1:")
    );
    assert_eq!(get(&gateway, "/health").head.status, 200);
}

#[test]
fn whoever_does_not_listen_declines_what_it_is_handed_and_no_child_has_it() {
    for words in [["tools", "--log-level=warn"], ["stdio", "--log-level=warn"]] {
        let (listener, _) = listener();
        let own = fs::read_link(format!("/proc/self/fd/{}", listener.as_raw_fd()));
        let socket = own.expect("it is open").display().to_string();
        let folder = setup(&json!({}), &[]);
        let told = folder.folder().join("told");
        let script = format!(
            "ls -l /proc/self/fd > '{}'; exec '{}' --name good",
            told.display(),
            fixture("fault_server").display()
        );
        let server = json!({"name": "good", "command": "sh", "args": ["-c", script]});
        let setup = folder.config(json!({"servers": [server]}).to_string());
        let setup = handed(setup, listener, 2);
        let finished = setup.run(&words);
        assert_eq!(finished.status.code(), Some(0), "{finished:?}");
        let sentence = "2 sockets were handed over (LISTEN_FDS) and closed";
        let log = [finished.stdout.as_str(), &finished.stderr].concat();
        assert!(log.contains(sentence), "{finished:?}");
        if words[0] == "tools" {
            let told = fs::read_to_string(told).expect("the server has run");
            assert!(told.contains("0 -> ") && !told.contains(&socket), "{told}");
        }
    }
}
