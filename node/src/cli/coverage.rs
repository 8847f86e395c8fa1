//! `bellwether coverage`.

use serde_json::Value;

use super::{
    args::CoverageArgs,
    client::{Client, Query},
    error::{CliError, Verdict},
    output::{Output, note},
    rows::{shown, text},
    text::{grouped, percent, printable},
};

/// Where coverage is asked for.
pub(super) const PATH: [&str; 3] = ["api", "v1", "coverage"];

/// Shows how much of the schedule was kept.
pub(super) async fn run(
    args: &CoverageArgs,
    client: &Client,
    output: &Output,
) -> Result<Verdict, CliError> {
    let mut query: Query = vec![("since", args.since.to_string())];
    query.extend(args.id.as_ref().map(|id| ("resource_id", id.to_string())));
    let coverage = client.get(&PATH, &[], &query).await?.body;
    let of = args.id.as_ref().map_or_else(|| "all resources".to_owned(), ToString::to_string);
    output.show(
        &coverage,
        |coverage| vec![shown(&coverage["uptime_ratio"])],
        |_| {
            let (from, to) = (text(&coverage, "from"), text(&coverage, "to"));
            let head =
                format!("Coverage of {of}\n  from {} to {}\n", printable(from), printable(to));
            head + &summary(&coverage)
        },
    )?;
    let counts = Counts::of(&coverage);
    if counts.expected == counts.ok + counts.failed + counts.missed {
        return Ok(Verdict::Good);
    }
    note(&format!(
        "error: the parts do not add up: {} expected, but {} ok + {} failed + {} missed; results were lost",
        counts.expected, counts.ok, counts.failed, counts.missed
    ));
    Ok(Verdict::Bad)
}

struct Counts {
    expected: u64,
    ok: u64,
    failed: u64,
    missed: u64,
}

impl Counts {
    fn of(coverage: &Value) -> Self {
        let count = |key: &str| coverage[key].as_u64().unwrap_or(0);
        let missed = coverage["missed"].as_object().into_iter().flatten();
        Self {
            expected: count("expected"),
            ok: count("ok"),
            failed: count("failed"),
            missed: missed.filter_map(|(_, count)| count.as_u64()).sum(),
        }
    }
}

/// The counts, aligned, with the reasons for what was missed.
pub(super) fn summary(coverage: &Value) -> String {
    let counts = Counts::of(coverage);
    if counts.expected == 0 {
        return "  no slot has been due\n".to_owned();
    }
    let mut lines = vec![
        ("expected".to_owned(), grouped(counts.expected)),
        ("ok".to_owned(), grouped(counts.ok)),
        ("failed".to_owned(), grouped(counts.failed)),
        ("missed".to_owned(), grouped(counts.missed)),
    ];
    for (reason, count) in coverage["missed"].as_object().into_iter().flatten() {
        if let Some(count) = count.as_u64().filter(|count| *count > 0) {
            lines.push((format!("  {}", printable(reason)), grouped(count)));
        }
    }
    lines.push(("covered".to_owned(), percent(counts.ok + counts.failed, counts.expected)));
    let width = lines.iter().map(|(_, value)| value.len()).max().unwrap_or(0);
    lines.into_iter().map(|(name, value)| format!("  {name:14}{value:>width$}\n")).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_summary_names_every_reason() {
        let coverage = json!({"expected": 10_000, "ok": 9_990, "failed": 5,
            "missed": {"restart": 4, "overload": 0, "takeover": 1}, "uptime_ratio": 0.9995});
        assert_eq!(
            summary(&coverage),
            "  expected         10,000\n\
             \x20 ok                9,990\n\
             \x20 failed                5\n\
             \x20 missed                5\n\
             \x20   restart             4\n\
             \x20   takeover            1\n\
             \x20 covered       99.9500 %\n"
        );
        assert_eq!(summary(&json!({"expected": 0})), "  no slot has been due\n");
    }
}
