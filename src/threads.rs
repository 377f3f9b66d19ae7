//! The one place that starts threads: each has a name and an explicit stack.
//!
//! What a thread does, and who waits for its end, is its owner's business.

use std::io;
use std::thread::{Builder, JoinHandle};

/// Starts a thread called `name` (the kernel shows its first 15 bytes) with a stack of `stack_bytes`.
///
/// # Errors
/// The system refuses another thread: too many of them, or no memory for the stack. The `body` is dropped unrun.
#[expect(
    clippy::disallowed_methods,
    reason = "this is the one place that spawns threads"
)]
pub fn spawn<T, F>(name: &str, stack_bytes: usize, body: F) -> io::Result<JoinHandle<T>>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    Builder::new()
        .name(name.to_owned())
        .stack_size(stack_bytes)
        .spawn(body)
}

#[cfg(test)]
mod tests {
    use super::spawn;

    #[test]
    fn a_thread_bears_its_name() {
        let thread = spawn("worker-7", 64 * 1024, || {
            std::thread::current().name().map(str::to_owned)
        });
        assert_eq!(thread.unwrap().join().unwrap().as_deref(), Some("worker-7"));
    }

    #[test]
    fn a_stack_the_system_cannot_give_is_an_error() {
        assert!(spawn("giant", usize::MAX / 4, || ()).is_err());
    }
}
