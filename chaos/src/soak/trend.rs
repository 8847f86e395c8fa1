//! Whether what a node costs stays what it was.
//!
//! A soak begins with stores and caches that fill: two families with two memory tables of 32 MiB, and
//! a cache of 64, take up to half an hour for it. Where one process has lived all the time, the line
//! through its second half says what goes on for good. Where the process was another one meanwhile,
//! the median of the second quarter is held beside that of the last: both are of young processes.

use serde::Serialize;

use super::sample::{Cost, Period};
use crate::invariants::Judgement;

/// Fewer samples say nothing: three in a quarter.
const LEAST: usize = 12;
const MIB: f64 = (1 << 20) as f64;
const HOUR: f64 = 3_600_000.0;

/// How much more than before is flat: a share of what was, and so much.
#[derive(Debug, Clone, Copy)]
struct Allowance {
    share: f64,
    more: f64,
}

impl Allowance {
    fn of(self, before: f64) -> f64 {
        before * self.share + self.more
    }
}

/// Something that is counted of a node.
struct Figure {
    name: &'static str,
    of: fn(&Cost) -> f64,
    /// Absent where it grows by design.
    flat: Option<Allowance>,
    /// Whether it begins anew with each process.
    anew: bool,
}

static FIGURES: [Figure; 5] = [
    // Rows and actors stay as many as they are. A memory table of the store, 32 MiB, is full at one
    // time and empty at another: of some 200 MiB, that much is flat.
    Figure {
        name: "memory, MiB",
        of: |cost| cost.resident as f64 / MIB,
        flat: Some(Allowance { share: 0.1, more: 16.0 }),
        anew: true,
    },
    // A few probes and connections of clients are under way whenever somebody looks, and tables are
    // merged; nothing else that is opened stays open.
    Figure {
        name: "descriptors",
        of: |cost| cost.descriptors as f64,
        flat: Some(Allowance { share: 0.0, more: 16.0 }),
        anew: true,
    },
    // A node has up to 64 threads for work that blocks, made when they are first needed, and kept
    // (`node/src/run/threads.rs`).
    Figure {
        name: "threads",
        of: |cost| cost.threads as f64,
        flat: Some(Allowance { share: 0.0, more: 64.0 }),
        anew: true,
    },
    // Tables are merged when there are four of a family at the top, and a log stays until what is
    // in it has been written to tables. A start leaves nothing behind for good.
    Figure {
        name: "files",
        of: |cost| cost.files as f64,
        flat: Some(Allowance { share: 0.1, more: 16.0 }),
        anew: false,
    },
    // Changes are kept for an hour, events for a week, ends of slots for a month (decision 9).
    Figure { name: "data, MiB", of: |cost| cost.bytes as f64 / MIB, flat: None, anew: false },
];

/// What a figure did over a run.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(super) struct Trend {
    /// The median of the second quarter.
    pub(super) early: f64,
    /// The median of the last quarter.
    pub(super) late: f64,
    /// How much a line rises in an hour that fits the second half best.
    pub(super) per_hour: f64,
}

impl Trend {
    /// Of pairs of hours and figures, in order of time; absent where there are too few.
    fn of(points: &[(f64, f64)]) -> Option<Self> {
        let quarter = points.len() / 4;
        let warm = points.get(2 * quarter..).filter(|_| points.len() >= LEAST)?;
        Some(Self {
            early: median(&points[quarter..2 * quarter]),
            late: median(&points[points.len() - quarter..]),
            per_hour: slope(warm),
        })
    }
}

/// The slope of the line with the least sum of squared distances.
fn slope(points: &[(f64, f64)]) -> f64 {
    let mean =
        |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / points.len() as f64;
    let (x, y) = (mean(|point| point.0), mean(|point| point.1));
    let over: f64 = points.iter().map(|point| (point.0 - x) * (point.1 - y)).sum();
    let under: f64 = points.iter().map(|point| (point.0 - x).powi(2)).sum();
    if under > 0.0 { over / under } else { 0.0 }
}

/// The one in the middle; of two, the upper.
fn median(points: &[(f64, f64)]) -> f64 {
    let mut figures: Vec<f64> = points.iter().map(|point| point.1).collect();
    figures.sort_unstable_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or_default()
}

/// What one figure of one node did.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Growth {
    pub(super) node: String,
    pub(super) figure: &'static str,
    pub(super) trend: Option<Trend>,
    /// How much more than early is flat; absent where it grows by design.
    pub(super) allowed: Option<f64>,
    /// Why it is not flat, if so.
    pub(super) offence: Option<String>,
}

