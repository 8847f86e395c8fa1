//! Part of **L**: a checker that others wrote, [porcupine], searches for an order of all operations
//! on a register that explains every answer. Operations whose outcome is unknown may stand anywhere
//! after their call.
//!
//! It runs as a program of its own (`scripts/components porcupine`), which gets one operation a
//! line and answers one verdict.
//!
//! [porcupine]: https://github.com/anishathalye/porcupine

use std::{
    collections::{BTreeMap, BTreeSet},
    io::Write,
    path::Path,
    process::{Command, Stdio},
};

use anyhow::{Context, Result, ensure};
use harness::component;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Judgement;
use crate::history::{Did, History, Operation, ReadNote, State};

/// How long it may search.
const LIMIT: &str = "60s";
/// Registers of which no order could be found in time, that are told by name.
const NAMED: usize = 5;

#[derive(Deserialize)]
struct Verdict {
    operations: usize,
    illegal: Vec<Offence>,
    undecided: Vec<String>,
}

#[derive(Deserialize)]
struct Offence {
    key: String,
    /// How many operations the longest order has.
    ordered: usize,
    /// Those of which none can come next.
    stuck: Vec<usize>,
    /// The end of that order.
    last: Vec<usize>,
}

pub(super) fn judge(history: &History) -> Judgement {
    let operations = all(history);
    if operations.is_empty() {
        return Judgement::default();
    }
    let verdict = component::find_now("porcupine")
        .map_err(anyhow::Error::from)
        .and_then(|program| ask(&program, LIMIT, &operations));
    match verdict {
        Ok(verdict) => Judgement {
            broken: verdict.illegal.iter().map(|offence| told(offence, &operations)).collect(),
            not_judged: undecided(&verdict.undecided),
        },
        Err(why) => Judgement { broken: Vec::new(), not_judged: Some(format!("{why:#}")) },
    }
}

/// What clients did that share a register, and those that have one for themselves; and the look at
/// the end.
fn all(history: &History) -> Vec<Operation> {
    let writes = history.writes.iter().map(Operation::of_write);
    let reads = history.reads.iter().map(Operation::of_read);
    let own = writes.chain(reads);
    history.operations.iter().cloned().chain(own).chain(last_reads(history)).collect()
}

/// All rows are read at the end: each resource that clients share is, also where it is gone.
fn last_reads(history: &History) -> Vec<Operation> {
    let State { asked, answered, rows, .. } = &history.state;
    if *answered == 0 {
        return Vec::new();
    }
    let shown: BTreeMap<&str, Option<u64>> =
        rows.iter().map(|row| (row.id.as_str(), row.version)).collect();
    let resources = history.operations.iter().map(|one| one.key.as_str());
    let shared: BTreeSet<&str> = resources.filter(|key| key.contains(':')).collect();
    let read = |id: &str| {
        let (asked, answered) = (*asked, *answered);
        let version = shown.get(id).copied().flatten();
        Operation::of_read(&ReadNote { id: id.to_owned(), asked, answered, version })
    };
    shared.into_iter().map(read).collect()
}

fn ask(program: &Path, limit: &str, operations: &[Operation]) -> Result<Verdict> {
    let mut command = Command::new(program);
    command.args(["-limit", limit]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.stderr(Stdio::piped()).spawn().context("cannot run porcupine")?;
    let mut input = child.stdin.take().context("porcupine has no standard input")?;
    // It reads all of it before it writes.
    let written = input.write_all(lines(operations).as_bytes());
    drop(input);
    let output = child.wait_with_output()?;
    let words = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "porcupine ended with {}: {}", output.status, words.trim());
    written.context("porcupine did not read everything")?;
    let verdict: Verdict = serde_json::from_slice(&output.stdout).context("no verdict")?;
    let (sent, counted) = (operations.len(), verdict.operations);
    ensure!(counted == sent, "porcupine has counted {counted} of {sent} operations");
    Ok(verdict)
}

fn lines(operations: &[Operation]) -> String {
    operations.iter().enumerate().map(|(id, one)| line(id, one).to_string() + "\n").collect()
}

fn line(id: usize, operation: &Operation) -> Value {
    let Operation { client, key, did, called, returned } = operation;
    let (op, value) = match did {
        Did::Put(value) => ("put", Some(value.to_string())),
        Did::Clear => ("clear", None),
        Did::Get(value) => ("get", value.map(|value| value.to_string())),
    };
    json!({
        "id": id, "client": client, "key": key, "op": op, "value": value,
        "call": called, "return": returned,
    })
}

