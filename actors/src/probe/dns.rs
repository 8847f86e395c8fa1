//! The DNS check: a question to a name server, and what its answer must hold.
//!
//! Invariant: a server that the check names is the target, so its silence is a failure;
//! this system's own servers are not, so theirs is a miss (SEMANTICS 4).

mod answer;
#[cfg(any(test, fuzzing))]
pub(super) mod fuzzing;
mod question;
#[cfg(test)]
mod tests;

use std::{net::SocketAddr, sync::Arc};

use futures_util::future::BoxFuture;
use hickory_resolver::proto::{
    op::{Message, ResponseCode},
    rr::{Name, RecordType},
};
use model::{Metrics, Miss, Outcome, check};
use tokio::time::Instant;

use self::{answer::values, question::Question};
use super::{
    Finding, Probe, Shared,
    budget::Budget,
    dial::{Endpoint, Host, addresses},
    fault::{Fault, conclude},
    timings::{Timings, millis, put},
};

const DNS_PORT: u16 = 53;

/// A DNS check, prepared.
pub(super) struct DnsProbe {
    shared: Arc<Shared>,
    name: Name,
    shown: String,
    kind: RecordType,
    server: Option<Endpoint>,
    expect: Vec<String>,
}

impl DnsProbe {
    /// Prepares it, or says why it cannot be.
    pub(super) fn new(shared: Arc<Shared>, check: &check::DnsCheck) -> Result<Self, String> {
        let kind = kind(check.record_type);
        let mut name = question_name(&check.name, kind)
            .ok_or_else(|| format!("{:?} is not a DNS name", check.name))?;
        name.set_fqdn(true);
        Ok(Self {
            shared,
            name,
            shown: check.name.clone(),
            kind,
            server: check.server.as_deref().map(server),
            expect: check.expect.clone(),
        })
    }

    async fn examine(&self, budget: Budget, metrics: &mut Metrics) -> Result<Outcome, Fault> {
        let (exists, found) = match self.in_hosts_file()? {
            Some(found) => (true, found),
            None => self.look_up(budget).await?,
        };
        put(metrics, "duration_ms", millis(budget.used()));
        put(metrics, "answers", f64::from(u32::try_from(found.len()).unwrap_or(u32::MAX)));
        self.judge(exists, &found)
    }

    /// Without a server, the check asks as this system does: its hosts file comes first.
    fn in_hosts_file(&self) -> Result<Option<Vec<String>>, Fault> {
        if self.server.is_some() {
            return Ok(None);
        }
        let known = self.shared.resolver.in_hosts_file(&self.name, self.kind)?;
        Ok(known.map(|known| known.iter().map(ToString::to_string).collect()))
    }

    /// Whether the name exists, and the values of the kind that was asked for.
    async fn look_up(&self, budget: Budget) -> Result<(bool, Vec<String>), Fault> {
        let answer = match &self.server {
            Some(server) => self.ask_given(server, budget).await?,
            None => self.ask_system(budget).await?,
        };
        Ok(self.said(&answer))
    }

    fn said(&self, answer: &Message) -> (bool, Vec<String>) {
        let exists = answer.metadata.response_code != ResponseCode::NXDomain;
        (exists, values(answer, &self.name, self.kind))
    }

    /// Asks the server that the check is about; what it answers is for the caller to judge.
    async fn ask_given(&self, server: &Endpoint, budget: Budget) -> Result<Message, Fault> {
        let mut unused = Timings::default();
        let found = addresses(&self.shared.resolver, &server.host, budget, &mut unused).await?;
        let mut fault = None;
        for (tried, address) in found.iter().enumerate() {
            let peer = SocketAddr::new(*address, server.port);
            match self.ask(peer, budget.share(found.len() - tried)).await {
                Ok(answer) => return self.usable(peer, answer),
                Err(later) => fault = Some(or_later(fault, later)),
            }
        }
        Err(fault.unwrap_or_else(|| Fault::failed(format!("{} has no address", server.host))))
    }

