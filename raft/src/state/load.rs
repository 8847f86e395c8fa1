//! Reads a group's state back from the store, verifying every record.

use std::{io, ops::ControlFlow, sync::Arc};

use model::{
    NodeId, Resource, ResourceSpec,
    cursor::Position,
    resource::{Identity, ResourceState},
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{MetaMaintenance, SinkCursor, State, StoredConfig, StoredRequest, place_of};
use crate::{
    disk::{Space, View},
    nodes::NodeRecord,
    query::ChangeRecord,
    store::{
        keys::{Keys, Kind, position_of},
        record::{self, Damaged, Record, decode},
    },
};

/// A declaration and its identity, as stored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct StoredSpec {
    pub(crate) spec: ResourceSpec,
    pub(crate) identity: Identity,
}

impl Record for StoredSpec {
    const VERSION: u8 = 1;
}

impl Record for ResourceState {
    const VERSION: u8 = 1;

    fn size_hint(&self) -> usize {
        256 + self.metrics.extra.len() * 24
    }
}

impl Record for Vec<ResourceSpec> {
    const VERSION: u8 = 1;
}

/// Loads everything that is held in memory, and rebuilds what follows from it.
pub(crate) fn load(view: &dyn View, keys: Keys) -> io::Result<State> {
    let mut state = State::default();
    let head = keys.single(Kind::Head);
    if let Some(bytes) = view.get(Space::State, &head)? {
        state.head = decode(&head, &bytes)?;
    }
    load_resources(view, keys, &mut state)?;
    load_latest(view, keys, &mut state)?;
    each(view, keys, Kind::Maintenance, |name, bytes_key, bytes| {
        // The same kind holds the windows of a shard and those of `meta`.
        if keys.group() == 0 {
            let stored: MetaMaintenance = decode(bytes_key, bytes)?;
            state.meta_maintenance.insert(name, stored);
        } else {
            state.maintenance.insert(name, decode(bytes_key, bytes)?);
        }
        Ok(())
    })?;
    records(view, keys, Kind::Sink, |name, cursor: SinkCursor| {
        state.sinks.insert(name, cursor);
    })?;
    load_requests(view, keys, &mut state)?;
    load_staged(view, keys, &mut state)?;
    let (from, to) = keys.all(Kind::Config);
    if let Some((key, bytes)) = view.last(Space::State, &from, &to)? {
        state.config = Some(decode::<StoredConfig>(&key, &bytes)?);
    }
    load_nodes(view, keys, &mut state)?;
    state.rebuild_timers();
    Ok(state)
}

