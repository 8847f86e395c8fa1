//! Rows from what was measured.

use super::{CELLS, Cell, Figures, Samples, Wire, clients::Question};
use crate::report::{Outcome, Row, Target};

/// Everything that was measured.
pub(super) struct Measured {
    pub(super) ours: Samples,
    pub(super) peers: Samples,
    pub(super) rates: [f64; CELLS.len()],
    pub(super) value: usize,
    pub(super) resources: usize,
    pub(super) missing: Option<String>,
}

/// A metric, what it takes of the figures, and whether it has a target there.
type Column = (&'static str, fn(&Figures) -> f64, fn(Cell) -> Option<Target>);

const COLUMNS: [Column; 5] = [
    ("requests/s", |f| f.rate, |cell| is_get(cell).then_some(Target::AtLeast(10_000.0))),
    ("p99 ms, closed", |f| f.closed_p99_ms, |_| None),
    ("p99 ms, open", |f| f.open_p99_ms, |cell| is_get(cell).then_some(Target::RatioAtMost(0.5))),
    ("requests per CPU-second of the server", |f| f.per_cpu_second, |_| None),
    ("kept up, open", |f| f.kept_up, |_| None),
];

fn is_get(cell: Cell) -> bool {
    cell.question == Question::Get
}

pub(super) fn outcome(measured: &Measured) -> Outcome {
    let mut rows = Vec::new();
    for (n, cell) in CELLS.into_iter().enumerate() {
        for (metric, of, target) in COLUMNS {
            let ours = measured.ours[n].iter().map(of).collect();
            let peers = measured.peers[n].iter().map(of).collect();
            let mut row = Row::new(workload(cell), metric).samples(ours, peers);
            row.target = target(cell);
            row.not_run.clone_from(&measured.missing);
            rows.push(row);
        }
    }
    Outcome { rows, notes: notes(measured), ..Outcome::default() }
}

fn workload(cell: Cell) -> String {
    let consistency = match (cell.question, cell.stale) {
        (_, false) => "linearizable",
        (_, true) => "stale / serializable",
    };
    let wire = match cell.wire {
        Wire::Rest => "",
        Wire::Grpc => ", gRPC",
    };
    match cell.question {
        Question::Get => format!("get by id, {consistency}{wire}"),
        Question::List => format!("label, limit 100, {consistency}{wire}"),
    }
}

fn notes(measured: &Measured) -> Vec<String> {
    let rates = measured.rates.map(|rate| format!("{rate:.0}")).join(", ");
    vec![
        format!(
            "{} resources; etcd has as many keys with values of {} bytes, our answer's size",
            measured.resources, measured.value
        ),
        "64 connections on both sides: HTTP/1.1 kept alive and JSON for ours where nothing else is said, gRPC for etcd; the client shares the processors with the server, and ours over HTTP is the lighter one: compare the requests per CPU-second of the servers, too".to_owned(),
        "our list goes by a label over all shards; etcd's is a range of neighbouring keys".to_owned(),
        format!("open loops at half of what the slower side reaches, by workload: {rates} a second"),
        "every answer is checked: the right resource, or the first and the last of the page".to_owned(),
    ]
}
