//! 5: resident memory as the number of resources grows.
//!
//! The figure is the slope between the smallest and the largest size: what a node costs without
//! resources is not in it. Memory is the proportional share of `/proc/PID/smaps_rollup`.

pub(super) mod followers;

use std::time::{Duration, Instant};

use anyhow::Result;
use futures_util::FutureExt;
use harness::targets::{Protocol, Targets};
use serde_json::json;

use super::{
    Bench,
    ours::{Ours, synthetic},
};
use crate::{
    plan::Plan,
    plot,
    report::{Outcome, Row, Target},
};

pub(super) const BENCH: Bench = Bench {
    number: 5,
    name: "memory",
    about: "resident memory of 1,000 to 100,000 TCP resources that are checked once an hour",
    run: |plan| run(plan).boxed_local(),
};

const SIZES: [usize; 4] = [1_000, 10_000, 50_000, 100_000];
/// Between the first check of the last resource and the reading, so that what the start needed
/// has gone.
const SETTLE: Duration = Duration::from_secs(5);

/// One node of one size.
struct Point {
    resources: usize,
    bytes: u64,
    /// Until all were declared and checked once.
    started: Duration,
}

impl Point {
    fn plotted(&self) -> plot::Point {
        plot::Point {
            resources: u32::try_from(self.resources).unwrap_or(u32::MAX),
            pss_bytes: self.bytes,
            checked_after_seconds: self.started.as_secs_f64(),
        }
    }
}

async fn run(plan: &Plan) -> Result<Outcome> {
    let target = Targets::start(Protocol::Tcp, 1).await?;
    let mut points = Vec::new();
    let mut slopes = Vec::new();
    for (pair, _) in plan.pairs() {
        // The points between the ends belong to the plot and are measured once.
        let sizes: Vec<usize> = match pair {
            0 => SIZES.to_vec(),
            _ => vec![SIZES[0], SIZES[SIZES.len() - 1]],
        };
        let first = points.len();
        for resources in sizes {
            plan.progress(&format!("5 memory: {} of {}, {resources}", pair + 1, plan.pair_count));
            points.push(measure(plan, resources, &target.address(0).to_string()).await?);
        }
        slopes.extend(slope(&points[first..]));
    }
    Ok(outcome(slopes, &points))
}

async fn measure(plan: &Plan, resources: usize, address: &str) -> Result<Point> {
    let began = Instant::now();
    let node = Ours::start(plan, &synthetic(resources, address)).await?;
    node.has_checked(resources).await?;
    let started = began.elapsed();
    tokio::time::sleep(SETTLE).await;
    Ok(Point { resources, bytes: node.process.proportional_bytes()?, started })
}

/// KiB per resource between the first and the last point.
fn slope(points: &[Point]) -> Option<f64> {
    let (first, last) = (points.first()?, points.last()?);
    slope_kib((first.resources, first.bytes), (last.resources, last.bytes))
}

/// KiB per resource between two numbers of resources, each with the bytes of memory.
#[expect(clippy::cast_precision_loss, reason = "bytes of memory are far below 2^53")]
fn slope_kib(first: (usize, u64), last: (usize, u64)) -> Option<f64> {
    let resources = last.0.checked_sub(first.0).filter(|more| *more > 0)?;
    Some((last.1 as f64 - first.1 as f64) / resources as f64 / 1024.0)
}

#[expect(clippy::cast_precision_loss, reason = "bytes of memory are far below 2^53")]
fn outcome(slopes: Vec<f64>, points: &[Point]) -> Outcome {
    let mib = |resources: usize| {
        let of_size = points.iter().filter(|point| point.resources == resources);
        of_size.map(|point| point.bytes as f64 / f64::from(1 << 20)).collect::<Vec<_>>()
    };
    let mut rows = vec![
        Row::new("1,000 → 100,000 resources", "KiB per resource")
            .target(Target::AtMost(12.0))
            .samples(slopes, Vec::new()),
    ];
    rows.extend(SIZES.map(|size| {
        Row::new(format!("{size} resources"), "PSS MiB").samples(mib(size), Vec::new())
    }));
    let plot: Vec<plot::Point> = points.iter().map(Point::plotted).collect();
    let notes = [
        "PSS of the node's process; the configuration file declares the resources, each was checked once, and 5 s more have passed",
        "each size is a fresh node; the sizes between are measured once, for the plot",
    ];
    Outcome {
        rows,
        notes: notes.map(str::to_owned).to_vec(),
        extra: Some(json!({ "points": plot })),
        ..Outcome::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(resources: usize, bytes: u64) -> Point {
        Point { resources, bytes, started: Duration::ZERO }
    }

    #[test]
    fn the_slope_leaves_out_what_an_empty_node_costs() {
        let points = [point(1_000, 101_024_000), point(2_000, 102_048_000)];
        assert_eq!(slope(&points), Some(1.0));
        assert_eq!(slope(&points[..1]), None);
    }
}
