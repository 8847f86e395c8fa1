//! Gaps, as a sink writes them.

use actors::sink::Gap;

use super::*;

fn line(shard: u32, from: u64, to: u64) -> Value {
    let cluster =
        ClusterIdentity { id: uuid::Uuid::from_u128(7), incarnation: 1, name: "home".into() };
    let time = WallTime(1_700_604_800_000);
    Gap { from: Offset(from), to: Offset(to), time }.to_cloudevent(ShardId(shard), &cluster)
}

/// The sound history without some of its lines, and with a gap in the place of the first.
fn with_gap(gap: Value, lost: &[usize]) -> History {
    let mut history = History::sound();
    for at in lost.iter().rev() {
        history.events.remove(*at);
    }
    history.events.insert(lost[0], gap);
    history
}

fn shown(history: &History) -> Vec<String> {
    report_of(&[history.lines()]).1
}

#[test]
fn semantics_9_a_gap_counts_as_present_and_the_summary_names_it() {
    // The removal of `a` is lost, too, so that its next life just begins.
    let (report, shown) = report_of(&[with_gap(line(0, 2, 3), &[2, 4]).lines()]);
    assert_eq!(shown, [""; 0]);
    assert_eq!((report.events, report.totals.gaps, report.totals.lost), (5, 1, 2));
    assert_eq!(
        report.to_text(),
        "5 events of 2 resources in 2 shards, 1 gap that stands for 2 events, \
         2023-11-14T22:13:20.000Z to 2023-11-14T22:13:20.006Z: in order, and complete but for \
         the gaps\n"
    );
    let value = report.to_json();
    assert_eq!((&value["gaps"], &value["lost_events"]), (&1.into(), &2.into()));
}

#[test]
fn a_sequence_may_jump_over_a_gap_of_its_own_shard_only() {
    assert_eq!(shown(&with_gap(line(1, 2, 2), &[3])), [""; 0]);
    let mut history = with_gap(line(0, 3, 4), &[3]);
    history.events[4]["offset"] = "5".into();
    history.events[5]["offset"] = "6".into();
    history.events[6]["offset"] = "2".into();
    assert_eq!(shown(&history), ["0:7: b: lacks sequence 2"]);
}

#[test]
fn a_gap_before_the_resources_last_event_excuses_nothing() {
    let mut history = History::sound();
    history.events.insert(3, line(1, 2, 4));
    history.events[4]["offset"] = "5".into();
    history.events[7]["offset"] = "6".into();
    assert_eq!(shown(&history), [""; 0]);
    history.events[7]["sequence"] = "4".into();
    assert_eq!(shown(&history), ["0:8: b: lacks sequence 3"]);
}

#[test]
fn a_gap_excuses_neither_what_goes_back_nor_what_comes_after_the_end() {
    let over_gap = |change: fn(&mut Value)| {
        let mut history = with_gap(line(1, 2, 2), &[3]);
        change(&mut history.events[6]);
        shown(&history)
    };
    assert_eq!(over_gap(|e| e["sequence"] = "1".into()), ["0:7: b: has sequence 1 after 1"]);
    let twice = over_gap(|e| e["type"] = EventKind::Declared.type_name().into());
    assert_eq!(twice, ["0:7: b: was declared twice in one incarnation"]);
    // Without a jump the health before is still compared.
    let previous = "/data/infrastructure_status/previous_status";
    let mut history = with_gap(line(1, 2, 2), &[3]);
    history.events[6]["sequence"] = "2".into();
    *history.events[6].pointer_mut(previous).unwrap() = "WARNING".into();
    assert_eq!(shown(&history), ["0:7: b: was UNKNOWN before, but this event says WARNING"]);
}

#[test]
fn a_file_may_begin_with_a_gap() {
    let mut history = History::sound();
    history.events.drain(..4);
    history.events.insert(0, line(1, 1, 2));
    history.events.insert(0, line(0, 1, 2));
    let (report, shown) = report_of(&[history.lines()]);
    assert_eq!(shown, [""; 0]);
    assert_eq!((report.events, report.totals.gaps, report.totals.lost), (3, 2, 4));
    assert!(report.to_text().contains("2 gaps that stand for 4 events"));
}

#[test]
fn what_a_gap_does_not_stand_for_is_still_missing() {
    let found = shown(&with_gap(line(0, 3, 3), &[2, 4]));
    assert_eq!(found[0], "0:3: offset 2 of shard 0 is missing before this line");
    let found = shown(&with_gap(line(0, 2, 2), &[2, 4]));
    assert_eq!(found[0], "0:5: offset 3 of shard 0 is missing before this line");
}

#[test]
fn a_gap_over_what_its_own_file_holds_is_found() {
    let mut history = History::sound();
    history.events.insert(3, line(0, 2, 9));
    let found = shown(&history);
    assert_eq!(found, ["0:4: is a gap of shard 0 from offset 2, but 2 came before"]);
    let mut history = with_gap(line(0, 2, 3), &[2, 4]);
    history.events.insert(3, line(0, 2, 3));
    assert_eq!(shown(&history), ["0:4: repeats offset 3 of shard 0"]);
}

#[test]
fn gaps_that_contradict_themselves_are_found() {
    let spoiled = |pointer: &str, value: Value| {
        let mut gap = line(0, 2, 3);
        *gap.pointer_mut(pointer).unwrap() = value;
        shown(&with_gap(gap, &[2, 4]))[0].clone()
    };
    assert_eq!(spoiled("/data/to", 4.into()), "0:3: is a gap at offset 3, but its data end at 4");
    assert_eq!(spoiled("/data/shard", 1.into()), "0:3: is a gap of shard 0, but its data say 1");
    assert_eq!(
        spoiled("/data/from", 4.into()),
        "0:3: is a gap from offset 4 to 3, which holds none"
    );
    assert!(spoiled("/data/from", 0.into()).contains("holds none"));
    assert!(spoiled("/data/from", "x".into()).starts_with("0:3: is no gap of ours"));
    assert!(spoiled("/time", "t".into()).contains("not RFC 3339"));
    assert!(spoiled("/specversion", "2".into()).contains("version 2"));
}

#[test]
fn semantics_11_what_another_file_holds_is_not_lost() {
    let lines = History::sound().lines();
    // A node that takes over after long notes as a gap what the former leader has written.
    let late = |from, to| line(0, from, to).to_string() + "\n";
    let own = vec![late(2, 3), lines[5].clone()];
    let others = |drop: &[usize]| -> Vec<String> {
        let kept = lines.iter().enumerate().filter(|(n, _)| *n != 5 && !drop.contains(n));
        kept.map(|(_, line)| line.clone()).collect()
    };
    let (report, found) = report_of(&[own.clone(), others(&[])]);
    assert_eq!(found, [""; 0]);
    assert_eq!((report.events, report.totals.gaps, report.totals.lost), (7, 0, 0));
    let (report, found) = report_of(&[own, others(&[4])]);
    assert_eq!(found, [""; 0]);
    assert_eq!((report.events, report.totals.gaps, report.totals.lost), (6, 1, 1));
}

#[test]
fn a_gap_that_is_repeated_in_another_file_may_have_another_time() {
    let history = with_gap(line(0, 2, 3), &[2, 4]);
    let mut again = line(0, 2, 3);
    again["time"] = "2023-11-22T00:00:00.000Z".into();
    let (report, found) = report_of(&[history.lines(), vec![again.to_string() + "\n"]]);
    assert_eq!(found, [""; 0]);
    assert_eq!((report.totals.gaps, report.totals.lost, report.totals.repeats), (1, 2, 1));
}
