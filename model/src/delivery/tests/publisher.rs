//! A publisher: sessions on the parts that decide, and the mistakes that it could make.

use super::{
    Bug, Change, Flight, Offset, Place, ReadFrom, Reading, Span,
    sink::{Message, Position, Receipt, Sink},
    world::{Cursor, Proposals, Shard},
};

/// Messages without a receipt.
const WINDOW: usize = 4;

#[derive(Debug)]
pub(super) enum Stage {
    Idle,
    Opened {
        connection: Option<u64>,
    },
    /// The session is being taken.
    Taking {
        connection: Option<u64>,
        proposal: u64,
    },
    Looking(Looking),
    /// The cursor is being told what the sink holds.
    Telling {
        sending: Sending,
        proposal: u64,
    },
    Sending(Sending),
}

#[derive(Debug)]
pub(super) struct Looking {
    connection: Option<u64>,
    cursor: Cursor,
    reading: Reading<Position>,
    /// The message that was read last.
    at: Option<Position>,
    /// The last offset of the epoch that was seen at all.
    last: Offset,
}

#[derive(Debug)]
pub(super) struct Sending {
    pub(super) connection: u64,
    pub(super) cursor: Cursor,
    pub(super) flight: Flight<Position>,
    /// What the cursor was told last, and whether that has landed.
    told: Option<u64>,
    /// What was sent, for the mistake of sending it again on another connection.
    sent: Vec<Message>,
}

/// How often something rare was met, so that no run is empty of it.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Met {
    pub(super) lost: u64,
    pub(super) outdated: u64,
}

impl Met {
    pub(super) fn and(self, other: Self) -> Self {
        Self { lost: self.lost + other.lost, outdated: self.outdated + other.outdated }
    }
}

#[derive(Debug)]
pub(super) struct Publisher {
    pub(super) stage: Stage,
    /// What a deposed leader knows, which is what was committed by then.
    pub(super) deposed: Option<Shard>,
    /// Proposed, and not committed yet.
    pub(super) proposed: Option<u64>,
    pub(super) met: Met,
    bug: Option<Bug>,
}

/// What a step works on.
pub(super) struct Around<'a> {
    pub(super) shard: &'a Shard,
    pub(super) sink: &'a mut Sink,
    pub(super) proposals: &'a mut Proposals,
    /// Whether it looks for a receipt rather than send.
    pub(super) receive: bool,
    /// Whether it waits no longer for what it has proposed.
    pub(super) impatient: bool,
}

