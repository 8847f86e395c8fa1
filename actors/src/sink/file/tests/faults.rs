//! Disks that fail, and callers that go away.

use std::{sync::mpsc, task::Poll};

use futures_util::future::{join_all, poll_fn};

use super::{super::journal::Journal, *};
use crate::sink::testing::batch;

#[tokio::test]
async fn a_full_disk_acknowledges_nothing_and_leaves_no_half_line() {
    let place = Place::new();
    let sink = place.open_on(Faulty::new([Wrong::Nothing, Wrong::Full, Wrong::Full])).await;
    sink.append(&batch(0, 1..=3)).await.unwrap();
    let whole = place.bytes();
    for _ in 0..2 {
        let failed = sink.append(&batch(0, 4..=9)).await.unwrap_err().to_string();
        assert!(failed.contains("events.jsonl") && failed.contains("free space"), "{failed}");
        assert_eq!(place.bytes(), whole);
    }
    assert_eq!(tail(&sink, 0).await, Some(3));
    assert_eq!(sink.append(&batch(0, 4..=9)).await, Ok(held(9)));
    assert_eq!(places(&place.path()), of_shard(0, 1..=9));
}

#[tokio::test]
async fn after_a_failed_sync_what_the_file_shows_is_not_believed() {
    let place = Place::new();
    let sink = place.open_on(Faulty::new([Wrong::Nothing, Wrong::Sync])).await;
    sink.append(&batch(0, 1..=3)).await.unwrap();
    let failed = sink.append(&batch(0, 4..=6)).await;
    assert!(matches!(failed, Err(SinkError::Unavailable { .. })), "{failed:?}");
    assert_eq!(tail(&sink, 0).await, Some(3));
    assert_eq!(places(&place.path()), of_shard(0, 1..=3));
    sink.append(&batch(0, 4..=6)).await.unwrap();
    assert_eq!(places(&place.path()), of_shard(0, 1..=6));
}

/// Its first sync after opening waits for the test.
struct Gate {
    opened: Mutex<mpsc::Receiver<()>>,
    syncs: Mutex<u64>,
}

impl Medium for Gate {
    fn write(&self, file: &mut File, bytes: &[u8]) -> io::Result<()> {
        System.write(file, bytes)
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        let mut syncs = self.syncs.lock();
        *syncs += 1;
        if *syncs == 2 {
            self.opened.lock().recv().map_err(io::Error::other)?;
        }
        System.sync(file)
    }
}

#[tokio::test]
async fn shards_that_wait_for_the_disk_share_one_sync() {
    let place = Place::new();
    let (open, opened) = mpsc::channel();
    let gate = Arc::new(Gate { opened: Mutex::new(opened), syncs: Mutex::default() });
    let sink = place.open_on(Arc::clone(&gate) as Arc<dyn Medium>).await;
    let batches: Vec<_> = (0..20).map(|shard| batch(shard, 1..=3)).collect();
    let mut appends = join_all(batches.iter().map(|batch| sink.append(batch)));
    // One poll hands over all of them; the thread is at most at the first one's sync.
    let first =
        poll_fn(|cx| Poll::Ready(std::future::Future::poll(std::pin::Pin::new(&mut appends), cx)))
            .await;
    assert!(first.is_pending());
    open.send(()).unwrap();
    let answers = appends.await;
    assert!(answers.iter().all(|answer| *answer == Ok(held(3))), "{answers:?}");
    assert!(*gate.syncs.lock() <= 4, "opening, the first, the rest");
    assert_eq!(places(&place.path()).len(), 60);
}

#[tokio::test]
async fn a_tail_sees_what_was_handed_over_by_a_caller_that_went_away() {
    let place = Place::new();
    let sink = place.open().await;
    for n in 1..=50 {
        let sent = batch(0, [n]);
        let mut append = Box::pin(sink.append(&sent));
        let _ = poll_fn(|cx| Poll::Ready(append.as_mut().poll(cx))).await;
        drop(append);
        assert_eq!(tail(&sink, 0).await, Some(n));
    }
    assert_eq!(places(&place.path()), of_shard(0, 1..=50));
}

#[tokio::test]
async fn what_follows_a_batch_that_failed_is_not_written() {
    let place = Place::new();
    let sink = place.open_on(Faulty::new([Wrong::Full])).await;
    let mut connection = sink.connect(ShardId(0)).await.unwrap();
    connection.send(&batch(0, 1..=3)).await.unwrap();
    let refused = connection.send(&batch(0, 4..=6)).await;
    assert!(matches!(refused, Err(SinkError::Unavailable { .. })), "{refused:?}");
    assert_eq!(tail(&sink, 0).await, None);
}

#[tokio::test]
async fn what_could_not_be_taken_back_at_once_is_cut_off_when_the_file_is_opened_again() {
    let place = Place::new();
    let sink = place.open().await;
    sink.append(&batch(0, 1..=3)).await.unwrap();
    sink.close().await;
    let open = |trusted| {
        let medium: Arc<dyn Medium> = Arc::new(System);
        Journal::open(&place.path(), &cluster(1, 1), trusted, medium).unwrap()
    };
    let trusted = open(None).trusted();
    let beyond = fs::read(place.path()).unwrap();
    fs::write(place.path(), [&beyond[..], &beyond[..]].concat()).unwrap();
    let journal = open(Some(trusted));
    assert!(journal.is_intact());
    assert_eq!(place.bytes(), beyond);
}
