//! From where on a person has a sink sent events again, or what is passed over.

use std::{fmt, str::FromStr};

use super::Change;
use crate::{Offset, ShardId};

/// See the module.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResetTo {
    /// In every shard, everything that retention has left is sent.
    Oldest,
    /// In every shard, nothing that is decided by now is sent.
    Latest,
    /// One shard goes on with the event of this offset.
    Next(ShardId, Offset),
}

/// A text that says no such place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected `oldest`, `latest` or SHARD:OFFSET, the event that is sent next, such as 3:1200")]
pub struct NoPlace;

impl ResetTo {
    /// What becomes of the cursor in a shard; nothing in those that it is not about. What the shard
    /// does not keep, or has not decided yet, is no bound: whoever applies the change knows both.
    #[must_use]
    pub fn change<P>(self, shard: ShardId) -> Option<Change<P>> {
        let offset = match self {
            Self::Oldest => Offset(0),
            Self::Latest => Offset(u64::MAX),
            Self::Next(only, next) if only == shard => Offset(next.0.saturating_sub(1)),
            Self::Next(..) => return None,
        };
        Some(Change::Reset { offset })
    }
}

impl FromStr for ResetTo {
    type Err = NoPlace;

    fn from_str(text: &str) -> Result<Self, NoPlace> {
        match text {
            "oldest" => return Ok(Self::Oldest),
            "latest" => return Ok(Self::Latest),
            _ => {}
        }
        let (shard, next) = text.split_once(':').ok_or(NoPlace)?;
        let (shard, next) =
            (shard.parse().map_err(|_| NoPlace)?, next.parse().map_err(|_| NoPlace)?);
        if next == 0 { Err(NoPlace) } else { Ok(Self::Next(ShardId(shard), Offset(next))) }
    }
}

impl fmt::Display for ResetTo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Oldest => f.write_str("oldest"),
            Self::Latest => f.write_str("latest"),
            Self::Next(shard, next) => write!(f, "{shard}:{next}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_read_as_it_is_written() {
        for text in ["oldest", "latest", "3:1200"] {
            assert_eq!(text.parse::<ResetTo>().unwrap().to_string(), text);
        }
        for text in
            ["", "3", "3:", ":7", "3:0", "-1:2", "3:1:2", "Oldest", "3:99999999999999999999"]
        {
            assert_eq!(text.parse::<ResetTo>(), Err(NoPlace), "{text}");
        }
    }

    #[test]
    fn only_the_shard_that_is_named_changes() {
        let to = ResetTo::Next(ShardId(3), Offset(1_200));
        assert_eq!(to.change::<()>(ShardId(2)), None);
        assert_eq!(to.change::<()>(ShardId(3)), Some(Change::Reset { offset: Offset(1_199) }));
        assert_eq!(
            ResetTo::Oldest.change::<()>(ShardId(2)),
            Some(Change::Reset { offset: Offset(0) })
        );
    }
}
