//! Two links back to back, without a network.

use std::time::Duration;

use futures_util::{FutureExt, StreamExt, stream};
use tokio::time::sleep;

use super::*;
use crate::host::AnswerCall;

fn call(body: Vec<u8>, deadline: Duration) -> Call {
    Call { group: 3, body, deadline, haste: Haste::Now }
}

/// Says what it was asked, unless that is nothing: then it never answers.
fn echo() -> AnswerCall {
    Arc::new(|group, body| match body.as_slice() {
        [] => futures_util::future::pending().boxed(),
        [0, ..] => async { Err("no".to_owned()) }.boxed(),
        _ => async move { Ok([vec![u8::try_from(group).unwrap()], body].concat()) }.boxed(),
    })
}

fn pair() -> (Arc<Link>, Arc<Link>) {
    let new =
        || Link::new(proto::Hello::default(), &PeerMetrics::default(), CancellationToken::new());
    let ((one, from_one), (other, from_other)) = (new(), new());
    for (link, frames) in [(&one, from_other), (&other, from_one)] {
        // The greeting is the affair of whoever opens a connection.
        let frames = frames.skip(1).map(Ok);
        tokio::spawn(Inlet::new(Arc::clone(link), echo()).read(Box::pin(frames)));
    }
    (one, other)
}

#[tokio::test(start_paused = true)]
async fn both_sides_call_over_one_connection() {
    let (one, other) = pair();
    let second = Duration::from_secs(1);
    let (a, b) = tokio::join!(one.call(call(vec![7], second)), other.call(call(vec![8], second)));
    assert_eq!((a, b), (Ok(vec![3, 7]), Ok(vec![3, 8])));
    assert_eq!(one.call(call(vec![0], second)).await, Err(Failure::Refused("no".to_owned())));
    let large = vec![1; LARGE * 3];
    assert_eq!(one.call(call(large.clone(), second)).await.unwrap()[1..], large);
}

#[tokio::test(start_paused = true)]
async fn a_call_without_an_answer_ends_at_its_deadline_and_leaves_nothing() {
    let (one, _other) = pair();
    let waited = one.call(call(vec![], Duration::from_millis(300))).await;
    assert_eq!(waited, Err(Failure::TimedOut));
    assert!(one.waiting.calls.lock().is_empty());
}

#[tokio::test(start_paused = true)]
async fn who_waits_is_told_that_the_connection_broke() {
    let (one, _other) = pair();
    let waiting = tokio::spawn({
        let one = Arc::clone(&one);
        async move { one.call(call(vec![], Duration::from_secs(60))).await }
    });
    while one.waiting.calls.lock().is_empty() {
        tokio::task::yield_now().await;
    }
    one.end();
    assert_eq!(waiting.await.unwrap(), Err(Failure::Lost));
    let late = one.call(call(vec![1], Duration::from_secs(1))).await;
    assert!(matches!(late, Err(Failure::NotSent(_))), "{late:?}");
}

#[tokio::test(start_paused = true)]
async fn a_side_that_takes_nothing_fills_no_memory() {
    let metrics = PeerMetrics::default();
    let (link, _frames) = Link::new(proto::Hello::default(), &metrics, CancellationToken::new());
    let mut refused = 0;
    for _ in 0..200 {
        let body = vec![1; LARGE];
        let sent = link.call(call(body, Duration::from_millis(1))).now_or_never();
        refused += usize::from(matches!(sent, Some(Err(Failure::NotSent(_)))));
    }
    assert_eq!(refused, 0, "12 MiB have room");
    let many =
        stream::iter(0..2_000).map(|_| link.call(call(vec![1; LARGE], Duration::from_millis(1))));
    let outcomes: Vec<_> = many.buffer_unordered(2_000).collect().await;
    assert!(outcomes.iter().any(|o| matches!(o, Err(Failure::NotSent(_)))), "125 MiB have none");
}

#[tokio::test(start_paused = true)]
async fn what_is_small_shares_a_frame_and_passes_what_is_large() {
    let metrics = PeerMetrics::default();
    let (link, mut frames) = Link::new(proto::Hello::default(), &metrics, CancellationToken::new());
    assert!(frames.next().await.unwrap().hello.is_some());
    let bodies = [vec![1; LARGE + 1], vec![2], vec![3]];
    for body in bodies {
        let link = Arc::clone(&link);
        tokio::spawn(async move { link.call(call(body, Duration::from_secs(1))).await });
        tokio::task::yield_now().await;
    }
    let sizes = |frame: proto::Frame| -> Vec<usize> {
        frame.calls.iter().map(|call| call.body.len()).collect()
    };
    assert_eq!(sizes(frames.next().await.unwrap()), [1, 1]);
    assert_eq!(sizes(frames.next().await.unwrap()), [LARGE + 1]);
}

#[tokio::test(start_paused = true)]
async fn what_may_wait_goes_together_and_not_for_long() {
    let metrics = PeerMetrics::default();
    let (link, mut frames) = Link::new(proto::Hello::default(), &metrics, CancellationToken::new());
    assert!(frames.next().await.unwrap().hello.is_some());
    let say = |body: Vec<u8>, haste: Haste| {
        let link = Arc::clone(&link);
        let call = Call { haste, ..call(body, Duration::from_secs(1)) };
        tokio::spawn(async move { link.call(call).await });
    };
    let began = tokio::time::Instant::now();
    say(vec![1], Haste::Company);
    let late = async {
        sleep(Duration::from_millis(1)).await;
        say(vec![2], Haste::Company);
    };
    let (frame, ()) = tokio::join!(frames.next(), late);
    let said =
        |frame: &proto::Frame| frame.calls.iter().map(|call| call.body[0]).collect::<Vec<_>>();
    assert_eq!(said(&frame.unwrap()), [1, 2]);
    assert!(began.elapsed() < Duration::from_millis(10), "{:?}", began.elapsed());
    say(vec![3], Haste::Company);
    tokio::task::yield_now().await;
    say(vec![4], Haste::Now);
    let began = tokio::time::Instant::now();
    let mut both = said(&frames.next().await.unwrap());
    both.sort_unstable();
    assert_eq!((both, began.elapsed()), (vec![3, 4], Duration::ZERO), "nothing waits for it");
}
