//! A watch as an outsider reads it: server-sent events with the cursor as their id.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use eventsource_stream::Eventsource;
use futures_util::{Stream, StreamExt, stream::BoxStream};
use serde_json::Value;

/// One line of a watch.
#[derive(Debug, Clone)]
pub struct Change {
    /// `snapshot`, `synced`, `declared`, `updated`, `transition`, `removed`, `bookmark` or
    /// `overflow`.
    pub kind: String,
    /// Where to resume after it; absent on `snapshot` rows.
    pub cursor: Option<String>,
    /// What it tells.
    pub data: Value,
}

impl Change {
    /// The resource that it tells of.
    #[must_use]
    pub fn resource_id(&self) -> Option<&str> {
        self.field("resource_id").as_str()
    }

    /// The health that it tells.
    #[must_use]
    pub fn status(&self) -> Option<&str> {
        self.field("health_status").as_str()
    }

    /// Why the health is so.
    #[must_use]
    pub fn reason(&self) -> Option<&str> {
        self.field("reason").as_str()
    }

    /// The place among the resource's published events; CloudEvents carry it as text.
    #[must_use]
    pub fn sequence(&self) -> Option<u64> {
        let sequence = &self.data["sequence"];
        sequence.as_u64().or_else(|| sequence.as_str()?.parse().ok())
    }

    /// A field of the row, or of the payload where the change is told as an event.
    fn field(&self, name: &str) -> &Value {
        let payload = &self.data["data"]["infrastructure_status"];
        if payload.is_null() { &self.data[name] } else { &payload[name] }
    }
}

/// An open watch.
pub struct Watch {
    changes: BoxStream<'static, Result<Change>>,
}

impl Watch {
    pub(crate) fn new(response: reqwest::Response) -> Self {
        Self { changes: read(response).boxed() }
    }

    /// The next line.
    ///
    /// # Errors
    /// Where the stream ends, breaks, or says nothing for `limit`.
    pub async fn next(&mut self, limit: Duration) -> Result<Change> {
        match tokio::time::timeout(limit, self.changes.next()).await {
            Err(_) => bail!("the watch says nothing for {limit:?}"),
            Ok(None) => bail!("the watch has ended"),
            Ok(Some(change)) => change,
        }
    }

    /// The next line that `wanted` accepts; others are passed over.
    ///
    /// # Errors
    /// Where none comes within `limit`; names what was seen instead.
    pub async fn find(
        &mut self,
        limit: Duration,
        mut wanted: impl FnMut(&Change) -> bool,
    ) -> Result<Change> {
        let mut seen = Vec::new();
        let search = async {
            loop {
                let change = self.next(limit).await?;
                if wanted(&change) {
                    return Ok(change);
                }
                seen.push(format!("{} {}", change.kind, change.data));
            }
        };
        let found = tokio::time::timeout(limit, search).await;
        found
            .context("not in time")
            .and_then(|found| found)
            .with_context(|| format!("seen instead:\n{}", seen.join("\n")))
    }

    /// Reads the snapshot; returns its rows and the first cursor.
    ///
    /// # Errors
    /// Where `synced` does not come, or a snapshot row carries a cursor.
    pub async fn snapshot(&mut self, limit: Duration) -> Result<(Vec<Value>, String)> {
        let mut rows = Vec::new();
        loop {
            let change = self.next(limit).await?;
            match (change.kind.as_str(), change.cursor) {
                ("snapshot", None) => rows.push(change.data),
                ("synced", Some(cursor)) => return Ok((rows, cursor)),
                (kind, cursor) => bail!("{kind} with id {cursor:?} before the watch is synced"),
            }
        }
    }
}

fn read(response: reqwest::Response) -> impl Stream<Item = Result<Change>> + Send {
    response.bytes_stream().eventsource().map(|event| {
        let event = event.context("the watch broke")?;
        let data = serde_json::from_str(&event.data).unwrap_or(Value::String(event.data));
        let cursor = Some(event.id).filter(|id| !id.is_empty());
        Ok(Change { kind: event.event, cursor, data })
    })
}
