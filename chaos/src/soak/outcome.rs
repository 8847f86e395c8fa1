//! What came of a soak: for people a few tables, for programs a file.

use std::{collections::BTreeMap, fs, path::PathBuf};

use anyhow::Result;
use serde::Serialize;

use super::{
    Soak,
    sample::Period,
    trend::{self, Growth},
    uptime::{FLOOR, Slots, Uptime},
};
use crate::{
    history::History,
    invariants::Judgement,
    report,
    runner::{self, Verdict},
};

/// Offences that are shown of one kind; the file has all.
const SHOWN: usize = 10;

/// See the module.
#[derive(Debug, Serialize)]
pub struct Outcome {
    verdict: Verdict,
    /// Absent where the soak did not come to its end.
    uptime: Option<Uptime>,
    growth: Vec<Growth>,
    /// Whether what can be judged of that is flat.
    flat: Judgement,
    periods: Vec<Period>,
    /// Faults that this machine cannot do, and why.
    not_injected: Vec<(&'static str, String)>,
}

impl Outcome {
    /// Judges what was seen.
    pub(super) fn of(
        verdict: Verdict,
        history: &History,
        periods: Vec<Period>,
        not_injected: Vec<(&'static str, String)>,
    ) -> Self {
        let uptime = verdict.failed.is_none().then(|| Uptime::of(history));
        let (growth, flat) = trend::judge(&periods);
        Self { verdict, uptime, growth, flat, periods, not_injected }
    }

    /// Whether nothing was found that must not be. What could not be judged is told.
    #[must_use]
    pub fn held(&self) -> bool {
        self.offences().next().is_none() && !self.verdict.broke()
    }

    /// What is wrong with the count and with what nodes cost.
    fn offences(&self) -> impl Iterator<Item = &String> {
        let uptime = self.uptime.iter().flat_map(|uptime| &uptime.offences);
        uptime.chain(&self.flat.broken)
    }

    /// What people are shown.
    #[must_use]
    pub fn text(&self) -> String {
        let tables = [
            faults(&self.periods),
            growth(&self.growth),
            report::table(std::slice::from_ref(&self.verdict)),
            self.uptime.as_ref().map(uptime).unwrap_or_default(),
        ];
        tables.into_iter().filter(|table| !table.is_empty()).collect::<Vec<_>>().join("\n")
            + &self.remarks()
    }

    fn remarks(&self) -> String {
        let missing = self.not_injected.iter();
        let mut lines: Vec<String> =
            missing.map(|(fault, why)| format!("not injected: {fault}: {why}")).collect();
        lines.extend(self.flat.not_judged.iter().map(|why| format!("growth not judged: {why}")));
        let details = report::details(&self.verdict);
        lines.extend(details.lines().map(str::to_owned));
        lines.extend(self.offences().take(SHOWN).cloned());
        if let Some(more) = self.offences().count().checked_sub(SHOWN).filter(|more| *more > 0) {
            lines.push(format!("and {more} more"));
        }
        lines.push(if self.held() { "the soak held" } else { "the soak is BROKEN" }.to_owned());
        lines.into_iter().map(|line| format!("\n{line}")).collect::<String>() + "\n"
    }

    /// Writes this beside the history, which `replay` judges again.
    ///
    /// # Errors
    /// Where the folder cannot be written.
    pub(super) fn write(&self, soak: &Soak, history: &History) -> Result<()> {
        report::write(&soak.results, &self.verdict, history)?;
        Ok(fs::write(file(soak, "soak.json"), serde_json::to_vec_pretty(self)?)?)
    }
}

/// Where a soak's file of this kind is.
pub(super) fn file(soak: &Soak, kind: &str) -> PathBuf {
    let Soak { options: runner::Options { seed, .. }, results, .. } = soak;
    results.join(format!("00-soak-{seed}.{kind}"))
}

/// How often each fault was injected, and how long healing took.
fn faults(periods: &[Period]) -> String {
    if periods.is_empty() {
        return String::new();
    }
    let mut healed: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
    for period in periods {
        healed.entry(period.fault).or_default().push(period.whole_after);
    }
    let row = |(fault, mut times): (&str, Vec<u64>)| {
        times.sort_unstable();
        let seconds = |millis: Option<&u64>| {
            format!("{:.1}", millis.copied().unwrap_or_default() as f64 / 1_000.0)
        };
        let median = seconds(times.get(times.len() / 2));
        [fault.to_owned(), times.len().to_string(), median, seconds(times.last())]
    };
    report::aligned(["FAULT", "TIMES", "WHOLE AFTER, S", "AT MOST"], healed.into_iter().map(row))
}

/// What nodes cost: the medians of the second and of the last quarter, and the line.
fn growth(all: &[Growth]) -> String {
    if all.is_empty() {
        return String::new();
    }
    let row = |growth: &Growth| {
        let number = |of: Option<f64>| of.map_or_else(|| "-".to_owned(), |of| format!("{of:.1}"));
        let Growth { node, figure, trend, allowed, offence } = growth;
        let word = match (trend, allowed, offence) {
            (None, ..) => "not judged",
            (.., Some(_)) => "NO",
            (_, None, _) => "by design",
            _ => "yes",
        };
        [
            node.clone(),
            (*figure).to_owned(),
            number(trend.map(|trend| trend.early)),
            number(trend.map(|trend| trend.late)),
            number(trend.map(|trend| trend.per_hour)),
            word.to_owned(),
        ]
    };
    let headings = ["NODE", "FIGURE", "2ND QUARTER", "LAST QUARTER", "PER HOUR", "FLAT"];
    report::aligned(headings, all.iter().map(row))
}

/// Both counts, and what lies between them.
fn uptime(uptime: &Uptime) -> String {
    let row = |name: &str, slots: Slots| {
        let share = format!("{:.5} %", slots.uptime() * 100.0);
        [name.to_owned(), slots.due.to_string(), slots.checked.to_string(), share]
    };
    let Uptime { ledger, outside, ok, failed, missed, .. } = uptime;
    let rows = [row("ledger", *ledger), row("outside", *outside)];
    let table = report::aligned(["UPTIME", "SLOTS DUE", "CHECKED", "SHARE"], rows);
    let (taken, most) = uptime.taken_away();
    let missed: Vec<String> = missed.iter().map(|(why, slots)| format!("{slots} {why}")).collect();
    let missed = if missed.is_empty() { "none".to_owned() } else { missed.join(", ") };
    let equal = if uptime.offences.is_empty() { "equal" } else { "NOT EQUAL" };
    let met = if ledger.uptime() >= FLOOR { "met" } else { "NOT met" };
    format!(
        "{table}{equal}: {taken} answered slots are not recorded, faults may take {most}\n\
         checked: {ok} passed, {failed} failed; missed: {missed}\n\
         the floor of {:.1} % is {met}\n",
        FLOOR * 100.0
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(offences: Vec<String>) -> Outcome {
        let slots = Slots { due: 1_000, checked: 998 };
        let missed = [("takeover".to_owned(), 2)].into();
        let uptime =
            Uptime { ledger: slots, outside: slots, missed, offences, ..Uptime::default() };
        Outcome {
            verdict: Verdict {
                row: 0,
                scenario: "soak".to_owned(),
                seed: 7,
                rounds: 1,
                seconds: 60.0,
                not_run: None,
                failed: None,
                invariants: vec![('P', Judgement::default())],
            },
            uptime: Some(uptime),
            growth: Vec::new(),
            flat: Judgement::default(),
            periods: Vec::new(),
            not_injected: vec![("ring", "it needs root".to_owned())],
        }
    }

    #[test]
    fn the_end_says_both_counts_the_floor_and_what_was_not_done() {
        let held = outcome(Vec::new());
        let text = held.text();
        assert!(held.held());
        for part in [
            "ledger   1000       998      99.80000 %\n",
            "outside  1000       998      99.80000 %\n",
            "equal: 0 answered slots are not recorded",
            "missed: 2 takeover\n",
            "the floor of 99.9 % is NOT met\n",
            "\nnot injected: ring: it needs root\n",
        ] {
            assert!(text.contains(part), "{part:?} is not in\n{text}");
        }
        assert!(text.ends_with("\nthe soak held\n"), "{text}");
    }

    #[test]
    fn an_offence_breaks_it_and_is_named() {
        let broken = outcome((0..12).map(|n| format!("http:{n}: odd")).collect());
        let text = broken.text();
        assert!(!broken.held() && text.contains("NOT EQUAL"), "{text}");
        assert!(text.contains("\nhttp:9: odd\nand 2 more\nthe soak is BROKEN\n"), "{text}");
        let mut failed = outcome(Vec::new());
        (failed.uptime, failed.verdict.failed) = (None, Some("it fell".to_owned()));
        assert!(!failed.held() && failed.text().contains("it fell"));
    }
}
