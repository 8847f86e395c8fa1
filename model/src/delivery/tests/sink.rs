//! The sink: a log that may lose its end, and connections that deliver in order, late, or not.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::{Offset, Span};

/// Where a message is: the sink's life, its stretch between two losses, the place in it. Never
/// given to a second message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Position {
    pub(super) life: u64,
    ledger: u64,
    entry: u64,
}

/// What is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Message {
    pub(super) epoch: u64,
    pub(super) span: Span,
    /// What an event says; a gap says nothing.
    pub(super) says: Option<u64>,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Record {
    pub(super) position: Position,
    pub(super) message: Message,
}

/// What became of the message at the head of a connection.
#[derive(Debug, Clone, Copy)]
pub(super) enum Receipt {
    Taken(Message, Position),
    Refused,
}

#[derive(Debug, Default)]
pub(super) struct Connection {
    queue: VecDeque<Message>,
    pub(super) receipts: VecDeque<Receipt>,
    pub(super) broken: bool,
}

#[derive(Debug, Default)]
pub(super) struct Sink {
    life: u64,
    ledger: u64,
    entry: u64,
    log: VecDeque<Record>,
    /// The last message that was taken away after it had been consumed.
    trimmed: Option<Position>,
    pub(super) connections: BTreeMap<u64, Connection>,
    opened: u64,
    /// All that ever arrived, by the epoch that it was sent in.
    told: BTreeMap<u64, BTreeSet<Offset>>,
}

impl Sink {
    pub(super) fn open(&mut self) -> u64 {
        self.opened += 1;
        self.connections.insert(self.opened, Connection::default());
        self.opened
    }

    /// Returns whether the connection took it; what becomes of it is another matter.
    pub(super) fn send(&mut self, connection: u64, message: Message) -> bool {
        let connection = self.connections.get_mut(&connection).expect("it was opened");
        if !connection.broken {
            connection.queue.push_back(message);
        }
        !connection.broken
    }

    /// The first message on a connection arrives, where there is one, and is refused or kept.
    pub(super) fn deliver(&mut self, connection: u64, refused: bool) {
        let Some(connection) = self.connections.get_mut(&connection) else { return };
        let Some(message) = connection.queue.pop_front() else { return };
        if refused {
            connection.receipts.push_back(Receipt::Refused);
            return;
        }
        let position = Position { life: self.life, ledger: self.ledger, entry: self.entry };
        self.entry += 1;
        let span = message.span.first.0..=message.span.last.0;
        self.told.entry(message.epoch).or_default().extend(span.map(Offset));
        self.log.push_back(Record { position, message });
        connection.receipts.push_back(Receipt::Taken(message, position));
    }

    /// What has not arrived is lost, and what has arrived has no receipt.
    pub(super) fn break_off(&mut self, connection: u64) {
        let connection = self.connections.get_mut(&connection).expect("it was opened");
        connection.broken = true;
        connection.queue.clear();
        connection.receipts.clear();
    }

    pub(super) fn is_broken(&self, connection: u64) -> bool {
        self.connections[&connection].broken
    }

    /// Starts again without its last messages.
    pub(super) fn lose(&mut self, count: usize) {
        self.log.truncate(self.log.len().saturating_sub(count));
        (self.ledger, self.entry) = (self.ledger + 1, 0);
        self.break_all();
    }

    /// Starts again as a new one.
    pub(super) fn empty(&mut self) {
        self.log.clear();
        self.trimmed = None;
        (self.life, self.ledger, self.entry) = (self.life + 1, 0, 0);
        self.break_all();
    }

    pub(super) fn break_all(&mut self) {
        for connection in 1..=self.opened {
            self.break_off(connection);
        }
    }

    /// Forgets messages up to a position.
    pub(super) fn trim(&mut self, upto: Position) {
        while self.log.front().is_some_and(|record| record.position <= upto) {
            self.trimmed = self.log.pop_front().map(|record| record.position);
        }
    }

    /// Whether an event, or a gap for it, ever arrived in an epoch.
    pub(super) fn was_told(&self, epoch: u64, offset: Offset) -> bool {
        self.told.get(&epoch).is_some_and(|told| told.contains(&offset))
    }

    pub(super) fn life(&self) -> u64 {
        self.life
    }

    pub(super) fn oldest(&self) -> Option<Position> {
        self.log.front().map(|record| record.position)
    }

    /// The last message that it still has, or had until it was consumed.
    pub(super) fn end(&self) -> Option<Position> {
        self.log.back().map(|record| record.position).or(self.trimmed)
    }

    /// Connections on which something is under way.
    pub(super) fn busy(&self) -> Vec<u64> {
        let busy = self.connections.iter().filter(|(_, connection)| !connection.queue.is_empty());
        busy.map(|(number, _)| *number).collect()
    }

    /// Connections that have not broken.
    pub(super) fn live(&self) -> Vec<u64> {
        let live = self.connections.iter().filter(|(_, connection)| !connection.broken);
        live.map(|(number, _)| *number).collect()
    }

    /// The first message at or after a position, or of all.
    pub(super) fn from(&self, position: Option<Position>) -> Option<Record> {
        let place = self.log.partition_point(|record| Some(record.position) < position);
        self.log.get(place).copied()
    }

    /// The first message after a position, or of all.
    pub(super) fn after(&self, position: Option<Position>) -> Option<Record> {
        let place = self.log.partition_point(|record| Some(record.position) <= position);
        self.log.get(place).copied()
    }
}
