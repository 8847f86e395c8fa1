//! x
pub mod probe;
