//! Rows from what was measured.

use super::{CHANGES_A_SECOND, Figures, STALLED};
use crate::report::{Outcome, Row, Target};

type Column = (&'static str, fn(&Figures) -> f64, Option<Target>);

const COLUMNS: [Column; 4] = [
    ("change → client p50 ms", |f| f.p50_ms, None),
    ("change → client p99 ms", |f| f.p99_ms, Some(Target::RatioAtMost(0.5))),
    ("deliveries/s", |f| f.deliveries_per_second, None),
    ("CPU µs of the servers for each delivery", |f| f.cpu_micros_per_delivery, None),
];

pub(super) fn outcome(
    watchers: usize,
    ours: &[Figures],
    peers: &[Figures],
    missing: Option<&str>,
) -> Outcome {
    let workload = format!(
        "{watchers} watches over three nodes, {} stalled, {CHANGES_A_SECOND} changes/s",
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
    let notes = [
        "from the moment that a change is due to the moment that a client has read it: its commit is within the figure on both sides",
        "ours: reports that change a resource's health, at the three nodes in turn, and a bare connection for each watch; etcd: puts of 600 bytes at its leader, and watches that share 24 connections, those that are stalled apart",
        "every watch that reads had every change, or the run fails; clients share the processors with the servers",
    ];
    Outcome { rows, notes: notes.map(str::to_owned).to_vec(), ..Outcome::default() }
}
