//! Decides health. One total, pure state machine, called when a log entry is applied.
//!
//! Invariant: the same state, policy, time and input give the same result on every replica.

mod flapping;
mod streak;

use std::{collections::BTreeMap, fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::{
    Metrics, Outcome, Policy, ShardTime,
    outcome::{Severity, clean},
    threshold::{Direction, Threshold, ThresholdState},
};
use flapping::Flaps;
use streak::{Streak, Verdict};

/// The five states that everybody sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum HealthStatus {
    /// All is well.
    Healthy,
    /// Worth a look in working hours.
    Warning,
    /// Down, or about to be.
    Critical,
    /// Nothing can be said: not yet checked, silent, or the monitor's own fault.
    Unknown,
    /// Somebody works on it; nobody is paged.
    Maintenance,
}

impl HealthStatus {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Healthy, Self::Warning, Self::Critical, Self::Unknown, Self::Maintenance];

    /// The name in documents.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Healthy => "HEALTHY",
            Self::Warning => "WARNING",
            Self::Critical => "CRITICAL",
            Self::Unknown => "UNKNOWN",
            Self::Maintenance => "MAINTENANCE",
        }
    }
}

impl fmt::Display for HealthStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A text that names no health status.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected HEALTHY, WARNING, CRITICAL, UNKNOWN or MAINTENANCE")]
pub struct UnknownStatus;

impl FromStr for HealthStatus {
    type Err = UnknownStatus;

    /// Reads the name in any case; the contract's older `unhealthy` is CRITICAL.
    fn from_str(text: &str) -> Result<Self, UnknownStatus> {
        if text.eq_ignore_ascii_case("unhealthy") {
            return Ok(Self::Critical);
        }
        Self::ALL.into_iter().find(|s| s.as_str().eq_ignore_ascii_case(text)).ok_or(UnknownStatus)
    }
}

/// What happened to a resource.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Input {
    /// A check ended.
    Observed(Outcome, Metrics),
    /// Nothing was heard for longer than the policy allows.
    Silent(String),
    /// The monitor gave up on probing it, for its own reasons.
    Parked(String),
    /// A maintenance window of this name began, or took over from another.
    MaintenanceBegan(String),
    /// No maintenance window holds any more.
    MaintenanceEnded,
    /// The rules or the check were declared anew.
    Redeclared,
}

/// A change of the shown health.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// What it was.
    pub from: HealthStatus,
    /// What it is.
    pub to: HealthStatus,
}

/// Where the decision about one resource stands. Replicated: pending periods, streaks and
/// flap counters survive every failover.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Health {
    /// The condition beneath maintenance; never `Maintenance`.
    beneath: HealthStatus,
    reason: String,
    streak: Streak,
    thresholds: BTreeMap<String, ThresholdState>,
    flaps: Flaps,
    maintenance: Option<String>,
}

impl Default for Health {
    fn default() -> Self {
        Self {
            beneath: HealthStatus::Unknown,
            reason: "not checked yet".to_owned(),
            streak: Streak::default(),
            thresholds: BTreeMap::new(),
            flaps: Flaps::default(),
            maintenance: None,
        }
    }
}

impl Health {
    /// The health that everybody sees.
    #[must_use]
    pub fn status(&self) -> HealthStatus {
        if self.maintenance.is_some() { HealthStatus::Maintenance } else { self.beneath }
    }

    /// The condition beneath a maintenance window.
    #[must_use]
    pub fn beneath(&self) -> HealthStatus {
        self.beneath
    }

    /// Why it is as it is; empty where there is nothing to say.
    #[must_use]
    pub fn reason(&self) -> String {
        match &self.maintenance {
            Some(name) => format!("maintenance {name}"),
            None => self.reason.clone(),
        }
    }

    /// Whether changes come so often that the worst of them is held.
    #[must_use]
    pub fn is_flapping(&self) -> bool {
        self.flaps.is_holding()
    }

    /// The name of the maintenance window in force.
    #[must_use]
    pub fn maintenance(&self) -> Option<&str> {
        self.maintenance.as_deref()
    }

