//! Which faults a soak draws from, and in which order.
//!
//! They are those of the scenarios of three nodes, begun and healed by the same code.

use anyhow::Result;
use rand::{SeedableRng, rngs::StdRng, seq::SliceRandom};

use crate::{
    scenario::{Fault, Scenario, Site},
    scenarios,
};

/// The scenarios. Those that lose, reorder or delay packets are not among them: under these, leads
/// may move as often as they like, and the soak judges by **M** that they do not.
const FAULTS: [&str; 8] = [
    "leader-kill",
    "follower-kill",
    "planned",
    "leader-pause",
    "slow-disk-of-three",
    "partition",
    "ring",
    "one-way",
];
/// Those that end a process.
const ENDING: [&str; 3] = ["leader-kill", "follower-kill", "planned"];

/// What this machine can do, and what not and why.
pub(super) fn possible() -> (Vec<Scenario>, Vec<(&'static str, String)>) {
    let (mut possible, mut missing) = (Vec::new(), Vec::new());
    for scenario in scenarios::ALL.iter().filter(|scenario| FAULTS.contains(&scenario.name)) {
        match scenario.missing(None) {
            None => possible.push(*scenario),
            Some(why) => missing.push((scenario.name, why)),
        }
    }
    (possible, missing)
}

/// A fault that may be drawn.
pub(super) struct Drawn {
    pub(super) scenario: Scenario,
    pub(super) fault: Box<dyn Fault>,
}

impl Drawn {
    /// Whether the process of its victim is another one afterwards.
    pub(super) fn ends_a_process(&self) -> bool {
        ENDING.contains(&self.scenario.name)
    }
}

/// The faults of a soak.
pub(super) struct Draw {
    faults: Vec<Drawn>,
    order: Order,
}

impl Draw {
    /// Prepares the faults of these scenarios.
    ///
    /// # Errors
    /// Where one cannot be prepared.
    pub(super) fn begin(scenarios: &[Scenario], site: &mut Site<'_>) -> Result<Self> {
        let mut faults = Vec::new();
        for scenario in scenarios {
            let fault = (scenario.begin)(site)?;
            faults.push(Drawn { scenario: *scenario, fault });
        }
        let order = Order::new(faults.len(), site.seed);
        Ok(Self { faults, order })
    }

    /// The next one.
    pub(super) fn draw(&mut self) -> &mut Drawn {
        let place = self.order.place();
        &mut self.faults[place]
    }
}

/// All places below a count in an order by the seed, then all of them in another one, and so on: in
/// a short soak, too, each comes about as often as any other.
struct Order {
    count: usize,
    left: Vec<usize>,
    random: StdRng,
}

impl Order {
    fn new(count: usize, seed: u64) -> Self {
        Self { count, left: Vec::new(), random: StdRng::seed_from_u64(seed) }
    }

    fn place(&mut self) -> usize {
        if self.left.is_empty() {
            self.left = (0..self.count).collect();
            self.left.shuffle(&mut self.random);
        }
        self.left.pop().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::soak::INVARIANTS;

    fn scenario(name: &str) -> Scenario {
        scenarios::select(&[name.to_owned()]).unwrap()[0]
    }

    #[test]
    fn every_fault_is_of_three_nodes_without_fail_points_and_keeps_what_the_soak_judges() {
        for name in FAULTS {
            let scenario = scenario(name);
            assert!(scenario.nodes == 3 && !scenario.fail_points, "{name}");
            // The gap is bounded where the scenario says so; the soak leaves out the others' spans.
            let judged = INVARIANTS.chars().filter(|letter| *letter != 'G');
            for letter in judged {
                assert!(scenario.invariants.contains(letter), "{name} {letter}");
            }
        }
        assert!(ENDING.iter().all(|name| FAULTS.contains(name)));
    }

    #[test]
    fn the_order_follows_from_the_seed_and_each_comes_once_before_any_comes_again() {
        let places = |seed| {
            let mut order = Order::new(8, seed);
            (0..24).map(|_| order.place()).collect::<Vec<_>>()
        };
        assert_eq!(places(7), places(7));
        assert_ne!(places(7), places(8));
        for eight in places(7).chunks(8) {
            let mut sorted = eight.to_vec();
            sorted.sort_unstable();
            assert_eq!(sorted, (0..8).collect::<Vec<_>>());
        }
    }
}
