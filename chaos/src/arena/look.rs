//! The look at everything after a round, when all has been healed.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant, SystemTime},
};

use anyhow::{Context, Result, ensure};
use harness::{
    Client, eventually,
    oracle::{EventFile, Ledger, Told},
};
use model::WallTime;
use serde_json::Value;

use super::Arena;
use crate::{
    history::{Row, State, WriteNote},
    workload::version,
};

/// How long rows may take to agree with the targets after healing, by the fault matrix.
const SETTLED: Duration = Duration::from_secs(30);
/// How long the sink may take for the last events.
const TOLD: Duration = Duration::from_secs(10);
/// How far the node's shown times may be from the harness's, in ms: shard time keeps its own
/// distance to the wall clock between two commands.
const APART: u64 = 100;
const PAUSE: Duration = Duration::from_millis(50);

impl Arena {
    /// Stops the flips, waits until what is shown agrees or the time is up, and notes everything.
    ///
    /// # Errors
    /// Where the node ends, or does not answer although it is healed.
    pub(crate) async fn look(&mut self) -> Result<()> {
        self.crowd.calm().await;
        let client = self.node.client();
        self.until_it_agrees(&client).await?;
        let settled = self.now().saturating_sub(APART);
        let (ledgers, ledger_errors) = self.ledgers(&client).await?;
        let asked = self.now();
        let rows = rows(&client).await?;
        let answered = self.now();
        let (events, torn) = self.events(&rows).await;
        self.history.state =
            State { asked, answered, rows, events, torn, ledgers, ledger_errors, settled };
        self.history.targets = self.crowd.logs(self.began);
        self.history.lags = self.lags.noted();
        self.note_clients();
        Ok(())
    }

    /// Waits until what is shown agrees with the targets, or the time is up. Nothing may flip.
    ///
    /// # Errors
    /// Where the node ends.
    pub(crate) async fn settle(&mut self) -> Result<()> {
        let client = self.node.client();
        self.until_it_agrees(&client).await
    }

    /// What clients have written up to now.
    pub(crate) fn writes(&self) -> Vec<WriteNote> {
        self.clients.as_ref().map(|clients| clients.noted().0).unwrap_or_default()
    }

    fn note_clients(&mut self) {
        let Some(clients) = &self.clients else { return };
        let (writes, reads, refused) = clients.noted();
        self.history.writes = writes;
        self.history.reads = reads;
        self.history.refused = refused;
    }

    /// Whoever judges tells whether it did.
    async fn until_it_agrees(&mut self, client: &Client) -> Result<()> {
        let truth: BTreeMap<String, bool> = self.crowd.truth().collect();
        let started = Instant::now();
        while started.elapsed() < SETTLED {
            self.sample()?;
            if rows(client).await.is_ok_and(|rows| agree(&rows, &truth)) {
                return Ok(());
            }
            tokio::time::sleep(PAUSE).await;
        }
        Ok(())
    }

    /// The ledger of each target, once all slots up to now have ended.
    async fn ledgers(&self, client: &Client) -> Result<(BTreeMap<String, Ledger>, Vec<String>)> {
        let now = WallTime(i64::try_from(SystemTime::UNIX_EPOCH.elapsed()?.as_millis())?);
        let moves = self.history.bounds.clock_moves;
        if moves {
            tokio::time::sleep(Duration::from_millis(2 * self.history.bounds.interval)).await;
        }
        let mut ledgers = BTreeMap::new();
        let mut errors = Vec::new();
        for id in self.crowd.ids() {
            let answer = eventually("all slots up to now have ended", SETTLED, async || {
                let answer = coverage(client, &id).await?;
                let to = answer["to"].as_str().and_then(WallTime::parse_rfc3339);
                ensure!(moves || to.is_some_and(|to| to >= now), "{id}: it ends at {to:?}");
                Ok(answer)
            })
            .await;
            match answer.and_then(|answer| Ledger::parse(&answer)) {
                Ok(ledger) => drop(ledgers.insert(id, ledger)),
                Err(why) => errors.push(format!("{id}: {why:#}")),
            }
        }
        Ok((ledgers, errors))
    }

    /// The event file, once it has what the rows say, or as it is when the time is up.
    async fn events(&self, rows: &[Row]) -> (Vec<Told>, Option<String>) {
        let path = self.node.events_file();
        let complete = eventually("the file has every event", TOLD, async || {
            let file = EventFile::read(&path)?;
            let told = file.last_sequences();
            for row in rows {
                let last = told.get(&(row.id.clone(), row.incarnation.clone())).copied();
                ensure!(last >= Some(row.sequence), "{} ends at {last:?}", row.id);
            }
            Ok::<_, anyhow::Error>(file)
        })
        .await;
        match complete.or_else(|_| EventFile::read(&path)) {
            Ok(file) => (file.events, None),
            Err(torn) => (Vec::new(), Some(format!("{torn:#}"))),
        }
    }
}

async fn coverage(client: &Client, id: &str) -> Result<Value> {
    let path = format!("/api/v1/coverage?since=720h&resource_id={id}");
    Ok(client.get(&path).await?.success()?.json())
}

/// All rows, as they are shown.
pub(crate) async fn rows(client: &Client) -> Result<Vec<Row>> {
    client.list("limit=5000").await?.iter().map(row).collect()
}

fn row(value: &Value) -> Result<Row> {
    let text = |name: &str| {
        value[name].as_str().map(str::to_owned).with_context(|| format!("no {name}: {value}"))
    };
    Ok(Row {
        id: text("resource_id")?,
        incarnation: text("incarnation")?,
        sequence: value["sequence"].as_u64().context("no sequence")?,
        health: text("health_status")?,
        reason: text("reason")?,
        version: version(value),
    })
}

fn agree(rows: &[Row], truth: &BTreeMap<String, bool>) -> bool {
    let shown: BTreeMap<&str, &str> =
        rows.iter().map(|row| (row.id.as_str(), row.health.as_str())).collect();
    truth
        .iter()
        .all(|(id, up)| shown.get(id.as_str()) == Some(&if *up { "HEALTHY" } else { "CRITICAL" }))
}