    /// Takes in one input and says whether the shown health changed.
    pub fn observe(&mut self, policy: &Policy, now: ShardTime, input: &Input) -> Option<Change> {
        let from = self.status();
        match input {
            Input::Observed(outcome, metrics) => self.observed(policy, now, outcome, metrics),
            Input::Silent(reason) | Input::Parked(reason) => self.silent(reason),
            Input::MaintenanceBegan(name) => self.maintenance = Some(name.clone()),
            Input::MaintenanceEnded => self.maintenance = None,
            Input::Redeclared => self.redeclared(policy),
        }
        let to = self.status();
        (from != to).then_some(Change { from, to })
    }

    fn observed(&mut self, policy: &Policy, now: ShardTime, outcome: &Outcome, metrics: &Metrics) {
        self.streak.record(policy, outcome);
        for (name, threshold) in &policy.thresholds {
            // A metric that was not measured proves neither a violation nor a recovery.
            if let Some(value) = metrics.get(name) {
                let state = self.thresholds.entry(name.clone()).or_default();
                *state = state.observe(threshold, value, now);
            }
        }
        let raw = self.raw_condition();
        self.beneath = self.flaps.settle(policy.flapping, now, raw);
        self.reason = self.explain(policy, metrics, raw);
    }

    fn silent(&mut self, reason: &str) {
        self.streak = Streak::default();
        for state in self.thresholds.values_mut() {
            state.pending = None;
        }
        self.beneath = HealthStatus::Unknown;
        self.reason = clean(reason);
    }

    fn redeclared(&mut self, policy: &Policy) {
        self.thresholds.retain(|name, _| policy.thresholds.contains_key(name));
        if policy.flapping.is_none() {
            self.flaps = Flaps::default();
        }
    }

    /// The worst of the check and the thresholds, before flapping has its say.
    fn raw_condition(&self) -> HealthStatus {
        let worst_threshold = self.thresholds.values().filter_map(|state| state.level).max();
        match self.streak.verdict() {
            Verdict::Unknown => HealthStatus::Unknown,
            Verdict::Passing => severity_status(worst_threshold),
            Verdict::Failing(severity) => severity_status(worst_threshold.max(Some(severity))),
        }
    }

    fn explain(&self, policy: &Policy, metrics: &Metrics, raw: HealthStatus) -> String {
        let mut parts = Vec::new();
        if matches!(self.streak.verdict(), Verdict::Failing(s) if severity_status(Some(s)) == raw) {
            parts.push(self.streak.reason().to_owned());
        }
        for (name, state) in &self.thresholds {
            if let (Some(level), Some(threshold)) = (state.level, policy.thresholds.get(name))
                && severity_status(Some(level)) == raw
            {
                parts.push(violation(name, metrics.get(name), threshold, level));
            }
        }
        if parts.is_empty() {
            parts.push(self.streak.reason().to_owned());
        }
        if raw != self.beneath {
            parts.insert(0, format!("flapping, now {raw}"));
        }
        parts.retain(|part| !part.is_empty());
        clean(&parts.join("; "))
    }
}

fn severity_status(severity: Option<Severity>) -> HealthStatus {
    match severity {
        None => HealthStatus::Healthy,
        Some(Severity::Warning) => HealthStatus::Warning,
        Some(Severity::Critical) => HealthStatus::Critical,
    }
}

fn violation(name: &str, value: Option<f64>, threshold: &Threshold, level: Severity) -> String {
    let side = match threshold.direction {
        Direction::Above => "above",
        Direction::Below => "below",
    };
    let limit = threshold.limit(level).unwrap_or_default();
    let value = value.map_or_else(|| "last seen".to_owned(), |v| format!("{}", round(v)));
    let held =
        if threshold.hold.0 > 0 { format!(" for {}", threshold.hold) } else { String::new() };
    format!("{name} {value} {side} {limit}{held}")
}

fn round(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

#[cfg(test)]
pub(crate) mod tests;
