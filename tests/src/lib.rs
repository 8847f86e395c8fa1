//! A harness that runs the real binary and judges it from outside.
//!
//! Invariant: nothing here shares code with what it judges, except the vocabulary of `model`
//! for making inputs (cursors, times). The event checker is a second, independent one.

pub mod binary;
pub mod broker;
pub mod client;
pub mod cluster;
pub mod component;
pub mod config;
pub mod consumer;
pub mod control;
pub mod launcher;
pub mod node;
pub mod oracle;
pub mod ports;
pub mod process;
pub mod stop;
pub mod storm;
pub mod targets;
pub mod wait;
pub mod watch;

pub use client::{Answer, Client};
pub use cluster::Cluster;
pub use config::Config;
pub use launcher::Launcher;
pub use node::Node;
pub use reqwest::Method;
pub use storm::Storm;
pub use wait::eventually;

/// The program in Rust that docs/events.md shows is compiled.
#[cfg(doctest)]
#[doc = include_str!("../../docs/events.md")]
pub struct EventsDocument;
