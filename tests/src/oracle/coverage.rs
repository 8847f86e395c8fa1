//! The coverage equation, checked on what the API answers (SEMANTICS 7).

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A coverage answer.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Ledger {
    /// The watermark up to which every slot has ended, as RFC 3339.
    pub to: String,
    /// Slots that the schedules ask for.
    pub expected: u64,
    /// Slots whose check passed.
    pub ok: u64,
    /// Slots whose check failed.
    pub failed: u64,
    /// Slots without a result, by reason.
    pub missed: BTreeMap<String, u64>,
}

impl Ledger {
    /// Reads an answer.
    ///
    /// # Errors
    /// Names the field that is not as the contract says.
    pub fn parse(answer: &Value) -> Result<Self> {
        let count = |name: &str| {
            answer[name].as_u64().with_context(|| format!("no count {name} in {answer}"))
        };
        let missed =
            answer["missed"].as_object().with_context(|| format!("no missed: {answer}"))?;
        let missed = missed.iter().map(|(reason, n)| {
            Ok((reason.clone(), n.as_u64().with_context(|| format!("{reason} is {n}"))?))
        });
        Ok(Self {
            to: answer["to"].as_str().with_context(|| format!("no to in {answer}"))?.to_owned(),
            expected: count("expected")?,
            ok: count("ok")?,
            failed: count("failed")?,
            missed: missed.collect::<Result<_>>()?,
        })
    }

    /// Slots without a result, all reasons together.
    #[must_use]
    pub fn missed_total(&self) -> u64 {
        self.missed.values().sum()
    }

    /// Slots that were missed for one reason.
    #[must_use]
    pub fn missed_for(&self, reason: &str) -> u64 {
        self.missed.get(reason).copied().unwrap_or(0)
    }
}

/// `expected = ok + failed + Σ missed`, and the ratio that follows from it.
///
/// # Errors
/// Shows the answer where its sum is off.
pub fn adds_up(answer: &Value) -> Result<Ledger> {
    let ledger = Ledger::parse(answer)?;
    let recorded = ledger.ok + ledger.failed + ledger.missed_total();
    ensure!(ledger.expected == recorded, "the ledger has {recorded} slots: {answer}");
    let ratio = answer["uptime_ratio"].as_f64().context("no uptime_ratio")?;
    #[expect(clippy::cast_precision_loss, reason = "counts of slots are far below 2^53")]
    let share = if ledger.expected == 0 {
        1.0
    } else {
        (ledger.ok + ledger.failed) as f64 / ledger.expected as f64
    };
    ensure!((ratio - share).abs() < 1e-6, "uptime_ratio is {ratio}, the counts give {share}");
    Ok(ledger)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn semantics_7_a_sum_that_is_off_by_one_is_found() {
        let mut answer = json!({"from": "a", "to": "b", "expected": 10, "ok": 7, "failed": 2,
            "missed": {"restart": 1}, "uptime_ratio": 0.9});
        assert_eq!(adds_up(&answer).unwrap().missed_for("restart"), 1);
        answer["ok"] = json!(6);
        assert!(adds_up(&answer).is_err());
    }
}
