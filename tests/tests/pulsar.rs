//! The Pulsar sink on a real broker: what a consumer finds in the topic.

use std::{collections::BTreeSet, fs, ops::ControlFlow, path::PathBuf, sync::Arc, time::Duration};

use actors::{
    publisher::{PublishMetrics, Publisher, SinkMonitor},
    sink::{
        EventSink, PulsarAuth, PulsarCompression, PulsarSettings, PulsarSink, PulsarTarget,
        PulsarTls, SubscriptionChange, SubscriptionError, TopicReader,
    },
};
use anyhow::{Context, Result, bail, ensure};
use bellwether_tests::{broker::Broker, consumer::Consumer, control::skip, eventually};
use futures_util::future::try_join_all;
use model::{
    Offset, Owner, ShardId,
    decode::Problems,
    delivery::{ResetTo, SubscribeFrom},
    spec::{Defaults, Origin, SpecDecoder},
};
use raft::{Command, Options, Precondition, Registration, Reply, Shards, SinkChange, SinkState};
use serde_json::{Value, json};
use tokio::{
    sync::{Mutex, MutexGuard},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;

const SHARDS: u32 = 2;
/// Long enough for a broker that starts again on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// A broker wants a processor for itself while it starts.
static ONE_AT_A_TIME: Mutex<()> = Mutex::const_new(());

/// The program of a broker, and the turn to have one.
async fn program() -> Result<Option<(PathBuf, MutexGuard<'static, ()>)>> {
    let turn = ONE_AT_A_TIME.lock().await;
    match Broker::available().await {
        Ok(program) => Ok(Some((program, turn))),
        Err(why) => {
            skip("pulsar", &why.to_string());
            Ok(None)
        }
    }
}

async fn broker() -> Result<Option<(Broker, MutexGuard<'static, ()>)>> {
    let Some((program, turn)) = program().await? else { return Ok(None) };
    Ok(Some((Broker::start(program).await?, turn)))
}

fn settings(broker: &Broker, topic: &str) -> PulsarSettings {
    let target = PulsarTarget {
        url: broker.url(),
        admin_url: Some(broker.admin_url()),
        topic: format!("persistent://public/default/{topic}"),
        tls: PulsarTls::default(),
        auth: PulsarAuth::None,
        compression: PulsarCompression::Zstd,
    };
    PulsarSettings { name: "pulsar".to_owned(), target, shards: SHARDS }
}

fn registration(number: u64) -> Registration {
    let declaration = json!({
        "type": "ENDPOINT", "name": format!("r{number}"), "check": {"push": {"ttl": "1h"}},
    });
    let decoder = SpecDecoder {
        defaults: &Defaults::default(),
        origin: Origin::Config,
        node: "n1",
        region: None,
        secrets: &BTreeSet::new(),
    };
    let spec = decoder.decode(&declaration, "", None, &Problems::default());
    let spec = spec.expect("the declaration is sound");
    Registration { spec, owner: Owner::Config, precondition: Precondition::None }
}

/// Declares resources: one event each.
async fn declare(shards: &Shards, numbers: std::ops::Range<u64>) -> Result<()> {
    let all = numbers.map(|n| shards.declare(registration(n), None));
    try_join_all(all).await?;
    Ok(())
}

async fn head(shards: &Shards, shard: u32) -> Result<u64> {
    Ok(shards.outbox(ShardId(shard), Offset(0), 0).await?.head.0)
}

/// The publishers of all shards.
struct Publishing {
    stop: CancellationToken,
    tasks: Vec<JoinHandle<()>>,
    monitor: Arc<SinkMonitor>,
}

impl Publishing {
    fn start(shards: &Shards, settings: PulsarSettings) -> Result<Self> {
        let sink = Arc::new(PulsarSink::new(settings, shards.cluster().clone())?);
        let monitor = Arc::new(SinkMonitor::new(sink.as_ref()));
        let stop = CancellationToken::new();
        let publisher = |shard| Publisher {
            shards: shards.clone(),
            shard,
            sink: Arc::clone(&sink) as Arc<dyn EventSink>,
            monitor: Arc::clone(&monitor),
            metrics: PublishMetrics::default(),
            from_start: true,
        };
        let run = |shard| tokio::spawn(publisher(shard).run(stop.clone()));
        let tasks = (0..SHARDS).map(ShardId).map(run).collect();
        Ok(Self { stop, tasks, monitor })
    }

    async fn stop(self) -> Result<()> {
        self.stop.cancel();
        for task in self.tasks {
            task.await?;
        }
        Ok(())
    }

    /// As when the process is killed.
    async fn kill(self) {
        for task in self.tasks {
            task.abort();
            let _ = task.await;
        }
    }
}

/// Returns once the cursors of all shards are at their outbox's head.
async fn caught_up(shards: &Shards) -> Result<()> {
    let is_level = async || {
        for shard in 0..SHARDS {
            let cursor = shards.sink_cursor(ShardId(shard), "pulsar").context("no cursor")?;
            let head = head(shards, shard).await?;
            ensure!(cursor.offset.0 == head, "shard {shard}: {} of {head}", cursor.offset);
        }
        anyhow::Ok(())
    };
    eventually("the sink has everything", PATIENCE, is_level).await
}

/// The offsets of a partition's messages, in the order in which a consumer gets them.
async fn offsets(broker: &Broker, topic: &str, shard: u32) -> Result<Vec<u64>> {
    let partition = format!("public/default/{topic}-partition-{shard}");
    let mut found = Vec::new();
    for n in 1..=broker.messages(&partition).await? {
        found.push(broker.property(&partition, n, "offset").await?.parse()?);
    }
    Ok(found)
}

/// What is left for a consumer that drops what it has seen.
fn first_seen(offsets: &[u64]) -> Vec<u64> {
    let mut seen = BTreeSet::new();
    offsets.iter().copied().filter(|offset| seen.insert(*offset)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_event_is_in_the_topic_in_order_and_a_stop_in_order_repeats_none() -> Result<()> {
    let Some((broker, _turn)) = broker().await? else { return Ok(()) };
    let shards = Shards::open(Options::in_memory("home", SHARDS)).await?;
    for round in 0..3 {
        let publishing = Publishing::start(&shards, settings(&broker, "planned"))?;
        declare(&shards, round * 40..round * 40 + 40).await?;
        caught_up(&shards).await?;
        publishing.stop().await?;
    }
    for shard in 0..SHARDS {
        let all: Vec<u64> = (1..=head(&shards, shard).await?).collect();
        ensure!(all.len() > 10, "shard {shard} has few events");
        assert_eq!(offsets(&broker, "planned", shard).await?, all);
    }
    let cursor = shards.sink_cursor(ShardId(0), "pulsar").context("no cursor")?;
    // One of the shard's beginning, and one for each of three publishers.
    ensure!(cursor.session == 4 && cursor.position.is_some(), "{cursor:?}");
    // A takeover reads on from the cursor's place, and takes nothing for lost.
    let sink = PulsarSink::new(settings(&broker, "planned"), shards.cluster().clone())?;
    let reach = sink.connect(ShardId(0)).await?.read(&cursor).await?;
    ensure!(!reach.lost && reach.held.offset == cursor.offset, "{reach:?}");
    ensure!(reach.held.position == cursor.position, "{reach:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn semantics_10_nothing_is_lost_whatever_is_killed() -> Result<()> {
    let Some((mut broker, _turn)) = broker().await? else { return Ok(()) };
    let shards = Shards::open(Options::in_memory("home", SHARDS)).await?;
    for round in 0..4_u64 {
        let publishing = Publishing::start(&shards, settings(&broker, "killed"))?;
        let numbers = round * 200..round * 200 + 200;
        if round % 2 == 0 {
            declare(&shards, numbers).await?;
            publishing.kill().await;
        } else {
            let (declared, killed) = tokio::join!(declare(&shards, numbers), async {
                broker.kill()?;
                broker.launch().await
            });
            declared.and(killed)?;
            caught_up(&shards).await?;
            publishing.stop().await?;
        }
    }
    for shard in 0..SHARDS {
        let all: Vec<u64> = (1..=head(&shards, shard).await?).collect();
        let raw = offsets(&broker, "killed", shard).await?;
        assert_eq!(first_seen(&raw), all, "shard {shard}: {raw:?}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn semantics_10_a_broker_that_comes_back_empty_is_sent_everything_again() -> Result<()> {
    let Some((mut broker, _turn)) = broker().await? else { return Ok(()) };
    let shards = Shards::open(Options::in_memory("home", SHARDS)).await?;
    let publishing = Publishing::start(&shards, settings(&broker, "emptied"))?;
    declare(&shards, 0..60).await?;
    caught_up(&shards).await?;
    broker.kill()?;
    broker.wipe()?;
    broker.launch().await?;
    declare(&shards, 60..80).await?;
    caught_up(&shards).await?;
    publishing.stop().await?;
    for shard in 0..SHARDS {
        let all: Vec<u64> = (1..=head(&shards, shard).await?).collect();
        assert_eq!(first_seen(&offsets(&broker, "emptied", shard).await?), all);
    }
    Ok(())
}

/// The offsets of our events in a partition, and how many messages there are of others.
async fn apart(
    broker: &Broker,
    shards: &Shards,
    topic: &str,
    shard: usize,
) -> Result<(Vec<u64>, u64)> {
    let reader = TopicReader::new(&settings(broker, topic).target)?;
    let ours = json!(shards.cluster().id);
    let (mut offsets, mut foreign) = (Vec::new(), 0);
    reader
        .read(&reader.partitions().await?[shard], &mut |event| {
            match event.filter(|event| event["clusterid"] == ours) {
                Some(event) => offsets.push(event["offset"].clone()),
                None => foreign += 1,
            }
            ControlFlow::Continue(())
        })
        .await?;
    let number = |offset: &Value| offset.as_str()?.parse().ok();
    let offsets = offsets.iter().map(|offset| number(offset).context("it is no number"));
    Ok((offsets.collect::<Result<_>>()?, foreign))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_others_send_into_the_topic_is_passed_over() -> Result<()> {
    let Some((broker, _turn)) = broker().await? else { return Ok(()) };
    let python = match Consumer::available() {
        Ok(python) => python,
        Err(why) => {
            skip("pulsar-client", &why.to_string());
            return Ok(());
        }
    };
    let shards = Shards::open(Options::in_memory("home", SHARDS)).await?;
    let partitions: Vec<String> = (0..SHARDS)
        .map(|shard| format!("persistent://public/default/shared-partition-{shard}"))
        .collect();
    for round in 0..3 {
        let publishing = Publishing::start(&shards, settings(&broker, "shared"))?;
        declare(&shards, round * 60..round * 60 + 30).await?;
        caught_up(&shards).await?;
        declare(&shards, round * 60 + 30..round * 60 + 60).await?;
        // What is in the topic and not in the cursor is read among what others have sent.
        publishing.kill().await;
        let (python, url, partitions) = (python.clone(), broker.url(), partitions.clone());
        let send = move || Consumer::send_foreign(&python, &url, &partitions);
        tokio::task::spawn_blocking(send).await??;
    }
    let publishing = Publishing::start(&shards, settings(&broker, "shared"))?;
    caught_up(&shards).await?;
    ensure!(publishing.monitor.health().state == SinkState::Ok, "it is in trouble");
    publishing.stop().await?;
    for shard in 0..SHARDS {
        let (ours, foreign) = apart(&broker, &shards, "shared", usize::try_from(shard)?).await?;
        let all: Vec<u64> = (1..=head(&shards, shard).await?).collect();
        assert_eq!(first_seen(&ours), all, "shard {shard}: {ours:?}");
        ensure!(foreign >= 3 * 4, "there are {foreign} messages of others");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reset_sends_what_is_asked_for_again_and_passes_over_the_rest() -> Result<()> {
    let Some((broker, _turn)) = broker().await? else { return Ok(()) };
    let shards = Shards::open(Options::in_memory("home", SHARDS)).await?;
    let publishing = Publishing::start(&shards, settings(&broker, "reset"))?;
    declare(&shards, 0..40).await?;
    caught_up(&shards).await?;
    let head = head(&shards, 0).await?;
    // While its publisher runs: its session ends, and the next sends what the cursor lacks.
    reset(&shards, "oldest").await?;
    caught_up(&shards).await?;
    let twice: Vec<u64> = (1..=head).chain(1..=head).collect();
    eventually("all came twice", PATIENCE, async || {
        let found = offsets(&broker, "reset", 0).await?;
        if found == twice { Ok(()) } else { bail!("{found:?}") }
    })
    .await?;
    publishing.stop().await?;
    // While none runs, and then one does.
    declare(&shards, 40..60).await?;
    reset(&shards, "latest").await?;
    declare(&shards, 60..80).await?;
    let publishing = Publishing::start(&shards, settings(&broker, "reset"))?;
    caught_up(&shards).await?;
    publishing.stop().await?;
    let found = offsets(&broker, "reset", 0).await?;
    ensure!(found.starts_with(&twice), "{found:?}");
    let rest = &found[twice.len()..];
    ensure!(rest.first().is_some_and(|first| *first > head + 1), "{rest:?}");
    ensure!(rest.is_sorted() && rest.len() > 2, "{rest:?}");
    Ok(())
}

/// As `bellwether sinks reset` has it done.
async fn reset(shards: &Shards, to: &str) -> Result<()> {
    let to: ResetTo = to.parse()?;
    for shard in shards.shard_ids() {
        let change = to.change(shard).context("all shards change")?;
        let change = SinkChange { sink: "pulsar".to_owned(), from: Offset(0), change };
        let answer = shards.propose(shard, Command::ChangeSink(change)).await?;
        ensure!(matches!(answer.reply, Reply::Sink(_)), "{:?}", answer.reply);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn subscriptions_are_made_moved_and_ended() -> Result<()> {
    let Some((broker, _turn)) = broker().await? else { return Ok(()) };
    let shards = Shards::open(Options::in_memory("home", SHARDS)).await?;
    let publishing = Publishing::start(&shards, settings(&broker, "subscribed"))?;
    declare(&shards, 0..30).await?;
    caught_up(&shards).await?;
    publishing.stop().await?;
    let sink = PulsarSink::new(settings(&broker, "subscribed"), shards.cluster().clone())?;
    let subscriptions = sink.subscriptions().context("a topic has subscriptions")?;
    ensure!(subscriptions.list().await?.is_empty());
    let (name, oldest) = ("report a/b", SubscribeFrom::Oldest);
    subscriptions.change(name, SubscriptionChange::Create(oldest)).await?;
    let backlog = async |wanted: u64| {
        eventually("the backlog is told", PATIENCE, async || {
            let found = subscriptions.list().await?;
            let [only] = &found[..] else { bail!("{found:?}") };
            let is_so = only.name == name && only.consumers == 0 && only.backlog == wanted;
            if is_so { Ok(()) } else { bail!("{only:?}, not {wanted}") }
        })
        .await
    };
    backlog(30).await?;
    let again = subscriptions.change(name, SubscriptionChange::Create(oldest)).await;
    ensure!(matches!(again, Err(SubscriptionError::Conflict { .. })), "{again:?}");
    subscriptions.change(name, SubscriptionChange::Reset(SubscribeFrom::Latest)).await?;
    backlog(0).await?;
    subscriptions.change(name, SubscriptionChange::Reset(oldest)).await?;
    backlog(30).await?;
    subscriptions.change(name, SubscriptionChange::Delete).await?;
    ensure!(subscriptions.list().await?.is_empty());
    for change in [SubscriptionChange::Delete, SubscriptionChange::Reset(oldest)] {
        let gone = subscriptions.change(name, change).await;
        ensure!(matches!(gone, Err(SubscriptionError::NoSuch(_))), "{gone:?}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_that_does_not_fit_is_refused_with_the_remedy() -> Result<()> {
    let Some((broker, _turn)) = broker().await? else { return Ok(()) };
    let http = reqwest::Client::new();
    let other = broker.admin("persistent/public/default/other/partitions");
    http.put(other)
        .header("content-type", "application/json")
        .body("5")
        .send()
        .await?
        .error_for_status()?;
    let refused = error_of(&broker, "other").await?;
    ensure!(refused.contains("5 partitions") && refused.contains("another topic"), "{refused}");
    let dedup = broker.admin("namespaces/public/default/deduplication");
    http.post(dedup)
        .header("content-type", "application/json")
        .body("true")
        .send()
        .await?
        .error_for_status()?;
    let refused = error_of(&broker, "deduplicated").await?;
    ensure!(refused.contains("deduplication") && refused.contains("--disable"), "{refused}");
    Ok(())
}

async fn error_of(broker: &Broker, topic: &str) -> Result<String> {
    let shards = Shards::open(Options::in_memory("home", SHARDS)).await?;
    error_with(&shards, settings(broker, topic)).await
}

async fn error_with(shards: &Shards, settings: PulsarSettings) -> Result<String> {
    let publishing = Publishing::start(shards, settings)?;
    let told = || async {
        let health = publishing.monitor.health();
        let error = health.last_error.filter(|_| health.state != SinkState::Ok);
        error.context("all is well")
    };
    let error = eventually("the sink says why", PATIENCE, told).await?;
    publishing.stop().await?;
    Ok(error)
}

#[tokio::test(flavor = "multi_thread")]
async fn over_tls_a_token_that_is_renewed_is_shown_again_when_it_expires() -> Result<()> {
    let Some((program, _turn)) = program().await? else { return Ok(()) };
    let broker = Broker::secured(program).await?;
    let (gate, directory) = (broker.gate()?, tempfile::tempdir()?);
    let token_file = directory.path().join("token");
    let show = |lasts| anyhow::Ok(fs::write(&token_file, gate.token(lasts)?)?);
    let mut settings = settings(&broker, "secured");
    let target = &mut settings.target;
    (target.url, target.admin_url) = (gate.url(), Some(gate.admin_url()));
    target.auth = PulsarAuth::TokenFile(token_file.clone());
    // It is known which authority the certificate is of, or nothing is sent.
    let shards = Shards::open(Options::in_memory("home", SHARDS)).await?;
    show(Duration::ZERO)?;
    let refused = error_with(&shards, settings.clone()).await?;
    ensure!(refused.contains("certificate"), "{refused}");
    settings.target.tls.ca_file = Some(gate.ca_file());
    let refused = error_with(&shards, settings.clone()).await?;
    ensure!(refused.contains("token that is valid"), "{refused}");

    // One that is not renewed ends the session when the broker asks for it again.
    show(Duration::from_secs(15))?;
    let session = |shard| {
        anyhow::Ok(shards.sink_cursor(ShardId(shard), "pulsar").context("no cursor")?.session)
    };
    let publishing = Publishing::start(&shards, settings)?;
    declare(&shards, 0..20).await?;
    caught_up(&shards).await?;
    let told = || async {
        let health = publishing.monitor.health();
        let error = health.last_error.filter(|_| health.state != SinkState::Ok);
        error.context("all is well")
    };
    eventually("the token is asked for again", PATIENCE, told).await?;
    // One that is renewed in time does not.
    show(Duration::from_secs(20))?;
    eventually("the sink is let in again", PATIENCE, async || {
        ensure!(publishing.monitor.health().state == SinkState::Ok, "not yet");
        Ok(())
    })
    .await?;
    declare(&shards, 20..30).await?;
    caught_up(&shards).await?;
    let before = (session(0)?, session(1)?);
    show(Duration::from_secs(3_600))?;
    // Until the former one has expired, and was asked for again.
    tokio::time::sleep(Duration::from_secs(23)).await;
    declare(&shards, 30..50).await?;
    caught_up(&shards).await?;
    ensure!((session(0)?, session(1)?) == before, "the connections were kept");
    publishing.stop().await?;
    for shard in 0..SHARDS {
        let all: Vec<u64> = (1..=head(&shards, shard).await?).collect();
        assert_eq!(first_seen(&offsets(&broker, "secured", shard).await?), all);
    }
    Ok(())
}
