//! 6: reading one of 100,000 resources and a filtered page of them, beside etcd's range.
//!
//! Both sides hold as many keys, with values of the size that ours answers. A closed loop of 64
//! connections shows what they can do; an open loop at a rate that both keep up with shows how
//! long an answer takes.

mod clients;
mod table;

use std::{path::Path, time::Duration};

use anyhow::{Context, Result};
use futures_util::FutureExt;
use harness::{
    process::cost,
    targets::{Protocol, Targets},
};

use super::{
    Bench,
    ours::{Ours, synthetic},
};
use crate::{
    load::{Client, Load, Pace, drive},
    peer::etcd::{self, Etcd},
    plan::{Plan, Side},
    process::free_port,
    report::Outcome,
};
use clients::{EtcdReader, OurReader, Question};

pub(super) const BENCH: Bench = Bench {
    number: 6,
    name: "queries",
    about: "100,000 resources: get by id and a filtered list at 64 connections; beside etcd range",
    run: |plan| run(plan).boxed_local(),
};

const RESOURCES: usize = 100_000;
const CONNECTIONS: usize = 64;
const WARM: Duration = Duration::from_millis(500);
const SPAN: Duration = Duration::from_secs(3);

/// What ours is asked over. etcd knows gRPC alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wire {
    Rest,
    Grpc,
}

/// One kind of question, how fresh its answer must be, and over what it is asked.
#[derive(Debug, Clone, Copy)]
struct Cell {
    question: Question,
    stale: bool,
    wire: Wire,
}

const CELLS: [Cell; 6] = [
    Cell { question: Question::Get, stale: false, wire: Wire::Rest },
    Cell { question: Question::Get, stale: true, wire: Wire::Rest },
    Cell { question: Question::List, stale: false, wire: Wire::Rest },
    Cell { question: Question::List, stale: true, wire: Wire::Rest },
    Cell { question: Question::Get, stale: false, wire: Wire::Grpc },
    Cell { question: Question::List, stale: false, wire: Wire::Grpc },
];

/// What one side did in one cell of one pair.
#[derive(Debug, Clone, Copy)]
struct Figures {
    rate: f64,
    closed_p99_ms: f64,
    open_p99_ms: f64,
    kept_up: f64,
    per_cpu_second: f64,
}

/// By cell, then by pair.
type Samples = Vec<Vec<Figures>>;

async fn run(plan: &Plan) -> Result<Outcome> {
    let resources = if plan.quick { RESOURCES / 10 } else { RESOURCES };
    let program = etcd::available().await;
    plan.progress(&format!("6 queries: declaring {resources} resources"));
    let target = Targets::start(Protocol::Tcp, 1).await?;
    let address = target.address(0).to_string();
    let grpc = free_port()?;
    let ours = Ours::start(plan, &synthetic(resources, &address).grpc(grpc)).await?;
    ours.has_checked(resources).await?;
    let value = clients::value_size(&ours.address()).await?;
    let peer = match &program {
        Ok(program) => Some(fill(plan, program, resources, value).await?),
        Err(_) => None,
    };
    let sides = Sides { ours, grpc: format!("http://127.0.0.1:{grpc}"), peer, resources };
    let rates = sides.calibrate(plan).await?;
    let (mut mine, mut theirs): (Samples, Samples) =
        (vec![vec![]; CELLS.len()], vec![vec![]; CELLS.len()]);
    for (pair, order) in plan.pairs() {
        for (n, cell) in CELLS.into_iter().enumerate() {
            plan.progress(&format!(
                "6 queries: pair {} of {}, {cell:?}",
                pair + 1,
                plan.pair_count
            ));
            for side in order {
                match side {
                    Side::Ours => mine[n].push(sides.ours(plan, cell, rates[n]).await?),
                    Side::Peer if sides.peer.is_some() => {
                        theirs[n].push(sides.peer(plan, cell, rates[n]).await?);
                    }
                    Side::Peer => {}
                }
            }
        }
    }
    let missing = program.err().map(|why| why.to_string());
    Ok(table::outcome(&table::Measured {
        ours: mine,
        peers: theirs,
        rates,
        value,
        resources,
        missing,
    }))
}

