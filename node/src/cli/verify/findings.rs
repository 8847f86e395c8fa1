//! What was found: counts for all, places for the first.

use std::path::PathBuf;

use model::WallTime;
use serde::Serialize;
use serde_json::{Value, json};

use super::streams::Totals;
use crate::cli::text::{grouped, printable};

/// How many offenders are shown.
const SHOWN: usize = 20;

/// A line of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct At {
    /// Which file, in the order of the command line.
    pub(super) file: usize,
    /// Which line, from 1.
    pub(super) line: u64,
}

/// All that is wrong, the first of it with its place.
#[derive(Debug, Default)]
pub(super) struct Findings {
    /// How many.
    pub(super) count: u64,
    /// The first of them.
    pub(super) first: Vec<(At, String)>,
}

/// What the files hold, and what is wrong with them.
#[derive(Debug, Default)]
pub(super) struct Report {
    /// The files.
    pub(super) files: Vec<PathBuf>,
    /// Distinct events.
    pub(super) events: u64,
    /// What repeats and what is lost.
    pub(super) totals: Totals,
    /// Shards that they are of.
    pub(super) shards: usize,
    /// Resources that they are of.
    pub(super) resources: usize,
    /// The earliest.
    pub(super) first: Option<WallTime>,
    /// The latest.
    pub(super) last: Option<WallTime>,
    /// Whether there were too many events to compare every id with every other.
    pub(super) ids_forgotten: bool,
    /// What is wrong.
    pub(super) findings: Findings,
}

#[derive(Serialize)]
struct Offender<'a> {
    file: &'a PathBuf,
    line: u64,
    detail: &'a str,
}

impl Findings {
    /// Notes one.
    pub(super) fn report(&mut self, at: At, detail: impl FnOnce() -> String) {
        self.count += 1;
        if self.first.len() < SHOWN {
            self.first.push((at, detail()));
        }
    }

    /// Whether nothing is wrong.
    pub(super) fn is_clean(&self) -> bool {
        self.count == 0
    }
}

impl Report {
    /// Takes the time of an event into account.
    pub(super) fn saw(&mut self, time: WallTime) {
        self.first = Some(self.first.map_or(time, |first| first.min(time)));
        self.last = Some(self.last.map_or(time, |last| last.max(time)));
    }

    /// For programs.
    pub(super) fn to_json(&self) -> Value {
        let offenders: Vec<Offender<'_>> = self
            .findings
            .first
            .iter()
            .map(|(at, detail)| Offender { file: &self.files[at.file], line: at.line, detail })
            .collect();
        json!({
            "files": self.files, "events": self.events,
            "repeats": self.totals.repeats, "sent_again": self.totals.again, "gaps": self.totals.gaps,
            "lost_events": self.totals.lost, "shards": self.shards, "resources": self.resources,
            "first": self.first, "last": self.last,
            "problems": self.findings.count, "first_problems": offenders,
        })
    }

    /// The places of the first offenders.
    pub(super) fn names(&self) -> Vec<String> {
        self.findings.first.iter().map(|(at, _)| self.place(*at)).collect()
    }

    /// For people.
    pub(super) fn to_text(&self) -> String {
        let mut text: String = self
            .findings
            .first
            .iter()
            .map(|(at, detail)| format!("{}: {}\n", self.place(*at), printable(detail)))
            .collect();
        let more = self.findings.count - self.findings.first.len() as u64;
        if more > 0 {
            text.push_str(&format!("and {} more\n", grouped(more)));
        }
        text.push_str(&self.summary());
        text
    }

    fn place(&self, at: At) -> String {
        format!("{}:{}", self.files[at.file].display(), at.line)
    }

    fn summary(&self) -> String {
        let span = match (self.first, self.last) {
            (Some(first), Some(last)) => format!(", {first} to {last}"),
            _ => String::new(),
        };
        let repeats = match self.totals.repeats {
            0 => String::new(),
            n => format!(", {} repeated in another file", grouped(n)),
        };
        let again = match self.totals.again {
            0 => String::new(),
            n => format!(", {} sent again", grouped(n)),
        };
        let gaps = gaps(self.totals);
        let ids = match self.ids_forgotten {
            true => "; ids were compared among neighbours only",
            false => "",
        };
        let verdict = match self.findings.count {
            0 if self.totals.gaps > 0 => "in order, and complete but for the gaps".to_owned(),
            0 => "complete and in order".to_owned(),
            1 => "1 problem".to_owned(),
            n => format!("{} problems", grouped(n)),
        };
        format!(
            "{} events of {} resources in {} shards{repeats}{again}{gaps}{span}{ids}: {verdict}\n",
            grouped(self.events),
            grouped(self.resources as u64),
            self.shards
        )
    }
}

fn gaps(totals: Totals) -> String {
    let lost = match totals.lost {
        1 => "1 event".to_owned(),
        n => format!("{} events", grouped(n)),
    };
    match totals.gaps {
        0 => String::new(),
        1 => format!(", 1 gap that stands for {lost}"),
        n => format!(", {} gaps that stand for {lost}", grouped(n)),
    }
}
