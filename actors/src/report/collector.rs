//! Packs the reports of a shard, so that one log entry carries those of many slots.
//!
//! Invariant: a report that may change a health waits for nobody, one that cannot waits for at
//! most [`WINDOW`], and nothing is left when the collector ends.

use std::time::Duration;

use raft::Report;
use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, sleep_until},
};

use super::{
    News,
    flight::{Outlet, fly},
};

/// The longest that a report waits for others. All shards send what has waited at the same
/// moments, so that their entries share a sync of the log.
const WINDOW: Duration = Duration::from_millis(20);
/// The most reports of one command.
const MOST: usize = 256;
/// Reports that wait to be taken in; a probe that ends beyond it keeps its place until there is
/// room.
pub(super) const QUEUE: usize = 1_024;

/// A report, and who waits until it has landed.
pub(super) struct Waiting {
    pub(super) report: Report,
    pub(super) news: News,
    pub(super) landed: oneshot::Sender<()>,
}

/// See the module.
pub(super) struct Collector {
    pub(super) reports: mpsc::Receiver<Waiting>,
    pub(super) outlet: Outlet,
}

impl Collector {
    /// Runs until nobody can report any more.
    pub(super) async fn run(mut self) {
        while let Some(first) = self.reports.recv().await {
            let mut batch = vec![first];
            let ends = self.window_ends();
            fill(&mut self.reports, &mut batch, ends).await;
            tokio::spawn(fly(self.outlet.clone(), batch));
        }
    }

    fn window_ends(&self) -> Instant {
        let boot = Duration::from_millis(self.outlet.shards.clock().boot_millis());
        let into = boot.as_millis() % WINDOW.as_millis();
        Instant::now() + WINDOW - Duration::from_millis(u64::try_from(into).unwrap_or(0))
    }
}

/// Takes in what comes until the window ends, or until there are news.
async fn fill(reports: &mut mpsc::Receiver<Waiting>, batch: &mut Vec<Waiting>, ends: Instant) {
    let ends = sleep_until(ends);
    tokio::pin!(ends);
    let mut looked_at = 0;
    while batch[looked_at..].iter().all(|waiting| waiting.news == News::None) {
        looked_at = batch.len();
        let room = MOST.saturating_sub(looked_at);
        tokio::select! {
            biased;
            count = reports.recv_many(batch, room) => if count == 0 { return },
            () = &mut ends => return,
        }
    }
    // What is here already travels along.
    while batch.len() < MOST {
        let Ok(more) = reports.try_recv() else { return };
        batch.push(more);
    }
}

#[cfg(test)]
mod tests {
    use model::{Incarnation, Miss};
    use raft::ReportBody;

    use super::*;

    const SOON: Duration = Duration::from_millis(3);

    fn waiting(slot: u64, news: News) -> Waiting {
        let report = Report {
            resource: "a".parse().unwrap(),
            incarnation: Incarnation { index: 1, position: 0 },
            generation: 1,
            term: 1,
            epoch: 0,
            slot,
            body: ReportBody::Missed { reason: Miss::Overload },
        };
        Waiting { report, news, landed: oneshot::channel().0 }
    }

    /// The slots that leave together with a first report, and when.
    async fn filled(
        first: News,
        mut reports: mpsc::Receiver<Waiting>,
    ) -> (Vec<u64>, Duration, mpsc::Receiver<Waiting>) {
        let (began, mut batch) = (Instant::now(), vec![waiting(0, first)]);
        fill(&mut reports, &mut batch, began + WINDOW).await;
        (batch.iter().map(|w| w.report.slot).collect(), began.elapsed(), reports)
    }

    #[tokio::test(start_paused = true)]
    async fn what_may_change_a_health_waits_for_nobody() {
        let (queue, reports) = mpsc::channel(QUEUE);
        queue.send(waiting(1, News::None)).await.unwrap();
        let (slots, took, _) = filled(News::Possible, reports).await;
        assert_eq!((slots, took), (vec![0, 1], Duration::ZERO));
    }

    #[tokio::test(start_paused = true)]
    async fn news_take_along_what_waits_in_order() {
        let (queue, reports) = mpsc::channel(QUEUE);
        let sending = async {
            queue.send(waiting(1, News::None)).await.unwrap();
            tokio::time::sleep(SOON).await;
            queue.send(waiting(2, News::Possible)).await.unwrap();
        };
        let ((slots, took, _), ()) = tokio::join!(filled(News::None, reports), sending);
        assert_eq!((slots, took), (vec![0, 1, 2], SOON));
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_no_news_waits_for_the_window_and_no_longer() {
        let (_queue, reports) = mpsc::channel(QUEUE);
        let (slots, took, _) = filled(News::None, reports).await;
        assert_eq!((slots, took), (vec![0], WINDOW));
    }

    #[tokio::test(start_paused = true)]
    async fn the_last_reports_leave_when_nobody_can_report_any_more() {
        let (queue, reports) = mpsc::channel(QUEUE);
        queue.send(waiting(1, News::None)).await.unwrap();
        drop(queue);
        let (slots, took, _) = filled(News::None, reports).await;
        assert_eq!((slots, took), (vec![0, 1], Duration::ZERO));
    }

    #[tokio::test(start_paused = true)]
    async fn a_command_holds_so_many_reports_and_the_others_stay_for_the_next() {
        let (queue, reports) = mpsc::channel(QUEUE);
        for slot in 1..=MOST as u64 {
            queue.send(waiting(slot, News::None)).await.unwrap();
        }
        let (slots, took, mut left) = filled(News::None, reports).await;
        assert_eq!((slots.len(), took), (MOST, Duration::ZERO));
        assert_eq!(left.try_recv().unwrap().report.slot, MOST as u64);
    }
}
