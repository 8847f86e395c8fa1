//! Three members of etcd whose peers speak TLS, as our nodes do; clients are in the clear.

use std::{path::Path, time::Duration};

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

use super::Etcd;
use crate::{plan::Plan, process::free_port, wire::etcd::MoveLeaderRequest};

/// The name in the members' certificate: by it they reach each other.
pub const HOST: &str = "localhost";

const MEMBERS: usize = 3;
const PATIENCE: Duration = Duration::from_secs(30);
/// How long one member may take to say what it is.
const ANSWER: Duration = Duration::from_secs(2);
const LOOK: Duration = Duration::from_millis(20);

/// See the module. All are killed, and their data go, when the value is dropped.
#[derive(Debug)]
pub struct Cluster {
    /// The members.
    pub members: Vec<Etcd>,
    /// Where the members listen for each other.
    pub peer_ports: Vec<u16>,
    _certificates: TempDir,
}

impl Cluster {
    /// Starts three members with empty stores and waits until all answer. `certificates` holds
    /// `ca.pem`, and a certificate and key named [`HOST`].
    ///
    /// # Errors
    /// Where they cannot be started.
    pub async fn start(plan: &Plan, program: &Path, certificates: TempDir) -> Result<Self> {
        let peer_ports: Vec<u16> = (0..MEMBERS).map(|_| free_port()).collect::<Result<_>>()?;
        let mut members = Vec::with_capacity(MEMBERS);
        for n in 0..MEMBERS {
            let arguments = arguments(n, &peer_ports, certificates.path());
            let data = plan.directory("etcd-")?;
            members.push(Etcd::launch(&[], program, data, |line| line.extend(arguments))?);
        }
        for member in &mut members {
            member.ready().await?;
        }
        Ok(Self { members, peer_ports, _certificates: certificates })
    }

    /// The member that leads, by its place, and the term; asks until there is one.
    ///
    /// # Errors
    /// Where nobody leads for a while.
    pub async fn leader(&self) -> Result<(usize, u64)> {
        let began = Instant::now();
        loop {
            if let Some((term, leader)) = self.latest().await {
                return Ok((leader, term));
            }
            ensure!(began.elapsed() < PATIENCE, "etcd has no leader for {PATIENCE:?}");
            sleep(LOOK).await;
        }
    }

    /// The member that leads as far as can be seen now, by its place.
    pub async fn seen_leader(&self) -> Option<usize> {
        self.latest().await.map(|(_, leader)| leader)
    }

    /// Of the members that take themselves for the leader, the one with the latest term.
    async fn latest(&self) -> Option<(u64, usize)> {
        let mut latest = None;
        for (n, member) in self.members.iter().enumerate() {
            let Ok(Ok(status)) = tokio::time::timeout(ANSWER, member.status()).await else {
                continue;
            };
            if status.leader == status.header?.member_id {
                latest = latest.max(Some((status.raft_term, n)));
            }
        }
        latest
    }

    /// Lets the leader hand over to another member; returns which.
    ///
    /// # Errors
    /// What etcd answers.
    pub async fn move_leader(&self) -> Result<usize> {
        let (leader, _) = self.leader().await?;
        let next = (leader + 1) % self.members.len();
        self.move_leader_to(leader, next).await?;
        Ok(next)
    }

    /// Lets a member lead.
    ///
    /// # Errors
    /// What etcd answers.
    pub async fn lead_by(&self, member: usize) -> Result<()> {
        let (leader, _) = self.leader().await?;
        if leader == member { Ok(()) } else { self.move_leader_to(leader, member).await }
    }

    async fn move_leader_to(&self, leader: usize, next: usize) -> Result<()> {
        let header = self.members[next].status().await?.header;
        let target_id = header.context("etcd's answer has no header")?.member_id;
        let mut asked = self.members[leader].maintenance()?;
        asked.move_leader(MoveLeaderRequest { target_id }).await?;
        Ok(())
    }

    /// Processor time of all members so far, in seconds.
    ///
    /// # Errors
    /// Where one has ended.
    pub fn cpu_seconds(&self) -> Result<f64> {
        self.members.iter().map(|member| Ok(member.process.cost()?.cpu_seconds)).sum()
    }

    /// The sum of a count over all members.
    ///
    /// # Errors
    /// Where one does not answer.
    pub async fn count(&self, name: &str) -> Result<u64> {
        let mut sum = 0;
        for member in &self.members {
            sum += member.count(name).await?;
        }
        Ok(sum)
    }
}

fn arguments(n: usize, ports: &[u16], certificates: &Path) -> Vec<String> {
    let name = |n: usize| format!("m{}", n + 1);
    let file = |file: &str| certificates.join(file).display().to_string();
    let members = ports.iter().enumerate();
    let members: Vec<String> =
        members.map(|(n, port)| format!("{}=https://{HOST}:{port}", name(n))).collect();
    let pairs = [
        ("--name", name(n)),
        ("--listen-peer-urls", format!("https://127.0.0.1:{}", ports[n])),
        ("--initial-advertise-peer-urls", format!("https://{HOST}:{}", ports[n])),
        ("--initial-cluster", members.join(",")),
        ("--peer-trusted-ca-file", file("ca.pem")),
        ("--peer-cert-file", file(&format!("{HOST}.pem"))),
        ("--peer-key-file", file(&format!("{HOST}.key"))),
    ];
    let mut line: Vec<String> =
        pairs.into_iter().flat_map(|(flag, value)| [flag.to_owned(), value]).collect();
    line.push("--peer-client-cert-auth".to_owned());
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_knows_all_and_speaks_tls_to_them() {
        let line = arguments(1, &[1, 2, 3], Path::new("/c")).join(" ");
        let all = "m1=https://localhost:1,m2=https://localhost:2,m3=https://localhost:3";
        assert!(line.starts_with("--name m2 --listen-peer-urls https://127.0.0.1:2 "), "{line}");
        assert!(line.contains(all) && line.contains("/c/localhost.key"), "{line}");
    }
}
