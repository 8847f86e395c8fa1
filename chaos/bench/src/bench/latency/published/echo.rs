//! The broker by itself: messages of the same size, from a producer to a consumer.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use harness::broker::Broker;
use pulsar::{Producer, Pulsar, TokioExecutor, producer::Message};
use rand::{SeedableRng, rngs::StdRng};
use tokio::task::JoinSet;

use super::super::{
    super::topic::{self, Clock, Topic},
    DRAIN, FLIPS_A_SECOND, SPAN, WARM, flips, latency,
};
use crate::{
    baseline::Latency,
    load::{Histogram, milliseconds},
    peer::pulsar::Sample,
    plan::Plan,
};

/// What the broker took.
#[derive(Debug, Clone, Copy)]
pub(super) struct Echo {
    /// From due to read.
    pub(super) read: Latency,
    /// From sent to its receipt.
    pub(super) receipt_mean_ms: f64,
}

#[derive(Default)]
struct Book {
    read: Histogram,
    came: usize,
}

pub(super) async fn measure(
    plan: &Plan,
    broker: &Broker,
    sample: &Sample,
    pair: usize,
) -> Result<Echo> {
    let name = format!("echo-{pair}");
    topic::create(broker, &name).await?;
    let (book, clock) = (Arc::new(Mutex::new(Book::default())), Clock::now()?);
    let measured = clock.micros(Instant::now() + WARM);
    let noted = Arc::clone(&book);
    let topic = Topic::follow(broker, &name, move |arrival| {
        let mut book = noted.lock().unwrap_or_else(PoisonError::into_inner);
        book.came += 1;
        let (due, read) = (arrival.due_us()?, clock.micros(arrival.at));
        if due >= measured {
            book.read.record(Duration::from_micros(read.saturating_sub(due)));
        }
        Ok(())
    })
    .await?;
    let pulsar: Pulsar<_> = Pulsar::builder(broker.url(), TokioExecutor).build().await?;
    let producer = pulsar.producer().with_topic(topic::full(&name)).build();
    // The crate's futures are too large for the stack.
    let producer = Box::pin(producer).await?;
    let sending = Box::pin(send(producer, plan, sample, clock, pair as u64));
    let (sent, receipt_mean_ms) = sending.await?;
    tokio::time::sleep(DRAIN).await;
    topic.check()?;
    let book = book.lock().unwrap_or_else(PoisonError::into_inner);
    ensure!(book.came == sent, "{} of {sent} messages came", book.came);
    Ok(Echo { read: latency(&book.read), receipt_mean_ms })
}

/// Sends at the rate of the flips. Returns how many, and how long receipts took, in milliseconds.
async fn send(
    mut producer: Producer<TokioExecutor>,
    plan: &Plan,
    sample: &Sample,
    clock: Clock,
    seed: u64,
) -> Result<(usize, f64)> {
    let (mut random, mut receipts) = (StdRng::seed_from_u64(seed), JoinSet::new());
    let mut due = Instant::now();
    let end = due + WARM + plan.span(SPAN);
    loop {
        due += flips::gap(&mut random, FLIPS_A_SECOND);
        if due >= end {
            break;
        }
        tokio::time::sleep_until(due.into()).await;
        let message = Message {
            payload: sample.body.clone(),
            properties: sample.properties.iter().cloned().collect(),
            event_time: Some(clock.micros(due)),
            ..Message::default()
        };
        let sent = Instant::now();
        let receipt = Box::pin(producer.send_non_blocking(message)).await?;
        receipts.spawn(async move { receipt.await.map(|_| sent.elapsed()) });
    }
    let (count, mut total) = (receipts.len(), 0.0);
    while let Some(took) = receipts.join_next().await {
        total += milliseconds(took??);
    }
    #[expect(clippy::cast_precision_loss, reason = "messages are few")]
    Ok((count, total / count as f64))
}
