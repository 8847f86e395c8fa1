//! One producer on one connection, and what it has sent.

use std::collections::VecDeque;

use futures_util::future::{BoxFuture, FutureExt};
use model::{Offset, ShardId, delivery::Flight};
use pulsar::message::proto::{CommandSendError, CommandSendReceipt};
use raft::SinkCursor;

use super::{
    PulsarSink,
    admin::Asked,
    commands,
    message::{DEFINITION, Sender, outgoing},
    place::Place,
    tail::{self, Source, place},
    wire::Wire,
};
use crate::sink::{Batch, Connection, Held, Reach, SinkError};

/// See the module.
pub(super) struct PulsarConnection<'a> {
    sink: &'a PulsarSink,
    wire: Wire<'a>,
    admin: Asked<'a>,
    shard: ShardId,
    topic: String,
    /// Which life of the topic it is.
    life: String,
    sender: Sender,
    sequence: u64,
    /// The numbers of messages without a receipt, and the offsets that they reach up to.
    sent: VecDeque<(u64, Offset)>,
    flight: Flight<Place>,
}

impl<'a> PulsarConnection<'a> {
    /// Opens the producer, and registers the schema of what it is going to send.
    pub(super) async fn produce(
        sink: &'a PulsarSink,
        mut wire: Wire<'a>,
        admin: Asked<'a>,
        shard: ShardId,
    ) -> Result<Self, SinkError> {
        let topic = sink.topic.partition(shard);
        let answer = wire.ask(|id| commands::produce(&topic, DEFINITION, id)).await?;
        let Some(producer) = answer.command.producer_success else {
            return Err(wire.failed("it answered something else", "is this a broker?"));
        };
        let (name, schema_version) = (producer.producer_name, producer.schema_version);
        let compression = sink.settings.target.compression;
        let sender = Sender { name, schema_version, epoch: 0, compression };
        // A topic that is deleted from here on ends the connection.
        let life = admin.life(&sink.topic).await?;
        let (flight, sent) = (Flight::after(Offset(0), None), VecDeque::new());
        Ok(Self { sink, wire, admin, shard, topic, life, sender, sequence: 0, sent, flight })
    }

    async fn read_tail(&mut self, cursor: &SinkCursor) -> Result<Reach, SinkError> {
        let Self { sink, wire, admin, shard, topic, life, .. } = self;
        let cluster = &sink.cluster;
        let source = Source { topic, life, shard: *shard, cluster, admin };
        let (flight, lost) = tail::read(wire, &source, cursor).await?;
        (self.flight, self.sender.epoch) = (flight, cursor.epoch);
        Ok(Reach { held: self.held(), lost })
    }

    fn held(&self) -> Held {
        let position = self.flight.position().map(|place| place.written(&self.life));
        Held { offset: self.flight.acknowledged(), position }
    }

    async fn send_all(&mut self, batch: &Batch) -> Result<(), SinkError> {
        for outgoing in outgoing(batch, &self.sink.cluster) {
            let last = outgoing.last;
            self.wire.feed(outgoing.message(&self.sender, self.sequence))?;
            self.flight.send(last);
            self.sent.push_back((self.sequence, last));
            self.sequence += 1;
        }
        self.wire.flush().await
    }

    async fn next_receipt(&mut self) -> Result<Held, SinkError> {
        loop {
            let message = self.wire.next().await?;
            if let Some(error) = &message.command.send_error {
                return Err(self.refused(error));
            }
            if let Some(receipt) = &message.command.send_receipt
                && self.received(receipt)?
            {
                return Ok(self.held());
            }
        }
    }

    /// Takes a receipt in. Says whether more is held than before.
    fn received(&mut self, receipt: &CommandSendReceipt) -> Result<bool, SinkError> {
        let position = receipt.message_id.as_ref().map(place).filter(Place::is_message);
        // Broker deduplication acknowledges what it drops so.
        let Some(position) = position else {
            let remedy = "switch broker deduplication off for the topic's namespace";
            return Err(self.wire.failed("it acknowledged a message that it did not keep", remedy));
        };
        let number = receipt.sequence_id;
        let Ok(found) = self.sent.binary_search_by_key(&number, |(number, _)| *number) else {
            return Ok(false);
        };
        let (_, last) = self.sent[found];
        let more = self.flight.receive(last, position);
        while self.sent.front().is_some_and(|(_, last)| *last <= self.flight.acknowledged()) {
            self.sent.pop_front();
        }
        Ok(more)
    }

    fn refused(&self, error: &CommandSendError) -> SinkError {
        self.wire.refused(error.error, &error.message)
    }
}

impl Connection for PulsarConnection<'_> {
    fn read<'a>(&'a mut self, cursor: &'a SinkCursor) -> BoxFuture<'a, Result<Reach, SinkError>> {
        self.read_tail(cursor).boxed()
    }

    fn send<'a>(&'a mut self, batch: &'a Batch) -> BoxFuture<'a, Result<(), SinkError>> {
        self.send_all(batch).boxed()
    }

    fn receipt(&mut self) -> BoxFuture<'_, Result<Held, SinkError>> {
        self.next_receipt().boxed()
    }
}
