//! A shard may be asked at any node: what only its leader can do goes to the leader.

use std::time::Duration;

use futures_util::future::{Either, select};
use model::NodeId;
use openraft::{
    ReadPolicy, ServerState, errors::RaftError, type_config::async_runtime::watch::WatchReceiver,
};
use tokio::{
    sync::watch,
    time::{Instant, sleep, timeout},
};

use super::{
    PeerError,
    message::{Request, Response},
};
use crate::{
    batcher::Answer,
    bug,
    command::Envelope,
    error::{ProposeError, ReadError},
    group::{Group, Role},
};

/// How long a read waits for a leader, and for what it must see.
const READ_PATIENCE: Duration = Duration::from_secs(2);
/// How long one that is taken for the leader may take to answer: a frozen one never does.
const READ_ATTEMPT: Duration = Duration::from_millis(500);
/// How long a write waits for a leader to be known.
const WRITE_PATIENCE: Duration = Duration::from_secs(2);
/// How long the leader may take: longer than its own deadline for an entry.
const WRITE_DEADLINE: Duration = Duration::from_secs(12);
/// How long a leader that was replaced may take to answer.
const LAST_WORDS: Duration = Duration::from_millis(250);
/// How long one that was elected may take to open its term while others wait for it.
const OPENING: Duration = Duration::from_millis(250);
const AGAIN: Duration = Duration::from_millis(20);

/// Waits for another leader to be known, or for one that is known to open its term.
async fn moved(role: &mut watch::Receiver<Role>) {
    if let Ok(Err(_)) = timeout(AGAIN, role.changed()).await {
        // Nobody will say any more.
        sleep(AGAIN).await;
    }
}

/// Whether this replica has all that was acknowledged before.
enum Level {
    Now,
    /// It may after a while.
    NotYet,
    /// Consensus has stopped here.
    Never,
}

impl Group {
    /// Proposes here where this node leads, else at the leader.
    pub(crate) async fn propose_anywhere(
        &self,
        envelope: Envelope,
    ) -> Result<Answer, ProposeError> {
        let until = Instant::now() + WRITE_PATIENCE;
        let mut role = self.role();
        let mut may_be_done = false;
        loop {
            // It may come to lead meanwhile, or lead no more.
            let now = *role.borrow_and_update();
            let attempt = match now {
                Role::Leader(_) => self.propose(envelope.clone()).await,
                Role::Follower { leader } => self.propose_at(leader, envelope.clone()).await,
            };
            match attempt {
                // Nothing was done.
                Err(ProposeError::NotLeader { .. }) if Instant::now() < until => {
                    moved(&mut role).await;
                }
                // A request that names itself is done once, however often it is asked for.
                Err(ProposeError::Unknown(_))
                    if envelope.request.is_some() && Instant::now() < until =>
                {
                    may_be_done = true;
                    moved(&mut role).await;
                }
                // Whoever refuses it now knows nothing of the first time.
                Err(_) if may_be_done => return Err(ProposeError::Unknown(self.shard)),
                answered => return answered,
            }
        }
    }

    /// Proposes for another node. Where this one was elected a moment ago, it opens its term first.
    pub(super) async fn propose_for(&self, envelope: Envelope) -> Result<Answer, ProposeError> {
        if self.takes_itself_for_the_leader() {
            let mut role = self.role();
            let _ = timeout(OPENING, role.wait_for(Role::is_leader)).await;
        }
        self.propose(envelope).await
    }

    async fn propose_at(
        &self,
        leader: Option<NodeId>,
        envelope: Envelope,
    ) -> Result<Answer, ProposeError> {
        let nobody = ProposeError::NotLeader { shard: self.shard, leader };
        let Some(node) = leader else { return Err(nobody) };
        let request = Request::Propose(envelope);
        let peer = self.peers.to(node);
        let asked = Box::pin(peer.call(&request, WRITE_DEADLINE));
        match select(asked, Box::pin(self.replaced(node))).await {
            Either::Left((Ok(Response::Proposed(answered)), _)) => answered,
            Either::Left((Err(PeerError::Unreachable { .. }), _)) => Err(nobody),
            Either::Left(_) | Either::Right(_) => Err(ProposeError::Unknown(self.shard)),
        }
    }

    /// Returns once another node leads, and this one had time to say what became of what it was
    /// asked: one that is frozen says nothing for as long as it is.
    async fn replaced(&self, leader: NodeId) {
        loop {
            sleep(LAST_WORDS).await;
            match self.role_now() {
                Role::Follower { leader: None } => {}
                Role::Follower { leader: Some(now) } if now == leader => {}
                Role::Follower { .. } | Role::Leader(_) => break,
            }
        }
        sleep(LAST_WORDS).await;
    }

    /// Returns once this replica has everything that was acknowledged before the call.
    pub(crate) async fn barrier(&self) -> Result<(), ReadError> {
        let unavailable = || ReadError::Unavailable(vec![self.shard]);
        let confirmed = async {
            loop {
                match self.level().await {
                    Level::Now => return Ok(()),
                    Level::NotYet => sleep(AGAIN).await,
                    Level::Never => return Err(unavailable()),
                }
            }
        };
        timeout(READ_PATIENCE, confirmed).await.unwrap_or_else(|_| Err(unavailable()))
    }

    async fn level(&self) -> Level {
        if bug!("bug-deposed-reads") && self.takes_itself_for_the_leader() {
            return Level::Now;
        }
        let leader = match self.role_now() {
            Role::Leader(_) => return self.level_as_leader().await,
            Role::Follower { leader: Some(leader) } => leader,
            Role::Follower { leader: None } => return Level::NotYet,
        };
        match self.peers.to(leader).call(&Request::ReadIndex, READ_ATTEMPT).await {
            Ok(Response::ReadAt(index)) => {
                let mut applied = self.replica.applied();
                let reached = applied.wait_for(|applied| applied.0 >= index).await;
                if reached.is_ok() { Level::Now } else { Level::Never }
            }
            Ok(_) | Err(_) => Level::NotYet,
        }
    }

    /// Which it may do long after others have elected another.
    fn takes_itself_for_the_leader(&self) -> bool {
        self.raft.server_metrics().borrow_watched().state == ServerState::Leader
    }

    async fn level_as_leader(&self) -> Level {
        match self.raft.ensure_linearizable(ReadPolicy::ReadIndex).await {
            Ok(_) => Level::Now,
            Err(RaftError::Fatal(_)) => Level::Never,
            Err(RaftError::APIError(_)) => Level::NotYet,
        }
    }
}
