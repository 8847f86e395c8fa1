//! Where a sink begins, and what becomes of one that falls behind what is kept.

use super::*;

/// A shard whose first events are older than retention.
async fn trimmed() -> Shards {
    let clock = Arc::new(HandClock::default());
    let options =
        Options { clock: Arc::clone(&clock) as Arc<dyn Clock>, ..Options::in_memory("home", 1) };
    let shards = Shards::open(options).await.unwrap();
    declare(&shards, 0..10).await;
    clock.advance(8);
    declare(&shards, 10..12).await;
    declare(&shards, 12..14).await;
    shards
}

async fn floor(shards: &Shards) -> u64 {
    shards.outbox(SHARD, Offset(0), 0).await.unwrap().floor.0
}

#[tokio::test]
async fn semantics_9_a_sink_behind_retention_is_broken_then_told_of_the_gap() {
    let shards = trimmed().await;
    let (floor, head) = (floor(&shards).await, head(&shards).await);
    assert!(floor > 4 && floor < head, "{floor} {head}");
    let sink = Arc::new(MemorySink::default());
    sink.batches.lock().push(crate::sink::testing::batch(0, 1..=3));
    sink.set(Mood::Failing);
    let running = Running::start(publisher(&shards, Arc::clone(&sink) as Arc<dyn EventSink>));
    running.until(|health| health.state == SinkState::Broken).await;
    sink.set(Mood::Good);
    caught_up(&shards, "memory").await;
    let health = running.until(|health| health.state == SinkState::Ok).await;
    assert!(health.last_error.unwrap().contains("a gap event"));
    running.stop().await;
    assert_eq!(sink.gaps(), [(4, floor - 1)]);
    assert_eq!(sink.offsets(), (1..=3).chain(floor..=head).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_gap_in_the_file_counts_as_present() {
    let shards = trimmed().await;
    let floor = floor(&shards).await;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("events.jsonl");
    for _ in 0..2 {
        let settings = crate::sink::FileSettings::new("file", &path);
        let file = crate::sink::FileSink::open(settings, shards.cluster().clone()).await.unwrap();
        crate::sink::testing::append(&file, &crate::sink::testing::batch(0, 1..=3)).await.unwrap();
        let file = Arc::new(file);
        let running = Running::start(publisher(&shards, Arc::clone(&file) as Arc<dyn EventSink>));
        caught_up(&shards, "file").await;
        running.stop().await;
        file.close().await;
    }
    let text = std::fs::read_to_string(&path).unwrap();
    let gaps: Vec<_> = text.lines().filter(|line| line.contains("gap.v1")).collect();
    assert_eq!(gaps.len(), 1, "{text}");
    assert!(gaps[0].contains(&format!("\"offset\":\"{}\"", floor - 1)), "{}", gaps[0]);
}

#[tokio::test]
async fn a_new_sink_begins_with_the_next_event_or_the_oldest_kept_as_asked() {
    let shards = trimmed().await;
    let floor = floor(&shards).await;
    for (from_start, more) in [(true, 100), (false, 200)] {
        let first = if from_start { floor } else { head(&shards).await + 1 };
        let sink = Arc::new(Renamed(MemorySink::default(), format!("from-start-{from_start}")));
        let former =
            Publisher { from_start, ..publisher(&shards, Arc::clone(&sink) as Arc<dyn EventSink>) };
        let running = Running::start(former);
        caught_up(&shards, sink.name()).await;
        running.kill().await;
        declare(&shards, more..more + 2).await;
        let latter = publisher(&shards, Arc::clone(&sink) as Arc<dyn EventSink>);
        let running = Running::start(Publisher { from_start: false, ..latter });
        caught_up(&shards, sink.name()).await;
        running.stop().await;
        let all: Vec<_> = (first..=head(&shards).await).collect();
        assert_eq!((sink.0.offsets(), sink.0.gaps()), (all, Vec::new()));
    }
}

#[tokio::test]
async fn semantics_10_a_sink_that_has_lost_its_end_gets_it_again() {
    let shards = one_shard().await;
    let sink = Arc::new(MemorySink::default());
    for round in 0..2_u64 {
        let running = Running::start(publisher(&shards, Arc::clone(&sink) as Arc<dyn EventSink>));
        declare(&shards, round * 10..round * 10 + 10).await;
        caught_up(&shards, "memory").await;
        running.stop().await;
    }
    let kept = sink.batches.lock()[0].last().unwrap().0;
    sink.truncate(kept);
    let running = Running::start(publisher(&shards, Arc::clone(&sink) as Arc<dyn EventSink>));
    declare(&shards, 20..30).await;
    caught_up(&shards, "memory").await;
    running.stop().await;
    assert_eq!(sink.offsets(), (1..=30).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_sink_that_holds_more_than_the_shard_ever_decided_is_broken() {
    let shards = one_shard().await;
    declare(&shards, 0..3).await;
    let sink = Arc::new(MemorySink::default());
    sink.batches.lock().push(crate::sink::testing::batch(0, 1..=50));
    let running = Running::start(publisher(&shards, Arc::clone(&sink) as Arc<dyn EventSink>));
    let health = running.until(|health| health.state == SinkState::Broken).await;
    let error = health.last_error.unwrap();
    assert!(error.contains("up to offset 50") && error.contains("ends at 3"), "{error}");
    running.stop().await;
    let cursor = shards.sink_cursor(SHARD, "memory").expect("the shard is new");
    assert_eq!(cursor.offset, Offset(0), "nothing comes of what it holds");
}

#[tokio::test]
async fn semantics_9_a_sink_of_a_new_shard_begins_with_it_although_it_never_answers() {
    let shards = one_shard().await;
    let sink = Arc::new(MemorySink::default());
    sink.set(Mood::Hanging);
    let running = Running::start(publisher(&shards, Arc::clone(&sink) as Arc<dyn EventSink>));
    let begun = async {
        while shards.sink_cursor(SHARD, "memory").is_none() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    timeout(PATIENCE, begun).await.expect("it has a cursor");
    declare(&shards, 0..5).await;
    running.kill().await;
    // Who leads next finds a shard that is new no more.
    sink.set(Mood::Good);
    let publisher = publisher(&shards, Arc::clone(&sink) as Arc<dyn EventSink>);
    let running = Running::start(Publisher { from_start: false, ..publisher });
    caught_up(&shards, "memory").await;
    running.stop().await;
    assert_eq!(sink.offsets(), (1..=5).collect::<Vec<_>>());
}

/// A sink under another name.
struct Renamed(MemorySink, String);

impl EventSink for Renamed {
    fn name(&self) -> &str {
        &self.1
    }

    fn kind(&self) -> &'static str {
        self.0.kind()
    }

    fn connect(
        &self,
        shard: ShardId,
    ) -> BoxFuture<'_, Result<Box<dyn Connection + '_>, SinkError>> {
        self.0.connect(shard)
    }
}
