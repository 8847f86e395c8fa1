//! Changes that come so often that they are one condition: the worst is held until calm.

use serde::{Deserialize, Serialize};

use super::HealthStatus;
use crate::{ShardTime, spec::Flapping};

/// When the condition changed lately, and what is held because of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Flaps {
    raw: HealthStatus,
    changes: Vec<ShardTime>,
    held: Option<HealthStatus>,
}

impl Default for Flaps {
    fn default() -> Self {
        Self { raw: HealthStatus::Unknown, changes: Vec::new(), held: None }
    }
}

impl Flaps {
    pub(super) fn is_holding(&self) -> bool {
        self.held.is_some()
    }

    /// Takes in the condition of one observation and returns the one to show.
    pub(super) fn settle(
        &mut self,
        policy: Option<Flapping>,
        now: ShardTime,
        raw: HealthStatus,
    ) -> HealthStatus {
        let Some(policy) = policy else {
            self.raw = raw;
            return raw;
        };
        let limit = policy.changes as usize;
        self.changes.retain(|at| now.since(*at) < policy.window);
        // The first verdict on a new or silent resource is no change of its condition.
        if raw != self.raw && self.raw != HealthStatus::Unknown {
            self.changes.push(now);
            let excess = self.changes.len().saturating_sub(limit);
            self.changes.drain(..excess);
        }
        let worst = worse(self.raw, raw);
        self.raw = raw;
        self.held = match self.held {
            Some(held) if self.changes.len() * 2 >= limit => Some(worse(held, raw)),
            None if self.changes.len() >= limit => Some(worst),
            Some(_) | None => None,
        };
        self.held.unwrap_or(raw)
    }
}

fn worse(a: HealthStatus, b: HealthStatus) -> HealthStatus {
    let rank = |status| match status {
        HealthStatus::Unknown | HealthStatus::Maintenance => 0,
        HealthStatus::Healthy => 1,
        HealthStatus::Warning => 2,
        HealthStatus::Critical => 3,
    };
    if rank(a) >= rank(b) { a } else { b }
}
