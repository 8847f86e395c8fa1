//! One task per group that packs what many callers propose into few log entries.
//!
//! There is no timer: while an entry of writes is in flight, what arrives waits for the next one, so
//! an idle group answers at once and a busy one shares its entries and fsyncs.
//!
//! Invariant: a term's first entry is `TermStarted`, alone and committed, before anything else
//! of that term (SEMANTICS 1).

mod flights;
mod packing;

use std::{sync::Arc, time::Duration};

use futures_util::future::{FutureExt, ready};
use model::{Millis, NodeId, Revision, ShardId, ShardTime, Term};
use openraft::{
    Instant as _, ReadPolicy, ServerState, errors::ClientWriteError, impls::ProgressResponder,
    metrics::RaftServerMetrics, type_config::async_runtime::watch::WatchReceiver,
};
use serde::{Deserialize, Serialize};
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::{MissedTickBehavior, interval, sleep, timeout},
};
use tracing::{debug, warn};

use crate::{
    bug,
    clock::Clock,
    command::{Command, Envelope, Proposal, Reply, Stamp},
    disk::Fatal,
    error::ProposeError,
    failpoint,
    group::{Leadership, Role},
    machine::Replica,
    room::Room,
    store::log::LogStore,
    timing::LEASE,
    types::{CommittedLeaderId, Raft, ServerMetrics, TypeConfig},
};
use flights::{Callers, Cargo, Flight, Flights};
use packing::fitting;

/// The most commands of one entry.
const MOST: usize = 1_024;
/// An entry that is not committed by then has an unknown outcome.
const DEADLINE: Duration = Duration::from_secs(10);
/// How long a new leader may take to hear that it has everything.
const BARRIER: Duration = Duration::from_secs(2);
/// Between two looks at a lead that others have a say in.
const LOOK: Duration = Duration::from_millis(100);
/// An idle group lets time pass this often.
const IDLE: Duration = Duration::from_secs(10);

/// The answer to one command.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    /// What the command answers.
    pub reply: Reply,
    /// The log index of its entry.
    pub revision: Revision,
    /// The shard.
    pub shard: ShardId,
    /// The term of its entry.
    pub term: Term,
}

/// A command and who waits for its answer.
pub(crate) struct Pending {
    pub(crate) envelope: Envelope,
    /// Its bytes in the log.
    pub(crate) size: usize,
    pub(crate) answer: oneshot::Sender<Result<Answer, ProposeError>>,
}

type Landing = Result<(Vec<Reply>, Revision, Term), ProposeError>;

/// See the module.
pub(crate) struct Batcher {
    pub(crate) shard: ShardId,
    pub(crate) node: NodeId,
    pub(crate) raft: Raft,
    pub(crate) replica: Arc<Replica>,
    pub(crate) log: LogStore,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) inbox: mpsc::Receiver<Pending>,
    pub(crate) room: Option<Arc<Room>>,
    /// Consensus that ends by itself leaves a group that nobody leads, or one that says so of another.
    pub(crate) fatal: Fatal,
    /// Who leads, as consensus says.
    pub(crate) consensus: ServerMetrics,
    /// What the rest of the node is told, once the term is open.
    pub(crate) role: watch::Sender<Role>,
    /// Whether writes wait, because the lead is being handed over.
    pub(crate) paused: watch::Receiver<bool>,
    /// The term that is being opened, by which stamp: a repeated attempt says the same.
    pub(crate) opening: Option<(u64, Stamp)>,
}

