//! Part of **C**: a threshold with a holding time is told when its time has come, restart or
//! not: neither before (SEMANTICS 3), nor later than the next observation allows.

use crate::history::{History, TimerNote};

pub(super) fn violations(history: &History) -> Vec<String> {
    history.timers.iter().filter_map(violation).collect()
}

fn violation(timer: &TimerNote) -> Option<String> {
    let TimerNote { id, asked, since, hold, slack, told, until } = timer;
    let latest = since + hold + slack;
    match told {
        Some(told) if told < &(asked + hold) => {
            Some(format!("{id}: told after {} ms, must hold for {hold}", told - asked))
        }
        Some(told) if *told > latest => Some(format!(
            "{id}: told {} ms after the first violation, must be after {hold}",
            told - since
        )),
        None if *until > latest => {
            Some(format!("{id}: not told {} ms after the first violation", until - since))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::invariants::fixture::well;

    #[test]
    fn a_level_that_comes_too_early_too_late_or_never_is_found() {
        for (told, until, count) in [
            (Some(4_100), 4_100, 0),
            (Some(3_900), 3_900, 1),
            (Some(5_200), 5_200, 1),
            (None, 4_500, 0),
            (None, 5_200, 1),
        ] {
            let mut history = well();
            let (asked, since, hold, slack) = (1_000, 1_010, 3_000, 1_000);
            let id = "load:0".to_owned();
            history.timers.push(TimerNote { id, asked, since, hold, slack, told, until });
            assert_eq!(violations(&history).len(), count, "{told:?} {until}");
        }
    }
}
