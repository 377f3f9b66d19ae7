//! Clients that do wrong, by intent or not, and a system that is out of something.

use std::net::{Shutdown, TcpListener, TcpStream};
use std::time::Duration;

use crate::http::pace::now;

use nix::sys::resource::{Resource, getrlimit, setrlimit};

use crate::http::settings::Settings;
use crate::http::tests::{Engine, PATIENCE, SHORT, echo};

#[test]
fn a_bad_head_is_answered_and_ends_the_connection() {
    let engine = Engine::start(Settings::default(), echo);
    let long_line = format!("GET /{} HTTP/1.1\r\n", "a".repeat(9000));
    let large_head = format!("GET / HTTP/1.1\r\nHost: x\r\nA: {}", "a".repeat(20_000));
    let many_headers = format!(
        "GET / HTTP/1.1\r\nHost: x\r\n{}\r\n",
        "A: b\r\n".repeat(101)
    );
    for (request, status) in [
        (
            "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
            400,
        ),
        ("GET / HTTP/1.1\r\n\r\n", 400),
        ("nonsense\r\n\r\n", 400),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
        (
            "POST / HTTP/1.1\r\nHost: x\r\nExpect: miracles\r\n\r\n",
            417,
        ),
        (&long_line, 414),
        (&large_head, 431),
        (&many_headers, 431),
    ] {
        let mut client = engine.connect();
        client.send(request);
        let answer = client.answer();
        assert_eq!(
            (answer.status, answer.has("Connection: close")),
            (status, true),
            "{request:.50}"
        );
        client.stream.shutdown(Shutdown::Write).unwrap();
        assert_eq!(client.rest(), "", "{request:.50}");
    }
}

#[test]
fn a_slow_head_is_a_timeout() {
    let engine = Engine::start(
        Settings {
            head_deadline: SHORT * 5,
            ..Settings::default()
        },
        echo,
    );
    let mut client = engine.connect();
    client.send("GET / HTT");
    assert_eq!(client.answer().status, 408);
    let mut client = engine.connect();
    assert_eq!(client.rest(), "", "who said nothing is told nothing");
    let mut client = engine.connect();
    client.get("/");
    client.send("G");
    assert_eq!(client.answer().status, 408);
}

#[test]
fn an_idle_connection_is_served_after_its_buffers_are_gone_and_closed_at_its_deadline() {
    let settings = Settings {
        keep_buffers: SHORT,
        idle_deadline: SHORT * 20,
        ..Settings::default()
    };
    let engine = Engine::start(settings, echo);
    let mut client = engine.connect();
    assert_eq!(client.get("/").status, 200);
    // Not a wait for anything that happens: the pause itself is what is tested.
    std::thread::sleep(SHORT * 2);
    let since = now();
    assert_eq!(client.get("/").status, 200);
    assert_eq!(client.rest(), "");
    assert!(
        since.elapsed() >= SHORT * 20,
        "closed after {:?}",
        since.elapsed()
    );
}

#[test]
fn a_client_that_does_not_read_loses_its_connection() {
    let (report, result) = crossbeam_channel::bounded(1);
    let settings = Settings {
        write_grace: SHORT,
        // What the kernel takes of the last chunk is worth days.
        bytes_per_second_min: 1,
        ..Settings::default()
    };
    let engine = Engine::start(settings, move |exchange| {
        exchange.begin_stream(200, &[]).unwrap();
        let chunk = vec![b'x'; 1 << 20];
        let error = (0..1000)
            .find_map(|_| exchange.write_chunk(&chunk).err())
            .expect("no socket buffer holds 1 GB");
        report
            .send((error.kind(), exchange.write_chunk(b"more").is_err()))
            .unwrap();
    });
    let mut client = engine.connect();
    client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_eq!(
        result.recv_timeout(PATIENCE).unwrap(),
        (std::io::ErrorKind::TimedOut, true)
    );
}

#[test]
fn one_connection_too_many_is_told_so_and_the_next_is_served_when_there_is_room() {
    let engine = Engine::start(
        Settings {
            max_connections: 2,
            spare_connections: 0,
            ..Settings::default()
        },
        echo,
    );
    let mut guests = [engine.connect(), engine.connect()];
    assert!(guests.iter_mut().all(|guest| guest.get("/").status == 200));
    let mut refused = engine.connect();
    // Against a socket that was closed at once, the second of these writes would fail.
    assert_eq!(
        refused.read_until("\r\n"),
        "HTTP/1.1 503 Service Unavailable\r\n"
    );
    refused.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 60000\r\n\r\n");
    refused.send([b'x'; 60_000]);
    let rest = refused.rest();
    assert!(
        rest.contains("Connection: close") && rest.ends_with("too many connections now\n"),
        "{rest}"
    );
    drop(guests);
    let deadline = now() + PATIENCE;
    while engine.connect().get("/").status != 200 {
        assert!(
            now() < deadline,
            "the places of those who left were not given back"
        );
    }
}

