//! Runs one scenario: rounds of a fault, and after each a look at everything.
//!
//! Invariant: the first round in which an invariant is broken ends the run, so that what is
//! written down ends with the cause.

mod prepare;

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use anyhow::bail;
use harness::{Node, cluster::name};
use serde::{Deserialize, Serialize};

use crate::{
    arena::Arena,
    history::History,
    invariants::{self, Judgement},
    progress::Progress,
    scenario::{Fault, Scenario},
    workload::Clients,
};

pub(crate) use prepare::prepare;

/// The most that one round may take, looking included.
const ROUND: Duration = Duration::from_secs(150);
/// Lines of each node's log that a broken run keeps.
const LOG_KEPT: usize = 2_000;

/// How to run.
#[derive(Debug, Clone)]
pub struct Options {
    /// Rounds of each scenario.
    pub rounds: u32,
    /// The seed of all choices.
    pub seed: u64,
    /// Tell each fault as it happens.
    pub verbose: bool,
    /// Another build of the node.
    pub binary: Option<PathBuf>,
    /// Fail points of the node; needs a build that has them.
    pub points: String,
}

/// What came of a run.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Verdict {
    /// The row of the fault matrix.
    pub row: u32,
    /// The scenario's name.
    pub scenario: String,
    /// The seed.
    pub seed: u64,
    /// Rounds that were run, the broken one included.
    pub rounds: u32,
    /// How long it took.
    pub seconds: f64,
    /// Why it was not run, if so.
    pub not_run: Option<String>,
    /// What could not be done although it must: a node that does not come back, for one.
    pub failed: Option<String>,
    /// By invariant, in the order of the matrix: its letter, and what came of it.
    pub invariants: Vec<(char, Judgement)>,
}

impl Verdict {
    /// Whether something did not hold.
    #[must_use]
    pub fn broke(&self) -> bool {
        self.failed.is_some() || self.broken().next().is_some()
    }

    /// Whether it was run, everything was judged, and everything held.
    #[must_use]
    pub fn held(&self) -> bool {
        let all = self.invariants.iter().all(|(_, judgement)| judgement.held());
        self.not_run.is_none() && self.failed.is_none() && all
    }

    /// The letters of broken invariants, each with what breaks it.
    pub fn broken(&self) -> impl Iterator<Item = (char, &[String])> + Clone {
        let all = self.invariants.iter().map(|(letter, found)| (*letter, &found.broken[..]));
        all.filter(|(_, broken)| !broken.is_empty())
    }

    /// The letters of invariants that could not be judged, each with the reason.
    pub fn not_judged(&self) -> impl Iterator<Item = (char, &str)> + Clone {
        let all = self.invariants.iter();
        all.filter_map(|(letter, found)| Some((*letter, found.not_judged.as_deref()?)))
    }

    fn not_run(scenario: &Scenario, seed: u64, why: String) -> Self {
        Self { not_run: Some(why), ..Self::begun(scenario, seed) }
    }

    /// One of a run that has just begun.
    pub(crate) fn begun(scenario: &Scenario, seed: u64) -> Self {
        Self {
            row: scenario.row,
            scenario: scenario.name.to_owned(),
            seed,
            rounds: 0,
            seconds: 0.0,
            not_run: None,
            failed: None,
            invariants: scenario
                .checks()
                .iter()
                .map(|i| (i.letter, Judgement::default()))
                .collect(),
        }
    }
}

/// Judges a history by the invariants with these letters.
#[must_use]
pub fn judge(history: &History) -> Vec<(char, Judgement)> {
    let judged = invariants::select(&history.invariants).into_iter();
    judged.map(|invariant| (invariant.letter, (invariant.check)(history))).collect()
}

/// Runs a scenario, and returns what was seen beside the verdict.
pub async fn run(scenario: &Scenario, options: &Options) -> (Verdict, History) {
    if let Some(why) = scenario.missing(options.binary.as_deref()) {
        let verdict = Verdict::not_run(scenario, options.seed, why);
        return (verdict, History::default());
    }
    let began = Instant::now();
    let mut verdict = Verdict::begun(scenario, options.seed);
    let history = match prepare(scenario, options, scenario.begin).await {
        Err(why) => {
            verdict.failed = Some(format!("cannot begin: {why:#}"));
            History::default()
        }
        Ok((mut arena, mut fault)) => {
            rounds(scenario, options, &mut arena, fault.as_mut(), &mut verdict).await;
            let mut history = std::mem::take(&mut arena.history);
            if verdict.broke() || options.verbose {
                history.log = logs(&arena);
            }
            end(arena, fault);
            history
        }
    };
    verdict.seconds = began.elapsed().as_secs_f64();
    (verdict, history)
}

/// Takes everything away, in this order: the processes, what the fault has mounted, the directories
/// below that.
pub(crate) fn end<F>(mut arena: Arena, fault: F) {
    for node in &mut arena.cluster.nodes {
        let _ = node.kill();
    }
    drop(fault);
    drop(arena);
}

/// The end of each node's log.
pub(crate) fn logs(arena: &Arena) -> String {
    let log = |(n, node): (usize, &Node)| format!("== {}\n{}\n", name(n), node.log(LOG_KEPT));
    arena.nodes().iter().enumerate().map(log).collect()
}

async fn rounds(
    scenario: &Scenario,
    options: &Options,
    arena: &mut Arena,
    fault: &mut dyn Fault,
    verdict: &mut Verdict,
) {
    let progress = Progress::start(scenario, options);
    for round in 1..=options.rounds {
        progress.round(round);
        verdict.rounds = round;
        arena.round = round;
        arena.crowd.stir(options.seed ^ u64::from(round));
        arena.clients.iter().for_each(Clients::wake);
        let done = tokio::time::timeout(ROUND, async {
            fault.round(arena).await?;
            arena.look().await
        });
        let done = done.await.unwrap_or_else(|_| bail!("the round took over {ROUND:?}"));
        if let Err(why) = done {
            verdict.failed = Some(format!("round {round}: {why:#}"));
            // What was noted before may tell more.
            arena.history.targets = arena.crowd.logs(arena.began);
            return;
        }
        verdict.invariants = tokio::task::block_in_place(|| judge(&arena.history));
        if verdict.broke() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verdict_follows_from_the_history_and_survives_json() {
        let history = History {
            invariants: "AC".to_owned(),
            targets: vec![crate::history::TargetLog { id: "gone".into(), ..Default::default() }],
            ..History::default()
        };
        let read: History =
            serde_json::from_str(&serde_json::to_string(&history).unwrap()).unwrap();
        let judged = judge(&read);
        assert_eq!(judged.iter().map(|(letter, _)| *letter).collect::<String>(), "AC");
        assert!(judged[0].1.held() && judged[1].1.broken.len() == 1);
    }
}
