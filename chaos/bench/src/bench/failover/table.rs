//! Rows from what was seen.

use serde_json::json;

use super::{
    INTERVAL,
    rounds::{Elections, Figures, Interruption},
    writers::{PERIOD, STREAMS},
};
use crate::report::{Durability, Outcome, Row, Target, median};

type Metric = fn(&Figures) -> f64;

/// A kill, as the worst part of the keys saw it.
const KILLED: [(&str, Metric); 2] = [
    ("window without writes, p50 ms", |f| middle(&f.kills)),
    ("window without writes, longest ms", |f| worst(&f.kills)),
];
const MOVED: [(&str, Metric); 2] = [
    ("window without writes, p50 ms", |f| middle(&f.transfers)),
    ("window without writes, longest ms", |f| worst(&f.transfers)),
];

fn slowest(of: &[Interruption]) -> Vec<f64> {
    of.iter().map(|interruption| interruption.slowest_ms).collect()
}

fn middle(of: &[Interruption]) -> f64 {
    median(&slowest(of)).unwrap_or(f64::NAN)
}

fn worst(of: &[Interruption]) -> f64 {
    slowest(of).into_iter().fold(0.0, f64::max)
}

fn longest_gap(of: &[Interruption]) -> f64 {
    of.iter().filter_map(|interruption| interruption.check_gap_ms).fold(0.0, f64::max)
}

pub(super) fn outcome(ours: &[Figures], peers: &[Figures], missing: Option<&str>) -> Outcome {
    let both = |workload: &str, (metric, of): (&str, Metric)| {
        let row = Row::new(workload, metric)
            .samples(ours.iter().map(of).collect(), peers.iter().map(of).collect());
        Row { not_run: missing.map(str::to_owned), ..row }
    };
    let alone = |workload: &str, metric: &str, of: Metric, most: f64| {
        Row::new(workload, metric)
            .samples(ours.iter().map(of).collect(), Vec::new())
            .target(Target::AtMost(most))
    };
    let (killed, moved) = ("kill -9 of the leader", "planned transfer");
    let mut rows: Vec<Row> =
        KILLED.map(|metric| both(killed, metric).target(Target::RatioAtMost(0.8))).into();
    rows.push(alone(killed, "longest check gap ms", |f| longest_gap(&f.kills), 3_000.0));
    rows.extend(MOVED.map(|metric| both(moved, metric)));
    rows.push(alone(moved, "window without writes, longest ms", |f| worst(&f.transfers), 100.0));
    rows.push(alone(moved, "longest check gap ms", |f| longest_gap(&f.transfers), 3_000.0));
    #[expect(clippy::cast_precision_loss, reason = "slots are far below 2^53")]
    rows.push(alone(moved, "missed slots", |f| f.missed_in_transfers as f64, 0.0));
    rows.extend(elections("leader at a tenth of a processor", ours, peers, |f| &f.starved));
    rows.extend(elections("leader's syncs take 300 ms longer", ours, peers, |f| &f.slow));
    Outcome {
        rows,
        durability: Some(Durability {
            ours: "acknowledged after a majority's fdatasync of the log, and apply".to_owned(),
            peer: "etcd at its defaults: after a majority's fdatasync of its log".to_owned(),
        }),
        notes: notes(ours, peers),
        extra: Some(json!({ "ours": extra(ours), "peer": extra(peers) })),
    }
}

/// Elections of both, and how many more ours has: a ratio of zeros says nothing.
fn elections(
    workload: &str,
    ours: &[Figures],
    peers: &[Figures],
    of: fn(&Figures) -> &Elections,
) -> Vec<Row> {
    let each = |side: &[Figures]| -> Vec<f64> {
        let elections = side.iter().filter_map(|figures| match of(figures) {
            Elections::Each(elections) => Some(*elections),
            Elections::NotRun(_) => None,
        });
        elections.collect()
    };
    let why = ours.iter().chain(peers).find_map(|figures| match of(figures) {
        Elections::NotRun(why) => Some(why.clone()),
        Elections::Each(_) => None,
    });
    let (ours, peers) = (each(ours), each(peers));
    let more = ours.iter().zip(&peers).map(|(ours, peer)| ours - peer).collect();
    let rows = [
        Row::new(workload, "elections for each group led").samples(ours, peers),
        Row::new(workload, "elections more than etcd's")
            .samples(more, Vec::new())
            .target(Target::AtMost(0.0)),
    ];
    rows.map(|row| Row { not_run: why.clone(), ..row }).into()
}

fn notes(ours: &[Figures], peers: &[Figures]) -> Vec<String> {
    let sum = |side: &[Figures], of: fn(&Figures) -> usize| side.iter().map(of).sum::<usize>();
    let kills = (sum(ours, |f| f.kills.len()), sum(peers, |f| f.kills.len()));
    let moves = (sum(ours, |f| f.transfers.len()), sum(peers, |f| f.transfers.len()));
    let checked = sum(ours, |f| f.checked) + sum(peers, |f| f.checked);
    let writes = STREAMS as u128 * 1_000 / PERIOD.as_millis();
    vec![
        format!("{} and {} kills, {} and {} transfers", kills.0, kills.1, moves.0, moves.1),
        format!(
            "{writes} writes/s are due in an open loop, spread over {STREAMS} parts of the keys, of ours one for each shard; a window is that of the part that waited longest, told {} ms too long at most",
            PERIOD.as_millis()
        ),
        "ours: the node that leads most shards is killed; a write is a report for a push-fed resource over REST, sent to the three nodes in turn, each of which forwards it to the shard's leader. etcd: its leader; puts over gRPC, sent to the three members in turn. On both sides the client tries the next node where one fails".to_owned(),
        format!("planned: ours by SIGTERM, etcd by MoveLeader; checks are made every {INTERVAL}, gaps are those that the targets saw"),
        format!("{checked} keys were read back linearizably: none was older than what was acknowledged"),
        "elections: groups that are seen with another leader, for each group that the hurt node led; 5 s at a tenth of a processor, 10 s with a slow disk. strace lets syncs take longer: attached to the one thread of ours that syncs the log, in front of etcd's whole process, where it is told of syncs alone".to_owned(),
    ]
}

fn extra(side: &[Figures]) -> serde_json::Value {
    let all = |of: fn(&Figures) -> &Vec<Interruption>| -> Vec<f64> {
        side.iter().flat_map(|figures| slowest(of(figures))).collect()
    };
    json!({ "kills": all(|f| &f.kills), "transfers": all(|f| &f.transfers) })
}
