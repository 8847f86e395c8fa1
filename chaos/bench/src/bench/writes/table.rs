//! From samples to rows: which cell is held against which.

use super::{
    cells::{CLIENTS, Cell, Cells, GROUPS, Rates, Sample, USUAL, Way},
    clients::CONNECTIONS,
    layout::{RESOURCES, SIZE},
    syncs::Counted,
};
use crate::report::{Durability, Outcome, Row, Target};

/// All that was measured.
pub(super) struct Measured {
    pub(super) ours: Vec<Cells>,
    pub(super) peers: Vec<Cells>,
    pub(super) counted: Counted,
    pub(super) rates: Rates,
    /// Why there is no etcd.
    pub(super) missing: Option<String>,
}

/// What BENCHMARKS.md asks for: ratios to etcd's writes with 1,000 clients, and to its p50 with
/// one.
#[derive(Debug, Clone, Copy)]
pub(super) struct Goals {
    pub(super) unary: f64,
    pub(super) streamed: f64,
    pub(super) one_client: f64,
}

type Metric = fn(&Sample) -> f64;

const WRITES: (&str, Metric) = ("writes/s", |s| s.writes_per_second);
const P50: (&str, Metric) = ("p50 ms", |s| s.p50_ms);
const P99: (&str, Metric) = ("p99 ms", |s| s.p99_ms);
const SYNCS: (&str, Metric) = ("log syncs/s", |s| s.syncs_per_second);

impl Measured {
    /// One metric of one cell, pair by pair.
    fn of(side: &[Cells], cell: Cell, metric: Metric) -> Vec<f64> {
        let sample = |cells: &Cells| {
            cells.iter().find(|(at, _)| *at == cell).map(|(_, sample)| metric(sample))
        };
        side.iter().filter_map(sample).collect()
    }

    /// A cell of ours beside the calls of etcd with as many clients.
    fn beside_etcd(&self, cell: Cell, (name, metric): (&str, Metric)) -> Row {
        let way = if cell.way == Way::Paced { Way::Paced } else { Way::Unary };
        let theirs = Cell { way, groups: USUAL, ..cell };
        let row = Row::new(self.words(cell), name)
            .samples(Self::of(&self.ours, cell, metric), Self::of(&self.peers, theirs, metric));
        match &self.missing {
            Some(why) => row.not_run(why.clone()),
            None => row,
        }
    }

    /// Ours with 64 groups beside ours with 16.
    fn beside_usual(&self, cell: Cell) -> Row {
        let usual = Cell { groups: USUAL, ..cell };
        Row::new(format!("{}; beside {USUAL} groups", self.words(cell)), WRITES.0)
            .samples(Self::of(&self.ours, cell, WRITES.1), Self::of(&self.ours, usual, WRITES.1))
    }

    fn words(&self, cell: Cell) -> String {
        let way = match cell.way {
            Way::Unary => "unary".to_owned(),
            Way::Streamed => "streamed".to_owned(),
            Way::Paced => {
                let place = CLIENTS.iter().position(|n| *n == cell.clients).unwrap_or(0);
                format!("unary at {:.0}/s", self.rates.0[place])
            }
        };
        let clients = if cell.clients == 1 {
            "1 client".to_owned()
        } else {
            format!("{} clients", cell.clients)
        };
        let groups =
            if cell.groups == 1 { "1 group".to_owned() } else { format!("{} groups", cell.groups) };
        format!("{way}, {clients}, {groups}")
    }
}

const ONE_VOTER: Goals = Goals { unary: 1.5, streamed: 3.0, one_client: 0.9 };

/// The rows for one voter.
pub(super) fn outcome(measured: &Measured) -> Outcome {
    let mut rows = throughput(measured, ONE_VOTER);
    for way in [Way::Unary, Way::Streamed] {
        let many = Cell { way, clients: 1_000, groups: 64 };
        rows.push(measured.beside_usual(many).target(Target::RatioAtLeast(0.7)));
    }
    rows.extend(latency(measured, ONE_VOTER));
    rows.push(in_flight(&measured.counted));
    Outcome {
        rows,
        durability: Some(durability(&measured.counted)),
        notes: notes(measured),
        extra: None,
    }
}