fn told(offence: &Offence, operations: &[Operation]) -> String {
    let Offence { key, ordered, stuck, last } = offence;
    let list = |ids: &[usize]| {
        let found = ids.iter().filter_map(|id| operations.get(*id)).map(one);
        found.collect::<Vec<_>>().join(", ")
    };
    format!(
        "{key} is not linearizable: {ordered} operations can be ordered, at the end {}; then none \
         of these can follow: {}",
        list(last),
        list(stuck)
    )
}

fn one(operation: &Operation) -> String {
    let Operation { client, did, called, returned, .. } = operation;
    let until = returned.map_or("?".to_owned(), |returned| returned.to_string());
    format!("{did:?} by {client} from {called} to {until} us")
}

fn undecided(keys: &[String]) -> Option<String> {
    let by_name: BTreeMap<&String, ()> = keys.iter().map(|key| (key, ())).collect();
    let named: Vec<&str> = by_name.keys().take(NAMED).map(|key| key.as_str()).collect();
    let (many, named) = (keys.len(), named.join(", "));
    (many > 0).then(|| format!("no verdict on {many} registers within {LIMIT}: {named}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::Row;

    fn operation(did: Did, called: u64, returned: Option<u64>) -> Operation {
        Operation { client: called, key: "push:a".to_owned(), did, called, returned }
    }

    /// A history whose last read shows this.
    fn shows(last: Option<u64>) -> History {
        let operations = vec![
            operation(Did::Put(1), 0, Some(10)),
            operation(Did::Put(2), 20, None),
            operation(Did::Get(Some(2)), 30, Some(40)),
            operation(Did::Put(3), 50, Some(60)),
            operation(Did::Get(last), 70, Some(80)),
        ];
        History { operations, ..History::default() }
    }

    /// Whether the real checker is to be had; a test of it says so where it is not.
    fn is_here() -> bool {
        let found = component::find_now("porcupine");
        if let Err(why) = &found {
            let line = format!("skipped: invariants::porcupine: {why}");
            let _ = writeln!(std::io::stderr(), "{line}");
        }
        found.is_ok()
    }

    #[test]
    fn a_stale_read_after_a_newer_acknowledged_write_is_found_by_the_real_checker() {
        if !is_here() {
            return;
        }
        assert!(judge(&shows(Some(3))).held());
        for last in [Some(2), Some(1), Some(7), None] {
            let found = judge(&shows(last));
            assert_eq!((found.broken.len(), &found.not_judged), (1, &None), "{last:?}");
            assert!(found.broken[0].contains("push:a is not linearizable"), "{found:?}");
            assert!(found.broken[0].contains("from 70 to 80 us"), "{found:?}");
        }
    }

    #[test]
    fn resources_with_one_writer_are_given_to_it_too() {
        if !is_here() {
            return;
        }
        let mut history = crate::invariants::fixture::well();
        assert!(judge(&history).held());
        history.reads[1].version = Some(1);
        assert_eq!(judge(&history).broken.len(), 1);
    }

    #[test]
    fn what_the_look_at_the_end_shows_is_a_read_like_any_other() {
        if !is_here() {
            return;
        }
        let mut history = shows(Some(3));
        (history.state.asked, history.state.answered) = (1, 2);
        let gone = judge(&history);
        assert!(gone.broken.len() == 1 && gone.broken[0].contains("Get(None)"), "{gone:?}");
        let row = Row { id: "push:a".to_owned(), version: Some(3), ..Row::default() };
        history.state.rows = vec![row];
        assert!(judge(&history).held());
    }

    #[test]
    fn what_it_has_no_time_for_is_not_judged() {
        if !is_here() {
            return;
        }
        let program = component::find_now("porcupine").unwrap();
        let verdict = ask(&program, "0s", &all(&shows(Some(3)))).unwrap();
        assert!(undecided(&verdict.undecided).unwrap().contains("push:a"));
    }

    #[test]
    fn a_checker_that_fails_or_counts_otherwise_has_judged_nothing() {
        for (program, why) in [("/nowhere", "cannot run"), ("/bin/false", "ended with")] {
            let failed = ask(Path::new(program), LIMIT, &all(&shows(None))).err().unwrap();
            assert!(format!("{failed:#}").contains(why), "{failed:#}");
        }
    }
}
