//! The table for people.

use comfy_table::{ContentArrangement, Table, presets::NOTHING};

use super::{Outcome, Report, Row, Summary, Target, Verdict, summary};

const HEADINGS: [&str; 8] =
    ["WORKLOAD", "METRIC", "OURS", "PEER", "RATIO", "SPREAD", "TARGET", "VERDICT"];

/// The report as text: a heading, the rows, and what to know beside them.
#[must_use]
pub fn render(report: &Report) -> String {
    let mut text = format!("{} {}: {}\n", report.number, report.name, scope(report));
    match &report.outcome {
        Ok(outcome) => text += &body(outcome),
        Err(why) => text += &format!("  failed: {why}\n"),
    }
    text += &format!("  disk and loopback before: {}\n", report.before);
    text += &format!("  disk and loopback after:  {}\n", report.after);
    text
}

fn scope(report: &Report) -> String {
    let quick = if report.quick { ", quick: for a first look only" } else { "" };
    format!("{} pairs, {:.0} s{quick}", report.pairs, report.took.as_secs_f64())
}

fn body(outcome: &Outcome) -> String {
    let mut table = Table::new();
    table.load_style(NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(HEADINGS);
    for row in &outcome.rows {
        table.add_row(cells(row));
    }
    let mut text: String = table.lines().map(|line| format!("{}\n", line.trim_end())).collect();
    if let Some(durability) = &outcome.durability {
        text += &format!("  durability, ours: {}\n", durability.ours);
        text += &format!("  durability, peer: {}\n", durability.peer);
    }
    for note in &outcome.notes {
        text += &format!("  {note}\n");
    }
    text
}

fn cells(row: &Row) -> Vec<String> {
    let ratios = summary(&row.ratios());
    // A figure without a peer has a spread of its own.
    let spread = ratios.or_else(|| summary(&row.ours));
    vec![
        row.workload.clone(),
        row.metric.clone(),
        summary(&row.ours).map_or_else(dash, |s| number(s.median)),
        summary(&row.peer).map_or_else(dash, |s| number(s.median)),
        ratios.map_or_else(dash, |s| format!("{:.2}", s.median)),
        spread.map_or_else(dash, range),
        row.target.map_or_else(dash, target),
        verdict(&row.verdict()),
    ]
}

fn range(spread: Summary) -> String {
    format!("{}..{}", number(spread.min), number(spread.max))
}

fn dash() -> String {
    "-".to_owned()
}

fn target(target: Target) -> String {
    match target {
        Target::RatioAtLeast(goal) => format!(">= {goal} x"),
        Target::RatioAtMost(goal) => format!("<= {goal} x"),
        Target::AtLeast(goal) => format!(">= {}", number(goal)),
        Target::AtMost(goal) => format!("<= {}", number(goal)),
    }
}

fn verdict(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Met => "met".to_owned(),
        Verdict::Missed => "MISSED".to_owned(),
        Verdict::NoTarget => dash(),
        Verdict::NotRun(why) => format!("not run: {why}"),
    }
}

/// Three significant digits, and thousands apart where there are more.
pub(super) fn number(value: f64) -> String {
    let size = value.abs();
    if size < 1_000.0 {
        let digits = if size >= 100.0 {
            0
        } else if size >= 10.0 {
            1
        } else if size >= 1.0 {
            2
        } else {
            3
        };
        return format!("{value:.digits$}");
    }
    let digits = format!("{size:.0}");
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    if value < 0.0 { format!("-{text}") } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short_and_readable() {
        let texts: Vec<String> =
            [0.1234, 1.234, 12.34, 123.4, 1_234.5, 1_234_567.0].map(number).into();
        assert_eq!(texts, ["0.123", "1.23", "12.3", "123", "1,234", "1,234,567"]);
    }

    #[test]
    fn a_row_shows_ratio_spread_target_and_verdict() {
        let row = Row::new("w", "writes/s")
            .target(Target::RatioAtLeast(1.5))
            .samples(vec![20.0, 40.0, 30.0], vec![10.0, 10.0, 10.0]);
        let shown = cells(&row);
        assert_eq!(shown[4..], ["3.00", "2.00..4.00", ">= 1.5 x", "met"]);
    }

    #[test]
    fn a_row_that_was_not_run_says_why() {
        let row = Row::new("w", "m").not_run("no Go");
        assert_eq!(cells(&row)[7], "not run: no Go");
    }
}
