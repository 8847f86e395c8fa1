//! What surrounds every request: its id, its figures, its limits.

mod accompany;
mod admit;
mod deadline;
mod panics;
mod shed;

pub(crate) use accompany::accompany;
pub(crate) use admit::{admit, admitted};
pub(crate) use deadline::deadline;
pub(crate) use panics::catch_panics;
pub(crate) use shed::{AT_ONCE, LargeReads, shed, spared};
