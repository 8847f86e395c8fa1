//! What one side does in one pair: a fresh server, then each workload in turn.

use std::{path::Path, time::Duration};

use anyhow::Result;

use super::{
    clients::{Put, Streamed, Unary, check_etcd},
    layout::Acknowledged,
    server::Ours,
};
use crate::{
    load::{Client, Pace, drive},
    peer::etcd::Etcd,
    plan::Plan,
};

/// How many clients there are.
pub(super) const CLIENTS: [usize; 3] = [1, 64, 1_000];
/// The number of groups that is compared with etcd.
pub(super) const USUAL: u32 = 16;
/// All numbers of groups.
pub(super) const GROUPS: [u32; 3] = [1, USUAL, 64];

const SPAN: Duration = Duration::from_millis(1_200);
const WARM_UP: Duration = Duration::from_millis(300);

/// By which way a write goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Way {
    /// A call for each.
    Unary,
    /// A stream for each client.
    Streamed,
    /// A call for each, at a fixed rate.
    Paced,
}

/// One workload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cell {
    pub(super) way: Way,
    pub(super) clients: usize,
    /// The groups of ours; etcd has one.
    pub(super) groups: u32,
}

/// What was seen.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sample {
    pub(super) writes_per_second: f64,
    pub(super) p50_ms: f64,
    pub(super) p99_ms: f64,
    pub(super) syncs_per_second: f64,
    pub(super) kept_up: f64,
}

/// All workloads of one side in one pair.
pub(super) type Cells = Vec<(Cell, Sample)>;

/// The rates of the open loops, by the place in [`CLIENTS`].
#[derive(Debug, Clone, Copy)]
pub(super) struct Rates(pub(super) [f64; 3]);

impl Rates {
    /// Half of what the slower side can do.
    pub(super) fn of(ours: [f64; 3], peer: Option<[f64; 3]>) -> Self {
        let peer = peer.unwrap_or([f64::INFINITY; 3]);
        Self(std::array::from_fn(|n| ours[n].min(peer[n]) / 2.0))
    }

    fn pace(&self, cell: Cell) -> Pace {
        let place = CLIENTS.iter().position(|n| *n == cell.clients);
        match (cell.way, place) {
            (Way::Paced, Some(place)) => Pace::Open(self.0[place]),
            _ => Pace::Closed,
        }
    }
}

/// What ours runs with so many groups: everything at the usual number, less at the others.
fn workloads(groups: u32) -> Vec<Cell> {
    let cell = |way, clients| Cell { way, clients, groups };
    let mut cells: Vec<Cell> = CLIENTS.map(|n| cell(Way::Unary, n)).into();
    cells.push(cell(Way::Streamed, 1_000));
    if groups == USUAL {
        cells.extend(CLIENTS.map(|n| cell(Way::Paced, n)));
        cells.extend([1, 64].map(|n| cell(Way::Streamed, n)));
    }
    cells
}

/// Runs ours with each number of groups.
pub(super) async fn ours(plan: &Plan, rates: &Rates) -> Result<Cells> {
    let mut cells = Cells::new();
    for groups in GROUPS {
        let server = Ours::start(&[], groups, plan.directory("ours")?).await?;
        cells.extend(each_of_ours(&server, plan, groups, rates).await?);
    }
    Ok(cells)
}

/// Runs one member of etcd.
pub(super) async fn etcd(plan: &Plan, program: &Path, rates: &Rates) -> Result<Cells> {
    each_of_etcd(&Etcd::start(program, plan.directory("etcd")?).await?, plan, rates).await
}

/// What servers of ours with so many groups do in each workload.
pub(super) async fn each_of_ours(
    server: &Ours,
    plan: &Plan,
    groups: u32,
    rates: &Rates,
) -> Result<Cells> {
    let mut cells = Cells::new();
    for cell in workloads(groups) {
        cells.push((cell, of_ours(server, cell, rates.pace(cell), plan.span(SPAN)).await?));
    }
    Ok(cells)
}

/// What a member of etcd does in each workload: unary only, as it has no stream of writes.
pub(super) async fn each_of_etcd(server: &Etcd, plan: &Plan, rates: &Rates) -> Result<Cells> {
    let mut cells = Cells::new();
    for cell in workloads(USUAL).into_iter().filter(|cell| cell.way != Way::Streamed) {
        cells.push((cell, of_etcd(server, cell, rates.pace(cell), plan.span(SPAN)).await?));
    }
    Ok(cells)
}

/// What ours can do by calls, by the place in [`CLIENTS`].
pub(super) async fn closed_unary(server: &Ours, plan: &Plan) -> Result<[f64; 3]> {
    let mut found = [0.0; 3];
    for (rate, clients) in found.iter_mut().zip(CLIENTS) {
        let cell = Cell { way: Way::Unary, clients, groups: USUAL };
        *rate = of_ours(server, cell, Pace::Closed, plan.span(SPAN)).await?.writes_per_second;
    }
    Ok(found)
}

/// What a member of etcd can do, by the place in [`CLIENTS`].
pub(super) async fn closed_etcd(server: &Etcd, plan: &Plan) -> Result<[f64; 3]> {
    let mut found = [0.0; 3];
    for (rate, clients) in found.iter_mut().zip(CLIENTS) {
        let cell = Cell { way: Way::Unary, clients, groups: USUAL };
        *rate = of_etcd(server, cell, Pace::Closed, plan.span(SPAN)).await?.writes_per_second;
    }
    Ok(found)
}

/// One workload of ours on a server that runs.
pub(super) async fn of_ours(
    server: &Ours,
    cell: Cell,
    pace: Pace,
    span: Duration,
) -> Result<Sample> {
    let acknowledged = Acknowledged::new();
    let before = server.stats().await?.syncs;
    let sample = match cell.way {
        Way::Unary | Way::Paced => {
            sample(Unary::clients(server, cell.clients, &acknowledged)?, pace, span).await?
        }
        Way::Streamed => {
            let clients = Streamed::clients(server, cell.clients, &acknowledged).await?;
            sample(clients, pace, span).await?
        }
    };
    let syncs = server.stats().await?.syncs - before;
    server.check(&acknowledged).await?;
    Ok(with_syncs(sample, syncs, span))
}

/// One workload of etcd on a member that runs.
pub(super) async fn of_etcd(
    server: &Etcd,
    cell: Cell,
    pace: Pace,
    span: Duration,
) -> Result<Sample> {
    let acknowledged = Acknowledged::new();
    let before = server.log_syncs().await?;
    let clients = Put::clients(server, cell.clients, &acknowledged)?;
    let sample = sample(clients, pace, span).await?;
    let syncs = server.log_syncs().await? - before;
    check_etcd(server, &acknowledged).await?;
    Ok(with_syncs(sample, syncs, span))
}

async fn sample<C: Client>(clients: Vec<C>, pace: Pace, span: Duration) -> Result<Sample> {
    let load = drive(clients, pace, WARM_UP, span).await?;
    Ok(Sample {
        writes_per_second: load.rate(),
        p50_ms: load.quantile_ms(0.5),
        p99_ms: load.quantile_ms(0.99),
        syncs_per_second: 0.0,
        kept_up: load.kept_up,
    })
}

/// Syncs are counted over warm-up and span together.
#[expect(clippy::cast_precision_loss, reason = "syncs of some seconds are few")]
fn with_syncs(sample: Sample, syncs: u64, span: Duration) -> Sample {
    let seconds = (WARM_UP + span).as_secs_f64();
    Sample { syncs_per_second: syncs as f64 / seconds, ..sample }
}
