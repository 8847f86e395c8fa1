//! A history in which everything went well, for the tests to doctor.

use harness::oracle::{Ledger, Told};

use crate::history::{
    Bounds, End, History, ReadNote, Resident, Row, Start, State, TargetLog, WriteNote,
};

/// A target that fell and recovered, one that was always up, and two writes of a client.
pub(super) fn well() -> History {
    History {
        bounds: Bounds { interval: 1_000, gap: 500, memory: 1 << 30, ..Bounds::default() },
        starts: vec![Start { node: "n1".to_owned(), at: 0, ready_after: Some(300) }],
        ends: vec![End {
            node: "n1".to_owned(),
            at: 9_000,
            expected: true,
            how: "killed".to_owned(),
        }],
        targets: vec![
            target("http:0", None, &[(1_000, true), (2_000, false), (3_000, true)]),
            target("http:1", Some(true), &[(1_100, true), (2_100, true), (3_100, true)]),
        ],
        writes: vec![write(1, 100, Some(200)), write(2, 300, Some(400)), write(3, 500, None)],
        reads: vec![read(250, 260, 1), read(420, 430, 2)],
        memory: vec![Resident(1_000, 100 << 20, "n1".to_owned())],
        state: State {
            asked: 4_000,
            answered: 4_010,
            rows: vec![
                row("http:0", 4, "HEALTHY", None),
                row("http:1", 2, "HEALTHY", None),
                row("push:0", 1, "UNKNOWN", Some(2)),
            ],
            events: vec![
                told("http:0", 0, 1, 1, "UNKNOWN", None),
                told("http:0", 0, 2, 2, "HEALTHY", Some("UNKNOWN")),
                told("http:0", 0, 3, 3, "CRITICAL", Some("HEALTHY")),
                told("http:0", 0, 4, 4, "HEALTHY", Some("CRITICAL")),
                told("http:1", 1, 1, 1, "UNKNOWN", None),
                told("http:1", 1, 2, 2, "HEALTHY", Some("UNKNOWN")),
                told("push:0", 2, 1, 1, "UNKNOWN", None),
            ],
            ledgers: [("http:0", ledger(2, 1)), ("http:1", ledger(3, 0))]
                .map(|(id, ledger)| (id.to_owned(), ledger))
                .into(),
            settled: 3_500,
            ..State::default()
        },
        ..History::default()
    }
}

fn target(id: &str, always: Option<bool>, probes: &[(u64, bool)]) -> TargetLog {
    TargetLog { id: id.to_owned(), always, probes: probes.to_vec(), up: true, hit: false }
}

fn write(version: u64, asked: u64, acknowledged: Option<u64>) -> WriteNote {
    WriteNote { id: "push:0".to_owned(), version, asked, acknowledged }
}

fn read(asked: u64, answered: u64, version: u64) -> ReadNote {
    ReadNote { id: "push:0".to_owned(), asked, answered, version: Some(version) }
}

fn row(id: &str, sequence: u64, health: &str, version: Option<u64>) -> Row {
    Row {
        id: id.to_owned(),
        incarnation: "1.0".to_owned(),
        sequence,
        health: health.to_owned(),
        version,
        ..Row::default()
    }
}

fn ledger(ok: u64, failed: u64) -> Ledger {
    Ledger { to: String::new(), expected: ok + failed, ok, failed, ..Ledger::default() }
}

pub(super) fn told(
    id: &str,
    shard: u64,
    offset: u64,
    sequence: u64,
    status: &str,
    previous: Option<&str>,
) -> Told {
    Told {
        id: format!("{id}/{sequence}"),
        kind: if sequence == 1 { "declared" } else { "updated" }.to_owned(),
        subject: id.to_owned(),
        incarnation: "1.0".to_owned(),
        time: format!("2026-01-01T00:00:{offset:02}.000Z"),
        sequence,
        shard,
        offset,
        term: 1,
        status: status.to_owned(),
        previous: previous.map(str::to_owned),
        reason: String::new(),
    }
}
