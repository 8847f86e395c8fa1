//! One schedule: what happens when, from a seed; and what must be true at its end.

use std::collections::BTreeSet;

use rand::{RngExt, SeedableRng, rngs::StdRng};

use super::{
    Bug, Offset,
    consumer::Consumer,
    publisher::{Publisher, Sending, Stage},
    sink::Sink,
    world::{Cursor, Shard},
};

/// What the sink does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trouble {
    /// Connections break, and the sink loses its end or everything.
    Usual,
    /// Connections break, and the sink refuses a message and takes those that came after it.
    RefusesOne,
}

/// A schedule.
#[derive(Debug, Clone, Copy)]
pub(super) struct Course {
    pub(super) seed: u64,
    pub(super) trouble: Trouble,
    pub(super) bug: Option<Bug>,
}

const STEPS: u32 = 120;
/// More than enough to finish once nothing is in the way.
const CALM: u32 = 10_000;

struct Run {
    random: StdRng,
    course: Course,
    shard: Shard,
    sink: Sink,
    /// The last one leads.
    publishers: Vec<Publisher>,
    consumer: Consumer,
    /// What a person has left out by a reset.
    excused: BTreeSet<Offset>,
    /// Where the last reset has begun.
    reset_to: Offset,
    /// Its first session has not begun to send.
    reset: bool,
    offence: Option<String>,
}

/// Runs a schedule, and says what it broke.
pub(super) fn run(course: &Course) -> Result<(), String> {
    let mut run = Run {
        random: StdRng::seed_from_u64(course.seed),
        course: *course,
        shard: Shard::default(),
        sink: Sink::default(),
        publishers: vec![Publisher::new(course.bug)],
        consumer: Consumer::default(),
        excused: BTreeSet::new(),
        reset_to: Offset(0),
        reset: false,
        offence: None,
    };
    for _ in 0..STEPS {
        run.step();
    }
    run.finish()?;
    run.judge()
}

impl Run {
    fn chance(&mut self, below: u64) -> u64 {
        self.random.random_range(0..below)
    }

    fn step(&mut self) {
        match self.chance(1_000) {
            0..170 => self.decide(),
            170..450 => self.publish(),
            450..700 => self.deliver(),
            700..800 => _ = self.consumer.step(&self.sink),
            800..870 => self.commit_cursor(),
            870..910 => self.break_one(),
            910..935 => self.take_over(),
            935..945 => self.move_in_order(),
            945..963 if self.course.trouble == Trouble::RefusesOne => {}
            945..960 => {
                let count = 1 + self.chance(4) as usize;
                self.sink.lose(count);
            }
            960..963 => self.sink.empty(),
            963..980 => self.trim(),
            980..990 => self.retain(),
            _ => self.reset(),
        }
    }

    fn leader(&mut self) -> &mut Publisher {
        self.publishers.last_mut().expect("somebody leads")
    }

    fn decide(&mut self) {
        let says = self.random.random();
        match self.leader().proposed.take() {
            Some(proposed) => self.shard.commit(proposed),
            None => self.leader().proposed = Some(says),
        }
    }

    fn publish(&mut self) {
        let deposed = self.publishers.len() as u64 - 1;
        let place = match self.chance(4) {
            0 if deposed > 0 => self.chance(deposed) as usize,
            _ => deposed as usize,
        };
        let receive = self.chance(2) == 0;
        self.publishers[place].step(&mut self.shard, &mut self.sink, receive);
        self.note_reset();
    }

    /// Whatever a reset passes over and the sink lacks when it takes effect is left out.
    fn note_reset(&mut self) {
        let cursor = self.shard.cursor;
        let sends = |stage: &Stage| matches!(stage, Stage::Sending(s) if s.epoch == cursor.epoch);
        if !self.reset || !sends(&self.leader().stage) {
            return;
        }
        self.reset = false;
        self.excuse(cursor.offset);
    }

    fn excuse(&mut self, upto: Offset) {
        let held = self.held();
        let absent = (1..=upto.0).map(Offset).filter(|offset| !held.contains(offset));
        let absent: Vec<Offset> = absent.filter(|offset| !self.consumer.has(*offset)).collect();
        self.excused.extend(absent);
    }

    fn held(&self) -> BTreeSet<Offset> {
        let (mut held, mut at) = (BTreeSet::new(), None);
        while let Some(record) = self.sink.after(at) {
            let span = record.message.span;
            held.extend((span.first.0..=span.last.0).map(Offset));
            at = Some(record.position);
        }
        held
    }

    fn any_connection(&mut self) -> Option<u64> {
        let open: Vec<u64> = self.sink.connections.keys().copied().collect();
        let place = self.chance(open.len().max(1) as u64) as usize;
        open.get(place).copied()
    }

    fn deliver(&mut self) {
        let refused = self.course.trouble == Trouble::RefusesOne && self.chance(10) == 0;
        if let Some(connection) = self.any_connection() {
            self.sink.deliver(connection, refused);
        }
    }

    fn break_one(&mut self) {
        if let Some(connection) = self.any_connection() {
            self.sink.break_off(connection);
        }
    }

    fn commit_cursor(&mut self) {
        let leader = self.publishers.last().expect("somebody leads");
        leader.commit_cursor(&mut self.shard);
    }

