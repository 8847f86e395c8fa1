//! Apply as a pure function: logs in, bytes out.

mod changes;
mod harness;
mod nodes;
mod replay;
mod sinks;

use model::{HealthStatus, Millis, Miss, Outcome, Sequence, ShardTime, maintenance::Maintenance};
use proptest::prelude::*;

use super::*;
use crate::command::ReportBody;
use harness::{Harness, any_script, run};

#[test]
fn semantics_1_a_rejected_proposal_loses_no_time_and_time_never_goes_back() {
    let mut log = Harness::founded();
    log.at(1_000).apply(Command::Tick);
    log.at(500).apply(Command::Tick);
    assert_eq!(log.state.head.time, ShardTime(1_000));
    log.at(5_000).apply(Command::Tick);
    assert_eq!(log.state.head.time, ShardTime(5_000));
    log.new_term(700);
    assert_eq!(log.state.head.time, ShardTime(5_700));
    log.at(100).apply(Command::Tick);
    assert_eq!(log.state.head.time, ShardTime(5_800));
}

#[test]
fn semantics_1_a_term_that_is_opened_twice_counts_the_time_before_it_once() {
    let mut log = Harness::founded();
    log.at(1_000).apply(Command::Tick);
    log.new_term(700);
    log.open_again(700);
    assert_eq!(log.state.head.time, ShardTime(1_700));
    log.at(100).apply(Command::Tick);
    assert_eq!(log.state.head.time, ShardTime(1_800));
    log.new_term(700);
    assert_eq!(log.state.head.time, ShardTime(2_500), "the next term counts");
}

#[test]
fn semantics_2_silence_is_unknown_but_a_leaderless_gap_is_not() {
    let mut log = Harness::founded();
    log.declare("a");
    log.at(1_000).result("a", Outcome::passed());
    assert_eq!(log.status("a"), HealthStatus::Healthy);
    // An hour without a leader, then a term: nothing is stale before the catch-up had its time.
    log.new_term(3_600_000);
    assert_eq!(log.status("a"), HealthStatus::Healthy);
    log.at(1_999).apply(Command::Tick);
    assert_eq!(log.status("a"), HealthStatus::Healthy);
    log.at(2_001).apply(Command::Tick);
    assert_eq!(log.status("a"), HealthStatus::Unknown);
}

#[test]
fn semantics_4_a_missed_slot_never_speaks_of_the_target() {
    let mut log = Harness::founded();
    log.declare("a");
    log.at(1_000).result("a", Outcome::passed());
    for (round, reason) in (1..).zip(Miss::ALL) {
        // Every other slot passes, so that silence has nothing to say.
        let before = log.resource("a").state.health.clone();
        log.at(round * 2_000).report("a", ReportBody::Missed { reason });
        assert_eq!(log.resource("a").state.health, before, "{reason}");
        log.at(round * 2_000 + 1_000).result("a", Outcome::passed());
    }
}

#[test]
fn semantics_6_slots_of_a_restart_are_missed_and_counted() {
    let mut log = Harness::founded();
    log.declare("a");
    log.at(1_000).result("a", Outcome::passed());
    let next = log.resource("a").state.ledger.next();
    log.new_term(10_000);
    log.at(900).result("a", Outcome::passed());
    let ledger = &log.resource("a").state.ledger;
    assert!(ledger.next() > next + 5);
    let runs = log.runs("a");
    let missed: u64 = runs
        .iter()
        .filter(|run| run.ended == model::slots::Ended::Missed(Miss::Restart))
        .map(|run| run.to - run.from)
        .sum();
    assert!(missed >= 9, "{runs:?}");
}

#[test]
fn semantics_6_a_result_of_a_former_declaration_decides_nothing() {
    let mut log = Harness::founded();
    log.declare("a");
    let old = log.report_of(
        "a",
        1_000,
        ReportBody::Result {
            outcome: Outcome::critical("refused"),
            metrics: Default::default(),
            observed_at: model::WallTime(0),
        },
    );
    log.redeclare("a", |spec| spec.name = "another".to_owned());
    log.at(1_500).apply(Command::Observe(vec![old]));
    assert_eq!(log.status("a"), HealthStatus::Unknown);
    let open = *log.resource("a").state.ledger.open().unwrap();
    assert_eq!(open.ended, model::slots::Ended::Missed(Miss::Changed));
}

