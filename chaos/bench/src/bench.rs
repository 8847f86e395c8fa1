//! The benchmarks, by their numbers in BENCHMARKS.md.

use futures_util::future::LocalBoxFuture;

use crate::{plan::Plan, report::Outcome};

mod checks;
mod events;
mod failover;
mod http;
mod idle;
mod latency;
mod memory;
mod ours;
mod pair_of_clusters;
mod queries;
mod restart;
mod subscribers;
mod topic;
mod writes;

pub use writes::{
    alone::{Alone, alone},
    serve::{Serve, serve},
};

/// One benchmark.
#[derive(Clone, Copy)]
pub struct Bench {
    /// Its number.
    pub number: u32,
    /// Its name.
    pub name: &'static str,
    /// What it measures, beside what, in a line.
    pub about: &'static str,
    /// Runs it.
    pub run: for<'a> fn(&'a Plan) -> LocalBoxFuture<'a, anyhow::Result<Outcome>>,
}

/// All of them, by number.
#[must_use]
pub fn all() -> Vec<Bench> {
    vec![
        latency::BENCH,
        latency::three::BENCH,
        latency::published::BENCH,
        checks::BENCH,
        memory::BENCH,
        memory::followers::BENCH,
        queries::BENCH,
        subscribers::BENCH,
        failover::BENCH,
        restart::BENCH,
        writes::BENCH,
        writes::three::BENCH,
        events::BENCH,
        idle::BENCH,
    ]
}
