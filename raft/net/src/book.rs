//! Where nodes are reached.

use std::{collections::BTreeMap, sync::Arc};

use model::NodeId;
use tokio::sync::watch;

use crate::host::Member;

/// Addresses by node, and a wake-up for each change. Clones share it.
#[derive(Debug, Clone)]
pub struct AddressBook(Arc<watch::Sender<BTreeMap<NodeId, Member>>>);

impl Default for AddressBook {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(BTreeMap::new())))
    }
}

impl AddressBook {
    /// Makes these all there are: what the cluster itself says.
    pub fn replace(&self, members: impl IntoIterator<Item = Member>) {
        let members: BTreeMap<_, _> = members.into_iter().map(|m| (m.node, m)).collect();
        self.0.send_if_modified(|known| {
            let changed = *known != members;
            *known = members;
            changed
        });
    }

    /// Adds those that are not known: hearsay of other nodes.
    pub fn complete(&self, members: impl IntoIterator<Item = Member>) {
        self.0.send_if_modified(|known| {
            let before = known.len();
            for member in members {
                known.entry(member.node).or_insert(member);
            }
            known.len() > before
        });
    }

    /// All nodes that are known.
    #[must_use]
    pub fn members(&self) -> Vec<Member> {
        self.0.borrow().values().cloned().collect()
    }

    pub(crate) fn changes(&self) -> watch::Receiver<BTreeMap<NodeId, Member>> {
        self.0.subscribe()
    }
}
