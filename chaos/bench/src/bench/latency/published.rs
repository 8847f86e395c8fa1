//! 1, the whole way: from a target's reply to a consumer of the topic that the node publishes to.
//!
//! A watch sees the same transitions, so that each part of the way is of the same flips. The peer is
//! the broker by itself: a message of the same size from a producer to a consumer.

mod echo;
mod stages;

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use anyhow::{Context, Result, ensure};
use futures_util::FutureExt;
use harness::broker::Broker;

use super::{
    super::{
        Bench,
        ours::{Metrics, Ours},
        topic::{self, Clock, Topic},
    },
    DRAIN, FLIPS_A_SECOND, Flips, RESOURCES, Reader, SPAN, WARM, config, flips, latency, watcher,
};
use crate::{
    baseline::Latency,
    peer::pulsar::Sample,
    plan::{Plan, Side},
    report::{Durability, Outcome, Row, Target},
};
use echo::Echo;
use stages::{Seen, Stages};

pub(in super::super) const BENCH: Bench = Bench {
    number: 1,
    name: "published",
    about: "the same flips to a consumer of an Apache Pulsar topic; beside the broker by itself",
    run: |plan| run(plan).boxed_local(),
};

/// What one pair of ours gave.
struct Whole {
    transitions: u64,
    consumer: Latency,
    watch: Latency,
    stages: Stages,
    /// From handing a batch to the connection until its receipt, the mean.
    receipt_ms: f64,
    /// Of the log, the mean.
    sync_ms: f64,
}

async fn run(plan: &Plan) -> Result<Outcome> {
    let broker = match Broker::available().await {
        Ok(program) => start(plan, program).await?,
        Err(why) => {
            let rows = vec![Row::new(WORKLOAD, "reply → consumer p99 ms").not_run(why.to_string())];
            return Ok(Outcome { rows, ..Outcome::default() });
        }
    };
    let (mut ours, mut peers, mut sample) = (Vec::new(), Vec::new(), None);
    for (pair, order) in plan.pairs() {
        for side in order {
            let of = format!("pair {} of {}, {side:?}", pair + 1, plan.pair_count);
            plan.progress(&format!("1 published: {of}"));
            match (side, &sample) {
                (Side::Ours, _) => {
                    let (whole, seen) = measure(plan, &broker, pair).await?;
                    ours.push(whole);
                    sample.get_or_insert(seen);
                }
                (Side::Peer, Some(sample)) => {
                    peers.push(echo::measure(plan, &broker, sample, pair).await?);
                }
                // Ours begins the first pair.
                (Side::Peer, None) => {}
            }
        }
    }
    Ok(outcome(&ours, &peers, sample.as_ref()))
}

async fn start(plan: &Plan, program: PathBuf) -> Result<Broker> {
    Broker::start_in(program, plan.directory("pulsar-")?).await
}

async fn measure(plan: &Plan, broker: &Broker, pair: usize) -> Result<(Whole, Sample)> {
    let (flips, name) = (Flips::serve(RESOURCES).await?, format!("flips-{pair}"));
    let config = config(&flips).without_file().sink(&topic::sink(broker, &name));
    let node = Ours::start(plan, &config).await?;
    topic::made(broker, &name).await?;
    let seen = Arc::new(Mutex::new(Seen::new(Clock::now()?)));
    let (noted, told) = (Arc::clone(&seen), Arc::clone(&flips));
    let topic = Topic::follow(broker, &name, move |arrival| {
        noted.lock().unwrap_or_else(PoisonError::into_inner).take(arrival, &told)
    })
    .await?;
    node.has_checked(RESOURCES).await?;
    let watch = watcher::follow(&node.address(), Arc::clone(&flips)).await?;
    let flipping = tokio::spawn(flips::flip(Arc::clone(&flips), FLIPS_A_SECOND, pair as u64));
    tokio::time::sleep(WARM).await;
    let before = node.metrics().await?;
    flips.measure(true);
    tokio::time::sleep(plan.span(SPAN)).await;
    flips.measure(false);
    let after = node.metrics().await?;
    flipping.abort();
    tokio::time::sleep(DRAIN).await;
    watch.check()?;
    topic.check()?;
    let seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
    let ((consumer, lost), (watched, unseen)) =
        (flips.seen(Reader::Topic), flips.seen(Reader::Watch));
    ensure!(
        lost + unseen == 0,
        "{lost} transitions never came to the topic, {unseen} to the watch"
    );
    ensure!(consumer.count() > 0, "no transition was measured");
    let whole = Whole {
        transitions: consumer.count(),
        consumer: latency(&consumer),
        watch: latency(&watched),
        stages: seen.stages(),
        receipt_ms: mean_ms(&before, &after, "bellwether_publish_duration_seconds"),
        sync_ms: sync_ms(&before, &after),
    };
    Ok((whole, seen.sample().context("no event came")?))
}

