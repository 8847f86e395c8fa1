//! A short run of the harness itself: what it records suffices to judge it again, and a verdict
//! turns where the record does.

use bellwether_chaos::{
    history::History,
    runner::{self, Options},
    scenarios,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_short_run_holds_and_its_record_is_judged_alike_until_it_is_doctored() {
    let scenario = scenarios::select(&["kill".to_owned()]).unwrap()[0];
    let options =
        Options { rounds: 2, seed: 7, verbose: false, binary: None, points: String::new() };
    let (verdict, history) = runner::run(&scenario, &options).await;
    assert!(!verdict.broke(), "{verdict:?}\n{}", history.log);
    assert_eq!((verdict.rounds, verdict.not_run.as_deref()), (2, None));
    assert!(history.ends.len() == 2 && history.starts.len() == 3);
    assert!(!history.state.events.is_empty() && !history.reads.is_empty());

    let recorded = serde_json::to_vec(&history).unwrap();
    let mut again: History = serde_json::from_slice(&recorded).unwrap();
    assert_eq!(runner::judge(&again), verdict.invariants);

    again.state.events.pop();
    let row = again.state.rows.iter_mut().find(|row| row.id.starts_with("push:0-")).unwrap();
    row.version = Some(0);
    let broken: String = runner::judge(&again)
        .into_iter()
        .filter_map(|(letter, found)| (!found.broken.is_empty()).then_some(letter))
        .collect();
    assert_eq!(broken, "AE");
}
