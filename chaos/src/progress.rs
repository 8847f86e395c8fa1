//! Tells a person what goes on, on standard error: one line that is redrawn on a terminal, one
//! line per scenario elsewhere.

use std::{
    cell::Cell,
    io::{IsTerminal, Write},
};

use crate::{runner::Options, scenario::Scenario};

/// Writes a line to standard error.
pub fn say(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// The progress of one scenario.
#[derive(Debug)]
pub struct Progress {
    name: &'static str,
    rounds: u32,
    redraw: bool,
    drawn: Cell<bool>,
}

impl Progress {
    pub(crate) fn start(scenario: &Scenario, options: &Options) -> Self {
        let Scenario { row, name, fault, .. } = scenario;
        say(&format!("row {row} {name}: {fault}; seed {}", options.seed));
        let redraw = std::io::stderr().is_terminal() && !options.verbose;
        Self { name, rounds: options.rounds, redraw, drawn: Cell::new(false) }
    }

    pub(crate) fn round(&self, round: u32) {
        if self.redraw {
            let _ =
                write!(std::io::stderr(), "\r  {}: round {round} of {}", self.name, self.rounds);
            self.drawn.set(true);
        } else {
            say(&format!("  {}: round {round} of {}", self.name, self.rounds));
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.drawn.get() {
            say("");
        }
    }
}
