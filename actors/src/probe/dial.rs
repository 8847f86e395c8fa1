//! TCP connections to a host and a port.
//!
//! Invariant: every address of a name gets its share of the time before the last one fails.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
};

use model::Miss;
use tokio::{net::TcpStream, time::Instant};

use super::{
    budget::Budget,
    fault::{Fault, Phase},
    resolve::Resolver,
    timings::Timings,
};

/// A host as people write it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Host {
    /// An address, which needs no resolution.
    Address(IpAddr),
    /// A name.
    Name(String),
}

/// A host and a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Endpoint {
    pub(crate) host: Host,
    pub(crate) port: u16,
}

impl Host {
    /// Reads a name or an address; an IPv6 address may stand in brackets.
    pub(crate) fn parse(text: &str) -> Self {
        let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
        match bare.parse() {
            Ok(address) => Self::Address(address),
            Err(_) => Self::Name(text.to_owned()),
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::Name(name) => f.write_str(name),
        }
    }
}

impl Endpoint {
    /// Reads `host:port`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (host, port) = text.rsplit_once(':')?;
        let port = port.parse().ok().filter(|port| *port > 0)?;
        (!host.is_empty()).then(|| Self { host: Host::parse(host), port })
    }
}

/// Connects to the first address that accepts.
pub(crate) async fn dial(
    resolver: &Resolver,
    endpoint: &Endpoint,
    budget: Budget,
    timings: &mut Timings,
) -> Result<(TcpStream, SocketAddr), Fault> {
    let addresses = addresses(resolver, &endpoint.host, budget, timings).await?;
    let mut fault = Fault::failed(format!("{} has no address", endpoint.host));
    let mut first = true;
    for (tried, address) in addresses.iter().enumerate() {
        let peer = SocketAddr::new(*address, endpoint.port);
        let started = Instant::now();
        match connect(peer, budget.share(addresses.len() - tried)).await {
            Ok(stream) => {
                timings.connect = Some(started.elapsed());
                return Ok((stream, peer));
            }
            Err(later) if first => fault = later,
            Err(later) => fault = fault.or_later(later),
        }
        first = false;
    }
    Err(starved(endpoint, budget, timings).unwrap_or(fault))
}

/// The fault where the resolver took most of the time, so that the little that it left says
/// nothing of the target.
fn starved(endpoint: &Endpoint, budget: Budget, timings: &Timings) -> Option<Fault> {
    let resolving = timings.resolve?;
    (budget.left().is_zero() && resolving > budget.used() / 2).then(|| {
        let detail =
            format!("resolving {} took {} ms of the time", endpoint.host, resolving.as_millis());
        Fault::missed(Miss::Resolver, detail)
    })
}

/// The addresses of a host, in the order in which to try them.
pub(crate) async fn addresses(
    resolver: &Resolver,
    host: &Host,
    budget: Budget,
    timings: &mut Timings,
) -> Result<Vec<IpAddr>, Fault> {
    match host {
        Host::Address(address) => Ok(vec![*address]),
        Host::Name(name) => {
            let started = Instant::now();
            let found = resolver.addresses(name, budget).await;
            timings.resolve = Some(started.elapsed());
            found
        }
    }
}

async fn connect(peer: SocketAddr, budget: Budget) -> Result<TcpStream, Fault> {
    let connecting = async {
        let stream = TcpStream::connect(peer)
            .await
            .map_err(|error| Fault::io(&error, Phase::Connecting, peer))?;
        // A request is one small write: waiting to fill a segment would only be measured.
        stream.set_nodelay(true).map_err(|error| Fault::io(&error, Phase::Connecting, peer))?;
        Ok(stream)
    };
    budget.run(connecting, || Fault::timed_out(Phase::Connecting, peer)).await
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn endpoints_read_as_people_write_them() {
        let name = Endpoint::parse("db.example:5432").expect("a name and a port");
        assert_eq!(name, Endpoint { host: Host::Name("db.example".into()), port: 5432 });
        let v6 = Endpoint::parse("[::1]:80").expect("an address in brackets");
        assert_eq!(v6.host, Host::Address("::1".parse().expect("an address")));
        for text in ["", ":80", "db", "db:", "db:0", "db:65536", "db:x"] {
            assert_eq!(Endpoint::parse(text), None, "{text}");
        }
    }

    #[tokio::test]
    async fn a_resolver_that_leaves_no_time_is_to_blame() {
        let endpoint = Endpoint::parse("shop.example:80").expect("a name and a port");
        let spent = Budget::until(Instant::now());
        let slow = Timings { resolve: Some(Duration::from_secs(2)), ..Timings::default() };
        let detail = "resolving shop.example took 2000 ms of the time";
        let expected = Some(Fault::missed(Miss::Resolver, detail));
        assert_eq!(starved(&endpoint, spent, &slow), expected);
        let quick = Timings { resolve: Some(Duration::ZERO), ..Timings::default() };
        assert_eq!(starved(&endpoint, spent, &quick), None);
        let plenty = Budget::until(Instant::now() + Duration::from_secs(10));
        assert_eq!(starved(&endpoint, plenty, &slow), None);
    }

    proptest! {
        #[test]
        fn no_text_breaks_the_reading_of_endpoints(text in ".{0,60}") {
            if let Some(endpoint) = Endpoint::parse(&text) {
                prop_assert!(endpoint.port > 0);
                prop_assert!(!endpoint.host.to_string().is_empty());
            }
        }

        #[test]
        fn every_address_with_a_port_is_an_endpoint(address: IpAddr, port in 1u16..) {
            let endpoint = Endpoint::parse(&SocketAddr::new(address, port).to_string());
            prop_assert_eq!(endpoint, Some(Endpoint { host: Host::Address(address), port }));
        }
    }
}
