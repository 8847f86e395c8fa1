//! Who speaks: the first frame of each side, and what must be true of it.

use model::{NodeId, event::ClusterIdentity};

use crate::wire::proto;

/// The versions of the protocol between nodes that this node speaks.
pub(crate) const OLDEST: u32 = 1;
/// See [`OLDEST`].
pub(crate) const NEWEST: u32 = 1;

/// Who this node is to others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Myself {
    /// Its cluster.
    pub cluster: ClusterIdentity,
    /// Its id.
    pub node: NodeId,
    /// Its name, which its certificate carries.
    pub name: String,
    /// The version of Bellwether, for people.
    pub version: String,
}

/// Why a node is not spoken to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It belongs to another cluster.
    #[error(
        "node {name} belongs to cluster {theirs}, this node to {ours}; \
         correct `peers`, or give it a data_dir of its own"
    )]
    ForeignCluster {
        /// Who.
        name: String,
        /// Its cluster.
        theirs: String,
        /// Ours.
        ours: String,
    },
    /// One of the two is too old.
    #[error(
        "node {name} runs {version} and speaks versions {oldest} to {newest} of the protocol \
         between nodes, this node speaks {OLDEST} to {NEWEST}; upgrade the older of the two"
    )]
    Version {
        /// Who.
        name: String,
        /// What it runs.
        version: String,
        /// The first version that it speaks.
        oldest: u32,
        /// The last one.
        newest: u32,
    },
    /// Its certificate is another node's.
    #[error(
        "a certificate for {} was presented by node {name}; \
         give it one with its own name: bellwether certs --out DIR {name}",
        names(.carried)
    )]
    Name {
        /// Who it says it is.
        name: String,
        /// What its certificate carries.
        carried: Vec<String>,
    },
    /// Two nodes have one id.
    #[error("node {0} is this node's own id; a data directory runs in one place only")]
    Myself(NodeId),
    /// The cluster knows better.
    #[error("{0}")]
    NotAdmitted(String),
    /// Its first frame says nothing of this.
    #[error("it does not say who it is")]
    Speechless,
}

impl Refused {
    /// The label of a counter.
    #[must_use]
    pub fn label(&self) -> &'static str {
        match self {
            Self::ForeignCluster { .. } => "foreign_cluster",
            Self::Version { .. } => "version",
            Self::Name { .. } => "wrong_name",
            Self::Myself(_) => "own_id",
            Self::NotAdmitted(_) => "not_admitted",
            Self::Speechless => "garbage",
        }
    }
}

fn names(names: &[String]) -> String {
    if names.is_empty() { "nobody".to_owned() } else { names.join(", ") }
}

/// Another node, as it has introduced itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Peer {
    pub(crate) node: NodeId,
    pub(crate) name: String,
    pub(crate) version: String,
}

impl Myself {
    pub(crate) fn hello(&self) -> proto::Hello {
        proto::Hello {
            oldest: OLDEST,
            newest: NEWEST,
            version: self.version.clone(),
            cluster_id: self.cluster.id.to_string(),
            incarnation: self.cluster.incarnation,
            cluster_name: self.cluster.name.clone(),
            node: self.node.0,
            name: self.name.clone(),
        }
    }

    /// Whether the other side is a node of this cluster, by its own words and its certificate.
    pub(crate) fn greet(
        &self,
        hello: Option<proto::Hello>,
        carried: &[String],
    ) -> Result<Peer, Refused> {
        let hello = hello.ok_or(Refused::Speechless)?;
        let proto::Hello { name, version, oldest, newest, .. } = hello;
        if !carries(carried, &name) {
            return Err(Refused::Name { name, carried: carried.to_vec() });
        }
        if !speaks(oldest, newest) {
            return Err(Refused::Version { name, version, oldest, newest });
        }
        let ours = &self.cluster;
        let theirs = (hello.cluster_id.as_str(), hello.incarnation);
        if theirs != (ours.id.to_string().as_str(), ours.incarnation) {
            let theirs = described(&hello.cluster_name, theirs.0, theirs.1);
            let ours = described(&ours.name, &ours.id.to_string(), ours.incarnation);
            return Err(Refused::ForeignCluster { name, theirs, ours });
        }
        let node = NodeId(hello.node);
        if node == self.node {
            return Err(Refused::Myself(node));
        }
        Ok(Peer { node, name, version })
    }
}

/// Whether there is a version that both speak.
pub(crate) fn speaks(oldest: u32, newest: u32) -> bool {
    oldest <= NEWEST && newest >= OLDEST
}

/// Whether a certificate is a node's. Names of hosts have no case.
pub(crate) fn carries(names: &[String], name: &str) -> bool {
    names.iter().any(|carried| carried.eq_ignore_ascii_case(name))
}

fn described(name: &str, id: &str, incarnation: u64) -> String {
    format!("{name:?} ({id}, incarnation {incarnation})")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn myself(node: u64) -> Myself {
        let id = "00000000-0000-0000-0000-000000000007".parse().unwrap();
        let cluster = ClusterIdentity { id, incarnation: 1, name: "home".to_owned() };
        let name = format!("n{node}");
        Myself { cluster, node: NodeId(node), name, version: "0.1.0".to_owned() }
    }

    fn carried(name: &str) -> Vec<String> {
        vec![name.to_owned()]
    }

    #[test]
    fn a_node_of_the_same_cluster_is_known_by_its_certificate() {
        let hello = Some(myself(2).hello());
        let peer = myself(1).greet(hello.clone(), &carried("N2")).unwrap();
        assert_eq!((peer.node, peer.name.as_str()), (NodeId(2), "n2"));
        let error = myself(1).greet(hello, &carried("n3")).unwrap_err();
        assert_eq!(error.label(), "wrong_name");
        assert!(error.to_string().contains("bellwether certs --out DIR n2"), "{error}");
    }

    #[test]
    fn who_is_no_node_of_this_cluster_is_refused_with_the_reason() {
        let refused = |change: &dyn Fn(&mut proto::Hello)| {
            let mut hello = myself(2).hello();
            change(&mut hello);
            myself(1).greet(Some(hello), &carried("n2")).unwrap_err()
        };
        let foreign = refused(&|hello| hello.cluster_id = "other".to_owned());
        assert!(foreign.to_string().contains("(other, incarnation 1)"), "{foreign}");
        let restored = refused(&|hello| hello.incarnation = 2);
        assert_eq!(restored.label(), "foreign_cluster");
        let newer = refused(&|hello| (hello.oldest, hello.newest) = (7, 9));
        assert!(newer.to_string().contains("7 to 9") && newer.to_string().contains("1 to 1"));
        assert_eq!(refused(&|hello| hello.node = 1), Refused::Myself(NodeId(1)));
        assert_eq!(myself(1).greet(None, &carried("n2")), Err(Refused::Speechless));
    }
}
