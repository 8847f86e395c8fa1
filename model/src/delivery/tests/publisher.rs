//! A publisher: sessions on the parts that decide, and the mistakes that it could make.

use super::{
    Bug, Flight, Offset, Span, Start, Tail,
    sink::{Message, Position, Receipt, Sink},
    start,
    world::{Cursor, Shard},
};

/// Messages without a receipt.
const WINDOW: usize = 4;

#[derive(Debug)]
pub(super) enum Stage {
    Idle,
    Opened(u64),
    Reading(Reading),
    Sending(Sending),
}

#[derive(Debug)]
pub(super) struct Reading {
    connection: Option<u64>,
    cursor: Cursor,
    lost: bool,
    tail: Tail<Position>,
    /// The message that was read last.
    at: Option<Position>,
    /// The last offset that was seen at all.
    last: Offset,
}

#[derive(Debug)]
pub(super) struct Sending {
    pub(super) connection: u64,
    pub(super) epoch: u64,
    pub(super) flight: Flight<Position>,
    /// What was sent, for the mistake of sending it again on another connection.
    sent: Vec<Message>,
}

impl Sending {
    fn new(connection: u64, epoch: u64, flight: Flight<Position>) -> Self {
        Self { connection, epoch, flight, sent: Vec::new() }
    }

    /// As a client library does that hides a lost connection.
    fn replace(&mut self, sink: &mut Sink) {
        self.connection = sink.open();
        let acknowledged = self.flight.acknowledged();
        self.sent.retain(|message| message.span.last > acknowledged);
        for message in &self.sent {
            sink.send(self.connection, *message);
        }
    }
}

#[derive(Debug)]
pub(super) struct Publisher {
    pub(super) stage: Stage,
    /// What a deposed leader knows, which is what was committed by then.
    pub(super) deposed: Option<Shard>,
    /// Proposed, and not committed yet.
    pub(super) proposed: Option<u64>,
    bug: Option<Bug>,
}

impl Publisher {
    pub(super) fn new(bug: Option<Bug>) -> Self {
        Self { stage: Stage::Idle, deposed: None, proposed: None, bug }
    }

    fn has(&self, bug: Bug) -> bool {
        self.bug == Some(bug)
    }

    /// One step of its session. `replicated` is what the shard's leader sees and may change.
    pub(super) fn step(&mut self, replicated: &mut Shard, sink: &mut Sink, receive: bool) {
        let mut known = self.deposed.clone();
        let shard = known.as_mut().unwrap_or(replicated);
        let leads = self.deposed.is_none();
        // A session begins with a linearizable read of the cursor, which only a leader is given.
        let begins = matches!(self.stage, Stage::Idle | Stage::Opened(_));
        if begins && !leads && !self.has(Bug::StaleCursor) {
            return;
        }
        self.stage = match std::mem::replace(&mut self.stage, Stage::Idle) {
            Stage::Idle if self.has(Bug::ReadBeforeOpen) => self.begin(None, shard.cursor, sink),
            Stage::Idle => Stage::Opened(sink.open()),
            Stage::Opened(connection) => self.begin(Some(connection), shard.cursor, sink),
            Stage::Reading(reading) => self.read(reading, leads, shard, sink),
            Stage::Sending(sending) => self.send_or_receive(sending, shard, sink, receive),
        };
    }

    fn begin(&self, connection: Option<u64>, cursor: Cursor, sink: &Sink) -> Stage {
        let Cursor { epoch, offset, position } = cursor;
        if let (true, Some(connection)) = (self.has(Bug::NoTailRead), connection) {
            let flight = Flight::after(offset, position);
            return Stage::Sending(Sending::new(connection, epoch, flight));
        }
        let found = |p: Position| sink.from(Some(p)).map(|record| record.position);
        let kind = position.map_or(Start::Onward, |p| match p.life == sink.life() {
            true => start(&p, found(p).as_ref(), sink.oldest().as_ref(), sink.end().as_ref()),
            false => Start::Lost,
        });
        let (tail, at) = match kind {
            Start::Onward => (Tail::after(epoch, offset, position), position),
            Start::Trimmed => (Tail::after(epoch, offset, position), None),
            Start::Lost => (Tail::whole(epoch, offset), None),
        };
        let lost = kind == Start::Lost;
        Stage::Reading(Reading { connection, cursor, lost, tail, at, last: offset })
    }

