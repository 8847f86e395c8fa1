//! Files that are full are numbered and kept, and still count.

use super::*;
use crate::sink::testing::batch;

fn small(place: &Place, keep: usize) -> FileSettings {
    FileSettings { rotate_bytes: 2_000, keep, ..place.settings() }
}

fn rotated(place: &Place) -> Vec<PathBuf> {
    let all = fs::read_dir(place.directory.path()).unwrap().map(|entry| entry.unwrap().path());
    let is_rotated = |path: &PathBuf| path != &place.path() && path.extension().unwrap() == "jsonl";
    let mut found: Vec<_> = all.filter(is_rotated).collect();
    found.sort();
    found
}

#[tokio::test]
async fn a_full_file_is_rotated_and_all_of_them_have_every_offset_once() {
    let place = Place::new();
    let sink = FileSink::open(small(&place, 100), cluster(1, 1)).await.unwrap();
    for n in 1..=20 {
        sink.append(&batch(0, [n])).await.unwrap();
    }
    let files = rotated(&place);
    assert!(files[0].ends_with("events.000001.jsonl"), "{files:?}");
    assert!(files.len() > 3, "{files:?}");
    let mut all: Vec<_> = files.iter().flat_map(|path| places(path)).collect();
    all.extend(places(&place.path()));
    assert_eq!(all, of_shard(0, 1..=20));
    assert!(files.iter().all(|path| fs::metadata(path).unwrap().len() <= 2_000));
}

#[tokio::test]
async fn only_the_newest_rotated_files_are_kept() {
    let place = Place::new();
    let sink = FileSink::open(small(&place, 2), cluster(1, 1)).await.unwrap();
    for n in 1..=20 {
        sink.append(&batch(0, [n])).await.unwrap();
    }
    let files = rotated(&place);
    assert_eq!(files.len(), 2);
    let mut kept: Vec<_> = files.iter().flat_map(|path| places(path)).collect();
    kept.extend(places(&place.path()));
    let first = kept[0].1;
    assert_eq!(kept, of_shard(0, first..=20));
}

#[tokio::test]
async fn a_shard_that_is_quiet_since_a_rotation_keeps_its_tail_across_a_restart() {
    let place = Place::new();
    let sink = FileSink::open(small(&place, 100), cluster(1, 1)).await.unwrap();
    sink.append(&batch(7, 1..=2)).await.unwrap();
    for n in 1..=20 {
        sink.append(&batch(0, [n])).await.unwrap();
    }
    assert_eq!(sink.append(&batch(7, [2])).await, Ok(held(2)), "without a restart");
    sink.close().await;
    let sink = FileSink::open(small(&place, 100), cluster(1, 1)).await.unwrap();
    assert_eq!(tail(&sink, 7).await, Some(2));
    assert_eq!(tail(&sink, 0).await, Some(20));
    sink.append(&batch(7, 1..=3)).await.unwrap();
    assert_eq!(places(&place.path()).last(), Some(&(7, 3)));
}

#[tokio::test]
async fn a_crash_between_moving_the_file_and_making_a_new_one_repeats_nothing() {
    let place = Place::new();
    let sink = place.open().await;
    sink.append(&batch(0, 1..=4)).await.unwrap();
    sink.close().await;
    let moved = place.directory.path().join("events.000007.jsonl");
    fs::rename(place.path(), &moved).unwrap();
    fs::write(place.directory.path().join("events.notes.jsonl"), "not ours").unwrap();
    let sink = FileSink::open(small(&place, 100), cluster(1, 1)).await.unwrap();
    assert_eq!(tail(&sink, 0).await, Some(4));
    for n in 3..=12 {
        sink.append(&batch(0, [n])).await.unwrap();
    }
    assert!(rotated(&place).iter().any(|path| path.ends_with("events.000008.jsonl")));
    assert_eq!(places(&moved), of_shard(0, 1..=4));
}

#[tokio::test]
async fn a_batch_larger_than_a_file_is_written_whole() {
    let place = Place::new();
    let sink = FileSink::open(small(&place, 3), cluster(1, 1)).await.unwrap();
    sink.append(&batch(0, 1..=50)).await.unwrap();
    assert_eq!(places(&place.path()), of_shard(0, 1..=50));
}
