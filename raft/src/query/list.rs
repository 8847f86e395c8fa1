//! One resource, and pages of many (SEMANTICS 15).

use std::{collections::BTreeMap, ops::Bound, sync::Arc};

use model::{Millis, Resource, ResourceId, Revision, ShardId, WallTime, rollup::ClusterHealth};

use super::{Consistency, Filter, ListQuery, Page, Read, Row, Served};
use crate::{error::ReadError, group::Group, node::Shards, state::State};

#[cfg(test)]
mod tests;

/// The most rows that one page examines in one shard.
const EXAMINED: usize = 10_000;

impl Shards {
    /// One resource by its id.
    ///
    /// # Errors
    /// The shard does not answer.
    pub async fn get(
        &self,
        id: &ResourceId,
        consistency: Consistency,
    ) -> Result<Read<Option<Row>>, ReadError> {
        let group = self.group(self.shard_of(id));
        group.prepare(consistency).await?;
        let served = self.served(consistency, &[group]);
        let state = group.replica.state.read();
        let row = state.resources.get(id).map(|resource| row(&state, group.shard, resource));
        drop(state);
        let revision = group.replica.revision();
        Ok(Read { value: row, revision, served, missing: Vec::new() })
    }

    /// All resources of a shard, as this node has them.
    #[must_use]
    pub fn resources(&self, shard: ShardId) -> Vec<Arc<Resource>> {
        self.group(shard).replica.state.read().resources.values().cloned().collect()
    }

    /// A page of the resources that match, ordered by id, gathered from all shards.
    ///
    /// # Errors
    /// Names the shards that do not answer, unless the query allows them to be missing.
    pub async fn list(&self, query: &ListQuery) -> Result<Read<Page>, ReadError> {
        let (groups, missing) = self.answering(query.consistency, query.partial).await?;
        // Before the rows: a watch from here tells some rows twice rather than missing one.
        let cursor = self.cursor();
        let mut gathered = Gathered::default();
        for group in &groups {
            let state = group.replica.state.read();
            gathered.add(&state, group.shard, query, EXAMINED);
        }
        let revision = groups.iter().map(|g| g.replica.revision()).max().unwrap_or(Revision(0));
        let (rows, next) = gathered.finish(query.limit);
        let value = Page { rows, next, cursor };
        Ok(Read { value, revision, served: self.served(query.consistency, &groups), missing })
    }

    /// The health of a cluster, rolled up from its parts; `None` where there are none.
    ///
    /// # Errors
    /// Names the shards that do not answer, unless they may be missing.
    pub async fn cluster_health(
        &self,
        cluster_id: &str,
        consistency: Consistency,
        partial: bool,
    ) -> Result<Read<Option<ClusterHealth>>, ReadError> {
        let (groups, missing) = self.answering(consistency, partial).await?;
        let filter = Filter { cluster_id: Some(cluster_id.to_owned()), ..Filter::default() };
        let parts: Vec<Arc<Resource>> = groups
            .iter()
            .flat_map(|group| {
                let state = group.replica.state.read();
                matching(&state, &filter, None, usize::MAX, usize::MAX).0
            })
            .collect();
        let value = ClusterHealth::of(cluster_id, parts.iter().map(AsRef::as_ref));
        let revision = groups.iter().map(|g| g.replica.revision()).max().unwrap_or(Revision(0));
        Ok(Read { value, revision, served: self.served(consistency, &groups), missing })
    }

    /// The groups that answer, and the shards that do not.
    pub(super) async fn answering(
        &self,
        consistency: Consistency,
        partial: bool,
    ) -> Result<(Vec<&Group>, Vec<ShardId>), ReadError> {
        let asked = self.shard_groups().iter().map(|group| async move {
            group.prepare(consistency).await.map(|_| group).map_err(|_| group.shard)
        });
        let (mut groups, mut missing) = (Vec::new(), Vec::new());
        for answer in futures_util::future::join_all(asked).await {
            match answer {
                Ok(group) => groups.push(group),
                Err(shard) => missing.push(shard),
            }
        }
        if missing.is_empty() || partial {
            Ok((groups, missing))
        } else {
            Err(ReadError::Unavailable(missing))
        }
    }

    /// How fresh an answer from these groups is: as fresh as that of the one that lags most.
    pub(super) fn served(&self, consistency: Consistency, groups: &[&Group]) -> Served {
        let ages = groups.iter().map(|group| group.age(consistency, self.now()));
        Served { consistency, age: ages.max().unwrap_or_default() }
    }
}

