//! What became of a few requests to one host.

use std::time::Duration;

use futures_util::{StreamExt, stream::FuturesUnordered};
use tokio::time::{Instant, sleep_until};

use crate::probe::{budget::Budget, fault::Fault};

/// How far apart requests are sent, where the time allows.
const SPACING: Duration = Duration::from_millis(200);

/// What became of one request.
pub(super) enum Reply {
    /// It was answered after this time.
    After(Duration),
    /// Nothing came.
    Lost,
    /// Somebody said why nothing will come.
    Refused(String),
}

/// What became of all of them.
pub(super) struct Series {
    pub(super) sent: u16,
    pub(super) times: Vec<Duration>,
    pub(super) refusal: Option<String>,
    /// Why a request was not sent, or may not have been: this host's own fault.
    pub(super) own_fault: Option<Fault>,
}

impl Series {
    /// Makes the requests, evenly spaced over at most half of the budget; each of them ends
    /// with the budget. Those that this host's own fault kept back are not counted.
    pub(super) async fn run<R>(requests: Vec<R>, budget: Budget) -> Result<Self, Fault>
    where
        R: Future<Output = Result<Reply, Fault>>,
    {
        let sent = u16::try_from(requests.len()).unwrap_or(u16::MAX);
        let spacing = SPACING.min(budget.left() / (2 * u32::from(sent.max(1))));
        let start = Instant::now();
        let mut waiting: FuturesUnordered<_> = (0_u32..)
            .zip(requests)
            .map(|(number, request)| async move {
                sleep_until(start + spacing * number).await;
                request.await
            })
            .collect();
        let mut series = Self { sent, times: Vec::new(), refusal: None, own_fault: None };
        while let Some(reply) = waiting.next().await {
            match reply {
                Ok(Reply::After(time)) => series.times.push(time),
                Ok(Reply::Lost) => {}
                Ok(Reply::Refused(reason)) => series.refusal = Some(reason),
                Err(fault) => {
                    series.sent -= 1;
                    series.own_fault = Some(fault);
                }
            }
        }
        match &series.own_fault {
            Some(fault) if series.times.is_empty() => Err(fault.clone()),
            _ => Ok(series),
        }
    }

    /// How many were answered.
    pub(super) fn answered(&self) -> usize {
        self.times.len()
    }

    /// The share that was not answered, 0 to 100.
    pub(super) fn loss_percent(&self) -> f64 {
        let answered = u16::try_from(self.answered()).unwrap_or(self.sent);
        let lost = self.sent.saturating_sub(answered);
        100.0 * f64::from(lost) / f64::from(self.sent.max(1))
    }

    /// The average and the longest round trip; `None` where nothing was answered.
    pub(super) fn round_trips(&self) -> Option<(Duration, Duration)> {
        let longest = *self.times.iter().max()?;
        let total: Duration = self.times.iter().sum();
        Some((total / u32::try_from(self.answered()).unwrap_or(u32::MAX), longest))
    }
}
