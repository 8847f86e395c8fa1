//! A line of the file: an event as written, and what is read back of it.

use std::borrow::Cow;

use model::{
    Offset, ShardId,
    event::{ClusterIdentity, Event},
};
use serde::{Deserialize, de::IgnoredAny};
use serde_json::Value;
use uuid::Uuid;

use crate::sink::{
    Batch,
    gap::{GAP_TYPE, gap_id},
};

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

/// The attributes that place an event and name its cluster.
#[derive(Deserialize)]
struct Attributes<'a> {
    #[serde(borrow)]
    id: Cow<'a, str>,
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
    #[serde(default)]
    subject: String,
    #[serde(default)]
    incarnation: String,
    #[serde(default)]
    sequence: String,
    #[serde(borrow)]
    clusterincarnation: Cow<'a, str>,
    shard: u32,
    #[serde(borrow)]
    offset: Cow<'a, str>,
}

impl Attributes<'_> {
    /// Its place, if it is of this cluster. The source only has the cluster's name, which a
    /// cluster founded anew may share; the id is made from the cluster's own id.
    fn place(&self, cluster: &ClusterIdentity) -> Option<(ShardId, Offset)> {
        if self.clusterincarnation != cluster.incarnation.to_string() {
            return None;
        }
        let (shard, offset) = (ShardId(self.shard), Offset(self.offset.parse().ok()?));
        let id = self.id.parse::<Uuid>().ok()?;
        (id == self.expected_id(cluster, shard, offset)).then_some((shard, offset))
    }

    /// As [`Event::id`] makes it.
    fn expected_id(&self, cluster: &ClusterIdentity, shard: ShardId, offset: Offset) -> Uuid {
        if self.kind == GAP_TYPE {
            return gap_id(cluster, shard, offset);
        }
        let Self { clusterincarnation, subject, incarnation, sequence, .. } = self;
        let name = format!("{clusterincarnation}/{subject}/{incarnation}/{sequence}");
        Uuid::new_v5(&cluster.id, name.as_bytes())
    }
}
