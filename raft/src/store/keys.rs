//! The closed list of key kinds. A byte that was used once is never used again.
//!
//! Every key is `[group: u64 big-endian][kind: u8][rest]`. Numbers are big-endian, so that
//! byte order is their order; a resource id within a key ends in a zero byte, which no id holds.

use model::{Incarnation, ResourceId, cursor::Position};

/// What a key holds. The value's record type stands in parentheses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    // Space::Log
    /// `[index]` a log entry (`LogEntry`).
    Entry = 0x01,
    /// The vote (`StoredVote`).
    Vote = 0x02,
    /// The last purged log id (`StoredLogId`).
    Purged = 0x03,
    /// The committed log id (`StoredLogId`).
    Committed = 0x04,
    // Space::State
    /// What was applied and by which membership (`Applied`).
    Applied = 0x10,
    /// Time, term, counters and floors of the group (`Head`).
    Head = 0x11,
    /// `[id]` a declaration and its identity (`StoredSpec`).
    Spec = 0x20,
    /// `[id]` what changes with each observation (`ResourceState`).
    State = 0x21,
    /// `[id][epoch][to]` slots that ended alike, up to and without `to` (`Run`).
    Run = 0x22,
    /// `[id][epoch]` a schedule that is over (`ClosedEpoch`).
    Epoch = 0x23,
    /// `[offset]` a committed event (`OutboxRecord`).
    Outbox = 0x30,
    /// `[id][incarnation][sequence]` the offset of a resource's event (`u64`).
    EventIndex = 0x31,
    /// `[name]` a sink's cursor (`SinkCursor`).
    Sink = 0x32,
    /// `[index][place]` a change that is never coalesced (`ChangeRecord`).
    Change = 0x40,
    // 0x41 was where rows changed last.
    /// `[request id]` the outcome of a write (`StoredRequest`).
    Request = 0x50,
    /// `[name]` a maintenance window in a shard (`ShardMaintenance`), in `meta` (`MetaMaintenance`).
    Maintenance = 0x51,
    /// `[version]` a configuration document of `meta` (`StoredConfig`).
    Config = 0x52,
    /// `[version][part]` a staged part of a configuration (`Vec<ResourceSpec>`).
    Staged = 0x53,
    /// `[id]` a node of the cluster, in `meta` (`NodeRecord`).
    Node = 0x54,
}

/// Builds the keys of one group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Keys {
    group: u64,
}

impl Keys {
    pub(crate) fn new(group: u64) -> Self {
        Self { group }
    }

    pub(crate) fn group(self) -> u64 {
        self.group
    }

    pub(crate) fn single(self, kind: Kind) -> Vec<u8> {
        let mut key = self.group.to_be_bytes().to_vec();
        key.push(kind as u8);
        key
    }

    pub(crate) fn number(self, kind: Kind, number: u64) -> Vec<u8> {
        let mut key = self.single(kind);
        key.extend(number.to_be_bytes());
        key
    }

    pub(crate) fn text(self, kind: Kind, text: &str) -> Vec<u8> {
        let mut key = self.single(kind);
        key.extend(text.as_bytes());
        key
    }

    pub(crate) fn resource(self, kind: Kind, id: &ResourceId) -> Vec<u8> {
        let mut key = self.text(kind, id.as_str());
        key.push(0);
        key
    }

    pub(crate) fn run(self, id: &ResourceId, epoch: u32, to: u64) -> Vec<u8> {
        let mut key = self.resource(Kind::Run, id);
        key.extend(epoch.to_be_bytes());
        key.extend(to.to_be_bytes());
        key
    }

    pub(crate) fn epoch(self, id: &ResourceId, epoch: u32) -> Vec<u8> {
        let mut key = self.resource(Kind::Epoch, id);
        key.extend(epoch.to_be_bytes());
        key
    }

    pub(crate) fn event(self, id: &ResourceId, life: Incarnation, sequence: u64) -> Vec<u8> {
        let mut key = self.resource(Kind::EventIndex, id);
        key.extend(life.index.to_be_bytes());
        key.extend(life.position.to_be_bytes());
        key.extend(sequence.to_be_bytes());
        key
    }

    pub(crate) fn position(self, kind: Kind, position: Position) -> Vec<u8> {
        let mut key = self.number(kind, position.index);
        key.extend(position.place.to_be_bytes());
        key
    }

    pub(crate) fn staged(self, version: u64, part: u32) -> Vec<u8> {
        let mut key = self.number(Kind::Staged, version);
        key.extend(part.to_be_bytes());
        key
    }

    /// The whole group, in either space.
    pub(crate) fn everything(self) -> (Vec<u8>, Vec<u8>) {
        (self.group.to_be_bytes().to_vec(), (self.group + 1).to_be_bytes().to_vec())
    }

    /// All keys of a kind.
    pub(crate) fn all(self, kind: Kind) -> (Vec<u8>, Vec<u8>) {
        let from = self.single(kind);
        let to = after(&from);
        (from, to)
    }
}

/// The first key after all keys that begin with `prefix`.
pub(crate) fn after(prefix: &[u8]) -> Vec<u8> {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if last < u8::MAX {
            end.push(last + 1);
            return end;
        }
    }
    end
}

/// The position at the end of a `Change` or `Updated` key.
pub(crate) fn position_of(key: &[u8]) -> Option<Position> {
    let (rest, place) = key.split_last_chunk::<4>()?;
    let index = rest.last_chunk::<8>()?;
    Some(Position { index: u64::from_be_bytes(*index), place: u32::from_be_bytes(*place) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn byte_order_is_the_order_of_numbers_and_ids_do_not_overlap() {
        let keys = Keys::new(3);
        assert!(keys.number(Kind::Entry, 255) < keys.number(Kind::Entry, 256));
        let (a, ab) = ("a".parse().unwrap(), "ab".parse().unwrap());
        let prefix = keys.resource(Kind::Run, &a);
        assert!(!keys.run(&ab, 0, 0).starts_with(&prefix));
        assert!(keys.run(&a, 1, 0) < after(&prefix));
        let (from, to) = keys.everything();
        assert!(from < keys.single(Kind::Vote) && keys.single(Kind::Staged) < to);
        assert!(to <= Keys::new(4).single(Kind::Entry));
    }

    #[test]
    fn positions_read_back() {
        let position = Position { index: 77, place: 5 };
        assert_eq!(position_of(&Keys::new(1).position(Kind::Change, position)), Some(position));
    }
}
