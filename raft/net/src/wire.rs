//! What is generated from `proto/peer.proto`, and the bounds of the wire.

use std::time::Duration;

/// What a frame may take beside the largest call.
const ROOM: usize = 1 << 20;
/// The most bytes of a frame.
pub(crate) const MOST_FRAME: usize = raft::MOST_BYTES + ROOM;
/// Small messages share a frame up to so many bytes.
pub(crate) const SHARED_FRAME: usize = 256 << 10;
/// A call beyond this is sent while nothing smaller waits, and one at a time.
pub(crate) const LARGE: usize = 64 << 10;
/// How long opening a connection may take, the handshake and the greeting included.
pub(crate) const OPENING: Duration = Duration::from_secs(3);
/// A connection that carries nothing is tried this often, and given up after `SILENCE`.
pub(crate) const KEEP_ALIVE: Duration = Duration::from_secs(1);
/// See [`KEEP_ALIVE`].
pub(crate) const SILENCE: Duration = Duration::from_secs(3);
/// How much of a stream the other side may send before it is read.
pub(crate) const WINDOW: u32 = 1 << 20;

#[allow(missing_docs, unreachable_pub, clippy::all)]
pub(crate) mod proto {
    tonic::include_proto!("bellwether.peer.v1");
}
