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
}

impl Requests {
    /// How long an outcome is kept.
    pub(crate) const KEPT: Millis = Millis::from_secs(600);
    /// The most outcomes that are kept.
    pub(crate) const MOST: usize = 100_000;

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
        self.order.insert((at, Arc::clone(&id)));
        self.by_id.insert(id, stored.into());
    }

    /// Removes one outcome that has expired or is too many.
    pub(crate) fn expire(&mut self, now: ShardTime) -> Option<Arc<str>> {
        let (at, _) = self.order.first()?;
        if now.since(*at) < Self::KEPT && self.by_id.len() <= Self::MOST {
            return None;
        }
        let (_, id) = self.order.pop_first()?;
        self.by_id.remove(&id);
        Some(id)
    }
}