impl Group {
    /// Makes sure that an answer from here keeps what was asked for.
    pub(super) async fn prepare(&self, consistency: Consistency) -> Result<(), ReadError> {
        match consistency {
            Consistency::Linearizable => self.barrier().await,
            // Nothing is worse than an empty answer for a shard that is elsewhere.
            Consistency::Stale if !self.has_replica() => {
                Err(ReadError::Unavailable(vec![self.shard]))
            }
            Consistency::Stale => Ok(()),
        }
    }

    /// How long ago this replica was last known to have what a majority has. One that has heard
    /// of nobody since it was started counts from its last entry.
    fn age(&self, consistency: Consistency, now: WallTime) -> Millis {
        match (consistency, self.silence()) {
            (Consistency::Linearizable, _) => Millis(0),
            (Consistency::Stale, Some(silence)) => Millis::of(silence),
            (Consistency::Stale, None) => now.since(self.replica.state.read().head.wall),
        }
    }
}

pub(super) fn row(state: &State, shard: ShardId, resource: &Arc<Resource>) -> Row {
    Row { resource: Arc::clone(resource), shard, term: state.head.term }
}

/// Rows of all shards in the order of their ids, and how far each shard was looked through.
#[derive(Default)]
struct Gathered {
    rows: BTreeMap<ResourceId, Row>,
    /// The least id up to which some shard was examined without reaching its end.
    examined_upto: Option<ResourceId>,
}

impl Gathered {
    fn add(&mut self, state: &State, shard: ShardId, query: &ListQuery, most: usize) {
        let (found, stopped) =
            matching(state, &query.filter, query.after.as_ref(), query.limit, most);
        for resource in found {
            let row = row(state, shard, &resource);
            self.rows.insert(resource.id().clone(), row);
            // One beyond the page says that there is more; what lies behind it takes no memory.
            if self.rows.len() > query.limit.saturating_add(1) {
                self.rows.pop_last();
            }
        }
        if let Some(stopped) = stopped {
            let least = self.examined_upto.take();
            self.examined_upto = Some(least.map_or(stopped.clone(), |least| least.min(stopped)));
        }
    }

    fn finish(self, limit: usize) -> (Vec<Row>, Option<ResourceId>) {
        let Self { rows, examined_upto } = self;
        let complete = |id: &ResourceId| examined_upto.as_ref().is_none_or(|upto| id <= upto);
        let all = rows.len();
        let page: Vec<Row> =
            rows.into_values().filter(|row| complete(row.resource.id())).take(limit).collect();
        let next = if page.len() < all || page.len() == limit && examined_upto.is_some() {
            page.last().map(|row| row.resource.id().clone()).or(examined_upto)
        } else {
            examined_upto
        };
        (page, next)
    }
}

/// Up to `limit` matches among `most` rows after an id, and where the search stopped short of the end.
fn matching(
    state: &State,
    filter: &Filter,
    after: Option<&ResourceId>,
    limit: usize,
    most: usize,
) -> (Vec<Arc<Resource>>, Option<ResourceId>) {
    let bounds = (after.map_or(Bound::Unbounded, Bound::Excluded), Bound::Unbounded);
    match state.index.candidates(filter) {
        Some(sets) => {
            let ids = sets.into_iter().flat_map(|set| set.range::<ResourceId, _>(bounds));
            examine(ids.filter_map(|id| state.resources.get(id)), filter, limit, most)
        }
        None => {
            let rows = state.resources.range::<ResourceId, _>(bounds);
            examine(rows.map(|(_, resource)| resource), filter, limit, most)
        }
    }
}

fn examine<'a>(
    candidates: impl Iterator<Item = &'a Arc<Resource>>,
    filter: &Filter,
    limit: usize,
    most: usize,
) -> (Vec<Arc<Resource>>, Option<ResourceId>) {
    let mut found = Vec::new();
    let mut candidates = candidates.enumerate().peekable();
    while let Some((number, resource)) = candidates.next() {
        if filter.matches(resource) {
            found.push(Arc::clone(resource));
        }
        let enough = found.len() >= limit || number + 1 >= most;
        if enough && candidates.peek().is_some() {
            return (found, Some(resource.id().clone()));
        }
        if enough {
            break;
        }
    }
    (found, None)
}
