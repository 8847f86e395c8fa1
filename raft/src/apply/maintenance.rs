//! `SetMaintenance` in `meta`, `AdoptMaintenance` in a shard (SEMANTICS 18).
//!
//! `meta` assigns versions; a shard keeps the highest version per name, deletions included, and
//! applies the window to what it covers at once, or when its time comes.

use std::sync::Arc;

use model::{
    Resource,
    health::Input,
    maintenance::{Maintenance, ShardMaintenance, Span},
};

use super::{Context, events};
use crate::{
    command::{Refusal, Reply},
    state::MetaMaintenance,
    store::keys::Kind,
};

/// The most windows, deleted ones included, that are kept.
const MOST: usize = 10_000;

/// `meta`: stores a window, or its deletion, under a new version.
pub(super) fn set(context: &mut Context<'_>, name: &str, window: Option<&Maintenance>) -> Reply {
    let present = context.state.meta_maintenance.get(name);
    match present {
        Some(present) if present.window.as_ref() == window => {
            return Reply::Version(present.version);
        }
        None if window.is_none() => return Reply::Refused(Refusal::NotFound),
        None if context.state.meta_maintenance.len() >= MOST => {
            return Reply::Refused(Refusal::Full(format!("at most {MOST} windows are kept")));
        }
        Some(_) | None => {}
    }
    let stored = MetaMaintenance { version: context.revision.0, window: window.cloned() };
    context.put(context.keys.text(Kind::Maintenance, name), &stored);
    context.state.meta_maintenance.insert(name.to_owned(), stored);
    Reply::Version(context.revision.0)
}

/// A shard: takes a window over, unless it has a newer version of it.
pub(super) fn adopt(
    context: &mut Context<'_>,
    name: &str,
    version: u64,
    window: Option<&Maintenance>,
) -> Reply {
    if context.state.maintenance.get(name).is_some_and(|present| present.version >= version) {
        return Reply::Version(version);
    }
    let (now, wall) = (context.now(), context.wall());
    let window = window.map(|window| {
        let span = Span::accepted(window, now, wall);
        (window.clone(), span)
    });
    if let Some((_, span)) = &window {
        for at in [span.starts, span.ends].into_iter().filter(|at| *at > now) {
            context.state.timers.add_window(name, at);
        }
    }
    let stored = ShardMaintenance { version, window };
    context.put(context.keys.text(Kind::Maintenance, name), &stored);
    context.state.maintenance.insert(name.to_owned(), stored);
    refresh_all(context);
    Reply::Version(version)
}

/// A window begins or ends: looks at every resource that it covers.
pub(super) fn refresh_window(context: &mut Context<'_>, name: &str) {
    let Some((window, _)) = context.state.maintenance.get(name).and_then(|m| m.window.clone())
    else {
        return;
    };
    let covered: Vec<_> = context
        .state
        .resources
        .values()
        .filter(|resource| window.covers(resource.id(), &resource.spec.labels))
        .cloned()
        .collect();
    for resource in covered {
        refresh(context, resource);
    }
}

fn refresh_all(context: &mut Context<'_>) {
    let all: Vec<_> = context.state.resources.values().cloned().collect();
    for resource in all {
        refresh(context, resource);
    }
}

/// Brings one resource in line with the windows that hold now.
pub(super) fn refresh(context: &mut Context<'_>, resource: Arc<Resource>) -> Arc<Resource> {
    let wanted = context.state.window_for(&resource).map(str::to_owned);
    if wanted.as_deref() == resource.state.health.maintenance() {
        return resource;
    }
    let input = wanted.map_or(Input::MaintenanceEnded, Input::MaintenanceBegan);
    events::decide(context, (*resource).clone(), input)
}
