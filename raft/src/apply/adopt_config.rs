//! `StageConfig` and `AdoptConfig`: a shard takes a configuration over as a whole.
//!
//! The parts are staged in the shard's own log first; the entry that adopts them reconciles the
//! configuration's own resources at once and touches nobody else's (SEMANTICS 19).

use std::collections::BTreeMap;

use model::{Owner, ResourceId, ResourceSpec};

use super::{Context, register, remove};
use crate::{
    command::{Refusal, Reply},
    store::keys::Kind,
};

/// Keeps one part of a version.
pub(super) fn stage(
    context: &mut Context<'_>,
    version: u64,
    part: u32,
    specs: &Vec<ResourceSpec>,
) -> Reply {
    if version <= context.state.head.config_version {
        return Reply::Version(context.state.head.config_version);
    }
    context.put(context.keys.staged(version, part), specs);
    context.state.staged.insert((version, part), specs.clone());
    Reply::Version(version)
}

/// Reconciles the configuration's own resources with the staged parts.
pub(super) fn adopt(context: &mut Context<'_>, version: u64, parts: u32) -> Reply {
    if version <= context.state.head.config_version {
        return Reply::Version(context.state.head.config_version);
    }
    let mut wanted: BTreeMap<ResourceId, ResourceSpec> = BTreeMap::new();
    for part in 0..parts {
        let Some(specs) = context.state.staged.get(&(version, part)) else {
            return Reply::Refused(Refusal::NotStaged(version));
        };
        wanted.extend(specs.iter().map(|spec| (spec.id.clone(), spec.clone())));
    }
    context.state.head.config_version = version;
    remove_absent(context, &wanted);
    for (_, spec) in wanted {
        let present = context.resource(&spec.id);
        // Ids that somebody else owns are skipped; the node reports them.
        if present.is_none_or(|resource| resource.identity.owner == Owner::Config) {
            register::declare(context, spec, Owner::Config);
        }
    }
    forget_staged(context, version);
    Reply::Version(version)
}

fn remove_absent(context: &mut Context<'_>, wanted: &BTreeMap<ResourceId, ResourceSpec>) {
    let absent: Vec<ResourceId> = context
        .state
        .resources
        .values()
        .filter(|resource| resource.identity.owner == Owner::Config)
        .map(|resource| resource.id().clone())
        .filter(|id| !wanted.contains_key(id))
        .collect();
    for id in absent {
        remove::remove(context, &id);
    }
}

/// Forgets the parts of a version and of those before it. Somebody may have staged a newer one,
/// which is still to be adopted.
fn forget_staged(context: &mut Context<'_>, version: u64) {
    let (from, _) = context.keys.all(Kind::Staged);
    context.delete_range(from, context.keys.staged(version + 1, 0));
    context.state.staged = context.state.staged.split_off(&(version + 1, 0));
}
