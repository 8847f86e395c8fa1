//! Begins an election as soon as a lease has ended, on one replica of a group after the other.
//!
//! openraft (0.10.0-alpha.37) waits for a time by chance after the lease, and asks again after
//! another. Where answers take long, two replicas that begin within the way of a message take the
//! votes from each other, again and again. Its own timers stay, for what this does not see.
//!
//! Invariant: nothing here decides who leads. It asks for a pre-vote, which those refuse who hear of
//! a leader, and which changes nothing.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use openraft::{ServerState, type_config::async_runtime::watch::WatchReceiver};
use parking_lot::Mutex;
use tokio::{
    task::JoinHandle,
    time::{Instant, sleep},
};

use crate::{beat::at_once, group::Group, timing::LEASE, types::Raft};

/// After the lease, so that others find theirs ended, too.
const MARGIN: Duration = Duration::from_millis(20);
/// How long a replica has for its election before the next one begins: longer than votes may take.
const TURN: Duration = Duration::from_millis(300);
/// The longest between two looks: shorter than any lease that begins meanwhile.
const LOOK: Duration = Duration::from_millis(250);

/// What a replica has heard of those who lead or want to. Clones share it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Calls(Arc<Mutex<Times>>);

#[derive(Debug, Clone, Copy, Default)]
struct Times {
    /// The last call of a leader.
    leader: Option<Instant>,
    /// The last vote for another.
    voted: Option<Instant>,
    /// The last election that was begun here.
    begun: Option<Instant>,
}

impl Calls {
    /// A leader has called.
    pub(crate) fn leader(&self) {
        self.0.lock().leader = Some(Instant::now());
    }

    /// This replica has voted for another, who is to have the time to say that it leads.
    pub(crate) fn voted(&self) {
        self.0.lock().voted = Some(Instant::now());
    }

    /// Another asks for votes in vain, since its log is shorter than the one here: says whether it
    /// is for this replica to begin, and takes it that it does.
    pub(crate) fn challenged(&self) -> bool {
        let mut times = self.0.lock();
        let due = times.due(0, 1).is_some_and(|due| due <= Instant::now());
        if due {
            times.begun = Some(Instant::now());
        }
        due
    }
}

impl Times {
    /// When it is for the replica to begin whose turn is the `turn`th of `turns`; none while it has
    /// not heard of any leader.
    fn due(&self, turn: u32, turns: u32) -> Option<Instant> {
        let silent = self.leader? + LEASE + MARGIN + TURN * turn;
        let voted = self.voted.map(|at| at + TURN);
        let again = self.begun.map(|at| at + TURN * turns.max(1));
        [Some(silent), voted, again].into_iter().flatten().max()
    }
}

/// Looks after all groups until it is dropped.
pub(crate) struct Elections(JoinHandle<()>);

impl Drop for Elections {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// What is needed of a group.
struct Watched {
    number: u64,
    raft: Raft,
    calls: Calls,
}

impl Elections {
    pub(crate) fn start(groups: &[Group]) -> Self {
        let watched = (0..).zip(groups).map(|(number, group)| {
            let (raft, calls) = (group.raft.clone(), group.calls.clone());
            Watched { number, raft, calls }
        });
        let watched: Vec<Watched> = watched.collect();
        Self(tokio::spawn(async move {
            loop {
                let next = watched.iter().filter_map(Watched::look).min();
                sleep(next.map_or(LOOK, |next| next - Instant::now()).min(LOOK)).await;
            }
        }))
    }
}

impl Watched {
    /// Begins where it is time for it, and says when it will be.
    fn look(&self) -> Option<Instant> {
        let (turn, turns) = self.turn()?;
        let mut times = self.calls.0.lock();
        if times.due(turn, turns)? <= Instant::now() {
            times.begun = Some(Instant::now());
            begin(&self.raft);
        }
        times.due(turn, turns)
    }

    /// Which turn this replica has, and how many there are; none while it leads, asks for votes or
    /// has none.
    fn turn(&self) -> Option<(u32, u32)> {
        let seen = self.raft.server_metrics();
        let seen = seen.borrow_watched();
        if seen.state != ServerState::Follower {
            return None;
        }
        let voters: BTreeSet<u64> = seen.membership_config.membership().voter_ids().collect();
        turn(&voters, seen.vote.leader_id.voted_for, seen.id, self.number)
    }
}

/// Asks for a pre-vote. A group whose queue is full lives, and is looked at again.
pub(crate) fn begin(raft: &Raft) {
    let _ = at_once(raft.trigger().elect(true));
}

/// The turn of a voter, by the order of those who do not lead, which begins elsewhere for each
/// group so that no node has to lead all that another has led.
fn turn(voters: &BTreeSet<u64>, leader: u64, voter: u64, group: u64) -> Option<(u32, u32)> {
    let others: Vec<u64> = voters.iter().copied().filter(|node| *node != leader).collect();
    let (at, count) = (others.iter().position(|node| *node == voter)?, others.len() as u64);
    let turn = (at as u64 + group) % count;
    Some((u32::try_from(turn).ok()?, u32::try_from(count).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_voter_but_the_leader_has_a_turn_of_its_own() {
        let voters = BTreeSet::from([1, 2, 3, 5, 8]);
        for group in 0..20 {
            let turns: BTreeSet<u32> =
                [1, 2, 5, 8].map(|voter| turn(&voters, 3, voter, group).unwrap().0).into();
            assert_eq!(turns, BTreeSet::from([0, 1, 2, 3]), "group {group}");
        }
        assert_eq!(turn(&voters, 3, 3, 0), None, "it has led");
        assert_eq!(turn(&voters, 3, 4, 0), None, "it has no vote");
        let firsts: BTreeSet<u64> = (0..4)
            .flat_map(|group| [1, 2, 5, 8].into_iter().filter(move |v| first(*v, group)))
            .collect();
        assert_eq!(firsts.len(), 4, "the first turn goes round");
    }

    fn first(voter: u64, group: u64) -> bool {
        turn(&BTreeSet::from([1, 2, 3, 5, 8]), 3, voter, group).unwrap().0 == 0
    }

    #[tokio::test(start_paused = true)]
    async fn a_turn_comes_after_the_lease_and_after_a_vote() {
        let calls = Calls::default();
        assert!(!calls.challenged(), "nobody has led yet");
        calls.leader();
        let due = |turn| calls.0.lock().due(turn, 2).unwrap() - Instant::now();
        assert_eq!(due(0), LEASE + MARGIN);
        assert_eq!(due(1), LEASE + MARGIN + TURN);
        sleep(LEASE).await;
        assert!(!calls.challenged());
        calls.voted();
        assert_eq!(due(0), TURN);
        sleep(TURN).await;
        assert!(calls.challenged() && !calls.challenged(), "once in a turn");
        assert_eq!(due(0), TURN * 2, "the others have theirs first");
    }
}
