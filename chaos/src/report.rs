//! The table at the end, and the files beside it.

use std::{fs, path::Path};

use anyhow::{Context, Result};
use comfy_table::{ContentArrangement, Table, presets::NOTHING};

use crate::{history::History, invariants::Judgement, runner::Verdict};

/// Violations that are shown of one invariant; the file has all.
const SHOWN: usize = 5;

/// Makes the folder, and tries whether it can be written before minutes are spent on what is to
/// go there.
///
/// # Errors
/// Where it cannot.
pub fn prepare(dir: &Path) -> Result<()> {
    let tried = fs::create_dir_all(dir).and_then(|()| tempfile::tempfile_in(dir));
    let remedy = || format!("cannot write to {}; choose a folder by --out", dir.display());
    tried.map(drop).with_context(remedy)
}

/// Writes the history and the verdict of a run as JSON; answers the history's path.
///
/// # Errors
/// Where the folder cannot be written.
pub fn write(dir: &Path, verdict: &Verdict, history: &History) -> Result<String> {
    let base = format!("{:02}-{}-{}", verdict.row, verdict.scenario, verdict.seed);
    let path = dir.join(format!("{base}.history.json"));
    fs::write(&path, serde_json::to_vec(history)?)?;
    fs::write(dir.join(format!("{base}.verdict.json")), serde_json::to_vec_pretty(verdict)?)?;
    Ok(path.display().to_string())
}

/// Columns that line up, every line ending in a line break.
pub(crate) fn aligned<const N: usize>(
    headings: [&str; N],
    rows: impl IntoIterator<Item = [String; N]>,
) -> String {
    let mut table = Table::new();
    table.load_style(NOTHING).set_content_arrangement(ContentArrangement::Disabled).force_no_tty();
    table.set_header(headings);
    table.add_rows(rows);
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    table.lines().map(|line| line.trim_end().to_owned() + "\n").collect()
}

/// Scenario × invariant × rounds × verdict × seconds, and below it why some were not run, or not
/// judged in full.
#[must_use]
pub fn table(verdicts: &[Verdict]) -> String {
    let reasons = verdicts.iter().filter_map(|v| Some((v.scenario.as_str(), v.not_run.clone()?)));
    let table = aligned(
        ["ROW", "SCENARIO", "INVARIANTS", "ROUNDS", "VERDICT", "SECONDS"],
        verdicts.iter().map(|verdict| {
            [
                verdict.row.to_string(),
                verdict.scenario.clone(),
                letters(verdict),
                verdict.rounds.to_string(),
                outcome(verdict),
                format!("{:.0}", verdict.seconds),
            ]
        }),
    );
    table + &not_here(reasons) + &not_judged(verdicts)
}

/// What could not be judged, with the reason.
fn not_judged(verdicts: &[Verdict]) -> String {
    let of = |verdict: &Verdict| -> String {
        let line = |(letter, why)| format!("  {} {letter}: {why}\n", verdict.scenario);
        verdict.not_judged().map(line).collect()
    };
    let lines: String = verdicts.iter().map(of).collect();
    if lines.is_empty() { lines } else { format!("\nnot judged:\n{lines}") }
}

/// Scenarios that this machine cannot run, each with the reason.
pub(crate) fn not_here<'a>(reasons: impl Iterator<Item = (&'a str, String)>) -> String {
    let line = |(name, why): (&str, String)| format!("  {name}: {why}\n");
    let lines: String = reasons.map(line).collect();
    if lines.is_empty() { lines } else { format!("\nnot run on this machine:\n{lines}") }
}

/// The letters, marked where one is broken or not judged.
fn letters(verdict: &Verdict) -> String {
    let mark = |(letter, found): &(char, Judgement)| match found {
        Judgement { broken, .. } if !broken.is_empty() => format!("{letter}!"),
        Judgement { not_judged: Some(_), .. } => format!("{letter}?"),
        Judgement { .. } => letter.to_string(),
    };
    verdict.invariants.iter().map(mark).collect::<Vec<_>>().join(" ")
}

fn outcome(verdict: &Verdict) -> String {
    match verdict {
        Verdict { not_run: Some(_), .. } => "not run".to_owned(),
        verdict if verdict.held() => "held".to_owned(),
        Verdict { failed: Some(_), .. } => "FAILED".to_owned(),
        verdict if verdict.broke() => "BROKEN".to_owned(),
        verdict => {
            let letters: String = verdict.not_judged().map(|(letter, _)| letter).collect();
            format!("{letters} not judged")
        }
    }
}

/// What went wrong, for people.
#[must_use]
pub fn details(verdict: &Verdict) -> String {
    let mut lines: Vec<String> = verdict.failed.iter().cloned().collect();
    for (letter, broken) in verdict.broken() {
        let shown = broken.iter().take(SHOWN);
        lines.extend(shown.map(|what| format!("{letter}: {what}")));
        if let Some(more) = broken.len().checked_sub(SHOWN).filter(|more| *more > 0) {
            lines.push(format!("{letter}: and {more} more"));
        }
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(broken: &[&str]) -> Verdict {
        Verdict {
            row: 1,
            scenario: "kill".to_owned(),
            seed: 7,
            rounds: 3,
            seconds: 4.4,
            not_run: None,
            failed: None,
            invariants: vec![
                ('A', broken.iter().map(|&b| b.to_owned()).collect::<Vec<_>>().into()),
                ('E', Judgement::default()),
            ],
        }
    }

    #[test]
    fn a_broken_invariant_is_marked_and_explained() {
        assert!(table(&[verdict(&[])]).contains("A E         3       held     4"));
        let broken = verdict(&["lost"; 7]);
        assert!(table(std::slice::from_ref(&broken)).contains("A! E        3       BROKEN   4"));
        assert_eq!(details(&broken).lines().count(), 6);
        assert!(details(&broken).ends_with("A: and 2 more"));
    }

    #[test]
    fn what_was_not_run_is_told_and_never_as_held() {
        let verdict = Verdict { not_run: Some("strace is missing".into()), ..verdict(&[]) };
        let table = table(&[verdict]);
        assert!(table.contains("not run  4"), "{table}");
        assert!(
            table.ends_with("not run on this machine:\n  kill: strace is missing\n"),
            "{table}"
        );
        assert!(!table.contains("held"));
    }

    #[test]
    fn what_was_not_judged_is_told_and_never_as_held() {
        let mut verdict = verdict(&[]);
        verdict.invariants[1].1.not_judged = Some("there is no Go".to_owned());
        assert!(!verdict.held() && !verdict.broke());
        let table = table(&[verdict]);
        assert!(table.contains("A E?        3       E not judged  4"), "{table}");
        assert!(table.ends_with("not judged:\n  kill E: there is no Go\n"), "{table}");
        assert!(!table.contains("held"));
    }

    #[test]
    fn a_folder_that_cannot_be_written_is_refused_with_the_remedy() {
        let dir = tempfile::tempdir().unwrap();
        prepare(&dir.path().join("made")).unwrap();
        let file = dir.path().join("file");
        fs::write(&file, "").unwrap();
        assert!(format!("{:#}", prepare(&file).unwrap_err()).contains("--out"));
    }
}
