//! The transport of a cluster of one: there is nobody to call.

use futures_util::future::{self, BoxFuture, FutureExt};
use model::NodeId;

use super::{Call, PeerError, PeerTransport};

/// See the module.
#[derive(Debug, Clone, Copy)]
pub struct Alone;

impl PeerTransport for Alone {
    fn call(&self, node: NodeId, _call: Call) -> BoxFuture<'static, Result<Vec<u8>, PeerError>> {
        let detail = "this cluster has one node".to_owned();
        future::ready(Err(PeerError::Unreachable { node, detail })).boxed()
    }
}
