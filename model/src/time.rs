//! Time without a clock: durations, a shard's own replicated time, and wall clocks for display.

use std::{fmt, str::FromStr};

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A length of time in milliseconds. Written as `30s`, `5m`, `1h30m`, `250ms`, `2d`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Millis(pub u64);

/// A moment of a shard's own time, in milliseconds since the shard was founded (SEMANTICS 1).
///
/// It runs on what the leader's commands carry, so every replica agrees on it.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct ShardTime(pub u64);

/// A wall-clock moment in milliseconds since 1970, UTC. For display; it decides nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WallTime(pub i64);

/// A text that is not a duration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a duration; write a number and a unit, such as 250ms, 30s, 5m, 1h30m or 2d")]
pub struct InvalidDuration(pub String);

const UNITS: [(&str, u64); 5] =
    [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

impl Millis {
    /// So many seconds.
    #[must_use]
    pub const fn from_secs(seconds: u64) -> Self {
        Self(seconds * 1_000)
    }

    /// This length of time, so many times; saturating.
    #[must_use]
    pub const fn times(self, n: u64) -> Self {
        Self(self.0.saturating_mul(n))
    }

    /// A length of time that a timer of the runtime has measured.
    #[must_use]
    pub fn of(duration: std::time::Duration) -> Self {
        Self(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
    }

    /// For timers of the runtime.
    #[must_use]
    pub const fn as_duration(self) -> std::time::Duration {
        std::time::Duration::from_millis(self.0)
    }
}

impl fmt::Display for Millis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == 0 {
            return f.write_str("0s");
        }
        let mut rest = self.0;
        for (unit, size) in UNITS {
            let count = rest / size;
            if count > 0 {
                write!(f, "{count}{unit}")?;
                rest %= size;
            }
        }
        Ok(())
    }
}

impl FromStr for Millis {
    type Err = InvalidDuration;

    fn from_str(text: &str) -> Result<Self, InvalidDuration> {
        let invalid = || InvalidDuration(text.chars().take(40).collect());
        let mut rest = text;
        let mut total: u64 = 0;
        while !rest.is_empty() {
            let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(invalid)?;
            let unit_end = rest[digits..]
                .find(|c: char| c.is_ascii_digit())
                .map_or(rest.len(), |at| digits + at);
            let (_, size) = UNITS
                .iter()
                .find(|(unit, _)| *unit == &rest[digits..unit_end])
                .ok_or_else(invalid)?;
            let count: u64 = rest[..digits].parse().map_err(|_| invalid())?;
            total = count
                .checked_mul(*size)
                .and_then(|part| total.checked_add(part))
                .ok_or_else(invalid)?;
            rest = &rest[unit_end..];
        }
        if text.is_empty() { Err(invalid()) } else { Ok(Self(total)) }
    }
}

// People read `30s`; stored records hold the number.
impl Serialize for Millis {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            self.0.serialize(serializer)
        }
    }
}

impl<'de> Deserialize<'de> for Millis {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
        } else {
            u64::deserialize(deserializer).map(Self)
        }
    }
}

impl ShardTime {
    /// The moment `span` after this one; saturating.
    #[must_use]
    pub const fn plus(self, span: Millis) -> Self {
        Self(self.0.saturating_add(span.0))
    }

    /// The moment `span` before this one, but not before the shard's founding.
    #[must_use]
    pub const fn minus(self, span: Millis) -> Self {
        Self(self.0.saturating_sub(span.0))
    }

    /// How long after `earlier` this is; zero where it is before.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Millis {
        Millis(self.0.saturating_sub(earlier.0))
    }
}

impl fmt::Display for ShardTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "+{}", Millis(self.0))
    }
}

impl WallTime {
    /// The latest moment that RFC 3339 can write (the year 9999).
    pub const MAX: Self = Self(253_402_300_799_999);

    /// Reads an RFC 3339 time; fractions below a millisecond are cut.
    #[must_use]
    pub fn parse_rfc3339(text: &str) -> Option<Self> {
        let parsed = DateTime::parse_from_rfc3339(text).ok()?.timestamp_millis();
        (0..=Self::MAX.0).contains(&parsed).then_some(Self(parsed))
    }

    /// The moment `span` later.
    #[must_use]
    pub fn plus(self, span: Millis) -> Self {
        let span = i64::try_from(span.0).unwrap_or(i64::MAX);
        Self(self.0.saturating_add(span).min(Self::MAX.0))
    }

    /// The moment `span` earlier, but not before 1970.
    #[must_use]
    pub fn minus(self, span: Millis) -> Self {
        let span = i64::try_from(span.0).unwrap_or(i64::MAX);
        Self(self.0.saturating_sub(span).max(0))
    }

    /// How long after `earlier` this is; zero where it is before.
    #[must_use]
    pub fn since(self, earlier: Self) -> Millis {
        Millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

impl fmt::Display for WallTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let clamped = self.0.clamp(0, Self::MAX.0);
        let time = DateTime::<Utc>::from_timestamp_millis(clamped)
            .expect("the years 1970 to 9999 are within chrono's range");
        f.write_str(&time.to_rfc3339_opts(SecondsFormat::Millis, true))
    }
}

impl Serialize for WallTime {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            self.0.serialize(serializer)
        }
    }
}

impl<'de> Deserialize<'de> for WallTime {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            let text = String::deserialize(deserializer)?;
            Self::parse_rfc3339(&text).ok_or_else(|| de::Error::custom("not an RFC 3339 time"))
        } else {
            i64::deserialize(deserializer).map(Self)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_as_people_write_them() {
        for (text, millis) in
            [("250ms", 250), ("30s", 30_000), ("1h30m", 5_400_000), ("2d", 172_800_000), ("0s", 0)]
        {
            assert_eq!(text.parse(), Ok(Millis(millis)), "{text}");
        }
        for text in ["", "10", "s", "-5s", "5 s", "5parsecs", "1.5s", "99999999999999999999s"] {
            assert!(text.parse::<Millis>().is_err(), "{text}");
        }
    }

    #[test]
    fn durations_are_written_as_they_are_read() {
        for millis in [0, 1, 999, 1_000, 61_001, 5_400_000, 90_061_007] {
            assert_eq!(Millis(millis).to_string().parse(), Ok(Millis(millis)));
        }
    }

    #[test]
    fn wall_times_are_rfc_3339_with_milliseconds() {
        let time = WallTime(1_763_719_200_123);
        assert_eq!(time.to_string(), "2025-11-21T10:00:00.123Z");
        assert_eq!(WallTime::parse_rfc3339("2025-11-21T11:00:00.123+01:00"), Some(time));
        assert_eq!(WallTime::parse_rfc3339("yesterday"), None);
        assert_eq!(WallTime::MAX.to_string(), "9999-12-31T23:59:59.999Z");
    }
}
