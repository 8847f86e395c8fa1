use proptest::prelude::*;

use super::*;
use crate::{Millis, spec::Flapping};

fn policy() -> Policy {
    Policy {
        failures: 2,
        successes: 1,
        stale_after: Millis::from_secs(30),
        thresholds: BTreeMap::new(),
        flapping: None,
    }
}

fn cpu_limit() -> Threshold {
    Threshold {
        warning: Some(85.0),
        critical: Some(95.0),
        direction: Direction::Above,
        hysteresis: 5.0,
        hold: Millis(0),
    }
}

fn pass() -> Input {
    Input::Observed(Outcome::passed(), Metrics::default())
}

fn fail(reason: &str) -> Input {
    Input::Observed(Outcome::critical(reason), Metrics::default())
}

fn warn(reason: &str) -> Input {
    Input::Observed(Outcome::warning(reason), Metrics::default())
}

fn cpu(value: f64) -> Input {
    let metrics = Metrics { cpu_usage_percent: Some(value), ..Metrics::default() };
    Input::Observed(Outcome::passed(), metrics)
}

/// The shown status after each input, one second apart.
fn run(policy: &Policy, inputs: &[Input]) -> (Health, Vec<&'static str>) {
    let mut health = Health::default();
    let mut shown = Vec::new();
    for (second, input) in (0..).zip(inputs) {
        health.observe(policy, ShardTime(second * 1_000), input);
        shown.push(health.status().as_str());
    }
    (health, shown)
}

#[test]
fn it_takes_consecutive_failures_to_fall_and_one_pass_to_recover() {
    let (health, shown) = run(&policy(), &[pass(), fail("a"), pass(), fail("b"), fail("refused")]);
    assert_eq!(shown, ["HEALTHY", "HEALTHY", "HEALTHY", "HEALTHY", "CRITICAL"]);
    assert_eq!(health.reason(), "refused");
}

#[test]
fn a_new_resource_stays_unknown_until_its_failures_count() {
    let (_, shown) = run(&policy(), &[fail("a"), fail("b"), pass()]);
    assert_eq!(shown, ["UNKNOWN", "CRITICAL", "HEALTHY"]);
}

#[test]
fn warnings_in_a_row_are_warning_and_criticals_win() {
    let (_, shown) =
        run(&policy(), &[pass(), warn("w"), warn("w"), fail("c"), fail("c"), warn("w")]);
    assert_eq!(shown, ["HEALTHY", "HEALTHY", "WARNING", "WARNING", "CRITICAL", "WARNING"]);
}

#[test]
fn a_threshold_speaks_for_a_target_that_answers() {
    let mut policy = policy();
    policy.thresholds.insert("cpu_usage_percent".to_owned(), cpu_limit());
    let (health, shown) = run(&policy, &[cpu(50.0), cpu(91.24), pass(), cpu(96.0), cpu(79.0)]);
    assert_eq!(shown, ["HEALTHY", "WARNING", "WARNING", "CRITICAL", "HEALTHY"]);
    assert_eq!(health.reason(), "");
    let (health, _) = run(&policy, &[cpu(91.24)]);
    assert_eq!(health.reason(), "cpu_usage_percent 91.2 above 85");
}

#[test]
fn silence_is_unknown_and_forgets_streaks() {
    let silent = Input::Silent("no result for 30s".to_owned());
    let (health, shown) = run(&policy(), &[pass(), fail("a"), silent.clone(), fail("b"), pass()]);
    assert_eq!(shown, ["HEALTHY", "HEALTHY", "UNKNOWN", "UNKNOWN", "HEALTHY"]);
    assert_eq!(health.reason(), "");
    assert_eq!(run(&policy(), &[pass(), silent]).0.reason(), "no result for 30s");
}

