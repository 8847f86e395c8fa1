//! Doctored files, one for each defect.

mod gaps;

use std::{fs, io::Write};

use model::{
    Incarnation, Metrics, Offset, ResourceType, Revision, Sequence, ShardId, Term,
    event::{ClusterIdentity, Event, EventKind},
};
use serde_json::Value;

use super::*;
use model::{HealthStatus, WallTime};

/// A sound history that tests then spoil.
#[derive(Default)]
struct History {
    events: Vec<Value>,
    offsets: std::collections::BTreeMap<u32, u64>,
}

impl History {
    fn push(
        &mut self,
        shard: u32,
        id: &str,
        (index, sequence): (u64, u64),
        kind: EventKind,
        (previous, status): (Option<HealthStatus>, HealthStatus),
    ) {
        let offset = self.offsets.entry(shard).or_default();
        *offset += 1;
        let event = Event {
            kind,
            resource_id: id.parse().unwrap(),
            resource_type: ResourceType::Host,
            incarnation: Incarnation { index, position: 0 },
            sequence: Sequence(sequence),
            shard: ShardId(shard),
            offset: Offset(*offset),
            term: Term(1),
            revision: Revision(9),
            time: WallTime(1_700_000_000_000 + self.events.len() as i64),
            status,
            previous,
            reason: "r".to_owned(),
            metrics: Metrics::default(),
            suppressed_by: None,
            decided_from: None,
        };
        let cluster =
            ClusterIdentity { id: uuid::Uuid::from_u128(7), incarnation: 1, name: "home".into() };
        self.events.push(event.to_cloudevent(&cluster));
    }

    /// Two resources in two shards: one is removed and declared again.
    fn sound() -> Self {
        use EventKind::{Declared, Removed, StatusUpdated};
        use HealthStatus::{Critical, Healthy, Unknown};
        let mut history = Self::default();
        history.push(0, "a", (1, 1), Declared, (None, Unknown));
        history.push(1, "b", (1, 1), Declared, (None, Unknown));
        history.push(0, "a", (1, 2), StatusUpdated, (Some(Unknown), Healthy));
        history.push(1, "b", (1, 2), StatusUpdated, (Some(Unknown), Critical));
        history.push(0, "a", (1, 3), Removed, (Some(Healthy), Healthy));
        history.push(0, "a", (5, 1), Declared, (None, Unknown));
        history.push(1, "b", (1, 3), StatusUpdated, (Some(Critical), Healthy));
        history
    }

    fn lines(&self) -> Vec<String> {
        self.events.iter().map(|event| event.to_string() + "\n").collect()
    }
}

fn report_of(files: &[Vec<String>]) -> (Report, Vec<String>) {
    report_with(files, Repeats::Wrong)
}

fn report_with(files: &[Vec<String>], repeats: Repeats) -> (Report, Vec<String>) {
    let directory = tempfile::tempdir().unwrap();
    let paths: Vec<PathBuf> =
        (0..files.len()).map(|n| directory.path().join(n.to_string())).collect();
    for (path, lines) in paths.iter().zip(files) {
        fs::File::create(path).unwrap().write_all(lines.concat().as_bytes()).unwrap();
    }
    let report = verify(&paths, repeats).unwrap();
    let shown = report.findings.first.iter();
    let shown = shown.map(|(at, detail)| format!("{}:{}: {detail}", at.file, at.line)).collect();
    (report, shown)
}

fn found(spoil: impl FnOnce(&mut History)) -> Vec<String> {
    let mut history = History::sound();
    spoil(&mut history);
    report_of(&[history.lines()]).1
}

#[test]
fn a_sound_file_is_complete_and_in_order() {
    let (report, shown) = report_of(&[History::sound().lines()]);
    assert_eq!(shown, [""; 0]);
    assert_eq!((report.events, report.shards, report.resources), (7, 2, 2));
    assert_eq!(
        report.to_text(),
        "7 events of 2 resources in 2 shards, 2023-11-14T22:13:20.000Z to \
         2023-11-14T22:13:20.006Z: complete and in order\n"
    );
}

