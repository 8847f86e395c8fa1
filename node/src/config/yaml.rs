//! Reads YAML into a tree of values that knows its lines.
//!
//! Invariant: depth and size are bounded before anything is built, aliases included.

mod builder;
#[cfg(test)]
mod tests;

use saphyr_parser::{Event, Parser};

use super::place::{SourceId, Spot, Tree};
use builder::Builder;

/// The deepest nesting.
pub(super) const MAX_DEPTH: usize = 64;

/// The most faults of one file; each costs a look at its neighbours.
pub(super) const MAX_FAULTS: usize = 1_000;

/// One thing that is wrong with a file's YAML.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    /// Where.
    pub(super) spot: Spot,
    /// The key concerned, where there is one.
    pub(super) key: String,
    /// What is wrong.
    pub(super) detail: String,
}

/// What a file's text holds.
#[derive(Debug, Default)]
pub(super) struct Parsed {
    /// The document; none where there is none, or where it broke off.
    pub(super) tree: Option<Tree>,
    /// All that is wrong.
    pub(super) faults: Vec<Fault>,
    /// Whether reading broke off, so that what follows is not known.
    pub(super) broken: bool,
}

/// Reads one document. `budget` is how many values may still be built, over all files.
pub(super) fn parse(text: &str, source: SourceId, budget: &mut usize) -> Parsed {
    let mut builder = Builder::new(source, budget);
    let mut parser = Parser::new_from_str(text.trim_start_matches('\u{feff}'));
    while let Some(next) = parser.next_event() {
        let done = match next {
            Ok((Event::StreamEnd, _)) => break,
            Ok((event, span)) => builder.take(event, line(span.start.line())),
            Err(error) => {
                let at = line(error.marker().line());
                builder.break_off(at, format!("is not YAML: {}", error.info()))
            }
        };
        if done.is_break() {
            break;
        }
    }
    builder.finish()
}

fn line(line: usize) -> u32 {
    u32::try_from(line.max(1)).unwrap_or(u32::MAX)
}
