//! The thread `watchdog`: asks the gateway how it does, tells the service manager what it says, and
//! that it is alive only if it said something.
//!
//! The manager kills and restarts a process that does not say so in time (sd_watchdog_enabled(3)).
//! So nothing here may take the gateway's word for granted: a thread of its own that merely counted
//! time would go on while the gateway hangs.

use std::io;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, never, tick};

use crate::systemd::notify::Notifier;
use crate::systemd::summary;
use crate::{limits, threads};

/// How often the manager wants to hear that the gateway is alive: half of its patience, so that one
/// word may come late. `None` = it does not want to, or another process shall.
pub fn period_of_environment() -> Option<Duration> {
    let variable = |name| std::env::var(name).ok();
    period(
        variable("WATCHDOG_USEC").as_deref(),
        variable("WATCHDOG_PID").as_deref(),
        std::process::id(),
    )
}

/// The same by the values of `WATCHDOG_USEC` and `WATCHDOG_PID`, for the process `own`.
pub fn period(patience_usec: Option<&str>, pid: Option<&str>, own: u32) -> Option<Duration> {
    let is_ours = pid.is_none_or(|pid| pid.parse() == Ok(own));
    let patience = patience_usec.filter(|_| is_ours)?;
    match patience.parse() {
        Ok(0) => None,
        Ok(patience) => {
            Some((Duration::from_micros(patience) / 2).max(limits::WATCHDOG_PERIOD_MIN))
        }
        Err(_) => {
            log::warn!("WATCHDOG_USEC is {patience:?}, no number: the watchdog is not fed");
            None
        }
    }
}

/// Starts the thread. `ask` asks the gateway for its health report and waits for that long at most;
/// `None` = it has not answered. The thread ends when `ended` closes.
///
/// # Errors
/// The system gives no thread.
pub fn start(
    notifier: Notifier,
    period: Option<Duration>,
    ended: Receiver<()>,
    ask: impl FnMut(Duration) -> Option<String> + Send + 'static,
) -> io::Result<()> {
    // Not joined: if it still waits for an answer at the end, then for one that does not come.
    threads::spawn("watchdog", limits::SMALL_STACK_BYTES, move || {
        watch(&notifier, period, &ended, ask);
    })
    .map(drop)
}

fn watch(
    notifier: &Notifier,
    period: Option<Duration>,
    ended: &Receiver<()>,
    mut ask: impl FnMut(Duration) -> Option<String>,
) {
    let due = period.map_or_else(never, tick);
    let patience = period.unwrap_or(limits::VERDICT_WAIT);
    // Where word is due often, looking less often than twice a period would make it late.
    let pause = limits::STATUS_PAUSE.min(patience / 2);
    let mut told = String::new();
    loop {
        if let Some(report) = ask(patience) {
            let sentence = summary::sentence(&report);
            if sentence != told {
                notifier.status(&sentence);
                told = sentence;
            }
            if due.try_recv().is_ok() {
                notifier.watchdog();
            }
        }
        // Nothing is ever sent: anything but the end of the time is the end.
        if ended.recv_timeout(pause) != Err(RecvTimeoutError::Timeout) {
            return;
        }
    }
}
