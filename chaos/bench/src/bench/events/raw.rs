//! The peer: the broker's own client for Java sends the same message, and the same consumer reads it.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};

use super::{
    super::topic::{self, Clock, Topic},
    Figures, LOOK, LOST, SPAN, Setting, Times, WARM, to_f64,
};
use crate::{
    peer::pulsar::{self, Drive, Produced, Sample},
    plan::Plan,
};

/// When each message was due and when it was read, in microseconds since 1970.
type Came = Vec<(u64, u64)>;

/// At the rate of ours.
pub(super) async fn at(
    plan: &Plan,
    setting: &Setting,
    sample: &Sample,
    (name, rate): (&str, usize),
) -> Result<Figures> {
    let drive = Drive { rate: to_f64(rate), warm: WARM, span: plan.span(SPAN) };
    let (produced, came) = drive_into(setting, name, sample, drive).await?;
    Ok(figures(&produced, &came))
}

/// As fast as it goes, in messages a second that were read; none where it cannot be run.
pub(super) async fn at_full_speed(
    plan: &Plan,
    setting: &Setting,
    sample: &Sample,
) -> Result<Option<f64>> {
    if setting.missing.is_some() {
        return Ok(None);
    }
    plan.progress("14 events: the peer at full speed");
    let drive = Drive { rate: 0.0, warm: WARM, span: plan.span(SPAN) };
    let (produced, came) = drive_into(setting, "raw-fastest", sample, drive).await?;
    Ok(Some(figures(&produced, &came).published_per_second))
}

async fn drive_into(
    setting: &Setting,
    name: &str,
    sample: &Sample,
    drive: Drive,
) -> Result<(Produced, Came)> {
    let broker = &setting.broker;
    topic::create(broker, name).await?;
    let (came, clock) = (Arc::new(Mutex::new(Came::new())), Clock::now()?);
    let noted = Arc::clone(&came);
    let topic = Topic::follow(broker, name, move |arrival| {
        let times = (arrival.due_us()?, clock.micros(arrival.at));
        noted.lock().unwrap_or_else(PoisonError::into_inner).push(times);
        Ok(())
    })
    .await?;
    let place = (broker.url(), topic::full(name));
    let produced = pulsar::produce(&setting.program, (&place.0, &place.1), sample, drive).await?;
    let began = Instant::now();
    loop {
        topic.check()?;
        let count = came.lock().unwrap_or_else(PoisonError::into_inner).len();
        if count as u64 >= produced.acknowledged {
            break;
        }
        ensure!(began.elapsed() < LOST, "{count} of {} messages came", produced.acknowledged);
        tokio::time::sleep(LOOK).await;
    }
    let came = came.lock().unwrap_or_else(PoisonError::into_inner).clone();
    Ok((produced, came))
}

fn figures(produced: &Produced, came: &Came) -> Figures {
    let within = |micros: u64| (produced.begin..produced.end).contains(&micros);
    let seconds = Duration::from_micros(produced.end - produced.begin).as_secs_f64();
    let a_second = |of: fn(&(u64, u64)) -> u64| {
        to_f64(came.iter().filter(|times| within(of(times))).count()) / seconds
    };
    let late = came.iter().filter(|(due, _)| within(*due));
    let due = Times::of(late.map(|(due, read)| Duration::from_micros(read.saturating_sub(*due))));
    let ms = |micros: u64| Duration::from_micros(micros).as_secs_f64() * 1e3;
    Figures {
        offered_per_second: a_second(|(due, _)| *due),
        published_per_second: a_second(|(_, read)| *read),
        due,
        beside: Times { p50_ms: ms(produced.p50_us), p99_ms: ms(produced.p99_us) },
        cpu_micros: 0.0,
        repeats: 0,
    }
}
