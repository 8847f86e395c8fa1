//! The place of a run before its first round: nodes, targets, clients.

use std::{net::Ipv4Addr, time::Instant};

use anyhow::{Context, Result};
use harness::{Cluster, Config, Node, cluster::name, config::Place};
use rand::{SeedableRng, rngs::StdRng};

use super::Options;
use crate::{
    arena::Arena,
    history::{History, Start},
    lag::{Lags, put_above},
    mechanism::{Network, fail_points},
    scenario::{Scenario, Site},
    workload::{Clients, Crowd, since},
};

/// Prepares the place, with what `begin` makes of it, and starts the nodes in it.
///
/// # Errors
/// Where they do not start, or do not take the targets.
pub(crate) async fn prepare<F>(
    scenario: &Scenario,
    options: &Options,
    begin: impl FnOnce(&mut Site<'_>) -> Result<F>,
) -> Result<(Arena, F)> {
    let network = scenario.network.then(|| Network::new(scenario.nodes)).transpose()?;
    let config = config(scenario);
    let mut cluster = nodes(scenario, options, &config, network.as_ref())?;
    put_above(&mut cluster.nodes);
    let host = network.as_ref().map_or(Ipv4Addr::LOCALHOST.into(), Network::host);
    let (seed, points) = (options.seed, options.points.clone());
    let mut site = Site { nodes: &mut cluster.nodes, config, host, seed, points, consumer: None };
    let fault = begin(&mut site)?;
    let (config, consumer) = (site.config, site.consumer);
    cluster.configure(&config)?;
    let began = Instant::now();
    let starts = start(&mut cluster).await?;
    let crowd = Crowd::start(scenario.workload, host).await?;
    let declared = crowd.declare(&cluster.nodes[0].client()).await;
    let declared = declared.context("cannot declare the targets")?;
    let moments = |[asked, done]: [Instant; 2]| (since(began, asked), since(began, done));
    let clients = Clients::start(cluster.clients(), scenario.workload, options.seed, began);
    let history = History {
        scenario: scenario.name.to_owned(),
        seed: options.seed,
        invariants: scenario.invariants.to_owned(),
        bounds: scenario.bounds(),
        starts,
        declared: declared.into_iter().map(|(id, when)| (id, moments(when))).collect(),
        ..History::default()
    };
    let arena = Arena {
        cluster,
        network,
        kept: Vec::new(),
        consumer,
        crowd,
        clients: Some(clients),
        history,
        began,
        lags: Lags::start(began),
        round: 0,
        spared: None,
        random: StdRng::seed_from_u64(options.seed),
        verbose: options.verbose,
    };
    Ok((arena, fault))
}

fn config(scenario: &Scenario) -> Config {
    let interval = scenario.workload.interval;
    Config::new().timing(&format!("{interval}ms"), &format!("{}ms", interval * 9 / 10))
}

/// The nodes, where they will run.
fn nodes(
    scenario: &Scenario,
    options: &Options,
    config: &Config,
    network: Option<&Network>,
) -> Result<Cluster> {
    let binary = match &options.binary {
        asked if scenario.fail_points => fail_points::binary(asked.as_deref())?,
        Some(binary) => binary.clone(),
        None => harness::binary::path()?,
    };
    let place = |n| network.map_or_else(Place::loopback, |net| Ok(Place::alone_at(net.of(n))));
    let mut cluster = if scenario.nodes == 1 {
        Cluster::alone(config, binary)?
    } else {
        let places = (0..scenario.nodes).map(place).collect::<Result<_>>()?;
        Cluster::prepare_at(places, config, binary)?
    };
    for (n, node) in cluster.nodes.iter_mut().enumerate() {
        node.keep_quiet();
        if let Some(network) = network {
            network.confine(n, node.launcher());
        }
        if !options.points.is_empty() {
            fail_points::arm(node.launcher(), &options.points);
        }
    }
    Ok(cluster)
}

/// The first start of all of them.
async fn start(cluster: &mut Cluster) -> Result<Vec<Start>> {
    let began = Instant::now();
    if let [node] = &mut cluster.nodes[..] {
        node.launch().await?;
    } else {
        cluster.nodes.iter_mut().try_for_each(Node::start_process)?;
        cluster.found().await?;
        cluster.formed().await?;
    }
    let ready_after = u64::try_from(began.elapsed().as_millis()).ok();
    let start = |n| Start { node: name(n), at: 0, ready_after };
    Ok((0..cluster.nodes.len()).map(start).collect())
}
