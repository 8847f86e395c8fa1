//! A thousand watches and a thousand streams of observations that say nothing: they cost little, take
//! nothing from others, and leave nothing behind.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use api::v1::{self, resource_service_client::ResourceServiceClient};
use bellwether_tests::{Config, Node, control::note, eventually, ports::free_port, process};
use futures_util::{StreamExt, stream};
use tokio::task::JoinSet;
use tonic::transport::Channel;

type Resources = ResourceServiceClient<Channel>;

const CONNECTIONS: usize = 10;
/// On each connection, of each kind.
const STREAMS: usize = 100;
/// What one may cost the node.
const MOST_BYTES: u64 = 48 << 10;
const SOON: Duration = Duration::from_secs(60);

async fn connect(port: u16) -> Result<Resources> {
    Ok(ResourceServiceClient::connect(format!("http://127.0.0.1:{port}")).await?)
}

/// Opens streams on one connection. They end as they are dropped.
async fn open(mut resources: Resources, streams: &mut JoinSet<()>) -> Result<()> {
    for n in 0..STREAMS {
        let watch = resources.watch_resources(v1::WatchResourcesRequest::default()).await?;
        streams.spawn(watch.into_inner().for_each(async |_| ()));
        let mut pushing = resources.clone();
        let first = v1::PushObservationsRequest {
            resource_id: format!("svc:{n}"),
            outcome: v1::push_observations_request::Outcome::Ok.into(),
            ..Default::default()
        };
        let observations = stream::iter([first]).chain(stream::pending());
        streams.spawn(async move {
            // It is never answered: it never ends.
            let _ = pushing.push_observations(observations).await;
        });
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_that_say_nothing_cost_little_and_leave_nothing() -> Result<()> {
    let port = free_port()?;
    let mut node = Node::prepare(&Config::new().grpc(port))?;
    node.launch().await?;
    let pid = node.pid().context("it does not run")?;
    let resident = || anyhow::Ok(process::cost(pid)?.resident_bytes);
    let open_watches = async || {
        let text = node.client().get("/metrics").await?.success()?.text;
        let line = text.lines().find_map(|line| line.strip_prefix("bellwether_watches "));
        line.and_then(|count| count.parse::<usize>().ok()).context("it does not say how many")
    };
    let before = resident()?;
    let mut streams = JoinSet::new();
    for _ in 0..CONNECTIONS {
        open(connect(port).await?, &mut streams).await?;
    }
    eventually("all watches are open", SOON, async || {
        let open = open_watches().await?;
        ensure!(open == CONNECTIONS * STREAMS, "{open} are open");
        Ok(())
    })
    .await?;
    let cost = resident()?.saturating_sub(before) / (2 * CONNECTIONS * STREAMS) as u64;
    note(&format!("idle streams: {cost} bytes each"));
    ensure!(cost < MOST_BYTES, "each costs {cost} bytes");

    let asked = Instant::now();
    let get = v1::GetResourceRequest { resource_id: "svc:none".to_owned(), ..Default::default() };
    let none = connect(port).await?.get_resource(get).await;
    ensure!(none.is_err_and(|status| status.code() == tonic::Code::NotFound), "another answer");
    ensure!(asked.elapsed() < Duration::from_secs(2), "it took {:?}", asked.elapsed());

    streams.shutdown().await;
    eventually("no watch is left", SOON, async || {
        let open = open_watches().await?;
        ensure!(open == 0, "{open} are open");
        Ok(())
    })
    .await
}
