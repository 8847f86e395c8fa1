//! Where those who consume a sink's events begin or go on.

use std::{fmt, str::FromStr};

use crate::WallTime;

/// See the module.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SubscribeFrom {
    /// With the oldest event that the sink keeps.
    Oldest,
    /// With the next one that comes.
    Latest,
    /// With the first that was published then or later.
    Time(WallTime),
}

/// A text that says no such place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected `oldest`, `latest` or a time such as 2027-01-31T22:00:00Z (RFC 3339)")]
pub struct NoStart;

impl FromStr for SubscribeFrom {
    type Err = NoStart;

    fn from_str(text: &str) -> Result<Self, NoStart> {
        match text {
            "oldest" => Ok(Self::Oldest),
            "latest" => Ok(Self::Latest),
            _ => WallTime::parse_rfc3339(text).map(Self::Time).ok_or(NoStart),
        }
    }
}

impl fmt::Display for SubscribeFrom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Oldest => f.write_str("oldest"),
            Self::Latest => f.write_str("latest"),
            Self::Time(time) => time.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_start_is_read_as_it_is_written() {
        for text in ["oldest", "latest", "2027-01-31T22:00:00.000Z"] {
            assert_eq!(text.parse::<SubscribeFrom>().unwrap().to_string(), text);
        }
        for text in ["", "now", "2027-01-31", "17"] {
            assert_eq!(text.parse::<SubscribeFrom>(), Err(NoStart), "{text}");
        }
    }
}
