//! How a thread sleeps at the ear, and gets up.

use std::cell::Cell;
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::AtomicBool;

use super::*;
use crate::http::ConnectionId;
use crate::http::peer::Peer;

const SPAN: Duration = Duration::from_millis(2);
/// In so many, one is looked at while it begins.
const SLEEPS: usize = 20_000;

fn sleeper() -> Sleeper<()> {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let address = stream.local_addr().unwrap();
    let line = Line {
        peer: Arc::new(Peer::new(stream, address, ConnectionId(1))),
        parting: Arc::default(),
    };
    Sleeper::new(line, None)
}

#[test]
fn who_is_looked_at_while_he_sits_down_is_not_listened_to_when_he_has_got_up() {
    let (ear, mut listener) = open::<()>().unwrap();
    let seat = Seat::of_number(1).unwrap();
    let is_done = AtomicBool::new(false);
    let Line { peer, parting } = sleeper().line;
    /// Ends the looking, also where the test fails.
    struct Done<'a>(&'a AtomicBool);
    impl Drop for Done<'_> {
        fn drop(&mut self) {
            self.0.store(true, Ordering::SeqCst);
        }
    }
    let left_behind = thread::scope(|scope| {
        let _done = Done(&is_done);
        scope.spawn(|| {
            // What is known of a seat may be of the one who sat there before.
            while !is_done.load(Ordering::SeqCst) {
                listener.attend(seat);
            }
        });
        let is_left_behind = || {
            let line = Line {
                peer: Arc::clone(&peer),
                parting: Arc::clone(&parting),
            };
            ear.sleep(line, None, pace::now() + SPAN, &|| false);
            ear.epoll.delete(&peer.stream).is_ok()
        };
        (0..SLEEPS).filter(|_| is_left_behind()).count()
    });
    assert_eq!(left_behind, 0, "of {SLEEPS}");
}

#[test]
fn a_thread_sleeps_on_for_as_long_as_something_is_heard_each_time() {
    let (sleeper, asked) = (sleeper(), Cell::new(0));
    let in_time = sleeper.park_until(pace::now() + SPAN, &|| {
        asked.set(asked.get() + 1);
        lock(&sleeper.lent).has_heard = asked.get() < 4;
        false
    });
    assert_eq!((in_time, asked.get()), (false, 4));
}

#[test]
fn the_end_of_the_time_hides_no_call() {
    let sleeper = sleeper();
    lock(&sleeper.lent).has_heard = true;
    assert!(sleeper.park_until(pace::now() + SPAN, &|| true));
}
