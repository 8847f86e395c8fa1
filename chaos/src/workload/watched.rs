//! A resource that a scenario brings along, judged as all others are.

use std::time::Instant;

use serde_json::Value;

use crate::history::{Moment, TargetLog};

/// Something with a true state of its own, and a log of all that reached it.
pub trait Watched: Send + Sync {
    /// The resource's id.
    fn id(&self) -> String;

    /// Its check, as it stands in a declaration.
    fn check(&self) -> Value;

    /// Every probe: when it arrived, and whether it was answered that all is well.
    fn probes(&self, began: Instant) -> Vec<(Moment, bool)>;

    /// Whether all is well now.
    fn is_up(&self) -> bool;

    /// Whether the fault hits the way to it.
    fn is_hit(&self) -> bool {
        true
    }

    /// What is known of it.
    fn log(&self, began: Instant) -> TargetLog {
        TargetLog {
            id: self.id(),
            always: None,
            probes: self.probes(began),
            up: self.is_up(),
            hit: self.is_hit(),
        }
    }
}
