//! The binary as people and scripts meet it: what it prints where, and its exit codes.

mod client;
mod offline;
mod replay;
mod support;
