//! `AdmitNode`, `DescribeNode`, `StandNode`: `meta` keeps who the nodes are.

use model::NodeId;

use super::Context;
use crate::{
    bug,
    command::{Refusal, Reply},
    nodes::{NodeFacts, NodeRecord, NodeStanding},
    store::keys::Kind,
};

/// The most nodes, those that have left included.
const MOST: usize = 10_000;
/// The id of the node that founded the cluster; nobody has let it in.
const FOUNDER: NodeId = NodeId(1);

pub(super) fn admit(context: &mut Context<'_>, key: &str, facts: &NodeFacts) -> Reply {
    if let Some((id, known)) = context.state.nodes.iter().find(|(_, node)| node.key == key) {
        let (id, known) = (*id, known.clone());
        return again(context, id, known, facts);
    }
    if let Some(other) = holder(context, &facts.name) {
        if bug!("bug-reuse-node-id") {
            return Reply::Node(other);
        }
        return Reply::Refused(Refusal::NodeName(facts.name.clone(), other));
    }
    if context.state.nodes.len() >= MOST {
        return Reply::Refused(Refusal::Full(format!("at most {MOST} nodes are kept")));
    }
    let last = context.state.nodes.keys().next_back().copied().unwrap_or(FOUNDER);
    let id = NodeId(last.0 + 1);
    let (facts, key) = (facts.clone(), key.to_owned());
    put(context, id, NodeRecord { facts, key, standing: NodeStanding::Active });
    Reply::Node(id)
}

/// A request that was repeated, or a node that says where it is now.
fn again(context: &mut Context<'_>, id: NodeId, known: NodeRecord, facts: &NodeFacts) -> Reply {
    if known.standing == NodeStanding::Removed {
        return Reply::Refused(Refusal::NodeRemoved(id));
    }
    if !known.facts.name.eq_ignore_ascii_case(&facts.name) {
        return Reply::Refused(Refusal::NodeKey(id, known.facts.name));
    }
    if known.facts != *facts {
        put(context, id, NodeRecord { facts: facts.clone(), ..known });
    }
    Reply::Node(id)
}

pub(super) fn describe(context: &mut Context<'_>, node: NodeId, facts: &NodeFacts) -> Reply {
    if let Some(other) = holder(context, &facts.name).filter(|other| *other != node) {
        return Reply::Refused(Refusal::NodeName(facts.name.clone(), other));
    }
    let record = match context.state.nodes.get(&node) {
        Some(known) => NodeRecord { facts: facts.clone(), ..known.clone() },
        None if node == FOUNDER => {
            let standing = NodeStanding::Active;
            NodeRecord { facts: facts.clone(), key: String::new(), standing }
        }
        None => return Reply::Refused(Refusal::NoSuchNode(node)),
    };
    put(context, node, record);
    Reply::Done
}

/// How many nodes have left.
pub(crate) fn left<'a>(nodes: impl Iterator<Item = &'a NodeRecord>) -> usize {
    nodes.filter(|node| node.standing == NodeStanding::Removed).count()
}

pub(super) fn stand(
    context: &mut Context<'_>,
    node: NodeId,
    standing: NodeStanding,
    seen: usize,
) -> Reply {
    if standing == NodeStanding::Removed && left(context.state.nodes.values()) != seen {
        return Reply::Refused(Refusal::NodesChanged);
    }
    match context.state.nodes.get(&node).cloned() {
        None => Reply::Refused(Refusal::NoSuchNode(node)),
        Some(known) if known.standing == NodeStanding::Removed => match standing {
            NodeStanding::Removed => Reply::Done,
            _ => Reply::Refused(Refusal::NodeRemoved(node)),
        },
        Some(known) => {
            put(context, node, NodeRecord { standing, ..known });
            Reply::Done
        }
    }
}

/// Who has a name, of those that have not left.
fn holder(context: &Context<'_>, name: &str) -> Option<NodeId> {
    let mut nodes = context.state.nodes.iter();
    let held = nodes.find(|(_, node)| {
        node.standing != NodeStanding::Removed && node.facts.name.eq_ignore_ascii_case(name)
    });
    held.map(|(id, _)| *id)
}

fn put(context: &mut Context<'_>, id: NodeId, record: NodeRecord) {
    context.put(context.keys.number(Kind::Node, id.0), &record);
    context.state.nodes.insert(id, record);
}
