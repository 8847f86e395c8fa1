//! `soak`: its arguments, and its end by whoever started it.

use std::{future::pending, path::PathBuf, process::ExitCode};

use anyhow::Result;
use clap::Args;
use model::Millis;
use tokio::signal::unix::{SignalKind, signal};

use super::{Common, code, print};
use crate::{progress::say, soak};

/// The status of a program that was interrupted, by the shells' convention.
const INTERRUPTED: u8 = 130;
/// Longer schedules begin otherwise (decision 3), which the outside count does not follow.
const LONGEST: Millis = Millis::from_secs(10);
const SHORTEST: Millis = Millis::from_secs(1);
const MINUTE: u64 = 60_000;

#[derive(Debug, Args)]
pub(super) struct Soak {
    /// For how many minutes
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    minutes: u32,
    /// How many resources are watched
    #[arg(long, default_value_t = 2_000,
        value_parser = clap::value_parser!(u32).range(10..=100_000))]
    resources: u32,
    /// How often each is checked, from 1s to 10s
    #[arg(long, default_value = "10s", value_parser = interval)]
    interval: Millis,
    /// How often something is done to a node
    #[arg(long, default_value = "60s", value_parser = period)]
    every: Millis,
    /// Where samples, history and verdict are written
    #[arg(long, visible_alias = "out", default_value = "chaos-results")]
    results: PathBuf,
    #[command(flatten)]
    common: Common,
}

impl Soak {
    /// Runs it. Where somebody ends it, everything is stopped, and nothing is judged.
    pub(super) async fn run(&self) -> Result<ExitCode> {
        let soak = self.soak();
        let outcome = tokio::select! {
            outcome = Box::pin(soak::run(&soak)) => outcome?,
            () = interrupted() => {
                say("interrupted: all nodes are stopped, nothing is judged");
                return Ok(ExitCode::from(INTERRUPTED));
            }
        };
        print(&outcome.text());
        Ok(code(outcome.held()))
    }

    fn soak(&self) -> soak::Soak {
        let faults = u64::from(self.minutes) * MINUTE / self.every.0;
        let faults = u32::try_from(faults.max(1)).unwrap_or(u32::MAX);
        soak::Soak {
            options: self.common.options(faults),
            resources: self.resources as usize,
            interval: self.interval.0,
            every: self.every.as_duration(),
            results: self.results.clone(),
        }
    }
}

fn interval(text: &str) -> Result<Millis, String> {
    let interval = period(text)?;
    if interval > LONGEST {
        return Err(format!("expected at most {LONGEST}"));
    }
    Ok(interval)
}

fn period(text: &str) -> Result<Millis, String> {
    let period: Millis =
        text.parse().map_err(|why: model::time::InvalidDuration| why.to_string())?;
    if period < SHORTEST {
        return Err(format!("expected at least {SHORTEST}"));
    }
    Ok(period)
}

/// Waits until this program is to end, by Ctrl-C or by a service manager.
async fn interrupted() {
    let signals = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()));
    let (Ok(mut interrupt), Ok(mut terminate)) = signals else { return pending().await };
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_that_the_count_or_the_machine_cannot_follow_are_refused() {
        assert_eq!(interval("10s"), Ok(LONGEST));
        assert_eq!(period("90s"), Ok(Millis(90_000)));
        for bad in ["11s", "1h", "0s", "500ms", "ten"] {
            assert!(interval(bad).is_err(), "{bad}");
        }
    }
}
