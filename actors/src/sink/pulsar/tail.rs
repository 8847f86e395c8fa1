//! Reads what a partition holds, from the place that a cursor names on (decision 16).
//!
//! A broker takes the place where a reader without a subscription begins for the first message that
//! is wanted (Pulsar 4.0, `PersistentTopic.getNonDurableSubscription`), others for the one before it:
//! what comes before the place is passed over.

use std::time::Duration;

use model::{
    ShardId,
    delivery::{self, Flight, ReadFrom, Reading},
    event::ClusterIdentity,
};
use pulsar::message::{Message, Payload, proto::MessageIdData};
use raft::{SinkCursor, bug};
use tokio::time::timeout;
use tracing::warn;

use super::{
    admin::Asked,
    commands::{self, alone},
    message,
    place::Place,
    wire::Wire,
};
use crate::sink::SinkError;

/// How long a broker may send nothing of what it says there is.
const SILENCE: Duration = Duration::from_secs(30);
/// Messages that the broker may send ahead of what is read.
const AHEAD: u32 = 1_000;

/// What is read, and as whose.
pub(super) struct Source<'a> {
    pub(super) topic: &'a str,
    /// Which life of the topic it is.
    pub(super) life: &'a str,
    pub(super) shard: ShardId,
    pub(super) cluster: &'a ClusterIdentity,
    pub(super) admin: &'a Asked<'a>,
}

/// What a partition holds, and whether it has lost something that the cursor says it held.
pub(super) async fn read(
    wire: &mut Wire<'_>,
    source: &Source<'_>,
    cursor: &SinkCursor,
) -> Result<(Flight<Place>, bool), SinkError> {
    let (cursor, same) = understood(cursor, source.life);
    if bug!("bug-no-tail-read") {
        return Ok((Flight::after(cursor.offset, cursor.position.filter(|_| same)), false));
    }
    let mut furthest = None;
    let wanted = cursor.position.filter(|_| same);
    let mut consumer = Consumer::open(wire, source.topic, wanted, 1).await?;
    let mut first = consumer.next(wire).await?;
    let mut place = delivery::Place { same, found: None, oldest: None, end: consumer.last };
    if let Some(position) = wanted {
        place.found = first.as_ref().map(|(position, _)| *position);
        if place.found != Some(position) {
            consumer.close(wire).await?;
            consumer = Consumer::open(wire, source.topic, None, 2).await?;
            first = consumer.next(wire).await?;
            if first.is_none() {
                place.end = source.admin.last_position(source.topic).await?;
            }
        }
    }
    place.oldest = first.as_ref().map(|(position, _)| *position);
    let (mut reading, from) = Reading::begin(cursor, &place);
    if matches!(from, ReadFrom::After(_)) {
        first = consumer.next(wire).await?;
    }
    let mut foreign = 0_u64;
    while let Some((position, payload)) = first {
        match message::read(&payload.metadata, source.shard, source.cluster) {
            Some((epoch, span)) => {
                furthest = furthest.max(Some((span.last, position)));
                reading.take(epoch, span, position);
            }
            None => foreign += 1,
        }
        first = consumer.next(wire).await?;
    }
    if foreign > 0 {
        warn!(topic = source.topic, foreign, "the topic holds messages that others have sent");
    }
    consumer.close(wire).await?;
    let (mut flight, tell) = reading.end();
    if bug!("bug-resume-after-last")
        && let Some((offset, position)) = furthest
    {
        flight = Flight::after(offset, Some(position));
    }
    Ok((flight, tell.is_some()))
}

/// The cursor with its place, and whether that is one of this life of the topic.
fn understood(cursor: &SinkCursor, life: &str) -> (delivery::SinkCursor<Place>, bool) {
    let SinkCursor { epoch, session, offset, position } = cursor;
    let (epoch, session, offset) = (*epoch, *session, *offset);
    let read = position.as_deref().map(|text| Place::read(text).unwrap_or(("", Place::EARLIEST)));
    let same = read.is_none_or(|(of, _)| of == life);
    let position = read.map(|(_, place)| place);
    (delivery::SinkCursor { epoch, session, offset, position }, same)
}

/// Reads a partition from a place on, up to where it ended when this was opened.
pub(super) struct Consumer {
    id: u64,
    /// Nothing before it is wanted.
    from: Option<Place>,
    /// The last message then; none where there was none.
    last: Option<Place>,
    /// The last one that was read.
    at: Option<Place>,
    /// How many more the broker may send.
    ahead: u32,
}

impl Consumer {
    pub(super) async fn open(
        wire: &mut Wire<'_>,
        topic: &str,
        from: Option<Place>,
        id: u64,
    ) -> Result<Self, SinkError> {
        let begin = from.unwrap_or(Place::EARLIEST);
        wire.ask(|request| commands::read_from(topic, begin, id, request)).await?;
        let last = last_message(wire, id).await?;
        let last = last.filter(|last| from.is_none_or(|from| *last >= from));
        Ok(Self { id, from, last, at: None, ahead: 0 })
    }

    /// The next message; none where everything was read that was there.
    pub(super) async fn next(
        &mut self,
        wire: &mut Wire<'_>,
    ) -> Result<Option<(Place, Payload)>, SinkError> {
        while self.last.is_some_and(|last| self.at.is_none_or(|at| at < last)) {
            if self.ahead <= AHEAD / 2 {
                wire.send(alone(commands::flow(self.id, AHEAD - self.ahead))).await?;
                self.ahead = AHEAD;
            }
            let Ok(next) = timeout(SILENCE, wire.next()).await else {
                // What is trimmed while it is read never comes.
                let last = last_message(wire, self.id).await?;
                if last >= self.last {
                    return Err(wire.broken("it does not send what it says there is"));
                }
                self.last = last;
                continue;
            };
            let Message { command, payload } = *next?;
            let (Some(message), Some(payload)) = (command.message, payload) else { continue };
            if message.consumer_id != self.id {
                continue;
            }
            // A permit is one for each message of a batch, which is what others may have sent.
            let messages = payload.metadata.num_messages_in_batch.unwrap_or(1).max(1);
            self.ahead = self.ahead.saturating_sub(messages.unsigned_abs());
            let position = place(&message.message_id);
            self.at = Some(position);
            if self.from.is_none_or(|from| position >= from) {
                return Ok(Some((position, payload)));
            }
        }
        Ok(None)
    }

    pub(super) async fn close(&self, wire: &mut Wire<'_>) -> Result<(), SinkError> {
        wire.ask(|request| commands::close_consumer(self.id, request)).await.map(drop)
    }
}

/// The last message of the topic that a consumer reads; none where there is none.
pub(super) async fn last_message(
    wire: &mut Wire<'_>,
    consumer: u64,
) -> Result<Option<Place>, SinkError> {
    let answer = wire.ask(|request| commands::last_message(consumer, request)).await?;
    let last = answer.command.get_last_message_id_response.map(|last| place(&last.last_message_id));
    Ok(last.filter(Place::is_message))
}

/// Where a message is.
pub(super) fn place(id: &MessageIdData) -> Place {
    Place { ledger: id.ledger_id, entry: id.entry_id }
}
