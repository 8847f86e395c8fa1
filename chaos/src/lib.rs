//! Holds the promises against faults: the real binary, real targets, an oracle outside of it.
//!
//! A **scenario** (`scenarios/`, one short file each) names a fault, how long it is looked at and
//! which invariants must hold. A **mechanism** (`mechanism/`) is one way to hurt, and knows
//! whether this machine has it. An **arena** is a node with its targets and clients, and records
//! everything into a **history**. An **invariant** (`invariants/`) reads a history and nothing
//! else, so that a recorded run can be judged again.
//!
//! Invariant: a verdict follows from the history alone, and what a machine cannot do is told as
//! "not run", never as passed.

pub mod arena;
pub mod cli;
pub mod history;
pub mod invariants;
mod lag;
pub mod mechanism;
pub mod mutants;
pub mod progress;
pub mod report;
pub mod runner;
pub mod scenario;
pub mod scenarios;
pub mod soak;
pub mod workload;
