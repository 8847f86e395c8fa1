//! Compares what was decided with what would be. Pure: no node, no clock.

use std::collections::BTreeMap;

use model::{
    Policy,
    replay::{Decision, Inputs},
    threshold::Threshold,
};
use serde_json::{Value, json};

use crate::cli::rows::{EventView, text};

/// Thresholds by metric.
pub(super) type Thresholds = BTreeMap<String, Threshold>;

/// The rules of one resource, and the declaration that they are of.
#[derive(Debug)]
pub(super) struct Rules {
    generation: u64,
    policy: Policy,
    /// Whether they are others than those in force.
    candidate: bool,
}

/// What comes of one transition.
#[derive(Debug, PartialEq)]
pub(super) enum Outcome {
    /// It would be decided as it was.
    Same,
    /// It would not.
    Differs(Value),
    /// It was decided by rules that are no longer in force, and are not stored.
    Earlier,
    /// What it was decided from is missing, or has a form that this version does not know.
    Unreadable,
}

impl Rules {
    /// Those in force, as the node sent them, or the same with the candidate's thresholds.
    pub(super) fn of(sent: &Value, candidate: Option<&Thresholds>) -> Option<Self> {
        let mut policy: Policy = serde_json::from_value(sent.clone()).ok()?;
        if let Some(thresholds) = candidate {
            policy.thresholds.clone_from(thresholds);
        }
        let generation = sent["generation"].as_u64()?;
        Some(Self { generation, policy, candidate: candidate.is_some() })
    }

    /// Decides one stored transition again.
    pub(super) fn judge(&self, event: &Value) -> Outcome {
        let inputs = serde_json::from_value::<Inputs>(event["data"]["decided_from"].clone());
        let Ok(inputs) = inputs else { return Outcome::Unreadable };
        if !self.candidate && inputs.generation.0 != self.generation {
            return Outcome::Earlier;
        }
        let decision = inputs.decide(&self.policy);
        let view = EventView::of(event);
        let same_reason = self.candidate || view.reason() == decision.reason;
        if view.status() == decision.status.as_str() && same_reason {
            return Outcome::Same;
        }
        Outcome::Differs(difference(event, &view, &decision))
    }
}

fn difference(event: &Value, view: &EventView<'_>, decision: &Decision) -> Value {
    let is_change = view.previous() != decision.status.as_str();
    json!({
        "resource_id": text(event, "subject"),
        "event_id": event["id"],
        "sequence": event["sequence"],
        "time": view.time(),
        "previous_status": view.previous(),
        "decided": {"health_status": view.status(), "reason": view.reason()},
        "would_be": {"health_status": decision.status.as_str(), "reason": decision.reason,
            "transition": is_change},
    })
}

#[cfg(test)]
mod tests {
    use model::{
        Generation, Health, Metrics, Outcome as Seen, ShardTime, event::DecidedFrom, health::Input,
    };

    use super::*;

    /// A transition of `host:a` from HEALTHY to WARNING, as the node sends it.
    fn warned(generation: u64) -> Value {
        let cpu = |value| Metrics { cpu_usage_percent: Some(value), ..Metrics::default() };
        let rules = Rules::of(&sent(85.0), None).unwrap().policy;
        let mut prior = Health::default();
        let calm = Input::Observed(Seen::passed(), cpu(50.0));
        prior.observe(&rules, ShardTime(1_000), &calm);
        let input = Input::Observed(Seen::passed(), cpu(91.2));
        let generation = Generation(generation);
        let from = DecidedFrom { input, prior, generation, config_version: 0 };
        json!({"id": "e2", "subject": "host:a", "sequence": "2", "time": "2026-11-21T10:00:00.000Z",
            "type": "io.bellwether.infrastructure.status.updated.v1",
            "data": {"decided_from": Inputs::of(ShardTime(2_000), &from), "infrastructure_status": {
                "resource_id": "host:a", "previous_status": "HEALTHY", "health_status": "WARNING",
                "reason": "cpu_usage_percent 91.2 above 85"}}})
    }

    /// A policy of generation 7 as the node sends it.
    fn sent(warning: f64) -> Value {
        json!({"generation": 7, "failures": 2, "successes": 1, "stale_after": "30s",
            "flapping": null, "thresholds": {"cpu_usage_percent": {"warning": warning,
                "critical": null, "direction": "above", "hysteresis": 0.0, "for": "0s"}}})
    }

    #[test]
    fn by_the_policy_in_force_all_is_as_it_was() {
        let rules = Rules::of(&sent(85.0), None).unwrap();
        assert_eq!(rules.judge(&warned(7)), Outcome::Same);
        assert_eq!(rules.judge(&warned(6)), Outcome::Earlier);
        let mut other = warned(7);
        other["data"]["infrastructure_status"]["reason"] = json!("because");
        assert!(matches!(rules.judge(&other), Outcome::Differs(_)), "a reason counts, too");
    }

    #[test]
    fn candidates_judge_transitions_of_every_declaration() {
        let in_force = sent(85.0);
        let lax = Rules::of(&sent(95.0), None).unwrap().policy.thresholds;
        let rules = Rules::of(&in_force, Some(&lax)).unwrap();
        for generation in [6, 7] {
            let Outcome::Differs(found) = rules.judge(&warned(generation)) else {
                panic!("it would stay healthy")
            };
            assert_eq!(found["decided"]["health_status"], "WARNING");
            let would_be = json!({"health_status": "HEALTHY", "reason": "", "transition": false});
            assert_eq!(found["would_be"], would_be);
        }
        let stricter = Rules::of(&sent(90.0), None).unwrap().policy.thresholds;
        let rules = Rules::of(&in_force, Some(&stricter)).unwrap();
        assert_eq!(rules.judge(&warned(7)), Outcome::Same, "only the reason is another");
    }

    #[test]
    fn what_is_not_known_is_not_guessed() {
        let rules = Rules::of(&sent(85.0), None).unwrap();
        let mut newer = warned(7);
        newer["data"]["decided_from"]["prior"]["mood"] = json!("good");
        assert_eq!(rules.judge(&newer), Outcome::Unreadable);
        newer["data"]["decided_from"] = Value::Null;
        assert_eq!(rules.judge(&newer), Outcome::Unreadable);
        assert!(Rules::of(&json!({"generation": 7}), None).is_none());
    }
}
