//! A group's state machine, as openraft wants it: applies entries, builds and installs snapshots.
//!
//! Invariant: rows, events, indexes and the applied id of an entry are one batch. Readers never
//! see memory that the store does not have: both change under one lock.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use futures_util::{Stream, StreamExt};
use model::{Revision, Term};
use openraft::{
    EntryPayload, RaftSnapshotBuilder,
    storage::{ApplyResponder, EntryResponder, RaftStateMachine},
};
use parking_lot::{Mutex, RwLock};
use tokio::sync::watch;

use crate::{
    applier::Applier,
    apply,
    disk::{Batch, Disk, Fatal, Space, View},
    failpoint,
    state::{self, State},
    store::{
        keys::{Keys, Kind},
        record::{decode, encode},
        snapshot::{self, SnapshotBytes},
    },
    types::{
        Applied, Entry, LogId, Replies, SnapshotMeta, StoredLogId, StoredMembershipOf, TypeConfig,
    },
};

/// Entries that are applied under one lock and written in one batch.
const CHUNK: usize = 64;

/// What readers of a group share with its state machine.
pub(crate) struct Replica {
    pub(crate) keys: Keys,
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) state: RwLock<State>,
    /// As stored; locked after `state`.
    stored: Mutex<Applied>,
    applied: watch::Sender<Revision>,
    fatal: Fatal,
}

impl Replica {
    /// Loads a group, verifying every record.
    pub(crate) fn load(group: u64, disk: Arc<dyn Disk>, fatal: Fatal) -> io::Result<Arc<Self>> {
        let keys = Keys::new(group);
        let (state, stored) = {
            let view = disk.view();
            state::verify(view.as_ref(), keys)?;
            (load(view.as_ref(), keys)?, Mutex::new(read_applied(view.as_ref(), keys)?))
        };
        let (applied, _) = watch::channel(Revision(state.applied));
        Ok(Arc::new(Self { keys, disk, state: RwLock::new(state), stored, applied, fatal }))
    }

    /// The last applied log index, and a wake-up for each that follows.
    pub(crate) fn applied(&self) -> watch::Receiver<Revision> {
        self.applied.subscribe()
    }

    pub(crate) fn revision(&self) -> Revision {
        *self.applied.borrow()
    }

    /// Does what must not fail: once it has, the replica can no longer be trusted, and the process
    /// ends.
    fn trusted<T>(&self, work: impl FnOnce(&Self) -> io::Result<T>) -> io::Result<T> {
        work(self).inspect_err(|error| {
            let group = self.keys.group();
            (self.fatal)(&format!("group {group} cannot be applied: {error}"));
        })
    }

    fn apply_chunk(&self, entries: Vec<Entry>) -> io::Result<Vec<Replies>> {
        let mut state = self.state.write();
        let mut applied = self.stored.lock();
        let (mut batch, mut replies) = (Batch::default(), Vec::with_capacity(entries.len()));
        for entry in entries {
            if apply::reads_the_store(&state) {
                self.commit(&mut batch, &applied)?;
            }
            applied.last = Some(entry.log_id.into());
            replies.push(self.apply_one(&mut state, &mut batch, &mut applied, &entry)?);
        }
        self.commit(&mut batch, &applied)?;
        state.applied = applied.last.map_or(0, |id| id.index);
        self.applied.send_replace(Revision(state.applied));
        Ok(replies)
    }

    /// Writes what the entries so far changed, together with how far they go.
    fn commit(&self, batch: &mut Batch, applied: &Applied) -> io::Result<()> {
        let key = self.keys.single(Kind::Applied);
        let value = encode(&key, applied);
        batch.put(Space::State, key, value);
        // The entries are in the log, and stay there until this is durable.
        self.disk.write_applied(&std::mem::take(batch))
    }

    fn apply_one(
        &self,
        state: &mut State,
        batch: &mut Batch,
        applied: &mut Applied,
        entry: &Entry,
    ) -> io::Result<Replies> {
        let StoredLogId { term, index } = entry.log_id.into();
        match &entry.payload {
            EntryPayload::Blank => Ok(Replies::default()),
            EntryPayload::Membership(membership) => {
                applied.members = membership.into();
                applied.members_at = Some(StoredLogId { term, index });
                Ok(Replies::default())
            }
            EntryPayload::Normal(proposal) => {
                let at = (Term(term), Revision(index));
                apply::apply(state, self.disk.as_ref(), self.keys, batch, at, proposal).map(Replies)
            }
        }
    }

    /// Replaces everything that the group holds.
    fn install(&self, meta: &SnapshotMeta, bytes: &SnapshotBytes) -> io::Result<()> {
        let mut batch = snapshot::replacing(self.keys, bytes)?;
        let applied = Applied::of(meta);
        let key = self.keys.single(Kind::Applied);
        let value = encode(&key, &applied);
        batch.put(Space::State, key, value);
        let mut state = self.state.write();
        self.disk.write(&batch)?;
        // A snapshot stands in for purged entries, so it must be as durable as they were.
        self.disk.sync()?;
        *state = load(self.disk.view().as_ref(), self.keys)?;
        *self.stored.lock() = applied;
        self.applied.send_replace(Revision(state.applied));
        Ok(())
    }
}

