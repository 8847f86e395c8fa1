//! The TCP check: a connection, optionally something to send and to expect.

#[cfg(test)]
mod tests;

use std::{net::SocketAddr, sync::Arc};

use futures_util::future::BoxFuture;
use model::{Metrics, Outcome, check::TcpCheck};
use regex::bytes::Regex;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::Instant,
};

use super::{
    Finding, Probe, Shared,
    budget::Budget,
    dial::{Endpoint, dial},
    fault::{Fault, Phase, conclude},
    timings::{Timings, millis, put},
};

/// What the expected text must come within.
const MAX_ANSWER: usize = 64 * 1024;
/// How much of an unexpected answer is shown.
const SHOWN: usize = 60;

/// A TCP check, prepared.
pub(super) struct TcpProbe {
    shared: Arc<Shared>,
    endpoint: Endpoint,
    send: Option<String>,
    expect: Option<Expected>,
}

struct Expected {
    text: String,
    finder: Regex,
}

impl TcpProbe {
    /// Prepares it, or says why it cannot be.
    pub(super) fn new(shared: Arc<Shared>, check: &TcpCheck) -> Result<Self, String> {
        let endpoint = Endpoint::parse(&check.address)
            .ok_or_else(|| format!("{:?} is not host:port", check.address))?;
        let expect = check.expect.as_deref().filter(|text| !text.is_empty());
        let expect = expect.map(Expected::new).transpose()?;
        Ok(Self { shared, endpoint, send: check.send.clone(), expect })
    }

    async fn examine(&self, budget: Budget, timings: &mut Timings) -> Result<Outcome, Fault> {
        let (mut stream, peer) =
            dial(&self.shared.resolver, &self.endpoint, budget, timings).await?;
        if self.send.is_none() && self.expect.is_none() {
            // Nothing was said that a reset could lose, and no port waits in TIME_WAIT.
            stream.set_zero_linger().ok();
            return Ok(Outcome::passed());
        }
        let talk = self.talk(&mut stream, peer);
        budget.run(talk, || Fault::timed_out(Phase::Waiting, peer)).await
    }

    async fn talk(&self, stream: &mut TcpStream, peer: SocketAddr) -> Result<Outcome, Fault> {
        let broken = |error| Fault::io(&error, Phase::Waiting, peer);
        if let Some(text) = &self.send {
            stream.write_all(text.as_bytes()).await.map_err(broken)?;
        }
        let Some(expected) = &self.expect else {
            return Ok(Outcome::passed());
        };
        let mut answer = Vec::new();
        while !expected.finder.is_match(&answer) {
            if answer.len() >= MAX_ANSWER {
                return Err(expected.lacking(&answer));
            }
            answer.reserve(4_096);
            if stream.read_buf(&mut answer).await.map_err(broken)? == 0 {
                return Err(expected.lacking(&answer));
            }
        }
        Ok(Outcome::passed())
    }
}

impl Probe for TcpProbe {
    fn run(&self, deadline: Instant) -> BoxFuture<'_, Finding> {
        Box::pin(async move {
            let budget = Budget::until(deadline);
            let mut timings = Timings::default();
            let result = self.examine(budget, &mut timings).await;
            let mut metrics = Metrics::default();
            put(&mut metrics, "duration_ms", millis(budget.used()));
            timings.record(&mut metrics);
            conclude(result, metrics)
        })
    }
}

impl Expected {
    fn new(text: &str) -> Result<Self, String> {
        let finder = Regex::new(&regex::escape(text)).map_err(|error| error.to_string())?;
        Ok(Self { text: text.to_owned(), finder })
    }

    fn lacking(&self, answer: &[u8]) -> Fault {
        if answer.is_empty() {
            return Fault::failed(format!("the answer lacks {:?}: it is empty", self.text));
        }
        let shown = String::from_utf8_lossy(&answer[..answer.len().min(SHOWN)]);
        Fault::failed(format!("the answer lacks {:?}: it begins with {shown:?}", self.text))
    }
}
