//! Outcomes of writes, kept for callers that repeat them (SEMANTICS 17).
//!
//! Invariant: each is held as the bytes that are stored of it. There may be hundreds of thousands,
//! hardly any is asked for again, and a reply holds whole resources.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use model::{Millis, ShardTime};
use serde::{Deserialize, Serialize};

use crate::{
    command::Reply,
    store::record::{Damaged, Record, decode},
};

/// The outcome of a write.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct StoredRequest {
    pub(crate) at: ShardTime,
    pub(crate) reply: Reply,
}

impl Record for StoredRequest {
    const VERSION: u8 = 1;
}

/// Outcomes by request id, and in the order in which they expire: one that does not depend on
/// whether a replica was restarted.
#[derive(Debug, Clone, Default)]
pub(crate) struct Requests {
    by_id: BTreeMap<Arc<str>, Box<[u8]>>,
    order: BTreeSet<(ShardTime, Arc<str>)>,
    /// Of all that is held; the same on every replica, because it is what is stored.
    bytes: usize,
}

impl Requests {
    /// How long an outcome is kept.
    pub(crate) const KEPT: Millis = Millis::from_secs(600);
    /// The most outcomes that are kept.
    pub(crate) const MOST: usize = 100_000;
    /// The most that they may take together: large declarations that are repeated all the time
    /// would fill the memory within the ten minutes.
    pub(crate) const MOST_BYTES: usize = 32 << 20;

    pub(crate) fn holds(&self, id: &str) -> bool {
        self.by_id.contains_key(id)
    }

    /// What a request was answered.
    ///
    /// # Errors
    /// What is held under `key`, the key in the store, is damaged.
    pub(crate) fn get(&self, id: &str, key: &[u8]) -> Result<Option<Reply>, Damaged> {
        let stored = self.by_id.get(id).map(|bytes| decode::<StoredRequest>(key, bytes));
        Ok(stored.transpose()?.map(|stored| stored.reply))
    }

    /// Takes in what is stored of the outcome of a request at `at`.
    pub(crate) fn insert(&mut self, id: &str, at: ShardTime, stored: &[u8]) {
        let id = Arc::<str>::from(id);
        self.bytes += stored.len();
        self.order.insert((at, Arc::clone(&id)));
        self.by_id.insert(id, stored.into());
    }

    /// Removes one outcome that has expired or is too many.
    pub(crate) fn expire(&mut self, now: ShardTime) -> Option<Arc<str>> {
        let (at, _) = self.order.first()?;
        let too_many = self.by_id.len() > Self::MOST || self.bytes > Self::MOST_BYTES;
        if now.since(*at) < Self::KEPT && !too_many {
            return None;
        }
        let (_, id) = self.order.pop_first()?;
        self.bytes -= self.by_id.remove(&id).map_or(0, |stored| stored.len());
        Some(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::record::encode;

    const KEY: &[u8] = b"key";

    fn stored(at: u64) -> Vec<u8> {
        encode(KEY, &StoredRequest { at: ShardTime(at), reply: Reply::Done })
    }

    fn expired(requests: &mut Requests, now: u64) -> Vec<String> {
        let next = || requests.expire(ShardTime(now)).map(|id| id.to_string());
        std::iter::from_fn(next).collect()
    }

    #[test]
    fn semantics_17_outcomes_are_kept_for_ten_minutes_and_the_oldest_go_first() {
        let mut requests = Requests::default();
        for (id, at) in [("b", 2), ("a", 1), ("c", 2)] {
            requests.insert(id, ShardTime(at), &stored(at));
        }
        assert_eq!(requests.get("a", KEY), Ok(Some(Reply::Done)));
        let kept = Requests::KEPT.0;
        assert!(expired(&mut requests, kept).is_empty());
        assert_eq!(expired(&mut requests, kept + 1), ["a"]);
        assert_eq!(requests.get("a", KEY), Ok(None));
        assert_eq!(expired(&mut requests, kept + 2), ["b", "c"]);
        assert_eq!(requests.bytes, 0);
    }

    #[test]
    fn outcomes_are_bounded_by_their_number_and_by_what_they_take() {
        let mut requests = Requests::default();
        for n in 0..=Requests::MOST {
            requests.insert(&format!("{n:07}"), ShardTime(1), &stored(1));
        }
        assert_eq!(expired(&mut requests, 1), ["0000000"]);
        let mut requests = Requests::default();
        let large = vec![0; Requests::MOST_BYTES / 4];
        for id in ["a", "b", "c", "d", "e", "f"] {
            requests.insert(id, ShardTime(1), &large);
        }
        assert_eq!(expired(&mut requests, 1), ["a", "b"]);
    }

    #[test]
    fn a_damaged_outcome_is_an_error_and_no_answer() {
        let mut requests = Requests::default();
        let mut bytes = stored(1);
        bytes[1] ^= 1;
        requests.insert("a", ShardTime(1), &bytes);
        assert!(requests.get("a", KEY).is_err());
    }
}
