//! What the engine's user may set; every default is a constant of [`crate::limits`].

use std::time::Duration;

use crate::limits;

/// The limits and deadlines of one engine. The fields say what the constants of the same name in `limits` say.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Most connections at once; past it 503, but for the spare ones.
    pub max_connections: usize,
    /// Connections beyond these, each for one exchange that says [`crate::http::Exchange::is_spare`].
    pub spare_connections: usize,
    /// Time for the head on a spare connection; past it 503.
    pub spare_deadline: Duration,
    /// Time for a whole head; past it 408.
    pub head_deadline: Duration,
    /// Time for a body to get going; past it 408.
    pub body_grace: Duration,
    /// Time for a peer to take what we write; past it the connection is cut.
    /// That is looked at [`limits::HTTP_WRITE_LOOKS`] times, so it can take longer by one look.
    pub write_grace: Duration,
    /// Slowest transfer of bodies and answers that is let go on, in bytes per second.
    pub bytes_per_second_min: u32,
    /// Time between two requests; past it the connection is closed.
    pub idle_deadline: Duration,
    /// Idle time after which buffers are given back.
    pub keep_buffers: Duration,
    /// Time to throw away what a peer still sends.
    pub linger_deadline: Duration,
    /// At stop: time in which requests under way may end by themselves.
    pub stop_grace: Duration,
    /// At stop: time in which threads of cut connections must end.
    pub stop_wait: Duration,
    /// Stack of a connection's thread, in bytes.
    pub stack_bytes: usize,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            max_connections: limits::HTTP_CONNECTIONS_MAX,
            spare_connections: limits::HTTP_SPARE_MAX,
            spare_deadline: limits::HTTP_SPARE_DEADLINE,
            head_deadline: limits::HTTP_HEAD_DEADLINE,
            body_grace: limits::HTTP_TRANSFER_GRACE,
            write_grace: limits::HTTP_TRANSFER_GRACE,
            bytes_per_second_min: limits::HTTP_BYTES_PER_SECOND_MIN,
            idle_deadline: limits::HTTP_IDLE_DEADLINE,
            keep_buffers: limits::HTTP_KEEP_BUFFERS,
            linger_deadline: limits::HTTP_LINGER_DEADLINE,
            stop_grace: limits::HTTP_STOP_GRACE,
            stop_wait: limits::HTTP_STOP_WAIT,
            stack_bytes: limits::HTTP_STACK_BYTES,
        }
    }
}
