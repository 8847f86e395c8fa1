//! `GET /api/v1/cluster`: nodes, shards, leaders, terms and lag, gathered from all nodes.

use std::collections::BTreeSet;

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use model::{NodeId, Revision, ShardId, Term};
use raft::{GroupReport, NodeFacts, NodeRecord, NodeStanding, ShardStatus, Shards, Survey};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{error::ApiError, headers::Stamp, query::NoQuery, state::ApiState};

/// The cluster as one of its nodes sees it.
#[derive(Serialize, ToSchema)]
#[schema(as = Cluster)]
pub(crate) struct ClusterView {
    /// Its id, assigned when it was founded.
    pub(crate) id: String,
    /// Its name.
    pub(crate) name: String,
    /// Its life: raised when it is restored.
    pub(crate) incarnation: u64,
    /// The node that answers.
    #[schema(value_type = u64)]
    pub(crate) node_id: NodeId,
    /// Its nodes. Those that have left are not shown once they hold nothing.
    pub(crate) nodes: Vec<ClusterNodeView>,
    /// The group that holds nodes, configuration and maintenance.
    pub(crate) meta: GroupView,
    /// Its shards.
    pub(crate) shards: Vec<ClusterShardView>,
    /// What is being moved and why, and what cannot be, a line each.
    pub(crate) moves: Vec<String>,
}

/// A node of the cluster.
#[derive(Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = ClusterNode)]
pub(crate) struct ClusterNodeView {
    /// The node.
    #[schema(value_type = u64)]
    pub(crate) node_id: NodeId,
    /// Its name.
    pub(crate) name: String,
    /// `active`, `draining` or `removed`.
    pub(crate) standing: String,
    /// Why it does not answer; null while it does.
    #[schema(required)]
    pub(crate) error: Option<String>,
    /// Its region, or nothing.
    pub(crate) region: String,
    /// Its zone, or nothing.
    pub(crate) zone: String,
    /// The version that it runs.
    pub(crate) version: String,
    /// Where other nodes reach it, or nothing where it is alone.
    pub(crate) address: String,
    /// Where people and programs reach it, or nothing where that is not known.
    pub(crate) api: String,
    /// How many shards it votes in.
    pub(crate) replicas: u64,
    /// How many shards it leads.
    pub(crate) leads: u64,
    /// The most log entries that it lacks in a shard, as the shard's leader knows; null where
    /// no leader knows.
    #[schema(required)]
    pub(crate) lag: Option<u64>,
    /// What may still be written to its disk, in bytes; null where that is not known.
    #[schema(required)]
    pub(crate) disk_free: Option<u64>,
    /// Whether its disk is full, so that it takes no writes.
    pub(crate) disk_full: bool,
}

/// Who is in a group.
#[derive(Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = ClusterGroup)]
pub(crate) struct GroupView {
    /// Who leads it; null where nobody is known to.
    #[schema(required, value_type = Option<u64>)]
    pub(crate) leader: Option<NodeId>,
    /// Its term.
    #[schema(value_type = u64)]
    pub(crate) term: Term,
    /// Its voters.
    #[schema(value_type = Vec<u64>)]
    pub(crate) voters: Vec<NodeId>,
    /// Who has a replica without a vote.
    #[schema(value_type = Vec<u64>)]
    pub(crate) learners: Vec<NodeId>,
    /// Whether its voters are being changed.
    pub(crate) changing: bool,
}

/// A shard of the cluster.
#[derive(Serialize, ToSchema)]
#[schema(as = ClusterShard)]
pub(crate) struct ClusterShardView {
    /// The shard.
    #[schema(value_type = u32)]
    pub(crate) shard: ShardId,
    #[serde(flatten)]
    pub(crate) group: GroupView,
    /// The last log index that the answering node has.
    pub(crate) last_log: u64,
    /// The last log index that the answering node has applied.
    #[schema(value_type = u64)]
    pub(crate) applied: Revision,
    /// Log entries that the answering node has still to apply.
    pub(crate) apply_lag: u64,
    /// How many resources it holds.
    pub(crate) resources: u64,
    /// The last offset of its outbox.
    pub(crate) outbox_head: u64,
    /// The first offset that is kept.
    pub(crate) outbox_floor: u64,
}

/// Shows the cluster. A node that does not answer within a second is shown with the reason.
#[utoipa::path(
    get, path = "/api/v1/cluster", tag = "cluster", operation_id = "getCluster",
    responses((status = 200, description = "The cluster", body = ClusterView))
)]
pub(crate) async fn get_cluster(
    State(api): State<ApiState>,
    _: NoQuery,
) -> Result<Response, ApiError> {
    let view = shown(&api).await;
    Ok((Stamp::own(api.own_revision()), Json(view)).into_response())
}

/// The cluster, gathered from all nodes.
pub(crate) async fn shown(api: &ApiState) -> ClusterView {
    let survey = api.shards().survey().await;
    ClusterView::of(api.shards(), &survey)
}

impl ClusterView {
    fn of(shards: &Shards, survey: &Survey) -> Self {
        let cluster = shards.cluster();
        let moves = survey.reports.values().flat_map(|report| report.moves.iter().cloned());
        let rows = shards.status().into_iter().map(|status| {
            let group = GroupView::of(survey, Shards::group_number(status.shard));
            ClusterShardView::of(&status, group)
        });
        Self {
            id: cluster.id.to_string(),
            name: cluster.name.clone(),
            incarnation: cluster.incarnation,
            node_id: shards.node_id(),
            nodes: nodes(&known(shards, survey), survey, shards.shard_count()),
            meta: GroupView::of(survey, 0),
            shards: rows.collect(),
            moves: moves.collect(),
        }
    }
}