/// Verifies every record of a group, also those that only reads touch.
pub(crate) fn verify(view: &dyn View, keys: Keys) -> io::Result<()> {
    let (from, to) = keys.everything();
    let mut outcome = Ok(());
    view.scan(Space::State, &from, &to, &mut |key, bytes| {
        outcome = record::verify(key, bytes);
        if outcome.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    Ok(outcome?)
}

impl State {
    /// Sets every timer anew from the rows and windows.
    pub(crate) fn rebuild_timers(&mut self) {
        self.timers = super::Timers::default();
        self.set_windows();
        self.set_silences();
    }

    fn set_windows(&mut self) {
        for window in
            self.maintenance.iter().filter_map(|(name, m)| Some((name, m.window.as_ref()?)))
        {
            let (name, (_, span)) = window;
            for at in [span.starts, span.ends].into_iter().filter(|at| *at > self.head.time) {
                self.timers.add_window(name, at);
            }
        }
    }

    /// Sets when each resource falls silent. Windows that began or ended in a leaderless gap
    /// stay due.
    pub(crate) fn set_silences(&mut self) {
        let deadlines: Vec<_> = self
            .resources
            .values()
            .map(|resource| (resource.id().clone(), self.stale_at(resource)))
            .collect();
        for (id, at) in deadlines {
            self.timers.set_silence(&id, at);
        }
    }
}

fn load_resources(view: &dyn View, keys: Keys, state: &mut State) -> io::Result<()> {
    let mut specs = Vec::new();
    records(view, keys, Kind::Spec, |_, stored: StoredSpec| specs.push(stored))?;
    // Both kinds are in the order of the ids, so one pass over each joins them.
    let mut specs = specs.into_iter().peekable();
    each(view, keys, Kind::State, |id, key, bytes| {
        let declared = |stored: &StoredSpec| id.strip_suffix('\0') == Some(stored.spec.id.as_str());
        if let Some(StoredSpec { spec, identity }) = specs.next_if(declared) {
            let spec = Arc::new(spec);
            take_in(state, Resource { spec, identity, state: decode(key, bytes)? });
        }
        Ok(())
    })?;
    match specs.next() {
        Some(lacking) => {
            let key = keys.resource(Kind::State, &lacking.spec.id);
            Err(Damaged::Shape { key: record::show(&key) }.into())
        }
        None => Ok(()),
    }
}

fn take_in(state: &mut State, resource: Resource) {
    #[cfg(feature = "chaos")]
    let resource = crate::chaos::maybe_without_pending(resource);
    state.index.insert(&resource);
    state.resources.insert(resource.id().clone(), Arc::new(resource));
}

/// A row's last change is told by the record that follows it at once, or by the row itself.
fn load_latest(view: &dyn View, keys: Keys, state: &mut State) -> io::Result<()> {
    let floor = state.head.change_floor;
    for resource in state.resources.values() {
        let at = place_of(resource);
        if at > floor {
            state.latest.moved(at, at, resource.id().clone());
        }
    }
    let (from, to) = keys.all(Kind::Change);
    let mut outcome = Ok(());
    view.scan(Space::State, &from, &to, &mut |key, bytes| {
        outcome = decode::<ChangeRecord>(key, bytes).map(|record| {
            let told = place_of(&record.row);
            let follows = position_of(key) == Some(Position { place: told.place + 1, ..told });
            if follows {
                state.latest.remove(told);
            }
        });
        if outcome.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    Ok(outcome?)
}

fn load_requests(view: &dyn View, keys: Keys, state: &mut State) -> io::Result<()> {
    each(view, keys, Kind::Request, |id, key, bytes| {
        let StoredRequest { at, .. } = decode(key, bytes)?;
        state.requests.insert(&id, at, bytes);
        Ok(())
    })
}

fn load_nodes(view: &dyn View, keys: Keys, state: &mut State) -> io::Result<()> {
    let (from, to) = keys.all(Kind::Node);
    let mut outcome = Ok(());
    view.scan(Space::State, &from, &to, &mut |key, bytes| {
        let id = key.last_chunk::<8>().map(|id| NodeId(u64::from_be_bytes(*id)));
        outcome = decode::<NodeRecord>(key, bytes).map(|record| {
            state.nodes.extend(id.map(|id| (id, record)));
        });
        if outcome.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    Ok(outcome?)
}

fn load_staged(view: &dyn View, keys: Keys, state: &mut State) -> io::Result<()> {
    let (from, to) = keys.all(Kind::Staged);
    let mut outcome = Ok(());
    view.scan(Space::State, &from, &to, &mut |key, bytes| {
        let place = key.split_last_chunk::<4>().and_then(|(rest, part)| {
            Some((u64::from_be_bytes(*rest.last_chunk::<8>()?), u32::from_be_bytes(*part)))
        });
        match (place, decode::<Vec<ResourceSpec>>(key, bytes)) {
            (Some(place), Ok(specs)) => {
                state.staged.insert(place, specs);
                ControlFlow::Continue(())
            }
            (_, Err(damaged)) => {
                outcome = Err(damaged);
                ControlFlow::Break(())
            }
            (None, Ok(_)) => ControlFlow::Continue(()),
        }
    })?;
    Ok(outcome?)
}

fn records<R: Record + DeserializeOwned>(
    view: &dyn View,
    keys: Keys,
    kind: Kind,
    mut take: impl FnMut(String, R),
) -> io::Result<()> {
    each(view, keys, kind, |name, key, bytes| {
        take(name, decode(key, bytes)?);
        Ok(())
    })
}

/// Visits all keys of a kind whose rest is a text.
fn each(
    view: &dyn View,
    keys: Keys,
    kind: Kind,
    mut take: impl FnMut(String, &[u8], &[u8]) -> Result<(), Damaged>,
) -> io::Result<()> {
    let (from, to) = keys.all(kind);
    let mut outcome = Ok(());
    view.scan(Space::State, &from, &to, &mut |key, bytes| {
        let name = String::from_utf8_lossy(&key[from.len()..]).into_owned();
        outcome = take(name, key, bytes);
        if outcome.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    Ok(outcome?)
}
