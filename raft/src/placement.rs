//! Where the replicas of the groups are to be, and who is to lead.
//!
//! Desired minus actual gives a plan that can be printed; whoever leads `meta` executes it and
//! asks again. No clock, no randomness, no hash order: the same view gives the same plan.
//!
//! Invariants:
//! - a group gets at most one step of a plan;
//! - no step takes a live quorum away: voters change only where a majority of the old set lives,
//!   a majority of the new set lives and is level, and the leader stays;
//! - a node that is away for less than [`Policy::replace_after`] loses no replica;
//! - a number of voters is even only after a removal, or while an only voter hands over.

mod aim;
mod cluster;
mod leaders;
mod print;
mod schedule;
mod size;
mod spread;
mod step;
mod swaps;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use model::NodeId;
use serde::{Deserialize, Serialize};

use cluster::Cluster;

/// The group that every node holds a replica of.
const META: u64 = 0;

/// What is known of the cluster.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct View {
    /// The nodes that have joined.
    pub nodes: BTreeMap<NodeId, Node>,
    /// The groups by number; 0 is `meta`.
    pub groups: BTreeMap<u64, Group>,
}

/// A node that has joined.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// What people call it; may be empty.
    pub name: String,
    /// Where it stands; may be empty.
    pub region: String,
    /// Which part of the region fails as one; may be empty.
    pub zone: String,
    /// What the operator wants of it.
    pub standing: Standing,
    /// For how long nothing was heard of it; none where it lives.
    pub away: Option<Duration>,
}

/// What the operator wants of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It holds replicas and leads.
    Active,
    /// It is to lead nothing, and to vote nowhere once another node has taken its place.
    Draining,
    /// It is to vote nowhere, even where no node takes its place.
    Removed,
}

/// The replicas of a group.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Group {
    /// Who votes; while a change is under way, who is to vote after it.
    pub voters: BTreeSet<NodeId>,
    /// Who has a replica without a vote, and whether it is level.
    pub learners: BTreeMap<NodeId, bool>,
    /// Who leads, where that is known.
    pub leader: Option<NodeId>,
    /// Whether a change of voters is under way.
    pub changing: bool,
    /// The voters that are not level.
    pub lagging: BTreeSet<NodeId>,
}

/// How replicas are placed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// The voters of a group. An even number counts as the odd one below it.
    pub replicas: usize,
    /// The voters of `meta`, where there are that many nodes.
    pub meta_replicas: usize,
    /// For how long a node may be away before others take its replicas.
    pub replace_after: Duration,
    /// Where leaders are to be, if voters are there.
    pub preferred_region: Option<String>,
    /// Whether every node holds a replica of every group, with or without a vote, and not of
    /// `meta` alone.
    pub everywhere: bool,
    /// The groups in motion at the same time, and the transfers of one plan. With 0 all stays.
    pub at_once: usize,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            replicas: 3,
            meta_replicas: 5,
            replace_after: Duration::from_secs(600),
            preferred_region: None,
            everywhere: false,
            at_once: 2,
        }
    }
}

/// What to do now, ordered by group. Printed, it is a line per group, or "nothing to move".
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// At most one step for a group.
    pub steps: Vec<Step>,
    /// What is wanted and cannot be done now, for groups without a step.
    pub blocked: Vec<Blocked>,
    /// How many more groups have a step to take once others are done.
    pub waiting: usize,
}

impl Plan {
    /// Whether all is as it should be.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty() && self.blocked.is_empty() && self.waiting == 0
    }
}

/// One thing to do for a group, at its leader.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Which group.
    pub group: u64,
    /// What to do.
    pub action: Action,
    /// Why, for people.
    pub why: String,
}

/// What is done to a group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Action {
    /// Give a node a replica without a vote.
    AddLearner {
        /// Which node.
        node: NodeId,
    },
    /// Make these the voters. Those that are new are level learners.
    SetVoters {
        /// All of them.
        voters: BTreeSet<NodeId>,
    },
    /// Hand the lead over.
    Transfer {
        /// To a level live voter.
        to: NodeId,
    },
    /// Take a replica without a vote away.
    DropLearner {
        /// Which node's.
        node: NodeId,
    },
}

/// What is wanted of a group and cannot be done now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blocked {
    /// Which group.
    pub group: u64,
    /// Why, for people.
    pub why: String,
}

/// Desired minus actual.
#[must_use]
pub fn plan(view: &View, policy: &Policy) -> Plan {
    schedule::plan(&Cluster::new(view, policy))
}
