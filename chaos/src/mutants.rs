//! Known bugs, one line each behind the node's feature `chaos`, and the scenario that has to
//! catch each: a suite that lets one through proves nothing.
//!
//! Invariant: a bug counts as caught only where the same scenario holds on the same build of
//! the node, under the same help, without the bug.

use std::collections::BTreeMap;

use anyhow::{Result, bail};

use crate::{
    mechanism::fail_points::{self, joined},
    progress::say,
    report,
    runner::{self, Options, Verdict},
    scenario::Scenario,
    scenarios,
};

/// One seeded bug, and what brings it to light.
#[derive(Debug, Clone, Copy)]
pub struct Mutant {
    /// What it does wrong.
    pub name: &'static str,
    /// The node's fail point that is the bug.
    pub bug: &'static str,
    /// Harmless fail points that widen its window; empty where it needs none.
    pub with: &'static str,
    /// The scenario that has to catch it.
    pub scenario: &'static str,
}

/// All of them.
pub const ALL: &[Mutant] = &[
    Mutant {
        name: "acknowledge-before-the-fsync",
        bug: "bug-ack-before-fsync=return",
        with: "before-sync=sleep(20)",
        scenario: "kill",
    },
    Mutant {
        name: "skip-an-fsync",
        bug: "bug-skip-fsync=50%return",
        with: "",
        scenario: "power-cut",
    },
    Mutant {
        name: "verify-no-checksums",
        bug: "bug-bad-checksum=return",
        with: "",
        scenario: "misread",
    },
    Mutant {
        name: "publish-before-commit",
        bug: "bug-publish-before-commit=return(100)",
        with: "before-sync=sleep(20)",
        scenario: "kill",
    },
    Mutant {
        name: "cursor-past-an-unacknowledged-entry",
        bug: "bug-cursor-ahead=return",
        with: "sink-fails=10%return",
        scenario: "kill",
    },
    Mutant {
        name: "publish-before-commit-into-a-topic",
        bug: "bug-publish-before-commit=return(200)",
        // A broker takes longer than a file.
        with: "before-sync=sleep(80)",
        scenario: "broker-of-one",
    },
    Mutant {
        name: "cursor-past-what-a-broker-refused",
        bug: "bug-cursor-ahead=return",
        with: "",
        scenario: "broker-refusing",
    },
    Mutant {
        name: "resume-after-the-last-of-a-topic",
        bug: "bug-resume-after-last=return",
        with: "",
        scenario: "broker-refusing",
    },
    Mutant {
        name: "resume-without-reading-the-topic",
        bug: "bug-no-tail-read=return",
        with: "",
        scenario: "broker-emptied",
    },
    Mutant {
        name: "drop-the-slots-of-a-restart",
        bug: "bug-restart-slots=return",
        with: "",
        scenario: "kill-long",
    },
    Mutant {
        name: "accept-a-slot-twice",
        bug: "bug-slot-twice=return",
        with: "report-repeats=return",
        scenario: "kill",
    },
    Mutant {
        name: "lose-a-for-timer-at-a-restart",
        bug: "bug-lose-for-timer=return",
        with: "",
        scenario: "kill-timers",
    },
    Mutant {
        name: "report-a-probes-own-fault-as-critical",
        bug: "bug-fault-is-critical=return",
        with: "",
        scenario: "crashes",
    },
    Mutant {
        name: "skip-a-slot-on-transfer",
        bug: "bug-skip-slot=return",
        with: "",
        scenario: "planned",
    },
];

/// What came of all of them.
#[derive(Debug)]
pub struct Outcome {
    /// The table for people.
    pub text: String,
    /// Whether every bug was caught.
    pub all_caught: bool,
}

/// Scenario and help, and what came of them without a bug.
type Sound = BTreeMap<(&'static str, &'static str), Verdict>;

