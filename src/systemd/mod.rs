//! What a service manager and this process tell each other, by systemd's protocols: that it is
//! ready, how it does and that it is alive (sd_notify(3)), and the socket that was opened for it
//! (sd_listen_fds(3)). Other managers speak them too.
//!
//! Without such a manager nothing here does anything. How the gateway does is found out elsewhere:
//! the watchdog is handed a way to ask.

pub mod notify;
pub mod socket;
pub mod summary;
pub mod watchdog;

#[cfg(test)]
mod tests;
