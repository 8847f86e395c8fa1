//! What one entry works with: the state, the batch, and its place in the log.

use std::{collections::BTreeSet, io, sync::Arc};

use model::{Resource, ResourceId, Revision, ShardId, ShardTime, Term, WallTime, cursor::Position};

use crate::{
    command::Reply,
    disk::{Batch, Space, View},
    state::{State, StoredRequest, StoredSpec, place_of},
    store::{
        keys::{Keys, Kind},
        record::{Record, encode},
    },
};

/// See the module. Rows that change are written once, when the entry is done.
pub(crate) struct Context<'a> {
    pub(crate) state: &'a mut State,
    pub(crate) view: &'a dyn View,
    pub(crate) keys: Keys,
    batch: &'a mut Batch,
    pub(crate) term: Term,
    pub(crate) revision: Revision,
    place: u32,
    dirty: BTreeSet<ResourceId>,
}

impl<'a> Context<'a> {
    pub(super) fn new(
        state: &'a mut State,
        view: &'a dyn View,
        keys: Keys,
        batch: &'a mut Batch,
        (term, revision): (Term, Revision),
    ) -> Self {
        Self { state, view, keys, batch, term, revision, place: 0, dirty: BTreeSet::new() }
    }

    pub(crate) fn now(&self) -> ShardTime {
        self.state.head.time
    }

    pub(crate) fn wall(&self) -> WallTime {
        self.state.head.wall
    }

    pub(crate) fn is_meta(&self) -> bool {
        self.keys.group() == 0
    }

    pub(crate) fn shard(&self) -> ShardId {
        ShardId(u32::try_from(self.keys.group().saturating_sub(1)).unwrap_or(u32::MAX))
    }

    /// A place for one more change within this entry.
    pub(crate) fn next_position(&mut self) -> Position {
        let position = Position { index: self.revision.0, place: self.place };
        self.place += 1;
        position
    }

    pub(crate) fn resource(&self, id: &ResourceId) -> Option<&Arc<Resource>> {
        self.state.resources.get(id)
    }

    pub(crate) fn put<R: Record>(&mut self, key: Vec<u8>, record: &R) -> usize {
        let value = encode(&key, record);
        let size = key.len() + value.len();
        self.batch.put(Space::State, key, value);
        size
    }

    pub(crate) fn delete(&mut self, key: Vec<u8>) {
        self.batch.delete(Space::State, key);
    }

    pub(crate) fn delete_range(&mut self, from: Vec<u8>, to: Vec<u8>) {
        self.batch.delete_range(Space::State, from, to);
    }

    /// Stores a declaration; what changes with observations follows with the entry's end.
    pub(crate) fn put_spec(&mut self, resource: &Resource) {
        let key = self.keys.resource(Kind::Spec, resource.id());
        let stored =
            StoredSpec { spec: (*resource.spec).clone(), identity: resource.identity.clone() };
        self.put(key, &stored);
        self.dirty.insert(resource.id().clone());
    }

    /// Replaces the row of a resource. Watchers are told the latest row (SEMANTICS 13).
    pub(crate) fn update(&mut self, mut resource: Resource) -> Arc<Resource> {
        let id = resource.id().clone();
        let former = place_of(&resource);
        let position = self.next_position();
        resource.state.changed = (self.revision, position.place);
        self.state.latest.moved(former, position, id.clone());
        let deadline = self.state.stale_at(&resource);
        self.state.timers.set_silence(&id, deadline);
        let row = Arc::new(resource);
        self.state.resources.insert(id.clone(), Arc::clone(&row));
        self.dirty.insert(id);
        row
    }

    /// Takes a resource out of the state and the store.
    pub(crate) fn drop_resource(&mut self, id: &ResourceId) -> Option<Arc<Resource>> {
        let resource = self.state.resources.remove(id)?;
        self.state.index.remove(&resource);
        self.state.timers.set_silence(id, None);
        self.dirty.remove(id);
        self.state.latest.remove(place_of(&resource));
        self.delete(self.keys.resource(Kind::Spec, id));
        self.delete(self.keys.resource(Kind::State, id));
        for kind in [Kind::Run, Kind::Epoch] {
            let from = self.keys.resource(kind, id);
            let to = crate::store::keys::after(&from);
            self.delete_range(from, to);
        }
        Some(resource)
    }

    /// What a request was answered, if it came before.
    pub(crate) fn answered(&self, id: &str) -> io::Result<Option<Reply>> {
        if !self.state.requests.holds(id) {
            return Ok(None);
        }
        Ok(self.state.requests.get(id, &self.keys.text(Kind::Request, id))?)
    }

    pub(crate) fn keep_request(&mut self, id: &str, outcome: &StoredRequest) {
        let key = self.keys.text(Kind::Request, id);
        let stored = encode(&key, outcome);
        self.state.requests.insert(id, outcome.at, &stored);
        self.batch.put(Space::State, key, stored);
    }

    /// Writes what the entry changed in memory.
    pub(super) fn finish(mut self) {
        while let Some(id) = self.state.requests.expire(self.state.head.time) {
            self.delete(self.keys.text(Kind::Request, &id));
        }
        for id in std::mem::take(&mut self.dirty) {
            if let Some(resource) = self.state.resources.get(&id).cloned() {
                self.put(self.keys.resource(Kind::State, &id), &resource.state);
            }
        }
        let head = encode(&self.keys.single(Kind::Head), &self.state.head);
        self.batch.put(Space::State, self.keys.single(Kind::Head), head);
    }
}

impl Record for ResourceId {
    const VERSION: u8 = 1;
}
