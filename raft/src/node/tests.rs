//! A node's groups over a disk that is damaged, goes backwards, or loses its power.

mod backwards;
mod damage;
mod documents;
mod full;
mod power_cut;
mod restart;

use std::{path::Path, sync::Arc};

use model::{Millis, Outcome, ResourceId, WallTime};

use super::*;
use crate::{
    batcher::Answer,
    command::{Command, Report, ReportBody, ReportReply},
    disk::{Disk, MemoryDisk},
    error::ProposeError,
    fixture::{ManualClock, as_clock, registration, spec},
    group::Leadership,
};

fn in_memory(shards: u32, disk: Arc<dyn Disk>, clock: &Arc<ManualClock>) -> Options {
    let clock = as_clock(clock);
    Options { disk: Some(disk), clock, ..Options::in_memory("home", shards) }
}

fn on_disk(path: &Path, shards: u32, clock: &Arc<ManualClock>) -> Options {
    let (data_dir, clock) = (Some(path.to_owned()), as_clock(clock));
    Options { data_dir, clock, disk: None, ..Options::in_memory("home", shards) }
}

fn leadership(shards: &Shards, shard: ShardId) -> Option<Leadership> {
    match *shards.role(shard).borrow() {
        Role::Leader(leadership) => Some(leadership),
        Role::Follower { .. } => None,
    }
}

/// Declares with a request id that is the resource's own.
async fn declare(shards: &Shards, id: &str) -> Result<Answer, ProposeError> {
    shards.declare(registration(spec(id)), Some(format!("declare-{id}"))).await
}

/// A result for the slot that is due now.
async fn observe(shards: &Shards, id: &ResourceId, passed: bool) -> Result<u64, ProposeError> {
    let shard = shards.shard_of(id);
    let unknown = ProposeError::Unknown(shard);
    let leadership = leadership(shards, shard).ok_or(unknown.clone())?;
    let now = leadership.shard_time(shards.clock().boot_millis());
    let row = shards.group(shard).replica.state.read().resources[id].clone();
    let epoch = row.state.ledger.epoch();
    let slot = epoch.current(now).expect("the clock has moved since the declaration");
    let outcome = if passed { Outcome::passed() } else { Outcome::critical("refused") };
    let (metrics, observed_at) = (Default::default(), WallTime(0));
    let report = Report {
        resource: id.clone(),
        incarnation: row.identity.incarnation,
        generation: row.identity.generation.0,
        term: leadership.term.0,
        epoch: epoch.number,
        slot,
        body: ReportBody::Result { outcome, metrics, observed_at },
    };
    match shards.propose(shard, Command::Observe(vec![report])).await?.reply {
        Reply::Observed(replies) if replies == [ReportReply::Accepted] => Ok(slot),
        other => panic!("{other:?}"),
    }
}

/// Declares so many and observes each a few times: some health changes, some does not.
async fn live(shards: &Shards, clock: &ManualClock, resources: usize) {
    let ids: Vec<ResourceId> = (0..resources).map(|n| format!("r{n}").parse().unwrap()).collect();
    for id in &ids {
        declare(shards, id.as_str()).await.unwrap();
    }
    for passed in [true, true, false, true] {
        clock.pass(Millis::from_secs(1).0);
        for (number, id) in ids.iter().enumerate() {
            observe(shards, id, passed || number % 2 == 0).await.unwrap();
        }
    }
}
