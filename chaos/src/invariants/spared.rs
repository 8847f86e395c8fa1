//! **S**: what happens to one shard, load or a move, costs the writes of others little: their 99th
//! percentile is at most a fifth above what it is before or after, or above by what a machine with
//! few processors adds.
//!
//! Where before and after are further apart than that themselves, the machine has other things to
//! do, and a difference says nothing: then it is not judged.

use super::Judgement;
use crate::history::{History, Spared};

/// Of fewer writes there is no such percentile.
const LEAST: usize = 200;

pub(super) fn judge(history: &History) -> Judgement {
    let mut judgement = Judgement::default();
    for spared in &history.spared {
        match violation(spared) {
            _ if fewest(spared) < LEAST => {
                let (under, few) = (&spared.under, fewest(spared));
                let why = format!("{under}: {few} writes were measured, {LEAST} are needed");
                judgement.not_judged = Some(why);
            }
            Some(noise) if is_noisy(spared) => judgement.not_judged = Some(noise),
            wrong => judgement.broken.extend(wrong),
        }
    }
    judgement
}

fn fewest(spared: &Spared) -> usize {
    let Spared { before, meanwhile, after, .. } = spared;
    before.len().min(meanwhile.len()).min(after.len())
}

fn violation(spared: &Spared) -> Option<String> {
    let Spared { under, before, meanwhile, after, .. } = spared;
    let [before, now, after] = [before, meanwhile, after].map(|taken| p99(taken));
    (now > most(before.max(after), spared)).then(|| {
        format!(
            "{under}: the 99th percentile of other shards' writes was {before} us before, \
             {now} us meanwhile, {after} us after it"
        )
    })
}

/// Whether the machine by itself makes a difference as large as one that counts.
fn is_noisy(spared: &Spared) -> bool {
    let (before, after) = (p99(&spared.before), p99(&spared.after));
    before.max(after) > most(before.min(after), spared)
}

/// What is well, beside this.
fn most(beside: u64, spared: &Spared) -> u64 {
    beside + (beside / 5).max(spared.floor)
}

/// The smallest that 99 of 100 do not exceed (nearest rank).
fn p99(taken: &[u64]) -> u64 {
    let mut sorted = taken.to_vec();
    sorted.sort_unstable();
    let rank = (sorted.len() * 99).div_ceil(100);
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spared([before, meanwhile, after]: [u64; 3], count: usize, floor: u64) -> Judgement {
        let spared = Spared {
            under: "a hot shard".to_owned(),
            floor,
            before: vec![before; count],
            meanwhile: vec![meanwhile; count],
            after: vec![after; count],
        };
        judge(&History { spared: vec![spared], ..History::default() })
    }

    #[test]
    fn writes_that_wait_for_another_shard_are_found() {
        for (taken, count, floor, found) in [
            ([10_000, 12_000, 10_000], 200, 0, 0),
            ([10_000, 12_001, 10_000], 200, 0, 1),
            ([10_000, 30_000, 10_000], 200, 20_000, 0),
            ([10_000, 30_001, 10_000], 200, 20_000, 1),
        ] {
            let judgement = spared(taken, count, floor);
            assert_eq!(judgement.broken.len(), found, "{taken:?} {count} {floor}");
            assert_eq!(judgement.not_judged, None);
        }
    }

    #[test]
    fn where_the_machine_is_as_slow_by_itself_or_did_little_nothing_is_judged_or_held() {
        assert!(spared([10_000, 10_000, 10_000], 199, 0).not_judged.is_some());
        let judgement = spared([10_000, 40_000, 13_000], 200, 0);
        assert!(judgement.broken.is_empty() && judgement.not_judged.is_some());
        assert!(spared([10_000, 15_000, 13_000], 200, 0).held());
    }

    #[test]
    fn one_in_a_hundred_may_take_long() {
        let hundred: Vec<u64> = (1..=100).collect();
        assert_eq!((p99(&hundred), p99(&[7]), p99(&[])), (99, 7, 0));
    }
}
