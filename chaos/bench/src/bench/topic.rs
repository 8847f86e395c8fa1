//! Reads a topic as others do: the crate `pulsar`, which is not what the node publishes with, on a
//! subscription of its own.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, Result, bail, ensure};
use harness::{broker::Broker, eventually};
use pulsar::{
    Consumer, ConsumerOptions, Pulsar, SubType, TokioExecutor,
    consumer::{InitialPosition, Message},
};
use tokio::task::JoinHandle;

use crate::peer::pulsar::Sample;

/// Those that a cluster is founded with by default, and so the partitions of a topic.
pub(super) const SHARDS: u64 = 16;
/// Until a node has made its topic.
const MADE: Duration = Duration::from_secs(60);
/// Messages of a partition that one acknowledgement is for: one for each would cost as much as they.
const ACKNOWLEDGE: u32 = 200;
const NAMESPACE: &str = "public/default";

type Reader = Consumer<Vec<u8>, TokioExecutor>;

/// A message as it came.
pub(super) struct Arrival {
    message: Message<Vec<u8>>,
    /// When it was read.
    pub(super) at: Instant,
}

/// A topic that is being read. That ends when this is dropped.
pub(super) struct Topic {
    reading: JoinHandle<()>,
    fault: Arc<Mutex<Option<String>>>,
}

/// Its full name.
pub(super) fn full(name: &str) -> String {
    format!("persistent://{NAMESPACE}/{name}")
}

/// The sink that publishes into it, as a node's configuration names it.
pub(super) fn sink(broker: &Broker, name: &str) -> String {
    let (url, admin, topic) = (broker.url(), broker.admin_url(), full(name));
    format!("pulsar: {{ url: \"{url}\", admin_url: \"{admin}\", topic: \"{topic}\" }}")
}

/// Makes a topic with as many partitions as a node's has.
pub(super) async fn create(broker: &Broker, name: &str) -> Result<()> {
    let partitions = u32::try_from(SHARDS)?;
    broker.create(&format!("{NAMESPACE}/{name}"), partitions).await
}

/// Waits until a node has made its topic.
pub(super) async fn made(broker: &Broker, name: &str) -> Result<()> {
    let path = format!("{NAMESPACE}/{name}");
    eventually("the node makes the topic", MADE, || async {
        let partitions = broker.partitions(&path).await?;
        ensure!(partitions == SHARDS, "it has {partitions} partitions");
        Ok(())
    })
    .await
}

impl Topic {
    /// Reads a topic from where its subscription is, or from the oldest message on.
    pub(super) async fn follow(
        broker: &Broker,
        name: &str,
        take: impl FnMut(&Arrival) -> Result<()> + Send + 'static,
    ) -> Result<Self> {
        let reader = subscribe(&broker.url(), name).await?;
        let fault = Arc::new(Mutex::new(None));
        let told = Arc::clone(&fault);
        let reading = tokio::spawn(async move {
            if let Err(error) = read(reader, take).await {
                *told.lock().unwrap_or_else(PoisonError::into_inner) = Some(format!("{error:#}"));
            }
        });
        Ok(Self { reading, fault })
    }

    /// # Errors
    /// What was wrong with the topic so far.
    pub(super) fn check(&self) -> Result<()> {
        match self.fault.lock().unwrap_or_else(PoisonError::into_inner).take() {
            Some(fault) => bail!("the topic: {fault}"),
            None => Ok(()),
        }
    }
}

impl Drop for Topic {
    fn drop(&mut self) {
        self.reading.abort();
    }
}

async fn subscribe(url: &str, name: &str) -> Result<Reader> {
    let pulsar: Pulsar<_> = Pulsar::builder(url, TokioExecutor).build().await?;
    let earliest = ConsumerOptions::default().with_initial_position(InitialPosition::Earliest);
    let consumer = pulsar.consumer().with_topic(full(name)).with_subscription("bench");
    let consumer = consumer.with_subscription_type(SubType::Exclusive).with_options(earliest);
    Ok(consumer.build().await?)
}

async fn read(mut reader: Reader, mut take: impl FnMut(&Arrival) -> Result<()>) -> Result<()> {
    use futures_util::TryStreamExt;
    let mut unacknowledged: BTreeMap<String, u32> = BTreeMap::new();
    while let Some(message) = reader.try_next().await? {
        let arrival = Arrival { message, at: Instant::now() };
        take(&arrival)?;
        let waiting = unacknowledged.entry(arrival.message.topic.clone()).or_default();
        *waiting += 1;
        if *waiting == ACKNOWLEDGE {
            *waiting = 0;
            reader.cumulative_ack(&arrival.message).await?;
        }
    }
    bail!("the consumer has ended")
}

impl Arrival {
    /// A property that every event has.
    pub(super) fn property(&self, name: &str) -> Result<&str> {
        let properties = &self.message.metadata().properties;
        let found = properties.iter().find(|property| property.key == name);
        Ok(&found.with_context(|| format!("a message without {name}"))?.value)
    }

    /// The body.
    pub(super) fn body(&self) -> &[u8] {
        &self.message.payload.data
    }

    /// When it was handed to the connection, in milliseconds since 1970 by its sender's clock.
    pub(super) fn sent_ms(&self) -> u64 {
        self.message.metadata().publish_time
    }

    /// When it was due, in microseconds since 1970, where its sender says so.
    pub(super) fn due_us(&self) -> Result<u64> {
        self.message.metadata().event_time.context("a message without its time")
    }

    /// Where it is in the topic.
    pub(super) fn place(&self) -> (u64, u64, i32) {
        let id = self.message.message_id();
        (id.ledger_id, id.entry_id, id.partition.unwrap_or_default())
    }

    /// A message of the same size for others to send.
    pub(super) fn sample(&self) -> Sample {
        let metadata = self.message.metadata();
        let own = metadata.properties.iter().map(|p| (p.key.clone(), p.value.clone()));
        // Other senders choose the partition otherwise: the key goes along as one more property.
        let key = metadata.partition_key.iter().map(|key| ("key".to_owned(), key.clone()));
        Sample { body: self.body().to_vec(), properties: own.chain(key).collect() }
    }
}

/// Tells what the clock on the wall shows at a moment.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clock {
    at: Instant,
    shown: Duration,
}

impl Clock {
    /// As both are now. They may drift apart later, if somebody sets the clock.
    pub(super) fn now() -> Result<Self> {
        Ok(Self { at: Instant::now(), shown: SystemTime::now().duration_since(UNIX_EPOCH)? })
    }

    /// In microseconds since 1970.
    pub(super) fn micros(&self, moment: Instant) -> u64 {
        let later = moment.saturating_duration_since(self.at);
        let earlier = self.at.saturating_duration_since(moment);
        let micros = (self.shown + later).saturating_sub(earlier).as_micros();
        u64::try_from(micros).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_shows_moments_before_and_after_it_was_read() {
        let clock = Clock::now().unwrap();
        let (later, at) = (clock.at + Duration::from_micros(7), clock.micros(clock.at));
        assert_eq!(clock.micros(later), at + 7);
        assert_eq!(Clock { at: later, ..clock }.micros(clock.at), at - 7);
    }
}
