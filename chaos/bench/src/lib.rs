//! Benchmarks beside named peers, in the same run.
//!
//! No absolute time stands by itself on a shared machine: ours and the peer run in turn, in
//! pairs, and the median of the pairs' ratios is reported with its spread, beside what the disk
//! and the loopback did in the same run.
//!
//! The modules, in reading order:
//! - [`bench`](mod@bench): the list of benchmarks, one file each;
//! - [`plan`]: what the user asked for, where scratch files go, and progress on standard error;
//! - [`report`]: rows, targets, ratios; the table and the JSON;
//! - [`baseline`]: fdatasync of the disk, round trip of the loopback;
//! - [`load`]: closed and open loops, latency from the intended start;
//! - [`process`]: programs that a benchmark starts: ready, cost, stop;
//! - [`packets`]: what processes send each other, as the kernel counts it;
//! - [`component`]: programs that the project's scripts build;
//! - [`peer`]: the peers, started and spoken to;
//! - [`wire`]: the generated clients;
//! - [`plot`](mod@plot): the growth plot from benchmark 5's JSON.
//!
//! How to add a benchmark: write `bench/NAME.rs` with
//! `pub(super) const BENCH: Bench = Bench { number, name, about, run: |plan| run(plan).boxed_local() }`
//! and `async fn run(plan: &Plan) -> anyhow::Result<Outcome>`; add it to `bench::all`. In `run`,
//! measure ours and the peer in turn with `plan.pairs()`, which alternates who goes first; push one
//! [`report::Row`] for each workload and metric with the samples of both, in the order of the
//! pairs. A peer that this machine cannot have is [`report::Row::not_run`] with the reason, never
//! an absent row. A wrong result is an error: a figure without it means nothing.

pub mod baseline;
pub mod bench;
pub mod load;
pub mod packets;
pub mod peer;
pub mod plan;
pub mod plot;
pub mod process;
pub mod report;
pub mod wire;

pub use harness::component;