    /// The former leader goes on with what it knows. What it had proposed is committed, or not.
    fn take_over(&mut self) {
        if self.chance(2) == 0
            && let Some(proposed) = self.leader().proposed.take()
        {
            self.shard.commit(proposed);
        }
        self.leader().deposed = Some(self.shard.clone());
        self.publishers.push(Publisher::new(self.course.bug));
    }

    /// All receipts, the cursor, and then another leads, which repeats nothing.
    fn move_in_order(&mut self) {
        let Some(acknowledged) = self.drain() else { return };
        self.commit_cursor();
        self.publishers.pop();
        self.publishers.push(Publisher::new(self.course.bug));
        while !matches!(self.leader().stage, Stage::Sending(_)) {
            let leader = self.publishers.last_mut().expect("somebody leads");
            leader.step(&mut self.shard, &mut self.sink, false);
        }
        self.note_reset();
        let Stage::Sending(Sending { flight, .. }) = &self.leader().stage else { return };
        let goes_on = flight.acknowledged();
        if goes_on < acknowledged && self.course.trouble == Trouble::Usual {
            let text = format!("a planned move went on after {goes_on} instead of {acknowledged}");
            self.offence.get_or_insert(text);
        }
    }

    /// Waits for the leader's receipts; `None` where it gets none.
    fn drain(&mut self) -> Option<Offset> {
        let leader = self.publishers.last_mut().expect("somebody leads");
        loop {
            let Stage::Sending(Sending { connection, flight, .. }) = &leader.stage else {
                return None;
            };
            if self.sink.is_broken(*connection) || self.reset {
                return None;
            }
            if flight.waiting() == 0 {
                return Some(flight.acknowledged());
            }
            self.sink.deliver(*connection, false);
            leader.step(&mut self.shard, &mut self.sink, true);
        }
    }

    /// What the consumer has passed may be taken away.
    fn trim(&mut self) {
        if let Some(position) = self.consumer.position() {
            self.sink.trim(position);
        }
    }

    /// Neither deposed leaders nor what was sent outlive what is decided over their heads:
    /// retention is a matter of days, and a reset one of a person.
    fn forget_the_deposed(&mut self) {
        self.publishers.drain(..self.publishers.len() - 1);
        self.sink.break_all();
    }

    fn retain(&mut self) {
        self.forget_the_deposed();
        let left = self.shard.head().0 - self.shard.taken.0;
        let more = self.chance(left + 1);
        self.shard.taken = Offset(self.shard.taken.0 + more);
    }

    fn reset(&mut self) {
        self.forget_the_deposed();
        let (taken, head) = (self.shard.taken.0, self.shard.head().0);
        let offset = Offset(taken + self.chance(head - taken + 1));
        self.shard.cursor = Cursor { epoch: self.shard.cursor.epoch + 1, offset, position: None };
        (self.reset_to, self.reset) = (offset, true);
        self.excuse(offset);
    }

    /// Nothing is in the way any more.
    fn finish(&mut self) -> Result<(), String> {
        for n in 0..CALM {
            let leader = self.publishers.last_mut().expect("somebody leads");
            leader.step(&mut self.shard, &mut self.sink, n % 2 == 0);
            leader.commit_cursor(&mut self.shard);
            self.note_reset();
            if let Some(last) = self.sink.connections.keys().last().copied() {
                (1..=last).for_each(|connection| self.sink.deliver(connection, false));
            }
            while self.consumer.step(&self.sink) {}
            if self.is_done() {
                return Ok(());
            }
        }
        Err(format!("it stays at {:?} of {}", self.shard.cursor, self.shard.head()))
    }

    /// The leader has an acknowledgement of everything, on a connection that it has yet.
    fn is_done(&self) -> bool {
        let leader = self.publishers.last().expect("somebody leads");
        let Stage::Sending(Sending { connection, epoch, flight, .. }) = &leader.stage else {
            return false;
        };
        let (current, head) = (self.shard.cursor.epoch, self.shard.head());
        !self.sink.is_broken(*connection) && *epoch == current && flight.acknowledged() >= head
    }

    fn judge(&self) -> Result<(), String> {
        if let Some(offence) = &self.offence {
            return Err(offence.clone());
        }
        for offset in (1..=self.shard.head().0).map(Offset) {
            if !self.consumer.has(offset) && !self.excused.contains(&offset) {
                return Err(format!("event {offset} was never seen"));
            }
            let (said, saw) = (self.shard.said(offset), self.consumer.saw(offset));
            if saw.is_some() && saw != said {
                return Err(format!("event {offset} was seen otherwise than it was decided"));
            }
        }
        let mut late = self.consumer.late.iter().filter(|offset| !self.excused.contains(offset));
        match late.next() {
            Some(offset) if self.course.trouble == Trouble::Usual => {
                Err(format!("event {offset} came after a later one"))
            }
            _ => self.judge_the_reset(),
        }
    }

    /// Everything after the offset that a reset names is sent again.
    fn judge_the_reset(&self) -> Result<(), String> {
        let mut due = (self.reset_to.0 + 1..=self.shard.head().0).map(Offset);
        let epoch = self.shard.cursor.epoch;
        match due.find(|offset| !self.sink.was_told(epoch, *offset)) {
            Some(offset) => Err(format!("event {offset} was not sent again after the reset")),
            None => Ok(()),
        }
    }
}
