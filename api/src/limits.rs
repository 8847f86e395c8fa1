//! How much of everything one node takes on.

use std::time::Duration;

/// The bounds of the API. The defaults are the contract's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// The most bytes of a request's body; beyond it 413.
    pub body_bytes: usize,
    /// Rows of a page where the client names no number.
    pub list_default: usize,
    /// The most rows of a page.
    pub list_max: usize,
    /// Open watches; beyond it 429.
    pub watches: usize,
    /// Open streams of gRPC, watches and observations among them; beyond it `RESOURCE_EXHAUSTED`.
    pub streams: usize,
    /// Requests that are worked on at once; beyond it 429.
    pub in_flight: usize,
    /// Open connections; beyond it the listener waits.
    pub connections: usize,
    /// How long an answer may take, streams aside.
    pub request_timeout: Duration,
    /// How long a watcher may leave 256 KiB of changes untaken before it is cut off.
    pub watch_patience: Duration,
    /// How often a watch shows that it is alive.
    pub heartbeat: Duration,
    /// How long a connection may accept no bytes, or say nothing when new.
    pub stall: Duration,
    /// How long open requests may go on once the node stops; the process is to end within 5 s.
    pub grace: Duration,
}

impl Limits {
    /// How long a write may take. Half the time of its request may have gone into the body, and the answer
    /// must be out before the other half is over: the layer with the deadline knows nothing of the write.
    pub(crate) fn write_timeout(&self) -> Duration {
        self.request_timeout * 9 / 20
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes: 1024 * 1024,
            list_default: 500,
            list_max: 5_000,
            watches: 10_000,
            streams: 20_000,
            in_flight: 4_096,
            connections: 16_384,
            request_timeout: Duration::from_secs(10),
            watch_patience: Duration::from_secs(5),
            heartbeat: Duration::from_secs(15),
            stall: Duration::from_secs(30),
            grace: Duration::from_secs(4),
        }
    }
}
