//! Verdicts: what must hold whatever was killed. Each returns what is wrong, as text.

mod coverage;
mod events;
mod probes;

pub use coverage::{Ledger, adds_up};
pub use events::{EventFile, Told};
pub use probes::{Bounds, within_bounds};

use anyhow::{Result, bail};

/// Most of the violations that one verdict shows.
const SHOWN: usize = 20;

/// Turns violations into one error that shows the first of them.
///
/// # Errors
/// Where there is any.
pub fn none(what: &str, violations: &[String]) -> Result<()> {
    if violations.is_empty() {
        return Ok(());
    }
    let shown = &violations[..violations.len().min(SHOWN)];
    bail!("{what}: {} violations:\n{}", violations.len(), shown.join("\n"))
}
