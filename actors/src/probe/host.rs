//! The host check: processors, memory, disks, network and load of the host that this node
//! runs on.

mod disks;
mod sampler;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use futures_util::future::BoxFuture;
use model::{Metrics, Miss, Outcome, check::HostCheck};
use tokio::time::Instant;

use super::{
    Finding, Probe, Shared,
    budget::Budget,
    fault::{Fault, conclude},
};

pub(super) use sampler::Sampler;

/// A host check.
pub(super) struct HostProbe {
    shared: Arc<Shared>,
    elsewhere: Option<String>,
}

impl HostProbe {
    pub(super) fn new(shared: Arc<Shared>, check: &HostCheck) -> Self {
        let elsewhere = check.node.clone().filter(|node| *node != shared.settings.node);
        Self { shared, elsewhere }
    }

    async fn examine(&self, budget: Budget) -> Result<Metrics, Fault> {
        if let Some(node) = &self.elsewhere {
            let detail = format!("only the node {node} can examine its host");
            return Err(Fault::missed(Miss::NoProber, detail));
        }
        let late = || {
            let detail = "this host's figures did not come in time; a disk may hang";
            Fault::missed(Miss::Overload, detail)
        };
        budget.run(self.shared.sampler.sample(), late).await
    }
}

impl Probe for HostProbe {
    fn run(&self, deadline: Instant) -> BoxFuture<'_, Finding> {
        Box::pin(async move {
            match self.examine(Budget::until(deadline)).await {
                Ok(metrics) => conclude(Ok(Outcome::passed()), metrics),
                Err(fault) => conclude(Err(fault), Metrics::default()),
            }
        })
    }
}
