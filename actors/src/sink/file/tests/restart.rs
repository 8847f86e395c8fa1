//! Opening again: what the file holds decides.

use raft::SinkCursor;

use super::*;
use crate::sink::{Reach, testing::batch};

#[tokio::test]
async fn two_shards_share_a_file_and_each_goes_on_after_its_own_tail() {
    let place = Place::new();
    let sink = place.open().await;
    for n in 1..=3 {
        assert_eq!(sink.append(&batch(0, [n])).await, Ok(held(n)));
        assert_eq!(sink.append(&batch(1, [n * 10])).await, Ok(held(n * 10)));
    }
    sink.close().await;
    let sink = place.open().await;
    assert_eq!((tail(&sink, 0).await, tail(&sink, 1).await), (Some(3), Some(30)));
    assert_eq!(tail(&sink, 2).await, None);
    let expected = [(0, 1), (1, 10), (0, 2), (1, 20), (0, 3), (1, 30)];
    assert_eq!(places(&place.path()), expected);
}

#[tokio::test]
async fn semantics_11_what_is_sent_again_after_a_restart_is_not_written_again() {
    let place = Place::new();
    let sink = place.open().await;
    sink.append(&batch(4, 1..=5)).await.unwrap();
    sink.close().await;
    let sink = place.open().await;
    assert_eq!(sink.append(&batch(4, 3..=7)).await, Ok(held(7)));
    assert_eq!(sink.append(&batch(4, 1..=2)).await, Ok(held(7)));
    assert_eq!(places(&place.path()), of_shard(4, 1..=7));
}

#[tokio::test]
async fn semantics_11_it_resumes_at_the_later_of_the_cursor_and_its_own_tail() {
    let place = Place::new();
    let sink = place.open().await;
    sink.append(&batch(0, 1..=5)).await.unwrap();
    for (shard, cursor, resumed) in [(0, 2, 5), (0, 5, 5), (0, 9, 9), (1, 9, 9)] {
        let cursor = SinkCursor { offset: Offset(cursor), ..SinkCursor::default() };
        let mut connection = sink.connect(ShardId(shard)).await.unwrap();
        let reach = Reach { held: held(resumed), lost: false };
        assert_eq!(connection.read(&cursor).await, Ok(reach));
    }
}

#[tokio::test]
async fn semantics_12_lines_of_another_life_or_another_cluster_do_not_count() {
    let place = Place::new();
    for former in [cluster(1, 1), cluster(2, 2)] {
        let sink = FileSink::open(place.settings(), former).await.unwrap();
        sink.append(&batch(0, 1..=9)).await.unwrap();
        sink.close().await;
    }
    let sink = FileSink::open(place.settings(), cluster(1, 2)).await.unwrap();
    assert_eq!(tail(&sink, 0).await, None);
    sink.append(&batch(0, 1..=2)).await.unwrap();
    assert_eq!(tail(&sink, 0).await, Some(2));
    assert_eq!(places(&place.path()).len(), 20);
}

#[tokio::test]
async fn two_sinks_on_one_path_are_refused_until_the_first_is_closed() {
    let place = Place::new();
    let first = place.open().await;
    let refused = place.try_open().await.err();
    assert_eq!(refused, Some(SinkError::InUse(place.path())));
    first.close().await;
    assert!(place.try_open().await.is_ok());
    let refused = first.append(&batch(0, [1])).await;
    assert_eq!(refused, Err(SinkError::Closed("file".to_owned())));
}

#[tokio::test]
async fn a_missing_directory_is_made_and_an_impossible_one_names_the_remedy() {
    let place = Place::new();
    let path = place.directory.path().join("a/b/events.jsonl");
    let settings = FileSettings::new("file", &path);
    let sink = FileSink::open(settings, cluster(1, 1)).await.unwrap();
    sink.append(&batch(0, [1])).await.unwrap();
    let under_a_file = FileSettings::new("file", path.join("events.jsonl"));
    let text = FileSink::open(under_a_file, cluster(1, 1)).await.err().unwrap().to_string();
    assert!(text.contains("events.jsonl") && text.contains(';'), "{text}");
}

#[tokio::test]
async fn a_file_that_was_moved_away_is_noticed_before_anything_is_acknowledged() {
    let place = Place::new();
    let sink = place.open().await;
    sink.append(&batch(0, 1..=3)).await.unwrap();
    let moved = place.directory.path().join("elsewhere");
    fs::rename(place.path(), &moved).unwrap();
    sink.append(&batch(0, [4])).await.unwrap();
    fs::remove_file(place.path()).unwrap();
    sink.append(&batch(0, [5])).await.unwrap();
    assert_eq!(places(&moved), of_shard(0, 1..=3));
    assert_eq!(places(&place.path()), of_shard(0, [5]));
    fs::write(place.path(), "").unwrap();
    sink.append(&batch(0, [6])).await.unwrap();
    assert_eq!(places(&place.path()), of_shard(0, [6]));
}
