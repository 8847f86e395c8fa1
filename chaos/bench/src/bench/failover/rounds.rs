//! What is done to one side in one pair, while it is written to.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use harness::targets::Targets;
use tokio::time::sleep;

use super::{
    hurt::{Slow, Starved},
    subject::Subject,
    windows::{longest, windows},
    writers::Writers,
};
use crate::{load::milliseconds, plan::Plan};

/// In one pair: with seven pairs 56 kills and 21 transfers.
const KILLS: usize = 8;
const TRANSFERS: usize = 3;
const STARVATIONS: usize = 2;
/// A stream that is not written to for longer is lost.
const LOST: Duration = Duration::from_secs(60);
/// Before a moment, so that what was acknowledged last before it is known.
const BEFORE: Duration = Duration::from_millis(1_500);
/// After it: longer than an interval of the checks, so that each was made again.
const AFTER: Duration = Duration::from_secs(3);
const STARVED_FOR: Duration = Duration::from_secs(5);
const SLOW_FOR: Duration = Duration::from_secs(10);
const LOOK: Duration = Duration::from_millis(200);

/// What one interruption was to clients.
#[derive(Debug, Clone, Copy)]
pub(super) struct Interruption {
    /// The longest window without writes of any stream.
    pub(super) slowest_ms: f64,
    /// The longest time between two checks of any target; none where nothing is checked.
    pub(super) check_gap_ms: Option<f64>,
}

/// Groups that got another leader while the one they had was only slow, for each that it led.
#[derive(Debug, Clone)]
pub(super) enum Elections {
    Each(f64),
    NotRun(String),
}

/// All that was seen of one side in one pair.
pub(super) struct Figures {
    pub(super) kills: Vec<Interruption>,
    pub(super) transfers: Vec<Interruption>,
    pub(super) missed_in_transfers: u64,
    pub(super) starved: Elections,
    pub(super) slow: Elections,
    /// Keys that were read back.
    pub(super) checked: usize,
}

pub(super) async fn all<S: Subject>(
    plan: &Plan,
    what: &str,
    subject: &mut S,
    targets: Option<&Targets>,
) -> Result<Figures> {
    let writers = Writers::start(subject.store());
    let mut run = Run { subject, writers, targets };
    run.writers.recovered(Instant::now(), LOST).await?;
    let mut kills = Vec::new();
    for n in 0..count(plan, KILLS) {
        plan.progress(&format!("{what}, kill {}", n + 1));
        kills.push(run.kill().await.context("after kill -9")?);
    }
    let missed = run.missed().await?;
    let mut transfers = Vec::new();
    for n in 0..count(plan, TRANSFERS) {
        plan.progress(&format!("{what}, planned transfer {}", n + 1));
        transfers.push(run.transfer().await.context("after a planned transfer")?);
    }
    let missed_in_transfers = run.missed().await? - missed;
    plan.progress(&format!("{what}, starving the leader"));
    let starved = run.starve(count(plan, STARVATIONS)).await.context("starving the leader")?;
    plan.progress(&format!("{what}, slowing the leader's disk down"));
    let slow = run.slow_disk().await.context("with a slow disk")?;
    run.writers.recovered(Instant::now(), LOST).await?;
    let checked = run.writers.check().await?;
    Ok(Figures { kills, transfers, missed_in_transfers, starved, slow, checked })
}

fn count(plan: &Plan, full: usize) -> usize {
    if plan.quick { full.div_ceil(4) } else { full }
}

struct Run<'a, S: Subject> {
    subject: &'a mut S,
    writers: Writers<S::Store>,
    targets: Option<&'a Targets>,
}

