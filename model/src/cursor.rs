//! Where a reader is: one position per shard, opaque to clients (SEMANTICS 13).

use std::{collections::BTreeMap, fmt, str::FromStr};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};

use crate::ShardId;

const VERSION: u8 = 1;
/// The longest cursor that is read, in characters.
const MAX_TEXT: usize = 32 * 1024;

/// A place among a shard's changes: the log index, and the change within that entry.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Position {
    /// The log index.
    pub index: u64,
    /// The change's place within the entry.
    pub place: u32,
}

/// Everything up to these positions has been seen.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cursor {
    /// The life of the cluster that the positions belong to (SEMANTICS 12).
    pub cluster_incarnation: u64,
    /// The position in each shard; a shard that is absent was not read yet.
    pub shards: BTreeMap<ShardId, Position>,
}

/// A text that is not a cursor of this system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a cursor; pass one that a list or a watch returned, unchanged")]
pub struct InvalidCursor;

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = vec![VERSION];
        bytes.extend(postcard::to_stdvec(self).expect("a cursor is plain data"));
        bytes.extend(crc32c::crc32c(&bytes).to_le_bytes());
        f.write_str(&URL_SAFE_NO_PAD.encode(bytes))
    }
}

impl FromStr for Cursor {
    type Err = InvalidCursor;

    fn from_str(text: &str) -> Result<Self, InvalidCursor> {
        if text.len() > MAX_TEXT {
            return Err(InvalidCursor);
        }
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| InvalidCursor)?;
        let (payload, sum) = bytes.split_last_chunk::<4>().ok_or(InvalidCursor)?;
        let (version, body) = payload.split_first().ok_or(InvalidCursor)?;
        if *version != VERSION || crc32c::crc32c(payload) != u32::from_le_bytes(*sum) {
            return Err(InvalidCursor);
        }
        postcard::from_bytes(body).map_err(|_| InvalidCursor)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_cursor_survives_being_written_and_read(
            incarnation: u64, shards in prop::collection::btree_map(0u32..64, (any::<u64>(), any::<u32>()), 0..64),
        ) {
            let shards = shards
                .into_iter()
                .map(|(shard, (index, place))| (ShardId(shard), Position { index, place }))
                .collect();
            let cursor = Cursor { cluster_incarnation: incarnation, shards };
            prop_assert_eq!(cursor.to_string().parse(), Ok(cursor));
        }

        #[test]
        fn any_other_text_is_refused_without_a_panic(text in ".{0,80}") {
            prop_assert_eq!(text.parse::<Cursor>(), Err(InvalidCursor));
        }
    }

    #[test]
    fn a_changed_character_is_noticed() {
        let text = Cursor { cluster_incarnation: 1, shards: BTreeMap::new() }.to_string();
        let other = if text.starts_with('A') { 'B' } else { 'A' };
        assert!(format!("{other}{}", &text[1..]).parse::<Cursor>().is_err());
    }
}
