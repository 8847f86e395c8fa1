//! Loads the configuration anew, atomically: the former one stays in force if anything is wrong.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
};

use api::DeclarationContext;
use raft::{ConfigOutcome, NodeStanding, ProposeError, Shards};
use tracing::{error, info, warn};

use super::telemetry::NodeMetrics;
use crate::config::{Config, Origins};

/// Brings a configuration into the replicated state; of a cluster of several nodes no file is
/// the configuration (SEMANTICS 19).
pub(super) async fn store(
    shards: &Shards,
    config: &Config,
) -> Result<Option<ConfigOutcome>, ProposeError> {
    if is_of_several(shards, config) {
        return Ok(None);
    }
    let document = config.document.to_string();
    let origin = config.file.as_ref().map(|file| file.display().to_string()).unwrap_or_default();
    shards.load_config(&config.digest, &document, &origin, &config.resources).await.map(Some)
}

fn is_of_several(shards: &Shards, config: &Config) -> bool {
    let nodes = shards.nodes();
    let others = nodes.iter().filter(|(_, record)| record.standing != NodeStanding::Removed);
    !config.peers.addresses.is_empty() || others.count() > 1
}

/// The same for a node that starts; says whether it succeeded. On a full disk the former
/// configuration stays in force: a node that reads is more use than none.
///
/// # Errors
/// A group does not answer, or there is no former configuration.
pub(super) async fn store_at_start(shards: &Shards, config: &Config) -> Result<bool, ProposeError> {
    match store(shards, config).await {
        Ok(None) => {
            if !config.resources.is_empty() {
                warn!(
                    "the cluster has several nodes: the resources of the file are not loaded, \
                     declare them over the API"
                );
            }
            Ok(true)
        }
        Ok(Some(loaded)) => {
            if !loaded.skipped.is_empty() {
                warn!(resources = ?loaded.skipped, "declared over the API, too; left to their owner");
            }
            Ok(true)
        }
        Err(full @ ProposeError::DiskFull { .. }) => match shards.config().await {
            Ok(former) if former.value.version > 0 => {
                error!("{full}; the former configuration stays in force until a reload");
                Ok(false)
            }
            _ => Err(full),
        },
        Err(error) => Err(error),
    }
}

/// See the module. One reload runs at a time.
pub(super) struct Reloader {
    origins: Origins,
    shards: Shards,
    metrics: NodeMetrics,
    /// What only a restart can change.
    fixed: Fixed,
    declarations: Mutex<Arc<DeclarationContext>>,
    one_at_a_time: tokio::sync::Mutex<()>,
}

/// The sections that a running node cannot change, as documents.
#[derive(PartialEq)]
struct Fixed(Vec<(&'static str, serde_json::Value)>);

impl Fixed {
    fn of(config: &Config) -> Self {
        const SECTIONS: [&str; 7] =
            ["cluster", "node", "listen", "peers", "tls", "sinks", "secrets"];
        Self(SECTIONS.map(|name| (name, config.document[name].clone())).to_vec())
    }

    fn changed(&self, other: &Self) -> Vec<String> {
        let pairs = self.0.iter().zip(&other.0).filter(|(mine, theirs)| mine != theirs);
        pairs
            .map(|((name, _), _)| format!("`{name}` has changed; restart the node to change it"))
            .collect()
    }
}

impl Reloader {
    pub(super) fn new(
        origins: Origins,
        config: &Config,
        shards: Shards,
        metrics: NodeMetrics,
    ) -> Self {
        Self {
            origins,
            shards,
            metrics,
            fixed: Fixed::of(config),
            declarations: Mutex::new(Arc::new(declarations(config))),
            one_at_a_time: tokio::sync::Mutex::new(()),
        }
    }

    /// What declarations over the API start from.
    pub(super) fn declarations(&self) -> Arc<DeclarationContext> {
        Arc::clone(&self.declarations.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Loads the configuration anew.
    ///
    /// # Errors
    /// Every problem, a line each; nothing has changed.
    pub(super) async fn reload(&self) -> Result<(), Vec<String>> {
        let _one = self.one_at_a_time.lock().await;
        let outcome = self.try_reload().await;
        self.metrics.reloaded(outcome.is_ok());
        match &outcome {
            Ok(version) => info!(version, "the configuration was reloaded"),
            Err(problems) => error!(
                problems = problems.len(),
                "the configuration was not reloaded, the former one stays in force: {}",
                problems.join("; ")
            ),
        }
        outcome.map(|_| ())
    }

    async fn try_reload(&self) -> Result<u64, Vec<String>> {
        let config = Config::load(&self.origins).map_err(|invalid| {
            invalid.problems.iter().map(ToString::to_string).collect::<Vec<_>>()
        })?;
        let changed = self.fixed.changed(&Fixed::of(&config));
        if !changed.is_empty() {
            return Err(changed);
        }
        let outcome = store(&self.shards, &config).await.map_err(|e| vec![e.to_string()])?;
        let fresh = Arc::new(declarations(&config));
        *self.declarations.lock().unwrap_or_else(PoisonError::into_inner) = fresh;
        Ok(outcome.map_or(0, |outcome| outcome.version))
    }
}

fn declarations(config: &Config) -> DeclarationContext {
    DeclarationContext {
        defaults: config.defaults.clone(),
        node: config.node.name.clone(),
        region: config.node.region.clone(),
        secrets: config.secrets.keys().cloned().collect::<BTreeSet<_>>(),
    }
}
