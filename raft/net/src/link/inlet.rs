//! What the other side sends: answers go to whoever waits for them, calls are answered.

use std::{sync::Arc, time::Duration};

use futures_util::{Stream, StreamExt};
use tokio::{sync::Semaphore, time::timeout};
use tonic::Status;

use super::{Link, outlet::Full};
use crate::{host::AnswerCall, wire::proto};

/// Calls of one node that are answered at the same time.
const AT_ONCE: usize = 4_096;
/// A call is worked on no longer than this, whatever it says.
const LONGEST: Duration = Duration::from_secs(120);

/// See the module.
pub(crate) struct Inlet {
    link: Arc<Link>,
    answer: AnswerCall,
    room: Arc<Semaphore>,
}

impl Inlet {
    pub(crate) fn new(link: Arc<Link>, answer: AnswerCall) -> Self {
        Self { link, answer, room: Arc::new(Semaphore::new(AT_ONCE)) }
    }

    /// Reads until the other side or this one ends. Returns why the other side did.
    pub(crate) async fn read(
        self,
        mut frames: impl Stream<Item = Result<proto::Frame, Status>> + Unpin,
    ) -> Option<Status> {
        let mut ended = std::pin::pin!(self.link.ended.clone().cancelled_owned());
        let why = loop {
            let next = tokio::select! {
                biased;
                () = &mut ended => break None,
                next = frames.next() => next,
            };
            match next {
                Some(Ok(frame)) => self.take(frame),
                Some(Err(status)) => break Some(status),
                None => break None,
            }
        };
        self.link.end();
        why
    }

    fn take(&self, frame: proto::Frame) {
        for answer in frame.answers {
            self.link.answered(answer);
        }
        for call in frame.calls {
            self.begin(call);
        }
    }

    fn begin(&self, call: proto::Call) {
        let Ok(room) = Arc::clone(&self.room).try_acquire_owned() else {
            let why = format!("it answers {AT_ONCE} calls already");
            return self.refuse(call.id, why);
        };
        let link = Arc::clone(&self.link);
        let work = (self.answer)(call.group, call.body.into());
        let deadline = Duration::from_millis(call.deadline_ms.into()).min(LONGEST);
        tokio::spawn(async move {
            // Beyond the deadline nobody waits any more.
            if let Ok(outcome) = timeout(deadline, work).await {
                link.reply(call.id, outcome, call.company);
            }
            drop(room);
        });
    }

    fn refuse(&self, id: u64, why: String) {
        self.link.reply(id, Err(why), false);
    }
}

impl Link {
    fn reply(&self, id: u64, outcome: Result<Vec<u8>, String>, company: bool) {
        let outcome = match outcome {
            Ok(body) => proto::answer::Outcome::Body(body.into()),
            Err(why) => proto::answer::Outcome::Refused(why),
        };
        // An answer that cannot be sent is one that was lost: the caller's deadline ends it.
        let answer = proto::Answer { id, outcome: Some(outcome) };
        if let Err(Full) = self.outlet.answer(answer, company) {
            self.metrics.answers_dropped.inc();
        }
    }
}