impl Sending {
    fn new(connection: u64, cursor: Cursor, flight: Flight<Position>) -> Self {
        Self { connection, cursor, flight, told: None, sent: Vec::new() }
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

impl Publisher {
    pub(super) fn new(bug: Option<Bug>) -> Self {
        Self { stage: Stage::Idle, deposed: None, proposed: None, met: Met::default(), bug }
    }

    fn has(&self, bug: Bug) -> bool {
        self.bug == Some(bug)
    }

    /// One step of its session.
    pub(super) fn step(&mut self, around: &mut Around<'_>) {
        let known = self.deposed.clone();
        let shard = known.as_ref().unwrap_or(around.shard);
        self.stage = match std::mem::replace(&mut self.stage, Stage::Idle) {
            Stage::Idle if self.has(Bug::ReadBeforeOpen) => Stage::Opened { connection: None },
            Stage::Idle => Stage::Opened { connection: Some(around.sink.open()) },
            Stage::Opened { connection } => self.take(connection, shard, around),
            Stage::Taking { connection, proposal } => self.taken(connection, proposal, around),
            Stage::Looking(looking) => self.look(looking, around),
            Stage::Telling { sending, proposal } => self.told(sending, proposal, around),
            Stage::Sending(sending) => self.send_or_receive(sending, shard, around),
        };
    }

    fn take(&mut self, connection: Option<u64>, shard: &Shard, around: &mut Around<'_>) -> Stage {
        if self.has(Bug::StaleCursor) {
            return self.begin(connection, shard.cursor.clone(), around.sink);
        }
        let change = Change::Take { after: shard.cursor.session };
        Stage::Taking { connection, proposal: around.proposals.propose(change) }
    }

    fn taken(&mut self, connection: Option<u64>, proposal: u64, around: &mut Around<'_>) -> Stage {
        match around.proposals.outcome(proposal) {
            Some(Ok(cursor)) => self.begin(connection, cursor, around.sink),
            Some(Err(_)) => self.outdated(),
            None if around.impatient => Stage::Idle,
            None => Stage::Taking { connection, proposal },
        }
    }

    fn outdated(&mut self) -> Stage {
        self.met.outdated += 1;
        Stage::Idle
    }

    fn begin(&mut self, connection: Option<u64>, cursor: Cursor, sink: &Sink) -> Stage {
        if let (true, Some(connection)) = (self.has(Bug::NoTailRead), connection) {
            let flight = Flight::after(cursor.offset, cursor.position);
            return Stage::Sending(Sending::new(connection, cursor, flight));
        }
        let place = Place {
            same: cursor.position.is_none_or(|position| position.life == sink.life()),
            found: sink.from(cursor.position).map(|record| record.position),
            oldest: sink.oldest(),
            end: sink.end(),
        };
        let last = cursor.offset;
        let (reading, from) = Reading::begin(cursor.clone(), &place);
        let at = match from {
            ReadFrom::After(position) => Some(position),
            ReadFrom::Oldest => None,
        };
        Stage::Looking(Looking { connection, cursor, reading, at, last })
    }

    fn look(&mut self, mut looking: Looking, around: &mut Around<'_>) -> Stage {
        for _ in 0..3 {
            let Some(record) = around.sink.after(looking.at) else {
                return self.decide(looking, around);
            };
            let Message { epoch, span, .. } = record.message;
            let own = looking.cursor.epoch;
            let counted = if self.has(Bug::CountEveryEpoch) { own } else { epoch };
            looking.reading.take(counted, span, record.position);
            looking.at = Some(record.position);
            if epoch == own {
                looking.last = looking.last.max(span.last);
            }
        }
        Stage::Looking(looking)
    }

    fn decide(&mut self, looking: Looking, around: &mut Around<'_>) -> Stage {
        let Looking { connection, cursor, reading, last, .. } = looking;
        let (mut flight, tell) = reading.end();
        if self.has(Bug::ResumeAfterTheLast) {
            flight = Flight::after(last, flight.position().copied());
        }
        self.met.lost += u64::from(tell.is_some());
        let connection = connection.unwrap_or_else(|| around.sink.open());
        let sending = Sending::new(connection, cursor, flight);
        match tell.filter(|_| !self.has(Bug::KeepTheCursor)) {
            Some(change) => Stage::Telling { sending, proposal: around.proposals.propose(change) },
            None => Stage::Sending(sending),
        }
    }

    fn told(&mut self, sending: Sending, proposal: u64, around: &mut Around<'_>) -> Stage {
        match around.proposals.outcome(proposal) {
            Some(Ok(_)) => Stage::Sending(sending),
            Some(Err(_)) => self.outdated(),
            None if around.impatient => Stage::Idle,
            None => Stage::Telling { sending, proposal },
        }
    }

    fn send_or_receive(
        &mut self,
        mut sending: Sending,
        shard: &Shard,
        around: &mut Around<'_>,
    ) -> Stage {
        if around.sink.is_broken(sending.connection) {
            if !self.has(Bug::Reconnect) {
                return Stage::Idle;
            }
            sending.replace(around.sink);
        }
        let told = sending.told.and_then(|told| around.proposals.outcome(told));
        if matches!(told, Some(Err(_))) {
            return self.outdated();
        }
        // The state that it sees says that another session has begun.
        if shard.cursor.session > sending.cursor.session {
            return self.outdated();
        }
        if around.receive {
            return receive_one(sending, around.sink);
        }
        if sending.flight.waiting() < WINDOW
            && let Some(message) = self.next(sending.flight.sent(), sending.cursor.epoch, shard)
        {
            if !around.sink.send(sending.connection, message) {
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

    /// Proposes how far it is acknowledged, where that has moved.
    pub(super) fn tell(&mut self, proposals: &mut Proposals) {
        let early = self.has(Bug::CursorBeforeReceipt);
        let Stage::Sending(sending) = &mut self.stage else { return };
        let Sending { cursor, flight, told, .. } = sending;
        // One at a time: they may land in any order.
        if told.is_some_and(|told| proposals.is_pending(told)) {
            return;
        }
        let offset = if early { flight.sent() } else { flight.acknowledged() };
        if offset > cursor.offset || flight.position() > cursor.position.as_ref() {
            let (session, position) = (cursor.session, flight.position().copied());
            (cursor.offset, cursor.position) = (offset, position);
            let change = Change::Tell { session, offset, position };
            *told = Some(proposals.propose(change));
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
