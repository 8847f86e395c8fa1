//! Sinks that fail: nothing is lost, everything is shown, nobody else waits.

use prometheus_client::{encoding::text::encode, registry::Registry};

use super::*;

#[tokio::test]
async fn events_arrive_in_order_and_the_cursor_follows() {
    let shards = one_shard().await;
    let sink = Arc::new(MemorySink::default());
    let running = Running::start(publisher(&shards, Arc::clone(&sink) as Arc<dyn EventSink>));
    declare(&shards, 0..300).await;
    caught_up(&shards, "memory").await;
    declare(&shards, 300..1500).await;
    running.stop().await;
    let cursor = shards.sink_cursor(SHARD, "memory").unwrap();
    assert_eq!(cursor.position.as_deref(), Some("m1500"));
    assert_eq!(sink.offsets(), (1..=1500).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_failing_sink_is_retried_reports_why_and_loses_nothing() {
    let shards = one_shard().await;
    let sink = Arc::new(MemorySink::default());
    sink.set(Mood::Failing);
    declare(&shards, 0..20).await;
    let running = Running::start(publisher(&shards, Arc::clone(&sink) as Arc<dyn EventSink>));
    let health = running.until(|health| health.state == SinkState::Retrying).await;
    assert_eq!(health.last_error, Some(unavailable().to_string()));
    sink.set(Mood::Good);
    caught_up(&shards, "memory").await;
    let health = running.until(|health| health.state == SinkState::Ok).await;
    assert_eq!(health.last_error, Some(unavailable().to_string()));
    running.stop().await;
    assert_eq!(sink.offsets(), (1..=20).collect::<Vec<_>>());
}

#[tokio::test]
async fn semantics_10_the_tail_is_read_again_before_anything_is_sent_again() {
    for mood in [Mood::LosesReceipts, Mood::TakesHalf] {
        let shards = one_shard().await;
        let sink = Arc::new(MemorySink::default());
        sink.set(mood);
        declare(&shards, 0..30).await;
        let running = Running::start(publisher(&shards, Arc::clone(&sink) as Arc<dyn EventSink>));
        running.until(|health| health.last_error.is_some()).await;
        sink.set(Mood::Good);
        caught_up(&shards, "memory").await;
        running.stop().await;
        assert_eq!(sink.offsets(), (1..=30).collect::<Vec<_>>(), "{mood:?}");
        assert!(sink.tails.load(Ordering::SeqCst) >= 2);
    }
}

#[tokio::test]
async fn a_sink_that_hangs_is_shown_and_holds_up_a_stop_for_two_seconds_at_most() {
    let shards = one_shard().await;
    declare(&shards, 0..3).await;
    let sink = Arc::new(MemorySink::default());
    sink.set(Mood::Hanging);
    let running = Running::start(publisher(&shards, Arc::clone(&sink) as Arc<dyn EventSink>));
    let health = running.until(|health| health.state == SinkState::Retrying).await;
    assert!(health.last_error.unwrap().contains("memory has not answered for"));
    let asked = tokio::time::Instant::now();
    running.stop().await;
    assert!(asked.elapsed() < DRAIN + Duration::from_secs(2), "{:?}", asked.elapsed());
    assert_eq!(sink.offsets(), [0; 0]);
}

#[tokio::test]
async fn one_dead_sink_slows_nobody() {
    let shards = one_shard().await;
    let dead = Arc::new(MemorySink::default());
    dead.set(Mood::Hanging);
    let directory = tempfile::tempdir().unwrap();
    let settings = crate::sink::FileSettings::new("file", directory.path().join("events.jsonl"));
    let file = crate::sink::FileSink::open(settings, shards.cluster().clone()).await.unwrap();
    let hung = Running::start(publisher(&shards, dead));
    let well = Running::start(publisher(&shards, Arc::new(file)));
    declare(&shards, 0..50).await;
    caught_up(&shards, "file").await;
    assert_eq!(well.monitor.health().state, SinkState::Ok);
    well.stop().await;
    hung.kill().await;
}

#[tokio::test]
async fn what_was_published_is_counted_and_measured() {
    let shards = one_shard().await;
    let publisher = publisher(&shards, Arc::new(MemorySink::default()));
    let mut registry = Registry::default();
    publisher.metrics.register(&mut registry);
    let running = Running::start(publisher);
    declare(&shards, 0..25).await;
    caught_up(&shards, "memory").await;
    assert_eq!(running.monitor.health().last_minute, 25);
    running.stop().await;
    let mut text = String::new();
    encode(&mut text, &registry).unwrap();
    assert!(text.contains("bellwether_outbox_published_total{sink=\"memory\"} 25\n"), "{text}");
    assert!(text.contains("bellwether_publish_duration_seconds_count "), "{text}");
    assert!(text.contains("bellwether_publish_lag_seconds_count{sink=\"memory\"} "), "{text}");
}

#[tokio::test]
async fn the_worst_shard_is_the_sinks_health() {
    let monitor = SinkMonitor::new(&MemorySink::default());
    monitor.report(ShardId(1), SinkState::Broken, "gone");
    monitor.report(ShardId(2), SinkState::Retrying, "away");
    let health = monitor.health();
    assert_eq!((health.state, health.last_error.as_deref()), (SinkState::Broken, Some("gone")));
    monitor.forget(ShardId(1));
    assert_eq!(monitor.health().state, SinkState::Retrying);
    monitor.well(ShardId(2));
    let health = monitor.health();
    assert_eq!((health.state, health.last_error.as_deref()), (SinkState::Ok, Some("away")));
    monitor.report(ShardId(2), SinkState::Retrying, &"é".repeat(5_000));
    assert_eq!(monitor.health().last_error, Some("é".repeat(1_000)));
}
