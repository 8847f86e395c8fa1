//! One line of a file as an event or a gap, as far as the verdicts need it.

use std::{
    borrow::Cow,
    fmt,
    hash::{DefaultHasher, Hasher},
    str::FromStr,
};

use model::{HealthStatus, Incarnation, WallTime, event::EventKind};
use serde::{Deserialize, Deserializer, de};
use uuid::Uuid;

use super::{findings::At, gap::Gap};

/// Whose offsets are counted together: a shard within a life of its cluster (SEMANTICS 12).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct StreamId {
    /// The life of the cluster.
    pub(super) cluster: u64,
    /// The shard.
    pub(super) shard: u64,
}

/// One line.
#[derive(Debug)]
pub(super) enum Line {
    /// An event.
    Event(Told),
    /// What stands for events that are lost.
    Gap(Gap),
}

/// One event.
#[derive(Debug, Clone)]
pub(super) struct Told {
    /// Where it stands.
    pub(super) at: At,
    /// A fingerprint of the whole line: a repeat is the same byte for byte (SEMANTICS 8).
    pub(super) fingerprint: u64,
    /// The part of its id that no two share: 62 bits of a SHA-1 hash and the variant.
    pub(super) id: u64,
    /// Where its offset counts.
    pub(super) stream: StreamId,
    /// The place in its stream.
    pub(super) offset: u64,
    /// The resource.
    pub(super) subject: Box<str>,
    /// Which life of the resource.
    pub(super) incarnation: Incarnation,
    /// The place among the events of that life.
    pub(super) sequence: u64,
    /// What it tells.
    pub(super) kind: EventKind,
    /// The health from now on.
    pub(super) status: HealthStatus,
    /// The health before.
    pub(super) previous: Option<HealthStatus>,
    /// When.
    pub(super) time: WallTime,
}

#[derive(Deserialize)]
struct Raw<'a> {
    #[serde(borrow)]
    specversion: Cow<'a, str>,
    #[serde(borrow)]
    id: Cow<'a, str>,
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    subject: Cow<'a, str>,
    #[serde(borrow)]
    time: Cow<'a, str>,
    #[serde(borrow)]
    incarnation: Cow<'a, str>,
    #[serde(default)]
    clusterincarnation: Number,
    sequence: Number,
    shard: Number,
    offset: Number,
    #[serde(borrow)]
    data: Data<'a>,
}

#[derive(Deserialize)]
struct Data<'a> {
    #[serde(borrow)]
    event_id: Cow<'a, str>,
    #[serde(borrow)]
    infrastructure_status: Status<'a>,
}

#[derive(Deserialize)]
struct Status<'a> {
    #[serde(borrow)]
    resource_id: Cow<'a, str>,
    health_status: HealthStatus,
    previous_status: Option<HealthStatus>,
}

/// A number, or a text that holds one: CloudEvents extensions have no 64-bit integers.
#[derive(Default)]
pub(super) struct Number(pub(super) u64);

impl Line {
    /// Reads a line without its line break.
    ///
    /// # Errors
    /// What is wrong with it, for people.
    pub(super) fn parse(line: &[u8], at: At) -> Result<Self, String> {
        if line.trim_ascii().is_empty() {
            return Err("an empty line".to_owned());
        }
        // Gaps are rare and lack most of an event: a line is read as one only if it is none.
        match serde_json::from_slice(line) {
            Ok(raw) => Told::check(raw, line, at).map(Self::Event),
            Err(e) => match Gap::parse(line, at) {
                Some(gap) => gap.map(Self::Gap),
                None => Err(format!("is no event of ours: {e}")),
            },
        }
    }

    /// Where it stands.
    pub(super) fn at(&self) -> At {
        match self {
            Self::Event(told) => told.at,
            Self::Gap(gap) => gap.at,
        }
    }

    /// Where its offsets count.
    pub(super) fn stream(&self) -> StreamId {
        match self {
            Self::Event(told) => told.stream,
            Self::Gap(gap) => gap.stream,
        }
    }

    /// The first offset that it is or stands for.
    pub(super) fn first_offset(&self) -> u64 {
        match self {
            Self::Event(told) => told.offset,
            Self::Gap(gap) => gap.from,
        }
    }

    /// The last offset that it is or stands for.
    pub(super) fn last_offset(&self) -> u64 {
        match self {
            Self::Event(told) => told.offset,
            Self::Gap(gap) => gap.to,
        }
    }

    /// When it was written.
    pub(super) fn time(&self) -> WallTime {
        match self {
            Self::Event(told) => told.time,
            Self::Gap(gap) => gap.time,
        }
    }
}

impl Told {
    fn check(raw: Raw<'_>, line: &[u8], at: At) -> Result<Self, String> {
        if raw.specversion != "1.0" {
            return Err(format!("is a CloudEvent of version {}, not 1.0", raw.specversion));
        }
        if raw.data.event_id != raw.id {
            return Err("data.event_id is not the event's id".to_owned());
        }
        if raw.data.infrastructure_status.resource_id != raw.subject {
            return Err("the payload is of another resource than the subject".to_owned());
        }
        let id = Uuid::parse_str(&raw.id).map_err(|_| "the id is no UUID".to_owned())?;
        let time = WallTime::parse_rfc3339(&raw.time).ok_or("the time is not RFC 3339")?;
        let incarnation =
            Incarnation::from_str(&raw.incarnation).map_err(|e| format!("incarnation: {e}"))?;
        let status = raw.data.infrastructure_status;
        Ok(Self {
            at,
            fingerprint: fingerprint(line),
            id: id.as_u64_pair().1,
            stream: StreamId { cluster: raw.clusterincarnation.0, shard: raw.shard.0 },
            offset: raw.offset.0,
            subject: raw.subject.as_ref().into(),
            incarnation,
            sequence: raw.sequence.0,
            kind: kind(&raw.kind)?,
            status: status.health_status,
            previous: status.previous_status,
            time,
        })
    }
}

fn kind(name: &str) -> Result<EventKind, String> {
    [EventKind::Declared, EventKind::StatusUpdated, EventKind::Removed]
        .into_iter()
        .find(|kind| kind.type_name() == name)
        .ok_or_else(|| format!("`{name}` is no type of ours"))
}

fn fingerprint(line: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(line);
    hasher.finish()
}

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = Number;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a whole number")
            }

            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Number, E> {
                Ok(Number(number))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Number, E> {
                text.parse().map(Number).map_err(|_| E::custom("expected a whole number"))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}
