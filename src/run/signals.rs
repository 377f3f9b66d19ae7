//! What signals mean to the gateway: its end, or another look at its
//! configuration.

use std::io::{self, IsTerminal};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crossbeam_channel::{Receiver, Sender};
use nix::sys::signal::SigSet;
use signal_hook::consts::{SIGHUP, SIGQUIT, SIGTERM, SIGXFSZ};
use signal_hook::iterator::Signals;

use crate::event::Event;
use crate::limits;
use crate::mail::{self, Inbox};
use crate::run::{Error, system};
use crate::threads;

/// Whether somebody sits in front of this process, whose leaving is told by
/// SIGHUP: it then means the end, as it always did.
pub fn is_at_a_terminal() -> bool {
    io::stdin().is_terminal() || io::stdout().is_terminal() || io::stderr().is_terminal()
}

/// From now on signals are heeded:
/// - The first SIGINT, SIGTERM or SIGQUIT is told to the receiver that is
///   returned, and asks the dispatcher to stop. While `defers` is set the
///   dispatcher is not asked: whoever set it does so when the time has come.
/// - A second one has the children killed at once.
/// - SIGHUP goes to `nudge`, which has the configuration read again. Without a
///   `nudge` it counts like the others.
/// - SIGXFSZ ends nothing: a file that may not grow is like a disk that is full.
///
/// Threads that are started from now on have no signal blocked, and so have the
/// processes that they start.
///
/// # Errors
/// A handler, or the thread that waits for signals, cannot be had.
pub fn heed(
    inbox: &Inbox,
    defers: &Arc<AtomicBool>,
    nudge: Option<Sender<()>>,
) -> Result<Receiver<()>, Error> {
    // Whoever started this process may have blocked some, and forgotten it.
    SigSet::all()
        .thread_unblock()
        .map_err(|errno| system("the handling of signals")(errno.into()))?;
    // A handler, for what is merely ignored would be ignored by the servers, too.
    signal_hook::flag::register(SIGXFSZ, Arc::default())
        .map_err(system("the handler of SIGXFSZ"))?;
    let asked = Arc::new(AtomicBool::new(false));
    let (tell, stopping) = mail::channel(limits::SIGNAL_SLOTS);
    let stop = {
        let (inbox, asked, defers) = (inbox.clone(), asked, Arc::clone(defers));
        move || {
            let again = asked.swap(true, Ordering::SeqCst);
            // Where there is no place it was told before.
            let _ = tell.try_send(());
            match again {
                true => inbox.post(Event::Hurry),
                false if defers.load(Ordering::SeqCst) => Ok(()),
                false => inbox.post(Event::Stop),
            }
        }
    };
    let on_interrupt = stop.clone();
    ctrlc::set_handler(move || {
        let _ = on_interrupt();
    })
    .map_err(|error| Error::System {
        what: "the handler of SIGINT",
        error: io::Error::other(error),
    })?;
    let mut signals =
        Signals::new([SIGTERM, SIGHUP, SIGQUIT]).map_err(system("the handler of SIGTERM"))?;
    threads::spawn("signals", limits::SMALL_STACK_BYTES, move || {
        for signal in signals.forever() {
            match &nudge {
                // One that finds another waiting is the same wish.
                Some(nudge) if signal == SIGHUP => drop(nudge.try_send(())),
                _ if stop().is_err() => return,
                _ => {}
            }
        }
    })
    .map_err(system("the thread for signals"))?;
    Ok(stopping)
}
