//! How many resources of each type are in each health.
//!
//! Invariant: however many scrapers ask, the rows are counted at most once in [`KEPT`].

use std::{collections::BTreeMap, time::Duration};

use model::{HealthStatus, ResourceType};
use raft::{Consistency, ListQuery, ReadError, Shards};
use tokio::{sync::Mutex, time::Instant};

const KEPT: Duration = Duration::from_secs(1);

/// Resources by type and health; every health of a type that occurs is there.
pub(super) type Counts = BTreeMap<(ResourceType, HealthStatus), u64>;

/// The last count and when it was made.
#[derive(Debug, Default)]
pub(crate) struct Census(Mutex<Option<(Instant, Counts)>>);

impl Census {
    /// The counts as this node has them.
    pub(super) async fn counts(&self, shards: &Shards, page: usize) -> Result<Counts, ReadError> {
        let mut last = self.0.lock().await;
        if let Some((made, counts)) = &*last
            && made.elapsed() < KEPT
        {
            return Ok(counts.clone());
        }
        let counts = count(shards, page).await?;
        *last = Some((Instant::now(), counts.clone()));
        Ok(counts)
    }
}

async fn count(shards: &Shards, page: usize) -> Result<Counts, ReadError> {
    let mut question = ListQuery {
        limit: page,
        consistency: Consistency::Stale,
        partial: true,
        ..ListQuery::default()
    };
    let mut counts = Counts::new();
    loop {
        let page = shards.list(&question).await?.value;
        for row in &page.rows {
            note(&mut counts, row.resource.spec.resource_type, row.resource.status());
        }
        match page.next {
            Some(after) => question.after = Some(after),
            None => return Ok(counts),
        }
    }
}

fn note(counts: &mut Counts, resource_type: ResourceType, status: HealthStatus) {
    for known in HealthStatus::ALL {
        counts.entry((resource_type, known)).or_default();
    }
    *counts.entry((resource_type, status)).or_default() += 1;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_health_that_nothing_is_in_counts_zero() {
        let mut counts = Counts::new();
        note(&mut counts, ResourceType::Host, HealthStatus::Warning);
        assert_eq!(counts.len(), HealthStatus::ALL.len());
        assert_eq!(counts[&(ResourceType::Host, HealthStatus::Warning)], 1);
        assert_eq!(counts[&(ResourceType::Host, HealthStatus::Critical)], 0);
    }
}
