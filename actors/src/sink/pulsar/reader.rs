//! Reads the events of a topic, for people: nothing is left behind at the broker.

use std::ops::ControlFlow;

use model::ShardId;
use pulsar::message::Message;
use serde_json::Value;

use super::{
    PulsarTarget,
    access::Access,
    admin,
    admin::Admin,
    commands::{self, alone},
    message,
    place::{Place, TopicName},
    tail::{self, Consumer, last_message},
    wire::Wire,
};
use crate::sink::SinkError;

/// Messages that the broker may send ahead of what is taken.
const AHEAD: u32 = 1_000;
/// There is one on a connection.
const CONSUMER: u64 = 1;

/// Takes what a message is: an event in CloudEvents 1.0 JSON format, or something of others.
pub type Take<'a> = dyn FnMut(Option<Value>) -> ControlFlow<()> + Send + 'a;

/// See the module.
pub struct TopicReader {
    url: String,
    topic: TopicName,
    admin: Admin,
    access: Access,
}

impl TopicReader {
    /// Takes the way to a topic in; connects to nothing yet.
    ///
    /// # Errors
    /// An address or the topic's name is none.
    pub fn new(target: &PulsarTarget) -> Result<Self, SinkError> {
        let topic = TopicName::parse(&target.topic)?;
        let admin = admin::of(target)?;
        let access = Access::new(target.tls.clone(), target.auth.clone());
        Ok(Self { url: target.url.clone(), topic, admin, access })
    }

    /// The names of its partitions, which are the shards.
    ///
    /// # Errors
    /// There is no such topic, or nobody tells.
    pub async fn partitions(&self) -> Result<Vec<String>, SinkError> {
        let count = self.admin.with(&self.access).await?.partitions(&self.topic).await?;
        if count == 0 {
            return Err(SinkError::Unfit {
                place: self.topic.to_string(),
                problem: "there is no such topic with partitions".to_owned(),
                remedy: "check its name; the sink creates it when it begins",
            });
        }
        Ok((0..count).map(|partition| self.topic.partition(ShardId(partition))).collect())
    }

    /// Reads what a partition holds now, the oldest first.
    ///
    /// # Errors
    /// What went wrong.
    pub async fn read(&self, partition: &str, take: &mut Take<'_>) -> Result<(), SinkError> {
        let mut wire = Wire::to_broker_of(partition, &self.url, &self.access).await?;
        let mut consumer = Consumer::open(&mut wire, partition, None, CONSUMER).await?;
        while let Some((_, payload)) = consumer.next(&mut wire).await? {
            if take(message::event(&payload)).is_break() {
                break;
            }
        }
        consumer.close(&mut wire).await
    }

    /// Reads what comes to a partition after a place, until it is told to stop. The place moves with
    /// what was taken: whoever comes again with it misses nothing that the topic still holds.
    ///
    /// # Errors
    /// What went wrong.
    pub async fn follow(
        &self,
        partition: &str,
        place: &mut ReadPlace,
        take: &mut Take<'_>,
    ) -> Result<(), SinkError> {
        let mut wire = Wire::to_broker_of(partition, &self.url, &self.access).await?;
        let (begin, after) = place.begin();
        wire.ask(|request| commands::read_from(partition, begin, CONSUMER, request)).await?;
        if *place == ReadPlace::LATEST {
            // What is there now is passed over, also where nothing comes before the next try.
            let last = last_message(&mut wire, CONSUMER).await?;
            *place = last.map_or(ReadPlace::OLDEST, |last| ReadPlace(At::After(last)));
        }
        let mut ahead = 0;
        loop {
            if ahead <= AHEAD / 2 {
                wire.send(alone(commands::flow(CONSUMER, AHEAD - ahead))).await?;
                ahead = AHEAD;
            }
            let Message { command, payload } = *wire.next().await?;
            let (Some(message), Some(payload)) = (command.message, payload) else { continue };
            let messages = payload.metadata.num_messages_in_batch.unwrap_or(1).max(1);
            ahead = ahead.saturating_sub(messages.unsigned_abs());
            let at = tail::place(&message.message_id);
            if after.is_some_and(|after| at <= after) {
                continue;
            }
            *place = ReadPlace(At::After(at));
            if take(message::event(&payload)).is_break() {
                return Ok(());
            }
        }
    }
}

/// How far somebody has read a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReadPlace(At);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    Oldest,
    Latest,
    After(Place),
}

impl ReadPlace {
    /// Before the oldest message that is held.
    pub const OLDEST: Self = Self(At::Oldest);
    /// After the last one, whenever reading begins.
    pub const LATEST: Self = Self(At::Latest);

    /// What the broker is asked for, and what of it is passed over.
    fn begin(self) -> (Place, Option<Place>) {
        match self.0 {
            At::Oldest => (Place::EARLIEST, None),
            At::Latest => (Place::LATEST, None),
            At::After(place) => (place, Some(place)),
        }
    }
}
