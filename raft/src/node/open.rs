//! The steps before any group runs: whose directory it is, whether there is room, the logs.

use std::{io, path::Path, sync::Arc};

use futures_util::{StreamExt, stream};
use uuid::Uuid;

use super::{Marks, Options, watermarks};
use crate::{
    disk::{Disk, RocksDisk},
    error::OpenError,
    failpoint,
    group::{Group, Shared, Shortening, load},
    identity::Identity,
    machine::{Replica, read_applied},
    room::{Gauge, Room, gauge_of},
    store::{keys::Keys, log::LogStore, watermark::Watermarks},
    workers::Workers,
};

/// Logs and state, below the data directory.
const STORE: &str = "raft";

pub(super) fn identify(options: &Options) -> Result<Identity, OpenError> {
    let fresh = || match &options.joins {
        None => Identity::found(&options.cluster_name, options.shards, new_id(options)),
        Some(joins) => Identity::joined(&joins.cluster, options.shards, joins.node),
    };
    let Some(directory) = options.data_dir.as_deref() else { return Ok(fresh()) };
    if let Some(identity) = Identity::read(directory)? {
        identity.check(directory, &options.cluster_name, options.shards)?;
        if identity.founded && !options.alone && !directory.join(STORE).exists() {
            return Err(OpenError::StoreLost(directory.join(STORE)));
        }
        if let Some(joins) = &options.joins {
            identity.check_node(directory, &joins.cluster, joins.node)?;
        }
        return Ok(identity);
    }
    let identity = fresh();
    identity.write(directory)?;
    Ok(identity)
}

fn new_id(_options: &Options) -> Uuid {
    #[cfg(test)]
    if _options.simulated.is_some() {
        return Uuid::from_u128(7);
    }
    Uuid::new_v4()
}

/// When logs are shortened.
pub(super) fn shortening(_options: &Options) -> Shortening {
    #[cfg(test)]
    if let Some(simulated) = _options.simulated {
        return simulated.shortening;
    }
    let soon = |after| Shortening { after, kept: after / 10 };
    failpoint!("snapshot-after").map_or(Shortening::USUAL, soon)
}

/// Opens the logs of all groups and checks them before any group starts: one that has lost
/// acknowledged entries must neither vote nor append (SEMANTICS 26).
pub(super) fn open_logs(
    total: u32,
    synced: &Watermarks,
    marks: Option<&Marks>,
    shared: &Shared,
) -> Result<Vec<LogStore>, OpenError> {
    let open = |group| {
        let (disk, clock) = (Arc::clone(&shared.disk), Arc::clone(&shared.clock));
        let Workers { sync, shortener, .. } = shared.workers.clone();
        let log = LogStore::open(group, disk, sync, shortener, clock, marks.cloned())
            .map_err(|damaged| OpenError::Corrupt(damaged.to_string()))?;
        let applied = read_applied(shared.disk.as_ref(), Keys::new(group));
        let applied = applied.map_err(|damaged| OpenError::Corrupt(damaged.to_string()))?.last;
        watermarks::check(synced, group, &log, applied)?;
        Ok(log)
    };
    (0..u64::from(total)).map(open).collect()
}

/// Loads all groups, as many at a time as there are processors. Where one is damaged, those that
/// were begun are ended first: nobody reads on in the background.
pub(super) async fn load_all(
    total: u32,
    shared: &Shared,
    progress: &(dyn Fn(u32, u32) + Send + Sync),
) -> Result<Vec<Arc<Replica>>, OpenError> {
    let at_once = std::thread::available_parallelism().map_or(1, usize::from);
    let groups = stream::iter(0..u64::from(total)).map(|group| load(group, shared));
    let loaded = groups.buffered(at_once).enumerate().map(|(number, replica)| {
        progress(u32::try_from(number + 1).unwrap_or(u32::MAX), total);
        replica
    });
    loaded.collect::<Vec<_>>().await.into_iter().collect()
}

/// All groups, or the first that did not open; the others are closed then.
pub(super) async fn all_or_none(
    opened: Vec<Result<Group, OpenError>>,
) -> Result<Vec<Group>, OpenError> {
    if opened.iter().all(Result::is_ok) {
        return opened.into_iter().collect();
    }
    for group in opened.iter().flatten() {
        group.close().await;
    }
    opened.into_iter().collect()
}

/// The room of the data directory, and how it is measured. The directory is made for that.
pub(super) fn find_room(options: &Options) -> Result<Option<(Arc<Room>, Gauge)>, OpenError> {
    let Some(directory) = options.data_dir.as_deref() else {
        let Some(gauge) = options.disk_gauge.clone() else { return Ok(None) };
        let room = Room::find(Path::new("memory"), options.disk_reserve, &gauge)?;
        return Ok(Some((Arc::new(room), gauge)));
    };
    let gauge = options.disk_gauge.clone().unwrap_or_else(|| gauge_of(directory));
    let room = Room::find(directory, options.disk_reserve, &gauge)?;
    Ok(Some((Arc::new(room), gauge)))
}

pub(super) async fn open_disk(options: &Options) -> Result<Arc<dyn Disk>, OpenError> {
    if let Some(disk) = &options.disk {
        return Ok(Arc::clone(disk));
    }
    let path = options.data_dir.clone().unwrap_or_default().join(STORE);
    let opened = path.clone();
    let disk = tokio::task::spawn_blocking(move || RocksDisk::open(&opened))
        .await
        .unwrap_or_else(|panic| Err(io::Error::other(panic)))
        .map_err(|source| match source.kind() {
            io::ErrorKind::InvalidData => {
                OpenError::Corrupt(format!("{}: {source}", path.display()))
            }
            _ => OpenError::Io { path, source },
        })?;
    Ok(Arc::new(disk))
}
