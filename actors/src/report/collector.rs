//! Packs the reports of a node, so that a log entry carries those of many slots, and the entries
//! of all shards share a sync of the log.
//!
//! Invariant: a report that may change a health waits for nobody, one that cannot waits for at
//! most [`WINDOW`], and nothing is left when the collector ends.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use futures_util::future::join_all;
use model::ShardId;
use raft::{Clock, Report};
use tokio::{
    sync::{mpsc, oneshot},
    time::sleep,
};

use super::{
    News,
    flight::{Outlet, fly},
};

/// The longest that a report waits for others.
const WINDOW: Duration = Duration::from_millis(20);
/// The most reports of one command.
const MOST: usize = 256;
/// Reports that wait; a probe that ends beyond it keeps its place until there is room.
const QUEUE: usize = 4_096;

/// A report, and who waits until it has landed.
pub(super) struct Waiting {
    pub(super) shard: ShardId,
    pub(super) report: Report,
    pub(super) landed: oneshot::Sender<()>,
}

/// Takes reports in, until the last clone is gone.
#[derive(Clone)]
pub(crate) struct Collector {
    news: mpsc::Sender<Waiting>,
    others: mpsc::Sender<Waiting>,
}

impl Collector {
    /// Begins to collect. Needs a runtime around it.
    pub(super) fn start(outlet: Outlet) -> Self {
        let (news, urgent) = mpsc::channel(QUEUE);
        let (others, waiting) = mpsc::channel(QUEUE);
        let clock = Arc::clone(outlet.shards.clock());
        let send = move |batch: Vec<Waiting>| drop(tokio::spawn(fly_all(outlet.clone(), batch)));
        tokio::spawn(pass_on(urgent, None, send.clone()));
        tokio::spawn(pass_on(waiting, Some(clock), send));
        Self { news, others }
    }

    /// Takes in one report. Says whether it did, which it does as long as it runs.
    pub(super) async fn take(&self, waiting: Waiting, news: News) -> bool {
        let queue = match news {
            News::Possible => &self.news,
            News::None => &self.others,
        };
        queue.send(waiting).await.is_ok()
    }
}

/// Sends on what comes: at once, or what has come when a window of the clock ends. Nobody is
/// woken for what comes in between.
async fn pass_on(
    mut reports: mpsc::Receiver<Waiting>,
    windows: Option<Arc<dyn Clock>>,
    send: impl Fn(Vec<Waiting>),
) {
    while let Some(first) = reports.recv().await {
        if let Some(clock) = &windows {
            sleep(left_of_window(clock.boot_millis())).await;
        }
        let mut batch = vec![first];
        while batch.len() < QUEUE
            && let Ok(more) = reports.try_recv()
        {
            batch.push(more);
        }
        send(batch);
    }
}

/// Windows are those of the boot clock, so that no shard has its own.
fn left_of_window(boot_millis: u64) -> Duration {
    let window = u64::try_from(WINDOW.as_millis()).unwrap_or(1);
    Duration::from_millis(window - boot_millis % window)
}

/// Sends each shard its own.
async fn fly_all(outlet: Outlet, batch: Vec<Waiting>) {
    let mut by_shard: BTreeMap<ShardId, Vec<Vec<Waiting>>> = BTreeMap::new();
    for waiting in batch {
        let commands = by_shard.entry(waiting.shard).or_default();
        match commands.last_mut().filter(|command| command.len() < MOST) {
            Some(command) => command.push(waiting),
            None => commands.push(vec![waiting]),
        }
    }
    let all = by_shard.into_iter().flat_map(|(shard, commands)| {
        let outlet = &outlet;
        commands.into_iter().map(move |command| fly(outlet, shard, command))
    });
    join_all(all).await;
}

#[cfg(test)]
mod tests {
    use model::{Incarnation, Miss};
    use parking_lot::Mutex;
    use raft::{ReportBody, SystemClock};
    use tokio::time::Instant;

    use super::*;

    fn waiting(slot: u64) -> Waiting {
        let report = Report {
            resource: "a".parse().unwrap(),
            incarnation: Incarnation { index: 1, position: 0 },
            generation: 1,
            term: 1,
            epoch: 0,
            slot,
            body: ReportBody::Missed { reason: Miss::Overload },
        };
        Waiting { shard: ShardId(0), report, landed: oneshot::channel().0 }
    }

    type Sent = Arc<Mutex<Vec<(Vec<u64>, Instant)>>>;

    /// What leaves a queue, and when.
    fn passing(windows: Option<Arc<dyn Clock>>) -> (mpsc::Sender<Waiting>, Sent) {
        let (queue, reports) = mpsc::channel(QUEUE);
        let sent = Sent::default();
        let log = Arc::clone(&sent);
        let note = move |batch: Vec<Waiting>| {
            let slots = batch.iter().map(|waiting| waiting.report.slot).collect();
            log.lock().push((slots, Instant::now()));
        };
        tokio::spawn(pass_on(reports, windows, note));
        (queue, sent)
    }

    fn windows() -> Option<Arc<dyn Clock>> {
        Some(Arc::new(SystemClock::new()))
    }

    #[tokio::test(start_paused = true)]
    async fn what_may_change_a_health_waits_for_nobody() {
        let (began, (queue, sent)) = (Instant::now(), passing(None));
        for slot in 0..3 {
            queue.send(waiting(slot)).await.unwrap();
            tokio::task::yield_now().await;
        }
        let slots: Vec<u64> = sent.lock().iter().flat_map(|(slots, _)| slots.clone()).collect();
        assert_eq!(slots, [0, 1, 2]);
        assert!(sent.lock().iter().all(|(_, at)| *at == began));
    }

    #[tokio::test(start_paused = true)]
    async fn the_others_leave_together_and_in_order_before_a_window_has_passed() {
        let (began, (queue, sent)) = (Instant::now(), passing(windows()));
        for slot in 0..3 {
            queue.send(waiting(slot)).await.unwrap();
        }
        sleep(2 * WINDOW).await;
        let sent = sent.lock();
        assert_eq!(sent.len(), 1);
        assert_eq!(sent[0].0, [0, 1, 2]);
        assert!(sent[0].1 - began <= WINDOW);
    }

    #[tokio::test(start_paused = true)]
    async fn the_last_reports_leave_although_nobody_can_report_any_more() {
        let (queue, sent) = passing(windows());
        queue.send(waiting(1)).await.unwrap();
        queue.send(waiting(2)).await.unwrap();
        drop(queue);
        sleep(2 * WINDOW).await;
        assert_eq!(sent.lock()[0].0, [1, 2]);
    }

    #[test]
    fn a_window_ends_at_the_same_moment_whoever_asks() {
        let ends = |boot: u64| boot + u64::try_from(left_of_window(boot).as_millis()).unwrap();
        let window = ends(1_000_000);
        assert!((1_000_000..window).all(|boot| ends(boot) == window));
        assert!(ends(window) > window);
    }
}