pub(super) fn throughput(measured: &Measured, goals: Goals) -> Vec<Row> {
    let mut rows = Vec::new();
    for groups in GROUPS {
        for clients in CLIENTS {
            for way in [Way::Unary, Way::Streamed] {
                let row = measured.beside_etcd(Cell { way, clients, groups }, WRITES);
                let target = match (way, clients, groups) {
                    (Way::Unary, 1_000, USUAL) => Some(Target::RatioAtLeast(goals.unary)),
                    (Way::Streamed, 1_000, USUAL) => Some(Target::RatioAtLeast(goals.streamed)),
                    _ => None,
                };
                // Not every number of groups is run in every way.
                rows.extend((!row.ours.is_empty()).then_some(Row { target, ..row }));
            }
        }
    }
    rows
}

pub(super) fn latency(measured: &Measured, goals: Goals) -> Vec<Row> {
    let mut rows = Vec::new();
    for clients in CLIENTS {
        let cell = Cell { way: Way::Paced, clients, groups: USUAL };
        let p50 = measured.beside_etcd(cell, P50);
        let goal = Target::RatioAtMost(goals.one_client);
        rows.push(if clients == 1 { p50.target(goal) } else { p50 });
        rows.push(measured.beside_etcd(cell, P99));
    }
    for clients in CLIENTS {
        rows.push(measured.beside_etcd(Cell { way: Way::Unary, clients, groups: USUAL }, SYNCS));
    }
    rows
}

fn in_flight(counted: &Counted) -> Row {
    let row =
        Row::new(format!("unary, 64 clients, {USUAL} groups, below strace"), "log syncs at once")
            .target(Target::AtMost(1.0));
    match (&counted.ours, &counted.missing) {
        (Some(ours), _) => {
            let most = |n: usize| f64::from(u32::try_from(n).unwrap_or(u32::MAX));
            let theirs = counted.peer.iter().map(|peer| most(peer.log_at_once)).collect();
            row.samples(vec![most(ours.log_at_once)], theirs)
        }
        (None, why) => row.not_run(why.clone().unwrap_or_default()),
    }
}

fn durability(counted: &Counted) -> Durability {
    let told = |traced: &Option<super::syncs::Traced>, what: &str| match traced {
        Some(t) => format!(
            "{what}; counted below strace with 64 clients: {} syncs of the log and {} of other \
             files at {:.0} writes/s, at most {} of the log at once",
            t.log_syncs, t.other_syncs, t.writes_per_second, t.log_at_once
        ),
        None => format!("{what}; not counted: {}", counted.missing.as_deref().unwrap_or("not run")),
    };
    Durability {
        ours: told(&counted.ours, "acknowledged after fdatasync of the log and apply"),
        peer: told(&counted.peer, "etcd at its defaults: acknowledged after fdatasync of its log"),
    }
}

fn notes(measured: &Measured) -> Vec<String> {
    let mut notes = vec![
        "ours is `raft::Command::Push` through `raft::Shards` behind a plain tonic service"
            .to_owned(),
    ];
    notes.extend(common_notes(measured));
    notes
}

/// What is to be known with any number of voters.
pub(super) fn common_notes(measured: &Measured) -> [String; 3] {
    let slowest = measured.ours.iter().chain(&measured.peers).flatten();
    let kept_up = slowest.map(|(_, sample)| sample.kept_up).fold(1.0, f64::min);
    [
        format!(
            "a write is {SIZE} bytes besides its id, to one of {RESOURCES} resources or keys; a \
             client has one in flight; up to {CONNECTIONS} connections on both sides"
        ),
        "checked: every write got a revision; 64 resources read back linearizably after each load"
            .to_owned(),
        format!("open loops kept up with {:.1} % of what was due at the worst", kept_up * 100.0),
    ]
}
