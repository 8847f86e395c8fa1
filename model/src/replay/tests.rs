use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::{
    Metrics, Millis, Outcome,
    health::{Change, tests::any_but_observed},
    spec::Flapping,
    threshold::{Direction, Threshold},
};

/// Why one stored transition was what it was: the change, its reason and its inputs.
struct Stored {
    change: Change,
    reason: String,
    inputs: Inputs,
}

fn limit(warning: f64, hold: u64) -> Threshold {
    Threshold {
        warning: Some(warning),
        critical: Some(warning + 10.0),
        direction: Direction::Above,
        hysteresis: 5.0,
        hold: Millis::from_secs(hold),
    }
}

fn policy(thresholds: &[(&str, Threshold)]) -> Policy {
    Policy {
        failures: 2,
        successes: 1,
        stale_after: Millis::from_secs(30),
        thresholds: thresholds.iter().map(|(name, limit)| ((*name).to_owned(), *limit)).collect(),
        flapping: None,
    }
}

fn cpu(value: f64) -> Input {
    let metrics = Metrics { cpu_usage_percent: Some(value), ..Metrics::default() };
    Input::Observed(Outcome::passed(), metrics.with("queue", value / 2.0))
}

/// What would be stored of these steps, one second apart; a step may declare another policy.
fn run(steps: &[(Policy, Input)]) -> Vec<(Policy, Stored)> {
    let (mut health, mut stored) = (Health::default(), Vec::new());
    let mut in_force: Option<&Policy> = None;
    for (second, (policy, input)) in (0..).zip(steps) {
        let at = ShardTime(second * 1_000);
        if in_force.replace(policy) != Some(policy) {
            health.observe(policy, at, &Input::Redeclared);
        }
        let prior = health.clone();
        if let Some(change) = health.observe(policy, at, input) {
            let (generation, config_version) = (Generation(second), 0);
            let from = DecidedFrom { input: input.clone(), prior, generation, config_version };
            let inputs = Inputs::of(at, &from);
            stored.push((policy.clone(), Stored { change, reason: health.reason(), inputs }));
        }
    }
    stored
}

fn again(stored: &Stored, policy: &Policy) -> (&'static str, String) {
    let Decision { status, reason } = stored.inputs.decide(policy);
    (status.as_str(), reason)
}

#[test]
fn semantics_3_other_limits_decide_otherwise() {
    let usual = policy(&[("cpu_usage_percent", limit(85.0, 0))]);
    let steps = [(usual.clone(), cpu(50.0)), (usual.clone(), cpu(91.2))];
    let stored = run(&steps);
    let (_, warned) = &stored[1];
    assert_eq!(warned.change.to, HealthStatus::Warning);
    let as_decided = ("WARNING", "cpu_usage_percent 91.2 above 85".to_owned());
    assert_eq!(again(warned, &usual), as_decided);
    let lax = policy(&[("cpu_usage_percent", limit(95.0, 0))]);
    assert_eq!(again(warned, &lax), ("HEALTHY", String::new()));
    let strict = policy(&[("cpu_usage_percent", limit(80.0, 0))]);
    assert_eq!(again(warned, &strict).0, "CRITICAL");
    assert_eq!(again(warned, &policy(&[])).0, "HEALTHY");
    let other = policy(&[("queue", limit(40.0, 0))]);
    assert_eq!(again(warned, &other), ("WARNING", "queue 45.6 above 40".to_owned()));
}

#[test]
fn a_hold_time_counts_from_when_the_violation_was_first_seen() {
    let usual = policy(&[("cpu_usage_percent", limit(85.0, 3))]);
    let mut steps = vec![(usual.clone(), cpu(50.0))];
    steps.extend(std::iter::repeat_n((usual.clone(), cpu(90.0)), 4));
    let stored = run(&steps);
    let (_, warned) = &stored[1];
    assert_eq!(warned.inputs.at, ShardTime(4_000));
    assert_eq!(again(warned, &usual).1, "cpu_usage_percent 90 above 85 for 3s");
    let longer = policy(&[("cpu_usage_percent", limit(85.0, 4))]);
    assert_eq!(again(warned, &longer).0, "HEALTHY");
}

