//! Rows from what was measured.

use super::{BEHIND, CHANGES_A_SECOND, Figures, STALLED, Size, Wire};
use crate::report::{Outcome, Row, Target};

type Column = (&'static str, fn(&Figures) -> f64, Option<Target>);

const COLUMNS: [Column; 4] = [
    ("change → client p50 ms", |f| f.p50_ms, None),
    ("change → client p99 ms", |f| f.p99_ms, Some(Target::RatioAtMost(0.5))),
    ("deliveries/s", |f| f.deliveries_per_second, None),
    ("CPU µs of the servers for each delivery", |f| f.cpu_micros_per_delivery, None),
];

pub(super) fn outcome(measured: &[Size], missing: Option<&str>) -> Outcome {
    let rows = measured.iter().flat_map(|size| rows(size, missing)).collect();
    let notes = [
        "from the moment that a change is due to the moment that a client has read it: its commit is within the figure on both sides",
        "ours: reports that change a resource's health, at the three nodes in turn, and a bare connection for each watch, or over gRPC watches that share 24 connections; etcd: puts of 600 bytes at its leader, and watches that share 24 connections, those that are stalled apart",
        "every watch that reads had every change, or the run fails; clients share the processors with the servers",
    ];
    Outcome { rows, notes: notes.map(str::to_owned).to_vec(), ..Outcome::default() }
}

fn rows(size: &Size, missing: Option<&str>) -> Vec<Row> {
    let Size { watchers, wire, ours, peers, failed } = size;
    let wire = match wire {
        Wire::Sse => "",
        Wire::Grpc => " over gRPC",
    };
    let workload = format!(
        "{watchers} watches{wire} over three nodes, {} stalled, {CHANGES_A_SECOND} changes/s",
        watchers.div_ceil(STALLED)
    );
    let row = |(metric, of, target): Column| {
        let row = Row::new(workload.as_str(), metric)
            .samples(ours.iter().map(of).collect(), peers.iter().map(of).collect());
        Row { target, not_run: missing.map(str::to_owned), ..row }
    };
    let mut rows: Vec<Row> = COLUMNS.map(row).into();
    rows.push(
        Row::new(workload.as_str(), "change → client p99 ms, ours alone")
            .samples(ours.iter().map(|f| f.p99_ms).collect(), Vec::new())
            .target(Target::AtMost(100.0)),
    );
    let slow = || too_slow("ours", ours).or_else(|| too_slow("etcd", peers));
    match failed.clone().or_else(slow) {
        // Times of a side that does not keep up tell how long it ran, and nothing else.
        Some(why) => {
            rows.into_iter().map(|row| row.samples(vec![], vec![]).not_run(&why)).collect()
        }
        None => rows,
    }
}

fn too_slow(side: &str, figures: &[Figures]) -> Option<String> {
    let behind = figures.iter().map(|figures| figures.behind).max()?;
    let told = || format!("{side} did not keep up: {:.1} s behind", behind.as_secs_f64());
    (behind > BEHIND).then(told)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_side_that_does_not_keep_up_has_no_figures() {
        let figures = |behind| Figures {
            p50_ms: 1.0,
            p99_ms: 2.0,
            deliveries_per_second: 3.0,
            cpu_micros_per_delivery: 4.0,
            behind: Duration::from_secs(behind),
        };
        let size = |behind| Size {
            watchers: 200,
            wire: Wire::Sse,
            ours: vec![figures(0)],
            peers: vec![figures(behind)],
            failed: None,
        };
        let late = rows(&size(9), None);
        assert!(late.iter().all(|row| row.ours.is_empty() && row.not_run.is_some()));
        assert!(rows(&size(1), None).iter().all(|row| row.not_run.is_none()));
    }
}