    /// Asks this system's servers in turn, until one of them knows.
    async fn ask_system(&self, budget: Budget) -> Result<Message, Fault> {
        let servers = self.shared.resolver.servers()?;
        let mut fault = None;
        for (tried, peer) in servers.iter().enumerate() {
            let asked = self.ask(*peer, budget.share(servers.len() - tried)).await;
            match asked.and_then(|answer| self.usable(*peer, answer)) {
                Ok(answer) => return Ok(answer),
                Err(later) => fault = Some(or_later(fault, later)),
            }
        }
        Err(match fault {
            Some(Fault::Failed { reason, .. }) => Fault::missed(Miss::Resolver, reason),
            Some(missed) => missed,
            None => Fault::missed(Miss::Resolver, "this system has no name servers"),
        })
    }

    async fn ask(&self, server: SocketAddr, budget: Budget) -> Result<Message, Fault> {
        Question::new(&self.name, self.kind)?.ask(server, budget).await
    }

    /// An answer that says something of the name, be it that there is none.
    fn usable(&self, server: SocketAddr, answer: Message) -> Result<Message, Fault> {
        match answer.metadata.response_code {
            ResponseCode::NoError | ResponseCode::NXDomain => Ok(answer),
            code => {
                let code = code_name(code);
                Err(Fault::failed(format!("{server} answered {code} for {}", self.shown)))
            }
        }
    }

    fn judge(&self, exists: bool, found: &[String]) -> Result<Outcome, Fault> {
        let name = &self.shown;
        if !exists {
            return Err(Fault::failed(format!("NXDOMAIN: {name} does not exist")));
        }
        if found.is_empty() {
            return Err(Fault::failed(format!("{name} has no {} record", self.kind)));
        }
        let missing = self.expect.iter().find(|value| {
            let value = answer::normal(value, self.kind);
            !found.iter().any(|found| answer::normal(found, self.kind) == value)
        });
        match missing {
            None => Ok(Outcome::passed()),
            Some(value) => Err(Fault::failed(format!(
                "the answer lacks {value:?}: it is {}",
                found.join(", ")
            ))),
        }
    }
}

impl Probe for DnsProbe {
    fn run(&self, deadline: Instant) -> BoxFuture<'_, Finding> {
        Box::pin(async move {
            let budget = Budget::until(deadline);
            let mut metrics = Metrics::default();
            let result = self.examine(budget, &mut metrics).await;
            if !metrics.extra.contains_key("duration_ms") {
                put(&mut metrics, "duration_ms", millis(budget.used()));
            }
            conclude(result, metrics)
        })
    }
}

/// `address`, `address:port`, or a name with or without a port.
fn server(text: &str) -> Endpoint {
    let whole = Host::parse(text);
    let has_port = matches!(whole, Host::Name(_));
    let with_port = has_port.then(|| Endpoint::parse(text)).flatten();
    with_port.unwrap_or(Endpoint { host: whole, port: DNS_PORT })
}

/// The name to ask for; an address stands for its name in the reverse zones.
fn question_name(text: &str, kind: RecordType) -> Option<Name> {
    match text.parse::<std::net::IpAddr>() {
        Ok(address) if kind == RecordType::PTR => Some(Name::from(address)),
        _ => Name::from_str_relaxed(text).ok(),
    }
}

fn or_later(fault: Option<Fault>, later: Fault) -> Fault {
    match fault {
        Some(fault) => fault.or_later(later),
        None => later,
    }
}

/// The code as RFC 1035 and tools call it.
fn code_name(code: ResponseCode) -> String {
    match code {
        ResponseCode::FormErr => "FORMERR".to_owned(),
        ResponseCode::ServFail => "SERVFAIL".to_owned(),
        ResponseCode::NotImp => "NOTIMP".to_owned(),
        ResponseCode::Refused => "REFUSED".to_owned(),
        other => format!("code {}", u16::from(other)),
    }
}

fn kind(declared: check::RecordType) -> RecordType {
    match declared {
        check::RecordType::A => RecordType::A,
        check::RecordType::Aaaa => RecordType::AAAA,
        check::RecordType::Cname => RecordType::CNAME,
        check::RecordType::Mx => RecordType::MX,
        check::RecordType::Ns => RecordType::NS,
        check::RecordType::Ptr => RecordType::PTR,
        check::RecordType::Soa => RecordType::SOA,
        check::RecordType::Srv => RecordType::SRV,
        check::RecordType::Txt => RecordType::TXT,
    }
}