#[test]
fn maintenance_lies_on_top_and_leaves_what_is_beneath() {
    let began = Input::MaintenanceBegan("upgrade".to_owned());
    let inputs = [pass(), began, fail("x"), fail("x"), Input::MaintenanceEnded];
    let (health, shown) = run(&policy(), &inputs);
    assert_eq!(shown, ["HEALTHY", "MAINTENANCE", "MAINTENANCE", "MAINTENANCE", "CRITICAL"]);
    assert_eq!(health.reason(), "x");
    assert_eq!(run(&policy(), &inputs[..2]).0.reason(), "maintenance upgrade");
}

#[test]
fn flapping_holds_the_worst_until_it_is_calm() {
    let mut policy = policy();
    policy.failures = 1;
    policy.flapping = Some(Flapping { changes: 4, window: Millis::from_secs(10) });
    let mut inputs = Vec::new();
    for _ in 0..3 {
        inputs.extend([pass(), fail("down")]);
    }
    inputs.extend(std::iter::repeat_n(pass(), 12));
    let (health, shown) = run(&policy, &inputs);
    assert_eq!(shown[..4], ["HEALTHY", "CRITICAL", "HEALTHY", "CRITICAL"]);
    assert_eq!(shown[4..8], ["CRITICAL"; 4]);
    assert_eq!(shown.last(), Some(&"HEALTHY"));
    assert!(!health.is_flapping());
}

fn any_input() -> impl Strategy<Value = Input> {
    prop_oneof![
        4 => Just(pass()),
        4 => "[a-z]{0,8}".prop_map(|reason| fail(&reason)),
        2 => "[a-z]{0,8}".prop_map(|reason| warn(&reason)),
        4 => any::<f64>().prop_map(cpu),
        5 => any_but_observed(),
    ]
}

/// What changes a health although nobody has observed anything.
pub(crate) fn any_but_observed() -> impl Strategy<Value = Input> {
    prop_oneof![
        Just(Input::Silent("silent".to_owned())),
        Just(Input::Parked("crashed".to_owned())),
        "[a-z]{1,4}".prop_map(Input::MaintenanceBegan),
        Just(Input::MaintenanceEnded),
        Just(Input::Redeclared),
    ]
}

fn any_policy() -> impl Strategy<Value = Policy> {
    (1u32..4, 1u32..4, any::<bool>(), any::<bool>()).prop_map(
        |(failures, successes, limits, flaps)| {
            let mut policy = policy();
            (policy.failures, policy.successes) = (failures, successes);
            if limits {
                policy.thresholds.insert("cpu_usage_percent".to_owned(), cpu_limit());
            }
            policy.flapping =
                flaps.then_some(Flapping { changes: 3, window: Millis::from_secs(10) });
            policy
        },
    )
}

proptest! {
    #[test]
    fn a_change_is_reported_exactly_when_the_shown_status_changes(
        policy in any_policy(), inputs in prop::collection::vec(any_input(), 0..60),
    ) {
        let mut health = Health::default();
        for (second, input) in (0..).zip(&inputs) {
            let before = health.status();
            let change = health.observe(&policy, ShardTime(second * 1_000), input);
            let after = health.status();
            prop_assert_eq!(change, (before != after).then_some(Change { from: before, to: after }));
            prop_assert_ne!(health.beneath(), HealthStatus::Maintenance);
            prop_assert!(health.reason().len() <= crate::outcome::MAX_REASON + 100);
        }
    }

    #[test]
    fn replaying_the_same_inputs_gives_the_same_bytes(
        policy in any_policy(), inputs in prop::collection::vec(any_input(), 0..60),
    ) {
        let once = postcard::to_stdvec(&run(&policy, &inputs).0).unwrap();
        let twice = postcard::to_stdvec(&run(&policy, &inputs).0).unwrap();
        prop_assert_eq!(once, twice);
    }

    #[test]
    fn the_monitors_own_fault_is_unknown_and_never_the_targets(
        policy in any_policy(), inputs in prop::collection::vec(any_input(), 0..30),
    ) {
        let (mut health, _) = run(&policy, &inputs);
        health.observe(&policy, ShardTime(1_000_000), &Input::Parked("probe crashed".to_owned()));
        prop_assert_eq!(health.beneath(), HealthStatus::Unknown);
    }
}