    fn read(&self, mut reading: Reading, leads: bool, shard: &mut Shard, sink: &mut Sink) -> Stage {
        for _ in 0..3 {
            let Some(record) = sink.after(reading.at) else {
                return self.decide(reading, leads, shard, sink);
            };
            let Message { epoch, span, .. } = record.message;
            let counted = if self.has(Bug::CountEveryEpoch) { reading.cursor.epoch } else { epoch };
            reading.tail.take(counted, span, record.position);
            reading.at = Some(record.position);
            reading.last = reading.last.max(span.last);
        }
        Stage::Reading(reading)
    }

    fn decide(&self, reading: Reading, leads: bool, shard: &mut Shard, sink: &mut Sink) -> Stage {
        let Reading { connection, cursor, lost, tail, last, .. } = reading;
        if cursor.epoch != shard.cursor.epoch {
            return Stage::Idle;
        }
        let (mut offset, position) = tail.held().unwrap_or((Offset(0), None));
        if self.has(Bug::ResumeAfterTheLast) {
            offset = last;
        }
        let says_less = lost || (cursor.position.is_none() && position.is_some());
        if says_less && !self.has(Bug::KeepTheCursor) {
            if !leads {
                // It may not say so, and must not go on without.
                return Stage::Idle;
            }
            shard.cursor = Cursor { epoch: cursor.epoch, offset, position };
        }
        let connection = connection.unwrap_or_else(|| sink.open());
        let flight = Flight::after(offset, position);
        Stage::Sending(Sending::new(connection, cursor.epoch, flight))
    }

    fn send_or_receive(
        &self,
        mut sending: Sending,
        shard: &Shard,
        sink: &mut Sink,
        receive: bool,
    ) -> Stage {
        if sink.is_broken(sending.connection) {
            if !self.has(Bug::Reconnect) {
                return Stage::Idle;
            }
            sending.replace(sink);
        }
        let over = shard.cursor.epoch != sending.epoch;
        if over && sending.flight.waiting() == 0 {
            return Stage::Idle;
        }
        if receive || over {
            return receive_one(sending, sink);
        }
        if sending.flight.waiting() < WINDOW
            && let Some(message) = self.next(sending.flight.sent(), sending.epoch, shard)
        {
            if !sink.send(sending.connection, message) {
                return Stage::Idle;
            }
            sending.flight.send(message.span.last);
            sending.sent.push(message);
        }
        Stage::Sending(sending)
    }

    /// What comes after an offset: an event, or a gap where retention has taken some.
    fn next(&self, after: Offset, epoch: u64, shard: &Shard) -> Option<Message> {
        let first = after.next();
        if first <= shard.taken {
            let span = Span { first, last: shard.taken };
            return Some(Message { epoch, span, says: None });
        }
        let early = self.proposed.filter(|_| self.has(Bug::PublishBeforeCommit));
        let early = early.filter(|_| first == shard.head().next());
        let says = shard.said(first).or(early)?;
        Some(Message { epoch, span: Span::of(first), says: Some(says) })
    }

    /// The leader's cursor, at most to what is acknowledged.
    pub(super) fn commit_cursor(&self, shard: &mut Shard) {
        let Stage::Sending(Sending { epoch, flight, .. }) = &self.stage else { return };
        let early = self.has(Bug::CursorBeforeReceipt);
        let offset = if early { flight.sent() } else { flight.acknowledged() };
        if *epoch == shard.cursor.epoch && offset > shard.cursor.offset {
            shard.cursor = Cursor { epoch: *epoch, offset, position: flight.position().copied() };
        }
    }
}

fn receive_one(mut sending: Sending, sink: &mut Sink) -> Stage {
    let connection = sink.connections.get_mut(&sending.connection).expect("it was opened");
    match connection.receipts.pop_front() {
        Some(Receipt::Refused) => return Stage::Idle,
        Some(Receipt::Taken(message, position)) => {
            sending.flight.receive(message.span.last, position);
        }
        None => {}
    }
    Stage::Sending(sending)
}
