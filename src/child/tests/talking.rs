//! What goes over the pipes: messages, noise, stalls, last lines.

use std::time::Duration;

use crate::child::Unsent;
use crate::child::tests::{Subject, eventually, kill_stranger, message, sh, threads_end};
use crate::event::{FromChild, Load, Reply, Signal};
use crate::limits;
use crate::wire::envelope::Kind;
use crate::wire::method::Method;
use crate::wire::own_id::{OwnId, Purpose};

#[test]
fn the_last_line_before_an_exit_is_never_lost() {
    let answer = OwnId::new(5, Purpose::Call).number();
    let script =
        format!(r#"echo '{{"jsonrpc":"2.0","id":{answer},"result":{{}}}}'; echo bye >&2; exit 1"#);
    for _ in 0..200 {
        let story = Subject::start(sh("last", &script)).story();
        assert_eq!(story.how(), "exited with code 1");
        assert_eq!(story.last_words.as_deref(), Some("bye"));
        assert!(
            matches!(
                &story.output[..],
                [FromChild::Message { .. }, FromChild::OutputEnded]
            ),
            "{story:?}"
        );
    }
}

#[test]
fn a_last_line_needs_no_line_end() {
    let script = r#"printf '{"jsonrpc":"2.0","method":"cut"}'; printf 'no end' >&2"#;
    let story = Subject::start(sh("noend", script)).story();
    assert_eq!(story.messages().len(), 1);
    assert_eq!(story.last_words.as_deref(), Some("no end"));
}

#[test]
fn messages_pass_through_in_order_and_are_accounted_for() {
    let mut subject = Subject::start(sh("echo", "exec cat"));
    subject.spawned();
    let mut taken = Load::default();
    let mut seen = 0;
    let mut bytes = 0;
    let total = 5000;
    let take = |word, taken: &mut Load, seen: &mut u32| match word {
        FromChild::Taken(load) => {
            taken.messages += load.messages;
            taken.bytes += load.bytes;
        }
        FromChild::Message { message, .. } => {
            let name = format!("m{seen}");
            assert_eq!(message.kind, Kind::Notification(Method::Other(name.into())));
            *seen += 1;
        }
        other => panic!("{other:?}"),
    };
    for number in 0..total {
        let outgoing = message(&format!(r#"{{"jsonrpc":"2.0","method":"m{number}"}}"#));
        bytes += outgoing.len_max() as u64;
        while subject.send(outgoing.clone()).is_err() {
            take(subject.next(), &mut taken, &mut seen);
        }
        // Of what it writes itself the dispatcher tells the hub itself.
        taken += subject.handle.taken().unwrap_or_default();
    }
    while seen < total {
        take(subject.next(), &mut taken, &mut seen);
    }
    subject.handle.close_input();
    loop {
        match subject.next() {
            FromChild::OutputEnded => break,
            FromChild::Exited { .. } => {}
            word => take(word, &mut taken, &mut seen),
        }
    }
    let untold = total - taken.messages;
    // What went through the queue and what did not is told of by itself.
    assert!(untold < 2 * limits::TAKEN_MESSAGES, "{untold} untold");
    assert!(taken.bytes <= bytes);
    assert!(bytes - taken.bytes < 2 * limits::TAKEN_BYTES);
}

#[test]
fn large_messages_are_told_by_their_bytes() {
    let mut subject = Subject::start(sh("large", "cat >/dev/null; exit 0"));
    subject.spawned();
    let padding = "x".repeat(300 * 1024);
    let outgoing = message(&format!(
        r#"{{"jsonrpc":"2.0","method":"m","params":{{"p":"{padding}"}}}}"#
    ));
    let bytes = outgoing.len_max() as u64;
    subject.send(outgoing).unwrap();
    assert!(
        matches!(subject.next(), FromChild::Taken(load) if load == Load { messages: 1, bytes })
    );
}

/// Messages that do not fit into a pipe, be it wide.
fn fill(subject: &mut Subject) -> usize {
    let padding = "x".repeat(50_000);
    let line = format!(r#"{{"jsonrpc":"2.0","method":"m","params":{{"p":"{padding}"}}}}"#);
    for _ in 0..50 {
        subject.send(message(&line)).unwrap();
    }
    50 * (line.len() + 1)
}

#[test]
fn a_child_that_does_not_read_is_told_of_once_and_can_be_killed() {
    // A grandchild out of reach holds the pipe open, so that writing never fails.
    let script = "exec 3<&0; setsid sleep 900 <&3 & echo $! >&2; exec sleep 900";
    let mut recipe = sh("stuck", script);
    recipe.message_timeout = Duration::from_millis(50);
    let mut subject = Subject::start(recipe);
    subject.spawned();
    fill(&mut subject);
    subject.handle.close_input();
    assert!(matches!(subject.next_but_taken(), FromChild::NotReading));
    // Many times the 50 ms: a second report would come.
    let quiet = subject.words.recv_timeout(Duration::from_millis(400));
    assert!(quiet.is_err(), "{quiet:?}");
    subject.handle.signal(Signal::Kill);
    let ends = [subject.next(), subject.next()];
    assert!(
        ends.iter()
            .any(|word| matches!(word, FromChild::OutputEnded))
    );
    let grandchild = ends.iter().find_map(|word| match word {
        FromChild::Exited { last_words, .. } => last_words.as_deref(),
        _ => None,
    });
    // With the handle still held: the exit ends the thread that writes.
    threads_end("stuck");
    kill_stranger(grandchild.unwrap());
}

#[test]
fn a_child_that_reads_again_gets_every_byte() {
    // SIGTERM ends the shell's `sleep`; only then it reads.
    let mut recipe = sh("slow", "trap : TERM; sleep 900 & wait; wc -c >&2");
    recipe.message_timeout = Duration::from_millis(50);
    let mut subject = Subject::start(recipe);
    subject.spawned();
    let sent = fill(&mut subject);
    subject.handle.close_input();
    assert!(matches!(subject.next_but_taken(), FromChild::NotReading));
    subject.handle.signal(Signal::Terminate);
    let mut last_words = None;
    let mut ended = false;
    while last_words.is_none() || !ended {
        match subject.next() {
            FromChild::Taken(_) => {}
            FromChild::OutputEnded => ended = true,
            FromChild::Exited {
                last_words: words,
                how,
            } => {
                assert_eq!(how, "exited with code 0");
                last_words = words;
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(last_words.unwrap().trim(), sent.to_string());
}

#[test]
fn a_child_that_closes_its_input_and_lives_is_not_reading() {
    let mut recipe = sh("deaf", "exec <&-; echo >&2 closed; sleep 900");
    recipe.message_timeout = Duration::from_millis(50);
    let mut subject = Subject::start(recipe);
    subject.spawned();
    let hello = message(r#"{"jsonrpc":"2.0","method":"m"}"#);
    // The first may come before the child has closed; in the end one fails.
    eventually("the queue is closed", || {
        subject.send(hello.clone()) == Err(Unsent::Closed)
    });
    loop {
        match subject.next() {
            FromChild::NotReading => break,
            FromChild::Taken(_) => {}
            other => panic!("{other:?}"),
        }
    }
    subject.handle.signal(Signal::Kill);
}

#[test]
fn a_full_queue_refuses() {
    let mut recipe = sh("full", "exec sleep 900");
    recipe.queue_slots = 3;
    let mut subject = Subject::start(recipe);
    let padding = "x".repeat(200_000);
    let large =
        message(&format!(r#"{{"jsonrpc":"2.0","method":"{padding}"}}"#).replace(&padding, "m"));
    let refused = (0..100_000).find_map(|_| subject.send(large.clone()).err());
    assert_eq!(refused, Some(Unsent::Full));
    subject.handle.signal(Signal::Kill);
}

#[test]
fn a_line_over_the_limit_is_told_with_its_id_and_the_next_one_is_read() {
    let id = OwnId::new(9, Purpose::Call);
    let script = format!(
        r#"printf '{{"jsonrpc":"2.0","id":{},"result":{{"x":"%05000d"}}}}\n' 0; echo '{{"jsonrpc":"2.0","method":"next"}}'"#,
        id.number()
    );
    let mut recipe = sh("over", &script);
    recipe.line_max = 1000;
    let story = Subject::start(recipe).story();
    let expected_length = format!(
        r#"{{"jsonrpc":"2.0","id":{},"result":{{"x":""}}}}"#,
        id.number()
    )
    .len()
        + 5000;
    match &story.output[..] {
        [
            FromChild::Oversized { id: told, length },
            FromChild::Message { .. },
            FromChild::OutputEnded,
        ] => {
            assert_eq!(*told, Some(id));
            assert_eq!(*length, expected_length as u64);
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_answer_that_finds_no_room_is_told_with_its_id() {
    let id = OwnId::new(5, Purpose::Call);
    // Nobody lets go of the first one; each needs more than the other leaves.
    let script = format!(
        r#"for i in 1 2; do printf '{{"jsonrpc":"2.0","id":{},"result":{{"x":"%0400000d"}}}}\n' 0; done"#,
        id.number()
    );
    let mut recipe = sh("full", &script);
    recipe.line_max = 1 << 20;
    let story = Subject::start(recipe).story();
    match &story.output[..] {
        [
            FromChild::Message { .. },
            FromChild::Unheld { id: told, length },
            FromChild::OutputEnded,
        ] => {
            assert_eq!(*told, Some(id));
            assert!((400_000..400_100).contains(length), "{length}");
        }
        other => panic!("{} words", other.len()),
    }
}

#[test]
fn garbage_is_skipped() {
    let script = r#"echo 'Server listening'; echo; echo '{"broken":'; printf '\377\0\n'; echo '[]'; echo 17
        echo '{"jsonrpc":"2.0","method":"good"}'"#;
    let story = Subject::start(sh("noisy", script)).story();
    assert!(
        matches!(
            &story.output[..],
            [FromChild::Message { .. }, FromChild::OutputEnded]
        ),
        "{story:?}"
    );
}

#[test]
fn a_batch_is_taken_apart() {
    let script = r#"echo '[{"jsonrpc":"2.0","method":"a"}, {"jsonrpc":"2.0","method":"b"}]'"#;
    let story = Subject::start(sh("batch", script)).story();
    let kinds: Vec<&Kind> = story
        .messages()
        .iter()
        .map(|message| &message.kind)
        .collect();
    let named = |name: &str| Kind::Notification(Method::Other(name.into()));
    assert_eq!(kinds, [&named("a"), &named("b")]);
}

#[test]
fn a_greeting_answered_at_too_great_a_length_fails() {
    let id = OwnId::new(3, Purpose::Initialize).number();
    let script = format!(
        r#"printf '{{"jsonrpc":"2.0","id":{id},"result":{{"protocolVersion":"2025-06-18","instructions":"%0300000d"}}}}\n' 0"#
    );
    let story = Subject::start(sh("talks", &script)).story();
    match &story.output[0] {
        FromChild::Reply {
            reply: Reply::Failed(why),
            ..
        } => assert!(
            why.ends_with("bytes long: at most 262144 are taken"),
            "{why}"
        ),
        _ => panic!("it is no failure"),
    }
}

#[test]
fn answers_to_our_own_requests_are_read() {
    let answers = [
        (
            Purpose::Initialize,
            r#""result":{"protocolVersion":"2025-06-18","capabilities":{"tools":{}},"serverInfo":{"name":"n","version":"1"}}"#,
        ),
        (
            Purpose::Tools,
            r#""result":{"tools":[{"name":"t","inputSchema":{}}]}"#,
        ),
        (
            Purpose::Prompts,
            r#""error":{"code":-32601,"message":"no \"prompts\""}"#,
        ),
        (Purpose::Resources, r#""result":{"no":"list"}"#),
        (Purpose::Templates, r#""result":{"resourceTemplates":[]}"#),
        (Purpose::Errand, r#""result":{}"#),
        (Purpose::Call, r#""error":{"code":1,"message":"m"}"#),
        (
            Purpose::Discover,
            r#""result":{"supportedVersions":["2026-07-28"],"capabilities":{"prompts":{}}}"#,
        ),
        (
            Purpose::Discover,
            r#""error":{"code":-32601,"message":"no such method"}"#,
        ),
        (
            Purpose::Initialize,
            r#""error":{"code":-32022,"message":"m","data":{"supported":["2026-07-28"]}}"#,
        ),
        (Purpose::Listen, r#""result":{"resultType":"complete"}"#),
    ];
    let lines: Vec<String> = answers
        .iter()
        .map(|(purpose, rest)| {
            let id = OwnId::new(3, *purpose).number();
            format!(r#"echo '{{"jsonrpc":"2.0","id":{id},{rest}}}'"#)
        })
        .collect();
    let story = Subject::start(sh("own", &lines.join("\n"))).story();
    let reply = |at: usize| match &story.output[at] {
        FromChild::Reply { id, reply } => {
            assert_eq!(id.purpose(), answers[at].0);
            reply
        }
        other => panic!("{other:?}"),
    };
    assert!(matches!(reply(0), Reply::Hello(hello) if hello.has.tools));
    assert!(matches!(reply(1), Reply::Page(page) if page.items[0].key == "t"));
    assert!(
        matches!(reply(2), Reply::Failed(why) if why.contains("-32601") && why.contains("no "))
    );
    assert!(matches!(reply(3), Reply::Failed(why) if !why.is_empty()));
    assert!(matches!(reply(4), Reply::Page(page) if page.items.is_empty()));
    assert!(matches!(reply(5), Reply::Done));
    assert!(matches!(reply(7), Reply::Hello(hello) if hello.has.prompts));
    assert!(matches!(reply(8), Reply::Refused { why, stateless: false } if why.contains("-32601")));
    assert!(matches!(
        reply(9),
        Reply::Refused {
            stateless: true,
            ..
        }
    ));
    assert!(matches!(reply(10), Reply::Done));
    assert!(matches!(&story.output[6], FromChild::Message { .. }));
}

#[test]
fn the_last_lines_are_there_for_whoever_asks() {
    let script = "for n in 1 2 3 4 5 6 7 8 9 10 11 12; do echo line $n; echo; done >&2; exec cat";
    let mut subject = Subject::start(sh("lines", script));
    eventually("it has said all", || {
        subject
            .handle
            .last_lines()
            .last()
            .is_some_and(|line| line == "line 12")
    });
    let lines = subject.handle.last_lines();
    assert_eq!(lines.len(), limits::CHILD_LAST_LINES);
    assert_eq!(lines[0], "line 3");
    subject.handle.close_input();
    let story = subject.story();
    assert_eq!(story.last_words.as_deref(), Some("line 12"));
    assert_eq!(subject.handle.last_lines(), lines);
}
