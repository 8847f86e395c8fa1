//! A line that stands for events that are lost: retention took them before the sink had them.

use std::borrow::Cow;

use model::WallTime;
use serde::Deserialize;

use super::{
    findings::At,
    told::{Number, StreamId},
};

/// The CloudEvents type of a gap, as sinks write it.
const GAP_TYPE: &str = "io.bellwether.infrastructure.gap.v1";

/// A run of offsets that counts as present (SEMANTICS 9, 10).
///
/// Invariant: `1 <= from <= to`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Gap {
    /// Where it stands.
    pub(super) at: At,
    /// Where its offsets count.
    pub(super) stream: StreamId,
    /// The first offset that is lost.
    pub(super) from: u64,
    /// The last one, which is the line's own place in its stream.
    pub(super) to: u64,
    /// When it was noticed, long after what it stands for.
    pub(super) time: WallTime,
}

#[derive(Deserialize)]
struct Type<'a> {
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
}

#[derive(Deserialize)]
struct Raw<'a> {
    #[serde(borrow)]
    specversion: Cow<'a, str>,
    #[serde(borrow)]
    time: Cow<'a, str>,
    #[serde(default)]
    clusterincarnation: Number,
    shard: Number,
    offset: Number,
    data: Data,
}

#[derive(Deserialize)]
struct Data {
    shard: Number,
    from: Number,
    to: Number,
}

impl Gap {
    /// Reads a line without its line break; nothing where it is of another type.
    ///
    /// # Errors
    /// What is wrong with it, for people.
    pub(super) fn parse(line: &[u8], at: At) -> Option<Result<Self, String>> {
        let Type { kind } = serde_json::from_slice(line).ok()?;
        (kind == GAP_TYPE).then(|| read(line, at))
    }
}

fn read(line: &[u8], at: At) -> Result<Gap, String> {
    let raw: Raw<'_> =
        serde_json::from_slice(line).map_err(|e| format!("is no gap of ours: {e}"))?;
    if raw.specversion != "1.0" {
        return Err(format!("is a CloudEvent of version {}, not 1.0", raw.specversion));
    }
    let Data { shard, from, to } = raw.data;
    if shard.0 != raw.shard.0 {
        return Err(format!("is a gap of shard {}, but its data say {}", raw.shard.0, shard.0));
    }
    if to.0 != raw.offset.0 {
        return Err(format!("is a gap at offset {}, but its data end at {}", raw.offset.0, to.0));
    }
    if from.0 == 0 || from.0 > to.0 {
        return Err(format!("is a gap from offset {} to {}, which holds none", from.0, to.0));
    }
    let time = WallTime::parse_rfc3339(&raw.time).ok_or("the time is not RFC 3339")?;
    let stream = StreamId { cluster: raw.clusterincarnation.0, shard: shard.0 };
    Ok(Gap { at, stream, from: from.0, to: to.0, time })
}
