//! Asks another node to be let into its cluster, or what it is.

use std::time::Duration;

use model::{NodeId, event::ClusterIdentity};
use raft::NodeFacts;
use tokio::time::timeout;
use tonic::Status;

use crate::{
    client::{self, DialError, failure},
    hello::{NEWEST, OLDEST},
    host::{Joined, Joining, Member, Outcome, Standing},
    tls::Credentials,
    wire::proto,
};

/// How long it may take to decide: the request goes on to another node and waits for a commit.
const PATIENCE: Duration = Duration::from_secs(15);

/// Asks the node at an address to let this one into its cluster.
///
/// # Errors
/// It cannot be reached, or does not understand.
pub async fn ask_to_join(
    credentials: &Credentials,
    address: &str,
    joining: Joining,
) -> Result<Outcome, DialError> {
    let Joining { key, cluster_name, facts } = joining;
    let NodeFacts { name, region, zone, address: its_address, api, version } = facts;
    let request = proto::JoinRequest {
        key,
        cluster_name,
        name,
        region,
        zone,
        address: its_address,
        version,
        oldest: OLDEST,
        newest: NEWEST,
        api,
    };
    let mut client = client::open(credentials, address).await?.client;
    let reply = within(address, client.join(request)).await?;
    use proto::join_reply::Outcome as Told;
    match reply.outcome {
        Some(Told::Joined(joined)) => Ok(Outcome::Joined(understood(address, joined)?)),
        Some(Told::Waiting(_)) => Ok(Outcome::Waiting),
        Some(Told::Later(why)) => Ok(Outcome::Later(why)),
        Some(Told::Refused(why)) => Ok(Outcome::Refused(why)),
        None => Err(strange(address)),
    }
}

/// Asks the node at an address for its name and what it is.
///
/// # Errors
/// It cannot be reached, or does not understand.
pub async fn ask_standing(
    credentials: &Credentials,
    address: &str,
) -> Result<(String, Standing), DialError> {
    let mut client = client::open(credentials, address).await?.client;
    let reply = within(address, client.standing(proto::StandingRequest {})).await?;
    use proto::standing_reply::Standing as Told;
    let standing = match reply.standing {
        Some(Told::Member(joined)) => Standing::Member(understood(address, joined)?),
        Some(Told::Waiting(waiting)) => Standing::Waiting { founding: waiting.founding },
        None => return Err(strange(address)),
    };
    Ok((reply.name, standing))
}

async fn within<T>(
    address: &str,
    asked: impl Future<Output = Result<tonic::Response<T>, Status>>,
) -> Result<T, DialError> {
    match timeout(PATIENCE, asked).await {
        Ok(answered) => {
            answered.map(tonic::Response::into_inner).map_err(|status| failure(address, &status))
        }
        Err(_) => {
            let detail = format!("it has not answered within {PATIENCE:?}");
            Err(DialError::Unreachable { address: address.to_owned(), detail })
        }
    }
}

fn understood(address: &str, joined: proto::Joined) -> Result<Joined, DialError> {
    let id = joined.cluster_id.parse().map_err(|_| strange(address))?;
    let cluster =
        ClusterIdentity { id, incarnation: joined.incarnation, name: joined.cluster_name };
    let members = joined.members.into_iter().map(|member| Member {
        node: NodeId(member.node),
        name: member.name,
        address: member.address,
    });
    Ok(Joined {
        cluster,
        shards: joined.shards,
        node: NodeId(joined.node),
        members: members.collect(),
    })
}

fn strange(address: &str) -> DialError {
    let detail = "its answer is not understood".to_owned();
    DialError::Refused { address: address.to_owned(), detail }
}