async fn fill(plan: &Plan, program: &Path, keys: usize, value: usize) -> Result<Etcd> {
    plan.progress(&format!("6 queries: {keys} keys of {value} bytes for etcd"));
    let etcd = Etcd::start(program, plan.directory("etcd-")?).await?;
    clients::fill(&etcd, keys, value, CONNECTIONS).await?;
    Ok(etcd)
}

/// Both servers, which stay up for the whole of it: at rest they cost next to nothing.
struct Sides {
    ours: Ours,
    /// Where ours serves gRPC.
    grpc: String,
    peer: Option<Etcd>,
    resources: usize,
}

impl Sides {
    /// Half of what the slower side can do: the rates of the open loops, by cell.
    async fn calibrate(&self, plan: &Plan) -> Result<[f64; CELLS.len()]> {
        let mut rates = [0.0; CELLS.len()];
        for (cell, rate) in CELLS.into_iter().zip(&mut rates) {
            plan.progress(&format!("6 queries: finding the rate of {cell:?}"));
            *rate = closed(plan, self.our_readers(cell).await?).await?.rate() / 2.0;
            if self.peer.is_some() {
                let peer = closed(plan, self.peer_readers(cell)?).await?.rate() / 2.0;
                *rate = rate.min(peer);
            }
        }
        Ok(rates)
    }

    async fn ours(&self, plan: &Plan, cell: Cell, rate: f64) -> Result<Figures> {
        let pid = self.ours.process.pid();
        let readers = (self.our_readers(cell).await?, self.our_readers(cell).await?);
        figures(plan, readers, pid, rate).await
    }

    async fn peer(&self, plan: &Plan, cell: Cell, rate: f64) -> Result<Figures> {
        let pid = self.peer.as_ref().context("there is no peer")?.process.pid();
        figures(plan, (self.peer_readers(cell)?, self.peer_readers(cell)?), pid, rate).await
    }

    async fn our_readers(&self, cell: Cell) -> Result<Vec<OurReader>> {
        let mut readers = Vec::with_capacity(CONNECTIONS);
        for n in 0..CONNECTIONS {
            let address = match cell.wire {
                Wire::Rest => self.ours.address(),
                Wire::Grpc => self.grpc.clone(),
            };
            readers.push(OurReader::open(&address, cell, self.resources, n as u64).await?);
        }
        Ok(readers)
    }

    fn peer_readers(&self, cell: Cell) -> Result<Vec<EtcdReader>> {
        let etcd = self.peer.as_ref().context("there is no peer")?;
        let reader = |n| Ok(EtcdReader::new(etcd.client()?, cell, self.resources, n));
        (0..CONNECTIONS as u64).map(reader).collect()
    }
}

async fn closed<C: Client>(plan: &Plan, readers: Vec<C>) -> Result<Load> {
    drive(readers, Pace::Closed, WARM, plan.span(SPAN)).await
}

async fn figures<C: Client>(
    plan: &Plan,
    (closed_readers, open_readers): (Vec<C>, Vec<C>),
    pid: u32,
    rate: f64,
) -> Result<Figures> {
    let before = cost(pid)?.cpu_seconds;
    let closed = closed(plan, closed_readers).await?;
    let cpu = cost(pid)?.cpu_seconds - before;
    let open = drive(open_readers, Pace::Open(rate), WARM, plan.span(SPAN)).await?;
    let whole = closed.span + WARM;
    Ok(Figures {
        rate: closed.rate(),
        closed_p99_ms: closed.quantile_ms(0.99),
        open_p99_ms: open.quantile_ms(0.99),
        kept_up: open.kept_up,
        // The processor's time includes the warm-up, in which the same is done.
        per_cpu_second: closed.rate() * whole.as_secs_f64() / cpu,
    })
}
