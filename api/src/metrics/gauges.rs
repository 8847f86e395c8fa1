//! Gauges that are computed when somebody asks.

use model::NodeId;
use raft::ShardStatus;

use super::{
    OUTBOX_LENGTH, RAFT_APPLY_LAG, RAFT_COMMIT_INDEX, RAFT_LEADER, RAFT_TERM, RESOURCES, WATCHES,
    census::Counts,
    text::{family, sample},
};

pub(super) fn resources(out: &mut String, counts: &Counts) {
    family(out, RESOURCES, "gauge", "Resources by type and health");
    for ((resource_type, status), n) in counts {
        let labels =
            [("resource_type", resource_type.as_str()), ("health_status", status.as_str())];
        sample(out, RESOURCES, &labels, n);
    }
}

pub(super) fn watches(out: &mut String, open: usize) {
    family(out, WATCHES, "gauge", "Open watches");
    sample(out, WATCHES, &[], open);
}

pub(super) fn shards(out: &mut String, shards: &[ShardStatus], own: NodeId) {
    let length = |s: &ShardStatus| (s.outbox_head + 1).saturating_sub(s.outbox_floor.max(1));
    family(out, OUTBOX_LENGTH, "gauge", "Events that the outboxes keep");
    sample(out, OUTBOX_LENGTH, &[], shards.iter().map(length).sum::<u64>());
    per_shard(out, RAFT_TERM, "The shard's term", shards, |s| s.term.0);
    let help = "The last committed log index that this node has applied";
    per_shard(out, RAFT_COMMIT_INDEX, help, shards, |s| s.applied.0);
    let help = "Log entries that this node has still to apply";
    per_shard(out, RAFT_APPLY_LAG, help, shards, |s| s.last_log.saturating_sub(s.applied.0));
    let help = "1 where this node leads the shard";
    per_shard(out, RAFT_LEADER, help, shards, |s| u64::from(s.leader == Some(own)));
}

fn per_shard(
    out: &mut String,
    name: &str,
    help: &str,
    shards: &[ShardStatus],
    value: impl Fn(&ShardStatus) -> u64,
) {
    family(out, name, "gauge", help);
    for shard in shards {
        sample(out, name, &[("shard", &shard.shard.to_string())], value(shard));
    }
}

#[cfg(test)]
mod tests {
    use model::{Revision, ShardId, ShardTime, Term};

    use super::*;

    #[test]
    fn shards_are_shown_as_they_are() {
        let shard = ShardStatus {
            shard: ShardId(3),
            leader: Some(NodeId(1)),
            term: Term(5),
            voters: vec![NodeId(1)],
            last_log: 12,
            applied: Revision(10),
            time: ShardTime(0),
            resources: 1,
            outbox_head: 9,
            outbox_floor: 5,
        };
        let mut out = String::new();
        shards(&mut out, &[shard], NodeId(1));
        for line in [
            "bellwether_outbox_length 5",
            "bellwether_raft_term{shard=\"3\"} 5",
            "bellwether_raft_commit_index{shard=\"3\"} 10",
            "bellwether_raft_apply_lag{shard=\"3\"} 2",
            "bellwether_raft_leader{shard=\"3\"} 1",
        ] {
            assert!(out.lines().any(|l| l == line), "{line} is missing in\n{out}");
        }
    }

    #[test]
    fn an_empty_outbox_has_length_zero() {
        let shard = |floor, head| ShardStatus {
            shard: ShardId(0),
            leader: None,
            term: Term(0),
            voters: Vec::new(),
            last_log: 0,
            applied: Revision(0),
            time: ShardTime(0),
            resources: 0,
            outbox_head: head,
            outbox_floor: floor,
        };
        let mut out = String::new();
        shards(&mut out, &[shard(0, 0), shard(1, 0), shard(8, 7)], NodeId(1));
        assert!(out.contains("\nbellwether_outbox_length 0\n"), "{out}");
    }
}
