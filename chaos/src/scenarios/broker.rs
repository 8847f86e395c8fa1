//! Row 17: the event broker is killed, stands still, or comes back, while leaders are killed and moved.

mod emptied;
mod links_too;
mod nodes_too;
mod of_one;
mod refusing;
mod well;

use std::time::Duration;

use anyhow::{Result, bail};
use futures_util::future::{BoxFuture, FutureExt};
use harness::{broker::Broker, component, consumer::Consumer};
use rand::RngExt;
use tokio::{runtime::Handle, task::block_in_place};

use super::{leader_kill::kill_for_a_while, planned::stop_in_order};
use crate::{
    arena::Arena,
    mechanism::Mechanism,
    scenario::{Fault, Scenario, Site},
};

pub(super) use self::{
    emptied::EMPTIED, links_too::LINKS_TOO, nodes_too::NODES_TOO, of_one::OF_ONE,
    refusing::REFUSING, well::WELL,
};

pub(super) const BROKER: Scenario = Scenario {
    row: 17,
    name: "broker",
    fault: "the broker is killed or stands still, and as often the node that leads most; leads move",
    invariants: "AEPLCMUT",
    nodes: 3,
    needs: &[Mechanism { name: "Apache Pulsar", probe }],
    begin: |site| Ok(Box::new(BrokerDown(begin(site)?))),
    ..Scenario::USUAL
};

const TOPIC: &str = "public/default/infrastructure-status";
/// As many as a cluster has shards where nothing is said.
const SHARDS: u32 = 16;
/// How long the broker is away or stands still, in milliseconds.
const AWAY: std::ops::Range<u64> = 0..4_000;

struct BrokerDown(Broker);

fn probe() -> Result<(), String> {
    let found = component::find_now("pulsar").map(drop);
    found.and_then(|()| Consumer::available().map(drop)).map_err(|missing| missing.to_string())
}

/// Starts a broker and who reads it, and has the nodes publish into it.
fn begin(site: &mut Site<'_>) -> Result<Broker> {
    let program = component::find_now("pulsar")?;
    let python = Consumer::available()?;
    let broker = block_in_place(|| {
        Handle::current().block_on(async {
            let broker = Broker::start_at(program, site.host).await?;
            broker.create(TOPIC, SHARDS).await?;
            anyhow::Ok(broker)
        })
    })?;
    let topic = format!("persistent://{TOPIC}");
    site.consumer = Some(Consumer::start(&python, &broker.url(), &topic)?);
    site.config = site.config.clone().sink(&format!(
        "pulsar: {{ url: \"{}\", admin_url: \"{}\", topic: \"{topic}\", compression: zstd }}",
        broker.url(),
        broker.admin_url()
    ));
    Ok(broker)
}

impl Fault for BrokerDown {
    fn round<'a>(&'a mut self, arena: &'a mut Arena) -> BoxFuture<'a, Result<()>> {
        async move {
            let moment = arena.random().random_range(100..2_000);
            arena.run(Duration::from_millis(moment)).await?;
            let away = Duration::from_millis(arena.random().random_range(AWAY));
            match arena.random().random_range(0..5) {
                0 => kill(&mut self.0, arena, away).await?,
                1 => freeze(&self.0, arena, away).await?,
                2 => {
                    arena.fault("kill -9 of the broker");
                    self.0.kill()?;
                    let leader = arena.by_leads().await?[0];
                    kill_for_a_while(arena, leader).await?;
                    self.0.launch().await?;
                }
                3 => {
                    let leader = arena.by_leads().await?[0];
                    kill_for_a_while(arena, leader).await?;
                }
                _ => stop_in_order(arena).await?,
            }
            arena.whole().await
        }
        .boxed()
    }
}

/// Hurts nodes, where it is so drawn while there is no broker.
async fn with_or_without(
    broker: &mut Broker,
    arena: &mut Arena,
    without: bool,
    round: impl AsyncFnOnce(&mut Arena) -> Result<()>,
) -> Result<()> {
    if without {
        arena.fault("kill -9 of the broker");
        broker.kill()?;
    }
    round(arena).await?;
    if without {
        broker.launch().await?;
    }
    arena.whole().await
}

async fn kill(broker: &mut Broker, arena: &mut Arena, away: Duration) -> Result<()> {
    arena.fault(format!("kill -9 of the broker for {away:?}"));
    broker.kill()?;
    arena.run(away).await?;
    broker.launch().await
}

/// It takes messages into its sockets, and acknowledges none.
async fn freeze(broker: &Broker, arena: &mut Arena, away: Duration) -> Result<()> {
    let Some(pid) = broker.pid() else { bail!("the broker does not run") };
    arena.fault(format!("the broker stands still for {away:?}"));
    let signal = |signal| rustix::process::kill_process(pid, signal);
    signal(rustix::process::Signal::STOP)?;
    let ran = arena.run(away).await;
    signal(rustix::process::Signal::CONT)?;
    ran
}
