//! Brings a configuration document into `meta` and every shard (SEMANTICS 19).

use std::collections::BTreeMap;

use model::{Millis, Owner, ResourceId, ResourceSpec, ShardId};

use crate::{
    command::{Command, ConfigDocument, Refusal, Reply},
    error::{ProposeError, ReadError},
    group::Group,
    node::Shards,
    query::{ConfigStatus, Consistency, Read, Served},
};

/// Resources of one staged part: a few hundred kilobytes.
const PART: usize = 256;

/// What loading a document changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigOutcome {
    /// The version in force.
    pub version: u64,
    /// Whether this is a new version; the same document as before is none.
    pub changed: bool,
    /// Ids that somebody else owns: they were skipped.
    pub skipped: Vec<ResourceId>,
}

impl Shards {
    /// Makes a document the configuration: committed in `meta` by compare-and-set, then adopted
    /// by every shard as a whole. Loading the document in force again changes nothing, and
    /// finishes what a crash has interrupted.
    ///
    /// # Errors
    /// A group does not answer; the call is safe to repeat.
    pub async fn load_config(
        &self,
        digest: &str,
        document: &str,
        origin: &str,
        resources: &[ResourceSpec],
    ) -> Result<ConfigOutcome, ProposeError> {
        let (version, changed) = self.commit_config(digest, document, origin).await?;
        // Only what some shard still lacks is copied: at most starts that is nothing.
        let lacking: Vec<&Group> =
            self.shard_groups().iter().filter(|group| !has_adopted(group, version)).collect();
        let mut by_shard: BTreeMap<ShardId, Vec<ResourceSpec>> =
            lacking.iter().map(|group| (group.shard, Vec::new())).collect();
        for spec in resources.iter().filter(|_| !lacking.is_empty()) {
            if let Some(specs) = by_shard.get_mut(&self.shard_of(&spec.id)) {
                specs.push(spec.clone());
            }
        }
        let all = lacking.into_iter().map(|group| {
            let specs = by_shard.remove(&group.shard).unwrap_or_default();
            adopt(group, version, specs)
        });
        for adopted in futures_util::future::join_all(all.collect::<Vec<_>>()).await {
            adopted?;
        }
        Ok(ConfigOutcome { version, changed, skipped: self.foreign(resources) })
    }

    /// The configuration in force.
    ///
    /// # Errors
    /// `meta` does not answer.
    pub async fn config(&self) -> Result<Read<ConfigStatus>, ReadError> {
        self.meta().barrier().await?;
        let stored = self.meta().replica.state.read().config.clone();
        let adopted = |group: &Group| (group.shard, group.replica.state.read().head.config_version);
        let shards = self.shard_groups().iter().map(adopted).collect();
        let value = match stored {
            Some(stored) => ConfigStatus {
                version: stored.version,
                digest: stored.document.digest,
                document: stored.document.document,
                origin: stored.document.origin,
                loaded_at: stored.loaded_at,
                shards,
            },
            None => ConfigStatus {
                version: 0,
                digest: String::new(),
                document: "{}".to_owned(),
                origin: String::new(),
                loaded_at: model::WallTime(0),
                shards,
            },
        };
        let served = Served { consistency: Consistency::Linearizable, age: Millis(0) };
        let revision = self.meta().replica.revision();
        Ok(Read { value, revision, served, missing: Vec::new() })
    }

    async fn commit_config(
        &self,
        digest: &str,
        document: &str,
        origin: &str,
    ) -> Result<(u64, bool), ProposeError> {
        loop {
            let (replaces, present) = {
                let state = self.meta().replica.state.read();
                let stored = state.config.as_ref();
                let present = stored.is_some_and(|stored| stored.document.digest == digest);
                (stored.map_or(0, |stored| stored.version), present)
            };
            if present {
                return Ok((replaces, false));
            }
            let command = Command::SetConfig(Box::new(ConfigDocument {
                replaces,
                digest: digest.to_owned(),
                document: document.to_owned(),
                origin: origin.to_owned(),
            }));
            let answer = self.meta().propose_anywhere(command.into()).await?;
            match answer.reply {
                Reply::Version(version) => return Ok((version, true)),
                // Somebody else was faster: look again.
                Reply::Refused(Refusal::Version(_)) => {}
                _ => return Err(ProposeError::Unknown(answer.shard)),
            }
        }
    }

    fn foreign(&self, resources: &[ResourceSpec]) -> Vec<ResourceId> {
        let owned_by_others = |spec: &&ResourceSpec| {
            let state = self.group(self.shard_of(&spec.id)).replica.state.read();
            state.resources.get(&spec.id).is_some_and(|r| r.identity.owner != Owner::Config)
        };
        resources.iter().filter(owned_by_others).map(|spec| spec.id.clone()).collect()
    }
}

fn has_adopted(group: &Group, version: u64) -> bool {
    group.replica.state.read().head.config_version >= version
}

async fn adopt(group: &Group, version: u64, specs: Vec<ResourceSpec>) -> Result<(), ProposeError> {
    let mut parts = 0;
    for specs in specs.chunks(PART) {
        let command = Command::StageConfig { version, part: parts, specs: specs.to_vec() };
        group.propose_anywhere(command.into()).await?;
        parts += 1;
    }
    let answer = group.propose_anywhere(Command::AdoptConfig { version, parts }.into()).await?;
    match answer.reply {
        Reply::Version(_) => Ok(()),
        _ => Err(ProposeError::Unknown(group.shard)),
    }
}
