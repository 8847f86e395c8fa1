//! Short fuzzing for unit tests, on any toolchain: every file of a corpus, then mutations of
//! them.
//!
//! The same properties run under a coverage-guided fuzzer with `make fuzz`, over the same
//! corpus in `tests/fuzz/corpus/TARGET`.
//!
//! Invariant: a run depends on nothing but its corpus, its number of mutations and its seed,
//! so that what fails once fails again.

mod mutation;

use std::{
    any::Any,
    fs,
    io::Write,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    path::PathBuf,
    time::{Duration, Instant},
};

use rand::{SeedableRng, rngs::StdRng};

use mutation::mutate;

/// The seed of every run, unless `BELLWETHER_SEED` gives another.
const SEED: u64 = 20_261_121;
/// The longest that one input may take, on a machine that does other things too.
const PATIENCE: Duration = Duration::from_secs(10);

/// One file of a corpus.
struct Sample {
    name: String,
    bytes: Vec<u8>,
}

/// Holds a property on every file of the corpus of `target`, then on `mutations` inputs made
/// from them. Prints the seed.
///
/// # Panics
/// Where the property panics or takes more than 10 s, and says with which input; where there
/// is no corpus.
pub fn short(target: &str, mutations: u32, property: impl Fn(&[u8])) {
    let samples = corpus(target);
    let seed = std::env::var("BELLWETHER_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or(SEED);
    note(&format!(
        "fuzz {target}: {} files, {mutations} mutations, BELLWETHER_SEED={seed}",
        samples.len()
    ));
    for sample in &samples {
        hold(&property, &sample.bytes, &format!("corpus/{target}/{}", sample.name));
    }
    let mut random = StdRng::seed_from_u64(seed);
    let seeds: Vec<&[u8]> = samples.iter().map(|sample| &sample.bytes[..]).collect();
    for n in 0..mutations {
        let input = mutate(&seeds, &mut random);
        hold(&property, &input, &format!("mutation {n} of seed {seed}"));
    }
}

/// The files of a target's corpus, by name.
fn corpus(target: &str) -> Vec<Sample> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(target);
    let entries = fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("no corpus at {}: {error}", folder.display()));
    let mut samples: Vec<Sample> = entries
        .map(|entry| {
            let path = entry.expect("a corpus can be listed").path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            Sample { name, bytes: fs::read(&path).expect("a corpus can be read") }
        })
        .collect();
    assert!(!samples.is_empty(), "{} is empty", folder.display());
    samples.sort_by(|a, b| a.name.cmp(&b.name));
    samples
}

fn hold(property: &impl Fn(&[u8]), input: &[u8], origin: &str) {
    let started = Instant::now();
    let outcome = catch_unwind(AssertUnwindSafe(|| property(input)));
    let took = started.elapsed();
    if let Err(panic) = outcome {
        report(input, origin, "the property does not hold");
        resume_unwind(panic as Box<dyn Any + Send>);
    }
    if took > PATIENCE {
        report(input, origin, "took too long");
        panic!("{origin} took {took:?}");
    }
}

/// Shows an input so that it can be put into the corpus with `printf`.
fn report(input: &[u8], origin: &str, why: &str) {
    note(&format!("{origin}: {why} with b\"{}\"", input.escape_ascii()));
}

/// A line that libtest does not capture.
fn note(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    fn inputs(mutations: u32) -> Vec<Vec<u8>> {
        let seen = RefCell::new(Vec::new());
        short("selector", mutations, |input| seen.borrow_mut().push(input.to_vec()));
        seen.into_inner()
    }

    #[test]
    fn a_run_replays_the_corpus_and_repeats_its_mutations() {
        let files = corpus("selector").len();
        let first = inputs(50);
        assert_eq!(first.len(), files + 50);
        assert_eq!(first, inputs(50), "the same seed makes the same inputs");
        let distinct: std::collections::BTreeSet<_> = first.iter().collect();
        assert!(distinct.len() > files + 30, "mutations differ");
    }

    #[test]
    #[should_panic(expected = "found")]
    fn a_property_that_does_not_hold_fails_the_run() {
        short("selector", 1_000, |input| assert!(!input.contains(&0xff), "found"));
    }
}