/// Of a limit that is left out nothing is remembered, or it would hold for ever.
#[test]
fn a_limit_that_is_left_out_no_longer_holds() {
    let both = policy(&[("cpu_usage_percent", limit(85.0, 0)), ("queue", limit(95.0, 0))]);
    let failing = Input::Observed(Outcome::critical("refused"), Metrics::default());
    let steps = [cpu(90.0), failing.clone(), failing, cpu(50.0)].map(|input| (both.clone(), input));
    let stored = run(&steps);
    let (_, recovered) = stored.last().unwrap();
    assert_eq!(recovered.change.to, HealthStatus::Healthy);
    let (_, fell) = &stored[1];
    assert_eq!(fell.change.from, HealthStatus::Warning);
    assert_eq!(again(fell, &policy(&[])), ("CRITICAL", "refused".to_owned()));
}

#[test]
fn inputs_are_shown_as_people_read_them() {
    let usual = policy(&[("cpu_usage_percent", limit(85.0, 0))]);
    let stored = run(&[(usual.clone(), cpu(50.0)), (usual, cpu(91.0))]);
    let shown = serde_json::to_value(&stored[1].1.inputs).unwrap();
    assert_eq!(shown["at"], 1_000);
    assert_eq!(shown["input"]["kind"], "observed");
    assert_eq!(shown["input"]["outcome"], json!({"passed": {"message": ""}}));
    assert_eq!(shown["input"]["metrics"]["extra"], json!({"queue": 45.5}));
    assert_eq!(shown["prior"]["beneath"], "HEALTHY");
    assert_eq!(shown["prior"]["streak"]["verdict"], "passing");
    let level = json!({"cpu_usage_percent": {"level": null, "pending": null}});
    assert_eq!(shown["prior"]["thresholds"], level);
    let mut newer = shown;
    newer["prior"]["mood"] = json!("good");
    assert!(serde_json::from_value::<Inputs>(newer).is_err());
    let failed = serde_json::to_value(Outcome::critical("refused")).unwrap();
    assert_eq!(failed, json!({"failed": {"severity": "critical", "reason": "refused"}}));
}

fn any_input() -> impl Strategy<Value = Input> {
    let tenths = (0_u32..1_200).prop_map(|tenths| cpu(f64::from(tenths) / 10.0));
    let failed = |make: fn(String) -> Outcome| {
        "[a-z]{0,8}".prop_map(move |reason| Input::Observed(make(reason), Metrics::default()))
    };
    prop_oneof![
        6 => tenths,
        2 => failed(Outcome::critical),
        2 => failed(Outcome::warning),
        5 => any_but_observed(),
    ]
}

fn any_policy() -> impl Strategy<Value = Policy> {
    let limits = prop::collection::btree_map(
        prop_oneof![Just("cpu_usage_percent".to_owned()), Just("queue".to_owned())],
        (20_u32..100, 0_u64..4).prop_map(|(warning, hold)| limit(warning.into(), hold)),
        0..3,
    );
    (1_u32..4, 1_u32..4, limits, any::<bool>()).prop_map(
        |(failures, successes, thresholds, flaps): (_, _, BTreeMap<_, _>, _)| Policy {
            failures,
            successes,
            stale_after: Millis::from_secs(30),
            thresholds,
            flapping: flaps.then_some(Flapping { changes: 3, window: Millis::from_secs(10) }),
        },
    )
}

/// Some policies, one after the other, each in force for some inputs.
fn any_life() -> impl Strategy<Value = Vec<(Policy, Input)>> {
    let reign = (any_policy(), prop::collection::vec(any_input(), 1..25));
    prop::collection::vec(reign, 1..4).prop_map(|reigns| {
        let steps = reigns.into_iter().flat_map(|(policy, inputs)| {
            inputs.into_iter().map(move |input| (policy.clone(), input))
        });
        steps.collect()
    })
}

proptest! {
    #[test]
    fn semantics_3_the_policy_that_decided_decides_the_same_again(life in any_life()) {
        for (policy, stored) in run(&life) {
            let decision = stored.inputs.decide(&policy);
            prop_assert_eq!(decision.status, stored.change.to);
            prop_assert_eq!(decision.reason, stored.reason);
        }
    }

    #[test]
    fn what_is_shown_reads_back_and_decides_the_same(life in any_life()) {
        for (policy, stored) in run(&life) {
            let text = serde_json::to_string(&stored.inputs).unwrap();
            let read: Inputs = serde_json::from_str(&text).unwrap();
            prop_assert_eq!(read.decide(&policy), stored.inputs.decide(&policy));
            prop_assert_eq!(read.prior, stored.inputs.prior);
        }
    }
}
