//! Whether an id was seen before, within a bounded memory.

use std::collections::HashSet;

/// Ids of one generation; at most two are kept.
const GENERATION: usize = 4_000_000;

/// The ids of the last 4 to 8 million events.
#[derive(Default)]
pub(super) struct SeenIds {
    current: HashSet<u64>,
    former: HashSet<u64>,
    forgotten: bool,
}

impl SeenIds {
    /// Notes an id; false where it is known already.
    pub(super) fn insert(&mut self, id: u64) -> bool {
        if self.current.len() >= GENERATION {
            self.forgotten |= !self.former.is_empty();
            self.former = std::mem::take(&mut self.current);
        }
        !self.former.contains(&id) && self.current.insert(id)
    }

    /// Whether ids had to be forgotten.
    pub(super) fn has_forgotten(&self) -> bool {
        self.forgotten
    }
}
