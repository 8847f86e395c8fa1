//! How much of the schedule was kept (SEMANTICS 7).
//!
//! `to` is the moment up to which every slot has ended, the same lag behind each shard's last
//! command; expected slots are computed from the schedules, the rest is counted from the ledger.
//!
//! Invariant: the shown `to` counts from the wall clock of the oldest of those commands, never
//! from now, up to which nobody has accounted for anything yet.

use std::{io, ops::ControlFlow, sync::Arc};

use model::{
    Millis, Resource, ResourceId, Revision, ShardTime, WallTime,
    coverage::{Coverage, EpochSpan},
    slots::{ClosedEpoch, Run},
};

use super::{Consistency, CoverageReport, Read, events::corrupt};
use crate::{
    disk::{Space, View},
    error::ReadError,
    group::Group,
    node::Shards,
    store::{
        keys::{Keys, Kind, after},
        record::{Record, decode},
    },
};

struct Slice<'a> {
    group: &'a Group,
    now: ShardTime,
    /// The wall clock when it was `now`.
    wall: WallTime,
    rows: Vec<Arc<Resource>>,
}

impl Shards {
    /// The coverage of one resource or of all, over the last `since`. `None` where there is no
    /// such resource.
    ///
    /// # Errors
    /// A shard does not answer, or a record is damaged.
    pub async fn coverage(
        &self,
        since: Millis,
        id: Option<&ResourceId>,
    ) -> Result<Read<Option<CoverageReport>>, ReadError> {
        let (groups, missing) = self.answering(Consistency::Linearizable, false).await?;
        let wanted = id.map(|id| self.shard_of(id));
        let slices: Vec<Slice<'_>> = groups
            .iter()
            .filter(|group| wanted.is_none_or(|shard| shard == group.shard))
            .map(|group| slice(group, id, self.now()))
            .collect();
        let revision = groups.iter().map(|g| g.replica.revision()).max().unwrap_or(Revision(0));
        let found = id.is_none() || slices.iter().any(|slice| !slice.rows.is_empty());
        let value = if found { Some(self.report(&slices, since).map_err(corrupt)?) } else { None };
        Ok(Read {
            value,
            revision,
            served: self.served(Consistency::Linearizable, &groups),
            missing,
        })
    }

    fn report(&self, slices: &[Slice<'_>], since: Millis) -> io::Result<CoverageReport> {
        let lag = slices.iter().map(Slice::lag).max().unwrap_or_default();
        let mut coverage = Coverage::default();
        for slice in slices {
            let (from, to) = (slice.now.minus(since), slice.now.minus(lag));
            for row in &slice.rows {
                coverage += slice.of(row, from, to)?;
            }
        }
        let told = slices.iter().filter(|slice| !slice.rows.is_empty()).map(|slice| slice.wall);
        let now = told.min().unwrap_or_else(|| self.now());
        Ok(CoverageReport { from: now.minus(since), to: now.minus(lag), coverage })
    }
}

/// The rows of a shard and its time, taken together.
fn slice<'a>(group: &'a Group, id: Option<&ResourceId>, now: WallTime) -> Slice<'a> {
    let state = group.replica.state.read();
    let rows = match id {
        Some(id) => state.resources.get(id).cloned().into_iter().collect(),
        None => state.resources.values().cloned().collect(),
    };
    let wall = state.head.stamp.map_or(now, |stamp| stamp.wall.min(now));
    Slice { group, now: state.head.time, wall, rows }
}

impl Slice<'_> {
    /// How far behind now the slowest resource's ledger is.
    fn lag(&self) -> Millis {
        let lags = self.rows.iter().map(|row| self.now.since(row.state.ledger.watermark(self.now)));
        lags.max().unwrap_or_default()
    }

    fn of(&self, row: &Resource, from: ShardTime, to: ShardTime) -> io::Result<Coverage> {
        let (view, keys) = (self.group.replica.disk.as_ref(), self.group.replica.keys);
        let ledger = &row.state.ledger;
        let mut epochs: Vec<EpochSpan> = stored::<ClosedEpoch>(view, keys, Kind::Epoch, row.id())?
            .into_iter()
            .filter(|closed| closed.epoch.number < ledger.epoch().number)
            .map(|closed| EpochSpan { epoch: closed.epoch, slots: Some(closed.slots) })
            .collect();
        epochs.push(EpochSpan { epoch: *ledger.epoch(), slots: None });
        let mut runs: Vec<Run> = stored(view, keys, Kind::Run, row.id())?;
        // Runs that were closed after the row was taken repeat what its open run says.
        let (number, next) = (ledger.epoch().number, ledger.next());
        let open_from = ledger.open().map_or(next, |open| open.from);
        runs.retain(|run| (run.epoch, run.to) <= (number, open_from));
        runs.extend(ledger.open().copied());
        Ok(Coverage::of(&epochs, &runs, from, to))
    }
}

fn stored<R: Record>(
    view: &dyn View,
    keys: Keys,
    kind: Kind,
    id: &ResourceId,
) -> io::Result<Vec<R>> {
    let from = keys.resource(kind, id);
    let (mut found, mut outcome) = (Vec::new(), Ok(()));
    view.scan(Space::State, &from, &after(&from), &mut |key, bytes| match decode(key, bytes) {
        Ok(record) => {
            found.push(record);
            ControlFlow::Continue(())
        }
        Err(damaged) => {
            outcome = Err(damaged);
            ControlFlow::Break(())
        }
    })?;
    outcome?;
    Ok(found)
}
