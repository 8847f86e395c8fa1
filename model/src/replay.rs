//! Decides a stored transition again, from what it was decided from (SEMANTICS 3).
//!
//! Invariant: by the policy that decided it, a transition comes out as it was stored.

mod shown;

use serde::{Deserialize, Serialize};

use crate::{
    Generation, Health, HealthStatus, Policy, ShardTime, event::DecidedFrom, health::Input,
};

/// All that it takes to decide a stored transition again, but for the policy. Its JSON form is
/// part of the API, and so are the names in [`Health`] and [`Input`], which no stored record holds.
/// A form with more in it than is known here is refused, because a decision without that would be
/// another one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Inputs {
    /// When it was decided, in the shard's time: hold times and flapping count in it.
    pub at: ShardTime,
    /// The declaration that was in force.
    pub generation: Generation,
    /// The configuration that was in force.
    pub config_version: u64,
    /// What happened.
    #[serde(with = "shown")]
    pub input: Input,
    /// The state before.
    pub prior: Health,
}

/// What comes of deciding again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// The health from then on.
    pub status: HealthStatus,
    /// Why.
    pub reason: String,
}

impl Inputs {
    /// The inputs of a transition that was decided at this moment.
    #[must_use]
    pub fn of(at: ShardTime, from: &DecidedFrom) -> Self {
        Self {
            at,
            generation: from.generation,
            config_version: from.config_version,
            input: from.input.clone(),
            prior: from.prior.clone(),
        }
    }

    /// Decides again, as if `policy` had been declared just before. Where it was in force already,
    /// that changes nothing; where not, what its former limits had found is forgotten as far as a
    /// new declaration forgets it.
    #[must_use]
    pub fn decide(&self, policy: &Policy) -> Decision {
        let mut health = self.prior.clone();
        health.observe(policy, self.at, &Input::Redeclared);
        health.observe(policy, self.at, &self.input);
        Decision { status: health.status(), reason: health.reason() }
    }
}

#[cfg(test)]
mod tests;
