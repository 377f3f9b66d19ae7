//! The queue and its thread: order, overload, the end.

use std::io::Write;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded};

use crate::limits;
use crate::logging::Format;
use crate::logging::destination::WriteLine;
use crate::logging::layout::{Dress, Layout};
use crate::logging::sink::Sink;

const LAYOUT: Layout = Layout {
    format: Format::Text,
    dress: Dress::Journal,
    targets: false,
};

/// Longer than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// A destination that writes a line only when it is let.
struct Gate {
    arrived: Sender<()>,
    permits: Receiver<()>,
    written: Sender<String>,
}

impl WriteLine for Gate {
    fn write_line(&self, line: &[u8]) {
        let _ = self.arrived.try_send(());
        // When the test has let go of the gate, it stands open.
        let _ = self.permits.recv();
        let line = String::from_utf8(line.to_vec()).expect("the test writes text");
        let _ = self.written.send(line);
    }
}

/// A sink before a gate, and the gate's other side.
struct Gated {
    sink: Sink,
    arrivals: Receiver<()>,
    open: Sender<()>,
    lines: Receiver<String>,
}

fn gated() -> Gated {
    let (arrived, arrivals) = bounded(1);
    let (open, permits) = bounded(0);
    let (written, lines) = bounded(4 * limits::LOG_QUEUE_MESSAGES);
    let gate = Gate {
        arrived,
        permits,
        written,
    };
    Gated {
        sink: Sink::start(gate, LAYOUT),
        arrivals,
        open,
        lines,
    }
}

/// The same, with a first line at the gate and the queue empty behind it.
fn held() -> Gated {
    let gated = gated();
    log(&gated.sink, "held\n");
    let arrival = gated.arrivals.recv_timeout(PATIENCE);
    arrival.expect("the thread takes the line");
    gated
}

fn log(sink: &Sink, line: &str) {
    let mut sink = sink.clone();
    sink.write_all(line.as_bytes()).expect("a sink never fails");
}

#[test]
fn a_flush_waits_for_all_that_came_before() {
    let Gated {
        sink, open, lines, ..
    } = gated();
    drop(open);
    for number in 0..100 {
        log(&sink, &format!("{number}\n"));
    }
    assert!(sink.flush(PATIENCE));
    let expected: Vec<String> = (0..100).map(|number| format!("{number}\n")).collect();
    assert_eq!(lines.try_iter().collect::<Vec<_>>(), expected);
}

#[test]
fn nobody_waits_for_a_destination_that_hangs() {
    let Gated { sink, open, .. } = held();
    // Twice as many as fit: a sink that blocked would never come to the end.
    for _ in 0..2 * limits::LOG_QUEUE_MESSAGES {
        log(&sink, "queued\n");
    }
    assert!(!sink.flush(Duration::from_millis(20)));
    assert!(!sink.stop(Duration::from_millis(20)));
    drop(open);
}

#[test]
fn past_the_limit_lines_are_dropped_counted_and_told() {
    let Gated {
        sink, open, lines, ..
    } = held();
    for _ in 0..limits::LOG_QUEUE_MESSAGES + 7 {
        log(&sink, "queued\n");
    }
    drop(open);
    // No flush: the count is told by itself. It may come before the last line.
    let next = || lines.recv_timeout(PATIENCE).expect("a line");
    let written: Vec<String> = (0..limits::LOG_QUEUE_MESSAGES + 2)
        .map(|_| next())
        .collect();
    assert_eq!(written[0], "held\n");
    let (queued, told): (Vec<String>, Vec<String>) = written
        .into_iter()
        .skip(1)
        .partition(|line| line == "queued\n");
    assert_eq!(queued.len(), limits::LOG_QUEUE_MESSAGES);
    assert_eq!(
        told,
        ["<4>log: messages dropped: 7 (they came faster than they could be written)\n"]
    );
}

#[test]
fn a_stop_writes_what_is_queued_and_tells_the_count() {
    let Gated {
        sink, open, lines, ..
    } = held();
    for _ in 0..limits::LOG_QUEUE_MESSAGES + 1 {
        log(&sink, "queued\n");
    }
    drop(open);
    assert!(sink.stop(PATIENCE));
    let written: Vec<String> = lines.try_iter().collect();
    let queued = written.iter().filter(|line| *line == "queued\n").count();
    let told = written
        .iter()
        .filter(|line| line.contains("dropped: 1 "))
        .count();
    assert_eq!((queued, told), (limits::LOG_QUEUE_MESSAGES, 1));
}

#[test]
fn after_the_stop_lines_are_written_directly() {
    let Gated {
        sink, open, lines, ..
    } = gated();
    drop(open);
    log(&sink, "before\n");
    assert!(sink.stop(PATIENCE));
    log(&sink, "after\n");
    assert_eq!(
        lines.try_iter().collect::<Vec<_>>(),
        ["before\n", "after\n"]
    );
    assert!(sink.flush(Duration::ZERO) && sink.stop(Duration::ZERO));
}