/// Runs each bug's scenario on the binary that has it, after the same without the bug.
///
/// # Errors
/// Where a name is unknown, or there is no build with fail points.
pub async fn run(wanted: &[String], options: &Options) -> Result<Outcome> {
    if let Some(unknown) = wanted.iter().find(|w| !ALL.iter().any(|m| m.name == **w)) {
        let known: Vec<&str> = ALL.iter().map(|mutant| mutant.name).collect();
        bail!("no bug is called {unknown}; there are {}", known.join(", "));
    }
    let binary = Some(fail_points::binary(options.binary.as_deref())?);
    let options = Options { binary, ..options.clone() };
    let (mut rows, mut sound, mut all_caught) = (Vec::new(), Sound::new(), true);
    for mutant in ALL.iter().filter(|m| wanted.is_empty() || wanted.iter().any(|w| w == m.name)) {
        let without = without(mutant, &options, &mut sound).await?;
        if !holds(&without) {
            all_caught = false;
            rows.push(not_shown(mutant, &without));
            continue;
        }
        say(&format!("with the bug {}", mutant.name));
        let verdict = one(mutant, &joined(mutant.with, mutant.bug), &options).await?;
        all_caught &= is_caught(&verdict);
        rows.push(row(mutant, &verdict));
    }
    let headings =
        ["BUG", "SCENARIO", "WITHOUT IT", "CAUGHT BY", "IN ROUND", "SECONDS", "FIRST OFFENCE"];
    Ok(Outcome { text: report::aligned(headings, rows), all_caught })
}

async fn without(mutant: &Mutant, options: &Options, sound: &mut Sound) -> Result<Verdict> {
    let key = (mutant.scenario, mutant.with);
    if let Some(known) = sound.get(&key) {
        return Ok(known.clone());
    }
    say(&format!("without a bug, with fail points {:?}", mutant.with));
    let verdict = one(mutant, mutant.with, options).await?;
    sound.insert(key, verdict.clone());
    Ok(verdict)
}

fn holds(verdict: &Verdict) -> bool {
    !verdict.broke() && verdict.not_run.is_none()
}

async fn one(mutant: &Mutant, points: &str, options: &Options) -> Result<Verdict> {
    let scenario: Scenario =
        scenarios::select(&[mutant.scenario.to_owned()]).map_err(anyhow::Error::msg)?.remove(0);
    let points = joined(&format!("seed={}", options.seed), points);
    Ok(runner::run(&scenario, &Options { points, ..options.clone() }).await.0)
}

/// Only a broken invariant catches; a run that could not be made does not.
fn is_caught(verdict: &Verdict) -> bool {
    verdict.broken().next().is_some()
}

fn row(mutant: &Mutant, verdict: &Verdict) -> [String; 7] {
    let broken = verdict.broken();
    let letters: Vec<String> = broken.clone().map(|(letter, _)| letter.to_string()).collect();
    let first = broken.clone().next().map(|(_, broken)| broken[0].clone());
    let caught = if letters.is_empty() { "NOT CAUGHT".to_owned() } else { letters.join(" ") };
    [
        mutant.name.to_owned(),
        mutant.scenario.to_owned(),
        "held".to_owned(),
        caught,
        verdict.rounds.to_string(),
        format!("{:.0}", verdict.seconds),
        first.or(verdict.failed.clone()).unwrap_or_default(),
    ]
}

/// The scenario itself does not hold, or cannot be run: it would prove nothing.
fn not_shown(mutant: &Mutant, without: &Verdict) -> [String; 7] {
    let (word, why) = match &without.not_run {
        Some(why) => ("not run", why.clone()),
        None => ("NOT HELD", report::details(without).replace('\n', "; ")),
    };
    let [name, scenario, word] = [mutant.name, mutant.scenario, word].map(str::to_owned);
    let nothing = String::new;
    [name, scenario, word, "NOT SHOWN".to_owned(), nothing(), nothing(), why]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bug_names_a_scenario_that_is_there() {
        for mutant in ALL {
            assert!(scenarios::select(&[mutant.scenario.to_owned()]).is_ok(), "{}", mutant.name);
        }
    }
}