#[test]
fn a_spare_connection_has_one_exchange_that_says_so() {
    let settings = Settings {
        max_connections: 1,
        spare_connections: 1,
        spare_deadline: PATIENCE,
        ..Settings::default()
    };
    let engine = Engine::start(settings, |exchange| {
        let body = if exchange.is_spare() { "spare" } else { "room" };
        exchange.answer(200, &[], body.as_bytes()).unwrap();
    });
    let mut guest = engine.connect();
    assert_eq!(guest.get("/").body, "room");
    let mut monitor = engine.connect();
    // The spare place is taken, though nothing was said on it yet.
    assert!(engine.connect().rest().starts_with("HTTP/1.1 503 "));
    let told = monitor.get("/");
    assert_eq!((told.status, told.body.as_str()), (200, "spare"));
    assert!(told.has("Connection: close"), "{}", told.head);
    assert_eq!(monitor.rest(), "");
    let deadline = now() + PATIENCE;
    while engine.connect().get("/").body != "spare" {
        assert!(now() < deadline, "the spare place was not given back");
    }
    // Who was there before is as well off as ever.
    assert_eq!(guest.get("/").body, "room");
}

#[test]
fn who_only_holds_a_spare_connection_is_told_and_loses_it() {
    let engine = Engine::start(
        Settings {
            max_connections: 0,
            spare_connections: 1,
            spare_deadline: SHORT,
            ..Settings::default()
        },
        echo,
    );
    let mut silent = engine.connect();
    let told = silent.rest();
    assert!(
        told.starts_with("HTTP/1.1 503 ") && told.ends_with("too many connections now\n"),
        "{told}"
    );
}

#[test]
fn a_flood_of_refused_connections_is_all_answered() {
    let engine = Engine::start(
        Settings {
            max_connections: 0,
            spare_connections: 0,
            ..Settings::default()
        },
        echo,
    );
    let mut clients: Vec<_> = (0..200).map(|_| engine.connect()).collect();
    for client in &mut clients {
        assert!(client.rest().starts_with("HTTP/1.1 503 "));
    }
}

#[test]
fn a_missing_thread_is_told_and_the_engine_goes_on() {
    let engine = Engine::start(
        Settings {
            stack_bytes: usize::MAX / 4,
            ..Settings::default()
        },
        echo,
    );
    for _ in 0..2 {
        assert_eq!(engine.connect().answer().status, 503);
    }
}

/// Lowering the limit of descriptors would hurt other tests, so the work is done by a process of its own.
#[test]
fn a_lack_of_descriptors_passes() {
    let own = std::env::current_exe().unwrap();
    let output = std::process::Command::new(own)
        .args([
            "--exact",
            "http::tests::limits::lacks_descriptors",
            "--ignored",
            "--nocapture",
        ])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && said.contains("1 passed"),
        "{said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
#[ignore = "run by a_lack_of_descriptors_passes in a process of its own"]
fn lacks_descriptors() {
    let engine = Engine::start(Settings::default(), echo);
    let mut early = engine.connect();
    assert_eq!(early.get("/").status, 200);
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    let probe = TcpListener::bind("127.0.0.1:0").unwrap();
    let next_fd = std::os::fd::AsRawFd::as_raw_fd(&probe) as u64;
    drop(probe);
    // One descriptor is left: the client takes it, and the engine has none to accept with.
    setrlimit(Resource::RLIMIT_NOFILE, next_fd + 1, hard).unwrap();
    let mut late = engine.connect();
    late.stream
        .set_read_timeout(Some(Duration::from_millis(300)))
        .unwrap();
    late.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    assert!(
        std::io::Read::read(&mut late.stream, &mut [0; 1]).is_err(),
        "accepted without a descriptor"
    );
    assert_eq!(early.get("/").status, 200);
    setrlimit(Resource::RLIMIT_NOFILE, next_fd + 20, hard).unwrap();
    late.stream.set_read_timeout(Some(PATIENCE)).unwrap();
    assert_eq!(late.answer().status, 200);
}

#[test]
fn the_engine_survives_clients_that_vanish_at_once() {
    let engine = Engine::start(Settings::default(), echo);
    for _ in 0..100 {
        drop(TcpStream::connect(engine.address).unwrap());
    }
    assert_eq!(engine.connect().get("/").status, 200);
}