impl Batcher {
    /// Runs until the inbox is closed and everything in flight has landed.
    pub(crate) async fn run(mut self) {
        let mut flights = Flights::default();
        let (mut waiting, mut ended) = (Vec::with_capacity(MOST), false);
        self.follow_leadership().await;
        let mut look = interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            // Where another leads already, who waits is to ask it.
            let paused = *self.paused.borrow() && self.leadership().is_some();
            let room = flights.has_room() && !paused;
            let idle = flights.is_empty() && self.leadership().is_some() && !paused;
            let until_due = self.until_due();
            tokio::select! {
                biased;
                changed = self.consensus.changed(), if !ended => match changed {
                    Ok(()) => self.follow_leadership().await,
                    Err(_) => {
                        ended = true;
                        let group = self.replica.keys.group();
                        (self.fatal)(&format!("consensus of group {group} has ended"));
                    }
                },
                // An interval of its own: a busy inbox must not put it off.
                _ = look.tick(), if !self.is_settled() => {
                    self.follow_leadership().await;
                    // A term that takes long to open must not keep the inbox waiting.
                    look.reset();
                }
                Ok(()) = self.paused.changed() => {}
                Some((callers, landing)) = flights.landed(), if !flights.is_empty() => {
                    deliver(self.shard, callers, landing);
                }
                () = ready(()), if room && !waiting.is_empty() => {
                    if let Some(flight) = self.launch(fitting(&mut waiting)) {
                        flights.begin(flight);
                    }
                }
                count = self.inbox.recv_many(&mut waiting, MOST), if room => {
                    if count == 0 {
                        break;
                    }
                }
                () = sleep(until_due), if idle => {
                    if let Some(flight) = self.tick() {
                        flights.begin(flight);
                    }
                }
            }
        }
        while let Some((callers, landing)) = flights.landed().await {
            deliver(self.shard, callers, landing);
        }
    }

    fn leadership(&self) -> Option<Leadership> {
        match &*self.role.borrow() {
            Role::Leader(leadership) => Some(*leadership),
            Role::Follower { .. } => None,
        }
    }

    /// The term that this node leads, as consensus says, else the leader that it knows.
    ///
    /// A leader that was voted out knows itself as the last leader, so that its own state counts.
    fn leading(&self) -> Result<u64, Option<NodeId>> {
        let consensus = self.consensus.borrow_watched();
        match consensus.state {
            ServerState::Leader if self.has_quorum(&consensus) || self.is_new(&consensus) => {
                Ok(consensus.vote.leader_id.term)
            }
            _ => Err(consensus.current_leader.filter(|id| *id != self.node.0).map(NodeId)),
        }
    }

    /// Whether a majority has answered lately. openraft leaves a leader that nobody answers what
    /// it is; the others may have another by then (SEMANTICS 22).
    fn has_quorum(&self, consensus: &RaftServerMetrics<TypeConfig>) -> bool {
        if consensus.membership_config.membership().voter_ids().count() < 2 {
            return true;
        }
        let data = self.raft.data_metrics();
        let heard = data.borrow_watched().last_quorum_acked;
        heard.is_some_and(|at| at.elapsed() < LEASE)
    }

    /// Whether this node was elected a moment ago: nobody has answered it yet, and its term, which
    /// asks a majority, is still to be opened.
    fn is_new(&self, consensus: &RaftServerMetrics<TypeConfig>) -> bool {
        let heard = self.raft.data_metrics().borrow_watched().last_quorum_acked;
        let term = consensus.vote.leader_id.term;
        heard.is_none() && self.leadership().is_none_or(|led| led.term.0 != term)
    }

    /// Whether nothing changes unless consensus says so: this node follows and knows whom, or is
    /// the only voter and has opened its term.
    fn is_settled(&self) -> bool {
        let consensus = self.consensus.borrow_watched();
        let alone = consensus.membership_config.membership().voter_ids().count() < 2;
        match consensus.state {
            ServerState::Leader => alone && self.leadership().is_some(),
            _ => true,
        }
    }

    async fn follow_leadership(&mut self) {
        drop(self.consensus.borrow_and_update());
        let role = match self.leading() {
            Ok(term) if self.leadership().is_some_and(|led| led.term.0 == term) => return,
            Ok(term) => self.open_term(term).await,
            Err(leader) => Role::Follower { leader },
        };
        self.role.send_if_modified(|former| std::mem::replace(former, role) != role);
    }

    /// Catches up with everything that former leaders committed, then opens the term.
    async fn open_term(&mut self, term: u64) -> Role {
        if bug!("bug-no-barrier") {
            let began = self.replica.state.read().head.time;
            return Role::Leader(Leadership {
                term: Term(term),
                began,
                base: self.clock.boot_millis(),
            });
        }
        let barrier = self.raft.ensure_linearizable(ReadPolicy::ReadIndex);
        let follower = Role::Follower { leader: None };
        match timeout(BARRIER, barrier).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => {
                debug!(shard = %self.shard, term, %error, "no majority confirms the lead");
                return follower;
            }
            Err(_) => {
                warn!(shard = %self.shard, term, "what was committed is not applied in time");
                return follower;
            }
        }
        let stamp = self.opening_stamp(term);
        let base = stamp.boot_millis;
        let proposal = Proposal { stamp, envelopes: [Command::TermStarted.into()].into() };
        match write(self.raft.clone(), self.shard, term, proposal).await {
            Ok(_) => {
                let began = self.replica.state.read().head.term_began;
                debug!(shard = %self.shard, term, "leads");
                Role::Leader(Leadership { term: Term(term), began, base })
            }
            Err(error) => {
                warn!(shard = %self.shard, term, %error, "could not open the term");
                follower
            }
        }
    }

    /// An attempt whose outcome is unknown may have been written: whichever of them is applied
    /// first must mean the same.
    fn opening_stamp(&mut self, term: u64) -> Stamp {
        if let Some((opened, stamp)) = self.opening
            && opened == term
        {
            return stamp;
        }
        let base = self.clock.boot_millis();
        let stamp = self.stamp(true, self.since_previous_command(base), base);
        self.opening = Some((term, stamp));
        stamp
    }

    /// SEMANTICS 1: by the boot clock where the last entry names this boot or came here since
    /// the start, else by the difference of wall clocks, but never negative.
    fn since_previous_command(&self, boot_millis: u64) -> u64 {
        let (last, applied) = {
            let state = self.replica.state.read();
            (state.head.stamp, state.applied)
        };
        let Some(last) = last else { return 0 };
        if last.boot == self.clock.boot() {
            return boot_millis.saturating_sub(last.boot_millis);
        }
        match self.log.received(applied) {
            Some(received) => boot_millis.saturating_sub(received),
            None => self.clock.wall().since(last.wall).0,
        }
    }

    fn stamp(&self, first_of_term: bool, elapsed: u64, boot_millis: u64) -> Stamp {
        Stamp {
            node: self.node,
            first_of_term,
            elapsed,
            boot: self.clock.boot(),
            boot_millis,
            wall: self.clock.wall(),
        }
    }

    fn launch(&self, pending: Vec<Pending>) -> Option<Flight> {
        let (envelopes, callers) = pending.into_iter().map(|p| (p.envelope, p.answer)).unzip();
        self.propose(envelopes, callers)
    }

    /// Sends one entry on its way; answers at once where this node does not lead.
    fn propose(&self, envelopes: Vec<Envelope>, callers: Callers) -> Option<Flight> {
        let Some(leadership) = self.leadership() else {
            deliver(self.shard, callers, Err(self.not_leader()));
            return None;
        };
        let now = self.clock.boot_millis();
        let stamp = self.stamp(false, now.saturating_sub(leadership.base), now);
        let cargo = Cargo::of(&envelopes);
        let proposal = Proposal { stamp, envelopes: envelopes.into() };
        let attempt = write(self.raft.clone(), self.shard, leadership.term.0, proposal);
        let landing = async move { (callers, attempt.await) }.boxed();
        Some(Flight { cargo, landing })
    }

    /// Lets time pass: timers fire, and what is older than its retention is forgotten, which is
    /// how a full disk gets room again.
    fn tick(&self) -> Option<Flight> {
        if self.room.as_ref().is_some_and(|room| room.is_critical()) {
            return None;
        }
        self.propose(vec![Command::Tick.into()], Vec::new())
    }

    fn not_leader(&self) -> ProposeError {
        let leader = match &*self.role.borrow() {
            Role::Follower { leader } => *leader,
            Role::Leader(_) => None,
        };
        ProposeError::NotLeader { shard: self.shard, leader }
    }

    fn until_due(&self) -> Duration {
        let full = self.room.as_ref().is_some_and(|room| room.is_full());
        let Some(leadership) = self.leadership().filter(|_| !full) else { return IDLE };
        let now = leadership.shard_time(self.clock.boot_millis());
        let next = self.replica.state.read().timers.next();
        next.map_or(IDLE, |due: ShardTime| due.since(now).max(Millis(1)).as_duration()).min(IDLE)
    }
}

