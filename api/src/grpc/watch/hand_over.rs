//! Hands chunks of a watch over as they are asked for, and ends one that nobody asks for more.
//!
//! A stream that is not polled would not notice by itself. Who has window left is polled with each heartbeat
//! at least; whoever is not for so long takes nothing, or is gone. Its place is free then, and it is told so
//! if it comes back.

use std::{
    pin::Pin,
    sync::{Arc, Weak},
    task::{Context, Poll, ready},
    time::Duration,
    vec,
};

use futures_util::{Stream, stream::BoxStream};
use parking_lot::Mutex;
use tokio::time::{Instant, sleep};
use tokio_util::task::AbortOnDropHandle;
use tonic::Status;

use super::Message;
use crate::{
    error::{ApiError, Kind},
    watch::TOO_SLOW,
};

type Chunk = Vec<Result<Message, Status>>;

/// See the module.
pub(in crate::grpc) struct HandedOver {
    source: Arc<Mutex<Source>>,
    /// What is left of the last chunk.
    rest: vec::IntoIter<Result<Message, Status>>,
    _watchdog: AbortOnDropHandle<()>,
}

struct Source {
    /// Until the watch ends.
    chunks: Option<BoxStream<'static, Chunk>>,
    /// When it was asked for more last.
    asked: Instant,
    stalled: bool,
}

impl HandedOver {
    /// The source wakes more often than it has patience for, also where it has nothing to tell.
    pub(in crate::grpc) fn new(
        chunks: impl Stream<Item = Chunk> + Send + 'static,
        patience: Duration,
    ) -> Self {
        let chunks: BoxStream<'static, Chunk> = Box::pin(chunks);
        let source = Source { chunks: Some(chunks), asked: Instant::now(), stalled: false };
        let source = Arc::new(Mutex::new(source));
        let watchdog = tokio::spawn(watch(Arc::downgrade(&source), patience));
        let _watchdog = AbortOnDropHandle::new(watchdog);
        Self { source, rest: Vec::new().into_iter(), _watchdog }
    }
}

impl Stream for HandedOver {
    type Item = Result<Message, Status>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            if let Some(message) = self.rest.next() {
                return Poll::Ready(Some(message));
            }
            let chunk = ready!(self.source.lock().poll(context));
            let Some(chunk) = chunk else { return Poll::Ready(None) };
            self.rest = chunk.into_iter();
        }
    }
}

impl Source {
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<Chunk>> {
        self.asked = Instant::now();
        if let Some(chunks) = &mut self.chunks {
            let chunk = ready!(chunks.as_mut().poll_next(context));
            if chunk.is_some() {
                return Poll::Ready(chunk);
            }
            self.chunks = None;
        }
        let slow = || ApiError::new(Kind::TooMany, TOO_SLOW);
        Poll::Ready(std::mem::take(&mut self.stalled).then(|| vec![Err(slow().into())]))
    }

    /// How long it may go on, unless it has ended.
    fn patience_left(&mut self, patience: Duration) -> Option<Duration> {
        self.chunks.as_ref()?;
        let left = patience.saturating_sub(self.asked.elapsed());
        if left.is_zero() {
            (self.chunks, self.stalled) = (None, true);
            return None;
        }
        Some(left)
    }
}

async fn watch(source: Weak<Mutex<Source>>, patience: Duration) {
    loop {
        let Some(held) = source.upgrade() else { return };
        // Who holds it asks for more at this moment.
        let left = held.try_lock().map(|mut source| source.patience_left(patience));
        drop(held);
        match left {
            Some(None) => return,
            Some(Some(left)) => sleep(left).await,
            None => sleep(patience).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::{FutureExt, StreamExt, stream};
    use tokio::sync::mpsc;

    use super::*;
    use crate::{grpc::watch::message, watch::WatchKind};

    const PATIENCE: Duration = Duration::from_secs(30);

    /// Chunks without end, and what is gone with them.
    fn endless() -> (HandedOver, Weak<()>) {
        let held = Arc::new(());
        let gone = Arc::downgrade(&held);
        let chunks = stream::repeat_with(move || {
            let _ = &held;
            vec![Ok(message(WatchKind::Bookmark, None)), Ok(message(WatchKind::Synced, None))]
        });
        (HandedOver::new(chunks, PATIENCE), gone)
    }

    #[tokio::test(start_paused = true)]
    async fn who_takes_nothing_loses_the_watch_and_is_told_when_it_comes_back() {
        let (mut messages, gone) = endless();
        assert!(messages.next().await.unwrap().is_ok());
        tokio::time::sleep(Duration::from_secs(100)).await;
        assert!(gone.upgrade().is_none(), "the watch holds its place");
        assert!(messages.next().await.unwrap().is_ok(), "what is with the client is its own");
        assert!(messages.next().await.unwrap().unwrap_err().message().contains("too slow"));
        assert!(messages.next().await.is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn who_asks_for_more_and_takes_none_of_it_loses_the_watch() {
        let (tell, mut told) = mpsc::channel::<Chunk>(8);
        let chunks = stream::poll_fn(move |context| told.poll_recv(context));
        let mut messages = HandedOver::new(chunks, PATIENCE);
        tell.send(vec![Ok(message(WatchKind::Synced, None))]).await.unwrap();
        assert!(messages.next().await.unwrap().is_ok());
        // As the library does, which has a frame then that the client does not take.
        assert!(messages.next().now_or_never().is_none());
        tell.send(vec![Ok(message(WatchKind::Bookmark, None))]).await.unwrap();
        tokio::time::sleep(PATIENCE * 2).await;
        assert!(tell.is_closed(), "the watch holds its place");
    }

    #[tokio::test(start_paused = true)]
    async fn who_takes_its_time_or_waits_for_something_to_happen_keeps_the_watch() {
        let (mut messages, _) = endless();
        for _ in 0..10 {
            assert!(messages.next().await.unwrap().is_ok());
            tokio::time::sleep(PATIENCE / 3).await;
        }
        // A heartbeat wakes it and tells nothing.
        let mut beats = tokio::time::interval(PATIENCE / 2);
        let silent = stream::poll_fn(move |context| {
            while beats.poll_tick(context).is_ready() {}
            Poll::Pending
        });
        let mut idle = HandedOver::new(silent, PATIENCE);
        assert!(tokio::time::timeout(PATIENCE * 4, idle.next()).await.is_err());
        assert!(!idle.source.lock().stalled);
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_has_gone_leaves_nothing() {
        let (messages, gone) = endless();
        drop(messages);
        assert!(gone.upgrade().is_none());
    }
}
