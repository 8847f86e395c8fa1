//! Maintenance windows: while one holds, no transition of a matching resource pages anybody.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::{
    Labels, ResourceId, ShardTime, WallTime,
    decode::{Fields, Problems, resource_id, text},
    selector::Selector,
};

/// The most resources that one window may name.
pub const MAX_NAMED: usize = 10_000;

/// A window as somebody asked for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Maintenance {
    /// Its name.
    pub name: String,
    /// Resources with matching labels; none where absent.
    pub selector: Option<Selector>,
    /// Resources by id.
    pub resource_ids: BTreeSet<ResourceId>,
    /// When it begins.
    pub starts_at: WallTime,
    /// When it ends.
    pub ends_at: WallTime,
    /// Why.
    pub reason: String,
}

impl Maintenance {
    /// Reads the body of a request. Without `starts_at` it begins at `now`.
    pub fn decode(
        name: &str,
        mut fields: Fields<'_>,
        now: WallTime,
        problems: &Problems,
    ) -> Option<Self> {
        let before = problems.len();
        let selector = fields.optional("selector", |value| {
            text(crate::selector::MAX_SELECTOR)(value)?
                .parse::<Selector>()
                .map_err(|e| e.to_string())
        });
        let mut resource_ids = BTreeSet::new();
        for (pointer, value) in fields.list("resource_ids", MAX_NAMED) {
            match resource_id(value) {
                Ok(id) => {
                    resource_ids.insert(id);
                }
                Err(detail) => problems.report(pointer, detail),
            }
        }
        let starts_at = fields.optional("starts_at", wall_time).unwrap_or(now);
        let ends_at = fields.required("ends_at", wall_time);
        let reason = fields.optional("reason", text(crate::outcome::MAX_REASON));
        if ends_at.is_some_and(|end| end <= starts_at) {
            fields.problem("ends_at", "is not after starts_at");
        }
        if selector.is_none() && resource_ids.is_empty() && problems.len() == before {
            fields.problem("selector", "set `selector`, `resource_ids` or both");
        }
        fields.finish();
        if problems.len() > before {
            return None;
        }
        let reason = reason.unwrap_or_default();
        Some(Self {
            name: name.to_owned(),
            selector,
            resource_ids,
            starts_at,
            ends_at: ends_at?,
            reason,
        })
    }

    /// Whether a resource falls under it.
    #[must_use]
    pub fn covers(&self, id: &ResourceId, labels: &Labels) -> bool {
        self.resource_ids.contains(id)
            || self.selector.as_ref().is_some_and(|selector| selector.matches(labels))
    }
}

fn wall_time(value: &serde_json::Value) -> Result<WallTime, String> {
    let text = value.as_str().unwrap_or_default();
    WallTime::parse_rfc3339(text).ok_or_else(|| {
        "expected an RFC 3339 time from 1970 to 9999 such as 2026-01-31T22:00:00Z".to_owned()
    })
}

/// A window in one shard: its times are offsets of that shard's time (SEMANTICS 18).
/// A deleted one stays as a tombstone, so that an older version cannot come back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShardMaintenance {
    /// The version of `meta` that this is; the highest per name wins.
    pub version: u64,
    /// The window and its span; absent once deleted.
    pub window: Option<(Maintenance, Span)>,
}

/// From when to when, in shard time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    /// When it begins.
    pub starts: ShardTime,
    /// When it is over.
    pub ends: ShardTime,
}

impl Span {
    /// The span of a window that was accepted at the shard's `now`, when clocks showed `wall`.
    #[must_use]
    pub fn accepted(window: &Maintenance, now: ShardTime, wall: WallTime) -> Self {
        let starts = now.plus(window.starts_at.since(wall));
        Self { starts, ends: now.plus(window.ends_at.since(wall)) }
    }

    /// Whether it holds at `now`.
    #[must_use]
    pub fn holds(&self, now: ShardTime) -> bool {
        self.starts <= now && now < self.ends
    }
}

impl ShardMaintenance {
    /// Whether it holds for a resource at `now`.
    #[must_use]
    pub fn holds(&self, now: ShardTime, id: &ResourceId, labels: &Labels) -> bool {
        self.window
            .as_ref()
            .is_some_and(|(window, span)| span.holds(now) && window.covers(id, labels))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn semantics_18_times_become_offsets_of_shard_time() {
        let body = json!({"selector": "team=shop", "starts_at": "2026-01-01T00:01:00Z",
            "ends_at": "2026-01-01T00:02:00Z", "reason": "upgrade"});
        let problems = Problems::default();
        let wall = WallTime::parse_rfc3339("2026-01-01T00:00:00Z").unwrap();
        let fields = Fields::new(&body, "", &problems).unwrap();
        let window = Maintenance::decode("m1", fields, wall, &problems).unwrap();
        let span = Span::accepted(&window, ShardTime(5_000), wall);
        assert_eq!(span, Span { starts: ShardTime(65_000), ends: ShardTime(125_000) });
        assert!(!span.holds(ShardTime(64_999)) && span.holds(ShardTime(65_000)));
        assert!(!span.holds(ShardTime(125_000)));
    }

    #[test]
    fn a_window_that_selects_nothing_or_ends_first_is_refused() {
        for body in [
            json!({"ends_at": "2026-01-01T00:00:00Z"}),
            json!({"selector": "", "ends_at": "2020-01-01T00:00:00Z"}),
            json!({"selector": "a b", "ends_at": "2027-01-01T00:00:00Z"}),
            json!({"resource_ids": ["a b"], "ends_at": "2027-01-01T00:00:00Z"}),
        ] {
            let problems = Problems::default();
            let fields = Fields::new(&body, "", &problems).unwrap();
            let now = WallTime::parse_rfc3339("2026-01-01T00:00:00Z").unwrap();
            assert!(Maintenance::decode("m", fields, now, &problems).is_none(), "{body}");
            assert!(!problems.is_empty());
        }
    }
}
