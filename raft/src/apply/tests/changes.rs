//! SEMANTICS 13: what a watcher is told, page by page, while the shard goes on.

use std::{collections::BTreeMap, sync::Arc};

use model::{Outcome, Resource, ResourceId, ShardId, cursor::Position};
use proptest::prelude::*;

use super::harness::{Harness, Script, any_script};
use crate::{
    command::Command,
    query::{Change, ChangeKind, ChangePage, page},
};

fn read(log: &Harness, after: Position, limit: usize) -> Option<ChangePage> {
    page(&log.disk, log.keys, &log.state, ShardId(0), after, limit).unwrap()
}

/// A watcher that keeps its own copy of the rows.
#[derive(Default)]
struct Watcher {
    at: Position,
    rows: BTreeMap<ResourceId, Arc<Resource>>,
    told: Vec<Change>,
}

impl Watcher {
    /// Reads one page; whether there are more.
    fn read(&mut self, log: &Harness, limit: usize) -> Result<bool, TestCaseError> {
        let page = read(log, self.at, limit).unwrap();
        prop_assert!(page.changes.len() <= limit && page.upto >= self.at);
        let mut last = self.at;
        for change in page.changes {
            prop_assert!(change.position > last, "{:?} after {last:?}", change.position);
            last = change.position;
            let id = change.row.resource.id().clone();
            match change.kind {
                ChangeKind::Removed => self.rows.remove(&id),
                _ => self.rows.insert(id, Arc::clone(&change.row.resource)),
            };
            self.told.push(change);
        }
        prop_assert!(page.upto >= last);
        self.at = page.upto;
        Ok(page.more)
    }

    fn read_all(&mut self, log: &Harness, limit: usize) -> Result<(), TestCaseError> {
        while self.read(log, limit)? {}
        Ok(())
    }

    /// What is never coalesced.
    fn recorded(&self) -> Vec<(Position, ChangeKind)> {
        let recorded = self.told.iter().filter(|change| change.kind != ChangeKind::Updated);
        recorded.map(|change| (change.position, change.kind)).collect()
    }
}

fn watched(script: &Script, limits: &[usize], pause: usize) -> Result<(), TestCaseError> {
    let mut log = Harness::founded();
    let mut watcher = Watcher::default();
    let mut limits = limits.iter().copied().cycle();
    for (number, step) in script.steps().iter().enumerate() {
        log.step(step);
        if number % pause == 0 {
            watcher.read(&log, limits.next().unwrap())?;
        }
    }
    watcher.read_all(&log, limits.next().unwrap())?;
    prop_assert_eq!(&watcher.rows, &log.state.resources);
    let mut at_once = Watcher::default();
    at_once.read_all(&log, 100_000)?;
    prop_assert_eq!(&at_once.rows, &log.state.resources);
    prop_assert_eq!(watcher.recorded(), at_once.recorded());
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn semantics_13_pages_of_any_size_lose_and_repeat_nothing_while_the_shard_goes_on(
        script in any_script(),
        limits in prop::collection::vec(1usize..6, 1..8),
        pause in 1usize..9,
    ) {
        watched(&script, &limits, pause)?;
    }

    #[test]
    fn semantics_13_pages_of_a_shard_at_rest_are_one_list_cut_up(
        script in any_script(),
        limit in 1usize..9,
    ) {
        let mut log = Harness::founded();
        for step in script.steps() {
            log.step(step);
        }
        let (mut paged, mut at_once) = (Watcher::default(), Watcher::default());
        paged.read_all(&log, limit)?;
        at_once.read_all(&log, 100_000)?;
        prop_assert_eq!(paged.told, at_once.told);
        prop_assert_eq!(paged.at, at_once.at);
    }
}

#[test]
fn semantics_13_a_cursor_older_than_the_kept_floor_is_gone() {
    let mut log = Harness::founded();
    log.declare("a");
    log.at(1_000).result("a", Outcome::passed());
    assert!(read(&log, Position::default(), 10).is_some());
    log.at(3_700_000).apply(Command::Tick);
    log.declare("b");
    log.at(3_720_000).apply(Command::Tick);
    let floor = log.state.head.change_floor;
    assert!(floor > Position::default());
    let before = Position { index: floor.index - 1, place: u32::MAX };
    assert_eq!(read(&log, before, 10), None);
    assert_eq!(read(&log, Position::default(), 10), None);
    let kept = read(&log, floor, 10).unwrap();
    let declared = |change: &Change| change.kind == ChangeKind::Declared;
    let ids: Vec<_> =
        kept.changes.iter().filter(|c| declared(c)).map(|c| c.row.resource.id().as_str()).collect();
    assert_eq!(ids, ["b"]);
}

#[test]
fn a_page_of_nothing_holds_one_change_and_comes_to_an_end() {
    let mut log = Harness::founded();
    log.declare("a");
    let page = read(&log, Position::default(), 0).unwrap();
    assert_eq!((page.changes.len(), page.more), (1, true));
    assert!(page.upto < read(&log, page.upto, 10).unwrap().upto);
}