#[test]
fn semantics_6_a_deposed_leaders_late_result_is_refused() {
    let mut log = Harness::founded();
    log.declare("a");
    let late = log.report_of(
        "a",
        1_000,
        ReportBody::Result {
            outcome: Outcome::critical("refused"),
            metrics: Default::default(),
            observed_at: model::WallTime(0),
        },
    );
    log.new_term(1_000);
    let reply = log.apply(Command::Observe(vec![late]));
    let Reply::Observed(replies) = reply else { panic!("{reply:?}") };
    assert!(matches!(replies[..], [crate::command::ReportReply::Stale(_)]));
    assert_eq!(log.resource("a").state.ledger.next(), 0);
}

#[test]
fn semantics_8_a_removed_id_starts_again_with_a_new_life() {
    let mut log = Harness::founded();
    log.declare("a");
    let first = log.resource("a").identity.incarnation;
    log.remove("a");
    log.declare("a");
    let resource = log.resource("a");
    assert_ne!(resource.identity.incarnation, first);
    assert_eq!(resource.state.sequence, Sequence(1));
    assert_eq!(log.events().iter().map(|e| e.sequence.0).collect::<Vec<_>>(), [1, 2, 1]);
}

fn window(log: &Harness, minutes: u64) -> Maintenance {
    let now = log.state.head.wall;
    Maintenance {
        name: "m".to_owned(),
        selector: Some("team=shop".parse().unwrap()),
        resource_ids: Default::default(),
        starts_at: now,
        ends_at: now.plus(Millis::from_secs(60 * minutes)),
        reason: String::new(),
    }
}

#[test]
fn semantics_18_maintenance_holds_for_what_is_and_what_comes_and_ends_by_itself() {
    let mut log = Harness::founded();
    log.declare("a");
    log.at(1_000).result("a", Outcome::passed());
    let adopt =
        |version, window| Command::AdoptMaintenance { name: "m".to_owned(), version, window };
    let asked = Some(window(&log, 1));
    log.apply(adopt(5, asked.clone()));
    log.declare("b");
    assert_eq!(log.status("a"), HealthStatus::Maintenance);
    assert_eq!(log.status("b"), HealthStatus::Maintenance);
    log.at(2_000).result("a", Outcome::critical("refused"));
    assert_eq!(log.status("a"), HealthStatus::Maintenance);
    log.apply(adopt(4, None));
    assert_eq!(log.status("a"), HealthStatus::Maintenance, "an older version is ignored");
    log.at(61_500).apply(Command::Tick);
    assert_ne!(log.status("a"), HealthStatus::Maintenance);
    log.apply(adopt(6, None));
    log.apply(adopt(5, asked));
    assert_ne!(log.status("b"), HealthStatus::Maintenance, "a deletion is not undone");
}

#[test]
fn semantics_18_a_window_that_begins_or_ends_without_a_leader_is_not_lost() {
    let mut log = Harness::founded();
    log.declare("a");
    log.at(1_000).result("a", Outcome::passed());
    let asked = Some(window(&log, 1));
    let name = || "m".to_owned();
    log.apply(Command::AdoptMaintenance { name: name(), version: 1, window: asked });
    log.reload();
    log.new_term(3_600_000);
    assert_eq!(log.status("a"), HealthStatus::Healthy, "it ended in the gap");
    let mut later = window(&log, 60);
    later.starts_at = later.starts_at.plus(Millis::from_secs(60));
    let command = Command::AdoptMaintenance { name: name(), version: 2, window: Some(later) };
    log.apply(command);
    assert_eq!(log.status("a"), HealthStatus::Healthy);
    log.reload();
    log.new_term(120_000);
    assert_eq!(log.status("a"), HealthStatus::Maintenance, "it began in the gap");
}

