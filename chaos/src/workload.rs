//! What goes on while the node is hurt: targets that flip, clients that write and read.
//!
//! Invariant: what was acknowledged and what was answered is written down outside of the node,
//! before anything is concluded from it.

mod clients;
mod crowd;
mod hungry;
mod stopwatch;
mod watched;

pub use clients::Clients;
pub(crate) use clients::{Notes, version};
pub use crowd::Crowd;
pub(crate) use crowd::since;
pub(crate) use hungry::Hungry;
pub(crate) use stopwatch::{Stopwatch, write};
pub use watched::Watched;

/// How much of it there is.
#[derive(Debug, Clone, Copy)]
pub struct Workload {
    /// HTTP targets that flip.
    pub http: usize,
    /// TCP targets that flip.
    pub tcp: usize,
    /// HTTP targets that are always up.
    pub always_up: usize,
    /// HTTP targets that are always down.
    pub always_down: usize,
    /// Clients that write, each its own resources.
    pub writers: u64,
    /// How long a client pauses between two writes or two reads, in milliseconds.
    pub pause: u64,
    /// Whether there are clients that share registers, too.
    pub sharing: bool,
    /// How often each target is checked, in milliseconds.
    pub interval: u64,
    /// A target is switched on average every so many milliseconds.
    pub flip_every: u64,
}

impl Workload {
    /// What most scenarios run under.
    pub const USUAL: Self = Self {
        http: 30,
        tcp: 10,
        always_up: 6,
        always_down: 4,
        writers: 3,
        pause: 30,
        sharing: true,
        interval: 1_000,
        flip_every: 40,
    };

    /// What runs beside a fault that needs the processors or the links for itself.
    pub const LITTLE: Self =
        Self { http: 8, tcp: 4, always_up: 2, always_down: 2, writers: 1, ..Self::USUAL };
}
