//! Consecutive results of the check: how many it takes to fall and to recover.

use serde::{Deserialize, Serialize};

use crate::{Outcome, Policy, outcome::Severity};

/// What the results in a row amount to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Verdict {
    #[default]
    Unknown,
    Passing,
    Failing(Severity),
}

/// Runs of equal results, the verdict in force, and what the last result said.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Streak {
    verdict: Verdict,
    passed: u32,
    failed: u32,
    critical: u32,
    /// Results in a row that were not critical.
    calm: u32,
    reason: String,
}

impl Streak {
    pub(super) fn verdict(&self) -> Verdict {
        self.verdict
    }

    pub(super) fn reason(&self) -> &str {
        &self.reason
    }

    pub(super) fn record(&mut self, policy: &Policy, outcome: &Outcome) {
        self.count(outcome);
        self.verdict = self.next_verdict(policy);
    }

    fn count(&mut self, outcome: &Outcome) {
        let extend = |run: &mut u32, goes_on: bool| {
            *run = if goes_on { run.saturating_add(1) } else { 0 };
        };
        let severity = match outcome {
            Outcome::Passed { message } => {
                self.reason.clone_from(message);
                None
            }
            Outcome::Failed { severity, reason } => {
                self.reason.clone_from(reason);
                Some(*severity)
            }
        };
        extend(&mut self.passed, severity.is_none());
        extend(&mut self.failed, severity.is_some());
        extend(&mut self.critical, severity == Some(Severity::Critical));
        extend(&mut self.calm, severity != Some(Severity::Critical));
    }

    fn next_verdict(&self, policy: &Policy) -> Verdict {
        let fallen = |run: u32| run >= policy.failures;
        match self.verdict {
            _ if fallen(self.critical) => Verdict::Failing(Severity::Critical),
            // Nothing bad is known yet, so one pass is enough.
            Verdict::Unknown if self.passed > 0 => Verdict::Passing,
            Verdict::Failing(_) if self.passed >= policy.successes => Verdict::Passing,
            Verdict::Failing(Severity::Critical)
                if self.failed > 0 && self.calm >= policy.successes =>
            {
                Verdict::Failing(Severity::Warning)
            }
            Verdict::Unknown | Verdict::Passing if fallen(self.failed) => {
                Verdict::Failing(Severity::Warning)
            }
            same @ (Verdict::Unknown | Verdict::Passing | Verdict::Failing(_)) => same,
        }
    }
}
