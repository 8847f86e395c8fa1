//! A line of the file: an event as written, and what is read back of it.

use model::{
    Offset, ShardId,
    event::{ClusterIdentity, Event},
};
use serde::de::IgnoredAny;
use serde_json::Value;

use crate::sink::{Batch, attributes::Attributes};

/// An encoded event and its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) offset: Offset,
    /// JSON without a newline inside, and one at its end.
    pub(super) bytes: Vec<u8>,
}

/// What a line that was read turned out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reading {
    /// An event or a gap of this life of this cluster.
    Ours(ShardId, Offset),
    /// Some other JSON: of another cluster, or of a former life of this one (SEMANTICS 12).
    Foreign,
    /// No complete JSON: torn or damaged.
    Damaged,
}

/// Encodes a batch, its gap first.
pub(super) fn encode(batch: &Batch, cluster: &ClusterIdentity) -> Vec<Line> {
    let gap = batch.gap.map(|gap| line(gap.to, &gap.to_cloudevent(batch.shard, cluster)));
    let event = |event: &Event| line(event.offset, &event.to_cloudevent(cluster));
    gap.into_iter().chain(batch.events.iter().map(event)).collect()
}

fn line(offset: Offset, json: &Value) -> Line {
    // Compact JSON escapes control characters, so the only newline is the one at the end.
    let mut bytes = json.to_string().into_bytes();
    bytes.push(b'\n');
    Line { offset, bytes }
}

/// Reads a line without its newline.
pub(super) fn read(bytes: &[u8], cluster: &ClusterIdentity) -> Reading {
    if let Ok(attributes) = serde_json::from_slice::<Attributes<'_>>(bytes) {
        return attributes.place(cluster).map_or(Reading::Foreign, |(s, o)| Reading::Ours(s, o));
    }
    match serde_json::from_slice::<IgnoredAny>(bytes) {
        Ok(_) => Reading::Foreign,
        Err(_) => Reading::Damaged,
    }
}
