//! One schedule: what happens when, from a seed.

use std::collections::BTreeSet;

use rand::{RngExt, SeedableRng, rngs::StdRng};

use super::{
    Bug, Change, Offset,
    consumer::Consumer,
    judge,
    publisher::{Around, Met, Publisher, Sending, Stage},
    sink::Sink,
    world::{Proposals, Shard},
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

const STEPS: u32 = 150;
/// More than enough to finish once nothing is in the way.
const CALM: u32 = 10_000;

pub(super) struct Run {
    random: StdRng,
    pub(super) course: Course,
    pub(super) shard: Shard,
    proposals: Proposals,
    pub(super) sink: Sink,
    /// The last one leads.
    publishers: Vec<Publisher>,
    pub(super) consumer: Consumer,
    /// What a reset has passed over, and the sink lacked: it may be missing.
    pub(super) passed_over: BTreeSet<Offset>,
    /// What any reset has ever passed over: where it is told at all, it may come late.
    pub(super) may_be_late: BTreeSet<Offset>,
    /// Where the last reset has begun.
    pub(super) reset_to: Offset,
    pub(super) offence: Option<String>,
    pub(super) met: Met,
}

/// Runs a schedule, and says what it broke, or what it met.
pub(super) fn run(course: &Course) -> Result<Met, String> {
    let mut run = Run {
        random: StdRng::seed_from_u64(course.seed),
        course: *course,
        shard: Shard::default(),
        proposals: Proposals::default(),
        sink: Sink::default(),
        publishers: vec![Publisher::new(course.bug)],
        consumer: Consumer::default(),
        passed_over: BTreeSet::new(),
        may_be_late: BTreeSet::new(),
        reset_to: Offset(0),
        offence: None,
        met: Met::default(),
    };
    for _ in 0..STEPS {
        run.step();
    }
    run.finish()?;
    judge::judge(&run)?;
    let met = |n: usize| run.publishers[n].met;
    let all = (0..run.publishers.len()).map(met).chain([run.met]);
    Ok(all.fold(Met::default(), Met::and))
}

impl Run {
    fn chance(&mut self, below: u64) -> u64 {
        self.random.random_range(0..below)
    }

    fn one_of(&mut self, numbers: &[u64]) -> Option<u64> {
        let place = self.chance(numbers.len().max(1) as u64);
        numbers.get(usize::try_from(place).ok()?).copied()
    }

    fn step(&mut self) {
        let loses = self.course.trouble == Trouble::Usual;
        match self.chance(1_000) {
            0..150 => self.decide(),
            150..450 => self.publish(),
            450..610 => self.deliver(),
            610..700 => _ = self.consumer.step(&self.sink, self.shard.taken),
            700..760 => self.tell(),
            760..870 => self.land(),
            870..900 => self.break_one(),
            900..910 => self.give_up(),
            910..935 => self.take_over(),
            935..945 => self.move_in_order(),
            945..970 if loses => {
                let count = 1 + self.chance(4);
                self.sink.lose(usize::try_from(count).unwrap_or(1));
            }
            970..974 if loses => self.sink.empty(),
            974..986 => self.trim(),
            986..993 => self.retain(),
            993.. => self.reset(),
            _ => {}
        }
    }

    fn leader(&mut self) -> &mut Publisher {
        self.publishers.last_mut().expect("somebody leads")
    }

    /// One step of a publisher; of the leader where nothing else is said.
    fn work(&mut self, place: Option<usize>, receive: bool, impatient: bool) {
        let place = place.unwrap_or(self.publishers.len() - 1);
        let (shard, sink, proposals) = (&self.shard, &mut self.sink, &mut self.proposals);
        let mut around = Around { shard, sink, proposals, receive, impatient };
        self.publishers[place].step(&mut around);
    }

    fn decide(&mut self) {
        let says = self.random.random();
        match self.leader().proposed.take() {
            Some(proposed) => self.shard.commit(proposed),
            None => self.leader().proposed = Some(says),
        }
    }

    fn any_publisher(&mut self) -> usize {
        let deposed = self.publishers.len() - 1;
        match self.chance(4) {
            0 if deposed > 0 => usize::try_from(self.chance(deposed as u64)).unwrap_or(deposed),
            _ => deposed,
        }
    }

    fn publish(&mut self) {
        let place = self.any_publisher();
        let (receive, impatient) = (self.chance(2) == 0, self.chance(20) == 0);
        self.work(Some(place), receive, impatient);
    }

    /// A session ends although its connection lives, and what it has sent is under way.
    fn give_up(&mut self) {
        let place = self.any_publisher();
        self.publishers[place].stage = Stage::Idle;
    }

    fn tell(&mut self) {
        let place = self.any_publisher();
        self.tell_of(place);
    }

    fn tell_of(&mut self, place: usize) {
        self.publishers[place].tell(&mut self.proposals);
    }

    fn land(&mut self) {
        let pending = self.proposals.pending();
        if let Some(number) = self.one_of(&pending) {
            self.proposals.land(number, &mut self.shard, self.course.bug);
        }
    }

    fn land_all(&mut self) {
        for number in self.proposals.pending() {
            self.proposals.land(number, &mut self.shard, self.course.bug);
        }
    }

    fn deliver(&mut self) {
        let refused = self.course.trouble == Trouble::RefusesOne && self.chance(10) == 0;
        let busy = self.sink.busy();
        if let Some(connection) = self.one_of(&busy) {
            self.sink.deliver(connection, refused);
        }
    }

    fn break_one(&mut self) {
        let live = self.sink.live();
        if let Some(connection) = self.one_of(&live) {
            self.sink.break_off(connection);
        }
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
        self.land_all();
        self.tell_of(self.publishers.len() - 1);
        self.land_all();
        self.met = self.met.and(self.leader().met);
        self.publishers.pop();
        self.publishers.push(Publisher::new(self.course.bug));
        for _ in 0..CALM {
            if let Stage::Sending(Sending { flight, .. }) = &self.leader().stage {
                let goes_on = flight.acknowledged();
                if goes_on < acknowledged && self.course.trouble == Trouble::Usual {
                    let text =
                        format!("a planned move went on after {goes_on} instead of {acknowledged}");
                    self.offence.get_or_insert(text);
                }
                return;
            }
            self.work(None, false, false);
            self.land_all();
        }
        self.offence.get_or_insert_with(|| "a planned move does not end".to_owned());
    }

    /// Waits for the leader's receipts; `None` where it gets none, or its session is over.
    fn drain(&mut self) -> Option<Offset> {
        loop {
            let session = self.shard.cursor.session;
            let Stage::Sending(Sending { connection, flight, cursor, .. }) = &self.leader().stage
            else {
                return None;
            };
            let (connection, waiting) = (*connection, flight.waiting());
            let (own, acknowledged) = (cursor.session, flight.acknowledged());
            if own != session || self.sink.is_broken(connection) {
                return None;
            }
            if waiting == 0 {
                return Some(acknowledged);
            }
            self.sink.deliver(connection, false);
            self.work(None, true, false);
        }
    }

    /// What the consumer has passed may be taken away.
    fn trim(&mut self) {
        if let Some(position) = self.consumer.position() {
            self.sink.trim(position);
        }
    }

    /// Retention is a matter of days: nothing that was sent before is still under way.
    fn retain(&mut self) {
        self.publishers.drain(..self.publishers.len() - 1);
        self.sink.break_all();
        let left = self.shard.head().0 - self.shard.taken.0;
        let more = self.chance(left + 1);
        self.shard.taken = Offset(self.shard.taken.0 + more);
    }

    /// What the sink had not acknowledged up to there, or had no position for, is left out.
    fn reset(&mut self) {
        let (taken, head) = (self.shard.taken.0, self.shard.head().0);
        let offset = Offset(taken + self.chance(head - taken + 1));
        let former = self.shard.cursor.clone();
        if self.shard.cursor.change(Change::Reset { offset }).is_err() {
            return;
        }
        self.reset_to = offset;
        let vouched = former.position.map_or(Offset(0), |_| former.offset);
        let left_out = |offset: &Offset| {
            let vouched = *offset <= vouched && !self.passed_over.contains(offset);
            !vouched && !self.consumer.has(*offset)
        };
        self.passed_over = (1..=offset.0).map(Offset).filter(left_out).collect();
        self.may_be_late.extend(&self.passed_over);
    }

    /// Nothing is in the way any more.
    fn finish(&mut self) -> Result<(), String> {
        for n in 0..CALM {
            for place in 0..self.publishers.len() {
                self.work(Some(place), n % 2 == 0, false);
            }
            self.tell_of(self.publishers.len() - 1);
            self.land_all();
            let busy = self.sink.busy();
            busy.iter().for_each(|connection| self.sink.deliver(*connection, false));
            while self.consumer.step(&self.sink, self.shard.taken) {}
            if busy.is_empty() && self.is_done() {
                return Ok(());
            }
        }
        Err(format!("it stays at {:?} of {}", self.shard.cursor, self.shard.head()))
    }

    /// The leader has an acknowledgement of everything, in a session that is not over.
    fn is_done(&mut self) -> bool {
        let (session, head) = (self.shard.cursor.session, self.shard.head());
        let Stage::Sending(Sending { connection, cursor, flight, .. }) = &self.leader().stage
        else {
            return false;
        };
        let (connection, own) = (*connection, cursor.session);
        let all = flight.acknowledged() >= head;
        all && own == session && !self.sink.is_broken(connection)
    }
}