/// The nodes that `meta` knows, and those that answer without being known yet: one that has
/// founded the cluster a moment ago.
fn known(shards: &Shards, survey: &Survey) -> Vec<(NodeId, NodeRecord)> {
    let mut nodes = shards.nodes();
    for node in survey.reports.keys() {
        if !nodes.iter().any(|(known, _)| known == node) {
            let (facts, key) = (NodeFacts::default(), String::new());
            nodes.push((*node, NodeRecord { facts, key, standing: NodeStanding::Active }));
        }
    }
    nodes
}

fn nodes(records: &[(NodeId, NodeRecord)], survey: &Survey, shards: u32) -> Vec<ClusterNodeView> {
    let groups: Vec<(Option<NodeId>, &GroupReport)> = (1..=u64::from(shards))
        .filter_map(|group| {
            let leader = survey.leader_of(group).map(|(leader, _)| leader);
            survey.latest_of(group).map(|found| (leader, found))
        })
        .collect();
    let views = records.iter().map(|(id, record)| node(*id, record, survey, &groups));
    views.filter(|view| view.standing != "removed" || view.replicas > 0).collect()
}

fn node(
    id: NodeId,
    record: &NodeRecord,
    survey: &Survey,
    groups: &[(Option<NodeId>, &GroupReport)],
) -> ClusterNodeView {
    let number = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
    let lags = groups.iter().filter_map(|(leader, group)| {
        let of_leader = group.last.saturating_sub(*group.matched.get(&id)?);
        Some(if *leader == Some(id) { 0 } else { of_leader })
    });
    let disk = survey.reports.get(&id).and_then(|report| report.disk);
    let removed = record.standing == NodeStanding::Removed;
    let silent = || survey.silent.get(&id).cloned().unwrap_or_else(|| "it has left".to_owned());
    let facts = record.facts.clone();
    ClusterNodeView {
        node_id: id,
        name: facts.name,
        standing: record.standing.to_string(),
        error: (removed || !survey.reports.contains_key(&id)).then(silent),
        region: facts.region,
        zone: facts.zone,
        version: facts.version,
        address: facts.address,
        api: facts.api,
        replicas: number(groups.iter().filter(|(_, group)| group.voters.contains(&id)).count()),
        leads: number(groups.iter().filter(|(leader, _)| *leader == Some(id)).count()),
        lag: lags.max(),
        disk_free: disk.map(|disk| disk.free),
        disk_full: disk.is_some_and(|disk| disk.full),
    }
}

impl GroupView {
    fn of(survey: &Survey, group: u64) -> Self {
        let list = |nodes: &BTreeSet<NodeId>| nodes.iter().copied().collect();
        let leader = survey.leader_of(group).map(|(leader, _)| leader);
        match survey.latest_of(group) {
            Some(found) => Self {
                leader,
                term: Term(found.term),
                voters: list(&found.voters),
                learners: list(&found.learners),
                changing: found.changing,
            },
            None => {
                let (voters, learners) = (Vec::new(), Vec::new());
                Self { leader, term: Term(0), voters, learners, changing: false }
            }
        }
    }
}

impl ClusterShardView {
    fn of(status: &ShardStatus, group: GroupView) -> Self {
        Self {
            shard: status.shard,
            group,
            last_log: status.last_log,
            applied: status.applied,
            apply_lag: status.last_log.saturating_sub(status.applied.0),
            resources: u64::try_from(status.resources).unwrap_or(u64::MAX),
            outbox_head: status.outbox_head,
            outbox_floor: status.outbox_floor,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use raft::NodeReport;

    use super::*;

    fn record(name: &str, standing: NodeStanding) -> NodeRecord {
        let facts = NodeFacts { name: name.to_owned(), ..NodeFacts::default() };
        NodeRecord { facts, key: String::new(), standing }
    }

    #[test]
    fn nodes_are_counted_from_what_the_leaders_of_their_shards_say() {
        let leads = |matched: u64| GroupReport {
            term: 3,
            leads: true,
            voters: [1, 2].map(NodeId).into(),
            last: 9,
            matched: BTreeMap::from([(NodeId(1), 9), (NodeId(2), matched)]),
            ..GroupReport::default()
        };
        let node = NodeId(1);
        let groups = BTreeMap::from([(1, leads(9)), (2, leads(7)), (3, GroupReport::default())]);
        let report = NodeReport { node, groups, disk: None, moves: Vec::new() };
        let reports = BTreeMap::from([(node, report)]);
        let silent = BTreeMap::from([(NodeId(2), "refused".to_owned())]);
        let survey = Survey { reports, silent };
        let records = [
            (NodeId(1), record("n1", NodeStanding::Active)),
            (NodeId(2), record("n2", NodeStanding::Active)),
            (NodeId(3), record("n3", NodeStanding::Removed)),
        ];
        let views = nodes(&records, &survey, 3);
        let seen: Vec<_> = views
            .iter()
            .map(|view| (view.name.as_str(), view.replicas, view.leads, view.lag))
            .collect();
        assert_eq!(seen, [("n1", 2, 2, Some(0)), ("n2", 2, 0, Some(2))]);
        assert_eq!((&views[0].error, views[1].error.as_deref()), (&None, Some("refused")));
        assert_eq!(GroupView::of(&survey, 2).leader, Some(NodeId(1)));
        assert_eq!(GroupView::of(&survey, 3).leader, None);
    }
}
