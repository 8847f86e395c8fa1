//! Echo requests over two sockets that all ICMP checks share, one for each family
//! (RFC 792, RFC 4443).

use std::{
    io,
    net::IpAddr,
    sync::atomic::{AtomicU16, Ordering},
    time::Duration,
};

use model::Miss;
use parking_lot::Mutex;
use surge_ping::{Client, Config, ICMP, IcmpPacket, PingIdentifier, PingSequence, SurgeError};
use tokio::time::{Instant, sleep_until};

use super::series::{Reply, Series};
use crate::probe::{
    budget::Budget,
    fault::{Fault, Phase},
};

/// Requests leave no closer together than this, over all checks: their answers must not
/// overrun the socket's buffer (some 270 of them), because what is lost there looks lost by
/// the target. It makes 4,000 requests a second, and forgives a stall of 60 ms.
const PACE: Duration = Duration::from_micros(250);
const PAYLOAD: [u8; 16] = *b"bellwether echo.";
/// How many sequence numbers are tried where those before are in flight to the same host.
const SEQUENCES_TRIED: usize = 8;

const ECHO_REPLY: [u8; 2] = [0, 129];
const UNREACHABLE: [u8; 2] = [3, 1];
const TIME_EXCEEDED: [u8; 2] = [11, 3];

/// The sockets and the sequence numbers that all ICMP checks share.
pub(crate) struct Echoes {
    v4: Mutex<Option<Client>>,
    v6: Mutex<Option<Client>>,
    identifier: PingIdentifier,
    sequence: AtomicU16,
    next_departure: Mutex<Instant>,
}

impl Echoes {
    pub(crate) fn new() -> Self {
        Self {
            v4: Mutex::default(),
            v6: Mutex::default(),
            identifier: PingIdentifier(rand::random()),
            sequence: AtomicU16::new(rand::random()),
            next_departure: Mutex::new(Instant::now()),
        }
    }

    /// The socket of an address's family. One that could not be opened is tried again each
    /// time, because permissions and descriptors may come back.
    pub(super) fn client(&self, address: IpAddr) -> io::Result<Client> {
        let (slot, kind) = match address {
            IpAddr::V4(_) => (&self.v4, ICMP::V4),
            IpAddr::V6(_) => (&self.v6, ICMP::V6),
        };
        let mut slot = slot.lock();
        if let Some(client) = &*slot {
            return Ok(client.clone());
        }
        let client = Client::new(&Config::builder().kind(kind).build())?;
        *slot = Some(client.clone());
        Ok(client)
    }

    /// Sends so many requests to a host.
    pub(super) async fn ask(
        &self,
        client: &Client,
        address: IpAddr,
        count: u16,
        budget: Budget,
    ) -> Result<Series, Fault> {
        // One that leaves later would look lost: it has no time for a usual round trip.
        let latest = Instant::now() + budget.left() / 4 * 3;
        let requests = (0..count).map(|_| self.one(client, address, budget, latest)).collect();
        Series::run(requests, budget).await
    }

    async fn one(
        &self,
        client: &Client,
        address: IpAddr,
        budget: Budget,
        latest: Instant,
    ) -> Result<Reply, Fault> {
        let too_many = || Fault::missed(Miss::Overload, "too many echo requests are waiting");
        sleep_until(self.departure(latest).ok_or_else(too_many)?).await;
        let mut pinger = client.pinger(address, self.identifier).await;
        pinger.timeout(budget.left());
        for _ in 0..SEQUENCES_TRIED {
            let sequence = PingSequence(self.sequence.fetch_add(1, Ordering::Relaxed));
            match pinger.ping(sequence, &PAYLOAD).await {
                Err(SurgeError::IdenticalRequests { .. }) => {}
                Ok((packet, time)) => return Ok(reply(&packet, time, address)),
                Err(SurgeError::Timeout { .. }) => return Ok(Reply::Lost),
                Err(error) => return broken(&error, address),
            }
        }
        Err(Fault::missed(Miss::Overload, "no echo sequence number is free"))
    }

    /// When the next request may leave. One that cannot leave in time takes no place.
    fn departure(&self, latest: Instant) -> Option<Instant> {
        let mut next = self.next_departure.lock();
        let departure = (*next).max(Instant::now());
        if departure > latest {
            return None;
        }
        *next = departure + PACE;
        Some(departure)
    }
}

fn reply(packet: &IcmpPacket, time: Duration, address: IpAddr) -> Reply {
    let (kind, from) = match packet {
        IcmpPacket::V4(packet) => (packet.get_icmp_type().0, IpAddr::V4(packet.get_source())),
        IcmpPacket::V6(packet) => (packet.get_icmpv6_type().0, IpAddr::V6(packet.get_source())),
    };
    let said = |what| Reply::Refused(format!("{what}: {address} (said by {from})"));
    match kind {
        kind if ECHO_REPLY.contains(&kind) => Reply::After(time),
        kind if UNREACHABLE.contains(&kind) && address.is_ipv4() == (kind == UNREACHABLE[0]) => {
            said("host unreachable")
        }
        kind if TIME_EXCEEDED.contains(&kind) => said("too many hops"),
        _ => Reply::Lost,
    }
}

fn broken(error: &SurgeError, address: IpAddr) -> Result<Reply, Fault> {
    let SurgeError::IOError(error) = error else {
        return Err(Fault::missed(Miss::Resources, format!("{error} ({address})")));
    };
    match Fault::io(error, Phase::Connecting, address) {
        Fault::Failed { reason, .. } => Ok(Reply::Refused(reason)),
        missed @ Fault::Missed { .. } => Err(missed),
    }
}
