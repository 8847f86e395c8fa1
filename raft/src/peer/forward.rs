//! A shard may be asked at any node: what only its leader can do goes to the leader.

use std::time::Duration;

use model::NodeId;
use openraft::ReadPolicy;
use tokio::time::{Instant, sleep, timeout};

use super::{
    PeerError,
    message::{Request, Response},
};
use crate::{
    batcher::Answer,
    command::Envelope,
    error::{ProposeError, ReadError},
    group::{Group, Role},
};

/// How long a read waits for a leader, and for what it must see.
const READ_PATIENCE: Duration = Duration::from_secs(2);
/// How long a write waits for a leader to be known.
const WRITE_PATIENCE: Duration = Duration::from_secs(2);
/// How long the leader may take: longer than its own deadline for an entry.
const WRITE_DEADLINE: Duration = Duration::from_secs(12);
const AGAIN: Duration = Duration::from_millis(20);

impl Group {
    /// Proposes here where this node leads, else at the leader.
    pub(crate) async fn propose_anywhere(
        &self,
        envelope: Envelope,
    ) -> Result<Answer, ProposeError> {
        if self.role_now().is_leader() {
            return self.propose(envelope).await;
        }
        let until = Instant::now() + WRITE_PATIENCE;
        let request = Request::Propose(envelope);
        loop {
            match self.propose_at_leader(&request).await {
                // Nothing was done.
                Err(ProposeError::NotLeader { .. }) if Instant::now() < until => {
                    sleep(AGAIN).await;
                }
                answered => return answered,
            }
        }
    }

    async fn propose_at_leader(&self, request: &Request) -> Result<Answer, ProposeError> {
        let leader = match self.role_now() {
            // It has come to lead meanwhile; asking itself is as good as any way.
            Role::Leader(_) => Some(NodeId(*self.raft.node_id())),
            Role::Follower { leader } => leader,
        };
        let nobody = ProposeError::NotLeader { shard: self.shard, leader };
        let Some(node) = leader else { return Err(nobody) };
        if let (Request::Propose(envelope), true) = (request, node.0 == *self.raft.node_id()) {
            return self.propose(envelope.clone()).await;
        }
        match self.peers.to(node).call(request, WRITE_DEADLINE).await {
            Ok(Response::Proposed(answered)) => answered,
            Err(PeerError::Unreachable { .. }) => Err(nobody),
            Ok(_) | Err(_) => Err(ProposeError::Unknown(self.shard)),
        }
    }

    /// Returns once this replica has everything that was acknowledged before the call.
    pub(crate) async fn barrier(&self) -> Result<(), ReadError> {
        let confirmed = async {
            while !self.is_level().await {
                sleep(AGAIN).await;
            }
        };
        let late = |_| ReadError::Unavailable(vec![self.shard]);
        timeout(READ_PATIENCE, confirmed).await.map_err(late)
    }

    async fn is_level(&self) -> bool {
        let leader = match self.role_now() {
            Role::Leader(_) => None,
            Role::Follower { leader: Some(leader) } => Some(leader),
            Role::Follower { leader: None } => return false,
        };
        let Some(leader) = leader else {
            return self.raft.ensure_linearizable(ReadPolicy::ReadIndex).await.is_ok();
        };
        match self.peers.to(leader).call(&Request::ReadIndex, READ_PATIENCE).await {
            Ok(Response::ReadAt(index)) => {
                let mut applied = self.replica.applied();
                applied.wait_for(|applied| applied.0 >= index).await.is_ok()
            }
            Ok(_) | Err(_) => false,
        }
    }
}
