//! What waits to be sent, and how it is put into frames: what is small goes first and together.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use futures_util::{
    Stream, StreamExt,
    stream::{self, BoxStream},
};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
    task::yield_now,
    time::sleep,
};
use tokio_util::sync::CancellationToken;

use crate::{
    metrics::PeerMetrics,
    wire::{LARGE, MOST_FRAME, SHARED_FRAME, proto},
};

/// What may wait for others to go with it does not wait longer than this.
const COMPANY: Duration = Duration::from_millis(3);
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
    patient: mpsc::Sender<Queued>,
    large: mpsc::Sender<Queued>,
}

/// Which queue a message waits in.
enum Lane {
    /// It goes with the next frame.
    Small,
    /// It waits for others that do not wait for it.
    Patient,
    /// It goes when nothing smaller waits, alone where it has a turn.
    Large(Option<OwnedSemaphorePermit>),
}

struct Source {
    hello: Option<proto::Hello>,
    small: mpsc::Receiver<Queued>,
    patient: mpsc::Receiver<Queued>,
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
    let (patient, patient_queue) = mpsc::channel(SMALL_QUEUE);
    let (large, large_queue) = mpsc::channel(LARGE_QUEUE);
    let outlet = Outlet { room: Arc::new(Semaphore::new(UNITS)), small, patient, large };
    let source = Source {
        hello: Some(hello),
        small: small_queue,
        patient: patient_queue,
        large: large_queue,
        metrics,
        ended,
    };
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
        let lane = match turn {
            Some(turn) => Lane::Large(Some(turn)),
            None if call.company => Lane::Patient,
            None => Lane::Small,
        };
        self.queue(Message::Call(call), size, lane)
    }

    pub(super) fn answer(&self, answer: proto::Answer, company: bool) -> Result<(), Full> {
        let size = match &answer.outcome {
            Some(proto::answer::Outcome::Body(body)) => body.len(),
            Some(proto::answer::Outcome::Refused(why)) => why.len(),
            None => 0,
        };
        let lane = match size > LARGE {
            true => Lane::Large(None),
            false if company => Lane::Patient,
            false => Lane::Small,
        };
        self.queue(Message::Answer(answer), size, lane)
    }

    fn queue(&self, message: Message, size: usize, lane: Lane) -> Result<(), Full> {
        let units = u32::try_from(1 + size / UNIT).map_err(|_| Full)?;
        let room = Arc::clone(&self.room).try_acquire_many_owned(units).map_err(|_| Full)?;
        let (queue, turn) = match lane {
            Lane::Small => (&self.small, None),
            Lane::Patient => (&self.patient, None),
            Lane::Large(turn) => (&self.large, turn),
        };
        queue.try_send(Queued { message, size, _room: room, _turn: turn }).map_err(|_| Full)
    }
}

impl Source {
    async fn next(&mut self) -> Option<proto::Frame> {
        if let Some(hello) = self.hello.take() {
            return Some(proto::Frame { hello: Some(hello), ..proto::Frame::default() });
        }
        let mut frame = proto::Frame::default();
        let mut size = tokio::select! {
            biased;
            () = self.ended.cancelled() => return None,
            Some(small) = self.small.recv() => put(&mut frame, small),
            Some(patient) = self.patient.recv() => {
                put(&mut frame, patient) + self.company(&mut frame).await
            }
            Some(large) = self.large.recv() => put(&mut frame, large),
            else => return None,
        };
        // What others are about to say goes along.
        yield_now().await;
        for queue in [&mut self.small, &mut self.patient] {
            while size < SHARED_FRAME
                && let Ok(small) = queue.try_recv()
            {
                size += put(&mut frame, small);
            }
        }
        self.metrics.frames.inc();
        self.metrics.bytes.inc_by(size as u64);
        Some(frame)
    }

    /// Waits until something does not wait.
    async fn company(&mut self, frame: &mut proto::Frame) -> usize {
        tokio::select! {
            biased;
            () = self.ended.cancelled() => 0,
            Some(small) = self.small.recv() => put(frame, small),
            () = sleep(COMPANY) => 0,
        }
    }
}

fn put(frame: &mut proto::Frame, queued: Queued) -> usize {
    match queued.message {
        Message::Call(call) => frame.calls.push(call),
        Message::Answer(answer) => frame.answers.push(answer),
    }
    queued.size
}
