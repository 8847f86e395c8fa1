//! A group's state as one compressed stream: a version, then frames of keys and values.
//!
//! Built from a consistent view while the group goes on; installed as one batch, so that a crash
//! leaves the former state or this one. Keys are stored without their group.

use std::{
    io::{self, Read},
    ops::ControlFlow,
};

use serde::{Deserialize, Serialize};

use super::{
    keys::{Keys, Kind},
    record::{Record, decode, encode, verify},
};
use crate::{
    disk::{Batch, Space, View},
    machine::read_applied,
    types::{Applied, CommittedLeaderId},
};

const NAME: &[u8] = b"snapshot";
const LEVEL: i32 = 1;
/// A snapshot that unpacks to more than this is refused.
const MOST: u64 = 8 << 30;

/// The packed bytes.
pub(crate) type SnapshotBytes = Vec<u8>;
/// openraft's snapshot of ours.
pub(crate) type Snapshot =
    openraft::storage::Snapshot<CommittedLeaderId, u64, openraft::impls::BasicNode, SnapshotBytes>;

#[derive(Serialize, Deserialize)]
pub(crate) struct Content(Vec<(Vec<u8>, Vec<u8>)>);

impl Record for Content {
    const VERSION: u8 = 1;
}

#[cfg(test)]
mod tests;

/// Packs everything that a group has applied. A damaged record does not travel: it is an error.
pub(crate) fn build(view: &dyn View, keys: Keys) -> io::Result<Snapshot> {
    let applied = read_applied(view, keys)?;
    let (from, to) = keys.everything();
    let (mut rows, mut outcome) = (Vec::new(), Ok(()));
    view.scan(Space::State, &from, &to, &mut |key, value| {
        rows.push((key[from.len()..].to_vec(), value.to_vec()));
        outcome = verify(key, value);
        if outcome.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    outcome?;
    // What was applied travels in openraft's own description of the snapshot.
    rows.retain(|(key, _)| key.first() != Some(&(Kind::Applied as u8)));
    let packed = zstd::bulk::compress(&encode(NAME, &Content(rows)), LEVEL)?;
    Ok(Snapshot { snapshot: packed, ..described(&applied) })
}

/// How far a snapshot of what is applied goes, without its content: it cannot be installed.
pub(crate) fn described(applied: &Applied) -> Snapshot {
    Snapshot { meta: applied.described(), snapshot: SnapshotBytes::new() }
}

/// The batch that replaces a group's state by a snapshot's.
///
/// Values carry the checksum of their key, which names the group: a snapshot belongs to its
/// group and cannot be installed in another.
pub(crate) fn replacing(keys: Keys, packed: &SnapshotBytes) -> io::Result<Batch> {
    let Content(rows) = decode(NAME, &unpack(packed)?)?;
    let (from, to) = keys.everything();
    let mut batch = Batch::default();
    batch.delete_range(Space::State, from.clone(), to);
    for (rest, value) in rows {
        let key = [from.as_slice(), &rest].concat();
        verify(&key, &value)?;
        batch.put(Space::State, key, value);
    }
    Ok(batch)
}

fn unpack(packed: &[u8]) -> io::Result<Vec<u8>> {
    let mut unpacked = Vec::new();
    zstd::stream::read::Decoder::new(packed)?.take(MOST + 1).read_to_end(&mut unpacked)?;
    if unpacked.len() as u64 > MOST {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "snapshot is too large"));
    }
    Ok(unpacked)
}
