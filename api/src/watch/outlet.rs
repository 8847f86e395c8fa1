//! The queue between a watch and its client, bounded in frames and bytes.
//!
//! Invariants: one producer and one consumer; once a client is cut off nothing of what it did
//! not take is kept but the frame that tells it.

use std::{
    collections::VecDeque,
    convert::Infallible,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use axum::body::Bytes;
use futures_util::Stream;
use parking_lot::Mutex;
use tokio::{
    sync::{Notify, OwnedSemaphorePermit},
    time::timeout,
};

const MAX_FRAMES: usize = 1_024;
const MAX_BYTES: usize = 256 * 1024;

/// The watch's end.
pub(super) struct Outlet {
    shared: Arc<Shared>,
    patience: Duration,
}

/// The client's end: the body of the answer. Dropping it ends the watch.
pub(super) struct Frames {
    shared: Arc<Shared>,
    _permit: OwnedSemaphorePermit,
}

/// Why a frame was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Untaken {
    /// The client has gone.
    Gone,
    /// The client has left a full queue untouched for too long.
    Slow,
}

#[derive(Default)]
struct Shared {
    queue: Mutex<Queue>,
    /// Told when the client takes a frame or goes.
    moved: Notify,
}

#[derive(Default)]
struct Queue {
    frames: VecDeque<Bytes>,
    bytes: usize,
    /// The producer will add nothing more.
    ended: bool,
    /// The consumer has gone.
    gone: bool,
    waker: Option<Waker>,
}

/// A queue whose client may leave it full for `patience`. The permit lives as long as the client.
pub(super) fn outlet(patience: Duration, permit: OwnedSemaphorePermit) -> (Outlet, Frames) {
    let shared = Arc::new(Shared::default());
    (Outlet { shared: Arc::clone(&shared), patience }, Frames { shared, _permit: permit })
}

impl Outlet {
    /// Adds a frame, waiting for room.
    pub(super) async fn send(&self, frame: Bytes) -> Result<(), Untaken> {
        loop {
            let moved = self.shared.moved.notified();
            {
                let mut queue = self.shared.queue.lock();
                if queue.gone {
                    return Err(Untaken::Gone);
                }
                if queue.has_room(&frame) {
                    queue.push(frame);
                    return Ok(());
                }
            }
            timeout(self.patience, moved).await.map_err(|_| Untaken::Slow)?;
        }
    }

    /// Adds a last frame, even where there is no room.
    pub(super) fn finish(&self, last: Option<Bytes>) {
        let mut queue = self.shared.queue.lock();
        if let Some(last) = last {
            queue.push(last);
        }
        queue.end();
    }

    /// Throws away what the client did not take and leaves it one last frame.
    pub(super) fn cut_off(&self, last: Bytes) {
        let mut queue = self.shared.queue.lock();
        queue.frames.clear();
        queue.bytes = 0;
        queue.push(last);
        queue.end();
    }

    /// Returns once the client has gone.
    pub(super) async fn gone(&self) {
        loop {
            let moved = self.shared.moved.notified();
            if self.shared.queue.lock().gone {
                return;
            }
            moved.await;
        }
    }
}

impl Drop for Outlet {
    // A watch that ends by a panic must not leave its client waiting.
    fn drop(&mut self) {
        self.shared.queue.lock().end();
    }
}

impl Queue {
    /// A frame of any size passes an empty queue.
    fn has_room(&self, frame: &Bytes) -> bool {
        self.frames.is_empty()
            || (self.frames.len() < MAX_FRAMES && self.bytes + frame.len() <= MAX_BYTES)
    }

    fn push(&mut self, frame: Bytes) {
        self.bytes += frame.len();
        self.frames.push_back(frame);
        self.wake();
    }

    fn end(&mut self) {
        self.ended = true;
        self.wake();
    }

    fn wake(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

impl Stream for Frames {
    type Item = Result<Bytes, Infallible>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let mut queue = self.shared.queue.lock();
        if let Some(frame) = queue.frames.pop_front() {
            queue.bytes -= frame.len();
            self.shared.moved.notify_one();
            return Poll::Ready(Some(Ok(frame)));
        }
        if queue.ended {
            return Poll::Ready(None);
        }
        queue.waker = Some(context.waker().clone());
        Poll::Pending
    }
}

impl Drop for Frames {
    fn drop(&mut self) {
        let mut queue = self.shared.queue.lock();
        queue.gone = true;
        queue.frames.clear();
        self.shared.moved.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use futures_util::StreamExt;
    use tokio::sync::Semaphore;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(5);

    async fn pair() -> (Outlet, Frames) {
        outlet(PATIENCE, Arc::new(Semaphore::new(1)).acquire_owned().await.unwrap())
    }

    fn frame(n: usize) -> Bytes {
        Bytes::from(format!("frame {n}"))
    }

    #[tokio::test]
    async fn frames_arrive_in_order_and_end() {
        let (outlet, frames) = pair().await;
        outlet.send(frame(1)).await.unwrap();
        outlet.send(frame(2)).await.unwrap();
        outlet.finish(Some(frame(3)));
        let received: Vec<Bytes> = frames.map(Result::unwrap).collect().await;
        assert_eq!(received, [frame(1), frame(2), frame(3)]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_client_is_cut_off_and_nothing_is_kept_for_it() {
        let (outlet, frames) = pair().await;
        for n in 0..MAX_FRAMES {
            outlet.send(frame(n)).await.unwrap();
        }
        assert_eq!(outlet.send(frame(MAX_FRAMES)).await, Err(Untaken::Slow));
        outlet.cut_off(frame(0));
        assert_eq!(frames.count().await, 1);
    }

    #[tokio::test(start_paused = true)]
    async fn bytes_are_bounded_but_a_large_frame_passes_an_empty_queue() {
        let (outlet, mut frames) = pair().await;
        let large = Bytes::from(vec![b'x'; MAX_BYTES * 2]);
        outlet.send(large.clone()).await.unwrap();
        assert_eq!(outlet.send(frame(1)).await, Err(Untaken::Slow));
        assert_eq!(frames.next().await.unwrap().unwrap(), large);
        outlet.send(frame(1)).await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn room_is_used_as_soon_as_there_is_some() {
        let (outlet, mut frames) = pair().await;
        for n in 0..MAX_FRAMES {
            outlet.send(frame(n)).await.unwrap();
        }
        let (sent, taken) = tokio::join!(outlet.send(frame(MAX_FRAMES)), frames.next());
        assert_eq!(sent, Ok(()));
        assert_eq!(taken.unwrap().unwrap(), frame(0));
    }

    #[tokio::test]
    async fn a_client_that_goes_is_noticed() {
        let (outlet, frames) = pair().await;
        drop(frames);
        outlet.gone().await;
        assert_eq!(outlet.send(frame(1)).await, Err(Untaken::Gone));
    }
}
