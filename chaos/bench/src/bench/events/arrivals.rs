//! What came of the events in the topic, and whether it is all that was acknowledged, once.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use anyhow::{Context, Result, ensure};

use super::{
    super::topic::Arrival,
    load::{RESOURCES, Told, number},
};
use crate::peer::pulsar::Sample;

/// The first event of a resource tells that it was declared, the next its first transition.
const FIRST_TRANSITION: usize = 2;

/// See the module. Clones are one.
#[derive(Clone, Default)]
pub(super) struct Arrivals(Arc<Mutex<Book>>);

#[derive(Default)]
struct Book {
    /// By resource and sequence.
    came: Vec<Vec<Option<Instant>>>,
    messages: HashSet<(u64, u64, i32)>,
    distinct: usize,
    repeats: usize,
    /// What is sent before this moment, in milliseconds since 1970, is not the first that is looked for.
    since_ms: u64,
    first: Option<Instant>,
    last: Option<Instant>,
    sample: Option<Sample>,
}

impl Arrivals {
    /// Takes a message in.
    pub(super) fn take(&self, arrival: &Arrival) -> Result<()> {
        let mut book = self.book();
        if !book.messages.insert(arrival.place()) {
            // The broker delivers again what was not acknowledged in time: that is no other message.
            return Ok(());
        }
        let resource = number(arrival.property("subject")?).context("an unknown resource")?;
        let sequence: usize = arrival.property("sequence")?.parse()?;
        let is_transition = arrival.property("type")?.ends_with("status.updated.v1");
        ensure!(
            is_transition == (sequence >= FIRST_TRANSITION),
            "event {sequence} is of another type"
        );
        if is_transition && book.sample.is_none() {
            book.sample = Some(arrival.sample());
        }
        book.note(resource, sequence, arrival.at);
        if arrival.sent_ms() >= book.since_ms {
            book.first.get_or_insert(arrival.at);
        }
        Ok(())
    }

    /// Looks for the first event that is sent from a moment on, in milliseconds since 1970.
    pub(super) fn look_for_the_first_since(&self, moment: u64) {
        let mut book = self.book();
        (book.since_ms, book.first) = (moment, None);
    }

    /// When that came.
    pub(super) fn first(&self) -> Option<Instant> {
        self.book().first
    }

    /// How many events came, those of declarations included, and how many of them again.
    pub(super) fn counts(&self) -> (usize, usize) {
        let book = self.book();
        (book.distinct, book.repeats)
    }

    /// When the last one came that had not come before.
    pub(super) fn last(&self) -> Option<Instant> {
        self.book().last
    }

    /// A message as they are.
    pub(super) fn sample(&self) -> Result<Sample> {
        self.book().sample.clone().context("no transition came")
    }

    /// When a transition came.
    pub(super) fn of(&self, told: &Told) -> Option<Instant> {
        let sequence = told.number + FIRST_TRANSITION;
        self.book().came.get(told.resource)?.get(sequence).copied().flatten()
    }

    /// The moments at which events came.
    pub(super) fn moments(&self) -> Vec<Instant> {
        self.book().came.iter().flatten().copied().flatten().collect()
    }

    /// # Errors
    /// What was acknowledged is not there, or there is more.
    pub(super) fn check(&self, told: &[Told]) -> Result<()> {
        let lost = told.iter().filter(|told| self.of(told).is_none()).count();
        ensure!(lost == 0, "{lost} acknowledged transitions are not in the topic");
        let (came, expected) = (self.counts().0, told.len() + RESOURCES);
        ensure!(came == expected, "{came} events are in the topic, {expected} were acknowledged");
        Ok(())
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Book {
    fn note(&mut self, resource: usize, sequence: usize, at: Instant) {
        self.came.resize_with(RESOURCES, Vec::new);
        let came = &mut self.came[resource];
        if came.len() <= sequence {
            came.resize(sequence + 1, None);
        }
        if came[sequence].is_some() {
            self.repeats += 1;
            return;
        }
        came[sequence] = Some(at);
        self.distinct += 1;
        self.last = Some(at);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_and_what_is_too_much_is_an_error() {
        let (arrivals, now) = (Arrivals::default(), Instant::now());
        (0..RESOURCES).for_each(|n| arrivals.book().note(n, 1, now));
        let told = [Told { resource: 7, number: 0, due: now, acknowledged: now }];
        let lacking = arrivals.check(&told).unwrap_err().to_string();
        assert!(lacking.starts_with("1 acknowledged"), "{lacking}");
        arrivals.book().note(7, 2, now);
        arrivals.book().note(7, 2, now);
        arrivals.check(&told).unwrap();
        assert_eq!(arrivals.counts(), (RESOURCES + 1, 1));
        arrivals.book().note(8, 2, now);
        assert!(arrivals.check(&told).is_err());
    }
}
