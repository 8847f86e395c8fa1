//! Lines: whole or not there, whatever is in them.

use model::{ShardId, outcome::clean};
use proptest::prelude::*;

use super::*;
use crate::sink::{
    Batch, Gap,
    file::line::{Reading, encode, read},
    testing::{batch, event},
};

#[tokio::test]
async fn semantics_11_a_line_torn_at_any_byte_is_cut_off_and_written_again() {
    let place = Place::new();
    let sink = place.open().await;
    sink.append(&batch(3, 1..=2)).await.unwrap();
    let whole = place.bytes();
    sink.append(&batch(3, [3])).await.unwrap();
    let all = place.bytes();
    sink.close().await;
    for cut in whole.len()..all.len() {
        fs::write(place.path(), &all[..cut]).unwrap();
        let sink = place.open().await;
        assert_eq!(tail(&sink, 3).await, Some(2), "cut at byte {cut}");
        assert_eq!(place.bytes(), whole, "cut at byte {cut}");
        sink.append(&batch(3, [3])).await.unwrap();
        sink.close().await;
        assert_eq!(place.bytes(), all, "cut at byte {cut}");
    }
}

#[tokio::test]
async fn a_first_write_torn_at_any_byte_leaves_an_empty_file() {
    let place = Place::new();
    let sink = place.open().await;
    sink.append(&batch(0, [1])).await.unwrap();
    sink.close().await;
    let all = place.bytes();
    for cut in 1..all.len() {
        fs::write(place.path(), &all[..cut]).unwrap();
        let sink = place.open().await;
        assert_eq!(tail(&sink, 0).await, None, "cut at byte {cut}");
        sink.close().await;
        assert!(place.bytes().is_empty(), "cut at byte {cut}");
    }
}

#[tokio::test]
async fn blocks_that_were_assigned_but_never_written_are_cut_off() {
    let place = Place::new();
    let sink = place.open().await;
    sink.append(&batch(0, 1..=3)).await.unwrap();
    sink.close().await;
    let whole = place.bytes();
    for before in [&whole[..], &[]] {
        fs::write(place.path(), [before, &[0; 5000], &whole[40..90]].concat()).unwrap();
        place.open().await.close().await;
        assert_eq!(place.bytes(), before);
    }
}

#[tokio::test]
async fn a_damaged_line_in_the_middle_is_kept_and_what_follows_it_counts() {
    let place = Place::new();
    let sink = place.open().await;
    sink.append(&batch(0, 1..=3)).await.unwrap();
    sink.close().await;
    let mut bytes = place.bytes();
    let second = bytes.iter().position(|byte| *byte == b'\n').unwrap() + 1;
    bytes[second] = b'?';
    fs::write(place.path(), &bytes).unwrap();
    let sink = place.open().await;
    assert_eq!(tail(&sink, 0).await, Some(3));
    assert_eq!(place.bytes(), bytes);
}

#[tokio::test]
async fn somebody_elses_file_is_refused_and_left_as_it_was() {
    let place = Place::new();
    let long = "x".repeat(3 << 20);
    for text in ["dear diary\n", "{\n  \"name\": 1\n}\n", "no newline", "\n", long.as_str()] {
        fs::write(place.path(), text).unwrap();
        let refused = place.try_open().await.err().unwrap();
        assert_eq!(refused, SinkError::NotEvents(place.path()));
        assert_eq!(fs::read_to_string(place.path()).unwrap(), text);
    }
}

#[tokio::test]
async fn a_directory_or_a_pipe_in_its_place_is_refused_at_once() {
    let place = Place::new();
    fs::create_dir(place.path()).unwrap();
    assert_eq!(place.try_open().await.err(), Some(SinkError::NotEvents(place.path())));
    let settings = FileSettings::new("file", "/dev/full");
    let on_device = super::super::journal::Journal::open(
        &settings.path,
        &cluster(1, 1),
        None,
        Arc::new(System),
    );
    assert_eq!(on_device.err(), Some(SinkError::NotEvents("/dev/full".into())));
}

#[test]
fn a_gap_is_read_back_as_ours_at_its_last_offset() {
    let gap = Gap { from: Offset(4), to: Offset(9), time: model::WallTime(0) };
    let batch = Batch { shard: ShardId(2), gap: Some(gap), events: vec![event(2, 10)] };
    let lines = encode(&batch, &cluster(1, 1));
    let read: Vec<_> = lines
        .iter()
        .map(|line| read(&line.bytes[..line.bytes.len() - 1], &cluster(1, 1)))
        .collect();
    let ours = |offset| Reading::Ours(ShardId(2), Offset(offset));
    assert_eq!(read, [ours(9), ours(10)]);
    let json: Value = serde_json::from_slice(&lines[0].bytes).unwrap();
    assert_eq!(json["data"], serde_json::json!({"shard": 2, "from": 4, "to": 9}));
}

proptest! {
    #[test]
    fn any_reason_makes_one_line_that_is_read_back_and_no_part_of_it_is(
        reason in any::<String>(),
        raw in any::<bool>(),
        part in any::<prop::sample::Index>(),
    ) {
        let reason = if raw { reason } else { clean(&reason) };
        let events = vec![model::event::Event { reason, ..event(1, 5) }];
        let batch = Batch { shard: ShardId(1), gap: None, events };
        let line = encode(&batch, &cluster(1, 1)).remove(0).bytes;
        let (end, whole) = line.split_last().unwrap();
        prop_assert_eq!(*end, b'\n');
        prop_assert!(!whole.contains(&b'\n'));
        prop_assert_eq!(read(whole, &cluster(1, 1)), Reading::Ours(ShardId(1), Offset(5)));
        prop_assert_eq!(read(whole, &cluster(1, 2)), Reading::Foreign);
        prop_assert_eq!(read(whole, &cluster(2, 1)), Reading::Foreign);
        let torn = &whole[..part.index(whole.len())];
        prop_assert_eq!(read(torn, &cluster(1, 1)), Reading::Damaged);
    }
}