#[test]
fn semantics_20_a_push_moves_forward_and_not_far_ahead() {
    let mut log = Harness::founded();
    log.declare_push("p");
    assert!(matches!(log.at(1_000).push("p", 100), Reply::Pushed { .. }));
    assert!(matches!(log.push("p", 100), Reply::Refused(Refusal::Older(_))));
    assert!(matches!(log.push("p", 10_000_000), Reply::Refused(Refusal::Ahead(_))));
    assert!(matches!(log.push("p", 101), Reply::Pushed { .. }));
    assert_eq!(log.status("p"), HealthStatus::Healthy);
}

#[test]
fn the_store_holds_what_memory_holds() {
    let mut log = Harness::founded();
    log.declare("a");
    log.declare("b");
    log.at(1_000).result("a", Outcome::critical("refused"));
    log.redeclare("b", |spec| spec.interval = Millis(500));
    log.remove("b");
    let loaded = crate::state::load(&log.disk, log.keys).unwrap();
    assert_eq!(loaded.head, log.state.head);
    assert_eq!(loaded.resources, log.state.resources);
    assert_eq!(loaded.sinks, log.state.sinks);
    assert_eq!(loaded.timers.next(), log.state.timers.next());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn replaying_a_log_gives_the_same_bytes(script in any_script()) {
        prop_assert_eq!(run(&script).bytes(), run(&script).bytes());
    }

    #[test]
    fn no_log_skips_or_repeats_a_sequence_or_an_offset(script in any_script()) {
        let log = run(&script);
        let events = log.events();
        for (offset, event) in (1..).zip(&events) {
            prop_assert_eq!(event.offset.0, offset);
        }
        let mut last = std::collections::BTreeMap::new();
        for event in &events {
            let life = (event.resource_id.clone(), event.incarnation);
            let former: Option<(u64, HealthStatus)> =
                last.insert(life, (event.sequence.0, event.status));
            prop_assert_eq!(event.sequence.0, former.map_or(1, |(sequence, _)| sequence + 1));
            if let (Some((_, status)), Some(previous)) = (former, event.previous) {
                prop_assert_eq!(previous, status);
            }
        }
    }

    #[test]
    fn the_order_of_independent_resources_does_not_matter(script in any_script()) {
        let (one, other) = (run(&script), run(&script.swapped()));
        for id in ["a", "b", "c"] {
            let shown = |log: &Harness| log.state.resources.get(id).map(|r| {
                (r.status(), r.state.health.clone(), r.state.sequence, r.state.ledger.clone())
            });
            prop_assert_eq!(shown(&one), shown(&other));
        }
    }

    #[test]
    fn semantics_7_coverage_adds_up_whatever_happens(script in any_script()) {
        let log = run(&script);
        for id in ["a", "b", "c"] {
            if let Some(coverage) = log.coverage(id) {
                prop_assert!(coverage.adds_up(), "{:?}", coverage);
            }
        }
    }

    #[test]
    fn restarting_from_the_store_at_any_point_changes_nothing(script in any_script(), at in 0usize..40) {
        let straight = run(&script);
        let mut resumed = Harness::founded();
        for (number, step) in script.steps().iter().enumerate() {
            if number == at {
                resumed.reload();
            }
            resumed.step(step);
        }
        prop_assert_eq!(straight.bytes(), resumed.bytes());
    }
}

#[test]
fn semantics_19_a_version_that_is_adopted_leaves_the_staged_parts_of_a_newer_one() {
    let mut log = Harness::founded();
    for (version, id) in [(1, "a"), (2, "b")] {
        let specs = vec![harness::spec(id)];
        log.apply(Command::StageConfig { version, part: 0, specs });
    }
    for version in [1, 2] {
        let reply = log.apply(Command::AdoptConfig { version, parts: 1 });
        assert_eq!(reply, Reply::Version(version));
        assert!(log.state.staged.keys().all(|(staged, _)| *staged > version));
        log.reload();
    }
    let ids: Vec<&str> = log.state.resources.keys().map(model::ResourceId::as_str).collect();
    assert_eq!(ids, ["b"]);
}
