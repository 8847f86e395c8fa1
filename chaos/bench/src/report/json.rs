//! The report for programs.

use serde_json::{Value, json};

use super::{Report, Row, Target, Verdict, summary};
use crate::baseline::Baseline;

/// The report as JSON: every sample, so that others can compute their own ratios.
#[must_use]
pub fn to_json(report: &Report) -> Value {
    let mut value = json!({
        "number": report.number,
        "name": report.name,
        "pairs": report.pairs,
        "quick": report.quick,
        "seconds": report.took.as_secs_f64(),
        "before": baseline(&report.before),
        "after": baseline(&report.after),
    });
    match &report.outcome {
        Ok(outcome) => {
            value["rows"] = outcome.rows.iter().map(row).collect();
            value["notes"] = json!(outcome.notes);
            value["extra"] = json!(outcome.extra);
            if let Some(durability) = &outcome.durability {
                value["durability"] = json!({"ours": durability.ours, "peer": durability.peer});
            }
        }
        Err(why) => value["failed"] = json!(why),
    }
    value
}

fn row(row: &Row) -> Value {
    let ratios = row.ratios();
    let (met, why) = match row.verdict() {
        Verdict::Met => (Some(true), None),
        Verdict::Missed => (Some(false), None),
        Verdict::NoTarget => (None, None),
        Verdict::NotRun(why) => (None, Some(why)),
    };
    json!({
        "workload": row.workload,
        "metric": row.metric,
        "ours": row.ours,
        "peer": row.peer,
        "ratio": summary(&ratios).map(|s| json!({"median": s.median, "min": s.min, "max": s.max})),
        "target": row.target.map(target),
        "met": met,
        "not_run": why.or_else(|| row.not_run.clone()),
    })
}

fn target(target: Target) -> Value {
    let kind = match target {
        Target::RatioAtLeast(_) => "ratio_at_least",
        Target::RatioAtMost(_) => "ratio_at_most",
        Target::AtLeast(_) => "at_least",
        Target::AtMost(_) => "at_most",
    };
    json!({ kind: target.goal() })
}

fn baseline(baseline: &Baseline) -> Value {
    json!({
        "fdatasync_p50_ms": baseline.disk.p50_ms,
        "fdatasync_p99_ms": baseline.disk.p99_ms,
        "loopback_p50_ms": baseline.loopback.p50_ms,
        "loopback_p99_ms": baseline.loopback.p99_ms,
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::report::Outcome;

    #[test]
    fn samples_ratios_and_reasons_are_kept() {
        let rows = vec![
            Row::new("a", "x").target(Target::RatioAtLeast(2.0)).samples(vec![4.0], vec![2.0]),
            Row::new("b", "x").not_run("why"),
        ];
        let report = Report {
            number: 13,
            name: "writes",
            outcome: Ok(Outcome { rows, ..Outcome::default() }),
            before: Baseline::default(),
            after: Baseline::default(),
            took: Duration::from_secs(1),
            pairs: 1,
            quick: false,
        };
        let value = to_json(&report);
        assert_eq!(value["rows"][0]["ratio"]["median"], 2.0);
        assert_eq!(value["rows"][0]["met"], true);
        assert_eq!(value["rows"][1]["not_run"], "why");
        assert_eq!(value["rows"][1]["met"], Value::Null);
    }
}
