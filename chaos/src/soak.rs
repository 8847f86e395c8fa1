//! The soak: for an hour three nodes watch thousands of targets, and every minute something is done
//! to one of them. Then the ledger must say what the targets saw, memory and files must be what they
//! were, and every promise must have been kept that the scenarios are judged by.
//!
//! The faults are those of scenarios (`draw.rs`), one at a time: the next begins when the cluster is
//! whole again. What ends a process leaves one node alone, so that there is a process whose memory
//! tells of the whole time.
//!
//! Invariant: uptime is judged by the history alone, and no node is asked for the outside count.

mod draw;
mod grid;
mod outcome;
mod sample;
mod spans;
mod trend;
mod uptime;

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};

use self::{
    draw::{Draw, Drawn},
    sample::{Period, Samples},
};
use crate::{
    arena::Arena,
    history::{History, Unbounded},
    mechanism::limits,
    progress::say,
    report,
    runner::{self, Options, Verdict},
    scenario::Scenario,
    workload::Workload,
};

pub use outcome::Outcome;

/// What the soak is judged by beside its own count: that there is no damage (**D**) and that no
/// shard suffers for others (**S**) is for scenarios that cause it.
const INVARIANTS: &str = "AEPLGCMU";
/// The node whose process lives through the soak.
const SPARED: usize = 2;
/// The most that a fault may take until all is whole again.
const HEALS: Duration = Duration::from_secs(150);
/// How long it may take until each target has been checked once.
const CHECKED: Duration = Duration::from_secs(60);
const LOOK: Duration = Duration::from_secs(1);
/// For so many intervals nothing is done at the begin and at the end: rhythms are found then, and
/// every slot of the last fault ends.
const QUIET: u32 = 3;
/// A target is switched on average every so many milliseconds: thousands of events in an hour.
const FLIP_EVERY: u64 = 500;
/// One of so many targets is always down; half of all are always up, and the others flip.
const DOWN: usize = 50;
/// How long a client pauses between two writes or reads, in milliseconds: a soak's load is checks.
const PAUSE: u64 = 1_000;

/// What to do.
#[derive(Debug, Clone)]
pub struct Soak {
    /// The seed, the build of the node, how much is told; and as rounds, how many faults.
    pub options: Options,
    /// How many targets are watched.
    pub resources: usize,
    /// How often each of them is checked, in milliseconds: at most ten seconds.
    pub interval: u64,
    /// How long after another a fault begins, where that one has healed.
    pub every: Duration,
    /// Where results are written.
    pub results: PathBuf,
}

impl Soak {
    fn scenario(&self, faults: &[Scenario]) -> Scenario {
        let (up, down) = (self.resources / 2, self.resources / DOWN);
        let workload = Workload {
            http: self.resources - up - down,
            tcp: 0,
            always_up: up,
            always_down: down,
            writers: 1,
            pause: PAUSE,
            sharing: false,
            interval: self.interval,
            flip_every: FLIP_EVERY,
        };
        Scenario {
            name: "soak",
            fault: "a random fault again and again",
            invariants: INVARIANTS,
            nodes: 3,
            network: faults.iter().any(|fault| fault.network),
            workload,
            gap: faults.iter().map(|fault| fault.gap).max().unwrap_or_default(),
            ..Scenario::USUAL
        }
    }

    fn interval(&self) -> Duration {
        Duration::from_millis(self.interval)
    }

