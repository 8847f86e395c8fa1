//! Plans by example, and of random clusters under faults.

mod chance;
mod drains;
mod ends;
mod examples;
mod growth;
mod simulation;
mod sketch;
mod world;
