//! Follows the stream of changes through disconnects.
//!
//! Invariant: after a disconnect it resumes where it was; where it cannot, it says so.

use std::{ops::ControlFlow, time::Duration};

use eventsource_stream::{Event, Eventsource};
use futures_util::StreamExt;
use reqwest::StatusCode;
use serde_json::Value;

use super::{
    client::{Client, Query},
    error::CliError,
    output::note,
};

/// The first pause before another try; it doubles up to [`LONGEST`].
const SHORTEST: Duration = Duration::from_millis(250);
/// The longest pause.
const LONGEST: Duration = Duration::from_secs(10);

/// One line of the stream.
#[derive(Debug, Clone)]
pub(crate) struct Change {
    /// `snapshot`, `declared`, `updated`, `transition` or `removed`.
    pub(crate) kind: String,
    /// Where to resume after it; none on `snapshot` rows.
    pub(crate) cursor: Option<String>,
    /// What it tells.
    pub(crate) data: Value,
}

/// Calls `take` for every change until the process is interrupted or `take` fails.
///
/// # Errors
/// Where the first connection fails, the node refuses the question, or `take` fails.
pub(crate) async fn follow(
    client: &Client,
    query: &Query,
    mut take: impl FnMut(Change) -> Result<(), CliError>,
) -> Result<(), CliError> {
    let mut place = Place::default();
    let mut pause = SHORTEST;
    let mut first = true;
    loop {
        match client.watch(query, place.cursor.as_deref()).await {
            Ok(response) => {
                if !first {
                    note(if place.cursor.is_some() { "connected again" } else { "connected anew" });
                }
                first = false;
                let mut events = response.bytes_stream().eventsource();
                while let Some(Ok(event)) = events.next().await {
                    pause = SHORTEST;
                    if place.advance(event, &mut take)?.is_break() {
                        break;
                    }
                }
                note(&format!("{} has ended the stream", client.base()));
            }
            Err(CliError::Refused(refusal)) if refusal.status == StatusCode::GONE => {
                note("the node no longer keeps all changes since then; some are missing here");
                place = Place::default();
            }
            Err(CliError::Refused(refusal)) if first || !refusal.status.is_server_error() => {
                return Err(CliError::Refused(refusal));
            }
            Err(error) if first => return Err(error),
            Err(error) => note(error.to_string().lines().next().unwrap_or_default()),
        }
        note(&format!("trying again in {} ms", pause.as_millis()));
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST);
    }
}

/// How far the stream was read.
#[derive(Default)]
struct Place {
    cursor: Option<String>,
}

impl Place {
    fn advance(
        &mut self,
        event: Event,
        take: &mut impl FnMut(Change) -> Result<(), CliError>,
    ) -> Result<ControlFlow<()>, CliError> {
        let cursor = Some(event.id).filter(|id| !id.is_empty());
        match event.event.as_str() {
            "overflow" => {
                note("the node cut this slow reader off");
                return Ok(ControlFlow::Break(()));
            }
            "synced" | "bookmark" => {}
            kind => {
                let data = serde_json::from_str(&event.data).unwrap_or(Value::String(event.data));
                take(Change { kind: kind.to_owned(), cursor: cursor.clone(), data })?;
            }
        }
        // Only what was taken is behind us.
        self.cursor = cursor.or(self.cursor.take());
        Ok(ControlFlow::Continue(()))
    }
}
