//! Maintenance spans `meta` and every shard (SEMANTICS 18).
//!
//! `meta` commits first and assigns the version; then every shard takes it over. What a shard
//! lacks, because it did not answer, its leader proposes later from the replica of `meta`.

use std::collections::BTreeMap;

use model::{ShardId, maintenance::Maintenance};

use crate::{
    command::{Command, Envelope, Refusal, Reply},
    error::{ProposeError, ReadError},
    group::Group,
    node::Shards,
    query::{Consistency, MaintenanceView, Read},
    state::MetaMaintenance,
};

/// How far a change of a window has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MaintenanceOutcome {
    /// The version that `meta` assigned.
    pub version: u64,
    /// Shards that have not taken it over yet: the change is durable and safe to repeat.
    pub missing: Vec<ShardId>,
}

impl Shards {
    /// Sets or, with `None`, deletes a window, in `meta` and then in every shard.
    ///
    /// # Errors
    /// `Ok(Err(refusal))` where `meta` refuses it; [`ProposeError`] where `meta` does not answer.
    pub async fn set_maintenance(
        &self,
        name: &str,
        window: Option<Maintenance>,
        request: Option<String>,
    ) -> Result<Result<MaintenanceOutcome, Refusal>, ProposeError> {
        let command = Command::SetMaintenance { name: name.to_owned(), window: window.clone() };
        let answer = self.meta().propose_anywhere(Envelope { request, command }).await?;
        let version = match answer.reply {
            Reply::Version(version) => version,
            Reply::Refused(refusal) => return Ok(Err(refusal)),
            _ => return Err(ProposeError::Unknown(answer.shard)),
        };
        let all = self.shard_groups().iter().map(|group| {
            let window = window.clone();
            async move { (group.shard, adopt(group, name, version, window).await) }
        });
        let adopted = futures_util::future::join_all(all).await;
        let missing =
            adopted.into_iter().filter(|(_, done)| !done).map(|(shard, _)| shard).collect();
        Ok(Ok(MaintenanceOutcome { version, missing }))
    }

    /// All windows that were not deleted.
    ///
    /// # Errors
    /// `meta` does not answer.
    pub async fn maintenance(&self) -> Result<Read<Vec<MaintenanceView>>, ReadError> {
        self.meta().barrier().await?;
        let windows = self.meta().replica.state.read().meta_maintenance.clone();
        let mut value = Vec::new();
        for (name, stored) in windows {
            let MetaMaintenance { version, window: Some(window) } = stored else { continue };
            let missing = self.lacking(&name, version);
            value.push(MaintenanceView { window, version, missing });
        }
        let revision = self.meta().replica.revision();
        let served =
            crate::query::Served { consistency: Consistency::Linearizable, age: model::Millis(0) };
        Ok(Read { value, revision, served, missing: Vec::new() })
    }

    /// Proposes to a shard what it lacks of `meta`'s windows: its leader calls this when its
    /// term begins and whenever `meta` has moved.
    ///
    /// # Errors
    /// The shard does not answer; call again.
    pub async fn catch_up_maintenance(&self, shard: ShardId) -> Result<(), ProposeError> {
        let group = self.group(shard);
        let present: BTreeMap<String, u64> = {
            let state = group.replica.state.read();
            state.maintenance.iter().map(|(name, held)| (name.clone(), held.version)).collect()
        };
        let windows = self.meta().replica.state.read().meta_maintenance.clone();
        for (name, MetaMaintenance { version, window }) in windows {
            if present.get(&name).is_none_or(|held| *held < version) {
                let command = Command::AdoptMaintenance { name, version, window };
                group.propose_anywhere(command.into()).await?;
            }
        }
        Ok(())
    }

    fn lacking(&self, name: &str, version: u64) -> Vec<ShardId> {
        let lacks = |group: &&Group| {
            let state = group.replica.state.read();
            state.maintenance.get(name).is_none_or(|held| held.version < version)
        };
        self.shard_groups().iter().filter(lacks).map(|group| group.shard).collect()
    }
}

async fn adopt(group: &Group, name: &str, version: u64, window: Option<Maintenance>) -> bool {
    let command = Command::AdoptMaintenance { name: name.to_owned(), version, window };
    let answer = group.propose_anywhere(command.into()).await;
    matches!(answer.map(|answer| answer.reply), Ok(Reply::Version(_)))
}
