//! What is wrong with a configuration, each problem with its file, line and key.

use std::fmt;

use serde::Serialize;

use super::place::{Place, Source, Sources, Spot};

/// The most problems that are shown to people at once; programs get them all.
const SHOWN: usize = 200;

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct ConfigProblem {
    /// The file, or the environment variable or flag.
    pub(crate) source: String,
    /// The line, where the source has lines.
    pub(crate) line: Option<u32>,
    /// The key, such as `resources[3].check.http.url`; empty for the whole document.
    pub(crate) key: String,
    /// What is wrong, what is allowed, and the nearest known key.
    pub(crate) detail: String,
    /// The order among the problems.
    #[serde(skip)]
    order: Option<Spot>,
}

/// A configuration that cannot be used: every problem at once.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) struct Invalid {
    /// In the order of the files and their lines; never empty.
    pub(crate) problems: Vec<ConfigProblem>,
}

impl ConfigProblem {
    /// A problem of a whole file, such as one that cannot be read.
    pub(crate) fn of_file(source: impl Into<String>, detail: impl Into<String>) -> Self {
        let (source, detail) = (source.into(), detail.into());
        Self { source, line: None, key: String::new(), detail, order: None }
    }

    /// A problem at a spot.
    pub(crate) fn at(
        sources: &Sources,
        spot: Spot,
        key: impl Into<String>,
        detail: impl Into<String>,
    ) -> Self {
        let line = match sources.get(spot.source) {
            Source::File(_) => Some(spot.line),
            Source::Override(_) => None,
        };
        let source = sources.name(spot.source).to_owned();
        Self { source, line, key: key.into(), detail: detail.into(), order: Some(spot) }
    }

    /// A decoder's problem, its pointer turned into a line.
    pub(crate) fn located(
        sources: &Sources,
        root: &Place,
        problem: model::decode::Problem,
    ) -> Self {
        let found = root.find(&problem.pointer);
        Self::at(sources, found.spot, found.key, problem.detail)
    }
}

impl Invalid {
    /// Sorts the problems by file and line.
    pub(crate) fn new(mut problems: Vec<ConfigProblem>) -> Self {
        problems.sort_by_key(|problem| problem.order);
        Self { problems }
    }
}

impl fmt::Display for ConfigProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.source)?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        if !self.key.is_empty() {
            write!(f, ": {}", self.key)?;
        }
        write!(f, ": {}", self.detail)
    }
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for problem in self.problems.iter().take(SHOWN) {
            writeln!(f, "{problem}")?;
        }
        let more = self.problems.len().saturating_sub(SHOWN);
        if more > 0 {
            writeln!(f, "and {more} more; `-o json` lists all of them")?;
        }
        Ok(())
    }
}
