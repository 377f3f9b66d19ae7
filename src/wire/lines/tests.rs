//! Lines cut in every way, against a splitter that sees all bytes at once.

use proptest::prelude::*;

use super::*;
use crate::wire::arbitrary;

/// Feeds the chunks, ends the stream, and collects the lines.
fn split<'a>(lines: &mut Lines, chunks: impl IntoIterator<Item = &'a [u8]>) -> Vec<Line<'static>> {
    let mut found = Vec::new();
    let mut keep = |line: Line<'_>| {
        found.push(match line {
            Line::Whole(line) => Line::Whole(Cow::Owned(line.into_owned())),
            Line::Oversized {
                length,
                crowded,
                id,
                request_id,
                head,
            } => Line::Oversized {
                length,
                crowded,
                id,
                request_id,
                head,
            },
        });
    };
    for chunk in chunks {
        lines.feed(chunk, &mut keep);
    }
    lines.finish(&mut keep);
    found
}

fn whole(line: &str) -> Line<'static> {
    Line::Whole(Cow::Owned(line.into()))
}

/// The id that is found in a line when it is over the limit.
fn id_in(line: &str) -> Option<u64> {
    ids_in(line).0
}

/// The ids that are found in a line over the limit: as an answer, as a request.
fn ids_in(line: &str) -> (Option<u64>, Option<u64>) {
    match &split(&mut Lines::new(3), [line.as_bytes()])[..] {
        [Line::Oversized { id, request_id, .. }] => (*id, *request_id),
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_id_of_a_request_is_no_answers_and_the_other_way_round() {
    let request = r#"{"method":"x","params":{"id":9},"jsonrpc":"2.0","id":7}"#;
    assert_eq!(ids_in(request), (None, Some(7)));
    assert_eq!(ids_in(r#"{"result":{"method":1},"id":7}"#), (Some(7), None));
    assert_eq!(ids_in(r#"{"method":"x"}"#), (None, None));
}

#[test]
fn lines_end_at_line_feeds_and_empty_ones_are_passed_over() {
    let found = split(&mut Lines::new(100), [b"a\n\n\r\nb\r\nc\rd\ne".as_slice()]);
    assert_eq!(found, ["a", "b", "c\rd", "e"].map(whole));
}

#[test]
fn the_limit_is_the_last_length_that_is_taken() {
    let found = split(&mut Lines::new(4), [b"1234\n12345\n123\r\n1".as_slice()]);
    let over = Line::Oversized {
        request_id: None,
        length: 5,
        crowded: false,
        id: None,
        head: b"12345".to_vec(),
    };
    assert_eq!(found, [whole("1234"), over, whole("123"), whole("1")]);
}

#[test]
fn a_line_that_finds_no_room_is_skipped_and_its_id_found() {
    let budget = Budget::new(4 << 20);
    let mut lines = Lines::within(1 << 20, &budget);
    let text = "t".repeat(900_000);
    let line = format!(r#"{{"id":7,"result":"{text}"}}"#);
    let chunks = || line.as_bytes().chunks(10_000).chain([b"\n".as_slice()]);
    assert_eq!(split(&mut lines, chunks()), [whole(&line)]);
    assert_eq!(budget.held(), 0, "what becomes of it counts by itself");
    let others = budget.weigh(3 << 20);
    let lost = |found: &[Line<'_>]| match found {
        [
            Line::Oversized {
                length,
                crowded,
                id,
                ..
            },
        ] => (*length, *crowded, *id),
        other => panic!("{} lines", other.len()),
    };
    let length = line.len() as u64;
    assert_eq!(lost(&split(&mut lines, chunks())), (length, true, Some(7)));
    assert_eq!(budget.held(), 3 << 20);
    let small = [b"small\n".as_slice()];
    assert_eq!(split(&mut lines, small), [whole("small")]);
    // One that turns out to be too long is told so.
    let longer = [line.as_bytes(), line.as_bytes(), b"\n"];
    let (_, crowded, _) = lost(&split(&mut lines, longer));
    assert!(!crowded);
    drop(others);
    assert_eq!(split(&mut lines, chunks()), [whole(&line)]);
}

#[test]
fn the_id_is_found_wherever_it_stands() {
    for (line, id) in [
        (r#"{"id":17,"result":{}}"#, Some(17)),
        (r#"{"result":{"id":1,"x":[{"id":2}]}, "id" : 0 }"#, Some(0)),
        (
            r#"{"a":"\"id\":5","b":"{","c":"\\","id":18446744073709551615}"#,
            Some(u64::MAX),
        ),
        (r#"{"id":18446744073709551616}"#, None),
        (r#"{"id":-1}"#, None),
        (r#"{"id":1.5}"#, None),
        (r#"{"id":"1"}"#, None),
        (r#"{"id":[1]}"#, None),
        (r#"{"id":null}"#, None),
        (r#"{"id":1,"id":2}"#, None),
        (r#"{"id":1,"method":"sampling/createMessage"}"#, None),
        (r#"{"method":"x","params":{},"id":1}"#, None),
        (r#"{"result":"method","id":3}"#, Some(3)),
        (r#"{"methodical":1,"idx":2,"i":3,"id":4}"#, Some(4)),
        (r#"[{"id":1}]"#, None),
        (r#"{"result":1,"id":12"#, None),
        (r#"noise {"id":1}"#, None),
        (r#"{"result":{}}"#, None),
        (r#"{"id":1}{"id":2}"#, None),
        (r#"}}}{"id":1}"#, Some(1)),
    ] {
        assert_eq!(id_in(line), id, "{line}");
    }
}

#[test]
fn a_line_without_end_costs_no_memory() {
    let mut lines = Lines::new(1 << 20);
    let chunk = vec![b'x'; 64 << 10];
    lines.feed(b"{\"id\":9,\"result\":\"", |line| panic!("{line:?}"));
    for _ in 0..64 {
        lines.feed(&chunk, |line| panic!("{line:?}"));
        assert!(lines.buffer.capacity() <= 2 << 20);
    }
    assert_eq!(lines.buffer.capacity(), 0);
    let found = split(&mut lines, [b"\"}\nnext\n".as_slice()]);
    let [
        Line::Oversized {
            length, id, head, ..
        },
        next,
    ] = &found[..]
    else {
        panic!("{found:?}");
    };
    assert_eq!((*length, *id), (18 + (4 << 20) + 2, Some(9)));
    assert_eq!((head.len(), &head[..8]), (200, b"{\"id\":9,".as_slice()));
    assert_eq!(*next, whole("next"));
}

#[test]
fn a_big_buffer_leaves_with_its_line_and_a_small_one_stays() {
    let mut lines = Lines::new(1 << 20);
    lines.feed(b"small", |line| panic!("{line:?}"));
    lines.feed(b"\n", |line| assert_eq!(line, whole("small")));
    assert!(lines.buffer.capacity() > 0);
    lines.feed(&vec![b'x'; 300_000], |line| panic!("{line:?}"));
    lines.feed(b"\r\n", |line| match line {
        Line::Whole(Cow::Owned(line)) => assert_eq!(line.len(), 300_000),
        other => panic!("{other:?}"),
    });
    assert_eq!(lines.buffer.capacity(), 0);
}

/// What the lines of a whole stream are.
fn expected(stream: &[u8], max: usize) -> Vec<Line<'static>> {
    let mut found = Vec::new();
    for line in stream.split(|byte| *byte == b'\n') {
        if line.len() > max {
            let text = String::from_utf8_lossy(line);
            found.push(Line::Oversized {
                length: line.len() as u64,
                crowded: false,
                id: id_in(&text),
                request_id: ids_in(&text).1,
                head: line[..line.len().min(200)].to_vec(),
            });
        } else {
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            if !line.is_empty() {
                found.push(Line::Whole(Cow::Owned(line.to_vec())));
            }
        }
    }
    found
}

/// An answer whose `id` is the number given with it, in one line.
fn answer() -> impl Strategy<Value = (String, u64)> {
    let others = prop::collection::vec(
        (
            prop::sample::select(vec!["\"result\"", "\"jsonrpc\"", "\"\\\"\"", "\"idd\""]),
            arbitrary::value(),
        ),
        0..5,
    );
    (others, any::<u64>()).prop_flat_map(|(others, id)| {
        let others = others
            .into_iter()
            .map(|(key, value)| (key.to_owned(), value));
        let mut members: Vec<_> = others.collect();
        members.push(("\"id\"".into(), id.to_string()));
        Just(members)
            .prop_shuffle()
            .prop_flat_map(arbitrary::object)
            .prop_map(move |text| (text.replace(['\n', '\r'], " "), id))
    })
}

proptest! {
    #[test]
    fn how_the_stream_is_cut_makes_no_difference(
        stream in prop::collection::vec(
            prop_oneof![
                "[a-c\r]{0,30}".prop_map(String::into_bytes),
                answer().prop_map(|(text, _)| text.into_bytes()),
            ], 0..8).prop_map(|lines| lines.join(&b'\n')),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
        max in 3_usize..60,
    ) {
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(stream.len() + 1)).collect();
        cuts.extend([0, stream.len()]);
        cuts.sort_unstable();
        let chunks = cuts.windows(2).map(|cut| &stream[cut[0]..cut[1]]);
        prop_assert_eq!(split(&mut Lines::new(max), chunks), expected(&stream, max));
    }

    #[test]
    fn the_id_of_an_answer_is_found((text, id) in answer()) {
        prop_assert_eq!(id_in(&text), Some(id));
    }
}
