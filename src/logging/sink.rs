//! The thread `log` and the queue in front of it. It moves finished lines and
//! never looks into them.
//!
//! Whoever logs never waits: a line that finds the queue full is dropped and
//! counted, and the count is told as soon as there is room. When the thread is
//! not there (it could not start, or it was stopped) its end of the queue is
//! closed, and lines are written by whoever logs them.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};
use log::Level;

use crate::limits;
use crate::logging::destination::WriteLine;
use crate::logging::layout::{Entry, Layout};
use crate::threads;

/// What travels through the queue.
enum Item {
    Line(Box<[u8]>),
    /// Answer when all that came before is written.
    Flush(Sender<()>),
    /// The same, and end.
    Stop(Sender<()>),
}

/// The way into the log. Cheap to clone; all clones are one.
#[derive(Clone)]
pub struct Sink {
    queue: Sender<Item>,
    shared: Arc<Shared>,
}

struct Shared {
    dropped: AtomicU64,
    layout: Layout,
    destination: Box<dyn WriteLine>,
}

impl Sink {
    /// Starts the thread `log`. `layout` is for what the sink itself has to
    /// say.
    pub fn start(destination: impl WriteLine + 'static, layout: Layout) -> Sink {
        let (queue, lines) = bounded(limits::LOG_QUEUE_MESSAGES);
        let shared = Arc::new(Shared {
            dropped: AtomicU64::new(0),
            layout,
            destination: Box::new(destination),
        });
        let worker = Arc::clone(&shared);
        // If it fails, `lines` goes with the closure: the queue is closed.
        let started = threads::spawn("log", limits::LOG_STACK_BYTES, move || {
            worker.write_all(lines);
        });
        let sink = Sink { queue, shared };
        if let Err(error) = started {
            sink.shared.say(&format_args!(
                "log: no thread of its own ({error}), writing directly"
            ));
        }
        sink
    }

    /// Waits until all that was logged before is written, for as long as
    /// `patience`; tells whether it is.
    pub fn flush(&self, patience: Duration) -> bool {
        self.ask(Item::Flush, patience)
    }

    /// Ends the thread once all that was logged before is written, waiting no
    /// longer than `patience`; tells whether it is written. Later lines are
    /// written by whoever logs them.
    pub fn stop(&self, patience: Duration) -> bool {
        self.ask(Item::Stop, patience)
    }

    fn ask(&self, question: fn(Sender<()>) -> Item, patience: Duration) -> bool {
        let (answer, answered) = bounded(limits::LOG_STOP_SLOTS);
        // Half for a place in the queue, half for the answer, as there is no
        // clock here to tell what the first wait has left.
        let half = patience / 2;
        match self.queue.send_timeout(question(answer), half) {
            Ok(()) => answered.recv_timeout(half).is_ok(),
            // Without a thread everything is written already.
            Err(error) => error.is_disconnected(),
        }
    }
}

/// One call is one line: `env_logger` hands over what a record was formatted
/// to at once.
impl io::Write for Sink {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        match self.queue.try_send(Item::Line(line.into())) {
            Ok(()) => {}
            Err(TrySendError::Full(_)) => {
                self.shared.dropped.fetch_add(1, Ordering::Relaxed);
            }
            Err(TrySendError::Disconnected(_)) => self.shared.destination.write_line(line),
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Shared {
    /// The work of the thread.
    fn write_all(&self, lines: Receiver<Item>) {
        // A line is dropped when the queue is full, so a queue's length of
        // lines follows it: looking that often tells every count, and under
        // lasting pressure does not add a line to each line.
        let mut since_told = 0;
        for item in &lines {
            match item {
                Item::Line(line) => {
                    self.destination.write_line(&line);
                    since_told += 1;
                }
                Item::Flush(answer) => {
                    self.tell_dropped();
                    let _ = answer.try_send(());
                }
                Item::Stop(answer) => {
                    self.drain(&lines);
                    self.tell_dropped();
                    // The queue closes before the answer, so that what is
                    // logged after the answer is written, not queued.
                    drop(lines);
                    let _ = answer.try_send(());
                    return;
                }
            }
            if since_told >= limits::LOG_QUEUE_MESSAGES {
                since_told = 0;
                self.tell_dropped();
            }
        }
    }

    /// Writes what was logged between the order to stop and the end; at most
    /// a queue's length, so that nobody keeps the thread alive by logging.
    fn drain(&self, lines: &Receiver<Item>) {
        for item in lines.try_iter().take(limits::LOG_QUEUE_MESSAGES) {
            match item {
                Item::Line(line) => self.destination.write_line(&line),
                Item::Flush(answer) | Item::Stop(answer) => {
                    let _ = answer.try_send(());
                }
            }
        }
    }

    fn tell_dropped(&self) {
        let dropped = self.dropped.swap(0, Ordering::Relaxed);
        if dropped > 0 {
            self.say(&format_args!(
                "log: messages dropped: {dropped} (they came faster than they could be written)"
            ));
        }
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "a log line tells when it was written"
    )]
    fn say(&self, message: &std::fmt::Arguments<'_>) {
        let line = self.layout.line(&Entry {
            time: SystemTime::now(),
            level: Level::Warn,
            target: module_path!(),
            message,
        });
        self.destination.write_line(line.as_bytes());
    }
}

#[cfg(test)]
mod tests;
