//! The client: reads a watch as bytes come in, and stops the clock of each transition.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use tokio::task::JoinHandle;

use super::flips::{Flips, Reader};

/// A watch that is being read. It ends when this is dropped.
pub(super) struct Watch {
    reading: JoinHandle<()>,
    fault: Arc<Mutex<Option<String>>>,
}

impl Watch {
    /// # Errors
    /// What was wrong with the watch so far.
    pub(super) fn check(&self) -> Result<()> {
        match self.fault.lock().unwrap_or_else(PoisonError::into_inner).take() {
            Some(fault) => bail!("the watch: {fault}"),
            None => Ok(()),
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.reading.abort();
    }
}

/// Opens a watch, reads its snapshot, and follows it from there.
pub(super) async fn follow(address: &str, flips: Arc<Flips>) -> Result<Watch> {
    let http = reqwest::Client::builder().no_proxy().build()?;
    let url = format!("http://{address}/api/v1/infrastructure/watch");
    let mut response = http.get(url).send().await?.error_for_status()?;
    let mut unread = Vec::new();
    until_synced(&mut response, &mut unread).await?;
    let fault = Arc::new(Mutex::new(None));
    let told = Arc::clone(&fault);
    let reading = tokio::spawn(async move {
        if let Err(error) = read(&mut response, unread, &flips).await {
            *told.lock().unwrap_or_else(PoisonError::into_inner) = Some(format!("{error:#}"));
        }
    });
    Ok(Watch { reading, fault })
}

async fn until_synced(response: &mut reqwest::Response, unread: &mut Vec<u8>) -> Result<()> {
    loop {
        while let Some(event) = next(unread) {
            if event.starts_with("event: synced") {
                return Ok(());
            }
        }
        unread.extend_from_slice(&response.chunk().await?.context("it has ended")?);
    }
}

async fn read(response: &mut reqwest::Response, mut unread: Vec<u8>, flips: &Flips) -> Result<()> {
    loop {
        let now = Instant::now();
        while let Some(event) = next(&mut unread) {
            if let Some((n, up)) = transition(&event)? {
                flips.arrived(Reader::Watch, n, up, now)?;
            }
        }
        unread.extend_from_slice(&response.chunk().await?.context("it has ended")?);
    }
}

/// Takes the next whole event out of what was read.
fn next(unread: &mut Vec<u8>) -> Option<String> {
    let end = unread.windows(2).position(|pair| pair == b"\n\n")? + 2;
    let event = String::from_utf8_lossy(&unread[..end]).into_owned();
    unread.drain(..end);
    Some(event)
}

#[derive(Deserialize)]
struct Row {
    name: String,
    health_status: String,
    previous_status: Option<String>,
}

/// Which target's transition an event tells, and whether it is up now; none for other events and
/// for the first observation of a resource.
fn transition(event: &str) -> Result<Option<(usize, bool)>> {
    if event.starts_with("event: overflow") {
        bail!("the client was too slow");
    }
    if !event.starts_with("event: transition") {
        return Ok(None);
    }
    let data = event.lines().find_map(|line| line.strip_prefix("data: "));
    let row: Row = serde_json::from_str(data.context("a transition without data")?)?;
    if row.previous_status.as_deref() == Some("UNKNOWN") {
        return Ok(None);
    }
    Ok(Some((row.name.parse()?, row.health_status == "HEALTHY")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_taken_whole() {
        let mut unread = b": alive\n\nevent: x\ndata: 1".to_vec();
        assert_eq!(next(&mut unread).as_deref(), Some(": alive\n\n"));
        assert_eq!(next(&mut unread), None);
        unread.extend_from_slice(b"\n\n");
        assert_eq!(next(&mut unread).as_deref(), Some("event: x\ndata: 1\n\n"));
        assert!(unread.is_empty());
    }

    #[test]
    fn only_a_change_between_up_and_down_counts() {
        let event = |previous: &str, health: &str| {
            format!(
                "event: transition\nid: c\ndata: {{\"name\":\"7\",\"health_status\":\"{health}\",\
                 \"previous_status\":\"{previous}\"}}\n\n"
            )
        };
        assert_eq!(transition(&event("HEALTHY", "CRITICAL")).unwrap(), Some((7, false)));
        assert_eq!(transition(&event("CRITICAL", "HEALTHY")).unwrap(), Some((7, true)));
        assert_eq!(transition(&event("UNKNOWN", "HEALTHY")).unwrap(), None);
        assert_eq!(transition("event: updated\ndata: {}\n\n").unwrap(), None);
        assert!(transition("event: overflow\ndata: {}\n\n").is_err());
    }
}
