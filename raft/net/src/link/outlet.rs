//! What waits to be sent, and how it is put into frames: what is small goes first and together.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use futures_util::{
    Stream, StreamExt,
    stream::{self, BoxStream},
};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
    task::yield_now,
};
use tokio_util::sync::CancellationToken;

use crate::{
    metrics::PeerMetrics,
    wire::{LARGE, MOST_FRAME, SHARED_FRAME, proto},
};

/// Messages that wait, small ones and large ones.
const SMALL_QUEUE: usize = 8_192;
const LARGE_QUEUE: usize = 256;
/// What waits may take so many units of memory: room for the largest message beside small ones.
const UNIT: usize = 1 << 10;
const UNITS: usize = (MOST_FRAME + (32 << 20)) / UNIT;

/// The other side takes too little.
pub(super) struct Full;

/// Frames for the other side, the greeting first. A type of its own, because the compiler does
/// not see through the box where a client sends them.
pub(crate) struct Frames(BoxStream<'static, proto::Frame>);

impl Stream for Frames {
    type Item = proto::Frame;

    fn poll_next(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<proto::Frame>> {
        self.0.as_mut().poll_next(context)
    }
}

enum Message {
    Call(proto::Call),
    Answer(proto::Answer),
}

struct Queued {
    message: Message,
    size: usize,
    _room: OwnedSemaphorePermit,
    /// Given back once it is on its way.
    _turn: Option<OwnedSemaphorePermit>,
}

/// Where messages are handed in.
pub(super) struct Outlet {
    room: Arc<Semaphore>,
    small: mpsc::Sender<Queued>,
    large: mpsc::Sender<Queued>,
}

struct Source {
    hello: Option<proto::Hello>,
    small: mpsc::Receiver<Queued>,
    large: mpsc::Receiver<Queued>,
    metrics: PeerMetrics,
    ended: CancellationToken,
}

pub(super) fn open(
    hello: proto::Hello,
    metrics: PeerMetrics,
    ended: CancellationToken,
) -> (Outlet, Frames) {
    let (small, small_queue) = mpsc::channel(SMALL_QUEUE);
    let (large, large_queue) = mpsc::channel(LARGE_QUEUE);
    let outlet = Outlet { room: Arc::new(Semaphore::new(UNITS)), small, large };
    let hello = Some(hello);
    let source = Source { hello, small: small_queue, large: large_queue, metrics, ended };
    let frames = stream::unfold(source, |mut source| async move {
        let frame = source.next().await?;
        Some((frame, source))
    });
    (outlet, Frames(frames.boxed()))
}

impl Outlet {
    /// With a turn it is a large one.
    pub(super) fn call(
        &self,
        call: proto::Call,
        turn: Option<OwnedSemaphorePermit>,
    ) -> Result<(), Full> {
        let size = call.body.len();
        let large = turn.is_some();
        self.queue(Message::Call(call), size, (large, turn))
    }

    pub(super) fn answer(&self, answer: proto::Answer) -> Result<(), Full> {
        let size = match &answer.outcome {
            Some(proto::answer::Outcome::Body(body)) => body.len(),
            Some(proto::answer::Outcome::Refused(why)) => why.len(),
            None => 0,
        };
        self.queue(Message::Answer(answer), size, (size > LARGE, None))
    }

    fn queue(
        &self,
        message: Message,
        size: usize,
        (large, turn): (bool, Option<OwnedSemaphorePermit>),
    ) -> Result<(), Full> {
        let units = u32::try_from(1 + size / UNIT).map_err(|_| Full)?;
        let room = Arc::clone(&self.room).try_acquire_many_owned(units).map_err(|_| Full)?;
        let queue = if large { &self.large } else { &self.small };
        queue.try_send(Queued { message, size, _room: room, _turn: turn }).map_err(|_| Full)
    }
}

impl Source {
    async fn next(&mut self) -> Option<proto::Frame> {
        if let Some(hello) = self.hello.take() {
            return Some(proto::Frame { hello: Some(hello), ..proto::Frame::default() });
        }
        let first = tokio::select! {
            biased;
            () = self.ended.cancelled() => return None,
            Some(small) = self.small.recv() => small,
            Some(large) = self.large.recv() => large,
            else => return None,
        };
        // What others are about to say goes along.
        yield_now().await;
        let mut frame = proto::Frame::default();
        let mut size = put(&mut frame, first);
        while size < SHARED_FRAME
            && let Ok(small) = self.small.try_recv()
        {
            size += put(&mut frame, small);
        }
        self.metrics.frames.inc();
        self.metrics.bytes.inc_by(size as u64);
        Some(frame)
    }
}

fn put(frame: &mut proto::Frame, queued: Queued) -> usize {
    match queued.message {
        Message::Call(call) => frame.calls.push(call),
        Message::Answer(answer) => frame.answers.push(answer),
    }
    queued.size
}
