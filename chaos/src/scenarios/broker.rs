//! Row 17: the event broker is killed, stands still, or comes back, while leaders are killed and moved.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use futures_util::future::{BoxFuture, FutureExt};
use harness::{broker::Broker, cluster::name, component, consumer::Consumer};
use rand::RngExt;
use tokio::{runtime::Handle, task::block_in_place};

use super::leader_kill::kill_for_a_while;
use crate::{
    arena::Arena,
    mechanism::Mechanism,
    scenario::{Fault, Scenario, Site},
};

pub(super) const BROKER: Scenario = Scenario {
    row: 17,
    name: "broker",
    fault: "the broker is killed or stands still, and as often the node that leads most; leads move",
    invariants: "AEPLCMUT",
    nodes: 3,
    needs: &[Mechanism { name: "Apache Pulsar", probe }],
    begin: |site| begin(site).map(|fault| Box::new(fault) as Box<dyn Fault>),
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

fn begin(site: &mut Site<'_>) -> Result<BrokerDown> {
    let program = component::find_now("pulsar")?;
    let python = Consumer::available()?;
    let broker = block_in_place(|| {
        Handle::current().block_on(async {
            let broker = Broker::start(program).await?;
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
    Ok(BrokerDown(broker))
}

impl Fault for BrokerDown {
    fn round<'a>(&'a mut self, arena: &'a mut Arena) -> BoxFuture<'a, Result<()>> {
        async move {
            let moment = arena.random().random_range(100..2_000);
            arena.run(Duration::from_millis(moment)).await?;
            let away = Duration::from_millis(arena.random().random_range(AWAY));
            match arena.random().random_range(0..5) {
                0 => self.kill(arena, away).await?,
                1 => self.freeze(arena, away).await?,
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
                _ => {
                    let leader = *arena.by_leads().await?.first().context("no node runs")?;
                    arena.fault(format!("{} is stopped in order", name(leader)));
                    arena.stop_at(leader).await?;
                    arena.start_at(leader).await?;
                }
            }
            arena.whole().await
        }
        .boxed()
    }
}

impl BrokerDown {
    async fn kill(&mut self, arena: &mut Arena, away: Duration) -> Result<()> {
        arena.fault(format!("kill -9 of the broker for {away:?}"));
        self.0.kill()?;
        arena.run(away).await?;
        self.0.launch().await
    }

    /// It takes messages into its sockets, and acknowledges none.
    async fn freeze(&mut self, arena: &mut Arena, away: Duration) -> Result<()> {
        let Some(pid) = self.0.pid() else { bail!("the broker does not run") };
        arena.fault(format!("the broker stands still for {away:?}"));
        let signal = |signal| rustix::process::kill_process(pid, signal);
        signal(rustix::process::Signal::STOP)?;
        let ran = arena.run(away).await;
        signal(rustix::process::Signal::CONT)?;
        ran
    }
}
