//! Where the log goes, and that it gets there.

use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::time::Duration;

use crate::logging::Place;
use crate::logging::destination::{
    Destination, Stream, Surroundings, WriteLine, parse_journal_stream, send_to_syslog,
};
use crate::logging::layout::Dress;

fn around(stdout: Stream, stderr: Stream, syslog: bool) -> Surroundings {
    Surroundings {
        stdout,
        stderr,
        syslog,
        no_color: false,
    }
}

#[test]
fn the_rule_of_the_places_holds() {
    use Stream::{Journal, Plain, Terminal};
    let syslog = Destination::Syslog(PathBuf::from("/dev/log"));
    for (place, around, expected) in [
        // Automatic: stderr if it is a terminal or the journal …
        (
            Place::Automatic,
            around(Plain, Terminal, true),
            Destination::Stderr(Dress::Coloured),
        ),
        (
            Place::Automatic,
            around(Plain, Journal, true),
            Destination::Stderr(Dress::Journal),
        ),
        // … else syslog, else stderr; stdout has no say.
        (Place::Automatic, around(Terminal, Plain, true), syslog),
        (
            Place::Automatic,
            around(Terminal, Plain, false),
            Destination::Stderr(Dress::Plain),
        ),
        // Asked for: never syslog.
        (
            Place::Stdout,
            around(Plain, Terminal, true),
            Destination::Stdout(Dress::Plain),
        ),
        (
            Place::Stdout,
            around(Journal, Plain, true),
            Destination::Stdout(Dress::Journal),
        ),
        (
            Place::Stderr,
            around(Terminal, Plain, true),
            Destination::Stderr(Dress::Plain),
        ),
    ] {
        assert_eq!(Destination::choose(place, &around), expected, "{around:?}");
    }
}

#[test]
fn no_color_takes_the_colour_away() {
    let around = Surroundings {
        no_color: true,
        ..around(Stream::Plain, Stream::Terminal, false)
    };
    let chosen = Destination::choose(Place::Automatic, &around);
    assert_eq!(chosen, Destination::Stderr(Dress::Plain));
}

#[test]
fn journal_stream_is_read() {
    assert_eq!(parse_journal_stream("9:4711"), Some((9, 4711)));
    for bad in ["", "9", "9:", ":9", "a:b", "9:4711:1", "-9:1"] {
        assert_eq!(parse_journal_stream(bad), None, "{bad:?}");
    }
}

#[test]
fn the_journal_is_known_by_device_and_inode() {
    let file = std::fs::File::open("Cargo.toml").expect("tests run in the package");
    let meta = file.metadata().expect("an open file");
    let this = (meta.dev(), meta.ino());
    assert_eq!(Stream::of(&file, Some(this)), Stream::Journal);
    let another = (meta.dev(), meta.ino() + 1);
    assert_eq!(Stream::of(&file, Some(another)), Stream::Plain);
    assert_eq!(Stream::of(&file, None), Stream::Plain);
}

#[test]
fn syslog_gets_a_datagram_a_line_and_may_restart() {
    let place = std::env::temp_dir().join(format!("mcproxy-syslog-{}", std::process::id()));
    for _ in 0..2 {
        let daemon = UnixDatagram::bind(&place).expect("a fresh socket");
        daemon
            .set_read_timeout(Some(Duration::from_secs(10)))
            .expect("not zero");
        Destination::Syslog(place.clone()).write_line(b"<30>mcproxy[1]: hello\n");
        let mut buffer = [0; 64];
        let length = daemon.recv(&mut buffer).expect("the datagram");
        assert_eq!(&buffer[..length], b"<30>mcproxy[1]: hello");
        std::fs::remove_file(&place).expect("it is there");
    }
    assert!(send_to_syslog(&place, b"x").is_err(), "nobody listens");
}