fn load(view: &dyn View, keys: Keys) -> io::Result<State> {
    let mut state = state::load(view, keys)?;
    state.applied = read_applied(view, keys)?.last.map_or(0, |id| id.index);
    Ok(state)
}

/// What was applied, from the store: the truth after a restart and between chunks.
pub(crate) fn read_applied(view: &dyn View, keys: Keys) -> io::Result<Applied> {
    let key = keys.single(Kind::Applied);
    match view.get(Space::State, &key)? {
        Some(bytes) => Ok(decode(&key, &bytes)?),
        None => Ok(Applied::default()),
    }
}

/// openraft's handle on a replica.
#[derive(Clone)]
pub(crate) struct Machine {
    replica: Arc<Replica>,
    applier: Applier,
    starting: Starting,
}

/// Whether a group is only being started. Until then openraft asks for the current snapshot
/// (alpha.37: twice, `StorageHelper::get_initial_state`) to read its description alone: packing
/// every group's content for that would take most of a restart.
#[derive(Clone, Default)]
pub(crate) struct Starting(Arc<AtomicBool>);

impl Starting {
    /// From now on snapshots are whole.
    pub(crate) fn over(&self) {
        self.0.store(false, Ordering::SeqCst);
    }
}

impl Machine {
    /// One that hands out whole snapshots.
    #[cfg(test)]
    pub(crate) fn new(replica: Arc<Replica>) -> Self {
        let applier = Applier::start().expect("a test has a thread");
        Self { replica, applier, starting: Starting::default() }
    }

    /// One that hands out descriptions of snapshots until its start is over.
    pub(crate) fn starting(replica: Arc<Replica>, applier: Applier) -> (Self, Starting) {
        let starting = Starting(Arc::new(AtomicBool::new(true)));
        (Self { replica, applier, starting: starting.clone() }, starting)
    }

    /// Runs what takes long on a thread that may block.
    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Replica) -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        let replica = Arc::clone(&self.replica);
        self.applier.beside(move || replica.trusted(work)).await?
    }

    /// Applies entries on the thread for it.
    async fn applied(&self, entries: Vec<Entry>) -> io::Result<Vec<Replies>> {
        let replica = Arc::clone(&self.replica);
        self.applier.run(move || replica.trusted(|replica| replica.apply_chunk(entries))).await?
    }
}

impl RaftStateMachine<TypeConfig> for Machine {
    type SnapshotData = SnapshotBytes;
    type SnapshotBuilder = Self;

    async fn applied_state(&mut self) -> io::Result<(Option<LogId>, StoredMembershipOf)> {
        let applied = read_applied(self.replica.disk.as_ref(), self.replica.keys)?;
        Ok((applied.last.map(Into::into), applied.membership()))
    }

    async fn apply<S>(&mut self, entries: S) -> io::Result<()>
    where
        S: Stream<Item = Result<EntryResponder<TypeConfig>, io::Error>> + Unpin + Send,
    {
        let mut chunks = entries.ready_chunks(CHUNK);
        while let Some(chunk) = chunks.next().await {
            let (mut applied, mut waiting): (Vec<Entry>, Vec<Option<ApplyResponder<TypeConfig>>>) =
                (Vec::with_capacity(chunk.len()), Vec::with_capacity(chunk.len()));
            for item in chunk {
                let (entry, responder) = item?;
                applied.push(entry);
                waiting.push(responder);
            }
            let replies = self.applied(applied).await?;
            failpoint!("after-apply-before-reply");
            for (responder, reply) in waiting.into_iter().zip(replies) {
                if let Some(responder) = responder {
                    responder.send(reply);
                }
            }
        }
        Ok(())
    }

    async fn get_snapshot_builder(&mut self) -> Self {
        self.clone()
    }

    async fn install_snapshot(
        &mut self,
        meta: &SnapshotMeta,
        bytes: SnapshotBytes,
    ) -> io::Result<()> {
        let meta = meta.clone();
        self.blocking(move |replica| replica.install(&meta, &bytes)).await
    }

    async fn get_current_snapshot(&mut self) -> io::Result<Option<snapshot::Snapshot>> {
        // Nothing is kept between uses: the store itself is the latest snapshot.
        let applied = read_applied(self.replica.disk.as_ref(), self.replica.keys)?;
        if applied.last.is_none() {
            return Ok(None);
        }
        if self.starting.0.load(Ordering::SeqCst) {
            return Ok(Some(snapshot::described(&applied)));
        }
        self.build_snapshot().await.map(Some)
    }
}

impl RaftSnapshotBuilder<TypeConfig> for Machine {
    type SnapshotData = SnapshotBytes;

    async fn build_snapshot(&mut self) -> io::Result<snapshot::Snapshot> {
        self.blocking(|replica| {
            let view = {
                // One that is being installed is not durable before this is free.
                let _state = replica.state.read();
                replica.disk.view()
            };
            snapshot::build(view.as_ref(), replica.keys)
        })
        .await
    }
}
