//! The look at everything after a round, when all has been healed.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    time::{Duration, Instant, SystemTime},
};

use anyhow::{Context, Result, ensure};
use harness::{
    Client,
    cluster::name,
    consumer::Consumed,
    eventually,
    oracle::{EventFile, Ledger, Told},
};
use model::WallTime;
use serde_json::Value;

use super::{Arena, picture::Picture};
use crate::{
    history::{FaultNote, Row, State},
    workload::{Clients, Notes},
};

/// How long rows may take to agree with the targets after healing, by the fault matrix.
const SETTLED: Duration = Duration::from_secs(30);
/// How long the sink may take for the last events.
const TOLD: Duration = Duration::from_secs(10);
/// How far the node's shown times may be from the harness's, in ms: shard time keeps its own
/// distance to the wall clock between two commands.
const APART: u64 = 100;
/// How long a topic may take for the last events: its broker may have come back a moment ago.
const DELIVERED: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(50);

/// What the event files tell.
#[derive(Default)]
struct Files {
    events: Vec<Told>,
    /// Shard and offset of each event of each of several files.
    places: BTreeMap<String, Vec<(u64, u64)>>,
}

impl Arena {
    /// Stops flips and writes, waits until what is shown agrees or the time is up, and notes
    /// everything.
    ///
    /// # Errors
    /// Where a node ends, or does not answer although it is healed.
    pub(crate) async fn look(&mut self) -> Result<()> {
        self.calm().await?;
        self.until_it_agrees().await?;
        let settled = self.now().saturating_sub(APART);
        let (ledgers, ledger_errors) = self.ledgers().await?;
        let wall = wall_clock()? - i64::try_from(self.now())?;
        let Picture { asked, answered, rows, replicas } = self.until_it_agrees().await?;
        let (Files { events, places: files }, torn) = self.files(&rows).await;
        let consumed = self.consumed(&events).await?;
        let repeats = consumed.as_ref().map_or(0, |consumed| consumed.repeats);
        let topic = consumed.map(|consumed| consumed.events);
        self.history.state = State {
            asked,
            answered,
            rows,
            replicas,
            events,
            files,
            torn,
            topic,
            repeats,
            ledgers,
            ledger_errors,
            settled,
            wall,
        };
        self.history.targets = self.crowd.logs(self.began);
        self.history.lags = self.lags.noted();
        self.note_clients();
        Ok(())
    }