/// The mean of what a histogram of seconds has counted between two readings.
fn mean_ms(before: &Metrics, after: &Metrics, name: &str) -> f64 {
    let grown = |part: &str| {
        let name = format!("{name}_{part}");
        after.sum(&name, "") - before.sum(&name, "")
    };
    grown("sum") * 1e3 / grown("count")
}

fn sync_ms(before: &Metrics, after: &Metrics) -> f64 {
    let grown = |name| after.sum(name, "") - before.sum(name, "");
    let seconds = grown("bellwether_raft_sync_duration_seconds_total");
    seconds * 1e3 / grown("bellwether_raft_syncs_total")
}

const WORKLOAD: &str = "1,000 resources every 2 s, 50 flips/s, into a topic";

fn outcome(ours: &[Whole], peers: &[Echo], sample: Option<&Sample>) -> Outcome {
    let each = |of: fn(&Whole) -> f64| ours.iter().map(of).collect::<Vec<_>>();
    let row = |metric: &str, of: fn(&Whole) -> f64, peer: Option<fn(&Echo) -> f64>| {
        let peer = peer.map(|of| peers.iter().map(of).collect()).unwrap_or_default();
        Row::new(WORKLOAD, metric).samples(each(of), peer)
    };
    #[expect(clippy::cast_precision_loss, reason = "transitions are few")]
    let transitions: fn(&Whole) -> f64 = |whole| whole.transitions as f64;
    let rows = vec![
        row("reply → consumer p50 ms", |w| w.consumer.p50_ms, Some(|e| e.read.p50_ms)),
        row("reply → consumer p99 ms", |w| w.consumer.p99_ms, Some(|e| e.read.p99_ms))
            .target(Target::AtMost(50.0)),
        row("reply → decided p50 ms", |w| w.stages.decided.p50_ms, None),
        row("reply → SSE client p50 ms", |w| w.watch.p50_ms, None),
        row("reply → sent p50 ms", |w| w.stages.sent.p50_ms, None),
        row("sent → receipt, mean ms", |w| w.receipt_ms, Some(|e| e.receipt_mean_ms)),
        row("sent → consumer p50 ms", |w| w.stages.read.p50_ms, Some(|e| e.read.p50_ms)),
        row("reply → SSE client p99 ms", |w| w.watch.p99_ms, None),
        row("reply → sent p99 ms", |w| w.stages.sent.p99_ms, None),
        row("sent → consumer p99 ms", |w| w.stages.read.p99_ms, Some(|e| e.read.p99_ms)),
        row("sync of the log, mean ms", |w| w.sync_ms, None),
        row("transitions", transitions, None),
    ];
    let both = "the broker acknowledges after the sync of its bookie's journal, one copy";
    Outcome {
        rows,
        durability: Some(Durability {
            ours: format!("an event is sent after the fsync of its log entry; {both}"),
            peer: format!("{both}; the crate pulsar sends and reads"),
        }),
        notes: notes(sample),
        extra: None,
    }
}

fn notes(sample: Option<&Sample>) -> Vec<String> {
    let bytes = sample.map(Sample::bytes).unwrap_or_default();
    vec![
        format!("the column of the peer is the broker by itself: 50 messages/s of {bytes} bytes to 16 partitions, from due to read by a consumer, while no node runs"),
        "decided and sent are stamps of whole milliseconds of the node's clock, taken for half a millisecond more; decided: the entry is proposed; sent: the message is handed to the connection, so the entry is durable".to_owned(),
        "the SSE client is told once the entry is durable and applied, as the publisher is".to_owned(),
        "a consumer may have an event before the node has the receipt: the way does not wait for it".to_owned(),
        "every transition that the targets' replies imply was seen by the SSE client and by the consumer, or the run fails".to_owned(),
    ]
}