    fn tell(&self, missing: &[(&'static str, String)]) {
        let Self { options, resources, every, .. } = self;
        let (faults, interval) = (options.rounds, self.interval());
        say(&format!(
            "soak: {resources} targets, each checked every {interval:?}; {faults} faults, one every \
             {every:?}; seed {}",
            options.seed
        ));
        for (fault, why) in missing {
            say(&format!("  not injected: {fault}: {why}"));
        }
    }
}

/// Soaks, judges, and writes everything down.
///
/// # Errors
/// Where results cannot be written.
pub async fn run(soak: &Soak) -> Result<Outcome> {
    report::prepare(&soak.results)?;
    limits::raise_own();
    let began = Instant::now();
    let (faults, missing) = draw::possible();
    let scenario = soak.scenario(&faults);
    soak.tell(&missing);
    let mut samples = Samples::create(&outcome::file(soak, "samples.jsonl"))?;
    let mut verdict = Verdict::begun(&scenario, soak.options.seed);
    let history = lived(soak, &scenario, &faults, &mut samples, &mut verdict).await;
    let outcome = tokio::task::block_in_place(|| {
        if verdict.failed.is_none() {
            verdict.invariants = runner::judge(&history);
        }
        verdict.seconds = began.elapsed().as_secs_f64();
        Outcome::of(verdict, &history, samples.periods, missing)
    });
    outcome.write(soak, &history)?;
    Ok(outcome)
}

/// What was seen from the first start to the last look, and in the verdict why it did not come so
/// far.
async fn lived(
    soak: &Soak,
    scenario: &Scenario,
    faults: &[Scenario],
    samples: &mut Samples,
    verdict: &mut Verdict,
) -> History {
    let place = runner::prepare(scenario, &soak.options, |site| Draw::begin(faults, site));
    let (mut arena, mut draw) = match place.await {
        Ok(place) => place,
        Err(why) => {
            verdict.failed = Some(format!("cannot begin: {why:#}"));
            return History::default();
        }
    };
    if let Err(why) = through(soak, &mut arena, &mut draw, samples).await {
        verdict.failed = Some(format!("fault {}: {why:#}", arena.round));
        arena.history.targets = arena.crowd.logs(arena.began);
    }
    verdict.rounds = arena.round;
    let mut history = std::mem::take(&mut arena.history);
    history.log = runner::logs(&arena);
    runner::end(arena, draw);
    history
}

/// From the first check to the last look.
async fn through(
    soak: &Soak,
    arena: &mut Arena,
    draw: &mut Draw,
    samples: &mut Samples,
) -> Result<()> {
    until_all_are_checked(arena).await?;
    arena.run(soak.interval() * QUIET).await?;
    arena.crowd.stir(soak.options.seed);
    for number in 1..=soak.options.rounds {
        let began = Instant::now();
        arena.round = number;
        let mut period = hurt(arena, draw.draw()).await?;
        arena.run(soak.every.saturating_sub(began.elapsed())).await?;
        period.at = arena.now();
        period.nodes = sample::costs(arena).await?;
        say(&format!("  {period} (of {})", soak.options.rounds));
        samples.add(period)?;
    }
    arena.crowd.calm().await;
    arena.run(soak.interval() * QUIET).await?;
    say("  the faults are over; looking at everything");
    arena.look().await
}

async fn until_all_are_checked(arena: &mut Arena) -> Result<()> {
    let started = Instant::now();
    loop {
        let logs = arena.crowd.logs(arena.began);
        let unchecked = logs.iter().filter(|target| target.probes.is_empty()).count();
        if unchecked == 0 {
            return Ok(());
        }
        let waited = started.elapsed();
        ensure!(waited < CHECKED, "{unchecked} targets are not checked after {waited:?}");
        arena.run(LOOK).await?;
    }
}

/// Does what was drawn, and comes back when the cluster is whole.
async fn hurt(arena: &mut Arena, drawn: &mut Drawn) -> Result<Period> {
    let (from, round) = (arena.now(), arena.round);
    let (notes, starts) = (arena.history.faults.len(), arena.history.starts.len());
    arena.spared = drawn.ends_a_process().then_some(SPARED);
    let Drawn { scenario, fault } = drawn;
    let done = tokio::time::timeout(HEALS, fault.round(arena)).await;
    let done = done.unwrap_or_else(|_| bail!("it is not whole after {HEALS:?}"));
    done.with_context(|| scenario.name)?;
    let until = arena.now();
    let history = &mut arena.history;
    if !scenario.invariants.contains('G') {
        history.unbounded.push(Unbounded { from, until });
    }
    let (notes, starts) = (&history.faults[notes..], &history.starts[starts..]);
    let moments = notes.iter().map(|note| note.at).chain(starts.iter().map(|start| start.at));
    let healed = moments.max().unwrap_or(from);
    Ok(Period {
        number: round,
        fault: scenario.name,
        what: notes.first().map(|note| note.what.clone()).unwrap_or_default(),
        whole_after: until.saturating_sub(healed),
        at: until,
        nodes: Vec::new(),
    })
}