/// Writes one entry, fenced by the term, and waits for its replies.
async fn write(raft: Raft, shard: ShardId, term: u64, proposal: Proposal) -> Landing {
    let (responder, landed) = ProgressResponder::<TypeConfig, _>::complete_only();
    let leader = CommittedLeaderId::new(term);
    let sent = raft.write(proposal).with_leader(leader).responder(responder).await;
    if let Err(fatal) = sent {
        debug!(%shard, %fatal, "consensus has stopped");
        return Err(ProposeError::Stopping(shard));
    }
    match timeout(DEADLINE, landed).await {
        Ok(Ok(Ok(response))) => {
            if let Some(millis) = failpoint!("bug-publish-before-commit") {
                sleep(Duration::from_millis(millis)).await;
            }
            let id = response.log_id;
            Ok((response.data.0, Revision(id.index), Term(id.leader_id.term)))
        }
        Ok(Ok(Err(ClientWriteError::ForwardToLeader(to)))) => {
            Err(ProposeError::NotLeader { shard, leader: to.leader_id.map(NodeId) })
        }
        Ok(Ok(Err(_)) | Err(_)) | Err(_) => Err(ProposeError::Unknown(shard)),
    }
}

fn deliver(shard: ShardId, callers: Callers, landing: Landing) {
    match landing {
        Ok((replies, revision, term)) => {
            for (caller, reply) in callers.into_iter().zip(replies) {
                // A caller that went away keeps its write and loses only the answer.
                let _ = caller.send(Ok(Answer { reply, revision, shard, term }));
            }
        }
        Err(error) => {
            for caller in callers {
                let _ = caller.send(Err(error.clone()));
            }
        }
    }
}
