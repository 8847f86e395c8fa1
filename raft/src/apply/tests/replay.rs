//! What is stored of a transition decides it again.

use model::{
    Metrics, Policy,
    replay::{Decision, Inputs},
    spec::Flapping,
    threshold::{Direction, Threshold},
};

use super::*;
use crate::state::OutboxRecord;

fn again(record: &OutboxRecord, policy: &Policy) -> Option<Decision> {
    let from = record.event.decided_from.as_deref()?;
    Some(Inputs::of(record.at, from).decide(policy))
}

fn as_stored(record: &OutboxRecord) -> Decision {
    Decision { status: record.event.status, reason: record.event.reason.clone() }
}

#[test]
fn semantics_3_the_moment_is_stored_that_hold_times_and_flapping_count_in() {
    let mut log = Harness::founded();
    log.declare("a");
    let limit = Threshold {
        warning: Some(85.0),
        critical: None,
        direction: Direction::Above,
        hysteresis: 0.0,
        hold: Millis::from_secs(2),
    };
    log.redeclare("a", |spec| {
        spec.policy.thresholds.insert("cpu_usage_percent".to_owned(), limit);
        spec.policy.flapping = Some(Flapping { changes: 3, window: Millis::from_secs(60) });
    });
    let policy = log.resource("a").spec.policy.clone();
    for (second, cpu) in (1..).zip([50.0, 90.0, 90.0, 90.0, 50.0, 90.0, 90.0, 90.0, 50.0]) {
        let metrics = Metrics { cpu_usage_percent: Some(cpu), ..Metrics::default() };
        let observed_at = log.state.head.wall;
        let outcome = Outcome::passed();
        let body = ReportBody::Result { outcome, metrics, observed_at };
        log.at(second * 1_000).report("a", body);
    }
    let decided: Vec<OutboxRecord> =
        log.outbox().into_iter().filter(|record| again(record, &policy).is_some()).collect();
    let warned = &decided[1];
    assert_eq!((warned.at, warned.event.status), (ShardTime(4_000), HealthStatus::Warning));
    for record in &decided {
        assert_eq!(again(record, &policy), Some(as_stored(record)));
    }
    let early = OutboxRecord { at: ShardTime(3_999), ..warned.clone() };
    assert_eq!(again(&early, &policy).unwrap().status, HealthStatus::Healthy);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn semantics_3_every_stored_transition_is_decided_again_as_it_was(script in any_script()) {
        let policy = harness::spec("a").policy;
        for record in run(&script).outbox() {
            let is_transition = record.event.kind == model::event::EventKind::StatusUpdated;
            prop_assert_eq!(again(&record, &policy).is_some(), is_transition);
            if let Some(decision) = again(&record, &policy) {
                prop_assert_eq!(decision, as_stored(&record));
            }
        }
    }
}
