//! The frames of a watch.

use axum::body::Bytes;
use model::{HealthStatus, cursor::Cursor};
use raft::{Change, ChangeKind, Row};
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

use crate::view::ResourceView;

/// A server-sent event of a watch, by the names of its fields.
#[derive(ToSchema)]
#[schema(as = WatchEvent)]
#[expect(dead_code, reason = "describes what this file writes")]
pub(super) struct WatchEvent {
    /// What it tells.
    #[schema(
        pattern = "^(snapshot|synced|declared|updated|transition|removed|bookmark|overflow)$"
    )]
    event: String,
    /// The cursor of everything up to here; none on a `snapshot` row.
    #[schema(format = "bellwether-cursor", nullable = false)]
    id: Option<String>,
    /// JSON: a resource, of a `transition` with `previous_status`; of `synced` and `bookmark` the
    /// cursor.
    data: String,
}

/// What an event tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Snapshot,
    Synced,
    Declared,
    Updated,
    Transition,
    Removed,
    Bookmark,
    Overflow,
}

impl Kind {
    /// As what a change is told to whom it matters before and after.
    pub(super) const fn of(change: ChangeKind) -> Self {
        match change {
            ChangeKind::Declared => Self::Declared,
            ChangeKind::Transition => Self::Transition,
            ChangeKind::Removed => Self::Removed,
            ChangeKind::Updated => Self::Updated,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Snapshot => "snapshot",
            Self::Synced => "synced",
            Self::Declared => "declared",
            Self::Updated => "updated",
            Self::Transition => "transition",
            Self::Removed => "removed",
            Self::Bookmark => "bookmark",
            Self::Overflow => "overflow",
        }
    }
}

#[derive(Serialize)]
struct ChangeView<'a> {
    #[serde(flatten)]
    row: ResourceView<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    previous_status: Option<HealthStatus>,
}

/// The stream's first bytes: a client that loses it comes back after 2 seconds.
pub(super) fn hello() -> Bytes {
    Bytes::from_static(b"retry: 2000\n\n")
}

/// A comment, so that nobody on the way takes the stream for dead.
pub(super) fn heartbeat() -> Bytes {
    Bytes::from_static(b": alive\n\n")
}

/// A row of the snapshot; it has no id, because a watch cannot resume in the middle of one.
pub(super) fn snapshot(row: &Row) -> Bytes {
    encode(Kind::Snapshot, None, &ResourceView::of(row))
}

/// What a change says, whoever is told: a [`head`] of each watch's own comes in front.
pub(super) fn data(kind: Kind, change: &Change) -> Bytes {
    let previous_status = change.previous.filter(|_| kind == Kind::Transition);
    let view = ChangeView { row: ResourceView::of(&change.row), previous_status };
    let mut written = String::new();
    push_data(&mut written, &view);
    written.into()
}

/// `synced` or `bookmark`: everything up to the cursor was told.
pub(super) fn place(kind: Kind, cursor: &Cursor) -> Bytes {
    encode(kind, Some(cursor), &json!({ "cursor": cursor.to_string() }))
}

/// The client is cut off.
pub(super) fn overflow(detail: &str) -> Bytes {
    encode(Kind::Overflow, None, &json!({ "detail": detail }))
}

fn encode(kind: Kind, id: Option<&Cursor>, data: &impl Serialize) -> Bytes {
    let mut frame = head(kind, id);
    push_data(&mut frame, data);
    frame.into()
}

/// What comes before the data of an event.
pub(super) fn head(kind: Kind, id: Option<&Cursor>) -> String {
    let name = kind.name();
    match id {
        Some(id) => format!("event: {name}\nid: {id}\n"),
        None => format!("event: {name}\n"),
    }
}

fn push_data(frame: &mut String, data: &impl Serialize) {
    frame.push_str("data: ");
    // Compact JSON holds no line break, so one `data` line is the whole of it.
    frame.push_str(&serde_json::to_string(data).expect("views are maps with text keys"));
    frame.push_str("\n\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_one_event() {
        let cursor = Cursor::default();
        let text = String::from_utf8(place(Kind::Synced, &cursor).to_vec()).unwrap();
        assert_eq!(
            text,
            format!("event: synced\nid: {cursor}\ndata: {{\"cursor\":\"{cursor}\"}}\n\n")
        );
        let text = String::from_utf8(overflow("a\nb").to_vec()).unwrap();
        assert_eq!(text, "event: overflow\ndata: {\"detail\":\"a\\nb\"}\n\n");
    }
}