#[test]
fn in_a_topic_what_is_sent_again_is_counted_and_what_is_missing_is_found() {
    let mut lines = History::sound().lines();
    let again = lines[lines.len() - 3..].to_vec();
    lines.extend(again);
    let (report, shown) = report_with(&[lines.clone()], Repeats::Usual);
    assert_eq!((shown.len(), report.events, report.totals.again), (0, 7, 3));
    assert!(report.to_text().contains(", 3 sent again"), "{}", report.to_text());
    assert_eq!(report_of(&[lines.clone()]).0.findings.count, 3);
    // An event that comes for the first time after a later one is no repeat.
    let mut lines = History::sound().lines();
    let moved = lines.remove(2);
    lines.push(moved);
    assert!(report_with(&[lines], Repeats::Usual).0.findings.count > 0);
}

#[test]
fn a_torn_last_line_is_found() {
    let mut lines = History::sound().lines();
    lines.last_mut().unwrap().truncate(50);
    assert_eq!(
        report_of(&[lines]).1,
        ["0:7: the last line is torn: it does not end in a line break"]
    );
}

#[test]
fn malformed_empty_and_endless_lines_are_found() {
    let mut lines = History::sound().lines();
    lines.push("{\"specversion\":\"1.0\"}\n".to_owned());
    lines.push("\n".to_owned());
    lines.push("x".repeat(2 << 20) + "\n");
    lines.push("not json\n".to_owned());
    let (report, shown) = report_of(&[lines]);
    assert_eq!(report.events, 7);
    assert!(shown[0].starts_with("0:8: is no event of ours: missing field"), "{shown:?}");
    assert_eq!(shown[1], "0:9: an empty line");
    assert_eq!(shown[2], "0:10: the line is longer than any event");
    assert!(shown[3].starts_with("0:11: is no event of ours"), "{shown:?}");
}

#[test]
fn payloads_that_contradict_their_envelope_are_found() {
    assert_eq!(
        found(|h| h.events[0]["data"]["event_id"] = "x".into())[0],
        "0:1: data.event_id is not the event's id"
    );
    assert_eq!(
        found(|h| h.events[0]["data"]["infrastructure_status"]["resource_id"] = "z".into())[0],
        "0:1: the payload is of another resource than the subject"
    );
    assert!(found(|h| h.events[0]["type"] = "t".into())[0].contains("no type of ours"));
    assert!(found(|h| h.events[0]["time"] = "t".into())[0].contains("not RFC 3339"));
}

#[test]
fn a_lost_line_is_a_gap_of_its_shard_and_of_its_resource() {
    assert_eq!(
        found(|h| drop(h.events.remove(3))),
        ["0:6: offset 2 of shard 1 is missing before this line", "0:6: b: lacks sequence 2",]
    );
}

#[test]
fn swapped_and_repeated_lines_are_found() {
    let shown = found(|h| h.events.swap(4, 5));
    assert_eq!(shown[0], "0:5: offset 3 of shard 0 is missing before this line");
    assert!(
        shown.contains(&"0:6: goes back to offset 3 of shard 0 after 4".to_owned()),
        "{shown:?}"
    );
    let shown = found(|h| h.events.insert(3, h.events[2].clone()));
    assert_eq!(shown, ["0:4: repeats offset 2 of shard 0"]);
}

#[test]
fn a_life_begins_with_its_declaration() {
    let declared_late = found(|h| h.events[0]["sequence"] = "2".into());
    assert_eq!(declared_late[0], "0:1: a: was declared with sequence 2, not 1");
    let undeclared = found(|h| h.events[5]["type"] = h.events[2]["type"].clone());
    assert_eq!(undeclared, ["0:6: a: has sequence 1 without being declared"]);
    let twice = found(|h| h.events[2]["type"] = h.events[0]["type"].clone());
    assert_eq!(twice, ["0:3: a: was declared twice in one incarnation"]);
}

#[test]
fn a_file_that_begins_later_may_begin_within_a_life() {
    let mut history = History::sound();
    history.events.drain(..2);
    assert_eq!(report_of(&[history.lines()]).1, [""; 0]);
    // Offset 1 is here, so that all of the life must be, too.
    let shown = found(|h| {
        h.events.remove(1);
        h.events[2]["offset"] = "1".into();
        h.events[5]["offset"] = "2".into();
    });
    assert_eq!(shown, ["0:3: b: begins with sequence 2; the events from 1 on are missing"]);
}

