//! What a member does for other nodes.

use std::sync::Arc;

use futures_util::future::FutureExt;
use model::NodeId;
use net::{Host, Joined, Joining, Outcome, Standing};
use raft::{NodeStanding, Shards};

/// Everything that others may ask of this node.
pub(super) fn host(shards: &Shards, name: &str) -> Host {
    let (answering, admitting) = (shards.clone(), shards.clone());
    let (joining, standing) = (shards.clone(), shards.clone());
    Host {
        name: name.to_owned(),
        answer: Arc::new(move |group, body| {
            let shards = answering.clone();
            async move { shards.answer_peer(group, &body).await }.boxed()
        }),
        admit: Arc::new(move |node, name| admit(&admitting, node, name)),
        join: Arc::new(move |request| {
            let shards = joining.clone();
            async move { join(&shards, request).await }.boxed()
        }),
        standing: Arc::new(move || Standing::Member(membership(&standing, standing.node_id()))),
    }
}

/// Whether a node may be spoken to. One that this replica of `meta` has not heard of may have
/// joined a moment ago.
fn admit(shards: &Shards, node: NodeId, name: &str) -> Result<(), String> {
    let nodes = shards.nodes();
    let Some((_, record)) = nodes.into_iter().find(|(id, _)| *id == node) else { return Ok(()) };
    if record.standing == NodeStanding::Removed {
        return Err(format!(
            "node {node} ({name}) was removed from the cluster; give it an empty data_dir, so \
             that it joins as a new node"
        ));
    }
    let known = &record.facts.name;
    if !known.eq_ignore_ascii_case(name) {
        return Err(format!("node {node} is named {known} in this cluster, not {name}"));
    }
    Ok(())
}

async fn join(shards: &Shards, request: Joining) -> Outcome {
    let cluster = &shards.cluster().name;
    if request.cluster_name != *cluster {
        return Outcome::Refused(format!(
            "this is cluster {cluster:?}, {} was configured for {:?}; correct cluster.name or \
             peers",
            request.facts.name, request.cluster_name
        ));
    }
    match shards.admit_node(request.key, request.facts).await {
        Ok(Ok(node)) => Outcome::Joined(membership(shards, node)),
        Ok(Err(refusal)) => Outcome::Refused(format!(
            "{refusal}; if that node is lost, remove it first: bellwether cluster remove NODE"
        )),
        Err(error) => Outcome::Later(error.to_string()),
    }
}

fn membership(shards: &Shards, node: NodeId) -> Joined {
    let cluster = shards.cluster().clone();
    Joined { cluster, shards: shards.shard_count(), node, members: members(shards) }
}

/// The nodes that take part, and where they are.
pub(super) fn members(shards: &Shards) -> Vec<net::Member> {
    let nodes = shards.nodes().into_iter();
    let here = nodes.filter(|(_, record)| {
        record.standing != NodeStanding::Removed && !record.facts.address.is_empty()
    });
    here.map(|(node, record)| net::Member {
        node,
        name: record.facts.name,
        address: record.facts.address,
    })
    .collect()
}
