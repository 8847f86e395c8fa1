//! How groups reach their other replicas.
//!
//! A group of one voter has none: openraft asks for no connection. The type is here because
//! openraft wants one; every call answers that the peer cannot be reached.

use std::future::Future;

use openraft::{
    AnyError, OptionalSend, RaftNetworkFactory,
    errors::{RPCError, ReplicationClosed, StreamingError, Unreachable},
    impls::{BasicNode, Vote},
    network::{RPCOption, RaftNetworkV2},
    raft::{
        AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, VoteRequest, VoteResponse,
    },
};

use crate::{
    store::snapshot::{Snapshot, SnapshotBytes},
    types::{LeaderId, TypeConfig},
};

/// The network of a cluster of one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Alone;

fn unreachable() -> Unreachable<TypeConfig> {
    Unreachable::new(&AnyError::error("this cluster has one node"))
}

impl RaftNetworkFactory<TypeConfig> for Alone {
    type Network = Self;

    async fn new_client(&mut self, _target: u64, _node: &BasicNode) -> Self {
        *self
    }
}

impl RaftNetworkV2<TypeConfig> for Alone {
    type SnapshotData = SnapshotBytes;

    async fn append_entries(
        &mut self,
        _request: AppendEntriesRequest<TypeConfig>,
        _option: RPCOption,
    ) -> Result<AppendEntriesResponse<TypeConfig>, RPCError<TypeConfig>> {
        Err(RPCError::Unreachable(unreachable()))
    }

    async fn vote(
        &mut self,
        _request: VoteRequest<TypeConfig>,
        _option: RPCOption,
    ) -> Result<VoteResponse<TypeConfig>, RPCError<TypeConfig>> {
        Err(RPCError::Unreachable(unreachable()))
    }

    async fn pre_vote(
        &mut self,
        _request: VoteRequest<TypeConfig>,
        _option: RPCOption,
    ) -> Result<VoteResponse<TypeConfig>, RPCError<TypeConfig>> {
        Err(RPCError::Unreachable(unreachable()))
    }

    async fn full_snapshot(
        &mut self,
        _vote: Vote<LeaderId>,
        _snapshot: Snapshot,
        _cancel: impl Future<Output = ReplicationClosed> + OptionalSend + 'static,
        _option: RPCOption,
    ) -> Result<SnapshotResponse<TypeConfig>, StreamingError<TypeConfig>> {
        Err(StreamingError::Unreachable(unreachable()))
    }
}
