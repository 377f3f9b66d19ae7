//! Heads as bytes in, facts or refusals out.

use proptest::prelude::*;

use super::error::HeadError;
use super::{BodyFraming, Head, is_worth_parsing};

fn parse(bytes: &[u8]) -> Result<Option<(Head, usize)>, HeadError> {
    let mut head = Head::default();
    Ok(head.parse(bytes)?.map(|length| (head, length)))
}

fn parsed(text: &str) -> Head {
    parse(text.as_bytes()).unwrap().expect("a whole head").0
}

fn status(bytes: &[u8]) -> u16 {
    match parse(bytes) {
        Ok(Some(_)) => 200,
        Ok(None) => 0,
        Err(error) => error.status(),
    }
}

#[test]
fn a_head_tells_what_it_holds() {
    let text = "POST /servers/git/mcp?a=1?b HTTP/1.1\r\nHost: x\r\nAccept: text/html\r\nX-E:\r\naccept:\t a \r\n\r\nbody";
    let (head, length) = parse(text.as_bytes()).unwrap().unwrap();
    assert_eq!(length, text.len() - 4);
    assert_eq!(
        (head.method(), head.path(), head.query()),
        ("POST", "/servers/git/mcp", Some("a=1?b"))
    );
    assert_eq!(head.get("ACCEPT"), Some("text/html"));
    assert_eq!(
        head.get_all("Accept").collect::<Vec<_>>(),
        ["text/html", "a"]
    );
    assert_eq!(
        (
            head.count("accept"),
            head.count("x-e"),
            head.count("cookie")
        ),
        (2, 1, 0)
    );
    assert_eq!((head.get("x-e"), head.get("cookie")), (Some(""), None));
    assert_eq!(head.headers().next(), Some(("Host", Some("x"))));
    assert_eq!(head.body(), BodyFraming::None);
}

#[test]
fn a_head_is_filled_anew() {
    let mut head = Head::default();
    head.parse(
        b"POST /a?b HTTP/1.0\r\nHost: x\r\nContent-Length: 3\r\nConnection: keep-alive\r\n\r\n",
    )
    .unwrap();
    head.parse(b"GET / HTTP/1.1\r\nHost: y\r\n\r\n").unwrap();
    assert_eq!(
        (head.method(), head.path(), head.query()),
        ("GET", "/", None)
    );
    assert_eq!(
        (head.get("host"), head.get("content-length"), head.body()),
        (Some("y"), None, BodyFraming::None)
    );
    assert!(!head.is_http_1_0());
}

