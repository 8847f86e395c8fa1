//! What must hold of any bytes that lie in the store.
//!
//! `make fuzz` drives this under coverage, the test below over the corpus and mutations.

use model::{
    ResourceId, ResourceSpec,
    maintenance::ShardMaintenance,
    resource::ResourceState,
    slots::{ClosedEpoch, Run},
};

use crate::{
    query::ChangeRecord,
    state::{
        Head, MetaMaintenance, OutboxRecord, SinkCursor, StoredConfig, StoredRequest, StoredSpec,
    },
    store::{
        keys::Keys,
        record::{Record, decode, encode, seal, show},
        snapshot::Content,
        watermark::Watermarks,
    },
    types::{Applied, LogEntry, StoredLogId, StoredVote},
};

/// Reads a value under its key as one kind of record.
type Read = fn(&[u8], &[u8]);

/// Every kind of record, in the order of the input's first byte.
const KINDS: [Read; 21] = [
    kept::<LogEntry>,
    kept::<StoredVote>,
    kept::<StoredLogId>,
    kept::<Applied>,
    kept::<Head>,
    kept::<StoredSpec>,
    kept::<ResourceState>,
    kept::<Run>,
    kept::<ClosedEpoch>,
    kept::<OutboxRecord>,
    kept::<u64>,
    kept::<SinkCursor>,
    kept::<ChangeRecord>,
    kept::<ResourceId>,
    kept::<StoredRequest>,
    kept::<ShardMaintenance>,
    kept::<MetaMaintenance>,
    kept::<StoredConfig>,
    kept::<Vec<ResourceSpec>>,
    kept::<Watermarks>,
    kept::<Content>,
];

/// Stored bytes are read as their kind or refused with their key; what is read is written so
/// that it reads the same. The first byte chooses the kind.
///
/// # Panics
/// Where that does not hold.
pub fn record(bytes: &[u8]) {
    let Some((kind, body)) = bytes.split_first() else { return };
    let key = [&Keys::new(7).everything().0[..], &[*kind], b"host:n1"].concat();
    KINDS[usize::from(*kind) % KINDS.len()](&key, body);
}

fn kept<R: Record>(key: &[u8], bytes: &[u8]) {
    if let Ok(record) = decode::<R>(key, bytes) {
        reads_back(key, &record);
    }
    // Damage under a sound checksum: a fault of ours, or memory that lied.
    let sealed = seal(key, [&[R::VERSION], bytes].concat());
    match decode::<R>(key, &sealed) {
        Ok(record) => reads_back(key, &record),
        Err(damaged) => assert!(damaged.to_string().contains(&show(key)), "{damaged}"),
    }
    let foreign = [key, b"x"].concat();
    assert!(decode::<R>(&foreign, &sealed).is_err(), "read at {}", show(&foreign));
}

fn reads_back<R: Record>(key: &[u8], record: &R) {
    let written = encode(key, record);
    let again = decode::<R>(key, &written).unwrap_or_else(|damaged| panic!("{damaged}"));
    assert_eq!(encode(key, &again), written, "reads otherwise than it was written");
}

#[cfg(test)]
mod tests {
    #[test]
    fn any_stored_bytes_are_a_record_or_refused_with_their_key() {
        mutate::short("record", 20_000, super::record);
    }
}
