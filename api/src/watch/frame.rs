//! The frames of a watch.

use axum::body::Bytes;
use model::{HealthStatus, cursor::Cursor};
use raft::{Change, Row};
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

use super::{
    recent::Told,
    select::Kind,
    wire::{End, TOO_SLOW, Wire},
};
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

#[derive(Serialize)]
struct ChangeView<'a> {
    #[serde(flatten)]
    row: ResourceView<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    previous_status: Option<HealthStatus>,
}

/// The stream's first bytes: a client that loses it comes back after 2 seconds.
const HELLO: &[u8] = b"retry: 2000\n\n";
/// A comment, so that nobody on the way takes the stream for dead.
const ALIVE: &[u8] = b": alive\n\n";

/// Frames that wait to be handed over.
pub(super) struct Frames(Vec<u8>);

impl Wire for Frames {
    type Chunk = Bytes;

    fn begin() -> Self {
        Self(HELLO.to_vec())
    }

    fn bytes(&self) -> usize {
        self.0.len()
    }

    fn row(&mut self, row: &Row) {
        self.0.extend(encode(Kind::Snapshot, None, &ResourceView::of(row)));
    }

    fn place(&mut self, kind: Kind, cursor: &Cursor) {
        self.0.extend(encode(kind, Some(cursor), &json!({ "cursor": cursor.to_string() })));
    }

    fn change(&mut self, kind: Kind, cursor: &Cursor, told: &Told) {
        self.0.extend_from_slice(head(kind, Some(cursor)).as_bytes());
        self.0.extend_from_slice(told.data(kind));
    }

    fn alive(&mut self) {
        self.0.extend_from_slice(ALIVE);
    }

    fn take(&mut self) -> Bytes {
        std::mem::take(&mut self.0).into()
    }

    fn end(&mut self, end: &End, place: Option<&Cursor>) -> Bytes {
        match end {
            End::Slow => overflow(TOO_SLOW),
            End::Lost(error) => overflow(&error.to_string()),
            End::Stopping => {
                if let Some(cursor) = place {
                    self.place(Kind::Bookmark, cursor);
                }
                self.take()
            }
        }
    }
}

/// What a change says, whoever is told: a [`head`] of each watch's own comes in front.
pub(super) fn data(kind: Kind, change: &Change) -> Bytes {
    let previous_status = change.previous.filter(|_| kind == Kind::Transition);
    let view = ChangeView { row: ResourceView::of(&change.row), previous_status };
    let mut written = String::new();
    push_data(&mut written, &view);
    written.into()
}

/// The client is cut off.
fn overflow(detail: &str) -> Bytes {
    encode(Kind::Overflow, None, &json!({ "detail": detail }))
}

fn encode(kind: Kind, id: Option<&Cursor>, data: &impl Serialize) -> Bytes {
    let mut frame = head(kind, id);
    push_data(&mut frame, data);
    frame.into()
}

/// What comes before the data of an event.
fn head(kind: Kind, id: Option<&Cursor>) -> String {
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
        let mut frames = Frames::begin();
        frames.place(Kind::Synced, &cursor);
        assert_eq!(
            String::from_utf8(frames.take().to_vec()).unwrap(),
            format!(
                "retry: 2000\n\nevent: synced\nid: {cursor}\ndata: {{\"cursor\":\"{cursor}\"}}\n\n"
            )
        );
        let text = String::from_utf8(overflow("a\nb").to_vec()).unwrap();
        assert_eq!(text, "event: overflow\ndata: {\"detail\":\"a\\nb\"}\n\n");
    }
}
