//! What TCP does to bytes must not matter, and no bytes may do harm.

use std::net::{Shutdown, SocketAddr};
use std::sync::LazyLock;

use proptest::prelude::*;

use crate::http::settings::Settings;
use crate::http::tests::{Engine, SHORT, connect, echo};

/// One engine for all cases, left to the end of the process.
static ENGINE: LazyLock<SocketAddr> = LazyLock::new(|| {
    let settings = Settings {
        linger_deadline: SHORT,
        ..Settings::default()
    };
    let engine = Engine::start(settings, echo);
    let address = engine.address;
    std::mem::forget(engine);
    address
});

/// A request, and the body that `echo` answers with.
fn request() -> impl Strategy<Value = (String, String)> {
    let body = "[a-zA-Z0-9 ]{0,60}";
    prop_oneof![
        "[a-z]{0,9}".prop_map(|path| (
            format!("GET /{path} HTTP/1.1\r\nHost: x\r\n\r\n"),
            format!("GET /{path} ")
        )),
        body.prop_map(|body| {
            let length = body.len();
            (
                format!("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n{body}"),
                format!("POST / {body}"),
            )
        }),
        (body, 1usize..20).prop_map(|(body, size)| {
            let chunk = |piece: &[u8]| {
                format!(
                    "{:x}\r\n{}\r\n",
                    piece.len(),
                    String::from_utf8_lossy(piece)
                )
            };
            let chunks: String = body.as_bytes().chunks(size).map(chunk).collect();
            let head = "POST /c HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
            (
                format!("{head}{chunks}0\r\n\r\n"),
                format!("POST /c {body}"),
            )
        }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_split_of_pipelined_requests_gives_the_same_answers(
        requests in prop::collection::vec(request(), 1..6),
        sizes in prop::collection::vec(1usize..50, 1..20),
    ) {
        let bytes: String = requests.iter().map(|(text, _)| text.as_str()).collect();
        let mut client = connect(*ENGINE);
        let mut rest = bytes.as_bytes();
        for size in sizes.iter().cycle() {
            let (piece, after) = rest.split_at(rest.len().min(*size));
            client.send(piece);
            rest = after;
            if rest.is_empty() {
                break;
            }
        }
        for (_, expected) in &requests {
            let answer = client.answer();
            prop_assert_eq!((answer.status, &answer.body), (200, expected));
        }
    }

    #[test]
    fn no_bytes_do_harm(
        good in prop::option::of(request()),
        soup in prop_oneof![
            prop::collection::vec(any::<u8>(), 0..2000),
            prop::collection::vec(prop::sample::select(b"GET / HTTP/1.1\r\n\r\nHost: xContent-Length: 1\r\n".to_vec()), 0..500),
        ],
    ) {
        let mut client = connect(*ENGINE);
        if let Some((text, expected)) = &good {
            client.send(text);
            prop_assert_eq!(&client.answer().body, expected);
        }
        client.send(&soup);
        client.stream.shutdown(Shutdown::Write).unwrap();
        let rest = client.rest();
        prop_assert!(rest.is_empty() || rest.starts_with("HTTP/1.1 "), "{}", rest);
        prop_assert_eq!(connect(*ENGINE).get("/alive").body, "GET /alive ");
    }
}
