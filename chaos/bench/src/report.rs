//! What a benchmark found: rows with samples of both sides, targets, and what to know beside them.

mod json;
mod stats;
mod table;

use std::time::Duration;

use crate::baseline::Baseline;

pub use json::to_json;
pub use stats::{Summary, median, summary};
pub use table::render;

/// What a target is held against.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Target {
    /// The median of the pairs' ratios, ours to the peer's, at least.
    RatioAtLeast(f64),
    /// The median of the pairs' ratios, at most.
    RatioAtMost(f64),
    /// The median of ours, at least.
    AtLeast(f64),
    /// The median of ours, at most.
    AtMost(f64),
}

/// One workload and metric.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// What was done: `unary, 1,000 clients, 16 groups`.
    pub workload: String,
    /// What was measured, with its unit: `writes/s`, `p99 ms`.
    pub metric: String,
    /// Ours, one sample a pair.
    pub ours: Vec<f64>,
    /// The peer's, one sample a pair; empty where there is none by nature.
    pub peer: Vec<f64>,
    /// What it should reach.
    pub target: Option<Target>,
    /// Why it, or its peer, was not run.
    pub not_run: Option<String>,
}

/// Whether a target is met.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// It is.
    Met,
    /// It is not.
    Missed,
    /// There is none.
    NoTarget,
    /// It cannot be told, and why.
    NotRun(String),
}

/// What one side does before it acknowledges, in words and as counted in this run.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Durability {
    /// Ours.
    pub ours: String,
    /// The peer's.
    pub peer: String,
}

/// What a benchmark's `run` returns.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Outcome {
    /// The figures.
    pub rows: Vec<Row>,
    /// Both sides' durability, where it matters.
    pub durability: Option<Durability>,
    /// What a reader must know to judge the figures: connections, versions, what was checked.
    pub notes: Vec<String>,
    /// What is kept in the JSON alone: points of a plot, per size.
    pub extra: Option<serde_json::Value>,
}

/// An outcome with what surrounds it.
#[derive(Debug, Clone)]
pub struct Report {
    /// The benchmark's number.
    pub number: u32,
    /// Its name.
    pub name: &'static str,
    /// What it found, or why it could not run.
    pub outcome: Result<Outcome, String>,
    /// What the disk and the loopback did before it.
    pub before: Baseline,
    /// And after it.
    pub after: Baseline,
    /// How long it took.
    pub took: Duration,
    /// How many pairs it was asked for.
    pub pairs: usize,
    /// Whether it was a quick run.
    pub quick: bool,
}

impl Row {
    /// A row without samples.
    #[must_use]
    pub fn new(workload: impl Into<String>, metric: impl Into<String>) -> Self {
        Self {
            workload: workload.into(),
            metric: metric.into(),
            ours: Vec::new(),
            peer: Vec::new(),
            target: None,
            not_run: None,
        }
    }

    /// With a target.
    #[must_use]
    pub fn target(mut self, target: Target) -> Self {
        self.target = Some(target);
        self
    }

    /// With samples.
    #[must_use]
    pub fn samples(mut self, ours: Vec<f64>, peer: Vec<f64>) -> Self {
        (self.ours, self.peer) = (ours, peer);
        self
    }

    /// Says why this was not run, or why its peer was not: the samples that exist stay.
    #[must_use]
    pub fn not_run(mut self, why: impl Into<String>) -> Self {
        self.not_run = Some(why.into());
        self
    }

    /// Ours to the peer's, pair by pair; empty without a peer. Beside nothing there is no ratio.
    #[must_use]
    pub fn ratios(&self) -> Vec<f64> {
        let ratios = self.ours.iter().zip(&self.peer).map(|(ours, peer)| ours / peer);
        ratios.filter(|ratio| ratio.is_finite()).collect()
    }

    /// Whether the target is met. Without the samples that it needs this is `NotRun`, never `Met`.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        let Some(target) = self.target else {
            return self.not_run.clone().map_or(Verdict::NoTarget, Verdict::NotRun);
        };
        let (samples, met): (Vec<f64>, fn(f64, f64) -> bool) = match target {
            Target::RatioAtLeast(_) => (self.ratios(), |is, goal| is >= goal),
            Target::RatioAtMost(_) => (self.ratios(), |is, goal| is <= goal),
            Target::AtLeast(_) => (self.ours.clone(), |is, goal| is >= goal),
            Target::AtMost(_) => (self.ours.clone(), |is, goal| is <= goal),
        };
        match median(&samples) {
            Some(is) if met(is, target.goal()) => Verdict::Met,
            Some(_) => Verdict::Missed,
            None => {
                Verdict::NotRun(self.not_run.clone().unwrap_or_else(|| "no samples".to_owned()))
            }
        }
    }
}

impl Target {
    /// The figure to reach.
    #[must_use]
    pub fn goal(self) -> f64 {
        match self {
            Self::RatioAtLeast(goal)
            | Self::RatioAtMost(goal)
            | Self::AtLeast(goal)
            | Self::AtMost(goal) => goal,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_the_pairs_ratios_decides() {
        let row = Row::new("w", "writes/s")
            .target(Target::RatioAtLeast(1.5))
            .samples(vec![30.0, 10.0, 16.0], vec![10.0, 10.0, 10.0]);
        assert_eq!(row.verdict(), Verdict::Met);
        let row = row.target(Target::RatioAtLeast(1.7));
        assert_eq!(row.verdict(), Verdict::Missed);
    }

    #[test]
    fn a_peer_that_is_missing_never_passes() {
        let row = Row::new("w", "writes/s")
            .target(Target::RatioAtLeast(1.5))
            .samples(vec![30.0], Vec::new())
            .not_run("etcd: needs Go");
        assert_eq!(row.verdict(), Verdict::NotRun("etcd: needs Go".to_owned()));
    }

    #[test]
    fn beside_nothing_there_is_no_ratio() {
        let row = Row::new("w", "elections").samples(vec![0.0, 1.0], vec![0.0, 0.0]);
        assert!(row.ratios().is_empty());
    }

    #[test]
    fn a_target_of_ours_alone_needs_no_peer() {
        let row = Row::new("w", "p99 ms").target(Target::AtMost(10.0)).samples(vec![9.0], vec![]);
        assert_eq!(row.verdict(), Verdict::Met);
    }
}