#[test]
fn a_lost_transition_shows_in_what_was_before() {
    let status = "/data/infrastructure_status/previous_status";
    let spoiled = |value: Value| found(|h| *h.events[6].pointer_mut(status).unwrap() = value);
    assert_eq!(
        spoiled("WARNING".into()),
        ["0:7: b: was CRITICAL before, but this event says WARNING"]
    );
    assert_eq!(spoiled(Value::Null), ["0:7: b: does not say what it was before"]);
}

#[test]
fn nothing_comes_after_removed_and_nothing_is_declared_before_it() {
    let shown = found(|h| {
        h.events[5]["incarnation"] = "1.0".into();
        h.events[5]["sequence"] = "4".into();
    });
    assert_eq!(shown, ["0:6: a: has sequence 4 after it was removed"]);
    let shown = found(|h| h.events[4]["type"] = h.events[2]["type"].clone());
    assert_eq!(shown, ["0:6: a: begins incarnation 5.0, but incarnation 1.0 was not removed"]);
    let shown = found(|h| h.events[5]["incarnation"] = "0.0".into());
    assert_eq!(shown, ["0:6: a: goes back to incarnation 0.0 after 1.0"]);
}

#[test]
fn an_id_is_used_once() {
    let shown = found(|h| {
        h.events[3]["id"] = h.events[2]["id"].clone();
        h.events[3]["data"]["event_id"] = h.events[2]["id"].clone();
    });
    assert_eq!(shown, ["0:4: b: its id is that of an earlier event"]);
}

#[test]
fn semantics_11_the_files_of_several_nodes_are_one_history() {
    let lines = History::sound().lines();
    let pick =
        |wanted: &[usize]| -> Vec<String> { wanted.iter().map(|n| lines[*n].clone()).collect() };
    // One node led shard 0 first and last, the other in between, with one repeat.
    let (report, shown) = report_of(&[pick(&[0, 5, 6]), pick(&[1, 2, 3, 4]), pick(&[2])]);
    assert_eq!(shown, [""; 0]);
    assert_eq!((report.events, report.totals.repeats), (7, 1));
    let (_, shown) = report_of(&[pick(&[0, 5, 6]), pick(&[1, 3, 4])]);
    assert_eq!(
        shown,
        ["1:3: offset 2 of shard 0 is missing before this line", "1:3: a: lacks sequence 2"]
    );
}

#[test]
fn a_repeat_in_another_file_is_the_same_byte_for_byte() {
    let lines = History::sound().lines();
    let other = lines[2].replace("\"reason\":\"r\"", "\"reason\":\"s\"");
    let (_, shown) = report_of(&[lines, vec![other]]);
    assert_eq!(shown, ["1:1: is another event at offset 2 of shard 0 than in another file"]);
}

#[test]
fn files_whose_clocks_disagree_are_still_put_in_order() {
    let mut history = History::sound();
    for event in history.events.iter_mut().skip(4) {
        event["time"] = "2020-01-01T00:00:00.000Z".into();
    }
    let lines = history.lines();
    let (_, shown) = report_of(&[lines[4..].to_vec(), lines[..4].to_vec()]);
    assert_eq!(shown, [""; 0]);
}

#[test]
fn only_the_first_offenders_are_shown_and_all_are_counted() {
    let (report, shown) = report_of(&[vec!["x\n".to_owned(); 50]]);
    assert_eq!((report.findings.count, shown.len()), (50, 20));
    assert!(
        report.to_text().contains("and 30 more\n0 events of 0 resources in 0 shards: 50 problems")
    );
}

#[test]
fn a_file_that_is_far_ahead_waits_for_the_others() {
    use EventKind::{Declared, StatusUpdated};
    use HealthStatus::{Healthy, Warning};
    let mut history = History::default();
    history.push(0, "a", (1, 1), Declared, (None, Healthy));
    let mut status = Healthy;
    for sequence in 2..=300 {
        let next = if status == Healthy { Warning } else { Healthy };
        history.push(0, "a", (1, sequence), StatusUpdated, (Some(status), next));
        status = next;
    }
    let (mut early, late) = (history.lines(), history.lines());
    early.truncate(100);
    let (report, shown) = report_of(&[late[100..].to_vec(), early]);
    assert_eq!(shown, [""; 0]);
    assert_eq!(report.events, 300);
}
