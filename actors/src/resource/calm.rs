//! Which result would tell nothing new of a resource, judged by those before it.
//!
//! Invariant: in doubt a result is news. One that is not cannot change the health, because the
//! decision has settled on results of its kind (`Health::observe`).

use model::{Millis, Outcome, Policy, Severity};
use raft::ReportBody;

use crate::{declared::Declared, report::News};

/// What a result counts as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Passed,
    Failed(Severity),
}

impl Kind {
    /// The kind of a report; none where nothing was seen of the target.
    pub(super) fn of(body: &ReportBody) -> Option<Self> {
        match body {
            ReportBody::Result { outcome: Outcome::Passed { .. }, .. } => Some(Self::Passed),
            ReportBody::Result { outcome: Outcome::Failed { severity, .. }, .. } => {
                Some(Self::Failed(*severity))
            }
            ReportBody::Missed { .. } | ReportBody::CaughtUp { .. } | ReportBody::Parked { .. } => {
                None
            }
        }
    }
}

/// Results of one kind in a row.
#[derive(Debug, Clone, Copy)]
pub(super) struct Calm {
    kind: Kind,
    in_a_row: u32,
    /// When the last came, by the boot clock: the shard's silence counts a suspended machine, too.
    heard: Millis,
}

impl Calm {
    /// What the row says at the start: a pass of a healthy resource is no news.
    pub(super) fn at_start(resource: &Declared, now: Millis) -> Self {
        let in_a_row = if resource.healthy { u32::MAX } else { 0 };
        Self { kind: Kind::Passed, in_a_row, heard: now }
    }

    /// Whether a report that is made now may change the health.
    pub(super) fn judge(&self, policy: &Policy, body: &ReportBody, now: Millis) -> News {
        let Some(kind) = Kind::of(body) else {
            // A slot that ends without a result decides nothing; parking does.
            let parked = matches!(body, ReportBody::Parked { .. });
            return if parked { News::Possible } else { News::None };
        };
        // Limits and flapping decide by values and time, not by the kind of result.
        let by_kind = policy.thresholds.is_empty() && policy.flapping.is_none();
        let settled = self.in_a_row >= policy.failures.max(policy.successes);
        // The first result after silence ends it.
        let silence = policy.stale_after.0 - policy.stale_after.0 / 8;
        let heard = now.0.saturating_sub(self.heard.0) < silence;
        let known = by_kind && settled && heard && kind == self.kind;
        if known { News::None } else { News::Possible }
    }

    /// Takes in a result.
    pub(super) fn record(&mut self, kind: Kind, now: Millis) {
        let in_a_row = if kind == self.kind { self.in_a_row.saturating_add(1) } else { 1 };
        *self = Self { kind, in_a_row, heard: now };
    }
}

#[cfg(test)]
mod tests {
    use model::{
        Metrics, Miss, ShardTime, WallTime,
        health::{Health, Input},
    };
    use proptest::prelude::*;

    use super::*;

    fn policy(failures: u32, successes: u32) -> Policy {
        let (thresholds, flapping) = (Default::default(), None);
        Policy { failures, successes, stale_after: Millis(30_000), thresholds, flapping }
    }

    fn result(outcome: Outcome) -> ReportBody {
        let (metrics, observed_at) = (Metrics::default(), WallTime(0));
        ReportBody::Result { outcome, metrics, observed_at }
    }

    fn any_outcome() -> impl Strategy<Value = Outcome> {
        prop_oneof![
            4 => Just(Outcome::passed()),
            2 => Just(Outcome::critical("down")),
            1 => Just(Outcome::warning("slow")),
        ]
    }

    proptest! {
        #[test]
        fn what_is_no_news_never_changes_a_health(
            failures in 1u32..4,
            successes in 1u32..4,
            outcomes in prop::collection::vec(any_outcome(), 1..60),
        ) {
            let (policy, mut health) = (policy(failures, successes), Health::default());
            let mut calm = Calm { kind: Kind::Passed, in_a_row: 0, heard: Millis(0) };
            for (second, outcome) in (0..).zip(outcomes) {
                let (now, body) = (Millis(second * 1_000), result(outcome.clone()));
                let news = calm.judge(&policy, &body, now);
                let input = Input::Observed(outcome, Metrics::default());
                let change = health.observe(&policy, ShardTime(now.0), &input);
                prop_assert!(change.is_none() || news == News::Possible, "{change:?}");
                calm.record(Kind::of(&body).expect("it is a result"), now);
            }
        }
    }

    #[test]
    fn a_pass_like_those_before_is_no_news_and_a_failure_is() {
        let calm = Calm { kind: Kind::Passed, in_a_row: 2, heard: Millis(0) };
        let judge = |outcome, at| calm.judge(&policy(1, 2), &result(outcome), Millis(at));
        assert_eq!(judge(Outcome::passed(), 10_000), News::None);
        assert_eq!(judge(Outcome::critical("down"), 10_000), News::Possible);
        assert_eq!(judge(Outcome::passed(), 29_000), News::Possible, "silence may have set in");
    }

    #[test]
    fn a_result_of_a_resource_with_limits_is_always_news() {
        let calm = Calm { kind: Kind::Passed, in_a_row: 9, heard: Millis(0) };
        let flapping = Some(model::spec::Flapping { changes: 4, window: Millis(60_000) });
        let held = Policy { flapping, ..policy(1, 1) };
        let body = result(Outcome::passed());
        assert_eq!(calm.judge(&held, &body, Millis(1_000)), News::Possible);
    }

    #[test]
    fn a_missed_slot_is_no_news_and_parking_is() {
        let calm = Calm { kind: Kind::Passed, in_a_row: 0, heard: Millis(0) };
        let judge = |body| calm.judge(&policy(1, 1), &body, Millis(0));
        assert_eq!(judge(ReportBody::Missed { reason: Miss::Overload }), News::None);
        assert_eq!(judge(ReportBody::Parked { detail: "it crashed".to_owned() }), News::Possible);
    }
}
