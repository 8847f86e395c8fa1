//! **T**: a consumer of the topic that drops what it has had has every event, in order, each once. How many
//! were in the topic more than once is told, and no fault where something was hurt. A broker that refuses one
//! message and takes the next has them in another order; nothing may be lost even then.

use std::collections::BTreeMap;

use harness::oracle::Told;

use crate::history::History;

use super::Judgement;

pub(super) fn judge(history: &History) -> Judgement {
    match &history.state.topic {
        None => {
            let why = "there was no consumer of a topic".to_owned();
            Judgement { broken: Vec::new(), not_judged: Some(why) }
        }
        Some(topic) => {
            let mut wrong = violations(&history.state.events, topic);
            if !history.bounds.refusals {
                wrong.extend(disorder(topic));
            }
            if history.bounds.planned && history.state.repeats > 0 {
                let repeats = history.state.repeats;
                wrong.push(format!("{repeats} messages were sent again, and nothing was hurt"));
            }
            wrong.into()
        }
    }
}

fn disorder(topic: &[Told]) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut last: BTreeMap<u64, u64> = BTreeMap::new();
    for event in topic {
        let before = last.entry(event.shard).or_default();
        if event.offset <= *before {
            wrong.push(format!("in the topic after offset {before}: {event}"));
        }
        *before = event.offset.max(*before);
    }
    wrong
}

fn violations(decided: &[Told], topic: &[Told]) -> Vec<String> {
    let mut wrong = Vec::new();
    let told: BTreeMap<(u64, u64), &str> =
        topic.iter().map(|event| ((event.shard, event.offset), event.id.as_str())).collect();
    for event in decided {
        match told.get(&(event.shard, event.offset)) {
            None => wrong.push(format!("not in the topic: {event}")),
            Some(id) if **id != event.id => {
                wrong.push(format!("another in the topic, with id {id}: {event}"));
            }
            Some(_) => {}
        }
    }
    wrong
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::invariants::fixture::well;

    fn doctored(doctor: impl FnOnce(&mut Vec<Told>)) -> History {
        let mut history = well();
        let mut topic = history.state.events.clone();
        doctor(&mut topic);
        history.state.topic = Some(topic);
        history
    }

    fn found(doctor: impl FnOnce(&mut Vec<Told>)) -> usize {
        judge(&doctored(doctor)).broken.len()
    }

    #[test]
    fn what_is_missing_late_or_another_is_found() {
        assert_eq!(found(|_| {}), 0);
        assert_eq!(found(|topic| drop(topic.remove(1))), 1);
        assert!(found(|topic| topic.swap(0, 1)) > 0);
        assert_eq!(found(|topic| topic[0].id = "another".to_owned()), 1);
    }

    #[test]
    fn a_broker_that_refuses_may_mix_them_up_and_lose_none() {
        let mut history = doctored(|topic| topic.swap(0, 1));
        history.bounds.refusals = true;
        assert!(judge(&history).held());
        history.state.topic.as_mut().unwrap().remove(0);
        assert!(!judge(&history).held());
    }

    #[test]
    fn what_is_sent_again_although_nothing_was_hurt_is_found() {
        let mut history = doctored(|_| {});
        history.state.repeats = 1;
        assert!(judge(&history).held());
        history.bounds.planned = true;
        assert!(!judge(&history).held());
    }

    #[test]
    fn without_a_consumer_nothing_is_held() {
        assert!(!judge(&well()).held());
    }
}