#[test]
fn the_target_may_be_absolute_or_a_star() {
    let head = parsed("GET HTTP://Host:80/a?b HTTP/1.1\r\nHost: hosT:80\r\n\r\n");
    assert_eq!((head.path(), head.query()), ("/a", Some("b")));
    assert_eq!(parsed("OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n").path(), "*");
    for bad in [
        "http://evil/",
        "http://x",
        "x:80",
        "*a",
        "a/b",
        "ftp://x/",
        "/a#b",
        "/\u{e9}",
        "http://x*",
        "://x/",
    ] {
        assert_eq!(
            status(format!("GET {bad} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes()),
            400,
            "{bad}"
        );
    }
}

#[test]
fn what_could_be_read_in_two_ways_is_refused() {
    for bad in [
        "Host: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked",
        "Host: x\r\nContent-Length: 3\r\nContent-Length: 3",
        "Host: x\r\nContent-Length: 3\r\nContent-Length: 4",
        "Host: x\r\nContent-Length: 3, 3",
        "Host: x\r\nContent-Length: +3",
        "Host: x\r\nContent-Length: -3",
        "Host: x\r\nContent-Length: 0x3",
        "Host: x\r\nContent-Length: 3 3",
        "Host: x\r\nContent-Length:",
        "Host: x\r\nTransfer-Encoding: chunked, chunked",
        "Host: x\r\nTransfer-Encoding: gzip, chunked",
        "Host: x\r\nTransfer-Encoding: identity",
        "Host: x\r\nTransfer-Encoding: xchunked",
        "Host: x\r\nTransfer-Encoding: \x0bchunked",
        "Host: x\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
        "Host: x\r\nTransfer-Encoding : chunked",
        "Host: x\r\nContent-Length\t: 3",
        "Host: x\r\n folded",
        "Host: x\r\nA: b\r\n\tfolded",
        "Host: x\r\nA: b\rC: d",
        "Host: x\r\nA: b\nC: d",
        "Host: x\r\nA: b\0",
        "Host: x\r\nA\u{e9}: b",
        "Host: x\r\n: b",
        "Host: x\r\nno colon",
        " Host: x",
        "Accept: a",
        "Host: x\r\nHost: x",
    ] {
        assert_eq!(
            status(format!("POST / HTTP/1.1\r\n{bad}\r\n\r\n").as_bytes()),
            400,
            "{bad:?}"
        );
    }
    assert_eq!(
        status(b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"),
        400
    );
    assert_eq!(status(b"POST / HTTP/1.0\r\n\r\n"), 200);
}

#[test]
fn the_body_is_framed_by_one_header() {
    let framing =
        |header: &str| parsed(&format!("POST / HTTP/1.1\r\nHost: x\r\n{header}\r\n\r\n")).body();
    assert_eq!(framing("Content-Length: 007"), BodyFraming::Length(7));
    assert_eq!(
        framing("content-length:  50000000000\t"),
        BodyFraming::Length(50_000_000_000)
    );
    assert_eq!(
        framing("Content-Length: 99999999999999999999999"),
        BodyFraming::Length(u64::MAX)
    );
    assert_eq!(framing("Transfer-Encoding: Chunked"), BodyFraming::Chunked);
}

#[test]
fn the_peer_says_whether_it_comes_again() {
    let keeps = |version: &str, rest: &str| {
        parsed(&format!("GET / HTTP/{version}\r\nHost: x\r\n{rest}\r\n")).keep_alive()
    };
    assert!(keeps("1.1", ""));
    assert!(!keeps("1.1", "Connection: close\r\n"));
    assert!(!keeps("1.1", "Connection: keep-alive, \tCLOSE\r\n"));
    assert!(!keeps(
        "1.1",
        "Connection: upgrade\r\nconnection: close\r\n"
    ));
    assert!(keeps("1.1", "Connection: closed\r\n"));
    assert!(!keeps("1.0", ""));
    assert!(keeps("1.0", "Connection: Keep-Alive\r\n"));
}

#[test]
fn only_the_known_expectation_is_met() {
    let post = |rest: &str| format!("POST / HTTP/1.1\r\nHost: x\r\n{rest}\r\n\r\n");
    assert!(parsed(&post("Expect: 100-Continue\r\nContent-Length: 1")).expects_continue());
    assert!(!parsed(&post("Expect: 100-continue")).expects_continue());
    assert_eq!(status(post("Expect: 200-ok").as_bytes()), 417);
}

#[test]
fn unknown_versions_are_named_and_garbage_is_not() {
    assert_eq!(status(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), 505);
    assert_eq!(status(b"GET / HTTP/2\r\n\r\n"), 505);
    assert_eq!(status(b"GET / HTTP/1.2\r\nHost: x\r\n\r\n"), 505);
    assert_eq!(status(b"GET / HTTP/2"), 0, "may become HTTP/2.0");
    assert_eq!(status(b"GET / http/1.1\r\nHost: x\r\n\r\n"), 400);
    assert_eq!(status(b"GET / HTTP/11.1\r\nHost: x\r\n\r\n"), 400);
    assert_eq!(status(b"GET /\r\n\r\n"), 400);
    assert_eq!(status(b"GET  / HTTP/1.1\r\nHost: x\r\n\r\n"), 400);
    assert_eq!(status(b"\x16\x03\x01\x02\x00\x01\x00"), 400, "a TLS client");
}

#[test]
fn every_dimension_has_its_limit() {
    let padded = |bytes: usize| {
        let fixed = "GET / HTTP/1.1\r\nHost: x\r\nA: \r\n\r\n".len();
        format!(
            "GET / HTTP/1.1\r\nHost: x\r\nA: {}\r\n\r\n",
            "a".repeat(bytes - fixed)
        )
    };
    assert_eq!(status(padded(16 * 1024).as_bytes()), 200);
    assert_eq!(status(padded(16 * 1024 + 1).as_bytes()), 431);
    assert_eq!(status(&padded(17 * 1024).as_bytes()[..16 * 1024 - 1]), 0);
    assert_eq!(status(&padded(17 * 1024).as_bytes()[..16 * 1024]), 431);

    let headers = |count: usize| {
        format!(
            "GET / HTTP/1.1\r\nHost: x\r\n{}\r\n",
            "A: b\r\n".repeat(count - 1)
        )
    };
    assert_eq!(status(headers(100).as_bytes()), 200);
    assert_eq!(status(headers(101).as_bytes()), 431);

    let line = |bytes: usize| {
        format!(
            "GET /{} HTTP/1.1\r\n",
            "a".repeat(bytes - "GET / HTTP/1.1\r\n".len())
        )
    };
    assert_eq!(status((line(8 * 1024) + "Host: x\r\n\r\n").as_bytes()), 200);
    assert_eq!(
        status((line(8 * 1024 + 1) + "Host: x\r\n\r\n").as_bytes()),
        414
    );
    assert_eq!(status(&line(9 * 1024).as_bytes()[..8 * 1024]), 414);
}

#[test]
fn a_head_is_parsed_when_it_begins_when_it_ends_and_at_its_limits() {
    let text = b"GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n\r\nnext";
    let end = text.len() - "next".len();
    assert!(!is_worth_parsing(b"", 0));
    for seen in 0..end {
        for now in seen + 1..=text.len() {
            assert_eq!(
                is_worth_parsing(&text[..now], seen),
                seen == 0 || now >= end,
                "from {seen} to {now}"
            );
        }
    }
    let long = vec![b'a'; 20_000];
    let worth: Vec<_> = (2..20_000)
        .filter(|&now| is_worth_parsing(&long[..now], now - 1))
        .collect();
    assert_eq!(worth, [8 * 1024, 16 * 1024]);
}

#[test]
fn a_header_that_is_not_utf_8_is_not_hidden() {
    let (head, _) = parse(b"GET / HTTP/1.1\r\nHost: x\r\nOrigin: http://\xe9vil\r\nA: b\r\n\r\n")
        .unwrap()
        .unwrap();
    assert_eq!(
        (head.get("origin"), head.get("a")),
        (Some("http://?vil"), Some("b"))
    );
    assert_eq!(
        parsed("GET / HTTP/1.1\r\nHost: x\r\nA: \u{e9}\r\n\r\n").get("a"),
        Some("\u{e9}")
    );
}

#[test]
fn a_value_that_may_have_been_changed_is_not_given_as_sent() {
    let (head, _) = parse(b"GET / HTTP/1.1\r\nHost: x\r\nA: \xe9?\r\nB: \xc3\xa9\r\nC: c?\r\n\r\n")
        .unwrap()
        .unwrap();
    let all: Vec<_> = head.headers().collect();
    assert_eq!(
        all,
        [
            ("Host", Some("x")),
            ("A", None),
            ("B", None),
            ("C", Some("c?"))
        ]
    );
}

const AGAIN: &str = "POST /mcp HTTP/1.1\r\nHost: localhost:12009\r\nAccept: */*\r\nContent-Length: 120 \r\nA: 120\r\n\r\n";

/// What a head is that takes these again, and how long they were, if it does.
fn again(first: &str, then: &[u8]) -> (Head, Option<usize>) {
    let mut head = parsed(first);
    let length = head.take_again(then);
    (head, length)
}

#[test]
fn a_head_comes_again_with_another_length() {
    for (length, body) in [("120", 120), ("999", 999), ("007", 7)] {
        let then = AGAIN.replace("120 ", &format!("{length} "));
        let (head, taken) = again(AGAIN, format!("{then}and more").as_bytes());
        assert_eq!(taken, Some(AGAIN.len()), "{length}");
        assert_eq!(head.body(), BodyFraming::Length(body));
        assert_eq!(head.get("content-length"), Some(length));
        assert_eq!(
            (head.get("a"), head.get("host")),
            (Some("120"), Some("localhost:12009"))
        );
    }
}

#[test]
fn what_could_mean_something_else_is_not_the_same_head_again() {
    for length in [
        "12", "1200", "-12", "+12", "12a", "1 2", "12\n", "\r\n\r", "   ", "\u{e9}2",
    ] {
        let then = AGAIN.replace("120 ", &format!("{length} "));
        assert_eq!(again(AGAIN, then.as_bytes()).1, None, "{length:?}");
    }
    for end in 0..AGAIN.len() {
        assert_eq!(again(AGAIN, &AGAIN.as_bytes()[..end]).1, None, "{end}");
    }
}

#[test]
fn a_head_without_a_length_does_not_come_again() {
    for head in [
        "GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n",
    ] {
        assert_eq!(again(head, head.as_bytes()).1, None);
    }
    let mut none = Head::default();
    assert_eq!(none.take_again(AGAIN.as_bytes()), None);
}

#[test]
fn neither_what_was_refused_nor_what_is_not_known_exactly_comes_again() {
    let mut head = parsed(AGAIN);
    let twice = AGAIN.replace("A: ", "Content-Length: ");
    assert!(head.parse(twice.as_bytes()).is_err());
    assert_eq!(head.take_again(twice.as_bytes()), None);
    let partial = twice.split_at(60).0;
    head = parsed(AGAIN);
    assert_eq!(head.parse(partial.as_bytes()).unwrap(), None);
    assert_eq!(head.take_again(twice.as_bytes()), None);
    assert_eq!(head.take_again(AGAIN.as_bytes()), Some(AGAIN.len()));
    let text = b"POST / HTTP/1.1\r\nHost: x\r\nA: \xe9\r\nContent-Length: 1\r\n\r\n";
    assert_eq!(head.parse(text).unwrap(), Some(text.len()));
    assert_eq!(head.take_again(text), None);
    let shown = text.map(|b| if b.is_ascii() { b } else { b'?' });
    assert_eq!(head.take_again(&shown), None);
}

proptest! {
    /// Whatever is taken for the same head would be parsed to the same.
    #[test]
    fn a_head_that_comes_again_is_what_it_would_be_parsed_to(
        at in 0..AGAIN.len(),
        byte in prop::sample::select(b"0159 \r\n:aP/\t\xe9,".to_vec()),
        after in "[a-z]{0,3}",
    ) {
        let mut then = AGAIN.as_bytes().to_vec();
        then[at] = byte;
        then.extend_from_slice(after.as_bytes());
        let (head, taken) = again(AGAIN, &then);
        let is_length = AGAIN[..at].ends_with("-Length: ") || AGAIN[at..].starts_with("20 \r") || AGAIN[at..].starts_with("0 \r");
        let is_same = byte == AGAIN.as_bytes()[at] || (is_length && byte.is_ascii_digit());
        prop_assert_eq!(taken.is_some(), is_same);
        if let Some(length) = taken {
            let (parsed, whole) = parse(&then).unwrap().unwrap();
            prop_assert_eq!(length, whole);
            prop_assert_eq!(format!("{head:?}"), format!("{parsed:?}"));
        }
    }

    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = parse(&bytes);
    }

    #[test]
    fn no_broken_head_panics(
        pieces in prop::collection::vec(prop::sample::select(vec![
            "GET", "POST", " ", "/", "*", "http://x", "?", "HTTP/1.1", "HTTP/1.0", "HTTP/2.0", "\r\n", "\n", "\r", "Host", ":",
            "x", "Content-Length", "3", "Transfer-Encoding", "chunked", ",", "Expect", "\u{e9}", "\0", "#",
        ]), 0..40),
    ) {
        if let Ok(Some((head, length))) = parse(pieces.concat().as_bytes()) {
            prop_assert!(length <= pieces.concat().len());
            prop_assert!(head.path().starts_with('/') || head.path() == "*");
            prop_assert!(head.count("host") <= 1);
        }
    }

    /// Every proper prefix of a good head asks for more, whatever is cut off.
    #[test]
    fn a_prefix_of_a_head_is_not_refused(cut in 0usize..80) {
        let text = "POST /mcp?a=b HTTP/1.1\r\nHost: localhost:12009\r\nContent-Length: 12\r\nA: b\r\n\r\n";
        prop_assume!(cut < text.len());
        prop_assert!(matches!(parse(&text.as_bytes()[..cut]), Ok(None)));
    }
}
