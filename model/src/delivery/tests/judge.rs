//! What must be true at the end of a schedule.

use super::{
    Offset,
    schedule::{Run, Trouble},
};

pub(super) fn judge(run: &Run) -> Result<(), String> {
    if let Some(offence) = &run.offence {
        return Err(offence.clone());
    }
    everything_was_seen(run)?;
    nothing_else_was_seen(run)?;
    if run.course.trouble == Trouble::Usual {
        everything_came_in_order(run)?;
    }
    everything_after_the_reset_was_sent(run)
}

fn everything_was_seen(run: &Run) -> Result<(), String> {
    for offset in (1..=run.shard.head().0).map(Offset) {
        if !run.consumer.has(offset) && !run.passed_over.contains(&offset) {
            return Err(format!("event {offset} was never seen"));
        }
        let (said, saw) = (run.shard.said(offset), run.consumer.saw(offset));
        if saw.is_some() && saw != said {
            return Err(format!("event {offset} was seen otherwise than it was decided"));
        }
    }
    Ok(())
}

fn nothing_else_was_seen(run: &Run) -> Result<(), String> {
    let last = run.consumer.last();
    if last > run.shard.head() {
        return Err(format!("event {last} was seen and never decided"));
    }
    match run.consumer.false_gap {
        Some(offset) => Err(format!("a gap stood for {offset}, which is kept")),
        None => Ok(()),
    }
}

fn everything_came_in_order(run: &Run) -> Result<(), String> {
    let mut late = run.consumer.late.iter().filter(|offset| !run.may_be_late.contains(offset));
    match late.next() {
        Some(offset) => Err(format!("event {offset} came after a later one")),
        None => Ok(()),
    }
}

fn everything_after_the_reset_was_sent(run: &Run) -> Result<(), String> {
    let mut due = (run.reset_to.0 + 1..=run.shard.head().0).map(Offset);
    let epoch = run.shard.cursor.epoch;
    match due.find(|offset| !run.sink.was_told(epoch, *offset)) {
        Some(offset) => Err(format!("event {offset} was not sent again after the reset")),
        None => Ok(()),
    }
}
