//! A group's state as one compressed stream: a version, then frames of keys and values.
//!
//! Built from a consistent view while the group goes on; installed as one batch, so that a crash
//! leaves the former state or this one. Keys are stored without their group.

use std::{io, ops::ControlFlow};

use serde::{Deserialize, Serialize};

use super::{
    keys::{Keys, Kind},
    record::{Record, decode, encode},
};
use crate::{
    disk::{Batch, Disk, Space},
    machine::read_applied,
    types::{CommittedLeaderId, SnapshotMeta},
};

const NAME: &[u8] = b"snapshot";
const LEVEL: i32 = 1;
/// A snapshot larger than this is refused before it is unpacked.
const MOST: usize = 8 << 30;

/// The packed bytes.
pub(crate) type SnapshotBytes = Vec<u8>;
/// openraft's snapshot of ours.
pub(crate) type Snapshot =
    openraft::storage::Snapshot<CommittedLeaderId, u64, openraft::impls::BasicNode, SnapshotBytes>;

#[derive(Serialize, Deserialize)]
struct Content(Vec<(Vec<u8>, Vec<u8>)>);

impl Record for Content {
    const VERSION: u8 = 1;
}

/// Packs everything that a group has applied.
pub(crate) fn build(disk: &dyn Disk, keys: Keys) -> io::Result<Snapshot> {
    let view = disk.view();
    let applied = read_applied(view.as_ref(), keys)?;
    let (from, to) = keys.everything();
    let mut rows = Vec::new();
    view.scan(Space::State, &from, &to, &mut |key, value| {
        rows.push((key[from.len()..].to_vec(), value.to_vec()));
        ControlFlow::Continue(())
    })?;
    // What was applied travels in openraft's own description of the snapshot.
    rows.retain(|(key, _)| key.first() != Some(&(Kind::Applied as u8)));
    let packed = zstd::bulk::compress(&encode(NAME, &Content(rows)), LEVEL)?;
    let last_log_id = applied.last.map(Into::into);
    let meta = SnapshotMeta { last_log_id, last_membership: applied.membership() };
    Ok(Snapshot { meta, snapshot: packed })
}

/// The batch that replaces a group's state by a snapshot's.
///
/// Values carry the checksum of their key, which names the group: a snapshot belongs to its
/// group and cannot be installed in another.
pub(crate) fn replacing(keys: Keys, packed: &SnapshotBytes) -> io::Result<Batch> {
    let unpacked = zstd::stream::decode_all(packed.as_slice())?;
    if unpacked.len() > MOST {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "snapshot is too large"));
    }
    let Content(rows) = decode(NAME, &unpacked)?;
    let (from, to) = keys.everything();
    let mut batch = Batch::default();
    batch.delete_range(Space::State, from.clone(), to);
    for (rest, value) in rows {
        batch.put(Space::State, [from.as_slice(), &rest].concat(), value);
    }
    Ok(batch)
}
