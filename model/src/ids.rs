//! Identities as types: two numbers that mean different things cannot be mixed up.

use std::{fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Serialize, Serializer};
use xxhash_rust::xxh3::xxh3_64;

/// The longest resource id, in bytes (SEMANTICS 27).
pub const MAX_RESOURCE_ID: usize = 200;

macro_rules! number {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(
            Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
        )]
        #[serde(transparent)]
        pub struct $name(pub $inner);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

number!(
    /// A slice of the resources: one Raft group. Groups 1..=N hold the shards 0..N.
    ShardId(u32)
);
number!(
    /// A member of the cluster. Assigned once, never reused.
    NodeId(u64)
);
number!(
    /// A shard leader's epoch: the fencing token that results carry.
    Term(u64)
);
number!(
    /// The applied log index at which something was last changed.
    Revision(u64)
);
number!(
    /// The log index of the declaration in force (SEMANTICS 14).
    Generation(u64)
);
number!(
    /// The place of a published event among the events of its resource, from 1.
    Sequence(u64)
);
number!(
    /// The place of an event in its shard's outbox, contiguous from 1.
    Offset(u64)
);

impl Sequence {
    /// The sequence of the event after this one.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl Offset {
    /// The offset of the event after this one.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl ShardId {
    /// The shard that holds `id` in a cluster of `shards` shards: `xxh3(id) % shards`.
    #[must_use]
    pub fn of(id: &ResourceId, shards: u32) -> Self {
        let slice = xxh3_64(id.as_str().as_bytes()) % u64::from(shards.max(1));
        Self(u32::try_from(slice).expect("a remainder is smaller than its u32 divisor"))
    }
}

/// One life of a resource id: the log position of its declaration (SEMANTICS 8).
///
/// Shown as `INDEX.POSITION`. An id that is removed and declared again gets a new one.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Incarnation {
    /// The log index of the entry that declared the resource.
    pub index: u64,
    /// The command's place within that entry.
    pub position: u32,
}

impl fmt::Display for Incarnation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.index, self.position)
    }
}

impl FromStr for Incarnation {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let parsed = text
            .split_once('.')
            .and_then(|(index, position)| Some((index.parse().ok()?, position.parse().ok()?)));
        let (index, position) = parsed.ok_or(InvalidId::Incarnation)?;
        Ok(Self { index, position })
    }
}

/// The name that a resource is known by: `[A-Za-z0-9._:@-]{1,200}` (SEMANTICS 27).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(try_from = "String")]
pub struct ResourceId(Arc<str>);

/// Why a text is not an id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidId {
    /// No characters at all.
    #[error("an id has 1 to {MAX_RESOURCE_ID} characters, this one is empty")]
    Empty,
    /// More characters than the limit.
    #[error("an id has 1 to {MAX_RESOURCE_ID} characters, this one has {0}")]
    TooLong(usize),
    /// A character outside the allowed set.
    #[error("{0:?} is not allowed in an id; allowed are A-Z a-z 0-9 . _ : @ -")]
    Character(char),
    /// Not `INDEX.POSITION`.
    #[error("an incarnation is written INDEX.POSITION, such as 4100.0")]
    Incarnation,
}

impl ResourceId {
    /// Checks `text` against the id rules.
    ///
    /// # Errors
    /// Says which rule is broken, for a person to read.
    pub fn new(text: impl AsRef<str>) -> Result<Self, InvalidId> {
        let text = text.as_ref();
        if text.is_empty() {
            return Err(InvalidId::Empty);
        }
        if let Some(bad) = text.chars().find(|c| !is_id_character(*c)) {
            return Err(InvalidId::Character(bad));
        }
        if text.len() > MAX_RESOURCE_ID {
            return Err(InvalidId::TooLong(text.len()));
        }
        Ok(Self(text.into()))
    }

    /// An id from a natural name of any length and alphabet.
    ///
    /// A name that is too long or has other characters is cut and ends in a hash of the
    /// whole, so that two names never share an id by being shortened (SEMANTICS 27).
    #[must_use]
    pub fn from_natural(name: &str) -> Self {
        if let Ok(id) = Self::new(name) {
            return id;
        }
        let suffix = format!("-{:016x}", xxh3_64(name.as_bytes()));
        let kept = MAX_RESOURCE_ID - suffix.len();
        let safe = |c: char| if is_id_character(c) { c } else { '-' };
        let mut text: String = name.chars().take(kept).map(safe).collect();
        text.push_str(&suffix);
        Self(text.into())
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn is_id_character(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | ':' | '@' | '-')
}

impl fmt::Display for ResourceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl std::borrow::Borrow<str> for ResourceId {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl FromStr for ResourceId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        Self::new(text)
    }
}

impl TryFrom<String> for ResourceId {
    type Error = InvalidId;

    fn try_from(text: String) -> Result<Self, InvalidId> {
        Self::new(text)
    }
}

impl From<ResourceId> for String {
    fn from(id: ResourceId) -> Self {
        id.0.as_ref().to_owned()
    }
}

/// As text, without a copy of it.
impl Serialize for ResourceId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn semantics_27_an_id_obeys_its_alphabet_and_length() {
        assert!(ResourceId::new("host:n1@eu-1_a.b").is_ok());
        assert_eq!(ResourceId::new(""), Err(InvalidId::Empty));
        assert_eq!(ResourceId::new("a b"), Err(InvalidId::Character(' ')));
        assert_eq!(ResourceId::new("x".repeat(10_000)), Err(InvalidId::TooLong(10_000)));
    }

    #[test]
    fn semantics_27_a_long_natural_name_keeps_a_hash_of_the_whole() {
        let (a, b) = ("n".repeat(300), "n".repeat(301));
        let (a, b) = (ResourceId::from_natural(&a), ResourceId::from_natural(&b));
        assert_eq!(a.as_str().len(), MAX_RESOURCE_ID);
        assert_ne!(a, b);
        assert_eq!(ResourceId::from_natural("plain"), "plain".parse().unwrap());
        assert_ne!(ResourceId::from_natural("a b"), ResourceId::from_natural("a/b"));
    }

    #[test]
    fn shards_are_fixed_by_the_id_alone() {
        let id: ResourceId = "endpoint:shop".parse().unwrap();
        let shard = ShardId::of(&id, 16);
        assert!(shard.0 < 16);
        assert_eq!(shard, ShardId::of(&id, 16));
        assert_eq!(ShardId::of(&id, 1), ShardId(0));
    }
}
