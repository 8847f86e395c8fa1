//! Row 2: two of three nodes are killed at once. The third one refuses what needs a majority, says
//! how old the rest is, and that it is not ready.

use std::time::Duration;

use anyhow::Result;
use futures_util::future::{BoxFuture, FutureExt};
use harness::{Answer, Client, cluster::name};
use rand::RngExt;
use serde_json::json;

use crate::{
    arena::Arena,
    history::{Asked, Minority, Moment, Question},
    scenario::{Fault, Scenario},
};

pub(super) const MAJORITY: Scenario = Scenario {
    row: 2,
    name: "majority-kill",
    fault: "two of three nodes are killed at once, and started 1 to 4 s later",
    nodes: 3,
    begin: |_| Ok(Box::new(MajorityKill)),
    ..Scenario::USUAL
};

const LIST: &str = "/api/v1/infrastructure/resources?limit=5000";
const PAUSE: Duration = Duration::from_millis(50);
/// What is asked so early, in ms, may have gone to a leader that does not know yet, which keeps it
/// until its outcome is known: then it is asked anew.
const EARLY: u64 = 1_000;
const FIRST: u64 = 700;

pub(super) struct MajorityKill;

impl Fault for MajorityKill {
    fn round<'a>(&'a mut self, arena: &'a mut Arena) -> BoxFuture<'a, Result<()>> {
        async move {
            let moment = arena.random().random_range(100..2_000);
            arena.run(Duration::from_millis(moment)).await?;
            let alone = arena.any_but(&[])?;
            let span = arena.random().random_range(1_000..4_000);
            arena.fault(format!("kill -9 of all but {} for {span} ms", name(alone)));
            let others: Vec<usize> = (0..3).filter(|n| *n != alone).collect();
            others.iter().try_for_each(|n| arena.kill_at(*n))?;
            // What it led it goes on to probe until it knows that it is alone.
            arena.turn();
            let minority = question(arena, alone, span).await;
            arena.history.minorities.push(minority);
            arena.sample()?;
            others.iter().try_for_each(|n| arena.begin_start_at(*n))?;
            arena.whole().await
        }
        .boxed()
    }
}

/// Asks the node that is left for everything, again and again.
async fn question(arena: &Arena, alone: usize, span: u64) -> Minority {
    let from = arena.now();
    let client = arena.nodes()[alone].client();
    let survivor = Survivor { arena, client, early: from + EARLY, end: from + span };
    let (unready, fresh, stale, written) = tokio::join!(
        survivor.unready(),
        survivor.ask(Question::Fresh),
        survivor.ask(Question::Stale),
        survivor.ask(Question::Write),
    );
    let asked = [fresh, stale, written].concat();
    Minority { node: name(alone), from, until: arena.now(), unready, asked }
}

struct Survivor<'a> {
    arena: &'a Arena,
    client: Client,
    early: Moment,
    end: Moment,
}

impl Survivor<'_> {
    /// Who is asked one more question, if there is time for it.
    async fn left(&self) -> Option<Client> {
        tokio::time::sleep(PAUSE).await;
        let now = self.arena.now();
        let left = self.end.saturating_sub(now);
        let left = if now < self.early { left.min(FIRST) } else { left };
        (left > 0).then(|| self.client.patient(Duration::from_millis(left)))
    }

    async fn unready(&self) -> Option<Moment> {
        while let Some(client) = self.left().await {
            let ready = client.get("/readyz").await;
            if ready.is_ok_and(|answer| answer.status.as_u16() == 503) {
                return Some(self.arena.now());
            }
        }
        None
    }

    /// What was asked and answered while the others were away.
    async fn ask(&self, what: Question) -> Vec<Asked> {
        let mut all = Vec::new();
        while let Some(client) = self.left().await {
            let at = self.arena.now();
            let answer = put_to(&client, what, at).await;
            let answered = self.arena.now();
            if let Ok(answer) = answer {
                let (status, age) = (answer.status.as_u16(), age(&answer));
                all.push(Asked { what, at, answered, status, age });
            }
        }
        all
    }
}

async fn put_to(client: &Client, what: Question, at: Moment) -> Result<Answer> {
    match what {
        Question::Fresh => client.get(LIST).await,
        Question::Stale => client.get(&format!("{LIST}&consistency=stale")).await,
        Question::Write => {
            let body = json!({
                "type": "SERVICE", "name": "late", "labels": {"at": at.to_string()},
                "check": {"push": {"ttl": "1h"}},
            });
            client.put("push:late", &body, &format!("late-{at}")).await
        }
    }
}

fn age(answer: &Answer) -> Option<u64> {
    let told = answer.header("bellwether-consistency")?;
    told.strip_prefix("stale; age=")?.strip_suffix("ms")?.parse().ok()
}
