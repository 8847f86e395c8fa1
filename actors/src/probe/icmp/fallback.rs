//! Whether a host lives, where echo requests are not permitted: by TCP connections, of
//! which a refusal is as good a sign of life as an acceptance.

use std::{io, net::IpAddr};

use futures_util::{StreamExt, stream::FuturesUnordered};
use model::Miss;
use tokio::{
    net::TcpStream,
    time::{Instant, timeout_at},
};

use super::series::{Reply, Series};
use crate::probe::{
    budget::Budget,
    fault::{Fault, Phase},
};

/// Ports that hosts answer on, one way or the other, where no firewall drops it.
const PORTS: [u16; 3] = [443, 80, 7];

/// Makes so many attempts. Silence of all ports says nothing of a host behind a firewall,
/// so that a host that never answers is a miss.
pub(super) async fn ask(address: IpAddr, count: u16, budget: Budget) -> Result<Series, Fault> {
    ask_ports(address, count, budget, &PORTS).await
}

pub(super) async fn ask_ports(
    address: IpAddr,
    count: u16,
    budget: Budget,
    ports: &[u16],
) -> Result<Series, Fault> {
    let requests = (0..count).map(|_| one(address, ports, budget)).collect();
    let series = Series::run(requests, budget).await?;
    if series.answered() == 0 && series.refusal.is_none() {
        return Err(Fault::missed(
            Miss::Permission,
            format!(
                "icmp is not permitted and {address} answers on none of the tcp ports {ports:?}; \
                 grant CAP_NET_RAW or set net.ipv4.ping_group_range"
            ),
        ));
    }
    Ok(series)
}

async fn one(address: IpAddr, ports: &[u16], budget: Budget) -> Result<Reply, Fault> {
    let started = Instant::now();
    let mut attempts: FuturesUnordered<_> =
        ports.iter().map(|port| TcpStream::connect((address, *port))).collect();
    let mut reply = Ok(Reply::Lost);
    while let Ok(Some(attempt)) = timeout_at(budget.end(), attempts.next()).await {
        match attempt {
            Ok(stream) => {
                stream.set_zero_linger().ok();
                return Ok(Reply::After(started.elapsed()));
            }
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                return Ok(Reply::After(started.elapsed()));
            }
            Err(error) if error.kind() == io::ErrorKind::TimedOut => {}
            Err(error) => reply = refused(&error, address),
        }
    }
    reply
}

fn refused(error: &io::Error, address: IpAddr) -> Result<Reply, Fault> {
    match Fault::io(error, Phase::Connecting, address) {
        Fault::Failed { reason, .. } => Ok(Reply::Refused(reason)),
        missed @ Fault::Missed { .. } => Err(missed),
    }
}
