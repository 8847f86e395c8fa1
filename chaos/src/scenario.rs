//! A scenario: a fault, what goes on meanwhile, and what must hold.

use std::{net::IpAddr, path::Path};

use anyhow::Result;
use futures_util::future::BoxFuture;
use harness::{Config, Node, consumer::Consumer};

use crate::{
    arena::Arena,
    history::Bounds,
    invariants,
    mechanism::{
        Mechanism, NETWORK,
        cgroup::{Controller, Group},
        fail_points,
    },
    workload::Workload,
};

/// One scenario, declared in a file of its own under `scenarios/`.
#[derive(Clone, Copy)]
pub struct Scenario {
    /// The row of the fault matrix.
    pub row: u32,
    /// A short name, as the command line takes it.
    pub name: &'static str,
    /// What is done, in one sentence.
    pub fault: &'static str,
    /// The letters of the invariants that must hold.
    pub invariants: &'static str,
    /// How many nodes it runs on.
    pub nodes: usize,
    /// Whether each of them is on a network of its own, whose links can be cut.
    pub network: bool,
    /// What goes on meanwhile.
    pub workload: Workload,
    /// What a gap between two checks may exceed the interval by, in milliseconds; where `G` is
    /// among the invariants.
    pub gap: u64,
    /// The most resident memory of each node, in MiB.
    pub memory: u64,
    /// Whether the nodes' wall clock is moved.
    pub clock_moves: bool,
    /// Whether leads move only in order, so that no slot may be missed.
    pub planned: bool,
    /// Whether the broker refuses messages in the middle of others, so that their order is lost.
    pub refusals: bool,
    /// Whether it needs the build of the node that has fail points.
    pub fail_points: bool,
    /// What it needs of the machine.
    pub needs: &'static [Mechanism],
    /// Prepares the place where the nodes will run, before their first start.
    pub begin: fn(&mut Site<'_>) -> Result<Box<dyn Fault>>,
}

/// Where the nodes will run: a disk (`node.disk()`) may be mounted over, a launcher wrapped, the
/// configuration extended.
pub struct Site<'a> {
    /// The nodes, not started yet.
    pub nodes: &'a mut [Node],
    /// What their configurations have in common; written before the first start.
    pub config: Config,
    /// Where the harness is, for the nodes.
    pub host: IpAddr,
    /// The seed of the run.
    pub seed: u64,
    /// The fail points that are armed whatever the scenario adds.
    pub points: String,
    /// Who reads the events from outside, if anybody does.
    pub consumer: Option<Consumer>,
}

impl Site<'_> {
    /// The node; of several the first.
    pub fn node(&mut self) -> &mut Node {
        &mut self.nodes[0]
    }

    /// Starts each node in a control group of its own.
    pub(crate) fn confined(&mut self, controller: Controller) -> Result<Vec<Group>> {
        let mut groups = Vec::new();
        for node in self.nodes.iter_mut() {
            let group = Group::new(controller)?;
            group.confine(node.launcher());
            groups.push(group);
        }
        Ok(groups)
    }
}

/// A fault in action. What it holds (a mount, a cgroup) is given back when it is dropped, after
/// the node has ended.
pub trait Fault: Send {
    /// One round: hurts, heals, and leaves nodes that are ready. Everything is looked at after it.
    fn round<'a>(&'a mut self, arena: &'a mut Arena) -> BoxFuture<'a, Result<()>>;
}

impl Scenario {
    /// What most scenarios say; a scenario names what differs.
    pub const USUAL: Self = Self {
        row: 0,
        name: "",
        fault: "",
        invariants: "AEPLCMU",
        nodes: 1,
        network: false,
        workload: Workload::USUAL,
        gap: 0,
        memory: 1_024,
        clock_moves: false,
        planned: false,
        refusals: false,
        fail_points: false,
        needs: &[],
        begin: |_| anyhow::bail!("the scenario has no fault"),
    };

    pub(crate) fn bounds(&self) -> Bounds {
        Bounds {
            interval: self.workload.interval,
            gap: self.gap,
            memory: self.memory << 20,
            clock_moves: self.clock_moves,
            planned: self.planned,
            refusals: self.refusals,
            nodes: self.nodes,
        }
    }

    /// Why this machine cannot run it, if so; `binary` is a build of the node that was asked for.
    #[must_use]
    pub fn missing(&self, binary: Option<&Path>) -> Option<String> {
        let mut needs = self.needs.iter().chain(self.network.then_some(&NETWORK));
        let lacking = needs.find_map(|mechanism| {
            (mechanism.probe)().err().map(|why| format!("{}: {why}", mechanism.name))
        });
        let fail_points = || self.fail_points.then(|| fail_points::binary(binary).err()).flatten();
        lacking.or_else(|| fail_points().map(|why| format!("fail points: {why}")))
    }

    pub(crate) fn checks(&self) -> Vec<invariants::Invariant> {
        invariants::select(self.invariants)
    }
}