impl<S: Subject> Run<'_, S> {
    async fn kill(&mut self) -> Result<Interruption> {
        let (node, _) = self.subject.leader().await?;
        let moment = Instant::now();
        self.subject.kill(node)?;
        self.after(moment, node).await
    }

    async fn transfer(&mut self) -> Result<Interruption> {
        let (node, _) = self.subject.leader().await?;
        let moment = Instant::now();
        self.subject.hand_over(node).await?;
        self.after(moment, node).await
    }

    /// Waits until all is written to and checked again, tells how long that took, and mends.
    async fn after(&mut self, moment: Instant, node: usize) -> Result<Interruption> {
        self.writers.recovered(Instant::now(), LOST).await?;
        sleep(AFTER).await;
        let from = moment.checked_sub(BEFORE).unwrap_or(moment);
        let windows = windows(&self.writers.acks(from), moment)?;
        let check_gap_ms = self.targets.map(|targets| milliseconds(gap(targets, from)));
        self.subject.mend(node).await?;
        self.writers.recovered(Instant::now(), LOST).await?;
        let slowest = windows.into_iter().max().unwrap_or_default();
        Ok(Interruption { slowest_ms: milliseconds(slowest), check_gap_ms })
    }

    /// Slots without a result, once the last that were due have ended.
    async fn missed(&self) -> Result<u64> {
        sleep(AFTER).await;
        self.subject.missed().await
    }

    async fn starve(&mut self, times: usize) -> Result<Elections> {
        if let Err(why) = Starved::available() {
            return Ok(Elections::NotRun(why));
        }
        let (mut changed, mut led) = (0, 0);
        for _ in 0..times {
            let (node, leads) = self.subject.leader().await?;
            let before = self.subject.seats(node).await?;
            let starved = Starved::begin(self.subject.pid(node))?;
            let seen = self.changes(node, &before, STARVED_FOR).await;
            let held_back = starved.was_held_back();
            drop(starved);
            changed += seen?;
            ensure!(held_back?, "the leader never needed more than it had");
            led += leads;
            self.writers.recovered(Instant::now(), LOST).await?;
        }
        Ok(each(changed, led))
    }

    async fn slow_disk(&mut self) -> Result<Elections> {
        let slow = match Slow::prepare() {
            Ok(slow) => slow,
            Err(why) => return Ok(Elections::NotRun(why)),
        };
        let (node, leads) = self.subject.leader().await?;
        let tracer = self.subject.slow_down(node, &slow).await?;
        let before = self.subject.seats(node).await?;
        let changed = self.changes(node, &before, SLOW_FOR).await?;
        drop(tracer);
        // Killed with what may still trace it, so that nothing waits for a sync.
        self.subject.kill(node)?;
        self.subject.mend(node).await?;
        Ok(each(changed, leads))
    }

    /// How many groups are seen with another leader than before within a span. A lead that comes
    /// to the node which is hurt is none: placement has sent it there.
    async fn changes(
        &self,
        hurt: usize,
        before: &[Option<usize>],
        span: Duration,
    ) -> Result<usize> {
        let (began, mut changed) = (Instant::now(), vec![false; before.len()]);
        while began.elapsed() < span {
            // Whoever does not answer now is asked again.
            let now = self.subject.seats(hurt).await.unwrap_or_default();
            for ((changed, before), now) in changed.iter_mut().zip(before).zip(now) {
                *changed |= now.is_some_and(|now| now != hurt && Some(now) != *before);
            }
            sleep(LOOK).await;
        }
        Ok(changed.into_iter().filter(|changed| *changed).count())
    }
}

#[expect(clippy::cast_precision_loss, reason = "elections are few")]
fn each(changed: usize, led: u64) -> Elections {
    Elections::Each(changed as f64 / led.max(1) as f64)
}

fn gap(targets: &Targets, from: Instant) -> Duration {
    let of = |n: usize| {
        let probes = targets.target(n).log();
        let times: Vec<Instant> = probes.iter().map(|p| p.at).filter(|at| *at >= from).collect();
        longest(&times)
    };
    (0..targets.len()).filter_map(of).max().unwrap_or_default()
}