    /// What the consumer got, once it has as much as was decided, or the time is up: who judges tells
    /// what is missing.
    async fn consumed(&mut self, decided: &[Told]) -> Result<Option<Consumed>> {
        let Some(consumer) = &self.consumer else { return Ok(None) };
        let started = Instant::now();
        loop {
            let consumed = consumer.consumed()?;
            if consumed.events.len() >= decided.len() || started.elapsed() >= DELIVERED {
                let (repeats, at) = (consumed.repeats, self.now());
                self.history.faults.push(FaultNote {
                    at,
                    round: self.round,
                    what: format!("the topic holds {repeats} messages that were sent again"),
                });
                return Ok(Some(consumed));
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Stops flips and writes.
    async fn calm(&mut self) -> Result<()> {
        self.crowd.calm().await;
        match &self.clients {
            Some(clients) => clients.hush(SETTLED).await,
            None => Ok(()),
        }
    }

    /// Stops flips and writes, and answers with what words a node refuses what it has, and what it
    /// shows otherwise than the others, once the time is up in which it has to agree.
    ///
    /// # Errors
    /// Where the others do not answer.
    pub(crate) async fn compare(&mut self, n: usize) -> Result<(Option<String>, Vec<String>)> {
        self.calm().await?;
        let started = Instant::now();
        loop {
            if self.until_it_ends_at(n, PAUSE).await.is_ok() {
                return Ok((Some(self.last_words_of(n)), Vec::new()));
            }
            let late = started.elapsed() >= SETTLED;
            match self.differences_of(n).await {
                Err(why) if late => return Err(why),
                Ok(Err(refusal)) if late => return Ok((Some(refusal), Vec::new())),
                Ok(Ok(differences)) if late || differences.is_empty() => {
                    return Ok((None, differences));
                }
                Ok(_) | Err(_) => {}
            }
        }
    }

    /// Waits until what is shown agrees with the targets, or the time is up. Nothing may flip.
    ///
    /// # Errors
    /// Where a node ends.
    pub(crate) async fn settle(&mut self) -> Result<()> {
        self.until_it_agrees().await.map(drop)
    }

    /// What clients have noted up to now.
    pub(crate) fn noted(&self) -> Notes {
        self.clients.as_ref().map(Clients::noted).unwrap_or_default()
    }

    fn note_clients(&mut self) {
        let Notes { writes, reads, operations, refused } = self.noted();
        self.history.writes = writes;
        self.history.reads = reads;
        self.history.operations = operations;
        self.history.refused = refused;
    }

    /// Whoever judges tells whether it did.
    async fn until_it_agrees(&mut self) -> Result<Picture> {
        let truth: BTreeMap<String, bool> = self.crowd.truth().collect();
        let started = Instant::now();
        loop {
            self.sample()?;
            let late = started.elapsed() >= SETTLED;
            match self.picture().await {
                Ok(picture) if late || picture.agrees(&truth) => return Ok(picture),
                Err(why) if late => return Err(why),
                Ok(_) | Err(_) => tokio::time::sleep(PAUSE).await,
            }
        }
    }

    /// The ledger of each target, once all slots up to now have ended.
    async fn ledgers(&self) -> Result<(BTreeMap<String, Ledger>, Vec<String>)> {
        let now = WallTime(wall_clock()?);
        let moves = self.history.bounds.clock_moves;
        if moves {
            tokio::time::sleep(Duration::from_millis(2 * self.history.bounds.interval)).await;
        }
        let clients = self.clients_of_all();
        let mut ledgers = BTreeMap::new();
        let mut errors = Vec::new();
        for id in self.crowd.ids() {
            let answer = eventually("all slots up to now have ended", SETTLED, async || {
                let answer = coverage(&clients, &id).await?;
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

    /// The event files, once they have what the rows say, or as they are when the time is up.
    async fn files(&self, rows: &[Row]) -> (Files, Option<String>) {
        let paths = self.event_files();
        let complete = eventually("the files have every event", TOLD, async || {
            let files = read(&paths)?;
            let told = EventFile { events: files.events.clone() }.last_sequences();
            for row in rows {
                let last = told.get(&(row.id.clone(), row.incarnation.clone())).copied();
                ensure!(last >= Some(row.sequence), "{} ends at {last:?}", row.id);
            }
            Ok::<_, anyhow::Error>(files)
        })
        .await;
        match complete.or_else(|_| read(&paths)) {
            Ok(files) => (files, None),
            Err(torn) => (Files::default(), Some(format!("{torn:#}"))),
        }
    }

    fn event_files(&self) -> Vec<(String, PathBuf)> {
        let files = self.nodes().iter().enumerate().map(|(n, node)| (name(n), node.events_file()));
        files.chain(self.kept.iter().cloned()).collect()
    }
}

/// Milliseconds since 1970.
fn wall_clock() -> Result<i64> {
    Ok(i64::try_from(SystemTime::UNIX_EPOCH.elapsed()?.as_millis())?)
}

/// One file is taken as it is, so that nothing that is wrong with its order is mended.
fn read(paths: &[(String, PathBuf)]) -> Result<Files> {
    let read = |(name, path): &(String, PathBuf)| {
        EventFile::read(path).with_context(|| format!("the file of {name}"))
    };
    let mut files = paths.iter().map(read).collect::<Result<Vec<_>>>()?;
    if files.len() == 1 {
        return Ok(Files { events: files.remove(0).events, places: BTreeMap::new() });
    }
    let places = |file: &EventFile| file.events.iter().map(|e| (e.shard, e.offset)).collect();
    let named = paths.iter().zip(&files).map(|((name, _), file)| (name.clone(), places(file)));
    Ok(Files { places: named.collect(), events: EventFile::merge(&files)?.0.events })
}

/// As the first node tells it that answers.
async fn coverage(clients: &[Client], id: &str) -> Result<Value> {
    let path = format!("/api/v1/coverage?since=720h&resource_id={id}");
    let mut last = None;
    for client in clients {
        match client.get(&path).await.and_then(harness::Answer::success) {
            Ok(answer) => return Ok(answer.json()),
            Err(why) => last = Some(why),
        }
    }
    Err(last.context("no node is running")?)
}
