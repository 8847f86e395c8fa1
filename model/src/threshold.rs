//! Limits on a metric: two levels, a direction, hysteresis and a holding time.

use serde::{Deserialize, Serialize};

use crate::{Millis, ShardTime, outcome::Severity};

/// On which side of its limits a metric is bad.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// Bad above the limit.
    #[default]
    Above,
    /// Bad below the limit.
    Below,
}

/// The limits on one metric. At least one of the two levels is set.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Threshold {
    /// Beyond this the resource is WARNING.
    pub warning: Option<f64>,
    /// Beyond this the resource is CRITICAL.
    pub critical: Option<f64>,
    /// Which side is bad.
    pub direction: Direction,
    /// How far a value must come back inside the limit before the level is left.
    pub hysteresis: f64,
    /// How long a value must violate before the level is entered.
    #[serde(rename = "for")]
    pub hold: Millis,
}

impl Threshold {
    /// The limit of a level.
    #[must_use]
    pub fn limit(&self, level: Severity) -> Option<f64> {
        match level {
            Severity::Warning => self.warning,
            Severity::Critical => self.critical,
        }
    }

    /// The worst level that `value` violates, given the level that holds now: a level that
    /// holds is left only beyond the hysteresis.
    #[must_use]
    pub fn violated(&self, value: f64, holding: Option<Severity>) -> Option<Severity> {
        [Severity::Critical, Severity::Warning].into_iter().find(|level| {
            let held = holding.is_some_and(|held| held >= *level);
            let slack = if held { self.hysteresis } else { 0.0 };
            self.limit(*level).is_some_and(|limit| match self.direction {
                Direction::Above => value > limit - slack,
                Direction::Below => value < limit + slack,
            })
        })
    }
}

/// Where one threshold stands: the level in force, and one that waits for its time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ThresholdState {
    /// The level in force.
    pub level: Option<Severity>,
    /// A worse level, and since when it has been violated without a break.
    pub pending: Option<(Severity, ShardTime)>,
}

impl ThresholdState {
    /// Takes in one value. A pending level completes only here, at an observation that
    /// still violates, never by time alone (SEMANTICS 2).
    #[must_use]
    pub fn observe(self, threshold: &Threshold, value: f64, now: ShardTime) -> Self {
        let Some(violated) = threshold.violated(value, self.level) else {
            return Self::default();
        };
        if self.level.is_some_and(|level| violated <= level) {
            return Self { level: Some(violated), pending: None };
        }
        let since = match self.pending {
            Some((pending, since)) if pending == violated => since,
            Some((_, since)) if threshold.hold == Millis(0) => since,
            _ => now,
        };
        if now.since(since) >= threshold.hold {
            Self { level: Some(violated), pending: None }
        } else {
            Self { level: self.level, pending: Some((violated, since)) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cpu() -> Threshold {
        Threshold {
            warning: Some(85.0),
            critical: Some(95.0),
            direction: Direction::Above,
            hysteresis: 5.0,
            hold: Millis::from_secs(30),
        }
    }

    fn run(threshold: &Threshold, values: &[(u64, f64)]) -> ThresholdState {
        values.iter().fold(ThresholdState::default(), |state, (second, value)| {
            state.observe(threshold, *value, ShardTime(second * 1_000))
        })
    }

    #[test]
    fn semantics_2_for_completes_only_at_an_observation_that_still_violates() {
        assert_eq!(run(&cpu(), &[(0, 90.0), (29, 90.0)]).level, None);
        assert_eq!(run(&cpu(), &[(0, 90.0), (30, 90.0)]).level, Some(Severity::Warning));
        assert_eq!(run(&cpu(), &[(0, 90.0), (15, 80.0), (30, 90.0)]).level, None);
    }

    #[test]
    fn hysteresis_holds_a_level_until_the_value_is_well_inside() {
        let start = [(0, 90.0), (30, 90.0)];
        assert_eq!(run(&cpu(), &[start[0], start[1], (40, 81.0)]).level, Some(Severity::Warning));
        assert_eq!(run(&cpu(), &[start[0], start[1], (40, 79.0)]).level, None);
    }

    #[test]
    fn a_worse_level_waits_while_the_lower_one_holds() {
        let values = [(0, 90.0), (30, 90.0), (40, 96.0)];
        let state = run(&cpu(), &values);
        assert_eq!(state.level, Some(Severity::Warning));
        assert_eq!(state.pending, Some((Severity::Critical, ShardTime(40_000))));
        let state = state.observe(&cpu(), 97.0, ShardTime(70_000));
        assert_eq!(state.level, Some(Severity::Critical));
    }

    #[test]
    fn below_is_the_mirror_of_above() {
        let ready = Threshold {
            warning: None,
            critical: Some(2.0),
            direction: Direction::Below,
            hysteresis: 0.0,
            hold: Millis(0),
        };
        assert_eq!(run(&ready, &[(0, 1.0)]).level, Some(Severity::Critical));
        assert_eq!(run(&ready, &[(0, 1.0), (1, 2.0)]).level, None);
    }
}