/// What all figures of all nodes did, and whether they are flat.
pub(super) fn judge(periods: &[Period]) -> (Vec<Growth>, Judgement) {
    let nodes = periods.first().map_or(0, |period| period.nodes.len());
    let all = (0..nodes).flat_map(|n| FIGURES.iter().map(move |figure| growth(periods, n, figure)));
    let growth: Vec<Growth> = all.collect();
    let few = periods.len() < LEAST;
    let judgement = Judgement {
        broken: growth.iter().filter_map(|growth| growth.offence.clone()).collect(),
        not_judged: few
            .then(|| format!("{} samples were taken, {LEAST} are needed", periods.len())),
    };
    (growth, judgement)
}

fn growth(periods: &[Period], n: usize, figure: &Figure) -> Growth {
    let costs = || periods.iter().filter_map(move |period| Some((period.at, period.nodes.get(n)?)));
    let points: Vec<(f64, f64)> =
        costs().map(|(at, cost)| (at as f64 / HOUR, (figure.of)(cost))).collect();
    let mut pids: Vec<u32> = costs().map(|(_, cost)| cost.pid).collect();
    pids.dedup();
    let node = costs().next().map(|(_, cost)| cost.node.clone()).unwrap_or_default();
    let trend = Trend::of(&points);
    let allowed = trend.zip(figure.flat).map(|(trend, flat)| flat.of(trend.early));
    let by_line = figure.anew && pids.len() == 1;
    let wrong = trend.zip(allowed).and_then(|(trend, most)| violation(&trend, most, by_line));
    let offence = wrong.map(|wrong| format!("{node}: {}: {wrong}", figure.name));
    Growth { node, figure: figure.name, trend, allowed, offence }
}

fn violation(trend: &Trend, most: f64, by_line: bool) -> Option<String> {
    let Trend { early, late, per_hour } = trend;
    if by_line {
        return (*per_hour > most).then(|| {
            format!("rises by {per_hour:.0} an hour in the second half, up to {late:.0}")
        });
    }
    (late - early > most)
        .then(|| format!("{early:.0} in the second quarter, {late:.0} in the last"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An hour with a sample each minute.
    fn hour(of: impl Fn(u32) -> f64) -> Vec<(f64, f64)> {
        (0..60).map(|minute| (f64::from(minute) / 60.0, of(minute))).collect()
    }

    #[test]
    fn the_line_and_the_medians_are_those_of_the_figures() {
        let steady = Trend::of(&hour(|minute| f64::from(minute) * 2.0 + 5.0)).unwrap();
        assert!((steady.per_hour - 120.0).abs() < 1e-6, "{steady:?}");
        assert_eq!((steady.early, steady.late), (49.0, 109.0));
        let warming = Trend::of(&hour(|minute| if minute < 30 { 0.0 } else { 9.0 })).unwrap();
        assert_eq!(warming, Trend { early: 0.0, late: 9.0, per_hour: 0.0 });
        assert_eq!(Trend::of(&hour(f64::from)[..LEAST - 1]), None);
    }

    fn cost(pid: u32, resident: u64, files: u64) -> Cost {
        let node = "n1".to_owned();
        Cost { node, pid, resident, descriptors: 90, threads: 40, files, bytes: 0, leads: 5 }
    }

    fn periods(of: impl Fn(u32) -> Cost) -> Vec<Period> {
        let period = |number: u32| Period {
            number,
            fault: "ring",
            what: String::new(),
            whole_after: 0,
            at: u64::from(number) * 60_000,
            nodes: vec![of(number)],
        };
        (0..60).map(period).collect()
    }

    #[test]
    fn a_leak_is_found_and_a_sawtooth_of_restarts_is_none() {
        let mib = |count: u32| u64::from(count) << 20;
        let offences = |of: &dyn Fn(u32) -> Cost| judge(&periods(of)).1.broken.len();
        assert_eq!(offences(&|_| cost(1, mib(200), 30)), 0);
        // 90 MiB an hour: the medians are 45 MiB apart, 39 are flat.
        assert_eq!(offences(&|n| cost(n / 6, mib(200) + mib(n) * 3 / 2, 30)), 1);
        // 60 MiB an hour: the medians are 30 MiB apart, the line of one life says what it is.
        assert_eq!(offences(&|n| cost(1, mib(200) + mib(n), 30)), 1);
        assert_eq!(offences(&|n| cost(n / 6, mib(200) + mib(n), 30)), 0);
        // A cache that is full after half an hour.
        assert_eq!(offences(&|n| cost(1, mib(170) + mib(n.min(30)) * 4, 30)), 0);
        assert_eq!(offences(&|n| cost(n / 6, mib(150) + mib(n % 6) * 20, 30)), 0);
        assert_eq!(offences(&|n| cost(n / 6, mib(200), 30 + u64::from(n))), 1);
    }

    #[test]
    fn too_few_samples_are_not_judged() {
        let (_, judgement) = judge(&periods(|_| cost(1, 1, 1))[..5]);
        assert!(judgement.broken.is_empty() && !judgement.held());
        assert!(judge(&periods(|_| cost(1, 1, 1))).1.held());
    }
}
